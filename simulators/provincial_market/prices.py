"""Provincial prices of an interval, as a pure function of seed and interval: day-ahead, indicative, real-time.

Level: the mean of requirements row 56, 443.1 yuan/MWh. Shape: row 55, Shandong: deep valley 12-14 h at 0.5 of the
mean, evening peak 17-19 h at 1.35 of the mean (peak : valley = 2.7), morning peak 6-9 h. Integers throughout; the
noise comes from a hash of seed and interval, so any interval's price can be computed alone and on any machine.
"""

from dataclasses import dataclass
from typing import Final

from edge.contract.interval import position_in_day
from simulators.seeded_draws import draw_below

P_AVG_UYUAN_PER_KWH: Final = 443_100
PRICE_STEP_UYUAN_PER_KWH: Final = 10  # the exchange publishes yuan/MWh with two decimals
INTERVALS_PER_HOUR: Final = 4

# Per mille of the mean price, by hour of the operating day; sums to 24,000, so that the mean of the day is the mean.
SHAPE_PER_MILLE: Final = (
    *(1000,) * 6,  # 00-06
    *(1150,) * 3,  # 06-09 morning peak
    *(850,) * 3,  # 09-12
    *(500,) * 2,  # 12-14 deep valley
    *(850,) * 3,  # 14-17
    *(1350,) * 2,  # 17-19 evening peak
    *(1150,) * 5,  # 19-24
)
# On request: so much sun that the province pays for being rid of energy.
SHAPE_NEGATIVE_PER_MILLE: Final = (*SHAPE_PER_MILLE[:11], 150, -120, -120, 150, *SHAPE_PER_MILLE[15:])

# Largest distance, per mille of the mean price: day-ahead from its shape, indicative from day-ahead, real-time from
# indicative.
NOISE_DAY_AHEAD_PER_MILLE: Final = 20
NOISE_INDICATIVE_PER_MILLE: Final = 15
NOISE_REAL_TIME_PER_MILLE: Final = 200
_NOISE_MEMORY_INTERVALS: Final = 4


@dataclass(frozen=True)
class PriceSeries:
    """The provincial prices of every interval. `noise=False` gives the bare shape for all three prices."""

    seed: int
    negative_prices: bool = False
    noise: bool = True
    mean_uyuan_per_kwh: int = P_AVG_UYUAN_PER_KWH

    def day_ahead_uyuan_per_kwh(self, interval: int) -> int:
        """Return P_DA of the interval in micro-yuan/kWh."""
        return _on_step(self._day_ahead(interval))

    def indicative_uyuan_per_kwh(self, interval: int) -> int:
        """Return the indicative price r of the interval in micro-yuan/kWh; it stays close to P_DA."""
        return _on_step(self._indicative(interval))

    def real_time_uyuan_per_kwh(self, interval: int) -> int:
        """Return P_RT of the interval in micro-yuan/kWh; it scatters around r."""
        return _on_step(self._indicative(interval) + self._noise("real-time", interval, NOISE_REAL_TIME_PER_MILLE))

    def _day_ahead(self, interval: int) -> int:
        shape = SHAPE_NEGATIVE_PER_MILLE if self.negative_prices else SHAPE_PER_MILLE
        level = shape[position_in_day(interval) // INTERVALS_PER_HOUR] * self.mean_uyuan_per_kwh // 1000
        return level + self._noise("day-ahead", interval, NOISE_DAY_AHEAD_PER_MILLE)

    def _indicative(self, interval: int) -> int:
        return self._day_ahead(interval) + self._noise("indicative", interval, NOISE_INDICATIVE_PER_MILLE)

    def _noise(self, name: str, interval: int, amplitude_per_mille: int) -> int:
        """Return a number in +-amplitude of the mean price: the mean of four draws that neighbours share."""
        if not self.noise:
            return 0
        amplitude = self.mean_uyuan_per_kwh * amplitude_per_mille // 1000
        draws = (draw_below(2 * amplitude + 1, self.seed, name, interval - k) for k in range(_NOISE_MEMORY_INTERVALS))
        return sum(draws) // _NOISE_MEMORY_INTERVALS - amplitude


def _on_step(price_uyuan_per_kwh: int) -> int:
    """Return the price rounded half up to the exchange's step."""
    return (price_uyuan_per_kwh + PRICE_STEP_UYUAN_PER_KWH // 2) // PRICE_STEP_UYUAN_PER_KWH * PRICE_STEP_UYUAN_PER_KWH
