"""The shape of provincial prices as dated parameters, and the figures by which prices are compared (rows 55, 56)."""

from dataclasses import dataclass

import msgspec

from hub.market.listing.publication import divide_half_up
from hub.market.pro_rata import largest_remainder_of_list
from hub.market.registry.periods import Period

PPM = 1_000_000
HOURS_PER_DAY = 24


class PriceShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a province's prices lie over the day (row 55).

    lowest_to_mean_ppm: deep valley price over the mean (Shandong 0.5). highest_to_lowest_ppm: peak over valley (2.7).
    lowest_hours, highest_hours: hours of the day by their start, 0 to 23; all others share what the mean leaves.
    """

    province: str
    period: Period
    document: str
    lowest_to_mean_ppm: int
    highest_to_lowest_ppm: int
    lowest_hours: tuple[int, ...]
    highest_hours: tuple[int, ...]


class PriceShapeError(ValueError):
    """A shape whose hours or ratios contradict each other; the text says how."""


@dataclass(frozen=True)
class ShapedPrices:
    """Prices by hour, 24 of them, micro-yuan/kWh; their mean is the mean asked for, exactly."""

    lowest_uyuan_per_kwh: int
    highest_uyuan_per_kwh: int
    by_hour_uyuan_per_kwh: tuple[int, ...]


def shaped_prices(shape: PriceShape, mean_uyuan_per_kwh: int) -> ShapedPrices:
    """Return P_min = ratio x P_avg, P_max = ratio x P_min and a day of 24 prices with that mean (row 55).

    :param mean_uyuan_per_kwh: >= 0
    :raises PriceShapeError: if the hours overlap, leave the day, or leave no price to the other hours
    """
    hours = [*shape.lowest_hours, *shape.highest_hours]
    if len(set(hours)) != len(hours) or not set(hours) <= set(range(HOURS_PER_DAY)):
        raise PriceShapeError(f"{shape.province}: hours {hours} overlap or lie outside the day")
    lowest = divide_half_up(mean_uyuan_per_kwh * shape.lowest_to_mean_ppm, PPM)
    highest = divide_half_up(lowest * shape.highest_to_lowest_ppm, PPM)
    fixed = lowest * len(shape.lowest_hours) + highest * len(shape.highest_hours)
    rest = mean_uyuan_per_kwh * HOURS_PER_DAY - fixed
    others = [hour for hour in range(HOURS_PER_DAY) if hour not in set(hours)]
    if not others or not lowest * len(others) <= rest <= highest * len(others):
        raise PriceShapeError(f"{shape.province}: {rest} micro-yuan are left for {len(others)} hours")
    low_share = rest // len(others)
    odd = largest_remainder_of_list(rest - low_share * len(others), [1] * len(others))
    price = dict.fromkeys(shape.lowest_hours, lowest) | dict.fromkeys(shape.highest_hours, highest)
    price |= {hour: low_share + one for hour, one in zip(others, odd, strict=True)}
    return ShapedPrices(lowest, highest, tuple(price[hour] for hour in range(HOURS_PER_DAY)))


def change_ppm(new_uyuan_per_kwh: int, old_uyuan_per_kwh: int) -> int:
    """Return new / old - 1 in millionths, half up (row 56).

    :param old_uyuan_per_kwh: > 0
    """
    return divide_half_up((new_uyuan_per_kwh - old_uyuan_per_kwh) * PPM, old_uyuan_per_kwh)


def mixed_price_nano_yuan(
    energy_wh: int, *, fixed_share_ppm: int, fixed_uyuan_per_kwh: int, linked_uyuan_per_kwh: int
) -> int:
    """Return what energy costs, a share of it at a fixed and the rest at a market-linked price (row 56).

    The fixed share is rounded to whole Wh.
    """
    fixed_wh = divide_half_up(energy_wh * fixed_share_ppm, PPM)
    return fixed_wh * fixed_uyuan_per_kwh + (energy_wh - fixed_wh) * linked_uyuan_per_kwh
