"""Our columns to power-grid-model's input arrays, by hand.

Exact against pandapower with trafo_model="pi": coupled buses become one node, half-open branches keep their closed
end, a line that a closed switch bridges is its charging alone, the source's impedance is negligible (pandapower's is
ideal), tap factors multiply the rated voltages. All
constant-power injection of a node is one sym_load, so that updates are dense.

Transformers that its transformer cannot hold (a star with a negative impedance, a phase shift off the clock) go in as
generic branches; power-grid-model documents those as a pi model on the to side behind an ideal transformer at the from
side, impedances in ohms there, which is the same model.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from power_grid_model import ComponentType, DatasetType, LoadGenType, WindingType, initialize_array

from grid_models.connectivity import nodes
from grid_models.elements import BoolArray, Int64Array, NetworkError
from grid_models.networks import Network

_SOURCE_SHORT_CIRCUIT_VA = 1e20
_CLOCK_DEGREES = 30.0

Records = npt.NDArray[np.void]


@dataclass(frozen=True, eq=False)
class NewtonCase:
    """Input arrays by component, and the node of each bus.

    Records of lines keep our order; transformer_row and generic_row say which of our transformers the records of
    `transformer` and `generic_branch` are.
    """

    components: dict[ComponentType, Records]
    node_of_bus: Int64Array
    n_nodes: int
    load_id: npt.NDArray[np.int32]
    transformer_row: Int64Array
    generic_row: Int64Array


def newton_case(network: Network) -> NewtonCase:
    """Return the network as power-grid-model's input.

    :raises NetworkError: if coupled buses differ in voltage, a branch has no impedance, a line leaks without charging
    """
    _refuse_zero_impedances(network)
    node_of_bus = nodes(network)
    n_nodes = int(node_of_bus.max()) + 1
    generic = _off_transformer(network)
    transformer_row, generic_row = np.flatnonzero(~generic), np.flatnonzero(generic)
    branches = {
        ComponentType.line: _line_records(network, node_of_bus),
        ComponentType.transformer: _transformer_records(network, node_of_bus, transformer_row),
        ComponentType.generic_branch: _generic_records(network, node_of_bus, generic_row),
    }
    beside = np.zeros(0, np.int64)
    for records in branches.values():
        beside = np.concatenate([beside, _parted(records, n_nodes + beside.size)])
    arrays: dict[ComponentType, Records] = {ComponentType.node: _node_records(network, node_of_bus, n_nodes, beside)}
    first_id = n_nodes + beside.size
    for component, records in (
        *branches.items(),
        (ComponentType.source, _source_records(network, node_of_bus)),
        (ComponentType.shunt, _shunt_records(network, node_of_bus)),
        (ComponentType.sym_load, _load_records(n_nodes)),
    ):
        records["id"] = first_id + np.arange(len(records))
        first_id += len(records)
        arrays[component] = records
    load_id = arrays[ComponentType.sym_load]["id"].copy()
    return NewtonCase(arrays, node_of_bus, n_nodes, load_id, transformer_row, generic_row)


def _records(component: ComponentType, count: int) -> Records:
    return np.asarray(initialize_array(DatasetType.input, component, count))


def _node_records(network: Network, node_of_bus: Int64Array, n_nodes: int, beside: Int64Array) -> Records:
    """Return the nodes, then one of the same voltage for each node of `beside` (_parted)."""
    records = _records(ComponentType.node, n_nodes + beside.size)
    records["id"] = np.arange(n_nodes + beside.size)
    u_rated = np.zeros(n_nodes)
    u_rated[node_of_bus] = network.buses.vn_kv * 1e3
    mixed = np.flatnonzero(u_rated[node_of_bus] != network.buses.vn_kv * 1e3)
    if mixed.size:
        raise NetworkError(f"bus {network.buses.name[int(mixed[0])]!r} is coupled to a bus of another voltage level")
    records["u_rated"] = np.concatenate([u_rated, u_rated[beside]])
    return records


def _line_records(network: Network, node_of_bus: Int64Array) -> Records:
    lines = network.lines
    records = _records(ComponentType.line, len(lines))
    records["from_node"], records["to_node"] = node_of_bus[lines.from_bus], node_of_bus[lines.to_bus]
    records["from_status"], records["to_status"] = lines.from_closed, lines.to_closed
    records["r1"], records["x1"] = lines.r_ohm, lines.x_ohm
    c_farad, g_siemens = lines.c_nf * 1e-9, lines.g_us * 1e-6
    omega = 2 * np.pi * network.frequency_hz
    leaky = np.flatnonzero((g_siemens > 0) & (c_farad == 0))
    if leaky.size:
        raise NetworkError(f"line {lines.name[int(leaky[0])]!r} has a conductance but no capacitance")
    records["c1"] = c_farad
    records["tan1"] = np.divide(g_siemens, omega * c_farad, out=np.zeros_like(c_farad), where=c_farad > 0)
    records["i_n"] = lines.max_i_ka * 1e3
    return records


def _parted(records: Records, first_id: int) -> Int64Array:
    """Lay one end of each branch with both ends on one node on a node of its own, open; return where each was.

    power-grid-model refuses such branches. Idle elements have such ends, because what nothing feeds is all one node;
    bridged lines are open here, and their charging is a shunt (_shunt_records).

    :param first_id: id of the first new node
    """
    loops = np.flatnonzero(records["from_node"] == records["to_node"])
    former = records["to_node"][loops].astype(np.int64)
    bridged = loops[(records["from_status"][loops] == 1) & (records["to_status"][loops] == 1)]
    records["from_status"][bridged] = records["to_status"][bridged] = 0
    own = first_id + np.arange(loops.size)
    at_from = records["from_status"][loops] == 0
    records["from_node"][loops[at_from]] = own[at_from]
    records["to_node"][loops[~at_from]] = own[~at_from]
    return former


def _bridged_lines(network: Network, node_of_bus: Int64Array) -> Int64Array:
    lines = network.lines
    same = node_of_bus[lines.from_bus] == node_of_bus[lines.to_bus]
    return np.flatnonzero(same & lines.from_closed & lines.to_closed)


def _refuse_zero_impedances(network: Network) -> None:
    lines, transformers = network.lines, network.transformers
    for kind, names, absent in (
        ("line", lines.name, (lines.r_ohm == 0) & (lines.x_ohm == 0)),
        ("transformer", transformers.name, transformers.vk_percent == 0),
    ):
        rows = np.flatnonzero(absent)
        if rows.size:
            raise NetworkError(f"{kind} {names[int(rows[0])]!r} has no impedance")


def _off_transformer(network: Network) -> BoolArray:
    """Return which transformers power-grid-model's transformer cannot hold."""
    transformers = network.transformers
    clock = transformers.shift_degree / _CLOCK_DEGREES
    negative = (transformers.vk_percent < 0) | (transformers.vkr_percent < 0)
    return negative | ~np.isclose(clock, np.round(clock))


