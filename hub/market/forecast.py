"""The supply arm's forecast of metering points that place no orders: integers, and only what is known at gate closure.

The gate of interval k + 1 closes when k begins, so the newest interval energy is that of k - 1: the forecast looks two
intervals ahead.
"""

import numpy as np

from hub.market.trades import Int64Array

METER_RESOLUTION_WH = 2


def available_net_export_wh(*, metered_wh: Int64Array, setpoint_wh: Int64Array, before_wh: Int64Array) -> Int64Array:
    """Return the net export that an interval is taken to have offered, shape (n_meters,), negative: import.

    That is what was metered, unless net export stood at its setpoint: then at least what the interval before offered.
    A limited interval taken at its word would end the congestion on paper, and the next interval but one would be
    cleared without the limit.

    :param setpoint_wh: limit of net export that held in the interval, -1 for none
    :param before_wh: what the interval before offered
    """
    assert metered_wh.shape == setpoint_wh.shape == before_wh.shape
    at_limit = (setpoint_wh >= 0) & (metered_wh + setpoint_wh // 100 + METER_RESOLUTION_WH >= setpoint_wh)
    return np.asarray(np.where(at_limit, np.maximum(metered_wh, before_wh), metered_wh), dtype=np.int64)


def forecast_net_export_wh(
    *, last_wh: Int64Array, before_wh: Int64Array, export_limit_wh: Int64Array, import_limit_wh: Int64Array
) -> Int64Array:
    """Return the expected net export two intervals after the last known one, shape (n_meters,), negative: import.

    A meter that exported in both known intervals follows its trend, damped by half: over two intervals that adds
    last - before once. Every other meter is expected to repeat its last energy, because a household's load
    quarter-hour by quarter-hour is noise rather than trend.

    :param last_wh: net export that the last known interval offered, shape (n_meters,)
    :param before_wh: net export of the interval before it
    :param export_limit_wh: most that a meter can export in an interval, >= 0
    :param import_limit_wh: most that a meter can import in an interval, >= 0
    """
    assert last_wh.shape == before_wh.shape == export_limit_wh.shape == import_limit_wh.shape
    exporting = (last_wh > 0) & (before_wh > 0)
    trend_wh = np.maximum(2 * last_wh - before_wh, 0)
    expected_wh = np.where(exporting, trend_wh, last_wh)
    return np.asarray(np.clip(expected_wh, -import_limit_wh, export_limit_wh), dtype=np.int64)
