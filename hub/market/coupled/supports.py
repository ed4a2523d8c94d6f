"""Which prices support an interval's exact fills and flows, and the choice of one price for each unit among them.

A price supports a unit if none of its orders would rather have more or less; prices of neighbours differ by what their
edge allows. Both are intervals, so choosing from the root down among what the subtrees still allow is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hub.market.coupled.exact_interval import ExactInterval
from hub.market.coupled.welfare import within_tie_wh
from hub.market.price_rule import UNBOUNDED, PriceRule, chosen_prices
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, Party, TradeSide


@dataclass(frozen=True)
class Supports:
    """The supporting prices of one interval, shape (n_units,) each; +-UNBOUNDED where nothing bounds them.

    low, high: what the unit's own orders allow. step_low, step_high: what its edge allows for its price less the
    parent's without a shadow price. may_fall, may_rise: the edge carries its export (import) limit, so the price may
    be lower (higher) than that. is_cut: the linear problem set the flow, limits of the mesh come between.
    """

    low: Int64Array
    high: Int64Array
    step_low: Int64Array
    step_high: Int64Array
    may_fall: BoolArray
    may_rise: BoolArray
    is_cut: BoolArray


def price_supports(tree: BalanceTree, exact: ExactInterval) -> Supports:
    """Return the supports of an exactly cleared interval; its fixed orders are filled at any price and bound none."""
    orders, filled, flow = exact.orders, exact.result.filled_wh, exact.result.flow_up_wh
    energy = within_tie_wh((tree.export_limit_wh, tree.import_limit_wh), orders)
    is_free = np.ones(energy.size, np.bool_)
    is_free[exact.fixed] = False
    is_sell = orders.side == TradeSide.SELL
    has_fill, has_rest = is_free & (filled > 0), is_free & (filled < energy)
    low = np.full(len(tree.unit_id), -UNBOUNDED, np.int64)
    high = np.full(len(tree.unit_id), UNBOUNDED, np.int64)
    price = orders.price_uyuan_per_kwh
    at_least, at_most = (is_sell & has_fill) | (~is_sell & has_rest), (is_sell & has_rest) | (~is_sell & has_fill)
    np.maximum.at(low, orders.unit[at_least], price[at_least])
    np.minimum.at(high, orders.unit[at_most], price[at_most])
    fee = tree.fee_uyuan_per_kwh
    return Supports(
        low=low,
        high=high,
        step_low=np.where(flow < 0, fee, 0),
        step_high=np.where(flow > 0, 0, fee),
        may_fall=flow == tree.export_limit_wh,
        may_rise=flow == -tree.import_limit_wh,
        is_cut=exact.is_cut,
    )


def ruled_prices(tree: BalanceTree, supports: Supports, *, tick_uyuan_per_kwh: int, rule: PriceRule) -> list[int]:
    """Return the prices of the tree's own rule: chosen at the root and at the top of each decoupled subtree."""
    low, high = _leaf_to_root(tree, supports)
    price = [0] * len(low)
    for unit, above in enumerate(tree.parent.tolist()):
        bottom, top = low[unit], high[unit]
        if above >= 0 and not supports.is_cut[unit]:
            step = (price[above] + int(supports.step_low[unit]), price[above] + int(supports.step_high[unit]))
            if bottom <= step[1] and top >= step[0]:
                bottom, top = max(bottom, step[0]), min(top, step[1])
                if step[0] == step[1]:
                    price[unit] = bottom
                    continue
        ends = [np.array([_end(end)], np.int64) for end in (bottom, top)]
        price[unit] = int(chosen_prices(*ends, tick_uyuan_per_kwh=tick_uyuan_per_kwh, rule=rule)[0])
    return price


def nearest_prices(tree: BalanceTree, supports: Supports, target: Sequence[int]) -> list[int]:
    """Return supporting prices as near to `target` as the units above leave them."""
    low, high = _leaf_to_root(tree, supports)
    price = [0] * len(low)
    for unit, above in enumerate(tree.parent.tolist()):
        bottom, top = low[unit], high[unit]
        if above >= 0 and not supports.is_cut[unit]:
            step_low, step_high = _steps(supports, unit)
            bottom, top = max(bottom, price[above] + step_low), min(top, price[above] + step_high)
        price[unit] = min(max(target[unit], bottom), top)
    return price


