"""The short-circuit check of the stations that hosting capacities are found behind.

A bus's station is the busbar below the nearest transformer on its way to the feeding point. Each station is checked
with one new plant behind it, the largest that hosting allows at one of its buses, and with those already registered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from grid_models.connectivity import connected_lines, connected_transformers, hops_from_source
from grid_models.elements import Int64Array
from grid_models.hosting import HostingCapacity
from grid_models.networks import Network
from grid_models.short_circuit import NewPlant, ShortCircuitDataError, ShortCircuitModel
from grid_models.standard_checks import CheckFailed, CheckPassed, check_short_circuit

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StationCheck:
    """A station's busbar, the plant it was checked with, I_k'' as the network is, and the outcome with the plants."""

    station: str
    plant: NewPlant
    without_ka: float
    outcome: CheckPassed | CheckFailed


def check_stations(
    model: ShortCircuitModel,
    network: Network,
    capacity: HostingCapacity,
    *,
    power_factor: float,
    registered: Sequence[NewPlant] = (),
    progress: Progress = lambda _done, _all: None,
) -> tuple[StationCheck, ...]:
    """Return the check of every station behind which a bus has a capacity, in the order of the busbars.

    Stations of voltages for which no breaker rating is given are left out.

    :param power_factor: of the plants; their rating is their power over it
    :raises ShortCircuitDataError: if no station's voltage has a breaker rating
    """
    largest = {network.buses.name[busbar]: plant for busbar, plant in _largest(network, capacity, power_factor)}
    stations = [station for station in largest if model.has_breaker(station)]
    if not stations:
        raise ShortCircuitDataError("no breaker rating is given for the voltage of any station asked for")
    without_ka = model.currents(stations)
    found = []
    for number, station in enumerate(stations):
        plant = largest[station]
        (with_plants_ka,) = model.currents([station], [*registered, plant]).tolist()
        outcome = check_short_circuit(i_xz_ka=with_plants_ka, i_m_ka=model.breaker_ka(station), place=station)
        found.append(StationCheck(station, plant, float(without_ka[number]), outcome))
        progress(number + 1, len(stations))
    return tuple(found)


def _largest(network: Network, capacity: HostingCapacity, power_factor: float) -> list[tuple[int, NewPlant]]:
    """Return each station, by its busbar's position, with the largest plant at one bus; of equals the first."""
    busbar = station_busbars(network)
    best: dict[int, NewPlant] = {}
    for name, capacity_mw in zip(capacity.bus, capacity.capacity_mw.tolist(), strict=True):
        station = int(busbar[network.bus_position[name]])
        rated_mva = capacity_mw / power_factor
        if 0 < rated_mva < np.inf and (station not in best or rated_mva > best[station].rated_mva):
            best[station] = NewPlant(name, rated_mva)
    return [(station, best[station]) for station in sorted(best)]


def station_busbars(network: Network) -> Int64Array:
    """Return the position of each bus's station busbar, (n_buses,); the feeding point's bus where none is between."""
    lines, transformers, couplers = network.lines, network.transformers, network.couplers
    closed, joined = connected_lines(network), connected_transformers(network)
    from_bus = np.concatenate([lines.from_bus[closed], transformers.hv_bus[joined], couplers.from_bus])
    to_bus = np.concatenate([lines.to_bus[closed], transformers.lv_bus[joined], couplers.to_bus])
    n_buses = len(network.buses)
    graph = coo_array((np.ones(from_bus.size), (from_bus, to_bus)), shape=(n_buses, n_buses)).tocsr()
    _, above, _ = dijkstra(
        graph, directed=False, indices=network.sources.bus, unweighted=True, min_only=True, return_predecessors=True
    )
    pairs = zip(transformers.hv_bus[joined].tolist(), transformers.lv_bus[joined].tolist(), strict=True)
    over_transformer = {frozenset(pair) for pair in pairs}
    busbar = np.arange(n_buses)
    for bus in np.argsort(hops_from_source(network), kind="stable").tolist():
        if above[bus] >= 0 and frozenset((bus, int(above[bus]))) not in over_transformer:
            busbar[bus] = busbar[above[bus]]
    return busbar.astype(np.int64)
