"""Plants, users' metering points and storage, and the connection gate with its queue (rows 1, 2, 5, 28, 135, 138)."""

from dataclasses import replace
from datetime import date

from hub.market.registry.connection_queue import (
    GRADES,
    Granted,
    awaited_elements,
    decide,
    elements_above,
    whole_kw_up,
    with_room_changed,
)
from hub.market.registry.election_periods import cut_sale
from hub.market.registry.eligibility import is_eligible_generation
from hub.market.registry.events import (
    CapacityPublished,
    ProjectApplied,
    ProjectClosed,
    StorageRegistered,
    UserPointRegistered,
)
from hub.market.registry.outcomes import Connected, Consequence, Effect, Refusal, RefusedError, WaitingReason
from hub.market.registry.participant_classes import (
    SELLER_CLASSES,
    STORAGE_CLASSES,
    USER_CLASSES,
    ParticipantClass,
    StorageKind,
)
from hub.market.registry.periods import Period
from hub.market.registry.provincial_rules import GenerationEligibility, rule_in_force
from hub.market.registry.register import (
    Element,
    Project,
    Register,
    owner_of_meter,
    participant_of,
    province_of,
    unit_of,
    utilities_of,
)


def register_user_point(register: Register, event: UserPointRegistered) -> Effect:
    """Enter a user's metering point.

    :raises RefusedError: if the id is taken, the owner or the unit unknown, or the meter is another's plant's
    """
    if event.meter_id in register.user_points:
        raise RefusedError(Refusal.TAKEN, f"there is a metering point {event.meter_id} already")
    owner = participant_of(register, event.participant_id)
    if owner.participant_class not in USER_CLASSES:
        raise RefusedError(Refusal.CLASS, f"{owner.participant_class.value} holds no user's metering point")
    unit_of(register, event.unit_id)
    _refuse_not_positive(event.voltage_v, f"{event.meter_id}: voltage {event.voltage_v} V")
    _refuse_foreign_plant(register, event.meter_id, event.participant_id)
    register.user_points[event.meter_id] = event
    return Effect()


def apply_for_connection(register: Register, event: ProjectApplied) -> Effect:
    """Judge a plant by its owner's class, its place, size and voltage, then by the room there is (row 138).

    It is registered at once where it fits, else it waits its turn.

    :raises RefusedError: if it may not be registered at all, or a red element suspends new connections
    """
    version = _refuse_ineligible(register, event)
    new_kw = whole_kw_up(event.installed_capacity_w)
    awaited = awaited_elements(register.elements, _queue(register))
    decided = decide(register.elements, element=event.element, new_kw=new_kw, awaited=awaited)
    if isinstance(decided, Granted):
        _connect(register, event, event.recorded_on)
        connected = Connected(event.project_id, event.effective_from, decided.room_kw)
        return Effect((version,), (connected,))
    if decided.reason is WaitingReason.RED:
        raise RefusedError(Refusal.SUSPENDED_ELEMENT, f"{decided.limited_by} is red: no connection is taken there")
    register.waiting[event.project_id] = event
    return Effect((version,), waits=decided)


def close_project(register: Register, event: ProjectClosed) -> Effect:
    """Close a plant, or withdraw an application; what is freed goes to those who wait, the first come first.

    :raises RefusedError: if there is none, or it is closed already
    """
    if register.waiting.pop(event.project_id, None) is not None:
        return Effect(consequences=_serve_queue(register, event.recorded_on))
    project = register.projects.get(event.project_id)
    if project is None:
        raise RefusedError(Refusal.UNKNOWN_PROJECT, f"no project {event.project_id}")
    if project.period.until_day is not None:
        raise RefusedError(Refusal.GONE, f"{event.project_id} closes on {project.period.until_day} already")
    until_day = max(event.recorded_on, project.period.from_day)
    register.projects[event.project_id] = replace(project, period=Period(project.period.from_day, until_day))
    consequences: list[Consequence] = []
    for meter_id in project.application.meter_ids:
        consequences += cut_sale(register, meter_id, until_day)
    freed_kw = whole_kw_up(project.application.installed_capacity_w)
    element = project.application.element
    register.elements.update(with_room_changed(register.elements, element=element, change_kw=freed_kw))
    return Effect(consequences=(*consequences, *_serve_queue(register, event.recorded_on)))


