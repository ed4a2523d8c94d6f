"""AC power flow by Newton's method in power-grid-model: the fixed point's referee, or stand-in without a compiler."""

import re
from typing import cast

import numpy as np
import numpy.typing as npt
from power_grid_model import ComponentAttributeMapping, ComponentType, LoadGenType, PowerGridModel, initialize_array

from grid_models.elements import FloatArray
from grid_models.networks import Network
from grid_models.newton_case import newton_case
from grid_models.voltage_solver import NodeInjections, NodeVoltages

VOLTAGE_TOLERANCE_PU = 1e-10
ITERATIONS_MAX = 30
_SEQUENTIAL = -1
_OUTPUT = {ComponentType.node: ["u_pu", "u_angle"]}


class Newton:
    """The engine for one network; not for several threads at once.

    :raises NetworkError: if power-grid-model has no place for something in it
    """

    def __init__(self, network: Network, threads: int = 2) -> None:
        self._case = newton_case(network)
        self._threads = threads
        self._frequency_hz = network.frequency_hz
        self._models: dict[bool, PowerGridModel] = {}

    def solve(self, injections: NodeInjections) -> NodeVoltages:
        """Return the voltages; the last step of every one was below 1e-10 pu."""
        dependent = injections.current is not None
        output = self._model(dependent=dependent).calculate_power_flow(
            error_tolerance=VOLTAGE_TOLERANCE_PU,
            max_iterations=ITERATIONS_MAX,
            update_data={ComponentType.sym_load: self._load_update(injections)},
            threading=self._threads if injections.n_scenarios > 1 else _SEQUENTIAL,
            output_component_types=cast(ComponentAttributeMapping, _OUTPUT),
            continue_on_batch_error=True,
        )
        # Columns were asked for, so columns come back; the library's type allows records too.
        columns = cast(dict[str, FloatArray], output[ComponentType.node])
        reason = self._failures(dependent=dependent)
        converged = np.ones(injections.n_scenarios, dtype=np.bool_)
        converged[list(reason)] = False
        ours = slice(self._case.n_nodes)  # further nodes hold open ends
        # Where there is no solution the library leaves whatever it had, infinities too.
        v = np.full((injections.n_scenarios, self._case.n_nodes), np.nan, dtype=np.complex128)
        v[converged] = columns["u_pu"][converged, ours] * np.exp(1j * columns["u_angle"][converged, ours])
        return NodeVoltages(v, converged, reason)

    def _model(self, *, dependent: bool) -> PowerGridModel:
        """Return the model with one load a node, or three where some loads depend on the voltage; made when needed."""
        if dependent not in self._models:
            components = dict(self._case.components)
            if dependent:
                components[ComponentType.sym_load] = self._three_loads()
            self._models[dependent] = PowerGridModel(components, system_frequency=self._frequency_hz)
        return self._models[dependent]

    def _three_loads(self) -> npt.NDArray[np.void]:
        """Return constant power, current and impedance loads of every node; the first ones keep their ids."""
        n = self._case.n_nodes
        records = np.asarray(initialize_array("input", ComponentType.sym_load, 3 * n))
        records["id"] = self._load_ids(parts=3)
        records["node"], records["status"] = np.tile(np.arange(n), 3), 1
        kinds = (LoadGenType.const_power, LoadGenType.const_current, LoadGenType.const_impedance)
        records["type"] = np.repeat(kinds, n)
        records["p_specified"] = records["q_specified"] = 0.0
        return records

    def _load_ids(self, *, parts: int) -> npt.NDArray[np.int32]:
        last = max(int(records["id"].max(initial=0)) for records in self._case.components.values())
        more = last + 1 + np.arange((parts - 1) * self._case.n_nodes)
        return np.concatenate([self._case.load_id, more]).astype(np.int32)

    def _load_update(self, injections: NodeInjections) -> dict[str, npt.NDArray[np.generic]]:
        given = (injections.power, injections.current, injections.impedance)
        load_mva = -np.concatenate([part for part in given if part is not None]).T * 1e6
        ids = self._load_ids(parts=load_mva.shape[1] // self._case.n_nodes)
        return {
            "id": np.broadcast_to(ids, load_mva.shape).copy(),
            "p_specified": np.ascontiguousarray(load_mva.real),
            "q_specified": np.ascontiguousarray(load_mva.imag),
        }

    def _failures(self, *, dependent: bool) -> dict[int, str]:
        error = self._model(dependent=dependent).batch_error
        if error is None:
            return {}
        scenarios = [int(scenario) for scenario in error.failed_scenarios]
        reasons = [re.sub(r"\s+", " ", text).strip() for text in error.error_messages]
        return dict(zip(scenarios, reasons, strict=True))
