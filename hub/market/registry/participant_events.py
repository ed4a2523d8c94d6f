"""Participants come, are admitted, suspended, reviewed and leave (requirements rows 1, 3, 4, 11-13, 60)."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import msgspec

from hub.market.registry.election_periods import cut_supply, supply_rule
from hub.market.registry.events import (
    AggregationFormed,
    BiddingElected,
    ParticipantAdmitted,
    ParticipantApplied,
    ParticipantExited,
    ParticipantSuspended,
    RetailerReviewed,
    VirtualPlantFormed,
)
from hub.market.registry.outcomes import (
    Consequence,
    ContractFell,
    ContractLeftOpen,
    Effect,
    Refusal,
    RefusedError,
)
from hub.market.registry.participant_classes import (
    UTILITY_CLASSES,
    ContractKind,
    LegalKind,
    ParticipantClass,
    ParticipantStatus,
)
from hub.market.registry.periods import Period, Timeline, next_month
from hub.market.registry.provincial_rules import (
    ArmSeparation,
    BiddingChoice,
    RetailerActivity,
    RuleNotSetError,
    rule_in_force,
)
from hub.market.registry.register import (
    Participant,
    Register,
    admitted,
    county_of,
    participant_of,
    province_of,
    unit_of_meter,
    units_of,
)
from hub.market.registry.unit_events import refuse_past

PERSON_CLASSES = frozenset({ParticipantClass.PROSUMER, ParticipantClass.POWER_USER})
"""Classes that a natural person may have (row 12)."""


def apply_for_participation(register: Register, event: ParticipantApplied) -> Effect:
    """Enter an applicant of a known class (row 1), a utility's arms apart from each other (row 4).

    :raises RefusedError: if the class is unknown, the id taken, or an arm shares what must be apart
    """
    try:
        participant_class = ParticipantClass(event.participant_class)
    except ValueError:
        raise RefusedError(Refusal.CLASS, f"there is no class {event.participant_class!r}") from None
    if event.participant_id in register.participants:
        raise RefusedError(Refusal.TAKEN, f"there is a participant {event.participant_id} already")
    is_person = event.identity.kind is LegalKind.NATURAL_PERSON
    if is_person and participant_class not in PERSON_CLASSES:
        raise RefusedError(Refusal.CLASS, f"a natural person cannot be {participant_class.value}")
    _refuse_shared_account(register, event)
    rule_versions: tuple[str, ...] = ()
    if event.utility_id is None:
        if participant_class in UTILITY_CLASSES:
            raise RefusedError(Refusal.NO_UTILITY, f"{participant_class.value} must name its utility")
    else:
        rule_versions = _separation(register, event, participant_class)
    register.participants[event.participant_id] = Participant(
        participant_id=event.participant_id,
        participant_class=participant_class,
        identity=event.identity,
        settlement_account=event.settlement_account,
        certificate_account=event.certificate_account,
        utility_id=event.utility_id,
        status=Timeline(((event.effective_from, ParticipantStatus.APPLIED),)),
        bidding=Timeline(),
    )
    register.account_holders.setdefault(event.settlement_account, event.participant_id)
    return Effect(rule_versions)


def admit(register: Register, event: ParticipantAdmitted) -> Effect:
    """Complete an admission, or lift a suspension.

    :raises RefusedError: if the participant is unknown, has left, or a later change is entered
    """
    participant = participant_of(register, event.participant_id)
    _set_status(register, participant, event.effective_from, ParticipantStatus.ADMITTED)
    return Effect()


def suspend(register: Register, event: ParticipantSuspended) -> Effect:
    """Suspend a participant from a day on.

    :raises RefusedError: if the participant is unknown, has left, or the day lies in the past
    """
    participant = admitted(register, event.participant_id, event.effective_from)
    refuse_past(event.effective_from, event.recorded_on, participant.status.last_change())
    _set_status(register, participant, event.effective_from, ParticipantStatus.SUSPENDED)
    return Effect()


def review_retailer(register: Register, event: RetailerReviewed) -> Effect:
    """Judge a retailer's year (row 13): without enough trade it comes under exit review, and from the next month its
    users have their default supply; retail contracts end then, wholesale contracts are named to be assigned.

    :raises RefusedError: if it is no admitted retailer or the province has not said what is enough
    """
    retailer = admitted(register, event.participant_id, event.recorded_on)
    _refuse_status(retailer, event.recorded_on)
    if retailer.participant_class is not ParticipantClass.RETAILER:
        raise RefusedError(Refusal.CLASS, f"{event.participant_id} is no retailer")
    enough = _activity_rules(register, retailer, event.recorded_on)
    versions = tuple(version for _, version in enough)
    if all(event.traded_wh >= rule.traded_min_wh for rule, _ in enough):
        return Effect(versions)
    consequences = _free_users(register, event.participant_id, next_month(event.recorded_on))
    _set_status(register, retailer, event.recorded_on, ParticipantStatus.EXIT_REVIEW)
    return Effect(versions, consequences)


def exit_market(register: Register, event: ParticipantExited) -> Effect:
    """Let a participant leave. A retailer's users fall to their default supply from the next month on.

    :raises RefusedError: if it has plants, metering points or contracts that are open after that day, or if a retailer
        would be gone before its users are
    """
    participant = participant_of(register, event.participant_id)
    day = event.effective_from
    refuse_past(day, event.recorded_on, None)
    _refuse_status(participant, day)
    consequences: tuple[Consequence, ...] = ()
    open_positions = _open_positions(register, participant, day)
    if open_positions:
        raise RefusedError(Refusal.OPEN_POSITIONS, f"{event.participant_id} still has {open_positions[0]}")
    if participant.participant_class is ParticipantClass.RETAILER:
        users_leave = next_month(event.recorded_on)
        if day < users_leave:
            raise RefusedError(Refusal.NOTICE, f"{event.participant_id} serves its users until {users_leave}")
        consequences = _free_users(register, event.participant_id, users_leave)
    _set_status(register, participant, day, ParticipantStatus.EXITED)
    return Effect(consequences=consequences)


def elect_bidding(register: Register, event: BiddingElected) -> Effect:
    """Let a participant choose how it bids, from the next month on (row 60).

    :raises RefusedError: if the class may not choose that mode
    """
    participant = admitted(register, event.participant_id, event.recorded_on)
    effective_from = next_month(event.recorded_on)
    rule, version = rule_in_force(
        register.rules.values(),
        BiddingChoice,
        province=_provinces_of(register, participant)[0],
        day=effective_from,
        key=participant.participant_class.value,
    )
    if event.mode not in rule.allowed:
        what = f"{participant.participant_class.value} may not bid {event.mode.value}"
        raise RefusedError(Refusal.MODE_NOT_ALLOWED, what)
    bidding = participant.bidding.changed(effective_from, event.mode)
    register.participants[event.participant_id] = replace(participant, bidding=bidding)
    return Effect((version,))


def form_virtual_plant(register: Register, event: VirtualPlantFormed) -> Effect:
    """Name the meters of a virtual power plant; a meter belongs to one plant at a time (row 11).

    :raises RefusedError: if it is no virtual plant, a meter is unknown or another plant's
    """
    _refuse_other_class(register, event.participant_id, ParticipantClass.VIRTUAL_POWER_PLANT, event.effective_from)
    for meter_id in event.meter_ids:
        unit_of_meter(register, meter_id)
    _refuse_shared(register.virtual_plants, event.participant_id, event.meter_ids, event.effective_from)
    before = register.virtual_plants.get(event.participant_id, Timeline())
    refuse_past(event.effective_from, event.recorded_on, before.last_change())
    register.virtual_plants[event.participant_id] = before.changed(event.effective_from, event.meter_ids)
    return Effect()


def form_aggregation(register: Register, event: AggregationFormed) -> Effect:
    """Name the projects that an aggregator stands for; each keeps its own meters (row 12).

    :raises RefusedError: if it is no aggregator, a project is unknown or another aggregator's
    """
    _refuse_other_class(register, event.participant_id, ParticipantClass.AGGREGATOR, event.effective_from)
    for project_id in event.project_ids:
        if project_id not in register.projects:
            raise RefusedError(Refusal.UNKNOWN_PROJECT, f"no project {project_id}")
    _refuse_shared(register.aggregations, event.participant_id, event.project_ids, event.effective_from)
    before = register.aggregations.get(event.participant_id, Timeline())
    refuse_past(event.effective_from, event.recorded_on, before.last_change())
    register.aggregations[event.participant_id] = before.changed(event.effective_from, event.project_ids)
    return Effect()


def _refuse_status(participant: Participant, day: date) -> None:
    """Refuse a change of status of who has left, or before a change that is entered already."""
    last_change, status = participant.status.changes[-1]
    if status is ParticipantStatus.EXITED:
        raise RefusedError(Refusal.GONE, f"{participant.participant_id} has left")
    if day < last_change:
        raise RefusedError(Refusal.RETROACTIVE, f"{day} lies before {last_change}, for which there is a change")


def _set_status(register: Register, participant: Participant, day: date, status: ParticipantStatus) -> None:
    _refuse_status(participant, day)
    changed = replace(participant, status=participant.status.changed(day, status))
    register.participants[participant.participant_id] = changed


def _refuse_shared_account(register: Register, event: ParticipantApplied) -> None:
    """Refuse a settlement account of another legal identity's, and any account shared with a utility's arm."""
    holder = register.account_holders.get(event.settlement_account)
    if holder is None:
        return
    other = register.participants[holder]
    is_same_person = other.identity.legal_id == event.identity.legal_id
    if event.utility_id is not None or other.utility_id is not None or not is_same_person:
        what = f"settlement account {event.settlement_account} is {other.participant_id}'s"
        raise RefusedError(Refusal.NOT_SEPARATE, what)


def _separation(register: Register, event: ParticipantApplied, participant_class: ParticipantClass) -> tuple[str, ...]:
    """Return the versions of the separation rules that an arm of a utility keeps (row 4)."""
    utility_id = event.utility_id
    assert utility_id is not None
    if utility_id not in register.utilities:
        raise RefusedError(Refusal.UNKNOWN_UTILITY, f"no utility {utility_id}")
    arms = [other for other in register.participants.values() if other.utility_id == utility_id]
    if any(other.participant_class is participant_class for other in arms):
        raise RefusedError(Refusal.TAKEN, f"{utility_id} has a {participant_class.value} already")
    versions = []
    counties = {county_of(register, unit_id) for unit_id in units_of(register, utility_id, event.effective_from)}
    for province in sorted({county.province for county in counties if county.province is not None}):
        rule, version = rule_in_force(
            register.rules.values(), ArmSeparation, province=province, day=event.effective_from
        )
        versions.append(version)
        same = [other for other in arms if other.identity.legal_id == event.identity.legal_id]
        if rule.needs_own_legal_identity and same:
            what = f"{event.participant_id} and {same[0].participant_id} have one legal identity"
            raise RefusedError(Refusal.NOT_SEPARATE, what)
    return tuple(versions)


def _free_users(register: Register, retailer_id: str, until_day: date) -> tuple[Consequence, ...]:
    """Let the retailer's users fall to their default supply, end its retail contracts, name the others."""
    consequences: list[Consequence] = []
    users = sorted(register.users_of_retailer.get(retailer_id, ()))
    for meter_id in users:
        supply_rule(register, register.user_points[meter_id], until_day)  # refuses before anything is written
    for meter_id in users:
        consequences += cut_supply(register, meter_id, until_day, retailer_id=retailer_id)
    for contract_id, parts in sorted(register.contracts.items()):
        last = parts[-1]
        lasts = last.period.until_day is None or last.period.until_day > until_day
        if not lasts or retailer_id not in {last.seller_id, last.buyer_id}:
            continue
        if last.kind is ContractKind.RETAIL:
            until = max(until_day, last.period.from_day)
            ended = msgspec.structs.replace(last, period=Period(last.period.from_day, until))
            register.contracts[contract_id] = (*parts[:-1], ended)
            consequences.append(ContractFell(contract_id, until))
        else:
            consequences.append(ContractLeftOpen(contract_id))
    return tuple(consequences)


