"""The search for hosting capacity at nodes: trial plants, the first limit on their way, certificates.

On the line from the base state x0 to the state x1 with a plant of power P, |x0 + s (x1 - x0)| = limit gives the share s
of P at which a voltage or current would reach its limit if it moved on that line. It nearly does, so the next trial is
s P, and a trial with |s - 1| within the tolerance is confirmed by the very power flow that found it; the figure is s P,
whose error is a small part (about a twentieth) of that tolerance.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse

from grid_models.admittance import ComplexArray
from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.fixed_point import BranchColumns, FixedPoint, entries_by_position, run_blocks
from grid_models.kernel_library import HostingStructure, SurroundingsStructure, filled
from grid_models.power_flow import PowerFlow
from grid_models.voltage_solver import NodeInjections, real_parts

TOLERANCE: Final = 5e-4
NEWTON_TOLERANCE: Final = 1e-6
ROUNDS_MAX: Final = 40
SHARE_MIN: Final = 0.02
SHARE_MAX: Final = 8.0
POWER_MIN_MW: Final = 1e-9
POWER_MAX_MW: Final = 1e6
_UNSOLVED_SHARE: Final = 0.3
_DIRECT_ROUNDS: Final = 4
_STEP_TOLERANCE_PU: Final = 1e-7
_ITERATIONS_MAX: Final = 100
_LOCAL_ROUNDS_MAX: Final = 12
_EARLIER_PARTS: Final = (0.5, 0.2)
_EARLIER_BELOW: Final = 0.9
_TRIALS_PER_BATCH: Final = 64


@dataclass(frozen=True, eq=False)
class Limits:
    """Voltage limits by node, pu; loading limit by branch (1.0: the rating); rated currents of its ends, kA or inf."""

    v_high: FloatArray
    v_low: FloatArray
    loading: FloatArray
    from_ka: FloatArray
    to_ka: FloatArray


@dataclass(frozen=True, eq=False)
class BaseState:
    """One hour without the new plant. power: injection by node, MVA. v: voltages, pu. loading: of each branch."""

    power: ComplexArray
    v: ComplexArray
    loading: FloatArray
    limits: Limits


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Capacity of each node asked for, MW (inf: nothing binds), and its binding limit.

    binding: node with a high voltage, n_nodes + node with a low one, 2 n_nodes + branch, -1 for nothing.
    """

    power: FloatArray
    binding: Int64Array
    certified: BoolArray


@dataclass(frozen=True, eq=False)
class _Trials:
    """One round of trials: share of the power at the first limit, that limit, whether there was a solution."""

    share: FloatArray
    binding: Int64Array
    solved: BoolArray


def search(power_flow: PowerFlow, base: BaseState, nodes: Int64Array, direction: complex) -> SearchResult:
    """Return the capacity of each node.

    :param nodes: shape (n,), none of them held by a feeding point
    :param direction: power of the plant per MW, such as 1 - 0.3j
    """
    power = _first_guess(power_flow, base, nodes)
    if power_flow.fixed_point is None:
        trials = _NewtonTrials(power_flow, base, direction)
        return _least(trials, nodes, _certify(trials, nodes, power, NEWTON_TOLERANCE), NEWTON_TOLERANCE)
    kernel = _KernelTrials(power_flow.fixed_point, base, direction)
    by_position = np.argsort(power_flow.fixed_point.factors.position[nodes], kind="stable")
    sorted_nodes = nodes[by_position]
    near = kernel.settle_locally(sorted_nodes, power[by_position])
    found = _least(kernel, sorted_nodes, _certify(kernel, sorted_nodes, near, TOLERANCE), TOLERANCE)
    back = np.argsort(by_position, kind="stable")
    return SearchResult(found.power[back], found.binding[back], found.certified[back])


