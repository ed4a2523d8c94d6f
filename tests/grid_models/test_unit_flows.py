"""Flows over the tree's edges: where they are measured, and that injections, losses and flows balance in every unit."""

from typing import Any

import numpy as np
import pytest

from grid_models.networks import from_pandapower
from grid_models.power_flow import PowerFlow
from grid_models.topology import balance_units
from grid_models.unit_flows import unit_flows


def test_flows_are_measured_where_the_meters_are(county: Any) -> None:
    network = from_pandapower(county)
    units = balance_units(network)
    flows = unit_flows(network, units.parent.tolist(), units.elements)
    random = np.random.default_rng(5)
    p_mw = np.zeros((3, len(network.buses)))
    ends = [network.bus_position[f"E{number}"] for number in (1, 2, 3)]
    p_mw[:, ends] = random.uniform(-0.1, 0.1, (3, 3))
    result = PowerFlow(network).solve(p_mw, 0 * p_mw)
    export_mw = flows.export_mw(result)
    np.testing.assert_allclose(export_mw[:, 0], -result.source_p_mw[:, 0])
    np.testing.assert_allclose(export_mw[:, 1], result.transformer_p_lv_mw[:, :2].sum(axis=1))
    np.testing.assert_allclose(export_mw[:, 2], -result.line_p_from_mw[:, 0])
    np.testing.assert_allclose(export_mw[:, 4:], result.transformer_p_lv_mw[:, 2:])
    loss_mw = flows.loss_mw(p_mw, export_mw)
    # An area loses what its LV line loses; its transformer's loss is the feeder's.
    line_loss_mw = result.line_p_from_mw + result.line_p_to_mw
    iron_and_copper_mw = result.transformer_p_hv_mw + result.transformer_p_lv_mw
    np.testing.assert_allclose(loss_mw[:, 4], line_loss_mw[:, 4], atol=1e-12)
    np.testing.assert_allclose(loss_mw[:, 3], line_loss_mw[:, 2] + iron_and_copper_mw[:, 4], atol=1e-12)
    np.testing.assert_allclose(loss_mw[:, 1], 0.0, atol=1e-9)
    np.testing.assert_allclose(loss_mw.sum(axis=1), result.loss_mw, atol=1e-12)


def test_a_transformer_drawn_the_other_way_round_is_measured_on_the_unit_side(county: Any) -> None:
    county.line.loc[0, ["from_bus", "to_bus"]] = county.line.loc[0, ["to_bus", "from_bus"]].tolist()
    network = from_pandapower(county)
    units = balance_units(network)
    p_mw = np.zeros((1, len(network.buses)))
    p_mw[0, network.bus_position["E1"]] = 0.2
    result = PowerFlow(network).solve(p_mw, 0 * p_mw)
    export_mw = unit_flows(network, units.parent.tolist(), units.elements).export_mw(result)
    assert export_mw[0, 2] == pytest.approx(-result.line_p_to_mw[0, 0])
    assert export_mw[0, 2] > 0
