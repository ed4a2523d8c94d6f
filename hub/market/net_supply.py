"""Net-supply curves of balance units: the steps that clearing merges, clips at limits and shifts by fees.

Key of an order: 8 * price + rank, so that one sort settles price and, at equal prices, who goes first. Keys are unique
to one kind of order, so a marginal step is shared among like orders only. Fees are shifted by 8 * fee, which keeps
ranks. An optimum by key is an optimum by price: between two optima a whole unit swaps at most two orders, their ranks
differ by at most 4, and prices are whole, so 8 * loss + 4 >= 0 leaves no loss.

The tree is swept level by level, all units of one depth at once: a unit's place in that order and a key share one
int64 ("code"), so that one sort merges the curves of a whole level.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np

from hub.market.sorting import ranges, sorted_rows, starts_of_equals
from hub.market.trades import BalanceTree, BoolArray, Int64Array, OrderBatch, TradeSide

KEY_SHIFT = 3
RANK_MASK = 7
CLEAN_SELL, OTHER_SELL, EXPORT, IMPORT, BUY = 0, 1, 2, 3, 4
_BUYS = int(TradeSide.BUY)
_CODE_BITS_MAX = 62
_ENERGY_MAX_WH = 2**61


class ClearingRangeError(ValueError):
    """Prices, fees or energies so large that 64-bit sums could overflow."""


@dataclass(frozen=True)
class Levels:
    """The tree's units by depth, those of one depth by position. "Place": a unit's rank in that order; the root is 0.

    unit: shape (n_units,), the unit at each place. place: shape (n_units,), the place of each unit. parent: shape
    (n_units,), the place of the parent of the unit at each place. downward: each level's places, the root's first.
    """

    unit: Int64Array
    place: Int64Array
    parent: Int64Array
    downward: tuple[slice, ...]


@dataclass(frozen=True)
class Codes:
    """How place and key share one number: code = place << bits | key - key_min; bits leaves room for every fee.

    key_min lies below the key of every step, seen from any unit. of_place: shape (n_units + 1,), place << bits.
    """

    bits: int
    key_min: int
    total_bits: int
    of_place: Int64Array

    def inside(self, code: Int64Array) -> Int64Array:
        """Return key - key_min of each code."""
        return code & ((1 << self.bits) - 1)


_Steps: TypeAlias = tuple[Int64Array, Int64Array, Int64Array]


@dataclass(frozen=True)
class OwnOrders:
    """Orders with energy, sorted by code. order: positions in the batch; tie: rank of the order by time, then order id;
    first: shape (n_units + 1,), where each place's rows start.
    """

    order: Int64Array
    code: Int64Array
    energy_wh: Int64Array
    is_buy: BoolArray
    tie: Int64Array
    first: Int64Array


@dataclass(frozen=True)
class LevelCurves:
    """The net-supply curves of one level's units, the steps of all of them one after another.

    A unit exports `base_wh` (negative: imports) below every key, `top_wh` above, and at each of its steps more. What
    its edge lets through lies between low_wh and high_wh. code: ascending and unique. sum_before_wh: shape
    (n_steps + 1,), the width of all steps before each. tie: the smallest rank of a step's orders. first: shape
    (n_units_of_level + 1,), where each unit's steps start. sum_less_export_wh: what to take from sum_before_wh to have
    the unit's net export.
    """

    code: Int64Array
    sum_before_wh: Int64Array
    tie: Int64Array
    first: Int64Array
    base_wh: Int64Array
    top_wh: Int64Array
    low_wh: Int64Array
    high_wh: Int64Array
    sum_less_export_wh: Int64Array


def levels_of(tree: BalanceTree) -> Levels:
    """Return the tree's units by depth."""
    depth: list[int] = []
    size: list[int] = []
    for parent in tree.parent.tolist():
        here = depth[parent] + 1 if parent >= 0 else 0
        depth.append(here)
        if here == len(size):
            size.append(0)
        size[here] += 1
    unit = np.array(depth, np.int64).argsort(kind="stable")
    place = np.empty_like(unit)
    place[unit] = np.arange(unit.size)
    parent_place = place[tree.parent[unit]]
    parent_place[0] = -1
    bounds = (0, *accumulate(size))
    return Levels(unit, place, parent_place, tuple(slice(*ends) for ends in pairwise(bounds)))


