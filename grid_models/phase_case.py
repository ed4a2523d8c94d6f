"""A network by phase as power-grid-model's input: the balanced case, with zero sequence, sources and loads put in.

Lines and transformers keep our order. A transformer's zero-sequence impedance is power-grid-model's own (that of the
positive sequence; a tenth of it for a zigzag winding) plus three times an earthing impedance, which is therefore set to
a third of the difference; it may be negative. A feeding point with an impedance becomes an ideal source behind a line.
"""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
import numpy.typing as npt
from power_grid_model import ComponentType, DatasetType, LoadGenType, WindingType, initialize_array

from grid_models.elements import Int64Array, NetworkError
from grid_models.networks import Network
from grid_models.newton_case import newton_case
from grid_models.zero_sequence import VectorGroup, ZeroSequence

_ZIGZAG_Z0_PER_Z1 = 0.1
_KEPT = (ComponentType.node, ComponentType.line, ComponentType.transformer, ComponentType.source, ComponentType.shunt)

Records = npt.NDArray[np.void]


@dataclass(frozen=True, eq=False)
class PhaseCase:
    """Input arrays by component. node_of_bus: (n_buses,). load_id: one load a node. source_node: (n_sources,), where a
    feeding point's voltage is held; source_is_ideal: whether it has no impedance. n_lines: without those of sources.
    """

    components: dict[ComponentType, Records]
    node_of_bus: Int64Array
    n_nodes: int
    n_lines: int
    load_id: npt.NDArray[np.int32]
    source_id: npt.NDArray[np.int32]
    source_node: Int64Array
    source_is_ideal: bool


def phase_case(network: Network, zero: ZeroSequence) -> PhaseCase:
    """Return the network as power-grid-model's input for asymmetric calculations, with one load of 0 at each node.

    :raises NetworkError: as newton_case does, and for a transformer that is no plain one
    """
    balanced = newton_case(network)
    if balanced.generic_row.size:
        name = network.transformers.name[int(balanced.generic_row[0])]
        raise NetworkError(
            f"transformer {name!r} has a negative impedance or a shift off the clock: not modelled by phase"
        )
    components = {kind: balanced.components[kind].copy() for kind in _KEPT if kind in balanced.components}
    next_id = 1 + max(int(records["id"].max()) for records in components.values() if len(records))
    _set_lines(components[ComponentType.line], zero)
    _set_transformers(components[ComponentType.transformer], network, zero)
    n_lines = len(components[ComponentType.line])
    source_node = components[ComponentType.source]["node"].astype(np.int64)
    next_id = _put_sources_behind_lines(components, zero, next_id)
    load = np.asarray(initialize_array(DatasetType.input, ComponentType.asym_load, balanced.n_nodes))
    load["id"] = next_id + np.arange(balanced.n_nodes)
    load["node"], load["status"], load["type"] = np.arange(balanced.n_nodes), 1, LoadGenType.const_power
    load["p_specified"] = load["q_specified"] = 0.0
    components[ComponentType.asym_load] = load
    return PhaseCase(
        components=components,
        node_of_bus=balanced.node_of_bus,
        n_nodes=balanced.n_nodes,
        n_lines=n_lines,
        load_id=load["id"].copy(),
        source_id=components[ComponentType.source]["id"].copy(),
        source_node=source_node,
        source_is_ideal=not zero.source_z2_ohm.any(),
    )


def _set_lines(records: Records, zero: ZeroSequence) -> None:
    records["r0"], records["x0"] = zero.line_r0_ohm, zero.line_x0_ohm
    records["c0"], records["tan0"] = zero.line_c0_nf * 1e-9, 0.0


def _set_transformers(records: Records, network: Network, zero: ZeroSequence) -> None:
    transformers = network.transformers
    base_ohm = (transformers.vn_lv_kv * transformers.lv_tap_factor) ** 2 / transformers.sn_mva
    r1_pu = transformers.vkr_percent / 100
    z1_ohm = (r1_pu + 1j * np.sqrt(np.maximum((transformers.vk_percent / 100) ** 2 - r1_pu**2, 0.0))) * base_ohm
    own_z0_ohm = z1_ohm.copy()
    shunt_siemens = zero.transformer_y0_siemens.copy()
    windings = []
    for row, group in enumerate(zero.vector_group):
        windings.append(_windings(group))
        match group:
            case VectorGroup.DYN | VectorGroup.YNYN:
                pass
            case VectorGroup.YZN:
                own_z0_ohm[row] *= _ZIGZAG_Z0_PER_Z1
            case VectorGroup.YYN:  # to earth through the magnetising impedance alone
                shunt_siemens[row] = 1 / zero.transformer_z0_ohm[row]
                own_z0_ohm[row] = zero.transformer_z0_ohm[row]
            case _:
                assert_never(group)
    earthing_ohm = (zero.transformer_z0_ohm - own_z0_ohm) / 3
    records["r_grounding_to"], records["x_grounding_to"] = earthing_ohm.real, earthing_ohm.imag
    records["r_grounding_from"] = records["x_grounding_from"] = 0.0
    records["i0_zero_sequence"] = np.abs(shunt_siemens) * base_ohm
    records["p0_zero_sequence"] = shunt_siemens.real * base_ohm * transformers.sn_mva * 1e6
    records["winding_from"] = [high for high, _ in windings]
    records["winding_to"] = [low for _, low in windings]


def _windings(group: VectorGroup) -> tuple[WindingType, WindingType]:
    match group:
        case VectorGroup.DYN:
            return WindingType.delta, WindingType.wye_n
        case VectorGroup.YNYN:
            return WindingType.wye_n, WindingType.wye_n
        case VectorGroup.YYN:
            return WindingType.wye, WindingType.wye_n
        case VectorGroup.YZN:
            return WindingType.wye, WindingType.zigzag_n
        case _:
            assert_never(group)


def _put_sources_behind_lines(components: dict[ComponentType, Records], zero: ZeroSequence, next_id: int) -> int:
    """Move each source that has an impedance to a node of its own; return the next free id."""
    behind = np.flatnonzero(zero.source_z2_ohm)
    if not behind.size:
        return next_id
    node, line, source = (components[kind] for kind in (ComponentType.node, ComponentType.line, ComponentType.source))
    terminal = source["node"][behind].copy()
    new_node = np.asarray(initialize_array(DatasetType.input, ComponentType.node, behind.size))
    new_node["id"] = next_id + np.arange(behind.size)
    u_rated = dict(zip(node["id"].tolist(), node["u_rated"].tolist(), strict=True))
    new_node["u_rated"] = [u_rated[int(each)] for each in terminal]
    new_line = np.asarray(initialize_array(DatasetType.input, ComponentType.line, behind.size))
    new_line["id"] = next_id + behind.size + np.arange(behind.size)
    new_line["from_node"], new_line["to_node"] = new_node["id"], terminal
    new_line["from_status"] = new_line["to_status"] = 1
    new_line["r1"], new_line["x1"] = zero.source_z2_ohm[behind].real, zero.source_z2_ohm[behind].imag
    new_line["r0"], new_line["x0"] = zero.source_z0_ohm[behind].real, zero.source_z0_ohm[behind].imag
    new_line["c1"] = new_line["c0"] = new_line["tan1"] = new_line["tan0"] = 0.0
    source["node"][behind] = new_node["id"]
    components[ComponentType.node] = np.concatenate([node, new_node])
    components[ComponentType.line] = np.concatenate([line, new_line])
    return next_id + 2 * int(behind.size)
