"""DL/T 2041, hosting capacity of distributed generation: editions 2019 and 2025, as pure functions.

Power is MW in float64 where the standard's formulas work, and whole kW where figures are published: room is rounded
down and what uses room is rounded up, so that nothing is published that is not there; grades are taken from the
published figures. A rate is a fraction (0.8 is 80 %). Requirements rows 22, 137-140 and 164.

The formulas come from secondary sources and were not read in the standard itself. What two sources tell differently,
or only one tells, is a parameter: see Parameters2019, Parameters2025, ReverseLoadLimits, PlannedStorage, EDITIONS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import assert_never

import numpy as np

from grid_models.elements import FloatArray, Int64Array, freeze
from grid_models.standard_checks import CheckFailed, CheckNotAssessed, CheckOutcome, CheckPassed, every_check

KW_PER_MW = 1000
_KW_TOLERANCE = 1e-6  # 1 mW: a float that is whole but for its last digits stays whole
_RATE_TOLERANCE = 1e-9


class StandardError(ValueError):
    """An assessment that the standard cannot be applied to; the message says what is missing or out of range."""


# --- editions -------------------------------------------------------------------------------------------------------


class Edition(Enum):
    """Edition of the standard."""

    DLT_2041_2019 = "DL/T 2041-2019"
    DLT_2041_2025 = "DL/T 2041-2025"


@dataclass(frozen=True)
class EffectiveEdition:
    """An edition and the first day on which it applies; it applies until the next one does."""

    edition: Edition
    effective_from: date


EDITIONS = (
    EffectiveEdition(Edition.DLT_2041_2019, date(2019, 10, 1)),
    EffectiveEdition(Edition.DLT_2041_2025, date(2026, 1, 1)),
)
"""Which edition applies from when. The dates are not verified: a county that knows better passes its own."""


def edition_on(day: date, editions: Sequence[EffectiveEdition] = EDITIONS) -> Edition:
    """Return the edition that applies to an assessment made on `day`.

    :raises StandardError: if none does yet
    """
    in_force = [one for one in editions if one.effective_from <= day]
    if not in_force:
        raise StandardError(f"no edition of DL/T 2041 is in force on {day}")
    return max(in_force, key=lambda one: one.effective_from).edition


# --- published figures ----------------------------------------------------------------------------------------------


def whole_kw_down(p_mw: FloatArray) -> Int64Array:
    """Return the power in whole kW, rounded down: for room, which must not be overstated. Shape as given."""
    return np.floor(p_mw * KW_PER_MW + _KW_TOLERANCE).astype(np.int64)


def whole_kw_up(p_mw: FloatArray) -> Int64Array:
    """Return the power in whole kW, rounded up: for what is connected or registered. Shape as given."""
    return np.ceil(p_mw * KW_PER_MW - _KW_TOLERANCE).astype(np.int64)


# --- grades ---------------------------------------------------------------------------------------------------------


class Grade(Enum):
    """Grade of an element, from best to worst."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


_SEVERITY = {grade: severity for severity, grade in enumerate(Grade)}


def worst_grade(grades: Sequence[Grade]) -> Grade:
    """Return the worst of the grades, green if there are none."""
    return max(grades, key=_SEVERITY.__getitem__, default=Grade.GREEN)


def grades_in_tree(own: Sequence[Grade], parent: Sequence[int]) -> tuple[Grade, ...]:
    """Return the grades with the rule that a lower level is never better than its upper.

    The 2019 edition says so of grids; the 2025 edition says it of a red superior, and it is applied to yellow too.

    :param own: shape (n_units,), each unit's grade by its own figures
    :param parent: shape (n_units,), position of each unit's superior, -1 for none; superiors stand before their units
    """
    grades: list[Grade] = []
    for position, (grade, superior) in enumerate(zip(own, parent, strict=True)):
        assert superior < position, "a superior stands before its units"
        grades.append(grade if superior < 0 else worst_grade((grade, grades[superior])))
    return tuple(grades)


# --- reverse load ---------------------------------------------------------------------------------------------------


class Arrangement(Enum):
    """How the units of one element (a station's transformers, a feeder's bays) run."""

    SINGLE = "single"
    PARALLEL = "parallel"
    SPLIT = "split"


@dataclass(frozen=True)
class ReverseLoadLimits:
    """Permitted reverse load of a rating, by arrangement.

    parallel_n_minus_1: what the units that remain may carry after the largest one is lost; 1.0 gives the 0.5 that is
    told of two equal units, 0.8 would give 0.4.
    """

    single: float = 0.80
    split: float = 0.80
    parallel_n_minus_1: float = 1.00


