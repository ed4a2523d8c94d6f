"""Forecast and bidding: stated in one line each, always inside what the meter and the session allow."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import Side
from edge.contract.registry import MeteringPoint, MeterKind, SaleMode, SupplyMode
from edge.strategy.bidding import TradingRules, bid_for, marginal_price_uyuan_per_kwh
from edge.strategy.forecast import TREND_DAMPING, forecast_net_wh

POINT = MeteringPoint(
    meter_id="M000001",
    gateway_id="G0001",
    unit_id="A001",
    bus="bus",
    kind=MeterKind.GENERATOR,
    channels=(),
    voltage_class="<1kV",
    participant_id="P00001",
    supply_mode=SupplyMode.DIRECT,
    sale_mode=SaleMode.DIRECT,
    category=None,
    clean=True,
    export_capacity_w=8_000,
    import_capacity_w=400,
)
KINDS = sorted(TREND_DAMPING, key=lambda kind: kind.value)
change = msgspec.structs.replace
rules = st.builds(
    TradingRules,
    price_floor_uyuan_per_kwh=st.integers(-20, 20),
    price_cap_uyuan_per_kwh=st.integers(-20, 40),
    price_tick_uyuan_per_kwh=st.integers(1, 9),
    lot_wh=st.integers(1, 20),
).filter(TradingRules.is_usable)


@pytest.mark.parametrize(
    ("kind", "recent", "expected"),
    [
        (MeterKind.LOAD, (-90,), -90),
        (MeterKind.LOAD, (-50, -90), -90),  # persistence
        (MeterKind.GENERATOR, (1000, 1100), 1244),  # + (0.8 + 0.64) * 100
        (MeterKind.GENERATOR, (1100, 0), -100),  # a plant that fell to nothing: as far as it may import
        (MeterKind.GENERATOR, (1000, 1990), 2000),  # capacity of a quarter of an hour
        (MeterKind.PROSUMER, (100, 200), 256),
        (MeterKind.PROSUMER, (), None),
    ],
)
def test_forecast(kind, recent, expected):
    assert forecast_net_wh(change(POINT, kind=kind), recent) == expected


@given(st.sampled_from(KINDS), st.lists(st.integers(-5000, 5000), min_size=1, max_size=5))
def test_a_forecast_stays_inside_the_capacity_and_a_steady_meter_is_met(kind, recent):
    point = change(POINT, kind=kind)
    assert -100 <= forecast_net_wh(point, recent) <= 2000
    steady = recent[-1]
    assert forecast_net_wh(point, (steady, steady)) == min(max(steady, -100), 2000)


@given(rules, st.integers(-100, 100))
def test_an_allowed_price_is_on_tick_and_inside_the_limits(rule, price):
    allowed = rule.allowed_price(price)
    assert allowed % rule.price_tick_uyuan_per_kwh == 0
    assert rule.price_floor_uyuan_per_kwh <= allowed <= rule.price_cap_uyuan_per_kwh
    lowest = -(-rule.price_floor_uyuan_per_kwh // rule.price_tick_uyuan_per_kwh) * rule.price_tick_uyuan_per_kwh
    if lowest <= price <= rule.price_cap_uyuan_per_kwh:
        assert price - rule.price_tick_uyuan_per_kwh < allowed <= price


@given(rules, st.integers(-3000, 3000), st.sampled_from(KINDS))
def test_a_bid_is_whole_lots_of_what_is_expected(rule, expected, kind):
    bid = bid_for(change(POINT, kind=kind), expected, rule)
    quarter = 2000 if expected > 0 else 100
    lots = min(abs(expected), quarter) // rule.lot_wh
    if lots == 0:
        assert bid is None
    else:
        assert bid is not None
        assert bid.side is (Side.SELL if expected > 0 else Side.BUY)
        assert bid.energy_wh == lots * rule.lot_wh


def test_prices_are_the_meters_own_and_spread_over_their_range():
    ids = [f"M{i:06d}" for i in range(400)]
    for kind, side, low, high in [
        (MeterKind.GENERATOR, Side.SELL, 50_000, 280_000),
        (MeterKind.LOAD, Side.BUY, 450_000, 750_000),
    ]:
        points = [change(POINT, meter_id=meter_id, kind=kind) for meter_id in ids]
        prices = [marginal_price_uyuan_per_kwh(p, side) for p in points]
        assert prices == [marginal_price_uyuan_per_kwh(p, side) for p in points]
        assert low <= min(prices) < low + 20_000
        assert high - 20_000 < max(prices) <= high
        assert len(set(prices)) > 390


def test_the_price_of_a_known_meter_does_not_change_from_one_program_to_the_next():
    assert marginal_price_uyuan_per_kwh(POINT, Side.SELL) == 170_475
    assert marginal_price_uyuan_per_kwh(POINT, Side.BUY) == 619_986
