"""Which hours of a long period can be a bus's worst: the margins of every limit over all hours, and linear responses.

One AC power flow an hour gives the margin of every limit: how far a voltage may rise or fall, how much more current may
be pushed through a branch, one way or the other, by a plant of the power factor asked for. The KEPT smallest margins of
each limit and their hours are kept, nothing dense. By the linear response to a plant at bus b (a column of the inverse
of the admittance matrix, at the voltages of one reference hour), limit e is reached at r = margin / response. The hours
that can be b's worst are those in which a limit with r up to ELEMENT_RATIO times the least has nearly its own smallest
margin (up to MARGIN_RATIO times it).

That is a choice, not a proof: responses change with the hour's voltages, and no more than KEPT hours are kept for a
limit. hosting_year solves the hours chosen and proves what it says by full AC power flows of every hour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from grid_models.admittance import ComplexArray
from grid_models.elements import FloatArray, Int64Array
from grid_models.hosting_limits import NetworkLimits
from grid_models.power_flow import PowerFlow

KEPT: Final = 4
ELEMENT_RATIO: Final = 1.5
MARGIN_RATIO: Final = 1.05
_MARGIN_TIE: Final = 1e-6  # pu, or share of a rated current
_MARGIN_MIN: Final = 1e-12
_NEARNESS_MIN: Final = 1e-9  # per MW; below it a limit does not notice the plant
_VALUES_PER_BLOCK: Final = 6_000_000


@dataclass(eq=False)
class KeptMargins:
    """The smallest margins so far of each limit, ascending, and their rows (-1: none yet), shape (n_limits, KEPT).

    Limits: each node's voltage upwards, each node's downwards, then the current of each branch at its from end along
    the way into it, against it, and so at its to end. reference_v: state of the row with the highest voltages on
    average. peak, peak_row: the worst of the rows, without any plant: each node's highest voltage, then minus its
    lowest, then each branch's highest loading; shape (2 n_nodes + n_branches,).
    """

    margin: FloatArray
    row: Int64Array
    peak: FloatArray
    peak_row: Int64Array
    reference_v: ComplexArray
    reference_row: int


class Screening:
    """Margins and responses of one network for plants of one power factor.

    :param direction: power of a plant per MW
    """

    def __init__(self, power_flow: PowerFlow, limits: NetworkLimits, direction: complex) -> None:
        self._model = power_flow.model
        self._limits = limits
        self._direction = direction
        self._end_nodes = (self._model.branches.from_node, self._model.branches.to_node)
        self._n_limits = 2 * self._model.n_nodes + 4 * len(self._model.branches)

    def rows_per_block(self) -> int:
        """Return how many rows are best taken at once."""
        return max(1, _VALUES_PER_BLOCK // self._n_limits)

    def nothing_kept(self) -> KeptMargins:
        """Return the start of a period."""
        return KeptMargins(
            margin=np.full((self._n_limits, KEPT), np.inf),
            row=np.full((self._n_limits, KEPT), -1, dtype=np.int64),
            peak=np.full(2 * self._model.n_nodes + len(self._model.branches), -np.inf),
            peak_row=np.full(2 * self._model.n_nodes + len(self._model.branches), -1, dtype=np.int64),
            reference_v=np.full(self._model.n_nodes, np.nan + 0j),
            reference_row=-1,
        )

    def take(self, kept: KeptMargins, v: ComplexArray, rows: Int64Array) -> None:
        """Take in some rows, later than those so far; of equal margins the earlier row stays first.

        :param v: their voltages, (n_rows, n_nodes)
        """
        by_node = np.ascontiguousarray(v.T)
        vm, currents = np.abs(by_node), [matrix @ by_node for matrix in self._limits.current_matrices]
        loading = np.maximum(*map(np.abs, currents))
        _take_peaks(kept, (vm, -vm, loading), rows)
        margins = self._margins(by_node, vm, currents, loading)
        changed = np.flatnonzero(margins.min(axis=1) < kept.margin[:, -1])
        every = np.concatenate([kept.margin[changed], margins[changed]], axis=1)
        every_row = np.concatenate([kept.row[changed], np.broadcast_to(rows, (changed.size, rows.size))], axis=1)
        order = np.argsort(every, axis=1, kind="stable")[:, :KEPT]
        kept.margin[changed] = np.take_along_axis(every, order, axis=1)
        kept.row[changed] = np.take_along_axis(every_row, order, axis=1)
        level = np.abs(v).mean(axis=1)
        best = int(level.argmax())
        if kept.reference_row < 0 or level[best] > np.abs(kept.reference_v).mean():
            kept.reference_v, kept.reference_row = v[best].copy(), int(rows[best])

    def worst_rows(self, kept: KeptMargins, nodes: Int64Array) -> Iterator[tuple[int, Int64Array]]:
        """Yield each node's number in `nodes` and the rows that can be its worst, ascending.

        A node that no limit answers gets the reference row.
        """
        n_nodes, v = self._model.n_nodes, kept.reference_v
        free = np.setdiff1d(np.arange(n_nodes), self._model.source_node)
        position = np.full(n_nodes, -1)
        position[free] = np.arange(free.size)
        matrix = self._model.matrix.tocsr()[free][:, free].tocsc()
        inverse = scipy.sparse.linalg.splu(matrix)
        nearness = _Nearness(self._limits, kept, self._turns(v, self._end_nodes))
        for start in range(0, nodes.size, self.rows_per_block()):
            some = nodes[start : start + self.rows_per_block()]
            current = np.zeros((free.size, some.size), dtype=np.complex128)
            inside = np.flatnonzero(position[some] >= 0)
            current[position[some[inside]], inside] = np.conj(self._direction / v[some[inside]])
            change = np.zeros((n_nodes, some.size), dtype=np.complex128)
            change[free] = inverse.solve(current)
            for number, limits in nearness.limits_of(change):
                yield start + number, _rows_of(kept, limits)

    def _margins(
        self, v: ComplexArray, vm: FloatArray, currents: Sequence[ComplexArray], loading: FloatArray
    ) -> FloatArray:
        """Return every limit's margin, (n_limits, n_states), in states that are columns; limits none below them."""
        high, low = self._limits.of_voltages(vm.T)
        permitted = self._limits.of_loading(loading)
        parts = [high.T - vm, vm - low.T]
        for current, turn in zip(currents, self._turns(v, self._end_nodes), strict=True):
            # |along + m + i across| = permitted gives the margin m along a plant's current, and against it.
            turned = current * turn
            reach = np.sqrt(np.maximum(permitted**2 - turned.imag**2, 0.0))
            parts += [reach - turned.real, reach + turned.real]
        return np.concatenate(parts)

    def _turns(self, v: ComplexArray, ends: Sequence[Int64Array]) -> list[ComplexArray]:
        """Return by what a current at each branch end is turned so that a plant's current there is real."""
        turn = self._direction / abs(self._direction) * np.conj(v / np.abs(v))
        return [turn[end] for end in ends]


