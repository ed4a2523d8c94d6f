"""How a price is chosen from the interval of prices that support every fill: a rule with a name (DESIGN 5)."""

from enum import Enum
from typing import assert_never

import numpy as np

from hub.market.trades import BoolArray, Int64Array

UNBOUNDED = 2**62
"""Stands for an end of a supporting interval that nothing bounds, with its sign."""


class PriceRule(Enum):
    """How a price is chosen inside its supporting interval. A side without bound leaves the other end; none leaves 0.

    Each rule's price is moved to tick if it then still supports every fill, else it stays in micro-yuan/kWh: the
    midpoint down, the lowest price up and the highest down, away from the end of the interval.
    """

    MIDPOINT = "midpoint"
    LOWEST = "lowest"
    HIGHEST = "highest"


def chosen_prices(low: Int64Array, high: Int64Array, *, tick_uyuan_per_kwh: int, rule: PriceRule) -> Int64Array:
    """Return the price that the rule takes from each interval, ends included, +-UNBOUNDED where nothing bounds it."""
    has_low, has_high = low > -UNBOUNDED, high < UNBOUNDED
    match rule:
        case PriceRule.MIDPOINT:
            # The sum of an end without bound with itself is never used, and does not overflow.
            price = np.where(has_high, np.where(has_low, (low + high) >> 1, high), np.where(has_low, low, 0))
            on_tick = _floored(price, tick_uyuan_per_kwh)
        case PriceRule.LOWEST:
            price = np.where(has_low, low, np.where(has_high, high, 0))
            on_tick = _on_tick(price, up=has_low, tick=tick_uyuan_per_kwh)
        case PriceRule.HIGHEST:
            price = np.where(has_high, high, np.where(has_low, low, 0))
            on_tick = _on_tick(price, up=has_low & ~has_high, tick=tick_uyuan_per_kwh)
        case _:
            assert_never(rule)
    return np.where((low <= on_tick) & (on_tick <= high), on_tick, price)


def chosen_price(low: int, high: int, *, tick_uyuan_per_kwh: int, rule: PriceRule) -> int:
    """Return `chosen_prices` of one interval."""
    ends = np.array([low], np.int64), np.array([high], np.int64)
    return int(chosen_prices(*ends, tick_uyuan_per_kwh=tick_uyuan_per_kwh, rule=rule)[0])


def _floored(price: Int64Array, tick: int) -> Int64Array:
    return price // tick * tick if tick > 1 else price


def _on_tick(price: Int64Array, *, up: BoolArray, tick: int) -> Int64Array:
    """Return the next price on tick, upwards where an interval begins at it, else downwards."""
    return np.where(up, -_floored(-price, tick), _floored(price, tick))
