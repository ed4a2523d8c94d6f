"""A sparse linear problem in whole numbers: what highs.py is handed and what it hands back."""

from dataclasses import dataclass, field

import numpy as np

from hub.market.price_rule import UNBOUNDED
from hub.market.trades import BoolArray, Int64Array

MICRO = 1_000_000


@dataclass(frozen=True)
class LinearProblem:
    """Minimise cost @ x with row_low <= rows <= row_high, lower <= x <= upper; +-UNBOUNDED means no bound.

    integer: whether the column must be whole. column_scale: the size of a typical value of the column; row_divisor:
    what each row is divided by; cost_divisor: what the objective is. They change no answer, they keep the solver's
    tolerances meaningful. entry_*: the matrix by row, column and whole number.
    """

    cost: Int64Array
    lower: Int64Array
    upper: Int64Array
    integer: BoolArray
    column_scale: Int64Array
    row_low: Int64Array
    row_high: Int64Array
    row_divisor: Int64Array
    entry_row: Int64Array
    entry_column: Int64Array
    entry_value: Int64Array
    cost_divisor: int


@dataclass(frozen=True)
class Optimal:
    """An optimum. value_micro: shape (n_columns,), millionths of the columns' unit. objective: cost @ x, rounded."""

    value_micro: Int64Array
    objective: int


@dataclass(frozen=True)
class Infeasible:
    """No values keep all rows and bounds."""


@dataclass
class ProblemBuilder:
    """Collects columns, rows and entries; numbers of columns and rows are handed out as they are added."""

    cost_divisor: int
    n_columns: int = 0
    n_rows: int = 0
    _columns: list[tuple[Int64Array, ...]] = field(default_factory=list)
    _rows: list[tuple[Int64Array, ...]] = field(default_factory=list)
    _entries: list[tuple[Int64Array, ...]] = field(default_factory=list)

    def add_columns(
        self,
        size: int,
        *,
        lower: Int64Array | int = 0,
        upper: Int64Array | int = UNBOUNDED,
        cost: Int64Array | int = 0,
        scale: int = 1,
        integer: Int64Array | int = 0,
    ) -> Int64Array:
        """Add `size` columns and return their numbers."""
        self._columns.append(tuple(_full(size, one) for one in (cost, lower, upper, scale, integer)))
        self.n_columns += size
        return np.arange(self.n_columns - size, self.n_columns)

    def add_rows(
        self,
        size: int,
        *,
        low: Int64Array | int = -UNBOUNDED,
        high: Int64Array | int = UNBOUNDED,
        divisor: Int64Array | int = 1,
    ) -> Int64Array:
        """Add `size` rows and return their numbers."""
        self._rows.append(tuple(_full(size, one) for one in (low, high, divisor)))
        self.n_rows += size
        return np.arange(self.n_rows - size, self.n_rows)

    def add_entries(self, rows: Int64Array, columns: Int64Array, value: Int64Array | int) -> None:
        """Add matrix entries; rows, columns and value are of one shape."""
        assert rows.shape == columns.shape
        self._entries.append((rows.ravel(), columns.ravel(), _full(rows.size, value)))

    def finished(self) -> LinearProblem:
        """Return the problem."""
        cost, lower, upper, scale, integer = _joined(self._columns, 5)
        low, high, divisor = _joined(self._rows, 3)
        entry_row, entry_column, entry_value = _joined(self._entries, 3)
        return LinearProblem(
            cost=cost,
            lower=lower,
            upper=upper,
            integer=np.asarray(integer > 0, dtype=np.bool_),
            column_scale=scale,
            row_low=low,
            row_high=high,
            row_divisor=divisor,
            entry_row=entry_row,
            entry_column=entry_column,
            entry_value=entry_value,
            cost_divisor=self.cost_divisor,
        )


def _full(size: int, value: Int64Array | int) -> Int64Array:
    return np.full(size, value, np.int64) if isinstance(value, int) else np.asarray(value, dtype=np.int64).ravel()


def _joined(chunks: list[tuple[Int64Array, ...]], width: int) -> list[Int64Array]:
    if not chunks:
        return [np.zeros(0, np.int64) for _ in range(width)]
    return [np.concatenate(column) for column in zip(*chunks, strict=True)]
