"""Unbalanced power flow: against pandapower's runpp_3ph, by hand, and against the balanced engine."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandapower
import pandapower.networks
import pytest

from grid_models.elements import FloatArray, NetworkError
from grid_models.low_voltage_area import area_network, low_voltage_areas
from grid_models.networks import Network, from_pandapower
from grid_models.phase_points import PhaseConnection, locate_phase_points, phase_areas, phase_injections
from grid_models.power_flow import PowerFlow
from grid_models.reference_networks import reference_network
from grid_models.unbalanced import UnbalancedPowerFlow, UnbalancedResult, beyond_unbalance_limit
from grid_models.zero_sequence import VectorGroup, ZeroSequenceDefaults, zero_sequence

LETTERS = "abc"


def solve_by_pandapower(net: Any) -> Any:
    """Solve by runpp_3ph: it stops at 3e-8 MVA, which leaves 1.5e-6 pu here, so start again from its result."""
    net = copy.deepcopy(net)
    for init in ("auto", *["results"] * 5):
        pandapower.runpp_3ph(net, tolerance_mva=1e-12, numba=False, init=init)
    return net


def solve_as_it_stands(network: Network) -> UnbalancedResult:
    injections = phase_injections(network)
    return UnbalancedPowerFlow(network).solve(injections.p_mw[np.newaxis], injections.q_mvar[np.newaxis])


def of_phases(table: Any, name: str) -> FloatArray:
    return np.asarray(table[[name.format(letter) for letter in LETTERS]], dtype=np.float64)


def assert_as_pandapower(net: Any, result: UnbalancedResult, atol: float) -> None:
    theirs = solve_by_pandapower(net)
    line, transformer = theirs.res_line_3ph, theirs.res_trafo_3ph
    pairs = {
        "vm_pu": (result.vm_pu, of_phases(theirs.res_bus_3ph, "vm_{}_pu")),
        "unbalance": (result.voltage_unbalance_percent / 100, theirs.res_bus_3ph.unbalance_percent / 100),
        "line_i_ka": (result.line_i_ka, of_phases(line, "i_{}_ka")),
        "line_i_neutral_ka": (result.line_i_neutral_ka, line.i_n_ka),
        "line_loading": (result.line_loading, of_phases(line, "loading_{}_percent") / 100),
        "line_loss_mw": (result.line_loss_mw, of_phases(line, "pl_{}_mw").sum(axis=1)),
        "transformer_i_hv_ka": (result.transformer_i_hv_ka, of_phases(transformer, "i_{}_hv_ka")),
        "transformer_i_lv_ka": (result.transformer_i_lv_ka, of_phases(transformer, "i_{}_lv_ka")),
        "transformer_p_lv_mw": (result.transformer_p_lv_mw, of_phases(transformer, "p_{}_lv_mw")),
        "transformer_loading": (result.transformer_loading, of_phases(transformer, "loading_{}_percent") / 100),
        # Its ext_grid takes z2 for z0 of the source; only the transformer stands there.
        "source_p_mw": (result.source_p_mw, of_phases(transformer, "p_{}_hv_mw")),
        "source_q_mvar": (result.source_q_mvar, of_phases(transformer, "q_{}_hv_mvar")),
    }
    for name, (ours, expected) in pairs.items():
        np.testing.assert_allclose(ours[0], expected, rtol=0, atol=atol, err_msg=name)


@pytest.fixture(scope="module")
def european_lv() -> Network:
    return reference_network("european_lv")


def test_european_lv_agrees_with_pandapower_at_minute_566(european_lv: Network) -> None:
    """IEEE European LV Test Feeder, on_peak_566; file values of zero sequence, nothing assumed."""
    assert zero_sequence(european_lv).assumed == ()
    result = solve_as_it_stands(european_lv)
    np.testing.assert_allclose(result.vm_pu[0].min(axis=0), [1.0174695, 0.9962344, 1.0494640], rtol=0, atol=1e-7)
    assert_as_pandapower(european_lv.handle, result, atol=1e-9)
    # As runpp_3ph comes, stopped by its own tolerance.
    net: Any = copy.deepcopy(european_lv.handle)
    pandapower.runpp_3ph(net, numba=False)
    lowest = of_phases(net.res_bus_3ph, "vm_{}_pu").min(axis=0)
    np.testing.assert_allclose(result.vm_pu[0].min(axis=0), lowest, rtol=0, atol=1e-5)


def test_a_scenario_does_not_depend_on_its_neighbours(european_lv: Network) -> None:
    injections = phase_injections(european_lv)
    share = np.array([0.2, 1.0, 1.7])[:, np.newaxis, np.newaxis]
    power_flow = UnbalancedPowerFlow(european_lv)
    together = power_flow.solve(share * injections.p_mw, share * injections.q_mvar)
    alone = power_flow.solve(1.7 * injections.p_mw[np.newaxis], 1.7 * injections.q_mvar[np.newaxis])
    np.testing.assert_allclose(together.vm_pu[2], alone.vm_pu[0], rtol=0, atol=1e-11)
    lost = together.line_loss_mw.sum(axis=1) + together.transformer_loss_mw.sum(axis=1)
    np.testing.assert_allclose(together.loss_mw, lost, rtol=0, atol=1e-10)
    assert not beyond_unbalance_limit(together).any()
    assert beyond_unbalance_limit(together, limit_percent=0.5).any()


def house(vector_group: str = "Dyn", shift_degree: float = 30.0, **changes: float) -> Any:
    """Return a net by hand: transformer, one line, single-phase loads and a generator."""
    net = pandapower.create_empty_network(name="house", f_hz=50.0)
    high = pandapower.create_bus(net, 10.0, name="M")
    low, end = (pandapower.create_bus(net, 0.4, name=name) for name in ("L", "E"))
    pandapower.create_ext_grid(
        net, high, vm_pu=1.01, va_degree=10.0, s_sc_max_mva=200.0, rx_max=0.3, x0x_max=2.0, r0x0_max=0.7, name="grid"
    )
    data = {
        "sn_mva": 0.16, "vn_hv_kv": 10.5, "vn_lv_kv": 0.4, "vkr_percent": 1.4, "vk_percent": 4.0, "pfe_kw": 0.0,
        "i0_percent": 0.0, "vk0_percent": 3.6, "vkr0_percent": 1.2, "mag0_percent": 1000.0, "mag0_rx": 0.2,
        "si0_hv_partial": 0.7,
    } | changes  # fmt: skip
    pandapower.create_transformer_from_parameters(
        net, high, low, shift_degree=shift_degree, vector_group=vector_group, name="T", **data
    )
    pandapower.create_line_from_parameters(
        net, low, end, 0.2, 0.32, 0.08, 260.0, 0.2, name="line", r0_ohm_per_km=1.2, x0_ohm_per_km=0.3,
        c0_nf_per_km=150.0, parallel=2,
    )  # fmt: skip
    pandapower.create_asymmetric_load(net, end, p_a_mw=0.012, q_a_mvar=0.003, p_c_mw=0.004, scaling=1.5, name="load")
    pandapower.create_asymmetric_sgen(net, low, p_b_mw=0.01, name="roof")
    pandapower.create_load(net, end, 0.006, 0.001, name="workshop")
    # runpp_3ph leaves out, silently, a generator of another type than wye.
    pandapower.create_sgen(net, end, 0.003, q_mvar=-0.001, type="wye", name="plant")
    return net


@pytest.mark.parametrize(
    ("group", "shift_degree", "changes"),
    [
        ("Dyn", 30.0, {}),
        ("Dyn11", 330.0, {}),
        ("Dyn5", 150.0, {"parallel": 2}),
        ("YNyn", 0.0, {"si0_hv_partial": 0.5}),
        ("YNyn6", 180.0, {"si0_hv_partial": 0.5, "mag0_percent": 200.0}),
    ],
)
def test_vector_groups_agree_with_pandapower(group: str, shift_degree: float, changes: dict[str, float]) -> None:
    net = house(group, shift_degree, **changes)
    theirs = copy.deepcopy(net)
    theirs.trafo["vector_group"] = group.rstrip("0123456789")
    assert_as_pandapower(theirs, solve_as_it_stands(from_pandapower(net)), atol=1e-9)


def test_iron_losses_agree_with_pandapower_but_for_its_other_transformer_model() -> None:
    """runpp_3ph knows only the T circuit, ours is pi as the balanced engine's; they differ by some 1e-5."""
    net = house(pfe_kw=0.5, i0_percent=1.0)
    assert_as_pandapower(net, solve_as_it_stands(from_pandapower(net)), atol=3e-5)


