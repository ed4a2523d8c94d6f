"""The price table of a month for one class of user: every component with its version, and each period's price.

Sources: requirements rows 94, 95, 97, 98, 101, 108, 165, 190; outside rules, section 13. The bill of a month does not
run without the table of that month. A published period price wins; a province that publishes period prices and lacks
one is refused, because computed ones differ from published ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cached_property
from types import MappingProxyType

from hub.settlement.provinces.catalogue import CATALOGUE, ProvincialParameter
from hub.settlement.provinces.keys import Component, PeriodKind, TariffType
from hub.settlement.provinces.library import KeyValue, Library, LibraryError, Loaded
from hub.settlement.tariffs.tou_prices import (
    RULE_VERSION_FLOATING,
    RULE_VERSION_PUBLISHED,
    PriceDifference,
    compare_published_prices,
    period_price_uyuan_per_kwh,
    scaled_price_uyuan_per_kwh,
)
from hub.settlement.tariffs.user_price import Breakdown, ComponentPrices, breakdown

_COMPONENT_OF: Mapping[Component, ProvincialParameter] = MappingProxyType(
    {
        Component.ENERGY: ProvincialParameter.AGENCY_ENERGY,
        Component.LOSS: ProvincialParameter.UPSTREAM_LOSS,
        Component.NETWORK: ProvincialParameter.NETWORK_TARIFF,
        Component.SYSTEM: ProvincialParameter.SYSTEM_OPERATION,
        Component.FUNDS: ProvincialParameter.GOVERNMENT_FUNDS,
    }
)


class PriceBasis(Enum):
    """Where a period's price comes from."""

    PUBLISHED = "published"
    COEFFICIENT = "coefficient"


@dataclass(frozen=True)
class PeriodPrice:
    """The price of one period with all that it was made of. by_factor: the check, None where there is none."""

    kind: PeriodKind
    price_uyuan_per_kwh: int
    basis: PriceBasis
    rule_version: str
    version_ids: tuple[str, ...]
    by_factor_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class PriceTable:
    """The prices of one province, day, voltage class and tariff type. All mappings are read-only.

    capacity_price, demand_price: None for the single tariff. items, funds, energy_parts: what the totals consist of.
    floating: None where the province's mask is not loaded; factors, published: by kind, as far as loaded.
    publishes_periods: whether the province publishes period prices on this day for any class.
    """

    province: str
    day: date
    voltage_class: str
    tariff_type: TariffType
    component: Mapping[Component, Loaded]
    energy_parts: Mapping[str, Loaded]
    system_items: Mapping[str, Loaded]
    fund_parts: Mapping[str, Loaded]
    capacity_price: Loaded | None
    demand_price: Loaded | None
    floating: Loaded | None
    energy_not_floating: Loaded | None
    factors: Mapping[PeriodKind, Loaded]
    published: Mapping[PeriodKind, Loaded]
    publishes_periods: bool

    @cached_property
    def found_prices(self) -> dict[PeriodKind, "PeriodPrice"]:
        """Return what `period_price` has found so far: many bills are charged by one table."""
        return {}

    @cached_property
    def found_components(self) -> dict[PeriodKind, ComponentPrices]:
        """Return what `period_components` has found so far."""
        return {}

    @property
    def prices(self) -> ComponentPrices:
        """Return the five components, micro-yuan/kWh."""
        return ComponentPrices(*(self.component[component].value for component in Component))

    @property
    def system_breakdown(self) -> Breakdown:
        """Return the system operation charge with its items and what they do not explain (row 95)."""
        return _breakdown_of(self.component[Component.SYSTEM], self.system_items)

    @property
    def fund_breakdown(self) -> Breakdown:
        """Return the government funds with their parts."""
        return _breakdown_of(self.component[Component.FUNDS], self.fund_parts)


def load_price_table(
    library: Library, *, province: str, day: date, voltage_class: str, tariff_type: TariffType
) -> PriceTable:
    """Return the table in force on the day: a bill uses a day of the month of consumption (rows 108, 165).

    :raises LibraryError: if the month's table or an approved price is missing, with row, day and what to load
    """
    classes: dict[str, KeyValue] = {"voltage_class": voltage_class, "tariff_type": tariff_type}
    parameter = ProvincialParameter

    def value(of: ProvincialParameter) -> Loaded:
        keys = {name: classes[name] for name in CATALOGUE[of].keys}
        return library.value(of, province=province, day=day, **keys)

    def parts(of: ProvincialParameter) -> Mapping[str, Loaded]:
        return MappingProxyType(library.values_by("item", of, province=province, day=day))

    component = {name: value(of) for name, of in _COMPONENT_OF.items()}
    floating = library.value_if_set(parameter.FLOATING_COMPONENTS, province=province, day=day)
    is_two_part = tariff_type is TariffType.TWO_PART
    factors = library.values_by("period", parameter.TOU_FACTOR, province=province, day=day)
    published = library.values_by("period", parameter.TOU_PRICE, province=province, day=day, **classes)
    energy_parts = parts(parameter.AGENCY_ENERGY_PART)
    return PriceTable(
        province=province,
        day=day,
        voltage_class=voltage_class,
        tariff_type=tariff_type,
        component=MappingProxyType(component),
        energy_parts=energy_parts,
        system_items=parts(parameter.SYSTEM_OPERATION_ITEM),
        fund_parts=parts(parameter.GOVERNMENT_FUND_PART),
        capacity_price=value(parameter.CAPACITY_PRICE) if is_two_part else None,
        demand_price=value(parameter.DEMAND_PRICE) if is_two_part else None,
        floating=floating,
        energy_not_floating=_energy_not_floating(library, province, day, energy_parts),
        factors=MappingProxyType({PeriodKind[name]: loaded for name, loaded in factors.items()}),
        published=MappingProxyType({PeriodKind[name]: loaded for name, loaded in published.items()}),
        publishes_periods=bool(library.values_by("period", parameter.TOU_PRICE, province=province, day=day)),
    )


