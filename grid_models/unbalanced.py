"""Unbalanced power flow of low-voltage areas: phases a, b, c to neutral, through power-grid-model.

Signs as in power_flow: an injection is positive into the network, a branch-end power positive from the bus into the
branch. Injections are of constant power, between a phase and the neutral. The neutral is part of each line's
zero-sequence impedance; its current and its displacement come out of the phase quantities. A feeding point holds its
positive-sequence voltage; negative and zero sequence see its short-circuit impedance (as pandapower's runpp_3ph).
"""

import re
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from power_grid_model import (
    CalculationMethod,
    ComponentAttributeMapping,
    ComponentType,
    DatasetType,
    PowerGridModel,
    initialize_array,
)

from grid_models.connectivity import supplied_buses
from grid_models.elements import BoolArray, FloatArray, NetworkError, freeze
from grid_models.networks import Network
from grid_models.phase_case import phase_case
from grid_models.zero_sequence import ComplexArray, ZeroSequence, zero_sequence

PHASES = ("a", "b", "c")

_VOLTAGE_TOLERANCE_PU = 1e-10
_SOURCE_TOLERANCE_PU = 1e-10
_SOURCE_PASSES_MAX = 12
_ITERATIONS_MAX = {CalculationMethod.iterative_current: 60, CalculationMethod.newton_raphson: 30}
_SHARE_HALVINGS = 12
_SEQUENTIAL = -1
_ROTATION = np.exp(2j * np.pi / 3)
_BRANCH = ("p_from", "q_from", "p_to", "q_to")
_OUTPUT = {
    ComponentType.node: ["u_pu", "u_angle"],
    ComponentType.line: list(_BRANCH),
    ComponentType.transformer: list(_BRANCH),
    ComponentType.source: ["p", "q"],
}

_Solved: TypeAlias = dict[ComponentType, dict[str, FloatArray]]


@dataclass(frozen=True)
class PhaseNonConvergence:
    """One scenario without a solution; its rows in the result are NaN.

    bus, phase: where the voltage has moved furthest when the scenario's injections are raised from 0 as far as they can
    be solved. solvable_share: how far that is (0..1). reason: what the solver said.
    """

    scenario: int
    bus: str
    phase: str
    solvable_share: float
    reason: str


@dataclass(frozen=True, eq=False)
class UnbalancedResult:
    """Solutions by scenario, element and phase a, b, c; rows of `failures` are NaN throughout.

    vm_pu: (n_scenarios, n_buses, 3), phase to neutral, per unit of vn_kv / sqrt(3); vm_v in volts.
    voltage_unbalance_percent: (n_scenarios, n_buses), negative over positive sequence. neutral_displacement_v: the
    zero-sequence voltage. *_i_ka: (n_scenarios, n_branches, 3), lines the larger of both ends; *_i_neutral_ka:
    magnitude of the sum of the three. *_loading: fraction of the rated current, the larger of both ends.
    line_loss_mw, transformer_loss_mw: (n_scenarios, n_branches), all phases. source_p_mw: (n_scenarios, n_sources, 3).
    loss_mw: (n_scenarios,), what the network itself uses.
    """

    converged: BoolArray
    failures: tuple[PhaseNonConvergence, ...]
    vm_pu: FloatArray
    vm_v: FloatArray
    voltage_unbalance_percent: FloatArray
    neutral_displacement_v: FloatArray
    line_i_ka: FloatArray
    line_i_neutral_ka: FloatArray
    line_loading: FloatArray
    line_loss_mw: FloatArray
    transformer_p_lv_mw: FloatArray
    transformer_i_hv_ka: FloatArray
    transformer_i_lv_ka: FloatArray
    transformer_i_neutral_ka: FloatArray
    transformer_loading: FloatArray
    transformer_loss_mw: FloatArray
    source_p_mw: FloatArray
    source_q_mvar: FloatArray
    loss_mw: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