def _least(
    trials: "_KernelTrials | _NewtonTrials", nodes: Int64Array, found: SearchResult, tolerance: float
) -> SearchResult:
    """Return the capacities, looked for again where a smaller plant meets a limit that the found one is beyond.

    Where reactance prevails, a voltage rises with the plant's power and falls again: the greater plant breaches none of
    what a smaller one does. Trials with small parts of the plant show it.
    """
    power, binding, certified = found.power.copy(), found.binding.copy(), found.certified.copy()
    for part in _EARLIER_PARTS:
        asked = np.flatnonzero(certified & np.isfinite(power) & (power > 0))
        if not asked.size:
            break
        share = trials.first_limits(nodes[asked], power[asked] * part)
        start = power[asked] * part * np.clip(share, SHARE_MIN, SHARE_MAX)
        earlier = np.flatnonzero(start < power[asked] * _EARLIER_BELOW)
        rows = asked[earlier]
        if not rows.size:
            continue
        again = _certify(trials, nodes[rows], start[earlier], tolerance)
        less = again.certified & (again.power < power[rows] * (1 - 2 * tolerance))
        power[rows[less]], binding[rows[less]] = again.power[less], again.binding[less]
    return SearchResult(power, binding, certified)


def _certify(
    trials: "_KernelTrials | _NewtonTrials", nodes: Int64Array, power: FloatArray, tolerance: float
) -> SearchResult:
    """Repeat full power flows until each node's trial stands at its limit."""
    power = power.copy()
    binding = np.full(nodes.size, -1, dtype=np.int64)
    certified = np.zeros(nodes.size, dtype=np.bool_)
    bracket = _Bracket.of(nodes.size)
    left = np.arange(nodes.size)
    for round_number in range(ROUNDS_MAX):
        found = trials.run(nodes[left], power[left])
        share = np.where(found.solved, found.share, _UNSOLVED_SHARE)
        settled = found.solved & (np.abs(share - 1) <= tolerance)
        bracket.note(left, power[left], share)
        following = power[left] * np.where(settled, share, np.clip(share, SHARE_MIN, SHARE_MAX))
        if round_number >= _DIRECT_ROUNDS:
            closed, last_with_room = bracket.closed(left, tolerance)
            between = bracket.between(left, following, halve=round_number % 2 == 1)
            following = np.where(settled, following, np.where(closed, last_with_room, between))
            settled |= closed
        power[left] = following
        binding[left] = np.where(found.solved & np.isfinite(found.share), found.binding, -1)
        nothing_binds = found.solved & (following > POWER_MAX_MW)
        no_room = found.solved & (following < POWER_MIN_MW)
        power[left[nothing_binds]], power[left[no_room]] = np.inf, 0.0
        binding[left[nothing_binds]] = -1
        done = settled | nothing_binds | no_room
        certified[left[done]] = True
        left = left[~done]
        if not left.size:
            break
    return SearchResult(power, binding, certified)


