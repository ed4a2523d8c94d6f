"""Reference networks: published figures, sizes, unique names, and the county's taps and profiles."""

from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.checks import Severity, check_network
from grid_models.county_network import reverse_flow_row
from grid_models.elements import FloatArray
from grid_models.networks import Network, NetworkError, with_line_states
from grid_models.power_flow import PowerFlow, PowerFlowResult
from grid_models.reference_networks import ReferenceNetwork, reference_network, reference_profiles
from grid_models.simbench_profiles import NetworkProfiles, network_profiles

SMALL = [known.value for known in ReferenceNetwork if known not in {ReferenceNetwork.COUNTY, ReferenceNetwork.DEMO}]


def solve(network: Network) -> PowerFlowResult:
    p_mw, q_mvar = np.zeros((2, 1, len(network.buses)))
    np.add.at(p_mw[0], network.loads.bus, -network.loads.p_mw)
    np.add.at(q_mvar[0], network.loads.bus, -network.loads.q_mvar)
    return PowerFlow(network).solve(p_mw, q_mvar)


def solve_by_pandapower(net: Any) -> Any:
    net = pandapower.pandapowerNet(net)
    pandapower.runpp(net, trafo_model="pi", init="dc", tolerance_mva=1e-10, calculate_voltage_angles=True, numba=False)
    return net


@pytest.fixture(scope="module")
def ieee33() -> Network:
    return reference_network("ieee33")


def test_ieee33_is_the_feeder_of_baran_and_wu(ieee33: Network) -> None:
    """M. E. Baran, F. F. Wu, IEEE Trans. Power Delivery 4 (1989) 1401, table 1: losses before reconfiguration."""
    result = solve(ieee33)
    assert result.loss_mw[0] * 1e3 == pytest.approx(202.677, abs=5e-4)
    loss_mvar = result.source_q_mvar[0].sum() - ieee33.loads.q_mvar.sum()
    assert loss_mvar * 1e3 == pytest.approx(135.141, abs=5e-4)
    lowest = int(result.vm_pu[0].argmin())
    assert ieee33.buses.name[lowest] == "bus 18"
    assert result.vm_pu[0, lowest] == pytest.approx(0.91309, abs=5e-6)
    assert set(ieee33.buses.v_nominal_v) == {12660.0}


def test_ieee33_reconfigured_loses_less(ieee33: Network) -> None:
    ties = [name for name, closed in zip(ieee33.lines.name, ieee33.lines.from_closed, strict=True) if not closed]
    assert ties == ["line 8-21", "line 9-15", "line 12-22", "line 18-33", "line 25-29"]
    opened = ["line 7-8", "line 9-10", "line 14-15", "line 32-33", "line 25-29"]
    better = with_line_states(ieee33, opened=opened, closed=[tie for tie in ties if tie not in opened])
    assert solve(better).loss_mw[0] * 1e3 == pytest.approx(139.551, abs=5e-4)
    theirs = solve_by_pandapower(better.handle)
    np.testing.assert_allclose(solve(better).vm_pu[0], theirs.res_bus.vm_pu, rtol=0, atol=1e-9)


def test_cigre_lv_has_its_known_lowest_voltage() -> None:
    network = reference_network("cigre_lv")
    result = solve(network)
    assert result.vm_pu[0].min() == pytest.approx(0.912269, abs=5e-7)
    assert network.buses.name[int(result.vm_pu[0].argmin())] == "Bus C12"


def test_cigre_mv_has_its_ratings() -> None:
    network = reference_network("cigre_mv")
    rated = dict(zip(network.lines.name, network.lines.max_i_ka.tolist(), strict=True))
    assert (rated["Line 1-2"], rated["Line 12-13"]) == (0.145, 0.195)
    np.testing.assert_allclose(network.transformers.rating_mva, 25.0)
    open_ends = ~(network.lines.from_closed & network.lines.to_closed)
    assert {name for name, is_open in zip(network.lines.name, open_ends, strict=True) if is_open} == {
        "Line 6-7",
        "Line 11-4",
        "Line 14-8",
    }