def publish_capacity(register: Register, event: CapacityPublished) -> Effect:
    """Take over a new list of accessible capacity: grants and closures since its assessment are counted again.

    :raises RefusedError: if a superior stands behind its element, a grade is unknown, or an element in use is missing
    """
    elements: dict[str, Element] = {}
    for row in event.elements:
        if row.grade not in GRADES:
            raise RefusedError(Refusal.CONFIGURATION, f"{row.element}: there is no grade {row.grade!r}")
        if row.element in elements or (row.superior is not None and row.superior not in elements):
            raise RefusedError(Refusal.UNKNOWN_ELEMENT, f"{row.element} stands twice, or before its superior")
        elements[row.element] = Element(row.element, row.superior, row.grade, row.room_kw, row.room_kw)
    in_use = [application.element for application in register.waiting.values()]
    in_use += [at.application.element for at in register.projects.values() if at.period.until_day is None]
    missing = sorted(set(in_use) - elements.keys())
    if missing:
        raise RefusedError(Refusal.UNKNOWN_ELEMENT, f"the list has no element {missing[0]}, at which there are plants")
    for project in register.projects.values():
        change_kw = _since(project, event.assessed_on)
        if change_kw and project.application.element in elements:
            element = project.application.element
            elements.update(with_room_changed(elements, element=element, change_kw=change_kw))
    register.elements.clear()
    register.elements.update(elements)
    return Effect(consequences=_serve_queue(register, event.recorded_on))


def register_storage(register: Register, event: StorageRegistered) -> Effect:
    """Enter a storage plant; source-side and user-side storage joins a plant's or user's meter of its owner (row 135).

    :raises RefusedError: if the id is taken, the owner's class does not fit, or it joins what it may not
    """
    if event.storage_id in register.storages:
        raise RefusedError(Refusal.TAKEN, f"there is a storage {event.storage_id} already")
    owner = participant_of(register, event.participant_id)
    unit_of(register, event.unit_id)
    _refuse_not_positive(min(event.power_w, event.energy_wh), f"{event.storage_id}: power or energy")
    is_joint = event.kind in {StorageKind.SOURCE_SIDE, StorageKind.USER_SIDE}
    if is_joint != (event.joined_to is not None):
        raise RefusedError(Refusal.NOT_JOINED, f"{event.storage_id}: {event.kind.value} storage joins a meter or not")
    if event.joined_to is None and owner.participant_class not in STORAGE_CLASSES:
        raise RefusedError(Refusal.CLASS, f"{owner.participant_class.value} holds no storage of its own")
    if event.joined_to is not None and owner_of_meter(register, event.joined_to) != event.participant_id:
        raise RefusedError(Refusal.NOT_OWNER, f"{event.joined_to} is not {event.participant_id}'s")
    register.storages[event.storage_id] = event
    return Effect()


