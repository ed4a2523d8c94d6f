"""The bill of a case: what is loaded for the month, what is charged, and the bill that it makes.

Sources: requirements rows 2, 65, 94, 96, 99, 101, 103, 165. What is missing is refused with the row, the date and what
to load; nothing is filled in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from edge.contract.registry import SupplyMode
from hub.market.registry.periods import Period, next_month
from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES, SystemAccount
from hub.settlement.bills.bill import Bill, BillComponent, BillError, BillHead, PriceSource, SystemFee
from hub.settlement.bills.bill_case import BillCase, ChargeRow, EnergyRow
from hub.settlement.bills.breakdown import component_amounts
from hub.settlement.bills.change import explain_change
from hub.settlement.bills.charges import (
    BillCharge,
    ChargedEnergy,
    agency_energy,
    capacity_charge,
    demand_charge,
    guaranteed_energy,
    market_energy,
)
from hub.settlement.bills.checks import check_bill
from hub.settlement.bills.class_month import ClassMonth, UserClass
from hub.settlement.bills.composition import Correction, compose_bill
from hub.settlement.bills.quantity_text import quantity_from_text
from hub.settlement.money import MoneyTextError
from hub.settlement.prices import ParameterError
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.keys import Component, PeriodKind, TariffType
from hub.settlement.provinces.library import Library
from hub.settlement.rule_lines import QuantityUnit, RuleLine
from hub.settlement.tariffs.basic_charge import BasicChargeError, BasicChargeMode, CapacityPeriod, allowed_tariff_types
from hub.settlement.tariffs.price_table import PriceTable
from hub.settlement.tariffs.tou_prices import TouPriceError
from hub.settlement.tariffs.tou_supply import SupplyPeriod, supply_mode_on
from hub.settlement.tariffs.user_price import PAYEE

_TRADED = (SupplyMode.DIRECT, SupplyMode.RETAIL)


@dataclass(frozen=True)
class _Month:
    """A case with what its texts say and what the library says of its class. energy: by kind, Wh."""

    case: BillCase
    prices: ClassMonth
    energy_by_kind_wh: Mapping[PeriodKind, int]
    capacities: tuple[CapacityPeriod, ...]

    @property
    def table(self) -> PriceTable | None:
        return self.prices.table

    @property
    def mode(self) -> SupplyMode:
        return self.prices.of.supply_mode

    @property
    def energy_wh(self) -> int:
        return sum(self.energy_by_kind_wh.values())

    @property
    def account_of(self) -> Mapping[Component, str]:
        """Return the account of each component's payee (row 94)."""
        return accounts_of_components(self.case.supplier)


def accounts_of_components(supplier: str) -> Mapping[Component, str]:
    """Return whom each component is paid to, energy to the supplier (row 94)."""
    own = {component: payee.value for component, payee in PAYEE.items()}
    loss_fund = SYSTEM_ACCOUNT_NAMES[SystemAccount.LOSS_FUND]
    return own | {Component.ENERGY: supplier, Component.LOSS: loss_fund}


def bill_of_case(
    case: BillCase,
    *,
    previous: Bill | None = None,
    library: Library | None = None,
    prices: ClassMonth | None = None,
) -> Bill:
    """Return the bill of a case; with the previous bill, also why it changed.

    :param library: what prices are looked up in, for many bills at once; None: the shipped profiles and the case's own
    :param prices: what was looked up before for the case's class and month; it goes before the library
    :raises BillError: if something is missing, overlaps or is out of range: row, date and what to load
    """
    try:
        bill = _bill_of_month(_month_of(case, library, prices))
        if previous is None:
            return bill
        restated = _energy_of(case, case.energy_under_previous_calendar) or None
        return replace(bill, change=explain_change(previous, bill, restated_wh=restated))
    except (ParameterError, BasicChargeError, TouPriceError, MoneyTextError, OverflowError) as error:
        raise BillError(f"bill {case.bill_id}: {error}") from None


def class_of_case(case: BillCase) -> UserClass:
    """Return the class of the case's user, by which its prices are looked up.

    :raises BillError: if the supply mode changes within the month
    :raises hub.settlement.prices.ParameterError: if supply modes overlap or none holds
    """
    if case.month.day != 1:
        raise BillError(f"row 99 on {case.month}: a bill's month is named by its first day; load that day")
    last = next_month(case.month) - timedelta(days=1)
    supply = [SupplyPeriod(one.supply_mode, Period(one.from_day, one.until_day)) for one in case.supply]
    mode = supply_mode_on(supply, case.month, metering_point=case.metering_point)
    if supply_mode_on(supply, last, metering_point=case.metering_point) is not mode:
        raise BillError(f"row 2 on {last}: the supply mode changes within the month; load one case for each part")
    capacity_va = max((one.capacity_va for one in _capacities_of(case)), default=0)
    return UserClass(
        province=case.province,
        category=case.category,
        voltage_class=case.voltage_class,
        tariff_type=case.tariff_type,
        user_class=case.user_class,
        capacity_va=capacity_va,
        supply_mode=mode,
    )


