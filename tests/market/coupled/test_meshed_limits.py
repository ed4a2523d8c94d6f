"""Meshed limits: worked by hand, and against a dense formulation with one factor for each order and limit."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import linprog

from hub.market.coupled.checks import check_coupled
from hub.market.coupled.clearing import Route, clear_coupled
from hub.market.coupled.problem import CoupledProblem, factor_steps
from hub.market.trades import Party, TradeSide

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT


def test_a_triangle_of_equal_lines(make_problem: Callable, make_tree: Callable, make_batch: Callable) -> None:
    """Units 1 and 2 and the root form a triangle; the line 1-2 carries (n1 - n2) / 3 and at most 50 kWh.

    90 kWh are bought at 2; 1 sells at 0.20, the root at 0.40. (g1 + 90) / 3 <= 50, so g1 = 60, and the root sells 30.
    One kWh more at 2 takes one less from 1 and two more from the root: 0.80 - 0.20 = 0.60.
    """
    orders = make_batch([(0, S, D, 200_000, 400_000), (1, S, D, 200_000, 200_000), (2, B, D, 90_000, 1_000_000)])
    limit = {"factor": {1: 1, 2: -1}, "over": 3, "low": -50_000, "high": 50_000}
    problem = make_problem(make_tree([-1, 0, 0]), [orders], limits=[limit])
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    interval = result.intervals[0]
    assert interval.route is Route.LINEAR_PROGRAM
    assert interval.result.filled_wh.tolist() == [30_000, 60_000, 90_000]
    assert interval.result.flow_up_wh.tolist() == [0, 60_000, -90_000]
    assert interval.result.price_uyuan_per_kwh.tolist() == [400_000, 200_000, 600_000]
    assert interval.result.shadow_uyuan_per_kwh.tolist() == [0, -200_000, 200_000]
    assert result.limit_price_micro.tolist() == [[600_000_000_000]]
    assert check_coupled(problem, result) == []


def test_a_limit_that_is_not_reached_leaves_the_interval_to_the_tree(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    orders = make_batch([(0, S, D, 200_000, 400_000), (1, S, D, 200_000, 200_000), (2, B, D, 90_000, 1_000_000)])
    limit = {"factor": {1: 1, 2: -1}, "over": 3, "low": -60_002, "high": 60_002}
    result = clear_coupled(make_problem(make_tree([-1, 0, 0]), [orders], limits=[limit]), tick_uyuan_per_kwh=1)
    assert result.intervals[0].route is Route.TREE
    assert result.intervals[0].result.filled_wh.tolist() == [0, 90_000, 90_000]


def test_a_limit_touches_only_edges_at_which_its_factor_changes(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """Units 2 to 5 hang below 1 with its factor: one entry for five units, however many orders stand there."""
    factor = dict.fromkeys((1, 2, 3, 4, 5), 7)
    limit = {"factor": factor, "over": 10, "low": -1, "high": 1}
    problem = make_problem(make_tree([-1, 0, 1, 1, 2, 2]), [make_batch([])], limits=[limit])
    assert factor_steps(problem).tolist() == [[0, 7, 0, 0, 0, 0]]


def test_below_the_mesh_ties_are_shared_as_in_the_tree(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """A limit of 40 kWh / 0.5 on all below unit 1: three like offers in two units share 80 kWh pro rata."""
    rows = [(2, S, D, 60_000, 100), (3, S, D, 60_000, 100), (3, S, D, 40_000, 100), (0, B, D, 500_000, 900)]
    limit = {"factor": {1: 1, 2: 1, 3: 1}, "over": 2, "low": -40_000, "high": 40_000}
    problem = make_problem(make_tree([-1, 0, 1, 1]), [make_batch(rows)], limits=[limit])
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert result.intervals[0].result.filled_wh.tolist() == [30_000, 30_000, 20_000, 80_000]
    assert result.intervals[0].result.price_uyuan_per_kwh.tolist() == [900, 100, 100, 100]
    assert check_coupled(problem, result) == []


@pytest.mark.parametrize("over", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(6))
def test_limits_of_nothing_hold_to_the_wh(make_problem: Callable, make_market: Callable, seed: int, over: int) -> None:
    """Sums of flows with odd factors that must be exactly zero, in markets of few Wh: rounding cannot be free."""
    tree, orders = make_market(seed, n_units=5, n_orders=14, energy_max=9)
    factors = ({1: 3, 2: -2, 3: 1}, {2: 5, 3: -3, 4: 1})
    limits = [{"factor": factor, "over": over, "low": 0, "high": 0} for factor in factors]
    problem = make_problem(tree, [orders, orders], limits=limits)
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert [one.what for one in check_coupled(problem, result) if one.law == 2] == []


@pytest.mark.parametrize("seed", range(20))
def test_the_welfare_is_that_of_a_dense_formulation(make_problem: Callable, make_market: Callable, seed: int) -> None:
    """A meshed level without tree limits or fees: one balance; for each limit a row with a factor an order."""
    r = np.random.default_rng(seed)
    n_units = 6
    tree, orders = make_market(
        seed, n_units=n_units, n_orders=40, price=(-100, 900), energy_max=900_000, fee_max=0, limited=0.0
    )
    limits = [
        {
            "factor": {unit: int(r.integers(-600, 601)) for unit in range(1, n_units)},
            "over": 1_000,
            "low": -int(r.integers(0, 900_000)),
            "high": int(r.integers(0, 900_000)),
        }
        for _ in range(4)
    ]
    problem = make_problem(tree, [orders], limits=limits)
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert check_coupled(problem, result) == []
    best = dense_welfare(problem)
    # Rounding flows of five edges to Wh and drawing limits in by as much costs some Wh at the spread of prices.
    assert best - 100 * 1_000 <= result.welfare_nano_yuan <= best + 1
    assert abs(result.bound_nano_yuan - best) <= max(100 * 1_000, 1e-9 * best)


def test_the_dense_cases_reach_limits(make_problem: Callable, make_tree: Callable, make_batch: Callable) -> None:
    orders = make_batch([(0, S, D, 9, 400), (1, S, D, 9, 200), (1, B, D, 9, 900)])
    problem = make_problem(make_tree([-1, 0]), [orders], limits=[{"factor": {1: 1}, "low": 0, "high": 0}])
    assert dense_welfare(problem) == pytest.approx(9 * 700)
    assert clear_coupled(problem, tick_uyuan_per_kwh=1).welfare_nano_yuan == 9 * 700


def dense_welfare(problem: CoupledProblem) -> float:
    orders, limits = problem.markets[0].orders, problem.limits
    sign = np.where(orders.side == S, 1.0, -1.0)
    factor = np.zeros((len(limits.name), problem.n_units))
    factor[limits.entry_limit, limits.entry_unit] = limits.entry_numerator / limits.denominator[limits.entry_limit]
    per_order = factor[:, orders.unit] * sign
    found = linprog(
        orders.price_uyuan_per_kwh * sign,
        A_ub=np.vstack((per_order, -per_order)),
        b_ub=np.concatenate((limits.high_wh[:, 0], -limits.low_wh[:, 0])),
        A_eq=[sign],
        b_eq=[0],
        bounds=[(0, energy) for energy in orders.energy_wh.tolist()],
        method="highs",
    )
    assert found.status == 0
    return -found.fun
