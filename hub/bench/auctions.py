"""The rows of the benchmark `market` that have no tree: one call auction, and a continuous book.

The auction's peer is 60 passes of numpy summing the very columns that it reads, prices and energies: a ratio of 1 is
the least that is asked for, 2 says that an auction costs 30 passes. The book's peer keeps the same rules with the
waiting listings of each side in one sorted list, searched by bisection.
"""

from bisect import insort
from functools import partial
from typing import Final

import numpy as np

from grid_models.bench.measuring import Comparison, Contender, Show, Workbench, require_equal, time_in_turn
from hub.market.call_auction import AuctionResult, run_call_auction
from hub.market.continuous_book import NO_LISTING, BookEvents, EventKind, run_continuous_book
from hub.market.trades import NO_LIMIT_WH, BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

N_ORDERS, SMALL_N_ORDERS = 100_000, 300
N_PASSES: Final = 60
TICK_UYUAN_PER_KWH: Final = 1_000
ENERGY_MAX_WH: Final = 2_500
CLEAN_SHARE: Final = 0.6


def compare_auction(workbench: Workbench) -> Comparison:
    """Measure one call auction against passes over its columns; its result is that of the tree's clearing.

    :raises BenchError: if it is not
    """
    orders = made_up_auction(SMALL_N_ORDERS if workbench.small else N_ORDERS)
    work = partial(run_call_auction, orders, tick_uyuan_per_kwh=TICK_UYUAN_PER_KWH)
    ours, theirs = time_in_turn(
        Contender("call auction", lambda _run: work),
        Contender(f"{N_PASSES} sums of prices and energies, numpy", lambda _run: partial(_sum_passes, orders)),
        runs=workbench.many_runs,
        peer_runs=workbench.many_runs,
    )
    cleared = clear(_one_unit(), orders, tick_uyuan_per_kwh=TICK_UYUAN_PER_KWH)
    auction: AuctionResult = work()
    require_equal("fills", auction.filled_wh.tolist(), cleared.filled_wh.tolist())
    require_equal("price", auction.price_uyuan_per_kwh, int(cleared.price_uyuan_per_kwh[0]))
    what = f"call auction, {orders.energy_wh.size:,} orders"
    return Comparison(what, Show.MILLISECONDS, "auctions", ours, theirs, "auction and tree, fill by fill")


def compare_book(workbench: Workbench) -> Comparison:
    """Measure a continuous book against one that keeps its listings in sorted lists.

    :raises BenchError: if trades differ
    """
    events = made_up_events(SMALL_N_ORDERS if workbench.small else N_ORDERS)
    ours, theirs = time_in_turn(
        Contender("continuous book", lambda _run: partial(run_continuous_book, events), events.kind.size),
        Contender("the same with sorted lists", lambda _run: partial(trades_by_sorted_lists, events), events.kind.size),
        runs=workbench.few_runs,
        peer_runs=workbench.few_runs,
    )
    trades = run_continuous_book(events).trades
    rows = list(zip(trades.taker.tolist(), trades.listing.tolist(), trades.energy_wh.tolist(), strict=True))
    require_equal("trades", rows, trades_by_sorted_lists(events))
    what = f"continuous book, {events.kind.size:,} listings and takes ({len(rows):,} trades)"
    return Comparison(what, Show.PER_SECOND, "events", ours, theirs, "every trade of the book")


def made_up_auction(n_orders: int) -> OrderBatch:
    """Return as many orders of one unit, sellers and buyers alike, on tick, with many equal prices."""
    draws = np.random.default_rng(n_orders)
    sells = draws.random(n_orders) < 0.5
    price = np.where(sells, draws.integers(150, 500, n_orders), draws.integers(250, 750, n_orders))
    return OrderBatch(
        interval=1,
        order_id=tuple(f"O{number:06d}" for number in range(n_orders)),
        unit=np.zeros(n_orders, np.int64),
        meter=np.arange(n_orders),
        side=np.where(sells, TradeSide.SELL, TradeSide.BUY).astype(np.int8),
        party=np.full(n_orders, Party.DIRECT, np.int8),
        energy_wh=draws.integers(1, ENERGY_MAX_WH, n_orders),
        price_uyuan_per_kwh=price * TICK_UYUAN_PER_KWH,
        clean=sells & (draws.random(n_orders) < CLEAN_SHARE),
        submitted_utc_s=draws.integers(0, 3_600, n_orders),
    )


def made_up_events(n_events: int) -> BookEvents:
    """Return listings and takes, half each, around one price; one event in twenty withdraws an earlier one."""
    draws = np.random.default_rng(n_events)
    kind = np.where(draws.random(n_events) < 0.5, EventKind.LISTING, EventKind.TAKE).astype(np.int8)
    kind[draws.random(n_events) < 0.05] = EventKind.WITHDRAWAL
    buys = draws.random(n_events) < 0.5
    eager = np.where(kind == EventKind.TAKE, 60, -60) * np.where(buys, 1, -1)
    price = draws.integers(300, 500, n_events) + np.where(buys, -50, 50) + eager
    withdrawn = (draws.random(n_events) * np.arange(n_events)).astype(np.int64)
    return BookEvents(
        kind=kind,
        side=np.where(buys, TradeSide.BUY, TradeSide.SELL).astype(np.int8),
        energy_wh=draws.integers(1, ENERGY_MAX_WH, n_events),
        price_uyuan_per_kwh=price * TICK_UYUAN_PER_KWH,
        listing=np.where(kind == EventKind.WITHDRAWAL, withdrawn, NO_LISTING),
    )


def trades_by_sorted_lists(events: BookEvents) -> list[tuple[int, int, int]]:
    """Return (taker, listing, Wh) by the same rules: each side's listings in one list, the next to be served last."""
    waiting: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    left = events.energy_wh.tolist()
    trades = []
    columns = (events.kind, events.side, events.price_uyuan_per_kwh, events.listing)
    for number, (kind, side, price, target) in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
        if kind == EventKind.WITHDRAWAL:
            left[number] = 0
            if 0 <= target < number:
                left[target] = 0
            continue
        opposite, sign = waiting[1 - side], 1 if side == TradeSide.BUY else -1
        while left[number] and opposite:
            signed, best = -opposite[-1][0], -opposite[-1][1]
            if left[best] and signed > price * sign:
                break
            met = min(left[number], left[best])
            if met:
                left[number] -= met
                left[best] -= met
                trades.append((number, best, met))
            if not left[best]:
                opposite.pop()
        if kind == EventKind.LISTING and left[number]:
            insort(waiting[side], (price * sign, -number))
        elif kind == EventKind.TAKE:
            left[number] = 0
    return trades


def _one_unit() -> BalanceTree:
    limit, nothing = np.array([NO_LIMIT_WH]), np.zeros(1, np.int64)
    return BalanceTree(("U",), np.array([-1]), limit, limit, nothing)


def _sum_passes(orders: OrderBatch) -> None:
    for _ in range(N_PASSES):
        orders.price_uyuan_per_kwh.sum()
        orders.energy_wh.sum()
