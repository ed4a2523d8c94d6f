"""Branches in a mesh: found as networkx finds them, and loaded by their units as the AC power flow says."""

import importlib
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import pytest

from grid_models.connectivity import connected_lines, connected_transformers, nodes
from grid_models.meshed_limits import FACTOR_ONE, mesh_parts
from grid_models.networks import Network, from_pandapower
from grid_models.reference_networks import reference_network
from grid_models.security import CheckedState, LimitKind, SecurityModel


def meshed_by_networkx(network: Network) -> set[int]:
    """Which branches are no bridges once parallel ones are one and feeding points are joined."""
    node = nodes(network)
    grid = node[network.sources.bus]
    node = np.where(np.isin(node, grid), grid[0], node)
    first = node[np.concatenate([network.lines.from_bus, network.transformers.hv_bus])].tolist()
    second = node[np.concatenate([network.lines.to_bus, network.transformers.lv_bus])].tolist()
    closed = np.concatenate([connected_lines(network), connected_transformers(network)])
    graph = nx.Graph()
    graph.add_edges_from((first[row], second[row]) for row in np.flatnonzero(closed) if first[row] != second[row])
    bridges = {frozenset(one) for one in nx.bridges(graph)}
    return {
        row
        for row in np.flatnonzero(closed).tolist()
        if first[row] != second[row] and frozenset((first[row], second[row])) not in bridges
    }


def closed_ieee33() -> Network:
    """IEEE 33 with its five tie lines closed."""
    net = importlib.import_module("pandapower.networks").case33bw()
    net.line["in_service"] = True
    return from_pandapower(_named(net))


@cache
def random_network(seed: int) -> Network:
    """A tree of twelve buses with lines and couplers laid over it at random, and one or two feeding points."""
    pandapower = importlib.import_module("pandapower")
    r = np.random.default_rng(seed)
    net = pandapower.create_empty_network(name="random", f_hz=50.0)
    bus = [pandapower.create_bus(net, 20.0) for _ in range(12)]
    pairs = [(int(r.integers(0, upper)), upper) for upper in range(1, 12)]
    pairs += [tuple(r.choice(12, 2, replace=False).tolist()) for _ in range(int(r.integers(0, 6)))]
    for start, end in pairs:
        pandapower.create_line_from_parameters(
            net, bus[start], bus[end], 1.0, r_ohm_per_km=0.1, x_ohm_per_km=0.1, c_nf_per_km=9.0, max_i_ka=0.3
        )
    start, end = r.choice(12, 2, replace=False).tolist()
    pandapower.create_switch(net, bus[start], bus[end], et="b", closed=True)
    for position in r.choice(12, int(r.integers(1, 3)), replace=False).tolist():
        pandapower.create_ext_grid(net, bus[position])
    return from_pandapower(_named(net))


def _named(net: Any) -> Any:
    for kind in ("bus", "line", "load", "ext_grid", "switch"):
        net[kind]["name"] = [f"{kind}{row}" for row in range(len(net[kind]))]
    net.line["max_i_ka"] = 0.3
    return net


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_meshes_are_those_of_another_program(seed: int | None) -> None:
    network = closed_ieee33() if seed is None else random_network(seed)
    parts = mesh_parts(network)
    meshed = set(np.flatnonzero(parts.is_meshed).tolist())
    assert meshed == meshed_by_networkx(network)
    assert bool(meshed) or seed is not None
    assert parts.is_source_part[parts.part[network.sources.bus]].all()


def test_the_random_networks_are_of_every_kind() -> None:
    shares = [mesh_parts(random_network(seed)).is_meshed.mean() for seed in range(8)]
    assert min(shares) < 0.4
    assert max(shares) > 0.7


def test_trees_and_parallel_transformers_are_no_meshes(county_as_built: Any) -> None:
    for network in (from_pandapower(county_as_built), reference_network("ieee33")):
        parts = mesh_parts(network)
        assert not parts.is_meshed.any()
        assert parts.is_source_part.tolist() == [True]


