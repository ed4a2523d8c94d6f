"""The province's orders at the gateway, and the schedule that follows from the county's net position."""

from collections.abc import Callable

import numpy as np
import pytest

from hub.market.books import ProvinceOrders
from hub.market.province.gateway_orders import (
    GatewayOrders,
    GatewayRefusal,
    GatewayRefused,
    ProvincialPrices,
    SessionPrice,
    gateway_orders,
)
from hub.market.province.net_position import (
    ExchangePlan,
    ScheduleError,
    check_balanced,
    check_plan,
    net_export_wh,
    plan_from_clearing,
    plan_from_net,
    with_increments,
)
from hub.market.registry.provincial_rules import SpotLimits
from hub.market.trades import Party, TradeSide
from hub.market.tree_clearing import clear

S, B, D, P = TradeSide.SELL, TradeSide.BUY, Party.DIRECT, Party.PROVINCE
LIMITS = SpotLimits(-80_000, 1_500_000, 1_000_000, None)
BOTH = ProvincialPrices(420_000, 300_000)


def test_import_stands_at_p_and_the_way_here_and_export_at_p_both_inside_the_tie(make_tree: Callable) -> None:
    """The worked interval's province: 0.30 + 0.14 = 0.44; here with an upstream loss of 0.01 and a tie."""
    tree = make_tree([-1], import_limit=[9_000], export_limit=[4_000])
    rolling = gateway_orders(
        tree,
        price=SessionPrice.INDICATIVE,
        published=BOTH,
        limits=LIMITS,
        gateway_fee_uyuan_per_kwh=140_000,
        upstream_loss_uyuan_per_kwh=10_000,
    )
    assert rolling == GatewayOrders(SessionPrice.INDICATIVE, ProvinceOrders(9_000, 450_000, 4_000, 300_000))


@pytest.mark.parametrize(
    ("price", "published", "way", "reason"),
    [
        (SessionPrice.DAY_AHEAD, ProvincialPrices(None, 1), 0, GatewayRefusal.NO_PRICE),
        (SessionPrice.INDICATIVE, ProvincialPrices(1, None), 0, GatewayRefusal.NO_PRICE),
        (SessionPrice.DAY_AHEAD, ProvincialPrices(-80_001, 1), 0, GatewayRefusal.BELOW_FLOOR),
        (SessionPrice.DAY_AHEAD, ProvincialPrices(1_500_001, 1), 0, GatewayRefusal.ABOVE_CAP),
        (SessionPrice.DAY_AHEAD, BOTH, -1, GatewayRefusal.IMPORT_BELOW_EXPORT),
    ],
)
def test_what_is_refused_has_its_reason(
    make_tree: Callable, price: SessionPrice, published: ProvincialPrices, way: int, reason: GatewayRefusal
) -> None:
    outcome = gateway_orders(
        make_tree([-1]),
        price=price,
        published=published,
        limits=LIMITS,
        gateway_fee_uyuan_per_kwh=way,
        upstream_loss_uyuan_per_kwh=0,
    )
    assert isinstance(outcome, GatewayRefused)
    assert outcome.reason is reason


@pytest.mark.parametrize("spot", [-80_000, -1, 0, 1_500_000])
def test_prices_at_the_limits_and_below_zero_stand(make_tree: Callable, make_batch: Callable, spot: int) -> None:
    """At a negative price a seller who asks for nothing does not export; the county would have to pay."""
    tree = make_tree([-1])
    outcome = gateway_orders(
        tree,
        price=SessionPrice.DAY_AHEAD,
        published=ProvincialPrices(spot, None),
        limits=LIMITS,
        gateway_fee_uyuan_per_kwh=140_000,
        upstream_loss_uyuan_per_kwh=0,
    )
    assert isinstance(outcome, GatewayOrders)
    orders = outcome.orders
    batch = make_batch(
        [
            (0, S, D, 1_000, 0),
            (0, S, P, orders.import_wh, orders.import_price_uyuan_per_kwh),
            (0, B, P, orders.export_wh, orders.export_price_uyuan_per_kwh),
        ]
    )
    result = clear(tree, batch, tick_uyuan_per_kwh=1)
    assert result.filled_wh.tolist() == ([0, 0, 0] if spot < 0 else [1_000, 0, 1_000])


def test_the_schedule_is_the_cleared_net_position(make_tree: Callable, make_batch: Callable) -> None:
    """Rows 17, 27: generation 500, load and loss 1,530 -> import 1,030; generation 2,000, load 1,540 -> export 460."""
    tree = make_tree([-1])
    results = []
    for generated, used in ((500_000, 1_530_000), (2_000_000, 1_540_000)):
        rows = [(0, S, D, generated, 0), (0, B, D, used, 1_500_000)]
        rows += [(0, S, P, 10**9, 440_000), (0, B, P, 10**9, 300_000)]
        results.append(clear(tree, make_batch(rows), tick_uyuan_per_kwh=1))
    plan = plan_from_clearing(1000, results)
    assert (plan.import_wh.tolist(), plan.export_wh.tolist()) == ([1_030_000, 0], [0, 460_000])
    assert check_plan(plan, [tree, tree]) == []
    assert check_balanced(plan, results) == []
    short = plan_from_net(1000, net_export_wh(plan) - 1)
    assert len(check_balanced(short, results)) == 2


def test_rolling_sessions_change_the_day_ahead_schedule_by_what_they_trade() -> None:
    day_ahead = plan_from_net(1000, np.array([-30_000, 4_000, 0], np.int64))
    rolling = plan_from_net(1000, np.array([5_000, -9_000, -1], np.int64))
    real_time = with_increments(day_ahead, rolling)
    assert (real_time.import_wh.tolist(), real_time.export_wh.tolist()) == ([25_000, 5_000, 1], [0, 0, 0])
    with pytest.raises(ScheduleError):
        with_increments(day_ahead, plan_from_net(1001, np.zeros(3, np.int64)))


def test_the_check_sees_both_directions_and_an_exchange_beyond_the_tie(make_tree: Callable) -> None:
    tree = make_tree([-1], import_limit=[10], export_limit=[5])
    plan = ExchangePlan(7, np.array([11, 0, 1, -1], np.int64), np.array([0, 6, 1, 0], np.int64))
    assert [one.what for one in check_plan(plan, [tree] * 4)] == [
        "import 11 Wh is beyond the tie",
        "export 6 Wh is beyond the tie",
        "import and export in one interval",
        "a negative exchange",
    ]