def with_prices(
    tree: BalanceTree,
    exact: ExactInterval,
    supports: Supports,
    price: Sequence[int],
    *,
    mesh_step: Sequence[int],
    price_rule: str,
) -> ClearingResult:
    """Return the interval's result at the given prices, with shadow prices and basis.

    :param mesh_step: shape (n_units,), what the meshed limits put between a cut edge's child and its parent
    """
    root = _tie_shadow(tree, exact, price[0])
    shadow, basis = [root] * len(price), [root] * len(price)
    for unit, above in enumerate(tree.parent.tolist()):
        if above >= 0:
            step = price[unit] - price[above]
            free = step - mesh_step[unit]
            free = min(max(free, int(supports.step_low[unit])), int(supports.step_high[unit]))
            shadow[unit] = step - free
            basis[unit] = basis[above] + shadow[unit]
    found = exact.result
    columns = [np.array(column, np.int64) for column in (price, shadow, basis)]
    # A cut edge was closed when its interval was cleared; what binds it is its own limit, if it carries that.
    binding_export = np.where(exact.is_cut, supports.may_fall & (columns[1] < 0), found.binding_export)
    binding_import = np.where(exact.is_cut, supports.may_rise & (columns[1] > 0), found.binding_import)
    binding_export[0], binding_import[0] = root < 0, root > 0
    for column in (*columns, binding_export, binding_import):
        column.setflags(write=False)
    return ClearingResult(
        filled_wh=found.filled_wh,
        price_uyuan_per_kwh=columns[0],
        flow_up_wh=found.flow_up_wh,
        shadow_uyuan_per_kwh=columns[1],
        basis_uyuan_per_kwh=columns[2],
        binding_export=binding_export,
        binding_import=binding_import,
        price_rule=price_rule,
    )


def _leaf_to_root(tree: BalanceTree, supports: Supports) -> tuple[list[int], list[int]]:
    """Return what each unit and all below it allow for the unit's price."""
    low, high = supports.low.tolist(), supports.high.tolist()
    parent = tree.parent.tolist()
    for unit in range(len(low) - 1, 0, -1):
        assert low[unit] <= high[unit], "an exact clearing has supporting prices"
        if not supports.is_cut[unit]:
            step_low, step_high = _steps(supports, unit)
            low[parent[unit]] = max(low[parent[unit]], low[unit] - step_high)
            high[parent[unit]] = min(high[parent[unit]], high[unit] - step_low)
    assert low[0] <= high[0], "an exact clearing has supporting prices"
    return low, high


def _steps(supports: Supports, unit: int) -> tuple[int, int]:
    """Return the least and greatest difference to the parent's price that the edge allows, shadow price included."""
    return (
        -2 * UNBOUNDED if supports.may_fall[unit] else int(supports.step_low[unit]),
        2 * UNBOUNDED if supports.may_rise[unit] else int(supports.step_high[unit]),
    )


def _end(price: int) -> int:
    """Return an end of an interval, +-UNBOUNDED where it is one that fees alone have moved."""
    if abs(price) < UNBOUNDED // 2:
        return price
    return UNBOUNDED if price > 0 else -UNBOUNDED


def _tie_shadow(tree: BalanceTree, exact: ExactInterval, root_price: int) -> int:
    """Return the root's price less that of the province's order which is filled to the tie's limit, else 0."""
    orders, filled = exact.orders, exact.result.filled_wh
    energy = within_tie_wh((tree.export_limit_wh, tree.import_limit_wh), orders)
    for row in np.flatnonzero((orders.party == Party.PROVINCE) & (filled == energy)).tolist():
        difference = root_price - int(orders.price_uyuan_per_kwh[row])
        is_import = orders.side[row] == TradeSide.SELL
        if difference > 0 if is_import else difference < 0:
            return difference
    return 0