def dark_loop(group: VectorGroup, **changes: float) -> tuple[float, complex]:
    """Return |V| of phase a and the zero-sequence impedance in ohms, with 5 A drawn from phase a of L alone."""
    shift = 0.0 if group is VectorGroup.YYN else 30.0
    net = house(group.value.capitalize(), shift, **changes)
    for kind in ("asymmetric_load", "asymmetric_sgen", "load", "sgen"):
        net[kind] = net[kind].iloc[:0]
    net.ext_grid.loc[0, "s_sc_max_mva"] = np.nan
    net.line.loc[0, ["c_nf_per_km", "c0_nf_per_km"]] = 0.0
    network = from_pandapower(net)
    p_mw = np.zeros((1, 3, 3))
    p_mw[0, 1, 0] = -1e-3
    result = UnbalancedPowerFlow(network).solve(p_mw, np.zeros_like(p_mw))
    return float(result.vm_v[0, 1, 0]), complex(zero_sequence(network).transformer_z0_ohm[0])


@pytest.mark.parametrize("group", [VectorGroup.YYN, VectorGroup.YZN, VectorGroup.DYN])
def test_the_earth_loop_of_a_transformer_is_as_by_hand(group: VectorGroup) -> None:
    """A load on one phase sees (z1 + z2 + z0) / 3; runpp_3ph does not model Yyn, and Yzn by another formula."""
    found_v, z0_ohm = dark_loop(group)
    base_ohm = 0.4**2 / 0.16
    z1_ohm = complex(1.4, (4.0**2 - 1.4**2) ** 0.5) / 100 * base_ohm
    leakage_ohm = complex(1.2, (3.6**2 - 1.2**2) ** 0.5) / 100 * base_ohm
    magnetising_ohm = 0.036 * 10 * base_ohm / abs(complex(0.2, 1)) * complex(0.2, 1)
    high_ohm, low_ohm = 0.7 * leakage_ohm, 0.3 * leakage_ohm
    by_hand = {
        VectorGroup.YYN: low_ohm + magnetising_ohm,
        VectorGroup.YZN: leakage_ohm,
        VectorGroup.DYN: low_ohm + 1 / (1 / high_ohm + 1 / magnetising_ohm),
    }[group]
    assert z0_ohm == pytest.approx(by_hand)
    loop_ohm = (2 * z1_ohm + by_hand) / 3
    open_v = 1.01 * 10 / 10.5 * 400 / 3**0.5
    volts = complex(open_v)
    for _ in range(50):
        volts = open_v - loop_ohm * (1000 / volts).conjugate()
    assert found_v == pytest.approx(abs(volts), abs=2e-4)


