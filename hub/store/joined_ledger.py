"""The month's ledger joined with the intervals': what intervals charged, what was reversed, what a point has paid.

Everything is summed in the database, a query a question, however many bills a month has. Sums come back as Python
ints: PostgreSQL gives them as decimals.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlmodel import Session, col, func, select

from edge.contract.interval import INTERVALS_PER_DAY, first_interval_of_day
from hub.market.registry.periods import next_month
from hub.settlement.accounts import MARKET_ACCOUNT
from hub.settlement.joined_ledger import JOIN_RULE, IntervalCharges, JoinKey, JoinKind
from hub.settlement.transfers import TransferKind
from hub.store.bill_tables import MonthPostingRow
from hub.store.bulk import insert_columns
from hub.store.tables import NONE, AccountRow

_CHARGES = (
    "SELECT p.meter, p.kind, p.debit, p.credit, sum(p.energy_wh), sum(p.amount_nano_yuan) FROM posting p "
    "JOIN metering_point m ON m.position = p.meter "
    "JOIN account a ON a.participant = m.participant AND a.position = p.debit "
    "WHERE p.interval BETWEEN :first AND :last{only} "
    "GROUP BY p.meter, p.kind, p.debit, p.credit ORDER BY p.meter, p.kind, p.debit, p.credit"
)
_CAPTIVE = text(
    "SELECT p.interval, m.voltage_class, sum(p.energy_wh), "
    "sum(CASE WHEN p.kind = 'AGENCY_BILL' THEN p.energy_wh ELSE 0 END) FROM posting p "
    "JOIN metering_point m ON m.position = p.meter "
    "WHERE p.interval BETWEEN :first AND :last AND p.kind IN ('AGENCY_BILL', 'GUARANTEED_BILL') "
    "GROUP BY p.interval, m.voltage_class"
)
_TARIFFS = text(
    "SELECT interval, run, price_uyuan_per_kwh FROM posting WHERE interval BETWEEN :first AND :last "
    "AND kind = 'NETWORK_CAPTIVE' AND energy_wh > 0 ORDER BY interval, seq"
)
_ROUNDED = text(
    "SELECT l.account, l.kind, sum(l.exact_nano_yuan - l.amount_fen * 10000000) FROM statement_line l "
    "WHERE l.day BETWEEN :first AND :last GROUP BY l.account, l.kind"
)
_BOOKED = text(
    "SELECT kind, meter, of_kind, payer, payee, sum(amount_nano_yuan) FROM month_posting WHERE month = :month "
    "GROUP BY kind, meter, of_kind, payer, payee"
)
_MARKET = text(
    "SELECT m.meter_id, sum(held) FROM ("
    "SELECT meter, CASE WHEN payee = :market THEN amount_nano_yuan ELSE 0 END"
    " - CASE WHEN payer = :market THEN amount_nano_yuan ELSE 0 END AS held"
    " FROM bill_posting WHERE posting_month = :month AND (payee = :market OR payer = :market) "
    "UNION ALL SELECT meter, -amount_nano_yuan FROM month_posting "
    "WHERE posting_month = :month AND kind = 'through-market') f "
    "JOIN metering_point m ON m.position = f.meter GROUP BY m.meter_id"
)
_BILLED = text(
    "SELECT m.meter_id, sum(CASE WHEN b.payer = a.account_id THEN b.amount_nano_yuan ELSE 0 END"
    " - CASE WHEN b.payee = a.account_id THEN b.amount_nano_yuan ELSE 0 END) FROM bill_posting b "
    "JOIN metering_point m ON m.position = b.meter JOIN account a ON a.participant = m.participant "
    "WHERE b.posting_month = :month GROUP BY m.meter_id"
)
_OWED = text(
    "SELECT m.meter_id, b.total_fen FROM bill b JOIN metering_point m ON m.position = b.meter "
    "JOIN (SELECT meter, max(version) AS version FROM bill WHERE month = :month AND posting_month = :month "
    "GROUP BY meter) n ON n.meter = b.meter AND n.version = b.version WHERE b.month = :month"
)
_NAMED = text(
    "SELECT payer FROM bill_posting WHERE posting_month = :month UNION "
    "SELECT payee FROM bill_posting WHERE posting_month = :month"
)


def intervals_of_month(month: date) -> tuple[int, int]:
    """Return the first and the last interval of the month, named by its first day."""
    last = first_interval_of_day(next_month(month) - timedelta(days=1)) + INTERVALS_PER_DAY - 1
    return first_interval_of_day(month), last


def read_interval_charges(session: Session, first: int, last: int, *, run: int | None = None) -> IntervalCharges:
    """Return what intervals first..last (inclusive) charged each metering point's own participant.

    :param run: only what this settlement run posted, reversals of the run before with it
    """
    only = "" if run is None else " AND p.run = :run"
    given = {"first": first, "last": last} | ({} if run is None else {"run": run})
    rows = session.execute(text(_CHARGES.format(only=only)), given).all()

    def column(position: int) -> Any:  # noqa: ANN401
        return np.array([int(row[position]) for row in rows], np.int64)

    kind = np.array([TransferKind[row[1]].value for row in rows], np.int64)
    return IntervalCharges(column(0), kind, column(2), column(3), column(4), column(5))


def read_captive_energy(session: Session, first: int, last: int) -> dict[tuple[int, str], tuple[int, int]]:
    """Return import by interval and voltage class: of all captive users, and of agency users among them, Wh."""
    rows = session.execute(_CAPTIVE, {"first": first, "last": last})
    return {(interval, name): (int(captive), int(agency)) for interval, name, captive, agency in rows}


def read_captive_tariffs(session: Session, first: int, last: int) -> dict[int, list[int]]:
    """Return T of each NETWORK_CAPTIVE transfer by interval, in their order, as last settled.

    A run begins with the reversal of the one before, below 0 Wh.
    """
    found: dict[int, list[int]] = {}
    newest: dict[int, int] = {}
    for interval, run, price in session.execute(_TARIFFS, {"first": first, "last": last}):
        if newest.setdefault(interval, run) != run:
            newest[interval], found[interval] = run, []
        found.setdefault(interval, []).append(price)
    return found


def read_statement_rounding(session: Session, month: date) -> dict[int, dict[str, int]]:
    """Return what rounding moved of the month's daily statements by account and line kind, such as "ENERGY.paid".

    Received less shown, nano-yuan: what the account paid to the rounding account, exactly.
    """
    days = {"first": month.isoformat(), "last": (next_month(month) - timedelta(days=1)).isoformat()}
    found: dict[int, dict[str, int]] = {}
    for account, kind, amount in session.execute(_ROUNDED, days):
        found.setdefault(account, {})[kind] = int(amount)
    return found


def booked_amounts(session: Session, month: int) -> dict[JoinKey, int]:
    """Return what is booked so far to join a month, in whatever months it was booked."""
    rows = session.execute(_BOOKED, {"month": month})
    return {JoinKey(*row[:5]): int(row[5]) for row in rows}


def save_month_postings(
    session: Session, amounts: Mapping[JoinKey, int], *, month: int, posting_month: int, first: int, last: int
) -> int:
    """Add postings to the month's ledger and return how many; none is changed.

    :param first, last: the intervals that they are about, inclusive
    """
    if not amounts:
        return 0
    query = select(func.max(MonthPostingRow.seq)).where(MonthPostingRow.posting_month == posting_month)
    standing = session.exec(query).one()
    start = 0 if standing is None else standing + 1
    columns = tuple(zip(*amounts, strict=True))
    return insert_columns(
        session,
        MonthPostingRow,
        {
            **dict(zip(JoinKey._fields, columns, strict=True)),
            "amount_nano_yuan": list(amounts.values()),
            "seq": range(start, start + len(amounts)),
            "posting_month": posting_month,
            "month": month,
            "first_interval": first,
            "last_interval": last,
            "rule_version": JOIN_RULE,
        },
    )


def open_month_accounts(session: Session, names: Iterable[str]) -> dict[str, int]:
    """Open the accounts that only months know behind those of the intervals; return every account's position by name.

    :param names: the month's own accounts, retailers; those that are open stay as they are
    """
    known: dict[str, int] = dict(session.exec(select(AccountRow.account_id, AccountRow.position)).all())
    last = session.exec(select(func.max(AccountRow.position))).one()
    fresh = [name for name in dict.fromkeys(names) if name not in known]
    start = 0 if last is None else last + 1
    positions = list(range(start, start + len(fresh)))
    if fresh:
        insert_columns(session, AccountRow, {"position": positions, "account_id": fresh, "participant": NONE})
    return known | dict(zip(fresh, positions, strict=True))


def named_accounts(session: Session, posting_month: int) -> set[str]:
    """Return the accounts that the month's bills name."""
    return {name for (name,) in session.execute(_NAMED, {"month": posting_month})}


