"""Network fee of a trade in both readings, what the wires earn, and losses: rows 106, 107, 110 to 112."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.market.network_fee import LevelCostReading
from hub.settlement.loss import LossRateConvention, upstream_loss_price_uyuan_per_kwh
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.documents import decode_province
from hub.settlement.provinces.library import Library, LibraryError, build_library
from hub.settlement.tariffs.loss_rates import (
    AreaEnergy,
    LossAlert,
    implied_loss_rate_ppm,
    loss_rates,
    upstream_loss_fee,
)
from hub.settlement.tariffs.network_income import (
    CostCategory,
    CostPosting,
    NetworkUse,
    excluded_costs,
    voltage_difference_income_nano_yuan,
)
from hub.settlement.tariffs.network_price import RangeEquality, TradeFeeError, range_levels_up, trade_fee
from hub.settlement.tariffs.pass_through import check_pass_through, close_pass_through, next_pass_through

RowCase = Callable[[str], tuple[Any, Any]]


def hubei_tariff(library: Library) -> dict[str, int]:
    loaded = library.values_by(
        "voltage_class",
        ProvincialParameter.NETWORK_TARIFF,
        province="hubei",
        day=date(2026, 1, 15),
        tariff_type="TWO_PART",
    )
    return {name: one.value for name, one in loaded.items()}


def test_network_fee_in_both_readings_is_the_table_of_outside_rules_1(
    library: Library, golden_case: Callable[[str], dict[str, Any]]
) -> None:
    case = golden_case("settlement/outside-1")
    tariff = hubei_tariff(library)
    assert tariff == case["given"]["tariff"]
    for row in case["expected"]:
        trade = {"user_class": row["user"], "highest_class": row["highest"], "tariff_uyuan_per_kwh": tariff}
        literal = [trade_fee(**trade, levels_up=k, reading=LevelCostReading.LITERAL) for k in (0, 1)]
        above = trade_fee(**trade, levels_up=0, reading=LevelCostReading.LEVEL_ABOVE)
        assert [one.fee_uyuan_per_kwh for one in literal] == [row["literal_k0"], row["literal_k1"]]
        assert above.fee_uyuan_per_kwh == row["literal_k1"]
        assert above.rule_version != literal[0].rule_version
        if row["level_above_k1"] is None:
            with pytest.raises(TradeFeeError, match="beyond 220kV"):
                trade_fee(**trade, levels_up=1, reading=LevelCostReading.LEVEL_ABOVE)
        else:
            fee = trade_fee(**trade, levels_up=1, reading=LevelCostReading.LEVEL_ABOVE)
            assert fee.fee_uyuan_per_kwh == row["level_above_k1"]
            assert fee.levels_up == 1


def test_a_fee_is_never_negative_and_needs_its_tariffs(library: Library) -> None:
    tariff = hubei_tariff(library)
    down = trade_fee(
        user_class="110kV",
        highest_class="10(20)kV",
        levels_up=0,
        reading=LevelCostReading.LITERAL,
        tariff_uyuan_per_kwh=tariff,
    )
    assert down.fee_uyuan_per_kwh == 0
    with pytest.raises(TradeFeeError, match="no network tariff of <1kV"):
        trade_fee(
            user_class="<1kV",
            highest_class="10(20)kV",
            levels_up=0,
            reading=LevelCostReading.LITERAL,
            tariff_uyuan_per_kwh=tariff,
        )


def test_the_range_rule_leaves_equality_to_a_parameter() -> None:
    assert [range_levels_up(generation_w=w, average_load_w=100) for w in (99, 101)] == [0, 1]
    with pytest.raises(TradeFeeError, match="dg_range_equality"):
        range_levels_up(generation_w=100, average_load_w=100)
    equal = [range_levels_up(generation_w=100, average_load_w=100, equality=one) for one in RangeEquality]
    assert equal == [0, 1]


def test_row_106_excluded_costs_raise_an_alert(row_case: RowCase) -> None:
    case, expected = row_case("TND-06")
    postings = [CostPosting(name, account, CostCategory(kind), 1) for name, account, kind in case["postings"]]
    assert [one.posting.posting_id for one in excluded_costs(postings)] == expected["alerts"]


def test_row_107_voltage_difference_income(row_case: RowCase) -> None:
    case, expected = row_case("TND-07")
    users, gateway = [NetworkUse(*user) for user in case["users"]], NetworkUse(*case["gateway"])
    parts = [
        amount
        for use in (*users, gateway)
        for amount in (use.energy_wh * use.tariff_uyuan_per_kwh, use.basic_quantity * use.basic_price_uyuan)
    ]
    assert parts == expected["parts_nano_yuan"]
    assert voltage_difference_income_nano_yuan(users, gateway) == expected["income_nano_yuan"]


def province_of(*rows: dict[str, str]) -> Library:
    publication = {
        "publication_id": "a",
        "document": "No. 1",
        "source": "gazette",
        "mark": "source",
        "effective_from": "2026-01-01",
        "values": rows,
    }
    whole = {"province": "P", "voltage_classes": [], "publications": [publication]}
    return build_library([decode_province(msgspec.json.encode(whole))])


def test_row_110_both_conventions_and_the_implied_rate(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("LOSS-01")
    for convention, name in (
        (LossRateConvention.INPUT_BASED, "input_based"),
        (LossRateConvention.OUTPUT_BASED, "output_based"),
    ):
        fee = upstream_loss_price_uyuan_per_kwh(case["price"], case["rate"], convention)
        assert fee == expected[name]
        # the fee is rounded to 1e-6 yuan/kWh, so a rate comes back within 1e-6 / P
        assert abs(implied_loss_rate_ppm(fee, case["price"], convention) - case["rate"]) <= 2
    implied = implied_loss_rate_ppm(*case["published"], LossRateConvention.INPUT_BASED)
    assert implied == expected["implied_rate_ppm"]
    # Hubei publishes the fee; a province with a rate only needs its convention
    assert upstream_loss_fee(library, province="hubei", day=date(2026, 1, 15), energy_price_uyuan_per_kwh=1) == (
        13_643,
        ("hubei/agency-table-2026-01/upstream_loss",),
    )
    rate = {"parameter": "upstream_loss_rate", "value": "3.5", "unit": "%"}
    how = {"parameter": "loss_rate_convention", "value": "input-based", "unit": "word"}
    given_rate, given_both = province_of(rate), province_of(rate, how)
    price = {"province": "P", "day": date(2026, 1, 15), "energy_price_uyuan_per_kwh": case["price"]}
    assert upstream_loss_fee(given_both, **price)[0] == expected["input_based"]
    with pytest.raises(LibraryError, match="row 110 on 2026-01-15: no version of loss_rate_convention"):
        upstream_loss_fee(given_rate, **price)
    with pytest.raises(ValueError, match="row 110"):
        implied_loss_rate_ppm(1, 0, LossRateConvention.OUTPUT_BASED)


def test_row_111_the_loss_account_carries_its_residual(row_case: RowCase) -> None:
    case, expected = row_case("LOSS-02")
    fee, cost = case["load_wh"] * case["fee"], case["loss_wh"] * case["upstream"]
    assert (fee, cost) == (expected["fee_nano_yuan"], expected["cost_nano_yuan"])
    closed = close_pass_through(
        "loss", date(2026, 1, 1), carried_in_nano_yuan=0, collected_nano_yuan=fee, remitted_nano_yuan=cost
    )
    assert closed.carried_out_nano_yuan == expected["carried_nano_yuan"]
    following = next_pass_through(closed, collected_nano_yuan=0, remitted_nano_yuan=0)
    assert following.carried_in_nano_yuan == expected["carried_nano_yuan"]
    assert check_pass_through([closed, following]) == []


def test_row_112_measured_rates_and_outliers(row_case: RowCase) -> None:
    case, expected = row_case("LOSS-03")
    area = AreaEnergy("A", **case)
    areas = [
        area,
        AreaEnergy("B", 1_000, 0, 0, 70),
        AreaEnergy("C", 1_000, 0, 0, -1),
        AreaEnergy("D", 0, 500, 500, 3),
        AreaEnergy("E", 0, 0, 0, 0),
        AreaEnergy("F", 1_000, 0, 0, 60),
    ]
    found = {one.name: one for one in loss_rates(areas, published_ppm=35_000, tolerance_ppm=25_000)}
    assert found["A"].measured_ppm == expected["rate_ppm"]
    assert {name: one.alert for name, one in found.items()} == {
        "A": None,
        "B": LossAlert.ABOVE_PUBLISHED,
        "C": LossAlert.NEGATIVE,
        "D": LossAlert.NO_INFLOW,
        "E": None,
        "F": None,
    }


@given(months=st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=14))
def test_carries_telescope(months: list[tuple[int, int]]) -> None:
    closed = close_pass_through(
        "coal_capacity",
        date(2025, 11, 1),
        carried_in_nano_yuan=0,
        collected_nano_yuan=months[0][0],
        remitted_nano_yuan=months[0][1],
    )
    rows = [closed]
    for collected, remitted in months[1:]:
        rows.append(next_pass_through(rows[-1], collected_nano_yuan=collected, remitted_nano_yuan=remitted))
    assert check_pass_through(rows) == []
    assert rows[-1].carried_out_nano_yuan == sum(c for c, _ in months) - sum(r for _, r in months)
    assert len({row.month for row in rows}) == len(months)


def test_money_that_goes_nowhere_and_a_broken_carry_are_found() -> None:
    first = close_pass_through(
        "a", date(2026, 1, 1), carried_in_nano_yuan=0, collected_nano_yuan=5, remitted_nano_yuan=3
    )
    second = next_pass_through(first, collected_nano_yuan=1, remitted_nano_yuan=1)
    other = close_pass_through(
        "b", date(2026, 3, 1), carried_in_nano_yuan=9, collected_nano_yuan=0, remitted_nano_yuan=0
    )
    assert check_pass_through([first, other, second]) == []
    plugged = type(first)("a", date(2026, 2, 1), 0, 1, 1, 2)
    found = check_pass_through([first, plugged])
    assert [one.where for one in found] == ["a 2026-02", "a 2026-02"]
    skipped = type(first)("a", date(2026, 3, 1), 2, 0, 0, 2)
    assert "does not follow 2026-01" in check_pass_through([first, skipped])[0].what
