"""The benchmark `grid`: a day of AC power flows, and the check of one state against every limit; peer: pandapower.

The network is the county's. Its day is made up: one curve for all loads, one for all plants, every element drawn a
little off it, with more sun than the network can take, so that there are violations to be found. pandapower is run as
fast as it goes here: admittances kept from one state to the next (recycle), started from the last result, without
numba, which this program does not install.
"""

import copy
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import BenchError, Comparison, Contender, Outcome, Show, Workbench, time_in_turn
from grid_models.elements import FloatArray, Int64Array
from grid_models.networks import Network, NetworkError, read_network
from grid_models.power_flow import PowerFlow, PowerFlowResult
from grid_models.security import CheckedState, LimitKind, SecurityModel
from grid_models.topology import TopologyError, balance_units

if TYPE_CHECKING:
    from pandapower import pandapowerNet

STATES_A_DAY: Final = 96
SMALL_STATES: Final = 4
PEER_STATES: Final = 8
SEED: Final = 1
VOLTAGE_TOLERANCE_PU: Final = 1e-8
LOADING_TOLERANCE: Final = 1e-6
PEER_NAME: Final = "pandapower Newton, admittances kept"
_PEER_OPTIONS: Final = {
    "trafo_model": "pi",
    "calculate_voltage_angles": True,
    "tolerance_mva": 1e-9,
    "numba": False,
}


@dataclass(frozen=True, eq=False)
class MadeUpDay:
    """Power of every load and plant in each state, W and var, shape (n_states, n_elements); consumption positive."""

    load_w: Int64Array
    load_var: Int64Array
    plant_w: Int64Array

    def bus_injection(self, network: Network) -> tuple[FloatArray, FloatArray]:
        """Return MW and Mvar into the network, shape (n_states, n_buses) each."""
        p_mw, q_mvar = np.zeros((2, len(network.buses), len(self.load_w)))
        np.add.at(p_mw, network.loads.bus, -self.load_w.T / 1e6)
        np.add.at(q_mvar, network.loads.bus, -self.load_var.T / 1e6)
        np.add.at(p_mw, network.generators.bus, self.plant_w.T / 1e6)
        return np.ascontiguousarray(p_mw.T), np.ascontiguousarray(q_mvar.T)


def measure(workbench: Workbench) -> Outcome:
    """Measure a day of power flows, one alone, and the check of one state.

    :raises BenchError: if there is no network, or pandapower comes to another solution
    """
    path = workbench.county / "network.json"
    try:
        network = read_network(path)
    except NetworkError as error:
        raise BenchError(str(error)) from None
    day = made_up_day(network, SMALL_STATES if workbench.small else STATES_A_DAY)
    peer = PandapowerPeer(network, day)
    try:
        comparisons = (
            _compare_day(network, day, peer, workbench),
            _compare_one(network, day, peer, workbench),
            _compare_check(network, day, peer, workbench),
        )
    except TopologyError as error:
        raise BenchError(f"{path}: {error}") from None
    buses = f"{len(network.buses):,} buses, {len(network.loads):,} loads, {len(network.generators):,} plants"
    return Outcome(
        comparisons,
        versions_of(("power-grid-model", "pandapower", "numpy", "scipy")),
        (
            f"Network {network.name}: {buses}.",
            f"The peer's rate over a day is that of {peer.sample.size} states spread over it.",
            "Building either model is not timed; ours runs a batch in two threads.",
        ),
    )


def made_up_day(network: Network, n_states: int) -> MadeUpDay:
    """Return the powers of a sunny day, the same ones every time."""
    draws = np.random.default_rng(SEED)
    hour = 24 * (np.arange(n_states) + 0.5)[:, np.newaxis] / n_states
    use = 0.18 + 0.10 * np.cos(2 * np.pi * (hour - 19) / 24)
    sun = np.clip(np.sin(np.pi * (hour - 5.5) / 14), 0, None)
    loads, plants = network.loads, network.generators
    load_share = use * draws.uniform(0.5, 1.5, (n_states, len(loads)))
    plant_share = sun * draws.uniform(0.45, 0.60, (n_states, len(plants)))
    return MadeUpDay(
        load_w=_whole(load_share * loads.p_mw * 1e6),
        load_var=_whole(load_share * loads.q_mvar * 1e6),
        plant_w=_whole(plant_share * plants.p_mw * 1e6),
    )


