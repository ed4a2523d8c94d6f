"""Curtailment: pro rata of available power, exact, with whom and why; and what it does to pairs."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from hub.market.books import BookFills, book_orders, split_book_fills
from hub.market.checks import check_curtailed_balance
from hub.market.curtailment import (
    Curtailment,
    CurtailmentPolicy,
    CurtailmentRule,
    CurtailmentRuleError,
    curtail,
    curtail_pairs,
)
from hub.market.pairing import pair
from hub.market.registry_columns import MeteringPoints
from hub.market.security import net_export_fills_wh, units_behind
from hub.market.trades import BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

County = Callable[..., SimpleNamespace]
S = TradeSide.SELL


@pytest.fixture(scope="module")
def cleared(make_county: County) -> SimpleNamespace:
    county = make_county(seed=5, meters=900, tight=0.4, direct_share=0.5)
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    fills = split_book_fills(county.books, county.orders, result.filled_wh, n_meters=county.points.unit.size)
    return SimpleNamespace(**vars(county), result=result, fills=fills)


def reduction(cleared: SimpleNamespace, wanted: dict[int, int]) -> np.ndarray:
    column = np.zeros(len(cleared.tree.unit_id), np.int64)
    for unit, energy in wanted.items():
        column[unit] = energy
    return column


def curtailed(cleared: SimpleNamespace, wanted: dict[int, int], **changes: object):
    given = {"filled_wh": cleared.result.filled_wh, "book_fills": cleared.fills} | changes
    return curtail(
        cleared.tree,
        cleared.orders,
        cleared.points,
        cleared.books,
        given.pop("filled_wh"),
        given.pop("book_fills"),
        reduction_wh=reduction(cleared, wanted),
        **given,
    )


def behind(cleared: SimpleNamespace, unit: int) -> np.ndarray:
    flagged = np.zeros(len(cleared.tree.unit_id), np.bool_)
    flagged[unit] = True
    return units_behind(cleared.tree, flagged)[cleared.points.unit]


def sold(cleared: SimpleNamespace) -> np.ndarray:
    return net_export_fills_wh(cleared.orders, cleared.points, cleared.result.filled_wh, cleared.fills)


def available(cleared: SimpleNamespace) -> np.ndarray:
    offered = np.zeros(cleared.points.unit.size, np.int64)
    direct = (cleared.orders.party == Party.DIRECT) & (cleared.orders.side == TradeSide.SELL)
    np.add.at(offered, cleared.orders.meter[direct], cleared.orders.energy_wh[direct])
    is_captive = (cleared.points.sale == Party.PURCHASE) | (cleared.points.sale == Party.COMMISSION)
    return offered + np.where(is_captive, cleared.forecast["export_forecast_wh"], 0)


def test_the_reduction_is_taken_pro_rata_of_available_power_behind_the_edge_only(cleared: SimpleNamespace) -> None:
    unit = 3
    fills_before, offered = sold(cleared), available(cleared)
    here = behind(cleared, unit) & (fills_before > 0)
    wanted = int(fills_before[here].sum()) // 10
    done = curtailed(cleared, {unit: wanted})
    cut = np.zeros(fills_before.size, np.int64)
    cut[done.meter] = done.meter_cut_wh
    assert int(cut.sum()) == int(done.cut_wh.sum()) == wanted
    assert not cut[~here].any()
    assert set(done.unit.tolist()) == {unit}
    assert not done.short_wh.any()
    fills_after = net_export_fills_wh(cleared.orders, cleared.points, done.filled_wh, done.book_fills)
    assert (fills_before - fills_after == cut).all()
    assert (done.filled_wh == cleared.result.filled_wh - done.cut_wh).all()
    bounded = here & (cut < fills_before)
    rate = cut[bounded].sum(), offered[bounded].sum()
    assert (np.abs(cut[bounded] * int(rate[1]) - int(rate[0]) * offered[bounded]) <= int(rate[1])).all()


def test_who_has_less_left_than_its_share_loses_all_and_the_others_take_the_rest(cleared: SimpleNamespace) -> None:
    unit, fills_before = 3, sold(cleared)
    here = behind(cleared, unit)
    whole = int(fills_before[here].sum())
    done = curtailed(cleared, {unit: whole - 1})
    assert int(done.meter_cut_wh.sum()) == whole - 1
    beyond = curtailed(cleared, {unit: whole + 7})
    assert int(beyond.meter_cut_wh.sum()) == whole
    assert beyond.short_wh[unit] == 7
    after = net_export_fills_wh(cleared.orders, cleared.points, beyond.filled_wh, beyond.book_fills)
    assert not after[here].any()
    assert (beyond.filled_wh >= 0).all()


def test_what_is_cut_below_counts_above_and_the_cause_is_recorded(cleared: SimpleNamespace) -> None:
    feeder = 3
    area = next(
        unit
        for unit in np.flatnonzero(cleared.tree.parent == feeder).tolist()
        if int(sold(cleared)[behind(cleared, unit)].sum()) > 1000
    )
    done = curtailed(cleared, {area: 600, feeder: 1000})
    by_cause = {unit: int(done.meter_cut_wh[done.unit == unit].sum()) for unit in (area, feeder)}
    assert by_cause == {area: 600, feeder: 400}
    in_area = behind(cleared, area)
    assert in_area[done.meter[done.unit == area]].all()


def test_rounds_add_up(cleared: SimpleNamespace) -> None:
    first = curtailed(cleared, {3: 500})
    second = curtailed(cleared, {3: 300, 4: 200}, filled_wh=first.filled_wh, book_fills=first.book_fills, earlier=first)
    assert int(second.cut_wh.sum()) == int(second.meter_cut_wh.sum()) == 1000
    assert (second.filled_wh == cleared.result.filled_wh - second.cut_wh).all()
    keys = list(zip(second.unit.tolist(), second.meter.tolist(), strict=True))
    assert keys == sorted(set(keys))


def test_pairs_lose_what_their_seller_lost_and_only_the_province_gets_less(cleared: SimpleNamespace) -> None:
    pairs = pair(
        cleared.tree,
        cleared.orders,
        cleared.result,
        fees=cleared.fees,
        points=cleared.points,
        upstream_loss_uyuan_per_kwh=cleared.upstream_loss,
    )
    done = curtailed(cleared, {1: int(sold(cleared).sum()) // 3})
    effect = curtail_pairs(cleared.orders, pairs, done.cut_wh)
    assert check_curtailed_balance(cleared.orders, pairs, effect.curtailed_wh, done.cut_wh) == []
    to_province = cleared.orders.party[pairs.buyer] == Party.PROVINCE
    assert not effect.replaced_wh[to_province].any()
    assert (effect.replaced_wh[~to_province] == effect.curtailed_wh[~to_province]).all()
    assert int(effect.curtailed_wh.sum()) == int(done.cut_wh.sum()) > 0
    broken = effect.curtailed_wh.copy()
    broken[np.argmax(broken)] += 1
    assert check_curtailed_balance(cleared.orders, pairs, broken, done.cut_wh) != []


def test_no_reduction_changes_nothing(cleared: SimpleNamespace) -> None:
    done = curtailed(cleared, {})
    assert (done.filled_wh == cleared.result.filled_wh).all()
    assert done.meter.size == 0
    assert done.rule == "pro-rata-available"


def test_last_in_first_out_takes_the_latest_days_whole_and_shares_the_last_one_reached(
    cleared: SimpleNamespace,
) -> None:
    unit, fills_before = 3, sold(cleared)
    here = behind(cleared, unit) & (fills_before > 0)
    day = 736_000 + np.arange(fills_before.size) % 5
    of_day = [int(fills_before[here & (day == 736_000 + each)].sum()) for each in range(5)]
    wanted = of_day[4] + of_day[3] // 2
    assert of_day[3] > 1
    done = curtailed(cleared, {unit: wanted}, policy=CurtailmentPolicy(CurtailmentRule.LAST_IN_FIRST_OUT, day))
    cut = cut_of(cleared, done)
    assert done.rule == "last-in-first-out"
    assert [int(cut[day == 736_000 + each].sum()) for each in range(5)] == [0, 0, 0, wanted - of_day[4], of_day[4]]
    marginal = here & (day == 736_003) & (cut < fills_before)
    rate = int(cut[marginal].sum()), int(available(cleared)[marginal].sum())
    assert (np.abs(cut[marginal] * rate[1] - rate[0] * available(cleared)[marginal]) <= rate[1]).all()


def test_equal_share_takes_the_same_from_every_metering_point_or_all_it_has(cleared: SimpleNamespace) -> None:
    unit, fills_before = 3, sold(cleared)
    here = behind(cleared, unit) & (fills_before > 0)
    wanted = int(fills_before[here].sum()) * 2 // 3
    done = curtailed(cleared, {unit: wanted}, policy=CurtailmentPolicy(CurtailmentRule.EQUAL_SHARE))
    cut = cut_of(cleared, done)
    assert int(cut.sum()) == wanted
    whole = here & (cut == fills_before)
    assert whole.any()
    level = cut[here & ~whole]
    assert level.size > 1
    assert level.max() - level.min() <= 1
    assert (cut[whole] <= level.max()).all()
    assert done.rule == "equal-share"


def test_a_meter_with_several_orders_counts_once_in_equal_shares(
    make_tree: Callable[..., BalanceTree], make_batch: Callable[..., OrderBatch]
) -> None:
    """Meter 0 offers 60 in two orders, meter 1 offers 60 in one: 40 off means 20 each, 10 from each of the two."""
    tree = make_tree([-1, 0])
    orders = make_batch(
        [(1, S, Party.DIRECT, 30, 1), (1, S, Party.DIRECT, 30, 2), (1, S, Party.DIRECT, 60, 1)], meters=[0, 0, 1]
    )
    points = points_of_two()
    books = book_orders(
        points,
        n_units=2,
        import_forecast_wh=np.zeros(2, np.int64),
        export_forecast_wh=np.zeros(2, np.int64),
        loss_forecast_wh=np.zeros(2, np.int64),
        price_floor_uyuan_per_kwh=0,
        price_cap_uyuan_per_kwh=9,
    )
    done = curtail(
        tree,
        orders,
        points,
        books,
        orders.energy_wh,
        BookFills(np.zeros(2, np.int64), np.zeros(2, np.int64)),
        reduction_wh=np.array([0, 40]),
        policy=CurtailmentPolicy(CurtailmentRule.EQUAL_SHARE),
    )
    assert done.cut_wh.tolist() == [10, 10, 20]


def test_last_in_first_out_without_the_days_is_refused() -> None:
    with pytest.raises(CurtailmentRuleError, match="last-in-first-out needs the day"):
        CurtailmentPolicy(CurtailmentRule.LAST_IN_FIRST_OUT)


@pytest.mark.parametrize("rule", list(CurtailmentRule))
def test_every_rule_takes_exactly_what_is_wanted_and_nobody_below_zero(
    cleared: SimpleNamespace, rule: CurtailmentRule
) -> None:
    fills_before = sold(cleared)
    policy = CurtailmentPolicy(rule, np.arange(fills_before.size) // 7)
    here = behind(cleared, 3)
    whole = int(fills_before[here].sum())
    for wanted in (1, whole // 7, whole - 1, whole):
        done = curtailed(cleared, {3: wanted}, policy=policy)
        cut = cut_of(cleared, done)
        assert int(cut.sum()) == wanted
        assert not cut[~here].any()
        assert (cut <= fills_before).all()


def cut_of(cleared: SimpleNamespace, done: Curtailment) -> np.ndarray:
    cut = np.zeros(cleared.points.unit.size, np.int64)
    np.add.at(cut, done.meter, done.meter_cut_wh)
    return cut


def points_of_two() -> MeteringPoints:
    return MeteringPoints(
        meter_id=("M0", "M1"),
        unit=np.array([1, 1]),
        sale=np.full(2, Party.DIRECT, np.int8),
        supply=np.full(2, -1, np.int8),
        clean=np.ones(2, np.bool_),
        export_capacity_wh=np.full(2, 60),
        import_capacity_wh=np.zeros(2, np.int64),
        user_tariff_uyuan_per_kwh=np.zeros(2, np.int64),
    )