class _Bracket:
    """Between which trials each capacity lies; near a collapse of the voltage the direct steps would swing about it.

    low, high: largest power that leaves room and smallest that does not; excess: s - 1 at each.
    """

    def __init__(self, low: FloatArray, high: FloatArray, low_excess: FloatArray, high_excess: FloatArray) -> None:
        self._low, self._high = low, high
        self._low_excess, self._high_excess = low_excess, high_excess

    @classmethod
    def of(cls, n: int) -> "_Bracket":
        return cls(np.zeros(n), np.full(n, np.inf), np.full(n, np.nan), np.full(n, np.nan))

    def note(self, rows: Int64Array, power: FloatArray, share: FloatArray) -> None:
        """Take in a round's trials."""
        room = (share > 1) & (power > self._low[rows])
        self._low[rows[room]], self._low_excess[rows[room]] = power[room], np.minimum(share[room], SHARE_MAX) - 1
        beyond = (share < 1) & (power < self._high[rows])
        self._high[rows[beyond]], self._high_excess[rows[beyond]] = power[beyond], share[beyond] - 1

    def closed(self, rows: Int64Array, tolerance: float) -> tuple[BoolArray, FloatArray]:
        """Return where both ends have met, and the last power that leaves room: above it the voltage collapses."""
        low, high = self._low[rows], self._high[rows]
        return np.asarray(np.isfinite(high) & (high - low <= tolerance * low), dtype=np.bool_), low

    def between(self, rows: Int64Array, proposed: FloatArray, *, halve: bool) -> FloatArray:
        """Return the next trial: inside the bracket where it is closed on both sides, else the proposed one.

        :param halve: take the middle; else the zero of the line between both ends, kept off the ends
        """
        low, high = self._low[rows], self._high[rows]
        closed = np.isfinite(high) & (low > 0)
        width = np.where(closed, high - low, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            at = self._low_excess[rows] / (self._low_excess[rows] - self._high_excess[rows])
        inside = 0.5 if halve else np.clip(np.nan_to_num(at, nan=0.5), 0.1, 0.9)
        return np.asarray(np.where(closed, np.where(closed, low, 0.0) + inside * width, proposed), dtype=np.float64)


def _first_guess(power_flow: PowerFlow, base: BaseState, nodes: Int64Array) -> FloatArray:
    """Return half of what the branches at each node can carry, MW; 1 MW where none has a rating."""
    branches = power_flow.model.branches
    carried = np.zeros(power_flow.model.n_nodes)
    for end, base_ka, rated_ka in (
        (branches.from_node, branches.from_base_ka, base.limits.from_ka),
        (branches.to_node, branches.to_base_ka, base.limits.to_ka),
    ):
        np.add.at(carried, end, np.where(np.isfinite(rated_ka), rated_ka, 0.0) / base_ka)
    guess = np.where(carried > 0, carried / 2, 1.0)
    return np.asarray(guess[nodes], dtype=np.float64)


class _KernelTrials:
    """Trials by the fixed point in C, for one base state."""

    def __init__(self, engine: FixedPoint, base: BaseState, direction: complex) -> None:
        self._engine = engine
        self._tangent = direction.imag / direction.real
        factors, model, limits = engine.factors, engine.model, base.limits
        self._branches = BranchColumns(model, factors, limits.from_ka, limits.to_ka)
        v_from, v_to = base.v[model.branches.from_node], base.v[model.branches.to_node]
        ends = (
            model.branches.yff * v_from + model.branches.yft * v_to,
            model.branches.ytf * v_from + model.branches.ytt * v_to,
        )
        base_r, base_m = real_parts(base.power[factors.node])
        v_r, v_m = real_parts(base.v[factors.node])
        self._state = {
            "base_r": base_r,
            "base_m": base_m,
            "v_r": v_r,
            "v_m": v_m,
            "v_low2": np.ascontiguousarray(limits.v_low[factors.node] ** 2),
            "v_high2": np.ascontiguousarray(limits.v_high[factors.node] ** 2),
            "loading2": np.ascontiguousarray(limits.loading[self._branches.order] ** 2),
            "current": np.ascontiguousarray(np.stack(ends, axis=1)[self._branches.order]).view(np.float64),
        }
        self._base = base
        self._surroundings_arrays = self._surroundings()
        self._surroundings_structure = filled(SurroundingsStructure, **self._surroundings_arrays)

    def run(self, nodes: Int64Array, power: FloatArray) -> _Trials:
        """Return what full power flows with a plant at each node find."""
        arrays = self._arrays(nodes, power)
        structure = filled(HostingStructure, **self._state, **arrays)
        engine = self._engine

        def run(start: int, stop: int) -> int:
            return engine.library.call(
                "cmb_host",
                *(engine.columns.structure, self._branches.structure, self._surroundings_structure),
                *(structure, start, stop),
                *(_STEP_TOLERANCE_PU**2, _ITERATIONS_MAX),
            )

        run_blocks(run, nodes.size, engine.threads)
        solved = arrays["solved"].astype(np.bool_)
        return _Trials(arrays["share"], self._binding(arrays["binding"]), solved)

    def settle_locally(self, nodes: Int64Array, power: FloatArray) -> FloatArray:
        """Return a power near each node's capacity, found on its way to the feeding point alone."""
        return np.asarray(self._locally(nodes, power, _LOCAL_ROUNDS_MAX)["power_r"], dtype=np.float64)

    def first_limits(self, nodes: Int64Array, power: FloatArray) -> FloatArray:
        """Return the share of each trial's power at its first limit, on its way to the feeding point alone."""
        arrays = self._locally(nodes, power, 1)
        return np.where(arrays["solved"].astype(np.bool_), arrays["share"], _UNSOLVED_SHARE)

    def _locally(self, nodes: Int64Array, power: FloatArray, rounds_max: int) -> dict[str, npt.NDArray[Any]]:
        arrays = self._arrays(nodes, power)
        structure = filled(HostingStructure, **self._state, **arrays)
        engine = self._engine

        def run(start: int, stop: int) -> int:
            return engine.library.call(
                "cmb_host_locally",
                *(engine.columns.structure, self._branches.structure, self._surroundings_structure),
                *(structure, start, stop),
                *(_STEP_TOLERANCE_PU**2, _ITERATIONS_MAX, rounds_max),
            )

        run_blocks(run, nodes.size, engine.threads)
        return arrays

    def _arrays(self, nodes: Int64Array, power: FloatArray) -> dict[str, npt.NDArray[Any]]:
        return {
            "node": self._engine.factors.position[nodes].astype(np.int32),
            "power_r": np.array(power),
            "power_m": power * self._tangent,
            "share": np.empty(nodes.size),
            "binding": np.empty(nodes.size, np.int32),
            "solved": np.empty(nodes.size, np.int8),
        }

    def _binding(self, found: Int64Array) -> Int64Array:
        """Return bindings by node instead of by position."""
        factors, n_nodes = self._engine.factors, self._engine.model.n_nodes
        n = len(factors)
        binding = found.astype(np.int64)
        node = np.append(factors.node, -1)
        of_high, of_low = (binding >= 0) & (binding < n), (binding >= n) & (binding < 2 * n)
        named = np.where(of_high, node[np.where(of_high, binding, -1)], -1)
        named = np.where(of_low, n_nodes + node[np.where(of_low, binding - n, -1)], named)
        branch = self._branches.order[np.maximum(binding - 2 * n, 0)] if len(self._branches.order) else binding
        return np.where(binding >= 2 * n, 2 * n_nodes + branch, named)

    def _surroundings(self) -> dict[str, npt.NDArray[Any]]:
        """Return the elimination tree, and what of the base state lies beside any way to its root."""
        factors, state = self._engine.factors, self._state
        n = len(factors)
        v = self._base.v[factors.node]
        upper = scipy.sparse.csr_matrix((factors.upper_value, factors.upper_column, factors.upper_start), shape=(n, n))
        # L y = c + I and U v = y give what passes each node; without injections v is the no-load voltage.
        fixed = upper @ factors.no_load_v + factors.no_load_v / factors.inverse_diagonal
        passed = upper @ v + v / factors.inverse_diagonal - fixed
        passed_r, passed_m = real_parts(passed)
        gathered_r, gathered_m = real_parts(passed - np.conj(self._base.power[factors.node] / v))
        fixed_passed_r, fixed_passed_m = real_parts(fixed)
        fixed_gathered_r, fixed_gathered_m = real_parts(fixed - factors.constant)
        child, child_start = entries_by_position(factors.parent + 1, n + 1)
        ends = np.stack([self._branches.from_position, self._branches.to_position])
        lower = np.where(ends.min(axis=0) >= 0, ends.min(axis=0), ends.max(axis=0))
        inner = np.flatnonzero(lower >= 0)
        order, branch_start = entries_by_position(lower[inner], n)
        vm = np.abs(v)
        relative_r, relative_m = real_parts(np.where(factors.parent >= 0, v / v[factors.parent], 1.0))
        return {
            "parent": factors.parent,
            "child_start": child_start[1:].copy(),
            "child": child,
            "branch_start": branch_start,
            "branch": inner[order].astype(np.int64),
            "gathered_r": gathered_r,
            "gathered_m": gathered_m,
            "passed_r": passed_r,
            "passed_m": passed_m,
            "fixed_gathered_r": fixed_gathered_r,
            "fixed_gathered_m": fixed_gathered_m,
            "fixed_passed_r": fixed_passed_r,
            "fixed_passed_m": fixed_passed_m,
            "closest_high": _over_subtrees(vm / np.sqrt(state["v_high2"]), factors.parent, largest=True),
            "closest_low": _over_subtrees(
                vm / np.maximum(np.sqrt(state["v_low2"]), 1e-12), factors.parent, largest=False
            ),
            "relative_r": relative_r,
            "relative_m": relative_m,
        }


class _NewtonTrials:
    """Trials by Newton's method, a scenario a plant: for installations without the kernel, and as a referee."""

    def __init__(self, power_flow: PowerFlow, base: BaseState, direction: complex) -> None:
        self._power_flow = power_flow
        self._base = base
        self._direction = direction / direction.real

    def run(self, nodes: Int64Array, power: FloatArray) -> _Trials:
        """Return what full power flows with a plant at each node find."""
        parts = [
            self._batch(nodes[start : start + _TRIALS_PER_BATCH], power[start : start + _TRIALS_PER_BATCH])
            for start in range(0, nodes.size, _TRIALS_PER_BATCH)
        ]
        return _Trials(
            np.concatenate([part.share for part in parts]),
            np.concatenate([part.binding for part in parts]),
            np.concatenate([part.solved for part in parts]),
        )

    def first_limits(self, nodes: Int64Array, power: FloatArray) -> FloatArray:
        """Return the share of each trial's power at its first limit."""
        found = self.run(nodes, power)
        return np.where(found.solved, found.share, _UNSOLVED_SHARE)

    def _batch(self, nodes: Int64Array, power: FloatArray) -> _Trials:
        injections = np.repeat(self._base.power[:, np.newaxis], nodes.size, axis=1)
        injections[nodes, np.arange(nodes.size)] += power * self._direction
        found = self._power_flow.voltages(NodeInjections(injections))
        share, binding = self._first_limit(np.where(found.converged[:, np.newaxis], found.v, self._base.v))
        return _Trials(share, binding, found.converged)

    def _first_limit(self, v: ComplexArray) -> tuple[FloatArray, Int64Array]:
        base, model = self._base, self._power_flow.model
        branches, limits = model.branches, base.limits
        shares = [
            _rise(base.v, v - base.v, limits.v_high),
            _fall(base.v, v - base.v, limits.v_low),
        ]
        of_current = np.full((len(v), len(branches)), np.inf)
        for y_from, y_to, base_ka, rated_ka in (
            (branches.yff, branches.yft, branches.from_base_ka, limits.from_ka),
            (branches.ytf, branches.ytt, branches.to_base_ka, limits.to_ka),
        ):
            scale = base_ka / rated_ka
            at_base = (y_from * base.v[branches.from_node] + y_to * base.v[branches.to_node]) * scale
            now = (y_from * v[:, branches.from_node] + y_to * v[:, branches.to_node]) * scale
            of_current = np.minimum(of_current, _rise(at_base, now - at_base, limits.loading))
        every = np.concatenate([*shares, of_current], axis=1)
        binding = every.argmin(axis=1)
        return every[np.arange(len(v)), binding], binding.astype(np.int64)


def _rise(x: ComplexArray, d: ComplexArray, limit: FloatArray) -> FloatArray:
    """Return the smallest s > 0 with |x + s d| = limit where |x| <= limit; inf where there is none."""
    a, half = np.abs(d) ** 2, d.real * x.real + d.imag * x.imag
    c = np.where(np.isfinite(limit), np.abs(x) ** 2 - limit**2, -np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        s = -c / (half + np.sqrt(np.maximum(half**2 - a * c, 0.0)))
    return np.asarray(np.where(np.isnan(s) | (s < 0), np.inf, s), dtype=np.float64)


def _fall(x: ComplexArray, d: ComplexArray, limit: FloatArray) -> FloatArray:
    """Return the smallest s > 0 with |x + s d| = limit where |x| >= limit; inf where there is none."""
    a, half = np.abs(d) ** 2, d.real * x.real + d.imag * x.imag
    c = np.abs(x) ** 2 - limit**2
    inside = half**2 - a * c
    with np.errstate(invalid="ignore", divide="ignore"):
        s = c / (np.sqrt(np.maximum(inside, 0.0)) - half)
    return np.asarray(np.where((inside >= 0) & (half < 0), s, np.inf), dtype=np.float64)


def _over_subtrees(values: FloatArray, parent: Int64Array, *, largest: bool) -> FloatArray:
    """Return the largest or smallest value in each node's subtree; children stand before their parents."""
    best = values.tolist()
    for node, above in enumerate(parent.tolist()):
        if above >= 0 and (best[node] > best[above]) is largest and best[node] != best[above]:
            best[above] = best[node]
    return np.array(best, dtype=np.float64)
