"""Pairs: who meets whom, at which apex and price, and that every path's price identity holds exactly."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hub.market.checks import check_cleared_interval
from hub.market.network_fee import trade_fee_uyuan_per_kwh
from hub.market.pairing import pair
from hub.market.trades import ClearingResult, Pairs, Party, TradeSide
from hub.market.tree_clearing import clear

County = Callable[..., SimpleNamespace]


def cleared_and_paired(county: SimpleNamespace) -> tuple[ClearingResult, Pairs]:
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    pairs = pair(
        county.tree,
        county.orders,
        result,
        fees=county.fees,
        points=county.points,
        upstream_loss_uyuan_per_kwh=county.upstream_loss,
    )
    return result, pairs


def ancestors(parent: np.ndarray, unit: int) -> list[int]:
    path = [unit]
    while parent[path[-1]] >= 0:
        path.append(int(parent[path[-1]]))
    return path


CASES = [
    {"seed": 1, "tight": 0.0},
    {"seed": 2},
    {"seed": 3, "tight": 0.8},
    {"seed": 4, "levels_up": True},
    {"seed": 5, "levels_up": True, "tight": 0.8, "upstream_loss": 0},
    {"seed": 6, "tie_wh": 20_000},
    {"seed": 7, "tie_wh": 0, "levels_up": True},
    {"seed": 8, "tie_wh": 3_000, "tight": 0.8, "direct_share": 0.3},
    {"seed": 9, "feeders": 1, "areas": 1, "meters": 60},
]


@pytest.mark.parametrize("case", CASES)
def test_a_countys_pairs_keep_every_rule(make_county: County, case: dict[str, object]) -> None:
    county = make_county(**case)
    result, pairs = cleared_and_paired(county)
    orders, tree, fees = county.orders, county.tree, county.fees
    assert check_cleared_interval(tree, orders, result, pairs, tick_uyuan_per_kwh=1000) == []
    seller_party, buyer_party = orders.party[pairs.seller], orders.party[pairs.buyer]
    from_province, to_province = seller_party == Party.PROVINCE, buyer_party == Party.PROVINCE
    to_direct, from_direct = buyer_party == Party.DIRECT, seller_party == Party.DIRECT
    assert not (from_province & to_province).any()

    # The apex is the lowest unit above both; the path of one pair goes through each edge in the flow's direction.
    for seller, buyer, apex in zip(pairs.seller, pairs.buyer, pairs.apex, strict=True):
        up = ancestors(tree.parent, int(orders.unit[seller]))
        down = ancestors(tree.parent, int(orders.unit[buyer]))
        assert apex == next(unit for unit in up if unit in down)
        assert all(result.flow_up_wh[unit] > 0 for unit in up[: up.index(apex)])
        assert all(result.flow_up_wh[unit] < 0 for unit in down[: down.index(apex)])

    # A direct buyer pays its node price and access fee in all; the network once, w(apex) only to a mode 1 seller.
    rows = np.flatnonzero(to_direct)
    unit = orders.unit[pairs.buyer[rows]]
    tariff = county.points.user_tariff_uyuan_per_kwh[orders.meter[pairs.buyer[rows]]]
    access = tariff - fees.unit_tariff_uyuan_per_kwh[unit]
    in_all = (pairs.price_paid_uyuan_per_kwh + pairs.network_charge_uyuan_per_kwh + pairs.upstream_loss_uyuan_per_kwh)[
        rows
    ]
    assert (in_all == result.price_uyuan_per_kwh[unit] + access).all()
    w = trade_fee_uyuan_per_kwh(fees, pairs.apex[rows], tariff)
    charged = pairs.network_charge_uyuan_per_kwh[rows]
    assert (charged == np.where(from_direct[rows], w, tariff)).all()
    assert not pairs.network_charge_uyuan_per_kwh[~to_direct].any()

    # Mode 1 sellers get their node price, the province gets and pays its price.
    received, paid = pairs.price_received_uyuan_per_kwh, pairs.price_paid_uyuan_per_kwh
    at_seller = result.price_uyuan_per_kwh[orders.unit[pairs.seller]]
    assert (received[from_direct] == at_seller[from_direct]).all()
    price = county.province.export_price_uyuan_per_kwh
    assert (received[from_province] == price).all()
    assert (paid[to_province] == price).all()
    assert (pairs.upstream_loss_uyuan_per_kwh == np.where(from_province, county.upstream_loss, 0)).all()
    assert set(np.unique(pairs.mode[from_province])) <= {0}
    for party, mode in ((Party.DIRECT, 1), (Party.COMMISSION, 2), (Party.PURCHASE, 3)):
        assert (pairs.mode[seller_party == party] == mode).all()


@pytest.mark.parametrize("case", CASES[:4])
def test_local_energy_meets_locally_and_only_the_net_goes_up(make_county: County, case: dict[str, object]) -> None:
    county = make_county(**case)
    result, pairs = cleared_and_paired(county)
    orders, parent = county.orders, county.tree.parent
    leaves = set(range(parent.size)) - set(parent.tolist())
    signed = np.where(orders.side == TradeSide.SELL, 1, -1) * result.filled_wh
    for leaf in leaves:
        sold = int(signed[(orders.unit == leaf) & (signed > 0)].sum())
        bought = -int(signed[(orders.unit == leaf) & (signed < 0)].sum())
        assert int(pairs.energy_wh[pairs.apex == leaf].sum()) == min(sold, bought)
        direct_buyers = (orders.unit == leaf) & (orders.party == Party.DIRECT) & (signed < 0)
        direct_sellers = (orders.unit == leaf) & (orders.party == Party.DIRECT) & (signed > 0)
        at_leaf = (pairs.apex == leaf) & direct_sellers[pairs.seller] & direct_buyers[pairs.buyer]
        met = int(pairs.energy_wh[at_leaf].sum())
        assert met == min(int(signed[direct_sellers].sum()), -int(signed[direct_buyers].sum()))


def test_rows_stay_near_the_number_of_sellers_and_buyers(make_county: County) -> None:
    county = make_county(seed=10)
    result, pairs = cleared_and_paired(county)
    assert pairs.energy_wh.size < 4 * int((result.filled_wh > 0).sum())
    both = list(zip(pairs.seller.tolist(), pairs.buyer.tolist(), strict=True))
    assert len(set(both)) == len(both), "a seller and a buyer meet once"


def test_nothing_filled_gives_no_pairs(make_county: County) -> None:
    county = make_county(seed=12, feeders=1, areas=1, meters=4)
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    nothing = replace(result, filled_wh=np.zeros_like(result.filled_wh))
    pairs = pair(
        county.tree, county.orders, nothing, fees=county.fees, points=county.points, upstream_loss_uyuan_per_kwh=0
    )
    assert pairs.energy_wh.size == 0
    assert pairs.energy_wh.dtype == np.int64