def _month_of(case: BillCase, library: Library | None, prices: ClassMonth | None) -> _Month:
    of = class_of_case(case)
    if prices is None:
        held = library or shipped_library(case.documents, confirmed=frozenset(case.confirmed))
        prices = ClassMonth(held, case.month, of)
    assert prices.month == case.month
    assert replace(prices.of, capacity_va=of.capacity_va) == of, "prices are those of the case's class"
    _ = prices.table  # a month without its table is refused before anything else
    return _Month(case, prices, _energy_of(case, case.energy), _capacities_of(case))


def _capacities_of(case: BillCase) -> tuple[CapacityPeriod, ...]:
    return tuple(
        CapacityPeriod(
            quantity_from_text(one.quantity, one.unit, QuantityUnit.VOLT_AMPERE),
            Period(one.from_day or case.month, one.until_day or next_month(case.month)),
        )
        for one in case.capacities
    )


def _energy_of(case: BillCase, rows: Sequence[EnergyRow]) -> dict[PeriodKind, int]:
    energy: dict[PeriodKind, int] = {}
    for row in rows:
        where = f"row 99 on {case.month:%Y-%m}: energy of {row.period}"
        if row.period not in PeriodKind.__members__:
            raise BillError(f"{where} is of no kind of period; load one of {', '.join(PeriodKind.__members__)}")
        kind = PeriodKind[row.period]
        if kind in energy:
            raise BillError(f"{where} stands twice; load each period once")
        energy[kind] = quantity_from_text(row.quantity, row.unit, QuantityUnit.WATT_HOUR)
        if energy[kind] < 0:
            raise BillError(f"{where} is {energy[kind]} Wh, which is negative; load the metered energy")
    return energy


def _bill_of_month(month: _Month) -> Bill:
    case, table = month.case, month.table
    calendar_versions = _calendar_versions(month)
    _check_tariff_type(month)
    energy = _energy_charges(month)
    others = [*_basic_charge(month), *(_charge(case, one) for one in case.charges)]
    corrections = [
        Correction(
            f"{one.bill_id}/{one.line}",
            one.reason,
            _charge(case, one.reversed_charge, is_correction=True),
            _charge(case, one.restated_charge, is_correction=True),
        )
        for one in case.corrections
    ]
    bill = compose_bill(
        _head(month, calendar_versions),
        [*energy.charges, *others],
        [*energy.postings, *(one.line for one in others)],
        energy_wh=month.energy_wh,
        components=component_amounts(energy, others, table, month.energy_wh),
        corrections=corrections,
        prices=_prices(month, [*energy.postings, *(one.line for one in others)]),
        system_fees=tuple(
            SystemFee(
                one.item,
                one.fee_nano_yuan,
                quantity_from_text(one.energy.quantity, one.energy.unit, QuantityUnit.WATT_HOUR),
            )
            for one in case.system_fees
        ),
    )
    violations = check_bill(bill)
    assert not violations, violations
    return bill


def _head(month: _Month, calendar_versions: tuple[str, ...]) -> BillHead:
    case = month.case
    return BillHead(
        bill_id=case.bill_id,
        user_id=case.user_id,
        user_name=case.user_name,
        metering_point=case.metering_point,
        province=case.province,
        month=case.month,
        category=case.category,
        voltage_class=case.voltage_class,
        tariff_type=case.tariff_type,
        supply_mode=month.mode,
        calendar_versions=calendar_versions,
        meter_data_hash=case.meter_data_hash,
    )


def _calendar_versions(month: _Month) -> tuple[str, ...]:
    """Return the calendars and overlays of the month's days; energy in a period that they do not have is refused."""
    versions, kinds = month.prices.calendar_versions, month.prices.kinds_of_month
    for kind, energy in month.energy_by_kind_wh.items():
        if month.table is not None and energy and kind not in kinds:
            raise BillError(
                f"row 65 on {month.case.month:%Y-%m}: {', '.join(versions)} has no {kind.name}, which has {energy} Wh; "
                "load the energy by the calendar in force"
            )
    return versions


