"""The agent of one gateway, pure: (state, what happened) -> (new state, messages to publish). No clock, no I/O.

At the instant T_k it takes the registers of its meters, makes readings of them, and places orders for interval k+1 from
what it knows by then (interval energies up to k-1). Gate closure is the hub's to judge: a late order is refused there.
Every message has the next `seq` of this boot; a boot is one start of the process, so a restored old state can never
give one number to two messages.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from edge.contract.codec import INT64_MAX, OUTCOME_CHARACTERS_MAX, UTC_S_MAX, encode
from edge.contract.energy import register_difference_wh
from edge.contract.interval import SECONDS_PER_INTERVAL, interval_from_utc_s
from edge.contract.messages import (
    CHANNELS,
    EXPORT,
    IMPORT,
    MESSAGE_BYTES_MAX,
    Acknowledgement,
    ModesFrom,
    ModesMessage,
    Notice,
    NoticeAnswer,
    Order,
    OrdersMessage,
    Reading,
    ReadingsMessage,
    ResponseMessage,
    SessionMessage,
    Setpoint,
    SetpointsMessage,
    TradesMessage,
    UpMessage,
)
from edge.contract.registry import Gateway, MeteringPoint, MeterKind, Registry, SaleMode, SupplyMode
from edge.contract.topics import is_name, up_topic
from edge.strategy.bidding import TradingRules, bid_for
from edge.strategy.forecast import HISTORY_INTERVALS, available_net_wh, forecast_net_wh

ORDERING_KINDS = frozenset(
    {MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.MICROGRID_GATEWAY},
)
ORDER_NUMBER = 1  # the n of the order id; an agent places one order per meter and interval
SETPOINTS_KEPT_INTERVALS = 4
_CHANNELS = frozenset(CHANNELS)


@dataclass(frozen=True)
class Assignment:
    """What one agent may speak for: its gateway, its metering points by id, and those that place orders."""

    county: str
    gateway: Gateway
    points: Mapping[str, MeteringPoint]
    ordering: tuple[MeteringPoint, ...]


class MeterMemory(msgspec.Struct, frozen=True, array_like=True):
    """What the agent remembers of one meter: last registers (Wh), when, and net energies (Wh) of the last intervals.

    The energies are those that were available: a setpoint that held the meter back is seen through.
    """

    instant_utc_s: int
    import_wh: int
    export_wh: int
    recent_net_wh: tuple[int, ...] = ()


class AgentState(msgspec.Struct, frozen=True):
    """All that an agent carries from one event to the next; stored with the messages that go with it.

    boot, next_seq: see the module. cursor_utc_s: last instant sampled. memories: by meter id. setpoints_seen:
    setpoints id -> (interval, boot and last seq of the response). fills: of `fills_interval`, meter/number -> Wh.
    limits_w: interval -> meter -> limit of net export that its device took. modes: meter -> (number of the notice that
    said so, modes from intervals on). answers: number of a notice -> (boot, seq) of the answer to it.
    """

    gateway_id: str
    boot: str
    next_seq: int = 1
    cursor_utc_s: int | None = None
    memories: dict[str, MeterMemory] = {}
    rules: TradingRules = TradingRules()
    setpoints_seen: dict[str, tuple[int, str, int]] = {}
    fills_interval: int = -1
    fills: dict[str, int] = {}
    limits_w: dict[int, dict[str, int]] = {}
    modes: dict[str, tuple[int, tuple[ModesFrom, ...]]] = {}
    answers: dict[int, tuple[str, int]] = {}


class Outgoing(msgspec.Struct, frozen=True):
    """One message to publish. kind: "iv", "ord", "rsp" or "ack"."""

    boot: str
    seq: int
    kind: str
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Step:
    """What an event led to: the new state, the messages that go with it, and how much to add to which count."""

    state: AgentState
    messages: tuple[Outgoing, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class SetpointsPlan:
    """What to do about setpoints: tell the devices `apply` (may be empty); `refused` are answered without them."""

    apply: tuple[Setpoint, ...]
    refused: tuple[Acknowledgement, ...]


def assignments_of(registry: Registry, gateway_ids: Iterable[str]) -> dict[str, Assignment]:
    """Return the assignment of each gateway named; gateways that the registry does not know are left out."""
    gateways = {gateway.gateway_id: gateway for gateway in registry.gateways}
    chosen = {gateway_id: gateways[gateway_id] for gateway_id in gateway_ids if gateway_id in gateways}
    points: dict[str, dict[str, MeteringPoint]] = {gateway_id: {} for gateway_id in chosen}
    for point in registry.metering_points:
        if point.gateway_id in points:
            points[point.gateway_id][point.meter_id] = point
    return {
        gateway_id: Assignment(
            registry.county,
            gateway,
            points[gateway_id],
            tuple(point for point in points[gateway_id].values() if places_orders(point)),
        )
        for gateway_id, gateway in chosen.items()
    }


def places_orders(point: MeteringPoint) -> bool:
    """Tell whether the meter trades in its own name; all others are in the books of the utility's supply arm."""
    is_direct = point.supply_mode is SupplyMode.DIRECT or point.sale_mode is SaleMode.DIRECT
    return is_direct and point.kind in ORDERING_KINDS


