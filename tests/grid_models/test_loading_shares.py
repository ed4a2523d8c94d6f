"""Who loads a branch: sums against pandapower's flows and losses, by path and by current divider."""

from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.elements import NetworkError
from grid_models.loading_shares import OverlapKind, _current_divider, branch_overlap
from grid_models.networks import Network, from_pandapower
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import PowerFlow
from grid_models.reference_networks import reference_network


def test_ieee33_every_line_carries_what_lies_behind_it_and_its_losses() -> None:
    """Baran and Wu 1989: 202.677 kW are lost in all; what each line carries beyond its loads is lost behind it."""
    network = reference_network("ieee33")
    power_flow = PowerFlow(network)
    net = pandapower.networks.case33bw()
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-10)
    p_mw, q_mvar, _ = nominal_injections(network)
    result = power_flow.solve(p_mw, q_mvar)
    lost_mw = {}
    for row in np.flatnonzero(net.line.in_service):
        overlap = branch_overlap(power_flow, network.lines.name[row])
        assert overlap.kind is OverlapKind.PATH
        flow_mw = overlap.flow_up_mw(network, result)[0]
        assert -flow_mw == pytest.approx(max(net.res_line.p_from_mw[row], net.res_line.p_to_mw[row]), abs=1e-8)
        parts = overlap.contribution_mw(p_mw, q_mvar)[0]
        assert (parts <= 0).all()
        lost_mw[network.lines.name[row]] = parts.sum() - flow_mw
        behind = {int(name.split("-")[1]) for name in network.lines.name[:32]} if row == 0 else set()
        assert not behind or {bus + 1 for bus in np.flatnonzero(overlap.overlap)} == behind
    assert lost_mw["line 1-2"] == pytest.approx(0.202677, abs=5e-7)
    assert lost_mw["line 17-18"] == pytest.approx(net.res_line.pl_mw[16], abs=1e-8)


def test_in_a_tree_without_shunts_the_current_divider_is_the_path() -> None:
    power_flow = PowerFlow(reference_network("ieee33"))
    for name in ("line 1-2", "line 6-7", "line 6-26"):
        path = branch_overlap(power_flow, name)
        divider = _current_divider(power_flow.model, path.branch, upper_is_to=path.upper_is_to)
        np.testing.assert_allclose(divider, path.overlap, atol=1e-10)


def test_parallel_transformers_share_by_their_admittances(county_as_built: Any) -> None:
    """Two equal transformers in parallel: each carries half of everything; a branch behind one area only its load."""
    network = from_pandapower(county_as_built)
    power_flow = PowerFlow(network)
    p_mw, q_mvar, _ = nominal_injections(network)
    result = power_flow.solve(p_mw, q_mvar)
    total_mw = 0.0
    for name in ("T1", "T2"):
        overlap = branch_overlap(power_flow, name)
        assert overlap.kind is OverlapKind.CURRENT_DIVIDER
        buses = [network.bus_position[bus] for bus in ("E1", "E2", "E3", "M1", "B2")]
        np.testing.assert_allclose(overlap.overlap[buses], 0.5, atol=5e-3)
        parts = overlap.contribution_mw(p_mw, q_mvar)[0]
        flow_mw = overlap.flow_up_mw(network, result)[0]
        assert flow_mw == pytest.approx(-0.076, abs=0.02)
        assert 0 < parts.sum() - flow_mw < 0.02
        total_mw += flow_mw
    assert total_mw == pytest.approx(-float(result.source_p_mw[0, 0]), abs=1e-9)
    area = branch_overlap(power_flow, "A2")
    assert area.kind is OverlapKind.PATH
    assert {network.buses.name[bus] for bus in np.flatnonzero(area.overlap)} == {"N2", "E2"}


def test_in_a_meshed_network_parts_follow_a_change_of_injection() -> None:
    """Two ways of different length around a ring: the parts are what the flow gains, but for losses."""
    network = ring()
    power_flow = PowerFlow(network)
    p_mw, q_mvar, _ = nominal_injections(network)
    base = power_flow.solve(p_mw, q_mvar)
    for name in ("a-b", "b-c", "a-c"):
        overlap = branch_overlap(power_flow, name)
        assert overlap.kind is OverlapKind.CURRENT_DIVIDER
        for bus in (1, 2):
            more = p_mw.copy()
            more[0, bus] += 0.01
            gained = overlap.flow_up_mw(network, power_flow.solve(more, q_mvar)) - overlap.flow_up_mw(network, base)
            assert gained[0] == pytest.approx(overlap.contribution_mw(more - p_mw, 0 * q_mvar)[0, bus], abs=2e-4)
    # At c: 1 km + 2 km the long way by b, 1 km the short way.
    assert branch_overlap(power_flow, "a-c").overlap[2].real == pytest.approx(0.75, abs=1e-3)
    assert branch_overlap(power_flow, "b-c").overlap[2].real == pytest.approx(0.25, abs=1e-3)


def test_what_is_no_closed_branch_is_refused(county_as_built: Any) -> None:
    power_flow = PowerFlow(from_pandapower(county_as_built))
    with pytest.raises(NetworkError, match="'nothing'"):
        branch_overlap(power_flow, "nothing")
    with pytest.raises(NetworkError, match="'tie' is open"):
        branch_overlap(power_flow, "tie")


def ring() -> Network:
    """10 kV: a feeds b over 1 km and c over 1 km, b and c are joined by 2 km; light loads."""
    net = pandapower.create_empty_network(name="ring", f_hz=50.0)
    bus = {name: pandapower.create_bus(net, 10.0, name=name) for name in "abc"}
    pandapower.create_ext_grid(net, bus["a"], vm_pu=1.0, name="grid")
    for name, km in (("a-b", 1.0), ("b-c", 2.0), ("a-c", 1.0)):
        start, end = name.split("-")
        pandapower.create_line_from_parameters(
            net, bus[start], bus[end], km, name=name, r_ohm_per_km=0.3, x_ohm_per_km=0.1, c_nf_per_km=0, max_i_ka=0.3
        )
    for name, load_mw in (("b", 0.2), ("c", 0.3)):
        pandapower.create_load(net, bus[name], load_mw, 0.05, name=f"load {name}")
    return from_pandapower(net)
