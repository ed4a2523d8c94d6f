"""Coupled clearing: nothing coupled is the tree; laws on random horizons; the same input gives the same output."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from hub.market.coupled.checks import (
    check_blocks,
    check_coupled,
    check_meshed_limits,
    check_storage,
    check_storage_prices,
    check_welfare,
)
from hub.market.coupled.clearing import Route, Selection, clear_coupled
from hub.market.coupled.problem import CoupledProblem, CoupledProblemError
from hub.market.coupled.welfare import best_plan, no_restrictions
from hub.market.price_rule import PriceRule
from hub.market.trades import ClearingResult, Party, TradeSide
from hub.market.tree_clearing import clear

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT
Make = Callable[..., CoupledProblem]


@pytest.mark.parametrize("rule", PriceRule)
@pytest.mark.parametrize("seed", range(12))
def test_without_coupling_it_is_the_tree_clearing(
    make_market: Callable, make_problem: Make, interval_welfare: Callable, seed: int, rule: PriceRule
) -> None:
    tree, orders = make_market(seed, n_units=7, n_orders=30)
    problem = make_problem(tree, [orders, orders])
    result = clear_coupled(problem, tick_uyuan_per_kwh=3, price_rule=rule)
    alone = clear(tree, orders, tick_uyuan_per_kwh=3, price_rule=rule)
    for interval in result.intervals:
        assert interval.route is Route.TREE
        for column in fields(ClearingResult):
            assert np.array_equal(getattr(interval.result, column.name), getattr(alone, column.name)), column.name
    exact = 2 * interval_welfare(tree, orders, alone.filled_wh, alone.flow_up_wh)
    assert result.welfare_nano_yuan == exact
    found = best_plan(problem, no_restrictions(problem)).welfare_nano_yuan
    assert abs(found - exact) <= 1e-9 * abs(exact)


@pytest.mark.parametrize("rule", PriceRule)
@pytest.mark.parametrize("seed", range(12))
def test_a_coupling_that_does_not_act_changes_nothing(
    make_market: Callable, make_problem: Make, seed: int, rule: PriceRule
) -> None:
    """A meshed limit out of reach and a storage without power: fills and prices are the tree's."""
    tree, orders = make_market(seed, n_units=7, n_orders=30)
    limit = {"factor": {1: 2, 3: -1}, "over": 3, "low": -(10**9), "high": 10**9}
    problem = make_problem(tree, [orders], storages=[{"unit": 2, "size": 10, "start": 5}], limits=[limit])
    result = clear_coupled(problem, tick_uyuan_per_kwh=2, price_rule=rule)
    alone = clear(tree, orders, tick_uyuan_per_kwh=2, price_rule=rule)
    assert [interval.route for interval in result.intervals] == [Route.TREE]
    for column in fields(ClearingResult):
        assert np.array_equal(getattr(result.intervals[0].result, column.name), getattr(alone, column.name))


@pytest.mark.parametrize("kinds", ["s", "b", "m", "sb", "sm", "sbm"])
def test_the_laws_hold_on_random_horizons(make_random_problem: Callable, kinds: str) -> None:
    bent = 0
    for seed in range(5000, 5016):
        problem = make_random_problem(seed, kinds)
        result = clear_coupled(problem, tick_uyuan_per_kwh=1)
        assert check_coupled(problem, result) == [], (seed, kinds)
        assert result.selection is Selection.OPTIMAL
        bent += result.bent_uyuan_per_kwh > 0
    assert bent <= 1, "whole Wh bend conditions in one case of a hundred at most"


@pytest.mark.parametrize("kinds", ["sr", "srbm"])
def test_with_a_reserve_prices_support_whole_schedules(make_random_problem: Callable, kinds: str) -> None:
    for seed in range(6000, 6020):
        problem = make_random_problem(seed, kinds)
        result = clear_coupled(problem, tick_uyuan_per_kwh=1)
        assert check_coupled(problem, result) == [], (seed, kinds)
        assert result.bent_uyuan_per_kwh <= 10, "a hundredth of a yuan a MWh"


