"""What a bill charges, before rounding: postings by payee for the ledger, and the same money as a user reads it.

Sources: requirements rows 94 to 96, 99, 101 to 103, 109, 165; outside rules, sections 0 and 13. Where a province
publishes prices by period, a line is a period at its published price; else a line is a component, and periods in which
it has the same price share one line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from hub.settlement.bills.bill import BillComponent
from hub.settlement.exact_shares import PPM
from hub.settlement.provinces.keys import Component, PeriodKind
from hub.settlement.provinces.library import Loaded
from hub.settlement.rule_lines import QuantityUnit, RuleLine, priced_line
from hub.settlement.tariffs.basic_charge import CapacityPeriod, UtilisationRebate
from hub.settlement.tariffs.price_table import PriceBasis, PriceTable, period_price
from hub.settlement.tariffs.tariff_lines import capacity_line, demand_line, energy_lines
from hub.settlement.tariffs.tou_prices import RULE_VERSION_FLOATING, scaled_price_uyuan_per_kwh
from hub.settlement.tariffs.tou_supply import PricingCurve

COMPONENT_RULE = "five-components-1"
GUARANTEED_RULE = "guaranteed-price-1"
BILL_COMPONENT: Mapping[Component, BillComponent] = {
    Component.ENERGY: BillComponent.ENERGY,
    Component.LOSS: BillComponent.LOSS,
    Component.NETWORK: BillComponent.NETWORK,
    Component.SYSTEM: BillComponent.SYSTEM,
    Component.FUNDS: BillComponent.FUNDS,
}
_PERIODS = frozenset(PeriodKind.__members__)
_COMPONENT_OF = {shown: one for one, shown in BILL_COMPONENT.items()}
_OF_SLUG = {f"tariff-{str(one.name).lower()}": shown for one, shown in BILL_COMPONENT.items()}


@dataclass(frozen=True)
class BillCharge:
    """One charge as the user reads it: a ledger line or several, with how its price came about."""

    component: BillComponent
    line: RuleLine
    base_price_uyuan: int | None = None
    factor_ppm: int | None = None

    @property
    def period(self) -> str:
        """Return the kind of period that the line is about, "" for none."""
        return self.line.detail if self.line.detail in _PERIODS else ""


@dataclass(frozen=True)
class ChargedEnergy:
    """The charges of a user's energy, the postings of the same money, and what published prices have over factors."""

    charges: tuple[BillCharge, ...]
    postings: tuple[RuleLine, ...]
    published_difference_nano_yuan: int = 0


def agency_energy(
    table: PriceTable, energy_by_kind_wh: Mapping[PeriodKind, int], *, payer: str, account_of: Mapping[Component, str]
) -> ChargedEnergy:
    """Return the charges of a user who buys by agency: published period prices, or components by coefficient.

    :raises hub.settlement.provinces.library.LibraryError: if a period's price is missing
    """
    postings = energy_lines(table, energy_by_kind_wh, payer=payer, account_of=account_of)
    priced = {kind: period_price(table, kind) for kind, energy in energy_by_kind_wh.items() if energy}
    charges, by_coefficient, difference = [], [], 0
    for kind, price in priced.items():
        of_kind = [one for one in postings if one.detail == kind.name]
        if price.basis is PriceBasis.COEFFICIENT:
            by_coefficient += of_kind
            continue
        energy = energy_by_kind_wh[kind]
        if price.by_factor_uyuan_per_kwh is not None:
            difference += energy * (price.price_uyuan_per_kwh - price.by_factor_uyuan_per_kwh)
        whole = priced_line(
            "tariff-period",
            payer=payer,
            payee=account_of[Component.ENERGY],
            quantity=energy,
            price_uyuan=price.price_uyuan_per_kwh,
            rule_version=price.rule_version,
            price_versions=price.version_ids,
            detail=kind.name,
        )
        charges.append(BillCharge(BillComponent.PERIOD, whole))
    return ChargedEnergy((*charges, *_by_component(table, by_coefficient)), tuple(postings), difference)


