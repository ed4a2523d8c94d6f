"""A continuous book: listings that wait and takes that meet them, best price first, then earliest (price-time).

A listing that meets no better waits; one that would trade with what already waits does so at once, at the waiting
listing's price. A take trades with what waits, down to its own limit price, and what is left of it lapses. A
withdrawal ends a listing. Every trade is at the price of the listing that waited.

Events are handled one after another, because each changes what the next one meets: prices are levels of a dictionary,
listings of one price a queue, and a heap holds the prices of each side, so that an event costs about the same however
many listings wait.
"""

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush

import numpy as np

from hub.market.reason_code import ReasonCode
from hub.market.trades import Int8Array, Int64Array, TradeSide

NO_LISTING = -1


class EventKind(IntEnum):
    """What an event of the book is."""

    LISTING = 0
    TAKE = 1
    WITHDRAWAL = 2


class EventOutcome(ReasonCode):
    """What became of an event in the end.

    FILLED: all its energy traded. WAITING: a listing with energy left at the end. LAPSED: a take with energy left.
    WITHDRAWN: a listing that was withdrawn with energy left, and the withdrawal that did it. NOT_WAITING: a withdrawal
    of what is no listing, comes later, is traded whole or was withdrawn before; it changes nothing.
    """

    FILLED = 0
    WAITING = 1
    LAPSED = 2
    WITHDRAWN = 3
    NOT_WAITING = 4


@dataclass(frozen=True)
class BookEvents:
    """Events in the order in which they came, shape (n_events,) each.

    energy_wh: > 0. price_uyuan_per_kwh: the listing's price, or the worst price that a take accepts. listing: the
    number of the event that a withdrawal ends, NO_LISTING for others; a withdrawal's side, energy and price are not
    looked at.
    """

    kind: Int8Array
    side: Int8Array
    energy_wh: Int64Array
    price_uyuan_per_kwh: Int64Array
    listing: Int64Array


@dataclass(frozen=True)
class BookTrades:
    """Trades in the order in which they were made, shape (n_trades,) each: event numbers, energy > 0, listed price."""

    taker: Int64Array
    listing: Int64Array
    energy_wh: Int64Array
    price_uyuan_per_kwh: Int64Array


@dataclass(frozen=True)
class BookResult:
    """What a book's events led to. filled_wh, outcome: shape (n_events,), outcome as EventOutcome."""

    trades: BookTrades
    filled_wh: Int64Array
    outcome: Int8Array


class _Waiting:
    """The listings of one side that wait, best price first, then earliest.

    A price is held with its sign turned for buyers, so that the smallest is the best on both sides.
    """

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self._prices: list[int] = []
        self._queues: dict[int, deque[int]] = {}

    def add(self, listing: int, price: int) -> None:
        """Let a listing wait."""
        signed = price * self.sign
        queue = self._queues.get(signed)
        if queue is None:
            self._queues[signed] = deque((listing,))
            heappush(self._prices, signed)
        else:
            queue.append(listing)

    def best(self, left_wh: list[int]) -> tuple[int, int] | None:
        """Return the listing that is served next and its signed price, None if none waits; drop those that ended."""
        while self._prices:
            signed = self._prices[0]
            queue = self._queues[signed]
            while queue:
                if left_wh[queue[0]]:
                    return queue[0], signed
                queue.popleft()
            del self._queues[signed]
            heappop(self._prices)
        return None


def run_continuous_book(events: BookEvents) -> BookResult:
    """Return trades, fills and outcomes of the events, from an empty book. The same events give the same result."""
    assert events.energy_wh.size == 0 or int(events.energy_wh[events.kind != EventKind.WITHDRAWAL].min(initial=1)) > 0
    kinds, sides = events.kind.tolist(), events.side.tolist()
    prices, targets = events.price_uyuan_per_kwh.tolist(), events.listing.tolist()
    left_wh: list[int] = np.where(events.kind == int(EventKind.WITHDRAWAL), 0, events.energy_wh).tolist()
    outcome = [_FILLED] * len(kinds)
    waiting = (_Waiting(1), _Waiting(-1))
    takers: list[int] = []
    listings: list[int] = []
    energies: list[int] = []
    for number, (kind, side) in enumerate(zip(kinds, sides, strict=True)):
        if kind == _WITHDRAWAL:
            outcome[number] = _withdraw(number, targets[number], kinds, left_wh, outcome)
            continue
        opposite, rest_wh = waiting[1 - side], left_wh[number]
        worst = prices[number] * opposite.sign
        while rest_wh:
            best = opposite.best(left_wh)
            if best is None or best[1] > worst:
                break
            listing = best[0]
            met_wh = min(rest_wh, left_wh[listing])
            rest_wh -= met_wh
            left_wh[listing] -= met_wh
            takers.append(number)
            listings.append(listing)
            energies.append(met_wh)
        if rest_wh and kind == _LISTING:
            left_wh[number] = rest_wh
            waiting[side].add(number, prices[number])
        else:
            left_wh[number] = 0
            outcome[number] = _LAPSED if rest_wh else _FILLED
    for number, left in enumerate(left_wh):
        if left:
            outcome[number] = _STILL_WAITING
    return _result(events, takers, listings, energies, outcome)


def _withdraw(number: int, listing: int, kinds: list[int], left_wh: list[int], outcome: list[int]) -> int:
    """End a listing, if it waits; return the withdrawal's outcome."""
    if not 0 <= listing < number or kinds[listing] != _LISTING or not left_wh[listing]:
        return _NOT_WAITING
    left_wh[listing] = 0
    outcome[listing] = _WITHDRAWN
    return _WITHDRAWN


def _result(
    events: BookEvents, takers: list[int], listings: list[int], energies: list[int], outcome: list[int]
) -> BookResult:
    taker, listing = np.array(takers, np.int64), np.array(listings, np.int64)
    energy = np.array(energies, np.int64)
    filled = np.zeros(events.energy_wh.size, np.int64)
    np.add.at(filled, taker, energy)
    np.add.at(filled, listing, energy)
    trades = BookTrades(taker, listing, energy, events.price_uyuan_per_kwh[listing])
    found = BookResult(trades, filled, np.array(outcome, np.int8))
    for column in (taker, listing, energy, trades.price_uyuan_per_kwh, filled, found.outcome):
        column.setflags(write=False)
    return found


# Plain numbers, because comparing members of an enumeration a hundred thousand times shows.
_LISTING, _WITHDRAWAL = int(EventKind.LISTING), int(EventKind.WITHDRAWAL)
_FILLED, _STILL_WAITING, _LAPSED, _WITHDRAWN, _NOT_WAITING = (int(each) for each in EventOutcome)
assert (int(TradeSide.SELL), int(TradeSide.BUY)) == (0, 1)