def reverse_load_limit(
    arrangement: Arrangement, ratings_mva: Sequence[float], limits: ReverseLoadLimits | None = None
) -> float:
    """Return beta, the permitted reverse load as a fraction of the rating S of all units together.

    Parallel units: N-1, (n-1)/n x limit for n equal units; of unequal units the largest is the one that is lost.

    :param ratings_mva: rating of each unit
    :raises StandardError: if a rating is not positive, or a single unit is said to run in parallel or split
    """
    limits = limits or ReverseLoadLimits()
    total_mva = sum(ratings_mva)
    if not ratings_mva or not min(ratings_mva) > 0 or not np.isfinite(total_mva):
        raise StandardError(f"the ratings {list(ratings_mva)} MVA are not all positive")
    if arrangement is not Arrangement.SINGLE and len(ratings_mva) == 1:
        raise StandardError(f"one unit of {total_mva} MVA cannot run {arrangement.value}")
    match arrangement:
        case Arrangement.SINGLE:
            return limits.single
        case Arrangement.SPLIT:
            return limits.split
        case Arrangement.PARALLEL:
            return (total_mva - max(ratings_mva)) / total_mva * limits.parallel_n_minus_1
    assert_never(arrangement)


def reverse_load_rate(*, p_dg_mw: FloatArray, p_load_mw: FloatArray, s_e_mva: FloatArray) -> FloatArray:
    """Return lambda = (P_DG - P_load) / S_e, the reverse load as a fraction of the rating; negative: it imports.

    P_DG: output of distributed generation behind the element. P_load: load behind it. S_e: its rating. Shapes
    broadcast, so P_DG and P_load may have a row for each hour; lambda_max is then the maximum over them.
    The 2025 edition calls it the reverse load rate: reverse active power / rated capacity.
    """
    return (p_dg_mw - p_load_mw) / s_e_mva


@dataclass(frozen=True)
class ReverseFlow:
    """What one element's reverse power comes to. rate: of the rating. is_alert: above the limit.

    into_high_voltage: some of it goes up into the high-voltage grid (110 kV and above by default).
    """

    rate: float
    is_alert: bool
    into_high_voltage: bool


def reverse_flow(
    *, p_reverse_mw: float, s_rated_mva: float, upper_kv: float, beta: float = 0.80, high_voltage_from_kv: float = 110.0
) -> ReverseFlow:
    """Return R_rev = P_rev / S_rated and whether it calls for an alert (R_rev > beta). Requirements rows 22 and 139.

    P_rev: active power up through the element, negative while it imports. S_rated: its rating. beta: permitted R_rev.

    :param upper_kv: nominal voltage of its upper side
    """
    rate = p_reverse_mw / s_rated_mva
    return ReverseFlow(
        rate=rate,
        is_alert=rate > beta + _RATE_TOLERANCE,
        into_high_voltage=p_reverse_mw > 0 and upper_kv >= high_voltage_from_kv,
    )


def reverse_power_limit_mw(s_rated_mva: FloatArray, beta: FloatArray) -> FloatArray:
    """Return the permitted reverse power beta * S_rated, shape (n_units,): 504 kW of 630 kVA (row 22)."""
    return beta * s_rated_mva


# --- edition 2019 ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameters2019:
    """Parameters of the 2019 edition.

    k_r: share of the rating that may be used. yellow_above, red_above: reverse load rates. red_from_kv: reverse power
    into this nominal voltage and above is red directly.
    """

    k_r: float = 0.8
    yellow_above: float = 0.0
    red_above: float = 0.8
    red_from_kv: float = 220.0


def additional_capacity_mw(*, lambda_max: FloatArray, s_e_mva: FloatArray, k_r: float) -> FloatArray:
    """Return P_m = (1 - lambda_max) * S_e * k_r, the generation that can still be added, at least 0. Shape (n_units,).

    lambda_max: largest reverse load rate of the period assessed. S_e: rating. k_r: share of the rating that is used.
    """
    return np.maximum((1.0 - lambda_max) * s_e_mva * k_r, 0.0)


