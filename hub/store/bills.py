"""Bills in the database: write versions, read the newest one, list a month, tell what is closed.

A bill's document is its JSON, deflated; lines and postings stand in tables of their own, for sums.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from sqlalchemy import func
from sqlmodel import Session, col, select

from edge.contract.interval import first_interval_of_day
from hub.market.registry.periods import next_month
from hub.settlement.bills.bill import Bill
from hub.settlement.bills.bill_case import decode_bill
from hub.settlement.bills.composition import rounding_line
from hub.settlement.rule_lines import RuleLine
from hub.store.bill_tables import BillLineRow, BillPostingRow, BillRow, MonthCloseRow, SettledEnergyRow
from hub.store.bulk import Row, insert_rows
from hub.store.tables import AccountRow, MeteringPointRow

_LEVEL = 1
"""Of deflation: the fastest one saves five sixths of a bill."""

_BILL = (
    *("month", "meter", "version", "posting_month", "bill_id", "account", "energy_wh", "total_fen"),
    *("exact_nano_yuan", "rounding_nano_yuan", "sha256", "document"),
)
_LINE = (
    *("month", "meter", "version", "line", "component", "period", "quantity", "unit", "price_uyuan"),
    *("amount_nano_yuan", "amount_fen", "posting"),
)
_POSTING = ("posting_month", "meter", "version", "seq", "payer", "payee", "kind", "amount_nano_yuan")


@dataclass(frozen=True)
class BillVersion:
    """A version of a bill to be written, with its JSON.

    postings: what it books in its posting month, reversals included.
    """

    meter: int
    version: int
    account: int
    posting_month: int
    bill: Bill
    document: bytes
    postings: tuple[RuleLine, ...]


@dataclass(frozen=True)
class BillHeadRow:
    """A bill in a list, the newest version."""

    meter_id: str
    account: str
    bill_id: str
    version: int
    posting_month: int
    energy_wh: int
    total_fen: int
    rounding_nano_yuan: int
    sha256: str


def month_number(month: date) -> int:
    """Return the month of a day, year x 100 + month."""
    return month.year * 100 + month.month


def bill_sha256(document: bytes) -> str:
    """Return the hash of a bill's JSON."""
    return sha256(document).hexdigest()


def ledger_lines(bill: Bill) -> tuple[RuleLine, ...]:
    """Return what a bill books, one line a payee and component, with its part of the rounding account."""
    totals: dict[tuple[str, str, str], int] = {}
    for one in (*bill.postings, rounding_line(bill)):
        key = one.from_account, one.to_account, one.component
        totals[key] = totals.get(key, 0) + one.amount_nano_yuan
    whole = {one.component: one for one in (*bill.postings, rounding_line(bill))}
    return tuple(
        RuleLine(kind, "", payer, payee, 0, whole[kind].unit, None, amount, whole[kind].rule_version, ())
        for (payer, payee, kind), amount in totals.items()
        if amount
    )


def save_bills(session: Session, versions: Iterable[BillVersion]) -> None:
    """Write versions of bills with their lines and postings.

    :raises hub.store.bulk.RowRefusedError: if a version is there already
    """
    bills: list[Row] = []
    lines: list[Row] = []
    postings: list[Row] = []
    for one in versions:
        bill, month, document = one.bill, month_number(one.bill.head.month), one.document
        key = month, one.meter, one.version
        own = (one.posting_month, bill.head.bill_id, one.account, bill.energy_wh, bill.total_fen)
        sums = (bill.exact_nano_yuan, bill.rounding_nano_yuan)
        bills.append((*key, *own, *sums, bill_sha256(document), zlib.compress(document, _LEVEL)))
        for line in bill.lines:
            what = (line.component.value, line.period, line.quantity, line.unit.value, line.price_uyuan)
            lines.append((*key, line.number, *what, line.amount_nano_yuan, line.amount_fen, line.posting.value))
        for seq, posting in enumerate(one.postings):
            ends = (posting.from_account, posting.to_account, posting.component)
            postings.append((one.posting_month, one.meter, one.version, seq, *ends, posting.amount_nano_yuan))
    insert_rows(session, BillRow, _BILL, bills)
    insert_rows(session, BillLineRow, _LINE, lines)
    insert_rows(session, BillPostingRow, _POSTING, postings)


def newest_versions(session: Session, month: int, *, booked_before: int | None = None) -> Mapping[int, tuple[int, str]]:
    """Return the newest version and its hash by meter.

    :param booked_before: only versions that were booked before this month
    """
    query = select(BillRow.meter, BillRow.version, BillRow.sha256).where(BillRow.month == month)
    if booked_before is not None:
        query = query.where(BillRow.posting_month < booked_before)
    rows = session.exec(query.order_by(col(BillRow.version)))
    return {meter: (version, digest) for meter, version, digest in rows}


