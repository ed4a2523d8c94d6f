"""Business days, trading days and what a session may deliver: rows 31, 32, 35, 49, 58. Days are county days (UTC+8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec

from edge.contract.interval import INTERVALS_PER_DAY, day_of_interval, first_interval_of_day, interval_from_utc_s
from hub.market.listing.products import DeliveryRule
from hub.market.registry.periods import next_month

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


class BusinessCalendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which days are business days, as published for a year or more; nothing is known outside first_day..last_day.

    holidays: days off that would be business days by their weekday. working_days: weekend days that are worked.
    """

    first_day: date
    last_day: date
    holidays: tuple[date, ...]
    working_days: tuple[date, ...]


class TradingWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long before delivery day D a multi-day product trades: from D - first_days_ahead to D - last_days_ahead."""

    first_days_ahead: int
    last_days_ahead: int


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Delivery days from `from_day` up to and without `until_day`."""

    from_day: date
    until_day: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.until_day - self.from_day).days

    def within(self, other: "Delivery") -> bool:
        """Return whether all days are days of the other."""
        return other.from_day <= self.from_day and self.until_day <= other.until_day


@dataclass(frozen=True, slots=True)
class MonthSlice:
    """The days of one delivery month: month as year x 100 + month; positions count days of the delivery; half-open.

    first_day_of_month: position of the slice's first day in its month, 0 for the 1st.
    """

    month: int
    from_position: int
    until_position: int
    first_day_of_month: int


def utc_s_of(instant: datetime) -> int:
    """Return the whole UTC seconds of an instant with a time zone."""
    return (instant - _EPOCH) // timedelta(seconds=1)


def day_of(instant: datetime) -> date:
    """Return the county day of an instant."""
    return day_of_interval(interval_from_utc_s(utc_s_of(instant)))


def is_business_day(calendar: BusinessCalendar, day: date) -> bool:
    """Return whether the day is worked; the day must lie in the calendar."""
    assert calendar.first_day <= day <= calendar.last_day
    return day in calendar.working_days or (day.weekday() < _SATURDAY and day not in calendar.holidays)


def previous_business_day(calendar: BusinessCalendar, day: date) -> date | None:
    """Return the last business day before `day` (row 35), None if the calendar does not reach there."""
    before = day - _ONE_DAY
    while calendar.first_day <= before <= calendar.last_day:
        if is_business_day(calendar, before):
            return before
        before -= _ONE_DAY
    return None


def allowed_delivery(rule: DeliveryRule, trading_day: date) -> Delivery | None:
    """Return all days that a session of this trading day may deliver, None where the rule sets no fixed period.

    Rows 31 (next calendar year) and 32 (next month).
    """
    match rule:
        case DeliveryRule.NEXT_YEAR:
            return Delivery(date(trading_day.year + 1, 1, 1), date(trading_day.year + 2, 1, 1))
        case DeliveryRule.NEXT_MONTH:
            first_day = next_month(trading_day)
            return Delivery(first_day, next_month(first_day))
        case DeliveryRule.DAYS_AHEAD | DeliveryRule.AS_ANNOUNCED:
            return None


def in_window(window: TradingWindow, today: date, delivery: Delivery) -> bool:
    """Return whether every delivery day D may trade today: D - first <= today <= D - last (row 58)."""
    first_day = today + timedelta(days=window.last_days_ahead)
    last_day = today + timedelta(days=window.first_days_ahead)
    return first_day <= delivery.from_day and delivery.until_day - _ONE_DAY <= last_day


def month_of(day: date) -> int:
    """Return year x 100 + month."""
    return day.year * 100 + day.month


def month_slices(delivery: Delivery) -> Iterator[MonthSlice]:
    """Yield the delivery's days month by month."""
    day = delivery.from_day
    while day < delivery.until_day:
        end = min(next_month(day), delivery.until_day)
        yield MonthSlice(
            month=month_of(day),
            from_position=(day - delivery.from_day).days,
            until_position=(end - delivery.from_day).days,
            first_day_of_month=day.day - 1,
        )
        day = end


def intervals_of_month(month: int) -> int:
    """Return how many intervals the month (year x 100 + month) has."""
    first_day = date(month // 100, month % 100, 1)
    return (next_month(first_day) - first_day).days * INTERVALS_PER_DAY


def first_interval(delivery: Delivery) -> int:
    """Return the number of the first interval of the delivery."""
    return first_interval_of_day(delivery.from_day)