def test_european_lv_is_the_sum_of_its_phases() -> None:
    network = reference_network("european_lv")
    unbalanced = network.handle.asymmetric_load
    assert (len(network.buses), len(network.loads)) == (907, 55)
    total_mw = unbalanced[["p_a_mw", "p_b_mw", "p_c_mw"]].to_numpy().sum()
    assert network.loads.p_mw.sum() == pytest.approx(total_mw)
    assert network.bus_position["bus 562"] == 562
    assert set(network.buses.v_nominal_v) == {416.0, 11000.0}


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_are_sound_and_agree_with_pandapower(name: str) -> None:
    network = reference_network(name)
    assert network.name == name
    assert [problem for problem in check_network(network) if problem.severity is Severity.ERROR] == []
    theirs = solve_by_pandapower(network.handle)
    result = solve(network)
    np.testing.assert_allclose(result.vm_pu[0], theirs.res_bus.vm_pu, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.line_p_from_mw[0], theirs.res_line.p_from_mw, rtol=0, atol=1e-8)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(NetworkError, match="'ieee123' is not a reference network; there are county, demo, ieee33"):
        reference_network("ieee123")
    with pytest.raises(NetworkError, match="'ieee33' carries no profiles"):
        reference_profiles("ieee33")


@pytest.fixture(scope="module")
def county_reference() -> tuple[Network, NetworkProfiles]:
    """Return the county and its profiles, from the user's cache; the first time ever builds them."""
    return reference_network("county"), reference_profiles("county")


def injections(network: Network, profiles: NetworkProfiles, row: int) -> tuple[FloatArray, FloatArray]:
    p_mw, q_mvar = np.zeros((2, 1, len(network.buses)))
    np.add.at(p_mw[0], network.loads.bus, -profiles.load_p.rows(row, row + 1)[0])
    np.add.at(q_mvar[0], network.loads.bus, -profiles.load_q.rows(row, row + 1)[0])
    np.add.at(p_mw[0], network.generators.bus, profiles.generator_p.rows(row, row + 1)[0])
    return p_mw, q_mvar


def test_the_county_is_the_one_of_the_design(county_reference: tuple[Network, NetworkProfiles]) -> None:
    network, profiles = county_reference
    groups = ("buses", "transformers", "loads", "generators", "sources")
    assert [len(getattr(network, group)) for group in groups] == [32802, 448, 36916, 5162, 3]
    assert [problem for problem in check_network(network) if problem.severity is Severity.ERROR] == []
    np.testing.assert_allclose(network.sources.vm_pu, 0.95 * np.array([1.092, 1.068, 1.092]))
    assert profiles.load_p.factor.shape[0] == 35136
    assert profiles.load_p.factor.shape[1] < 100, "factored, one column a profile"
    carried = network_profiles(network)
    for series in ("load_p", "load_q", "generator_p"):
        for column, values in vars(getattr(profiles, series)).items():
            assert np.array_equal(values, getattr(getattr(carried, series), column)), f"{series}.{column}"


def test_the_county_s_busbars_are_regulated(county_reference: tuple[Network, NetworkProfiles]) -> None:
    network, profiles = county_reference
    row = reverse_flow_row(profiles)
    assert row == 19822
    result = PowerFlow(network).solve(*injections(network, profiles, row))
    transformers, vn_kv = network.transformers, network.buses.vn_kv
    busbars = transformers.lv_bus[(vn_kv[transformers.hv_bus] == 110.0) & (vn_kv[transformers.lv_bus] < 60.0)]
    assert busbars.size == 30
    np.testing.assert_allclose(result.vm_pu[0, busbars], 1.01, rtol=0, atol=0.6 * 0.015)
    assert (transformers.hv_tap_factor != 1).sum() > 100, "taps of the area transformers are on too"
    theirs = pandapower.pandapowerNet(network.handle)
    theirs.storage = theirs.storage.assign(p_mw=0.0, q_mvar=0.0)
    theirs.load = theirs.load.assign(
        p_mw=profiles.load_p.rows(row, row + 1)[0], q_mvar=profiles.load_q.rows(row, row + 1)[0]
    )
    theirs.sgen = theirs.sgen.assign(p_mw=profiles.generator_p.rows(row, row + 1)[0], q_mvar=0.0)
    theirs = solve_by_pandapower(theirs)
    np.testing.assert_allclose(result.vm_pu[0], theirs.res_bus.vm_pu, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.line_loading[0], theirs.res_line.loading_percent / 100, rtol=0, atol=1e-7)
