"""Batched AC power flow (Newton, power-grid-model) on our own network columns.

Signs, stated once: an injection is positive *into* the network (generation, discharge), negative out of it (load).
Power at the end of a branch is positive from the bus into the branch. A source's power is positive into the network
(import).
"""

import re
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
from power_grid_model import ComponentAttributeMapping, ComponentType, PowerGridModel

from grid_models.connectivity import supplied_buses
from grid_models.elements import BoolArray, FloatArray, NetworkError, freeze
from grid_models.networks import Network
from grid_models.newton_case import newton_case

_VOLTAGE_TOLERANCE_PU = 1e-10
_ITERATIONS_MAX = 30
_SEQUENTIAL = -1
_OUTPUT = {
    ComponentType.node: ["u_pu"],
    ComponentType.line: ["p_from", "p_to", "i_from", "i_to"],
    ComponentType.transformer: ["p_from", "q_from", "i_from", "p_to", "q_to", "i_to"],
    ComponentType.source: ["p", "q"],
}


_Solved: TypeAlias = dict[ComponentType, dict[str, FloatArray]]


@dataclass(frozen=True)
class NonConvergence:
    """One scenario for which no solution was found, and what the solver said; its rows in the result are NaN."""

    scenario: int
    reason: str


@dataclass(frozen=True, eq=False)
class PowerFlowResult:
    """Solutions, one row a scenario and one column an element; rows of `failures` are NaN throughout.

    vm_pu: (n_scenarios, n_buses), per unit of vn_kv. line_i_ka: the larger of both ends. loading: fraction of the
    rated current (1.0 is 100 %), the larger of both ends. loss_mw: (n_scenarios,), what the network itself uses:
    sources plus injections.
    """

    converged: BoolArray
    failures: tuple[NonConvergence, ...]
    vm_pu: FloatArray
    line_p_from_mw: FloatArray
    line_p_to_mw: FloatArray
    line_i_ka: FloatArray
    line_loading: FloatArray
    transformer_p_hv_mw: FloatArray
    transformer_q_hv_mvar: FloatArray
    transformer_p_lv_mw: FloatArray
    transformer_q_lv_mvar: FloatArray
    transformer_i_hv_ka: FloatArray
    transformer_i_lv_ka: FloatArray
    transformer_loading: FloatArray
    source_p_mw: FloatArray
    source_q_mvar: FloatArray
    loss_mw: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


class PowerFlow:
    """A power flow model of one network: built once, solved often; not for several threads at once.

    :param threads: used when there is more than one scenario
    :raises NetworkError: if no feeding point reaches a bus, naming it
    """

    def __init__(self, network: Network, threads: int = 2) -> None:
        dark = np.flatnonzero(~supplied_buses(network))
        if dark.size:
            raise NetworkError(f"bus {network.buses.name[int(dark[0])]!r} is not supplied by any feeding point")
        self._network = network
        self._threads = threads
        self._case = newton_case(network)
        self._model = PowerGridModel(self._case.components, system_frequency=network.frequency_hz)

    def solve(self, p_mw: FloatArray, q_mvar: FloatArray) -> PowerFlowResult:
        """Return the AC power flow of each scenario.

        A scenario's result does not depend on which others are solved with it.

        :param p_mw: shape (n_scenarios, n_buses), net active injection per bus, positive into the network
        :param q_mvar: the same for reactive power
        :raises ValueError: if a shape is wrong or a value is not finite
        """
        shape = (len(p_mw), len(self._network.buses))
        if p_mw.shape != shape or q_mvar.shape != shape:
            raise ValueError(f"injections have shapes {p_mw.shape} and {q_mvar.shape}, not (n_scenarios, {shape[1]})")
        if not (np.isfinite(p_mw).all() and np.isfinite(q_mvar).all()):
            raise ValueError("an injection is not finite")
        output = self._model.calculate_power_flow(
            error_tolerance=_VOLTAGE_TOLERANCE_PU,
            max_iterations=_ITERATIONS_MAX,
            update_data={ComponentType.sym_load: self._load_update(p_mw, q_mvar)},
            threading=self._threads if shape[0] > 1 else _SEQUENTIAL,
            output_component_types=cast(ComponentAttributeMapping, _OUTPUT),
            continue_on_batch_error=True,
        )
        # Columns were asked for, so columns come back; the library's type allows records too.
        return self._result(cast(_Solved, output), p_mw, self._failures())

    def _load_update(self, p_mw: FloatArray, q_mvar: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
        return {
            "id": np.broadcast_to(self._case.load_id, (len(p_mw), self._case.n_nodes)).copy(),
            "p_specified": self._node_load(p_mw),
            "q_specified": self._node_load(q_mvar),
        }

    def _node_load(self, injection_mega: FloatArray) -> FloatArray:
        by_node = np.zeros((self._case.n_nodes, len(injection_mega)))
        np.add.at(by_node, self._case.node_of_bus, injection_mega.T)
        return np.ascontiguousarray(by_node.T * -1e6)

    def _failures(self) -> tuple[NonConvergence, ...]:
        error = self._model.batch_error
        if error is None:
            return ()
        scenarios = [int(scenario) for scenario in error.failed_scenarios]
        reasons = [re.sub(r"\s+", " ", text).strip() for text in error.error_messages]
        return tuple(NonConvergence(*failure) for failure in zip(scenarios, reasons, strict=True))

    def _result(self, output: _Solved, p_mw: FloatArray, failures: tuple[NonConvergence, ...]) -> PowerFlowResult:
        converged = np.ones(len(p_mw), dtype=np.bool_)
        converged[[failure.scenario for failure in failures]] = False
        for columns in output.values():
            for values in columns.values():
                values[~converged] = np.nan
        line, transformer = (
            # A component that the network lacks is missing from the output.
            output.get(component) or dict.fromkeys(_OUTPUT[component], np.zeros((len(p_mw), 0)))
            for component in (ComponentType.line, ComponentType.transformer)
        )
        source_p_mw = output[ComponentType.source]["p"] / 1e6
        line_i_ka = np.maximum(line["i_from"], line["i_to"]) / 1e3
        i_hv_ka, i_lv_ka = transformer["i_from"] / 1e3, transformer["i_to"] / 1e3
        rated = self._network.transformers
        rated_hv_ka = rated.rating_mva / (np.sqrt(3) * rated.vn_hv_kv)
        rated_lv_ka = rated.rating_mva / (np.sqrt(3) * rated.vn_lv_kv)
        return PowerFlowResult(
            converged=converged,
            failures=failures,
            vm_pu=output[ComponentType.node]["u_pu"][:, self._case.node_of_bus],
            line_p_from_mw=line["p_from"] / 1e6,
            line_p_to_mw=line["p_to"] / 1e6,
            line_i_ka=line_i_ka,
            line_loading=line_i_ka / self._network.lines.max_i_ka,
            transformer_p_hv_mw=transformer["p_from"] / 1e6,
            transformer_q_hv_mvar=transformer["q_from"] / 1e6,
            transformer_p_lv_mw=transformer["p_to"] / 1e6,
            transformer_q_lv_mvar=transformer["q_to"] / 1e6,
            transformer_i_hv_ka=i_hv_ka,
            transformer_i_lv_ka=i_lv_ka,
            transformer_loading=np.maximum(i_hv_ka / rated_hv_ka, i_lv_ka / rated_lv_ka),
            source_p_mw=source_p_mw,
            source_q_mvar=output[ComponentType.source]["q"] / 1e6,
            loss_mw=source_p_mw.sum(axis=1) + p_mw.sum(axis=1),
        )
