"""Assess the county's hosting capacity by DL/T 2041 and keep the list that is published (requirements row 137).

Run again each quarter: each run adds a list, the older ones stay. The edition is the one in force on the day of the
assessment. What was computed from is kept beside the list, so that anyone can compute it again.
"""

from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from typing import assert_never

import msgspec
import numpy as np
from sqlmodel import Session

from edge.contract.interval import day_of_interval, interval_from_utc_s, iso_utc
from edge.contract.registry import MeterKind, Registry
from grid_models.capacity_assessment import (
    Parameters,
    UnitConditions,
    UnitHosting,
    assess_units,
    no_hosting,
    usual_arrangement,
)
from grid_models.capacity_units import CapacityUnits, capacity_units
from grid_models.elements import FloatArray
from grid_models.networks import Network
from grid_models.standard_2041 import (
    EDITIONS,
    Arrangement,
    Edition,
    EffectiveEdition,
    Parameters2019,
    Parameters2025,
    edition_on,
)
from grid_models.standard_checks import (
    CheckOutcome,
    check_harmonics,
    check_short_circuit,
    check_voltage_deviation,
)
from hub.store.hosting import AssessmentHead, save_assessment
from hub.usecases.load_county import CountyModel

W_PER_MW = 1_000_000
DISTRIBUTED_KINDS = frozenset({MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.MICROGRID_GATEWAY})
"""Metering points that stand for distributed generation where it is not said what is installed behind each."""


class AssessmentInputError(ValueError):
    """The inputs of an assessment do not fit the county; the message names the unit or what is missing."""


class HostingCapacity(msgspec.Struct, frozen=True):
    """Further generation that the AC power flow allows at a unit; element and limit: what binds."""

    p_mw: float
    element: str
    limit: str


class ShortCircuit(msgspec.Struct, frozen=True):
    """Short-circuit current with the generation to be added, and what the breaker at `place` can break."""

    i_xz_ka: float
    i_m_ka: float
    place: str


class VoltageDeviation(msgspec.Struct, frozen=True):
    """Least and greatest deviation from the nominal voltage in a unit, fractions, and at which bus it is worst."""

    lowest: float
    highest: float
    place: str


class Distortion(msgspec.Struct, frozen=True):
    """Total harmonic distortion of the voltage, a fraction, and where."""

    thd: float
    place: str


class MeasuredOn(msgspec.Struct, frozen=True, kw_only=True):
    """The operating day that inputs were measured on; intervals stand as their labels, "00:15".."24:00".

    intervals: those of reverse power and voltages; noon: of load and other generation; critical: of hosting. left_out:
    interval -> why it is not among them. estimated_max: the most market meters, of market_meters, for which a rule
    stands in in one of the intervals. parameter_version: of what the county sets.
    """

    day: str
    intervals: tuple[str, ...]
    noon: tuple[str, ...]
    critical: tuple[str, ...]
    left_out: Mapping[str, str]
    market_meters: int
    estimated_max: int
    parameter_version: str


