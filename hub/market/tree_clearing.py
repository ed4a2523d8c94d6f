"""Exact clearing on the balance tree: merge net-supply curves leaf to root, clip at limits, shift by fees, read back.

The result is the welfare optimum (DESIGN 5 "Clearing on a tree"), in whole Wh and micro-yuan/kWh, without an LP:

1. Leaf to root, each unit's curve is the sum of its own orders and its children's curves as seen through their edges
   (net_supply.py).
2. At the root, where the province's orders stand, net export is zero; each unit's share of the flow follows down the
   tree, the marginal step being shared pro rata by largest remainder, then time, then order id, unit by unit.
3. Prices: the rule at the root and at the top of each decoupled subtree; every other price follows along its edge.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

import numpy as np

from hub.market.net_supply import BUY_RANKS, KEY_SHIFT, RANK_MASK, OwnOrders, Steps, merged, own_orders, own_steps
from hub.market.net_supply import seen_from_parent as seen
from hub.market.pro_rata import largest_remainder
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Party, TradeSide

_UNBOUNDED = 2**62


class PriceRule(Enum):
    """How a price is chosen inside its supporting interval.

    MIDPOINT: the midpoint, floored to tick if it then still supports every fill, else to the micro-yuan.
    """

    MIDPOINT = "midpoint"


@dataclass(frozen=True)
class _Interval:
    """The prices at one unit that support its subtree's fills, ends included; +-_UNBOUNDED where nothing bounds it."""

    low: int
    high: int


def clear(
    tree: BalanceTree,
    orders: OrderBatch,
    *,
    tick_uyuan_per_kwh: int,
    clean_first: bool = True,
    price_rule: PriceRule = PriceRule.MIDPOINT,
) -> ClearingResult:
    """Return fills, prices, flows and shadow prices of the welfare optimum of one interval.

    :param orders: as order_batch.assemble_orders gives them: sorted by order id, province orders at the root
    :param clean_first: whether clean offers go before other offers at the same price
    :raises ClearingRangeError: if sums could leave 64 bits
    """
    n_units = len(tree.unit_id)
    orders = _within_tie(tree, orders)
    own = own_orders(tree, orders, clean_first=clean_first)
    curves, seen_curves = _curves_leaf_to_root(tree, own_steps(own, n_units))
    filled, flow, support = _read_back(tree, orders, own, curves, seen_curves)
    is_import = (orders.party == Party.PROVINCE) & (orders.side == TradeSide.SELL)
    is_export = (orders.party == Party.PROVINCE) & (orders.side == TradeSide.BUY)
    assert int(is_import.sum()) <= 1
    assert int(is_export.sum()) <= 1
    assert not orders.unit[is_import | is_export].any(), "the province stands at the root"
    flow[0] = int(filled[is_export].sum()) - int(filled[is_import].sum())
    price, shadow = _prices(tree, flow, support, tick_uyuan_per_kwh, price_rule)
    shadow[0] = _tie_shadow(orders, filled, price[0], is_import, is_export)
    basis = shadow.copy()
    for unit, parent in enumerate(tree.parent.tolist()):
        basis[unit] += basis[parent] if parent >= 0 else 0
    binding_export, binding_import = _binding(tree, flow, curves)
    binding_export[0], binding_import[0] = shadow[0] < 0, shadow[0] > 0
    columns = (filled, np.array(price, np.int64), np.array(flow, np.int64), np.array(shadow, np.int64))
    basis_column = np.array(basis, np.int64)
    for column in (*columns, basis_column, binding_export, binding_import):
        column.setflags(write=False)
    return ClearingResult(*columns, basis_column, binding_export, binding_import, price_rule.value)


def _within_tie(tree: BalanceTree, orders: OrderBatch) -> OrderBatch:
    """Return the orders with the province's cut to the tie's limits, which a network check may have lowered since."""
    is_province = orders.party == Party.PROVINCE
    limit = np.where(orders.side == TradeSide.SELL, tree.import_limit_wh[0], tree.export_limit_wh[0])
    if not bool((is_province & (orders.energy_wh > limit)).any()):
        return orders
    return replace(orders, energy_wh=np.where(is_province, np.minimum(orders.energy_wh, limit), orders.energy_wh))


