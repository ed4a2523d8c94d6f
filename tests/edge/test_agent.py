"""The pure agent: it sees only the past, publishes each instant once, and keeps every message inside the limit."""

import dataclasses
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.agent import (
    AgentState,
    Assignment,
    answer_notice,
    answer_setpoints,
    assignments_of,
    booted,
    is_answer_under_way,
    is_answerable,
    learn_modes,
    learn_session,
    note_trades,
    ordering_points,
    plan_setpoints,
    sample,
    slices_within_bytes,
)
from edge.contract.codec import decode_down, decode_up, encode
from edge.contract.messages import (
    CHANNELS,
    EXPORT,
    IMPORT,
    MESSAGE_BYTES_MAX,
    Acknowledgement,
    ContractError,
    Fill,
    MeterModes,
    ModesFrom,
    ModesMessage,
    NoticeAnswer,
    Reading,
    SessionMessage,
    Setpoint,
    SetpointsMessage,
    Side,
    TradesMessage,
    WithdrawalsMessage,
    WithdrawnOrder,
)
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SupplyMode,
    UnitKind,
)

T0 = 900 * 1000


def point(number: int, kind=MeterKind.PROSUMER, supply=SupplyMode.DIRECT, sale=SaleMode.DIRECT) -> MeteringPoint:
    return MeteringPoint(
        meter_id=f"M{number:06d}",
        gateway_id="G0001",
        unit_id="A001",
        bus="bus",
        kind=kind,
        channels=CHANNELS[:4],
        voltage_class="<1kV",
        participant_id="P00001",
        supply_mode=supply,
        sale_mode=sale,
        category=None,
        clean=True,
        export_capacity_w=8_000,
        import_capacity_w=12_000,
    )


def assignment_of(*points: MeteringPoint) -> Assignment:
    gateway = Gateway("G0001", "s0", "A001", tuple(p.meter_id for p in points))
    return Assignment("c1", gateway, {p.meter_id: p for p in points}, points)


ONE = assignment_of(point(1))
NEW = AgentState("G0001", "boot")


def reading(instant_utc_s, imported, exported, meter="M000001"):
    return Reading(meter, instant_utc_s, {IMPORT: imported, EXPORT: exported})


def run(assignment, samples, state=NEW):
    """Sample at successive instants; return all messages, decoded, by instant."""
    published = []
    for instant_utc_s, readings in samples:
        step = sample(assignment, state, readings, instant_utc_s=instant_utc_s, submitted_utc_s=instant_utc_s)
        state = step.state
        published.append([(m.kind, decode_up(m.kind, m.payload)) for m in step.messages])
    return state, published


def orders_of(published):
    return [[o for kind, message in messages if kind == "ord" for o in message.o] for messages in published]


def series(nets):
    """Readings of one meter whose net energies (export positive) are `nets`, from T0 on."""
    imported = exported = 50_000
    samples = [(T0, [reading(T0, imported, exported)])]
    for i, net in enumerate(nets, 1):
        imported, exported = imported + max(-net, 0), exported + max(net, 0)
        samples.append((T0 + 900 * i, [reading(T0 + 900 * i, imported, exported)]))
    return samples


def test_an_order_for_the_interval_after_the_next_follows_the_last_energies():
    _, published = run(ONE, series([1000, 1200]))
    first, second, third = orders_of(published)
    assert first == []  # one reading gives no energy yet
    assert [(o.interval, o.number, o.side, o.energy_wh) for o in second] == [(1002, 1, Side.SELL, 1000)]
    # 1200 + (0.4 + 0.16) * 200 = 1312 Wh, in lots of 10.
    assert [(o.interval, o.number, o.side, o.energy_wh) for o in third] == [(1003, 1, Side.SELL, 1310)]
    assert third[0].price_uyuan_per_kwh == second[0].price_uyuan_per_kwh
    assert third[0].submitted_utc_s == T0 + 1800


@given(
    st.lists(st.integers(-4000, 3000), min_size=1, max_size=6),
    st.lists(st.integers(-4000, 3000), min_size=1, max_size=6),
    st.lists(st.integers(-4000, 3000), min_size=1, max_size=6),
)
def test_the_future_changes_nothing(past, one_future, other_future):
    one = orders_of(run(ONE, series(past + one_future))[1])
    other = orders_of(run(ONE, series(past + other_future))[1])
    known = len(past) + 1
    assert one[:known] == other[:known]


