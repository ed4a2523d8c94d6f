"""Period prices, limits and the monitor: the rows' examples, published prices, and that components sum."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.registry import SupplyMode, UserCategory
from hub.market.registry.periods import Period
from hub.settlement.money import divide_half_up
from hub.settlement.provinces import shipped_library, shipped_profile
from hub.settlement.provinces.catalogue import CATALOGUE, ProvincialParameter
from hub.settlement.provinces.documents import ProvinceDocument, ProvinceDocumentError, decode_province
from hub.settlement.provinces.keys import Component, PeriodKind, TariffType
from hub.settlement.provinces.library import Library, LibraryError, build_library
from hub.settlement.rule_lines import check_rule_lines, total_nano_yuan
from hub.settlement.tariffs.period_limits import (
    FloatRatioReading,
    PeriodLimitError,
    PriceBand,
    contract_period_band,
    generator_float_faults,
    retail_period_band,
)
from hub.settlement.tariffs.price_table import (
    PriceBasis,
    load_price_table,
    period_components,
    period_price,
    published_differences,
)
from hub.settlement.tariffs.retail_periods import retail_duration_faults, retail_factor_faults, retail_period_faults
from hub.settlement.tariffs.tariff_lines import energy_lines
from hub.settlement.tariffs.tou_monitor import (
    MonitorError,
    change_left_for_flat,
    mean_price_uyuan_per_kwh,
    period_mismatches,
    price_index_ppm,
)
from hub.settlement.tariffs.tou_prices import (
    TouPriceError,
    contract_period_prices_uyuan_per_kwh,
    period_price_uyuan_per_kwh,
    scaled_price_uyuan_per_kwh,
)
from hub.settlement.tariffs.tou_supply import (
    PricingCurve,
    SupplyModeError,
    SupplyPeriod,
    pricing_rule,
    supply_mode_on,
)
from hub.settlement.tariffs.user_price import PAYEE, ComponentPrices, breakdown, system_operation_nano_yuan

RowCase = Callable[[str], tuple[Any, Any]]
JANUARY = date(2026, 1, 15)
TEN_KV = {"voltage_class": "10(20)kV", "tariff_type": TariffType.TWO_PART}
ACCOUNTS = {component: payee.value for component, payee in PAYEE.items()}


def flat_and_rest(case: dict[str, Any]) -> ComponentPrices:
    return ComponentPrices(case["floating"], 0, case["not_floating"], 0, 0)


def on(case: dict[str, Any]) -> date:
    return date.fromisoformat(case["day"])


def factors(library: Library, case: dict[str, Any]) -> dict[str, int]:
    loaded = library.values_by("period", ProvincialParameter.TOU_FACTOR, province=case["province"], day=on(case))
    return {name: one.value for name, one in loaded.items()}


def test_row_66_coefficients_on_the_floating_part(row_case: RowCase) -> None:
    case, expected = row_case("TOU-02")
    prices = [
        period_price_uyuan_per_kwh(flat_and_rest(case), floating=Component.ENERGY, factor_ppm=factor)
        for factor in case["factors"]
    ]
    assert prices == expected["prices"]
    with pytest.raises(TouPriceError):
        scaled_price_uyuan_per_kwh(1, -1)


def test_row_67_what_floats_is_the_provinces_mask(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-03")
    prices = ComponentPrices(*case["components"].values())
    found = {}
    for province in expected["prices"]:
        mask = library.value(ProvincialParameter.FLOATING_COMPONENTS, province=province, day=on(case))
        found[province] = period_price_uyuan_per_kwh(prices, floating=Component(mask.value), factor_ppm=case["factor"])
    assert found == expected["prices"]
    # Shanxi: the historic part of the energy price does not float
    shanxi = period_price_uyuan_per_kwh(
        prices, floating=Component.ENERGY, factor_ppm=1_700_000, energy_not_floating_uyuan_per_kwh=-50_000
    )
    assert shanxi == 450_000 * 17 // 10 + 170_000
    with pytest.raises(TouPriceError):
        period_price_uyuan_per_kwh(prices, floating=Component.LOSS, factor_ppm=1, energy_not_floating_uyuan_per_kwh=1)


def test_row_68_shandong(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-04")
    k = factors(library, case)
    agency = {kind: scaled_price_uyuan_per_kwh(case["agency"], k[kind]) for kind in expected["agency_prices"]}
    assert agency == expected["agency_prices"]
    bill = {
        kind: energy * period_price_uyuan_per_kwh(flat_and_rest(case), floating=Component.ENERGY, factor_ppm=k[kind])
        for kind, energy in case["energy_wh"].items()
    }
    assert sum(bill.values()) == expected["bill_nano_yuan"]
    assert divide_half_up(sum(bill.values()), sum(case["energy_wh"].values())) == expected["mean_price"]
    not_floating = sum(case["energy_wh"].values()) * case["not_floating"]
    assert not_floating == expected["not_floating_nano_yuan"]
    assert sum(bill.values()) - not_floating == expected["floating_nano_yuan"]
    assert expected["no_factor"] not in k


def test_row_69_retail_times(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-05")
    parameter = ProvincialParameter.RETAIL_FLAT_DURATION_MIN
    least = library.value(parameter, province=case["province"], day=on(case)).value
    found = [
        [
            fault.value
            for fault in retail_duration_faults(
                peak_min=peak * 60, valley_min=valley * 60, flat_min=flat * 60, flat_least_min=least
            )
        ]
        for peak, valley, flat in case["hours"]
    ]
    assert found == expected["faults"]


def test_row_69_retail_periods_stay_inside_the_governments() -> None:
    sharp, peak, flat, valley, deep = (int(kind) for kind in PeriodKind)
    government = np.array([deep] * 8 + [valley] * 24 + [flat] * 40 + [peak] * 16 + [sharp] * 8, np.int8)

    def faults(**changes: int) -> list[str]:
        package = np.array([valley] * 24 + [flat] * 52 + [peak] * 20, np.int8)
        for position, kind in changes.items():
            package[int(position.removeprefix("at_"))] = kind
        return [fault.value for fault in retail_period_faults(package, government, flat_least_min=720)]

    assert faults() == []
    assert faults(at_95=flat) == ["peak-misses-sharp"]
    assert faults(at_30=peak) == ["peak-takes-valley"]
    assert faults(at_0=flat) == ["valley-misses-deep-valley"]
    assert faults(at_75=valley) == ["valley-takes-peak"]
    assert faults(at_40=deep) == []


def test_row_70_retail_coefficients_are_strict(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-06")
    found = []
    for month, peak, valley in case["cases"]:
        limits = {
            name: library.value(parameter, province=case["province"], day=date(2024, month, 1), month=month).value
            for name, parameter in (
                ("peak_above_ppm", ProvincialParameter.RETAIL_PEAK_FACTOR_ABOVE),
                ("valley_below_ppm", ProvincialParameter.RETAIL_VALLEY_FACTOR_BELOW),
            )
        }
        faults = retail_factor_faults(peak_factor_ppm=peak, valley_factor_ppm=valley, **limits)
        found.append([fault.value for fault in faults])
    assert found == expected["faults"]
    both = retail_factor_faults(
        peak_factor_ppm=1, valley_factor_ppm=500_000, peak_above_ppm=1_500_000, valley_below_ppm=500_000
    )
    assert [fault.value for fault in both] == ["peak-factor-too-low", "valley-factor-too-high"]


def test_row_74_a_flat_contract_in_periods(row_case: RowCase) -> None:
    case, expected = row_case("TOU-10")
    factor = {PeriodKind[name]: value for name, value in case["factors"].items()}
    found = contract_period_prices_uyuan_per_kwh(case["contract"], factor)
    assert {kind.name: price for kind, price in found.items()} == expected["prices"]


def test_row_75_limits_by_period_and_the_reading_of_the_ratio(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-11")

    def value(parameter: ProvincialParameter) -> int:
        return library.value(parameter, province=case["province"], day=on(case)).value

    ratios = {
        "benchmark_ratio_ppm": value(ProvincialParameter.PERIOD_LIMIT_BENCHMARK_RATIO),
        "period_ratio_ppm": value(ProvincialParameter.PERIOD_LIMIT_RATIO),
    }
    parameter = ProvincialParameter.PERIOD_FLOAT_RATIO_READING
    reading = FloatRatioReading(library.word(parameter, province=case["province"], day=on(case)))
    assert reading is FloatRatioReading.MAGNITUDE
    band = PriceBand(expected["floor"], expected["cap"])
    assert contract_period_band(case["benchmark"], case["ratio"], **ratios, reading=reading) == band
    signed = expected["signed_valley_ratio"]
    assert contract_period_band(case["benchmark"], signed, **ratios, reading=reading) == band
    with pytest.raises(PeriodLimitError, match="row 75"):
        contract_period_band(case["benchmark"], signed, **ratios, reading=FloatRatioReading.NON_NEGATIVE)
    with pytest.raises(PeriodLimitError, match="empty"):
        contract_period_band(-400_000, case["ratio"], **ratios)


def test_row_76_retail_limits_from_the_quarter(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-12")
    uplift = library.value(ProvincialParameter.RETAIL_CAP_UPLIFT, province=case["province"], day=on(case)).value
    months = [PriceBand(floor, cap) for floor, cap in zip(case["floors"], case["caps"], strict=True)]
    assert retail_period_band(months, cap_uplift_ppm=uplift) == PriceBand(expected["floor"], expected["cap"])
    with pytest.raises(PeriodLimitError, match="2 months"):
        retail_period_band(months[:2], cap_uplift_ppm=uplift)


def test_row_77_generators_float_by_source(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-13")
    found = []
    for technology, valley in case["valleys"]:
        up, down = (
            library.value(parameter, province=case["province"], day=on(case), item=technology).value
            for parameter in (
                ProvincialParameter.GENERATOR_FLOAT_UP_MIN,
                ProvincialParameter.GENERATOR_FLOAT_DOWN_MIN,
            )
        )
        prices = {"flat_uyuan_per_kwh": case["flat"], "up_min_ppm": up, "down_min_ppm": down}
        faults = generator_float_faults(**prices, peak_uyuan_per_kwh=None, valley_uyuan_per_kwh=valley)
        found.append([fault.value for fault in faults])
        excluded = generator_float_faults(
            **prices, peak_uyuan_per_kwh=0, valley_uyuan_per_kwh=case["flat"], is_energy_conversion=True
        )
        assert excluded == []
    assert found == expected["faults"]
    peaks = {407_500: [], 407_499: ["peak-too-low"]}  # 0.25 x 1.63
    for peak, faults in peaks.items():
        low = generator_float_faults(
            flat_uyuan_per_kwh=250_000,
            peak_uyuan_per_kwh=peak,
            valley_uyuan_per_kwh=None,
            up_min_ppm=630_000,
            down_min_ppm=0,
        )
        assert [fault.value for fault in low] == faults


def test_row_78_the_monitor(row_case: RowCase) -> None:
    case, expected = row_case("TOU-14")
    changes = {PeriodKind[name]: hours for name, hours in case["changes_h"].items()}
    assert sum(changes.values()) == expected["sum"]
    assert change_left_for_flat(changes) == expected["flat"]
    # valley from 0 to 6 h dearer than the cheapest flat hour, as in Shandong's summer
    kinds = np.array([PeriodKind.VALLEY] * 6 + [PeriodKind.FLAT] * 12 + [PeriodKind.PEAK] * 6, np.int8)
    price = np.array([400_000] * 3 + [350_000] * 3 + [300_000] + [360_000] * 11 + [700_000] * 6, np.int64)
    (found,) = period_mismatches(price, kinds, month_mean_uyuan_per_kwh=mean_price_uyuan_per_kwh(price))
    assert (found.cheaper, found.dearer, found.positions) == (PeriodKind.VALLEY, PeriodKind.FLAT, tuple(range(6)))
    mean = (400 * 3 + 350 * 3 + 300 + 360 * 11 + 700 * 6) * 1000 / 24
    assert found.cheaper_index_min_ppm == round(350_000 / mean * 1e6)
    assert period_mismatches(np.sort(price), kinds, month_mean_uyuan_per_kwh=1) == []
    assert period_mismatches(np.full(24, 300_000), kinds, month_mean_uyuan_per_kwh=1) == []
    with pytest.raises(MonitorError):
        price_index_ppm(1, 0)


def test_row_175_agency_price_in_periods(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("AGY-07")
    k = factors(library, case)
    assert scaled_price_uyuan_per_kwh(case["agency"], k["VALLEY"]) == expected["valley"]
    assert scaled_price_uyuan_per_kwh(case["agency"], k["DEEP_VALLEY"]) == expected["deep_valley"]


def test_row_94_five_components_of_hubei(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("BILL-01")
    table = load_price_table(library, province=case["province"], day=on(case), **TEN_KV)
    assert list(table.prices.by_component().values()) == expected["components"]
    assert table.prices.total_uyuan_per_kwh == expected["total"]
    assert len({loaded.version_id for loaded in table.component.values()}) == len(set(PAYEE.values())) == 5
    assert period_price(table, PeriodKind.FLAT).price_uyuan_per_kwh == expected["total"]


def test_row_95_what_the_items_do_not_explain_is_shown(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("BILL-02")
    table = load_price_table(library, province=case["province"], day=on(case), **TEN_KV)
    found = table.system_breakdown
    assert list(found.items_uyuan_per_kwh.values()) == expected["items"]
    assert sum(found.items_uyuan_per_kwh.values()) == expected["sum"]
    assert (found.total_uyuan_per_kwh, found.residual_uyuan_per_kwh) == (expected["total"], expected["residual"])
    assert table.fund_breakdown.residual_uyuan_per_kwh == 0
    assert sum(table.fund_breakdown.items_uyuan_per_kwh.values()) == 45_200
    parts = {name: loaded.value for name, loaded in table.energy_parts.items()}
    assert breakdown(384_470, parts).residual_uyuan_per_kwh == 0


def test_row_96_only_commercial_users_pay_system_operation(row_case: RowCase) -> None:
    case, expected = row_case("BILL-03")
    found = {
        category.value: system_operation_nano_yuan(category, case["energy_wh"], case["rate"])
        for category in UserCategory
    }
    assert found == expected


def test_row_97_no_user_has_a_network_price_of_its_own(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("BILL-04")
    parameter = ProvincialParameter.NETWORK_TARIFF
    assert CATALOGUE[parameter].keys == ("voltage_class", "tariff_type")
    keys = {name: case[name] for name in ("province", "voltage_class", "tariff_type")}
    prices = {industry: library.value(parameter, day=on(case), **keys).value for industry in case["industries"]}
    assert set(prices.values()) == {expected["tariff"]}
    whole = msgspec.json.decode(shipped_profile(case["province"]))
    row = {"parameter": parameter.value, "value": "0.1", "unit": "yuan/kWh", "user_class": case["industries"][0]}
    whole["publications"][1]["values"].append(row)
    with pytest.raises(ProvinceDocumentError, match="user_class"):
        decode_province(msgspec.json.encode(whole))


def test_row_98_origins_and_documents(row_case: RowCase) -> None:
    case, expected = row_case("BILL-05")
    origins = {name: CATALOGUE[ProvincialParameter(name)].origin for name in expected["origin"]}
    assert {name: origin.value for name, origin in origins.items() if origin} == expected["origin"]
    for field in ("document", "effective_from"):
        whole = msgspec.json.decode(shipped_profile("hubei"))
        del whole["publications"][1][field]
        whole["publications"][1]["values"] = [
            row for row in whole["publications"][1]["values"] if row["parameter"] == case["parameter"]
        ]
        with pytest.raises(LibraryError) as caught:
            build_library([decode_province(msgspec.json.encode(whole))])
        assert caught.value.row == expected["refused_row"]


def test_row_165_no_bill_without_the_table_of_its_month(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("DIS-07")
    load_price_table(library, province=case["province"], day=on(case), **TEN_KV)
    with pytest.raises(LibraryError) as caught:
        load_price_table(library, province=case["province"], day=date.fromisoformat(expected["refused_on"]), **TEN_KV)
    assert caught.value.row == expected["refused_row"]
    assert "agency price table" in caught.value.load


def february(agency: str) -> ProvinceDocument:
    """January's table again for February, with another agency price."""
    whole = msgspec.json.decode(shipped_profile("hubei"))
    table = whole["publications"][1]
    table |= {"publication_id": "agency-table-2026-02", "effective_from": "2026-02-01", "effective_to": "2026-03-01"}
    table["values"][0]["value"] = agency
    return decode_province(msgspec.json.encode(whole | {"publications": [table], "calendars": []}))