def _curves_leaf_to_root(tree: BalanceTree, own: list[Steps]) -> tuple[list[Steps], list[list[tuple[int, Steps]]]]:
    """Return each unit's curve, and of each unit the (child, curve as the unit sees it) that it merged."""
    parent = tree.parent.tolist()
    fee = tree.fee_uyuan_per_kwh.tolist()
    export_limit, import_limit = tree.export_limit_wh.tolist(), tree.import_limit_wh.tolist()
    curves = list(own)
    children: list[list[tuple[int, Steps]]] = [[] for _ in own]
    for unit in range(len(own) - 1, -1, -1):
        children[unit].reverse()
        curves[unit] = merged(own[unit], [curve for _, curve in children[unit]])
        if parent[unit] >= 0:
            curve = seen(
                curves[unit],
                export_limit_wh=export_limit[unit],
                import_limit_wh=import_limit[unit],
                fee_uyuan_per_kwh=fee[unit],
            )
            children[parent[unit]].append((unit, curve))
    return curves, children


def _read_back(
    tree: BalanceTree,
    orders: OrderBatch,
    own: OwnOrders,
    curves: list[Steps],
    children: list[list[tuple[int, Steps]]],
) -> tuple[Int64Array, list[int], list[_Interval]]:
    """Return fills by order, flow up each edge and the prices that support each unit's flow, from the root down."""
    n_units = len(tree.unit_id)
    flow = [0] * n_units
    support: list[_Interval] = []
    last_key = np.full(n_units, -_UNBOUNDED, np.int64)
    shared: list[tuple[Int64Array, Int64Array]] = []
    for unit, curve in enumerate(curves):
        taken = int(curve.end_wh.searchsorted(flow[unit], side="left")) if flow[unit] > curve.base_wh else -1
        following = int(curve.end_wh.searchsorted(flow[unit], side="right"))
        support.append(
            _Interval(
                int(curve.key[taken]) >> KEY_SHIFT if taken >= 0 else -_UNBOUNDED,
                int(curve.key[following]) >> KEY_SHIFT if following < curve.key.size else _UNBOUNDED,
            )
        )
        if taken < 0:
            for child, seen_curve in children[unit]:
                flow[child] = seen_curve.base_wh
            continue
        key = int(curve.key[taken])
        last_key[unit] = key
        marginal_rows: list[int] = []
        for row, (child, seen_curve) in enumerate(children[unit]):
            steps = int(seen_curve.key.searchsorted(key, side="right"))
            flow[child] = int(seen_curve.end_wh[steps - 1]) if steps else seen_curve.base_wh
            if steps and int(seen_curve.key[steps - 1]) == key:
                marginal_rows.append(row)
        if flow[unit] < int(curve.end_wh[taken]):
            missing = int(curve.end_wh[taken]) - flow[unit]
            marginal = [children[unit][row] for row in marginal_rows]
            shared.append(_share_marginal_step(own, unit, key=key, missing_wh=missing, marginal=marginal, flow=flow))
    filled = _fills(orders, own, last_key)
    for rows, energy in shared:
        filled[rows] = energy
    return filled, flow, support


def _share_marginal_step(
    own: OwnOrders, unit: int, *, key: int, missing_wh: int, marginal: list[tuple[int, Steps]], flow: list[int]
) -> tuple[Int64Array, Int64Array]:
    """Take `missing_wh` back from a step that was counted whole: lower the children's flows, return own fills.

    The filled energy is shared, whether sold or bought, so that the earlier order gets the odd Wh of either kind. A
    child takes part with what its edge lets through.
    """
    rows = np.arange(own.first[unit], own.first[unit + 1])
    first = int(rows[0]) if rows.size else 0
    unit_keys = own.key[rows]
    rows = np.arange(
        first + int(unit_keys.searchsorted(key, side="left")),
        first + int(unit_keys.searchsorted(key, side="right")),
    )
    steps = [int(curve.key.searchsorted(key)) for _, curve in marginal]
    child_width = [int(curve.width_wh[step]) for (_, curve), step in zip(marginal, steps, strict=True)]
    child_tie = [int(curve.tie[step]) for (_, curve), step in zip(marginal, steps, strict=True)]
    weight = np.concatenate((own.energy_wh[rows], np.array(child_width, np.int64)))
    tie = np.concatenate((own.tie[rows], np.array(child_tie, np.int64)))
    is_buy = key & RANK_MASK in BUY_RANKS
    if is_buy:
        share = largest_remainder(missing_wh, weight, tie)
        lost = share
    else:
        share = largest_remainder(int(weight.sum()) - missing_wh, weight, tie)
        lost = weight - share
    for (child, _), energy in zip(marginal, lost[rows.size :].tolist(), strict=True):
        flow[child] -= energy
    return own.order[rows], share[: rows.size]