def booted(state: AgentState, boot: str) -> AgentState:
    """Return the state after a start of the process: a new boot, whose messages count from 1."""
    return msgspec.structs.replace(state, boot=boot, next_seq=1)


def sample(
    assignment: Assignment,
    state: AgentState,
    readings: Sequence[Reading],
    *,
    instant_utc_s: int,
    submitted_utc_s: int,
) -> Step:
    """Take the registers read at `instant_utc_s`; publish them, and orders for the next interval but one.

    An instant that is not after the last one changes nothing: it was sampled before. Readings of other meters or other
    instants are not the gateway's to send, and one register that is none would spoil the whole message: such readings
    are counted, as are meters that gave no reading.

    :param submitted_utc_s: virtual or wall time that the orders carry
    """
    if state.cursor_utc_s is not None and instant_utc_s <= state.cursor_utc_s:
        return Step(state, (), {})
    own: dict[str, Reading] = {}
    for reading in readings:
        if reading.meter in assignment.points and reading.instant_utc_s == instant_utc_s and _is_sendable(reading):
            own.setdefault(reading.meter, reading)
    limits_w = state.limits_w.get(interval_from_utc_s(instant_utc_s) - 1, {})
    remembered = {
        meter: _remembered(state.memories.get(meter), reading, limits_w.get(meter)) for meter, reading in own.items()
    }
    memories = {meter: memory for meter, memory in remembered.items() if memory is not None}
    ordering = ordering_points(assignment, state, interval_from_utc_s(instant_utc_s) + 1)
    orders = _orders(ordering, state.rules, memories, instant_utc_s, submitted_utc_s)
    readings_out = _readings_messages(assignment, state, tuple(own.values()))
    after_readings = msgspec.structs.replace(state, next_seq=state.next_seq + len(readings_out))
    orders_out = _orders_messages(assignment, after_readings, orders)
    oldest_interval = interval_from_utc_s(instant_utc_s) - SETPOINTS_KEPT_INTERVALS
    new_state = msgspec.structs.replace(
        after_readings,
        next_seq=after_readings.next_seq + len(orders_out),
        cursor_utc_s=instant_utc_s,
        # A meter that gave nothing keeps its last registers: they bridge the gap when it answers again.
        memories={**state.memories, **memories},
        setpoints_seen={i: seen for i, seen in state.setpoints_seen.items() if seen[0] >= oldest_interval},
        limits_w={interval: limits for interval, limits in state.limits_w.items() if interval >= oldest_interval},
    )
    counts = {
        "published_readings": len(own),
        "published_orders": len(orders),
        "missing_samples": len(assignment.points) - len(own),
        "unexpected_samples": len(readings) - len(own),
    }
    return Step(new_state, (*readings_out, *orders_out), counts)