class _Nearness:
    """How near to each limit a plant comes, as response over margin."""

    def __init__(self, limits: NetworkLimits, kept: KeptMargins, turns: Sequence[ComplexArray]) -> None:
        v = kept.reference_v
        self._n_nodes, self._n_branches = v.size, turns[0].size
        self._unit = np.conj(v / np.abs(v))[:, np.newaxis]
        self._matrices = [
            scipy.sparse.diags(turn) @ matrix for turn, matrix in zip(turns, limits.current_matrices, strict=True)
        ]
        inverse = 1 / np.maximum(kept.margin[:, 0], _MARGIN_MIN)
        n, m = self._n_nodes, self._n_branches
        cuts = np.cumsum([n, n, m, m, m])
        self._inverse = [part[:, np.newaxis] for part in np.split(inverse, cuts)]

    def limits_of(self, change: ComplexArray) -> Iterator[tuple[int, Int64Array]]:
        """Yield each plant's number and the limits that it comes near to.

        :param change: of the voltages per MW of each plant, (n_nodes, n_plants)
        """
        responses = [(change * self._unit).real, *((matrix @ change).real for matrix in self._matrices)]
        near = [
            np.where(response > 0, response * self._inverse[2 * part], -response * self._inverse[2 * part + 1])
            for part, response in enumerate(responses)
        ]
        nearest = np.maximum.reduce([part.max(axis=0, initial=0.0) for part in near])
        first = [0, 2 * self._n_nodes, 2 * self._n_nodes + 2 * self._n_branches]
        found: list[list[Int64Array]] = [[] for _plant in nearest]
        for part, values in enumerate(near):
            element, plant = np.nonzero((values * ELEMENT_RATIO >= nearest) & (values > _NEARNESS_MIN))
            against = responses[part][element, plant] <= 0
            limit = first[part] + element + np.where(against, len(values), 0)
            for number in np.unique(plant).tolist():
                found[number].append(limit[plant == number])
        for number, limits in enumerate(found):
            yield number, np.concatenate([np.zeros(0, dtype=np.int64), *limits])


def _take_peaks(kept: KeptMargins, values: Sequence[FloatArray], rows: Int64Array) -> None:
    """Keep the highest values and their rows; of equals the earlier row."""
    start = 0
    for part in values:
        at = part.argmax(axis=1)
        peak = part[np.arange(len(part)), at]
        higher = np.flatnonzero(peak > kept.peak[start : start + len(part)])
        kept.peak[start + higher], kept.peak_row[start + higher] = peak[higher], rows[at[higher]]
        start += len(part)


def _rows_of(kept: KeptMargins, limits: Int64Array) -> Int64Array:
    """Return the rows in which the limits have nearly their smallest margins; the reference row for no limits."""
    margin, least = kept.margin[limits], kept.margin[limits, :1]
    near = margin <= np.maximum(MARGIN_RATIO * least, least + _MARGIN_TIE)
    rows = np.unique(kept.row[limits][near])
    rows = rows[rows >= 0]
    return rows if rows.size else np.array([kept.reference_row], dtype=np.int64)
