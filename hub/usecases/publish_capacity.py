"""The quarter's list of accessible capacity in the registry's log: the connection gate judges by it (row 138).

The list is made of what the county's devices registry holds and of the plants that the log has granted and that are not
connected yet; so nothing that was granted is given away again.
"""

from datetime import date

from sqlmodel import Session

from edge.contract.interval import day_of_interval, interval_from_utc_s
from edge.contract.registry import Registry
from grid_models.connection_gate import own_grade
from hub.market.registry.connection_queue import W_PER_KW, whole_kw_up
from hub.market.registry.events import CapacityPublished, ElementCapacity
from hub.market.registry.register import Register
from hub.store.event_log import SequenceTakenError
from hub.store.hosting import read_assessment, read_capacity_list
from hub.usecases.event_log import ATTEMPTS_MAX, EventLogError
from hub.usecases.registry_event import LoadedRegister, RegistrySubmission, load_register, take_event_in

ACTOR = "hub"


def registered_generation_mw(register: Register, devices: Registry, day: date) -> dict[str, float]:
    """Return by unit the generation that was granted by the end of the day and has no metering point yet, MW.

    It is that of the plants which a list of the day holds (hub.market.registry.project_events): later grants are
    taken off the list by the registry itself.
    """
    units = {unit.unit_id for unit in devices.units}
    meters = {point.meter_id for point in devices.metering_points}
    total_kw: dict[str, int] = {}
    for project in register.projects.values():
        application, until_day = project.application, project.period.until_day
        stands = project.granted_on <= day and (until_day is None or until_day > day)
        if stands and application.element in units and meters.isdisjoint(application.meter_ids):
            new_kw = whole_kw_up(application.installed_capacity_w)
            total_kw[application.element] = total_kw.get(application.element, 0) + new_kw
    return {unit_id: power_kw / W_PER_KW for unit_id, power_kw in total_kw.items()}


def publish_capacity(session: Session, county: str, closed_utc_s: int) -> RegistrySubmission | None:
    """Record the list that was made at the instant, in the session's transaction; the caller commits.

    None: no list was made then. A writer that came first ends the transaction, so nothing is written in it before.

    :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
    """
    if read_assessment(session, closed_utc_s) is None:
        return None
    entries = [feature.entry for feature in read_capacity_list(session, closed_utc_s)]
    day = day_of_interval(interval_from_utc_s(closed_utc_s) - 1)
    event = CapacityPublished(
        event_id=f"capacity-{closed_utc_s}",
        recorded_on=day,
        assessed_on=day,
        elements=tuple(
            ElementCapacity(element=one.unit, superior=one.parent, room_kw=one.c2_kw, grade=own_grade(one).value)
            for one in entries
        ),
    )
    for _ in range(ATTEMPTS_MAX):
        loaded = load_register(session, LoadedRegister(county))
        try:
            _, submission = take_event_in(session, loaded, event, ACTOR, closed_utc_s)
        except SequenceTakenError:
            continue
        return submission
    raise EventLogError(f"{county}: no record could be appended in {ATTEMPTS_MAX} attempts")
