"""The sessions of the market as they happen: opened and closed by the timetable, moved on by what the hub does."""

from collections.abc import Callable
from datetime import date

from sqlmodel import Session

from edge.contract.interval import day_of_interval, interval_from_utc_s
from hub.market.listing.session_calendar import BusinessCalendar
from hub.market.registry.participant_classes import OperatingMode
from hub.market.timetable.session_states import (
    MoveRefused,
    SessionAction,
    SessionEvent,
    SessionRun,
    due_events,
    planned,
    transition,
)
from hub.market.timetable.sessions import SessionKind, open_intervals, sessions_of
from hub.store.sessions import add_session, known_session_ids, read_due_runs, read_run, save_moves
from hub.usecases.timetable_parameters import load_timetable


def advance_sessions(session: Session, utc_s: int, *, holds: Callable[[int], bool]) -> None:
    """Write the sessions that have come up by the instant, and let those that are due open and close their gates.

    :param holds: whether the run clears an interval
    """
    timetable = load_timetable(session, interval_from_utc_s(utc_s) + 1)
    if timetable is None:
        return
    # The session whose gate closes at this very instant is no longer open, but has to be there to close.
    _, end = open_intervals(utc_s, timetable.rules.rolling)
    first = interval_from_utc_s(utc_s) + timetable.rules.rolling.gate_lead_intervals
    wanted = {session_id_of(interval): interval for interval in range(first, end) if holds(interval)}
    missing = wanted.keys() - known_session_ids(session, list(wanted))
    days = sorted({day_of_interval(wanted[name]) for name in missing})
    is_sub_market = timetable.mode is OperatingMode.SUB_MARKET
    for day in days:
        for one in sessions_of(day, timetable.rules, _no_calendar(day)):
            if one.session_id in missing:
                add_session(session, planned(one, is_sub_market=is_sub_market))
    for run in read_due_runs(session, utc_s):
        _move(session, run, due_events(run, utc_s))


def move_session(session: Session, interval: int, actions: tuple[SessionAction, ...], utc_s: int) -> None:
    """Let the interval's session go through some actions; a county without a timetable has no session."""
    run = read_run(session, session_id_of(interval))
    if run is not None:
        _move(session, run, tuple(SessionEvent(run.session.session_id, action, utc_s) for action in actions))


def session_id_of(interval: int) -> str:
    """Return the session into which an order for the interval comes."""
    return f"{SessionKind.ROLLING.value}/{interval}"


def _move(session: Session, run: SessionRun, events: tuple[SessionEvent, ...]) -> None:
    moved = run
    for event in events:
        outcome = transition(moved, event)
        assert not isinstance(outcome, MoveRefused), f"{event.session_id}: {event.action.value}: {outcome.reason.value}"
        moved = outcome.run
    save_moves(session, run, moved)


def _no_calendar(day: date) -> BusinessCalendar:
    """Return a calendar for a timetable of sessions that are held on every day alike."""
    return BusinessCalendar(first_day=day, last_day=day, holidays=(), working_days=())
