"""Submit orders: each is accepted or rejected with a reason by hub.market.order_rules, and stored either way (law 1).

An order id names one order for good. A repeat of an accepted order is accepted again, also after its gate has closed;
an id that was rejected stays rejected. Other content under an accepted id is refused as a conflict and stands in
quarantine only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import msgspec
from sqlmodel import Session

from edge.contract.interval import day_of_interval, start_utc_s
from edge.contract.messages import Order
from edge.contract.registry import Registry
from hub.market.elections.bidding_terms import BiddingTerms
from hub.market.order_rules import (
    Accepted,
    AcceptedOrders,
    MeterStanding,
    OrderOutcome,
    OrderRefusal,
    Rejected,
    SessionParameters,
    check_orders,
    meter_standing,
)
from hub.market.trades import Party, TradeSide
from hub.store.bulk import Row
from hub.store.counters import add_to_counters
from hub.store.orders import TRADE_SIDE, accepted_orders, find_accepted_order, insert_orders, rejected_ids
from hub.store.quarantine import Refusal, save_refusals
from hub.store.registry import positions_of
from hub.store.tables import NONE, OrderStatus, RefusedKind
from hub.usecases.moment import Moment


@dataclass(frozen=True)
class GatewayOrders:
    """The orders of one message. gateway: position; gateway_id: the device in the topic."""

    gateway: int
    gateway_id: str
    orders: tuple[Order, ...]


class OrderMemory:
    """The orders that stand in the open intervals, and what each meter may do, so that checks read no database.

    It must be thrown away and rebuilt when a transaction in which it was used does not commit.

    :param registry_on: the registry with the modes of an operating day; None: those of `registry` hold on all days
    :param bidding_on: how orders must look on an operating day, by meter; None: all are free
    """

    def __init__(
        self,
        session: Session,
        registry: Registry,
        open_from_interval: int,
        registry_on: Callable[[date], Registry] | None = None,
        bidding_on: Callable[[date], Mapping[str, BiddingTerms]] | None = None,
    ) -> None:
        positions = positions_of(registry)
        self._registry_on = registry_on
        self._bidding_on = bidding_on
        self._standing: dict[date | None, tuple[Registry, Mapping[str, MeterStanding], Mapping[str, BiddingTerms]]] = {
            None: (registry, meter_standing(registry), {})
        }
        self.accepted = AcceptedOrders(accepted_orders(session, open_from_interval))
        self.points = {
            point.meter_id: (positions.meter[point.meter_id], positions.unit[point.unit_id], point.clean)
            for point in registry.metering_points
        }

    def standing_on(self, day: date) -> Mapping[str, MeterStanding]:
        """Return what each meter may do on the operating day, as far as the registry says by now."""
        prepared, standing, _ = self._standing[None]
        if self._registry_on is None:
            return standing
        registry = self._registry_on(day)
        bidding = {} if self._bidding_on is None else self._bidding_on(day)
        known = self._standing.get(day)
        if known is None or known[0] is not registry or known[2] != bidding:
            if bidding or registry.metering_points != prepared.metering_points:
                standing = meter_standing(registry, bidding)
            kept = {one: found for one, found in self._standing.items() if one is None or one >= day - timedelta(1)}
            self._standing = kept | {day: (registry, standing, bidding)}
        return self._standing[day][1]


def submit_orders(
    session: Session,
    memory: OrderMemory,
    messages: Sequence[GatewayOrders],
    parameters: SessionParameters,
    moment: Moment,
) -> list[tuple[OrderOutcome, ...]]:
    """Decide on the orders of some messages in their order, write what follows, and return one outcome an order.

    Rows, quarantine and counters go into the session's transaction; nothing is committed here.
    """
    memory.accepted.drop_before(parameters.open_from_interval)
    intervals = {order.interval for message in messages for order in message.orders}
    first, end = parameters.open_from_interval, parameters.open_until_interval
    taken = rejected_ids(session, {interval for interval in intervals if first <= interval < end})
    outcomes = []
    standing_on = cache(memory.standing_on)
    for message in messages:
        checked = _checked(memory, message, parameters, standing_on, taken)
        decided = tuple(_remember(session, outcome) for outcome in checked)
        memory.accepted.add(decided)
        outcomes.append(decided)
    _save(session, memory, messages, outcomes, moment)
    return outcomes


def _checked(
    memory: OrderMemory,
    message: GatewayOrders,
    parameters: SessionParameters,
    standing_on: Callable[[date], Mapping[str, MeterStanding]],
    taken: frozenset[str],
) -> list[OrderOutcome]:
    """Return the outcome of each order of a message; the modes are those of the day for which an order is."""
    first, last = parameters.open_from_interval, parameters.open_until_interval - 1
    rows_of_day: dict[date, list[int]] = {}
    for row, order in enumerate(message.orders):
        # An interval that is not open is refused for that, whatever the modes of its day are.
        day = day_of_interval(min(max(order.interval, first), last))
        rows_of_day.setdefault(day, []).append(row)
    found: dict[int, OrderOutcome] = {}
    for day, rows in rows_of_day.items():
        outcomes = check_orders(
            message.gateway_id,
            tuple(message.orders[row] for row in rows),
            session=parameters,
            standing=standing_on(day),
            accepted=memory.accepted,
            rejected_ids=taken,
        )
        found |= zip(rows, outcomes, strict=True)
    return [found[row] for row in range(len(message.orders))]


def _remember(session: Session, outcome: OrderOutcome) -> OrderOutcome:
    """Return the outcome in the light of what is stored: an order that was accepted before its gate closed stands."""
    if isinstance(outcome, Rejected) and outcome.reason is OrderRefusal.GATE_CLOSED:
        stored = find_accepted_order(session, outcome.order.interval, outcome.order_id)
        if stored == outcome.order:
            return Accepted(outcome.order_id, outcome.order, repeat=True)
    return outcome


def _save(
    session: Session,
    memory: OrderMemory,
    messages: Sequence[GatewayOrders],
    outcomes: Sequence[tuple[OrderOutcome, ...]],
    moment: Moment,
) -> None:
    rows: list[Row] = []
    refusals: list[Refusal] = []
    counts = {"orders_accepted": 0, "orders_repeated": 0, "orders_rejected": 0}
    for message, decided in zip(messages, outcomes, strict=True):
        for outcome in decided:
            if isinstance(outcome, Rejected):
                counts["orders_rejected"] += 1
                refusals.append(_refusal(message, outcome))
            elif outcome.repeat:
                counts["orders_repeated"] += 1
                continue
            else:
                counts["orders_accepted"] += 1
            rows.append(_row(memory, message, outcome))
    rows.sort(key=lambda row: row[:2])
    insert_orders(session, rows)
    save_refusals(session, refusals, moment.now_utc_s)
    add_to_counters(session, counts)


def _row(memory: OrderMemory, message: GatewayOrders, outcome: OrderOutcome) -> Row:
    """Return the order's row in the order of ORDER_NAMES."""
    order = outcome.order
    refused = outcome.reason if isinstance(outcome, Rejected) else None
    is_own = refused not in {OrderRefusal.UNKNOWN_METER, OrderRefusal.FOREIGN_METER}
    meter, unit, is_clean = memory.points[order.meter] if is_own else (NONE, NONE, False)
    side = TRADE_SIDE[order.side]
    return (
        order.interval,
        outcome.order_id,
        message.gateway,
        meter,
        unit,
        order.number,
        side.value,
        Party.DIRECT.value,
        order.energy_wh,
        order.price_uyuan_per_kwh,
        is_clean and side is TradeSide.SELL,
        order.submitted_utc_s,
        (OrderStatus.ACCEPTED if refused is None else OrderStatus.REJECTED).value,
        "" if refused is None else refused.value,
    )


def _refusal(message: GatewayOrders, outcome: Rejected) -> Refusal:
    return Refusal(
        kind=RefusedKind.ORDER,
        reason=outcome.reason.value,
        device=message.gateway_id,
        about=outcome.order_id,
        at_utc_s=start_utc_s(outcome.order.interval),
        content=msgspec.json.encode(outcome.order),
    )
