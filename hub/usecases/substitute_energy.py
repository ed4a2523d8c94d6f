"""Substitute gaps of a settled day again, by the rules in force and what came in late; say what must be re-settled.

While a day runs, a gap is bridged by the last known energy, so that every interval settles in time. Afterwards the
province's rules give each gap its shape (interpolation for short gaps, similar days, PV outside daylight 0) and late
registers give its sum. Energies that move by more than the tolerance replace what was settled on, under a new run; the
intervals are returned, and resettle_interval books their difference.
Sources: outside rules, section 9 (电量拟合); DESIGN 4 law 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from sqlmodel import Session

from edge.contract.interval import INTERVALS_PER_DAY, day_of_interval, first_interval_of_day, start_utc_s
from edge.contract.registry import MeterKind
from hub.market.trades import BoolArray, Int64Array, Violation
from hub.settlement.exact_shares import PPM
from hub.settlement.metering import MISSING
from hub.settlement.substitution.evidence import similar_day_wh
from hub.settlement.substitution.late_readings import check_substituted
from hub.settlement.substitution.rules import DayKind, SubstitutionRuleError, SubstitutionRules
from hub.settlement.substitution.series import Estimates, MeterSeries, SubstitutedSeries, no_estimates, substitute
from hub.store.bill_tables import SettledEnergyRow
from hub.store.bulk import insert_columns
from hub.usecases.load_county import CountyModel
from hub.usecases.measure_energy import EXPORT_COLUMN
from hub.usecases.settled_energy import energy_as_settled, last_energy_run, registers_wh


@dataclass(frozen=True)
class SubstitutedDay:
    """What substituting a day changed. intervals: to be settled again; moved: energies replaced.

    within_tolerance: channels of meters whose difference was left as it was settled.
    """

    intervals: tuple[int, ...]
    moved: int
    within_tolerance: int
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class SimilarDays:
    """Where the rule of the similar day looks. kind_of: what days must share; history_days: how far back."""

    kind_of: Callable[[date], DayKind]
    history_days: int


def substitute_day(
    session: Session,
    county: CountyModel,
    rules: SubstitutionRules,
    *,
    first: int,
    last: int,
    similar: SimilarDays | None = None,
) -> SubstitutedDay:
    """Replace the energies of a day that the rules in force and late registers move beyond the tolerance.

    :param rules: in force on the day (rules_in_force)
    :param first, last: the intervals of one operating day that were settled
    :param similar: where the rule of the similar day looks; None: nowhere, and only for whole days
    :raises SubstitutionRuleError: if the rules have no tolerance
    """
    assert day_of_interval(first) == day_of_interval(last)
    if rules.tolerance_ppm is None:
        where = f"substitution rules {rules.version_id!r} of province {rules.province!r}"
        raise SubstitutionRuleError(f"{where}: load tolerance_ppm, late readings are measured by it")
    series = _series(session, county, first, last)
    estimates = no_estimates(series)
    if similar is not None and last - first + 1 == INTERVALS_PER_DAY:
        estimates = _similar_days(session, county, day_of_interval(first), similar, estimates)
    found = substitute(series, estimates, rules)
    settled = [energy_as_settled(session, county, interval).energy for interval in range(first, last + 1)]
    settled_wh = np.stack([one.energy_wh for one in settled])
    was_estimated = np.stack([one.substituted for one in settled])
    moved, within = _beyond_tolerance(found, settled_wh, was_estimated, rules.tolerance_ppm)
    positions = np.flatnonzero(moved.any(axis=(1, 2))).tolist()
    for position in positions:
        _replace(session, first + position, found, position, moved[position])
    return SubstitutedDay(
        intervals=tuple(first + position for position in positions),
        moved=int(np.count_nonzero(moved)),
        within_tolerance=within,
        violations=tuple(check_substituted(series, found)),
    )


def _series(session: Session, county: CountyModel, first: int, last: int) -> MeterSeries:
    present = county.channel_present
    instants = range(first, last + 2)
    registers = [registers_wh(session, start_utc_s(one), present, with_late=True) for one in instants]
    is_plant = np.array([one.kind is MeterKind.GENERATOR and one.clean for one in county.registry.metering_points])
    is_pv = np.zeros(present.shape, np.bool_)
    is_pv[:, EXPORT_COLUMN] = is_plant
    return MeterSeries(first, np.stack(registers), present, is_pv)


def _similar_days(
    session: Session,
    county: CountyModel,
    day: date,
    similar: SimilarDays,
    nothing: Estimates,
) -> Estimates:
    history, kinds = [], []
    for back in range(similar.history_days, 0, -1):
        earlier = day - timedelta(days=back)
        begin = first_interval_of_day(earlier)
        history.append(_series(session, county, begin, begin + INTERVALS_PER_DAY - 1).register_wh)
        kinds.append(similar.kind_of(earlier))
    registers = np.stack(history)
    known = (registers[:, 1:] != MISSING) & (registers[:, :-1] != MISSING)
    measured = known & (np.diff(registers, axis=1) >= 0)
    energy = np.where(measured, np.diff(registers, axis=1), 0)
    found = similar_day_wh(energy, measured, kinds, similar.kind_of(day))
    return Estimates(found, nothing.area_balance_wh, nothing.same_area_output_wh)


def _beyond_tolerance(
    found: SubstitutedSeries, settled_wh: Int64Array, was_estimated: BoolArray, tolerance_ppm: int
) -> tuple[BoolArray, int]:
    """Return which energies move, and how many (meter, channel) differ within the tolerance.

    Of each meter and channel: sum |new - settled| against the new energy of what was estimated.
    """
    change_wh = np.abs(found.energy_wh - settled_wh)
    base_wh = np.where(was_estimated | found.substituted, found.energy_wh, 0).sum(axis=0)
    changed_wh = change_wh.sum(axis=0)
    beyond = np.array(
        [
            moved * PPM > tolerance_ppm * base
            for moved, base in zip(changed_wh.ravel().tolist(), base_wh.ravel().tolist(), strict=True)
        ],
        np.bool_,
    ).reshape(base_wh.shape)
    return (change_wh != 0) & beyond, int(np.count_nonzero((changed_wh > 0) & ~beyond))


def _replace(session: Session, interval: int, found: SubstitutedSeries, position: int, moved: BoolArray) -> None:
    meters, channels = np.nonzero(moved)
    places = zip(meters.tolist(), channels.tolist(), strict=True)
    flags = [found.flag(position, meter, channel) for meter, channel in places]
    insert_columns(
        session,
        SettledEnergyRow,
        {
            "interval": interval,
            "run": last_energy_run(session, interval) + 1,
            "meter": meters,
            "channel": channels,
            "energy_wh": found.energy_wh[position, meters, channels],
            "rule": flags,
        },
    )
