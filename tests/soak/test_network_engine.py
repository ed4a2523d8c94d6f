"""The network engine against its referees, at length: random snapshots by pandapower, hosting by power-grid-model."""

import copy
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.hosting import Hosting
from grid_models.importers import open_network
from grid_models.networks import Network
from grid_models.power_flow import BranchEnds, Engine, PowerFlow
from grid_models.reference_networks import reference_network

pytestmark = pytest.mark.soak

SNAPSHOTS = 200
NODES = 500
BATCH = 50


def snapshot(network: Network, rng: np.random.Generator) -> tuple[Any, Any, Any, Any]:
    """Return load and plant powers of one random state."""
    loads, plants = network.loads, network.generators
    scale = rng.uniform(0.1, 1.0)
    p_mw = loads.p_mw * scale * rng.uniform(0.3, 1.3, len(loads))
    q_mvar = loads.q_mvar * scale * rng.uniform(0.3, 1.3, len(loads))
    return p_mw, q_mvar, plants.p_mw * rng.uniform(0, 0.8, len(plants)), plants.q_mvar * 0.0


def by_bus(network: Network, states: list[tuple[Any, Any, Any, Any]]) -> tuple[Any, Any]:
    p_mw, q_mvar = np.zeros((2, len(network.buses), len(states)))
    np.add.at(p_mw, network.loads.bus, -np.array([state[0] for state in states]).T)
    np.add.at(q_mvar, network.loads.bus, -np.array([state[1] for state in states]).T)
    np.add.at(p_mw, network.generators.bus, np.array([state[2] for state in states]).T)
    return np.ascontiguousarray(p_mw.T), np.ascontiguousarray(q_mvar.T)


@pytest.mark.parametrize("name", ["ieee33", "cigre_mv", "cigre_lv", "european_lv", "demo"])
def test_random_snapshots_agree_with_pandapower(name: str) -> None:
    """Newton at 1e-10 MVA, model pi: every bus within 1e-9 pu, loadings within 1e-5 percentage points."""
    network = reference_network(name)
    rng = np.random.default_rng(2026)
    states = [snapshot(network, rng) for _ in range(SNAPSHOTS)]
    result = PowerFlow(network).solve(*by_bus(network, states))
    assert result.failures == ()
    net: Any = copy.deepcopy(network.handle)
    for table in (net.load, net.sgen):
        table["scaling"], table["in_service"] = 1.0, True
    net.storage["p_mw"] = 0.0
    for table in (net.asymmetric_load, net.asymmetric_sgen):
        table.drop(table.index, inplace=True)
    if len(net.load) != len(network.loads):
        net.load.drop(net.load.index, inplace=True)
        index = net.bus.index[network.loads.bus]
        pandapower.create_loads(net, index, p_mw=states[0][0], q_mvar=states[0][1])
    worst_pu, worst_points = 0.0, 0.0
    for row, (p_mw, q_mvar, plant_mw, plant_mvar) in enumerate(states):
        net.load["p_mw"], net.load["q_mvar"] = p_mw, q_mvar
        net.sgen["p_mw"], net.sgen["q_mvar"] = plant_mw, plant_mvar
        pandapower.runpp(
            net, trafo_model="pi", init="dc", tolerance_mva=1e-10, calculate_voltage_angles=True, numba=False
        )
        worst_pu = max(worst_pu, float(np.abs(result.vm_pu[row] - net.res_bus.vm_pu.to_numpy()).max()))
        for ours, theirs in (
            (result.line_loading, net.res_line.loading_percent),
            (result.transformer_loading, net.res_trafo.loading_percent),
        ):
            rated = np.isfinite(ours[row]) & (ours[row] > 1e-6)
            difference = np.abs(ours[row] * 100 - theirs.to_numpy())[rated]
            worst_points = max(worst_points, float(difference.max(initial=0.0)))
    print(f"{name}: {SNAPSHOTS} snapshots, {worst_pu:.1e} pu, {worst_points:.1e} percentage points")  # noqa: T201
    assert worst_pu <= 1e-9
    assert worst_points <= 1e-5


@pytest.mark.parametrize("name", ["demo", "1-MVLV-semiurb-all-1-sw", "county"])
def test_power_grid_model_certifies_hosting_capacities(name: str) -> None:
    """0.999 of each capacity is feasible, 1.001 is not, for 500 random buses of each network.

    What is outside its limit already may get worse by a thousandth of it (HostingLimits), in both programs.
    """
    network = open_network(name)
    loads, plants = network.loads, network.generators
    state = (loads.p_mw * 0.3, loads.q_mvar * 0.3, plants.p_mw * 0.05, plants.q_mvar * 0)
    p_mw, q_mvar = by_bus(network, [state])
    hosting = Hosting(PowerFlow(network))
    found = hosting.capacity(p_mw, q_mvar)
    assert found.certified.all()
    limits = hosting.base_limits(p_mw, q_mvar)
    usable = np.flatnonzero(np.isfinite(found.capacity_mw))
    chosen = np.sort(np.random.default_rng(3).choice(usable, NODES, replace=False))
    newton = PowerFlow(network, engine=Engine.NEWTON)
    for share, expected in ((0.999, True), (1.001, False)):
        wrong = []
        for start in range(0, chosen.size, BATCH):
            some = chosen[start : start + BATCH]
            at = [network.bus_position[found.bus[bus]] for bus in some.tolist()]
            p_trial, q_trial = p_mw.repeat(some.size, axis=0), q_mvar.repeat(some.size, axis=0)
            p_trial[np.arange(some.size), at] += share * found.capacity_mw[some]
            solved = newton.voltages(newton.node_injections(p_trial, q_trial))
            ends = BranchEnds.of(newton.model, solved.v)
            vm_pu, loading = np.abs(solved.v), np.maximum(ends.i_from_ka / limits.from_ka, ends.i_to_ka / limits.to_ka)
            inside = ((vm_pu <= limits.v_high) & (vm_pu >= limits.v_low)).all(axis=1)
            inside &= (loading <= limits.loading).all(axis=1) & solved.converged
            wrong += [found.bus[bus] for bus, is_inside in zip(some, inside, strict=True) if is_inside != expected]
        breaches = sum(map(len, found.breaches))
        print(f"{name}, {breaches} breaches before: {chosen.size} buses at {share}: {len(wrong)} wrong")  # noqa: T201
        assert wrong == []
