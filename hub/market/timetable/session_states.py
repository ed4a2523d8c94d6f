"""The states of a clearing session and all its transitions as one table; every change is an event (DESIGN 5).

A listing's own states are hub/market/listing's; here a session is what opens, closes its gate and is cleared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from hub.market.timetable.sessions import Session


class SessionState(Enum):
    """Where a session stands. CLEARED: priced, not yet checked against the network; SECURED: checked (law 8)."""

    PLANNED = "planned"
    ANNOUNCED = "announced"
    OPEN = "open"
    GATE_CLOSED = "gate-closed"
    CLEARED = "cleared"
    SECURED = "secured"
    AWAITS_PROVINCE = "awaits-province"
    FINAL = "final"
    CANCELLED = "cancelled"


class SessionAction(Enum):
    """What can happen to a session. REJECT: the province refuses, and the session is cleared again."""

    ANNOUNCE = "announce"
    OPEN = "open"
    CLOSE_GATE = "close-gate"
    CLEAR = "clear"
    SECURE = "secure"
    HAND_OVER = "hand-over"
    ACKNOWLEDGE = "acknowledge"
    REJECT = "reject"
    PUBLISH = "publish"
    CANCEL = "cancel"


TRANSITIONS: Mapping[tuple[SessionState, SessionAction], SessionState] = MappingProxyType(
    {
        (SessionState.PLANNED, SessionAction.ANNOUNCE): SessionState.ANNOUNCED,
        (SessionState.PLANNED, SessionAction.CANCEL): SessionState.CANCELLED,
        (SessionState.ANNOUNCED, SessionAction.OPEN): SessionState.OPEN,
        (SessionState.ANNOUNCED, SessionAction.CANCEL): SessionState.CANCELLED,
        (SessionState.OPEN, SessionAction.CLOSE_GATE): SessionState.GATE_CLOSED,
        (SessionState.OPEN, SessionAction.CANCEL): SessionState.CANCELLED,
        (SessionState.GATE_CLOSED, SessionAction.CLEAR): SessionState.CLEARED,
        (SessionState.CLEARED, SessionAction.CLEAR): SessionState.CLEARED,
        (SessionState.CLEARED, SessionAction.SECURE): SessionState.SECURED,
        (SessionState.SECURED, SessionAction.HAND_OVER): SessionState.AWAITS_PROVINCE,
        (SessionState.SECURED, SessionAction.PUBLISH): SessionState.FINAL,
        (SessionState.AWAITS_PROVINCE, SessionAction.ACKNOWLEDGE): SessionState.FINAL,
        (SessionState.AWAITS_PROVINCE, SessionAction.REJECT): SessionState.GATE_CLOSED,
    }
)
"""What is not here is refused. After gate closure nothing is cancelled: every interval is balanced (row 27)."""


class MoveRefusal(Enum):
    """Why an event was refused."""

    OTHER_SESSION = "other-session"
    TIME_RUNS_BACK = "time-runs-back"
    WRONG_STATE = "wrong-state"
    ANNOUNCED_LATE = "announced-late"
    TOO_EARLY = "too-early"
    GATE_CLOSED = "gate-closed"
    PROVINCE_DECIDES = "province-decides"
    NO_PROVINCE = "no-province"


@dataclass(frozen=True)
class SessionEvent:
    """Something that happened to a session at an instant."""

    session_id: str
    action: SessionAction
    at_utc_s: int


@dataclass(frozen=True)
class SessionRun:
    """A session, where it stands and how it got there. is_sub_market: its results need the province (row 18)."""

    session: Session
    is_sub_market: bool
    state: SessionState
    events: tuple[SessionEvent, ...]


@dataclass(frozen=True)
class Moved:
    """The event happened; this is the session now."""

    run: SessionRun


@dataclass(frozen=True)
class MoveRefused:
    """The event did not happen; the session is as before."""

    event: SessionEvent
    reason: MoveRefusal


MoveOutcome = Moved | MoveRefused


def planned(session: Session, *, is_sub_market: bool) -> SessionRun:
    """Return a session before its first event; the timetable announces those that need no announcement."""
    state = SessionState.ANNOUNCED if session.announce_by_utc_s is None else SessionState.PLANNED
    return SessionRun(session, is_sub_market, state, ())


def transition(run: SessionRun, event: SessionEvent) -> MoveOutcome:
    """Return what an event makes of a session: moved by the table, or refused with the first rule it breaks."""
    after = TRANSITIONS.get((run.state, event.action))
    reason = _refusal(run, event, after)
    if reason is not None or after is None:
        return MoveRefused(event, reason or MoveRefusal.WRONG_STATE)
    return Moved(SessionRun(run.session, run.is_sub_market, after, (*run.events, event)))


def replay(run: SessionRun, events: Iterable[SessionEvent]) -> tuple[SessionRun, tuple[MoveRefused, ...]]:
    """Return the session after events in their order, and those that were refused."""
    refused = []
    for event in events:
        outcome = transition(run, event)
        if isinstance(outcome, Moved):
            run = outcome.run
        else:
            refused.append(outcome)
    return run, tuple(refused)


def state_at(session: Session, moment_utc_s: int) -> SessionState:
    """Return where the timetable alone puts a session at an instant; what happens after gate closure needs events."""
    if moment_utc_s >= session.closes_utc_s:
        return SessionState.GATE_CLOSED
    if moment_utc_s >= session.opens_utc_s:
        return SessionState.OPEN
    is_announced = session.announce_by_utc_s is None or moment_utc_s >= session.announce_by_utc_s
    return SessionState.ANNOUNCED if is_announced else SessionState.PLANNED


def due_events(run: SessionRun, moment_utc_s: int) -> tuple[SessionEvent, ...]:
    """Return the openings and gate closures that the timetable asks for by an instant and that have not happened.

    A session that was not announced in time does not open (row 35); one that never opened closes nothing.
    """
    session, due = run.session, []
    state = run.state
    if state is SessionState.ANNOUNCED and moment_utc_s >= session.opens_utc_s:
        due.append(SessionEvent(session.session_id, SessionAction.OPEN, session.opens_utc_s))
        state = SessionState.OPEN
    if state is SessionState.OPEN and moment_utc_s >= session.closes_utc_s:
        due.append(SessionEvent(session.session_id, SessionAction.CLOSE_GATE, session.closes_utc_s))
    return tuple(due)


def takes_orders(run: SessionRun, moment_utc_s: int) -> bool:
    """Return whether an order may be placed, changed or withdrawn now; gate closure freezes them all (row 57)."""
    session = run.session
    return run.state is SessionState.OPEN and session.opens_utc_s <= moment_utc_s < session.closes_utc_s


def _refusal(run: SessionRun, event: SessionEvent, after: SessionState | None) -> MoveRefusal | None:
    session, at = run.session, event.at_utc_s
    announce_by = session.announce_by_utc_s
    checks = (
        (event.session_id != session.session_id, MoveRefusal.OTHER_SESSION),
        (bool(run.events) and at < run.events[-1].at_utc_s, MoveRefusal.TIME_RUNS_BACK),
        (after is None, MoveRefusal.WRONG_STATE),
        (
            event.action is SessionAction.ANNOUNCE and announce_by is not None and at >= announce_by,
            MoveRefusal.ANNOUNCED_LATE,
        ),
        (event.action is SessionAction.OPEN and at < session.opens_utc_s, MoveRefusal.TOO_EARLY),
        (event.action is SessionAction.OPEN and at >= session.closes_utc_s, MoveRefusal.GATE_CLOSED),
        (event.action is SessionAction.CLOSE_GATE and at < session.closes_utc_s, MoveRefusal.TOO_EARLY),
        (event.action is SessionAction.CANCEL and at >= session.closes_utc_s, MoveRefusal.GATE_CLOSED),
        (event.action is SessionAction.PUBLISH and run.is_sub_market, MoveRefusal.PROVINCE_DECIDES),
        (event.action is SessionAction.HAND_OVER and not run.is_sub_market, MoveRefusal.NO_PROVINCE),
    )
    return next((reason for is_broken, reason in checks if is_broken), None)
