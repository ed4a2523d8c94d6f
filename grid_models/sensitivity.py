"""Limits for clearing: by what share must the power behind each edge fall so that every violation is cured.

The sensitivities of the AC state (adjoint.py) give how much each violated quantity eases per share taken from what is
controllable behind each edge. Edges help one another (a feeder's areas share its voltage), so the shares are found
together: each edge does exactly what its own violations still need, given what the others do. The quantities bend, so
the state with the shares taken is solved again and what the straight lines missed is made good, a few times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from grid_models.adjoint import Linearisation
from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.metering_points import PointLocations
from grid_models.power_flow import PowerFlow
from grid_models.security_states import CheckedState, FlowDirection, TightenedLimit
from grid_models.unit_flows import UnitFlows
from grid_models.violated_quantities import ViolatedQuantities

_CORRECTIONS_MAX = 6
_SWEEPS_MAX = 200
_SHARE_TOLERANCE = 1e-6
_TINY = 1e-300
_SETTLED_SHARE_OF_MARGIN = 0.1  # what the last correction may still have changed, of each quantity's margin
_DIRECTIONS = (FlowDirection.EXPORT, FlowDirection.IMPORT)
_SIGN = (1, -1)

Edge: TypeAlias = int
"""Twice the position of the unit below the edge, plus 1 in the direction of import (_DIRECTIONS)."""


@dataclass(frozen=True, eq=False)
class _Answer:
    """What share each edge gives, which edge cures each violation, and which violations no edge can cure.

    edges: sorted. shares: (n_edges,). cures, hopeless: (n_violations,). easing: (n_violations, n_edges), by how much
    each quantity falls when all behind the edge is taken.
    """

    edges: list[Edge]
    shares: FloatArray
    cures: Int64Array
    hopeless: BoolArray
    easing: FloatArray


@dataclass(frozen=True, eq=False)
class _Taken:
    """The state with the shares taken. excess: (n_violations,). export_mw: (2, n_units), those of each direction."""

    excess: FloatArray
    export_mw: FloatArray


class Tightening:
    """Finds tighter limits for one checked state; made for it and used once.

    :param controllable_w: shape (n_points,), how much of each point's export can be taken away
    :param quantities: what the state's violations measure
    :param share_above: largest share of the power behind an edge that a violation below the edge's own unit may take
    """

    def __init__(
        self,
        state: CheckedState,
        controllable_w: Int64Array,
        quantities: ViolatedQuantities,
        *,
        power_flow: PowerFlow,
        flows: UnitFlows,
        points: PointLocations,
        share_above: float = 1.0,
    ) -> None:
        self._state = state
        self._share_above = share_above
        self._quantities = quantities
        self._power_flow = power_flow
        self._flows = flows
        self._points = points
        self._takeable_w = (np.clip(controllable_w, 0, np.maximum(state.p_w, 0)), np.maximum(-state.p_w, 0))
        self._start = np.array([2 * one.unit + _DIRECTIONS.index(one.direction) for one in state.violations], np.int64)
        p_mw, q_mvar = points.bus_injection(state.p_w[np.newaxis] / 1e6), self._q_mvar(1)
        result = power_flow.solve(p_mw, q_mvar)
        self._linear = Linearisation.of_result(power_flow, result, power_flow.node_injections(p_mw, q_mvar))
        self._gradients = quantities.gradients(self._linear)
        export_mw = flows.export_mw(result)
        self._export_mw = export_mw[0]
        self._excess = quantities.outside(result, export_mw)[0]
        self._easing: dict[Edge, FloatArray] = {}
        self._behind: dict[Edge, Int64Array] = {}

    def limits(self) -> tuple[TightenedLimit, ...]:
        """Return the limits, by unit, export before import.

        A violation starts at its lowest covering edge; what even all the power behind that edge would not cure moves to
        the edge above, where it may take `share_above` at most: what needs nearly everybody's power far around is not
        their doing. What no edge can cure goes back to where it started and takes all that is there, no more.
        """
        missed = np.zeros_like(self._excess)
        answer = self._answer(self._excess, np.zeros(missed.size, dtype=np.bool_))
        taken = self._take(answer)
        for _ in range(_CORRECTIONS_MAX):
            before, helping = missed, np.maximum(answer.easing, 0.0)
            missed = taken.excess - (self._excess - helping @ answer.shares)
            if (np.abs(missed - before) <= _SETTLED_SHARE_OF_MARGIN * self._quantities.margin).all():
                break
            answer = self._answer(self._excess + missed, answer.hopeless)
            taken = self._take(answer)
        return tuple(
            self._limit(edge, answer, taken) for edge, share in zip(answer.edges, answer.shares, strict=True) if share
        )

    def _answer(self, excess: FloatArray, hopeless: BoolArray) -> _Answer:
        """Return the least shares that cure what lies outside, by straight lines.

        :param hopeless: which violations are known to be beyond every edge's power
        """
        cures, hopeless = self._start.copy(), hopeless.copy()
        while True:
            distinct, cured_by = np.unique(cures, return_inverse=True)
            edges: list[Edge] = distinct.tolist()
            self._measure([edge for edge in edges if edge not in self._easing])
            easing = np.column_stack([self._easing[edge] for edge in edges])
            shares = least_shares(excess, easing, cured_by)
            moved = cures != self._start
            beyond = moved & (needed_shares(excess, easing, shares, cured_by) > self._share_above)
            short = (uncured(excess, easing, shares) | beyond) & ~hopeless
            if not short.any():
                return _Answer(edges, shares, cures, hopeless, easing)
            at_root = cures // 2 == 0
            hopeless |= short & at_root
            above = 2 * self._flows.parent[cures // 2] + cures % 2
            cures = np.where(short, np.where(at_root, self._start, above), cures)

    def _measure(self, edges: Sequence[Edge]) -> None:
        """Find how every violation eases when all is taken behind each of some edges."""
        if not edges:
            return
        cut_w = np.stack([-_SIGN[edge % 2] * self._behind_w(edge) for edge in edges])
        change = self._linear.changes(self._gradients, self._points.bus_injection(cut_w / 1e6))
        self._easing |= {edge: -change[:, column] for column, edge in enumerate(edges)}

    def _take(self, answer: _Answer) -> _Taken:
        """Solve the state with the shares taken, in both directions and in each alone; no point gives more than it has.

        A state that the solver cannot follow counts as if the straight lines were right.
        """
        state_w = self._state.p_w.astype(np.float64)
        cut_w = np.zeros((len(_DIRECTIONS), state_w.size))
        for edge, share in zip(answer.edges, answer.shares, strict=True):
            cut_w[edge % 2] += share * self._behind_w(edge)
        for direction, takeable_w in enumerate(self._takeable_w):
            cut_w[direction] = _SIGN[direction] * np.minimum(cut_w[direction], takeable_w)
        states_w = np.stack([state_w - cut_w.sum(axis=0), *(state_w - cut_w)])
        result = self._power_flow.solve(self._points.bus_injection(states_w / 1e6), self._q_mvar(len(states_w)))
        export_mw = self._flows.export_mw(result)
        excess = self._quantities.outside(result, export_mw)[0]
        lines = self._excess - np.maximum(answer.easing, 0.0) @ answer.shares
        return _Taken(
            np.where(np.isfinite(excess), excess, lines),
            np.where(np.isfinite(export_mw[1:]), export_mw[1:], self._export_mw),
        )

    def _behind_w(self, edge: Edge) -> Int64Array:
        if edge not in self._behind:
            self._behind[edge] = np.where(self._points.points_behind(edge // 2), self._takeable_w[edge % 2], 0)
        return self._behind[edge]

    def _q_mvar(self, n_scenarios: int) -> FloatArray:
        return self._points.bus_injection(self._state.q_var[np.newaxis] / 1e6).repeat(n_scenarios, axis=0)

    def _limit(self, edge: Edge, answer: _Answer, taken: _Taken) -> TightenedLimit:
        """Return one edge's limit: its flow when all shares of its direction are taken, there and elsewhere."""
        unit, direction = divmod(edge, 2)
        behind = self._points.units_behind(unit)
        reduction_w = sum(
            share * float(self._behind_w(other).sum())
            for other, share in zip(answer.edges, answer.shares, strict=True)
            if other % 2 == direction and behind[other // 2]
        )
        change_mw = float(taken.export_mw[direction][unit] - self._export_mw[unit])
        flow_w = _SIGN[direction] * (int(self._state.unit_export_w[unit]) + change_mw * 1e6)
        takeable_w = int(self._behind_w(edge).sum())
        own = np.flatnonzero(answer.cures == edge)
        return TightenedLimit(
            unit,
            _DIRECTIONS[direction],
            limit_w=math.floor(flow_w),
            reduction_w=min(math.ceil(reduction_w), takeable_w),
            sufficient=not bool(answer.hopeless[own].any()),
            cures=tuple(self._state.violations[row] for row in own.tolist()),
        )


def least_shares(excess: FloatArray, easing: FloatArray, cured_by: Int64Array) -> FloatArray:
    """Return the share, 0 to 1, by which each edge's controllable power must fall, shape (n_edges,).

    Gauss-Seidel on share[c] = max over its violations k of (excess[k] - easing of k by the other edges) / easing[k, c],
    clipped to 0..1. An easing below zero (a cut that would make things worse elsewhere) counts as none.

    :param excess: shape (n_violations,), how far each quantity must come down, any unit
    :param easing: shape (n_violations, n_edges), by how much the quantity falls when all is taken behind the edge
    :param cured_by: shape (n_violations,), the edge that has to cure the violation
    """
    shares = np.zeros(easing.shape[1])
    own = [np.flatnonzero(cured_by == edge) for edge in range(easing.shape[1])]
    cases = [(excess[rows], np.maximum(easing[rows], 0.0)) for rows in own]
    for _ in range(_SWEEPS_MAX):
        before = shares.copy()
        for edge, (outside, helping) in enumerate(cases):
            shares[edge] = 0.0
            left = np.maximum(outside - helping @ shares, 0.0)
            # An edge that eases next to nothing gives all it has.
            needed = left / np.maximum(helping[:, edge], 1e-9 * left + _TINY)
            shares[edge] = min(1.0, float(needed.max(initial=0.0)))
        if np.abs(shares - before).max(initial=0.0) < _SHARE_TOLERANCE:
            break
    return shares


def needed_shares(excess: FloatArray, easing: FloatArray, shares: FloatArray, cured_by: Int64Array) -> FloatArray:
    """Return what share of the power behind its own edge each violation needs, given the other edges' shares."""
    helping = np.maximum(easing, 0.0)
    own = helping[np.arange(excess.size), cured_by]
    left = np.maximum(excess - helping @ shares + own * shares[cured_by], 0.0)
    return np.asarray(left / np.maximum(own, 1e-9 * left + _TINY), dtype=np.float64)


def uncured(excess: FloatArray, easing: FloatArray, shares: FloatArray) -> BoolArray:
    """Return which violations remain, by the linear estimate, when the shares are taken."""
    left = excess - np.maximum(easing, 0.0) @ shares
    return np.asarray(left > 1e-3 * np.abs(excess), dtype=np.bool_)
