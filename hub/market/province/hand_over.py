"""The two-level hand-over of exchange schedules: from the county's net position to a schedule that is frozen.

States and transitions are one table. A schedule may be replaced while its interval's gate is open; afterwards neither
level accepts a changed one (row 57, by timetable/exchange_schedule.py). In a sub-market a schedule is final after the
province's acknowledgement, in an independent market after the local check (row 18). At gate closure the newest
acknowledged version is what stands; one that is still unanswered may be answered later, but not changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from hub.market.registry.participant_classes import OperatingMode
from hub.market.registry.published_results import Finality, finality
from hub.market.timetable.exchange_schedule import (
    Exchange,
    ExchangeSchedule,
    Level,
    ScheduleRefused,
    hand_over,
)
from hub.market.timetable.session_rules import RollingRules
from hub.market.timetable.sessions import gate_closure_utc_s
from hub.market.trades import Violation


class HandOverState(Enum):
    """Where the schedule of an interval stands."""

    AWAITED = "awaited"
    HANDED_OVER = "handed-over"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    FROZEN = "frozen"
    MISSED = "missed"


class HandOverStep(Enum):
    """What may happen to it."""

    HAND_OVER = "hand-over"
    ACKNOWLEDGE = "acknowledge"
    REFUSE = "refuse"
    CLOSE_GATE = "close-gate"


_S, _E = HandOverState, HandOverStep
TRANSITIONS: Mapping[tuple[HandOverState, HandOverStep], HandOverState] = MappingProxyType(
    {
        (_S.AWAITED, _E.HAND_OVER): _S.HANDED_OVER,
        (_S.AWAITED, _E.CLOSE_GATE): _S.MISSED,
        (_S.HANDED_OVER, _E.HAND_OVER): _S.HANDED_OVER,
        (_S.HANDED_OVER, _E.ACKNOWLEDGE): _S.ACKNOWLEDGED,
        (_S.HANDED_OVER, _E.REFUSE): _S.REFUSED,
        (_S.HANDED_OVER, _E.CLOSE_GATE): _S.UNANSWERED,
        (_S.ACKNOWLEDGED, _E.HAND_OVER): _S.HANDED_OVER,
        (_S.ACKNOWLEDGED, _E.CLOSE_GATE): _S.FROZEN,
        (_S.REFUSED, _E.HAND_OVER): _S.HANDED_OVER,
        (_S.REFUSED, _E.CLOSE_GATE): _S.MISSED,
        (_S.UNANSWERED, _E.ACKNOWLEDGE): _S.FROZEN,
        (_S.UNANSWERED, _E.REFUSE): _S.MISSED,
    }
)
"""State and step -> next state; what is not in the table is refused. MISSED: the last acknowledged version stands, or
nothing."""


class HandOverRefusal(Enum):
    """Why a step was refused; the first three as timetable.exchange_schedule.ScheduleRefusal."""

    GATE_CLOSED = "gate-closed"
    NOT_ITS_BOUNDARY = "not-its-boundary"
    TIME_RUNS_BACK = "time-runs-back"
    NOT_NOW = "not-now"
    OTHER_VERSION = "other-version"
    GATE_OPEN = "gate-open"
    BEYOND_TIE = "beyond-tie"


@dataclass(frozen=True)
class IntervalHandOver:
    """One interval. version: of the newest schedule, 0 before the first. standing: the newest acknowledged one."""

    state: HandOverState = HandOverState.AWAITED
    version: int = 0
    newest: ExchangeSchedule | None = None
    standing: ExchangeSchedule | None = None
    standing_version: int = 0


@dataclass(frozen=True)
class HandOvers:
    """All hand-overs of a county. exchange: what the timetable lets stand; intervals: by number."""

    mode: OperatingMode
    exchange: Exchange
    intervals: Mapping[int, IntervalHandOver] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class HandOverEvent:
    """What happened to an interval's schedule, as it is published: from state to state by which step."""

    interval: int
    step: HandOverStep
    before: HandOverState
    after: HandOverState
    version: int
    at_utc_s: int


@dataclass(frozen=True)
class HandOverDone:
    """The step was taken; events is empty where it was a repeat."""

    hand_overs: HandOvers
    events: tuple[HandOverEvent, ...]


@dataclass(frozen=True)
class HandOverRefused:
    """The step was refused and changed nothing."""

    interval: int
    step: HandOverStep
    reason: HandOverRefusal


HandOverOutcome = HandOverDone | HandOverRefused


def no_hand_overs(mode: OperatingMode, boundary_of: Level, rules: RollingRules) -> HandOvers:
    """Return the hand-overs before the first one.

    :param boundary_of: the level whose result is the other's boundary (row 57)
    """
    return HandOvers(mode, Exchange(boundary_of, rules))