@given(st.lists(st.integers(-9000, 9000), min_size=1, max_size=5), st.sampled_from(list(MeterKind)), st.data())
def test_orders_keep_lot_capacity_and_mode(nets, kind, data):
    supply = data.draw(st.sampled_from(list(SupplyMode)))
    sale = data.draw(st.sampled_from(list(SaleMode)))
    listed = assignments_of_one(point(1, kind, supply, sale))
    for orders in orders_of(run(listed, series(nets))[1]):
        for order in orders:
            assert kind not in (MeterKind.AREA_SUMMARY, MeterKind.COUNTY_GATEWAY, MeterKind.INTERNAL)
            assert (sale if order.side is Side.SELL else supply).value == "DIRECT"
            assert 0 < order.energy_wh <= (2_000 if order.side is Side.SELL else 3_000)
            assert order.energy_wh % 10 == 0
            assert order.price_uyuan_per_kwh % 1_000 == 0
            assert 0 <= order.price_uyuan_per_kwh <= 1_500_000


def assignments_of_one(p):
    from_registry = assignments_of(registry_of(p), ["G0001", "G0002"])
    assert list(from_registry) == ["G0001"]
    return from_registry["G0001"]


def registry_of(p):
    unit = BalanceUnit("A001", None, UnitKind.COUNTY, "<1kV", None, None, ())
    return Registry(
        "c1", (unit,), (Gateway("G0001", "s0", "A001", (p.meter_id,)),), (p,), (Participant("P00001", None),)
    )


def test_the_same_instant_again_changes_nothing():
    samples = series([1000, 1100])
    state, _ = run(ONE, samples)
    for instant_utc_s, readings in samples:
        step = sample(ONE, state, readings, instant_utc_s=instant_utc_s, submitted_utc_s=instant_utc_s)
        assert (step.state, step.messages, step.counts) == (state, (), {})


def test_messages_count_from_one_in_each_boot():
    state, published = run(ONE, series([1000, 1100]))
    seqs = [message.seq for messages in published for _, message in messages]
    assert seqs == [1, 2, 3, 4, 5]  # readings; readings and orders; readings and orders
    again = booted(state, "later")
    instant_utc_s = T0 + 2700
    step = sample(ONE, again, [reading(instant_utc_s, 50_000, 60_000)], instant_utc_s=instant_utc_s, submitted_utc_s=0)
    assert [(m.boot, m.seq) for m in step.messages] == [("later", 1), ("later", 2)]


def test_a_gap_gives_its_mean_and_no_trend_and_a_register_that_runs_back_starts_anew():
    samples = [
        (T0, [reading(T0, 0, 0)]),
        (T0 + 900, [reading(T0 + 900, 0, 500)]),
        (T0 + 900 * 4, [reading(T0 + 900 * 4, 0, 500 + 3 * 800)]),
        (T0 + 900 * 5, [reading(T0 + 900 * 5, 0, 100)]),
    ]
    orders = orders_of(run(ONE, samples)[1])
    assert [[o.energy_wh for o in at] for at in orders] == [[], [500], [800], []]


def test_a_silent_meter_places_no_order_and_its_energy_is_bridged():
    two = assignment_of(point(1), point(2))
    state, _ = run(two, [(T0, [reading(T0, 0, 0), reading(T0, 0, 0, "M000002")])])
    at = T0 + 900
    step = sample(two, state, [reading(at, 0, 700)], instant_utc_s=at, submitted_utc_s=at)
    assert step.counts["missing_samples"] == 1
    assert [o.meter for o in decode_up("ord", step.messages[1].payload).o] == ["M000001"]
    at += 900
    both = [reading(at, 0, 1400), reading(at, 0, 1000, "M000002")]
    step = sample(two, step.state, both, instant_utc_s=at, submitted_utc_s=at)
    assert [(o.meter, o.energy_wh) for o in decode_up("ord", step.messages[1].payload).o][1] == ("M000002", 500)


def test_what_is_not_the_gateways_to_send_is_counted_and_not_sent():
    spoiled = Reading("M000002", T0, {IMPORT: 5, EXPORT: -1})
    given_readings = [
        reading(T0, 5, 5),
        reading(T0, 6, 6),  # the same meter again
        reading(T0 - 900, 1, 1),
        reading(T0, 1, 1, "M000009"),
        spoiled,
        Reading("M000003", T0, {"9-9:9.9.9": 5}),
    ]
    three = assignment_of(point(1), point(2), point(3))
    step = sample(three, NEW, given_readings, instant_utc_s=T0, submitted_utc_s=T0)
    (message,) = step.messages
    assert decode_up("iv", message.payload).r == (given_readings[0],)
    counts = {"published_readings": 1, "published_orders": 0, "missing_samples": 2, "unexpected_samples": 5}
    assert step.counts == counts