def grade_2019(
    *, lambda_max: float, upper_kv: float, checks: Sequence[CheckOutcome], parameters: Parameters2019
) -> Grade:
    """Return an element's own grade by the 2019 edition.

    Red: reverse power into 220 kV and above, lambda_max > 80 %, or a failed check. Green: lambda_max <= 0 and all
    checks passed. Yellow: between; also where a check was not assessed, for green asks that it was passed.

    :param lambda_max: largest reverse load rate of the period assessed
    :param upper_kv: nominal voltage of the element's upper side
    """
    into_upper_grid = lambda_max > _RATE_TOLERANCE and upper_kv >= parameters.red_from_kv
    too_much = lambda_max > parameters.red_above + _RATE_TOLERANCE
    by_rate = Grade.YELLOW if lambda_max > parameters.yellow_above + _RATE_TOLERANCE else Grade.GREEN
    by_checks = [_grade_of_check(check) for check in every_check(checks)]
    return worst_grade((Grade.RED if into_upper_grid or too_much else by_rate, *by_checks))


def _grade_of_check(outcome: CheckOutcome) -> Grade:
    match outcome:
        case CheckPassed():
            return Grade.GREEN
        case CheckNotAssessed():
            return Grade.YELLOW
        case CheckFailed():
            return Grade.RED
    assert_never(outcome)


# --- edition 2025 ---------------------------------------------------------------------------------------------------


class PlannedStorage(Enum):
    """Where planned storage stands in the device formula; two sources tell it differently (clause 6.3)."""

    IN_NUMERATOR = "in_numerator"
    AFTER_DIVISION = "after_division"


@dataclass(frozen=True)
class Parameters2025:
    """Parameters of the 2025 edition.

    tau_max: largest simultaneous output of distributed generation / its installed capacity, measured in the county,
    0 < tau_max <= 1. power_factor: cos(theta) of the reverse power.
    """

    tau_max: float
    power_factor: float
    planned_storage: PlannedStorage = PlannedStorage.IN_NUMERATOR
    reverse_load_limits: ReverseLoadLimits = ReverseLoadLimits()

    def __post_init__(self) -> None:
        for name, value in (("tau_max", self.tau_max), ("power_factor", self.power_factor)):
            if not 0 < value <= 1:
                raise StandardError(f"{name} {value} is not above 0 and at most 1")


@dataclass(frozen=True, eq=False)
class DeviceConditions:
    """What the device formula takes, shape (n_units,) each.

    p_mw: P, load at the typical noon (a working day in spring or autumn). p_g_mw: P_G, generation other than
    distributed at that noon. s_mva: S, rating. beta: permitted reverse load rate, see reverse_load_limit.
    p_ess_mw: P_ESS, charging power of the storage that stands. dp_ess_min_mw, dp_ess_max_mw: range of dP_ESS, charging
    power of planned storage.
    """

    p_mw: FloatArray
    p_g_mw: FloatArray
    s_mva: FloatArray
    beta: FloatArray
    p_ess_mw: FloatArray
    dp_ess_min_mw: FloatArray
    dp_ess_max_mw: FloatArray

    def __post_init__(self) -> None:
        freeze(self)
        if (self.dp_ess_min_mw > self.dp_ess_max_mw).any():
            raise StandardError("the range of planned storage has its ends exchanged")


@dataclass(frozen=True, eq=False)
class CapacityInterval:
    """Hosting capacity without and with all planned storage, shape (n_units,) each; low <= high."""

    low_mw: FloatArray
    high_mw: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


def device_capacity_mw(conditions: DeviceConditions, parameters: Parameters2025) -> CapacityInterval:
    """Return S_d = (P - P_G + beta S cos(theta) + P_ESS + dP_ESS) / tau_max over the range of dP_ESS, at least 0.

    S_d: distributed generation that a device can carry, what is connected included. cos(theta): power factor of the
    reverse power. tau_max: largest simultaneous output / installed capacity. The other symbols: DeviceConditions.
    Where dP_ESS stands is a parameter (PlannedStorage).
    """
    fixed_mw = (
        conditions.p_mw
        - conditions.p_g_mw
        + conditions.beta * conditions.s_mva * parameters.power_factor
        + conditions.p_ess_mw
    ) / parameters.tau_max
    low_mw = fixed_mw + storage_gain_mw(conditions.dp_ess_min_mw, parameters)
    high_mw = fixed_mw + storage_gain_mw(conditions.dp_ess_max_mw, parameters)
    return CapacityInterval(low_mw=np.maximum(low_mw, 0.0), high_mw=np.maximum(high_mw, 0.0))


