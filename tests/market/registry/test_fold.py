"""The fold over events: each refusal with its reason and nothing changed, laws on random histories, days that stay."""

import copy
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.registry import SaleMode, SupplyMode
from grid_models.connection_gate import Accepted, GateState, Suspended, WaitingList, decide_connection
from grid_models.standard_2041 import Grade
from hub.market.registry import events as kinds
from hub.market.registry.checks import check_register
from hub.market.registry.connection_queue import GREEN, RED, YELLOW, Granted, decide
from hub.market.registry.election_periods import sale_on, supply_on
from hub.market.registry.events import Event, EventLineError, decode_events, encode_events
from hub.market.registry.fold import HANDLERS, fold, known_on
from hub.market.registry.outcomes import Recorded, Refused, Waiting, WaitingReason
from hub.market.registry.periods import Period, Timeline, next_month
from hub.market.registry.register import Element, Register

Decoder = Callable[[list[dict[str, Any]]], list[Event]]
DAY = "2026-02-02"


def row(event_kind: str, number: str = "x", **fields: Any) -> dict[str, Any]:
    return {"event": event_kind, "event_id": number, "recorded_on": DAY, **fields}


def person(name: str, kind: str = "LEGAL_PERSON") -> dict[str, str]:
    return {"kind": kind, "name": name, "legal_id": f"L-{name}"}


def applied(name: str, participant_class: str, **fields: Any) -> dict[str, Any]:
    content = {
        "participant_id": name,
        "participant_class": participant_class,
        "identity": person(name),
        "settlement_account": f"acc-{name}",
        "certificate_account": None,
        "utility_id": None,
        "effective_from": DAY,
    }
    return row("ParticipantApplied", f"apply-{name}", **(content | fields))


def plant(name: str, owner: str, **fields: Any) -> dict[str, Any]:
    content = {
        "project_id": name,
        "participant_id": owner,
        "meter_ids": [f"m-{name}"],
        "unit_id": "A-T1",
        "transformer_area": "T1",
        "element": "A-T1",
        "voltage_v": 380,
        "installed_capacity_w": 10_000,
        "own_load_max_w": 0,
        "is_consumed_within_level": True,
        "technology": "SOLAR",
        "is_self_use": True,
        "commercial_operation_on": None,
        "effective_from": DAY,
    }
    return row("ProjectApplied", f"plant-{name}", **(content | fields))


def user_point(name: str, owner: str, **fields: Any) -> dict[str, Any]:
    content = {
        "meter_id": name,
        "participant_id": owner,
        "unit_id": "A-T1",
        "transformer_area": "T1",
        "voltage_v": 380,
        "contracted_capacity_va": 1000,
        "category": "COMMERCIAL_INDUSTRIAL",
        "tariff": "SINGLE_PART",
        "annual_consumption_wh": 1000,
        "effective_from": DAY,
    }
    return row("UserPointRegistered", f"point-{name}", **(content | fields))


def supply(election: str, mode: str = "DIRECT", start: str = "2026-03-01", **fields: Any) -> dict[str, Any]:
    content = {"meter_id": "mu", "mode": mode, "retailer_id": None, "period": {"from_day": start}}
    return row("SupplyElected", f"elect-{election}", election_id=election, **(content | fields))


def sale(election: str, mode: str = "DIRECT", start: str = "2026-03-01", **fields: Any) -> dict[str, Any]:
    content = {"meter_id": "m-pv", "mode": mode, "surplus_mode": None, "period": {"from_day": start}}
    return row("SaleElected", f"elect-{election}", election_id=election, **(content | fields))


def contract(name: str, **fields: Any) -> dict[str, Any]:
    content = {
        "contract_id": name,
        "kind": "DIRECT",
        "seller_id": "s",
        "buyer_id": "u",
        "seller_meter_id": "m-pv",
        "buyer_meter_id": "mu",
        "period": {"from_day": "2026-03-01", "until_day": "2027-01-01"},
        "energy_wh": 100,
        "price_uyuan_per_kwh": -5,
        "curve_wh": [60, 40],
        "settlement": "DIFFERENCE",
    }
    return row("ContractSigned", f"sign-{name}", contract=content | fields)


