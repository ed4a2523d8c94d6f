"""The registry of a planned county. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from edge.contract.messages import (
    BATTERY_CHARGE,
    BATTERY_DISCHARGE,
    EXPORT,
    GENERATION,
    IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
)
from edge.contract.registry import BalanceUnit, Gateway, MeteringPoint, MeterKind, Registry, UnitKind
from grid_models.networks import Network
from grid_models.topology import BalanceUnits
from simulators.county import parameters
from simulators.county.composition import Site, SiteKind
from simulators.county.meter_plan import MeterPlan, PlannedMeter
from simulators.county.parties import Parties
from simulators.county.ratings import Ratings

MICROGRID_UNIT_ID = "MG1"
_WH_PER_MW_INTERVAL = 250_000
_LOW_VOLTAGE_CLASS = "<1kV"


def build_registry(network: Network, units: BalanceUnits, plan: MeterPlan, ratings: Ratings, seed: int) -> Registry:
    """Return the registry: units in the order of the tree (a parent before its children), all else by id."""
    unit_ids = [
        MICROGRID_UNIT_ID if position == plan.microgrid else unit_id for position, unit_id in enumerate(units.unit_id)
    ]
    parties = Parties(network, seed, plan.meters)
    sites_of_unit: dict[int, list[Site]] = defaultdict(list)
    for meter in plan.meters:
        if meter.site is not None:
            for unit in {meter.unit, 0}:
                sites_of_unit[unit].append(meter.site)
    points = []
    for meter in plan.meters:
        terms = parties.terms(meter, medium_voltage=units.voltage_class[meter.unit] != _LOW_VOLTAGE_CLASS)
        capacity = ratings.capacity(sites_of_unit[meter.unit] if meter.site is None else [meter.site])
        points.append(
            MeteringPoint(
                meter_id=meter.meter_id,
                gateway_id=meter.gateway_id,
                unit_id=unit_ids[meter.unit],
                bus=network.buses.name[meter.bus],
                kind=meter.kind,
                channels=_channels(meter.site),
                voltage_class=units.voltage_class[meter.unit],
                participant_id=terms.participant_id,
                supply_mode=terms.supply_mode,
                sale_mode=terms.sale_mode,
                category=terms.category,
                clean=terms.clean,
                export_capacity_w=capacity.export_w,
                import_capacity_w=capacity.import_w,
                installed_capacity_w=0 if meter.site is None else capacity.installed_w,
            )
        )
    return Registry(
        county=parameters.COUNTY_NAME,
        units=tuple(_balance_unit(units, unit_ids, position, plan.microgrid) for position in range(len(unit_ids))),
        gateways=_gateways(plan.meters, unit_ids),
        metering_points=tuple(points),
        participants=parties.participants(),
    )


def _channels(site: Site | None) -> tuple[str, ...]:
    channels = [IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT]
    if site is not None and site.kind is SiteKind.PROSUMER:
        channels += [GENERATION] if site.generators else []
        channels += [BATTERY_CHARGE, BATTERY_DISCHARGE] if site.storage is not None else []
    return tuple(channels)


def _balance_unit(units: BalanceUnits, unit_ids: list[str], position: int, microgrid: int) -> BalanceUnit:
    parent = int(units.parent[position])
    return BalanceUnit(
        unit_id=unit_ids[position],
        parent_id=None if parent < 0 else unit_ids[parent],
        kind=UnitKind.MICROGRID if position == microgrid else UnitKind(units.kind[position].value),
        voltage_class=units.voltage_class[position],
        export_limit_wh=round(float(units.export_limit_mw[position]) * _WH_PER_MW_INTERVAL),
        import_limit_wh=round(float(units.import_limit_mw[position]) * _WH_PER_MW_INTERVAL),
        elements=tuple(units.elements[position]),
    )


def _gateways(meters: tuple[PlannedMeter, ...], unit_ids: list[str]) -> tuple[Gateway, ...]:
    meters_of_gateway: dict[str, list[PlannedMeter]] = defaultdict(list)
    for meter in meters:
        meters_of_gateway[meter.gateway_id].append(meter)
    return tuple(
        Gateway(gateway_id, parameters.SHARD, unit_ids[group[0].unit], tuple(meter.meter_id for meter in group))
        for gateway_id, group in sorted(meters_of_gateway.items())
    )


def counts(registry: Registry) -> dict[str, dict[str, int]]:
    """Return how many metering points, gateways, units and participants there are, by kind and mode."""
    points = registry.metering_points
    market = [point for point in points if point.kind not in {MeterKind.INTERNAL, MeterKind.AREA_SUMMARY}]
    return {
        "total": {
            "metering_points": len(points),
            "gateways": len(registry.gateways),
            "units": len(registry.units),
            "participants": len(registry.participants),
        },
        "metering_points": _count(point.kind.value for point in points),
        "behind_meters": {
            "own_generation": sum(GENERATION in point.channels for point in points),
            "batteries": sum(BATTERY_CHARGE in point.channels for point in points),
        },
        "units": _count(unit.kind.value for unit in registry.units),
        "sale_modes": _count(point.sale_mode.value for point in market),
        "supply_modes": _count(point.supply_mode.value for point in market),
        "seller_classes": _count(
            participant.seller_class.value for participant in registry.participants if participant.seller_class
        ),
        "categories": _count(point.category.value for point in market if point.category),
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
