"""Why the root's price is what it is: each reason by hand, and that every cleared market has one that is true."""

from collections.abc import Callable

import numpy as np
import pytest

from hub.market.price_reason import PriceReason, ProvinceOrder, price_reason
from hub.market.trades import OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear


@pytest.mark.parametrize(
    ("price", "imported", "exported", "reason"),
    [
        (500, (500, 100, 40), (300, 100, 0), PriceReason.IMPORT),
        (500, (500, 100, 100), (300, 100, 0), PriceReason.IMPORT),
        (620, (500, 100, 100), (300, 100, 0), PriceReason.IMPORT_LIMIT),
        (620, (500, 100, 99), (300, 100, 0), PriceReason.UNEXPLAINED),
        (480, (500, 100, 40), (300, 100, 0), PriceReason.UNEXPLAINED),
        (480, (500, 100, 100), (300, 100, 0), PriceReason.UNEXPLAINED),
        (300, (500, 100, 0), (300, 100, 7), PriceReason.EXPORT),
        (120, (500, 100, 0), (300, 100, 100), PriceReason.EXPORT_LIMIT),
        (-20, (500, 100, 0), (300, 100, 99), PriceReason.UNEXPLAINED),
        (400, (500, 100, 0), (300, 100, 0), PriceReason.BALANCED),
        (300, (500, 100, 0), (300, 100, 0), PriceReason.BALANCED),
        (501, (500, 100, 0), (300, 100, 0), PriceReason.UNEXPLAINED),
        (299, (500, 100, 0), (300, 100, 0), PriceReason.UNEXPLAINED),
    ],
)
def test_each_reason(price: int, imported: tuple, exported: tuple, reason: PriceReason) -> None:
    assert price_reason(price, imported=ProvinceOrder(*imported), exported=ProvinceOrder(*exported)) is reason


def test_without_the_province_the_county_sets_its_price() -> None:
    assert price_reason(-7, imported=None, exported=None) is PriceReason.BALANCED


def province_order(orders: OrderBatch, filled_wh: np.ndarray, side: TradeSide) -> ProvinceOrder | None:
    rows = np.flatnonzero((orders.party == Party.PROVINCE) & (orders.side == side)).tolist()
    return next(
        (
            ProvinceOrder(int(orders.price_uyuan_per_kwh[row]), int(orders.energy_wh[row]), int(filled_wh[row]))
            for row in rows
        ),
        None,
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_cleared_market_has_a_reason(make_tree: Callable, make_batch: Callable, seed: int) -> None:
    """Random orders at a root with a narrow tie: no price is left unexplained, and every reason turns up."""
    assert reason_of(make_tree, make_batch, seed) is not PriceReason.UNEXPLAINED


def test_the_random_markets_have_every_reason(make_tree: Callable, make_batch: Callable) -> None:
    found = {reason_of(make_tree, make_batch, seed) for seed in range(60)}
    assert found == set(PriceReason) - {PriceReason.UNEXPLAINED}


def reason_of(make_tree: Callable, make_batch: Callable, seed: int) -> PriceReason:
    r = np.random.default_rng(seed)
    rows = [
        (int(r.integers(0, 3)), TradeSide(int(r.integers(0, 2))), Party.DIRECT, int(r.integers(1, 30)), price)
        for price in r.integers(0, 900, int(r.integers(0, 9))).tolist()
    ]
    low = int(r.integers(100, 500))
    tie = int(r.integers(1, 40))
    rows += [(0, TradeSide.BUY, Party.PROVINCE, tie, low), (0, TradeSide.SELL, Party.PROVINCE, tie, low + 150)]
    orders = make_batch(rows)
    result = clear(make_tree([-1, 0, 0]), orders, tick_uyuan_per_kwh=1)
    return price_reason(
        int(result.price_uyuan_per_kwh[0]),
        imported=province_order(orders, result.filled_wh, TradeSide.SELL),
        exported=province_order(orders, result.filled_wh, TradeSide.BUY),
    )
