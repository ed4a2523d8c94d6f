"""Limits of prices by period: mid/long-term, retail and generators (requirements rows 75, 76, 77).

Prices micro-yuan/kWh, ratios ppm; limits are rounded half-up to 1 micro-yuan/kWh once, at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up


class FloatRatioReading(Enum):
    """How a float ratio f is read in the printed floor B 0.8 (1 - f) 0.8 (row 75).

    MAGNITUDE takes |f|; NON_NEGATIVE refuses a negative one, which would give an empty band.
    """

    MAGNITUDE = "magnitude"
    NON_NEGATIVE = "non-negative"


class PeriodLimitError(ValueError):
    """Numbers that give no band of prices; the text says which."""


@dataclass(frozen=True)
class PriceBand:
    """Lowest and highest price allowed, both included."""

    floor_uyuan_per_kwh: int
    cap_uyuan_per_kwh: int


class GeneratorFloatFault(Enum):
    """What is wrong with a generator's period prices (row 77)."""

    PEAK_TOO_LOW = "peak-too-low"
    VALLEY_TOO_HIGH = "valley-too-high"


def contract_period_band(
    benchmark_uyuan_per_kwh: int,
    float_ratio_ppm: int,
    *,
    benchmark_ratio_ppm: int,
    period_ratio_ppm: int,
    reading: FloatRatioReading = FloatRatioReading.MAGNITUDE,
) -> PriceBand:
    """Return cap = B (1 + a)(1 + f)(1 + b) and floor = B (1 - a)(1 - f)(1 - b) of a period (row 75).

    :param float_ratio_ppm: f, the period's policy ratio
    :param benchmark_ratio_ppm, period_ratio_ppm: a and b, 20 % each in Shanxi
    :raises PeriodLimitError: if f is negative where that is refused, or the band is empty
    """
    if reading is FloatRatioReading.NON_NEGATIVE and float_ratio_ppm < 0:
        raise PeriodLimitError(f"row 75: the float ratio is {float_ratio_ppm} ppm; load its magnitude")
    ratios = (benchmark_ratio_ppm, abs(float_ratio_ppm), period_ratio_ppm)
    cap = floor = benchmark_uyuan_per_kwh
    for ratio in ratios:
        cap, floor = cap * (PPM + ratio), floor * (PPM - ratio)
    band = PriceBand(divide_half_up(floor, PPM ** len(ratios)), divide_half_up(cap, PPM ** len(ratios)))
    if band.floor_uyuan_per_kwh > band.cap_uyuan_per_kwh:
        raise PeriodLimitError(f"row 75: the band of {benchmark_uyuan_per_kwh} micro-yuan/kWh is empty")
    return band


def retail_period_band(bands: Sequence[PriceBand], *, cap_uplift_ppm: int) -> PriceBand:
    """Return a retail period's band: mean of the quarter's three caps raised, mean of its three floors (row 76).

    :raises PeriodLimitError: if there are not three months or the band is empty
    """
    if len(bands) != 3:
        raise PeriodLimitError(f"row 76: {len(bands)} months of limits; load the three of the quarter")
    caps = sum(band.cap_uyuan_per_kwh for band in bands)
    floors = sum(band.floor_uyuan_per_kwh for band in bands)
    band = PriceBand(divide_half_up(floors, 3), divide_half_up(caps * (PPM + cap_uplift_ppm), 3 * PPM))
    if band.floor_uyuan_per_kwh > band.cap_uyuan_per_kwh:
        raise PeriodLimitError("row 76: the floors lie above the caps; load the quarter's limits again")
    return band


def generator_float_faults(
    *,
    flat_uyuan_per_kwh: int,
    peak_uyuan_per_kwh: int | None,
    valley_uyuan_per_kwh: int | None,
    up_min_ppm: int,
    down_min_ppm: int,
    is_energy_conversion: bool = False,
) -> list[GeneratorFloatFault]:
    """Return what breaks P_peak >= P_flat (1 + u) and P_valley <= P_flat (1 - d), exact (row 77).

    :param is_energy_conversion: energy for storage charging or hydrogen is excluded from the rule
    """
    if is_energy_conversion:
        return []
    found = []
    if peak_uyuan_per_kwh is not None and peak_uyuan_per_kwh * PPM < flat_uyuan_per_kwh * (PPM + up_min_ppm):
        found.append(GeneratorFloatFault.PEAK_TOO_LOW)
    if valley_uyuan_per_kwh is not None and valley_uyuan_per_kwh * PPM > flat_uyuan_per_kwh * (PPM - down_min_ppm):
        found.append(GeneratorFloatFault.VALLEY_TOO_HIGH)
    return found
