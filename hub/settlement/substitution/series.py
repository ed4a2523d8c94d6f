"""A series of registers to interval energies, each gap filled by the first rule that can, each energy flagged.

A gap that the registers close on both sides keeps their difference (law 4): the estimates give its shape and are scaled
to it by largest remainder. A gap that is still open is estimated as it stands and is provisional.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import assert_never

import numpy as np

from edge.contract.interval import position_in_day
from hub.market.trades import BoolArray, Int8Array, Int64Array
from hub.settlement.columns import read_only
from hub.settlement.exact_shares import split_exactly
from hub.settlement.metering import MISSING
from hub.settlement.money import divide_half_up
from hub.settlement.substitution.rules import GapRule, SubstitutionRules


@dataclass(frozen=True)
class MeterSeries:
    """Registers at successive instants, shape (n_instants, n_meters, n_channels), Wh, -1 missing.

    first_interval: the interval that begins at the first instant. present: whether a meter has a channel. is_pv:
    whether what the channel counts can only come from PV; both of shape (n_meters, n_channels).
    """

    first_interval: int
    register_wh: Int64Array
    present: BoolArray
    is_pv: BoolArray

    def __post_init__(self) -> None:
        assert self.register_wh.ndim == 3
        assert self.register_wh.shape[0] >= 2
        assert self.present.shape == self.is_pv.shape == self.register_wh.shape[1:]


@dataclass(frozen=True)
class Estimates:
    """Estimates by rule, shape (n_intervals, n_meters, n_channels) each, -1 where the source knows nothing."""

    similar_day_wh: Int64Array
    area_balance_wh: Int64Array
    same_area_output_wh: Int64Array


@dataclass(frozen=True)
class SubstitutedSeries:
    """Interval energies, shape (n_intervals, n_meters, n_channels) each, >= 0.

    rule: codes of GapRule. provisional: not measured, and no register has closed the gap yet. rules: the version used.
    """

    energy_wh: Int64Array
    rule: Int8Array
    provisional: BoolArray
    rules: SubstitutionRules

    @property
    def substituted(self) -> BoolArray:
        """Whether the energy was estimated by a rule."""
        return np.asarray(self.rule != GapRule.MEASURED, dtype=np.bool_)

    def flag(self, interval: int, meter: int, channel: int) -> str:
        """Return name and version of the rule behind one energy, "" if it was measured."""
        rule = GapRule(int(self.rule[interval, meter, channel]))
        return "" if rule is GapRule.MEASURED else self.rules.flag(rule)


def no_estimates(series: MeterSeries) -> Estimates:
    """Return estimates that know nothing."""
    nothing = np.full((series.register_wh.shape[0] - 1, *series.present.shape), MISSING, np.int64)
    return Estimates(nothing, nothing, nothing)


def substitute(series: MeterSeries, estimates: Estimates, rules: SubstitutionRules) -> SubstitutedSeries:
    """Return the energies of a series of registers (outside-rules section 9; DESIGN 4, law 4).

    A register below an earlier one is not believed and counts as missing. Channels that a meter does not have are
    measured as 0.
    """
    register = series.register_wh
    highest = np.maximum.accumulate(register, axis=0)
    known = (register != MISSING) & (register == highest) & series.present
    direct = known[1:] & known[:-1]
    energy_wh = np.where(direct, np.diff(register, axis=0), 0)
    rule = np.where(direct | ~series.present, GapRule.MEASURED, GapRule.NOT_FOUND).astype(np.int8)
    provisional = np.zeros(direct.shape, np.bool_)
    for meter, channel in np.argwhere(np.any(~direct & series.present, axis=0)).tolist():
        place = (slice(None), meter, channel)
        column = _Column(series, estimates, rules, meter, channel, known[place], energy_wh[place].copy())
        for start, stop in _gaps(direct[place], known[place]):
            filled_wh, used = _filled(column, start, stop)
            energy_wh[start:stop, meter, channel] = filled_wh
            rule[start:stop, meter, channel] = used
            provisional[start:stop, meter, channel] = not (known[start, meter, channel] and known[stop, meter, channel])
    return SubstitutedSeries(
        read_only(np.asarray(energy_wh, dtype=np.int64)), read_only(rule), read_only(provisional), rules
    )


@dataclass(frozen=True)
class _Column:
    """One channel of one meter, with all that its gaps are estimated from.

    known: by instant, whether there is a register that is believed; measured_wh: by interval, 0 where not measured.
    """

    series: MeterSeries
    estimates: Estimates
    rules: SubstitutionRules
    meter: int
    channel: int
    known: BoolArray
    measured_wh: Int64Array

    def of(self, source_wh: Int64Array, interval: int) -> int:
        """Return what a source says of one interval of this channel."""
        return int(source_wh[interval, self.meter, self.channel])

    def difference_wh(self, start: int, stop: int) -> int:
        """Return the register difference between two instants at which it is known."""
        register_wh = self.series.register_wh
        return self.of(register_wh, stop) - self.of(register_wh, start)


def _gaps(direct: BoolArray, known: BoolArray) -> Iterator[tuple[int, int]]:
    """Yield the gaps of intervals that are not measured, half-open; a known register inside closes one gap."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], direct, [True])).astype(np.int8)))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        inside = [instant for instant in range(first + 1, end) if known[instant]]
        yield from pairwise([first, *inside, end])


