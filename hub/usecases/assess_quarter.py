"""Once a calendar quarter, at the end of an operating day: assess hosting capacity from what that day measured.

A day closes at its end, which is the first instant of the next one: the day of 30 June closes in the third quarter. The
first day that closes in a quarter gives its list; a day that cannot is kept with the reason, and the next day tries
again. So a hub without a list gets one at the end of its first day that was measured.
"""

from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from sqlmodel import Session

from edge.contract.interval import (
    INTERVALS_PER_DAY,
    day_of_interval,
    first_interval_of_day,
    interval_from_utc_s,
    start_utc_s,
)
from grid_models.networks import NetworkError
from grid_models.standard_2041 import StandardError
from hub.store.counters import add_to_counters
from hub.store.hosting import AssessmentHead, HostingOmission, read_assessment, save_omission
from hub.store.parameters import NoParametersError
from hub.usecases.assess_hosting import AssessmentInputError, assess_hosting
from hub.usecases.gather_assessment_inputs import NotMeasured, OmissionReason, gather_assessment_inputs
from hub.usecases.hosting_parameters import load_hosting_parameters
from hub.usecases.load_county import CountyModel
from hub.usecases.metered_day import MeteredDay
from hub.usecases.publish_capacity import registered_generation_mw
from hub.usecases.registry_event import LoadedRegister, load_register

MONTHS_PER_QUARTER = 3


@dataclass(frozen=True)
class QuarterHasList:
    """The quarter has its list, or a later one has; nothing was done."""

    newest: AssessmentHead


QuarterOutcome: TypeAlias = AssessmentHead | QuarterHasList | HostingOmission


def assess_quarter(
    session: Session, county: CountyModel, metered: MeteredDay, *, first: int, last: int, closed_utc_s: int
) -> QuarterOutcome:
    """Save the quarter's list if it has none yet, or why the day gives none; the caller commits.

    :param first, last: the intervals of the operating day that closes at closed_utc_s, both included
    """
    newest = read_assessment(session, None)
    if newest is not None and quarter_of(newest.assessed_at_utc_s) >= quarter_of(closed_utc_s):
        return QuarterHasList(newest)
    outcome = _assess(session, county, metered, first=first, last=last, closed_utc_s=closed_utc_s)
    if isinstance(outcome, AssessmentHead):
        add_to_counters(session, {"hosting_lists": 1})
        return outcome
    omission = HostingOmission(closed_utc_s, outcome.reason.value, outcome.what)
    save_omission(session, omission)
    add_to_counters(session, {f"hosting_omitted_{outcome.reason.value}": 1})
    return omission


def _assess(
    session: Session, county: CountyModel, metered: MeteredDay, *, first: int, last: int, closed_utc_s: int
) -> AssessmentHead | NotMeasured:
    try:
        version = load_hosting_parameters(session, last)
    except NoParametersError as error:
        return NotMeasured(OmissionReason.NO_PARAMETERS, str(error))
    try:
        inputs = gather_assessment_inputs(session, county, metered, version, first=first, last=last)
        if isinstance(inputs, NotMeasured):
            return inputs
        register = load_register(session, LoadedRegister(county.registry.county)).register
        granted_mw = registered_generation_mw(register, county.registry, day_of_interval(last))
        inputs = msgspec.structs.replace(inputs, registered_mw=granted_mw)
        network = county.security.power_flow.network
        return assess_hosting(session, county, network, inputs, assessed_at_utc_s=closed_utc_s)
    except (StandardError, AssessmentInputError, NetworkError) as error:
        return NotMeasured(OmissionReason.REFUSED, str(error))


def quarter_of(utc_s: int) -> tuple[int, int]:
    """Return year and quarter (0..3) of the instant by the county's calendar (UTC+8)."""
    day = day_of_interval(interval_from_utc_s(utc_s))
    return day.year, (day.month - 1) // MONTHS_PER_QUARTER


def next_assessment_utc_s(newest: AssessmentHead | None, now_utc_s: int) -> int:
    """Return the next instant at which a day closes that may give a list.

    :param newest: the newest list, None if there is none yet
    """
    today = day_of_interval(interval_from_utc_s(now_utc_s))
    if newest is None or quarter_of(newest.assessed_at_utc_s) < quarter_of(now_utc_s):
        return start_utc_s(first_interval_of_day(today) + INTERVALS_PER_DAY)
    year, quarter = quarter_of(newest.assessed_at_utc_s)
    years, month = divmod(MONTHS_PER_QUARTER * (quarter + 1), 12)
    return start_utc_s(first_interval_of_day(today.replace(year=year + years, month=month + 1, day=1)))
