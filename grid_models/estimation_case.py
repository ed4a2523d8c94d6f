"""Sensors of a network as power-grid-model's input for state estimation, and its residuals by quantity."""

import re
from dataclasses import dataclass
from typing import TypeAlias, assert_never, cast

import numpy as np
import numpy.typing as npt
from power_grid_model import (
    CalculationMethod,
    ComponentAttributeMapping,
    ComponentType,
    DatasetType,
    LoadGenType,
    MeasuredTerminalType,
    PowerGridModel,
    initialize_array,
)

from grid_models.elements import FloatArray, NetworkError
from grid_models.networks import Network
from grid_models.newton_case import newton_case
from grid_models.phase_case import phase_case
from grid_models.sensors import Method, PowerSensors, Quantity, Readings, Sensors, refuse_unusable
from grid_models.zero_sequence import ZeroSequence, zero_sequence

_VOLTAGE_TOLERANCE_PU = 1e-8
_ITERATIONS_MAX = 100
_SEQUENTIAL = -1
_SUPPOSED_SHARE = 0.05
_KEPT = (
    ComponentType.node,
    ComponentType.line,
    ComponentType.transformer,
    ComponentType.generic_branch,
    ComponentType.source,
    ComponentType.shunt,
)

Records = npt.NDArray[np.void]
_Solved: TypeAlias = dict[ComponentType, dict[str, FloatArray]]
_Update: TypeAlias = dict[ComponentType, dict[str, npt.NDArray[np.generic]]]


@dataclass(frozen=True)
class SolvedEstimate:
    """vm_pu as StateEstimate; residual: measured less estimated, SI units, (n_scenarios, n_sensors, n_phases).

    failures: what the solver said of the scenarios without an estimate.
    """

    vm_pu: FloatArray
    residual: dict[Quantity, FloatArray]
    failures: dict[int, str]
    n_scenarios: int