class AssessmentInputs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an assessment takes beside registry and network; the mappings go by unit id, powers are MW.

    Of what stands in a unit itself, none where a unit is not named: load_mw and other_generation_mw at the typical noon
    (a working day in spring or autumn); storage_mw, planned_storage_min_mw, planned_storage_max_mw: charging power;
    registered_mw: distributed generation registered, not connected; connected_mw: connected; None: what the registry
    holds as installed behind its metering points (connected_generation_mw).
    Of a unit's edge: reverse_max_mw: largest active power to the parent in the period, negative if it always imports;
    arrangement: where it is not the usual one; short_circuit, voltage_deviation, harmonics: what was measured or
    computed; hosting: by AC power flow. system_share_mw: the county's share by the yearly system calculation.
    measured_on: where they were measured, None: nobody says.
    """

    load_mw: Mapping[str, float] = {}
    other_generation_mw: Mapping[str, float] = {}
    storage_mw: Mapping[str, float] = {}
    planned_storage_min_mw: Mapping[str, float] = {}
    planned_storage_max_mw: Mapping[str, float] = {}
    registered_mw: Mapping[str, float] = {}
    connected_mw: Mapping[str, float] | None = None
    reverse_max_mw: Mapping[str, float] = {}
    arrangement: Mapping[str, Arrangement] = {}
    short_circuit: Mapping[str, ShortCircuit] = {}
    voltage_deviation: Mapping[str, VoltageDeviation] = {}
    harmonics: Mapping[str, Distortion] = {}
    hosting: Mapping[str, HostingCapacity] = {}
    system_share_mw: float | None = None
    parameters_2019: Parameters2019 = Parameters2019()
    parameters_2025: Parameters2025 | None = None
    editions: tuple[EffectiveEdition, ...] = EDITIONS
    measured_on: MeasuredOn | None = None


def assess_hosting(
    session: Session, county: CountyModel, network: Network, inputs: AssessmentInputs, *, assessed_at_utc_s: int
) -> AssessmentHead:
    """Assess the county and save the list; the same assessment again changes nothing. The caller commits.

    :param network: the county's network, as its folder holds it
    :raises AssessmentInputError: if the inputs do not fit the county
    :raises grid_models.standard_2041.StandardError: if no edition is in force, or a condition that it needs is missing
    :raises grid_models.topology.TopologyError: if registry and network do not fit
    :raises grid_models.elements.NetworkError: if an element of a unit's edge has no rating
    :raises hub.store.hosting.AssessmentChangedError: if another assessment of that instant is there
    """
    units = capacity_units(
        network,
        unit_id=county.tree.unit_id,
        parent=county.tree.parent.tolist(),
        kind=[unit.kind.value for unit in county.units],
        elements=[unit.elements for unit in county.units],
    )
    _refuse_unknown_units(inputs, units)
    parameters = _parameters_in_force(inputs, assessed_at_utc_s)
    connected_mw = inputs.connected_mw
    if connected_mw is None:
        connected_mw = connected_generation_mw(county.registry)
    features = assess_units(
        units,
        _conditions(units, inputs, connected_mw),
        parameters=parameters,
        assessed_at=iso_utc(assessed_at_utc_s),
        system_share_mw=inputs.system_share_mw,
        hosting=_hosting(units, inputs.hosting),
    )
    document = _document(county, units, inputs, connected_mw)
    head = AssessmentHead(
        assessed_at_utc_s=assessed_at_utc_s,
        county=county.registry.county,
        edition=features[0].entry.edition,
        inputs_sha256=sha256(document.encode()).hexdigest(),
    )
    return save_assessment(session, head, document, features)


def connected_generation_mw(registry: Registry) -> dict[str, float]:
    """Return by unit the rated power of the registry's distributed generation, MW.

    Where the registrar does not say what is installed behind a meter, it is the largest plausible export: a battery and
    a margin may be in that, so the room that follows from it is rather too small than too large.
    """
    points = registry.metering_points
    said_inside = {
        point.unit_id for point in points if point.kind is MeterKind.INTERNAL and point.installed_capacity_w is not None
    }
    total_w: dict[str, int] = {}
    for point in points:
        installed_w = point.installed_capacity_w
        if installed_w is None:
            is_inside = point.kind is MeterKind.MICROGRID_GATEWAY and point.unit_id in said_inside
            installed_w = point.export_capacity_w if point.kind in DISTRIBUTED_KINDS and not is_inside else 0
        if installed_w or point.kind in DISTRIBUTED_KINDS:
            total_w[point.unit_id] = total_w.get(point.unit_id, 0) + installed_w
    return {unit_id: power_w / W_PER_MW for unit_id, power_w in total_w.items()}


def _parameters_in_force(inputs: AssessmentInputs, assessed_at_utc_s: int) -> Parameters:
    edition = edition_on(day_of_interval(interval_from_utc_s(assessed_at_utc_s)), inputs.editions)
    match edition:
        case Edition.DLT_2041_2019:
            return inputs.parameters_2019
        case Edition.DLT_2041_2025:
            if inputs.parameters_2025 is None:
                raise AssessmentInputError(f"{edition.value} is in force, and parameters_2025 is not given")
            return inputs.parameters_2025
    assert_never(edition)


def _refuse_unknown_units(inputs: AssessmentInputs, units: CapacityUnits) -> None:
    known = set(units.unit_id)
    for name in inputs.__struct_fields__:
        given = getattr(inputs, name)
        unknown = sorted(given.keys() - known) if isinstance(given, Mapping) else []
        if unknown:
            raise AssessmentInputError(f"{name}: the county has no unit {unknown[0]!r}")


def _conditions(units: CapacityUnits, inputs: AssessmentInputs, connected_mw: Mapping[str, float]) -> UnitConditions:
    def column(values: Mapping[str, float], absent: float = 0.0) -> FloatArray:
        return np.array([values.get(unit_id, absent) for unit_id in units.unit_id], dtype=np.float64)

    return UnitConditions(
        connected_mw=column(connected_mw),
        registered_mw=column(inputs.registered_mw),
        load_mw=column(inputs.load_mw),
        other_generation_mw=column(inputs.other_generation_mw),
        storage_mw=column(inputs.storage_mw),
        planned_storage_min_mw=column(inputs.planned_storage_min_mw),
        planned_storage_max_mw=column(inputs.planned_storage_max_mw),
        reverse_max_mw=column(inputs.reverse_max_mw, absent=np.nan),
        arrangement=tuple(
            inputs.arrangement.get(unit_id, usual)
            for unit_id, usual in zip(units.unit_id, usual_arrangement(units), strict=True)
        ),
        checks=tuple(
            _checks(inputs, unit_id, float(nominal_kv))
            for unit_id, nominal_kv in zip(units.unit_id, units.nominal_kv, strict=True)
        ),
    )


def _checks(inputs: AssessmentInputs, unit_id: str, nominal_kv: float) -> tuple[CheckOutcome, ...]:
    outcomes: list[CheckOutcome] = []
    if (current := inputs.short_circuit.get(unit_id)) is not None:
        outcomes.append(check_short_circuit(i_xz_ka=current.i_xz_ka, i_m_ka=current.i_m_ka, place=current.place))
    if (voltage := inputs.voltage_deviation.get(unit_id)) is not None:
        if not voltage.lowest <= voltage.highest:
            raise AssessmentInputError(f"voltage_deviation of unit {unit_id!r}: lowest is above highest")
        outcomes.append(
            check_voltage_deviation(
                nominal_kv=nominal_kv, lowest=voltage.lowest, highest=voltage.highest, place=voltage.place
            )
        )
    if (distortion := inputs.harmonics.get(unit_id)) is not None:
        outcomes.append(check_harmonics(nominal_kv=nominal_kv, thd=distortion.thd, place=distortion.place))
    return tuple(outcomes)


def _hosting(units: CapacityUnits, hosting: Mapping[str, HostingCapacity]) -> UnitHosting:
    if not hosting:
        return no_hosting(len(units))
    endless = next((unit_id for unit_id, one in hosting.items() if not isfinite(one.p_mw)), None)
    if endless is not None:
        raise AssessmentInputError(f"hosting of unit {endless!r}: {hosting[endless].p_mw} MW is no capacity")
    found = [hosting.get(unit_id) for unit_id in units.unit_id]
    return UnitHosting(
        p_mw=np.array([np.nan if one is None else one.p_mw for one in found]),
        element=tuple("" if one is None else one.element for one in found),
        limit=tuple("" if one is None else one.limit for one in found),
    )


def _document(
    county: CountyModel, units: CapacityUnits, inputs: AssessmentInputs, connected_mw: Mapping[str, float]
) -> str:
    """Return everything that the list follows from, as JSON; the same always as the same text."""
    tree = [
        {
            "unit": units.unit_id[unit],
            "parent": units.unit_id[units.parent[unit]] if unit else None,
            "kind": units.kind[unit],
            "elements": units.elements[unit],
            "ratings_mva": units.ratings_mva[unit],
            "nominal_kv": float(units.nominal_kv[unit]),
            "upper_kv": float(units.upper_kv[unit]),
        }
        for unit in range(len(units))
    ]
    document = {"county": county.registry.county, "units": tree, "connected_mw": connected_mw, "inputs": inputs}
    return msgspec.json.encode(document, order="deterministic").decode()
