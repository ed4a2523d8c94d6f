"""At the gate: orders of meters that do not trade directly on the day any more are rejected after all.

An order is accepted up to a day ahead by what the registry says then; an election, a suspension or a retailer's exit
that is recorded before the day may take its meter out of direct trade. Its energy is in a book of the supply arm then,
and counts once (DESIGN 5). Accepted + rejected = submitted still holds (law 1).

The gateway was told that the order is accepted, so it is told in a notice that it is not any more; the notice is
written in the same transaction, and told until the gateway has answered it (hub.repeated_sending).
"""

from collections.abc import Sequence

import msgspec
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from edge.contract.messages import Order, Side, WithdrawalsMessage, WithdrawnOrder
from edge.contract.registry import Registry
from hub.market.order_rules import OrderRefusal, meter_standing
from hub.store.counters import add_to_counters
from hub.store.notices import UNNUMBERED, add_notices
from hub.store.orders import reject_accepted_orders
from hub.store.quarantine import Refusal, save_refusals
from hub.store.registry import positions_of
from hub.store.tables import RefusedKind

AcceptedOrder = tuple[str, Order]

ORDERS_PER_NOTICE = 1000
"""With a meter's id of 64 characters they are 93 KB: a message may have 128 KiB."""


def withdraw_orders(
    session: Session, prepared: Registry, of_day: Registry, interval: int, orders: Sequence[AcceptedOrder]
) -> list[AcceptedOrder]:
    """Return the orders of the interval that stand; reject and count the others in the session's transaction.

    :param prepared: the registry by which orders are judged where no log says otherwise
    :param of_day: with the modes of the interval's day
    """
    if of_day is prepared:
        return list(orders)
    standing = meter_standing(of_day)
    stands: list[AcceptedOrder] = []
    withdrawn: list[AcceptedOrder] = []
    for entry in orders:
        meter, side = standing[entry[1].meter], entry[1].side
        (stands if (meter.sells_direct if side is Side.SELL else meter.buys_direct) else withdrawn).append(entry)
    if not withdrawn:
        return stands
    reason, gate_utc_s = OrderRefusal.NOT_DIRECT.value, start_utc_s(interval - 1)
    reject_accepted_orders(session, interval, [order_id for order_id, _ in withdrawn], reason)
    refusals = [
        Refusal(
            kind=RefusedKind.ORDER,
            reason=reason,
            device=order_id.partition("/")[0],
            about=order_id,
            at_utc_s=start_utc_s(interval),
            content=msgspec.json.encode(order),
        )
        for order_id, order in withdrawn
    ]
    save_refusals(session, refusals, gate_utc_s)
    add_to_counters(session, {"orders_accepted": -len(withdrawn), "orders_rejected": len(withdrawn)})
    add_notices(session, _notices(prepared, interval, withdrawn, reason), gate_utc_s)
    return stands


def _notices(
    prepared: Registry, interval: int, withdrawn: Sequence[AcceptedOrder], reason: str
) -> list[tuple[int, WithdrawalsMessage]]:
    """Return what every gateway is told of which an order does not stand any more."""
    positions = positions_of(prepared)
    by_gateway: dict[int, list[WithdrawnOrder]] = {}
    for order_id, order in withdrawn:
        gateway = positions.gateway[order_id.partition("/")[0]]
        by_gateway.setdefault(gateway, []).append(WithdrawnOrder(order.meter, order.number, reason))
    return [
        (gateway, WithdrawalsMessage(UNNUMBERED, interval, tuple(orders[start : start + ORDERS_PER_NOTICE])))
        for gateway, orders in sorted(by_gateway.items())
        for start in range(0, len(orders), ORDERS_PER_NOTICE)
    ]