def market_held_nano_yuan(session: Session, posting_month: int) -> dict[str, int]:
    """Return what the account `market` holds of a month by metering point: bills less what it paid on."""
    rows = session.execute(_MARKET, {"month": posting_month, "market": MARKET_ACCOUNT})
    return {name: int(held) for name, held in rows}


def paid_by_bills_nano_yuan(session: Session, posting_month: int) -> dict[str, int]:
    """Return what each point's participant paid by the bill postings of a month, rounding with it."""
    return {name: int(paid) for name, paid in session.execute(_BILLED, {"month": posting_month})}


def owed_fen(session: Session, month: int) -> dict[str, int]:
    """Return the total of each point's newest bill that was booked in its own month."""
    return {name: int(fen) for name, fen in session.execute(_OWED, {"month": month})}


def joined_by_payee(session: Session, month: int) -> list[tuple[str, str, int]]:
    """Return the sums of a month's joining postings by kind of transfer and payee's account."""
    rows = session.exec(
        select(MonthPostingRow.of_kind, AccountRow.account_id, func.sum(MonthPostingRow.amount_nano_yuan))
        .join(AccountRow, col(AccountRow.position) == col(MonthPostingRow.payee))
        .where(MonthPostingRow.month == month)
        .group_by(col(MonthPostingRow.of_kind), col(AccountRow.account_id))
    )
    return [(kind, account, int(amount)) for kind, account, amount in rows]


def joined_by_point(session: Session, month: int, kind: JoinKind) -> dict[int, int]:
    """Return the sums of a month's joining postings of a kind by metering point's position."""
    rows = session.exec(
        select(MonthPostingRow.meter, func.sum(MonthPostingRow.amount_nano_yuan))
        .where(MonthPostingRow.month == month, MonthPostingRow.kind == kind.value, col(MonthPostingRow.meter) != NONE)
        .group_by(col(MonthPostingRow.meter))
    )
    return {meter: int(amount) for meter, amount in rows}
