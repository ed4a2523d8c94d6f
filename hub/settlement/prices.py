"""Prices that are loaded, never computed: versioned parameters and the set of them that one day is settled with.

Every value has province, class, effective dates, document, source, origin and a version id (requirements rows 97, 98,
190); a price of a day is taken from the version in force that day. A missing version, an overlap and a gap are refused
with the requirement's row, the date and what to load. Prices are micro-yuan/kWh; texts in documents are yuan/kWh.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import pairwise
from types import MappingProxyType

import msgspec
import numpy as np

from hub.market.trades import Int64Array
from hub.settlement.money import MoneyTextError
from hub.settlement.units import price_uyuan_per_kwh_from_text


class ParameterError(ValueError):
    """The parameters cannot be used; the message names the requirement's row, the date and what to load."""


class Parameter(Enum):
    """What is loaded for settlement, by its name in parameter documents."""

    NETWORK_TARIFF = "network_tariff"
    UPSTREAM_LOSS = "upstream_loss"
    LOSS_FEE = "loss_fee"
    AGENCY_ENERGY = "agency_energy"
    GUARANTEED_PRICE = "guaranteed_price"
    ON_GRID_PRICE = "on_grid_price"
    COMPREHENSIVE_PRICE = "comprehensive_price"


class Origin(Enum):
    """Who forms a price (requirements row 98)."""

    MARKET = "MARKET"
    PUBLISHED_RATE = "PUBLISHED_RATE"
    GOV_APPROVED = "GOV_APPROVED"
    ALLOCATED = "ALLOCATED"


# parameter -> (row of the requirements, what an operator has to load when it is missing)
_DEMAND: Mapping[Parameter, tuple[int, str]] = MappingProxyType(
    {
        Parameter.NETWORK_TARIFF: (97, "the approved volumetric network tariff of this voltage class"),
        Parameter.UPSTREAM_LOSS: (110, "the upstream line-loss fee at the gateway"),
        Parameter.LOSS_FEE: (111, "the county's line-loss fee on users' metered energy"),
        Parameter.AGENCY_ENERGY: (169, "the agency purchase energy price"),
        Parameter.GUARANTEED_PRICE: (96, "the guaranteed all-in price of residents and agriculture"),
        Parameter.ON_GRID_PRICE: (26, "the regulated on-grid price of mode 3"),
        Parameter.COMPREHENSIVE_PRICE: (25, "the comprehensive sales price of mode 2 with its voltage class"),
    }
)
ANY_CLASS = "*"


class ParameterVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of one parameter as written in a parameter document.

    voltage_class: "*" where the parameter does not depend on it. value_yuan_per_kwh: signed text, at most six decimals.
    In force on days effective_from <= day < effective_to (None: until further notice). document: number of the
    approving or publishing document; source: where it was found.
    """

    parameter: Parameter
    province: str
    voltage_class: str
    value_yuan_per_kwh: str
    effective_from: date
    effective_to: date | None
    document: str
    source: str
    origin: Origin
    version_id: str


class ParameterDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter document: tariff classes from the lowest voltage to the highest, and versions of parameters."""

    voltage_classes: tuple[str, ...]
    versions: tuple[ParameterVersion, ...]


@dataclass(frozen=True)
class Price:
    """A loaded price and the version that it comes from."""

    value_uyuan_per_kwh: int
    version_id: str


@dataclass(frozen=True)
class SettlementParameters:
    """The loaded prices of one province on one day; classes by position, from the lowest voltage to the highest.

    network_tariff: T, one column, by class. gateway_class: class of the county gateway.
    comprehensive_price: P_comp of mode 2, energy and network, for a user of `comprehensive_class`.
    """

    province: str
    day: date
    voltage_class: tuple[str, ...]
    gateway_class: int
    network_tariff: tuple[Price, ...]
    upstream_loss: Price
    loss_fee: Price
    agency_energy: Price
    guaranteed_price: Price
    on_grid_price: Price
    comprehensive_price: Price
    comprehensive_class: int

    @property
    def network_tariff_uyuan_per_kwh(self) -> Int64Array:
        """Return T by class, shape (n_classes,)."""
        return np.array([price.value_uyuan_per_kwh for price in self.network_tariff], np.int64)

    @property
    def gateway_tariff(self) -> Price:
        """Return T of the county gateway's class."""
        return self.network_tariff[self.gateway_class]

    @property
    def version_ids(self) -> tuple[str, ...]:
        """Return the ids of all versions used, sorted."""
        single = (self.upstream_loss, self.loss_fee, self.agency_energy, self.guaranteed_price, self.on_grid_price)
        prices = (*self.network_tariff, *single, self.comprehensive_price)
        return tuple(sorted({price.version_id for price in prices}))


@dataclass(frozen=True)
class ParameterTable:
    """Versions of parameters by (parameter, province, class), each list sorted by date, without overlap or gap."""

    voltage_class: tuple[str, ...]
    versions: Mapping[tuple[Parameter, str, str], tuple[ParameterVersion, ...]]

    def price(self, parameter: Parameter, *, province: str, voltage_class: str, day: date) -> Price:
        """Return the price in force on the day.

        :raises ParameterError: if no version is in force
        """
        for version in self.versions.get((parameter, province, voltage_class), ()):
            if version.effective_from <= day and (version.effective_to is None or day < version.effective_to):
                value = price_uyuan_per_kwh_from_text(version.value_yuan_per_kwh, "yuan/kWh")
                return Price(value, version.version_id)
        raise ParameterError(_missing(parameter, province, voltage_class, day))

    def classes(self, parameter: Parameter, *, province: str) -> tuple[str, ...]:
        """Return the classes for which the province has any version of the parameter, lowest voltage first."""
        return tuple(c for c in (ANY_CLASS, *self.voltage_class) if (parameter, province, c) in self.versions)


