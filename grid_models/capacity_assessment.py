"""An assessment of hosting capacity by DL/T 2041: a tree of units and their conditions to the county's list.

Every condition is given for what stands in a unit itself, not in the units below it, and is summed up the tree here, so
that levels agree; losses in between are left out. Only what a unit's edge carries is given for the edge.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, assert_never

import numpy as np

from grid_models.capacity_list import CapacityEntry, CapacityFeature
from grid_models.capacity_units import CapacityUnits
from grid_models.elements import FloatArray, Int64Array, Names, freeze
from grid_models.standard_2041 import (
    AccessibleCapacity,
    Arrangement,
    DeviceConditions,
    Edition,
    Grade,
    Parameters2019,
    Parameters2025,
    StandardError,
    accessible_capacity_kw,
    additional_capacity_mw,
    county_capacity_kw,
    device_capacity_mw,
    grade_2019,
    grade_2025,
    open_capacity,
    reverse_flow,
    reverse_load_limit,
    reverse_load_rate,
    whole_kw_down,
    whole_kw_up,
)
from grid_models.standard_checks import Check, CheckOutcome, check_word, every_check

Parameters: TypeAlias = Parameters2019 | Parameters2025
"""The parameters say which edition is applied."""


@dataclass(frozen=True, eq=False)
class UnitConditions:
    """What the assessment takes for each unit, shape (n_units,) each; power >= 0 but for reverse_max_mw.

    Of the unit itself: connected_mw, registered_mw: installed distributed generation, connected, and registered only.
    load_mw, other_generation_mw: load and other than distributed generation at the typical noon. storage_mw: charging
    power of the storage that stands; planned_storage_min_mw, planned_storage_max_mw: range of that of planned storage.
    Of the unit's edge: reverse_max_mw: largest active power to the parent in the period, negative if it always imports,
    NaN if not known; arrangement: how the edge's elements run; checks: outcomes, none for a check nobody made.
    """

    connected_mw: FloatArray
    registered_mw: FloatArray
    load_mw: FloatArray
    other_generation_mw: FloatArray
    storage_mw: FloatArray
    planned_storage_min_mw: FloatArray
    planned_storage_max_mw: FloatArray
    reverse_max_mw: FloatArray
    arrangement: tuple[Arrangement, ...]
    checks: tuple[tuple[CheckOutcome, ...], ...]

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, eq=False)
class UnitHosting:
    """Hosting capacity of each unit by AC power flow, shape (n_units,): further generation; NaN: not computed.

    element, limit: what binds, "" where nothing was computed.
    """

    p_mw: FloatArray
    element: Names
    limit: Names

    def __post_init__(self) -> None:
        freeze(self)


def no_hosting(n_units: int) -> UnitHosting:
    """Return that no hosting capacity was computed."""
    return UnitHosting(np.full(n_units, np.nan), ("",) * n_units, ("",) * n_units)


def usual_arrangement(units: CapacityUnits) -> tuple[Arrangement, ...]:
    """Return single for edges of one element, parallel for those of several: that is how topology finds them."""
    return tuple(Arrangement.PARALLEL if len(names) > 1 else Arrangement.SINGLE for names in units.elements)


def edition_of(parameters: Parameters) -> Edition:
    """Return the edition that the parameters belong to."""
    match parameters:
        case Parameters2019():
            return Edition.DLT_2041_2019
        case Parameters2025():
            return Edition.DLT_2041_2025
    assert_never(parameters)


def assess_units(
    units: CapacityUnits,
    conditions: UnitConditions,
    *,
    parameters: Parameters,
    assessed_at: str,
    system_share_mw: float | None = None,
    hosting: UnitHosting | None = None,
) -> tuple[CapacityFeature, ...]:
    """Return the county's list, in the order of the units.

    :param parameters: of the edition to apply; the 2019 edition knows neither storage nor a share of the system and
        takes no load, for its reverse load rate is measured at the edge
    :param assessed_at: local time, as it is to be published
    :param system_share_mw: the county's share of the system's capacity, None where it was not computed
    :raises StandardError: if a condition that the edition needs is missing or out of range, naming the unit
    """
    _refuse_impossible(units, conditions)
    connected_kw = whole_kw_up(summed_up(conditions.connected_mw, units.parent))
    registered_kw = whole_kw_up(summed_up(conditions.registered_mw, units.parent))
    beta = _reverse_load_limits(units, conditions, parameters)
    match parameters:
        case Parameters2019():
            figures = _figures_2019(units, conditions, parameters, connected_kw, registered_kw)
        case Parameters2025():
            capacity_kw = _device_capacity_kw(units, conditions, parameters, beta, system_share_mw)
            figures = _figures_2025(capacity_kw, conditions, connected_kw, registered_kw)
        case _:
            assert_never(parameters)
    opened = open_capacity(figures.room, figures.own, units.parent.tolist())
    hosting = hosting or no_hosting(len(units))
    rated_kva = whole_kw_down(units.rated_mva)
    return tuple(
        CapacityFeature(
            CapacityEntry(
                unit=units.unit_id[unit],
                parent=None if unit == 0 else units.unit_id[units.parent[unit]],
                kind=units.kind[unit],
                elements=" + ".join(units.elements[unit]),
                rated_kva=int(rated_kva[unit]),
                connected_kw=int(connected_kw[unit]),
                registered_kw=int(registered_kw[unit]),
                capacity_min_kw=int(figures.low_kw[unit]),
                capacity_max_kw=int(figures.high_kw[unit]),
                c1_kw=int(figures.room.c1_kw[unit]),
                c2_kw=int(figures.room.c2_kw[unit]),
                open_c1_kw=int(opened.c1_kw[unit]),
                open_c2_kw=int(opened.c2_kw[unit]),
                grade=opened.grade[unit].value,
                limited_by=units.unit_id[opened.limited_by[unit]],
                edition=edition_of(parameters).value,
                assessed_at=assessed_at,
                **_hosting_fields(hosting, unit),
                **_reverse_fields(units, conditions, beta, unit),
                **_check_fields(conditions.checks[unit]),
            ),
            units.geometry[unit],
        )
        for unit in range(len(units))
    )


def summed_up(own: FloatArray, parent: Int64Array) -> FloatArray:
    """Return for each unit the sum over itself and all units below it, shape (n_units,)."""
    total = own.copy()
    for unit in range(total.size - 1, 0, -1):
        total[parent[unit]] += total[unit]
    return total


@dataclass(frozen=True, eq=False)
class _OwnFigures:
    """What each unit can carry by its own figures, its room and its grade, before its superiors are considered."""

    low_kw: Int64Array
    high_kw: Int64Array
    room: AccessibleCapacity
    own: tuple[Grade, ...]


def _refuse_impossible(units: CapacityUnits, conditions: UnitConditions) -> None:
    for field in fields(conditions):
        values = getattr(conditions, field.name)
        assert len(values) == len(units), f"{field.name} has {len(values)} rows"
        if isinstance(values, np.ndarray) and field.name != "reverse_max_mw":
            wrong = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
            if wrong.size:
                unit = int(wrong[0])
                raise StandardError(f"unit {units.unit_id[unit]!r}: {field.name} is {values[unit]}, not 0 or more")
    endless = np.flatnonzero(np.isinf(conditions.reverse_max_mw))
    if endless.size:
        raise StandardError(f"unit {units.unit_id[int(endless[0])]!r}: reverse_max_mw is not finite")


def _reverse_load_limits(units: CapacityUnits, conditions: UnitConditions, parameters: Parameters) -> FloatArray:
    """Return beta of each unit; the county's edge is the sum over its children and counts as one unit."""
    match parameters:
        case Parameters2019():
            return np.full(len(units), parameters.red_above)
        case Parameters2025():
            limits = parameters.reverse_load_limits
        case _:
            assert_never(parameters)
    beta = np.full(len(units), limits.single)
    for unit in range(1, len(units)):
        try:
            beta[unit] = reverse_load_limit(conditions.arrangement[unit], units.ratings_mva[unit], limits)
        except StandardError as error:
            raise StandardError(f"unit {units.unit_id[unit]!r}: {error}") from None
    return beta