def _filled(column: _Column, start: int, stop: int) -> tuple[list[int], list[GapRule]]:
    """Return the energies and rules of a gap.

    If registers close it: the estimates scaled to their difference; where some intervals have no estimate these share
    evenly what the estimates leave, and where the estimates are all 0 everything is spread evenly.
    """
    estimated = [_estimate(column, (start, stop), interval) for interval in range(start, stop)]
    shape, used = [wh for wh, _ in estimated], [rule for _, rule in estimated]
    if not (column.known[start] and column.known[stop]):
        return shape, used
    difference_wh = column.difference_wh(start, stop)
    blank = [int(rule is GapRule.NOT_FOUND) for rule in used]
    if difference_wh and not any(shape) and not any(blank):
        return split_exactly(difference_wh, [1] * len(shape)), [GapRule.EVEN_SPLIT] * len(shape)
    left_wh = max(difference_wh - sum(shape), 0) if any(blank) else 0
    scaled, spread = split_exactly(difference_wh - left_wh, shape), split_exactly(left_wh, blank)
    rules: list[GapRule] = [GapRule.EVEN_SPLIT if rule is GapRule.NOT_FOUND else rule for rule in used]
    return [one + other for one, other in zip(scaled, spread, strict=True)], rules


def _estimate(column: _Column, gap: tuple[int, int], interval: int) -> tuple[int, GapRule]:
    """Return the estimate of the first rule, in the order in force, that can make one; 0 by NOT_FOUND if none can."""
    for rule in column.rules.order:
        estimate_wh = _by_rule(rule, column, gap, interval)
        if estimate_wh != MISSING:
            return estimate_wh, rule
    return 0, GapRule.NOT_FOUND


def _by_rule(rule: GapRule, column: _Column, gap: tuple[int, int], interval: int) -> int:
    match rule:
        case GapRule.INTERPOLATION:
            return _interpolated(column, gap, interval)
        case GapRule.PV_DARK:
            return _dark(column, interval)
        case GapRule.SIMILAR_DAY:
            return column.of(column.estimates.similar_day_wh, interval)
        case GapRule.AREA_BALANCE:
            return column.of(column.estimates.area_balance_wh, interval)
        case GapRule.SAME_AREA_OUTPUT:
            return column.of(column.estimates.same_area_output_wh, interval)
        case GapRule.MEASURED | GapRule.EVEN_SPLIT | GapRule.NOT_FOUND:
            raise AssertionError(f"{rule.name} is never chosen")
        case _:
            assert_never(rule)


def _interpolated(column: _Column, gap: tuple[int, int], interval: int) -> int:
    """Return e0 + (e1 - e0) j / (n + 1), half up, between the measured energies just before and after n intervals.

    n intervals lack n - 1 readings between two known registers; a gap of more than the limit is not interpolated, nor
    one at whose sides no energy is measured.
    """
    (start, stop), known, measured_wh = gap, column.known, column.measured_wh
    assert column.rules.missing_points_max is not None
    is_inside = start > 0 and stop < measured_wh.size
    if not is_inside or stop - start - 1 > column.rules.missing_points_max:
        return MISSING
    if not (known[start - 1 : start + 1].all() and known[stop : stop + 2].all()):
        return MISSING
    before, after = int(measured_wh[start - 1]), int(measured_wh[stop])
    return divide_half_up(before * (stop - interval) + after * (interval - start + 1), stop - start + 1)


def _dark(column: _Column, interval: int) -> int:
    """Return 0 for a PV channel outside daylight, -1 otherwise."""
    rules = column.rules
    assert rules.daylight_from is not None
    assert rules.daylight_until is not None
    position = position_in_day(column.series.first_interval + interval)
    is_light = rules.daylight_from <= position < rules.daylight_until
    return MISSING if is_light or not column.series.is_pv[column.meter, column.channel] else 0