def learn_session(state: AgentState, message: SessionMessage) -> Step:
    """Take over the session's price limits, tick and lot; rules that no order could satisfy are counted and ignored."""
    rules = TradingRules(
        price_floor_uyuan_per_kwh=message.price_floor_uyuan_per_kwh,
        price_cap_uyuan_per_kwh=message.price_cap_uyuan_per_kwh,
        price_tick_uyuan_per_kwh=message.price_tick_uyuan_per_kwh,
        lot_wh=message.lot_wh,
    )
    if rules == state.rules:
        return Step(state, (), {})
    if not rules.is_usable():
        return Step(state, (), {"malformed_received": 1})
    return Step(msgspec.structs.replace(state, rules=rules), (), {})


def is_answer_under_way(
    state: AgentState, message: SetpointsMessage, without_receipt: Collection[tuple[str, int]]
) -> bool:
    """Tell whether these setpoints were answered and the answer, (boot, seq), still waits for its receipt."""
    seen = state.setpoints_seen.get(message.setpoints_id)
    return seen is not None and seen[1:] in without_receipt


def is_answerable(message: SetpointsMessage) -> bool:
    """Tell whether the ids are ids and the interval is one; the contract allows no answer that names anything else."""
    names = (message.setpoints_id, *(setpoint.meter for setpoint in message.s))
    return all(is_name(name) for name in names) and 0 <= message.interval <= interval_from_utc_s(UTC_S_MAX)


def plan_setpoints(assignment: Assignment, state: AgentState, message: SetpointsMessage) -> SetpointsPlan:
    """Split setpoints into what the devices are told and what is refused here (foreign meter, past, negative)."""
    is_past = state.cursor_utc_s is not None and message.interval < interval_from_utc_s(state.cursor_utc_s)
    apply, refused = [], []
    for setpoint in message.s:
        if setpoint.meter not in assignment.points:
            refused.append(Acknowledgement(setpoint.meter, "foreign-meter"))
        elif setpoint.export_limit_w < 0:
            refused.append(Acknowledgement(setpoint.meter, "negative-limit"))
        elif is_past:
            refused.append(Acknowledgement(setpoint.meter, "interval-over"))
        else:
            apply.append(setpoint)
    return SetpointsPlan(tuple(apply), tuple(refused))


def answer_setpoints(
    assignment: Assignment,
    state: AgentState,
    message: SetpointsMessage,
    outcomes: Iterable[Acknowledgement],
) -> Step:
    """Answer setpoints after the devices were told: every meter named gets its outcome, in the order of the message.

    Setpoints that were answered before are answered again (the hub did not get it), but counted once.
    """
    outcome_of = {given.meter: _printable(given.outcome)[:OUTCOME_CHARACTERS_MAX] for given in outcomes}
    answers = tuple(Acknowledgement(s.meter, outcome_of.get(s.meter, "no-answer")) for s in message.s)

    def build(seq: int, part: slice) -> UpMessage:
        return ResponseMessage(state.boot, seq, message.interval, message.setpoints_id, answers[part])

    messages = _outgoing(assignment, state, "rsp", answers, build)
    seen = (message.interval, messages[-1].boot, messages[-1].seq)
    applied = sum(answer.outcome == "ok" for answer in answers)
    is_repeated = message.setpoints_id in state.setpoints_seen
    counts = (
        {"setpoints_repeated": 1}
        if is_repeated
        else {"setpoints_applied": applied, "setpoints_refused": len(answers) - applied}
    )
    taken = {s.meter: s.export_limit_w for s, answer in zip(message.s, answers, strict=True) if answer.outcome == "ok"}
    new_state = msgspec.structs.replace(
        state,
        next_seq=state.next_seq + len(messages),
        setpoints_seen={**state.setpoints_seen, message.setpoints_id: seen},
        limits_w={**state.limits_w, message.interval: {**state.limits_w.get(message.interval, {}), **taken}},
    )
    return Step(new_state, tuple(messages), counts)


def note_trades(state: AgentState, message: TradesMessage) -> Step:
    """Take note of the results of an interval; results of an older one, and repeats, are counted and change nothing."""
    if message.interval < state.fills_interval:
        return Step(state, (), {"trades_repeated": 1})
    known = state.fills if message.interval == state.fills_interval else {}
    new = {f"{f.meter}/{f.number}": f.filled_wh for f in message.f if f"{f.meter}/{f.number}" not in known}
    if not new and message.interval == state.fills_interval:
        return Step(state, (), {"trades_repeated": 1})
    new_state = msgspec.structs.replace(state, fills_interval=message.interval, fills={**known, **new})
    return Step(new_state, (), {"fills_received": len(new), "filled_wh": sum(new.values())})


