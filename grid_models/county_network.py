"""The county reference: HV1 of SimBench's whole-country model with all that hangs below it.

Cut from 1-EHVHVMVLV-mixed-all-1-sw: the 110 kV network HV1, its 15 medium-voltage networks and all their low-voltage
networks. The 380/220 kV network is cut away behind the busbars of the EHV/HV transformers, where the feeding points
stand, as in SimBench's own 1-HVMV-mixed-all-1-sw. The feeding points hold 0.95 of SimBench's voltages, which brings
110 kV inside GB/T 12325. Taps are on, and those of the 110 kV/MV transformers are where they bring the medium-voltage
busbars to 1.01 pu, within 0.6 of a step, at the quarter-hour of the largest reverse flow (most generation over load),
row 19822 of the year. The regulated taps stay for the whole year.
"""

import importlib
from typing import TYPE_CHECKING, Final

import numpy as np

from grid_models.elements import FloatArray, Int64Array, NetworkError
from grid_models.networks import Network, from_pandapower, library_warnings_silenced
from grid_models.power_flow import PowerFlow
from grid_models.simbench_profiles import NetworkProfiles, network_profiles

if TYPE_CHECKING:
    from pandapower import pandapowerNet

_CODE: Final = "1-EHVHVMVLV-mixed-all-1-sw"
_CODE_OF_THE_FEEDING_POINTS: Final = "1-HVMV-mixed-all-1-sw"
_SUBNET: Final = "HV1"
_OTHER_SUBNETS: Final = ("HV2", "EHV1_HV2")
_FEEDING_VOLTAGE_FACTOR: Final = 0.95
_MEDIUM_VOLTAGE_PU: Final = 1.01
_MEDIUM_VOLTAGE_KV_MAX: Final = 60.0
_EXTRA_HIGH_VOLTAGE_KV_MIN: Final = 220.0
# A tap changer moves only when its busbar is off by more of a step than this, else neighbouring positions alternate.
_TAP_DEAD_BAND_STEPS: Final = 0.6
_TAP_ROUNDS_MAX: Final = 20


def county_network() -> Network:
    """Return the county, its profiles inside; takes about two minutes and 1 GB, and needs simbench.

    :raises NetworkError: if its taps find no place
    """
    with library_warnings_silenced():
        simbench = importlib.import_module("simbench")
        whole = simbench.get_simbench_net(_CODE)
        feeding = simbench.get_simbench_net(_CODE_OF_THE_FEEDING_POINTS)
        net = _cut(whole, feeding)
    net["name"] = "county"
    return _regulated(net)


def reverse_flow_row(profiles: NetworkProfiles) -> int:
    """Return the row (quarter-hour) of the largest reverse flow: of the most generation over load."""
    return int(np.argmin(profiles.load_p.totals() - profiles.generator_p.totals()))


def _cut(whole: "pandapowerNet", feeding: "pandapowerNet") -> "pandapowerNet":
    """Return the part of `whole` around HV1, fed where `feeding` is."""
    toolbox = importlib.import_module("pandapower.toolbox")
    topology = importlib.import_module("pandapower.topology")
    subnet = whole.bus.subnet.astype(str)
    elsewhere = subnet.str.startswith(_OTHER_SUBNETS)
    above = subnet.str.startswith("EHV1") & ~whole.bus["name"].isin(set(feeding.bus["name"]))
    outside = set(whole.bus.index[elsewhere | above])
    graph = topology.create_nxgraph(whole, respect_switches=False, nogobuses=outside)
    inside: set[int] = set()
    for bus in whole.bus.index[subnet == _SUBNET]:
        if bus not in inside:
            inside |= set(topology.connected_component(graph, bus))
    net = toolbox.select_subnet(whole, inside - outside, include_switch_buses=False, keep_everything_else=True)
    net["profiles"] = whole.profiles
    extra_high = set(net.bus.index[net.bus.vn_kv >= _EXTRA_HIGH_VOLTAGE_KV_MIN])
    for kind in ("load", "sgen", "storage", "gen"):
        net[kind] = net[kind][~net[kind].bus.isin(extra_high)]
    bus_of_name = dict(zip(net.bus["name"], net.bus.index, strict=True))
    net["ext_grid"] = feeding.ext_grid.assign(
        bus=[bus_of_name[feeding.bus["name"].at[bus]] for bus in feeding.ext_grid.bus],
        vm_pu=feeding.ext_grid.vm_pu * _FEEDING_VOLTAGE_FACTOR,
    )
    net["trafo"] = net.trafo.assign(tap_changer_type="Ratio")
    return net


def _regulated(net: "pandapowerNet") -> Network:
    """Return the network with the taps of its 110 kV/MV transformers where MV busbars are next to 1.01 pu.

    :raises NetworkError: if the taps find no place
    """
    network = from_pandapower(net)
    injections = _injections(network, reverse_flow_row(network_profiles(network)))
    of_busbars = _busbar_transformers(network)
    for _ in range(_TAP_ROUNDS_MAX):
        trafo = net.trafo
        vm_pu = PowerFlow(network).solve(*injections).vm_pu[0]
        step_pu = trafo.tap_step_percent.to_numpy()[of_busbars] / 100
        excess_steps = (vm_pu[network.transformers.lv_bus[of_busbars]] - _MEDIUM_VOLTAGE_PU) / step_pu
        position = trafo.tap_pos.to_numpy(dtype=np.float64).copy()
        moved = np.clip(
            position[of_busbars] + np.where(np.abs(excess_steps) > _TAP_DEAD_BAND_STEPS, np.round(excess_steps), 0.0),
            trafo.tap_min.to_numpy()[of_busbars],
            trafo.tap_max.to_numpy()[of_busbars],
        )
        if np.array_equal(moved, position[of_busbars]):
            return network
        position[of_busbars] = moved
        net["trafo"] = trafo.assign(tap_pos=position)
        network = from_pandapower(net)
    raise NetworkError("the taps of the county's 110 kV transformers find no place")


def _busbar_transformers(network: Network) -> Int64Array:
    transformers, vn_kv = network.transformers, network.buses.vn_kv
    hv_kv, lv_kv = vn_kv[transformers.hv_bus], vn_kv[transformers.lv_bus]
    return np.flatnonzero((hv_kv >= _MEDIUM_VOLTAGE_KV_MAX) & (lv_kv < _MEDIUM_VOLTAGE_KV_MAX))


def _injections(network: Network, row: int) -> tuple[FloatArray, FloatArray]:
    """Return the injections of all buses in one quarter-hour, shape (1, n_buses); batteries rest."""
    profiles = network_profiles(network)
    p_mw, q_mvar = np.zeros((2, 1, len(network.buses)))
    np.add.at(p_mw[0], network.loads.bus, -profiles.load_p.rows(row, row + 1)[0])
    np.add.at(q_mvar[0], network.loads.bus, -profiles.load_q.rows(row, row + 1)[0])
    np.add.at(p_mw[0], network.generators.bus, profiles.generator_p.rows(row, row + 1)[0])
    return p_mw, q_mvar
