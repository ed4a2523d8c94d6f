"""Substitute gaps of a settled day again, by the rules in force and what came in late; say what must be re-settled.

While a day runs, a gap is bridged by the last known energy, so that every interval settles in time. Afterwards the
province's rules give each gap its shape (interpolation for short gaps, similar days, PV outside daylight 0, the balance
of the transformer area, its other plants) and late registers give its sum. Energies that move by more than the
tolerance replace what was settled on, under a new run; the intervals are returned, and resettle_interval books their
difference.
Sources: outside rules, section 9 (电量拟合); DESIGN 4 law 4.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from sqlmodel import Session

from edge.contract.interval import INTERVALS_PER_DAY, day_of_interval, start_utc_s
from edge.contract.registry import MeterKind, UnitKind
from hub.market.trades import BoolArray, Int64Array, Violation
from hub.settlement.exact_shares import PPM, share_half_up
from hub.settlement.metering import MISSING
from hub.settlement.substitution.evidence import area_balance_wh, same_area_output_wh, similar_day_wh
from hub.settlement.substitution.late_readings import check_substituted
from hub.settlement.substitution.rules import DayKind, GapRule, SubstitutionRuleError, SubstitutionRules
from hub.settlement.substitution.series import Estimates, MeterSeries, SubstitutedSeries, no_estimates, substitute
from hub.store.bill_tables import SettledEnergyRow
from hub.store.bulk import insert_columns
from hub.usecases.load_county import CountyModel
from hub.usecases.measure_energy import EXPORT_COLUMN, IMPORT_COLUMN
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


def substitute_day(
    session: Session,
    county: CountyModel,
    rules: SubstitutionRules,
    *,
    first: int,
    last: int,
    kind_of: Callable[[date], DayKind | None] | None = None,
) -> SubstitutedDay:
    """Replace the energies of a day that the rules in force and late registers move beyond the tolerance.

    :param rules: in force on the day (rules_in_force)
    :param first, last: the intervals of one operating day that were settled
    :param kind_of: what similar days share, None for a day of which that is not known; needed where the rules look
        for similar days
    :raises SubstitutionRuleError: if the rules have no tolerance, or look for a day like one of an unknown kind
    """
    assert day_of_interval(first) == day_of_interval(last)
    if rules.tolerance_ppm is None:
        where = f"substitution rules {rules.version_id!r} of province {rules.province!r}"
        raise SubstitutionRuleError(f"{where}: load tolerance_ppm, late readings are measured by it")
    series = _series(session, county, first, last)
    found = substitute(series, _estimates(session, county, series, rules, kind_of), rules)
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


def _estimates(
    session: Session,
    county: CountyModel,
    series: MeterSeries,
    rules: SubstitutionRules,
    kind_of: Callable[[date], DayKind | None] | None,
) -> Estimates:
    """Return what the rules in the order estimate from; of the others nothing is looked up."""
    found = no_estimates(series)
    if GapRule.SIMILAR_DAY in rules.order:
        assert kind_of is not None, "who has rules of similar days knows the kinds of days"
        found = replace(found, similar_day_wh=_similar_days(session, county, series, rules, kind_of))
    if GapRule.AREA_BALANCE in rules.order:
        found = replace(found, area_balance_wh=_area_balance(county, series, rules))
    if GapRule.SAME_AREA_OUTPUT in rules.order:
        found = replace(found, same_area_output_wh=_same_area_output(county, series))
    return found


def _similar_days(
    session: Session,
    county: CountyModel,
    series: MeterSeries,
    rules: SubstitutionRules,
    kind_of: Callable[[date], DayKind | None],
) -> Int64Array:
    day, n_intervals = day_of_interval(series.first_interval), series.register_wh.shape[0] - 1
    kind = kind_of(day)
    assert rules.history_days is not None, "rules that look for similar days say how far"
    if kind is None:
        where = f"substitution rules {rules.version_id!r} on {day}"
        raise SubstitutionRuleError(f"{where}: it is no known kind of day; load the business days of {day.year}")
    energy, measured, kinds = [], [], []
    for back in range(rules.history_days, 0, -1):
        kind_then = kind_of(day - timedelta(days=back))
        if kind_then is not kind:
            continue
        begin = series.first_interval - back * INTERVALS_PER_DAY
        then_wh, was_measured = _measured(_series(session, county, begin, begin + n_intervals - 1))
        energy.append(then_wh)
        measured.append(was_measured)
        kinds.append(kind_then)
    if not kinds:
        return no_estimates(series).similar_day_wh
    return similar_day_wh(np.stack(energy), np.stack(measured), kinds, kind)


def _area_balance(county: CountyModel, series: MeterSeries, rules: SubstitutionRules) -> Int64Array:
    """Return what area summary, usual loss and the area's other market meters leave to the one that is missing."""
    energy, measured = _measured(series)
    net_wh = energy[:, :, IMPORT_COLUMN] - energy[:, :, EXPORT_COLUMN]
    said = np.asarray(measured | ~series.present, dtype=np.bool_)
    is_known = np.asarray(said[:, :, IMPORT_COLUMN] & said[:, :, EXPORT_COLUMN], dtype=np.bool_)
    n_intervals, n_units = net_wh.shape[0], len(county.units)
    inflow_wh, loss_wh = np.zeros((n_intervals, n_units), np.int64), np.zeros((n_intervals, n_units), np.int64)
    is_said = np.zeros((n_intervals, n_units), np.bool_)
    for number, unit in enumerate(county.units):
        summary = int(county.boundary_meter[number])
        if unit.kind is not UnitKind.AREA or summary < 0 or unit.unit_id not in (rules.usual_loss_ppm or {}):
            continue
        inflow_wh[:, number], is_said[:, number] = net_wh[:, summary], is_known[:, summary]
        share_ppm = (rules.usual_loss_ppm or {})[unit.unit_id]
        loss_wh[:, number] = [share_half_up(abs(wh), share_ppm) for wh in inflow_wh[:, number].tolist()]
    meters, area = _area_of_meters(county)
    of_area = area_balance_wh(
        inflow_wh=inflow_wh,
        loss_wh=loss_wh,
        net_load_wh=np.ascontiguousarray(net_wh[:, meters]),
        measured=np.ascontiguousarray(is_known[:, meters]),
        area=area,
    )
    found = no_estimates(series).area_balance_wh.copy()
    for column, channel in enumerate((IMPORT_COLUMN, EXPORT_COLUMN)):
        found[:, meters, channel] = np.where(is_said[:, area], of_area[:, :, column], MISSING)
    return found


