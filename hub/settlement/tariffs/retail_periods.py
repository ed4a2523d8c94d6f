"""What a retail package's periods and coefficients must be (requirements rows 69, 70; Shandong 2024).

Times are in minutes of a day or in its 96 intervals, coefficients in ppm. The limits are the province's data.
"""

from enum import Enum

import numpy as np

from hub.market.trades import BoolArray, Int8Array
from hub.settlement.provinces.keys import PeriodKind

MINUTES_PER_DAY = 1_440


class RetailPeriodFault(Enum):
    """What is wrong with a retail package's periods or coefficients."""

    DAY_NOT_COVERED = "day-not-covered"
    VALLEY_SHORTER_THAN_PEAK = "valley-shorter-than-peak"
    FLAT_TOO_SHORT = "flat-too-short"
    PEAK_MISSES_SHARP = "peak-misses-sharp"
    PEAK_TAKES_VALLEY = "peak-takes-valley"
    VALLEY_MISSES_DEEP_VALLEY = "valley-misses-deep-valley"
    VALLEY_TAKES_PEAK = "valley-takes-peak"
    PEAK_FACTOR_TOO_LOW = "peak-factor-too-low"
    VALLEY_FACTOR_TOO_HIGH = "valley-factor-too-high"


def retail_duration_faults(
    *, peak_min: int, valley_min: int, flat_min: int, flat_least_min: int
) -> list[RetailPeriodFault]:
    """Return what breaks H_valley >= H_peak, H_flat >= 12 h and the sum of 24 h (row 69).

    :param peak_min: minutes of peak and sharp together
    :param flat_least_min: the least flat time, from the province
    """
    checks = (
        (peak_min + valley_min + flat_min != MINUTES_PER_DAY, RetailPeriodFault.DAY_NOT_COVERED),
        (valley_min < peak_min, RetailPeriodFault.VALLEY_SHORTER_THAN_PEAK),
        (flat_min < flat_least_min, RetailPeriodFault.FLAT_TOO_SHORT),
    )
    return [fault for is_broken, fault in checks if is_broken]


def retail_period_faults(package: Int8Array, government: Int8Array, *, flat_least_min: int) -> list[RetailPeriodFault]:
    """Return what a package's day breaks against the government's periods of that day (row 69).

    Peak takes in all sharp hours and else comes from flat and peak; valley takes in all deep-valley hours and else
    comes from flat and valley; then the times of `retail_duration_faults`.

    :param package, government: kind of each interval, shape (96,)
    """
    peak = _is_one_of(package, PeriodKind.SHARP, PeriodKind.PEAK)
    valley = _is_one_of(package, PeriodKind.VALLEY, PeriodKind.DEEP_VALLEY)
    low = _is_one_of(government, PeriodKind.VALLEY, PeriodKind.DEEP_VALLEY)
    high = _is_one_of(government, PeriodKind.SHARP, PeriodKind.PEAK)
    checks = (
        (bool((~peak & (government == PeriodKind.SHARP)).any()), RetailPeriodFault.PEAK_MISSES_SHARP),
        (bool((peak & low).any()), RetailPeriodFault.PEAK_TAKES_VALLEY),
        (
            bool((~valley & (government == PeriodKind.DEEP_VALLEY)).any()),
            RetailPeriodFault.VALLEY_MISSES_DEEP_VALLEY,
        ),
        (bool((valley & high).any()), RetailPeriodFault.VALLEY_TAKES_PEAK),
    )
    minutes = {name: int(chosen.sum()) * 15 for name, chosen in (("peak", peak), ("valley", valley))}
    flat = int((package == PeriodKind.FLAT).sum()) * 15
    return [
        *(fault for is_broken, fault in checks if is_broken),
        *retail_duration_faults(
            peak_min=minutes["peak"], valley_min=minutes["valley"], flat_min=flat, flat_least_min=flat_least_min
        ),
    ]


def retail_factor_faults(
    *, peak_factor_ppm: int, valley_factor_ppm: int, peak_above_ppm: int, valley_below_ppm: int
) -> list[RetailPeriodFault]:
    """Return what breaks k_p > its limit and k_v < its limit of the month, both strict (row 70)."""
    checks = (
        (peak_factor_ppm <= peak_above_ppm, RetailPeriodFault.PEAK_FACTOR_TOO_LOW),
        (valley_factor_ppm >= valley_below_ppm, RetailPeriodFault.VALLEY_FACTOR_TOO_HIGH),
    )
    return [fault for is_broken, fault in checks if is_broken]


def _is_one_of(kinds: Int8Array, *wanted: PeriodKind) -> BoolArray:
    return np.isin(kinds, [int(kind) for kind in wanted])
