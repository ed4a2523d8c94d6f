"""Who stands behind which meter: loads, plants and batteries of each bus put together into sites. Pure, seeded.

A site is what one metering point will measure. PV at a household's bus mostly stands behind that household's meter; a
battery stands behind the meter of its bus; everything else has a meter of its own.
"""

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum

from edge.contract.registry import UserCategory
from grid_models.elements import Int64Array
from grid_models.networks import Network
from simulators.county import parameters
from simulators.seeded_draws import happens


class SiteKind(Enum):
    """What a site is. COMPANION: a heat pump or charging point beside a main load, of the same customer."""

    CUSTOMER = "CUSTOMER"
    COMPANION = "COMPANION"
    PROSUMER = "PROSUMER"
    PLANT = "PLANT"
    UTILITY_PLANT = "UTILITY_PLANT"


@dataclass(frozen=True)
class Site:
    """One metering point to be. bus: position; loads, generators, storage: positions in the network's columns.

    main_load: position of the load whose customer this is (itself, but for a companion); None for a plant.
    """

    kind: SiteKind
    bus: int
    loads: tuple[int, ...]
    generators: tuple[int, ...]
    storage: int | None
    main_load: int | None


def compose_sites(network: Network, seed: int) -> list[Site]:
    """Return the sites of the whole network, by bus position, customers before plants."""
    loads, generators, storages = (
        _by_bus(columns.bus) for columns in (network.loads, network.generators, network.storages)
    )
    sites: list[Site] = []
    for bus in sorted(loads.keys() | generators.keys() | storages.keys()):
        sites += _sites_of_bus(network, seed, bus, loads=loads[bus], generators=generators[bus], storages=storages[bus])
    return sites


def is_household(profile: str) -> bool:
    """Tell whether a load profile is a household's (SimBench H0-*)."""
    return profile.startswith("H0")


def is_main_load(profile: str) -> bool:
    """Tell whether a load profile is a customer's own, not a heat pump (Air, Soil) or a charging point (APLS, HLS)."""
    return not profile.startswith(("Air", "Soil", "APLS", "HLS"))


def category_of_load(profile: str) -> UserCategory:
    """Return the user category (row 96): SimBench names households H*, agriculture L*, commerce G*."""
    if profile.startswith("L"):
        return UserCategory.AGRICULTURAL
    if profile.startswith("G"):
        return UserCategory.COMMERCIAL_INDUSTRIAL
    return UserCategory.RESIDENTIAL


def _by_bus(bus_of_element: Int64Array) -> dict[int, list[int]]:
    positions: dict[int, list[int]] = defaultdict(list)
    for position, bus in enumerate(bus_of_element.tolist()):
        positions[bus].append(position)
    return positions


def _sites_of_bus(
    network: Network, seed: int, bus: int, *, loads: list[int], generators: list[int], storages: list[int]
) -> list[Site]:
    profile = network.loads.profile
    households = [load for load in loads if is_household(profile[load])]
    mains = [load for load in loads if is_main_load(profile[load])] or loads
    # The household, else the first customer, takes what stands behind a meter at this bus.
    host = next(iter(households or mains), None)
    hosted = [
        plant
        for plant in generators
        if households and happens(parameters.PROSUMER_PER_MILLE, seed, "prosumer", network.generators.name[plant])
    ]
    assert len(storages) <= 1, f"bus {network.buses.name[bus]!r} has several storage units"
    storage = storages[0] if storages else None

    sites = []
    for load in loads:
        if load == host and (hosted or storage is not None):
            sites.append(Site(SiteKind.PROSUMER, bus, (load,), tuple(hosted), storage, load))
        elif load in mains:
            sites.append(Site(SiteKind.CUSTOMER, bus, (load,), (), None, load))
        else:
            sites.append(Site(SiteKind.COMPANION, bus, (load,), (), None, host))
    if host is None and storage is not None:
        sites.append(Site(SiteKind.PROSUMER, bus, (), (), storage, None))
    plants = [plant for plant in generators if plant not in hosted]
    return sites + [Site(_plant_kind(network, seed, plant), bus, (), (plant,), None, None) for plant in plants]


def _plant_kind(network: Network, seed: int, plant: int) -> SiteKind:
    is_pv = network.generators.kind[plant].startswith("PV")
    utility = is_pv and happens(
        parameters.UTILITY_OWNED_PER_MILLE, seed, "utility plant", network.generators.name[plant]
    )
    return SiteKind.UTILITY_PLANT if utility else SiteKind.PLANT
