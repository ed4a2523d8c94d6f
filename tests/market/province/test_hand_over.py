"""The hand-over of exchange schedules: worked by hand, repeats, refusals; nothing changes after the gate."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.province.hand_over import (
    TRANSITIONS,
    HandOverDone,
    HandOverOutcome,
    HandOverRefusal,
    HandOverRefused,
    HandOvers,
    HandOverState,
    HandOverStep,
    answer,
    check_frozen,
    check_standing,
    close_gate,
    hand_over_schedule,
    no_hand_overs,
    of_interval,
    schedule_finality,
)
from hub.market.registry.participant_classes import OperatingMode
from hub.market.timetable.exchange_schedule import ExchangeSchedule, Level
from hub.market.timetable.session_rules import RollingRules

CASE = json.loads(
    (Path(__file__).parents[2] / "golden" / "market" / "province_hand_over" / "case.json").read_text(encoding="utf8")
)
INTERVAL, TIE = CASE["interval"], CASE["tie_wh"]
GATE = (INTERVAL - CASE["gate_lead_intervals"]) * 900
RULES = RollingRules(gate_lead_intervals=CASE["gate_lead_intervals"], open_intervals=4)


def empty(mode: OperatingMode, boundary_of: Level = Level.COUNTY) -> HandOvers:
    return no_hand_overs(mode, boundary_of, RULES)


def hand(before: HandOvers, import_wh: int, at: int, *, level: Level = Level.COUNTY) -> HandOverOutcome:
    schedule = ExchangeSchedule(INTERVAL, import_wh, level, at)
    return hand_over_schedule(before, schedule, import_limit_wh=TIE, export_limit_wh=TIE)


def done(outcome: HandOverOutcome) -> HandOvers:
    assert isinstance(outcome, HandOverDone)
    return outcome.hand_overs


@pytest.mark.parametrize("mode", OperatingMode)
def test_the_worked_hand_over(mode: OperatingMode) -> None:
    name = mode.value.lower()
    hand_overs = empty(mode)
    for step, finality in zip(CASE["steps"], CASE["finality"][name], strict=True):
        if step["do"] == "hand-over":
            outcome = hand(hand_overs, step["import_wh"], step["at"])
        elif step["do"] == "acknowledge":
            outcome = answer(hand_overs, INTERVAL, version=step["version"], at_utc_s=step["at"], is_accepted=True)
        else:
            outcome = close_gate(hand_overs, INTERVAL, at_utc_s=step["at"])
        if isinstance(outcome, HandOverDone):
            assert check_frozen(hand_overs, outcome.hand_overs, at_utc_s=step["at"]) == []
            hand_overs = outcome.hand_overs
            assert of_interval(hand_overs, INTERVAL).state.value == step[name], step
        else:
            assert outcome.reason.value == step[name], step
        assert check_standing(hand_overs) == []
        assert schedule_finality(hand_overs, INTERVAL).value == finality, step
    standing = of_interval(hand_overs, INTERVAL).standing
    assert standing is not None
    assert standing.import_wh == CASE["stands_import_wh"]


def test_each_refusal_has_its_reason_and_changes_nothing() -> None:
    hand_overs = done(hand(empty(OperatingMode.SUB_MARKET), 100, GATE - 900))
    rows = [
        (hand(hand_overs, 101, GATE), HandOverRefusal.GATE_CLOSED),
        (hand(hand_overs, 101, GATE - 901), HandOverRefusal.TIME_RUNS_BACK),
        (hand(hand_overs, 101, GATE - 800, level=Level.PROVINCE), HandOverRefusal.NOT_ITS_BOUNDARY),
        (hand(hand_overs, TIE + 1, GATE - 800), HandOverRefusal.BEYOND_TIE),
        (hand(hand_overs, -TIE - 1, GATE - 800), HandOverRefusal.BEYOND_TIE),
        (answer(hand_overs, INTERVAL, version=2, at_utc_s=GATE, is_accepted=True), HandOverRefusal.OTHER_VERSION),
        (answer(hand_overs, INTERVAL + 1, version=0, at_utc_s=1, is_accepted=True), HandOverRefusal.OTHER_VERSION),
        (close_gate(hand_overs, INTERVAL, at_utc_s=GATE - 1), HandOverRefusal.GATE_OPEN),
    ]
    assert [one.reason for one, _ in rows if isinstance(one, HandOverRefused)] == [reason for _, reason in rows]
    frozen = done(close_gate(done(answer_of(hand_overs, accepted=True)), INTERVAL, at_utc_s=GATE))
    refused = answer_of(frozen, accepted=False)
    assert isinstance(refused, HandOverRefused)
    assert refused.reason is HandOverRefusal.NOT_NOW


def answer_of(hand_overs: HandOvers, *, accepted: bool) -> HandOverOutcome:
    return answer(hand_overs, INTERVAL, version=1, at_utc_s=GATE - 1, is_accepted=accepted)


def test_repeats_change_nothing() -> None:
    first = hand(empty(OperatingMode.SUB_MARKET), 100, GATE - 900)
    hand_overs = done(first)
    assert hand(hand_overs, 100, GATE - 900) == HandOverDone(hand_overs, ())
    acknowledged = done(answer_of(hand_overs, accepted=True))
    assert answer_of(acknowledged, accepted=True) == HandOverDone(acknowledged, ())
    frozen = done(close_gate(acknowledged, INTERVAL, at_utc_s=GATE))
    assert close_gate(frozen, INTERVAL, at_utc_s=GATE + 900) == HandOverDone(frozen, ())
    assert hand(frozen, 100, GATE - 900) == HandOverDone(frozen, ())


def test_a_refused_change_leaves_the_acknowledged_version_standing() -> None:
    hand_overs = done(answer_of(done(hand(empty(OperatingMode.SUB_MARKET), 100, GATE - 900)), accepted=True))
    changed = done(hand(hand_overs, 90, GATE - 800))
    refused = done(answer(changed, INTERVAL, version=2, at_utc_s=GATE - 1, is_accepted=False))
    closed = of_interval(done(close_gate(refused, INTERVAL, at_utc_s=GATE)), INTERVAL)
    assert closed.state is HandOverState.MISSED
    assert closed.standing is not None
    assert (closed.standing.import_wh, closed.standing_version) == (100, 1)


def test_the_table_leads_from_every_open_state_to_a_closed_one_and_from_no_closed_one_back() -> None:
    open_states = {HandOverState.AWAITED, HandOverState.HANDED_OVER, HandOverState.ACKNOWLEDGED, HandOverState.REFUSED}
    assert {state for state, step in TRANSITIONS if step is HandOverStep.CLOSE_GATE} == open_states
    assert {state for state, step in TRANSITIONS if step is HandOverStep.HAND_OVER} == open_states
    closed = set(HandOverState) - open_states
    assert {after for (before, _), after in TRANSITIONS.items() if before in closed} <= closed


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(OperatingMode),
    st.lists(
        st.tuples(st.sampled_from(["hand", "yes", "no", "gate"]), st.integers(-3, 3), st.integers(0, 3)), max_size=12
    ),
)
def test_whatever_happens_nothing_changes_after_the_gate(
    mode: OperatingMode, steps: list[tuple[str, int, int]]
) -> None:
    hand_overs, now = empty(mode), GATE - 5
    for what, energy, later in steps:
        now += later
        before = hand_overs
        if what == "hand":
            outcome = hand(hand_overs, energy, now)
        elif what == "gate":
            outcome = close_gate(hand_overs, INTERVAL, at_utc_s=now)
        else:
            version = of_interval(hand_overs, INTERVAL).version
            outcome = answer(hand_overs, INTERVAL, version=version, at_utc_s=now, is_accepted=what == "yes")
        hand_overs = outcome.hand_overs if isinstance(outcome, HandOverDone) else hand_overs
        assert check_frozen(before, hand_overs, at_utc_s=now) == []
        assert check_standing(hand_overs) == []
        if isinstance(outcome, HandOverDone):
            for event in outcome.events:
                assert TRANSITIONS[event.before, event.step] is event.after
    if now >= GATE:
        closed = done(close_gate(hand_overs, INTERVAL, at_utc_s=now))
        assert isinstance(hand(closed, 99, now + 1), HandOverRefused)


def test_the_checks_see_a_change_after_the_gate_and_a_schedule_that_nobody_acknowledged() -> None:
    before = done(hand(empty(OperatingMode.SUB_MARKET), 100, GATE - 900))
    after = done(hand(before, 90, GATE - 800))
    assert check_frozen(before, after, at_utc_s=GATE - 1) == []
    assert len(check_frozen(before, after, at_utc_s=GATE)) == 1
    forged = replace(of_interval(after, INTERVAL), state=HandOverState.FROZEN)
    assert len(check_standing(replace(after, intervals={INTERVAL: forged}))) == 1