def _figures_2019(
    units: CapacityUnits,
    conditions: UnitConditions,
    parameters: Parameters2019,
    connected_kw: Int64Array,
    registered_kw: Int64Array,
) -> _OwnFigures:
    unknown = np.flatnonzero(~np.isfinite(conditions.reverse_max_mw))
    if unknown.size:
        unit_id = units.unit_id[int(unknown[0])]
        raise StandardError(f"unit {unit_id!r}: the 2019 edition needs its largest reverse power, which is not given")
    rated_mva = units.rated_mva
    lambda_max = reverse_load_rate(  # what is measured at the edge is the difference of both
        p_dg_mw=conditions.reverse_max_mw, p_load_mw=np.zeros(len(units)), s_e_mva=rated_mva
    )
    added_mw = additional_capacity_mw(lambda_max=lambda_max, s_e_mva=rated_mva, k_r=parameters.k_r)
    capacity_kw = connected_kw + whole_kw_down(added_mw)
    room = accessible_capacity_kw(capacity_kw=capacity_kw, connected_kw=connected_kw, registered_kw=registered_kw)
    by_rate = [
        grade_2019(lambda_max=float(rate), upper_kv=float(kv), checks=checks, parameters=parameters)
        for rate, kv, checks in zip(lambda_max, units.upper_kv, conditions.checks, strict=True)
    ]
    own = tuple(
        Grade.RED if c1_kw <= 0 else grade  # 0.000 MW is red by every edition (requirements row 164)
        for grade, c1_kw in zip(by_rate, room.c1_kw, strict=True)
    )
    return _OwnFigures(capacity_kw, capacity_kw, room, own)


