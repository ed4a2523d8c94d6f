"""Setpoints, tightened limits and the expected physical state, by cases worked by hand and on whole counties."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from hub.market.books import BookFills, split_book_fills
from hub.market.checks import NetworkValue, check_network_values, check_setpoints
from hub.market.registry_columns import MeteringPoints
from hub.market.security import (
    NO_SETPOINT,
    expected_net_export_wh,
    limited_units,
    net_export_fills_wh,
    no_control,
    setpoints_wh,
    tighten,
    units_behind,
)
from hub.market.trades import NO_LIMIT_WH, BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

S, B = TradeSide.SELL, TradeSide.BUY
D = Party.DIRECT
County = Callable[..., SimpleNamespace]


def points_of(unit: list[int], sale: list[int], supply: list[int]) -> MeteringPoints:
    n = len(unit)
    return MeteringPoints(
        meter_id=tuple(f"M{i}" for i in range(n)),
        unit=np.array(unit, np.int64),
        sale=np.array(sale, np.int8),
        supply=np.array(supply, np.int8),
        clean=np.ones(n, np.bool_),
        export_capacity_wh=np.full(n, 999, np.int64),
        import_capacity_wh=np.full(n, 999, np.int64),
        user_tariff_uyuan_per_kwh=np.zeros(n, np.int64),
    )


def test_units_behind_are_the_flagged_ones_and_all_below(make_tree: Callable[..., BalanceTree]) -> None:
    tree = make_tree([-1, 0, 0, 1, 3, 2])
    flagged = np.array([False, True, False, False, False, False])
    assert units_behind(tree, flagged).tolist() == [False, True, False, True, True, False]


def test_limits_only_go_down_and_a_flagged_edge_below_its_limit_becomes_controlled(
    make_tree: Callable[..., BalanceTree], make_batch: Callable[..., OrderBatch]
) -> None:
    tree = make_tree([-1, 0, 0, 0], export_limit=[None, 50, None, 80])
    orders = make_batch([(1, S, D, 90, 1), (2, S, D, 30, 1), (3, S, D, 70, 1), (0, B, D, 900, 9)])
    result = clear(tree, orders, tick_uyuan_per_kwh=1)
    assert result.flow_up_wh.tolist() == [0, 50, 30, 70]
    asked = np.array([NO_LIMIT_WH, 60, 40, -5], np.int64)
    tightened = tighten(tree, result, no_control(tree), asked)
    assert tightened.tree.export_limit_wh.tolist() == [NO_LIMIT_WH, 50, 40, 0]
    assert tightened.controlled.tolist() == [False, False, True, False]
    again = tighten(tightened.tree, result, tightened.controlled, np.full(4, NO_LIMIT_WH))
    assert again.tree.export_limit_wh.tolist() == tightened.tree.export_limit_wh.tolist()
    assert again.controlled.tolist() == tightened.controlled.tolist()
    second = clear(again.tree, orders, tick_uyuan_per_kwh=1)
    assert limited_units(again.tree, second, again.controlled).tolist() == [False, True, True, True]


def test_setpoints_are_fills_of_direct_and_book_sellers_behind_a_limited_edge_only(
    make_batch: Callable[..., OrderBatch],
) -> None:
    points = points_of([1, 1, 1, 2, 1], [D, Party.PURCHASE, -1, D, D], [-1, Party.SUPPLY, D, -1, D])
    orders = make_batch([(1, S, D, 70, 1), (1, S, D, 30, 2), (1, B, D, 20, 9), (2, S, D, 40, 1)], meters=[0, 0, 2, 3])
    filled = np.array([70, 10, 20, 40], np.int64)
    fills = BookFills(np.array([0, 25, 0, 0, 0], np.int64), np.zeros(5, np.int64))
    limited = np.array([False, True, False])
    setpoint = setpoints_wh(limited, orders, points, filled, fills)
    assert setpoint.tolist() == [80, 25, NO_SETPOINT, NO_SETPOINT, 0]
    net = net_export_fills_wh(orders, points, filled, fills)
    assert check_setpoints(points, limited, net, setpoint) == []
    for meter, wrong in ((0, 81), (2, 0), (3, 40)):
        changed = setpoint.copy()
        changed[meter] = wrong
        assert [one.where for one in check_setpoints(points, limited, net, changed)] == [f"M{meter}"]


def test_the_expected_state_has_all_load_and_generation_capped_by_setpoints(
    make_batch: Callable[..., OrderBatch],
) -> None:
    points = points_of([1] * 5, [D, Party.PURCHASE, -1, D, D], [-1, Party.SUPPLY, D, D, D])
    orders = make_batch([(1, S, D, 70, 1), (1, S, D, 30, 2), (1, B, D, 20, 9), (1, B, D, 15, 3)], meters=[0, 0, 2, 3])
    forecast = {
        "import_forecast_wh": np.array([5, 0, 500, 0, 8], np.int64),
        "export_forecast_wh": np.array([0, 60, 0, 44, 0], np.int64),
    }
    free = expected_net_export_wh(orders, points, **forecast, setpoint_wh=np.full(5, NO_SETPOINT))
    assert free.tolist() == [100, 60, -20, -15, -8]
    capped = expected_net_export_wh(
        orders, points, **forecast, setpoint_wh=np.array([80, 0, 0, NO_SETPOINT, NO_SETPOINT])
    )
    assert capped.tolist() == [80, 0, -20, -15, -8]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_setpoints_leave_physically_keeps_every_binding_export_limit(make_county: County, seed: int) -> None:
    """With every seller behind a binding edge held to its fill, the metered flow can only be below the cleared one."""
    county = make_county(seed=seed, tight=0.8)
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    fills = split_book_fills(county.books, county.orders, result.filled_wh, n_meters=county.points.unit.size)
    limited = limited_units(county.tree, result, no_control(county.tree))
    setpoint = setpoints_wh(limited, county.orders, county.points, result.filled_wh, fills)
    assert (setpoint > 0).sum() > 50
    net = expected_net_export_wh(county.orders, county.points, **county.forecast, setpoint_wh=setpoint)
    by_unit = np.zeros(limited.size, np.int64)
    np.add.at(by_unit, county.points.unit, net)
    np.subtract.at(
        by_unit,
        county.orders.unit[county.orders.party == Party.LOSS],
        county.orders.energy_wh[county.orders.party == Party.LOSS],
    )
    for unit in range(limited.size - 1, 0, -1):
        by_unit[county.tree.parent[unit]] += by_unit[unit]
        if result.binding_export[unit]:
            assert by_unit[unit] <= county.tree.export_limit_wh[unit]


def test_values_outside_network_limits_are_law_8() -> None:
    values = [
        NetworkValue("Bus 1", "voltage mV", 21_399_999, 18_600_000, 21_400_000),
        NetworkValue("Line 7", "loading per mille", 1001, 0, 1000),
    ]
    assert [(one.law, one.where) for one in check_network_values(values)] == [(8, "Line 7")]