def test_a_reading_without_its_main_registers_is_still_published():
    bare = Reading("M000001", T0 + 900, {IMPORT: 5})
    samples = [(T0, [reading(T0, 0, 0)]), (T0 + 900, [bare]), (T0 + 1800, [reading(T0 + 1800, 0, 1000)])]
    _, published = run(ONE, samples)
    assert published[1] == [("iv", published[1][0][1])]
    assert published[1][0][1].r == (bare,)
    assert [o.energy_wh for o in orders_of(published)[2]] == [500]


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 5), st.integers(14, 25))
def test_slices_partition_the_items_and_fit(sizes, envelope, most):
    slices = slices_within_bytes(sizes, envelope, most)
    assert [size for part in slices for size in sizes[part]] == sizes
    lengths = [envelope + sum(sizes[part]) + max(len(sizes[part]) - 1, 0) for part in slices]
    assert all(length <= most for length in lengths)
    for one, following in itertools.pairwise(slices):
        assert sizes[one], "an empty run would be an empty message"
        assert envelope + sum(sizes[one]) + len(sizes[one]) + sizes[following][0] > most, "it would have fitted"


@settings(max_examples=10, deadline=None)
@given(st.integers(1500, 2200), st.integers(0, 2**63 - 1))
def test_many_meters_are_split_into_messages_within_the_limit(meters, register):
    many = assignment_of(*(point(i) for i in range(meters)))
    readings = [Reading(f"M{i:06d}", T0, dict.fromkeys(CHANNELS, register)) for i in range(meters)]
    step = sample(many, NEW, readings, instant_utc_s=T0, submitted_utc_s=T0)
    assert max(len(m.payload) for m in step.messages) <= MESSAGE_BYTES_MAX
    assert [m.seq for m in step.messages] == list(range(1, len(step.messages) + 1))
    sent = [r for m in step.messages for r in decode_up("iv", m.payload).r]
    assert sent == readings
    assert step.state.next_seq == len(step.messages) + 1


def test_rules_of_the_session_hold_for_the_next_orders():
    samples = series([1234, 1234])
    state, _ = run(ONE, samples[:2])
    learned = learn_session(state, SessionMessage(0, 50_000, 90_000, 7_000, 100)).state
    _, published = run(ONE, samples[2:], learned)
    (order,) = orders_of(published)[0]
    assert order.energy_wh == 1200
    assert order.price_uyuan_per_kwh in range(56_000, 90_001, 7_000)
    assert learn_session(learned, SessionMessage(9, 50_000, 90_000, 7_000, 100)).state is learned


def test_rules_that_nothing_can_satisfy_are_ignored():
    for floor, cap, tick, lot in [(0, 10, 0, 10), (0, 10, 1, 0), (20, 10, 1, 1), (1, 6, 7, 1), (0, 10, -1, 1)]:
        step = learn_session(NEW, SessionMessage(0, floor, cap, tick, lot))
        assert step.state is NEW
        assert step.counts == {"malformed_received": 1}


SETPOINTS = SetpointsMessage("s-1", 1001, (Setpoint("M000001", 5), Setpoint("M000009", 5), Setpoint("M000002", -1)))
TWO = assignment_of(point(1), point(2))


def test_setpoints_are_answered_each_and_in_order():
    state, _ = run(ONE, series([]))
    plan = plan_setpoints(TWO, state, SETPOINTS)
    assert plan.apply == (Setpoint("M000001", 5),)
    step = answer_setpoints(TWO, state, SETPOINTS, (*plan.refused, Acknowledgement("M000001", "ok")))
    (message,) = step.messages
    answers = [(a.meter, a.outcome) for a in decode_up("rsp", message.payload).a]
    assert answers == [("M000001", "ok"), ("M000009", "foreign-meter"), ("M000002", "negative-limit")]
    assert step.counts == {"setpoints_applied": 1, "setpoints_refused": 2}

    assert is_answer_under_way(step.state, SETPOINTS, {("boot", 2)})
    assert not is_answer_under_way(step.state, SETPOINTS, {("boot", 1), ("other", 2)})
    again = answer_setpoints(TWO, step.state, SETPOINTS, (Acknowledgement("M000001", "ok"),))
    assert again.counts == {"setpoints_repeated": 1}
    assert again.messages[0].seq == 3
    assert is_answer_under_way(again.state, SETPOINTS, {("boot", 3)})


