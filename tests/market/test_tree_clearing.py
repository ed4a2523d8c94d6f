"""The clearing's rules, each by a case that can be worked by hand, and its laws on small random trees."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.checks import check_balance, check_edge_prices, check_fills, check_reproduced, check_ties
from hub.market.net_supply import ClearingRangeError
from hub.market.trades import BalanceTree, ClearingResult, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

S, B = TradeSide.SELL, TradeSide.BUY
D, PROVINCE = Party.DIRECT, Party.PROVINCE
Tree = Callable[..., BalanceTree]
Batch = Callable[..., OrderBatch]


def cleared(tree: BalanceTree, orders: OrderBatch, tick: int = 1, *, clean_first: bool = True) -> ClearingResult:
    return clear(tree, orders, tick_uyuan_per_kwh=tick, clean_first=clean_first)


def test_midpoint_is_floored_to_tick_only_if_it_still_supports_every_fill(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1])
    wide = make_batch([(0, S, D, 10, 1000), (0, B, D, 10, 2700)])
    assert cleared(tree, wide, tick=1).price_uyuan_per_kwh.tolist() == [1850]
    assert cleared(tree, wide, tick=500).price_uyuan_per_kwh.tolist() == [1500]
    narrow = make_batch([(0, S, D, 10, 1600), (0, B, D, 10, 1801)])
    assert cleared(tree, narrow, tick=1000).price_uyuan_per_kwh.tolist() == [1700]
    negative = make_batch([(0, S, D, 10, -2700), (0, B, D, 10, -1000)])
    assert cleared(tree, negative, tick=500).price_uyuan_per_kwh.tolist() == [-2000]


def test_one_sided_and_empty_markets_have_a_price_that_supports_nothing_traded(
    make_tree: Tree, make_batch: Batch
) -> None:
    tree = make_tree([-1])
    assert cleared(tree, make_batch([])).price_uyuan_per_kwh.tolist() == [0]
    assert cleared(tree, make_batch([(0, B, D, 10, 700)])).price_uyuan_per_kwh.tolist() == [700]
    assert cleared(tree, make_batch([(0, S, D, 10, 700)])).price_uyuan_per_kwh.tolist() == [700]


def test_all_that_can_trade_at_the_margin_trades(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, D, 100, 500), (0, B, D, 60, 500)])
    result = cleared(make_tree([-1]), orders)
    assert result.filled_wh.tolist() == [60, 60]


def test_clean_offers_go_first_at_the_same_price_and_only_if_switched_on(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, D, 60, 500, 0, False), (0, S, D, 60, 500, 9, True), (0, B, D, 80, 900, 0, False)])
    assert cleared(make_tree([-1]), orders).filled_wh.tolist() == [20, 60, 80]
    assert cleared(make_tree([-1]), orders, clean_first=False).filled_wh.tolist() == [40, 40, 80]
    cheaper = make_batch([(0, S, D, 60, 499, 0, False), (0, S, D, 60, 500, 9, True), (0, B, D, 80, 900, 0, False)])
    assert cleared(make_tree([-1]), cheaper).filled_wh.tolist() == [60, 20, 80]


def test_the_marginal_quantity_is_shared_pro_rata_then_by_time_then_by_order_id(
    make_tree: Tree, make_batch: Batch
) -> None:
    by_time = make_batch([(0, S, D, 50, 5, 3), (0, S, D, 50, 5, 1), (0, S, D, 50, 5, 2), (0, B, D, 100, 9, 0)])
    assert cleared(make_tree([-1]), by_time).filled_wh.tolist() == [33, 34, 33, 100]
    by_id = make_batch([(0, S, D, 50, 5, 1), (0, S, D, 50, 5, 1), (0, S, D, 50, 5, 1), (0, B, D, 101, 9, 0)])
    assert cleared(make_tree([-1]), by_id).filled_wh.tolist() == [34, 34, 33, 101]
    buyers = make_batch([(0, B, D, 50, 5, 3), (0, B, D, 50, 5, 1), (0, B, D, 50, 5, 2), (0, S, D, 100, 1, 0)])
    assert cleared(make_tree([-1]), buyers).filled_wh.tolist() == [33, 34, 33, 100]


def test_the_marginal_quantity_is_shared_over_the_whole_tree(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0, 0, 0])
    orders = make_batch([(1, S, D, 50, 5, 3), (2, S, D, 50, 5, 1), (3, S, D, 50, 5, 2), (0, B, D, 100, 9, 0)])
    assert cleared(tree, orders).filled_wh.tolist() == [33, 34, 33, 100]
    limited = make_tree([-1, 0, 0, 0], export_limit=[None, None, 20, None])
    assert cleared(limited, orders).filled_wh.tolist() == [41, 17, 42, 100]


def test_a_unit_has_the_turn_of_its_earliest_order(make_tree: Tree, make_batch: Batch) -> None:
    """3 Wh over 2 and 2 sold: the odd one goes to the unit whose second order came first. Bought likewise."""
    sellers = make_batch([(1, S, D, 1, 5, 5), (1, S, D, 1, 5, 1), (0, S, D, 2, 5, 3), (0, B, D, 3, 9, 0)])
    assert cleared(make_tree([-1, 0]), sellers).filled_wh.tolist() == [1, 1, 1, 3]
    tree = make_tree([-1, 0, 0], fee=[0, 10, 0])
    buyers = make_batch([(1, B, D, 2, 30, 1), (0, B, D, 2, 20, 2), (2, B, D, 1, 25, 9), (0, S, D, 4, 5, 0)])
    assert cleared(tree, buyers).filled_wh.tolist() == [2, 1, 1, 4]


def test_row_22_two_sellers_behind_one_transformer(make_tree: Tree, make_batch: Batch) -> None:
    """630 kVA, reverse limit 80 % = 504 kW; 400 kW and 200 kW offered, 60 kW of load: the second is cut to 164 kW."""
    tree = make_tree([-1, 0], export_limit=[None, 504 * 250])
    orders = make_batch(
        [
            (1, S, D, 400 * 250, 200_000),
            (1, S, D, 200 * 250, 300_000),
            (1, B, Party.SUPPLY, 60 * 250, 1_500_000),
            (0, B, PROVINCE, 10**9, 350_000),
        ]
    )
    result = cleared(tree, orders, tick=1000)
    assert result.filled_wh.tolist() == [100_000, 164 * 250, 15_000, 126_000]
    assert result.price_uyuan_per_kwh.tolist() == [350_000, 300_000]
    assert result.shadow_uyuan_per_kwh.tolist() == [0, -50_000]
    assert result.binding_export.tolist() == [False, True]


def test_the_fee_is_paid_on_the_way_down_only(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0, 0], fee=[0, 40, 20])
    orders = make_batch([(1, S, D, 10, 100), (2, B, D, 10, 500)])
    result = cleared(tree, orders)
    assert result.filled_wh.tolist() == [10, 10]
    assert result.price_uyuan_per_kwh.tolist() == [290, 290, 310]
    too_dear = make_batch([(1, S, D, 10, 481), (2, B, D, 10, 500)])
    assert cleared(tree, too_dear).filled_wh.tolist() == [0, 0]


def test_an_edge_without_flow_has_a_price_between_parent_and_parent_plus_fee(
    make_tree: Tree, make_batch: Batch
) -> None:
    tree = make_tree([-1, 0], fee=[0, 40])
    root = [(0, S, D, 10, 300), (0, B, D, 10, 300)]
    inside = cleared(tree, make_batch([*root, (1, S, D, 5, 310), (1, B, D, 5, 330)]))
    assert inside.price_uyuan_per_kwh.tolist() == [300, 320]
    assert inside.flow_up_wh.tolist() == [0, 0]
    cut_above = cleared(tree, make_batch([*root, (1, S, D, 5, 320), (1, B, D, 5, 390)]))
    assert cut_above.price_uyuan_per_kwh.tolist() == [300, 330]
    assert cut_above.shadow_uyuan_per_kwh.tolist() == [0, 0]


@pytest.mark.parametrize(("limit", "shadow"), [("export_limit", -100), ("import_limit", 100)])
def test_a_limit_of_zero_decouples(make_tree: Tree, make_batch: Batch, limit: str, shadow: int) -> None:
    tree = make_tree([-1, 0], fee=[0, 40], **{limit: [None, 0]})
    root = [(0, S, D, 10, 500), (0, B, D, 10, 500)]
    inside = 500 + shadow if shadow < 0 else 540 + shadow
    result = cleared(tree, make_batch([*root, (1, S, D, 5, inside), (1, B, D, 5, inside)]))
    assert result.flow_up_wh.tolist() == [0, 0]
    assert result.price_uyuan_per_kwh.tolist() == [500, inside]
    assert result.shadow_uyuan_per_kwh.tolist() == [0, shadow]


def test_an_import_limit_makes_the_inside_dearer_and_the_basis_adds_up(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0, 1], fee=[0, 30, 20], import_limit=[None, 100, 40])
    orders = make_batch(
        [
            (0, S, D, 1000, 200),
            (1, S, D, 1000, 300),
            (1, B, D, 120, 900),
            (2, S, D, 1000, 450),
            (2, B, D, 90, 900),
        ]
    )
    result = cleared(tree, orders)
    assert result.flow_up_wh.tolist() == [0, -100, -40]
    assert result.price_uyuan_per_kwh.tolist() == [200, 300, 450]
    assert result.shadow_uyuan_per_kwh.tolist() == [0, 70, 130]
    assert result.basis_uyuan_per_kwh.tolist() == [0, 70, 200]
    assert result.binding_import.tolist() == [False, True, True]


def test_import_and_export_orders_never_both_fill_even_at_one_price(make_tree: Tree, make_batch: Batch) -> None:
    province = [(0, S, PROVINCE, 500, 300), (0, B, PROVINCE, 500, 300)]
    balanced = cleared(make_tree([-1]), make_batch([*province, (0, S, D, 10, 300), (0, B, D, 10, 300)]))
    assert balanced.filled_wh.tolist() == [0, 0, 10, 10]
    surplus = cleared(make_tree([-1]), make_batch([*province, (0, S, D, 10, 300), (0, B, D, 4, 300)]))
    assert surplus.filled_wh.tolist() == [0, 6, 10, 4]
    assert surplus.flow_up_wh.tolist() == [6]
    lack = cleared(make_tree([-1]), make_batch([*province, (0, S, D, 4, 300), (0, B, D, 10, 300)]))
    assert lack.filled_wh.tolist() == [6, 0, 4, 10]
    assert lack.flow_up_wh.tolist() == [-6]


def test_the_tie_is_an_edge_with_a_shadow_price(make_tree: Tree, make_batch: Batch) -> None:
    province = [(0, S, PROVINCE, 100, 440), (0, B, PROVINCE, 100, 300)]
    short = make_batch([*province, (1, B, D, 150, 900), (1, S, D, 100, 600)])
    result = cleared(make_tree([-1, 0]), short)
    assert result.price_uyuan_per_kwh.tolist() == [600, 600]
    assert result.shadow_uyuan_per_kwh.tolist() == [160, 0]
    assert result.basis_uyuan_per_kwh.tolist() == [160, 160]
    assert result.binding_import.tolist() == [True, False]
    flooded = make_batch([*province, (1, S, D, 150, 50)])
    result = cleared(make_tree([-1, 0]), flooded)
    assert (result.price_uyuan_per_kwh[0], result.shadow_uyuan_per_kwh[0]) == (50, -250)
    assert result.binding_export.tolist() == [True, False]
    tighter = cleared(make_tree([-1, 0], export_limit=[30, None]), flooded)
    assert tighter.filled_wh.tolist() == [0, 30, 30]
    assert tighter.flow_up_wh.tolist() == [30, 30]


def test_negative_prices_clear_like_any_other(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, PROVINCE, 99, -60), (0, B, PROVINCE, 99, -200), (1, S, D, 50, -200), (1, B, D, 20, 0)])
    result = cleared(make_tree([-1, 0]), orders)
    assert result.filled_wh.tolist() == [0, 30, 50, 20]
    assert result.price_uyuan_per_kwh.tolist() == [-200, -200]


def test_a_limit_reached_in_a_tie_binds_without_a_shadow(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0], export_limit=[None, 30])
    result = cleared(tree, make_batch([(0, B, D, 100, 500), (1, S, D, 100, 500)]))
    assert result.shadow_uyuan_per_kwh.tolist() == [0, 0]
    assert result.binding_export.tolist() == [False, True]
    all_sold = cleared(tree, make_batch([(0, B, D, 100, 900), (1, S, D, 30, 500)]))
    assert not all_sold.binding_export.any()


def test_prices_that_could_overflow_are_refused(make_tree: Tree, make_batch: Batch) -> None:
    with pytest.raises(ClearingRangeError):
        cleared(make_tree([-1]), make_batch([(0, S, D, 10, 2**60)]))
    with pytest.raises(ClearingRangeError):
        cleared(make_tree([-1]), make_batch([(0, S, D, 2**61, 5), (0, S, D, 2**61, 5)]))


@st.composite
def small_markets(draw: st.DrawFn) -> tuple[list[int], dict[str, list[int]], list[tuple]]:
    n = draw(st.integers(1, 5))
    parent = [-1, *(draw(st.integers(0, i - 1)) for i in range(1, n))]
    limits = {
        name: draw(st.lists(st.sampled_from([None, 0, 1, 3, 6]), min_size=n, max_size=n))
        for name in ("export_limit", "import_limit")
    }
    fee = [0, *draw(st.lists(st.integers(0, 3), min_size=n - 1, max_size=n - 1))]
    row = st.tuples(
        st.integers(0, n - 1),
        st.sampled_from(TradeSide),
        st.just(D),
        st.integers(1, 5),
        st.integers(-4, 4),
        st.integers(0, 2),
        st.booleans(),
    )
    rows = draw(st.lists(row, max_size=9))
    if draw(st.booleans()):
        price = draw(st.integers(-4, 4))
        rows.append((0, S, PROVINCE, draw(st.integers(0, 9)), price + draw(st.integers(0, 2)), 9, False))
        rows.append((0, B, PROVINCE, draw(st.integers(0, 9)), price, 9, False))
    return parent, limits | {"fee": fee}, rows


@settings(max_examples=250, deadline=None)
@given(small_markets(), st.integers(1, 3), st.booleans())
def test_the_laws_hold_on_small_markets(
    make_tree: Tree,
    make_batch: Batch,
    market: tuple[list[int], dict[str, list[int]], list[tuple]],
    tick: int,
    clean_first: bool,
) -> None:
    parent, columns, rows = market
    tree, orders = make_tree(parent, **columns), make_batch(rows)
    result = cleared(tree, orders, tick, clean_first=clean_first)
    assert check_fills(orders, result) == []
    assert check_balance(tree, orders, result) == []
    assert check_edge_prices(tree, orders, result) == []
    assert check_ties(orders, result, clean_first=clean_first) == []
    assert check_reproduced(tree, orders, result, tick_uyuan_per_kwh=tick, clean_first=clean_first) == []


@settings(max_examples=100, deadline=None)
@given(small_markets(), st.integers(0, 4))
def test_numbering_siblings_otherwise_changes_no_price_or_total(
    make_tree: Tree,
    make_batch: Batch,
    market: tuple[list[int], dict[str, list[int]], list[tuple]],
    seed: int,
) -> None:
    """Units renumbered by depth and a shuffle: the same market, so each unit has the same price and total fill."""
    parent, columns, rows = market
    depth = [0] * len(parent)
    for unit in range(1, len(parent)):
        depth[unit] = depth[parent[unit]] + 1
    shuffle = np.random.default_rng(seed).permutation(len(parent))
    order = sorted(range(len(parent)), key=lambda unit: (depth[unit], shuffle[unit]))
    new = {old: number for number, old in enumerate(order)}
    tree, orders = make_tree(parent, **columns), make_batch(rows)
    other = make_tree(
        [-1 if parent[old] < 0 else new[parent[old]] for old in order],
        **{name: [column[old] for old in order] for name, column in columns.items()},
    )
    moved = replace(orders, unit=np.array([new[unit] for unit in orders.unit.tolist()], np.int64))
    one, two = cleared(tree, orders), cleared(other, moved)
    assert one.price_uyuan_per_kwh[order].tolist() == two.price_uyuan_per_kwh.tolist()
    assert int(one.filled_wh.sum()) == int(two.filled_wh.sum())