def _transformer_records(network: Network, node_of_bus: Int64Array, rows: Int64Array) -> Records:
    transformers = network.transformers
    records = _records(ComponentType.transformer, len(rows))
    _connect(records, network, node_of_bus, rows)
    records["u1"] = (transformers.vn_hv_kv * transformers.hv_tap_factor)[rows] * 1e3
    records["u2"] = (transformers.vn_lv_kv * transformers.lv_tap_factor)[rows] * 1e3
    sn_va, pfe_w = transformers.sn_mva[rows] * 1e6, transformers.pfe_kw[rows] * 1e3
    records["sn"] = sn_va
    records["uk"] = transformers.vk_percent[rows] / 100
    records["pk"] = transformers.vkr_percent[rows] / 100 * sn_va
    records["p0"] = pfe_w
    records["i0"] = np.maximum(transformers.i0_percent[rows] / 100, pfe_w / sn_va)
    hours = np.round(transformers.shift_degree[rows] / _CLOCK_DEGREES).astype(np.int8) % 12
    records["clock"] = hours
    records["winding_from"] = np.where(hours % 2 == 1, WindingType.delta, WindingType.wye_n)
    records["winding_to"] = WindingType.wye_n
    records["tap_side"], records["tap_size"] = 0, 0.0
    records["tap_pos"] = records["tap_nom"] = records["tap_min"] = records["tap_max"] = 0
    return records


