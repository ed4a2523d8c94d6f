"""Which buses hang together: electrical nodes, branch ends that are closed, supplied buses."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.networks import Network


def components(n_buses: int, from_bus: Int64Array, to_bus: Int64Array) -> Int64Array:
    """Return for each bus the number of its connected component, numbered by its first bus.

    :param from_bus, to_bus: the connections
    """
    graph = coo_array((np.ones(from_bus.size, np.int8), (from_bus, to_bus)), shape=(n_buses, n_buses))
    labels = np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[inverse], dtype=np.int64)


def nodes(network: Network) -> Int64Array:
    """Return for each bus its electrical node: buses joined by closed couplers share one."""
    return components(len(network.buses), network.couplers.from_bus, network.couplers.to_bus)


def connected_lines(network: Network) -> BoolArray:
    """Return which lines are closed at both ends."""
    return network.lines.from_closed & network.lines.to_closed


def connected_transformers(network: Network) -> BoolArray:
    """Return which transformers are closed at both ends."""
    return network.transformers.hv_closed & network.transformers.lv_closed


def joined_buses(network: Network, lines: BoolArray, transformers: BoolArray) -> Int64Array:
    """Return the connected component of each bus over the couplers and the branches that are chosen."""
    return components(len(network.buses), *_connections(network, lines, transformers))


def supplied_buses(network: Network) -> BoolArray:
    """Return which buses a feeding point reaches over closed switches."""
    component = joined_buses(network, connected_lines(network), connected_transformers(network))
    return np.isin(component, component[network.sources.bus])


def hops_from_source(network: Network) -> FloatArray:
    """Return for each bus the number of closed branches and couplers to the nearest feeding point; infinite if none."""
    from_bus, to_bus = _connections(network, connected_lines(network), connected_transformers(network))
    n_buses = len(network.buses)
    graph = coo_array((np.ones(from_bus.size), (from_bus, to_bus)), shape=(n_buses, n_buses)).tocsr()
    hops = dijkstra(graph, directed=False, indices=network.sources.bus, unweighted=True, min_only=True)
    return np.asarray(hops, dtype=np.float64)


def _connections(network: Network, lines: BoolArray, transformers: BoolArray) -> tuple[Int64Array, Int64Array]:
    couplers = network.couplers
    from_bus = (couplers.from_bus, network.lines.from_bus[lines], network.transformers.hv_bus[transformers])
    to_bus = (couplers.to_bus, network.lines.to_bus[lines], network.transformers.lv_bus[transformers])
    return np.concatenate(from_bus), np.concatenate(to_bus)