def period_price(table: PriceTable, kind: PeriodKind) -> PeriodPrice:
    """Return the price of a period: the published one, or coefficients where the province publishes none.

    :raises LibraryError: if neither can be had, with what to load (rows 66, 67, 165)
    """
    if kind not in table.found_prices:
        table.found_prices[kind] = _period_price(table, kind)
    return table.found_prices[kind]


def _period_price(table: PriceTable, kind: PeriodKind) -> PeriodPrice:
    published, factor, floating = table.published.get(kind), table.factors.get(kind), table.floating
    by_factor = None
    if factor is not None and floating is not None:
        by_factor = period_price_uyuan_per_kwh(
            table.prices,
            floating=Component(floating.value),
            factor_ppm=factor.value,
            energy_not_floating_uyuan_per_kwh=_held_back(table),
        )
    if published is not None:
        version = (published.version_id,)
        return PeriodPrice(kind, published.value, PriceBasis.PUBLISHED, RULE_VERSION_PUBLISHED, version, by_factor)
    if table.publishes_periods or by_factor is None:
        wanted = ProvincialParameter.TOU_PRICE
        if not table.publishes_periods:
            is_mask = floating is None
            wanted = ProvincialParameter.FLOATING_COMPONENTS if is_mask else ProvincialParameter.TOU_FACTOR
        what = f"no {wanted.value} of {kind.name} ({table.province}, {table.voltage_class}, {table.tariff_type.value})"
        raise LibraryError(CATALOGUE[wanted].row, table.day, what, CATALOGUE[wanted].what)
    used = [*table.component.values(), factor, floating, table.energy_not_floating]
    ids = tuple(sorted({loaded.version_id for loaded in used if loaded is not None}))
    return PeriodPrice(kind, by_factor, PriceBasis.COEFFICIENT, RULE_VERSION_FLOATING, ids, by_factor)


def period_components(table: PriceTable, kind: PeriodKind) -> ComponentPrices:
    """Return the five components of a period's price, which sum to it exactly (rows 67, 94).

    What does not float keeps its price; loss, network, system and funds that float take the coefficient, rounded
    half-up each; energy is the rest, with what a published price has over the coefficients. Where a published price
    stands without coefficient or mask, energy takes the whole difference.

    :raises LibraryError: as `period_price` does
    """
    if kind not in table.found_components:
        table.found_components[kind] = _period_components(table, kind)
    return table.found_components[kind]


def _period_components(table: PriceTable, kind: PeriodKind) -> ComponentPrices:
    price, flat = period_price(table, kind), table.prices.by_component()
    factor, floating = table.factors.get(kind), table.floating
    mask = Component(0) if factor is None or floating is None else Component(floating.value)
    others = {
        component: scaled_price_uyuan_per_kwh(value, factor.value) if factor and component in mask else value
        for component, value in flat.items()
        if component is not Component.ENERGY
    }
    return ComponentPrices(price.price_uyuan_per_kwh - sum(others.values()), *others.values())


def published_differences(table: PriceTable) -> list[PriceDifference]:
    """Return what each published period price has over the one by coefficients, empty without mask or factors."""
    if table.floating is None:
        return []
    return compare_published_prices(
        {kind: loaded.value for kind, loaded in table.published.items()},
        table.prices,
        floating=Component(table.floating.value),
        factor_ppm={kind: loaded.value for kind, loaded in table.factors.items()},
        energy_not_floating_uyuan_per_kwh=_held_back(table),
    )


def _held_back(table: PriceTable) -> int:
    return 0 if table.energy_not_floating is None else table.energy_not_floating.value


def _energy_not_floating(
    library: Library, province: str, day: date, energy_parts: Mapping[str, Loaded]
) -> Loaded | None:
    part = ProvincialParameter.FLOATING_ENERGY_PART
    loaded = library.value_if_set(part, province=province, day=day)
    if loaded is None or library.word(part, province=province, day=day) == "whole":
        return None
    if "history" not in energy_parts:
        row, what = CATALOGUE[part].row, f"no historic part of the energy price of {province}"
        raise LibraryError(row, day, what, "agency_energy_part of item history")
    return energy_parts["history"]


def _breakdown_of(total: Loaded, items: Mapping[str, Loaded]) -> Breakdown:
    return breakdown(total.value, {name: loaded.value for name, loaded in items.items()})
