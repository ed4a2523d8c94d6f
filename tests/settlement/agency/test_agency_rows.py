"""Agency purchase: rows 166 to 171, 178, 180 in money, outside rules 9 and 12, and what a pool carries."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.registry import UserCategory
from hub.market.listing.agency_purchase import CorrectionReason, ForecastVersion
from hub.market.listing.cross_province import ExportLimits, benefit_adjustment
from hub.market.registry.periods import Period
from hub.settlement.agency.contract_transfers import (
    ContractTransfer,
    check_transfer,
    obligations_wh,
    shortfall_line,
    transfer_lines,
)
from hub.settlement.agency.forecast_errors import forecast_report
from hub.settlement.agency.interprovincial import adjustment_line, export_day_line
from hub.settlement.agency.loaded_rules import surcharge_rules_on
from hub.settlement.agency.pool_price import EmptyPoolError, Pool, PoolMonth, check_pool, pool_of, settle_pool_month
from hub.settlement.agency.user_prices import (
    AgencyUserKind,
    EmptyMonthError,
    SurchargeNotSetError,
    SurchargeRules,
    agency_energy_lines,
    agency_energy_price,
    no_contract_line,
    no_contract_price_uyuan_per_kwh,
    real_time_mean_uyuan_per_kwh,
)
from hub.settlement.provinces import shipped_library
from hub.settlement.rule_lines import account_totals_nano_yuan, check_rule_lines

Reader = Callable[[str], dict[str, Any]]
YUAN = 10**9


def test_row_166_without_a_transfer_the_shortfall_is_bought_at_spot(golden_case: Reader) -> None:
    case = golden_case("market/TRF-01")
    given_, contract_wh = case["given"], case["given"]["contract_wh"]
    line = shortfall_line(
        generator="A",
        d_sup="D_sup",
        obligation_wh=contract_wh,
        generated_wh=given_["generated_wh"],
        spot_uyuan_per_kwh=given_["spot_uyuan_per_kwh"],
        version="rt",
    )
    contract_income = contract_wh * given_["contract_uyuan_per_kwh"]
    assert line.amount_nano_yuan - contract_income == case["expected"]["loss_nano_yuan"]
    frame = {"generator": "A", "d_sup": "D", "spot_uyuan_per_kwh": 1, "version": "rt"}
    assert shortfall_line(obligation_wh=5, generated_wh=9, **frame).amount_nano_yuan == 0


def test_row_167_the_user_pays_as_before_and_the_obligation_passes(golden_case: Reader) -> None:
    case = golden_case("market/TRF-02")
    given_, expected = case["given"], case["expected"]
    transfer = ContractTransfer(
        "C",
        "user",
        "A",
        "B",
        given_["energy_wh"],
        given_["contract_uyuan_per_kwh"],
        given_["transfer_uyuan_per_kwh"],
        "p",
    )
    lines = transfer_lines(transfer)
    assert check_rule_lines(lines) == check_transfer(transfer, lines) == []
    assert account_totals_nano_yuan(lines) == {
        "user": expected["user_nano_yuan"],
        "A": expected["transferor_nano_yuan"],
        "B": expected["transferee_nano_yuan"],
    }
    assert check_transfer(transfer, lines[:1]) != []
    part = replace(transfer, energy_wh=4)
    assert obligations_wh({"A": 10}, [part]) == {"A": 6, "B": 4}


def test_row_169_the_pool_price_with_its_carry(golden_case: Reader) -> None:
    case = golden_case("market/AGY-01")
    given_ = case["given"]
    month = PoolMonth(
        202601,
        tuple(tuple(row) for row in given_["purchases"]),
        given_["pool_wh"],
        given_["carry_nano_yuan"],
        given_["pool_wh"],
        sum(energy * price for energy, price in given_["purchases"]),
    )
    settled = settle_pool_month(month)
    assert settled.price_uyuan_per_kwh == case["expected"]["price_uyuan_per_kwh"]
    assert settled.carry_out_nano_yuan == 0
    assert [pool_of(category) for category in UserCategory] == [Pool.GUARANTEED, Pool.GUARANTEED, Pool.AGENCY]
    with pytest.raises(EmptyPoolError):
        settle_pool_month(replace(month, forecast_wh=0))


MONTHS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 9), st.integers(-3, 9)), max_size=2),
        st.integers(1, 9),
        st.integers(0, 9),
        st.integers(-9, 99),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(st.integers(-50, 50), MONTHS)
def test_over_the_months_users_pay_what_their_energy_cost(first_carry: int, rows: list) -> None:
    months, settled, carry = [], [], first_carry
    for number, (purchases, forecast, metered, cost) in enumerate(rows):
        months.append(PoolMonth(202601 + number, tuple(purchases), forecast, carry, metered, cost))
        settled.append(settle_pool_month(months[-1]))
        carry = settled[-1].carry_out_nano_yuan
    assert check_pool(months, settled) == []
    assert check_pool(months, [*settled[:-1], replace(settled[-1], carry_out_nano_yuan=carry + 1)]) != []
    lost = [*months[:-1], replace(months[-1], carry_in_nano_yuan=months[-1].carry_in_nano_yuan + 1)]
    assert len(months) == 1 or check_pool(lost, settled) != []


def test_row_171_each_version_keeps_its_error(golden_case: Reader) -> None:
    case = golden_case("market/AGY-03")
    ((forecast, actual),) = case["given"]["pairs"]
    versions = [
        ForecastVersion(202607, date(2026, 5, 1), 100_000, CorrectionReason.FIRST, "d1"),
        ForecastVersion(202607, date(2026, 6, 1), forecast, CorrectionReason.WEATHER, "d2"),
        ForecastVersion(202607, date(2026, 7, 1), actual, CorrectionReason.ECONOMY, "d3"),
    ]
    report = forecast_report(versions, {202607: actual, 202608: 5}, dict.fromkeys((202607, 202608), date(2026, 6, 20)))
    assert report.mean_absolute_error_ppm == case["expected"]["mean_absolute_error_ppm"]
    assert report.missing == (202608,)
    assert [(row.is_in_force, row.error_ppm, row.deviation_wh) for row in report.errors] == [
        (False, 206_349, 26_000),
        (True, 47_619, 6_000),
        (False, 0, 0),
    ]


def test_outside_rules_9_without_a_contract(golden_case: Reader) -> None:
    case = golden_case("settlement/outside-9")
    given_, expected = case["given"], case["expected"]
    rules = surcharge_rules_on(shipped_library(), province=given_["province"], day=date.fromisoformat(given_["day"]))
    mean = real_time_mean_uyuan_per_kwh(given_["real_time_uyuan_per_kwh"])
    price = no_contract_price_uyuan_per_kwh(mean, rules)
    line = no_contract_line(
        user="u", d_sup="D_sup", energy_wh=given_["energy_wh"], price_uyuan_per_kwh=price, version=rules.versions[-1]
    )
    assert (mean, price) == (expected["mean_uyuan_per_kwh"], expected["price_uyuan_per_kwh"])
    assert line.amount_nano_yuan == expected["amount_nano_yuan"]
    with pytest.raises(EmptyMonthError):
        real_time_mean_uyuan_per_kwh([])


def test_outside_rules_12_half_as_much_again(golden_case: Reader) -> None:
    case = golden_case("settlement/outside-12")
    given_, expected = case["given"], case["expected"]
    library = shipped_library()
    rules = surcharge_rules_on(library, province=given_["province"], day=date.fromisoformat(given_["day"]))
    for kind in (AgencyUserKind.ENERGY_INTENSIVE, AgencyUserKind.LEFT_THE_MARKET):
        price = agency_energy_price(kind, given_["agency_uyuan_per_kwh"], rules)
        assert price.pool_uyuan_per_kwh + price.surcharge_uyuan_per_kwh == expected["price_uyuan_per_kwh"]
        lines = agency_energy_lines(
            price,
            user="u",
            d_sup="D_sup",
            surcharge_account="stability",
            energy_wh=given_["energy_wh"],
            price_version="table",
        )
        assert check_rule_lines(lines) == []
        assert account_totals_nano_yuan(lines) == {
            "u": -expected["pool_nano_yuan"] - expected["surcharge_nano_yuan"],
            "D_sup": expected["pool_nano_yuan"],
            "stability": expected["surcharge_nano_yuan"],
        }
    ordinary = agency_energy_price(AgencyUserKind.ORDINARY, given_["agency_uyuan_per_kwh"], SurchargeRules("x"))
    assert ordinary.surcharge_uyuan_per_kwh == 0
    with pytest.raises(SurchargeNotSetError, match="outside rules 12"):
        agency_energy_price(AgencyUserKind.LEFT_THE_MARKET, YUAN, SurchargeRules("x"))
    with pytest.raises(SurchargeNotSetError, match="outside rules 9"):
        no_contract_price_uyuan_per_kwh(YUAN, rules)


def test_row_178_export_is_settled_under_the_daily_ceiling(golden_case: Reader) -> None:
    case = golden_case("market/XPR-03")
    given_, expected = case["given"], case["expected"]
    prices = tuple(given_["day_prices_uyuan_per_kwh"])
    ever = Period(date(2023, 1, 1))
    limits = ExportLimits("inter-provincial", ever, "row 178", None, given_["day_mean_cap_uyuan_per_kwh"], None)
    line = export_day_line((10, 20), prices, limits, seller="county", province="province", version="node")
    low, high = expected["settled_uyuan_per_kwh"]
    assert account_totals_nano_yuan([line]) == {"province": -10 * low - 20 * high, "county": 10 * low + 20 * high}
    assert line.quantity == 30


def test_row_180_the_adjustment_is_a_line_of_its_own(golden_case: Reader) -> None:
    case = golden_case("market/XPR-05")
    line = adjustment_line(
        benefit_adjustment("notice 7", case["given"]["to_county_nano_yuan"]), province="province", county="county"
    )
    assert check_rule_lines([line]) == []
    assert account_totals_nano_yuan([line]) == {
        "province": case["expected"]["province_nano_yuan"],
        "county": case["expected"]["county_nano_yuan"],
    }
