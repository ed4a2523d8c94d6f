"""Which limits a solved state breaches: bus voltages, branch currents, active power over the edges of the unit tree.

Limits and values are compared as integers (mV, mA, W), so that what is reported is what was compared.
"""

from collections.abc import Sequence
from typing import SupportsInt

import numpy as np

from grid_models.connectivity import hops_from_source
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, NetworkError
from grid_models.networks import Network
from grid_models.power_flow import PowerFlowResult
from grid_models.security_states import FlowDirection, LimitKind, LimitViolation, WorstLoading, WorstVoltage
from grid_models.unit_flows import UnitFlows

_NO_LIMIT_W = 2**62


class LimitCheck:
    """The limits of one network and its unit tree; finds what breaches them in a solved state.

    :param flows: the tree's edges and the unit of each bus
    :param unit_elements: names of the elements of each unit's edge
    :param export_limit_w, import_limit_w: power limit of each edge up and down, None where there is none
    :param current_per_mille: permitted current of lines and transformers, of their rating
    :raises NetworkError: if a line or transformer has no rating, naming it
    """

    def __init__(
        self,
        network: Network,
        flows: UnitFlows,
        *,
        unit_elements: Sequence[Sequence[str]],
        export_limit_w: Sequence[int | None],
        import_limit_w: Sequence[int | None],
        current_per_mille: int,
    ) -> None:
        self._network = network
        self._v_min_mv = _rounded(network.buses.v_min_v * 1e3)
        self._v_max_mv = _rounded(network.buses.v_max_v * 1e3)
        self._current_share = current_per_mille / 1000
        lines, transformers = network.lines, network.transformers
        for names, rating in ((lines.name, lines.max_i_ka), (transformers.name, transformers.rating_mva)):
            unrated = np.flatnonzero(~(rating > 0))
            if unrated.size:
                raise NetworkError(f"{names[int(unrated[0])]!r} has no rating")
        self._unit_of_bus = flows.unit_of_bus
        self._line_unit = _covering_unit(flows, lines.from_bus, lines.to_bus, lines.from_closed, lines.to_closed)
        self._transformer_unit = _covering_unit(
            flows, transformers.hv_bus, transformers.lv_bus, transformers.hv_closed, transformers.lv_closed
        )
        hops = hops_from_source(network)
        self._line_to_is_lower = hops[lines.to_bus] >= hops[lines.from_bus]
        self._transformer_lv_is_lower = hops[transformers.lv_bus] >= hops[transformers.hv_bus]
        self._export_limit_w = _limits(export_limit_w)
        self._import_limit_w = _limits(import_limit_w)
        root = " + ".join(network.sources.name)
        self._edge_name = tuple(" + ".join(names) or root for names in unit_elements)

    def violations(
        self, result: PowerFlowResult, scenario: int, unit_export_w: Int64Array
    ) -> tuple[LimitViolation, ...]:
        """Return what the scenario breaches, worst first (by excess, then kind and element).

        :param unit_export_w: shape (n_units,), flow up each edge in this scenario
        """
        found = self._voltage_violations(result.vm_pu[scenario])
        found += self._line_violations(result, scenario) + self._transformer_violations(result, scenario)
        found += self._power_violations(unit_export_w)
        return tuple(sorted(found, key=lambda each: (-each.excess_per_mille, each.kind.value, each.element)))

    def highest_voltage(self, result: PowerFlowResult, scenario: int) -> WorstVoltage:
        """Return the bus with the highest voltage against its nominal one."""
        return self._voltage_at(result, scenario, int(np.argmax(self._per_nominal(result, scenario))))

    def lowest_voltage(self, result: PowerFlowResult, scenario: int) -> WorstVoltage:
        """Return the bus with the lowest voltage against its nominal one."""
        return self._voltage_at(result, scenario, int(np.argmin(self._per_nominal(result, scenario))))

    def worst_line(self, result: PowerFlowResult, scenario: int) -> WorstLoading | None:
        """Return the most loaded line, None if the network has no lines."""
        return _worst_loading(self._network.lines.name, result.line_loading[scenario])

    def worst_transformer(self, result: PowerFlowResult, scenario: int) -> WorstLoading | None:
        """Return the most loaded transformer, None if the network has none."""
        return _worst_loading(self._network.transformers.name, result.transformer_loading[scenario])

    def _voltage_violations(self, vm_pu: FloatArray) -> list[LimitViolation]:
        buses = self._network.buses
        voltage_mv = _rounded(vm_pu * buses.vn_kv * 1e6)
        high = [
            _violation(
                LimitKind.VOLTAGE_HIGH,
                buses.name[bus],
                self._unit_of_bus[bus],
                FlowDirection.EXPORT,
                (voltage_mv[bus], self._v_max_mv[bus]),
            )
            for bus in np.flatnonzero(voltage_mv > self._v_max_mv)
        ]
        low = [
            _violation(
                LimitKind.VOLTAGE_LOW,
                buses.name[bus],
                self._unit_of_bus[bus],
                FlowDirection.IMPORT,
                (voltage_mv[bus], self._v_min_mv[bus]),
            )
            for bus in np.flatnonzero(voltage_mv < self._v_min_mv)
        ]
        return high + low

    def _line_violations(self, result: PowerFlowResult, scenario: int) -> list[LimitViolation]:
        lines = self._network.lines
        value_ma = _rounded(result.line_i_ka[scenario] * 1e6)
        limit_ma = _rounded(lines.max_i_ka * self._current_share * 1e6)
        lower_end_mw = np.where(self._line_to_is_lower, result.line_p_to_mw[scenario], result.line_p_from_mw[scenario])
        return [
            _violation(
                LimitKind.CURRENT,
                lines.name[line],
                self._line_unit[line],
                _direction(lower_end_mw[line]),
                (value_ma[line], limit_ma[line]),
            )
            for line in np.flatnonzero(value_ma > limit_ma)
        ]

    def _transformer_violations(self, result: PowerFlowResult, scenario: int) -> list[LimitViolation]:
        """Return the overloaded transformers, by the current of the side that is loaded more."""
        transformers = self._network.transformers
        rated_hv_ka = transformers.rating_mva / (np.sqrt(3) * transformers.vn_hv_kv) * self._current_share
        rated_lv_ka = transformers.rating_mva / (np.sqrt(3) * transformers.vn_lv_kv) * self._current_share
        i_hv_ka, i_lv_ka = result.transformer_i_hv_ka[scenario], result.transformer_i_lv_ka[scenario]
        hv_worse = i_hv_ka / rated_hv_ka > i_lv_ka / rated_lv_ka
        value_ma = _rounded(np.where(hv_worse, i_hv_ka, i_lv_ka) * 1e6)
        limit_ma = _rounded(np.where(hv_worse, rated_hv_ka, rated_lv_ka) * 1e6)
        lower_end_mw = np.where(
            self._transformer_lv_is_lower,
            result.transformer_p_lv_mw[scenario],
            result.transformer_p_hv_mw[scenario],
        )
        return [
            _violation(
                LimitKind.CURRENT,
                transformers.name[each],
                self._transformer_unit[each],
                _direction(lower_end_mw[each]),
                (value_ma[each], limit_ma[each]),
            )
            for each in np.flatnonzero(value_ma > limit_ma)
        ]

    def _power_violations(self, unit_export_w: Int64Array) -> list[LimitViolation]:
        reverse = [
            _violation(
                LimitKind.REVERSE_POWER,
                self._edge_name[unit],
                unit,
                FlowDirection.EXPORT,
                (unit_export_w[unit], self._export_limit_w[unit]),
            )
            for unit in np.flatnonzero(unit_export_w > self._export_limit_w)
        ]
        forward = [
            _violation(
                LimitKind.FORWARD_POWER,
                self._edge_name[unit],
                unit,
                FlowDirection.IMPORT,
                (-unit_export_w[unit], self._import_limit_w[unit]),
            )
            for unit in np.flatnonzero(-unit_export_w > self._import_limit_w)
        ]
        return reverse + forward

    def _per_nominal(self, result: PowerFlowResult, scenario: int) -> FloatArray:
        buses = self._network.buses
        return np.asarray(result.vm_pu[scenario] * buses.vn_kv * 1e3 / buses.v_nominal_v, dtype=np.float64)

    def _voltage_at(self, result: PowerFlowResult, scenario: int, bus: int) -> WorstVoltage:
        buses = self._network.buses
        volts = float(result.vm_pu[scenario, bus] * buses.vn_kv[bus] * 1e3)
        return WorstVoltage(buses.name[bus], round(volts * 1e3), round(volts / float(buses.v_nominal_v[bus]) * 1e3))


