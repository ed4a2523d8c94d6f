"""The session calendar, the one table of states, and the gate that freezes an interval (rows 35, 57, 58, 63)."""

import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.interval import first_interval_of_day, instant_from_clock_text, label_of_interval, start_utc_s
from hub.market.listing.session_calendar import BusinessCalendar, TradingWindow
from hub.market.order_rules import SessionParameters
from hub.market.registry.participant_classes import MarketStage
from hub.market.registry.periods import Period
from hub.market.timetable.exchange_schedule import (
    Exchange,
    ExchangeSchedule,
    Level,
    Scheduled,
    ScheduleRefusal,
    ScheduleRefused,
    hand_over,
)
from hub.market.timetable.session_rules import (
    DayAheadRules,
    ListingHours,
    MidTermRules,
    OpenHours,
    RollingRules,
    TimetableRules,
    rule_faults,
)
from hub.market.timetable.session_states import (
    TRANSITIONS,
    Moved,
    MoveRefusal,
    MoveRefused,
    SessionAction,
    SessionEvent,
    SessionRun,
    SessionState,
    due_events,
    planned,
    replay,
    state_at,
    takes_orders,
    transition,
)
from hub.market.timetable.sessions import (
    Session,
    SessionKind,
    TimetableError,
    delivers_on,
    gate_closure_utc_s,
    open_intervals,
    sessions_of,
)

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "market"
HOUR = 3600
ROLLING = RollingRules(gate_lead_intervals=1, open_intervals=8)
RULES = TimetableRules(
    province="P",
    period=Period(date(2026, 1, 1)),
    document="timetable 1",
    source="case",
    stage=MarketStage.UNINTERRUPTED,
    day_ahead=DayAheadRules(days_ahead=1, hours=OpenHours(8 * HOUR, 10 * HOUR)),
    rolling=ROLLING,
    mid_term=MidTermRules(TradingWindow(first_days_ahead=7, last_days_ahead=2), OpenHours(9 * HOUR, 17 * HOUR)),
    listings=(ListingHours("ORDINARY_MONTHLY", OpenHours(9 * HOUR, 15 * HOUR)),),
    announcement_closes_s=18 * HOUR,
)
# Spring Festival 2026 as an example of data: 15 to 23 February off, the Saturdays 14 and 28 February worked.
CALENDAR = BusinessCalendar(
    first_day=date(2026, 1, 1),
    last_day=date(2026, 12, 31),
    holidays=tuple(date(2026, 2, day) for day in range(16, 24)),
    working_days=(date(2026, 2, 14), date(2026, 2, 28)),
)


