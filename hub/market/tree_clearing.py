"""Exact clearing on the balance tree: merge net-supply curves leaf to root, clip at limits, shift by fees, read back.

The result is the welfare optimum (DESIGN 5 "Clearing on a tree"), in whole Wh and micro-yuan/kWh, without an LP:

1. Leaf to root, each unit's curve is the sum of its own orders and its children's curves as seen through their edges
   (net_supply.py), all units of one depth at once.
2. At the root, where the province's orders stand, net export is zero; each unit's share of the flow follows down the
   tree, the marginal step being shared pro rata by largest remainder, then time, then order id, unit by unit.
3. Prices: the rule at the root and at the top of each decoupled subtree; every other price follows along its edge.
4. What edges earn, and why each order filled or did not (order_reasons.py).
"""

from dataclasses import dataclass, replace

import numpy as np

from hub.market.net_supply import (
    BUY,
    EXPORT,
    KEY_SHIFT,
    RANK_MASK,
    ClearingRangeError,
    Codes,
    LevelCurves,
    Levels,
    OwnOrders,
    codes_of,
    curves_leaf_to_root,
    levels_of,
    own_orders,
)
from hub.market.order_reasons import ExplainedClearing, LastSteps, order_reasons
from hub.market.price_rule import UNBOUNDED, PriceRule, chosen_prices
from hub.market.pro_rata import largest_remainder_by_group
from hub.market.sorting import ranges
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Party, TradeSide

__all__ = ["ClearingRangeError", "PriceRule", "clear"]

_INT64_MAX = 2**63 - 1
_PROVINCE, _SELLS = int(Party.PROVINCE), int(TradeSide.SELL)


@dataclass(frozen=True)
class _Marginal:
    """Rows of own orders in steps that are taken in part, and what each of them fills."""

    row: Int64Array
    filled_wh: Int64Array


def clear(
    tree: BalanceTree,
    orders: OrderBatch,
    *,
    tick_uyuan_per_kwh: int,
    clean_first: bool = True,
    price_rule: PriceRule = PriceRule.MIDPOINT,
    quantity_step_wh: int = 1,
) -> ExplainedClearing:
    """Return fills, prices, flows, shadow prices and reasons of the welfare optimum of one interval.

    :param orders: as order_batch.assemble_orders gives them: sorted by order id, province orders at the root
    :param clean_first: whether clean offers go before other offers at the same price
    :param quantity_step_wh: fills and flows are whole multiples of it; what an order or a limit has beyond one is idle
    :raises ClearingRangeError: if sums could leave 64 bits
    """
    assert quantity_step_wh >= 1
    submitted = orders
    of_province = (orders.party == _PROVINCE).nonzero()[0]
    is_import, is_export = _sides(orders, of_province)
    orders = _within_tie(tree, orders, of_province)
    offered_of_province = list(zip(of_province.tolist(), orders.energy_wh[of_province].tolist(), strict=True))
    if quantity_step_wh > 1:
        tree, orders = _in_steps(tree, orders, quantity_step_wh)
    levels, codes = levels_of(tree), codes_of(tree, orders)
    own = own_orders(levels, codes, orders, of_province, clean_first=clean_first)
    curves = curves_leaf_to_root(tree, levels, codes, own)
    walk = _Walk(tree, levels, codes, own, curves)
    walk.read_back()
    filled = walk.fills(orders.energy_wh.size)
    flow = walk.flow[levels.place]
    flow[0] = int(filled[is_export].sum()) - int(filled[is_import].sum())
    price_of_place, shadow_of_place = walk.prices(tick_uyuan_per_kwh, price_rule)
    price, shadow = price_of_place[levels.place], shadow_of_place[levels.place]
    shadow[0] = _tie_shadow(orders, filled, int(price[0]), is_import, is_export)
    binding_export, binding_import = _binding(tree, levels, flow, curves)
    binding_export[0], binding_import[0] = shadow[0] < 0, shadow[0] > 0
    kept = ClearingResult(
        filled_wh=filled * quantity_step_wh if quantity_step_wh > 1 else filled,
        price_uyuan_per_kwh=price,
        flow_up_wh=flow * quantity_step_wh,
        shadow_uyuan_per_kwh=shadow,
        basis_uyuan_per_kwh=_sum_from_root(levels, shadow),
        binding_export=binding_export,
        binding_import=binding_import,
        price_rule=price_rule.value,
    )
    last = LastSteps(walk.last_keys()[levels.place], walk.missing_wh[levels.place] > 0)
    reasons = order_reasons(
        levels,
        submitted,
        kept,
        offered_of_province=offered_of_province,
        last=last,
        quantity_step_wh=quantity_step_wh,
    )
    fee, rent = _edge_money(tree, kept)
    found = ExplainedClearing(
        **vars(kept),
        fee_nano_yuan=fee,
        rent_nano_yuan=rent,
        reason=reasons.reason,
        limit_unit=reasons.limit_unit,
        quantity_step_wh=quantity_step_wh,
    )
    for column in vars(found).values():
        if isinstance(column, np.ndarray):
            column.setflags(write=False)
    return found


