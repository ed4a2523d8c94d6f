"""Batched AC power flow of a network: what flows where, in every scenario.

Signs, stated once: an injection is positive *into* the network (generation, discharge), negative out of it (load).
Power at the end of a branch is positive from the bus into the branch. A source's power is positive into the network
(import).

Two engines find the voltages: the fixed point in C (fixed_point.py) and Newton's method (newton.py). Newton takes over
each scenario that the fixed point does not settle, and all of them where the kernel was not built.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import assert_never

import numpy as np
import scipy.sparse

from grid_models.admittance import BASE_MVA, Admittance, ComplexArray, admittance
from grid_models.connectivity import supplied_buses
from grid_models.elements import BoolArray, FloatArray, NetworkError, freeze
from grid_models.fixed_point import FixedPoint
from grid_models.kernel_library import kernel_library
from grid_models.networks import Network
from grid_models.newton import Newton
from grid_models.voltage_solver import NodeInjections, NodeVoltages

_CHUNK_COMPLEX_VALUES = 4_000_000


class Engine(Enum):
    """Which engine finds the voltages. AUTO: the fixed point where its kernel was built, else Newton."""

    AUTO = "auto"
    FIXED_POINT = "fixed-point"
    NEWTON = "newton"


class NoKernelError(RuntimeError):
    """The fixed point was asked for, but its kernel was not built: there was no compiler at installation."""


@dataclass(frozen=True)
class NonConvergence:
    """One scenario without a solution, the bus with the largest power mismatch, and what the engines said.

    Its rows in the result are NaN.
    """

    scenario: int
    bus: str
    reason: str


@dataclass(frozen=True, eq=False)
class VoltageDependent:
    """What injections depend on the voltage, MW and Mvar at 1 pu, shape (n_scenarios, n_buses); signs as injections.

    current: proportional to the voltage. impedance: to its square.
    """

    current_p_mw: FloatArray
    current_q_mvar: FloatArray
    impedance_p_mw: FloatArray
    impedance_q_mvar: FloatArray


@dataclass(frozen=True, eq=False)
class PowerFlowResult:
    """Solutions, one row a scenario and one column an element; rows of `failures` are NaN throughout.

    vm_pu: (n_scenarios, n_buses), per unit of vn_kv. va_degree: its angle. line_i_ka: the larger of both ends. loading:
    fraction of the rated current (1.0 is 100 %), the larger of both ends; NaN without a rating. loss_mw:
    (n_scenarios,), what the network itself uses: sources plus injections.
    """

    converged: BoolArray
    failures: tuple[NonConvergence, ...]
    vm_pu: FloatArray
    va_degree: FloatArray
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
    :raises NoKernelError: if the fixed point is asked for and was not built
    """

    def __init__(self, network: Network, threads: int = 2, engine: Engine = Engine.AUTO) -> None:
        dark = np.flatnonzero(~supplied_buses(network))
        if dark.size:
            raise NetworkError(f"bus {network.buses.name[int(dark[0])]!r} is not supplied by any feeding point")
        self.network = network
        self.model = admittance(network)
        self.fixed_point = self._fixed_point(engine, threads)
        self.threads = threads
        n_buses = len(network.buses)
        self._gather = scipy.sparse.csr_matrix(
            (np.ones(n_buses), (self.model.node_of_bus, np.arange(n_buses))), shape=(self.model.n_nodes, n_buses)
        )
        if self.fixed_point is None:
            self._newton  # noqa: B018 - what Newton cannot take is refused here, not at the first use

    @cached_property
    def _newton(self) -> Newton:
        return Newton(self.network, self.threads)

    def _fixed_point(self, engine: Engine, threads: int) -> FixedPoint | None:
        library = kernel_library()
        match engine:
            case Engine.NEWTON:
                return None
            case Engine.AUTO:
                return None if library is None else FixedPoint(self.model, library, threads)
            case Engine.FIXED_POINT:
                if library is None:
                    raise NoKernelError("the power-flow kernel was not built; install again with a C compiler")
                return FixedPoint(self.model, library, threads)
            case _:
                assert_never(engine)

    @property
    def engine(self) -> Engine:
        """Return the engine in use."""
        return Engine.NEWTON if self.fixed_point is None else Engine.FIXED_POINT

    def solve(
        self, p_mw: FloatArray, q_mvar: FloatArray, voltage_dependent: VoltageDependent | None = None
    ) -> PowerFlowResult:
        """Return the AC power flow of each scenario.

        A scenario's result does not depend on which others are solved with it.

        :param p_mw: shape (n_scenarios, n_buses), net active injection per bus, positive into the network
        :param q_mvar: the same for reactive power
        :param voltage_dependent: further injections that depend on the voltage
        :raises ValueError: if a shape is wrong or a value is not finite
        """
        injections = self.node_injections(p_mw, q_mvar, voltage_dependent)
        size = max(1, _CHUNK_COMPLEX_VALUES // max(self.model.n_nodes, len(self.model.branches)))
        parts = []
        for start in range(0, max(len(p_mw), 1), size):
            chosen = injections.scenarios(np.arange(start, min(start + size, len(p_mw))))
            parts.append(self._result(self.voltages(chosen), chosen, start))
        return parts[0] if len(parts) == 1 else _joined(parts)

    def node_injections(
        self, p_mw: FloatArray, q_mvar: FloatArray, voltage_dependent: VoltageDependent | None = None
    ) -> NodeInjections:
        """Return injections by bus as injections by node.

        :raises ValueError: if a shape is wrong or a value is not finite
        """
        power = self._by_node(p_mw, q_mvar)
        if voltage_dependent is None:
            return NodeInjections(power)
        given = voltage_dependent
        current = self._by_node(given.current_p_mw, given.current_q_mvar)
        impedance = self._by_node(given.impedance_p_mw, given.impedance_q_mvar)
        if not power.shape == current.shape == impedance.shape:
            raise ValueError("the parts of the injections have different numbers of scenarios")
        return NodeInjections(power, current, impedance)

    def voltages(self, injections: NodeInjections) -> NodeVoltages:
        """Return the voltages by node; a scenario that the fixed point does not settle goes to Newton."""
        if self.fixed_point is None:
            return self._newton.solve(injections)
        found = self.fixed_point.solve(injections)
        if found.converged.all():
            return found
        left = np.flatnonzero(~found.converged)
        again = self._newton.solve(injections.scenarios(left))
        v, converged = found.v.copy(), found.converged.copy()
        solved = left[again.converged]
        v[solved], converged[solved] = again.v[again.converged], True
        reason = {int(left[row]): f"{found.reason[int(left[row])]}; {text}" for row, text in again.reason.items()}
        return NodeVoltages(v, converged, reason)

    def _by_node(self, p_mw: FloatArray, q_mvar: FloatArray) -> ComplexArray:
        shape = (len(p_mw), len(self.network.buses))
        if p_mw.shape != shape or q_mvar.shape != shape:
            raise ValueError(f"injections have shapes {p_mw.shape} and {q_mvar.shape}, not (n_scenarios, {shape[1]})")
        if not (np.isfinite(p_mw).all() and np.isfinite(q_mvar).all()):
            raise ValueError("an injection is not finite")
        return np.asarray(self._gather @ (p_mw + 1j * q_mvar).T / BASE_MVA, dtype=np.complex128)

    def _result(self, voltages: NodeVoltages, injections: NodeInjections, first_scenario: int) -> PowerFlowResult:
        model, network = self.model, self.network
        failures = self._failures(voltages, injections, first_scenario)
        v = np.where(voltages.converged[:, np.newaxis], voltages.v, np.nan)
        ends = BranchEnds.of(model, v)
        lines, transformers = slice(0, model.n_lines), slice(model.n_lines, None)
        i_from_ka, i_to_ka = ends.i_from_ka, ends.i_to_ka
        line_i_ka = np.maximum(i_from_ka[:, lines], i_to_ka[:, lines])
        units = network.transformers
        injected = injections.at(v) * BASE_MVA
        source = self._source_power(v, injected)
        bus_v = v[:, model.node_of_bus]
        return PowerFlowResult(
            converged=voltages.converged,
            failures=failures,
            vm_pu=np.abs(bus_v),
            va_degree=np.angle(bus_v, deg=True),
            line_p_from_mw=ends.s_from_mva[:, lines].real.copy(),
            line_p_to_mw=ends.s_to_mva[:, lines].real.copy(),
            line_i_ka=line_i_ka,
            line_loading=line_i_ka / network.lines.max_i_ka,
            transformer_p_hv_mw=ends.s_from_mva[:, transformers].real.copy(),
            transformer_q_hv_mvar=ends.s_from_mva[:, transformers].imag.copy(),
            transformer_p_lv_mw=ends.s_to_mva[:, transformers].real.copy(),
            transformer_q_lv_mvar=ends.s_to_mva[:, transformers].imag.copy(),
            transformer_i_hv_ka=i_from_ka[:, transformers],
            transformer_i_lv_ka=i_to_ka[:, transformers],
            transformer_loading=np.maximum(
                i_from_ka[:, transformers] / units.hv_max_i_ka, i_to_ka[:, transformers] / units.lv_max_i_ka
            ),
            source_p_mw=source.real.copy(),
            source_q_mvar=source.imag.copy(),
            loss_mw=source.real.sum(axis=1) + injected.real.sum(axis=1),
        )

    def _source_power(self, v: ComplexArray, injected_mva: ComplexArray) -> ComplexArray:
        """Return what each feeding point delivers; feeding points of one node share it equally."""
        node = self.model.source_node
        current = (self.model.matrix[node] @ v.T).T
        delivered = v[:, node] * np.conj(current) * BASE_MVA - injected_mva[:, node]
        share = np.bincount(self.model.node_of_source, minlength=node.size)
        return np.asarray((delivered / share)[:, self.model.node_of_source], dtype=np.complex128)

    def _failures(
        self, voltages: NodeVoltages, injections: NodeInjections, first_scenario: int
    ) -> tuple[NonConvergence, ...]:
        failed = np.flatnonzero(~voltages.converged)
        if not failed.size:
            return ()
        some = injections.scenarios(failed)
        bus_of_node = np.full(self.model.n_nodes, -1)
        bus_of_node[self.model.node_of_bus[::-1]] = np.arange(len(self.network.buses))[::-1]
        worst = self._worst_nodes(voltages.v[failed], some)
        return tuple(
            NonConvergence(
                first_scenario + int(scenario),
                self.network.buses.name[int(bus_of_node[node])],
                voltages.reason.get(int(scenario), "no solution"),
            )
            for scenario, node in zip(failed, worst, strict=True)
        )

    def _worst_nodes(self, v: ComplexArray, injections: NodeInjections) -> list[int]:
        """Return each scenario's node with the largest mismatch, at no-load voltages where there are no others."""
        usable = np.asarray(np.isfinite(v).all(axis=1), dtype=np.bool_)
        v = np.where(usable[:, np.newaxis], v, 1.0)
        mismatch = np.abs(v * np.conj((self.model.matrix @ v.T).T) - injections.at(v))
        mismatch[~usable] = np.abs(injections.at(v))[~usable]
        mismatch[:, self.model.source_node] = 0
        return [int(row.argmax()) for row in mismatch]


@dataclass(frozen=True, eq=False)
class BranchEnds:
    """Power into each branch and current at both ends, shape (n_scenarios, n_branches)."""

    s_from_mva: ComplexArray
    s_to_mva: ComplexArray
    i_from_ka: FloatArray
    i_to_ka: FloatArray

    @classmethod
    def of(cls, model: Admittance, v: ComplexArray) -> "BranchEnds":
        """Return the ends of every branch at voltages v, shape (n_scenarios, n_nodes)."""
        branches = model.branches
        v_from, v_to = v[:, branches.from_node], v[:, branches.to_node]
        i_from = branches.yff * v_from + branches.yft * v_to
        i_to = branches.ytf * v_from + branches.ytt * v_to
        return cls(
            s_from_mva=v_from * np.conj(i_from) * BASE_MVA,
            s_to_mva=v_to * np.conj(i_to) * BASE_MVA,
            i_from_ka=np.abs(i_from) * branches.from_base_ka,
            i_to_ka=np.abs(i_to) * branches.to_base_ka,
        )


def rated_currents_ka(network: Network) -> tuple[FloatArray, FloatArray]:
    """Return the rated current of every branch at its from and to end; inf: no limit, NaN: not stated."""
    lines, units = network.lines, network.transformers
    at_from, at_to = (
        np.concatenate([lines.max_i_ka, winding_ka]) for winding_ka in (units.hv_max_i_ka, units.lv_max_i_ka)
    )
    return at_from, at_to


def _joined(parts: list[PowerFlowResult]) -> PowerFlowResult:
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name, values in vars(parts[0]).items()
        if isinstance(values, np.ndarray)
    }
    return replace(parts[0], failures=tuple(one for part in parts for one in part.failures), **arrays)
