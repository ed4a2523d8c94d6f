"""One uniform-price call auction: the clearing of a single unit without fees or limits, for very many orders.

The result is that of `tree_clearing.clear` on a tree of one unit, found without sorting all orders. Of all orders,
sold or bought, the energy with a key (net_supply.py) up to K is

    sum(sold, key <= K) + sum(bought, key <= K) = net supply at K + everything that is wanted,

so the clearing key is a weighted quantile: the first K at which that energy reaches what is wanted. A sample tells
between which two prices it lies; only the orders between them are sorted. Masks are whole numbers of 64 bits, all ones
or none, because numpy then goes through a column as fast as it can add it up.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.net_supply import BUY, CLEAN_SELL, KEY_SHIFT, OTHER_SELL, ClearingRangeError
from hub.market.price_rule import UNBOUNDED, PriceRule, chosen_price
from hub.market.pro_rata import largest_remainder
from hub.market.sorting import sorted_rows, starts_of_equals
from hub.market.trades import Int64Array, OrderBatch, Party, TradeSide

_SAMPLE = 4_096
_SAMPLE_MARGIN = 160
"""Rows of the sorted sample between the estimate and either end: four times what 4,096 draws scatter by."""

_SIGN_BIT = 63
_ENERGY_MAX_WH = 2**61
_PRICE_MAX = 2**55
_BUYS, _PROVINCE = int(TradeSide.BUY), int(Party.PROVINCE)


@dataclass(frozen=True)
class AuctionResult:
    """What one auction found. filled_wh: shape (n_orders,). low, high: the prices that support every fill, with ends,
    +-price_rule.UNBOUNDED where nothing bounds them; volume_wh: what was sold, which is what was bought.
    """

    filled_wh: Int64Array
    price_uyuan_per_kwh: int
    low_uyuan_per_kwh: int
    high_uyuan_per_kwh: int
    volume_wh: int
    price_rule: str


@dataclass(frozen=True)
class _Crossing:
    """Where supply meets demand: the key of the last step taken (None: no step is), what of it is missing, the prices
    that support the fills, and the rows of the orders at the last step's price.
    """

    key: int | None
    missing_wh: int
    low: int
    high: int
    row: Int64Array


def run_call_auction(
    orders: OrderBatch,
    *,
    tick_uyuan_per_kwh: int,
    clean_first: bool = True,
    price_rule: PriceRule = PriceRule.MIDPOINT,
) -> AuctionResult:
    """Return fills and the one price of the largest welfare, marginal energy pro rata by largest remainder.

    Ties: price, then clean offers (if `clean_first`), then pro rata by largest remainder, then time, then order id.

    :param orders: sorted by order id, none of them the province's; units are not looked at
    :raises ClearingRangeError: if sums could leave 64 bits
    """
    _check_range(orders)
    is_bought = -orders.side.astype(np.int64)
    wanted_wh = int((orders.energy_wh & is_bought).sum())
    crossing = _crossing(orders, wanted_wh, clean_first=clean_first)
    price = chosen_price(crossing.low, crossing.high, tick_uyuan_per_kwh=tick_uyuan_per_kwh, rule=price_rule)
    # Sellers fill below the last step's price, buyers from it on; orders at that price follow one by one.
    filled = is_bought
    if crossing.key is not None:
        last_price = crossing.key >> KEY_SHIFT
        is_below = orders.price_uyuan_per_kwh - last_price
        is_below >>= _SIGN_BIT
        filled ^= is_below
    filled &= orders.energy_wh
    if crossing.key is not None:
        _fill_at_price(filled, orders, crossing, clean_first=clean_first)
    filled.setflags(write=False)
    both_sides_wh = int(filled.sum())
    assert both_sides_wh % 2 == 0, "as much is sold as bought"
    return AuctionResult(filled, price, crossing.low, crossing.high, both_sides_wh // 2, price_rule.value)


def _check_range(orders: OrderBatch) -> None:
    if not orders.energy_wh.size:
        return
    energy = int(orders.energy_wh.max()) * orders.energy_wh.size
    price = max(int(orders.price_uyuan_per_kwh.max()), -int(orders.price_uyuan_per_kwh.min()))
    if energy > _ENERGY_MAX_WH or price > _PRICE_MAX:
        raise ClearingRangeError(f"prices up to {price} and energies up to {energy} leave 64 bits")
    assert not np.count_nonzero(orders.party == _PROVINCE), "the province trades on the tree"


def _crossing(orders: OrderBatch, wanted_wh: int, *, clean_first: bool) -> _Crossing:
    """Return the crossing, looking at first only where a sample says that it lies."""
    energy = orders.energy_wh
    if energy.size > 4 * _SAMPLE and wanted_wh:
        lowest, highest = _bracket(orders, wanted_wh)
        above_lowest = orders.price_uyuan_per_kwh - lowest
        row = (above_lowest.view(np.uint64) <= highest - lowest).nonzero()[0]
        above_lowest >>= _SIGN_BIT
        above_lowest &= energy
        before_wh = int(above_lowest.sum())
        found = _crossing_among(orders, row, wanted_wh - before_wh, clean_first=clean_first)
        if found is not None:
            return found
    everything = energy.nonzero()[0]
    found = _crossing_among(orders, everything, wanted_wh, clean_first=clean_first, is_all=True)
    assert found is not None
    return found


def _bracket(orders: OrderBatch, wanted_wh: int) -> tuple[int, int]:
    """Return two prices between which the clearing price probably lies, from a regular sample."""
    every = orders.energy_wh.size // _SAMPLE
    price = orders.price_uyuan_per_kwh[::every]
    cheapest = int(price.min())
    price, row = sorted_rows(price - cheapest, key_bits=(int(price.max()) - cheapest).bit_length())
    energy_up_to = orders.energy_wh[::every][row].cumsum()
    estimate = int(energy_up_to.searchsorted(wanted_wh // every))
    first, last = max(estimate - _SAMPLE_MARGIN, 0), min(estimate + _SAMPLE_MARGIN, price.size - 1)
    return int(price[first]) + cheapest, int(price[last]) + cheapest


def _crossing_among(
    orders: OrderBatch, row: Int64Array, wanted_wh: int, *, clean_first: bool, is_all: bool = False
) -> _Crossing | None:
    """Return the crossing if it and the step after it lie among these rows, which hold all orders of their prices.

    :param wanted_wh: what is wanted less the energy at lower prices
    """
    if row.size == 0 or (not is_all and wanted_wh <= 0):
        return _Crossing(None, 0, -UNBOUNDED, UNBOUNDED, row) if is_all else None
    key = (orders.price_uyuan_per_kwh[row] << KEY_SHIFT) + _ranks(orders, row, clean_first=clean_first)
    key_min = int(key.min())
    key, order = sorted_rows(key - key_min, key_bits=(int(key.max()) - key_min).bit_length())
    row = row[order]
    at = starts_of_equals(key)
    end_wh = orders.energy_wh[row].cumsum()
    end_of_step = np.append(end_wh[at[1:] - 1], end_wh[-1])
    prices = (key[at] + key_min) >> KEY_SHIFT
    if wanted_wh <= 0:
        return _Crossing(None, 0, -UNBOUNDED, int(prices[0]), row[:0])
    step = int(end_of_step.searchsorted(wanted_wh))
    if step == at.size:
        return None
    missing_wh = int(end_of_step[step]) - wanted_wh
    following = step if missing_wh else step + 1
    if following == at.size and not is_all:
        return None
    high = int(prices[following]) if following < at.size else UNBOUNDED
    low = int(prices[step])
    same_price = slice(
        int(at[prices.searchsorted(low)]), int(np.append(at, row.size)[prices.searchsorted(low, "right")])
    )
    return _Crossing(int(key[at[step]]) + key_min, missing_wh, low, high, row[same_price])


def _ranks(orders: OrderBatch, row: Int64Array, *, clean_first: bool) -> Int64Array:
    sell_rank = np.where(orders.clean[row] & clean_first, CLEAN_SELL, OTHER_SELL)
    return np.where(orders.side[row] == _BUYS, BUY, sell_rank)


def _fill_at_price(filled: Int64Array, orders: OrderBatch, crossing: _Crossing, *, clean_first: bool) -> None:
    """Set the fills of the orders at the last step's price: before it as it comes, in it pro rata, none after it."""
    row = crossing.row
    assert crossing.key is not None
    key = (orders.price_uyuan_per_kwh[row] << KEY_SHIFT) + _ranks(orders, row, clean_first=clean_first)
    is_buy, energy = orders.side[row] == _BUYS, orders.energy_wh[row]
    filled[row] = np.where((key <= crossing.key) != is_buy, energy, 0)
    last = (key == crossing.key).nonzero()[0]
    if crossing.missing_wh:
        weight = energy[last]
        bought = bool(is_buy[last[0]])
        total = crossing.missing_wh if bought else int(weight.sum()) - crossing.missing_wh
        rank = np.empty(last.size, np.int64)
        rank[np.lexsort((row[last], orders.submitted_utc_s[row[last]]))] = np.arange(last.size)
        filled[row[last]] = largest_remainder(total, weight, rank)
