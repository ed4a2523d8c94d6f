"""Attributes bound to each traded kWh: by hand, and on counties with books; several counterparties share a plant."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.books import split_book_fills
from hub.market.green.green_quantities import GreenContract, SettlementPeriod, check_settled, settle_contracts
from hub.market.green.green_trades import GreenTrades, check_green_trades, green_trades, laid_end_to_end
from hub.market.pairing import pair
from hub.market.security import net_export_fills_wh
from hub.market.trades import Party
from hub.market.tree_clearing import clear

MWH = 1_000_000


def traded(world: SimpleNamespace) -> SimpleNamespace:
    result = clear(world.tree, world.orders, tick_uyuan_per_kwh=1000)
    pairs = pair(
        world.tree,
        world.orders,
        result,
        fees=world.fees,
        points=world.points,
        upstream_loss_uyuan_per_kwh=world.upstream_loss,
    )
    n_meters = world.points.unit.size
    book_fills = split_book_fills(world.books, world.orders, result.filled_wh, n_meters=n_meters)
    value = np.where(world.points.clean, 20_000 + np.arange(n_meters), 0)
    green = green_trades(world.orders, pairs, world.points, world.books, book_fills, environmental_uyuan_per_kwh=value)
    fills = net_export_fills_wh(world.orders, world.points, result.filled_wh, book_fills)
    return SimpleNamespace(pairs=pairs, green=green, fills=fills, value=value)


def violations(world: SimpleNamespace, found: SimpleNamespace, green: GreenTrades) -> list:
    return check_green_trades(green, world.orders, found.pairs, world.points, net_export_fill_wh=found.fills)


@pytest.mark.parametrize("seed", range(6))
def test_each_clean_wh_that_was_sold_has_one_attribute(make_county: Callable, seed: int) -> None:
    world = make_county(seed, areas=12, feeders=3, meters=400, direct_share=0.4)
    found = traded(world)
    green = found.green
    assert violations(world, found, green) == []
    seller_party = world.orders.party[found.pairs.seller[green.pair]]
    assert {Party.DIRECT, Party.PURCHASE, Party.COMMISSION} <= set(seller_party.tolist())
    assert bool(world.points.clean[green.plant].all())
    assert green.environmental_uyuan_per_kwh.tolist() == found.value[green.plant].tolist()
    paid = found.pairs.price_paid_uyuan_per_kwh[green.pair]
    assert green.energy_price_uyuan_per_kwh.tolist() == paid.tolist()


def test_a_book_of_clean_and_other_members_gives_the_clean_ones_share(make_county: Callable) -> None:
    world = make_county(3, areas=4, feeders=2, meters=200, direct_share=0.1)
    mixed = ~world.books.clean & ((world.books.party == Party.PURCHASE) | (world.books.party == Party.COMMISSION))
    assert mixed.any()
    assert violations(world, traded(world), traded(world).green) == []


def test_the_check_sees_lost_doubled_and_invented_attributes(make_county: Callable) -> None:
    world = make_county(1, areas=4, feeders=2, meters=200)
    found = traded(world)
    green = found.green
    cut = {name: getattr(green, name)[1:] for name in ("pair", "plant", "energy_wh")}
    assert len(violations(world, found, replace(green, **cut))) == 1
    twice = {name: np.append(getattr(green, name), getattr(green, name)[:1]) for name in cut}
    assert len(violations(world, found, replace(green, **twice))) >= 1
    forged = green.plant.copy()
    forged[0] = np.flatnonzero(~world.points.clean)[0]
    assert len(violations(world, found, replace(green, plant=forged))) == 2


def test_two_sides_laid_end_to_end() -> None:
    left, right, energy = laid_end_to_end(np.array([3, 0, 4], np.int64), np.array([2, 5], np.int64))
    assert (left.tolist(), right.tolist(), energy.tolist()) == ([0, 0, 2], [0, 1, 1], [2, 1, 4])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 3 * MWH), min_size=2, max_size=2),
            st.lists(st.integers(0, 3 * MWH), min_size=2, max_size=2),
            st.integers(0, MWH - 1),
        ),
        max_size=4,
    ),
    st.lists(st.integers(0, 5 * MWH), min_size=2, max_size=2),
    st.integers(0, 100),
    st.sampled_from(SettlementPeriod),
)
def test_no_wh_of_a_plant_is_settled_twice(
    rows: list[tuple[list[int], list[int], int]], generation: list[int], percent: int, period: SettlementPeriod
) -> None:
    contracts = [
        GreenContract(f"C{number}", np.array(energy, np.int64), np.array(used, np.int64), carried)
        for number, (energy, used, carried) in enumerate(rows)
    ]
    columns = {"generation_wh": np.array(generation, np.int64)}
    columns["mechanism_wh"] = columns["generation_wh"] * percent // 100
    settled = settle_contracts(contracts, **columns, period=period, wh_per_certificate=MWH)
    assert check_settled(contracts, settled, **columns, wh_per_certificate=MWH) == []
    if period is SettlementPeriod.INTERVAL:
        monthly = settle_contracts(contracts, **columns, period=SettlementPeriod.MONTHLY, wh_per_certificate=MWH)
        assert sum(one.matched_wh for one in settled) <= sum(one.matched_wh for one in monthly)


def test_the_check_sees_a_contract_settled_beyond_its_plant() -> None:
    contract = GreenContract("C", np.array([2 * MWH], np.int64), np.array([2 * MWH], np.int64), 0)
    columns = {"generation_wh": np.array([MWH], np.int64), "mechanism_wh": np.zeros(1, np.int64)}
    (one,) = settle_contracts([contract], **columns, period=SettlementPeriod.MONTHLY, wh_per_certificate=MWH)
    assert (one.certificates, one.seller_short_wh, one.buyer_short_wh) == (1, MWH, 0)
    for forged in (
        replace(one, matched_wh=2 * MWH, certificates=2),
        replace(one, carried_wh=1),
        replace(one, matched_wh=3 * MWH, certificates=3),
    ):
        assert check_settled([contract], [forged], **columns, wh_per_certificate=MWH) != []
