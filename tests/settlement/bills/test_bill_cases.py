"""Cases other than the golden one: coefficients, traded energy, guaranteed users, demand with rebate, corrections."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.settlement.bills.bill import Bill, BillComponent, BillError, LinePosting
from hub.settlement.bills.checks import check_bill

PROFILE = Path(__file__).resolve().parents[3] / "hub" / "settlement" / "provinces" / "profiles" / "hubei.json"
CONTRACT = {
    "version_id": "contract/7",
    "what": "contract",
    "text": "0.4 yuan/kWh",
    "document": "contract 7",
    "source": "contract",
    "mark": "source",
}


def energy_charge(wh: int, price: int = 400_000) -> dict[str, Any]:
    return {
        "component": "energy",
        "payee": "retailer",
        "rule_version": "retail-energy-1",
        "quantity": wh,
        "unit": "Wh",
        "price_uyuan": price,
        "prices": [CONTRACT],
    }


@pytest.fixture
def by_coefficients(given: dict[str, Any]) -> dict[str, Any]:
    """A made-up province with the components of Hubei and no published period prices."""
    document = json.loads(PROFILE.read_text("utf-8"))
    document["province"] = "made-up"
    for one in document["calendars"]:
        one["calendar_id"] = "made-up-calendar"
    for one in document["publications"]:
        one["values"] = [value for value in one["values"] if value["parameter"] != "tou_price"]
    return {**given, "province": "made-up", "documents": [document]}


def amounts(bill: Bill, component: BillComponent) -> list[tuple[str, int, int | None, int | None]]:
    return [
        (line.period or line.detail, line.quantity, line.price_uyuan, line.factor_ppm)
        for line in bill.lines
        if line.component is component
    ]


def test_without_published_prices_lines_are_components(
    by_coefficients: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    bill = issued(by_coefficients)
    assert check_bill(bill) == []
    # energy and loss float: 2.0, 1.495, 1, 0.45; the others have one line for all energy
    assert amounts(bill, BillComponent.LOSS) == [
        ("SHARP", 12_000_000, 27_286, 2_000_000),
        ("PEAK", 45_000_000, 20_396, 1_495_000),
        ("FLAT", 55_000_000, 13_643, 1_000_000),
        ("VALLEY", 38_000_000, 6_139, 450_000),
    ]
    assert amounts(bill, BillComponent.NETWORK) == [("", 150_000_000, 126_300, None)]
    assert amounts(bill, BillComponent.SYSTEM) == [("", 150_000_000, 82_273, None)]
    # 12,000 x 1.049999 + 45,000 x .848952 + 55,000 x .651886 + 38,000 x .432924, exactly
    assert bill.exact_nano_yuan - 16_569_000_000_000 == 103_108_075_000_000 - 45_000_000 * 9
    assert BillComponent.PUBLISHED_DIFFERENCE not in {one.component for one in bill.components}


def test_traded_energy_has_its_own_price_and_the_other_four_components(
    given: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    retail = [{"supply_mode": "RETAIL", "from_day": "2025-01-01"}]
    bill = issued({**given, "supply": retail, "market_energy": [energy_charge(150_000_000)]})
    assert check_bill(bill) == []
    assert amounts(bill, BillComponent.ENERGY) == [("", 150_000_000, 400_000, None)]
    assert amounts(bill, BillComponent.LOSS)[0] == ("SHARP", 12_000_000, 27_286, 2_000_000), "floats until March 2026"
    assert {one.version_id for one in bill.prices} >= {"contract/7"}
    with pytest.raises(BillError, match=r"row 94 on 2026-01-01: no energy price .*; load the settled energy"):
        issued({**given, "supply": retail})


def test_residents_pay_one_price_and_no_system_operation(given: dict[str, Any], issued: Callable[..., Bill]) -> None:
    price = {"parameter": "guaranteed_price", "value": "0.558", "unit": "yuan/kWh"}
    publication = {
        "publication_id": "made-up",
        "document": "made-up 1",
        "source": "made up",
        "mark": "source",
        "effective_from": "2026-01-01",
        "values": [price],
    }
    classes = json.loads(PROFILE.read_text("utf-8"))["voltage_classes"]
    resident = {
        **given,
        "category": "RESIDENTIAL",
        "tariff_type": "SINGLE",
        "supply": [{"supply_mode": "GUARANTEED", "from_day": "2025-01-01"}],
        "energy": [{"period": "FLAT", "quantity": "10000", "unit": "kWh"}],
        "election": None,
        "capacities": [],
    }
    with pytest.raises(
        BillError, match=r"row 96 on 2026-01-01: no version of guaranteed_price .*; load the guaranteed"
    ):
        issued(resident)
    document = {"province": "hubei", "voltage_classes": classes, "publications": [publication]}
    bill = issued({**resident, "documents": [document]})
    assert [(line.component, line.amount_fen) for line in bill.lines] == [(BillComponent.GUARANTEED, 558_000)]
    assert {one.component for one in bill.components} == {BillComponent.GUARANTEED}


@pytest.mark.parametrize(("capacity", "price", "factor"), [("576", 37_800_000, 900_000), ("577", 42_000_000, None)])
def test_the_demand_price_is_reduced_from_260_kwh_per_kva(
    capacity: str, price: int, factor: int | None, given: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    given |= {"election": "DEMAND", "demand": {"quantity": "500", "unit": "kW"}}
    given["capacities"] = [{"quantity": capacity, "unit": "kVA"}]
    (line,) = [line for line in issued(given).lines if line.component is BillComponent.DEMAND]
    assert (line.price_uyuan, line.factor_ppm) == (price, factor)
    assert line.amount_fen == 500 * price // 10_000


def test_a_correction_is_a_reversal_and_a_new_line(given: dict[str, Any], issued: Callable[..., Bill]) -> None:
    wrong, right = energy_charge(45_000_000, 848_961), energy_charge(44_000_000, 848_961)
    correction = {"bill_id": "old", "line": 2, "reason": "meter", "reversed_charge": wrong, "restated_charge": right}
    bill = issued({**given, "corrections": [correction]})
    *_, reversal, restated = bill.lines
    assert (reversal.posting, reversal.amount_fen) == (LinePosting.REVERSAL, -3_820_325), "half a fen goes back too"
    assert (restated.posting, restated.amount_fen) == (LinePosting.RESTATED, 3_735_428)
    assert {reversal.corrects, restated.corrects} == {"old/2"}
    assert (bill.current_fen, bill.corrections_fen) == (11_967_708, -84_897)
    assert bill.average_price_uyuan_per_kwh == 797_847, "an average of the month, not of what earlier months owed"


def test_an_old_month_is_billed_the_same_after_a_new_table_is_loaded(
    given: dict[str, Any], hubei_february: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    assert issued({**given, "documents": [hubei_february]}) == issued(given)


def test_a_cheaper_month_is_explained_by_price(
    given: dict[str, Any], hubei_february: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    february = {**given, "bill_id": "2", "month": "2026-02-01", "documents": [hubei_february]}
    change = issued(february, previous=issued(given)).change
    assert change is not None
    assert change.price_nano_yuan == -150_000_000 * 12_345
    assert (change.quantity_nano_yuan, change.rule_nano_yuan, change.other_nano_yuan) == (0, 0, 0)


def test_prices_that_change_within_the_month_are_refused(
    given: dict[str, Any], hubei_february: dict[str, Any], issued: Callable[..., Bill]
) -> None:
    (table,) = hubei_february["publications"]
    halves = [
        {**table, "publication_id": "first", "effective_to": "2026-02-15"},
        {**table, "publication_id": "second", "effective_from": "2026-02-15"},
    ]
    february = {**given, "month": "2026-02-01", "documents": [{**hubei_february, "publications": halves}]}
    with pytest.raises(BillError, match="row 165 on 2026-02-28: prices change within the month; load one case for"):
        issued(february)


def test_a_factor_that_does_not_give_the_price_is_found(given: dict[str, Any], issued: Callable[..., Bill]) -> None:
    given |= {"election": "DEMAND", "demand": {"quantity": "500", "unit": "kW"}}
    given["capacities"] = [{"quantity": "576", "unit": "kVA"}]
    bill = issued(given)
    *others, demand = bill.lines
    assert demand.factor_ppm == 900_000
    changed = replace(bill, lines=(*others, replace(demand, factor_ppm=950_000)))
    assert [one.what for one in check_bill(changed)] == ["42000000 x 950000 ppm is 39900000, not 37800000"]
