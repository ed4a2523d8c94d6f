"""Curtailment: pro rata of available power, exact, with whom and why; and what it does to pairs."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from hub.market.books import split_book_fills
from hub.market.checks import check_curtailed_balance
from hub.market.curtailment import curtail, curtail_pairs
from hub.market.pairing import pair
from hub.market.security import net_export_fills_wh, units_behind
from hub.market.trades import Party, TradeSide
from hub.market.tree_clearing import clear

County = Callable[..., SimpleNamespace]


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
