"""Why each order filled or did not, the price rules, quantity steps and what edges earn: cases worked by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hub.market.checks import check_edge_money, check_reasons
from hub.market.net_supply import ClearingRangeError
from hub.market.order_reasons import NO_UNIT, ExplainedClearing, OrderReason
from hub.market.price_rule import UNBOUNDED, PriceRule, chosen_price
from hub.market.trades import BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT
PROVINCE = Party.PROVINCE
Tree = Callable[..., BalanceTree]
Batch = Callable[..., OrderBatch]


def reasons_of(result: ExplainedClearing) -> list[tuple[str, int]]:
    slugs = [OrderReason(reason).slug for reason in result.reason.tolist()]
    return list(zip(slugs, result.limit_unit.tolist(), strict=True))


def test_the_price_keeps_out_and_the_margin_shares(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, D, 10, 5), (0, S, D, 10, 5), (0, S, D, 10, 6), (0, B, D, 15, 9), (0, B, D, 5, 4)])
    result = clear(make_tree([-1]), orders, tick_uyuan_per_kwh=1)
    share, price = ("marginal-share", NO_UNIT), ("price", NO_UNIT)
    assert reasons_of(result) == [share, share, price, ("filled", NO_UNIT), price]


def test_a_share_of_nothing_is_a_share(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, D, 1, 5), (0, S, D, 1, 5), (0, B, D, 1, 9)])
    result = clear(make_tree([-1]), orders, tick_uyuan_per_kwh=1)
    assert result.filled_wh.tolist() == [1, 0, 1]
    assert reasons_of(result)[1] == ("marginal-share", NO_UNIT)


def test_clean_offers_of_the_same_price_took_all(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, D, 5, 5, 0, False), (0, S, D, 5, 5, 0, True), (0, B, D, 5, 5, 0, False)])
    result = clear(make_tree([-1]), orders, tick_uyuan_per_kwh=1)
    assert reasons_of(result)[0] == ("clean-first", NO_UNIT)
    both = clear(make_tree([-1]), orders, tick_uyuan_per_kwh=1, clean_first=False)
    assert reasons_of(both)[0] == ("marginal-share", NO_UNIT)


def test_nobody_is_left_at_the_price(make_tree: Tree, make_batch: Batch) -> None:
    alone = clear(make_tree([-1]), make_batch([(0, B, D, 10, 700), (0, B, D, 10, 600)]), tick_uyuan_per_kwh=1)
    assert reasons_of(alone) == [("no-counterparty", NO_UNIT), ("price", NO_UNIT)]


def test_the_nearest_limit_that_keeps_an_order_out_is_named(make_tree: Tree, make_batch: Batch) -> None:
    """Two limits above each other: 350 would sell beyond the lower one, 470 beyond the upper one only, 600 nowhere."""
    tree = make_tree([-1, 0, 1], export_limit=[None, 30, 10])
    sellers = [(2, S, D, 99, price) for price in (200, 350, 470, 600)]
    rows = [*sellers, (1, S, D, 99, 400), (0, S, D, 999, 500), (0, B, D, 500, 900)]
    result = clear(tree, make_batch(rows), tick_uyuan_per_kwh=1)
    assert result.price_uyuan_per_kwh.tolist() == [500, 400, 200]
    assert result.shadow_uyuan_per_kwh.tolist() == [0, -100, -200]
    assert reasons_of(result) == [
        ("marginal-share", 2),
        ("limit", 2),
        ("limit", 1),
        ("price", NO_UNIT),
        ("marginal-share", 1),
        ("marginal-share", NO_UNIT),
        ("filled", NO_UNIT),
    ]


def test_an_import_limit_keeps_buyers_out(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0], import_limit=[None, 10])
    rows = [(0, S, D, 99, 100), (1, B, D, 10, 900), (1, B, D, 10, 500), (1, B, D, 10, 90)]
    result = clear(tree, make_batch(rows), tick_uyuan_per_kwh=1)
    assert reasons_of(result)[1:] == [("filled", NO_UNIT), ("limit", 1), ("price", NO_UNIT)]
    assert result.rent_nano_yuan.tolist() == [0, 10 * (700 - 100)]


def test_a_full_tie_keeps_the_province_and_sellers_out(make_tree: Tree, make_batch: Batch) -> None:
    orders = make_batch([(0, S, PROVINCE, 99, 440), (0, B, PROVINCE, 99, 300), (1, S, D, 50, 50), (1, S, D, 50, 200)])
    result = clear(make_tree([-1, 0], export_limit=[30, None]), orders, tick_uyuan_per_kwh=1)
    assert result.filled_wh.tolist() == [0, 30, 30, 0]
    assert reasons_of(result) == [("price", NO_UNIT), ("limit", 0), ("marginal-share", 0), ("limit", 0)]
    assert result.rent_nano_yuan.tolist() == [30 * 250, 0]


def test_edges_earn_what_buyers_pay_and_sellers_do_not_get(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0, 0], fee=[0, 40, 20], export_limit=[None, 10, None])
    result = clear(tree, make_batch([(1, S, D, 99, 100), (2, B, D, 30, 500), (0, S, D, 99, 300)]), tick_uyuan_per_kwh=1)
    assert result.fee_nano_yuan.tolist() == [0, 0, 30 * 20]
    assert result.rent_nano_yuan.tolist() == [0, 10 * 200, 0]
    assert 30 * 320 - 10 * 100 - 20 * 300 == 30 * 20 + 10 * 200


def test_quantity_steps_cut_fills_flows_and_limits(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0], export_limit=[None, 38])
    orders = make_batch([(1, S, D, 27, 5), (1, S, D, 19, 5), (1, S, D, 9, 1), (1, S, D, 10, 7), (0, B, D, 100, 9)])
    result = clear(tree, orders, tick_uyuan_per_kwh=1, quantity_step_wh=10)
    assert result.filled_wh.tolist() == [20, 10, 0, 0, 30]
    assert result.flow_up_wh.tolist() == [0, 30]
    step = ("quantity-step", NO_UNIT)
    assert reasons_of(result) == [step, step, step, ("limit", 1), ("marginal-share", NO_UNIT)]


@pytest.mark.parametrize(
    ("rule", "low", "high", "tick", "price"),
    [
        (PriceRule.MIDPOINT, 101, 199, 1, 150),
        (PriceRule.MIDPOINT, 101, 199, 100, 150),
        (PriceRule.MIDPOINT, -199, -101, 20, -160),
        (PriceRule.LOWEST, 101, 199, 1, 101),
        (PriceRule.LOWEST, 101, 199, 50, 150),
        (PriceRule.LOWEST, 101, 199, 100, 101),
        (PriceRule.LOWEST, -UNBOUNDED, 199, 50, 150),
        (PriceRule.LOWEST, -199, UNBOUNDED, 50, -150),
        (PriceRule.HIGHEST, 101, 199, 50, 150),
        (PriceRule.HIGHEST, 101, 199, 100, 199),
        (PriceRule.HIGHEST, -199, -101, 50, -150),
        (PriceRule.HIGHEST, 101, UNBOUNDED, 50, 150),
        (PriceRule.HIGHEST, -UNBOUNDED, -101, 50, -150),
        *((rule, -UNBOUNDED, UNBOUNDED, 7, 0) for rule in PriceRule),
    ],
)
def test_each_rule_takes_its_price_and_moves_it_to_tick_inside_the_interval(
    rule: PriceRule, low: int, high: int, tick: int, price: int
) -> None:
    assert chosen_price(low, high, tick_uyuan_per_kwh=tick, rule=rule) == price


@pytest.mark.parametrize(("rule", "price"), [(PriceRule.LOWEST, 1000), (PriceRule.HIGHEST, 2700)])
def test_a_result_names_its_rule(make_tree: Tree, make_batch: Batch, rule: PriceRule, price: int) -> None:
    orders = make_batch([(0, S, D, 10, 1000), (0, B, D, 10, 2700)])
    result = clear(make_tree([-1]), orders, tick_uyuan_per_kwh=1, price_rule=rule)
    assert (result.price_uyuan_per_kwh.tolist(), result.price_rule) == ([price], rule.value)


def test_rents_that_could_overflow_are_refused(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0], export_limit=[None, 2**40])
    orders = make_batch([(1, S, D, 2**41, 1), (0, S, D, 2**41, 2**40), (0, B, D, 2**42, 2**41)])
    with pytest.raises(ClearingRangeError, match="fees and rents"):
        clear(tree, orders, tick_uyuan_per_kwh=1)


def test_false_reasons_and_wrong_money_are_found(make_tree: Tree, make_batch: Batch) -> None:
    tree = make_tree([-1, 0], export_limit=[None, 10])
    orders = make_batch([(1, S, D, 10, 5), (1, S, D, 10, 6), (0, S, D, 10, 9), (0, B, D, 15, 20), (0, B, D, 5, 7)])
    result = clear(tree, orders, tick_uyuan_per_kwh=1)
    assert reasons_of(result)[1] == ("limit", 1)
    assert check_reasons(tree, orders, result) == []
    assert check_edge_money(tree, orders, result) == []
    for row in range(orders.energy_wh.size):
        others = {reason for reason in OrderReason if reason != result.reason[row]}
        for reason in others:
            claimed = result.reason.copy()
            claimed[row] = reason
            (found,) = check_reasons(tree, orders, replace(result, reason=claimed))
            assert found.where == orders.order_id[row]
    elsewhere = replace(result, limit_unit=np.where(result.limit_unit == 1, 0, result.limit_unit))
    assert len(check_reasons(tree, orders, elsewhere)) == 1
    assert check_edge_money(tree, orders, replace(result, rent_nano_yuan=result.rent_nano_yuan + 1)) != []
    assert check_edge_money(tree, orders, replace(result, fee_nano_yuan=-result.rent_nano_yuan)) != []
