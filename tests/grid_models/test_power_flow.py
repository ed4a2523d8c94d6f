"""Power flow: against pandapower's Newton, element by element; what is refused; what has no solution."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.elements import FloatArray, NetworkError
from grid_models.kernel_library import kernel_library
from grid_models.networks import Network, from_pandapower
from grid_models.power_flow import Engine, PowerFlow, PowerFlowResult

# Without a compiler there is no kernel, and Newton does everything.
ENGINES = [Engine.NEWTON] if kernel_library() is None else [Engine.FIXED_POINT, Engine.NEWTON]


def injections(network: Network) -> tuple[FloatArray, FloatArray]:
    """Return what loads and generators of the file inject, shape (1, n_buses)."""
    p_mw, q_mvar = np.zeros((2, 1, len(network.buses)))
    np.add.at(p_mw[0], network.loads.bus, -network.loads.p_mw)
    np.add.at(q_mvar[0], network.loads.bus, -network.loads.q_mvar)
    np.add.at(p_mw[0], network.generators.bus, network.generators.p_mw)
    np.add.at(q_mvar[0], network.generators.bus, network.generators.q_mvar)
    return p_mw, q_mvar


def assert_as_pandapower(net: Any, result: PowerFlowResult, row: int = 0) -> None:
    """Solve the net by pandapower's Newton and compare every column of one scenario."""
    pandapower.runpp(net, trafo_model="pi", init="dc", tolerance_mva=1e-10, calculate_voltage_angles=True, numba=False)
    pairs = {
        "vm_pu": (result.vm_pu, net.res_bus.vm_pu),
        "line_p_from_mw": (result.line_p_from_mw, net.res_line.p_from_mw),
        "line_p_to_mw": (result.line_p_to_mw, net.res_line.p_to_mw),
        "line_i_ka": (result.line_i_ka, net.res_line.i_ka),
        "line_loading": (result.line_loading, net.res_line.loading_percent / 100),
        "transformer_p_hv_mw": (result.transformer_p_hv_mw, net.res_trafo.p_hv_mw),
        "transformer_q_hv_mvar": (result.transformer_q_hv_mvar, net.res_trafo.q_hv_mvar),
        "transformer_p_lv_mw": (result.transformer_p_lv_mw, net.res_trafo.p_lv_mw),
        "transformer_q_lv_mvar": (result.transformer_q_lv_mvar, net.res_trafo.q_lv_mvar),
        "transformer_i_hv_ka": (result.transformer_i_hv_ka, net.res_trafo.i_hv_ka),
        "transformer_i_lv_ka": (result.transformer_i_lv_ka, net.res_trafo.i_lv_ka),
        "transformer_loading": (result.transformer_loading, net.res_trafo.loading_percent / 100),
        "source_p_mw": (result.source_p_mw, net.res_ext_grid.p_mw),
        "source_q_mvar": (result.source_q_mvar, net.res_ext_grid.q_mvar),
    }
    for name, (ours, theirs) in pairs.items():
        np.testing.assert_allclose(ours[row], theirs, rtol=0, atol=1e-9, err_msg=name)
    loss_mw = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum() + net.res_shunt.p_mw.sum()
    assert result.loss_mw[row] == pytest.approx(loss_mw, abs=1e-9)


def half_open_ends(net: Any) -> None:
    net.switch.loc[1, "closed"] = True  # the tie is now closed at both ends: a loop over both feeders
    pandapower.create_switch(net, 3, 0, et="l", closed=False, name="half open line")


def half_open_transformer(net: Any) -> None:
    pandapower.create_switch(net, net.trafo.lv_bus[1], 1, et="t", closed=False, name="half open transformer")


def taps(net: Any) -> None:
    net.trafo["tap_changer_type"] = net.trafo["tap_changer_type"].astype(object)
    for row, side, kind, position in ((0, "hv", "Ratio", -3), (1, "hv", "Ratio", -3), (2, "hv", "Symmetrical", 2),
                                      (3, "lv", "Ratio", 1)):  # fmt: skip
        columns = ["tap_changer_type", "tap_side", "tap_pos", "tap_neutral", "tap_step_percent", "tap_step_degree"]
        net.trafo.loc[row, columns] = [kind, side, position, 0, 1.5, 0.0]


def unapplied_tap(net: Any) -> None:
    net.trafo.loc[2, ["tap_side", "tap_pos", "tap_neutral", "tap_step_percent"]] = ["hv", 2, 0, 2.5]


def parallel_derated(net: Any) -> None:
    net.line.loc[0, ["parallel", "df"]] = [2, 0.8]
    net.line["g_us_per_km"] = 3.0
    net.trafo.loc[2, ["parallel", "df"]] = [2, 0.9]


def shunt_and_scaling(net: Any) -> None:
    pandapower.create_shunt(net, 5, q_mvar=-0.3, p_mw=0.01, step=2, name="capacitor")
    net.load.loc[1, "scaling"] = 0.5
    net.load.loc[2, "in_service"] = False


def generation(net: Any) -> None:
    pandapower.create_sgen(net, net.load.bus[0], 0.4, q_mvar=-0.05, name="pv")


def out_of_service_line(net: Any) -> None:
    net.switch.loc[1, "closed"] = True
    net.line.loc[2, "in_service"] = False