class EstimationCase:
    """The network and its sensors as power-grid-model's components; see estimation.StateEstimator."""

    def __init__(
        self, network: Network, sensors: Sensors, *, by_phase: bool, zero: ZeroSequence | None, method: Method
    ) -> None:
        refuse_unusable(network, sensors)
        self._sensors = sensors
        self._by_phase = by_phase
        self._method = _CALCULATION_METHOD[method]
        self._frequency_hz = network.frequency_hz
        if by_phase:
            case = phase_case(network, zero or zero_sequence(network))
            components, self._node_of_bus = case.components, case.node_of_bus
            transformer_id = components[ComponentType.transformer]["id"]
        else:
            balanced = newton_case(network)
            components, self._node_of_bus = balanced.components, balanced.node_of_bus
            transformer_id = np.zeros(len(network.transformers), dtype=np.int32)
            transformer_id[balanced.transformer_row] = components[ComponentType.transformer]["id"]
            transformer_id[balanced.generic_row] = components[ComponentType.generic_branch]["id"]
        self._components = {kind: components[kind] for kind in _KEPT if kind in components}
        self._kinds = _ASYMMETRIC if by_phase else _SYMMETRIC
        self._next_id = 1 + max(int(records["id"].max()) for records in self._components.values() if len(records))
        self._sensor_ids: dict[str, npt.NDArray[np.int32]] = {}
        bus_node = {name: int(self._node_of_bus[bus]) for name, bus in network.bus_position.items()}
        nodes_measured = [bus_node[bus] for bus in sensors.injection.place]
        _refuse_shared_nodes(sensors.injection, nodes_measured)
        row_of = {name: row for row, name in enumerate(network.transformers.name)}
        loads = self._loads(nodes_measured)
        self._voltage_records = self._voltage_sensors([bus_node[bus] for bus in sensors.voltage.bus])
        self._supposed_records = self._supposed_voltages(network)
        self._power_records = self._power_sensors(
            [*loads, *(int(transformer_id[row_of[name]]) for name in sensors.transformer.place)], len(loads)
        )

    def sigma(self, quantity: Quantity) -> FloatArray:
        """Return the standard deviations of the sensors of a quantity, (n_sensors,), in V, W or var."""
        match quantity:
            case Quantity.VOLTAGE:
                return self._sensors.voltage.sigma_v
            case Quantity.INJECTION_P:
                return self._sensors.injection.sigma_p_mw * 1e6
            case Quantity.INJECTION_Q:
                return self._sensors.injection.sigma_q_mvar * 1e6
            case Quantity.TRANSFORMER_P:
                return self._sensors.transformer.sigma_p_mw * 1e6
            case Quantity.TRANSFORMER_Q:
                return self._sensors.transformer.sigma_q_mvar * 1e6
            case _:
                assert_never(quantity)

    def measured(self, readings: Readings) -> dict[Quantity, FloatArray]:
        """Return the readings by quantity in SI units, (n_scenarios, n_sensors, n_phases).

        :raises ValueError: if a shape is wrong or a value is not finite
        """
        n_scenarios = len(readings.voltage_v)
        nothing = np.zeros((n_scenarios, 0, 3) if self._by_phase else (n_scenarios, 0))
        values = {
            Quantity.VOLTAGE: readings.voltage_v,
            Quantity.INJECTION_P: readings.injection_p_mw,
            Quantity.INJECTION_Q: readings.injection_q_mvar,
            Quantity.TRANSFORMER_P: nothing if readings.transformer_p_mw is None else readings.transformer_p_mw,
            Quantity.TRANSFORMER_Q: nothing if readings.transformer_q_mvar is None else readings.transformer_q_mvar,
        }
        for quantity, array in values.items():
            shape = (n_scenarios, len(self._sensors.names(quantity)), *((3,) if self._by_phase else ()))
            if array.shape != shape or not n_scenarios:
                raise ValueError(f"readings of {quantity.value} have shape {array.shape}, not {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"a reading of {quantity.value} is not finite")
        return {
            quantity: array.reshape(n_scenarios, array.shape[1], -1) * quantity.per_unit
            if array.size
            else np.zeros((n_scenarios, array.shape[1], 3 if self._by_phase else 1))
            for quantity, array in values.items()
        }

    def solve(self, measured: dict[Quantity, FloatArray], out_of_force: frozenset[str]) -> SolvedEstimate:
        """Return the estimate of each scenario, without the sensors that are out of force.

        :param measured: as `measured` gives it
        """
        n_scenarios = len(measured[Quantity.VOLTAGE])
        voltage, power = self._voltage_records.copy(), self._power_records.copy()
        voltage["u_sigma"][[name in out_of_force for name in self._sensors.voltage.name]] = np.inf
        disabled = [name in out_of_force for name in (*self._sensors.injection.name, *self._sensors.transformer.name)]
        power["p_sigma"][disabled] = power["q_sigma"][disabled] = np.inf
        voltage = np.concatenate([voltage, self._supposed_records])
        components = self._components | {self._kinds.voltage: voltage, self._kinds.power: power}
        model = PowerGridModel(components, system_frequency=self._frequency_hz)
        output = model.calculate_state_estimation(
            symmetric=not self._by_phase,
            calculation_method=self._method,
            error_tolerance=_VOLTAGE_TOLERANCE_PU,
            max_iterations=_ITERATIONS_MAX,
            update_data=self._update(measured, n_scenarios),
            threading=_SEQUENTIAL,
            output_component_types=cast(
                ComponentAttributeMapping,
                {
                    ComponentType.node: ["u_pu"],
                    self._kinds.voltage: ["u_residual"],
                    self._kinds.power: ["p_residual", "q_residual"],
                },
            ),
            continue_on_batch_error=True,
        )
        error = model.batch_error
        failures = {} if error is None else {
            int(scenario): re.sub(r"\s+", " ", text).strip()
            for scenario, text in zip(error.failed_scenarios, error.error_messages, strict=True)
        }  # fmt: skip
        return self._solved(cast(_Solved, output), failures, n_scenarios)

    def _solved(self, output: _Solved, failures: dict[int, str], n_scenarios: int) -> SolvedEstimate:
        failed = list(failures)
        n_injection = len(self._sensors.injection.name)

        def column(kind: ComponentType, name: str, rows: slice, sign: float) -> FloatArray:
            columns = output.get(kind)
            if columns is None:  # there is no sensor of this kind
                return np.zeros((n_scenarios, 0, 3 if self._by_phase else 1))
            values = columns[name] if self._by_phase else columns[name][:, :, np.newaxis]
            chosen = np.array(values[:, rows] * sign, dtype=np.float64)
            chosen[failed] = np.nan
            return chosen

        voltage = slice(0, len(self._voltage_records))
        injection, transformer = slice(0, n_injection), slice(n_injection, None)
        vm_pu = output[ComponentType.node]["u_pu"][:, self._node_of_bus].copy()
        vm_pu[failed] = np.nan
        return SolvedEstimate(
            vm_pu=vm_pu,
            residual={
                Quantity.VOLTAGE: column(self._kinds.voltage, "u_residual", voltage, 1.0),
                Quantity.INJECTION_P: column(self._kinds.power, "p_residual", injection, -1.0),
                Quantity.INJECTION_Q: column(self._kinds.power, "q_residual", injection, -1.0),
                Quantity.TRANSFORMER_P: column(self._kinds.power, "p_residual", transformer, 1.0),
                Quantity.TRANSFORMER_Q: column(self._kinds.power, "q_residual", transformer, 1.0),
            },
            failures=failures,
            n_scenarios=n_scenarios,
        )

    def _update(self, measured: dict[Quantity, FloatArray], n_scenarios: int) -> _Update:
        def shaped(values: FloatArray) -> FloatArray:
            return np.ascontiguousarray(values if self._by_phase else values[:, :, 0])

        def ids(records: Records) -> npt.NDArray[np.generic]:
            return np.broadcast_to(records["id"], (n_scenarios, len(records))).copy()

        p_va = np.concatenate([-measured[Quantity.INJECTION_P], measured[Quantity.TRANSFORMER_P]], axis=1)
        q_va = np.concatenate([-measured[Quantity.INJECTION_Q], measured[Quantity.TRANSFORMER_Q]], axis=1)
        return {
            self._kinds.voltage: {
                "id": ids(self._voltage_records),
                "u_measured": shaped(measured[Quantity.VOLTAGE]),
            },
            self._kinds.power: {
                "id": ids(self._power_records),
                "p_measured": shaped(p_va),
                "q_measured": shaped(q_va),
            },
        }

    def _records(self, kind: ComponentType, count: int) -> Records:
        records = np.asarray(initialize_array(DatasetType.input, kind, count))
        records["id"] = self._next_id + np.arange(count)
        self._next_id += count
        return records

    def _loads(self, node: list[int]) -> list[int]:
        """Add a load at each measured node and return their ids: an injection sensor measures what it draws."""
        records = self._records(self._kinds.load, len(node))
        records["node"], records["status"], records["type"] = node, 1, LoadGenType.const_power
        records["p_specified"] = records["q_specified"] = 0.0
        self._components[self._kinds.load] = records
        return [int(each) for each in records["id"]]

    def _voltage_sensors(self, node: list[int]) -> Records:
        records = self._records(self._kinds.voltage, len(node))
        records["measured_object"], records["u_sigma"] = node, self._sensors.voltage.sigma_v
        records["u_measured"] = 1.0
        return records

    def _supposed_voltages(self, network: Network) -> Records:
        """Return, by phase, a coarse voltage of each feeding point: the set value.

        Nothing below a delta winding tells the zero sequence above it, so that a state without any is undetermined.
        """
        sources = network.sources if self._by_phase and self._sensors.voltage.name else None
        records = self._records(self._kinds.voltage, 0 if sources is None else len(sources))
        if sources is not None:
            phase_v = sources.vm_pu * network.buses.vn_kv[sources.bus] * 1e3 / np.sqrt(3)
            records["measured_object"] = self._node_of_bus[sources.bus]
            records["u_measured"], records["u_sigma"] = phase_v[:, np.newaxis], _SUPPOSED_SHARE * phase_v
        return records

    def _power_sensors(self, measured_object: list[int], n_loads: int) -> Records:
        records = self._records(self._kinds.power, len(measured_object))
        records["measured_object"] = measured_object
        records["measured_terminal_type"] = MeasuredTerminalType.branch_to
        records["measured_terminal_type"][:n_loads] = MeasuredTerminalType.load
        for column, quantities in (
            ("p_sigma", (Quantity.INJECTION_P, Quantity.TRANSFORMER_P)),
            ("q_sigma", (Quantity.INJECTION_Q, Quantity.TRANSFORMER_Q)),
        ):
            sigma = np.concatenate([self.sigma(quantity) for quantity in quantities])
            records[column] = sigma[:, np.newaxis] if self._by_phase else sigma
        records["p_measured"] = records["q_measured"] = 0.0
        return records


@dataclass(frozen=True)
class _Kinds:
    """Names of the components in a balanced or a by-phase estimate."""

    voltage: ComponentType
    power: ComponentType
    load: ComponentType


_SYMMETRIC = _Kinds(ComponentType.sym_voltage_sensor, ComponentType.sym_power_sensor, ComponentType.sym_load)
_ASYMMETRIC = _Kinds(ComponentType.asym_voltage_sensor, ComponentType.asym_power_sensor, ComponentType.asym_load)
_CALCULATION_METHOD = {
    Method.NEWTON: CalculationMethod.newton_raphson,
    Method.ITERATIVE_LINEAR: CalculationMethod.iterative_linear,
}


def _refuse_shared_nodes(injection: PowerSensors, node: list[int]) -> None:
    seen: dict[int, str] = {}
    for name, each in zip(injection.name, node, strict=True):
        if each in seen:
            raise NetworkError(f"sensors {seen[each]!r} and {name!r} measure the injection of one node; add them up")
        seen[each] = name