def _rounded(values: FloatArray) -> Int64Array:
    return np.rint(values).astype(np.int64)


def _limits(limits_w: Sequence[int | None]) -> Int64Array:
    return np.array([_NO_LIMIT_W if limit is None else limit for limit in limits_w], dtype=np.int64)


def _covering_unit(
    flows: UnitFlows, first_bus: Int64Array, second_bus: Int64Array, first_closed: BoolArray, second_closed: BoolArray
) -> Int64Array:
    """Return the unit of each branch: the lower of its ends' units, of the closed end where one is open.

    A child stands after its parent, so the lower unit of an edge is the larger position.
    """
    first, second = flows.unit_of_bus[first_bus], flows.unit_of_bus[second_bus]
    return np.where(first_closed & second_closed, np.maximum(first, second), np.where(second_closed, second, first))


def _direction(lower_end_mw: float) -> FlowDirection:
    """Return which way power flows in a branch: export where it enters at the end away from the feeding point."""
    return FlowDirection.EXPORT if lower_end_mw > 0 else FlowDirection.IMPORT


def _violation(
    kind: LimitKind,
    element: str,
    unit: SupportsInt,
    direction: FlowDirection,
    measured: tuple[SupportsInt, SupportsInt],
) -> LimitViolation:
    """Return the violation; `measured` is value and limit."""
    value, limit = int(measured[0]), int(measured[1])
    excess_per_mille = -(-abs(value - limit) * 1000 // max(abs(limit), 1))
    return LimitViolation(kind, element, int(unit), direction, value, limit, excess_per_mille)


def _worst_loading(names: Names, loading: FloatArray) -> WorstLoading | None:
    if not names:
        return None
    worst = int(np.argmax(loading))
    return WorstLoading(names[worst], round(float(loading[worst]) * 1000))