def hand_over_schedule(
    hand_overs: HandOvers, schedule: ExchangeSchedule, *, import_limit_wh: int, export_limit_wh: int
) -> HandOverOutcome:
    """Hand over a schedule, new or changed; the newest one again changes nothing.

    An independent market acknowledges it itself: there it is final after the local check.
    """
    interval, now = schedule.interval, of_interval(hand_overs, schedule.interval)
    if now.newest == schedule:
        return HandOverDone(hand_overs, ())
    taken = hand_over(hand_overs.exchange, schedule)
    if isinstance(taken, ScheduleRefused):
        return HandOverRefused(interval, HandOverStep.HAND_OVER, HandOverRefusal(taken.reason.value))
    if not -export_limit_wh <= schedule.import_wh <= import_limit_wh:
        return HandOverRefused(interval, HandOverStep.HAND_OVER, HandOverRefusal.BEYOND_TIE)
    changed = replace(now, version=now.version + 1, newest=schedule)
    base = replace(hand_overs, exchange=taken.exchange)
    done = _step(base, interval, changed, HandOverStep.HAND_OVER, schedule.at_utc_s)
    if isinstance(done, HandOverRefused) or hand_overs.mode is OperatingMode.SUB_MARKET:
        return done
    own = answer(done.hand_overs, interval, version=changed.version, at_utc_s=schedule.at_utc_s, is_accepted=True)
    assert isinstance(own, HandOverDone)
    return HandOverDone(own.hand_overs, (*done.events, *own.events))


def answer(hand_overs: HandOvers, interval: int, *, version: int, at_utc_s: int, is_accepted: bool) -> HandOverOutcome:
    """Take the province's answer to a version; an answer to an older version is refused, a repeated one is none."""
    now = of_interval(hand_overs, interval)
    step = HandOverStep.ACKNOWLEDGE if is_accepted else HandOverStep.REFUSE
    if is_accepted and version and version == now.standing_version:
        return HandOverDone(hand_overs, ())
    if version != now.version or not version:
        return HandOverRefused(interval, step, HandOverRefusal.OTHER_VERSION)
    if is_accepted:
        now = replace(now, standing=now.newest, standing_version=version)
    return _step(hand_overs, interval, now, step, at_utc_s)


def close_gate(hand_overs: HandOvers, interval: int, *, at_utc_s: int) -> HandOverOutcome:
    """Freeze the interval's exchange; a second closure changes nothing."""
    now = of_interval(hand_overs, interval)
    if at_utc_s < gate_closure_utc_s(interval, hand_overs.exchange.rules):
        return HandOverRefused(interval, HandOverStep.CLOSE_GATE, HandOverRefusal.GATE_OPEN)
    if (now.state, HandOverStep.CLOSE_GATE) not in TRANSITIONS:
        return HandOverDone(hand_overs, ())
    return _step(hand_overs, interval, now, HandOverStep.CLOSE_GATE, at_utc_s)


def of_interval(hand_overs: HandOvers, interval: int) -> IntervalHandOver:
    """Return where an interval stands."""
    return hand_overs.intervals.get(interval, IntervalHandOver())


def schedule_finality(hand_overs: HandOvers, interval: int) -> Finality:
    """Return whether the interval's newest schedule binds (row 18)."""
    now = of_interval(hand_overs, interval)
    if now.newest is None:
        return Finality.REFUSED
    is_standing = now.standing_version == now.version
    has_answer = is_standing or now.state in {HandOverState.REFUSED, HandOverState.MISSED}
    return finality(hand_overs.mode, is_checked=True, is_acknowledged=is_standing if has_answer else None)


def check_frozen(before: HandOvers, after: HandOvers, *, at_utc_s: int) -> list[Violation]:
    """Row 57: from gate closure on, no schedule of an interval was added or changed, by whatever steps."""
    found = []
    for interval, now in after.intervals.items():
        then = of_interval(before, interval)
        is_closed = at_utc_s >= gate_closure_utc_s(interval, after.exchange.rules)
        if is_closed and (then.version, then.newest) != (now.version, now.newest):
            found.append(Violation(3, f"interval {interval}", "its exchange schedule changed after gate closure"))
    return found


def check_standing(hand_overs: HandOvers) -> list[Violation]:
    """Row 18: what stands was acknowledged, and a frozen interval stands with its newest version."""
    found = []
    for interval, now in hand_overs.intervals.items():
        is_settled = now.state in {HandOverState.FROZEN, HandOverState.ACKNOWLEDGED}
        faults = (
            (is_settled and (now.standing is None or now.standing != now.newest), "final without acknowledgement"),
            (now.standing_version > now.version, "an acknowledgement of a version that nobody handed over"),
            (now.state is HandOverState.AWAITED and now.version > 0, "handed over and still awaited"),
        )
        found += [Violation(1, f"interval {interval}", what) for is_breach, what in faults if is_breach]
    return found


def _step(
    hand_overs: HandOvers, interval: int, now: IntervalHandOver, step: HandOverStep, at_utc_s: int
) -> HandOverOutcome:
    """Take one step of the table."""
    after = TRANSITIONS.get((now.state, step))
    if after is None:
        return HandOverRefused(interval, step, HandOverRefusal.NOT_NOW)
    intervals = MappingProxyType({**hand_overs.intervals, interval: replace(now, state=after)})
    event = HandOverEvent(interval, step, now.state, after, now.version, at_utc_s)
    return HandOverDone(replace(hand_overs, intervals=intervals), (event,))