def decode_parameters(data: bytes) -> ParameterTable:
    """Return the table written in a parameter document (JSON).

    :raises ParameterError: if the bytes are no such document or its versions contradict each other
    """
    try:
        document = msgspec.json.decode(data, type=ParameterDocument)
    except msgspec.DecodeError as error:
        raise ParameterError(f"not a parameter document: {error}") from None
    return parameter_table(document.voltage_classes, document.versions)


def parameter_table(voltage_classes: tuple[str, ...], versions: Iterable[ParameterVersion]) -> ParameterTable:
    """Return the table of these versions.

    :param voltage_classes: tariff classes from the lowest voltage to the highest
    :raises ParameterError: for a version without document, source or id, an id that stands twice, an unknown class,
        a value that is no price, an empty period, an overlap or a gap
    """
    grouped: dict[tuple[Parameter, str, str], list[ParameterVersion]] = {}
    ids: set[str] = set()
    for version in versions:
        _check_version(version, voltage_classes, ids)
        ids.add(version.version_id)
        key = (version.parameter, version.province, version.voltage_class)
        grouped.setdefault(key, []).append(version)
    table = {}
    for key, unsorted in grouped.items():
        ordered = sorted(unsorted, key=lambda version: version.effective_from)
        for earlier, later in pairwise(ordered):
            _check_succession(earlier, later)
        table[key] = tuple(ordered)
    return ParameterTable(voltage_classes, MappingProxyType(table))


def resolve_parameters(table: ParameterTable, *, province: str, day: date, gateway_class: str) -> SettlementParameters:
    """Return the prices that the province's settlement of this operating day uses.

    :raises ParameterError: if one of them is missing on that day
    """

    def single(parameter: Parameter) -> Price:
        return table.price(parameter, province=province, voltage_class=ANY_CLASS, day=day)

    if gateway_class not in table.voltage_class:
        raise ParameterError(_missing(Parameter.NETWORK_TARIFF, province, gateway_class, day))
    comprehensive = [c for c in table.classes(Parameter.COMPREHENSIVE_PRICE, province=province) if c != ANY_CLASS]
    if len(comprehensive) != 1:
        raise ParameterError(_missing(Parameter.COMPREHENSIVE_PRICE, province, "exactly one class", day))
    return SettlementParameters(
        province=province,
        day=day,
        voltage_class=table.voltage_class,
        gateway_class=table.voltage_class.index(gateway_class),
        network_tariff=tuple(
            table.price(Parameter.NETWORK_TARIFF, province=province, voltage_class=name, day=day)
            for name in table.voltage_class
        ),
        upstream_loss=single(Parameter.UPSTREAM_LOSS),
        loss_fee=single(Parameter.LOSS_FEE),
        agency_energy=single(Parameter.AGENCY_ENERGY),
        guaranteed_price=single(Parameter.GUARANTEED_PRICE),
        on_grid_price=single(Parameter.ON_GRID_PRICE),
        comprehensive_price=table.price(
            Parameter.COMPREHENSIVE_PRICE, province=province, voltage_class=comprehensive[0], day=day
        ),
        comprehensive_class=table.voltage_class.index(comprehensive[0]),
    )


def _missing(parameter: Parameter, province: str, voltage_class: str, day: date) -> str:
    row, what = _DEMAND[parameter]
    where = f"province {province!r}" + ("" if voltage_class == ANY_CLASS else f", class {voltage_class!r}")
    return f"row {row} on {day}: no version of {parameter.value} ({where}); load {what}"


def _check_version(version: ParameterVersion, voltage_classes: tuple[str, ...], ids: set[str]) -> None:
    name = f"row {_DEMAND[version.parameter][0]} on {version.effective_from}: {version.parameter.value}"
    for field in ("version_id", "document", "source", "province"):
        if not getattr(version, field):
            raise ParameterError(f"{name}: {field} is empty; load the version with it (row 98)")
    if version.version_id in ids:
        raise ParameterError(f"{name}: version id {version.version_id!r} stands twice; load each version once")
    if version.voltage_class not in (ANY_CLASS, *voltage_classes):
        raise ParameterError(f"{name}: class {version.voltage_class!r} is not one of {', '.join(voltage_classes)}")
    if version.effective_to is not None and version.effective_to <= version.effective_from:
        raise ParameterError(f"{name}: ends on {version.effective_to}, before it begins; load its dates again")
    try:
        price_uyuan_per_kwh_from_text(version.value_yuan_per_kwh, "yuan/kWh")
    except MoneyTextError as error:
        raise ParameterError(f"{name}: {error}; load the price as approved") from None


def _check_succession(earlier: ParameterVersion, later: ParameterVersion) -> None:
    name = f"{later.parameter.value} ({later.province!r}, {later.voltage_class!r})"
    row = _DEMAND[later.parameter][0]
    if earlier.effective_to is None or earlier.effective_to > later.effective_from:
        raise ParameterError(
            f"row {row} on {later.effective_from}: {name} has two versions in force, {earlier.version_id!r} and "
            f"{later.version_id!r}; load {earlier.version_id!r} with its end"
        )
    if earlier.effective_to < later.effective_from:
        raise ParameterError(
            f"row {row} on {earlier.effective_to}: {name} has no version until {later.effective_from}; "
            f"load {_DEMAND[later.parameter][1]} for that time"
        )
