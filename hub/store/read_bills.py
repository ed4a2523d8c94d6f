"""Read model of the bills: the months that are billed with their sums by component, and the versions of one bill.

Sums over many rows are added as Python ints: a month's total may exceed what the database adds without overflow.
"""

from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import Subquery, case, func
from sqlmodel import Session, col, select

from hub.settlement.rule_lines import QuantityUnit
from hub.store.bill_tables import BillLineRow, BillRow, MonthCloseRow
from hub.store.tables import AccountRow


@dataclass(frozen=True)
class ComponentSum:
    """What the lines of a component come to in all bills of a month; energy_wh: of the lines that count energy."""

    component: str
    amount_fen: int
    energy_wh: int


@dataclass(frozen=True)
class BilledMonth:
    """A month's newest bills. replaced: whether any is a later version. closed_on: None as long as it is open."""

    month: int
    bills: int
    energy_wh: int
    total_fen: int
    rounding_nano_yuan: int
    replaced: bool
    closed_on: str | None
    components: tuple[ComponentSum, ...]


@dataclass(frozen=True)
class BillVersionHead:
    """One version of a bill as it was issued."""

    version: int
    bill_id: str
    posting_month: int
    energy_wh: int
    total_fen: int
    sha256: str


def read_billed_months(session: Session, *, participant: str | None = None) -> list[BilledMonth]:
    """Return the months that have bills, newest first.

    :param participant: only bills of this participant's account; None: all
    """
    newest = _newest_versions(participant)
    of_line = (col(BillLineRow.month) == newest.c.month) & (col(BillLineRow.meter) == newest.c.meter)
    energy = case((col(BillLineRow.unit) == QuantityUnit.WATT_HOUR.value, col(BillLineRow.quantity)), else_=0)
    by_component = (
        select(BillLineRow.month, BillLineRow.component, func.sum(BillLineRow.amount_fen), func.sum(energy))
        .join(newest, of_line & (col(BillLineRow.version) == newest.c.version))
        .group_by(col(BillLineRow.month), col(BillLineRow.component))
        .order_by(col(BillLineRow.component))
    )
    sums: dict[int, list[ComponentSum]] = {}
    for month, component, amount_fen, energy_wh in session.exec(by_component):
        sums.setdefault(month, []).append(ComponentSum(component, int(amount_fen), int(energy_wh)))
    of_bill = (col(BillRow.month) == newest.c.month) & (col(BillRow.meter) == newest.c.meter)
    totals = (func.sum(BillRow.energy_wh), func.sum(BillRow.total_fen), func.sum(BillRow.rounding_nano_yuan))
    by_month = (
        sqlalchemy.select(col(BillRow.month), func.count(), *totals, func.max(BillRow.version))
        .join(newest, of_bill & (col(BillRow.version) == newest.c.version))
        .group_by(col(BillRow.month))
        .order_by(col(BillRow.month).desc())
    )
    closed = dict(session.exec(select(MonthCloseRow.month, MonthCloseRow.closed_on)).all())
    return [
        BilledMonth(
            month=month,
            bills=bills,
            energy_wh=int(energy_wh),
            total_fen=int(total_fen),
            rounding_nano_yuan=int(rounding),
            replaced=version > 1,
            closed_on=closed.get(month),
            components=tuple(sums.get(month, ())),
        )
        for month, bills, energy_wh, total_fen, rounding, version in session.execute(by_month)
    ]


def read_bill_versions(session: Session, month: int, meter: int) -> list[BillVersionHead]:
    """Return all versions of a metering point's bill of a month, oldest first; empty if it has none."""
    query = select(BillRow).where(BillRow.month == month, BillRow.meter == meter).order_by(col(BillRow.version))
    return [
        BillVersionHead(row.version, row.bill_id, row.posting_month, row.energy_wh, row.total_fen, row.sha256)
        for row in session.exec(query)
    ]


def _newest_versions(participant: str | None) -> Subquery:
    query = select(BillRow.month, BillRow.meter, func.max(BillRow.version).label("version"))
    if participant is not None:
        query = query.join(AccountRow, col(AccountRow.position) == col(BillRow.account))
        query = query.where(AccountRow.account_id == participant)
    return query.group_by(col(BillRow.month), col(BillRow.meter)).subquery()