def admitted(name: str) -> dict[str, Any]:
    return row("ParticipantAdmitted", f"admit-{name}", participant_id=name, effective_from=DAY)


PEOPLE = [
    applied("s", "INDEPENDENT_DG_DEVELOPER"),
    admitted("s"),
    applied("u", "POWER_USER"),
    admitted("u"),
    applied("ret", "RETAILER"),
    admitted("ret"),
    applied("farm", "POWER_USER"),
    admitted("farm"),
    applied("fresh", "POWER_USER"),
    plant("pv", "s"),
    user_point("mu", "u"),
    user_point("m-farm", "farm", category="AGRICULTURAL"),
    user_point("mb", "u", unit_id="B-F1"),
    supply("now"),
]
RULE = {"version_id": "new", "province": "P", "period": {"from_day": "2026-06-01"}, "document": "d", "source": "s"}
NOTICE = {"rule": "ElectionNotice", "supply_days": 1, "sale_days": 1}
OPERATOR = {"operator_id": "op", "hosting": "DSO_COUNTY", "key_id": "k"}
BAD = [
    ("class", applied("x", "OTHER")),
    ("class", applied("x", "RETAILER", identity=person("x", "NATURAL_PERSON"))),
    ("taken", applied("s", "PROSUMER")),
    ("no-utility", applied("x", "SUPPLY_ARM")),
    ("unknown-utility", applied("x", "SUPPLY_ARM", utility_id="DSO-9")),
    ("not-separate", applied("x", "POWER_USER", settlement_account="acc-u")),
    ("unknown-participant", row("ParticipantAdmitted", participant_id="x", effective_from=DAY)),
    ("retroactive", row("ParticipantAdmitted", participant_id="u", effective_from="2026-01-01")),
    ("not-admitted", row("ParticipantSuspended", participant_id="fresh", effective_from=DAY)),
    ("class", row("RetailerReviewed", participant_id="u", year=2025, traded_wh=0)),
    ("open-positions", row("ParticipantExited", participant_id="u", effective_from=DAY)),
    ("notice", row("ParticipantExited", participant_id="ret", effective_from="2026-02-20")),
    ("taken", user_point("mu", "u")),
    ("class", user_point("x", "ret")),
    ("unknown-unit", user_point("x", "u", unit_id="Z")),
    ("not-positive", user_point("x", "u", voltage_v=0)),
    ("not-owner", user_point("m-pv", "u")),
    ("taken", plant("pv", "s")),
    ("taken", plant("x", "s", meter_ids=["m-pv"])),
    ("not-owner", plant("x", "s", meter_ids=["mu"])),
    ("unknown-meter", plant("x", "s", meter_ids=[])),
    ("class", plant("x", "u")),
    ("not-positive", plant("x", "s", installed_capacity_w=0)),
    ("size-or-voltage", plant("x", "s", installed_capacity_w=20_000_001, is_consumed_within_level=False)),
    ("unknown-element", plant("x", "s", element="Z")),
    ("unknown-project", row("ProjectClosed", project_id="x")),
    ("overlap", supply("x", "AGENCY")),
    ("unknown-meter", supply("x", meter_id="m-pv")),
    ("taken", supply("now", meter_id="mb")),
    ("not-first-of-month", supply("x", start="2026-03-02", meter_id="mb")),
    ("notice", supply("x", start="2026-02-01", meter_id="mb")),
    ("mode-not-allowed", supply("x", meter_id="m-farm")),
    ("mode-not-allowed", supply("x", "GUARANTEED", meter_id="mb")),
    ("no-retailer", supply("x", "RETAIL", meter_id="mb")),
    ("no-retailer", supply("x", meter_id="mb", retailer_id="ret")),
    ("no-retailer", supply("x", "RETAIL", meter_id="mb", retailer_id="u")),
    ("empty-period", supply("x", meter_id="mb", period={"from_day": "2026-03-01", "until_day": "2026-03-01"})),
    ("unknown-meter", sale("x", meter_id="mu")),
    ("notice", sale("x", start="2026-02-06")),
    ("mode-not-allowed", sale("x", "COMMISSION", surplus_mode="PURCHASE")),
    ("mode-not-allowed", sale("x", surplus_mode="DIRECT")),
    ("unknown-election", row("ElectionEnded", election_id="x", until_day="2026-06-01")),
    ("notice", row("ElectionEnded", election_id="now", until_day="2026-02-01")),
    ("unknown-election", row("ElectionEnded", election_id="now", until_day="2026-03-01")),
    ("not-first-of-month", row("ElectionEnded", election_id="now", until_day="2026-06-02")),
    ("rule-not-set", row("BiddingElected", participant_id="u", mode="PRICE_TAKER")),
    ("not-admitted", contract("x", buyer_id="fresh", buyer_meter_id=None)),
    ("class", contract("x", kind="COMMISSION")),
    ("class", contract("x", buyer_id="s", buyer_meter_id=None)),
    ("curve", contract("x", curve_wh=[60, 41])),
    ("curve", contract("x", curve_wh=[160, -60])),
    ("not-owner", contract("x", seller_meter_id="mu")),
    ("other-unit", contract("x", buyer_meter_id="mb")),
    ("mode-not-allowed", contract("x", seller_meter_id=None, buyer_meter_id="mb")),
    ("unknown-contract", row("ContractEnded", contract_id="x", until_day="2026-06-01")),
    ("unknown-contract", row("ContractAssigned", contract_id="x", buyer_id="u", effective_from="2026-06-01")),
    ("overlap", row("RuleEnacted", version=RULE | {"period": {"from_day": "2025-06-01"}, "rule": NOTICE})),
    ("taken", row("RuleEnacted", version=RULE | {"version_id": "P-notice-1", "rule": NOTICE})),
    ("no-document", row("RuleEnacted", version=RULE | {"document": " ", "rule": NOTICE})),
    ("configuration", row("RuleEnacted", version=RULE | {"rule": NOTICE | {"sale_days": -1}})),
    ("taken", row("UtilityFounded", utility_id="DSO-1", identity=person("d"))),
    ("unknown-utility", row("TerritoryGranted", utility_id="x", unit_id="A", period={"from_day": DAY})),
    ("overlap", row("TerritoryGranted", utility_id="DSO-1", unit_id="A", period={"from_day": DAY})),
    ("unknown-unit", row("TerritoryEnded", utility_id="DSO-1", unit_id="B", until_day="2026-03-01")),
    ("not-county", row("OperatorAppointed", unit_id="A-F1", operator=OPERATOR, effective_from=DAY)),
    ("retroactive", row("OperatorAppointed", unit_id="A", operator=OPERATOR, effective_from="2026-02-01")),
    ("class", row("AggregationFormed", participant_id="u", project_ids=["pv"], effective_from=DAY)),
    ("class", row("VirtualPlantFormed", participant_id="u", meter_ids=["mu"], effective_from=DAY)),
    ("conflict", admitted("u") | {"participant_id": "farm"}),
    (
        "out-of-order",
        row("ParticipantAdmitted", participant_id="u", effective_from=DAY) | {"recorded_on": "2026-02-01"},
    ),
]


