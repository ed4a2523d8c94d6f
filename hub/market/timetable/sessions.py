"""The sessions of a day, and where the timetable puts each of them at a moment (DESIGN 5; rows 35, 49, 58, 63).

Instants are UTC seconds; a session's delivery is a half-open range of intervals.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from edge.contract.interval import (
    INTERVALS_PER_DAY,
    SECONDS_PER_INTERVAL,
    first_interval_of_day,
    interval_from_utc_s,
    start_utc_s,
)
from hub.market.listing.session_calendar import BusinessCalendar, is_business_day, previous_business_day
from hub.market.registry.provincial_rules import trades_continuously
from hub.market.timetable.session_rules import OpenHours, RollingRules, TimetableRules


class SessionKind(Enum):
    """What a session trades: a whole day, one interval, some days ahead, or listings."""

    DAY_AHEAD = "DA"
    ROLLING = "R"
    MID_TERM = "MT"
    LISTING = "L"


class TimetableError(ValueError):
    """A day that the rules or the business calendar do not reach; the text names it."""


@dataclass(frozen=True)
class Session:
    """One session. announce_by_utc_s: it must have been announced before; None: the timetable announces it.

    first_interval, end_interval: what it delivers, half-open (no interval for a listing session, whose announcement
    says what it delivers). It is open from opens_utc_s up to and without
    closes_utc_s, its gate closure. product: a listing's product, "" for the others.
    """

    session_id: str
    kind: SessionKind
    product: str
    trading_day: date
    first_interval: int
    end_interval: int
    announce_by_utc_s: int | None
    opens_utc_s: int
    closes_utc_s: int


def sessions_of(day: date, rules: TimetableRules, calendar: BusinessCalendar) -> tuple[Session, ...]:
    """Return the sessions that a day holds, by kind: its listings and the mid-term session if it has any, the
    day-ahead session of a later day, and one rolling session for each of its intervals.

    :raises TimetableError: if the rules are not in force on the day or the calendar does not reach it
    """
    if not rules.period.holds(day):
        raise TimetableError(f"the timetable of {rules.document} is not in force on {day}")
    return (*_listings(day, rules, calendar), *_mid_term(day, rules), *_day_ahead(day, rules), *_rolling(day, rules))


def gate_closure_utc_s(interval: int, rules: RollingRules) -> int:
    """Return the instant from which nothing about the interval may change any more (row 57)."""
    return start_utc_s(interval - rules.gate_lead_intervals)


def open_intervals(moment_utc_s: int, rules: RollingRules) -> tuple[int, int]:
    """Return the intervals whose rolling sessions are open, half-open: what order_rules.SessionParameters asks for."""
    first = interval_from_utc_s(moment_utc_s) + rules.gate_lead_intervals + 1
    return first, first + rules.open_intervals


def delivers_on(session: Session, day: date) -> bool:
    """Return whether the session delivers in some interval of the operating day."""
    first = first_interval_of_day(day)
    return session.first_interval < first + INTERVALS_PER_DAY and first < session.end_interval


def _listings(day: date, rules: TimetableRules, calendar: BusinessCalendar) -> tuple[Session, ...]:
    if not rules.listings:
        return ()
    if not calendar.first_day <= day <= calendar.last_day:
        raise TimetableError(f"the business calendar knows {calendar.first_day} to {calendar.last_day}, not {day}")
    if not is_business_day(calendar, day):
        return ()
    announced_on = previous_business_day(calendar, day)
    if announced_on is None:
        raise TimetableError(f"the business calendar knows no business day before {day}")
    announce_by = _midnight_utc_s(announced_on) + rules.announcement_closes_s
    first = first_interval_of_day(day + timedelta(days=1))
    return tuple(
        _session(
            SessionKind.LISTING,
            day,
            hours=listing.hours,
            delivery=(first, first),
            product=listing.product,
            announce_by_utc_s=announce_by,
        )
        for listing in rules.listings
    )


def _mid_term(day: date, rules: TimetableRules) -> tuple[Session, ...]:
    mid_term = rules.mid_term
    if mid_term is None or not trades_continuously(rules.stage):
        return ()
    first = first_interval_of_day(day + timedelta(days=mid_term.window.last_days_ahead))
    end = first_interval_of_day(day + timedelta(days=mid_term.window.first_days_ahead + 1))
    return (_session(SessionKind.MID_TERM, day, hours=mid_term.hours, delivery=(first, end)),)


def _day_ahead(day: date, rules: TimetableRules) -> tuple[Session, ...]:
    if rules.day_ahead is None:
        return ()
    first = first_interval_of_day(day + timedelta(days=rules.day_ahead.days_ahead))
    return (
        _session(SessionKind.DAY_AHEAD, day, hours=rules.day_ahead.hours, delivery=(first, first + INTERVALS_PER_DAY)),
    )


def _rolling(day: date, rules: TimetableRules) -> tuple[Session, ...]:
    first = first_interval_of_day(day)
    open_s = rules.rolling.open_intervals * SECONDS_PER_INTERVAL
    sessions = []
    for interval in range(first, first + INTERVALS_PER_DAY):
        closes = gate_closure_utc_s(interval, rules.rolling)
        sessions.append(
            Session(
                session_id=f"{SessionKind.ROLLING.value}/{interval}",
                kind=SessionKind.ROLLING,
                product="",
                trading_day=day,
                first_interval=interval,
                end_interval=interval + 1,
                announce_by_utc_s=None,
                opens_utc_s=closes - open_s,
                closes_utc_s=closes,
            )
        )
    return tuple(sessions)


def _session(
    kind: SessionKind,
    day: date,
    *,
    hours: OpenHours,
    delivery: tuple[int, int],
    product: str = "",
    announce_by_utc_s: int | None = None,
) -> Session:
    names = [kind.value, product, day.isoformat()] if product else [kind.value, day.isoformat()]
    midnight = _midnight_utc_s(day)
    return Session(
        session_id="/".join(names),
        kind=kind,
        product=product,
        trading_day=day,
        first_interval=delivery[0],
        end_interval=delivery[1],
        announce_by_utc_s=announce_by_utc_s,
        opens_utc_s=midnight + hours.opens_s,
        closes_utc_s=midnight + hours.closes_s,
    )


def _midnight_utc_s(day: date) -> int:
    return start_utc_s(first_interval_of_day(day))
