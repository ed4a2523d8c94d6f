"""Acceptance examples of the bill's rows: 94, 95, 99, 100, 117, 187 to 189."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from hub.settlement.bills.bill import RESIDUAL, Bill, BillComponent, BillHead
from hub.settlement.bills.breakdown import component_amounts
from hub.settlement.bills.charges import BillCharge, agency_energy
from hub.settlement.bills.checks import check_bill, check_bills
from hub.settlement.bills.composition import compose_bill, rounding_line
from hub.settlement.bills.quantity_text import quantity_from_text
from hub.settlement.money import round_half_up_fen
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.keys import Component, PeriodKind, TariffType
from hub.settlement.rule_lines import QuantityUnit, account_totals_nano_yuan, priced_line
from hub.settlement.tariffs.price_table import PriceTable, load_price_table
from hub.settlement.units import price_uyuan_per_kwh_from_text

Golden = Callable[[str], dict[str, Any]]
FIVE = ("energy", "loss", "network", "system", "funds")
TO_ONE = dict.fromkeys(Component, "payee")


def table_of(given: dict[str, Any]) -> PriceTable:
    return load_price_table(
        shipped_library(),
        province=given["province"],
        day=date.fromisoformat(given["day"]),
        voltage_class=given.get("voltage_class", "10(20)kV"),
        tariff_type=TariffType.TWO_PART,
    )


def flat_components(given: dict[str, Any]) -> dict[str, Any]:
    """What one kWh in the flat period consists of, by component."""
    table = table_of(given)
    energy = agency_energy(table, {PeriodKind.FLAT: 1_000}, payer="user", account_of=TO_ONE)
    return {one.component.value: one for one in component_amounts(energy, [], table, 1_000)}


def test_row_94_a_flat_kwh_is_its_five_components(golden: Golden) -> None:
    case = golden("BILL-01")
    found = flat_components(case["given"])
    assert [found[name].amount_nano_yuan for name in FIVE] == [1_000 * one for one in case["expected"]["components"]]
    assert found.keys() == set(FIVE), "the published flat price leaves no difference"
    assert sum(one.amount_nano_yuan for one in found.values()) == 1_000 * case["expected"]["total"]


def test_row_95_what_the_items_do_not_explain_is_an_item_of_its_own(golden: Golden) -> None:
    case = golden("BILL-02")
    *items, residual = flat_components(case["given"])["system"].items
    assert sorted(one.price_uyuan_per_kwh for one in items) == sorted(case["expected"]["items"])
    assert (residual.item, residual.price_uyuan_per_kwh) == (RESIDUAL, case["expected"]["residual"])


def test_row_99_every_line_as_printed(golden: Golden, issued: Callable[..., Bill]) -> None:
    case = golden("BILL-06")
    bill, expected = issued(case["given"]), case["expected"]
    assert [line.amount_fen for line in bill.lines] == expected["line_fen"]
    assert [line.price_uyuan for line in bill.lines] == expected["line_price_uyuan"]
    assert sum(line.amount_fen for line in bill.lines if line.period) == expected["energy_fen"]
    assert bill.total_fen == expected["total_fen"]
    assert bill.average_price_uyuan_per_kwh == expected["average_price_uyuan_per_kwh"]
    # 45,000 kWh at .848961 is 38,203.245: the only line that rounds, by half a fen in favour of the payees
    assert bill.rounding_nano_yuan == -5_000_000
    # 45,000 kWh: .848961 published, .848952 by the coefficient 1.495
    difference = next(one for one in bill.components if one.component is BillComponent.PUBLISHED_DIFFERENCE)
    assert difference.amount_nano_yuan == 45_000_000 * 9
    assert all(line.price_versions and line.input_hash for line in bill.lines)
    assert {version for line in bill.lines for version in line.price_versions} <= {
        one.version_id for one in bill.prices
    }


def test_row_99_bill_and_rounding_account_are_the_ledger(given: dict[str, Any], issued: Callable[..., Bill]) -> None:
    bill = issued(given)
    assert check_bill(bill) == []
    ledger = account_totals_nano_yuan([*bill.postings, rounding_line(bill)])
    assert check_bills([bill], ledger) == []
    assert ledger["user-1"] == -11_967_708 * 10_000_000
    assert ledger["D_net"] == 150_000_000 * 126_300 + 630_000 * 26_300_000
    assert ledger["government-funds"] == 150_000_000 * 45_200
    unrounded = account_totals_nano_yuan(bill.postings)
    assert [one.where for one in check_bills([bill], unrounded)] == ["user-1", "rounding"]


def test_row_100_shares_of_energy_and_system_operation(golden: Golden) -> None:
    case = golden("BILL-07")
    found = flat_components(case["given"])
    assert found["energy"].share_bp == case["expected"]["energy_share_bp"]
    assert found["system"].share_bp == case["expected"]["system_share_bp"]


def test_row_117_a_rate_changes_by_fee_and_by_energy(
    golden: Golden, given: dict[str, Any], hubei_february: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    case = golden("SYS-05")
    january, february = (
        {
            "item": "coal_capacity",
            "fee_nano_yuan": case["given"]["fee_nano_yuan"],
            "energy": {"quantity": str(wh), "unit": "Wh"},
        }
        for wh in case["given"]["energy_wh"]
    )
    before = issued({**given, "system_fees": [january]})
    later = {**given, "bill_id": "2", "month": "2026-02-01", "documents": [hubei_february], "system_fees": [february]}
    after = issued(later, previous=before)
    assert after.change is not None
    (rate,) = after.change.rates
    expected = case["expected"]
    assert [rate.rate_before_uyuan_per_kwh, rate.rate_after_uyuan_per_kwh] == expected["rates"]
    assert rate.fee_effect_uyuan_per_kwh == expected["fee_effect"]
    assert rate.energy_effect_uyuan_per_kwh == expected["energy_effect"]


def test_row_187_quantities_convert_exactly(golden: Golden) -> None:
    case = golden("DATA-01")
    for (unit, one, its_unit, other, other_unit), inside in zip(
        case["given"]["equal"], case["expected"]["inside"], strict=True
    ):
        of = QuantityUnit[unit]
        assert quantity_from_text(one, its_unit, of) == quantity_from_text(other, other_unit, of) == inside


def test_row_188_prices_convert_exactly(golden: Golden) -> None:
    case = golden("DATA-02")
    for (one, its_unit, other, other_unit), inside in zip(
        case["given"]["equal"], case["expected"]["inside"], strict=True
    ):
        found = {price_uyuan_per_kwh_from_text(one, its_unit), price_uyuan_per_kwh_from_text(other, other_unit)}
        assert found == {inside}


def test_row_189_a_bill_charges_deals_not_their_mean(
    golden: Golden, given: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    case = golden("DATA-03")
    head: BillHead = issued(given).head
    lines = [
        priced_line(
            "retail-energy",
            payer="user-1",
            payee="seller",
            quantity=deal["energy_wh"],
            price_uyuan=deal["price_uyuan_per_kwh"],
            rule_version="deal-1",
            price_versions=(f"deal-{number}",),
            detail=f"deal-{number}",
        )
        for number, deal in enumerate(case["given"]["deals"])
    ]
    energy_wh = sum(line.quantity for line in lines)
    charges = [BillCharge(BillComponent.ENERGY, line) for line in lines]
    bill = compose_bill(head, charges, lines, energy_wh=energy_wh, components=())
    assert bill.total_fen == case["expected"]["total_fen"]
    average = bill.average_price_uyuan_per_kwh
    assert average == case["expected"]["average_price_uyuan_per_kwh"]
    assert round_half_up_fen(energy_wh * average) == case["expected"]["wrong_fen"], "why a mean is not charged"


@pytest.mark.parametrize("kwh", ["0", "0.001"])
def test_a_month_with_next_to_no_energy_still_owes_the_capacity(
    kwh: str, given: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    given["energy"] = [{"period": "FLAT", "quantity": kwh, "unit": "kWh"}]
    bill = issued(given)
    assert bill.total_fen == 1_656_900
    assert (bill.average_price_uyuan_per_kwh is None) == (kwh == "0")
