"""The hand-over of the exchange between county and province, frozen at gate closure (requirements row 57).

One level's result is the other's boundary, as configured; a schedule may be replaced while the interval's gate is
open, and by neither level afterwards, so that no interval is updated in a circle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from hub.market.timetable.session_rules import RollingRules
from hub.market.timetable.sessions import gate_closure_utc_s


class Level(Enum):
    """Who clears."""

    COUNTY = "COUNTY"
    PROVINCE = "PROVINCE"


@dataclass(frozen=True)
class ExchangeSchedule:
    """The county's exchange in an interval, import positive, with who set it and when."""

    interval: int
    import_wh: int
    set_by: Level
    at_utc_s: int


class ScheduleRefusal(Enum):
    """Why a schedule was refused."""

    GATE_CLOSED = "gate-closed"
    NOT_ITS_BOUNDARY = "not-its-boundary"
    TIME_RUNS_BACK = "time-runs-back"


@dataclass(frozen=True)
class Exchange:
    """The schedules that stand, by interval. boundary_of: the level whose result is the other's boundary."""

    boundary_of: Level
    rules: RollingRules
    schedules: Mapping[int, ExchangeSchedule] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Scheduled:
    """The schedule stands; this is the exchange now."""

    exchange: Exchange


@dataclass(frozen=True)
class ScheduleRefused:
    """The schedule was refused; the exchange is as before."""

    schedule: ExchangeSchedule
    reason: ScheduleRefusal


ScheduleOutcome = Scheduled | ScheduleRefused


def hand_over(exchange: Exchange, schedule: ExchangeSchedule) -> ScheduleOutcome:
    """Return the exchange with a schedule, or why it was refused; the same schedule again changes nothing."""
    stands = exchange.schedules.get(schedule.interval)
    if stands == schedule:
        return Scheduled(exchange)
    checks = (
        (schedule.at_utc_s >= gate_closure_utc_s(schedule.interval, exchange.rules), ScheduleRefusal.GATE_CLOSED),
        (schedule.set_by is not exchange.boundary_of, ScheduleRefusal.NOT_ITS_BOUNDARY),
        (stands is not None and schedule.at_utc_s < stands.at_utc_s, ScheduleRefusal.TIME_RUNS_BACK),
    )
    reason = next((reason for is_broken, reason in checks if is_broken), None)
    if reason is not None:
        return ScheduleRefused(schedule, reason)
    schedules = MappingProxyType({**exchange.schedules, schedule.interval: schedule})
    return Scheduled(Exchange(exchange.boundary_of, exchange.rules, schedules))