@pytest.fixture(scope="module")
def peopled(world: Register, events_of: Decoder) -> Register:
    folded = fold(events_of(PEOPLE), after=world)
    assert {type(outcome) for outcome in folded.outcomes} == {Recorded}
    return folded.register


@pytest.mark.parametrize(("reason", "bad"), BAD, ids=[f"{n}-{reason}" for n, (reason, _) in enumerate(BAD)])
def test_each_bad_event_has_its_reason_and_changes_nothing(
    reason: str, bad: dict[str, Any], peopled: Register, events_of: Decoder
) -> None:
    before = copy.deepcopy(peopled)
    if reason != "conflict":
        bad = bad | {"event_id": "bad"}
    folded = fold(events_of([bad]), after=peopled)
    (outcome,) = folded.outcomes
    assert isinstance(outcome, Refused)
    assert (outcome.reason.value, bool(outcome.what)) == (reason, True)
    assert folded.register == before == peopled


def test_every_kind_of_event_has_a_handler() -> None:
    assert set(HANDLERS) == set(get_args(kinds.Event))


def test_an_event_file_gives_the_same_events_again(events_of: Decoder) -> None:
    events = events_of(PEOPLE)
    assert decode_events(encode_events(events)) == events
    for line in (b"{}", b"nonsense", b'{"event":"ProjectClosed","event_id":"1","recorded_on":"2026-02-30"}', b"\xff"):
        with pytest.raises(EventLineError, match="line 2"):
            decode_events(b"\n" + line)


