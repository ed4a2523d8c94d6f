"""Each law's check finds a planted breach and names where it is; on a sound interval it is silent."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edge.contract.messages import Order, Side
from hub.market.checks import (
    check_accepted_orders,
    check_balance,
    check_cleared_interval,
    check_edge_prices,
    check_fills,
    check_outcomes,
    check_pairs,
    check_reproduced,
    check_ties,
)
from hub.market.order_rules import Accepted, OrderRefusal, Rejected, SessionParameters
from hub.market.pairing import pair
from hub.market.trades import BalanceTree, ClearingResult, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT


@pytest.fixture(scope="module")
def sound(make_county: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    county = make_county(seed=3, meters=800, tight=0.7)
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    pairs = pair(
        county.tree,
        county.orders,
        result,
        fees=county.fees,
        points=county.points,
        upstream_loss_uyuan_per_kwh=county.upstream_loss,
    )
    return SimpleNamespace(**vars(county), result=result, pairs=pairs)


def changed(result: ClearingResult, name: str, row: int, by: int) -> ClearingResult:
    column = getattr(result, name).copy()
    column[row] += by
    return replace(result, **{name: column})


def test_a_sound_interval_has_no_violation(sound: SimpleNamespace) -> None:
    found = check_cleared_interval(sound.tree, sound.orders, sound.result, sound.pairs, tick_uyuan_per_kwh=1000)
    assert found == []


def test_a_fill_off_by_one_wh_breaks_laws_1_to_3(sound: SimpleNamespace) -> None:
    full = int(np.flatnonzero(sound.result.filled_wh == sound.orders.energy_wh)[0])
    name = sound.orders.order_id[full]
    wrong = changed(sound.result, "filled_wh", full, 1)
    assert [(one.law, one.where, one.what) for one in check_fills(sound.orders, wrong)] == [
        (1, name, "filled beyond its quantity")
    ]
    unit = sound.tree.unit_id[int(sound.orders.unit[full])]
    assert (2, unit) in {(one.law, one.where) for one in check_balance(sound.tree, sound.orders, wrong)}
    assert [(one.law, one.where) for one in check_pairs(sound.tree, sound.orders, wrong, sound.pairs)] == [(2, name)]
    found = check_reproduced(sound.tree, sound.orders, wrong, tick_uyuan_per_kwh=1000, clean_first=True)
    assert [(one.law, one.what) for one in found] == [(3, "filled_wh differs when cleared again")]


def test_a_price_that_leaves_somebody_unhappy_or_overcharged_breaks_law_1(sound: SimpleNamespace) -> None:
    filled, partial = sound.result.filled_wh > 0, sound.result.filled_wh < sound.orders.energy_wh
    is_local = sound.orders.party != Party.PROVINCE
    for side, by in ((S, -(10**7)), (B, 10**7)):
        mine, others = (sound.orders.side == side) & is_local, (sound.orders.side != side) & is_local
        unit = int(sound.orders.unit[np.flatnonzero(others & partial)[0]])
        wrong = changed(sound.result, "price_uyuan_per_kwh", unit, by)
        here = sound.orders.unit == unit
        expected = {
            ("filled beyond its limit price", sound.orders.order_id[row])
            for row in np.flatnonzero(here & mine & filled).tolist()
        } | {
            ("not filled at a better price", sound.orders.order_id[row])
            for row in np.flatnonzero(here & others & partial).tolist()
        }
        assert {(one.what, one.where) for one in check_fills(sound.orders, wrong)} == expected
        assert sound.tree.unit_id[unit] in {one.where for one in check_edge_prices(sound.tree, sound.orders, wrong)}


@pytest.mark.parametrize("name", ["price_uyuan_per_kwh", "shadow_uyuan_per_kwh", "basis_uyuan_per_kwh"])
def test_every_edge_with_flow_has_its_price_checked_to_the_unit(sound: SimpleNamespace, name: str) -> None:
    for unit in range(1, len(sound.tree.unit_id)):
        if sound.result.flow_up_wh[unit] == 0:
            continue
        for by in (-1, 1):
            wrong = changed(sound.result, name, unit, by)
            where = {one.where for one in check_edge_prices(sound.tree, sound.orders, wrong)}
            assert sound.tree.unit_id[unit] in where


def test_flow_beyond_a_limit_or_not_equal_to_what_is_left_breaks_law_2(sound: SimpleNamespace) -> None:
    unit = int(np.flatnonzero(sound.result.binding_export)[-1])
    wrong = changed(sound.result, "flow_up_wh", unit, 1)
    texts = {
        one.what for one in check_balance(sound.tree, sound.orders, wrong) if one.where == sound.tree.unit_id[unit]
    }
    assert any("beyond a limit" in text for text in texts)
    assert any("sends up" in text for text in texts)


def test_a_pair_with_a_price_off_its_path_breaks_law_1(sound: SimpleNamespace) -> None:
    for name in ("price_paid_uyuan_per_kwh", "price_received_uyuan_per_kwh"):
        column = getattr(sound.pairs, name).copy()
        column[7] += 1
        found = check_pairs(sound.tree, sound.orders, sound.result, replace(sound.pairs, **{name: column}))
        assert [one.law for one in found] == [1]
        assert sound.orders.order_id[int(sound.pairs.seller[7])] in found[0].where


def test_a_pair_that_meets_too_high_breaks_law_2(sound: SimpleNamespace) -> None:
    row = int(np.flatnonzero(sound.pairs.apex > 0)[0])
    apex = sound.pairs.apex.copy()
    apex[row] = sound.tree.parent[apex[row]]
    found = check_pairs(sound.tree, sound.orders, sound.result, replace(sound.pairs, apex=apex))
    assert [(one.law, one.where) for one in found] == [(2, sound.orders.order_id[int(sound.pairs.seller[row])])]


@pytest.mark.parametrize(
    ("fills", "culprit"),
    [
        ([40, 40, 0, 80], None),
        ([50, 30, 0, 80], None),
        ([30, 50, 0, 80], "O00001"),
        ([40, 39, 1, 80], "O00002"),
    ],
)
def test_filling_out_of_turn_breaks_law_3(
    make_tree: Callable[..., BalanceTree],
    make_batch: Callable[..., OrderBatch],
    fills: list[int],
    culprit: str | None,
) -> None:
    orders = make_batch(
        [
            (0, S, D, 60, 5, 0, True),
            (0, S, D, 60, 5, 1, True),
            (0, S, D, 60, 5, 0, False),
            (0, B, D, 80, 9, 0, False),
        ]
    )
    result = clear(make_tree([-1]), orders, tick_uyuan_per_kwh=1)
    wrong = replace(result, filled_wh=np.array(fills, np.int64))
    assert [one.where for one in check_ties(orders, wrong, clean_first=True)] == ([] if culprit is None else [culprit])


def test_lost_and_doubled_orders_break_law_1() -> None:
    order = Order("M1", 7, 1, Side.SELL, 10, 1000, 0)
    accepted, rejected = Accepted("a", order, repeat=False), Rejected("b", order, OrderRefusal.OFF_LOT)
    assert check_outcomes(2, [accepted, rejected]) == []
    assert [one.what for one in check_outcomes(3, [accepted, rejected])] == ["3 submitted, 2 accepted or rejected"]
    assert [one.where for one in check_outcomes(2, [accepted, accepted])] == ["a"]
    assert check_outcomes(2, [accepted, Accepted("a", order, repeat=True)]) == []


@pytest.mark.parametrize(
    ("energy", "price", "breaches"), [(10, 1000, 0), (15, 1000, 1), (0, 1000, 1), (10, 1500, 1), (5, 99_000, 2)]
)
def test_accepted_orders_outside_the_session_break_law_1(energy: int, price: int, breaches: int) -> None:
    session = SessionParameters(7, 9, 0, 50_000, 1000, 10)
    outcome = Accepted("a", Order("M1", 7, 1, Side.SELL, energy, price, 0), repeat=False)
    assert len(check_accepted_orders([outcome], session)) == breaches
