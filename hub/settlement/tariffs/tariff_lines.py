"""A month's tariff as rule lines: five components by period, and the capacity or demand charge.

Sources: requirements rows 94, 101 to 103, 109. Each line says who pays whom, how much of what at which price, by which
rule and which versions; the amounts are exact, bills round them.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from hub.settlement.provinces.keys import Component, PeriodKind, TariffType
from hub.settlement.rule_lines import QuantityUnit, RuleLine, amount_line, priced_line
from hub.settlement.tariffs.basic_charge import (
    RULE_VERSION_CAPACITY,
    RULE_VERSION_DEMAND,
    BasicChargeError,
    CapacityPeriod,
    UtilisationRebate,
    capacity_charge_by_days_nano_yuan,
    capacity_charge_nano_yuan,
    demand_price_uyuan_per_kw,
)
from hub.settlement.tariffs.price_table import PriceTable, period_components, period_price


def energy_lines(
    table: PriceTable,
    energy_by_kind_wh: Mapping[PeriodKind, int],
    *,
    payer: str,
    account_of: Mapping[Component, str],
) -> list[RuleLine]:
    """Return five lines for each kind of period in which energy was taken (row 94); detail is the kind.

    :param account_of: the account of each component's payee
    :raises hub.settlement.provinces.library.LibraryError: if a period's price is missing
    """
    lines = []
    for kind, energy in energy_by_kind_wh.items():
        if not energy:
            continue
        price, components = period_price(table, kind), period_components(table, kind).by_component()
        for component, value in components.items():
            versions = {*price.version_ids, table.component[component].version_id}
            lines.append(
                priced_line(
                    f"tariff-{str(component.name).lower()}",
                    payer=payer,
                    payee=account_of[component],
                    quantity=energy,
                    price_uyuan=value,
                    rule_version=price.rule_version,
                    price_versions=tuple(sorted(versions)),
                    detail=kind.name,
                )
            )
    return lines


def capacity_line(
    table: PriceTable, capacities: Sequence[CapacityPeriod], month: date, *, payer: str, payee: str
) -> RuleLine:
    """Return the capacity charge of a month (rows 101, 109); pro rata by days only where the capacity changes.

    :param month: its first day; capacities: as `capacity_charge_by_days_nano_yuan` takes them
    :raises BasicChargeError: for the single tariff, or capacities that do not make up the month
    """
    price = table.capacity_price
    if table.tariff_type is not TariffType.TWO_PART or price is None:
        raise BasicChargeError("row 101: the single tariff has no capacity charge; load the user's tariff type")
    amount = capacity_charge_by_days_nano_yuan(capacities, month, price.value)
    if len({one.capacity_va for one in capacities}) == 1:
        capacity = capacities[0].capacity_va
        assert amount == capacity_charge_nano_yuan(capacity, price.value)
        return priced_line(
            "tariff-capacity",
            payer=payer,
            payee=payee,
            quantity=capacity,
            price_uyuan=price.value,
            rule_version=RULE_VERSION_CAPACITY,
            price_versions=(price.version_id,),
            unit=QuantityUnit.VOLT_AMPERE,
        )
    days = ", ".join(f"{one.capacity_va} VA from {one.period.from_day}" for one in capacities)
    return amount_line(
        "tariff-capacity",
        payer=payer,
        payee=payee,
        amount_nano_yuan=amount,
        rule_version=RULE_VERSION_CAPACITY,
        price_versions=(price.version_id,),
        detail=days,
    )


def demand_line(
    table: PriceTable,
    *,
    demand_w: int,
    energy_wh: int,
    capacity_va: int,
    rebate: UtilisationRebate | None,
    payer: str,
    payee: str,
) -> RuleLine:
    """Return the demand charge of a month, at the reduced price where utilisation reaches the threshold (row 103).

    :raises BasicChargeError: for the single tariff, or a negative quantity
    """
    price = table.demand_price
    if table.tariff_type is not TariffType.TWO_PART or price is None:
        raise BasicChargeError("row 101: the single tariff has no demand charge; load the user's tariff type")
    if demand_w < 0:
        raise BasicChargeError(f"row 103: the demand is {demand_w} W, which is negative; load the metered one")
    reduced = demand_price_uyuan_per_kw(
        price_uyuan_per_kw=price.value, energy_wh=energy_wh, capacity_va=capacity_va, rebate=rebate
    )
    return priced_line(
        "tariff-demand",
        payer=payer,
        payee=payee,
        quantity=demand_w,
        price_uyuan=reduced,
        rule_version=RULE_VERSION_DEMAND,
        price_versions=(price.version_id,),
        detail="" if reduced == price.value else "reduced at high utilisation",
        unit=QuantityUnit.WATT,
    )
