"""Gather what an assessment of hosting capacity takes from one operating day, as the hub measured it.

Of each unit: load and other generation at the typical noon, from registers; largest reverse power over the edge and
voltages, from AC power flows on the metered energy of every interval; further generation that the AC power flow allows
at its busbar in the critical intervals; connected generation comes from the registry (assess_hosting).

What a single day cannot show, and this assessment therefore does not: the largest reverse power and the extreme
voltages of a year; a typical noon (a working day in spring or autumn: the noon is that day's, whatever day it was); the
largest simultaneous output of the plants, which stays a parameter (tau_max). Nor does the hub know of plants that are
registered and not connected, of planned storage, short-circuit currents or harmonics: these are not assessed. Where a
setpoint held a plant back, the reverse power is the one that was left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from sqlmodel import Session

from edge.contract.interval import day_of_interval, label_of_interval, position_in_day
from edge.contract.messages import BATTERY_CHARGE, BATTERY_DISCHARGE, CHANNELS, EXPORT, IMPORT
from grid_models.capacity_assessment import UnitHosting
from grid_models.elements import FloatArray
from grid_models.unit_states import NoSolvedStateError, UnitStates, hosting_in_states, unit_states
from hub.market.trades import Int64Array
from hub.usecases.assess_hosting import (
    W_PER_MW,
    AssessmentInputs,
    HostingCapacity,
    MeasuredOn,
    VoltageDeviation,
)
from hub.usecases.hosting_parameters import HostingParameters, HostingParameterVersion
from hub.usecases.load_county import INTERVALS_AN_HOUR, CountyModel
from hub.usecases.metered_day import MeteredDay, stored_energies
from hub.usecases.summarise_run import generation_wh, is_elementary

MINUTES_PER_INTERVAL = 15
DECIMALS = 6


class OmissionReason(Enum):
    """Why a day gave no list."""

    NO_PARAMETERS = "no-parameters"
    DAY_NOT_WHOLE = "day-not-whole"
    NOON_NOT_MEASURED = "noon-not-measured"
    REFUSED = "refused"


class LeftOut(Enum):
    """Why an interval of the day is not among those of an assessment."""

    NOT_METERED = "not-metered"
    ESTIMATED = "too-much-estimated"
    NO_SOLUTION = "no-ac-solution"


@dataclass(frozen=True)
class NotMeasured:
    """The day does not give what an assessment takes. what: in one line."""

    reason: OmissionReason
    what: str


@dataclass(frozen=True, eq=False)
class _Day:
    """The intervals of the day that were read well enough, a row each, and what the power flow says of them.

    left_out: the other intervals -> why; among the rows, those without a solution.
    """

    interval: Int64Array
    p_w: Int64Array
    q_var: Int64Array
    estimated: Int64Array
    states: UnitStates
    left_out: Mapping[int, LeftOut]

    @property
    def used(self) -> tuple[int, ...]:
        """The intervals that count."""
        return tuple(self.interval[self.states.solved].tolist())


def gather_assessment_inputs(
    session: Session,
    county: CountyModel,
    metered: MeteredDay,
    version: HostingParameterVersion,
    *,
    first: int,
    last: int,
) -> AssessmentInputs | NotMeasured:
    """Return the inputs from the intervals first..last (inclusive) of one operating day, or why there are none.

    :raises grid_models.standard_2041.StandardError: if a parameter is out of range
    """
    parameters = version.parameters
    day = _usable_intervals(session, county, metered, parameters, range(first, last + 1))
    if isinstance(day, NotMeasured):
        return day
    noon = tuple(interval for interval in day.used if _is_noon(interval, parameters))
    wanted = (parameters.noon_until_minute - parameters.noon_from_minute) // MINUTES_PER_INTERVAL
    if not noon or len(noon) < wanted:
        return NotMeasured(
            OmissionReason.NOON_NOT_MEASURED, f"{len(noon)} of {wanted} intervals of the typical noon were measured"
        )
    critical = day.states.critical_states(parameters.critical_intervals_max)
    hosting = hosting_in_states(
        county.security,
        day.p_w[critical],
        day.q_var[critical],
        elements=tuple(unit.elements for unit in county.units),
        power_factor=parameters.plant_power_factor_per_mille / 1000,
    )
    load_mw, discharge_mw, charge_mw = _noon_powers_mw(session, county, noon)
    return AssessmentInputs(
        load_mw=load_mw,
        other_generation_mw=discharge_mw,
        storage_mw=charge_mw,
        reverse_max_mw=dict(zip(county.tree.unit_id, _rounded(day.states.reverse_max_mw), strict=True)),
        voltage_deviation=_voltage_deviations(county, day.states),
        hosting=_hosting_by_unit(county, hosting),
        parameters_2025=parameters.parameters_2025,
        editions=version.editions,
        measured_on=MeasuredOn(
            day=day_of_interval(last).isoformat(),
            intervals=tuple(map(label_of_interval, day.used)),
            noon=tuple(map(label_of_interval, noon)),
            critical=tuple(map(label_of_interval, day.interval[critical].tolist())),
            left_out={label_of_interval(interval): why.value for interval, why in day.left_out.items()},
            market_meters=county.market_meters.size,
            estimated_max=int(day.estimated.max()),
            parameter_version=version.version_id,
        ),
    )


def _usable_intervals(
    session: Session, county: CountyModel, metered: MeteredDay, parameters: HostingParameters, intervals: range
) -> _Day | NotMeasured:
    """Return the intervals that were read well enough and have an AC solution, if they are enough."""
    powers = metered.powers(session, county, intervals)
    estimated_max = (1000 - parameters.read_min_per_mille) * county.market_meters.size // 1000
    read = {interval: one for interval, one in powers.items() if one.estimated <= estimated_max}
    if not read or len(read) < parameters.intervals_min:
        return _not_whole(len(read), len(intervals), parameters)
    interval = np.array(list(read), dtype=np.int64)
    p_w, q_var = np.stack([one.p_w for one in read.values()]), np.stack([one.q_var for one in read.values()])
    try:
        states = unit_states(county.security, p_w, q_var)
    except NoSolvedStateError:
        return _not_whole(0, len(intervals), parameters)
    solved = int(np.count_nonzero(states.solved))
    if solved < parameters.intervals_min:
        return _not_whole(solved, len(intervals), parameters)
    left_out = {one: LeftOut.ESTIMATED if one in powers else LeftOut.NOT_METERED for one in intervals}
    left_out |= dict.fromkeys(interval.tolist(), LeftOut.NO_SOLUTION)
    for one in interval[states.solved].tolist():
        del left_out[one]
    estimated = np.array([one.estimated for one in read.values()], dtype=np.int64)
    return _Day(interval, p_w, q_var, estimated, states, left_out)


def _not_whole(measured: int, asked: int, parameters: HostingParameters) -> NotMeasured:
    what = f"{measured} of {asked} intervals were measured and solved, {parameters.intervals_min} are needed"
    return NotMeasured(OmissionReason.DAY_NOT_WHOLE, what)


def _is_noon(interval: int, parameters: HostingParameters) -> bool:
    minute = position_in_day(interval) * MINUTES_PER_INTERVAL
    return parameters.noon_from_minute <= minute < parameters.noon_until_minute


def _noon_powers_mw(
    session: Session, county: CountyModel, noon: tuple[int, ...]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return load, discharge and charge of batteries in each unit, mean over the noon's intervals.

    A load is what a metering point took in and generated less what it gave away and stored; registers are read in
    whole Wh, so that a unit's sum may come out a little below 0, and is 0 then.
    """
    energy_wh = sum(stored.energy_wh for stored in stored_energies(session, county, noon))
    assert isinstance(energy_wh, np.ndarray)
    energy = dict(zip(CHANNELS, energy_wh.T, strict=True))
    discharge, charge = energy[BATTERY_DISCHARGE], energy[BATTERY_CHARGE]
    load = energy[IMPORT] - energy[EXPORT] + generation_wh(county, energy) + discharge - charge
    counted = is_elementary(county)
    found = []
    for column in (load, discharge, charge):
        of_unit = np.zeros(len(county.units), dtype=np.int64)
        np.add.at(of_unit, county.standing.unit[counted], column[counted])
        power_mw = np.maximum(of_unit, 0) * INTERVALS_AN_HOUR / len(noon) / W_PER_MW
        found.append({unit_id: mw for unit_id, mw in zip(county.tree.unit_id, power_mw.tolist(), strict=True) if mw})
    load_mw, discharge_mw, charge_mw = found
    return load_mw, discharge_mw, charge_mw


def _voltage_deviations(county: CountyModel, states: UnitStates) -> dict[str, VoltageDeviation]:
    """Return least and greatest deviation in each unit, and the bus of the larger one."""
    return {
        unit_id: VoltageDeviation(lowest, highest, lowest_bus if -lowest > highest else highest_bus)
        for unit_id, lowest, lowest_bus, highest, highest_bus in zip(
            county.tree.unit_id,
            _rounded(states.lowest),
            states.lowest_bus,
            _rounded(states.highest),
            states.highest_bus,
            strict=True,
        )
    }


def _hosting_by_unit(county: CountyModel, hosting: UnitHosting) -> dict[str, HostingCapacity]:
    return {
        unit_id: HostingCapacity(p_mw, element, limit)
        for unit_id, p_mw, element, limit in zip(
            county.tree.unit_id, _rounded(hosting.p_mw), hosting.element, hosting.limit, strict=True
        )
        if np.isfinite(p_mw)
    }


def _rounded(values: FloatArray) -> list[float]:
    """Return the values to six decimals (W, millionths of the voltage): what is behind them differs by machine."""
    return [round(value, DECIMALS) for value in values.tolist()]
