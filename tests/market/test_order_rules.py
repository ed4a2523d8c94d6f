"""The check of submitted orders: each rule with its own reason, and nothing else changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.messages import Order, Side
from hub.market.checks import check_accepted_orders, check_outcomes
from hub.market.order_rules import (
    Accepted,
    AcceptedOrders,
    MeterStanding,
    OrderOutcome,
    OrderRefusal,
    Rejected,
    SessionParameters,
    check_orders,
    order_id,
)

SESSION = SessionParameters(
    open_from_interval=100,
    open_until_interval=104,
    price_floor_uyuan_per_kwh=0,
    price_cap_uyuan_per_kwh=1_500_000,
    price_tick_uyuan_per_kwh=1000,
    lot_wh=10,
)
STANDING = {
    "M1": MeterStanding("G1", sells_direct=True, buys_direct=False, export_capacity_wh=1000, import_capacity_wh=500),
    "M2": MeterStanding("G1", sells_direct=False, buys_direct=True, export_capacity_wh=0, import_capacity_wh=500),
    "M9": MeterStanding("G9", sells_direct=True, buys_direct=True, export_capacity_wh=1000, import_capacity_wh=1000),
}


def order(meter: str = "M1", interval: int = 100, number: int = 1, **changes: object) -> Order:
    content = {"side": Side.SELL, "energy_wh": 500, "price_uyuan_per_kwh": 300_000, "submitted_utc_s": 7} | changes
    return Order(meter=meter, interval=interval, number=number, **content)


def check(*orders: Order, accepted: AcceptedOrders | None = None) -> tuple[OrderOutcome, ...]:
    return check_orders("G1", orders, session=SESSION, standing=STANDING, accepted=accepted or AcceptedOrders())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (order(meter="M7"), OrderRefusal.UNKNOWN_METER),
        (order(meter="M9"), OrderRefusal.FOREIGN_METER),
        (order(side=Side.BUY), OrderRefusal.NOT_DIRECT),
        (order(meter="M2"), OrderRefusal.NOT_DIRECT),
        (order(interval=99), OrderRefusal.GATE_CLOSED),
        (order(interval=104), OrderRefusal.WRONG_INTERVAL),
        (order(energy_wh=0), OrderRefusal.NOT_POSITIVE),
        (order(energy_wh=-10), OrderRefusal.NOT_POSITIVE),
        (order(energy_wh=505), OrderRefusal.OFF_LOT),
        (order(price_uyuan_per_kwh=1_501_000), OrderRefusal.ABOVE_CAP),
        (order(price_uyuan_per_kwh=-1000), OrderRefusal.BELOW_FLOOR),
        (order(price_uyuan_per_kwh=300_500), OrderRefusal.OFF_TICK),
        (order(energy_wh=1010), OrderRefusal.ABOVE_CAPACITY),
    ],
)
def test_each_rule_has_its_own_reason_and_touches_nothing_else(bad: Order, reason: OrderRefusal) -> None:
    good = order(number=5)
    outcomes = check(bad, good)
    assert outcomes == (
        Rejected(order_id("G1", bad), bad, reason),
        Accepted("G1/100/M1/5", good, repeat=False),
    )


def test_ends_of_the_ranges_are_accepted() -> None:
    for good in (
        order(price_uyuan_per_kwh=0),
        order(price_uyuan_per_kwh=1_500_000),
        order(interval=103),
        order(energy_wh=1000),
        order(energy_wh=10),
        order(meter="M2", side=Side.BUY),
    ):
        assert isinstance(check(good)[0], Accepted)


def test_ticks_count_from_the_floor() -> None:
    session = SessionParameters(100, 104, 372_500, 554_500, 1000, 10)
    prices = {372_500: None, 373_000: OrderRefusal.OFF_TICK, 554_500: None, 555_500: OrderRefusal.ABOVE_CAP}
    for price, reason in prices.items():
        one = order(price_uyuan_per_kwh=price)
        (outcome,) = check_orders("G1", [one], session=session, standing=STANDING, accepted=AcceptedOrders())
        assert (outcome.reason if isinstance(outcome, Rejected) else None) is reason


def test_the_same_order_again_is_accepted_again_and_stands_once_even_after_the_gate() -> None:
    accepted = AcceptedOrders()
    first = check(order())
    accepted.add(first)
    again = check(order(), order(), accepted=accepted)
    assert [(one.order_id, one.repeat) for one in again if isinstance(one, Accepted)] == [("G1/100/M1/1", True)] * 2
    accepted.add(again)
    assert accepted.of_interval(100) == [("G1/100/M1/1", order())]
    later = SessionParameters(101, 105, 0, 1_500_000, 1000, 10)
    (late,) = check_orders("G1", [order()], session=later, standing=STANDING, accepted=accepted)
    assert late == Accepted("G1/100/M1/1", order(), repeat=True)


def test_the_same_id_with_other_content_is_a_conflict_and_the_first_stands() -> None:
    changed = order(price_uyuan_per_kwh=301_000)
    outcomes = check(order(), changed)
    assert outcomes[1] == Rejected("G1/100/M1/1", changed, OrderRefusal.CONFLICT)
    accepted = AcceptedOrders()
    accepted.add(outcomes)
    assert check(changed, accepted=accepted)[0] == Rejected("G1/100/M1/1", changed, OrderRefusal.CONFLICT)
    assert accepted.of_interval(100) == [("G1/100/M1/1", order())]


def test_capacity_counts_all_that_stands_for_the_meter_interval_and_side() -> None:
    accepted = AcceptedOrders([("G1/100/M1/1", order(energy_wh=600))])
    outcomes = check(
        order(number=2, energy_wh=400), order(number=3, energy_wh=10), order(interval=101, number=4), accepted=accepted
    )
    assert [isinstance(one, Accepted) for one in outcomes] == [True, False, True]
    accepted.drop_before(101)
    assert accepted.of_interval(100) == []
    assert isinstance(check(order(number=9, energy_wh=1000), accepted=accepted)[0], Accepted)


small_orders = st.lists(
    st.builds(
        order,
        meter=st.sampled_from(["M1", "M2", "M9", "M7"]),
        interval=st.integers(99, 101),
        number=st.integers(1, 2),
        side=st.sampled_from(Side),
        energy_wh=st.sampled_from([-10, 0, 5, 10, 500, 1000]),
        price_uyuan_per_kwh=st.sampled_from([-1000, 0, 500, 1000, 1_501_000]),
    ),
    max_size=12,
)


@given(small_orders, st.integers(0, 12))
def test_accepted_and_rejected_make_submitted_however_messages_are_cut(orders: list[Order], cut: int) -> None:
    at_once = check(*orders)
    assert check_outcomes(len(orders), at_once) == []
    assert check_accepted_orders(at_once, SESSION) == []
    accepted = AcceptedOrders()
    in_two: list[OrderOutcome] = []
    for part in (orders[:cut], orders[cut:]):
        outcomes = check(*part, accepted=accepted)
        accepted.add(outcomes)
        in_two += outcomes
    assert tuple(in_two) == at_once
    sold = sum(one.energy_wh for _, one in accepted.of_interval(100) if one.meter == "M1")
    assert sold <= STANDING["M1"].export_capacity_wh