@pytest.fixture(scope="module")
def ring() -> SecurityModel:
    """H1 (grid), H2, H3 in a ring of 110 kV; stations S1, S2 on H2 and H3; two areas side by side behind S2."""
    pandapower = importlib.import_module("pandapower")
    net = pandapower.create_empty_network(name="ring", f_hz=50.0)
    kv = {"H1": 110.0, "H2": 110.0, "H3": 110.0, "B2": 20.0, "B3": 20.0, "N1": 0.4, "N2": 0.4}
    at = {name: pandapower.create_bus(net, volt, name=name) for name, volt in kv.items()}
    pandapower.create_ext_grid(net, at["H1"], vm_pu=1.0, name="grid")
    for name, start, end, ohm in (("R12", "H1", "H2", 0.4), ("R23", "H2", "H3", 0.4), ("R13", "H1", "H3", 0.8)):
        pandapower.create_line_from_parameters(
            net, at[start], at[end], 10.0, r_ohm_per_km=ohm / 8, x_ohm_per_km=ohm, c_nf_per_km=9.0, max_i_ka=0.16,
            name=name,
        )  # fmt: skip
    for name, high, low, mva in (("T1", "H2", "B2", 80.0), ("T2", "H3", "B3", 80.0), ("A1", "B3", "N1", 0.4),
                                 ("A2", "B3", "N2", 0.4)):  # fmt: skip
        pandapower.create_transformer_from_parameters(
            net, at[high], at[low], sn_mva=mva, vn_hv_kv=kv[high], vn_lv_kv=kv[low], vkr_percent=0.5, vk_percent=8.0,
            pfe_kw=1.0, i0_percent=0.05, shift_degree=150.0, name=name,
        )  # fmt: skip
    return SecurityModel(
        from_pandapower(net),
        unit_parent=(-1, 0, 0, 2, 2),
        unit_elements=((), ("T1",), ("T2",), ("A1",), ("A2",)),
        unit_export_limit_w=(None,) * 5,
        unit_import_limit_w=(None,) * 5,
        point_bus=("B2", "B2", "B3", "N1", "H1"),
    )


S1_PLANT, S1_LOAD, S2_LOAD, A1_PLANT, COUNTY = range(5)


def check(model: SecurityModel, *p_kw: int) -> CheckedState:
    p_w = np.array([p_kw], dtype=np.int64) * 1000
    (state,) = model.check_states(p_w, np.zeros_like(p_w))
    assert isinstance(state, CheckedState)
    return state


def test_a_factor_is_what_the_ac_power_flow_does(ring: SecurityModel) -> None:
    state = check(ring, 55_000, -5_000, -40_000, 200, 0)
    breached = [one for one in state.violations if ring.lies_in_mesh(one)]
    assert [one.element for one in breached] == ["R23"]
    (found,) = ring.meshed_loadings(state, breached, np.maximum(state.p_w, 0))
    rated_kva = np.sqrt(3) * 110 * 0.16 * 1000
    excess = (breached[0].value - breached[0].limit) / breached[0].limit
    assert found.outside_w == pytest.approx((excess + 0.005) * rated_kva * 1000, rel=1e-4)
    for unit, point in ((1, S1_PLANT), (2, S2_LOAD), (3, A1_PLANT)):
        step_kw = 100
        more = [0, 0, 0, 0, 0]
        more[point] = step_kw
        moved = check(ring, *((state.p_w // 1000 + more).tolist()))
        (after,) = ring.meshed_loadings(moved, breached, np.maximum(moved.p_w, 0))
        change = (after.outside_w - found.outside_w) / (step_kw * 1000)
        # Radial parts have one factor each, the mean of theirs: the losses of A1 make the difference.
        assert found.unit_factor[unit] / FACTOR_ONE == pytest.approx(change, abs=0.01)
    assert found.unit_factor[0] == 0
    assert found.unit_factor[1] > 0 > found.unit_factor[2]


def test_all_behind_one_point_of_the_mesh_has_one_factor(ring: SecurityModel) -> None:
    """A2 has no metering point and the root has none that counts: neither changes a factor at its edge."""
    state = check(ring, 55_000, -5_000, -40_000, 200, -3_000)
    breached = [one for one in state.violations if ring.lies_in_mesh(one)]
    (found,) = ring.meshed_loadings(state, breached, np.maximum(state.p_w, 0))
    assert found.unit_factor[2] == found.unit_factor[3] == found.unit_factor[4] != 0
    assert found.unit_factor[0] == 0


def test_what_lies_inside_its_limit_may_rise_by_so_much(ring: SecurityModel) -> None:
    loaded = check(ring, 55_000, -5_000, -40_000, 200, 0)
    breached = [one for one in loaded.violations if ring.lies_in_mesh(one)]
    calm = check(ring, 20_000, -5_000, -20_000, 200, 0)
    (found,) = ring.meshed_loadings(calm, breached, np.maximum(calm.p_w, 0))
    assert found.outside_w < 0


def test_other_limits_lie_in_no_mesh(ring: SecurityModel) -> None:
    state = check(ring, 0, 0, -85_000, 500, 0)
    kinds = {one.element: one for one in state.violations}
    assert kinds["T2"].kind is LimitKind.CURRENT
    assert kinds["A1"].kind is LimitKind.CURRENT
    assert not any(ring.lies_in_mesh(kinds[name]) for name in ("T2", "A1"))
    assert all(not ring.lies_in_mesh(one) for one in state.violations if one.kind is not LimitKind.CURRENT)