def _within_tie(tree: BalanceTree, orders: OrderBatch, of_province: Int64Array) -> OrderBatch:
    """Return the orders with the province's cut to the tie's limits, which a network check may have lowered since."""
    limit = np.where(orders.side[of_province] == _SELLS, tree.import_limit_wh[0], tree.export_limit_wh[0])
    offered = orders.energy_wh[of_province]
    if not np.count_nonzero(offered > limit):
        return orders
    energy = orders.energy_wh.copy()
    energy[of_province] = np.minimum(offered, limit)
    return replace(orders, energy_wh=energy)


def _in_steps(tree: BalanceTree, orders: OrderBatch, step_wh: int) -> tuple[BalanceTree, OrderBatch]:
    """Return the market counted in quantity steps. Whole steps lose no welfare: the program's optimum is whole."""
    limits = tree.export_limit_wh // step_wh, tree.import_limit_wh // step_wh
    tree = replace(tree, export_limit_wh=limits[0], import_limit_wh=limits[1])
    return tree, replace(orders, energy_wh=orders.energy_wh // step_wh)


def _sides(orders: OrderBatch, of_province: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the rows of the province's import and export order, each none or one."""
    is_sell = orders.side[of_province] == _SELLS
    is_import, is_export = of_province[is_sell], of_province[~is_sell]
    assert is_import.size <= 1
    assert is_export.size <= 1
    assert not np.count_nonzero(orders.unit[of_province]), "the province stands at the root"
    return is_import, is_export


class _Walk:
    """From the root down: each unit's flow, the prices that support it, and the last step that it takes.

    All columns are by place (net_supply.Levels), shape (n_units,). last_inside: key - key_min of the last step that a
    unit's flow takes, in full or in part, 0 where it takes none; missing_wh: what of that step is not taken, _taken_wh
    what is.
    """

    def __init__(
        self, tree: BalanceTree, levels: Levels, codes: Codes, own: OwnOrders, curves: list[LevelCurves]
    ) -> None:
        n_units = levels.unit.size
        self._levels, self._codes, self._own, self._curves = levels, codes, own, curves
        self._fee = tree.fee_uyuan_per_kwh[levels.unit]
        self._marginal: list[_Marginal] = []
        self.flow = np.zeros(n_units, np.int64)
        self.missing_wh = np.zeros(n_units, np.int64)
        self._taken_wh = np.zeros(n_units, np.int64)
        self.last_inside = np.zeros(n_units, np.int64)
        self._next_inside = np.zeros(n_units, np.int64)

    def read_back(self) -> None:
        """Find flow and last step of every unit, level by level."""
        levels = self._levels.downward
        for depth, (level, curve) in enumerate(zip(levels, self._curves, strict=True)):
            self._locate(level, curve)
            below = levels[depth + 1] if depth + 1 < len(levels) else None
            is_shared = bool(np.count_nonzero(self.missing_wh[level]))
            children = None if below is None else self._follow(below, self._curves[depth + 1], is_shared=is_shared)
            if is_shared:
                self._share(level, children)

    def last_keys(self) -> Int64Array:
        """Return the key of the last step taken, -UNBOUNDED where there is none."""
        return np.where(self.last_inside > 0, self.last_inside + self._codes.key_min, -UNBOUNDED)

    def fills(self, n_orders: int) -> Int64Array:
        """Return fills by order: whole steps (sellers up to the last key, buyers above it), and the marginal ones."""
        own = self._own
        last_code = self._codes.of_place[:-1] + self.last_inside
        is_taken = own.code <= last_code.repeat(own.first[1:] - own.first[:-1])
        filled_of_row = own.energy_wh * (is_taken != own.is_buy)
        for marginal in self._marginal:
            filled_of_row[marginal.row] = marginal.filled_wh
        filled = np.zeros(n_orders, np.int64)
        filled[own.order] = filled_of_row
        return filled

    def prices(self, tick: int, rule: PriceRule) -> tuple[Int64Array, Int64Array]:
        """Return prices and shadow prices (the root's left 0), parents first.

        Without congestion a child's price is the parent's, plus the fee where energy comes down, anything between
        where nothing flows. If such a price supports the child's subtree it holds; else the subtree is decoupled.
        """
        key_min, next_inside = self._codes.key_min, self._next_inside
        low = np.where(self.last_inside > 0, (self.last_inside + key_min) >> KEY_SHIFT, -UNBOUNDED)
        high = np.where(next_inside > 0, (next_inside + key_min) >> KEY_SHIFT, UNBOUNDED)
        alone = chosen_prices(low, high, tick_uyuan_per_kwh=tick, rule=rule)
        # How far above the parent's price a coupled one lies: by the fee where energy comes down, by nothing where it
        # goes up, by something between where nothing flows.
        least, most = self._fee * (self.flow < 0), self._fee * (self.flow <= 0)
        is_free = least < most
        price, shadow = alone.copy(), np.zeros(low.size, np.int64)
        for level in self._levels.downward[1:]:
            above = price[self._levels.parent[level]]
            lowest, highest = above + least[level], above + most[level]
            coupled_low, coupled_high = np.maximum(low[level], lowest), np.minimum(high[level], highest)
            is_decoupled = coupled_low > coupled_high
            if np.count_nonzero(is_free[level]):
                price[level] = chosen_prices(coupled_low, coupled_high, tick_uyuan_per_kwh=tick, rule=rule)
            else:
                price[level] = lowest
            at = is_decoupled.nonzero()[0]
            if at.size:
                cut = at + level.start
                price[cut] = alone[cut]
                shadow[cut] = alone[cut] - np.where(high[cut] < lowest[at], lowest[at], highest[at])
        return price, shadow

    def _locate(self, level: slice, curve: LevelCurves) -> None:
        """Find the last step that each unit's flow takes, and the one after it."""
        if not curve.code.size:
            return
        target = self.flow[level] + curve.sum_less_export_wh
        after = curve.sum_before_wh.searchsorted(target)
        missing = curve.sum_before_wh[after] - target
        self._taken_wh[level] = target - curve.sum_before_wh[after - 1]
        following = after - (missing > 0)
        self.missing_wh[level] = missing
        taken = self._codes.inside(curve.code[after - 1])
        self.last_inside[level] = np.where(after > curve.first[:-1], taken, 0)
        has_next = following < curve.first[1:]
        self._next_inside[level] = has_next * self._codes.inside(curve.code[following * has_next])

    def _follow(self, level: slice, curve: LevelCurves, *, is_shared: bool) -> "_Children":
        """Let the level's flows be what its units send up at the parents' last keys, those steps taken whole.

        If the parents share a step that is not taken whole, return what each unit has in it.
        """
        parent, fee = self._levels.parent[level], self._fee[level] << KEY_SHIFT
        code_up = self._codes.of_place[level] + self.last_inside[parent]
        code_down = code_up + fee
        up = curve.code.searchsorted(code_up, side="right")
        down = curve.code.searchsorted(code_down, side="right")
        flow = _through_edge(curve, up, down)
        self.flow[level] = flow
        if not is_shared or not curve.code.size:
            return _Children(level, parent, _NONE, _NONE)
        has_up = (up > 0) & (curve.code[up - 1] == code_up)
        has_down = (down > 0) & (curve.code[down - 1] == code_down)
        weight = flow - _through_edge(curve, up - has_up, down - has_down)
        weight *= self.missing_wh[parent] > 0
        is_up = (fee == 0) | (curve.sum_before_wh[up] > curve.sum_less_export_wh)
        return _Children(level, parent, weight, curve.tie[np.where(is_up, up, down) - 1])

    def _share(self, level: slice, children: "_Children | None") -> None:
        """Take what is missing back from steps that were counted whole, lowering the children's flows.

        The filled energy is shared, whether sold or bought, so that the earlier order gets the odd Wh of either kind.
        A child takes part with what its edge lets through.
        """
        own = self._own
        place = self.missing_wh[level].nonzero()[0] + level.start
        code = self._codes.of_place[place] + self.last_inside[place]
        first, after = own.code.searchsorted(code), own.code.searchsorted(code, side="right")
        row, group = ranges(first, after), np.arange(place.size).repeat(after - first)
        weight, tie = own.energy_wh[row], own.tie[row]
        child = _NONE
        if children is not None:
            child = children.weight_wh.nonzero()[0]
            weight, tie = (
                np.concatenate((weight, children.weight_wh[child])),
                np.concatenate((tie, children.tie[child])),
            )
            group = np.concatenate((group, place.searchsorted(children.parent[child])))
        rank = (self.last_inside[place] + self._codes.key_min) & RANK_MASK
        is_buy = (rank == BUY) | (rank == EXPORT)
        total = np.where(is_buy, self.missing_wh[place], self._taken_wh[place])
        # Whoever is alone in a step has all of it.
        is_alone = group.size == place.size
        share = total[group] if is_alone else largest_remainder_by_group(total, weight, group, tie)
        self._marginal.append(_Marginal(row, share[: row.size]))
        if children is not None:
            lost = np.where(is_buy[group], share, weight - share)
            self.flow[children.level.start + child] -= lost[row.size :]


@dataclass(frozen=True)
class _Children:
    """Of each unit of a level its parent's place, and width and tie of what it has in the parent's last step."""

    level: slice
    parent: Int64Array
    weight_wh: Int64Array
    tie: Int64Array


def _through_edge(curve: LevelCurves, up: Int64Array, down: Int64Array) -> Int64Array:
    """Return what goes up when the steps before `up` are taken at the parent's price, before `down` with the fee."""
    at_price = curve.sum_before_wh[up] - curve.sum_less_export_wh
    with_fee = curve.sum_before_wh[down] - curve.sum_less_export_wh
    through = np.maximum(at_price, np.minimum(with_fee, 0))
    return np.asarray(np.minimum(np.maximum(through, curve.low_wh), curve.high_wh), dtype=np.int64)


_NONE = np.zeros(0, np.int64)


def _sum_from_root(levels: Levels, of_edge: Int64Array) -> Int64Array:
    """Return the sum over each unit's edge and all above it, by unit."""
    total = of_edge[levels.unit]
    for level in levels.downward[1:]:
        total[level] += total[levels.parent[level]]
    return total[levels.place]


def _tie_shadow(
    orders: OrderBatch, filled: Int64Array, root_price: int, is_import: Int64Array, is_export: Int64Array
) -> int:
    """Return the shadow price of the tie: the root's price less the province's where its order is filled whole."""
    for rows, sign in ((is_import, 1), (is_export, -1)):
        for row in rows.tolist():
            difference = root_price - int(orders.price_uyuan_per_kwh[row])
            if filled[row] == orders.energy_wh[row] and difference * sign > 0:
                return difference
    return 0


def _binding(
    tree: BalanceTree, levels: Levels, flow: Int64Array, curves: list[LevelCurves]
) -> tuple[BoolArray, BoolArray]:
    """Return where an edge carries its export (import) limit and its subtree would send (take) more at some price."""
    top = np.concatenate([curve.top_wh for curve in curves])[levels.place]
    base = np.concatenate([curve.base_wh for curve in curves])[levels.place]
    binding_export = (flow == tree.export_limit_wh) & (top > tree.export_limit_wh)
    binding_import = (flow == -tree.import_limit_wh) & (base < -tree.import_limit_wh)
    return np.asarray(binding_export, dtype=np.bool_), np.asarray(binding_import, dtype=np.bool_)


def _edge_money(tree: BalanceTree, found: ClearingResult) -> tuple[Int64Array, Int64Array]:
    """Return what each edge earns by its fee and by its shadow price, nano-yuan.

    :raises ClearingRangeError: if an amount could leave 64 bits
    """
    flow, shadow = found.flow_up_wh, found.shadow_uyuan_per_kwh
    price = max(int(np.abs(shadow).max()), int(tree.fee_uyuan_per_kwh.max()))
    energy = int(np.abs(flow).max())
    if price * energy * flow.size > _INT64_MAX:
        raise ClearingRangeError(f"fees and rents of {energy} Wh at up to {price} micro-yuan/kWh leave 64 bits")
    fee = np.maximum(-flow, 0) * tree.fee_uyuan_per_kwh
    fee[0] = 0
    return fee, -flow * shadow
