"""Takes that come at once: in every order the listing is conserved and exactly those who still fit win (row 37)."""

from collections.abc import Callable
from datetime import date
from itertools import permutations
from random import Random
from typing import Any

from hub.market.listing.checks import check_market
from hub.market.listing.events import TakeListing
from hub.market.listing.listing_step import step
from hub.market.listing.outcomes import DealMade, RefusalReason, Refused
from hub.market.listing.session_calendar import Delivery

KWH = 1000
FIRST_DAY = Delivery(date(2026, 4, 30), date(2026, 5, 1))


def test_any_order_of_concurrent_takes_conserves_quantity(toy: Any) -> None:
    """Four takers want 9 of 7 kWh: in each order exactly those who still fit win, and nothing is oversold."""
    assert toy.list_energy("gen1", 8 * KWH) is None
    assert toy.take("ret1", KWH) is None
    takes = [
        toy.event(TakeListing, session_id="s", participant_id=who, listing=1, energy_wh=energy * KWH)
        for who, energy in (("ret1", 4), ("ret2", 3), ("ret1", 1), ("ret2", 1))
    ]
    ends = set()
    for order in permutations(takes):
        market, taken, won = toy.market, 1, []
        for event in order:
            market, outcomes = step(market, event)
            fits = taken + event.energy_wh // KWH <= 8
            assert isinstance(outcomes[0], DealMade) is fits
            taken += event.energy_wh // KWH if fits else 0
            won.append(fits)
        listing = market.sessions["s"].listings[1]
        assert (listing.taken_wh, listing.open_wh) == (taken * KWH, (8 - taken) * KWH)
        assert check_market(market) == []
        ends.add(taken)
    assert ends == {6, 7, 8}
    assert toy.market.sessions["s"].listings[1].open_wh == 7 * KWH


def test_fifty_takers_never_oversell_in_a_thousand_interleavings(make_toy: Callable[..., Any]) -> None:
    """Takers of 1 to 3 kWh, each a second time with the same id, as after a lost answer; 40 kWh are there."""
    toy = make_toy()
    toy.quota("gen1", net_sell_cap_wh=100 * KWH)
    for name in ("ret1", "ret2"):
        toy.quota(name, net_buy_cap_wh=100 * KWH)
    assert toy.list_energy("gen1", 40 * KWH, delivery=FIRST_DAY) is None
    fields = {"session_id": "s", "listing": 1}
    takes = [
        toy.event(TakeListing, participant_id=f"ret{1 + number % 2}", energy_wh=(1 + number % 3) * KWH, **fields)
        for number in range(50)
    ]
    for seed in range(1000):
        arrivals = [*takes, *takes[:10]]
        Random(seed).shuffle(arrivals)
        market, won_wh, ids = toy.market, 0, []
        for event in arrivals:
            market, outcomes = step(market, event)
            if isinstance(outcomes[0], DealMade):
                won_wh += outcomes[0].energy_wh
                ids.append(event.event_id)
        listing = market.sessions["s"].listings[1]
        assert won_wh == listing.taken_wh == 40 * KWH
        assert len(set(ids)) == len(ids)
        assert market.repeated == 10


def test_the_last_kilowatt_hour_goes_to_exactly_one(toy: Any) -> None:
    assert toy.list_energy("gen1", 2 * KWH) is None
    assert toy.take("ret1", KWH) is None
    first, second = (
        toy.event(TakeListing, session_id="s", participant_id=who, listing=1, energy_wh=KWH) for who in ("ret1", "ret2")
    )
    for one, other in ((first, second), (second, first)):
        market, outcomes = step(toy.market, one)
        assert isinstance(outcomes[0], DealMade)
        _, outcomes = step(market, other)
        assert outcomes == (Refused(RefusalReason.ABOVE_REMAINING),)