class UnbalancedPowerFlow:
    """An unbalanced power flow model of one network: built once, solved often; not for several threads at once.

    :param zero: zero-sequence data; by default the file's own with the default factors for what it lacks
    :param threads: used when there is more than one scenario
    :raises NetworkError: if no feeding point reaches a bus, or the zero-sequence data cannot be had
    """

    def __init__(self, network: Network, zero: ZeroSequence | None = None, threads: int = 2) -> None:
        dark = np.flatnonzero(~supplied_buses(network))
        if dark.size:
            raise NetworkError(f"bus {network.buses.name[int(dark[0])]!r} is not supplied by any feeding point")
        self._network = network
        self._threads = threads
        self._case = phase_case(network, zero or zero_sequence(network))
        self._model = PowerGridModel(self._case.components, system_frequency=network.frequency_hz)
        sources = network.sources
        angle = np.deg2rad(sources.va_degree)
        self._source_voltage = np.asarray(sources.vm_pu * np.exp(1j * angle), dtype=np.complex128)

    def solve(self, p_mw: FloatArray, q_mvar: FloatArray) -> UnbalancedResult:
        """Return the unbalanced power flow of each scenario.

        :param p_mw: shape (n_scenarios, n_buses, 3), active injection per bus and phase, positive into the network
        :param q_mvar: the same for reactive power
        :raises ValueError: if a shape is wrong or a value is not finite
        """
        shape = (len(p_mw), len(self._network.buses), len(PHASES))
        if p_mw.shape != shape or q_mvar.shape != shape or not len(p_mw):
            raise ValueError(
                f"injections have shapes {p_mw.shape} and {q_mvar.shape}, not (n_scenarios, {shape[1]}, 3)"
            )
        if not (np.isfinite(p_mw).all() and np.isfinite(q_mvar).all()):
            raise ValueError("an injection is not finite")
        load_va = self._node_load_va(p_mw, q_mvar)
        output, reasons = self._with_sources_held(load_va)
        return self._result(output, p_mw, self._failures(reasons, load_va))

    def _node_load_va(self, p_mw: FloatArray, q_mvar: FloatArray) -> ComplexArray:
        by_node = np.zeros((self._case.n_nodes, len(p_mw), len(PHASES)), dtype=np.complex128)
        np.add.at(by_node, self._case.node_of_bus, (p_mw + 1j * q_mvar).transpose(1, 0, 2) * -1e6)
        return np.ascontiguousarray(by_node.transpose(1, 0, 2))

    def _with_sources_held(self, load_va: ComplexArray) -> tuple[_Solved, dict[int, str]]:
        """Solve with the voltage behind each source's impedance moved until its terminal holds its set value."""
        inner = np.tile(self._source_voltage, (len(load_va), 1))
        for _ in range(_SOURCE_PASSES_MAX):
            output, reasons = self._solved(load_va, inner)
            if self._case.source_is_ideal:
                return output, reasons
            terminal = _positive_sequence(_phasors(output)[:, self._case.source_node])
            miss = np.where(np.isfinite(terminal), self._source_voltage - terminal, 0.0)
            if np.abs(miss).max(initial=0.0) < _SOURCE_TOLERANCE_PU:
                return output, reasons
            inner = inner + miss
        for scenario in np.flatnonzero(np.abs(miss).max(axis=1) >= _SOURCE_TOLERANCE_PU):
            reasons[int(scenario)] = "the voltage of a feeding point does not settle behind its impedance"
        return output, reasons

    def _solved(self, load_va: ComplexArray, inner: ComplexArray) -> tuple[_Solved, dict[int, str]]:
        """Solve by the current iteration, which is three times as fast, and what it leaves by Newton."""
        output, reasons = self._run(load_va, inner, CalculationMethod.iterative_current)
        left = np.array(sorted(reasons), dtype=np.int64)
        if left.size:
            again, reasons_again = self._run(load_va[left], inner[left], CalculationMethod.newton_raphson)
            for component, columns in output.items():
                for name, values in columns.items():
                    values[left] = again[component][name]
            reasons = {int(left[row]): reason for row, reason in reasons_again.items()}
        return output, reasons

    def _run(
        self, load_va: ComplexArray, inner: ComplexArray, method: CalculationMethod
    ) -> tuple[_Solved, dict[int, str]]:
        n_scenarios = len(load_va)
        source = initialize_array(DatasetType.update, ComponentType.source, inner.shape)
        source["id"], source["u_ref"], source["u_ref_angle"] = self._case.source_id, np.abs(inner), np.angle(inner)
        load = {
            "id": np.broadcast_to(self._case.load_id, (n_scenarios, self._case.n_nodes)).copy(),
            "p_specified": np.ascontiguousarray(load_va.real),
            "q_specified": np.ascontiguousarray(load_va.imag),
        }
        output = self._model.calculate_power_flow(
            symmetric=False,
            calculation_method=method,
            error_tolerance=_VOLTAGE_TOLERANCE_PU,
            max_iterations=_ITERATIONS_MAX[method],
            update_data={ComponentType.asym_load: load, ComponentType.source: source},
            threading=self._threads if n_scenarios > 1 else _SEQUENTIAL,
            output_component_types=cast(ComponentAttributeMapping, _OUTPUT),
            continue_on_batch_error=True,
        )
        # Columns were asked for, so columns come back; the library's type allows records too.
        solved = cast(_Solved, output)
        error = self._model.batch_error
        reasons = {} if error is None else {
            int(scenario): re.sub(r"\s+", " ", text).strip()
            for scenario, text in zip(error.failed_scenarios, error.error_messages, strict=True)
        }  # fmt: skip
        for columns in solved.values():
            for values in columns.values():
                values[list(reasons)] = np.nan
        return solved, reasons

    def _failures(self, reasons: dict[int, str], load_va: ComplexArray) -> tuple[PhaseNonConvergence, ...]:
        """Find for each scenario without a solution the largest solvable share of its injections, by halving.

        The bus and phase named are those whose voltage has moved furthest there; it is 0 and the first bus where not
        even the network without injections has a solution.
        """
        if not reasons:
            return ()
        scenarios = sorted(reasons)
        load_va = load_va[scenarios]
        low, high = np.zeros(len(scenarios)), np.ones(len(scenarios))
        nothing = self._voltages_at(low, load_va)
        weakest = nothing.copy()
        for _ in range(_SHARE_HALVINGS):
            share = (low + high) / 2
            voltage = self._voltages_at(share, load_va)
            solved = np.isfinite(voltage).all(axis=(1, 2))
            low, high = np.where(solved, share, low), np.where(solved, high, share)
            weakest[solved] = voltage[solved]
        moved = np.nan_to_num(np.abs(weakest - nothing))[:, self._case.node_of_bus]
        bus, phase = np.divmod(moved.reshape(len(scenarios), -1).argmax(axis=1), len(PHASES))
        names = self._network.buses.name
        return tuple(
            PhaseNonConvergence(
                scenario, names[int(bus[row])], PHASES[int(phase[row])], float(low[row]), reasons[scenario]
            )
            for row, scenario in enumerate(scenarios)
        )

    def _voltages_at(self, share: FloatArray, load_va: ComplexArray) -> FloatArray:
        """Return the voltages of all nodes at shares of the injections, NaN where there is no solution."""
        inner = np.tile(self._source_voltage, (len(share), 1))
        output, _ = self._solved(load_va * share[:, np.newaxis, np.newaxis], inner)
        return output[ComponentType.node]["u_pu"]

    def _result(self, output: _Solved, p_mw: FloatArray, failures: tuple[PhaseNonConvergence, ...]) -> UnbalancedResult:
        network, n_scenarios = self._network, len(p_mw)
        converged = np.ones(n_scenarios, dtype=np.bool_)
        converged[[failure.scenario for failure in failures]] = False
        for columns in output.values():
            for values in columns.values():
                values[~converged] = np.nan
        voltage = _phasors(output)
        on_bus = voltage[:, self._case.node_of_bus]
        phase_v = network.buses.vn_kv * 1e3 / np.sqrt(3)
        line, transformer = (
            self._branch(output, kind, n_scenarios) for kind in (ComponentType.line, ComponentType.transformer)
        )
        node_v = self._node_v(voltage)
        lines, transformers = network.lines, network.transformers
        line_from = _current_a(line, "from", node_v[:, self._case.node_of_bus[lines.from_bus]])
        line_to = _current_a(line, "to", node_v[:, self._case.node_of_bus[lines.to_bus]])
        high = _current_a(transformer, "from", node_v[:, self._case.node_of_bus[transformers.hv_bus]])
        low = _current_a(transformer, "to", node_v[:, self._case.node_of_bus[transformers.lv_bus]])
        line_i_ka = np.maximum(np.abs(line_from), np.abs(line_to)) / 1e3
        rated_hv_a, rated_lv_a = (
            transformers.rating_mva * 1e6 / (np.sqrt(3) * kv * 1e3)
            for kv in (transformers.vn_hv_kv, transformers.vn_lv_kv)
        )
        source_mva = self._source_mva(output, n_scenarios)
        return UnbalancedResult(
            converged=converged,
            failures=failures,
            vm_pu=np.abs(on_bus),
            vm_v=np.abs(on_bus) * phase_v[:, np.newaxis],
            voltage_unbalance_percent=100 * np.abs(_negative_sequence(on_bus)) / np.abs(_positive_sequence(on_bus)),
            neutral_displacement_v=np.abs(on_bus.mean(axis=2)) * phase_v,
            line_i_ka=line_i_ka,
            line_i_neutral_ka=np.maximum(np.abs(line_from.sum(axis=2)), np.abs(line_to.sum(axis=2))) / 1e3,
            line_loading=line_i_ka / lines.max_i_ka[:, np.newaxis],
            line_loss_mw=(line["p_from"] + line["p_to"]).sum(axis=2) / 1e6,
            transformer_p_lv_mw=transformer["p_to"] / 1e6,
            transformer_i_hv_ka=np.abs(high) / 1e3,
            transformer_i_lv_ka=np.abs(low) / 1e3,
            transformer_i_neutral_ka=np.abs(low.sum(axis=2)) / 1e3,
            transformer_loading=np.maximum(
                np.abs(high) / rated_hv_a[:, np.newaxis], np.abs(low) / rated_lv_a[:, np.newaxis]
            ),
            transformer_loss_mw=(transformer["p_from"] + transformer["p_to"]).sum(axis=2) / 1e6,
            source_p_mw=source_mva.real,
            source_q_mvar=source_mva.imag,
            loss_mw=source_mva.real.sum(axis=(1, 2)) + p_mw.sum(axis=(1, 2)),
        )

    def _node_v(self, voltage_pu: ComplexArray) -> ComplexArray:
        rated_v = self._case.components[ComponentType.node]["u_rated"] / np.sqrt(3)
        return np.asarray(voltage_pu * rated_v[:, np.newaxis], dtype=np.complex128)

    def _branch(self, output: _Solved, kind: ComponentType, n_scenarios: int) -> dict[str, FloatArray]:
        """Return the branch-end powers without the lines that stand for source impedances."""
        columns = output.get(kind) or dict.fromkeys(_BRANCH, np.zeros((n_scenarios, 0, len(PHASES))))
        if kind is ComponentType.line:
            return {name: values[:, : self._case.n_lines] for name, values in columns.items()}
        return columns

    def _source_mva(self, output: _Solved, n_scenarios: int) -> ComplexArray:
        """Return what each feeding point delivers at its terminal, (n_scenarios, n_sources, 3)."""
        source = output[ComponentType.source]
        delivered = source["p"] + 1j * source["q"]
        behind = output.get(ComponentType.line)
        if behind is not None:
            on_own_node = np.flatnonzero(self._case.components[ComponentType.source]["node"] != self._case.source_node)
            delivered[:, on_own_node] = -(behind["p_to"] + 1j * behind["q_to"])[:, self._case.n_lines :]
        assert delivered.shape == (n_scenarios, len(self._network.sources), len(PHASES))
        return np.asarray(delivered / 1e6, dtype=np.complex128)


