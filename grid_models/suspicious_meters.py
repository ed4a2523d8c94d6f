"""Meters whose readings cannot be right, found from the loss of transformer areas: theft, and the wrong area.

What an area loses beyond the computed loss (`AreaLossSeries.residual_wh`) is regressed, robustly, on what its meters
register. An honest meter's slope is 0 within its accuracy class. A meter that registers the share 1 - s of the truth
has the slope s / (1 - s); one that registers a constant too little shows as a step wherever it registers anything; one
that the summary meter does not see has the slope -1, and +1 in the area that really feeds it.

z: by how many standard errors a slope lies beyond what is permitted. It grows with the length of the period.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

import numpy as np

from grid_models.area_loss import AreaLossSeries, AreaReadings
from grid_models.elements import BoolArray, FloatArray, Names
from grid_models.robust_regression import Fit, robust_fit

_ALIKE_CORRELATION = 0.9995


class TheftKind(Enum):
    """How a meter registers too little."""

    SHARE = "share"
    OFFSET = "offset"


@dataclass(frozen=True)
class SuspicionCriteria:
    """From when a meter is suspected.

    slope_tolerance: slope that the accuracy classes of meter and summary meter explain. offset_tolerance_w: the same
    for a constant. z_min: see the module. rows_per_unknown: intervals needed for each unknown of the regression.
    lags: intervals over which errors may hang together. zero_share_min: a step is looked for only where a meter
    registers nothing, and registers something, in this share of the intervals at least. explained_share_min: share of
    the area's residual energy that the suspected meters must explain together, less the share residual_tolerance of
    the energy supplied, which accuracy classes explain.
    """

    slope_tolerance: float = 0.03
    offset_tolerance_w: float = 20.0
    z_min: float = 5.0
    rows_per_unknown: int = 6
    lags: int = 8
    zero_share_min: float = 0.05
    explained_share_min: float = 0.5
    residual_tolerance: float = 0.01
    interval_minutes: int = 15


@dataclass(frozen=True)
class MeterSlope:
    """What the regression says of the meters whose readings go alike (one, as a rule): Wh of loss per Wh registered."""

    meters: Names
    slope: float
    standard_error: float


@dataclass(frozen=True)
class TheftSuspicion:
    """Meters (one, as a rule) that register too little: share of the true energy (SHARE) or power (OFFSET) missing.

    missing_wh: over the period. OFFSET: what is lost when the meter registers nothing is counted with it, for nobody
    can tell it from what else is lost all the time.
    """

    area: str
    meters: Names
    kind: TheftKind
    missing_share: float
    missing_w: float
    missing_wh: float
    z: float
    evidence: str


@dataclass(frozen=True)
class WrongAreaSuspicion:
    """A meter whose energy does not come from the area it is registered in; better_area: "" where none explains it.

    The residuals are sums of absolute values over the intervals of both areas, before and after moving the meter.
    """

    area: str
    meter: str
    better_area: str
    slope_here: float
    slope_there: float
    residual_before_wh: float
    residual_after_wh: float
    z: float
    evidence: str


@dataclass(frozen=True)
class AreaFindings:
    """What an area's residual says of its meters.

    theft: most certain first. doubtful: the same, where those suspected explain too little of the residual together:
    something else takes most of it, such as a tap without a meter, and makes honest meters look alike. slopes: of all
    meters judged, highest first. unattributed_w: constant loss that no meter explains. unjudged: meters of which
    nothing can be said, and why.
    """

    area: str
    theft: tuple[TheftSuspicion, ...]
    doubtful: tuple[TheftSuspicion, ...]
    slopes: tuple[MeterSlope, ...]
    unattributed_w: float
    unjudged: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NothingToSay:
    """An area whose readings allow no judgement, and why."""

    area: str
    reason: str


AreaOutcome: TypeAlias = AreaFindings | NothingToSay


@dataclass(frozen=True, eq=False)
class AreaCase:
    """The readings of an area and its loss, interval by interval."""

    readings: AreaReadings
    series: AreaLossSeries

    def __post_init__(self) -> None:
        assert self.series.usable.shape == self.readings.complete.shape, "the series is of these readings"


@dataclass(frozen=True)
class _Regressors:
    """Columns of the regression: groups of meters alike, then steps of single meters, then the constant."""

    columns: FloatArray
    groups: tuple[Names, ...]
    steps: Names
    unjudged: tuple[tuple[str, str], ...]


def suspect_theft(case: AreaCase, criteria: SuspicionCriteria | None = None) -> AreaOutcome:
    """Return which meters of an area register too little, most certain first."""
    limits = criteria or SuspicionCriteria()
    area, usable = case.readings.area, case.series.usable
    regressors = _regressors(case.readings, usable, limits)
    fit = _fitted(regressors.columns, case.series.residual_wh[usable], limits)
    if fit is None:
        return NothingToSay(area, _too_little(int(usable.sum()), regressors, limits))
    slopes = [
        MeterSlope(meters, float(fit.slope[row]), float(fit.standard_error[row]))
        for row, meters in enumerate((*regressors.groups, *((name,) for name in regressors.steps)))
    ]
    energy_wh = regressors.columns.sum(axis=0)
    constant_wh = float(fit.slope[-1])
    theft = []
    for row, slope in enumerate(slopes):
        if row < len(regressors.groups):
            found = _by_share(area, slope, float(energy_wh[row]), limits)
        else:
            found = _by_offset(area, slope, regressors.columns[:, row], constant_wh, limits)
        theft += [found] if found is not None else []
    theft.sort(key=lambda each: -each.z)
    residual_wh = float(case.series.residual_wh[usable].sum())
    residual_wh -= limits.residual_tolerance * float(case.series.supplied_wh[usable].sum())
    enough = sum(each.missing_wh for each in theft) >= limits.explained_share_min * residual_wh
    return AreaFindings(
        area=area,
        theft=tuple(theft) if enough else (),
        doubtful=() if enough else tuple(theft),
        slopes=tuple(sorted(slopes[: len(regressors.groups)], key=lambda each: -each.slope)),
        unattributed_w=constant_wh * 60 / limits.interval_minutes,
        unjudged=regressors.unjudged,
    )


def suspect_wrong_area(
    cases: Sequence[AreaCase], criteria: SuspicionCriteria | None = None
) -> tuple[WrongAreaSuspicion, ...]:
    """Return which meters another area feeds, most certain first; all cases are of the same intervals.

    A meter is suspected where its slope lies clearly below -1/2, and moved where its slope in another area lies clearly
    above +1/2 and moving it lowers the residuals of both.
    """
    limits = criteria or SuspicionCriteria()
    suspicions = []
    for case in cases:
        regressors = _regressors(case.readings, case.series.usable, limits)
        fit = _fitted(regressors.columns, case.series.residual_wh[case.series.usable], limits)
        if fit is None:
            continue
        for row, meters in enumerate(regressors.groups):
            slope = MeterSlope(meters, float(fit.slope[row]), float(fit.standard_error[row]))
            if len(meters) == 1 and _z(-slope.slope - 0.5, slope.standard_error) >= limits.z_min:
                moves = [_moved_to(case, there, slope, limits) for there in cases if there is not case]
                good = [move for move in moves if move is not None]
                suspicions.append(max(good, key=lambda each: each.z) if good else _fed_from_elsewhere(case, slope))
    return tuple(sorted(suspicions, key=lambda each: -each.z))


def suspect_meters(
    cases: Sequence[AreaCase], criteria: SuspicionCriteria | None = None
) -> tuple[tuple[WrongAreaSuspicion, ...], tuple[AreaOutcome, ...]]:
    """Return the meters in wrong areas, and of each area what its residual says of theft once those are moved.

    Energy that an area's summary meter sees and none of its meters registers would put honest meters under suspicion.
    """
    wrong = suspect_wrong_area(cases, criteria)
    return wrong, tuple(suspect_theft(_with_moved(case, cases, wrong), criteria) for case in cases)


def _with_moved(case: AreaCase, cases: Sequence[AreaCase], wrong: Sequence[WrongAreaSuspicion]) -> AreaCase:
    """Return the case with the residual it would have if the suspected meters stood where they belong."""
    readings_of = {each.readings.area: each.readings for each in cases}
    residual_wh, import_wh = case.series.residual_wh.copy(), case.readings.import_wh.copy()
    for each in wrong:
        energy_wh = _net_wh(readings_of[each.area], each.meter)
        if each.area == case.readings.area:
            residual_wh += energy_wh
            import_wh[:, case.readings.meter.index(each.meter)] = 0
        elif each.better_area == case.readings.area:
            residual_wh -= energy_wh
    return AreaCase(replace(case.readings, import_wh=import_wh), replace(case.series, residual_wh=residual_wh))


def _fitted(columns: FloatArray, target: FloatArray, limits: SuspicionCriteria) -> Fit | None:
    if len(columns) < limits.rows_per_unknown * columns.shape[1]:
        return None
    return robust_fit(columns, target, limits.lags)


def _too_little(n_rows: int, regressors: _Regressors, limits: SuspicionCriteria) -> str:
    needed = limits.rows_per_unknown * regressors.columns.shape[1]
    if n_rows < needed:
        return f"{n_rows} intervals with all readings; {needed} are needed"
    return "the readings of its meters cannot be told apart"


def _regressors(readings: AreaReadings, usable: BoolArray, limits: SuspicionCriteria) -> _Regressors:
    energy_wh = readings.import_wh[usable].astype(np.float64)
    unjudged: list[tuple[str, str]] = []
    judged = []
    for meter, name in enumerate(readings.meter):
        values = energy_wh[:, meter]
        if not values.any():
            unjudged.append((name, "registers nothing"))
        elif np.ptp(values) == 0:
            unjudged.append((name, "registers the same in every interval"))
        else:
            judged.append(meter)
    groups = _alike(energy_wh, judged)
    unjudged += [
        (readings.meter[meter], "its readings go alike with those of others; judged with them")
        for group in groups
        if len(group) > 1
        for meter in group
    ]
    on_share = (energy_wh > 0).mean(axis=0) if len(energy_wh) else np.zeros(len(readings.meter))
    steps = [meter for meter in judged if limits.zero_share_min <= on_share[meter] <= 1 - limits.zero_share_min]
    columns = [energy_wh[:, group].sum(axis=1) for group in groups]
    columns += [(energy_wh[:, meter] > 0).astype(np.float64) for meter in steps]
    columns.append(np.ones(len(energy_wh)))
    return _Regressors(
        columns=np.stack(columns, axis=1),
        groups=tuple(tuple(readings.meter[meter] for meter in group) for group in groups),
        steps=tuple(readings.meter[meter] for meter in steps),
        unjudged=tuple(unjudged),
    )


def _alike(energy_wh: FloatArray, judged: list[int]) -> list[list[int]]:
    """Return the meters in groups whose readings are proportional: no regression tells them apart."""
    if not judged:
        return []
    correlation = np.atleast_2d(np.corrcoef(energy_wh[:, judged], rowvar=False))
    groups: list[list[int]] = []
    placed: set[int] = set()
    for row, meter in enumerate(judged):
        if meter not in placed:
            group = [judged[each] for each in np.flatnonzero(correlation[row] > _ALIKE_CORRELATION)]
            groups.append([each for each in group if each not in placed])
            placed.update(group)
    return groups


def _z(excess: float, standard_error: float) -> float:
    if standard_error > 0:
        return excess / standard_error
    return math.inf if excess > 0 else -math.inf


def _by_share(area: str, slope: MeterSlope, registered_wh: float, limits: SuspicionCriteria) -> TheftSuspicion | None:
    z = _z(slope.slope - limits.slope_tolerance, slope.standard_error)
    if z < limits.z_min:
        return None
    return TheftSuspicion(
        area=area,
        meters=slope.meters,
        kind=TheftKind.SHARE,
        missing_share=slope.slope / (1 + slope.slope),
        missing_w=0.0,
        missing_wh=slope.slope * registered_wh,
        z=z,
        evidence=(
            f"area {area} loses {slope.slope:.3f} Wh beyond the computed loss with each Wh that {_listed(slope.meters)}"
            f" registers (standard error {slope.standard_error:.4f}); the accuracy classes explain"
            f" {limits.slope_tolerance:.3f}"
        ),
    )


def _by_offset(
    area: str, step: MeterSlope, on: FloatArray, constant_wh: float, limits: SuspicionCriteria
) -> TheftSuspicion | None:
    """Judge a step: more Wh of loss in each interval in which the meter registers anything (`on` is 1, else 0)."""
    per_hour = 60 / limits.interval_minutes
    step_w, error_w = step.slope * per_hour, step.standard_error * per_hour
    z = _z(step_w - limits.offset_tolerance_w, error_w)
    if z < limits.z_min:
        return None
    constant_wh = max(constant_wh, 0.0)
    return TheftSuspicion(
        area=area,
        meters=step.meters,
        kind=TheftKind.OFFSET,
        missing_share=0.0,
        missing_w=(step.slope + constant_wh) * per_hour,
        missing_wh=step.slope * float(on.sum()) + constant_wh * on.size,
        z=z,
        evidence=(
            f"area {area} loses {step_w:.0f} W more beyond the computed loss whenever {_listed(step.meters)} registers"
            f" anything (standard error {error_w:.1f} W)"
        ),
    )


def _fed_from_elsewhere(here: AreaCase, slope: MeterSlope) -> WrongAreaSuspicion:
    """Return the suspicion of a meter that no other area explains."""
    meter, area = slope.meters[0], here.readings.area
    usable = here.series.usable
    residual_wh = here.series.residual_wh[usable]
    return WrongAreaSuspicion(
        area=area,
        meter=meter,
        better_area="",
        slope_here=slope.slope,
        slope_there=0.0,
        residual_before_wh=float(np.abs(residual_wh).sum()),
        residual_after_wh=float(np.abs(residual_wh + _net_wh(here.readings, meter)[usable]).sum()),
        z=_z(-slope.slope - 0.5, slope.standard_error),
        evidence=(
            f"the summary meter of {area} does not see what {meter} registers (slope {slope.slope:.3f}, -1 for a meter"
            " fed from elsewhere); no other area explains it"
        ),
    )


def _moved_to(
    here: AreaCase, there: AreaCase, slope: MeterSlope, limits: SuspicionCriteria
) -> WrongAreaSuspicion | None:
    """Return the suspicion that the area `there` feeds the meter, None where it does not explain it."""
    meter = slope.meters[0]
    usable = here.series.usable & there.series.usable
    energy_wh = _net_wh(here.readings, meter)[usable]
    columns = np.column_stack([energy_wh, _regressors(there.readings, usable, limits).columns])
    fit = _fitted(columns, there.series.residual_wh[usable], limits)
    if fit is None:
        return None
    z_there = _z(float(fit.slope[0]) - 0.5, float(fit.standard_error[0]))
    here_wh, there_wh = here.series.residual_wh[usable], there.series.residual_wh[usable]
    before_wh = [float(np.abs(residual).sum()) for residual in (here_wh, there_wh)]
    after_wh = [float(np.abs(residual).sum()) for residual in (here_wh + energy_wh, there_wh - energy_wh)]
    if z_there < limits.z_min or after_wh[0] >= before_wh[0] or after_wh[1] >= before_wh[1]:
        return None
    area_here, area_there, slope_there = here.readings.area, there.readings.area, float(fit.slope[0])
    return WrongAreaSuspicion(
        area=area_here,
        meter=meter,
        better_area=area_there,
        slope_here=slope.slope,
        slope_there=slope_there,
        residual_before_wh=sum(before_wh),
        residual_after_wh=sum(after_wh),
        z=min(_z(-slope.slope - 0.5, slope.standard_error), z_there),
        evidence=(
            f"the summary meter of {area_here} does not see what {meter} registers (slope {slope.slope:.3f}), that of"
            f" {area_there} does (slope {slope_there:.3f}); moving it lowers the absolute residual of {area_here} from"
            f" {before_wh[0]:.0f} to {after_wh[0]:.0f} Wh and of {area_there} from {before_wh[1]:.0f} to"
            f" {after_wh[1]:.0f} Wh"
        ),
    )


def _net_wh(readings: AreaReadings, meter: str) -> FloatArray:
    """Return what a meter draws less what it feeds in, Wh per interval; 0 where there is no reading."""
    column = readings.meter.index(meter)
    net_wh = readings.import_wh[:, column] - readings.export_wh[:, column]
    return np.where(readings.metered[:, column], net_wh, 0).astype(np.float64)


def _listed(meters: Names) -> str:
    return " or ".join(meters)
