"""What the hub does at every quarter-hour, as a table of jobs in one fixed order. No job knows which clock calls it.

At the instant at which interval k begins, the gate of k + 1 closes and k + 1 is cleared; k - 1 is over and is settled.
An interval whose gate nobody closed in time, because the hub was down, has no market and is not settled.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from edge.contract.interval import (
    INTERVALS_PER_DAY,
    day_of_interval,
    first_interval_of_day,
    interval_from_utc_s,
)
from hub.market.timetable.session_states import SessionAction
from hub.market.trades import Violation
from hub.province import ProvinceClient, ProvinceRefusalError
from hub.schedule import Job
from hub.store.counters import add_to_counters
from hub.store.hosting import HostingOmission
from hub.store.parameters import NoParametersError
from hub.store.tables import ClearingRunRow, ExchangeScheduleRow
from hub.usecases.assess_quarter import assess_quarter
from hub.usecases.bind_green import deliver_green
from hub.usecases.check_metered_state import check_metered_state
from hub.usecases.close_day import close_operating_day
from hub.usecases.event_log import EventLogError
from hub.usecases.hand_over_exchange import (
    NotHandedOver,
    answer_exchange,
    freeze_exchange,
    hand_over_exchange,
    stands_with_province,
)
from hub.usecases.issue_green import issue_green
from hub.usecases.listing_session import LoadedMarket
from hub.usecases.load_county import County
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.metered_day import MeteredDay
from hub.usecases.publish_capacity import publish_capacity
from hub.usecases.record_prices import (
    prices_of,
    record_day_ahead_prices,
    record_indicative_price,
    record_province_settlement,
    record_real_time_price,
)
from hub.usecases.run_gate import run_gate
from hub.usecases.run_listing_sessions import advance_listing
from hub.usecases.run_sessions import advance_sessions, move_session
from hub.usecases.save_clearing import save_law_violations
from hub.usecases.settle_interval import settle

logger = logging.getLogger(__name__)


class Publisher(Protocol):
    """What the jobs say to gateways and people; saying it again changes nothing."""

    def publish_results(self, session: Session, interval: int) -> None:
        """Send trades, prices and setpoints of a cleared interval to the gateways."""
        ...

    def publish_session(self, session: Session, open_from_interval: int) -> None:
        """Tell all gateways which intervals are open."""
        ...

    def write_report(self, session: Session, first: int, last: int) -> None:
        """Write the report of the settled intervals first..last of one operating day."""
        ...


@dataclass(frozen=True)
class Span:
    """The intervals that this run clears and settles; None: without end."""

    first: int | None = None
    last: int | None = None

    def holds(self, interval: int) -> bool:
        """Tell whether the run clears and settles the interval."""
        return (self.first is None or interval >= self.first) and (self.last is None or interval <= self.last)

    def day_part(self, interval: int) -> tuple[int, int]:
        """Return the first and the last interval of the run that lie in the operating day of the interval."""
        first = first_interval_of_day(day_of_interval(interval))
        last = first + INTERVALS_PER_DAY - 1
        return max(first, self.first or first), last if self.last is None else min(last, self.last)


class HubJobs:
    """The jobs over one county. They share what was measured; everything else is in the store."""

    def __init__(self, county: County, province: ProvinceClient, publisher: Publisher, span: Span) -> None:
        self._county = county
        self._province = province
        self._publisher = publisher
        self._span = span
        self._measurement = EnergyMeasurement()
        self._metered_day = MeteredDay()
        self._listing = LoadedMarket(county.registry.county)

    def table(self) -> tuple[Job, ...]:
        """Return the jobs in the order in which they run."""
        return (
            Job("sessions", "clear", self._has_sessions, self._advance_sessions),
            Job("listing", "clear", self._has_sessions, self._advance_listing),
            Job("day-ahead-prices", "province", self._clears, self._day_ahead_prices),
            Job("indicative-price", "province", self._clears, self._indicative_price, in_time_only=True),
            Job("real-time-price", "province", self._settles, self._real_time_price),
            Job("gate", "clear", self._clears, self._gate, in_time_only=True),
            Job("schedule", "province", self._clears, self._schedule, in_time_only=True),
            Job("publish", "publish", self._clears, self._publish),
            Job("settle", "settle", self._settles, self._settle),
            Job("province-settlement", "province", self._settles, self._province_settlement),
            Job("metered-state", "check", self._settles, self._metered_state),
            Job("close-day", "close", self._day_ends, self._close_day),
            Job("green", "close", self._day_ends, self._issue_green),
            Job("hosting", "assess", self._day_ends, self._assess_hosting),
            Job("capacity", "assess", self._day_ends, self._publish_capacity),
            Job("report", "report", self._day_ends, self._report),
        )

    def _clears(self, utc_s: int) -> bool:
        return self._span.holds(interval_from_utc_s(utc_s) + 1)

    def _settles(self, utc_s: int) -> bool:
        return self._span.holds(interval_from_utc_s(utc_s) - 1)

    def _day_ends(self, utc_s: int) -> bool:
        interval = interval_from_utc_s(utc_s) - 1
        return self._span.holds(interval) and interval == self._span.day_part(interval)[1]

    def _has_sessions(self, utc_s: int) -> bool:
        return self._clears(utc_s) or self._span.holds(interval_from_utc_s(utc_s))

    def _advance_sessions(self, session: Session, utc_s: int) -> None:
        advance_sessions(session, utc_s, holds=self._span.holds)
        interval = interval_from_utc_s(utc_s)
        if self._span.holds(interval):
            _keep(session, interval, freeze_exchange(session, utc_s), laws=())

    def _advance_listing(self, session: Session, utc_s: int) -> None:
        try:
            self._listing = advance_listing(session, self._listing, utc_s)
        except EventLogError as error:
            # The other markets of the county do not rest on this log; it stays closed to trade until it is mended.
            logger.warning("listing trading stands still: %s", error)
            _keep(session, interval_from_utc_s(utc_s), [Violation(9, "log of listing trading", str(error))], laws=())

    def _day_ahead_prices(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) + 1
        if prices_of(session, interval).day_ahead_uyuan_per_kwh is not None:
            return
        day = day_of_interval(interval)
        record_day_ahead_prices(session, first_interval_of_day(day), self._province.day_ahead_prices(day.isoformat()))

    def _indicative_price(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) + 1
        record_indicative_price(session, interval, self._province.indicative_price(interval))

    def _real_time_price(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) - 1
        record_real_time_price(session, interval, self._province.real_time_price(interval))

    def _gate(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) + 1
        run_gate(session, self._county, self._measurement, interval)
        move_session(session, interval, (SessionAction.CLEAR, SessionAction.SECURE), utc_s)

    def _schedule(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) + 1
        row = session.get(ExchangeScheduleRow, interval)
        assert row is not None, f"interval {interval} was cleared without a schedule"
        model = self._county.on(day_of_interval(interval))
        handed = hand_over_exchange(
            session, model, interval, import_wh=row.import_wh, export_wh=row.export_wh, utc_s=utc_s
        )
        if isinstance(handed, NotHandedOver):
            what = f"its exchange schedule is not handed over: {handed.reason.value}"
            _keep(session, interval, [Violation(2, f"interval {interval}", what)], laws=())
            return
        is_accepted = True
        try:
            self._province.submit_schedule(interval, row.import_wh, row.export_wh)
        except ProvinceRefusalError as error:
            if handed.version is None:
                raise
            logger.warning("interval %d: the province refuses the schedule: %s", interval, error)
            is_accepted = False
        if handed.version is not None:
            answer_exchange(session, interval, handed.version, utc_s=utc_s, is_accepted=is_accepted)

    def _publish(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) + 1
        if _is_cleared(session, interval):
            self._publisher.publish_results(session, interval)
        else:
            self._publisher.publish_session(session, interval + 1)

    def _settle(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) - 1
        if not _is_cleared(session, interval):
            logger.warning("interval %d was never cleared and is not settled", interval)
            return
        model = self._county.on(day_of_interval(interval))
        measured = self._measurement.of_interval(session, model, interval)
        violations = settle(session, model, measured) + deliver_green(session, model, measured)
        _keep(session, interval, violations, laws=(4, 5, 6))

    def _province_settlement(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) - 1
        if not _is_cleared(session, interval) or not stands_with_province(session, interval):
            return
        model = self._county.on(day_of_interval(interval))
        gateway = self._measurement.of_interval(session, model, interval).gateway(model)
        settled = self._province.settle(interval, gateway.import_wh, gateway.export_wh)
        record_province_settlement(
            session,
            interval,
            import_wh=settled.metered_import_wh,
            export_wh=settled.metered_export_wh,
            nano_yuan=settled.import_amount_nano_yuan - settled.export_amount_nano_yuan,
        )

    def _metered_state(self, session: Session, utc_s: int) -> None:
        interval = interval_from_utc_s(utc_s) - 1
        model = self._county.on(day_of_interval(interval))
        measured = self._measurement.of_interval(session, model, interval)
        _keep(session, interval, check_metered_state(session, model, measured), laws=())
        self._metered_day.keep(model, measured)

    def _close_day(self, session: Session, utc_s: int) -> None:
        last = interval_from_utc_s(utc_s) - 1
        first, _ = self._span.day_part(last)
        day = day_of_interval(last)
        model = self._county.on(day)
        self._measurement.of_interval(session, model, last)  # a process that began just now has measured nothing yet
        closed = close_operating_day(session, model, day=day, first=first, last=last)
        violations = [*closed.violations, *self._measurement.check_sums(model)]
        _keep(session, last, violations, laws=(7,))

    def _issue_green(self, session: Session, utc_s: int) -> None:
        first, last = self._span.day_part(interval_from_utc_s(utc_s) - 1)
        day = day_of_interval(last)
        try:
            violations = issue_green(session, self._county.on(day), day=day, first=first, last=last)
        except NoParametersError as error:
            logger.warning("no accounts of green certificates: %s", error)
            return
        _keep(session, last, violations, laws=())

    def _assess_hosting(self, session: Session, utc_s: int) -> None:
        first, last = self._span.day_part(interval_from_utc_s(utc_s) - 1)
        model = self._county.on(day_of_interval(last))
        outcome = assess_quarter(session, model, self._metered_day, first=first, last=last, closed_utc_s=utc_s)
        if isinstance(outcome, HostingOmission):
            logger.warning("no list of hosting capacity: %s: %s", outcome.reason, outcome.what)

    def _publish_capacity(self, session: Session, utc_s: int) -> None:
        submission = publish_capacity(session, self._county.registry.county, utc_s)
        outcome = None if submission is None else submission.record.outcomes
        if outcome is not None and outcome.outcome == "refused":
            logger.warning("the registry refuses the list of capacity: %s: %s", outcome.reason, outcome.what)

    def _report(self, session: Session, utc_s: int) -> None:
        last = interval_from_utc_s(utc_s) - 1
        self._publisher.write_report(session, *self._span.day_part(last))


def _is_cleared(session: Session, interval: int) -> bool:
    return session.get(ClearingRunRow, interval) is not None


def _keep(session: Session, interval: int, violations: Sequence[Violation], *, laws: tuple[int, ...]) -> None:
    save_law_violations(session, interval, violations)
    add_to_counters(session, {f"law_{law}_checked": 1 for law in laws})