def test_a_device_that_says_nothing_or_nonsense_is_answered_for():
    step = answer_setpoints(TWO, NEW, SETPOINTS, (Acknowledgement("M000009", "a\nb" * 500),))
    answers = decode_up("rsp", step.messages[0].payload).a
    assert answers[0].outcome == "no-answer"
    assert answers[1].outcome.startswith("a?b")


def test_setpoints_of_a_past_interval_reach_no_device():
    state, _ = run(ONE, series([100, 100]))
    plan = plan_setpoints(TWO, state, SETPOINTS)
    assert plan.apply == ()
    assert Acknowledgement("M000001", "interval-over") in plan.refused


def test_setpoints_with_ids_that_are_none_are_not_answerable():
    assert is_answerable(SETPOINTS)
    change = msgspec.structs.replace
    for bad in (
        change(SETPOINTS, setpoints_id="a/b"),
        change(SETPOINTS, setpoints_id=""),
        change(SETPOINTS, s=(Setpoint("M" * 65, 1),)),
        change(SETPOINTS, interval=-1),
        change(SETPOINTS, interval=2**62),
    ):
        assert not is_answerable(bad)


def test_old_setpoints_are_forgotten():
    state = answer_setpoints(TWO, NEW, SETPOINTS, ()).state
    state, _ = run(ONE, series([1] * 3), state)
    assert "s-1" in state.setpoints_seen
    state, _ = run(ONE, series([1] * 8), msgspec.structs.replace(state, cursor_utc_s=None, memories={}))
    assert state.setpoints_seen == {}


def test_results_are_noted_once():
    message = TradesMessage(7, (Fill("M000001", 1, 100, 5), Fill("M000002", 1, 0, 5)))
    step = note_trades(NEW, message)
    assert step.counts == {"fills_received": 2, "filled_wh": 100}
    assert note_trades(step.state, message).counts == {"trades_repeated": 1}
    later = note_trades(step.state, TradesMessage(8, (Fill("M000001", 1, 40, 5),)))
    assert later.state.fills == {"M000001/1": 40}
    late = note_trades(later.state, message)
    assert late.state is later.state
    assert late.counts == {"trades_repeated": 1}


def test_the_state_is_stored_and_read_back_whole():
    state, _ = run(ONE, series([1000, -50]))
    state = answer_setpoints(TWO, state, SETPOINTS, ()).state
    state = note_trades(state, TradesMessage(7, (Fill("M000001", 1, 100, 5),))).state
    assert msgspec.json.decode(msgspec.json.encode(state), type=AgentState) == state


POINTS = (
    point(1, supply=SupplyMode.AGENCY, sale=SaleMode.PURCHASE),
    point(2, supply=SupplyMode.DIRECT, sale=SaleMode.DIRECT),
    point(3, supply=SupplyMode.AGENCY, sale=SaleMode.PURCHASE),
)
MIDNIGHT = 18_000
THREE = dataclasses.replace(assignment_of(*POINTS), ordering=(POINTS[1],))
DIRECT, PURCHASE = SaleMode.DIRECT, SaleMode.PURCHASE


def notice(number: int, meter: str, *modes: tuple[int, SaleMode]) -> ModesMessage:
    told = tuple(ModesFrom(interval, SupplyMode.AGENCY, sale) for interval, sale in modes)
    return ModesMessage(number, (MeterModes(meter, told),))


def learned(*messages: ModesMessage) -> AgentState:
    state = NEW
    for message in messages:
        state = learn_modes(THREE, state, message).state
    return state


def orders_by_interval(state: AgentState, first: int, count: int) -> dict[int, set[str]]:
    """Sample three plants that sell 1 kWh an interval; return who placed an order for which interval."""
    found: dict[int, set[str]] = {}
    for k in range(first, first + count):
        readings = [Reading(one.meter_id, 900 * k, {IMPORT: 0, EXPORT: 1000 * k}) for one in POINTS]
        step = sample(THREE, state, readings, instant_utc_s=900 * k, submitted_utc_s=900 * k)
        state = step.state
        for message in step.messages:
            if message.kind == "ord":
                for order in decode_up("ord", message.payload).o:
                    assert order.side is Side.SELL
                    found.setdefault(order.interval, set()).add(order.meter)
    return found


def test_a_mode_elected_for_tomorrow_changes_tomorrows_orders_and_not_todays() -> None:
    """DIRECT from midnight on: the first order of the day is placed at 23:45, before midnight; none before it."""
    before = orders_by_interval(NEW, MIDNIGHT - 4, 6)
    told = orders_by_interval(learned(notice(1, "M000001", (MIDNIGHT, DIRECT))), MIDNIGHT - 4, 6)
    intervals = range(MIDNIGHT - 2, MIDNIGHT + 3)
    assert before == {k: {"M000002"} for k in intervals}
    assert told == {k: {"M000002"} if k < MIDNIGHT else {"M000001", "M000002"} for k in intervals}


