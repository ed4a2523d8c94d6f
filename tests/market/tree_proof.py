"""The proof of one clearing: HiGHS reaches no more welfare, every law holds, and prices leave nobody unhappy."""

from collections.abc import Callable

import highspy
import numpy as np
import scipy.sparse as sp

from hub.market.checks import (
    check_balance,
    check_edge_money,
    check_edge_prices,
    check_fills,
    check_reasons,
    check_reproduced,
    check_ties,
)
from hub.market.trades import BalanceTree, ClearingResult, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import PriceRule, clear

Market = Callable[..., tuple[BalanceTree, OrderBatch]]
RULES = tuple(PriceRule)
SCALES = (
    {"price": (-20, 60), "energy_max": 50, "fee_max": 8},
    {"price": (-3, 3), "energy_max": 9, "fee_max": 2},
    {"price": (-200_000, 1_500_000), "energy_max": 100_000, "fee_max": 40_000},
    {"price": (-900_000, -100), "energy_max": 2_500, "fee_max": 60_000},
)
UNLIMITED = 2**40


def welfare_by_highs(tree: BalanceTree, orders: OrderBatch, step_wh: int) -> float:
    """Maximise bids less offers less fees: fills, then flow up and flow down of each edge, one balance row a unit.

    Whole steps need no whole-number program: the matrix is that of a network flow, so a corner of the relaxed one is
    whole.
    """
    n, m = len(tree.unit_id), orders.energy_wh.size
    tie = np.where(orders.side == TradeSide.SELL, tree.import_limit_wh[0], tree.export_limit_wh[0])
    energy = np.where(orders.party == Party.PROVINCE, np.minimum(orders.energy_wh, tie), orders.energy_wh)
    sign = np.where(orders.side == TradeSide.SELL, 1.0, -1.0)
    edges = np.arange(1, n)
    up, down = m + edges - 1, m + n - 1 + edges - 1
    rows = np.concatenate((orders.unit, edges, tree.parent[1:], edges, tree.parent[1:]))
    columns = np.concatenate((np.arange(m), up, up, down, down))
    one = np.ones(n - 1)
    balance = sp.csc_matrix((np.concatenate((sign, -one, one, one, -one)), (rows, columns)), shape=(n, m + 2 * (n - 1)))
    upper = np.concatenate((energy, tree.export_limit_wh[1:], tree.import_limit_wh[1:])) // step_wh
    highs, program = highspy.Highs(), highspy.HighsLp()
    highs.setOptionValue("output_flag", False)
    program.num_col_, program.num_row_ = balance.shape[1], n
    program.col_cost_ = np.concatenate((-orders.price_uyuan_per_kwh * sign, 0 * one, -tree.fee_uyuan_per_kwh[1:]))
    program.col_lower_, program.col_upper_ = 0.0 * upper, np.minimum(upper, UNLIMITED).astype(float)
    program.row_lower_ = program.row_upper_ = np.zeros(n)
    program.sense_ = highspy.ObjSense.kMaximize
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_, program.a_matrix_.index_ = balance.indptr, balance.indices
    program.a_matrix_.value_ = balance.data
    highs.passModel(program)
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(highs.getInfo().objective_function_value) * step_wh


def welfare_of(tree: BalanceTree, orders: OrderBatch, result: ClearingResult) -> int:
    """Bids less offers less fees, in whole numbers of any size."""
    value = np.where(orders.side == TradeSide.SELL, -1, 1) * orders.price_uyuan_per_kwh
    down = np.maximum(-result.flow_up_wh, 0)
    prices = value.tolist() + (-tree.fee_uyuan_per_kwh[1:]).tolist()
    traded = zip(prices, result.filled_wh.tolist() + down[1:].tolist(), strict=True)
    return sum(price * energy for price, energy in traded)


def assert_prices_support(tree: BalanceTree, orders: OrderBatch, result: ClearingResult, step_wh: int) -> None:
    """From the definitions alone: nobody unhappy, and child price = parent price + fee + shadow price on every edge."""
    fill, price, flow, shadow = (
        result.filled_wh,
        result.price_uyuan_per_kwh,
        result.flow_up_wh,
        result.shadow_uyuan_per_kwh,
    )
    gain = np.where(orders.side == TradeSide.SELL, 1, -1) * (price[orders.unit] - orders.price_uyuan_per_kwh)
    offered = orders.energy_wh // step_wh * step_wh
    wants_more = (gain > 0) & (fill < offered) & (orders.party != Party.PROVINCE)
    assert not wants_more.any(), "an order would like more at its price"
    assert not ((gain < 0) & (fill > 0)).any(), "an order filled beyond its limit price"
    for unit in range(1, price.size):
        rise, fee = price[unit] - price[tree.parent[unit]] - shadow[unit], tree.fee_uyuan_per_kwh[unit]
        assert rise == fee if flow[unit] < 0 else rise == 0 if flow[unit] > 0 else 0 <= rise <= fee
        if shadow[unit]:
            limit = tree.export_limit_wh[unit] if shadow[unit] < 0 else tree.import_limit_wh[unit]
            assert abs(flow[unit]) == limit // step_wh * step_wh
            assert flow[unit] * shadow[unit] <= 0


def prove(make_market: Market, seed: int, *, n_units: tuple[int, int] = (2, 301)) -> None:
    """Clear one random tree and assert all there is to assert; up to 300 edges."""
    r = np.random.default_rng(seed)
    units = int(r.integers(*n_units))
    tree, orders = make_market(
        seed,
        n_units=units,
        n_orders=int(r.integers(units // 2, 6 * units)),
        province=bool(seed % 4),
        limited=(0.0, 0.4, 0.8, 1.0)[seed // 4 % 4],
        **SCALES[seed % len(SCALES)],
    )
    step_wh, clean_first, tick = (1, 1, 1, 5)[seed // 3 % 4], bool(seed % 5), (1, 5, 1_000)[seed % 3]
    result = clear(
        tree,
        orders,
        tick_uyuan_per_kwh=tick,
        clean_first=clean_first,
        price_rule=RULES[seed // 2 % len(RULES)],
        quantity_step_wh=step_wh,
    )
    assert result.reason.size == result.filled_wh.size == orders.energy_wh.size, "accepted + rejected = submitted"
    assert_prices_support(tree, orders, result, step_wh)
    violations = [
        *check_fills(orders, result),
        *check_balance(tree, orders, result),
        *check_edge_prices(tree, orders, result),
        *check_edge_money(tree, orders, result),
        *check_reasons(tree, orders, result),
        *check_ties(orders, result, clean_first=clean_first),
        *check_reproduced(tree, orders, result, tick_uyuan_per_kwh=tick, clean_first=clean_first),
    ]
    assert violations == [], (seed, violations[:3])
    if orders.energy_wh.size:
        welfare, by_highs = welfare_of(tree, orders, result), welfare_by_highs(tree, orders, step_wh)
        assert abs(welfare - by_highs) <= 1e-9 * max(abs(welfare), 1), (seed, welfare, by_highs)
