"""Tariff type, capacity and demand charges, power factor: the rows' examples and what is refused."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.market.registry.periods import Period
from hub.settlement.provinces import shipped_profile
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.documents import decode_province
from hub.settlement.provinces.keys import TariffType
from hub.settlement.provinces.library import Library, LibraryError, build_library
from hub.settlement.rule_lines import check_rule_lines
from hub.settlement.tariffs.basic_charge import (
    BasicChargeError,
    CapacityPeriod,
    TariffThresholds,
    UtilisationRebate,
    allowed_tariff_types,
    capacity_charge_by_days_nano_yuan,
    capacity_charge_nano_yuan,
    demand_charge_nano_yuan,
    demand_price_uyuan_per_kw,
    election_advice,
    is_consistent_price_pair,
    price_excess_ppm,
)
from hub.settlement.tariffs.basic_charge_rules import inconsistent_price_pairs, load_rebate, load_thresholds
from hub.settlement.tariffs.power_factor import (
    PowerFactorError,
    adjustment_nano_yuan,
    adjustment_ppm,
    load_power_factor_rule,
    power_factor_points,
)
from hub.settlement.tariffs.price_table import load_price_table
from hub.settlement.tariffs.tariff_lines import capacity_line, demand_line

RowCase = Callable[[str], tuple[Any, Any]]
JANUARY = date(2026, 1, 1)
FEBRUARY = date(2026, 2, 1)
REBATE = UtilisationRebate(260, 900_000)


def on(case: dict[str, Any]) -> date:
    return date.fromisoformat(case["day"])


def periods(*changes: tuple[int, int]) -> list[CapacityPeriod]:
    """Capacities of January 2026 from the given days of the month on."""
    starts = [date(2026, 1, day) for day, _ in changes]
    ends = [*starts[1:], FEBRUARY]
    return [CapacityPeriod(va, Period(a, b)) for (_, va), a, b in zip(changes, starts, ends, strict=True)]


def test_row_101_tariff_type_by_capacity(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TND-01")
    thresholds = load_thresholds(library, province="hubei", day=on(case))
    found = [[one.value for one in allowed_tariff_types(va, thresholds)] for va in case["capacities"]]
    assert found == expected["types"]
    with pytest.raises(BasicChargeError, match="row 101"):
        allowed_tariff_types(0, thresholds)
    with pytest.raises(BasicChargeError, match="thresholds"):
        allowed_tariff_types(1, TariffThresholds(315_000, 100_000))


def test_row_102_price_pairs_fit_up_to_their_rounding(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TND-02")
    ratio, step = (
        library.value(parameter, province="hubei", day=on(case)).value
        for parameter in (ProvincialParameter.DEMAND_TO_CAPACITY_RATIO, ProvincialParameter.BASIC_PRICE_STEP)
    )
    found = [
        is_consistent_price_pair(
            capacity_uyuan_per_kva=capacity, demand_uyuan_per_kw=demand, ratio_ppm=ratio, step_uyuan=step
        )
        for capacity, demand in case["pairs"]
    ]
    assert found == expected["consistent"]


def test_row_103_rebate_at_high_utilisation_on_demand_only(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TND-03")
    rebate = load_rebate(library, province="hubei", day=on(case))
    assert rebate == REBATE
    quantities = {"capacity_va": case["capacity_va"], "price_uyuan_per_kw": case["demand_price"], "rebate": rebate}
    prices = [demand_price_uyuan_per_kw(energy_wh=energy, **quantities) for energy in case["energy_wh"]]
    assert prices == expected["demand_price"]
    charges = [
        demand_charge_nano_yuan(demand_w=case["demand_w"], energy_wh=energy, **quantities)
        for energy in case["energy_wh"]
    ]
    assert charges == expected["demand_nano_yuan"]
    by_capacity = capacity_charge_nano_yuan(case["capacity_va"], case["capacity_price"])
    assert by_capacity == expected["capacity_nano_yuan"]
    without = demand_price_uyuan_per_kw(energy_wh=case["energy_wh"][0], **(quantities | {"rebate": None}))
    assert without == case["demand_price"]


def test_row_104_advice(row_case: RowCase) -> None:
    case, expected = row_case("TND-04")
    advice = [
        election_advice(
            capacity_va=case["capacity_va"],
            demand_w=case["demand_w"],
            energy_wh=energy,
            capacity_uyuan_per_kva=case["capacity_price"],
            demand_uyuan_per_kw=case["demand_price"],
            rebate=REBATE,
        )
        for energy in case["energy_wh"]
    ]
    assert {one.capacity_nano_yuan for one in advice} == {expected["capacity_nano_yuan"]}
    assert [one.demand_nano_yuan for one in advice] == expected["demand_nano_yuan"]
    assert [one.cheaper.value for one in advice] == expected["cheaper"]
    assert [one.break_even_ppm for one in advice] == expected["break_even_ppm"]


def test_row_105_prices_by_voltage(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TND-05")
    low, high = (
        library.value(
            ProvincialParameter.CAPACITY_PRICE, province=case["province"], day=on(case), voltage_class=name
        ).value
        for name in case["classes"]
    )
    assert price_excess_ppm(low, high) == expected["excess_ppm"]
    assert inconsistent_price_pairs(library, province=case["province"], day=on(case)) == expected["inconsistent"]


def test_an_inconsistent_pair_is_named() -> None:
    text = shipped_profile("hubei").replace(b'"value": "24.4"', b'"value": "24.5"')
    built = build_library([decode_province(text), decode_province(shipped_profile("national"))])
    assert inconsistent_price_pairs(built, province="hubei", day=JANUARY) == ["110kV", "220kV"]


def test_row_108_the_price_of_the_month_of_consumption(row_case: RowCase) -> None:
    case, expected = row_case("TND-08")

    def publication(name: str) -> dict[str, Any]:
        start, end, value = case[name]
        row = {"parameter": "network_tariff", "voltage_class": "35kV", "tariff_type": "TWO_PART", "unit": "yuan/kWh"}
        return {
            "publication_id": name,
            "document": "No. 1",
            "source": "gazette",
            "mark": "source",
            "effective_from": start,
            "effective_to": end,
            "values": [row | {"value": value}],
        }

    publications = [publication("fourth_period"), publication("third_period")]
    whole = {"province": "P", "voltage_classes": ["35kV"], "publications": publications}
    built = build_library([decode_province(msgspec.json.encode(whole))])
    found = [
        built.value(
            ProvincialParameter.NETWORK_TARIFF,
            province="P",
            day=date.fromisoformat(case[day]),
            voltage_class="35kV",
            tariff_type=TariffType.TWO_PART,
        ).value
        for day in ("consumption_day", "billed_on")
    ]
    assert found == [expected["tariff"], expected["tariff_on_billing_day"]]


def test_row_109_units_and_days(row_case: RowCase) -> None:
    case, expected = row_case("TND-09")
    text = shipped_profile("hubei").replace(b"yuan/kVA-month", case["unit"].encode())
    with pytest.raises(LibraryError) as caught:
        build_library([decode_province(text)])
    assert caught.value.row == expected["refused_row"]
    assert case["parameter"] in str(caught.value)
    price = 26_300_000
    for whole in (periods((1, 1_000_000)), periods((1, 1_000_000), (9, 1_000_000))):
        charge = capacity_charge_by_days_nano_yuan(whole, JANUARY, price)
        assert charge == expected["whole_month_nano_yuan"] == capacity_charge_nano_yuan(1_000_000, price)
    changed = capacity_charge_by_days_nano_yuan(periods((1, 1_000_000), (22, 580_000)), JANUARY, price)
    assert changed == expected["changed_nano_yuan"]


@pytest.mark.parametrize(
    "capacities",
    [
        [],
        periods((2, 1_000)),
        [CapacityPeriod(1_000, Period(JANUARY, date(2026, 1, 31)))],
        [CapacityPeriod(1_000, Period(JANUARY, None))],
        [*periods((1, 1_000)), *periods((1, 1_000))],
        [CapacityPeriod(1_000, Period(JANUARY, date(2026, 1, 10))), *periods((11, 1_000))],
        periods((1, -1)),
    ],
)
def test_capacities_that_are_not_the_month_are_refused(capacities: list[CapacityPeriod]) -> None:
    with pytest.raises(BasicChargeError, match="row 109"):
        capacity_charge_by_days_nano_yuan(capacities, JANUARY, 1)


@pytest.mark.parametrize("name", ["demand_w", "energy_wh", "capacity_va", "price_uyuan_per_kw"])
def test_a_negative_demand_is_refused(name: str) -> None:
    values = {"demand_w": 1, "energy_wh": 1, "capacity_va": 1, "price_uyuan_per_kw": 1}
    with pytest.raises(BasicChargeError, match=r"row 103: the .* is -1, which is negative"):
        demand_charge_nano_yuan(**(values | {name: -1}), rebate=REBATE)
    with pytest.raises(BasicChargeError, match="no transformer capacity"):
        demand_charge_nano_yuan(**(values | {"capacity_va": 0}), rebate=REBATE)


def test_basic_lines_name_rule_and_version(library: Library) -> None:
    table = load_price_table(
        library, province="hubei", day=JANUARY, voltage_class="10(20)kV", tariff_type=TariffType.TWO_PART
    )
    who = {"payer": "U", "payee": "D_net"}
    capacity = capacity_line(table, periods((1, 630_000)), JANUARY, **who)
    assert capacity.amount_nano_yuan == 16_569_000_000_000  # row 99: 630 kVA x 26.3
    assert capacity.price_versions == ("hubei/agency-table-2026-01/capacity_price/10(20)kV",)
    changed = capacity_line(table, periods((1, 630_000), (16, 315_000)), JANUARY, **who)
    assert changed.price_uyuan is None
    assert "315000 VA from 2026-01-16" in changed.detail
    demand = {"capacity_va": 1_000_000, "energy_wh": 260_000_000, "rebate": REBATE}
    line = demand_line(table, demand_w=800_000, **demand, **who)
    assert (line.amount_nano_yuan, line.price_uyuan) == (30_240_000_000_000, 37_800_000)
    assert check_rule_lines([capacity, changed, line]) == []
    with pytest.raises(BasicChargeError, match="negative"):
        demand_line(table, demand_w=-1, **demand, **who)
    single = load_price_table(
        library, province="hubei", day=JANUARY, voltage_class="10(20)kV", tariff_type=TariffType.SINGLE
    )
    with pytest.raises(BasicChargeError, match="row 101"):
        capacity_line(single, periods((1, 1)), JANUARY, **who)
    with pytest.raises(BasicChargeError, match="row 101"):
        demand_line(single, demand_w=1, **demand, **who)


def test_power_factor_adjustment_of_1983(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("outside-12-power-factor")
    rule = load_power_factor_rule(library, province="hubei", day=JANUARY)
    found = [adjustment_ppm(points, rule) for points in case["points"]]
    assert found == expected["adjustment_ppm"]
    assert adjustment_nano_yuan(1_000, 89, rule) == 5
    assert len(rule.version_ids) == 6


@pytest.mark.parametrize(
    ("active", "reactive", "points"), [(1, 0, 100), (3, 4, 60), (4, 3, 80), (1, 1, 71), (1, 10**6, 0)]
)
def test_power_factor_in_hundredths(active: int, reactive: int, points: int) -> None:
    assert power_factor_points(active, reactive) == points
    with pytest.raises(PowerFactorError):
        power_factor_points(0, reactive)


@given(active=st.integers(1, 2_000), reactive=st.integers(0, 2_000))
def test_power_factor_is_the_nearest_hundredth(active: int, reactive: int) -> None:
    exact = 100 * active / (active * active + reactive * reactive) ** 0.5
    assert abs(power_factor_points(active, reactive) - exact) <= 0.5 + 1e-9