def codes_of(tree: BalanceTree, orders: OrderBatch) -> Codes:
    """Return how places and keys are packed.

    :raises ClearingRangeError: if sums could leave 64 bits
    """
    low = high = 0
    energy = 0
    if orders.energy_wh.size:
        low, high = int(orders.price_uyuan_per_kwh.min()), int(orders.price_uyuan_per_kwh.max())
        energy = int(orders.energy_wh.max()) * orders.energy_wh.size
    fees = sum(tree.fee_uyuan_per_kwh.tolist())
    key_min, key_max = (low - fees) * 2**KEY_SHIFT - 1, (high + fees + 1) * 2**KEY_SHIFT
    bits = (key_max - key_min).bit_length()
    total_bits = bits + tree.parent.size.bit_length()
    if total_bits > _CODE_BITS_MAX or max(-key_min, key_max) > 2**_CODE_BITS_MAX or energy > _ENERGY_MAX_WH:
        raise ClearingRangeError(
            f"prices from {low} to {high}, fees of {fees} and energies up to {energy} leave 64 bits"
        )
    return Codes(bits, key_min, total_bits, np.arange(tree.parent.size + 1) << bits)


def own_orders(
    levels: Levels, codes: Codes, orders: OrderBatch, of_province: Int64Array, *, clean_first: bool
) -> OwnOrders:
    """Return the batch's orders by place and key.

    At equal prices clean offers go before other offers (if `clean_first`), local ones before the province's, and
    local buyers meet them; the province's import and export orders alone never meet each other.

    :param of_province: the rows of the province's orders
    """
    is_buy = orders.side == _BUYS
    is_plain = ~(is_buy | orders.clean) if clean_first else ~is_buy
    # 4 for buyers, 0 for clean offers, 1 for others: BUY, CLEAN_SELL and OTHER_SELL.
    rank = (is_buy.view(np.int8) << 2) | is_plain.view(np.int8)
    rank[of_province] = np.where(is_buy[of_province], EXPORT, IMPORT)
    code = codes.of_place[levels.place][orders.unit]
    code += orders.price_uyuan_per_kwh << KEY_SHIFT
    code += rank
    code -= codes.key_min
    code, order = sorted_rows(code, key_bits=codes.total_bits)
    energy = orders.energy_wh[order]
    if not energy.all():
        kept = energy.nonzero()[0]
        code, order, energy = code[kept], order[kept], energy[kept]
    return OwnOrders(
        order=order,
        code=code,
        energy_wh=energy,
        is_buy=is_buy[order],
        tie=_rank_by_time(orders)[order],
        first=code.searchsorted(codes.of_place),
    )


def curves_leaf_to_root(tree: BalanceTree, levels: Levels, codes: Codes, own: OwnOrders) -> list[LevelCurves]:
    """Return the curves of each level, the root's first: own orders and what the edges let through from below."""
    bought = np.zeros(own.code.size + 1, np.int64)
    (own.energy_wh * own.is_buy).cumsum(out=bought[1:])
    base = bought[own.first[:-1]] - bought[own.first[1:]]
    export_limit, import_limit = tree.export_limit_wh[levels.unit], tree.import_limit_wh[levels.unit]
    fee = tree.fee_uyuan_per_kwh[levels.unit]
    curves: list[LevelCurves] = []
    seen: _Steps | None = None
    for level in reversed(levels.downward):
        rows = slice(int(own.first[level.start]), int(own.first[level.stop]))
        steps = _merged(codes, (own.code[rows], own.energy_wh[rows], own.tie[rows]), seen)
        limits = (export_limit[level], import_limit[level])
        curve = _level_curves(codes.of_place[level.start : level.stop + 1], steps, base[level], *limits)
        curves.append(curve)
        if level.start:
            shift = codes.of_place[levels.parent[level]] - codes.of_place[level]
            seen = _seen_from_parents(curve, shift, fee[level] << KEY_SHIFT)
            np.add.at(base, levels.parent[level], curve.low_wh)
    curves.reverse()
    return curves