def _open_positions(register: Register, participant: Participant, day: date) -> list[str]:
    """Return what the participant has that lasts beyond the day; a retailer's retail contracts end by themselves."""
    name = participant.participant_id
    is_retailer = participant.participant_class is ParticipantClass.RETAILER
    found = [f"metering point {at.meter_id}" for at in register.user_points.values() if at.participant_id == name]
    found += [
        f"plant {project_id}"
        for project_id, project in register.projects.items()
        if project.application.participant_id == name
        and (project.period.until_day is None or project.period.until_day > day)
    ]
    found += [
        f"contract {contract_id}"
        for contract_id, parts in register.contracts.items()
        if name in {parts[-1].seller_id, parts[-1].buyer_id}
        and (parts[-1].period.until_day is None or parts[-1].period.until_day > day)
        and not (is_retailer and parts[-1].kind is ContractKind.RETAIL)
    ]
    return found


def _activity_rules(register: Register, retailer: Participant, day: date) -> list[tuple[RetailerActivity, str]]:
    return [
        rule_in_force(register.rules.values(), RetailerActivity, province=province, day=day)
        for province in _provinces_of(register, retailer)
    ]


def _provinces_of(register: Register, participant: Participant) -> list[str]:
    """Return the provinces in which the participant has meters or users, else all; by name.

    :raises RuleNotSetError: if there is no county
    """
    name = participant.participant_id
    units = {at.unit_id for at in register.user_points.values() if at.participant_id == name}
    units |= {at.application.unit_id for at in register.projects.values() if at.application.participant_id == name}
    units |= {at.unit_id for at in register.storages.values() if at.participant_id == name}
    units |= {unit_of_meter(register, meter_id) for meter_id in register.users_of_retailer.get(name, ())}
    provinces = {province_of(register, unit_id) for unit_id in units or register.units}
    if not provinces:
        raise RuleNotSetError("there is no county yet, so no province's rules hold")
    return sorted(provinces)


def _refuse_other_class(register: Register, participant_id: str, wanted: ParticipantClass, day: date) -> None:
    if admitted(register, participant_id, day).participant_class is not wanted:
        raise RefusedError(Refusal.CLASS, f"{participant_id} is no {wanted.value}")


def _refuse_shared(groups: dict[str, Timeline[tuple[str, ...]]], own: str, members: Iterable[str], day: date) -> None:
    """Refuse members that another group has on the day or after it."""
    taken = {
        member: name
        for name, timeline in groups.items()
        if name != own
        for period, held in timeline.periods()
        if period.until_day is None or period.until_day > day
        for member in held
    }
    for member in members:
        if member in taken:
            raise RefusedError(Refusal.TAKEN, f"{member} belongs to {taken[member]}")