def test_row_190_later_parameters_change_no_earlier_month(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("DATA-04")
    later = shipped_library([february("0.385470")])
    before = load_price_table(library, province=case["province"], day=on(case), **TEN_KV)
    after = load_price_table(later, province=case["province"], day=on(case), **TEN_KV)
    assert after == before
    assert after.prices.total_uyuan_per_kwh == expected["total"]
    new = load_price_table(later, province=case["province"], day=date(2026, 2, 1), **TEN_KV)
    assert new.prices.total_uyuan_per_kwh == expected["later_total"]
    assert new.component[Component.ENERGY].version_id == "hubei/agency-table-2026-02/agency_energy"


def test_published_prices_win_and_the_check_shows_the_difference(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("outside-13")
    table = load_price_table(library, province=case["province"], day=on(case), **TEN_KV)
    base = table.prices.of(Component.ENERGY | Component.LOSS)
    assert base == expected["floating_base"]
    published = {kind.name: period_price(table, kind).price_uyuan_per_kwh for kind in table.published}
    assert published == expected["published"]
    found = {one.kind.name: one.difference_uyuan_per_kwh for one in published_differences(table)}
    assert found == expected["difference"]
    peak = period_price(table, PeriodKind.PEAK)
    assert (peak.price_uyuan_per_kwh, peak.basis, peak.rule_version) == (
        848_961,
        PriceBasis.PUBLISHED,
        "tou-published-1",
    )
    assert peak.by_factor_uyuan_per_kwh == 848_952
    for kind in (PeriodKind.SHARP, PeriodKind.PEAK, PeriodKind.FLAT, PeriodKind.VALLEY):
        price, parts = period_price(table, kind).price_uyuan_per_kwh, period_components(table, kind)
        assert parts.total_uyuan_per_kwh == price
        assert (parts.network_uyuan_per_kwh, parts.system_uyuan_per_kwh) == (126_300, 82_273)


def test_where_prices_are_published_a_missing_one_is_not_computed(library: Library) -> None:
    single = load_price_table(
        library, province="hubei", day=JANUARY, voltage_class="10(20)kV", tariff_type=TariffType.SINGLE
    )
    with pytest.raises(LibraryError, match="row 165 on 2026-01-15: no tou_price of PEAK"):
        period_price(single, PeriodKind.PEAK)
    two_part = load_price_table(library, province="hubei", day=JANUARY, **TEN_KV)
    with pytest.raises(LibraryError, match="DEEP_VALLEY"):
        period_price(two_part, PeriodKind.DEEP_VALLEY)


def test_coefficients_price_a_province_that_publishes_no_periods() -> None:
    whole = msgspec.json.decode(shipped_profile("hubei"))
    whole["publications"][1]["values"] = [
        row for row in whole["publications"][1]["values"] if row["parameter"] not in ("tou_price", "tou_factor")
    ]
    rows = [{"parameter": "tou_factor", "period": "PEAK", "value": "1.7", "unit": "1"}]
    whole["publications"].append(whole["publications"][0] | {"publication_id": "f", "values": rows})
    built = build_library([decode_province(msgspec.json.encode(whole))])
    table = load_price_table(built, province="hubei", day=JANUARY, **TEN_KV)
    peak = period_price(table, PeriodKind.PEAK)
    assert (peak.price_uyuan_per_kwh, peak.basis) == (651_886 + 278_679, PriceBasis.COEFFICIENT)  # .398113 x 0.7
    assert "hubei/f/tou_factor/PEAK" in peak.version_ids
    assert len(peak.version_ids) == 7
    with pytest.raises(LibraryError, match="row 66"):
        period_price(table, PeriodKind.VALLEY)
    lines = energy_lines(table, {PeriodKind.PEAK: 3}, payer="U", account_of=ACCOUNTS)
    assert check_rule_lines(lines) == []
    assert len(lines) == 5
    assert total_nano_yuan(lines) == 3 * peak.price_uyuan_per_kwh


def test_row_99s_energy_lines_come_from_the_table(library: Library) -> None:
    table = load_price_table(library, province="hubei", day=JANUARY, **TEN_KV)
    kwh = {PeriodKind.SHARP: 12_000, PeriodKind.PEAK: 45_000, PeriodKind.FLAT: 55_000, PeriodKind.VALLEY: 38_000}
    lines = energy_lines(table, {kind: energy * 1_000 for kind, energy in kwh.items()}, payer="U", account_of=ACCOUNTS)
    by_kind = {kind.name: total_nano_yuan([line for line in lines if line.detail == kind.name]) for kind in kwh}
    assert by_kind == {
        "SHARP": 12_599_988_000_000,
        "PEAK": 38_203_245_000_000,
        "FLAT": 35_853_730_000_000,
        "VALLEY": 16_451_112_000_000,
    }


def test_who_prices_periods_depends_on_supply_mode_and_date(library: Library) -> None:
    def curve(mode: SupplyMode, day: date) -> PricingCurve:
        return pricing_rule(library, province="hubei", day=day, supply_mode=mode).curve

    before, after = date(2026, 2, 28), date(2026, 3, 1)
    assert curve(SupplyMode.DIRECT, before) is curve(SupplyMode.AGENCY, before) is PricingCurve.GOVERNMENT
    assert curve(SupplyMode.DIRECT, after) is PricingCurve.MARKET
    for mode in (SupplyMode.AGENCY, SupplyMode.RETAIL, SupplyMode.GUARANTEED):
        with pytest.raises(LibraryError):
            curve(mode, after)
    confirmed = shipped_library(confirmed=frozenset({"national/market-rules-2026/tou_regime/AGENCY"}))
    agency = pricing_rule(confirmed, province="hubei", day=after, supply_mode=SupplyMode.AGENCY)
    assert agency.curve is PricingCurve.GOVERNMENT


def test_supply_modes_that_overlap_are_refused() -> None:
    def period(mode: SupplyMode, start: str, end: str | None) -> SupplyPeriod:
        until = None if end is None else date.fromisoformat(end)
        return SupplyPeriod(mode, Period(date.fromisoformat(start), until))

    agency = period(SupplyMode.AGENCY, "2026-01-01", "2026-03-01")
    direct = period(SupplyMode.DIRECT, "2026-03-01", None)
    modes = [supply_mode_on([direct, agency], date(2026, month, 1), metering_point="M1") for month in (2, 3)]
    assert modes == [SupplyMode.AGENCY, SupplyMode.DIRECT]
    early = period(SupplyMode.RETAIL, "2026-02-28", None)
    with pytest.raises(SupplyModeError, match="row 2 on 2026-02-28: M1 is supplied by AGENCY and RETAIL"):
        supply_mode_on([agency, early], date(2026, 1, 1), metering_point="M1")
    with pytest.raises(SupplyModeError, match="row 2 on 2025-12-31"):
        supply_mode_on([agency], date(2025, 12, 31), metering_point="M1")


@given(
    values=st.lists(st.integers(-3, 9), min_size=5, max_size=5),
    mask=st.integers(0, 31),
    factor=st.integers(0, 3_000_000),
)
def test_a_period_price_is_its_components_within_one_rounding(values: list[int], mask: int, factor: int) -> None:
    prices, floating = ComponentPrices(*values), Component(mask)
    found = period_price_uyuan_per_kwh(prices, floating=floating, factor_ppm=factor)
    exact = sum(
        value * (factor if component in floating else 1_000_000) for component, value in prices.by_component().items()
    )
    assert abs(2 * (found * 1_000_000 - exact)) <= 1_000_000
    assert period_price_uyuan_per_kwh(prices, floating=floating, factor_ppm=1_000_000) == sum(values)