def _rank_by_time(orders: OrderBatch) -> Int64Array:
    """Return unique numbers that rank the orders by time, then order id."""
    time, n_orders = orders.submitted_utc_s, orders.energy_wh.size
    if not n_orders:
        return np.zeros(0, np.int64)
    if max(int(time.max()), -int(time.min())) < _ENERGY_MAX_WH // n_orders:
        rank = time * n_orders
        rank += np.arange(n_orders)
        return rank
    rank = np.empty(n_orders, np.int64)
    rank[np.argsort(time, kind="stable")] = np.arange(n_orders)
    return rank


def _merged(codes: Codes, own: _Steps, seen: _Steps | None) -> _Steps:
    """Return code, width summed up to each step's end, and tie of a level's steps; equal codes are one step.

    :param own, seen: code, width and tie of own orders, sorted by code, and of children's steps, not sorted
    """
    code, width, tie = own
    if seen is not None and seen[0].size:
        code = np.concatenate((code, seen[0]))
        width, tie = np.concatenate((width, seen[1])), np.concatenate((tie, seen[2]))
        code, order = sorted_rows(code, key_bits=codes.total_bits)
        width, tie = width[order], tie[order]
    end = width.cumsum()
    at = starts_of_equals(code)
    if at.size < code.size:
        last = np.empty_like(at)
        last[:-1], last[-1] = at[1:] - 1, code.size - 1
        code, end, tie = code[at], end[last], np.minimum.reduceat(tie, at)
    return code, end, tie


def _level_curves(
    code_of_place: Int64Array,
    steps: _Steps,
    base_wh: Int64Array,
    export_limit_wh: Int64Array,
    import_limit_wh: Int64Array,
) -> LevelCurves:
    code, end, tie = steps
    first = code.searchsorted(code_of_place)
    sum_before = np.zeros(code.size + 1, np.int64)
    sum_before[1:] = end
    base, sum_at = base_wh.copy(), sum_before[first]
    sum_less_export = sum_at[:-1] - base
    top = sum_at[1:] - sum_less_export
    low, high = np.maximum(base, -import_limit_wh), np.minimum(top, export_limit_wh)
    assert int(low.max()) <= 0 <= int(high.min()), "nothing can always stay put"
    return LevelCurves(code, sum_before, tie, first, base, top, low, high, sum_less_export)


def _seen_from_parents(curve: LevelCurves, shift: Int64Array, fee_key: Int64Array) -> _Steps:
    """Return code, width and tie of the level's steps as the parents see them, not sorted.

    Clipped at limits, the importing part shifted: what comes down costs the parent's price plus the fee, so a buyer at
    key K is seen at K - 8 * fee; what goes up is paid the parent's price. Between the two the edge carries nothing.

    :param shift: what makes a code the parent's; fee_key: 8 * fee; both shape (n_units_of_level,)
    """
    pays = (fee_key > 0) & (curve.low_wh < 0)
    n_units = fee_key.size
    # Of each unit the part that comes down with a fee, from low to turn, and the part without, from turn to high.
    turn = np.where(pays, np.minimum(curve.high_wh, 0), curve.low_wh)
    from_wh, until_wh = np.concatenate((curve.low_wh, turn)), np.concatenate((turn, curve.high_wh))
    part = (from_wh < until_wh).nonzero()[0]
    unit = part % n_units
    less_export = curve.sum_less_export_wh[unit]
    from_sum, until_sum = from_wh[part] + less_export, until_wh[part] + less_export
    begin = curve.sum_before_wh.searchsorted(from_sum, side="right") - 1
    after = curve.sum_before_wh.searchsorted(until_sum)
    steps = after - begin
    step = ranges(begin, after)
    width = (curve.sum_before_wh[1:] - curve.sum_before_wh[:-1])[step]
    last = steps.cumsum() - 1
    width[last] = until_sum - curve.sum_before_wh[after - 1]
    width[last - steps + 1] = np.minimum(curve.sum_before_wh[begin + 1], until_sum) - from_sum
    moved = shift[unit] - fee_key[unit] * (part < n_units)
    return curve.code[step] + moved.repeat(steps), width, curve.tie[step]
