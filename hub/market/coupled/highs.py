"""The one file of the market that holds floats: hands a sparse problem to HiGHS as arrays, returns whole numbers.

One thread, a fixed seed and no gap, so that the same problem has the same answer.
"""

import highspy
import numpy as np
import numpy.typing as npt

from hub.market.coupled.linear_problem import MICRO, Infeasible, LinearProblem, Optimal
from hub.market.price_rule import UNBOUNDED
from hub.market.trades import Int64Array

_FEASIBILITY_TOLERANCE = 1e-9
_OPTIONS: tuple[tuple[str, bool | int | float | str], ...] = (
    ("output_flag", False),
    ("threads", 1),
    ("random_seed", 0),
    ("mip_rel_gap", 0.0),
    ("mip_abs_gap", 0.0),
    ("primal_feasibility_tolerance", _FEASIBILITY_TOLERANCE),
    ("dual_feasibility_tolerance", _FEASIBILITY_TOLERANCE),
    ("mip_feasibility_tolerance", _FEASIBILITY_TOLERANCE),
)
_ROW_WISE, _MINIMISE = 2, 1


class HighsError(RuntimeError):
    """HiGHS ended without an optimum and without showing that there is none; the text says how."""


def solve(problem: LinearProblem) -> Optimal | Infeasible:
    """Return the optimum of the problem, or that it has none.

    :raises HighsError: if HiGHS ends in any other way
    """
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, setting in _OPTIONS:
        solver.setOptionValue(option, setting)
    n_columns, n_rows = problem.cost.size, problem.row_low.size
    scale = problem.column_scale.astype(np.float64)
    divisor = problem.row_divisor.astype(np.float64)
    start, index, value = _row_wise(problem, scale, divisor)
    solver.passModel(
        n_columns,
        n_rows,
        value.size,
        _ROW_WISE,
        _MINIMISE,
        0.0,
        problem.cost * scale / problem.cost_divisor,
        _bounds(problem.lower) / scale,
        _bounds(problem.upper) / scale,
        _bounds(problem.row_low) / divisor,
        _bounds(problem.row_high) / divisor,
        start,
        index,
        value,
        problem.integer.astype(np.int32),
    )
    solver.run()
    status = solver.getModelStatus()
    if status in {highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible}:
        return Infeasible()
    if status not in {highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty}:
        raise HighsError(f"HiGHS ended with {solver.modelStatusToString(status)}")
    values = np.array(solver.getSolution().col_value, np.float64) * scale
    return Optimal(
        value_micro=_whole(values * MICRO),
        objective=round(solver.getInfo().objective_function_value * problem.cost_divisor),
    )


def _row_wise(
    problem: LinearProblem, scale: npt.NDArray[np.float64], divisor: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the scaled matrix in compressed rows; entries of one place are summed."""
    key = problem.entry_row * max(problem.cost.size, 1) + problem.entry_column
    places, position = np.unique(key, return_inverse=True)
    row, column = np.divmod(places, max(problem.cost.size, 1))
    value = np.zeros(places.size, np.float64)
    np.add.at(value, position, problem.entry_value.astype(np.float64))
    start = np.searchsorted(row, np.arange(problem.row_low.size + 1))
    return start.astype(np.int32), column.astype(np.int32), value * scale[column] / divisor[row]


def _bounds(bound: Int64Array) -> npt.NDArray[np.float64]:
    """Return bounds as floats, infinite where there is none."""
    as_float = bound.astype(np.float64)
    as_float[bound >= UNBOUNDED] = np.inf
    as_float[bound <= -UNBOUNDED] = -np.inf
    return as_float


def _whole(values: npt.NDArray[np.float64]) -> Int64Array:
    return np.rint(values).astype(np.int64)
