"""Bidding modes and a virtual power plant's curve at admission: requirements rows 11 and 60."""

from datetime import date
from typing import Any

import msgspec
import pytest

from edge.contract.messages import Order, Side
from edge.contract.registry import Registry
from hub.market.elections.bidding_terms import FREE, BiddingTerms, bidding_terms
from hub.market.order_rules import (
    Accepted,
    AcceptedOrders,
    MeterStanding,
    OrderOutcome,
    SessionParameters,
    check_orders,
)
from hub.market.registry.events import Event
from hub.market.registry.fold import fold
from hub.market.registry.provincial_rules import VirtualPlantCurve
from hub.market.registry.register import Register

K = 1_629_001
FLOOR, CAP = -100_000, 1_500_000
SESSION = SessionParameters(K, K + 4, FLOOR, CAP, 1000, lot_wh=10)
CURVE = VirtualPlantCurve(segments_min=3, segments_max=10)
MODES = {"free": FREE, "quantity": BiddingTerms(False, None), "vpp": BiddingTerms(True, CURVE)}
STANDING = {name: MeterStanding("G", True, True, 10_000, 10_000, terms) for name, terms in MODES.items()}


def order(meter: str, price: int, *, number: int = 1, side: Side = Side.BUY, energy_wh: int = 100) -> Order:
    return Order(meter, K, number, side, energy_wh, price, 0)


def steps(*prices: int, first: int = 1, **how: Any) -> list[Order]:
    return [order("vpp", price, number=number, **how) for number, price in enumerate(prices, first)]


def said(*orders: Order, accepted: AcceptedOrders | None = None, **how: Any) -> list[str]:
    known = accepted or AcceptedOrders()
    outcomes = check_orders("G", orders, session=SESSION, standing=STANDING, accepted=known, **how)
    known.add(outcomes)
    return [word(outcome) for outcome in outcomes]


def word(outcome: OrderOutcome) -> str:
    if isinstance(outcome, Accepted):
        return "repeat" if outcome.repeat else "accepted"
    return outcome.reason.value


@pytest.mark.parametrize(
    ("meter", "side", "price", "expected"),
    [
        ("quantity", Side.BUY, CAP, "accepted"),
        ("quantity", Side.BUY, 400_000, "price-not-allowed"),
        ("quantity", Side.BUY, FLOOR, "price-not-allowed"),
        ("quantity", Side.SELL, FLOOR, "accepted"),
        ("quantity", Side.SELL, CAP, "price-not-allowed"),
        ("quantity", Side.BUY, CAP + 1000, "above-cap"),
        ("free", Side.BUY, 400_000, "accepted"),
        ("vpp", Side.SELL, 400_000, "accepted"),
    ],
)
def test_who_states_no_price_takes_any(meter: str, side: Side, price: int, expected: str) -> None:
    assert said(order(meter, price, side=side)) == [expected]


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ((500_000, 400_000, 300_000), "accepted"),
        (tuple(range(1_000_000, 0, -100_000)), "accepted"),
        ((CAP, 500_000, 400_000, 300_000), "accepted"),
        ((500_000, 400_000), "curve-steps"),
        ((CAP, 500_000, 400_000), "curve-steps"),
        (tuple(range(1_100_000, 0, -100_000)), "curve-steps"),
        ((300_000, 400_000, 500_000), "curve-rises"),
        ((500_000, 400_000, 400_000), "curve-rises"),
        ((500_000, CAP, 400_000, 300_000), "curve-rises"),
    ],
)
def test_a_virtual_plants_purchases_are_one_falling_curve(prices: tuple[int, ...], expected: str) -> None:
    assert said(*steps(*prices)) == [expected] * len(prices)
    assert said(*reversed(steps(*prices))) == [expected] * len(prices), "the numbers order the steps"


