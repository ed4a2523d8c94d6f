"""Readings that come in late: what they change in energies that were settled on estimates (outside-rules section 9).

The series is substituted again with the late registers in place; a gap whose energy moves by no more than the
tolerance in force stays as it was settled. Both series sum to the same register difference, so law 4 holds either way.
"""

from dataclasses import dataclass, replace

import numpy as np

from hub.market.trades import BoolArray, Int64Array, Violation
from hub.settlement.columns import read_only
from hub.settlement.exact_shares import PPM
from hub.settlement.metering import MISSING
from hub.settlement.substitution.rules import SubstitutionRuleError
from hub.settlement.substitution.series import Estimates, MeterSeries, SubstitutedSeries, substitute


class LateReadingError(ValueError):
    """A late reading contradicts one that was known; the message names meter, channel and instant."""


@dataclass(frozen=True)
class LateCorrection:
    """What late readings change.

    settled: the series to settle from now on. moved: shape (n_intervals, n_meters, n_channels), whether its energy is
    another one than before, so that its interval is settled again. within_tolerance: number of (meter, channel) whose
    difference was left as it was.
    """

    settled: SubstitutedSeries
    moved: BoolArray
    within_tolerance: int

    @property
    def intervals(self) -> tuple[int, ...]:
        """Return the positions of the intervals to settle again, in order."""
        return tuple(np.flatnonzero(self.moved.any(axis=(1, 2))).tolist())


def with_late_readings(series: MeterSeries, late_wh: Int64Array) -> MeterSeries:
    """Return the series with the late registers in the places that were missing.

    :param late_wh: as series.register_wh, -1 where nothing came in
    :raises LateReadingError: if a known register would become another one
    """
    assert late_wh.shape == series.register_wh.shape
    came = late_wh != MISSING
    wrong = np.argwhere(came & (series.register_wh != MISSING) & (series.register_wh != late_wh))
    if wrong.size:
        instant, meter, channel = wrong[0].tolist()
        known, other = int(series.register_wh[instant, meter, channel]), int(late_wh[instant, meter, channel])
        what = f"meter {meter}, channel {channel}, instant {instant}: {known} Wh is known, {other} Wh came in late"
        raise LateReadingError(what)
    return replace(series, register_wh=read_only(np.where(came, late_wh, series.register_wh)))


def correct_late(settled: SubstitutedSeries, late: MeterSeries, estimates: Estimates) -> LateCorrection:
    """Return what is to be settled now that the late readings are in.

    Per meter and channel: sum |new - old| over the series against the new energy of the intervals that were estimated.
    Beyond the tolerance, or where a gap was provisional, the new energies stand; otherwise the old ones.

    :raises SubstitutionRuleError: if the rules in force have no tolerance
    """
    rules = settled.rules
    if rules.tolerance_ppm is None:
        where = f"substitution rules {rules.version_id!r} of province {rules.province!r}"
        raise SubstitutionRuleError(f"{where}: load tolerance_ppm, late readings are measured by it")
    again = substitute(late, estimates, rules)
    change_wh = np.abs(again.energy_wh - settled.energy_wh)
    base_wh = np.where(settled.substituted, again.energy_wh, 0).sum(axis=0)
    beyond = np.array(
        [
            moved * PPM > rules.tolerance_ppm * base
            for moved, base in zip(change_wh.sum(axis=0).ravel().tolist(), base_wh.ravel().tolist(), strict=True)
        ],
        np.bool_,
    ).reshape(base_wh.shape)
    follow = beyond | settled.provisional.any(axis=0)
    moved = (change_wh != 0) & follow
    return LateCorrection(
        settled=SubstitutedSeries(
            energy_wh=read_only(np.where(follow, again.energy_wh, settled.energy_wh)),
            rule=read_only(np.where(follow, again.rule, settled.rule)),
            provisional=read_only(np.where(follow, again.provisional, settled.provisional)),
            rules=rules,
        ),
        moved=read_only(moved),
        within_tolerance=int(np.count_nonzero((change_wh.sum(axis=0) > 0) & ~follow)),
    )


def check_substituted(series: MeterSeries, substituted: SubstitutedSeries) -> list[Violation]:
    """Law 4: between any two believed registers the energies sum to their difference, and none is negative."""
    register_wh = series.register_wh
    believed = (register_wh != MISSING) & (register_wh == np.maximum.accumulate(register_wh, axis=0)) & series.present
    total = np.concatenate((np.zeros((1, *series.present.shape), np.int64), substituted.energy_wh.cumsum(axis=0)))
    violations = [
        Violation(4, f"meter {meter}, channel {channel}, interval {interval}", "the energy is negative")
        for interval, meter, channel in np.argwhere(substituted.energy_wh < 0).tolist()
    ]
    for meter, channel in np.argwhere(series.present).tolist():
        instants = np.flatnonzero(believed[:, meter, channel])
        shown = np.diff(register_wh[instants, meter, channel])
        summed = np.diff(total[instants, meter, channel])
        violations += [
            Violation(
                4,
                f"meter {meter}, channel {channel}, instants {instants[row]} to {instants[row + 1]}",
                f"intervals sum to {summed[row]} Wh, registers differ by {shown[row]} Wh",
            )
            for row in np.flatnonzero(shown != summed).tolist()
        ]
    return violations