def bridged_line(net: Any) -> None:
    line = net.line.iloc[0]
    net.line.loc[net.line.index[0], ["c_nf_per_km", "g_us_per_km"]] = 900.0, 5.0
    pandapower.create_switch(net, line.from_bus, line.to_bus, et="b", closed=True, name="bypass")


@pytest.mark.parametrize(
    "change",
    [half_open_ends, half_open_transformer, taps, unapplied_tap, parallel_derated, shunt_and_scaling, generation,
     out_of_service_line, bridged_line],
)  # fmt: skip
@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_made_by_hand_agrees_with_pandapower(
    change: Callable[[Any], None], engine: Engine, county: Any
) -> None:
    change(county)
    if change is half_open_transformer:
        # The area behind it would be dark; feed it from the other one over a low-voltage line.
        low = county.trafo.lv_bus
        pandapower.create_line_from_parameters(
            county, low[3 - 1], low[0 + 3], 0.1, 0.2, 0.08, 0.0, 0.27, name="low tie"
        )
    network = from_pandapower(county)
    assert_as_pandapower(county, PowerFlow(network, engine=engine).solve(*injections(network)))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_demo_agrees_with_pandapower_at_any_hour(engine: Engine, demo: Any) -> None:
    network, profiles = demo.network, demo.profiles
    rows = np.array([137 * 96 + 8, 137 * 96 + 48, 20 * 96 + 76])  # a night, a midday, a winter evening
    p_mw, q_mvar = np.zeros((2, rows.size, len(network.buses)))
    load_p, load_q, generator_p = (
        np.concatenate([series.rows(row, row + 1) for row in rows])
        for series in (profiles.load_p, profiles.load_q, profiles.generator_p)
    )
    np.add.at(p_mw.T, network.loads.bus, -load_p.T)
    np.add.at(q_mvar.T, network.loads.bus, -load_q.T)
    np.add.at(p_mw.T, network.generators.bus, generator_p.T)
    result = PowerFlow(network, engine=engine).solve(p_mw, q_mvar)
    net = pandapower.pandapowerNet(network.handle)
    net.storage = net.storage.assign(p_mw=0.0)
    for row in range(rows.size):
        net.load = net.load.assign(p_mw=load_p[row], q_mvar=load_q[row])
        net.sgen = net.sgen.assign(p_mw=generator_p[row])
        assert_as_pandapower(net, result, row)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_scenario_without_solution_is_named_and_harms_no_other(engine: Engine, county: Any) -> None:
    network = from_pandapower(county)
    p_mw, q_mvar = (values.repeat(4, axis=0) for values in injections(network))
    p_mw[2] *= 1000
    power_flow = PowerFlow(network, engine=engine)
    result = power_flow.solve(p_mw, q_mvar)
    assert result.converged.tolist() == [True, True, False, True]
    assert [failure.scenario for failure in result.failures] == [2]
    assert result.failures[0].reason
    assert result.failures[0].bus in {"E1", "E2", "E3"}, "the loads are there"
    columns = {name: values for name, values in vars(result).items() if name not in {"converged", "failures"}}
    alone = power_flow.solve(p_mw[3:], q_mvar[3:])
    assert alone.failures == ()
    for name, values in columns.items():
        assert np.isnan(values[2]).all(), name
        assert np.isfinite(values[[0, 1, 3]]).all(), name
        np.testing.assert_array_equal(values[3], getattr(alone, name)[0], err_msg=name)
    unsolved = power_flow.solve(p_mw[2:3], q_mvar[2:3])
    assert [failure.scenario for failure in unsolved.failures] == [0]
    assert np.isnan(unsolved.vm_pu).all()


def test_a_network_may_lack_lines_or_transformers() -> None:
    net = pandapower.create_empty_network(name="two buses")
    first, second = (pandapower.create_bus(net, 10.0, name=name) for name in ("a", "b"))
    pandapower.create_ext_grid(net, first, name="grid")
    pandapower.create_line_from_parameters(net, first, second, 1.0, 0.3, 0.1, 200.0, 0.3, name="line")
    pandapower.create_load(net, second, 1.0, 0.4, name="load")
    network = from_pandapower(net)
    result = PowerFlow(network).solve(*injections(network))
    assert result.transformer_loading.shape == (1, 0)
    assert_as_pandapower(net, result)


def test_wrong_injections_are_refused(county: Any) -> None:
    network = from_pandapower(county)
    power_flow = PowerFlow(network)
    p_mw, q_mvar = injections(network)
    with pytest.raises(ValueError, match="shapes"):
        power_flow.solve(p_mw[:, 1:], q_mvar[:, 1:])
    with pytest.raises(ValueError, match="shapes"):
        power_flow.solve(p_mw.repeat(2, axis=0), q_mvar)
    q_mvar[0, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        power_flow.solve(p_mw, q_mvar)


def test_a_bus_in_the_dark_is_named(county: Any) -> None:
    pandapower.create_switch(county, 3, 1, et="l", closed=False, name="opened")
    with pytest.raises(NetworkError, match="'M2'"):
        PowerFlow(from_pandapower(county))


def test_nothing_fed_loses_what_the_network_itself_uses(county: Any) -> None:
    network = from_pandapower(county)
    nothing = np.zeros((1, len(network.buses)))
    result = PowerFlow(network).solve(nothing, nothing)
    iron_mw = 2 * 0.014 + 3 * 0.0006
    assert result.loss_mw[0] == pytest.approx(iron_mw, rel=0.1)
    assert result.loss_mw[0] == pytest.approx(result.source_p_mw.sum())