def _same_area_output(county: CountyModel, series: MeterSeries) -> Int64Array:
    """Return each missing PV plant's output by that of the area's others, in proportion to what is installed."""
    energy, measured = _measured(series)
    meters, area = _area_of_meters(county)
    capacity_w = np.array([one.installed_capacity_w or 0 for one in county.registry.metering_points], np.int64)
    is_plant = series.is_pv[meters, EXPORT_COLUMN] & (capacity_w[meters] > 0)
    plants, area = meters[is_plant], area[is_plant]
    output_wh = same_area_output_wh(
        np.ascontiguousarray(energy[:, plants, EXPORT_COLUMN]),
        np.ascontiguousarray(measured[:, plants, EXPORT_COLUMN]),
        capacity_w[plants],
        area,
    )
    found = no_estimates(series).same_area_output_wh.copy()
    found[:, plants, EXPORT_COLUMN] = output_wh
    return found


def _area_of_meters(county: CountyModel) -> tuple[Int64Array, Int64Array]:
    """Return the market meters that stand in a transformer area, and the position of its unit, by position."""
    parent = {unit.unit_id: unit.parent_id for unit in county.units}
    areas = {unit.unit_id: number for number, unit in enumerate(county.units) if unit.kind is UnitKind.AREA}
    found: list[tuple[int, int]] = []
    for meter in county.market_meters.tolist():
        unit_id: str | None = county.registry.metering_points[meter].unit_id
        while unit_id is not None and unit_id not in areas:
            unit_id = parent[unit_id]
        if unit_id is not None:
            found.append((meter, areas[unit_id]))
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def _measured(series: MeterSeries) -> tuple[Int64Array, BoolArray]:
    """Return the energies that two registers say, 0 elsewhere, and where they do."""
    known = series.register_wh != MISSING
    difference_wh = np.diff(series.register_wh, axis=0)
    measured = known[1:] & known[:-1] & (difference_wh >= 0)
    return np.where(measured, difference_wh, 0), measured


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
