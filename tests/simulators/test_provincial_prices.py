"""Laws of the provincial price series: level and shape of rows 55-56, seed, negative prices."""

from datetime import date
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.interval import first_interval_of_day
from simulators.provincial_market.prices import P_AVG_UYUAN_PER_KWH, PRICE_STEP_UYUAN_PER_KWH, PriceSeries

DAY = range(first_interval_of_day(date(2016, 5, 17)), first_interval_of_day(date(2016, 5, 18)))


def hourly_means(series: PriceSeries, day: range = DAY) -> list[float]:
    prices = [series.day_ahead_uyuan_per_kwh(interval) for interval in day]
    return [fmean(prices[hour * 4 : hour * 4 + 4]) for hour in range(24)]


def test_bare_shape_is_row_55s_acceptance_case() -> None:
    series = PriceSeries(1, noise=False, mean_uyuan_per_kwh=400_000)
    prices = [series.day_ahead_uyuan_per_kwh(interval) for interval in DAY]
    assert min(prices) == 200_000
    assert max(prices) == 540_000
    assert max(prices) * 10 == 27 * min(prices)
    assert sum(prices) == 96 * 400_000
    assert [prices.index(200_000), len(prices) - prices[::-1].index(200_000)] == [12 * 4, 14 * 4]
    assert [prices.index(540_000), len(prices) - prices[::-1].index(540_000)] == [17 * 4, 19 * 4]
    morning = prices[6 * 4 : 9 * 4]
    assert min(morning) > max(prices[: 6 * 4] + prices[9 * 4 : 17 * 4])


@given(seed=st.integers(0, 5), offset_days=st.integers(-3, 3))
def test_noise_keeps_level_and_shape(seed: int, offset_days: int) -> None:
    day = range(DAY.start + 96 * offset_days, DAY.stop + 96 * offset_days)
    means = hourly_means(PriceSeries(seed), day)
    assert fmean(means) == pytest.approx(P_AVG_UYUAN_PER_KWH, rel=0.02)
    assert min(means[12:14]) == min(means) < 0.53 * P_AVG_UYUAN_PER_KWH
    assert max(means[17:19]) == max(means) > 1.31 * P_AVG_UYUAN_PER_KWH


@given(seed=st.integers(0, 5), position=st.integers(0, 95), negative=st.booleans())
def test_indicative_follows_day_ahead_and_real_time_scatters_around_it(
    seed: int, position: int, negative: bool
) -> None:
    series = PriceSeries(seed, negative)
    interval = DAY.start + position
    day_ahead, indicative = series.day_ahead_uyuan_per_kwh(interval), series.indicative_uyuan_per_kwh(interval)
    real_time = series.real_time_uyuan_per_kwh(interval)
    assert abs(indicative - day_ahead) <= 0.015 * P_AVG_UYUAN_PER_KWH + PRICE_STEP_UYUAN_PER_KWH
    assert abs(real_time - indicative) <= 0.2 * P_AVG_UYUAN_PER_KWH + PRICE_STEP_UYUAN_PER_KWH
    assert all(price % PRICE_STEP_UYUAN_PER_KWH == 0 for price in (day_ahead, indicative, real_time))


def test_the_seed_alone_decides() -> None:
    def day(seed: int) -> list[int]:
        return [PriceSeries(seed).real_time_uyuan_per_kwh(interval) for interval in DAY]

    assert day(7) == day(7)
    assert day(7) != day(8)
    # One interval asked alone gives what the whole day gives: no state runs along.
    assert PriceSeries(7).real_time_uyuan_per_kwh(DAY[50]) == day(7)[50]


def test_prices_are_pinned_for_one_seed() -> None:
    series = PriceSeries(1)
    interval = DAY[50]
    assert (
        series.day_ahead_uyuan_per_kwh(interval),
        series.indicative_uyuan_per_kwh(interval),
        series.real_time_uyuan_per_kwh(interval),
    ) == (222_590, 222_650, 251_510)


@given(seed=st.integers(0, 5))
def test_negative_prices_only_on_request_and_at_midday(seed: int) -> None:
    usual, sunny = PriceSeries(seed), PriceSeries(seed, negative_prices=True)
    for price in (
        PriceSeries.day_ahead_uyuan_per_kwh,
        PriceSeries.indicative_uyuan_per_kwh,
        PriceSeries.real_time_uyuan_per_kwh,
    ):
        assert all(price(usual, interval) > 0 for interval in DAY)
        negative = [interval - DAY.start for interval in DAY if price(sunny, interval) < 0]
        assert set(range(12 * 4, 14 * 4)) <= set(negative) <= set(range(11 * 4, 15 * 4))