class PandapowerPeer:
    """pandapower over the same states, one after another; the pandapower net is a copy, ready and solved once."""

    def __init__(self, network: Network, day: MadeUpDay) -> None:
        self._network = network
        self._day = day
        self._net = _pandapower_net(network)
        self._run: Callable[..., None] = importlib.import_module("pandapower").runpp
        self._net.load["scaling"] = 1.0
        self._net.sgen["scaling"] = 1.0
        self._net.sgen["q_mvar"] = 0.0
        self._net.storage["p_mw"] = 0.0
        n_states = len(day.load_w)
        self.sample = np.unique(np.linspace(0, n_states - 1, min(PEER_STATES, n_states)).astype(np.int64))
        self._set(0)
        self._run(self._net, init="dc", **_PEER_OPTIONS)

    def solve(self, state: int) -> None:
        """Solve one state; its result stays in the net until the next one."""
        self._set(state)
        keep = {"bus_pq": True, "gen": False, "trafo": False}
        self._run(self._net, init="results", recycle=keep, **_PEER_OPTIONS)

    def solve_sample(self) -> None:
        """Solve the sample's states one after another."""
        for state in self.sample.tolist():
            self.solve(state)

    def check(self, state: int) -> frozenset[str]:
        """Solve one state and return the names of the buses and branches that are outside their limits."""
        self.solve(state)
        buses, net = self._network.buses, self._net
        volts = net.res_bus.vm_pu.to_numpy() * buses.vn_kv * 1e3
        outside = [
            (buses.name, (volts > buses.v_max_v) | (volts < buses.v_min_v)),
            (self._network.lines.name, net.res_line.loading_percent.to_numpy() > 100),
            (self._network.transformers.name, net.res_trafo.loading_percent.to_numpy() > 100),
        ]
        return frozenset(names[row] for names, rows in outside for row in np.flatnonzero(rows).tolist())

    def require_agreement(self, result: PowerFlowResult) -> None:
        """Solve the sample once more and refuse figures of power flows that differ.

        :raises BenchError: naming the state
        """
        for state in self.sample.tolist():
            self.solve(state)
            vm_pu = np.abs(self._net.res_bus.vm_pu.to_numpy() - result.vm_pu[state]).max()
            theirs = self._net.res_trafo.loading_percent.to_numpy() / 100
            loading = np.abs(theirs - result.transformer_loading[state]).max(initial=0)
            if not (vm_pu <= VOLTAGE_TOLERANCE_PU and loading <= LOADING_TOLERANCE):
                raise BenchError(f"state {state}: voltages differ by {vm_pu:.1e} pu, loadings by {loading:.1e}")

    def _set(self, state: int) -> None:
        self._net.load["p_mw"] = self._day.load_w[state] / 1e6
        self._net.load["q_mvar"] = self._day.load_var[state] / 1e6
        self._net.sgen["p_mw"] = self._day.plant_w[state] / 1e6


def _compare_day(network: Network, day: MadeUpDay, peer: PandapowerPeer, workbench: Workbench) -> Comparison:
    power_flow = PowerFlow(network)
    p_mw, q_mvar = day.bus_injection(network)
    n_states = len(p_mw)
    ours, theirs = time_in_turn(
        Contender("power-grid-model batch", lambda _run: partial(power_flow.solve, p_mw, q_mvar), n_states),
        Contender(PEER_NAME, lambda _run: peer.solve_sample, peer.sample.size),
        runs=workbench.runs,
        peer_runs=workbench.few_runs,
    )
    result = power_flow.solve(p_mw, q_mvar)
    if result.failures:
        raise BenchError(f"state {result.failures[0].scenario} has no solution: {result.failures[0].reason}")
    peer.require_agreement(result)
    what = f"{n_states} AC power flows, one batch"
    agreed = f"voltages to {VOLTAGE_TOLERANCE_PU:.0e} pu and transformer loadings to {LOADING_TOLERANCE:.0e}"
    return Comparison(what, Show.PER_SECOND, "flows", ours, theirs, agreed)


def _compare_one(network: Network, day: MadeUpDay, peer: PandapowerPeer, workbench: Workbench) -> Comparison:
    power_flow = PowerFlow(network)
    p_mw, q_mvar = day.bus_injection(network)
    noon = len(p_mw) // 2
    one_p, one_q = p_mw[noon : noon + 1], q_mvar[noon : noon + 1]
    ours, theirs = time_in_turn(
        Contender("power-grid-model", lambda _run: partial(power_flow.solve, one_p, one_q)),
        Contender(PEER_NAME, lambda _run: partial(peer.solve, noon)),
        runs=workbench.many_runs,
        peer_runs=workbench.many_runs,
    )
    return Comparison("one AC power flow", Show.MILLISECONDS, "flows", ours, theirs, "")


def _compare_check(network: Network, day: MadeUpDay, peer: PandapowerPeer, workbench: Workbench) -> Comparison:
    model = _security_model(network)
    noon = len(day.load_w) // 2
    p_w = np.concatenate([-day.load_w[noon], day.plant_w[noon]])[np.newaxis]
    q_var = np.concatenate([-day.load_var[noon], np.zeros_like(day.plant_w[noon])])[np.newaxis]
    ours, theirs = time_in_turn(
        Contender("check_states", lambda _run: partial(model.check_states, p_w, q_var)),
        Contender(f"{PEER_NAME}, limits compared", lambda _run: partial(peer.check, noon)),
        runs=workbench.many_runs,
        peer_runs=workbench.many_runs,
    )
    (state,) = model.check_states(p_w, q_var)
    assert isinstance(state, CheckedState), "the day's states have solutions"
    compared = (LimitKind.VOLTAGE_HIGH, LimitKind.VOLTAGE_LOW, LimitKind.CURRENT)
    found = frozenset(one.element for one in state.violations if one.kind in compared)
    if found != peer.check(noon):
        different = sorted(found ^ peer.check(noon))
        raise BenchError(
            f"{len(different)} elements are outside their limits for one side only, such as {different[0]}"
        )
    what = f"one state checked ({len(found)} elements outside their limits)"
    return Comparison(what, Show.MILLISECONDS, "states", ours, theirs, "the buses and branches outside their limits")


def _pandapower_net(network: Network) -> "pandapowerNet":
    return copy.deepcopy(network.handle)


def _security_model(network: Network) -> SecurityModel:
    """Return the network check over the units that the network itself has, a metering point at each load and plant."""
    units = balance_units(network)
    return SecurityModel(
        network,
        unit_parent=units.parent.tolist(),
        unit_elements=units.elements,
        unit_export_limit_w=_limits_w(units.export_limit_mw),
        unit_import_limit_w=_limits_w(units.import_limit_mw),
        point_bus=[network.buses.name[bus] for bus in (*network.loads.bus.tolist(), *network.generators.bus.tolist())],
    )


def _limits_w(limits_mw: FloatArray) -> list[int | None]:
    return [round(limit * 1e6) if np.isfinite(limit) else None for limit in limits_mw.tolist()]


def _whole(values: FloatArray) -> Int64Array:
    return np.asarray(np.rint(values), dtype=np.int64)
