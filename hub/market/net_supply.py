"""Net-supply curves of balance units: the steps that clearing merges, clips at limits and shifts by fees.

Key of an order: 8 * price + rank, so that one sort settles price and, at equal prices, who goes first. Keys are unique
to one kind of order, so a marginal step is shared among like orders only. Fees are shifted by 8 * fee, which keeps
ranks. An optimum by key is an optimum by price: between two optima a whole unit swaps at most two orders, their ranks
differ by at most 4, and prices are whole, so 8 * loss + 4 >= 0 leaves no loss.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hub.market.trades import BalanceTree, Int64Array, OrderBatch, Party, TradeSide

KEY_SHIFT = 3
RANK_MASK = 7
_CLEAN_SELL, _OTHER_SELL, _EXPORT, _IMPORT, _BUY = 0, 1, 2, 3, 4
BUY_RANKS = frozenset({_EXPORT, _BUY})
_KEY_MAX = 2**62
_ENERGY_MAX_WH = 2**61


class ClearingRangeError(ValueError):
    """Prices, fees or energies so large that 64-bit sums could overflow."""


@dataclass(frozen=True)
class Steps:
    """A net-supply curve: below every key the unit exports `base_wh` (negative: it imports); at each key, ascending
    and unique, it exports `width_wh` more. end_wh: net export after each step. tie: smallest rank of a step's orders.
    """

    base_wh: int
    key: Int64Array
    width_wh: Int64Array
    end_wh: Int64Array
    tie: Int64Array

    @property
    def top_wh(self) -> int:
        """Net export above every key."""
        return int(self.end_wh[-1]) if self.end_wh.size else self.base_wh


@dataclass(frozen=True)
class OwnOrders:
    """Orders with energy, sorted by (unit, key). order: positions in the batch; first: where each unit's rows start.

    tie: rank of the order by time, then order id.
    """

    order: Int64Array
    unit: Int64Array
    key: Int64Array
    energy_wh: Int64Array
    is_buy: Int64Array
    tie: Int64Array
    first: Int64Array


def own_orders(tree: BalanceTree, orders: OrderBatch, *, clean_first: bool) -> OwnOrders:
    """Return the batch's orders by unit and key.

    At equal prices clean offers go before other offers (if `clean_first`), local ones before the province's, and
    local buyers meet them; the province's import and export orders alone never meet each other.

    :raises ClearingRangeError: if sums could leave 64 bits
    """
    _check_range(tree, orders)
    is_province = orders.party == Party.PROVINCE
    other_sell = np.where(orders.clean & clean_first, _CLEAN_SELL, _OTHER_SELL)
    sell_rank = np.where(is_province, _IMPORT, other_sell)
    buy_rank = np.where(is_province, _EXPORT, _BUY)
    is_buy = orders.side == TradeSide.BUY
    key = (orders.price_uyuan_per_kwh << KEY_SHIFT) + np.where(is_buy, buy_rank, sell_rank)
    tie = np.empty(key.size, np.int64)
    tie[np.argsort(orders.submitted_utc_s, kind="stable")] = np.arange(key.size)
    order = np.lexsort((key, orders.unit))
    order = order[orders.energy_wh[order] > 0]
    unit = orders.unit[order]
    return OwnOrders(
        order=order,
        unit=unit,
        key=key[order],
        energy_wh=orders.energy_wh[order],
        is_buy=is_buy[order].astype(np.int64),
        tie=tie[order],
        first=np.searchsorted(unit, np.arange(len(tree.unit_id) + 1)),
    )


def own_steps(own: OwnOrders, n_units: int) -> list[Steps]:
    """Return each unit's curve of its own orders alone."""
    if not own.key.size:
        return [_steps(0, own.key, own.energy_wh, own.tie)] * n_units
    base = np.zeros(n_units, np.int64)
    np.subtract.at(base, own.unit, own.energy_wh * own.is_buy)
    starts = np.ones(own.key.size, np.bool_)
    starts[1:] = (own.key[1:] != own.key[:-1]) | (own.unit[1:] != own.unit[:-1])
    at = np.flatnonzero(starts)
    key, width = own.key[at], np.add.reduceat(own.energy_wh, at)
    tie = np.minimum.reduceat(own.tie, at)
    bounds = np.searchsorted(own.unit[at], np.arange(n_units + 1)).tolist()
    return [_steps(int(base[unit]), key[a:b], width[a:b], tie[a:b]) for unit, (a, b) in enumerate(pairwise(bounds))]


