"""What the rules estimate from: similar days, the balance of an area, the output of its other plants.

Estimates have the shape of the series that they serve, Wh, -1 (MISSING) where a source knows nothing.
"""

from collections.abc import Sequence

import numpy as np

from hub.market.trades import BoolArray, Int64Array
from hub.settlement.columns import read_only
from hub.settlement.metering import MISSING
from hub.settlement.money import INT64_MAX, magnitude_max, sum_by_group
from hub.settlement.substitution.rules import DayKind


def similar_day_wh(
    history_wh: Int64Array, measured: BoolArray, history_kind: Sequence[DayKind], kind: DayKind
) -> Int64Array:
    """Return, for each interval and channel, its energy on the latest earlier day of the kind that measured it.

    :param history_wh: shape (n_days, n_intervals, n_meters, n_channels), the oldest day first
    :param measured: likewise; a substituted energy is no evidence for another
    :param history_kind: kind of each day
    :returns: shape (n_intervals, n_meters, n_channels), -1 where no such day is known
    """
    assert history_wh.shape == measured.shape
    assert len(history_kind) == history_wh.shape[0]
    found = np.full(history_wh.shape[1:], MISSING, np.int64)
    for day, one in enumerate(history_kind):
        if one is kind:
            found = np.where(measured[day], history_wh[day], found)
    return read_only(np.asarray(found, dtype=np.int64))


def area_balance_wh(
    *, inflow_wh: Int64Array, loss_wh: Int64Array, net_load_wh: Int64Array, measured: BoolArray, area: Int64Array
) -> Int64Array:
    """Return the net load of each meter that alone is missing in its area: inflow - usual loss - the others.

    :param inflow_wh: shape (n_intervals, n_areas), import less export of the area's boundary meter
    :param loss_wh: likewise, the loss that the area usually has at this load
    :param net_load_wh: shape (n_intervals, n_meters), import less export of each meter; ignored where not measured
    :param measured: likewise
    :param area: shape (n_meters,), the area of each meter
    :returns: shape (n_intervals, n_meters, 2), import and export, both -1 unless the meter alone is missing
    """
    n_intervals, n_meters = net_load_wh.shape
    found = np.full((n_intervals, n_meters, 2), MISSING, np.int64)
    for interval in range(n_intervals):
        known = measured[interval]
        others_wh = sum_by_group(net_load_wh[interval][known], area[known], inflow_wh.shape[1])
        n_missing = np.bincount(area[~known], minlength=inflow_wh.shape[1])
        alone = np.flatnonzero(~known & (n_missing[area] == 1))
        rest_wh = (inflow_wh[interval] - loss_wh[interval] - others_wh)[area[alone]]
        found[interval, alone, 0] = np.maximum(rest_wh, 0)
        found[interval, alone, 1] = np.maximum(-rest_wh, 0)
    return read_only(found)


def same_area_output_wh(
    output_wh: Int64Array, measured: BoolArray, capacity_w: Int64Array, area: Int64Array
) -> Int64Array:
    """Return each missing plant's capacity x (measured output / capacity) of its area, rounded half up to 1 Wh.

    :param output_wh: shape (n_intervals, n_plants), ignored where not measured
    :param capacity_w: shape (n_plants,), >= 0; area: shape (n_plants,)
    :returns: shape (n_intervals, n_plants), -1 where measured or where no plant of the area is
    :raises OverflowError: if a product could leave int64
    """
    n_areas = int(area.max(initial=-1)) + 1
    known_wh = np.where(measured, output_wh, 0)
    found = np.full(output_wh.shape, MISSING, np.int64)
    for interval in range(output_wh.shape[0]):
        known = measured[interval]
        energy = sum_by_group(known_wh[interval], area, n_areas)
        capacity = sum_by_group(capacity_w[known], area[known], n_areas)
        if 2 * magnitude_max(energy) * magnitude_max(capacity_w) > INT64_MAX:
            raise OverflowError("output x capacity leaves 64 bits")
        missing = np.flatnonzero(~known & (capacity[area] > 0))
        base = capacity[area[missing]]
        found[interval, missing] = (2 * energy[area[missing]] * capacity_w[missing] + base) // (2 * base)
    return read_only(found)
