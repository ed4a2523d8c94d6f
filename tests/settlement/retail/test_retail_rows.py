"""The acceptance examples of rows 79 to 93, each a golden case; with the shipped provinces where they have data."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from hub.market.registry.periods import Period
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.library import Library
from hub.settlement.retail.contract_life_cycle import (
    Amend,
    ContractChanged,
    ContractRefused,
    LifeCycleRules,
    RetailContract,
    Sign,
    check_not_retroactive,
    offer,
    step,
)
from hub.settlement.retail.contract_terms import (
    Ceiling,
    CoalLink,
    DeviationTerms,
    Fixed,
    FlatPlusRatio,
    GreenTerms,
    Linked,
    LinkedPart,
    Package,
    PassThrough,
    PerPeriodPrice,
    PublishedIndex,
    RetailTerms,
    Spread,
)
from hub.settlement.retail.deviation_fees import (
    check_refunds,
    deviation_line,
    deviation_refunds,
    excess_refund_nano_yuan,
    refund_lines,
    shared_cost_lines,
    shared_deviation_cost,
)
from hub.settlement.retail.loaded_rules import retail_rules_on
from hub.settlement.retail.package_charges import NamedPrice, RetailPrices, package_charges
from hub.settlement.retail.package_prices import ceiling_base_price, ceiling_price
from hub.settlement.retail.performance_disclosure import RetailerMonth, performance_by_group
from hub.settlement.retail.provisional_months import MonthToSettle, ProvisionalMonth, settle_month, true_ups_due
from hub.settlement.retail.published_indices import IndexPrice, IndexPublication
from hub.settlement.retail.retail_rules import (
    AcknowledgementNeeded,
    RetailRules,
    RiskWarning,
    TermsAdmitted,
    TermsOutcome,
    TermsRefused,
    admit_terms,
    deviation_clause_is_on,
    fixed_cap_uyuan_per_kwh,
    terms_faults,
)
from hub.settlement.rule_lines import account_totals_nano_yuan, check_rule_lines, total_nano_yuan

Reader = Callable[[str], dict[str, Any]]
PERIODS = ("PEAK", "FLAT", "VALLEY")
FREE = RetailRules("none", deviation_off_below_v=35_000)


@pytest.fixture(scope="module")
def library() -> Library:
    return shipped_library()


def parts(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return case["given"], case["expected"]


def terms_of(package: Package, **fields: Any) -> RetailTerms:
    frame = {"contract_id": "C1", "user_id": "user", "retailer_id": "retailer", "voltage_v": 10_000}
    return RetailTerms(**frame, model_text="model-2024", package=package, **fields)


def rules_of(library: Library, given: dict[str, Any], **fields: Any) -> RetailRules:
    return retail_rules_on(library, province=given["province"], day=date.fromisoformat(given["day"]), **fields)


def fault_names(terms: RetailTerms, rules: RetailRules) -> list[str]:
    known = replace(rules, deviation_off_below_v=35_000)
    return [fault.value for fault in terms_faults(terms, known, periods=PERIODS)]


def test_row_79_four_kinds(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-01"))
    fee, share = given["service_fee_uyuan_per_kwh"], given["user_share_ppm"]
    packages = {
        "fixed": Fixed(given["fixed_uyuan_per_kwh"]),
        "linked": Linked(PublishedIndex.SPOT_MEAN, fee),
        "pass_through": PassThrough(fee),
        "spread": Spread(given["reference_uyuan_per_kwh"], share),
    }
    prices = RetailPrices(
        index={PublishedIndex.SPOT_MEAN: IndexPrice(given["market_uyuan_per_kwh"], "spot-6", is_provisional=False)},
        wholesale_mean={"retailer": NamedPrice(given["wholesale_mean_uyuan_per_kwh"], "mean-6")},
    )
    assert len(Package.__args__) == len(packages)
    for name, package in packages.items():
        terms = terms_of(package)
        assert terms_faults(terms, FREE, periods=PERIODS) == ()
        charges = package_charges(terms, energy_wh={"FLAT": given["energy_wh"]}, prices=prices)
        assert charges.total_nano_yuan == expected[f"{name}_nano_yuan"]
        assert not charges.is_provisional
        assert check_rule_lines(charges.lines) == []
    used = {line.price_versions for line in charges.lines}
    assert used == {("C1", "mean-6")}


def test_row_80_provisional_bill_and_true_up(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-02"))
    published = [
        IndexPublication(
            f"{index}-{month}",
            given["province"],
            PublishedIndex(index),
            month,
            price,
            date.fromisoformat(day),
            "notice",
        )
        for index, month, price, day in given["published"]
    ]
    assert len(PublishedIndex) == expected["indices"]
    terms = terms_of(Linked(PublishedIndex.SPOT_MEAN, given["service_fee_uyuan_per_kwh"]))
    month = MonthToSettle(terms, given["province"], given["month"], {"": given["energy_wh"]}, 0, RetailPrices())
    first = settle_month(month, published, on=date.fromisoformat(given["settled_on"]))
    assert first.is_provisional is expected["is_provisional"]
    assert first.total_nano_yuan == expected["provisional_nano_yuan"]
    pending = [ProvisionalMonth(month, first)]
    waiting = true_ups_due(pending, published, on=date.fromisoformat(given["settled_on"]))
    assert (waiting.lines, waiting.pending) == ((), tuple(pending))
    due = true_ups_due(pending, published, on=date.fromisoformat(given["next_bill_on"]))
    assert due.pending == ()
    assert [line.amount_nano_yuan for line in due.lines] == [expected["true_up_nano_yuan"]]
    assert first.total_nano_yuan + total_nano_yuan(due.lines) == expected["final_nano_yuan"]
    assert set(due.lines[0].price_versions) == {"C1", "spot-mean-202605", "spot-mean-202606"}


def test_row_81_at_least_a_tenth_is_linked(golden_case: Reader, library: Library) -> None:
    given, expected = parts(golden_case("settlement/RET-03"))
    rules = rules_of(library, given)
    linked, little = (
        terms_of(Fixed(given["fixed_uyuan_per_kwh"], LinkedPart(share, PublishedIndex.SPOT_MEAN)))
        for share in given["shares_ppm"]
    )
    index = {PublishedIndex.SPOT_MEAN: IndexPrice(given["market_uyuan_per_kwh"], "spot", is_provisional=False)}
    charges = package_charges(linked, energy_wh={"": given["energy_wh"]}, prices=RetailPrices(index))
    assert fault_names(linked, rules) == []
    assert {line.component: line.amount_nano_yuan for line in charges.lines} == {
        "retail-energy": expected["fixed_nano_yuan"],
        "retail-linked-energy": expected["linked_nano_yuan"],
    }
    assert charges.total_nano_yuan == expected["total_nano_yuan"]
    assert fault_names(little, rules) == expected["refused"]
    assert fault_names(terms_of(Linked(PublishedIndex.SPOT_MEAN, 0)), rules) == []


@pytest.mark.parametrize("row_id", ["RET-04", "RET-05"])
def test_rows_82_and_83_limits_of_the_fixed_price(row_id: str, golden_case: Reader, library: Library) -> None:
    given, expected = parts(golden_case(f"settlement/{row_id}"))
    rules = rules_of(library, given)
    linked = LinkedPart(1_000_000, PublishedIndex.SPOT_MEAN)
    found = [fault_names(terms_of(Fixed(price, linked)), rules) for price in given["prices_uyuan_per_kwh"]]
    assert found == expected["faults"]
    assert fixed_cap_uyuan_per_kwh(rules) == expected["cap_uyuan_per_kwh"]
    if "floor_uyuan_per_kwh" in expected:
        floor = expected["floor_uyuan_per_kwh"]
        assert fault_names(terms_of(Fixed(floor - 1, linked)), rules) == ["fixed-price-too-low"]
        assert fault_names(terms_of(Fixed(floor, linked)), rules) == []


def test_row_84_optional_ceiling(golden_case: Reader, library: Library) -> None:
    given, expected = parts(golden_case("settlement/RET-06"))
    rules = rules_of(library, given)
    year, month, weight = given["year_uyuan_per_kwh"], given["month_uyuan_per_kwh"], rules.ceiling_year_weight_ppm
    assert weight is not None
    assert ceiling_base_price(year, month, year_weight_ppm=weight) == expected["base_uyuan_per_kwh"]
    cap = ceiling_price(year, month, year_weight_ppm=weight, uplift_ppm=given["uplift_ppm"])
    assert cap == expected["cap_uyuan_per_kwh"]
    prices = RetailPrices(
        index={
            PublishedIndex.ANNUAL_CONTRACT_MEAN: IndexPrice(year, "year", is_provisional=False),
            PublishedIndex.MONTHLY_CONTRACT_MEAN: IndexPrice(month, "month", is_provisional=False),
        },
        ceiling_year_weight_ppm=weight,
    )
    for price, settled in ((given["package_uyuan_per_kwh"], expected["settled_nano_yuan"]), (cap - 1, None)):
        terms = terms_of(Fixed(price), ceiling=Ceiling(given["uplift_ppm"]))
        assert terms_faults(terms, rules, periods=PERIODS) == ()
        charges = package_charges(terms, energy_wh={"": given["energy_wh"]}, prices=prices)
        assert charges.total_nano_yuan == (price * given["energy_wh"] if settled is None else settled)
        assert len(charges.lines) == (1 if settled is None else 2)


def test_row_85_a_warning_needs_acknowledgement(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-07"))
    rules = replace(FREE, warn_fixed_uyuan_per_kwh=given["warn_fixed_uyuan_per_kwh"], warn_market_share_ppm=500_000)
    terms = terms_of(Fixed(given["price_uyuan_per_kwh"]))
    found = admit_terms(terms, rules, periods=PERIODS)
    assert isinstance(found, AcknowledgementNeeded)
    assert [warning.value for warning in found.warnings] == expected["warnings"]
    confirmed = admit_terms(terms, rules, periods=PERIODS, acknowledged=found.warnings)
    assert confirmed == TermsAdmitted((RiskWarning.FIXED_PRICE_HIGH,))
    assert admit_terms(terms_of(Fixed(500_000)), rules, periods=PERIODS) == TermsAdmitted(())
    floating = admit_terms(terms_of(Spread(460_000, 500_001)), rules, periods=PERIODS)
    assert floating == AcknowledgementNeeded((RiskWarning.FLOATING_SHARE_HIGH,))


def test_row_86_deviation_clause_by_voltage(golden_case: Reader, library: Library) -> None:
    given, expected = parts(golden_case("settlement/RET-08"))
    rules = rules_of(library, given)
    clause = DeviationTerms(given["tolerance_ppm"], given["price_uyuan_per_kwh"])
    quantities = {"contract_wh": given["contract_wh"], "actual_wh": given["actual_wh"]}
    for voltage, is_on, fee in zip(given["voltages_v"], expected["is_on"], expected["fees_nano_yuan"], strict=True):
        terms = terms_of(Fixed(1), deviation=clause)
        terms = type(terms)(**{name: getattr(terms, name) for name in terms.__struct_fields__} | {"voltage_v": voltage})
        assert deviation_clause_is_on(terms, rules) is is_on
        line = deviation_line(clause, user="u", retailer="r", contract_id="C1", **quantities)
        assert line.quantity == expected["deviation_wh"]
        assert (line.amount_nano_yuan if is_on else 0) == fee
    at_35_kv = RetailTerms("C1", "u", "r", 35_000, "model", Fixed(1))
    assert fault_names(at_35_kv, FREE) == ["no-deviation-terms"]
    assert [fault.value for fault in terms_faults(terms_of(Fixed(1)), RetailRules("x"), periods=())] == [
        "no-deviation-default"
    ]
    agreed_off = RetailTerms("C1", "u", "r", 35_000, "model", Fixed(1), has_deviation_clause=False)
    assert fault_names(agreed_off, FREE) == []


def test_row_87_shared_deviation_cost(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-09"))
    cost = shared_deviation_cost(
        given["wholesale_nano_yuan"], user_share_ppm=given["user_share_ppm"], deviation_wh=given["deviation_wh"]
    )
    assert cost.user_nano_yuan == expected["user_nano_yuan"]
    assert cost.retailer_nano_yuan == expected["retailer_nano_yuan"]
    lines = shared_cost_lines(cost, retailer="R")
    assert account_totals_nano_yuan(lines)["R"] == sum(expected["user_nano_yuan"].values())
    nobody = shared_deviation_cost(7, user_share_ppm=1_000_000, deviation_wh={"A": 0})
    assert (nobody.user_nano_yuan, nobody.retailer_nano_yuan) == ({"A": 0}, 7)


def test_row_88_refund_of_excess(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-10"))
    collected, wholesale = given["collected_nano_yuan"], given["wholesale_nano_yuan"]
    refund = excess_refund_nano_yuan(sum(collected.values()), wholesale, margin_ppm=given["margin_ppm"])
    assert refund == expected["refund_nano_yuan"]
    refunds = deviation_refunds(collected, wholesale_nano_yuan=wholesale, margin_ppm=given["margin_ppm"])
    assert refunds == expected["refunds_nano_yuan"]
    assert check_refunds(collected, refunds, wholesale_nano_yuan=wholesale) == []
    assert check_refunds(collected, {"A": collected["A"] + 1}, wholesale_nano_yuan=wholesale) != []
    assert check_refunds(collected, {"B": 30_000 * 10**9}, wholesale_nano_yuan=wholesale) != []
    assert account_totals_nano_yuan(refund_lines(refunds, retailer="R"))["R"] == -refund


def test_row_89_two_styles(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-11"))
    ratio = terms_of(
        Fixed(given["flat_uyuan_per_kwh"]), tou=FlatPlusRatio(given["factor_ppm"], shapes_linked_part=False)
    )
    energy = dict.fromkeys(PERIODS, 1_000)
    charges = package_charges(ratio, energy_wh=energy, prices=RetailPrices())
    assert {line.detail: line.price_uyuan for line in charges.lines} == expected["price_uyuan_per_kwh"]
    incomplete = given["incomplete_uyuan_per_kwh"]
    assert fault_names(terms_of(Fixed(None), tou=PerPeriodPrice(incomplete)), FREE) == expected["faults"]
    whole = incomplete | {"VALLEY": 170_000}
    explicit = terms_of(Fixed(None), tou=PerPeriodPrice(whole))
    assert fault_names(explicit, FREE) == []
    lines = package_charges(explicit, energy_wh=energy, prices=RetailPrices()).lines
    assert {line.detail: line.price_uyuan for line in lines} == whole
    assert fault_names(terms_of(Fixed(1), tou=PerPeriodPrice(whole)), FREE) == ["price-twice"]
    assert fault_names(terms_of(Fixed(None)), FREE) == ["no-price"]
    extra = FlatPlusRatio(given["factor_ppm"] | {"SHARP": 1}, shapes_linked_part=False)
    assert fault_names(terms_of(Fixed(1), tou=extra), FREE) == ["unknown-period"]


def test_row_89_factors_shape_the_linked_part_only_where_agreed(golden_case: Reader) -> None:
    given, _ = parts(golden_case("settlement/RET-11"))
    index = {PublishedIndex.SPOT_MEAN: IndexPrice(400_000, "spot", is_provisional=False)}
    for is_shaped, peak in ((True, 680_000), (False, 400_000)):
        terms = terms_of(
            Fixed(given["flat_uyuan_per_kwh"], LinkedPart(500_000, PublishedIndex.SPOT_MEAN)),
            tou=FlatPlusRatio(given["factor_ppm"], shapes_linked_part=is_shaped),
        )
        lines = package_charges(terms, energy_wh={"PEAK": 10}, prices=RetailPrices(index)).lines
        assert [(line.quantity, line.price_uyuan) for line in lines] == [(5, 787_100), (5, peak)]


def test_row_90_coal_link(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-12"))
    coal = CoalLink("CECI", given["beta_uyuan_per_kwh_per_yuan_per_t"], given["base_index_fen_per_t"])
    prices = RetailPrices(coal_index_fen_per_t={"CECI": NamedPrice(given["index_fen_per_t"], "CECI-6")})
    charges = package_charges(terms_of(Fixed(given["base_uyuan_per_kwh"]), coal=coal), energy_wh={"": 1}, prices=prices)
    assert [line.price_uyuan for line in charges.lines] == [expected["price_uyuan_per_kwh"]]
    assert charges.lines[0].price_versions == ("C1", "CECI-6")
    assert fault_names(terms_of(PassThrough(0), coal=coal), FREE) == ["coal-link-without-fixed-price"]


def test_row_91_green_package(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-13"))
    green = GreenTerms(given["green_wh"], given["environmental_uyuan_per_kwh"])
    charges = package_charges(
        terms_of(Fixed(given["energy_uyuan_per_kwh"]), green=green),
        energy_wh={"": given["energy_wh"]},
        prices=RetailPrices(),
        green_wh=given["green_wh"],
    )
    energy, environmental = charges.lines
    assert (energy.component, energy.amount_nano_yuan) == ("retail-energy", expected["energy_nano_yuan"])
    assert environmental.component == "retail-environmental-value"
    assert environmental.amount_nano_yuan == expected["environmental_nano_yuan"]
    assert energy.price_uyuan + environmental.price_uyuan == expected["total_uyuan_per_kwh"]


def test_row_92_no_retroactive_change(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-14"))
    rules = LifeCycleRules("cut-off-1", "x", Period(date(2024, 1, 1)), "row 92", given["cut_off_days"])
    days = {name: date.fromisoformat(value) for name, value in given.items() if isinstance(value, str)}
    contract = offer(
        terms_of(Fixed(460_000)),
        Period(days["contract_from"], days["contract_until"]),
        recorded_on=days["signed_on"],
    )
    contract = changed(step(contract, Sign(days["signed_on"], TermsAdmitted(())), rules))
    outcomes = []
    for first_day in given["amended_from"]:
        change = Amend(days["amended_on"], date.fromisoformat(first_day), terms_of(Fixed(470_000)), TermsAdmitted(()))
        found = step(contract, change, rules)
        outcomes.append(found.reason.value if isinstance(found, ContractRefused) else "ok")
        after = found.contract if isinstance(found, ContractChanged) else contract
        assert check_not_retroactive(contract, after, recorded_on=days["amended_on"]) == []
    assert outcomes == expected["outcomes"]
    amended = changed(
        step(contract, Amend(days["amended_on"], date(2026, 6, 1), terms_of(Fixed(1)), TermsAdmitted(())), rules)
    )
    assert [amended.terms_on(day).package for day in (date(2026, 5, 31), date(2026, 6, 1))] == [
        Fixed(460_000),
        Fixed(1),
    ]


def changed(outcome: object) -> RetailContract:
    assert isinstance(outcome, ContractChanged)
    return outcome.contract


def test_row_93_disclosure_by_group(golden_case: Reader) -> None:
    given, expected = parts(golden_case("settlement/RET-15"))
    months = [
        RetailerMonth(name, group, users, energy, energy * price, energy * (price - 5_000))
        for name, group, users, energy, price in given["retailers"]
    ]
    rows = {row.group: row for row in performance_by_group(months)}
    assert {name: row.price_delta_uyuan_per_kwh for name, row in rows.items()} == expected["delta_uyuan_per_kwh"]
    market = expected["market_uyuan_per_kwh"]
    assert all(row.price_uyuan_per_kwh == market + row.price_delta_uyuan_per_kwh for row in rows.values())
    backed, independent = rows["generator-backed"], rows["independent"]
    assert (backed.users, independent.users, independent.retailers) == (30, 70, 2)
    assert (backed.energy_share_ppm, independent.energy_share_ppm) == (600_000, 400_000)
    assert [row.margin_delta_uyuan_per_kwh for row in (backed, independent)] == [0, 0]
    assert performance_by_group([RetailerMonth("Z", "new", 0, 0, 0, 0)])[0].price_uyuan_per_kwh is None


def test_refused_terms_cannot_be_signed() -> None:
    outcome: TermsOutcome = admit_terms(terms_of(Fixed(None)), RetailRules("x"), periods=())
    assert isinstance(outcome, TermsRefused)
    assert [fault.value for fault in outcome.faults] == ["no-price", "no-deviation-default"]
