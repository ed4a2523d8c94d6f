"""Billing terms in the database: all versions by metering point, and versions that replace the ones of their day."""

from collections.abc import Iterable

from sqlmodel import Session, col, func, select

from edge.contract.registry import UserCategory
from hub.settlement.bills.billing_terms import BilledUser
from hub.store.bill_tables import BillingTermRow, BillRow
from hub.store.tables import AccountRow, MeteringPointRow


def billed_users(session: Session) -> dict[str, tuple[int, BilledUser]]:
    """Return the position and the user of every metering point, by meter id."""
    rows = session.exec(
        select(MeteringPointRow.meter_id, MeteringPointRow.position, MeteringPointRow.category, AccountRow.account_id)
        .join(AccountRow, col(AccountRow.participant) == col(MeteringPointRow.participant))
        .order_by(col(MeteringPointRow.position))
    )
    return {
        meter_id: (position, BilledUser(account, None if category is None else UserCategory(category)))
        for meter_id, position, category, account in rows
    }


def read_billing_terms(session: Session) -> list[BillingTermRow]:
    """Return every version, by metering point and day."""
    return list(
        session.exec(select(BillingTermRow).order_by(col(BillingTermRow.meter), col(BillingTermRow.effective_from)))
    )


def save_billing_terms(session: Session, rows: Iterable[BillingTermRow]) -> None:
    """Write versions; one that is there for its point and day is replaced."""
    for row in rows:
        session.merge(row)
    session.flush()


def last_billed_month(session: Session) -> int:
    """Return the last month that has bills, year x 100 + month; 0 if none has."""
    return session.exec(select(func.max(BillRow.month))).one() or 0


def month_has_bills(session: Session, month: int) -> bool:
    """Tell whether a month, year x 100 + month, has bills."""
    return session.exec(select(BillRow.month).where(BillRow.month == month).limit(1)).first() is not None
