"""A county's month in columns against the one-bill path, point by point and line by line."""

from dataclasses import replace
from datetime import timedelta
from types import ModuleType

import numpy as np
import pytest

from edge.contract.registry import SupplyMode, UserCategory
from hub.settlement.bills.bill import BillComponent, BillError, LinePosting
from hub.settlement.bills.bill_case import ChargeRow, CorrectionRow
from hub.settlement.bills.checks import check_bill, check_bills
from hub.settlement.bills.issue import bill_of_case
from hub.settlement.county_month.checks import check_county_month
from hub.settlement.county_month.month_energy import MonthEnergyCount
from hub.settlement.county_month.point_bills import bill_of_point, case_of_point, check_point_bill
from hub.settlement.county_month.points import NONE, CountyMonthError, Election
from hub.settlement.county_month.settle_month import settle_county_month
from hub.settlement.county_month.settled_month import COMPONENTS, PERIODS, POSTINGS
from hub.settlement.prices import ParameterError
from hub.settlement.provinces.keys import PeriodKind
from hub.settlement.provinces.library import LibraryError
from hub.settlement.rule_lines import QuantityUnit

N_POINTS = 43
HASH = "0" * 64


def further_charges(points):
    """Charges and corrections of single points: as columns they are rows."""
    green = ChargeRow(
        component=BillComponent.GREEN, payee="green", rule_version="green-1", quantity=5_000,
        unit=QuantityUnit.WATT_HOUR, amount_nano_yuan=123_456_789,
    )  # fmt: skip
    contract = replace_row(green, component=BillComponent.ENERGY, payee="seller", amount_nano_yuan=-77_777_777_777)
    before = replace_row(green, component=BillComponent.NETWORK, payee="D_net", amount_nano_yuan=5_004_999)
    after = replace_row(before, amount_nano_yuan=9_995_001)
    direct = int(np.flatnonzero(points.price_zone != NONE)[0])
    return replace(
        points,
        traded={direct: (contract,)},
        charges={2: (green,), direct: (green,)},
        corrections={
            3: (CorrectionRow(bill_id="B", line=1, reason="late", reversed_charge=before, restated_charge=after),)
        },
    )


def replace_row(row: ChargeRow, **given: object) -> ChargeRow:
    return type(row)(**({name: getattr(row, name) for name in row.__struct_fields__} | given))


@pytest.fixture(scope="module")
def settled(county: ModuleType):
    held = county.library()
    made = county.made_up_county(1, N_POINTS, held=held)
    made = replace(made, points=further_charges(made.points))
    prices = county.class_months(made.points, held)
    energy = county.counted(made, prices)
    return made, prices, energy, settle_county_month(made.points, energy, prices, county.retail_prices())


def columns_of(month, point):
    lines = month.lines
    rows = np.flatnonzero(lines.point == point)
    return [
        (
            COMPONENTS[lines.component[row]], PERIODS[lines.period[row]], POSTINGS[lines.posting[row]],
            int(lines.quantity[row]), int(lines.price_uyuan[row]) if lines.is_priced[row] else None,
            int(lines.amount_nano_yuan[row]), int(lines.amount_fen[row]),
        )
        for row in rows.tolist()
    ]  # fmt: skip


def test_every_line_of_every_point_is_the_line_of_the_one_bill_path(settled, county: ModuleType) -> None:
    made, prices, energy, month = settled
    seen: set[tuple[SupplyMode, UserCategory]] = set()
    for point in range(N_POINTS):
        case = case_of_point(made.points, energy, point, meter_data_hash=HASH, retail=county.retail_prices())
        bill = bill_of_case(case, library=county.library())
        expected = [
            (
                one.component,
                one.period,
                one.posting,
                one.quantity,
                one.price_uyuan,
                one.amount_nano_yuan,
                one.amount_fen,
            )
            for one in bill.lines
        ]
        assert columns_of(month, point) == expected, case.bill_id
        assert not check_bill(bill)
        assert check_point_bill(month, point, bill) == []
        assert bill_of_point(case, made.points, point, prices) == bill
        seen.add((case.supply[0].supply_mode, case.category))
    assert len(seen) == 4