def _fills(orders: OrderBatch, own: OwnOrders, last_key: Int64Array) -> Int64Array:
    """Return fills as if every step that was begun were taken whole: sellers up to it, buyers above it."""
    is_full = (own.key <= last_key[own.unit]) != (own.is_buy > 0)
    filled = np.zeros(orders.energy_wh.size, np.int64)
    filled[own.order[is_full]] = own.energy_wh[is_full]
    return filled


def _prices(
    tree: BalanceTree, flow: list[int], support: list[_Interval], tick: int, rule: PriceRule
) -> tuple[list[int], list[int]]:
    """Return prices and shadow prices (the root's left 0), parents first.

    Without congestion a child's price is the parent's, plus the fee where energy comes down, anything between where
    nothing flows. If such a price supports the child's subtree it holds; else the subtree is decoupled.
    """
    n_units = len(flow)
    price, shadow = [0] * n_units, [0] * n_units
    fees, parents = tree.fee_uyuan_per_kwh.tolist(), tree.parent.tolist()
    price[0] = _chosen(support[0], tick, rule)
    for unit in range(1, n_units):
        above, fee, own = price[parents[unit]], fees[unit], support[unit]
        low = above + fee if flow[unit] < 0 else above
        high = above if flow[unit] > 0 else above + fee
        if own.high < low:
            price[unit] = _chosen(own, tick, rule)
            shadow[unit] = price[unit] - low
        elif own.low > high:
            price[unit] = _chosen(own, tick, rule)
            shadow[unit] = price[unit] - high
        else:
            coupled = _Interval(max(own.low, low), min(own.high, high))
            is_set = low == high
            price[unit] = low if is_set else _chosen(coupled, tick, rule)
    return price, shadow


def _chosen(interval: _Interval, tick: int, rule: PriceRule) -> int:
    """Return the price that the rule takes from the interval; a side without bound leaves the other end, none: 0."""
    match rule:
        case PriceRule.MIDPOINT:
            low, high = interval.low, interval.high
            if low == -_UNBOUNDED:
                middle = 0 if high == _UNBOUNDED else high
            else:
                middle = low if high == _UNBOUNDED else (low + high) // 2
            on_tick = middle // tick * tick
            return on_tick if on_tick >= low else middle
        case _:
            assert_never(rule)


def _tie_shadow(
    orders: OrderBatch, filled: Int64Array, root_price: int, is_import: BoolArray, is_export: BoolArray
) -> int:
    """Return the shadow price of the tie: the root's price less the province's where its order is filled whole."""
    for rows, sign in ((is_import, 1), (is_export, -1)):
        for row in np.flatnonzero(rows).tolist():
            difference = root_price - int(orders.price_uyuan_per_kwh[row])
            if filled[row] == orders.energy_wh[row] and difference * sign > 0:
                return difference
    return 0


def _binding(tree: BalanceTree, flow: list[int], curves: list[Steps]) -> tuple[BoolArray, BoolArray]:
    """Return where an edge carries its export (import) limit and its subtree would send (take) more at some price."""
    carried = np.array(flow, np.int64)
    top = np.array([curve.top_wh for curve in curves], np.int64)
    base = np.array([curve.base_wh for curve in curves], np.int64)
    binding_export = (carried == tree.export_limit_wh) & (top > tree.export_limit_wh)
    binding_import = (carried == -tree.import_limit_wh) & (base < -tree.import_limit_wh)
    return np.asarray(binding_export, dtype=np.bool_), np.asarray(binding_import, dtype=np.bool_)
