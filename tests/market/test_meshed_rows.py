"""Rows of the sparse program from what a check says: worked by hand, and that they ask for no more and no less."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.market.meshed_rows import (
    BranchLoading,
    bought_wh,
    check_meshed_clearing,
    clear_with_rows,
    loading_units,
    meshed_row,
    own_reductions_wh,
    without_small_factors,
)
from hub.market.trades import Party, TradeSide

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT
ONE = 10_000


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_the_row_of_a_triangle() -> None:
    """Units 1 and 2 in a triangle with the root: the line between them carries (n1 - n2) / 3.

    Unit 1 exports 180 kWh, unit 2 buys 90: 90 kWh flow, 30 of them beyond the limit, so 60 may.
    """
    loading = BranchLoading("R12", column(0, 1, -1), 3, 30_000)
    row = meshed_row(loading, export_wh=column(0, 180_000, 0), bought_wh=column(0, 0, 90_000))
    assert (row.name, row.limit_wh, row.is_curable) == ("R12", 60_000, True)
    assert loading_units([row], 3).tolist() == [False, True, False]
    assert own_reductions_wh([loading], column(0, 180_000, 0)).tolist() == [0, 90_000, 0]


def test_a_branch_that_sellers_cannot_bring_inside_is_not_curable() -> None:
    loading = BranchLoading("R12", column(0, 1, -1), 3, 60_001)
    row = meshed_row(loading, export_wh=column(0, 180_000, 0), bought_wh=column(0, 0, 90_000))
    assert not row.is_curable
    # All that they have is asked for, not more.
    assert own_reductions_wh([loading], column(0, 180_000, 0)).tolist() == [0, 180_000, 0]


def test_a_limit_below_nothing_is_nothing() -> None:
    """The program must always allow doing nothing; what load alone brings over the branch is not the market's."""
    loading = BranchLoading("R12", column(0, ONE, 0), ONE, 500)
    assert meshed_row(loading, export_wh=column(0, 700, 0), bought_wh=column(0, 400, 0)).limit_wh == 0


def test_one_share_is_asked_of_all_who_load_a_branch_and_the_most_of_several() -> None:
    """Factors 1 and 1/2 on 1,000 and 2,000 Wh: 500 beyond is a quarter of 2,000; unit 3 relieves and gives nothing."""
    export = column(0, 1_000, 2_000, 5_000)
    first = BranchLoading("L1", column(0, 10_000, 5_000, -9_000), ONE, 500)
    assert own_reductions_wh([first], export).tolist() == [0, 250, 500, 0]
    second = BranchLoading("L2", column(0, 0, 10_000, 0), ONE, 900)
    inside = BranchLoading("L3", column(0, 10_000, 10_000, 10_000), ONE, -1)
    assert own_reductions_wh([first, second, inside], export).tolist() == [0, 250, 900, 0]
    assert own_reductions_wh([], export).tolist() == [0, 0, 0, 0]


def test_who_hardly_moves_a_branch_does_not_answer_for_it() -> None:
    assert without_small_factors(column(0, 499, -499, 500, -500), 500).tolist() == [0, 0, 0, 500, -500]


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 6)), min_size=2, max_size=6),
    st.integers(1, 12),
    st.integers(1, 4),
)
def test_what_is_taken_brings_the_branch_inside_or_is_all_there_is(
    units: list[tuple[int, int]], outside: int, denominator: int
) -> None:
    factor, export = column(*(one[0] for one in units)), column(*(one[1] for one in units))
    factor[0] = 0
    loading = BranchLoading("X", factor, denominator, outside)
    cut = own_reductions_wh([loading], export)
    assert ((cut >= 0) & (cut <= export)).all()
    assert not cut[factor <= 0].any()
    row = meshed_row(loading, export_wh=export, bought_wh=np.zeros_like(export))
    relieved = int(factor @ cut)
    assert (relieved >= outside * denominator) == row.is_curable
    if not row.is_curable:
        assert cut[factor > 0].tolist() == export[factor > 0].tolist()


def test_clearing_with_rows_keeps_them_and_leaves_the_rest_to_the_tree(
    make_tree: Callable, make_batch: Callable
) -> None:
    """The triangle again, with the prices of tests/market/coupled/test_meshed_limits.py: 0.40, 0.20, 0.60."""
    orders = make_batch([(0, S, D, 200_000, 400_000), (1, S, D, 200_000, 200_000), (2, B, D, 90_000, 1_000_000)])
    loading = BranchLoading("R12", column(0, 1, -1), 3, 10_000)
    row = meshed_row(
        loading, export_wh=column(0, 90_000, 0), bought_wh=bought_wh(orders, column(0, 0, 90_000), n_units=3)
    )
    cleared = clear_with_rows(make_tree([-1, 0, 0]), orders, [row], tick_uyuan_per_kwh=1)
    assert row.limit_wh == 50_000
    assert cleared.result.filled_wh.tolist() == [30_000, 60_000, 90_000]
    assert cleared.result.price_uyuan_per_kwh.tolist() == [400_000, 200_000, 600_000]
    assert check_meshed_clearing(cleared, tick_uyuan_per_kwh=1) == []


@pytest.mark.parametrize("energy_wh", [10**6, 10**9])
def test_rows_of_a_large_market_stay_inside_64_bits(make_tree: Callable, make_batch: Callable, energy_wh: int) -> None:
    """A row's other side is bounded by what could never flow, not by a number that its factors would overflow."""
    rows = [(unit, S, D, energy_wh, 1_000 * unit) for unit in (1, 2)] + [(0, B, D, 3 * energy_wh, 900_000)]
    row = meshed_row(
        BranchLoading("X", column(0, 25_000, 10_000), ONE, energy_wh),
        export_wh=column(0, energy_wh, energy_wh),
        bought_wh=column(0, 0, 0),
    )
    cleared = clear_with_rows(make_tree([-1, 0, 0]), make_batch(rows), [row], tick_uyuan_per_kwh=1)
    # The dearer one loads the branch less by far: it stays whole, the other one gives what is too much.
    assert cleared.result.filled_wh[1] == energy_wh
    assert cleared.result.filled_wh[0] == pytest.approx(0.6 * energy_wh, abs=2)
    assert check_meshed_clearing(cleared, tick_uyuan_per_kwh=1) == []
