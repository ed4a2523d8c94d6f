"""Flows over the edges of the balance-unit tree, and the losses inside each unit, from a power flow.

A flow is positive up the edge, from the unit to its parent (export). A transformer edge is measured on the unit's side
(an area's summary meter, a station's busbar), a line edge on the parent's side (the feeder's bay in the station), the
root's at the feeding points. Losses of an area's transformer are therefore its feeder's, losses of a feeder's first
line the feeder's own, and losses of the HV/MV transformers the county's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid_models.elements import FloatArray, Int64Array, freeze
from grid_models.networks import Network
from grid_models.power_flow import PowerFlowResult
from grid_models.topology import locate_units


@dataclass(frozen=True, eq=False)
class UnitFlows:
    """Where in a power flow result the tree's flows stand; build it with `unit_flows`.

    parent: (n_units,). unit_of_bus: (n_buses,). The rest, one row for each measured branch end: its unit, its place in
    the result's line and transformer ends laid side by side, and its sign.
    """

    parent: Int64Array
    unit_of_bus: Int64Array
    unit: Int64Array
    branch_end: Int64Array
    sign: FloatArray

    def __post_init__(self) -> None:
        freeze(self)

    def export_mw(self, result: PowerFlowResult) -> FloatArray:
        """Return the flow up each unit's edge, shape (n_scenarios, n_units); the root's is export to the grid above."""
        ends = np.concatenate(
            [result.line_p_from_mw, result.line_p_to_mw, result.transformer_p_hv_mw, result.transformer_p_lv_mw], axis=1
        )
        export = np.zeros((len(self.parent), len(ends)))
        np.add.at(export, self.unit, (ends[:, self.branch_end] * self.sign).T)
        export[0] = -result.source_p_mw.sum(axis=1)
        return np.ascontiguousarray(export.T)

    def loss_mw(self, p_mw: FloatArray, export_mw: FloatArray) -> FloatArray:
        """Return the loss inside each unit, shape (n_scenarios, n_units).

        :param p_mw: the injections that were solved, shape (n_scenarios, n_buses)
        :param export_mw: what `export_mw` found for them
        """
        loss = np.zeros((len(self.parent), len(p_mw)))
        np.add.at(loss, self.unit_of_bus, p_mw.T)
        np.add.at(loss, self.parent[1:], export_mw.T[1:])
        return np.ascontiguousarray(loss.T - export_mw)


def unit_flows(network: Network, parent: Sequence[int], elements: Sequence[Sequence[str]]) -> UnitFlows:
    """Return where the flows of the given tree stand.

    :param parent: position of each unit's parent, -1 for the root (position 0); parents before children
    :param elements: names of the lines and transformers of each unit's edge, none for the root
    :raises TopologyError: if the edges do not part the network into this tree
    """
    unit_of_bus = locate_units(network, parent, elements)
    lines, transformers = network.lines, network.transformers
    line_at = {name: position for position, name in enumerate(lines.name)}
    transformer_at = {name: position for position, name in enumerate(transformers.name)}
    n_lines, n_transformers = len(lines), len(transformers)
    rows: list[tuple[int, int, float]] = []
    for unit, names in enumerate(elements):
        for name in names:
            if name in line_at:
                line = line_at[name]
                at_to_end = unit_of_bus[lines.from_bus[line]] == unit
                rows.append((unit, line + (n_lines if at_to_end else 0), -1.0))
            else:
                transformer = transformer_at[name]
                on_lv_side = unit_of_bus[transformers.lv_bus[transformer]] == unit
                rows.append((unit, 2 * n_lines + transformer + (n_transformers if on_lv_side else 0), 1.0))
    return UnitFlows(
        parent=np.array(parent, dtype=np.int64),
        unit_of_bus=unit_of_bus,
        unit=np.array([row[0] for row in rows], dtype=np.int64),
        branch_end=np.array([row[1] for row in rows], dtype=np.int64),
        sign=np.array([row[2] for row in rows]),
    )
