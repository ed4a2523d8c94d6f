"""The settlement calendar as jobs: gaps substituted, provisional results, bills, basis and close, each on its day.

Jobs are due at the first instant of a day (00:00 of the county) and run once. Day D: after D+1 (metering data are due)
gaps are substituted by the province's rules; on D+6 what came in late moves them again and is settled. Month M: on the
first business day of the month after, bills are issued; on the fifth the basis is issued; after the objection window
the month is closed. The numbers are the province's (outside rules, section 9): without one the job says so and waits.
"""

import logging
from collections.abc import Callable
from datetime import date, timedelta

from sqlmodel import Session, select

from edge.contract.interval import (
    SECONDS_PER_INTERVAL,
    day_of_interval,
    first_interval_of_day,
    interval_from_utc_s,
    start_utc_s,
)
from hub.market.registry.periods import next_month
from hub.schedule import Job
from hub.settlement.bills.bill import BillError
from hub.settlement.calendar.deadlines import DeadlineError, MonthDeadlines
from hub.settlement.calendar.rules import CalendarRuleError
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.inputs import SettlementInputError
from hub.settlement.money import MoneyTextError
from hub.settlement.prices import ParameterError
from hub.settlement.retail.month_prices import MonthPriceError
from hub.settlement.substitution.rules import SubstitutionRuleError
from hub.settlement.tariffs.basic_charge import BasicChargeError
from hub.settlement.tariffs.tou_prices import TouPriceError
from hub.store.billing_terms import month_has_bills
from hub.store.bills import is_month_closed, month_number
from hub.store.clearing import NotClearedError
from hub.store.tables import ReadingRow
from hub.usecases.close_month import MonthNotClosableError, basis_issued_on, close_billed_month, issue_month_basis
from hub.usecases.issue_bills import (
    LawsBrokenError,
    MonthClosedError,
    MonthOrder,
    issue_lawful_bills,
    month_before,
)
from hub.usecases.late_data import moved_intervals, settle_again, settled_intervals, substitute_settled_day
from hub.usecases.load_county import CountyModel
from hub.usecases.metered_month import MeteredMonthError
from hub.usecases.month_terms import LoadedTerms, MonthTermsError
from hub.usecases.settle_interval import NotPublishedError

logger = logging.getLogger(__name__)


_REFUSALS = (
    *(MonthTermsError, MonthPriceError, MoneyTextError, ParameterError, CalendarRuleError, DeadlineError),
    *(SubstitutionRuleError, MeteredMonthError, CountyMonthError, BillError, BasicChargeError, TouPriceError),
    *(MonthClosedError, MonthNotClosableError, NotPublishedError, NotClearedError, SettlementInputError),
)
"""What an operator can mend by loading what is missing: it holds up a month, not the market of the next interval."""

_Work = Callable[[Session, date, LoadedTerms], None]


