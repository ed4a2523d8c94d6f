"""Robust regression: known slopes, outliers that do not move them, and the covariance by its definition."""

import numpy as np
import pytest

from grid_models.robust_regression import _newey_west, robust_fit


def test_outliers_hardly_move_the_slopes() -> None:
    random = np.random.default_rng(0)
    columns = np.column_stack([random.gamma(2, 50, 600), random.gamma(2, 80, 600), np.ones(600)])
    truth = np.array([0.4, 0.0, 12.0])
    target = columns @ truth + random.normal(0, 5, 600)
    target[::20] += 400
    fit = robust_fit(columns, target, lags=4)
    assert fit is not None
    assert np.abs(fit.slope - truth) == pytest.approx(0, abs=1.0)
    assert np.abs(fit.slope[:2] - truth[:2]).max() < 0.01
    least_squares = np.linalg.lstsq(columns, target, rcond=None)[0]
    assert abs(least_squares[2] - 12) > 10 * abs(fit.slope[2] - 12)
    assert fit.scale == pytest.approx(5, rel=0.2)


def test_standard_errors_are_those_of_many_repetitions() -> None:
    random = np.random.default_rng(1)
    slopes, errors = [], []
    level = np.repeat(random.gamma(2, 50, 60), 6)  # goes along for six rows, as the errors do
    columns = np.column_stack([level, np.ones(level.size)])
    for _ in range(300):
        noise = np.repeat(random.normal(0, 5, 60), 6) + random.normal(0, 1, level.size)
        fit = robust_fit(columns, columns @ np.array([0.3, 2.0]) + noise, lags=8)
        assert fit is not None
        slopes.append(fit.slope[0])
        errors.append(fit.standard_error[0])
    assert np.mean(slopes) == pytest.approx(0.3, abs=3 * np.std(slopes) / 300**0.5)
    # Its weights fall with the lag, so that it stays somewhat below the truth; errors taken for independent, far below.
    assert 0.6 < np.mean(errors) / np.std(slopes) < 1.1
    independent = np.sqrt((5**2 + 1) / (level.size * level.var()))
    assert independent < 0.5 * np.std(slopes)


def test_the_covariance_is_newey_and_wests() -> None:
    scores = np.random.default_rng(2).normal(size=(40, 3))
    expected = scores.T @ scores
    for lag in range(1, 6):
        cross = scores[lag:].T @ scores[:-lag]
        expected += (1 - lag / 6) * (cross + cross.T)
    np.testing.assert_allclose(_newey_west(scores, 5), expected, rtol=1e-12)


def test_columns_that_cannot_be_told_apart_have_no_fit() -> None:
    first = np.random.default_rng(3).normal(size=50)
    assert robust_fit(np.column_stack([first, 2 * first]), first, lags=2) is None


def test_an_exact_line_is_fitted_exactly() -> None:
    columns = np.column_stack([np.arange(1.0, 21.0), np.ones(20)])
    fit = robust_fit(columns, columns @ np.array([2.0, -1.0]), lags=2)
    assert fit is not None
    np.testing.assert_allclose(fit.slope, [2.0, -1.0], atol=1e-9)