def market_energy(
    table: PriceTable,
    energy_by_kind_wh: Mapping[PeriodKind, int],
    traded: Sequence[RuleLine],
    *,
    curve: PricingCurve,
    payer: str,
    account_of: Mapping[Component, str],
) -> ChargedEnergy:
    """Return the charges of a user whose energy is traded: `traded` as settled, the other four components as loaded.

    They float only where government periods price the supply mode and the province's mask says so (row 67).
    """
    mask = Component(0)
    if curve is PricingCurve.GOVERNMENT and table.floating is not None:
        mask = Component(table.floating.value)
    postings = []
    for kind, energy in energy_by_kind_wh.items():
        for component, loaded in table.component.items():
            if component is Component.ENERGY or not energy:
                continue
            factor = table.factors.get(kind) if component in mask else None
            price = loaded.value if factor is None else scaled_price_uyuan_per_kwh(loaded.value, factor.value)
            versions = [loaded.version_id, *([] if factor is None else [factor.version_id])]
            postings.append(
                priced_line(
                    f"tariff-{str(component.name).lower()}",
                    payer=payer,
                    payee=account_of[component],
                    quantity=energy,
                    price_uyuan=price,
                    rule_version=COMPONENT_RULE if factor is None else RULE_VERSION_FLOATING,
                    price_versions=tuple(versions),
                    detail=kind.name,
                )
            )
    own = [BillCharge(BillComponent.ENERGY, line) for line in traded]
    return ChargedEnergy((*own, *_by_component(table, postings)), (*traded, *postings))


def guaranteed_energy(
    price: Loaded, energy_by_kind_wh: Mapping[PeriodKind, int], *, payer: str, payee: str
) -> ChargedEnergy:
    """Return the one charge of residents and agriculture: all energy at the guaranteed price (row 96)."""
    line = priced_line(
        "guaranteed-energy",
        payer=payer,
        payee=payee,
        quantity=sum(energy_by_kind_wh.values()),
        price_uyuan=price.value,
        rule_version=GUARANTEED_RULE,
        price_versions=(price.version_id,),
    )
    return ChargedEnergy((BillCharge(BillComponent.GUARANTEED, line),), (line,))


def capacity_charge(
    table: PriceTable, capacities: Sequence[CapacityPeriod], month: date, *, payer: str, payee: str
) -> BillCharge:
    """Return the capacity charge (rows 101, 109).

    :raises hub.settlement.tariffs.basic_charge.BasicChargeError: as `capacity_line` does
    """
    line = capacity_line(table, capacities, month, payer=payer, payee=payee)
    return BillCharge(BillComponent.CAPACITY, line)


def demand_charge(
    table: PriceTable,
    *,
    demand_w: int,
    energy_wh: int,
    capacity_va: int,
    rebate: UtilisationRebate | None,
    payer: str,
    payee: str,
) -> BillCharge:
    """Return the demand charge; a reduced price shows the approved one and the factor (row 103).

    :raises hub.settlement.tariffs.basic_charge.BasicChargeError: as `demand_line` does
    """
    line = demand_line(
        table,
        demand_w=demand_w,
        energy_wh=energy_wh,
        capacity_va=capacity_va,
        rebate=rebate,
        payer=payer,
        payee=payee,
    )
    if table.demand_price is None or rebate is None or line.price_uyuan == table.demand_price.value:
        return BillCharge(BillComponent.DEMAND, line)
    return BillCharge(BillComponent.DEMAND, line, table.demand_price.value, rebate.factor_ppm)


def _by_component(table: PriceTable, lines: Iterable[RuleLine]) -> list[BillCharge]:
    """Return one charge a component and price; its periods are named where the component floats."""
    groups: dict[tuple[str, int | None, str], list[RuleLine]] = {}
    for one in lines:
        groups.setdefault((one.component, one.price_uyuan, one.rule_version), []).append(one)
    of_slug: dict[str, list[list[RuleLine]]] = {}
    for (name, _, _), group in groups.items():
        of_slug.setdefault(name, []).append(group)
    return [
        _merged(table, group, names_periods=len(of_slug[slug]) > 1)
        for slug in _OF_SLUG
        for group in of_slug.get(slug, ())
    ]


def _merged(table: PriceTable, group: Sequence[RuleLine], *, names_periods: bool) -> BillCharge:
    first, component = group[0], _OF_SLUG[group[0].component]
    versions = tuple(sorted({version for one in group for version in one.price_versions}))
    if len(group) == 1 and names_periods and versions == first.price_versions:
        line = first
    else:
        line = replace(
            first,
            detail=" ".join(one.detail for one in group) if names_periods else "",
            quantity=sum(one.quantity for one in group),
            amount_nano_yuan=sum(one.amount_nano_yuan for one in group),
            price_versions=versions,
        )
    assert line.unit is QuantityUnit.WATT_HOUR
    kinds = [PeriodKind[one.detail] for one in group]
    loaded = table.component[_COMPONENT_OF[component]]
    factors = {table.factors[kind].value if kind in table.factors else PPM for kind in kinds}
    if names_periods and len(factors) == 1:
        (factor,) = factors
        if scaled_price_uyuan_per_kwh(loaded.value, factor) == line.price_uyuan:
            return BillCharge(component, line, loaded.value, factor)
    return BillCharge(component, line)
