"""Who loads a branch: what each bus contributes to its flow, by the overlap of the bus's path with the branch.

In a tree the path from a bus to the feeding point runs through the branch or not: overlap 1 or 0, so the flow is the
sum of what is injected behind the branch, less what is lost there. In a meshed part the overlap is the current divider
of the unloaded network: the share of a bus's current that takes the branch on its way to the feeding points, referred
to power by the no-load voltages (superposition; the same 1 and 0 wherever the network is a tree without shunts).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.sparse.linalg import splu

from grid_models.admittance import Admittance, ComplexArray
from grid_models.connectivity import connected_lines, connected_transformers, hops_from_source, joined_buses
from grid_models.elements import BoolArray, FloatArray, NetworkError, freeze
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow, PowerFlowResult


class OverlapKind(Enum):
    """How the overlap was found. PATH: the branch is the only way. CURRENT_DIVIDER: it lies in a meshed part."""

    PATH = "path"
    CURRENT_DIVIDER = "current-divider"


@dataclass(frozen=True, eq=False)
class BranchOverlap:
    """How much of each bus's power takes one branch, up towards the feeding points; a matter of the network alone.

    element, branch: name, and position among lines, then transformers. upper_is_to: whether the end nearer to the
    feeding points, where the flow is measured, is the to end (a transformer's low-voltage side). overlap: (n_buses,),
    complex: active power P and reactive power Q at the bus contribute Re(overlap (P + jQ)) MW; real, 1 or 0, on a path.
    """

    element: str
    branch: int
    kind: OverlapKind
    upper_is_to: bool
    overlap: ComplexArray

    def __post_init__(self) -> None:
        freeze(self)

    def contribution_mw(self, p_mw: FloatArray, q_mvar: FloatArray) -> FloatArray:
        """Return what injections at the buses contribute to the flow up, MW, shape as given.

        :param p_mw, q_mvar: shape (..., n_buses), positive into the network
        """
        return np.asarray((self.overlap * (p_mw + 1j * q_mvar)).real, dtype=np.float64)

    def flow_up_mw(self, network: Network, result: PowerFlowResult) -> FloatArray:
        """Return the branch's flow towards the feeding points at its upper end, MW, shape (n_scenarios,)."""
        n_lines = len(network.lines)
        if self.branch < n_lines:
            ends = result.line_p_to_mw if self.upper_is_to else result.line_p_from_mw
            return -ends[:, self.branch]
        ends = result.transformer_p_lv_mw if self.upper_is_to else result.transformer_p_hv_mw
        return -ends[:, self.branch - n_lines]


def branch_overlap(power_flow: PowerFlow, element: str) -> BranchOverlap:
    """Return the overlap of every bus with a line or transformer.

    :raises NetworkError: if no line or transformer is called so, or it is open
    """
    network = power_flow.network
    branch = _position(network, element)
    behind = _behind(network, branch)
    hops = hops_from_source(network)
    lines, units = network.lines, network.transformers
    from_bus = np.concatenate([lines.from_bus, units.hv_bus])[branch]
    to_bus = np.concatenate([lines.to_bus, units.lv_bus])[branch]
    if behind.any():
        return BranchOverlap(element, branch, OverlapKind.PATH, bool(behind[from_bus]), behind.astype(np.complex128))
    upper_is_to = bool(hops[to_bus] < hops[from_bus])
    overlap = _current_divider(power_flow.model, branch, upper_is_to=upper_is_to)
    return BranchOverlap(element, branch, OverlapKind.CURRENT_DIVIDER, upper_is_to, overlap)


def _position(network: Network, element: str) -> int:
    names = (*network.lines.name, *network.transformers.name)
    if element not in names:
        raise NetworkError(f"no line or transformer is called {element!r}")
    branch = names.index(element)
    if not np.concatenate([connected_lines(network), connected_transformers(network)])[branch]:
        raise NetworkError(f"{element!r} is open: nobody loads it")
    return branch


def _behind(network: Network, branch: int) -> BoolArray:
    """Return which buses no feeding point reaches but through the branch; none where it lies in a meshed part."""
    lines, transformers = connected_lines(network).copy(), connected_transformers(network).copy()
    (lines if branch < lines.size else transformers)[branch if branch < lines.size else branch - lines.size] = False
    part = joined_buses(network, lines, transformers)
    return ~np.isin(part, part[network.sources.bus])


def _current_divider(model: Admittance, branch: int, *, upper_is_to: bool) -> ComplexArray:
    """Return each bus's overlap in a meshed part: I_upper = row . V and Y V = c + I give row Y^-1 for each current."""
    branches = model.branches
    own, other = branches.to_node[branch], branches.from_node[branch]
    y_own, y_other = branches.ytt[branch], branches.ytf[branch]
    if not upper_is_to:
        own, other = other, own
        y_own, y_other = branches.yff[branch], branches.yft[branch]
    row = np.zeros(model.n_nodes, dtype=np.complex128)
    row[own] += y_own
    row[other] += y_other
    free = np.setdiff1d(np.arange(model.n_nodes), model.source_node)
    matrix = model.matrix.tocsr()
    factors = splu(matrix[free][:, free].tocsc())
    no_load_v = np.empty(model.n_nodes, dtype=np.complex128)
    no_load_v[model.source_node] = model.source_v
    no_load_v[free] = factors.solve(-(matrix[free][:, model.source_node] @ model.source_v))
    overlap = np.zeros(model.n_nodes, dtype=np.complex128)
    # S = V_own conj(share I) with I = conj(S_bus / V_bus); up is out of the branch at this end.
    overlap[free] = -no_load_v[own] * np.conj(factors.solve(row[free], trans="T")) / no_load_v[free]
    return np.asarray(overlap[model.node_of_bus], dtype=np.complex128)