def test_who_is_suspended_falls_back_to_the_default_while_it_lasts(peopled: Register, events_of: Decoder) -> None:
    later = [
        sale("pv-direct"),
        row("ParticipantSuspended", "a", participant_id="s", effective_from="2026-05-01"),
        row("ParticipantAdmitted", "b", participant_id="s", effective_from="2026-06-01"),
    ]
    register = fold(events_of(later), after=peopled).register

    def mode(text: str) -> SaleMode:
        standing = sale_on(register, "m-pv", date.fromisoformat(text))
        assert standing is not None
        return standing.mode

    assert [mode(text) for text in ("2026-04-30", "2026-05-01", "2026-06-01")] == [
        SaleMode.DIRECT,
        SaleMode.PURCHASE,
        SaleMode.DIRECT,
    ]


def test_a_new_rule_does_not_change_an_old_day(peopled: Register, events_of: Decoder) -> None:
    choice = {"rule": "SupplyChoice", "category": "AGRICULTURAL", "default": "AGENCY", "allowed": ["AGENCY"]}
    enacted = row("RuleEnacted", version=RULE | {"rule": choice})
    folded = fold(events_of([enacted]), after=peopled)
    old, new = date(2026, 5, 31), date(2026, 6, 1)
    assert supply_on(folded.register, "m-farm", old) == supply_on(peopled, "m-farm", old)
    changed = supply_on(folded.register, "m-farm", new)
    assert changed is not None
    assert (changed.mode, changed.rule_version) == (SupplyMode.AGENCY, "new")
    assert known_on(peopled.events.values(), date(2026, 1, 5)).register.participants == {}


def test_a_utility_keeps_no_plant_of_its_own_outside_its_territory(peopled: Register, events_of: Decoder) -> None:
    own = [applied("d-gen", "DSO_OWN_GENERATION", utility_id="DSO-1"), plant("own", "d-gen")]
    left = row("TerritoryEnded", "left", utility_id="DSO-1", unit_id="A", until_day="2026-03-01")
    folded = fold(events_of([*own, left]), after=peopled)
    assert [type(one).__name__ for one in folded.outcomes] == ["Recorded", "Recorded", "Refused"]
    assert folded.register.territory == peopled.territory
    assert isinstance(fold(events_of([left]), after=peopled).outcomes[0], Recorded)


# --- random histories -------------------------------------------------------------------------------------------------

STEP = st.tuples(
    st.sampled_from(["supply", "sale", "end", "apply", "close", "list", "suspend", "admit"]),
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(1, 4),
)


