"""Violations as columns: what `outside` counts, and that its gradients are its derivatives, of every kind and sign."""

from typing import Any

import numpy as np
import pytest

from grid_models.adjoint import Linearisation
from grid_models.networks import from_pandapower
from grid_models.power_flow import PowerFlow
from grid_models.security_states import FlowDirection, LimitKind, LimitViolation
from grid_models.topology import balance_units
from grid_models.unit_flows import unit_flows
from grid_models.violated_quantities import Margins, ViolatedQuantities

KINDS = (
    (LimitKind.FORWARD_POWER, "A2", 5, 30_000),
    (LimitKind.VOLTAGE_HIGH, "E1", 4, 428_000),
    (LimitKind.CURRENT, "C1", 4, 270_000),
    (LimitKind.REVERSE_POWER, "A1", 4, 100_000),
    (LimitKind.CURRENT, "A3", 6, 11_547),
    (LimitKind.VOLTAGE_LOW, "E2", 5, 372_000),
    (LimitKind.REVERSE_POWER, "L1", 2, 90_000),
    (LimitKind.FORWARD_POWER, "grid", 0, 50_000),
)
STEP_MW = 1e-4


@pytest.fixture(scope="module")
def power_flow(county_as_built: Any) -> PowerFlow:
    return PowerFlow(from_pandapower(county_as_built))


def test_outside_is_counted_from_the_limit_less_its_margin_and_gradients_are_its_derivatives(
    power_flow: PowerFlow,
) -> None:
    network = power_flow.network
    units = balance_units(network)
    flows = unit_flows(network, units.parent.tolist(), units.elements)
    violations = [
        LimitViolation(kind, element, unit, FlowDirection.EXPORT, 0, limit, 1) for kind, element, unit, limit in KINDS
    ]
    names = (*network.lines.name, *network.transformers.name)
    quantities = ViolatedQuantities(
        network,
        flows,
        violations,
        branch_position={name: position for position, name in enumerate(names)},
        current_share=0.9,
        margins=Margins(voltage_per_mille=1, flow_per_mille=5),
    )
    p_mw, q_mvar = np.zeros((2, 1, len(network.buses)))
    for bus, p, q in (("E1", 0.15, 0.02), ("E2", -0.04, -0.01), ("E3", 0.2, -0.05), ("N1", 0.05, 0.0)):
        p_mw[0, network.bus_position[bus]], q_mvar[0, network.bus_position[bus]] = p, q
    result = power_flow.solve(p_mw, q_mvar)
    export_mw = flows.export_mw(result)
    found = quantities.outside(result, export_mw)[0]
    volts = {bus: result.vm_pu[0, network.bus_position[bus]] * 400 for bus in ("E1", "E2")}
    loading = {"C1": result.line_loading[0, network.lines.name.index("C1")]}
    loading["A3"] = result.transformer_loading[0, network.transformers.name.index("A3")]
    expected = [
        -export_mw[0, 5] - 0.03 * 0.995,
        volts["E1"] - 428 * 0.999,
        loading["C1"] - 0.9 * 0.995,
        export_mw[0, 4] - 0.1 * 0.995,
        loading["A3"] - 0.9 * 0.995,
        372 * 1.001 - volts["E2"],
        export_mw[0, 2] - 0.09 * 0.995,
        -export_mw[0, 0] - 0.05 * 0.995,
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(quantities.margin[:3], [0.03 * 0.005, 0.428, 0.9 * 0.005])

    rows = Linearisation.of_state(power_flow, p_mw, q_mvar).rows(
        quantities.gradients(Linearisation.of_state(power_flow, p_mw, q_mvar))
    )
    for by, which in ((rows.by_p, 0), (rows.by_q, 1)):
        for bus in ("E1", "E2", "E3", "M2", "H1"):
            at = network.bus_position[bus]
            steps = np.zeros((2, 2, len(network.buses)))
            steps[which, :, at] = STEP_MW, -STEP_MW
            moved = power_flow.solve(p_mw + steps[0], q_mvar + steps[1])
            ahead, behind = quantities.outside(moved, flows.export_mw(moved))
            np.testing.assert_allclose(by[:, at], (ahead - behind) / (2 * STEP_MW), rtol=1e-5, atol=1e-6)