class MonthJobs:
    """The jobs of days and months after they are over.

    All are looked at when a day begins. What is refused, or breaks a law, leaves nothing and stands in the log. Bills,
    basis and close of a month are tried again on each following day of the month after, a day's substitution with its
    provisional result.
    """

    def __init__(self, county_on: Callable[[date], CountyModel], terms_on: Callable[[date], LoadedTerms]) -> None:
        """Take the county, and by what its months are settled.

        :param county_on: the county with the modes of a day
        :param terms_on: the terms with the calendar in force on a day, as they are known when it is called
        """
        self._county_on, self._terms_on = county_on, terms_on

    def table(self) -> tuple[Job, ...]:
        """Return the jobs in the order in which they run on one day."""
        return (
            self._job("substitute-day", "settle", self._substitute),
            self._job("provisional-result", "settle", self._provisional_result),
            self._job("issue-bills", "bill", self._issue_bills),
            self._job("month-basis", "bill", self._issue_basis),
            self._job("close-month", "close", self._close),
        )

    def _job(self, name: str, stage: str, work: _Work) -> Job:
        def run(session: Session, utc_s: int) -> None:
            today = _day(utc_s)
            try:
                work(session, today, self._terms_on(today))
            except LawsBrokenError as error:
                session.rollback()
                for line in error.lines:
                    logger.error("%s on %s: %s; nothing was written", name, today, line)  # noqa: TRY400 - a breach a line
            except _REFUSALS as error:
                session.rollback()
                what = " ".join(str(error).split())
                logger.error("%s on %s: %s; nothing was written", name, today, what)  # noqa: TRY400 - no fault of ours

        return Job(name, stage, _begins_day, run)

    def _substitute(self, session: Session, today: date, terms: LoadedTerms) -> None:
        if terms.substitution:
            days = terms.calendar.rules.required("metering_data_days") + 1
            self._substitute_day(session, today - timedelta(days=days), terms)

    def _substitute_day(self, session: Session, day: date, terms: LoadedTerms) -> None:
        if not settled_intervals(session, day):
            return
        found = substitute_settled_day(session, self._county_on(day), terms, day)
        assert found is not None
        logger.info("day %s: %d energies substituted again in %d intervals", day, found.moved, len(found.intervals))

    def _provisional_result(self, session: Session, today: date, terms: LoadedTerms) -> None:
        """Settle again what moved; what came in since the day was substituted counts too."""
        days = terms.calendar.rules.provisional_result_days
        if days is None:
            return
        day = today - timedelta(days=days)
        if terms.substitution:
            self._substitute_day(session, day, terms)
        look_back = terms.calendar.rules.required("look_back_months")
        moved = moved_intervals(session, day)
        if not moved:
            return
        for again in settle_again(session, self._county_on(day), moved, on=today, look_back_months=look_back):
            if again.run is not None:
                logger.info("interval %d is settled again as run %s", again.interval, again.run)

    def _issue_bills(self, session: Session, today: date, terms: LoadedTerms) -> None:
        month, deadlines = _last_month(today, terms)
        if today < deadlines.meter_data_on or month_has_bills(session, month_number(month)):
            return
        if not _is_read(session, month):
            return
        order = MonthOrder(
            month=month,
            province=terms.province,
            library=terms.library,
            retail=terms.retail_prices(month, today),
            look_back_months=terms.calendar.rules.look_back_months,
        )
        issued = issue_lawful_bills(session, order)
        logger.info(
            "%d bills of %d, rounding %d nano-yuan", issued.issued, issued.month, issued.rounding_account_nano_yuan
        )

    def _issue_basis(self, session: Session, today: date, terms: LoadedTerms) -> None:
        month, deadlines = _last_month(today, terms)
        number = month_number(month)
        if today < deadlines.settlement_basis_on or basis_issued_on(session, number) is not None:
            return
        if not month_has_bills(session, number):
            return
        issue_month_basis(session, number, today, terms.calendar)

    def _close(self, session: Session, today: date, terms: LoadedTerms) -> None:
        number = month_number(month_before(today.replace(day=1)))
        issued_on = basis_issued_on(session, number)
        if issued_on is None or is_month_closed(session, number):
            return
        if today <= terms.calendar.deadlines(number, issued_on).objection_until:
            return
        if number not in terms.remitted_nano_yuan:
            logger.warning(
                "close-month on %s: nothing was loaded as remitted in %d, all of it is carried", today, number
            )
        close_billed_month(session, number, today, terms.calendar, terms.remitted_nano_yuan.get(number, {}))


def _last_month(today: date, terms: LoadedTerms) -> tuple[date, MonthDeadlines]:
    """Return the month before the one of a day, and its deadlines."""
    month = month_before(today.replace(day=1))
    return month, terms.calendar.deadlines(month_number(month))


def _is_read(session: Session, month: date) -> bool:
    """Tell whether a register was read in a month: before a hub's first one there is nothing to bill."""
    begin, end = (start_utc_s(first_interval_of_day(day)) for day in (month, next_month(month)))
    query = select(ReadingRow.meter).where(ReadingRow.read_instant_utc_s > begin, ReadingRow.read_instant_utc_s < end)
    return session.exec(query.limit(1)).first() is not None


def _begins_day(utc_s: int) -> bool:
    if utc_s % SECONDS_PER_INTERVAL:
        return False
    interval = interval_from_utc_s(utc_s)
    return interval == first_interval_of_day(day_of_interval(interval))


def _day(utc_s: int) -> date:
    return day_of_interval(interval_from_utc_s(utc_s))
