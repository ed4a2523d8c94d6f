"""Laws on random bills: lines sum, shares sum to 100 %, a change splits exactly, a changed number is found."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given as given_that
from hypothesis import strategies as st

from edge.contract.registry import SupplyMode, UserCategory
from hub.settlement.bills.bill import Bill, BillComponent, BillError, BillHead, ComponentAmount
from hub.settlement.bills.bill_case import decode_bill, encode_bill
from hub.settlement.bills.breakdown import class_shares, shares_bp
from hub.settlement.bills.change import explain_change
from hub.settlement.bills.charges import BillCharge
from hub.settlement.bills.checks import check_bill, check_bills
from hub.settlement.bills.composition import Correction, compose_bill, rounding_line
from hub.settlement.exact_shares import split_exactly
from hub.settlement.provinces.keys import PeriodKind, TariffType
from hub.settlement.rule_lines import account_totals_nano_yuan, amount_line, priced_line

NANO_YUAN_PER_FEN = 10_000_000
HEAD = BillHead(
    bill_id="b",
    user_id="user",
    user_name="",
    metering_point="m",
    province="hubei",
    month=date(2026, 1, 1),
    category=UserCategory.COMMERCIAL_INDUSTRIAL,
    voltage_class="10(20)kV",
    tariff_type=TariffType.SINGLE,
    supply_mode=SupplyMode.AGENCY,
    calendar_versions=("calendar-1",),
    meter_data_hash="0",
)
LATER = replace(HEAD, bill_id="c", month=date(2026, 2, 1))


def charge(component: BillComponent, detail: str, wh: int, price: int, rule: str = "rule-1") -> BillCharge:
    return BillCharge(
        component,
        priced_line(
            "x",
            payer="user",
            payee="payee",
            quantity=wh,
            price_uyuan=price,
            rule_version=rule,
            price_versions=("version",),
            detail=detail,
        ),
    )


def amount(detail: str, nano_yuan: int) -> BillCharge:
    line = amount_line(
        "x", payer="user", payee="other", amount_nano_yuan=nano_yuan, rule_version="rule-2", detail=detail
    )
    return BillCharge(BillComponent.OTHER, line)


def bill_of(head: BillHead, charges: list[BillCharge], corrections: list[Correction] | None = None) -> Bill:
    total = sum(one.line.amount_nano_yuan for one in charges)
    return compose_bill(
        head,
        charges,
        [one.line for one in charges],
        energy_wh=sum(one.line.quantity for one in charges if one.component is BillComponent.PERIOD),
        components=(ComponentAmount(BillComponent.OTHER, total, None),),
        corrections=corrections or [],
    )


KINDS = [kind.name for kind in PeriodKind]
PERIODS = st.dictionaries(
    st.sampled_from(KINDS),
    st.tuples(st.integers(0, 9), st.integers(-9, 999_999), st.sampled_from(["rule-1", "rule-2"])),
    max_size=5,
)
AMOUNTS = st.lists(st.integers(-(10**9), 10**9), max_size=3)


def months(periods: dict[str, tuple[int, int, str]], amounts: list[int]) -> list[BillCharge]:
    charges = [charge(BillComponent.PERIOD, kind, *values) for kind, values in periods.items()]
    return [*charges, *(amount(f"a{number}", nano) for number, nano in enumerate(amounts))]


@given_that(PERIODS, AMOUNTS, st.integers(0, 99), st.integers(0, 99))
def test_lines_sum_to_the_bill_and_bill_plus_rounding_to_the_ledger(
    periods: dict[str, tuple[int, int, str]], amounts: list[int], wrong_wh: int, right_wh: int
) -> None:
    correction = Correction(
        "a/1",
        "meter",
        charge(BillComponent.PERIOD, "PEAK", wrong_wh, 848_961),
        charge(BillComponent.PERIOD, "PEAK", right_wh, 848_961),
    )
    bill = bill_of(HEAD, months(periods, amounts), [correction])
    assert check_bill(bill) == []
    assert bill.total_fen == sum(line.amount_fen for line in bill.lines)
    assert abs(bill.rounding_nano_yuan) * 2 <= len(bill.lines) * NANO_YUAN_PER_FEN
    ledger = account_totals_nano_yuan([*bill.postings, rounding_line(bill)])
    assert check_bills([bill], ledger) == []
    assert ledger.get("user", 0) == -bill.total_fen * NANO_YUAN_PER_FEN
    assert decode_bill(encode_bill(bill)) == bill


@given_that(st.lists(st.integers(-5, 40), max_size=6))
def test_shares_sum_to_100_percent_by_largest_remainder(amounts: list[int]) -> None:
    shares = shares_bp(amounts)
    if sum(amounts) <= 0:
        assert set(shares) <= {None}
        return
    assert sum(share for share in shares if share is not None) == 10_000
    assert all(
        abs(share * sum(amounts) - one * 10_000) < sum(amounts) for share, one in zip(shares, amounts, strict=True)
    )
    if min(amounts) >= 0:
        assert shares == split_exactly(10_000, amounts)


@given_that(PERIODS, AMOUNTS, PERIODS, AMOUNTS, st.booleans())
def test_a_change_splits_exactly_into_its_effects(
    earlier: dict[str, tuple[int, int, str]],
    earlier_amounts: list[int],
    later: dict[str, tuple[int, int, str]],
    later_amounts: list[int],
    is_other_calendar: bool,
) -> None:
    before = bill_of(HEAD, months(earlier, earlier_amounts))
    head = replace(LATER, calendar_versions=("calendar-2",)) if is_other_calendar else LATER
    after = bill_of(head, months(later, later_amounts))
    change = explain_change(before, after)
    for row in change.rows:
        effects = row.quantity_nano_yuan + row.price_nano_yuan + row.rule_nano_yuan + row.other_nano_yuan
        assert effects == row.after_nano_yuan - row.before_nano_yuan
    effects = change.quantity_nano_yuan + change.price_nano_yuan + change.rule_nano_yuan + change.other_nano_yuan
    assert effects + change.rounding_nano_yuan == (after.total_fen - before.total_fen) * NANO_YUAN_PER_FEN
    has_rules = any(values[2] == "rule-2" for values in [*earlier.values(), *later.values()])
    if not is_other_calendar and not has_rules:
        assert change.rule_nano_yuan == 0


def period_bill(head: BillHead, peak: tuple[int, int], valley: tuple[int, int], rule: str = "rule-1") -> Bill:
    kinds = (("PEAK", peak), ("VALLEY", valley))
    return bill_of(head, [charge(BillComponent.PERIOD, kind, wh, price, rule) for kind, (wh, price) in kinds])


def effects_of(before: Bill, after: Bill, **how: Any) -> tuple[int, int, int]:
    change = explain_change(before, after, **how)
    assert change.other_nano_yuan == 0
    return change.quantity_nano_yuan, change.price_nano_yuan, change.rule_nano_yuan


def test_quantity_comes_first_at_the_old_price() -> None:
    before, after = period_bill(HEAD, (100, 8), (50, 3)), period_bill(LATER, (120, 9), (50, 3))
    assert effects_of(before, after) == (20 * 8, 120 * 1, 0)


def test_another_rule_version_takes_what_would_be_price() -> None:
    before, after = period_bill(HEAD, (100, 8), (50, 3)), period_bill(LATER, (120, 9), (50, 3), "rule-2")
    assert effects_of(before, after) == (20 * 8, 0, 120 * 1)


def test_another_calendar_is_a_rule_and_not_a_quantity() -> None:
    before = period_bill(HEAD, (100, 8), (50, 3))
    after = period_bill(replace(LATER, calendar_versions=("calendar-2",)), (90, 8), (60, 3))
    # the same 150 Wh: under the earlier calendar still 100 and 50
    assert effects_of(before, after) == (0, 0, -10 * 8 + 10 * 3)
    assert explain_change(before, after).is_estimated
    metered = {PeriodKind.PEAK: 97, PeriodKind.VALLEY: 53}
    assert effects_of(before, after, restated_wh=metered) == (-3 * 8 + 3 * 3, 0, -7 * 8 + 7 * 3)
    assert not explain_change(before, after, restated_wh=metered).is_estimated
    # a period that neither bill has a price for cannot be used as metered
    unpriced = {PeriodKind.PEAK: 97, PeriodKind.SHARP: 53}
    assert explain_change(before, after, restated_wh=unpriced).is_estimated


def test_bills_of_other_lines_are_compared_as_a_whole() -> None:
    before = period_bill(HEAD, (100, 8), (50, 3))
    after = replace(
        bill_of(LATER, [charge(BillComponent.NETWORK, "", 150, 2, "rule-3"), charge(BillComponent.ENERGY, "", 150, 6)]),
        energy_wh=150,
    )
    (row,) = explain_change(before, after).rows
    assert (row.quantity_nano_yuan, row.price_nano_yuan, row.rule_nano_yuan) == (0, 0, 1200 - 950)


def test_bills_that_are_no_two_months_of_one_user_are_refused() -> None:
    bill = period_bill(HEAD, (1, 1), (1, 1))
    for other in (replace(LATER, user_id="somebody"), HEAD):
        with pytest.raises(BillError, match="no two months of one user"):
            explain_change(bill, replace(bill, head=other))
    after = period_bill(LATER, (2, 1), (1, 1))
    with pytest.raises(BillError, match="sums to 2 Wh, not 3"):
        explain_change(bill, after, restated_wh={PeriodKind.PEAK: 2})


@pytest.mark.parametrize(
    "tamper",
    [
        lambda bill: bill["lines"][1].update(amount_fen=3_820_324),
        lambda bill: bill["lines"][1].update(quantity=45_000_001),
        lambda bill: bill["lines"][1].update(price_versions=[]),
        lambda bill: bill.update(total_fen=bill["total_fen"] - 1),
        lambda bill: bill["components"][0].update(amount_nano_yuan=1),
        lambda bill: bill["components"][3]["items"][0].update(amount_nano_yuan=1),
        lambda bill: bill["components"][0].update(share_bp=1),
        lambda bill: bill["postings"][0].update(amount_nano_yuan=1),
        lambda bill: bill.update(average_price_uyuan_per_kwh=1),
        lambda bill: bill["lines"].reverse(),
    ],
)
def test_a_changed_number_is_found(
    tamper: Callable[[dict[str, Any]], None], given: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    bill = json.loads(encode_bill(issued(given)))
    tamper(bill)
    assert check_bill(decode_bill(json.dumps(bill).encode()))


def test_a_class_of_users_has_the_shares_of_its_sums(given: dict[str, Any], issued: Callable[..., Bill]) -> None:
    bill = issued(given)
    ((name, shares),) = class_shares([bill, bill]).items()
    assert name == "COMMERCIAL_INDUSTRIAL 10(20)kV TWO_PART"
    assert [one.share_bp for one in shares] == [one.share_bp for one in bill.components]
    assert shares[0].amount_nano_yuan == 2 * bill.components[0].amount_nano_yuan
