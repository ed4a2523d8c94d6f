"""Statements: what each account received and paid in a day, by kind, in Wh, exact nano-yuan and fen.

Each line is rounded once, half-up, to fen; a statement is the sum of its lines; what rounding moves goes to the
rounding account, which is shown, so that statements and rounding account sum to the ledger (law 7; requirements rows
99, 189). Sign: positive is received, negative is paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np

from hub.market.trades import Int8Array, Int64Array
from hub.settlement.accounts import AccountTable, SystemAccount
from hub.settlement.columns import read_only
from hub.settlement.ledger import BatchKind, PostingBatch
from hub.settlement.money import NANO_YUAN_PER_FEN, round_half_up_fen_column, sum_by_group
from hub.settlement.transfers import TransferKind, Transfers

# Version of the rule by which lines are rounded and the rest is booked.
ROUNDING_RULE = "statement-rounding-1"


class Role(IntEnum):
    """Which side of the transfers a line sums: those that the account is named to pay, or to receive."""

    PAYER = 0
    PAYEE = 1


_KEYS_PER_ACCOUNT = len(TransferKind) * len(Role)


@dataclass(frozen=True)
class StatementLines:
    """Lines of many accounts, sorted by (account, kind, role), shape (n_lines,) each.

    energy_wh, amount_nano_yuan: sums over the intervals; amount is positive where the account receives.
    """

    account: Int64Array
    kind: Int8Array
    role: Int8Array
    energy_wh: Int64Array
    amount_nano_yuan: Int64Array


@dataclass(frozen=True)
class DayStatements:
    """The statements of all accounts for one day.

    line_fen: shape (n_lines,), each line rounded once. total_fen, rounding_nano_yuan: shape (n_accounts,), the sum of
    an account's lines, and what it has in the ledger beyond that. rule_version: rules and price versions of the day's
    transfers, sorted; input_hash: of each interval settled, in order.
    """

    day: date
    lines: StatementLines
    line_fen: Int64Array
    total_fen: Int64Array
    rounding_nano_yuan: Int64Array
    rule_version: tuple[str, ...]
    input_hash: tuple[str, ...]

    @property
    def total_nano_yuan(self) -> Int64Array:
        """Return each statement's total in nano-yuan."""
        return self.total_fen * NANO_YUAN_PER_FEN


@dataclass(frozen=True)
class StatementLine:
    """One line of a statement, for reading."""

    kind: TransferKind
    role: Role
    energy_wh: int
    amount_nano_yuan: int
    amount_fen: int


@dataclass(frozen=True)
class Statement:
    """One account's statement of a day, for reading; `rounding_nano_yuan` is exact total less total."""

    account: str
    day: date
    lines: tuple[StatementLine, ...]
    total_fen: int
    exact_nano_yuan: int
    rounding_nano_yuan: int


def interval_lines(transfers: Transfers) -> StatementLines:
    """Return the lines of one interval: every transfer counts once for each of its two accounts."""
    key = transfers.kind.astype(np.int64) * len(Role)
    return _grouped(
        np.concatenate(
            (
                transfers.from_account * _KEYS_PER_ACCOUNT + key + Role.PAYER,
                transfers.to_account * _KEYS_PER_ACCOUNT + key + Role.PAYEE,
            )
        ),
        np.concatenate((transfers.quantity_wh, transfers.quantity_wh)),
        np.concatenate((-transfers.amount_nano_yuan, transfers.amount_nano_yuan)),
    )


def add_lines(lines: Sequence[StatementLines]) -> StatementLines:
    """Return the sum of lines, of intervals or of days.

    :raises OverflowError: if the amounts could leave int64
    """
    keys = [
        part.account * _KEYS_PER_ACCOUNT + part.kind.astype(np.int64) * len(Role) + part.role for part in lines
    ] or [np.empty(0, np.int64)]
    energy = [part.energy_wh for part in lines] or [np.empty(0, np.int64)]
    amount = [part.amount_nano_yuan for part in lines] or [np.empty(0, np.int64)]
    return _grouped(np.concatenate(keys), np.concatenate(energy), np.concatenate(amount))