def step_of(  # noqa: PLR0911 - one line a kind of step
    what: str, number: int, *, who: int, how: int, recorded: date
) -> dict[str, Any]:
    month = next_month(recorded)
    period = {"from_day": month.isoformat(), "until_day": next_month(month).isoformat() if how % 2 else None}
    match what:
        case "supply":
            return supply(f"e{number}", ["AGENCY", "DIRECT"][who % 2], period=period)
        case "sale":
            return sale(f"e{number}", ["DIRECT", "COMMISSION", "PURCHASE"][who % 3], period=period)
        case "end":
            return row("ElectionEnded", election_id=f"e{number - how}", until_day=next_month(month).isoformat())
        case "apply":
            element = ["A-T1", "A-F1"][who % 2]
            return plant(f"p{number}", "s", installed_capacity_w=how * 60_000, element=element)
        case "close":
            return row("ProjectClosed", project_id=f"p{number - how}")
        case "list":
            elements = [
                {"element": "A", "superior": None, "room_kw": 600, "grade": "green"},
                {"element": "A-F1", "superior": "A", "room_kw": 100 * how, "grade": ["green", "yellow"][who == 3]},
                {"element": "A-T1", "superior": "A-F1", "room_kw": 90 * how, "grade": "green"},
            ]
            assessed_on = (recorded - timedelta(days=who)).isoformat()
            return row("CapacityPublished", assessed_on=assessed_on, elements=elements)
        case "suspend":
            return row("ParticipantSuspended", participant_id="s", effective_from=recorded.isoformat())
        case _:
            return row("ParticipantAdmitted", participant_id="s", effective_from=recorded.isoformat())


def history(steps: list[tuple[str, int, int, int]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    recorded = date(2026, 2, 2)
    for number, (what, who, when, how) in enumerate(steps):
        recorded += timedelta(days=when)
        made = step_of(what, number, who=who, how=how, recorded=recorded)
        rows.append(made | {"event_id": f"h{number}", "recorded_on": recorded.isoformat()})
    return rows


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(STEP, max_size=14), cut=st.integers(0, 14))
def test_laws_hold_and_the_past_stays_whatever_happens(
    peopled: Register, events_of: Decoder, steps: list[tuple[str, int, int, int]], cut: int
) -> None:
    events = events_of(history(steps))
    whole = fold(events, after=peopled)
    assert check_register(whole.register) == []
    assert len(whole.outcomes) == len(events)
    first = fold(events[:cut], after=peopled)
    rest = fold(events[cut:], after=first.register)
    assert rest.register == whole.register
    assert first.outcomes + rest.outcomes == whole.outcomes
    before = peopled
    for event, outcome in zip(events, whole.outcomes, strict=True):
        after = fold([event], after=before).register
        if isinstance(outcome, Refused):
            assert after == before
        for past in (event.recorded_on - timedelta(days=shift) for shift in range(1, 40, 7)):
            assert supply_on(after, "mu", past) == supply_on(before, "mu", past)
            assert sale_on(after, "m-pv", past) == sale_on(before, "m-pv", past)
        before = after


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 500), st.integers(0, 1), st.integers(1, 6)), max_size=16))
def test_the_gate_never_exceeds_the_room_and_keeps_the_order(
    peopled: Register, events_of: Decoder, steps: list[tuple[bool, int, int, int]]
) -> None:
    register, room = peopled, {"A-T1": 390, "A-F1": 100_000 - 10}
    capacity: dict[str, tuple[int, str]] = {}
    for number, (applies, size_kw, where, back) in enumerate(steps):
        element = ["A-T1", "A-F1"][where]
        made = (
            plant(f"q{number}", "s", installed_capacity_w=size_kw * 1000 - 1, element=element)
            if applies
            else row("ProjectClosed", project_id=f"q{number - back}")
        ) | {"event_id": f"q{number}"}
        if applies:
            capacity[f"q{number}"] = (size_kw, element)
        folded = fold(events_of([made]), after=register)
        register = folded.register
        open_kw = dict.fromkeys(room, 0)
        for name, (kw, at) in capacity.items():
            project = register.projects.get(name)
            if project is not None and project.period.until_day is None:
                open_kw["A-F1"] += kw
                open_kw["A-T1"] += kw if at == "A-T1" else 0
        assert all(open_kw[at] <= room[at] for at in room)
        assert {at: register.elements[at].room_kw for at in room} == {at: room[at] - open_kw[at] for at in room}
        # nobody who waits at an element was passed by somebody who came later
        for name in register.waiting:
            later = [n for n in register.projects if n in capacity and int(n[1:]) > int(name[1:])]
            assert not [n for n in later if capacity[n][1] == capacity[name][1] == "A-T1"]
    assert check_register(register) == []


GRADES = {Grade.GREEN: GREEN, Grade.YELLOW: YELLOW, Grade.RED: RED}