def test_balanced_power_gives_what_the_balanced_engine_gives(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    drawn_mw = streets.households(np.random.default_rng(0), len(houses), 1)[::12] * 4e-6
    points = locate_phase_points(street, houses, [PhaseConnection.THREE_PHASE] * len(houses))
    p_mw = points.injection(-drawn_mw)
    by_phase = UnbalancedPowerFlow(street).solve(p_mw, 0.3 * p_mw)
    balanced = PowerFlow(street).solve(p_mw.sum(axis=2), 0.3 * p_mw.sum(axis=2))
    for phase in range(3):
        np.testing.assert_allclose(by_phase.vm_pu[:, :, phase], balanced.vm_pu, rtol=0, atol=1e-9)
        np.testing.assert_allclose(by_phase.line_loading[:, :, phase], balanced.line_loading, rtol=0, atol=1e-9)
    np.testing.assert_allclose(by_phase.loss_mw, balanced.loss_mw, rtol=0, atol=1e-10)
    assert by_phase.voltage_unbalance_percent.max() < 1e-6
    assert by_phase.neutral_displacement_v.max() < 1e-6
    assert by_phase.line_i_neutral_ka.max() < 1e-9


def test_a_scenario_without_solution_is_named_with_its_bus_and_phase(street: Network, streets: Any) -> None:
    points = locate_phase_points(street, streets.houses(street), [PhaseConnection.B] * 24)
    drawn_mw = np.full((3, 24), 1e-3)
    drawn_mw[1, 15] = 0.4
    p_mw = points.injection(-drawn_mw)
    result = UnbalancedPowerFlow(street).solve(p_mw, 0.2 * p_mw)
    (failure,) = result.failures
    assert (failure.scenario, failure.bus, failure.phase) == (1, "A H1.7", "b")
    assert 0.05 < failure.solvable_share < 0.5
    assert failure.reason
    assert result.converged.tolist() == [True, False, True]
    for name, values in vars(result).items():
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            assert np.isnan(values[1]).all(), name
            assert np.isfinite(values[[0, 2]]).all(), name
    assert not beyond_unbalance_limit(result).any()


def test_missing_zero_sequences_are_assumed_and_named(street: Network) -> None:
    zero = zero_sequence(street, ZeroSequenceDefaults(line_r0_per_r1=3.0, transformer_z0_per_z1=0.9))
    assert set(zero.assumed) == {*street.lines.name, "A T", "A grid"}
    np.testing.assert_allclose(zero.line_r0_ohm, 3 * street.lines.r_ohm)
    np.testing.assert_allclose(zero.line_x0_ohm, 4 * street.lines.x_ohm)
    assert abs(zero.transformer_z0_ohm[0]) == pytest.approx(0.9 * 0.04 * 0.4**2 / 0.25)


def no_group(net: Any) -> None:
    net.trafo["vector_group"] = None
    net.trafo["shift_degree"] = 0.0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_group, "'T': its vector group is missing"),
        (lambda net: net.trafo.update({"vector_group": ["Yd"]}), "'T': vector group 'Yd'"),
        (lambda net: net.trafo.update({"vector_group": ["Yyn"]}), "'Yyn' and 30 degrees"),
        (lambda net: net.trafo.insert(0, "mag0_rx", net.trafo.pop("mag0_rx") * np.nan), "'T': mag0_percent, mag0_rx"),
        (lambda net: net.line.update({"r0_ohm_per_km": [-1.0]}), "'line' has a negative zero-sequence"),
    ],
)
def test_what_no_factor_can_replace_is_refused_by_name(spoil: Any, said: str) -> None:
    net = house()
    spoil(net)
    with pytest.raises(NetworkError, match=said):
        UnbalancedPowerFlow(from_pandapower(net))


