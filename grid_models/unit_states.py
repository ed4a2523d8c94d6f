"""The AC states of a period, by unit of the balance tree: largest reverse power, voltages, the hours that matter.

An assessment of hosting capacity takes from here what the power flow says of metered energy: how much active power
each edge carried up, how far the voltages in each unit were from nominal, and how much more each unit could host.
"""

from dataclasses import dataclass

import numpy as np

from grid_models.capacity_assessment import UnitHosting
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, freeze
from grid_models.power_flow import PowerFlowResult
from grid_models.security import SecurityModel
from grid_models.unit_hosting import unit_hosting

_STATES_AT_ONCE = 32
W_PER_MW = 1e6


class NoSolvedStateError(ValueError):
    """None of the states has an AC solution."""


@dataclass(frozen=True, eq=False)
class UnitStates:
    """What the states of a period come to.

    solved: shape (n_states,), whether the power flow found a solution; the rest is of the solved ones. By unit, shape
    (n_units,) each: reverse_max_mw: largest active power up its edge (of the root: to the grid above), negative if it
    always imports; reverse_state: the first state of it. lowest, highest: least and greatest deviation of a voltage
    in the unit from the nominal voltage, fractions; lowest_bus, highest_bus: where; highest_state: when.
    """

    solved: BoolArray
    reverse_max_mw: FloatArray
    reverse_state: Int64Array
    lowest: FloatArray
    lowest_bus: Names
    highest: FloatArray
    highest_bus: Names
    highest_state: Int64Array

    def __post_init__(self) -> None:
        freeze(self)

    def critical_states(self, at_most: int) -> Int64Array:
        """Return the states in which most units have their largest reverse power or their highest voltage, ascending.

        There a new plant meets the least room. Of states with as many units the earlier comes first.
        """
        states, units = np.unique(np.concatenate([self.reverse_state, self.highest_state]), return_counts=True)
        chosen = states[np.lexsort((states, -units))[:at_most]]
        return np.sort(chosen)


def unit_states(security: SecurityModel, p_w: Int64Array, q_var: Int64Array) -> UnitStates:
    """Return what the AC power flow says of each unit over the states.

    :param p_w, q_var: shape (n_states, n_points), net export of each metering point
    :raises NoSolvedStateError: if no state has a solution
    """
    buses = _BusesByUnit(security)
    solved, export, extremes = [], [], []
    for first in range(0, len(p_w), _STATES_AT_ONCE):
        some = slice(first, first + _STATES_AT_ONCE)
        result = security.power_flow.solve(
            security.points.bus_injection(p_w[some] / W_PER_MW), security.points.bus_injection(q_var[some] / W_PER_MW)
        )
        solved.append(result.converged)
        export.append(security.flows.export_mw(result)[result.converged])
        extremes.append(buses.extremes(result))
    is_solved, export_mw = np.concatenate(solved), np.concatenate(export)
    if not is_solved.any():
        raise NoSolvedStateError(f"none of {len(p_w)} states has an AC solution")
    number = np.flatnonzero(is_solved)
    lowest, lowest_bus, highest, highest_bus = (np.concatenate(parts) for parts in zip(*extremes, strict=True))
    unit = np.arange(export_mw.shape[1])
    reverse_at, lowest_at, highest_at = export_mw.argmax(axis=0), lowest.argmin(axis=0), highest.argmax(axis=0)
    names = security.power_flow.network.buses.name
    return UnitStates(
        solved=is_solved,
        reverse_max_mw=export_mw[reverse_at, unit],
        reverse_state=number[reverse_at],
        lowest=lowest[lowest_at, unit],
        lowest_bus=tuple(names[bus] for bus in lowest_bus[lowest_at, unit].tolist()),
        highest=highest[highest_at, unit],
        highest_bus=tuple(names[bus] for bus in highest_bus[highest_at, unit].tolist()),
        highest_state=number[highest_at],
    )


def hosting_in_states(
    security: SecurityModel,
    p_w: Int64Array,
    q_var: Int64Array,
    *,
    elements: tuple[Names, ...],
    power_factor: float,
) -> UnitHosting:
    """Return what each unit can host further in all of the states: see `unit_hosting`. Shapes as for `unit_states`."""
    return unit_hosting(
        security.power_flow,
        elements=elements,
        unit_of_bus=security.flows.unit_of_bus,
        states_mw_mvar=(
            security.points.bus_injection(p_w / W_PER_MW),
            security.points.bus_injection(q_var / W_PER_MW),
        ),
        power_factor=power_factor,
    )


class _BusesByUnit:
    """The buses with a voltage of their own, unit by unit."""

    def __init__(self, security: SecurityModel) -> None:
        buses = security.power_flow.network.buses
        unit_of_bus = security.flows.unit_of_bus
        real = np.flatnonzero(~buses.star_point)
        self._bus = real[np.argsort(unit_of_bus[real], kind="stable")].astype(np.int64)
        self._unit_of = unit_of_bus[self._bus]
        self._starts = np.searchsorted(self._unit_of, np.arange(security.flows.parent.size))
        self._nominal = (buses.vn_kv * 1e3 / buses.v_nominal_v)[self._bus]

    def extremes(self, result: PowerFlowResult) -> tuple[FloatArray, Int64Array, FloatArray, Int64Array]:
        """Return least deviation and its bus, greatest deviation and its bus, shape (n_solved, n_units) each."""
        deviation = result.vm_pu[result.converged][:, self._bus] * self._nominal - 1.0
        lowest = np.minimum.reduceat(deviation, self._starts, axis=1)
        highest = np.maximum.reduceat(deviation, self._starts, axis=1)
        return lowest, self._where(deviation, lowest), highest, self._where(deviation, highest)

    def _where(self, deviation: FloatArray, extreme: FloatArray) -> Int64Array:
        """Return the first bus of each unit that has the unit's extreme."""
        place = np.arange(self._bus.size)
        at = np.where(deviation == extreme[:, self._unit_of], place, self._bus.size)
        return self._bus[np.minimum.reduceat(at, self._starts, axis=1)]