def test_who_leaves_direct_trade_places_no_orders_from_that_day_on() -> None:
    told = orders_by_interval(learned(notice(1, "M000002", (MIDNIGHT, PURCHASE))), MIDNIGHT - 4, 6)
    assert sorted(told) == [MIDNIGHT - 2, MIDNIGHT - 1]


def test_modes_follow_one_another_and_before_the_first_the_file_holds() -> None:
    state = learned(notice(1, "M000001", (MIDNIGHT, DIRECT), (MIDNIGHT + 96, PURCHASE)))
    in_force = [
        {one.meter_id: one.sale_mode for one in ordering_points(THREE, state, k)}.get("M000001")
        for k in (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 95, MIDNIGHT + 96)
    ]
    assert in_force == [None, DIRECT, DIRECT, None]


@given(st.permutations([1, 1, 2, 2, 3]))
def test_in_whatever_order_and_however_often_notices_come_the_newest_of_each_meter_stands(order: list[int]) -> None:
    """Notices 1 and 3 speak of one meter, 2 of another; the third takes back what the first said."""
    notices = {
        1: notice(1, "M000001", (MIDNIGHT, DIRECT)),
        2: notice(2, "M000003", (MIDNIGHT, DIRECT)),
        3: notice(3, "M000001"),
    }
    state, counted = NEW, 0
    for number in order:
        step = learn_modes(THREE, state, notices[number])
        state, counted = step.state, counted + sum(step.counts.values())
    assert [one.meter_id for one in ordering_points(THREE, state, MIDNIGHT)] == ["M000002", "M000003"]
    assert counted == len(order)


def test_a_meter_of_another_gateway_is_counted_and_not_learned() -> None:
    step = learn_modes(THREE, NEW, notice(1, "M000099", (MIDNIGHT, DIRECT)))
    assert (step.state.modes, step.counts) == ({}, {"modes_foreign": 1})


def test_what_was_learned_is_in_the_stored_state_and_an_old_state_can_be_read() -> None:
    state = learned(notice(4, "M000001", (MIDNIGHT, DIRECT)))
    assert msgspec.json.decode(msgspec.json.encode(state), type=AgentState) == state
    old = {name: value for name, value in msgspec.to_builtins(NEW).items() if name not in {"modes", "answers"}}
    assert msgspec.convert(old, AgentState) == NEW


def test_a_notice_is_answered_once_until_the_answer_has_its_receipt() -> None:
    message = notice(7, "M000001", (MIDNIGHT, DIRECT))
    step = answer_notice(THREE, NEW, message, ())
    (answer,) = step.messages
    assert decode_up(answer.kind, answer.payload) == NoticeAnswer("boot", 1, 7)
    again = answer_notice(THREE, step.state, message, {("boot", 1)})
    assert (again.messages, again.counts) == ((), {"notices_repeated": 1})
    (other,) = answer_notice(THREE, step.state, notice(8, "M000001"), {("boot", 1)}).messages
    assert other.seq == 2
    # The hub has the receipt's message and asks all the same: it is answered again, with the number of this boot.
    later = answer_notice(THREE, booted(step.state, "boot-2"), message, ())
    assert [(one.boot, one.seq) for one in later.messages] == [("boot-2", 1)]


BAD_NOTICES = (
    ("cfg", ModesMessage(0, ()), "notice 0"),
    ("cfg", notice(1, "M 1", (5, DIRECT)), "meter id"),
    ("cfg", notice(1, "M1", (5, DIRECT), (5, PURCHASE)), "do not ascend"),
    ("cfg", notice(1, "M1", (2**40, DIRECT)), "out of range"),
    ("wdr", WithdrawalsMessage(0, 5, ()), "notice 0"),
    ("wdr", WithdrawalsMessage(1, -1, ()), "out of range"),
    ("wdr", WithdrawalsMessage(1, 5, (WithdrawnOrder("M1", 1, "a b"),)), "reason"),
)


@pytest.mark.parametrize(("kind", "message", "what"), BAD_NOTICES)
def test_a_notice_that_the_contract_does_not_allow_is_refused(kind: str, message: object, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        decode_down(kind, encode(message))


def test_an_answer_without_a_number_is_refused() -> None:
    with pytest.raises(ContractError, match="notice 0"):
        decode_up("ack", encode(NoticeAnswer("boot", 1, 0)))