def ordering_points(assignment: Assignment, state: AgentState, interval: int) -> tuple[MeteringPoint, ...]:
    """Return the metering points that place orders for the interval, with the modes that are in force in it."""
    if not state.modes:
        return assignment.ordering
    points = (_in_force(point, state.modes.get(point.meter_id), interval) for point in assignment.points.values())
    return tuple(point for point in points if places_orders(point))


def learn_modes(assignment: Assignment, state: AgentState, message: ModesMessage) -> Step:
    """Take over what a notice says of the gateway's meters; of each, what a newer notice said stays as it is.

    The step holds no answer yet: see answer_notice.
    """
    newer = {
        one.meter: (message.notice, one.modes)
        for one in message.m
        if one.meter in assignment.points and message.notice > state.modes.get(one.meter, (0, ()))[0]
    }
    counts = {
        "modes_learned": len(newer),
        "modes_repeated": sum(one.meter in assignment.points for one in message.m) - len(newer),
        "modes_foreign": sum(one.meter not in assignment.points for one in message.m),
    }
    new_state = msgspec.structs.replace(state, modes={**state.modes, **newer}) if newer else state
    return Step(new_state, (), {name: number for name, number in counts.items() if number})


def answer_notice(
    assignment: Assignment, state: AgentState, message: Notice, without_receipt: Collection[tuple[str, int]]
) -> Step:
    """Tell the hub that the notice is kept; while an answer to it waits for its receipt, that one is enough.

    :param without_receipt: (boot, seq) of the gateway's messages that wait for their receipts
    """
    under_way = {notice: sent for notice, sent in state.answers.items() if sent in without_receipt}
    if message.notice in under_way:
        return Step(state, (), {"notices_repeated": 1})
    gateway, seq = assignment.gateway, state.next_seq
    topic = up_topic(assignment.county, gateway.shard, gateway.gateway_id, "ack")
    answer = Outgoing(state.boot, seq, "ack", topic, encode(NoticeAnswer(state.boot, seq, message.notice)))
    answers = under_way | {message.notice: (state.boot, seq)}
    return Step(msgspec.structs.replace(state, next_seq=seq + 1, answers=answers), (answer,), {})


def slices_within_bytes(sizes_bytes: Sequence[int], envelope_bytes: int, bytes_max: int) -> list[slice]:
    """Cut items into as few runs as fit, in order: envelope + items + a comma between them <= bytes_max each.

    No items give one empty run.
    """
    slices, start, filled = [], 0, envelope_bytes
    for position, size_bytes in enumerate(sizes_bytes):
        assert envelope_bytes + size_bytes <= bytes_max, "one item alone is too large: the contract bounds every item"
        if position > start and filled + 1 + size_bytes > bytes_max:
            slices.append(slice(start, position))
            start, filled = position, envelope_bytes
        filled += size_bytes + (position > start)
    slices.append(slice(start, len(sizes_bytes)))
    return slices


def _in_force(point: MeteringPoint, told: tuple[int, tuple[ModesFrom, ...]] | None, interval: int) -> MeteringPoint:
    """Return the point with its modes in the interval, by what a notice told; the registry file's before the first."""
    begun = [modes for modes in told[1] if modes.from_interval <= interval] if told is not None else []
    if not begun:
        return point
    return msgspec.structs.replace(point, supply_mode=begun[-1].supply_mode, sale_mode=begun[-1].sale_mode)


def _is_sendable(reading: Reading) -> bool:
    return all(channel in _CHANNELS and 0 <= value <= INT64_MAX for channel, value in reading.registers.items())