def test_a_star_without_its_magnetising_impedance_is_refused() -> None:
    net = house("Yyn", 0.0)
    net.trafo["mag0_percent"] = np.nan
    with pytest.raises(NetworkError, match="needs mag0_percent"):
        UnbalancedPowerFlow(from_pandapower(net))


def test_loads_that_are_not_modelled_by_phase_are_refused_by_name() -> None:
    net = house()
    net.asymmetric_load["type"] = "delta"
    with pytest.raises(NetworkError, match="'load': connected as 'delta'"):
        phase_injections(from_pandapower(net))
    net = house()
    net.load["const_z_p_percent"] = 30.0
    with pytest.raises(NetworkError, match="'workshop': by phase only constant power"):
        phase_injections(from_pandapower(net))


def test_wrong_injections_are_refused(street: Network) -> None:
    power_flow = UnbalancedPowerFlow(street)
    good = np.zeros((1, len(street.buses), 3))
    with pytest.raises(ValueError, match="shapes"):
        power_flow.solve(good[0], good[0])
    with pytest.raises(ValueError, match="finite"):
        power_flow.solve(good, good + np.inf)


def test_areas_are_cut_out_with_their_limits_and_voltages(county: Any) -> None:
    whole = from_pandapower(county)
    areas = low_voltage_areas(whole)
    assert [area.transformers for area in areas] == [("A1",), ("A2",), ("A3",)]
    p_mw, q_mvar = np.zeros((2, 1, len(whole.buses)))
    np.add.at(p_mw[0], whole.loads.bus, -whole.loads.p_mw)
    np.add.at(q_mvar[0], whole.loads.bus, -whole.loads.q_mvar)
    solved = PowerFlow(whole).solve(p_mw, q_mvar)
    for area in areas:
        vm_pu = float(solved.vm_pu[0, area.hv_buses[0]])
        cut = area_network(whole, area, vm_pu)
        assert set(cut.buses.name) == {whole.buses.name[bus] for bus in (*area.buses, *area.hv_buses)}
        at = [whole.bus_position[name] for name in cut.buses.name]
        np.testing.assert_array_equal(cut.buses.v_min_v, whole.buses.v_min_v[at])
        again = PowerFlow(cut).solve(p_mw[:, at], q_mvar[:, at])
        np.testing.assert_allclose(again.vm_pu[0], solved.vm_pu[0, at], rtol=0, atol=1e-9)


def test_areas_with_single_phase_points_need_the_unbalanced_flow(county: Any) -> None:
    network = from_pandapower(county)
    found = phase_areas(
        network, ["E1", "E2", "E2"], [PhaseConnection.THREE_PHASE, PhaseConnection.A, PhaseConnection.B]
    )
    assert [area.transformers for area in found] == [("A2",)]
    with pytest.raises(NetworkError, match="'nowhere'"):
        locate_phase_points(network, ["nowhere"], [PhaseConnection.A])


def test_a_transformer_in_parallel_belongs_to_one_area_and_must_be_fed_alike(county: Any) -> None:
    low = county.trafo.lv_bus
    pandapower.create_line_from_parameters(county, low[2], low[3], 0.1, 0.2, 0.08, 0.0, 0.27, name="low tie")
    with pytest.raises(NetworkError, match="'A1', 'A2' feed one area"):
        low_voltage_areas(from_pandapower(county))


def test_replaced_zero_sequences_count(street: Network, streets: Any) -> None:
    points = locate_phase_points(street, streets.houses(street), [PhaseConnection.C] * 24)
    p_mw = points.injection(np.full((1, 24), -1e-3))
    zero = zero_sequence(street)
    usual = UnbalancedPowerFlow(street, zero).solve(p_mw, 0 * p_mw)
    more = replace(zero, line_r0_ohm=2 * zero.line_r0_ohm)
    worse = UnbalancedPowerFlow(street, more).solve(p_mw, 0 * p_mw)
    assert worse.neutral_displacement_v.max() > 1.5 * usual.neutral_displacement_v.max()
