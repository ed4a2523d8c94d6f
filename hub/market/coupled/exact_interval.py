"""Clear one interval exactly in Wh with what couples it held fixed: storage, blocks and the flows on meshed edges.

What is fixed stands in the tree as an order that is filled at any price, so that everything else is cleared by the tree
itself: whole Wh, exact balance, price and tie rules as everywhere. A meshed edge is closed and its flow taken out below
and put in above by a pair of such orders, which are gone from the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hub.market.coupled.problem import IntervalMarket
from hub.market.price_rule import PriceRule
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

STORAGE_RANK, BLOCK_RANK, _MESH_RANK = 1, 2, 3
_COLUMNS = ("unit", "meter", "side", "party", "price_uyuan_per_kwh", "clean", "submitted_utc_s")


@dataclass(frozen=True)
class FixedOrder:
    """An order that is filled at any price. rank: of two that cannot both be filled, the higher one is."""

    order_id: str
    unit: int
    meter: int
    side: TradeSide
    energy_wh: int
    rank: int
    clean: bool = False
    submitted_utc_s: int = 0


@dataclass(frozen=True)
class ExactInterval:
    """An interval cleared with the fixed orders among its orders. Prices follow the tree's rule alone.

    fixed: position in `orders` of each fixed order. is_cut: shape (n_units,), edges whose flow the linear problem set.
    """

    orders: OrderBatch
    result: ClearingResult
    fixed: Int64Array
    is_cut: BoolArray


def clear_with_fixed(
    market: IntervalMarket,
    fixed: Sequence[FixedOrder],
    *,
    is_cut: BoolArray,
    flow_up_wh: Int64Array,
    tick_uyuan_per_kwh: int,
    clean_first: bool,
    price_rule: PriceRule,
) -> ExactInterval:
    """Return the interval cleared around the fixed orders and the flows of the cut edges.

    A fixed order that the interval cannot hold (by a Wh of rounding) is cut to what fits, and so is a flow, at both
    ends: it ends because flows only shrink and closed edges always clear.

    :param flow_up_wh: shape (n_units,), read where `is_cut`
    """
    tree = _closed(market.tree, is_cut)
    flow = np.where(is_cut, flow_up_wh, 0)
    while True:
        through = _edge_orders(market.tree, flow)
        batch, position = _with_fixed(market, tree, [*fixed, *through])
        result = clear(
            tree, batch, tick_uyuan_per_kwh=tick_uyuan_per_kwh, clean_first=clean_first, price_rule=price_rule
        )
        missing = _missing_flow(flow, through, result.filled_wh[position[len(fixed) :]])
        if not missing.any():
            break
        flow = flow - np.sign(flow) * missing
    exact = ExactInterval(batch, result, position, is_cut)
    return _without_edges(exact, len(fixed), flow)


def _closed(tree: BalanceTree, is_cut: BoolArray) -> BalanceTree:
    """Return the tree with cut edges closed."""
    if not is_cut.any():
        return tree
    return replace(
        tree,
        export_limit_wh=np.where(is_cut, 0, tree.export_limit_wh),
        import_limit_wh=np.where(is_cut, 0, tree.import_limit_wh),
    )


def _edge_orders(tree: BalanceTree, flow: Int64Array) -> list[FixedOrder]:
    """Return two orders for each flow: one that takes it out where it leaves, one that puts it in where it arrives."""
    found = []
    for unit in np.flatnonzero(flow).tolist():
        energy, parent = int(flow[unit]), int(tree.parent[unit])
        leaves, arrives = (unit, parent) if energy > 0 else (parent, unit)
        for at, side in ((leaves, TradeSide.BUY), (arrives, TradeSide.SELL)):
            found.append(FixedOrder(f"edge/{unit}/{side.name}", at, -1, side, abs(energy), rank=_MESH_RANK))
    return found


def _missing_flow(flow: Int64Array, through: Sequence[FixedOrder], filled_wh: Int64Array) -> Int64Array:
    """Return by how much the worse filled end of each edge's pair falls short, shape (n_units,)."""
    missing = np.zeros_like(flow)
    energy = np.array([order.energy_wh for order in through], np.int64)
    missing[np.flatnonzero(flow)] = (energy - filled_wh).reshape(-1, 2).max(axis=1) if through else 0
    return missing


def _with_fixed(
    market: IntervalMarket, tree: BalanceTree, fixed: Sequence[FixedOrder]
) -> tuple[OrderBatch, Int64Array]:
    """Return the orders with the fixed ones among them, sorted by order id, and the fixed ones' positions.

    A fixed order's price lies beyond every price that could stand at its unit, by rank.
    """
    orders = market.orders
    if not fixed:
        return orders, np.zeros(0, np.int64)
    farthest = int(np.abs(orders.price_uyuan_per_kwh).max(initial=0)) + int(tree.fee_uyuan_per_kwh.sum()) + 1
    names = (*orders.order_id, *(order.order_id for order in fixed))
    order = sorted(range(len(names)), key=names.__getitem__)
    sign = [-1 if one.side == TradeSide.SELL else 1 for one in fixed]
    columns = {
        "unit": [one.unit for one in fixed],
        "meter": [one.meter for one in fixed],
        "side": [int(one.side) for one in fixed],
        "party": [int(Party.DIRECT)] * len(fixed),
        "energy_wh": [one.energy_wh for one in fixed],
        "price_uyuan_per_kwh": [sign[row] * farthest * 2**one.rank for row, one in enumerate(fixed)],
        "clean": [one.clean for one in fixed],
        "submitted_utc_s": [one.submitted_utc_s for one in fixed],
    }
    joined: dict[str, Any] = {}
    for name, column in columns.items():
        ordinary = getattr(orders, name)
        joined[name] = np.concatenate((ordinary, np.array(column, ordinary.dtype)))[order]
        joined[name].setflags(write=False)
    batch = replace(orders, order_id=tuple(names[row] for row in order), **joined)
    assert len(set(batch.order_id)) == len(names), "order ids are unique"
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return batch, place[len(orders.order_id) :]


def _without_edges(exact: ExactInterval, n_fixed: int, flow: Int64Array) -> ExactInterval:
    """Return the result without the edges' orders, which stand behind the others in `fixed`.

    Fixed orders stand with the energy that was filled.
    """
    batch, result, position = exact.orders, exact.result, exact.fixed
    energy = batch.energy_wh.copy()
    energy[position[:n_fixed]] = result.filled_wh[position[:n_fixed]]
    kept = np.ones(energy.size, np.bool_)
    kept[position[n_fixed:]] = False
    columns: dict[str, Any] = {name: getattr(batch, name)[kept] for name in _COLUMNS}
    names = tuple(name for name, is_kept in zip(batch.order_id, kept.tolist(), strict=True) if is_kept)
    orders = replace(batch, order_id=names, **(columns | {"energy_wh": energy[kept]}))
    filled, flow_up = result.filled_wh[kept], np.where(exact.is_cut, flow, result.flow_up_wh)
    for column in (orders.energy_wh, filled, flow_up):
        column.setflags(write=False)
    place = np.cumsum(kept) - 1
    cleared = replace(result, filled_wh=filled, flow_up_wh=flow_up)
    return ExactInterval(orders, cleared, place[position[:n_fixed]], exact.is_cut)
