"""Which metering points and gateways a county has, before names, owners and ratings. Pure.

Order of gateways: the county's, then each medium-voltage bus with customers, then each transformer area. Metering
points are numbered gateway by gateway, the summary or gateway meter of a unit first.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from edge.contract.registry import MeterKind
from grid_models.networks import Network
from grid_models.topology import BalanceUnits, UnitKind
from simulators.county import parameters
from simulators.county.composition import Site, SiteKind
from simulators.seeded_draws import draw_below

_KIND_OF_SITE: Final = {
    SiteKind.CUSTOMER: MeterKind.LOAD,
    SiteKind.COMPANION: MeterKind.LOAD,
    SiteKind.PROSUMER: MeterKind.PROSUMER,
    SiteKind.PLANT: MeterKind.GENERATOR,
    SiteKind.UTILITY_PLANT: MeterKind.GENERATOR,
}


class CountyError(ValueError):
    """A network from which no demo county can be made."""


@dataclass(frozen=True)
class PlannedMeter:
    """One metering point. unit, bus: positions. site is None for summary and gateway meters."""

    meter_id: str
    gateway_id: str
    kind: MeterKind
    unit: int
    bus: int
    site: Site | None


@dataclass(frozen=True)
class MeterPlan:
    """All metering points by position; microgrid: position of the unit that is the microgrid."""

    meters: tuple[PlannedMeter, ...]
    microgrid: int


@dataclass(frozen=True)
class _Draft:
    kind: MeterKind
    unit: int
    bus: int
    site: Site | None


def microgrid_unit(network: Network, units: BalanceUnits, seed: int) -> int:
    """Return the area that the seed makes the microgrid, among those with much PV.

    :raises CountyError: if there is none
    """
    pv_w: dict[int, float] = defaultdict(float)
    for position, bus in enumerate(network.generators.bus.tolist()):
        if network.generators.kind[position].startswith("PV"):
            pv_w[int(units.unit_of_bus[bus])] += float(network.generators.p_mw[position]) * 1e6
    candidates = [
        position
        for position, kind in enumerate(units.kind)
        if kind is UnitKind.AREA and pv_w[position] >= parameters.MICROGRID_PV_W_MIN
    ]
    if not candidates:
        raise CountyError(f"no transformer area has {parameters.MICROGRID_PV_W_MIN} W of PV for the microgrid")
    return candidates[draw_below(len(candidates), seed, "microgrid")]


def plan_meters(network: Network, units: BalanceUnits, sites: list[Site], microgrid: int) -> MeterPlan:
    """Return the metering points of the whole network; sites of the microgrid become INTERNAL meters."""
    sites_of_unit: dict[int, list[Site]] = defaultdict(list)
    for site in sites:
        sites_of_unit[int(units.unit_of_bus[site.bus])].append(site)
    groups = [[_edge_meter(network, units, 0, MeterKind.COUNTY_GATEWAY)]]
    for unit, kind in enumerate(units.kind):
        if kind is not UnitKind.AREA:
            groups += _groups_by_bus(unit, sites_of_unit[unit])
    for unit, kind in enumerate(units.kind):
        if kind is UnitKind.AREA:
            groups.append(_area_group(network, units, unit, sites_of_unit[unit], inside_microgrid=unit == microgrid))
    return MeterPlan(_numbered(groups), microgrid)


def _edge_meter(network: Network, units: BalanceUnits, unit: int, kind: MeterKind) -> _Draft:
    return _Draft(kind, unit, network.bus_position[units.meter_bus[unit]], None)


def _groups_by_bus(unit: int, sites: list[Site]) -> list[list[_Draft]]:
    by_bus: dict[int, list[_Draft]] = defaultdict(list)
    for site in sites:
        by_bus[site.bus].append(_Draft(_KIND_OF_SITE[site.kind], unit, site.bus, site))
    return [by_bus[bus] for bus in sorted(by_bus)]


def _area_group(
    network: Network, units: BalanceUnits, unit: int, sites: list[Site], *, inside_microgrid: bool
) -> list[_Draft]:
    edge_kind = MeterKind.MICROGRID_GATEWAY if inside_microgrid else MeterKind.AREA_SUMMARY
    drafts = [_edge_meter(network, units, unit, edge_kind)]
    for site in sites:
        kind = MeterKind.INTERNAL if inside_microgrid else _KIND_OF_SITE[site.kind]
        drafts.append(_Draft(kind, unit, site.bus, site))
    return drafts


def _numbered(groups: list[list[_Draft]]) -> tuple[PlannedMeter, ...]:
    meters: list[PlannedMeter] = []
    for number, group in enumerate(groups, start=1):
        for draft in group:
            meter_id, gateway_id = f"M{len(meters) + 1:06d}", f"G{number:04d}"
            meters.append(PlannedMeter(meter_id, gateway_id, draft.kind, draft.unit, draft.bus, draft.site))
    return tuple(meters)
