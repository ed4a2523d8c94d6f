"""The settlement calendar as jobs: gaps substituted, provisional results, bills, basis and close, each on its day.

Jobs are due at the first instant of a day (00:00 of the county) and run once. Day D: after D+1 (metering data are due)
gaps are substituted by the province's rules; on D+6 what moved is settled again. Month M: on its first business day of
the month after, bills are issued; on the fifth the basis is issued; after the objection window the month is closed.
The numbers are the province's (outside rules, section 9), so a province that has not published one has no such job.
"""

import logging
from collections.abc import Callable
from datetime import date, timedelta

from sqlmodel import Session, select

from edge.contract.interval import (
    INTERVALS_PER_DAY,
    SECONDS_PER_INTERVAL,
    day_of_interval,
    first_interval_of_day,
    interval_from_utc_s,
)
from hub.schedule import Job
from hub.settlement.calendar.deadlines import MonthDeadlines
from hub.settlement.resettlement import Resettled
from hub.settlement.retail.package_charges import RetailPrices
from hub.settlement.substitution.rules import rules_in_force
from hub.store.bill_tables import SettledEnergyRow
from hub.store.bills import month_number
from hub.store.tables import SettlementRunRow
from hub.usecases.close_month import close_billed_month, issue_month_basis
from hub.usecases.issue_bills import MonthOrder, issue_bills, month_before
from hub.usecases.load_county import CountyModel
from hub.usecases.month_terms import LoadedTerms
from hub.usecases.resettle_interval import resettle_interval
from hub.usecases.substitute_energy import SimilarDays, substitute_day

logger = logging.getLogger(__name__)


class MonthJobs:
    """The jobs of days and months after they are over."""

    def __init__(
        self,
        county_on: Callable[[date], CountyModel],
        terms: LoadedTerms,
        *,
        similar: SimilarDays | None = None,
        retail: Callable[[date], RetailPrices | None] = lambda _month: None,
    ) -> None:
        """Take the county, and by what its months are settled.

        :param county_on: the county with the modes of a day
        :param similar: where the rule of the similar day looks
        :param retail: prices of retail packages of a month, by its first day
        """
        self._county_on, self._terms, self._similar, self._retail = county_on, terms, similar, retail

    def table(self) -> tuple[Job, ...]:
        """Return the jobs in the order in which they run on one day."""
        return (
            Job("substitute-day", "settle", self._substitutes, self._substitute),
            Job("provisional-result", "settle", self._has_result, self._provisional_result),
            Job("issue-bills", "bill", self._bills, self._issue_bills),
            Job("month-basis", "bill", self._has_basis, self._issue_basis),
            Job("close-month", "close", self._closes, self._close),
        )

    def _substitutes(self, utc_s: int) -> bool:
        return bool(self._terms.substitution) and _begins_day(utc_s)

    def _has_result(self, utc_s: int) -> bool:
        return self._terms.calendar.rules.provisional_result_days is not None and _begins_day(utc_s)

    def _bills(self, utc_s: int) -> bool:
        return _begins_day(utc_s) and _day(utc_s) == self._deadlines(utc_s).meter_data_on

    def _has_basis(self, utc_s: int) -> bool:
        return _begins_day(utc_s) and _day(utc_s) == self._deadlines(utc_s).settlement_basis_on

    def _closes(self, utc_s: int) -> bool:
        return _begins_day(utc_s) and _day(utc_s) == self._deadlines(utc_s).objection_until + timedelta(days=1)

    def _substitute(self, session: Session, utc_s: int) -> None:
        day = _day(utc_s) - timedelta(days=self._terms.calendar.rules.required("metering_data_days") + 1)
        settled = _settled_intervals(session, day)
        if not settled:
            return
        rules = rules_in_force(self._terms.substitution, province=self._terms.province, day=day)
        found = substitute_day(
            session, self._county_on(day), rules, first=settled[0], last=settled[-1], similar=self._similar
        )
        logger.info("day %s: %d energies substituted again in %d intervals", day, found.moved, len(found.intervals))

    def _provisional_result(self, session: Session, utc_s: int) -> None:
        today = _day(utc_s)
        day = today - timedelta(days=self._terms.calendar.rules.required("provisional_result_days"))
        look_back = self._terms.calendar.rules.required("look_back_months")
        for interval in _moved_intervals(session, day):
            again = resettle_interval(
                session, self._county_on(day), interval, posting_day=today, look_back_months=look_back
            )
            if isinstance(again.outcome, Resettled):
                logger.info("interval %d is settled again as run %s", interval, again.run)

    def _issue_bills(self, session: Session, utc_s: int) -> None:
        terms, month = self._terms, self._month(utc_s)
        order = MonthOrder(
            month=month,
            province=terms.province,
            library=terms.library,
            retail=self._retail(month),
            look_back_months=terms.calendar.rules.look_back_months,
        )
        issued = issue_bills(session, order)
        logger.info(
            "%d bills of %d, rounding %d nano-yuan", issued.issued, issued.month, issued.rounding_account_nano_yuan
        )

    def _issue_basis(self, session: Session, utc_s: int) -> None:
        issue_month_basis(session, month_number(self._month(utc_s)), _day(utc_s), self._terms.calendar)

    def _close(self, session: Session, utc_s: int) -> None:
        close_billed_month(session, month_number(self._month(utc_s)), _day(utc_s), self._terms.calendar)

    def _month(self, utc_s: int) -> date:
        """Return the month before the one in which the instant lies."""
        return month_before(_day(utc_s).replace(day=1))

    def _deadlines(self, utc_s: int) -> MonthDeadlines:
        return self._terms.calendar.deadlines(month_number(self._month(utc_s)))


def _begins_day(utc_s: int) -> bool:
    if utc_s % SECONDS_PER_INTERVAL:
        return False
    interval = interval_from_utc_s(utc_s)
    return interval == first_interval_of_day(day_of_interval(interval))


def _day(utc_s: int) -> date:
    return day_of_interval(interval_from_utc_s(utc_s))


def _settled_intervals(session: Session, day: date) -> list[int]:
    first = first_interval_of_day(day)
    query = select(SettlementRunRow.interval).where(
        SettlementRunRow.interval >= first, SettlementRunRow.interval < first + INTERVALS_PER_DAY
    )
    return sorted(set(session.exec(query)))


def _moved_intervals(session: Session, day: date) -> list[int]:
    first = first_interval_of_day(day)
    query = select(SettledEnergyRow.interval).where(
        SettledEnergyRow.interval >= first, SettledEnergyRow.interval < first + INTERVALS_PER_DAY
    )
    return sorted(set(session.exec(query)))