def _printable(text: str) -> str:
    """Return the text with a question mark for each character that a terminal could not show."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _remembered(before: MeterMemory | None, reading: Reading, limit_w: int | None) -> MeterMemory | None:
    """Return the memory of a meter after a reading; net energies of past intervals start anew if they cannot go on.

    :param limit_w: limit of net export in the interval that ends at the reading, None if there was none
    """
    import_wh, export_wh = reading.registers.get(IMPORT), reading.registers.get(EXPORT)
    if import_wh is None or export_wh is None:
        return before
    fresh = MeterMemory(reading.instant_utc_s, import_wh, export_wh)
    if before is None:
        return fresh
    imported = register_difference_wh(before.import_wh, import_wh)
    exported = register_difference_wh(before.export_wh, export_wh)
    intervals, remainder_s = divmod(reading.instant_utc_s - before.instant_utc_s, SECONDS_PER_INTERVAL)
    if imported is None or exported is None or intervals < 1 or remainder_s:
        return fresh  # a register ran backwards (the hub will say so), or the instants do not span whole intervals
    net_wh = exported - imported
    if intervals > 1:
        return msgspec.structs.replace(fresh, recent_net_wh=(net_wh // intervals,))  # a gap: its mean, and no trend
    known_wh = before.recent_net_wh[-1] if before.recent_net_wh else None
    available_wh = available_net_wh(net_wh, None if limit_w is None else limit_w // 4, known_wh)
    return msgspec.structs.replace(fresh, recent_net_wh=(*before.recent_net_wh, available_wh)[-HISTORY_INTERVALS:])


def _orders(
    ordering: Iterable[MeteringPoint],
    rules: TradingRules,
    memories: Mapping[str, MeterMemory],
    instant_utc_s: int,
    submitted_utc_s: int,
) -> tuple[Order, ...]:
    orders = []
    for point in ordering:
        memory = memories.get(point.meter_id)
        if memory is None or memory.instant_utc_s != instant_utc_s:
            continue  # the meter gave no reading now; what is known of it is too old to bid on
        expected_net_wh = forecast_net_wh(point, memory.recent_net_wh)
        bid = None if expected_net_wh is None else bid_for(point, expected_net_wh, rules)
        if bid is not None:
            orders.append(
                Order(
                    meter=point.meter_id,
                    interval=interval_from_utc_s(instant_utc_s) + 1,
                    number=ORDER_NUMBER,
                    side=bid.side,
                    energy_wh=bid.energy_wh,
                    price_uyuan_per_kwh=bid.price_uyuan_per_kwh,
                    submitted_utc_s=submitted_utc_s,
                )
            )
    return tuple(orders)


def _readings_messages(assignment: Assignment, state: AgentState, readings: tuple[Reading, ...]) -> list[Outgoing]:
    def build(seq: int, part: slice) -> UpMessage:
        return ReadingsMessage(state.boot, seq, readings[part])

    return _outgoing(assignment, state, "iv", readings, build) if readings else []


def _orders_messages(assignment: Assignment, state: AgentState, orders: tuple[Order, ...]) -> list[Outgoing]:
    def build(seq: int, part: slice) -> UpMessage:
        return OrdersMessage(state.boot, seq, orders[part])

    return _outgoing(assignment, state, "ord", orders, build) if orders else []


def _outgoing(
    assignment: Assignment,
    state: AgentState,
    kind: str,
    items: Sequence[Reading | Order | Acknowledgement],
    build: Callable[[int, slice], UpMessage],
) -> list[Outgoing]:
    """Return the items as messages of at most MESSAGE_BYTES_MAX each; `build` makes one of a seq and a run of items."""
    envelope_bytes = len(encode(build(state.next_seq + len(items), slice(0, 0))))
    sizes_bytes = [len(msgspec.json.encode(item)) for item in items]
    gateway = assignment.gateway
    topic = up_topic(assignment.county, gateway.shard, gateway.gateway_id, kind)
    outgoing = []
    for seq, part in enumerate(slices_within_bytes(sizes_bytes, envelope_bytes, MESSAGE_BYTES_MAX), state.next_seq):
        payload = encode(build(seq, part))
        assert len(payload) <= MESSAGE_BYTES_MAX
        outgoing.append(Outgoing(state.boot, seq, kind, topic, payload))
    return outgoing
