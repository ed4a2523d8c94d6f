"""How far the agency pool's forecasts were off, by version and in the mean (requirements row 171).

Versions are never changed, so each keeps its own error; what counts is the version in force when the month's purchase
closed. Errors are in millionths of the actual energy, rounded half up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from hub.market.listing.agency_purchase import (
    CorrectionReason,
    ForecastVersion,
    forecast_in_force,
    mean_absolute_error_ppm,
)


@dataclass(frozen=True)
class ForecastError:
    """One version's error. deviation_wh: actual less forecast; is_in_force: whether the purchase rested on it."""

    month: int
    made_on: date
    reason: CorrectionReason
    forecast_wh: int
    deviation_wh: int
    error_ppm: int
    is_in_force: bool


@dataclass(frozen=True)
class ForecastReport:
    """mean_absolute_error_ppm: MAPE = mean(|F - A| / A) over the months' versions in force, None without any.

    missing: months with an actual energy and no version in force at their closing, in order.
    """

    errors: tuple[ForecastError, ...]
    mean_absolute_error_ppm: int | None
    missing: tuple[int, ...]


def forecast_report(
    versions: Sequence[ForecastVersion], actual_wh: Mapping[int, int], closed_on: Mapping[int, date]
) -> ForecastReport:
    """Return every version's error, and the mean of those that purchases rested on (row 171).

    :param actual_wh: the pool's metered energy by month, > 0
    :param closed_on: by month, the day on which its purchase closed
    """
    errors, pairs, missing = [], [], []
    for month, actual in sorted(actual_wh.items()):
        chosen = forecast_in_force(versions, month, closed_on[month])
        if chosen is None:
            missing.append(month)
        else:
            pairs.append((chosen.energy_wh, actual))
        for version in versions:
            if version.month == month:
                error = mean_absolute_error_ppm([(version.energy_wh, actual)])
                assert error is not None, "one pair has a mean"
                errors.append(
                    ForecastError(
                        month,
                        version.made_on,
                        version.reason,
                        version.energy_wh,
                        actual - version.energy_wh,
                        error,
                        version is chosen,
                    )
                )
    return ForecastReport(tuple(errors), mean_absolute_error_ppm(pairs), tuple(missing))