def _figures_2025(
    capacity_kw: tuple[Int64Array, Int64Array],
    conditions: UnitConditions,
    connected_kw: Int64Array,
    registered_kw: Int64Array,
) -> _OwnFigures:
    low_kw, high_kw = capacity_kw
    room = accessible_capacity_kw(capacity_kw=low_kw, connected_kw=connected_kw, registered_kw=registered_kw)
    own = tuple(
        grade_2025(c1_kw=int(c1_kw), c2_kw=int(c2_kw), checks=checks)
        for c1_kw, c2_kw, checks in zip(room.c1_kw, room.c2_kw, conditions.checks, strict=True)
    )
    return _OwnFigures(low_kw, high_kw, room, own)


def _device_capacity_kw(
    units: CapacityUnits,
    conditions: UnitConditions,
    parameters: Parameters2025,
    beta: FloatArray,
    system_share_mw: float | None,
) -> tuple[Int64Array, Int64Array]:
    """Return S_d of each unit without and with all planned storage, and for the county what county_capacity_kw says."""
    parent = units.parent
    devices = DeviceConditions(
        p_mw=summed_up(conditions.load_mw, parent),
        p_g_mw=summed_up(conditions.other_generation_mw, parent),
        s_mva=units.rated_mva,
        beta=beta,
        p_ess_mw=summed_up(conditions.storage_mw, parent),
        dp_ess_min_mw=summed_up(conditions.planned_storage_min_mw, parent),
        dp_ess_max_mw=summed_up(conditions.planned_storage_max_mw, parent),
    )
    interval = device_capacity_mw(devices, parameters)
    if system_share_mw is not None and not 0 <= system_share_mw < math.inf:
        raise StandardError(f"the county's share of the system is {system_share_mw} MW, not 0 or more")
    share_kw = None if system_share_mw is None else int(whole_kw_down(np.array(system_share_mw)))
    low_kw, high_kw = whole_kw_down(interval.low_mw), whole_kw_down(interval.high_mw)
    for capacity_kw in (low_kw, high_kw):
        capacity_kw[0] = county_capacity_kw(int(capacity_kw[parent == 0].sum()), share_kw)
    return low_kw, high_kw


def _hosting_fields(hosting: UnitHosting, unit: int) -> dict[str, Any]:
    if np.isnan(hosting.p_mw[unit]):
        return {"hosting_kw": None, "hosting_element": None, "hosting_limit": None}
    return {
        "hosting_kw": int(whole_kw_down(hosting.p_mw[unit : unit + 1])[0]),
        "hosting_element": hosting.element[unit],
        "hosting_limit": hosting.limit[unit],
    }


def _reverse_fields(units: CapacityUnits, conditions: UnitConditions, beta: FloatArray, unit: int) -> dict[str, Any]:
    p_reverse_mw = float(conditions.reverse_max_mw[unit])
    names = ("reverse_kw", "reverse_load_mpercent", "reverse_alert", "reverse_into_high_voltage")
    if np.isnan(p_reverse_mw):
        return dict.fromkeys(names)
    flow = reverse_flow(
        p_reverse_mw=p_reverse_mw,
        s_rated_mva=float(units.rated_mva[unit]),
        upper_kv=float(units.upper_kv[unit]),
        beta=float(beta[unit]),
    )
    reverse_kw = int(whole_kw_up(np.array(p_reverse_mw)))
    mpercent = math.ceil(flow.rate * 100_000 - 1e-6)
    values = (reverse_kw, mpercent, flow.is_alert, flow.into_high_voltage)
    return dict(zip(names, values, strict=True))


def _check_fields(outcomes: Sequence[CheckOutcome]) -> dict[str, Any]:
    """Return one word a check; a check that was made at several places is passed if it is passed at all of them."""
    said: dict[Check, set[str]] = {check: set() for check in Check}
    for outcome in every_check(outcomes):
        said[outcome.check].add(check_word(outcome))
    return {
        check.value: next(word for word in ("failed", "not_assessed", "passed") if word in words)
        for check, words in said.items()
    }
