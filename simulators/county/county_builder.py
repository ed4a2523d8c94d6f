"""The demo county from network, profiles, seed and day, and the folder that holds it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from edge.contract.registry import Registry, encode_registry
from grid_models.networks import Network, with_storage, write_network
from grid_models.simbench_profiles import NetworkProfiles
from grid_models.topology import BalanceUnits, balance_units
from simulators.county import parameters
from simulators.county.composition import Site, SiteKind, compose_sites
from simulators.county.meter_plan import microgrid_unit, plan_meters
from simulators.county.ratings import Ratings
from simulators.county.registry_builder import build_registry
from simulators.county.world_files import build_profile_columns, build_world_file
from simulators.world.county_files import (
    NETWORK_FILE,
    REGISTRY_FILE,
    ProfileColumns,
    WorldFile,
    write_profile_columns,
    write_world_file,
)

MICROGRID_BATTERY: Final = "Microgrid battery"


@dataclass(frozen=True, eq=False)
class County:
    """All that a county folder holds."""

    network: Network
    registry: Registry
    world: WorldFile
    profiles: ProfileColumns


def build_county(network: Network, profiles: NetworkProfiles, seed: int, day: date) -> County:
    """Return the demo county of a network; the same arguments give the same county.

    :raises CountyError: if the network has no area that can be the microgrid
    :raises TopologyError: if it is no tree of balance units
    """
    units = balance_units(network)
    microgrid = microgrid_unit(network, units, seed)
    sites = compose_sites(network, seed)
    network = _with_microgrid_battery(network, units, microgrid)
    battery = len(network.storages) - 1
    bus = int(network.storages.bus[battery])
    sites.append(Site(SiteKind.PROSUMER, bus, loads=(), generators=(), storage=battery, main_load=None))
    plan = plan_meters(network, units, sites, microgrid)
    return County(
        network=network,
        registry=build_registry(network, units, plan, Ratings(network, profiles), seed),
        world=build_world_file(network, units, plan, microgrid_battery=battery, seed=seed, day=day),
        profiles=build_profile_columns(profiles, plan, day),
    )


def write_county(county: County, folder: Path) -> None:
    """Write the county folder; the same county gives the same bytes.

    :raises OSError: if the folder cannot be written
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_network(county.network, folder / NETWORK_FILE)
    (folder / REGISTRY_FILE).write_bytes(encode_registry(county.registry))
    write_world_file(county.world, folder)
    write_profile_columns(county.profiles, folder)


def _with_microgrid_battery(network: Network, units: BalanceUnits, microgrid: int) -> Network:
    """Return the network with a battery at the microgrid's low-voltage busbar, sized by the PV inside."""
    pv_mw = sum(
        float(network.generators.p_mw[plant])
        for plant, bus in enumerate(network.generators.bus.tolist())
        if units.unit_of_bus[bus] == microgrid and network.generators.kind[plant].startswith("PV")
    )
    # Whole W and Wh, so that every reader of the file agrees on them.
    power_w = round(pv_mw * 1e6) * parameters.MICROGRID_BATTERY_POWER_PER_MILLE_OF_PV // 1000
    return with_storage(
        network,
        name=MICROGRID_BATTERY,
        bus=units.meter_bus[microgrid],
        p_rated_mw=power_w / 1e6,
        energy_mwh=power_w * parameters.MICROGRID_BATTERY_HOURS / 1e6,
        efficiency=parameters.BATTERY_ROUND_TRIP_EFFICIENCY,
    )
