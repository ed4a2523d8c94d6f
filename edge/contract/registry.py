"""The registry file: balance units, gateways, metering points and participants of a county, as one JSON document.

The county's registrar writes it, the hub loads it, and each edge process takes its gateways and meters from it.
It names network buses by their names in the network file, so it holds no type of any network library.
"""

from enum import Enum

import msgspec


class UnitKind(Enum):
    """Level of a balance unit in the tree."""

    COUNTY = "COUNTY"
    STATION = "STATION"
    FEEDER = "FEEDER"
    AREA = "AREA"
    MICROGRID = "MICROGRID"


class MeterKind(Enum):
    """What a metering point measures.

    LOAD, GENERATOR, PROSUMER: market parties behind one meter. MICROGRID_GATEWAY: the one market meter of a microgrid.
    COUNTY_GATEWAY: exchange with the province. AREA_SUMMARY: all of a transformer area; no market party.
    INTERNAL: inside a microgrid; read and archived, not settled by the county.
    """

    LOAD = "LOAD"
    GENERATOR = "GENERATOR"
    PROSUMER = "PROSUMER"
    MICROGRID_GATEWAY = "MICROGRID_GATEWAY"
    COUNTY_GATEWAY = "COUNTY_GATEWAY"
    AREA_SUMMARY = "AREA_SUMMARY"
    INTERNAL = "INTERNAL"


class SupplyMode(Enum):
    """How a meter's imports are bought. NONE: it never settles imports (summary, gateway, internal)."""

    DIRECT = "DIRECT"
    RETAIL = "RETAIL"
    AGENCY = "AGENCY"
    GUARANTEED = "GUARANTEED"
    NONE = "NONE"


class SaleMode(Enum):
    """How the energy that a meter exports is sold: the three trading modes of requirements rows 24-26."""

    DIRECT = "DIRECT"
    COMMISSION = "COMMISSION"
    PURCHASE = "PURCHASE"
    NONE = "NONE"


class SellerClass(Enum):
    """The four seller classes of requirements row 1."""

    PROSUMER = "PROSUMER"
    MICROGRID_OPERATOR = "MICROGRID_OPERATOR"
    INDEPENDENT_DG_DEVELOPER = "INDEPENDENT_DG_DEVELOPER"
    DSO_OWN_GENERATION = "DSO_OWN_GENERATION"


class UserCategory(Enum):
    """The three user categories of requirements row 96."""

    RESIDENTIAL = "RESIDENTIAL"
    AGRICULTURAL = "AGRICULTURAL"
    COMMERCIAL_INDUSTRIAL = "COMMERCIAL_INDUSTRIAL"


class BalanceUnit(msgspec.Struct, frozen=True):
    """One node of the balance-unit tree and its edge to the parent.

    voltage_class: tariff class of the node ("<1kV", "10(20)kV", "35kV", "110kV", "220kV").
    export_limit_wh / import_limit_wh: energy per interval that may go up / come down the edge to the parent
    (for the root: the tie with the province); None where the edge has no limit of its own.
    elements: names of the network elements that the edge stands for (transformers, the feeder's first line).
    """

    unit_id: str
    parent_id: str | None
    kind: UnitKind
    voltage_class: str
    export_limit_wh: int | None
    import_limit_wh: int | None
    elements: tuple[str, ...]


class Gateway(msgspec.Struct, frozen=True):
    """One edge agent: its own MQTT user, and the meters it may speak for."""

    gateway_id: str
    shard: str
    unit_id: str
    meter_ids: tuple[str, ...]


class MeteringPoint(msgspec.Struct, frozen=True):
    """One metering point.

    bus: network bus name. channels: OBIS codes of its registers, in the order of messages.CHANNELS.
    export_capacity_w, import_capacity_w: largest plausible power, both >= 0. installed_capacity_w: rated power of the
    plants behind it, batteries apart; 0 where there are none or where meters inside (a microgrid's) hold theirs; None:
    the registrar does not say.
    """

    meter_id: str
    gateway_id: str
    unit_id: str
    bus: str
    kind: MeterKind
    channels: tuple[str, ...]
    voltage_class: str
    participant_id: str
    supply_mode: SupplyMode
    sale_mode: SaleMode
    category: UserCategory | None
    clean: bool
    export_capacity_w: int
    import_capacity_w: int
    installed_capacity_w: int | None = None


class Participant(msgspec.Struct, frozen=True):
    """Who owns metering points and is settled. seller_class is None for a pure user."""

    participant_id: str
    seller_class: SellerClass | None


class Registry(msgspec.Struct, frozen=True):
    """The whole registry of one county. Gateways, metering points and participants stand in order of id."""

    county: str
    units: tuple[BalanceUnit, ...]
    gateways: tuple[Gateway, ...]
    metering_points: tuple[MeteringPoint, ...]
    participants: tuple[Participant, ...]
    version: int = 1


class RegistryError(ValueError):
    """The registry file is not one, or contradicts itself."""


def decode_registry(data: bytes) -> Registry:
    """Return the registry written in `data` (JSON), checked for references that lead nowhere.

    :raises RegistryError: naming the first thing that is wrong
    """
    try:
        registry = msgspec.json.decode(data, type=Registry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryError(f"not a registry: {error}") from None
    problem = next(iter(_problems(registry)), None)
    if problem is not None:
        raise RegistryError(problem)
    return registry


def encode_registry(registry: Registry) -> bytes:
    """Return the registry as JSON, one line; the same registry gives the same bytes."""
    return msgspec.json.encode(registry)


def _problems(registry: Registry) -> list[str]:
    units = {unit.unit_id for unit in registry.units}
    gateways = {gateway.gateway_id: set(gateway.meter_ids) for gateway in registry.gateways}
    participants = {participant.participant_id for participant in registry.participants}
    meters = [point.meter_id for point in registry.metering_points]
    problems = []
    if len(set(meters)) != len(meters):
        problems.append("a meter id stands twice")
    if sum(unit.parent_id is None for unit in registry.units) != 1:
        problems.append("there must be exactly one unit without a parent")
    problems += [
        f"unit {u.unit_id}: parent {u.parent_id} is unknown"
        for u in registry.units
        if u.parent_id is not None and u.parent_id not in units
    ]
    for point in registry.metering_points:
        if point.unit_id not in units:
            problems.append(f"meter {point.meter_id}: unit {point.unit_id} is unknown")
        if point.participant_id not in participants:
            problems.append(f"meter {point.meter_id}: participant {point.participant_id} is unknown")
        if point.meter_id not in gateways.get(point.gateway_id, set()):
            problems.append(f"meter {point.meter_id}: gateway {point.gateway_id} does not list it")
    return problems