def _energy_charges(month: _Month) -> ChargedEnergy:
    case = month.case
    is_traded = month.mode in _TRADED
    if case.market_energy and not is_traded:
        raise BillError(
            f"row 2 on {case.month}: {case.metering_point} is supplied by {month.mode.value} and has traded energy; "
            "load one supply mode at a time"
        )
    if month.table is None:
        price = month.prices.guaranteed_price
        return guaranteed_energy(price, month.energy_by_kind_wh, payer=case.user_id, payee=case.supplier)
    if not is_traded:
        return agency_energy(month.table, month.energy_by_kind_wh, payer=case.user_id, account_of=month.account_of)
    if month.energy_wh and not case.market_energy:
        raise BillError(
            f"row 94 on {case.month}: no energy price of {case.metering_point}, supplied by {month.mode.value}; "
            "load the settled energy of its contract or package"
        )
    return market_energy(
        month.table,
        month.energy_by_kind_wh,
        [_charge(case, one).line for one in case.market_energy],
        curve=month.prices.curve,
        payer=case.user_id,
        account_of=month.account_of,
    )


def _basic_charge(month: _Month) -> list[BillCharge]:
    """Return the capacity or demand charge as elected; none for the single tariff (rows 101 to 103)."""
    case, table = month.case, month.table
    wanted = "the user's election and its capacity or demand"
    if table is None or case.tariff_type is TariffType.SINGLE:
        if case.election is not None:
            raise BillError(f"row 101 on {case.month}: only the two-part tariff has an election; load no election")
        return []
    if case.election is None or not month.capacities:
        raise BillError(f"row 101 on {case.month}: no election or capacity of {case.metering_point}; load {wanted}")
    capacity_va = max(one.capacity_va for one in month.capacities)
    payee = month.account_of[Component.NETWORK]
    if case.election is BasicChargeMode.CAPACITY:
        return [capacity_charge(table, month.capacities, case.month, payer=case.user_id, payee=payee)]
    if case.demand is None:
        raise BillError(f"row 103 on {case.month}: no maximum demand of {case.metering_point}; load the metered one")
    charge = demand_charge(
        table,
        demand_w=quantity_from_text(case.demand.quantity, case.demand.unit, QuantityUnit.WATT),
        energy_wh=month.energy_wh,
        capacity_va=capacity_va,
        rebate=month.prices.rebate,
        payer=case.user_id,
        payee=payee,
    )
    return [charge]


def _check_tariff_type(month: _Month) -> None:
    """Refuse a tariff type that the capacity does not have, where one is loaded (row 101)."""
    case = month.case
    if month.table is None or not month.capacities:
        return
    capacity_va = max(one.capacity_va for one in month.capacities)
    if case.tariff_type not in allowed_tariff_types(capacity_va, month.prices.thresholds):
        raise BillError(
            f"row 101 on {case.month}: {capacity_va} VA has no {case.tariff_type.value} tariff; load its tariff type"
        )


def _charge(case: BillCase, row: ChargeRow, *, is_correction: bool = False) -> BillCharge:
    detail = row.period or row.detail
    where = f"row 99 on {case.month:%Y-%m}: {row.component.value} {detail}".strip()
    versions = tuple(one.version_id for one in row.prices)
    if (row.price_uyuan is None) == (row.amount_nano_yuan is None):
        raise BillError(f"{where} has both a price and an amount, or neither; load one of them")
    of_library = (BillComponent.PERIOD, BillComponent.GUARANTEED)
    is_refused = row.component in of_library and not is_correction
    if is_refused or row.component is BillComponent.PUBLISHED_DIFFERENCE:
        raise BillError(f"{where} is charged by the library's prices; load its prices there")
    amount = row.amount_nano_yuan if row.price_uyuan is None else row.quantity * row.price_uyuan
    assert amount is not None
    line = RuleLine(
        component=f"bill-{row.component.value}",
        detail=detail,
        from_account=case.user_id,
        to_account=row.payee,
        quantity=row.quantity,
        unit=row.unit,
        price_uyuan=row.price_uyuan,
        amount_nano_yuan=amount,
        rule_version=row.rule_version,
        price_versions=versions,
    )
    return BillCharge(row.component, line)


def _prices(month: _Month, postings: Sequence[RuleLine]) -> list[PriceSource]:
    """Return the sources that the case gives, and those in the library of the versions that the postings used."""
    case = month.case
    rows = [*case.market_energy, *case.charges]
    rows += [side for one in case.corrections for side in (one.reversed_charge, one.restated_charge)]
    given = {source.version_id: source for row in rows for source in row.prices}
    wanted = {version for one in postings for version in one.price_versions} - given.keys()
    sources = month.prices.sources
    return [*given.values(), *(sources[version] for version in sorted(wanted) if version in sources)]