def test_the_same_problem_has_the_same_result(make_random_problem: Callable) -> None:
    problem = make_random_problem(4, "sbm")
    assert repr(clear_coupled(problem, tick_uyuan_per_kwh=1)) == repr(clear_coupled(problem, tick_uyuan_per_kwh=1))


def test_the_checks_see_what_is_wrong(make_random_problem: Callable) -> None:
    problem = make_random_problem(5001, "s")
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert check_storage(problem, replace(result, charge_wh=result.charge_wh + 1)) != []
    worth = result.stored_value_uyuan_per_kwh
    assert check_storage_prices(problem, replace(result, stored_value_uyuan_per_kwh=worth + 50)) != []
    assert check_welfare(problem, replace(result, welfare_nano_yuan=result.welfare_nano_yuan + 10**9)) != []
    weak = replace(problem.storages, charge_max_wh=result.charge_wh.max(axis=1) - 1)
    assert check_storage(replace(problem, storages=weak), result) != []


def test_the_checks_see_a_block_at_a_loss_and_a_limit_exceeded(
    make_problem: Make, make_tree: Callable, make_batch: Callable
) -> None:
    tree, orders = make_tree([-1, 0]), make_batch([(1, S, D, 9000, 100), (0, B, D, 9000, 500)])
    blocks = [{"side": S, "unit": 1, "price": 50, "energy": [1000]}]
    limits = [{"factor": {1: 1}, "low": -5000, "high": 5000}]
    problem = make_problem(tree, [orders], blocks=blocks, limits=limits)
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert check_coupled(problem, result) == []
    assert result.intervals[0].result.price_uyuan_per_kwh.tolist() == [500, 100]
    dear = replace(problem, blocks=replace(problem.blocks, price_uyuan_per_kwh=np.array([101])))
    assert [one.what for one in check_blocks(dear, result)] == ["accepted at a loss of 1000 nano-yuan"]
    small = replace(problem, limits=replace(problem.limits, high_wh=np.array([[4999]])))
    assert [one.what for one in check_meshed_limits(small, result)] == ["limit L0 exceeded"]
    free = replace(result, limit_price_micro=0 * result.limit_price_micro)
    assert len(check_meshed_limits(problem, free)) == 1


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"storages": [{"unit": 1}]}, "storage B0: stands at no unit"),
        ({"storages": [{"power": -1}]}, "storage B0: has a negative power limit"),
        ({"storages": [{"size": 5, "start": 6}]}, "storage B0: starts outside its limits of stored energy"),
        ({"storages": [{"efficiency": 1_000_001}]}, "storage B0: has an efficiency outside 0..1"),
        ({"blocks": [{"side": S, "price": 1, "energy": [0]}]}, "block K0: has negative or no energy"),
        ({"blocks": [{"side": S, "price": 1, "energy": [1], "parent": 0}]}, "block K0: stands before its parent"),
        (
            {"blocks": [{"side": S, "price": 1, "energy": [1], "ratio_min": 0}]},
            "block K0: has a smallest ratio outside 0..1",
        ),
        ({"blocks": [{"side": S, "price": 1, "energy": [1, 1]}]}, "blocks have energies of shape (1, 2)"),
        ({"limits": [{"factor": {0: 1}, "low": 1, "high": 2}]}, "limit L0: does not allow a flow of zero"),
        ({"limits": [{"factor": {0: 1}, "over": 0, "low": 0, "high": 2}]}, "limit L0: has no positive denominator"),
        ({"limits": [{"factor": {7: 1}, "low": 0, "high": 2}]}, "a factor of a meshed limit stands at no unit"),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused(
    make_problem: Make, make_tree: Callable, make_batch: Callable, more: dict, text: str
) -> None:
    problem = make_problem(make_tree([-1]), [make_batch([])], **more)
    with pytest.raises(CoupledProblemError) as refusal:
        clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert str(refusal.value).startswith(text)
