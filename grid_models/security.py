"""The integer face of the network check: what the hub, which holds no float, asks and is told.

Powers are int64 W and var per metering point, positive into the network (export). Answers are ints: mV line to line,
mA, W, per mille. A unit's flow is positive up the edge to its parent (export), measured as grid_models.unit_flows says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.limit_check import LimitCheck
from grid_models.loading_shares import branch_overlap
from grid_models.meshed_limits import FACTOR_ONE, MeshedLoading, MeshParts, mesh_parts, meshed_loadings
from grid_models.metering_points import PointLocations, UnknownBusError, locate_points
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow, PowerFlowResult
from grid_models.security_states import (
    CheckedState,
    FlowDirection,
    LimitKind,
    LimitViolation,
    LoadingParts,
    StateOutcome,
    TightenedLimit,
    UnsolvedState,
    WorstLoading,
    WorstVoltage,
)
from grid_models.sensitivity import Tightening
from grid_models.unit_flows import UnitFlows, unit_flows
from grid_models.violated_quantities import Margins, ViolatedQuantities

__all__ = [
    "FACTOR_ONE",
    "CheckedState",
    "FlowDirection",
    "LimitKind",
    "LimitViolation",
    "LoadingParts",
    "MeshedLoading",
    "SecurityModel",
    "SecurityParameters",
    "StateOutcome",
    "TightenedLimit",
    "UnknownBusError",
    "UnsolvedState",
    "WorstLoading",
    "WorstVoltage",
]

_STATES_AT_ONCE = 32  # a dense result of a county's day would fill a gigabyte


@dataclass(frozen=True)
class SecurityParameters:
    """Current limit of lines and transformers per mille of the rating, and how far inside a tightened limit shall aim.

    Voltage limits are the network's own; power limits of the edges are the registry's (100 % forward, 80 % reverse).
    Margins are per mille of the limit. share_above_per_mille: how much of the power behind an edge a violation may take
    that lies below the edge's own unit and could not be cured there. mesh_factor_least_per_mille: who moves a branch in
    a mesh by less of its own change answers for nothing there.
    """

    current_per_mille: int = 1000
    voltage_margin_per_mille: int = 1
    flow_margin_per_mille: int = 5
    share_above_per_mille: int = 500
    mesh_factor_least_per_mille: int = 50


class SecurityModel:
    """The network check of one county: network, balance-unit tree and metering points, built once; for one thread.

    :param network: as read from the county's folder
    :param unit_parent: position of each unit's parent, -1 for the root, a parent before its children
    :param unit_elements: names of the elements of each unit's edge (registry.BalanceUnit.elements); () for the root
    :param unit_export_limit_w, unit_import_limit_w: power limit of each edge up and down, None where there is none
        (registry limits per interval of 15 min in Wh, times 4)
    :param point_bus: bus name of each metering point, in the order of p_w
    :raises UnknownBusError: if the network does not have a metering point's bus
    :raises NetworkError: if a line or transformer has no rating
    :raises TopologyError: if the units' edges do not part the network into such a tree
    """

    def __init__(
        self,
        network: Network,
        *,
        unit_parent: Sequence[int],
        unit_elements: Sequence[tuple[str, ...]],
        unit_export_limit_w: Sequence[int | None],
        unit_import_limit_w: Sequence[int | None],
        point_bus: Sequence[str],
        parameters: SecurityParameters | None = None,
    ) -> None:
        self._parameters = parameters or SecurityParameters()
        self._power_flow = PowerFlow(network)
        branches = (*network.lines.name, *network.transformers.name)
        self._branch_position = {name: position for position, name in enumerate(branches)}
        self._flows = unit_flows(network, unit_parent, unit_elements)
        self._points = locate_points(network, self._flows, point_bus)
        self._limit_check = LimitCheck(
            network,
            self._flows,
            unit_elements=unit_elements,
            export_limit_w=unit_export_limit_w,
            import_limit_w=unit_import_limit_w,
            current_per_mille=self._parameters.current_per_mille,
        )

    @property
    def parameters(self) -> SecurityParameters:
        """How limits are checked and tightened."""
        return self._parameters

    @property
    def power_flow(self) -> PowerFlow:
        """The model that the states are solved with; for the thread that asks for states."""
        return self._power_flow

    @property
    def flows(self) -> UnitFlows:
        """Where the flows of the unit tree stand in a power flow."""
        return self._flows

    @property
    def points(self) -> PointLocations:
        """Where the metering points stand."""
        return self._points

    @property
    def point_unit(self) -> Int64Array:
        """Position of the unit in which each metering point's bus lies, shape (n_points,)."""
        return self._points.unit

    def points_behind(self, unit: int) -> BoolArray:
        """Return which metering points lie in the unit or below it, shape (n_points,)."""
        return self._points.points_behind(unit)

    def check_states(self, p_w: Int64Array, q_var: Int64Array) -> tuple[StateOutcome, ...]:
        """Return what the AC power flow finds in each state; a state's outcome does not depend on the others.

        :param p_w: shape (n_scenarios, n_points), net export of each metering point, W
        :param q_var: the same for reactive power, var
        :raises ValueError: if a shape or type is wrong
        """
        shape = (len(p_w), self._points.bus.size)
        for values in (p_w, q_var):
            if values.shape != shape or values.dtype != np.int64:
                raise ValueError(f"powers are {values.dtype} of shape {values.shape}, not int64 of (n, {shape[1]})")
        outcomes: list[StateOutcome] = []
        for first in range(0, len(p_w), _STATES_AT_ONCE):
            some = slice(first, first + _STATES_AT_ONCE)
            outcomes += self._check_some(p_w[some], q_var[some], first)
        return tuple(outcomes)

    def _check_some(self, p_w: Int64Array, q_var: Int64Array, first: int) -> list[StateOutcome]:
        """Return what is found in some states, the first of which is number `first` of all that were asked about."""
        p_mw = self._points.bus_injection(p_w / 1e6)
        result = self._power_flow.solve(p_mw, self._points.bus_injection(q_var / 1e6))
        loss_mw = self._flows.loss_mw(p_mw, self._flows.export_mw(result))
        reasons = {failure.scenario: failure.reason for failure in result.failures}
        return [
            UnsolvedState(first + scenario, reasons[scenario])
            if scenario in reasons
            else self._checked(result, scenario, loss_mw[scenario], p_w[scenario].copy(), q_var[scenario].copy())
            for scenario in range(len(p_w))
        ]

    def tightened_limits(self, state: CheckedState, controllable_w: Int64Array) -> tuple[TightenedLimit, ...]:
        """Return the tighter edge limits that would bring the state's violations just inside.

        A violation is cured at its lowest covering edge; where all that is controllable behind it would not do, at the
        lowest edge above that does. In the direction of import all consumption behind the edge counts as controllable.
        Limits are sorted by unit, export before import. `reduction_w` taken pro rata from the controllable export
        behind the edge (`points_behind`) is the cut that the estimate assumes.

        :param controllable_w: shape (n_points,), how much of each point's export (>= 0) the market or a setpoint can
            take away; more than the point's export is not counted
        """
        if not state.violations:
            return ()
        return Tightening(
            state,
            controllable_w,
            self._quantities(state.violations),
            power_flow=self._power_flow,
            flows=self._flows,
            points=self._points,
            share_above=self._parameters.share_above_per_mille / 1000,
        ).limits()

    def lies_in_mesh(self, violation: LimitViolation) -> bool:
        """Return whether the violation is the current of a branch that no edge of the unit tree carries alone."""
        is_current = violation.kind is LimitKind.CURRENT
        return is_current and bool(self._mesh_parts.is_meshed[self._branch_position[violation.element]])

    def meshed_loadings(
        self, state: CheckedState, violations: Sequence[LimitViolation], controllable_w: Int64Array
    ) -> tuple[MeshedLoading, ...]:
        """Return how meshed branches are loaded in the state, and what each unit's export adds to that.

        :param violations: those that lie in a mesh, of this state or an earlier one
        :param controllable_w: as of `tightened_limits`
        """
        return meshed_loadings(
            state,
            violations,
            self._quantities(violations),
            controllable_w,
            power_flow=self._power_flow,
            flows=self._flows,
            points=self._points,
            parts=self._mesh_parts,
            branch_position=self._branch_position,
        )

    @cached_property
    def _mesh_parts(self) -> MeshParts:
        return mesh_parts(self._power_flow.network)

    def _quantities(self, violations: Sequence[LimitViolation]) -> ViolatedQuantities:
        parameters = self._parameters
        return ViolatedQuantities(
            self._power_flow.network,
            self._flows,
            violations,
            branch_position=self._branch_position,
            current_share=parameters.current_per_mille / 1000,
            margins=Margins(parameters.voltage_margin_per_mille, parameters.flow_margin_per_mille),
        )

    def who_loads(self, state: CheckedState, element: str) -> LoadingParts:
        """Return what each metering point contributes to the flow of a line or transformer (see loading_shares.py).

        :raises NetworkError: if no closed line or transformer is called so
        """
        branch = branch_overlap(self._power_flow, element)
        p_mw, q_mvar = (self._points.bus_injection(each[np.newaxis] / 1e6) for each in (state.p_w, state.q_var))
        flow_mw = branch.flow_up_mw(self._power_flow.network, self._power_flow.solve(p_mw, q_mvar))
        contribution_w = (branch.overlap[self._points.bus] * (state.p_w + 1j * state.q_var)).real
        point_w = np.rint(contribution_w).astype(np.int64)
        flow_w = round(float(flow_mw[0]) * 1e6)
        return LoadingParts(element, flow_w, int(point_w.sum()) - flow_w, point_w)

    def _checked(
        self, result: PowerFlowResult, scenario: int, loss_mw: FloatArray, p_w: Int64Array, q_var: Int64Array
    ) -> CheckedState:
        """Return one solved scenario in integers: losses are rounded, flows follow from them by exact balance."""
        assert loss_mw.min() > -1e-6, "a unit gained energy"
        unit_loss_w = np.maximum(np.rint(loss_mw * 1e6), 0).astype(np.int64)
        unit_export_w = -unit_loss_w
        np.add.at(unit_export_w, self._points.unit, p_w)
        for unit in range(unit_export_w.size - 1, 0, -1):
            unit_export_w[self._flows.parent[unit]] += unit_export_w[unit]
        gateway_w = int(unit_export_w[0])
        return CheckedState(
            violations=self._limit_check.violations(result, scenario, unit_export_w),
            highest_voltage=self._limit_check.highest_voltage(result, scenario),
            lowest_voltage=self._limit_check.lowest_voltage(result, scenario),
            worst_line=self._limit_check.worst_line(result, scenario),
            worst_transformer=self._limit_check.worst_transformer(result, scenario),
            loss_w=int(unit_loss_w.sum()),
            gateway_import_w=max(-gateway_w, 0),
            gateway_export_w=max(gateway_w, 0),
            unit_export_w=unit_export_w,
            unit_loss_w=unit_loss_w,
            p_w=p_w,
            q_var=q_var,
        )