def has_settled_energy(session: Session, month: date) -> bool:
    """Tell whether an energy of the month, named by its first day, was replaced since it was settled first."""
    first, until = first_interval_of_day(month), first_interval_of_day(next_month(month))
    row = session.exec(
        select(SettledEnergyRow.interval)
        .where(SettledEnergyRow.interval >= first, SettledEnergyRow.interval < until)
        .limit(1)
    ).first()
    return row is not None


def read_bill(session: Session, month: int, meter: int, version: int | None = None) -> Bill | None:
    """Return a bill, its newest version if none is named; None if there is none."""
    found = read_bill_document(session, month, meter, version)
    return None if found is None else decode_bill(found)


def read_bill_document(session: Session, month: int, meter: int, version: int | None = None) -> bytes | None:
    """Return the JSON of a bill, as it was issued."""
    query = select(BillRow.document).where(BillRow.month == month, BillRow.meter == meter)
    if version is not None:
        query = query.where(BillRow.version == version)
    row = session.exec(query.order_by(col(BillRow.version).desc()).limit(1)).first()
    return None if row is None else zlib.decompress(row)


def read_bill_heads(
    session: Session, month: int, *, after: str | None, limit: int, participant: str | None = None, text: str = ""
) -> list[BillHeadRow]:
    """Return at most `limit` newest bills of the month by metering point, those after meter id `after`.

    :param participant: only bills of this participant's account; None: all
    :param text: only bills whose metering point's id, or account's, contains it
    """
    newest = (
        select(BillRow.meter, func.max(BillRow.version).label("version"))
        .where(BillRow.month == month)
        .group_by(col(BillRow.meter))
        .subquery()
    )
    query = (
        select(BillRow, MeteringPointRow.meter_id, AccountRow.account_id)
        .join(newest, (col(BillRow.meter) == newest.c.meter) & (col(BillRow.version) == newest.c.version))
        .join(MeteringPointRow, col(MeteringPointRow.position) == col(BillRow.meter))
        .join(AccountRow, col(AccountRow.position) == col(BillRow.account))
        .where(BillRow.month == month)
        .order_by(col(MeteringPointRow.meter_id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(MeteringPointRow.meter_id > after)
    if participant is not None:
        query = query.where(AccountRow.account_id == participant)
    if text:
        by_meter = col(MeteringPointRow.meter_id).contains(text, autoescape=True)
        query = query.where(by_meter | col(AccountRow.account_id).contains(text, autoescape=True))
    return [
        BillHeadRow(
            meter_id=meter_id,
            account=account,
            bill_id=row.bill_id,
            version=row.version,
            posting_month=row.posting_month,
            energy_wh=row.energy_wh,
            total_fen=row.total_fen,
            rounding_nano_yuan=row.rounding_nano_yuan,
            sha256=row.sha256,
        )
        for row, meter_id, account in session.exec(query)
    ]


def find_point(session: Session, meter_id: str) -> tuple[int, str] | None:
    """Return the position and the participant's account of a metering point, None if there is no such point."""
    return session.exec(
        select(MeteringPointRow.position, AccountRow.account_id)
        .join(AccountRow, col(AccountRow.participant) == col(MeteringPointRow.participant))
        .where(MeteringPointRow.meter_id == meter_id)
    ).first()


def bill_postings(session: Session, meter: int, version: int, *, posting_month: int) -> list[BillPostingRow]:
    """Return what a version of a bill booked in a month, in order."""
    return list(
        session.exec(
            select(BillPostingRow)
            .where(
                BillPostingRow.posting_month == posting_month,
                BillPostingRow.meter == meter,
                BillPostingRow.version == version,
            )
            .order_by(col(BillPostingRow.seq))
        )
    )


def is_month_closed(session: Session, month: int) -> bool:
    """Tell whether the month is closed."""
    return session.get(MonthCloseRow, month) is not None


def last_closed_month(session: Session) -> int:
    """Return the last closed month, 0 if none is."""
    return session.exec(select(func.max(MonthCloseRow.month))).one() or 0


def bill_ledger_nano_yuan(session: Session, posting_month: int) -> dict[str, int]:
    """Return the balance of every account of the month's bills, received less paid, exact."""
    ledger: dict[str, int] = {}
    for column, sign in ((BillPostingRow.payer, -1), (BillPostingRow.payee, 1)):
        rows = session.exec(
            select(column, func.sum(BillPostingRow.amount_nano_yuan))
            .where(BillPostingRow.posting_month == posting_month)
            .group_by(column)
        )
        for account, amount in rows:
            ledger[account] = ledger.get(account, 0) + sign * int(amount)
    return ledger
