"""Branches that lie in a mesh: which they are, and how much each balance unit's export loads one of them.

Where power has two ways, no edge of the unit tree carries what such a branch carries: two units below one edge may load
it differently, or even relieve it. So its limit is told as a sum of the units' exports times factors. A factor is the
adjoint sensitivity of the loading (adjoint.py), taken as the mean over all that hangs on one point of the mesh:
from such a radial part all power comes to the mesh at one point, and its buses differ by their own losses alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from grid_models.adjoint import Linearisation
from grid_models.connectivity import connected_lines, connected_transformers, joined_buses, nodes
from grid_models.elements import BoolArray, FloatArray, Int64Array, freeze
from grid_models.metering_points import PointLocations
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow
from grid_models.security_states import CheckedState, LimitViolation
from grid_models.unit_flows import UnitFlows
from grid_models.violated_quantities import ViolatedQuantities

FACTOR_ONE = 10_000
"""Factors are whole numbers of this part: a W of export that is a W of loading."""

_W_OF_MW = 1e6
_SINGLE_BUS_WEIGHT = 1e-9  # MW; what a bus without power counts in a mean


@dataclass(frozen=True, eq=False)
class MeshParts:
    """The meshes of a network, as built.

    is_meshed: shape (n_branches,), lines, then transformers: whether the branch's ends stay joined without it and those
    parallel to it, feeding points counting as joined. part: (n_buses,), number of the radial part in which each bus
    lies once the meshed branches are taken away. is_source_part: (n_parts,), whether a feeding point lies in it.
    """

    is_meshed: BoolArray
    part: Int64Array
    is_source_part: BoolArray

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, eq=False)
class MeshedLoading:
    """How a meshed branch is loaded in a checked state.

    outside_w: by how much it must come down to lie inside its limit less the margin, as power at nominal voltage;
    negative: by how much it may rise. unit_factor: shape (n_units,), by how many FACTOR_ONE-th W its loading rises with
    each W that a unit's own metering points export, the root being the slack (0).
    """

    violation: LimitViolation
    outside_w: int
    unit_factor: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


def mesh_parts(network: Network) -> MeshParts:
    """Return where the network is meshed."""
    lines, transformers = connected_lines(network), connected_transformers(network)
    node = nodes(network)
    node = np.where(np.isin(node, node[network.sources.bus]), node[network.sources.bus[0]], node)
    from_node = node[np.concatenate([network.lines.from_bus, network.transformers.hv_bus])]
    to_node = node[np.concatenate([network.lines.to_bus, network.transformers.lv_bus])]
    is_closed = np.concatenate([lines, transformers]) & (from_node != to_node)
    low, high = np.minimum(from_node, to_node), np.maximum(from_node, to_node)
    way = low * node.size + high
    meshed_way = _meshed_ways(way[is_closed], node.size, int(node[network.sources.bus[0]]))
    is_meshed = np.asarray(is_closed & np.isin(way, meshed_way), dtype=np.bool_)
    n_lines = len(network.lines)
    part = joined_buses(network, lines & ~is_meshed[:n_lines], transformers & ~is_meshed[n_lines:])
    is_source_part = np.zeros(int(part.max()) + 1, dtype=np.bool_)
    is_source_part[part[network.sources.bus]] = True
    return MeshParts(is_meshed, part, is_source_part)


def meshed_loadings(
    state: CheckedState,
    violations: Sequence[LimitViolation],
    quantities: ViolatedQuantities,
    controllable_w: Int64Array,
    *,
    power_flow: PowerFlow,
    flows: UnitFlows,
    points: PointLocations,
    parts: MeshParts,
    branch_position: Mapping[str, int],
) -> tuple[MeshedLoading, ...]:
    """Return how each of some meshed branches is loaded in the state, in the order of `violations`.

    :param violations: of currents; of this state or an earlier one
    :param quantities: what the same violations measure
    :param controllable_w: shape (n_points,), how much of each point's export the market can take away
    """
    p_mw, q_mvar = (points.bus_injection(each[np.newaxis] / _W_OF_MW) for each in (state.p_w, state.q_var))
    result = power_flow.solve(p_mw, q_mvar)
    linear = Linearisation.of_result(power_flow, result, power_flow.node_injections(p_mw, q_mvar))
    outside = quantities.outside(result, flows.export_mw(result))[0]
    by_bus = linear.rows(quantities.gradients(linear)).by_p
    takeable_w = np.clip(controllable_w, 0, np.maximum(state.p_w, 0))
    unit_part_share = _unit_part_shares(state, takeable_w, points, flows.unit_of_bus, parts)
    bus_weight = np.abs(p_mw[0]) + _SINGLE_BUS_WEIGHT
    weight = np.bincount(parts.part, weights=bus_weight)
    found = []
    for row, violation in enumerate(violations):
        rated_mw = _rated_mw(power_flow.network, branch_position[violation.element])
        by_part = np.bincount(parts.part, weights=bus_weight * by_bus[row]) / weight
        factor = unit_part_share @ np.where(parts.is_source_part, 0.0, by_part * rated_mw)
        factor[0] = 0.0
        found.append(
            MeshedLoading(
                violation,
                int(np.ceil(outside[row] * rated_mw * _W_OF_MW)),
                np.rint(factor * FACTOR_ONE).astype(np.int64),
            )
        )
    return tuple(found)


def _meshed_ways(ways: Int64Array, n_nodes: int, root: int) -> Int64Array:
    """Return which of the ways, numbered low node x n_nodes + high node, lie on a circle.

    Each way beside a spanning tree closes a circle with the tree's paths from its two ends.
    """
    ways = np.unique(ways)
    low, high = np.divmod(ways, n_nodes)
    graph = coo_array((np.ones(ways.size, np.int8), (low, high)), shape=(n_nodes, n_nodes)).tocsr()
    _, above = breadth_first_order(graph, root, directed=False)
    beside = (above[low] != high) & (above[high] != low) & ((above[low] >= 0) | (low == root))
    found: set[int] = set()
    for one, other in zip(low[beside].tolist(), high[beside].tolist(), strict=True):
        found.add(one * n_nodes + other)
        paths = [_path_to_root(end, above, root) for end in (one, other)]
        shared = set(paths[0]) & set(paths[1])
        for path in paths:
            for lower, upper in pairwise(path):
                if lower not in shared:
                    found.add(min(lower, upper) * n_nodes + max(lower, upper))
    return np.array(sorted(found), dtype=np.int64)


def _path_to_root(node: int, above: Int64Array, root: int) -> list[int]:
    path = [node]
    while path[-1] != root:
        path.append(int(above[path[-1]]))
    return path


def _unit_part_shares(
    state: CheckedState, takeable_w: Int64Array, points: PointLocations, unit_of_bus: Int64Array, parts: MeshParts
) -> FloatArray:
    """Return what share of each unit's own power stands in each radial part, (n_units, n_parts).

    By what can be taken away; without any by all power; a unit without power is its buses' part if they have one, else
    has its parent's shares, so that nothing changes at its edge.
    """
    n_units, n_parts = points.parent.size, parts.is_source_part.size
    part_of_point = parts.part[points.bus]
    shares = np.zeros((n_units, n_parts))
    is_known = np.zeros(n_units, dtype=np.bool_)
    for power_w in (takeable_w, np.abs(state.p_w)):
        of_unit = np.zeros((n_units, n_parts))
        np.add.at(of_unit, (points.unit, part_of_point), power_w.astype(np.float64))
        total = of_unit.sum(axis=1)
        chosen = ~is_known & (total > 0)
        shares[chosen] = of_unit[chosen] / total[chosen, np.newaxis]
        is_known |= chosen
    for unit in np.flatnonzero(~is_known).tolist():
        own = np.unique(parts.part[unit_of_bus == unit])
        if own.size == 1:
            shares[unit, own[0]] = 1.0
        elif unit:
            shares[unit] = shares[points.parent[unit]]
    return shares


def _rated_mw(network: Network, branch: int) -> float:
    """Return a branch's rated power at nominal voltage, MVA."""
    lines, n_lines = network.lines, len(network.lines)
    if branch < n_lines:
        return float(np.sqrt(3) * network.buses.vn_kv[lines.from_bus[branch]] * lines.max_i_ka[branch])
    return float(network.transformers.rating_mva[branch - n_lines])