def storage_gain_mw(dp_ess_mw: FloatArray, parameters: Parameters2025) -> FloatArray:
    """Return dS = dP_ESS / tau_max, what planned storage adds to a device's capacity. Requirements row 140.

    dP_ESS: its charging power, shape (n_units,). With PlannedStorage.AFTER_DIVISION dS = dP_ESS.
    """
    match parameters.planned_storage:
        case PlannedStorage.IN_NUMERATOR:
            return dp_ess_mw / parameters.tau_max
        case PlannedStorage.AFTER_DIVISION:
            return dp_ess_mw
    assert_never(parameters.planned_storage)


def county_capacity_kw(device_sum_kw: int, system_share_kw: int | None) -> int:
    """Return a county's capacity: the lesser of the sum over its devices and its share of the system's capacity.

    :param system_share_kw: from the yearly system calculation; None where there is none yet: the devices alone decide
    """
    return device_sum_kw if system_share_kw is None else min(device_sum_kw, system_share_kw)


@dataclass(frozen=True, eq=False)
class AccessibleCapacity:
    """C1 and C2 of each element, shape (n_units,), whole kW, negative where too much is connected or registered."""

    c1_kw: Int64Array
    c2_kw: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


def accessible_capacity_kw(
    *, capacity_kw: Int64Array, connected_kw: Int64Array, registered_kw: Int64Array
) -> AccessibleCapacity:
    """Return C1 = S_d - connected and C2 = C1 - registered.

    :param capacity_kw: S_d, its lower bound, rounded down
    :param connected_kw: installed distributed generation, rounded up
    :param registered_kw: registered but not connected yet, rounded up
    """
    c1_kw = capacity_kw - connected_kw
    return AccessibleCapacity(c1_kw=c1_kw, c2_kw=c1_kw - registered_kw)


def grade_2025(*, c1_kw: int, c2_kw: int, checks: Sequence[CheckOutcome] = ()) -> Grade:
    """Return an element's own grade by the 2025 edition: green C2 > 0, yellow C2 <= 0 < C1, red C1 <= 0.

    A capacity of 0.000 MW is therefore red (requirements row 164). An element that fails a check is red as well; a
    check that was not assessed is shown and changes nothing, for this edition's grade asks for none.
    """
    by_capacity = Grade.RED if c1_kw <= 0 else Grade.YELLOW if c2_kw <= 0 else Grade.GREEN
    failed = any(isinstance(check, CheckFailed) for check in checks)
    return Grade.RED if failed else by_capacity


# --- what an applicant can have ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OpenCapacity:
    """What can be connected at each element, its superiors considered; shape (n_units,) each.

    c1_kw, c2_kw: the least C1 and C2 of the element and its superiors, at least 0, and 0 where the element is red.
    grade: with the superiors'. limited_by: position of the element on the way up that decides: the worst grade, then
    the least C2, then the nearest.
    """

    c1_kw: Int64Array
    c2_kw: Int64Array
    grade: tuple[Grade, ...]
    limited_by: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


def open_capacity(capacity: AccessibleCapacity, own: Sequence[Grade], parent: Sequence[int]) -> OpenCapacity:
    """Return what can be connected at each element.

    A published 0.000 MW of C1 and a red grade come together, always (requirements row 164).

    :param capacity: C1 and C2 of each element by its own figures
    :param own: grade of each element by its own figures, red where C1 <= 0
    :param parent: shape (n_units,), as in grades_in_tree
    """
    grade = grades_in_tree(own, parent)
    c1_kw, c2_kw = capacity.c1_kw.copy(), capacity.c2_kw.copy()
    limited_by = np.arange(c1_kw.size)
    key = [(_SEVERITY[each], -int(room)) for each, room in zip(own, c2_kw, strict=True)]
    for position, superior in enumerate(parent):
        assert own[position] is Grade.RED or capacity.c1_kw[position] > 0, "no room is red"
        if superior < 0:
            continue
        c1_kw[position] = min(c1_kw[position], c1_kw[superior])
        c2_kw[position] = min(c2_kw[position], c2_kw[superior])
        if key[superior] > key[position]:
            key[position], limited_by[position] = key[superior], limited_by[superior]
    is_red = np.array([each is Grade.RED for each in grade], dtype=np.bool_)
    c1_kw[is_red] = c2_kw[is_red] = 0
    return OpenCapacity(np.maximum(c1_kw, 0), np.maximum(c2_kw, 0), grade, limited_by)
