"""Admittances of a network in per unit: the pi model of every branch, the nodal matrix, and the feeding points.

Base power is 1 MVA, so that injections in MW are their own per-unit values; base voltage is each bus's vn_kv. Branches
stand in one order: lines, then transformers. A branch open at one end keeps what it draws at the other; coupled buses
are one node.

Source of the branch formulas: R. D. Zimmerman, MATPOWER 7 manual, section 3 (pi model with an ideal transformer at the
from end), and pandapower's documentation of its elements (short-circuit impedance and no-load admittance referred to
the low-voltage side, half of the latter at each end).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse

from grid_models.connectivity import nodes
from grid_models.elements import BoolArray, FloatArray, Int64Array, NetworkError, freeze
from grid_models.networks import Network

ComplexArray: TypeAlias = npt.NDArray[np.complex128]

BASE_MVA = 1.0


@dataclass(frozen=True, eq=False)
class BranchAdmittances:
    """Two-port of each branch, shape (n_branches,): I_from = yff V_from + yft V_to, I_to = ytf V_from + ytt V_to.

    from_node, to_node: nodes. from_base_ka, to_base_ka: amperes / 1000 of one per unit of current at each end.
    """

    from_node: Int64Array
    to_node: Int64Array
    yff: ComplexArray
    yft: ComplexArray
    ytf: ComplexArray
    ytt: ComplexArray
    from_base_ka: FloatArray
    to_base_ka: FloatArray

    def __post_init__(self) -> None:
        freeze(self)

    def __len__(self) -> int:
        return len(self.from_node)


@dataclass(frozen=True, eq=False)
class Admittance:
    """Everything linear about a network. node_of_bus: node of each bus. matrix: (n_nodes, n_nodes) complex CSC.

    source_node: distinct nodes that feeding points hold. source_v: their complex voltages. n_lines: the first
    so many branches are lines.
    """

    n_nodes: int
    node_of_bus: Int64Array
    matrix: scipy.sparse.csc_matrix
    branches: BranchAdmittances
    n_lines: int
    source_node: Int64Array
    source_v: ComplexArray
    node_of_source: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


def admittance(network: Network) -> Admittance:
    """Return the network's admittances.

    :raises NetworkError: if an impedance is zero, coupled buses differ in voltage, or two feeding points at one node do
    """
    node_of_bus = nodes(network)
    n_nodes = int(node_of_bus.max()) + 1
    base_kv = _base_kv(network, node_of_bus, n_nodes)
    branches = _joined(
        _line_admittances(network, node_of_bus, base_kv), _transformer_admittances(network, node_of_bus, base_kv)
    )
    source_node, source_v, node_of_source = _sources(network, node_of_bus)
    return Admittance(
        n_nodes=n_nodes,
        node_of_bus=node_of_bus,
        matrix=_matrix(branches, n_nodes, _shunt_admittances(network, node_of_bus, base_kv, n_nodes)),
        branches=branches,
        n_lines=len(network.lines),
        source_node=source_node,
        source_v=source_v,
        node_of_source=node_of_source,
    )


def _base_kv(network: Network, node_of_bus: Int64Array, n_nodes: int) -> FloatArray:
    base_kv = np.zeros(n_nodes)
    base_kv[node_of_bus] = network.buses.vn_kv
    mixed = np.flatnonzero(base_kv[node_of_bus] != network.buses.vn_kv)
    if mixed.size:
        raise NetworkError(f"bus {network.buses.name[int(mixed[0])]!r} is coupled to a bus of another voltage level")
    return base_kv


def _line_admittances(network: Network, node_of_bus: Int64Array, base_kv: FloatArray) -> BranchAdmittances:
    lines = network.lines
    from_node, to_node = node_of_bus[lines.from_bus], node_of_bus[lines.to_bus]
    from_kv, to_kv = base_kv[from_node], base_kv[to_node]
    impedance = _complex(lines.r_ohm + 1j * lines.x_ohm)
    _refuse_zero(impedance, lines.name, "line")
    # A line between buses of different vn_kv is taken with the from bus's base on both sides, as pandapower does.
    base_ohm = from_kv**2 / BASE_MVA
    series = _complex(base_ohm / impedance)
    omega = 2 * np.pi * network.frequency_hz
    half_shunt = _complex((lines.g_us * 1e-6 + 1j * omega * lines.c_nf * 1e-9) * base_ohm / 2)
    ratio = np.ones(len(lines), dtype=np.complex128)
    return _two_ports(
        node=(from_node, to_node),
        kv=(from_kv, to_kv),
        series=series,
        half_shunt=half_shunt,
        ratio=ratio,
        closed=(lines.from_closed, lines.to_closed),
    )


def _transformer_admittances(network: Network, node_of_bus: Int64Array, base_kv: FloatArray) -> BranchAdmittances:
    units = network.transformers
    hv_node, lv_node = node_of_bus[units.hv_bus], node_of_bus[units.lv_bus]
    hv_kv, lv_kv = base_kv[hv_node], base_kv[lv_node]
    rated_hv_kv, rated_lv_kv = units.vn_hv_kv * units.hv_tap_factor, units.vn_lv_kv * units.lv_tap_factor
    # Short-circuit impedance and no-load losses, per unit of the low-voltage bus's base.
    to_base = rated_lv_kv**2 / units.sn_mva * BASE_MVA / lv_kv**2
    r_share, z_share = units.vkr_percent / 100, units.vk_percent / 100
    x_share = np.sign(z_share) * np.sqrt(np.maximum(z_share**2 - r_share**2, 0.0))
    impedance = _complex((r_share + 1j * x_share) * to_base)
    _refuse_zero(impedance, units.name, "transformer")
    pfe_mw = units.pfe_kw * 1e-3
    magnetising_mvar = np.sqrt(np.maximum((units.i0_percent / 100 * units.sn_mva) ** 2 - pfe_mw**2, 0.0))
    half_shunt = _complex((pfe_mw - 1j * magnetising_mvar) / BASE_MVA * lv_kv**2 / rated_lv_kv**2 / 2)
    ratio = (rated_hv_kv / hv_kv) / (rated_lv_kv / lv_kv) * np.exp(1j * np.deg2rad(units.shift_degree))
    return _two_ports(
        node=(hv_node, lv_node),
        kv=(hv_kv, lv_kv),
        series=_complex(1 / impedance),
        half_shunt=half_shunt,
        ratio=_complex(ratio),
        closed=(units.hv_closed, units.lv_closed),
    )


def _two_ports(
    *,
    node: tuple[Int64Array, Int64Array],
    kv: tuple[FloatArray, FloatArray],
    series: ComplexArray,
    half_shunt: ComplexArray,
    ratio: ComplexArray,
    closed: tuple[BoolArray, BoolArray],
) -> BranchAdmittances:
    """Return pi models with an ideal transformer of `ratio` at the from end, reduced where an end is open."""
    yff = (series + half_shunt) / np.abs(ratio) ** 2
    yft, ytf, ytt = -series / np.conj(ratio), -series / ratio, series + half_shunt
    at_from, at_to = closed
    only_from, only_to, both = at_from & ~at_to, at_to & ~at_from, at_from & at_to
    coupling = yft * ytf
    # Eliminating the open end's own bus leaves what the branch draws at the closed end.
    end_from = np.divide(coupling, ytt, out=np.zeros_like(coupling), where=ytt != 0)
    end_to = np.divide(coupling, yff, out=np.zeros_like(coupling), where=yff != 0)
    return BranchAdmittances(
        from_node=node[0],
        to_node=node[1],
        yff=np.where(both, yff, np.where(only_from, yff - end_from, 0)),
        yft=np.where(both, yft, 0),
        ytf=np.where(both, ytf, 0),
        ytt=np.where(both, ytt, np.where(only_to, ytt - end_to, 0)),
        from_base_ka=BASE_MVA / (np.sqrt(3) * kv[0]),
        to_base_ka=BASE_MVA / (np.sqrt(3) * kv[1]),
    )


def _joined(*parts: BranchAdmittances) -> BranchAdmittances:
    return BranchAdmittances(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )


def _shunt_admittances(network: Network, node_of_bus: Int64Array, base_kv: FloatArray, n_nodes: int) -> ComplexArray:
    shunts = network.shunts
    node = node_of_bus[shunts.bus]
    rated_kv = np.where(np.isfinite(shunts.vn_kv), shunts.vn_kv, base_kv[node])
    of_node = np.zeros(n_nodes, dtype=np.complex128)
    np.add.at(of_node, node, (shunts.p_mw - 1j * shunts.q_mvar) / BASE_MVA * (base_kv[node] / rated_kv) ** 2)
    return of_node


def _matrix(branches: BranchAdmittances, n_nodes: int, shunts: ComplexArray) -> scipy.sparse.csc_matrix:
    every = np.arange(n_nodes)
    row = np.concatenate([branches.from_node, branches.from_node, branches.to_node, branches.to_node, every])
    column = np.concatenate([branches.from_node, branches.to_node, branches.from_node, branches.to_node, every])
    value = np.concatenate([branches.yff, branches.yft, branches.ytf, branches.ytt, shunts])
    matrix = scipy.sparse.csc_matrix((value, (row, column)), shape=(n_nodes, n_nodes))
    matrix.sum_duplicates()
    return matrix


def _sources(network: Network, node_of_bus: Int64Array) -> tuple[Int64Array, ComplexArray, Int64Array]:
    sources = network.sources
    node = node_of_bus[sources.bus]
    voltage = _complex(sources.vm_pu * np.exp(1j * np.deg2rad(sources.va_degree)))
    distinct, first, number = np.unique(node, return_index=True, return_inverse=True)
    different = np.flatnonzero(voltage != voltage[first][number])
    if different.size:
        raise NetworkError(
            f"feeding point {sources.name[int(different[0])]!r} holds another voltage than one beside it"
        )
    return distinct.astype(np.int64), voltage[first], number.astype(np.int64)


def _complex(values: object) -> ComplexArray:
    return np.asarray(values, dtype=np.complex128)


def _refuse_zero(impedance: ComplexArray, names: tuple[str, ...], kind: str) -> None:
    zero = np.flatnonzero(~(np.abs(impedance) > 0))
    if zero.size:
        raise NetworkError(f"{kind} {names[int(zero[0])]!r} has no impedance")
