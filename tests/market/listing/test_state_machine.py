"""Whole sessions at random on small ranges: every law holds after every event; the log replays to the same state."""

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.market.listing.checks import check_replayed, state_sha256
from hub.market.listing.curves import Parts, Shares
from hub.market.listing.event_log import run
from hub.market.listing.events import (
    AgreeCurve,
    CloseSession,
    PublishSession,
    ReverseDeal,
    SetParticipant,
    SetQuota,
    VerifySession,
)
from hub.market.listing.session_calendar import Delivery
from hub.market.listing.states import TRANSITIONS, State, Trigger, next_state
from hub.market.registry.participant_classes import Direction

KWH = 1000
FIRST_DAY = Delivery(date(2026, 4, 30), date(2026, 5, 1))
COUNTY_TIME = timezone(timedelta(hours=8))
TRADERS = ("gen1", "gen2", "ret1", "ret2", "store1", "store2")
SELLERS, BUYERS = ("gen1", "gen2", "store1", "store2"), ("ret1", "ret2", "store1", "store2")
SESSIONS = ("s", "t", "g")
EARLY = Shares(month_weights=(1, 0), period_weights=(2, 1) + (0,) * 22)
CURVES = (None, EARLY, Shares(period_weights=(0, 1, 1)), Parts((2 * KWH, 0, 2 * KWH) + (0,) * 45))

numbers = st.integers(0, 11)
lots = st.integers(1, 6)
listings = st.tuples(st.just("list"), st.sampled_from(SESSIONS), st.sampled_from(Direction), numbers, lots, numbers)
takes = st.tuples(st.just("take"), st.sampled_from(SESSIONS), numbers, numbers, st.integers(1, 12))
others = st.one_of(
    st.tuples(st.just("agree"), st.sampled_from(("s", "t")), numbers, st.booleans(), st.booleans()),
    st.tuples(st.just("quota"), st.sampled_from(TRADERS), st.integers(0, 20)),
    st.tuples(st.just("suspend"), st.sampled_from(TRADERS), st.booleans()),
    st.tuples(st.just("again"), st.integers(0, 60)),
)
courses = st.tuples(
    st.lists(listings, min_size=3, max_size=6), st.lists(st.one_of(takes, takes, listings, others), max_size=16)
).map(lambda parts: parts[0] + parts[1])
endings = st.tuples(st.permutations(SESSIONS), st.sets(st.integers(1, 4), max_size=1), st.integers(1, 4))


def act(toy: Any, action: tuple[Any, ...]) -> None:
    """Send what an action means in this state; most of it is admissible, some is not."""
    match action:
        case "list", session_id, direction, trader, size, curve:
            who, direction = ("grid", Direction.BUY) if session_id == "g" else (trader, direction)
            if who == trader:
                who = (SELLERS if direction is Direction.SELL else BUYERS)[trader % 4]
            given = {"curve": None if session_id == "g" else CURVES[curve % 4]}
            toy.list_energy(who, size * 2 * KWH, session_id=session_id, direction=direction, **given)
        case "take", session_id, listing, trader, steps:
            listed = toy.market.sessions[session_id].listings
            number = 1 + listing % max(len(listed), 1)
            given = {"session_id": session_id, "listing": number, "energy_wh": steps * KWH}
            if session_id == "g":
                toy.take("owner", unit_id=("plant", "second")[trader % 2], **given)
            elif number in listed:
                is_sale = listed[number].direction is Direction.SELL
                toy.take((BUYERS if is_sale else SELLERS)[trader % 4], **given)
        case "agree", session_id, deal, early, both:
            deals = toy.market.sessions[session_id].deals
            if deals:
                chosen = deals[1 + deal % len(deals)]
                for trader, _ in chosen.sides()[: 1 + both]:
                    given = {"deal": chosen.number, "participant_id": trader.participant_id}
                    toy.send(AgreeCurve, session_id=session_id, curve=EARLY if early else Shares(), **given)
        case "quota", who, cap:
            caps = {"net_sell_cap_wh": cap * KWH, "net_buy_cap_wh": cap * KWH}
            toy.send(SetQuota, holder_id=who, month=202604, province="toy", document="lowered", **caps)
        case "suspend", who, suspended:
            its_class = toy.market.participants[who].participant_class
            fields = {"access_ok": True, "registered": True, "suspended": suspended}
            toy.send(SetParticipant, participant_id=who, participant_class=its_class, **fields)
        case "again", number:
            toy.take_in(toy.events[number % len(toy.events)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(courses, endings)
def test_laws_hold_after_every_event(
    make_toy: Callable[..., Any], course: list[tuple[Any, ...]], ending: tuple[Any, ...]
) -> None:
    toy = make_toy(three_sessions=True)
    for action in course:
        act(toy, action)
    order, grid_refusals, reversed_deal = ending
    toy.now = datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME)
    for session_id in order:
        assert toy.refusal(CloseSession, session_id=session_id) is None
    for session_id in order:
        deals = toy.market.sessions[session_id].deals
        refused = tuple(sorted(grid_refusals & set(deals)))
        assert toy.refusal(VerifySession, session_id=session_id, grid_refusals=refused) is None
        assert toy.refusal(PublishSession, session_id=session_id) is None
        toy.send(ReverseDeal, session_id=session_id, deal=reversed_deal, document="reversal")
    for key in toy.market.positions:
        position = toy.market.positions[key]
        assert (position.open_sell_wh, position.open_buy_wh) == (0, 0)
    market, records = run(toy.events)
    assert state_sha256(market) == state_sha256(toy.market)
    assert check_replayed(records, toy.market) == []


def test_the_table_knows_every_state_and_nothing_leaves_a_final_one() -> None:
    reached = {*(state for state, _ in TRANSITIONS), *TRANSITIONS.values()}
    assert reached == set(State)
    final = {State.SESSION_PUBLISHED, State.LISTING_RELEASED, State.LISTING_TAKEN, State.DEAL_CANCELLED}
    final |= {State.DEAL_REVERSED}
    assert {state for state in State if all(next_state(state, trigger) is None for trigger in Trigger)} == final
    kinds = {(state.value.split("/")[0], after.value.split("/")[0]) for (state, _), after in TRANSITIONS.items()}
    assert all(before == after for before, after in kinds)
    assert next_state(State.DEAL_EFFECTIVE, Trigger.FAIL) is None
