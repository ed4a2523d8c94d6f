"""Transformer areas: which a network has, and one of them cut out as a network of its own.

An area is what one MV/LV transformer, or several in parallel, feeds over closed lines and couplers: the areas of
topology.balance_units, found here without its tree.
"""

import copy
import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from grid_models.connectivity import connected_lines, connected_transformers, joined_buses, nodes
from grid_models.elements import Int64Array, Names, NetworkError, freeze
from grid_models.networks import Network, from_pandapower
from grid_models.topology import LOW_VOLTAGE_BELOW_KV

if TYPE_CHECKING:
    from pandapower import pandapowerNet

_INJECTING = ("load", "sgen", "storage", "shunt", "asymmetric_load", "asymmetric_sgen")


@dataclass(frozen=True, eq=False)
class LowVoltageArea:
    """One transformer area. transformers: names; buses: positions of its low-voltage buses in the whole network.

    hv_buses: positions of the transformers' high-voltage buses (one electrical node), lv_bus: of the first's busbar.
    """

    transformers: Names
    buses: Int64Array
    hv_buses: Int64Array
    lv_bus: int

    def __post_init__(self) -> None:
        freeze(self)


def low_voltage_areas(network: Network) -> tuple[LowVoltageArea, ...]:
    """Return the transformer areas of a network, in the order of their first transformers.

    :raises NetworkError: if an area is fed from two electrical nodes: it cannot stand alone
    """
    transformers = network.transformers
    kv = network.buses.v_nominal_v / 1e3
    feeding = connected_transformers(network) & (kv[transformers.lv_bus] < LOW_VOLTAGE_BELOW_KV)
    feeding &= kv[transformers.hv_bus] >= LOW_VOLTAGE_BELOW_KV
    part = joined_buses(network, connected_lines(network), np.zeros(len(transformers), dtype=np.bool_))
    node = nodes(network)
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(feeding):
        rows_of.setdefault(int(part[transformers.lv_bus[row]]), []).append(int(row))
    areas = []
    for each, rows in rows_of.items():
        hv_buses = transformers.hv_bus[rows]
        if np.unique(node[hv_buses]).size > 1:
            names = ", ".join(repr(transformers.name[row]) for row in rows)
            raise NetworkError(f"the transformers {names} feed one area from different buses")
        areas.append(
            LowVoltageArea(
                transformers=tuple(transformers.name[row] for row in rows),
                buses=np.flatnonzero(part == each),
                hv_buses=np.unique(hv_buses),
                lv_bus=int(transformers.lv_bus[rows[0]]),
            )
        )
    return tuple(areas)


def area_network(network: Network, area: LowVoltageArea, vm_pu: float = 1.0) -> Network:
    """Return an area as a network of its own, fed by an ideal source at its high-voltage bus.

    What else stands at that bus is left out; so are lines that are open towards another area, with their charging.
    Bus names stay, and so do the limits of the buses.

    :param vm_pu: voltage held at the high-voltage bus, as the balanced power flow of the whole network finds it
    :raises NetworkError: if a line that is closed at both ends or a transformer of the area is lost on the way
    """
    pandapower = importlib.import_module("pandapower")
    whole: pandapowerNet = network.handle
    index = whole.bus.index.to_numpy()
    low, high = index[area.buses], index[area.hv_buses]
    toolbox = importlib.import_module("pandapower.toolbox")
    net = copy.copy(toolbox.select_subnet(whole, [*low.tolist(), *high.tolist()], include_results=False))
    net["name"] = " + ".join(area.transformers)
    for kind in _INJECTING:
        if kind in net:
            net[kind] = net[kind][~net[kind].bus.isin(high)]
    net["trafo"] = net.trafo[net.trafo["name"].isin(area.transformers)]
    net["line"] = net.line[net.line.from_bus.isin(low) & net.line.to_bus.isin(low)]
    net["ext_grid"] = net.ext_grid.iloc[:0]
    pandapower.create_ext_grid(net, int(high[0]), vm_pu=vm_pu, name=f"feeding {net['name']}")
    cut = from_pandapower(net)
    at = [network.bus_position[name] for name in cut.buses.name]
    limits = network.buses
    buses = replace(
        cut.buses, v_nominal_v=limits.v_nominal_v[at], v_min_v=limits.v_min_v[at], v_max_v=limits.v_max_v[at]
    )
    _refuse_losses(network, area, cut)
    return replace(cut, buses=buses)


def _refuse_losses(network: Network, area: LowVoltageArea, cut: Network) -> None:
    inside = np.isin(network.lines.from_bus, area.buses) & connected_lines(network)
    expected = {network.lines.name[int(row)] for row in np.flatnonzero(inside)} | set(area.transformers)
    lost = sorted(expected - set(cut.lines.name) - set(cut.transformers.name))
    if lost:
        raise NetworkError(f"{lost[0]!r} cannot be cut out with its area")
