"""May this order stand? The check of submitted orders against the session, the registry and what already stands.

Requirements rows 11, 29, 36, 60; law 1: accepted + rejected = submitted, each rejection with one reason. An order's id
is gateway/interval/meter/number, given at the edge; the same order again is accepted again and stands once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import assert_never

from edge.contract.messages import Order, Side
from edge.contract.registry import Registry, SaleMode, SupplyMode
from hub.market.elections.bidding_terms import FREE, BiddingTerms
from hub.market.registry.provincial_rules import VirtualPlantCurve
from hub.market.registry_columns import interval_energy_wh


class OrderRefusal(Enum):
    """Why an order was refused. The first that holds, in this order, is given."""

    UNKNOWN_METER = "unknown-meter"
    FOREIGN_METER = "foreign-meter"
    CONFLICT = "conflict"
    NOT_DIRECT = "not-direct"
    GATE_CLOSED = "gate-closed"
    WRONG_INTERVAL = "wrong-interval"
    NOT_POSITIVE = "not-positive"
    OFF_LOT = "off-lot"
    ABOVE_CAP = "above-cap"
    BELOW_FLOOR = "below-floor"
    OFF_TICK = "off-tick"
    PRICE_NOT_ALLOWED = "price-not-allowed"
    ABOVE_CAPACITY = "above-capacity"
    CURVE_BROKEN = "curve-broken"
    CURVE_STEPS = "curve-steps"
    CURVE_RISES = "curve-rises"


@dataclass(frozen=True)
class SessionParameters:
    """What orders of a session must keep.

    Orders for intervals before `open_from_interval` are late (gate closed), those for `open_until_interval` and after
    are too early (wrong interval). Prices count ticks from the floor (row 36).
    """

    open_from_interval: int
    open_until_interval: int
    price_floor_uyuan_per_kwh: int
    price_cap_uyuan_per_kwh: int
    price_tick_uyuan_per_kwh: int
    lot_wh: int


@dataclass(frozen=True, slots=True)
class MeterStanding:
    """What one metering point may do in the market; capacities are energies of one interval."""

    gateway_id: str
    sells_direct: bool
    buys_direct: bool
    export_capacity_wh: int
    import_capacity_wh: int
    bidding: BiddingTerms = FREE


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order stands. repeat: it stood already, with the same content; nothing new stands."""

    order_id: str
    order: Order
    repeat: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """The order was refused and changes nothing."""

    order_id: str
    order: Order
    reason: OrderRefusal


OrderOutcome = Accepted | Rejected


class AcceptedOrders:
    """The orders that stand in the open intervals, by id, with each meter's energy so far: the memory of the check."""

    def __init__(self, accepted: Iterable[tuple[str, Order]] = ()) -> None:
        self._by_interval: dict[int, dict[str, Order]] = {}
        self._energy_wh: dict[_EnergyKey, int] = {}
        for name, order in accepted:
            self._stand(name, order)

    def add(self, outcomes: Iterable[OrderOutcome]) -> None:
        """Let the newly accepted of `outcomes` stand."""
        for outcome in outcomes:
            if isinstance(outcome, Accepted) and not outcome.repeat:
                self._stand(outcome.order_id, outcome.order)

    def drop_before(self, interval: int) -> None:
        """Forget orders of intervals before `interval`, which are cleared."""
        for old in [number for number in self._by_interval if number < interval]:
            del self._by_interval[old]
        self._energy_wh = {key: energy for key, energy in self._energy_wh.items() if key[1] >= interval}

    def of_interval(self, interval: int) -> list[tuple[str, Order]]:
        """Return (order id, order) of every order that stands for the interval, by order id."""
        return sorted(self._by_interval.get(interval, {}).items(), key=itemgetter(0))

    def find(self, name: str, interval: int) -> Order | None:
        """Return the order that stands under this id, None if there is none."""
        return self._by_interval.get(interval, {}).get(name)

    def energy_wh(self, key: "_EnergyKey") -> int:
        """Return the energy that stands for one meter, interval and side."""
        return self._energy_wh.get(key, 0)

    def _stand(self, name: str, order: Order) -> None:
        of_interval = self._by_interval.setdefault(order.interval, {})
        assert name not in of_interval, f"order {name} stands already"
        of_interval[name] = order
        key = (order.meter, order.interval, order.side)
        self._energy_wh[key] = self._energy_wh.get(key, 0) + order.energy_wh


_EnergyKey = tuple[str, int, Side]


def order_id(gateway_id: str, order: Order) -> str:
    """Return gateway/interval/meter/number."""
    return f"{gateway_id}/{order.interval}/{order.meter}/{order.number}"


def meter_standing(
    registry: Registry, bidding: Mapping[str, BiddingTerms] = MappingProxyType({})
) -> dict[str, MeterStanding]:
    """Return what each metering point of the registry may do, by meter id; `bidding`: of those that are not free."""
    return {
        point.meter_id: MeterStanding(
            gateway_id=point.gateway_id,
            sells_direct=point.sale_mode is SaleMode.DIRECT,
            buys_direct=point.supply_mode in {SupplyMode.DIRECT, SupplyMode.RETAIL},
            export_capacity_wh=interval_energy_wh(point.export_capacity_w),
            import_capacity_wh=interval_energy_wh(point.import_capacity_w),
            bidding=bidding.get(point.meter_id, FREE),
        )
        for point in registry.metering_points
    }