def test_a_curve_stands_whole_or_not_at_all() -> None:
    assert said(*steps(500_000, 400_500, 300_000)) == ["curve-broken", "off-tick", "curve-broken"]
    assert said(*steps(500_000, 400_000, 300_000), rejected_ids={f"G/{K}/vpp/2"}) == [
        "curve-broken",
        "conflict",
        "curve-broken",
    ]
    too_much = steps(500_000, 400_000, 300_000, energy_wh=4_000)
    assert said(*too_much) == ["curve-broken", "curve-broken", "above-capacity"]


def test_a_curve_that_stands_is_repeated_and_not_added_to() -> None:
    accepted, curve = AcceptedOrders(), steps(500_000, 400_000, 300_000)
    assert said(*curve, accepted=accepted) == ["accepted"] * 3
    assert said(*curve, accepted=accepted) == ["repeat"] * 3
    more = steps(290_000, 280_000, 270_000, first=4)
    assert said(curve[0], *more, accepted=accepted) == ["repeat", *["curve-broken"] * 3]
    assert [name for name, _ in accepted.of_interval(K)] == [f"G/{K}/vpp/{number}" for number in (1, 2, 3)]


def test_others_orders_in_the_message_are_judged_by_themselves() -> None:
    bad = steps(500_000, 400_000)
    assert said(order("free", 1_000), *bad, order("quantity", CAP)) == ["accepted", *["curve-steps"] * 2, "accepted"]


def register(*modes: tuple[str, str, str]) -> Register:
    """A province whose rules give each (participant, class) its default mode."""
    common = {"recorded_on": "2026-01-01"}
    county = {"event": "UnitEstablished", "event_id": "u", "unit_id": "A", "parent_id": None, "kind": "COUNTY"}
    county |= {"province": "P", "operating_mode": "INDEPENDENT", "effective_from": "2026-01-01"}
    found: list[dict[str, Any]] = [common | county]
    rules: list[dict[str, Any]] = [{"rule": "VirtualPlantCurve", "segments_min": 3, "segments_max": 10}]
    rules += [
        {"rule": "BiddingChoice", "participant_class": kind, "default": mode, "allowed": [mode]}
        for _, kind, mode in modes
        if mode
    ]
    for number, rule in enumerate(rules):
        version = {"version_id": f"v{number}", "province": "P", "period": {"from_day": "2026-01-01"}, "rule": rule}
        version |= {"document": "made up", "source": "made up"}
        found.append(common | {"event": "RuleEnacted", "event_id": f"v{number}", "version": version})
    for name, kind, _ in modes:
        applied = {"event": "ParticipantApplied", "event_id": name, "participant_id": name, "participant_class": kind}
        applied |= {"identity": {"kind": "LEGAL_PERSON", "name": name, "legal_id": f"L-{name}"}, "utility_id": None}
        applied |= {"settlement_account": f"acc-{name}", "certificate_account": None, "effective_from": "2026-01-01"}
        found.append(common | applied)
    folded = fold(msgspec.convert(found, list[Event]))
    assert [one.event.event_id for one in folded.outcomes] == [row["event_id"] for row in found]
    return folded.register


def test_the_terms_are_the_registrys_of_the_day(small_registry: Registry) -> None:
    points = small_registry.metering_points
    taker, priced, plant = (point.participant_id for point in points[:3])
    known = register(
        (taker, "POWER_USER", "PRICE_TAKER"),
        (priced, "GENERATOR", "QUANTITY_AND_PRICE"),
        (plant, "VIRTUAL_POWER_PLANT", ""),
    )
    assert bidding_terms(small_registry, known, date(2026, 2, 1)) == {
        points[0].meter_id: BiddingTerms(states_price=False, curve=None),
        points[2].meter_id: BiddingTerms(states_price=True, curve=CURVE),
    }
    assert bidding_terms(small_registry, known, date(2025, 12, 31)) == {}, "no rule is in force yet"
    assert bidding_terms(small_registry, Register(), date(2026, 2, 1)) == {}