def merged(own: Steps, children: list[Steps]) -> Steps:
    """Return the sum of a unit's own curve and its children's as the unit sees them."""
    parts = [part for part in (own, *children) if part.key.size]
    base = own.base_wh + sum(child.base_wh for child in children)
    if len(parts) < 2:
        part = parts[0] if parts else own
        return part if base == part.base_wh else _steps(base, part.key, part.width_wh, part.tie)
    key = np.concatenate([part.key for part in parts])
    order = key.argsort(kind="stable")
    key = key[order]
    width = np.concatenate([part.width_wh for part in parts])[order]
    tie = np.concatenate([part.tie for part in parts])[order]
    starts = np.ones(key.size, np.bool_)
    np.not_equal(key[1:], key[:-1], out=starts[1:])
    at = starts.nonzero()[0]
    if at.size < key.size:
        key, width, tie = key[at], np.add.reduceat(width, at), np.minimum.reduceat(tie, at)
    return _steps(base, key, width, tie)


def seen_from_parent(curve: Steps, *, export_limit_wh: int, import_limit_wh: int, fee_uyuan_per_kwh: int) -> Steps:
    """Return the curve as the parent sees it: clipped at the edge's limits, its importing part lowered by the fee.

    What comes down costs the parent's price plus the fee, so a buyer at key K is seen at K - 8 * fee; what goes up is
    paid the parent's price. Between the two the edge carries nothing.
    """
    end = curve.end_wh
    low, high = max(curve.base_wh, -import_limit_wh), min(curve.top_wh, export_limit_wh)
    assert low <= 0 <= high, "nothing can always stay put"
    if low == curve.base_wh and high == curve.top_wh and (fee_uyuan_per_kwh == 0 or low == 0):
        return curve
    if low == high:
        return Steps(low, curve.key[:0], curve.width_wh[:0], end[:0], curve.tie[:0])
    first, last = int(end.searchsorted(low, side="right")), int(end.searchsorted(high, side="left"))
    if fee_uyuan_per_kwh == 0 or low == 0:
        kept = slice(first, last + 1)
        return _steps_to(low, curve.key[kept], end[kept].copy(), curve.tie[kept], high)
    down = slice(first, int(end.searchsorted(0, side="left")) + 1)
    key = curve.key[down] - (fee_uyuan_per_kwh << KEY_SHIFT)
    if high == 0:
        return _steps_to(low, key, end[down].copy(), curve.tie[down], high)
    up = slice(int(end.searchsorted(0, side="right")), last + 1)
    both_end = np.concatenate((end[down], end[up]))
    both_end[key.size - 1] = 0
    both_key = np.concatenate((key, curve.key[up]))
    return _steps_to(low, both_key, both_end, np.concatenate((curve.tie[down], curve.tie[up])), high)


def _steps(base_wh: int, key: Int64Array, width_wh: Int64Array, tie: Int64Array) -> Steps:
    return Steps(base_wh, key, width_wh, width_wh.cumsum() + base_wh, tie)


def _steps_to(base_wh: int, key: Int64Array, end_wh: Int64Array, tie: Int64Array, top_wh: int) -> Steps:
    """Return the steps that end at `end_wh`, the last one cut off at `top_wh`."""
    end_wh[-1] = top_wh
    width = end_wh.copy()
    width[1:] -= end_wh[:-1]
    width[0] -= base_wh
    return Steps(base_wh, key, width, end_wh, tie)


def _check_range(tree: BalanceTree, orders: OrderBatch) -> None:
    if not orders.energy_wh.size:
        return
    price = max(int(orders.price_uyuan_per_kwh.max()), -int(orders.price_uyuan_per_kwh.min()))
    fees = sum(tree.fee_uyuan_per_kwh.tolist())
    energy = int(orders.energy_wh.max()) * orders.energy_wh.size
    if (price + fees + 1) << KEY_SHIFT > _KEY_MAX or energy > _ENERGY_MAX_WH:
        raise ClearingRangeError(f"prices up to {price}, fees of {fees} and energies up to {energy} leave 64 bits")