def golden(row_id: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((GOLDEN / row_id / "case.json").read_text(encoding="utf8"))
    return case


def of_kind(day: date, kind: SessionKind, rules: TimetableRules = RULES) -> list[Session]:
    return [session for session in sessions_of(day, rules, CALENDAR) if session.kind is kind]


def test_row_57_neither_level_changes_an_exchange_after_gate_closure() -> None:
    case = golden("SPOT-08")
    rules = RollingRules(gate_lead_intervals=case["given"]["gate_lead_intervals"], open_intervals=8)
    interval = case["given"]["interval"]
    last_open = start_utc_s(interval) - case["expected"]["last_open_second_before_start"]
    assert gate_closure_utc_s(interval, rules) == last_open + 1
    for setter in Level:
        exchange = Exchange(setter, rules)
        first = ExchangeSchedule(interval, 5000, setter, last_open - 60)
        taken = hand_over(exchange, first)
        assert isinstance(taken, Scheduled)
        replaced = hand_over(taken.exchange, ExchangeSchedule(interval, 6000, setter, last_open))
        assert isinstance(replaced, Scheduled)
        for level in Level:
            late = hand_over(replaced.exchange, ExchangeSchedule(interval, 7000, level, last_open + 1))
            assert isinstance(late, ScheduleRefused)
            assert late.reason is ScheduleRefusal.GATE_CLOSED
        assert replaced.exchange.schedules[interval].import_wh == 6000
        assert hand_over(replaced.exchange, replaced.exchange.schedules[interval]) == Scheduled(replaced.exchange)
        other = Level.PROVINCE if setter is Level.COUNTY else Level.COUNTY
        foreign = hand_over(taken.exchange, ExchangeSchedule(interval, 1, other, last_open))
        assert isinstance(foreign, ScheduleRefused)
        assert foreign.reason is ScheduleRefusal.NOT_ITS_BOUNDARY
        back = hand_over(taken.exchange, ExchangeSchedule(interval, 1, setter, last_open - 61))
        assert isinstance(back, ScheduleRefused)
        assert back.reason is ScheduleRefusal.TIME_RUNS_BACK


def test_row_58_a_day_is_traded_from_d_7_to_d_2() -> None:
    case = golden("SPOT-09")
    delivery = date.fromisoformat(case["given"]["day"])

    def tradable(today: date) -> bool:
        return any(delivers_on(session, delivery) for session in of_kind(today, SessionKind.MID_TERM))

    around = [delivery + timedelta(days=shift) for shift in range(-12, 4)]
    assert [day.isoformat() for day in around if tradable(day)] == case["expected"]["accepted"]
    assert not any(tradable(date.fromisoformat(text)) for text in case["expected"]["rejected"])


def test_row_63_no_mid_term_session_before_the_spot_market_is_continuous() -> None:
    for stage in MarketStage:
        rules = msgspec.structs.replace(RULES, stage=stage)
        has_session = bool(of_kind(date(2026, 7, 8), SessionKind.MID_TERM, rules))
        assert has_session == (stage in {MarketStage.UNINTERRUPTED, MarketStage.FORMAL})


def test_row_35_a_listing_is_announced_on_the_business_day_before() -> None:
    session = of_kind(date(2026, 3, 9), SessionKind.LISTING)[0]
    assert session.announce_by_utc_s == instant_from_clock_text(date(2026, 3, 6), "18:00")
    after_festival = of_kind(date(2026, 2, 24), SessionKind.LISTING)[0]
    assert after_festival.announce_by_utc_s == instant_from_clock_text(date(2026, 2, 14), "18:00")
    assert of_kind(date(2026, 2, 17), SessionKind.LISTING) == []
    assert of_kind(date(2026, 3, 7), SessionKind.LISTING) == []
    assert len(of_kind(date(2026, 2, 28), SessionKind.LISTING)) == 1
    for unknown in (date(2027, 1, 4), date(2026, 1, 1)):
        with pytest.raises(TimetableError):
            sessions_of(unknown, RULES, CALENDAR)
    with pytest.raises(TimetableError, match="not in force"):
        sessions_of(date(2025, 12, 31), RULES, CALENDAR)


def test_day_ahead_and_rolling_sessions_cover_every_interval_once() -> None:
    day = date(2026, 7, 15)
    (day_ahead,) = of_kind(day, SessionKind.DAY_AHEAD)
    first = first_interval_of_day(date(2026, 7, 16))
    assert (day_ahead.first_interval, day_ahead.end_interval) == (first, first + 96)
    assert day_ahead.closes_utc_s == instant_from_clock_text(day, "10:00")
    rolling = of_kind(day, SessionKind.ROLLING)
    assert [session.first_interval for session in rolling] == list(range(first - 96, first))
    assert label_of_interval(rolling[0].first_interval) == "00:15"
    # the gate of the day's first interval closes on the day before, one interval ahead
    assert rolling[0].closes_utc_s == instant_from_clock_text(date(2026, 7, 14), "23:45")
    assert all(later.closes_utc_s - sooner.closes_utc_s == 900 for sooner, later in pairwise(rolling))
    names = [session.session_id for session in sessions_of(day, RULES, CALENDAR)]
    assert len(set(names)) == len(names) == 99


@given(moment=st.integers(1_768_000_000, 1_768_200_000), lead=st.integers(0, 4), width=st.integers(1, 12))
def test_open_intervals_are_those_whose_sessions_are_open(moment: int, lead: int, width: int) -> None:
    rules = msgspec.structs.replace(RULES, rolling=RollingRules(lead, width))
    first, end = open_intervals(moment, rules.rolling)
    parameters = SessionParameters(first, end, 0, 1, 1, 1)
    assert parameters.open_from_interval == first
    today = date(2026, 1, 1) + timedelta(days=(moment + 8 * HOUR) // 86_400 - 20_454)
    found = {
        session.first_interval
        for shift in (0, 1)
        for session in sessions_of(today + timedelta(days=shift), rules, CALENDAR)
        if session.kind is SessionKind.ROLLING and state_at(session, moment) is SessionState.OPEN
    }
    assert found == set(range(first, end))


def listing_run(*, is_sub_market: bool = False) -> SessionRun:
    return planned(of_kind(date(2026, 3, 9), SessionKind.LISTING)[0], is_sub_market=is_sub_market)


def event(run: SessionRun, action: SessionAction, at: int) -> SessionEvent:
    return SessionEvent(run.session.session_id, action, at)


def reason_of(run: SessionRun, happened: SessionEvent) -> MoveRefusal | None:
    outcome = transition(run, happened)
    return outcome.reason if isinstance(outcome, MoveRefused) else None


def test_a_session_goes_from_announcement_to_publication() -> None:
    run = listing_run()
    session = run.session
    assert session.announce_by_utc_s is not None
    times = {
        SessionAction.ANNOUNCE: session.announce_by_utc_s - 1,
        SessionAction.OPEN: session.opens_utc_s,
        SessionAction.CLOSE_GATE: session.closes_utc_s,
        SessionAction.CLEAR: session.closes_utc_s + 1,
        SessionAction.SECURE: session.closes_utc_s + 2,
        SessionAction.PUBLISH: session.closes_utc_s + 3,
    }
    events = [event(run, action, at) for action, at in times.items()]
    final, refused = replay(run, events)
    assert (final.state, refused) == (SessionState.FINAL, ())
    assert final.events == tuple(events)
    for action in SessionAction:
        assert reason_of(final, event(run, action, session.closes_utc_s + 9)) is MoveRefusal.WRONG_STATE


def test_a_session_that_was_not_announced_in_time_does_not_open() -> None:
    run = listing_run()
    session = run.session
    assert session.announce_by_utc_s is not None
    late = event(run, SessionAction.ANNOUNCE, session.announce_by_utc_s)
    assert reason_of(run, late) is MoveRefusal.ANNOUNCED_LATE
    assert reason_of(run, event(run, SessionAction.OPEN, session.opens_utc_s)) is MoveRefusal.WRONG_STATE
    assert due_events(run, session.closes_utc_s) == ()


def test_times_and_levels_are_kept() -> None:
    run, _ = replay(listing_run(), [event(listing_run(), SessionAction.ANNOUNCE, 0)])
    session = run.session
    assert reason_of(run, event(run, SessionAction.OPEN, session.opens_utc_s - 1)) is MoveRefusal.TOO_EARLY
    assert reason_of(run, event(run, SessionAction.OPEN, session.closes_utc_s)) is MoveRefusal.GATE_CLOSED
    opened, _ = replay(run, [event(run, SessionAction.OPEN, session.opens_utc_s)])
    assert takes_orders(opened, session.closes_utc_s - 1)
    assert not takes_orders(opened, session.closes_utc_s)
    assert reason_of(opened, event(run, SessionAction.CLOSE_GATE, session.closes_utc_s - 1)) is MoveRefusal.TOO_EARLY
    assert reason_of(opened, event(run, SessionAction.CANCEL, session.closes_utc_s)) is MoveRefusal.GATE_CLOSED
    assert reason_of(opened, event(run, SessionAction.CANCEL, 5)) is MoveRefusal.TIME_RUNS_BACK
    other = SessionEvent("R/1", SessionAction.CANCEL, session.opens_utc_s)
    assert reason_of(opened, other) is MoveRefusal.OTHER_SESSION
    secured = replace(opened, state=SessionState.SECURED)
    late = session.closes_utc_s + 9
    assert reason_of(secured, event(run, SessionAction.HAND_OVER, late)) is MoveRefusal.NO_PROVINCE
    below = replace(secured, is_sub_market=True)
    assert reason_of(below, event(run, SessionAction.PUBLISH, late)) is MoveRefusal.PROVINCE_DECIDES
    handed, _ = replay(below, [event(run, SessionAction.HAND_OVER, late)])
    assert replay(handed, [event(run, SessionAction.ACKNOWLEDGE, late)])[0].state is SessionState.FINAL
    assert replay(handed, [event(run, SessionAction.REJECT, late)])[0].state is SessionState.GATE_CLOSED


def test_the_table_leads_from_the_start_to_every_state_and_never_back_over_the_gate() -> None:
    reached = {SessionState.PLANNED}
    while new := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= new
    assert reached == set(SessionState)
    frozen = {SessionState.GATE_CLOSED}
    while new := {after for (before, _), after in TRANSITIONS.items() if before in frozen} - frozen:
        frozen |= new
    assert frozen.isdisjoint({SessionState.PLANNED, SessionState.ANNOUNCED, SessionState.OPEN, SessionState.CANCELLED})


@given(st.lists(st.tuples(st.sampled_from(SessionAction), st.integers(-3, 40)), max_size=12), st.booleans())
def test_no_events_bring_a_session_to_a_state_at_a_wrong_time(
    moves: list[tuple[SessionAction, int]], is_sub_market: bool
) -> None:
    session = Session("L/x", SessionKind.LISTING, "x", date(2026, 3, 9), 0, 0, 10, 20, 30)
    run, refused = replay(
        planned(session, is_sub_market=is_sub_market), [SessionEvent("L/x", action, at) for action, at in moves]
    )
    assert len(run.events) + len(refused) == len(moves)
    at = {one.action: one.at_utc_s for one in run.events}
    assert at.get(SessionAction.ANNOUNCE, 0) < 10
    assert 20 <= at.get(SessionAction.OPEN, 20) < 30
    assert at.get(SessionAction.CLOSE_GATE, 30) >= 30
    if run.state is SessionState.FINAL:
        assert is_sub_market == (SessionAction.ACKNOWLEDGE in at)
        assert SessionAction.SECURE in at
    assert [one.at_utc_s for one in run.events] == sorted(one.at_utc_s for one in run.events)


@given(moment=st.integers(0, 50), announced=st.booleans())
def test_due_events_bring_a_session_where_the_timetable_puts_it(moment: int, announced: bool) -> None:
    session = Session("R/1", SessionKind.ROLLING, "", date(2026, 3, 9), 1, 2, 10 if announced else None, 20, 30)
    run = planned(session, is_sub_market=False)
    if announced and moment >= 10:
        run, _ = replay(run, [SessionEvent("R/1", SessionAction.ANNOUNCE, 9)])
    moved, refused = replay(run, due_events(run, moment))
    assert refused == ()
    assert moved.state is state_at(session, moment)
    assert due_events(moved, moment) == ()


def test_rules_that_make_no_timetable_are_named() -> None:
    assert rule_faults(RULES) == []
    bad = msgspec.structs.replace(
        RULES,
        document=" ",
        day_ahead=DayAheadRules(0, OpenHours(5, 5)),
        rolling=RollingRules(-1, 0),
        mid_term=MidTermRules(TradingWindow(1, 2), OpenHours(0, 90_000)),
    )
    assert len(rule_faults(bad)) == 6


def test_every_pair_of_state_and_action_is_decided() -> None:
    run = listing_run()
    for state, action in product(SessionState, SessionAction):
        at = run.session.opens_utc_s if action in {SessionAction.OPEN, SessionAction.CANCEL} else 0
        outcome = transition(replace(run, state=state), event(run, action, at))
        if (state, action) not in TRANSITIONS:
            assert outcome == MoveRefused(event(run, action, at), MoveRefusal.WRONG_STATE)
        elif isinstance(outcome, Moved):
            assert outcome.run.state is TRANSITIONS[state, action]