def test_energy_by_kind_is_that_of_the_calendar_interval_by_interval(settled, county: ModuleType) -> None:
    made, prices, energy, _ = settled
    for point in range(N_POINTS):
        of = prices[int(made.points.user_class[point])]
        by_kind = dict.fromkeys(PeriodKind, 0)
        priced = 0
        for number, (day, price) in enumerate(zip(made.days, made.prices, strict=True)):
            for position in range(96):
                by_kind[PeriodKind(int(of.kinds[number, position]))] += int(day[position, point])
                zone = int(made.points.price_zone[point])
                priced += 0 if zone == NONE else int(day[position, point]) * int(price[zone, position])
        found = county.kinds_of(energy, point)
        if of.table is None:
            assert sum(found.values()) == sum(by_kind.values())
        else:
            assert found == by_kind
        assert int(energy.at_interval_prices_nano_yuan[point]) == priced
        assert int(energy.demand_w[point]) == 4 * max(int(day[:, point].max()) for day in made.days)


def test_bills_and_rounding_sum_to_the_ledger_and_the_ledger_to_zero(settled, county: ModuleType) -> None:
    made, prices, energy, month = settled
    assert check_county_month(month) == []
    bills = [
        bill_of_point(
            case_of_point(made.points, energy, point, meter_data_hash=HASH, retail=county.retail_prices()),
            made.points, point, prices,
        )
        for point in range(N_POINTS)
    ]  # fmt: skip
    assert check_bills(bills, month.ledger_nano_yuan()) == []
    booked: dict[str, int] = {}
    for bill in bills:
        for posting in bill.postings:
            booked[posting.to_account] = booked.get(posting.to_account, 0) + posting.amount_nano_yuan
    assert booked == dict(month.received_nano_yuan)
    assert month.rounding_account_nano_yuan == -sum(bill.rounding_nano_yuan for bill in bills) != 0
    network = month.component_nano_yuan(BillComponent.NETWORK)
    for point, bill in enumerate(bills):
        lines = [one.amount_nano_yuan for one in bill.lines if one.component is BillComponent.NETWORK]
        assert int(network[point]) == sum(lines)


@pytest.mark.parametrize("column", ["amount_nano_yuan", "amount_fen"])
def test_a_changed_line_breaks_a_law(settled, column: str) -> None:
    month = settled[3]
    changed = np.array(getattr(month.lines, column))
    changed[17] += 1
    assert check_county_month(replace(month, lines=replace(month.lines, **{column: changed})))


def test_a_payee_that_receives_less_breaks_a_law(settled) -> None:
    month = settled[3]
    received = dict(month.received_nano_yuan)
    received["D_net"] -= 1
    assert [one.law for one in check_county_month(replace(month, received_nano_yuan=received))] == [6, 6]


def test_corrections_are_a_reversal_and_what_replaces_it(settled) -> None:
    month = settled[3]
    rows = [row for row in columns_of(month, 3) if row[2] is not LinePosting.CHARGE]
    assert [(row[2], row[5], row[6]) for row in rows] == [
        (LinePosting.REVERSAL, -5_004_999, -1),
        (LinePosting.RESTATED, 9_995_001, 1),
    ]


@pytest.fixture
def small(county: ModuleType):
    held = county.library()
    made = county.made_up_county(2, 10, held=held)
    return made, county.class_months(made.points, held)


def test_a_negative_energy_is_refused_with_day_interval_and_point(small, county: ModuleType) -> None:
    made, prices = small
    count = MonthEnergyCount(made.points, prices, county.MONTH)
    day = made.days[0].copy()
    day[7, 2] = -1
    with pytest.raises(
        CountyMonthError, match=r"row 189 on 2026-01-01, interval 7: M0002 has -1 Wh, which is negative"
    ):
        count.add_day(county.MONTH, day, made.prices[0])


def test_an_energy_that_leaves_64_bits_in_a_month_is_refused(small, county: ModuleType) -> None:
    made, prices = small
    count = MonthEnergyCount(made.points, prices, county.MONTH)
    day = made.days[0].copy()
    day[0, 9] = 2**62
    with pytest.raises(CountyMonthError, match="M0009 has 4611686018427387904 Wh, which leaves 64 bits"):
        count.add_day(county.MONTH, day, made.prices[0])


