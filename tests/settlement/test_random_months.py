"""Laws 5 to 7 on random months: intervals with all legs, corrections, bills of every kind of user, carried accounts."""

import importlib.util
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge.contract.interval import first_interval_of_day
from edge.contract.registry import SupplyMode
from hub.market.network_fee import LevelCostReading
from hub.market.pro_rata import largest_remainder_of_list
from hub.market.trades import Party
from hub.settlement.agency.pool_price import PoolMonth, check_pool, settle_pool_month
from hub.settlement.bills.bill import BillComponent
from hub.settlement.bills.checks import check_bill, check_bills
from hub.settlement.bills.class_month import ClassMonth
from hub.settlement.bills.corrections import correction_rows
from hub.settlement.county_month.checks import check_county_month
from hub.settlement.county_month.month_energy import MonthEnergy, MonthEnergyCount
from hub.settlement.county_month.point_bills import bill_of_point, case_of_point, check_point_bill
from hub.settlement.county_month.points import NONE, BillingPoints, Election, class_positions
from hub.settlement.county_month.settle_month import settle_county_month
from hub.settlement.county_month.settled_month import CountyMonth
from hub.settlement.exact_shares import PPM
from hub.settlement.inputs import MeteredEnergy, MeteringStanding, Sale, SettlementInputs, Supply
from hub.settlement.interval_settlement import IntervalSettlement, settle_interval
from hub.settlement.ledger import post_transfers
from hub.settlement.money import NANO_YUAN_PER_FEN
from hub.settlement.month import check_month, check_wires_apart, close_month, month_of_accounts
from hub.settlement.provinces.keys import PeriodKind
from hub.settlement.resettlement import BookedBatch, Resettled, check_recomputed, check_resettlement, resettle
from hub.settlement.tariffs.pass_through import check_pass_through, close_pass_through, next_pass_through
from hub.settlement.tariffs.system_operation import allocated_fees_nano_yuan
from hub.settlement.transfers import TransferKind

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


