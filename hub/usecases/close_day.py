"""Close an operating day: the statement of every account, each line rounded once, and the rounding account."""

import hashlib
from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from hub.market.trades import Violation
from hub.settlement.accounts import AccountTable
from hub.settlement.checks import check_statements, check_trial_balance
from hub.settlement.ledger import TrialBalance
from hub.settlement.statements import (
    DayStatements,
    Role,
    StatementLines,
    add_lines,
    close_day,
    post_rounding,
)
from hub.settlement.transfers import TransferKind
from hub.store.bulk import insert_columns
from hub.store.tables import PostingRow, StatementLineRow, StatementRow
from hub.usecases.load_county import CountyModel
from hub.usecases.retail_supply import accounts_as_opened

# One side of every posting, summed in the database: an account and kind at a time instead of millions of rows.
_SIDE = (
    "SELECT {account}, kind, sum(energy_wh), sum(amount_nano_yuan) FROM posting "
    "WHERE interval BETWEEN :first AND :last AND kind <> 'STATEMENT_ROUNDING' GROUP BY {account}, kind"
)
_RUNS = text(
    "SELECT rule_version, input_hash FROM settlement_run WHERE interval BETWEEN :first AND :last ORDER BY interval, run"
)
_LAST_SEQ = text("SELECT max(seq) FROM posting WHERE interval = :interval")


@dataclass(frozen=True)
class ClosedDay:
    """What closing a day found. violations: of laws 6 and 7."""

    statements: DayStatements
    violations: tuple[Violation, ...]


def close_operating_day(session: Session, county: CountyModel, *, day: date, first: int, last: int) -> ClosedDay:
    """Write the statements of the settled intervals first..last (inclusive) of one operating day.

    The intervals are those that were run; a part of a day is closed like a whole one.
    """
    span = {"first": first, "last": last}
    lines = add_lines([_side(session, span, Role.PAYER), _side(session, span, Role.PAYEE)])
    rule_version, input_hash = _provenance(session, span)
    accounts = accounts_as_opened(session, county.accounts)
    statements = close_day(day, lines, accounts, rule_version=rule_version, input_hash=input_hash)
    balance = _trial_balance(session, accounts, span)
    violations = (*check_trial_balance(balance, f"day {day}"), *check_statements(statements, balance))
    _save_statements(session, statements, first=first, last=last)
    _post_rounding(session, accounts, statements, last)
    return ClosedDay(statements, violations)


def _side(session: Session, span: dict[str, int], role: Role) -> StatementLines:
    account = "debit" if role is Role.PAYER else "credit"
    rows = session.execute(text(_SIDE.format(account=account)), span).all()
    sign = -1 if role is Role.PAYER else 1
    return StatementLines(
        account=np.array([row[0] for row in rows], dtype=np.int64),
        kind=np.array([TransferKind[row[1]].value for row in rows], dtype=np.int8),
        role=np.full(len(rows), role.value, dtype=np.int8),
        energy_wh=np.array([int(row[2]) for row in rows], dtype=np.int64),
        amount_nano_yuan=np.array([sign * int(row[3]) for row in rows], dtype=np.int64),
    )


def _provenance(session: Session, span: dict[str, int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows = session.execute(_RUNS, span).all()
    versions = {version for row in rows for version in str(row[0]).split()}
    return tuple(sorted(versions)), tuple(str(row[1]) for row in rows)


def _trial_balance(session: Session, accounts: AccountTable, span: dict[str, int]) -> TrialBalance:
    """Return debits and credits by account from the postings themselves; a negative amount flows the other way."""
    debit, credit = [0] * len(accounts), [0] * len(accounts)
    rows = session.execute(
        text(
            "SELECT debit, credit, amount_nano_yuan < 0, sum(amount_nano_yuan) FROM posting "
            "WHERE interval BETWEEN :first AND :last AND kind <> 'STATEMENT_ROUNDING' "
            "GROUP BY debit, credit, amount_nano_yuan < 0"
        ),
        span,
    )
    for payer, payee, backwards, amount in rows:
        giver, taker = (payee, payer) if backwards else (payer, payee)
        debit[giver] += abs(int(amount))
        credit[taker] += abs(int(amount))
    return TrialBalance(tuple(debit), tuple(credit))


def _save_statements(session: Session, statements: DayStatements, *, first: int, last: int) -> None:
    day, lines = statements.day.isoformat(), statements.lines
    accounts = np.unique(lines.account)
    insert_columns(
        session,
        StatementRow,
        {
            "day": day,
            "account": accounts,
            "first_interval": first,
            "last_interval": last,
            "total_fen": statements.total_fen[accounts],
            "ledger_nano_yuan": statements.total_nano_yuan[accounts] + statements.rounding_nano_yuan[accounts],
            "rounding_nano_yuan": -statements.rounding_nano_yuan[accounts],
        },
    )
    starts = np.searchsorted(lines.account, lines.account)
    version = " ".join(statements.rule_version)
    # The hash of a line stands for the inputs of all its intervals.
    digest = hashlib.sha256("\n".join(statements.input_hash).encode()).hexdigest()
    insert_columns(
        session,
        StatementLineRow,
        {
            "day": day,
            "account": lines.account,
            "line": np.arange(lines.account.size) - starts,
            "kind": [_line_kind(kind, role) for kind, role in zip(lines.kind, lines.role, strict=True)],
            "energy_wh": lines.energy_wh,
            "amount_fen": statements.line_fen,
            "exact_nano_yuan": lines.amount_nano_yuan,
            "rule_version": version,
            "input_hash": digest,
        },
    )


def _line_kind(kind: int, role: int) -> str:
    """Return the line's name: the kind of transfer and the side, for example "ENERGY.paid"."""
    return f"{TransferKind(int(kind)).name}.{'paid' if Role(int(role)) is Role.PAYER else 'received'}"


def _post_rounding(session: Session, accounts: AccountTable, statements: DayStatements, last: int) -> None:
    digest = hashlib.sha256("\n".join(statements.input_hash).encode()).hexdigest()
    batch = post_rounding(
        statements,
        accounts,
        batch_id=f"rounding/{statements.day}",
        interval=last,
        input_hash=digest,
    )
    if not batch.amount_nano_yuan.size:
        return
    first_seq = int(session.execute(_LAST_SEQ, {"interval": last}).scalar_one() or 0) + 1
    insert_columns(
        session,
        PostingRow,
        {
            "interval": last,
            "seq": np.arange(first_seq, first_seq + batch.amount_nano_yuan.size),
            "run": 0,
            "kind": TransferKind.STATEMENT_ROUNDING.name,
            "debit": batch.debit,
            "credit": batch.credit,
            "amount_nano_yuan": batch.amount_nano_yuan,
            "meter": -1,
            "energy_wh": 0,
            "price_uyuan_per_kwh": None,
        },
    )