def test_energy_times_price_that_leaves_64_bits_is_refused(small, county: ModuleType) -> None:
    made, prices = small
    county_of_giants = replace(made, days=tuple(day * 10**8 for day in made.days))
    with pytest.raises(CountyMonthError, match=r"row 189 on 2026-01-01: the energy of M0004 times its prices"):
        county.counted(county_of_giants, prices)
    no_zones = replace(made.points, price_zone=np.full(10, NONE))
    energy = county.counted(replace(county_of_giants, points=no_zones), prices)
    with pytest.raises(CountyMonthError, match="row 189 on 2026-01: guaranteed of M0000 leaves 64 bits"):
        settle_county_month(no_zones, energy, prices, county.retail_prices())


def test_each_day_comes_once_and_none_is_left_out(small, county: ModuleType) -> None:
    made, prices = small
    count = MonthEnergyCount(made.points, prices, county.MONTH)
    with pytest.raises(CountyMonthError, match="row 188 on 2026-01-01: 2026-01-02 came instead"):
        count.add_day(county.MONTH + timedelta(days=1), made.days[0], made.prices[0])
    count.add_day(county.MONTH, made.days[0], made.prices[0])
    with pytest.raises(CountyMonthError, match="2026-01-01 came instead"):
        count.add_day(county.MONTH, made.days[0], made.prices[0])
    with pytest.raises(CountyMonthError, match="row 188 on 2026-01-02: no metered energy"):
        count.close()


def test_direct_users_need_interval_prices(small, county: ModuleType) -> None:
    made, prices = small
    with pytest.raises(CountyMonthError, match="row 52 on 2026-01-01: no interval prices"):
        MonthEnergyCount(made.points, prices, county.MONTH).add_day(county.MONTH, made.days[0])


REFUSED = {
    ("package", 1, 0): "row 2: M0001 is supplied by AGENCY and has a retail package",
    ("price_zone", 5, 1): "row 2: M0005 is supplied by RETAIL and has interval prices",
    ("package", 5, NONE): "row 94 on 2026-01: no energy price of M0005, supplied by RETAIL",
    ("price_zone", 4, NONE): "row 94 on 2026-01: no energy price of M0004, supplied by DIRECT",
    ("election", 1, Election.DEMAND): "row 101 on 2026-01: M0001 has an election",
    ("election", 2, Election.NONE): "row 101 on 2026-01: no election or capacity of M0002",
    ("capacity_va", 2, 50_000): "row 101 on 2026-01: M0002 has 50000 VA and no TWO_PART tariff",
}


@pytest.mark.parametrize("changed", REFUSED, ids=lambda one: f"{one[0]} of {one[1]}")
def test_a_point_without_what_its_bill_needs_is_named(small, county: ModuleType, changed) -> None:
    made, prices = small
    column, point, value = changed
    values = np.array(getattr(made.points, column))
    values[point] = value
    points = replace(made.points, **{column: values})
    energy = county.counted(replace(made, points=points), prices)
    with pytest.raises((CountyMonthError, BillError), match=REFUSED[changed]):
        settle_county_month(points, energy, prices, county.retail_prices())


def test_a_month_without_its_table_and_a_package_without_its_price_are_refused(small, county: ModuleType) -> None:
    made, prices = small
    energy = county.counted(made, prices)
    with pytest.raises(CountyMonthError, match="row 80: load the publications of spot-mean"):
        settle_county_month(made.points, energy, prices)
    march = county.MONTH.replace(month=3)
    later = [replace(one, month=march) for one in prices]
    with pytest.raises((LibraryError, ParameterError), match="on 2026-03-01: no version of"):
        MonthEnergyCount(made.points, later, march)


def test_a_negative_demand_is_refused(small, county: ModuleType) -> None:
    made, prices = small
    energy = county.counted(made, prices)
    demand = np.array(energy.demand_w)
    demand[3] = -5
    with pytest.raises(CountyMonthError, match="row 103 on 2026-01: the demand of M0003 is -5 W, which is negative"):
        settle_county_month(made.points, replace(energy, demand_w=demand), prices, county.retail_prices())
