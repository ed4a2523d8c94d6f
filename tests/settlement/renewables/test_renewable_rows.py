"""Rows 61, 62, 64 in lines, 141, 143, 181 to 186, and the worked tests of outside rules 4, 7 and 8."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.registry import SupplyMode
from hub.market.province.spot_rules import base_energy_nano_yuan, non_market_nano_yuan
from hub.market.registry.participant_classes import MarketStage, Technology
from hub.market.registry.periods import Period
from hub.settlement.exact_shares import PPM
from hub.settlement.money import round_half_up_fen
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.library import Library, LibraryError
from hub.settlement.renewables.benchmark_top_up import (
    TopUpNotSetError,
    TopUpRules,
    TopUpStep,
    top_up_lines,
    top_up_share_ppm,
)
from hub.settlement.renewables.curtailment_record import (
    Curtailment,
    CurtailmentCause,
    RepeatedCurtailmentError,
    curtailment_report,
)
from hub.settlement.renewables.direct_supply import (
    DirectSupplyError,
    DirectSupplyRules,
    DirectSupplyYear,
    NearbyConnection,
    NearbyRefusal,
    NearbyRules,
    annual_tests,
    check_direct_year,
    nearby_fee_lines,
    supply_refusal,
)
from hub.settlement.renewables.distributed_revenue import self_use_line, surplus_line
from hub.settlement.renewables.loaded_rules import guaranteed_time_on, nearby_rules_on, volume_prices_on
from hub.settlement.renewables.market_share import MarketShareTarget, market_share, total_from_share_wh
from hub.settlement.renewables.mechanism_difference import (
    MarketMean,
    MechanismNotSetError,
    MechanismRules,
    check_energy_uses,
    check_pass_through,
    mechanism_energy_wh,
    mechanism_funding_lines,
    mechanism_line,
    mechanism_of,
)
from hub.settlement.renewables.spot_participation import base_quantity_lines, non_market_lines, risk_band_line
from hub.settlement.renewables.volume_split import (
    ByShare,
    VolumePrices,
    VolumeSplit,
    check_split,
    split_volume,
    volume_lines,
)
from hub.settlement.rule_lines import account_totals_nano_yuan, check_rule_lines, total_nano_yuan

Reader = Callable[[str], dict[str, Any]]
EVER = Period(date(2020, 1, 1))
GWH = 10**9
MECHANISM = MechanismRules(
    "mechanism-1",
    "shandong",
    EVER,
    "2025-136",
    Technology.SOLAR,
    Period(date(2000, 1, 1), date(2025, 6, 1)),
    394_900,
    800_000,
    MarketMean.REAL_TIME,
)


@pytest.fixture(scope="module")
def library() -> Library:
    return shipped_library()


def parts(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return case["given"], case["expected"]


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_row_61_non_market_share_at_spot(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("market/SPOT-12"))
    frame = {"plant": "P", "d_sup": "D_sup", "price_versions": ("approved", "spot")}
    lines = non_market_lines(**given_, **frame)
    assert check_rule_lines(lines) == []
    assert [line.amount_nano_yuan for line in lines] == [expected["approved_nano_yuan"], expected["spot_nano_yuan"]]
    odd = given_ | {"energy_wh": 999_999_995, "spot_share_ppm": 123_457}
    as_cleared = non_market_nano_yuan(
        odd["energy_wh"],
        spot_share_ppm=odd["spot_share_ppm"],
        approved_uyuan=odd["approved_uyuan_per_kwh"],
        spot_uyuan=odd["spot_uyuan_per_kwh"],
    )
    assert total_nano_yuan(non_market_lines(**odd, **frame)) == as_cleared


def test_row_62_base_quantity_against_spot(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("market/SPOT-13"))
    frame = {"plant": "P", "d_sup": "D_sup", "price_versions": ("spot", "approved")}
    lines = base_quantity_lines(**given_, **frame)
    assert [line.amount_nano_yuan for line in lines] == [expected["node_nano_yuan"], expected["base_nano_yuan"]]
    odd = given_ | {"energy_wh": 77_777_777, "reference_uyuan_per_kwh": 460_001}
    as_cleared = base_energy_nano_yuan(
        odd["energy_wh"],
        base_share_ppm=odd["base_share_ppm"],
        node_uyuan=odd["node_uyuan_per_kwh"],
        approved_uyuan=odd["approved_uyuan_per_kwh"],
        reference_uyuan=odd["reference_uyuan_per_kwh"],
    )
    assert total_nano_yuan(base_quantity_lines(**odd, **frame)) == as_cleared


def test_row_64_the_bands_cash_has_an_account_of_its_own(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("market/SPOT-15"))
    frame = {"user": "u", "account": "risk-band", "version": "contract"}
    line = risk_band_line(**given_, **frame)
    assert check_rule_lines([line]) == []
    assert account_totals_nano_yuan([line]) == {
        "risk-band": -expected["compensation_nano_yuan"],
        "u": expected["compensation_nano_yuan"],
    }
    below = risk_band_line(**(given_ | {"mean_uyuan_per_kwh": 330_000}), **frame)
    assert below.amount_nano_yuan == -expected["compensation_nano_yuan"]


def test_row_141_self_use_at_a_discount_and_surplus_at_the_benchmark(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/HOST-05"))
    own = self_use_line(
        given_["self_used_wh"],
        agency_uyuan_per_kwh=given_["agency_uyuan_per_kwh"],
        discount_ppm=given_["discount_ppm"],
        host="u",
        plant="P",
        price_versions=("table", "contract"),
    )
    fed_in, price = column(given_["fed_in_wh"]), column(given_["benchmark_uyuan_per_kwh"])
    surplus = surplus_line(fed_in, price, d_sup="D_sup", plant="P", version="benchmark")
    assert check_rule_lines([own, surplus]) == []
    assert own.amount_nano_yuan == expected["self_use_nano_yuan"]
    assert surplus.amount_nano_yuan == expected["surplus_nano_yuan"]
    assert account_totals_nano_yuan([own, surplus])["P"] == expected["total_nano_yuan"]


def test_row_143_surplus_is_settled_by_interval(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/HOST-07"))
    fed_in, price = column(*given_["fed_in_wh"]), column(*given_["price_uyuan_per_kwh"])
    line = surplus_line(fed_in, price, d_sup="D_sup", plant="P", version="spot")
    assert line.amount_nano_yuan == expected["amount_nano_yuan"]
    mean = int(price.sum()) // 2
    assert mean * line.quantity == expected["by_mean_nano_yuan"] != line.amount_nano_yuan


def test_row_181_guaranteed_and_market_volume(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/RES-01"))
    place = {"province": given_["province"], "day": date.fromisoformat(given_["day"])}
    hours, version = guaranteed_time_on(library, **place, plant_kind=given_["plant_kind"])
    assert "priority_duration" in version
    split = split_volume(given_["energy_wh"], hours, capacity_w=given_["capacity_w"])
    assert split == VolumeSplit(expected["guaranteed_wh"], expected["market_wh"])
    assert check_split("P", given_["energy_wh"], split) == []
    assert check_split("P", given_["energy_wh"] + 1, split) != []
    little = split_volume(100, hours, capacity_w=given_["capacity_w"], used_wh=expected["guaranteed_wh"] - 40)
    assert little == VolumeSplit(40, 60)
    assert split_volume(7, ByShare(500_000), capacity_w=0) == VolumeSplit(4, 3)


def test_rows_182_and_183_authorised_price_or_benchmark(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/RES-02"))
    place = {"province": given_["province"], "day": date.fromisoformat(given_["day"])}
    prices = volume_prices_on(library, **place, is_rest_authorised=True)
    split = VolumeSplit(given_["guaranteed_wh"], given_["energy_wh"] - given_["guaranteed_wh"])
    lines = volume_lines(split, prices, plant="P", d_sup="D_sup")
    assert check_rule_lines(lines) == []
    assert [line.amount_nano_yuan for line in lines] == expected["lines_nano_yuan"]
    assert account_totals_nano_yuan(lines)["P"] == expected["total_nano_yuan"]
    at_benchmark = volume_prices_on(library, **place, is_rest_authorised=False)
    in_market = volume_lines(split, at_benchmark, plant="P", d_sup="D_sup")
    assert [line.quantity for line in in_market] == [given_["guaranteed_wh"]]
    given_, expected = parts(golden_case("settlement/RES-03"))
    benchmark = given_["benchmark_uyuan_per_kwh"]
    henan = VolumePrices(("v",), benchmark, benchmark)
    assert total_nano_yuan(volume_lines(split, henan, plant="P", d_sup="D_sup")) == expected["total_nano_yuan"]
    assert expected["total_nano_yuan"] == given_["energy_wh"] * benchmark


def test_row_184_top_up_by_day_of_commissioning(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/RES-04"))
    steps = tuple(
        TopUpStep(Technology(name), Period(date.fromisoformat(first), date.fromisoformat(until)), share)
        for name, first, until, share in given_["steps"]
    )
    rules = TopUpRules("v", "yunnan", EVER, "row 184", given_["benchmark_uyuan_per_kwh"], False, steps)
    shares = [
        top_up_share_ppm(rules, Technology(name), date.fromisoformat(day)) for name, day in given_["commissioned"]
    ]
    assert shares == expected["shares_ppm"]
    frame = {"share_ppm": shares[0], "plant": "P", "market": "D_sup", "account": "top-up"}
    lines = top_up_lines(
        rules, energy_wh=given_["energy_wh"], market_uyuan_per_kwh=given_["market_uyuan_per_kwh"], **frame
    )
    assert [line.amount_nano_yuan for line in lines] == [expected["market_nano_yuan"], expected["top_up_nano_yuan"]]
    assert account_totals_nano_yuan(lines)["P"] == expected["total_nano_yuan"]
    above = top_up_lines(rules, energy_wh=100, market_uyuan_per_kwh=400_000, **frame)
    assert above[1].amount_nano_yuan == 0
    both_ways = top_up_lines(
        TopUpRules("v", "yunnan", EVER, "d", given_["benchmark_uyuan_per_kwh"], True, steps),
        energy_wh=100,
        market_uyuan_per_kwh=400_000,
        **frame,
    )
    assert both_ways[1].amount_nano_yuan == 65 * (335_800 - 400_000)
    for technology, day in ((Technology.SOLAR, date(2020, 12, 31)), (Technology.HYDRO, date(2024, 1, 1))):
        with pytest.raises(TopUpNotSetError, match="0 shares"):
            top_up_share_ppm(rules, technology, day)


def test_row_185_only_the_grids_curtailment_is_a_breach(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/RES-05"))
    records = [
        Curtailment(plant, interval, energy, CurtailmentCause(cause), "log")
        for plant, interval, energy, cause in given_["records"]
    ]
    report = curtailment_report(records)
    assert report.breach_wh == expected["breach_wh"]
    assert {cause.value: energy for (_, cause), energy in report.energy_wh.items()} == expected["by_cause_wh"]
    assert curtailment_report(reversed(records)) == report
    with pytest.raises(RepeatedCurtailmentError):
        curtailment_report([*records, records[0]])


def test_row_186_share_of_market_energy(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/RES-06"))
    total = total_from_share_wh(given_["market_gwh"] * GWH, given_["share_ppm"])
    assert round(total / (100 * GWH)) == expected["total_gwh_tenth"]
    targets = (MarketShareTarget("2022-118", 2030, PPM),)
    found = market_share(given_["market_gwh"] * GWH, total, 2023, targets)
    assert (found.share_ppm, found.is_met) == (given_["share_ppm"], None)
    assert [market_share(energy, 10, 2030, targets).is_met for energy in (9, 10)] == [False, True]


def test_outside_rules_4_the_difference_goes_both_ways(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/outside-4"))
    rules = mechanism_of(
        [MECHANISM],
        province="shandong",
        technology=Technology.SOLAR,
        commissioned_on=date(2025, 5, 31),
        day=date(2026, 1, 1),
    )
    assert (rules.mechanism_uyuan_per_kwh, rules.share_ppm) == (given_["mechanism_uyuan_per_kwh"], given_["share_ppm"])
    energy = mechanism_energy_wh(given_["on_grid_wh"], rules, excluded_wh=0, used_wh=0)
    assert energy == expected["mechanism_wh"]
    differences = []
    for mean in given_["market_mean_uyuan_per_kwh"]:
        line = mechanism_line(
            rules, mechanism_wh=energy, market_mean_uyuan_per_kwh=mean, mean_version="m", plant="P", account="mechanism"
        )
        users = mechanism_funding_lines([line], {"A": 3, "B": 4, "C": 0}, account="mechanism")
        assert check_rule_lines([line, *users]) == check_pass_through([line, *users], account="mechanism") == []
        assert check_pass_through([line, *users[1:]], account="mechanism") != []
        differences.append(account_totals_nano_yuan([line, *users])["P"])
    assert differences == expected["difference_nano_yuan"]
    assert given_["market_revenue_nano_yuan"] + differences[0] == expected["total_nano_yuan"]


def test_a_plant_after_the_cut_off_has_no_mechanism_of_existing_ones() -> None:
    where = {"province": "shandong", "technology": Technology.SOLAR, "day": date(2026, 1, 1)}
    with pytest.raises(MechanismNotSetError, match="0 mechanisms"):
        mechanism_of([MECHANISM], commissioned_on=date(2025, 6, 1), **where)
    with pytest.raises(MechanismNotSetError, match="2 mechanisms"):
        mechanism_of([MECHANISM, MECHANISM], commissioned_on=date(2025, 1, 1), **where)


ROWS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, PPM), st.integers(0, 20)),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(ROWS)
def test_mechanism_energy_never_overlaps_contracts_or_certificates(rows: list) -> None:
    columns: dict[str, list[int]] = {"on_grid_wh": [], "mechanism_wh": [], "contracted_wh": [], "certified_wh": []}
    for on_grid, contracted, certified, share, limit in rows:
        taken = [min(one, on_grid) for one in (contracted, certified)]
        rules = MechanismRules(
            "v", "x", EVER, "d", Technology.WIND, EVER, 1, share, MarketMean.TRANSACTIONS, annual_max_wh=limit
        )
        energy = mechanism_energy_wh(on_grid, rules, excluded_wh=max(taken), used_wh=3)
        assert energy <= max(0, limit - 3)
        for name, value in zip(columns, (on_grid, energy, *taken), strict=True):
            columns[name].append(value)
    named = [str(number) for number in range(len(rows))]
    assert check_energy_uses(named, **{name: column(*values) for name, values in columns.items()}) == []


@pytest.mark.parametrize(("mechanism", "contracted", "certified"), [(-1, 0, 0), (11, 0, 0), (6, 5, 0), (6, 0, 5)])
def test_the_law_sees_each_overlap(mechanism: int, contracted: int, certified: int) -> None:
    found = check_energy_uses(
        ["P"],
        on_grid_wh=column(10),
        mechanism_wh=column(mechanism),
        contracted_wh=column(contracted),
        certified_wh=column(certified),
    )
    assert found
    assert {violation.where for violation in found} == {"P"}


def test_outside_rules_7_monthly_fee_of_nearby_consumption(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/outside-7"))
    prices = {name: given_[name] for name in ("capacity_uyuan_per_kva_month", "volumetric_uyuan_per_kwh")}
    rules = NearbyRules(
        "hainan", ("v",), **prices, load_rate_ppm=given_["load_rate_ppm"], hours_per_month=given_["hours_per_month"]
    )
    connection = NearbyConnection(given_["transformers_va"], given_["motors_va"], is_connected=True)
    lines = nearby_fee_lines(connection, rules, project="P", d_net="D_net")
    assert check_rule_lines(lines) == []
    fen = [round_half_up_fen(line.amount_nano_yuan) for line in lines]
    assert fen == [expected["capacity_fen"], expected["by_load_rate_fen"]]
    assert sum(fen) == expected["total_fen"]
    assert nearby_fee_lines(replace(connection, is_connected=False), rules, project="P", d_net="D_net") == []


def test_outside_rules_7_a_province_without_a_load_rate_is_refused(library: Library) -> None:
    place = {"province": "hubei", "day": date(2026, 1, 15), "voltage_class": "110kV", "hours_per_month": 730}
    with pytest.raises(LibraryError, match="load rate"):
        nearby_rules_on(library, **place)


def test_outside_rules_8_annual_tests(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/outside-8"))
    energies = {name: given_[name] for name in given_ if name.endswith("_wh")}
    year = DirectSupplyYear(**energies)
    assert check_direct_year("P", year) == []
    for limits, passes in zip(given_["limits_ppm"], expected["passes"], strict=True):
        results = annual_tests(year, DirectSupplyRules("v", "2025-650", EVER, *limits))
        assert [result.share_ppm for result in results] == expected["shares_ppm"]
        assert [result.passes for result in results] == passes
    exact = replace(year, self_used_wh=year.available_wh * 6 // 10, curtailed_wh=0)
    at_limit = annual_tests(exact, DirectSupplyRules("v", "d", EVER, 600_000, 300_000, None))
    assert [result.passes for result in at_limit] == [True, True]
    short = annual_tests(
        replace(exact, self_used_wh=exact.self_used_wh - 1), DirectSupplyRules("v", "d", EVER, 600_000, 1, None)
    )
    assert [result.passes for result in short] == [False, True]
    assert (short[0].share_ppm, short[0].limit_ppm) == (600_000, 600_000)
    assert check_direct_year("P", replace(year, curtailed_wh=0)) != []
    assert check_direct_year("P", replace(year, consumption_wh=1)) != []
    with pytest.raises(DirectSupplyError):
        annual_tests(replace(year, consumption_wh=0), DirectSupplyRules("v", "d", EVER, 0, 0, None))


def test_outside_rules_7_and_8_how_such_a_project_is_supplied() -> None:
    spot, trial = MarketStage.FORMAL, MarketStage.SHORT_SETTLEMENT_TRIAL
    assert supply_refusal(SupplyMode.AGENCY, spot, feeds_in=False) is NearbyRefusal.MUST_TRADE_DIRECTLY
    assert supply_refusal(SupplyMode.DIRECT, trial, feeds_in=True) is NearbyRefusal.NO_REVERSE_FEED
    assert supply_refusal(SupplyMode.DIRECT, trial, feeds_in=False) is None
    assert supply_refusal(SupplyMode.DIRECT, spot, feeds_in=True) is None
