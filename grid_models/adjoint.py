"""Exact sensitivities of a solved AC state: what a voltage, current or flow gains per MW and Mvar injected at any bus.

The state solves Y V = c + I(V), with I(V) = conj(S_p / V) + conj(S_i) |V| / conj(V) + conj(S_z) V for constant power,
current and impedance. Its linearisation in real and imaginary parts, J [dV] = [conj(dS / V)], is factorised once. One
solve with J transposed gives a quantity's derivative by the P and Q of every bus (the adjoint method; J. Peschon and
others, "Sensitivity in power systems", IEEE Trans. PAS 87 (1968) 1687); one solve with J gives how every quantity
follows one change of injections. Both are the same numbers, so the narrower side is solved.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import splu

from grid_models.admittance import Admittance, ComplexArray
from grid_models.elements import FloatArray, Int64Array, freeze
from grid_models.power_flow import PowerFlow, PowerFlowResult, VoltageDependent
from grid_models.state_gradients import Gradients
from grid_models.voltage_solver import NodeInjections

_COLUMNS_AT_ONCE = 64
# With this threshold the order of least fill stays and pivots are still exchanged where a node is nearly lossless.
_PIVOT_THRESHOLD = 0.1

_Solved = TypeVar("_Solved")


class NoStateError(ValueError):
    """A state without AC solution has no sensitivities; the message says what the solver said."""


@dataclass(frozen=True, eq=False)
class SensitivityRows:
    """One row a quantity: its derivative by the active and the reactive power injected at each bus, (n_rows, n_buses).

    Units: the quantity's own (pu, kA, MW) per MW and per Mvar.
    """

    by_p: FloatArray
    by_q: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


class Linearisation:
    """The sensitivities of one solved state; its Jacobian is factorised once and serves any number of rows.

    :param v: (n_nodes,), voltages that solve the network with `injections`
    :param injections: of one scenario
    :param threads: how many blocks of right-hand sides are solved side by side
    """

    def __init__(self, model: Admittance, v: ComplexArray, injections: NodeInjections, threads: int = 2) -> None:
        assert injections.n_scenarios == 1, "one state is linearised"
        self.model = model
        self.v = v
        self._threads = threads
        self._free = np.setdiff1d(np.arange(model.n_nodes), model.source_node)
        self._factors = splu(
            _jacobian(model, v, injections, self._free),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=_PIVOT_THRESHOLD,
        )

    @classmethod
    def of_result(
        cls, power_flow: PowerFlow, result: PowerFlowResult, injections: NodeInjections, scenario: int = 0
    ) -> "Linearisation":
        """Return the sensitivities of one scenario of a result.

        :param injections: what was solved, all scenarios of the result
        :raises NoStateError: if the scenario has no solution
        """
        reason = next((each.reason for each in result.failures if each.scenario == scenario), None)
        if reason is not None:
            raise NoStateError(f"scenario {scenario} has no sensitivities: {reason}")
        model = power_flow.model
        v = np.empty(model.n_nodes, dtype=np.complex128)
        v[model.node_of_bus] = result.vm_pu[scenario] * np.exp(1j * np.deg2rad(result.va_degree[scenario]))
        return cls(model, v, injections.scenarios(np.array([scenario])), power_flow.threads)

    @classmethod
    def of_state(
        cls,
        power_flow: PowerFlow,
        p_mw: FloatArray,
        q_mvar: FloatArray,
        voltage_dependent: VoltageDependent | None = None,
    ) -> "Linearisation":
        """Solve one scenario, shape (1, n_buses), and return its sensitivities.

        :raises NoStateError: if it has no solution
        """
        result = power_flow.solve(p_mw, q_mvar, voltage_dependent)
        return cls.of_result(power_flow, result, power_flow.node_injections(p_mw, q_mvar, voltage_dependent))

    def rows(self, gradients: Gradients) -> SensitivityRows:
        """Return the derivatives of the quantities by what is injected at every bus: one adjoint solve a row."""
        n_rows = len(gradients)
        by_p, by_q = (np.zeros((n_rows, self.model.n_nodes)) for _ in range(2))
        adjoint = self._adjoint(gradients) / self.v[self._free]
        by_p[:, self._free], by_q[:, self._free] = adjoint.real, -adjoint.imag
        by_p[:, self.model.source_node] = gradients.by_source_p[:, np.newaxis]
        return SensitivityRows(by_p[:, self.model.node_of_bus], by_q[:, self.model.node_of_bus])

    def changes(self, gradients: Gradients, p_mw: FloatArray, q_mvar: FloatArray | None = None) -> FloatArray:
        """Return by how much each quantity changes with each change of injections, (n_rows, n_changes), to first order.

        The same as the rows times the changes; found with as many solves as there are rows or changes, whichever are
        fewer.

        :param p_mw, q_mvar: (n_changes, n_buses), MW and Mvar more into the network; None: no reactive power
        """
        q_mvar = np.zeros_like(p_mw) if q_mvar is None else q_mvar
        if len(gradients) <= len(p_mw):
            rows = self.rows(gradients)
            return np.asarray(rows.by_p @ p_mw.T + rows.by_q @ q_mvar.T, dtype=np.float64)
        return self._direct(gradients, p_mw, q_mvar)

    def _adjoint(self, gradients: Gradients) -> ComplexArray:
        """Return the solutions of J transposed, (n_rows, n_free), real and imaginary part of each node together."""
        by_free = gradients.by_voltage.tocsc()[:, self._free].tocsr()
        blocks = [slice(at, at + _COLUMNS_AT_ONCE) for at in range(0, len(gradients), _COLUMNS_AT_ONCE)]

        def solve(block: slice) -> ComplexArray:
            dense = by_free[block].toarray()
            # dq = Re(g dV) = Re g dV_real - Im g dV_imaginary
            right = np.ascontiguousarray(np.conj(dense)).view(np.float64).T
            found = np.ascontiguousarray(self._factors.solve(np.asfortranarray(right), trans="T").T)
            return found.view(np.complex128)

        parts = self._in_threads(solve, blocks)
        return np.concatenate(parts) if parts else np.zeros((0, self._free.size), np.complex128)

    def _direct(self, gradients: Gradients, p_mw: FloatArray, q_mvar: FloatArray) -> FloatArray:
        to_node = _bus_to_node(self.model)
        blocks = [slice(at, at + _COLUMNS_AT_ONCE) for at in range(0, len(p_mw), _COLUMNS_AT_ONCE)]

        def solve(block: slice) -> FloatArray:
            s_mva = to_node @ (p_mw[block] + 1j * q_mvar[block]).T
            right = np.ascontiguousarray(np.conj(s_mva[self._free].T / self.v[self._free])).view(np.float64).T
            moved = np.zeros((self.model.n_nodes, right.shape[1]), dtype=np.complex128)
            solved = np.ascontiguousarray(self._factors.solve(np.asfortranarray(right)).T).view(np.complex128)
            moved[self._free] = solved.T
            at_sources = s_mva[self.model.source_node].real.sum(axis=0)
            change = (gradients.by_voltage @ moved).real + np.outer(gradients.by_source_p, at_sources)
            return np.asarray(change, dtype=np.float64)

        parts = self._in_threads(solve, blocks)
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(gradients), 0))

    def _in_threads(self, solve: Callable[[slice], _Solved], blocks: list[slice]) -> list[_Solved]:
        if len(blocks) <= 1 or self._threads == 1:
            return [solve(block) for block in blocks]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(solve, blocks))


def _jacobian(
    model: Admittance, v: ComplexArray, injections: NodeInjections, free: Int64Array
) -> scipy.sparse.csc_matrix:
    """Return J over the free nodes, (2 n_free, 2 n_free), the real and the imaginary part of a node side by side.

    dF = (Y - diag(a)) dV - diag(b) conj(dV) with a = conj(S_i) / (2 |V|) + conj(S_z) and
    b = -conj(S_p) / conj(V)^2 - conj(S_i) |V| / (2 conj(V)^2).
    """
    v_free = v[free]
    squared = np.conj(v_free) ** 2
    own = np.zeros(free.size, dtype=np.complex128)
    mirrored = -np.conj(injections.power[free, 0]) / squared
    if injections.current is not None and injections.impedance is not None:
        current, size = np.conj(injections.current[free, 0]), np.abs(v_free)
        own += current / (2 * size) + np.conj(injections.impedance[free, 0])
        mirrored -= current * size / (2 * squared)
    matrix = (model.matrix.tocsr()[free][:, free] - scipy.sparse.diags(own)).tocoo()
    every = np.arange(free.size)
    row = np.concatenate([matrix.row, every]) * 2
    column = np.concatenate([matrix.col, every]) * 2
    real_by_real = np.concatenate([matrix.data.real, -mirrored.real])
    real_by_imaginary = np.concatenate([-matrix.data.imag, -mirrored.imag])
    imaginary_by_real = np.concatenate([matrix.data.imag, -mirrored.imag])
    imaginary_by_imaginary = np.concatenate([matrix.data.real, mirrored.real])
    values = np.concatenate([real_by_real, real_by_imaginary, imaginary_by_real, imaginary_by_imaginary])
    rows = np.concatenate([row, row, row + 1, row + 1])
    columns = np.concatenate([column, column + 1, column, column + 1])
    return scipy.sparse.csc_matrix((values, (rows, columns)), shape=(2 * free.size, 2 * free.size))


def _bus_to_node(model: Admittance) -> scipy.sparse.csr_matrix:
    n_buses = model.node_of_bus.size
    return scipy.sparse.csr_matrix(
        (np.ones(n_buses), (model.node_of_bus, np.arange(n_buses))), shape=(model.n_nodes, n_buses)
    )
