"""The continuous book by price and time: cases worked by hand, and its laws on random events."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hub.market.continuous_book import (
    NO_LISTING,
    BookEvents,
    BookResult,
    EventKind,
    EventOutcome,
    run_continuous_book,
)
from hub.market.trades import TradeSide

S, B = TradeSide.SELL, TradeSide.BUY
LIST, TAKE, WITHDRAW = EventKind.LISTING, EventKind.TAKE, EventKind.WITHDRAWAL
Event = tuple[EventKind, TradeSide, int, int]


def events_of(rows: list[Event]) -> BookEvents:
    """Rows of kind, side, energy and price; a withdrawal's energy is the number of the listing that it ends."""
    kind, side, energy, price = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    withdraws = [each is WITHDRAW for each in kind]
    return BookEvents(
        kind=np.array(kind, np.int8),
        side=np.array(side, np.int8),
        energy_wh=np.array(energy, np.int64),
        price_uyuan_per_kwh=np.array(price, np.int64),
        listing=np.array(
            [number if ends else NO_LISTING for number, ends in zip(energy, withdraws, strict=True)], np.int64
        ),
    )


def trades_of(result: BookResult) -> list[tuple[int, int, int, int]]:
    trades = result.trades
    columns = (trades.taker, trades.listing, trades.energy_wh, trades.price_uyuan_per_kwh)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def outcomes_of(result: BookResult) -> list[EventOutcome]:
    return [EventOutcome(each) for each in result.outcome.tolist()]


def test_best_price_first_then_earliest_at_the_listed_price() -> None:
    result = run_continuous_book(
        events_of([(LIST, S, 10, 300), (LIST, S, 10, 290), (LIST, S, 10, 290), (TAKE, B, 25, 310)])
    )
    assert trades_of(result) == [(3, 1, 10, 290), (3, 2, 10, 290), (3, 0, 5, 300)]
    assert result.filled_wh.tolist() == [5, 10, 10, 25]
    filled = EventOutcome.FILLED
    assert outcomes_of(result) == [EventOutcome.WAITING, filled, filled, filled]


def test_a_take_stops_at_its_limit_and_its_rest_lapses() -> None:
    result = run_continuous_book(
        events_of([(LIST, B, 10, 500), (LIST, B, 10, 400), (TAKE, S, 15, 450), (TAKE, S, 5, 400)])
    )
    assert trades_of(result) == [(2, 0, 10, 500), (3, 1, 5, 400)]
    assert outcomes_of(result)[2:] == [EventOutcome.LAPSED, EventOutcome.FILLED]


def test_a_listing_that_crosses_trades_at_once_and_its_rest_waits() -> None:
    result = run_continuous_book(events_of([(LIST, S, 10, -50), (LIST, B, 30, 20), (TAKE, S, 25, 20)]))
    assert trades_of(result) == [(1, 0, 10, -50), (2, 1, 20, 20)]
    assert outcomes_of(result) == [EventOutcome.FILLED, EventOutcome.FILLED, EventOutcome.LAPSED]


def test_a_withdrawn_listing_is_passed_over_and_what_does_not_wait_cannot_be_withdrawn() -> None:
    rows = [
        (LIST, S, 10, 300),
        (LIST, S, 10, 300),
        (WITHDRAW, S, 0, 0),
        (TAKE, B, 4, 300),
        (WITHDRAW, S, 0, 0),
        (WITHDRAW, S, 3, 0),
        (WITHDRAW, S, 9, 0),
        (TAKE, B, 10, 300),
        (WITHDRAW, S, 1, 0),
    ]
    result = run_continuous_book(events_of(rows))
    assert trades_of(result) == [(3, 1, 4, 300), (7, 1, 6, 300)]
    not_waiting = EventOutcome.NOT_WAITING
    assert outcomes_of(result) == [
        EventOutcome.WITHDRAWN,
        EventOutcome.FILLED,
        EventOutcome.WITHDRAWN,
        EventOutcome.FILLED,
        not_waiting,
        not_waiting,
        not_waiting,
        EventOutcome.LAPSED,
        not_waiting,
    ]


def test_an_empty_book() -> None:
    result = run_continuous_book(events_of([]))
    assert trades_of(result) == []
    assert result.filled_wh.size == 0


event = st.tuples(
    st.sampled_from([LIST, LIST, TAKE, WITHDRAW]), st.sampled_from(TradeSide), st.integers(1, 6), st.integers(-3, 3)
)


@given(st.lists(event, max_size=30))
def test_the_laws_of_the_book_on_random_events(rows: list[Event]) -> None:
    """Event by event in plain steps: each trade is with the best that waits, and nothing is made or lost."""
    result = run_continuous_book(events_of(rows))
    left: dict[int, int] = {}
    trades = iter(trades_of(result))
    following = next(trades, None)
    for number, (kind, side, energy, price) in enumerate(rows):
        if kind is WITHDRAW:
            is_waiting = energy < number and left.pop(energy, 0) > 0
            assert (outcomes_of(result)[number] is EventOutcome.WITHDRAWN) == is_waiting
            continue
        rest = energy
        while following is not None and following[0] == number:
            _, listing, met, at = following
            waiting = [each for each in left if rows[each][1] is not side]
            sign = 1 if side is B else -1
            assert listing == min(waiting, key=lambda each: (rows[each][3] * sign, each))
            assert at == rows[listing][3]
            assert at * sign <= price * sign
            assert met == min(rest, left[listing]) > 0
            rest -= met
            left[listing] -= met
            left = {each: wh for each, wh in left.items() if wh}
            following = next(trades, None)
        if rest:
            prices = [rows[each][3] for each in left if rows[each][1] is not side]
            assert not any(each <= price if side is B else each >= price for each in prices), "it could trade more"
        if kind is LIST and rest:
            left[number] = rest
        assert result.filled_wh[number] >= energy - rest
    assert following is None
    waiting = [number for number, outcome in enumerate(outcomes_of(result)) if outcome is EventOutcome.WAITING]
    assert waiting == sorted(left)
    assert all(rows[number][2] - result.filled_wh[number] == left[number] for number in waiting)


@given(st.lists(event, max_size=20), st.lists(event, max_size=5))
def test_later_events_change_no_earlier_trade(rows: list[Event], later: list[Event]) -> None:
    early, whole = run_continuous_book(events_of(rows)), run_continuous_book(events_of(rows + later))
    assert trades_of(whole)[: early.trades.taker.size] == trades_of(early)
