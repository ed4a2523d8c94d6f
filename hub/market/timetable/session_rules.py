"""How a province's sessions lie in time, as data with days in force and document; no rule, no session of that kind.

Clock times are seconds after 00:00 county time (UTC+8) of the trading day.
"""

import msgspec

from hub.market.listing.session_calendar import TradingWindow
from hub.market.registry.participant_classes import MarketStage
from hub.market.registry.periods import Period


class OpenHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From opens_s up to and without closes_s, seconds after the trading day's midnight."""

    opens_s: int
    closes_s: int


class DayAheadRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One session for all intervals of the delivery day, held `days_ahead` days before it, every calendar day."""

    days_ahead: int
    hours: OpenHours


class RollingRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One session an interval. gate_lead_intervals: the gate closes so many intervals before the interval starts.

    open_intervals: the session opens so many intervals before its gate closes.
    """

    gate_lead_intervals: int
    open_intervals: int


class MidTermRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Daily sessions for delivery days in the window, where the province's spot market runs continuously (58, 63)."""

    window: TradingWindow
    hours: OpenHours


class ListingHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A continuous listing held on every business day, announced on the business day before (row 35)."""

    product: str
    hours: OpenHours


class TimetableRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole timetable of a province. announcement_closes_s: until when on its day an announcement is in time."""

    province: str
    period: Period
    document: str
    source: str
    stage: MarketStage
    day_ahead: DayAheadRules | None
    rolling: RollingRules
    mid_term: MidTermRules | None
    listings: tuple[ListingHours, ...]
    announcement_closes_s: int


def rule_faults(rules: TimetableRules) -> list[str]:
    """Return what is wrong with a timetable by itself, empty if nothing is."""
    found = []
    hours = [(one.product, one.hours) for one in rules.listings]
    hours += [] if rules.day_ahead is None else [("day-ahead", rules.day_ahead.hours)]
    hours += [] if rules.mid_term is None else [("mid-term", rules.mid_term.hours)]
    found += [f"{name}: {one.opens_s} to {one.closes_s} is no time" for name, one in hours if not _is_time(one)]
    if rules.day_ahead is not None and rules.day_ahead.days_ahead < 1:
        found.append("the day-ahead session must lie before its delivery day")
    if rules.rolling.gate_lead_intervals < 0 or rules.rolling.open_intervals < 1:
        found.append("a rolling session must open before its gate, and its gate close before its interval")
    window = None if rules.mid_term is None else rules.mid_term.window
    if window is not None and not 1 <= window.last_days_ahead <= window.first_days_ahead:
        found.append("the mid-term window has no day")
    if not rules.document.strip():
        found.append("the timetable names no document")
    return found


def _is_time(hours: OpenHours) -> bool:
    return 0 <= hours.opens_s < hours.closes_s <= 86_400
