"""Environmental value apart from energy: rows 144, 146, 150 in lines, two months by hand, and never a MWh twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.green.green_quantities import SettlementPeriod, SubscriptionClosedError, SubscriptionRules
from hub.market.registry.periods import Period
from hub.settlement.green.environmental_settlement import (
    GreenDeal,
    PlantMonth,
    check_two_streams,
    settle_plant_month,
    subscription_lines,
)
from hub.settlement.green.settled_months import (
    GreenBook,
    GreenBookRefusal,
    MonthRefused,
    MonthRepeated,
    MonthSettled,
    check_book,
    enter_month,
)
from hub.settlement.rule_lines import account_totals_nano_yuan, check_rule_lines, priced_line

Reader = Callable[[str], dict[str, Any]]
MWH = 1_000_000
MONTHLY, INTERVAL = SettlementPeriod.MONTHLY, SettlementPeriod.INTERVAL


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def deal(name: str, contract: list[int], used: list[int], *, value: int = 30_000, short: tuple = (0, 0)) -> GreenDeal:
    return GreenDeal(name, f"{name}-green", "plant-green", column(*contract), column(*used), value, *short)


def book(period: SettlementPeriod = MONTHLY, *, wh: int = MWH) -> GreenBook:
    return GreenBook(wh_per_certificate=wh, period=period)


def settled(outcome: object) -> MonthSettled:
    assert isinstance(outcome, MonthSettled)
    return outcome


def test_row_146_two_streams_two_lines_two_accounts(golden_case: Reader) -> None:
    case = golden_case("market/GRN-03")
    given_, expected = case["given"], case["expected"]
    one = deal("C", [given_["contract_wh"]], [given_["consumption_wh"]], value=given_["environmental_uyuan_per_kwh"])
    month = PlantMonth("PV", 202606, column(given_["generation_wh"]), column(0), (one,))
    found = settle_plant_month(month, {}, period=MONTHLY, wh_per_certificate=MWH)
    (line,) = found.lines
    assert (line.component, line.amount_nano_yuan) == ("environmental-value", expected["fee_nano_yuan"])
    assert found.settled[0].carried_wh == expected["carried_wh"]
    energy = [
        priced_line("energy", payer="user", payee="plant", quantity=95_300_000, price_uyuan=420_000, rule_version="e-1")
    ]
    assert check_two_streams(energy, found.lines) == []
    mixed = [replace(energy[0], from_account="C-green"), replace(energy[0], component="environmental-value")]
    assert len(check_two_streams(mixed, found.lines)) == 2


def test_row_150_a_subscription_has_two_lines(golden_case: Reader) -> None:
    case = golden_case("market/GRN-07")
    frame = {
        "user": "u",
        "d_sup": "D_sup",
        "user_environmental_account": "u-green",
        "seller_environmental_account": "plant-green",
        "wh_per_certificate": MWH,
        "price_versions": ("table-6", "subscription-1"),
    }
    rules = SubscriptionRules("guangdong", Period(date(2023, 1, 1)), "row 150", is_open=True)
    lines = subscription_lines(rules, **case["given"], **frame)
    expected = case["expected"]
    assert check_rule_lines(lines) == []
    assert account_totals_nano_yuan(lines) == {
        "u": -expected["energy_nano_yuan"],
        "D_sup": expected["energy_nano_yuan"],
        "u-green": -expected["environmental_nano_yuan"],
        "plant-green": expected["environmental_nano_yuan"],
    }
    assert [line.price_versions for line in lines] == [("table-6",), ("subscription-1",)]
    with pytest.raises(SubscriptionClosedError):
        subscription_lines(replaced_rules(), **case["given"], **frame)


def replaced_rules() -> SubscriptionRules:
    return SubscriptionRules("hubei", Period(date(2023, 1, 1)), "d", is_open=False)


def test_outside_rules_11_two_months_by_hand(golden_case: Reader) -> None:
    case = golden_case("settlement/outside-11")
    given_, expected = case["given"], case["expected"]
    short = (given_["seller_short_uyuan_per_kwh"], given_["buyer_short_uyuan_per_kwh"])
    standing = book(wh=given_["wh_per_certificate"])
    for month, wanted in zip(given_["months"], expected["months"], strict=True):
        deals = tuple(
            deal(name, [contract], [used], value=given_["environmental_uyuan_per_kwh"], short=short)
            for name, (contract, used) in month["deals"].items()
        )
        columns = (column(month["generation_wh"]), column(month["mechanism_wh"]))
        outcome = settled(enter_month(standing, PlantMonth("PV", month["month"], *columns, deals)))
        standing = outcome.book
        rows = {one.contract_id: one for one in outcome.settled.settled}
        for name in ("matched_wh", "certificates", "carried_wh", "seller_short_wh", "buyer_short_wh"):
            assert {contract: getattr(one, name) for contract, one in rows.items()} == wanted[name], name
        assert check_rule_lines(outcome.settled.lines) == []
        assert account_totals_nano_yuan(outcome.settled.lines) == wanted["account_nano_yuan"]
    assert check_book(standing) == []


def test_a_later_meter_correction_does_not_reopen_a_month() -> None:
    month = PlantMonth("PV", 202605, column(10 * MWH), column(0), (deal("C", [9 * MWH], [9 * MWH]),))
    first = settled(enter_month(book(), month))
    again = enter_month(first.book, month)
    assert isinstance(again, MonthRepeated)
    assert again.settled is first.settled
    corrected = replace(month, generation_wh=column(8 * MWH))
    refused = enter_month(first.book, corrected)
    assert isinstance(refused, MonthRefused)
    assert refused.reason is GreenBookRefusal.ALREADY_SETTLED
    assert refused.book.months == first.book.months
    assert refused.book.not_followed == ((corrected, GreenBookRefusal.ALREADY_SETTLED),)
    earlier = enter_month(first.book, replace(month, month=202604))
    assert isinstance(earlier, MonthRefused)
    assert earlier.reason is GreenBookRefusal.OUT_OF_ORDER
    for other in (
        (deal("C", [9 * MWH], [8 * MWH]),),
        (deal("C", [9 * MWH], [9 * MWH], value=29_000),),
        (*month.deals, deal("D", [MWH], [MWH])),
    ):
        assert isinstance(enter_month(first.book, replace(month, deals=other)), MonthRefused)


def test_interval_by_interval_counts_less_than_the_month() -> None:
    one = deal("C", [2 * MWH, 2 * MWH], [4 * MWH, 0])
    month = PlantMonth("PV", 202605, column(0, 4 * MWH), column(0, 0), (one,))
    by_month = settled(enter_month(book(MONTHLY), month)).settled.settled[0]
    by_interval = settled(enter_month(book(INTERVAL), month)).settled.settled[0]
    assert (by_month.certificates, by_interval.certificates) == (4, 0)
    assert (by_interval.seller_short_wh, by_interval.buyer_short_wh) == (2 * MWH, 2 * MWH)


SMALL = st.integers(0, 9)
ROW = st.tuples(st.lists(SMALL, min_size=2, max_size=2), st.lists(SMALL, min_size=2, max_size=2))
MONTHS = st.lists(
    st.tuples(st.lists(SMALL, min_size=2, max_size=2), st.lists(st.integers(0, 3), min_size=2, max_size=2), ROW, ROW),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(MONTHS, st.sampled_from(SettlementPeriod))
def test_no_mwh_is_settled_twice_whatever_the_months(months: list, period: SettlementPeriod) -> None:
    standing = book(period, wh=4)
    for number, (generated, mechanism, x, y) in enumerate(months):
        limited = [min(pair) for pair in zip(generated, mechanism, strict=True)]
        deals = (deal("X", *x, short=(6, 4)), deal("Y", *y, short=(6, 4)))
        month = PlantMonth("PV", 202601 + number, column(*generated), column(*limited), deals)
        outcome = settled(enter_month(standing, month))
        standing = outcome.book
        assert check_rule_lines(outcome.settled.lines) == []
        assert sum(account_totals_nano_yuan(outcome.settled.lines).values()) == 0
        for one, row in zip(outcome.settled.settled, (x, y), strict=True):
            assert one.matched_wh + one.seller_short_wh + one.buyer_short_wh == sum(row[0])
    assert check_book(standing) == []
    for key, entry in standing.months.items():
        more = tuple(replace(one, certificates=one.certificates + 1) for one in entry.settled)
        broken = replace(standing, months=dict(standing.months) | {key: replace(entry, settled=more)})
        assert check_book(broken) != []
    first, entry = next(iter(standing.months.items()))
    given_away = tuple(replace(one, matched_wh=one.matched_wh + 99) for one in entry.settled)
    assert check_book(replace(standing, months={first: replace(entry, settled=given_away)})) != []
