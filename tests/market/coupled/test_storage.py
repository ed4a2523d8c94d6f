"""Storage over a horizon: worked by hand, against every schedule on a small grid, one direction an interval."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hub.market.coupled.checks import check_coupled
from hub.market.coupled.clearing import clear_coupled
from hub.market.trades import Party, TradeSide

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT
CASE = Path(__file__).parents[2] / "golden" / "market" / "coupled_two_intervals" / "case.json"
Offers = list[tuple[int, int]]


def test_two_intervals_worked_by_hand(make_problem: Callable, make_tree: Callable, make_batch: Callable) -> None:
    case = json.loads(CASE.read_text())
    batches = [
        make_batch([(0, TradeSide[one["side"]], D, one["energy_wh"], one["price_uyuan_per_kwh"]) for one in orders])
        for orders in case["orders"]
    ]
    problem = make_problem(make_tree([-1]), batches, storages=[case["storage"]])
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    expected = case["expected"]
    assert result.charge_wh.tolist() == [expected["charge_wh"]]
    assert result.discharge_wh.tolist() == [expected["discharge_wh"]]
    assert result.stored_micro_wh.tolist() == [expected["stored_micro_wh"]]
    assert result.stored_value_uyuan_per_kwh.tolist() == [expected["stored_value_uyuan_per_kwh"]]
    found = [interval.result for interval in result.intervals]
    assert [int(one.price_uyuan_per_kwh[0]) for one in found] == expected["price_uyuan_per_kwh"]
    assert [one.filled_wh.tolist() for one in found] == expected["filled_wh"]
    assert [interval.route.value for interval in result.intervals] == expected["route"]
    assert result.welfare_nano_yuan == result.bound_nano_yuan == expected["welfare_nano_yuan"]
    assert check_coupled(problem, result) == []


def test_a_storage_that_could_do_more_carries_its_price_into_the_other_interval(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """5,000 Wh bought at 0.20 serve a buyer at 0.40 later. Alone, interval 2 would cost 0.40; but then the storage
    would sell more than it may hold back, so both intervals have the marginal seller's price."""
    first = make_batch([(0, S, D, 10_000, 100), (0, S, D, 10_000, 200), (0, B, D, 10_000, 500)])
    second = make_batch([(0, B, D, 5_000, 400)])
    problem = make_problem(make_tree([-1]), [first, second], storages=[{"power": 20_000}])
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert result.charge_wh.tolist() == [[5_000, 0]]
    prices = [interval.result for interval in result.intervals]
    assert [one.price_uyuan_per_kwh.tolist() for one in prices] == [[200], [200]]
    assert [one.price_rule for one in prices] == ["midpoint", "nearest-to-midpoint"]
    assert check_coupled(problem, result) == []


def test_what_is_stored_at_the_end_has_its_worth(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    batch = make_batch([(0, S, D, 1_000, 100), (0, S, D, 1_000, 300)])
    for terminal, stored in ((99, 0), (101, 1_000), (301, 1_500)):
        storages = [{"power": 1_500, "terminal": terminal}]
        problem = make_problem(make_tree([-1]), [batch], storages=storages)
        result = clear_coupled(problem, tick_uyuan_per_kwh=1)
        assert result.charge_wh.tolist() == [[stored]]
        assert check_coupled(problem, result) == []


def test_a_storage_does_not_charge_and_discharge_at_once_to_burn_energy(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """At a price of -0.10 burning energy pays: 2,000 Wh fill the store (efficiency 0.5), and no more is taken."""
    batch = make_batch([(0, S, D, 10_000, -100), (0, B, D, 2_000, 500)])
    storage = {"power": 5_000, "size": 1_000, "efficiency": 500_000}
    problem = make_problem(make_tree([-1]), [batch], storages=[storage])
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert result.one_way.tolist() == [[True]]
    assert (result.charge_wh.tolist(), result.discharge_wh.tolist()) == ([[2_000]], [[0]])
    assert result.intervals[0].result.price_uyuan_per_kwh.tolist() == [-100]
    assert check_coupled(problem, result) == []


@pytest.mark.parametrize("efficiency_ppm", [1_000_000, 500_000])
@pytest.mark.parametrize("seed", range(8))
def test_no_schedule_on_a_grid_is_better(
    make_problem: Callable, make_tree: Callable, make_batch: Callable, seed: int, efficiency_ppm: int
) -> None:
    """Every schedule of charge in steps of 1,000 Wh and discharge in steps that match, three intervals, one unit."""
    r = np.random.default_rng(seed)
    offers, bids = ([_steps(r, high) for _ in range(3)] for high in (500, 900))
    step = 1_000 * efficiency_ppm**2 // 10**12
    best = _best_on_grid(offers, bids, step, efficiency_ppm)
    batches = [
        make_batch([*((0, S, D, e, p) for e, p in sells), *((0, B, D, e, p) for e, p in buys)])
        for sells, buys in zip(offers, bids, strict=True)
    ]
    storage = {"charge": 2_000, "discharge": 1_000, "size": 3_000, "efficiency": efficiency_ppm, "terminal": 40}
    problem = make_problem(make_tree([-1]), batches, storages=[storage])
    result = clear_coupled(problem, tick_uyuan_per_kwh=1)
    assert result.welfare_nano_yuan == result.bound_nano_yuan == best
    assert check_coupled(problem, result) == []


def _steps(r: np.random.Generator, high: int) -> Offers:
    return [(1_000 * int(r.integers(1, 4)), int(r.integers(-50, high))) for _ in range(4)]


def _best_on_grid(offers: list[Offers], bids: list[Offers], step: int, efficiency_ppm: int) -> int:
    """The greatest welfare over all schedules, each interval's by merit order, the end's energy worth 40."""
    actions = [*range(0, 2_001, 1_000), *(-energy for energy in range(step, 1_001, step))]
    best = None
    for schedule in itertools.product(actions, repeat=3):
        stored, welfare = 0, 0
        for action, sells, buys in zip(schedule, offers, bids, strict=True):
            stored += action * efficiency_ppm // 10**6 if action > 0 else action * 10**6 // efficiency_ppm
            gain = _merit_order_welfare(sells, buys, -action)
            if not 0 <= stored <= 3_000 or gain is None:
                break
            welfare += gain
        else:
            best = max(welfare + 40 * stored, welfare + 40 * stored if best is None else best)
    assert best is not None
    return best


def _merit_order_welfare(sells: Offers, buys: Offers, injection_wh: int) -> int | None:
    """Bids less offers when `injection_wh` is given (taken, if negative) at any price; None where that cannot be."""
    free = [(max(injection_wh, 0), -(10**6)), *sells]
    must = [(max(-injection_wh, 0), 10**6), *buys]
    supply, demand = sorted(free, key=lambda s: s[1]), sorted(must, key=lambda s: -s[1])
    welfare, given, taken = 0, 0, 0
    row, column, left, wanted = 0, 0, supply[0][0], demand[0][0]
    while row < len(supply) and column < len(demand):
        if not left:
            row += 1
            left = supply[row][0] if row < len(supply) else 0
        elif not wanted:
            column += 1
            wanted = demand[column][0] if column < len(demand) else 0
        elif supply[row][1] <= demand[column][1]:
            met = min(left, wanted)
            left, wanted = left - met, wanted - met
            given += met if supply[row][1] == -(10**6) else 0
            taken += met if demand[column][1] == 10**6 else 0
            welfare += met * (demand[column][1] - supply[row][1])
        else:
            break
    if given != max(injection_wh, 0) or taken != max(-injection_wh, 0):
        return None
    return welfare - 10**6 * (given + taken)