def check_orders(
    gateway_id: str,
    orders: Sequence[Order],
    *,
    session: SessionParameters,
    standing: Mapping[str, MeterStanding],
    accepted: AcceptedOrders,
    rejected_ids: Collection[str] = (),
) -> tuple[OrderOutcome, ...]:
    """Return one outcome for each order of one gateway's message, in its order; `accepted` is not changed.

    A meter's accepted sales (purchases) of one interval together stay within its export (import) capacity. The same
    order again, as after a lost receipt, is accepted again even when the gate has closed since. A virtual power plant's
    purchases of an interval come in one message and stand whole or not at all.

    :param rejected_ids: ids under which an order was refused before, which stay refused
    """
    new: dict[str, Order] = {}
    new_energy_wh: dict[_EnergyKey, int] = {}
    outcomes: list[OrderOutcome] = []
    for order in orders:
        name = order_id(gateway_id, order)
        meter = standing.get(order.meter)
        stands = new.get(name) or accepted.find(name, order.interval)
        reason: OrderRefusal | None
        if meter is None:
            reason = OrderRefusal.UNKNOWN_METER
        elif meter.gateway_id != gateway_id:
            reason = OrderRefusal.FOREIGN_METER
        elif stands is not None:
            if stands == order:
                outcomes.append(Accepted(name, order, repeat=True))
                continue
            reason = OrderRefusal.CONFLICT
        else:
            key = (order.meter, order.interval, order.side)
            before_wh = accepted.energy_wh(key) + new_energy_wh.get(key, 0)
            reason = _refusal(order, meter, session, before_wh)
            if reason is None and name in rejected_ids:
                reason = OrderRefusal.CONFLICT
            if reason is None:
                new[name] = order
                new_energy_wh[key] = new_energy_wh.get(key, 0) + order.energy_wh
        outcomes.append(Accepted(name, order, repeat=False) if reason is None else Rejected(name, order, reason))
    return _with_whole_curves(outcomes, standing, session, accepted)


def _with_whole_curves(
    outcomes: Sequence[OrderOutcome],
    standing: Mapping[str, MeterStanding],
    session: SessionParameters,
    accepted: AcceptedOrders,
) -> tuple[OrderOutcome, ...]:
    """Return the outcomes where no part of a virtual power plant's faulty curve stands (row 11)."""
    curves: dict[_EnergyKey, list[OrderOutcome]] = {}
    for outcome in outcomes:
        meter, order = standing.get(outcome.order.meter), outcome.order
        is_step = meter is not None and meter.bidding.curve is not None and order.side is Side.BUY
        if is_step and not (isinstance(outcome, Accepted) and outcome.repeat):
            curves.setdefault((order.meter, order.interval, order.side), []).append(outcome)
    faults: dict[_EnergyKey, OrderRefusal] = {}
    for key, steps in curves.items():
        rule = standing[key[0]].bidding.curve
        assert rule is not None, "only curves are gathered"
        is_broken = accepted.energy_wh(key) > 0 or any(isinstance(step, Rejected) for step in steps)
        fault = OrderRefusal.CURVE_BROKEN if is_broken else _curve_fault([step.order for step in steps], rule, session)
        if fault is not None:
            faults[key] = fault
    return tuple(_without_fault(outcome, faults, accepted) for outcome in outcomes)


def _without_fault(
    outcome: OrderOutcome, faults: Mapping["_EnergyKey", OrderRefusal], accepted: AcceptedOrders
) -> OrderOutcome:
    order = outcome.order
    fault = faults.get((order.meter, order.interval, order.side))
    stood = accepted.find(outcome.order_id, order.interval) is not None
    if fault is None or stood or isinstance(outcome, Rejected):
        return outcome
    return Rejected(outcome.order_id, order, fault)


def _curve_fault(orders: Sequence[Order], rule: VirtualPlantCurve, session: SessionParameters) -> OrderRefusal | None:
    """Return what is wrong with a curve. A purchase at the cap is load that runs at any price, and no step."""
    prices = [order.price_uyuan_per_kwh for order in sorted(orders, key=attrgetter("number"))]
    steps = sum(price < session.price_cap_uyuan_per_kwh for price in prices)
    if not rule.segments_min <= steps <= rule.segments_max:
        return OrderRefusal.CURVE_STEPS
    return OrderRefusal.CURVE_RISES if any(after >= before for before, after in pairwise(prices)) else None


def _refusal(order: Order, meter: MeterStanding, session: SessionParameters, before_wh: int) -> OrderRefusal | None:
    """Return the first rule that the order breaks, None if it keeps all; `before_wh` stands already on its side."""
    match order.side:
        case Side.SELL:
            is_direct, capacity_wh = meter.sells_direct, meter.export_capacity_wh
            any_price = session.price_floor_uyuan_per_kwh
        case Side.BUY:
            is_direct, capacity_wh = meter.buys_direct, meter.import_capacity_wh
            any_price = session.price_cap_uyuan_per_kwh
        case _:
            assert_never(order.side)
    price, floor = order.price_uyuan_per_kwh, session.price_floor_uyuan_per_kwh
    checks = (
        (not is_direct, OrderRefusal.NOT_DIRECT),
        (order.interval < session.open_from_interval, OrderRefusal.GATE_CLOSED),
        (order.interval >= session.open_until_interval, OrderRefusal.WRONG_INTERVAL),
        (order.energy_wh <= 0, OrderRefusal.NOT_POSITIVE),
        (order.energy_wh % session.lot_wh != 0, OrderRefusal.OFF_LOT),
        (price > session.price_cap_uyuan_per_kwh, OrderRefusal.ABOVE_CAP),
        (price < floor, OrderRefusal.BELOW_FLOOR),
        ((price - floor) % session.price_tick_uyuan_per_kwh != 0, OrderRefusal.OFF_TICK),
        (not meter.bidding.states_price and price != any_price, OrderRefusal.PRICE_NOT_ALLOWED),
        (before_wh + order.energy_wh > capacity_wh, OrderRefusal.ABOVE_CAPACITY),
    )
    return next((reason for is_broken, reason in checks if is_broken), None)
