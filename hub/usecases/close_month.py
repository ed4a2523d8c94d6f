"""The settlement calendar of a month over the store: basis, objections, close; what earns nothing is carried on.

Everything that happens to a month's basis is an event that is only ever added, refused ones with their reason, so the
cycle is what its events make of the bills' ledger. A month closes once its objection window is over: silence is
consent, what is disputed moves to the next cycle, and from then on its bills stay as they are.
Sources: outside rules, section 9 (M+1 to M+5, objection window); requirements rows 99, 111, 119; DESIGN 4 laws 5 to 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from types import MappingProxyType

from sqlmodel import Session, col, func, select

from hub.market.listing.session_calendar import BusinessCalendar
from hub.market.trades import Violation
from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES, SystemAccount
from hub.settlement.bills.checks import check_bill, check_bills
from hub.settlement.calendar.deadlines import MonthDeadlines, month_deadlines
from hub.settlement.calendar.month_cycle import (
    MonthCycle,
    MonthPart,
    PartEvent,
    PartState,
    answer_basis,
    book_agreed,
    check_cycle,
    end_window,
    issue_basis,
    open_cycle,
)
from hub.settlement.calendar.rules import CalendarRules
from hub.settlement.tariffs.pass_through import PassThroughMonth, check_pass_through, close_pass_through
from hub.store.bill_tables import BillRow, MonthCloseRow, MonthEventRow, PassThroughRow
from hub.store.bills import bill_ledger_nano_yuan, month_number, newest_versions, read_bill
from hub.store.trial_balance import month_balance_nano_yuan
from hub.usecases.issue_bills import month_before
from hub.usecases.join_ledgers import check_joined_month

PASS_THROUGH_ACCOUNTS = (SystemAccount.SYSTEM_ITEMS, SystemAccount.GOVERNMENT_FUNDS, SystemAccount.LOSS_FUND)
"""Accounts that earn nothing: what bills collect in a month and what is passed on net to zero with the carry."""

ALL_ACCOUNTS = ""


class MonthNotClosableError(ValueError):
    """A month that cannot be closed now; the text says in one line why and what is missing."""


@dataclass(frozen=True)
class MonthCalendar:
    """By which days a province's months go. rules: the version in force; business_days: as published."""

    rules: CalendarRules
    business_days: BusinessCalendar

    def deadlines(self, month: int, basis_issued_on: date | None = None) -> MonthDeadlines:
        """Return the deadlines of a month; a basis that was issued late has its whole window.

        :raises hub.settlement.calendar.rules.CalendarRuleError: if the version does not say
        :raises hub.settlement.calendar.deadlines.DeadlineError: if the business days are not known so far
        """
        return month_deadlines(self.rules, self.business_days, month, basis_issued_on=basis_issued_on)


@dataclass(frozen=True)
class ClosedMonth:
    """A closed month. was_closed: it was before, and nothing was written."""

    month: int
    bills: int
    total_fen: int
    rounding_nano_yuan: int
    pass_through: tuple[PassThroughMonth, ...]
    disputed: int
    was_closed: bool


def read_cycle(session: Session, month: int, calendar: MonthCalendar) -> MonthCycle:
    """Return the cycle of a month as its events make it, with what the month before carried over."""
    amounts = _amounts(session, month)
    deadlines = calendar.deadlines(month, basis_issued_on(session, month))
    cycle = open_cycle(month, deadlines, amounts, _carried(session, month, calendar))
    for row in _events(session, month):
        on = date.fromisoformat(row.on_day)
        cycle = _after(cycle, PartEvent(row.event), row.account, row.settled_month, on)
    return cycle


def basis_issued_on(session: Session, month: int) -> date | None:
    """Return the day on which the basis of a month was first issued, None if it was not."""
    issued = [row for row in _events(session, month) if row.event == PartEvent.ISSUE.value]
    return date.fromisoformat(issued[0].on_day) if issued else None


def issue_month_basis(session: Session, month: int, on: date, calendar: MonthCalendar) -> MonthCycle:
    """Issue the settlement basis of a month to all its accounts; before its day nothing moves, and that is kept."""
    return _take_event(session, month, calendar, (PartEvent.ISSUE, ALL_ACCOUNTS, month, on))


