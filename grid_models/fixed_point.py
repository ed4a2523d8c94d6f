"""AC power flow by the constant-matrix fixed point V <- Y^-1 (c + conj(S(V) / V)), many scenarios at once, in C.

One factorisation serves every scenario and iteration. It converges linearly, for load-like injections wherever Newton
does up to several times the usual load; what does not converge is left to Newton's method (see power_flow).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from grid_models.admittance import Admittance, BranchAdmittances
from grid_models.elements import FloatArray, Int64Array
from grid_models.elimination import Factors, factorise
from grid_models.kernel_library import (
    LANES,
    BranchesStructure,
    FactorsStructure,
    InjectionsStructure,
    KernelLibrary,
    filled,
)
from grid_models.voltage_solver import NodeInjections, NodeVoltages, real_parts

STEP_TOLERANCE_PU = 1e-12
ITERATIONS_MAX = 100


class FactorColumns:
    """The factors as the kernel takes them."""

    def __init__(self, factors: Factors) -> None:
        l_r, l_m = real_parts(factors.lower_value)
        rows_of_u = np.repeat(factors.inverse_diagonal, np.diff(factors.upper_start))
        u_r, u_m = real_parts(factors.upper_value * rows_of_u)
        d_r, d_m = real_parts(factors.inverse_diagonal)
        c_r, c_m = real_parts(factors.constant)
        self.v_r, self.v_m = real_parts(factors.no_load_v)
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "l_start": factors.lower_start,
            "l_row": factors.lower_row.astype(np.int32),
            "l_r": l_r,
            "l_m": l_m,
            "u_start": factors.upper_start,
            "u_column": factors.upper_column.astype(np.int32),
            "u_r": u_r,
            "u_m": u_m,
            "d_r": d_r,
            "d_m": d_m,
            "c_r": c_r,
            "c_m": c_m,
        }
        self.structure = filled(FactorsStructure, n=len(factors), **self._arrays, node=None, up=None, down=None)


class BranchColumns:
    """The branches as the kernel takes them: in the order of their nodes' elimination, so that voltages lie close by.

    order: branch of each place, shape (n_branches,). place: of each branch.

    :param from_limit_ka, to_limit_ka: rated current at each end, shape (n_branches,); not above 0 or NaN: none
    """

    def __init__(self, model: Admittance, factors: Factors, from_limit_ka: FloatArray, to_limit_ka: FloatArray) -> None:
        branches: BranchAdmittances = model.branches
        from_position = factors.position[branches.from_node]
        to_position = factors.position[branches.to_node]
        self.order = np.argsort(np.minimum(from_position, to_position), kind="stable").astype(np.int64)
        self.place = np.empty_like(self.order)
        self.place[self.order] = np.arange(len(self.order))
        self.from_position, self.to_position = from_position[self.order], to_position[self.order]
        self.from_scale = _squared_scale(branches.from_base_ka, from_limit_ka)[self.order]
        self.to_scale = _squared_scale(branches.to_base_ka, to_limit_ka)[self.order]
        two_ports = np.stack([branches.yff, branches.yft, branches.ytf, branches.ytt], axis=1)[self.order]
        self.source_r, self.source_m = real_parts(model.source_v)
        self._y = np.ascontiguousarray(two_ports).view(np.float64)
        self.structure = filled(
            BranchesStructure,
            n=len(branches),
            from_position=self.from_position,
            to_position=self.to_position,
            y=self._y,
            from_scale=self.from_scale,
            to_scale=self.to_scale,
            source_r=self.source_r,
            source_m=self.source_m,
        )


class FixedPoint:
    """The engine for one network. May be used by several threads at once."""

    def __init__(self, model: Admittance, library: KernelLibrary, threads: int = 2) -> None:
        self.model = model
        self.factors = factorise(model)
        self.columns = FactorColumns(self.factors)
        self.library = library
        self.threads = threads

    def solve(self, injections: NodeInjections) -> NodeVoltages:
        """Return the voltages of every node and scenario; the step of the last iteration was below 1e-12 pu."""
        n, n_scenarios = len(self.factors), injections.n_scenarios
        stride = -(-n_scenarios // LANES) * LANES
        arrays = self._padded(injections, stride)
        structure = filled(InjectionsStructure, stride=stride, **arrays)
        out_r, out_m = np.empty((n, stride)), np.empty((n, stride))
        converged = np.zeros(stride, dtype=np.int8)

        def run(start: int, stop: int) -> int:
            return self.library.call(
                "cmb_solve",
                *(self.columns.structure, structure, start, stop, self.columns.v_r, self.columns.v_m),
                *(STEP_TOLERANCE_PU**2, ITERATIONS_MAX, out_r, out_m, converged),
            )

        run_blocks(run, stride, self.threads)
        v = np.empty((n_scenarios, self.model.n_nodes), dtype=np.complex128)
        v[:, self.factors.node] = (out_r + 1j * out_m)[:, :n_scenarios].T
        v[:, self.model.source_node] = self.model.source_v
        done = converged[:n_scenarios].astype(np.bool_)
        return NodeVoltages(v, done, dict.fromkeys(np.flatnonzero(~done).tolist(), "the fixed point did not settle"))

    def _padded(self, injections: NodeInjections, stride: int) -> dict[str, FloatArray | None]:
        arrays: dict[str, FloatArray | None] = {}
        for name in ("power", "current", "impedance"):
            values = getattr(injections, name)
            for part, key in (("real", "r"), ("imag", "m")):
                arrays[f"{name}_{key}"] = None
                if values is not None:
                    padded = np.zeros((len(self.factors), stride))
                    padded[:, : injections.n_scenarios] = getattr(values, part)[self.factors.node]
                    arrays[f"{name}_{key}"] = padded
        return arrays


def run_blocks(run: Callable[[int, int], int], stop: int, threads: int, step: int = LANES) -> int:
    """Call run(start, stop) for `threads` spans of whole blocks of `step`, side by side; return the sum of answers."""
    n_blocks = -(-stop // step)
    cuts = [min(stop, step * (n_blocks * k // threads)) for k in range(threads + 1)]
    spans = [(start, end) for start, end in pairwise(cuts) if end > start]
    if len(spans) <= 1:
        return sum(run(*span) for span in spans)
    with ThreadPoolExecutor(len(spans)) as pool:
        return sum(pool.map(lambda span: run(*span), spans))


def _squared_scale(base_ka: FloatArray, limit_ka: FloatArray) -> FloatArray:
    rated = np.isfinite(limit_ka) & (limit_ka > 0)
    return np.asarray(np.divide(base_ka, limit_ka, out=np.zeros_like(base_ka), where=rated) ** 2, dtype=np.float64)


def entries_by_position(position: Int64Array, n: int) -> tuple[Int64Array, Int64Array]:
    """Return the order that sorts entries by position, and where each position's entries start, shape (n + 1,)."""
    order = np.argsort(position, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(position, minlength=n))]).astype(np.int64)
    return order.astype(np.int64), start
