"""Decomposition curves: a contract's energy to months, days and periods, exactly, by largest remainder (row 47).

A curve is given as shares or as energies. Shares split top down: energy to months, a month's energy to its days
evenly, a day's energy to its periods; each time in whole steps, the odd steps to the largest remainders, ties to the
earlier part. A take's curve is its share of what is left of the listing's curve, so the takes of a listing and what
stays open sum to the listing in every period, and no rounding can exceed what the listing occupies.
"""

from typing import Annotated

import msgspec
import numpy as np

from edge.contract.interval import INTERVALS_PER_DAY
from hub.market.listing.outcomes import RefusalReason
from hub.market.listing.session_calendar import Delivery, month_slices
from hub.market.pro_rata import largest_remainder, largest_remainder_by_group
from hub.market.trades import Int64Array

Weight = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
PartWh = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class Shares(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="shares", tag_field="kind"):
    """Weights. month_weights: one a delivery month, () for the number of days of each in the delivery.

    period_weights: of the parts of each day, () for a flat day; their number divides the session's periods a day.
    """

    month_weights: tuple[Weight, ...] = ()
    period_weights: tuple[Weight, ...] = ()


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="parts", tag_field="kind"):
    """Energies, Wh: one a period of the delivery, in order of time."""

    parts_wh: tuple[PartWh, ...]


Curve = Shares | Parts


def decompose(
    energy_wh: int, delivery: Delivery, curve: Curve, *, periods_per_day: int, step_wh: int
) -> Int64Array | RefusalReason:
    """Return the energy of each period of the delivery, Wh, or why the curve cannot be used.

    :param energy_wh: > 0, whole steps
    :returns: shape (days x periods_per_day,), each in whole steps, sum = energy_wh
    """
    if isinstance(curve, Parts):
        return _given_parts(energy_wh, curve, delivery.days * periods_per_day, step_wh)
    slices = list(month_slices(delivery))
    days_of_month = np.array([one.until_position - one.from_position for one in slices], np.int64)
    month_weights = np.array(curve.month_weights, np.int64) if curve.month_weights else days_of_month
    period_weights = np.array(curve.period_weights or (1,), np.int64)
    if month_weights.size != days_of_month.size or periods_per_day % period_weights.size:
        return RefusalReason.CURVE_LENGTH
    if not month_weights.any() or not period_weights.any():
        return RefusalReason.CURVE_EMPTY
    days = delivery.days
    month_of_day = np.repeat(np.arange(days_of_month.size), days_of_month)
    day_weights = np.ones(days, np.int64)
    weights_of_day = np.repeat(period_weights, periods_per_day // period_weights.size)
    steps = np.array([energy_wh // step_wh], np.int64)
    by_month = split(steps, month_weights, np.zeros(month_weights.size, np.int64)) if len(slices) > 1 else steps
    by_day = split(by_month, day_weights, month_of_day) if days > 1 else by_month
    by_period = split(by_day, np.tile(weights_of_day, days), np.repeat(np.arange(days), periods_per_day))
    return by_period * step_wh


def split(total: Int64Array, weight: Int64Array, group: Int64Array) -> Int64Array:
    """Split each group's total in proportion to its rows' weights by largest remainder, ties to the earlier row.

    Unlike `largest_remainder_by_group`, a total may exceed its weights: the weights are multiplied until it does not,
    which changes no quotient and no order of remainders.

    :param total: shape (n_groups,), >= 0; weight, group: shape (n_rows,); a group with a total has a weight
    :returns: shape (n_rows,)
    """
    weight_sum = np.zeros(total.size, np.int64)
    np.add.at(weight_sum, group, weight)
    factor = -(-total // np.maximum(weight_sum, 1))
    scaled = weight * np.maximum(factor, 1)[group]
    return largest_remainder_by_group(total, scaled, group, np.arange(weight.size))


def take_from(open_wh: Int64Array, energy_wh: int, *, step_wh: int) -> Int64Array:
    """Return the part of an open curve that a take of `energy_wh` gets, pro rata in whole steps, never above it.

    :param open_wh: shape (n_periods,), whole steps, sum >= energy_wh
    """
    tie = np.arange(open_wh.size)
    return largest_remainder(energy_wh // step_wh, open_wh // step_wh, tie) * step_wh


def by_interval(periods_wh: Int64Array, *, periods_per_day: int) -> Int64Array:
    """Return the energy of each 15-minute interval, even inside a period; a step divides by the intervals of one."""
    intervals = INTERVALS_PER_DAY // periods_per_day
    return np.repeat(periods_wh // intervals, intervals)


def _given_parts(energy_wh: int, curve: Parts, periods: int, step_wh: int) -> Int64Array | RefusalReason:
    if len(curve.parts_wh) != periods:
        return RefusalReason.CURVE_LENGTH
    if any(part % step_wh for part in curve.parts_wh):
        return RefusalReason.CURVE_OFF_STEP
    if sum(curve.parts_wh) != energy_wh:
        return RefusalReason.CURVE_SUM
    return np.array(curve.parts_wh, np.int64)
