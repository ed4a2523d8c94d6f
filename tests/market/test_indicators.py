"""What the interval shows: volumes and means by mode, local share, curves that cross at the cleared point."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from hub.market.indicators import curve_points, local_share_ppm, mode_volumes
from hub.market.pairing import pair
from hub.market.trades import OrderBatch, Pairs, Party, TradeSide
from hub.market.tree_clearing import clear

S, B = TradeSide.SELL, TradeSide.BUY


def pairs_of(rows: list[tuple[int, ...]]) -> Pairs:
    """Rows of seller, buyer, Wh, mode, price paid, price received."""
    seller, buyer, energy, mode, paid, received = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    zero = np.zeros_like(seller)
    return Pairs(seller, buyer, energy, zero, mode.astype(np.int8), paid, received, zero, zero)


def test_volumes_and_weighted_means_by_mode(make_batch: Callable[..., OrderBatch]) -> None:
    orders = make_batch(
        [
            (0, S, Party.DIRECT, 900, 0),
            (0, S, Party.PURCHASE, 900, 0),
            (0, S, Party.PROVINCE, 900, 0),
            (0, B, Party.DIRECT, 900, 0),
            (0, B, Party.PROVINCE, 900, 0),
        ]
    )
    rows = [(0, 3, 100, 1, 301, 250), (0, 4, 300, 1, 300, 300), (1, 4, 30, 3, -5, -7), (1, 3, 10, 3, -4, -7)]
    pairs = pairs_of([*rows, (2, 3, 190, 0, 400, 380)])
    volumes = mode_volumes(orders, pairs)
    assert volumes.volume_wh.tolist() == [190, 400, 0, 40]
    assert volumes.export_wh.tolist() == [0, 300, 0, 30]
    assert volumes.price_paid_uyuan_per_kwh.tolist() == [400, 300, 0, -5]
    assert volumes.price_received_uyuan_per_kwh.tolist() == [380, 288, 0, -7]
    assert local_share_ppm(orders, pairs) == 110 * 1_000_000 // 300
    assert local_share_ppm(orders, pairs_of([(0, 4, 300, 1, 300, 300)])) == 0


@pytest.mark.parametrize("seed", range(6))
def test_the_curves_cross_at_the_roots_price_and_the_cleared_volume(
    make_county: Callable[..., SimpleNamespace], seed: int
) -> None:
    county = make_county(seed=seed, meters=700, tight=[0.0, 0.6][seed % 2])
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    curves = curve_points(county.orders, result)
    price, volume = int(result.price_uyuan_per_kwh[0]), int(result.filled_wh[county.orders.side == S].sum())
    assert (np.diff(curves.supply_price_uyuan_per_kwh) > 0).all()
    assert (np.diff(curves.demand_price_uyuan_per_kwh) < 0).all()

    def offered(is_offered: np.ndarray, energy: np.ndarray) -> int:
        return int(energy[is_offered][-1]) if is_offered.any() else 0

    below = offered(curves.supply_price_uyuan_per_kwh < price, curves.supply_wh)
    up_to = offered(curves.supply_price_uyuan_per_kwh <= price, curves.supply_wh)
    assert below <= volume <= up_to
    above = offered(curves.demand_price_uyuan_per_kwh > price, curves.demand_wh)
    down_to = offered(curves.demand_price_uyuan_per_kwh >= price, curves.demand_wh)
    assert above <= volume <= down_to


def test_volumes_by_mode_add_up_to_what_was_filled(make_county: Callable[..., SimpleNamespace]) -> None:
    county = make_county(seed=2, meters=700)
    result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1000)
    pairs = pair(
        county.tree, county.orders, result, fees=county.fees, points=county.points, upstream_loss_uyuan_per_kwh=0
    )
    volumes = mode_volumes(county.orders, pairs)
    sold = (county.orders.side == S) & (county.orders.party != Party.PROVINCE)
    assert int(volumes.volume_wh[1:].sum()) == int(result.filled_wh[sold].sum())
    assert int(volumes.export_wh.sum()) - int(volumes.volume_wh[0]) == int(result.flow_up_wh[0])