def sibling(name: str, path: str) -> ModuleType:
    """A module beside this one, once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
    return sys.modules[name]


laws = sibling("settlement_laws", "test_laws.py")
made_up = sibling("made_up_county", "county_month/made_up_county.py")

# --- intervals ------------------------------------------------------------------------------------------------------

FIRST = first_interval_of_day(date(2026, 6, 1))
JUNE, JULY, JULY_9 = 202606, 202607, date(2026, 7, 9)
PARTICIPANTS = laws.ACCOUNTS
"""Every drawn county has at most so many accounts."""


def at_interval(inputs: SettlementInputs, interval: int) -> SettlementInputs:
    """The county in an interval of the month."""
    sessions = tuple(replace(one, orders=replace(one.orders, interval=interval)) for one in inputs.sessions)
    return replace(inputs, interval=interval, accounts=PARTICIPANTS, sessions=sessions)


def with_reading(inputs: SettlementInputs, reading: LevelCostReading) -> SettlementInputs:
    """The county with g(n) of a reading, its own class's tariff or that of the level above, and its trades' fees."""
    tariff = inputs.parameters.network_tariff_uyuan_per_kwh
    own = np.array([int(np.flatnonzero(tariff == one)[0]) for one in inputs.unit_tariff_uyuan_per_kwh], np.int64)
    unit_tariff = tariff[np.minimum(own + int(reading is LevelCostReading.LEVEL_ABOVE), tariff.size - 1)]
    sessions = []
    for one in inputs.sessions:
        pairs, orders = one.pairs, one.orders
        is_direct = (orders.party[pairs.buyer] == Party.DIRECT) & (orders.party[pairs.seller] == Party.DIRECT)
        full = tariff[inputs.standing.voltage_class[orders.meter[pairs.buyer]]]
        fee = np.where(is_direct, np.maximum(full - unit_tariff[pairs.apex], 0), pairs.network_charge_uyuan_per_kwh)
        sessions.append(replace(one, pairs=replace(pairs, network_charge_uyuan_per_kwh=fee)))
    return replace(inputs, unit_tariff_uyuan_per_kwh=unit_tariff, sessions=tuple(sessions))


@st.composite
def months(draw: st.DrawFn) -> list[SettlementInputs]:
    """Some intervals of June, each with a county of its own, and the reading of the network fee that holds."""
    reading = draw(st.sampled_from(list(LevelCostReading)))
    found = []
    for number, inputs in enumerate(draw(st.lists(laws.counties(), min_size=1, max_size=4))):
        interval = FIRST + number * draw(st.sampled_from([1, 96]))
        found.append(with_reading(at_interval(inputs, interval), reading))
    return found


def booked(settled: Sequence[IntervalSettlement]) -> list[BookedBatch]:
    """What June books."""
    return [
        BookedBatch(
            post_transfers(one.transfers, batch_id=f"settle/{number}", interval=one.interval, input_hash="first"), JUNE
        )
        for number, one in enumerate(settled)
    ]


def only_once_each(drawn: list[SettlementInputs]) -> list[SettlementInputs]:
    return list({one.interval: one for one in drawn}.values())


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(drawn=months(), later=st.lists(laws.counties(), min_size=1, max_size=3))
def test_a_month_of_intervals_closes_to_zero_and_so_do_its_corrections(
    drawn: list[SettlementInputs], later: list[SettlementInputs]
) -> None:
    drawn = only_once_each(drawn)
    settled = [settle_interval(one) for one in drawn]
    # Among the violations: both forms of deviation differ, or an account is not what was computed on its own.
    assert all(one.violations == () for one in settled)
    june = booked(settled)
    independent = month_of_accounts([one.independent_nano_yuan for one in settled], len(PARTICIPANTS))
    closed = close_month(JUNE, june, PARTICIPANTS)
    assert check_month(closed, independent, PARTICIPANTS) == []
    assert check_wires_apart(june, JUNE, PARTICIPANTS) == []
    books, standing = list(june), [one.batch for one in june]
    differences = [0] * len(PARTICIPANTS)
    for number, inputs in enumerate(later):
        at = number % len(settled)
        again = settle_interval(at_interval(inputs, settled[at].interval))
        outcome = resettle(
            books, again.transfers, interval=settled[at].interval, input_hash="again", posting_day=JULY_9,
            closed_through=JUNE, look_back_months=6,
        )  # fmt: skip
        if isinstance(outcome, Resettled):
            books += [outcome.reversal, outcome.replacement]
            standing[at] = outcome.replacement.batch
            for line in outcome.lines:
                differences[line.account] += line.amount_nano_yuan
    assert close_month(JUNE, books, PARTICIPANTS) == closed
    assert check_resettlement(june, books, closed_through=JUNE, n_accounts=len(PARTICIPANTS)) == []
    assert check_recomputed(books, standing, len(PARTICIPANTS)) == []
    assert check_month(close_month(JULY, books, PARTICIPANTS), differences, PARTICIPANTS) == []


def network_by_hand(inputs: SettlementInputs) -> tuple[list[int], int]:
    """What each direct user pays for the network, and what D_sup passes on for captive ones: row by row, nano-yuan.

    w = max(0, T(V_user) - g(apex)), g by the reading, on what mode 1 trades cover, T(V_user) on the rest; a captive
    user's import at T(V_user), but for the part that mode 2 serves (rows 24, 28, 97; outside rules, section 1).
    """
    tariff = inputs.parameters.network_tariff_uyuan_per_kwh.tolist()
    standing, import_wh = inputs.standing, np.where(inputs.standing.is_market, inputs.metered.import_wh, 0).tolist()
    traded: dict[int, dict[int, int]] = {}
    for session in inputs.sessions:
        orders, pairs = session.orders, session.pairs
        for seller, buyer, apex, wh in zip(pairs.seller, pairs.buyer, pairs.apex, pairs.energy_wh, strict=True):
            if orders.party[seller] == orders.party[buyer] == Party.DIRECT:
                by_apex = traded.setdefault(int(orders.meter[buyer]), {})
                by_apex[int(apex)] = by_apex.get(int(apex), 0) + int(wh)
    paid, captive = [], [0] * len(tariff)
    for meter, (supply, level) in enumerate(
        zip(standing.supply.tolist(), standing.voltage_class.tolist(), strict=True)
    ):
        if supply in (Supply.AGENCY, Supply.GUARANTEED):
            captive[level] += import_wh[meter]
        apexes = sorted(traded.get(meter, {}))
        trades_wh = [traded[meter][apex] for apex in apexes]
        covered = min(sum(trades_wh), import_wh[meter])
        shares = largest_remainder_of_list(covered, trades_wh) if apexes else []
        fees = [max(0, tariff[level] - int(inputs.unit_tariff_uyuan_per_kwh[apex])) for apex in apexes]
        fee = sum(wh * one for wh, one in zip(shares, fees, strict=True)) + (import_wh[meter] - covered) * tariff[level]
        paid.append(fee if supply in (Supply.DIRECT, Supply.RETAIL) else 0)
    limits = zip(inputs.metered.export_wh.tolist(), inputs.setpoint_wh.tolist(), strict=True)
    payable = [min(wh, limit) if limit >= 0 else wh for wh, limit in limits]
    commission = (standing.sale == Sale.COMMISSION) & standing.is_market
    served = min(sum(wh for wh, is_sold in zip(payable, commission, strict=True) if is_sold), sum(captive))
    kept = largest_remainder_of_list(served, captive) if sum(captive) else captive
    return paid, sum((wh - less) * one for wh, less, one in zip(captive, kept, tariff, strict=True))


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(drawn=laws.counties(), reading=st.sampled_from(list(LevelCostReading)))
def test_the_network_and_the_losses_are_charged_once_on_every_wh(
    drawn: SettlementInputs, reading: LevelCostReading
) -> None:
    inputs = with_reading(at_interval(drawn, FIRST), reading)
    rows = settle_interval(inputs).transfers

    def charged(*kinds: TransferKind) -> list[int]:
        of = np.isin(rows.kind, kinds) & (rows.from_meter >= 0)
        found = np.zeros(len(inputs.standing.meter_id), np.int64)
        np.add.at(found, rows.from_meter[of], rows.amount_nano_yuan[of])
        return [int(one) for one in found]

    paid, captive = network_by_hand(inputs)
    assert charged(TransferKind.NETWORK_COVERED, TransferKind.NETWORK_UNCOVERED) == paid
    assert int(rows.amount_nano_yuan[rows.kind == TransferKind.NETWORK_CAPTIVE].sum()) == captive
    used = np.where(inputs.standing.is_market & (inputs.standing.supply != Supply.NONE), inputs.metered.import_wh, 0)
    fee = inputs.parameters.loss_fee.value_uyuan_per_kwh
    assert charged(TransferKind.LOSS_FEE) == [wh * fee for wh in used.tolist()]
    lost = int(rows.amount_nano_yuan[rows.kind == TransferKind.MEASURED_LOSS].sum())
    assert lost == int(inputs.loss_wh.sum()) * inputs.prices.real_time_uyuan_per_kwh


def split_meter(inputs: SettlementInputs, meter: int, part_wh: int) -> SettlementInputs:
    """The county with part of one meter's import behind a second meter of the same user, unit and class."""
    standing, metered = inputs.standing, inputs.metered

    def longer(column: Any, value: Any = None) -> Any:
        return np.append(column, column[meter] if value is None else value).astype(column.dtype)

    import_wh, export_wh = longer(metered.import_wh, part_wh), longer(metered.export_wh, 0)
    import_wh[meter] -= part_wh
    return replace(
        inputs,
        standing=MeteringStanding(
            meter_id=(*standing.meter_id, "second"),
            unit=longer(standing.unit),
            supply=longer(standing.supply),
            sale=longer(standing.sale),
            voltage_class=longer(standing.voltage_class),
            account=longer(standing.account),
            is_market=longer(standing.is_market),
            retailer_account=longer(standing.retailer_account),
        ),
        metered=MeteredEnergy(import_wh, export_wh, longer(metered.substituted)),
        setpoint_wh=longer(inputs.setpoint_wh, -1),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(inputs=laws.counties(), share=st.integers(0, 12))
def test_an_interval_split_across_meters_moves_no_account(inputs: SettlementInputs, share: int) -> None:
    captive = np.isin(inputs.standing.supply, [Supply.AGENCY, Supply.GUARANTEED]) & inputs.standing.is_market
    once = settle_interval(inputs).ledger_nano_yuan.tolist()
    for meter in np.flatnonzero(captive).tolist():
        part = min(share, int(inputs.metered.import_wh[meter]))
        assert settle_interval(split_meter(inputs, meter, part)).ledger_nano_yuan.tolist() == once


# --- bills ----------------------------------------------------------------------------------------------------------

LIBRARY = made_up.library()
CLASSES, CLASS_OF_KIND = class_positions(LIBRARY, [one for _, one in made_up.KINDS])
PRICES = [ClassMonth(LIBRARY, made_up.MONTH, one) for one in CLASSES]
NAMES = [name for name, _ in made_up.KINDS]
ELECTIONS = {"works": Election.CAPACITY, "works by demand": Election.DEMAND, "direct": Election.DEMAND}
# No charge that grows with capacity or demand, and no package that is more than energy times price.
SPLITTABLE = [
    NAMES.index(name) for name in ("resident", "shop", *(f"retail {number}" for number in (0, 1, 2, 5, 6, 7)))
]
Energies = dict[tuple[int, int, int], int]


def points_of(kinds: Sequence[int]) -> BillingPoints:
    """Points of these kinds of user; each is named by its position."""
    return BillingPoints(
        metering_point=tuple(f"M{number}" for number in range(len(kinds))),
        user_id=tuple(f"U{number}" for number in range(len(kinds))),
        user_class=np.array([CLASS_OF_KIND[kind] for kind in kinds], np.int64),
        classes=CLASSES,
        election=np.array([ELECTIONS.get(NAMES[kind], Election.NONE) for kind in kinds], np.int8),
        capacity_va=np.array([made_up.KINDS[kind][1].capacity_va for kind in kinds], np.int64),
        price_zone=np.array([0 if NAMES[kind] == "direct" else NONE for kind in kinds], np.int64),
        package=np.array([int(NAMES[kind][-1]) if "retail" in NAMES[kind] else NONE for kind in kinds], np.int64),
        packages=made_up.packages(),
    )


def counted(points: BillingPoints, energies: Energies, price: int) -> MonthEnergy:
    """The month with these energies, (day, interval, point) -> Wh, and none elsewhere; one price, and its negative."""
    count = MonthEnergyCount(points, PRICES, made_up.MONTH, price_version="zone")
    prices = np.where(np.arange(96) % 2, price, -price).astype(np.int64)[np.newaxis]
    for number in range(made_up.N_DAYS):
        day = np.zeros((96, len(points)), np.int64)
        for (on, interval, point), wh in energies.items():
            if on == number:
                day[interval, point] += wh
        count.add_day(made_up.MONTH + timedelta(days=number), day, prices)
    return count.close()


@st.composite
def billed_months(draw: st.DrawFn, kinds: Sequence[int] = range(len(NAMES))) -> tuple[list[int], Energies, int]:
    """Kinds of users, energies of some intervals in small and large units, and an interval price."""
    chosen = draw(st.lists(st.sampled_from(list(kinds)), min_size=1, max_size=5))
    keys = st.tuples(st.integers(0, 30), st.integers(0, 95), st.integers(0, len(chosen) - 1))
    amounts = st.one_of(st.integers(0, 12), st.integers(0, 50_000))
    return chosen, draw(st.dictionaries(keys, amounts, max_size=14)), draw(st.integers(-3, 800_000))


def settled(kinds: Sequence[int], energies: Energies, price: int) -> tuple[CountyMonth, MonthEnergy]:
    points = points_of(kinds)
    energy = counted(points, energies, price)
    return settle_county_month(points, energy, PRICES, made_up.retail_prices()), energy


def bills_of(month: CountyMonth, energy: MonthEnergy) -> list[Any]:
    points, retail = month.points, made_up.retail_prices()
    cases = [
        case_of_point(points, energy, point, meter_data_hash="0" * 64, retail=retail) for point in range(len(points))
    ]
    return [bill_of_point(case, points, point, PRICES) for point, case in enumerate(cases)]


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(drawn=billed_months())
def test_lines_sum_to_bills_bills_to_the_ledger_and_all_accounts_to_zero(drawn: Any) -> None:
    month, energy = settled(*drawn)
    assert check_county_month(month) == []
    bills = bills_of(month, energy)
    for point, bill in enumerate(bills):
        assert check_bill(bill) == []
        assert check_point_bill(month, point, bill) == []
    ledger = month.ledger_nano_yuan()
    assert check_bills(bills, ledger) == []
    assert sum(ledger.values()) == 0
    assert ledger["rounding"] == month.rounding_account_nano_yuan


FACTOR_PPM = {"SHARP": 2_040_000, "PEAK": 1_700_000, "FLAT": PPM, "VALLEY": 450_000, "DEEP_VALLEY": 200_000}
NETWORK_UYUAN = {"<1kV": 210_307, "10(20)kV": 190_303, "35kV": 106_501}
LOSS_UYUAN = 13_643
"""The made-up province's table: network tariffs of these classes, the loss fee, and how periods shape the latter."""


BY_COMPONENT = [kind for kind in range(len(NAMES)) if NAMES[kind] not in ("resident", "works")]
ALL_DAY = {(5, interval, point): 1_001 + interval for interval in range(0, 96, 3) for point in range(len(BY_COMPONENT))}
"""A workday on which each of them takes energy in every period."""


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@example(drawn=(BY_COMPONENT, ALL_DAY, 400_000))
@given(drawn=billed_months(BY_COMPONENT))
def test_network_losses_and_packages_are_what_they_are_by_hand(drawn: Any) -> None:
    month, energy = settled(*drawn)
    shown = {
        component: month.component_nano_yuan(component).tolist()
        for component in (BillComponent.NETWORK, BillComponent.LOSS, BillComponent.ENERGY)
    }
    for point, kind in enumerate(drawn[0]):
        wh = {one.name: int(energy.by_kind_wh[one, point]) for one in PeriodKind}
        of = made_up.KINDS[kind][1]
        network = 126_309 if NAMES[kind] == "works by demand" else NETWORK_UYUAN[of.voltage_class]
        assert shown[BillComponent.NETWORK][point] == sum(wh.values()) * network
        loss = {name: half_up(Fraction(LOSS_UYUAN * factor, PPM)) for name, factor in FACTOR_PPM.items()}
        assert shown[BillComponent.LOSS][point] == sum(one * loss[name] for name, one in wh.items())
        price = package_price_by_hand(NAMES[kind])
        if price is not None:
            assert shown[BillComponent.ENERGY][point] == sum(one * price[name] for name, one in wh.items())


def package_price_by_hand(name: str) -> dict[str, int] | None:
    """The price by period of the packages that follow the retailer's own mean: rows 79 and 89, in fractions."""
    mean = made_up.WHOLESALE_MEAN_UYUAN_PER_KWH
    flat = {"retail 5": Fraction(mean + 4_321),
            "retail 6": 401_002 - Fraction(333_333, PPM) * (401_002 - mean),
            "retail 7": 385_000 - Fraction(700_001, PPM) * (385_000 - mean)}.get(name)  # fmt: skip
    if flat is None:
        return None
    factor = {"PEAK": 1_300_001, "DEEP_VALLEY": 250_000} if name == "retail 7" else {}
    return {one.name: half_up(half_up(flat) * Fraction(factor.get(one.name, PPM), PPM)) for one in PeriodKind}


def half_up(value: Fraction) -> int:
    """Rounded once, half up."""
    return math.floor(value + Fraction(1, 2))


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(drawn=billed_months(), chance=st.randoms(use_true_random=False))
def test_the_order_of_metering_points_is_irrelevant(drawn: Any, chance: Any) -> None:
    kinds, energies, price = drawn
    order = list(range(len(kinds)))
    chance.shuffle(order)
    moved = {(day, interval, order.index(point)): wh for (day, interval, point), wh in energies.items()}
    once, _ = settled(kinds, energies, price)
    again, _ = settled([kinds[point] for point in order], moved, price)
    assert once.exact_nano_yuan[order].tolist() == again.exact_nano_yuan.tolist()
    assert once.total_fen[order].tolist() == again.total_fen.tolist()
    assert once.received_nano_yuan == again.received_nano_yuan


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(drawn=billed_months(SPLITTABLE), shares=st.lists(st.integers(0, 100), min_size=14, max_size=14))
def test_energy_split_across_meters_moves_no_more_than_the_rounding_account_prints(drawn: Any, shares: Any) -> None:
    kinds, energies, price = drawn
    halves: Energies = {}
    for ((day, interval, point), wh), share in zip(energies.items(), shares, strict=False):
        halves[day, interval, point] = wh - wh * share // 100
        halves[day, interval, point + len(kinds)] = wh * share // 100
    once, _ = settled(kinds, energies, price)
    again, _ = settled([*kinds, *kinds], halves, price)
    assert once.received_nano_yuan == again.received_nano_yuan
    billed = [sum(one.total_fen.tolist()) * NANO_YUAN_PER_FEN for one in (once, again)]
    assert billed[0] - once.rounding_account_nano_yuan == billed[1] - again.rounding_account_nano_yuan
    whole = again.exact_nano_yuan[: len(kinds)] + again.exact_nano_yuan[len(kinds) :]
    assert whole.tolist() == once.exact_nano_yuan.tolist()


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(drawn=billed_months(), late=st.integers(0, 40_000), day=st.integers(0, 30), interval=st.integers(0, 95))
def test_corrections_take_a_bill_to_what_it_should_have_been(drawn: Any, late: int, day: int, interval: int) -> None:
    kinds, energies, price = drawn
    before, before_energy = settled(kinds, energies, price)
    corrected, corrected_energy = settled(kinds, energies | {(day, interval, 0): late}, price)
    old, new = bills_of(before, before_energy)[0], bills_of(corrected, corrected_energy)[0]
    rows = correction_rows(old, new, reason="late data")
    points = replace(before.points, corrections={0: rows})
    month = settle_county_month(points, before_energy, PRICES, made_up.retail_prices())
    assert check_county_month(month) == []
    bills = bills_of(month, before_energy)
    assert check_bills(bills, month.ledger_nano_yuan()) == []
    # On top of the month's own charges stands exactly what was missing, for the user and for each payee.
    assert bills[0].exact_nano_yuan == new.exact_nano_yuan
    for payee in {*before.received_nano_yuan, *corrected.received_nano_yuan, *month.received_nano_yuan}:
        assert month.received_nano_yuan.get(payee, 0) == corrected.received_nano_yuan.get(payee, 0)


# --- carried accounts -----------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(
    collected=st.lists(billed_months(), min_size=1, max_size=3),
    remitted=st.lists(st.integers(-5, 10**12), min_size=3, max_size=3),
    carried=st.integers(-9, 9),
)
def test_system_operation_funds_and_losses_earn_nothing(collected: Any, remitted: list[int], carried: int) -> None:
    settled_months = [settled(*one)[0] for one in collected]
    for item, payee in (("system", "system-items"), ("funds", "government-funds"), ("loss", "loss_fund")):
        takes = [month.received_nano_yuan.get(payee, 0) for month in settled_months]
        months = [
            close_pass_through(
                item, made_up.MONTH, carried_in_nano_yuan=carried, collected_nano_yuan=takes[0],
                remitted_nano_yuan=remitted[0],
            )
        ]  # fmt: skip
        for take, remit in zip(takes[1:], remitted[1:], strict=False):
            months.append(next_pass_through(months[-1], collected_nano_yuan=take, remitted_nano_yuan=remit))
        assert check_pass_through(months) == []
        assert months[-1].carried_out_nano_yuan == carried + sum(takes) - sum(remitted[: len(takes)])
        for month, take in zip(settled_months, takes, strict=True):
            component = {"system": BillComponent.SYSTEM, "funds": BillComponent.FUNDS, "loss": BillComponent.LOSS}[item]
            shown = int(month.component_nano_yuan(component).sum())
            periods = month.component_nano_yuan(BillComponent.PERIOD).any()
            assert shown == take or periods
    commercial = [int(month.energy_wh.sum()) for month in settled_months]
    if any(commercial):
        assert sum(allocated_fees_nano_yuan(remitted[0], commercial)) == remitted[0]


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(
    used=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    costs=st.lists(st.integers(-9, 999), min_size=4, max_size=4),
    forecast=st.integers(1, 9),
    price=st.integers(-3, 9),
    carried=st.integers(-20, 20),
)
def test_the_agency_pool_carries_what_it_collects_too_little_or_too_much(
    used: list[int], costs: list[int], forecast: int, price: int, carried: int
) -> None:
    months, done = [], []
    for number, (wh, cost) in enumerate(zip(used, costs, strict=False)):
        carry_in = carried if not done else done[-1].carry_out_nano_yuan
        months.append(
            PoolMonth(
                month=202601 + number, purchases=((forecast, price),), forecast_wh=forecast,
                carry_in_nano_yuan=carry_in, metered_wh=wh, cost_nano_yuan=cost,
            )
        )  # fmt: skip
        done.append(settle_pool_month(months[-1]))
    assert check_pool(months, done) == []
    collected = sum(one.collected_nano_yuan for one in done)
    assert carried + sum(costs[: len(used)]) == collected + done[-1].carry_out_nano_yuan


@pytest.mark.parametrize("kind", range(len(NAMES)), ids=NAMES)
def test_each_kind_of_user_is_in_the_random_months(kind: int) -> None:
    month, energy = settled([kind], {(3, 50, 0): 7_777}, 412_345)
    (bill,) = bills_of(month, energy)
    assert bill.energy_wh == 7_777
    assert bill.exact_nano_yuan != 0
    mode = made_up.KINDS[kind][1].supply_mode
    assert bill.head.supply_mode is mode
    assert (mode is SupplyMode.RETAIL) == ("retailer" in month.received_nano_yuan)