def answer_month_basis(
    session: Session,
    month: int,
    calendar: MonthCalendar,
    *,
    account: str,
    settled_month: int,
    event: PartEvent,
    on: date,
) -> MonthCycle:
    """Take an account's consent or objection to its part of a month; what is refused is kept with its reason."""
    return _take_event(session, month, calendar, (event, account, settled_month, on))


def close_billed_month(
    session: Session,
    month: int,
    on: date,
    calendar: MonthCalendar,
    remitted_nano_yuan: Mapping[SystemAccount, int] = MappingProxyType({}),
) -> ClosedMonth:
    """Close a month whose objection window is over; closing it again changes nothing.

    :param remitted_nano_yuan: what was passed on to the province or the treasury, by account that earns nothing
    :raises MonthNotClosableError: if there are no bills, the window is not over, or a law is broken
    """
    closed = session.get(MonthCloseRow, month)
    if closed is not None:
        return ClosedMonth(
            month=month,
            bills=closed.bills,
            total_fen=closed.total_fen,
            rounding_nano_yuan=closed.rounding_nano_yuan,
            pass_through=_pass_through(session, month),
            disputed=len(read_cycle(session, month, calendar).in_state(PartState.CARRIED_OVER)),
            was_closed=True,
        )
    bills = _checked_bills(session, month)
    cycle = read_cycle(session, month, calendar)
    if not cycle.in_state(PartState.ISSUED) + cycle.in_state(PartState.AGREED) + cycle.in_state(PartState.DISPUTED):
        raise MonthNotClosableError(f"outside rules 9: the basis of {month} is not issued; issue it first")
    until = cycle.deadlines.objection_until
    if on <= until:
        raise MonthNotClosableError(f"outside rules 9 on {on}: objections to {month} may come in until {until}")
    for event in (PartEvent.SILENCE, PartEvent.BOOK):
        cycle = _take_event(session, month, calendar, (event, ALL_ACCOUNTS, month, on))
    passed = _carry_on(session, month, remitted_nano_yuan)
    total_fen, rounding, digest = bills
    n_bills = len(newest_versions(session, month))
    session.add(
        MonthCloseRow(
            month=month,
            closed_on=on.isoformat(),
            bills=n_bills,
            total_fen=total_fen,
            rounding_nano_yuan=rounding,
            bills_sha256=digest,
        )
    )
    session.flush()
    return ClosedMonth(
        month=month,
        bills=n_bills,
        total_fen=total_fen,
        rounding_nano_yuan=rounding,
        pass_through=passed,
        disputed=len(cycle.in_state(PartState.CARRIED_OVER)),
        was_closed=False,
    )


def check_closed_month(session: Session, month: int, calendar: MonthCalendar) -> list[Violation]:
    """Laws 5 to 7 of a closed month: no part is lost, and its bills are those that were closed."""
    cycle = read_cycle(session, month, calendar)
    carried = sum(part.amount_nano_yuan for part in cycle.parts.values() if part.month != month)
    found = check_cycle(cycle, _amounts(session, month), carried)
    closed = session.get(MonthCloseRow, month)
    if closed is not None and _bills_sha256(session, month) != closed.bills_sha256:
        found.append(Violation(5, f"month {month}", "its bills are not those that were closed"))
    return found


def _amounts(session: Session, month: int) -> Mapping[str, int]:
    return bill_ledger_nano_yuan(session, month)


def _events(session: Session, month: int) -> list[MonthEventRow]:
    query = select(MonthEventRow).where(MonthEventRow.month == month, MonthEventRow.refused == "")
    return list(session.exec(query.order_by(col(MonthEventRow.seq))))


