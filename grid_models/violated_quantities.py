"""What a checked state's violations measure, as columns: how far outside each limit a state is, and how that changes.

One row a violation, in volts, as a share of the rated current, or in MW, by its kind; positive is outside the limit
less its margin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from grid_models.adjoint import Linearisation
from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.networks import Network
from grid_models.power_flow import PowerFlowResult, rated_currents_ka
from grid_models.security_states import LimitKind, LimitViolation
from grid_models.state_gradients import (
    Gradients,
    current_gradients,
    export_gradient,
    power_gradients,
    stacked,
    voltage_gradients,
)
from grid_models.unit_flows import UnitFlows

_VOLTAGE = (LimitKind.VOLTAGE_HIGH, LimitKind.VOLTAGE_LOW)
_POWER = (LimitKind.REVERSE_POWER, LimitKind.FORWARD_POWER)


@dataclass(frozen=True)
class Margins:
    """How far inside its limit a tightened quantity shall come, per mille of the limit."""

    voltage_per_mille: int
    flow_per_mille: int


class ViolatedQuantities:
    """The violations of one state.

    margin: shape (n_violations,), how far inside its limit each shall come, in the unit of its row.

    :param branch_position: of each line, then transformer, by its name
    :param current_share: permitted current of lines and transformers, of their rating
    """

    def __init__(
        self,
        network: Network,
        flows: UnitFlows,
        violations: Sequence[LimitViolation],
        *,
        branch_position: Mapping[str, int],
        current_share: float,
        margins: Margins,
    ) -> None:
        self._network, self._flows = network, flows
        kind = [violation.kind for violation in violations]
        limit = np.array([violation.limit for violation in violations], dtype=np.float64)
        names = [violation.element for violation in violations]
        self._voltage = _rows(kind, _VOLTAGE)
        self._current = _rows(kind, (LimitKind.CURRENT,))
        self._power = _rows(kind, _POWER)
        self._bus = np.array([network.bus_position[names[row]] for row in self._voltage], dtype=np.int64)
        self._branch = np.array([branch_position[names[row]] for row in self._current], dtype=np.int64)
        self._unit = np.array([violations[row].unit for row in self._power], dtype=np.int64)
        self._sign = np.where(np.isin(np.arange(len(kind)), _rows(kind, (_VOLTAGE[1], _POWER[1]))), -1.0, 1.0)
        self._limit = np.empty(len(kind))
        self._limit[self._voltage] = limit[self._voltage] / 1e3
        self._limit[self._current] = current_share
        # Forward power is export below zero, so its limit is one from below.
        self._limit[self._power] = limit[self._power] / 1e6 * self._sign[self._power]
        share = np.full(len(kind), margins.flow_per_mille / 1000)
        share[self._voltage] = margins.voltage_per_mille / 1000
        self.margin = np.abs(self._limit) * share

    def outside(self, result: PowerFlowResult, unit_export_mw: FloatArray) -> FloatArray:
        """Return how far outside its limit less the margin each quantity lies, (n_scenarios, n_violations).

        :param unit_export_mw: what UnitFlows.export_mw finds in the result
        """
        value = np.empty((len(result.converged), self._limit.size))
        value[:, self._voltage] = result.vm_pu[:, self._bus] * self._volts_of_pu
        loading = np.concatenate([result.line_loading, result.transformer_loading], axis=1)
        value[:, self._current] = loading[:, self._branch]
        value[:, self._power] = unit_export_mw[:, self._unit]
        # A limit is come nearer from above or from below, but its margin always lies inside.
        return np.asarray(self._sign * (value - self._limit) + self.margin, dtype=np.float64)

    def gradients(self, state: Linearisation) -> Gradients:
        """Return the gradients of the rows as `outside` counts them: positive is outward, in each row's unit."""
        model, v = state.model, state.v
        at_to, rated_ka = self._fuller_end(state)
        by_kind = stacked(
            voltage_gradients(model, v, self._bus),
            current_gradients(model, v, self._branch, at_to),
            self._unit_gradients(state),
        )
        scale = np.concatenate([self._volts_of_pu, 1 / rated_ka, np.ones(self._unit.size)])
        row = np.concatenate([self._voltage, self._current, self._power])
        return by_kind.combined(
            scipy.sparse.csr_matrix((self._sign[row] * scale, (row, np.arange(row.size))), shape=(row.size, row.size))
        )

    @property
    def _volts_of_pu(self) -> FloatArray:
        return np.asarray(self._network.buses.vn_kv[self._bus] * 1e3, dtype=np.float64)

    def _fuller_end(self, state: Linearisation) -> tuple[BoolArray, FloatArray]:
        """Return which end of each overloaded branch is loaded more, and its rated current, kA."""
        branches = state.model.branches
        branch, v = self._branch, state.v
        v_from, v_to = v[branches.from_node[branch]], v[branches.to_node[branch]]
        from_ka = np.abs(branches.yff[branch] * v_from + branches.yft[branch] * v_to) * branches.from_base_ka[branch]
        to_ka = np.abs(branches.ytf[branch] * v_from + branches.ytt[branch] * v_to) * branches.to_base_ka[branch]
        rated_from_ka, rated_to_ka = (rated_ka[branch] for rated_ka in rated_currents_ka(self._network))
        at_to = np.asarray(to_ka / rated_to_ka > from_ka / rated_from_ka, dtype=np.bool_)
        return at_to, np.where(at_to, rated_to_ka, rated_from_ka)

    def _unit_gradients(self, state: Linearisation) -> Gradients:
        """Return the gradients of the export over each row's edge; the root's is over the feeding points."""
        flows = self._flows
        n_lines, n_transformers = len(self._network.lines), len(self._network.transformers)
        is_line = flows.branch_end < 2 * n_lines
        within = flows.branch_end - np.where(is_line, 0, 2 * n_lines)
        n_of_kind = np.where(is_line, n_lines, n_transformers)
        branch, at_to = within % n_of_kind + np.where(is_line, 0, n_lines), within >= n_of_kind
        ends = power_gradients(state.model, state.v, branch, at_to)
        both = stacked(ends, export_gradient(state.model, state.v))
        column_of_unit = scipy.sparse.csr_matrix(
            (np.append(flows.sign, 1.0), (np.append(flows.unit, 0), np.arange(len(both)))),
            shape=(flows.parent.size, len(both)),
        )
        return both.combined(column_of_unit[self._unit])


def _rows(kind: Sequence[LimitKind], wanted: Sequence[LimitKind]) -> Int64Array:
    return np.array([row for row, each in enumerate(kind) if each in wanted], dtype=np.int64)
