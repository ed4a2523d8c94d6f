"""Block and linked orders: worked by hand, and against every set of acceptances with prices from another program."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from hub.market.coupled.checks import check_coupled
from hub.market.coupled.clearing import BlockOutcome, CoupledResult, Selection, clear_coupled
from hub.market.coupled.problem import CoupledProblem
from hub.market.trades import Party, TradeSide

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT
PROFILES = ((1, 1), (2, 1), (0, 3), (3, 1))


def cleared(problem: CoupledProblem, **more: int) -> CoupledResult:
    result = clear_coupled(problem, tick_uyuan_per_kwh=1, **more)
    assert check_coupled(problem, result) == []
    return result


def test_a_block_that_would_lose_is_rejected_though_it_adds_welfare(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """With the block, the 0.20 offer is marginal and the block at 0.50 loses; without it the price is 0.90.

    Welfare (yuan): with it 10 x 1.00 - 8 x 0.50 - 2 x 0.20 = 5.60; without 10 x 1.00 - 4 x 0.20 - 6 x 0.90 = 3.80.
    """
    batch = make_batch([(0, S, D, 4_000, 200_000), (0, S, D, 10_000, 900_000), (0, B, D, 10_000, 1_000_000)])
    block = {"side": S, "price": 500_000, "energy": [8_000]}
    result = cleared(make_problem(make_tree([-1]), [batch], blocks=[block]))
    assert result.block_outcome == (BlockOutcome.PARADOXICALLY_REJECTED,)
    assert result.cuts == 1
    assert result.welfare_nano_yuan == 3_800_000_000
    assert result.intervals[0].result.price_uyuan_per_kwh.tolist() == [900_000]


def test_a_block_is_judged_by_its_mean_price(make_problem: Callable, make_tree: Callable, make_batch: Callable) -> None:
    """0.10 in one interval and 0.60 in the other: 1,000 and 3,000 Wh sell at a mean of 0.475."""
    batches = [
        make_batch([(0, S, D, 10_000, 100_000), (0, B, D, 4_000, 500_000)]),
        make_batch([(0, S, D, 3_000, 300_000), (0, B, D, 8_000, 600_000)]),
    ]
    outcomes = []
    for price in (474_000, 476_000):
        block = {"side": S, "price": price, "energy": [1_000, 3_000]}
        result = cleared(make_problem(make_tree([-1]), batches, blocks=[block]))
        outcomes.append(result.block_outcome[0])
    assert outcomes == [BlockOutcome.ACCEPTED, BlockOutcome.OUT_OF_THE_MONEY]


def test_the_price_moves_from_the_midpoint_for_an_accepted_block(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """0.10 to 1.00 support the orders, 0.55 is the midpoint; the block at 0.70 needs 0.70."""
    batch = make_batch([(0, S, D, 5_000, 100_000), (0, B, D, 10_000, 1_000_000)])
    block = {"side": S, "price": 700_000, "energy": [5_000]}
    result = cleared(make_problem(make_tree([-1]), [batch], blocks=[block]))
    assert result.block_outcome == (BlockOutcome.ACCEPTED,)
    assert result.cuts == 0
    assert result.intervals[0].result.price_uyuan_per_kwh.tolist() == [700_000]
    assert result.intervals[0].result.price_rule == "nearest-to-midpoint"


def test_a_child_needs_its_parent_and_may_save_it(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    """Parent sells 1,000 Wh at 0.80 in interval 1 (price 0.50: loses 0.30), child 5,000 Wh at 0.10 in interval 2."""
    batches = [make_batch([(0, S, D, 9_000, 500_000), (0, B, D, 5_000, 900_000)])] * 2
    parent = {"side": S, "price": 800_000, "energy": [1_000, 0]}
    child = {"side": S, "price": 100_000, "energy": [0, 4_000]}
    linked = cleared(make_problem(make_tree([-1]), batches, blocks=[parent, child | {"parent": 0}]))
    assert linked.block_outcome == (BlockOutcome.ACCEPTED, BlockOutcome.ACCEPTED)
    alone = cleared(make_problem(make_tree([-1]), batches, blocks=[parent, child]))
    assert alone.block_outcome == (BlockOutcome.OUT_OF_THE_MONEY, BlockOutcome.ACCEPTED)
    dear = cleared(
        make_problem(make_tree([-1]), batches, blocks=[parent | {"price": 5_000_000}, child | {"parent": 0}])
    )
    assert dear.block_outcome == (BlockOutcome.OUT_OF_THE_MONEY, BlockOutcome.PARENT_REJECTED)


def test_a_parent_may_not_save_its_child(make_problem: Callable, make_tree: Callable, make_batch: Callable) -> None:
    batches = [make_batch([(0, S, D, 9_000, 500_000), (0, B, D, 5_000, 900_000)])] * 2
    parent = {"side": S, "price": 100_000, "energy": [4_000, 0]}
    child = {"side": S, "price": 800_000, "energy": [0, 1_000], "parent": 0}
    result = cleared(make_problem(make_tree([-1]), batches, blocks=[parent, child]))
    assert result.block_outcome == (BlockOutcome.ACCEPTED, BlockOutcome.OUT_OF_THE_MONEY)


@pytest.mark.parametrize(("demand", "fill"), [(6_000, 6_000), (4_001, 4_001), (3_999, 0), (10_000, 10_000)])
def test_the_smallest_ratio_that_is_accepted(
    make_problem: Callable, make_tree: Callable, make_batch: Callable, demand: int, fill: int
) -> None:
    block = {"side": S, "price": 500_000, "energy": [10_000], "ratio_min": 400_000}
    problem = make_problem(make_tree([-1]), [make_batch([(0, B, D, demand, 900_000)])], blocks=[block])
    result = cleared(problem)
    assert result.block_fill_wh.tolist() == [[fill]]
    if 0 < fill < 10_000:
        assert result.block_outcome == (BlockOutcome.ACCEPTED_IN_PART,)
        assert result.intervals[0].result.price_uyuan_per_kwh.tolist() == [500_000]


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("seed", range(7))
def test_no_other_set_of_blocks_is_better(
    make_problem: Callable, make_tree: Callable, make_batch: Callable, seed: int, linked: bool
) -> None:
    """Two intervals, one unit, five blocks: the best of all 32 sets for which scipy finds prices without a loss."""
    problem = made_up(make_problem, make_tree, make_batch, seed, linked=linked)
    result = cleared(problem)
    assert result.selection is Selection.OPTIMAL
    assert result.welfare_nano_yuan == best_by_enumeration(problem)


def test_the_enumerated_cases_hold_rejections_of_every_kind(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    seen, cuts = set(), 0
    for seed, linked in itertools.product(range(7), (False, True)):
        result = cleared(made_up(make_problem, make_tree, make_batch, seed, linked=linked))
        seen.update(result.block_outcome)
        cuts += result.cuts
    assert seen >= set(BlockOutcome) - {BlockOutcome.ACCEPTED_IN_PART}
    assert cuts > 5


def test_after_the_last_cut_blocks_are_given_up_and_the_result_says_so(
    make_problem: Callable, make_tree: Callable, make_batch: Callable
) -> None:
    given_up = 0
    for seed in range(7):
        problem = made_up(make_problem, make_tree, make_batch, seed, linked=False)
        best, quick = cleared(problem), cleared(problem, cuts_max=0)
        assert quick.welfare_nano_yuan <= best.welfare_nano_yuan
        assert (quick.selection is Selection.GIVEN_UP) == (best.cuts > 0)
        given_up += quick.selection is Selection.GIVEN_UP
    assert given_up >= 2


def made_up(
    make_problem: Callable, make_tree: Callable, make_batch: Callable, seed: int, *, linked: bool
) -> CoupledProblem:
    r = np.random.default_rng(seed)
    batches = [
        make_batch(
            [
                *((0, S, D, int(r.integers(2, 12)), 1_000 * int(r.integers(10, 90))) for _ in range(4)),
                *((0, B, D, int(r.integers(2, 12)), 1_000 * int(r.integers(20, 110))) for _ in range(4)),
            ]
        )
        for _ in range(2)
    ]
    blocks: list[dict[str, Any]] = []
    for number in range(5):
        profile = PROFILES[int(r.integers(0, len(PROFILES)))]
        energy = [weight * int(r.integers(2, 6)) for weight in profile]
        side = TradeSide(int(r.integers(0, 2)))
        blocks.append({"side": side, "price": 1_000 * int(r.integers(30, 75)), "energy": energy})
        if linked and number and r.random() < 0.6:
            blocks[-1]["parent"] = int(r.integers(0, number))
    return make_problem(make_tree([-1]), batches, blocks=blocks)


def best_by_enumeration(problem: CoupledProblem) -> int:
    """The greatest welfare over all sets of blocks that keep their links and have prices without a loss."""
    best = None
    parent = problem.blocks.parent.tolist()
    for chosen in itertools.product((0, 1), repeat=len(parent)):
        if any(chosen[row] and above >= 0 and not chosen[above] for row, above in enumerate(parent)):
            continue
        welfare, boxes = 0, []
        for number, market in enumerate(problem.markets):
            gain, box = one_interval(problem, market.orders, number, chosen)
            welfare += gain
            boxes.append(box)
        if None in boxes or (best is not None and welfare <= best):
            continue
        if has_prices(problem, chosen, boxes):
            best = welfare
    assert best is not None
    return best


def one_interval(
    problem: CoupledProblem, orders: Any, number: int, chosen: tuple[int, ...]
) -> tuple[int, tuple[int, int] | None]:
    """Welfare of one unit by merit order with the chosen blocks fixed, and the prices that support its orders."""
    far = 10**9
    blocks = problem.blocks
    rows = [
        (int(side), int(energy), int(price))
        for side, energy, price in zip(orders.side, orders.energy_wh, orders.price_uyuan_per_kwh, strict=True)
    ]
    welfare = 0
    for row in np.flatnonzero(chosen).tolist():
        side, energy = int(blocks.side[row]), int(blocks.energy_wh[row, number])
        rows.append((side, energy, -far if side == S else far))
        sign = -1 if side == S else 1
        welfare += sign * energy * (int(blocks.price_uyuan_per_kwh[row]) - rows[-1][2])
    cost = [price if side == S else -price for side, _, price in rows]
    balance = [[1 if side == S else -1 for side, _, _ in rows]]
    found = linprog(cost, A_eq=balance, b_eq=[0], bounds=[(0, energy) for _, energy, _ in rows], method="highs-ds")
    fill = np.rint(found.x).astype(int).tolist()
    low, high = -far // 2, far // 2
    for (side, energy, price), filled in zip(rows, fill, strict=True):
        if abs(price) == far:
            if filled != energy:
                return 0, None
            continue
        if (side == S and filled > 0) or (side == B and filled < energy):
            low = max(low, price)
        if (side == S and filled < energy) or (side == B and filled > 0):
            high = min(high, price)
    welfare += sum(-c * f for c, f in zip(cost, fill, strict=True))
    return welfare, (low, high)


def has_prices(problem: CoupledProblem, chosen: tuple[int, ...], boxes: list[tuple[int, int]]) -> bool:
    """Whether some prices in the boxes leave every chosen block, with what its children pass up, without a loss."""
    blocks = problem.blocks
    picked = np.flatnonzero(chosen).tolist()
    n = len(boxes)
    rows, bounds = [], []
    for row in picked:
        sign = 1 if blocks.side[row] == S else -1
        passed = [0] * len(picked)
        for place, other in enumerate(picked):
            if int(blocks.parent[other]) == row:
                passed[place] = -1
            if other == row and int(blocks.parent[row]) >= 0:
                passed[place] = 1
        rows.append([*(-sign * int(energy) for energy in blocks.energy_wh[row]), *passed])
        bounds.append(-sign * int(blocks.price_uyuan_per_kwh[row]) * int(blocks.energy_wh[row].sum()))
    if not rows:
        return True
    columns = [*boxes, *[(0, None)] * len(picked)]
    found = linprog([0] * (n + len(picked)), A_ub=rows, b_ub=bounds, bounds=columns, method="highs")
    return found.status == 0
