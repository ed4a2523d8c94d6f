"""Robust linear regression of a time series: Huber's estimator, with standard errors that allow for autocorrelation.

Huber (1964), tuning constant 1.345 (95 % efficient at normal errors), scale by the median absolute deviation, fitted by
iterated weighted least squares; Newey and West (1987) for the covariance of what follows in time.
"""

from dataclasses import dataclass

import numpy as np

from grid_models.elements import FloatArray, freeze

_HUBER = 1.345
_SIGMA_PER_MAD = 1.4826
_PASSES_MAX = 50
_WEIGHT_TOLERANCE = 1e-4
_CONDITION_MAX = 1e8


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted line: slope and standard error of each column, the residuals, and their robust scale."""

    slope: FloatArray
    standard_error: FloatArray
    residual: FloatArray
    scale: float

    def __post_init__(self) -> None:
        freeze(self)


def robust_fit(columns: FloatArray, target: FloatArray, lags: int) -> Fit | None:
    """Return the robust fit of `target` by `columns`, or None where the columns cannot be told apart.

    :param columns: shape (n_rows, n_columns), none of them all zero, n_rows > n_columns; rows in the order of time
    :param target: shape (n_rows,)
    :param lags: over how many rows errors may hang together
    """
    assert columns.shape[0] == target.size > columns.shape[1]
    size = np.sqrt((columns**2).mean(axis=0))
    scaled = columns / size
    if np.linalg.cond(scaled) > _CONDITION_MAX:
        return None
    weight = np.ones(target.size)
    slope, residual, scale = np.zeros(scaled.shape[1]), target, 0.0
    for _ in range(_PASSES_MAX):
        weighted = scaled * weight[:, np.newaxis]
        slope = np.linalg.solve(scaled.T @ weighted, weighted.T @ target)
        residual = target - scaled @ slope
        scale = _SIGMA_PER_MAD * float(np.median(np.abs(residual - np.median(residual))))
        # A series that is fitted exactly has no scale: everything then weighs the same.
        bound = _HUBER * scale if scale > 0 else np.inf
        new_weight = np.minimum(1.0, bound / np.maximum(np.abs(residual), np.finfo(float).tiny))
        settled = np.abs(new_weight - weight).max() < _WEIGHT_TOLERANCE
        weight = new_weight
        if settled:
            break
    bread = np.linalg.inv(scaled.T @ (scaled * weight[:, np.newaxis]))
    variance = np.diag(bread @ _newey_west(scaled * (weight * residual)[:, np.newaxis], lags) @ bread)
    return Fit(slope / size, np.sqrt(np.maximum(variance, 0.0)) / size, residual, scale)


def _newey_west(scores: FloatArray, lags: int) -> FloatArray:
    """Return the sum of the scores' products over all pairs of rows up to `lags` apart, weighed 1 - lag / (lags + 1).

    Those weights are those with which moving sums of lags + 1 rows hold each pair.
    """
    total = np.cumsum(np.pad(scores, ((lags + 1, lags), (0, 0))), axis=0)
    moving = total[lags + 1 :] - total[: -lags - 1]
    return np.asarray(moving.T @ moving / (lags + 1), dtype=np.float64)