def close_day(
    day: date,
    lines: StatementLines,
    accounts: AccountTable,
    *,
    rule_version: tuple[str, ...],
    input_hash: tuple[str, ...],
) -> DayStatements:
    """Return the day's statements: each line rounded once, totals, and what rounding leaves in the ledger."""
    line_fen = round_half_up_fen_column(lines.amount_nano_yuan)
    rounding = lines.amount_nano_yuan - line_fen * NANO_YUAN_PER_FEN
    return DayStatements(
        day=day,
        lines=lines,
        line_fen=read_only(line_fen),
        total_fen=read_only(sum_by_group(line_fen, lines.account, len(accounts))),
        rounding_nano_yuan=read_only(sum_by_group(rounding, lines.account, len(accounts))),
        rule_version=rule_version,
        input_hash=input_hash,
    )


def post_rounding(
    statements: DayStatements, accounts: AccountTable, *, batch_id: str, interval: int, input_hash: str
) -> PostingBatch:
    """Return the postings that move each account's rounding to the rounding account, so that it equals its statement.

    :param interval: the day's last interval
    """
    account = np.flatnonzero(statements.rounding_nano_yuan)
    amount = statements.rounding_nano_yuan[account]
    rounding = np.full(account.shape, accounts.position(SystemAccount.ROUNDING), np.int64)
    surplus = amount > 0
    return PostingBatch(
        batch_id=batch_id,
        kind_of_batch=BatchKind.ROUNDING,
        interval=interval,
        reverses="",
        input_hash=input_hash,
        debit=read_only(np.where(surplus, account, rounding)),
        credit=read_only(np.where(surplus, rounding, account)),
        amount_nano_yuan=read_only(np.abs(amount)),
        kind=read_only(np.full(account.shape, TransferKind.STATEMENT_ROUNDING, np.int8)),
        transfer=read_only(np.full(account.shape, -1, np.int64)),
        rule=read_only(np.zeros(account.shape, np.int64)),
        rule_version=(ROUNDING_RULE,),
    )


def statement_of(statements: DayStatements, account: int, accounts: AccountTable) -> Statement:
    """Return the statement of one account, for reading."""
    lines = statements.lines
    first, end = np.searchsorted(lines.account, [account, account + 1]).tolist()
    total_fen = int(statements.total_fen[account])
    rounding = int(statements.rounding_nano_yuan[account])
    return Statement(
        account=accounts.names[account],
        day=statements.day,
        lines=tuple(
            StatementLine(
                kind=TransferKind(int(lines.kind[row])),
                role=Role(int(lines.role[row])),
                energy_wh=int(lines.energy_wh[row]),
                amount_nano_yuan=int(lines.amount_nano_yuan[row]),
                amount_fen=int(statements.line_fen[row]),
            )
            for row in range(first, end)
        ),
        total_fen=total_fen,
        exact_nano_yuan=total_fen * NANO_YUAN_PER_FEN + rounding,
        rounding_nano_yuan=rounding,
    )


def _grouped(key: Int64Array, energy_wh: Int64Array, amount_nano_yuan: Int64Array) -> StatementLines:
    keys, row = np.unique(key, return_inverse=True)
    group = np.asarray(row, dtype=np.int64)
    within = keys % _KEYS_PER_ACCOUNT
    return StatementLines(
        account=read_only(keys // _KEYS_PER_ACCOUNT),
        kind=read_only((within // len(Role)).astype(np.int8)),
        role=read_only((within % len(Role)).astype(np.int8)),
        energy_wh=read_only(sum_by_group(energy_wh, group, keys.size)),
        amount_nano_yuan=read_only(sum_by_group(amount_nano_yuan, group, keys.size)),
    )
