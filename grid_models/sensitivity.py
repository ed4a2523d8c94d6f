"""Linear limits for clearing: by what share must the power behind each edge fall so that every violation is cured.

The AC state gives, by a finite difference, how much each violated quantity eases per share taken from what is
controllable behind each edge. Edges help one another (a feeder's areas share its voltage), so the shares are found
together: each edge does exactly what its own violations still need, given what the others do.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.limit_check import LimitCheck, Margins
from grid_models.metering_points import PointLocations
from grid_models.power_flow import PowerFlow
from grid_models.security_states import CheckedState, FlowDirection, TightenedLimit
from grid_models.unit_flows import UnitFlows

_STEP_SHARE = 0.25  # finite difference: about as far as a tightening usually goes, so the secant is good there
_SWEEPS_MAX = 200
_SHARE_TOLERANCE = 1e-6
_SIGN = {FlowDirection.EXPORT: 1, FlowDirection.IMPORT: -1}

Edge: TypeAlias = tuple[int, FlowDirection]


@dataclass(frozen=True, eq=False)
class _Response:
    """What taking away all that is controllable behind one edge would do, by a finite difference.

    easing: shape (n_violations,), by how much each violated quantity falls. export_change_mw: shape (n_units,).
    """

    easing: FloatArray
    export_change_mw: FloatArray


class Tightening:
    """Finds tighter limits for one checked state; made for it and used once.

    :param controllable_w: shape (n_points,), how much of each point's export can be taken away
    """

    def __init__(
        self,
        state: CheckedState,
        controllable_w: Int64Array,
        *,
        power_flow: PowerFlow,
        flows: UnitFlows,
        points: PointLocations,
        limit_check: LimitCheck,
        margins: Margins,
    ) -> None:
        self._state = state
        self._power_flow = power_flow
        self._flows = flows
        self._points = points
        self._limit_check = limit_check
        self._margins = margins
        self._takeable_w = {
            FlowDirection.EXPORT: np.clip(controllable_w, 0, np.maximum(state.p_w, 0)),
            FlowDirection.IMPORT: np.maximum(-state.p_w, 0),
        }
        self._responses: dict[Edge, _Response] = {}
        self._excess = np.zeros(len(state.violations))

    def limits(self) -> tuple[TightenedLimit, ...]:
        """Return the limits, by unit, export before import.

        A violation starts at its lowest covering edge; what even all the power behind that edge would not cure moves to
        the edge above. What no edge can cure goes back to where it started and takes all that is there, no more.
        """
        start: list[Edge] = [(violation.unit, violation.direction) for violation in self._state.violations]
        cures = list(start)
        hopeless = np.zeros(len(cures), dtype=np.bool_)
        while True:
            edges = _ordered(cures)
            self._measure([edge for edge in edges if edge not in self._responses])
            easing = np.column_stack([self._responses[edge].easing for edge in edges])
            cured_by = np.array([edges.index(edge) for edge in cures], dtype=np.int64)
            shares = least_shares(self._excess, easing, cured_by)
            short = uncured(self._excess, easing, shares) & ~hopeless
            if not short.any():
                break
            for row in np.flatnonzero(short):
                unit, direction = cures[row]
                hopeless[row] = unit == 0
                cures[row] = start[row] if unit == 0 else (int(self._flows.parent[unit]), direction)
        failing = {cures[row] for row in np.flatnonzero(hopeless)}
        taken = {edge: float(share) for edge, share in zip(edges, shares, strict=True) if share > 0}
        return tuple(self._limit(edge, taken, edge not in failing) for edge in taken)

    def _measure(self, edges: Sequence[Edge]) -> None:
        """Find the responses of some edges, and the excess of every violation, in one batch of power flows."""
        if not edges:
            return
        state = self._state
        steps_w = [self._behind_w(edge) * (_STEP_SHARE * _SIGN[edge[1]]) for edge in edges]
        p_w = state.p_w - np.array([np.zeros(state.p_w.size), *steps_w])
        p_mw = self._points.bus_injection(p_w / 1e6)
        q_mvar = self._points.bus_injection(state.q_var[np.newaxis, :] / 1e6).repeat(len(p_mw), axis=0)
        result = self._power_flow.solve(p_mw, q_mvar)
        export_mw = self._flows.export_mw(result)
        outside = self._limit_check.outside(result, export_mw, state.violations, self._margins)
        # A step that the solver could not follow counts as no help, so its violations go to the edge above.
        easing = np.nan_to_num((outside[0] - outside[1:]) / _STEP_SHARE)
        change_mw = np.nan_to_num((export_mw[1:] - export_mw[0]) / _STEP_SHARE)
        self._excess = outside[0]
        self._responses |= {edge: _Response(easing[row], change_mw[row]) for row, edge in enumerate(edges)}

    def _behind_w(self, edge: Edge) -> Int64Array:
        return np.where(self._points.points_behind(edge[0]), self._takeable_w[edge[1]], 0)

    def _limit(self, edge: Edge, taken: dict[Edge, float], sufficient: bool) -> TightenedLimit:
        """Return one edge's limit: its flow less what is taken behind it, there and at the edges below."""
        unit, direction = edge
        behind = self._points.units_behind(unit)
        change_w, reduction_w = 0.0, 0.0
        for other, share in taken.items():
            if other[1] is direction and behind[other[0]]:
                change_w += share * float(self._responses[other].export_change_mw[unit]) * 1e6
                reduction_w += share * float(self._behind_w(other).sum())
        flow_w = _SIGN[direction] * (int(self._state.unit_export_w[unit]) + change_w)
        return TightenedLimit(unit, direction, math.floor(flow_w), math.ceil(reduction_w), sufficient)


def least_shares(excess: FloatArray, easing: FloatArray, cured_by: Int64Array) -> FloatArray:
    """Return the share, 0 to 1, by which each edge's controllable power must fall, shape (n_edges,).

    Gauss-Seidel on share[c] = max over its violations k of (excess[k] - easing of k by the other edges) / easing[k, c],
    clipped to 0..1. An easing below zero (a cut that would make things worse elsewhere) counts as none.

    :param excess: shape (n_violations,), how far each quantity must come down, any unit
    :param easing: shape (n_violations, n_edges), by how much the quantity falls when all is taken behind the edge
    :param cured_by: shape (n_violations,), the edge that has to cure the violation
    """
    helping = np.maximum(easing, 0.0)
    shares = np.zeros(easing.shape[1])
    own = [np.flatnonzero(cured_by == edge) for edge in range(easing.shape[1])]
    for _ in range(_SWEEPS_MAX):
        before = shares.copy()
        for edge, rows in enumerate(own):
            shares[edge] = 0.0
            left = excess[rows] - helping[rows] @ shares
            ahead = left > 0
            # An edge that eases next to nothing gives all it has.
            needed = left[ahead] / np.maximum(helping[rows[ahead], edge], 1e-9 * left[ahead])
            shares[edge] = min(1.0, float(needed.max(initial=0.0)))
        if np.abs(shares - before).max(initial=0.0) < _SHARE_TOLERANCE:
            break
    return shares


def uncured(excess: FloatArray, easing: FloatArray, shares: FloatArray) -> BoolArray:
    """Return which violations remain, by the linear estimate, when the shares are taken."""
    left = excess - np.maximum(easing, 0.0) @ shares
    return np.asarray(left > 1e-3 * np.abs(excess), dtype=np.bool_)


def _ordered(edges: Iterable[Edge]) -> list[Edge]:
    return sorted(set(edges), key=lambda edge: (edge[0], edge[1].value))
