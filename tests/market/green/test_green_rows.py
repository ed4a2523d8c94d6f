"""The acceptance examples of rows 144 to 154, verbatim in numbers, each a golden case; and a plant's months by hand."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hub.market.green.certificates import (
    CertificateRegister,
    CertificateRules,
    CertificatesChanged,
    CertificatesRefused,
    Delivery,
    PlantMonth,
    check_certificates,
    deliver,
    held,
    issue,
    transfer,
)
from hub.market.green.green_prices import (
    EmptyIndexError,
    EnvironmentalLimits,
    GreenPrice,
    GreenQuote,
    GreenRefusal,
    GreenRefused,
    IndexDeal,
    auction_price,
    certificate_mean_uyuan_per_kwh,
    energy_index_uyuan_per_kwh,
    limits_in_force,
    quoted_price,
    retail_price,
)
from hub.market.green.green_quantities import (
    AnnualCeiling,
    GreenContract,
    SettlementPeriod,
    SubscriptionClosedError,
    SubscriptionRules,
    admit_contract,
    check_settled,
    environmental_fee_nano_yuan,
    settle_contracts,
    subscription_charge,
)
from hub.market.registry.periods import Period
from hub.settlement.money import nano_yuan_from_text
from hub.settlement.units import price_uyuan_per_kwh_from_text

GOLDEN = Path(__file__).parents[2] / "golden" / "market"
MWH = 1_000_000
EVER = Period(date(2023, 1, 1))
RULES = CertificateRules(EVER, "outside rules 11", "NEA qualification centre", MWH, 24)
TODAY = date(2026, 5, 1)


def case(row_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    document = json.loads((GOLDEN / row_id / "case.json").read_text(encoding="utf8"))
    return document["given"], document["expected"]


def limits_of(document: dict[str, Any]) -> EnvironmentalLimits:
    return msgspec.convert(document, EnvironmentalLimits)


def changed(outcome: object) -> CertificatesChanged:
    assert isinstance(outcome, CertificatesChanged)
    return outcome


def plant_month(generation_wh: int, *, month: int = 202604, mechanism_wh: int = 0) -> PlantMonth:
    return PlantMonth("PV1", month, "plant", is_clean=True, generation_wh=generation_wh, mechanism_wh=mechanism_wh)


def test_row_144_two_prices_apart() -> None:
    given, expected = case("GRN-01")
    limits = limits_of(given["limits"])
    outcomes: list[int | str] = []
    for row in given["quotes"]:
        found = quoted_price(GreenQuote(row["total"], row["energy"], row["environmental"]), limits)
        outcomes.append(found.reason.value if isinstance(found, GreenRefused) else found.total_uyuan_per_kwh)
    assert outcomes == expected["outcomes"]
    wrong = quoted_price(GreenQuote(450_001, 420_000, 30_000), limits)
    assert wrong == GreenRefused(GreenRefusal.PARTS_DO_NOT_SUM)
    assert quoted_price(GreenQuote(None, 420_000, 30_000), limits) == GreenPrice(420_000, 30_000)


def test_row_145_the_environmental_value_is_set_after_clearing() -> None:
    given, expected = case("GRN-02")
    count = given["certificates"]
    paid = count * nano_yuan_from_text(given["certificate_yuan"])
    mean = certificate_mean_uyuan_per_kwh([(count, paid)], wh_per_certificate=MWH)
    limits = limits_of(given["limits"])
    found = auction_price(given["total_uyuan_per_kwh"], certificate_mean_uyuan_per_kwh=mean, limits=limits)
    assert found == GreenPrice(expected["energy_uyuan_per_kwh"], expected["environmental_uyuan_per_kwh"])
    below = auction_price(10_000, certificate_mean_uyuan_per_kwh=mean, limits=limits)
    assert below == GreenPrice(-32_400, 42_400)
    with pytest.raises(EmptyIndexError):
        certificate_mean_uyuan_per_kwh([], wh_per_certificate=MWH)


def test_row_146_environmental_value_settles_in_whole_mwh() -> None:
    given, expected = case("GRN-03")
    columns = {name: np.array([given[name]], np.int64) for name in ("contract_wh", "generation_wh", "consumption_wh")}
    contract = GreenContract("C", columns["contract_wh"], columns["consumption_wh"], 0)
    (found,) = settle_contracts(
        [contract],
        generation_wh=columns["generation_wh"],
        mechanism_wh=np.zeros(1, np.int64),
        period=SettlementPeriod.MONTHLY,
        wh_per_certificate=MWH,
    )
    assert (found.certificates, found.carried_wh) == (expected["certificates"], expected["carried_wh"])
    fee = environmental_fee_nano_yuan(found.certificates, given["environmental_uyuan_per_kwh"], wh_per_certificate=MWH)
    assert fee == expected["fee_nano_yuan"]


def test_row_147_provincial_limits() -> None:
    given, expected = case("GRN-04")
    rules = [limits_of(row) for row in given["limits"]]
    for value, within in zip(given["environmental_uyuan_per_kwh"], expected["is_within"], strict=True):
        found = {
            one.province: isinstance(quoted_price(GreenQuote(None, 400_000, value), one), GreenPrice) for one in rules
        }
        assert found == within
    day = date(2024, 1, 1)
    assert limits_in_force(rules, province="Anhui", day=day) == rules[4]
    none = GreenRefused(GreenRefusal.NO_PROVINCIAL_LIMIT)
    assert limits_in_force(rules, province="Hubei", day=day) == none
    assert limits_in_force(rules, province="Anhui", day=date(2022, 12, 31)) == none


def test_row_148_each_mwh_once() -> None:
    given, expected = case("GRN-05")
    register = changed(issue(CertificateRegister(RULES), plant_month(given["carried_wh"], month=202603))).register
    second = changed(issue(register, plant_month(given["generation_wh"])))
    (lot,) = second.lots
    assert lot.count == expected["certificates"]
    assert second.register.carried_wh["PV1"] == expected["carried_wh"]
    assert len({lot.certificate_id(number) for number in range(1, 94)}) == 93
    sold = changed(transfer(second.register, lot, seller_id="plant", buyer_id="X", day=TODAY)).register
    again = transfer(sold, lot, seller_id="plant", buyer_id="Y", day=TODAY)
    assert isinstance(again, CertificatesRefused)
    assert again.reason.value == expected["second_sale"]
    assert check_certificates(sold) == []


def test_row_149_retail_pass_through() -> None:
    given, expected = case("GRN-06")
    wholesale = GreenPrice(400_000, given["wholesale_uyuan_per_kwh"])
    retail = GreenPrice(380_000, given["retail_uyuan_per_kwh"])
    outcomes = []
    for row in given["limits"]:
        found = retail_price(wholesale, retail, limits_of(row))
        outcomes.append(found.reason.value if isinstance(found, GreenRefused) else "accepted")
    assert outcomes == expected["outcomes"]
    zhejiang = limits_of(given["limits"][0])
    same = GreenPrice(999, wholesale.environmental_uyuan_per_kwh)
    assert retail_price(wholesale, same, zhejiang) == same
    unset = msgspec.structs.replace(zhejiang, pass_through=None)
    assert retail_price(wholesale, same, unset) == GreenRefused(GreenRefusal.NO_PASS_THROUGH_RULE)


def test_row_150_subscription() -> None:
    given, expected = case("GRN-07")
    rules = SubscriptionRules("Guangdong", EVER, "row 150", is_open=True)
    found = subscription_charge(rules, **given, wh_per_certificate=MWH)
    assert found.energy_nano_yuan == expected["energy_nano_yuan"]
    assert found.environmental_nano_yuan == expected["environmental_nano_yuan"]
    assert found.energy_nano_yuan + found.environmental_nano_yuan == expected["total_nano_yuan"]
    with pytest.raises(SubscriptionClosedError):
        subscription_charge(SubscriptionRules("Hubei", EVER, "d", is_open=False), **given, wh_per_certificate=MWH)


def test_row_151_the_index_leaves_transfers_out() -> None:
    given, expected = case("GRN-08")
    deals = [IndexDeal(**row) for row in given["deals"]]
    assert energy_index_uyuan_per_kwh(deals) == expected["index_uyuan_per_kwh"]
    with pytest.raises(EmptyIndexError):
        energy_index_uyuan_per_kwh(deals[2:])


def test_row_152_units() -> None:
    given, expected = case("GRN-09")
    for (left, right), value in zip(given["pairs"], expected["uyuan_per_kwh"], strict=True):
        assert price_uyuan_per_kwh_from_text(*left) == price_uyuan_per_kwh_from_text(*right) == value


def test_row_153_annual_ceiling() -> None:
    given, expected = case("GRN-10")
    ceiling = msgspec.convert(given["ceiling"], AnnualCeiling)
    found = [
        admit_contract(ceiling, capacity_w=given["capacity_w"], traded_wh=0, contract_wh=energy)
        for energy in given["contracts_wh"]
    ]
    assert [type(one).__name__ for one in found] == expected["outcomes"]
    assert [one.left_wh for one in found] == [0, expected["ceiling_wh"]]


def test_row_154_certificates_cross_provinces() -> None:
    given, expected = case("GRN-11")
    register = changed(issue(CertificateRegister(RULES), plant_month(given["count"] * MWH))).register
    delivery = Delivery("T1", "plant", "X", given["seller_province"], given["buyer_province"], given["count"])
    outcome = deliver(register, delivery, day=TODAY)
    assert type(outcome).__name__ == expected["outcome"]
    assert held(changed(outcome).register, "X") == expected["buyer_holds"]


def test_a_plants_months_worked_by_hand() -> None:
    document = json.loads((GOLDEN / "green_month" / "case.json").read_text(encoding="utf8"))
    register, carried = CertificateRegister(RULES), {"X": 0, "Y": 0}
    for month in document["months"]:
        contracts = [
            GreenContract(name, np.array([energy], np.int64), np.array([used], np.int64), carried[name])
            for name, (energy, used) in month["contracts"].items()
        ]
        columns = {name: np.array([month[name]], np.int64) for name in ("generation_wh", "mechanism_wh")}
        settled = settle_contracts(contracts, **columns, period=SettlementPeriod.MONTHLY, wh_per_certificate=MWH)
        assert check_settled(contracts, settled, **columns, wh_per_certificate=MWH) == []
        assert {one.contract_id: [one.certificates, one.carried_wh] for one in settled} == month["settled"]
        short = {one.contract_id: [one.seller_short_wh, one.buyer_short_wh] for one in settled}
        assert short == month["short"]
        entry = plant_month(month["generation_wh"], month=month["month"], mechanism_wh=month["mechanism_wh"])
        issued = changed(issue(register, entry))
        assert sum(lot.count for lot in issued.lots) == month["issued"]
        assert issued.register.carried_wh["PV1"] == month["carried_wh"]
        register = issued.register
        for one in settled:
            carried[one.contract_id] = one.carried_wh
            fee = environmental_fee_nano_yuan(
                one.certificates, document["environmental_uyuan_per_kwh"], wh_per_certificate=MWH
            )
            assert fee == month["fee_nano_yuan"][one.contract_id]
            name = f"{one.contract_id}/{month['month']}"
            delivery = Delivery(name, "plant", one.contract_id, "Hubei", "Hubei", one.certificates)
            register = changed(deliver(register, delivery, day=TODAY)).register
    assert check_certificates(register) == []
    assert {name: held(register, name) for name in document["holds"]} == document["holds"]
