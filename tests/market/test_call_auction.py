"""The call auction: the clearing of one unit, whether the sample finds the crossing or misleads."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.call_auction import AuctionResult, run_call_auction
from hub.market.net_supply import ClearingRangeError
from hub.market.price_rule import UNBOUNDED, PriceRule
from hub.market.trades import BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

S, B, D = TradeSide.SELL, TradeSide.BUY, Party.DIRECT
Tree = Callable[..., BalanceTree]
Batch = Callable[..., OrderBatch]
row = st.tuples(
    st.just(0),
    st.sampled_from(TradeSide),
    st.just(D),
    st.integers(0, 5),
    st.integers(-4, 4),
    st.integers(0, 2),
    st.booleans(),
)


def many(seed: int, n: int, *, prices: int, tick: int, buyers: float) -> OrderBatch:
    r = np.random.default_rng(seed)
    side = (r.random(n) < buyers).astype(np.int8)
    return OrderBatch(
        interval=1,
        order_id=tuple(f"O{number:06d}" for number in range(n)),
        unit=np.zeros(n, np.int64),
        meter=np.full(n, -1),
        side=side,
        party=np.zeros(n, np.int8),
        energy_wh=r.integers(0, 2_500, n),
        price_uyuan_per_kwh=(r.integers(-prices // 3, prices, n) + np.where(side == B, 1, -1) * prices // 6) * tick,
        clean=(r.random(n) < 0.5) & (side == S),
        submitted_utc_s=r.integers(0, 9, n),
    )


def assert_as_on_the_tree(tree: BalanceTree, orders: OrderBatch, **rules: object) -> AuctionResult:
    auction, cleared = run_call_auction(orders, **rules), clear(tree, orders, **rules)
    assert auction.filled_wh.tolist() == cleared.filled_wh.tolist()
    assert auction.price_uyuan_per_kwh == cleared.price_uyuan_per_kwh[0]
    assert auction.volume_wh == int(auction.filled_wh[orders.side == S].sum())
    assert auction.low_uyuan_per_kwh <= auction.price_uyuan_per_kwh <= auction.high_uyuan_per_kwh
    return auction


rules = st.fixed_dictionaries(
    {
        "tick_uyuan_per_kwh": st.integers(1, 3),
        "clean_first": st.booleans(),
        "price_rule": st.sampled_from(PriceRule),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(row, max_size=12), rules)
def test_small_auctions_are_those_of_the_tree(
    make_tree: Tree, make_batch: Batch, rows: list[tuple], rules: dict[str, object]
) -> None:
    assert_as_on_the_tree(make_tree([-1]), make_batch(rows), **rules)


@pytest.mark.parametrize("buyers", [0.0, 0.02, 0.4, 0.7, 1.0])
@pytest.mark.parametrize(("prices", "tick"), [(3, 1), (600, 1_000), (10**7, 7)])
def test_large_auctions_are_those_of_the_tree(make_tree: Tree, buyers: float, prices: int, tick: int) -> None:
    for seed in range(3):
        orders = many(seed, 20_000, prices=prices, tick=tick, buyers=buyers)
        assert_as_on_the_tree(make_tree([-1]), orders, tick_uyuan_per_kwh=1_000, clean_first=bool(seed % 2))


def test_a_sample_that_misleads_costs_time_only(make_tree: Tree) -> None:
    """Every fourth order, and the sample is regular, asks for a price far from where the others meet."""
    orders = many(5, 20_000, prices=600, tick=1_000, buyers=0.5)
    price, energy = orders.price_uyuan_per_kwh.copy(), orders.energy_wh.copy()
    price[::4], energy[::4] = 90_000_000, 1
    orders = replace(orders, price_uyuan_per_kwh=price, energy_wh=energy)
    auction = assert_as_on_the_tree(make_tree([-1]), orders, tick_uyuan_per_kwh=1_000)
    assert 0 < auction.price_uyuan_per_kwh < 600_000


def test_the_step_after_the_crossing_may_lie_beyond_the_bracket(make_tree: Tree) -> None:
    """The sample sees offers at 100 alone, and they are exactly what is wanted: the price depends on the bid at 200."""
    orders = many(7, 20_000, prices=600, tick=1, buyers=0.0)
    side = orders.side.copy()
    side[1::4] = B
    price, energy = np.where(side == B, 200, 100), np.where(side == B, 3, 1)
    orders = replace(orders, side=side, price_uyuan_per_kwh=price, energy_wh=energy, clean=np.zeros(side.size, bool))
    auction = assert_as_on_the_tree(make_tree([-1]), orders, tick_uyuan_per_kwh=1)
    assert (auction.low_uyuan_per_kwh, auction.high_uyuan_per_kwh, auction.price_uyuan_per_kwh) == (100, 200, 150)


def test_marginal_energy_is_shared_by_largest_remainder_then_time(make_batch: Batch) -> None:
    orders = make_batch([(0, S, D, 50, 5, 3), (0, S, D, 50, 5, 1), (0, S, D, 50, 5, 2), (0, B, D, 100, 9, 0)])
    found = run_call_auction(orders, tick_uyuan_per_kwh=1)
    assert found.filled_wh.tolist() == [33, 34, 33, 100]
    assert (found.price_uyuan_per_kwh, found.volume_wh, found.low_uyuan_per_kwh) == (5, 100, 5)


def test_nobody_and_one_side_alone_trade_nothing(make_batch: Batch) -> None:
    nobody = run_call_auction(make_batch([]), tick_uyuan_per_kwh=1)
    assert (nobody.volume_wh, nobody.price_uyuan_per_kwh, nobody.high_uyuan_per_kwh) == (0, 0, UNBOUNDED)
    sellers = run_call_auction(make_batch([(0, S, D, 5, 7), (0, S, D, 5, 8)]), tick_uyuan_per_kwh=1)
    assert (sellers.volume_wh, sellers.price_uyuan_per_kwh, sellers.low_uyuan_per_kwh) == (0, 7, -UNBOUNDED)


def test_numbers_that_could_overflow_are_refused(make_batch: Batch) -> None:
    for order in ((0, S, D, 5, 2**60), (0, S, D, 2**62, 5)):
        with pytest.raises(ClearingRangeError, match="leave 64 bits"):
            run_call_auction(make_batch([order]), tick_uyuan_per_kwh=1)
