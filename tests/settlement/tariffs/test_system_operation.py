"""System operation: rows 113 to 119, and that an allocation sums exactly."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library
from hub.settlement.tariffs.basic_charge import price_excess_ppm
from hub.settlement.tariffs.pass_through import check_pass_through, close_pass_through
from hub.settlement.tariffs.system_operation import (
    SystemItem,
    SystemOperationError,
    allocated_fees_nano_yuan,
    allocation_rate_uyuan_per_kwh,
    capped_capacity_price,
    confirm_approved_price,
    monthly_capacity_fee_nano_yuan,
    rate_change,
    reference_capacity_price_uyuan_per_kw_year,
    storage_capacity_price_uyuan_per_kw_year,
)

RowCase = Callable[[str], tuple[Any, Any]]
Y2024 = date(2024, 6, 1)


def loaded(library: Library, parameter: ProvincialParameter, province: str) -> int:
    return library.value(parameter, province=province, day=Y2024).value


def test_row_113_the_approved_number_is_loaded_never_computed(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("SYS-01")
    price = ProvincialParameter.COAL_CAPACITY_PRICE
    assert loaded(library, price, "guangxi") == case["guangxi"]
    shandong = loaded(library, price, "shandong")
    assert shandong == case["shandong"]
    reference = loaded(library, ProvincialParameter.CAPACITY_COST_REFERENCE, "shandong")
    assert reference == case["reference"]
    computed = reference_capacity_price_uyuan_per_kw_year(reference, case["recovery"])
    assert computed == expected["computed"]
    with pytest.raises(SystemOperationError, match=r"row 113: 99000000 .* is not the approved 100000000"):
        confirm_approved_price(computed, shandong)
    assert confirm_approved_price(100_000_000, shandong) == shandong


def test_row_114_fee_of_a_unit(row_case: RowCase) -> None:
    case, expected = row_case("SYS-02")
    fees = [monthly_capacity_fee_nano_yuan(price, case["power_w"]) for price in case["prices"]]
    assert fees == expected["fees_nano_yuan"]
    with pytest.raises(SystemOperationError):
        monthly_capacity_fee_nano_yuan(1, -1)


def test_row_115_rate_by_commercial_energy(row_case: RowCase) -> None:
    case, expected = row_case("SYS-03")
    rates = [allocation_rate_uyuan_per_kwh(case["fee_nano_yuan"], energy) for energy in case["energy_wh"]]
    assert rates == expected["rates"]
    assert rates[0] * case["user_wh"] == expected["user_nano_yuan"]
    assert price_excess_ppm(rates[1], rates[0]) == expected["rise_ppm"]
    users = [case["user_wh"], case["energy_wh"][0] - case["user_wh"]]
    assert allocated_fees_nano_yuan(case["fee_nano_yuan"], users)[0] == expected["user_nano_yuan"]
    for energy in (0, -1):
        with pytest.raises(SystemOperationError, match="row 115"):
            allocation_rate_uyuan_per_kwh(1, energy)
    with pytest.raises(SystemOperationError, match="row 115"):
        allocated_fees_nano_yuan(1, [0, 0])


def test_row_115_published_rates_of_january_and_february_2024(library: Library) -> None:
    def rates(province: str) -> list[int]:
        parameter, item = ProvincialParameter.SYSTEM_OPERATION_ITEM, SystemItem.COAL_CAPACITY
        days = (date(2024, 1, 31), date(2024, 2, 29))
        return [library.value(parameter, province=province, day=day, item=item).value for day in days]

    assert rates("guangxi") == [23_000, 28_021]
    assert rates("shandong") == [19_000, 22_500]
    assert rates("hunan") == [37_080, 48_620]
    assert rates("qinghai") == [4_676, 4_634]


def test_row_116_pumped_storage(row_case: RowCase) -> None:
    case, expected = row_case("SYS-04")
    assert case["price"] * case["power_w"] == expected["year_nano_yuan"]
    fee = monthly_capacity_fee_nano_yuan(case["price"], case["power_w"])
    assert fee == expected["month_nano_yuan"]
    assert allocation_rate_uyuan_per_kwh(fee, case["energy_wh"]) == expected["rate"]


def test_row_117_why_the_rate_changed(row_case: RowCase) -> None:
    case, expected = row_case("SYS-05")
    before, after = case["energy_wh"]
    change = rate_change(
        fee_before_nano_yuan=case["fee_nano_yuan"],
        energy_before_wh=before,
        fee_after_nano_yuan=case["fee_nano_yuan"],
        energy_after_wh=after,
    )
    assert [change.rate_before_uyuan_per_kwh, change.rate_after_uyuan_per_kwh] == expected["rates"]
    assert change.fee_effect_uyuan_per_kwh == expected["fee_effect"]
    assert change.energy_effect_uyuan_per_kwh == expected["energy_effect"]


def test_row_118_gas_and_storage(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("SYS-06")
    cap = loaded(library, ProvincialParameter.STORAGE_CAPACITY_PRICE_MAX, case["province"])
    assert cap == expected["cap"]
    with pytest.raises(SystemOperationError, match="row 118"):
        capped_capacity_price(case["price"], cap)
    assert capped_capacity_price(cap, cap) == cap
    assert loaded(library, ProvincialParameter.GAS_CAPACITY_PRICE, "guangdong") == expected["guangdong_gas"]
    # outside rules 0: 330 times min(1, duration / longest net peak)
    for hours, price in ((2, 165_000_000), (4, 330_000_000), (6, 330_000_000)):
        found = storage_capacity_price_uyuan_per_kw_year(330_000_000, duration_min=hours * 60, longest_net_peak_min=240)
        assert found == price


def test_row_119_collected_is_remitted_or_carried(row_case: RowCase) -> None:
    case, expected = row_case("SYS-07")
    month = close_pass_through(
        SystemItem.COAL_CAPACITY.value,
        date(2026, 1, 1),
        carried_in_nano_yuan=0,
        collected_nano_yuan=case["collected_nano_yuan"],
        remitted_nano_yuan=case["remitted_nano_yuan"],
    )
    assert month.carried_out_nano_yuan == expected["carried_nano_yuan"]
    assert check_pass_through([month]) == []


@given(fee=st.integers(-50, 50), energy=st.lists(st.integers(0, 6), min_size=1, max_size=7).filter(any))
def test_an_allocation_sums_exactly_and_is_fair_to_one_unit(fee: int, energy: list[int]) -> None:
    shares = allocated_fees_nano_yuan(fee, energy)
    assert sum(shares) == fee
    for share, weight in zip(shares, energy, strict=True):
        assert abs(share * sum(energy) - fee * weight) < sum(energy)


@given(
    fees=st.tuples(st.integers(-9_000, 9_000), st.integers(-9_000, 9_000)),
    energies=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_the_two_effects_are_the_change(fees: tuple[int, int], energies: tuple[int, int]) -> None:
    change = rate_change(
        fee_before_nano_yuan=fees[0],
        energy_before_wh=energies[0],
        fee_after_nano_yuan=fees[1],
        energy_after_wh=energies[1],
    )
    effects = change.fee_effect_uyuan_per_kwh + change.energy_effect_uyuan_per_kwh
    assert effects == change.rate_after_uyuan_per_kwh - change.rate_before_uyuan_per_kwh
    if fees[0] == fees[1]:
        assert change.fee_effect_uyuan_per_kwh == 0
    if energies[0] == energies[1]:
        assert change.energy_effect_uyuan_per_kwh == 0
