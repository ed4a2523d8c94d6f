"""Read back, as the market's columns, what clearing an interval found: for settlement and for recomputation."""

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from hub.market.trades import ClearingResult, Int64Array, OrderBatch, Pairs
from hub.store.orders import orders_of_interval
from hub.store.tables import Binding

_UNITS = text(
    "SELECT unit, price_uyuan_per_kwh, flow_up_wh, shadow_uyuan_per_kwh, basis_uyuan_per_kwh, binding "
    "FROM unit_price WHERE interval = :interval ORDER BY unit"
)
_RULE = text("SELECT price_rule FROM clearing_run WHERE interval = :interval")
_FILLS = text("SELECT order_id, cleared_wh FROM fill WHERE interval = :interval")
_PAIRS = text(
    "SELECT seller_order_id, buyer_order_id, energy_wh, apex, mode, price_paid_uyuan_per_kwh, "
    "price_received_uyuan_per_kwh, network_charge_uyuan_per_kwh, upstream_loss_uyuan_per_kwh "
    "FROM pair WHERE interval = :interval ORDER BY seq"
)
_SETPOINTS = text("SELECT meter, export_limit_wh FROM setpoint WHERE interval = :interval")
_CUTS = text("SELECT order_id, cleared_wh - filled_wh FROM fill WHERE interval = :interval AND cleared_wh <> filled_wh")


class NotClearedError(LookupError):
    """The interval has no clearing result."""


def clearing_of_interval(session: Session, interval: int) -> tuple[OrderBatch, ClearingResult, Pairs]:
    """Return orders with their submitted prices, result and pairs of a cleared interval; fills as before curtailment.

    :raises NotClearedError: if the interval was not cleared
    """
    orders = orders_of_interval(session, interval)
    position = {order_id: index for index, order_id in enumerate(orders.order_id)}
    units = np.array([tuple(row) for row in session.execute(_UNITS, {"interval": interval})], dtype=np.int64)
    rule = session.execute(_RULE, {"interval": interval}).scalar_one_or_none()
    if rule is None or not units.size:
        raise NotClearedError(f"interval {interval} was not cleared")
    filled_wh = np.zeros(len(orders.order_id), dtype=np.int64)
    for order_id, cleared_wh in session.execute(_FILLS, {"interval": interval}):
        filled_wh[position[order_id]] = cleared_wh
    result = ClearingResult(
        filled_wh=filled_wh,
        price_uyuan_per_kwh=units[:, 1].copy(),
        flow_up_wh=units[:, 2].copy(),
        shadow_uyuan_per_kwh=units[:, 3].copy(),
        basis_uyuan_per_kwh=units[:, 4].copy(),
        binding_export=(units[:, 5] & Binding.EXPORT.value) != 0,
        binding_import=(units[:, 5] & Binding.IMPORT.value) != 0,
        price_rule=str(rule),
    )
    return orders, result, _pairs(session, interval, position)


def cuts_of_interval(session: Session, orders: OrderBatch) -> Int64Array:
    """Return what curtailment took from each order, shape (n_orders,), Wh >= 0."""
    position = {order_id: index for index, order_id in enumerate(orders.order_id)}
    cut_wh = np.zeros(len(orders.order_id), dtype=np.int64)
    for order_id, lost_wh in session.execute(_CUTS, {"interval": orders.interval}):
        cut_wh[position[order_id]] = lost_wh
    return cut_wh


def setpoints_of_interval(session: Session, interval: int, n_meters: int) -> Int64Array:
    """Return the limit of net export of every meter, shape (n_meters,), Wh; -1 where there is none."""
    limit_wh = np.full(n_meters, -1, dtype=np.int64)
    for meter, export_limit_wh in session.execute(_SETPOINTS, {"interval": interval}):
        limit_wh[meter] = export_limit_wh
    return limit_wh


def _pairs(session: Session, interval: int, position: dict[str, int]) -> Pairs:
    rows = session.execute(_PAIRS, {"interval": interval}).all()
    numbers = np.array([(position[row[0]], position[row[1]], *tuple(row)[2:]) for row in rows], dtype=np.int64).reshape(
        len(rows), 9
    )
    return Pairs(
        seller=numbers[:, 0].copy(),
        buyer=numbers[:, 1].copy(),
        energy_wh=numbers[:, 2].copy(),
        apex=numbers[:, 3].copy(),
        mode=numbers[:, 4].astype(np.int8),
        price_paid_uyuan_per_kwh=numbers[:, 5].copy(),
        price_received_uyuan_per_kwh=numbers[:, 6].copy(),
        network_charge_uyuan_per_kwh=numbers[:, 7].copy(),
        upstream_loss_uyuan_per_kwh=numbers[:, 8].copy(),
    )