def _phasors(output: _Solved) -> ComplexArray:
    node = output[ComponentType.node]
    return np.asarray(node["u_pu"] * np.exp(1j * node["u_angle"]), dtype=np.complex128)


def _positive_sequence(phasors: ComplexArray) -> ComplexArray:
    return np.asarray(phasors @ (np.array([1, _ROTATION, _ROTATION**2]) / 3), dtype=np.complex128)


def _negative_sequence(phasors: ComplexArray) -> ComplexArray:
    return np.asarray(phasors @ (np.array([1, _ROTATION**2, _ROTATION]) / 3), dtype=np.complex128)


def _current_a(branch: dict[str, FloatArray], end: str, voltage_v: ComplexArray) -> ComplexArray:
    power_va = branch[f"p_{end}"] + 1j * branch[f"q_{end}"]
    with np.errstate(invalid="ignore"):  # the NaN of a scenario without a solution
        return np.asarray(np.conj(power_va / voltage_v), dtype=np.complex128)


def beyond_unbalance_limit(
    result: UnbalancedResult, limit_percent: float = 2.0, brief_limit_percent: float = 4.0
) -> BoolArray:
    """Return which buses are unbalanced beyond GB/T 15543, shape (n_buses,), over the scenarios that have a solution.

    :param limit_percent: of the value that 95 % of the scenarios do not exceed
    :param brief_limit_percent: of every scenario
    """
    percent = result.voltage_unbalance_percent[result.converged]
    if not len(percent):
        return np.zeros(percent.shape[1], dtype=np.bool_)
    usual = np.quantile(percent, 0.95, axis=0, method="higher")
    return np.asarray((usual > limit_percent) | (percent.max(axis=0) > brief_limit_percent), dtype=np.bool_)
