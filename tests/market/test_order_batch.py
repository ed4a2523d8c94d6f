"""Books, the province's orders and the whole batch: every metering point is in it once, in one order."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edge.contract.messages import Order, Side
from hub.market.books import ImportBelowExportError, province_orders, split_book_fills
from hub.market.network_fee import NetworkFeeError
from hub.market.order_batch import DirectOrders, as_in_tree, assemble_orders, direct_orders
from hub.market.trades import NO_LIMIT_WH, BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

County = Callable[..., SimpleNamespace]


def assembled(county: SimpleNamespace, direct: DirectOrders, fees: object = None) -> OrderBatch:
    return assemble_orders(
        interval=1000,
        tree=county.tree,
        fees=fees or county.fees,
        points=county.points,
        direct=direct,
        books=county.books,
        province=county.province,
        gate_utc_s=9,
    )


def test_every_expected_energy_is_in_the_batch_once(make_county: County) -> None:
    county = make_county(seed=1, meters=600)
    orders, points, forecast = county.orders, county.points, county.forecast
    for party, role, side in (
        (Party.PURCHASE, points.sale, "export_forecast_wh"),
        (Party.COMMISSION, points.sale, "export_forecast_wh"),
        (Party.SUPPLY, points.supply, "import_forecast_wh"),
    ):
        for unit in range(len(county.tree.unit_id)):
            in_tree = int(orders.energy_wh[(orders.party == party) & (orders.unit == unit)].sum())
            assert in_tree == int(forecast[side][(role == party) & (points.unit == unit)].sum())
    is_book = (orders.meter < 0) & (orders.party != Party.PROVINCE)
    numbers = (orders.unit * 10 + orders.party)[is_book]
    assert len(set(numbers.tolist())) == numbers.size, "one order a book and unit"
    sells = (orders.party == Party.PURCHASE) | (orders.party == Party.COMMISSION)
    assert (orders.price_uyuan_per_kwh[sells] == 0).all()
    assert (orders.price_uyuan_per_kwh[is_book & ~sells] == 1_500_000).all()
    assert (orders.side[sells] == TradeSide.SELL).all()
    assert (orders.side[is_book & ~sells] == TradeSide.BUY).all()


def test_a_book_is_clean_only_if_all_its_members_are(make_county: County) -> None:
    county = make_county(seed=1, meters=600)
    points, books = county.points, county.books
    for number, party in enumerate(books.party):
        members = books.member_meter[books.member_book == number]
        expected = party in {Party.PURCHASE, Party.COMMISSION} and bool(points.clean[members].all())
        assert books.clean[number] == expected


def test_the_batch_does_not_depend_on_the_order_of_arrival(make_county: County) -> None:
    county = make_county(seed=2, meters=600)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(county.direct.meter.size)
        shuffled = DirectOrders(
            tuple(county.direct.order_id[row] for row in order),
            *(getattr(county.direct, name)[order] for name in list(vars(county.direct))[1:]),
        )
        batch = assembled(county, shuffled)
        for name, column in vars(county.orders).items():
            assert np.array_equal(getattr(batch, name), column), name
    assert list(county.orders.order_id) == sorted(county.orders.order_id)


def test_a_direct_buyers_price_is_lowered_by_its_access_fee_alone(make_county: County) -> None:
    county = make_county(seed=4, meters=300, levels_up=True)
    submitted = dict(zip(county.direct.order_id, county.direct.price_uyuan_per_kwh.tolist(), strict=True))
    lowered = 0
    for row, name in enumerate(county.orders.order_id):
        if name in submitted:
            unit, meter = county.orders.unit[row], county.orders.meter[row]
            access = county.points.user_tariff_uyuan_per_kwh[meter] - county.fees.unit_tariff_uyuan_per_kwh[unit]
            access = access if county.orders.side[row] == TradeSide.BUY else 0
            assert county.orders.price_uyuan_per_kwh[row] == submitted[name] - access
            lowered += int(access > 0)
    assert lowered > 10
    as_kept = np.array(
        [
            submitted.get(name, price)
            for name, price in zip(county.orders.order_id, county.orders.price_uyuan_per_kwh.tolist(), strict=True)
        ],
        np.int64,
    )
    restored = as_in_tree(replace(county.orders, price_uyuan_per_kwh=as_kept), county.fees, county.points)
    assert restored.price_uyuan_per_kwh.tolist() == county.orders.price_uyuan_per_kwh.tolist()
    above = replace(county.fees, unit_tariff_uyuan_per_kwh=county.fees.unit_tariff_uyuan_per_kwh + 100_000)
    with pytest.raises(NetworkFeeError, match="access fee"):
        assembled(county, county.direct, above)


def test_accepted_orders_become_columns(make_county: County) -> None:
    county = make_county(seed=1, meters=20)
    order = Order("M000003", 1000, 2, Side.BUY, 50, 400_000, 77)
    columns = direct_orders([("G1/1000/M000003/2", order)], county.points)
    assert columns.order_id == ("G1/1000/M000003/2",)
    assert [getattr(columns, name).tolist() for name in list(vars(columns))[1:]] == [[3], [1], [50], [400_000], [77]]
    assert direct_orders([], county.points).meter.dtype == np.int64


def test_a_books_fill_is_split_pro_rata_and_sums_exactly(make_county: County) -> None:
    county = make_county(seed=3, meters=1200, tight=0.8, direct_share=0.3)
    books, points = county.books, county.points
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    fills = split_book_fills(books, county.orders, result.filled_wh, n_meters=points.unit.size)
    partial = 0
    for row in np.flatnonzero((county.orders.meter < 0) & (county.orders.party < Party.LOSS)).tolist():
        party, unit = county.orders.party[row], county.orders.unit[row]
        role, column = (points.supply, fills.import_wh) if party == Party.SUPPLY else (points.sale, fills.export_wh)
        side = "import_forecast_wh" if party == Party.SUPPLY else "export_forecast_wh"
        members = (role == party) & (points.unit == unit)
        forecast, filled = county.forecast[side][members], int(result.filled_wh[row])
        assert int(column[members].sum()) == filled
        assert (np.abs(column[members] * int(forecast.sum()) - filled * forecast) < int(forecast.sum())).all()
        partial += int(0 < filled < forecast.sum())
    assert partial > 3
    direct = (points.sale == Party.DIRECT) | (points.sale < 0)
    assert not fills.export_wh[direct].any()


def test_the_provinces_orders_are_limited_by_the_tie_and_never_cross(make_tree: Callable[..., BalanceTree]) -> None:
    tree = make_tree([-1], export_limit=[700], import_limit=[900])
    orders = province_orders(
        tree, price_uyuan_per_kwh=-50, gateway_fee_uyuan_per_kwh=140, upstream_loss_uyuan_per_kwh=13
    )
    assert (orders.import_wh, orders.import_price_uyuan_per_kwh) == (900, 103)
    assert (orders.export_wh, orders.export_price_uyuan_per_kwh) == (700, -50)
    with pytest.raises(ImportBelowExportError, match="1 below export"):
        province_orders(tree, price_uyuan_per_kwh=9, gateway_fee_uyuan_per_kwh=10, upstream_loss_uyuan_per_kwh=-11)
    unlimited = province_orders(
        make_tree([-1]), price_uyuan_per_kwh=9, gateway_fee_uyuan_per_kwh=0, upstream_loss_uyuan_per_kwh=0
    )
    assert 10**11 < unlimited.import_wh < NO_LIMIT_WH