@given(
    rooms=st.lists(st.integers(-200, 600), min_size=3, max_size=3),
    reds=st.lists(st.booleans(), min_size=3, max_size=3),
    new_kw=st.integers(1, 700),
)
def test_a_single_application_is_decided_as_the_grid_models_gate_does(
    rooms: list[int], reds: list[bool], new_kw: int
) -> None:
    own = tuple(
        Grade.RED if red else Grade.YELLOW if room <= 0 else Grade.GREEN for room, red in zip(rooms, reds, strict=True)
    )
    referee = decide_connection(
        GateState(np.array(rooms, np.int64), own, np.array([-1, 0, 1], np.int64)), element=2, p_new_mw=new_kw / 1000
    )
    names = ["e0", "e1", "e2"]
    elements = {
        name: Element(name, names[n - 1] if n else None, GRADES[own[n]], rooms[n], rooms[n])
        for n, name in enumerate(names)
    }
    got = decide(elements, element="e2", new_kw=new_kw)
    match referee:
        case Accepted():
            assert got == Granted(referee.room_kw)
        case Suspended():
            assert not isinstance(got, Granted)
            assert (got.reason, got.limited_by) == (WaitingReason.RED, names[referee.limited_by])
        case WaitingList():
            assert not isinstance(got, Granted)
            assert (got.reason.value, got.limited_by) == (referee.reason.value, names[referee.limited_by])
            assert got.room_kw == referee.room_kw


def test_a_red_element_suspends_and_a_better_list_serves_those_who_wait(peopled: Register, events_of: Decoder) -> None:
    def listed(number: str, room_kw: int, grade: str) -> dict[str, Any]:
        elements = [
            {"element": "A", "superior": None, "room_kw": 9000, "grade": "green"},
            {"element": "A-F1", "superior": "A", "room_kw": 9000, "grade": "green"},
            {"element": "A-T1", "superior": "A-F1", "room_kw": room_kw, "grade": grade},
        ]
        return row("CapacityPublished", number, assessed_on=DAY, elements=elements)

    steps = [
        listed("l1", 100, "green"),
        plant("big", "s", installed_capacity_w=150_000),
        listed("l2", -5, "red"),
        plant("late", "s", installed_capacity_w=1000),
        listed("l3", 160, "green"),
    ]
    outcomes = fold(events_of(steps), after=peopled).outcomes
    assert isinstance(outcomes[1], Waiting)
    assert isinstance(outcomes[3], Refused)
    assert outcomes[3].reason.value == "suspended-element"
    assert isinstance(outcomes[4], Recorded)
    assert [(one.project_id, one.room_kw) for one in outcomes[4].consequences] == [("big", 10)]


# --- periods ----------------------------------------------------------------------------------------------------------

DAYS = st.integers(0, 6).map(lambda n: date(2026, 1, 29) + timedelta(days=n))
PERIODS = st.tuples(DAYS, st.none() | DAYS).map(lambda ends: Period(*ends))


@given(PERIODS, PERIODS)
def test_periods_overlap_exactly_if_they_share_a_day(one: Period, other: Period) -> None:
    days = [date(2026, 1, 20) + timedelta(days=n) for n in range(40)]
    shares = any(one.holds(day) and other.holds(day) for day in days)
    if not one.is_empty() and not other.is_empty():
        assert one.overlaps(other) == other.overlaps(one) == shares


@given(st.lists(st.tuples(DAYS, st.integers(0, 5)), max_size=6).map(sorted))
def test_a_timeline_holds_the_last_value_entered_by_a_day(changes: list[tuple[date, int]]) -> None:
    timeline: Timeline[int] = Timeline()
    for first_day, value in changes:
        timeline = timeline.changed(first_day, value)
    for day in (date(2026, 1, 27) + timedelta(days=n) for n in range(12)):
        due = [value for first_day, value in changes if first_day <= day]
        assert timeline.on(day) == (due[-1] if due else None)
        held = [value for period, value in timeline.periods() if period.holds(day)]
        assert held == due[-1:]