def _carried(session: Session, month: int, calendar: MonthCalendar) -> tuple[MonthPart, ...]:
    earlier = month_number(month_before(date(month // 100, month % 100, 1)))
    if not _events(session, earlier):
        return ()
    return read_cycle(session, earlier, calendar).in_state(PartState.CARRIED_OVER)


def _after(cycle: MonthCycle, event: PartEvent, account: str, settled_month: int, on: date) -> MonthCycle:
    match event:
        case PartEvent.ISSUE:
            return issue_basis(cycle, on)
        case PartEvent.CONSENT | PartEvent.OBJECT:
            return answer_basis(cycle, account, settled_month, event, on)
        case PartEvent.SILENCE | PartEvent.CARRY:
            return end_window(cycle, on)
        case PartEvent.BOOK:
            return book_agreed(cycle)


def _take_event(
    session: Session, month: int, calendar: MonthCalendar, what: tuple[PartEvent, str, int, date]
) -> MonthCycle:
    event, account, settled_month, on = what
    before = read_cycle(session, month, calendar)
    after = _after(before, event, account, settled_month, on)
    refused = after.refused[-1].reason.value if len(after.refused) > len(before.refused) else ""
    seq = session.exec(select(func.max(MonthEventRow.seq)).where(MonthEventRow.month == month)).one()
    session.add(
        MonthEventRow(
            month=month,
            seq=0 if seq is None else seq + 1,
            event=event.value,
            account=account,
            settled_month=settled_month,
            on_day=on.isoformat(),
            refused=refused,
        )
    )
    session.flush()
    return after


def _checked_bills(session: Session, month: int) -> tuple[int, int, str]:
    """Return total, rounding and hash of a month's own bills, which keep the laws.

    :raises MonthNotClosableError: if there are none, or they break a law
    """
    own = [
        read_bill(session, month, meter, version)
        for meter, (version, _) in sorted(newest_versions(session, month).items())
    ]
    bills = [bill for bill in own if bill is not None]
    if not bills:
        raise MonthNotClosableError(f"row 99 on {month}: there are no bills; issue them first")
    violations = [one for bill in bills for one in check_bill(bill)]
    violations += check_bills(bills, bill_ledger_nano_yuan(session, month))
    violations += check_joined_month(session, month)
    if violations:
        first = violations[0]
        raise MonthNotClosableError(f"law {first.law} on {month}: {first.where}: {first.what}; nothing was closed")
    rounding = -sum(bill.rounding_nano_yuan for bill in bills)
    return sum(bill.total_fen for bill in bills), rounding, _bills_sha256(session, month)


def _bills_sha256(session: Session, month: int) -> str:
    """Return the hash over the hashes of a month's bills that were booked in it, by meter and version."""
    rows = session.exec(
        select(BillRow.sha256)
        .where(BillRow.month == month, BillRow.posting_month == month)
        .order_by(col(BillRow.meter), col(BillRow.version))
    )
    return sha256("\n".join(rows).encode()).hexdigest()


def _carry_on(
    session: Session, month: int, remitted_nano_yuan: Mapping[SystemAccount, int]
) -> tuple[PassThroughMonth, ...]:
    """Close the accounts that earn nothing; what is not passed on is carried into the next month (rows 111, 119).

    Collected is what both ledgers booked in the month together: of the loss fund, fees less the measured loss.
    """
    ledger = month_balance_nano_yuan(session, month)
    earlier = {one.item: one for one in _pass_through(session, month_number(month_before(_first_day(month))))}
    closed = []
    for account in PASS_THROUGH_ACCOUNTS:
        item = SYSTEM_ACCOUNT_NAMES[account]
        one = close_pass_through(
            item,
            _first_day(month),
            carried_in_nano_yuan=earlier[item].carried_out_nano_yuan if item in earlier else 0,
            collected_nano_yuan=ledger.get(item, 0),
            remitted_nano_yuan=remitted_nano_yuan.get(account, 0),
        )
        closed.append(one)
        session.add(
            PassThroughRow(
                item=item,
                month=month,
                carried_in_nano_yuan=one.carried_in_nano_yuan,
                collected_nano_yuan=one.collected_nano_yuan,
                remitted_nano_yuan=one.remitted_nano_yuan,
                carried_out_nano_yuan=one.carried_out_nano_yuan,
            )
        )
    assert check_pass_through(closed) == []
    return tuple(closed)


def _pass_through(session: Session, month: int) -> tuple[PassThroughMonth, ...]:
    rows = session.exec(select(PassThroughRow).where(PassThroughRow.month == month).order_by(col(PassThroughRow.item)))
    return tuple(
        PassThroughMonth(
            row.item,
            _first_day(month),
            row.carried_in_nano_yuan,
            row.collected_nano_yuan,
            row.remitted_nano_yuan,
            row.carried_out_nano_yuan,
        )
        for row in rows
    )


def _first_day(month: int) -> date:
    return date(month // 100, month % 100, 1)
