"""The clearing against a linear program: same welfare, fills inside limits, prices that leave nobody unhappy."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from hub.market.trades import BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

Market = Callable[..., tuple[BalanceTree, OrderBatch]]


def assert_optimal(tree: BalanceTree, orders: OrderBatch, tick: int = 1, *, clean_first: bool = True) -> int:
    """Return the welfare after asserting what every clearing must keep, from the definitions."""
    result = clear(tree, orders, tick_uyuan_per_kwh=tick, clean_first=clean_first)
    fill, price, flow = result.filled_wh, result.price_uyuan_per_kwh, result.flow_up_wh
    assert ((fill >= 0) & (fill <= orders.energy_wh)).all()
    net = np.zeros(price.size, np.int64)
    np.add.at(net, orders.unit, np.where(orders.side == TradeSide.SELL, fill, -fill))
    for unit in range(price.size - 1, 0, -1):
        assert net[unit] == flow[unit]
        assert -tree.import_limit_wh[unit] <= flow[unit] <= tree.export_limit_wh[unit]
        net[tree.parent[unit]] += flow[unit]
    assert net[0] == 0
    province = fill[orders.party == Party.PROVINCE]
    assert not (province > 0).all() or province.size < 2, "import and export never both fill"
    assert -tree.import_limit_wh[0] <= flow[0] <= tree.export_limit_wh[0]
    gain = np.where(orders.side == TradeSide.SELL, 1, -1) * (price[orders.unit] - orders.price_uyuan_per_kwh)
    wants_more = (gain > 0) & (fill < orders.energy_wh) & (orders.party != Party.PROVINCE)
    assert not wants_more.any(), "an order would like more at its price"
    assert not ((gain < 0) & (fill > 0)).any(), "an order filled beyond its limit price"
    for unit in range(1, price.size):
        step = price[unit] - price[tree.parent[unit]] - result.shadow_uyuan_per_kwh[unit]
        fee, shadow = tree.fee_uyuan_per_kwh[unit], result.shadow_uyuan_per_kwh[unit]
        assert step == fee if flow[unit] < 0 else step == 0 if flow[unit] > 0 else 0 <= step <= fee
        assert shadow == 0 or (
            flow[unit] == (tree.export_limit_wh[unit] if shadow < 0 else -tree.import_limit_wh[unit])
        )
        assert result.basis_uyuan_per_kwh[unit] == result.basis_uyuan_per_kwh[tree.parent[unit]] + shadow
        assert not shadow < 0 or result.binding_export[unit]
        assert not shadow > 0 or result.binding_import[unit]
    signed = np.where(orders.side == TradeSide.SELL, -1, 1) * fill * orders.price_uyuan_per_kwh
    down = np.maximum(-flow, 0)
    down[0] = 0
    return int(signed.sum()) - int((down * tree.fee_uyuan_per_kwh).sum())


@pytest.mark.parametrize("block", range(10))
def test_small_trees_reach_the_welfare_of_the_lp(make_market: Market, tree_proof: ModuleType, block: int) -> None:
    for seed in range(block * 30, block * 30 + 30):
        r = np.random.default_rng(seed)
        tree, orders = make_market(
            seed,
            n_units=int(r.integers(1, 12)),
            n_orders=int(r.integers(0, 40)),
            price=[(-20, 60), (-3, 3), (0, 10)][seed % 3],
            province=bool(seed % 4),
            limited=[0.0, 0.5, 0.9][seed % 3],
        )
        welfare = assert_optimal(tree, orders, tick=[1, 5][seed % 2], clean_first=bool(seed % 5))
        if orders.energy_wh.size:
            assert welfare == pytest.approx(tree_proof.welfare_by_highs(tree, orders, 1), abs=1e-6), seed


@pytest.mark.parametrize("seed", range(30))
def test_large_trees_reach_the_welfare_of_the_lp(make_market: Market, tree_proof: ModuleType, seed: int) -> None:
    r = np.random.default_rng(seed)
    tree, orders = make_market(
        1000 + seed,
        n_units=int(r.integers(50, 300)),
        n_orders=int(r.integers(200, 1500)),
        price=(-200_000, 1_500_000) if seed % 2 else (-20, 60),
        energy_max=100_000 if seed % 3 else 50,
        fee_max=40_000 if seed % 2 else 8,
    )
    welfare = assert_optimal(tree, orders, tick=1000 if seed % 2 else 1)
    assert welfare == pytest.approx(tree_proof.welfare_by_highs(tree, orders, 1), rel=1e-9, abs=1e-6)
