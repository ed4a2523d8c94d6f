"""The acceptance examples of rows 128 to 136, each a golden case, with the shipped provinces where they have data."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.registry.periods import Period
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.documents import decode_province
from hub.settlement.provinces.library import Library, LibraryError
from hub.settlement.rule_lines import account_totals_nano_yuan, check_rule_lines, total_nano_yuan
from hub.settlement.storage.arbitrage_check import ArbitrageValue, arbitrage_value, check_round_trip
from hub.settlement.storage.capacity_compensation import (
    LeaseRefused,
    MandatoryStorage,
    StorageDuty,
    admit_lease,
    capacity_compensation_nano_yuan,
    compensation_funding_lines,
    declining_rate_uyuan_per_kwh,
    lease_fees_nano_yuan,
    storage_duty,
    unleased_compensation_nano_yuan,
)
from hub.settlement.storage.dual_role import (
    StoragePriceMissingError,
    StoragePrices,
    check_storage_energy,
    direction_prices,
    from_net_register,
    storage_cash,
    storage_lines,
)
from hub.settlement.storage.joint_participation import demand_response_line, joint_energy_lines
from hub.settlement.storage.loaded_rules import (
    compensation_rate_on,
    compensation_rules_on,
    lease_rules_on,
    ordered_charging_rules_on,
    storage_price_rules_on,
)
from hub.settlement.storage.ordered_charging import OrderedMonth, check_ordered_month, ordered_charging_lines

Reader = Callable[[str], dict[str, Any]]
PRE_SPOT = {
    "province": "xinjiang",
    "voltage_classes": ["<1kV", "10(20)kV", "35kV", "110kV", "220kV"],
    "publications": [
        {
            "publication_id": "storage-prices",
            "document": "row 129",
            "source": "requirements row 129",
            "mark": "secondary",
            "dates": "as-of-source",
            "effective_from": "2024-01-01",
            "effective_to": None,
            "values": [
                {"parameter": "storage_price_source", "value": "TOU", "unit": "word", "item": item}
                for item in ("charge", "discharge")
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def library() -> Library:
    return shipped_library()


def parts(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return case["given"], case["expected"]


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def place(given_: dict[str, Any]) -> dict[str, Any]:
    return {"province": given_["province"], "day": date.fromisoformat(given_["day"])}


def test_row_128_sells_as_a_generator_and_buys_as_a_user(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/STO-01"))
    columns = {name: column(value) for name, value in given_.items()}
    cash = storage_cash(**columns, fee_uyuan_per_kwh=column(0))
    assert cash.charge_nano_yuan == expected["charge_nano_yuan"]
    assert cash.discharge_nano_yuan == expected["discharge_nano_yuan"]
    assert cash.total_nano_yuan == expected["total_nano_yuan"]
    with_fees = storage_cash(**columns, fee_uyuan_per_kwh=column(20_000))
    rules = storage_price_rules_on(library, province="guangdong", day=date(2024, 6, 1))
    lines = storage_lines(with_fees, storage="S", market="D_sup", network="D_net", rules=rules)
    assert check_rule_lines(lines) == []
    totals = account_totals_nano_yuan(lines)
    assert totals["S"] == with_fees.total_nano_yuan == cash.total_nano_yuan - given_["charged_wh"] * 20_000
    assert totals["D_net"] == given_["charged_wh"] * 20_000


def test_row_128_one_net_register_or_two() -> None:
    charged, discharged = from_net_register(column(5, -3, 0))
    assert (charged.tolist(), discharged.tolist()) == ([5, 0, 0], [0, 3, 0])
    frame = {"power_w": 400, "minutes": 15}
    assert check_storage_energy("S", charged_wh=column(60), discharged_wh=column(40), **frame) == []
    assert check_storage_energy("S", charged_wh=column(61), discharged_wh=column(40), **frame) != []
    assert check_storage_energy("S", charged_wh=column(-1), discharged_wh=column(0), **frame) != []


def test_row_129_price_sources(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/STO-02"))
    library = shipped_library([decode_province(json.dumps(PRE_SPOT).encode())])
    day = date.fromisoformat(given_["day"])
    node, tou = column(1), column(2)
    for province in given_["provinces"]:
        rules = storage_price_rules_on(library, province=province, day=day)
        assert [rules.charge.value, rules.discharge.value] == expected["sources"][province]
        found = direction_prices(rules, StoragePrices(node, tou, None))
        assert found == ((node, node) if province == "guangdong" else (tou, tou))
    with pytest.raises(StoragePriceMissingError, match="TOU"):
        direction_prices(rules, StoragePrices(node, None, None))
    with pytest.raises(LibraryError, match="row 129"):
        storage_price_rules_on(library, province="hubei", day=day)


def test_row_130_compensation_within_ten_years(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/STO-03"))
    rules = compensation_rules_on(library, **place(given_))
    commissioned = date.fromisoformat(given_["commissioned_on"])
    found = []
    for month in given_["months"]:
        number = commissioned.year * 12 + commissioned.month - 1 + month - 1
        day = date(number // 12, number % 12 + 1, 1)
        frame = {"commissioned_on": commissioned, "day": day, "rules": rules}
        amount = capacity_compensation_nano_yuan(
            given_["discharged_wh"], offered_uyuan_per_kwh=given_["offered_uyuan_per_kwh"], **frame
        )
        found.append(amount)
    assert found == expected["compensation_nano_yuan"]
    superseded = replace(rules, superseded_on=date(2024, 6, 1))
    frame = {"commissioned_on": commissioned, "rules": superseded}
    amounts = [
        capacity_compensation_nano_yuan(10, offered_uyuan_per_kwh=3, day=date(2024, month, 1), **frame)
        for month in (2, 3, 5, 6)
    ]
    assert amounts == [0, 30, 30, 0]


def test_row_131_declining_compensation(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/STO-04"))
    days = [date.fromisoformat(text) for text in given_["days"]]
    rates = [compensation_rate_on(library, province=given_["province"], day=day).value for day in days]
    assert rates == expected["rates_uyuan_per_kwh"]
    by_formula = [
        declining_rate_uyuan_per_kwh(given_["first_uyuan_per_kwh"], decline_ppm=given_["decline_ppm"], years=years)
        for years in range(3)
    ]
    assert by_formula == rates
    amount = unleased_compensation_nano_yuan(
        given_["discharged_wh"], lease_share_ppm=given_["lease_share_ppm"], rate_uyuan_per_kwh=rates[2]
    )
    assert amount == expected["compensation_nano_yuan"]
    with pytest.raises(LibraryError, match="row 131"):
        compensation_rate_on(library, province=given_["province"], day=date(2026, 1, 1))
    lines = compensation_funding_lines(amount, {"A": 1, "B": 2, "C": 0}, storage="S", version="v")
    assert total_nano_yuan(lines) == amount == account_totals_nano_yuan(lines)["S"]


def test_row_132_leasing(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/STO-05"))
    rules = lease_rules_on(library, **place(given_))
    fees = lease_fees_nano_yuan(given_["capacity_w"], rules.reference_uyuan_per_kw_year)
    assert fees == [expected["monthly_nano_yuan"]] * 12
    outcomes = [admit_lease(years, rules) for years in given_["years"]]
    found = [one.reason.value if isinstance(one, LeaseRefused) else "admitted" for one in outcomes]
    assert found == expected["outcomes"]
    assert sum(lease_fees_nano_yuan(1, 7)) == 7


def test_row_133_charging_on_order(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/STO-06"))
    rules = ordered_charging_rules_on(library, **place(given_))
    month = OrderedMonth(given_["ordered_charge_wh"], given_["ordered_discharge_wh"], given_["discharged_wh"])
    lines = ordered_charging_lines(month, rules, storage="S", account="all users")
    assert [line.amount_nano_yuan for line in lines] == expected["lines_nano_yuan"]
    assert account_totals_nano_yuan(lines)["S"] == expected["total_nano_yuan"]
    assert month.compensated_discharge_wh == expected["compensated_wh"]
    assert check_ordered_month("S", month) == []
    for wrong in (OrderedMonth(5, 6, 9), OrderedMonth(5, 4, 3), OrderedMonth(-1, -1, 3)):
        assert check_ordered_month("S", wrong) != []


def test_row_134_mandatory_storage_is_off_unless_switched_on(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/STO-07"))
    rules = MandatoryStorage(
        "v", "guangdong", Period(date(2023, 1, 1)), "row 134", True, given_["power_share_ppm"], given_["minutes"]
    )
    assert storage_duty(given_["installed_w"], rules) == StorageDuty(expected["power_w"], expected["energy_wh"])
    off = MandatoryStorage("v", "guangdong", Period(date(2025, 6, 1)), "outside rules 0", False, 100_000, 60)
    assert storage_duty(given_["installed_w"], off) is None


def test_row_135_a_user_with_storage_pays_for_its_net_energy(golden_case: Reader) -> None:
    document = golden_case("market/STO-08")
    given_, expected = document["given"], document["expected"]
    energies = {name: column(given_[name], 0) for name in ("load_wh", "charged_wh", "discharged_wh")}
    frame = {"price_uyuan_per_kwh": column(600_000, 1), "user": "u", "supplier": "s", "version": "v"}
    (line,) = joint_energy_lines(**energies, **frame)
    assert (line.component, line.quantity) == ("joint-energy", expected["drawn_wh"])
    assert line.amount_nano_yuan == expected["drawn_wh"] * 600_000
    both = joint_energy_lines(load_wh=column(5, 5), charged_wh=column(0, 0), discharged_wh=column(0, 8), **frame)
    assert [(one.component, one.quantity) for one in both] == [("joint-energy", 5), ("joint-surplus", 3)]
    response = demand_response_line(
        effective_wh=given_["effective_wh"],
        price_uyuan_per_kwh=given_["price_uyuan_per_kwh"],
        user="u",
        account="response",
        version="v",
    )
    assert account_totals_nano_yuan([response])["u"] == expected["income_nano_yuan"]


def test_row_136_arbitrage_and_wrong_metering(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/STO-09"))
    found = arbitrage_value(**given_)
    assert found == ArbitrageValue(expected["efficiency_ppm"], expected["margin_uyuan_per_kwh"])
    assert arbitrage_value(**(given_ | {"charged_wh": 0})) == ArbitrageValue(None, None)
    frame = {"charged_wh": 1_000, "stored_start_wh": 200, "efficiency_min_ppm": 800_000}
    assert check_round_trip("S", discharged_wh=900, stored_end_wh=150, **frame) == []
    assert check_round_trip("S", discharged_wh=1_000, stored_end_wh=201, **frame) != []
    assert check_round_trip("S", discharged_wh=700, stored_end_wh=299, **frame) != []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(-9, 9), st.integers(-9, 9)), min_size=1))
def test_the_two_units_settle_apart_and_sum(rows: list) -> None:
    charged, discharged, buying, selling = (column(*values) for values in zip(*rows, strict=True))
    cash = storage_cash(
        charged_wh=charged,
        discharged_wh=discharged,
        charge_uyuan_per_kwh=buying,
        discharge_uyuan_per_kwh=selling,
        fee_uyuan_per_kwh=column(*[1] * len(rows)),
    )
    by_row = sum(out * price - into * (cost + 1) for into, out, cost, price in rows)
    assert cash.total_nano_yuan == by_row