def _generic_records(network: Network, node_of_bus: Int64Array, rows: Int64Array) -> Records:
    transformers, vn_kv = network.transformers, network.buses.vn_kv
    records = _records(ComponentType.generic_branch, len(rows))
    _connect(records, network, node_of_bus, rows)
    rated_hv_kv = (transformers.vn_hv_kv * transformers.hv_tap_factor)[rows]
    rated_lv_kv = (transformers.vn_lv_kv * transformers.lv_tap_factor)[rows]
    z_share, r_share = transformers.vk_percent[rows] / 100, transformers.vkr_percent[rows] / 100
    rated_ohm = rated_lv_kv**2 / transformers.sn_mva[rows]
    records["r1"] = r_share * rated_ohm
    records["x1"] = np.sign(z_share) * np.sqrt(np.maximum(z_share**2 - r_share**2, 0.0)) * rated_ohm
    pfe_mw = transformers.pfe_kw[rows] * 1e-3
    no_load_mva = transformers.i0_percent[rows] / 100 * transformers.sn_mva[rows]
    records["g1"] = pfe_mw / rated_lv_kv**2
    records["b1"] = -np.sqrt(np.maximum(no_load_mva**2 - pfe_mw**2, 0.0)) / rated_lv_kv**2
    base_ratio = vn_kv[transformers.hv_bus[rows]] / vn_kv[transformers.lv_bus[rows]]
    records["k"] = rated_hv_kv / rated_lv_kv / base_ratio
    records["theta"] = np.deg2rad(transformers.shift_degree[rows])
    records["sn"] = transformers.sn_mva[rows] * 1e6
    return records


def _connect(records: Records, network: Network, node_of_bus: Int64Array, rows: Int64Array) -> None:
    transformers = network.transformers
    records["from_node"] = node_of_bus[transformers.hv_bus[rows]]
    records["to_node"] = node_of_bus[transformers.lv_bus[rows]]
    records["from_status"], records["to_status"] = transformers.hv_closed[rows], transformers.lv_closed[rows]
    bridged = np.flatnonzero(
        (records["from_node"] == records["to_node"]) & (records["from_status"] == 1) & (records["to_status"] == 1)
    )
    if bridged.size:
        raise NetworkError(f"transformer {transformers.name[int(rows[bridged[0]])]!r} has both ends on one node")


def _source_records(network: Network, node_of_bus: Int64Array) -> Records:
    records = _records(ComponentType.source, len(network.sources))
    records["node"], records["status"] = node_of_bus[network.sources.bus], 1
    records["u_ref"], records["u_ref_angle"] = network.sources.vm_pu, np.deg2rad(network.sources.va_degree)
    records["sk"], records["rx_ratio"] = _SOURCE_SHORT_CIRCUIT_VA, 0.1
    return records


def _shunt_records(network: Network, node_of_bus: Int64Array) -> Records:
    shunts, lines = network.shunts, network.lines
    bridged = _bridged_lines(network, node_of_bus)
    rated_kv = np.where(np.isfinite(shunts.vn_kv), shunts.vn_kv, network.buses.vn_kv[shunts.bus])
    charging = 2 * np.pi * network.frequency_hz * lines.c_nf[bridged] * 1e-9
    records = _records(ComponentType.shunt, len(shunts) + bridged.size)
    records["node"] = node_of_bus[np.concatenate([shunts.bus, lines.from_bus[bridged]])]
    records["status"] = 1
    records["g1"] = records["g0"] = np.concatenate([shunts.p_mw / rated_kv**2, lines.g_us[bridged] * 1e-6])
    records["b1"] = records["b0"] = np.concatenate([-shunts.q_mvar / rated_kv**2, charging])
    return records


def _load_records(n_nodes: int) -> Records:
    records = _records(ComponentType.sym_load, n_nodes)
    records["node"], records["status"], records["type"] = np.arange(n_nodes), 1, LoadGenType.const_power
    records["p_specified"] = records["q_specified"] = 0.0
    return records
