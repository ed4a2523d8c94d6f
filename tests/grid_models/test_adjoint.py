"""Sensitivity rows against central differences of full AC power flow: voltages, both ends' currents, flows, export."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.adjoint import Linearisation, NoStateError
from grid_models.elements import FloatArray
from grid_models.networks import Network, from_pandapower
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import PowerFlow, PowerFlowResult, VoltageDependent
from grid_models.reference_networks import reference_network
from grid_models.state_gradients import (
    Gradients,
    current_gradients,
    export_gradient,
    power_gradients,
    stacked,
    voltage_gradients,
)

# Of the largest derivative in a row.
RELATIVE_TOLERANCE = 1e-6
STEP_MW = 1e-3


def ieee33() -> Network:
    return reference_network("ieee33")


def cigre_mv() -> Network:
    return reference_network("cigre_mv")


def meshed() -> Network:
    """The 30-bus system of Alsac and Stott (1974): meshed, with transformers and shunts; its generators as P and Q."""
    net = pandapower.networks.case30()
    net["name"] = "case30"
    for row in net.gen.itertuples():
        pandapower.create_sgen(net, row.bus, row.p_mw, 0.0, name=f"plant {row.Index}")
    net.gen = net.gen.iloc[:0]
    for table in ("bus", "line", "load", "ext_grid", "sgen", "shunt"):
        net[table]["name"] = [f"{table} {index}" for index in net[table].index]
    net.line["max_i_ka"] = 1.0
    return from_pandapower(net)


def voltage_dependent() -> Network:
    """IEEE 33 with a third of every load at constant current and a quarter at constant impedance."""
    net = pandapower.networks.case33bw()
    net["name"] = "zip"
    for table in ("bus", "line", "load", "ext_grid"):
        net[table]["name"] = [f"{table} {index}" for index in net[table].index]
    for column, share in (("const_i", 33.0), ("const_z", 25.0)):
        for power in ("p", "q"):
            net.load[f"{column}_{power}_percent"] = share
    return from_pandapower(net)


@pytest.mark.parametrize("build", [ieee33, cigre_mv, meshed, voltage_dependent])
def test_rows_are_the_derivatives_of_full_ac_power_flow(build: Callable[[], Network]) -> None:
    network = build()
    power_flow = PowerFlow(network)
    p_mw, q_mvar, dependent = nominal_injections(network)
    assert (dependent is not None) == (build is voltage_dependent)
    state = Linearisation.of_state(power_flow, p_mw, q_mvar, dependent)
    gradients, values = everything(power_flow, state)
    rows = state.rows(gradients)
    scale = np.abs(np.concatenate([rows.by_p, rows.by_q], axis=1)).max(axis=1)
    in_use = scale > 1e-9  # a branch that is open has no current and no derivative
    assert in_use.sum() > 0.6 * len(gradients)
    for found, step in ((rows.by_p, (STEP_MW, 0.0)), (rows.by_q, (0.0, STEP_MW))):
        expected = central_difference(power_flow, (p_mw, q_mvar, dependent), values, step)
        error = np.abs(found - expected.T).max(axis=1)
        assert (error[in_use] / scale[in_use]).max() <= RELATIVE_TOLERANCE
        assert error[~in_use].max(initial=0.0) <= 1e-7  # a difference of two tiny magnitudes


@pytest.mark.parametrize("build", [cigre_mv, voltage_dependent])
def test_rows_times_changes_are_the_changes_whichever_side_is_narrower(build: Callable[[], Network]) -> None:
    network = build()
    power_flow = PowerFlow(network)
    state = Linearisation.of_state(power_flow, *nominal_injections(network))
    gradients, _ = everything(power_flow, state)
    draws = np.random.default_rng(3)
    p_mw, q_mvar = draws.normal(size=(2, 3, len(network.buses)))
    rows = state.rows(gradients)
    expected = rows.by_p @ p_mw.T + rows.by_q @ q_mvar.T
    assert len(gradients) > len(p_mw)
    np.testing.assert_allclose(state.changes(gradients, p_mw, q_mvar), expected, rtol=0, atol=1e-11)
    few = Gradients(gradients.by_voltage[:2], gradients.by_source_p[:2])
    np.testing.assert_allclose(state.changes(few, p_mw, q_mvar), expected[:2], rtol=0, atol=1e-11)
    np.testing.assert_allclose(state.changes(few, p_mw), rows.by_p[:2] @ p_mw.T, rtol=0, atol=1e-11)


def test_a_batch_of_rows_is_its_rows(demo: Any) -> None:
    """More rows than one block holds, on 5,481 buses: each equals the row asked for alone."""
    power_flow = PowerFlow(demo.network)
    p_mw, q_mvar, _ = nominal_injections(demo.network, 0.3, 0.6)
    state = Linearisation.of_state(power_flow, p_mw, q_mvar)
    bus = np.linspace(0, len(demo.network.buses) - 1, 150).astype(np.int64)
    together = state.rows(voltage_gradients(power_flow.model, state.v, bus))
    for at in (0, 63, 64, 149):
        alone = state.rows(voltage_gradients(power_flow.model, state.v, bus[at : at + 1]))
        np.testing.assert_allclose(together.by_p[at], alone.by_p[0], rtol=1e-9, atol=1e-12)


def test_a_state_without_solution_is_refused(county_as_built: Any) -> None:
    power_flow = PowerFlow(from_pandapower(county_as_built))
    p_mw = np.zeros((1, len(power_flow.network.buses)))
    p_mw[0, power_flow.network.bus_position["E1"]] = -5.0
    with pytest.raises(NoStateError, match="scenario 0"):
        Linearisation.of_state(power_flow, p_mw, np.zeros_like(p_mw))


def everything(
    power_flow: PowerFlow, state: Linearisation
) -> tuple[Gradients, Callable[[PowerFlowResult], FloatArray]]:
    """Return the gradients of every voltage, current and flow, and the same quantities of a result, one row each."""
    model, network = power_flow.model, power_flow.network
    branch = np.arange(len(model.branches))
    ends = [np.zeros(branch.size, np.bool_), np.ones(branch.size, np.bool_)]
    gradients = stacked(
        voltage_gradients(model, state.v, np.arange(len(network.buses))),
        *(current_gradients(model, state.v, branch, end) for end in ends),
        *(power_gradients(model, state.v, branch, end) for end in ends),
        export_gradient(model, state.v),
    )

    def values(result: PowerFlowResult) -> FloatArray:
        v = np.empty((len(result.vm_pu), model.n_nodes), np.complex128)
        v[:, model.node_of_bus] = result.vm_pu * np.exp(1j * np.deg2rad(result.va_degree))
        ends = _ends(power_flow, v)
        return np.concatenate([result.vm_pu, *ends, -result.source_p_mw.sum(axis=1)[:, np.newaxis]], axis=1)

    return gradients, values


def _ends(power_flow: PowerFlow, v: np.ndarray) -> list[FloatArray]:
    """Currents and powers at both ends of every branch, from the two-ports and nothing of what is under test."""
    branches = power_flow.model.branches
    v_from, v_to = v[:, branches.from_node], v[:, branches.to_node]
    i_from = branches.yff * v_from + branches.yft * v_to
    i_to = branches.ytf * v_from + branches.ytt * v_to
    return [
        np.abs(i_from) * branches.from_base_ka,
        np.abs(i_to) * branches.to_base_ka,
        (v_from * np.conj(i_from)).real,
        (v_to * np.conj(i_to)).real,
    ]


def central_difference(
    power_flow: PowerFlow,
    state: tuple[FloatArray, FloatArray, VoltageDependent | None],
    values: Callable[[PowerFlowResult], FloatArray],
    step: tuple[float, float],
) -> FloatArray:
    """Return (n_buses, n_quantities): the quantities' change per MW or Mvar at each bus, by the rule of fourth order.

    f' = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / (12 h): magnitudes of small currents bend too much for a plain one.
    """
    p_mw, q_mvar, dependent = state
    n_buses = p_mw.shape[1]
    steps = np.concatenate([np.eye(n_buses) * times for times in (1, -1, 2, -2)])
    repeated = None
    if dependent is not None:
        repeated = VoltageDependent(**{name: part.repeat(len(steps), axis=0) for name, part in vars(dependent).items()})
    result = power_flow.solve(p_mw + step[0] * steps, q_mvar + step[1] * steps, repeated)
    assert not result.failures
    ahead, behind, far_ahead, far_behind = np.split(values(result), 4)
    return np.asarray((8 * (ahead - behind) - (far_ahead - far_behind)) / (12 * max(step)), dtype=np.float64)