def _refuse_ineligible(register: Register, event: ProjectApplied) -> str:
    """Refuse a plant that may not be registered; return the version of the eligibility rule."""
    name = event.project_id
    if name in register.projects or name in register.waiting:
        raise RefusedError(Refusal.TAKEN, f"there is a project {name} already")
    owner = participant_of(register, event.participant_id)
    if owner.participant_class not in SELLER_CLASSES:
        raise RefusedError(Refusal.CLASS, f"{owner.participant_class.value} is no seller class")
    unit_of(register, event.unit_id)
    _refuse_not_positive(event.installed_capacity_w, f"{name}: capacity {event.installed_capacity_w} W")
    if not event.meter_ids:
        raise RefusedError(Refusal.UNKNOWN_METER, f"{name} names no metering point")
    held = {meter for application in register.waiting.values() for meter in application.meter_ids}
    for meter_id in event.meter_ids:
        others = [register.projects[other] for other in register.projects_of_meter.get(meter_id, ())]
        if meter_id in held or any(other.period.until_day is None for other in others):
            raise RefusedError(Refusal.TAKEN, f"metering point {meter_id} belongs to another plant")
        point = register.user_points.get(meter_id)
        if point is not None and point.participant_id != event.participant_id:
            raise RefusedError(Refusal.NOT_OWNER, f"metering point {meter_id} is {point.participant_id}'s")
    if owner.participant_class is ParticipantClass.DSO_OWN_GENERATION:
        serving = utilities_of(register, event.unit_id, event.effective_from)
        if owner.utility_id not in serving:
            raise RefusedError(Refusal.OUTSIDE_TERRITORY, f"{event.unit_id} is outside {owner.utility_id}'s territory")
    rule, version = rule_in_force(
        register.rules.values(),
        GenerationEligibility,
        province=province_of(register, event.unit_id),
        day=event.effective_from,
    )
    if not is_eligible_generation(
        rule,
        voltage_v=event.voltage_v,
        installed_capacity_w=event.installed_capacity_w,
        own_load_max_w=event.own_load_max_w,
        is_consumed_within_level=event.is_consumed_within_level,
    ):
        what = f"{name}: {event.installed_capacity_w} W at {event.voltage_v} V is outside the rule's bands"
        raise RefusedError(Refusal.SIZE_OR_VOLTAGE, what)
    list(elements_above(register.elements, event.element))
    return version


def _queue(register: Register) -> list[tuple[str, int]]:
    return [(at.element, whole_kw_up(at.installed_capacity_w)) for at in register.waiting.values()]


def _connect(register: Register, application: ProjectApplied, granted_on: date) -> None:
    new_kw = whole_kw_up(application.installed_capacity_w)
    changed = with_room_changed(register.elements, element=application.element, change_kw=-new_kw)
    assert all(element.room_kw >= 0 for element in changed.values()), "a grant never exceeds the room"
    register.elements.update(changed)
    period = Period(max(application.effective_from, granted_on))
    register.projects[application.project_id] = Project(application, granted_on, period)
    for meter_id in application.meter_ids:
        before = register.projects_of_meter.get(meter_id, ())
        register.projects_of_meter[meter_id] = (*before, application.project_id)


def _serve_queue(register: Register, granted_on: date) -> tuple[Consequence, ...]:
    """Examine those who wait again, in their order, after capacity became free; return who was connected."""
    awaited: list[str] = []
    connected: list[Consequence] = []
    for project_id, application in list(register.waiting.items()):
        new_kw = whole_kw_up(application.installed_capacity_w)
        decided = decide(register.elements, element=application.element, new_kw=new_kw, awaited=awaited)
        if isinstance(decided, Granted):
            del register.waiting[project_id]
            _connect(register, application, granted_on)
            from_day = register.projects[project_id].period.from_day
            connected.append(Connected(project_id, from_day, decided.room_kw))
        else:
            awaited.append(decided.limited_by)
    return tuple(connected)


def _since(project: Project, assessed_on: date) -> int:
    """Return by how many kW a list of `assessed_on` must be changed for the plant: it holds those granted by then."""
    new_kw = whole_kw_up(project.application.installed_capacity_w)
    until_day = project.period.until_day
    if project.granted_on > assessed_on:
        return -new_kw if until_day is None else 0
    return new_kw if until_day is not None and until_day > assessed_on else 0


def _refuse_foreign_plant(register: Register, meter_id: str, participant_id: str) -> None:
    if meter_id in register.projects_of_meter and owner_of_meter(register, meter_id) != participant_id:
        raise RefusedError(Refusal.NOT_OWNER, f"metering point {meter_id} belongs to another's plant")


def _refuse_not_positive(value: int, what: str) -> None:
    if value <= 0:
        raise RefusedError(Refusal.NOT_POSITIVE, f"{what} is not positive")
