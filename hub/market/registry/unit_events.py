"""Rules, utilities, balance units, territories and operators come and go (requirements rows 14-20, 190)."""

from dataclasses import replace
from datetime import date

import msgspec

from edge.contract.registry import UnitKind
from hub.market.registry.events import (
    OperatingModeSet,
    OperatorAppointed,
    RuleEnacted,
    TerritoryEnded,
    TerritoryGranted,
    UnitEstablished,
    UtilityFounded,
)
from hub.market.registry.outcomes import Effect, Refusal, RefusedError, RuleReplaced
from hub.market.registry.participant_classes import ParticipantClass
from hub.market.registry.periods import Period, Timeline, is_first_of_month
from hub.market.registry.provincial_rules import contradictions, scope_of
from hub.market.registry.register import Register, Unit, unit_of, utilities_of


def enact_rule(register: Register, event: RuleEnacted) -> Effect:
    """Put a version of a rule in force; an open-ended version of the same scope ends on its first day.

    :raises RefusedError: if the version contradicts itself, has no document or overlaps another
    """
    version = event.version
    if version.version_id in register.rules:
        raise RefusedError(Refusal.TAKEN, f"there is a rule version {version.version_id} already")
    refuse_empty(version.period, version.version_id)
    if not version.document.strip():
        raise RefusedError(Refusal.NO_DOCUMENT, f"rule version {version.version_id} names no document")
    wrong = contradictions(version.rule)
    if wrong:
        raise RefusedError(Refusal.CONFIGURATION, f"rule version {version.version_id}: {wrong[0]}")
    ended = None
    for other in register.rules.values():
        same_scope = other.province == version.province and scope_of(other.rule) == scope_of(version.rule)
        if not same_scope or not other.period.overlaps(version.period):
            continue
        if other.period.until_day is not None or other.period.from_day >= version.period.from_day:
            raise RefusedError(Refusal.OVERLAP, f"rule version {other.version_id} is in force in the same days")
        ended = other
    register.rules[version.version_id] = version
    if ended is None:
        return Effect()
    until_day = version.period.from_day
    period = Period(ended.period.from_day, until_day)
    register.rules[ended.version_id] = msgspec.structs.replace(ended, period=period)
    return Effect(consequences=(RuleReplaced(ended.version_id, until_day),))


def found_utility(register: Register, event: UtilityFounded) -> Effect:
    """Enter a utility.

    :raises RefusedError: if its id is taken
    """
    if event.utility_id in register.utilities:
        raise RefusedError(Refusal.TAKEN, f"there is a utility {event.utility_id} already")
    register.utilities[event.utility_id] = event.identity
    return Effect()


def establish_unit(register: Register, event: UnitEstablished) -> Effect:
    """Enter a balance unit: a county as a root, every other inside one, so that each has exactly one county (row 14).

    :raises RefusedError: if the id is taken, the parent unknown, or the kind does not fit its place
    """
    if event.unit_id in register.units:
        raise RefusedError(Refusal.TAKEN, f"there is a balance unit {event.unit_id} already")
    is_county = event.kind is UnitKind.COUNTY
    if is_county != (event.parent_id is None):
        what = "a county lies in no other unit" if is_county else "only a county has no parent"
        raise RefusedError(Refusal.NO_COUNTY, f"unit {event.unit_id}: {what}")
    if is_county != (event.province is not None):
        raise RefusedError(Refusal.NO_COUNTY, f"unit {event.unit_id}: a county, and it alone, states its province")
    if event.parent_id is not None:
        unit_of(register, event.parent_id)
    mode = Timeline(((event.effective_from, event.operating_mode),)) if is_county else Timeline()
    register.units[event.unit_id] = Unit(
        event.unit_id, event.parent_id, event.kind, event.province, event.effective_from, mode, Timeline()
    )
    return Effect()


def set_operating_mode(register: Register, event: OperatingModeSet) -> Effect:
    """Let a county be a sub-market or independent from a day on (row 18).

    :raises RefusedError: if the unit is no county or the day lies in the past
    """
    unit = _county(register, event.unit_id)
    refuse_past(event.effective_from, event.recorded_on, unit.operating_mode.last_change())
    mode = unit.operating_mode.changed(event.effective_from, event.operating_mode)
    register.units[unit.unit_id] = replace(unit, operating_mode=mode)
    return Effect()


def appoint_operator(register: Register, event: OperatorAppointed) -> Effect:
    """Let somebody run a county's platform from a month on; what was published before stays the former's (row 19).

    :raises RefusedError: if the unit is no county, or the day lies in the past or inside a month
    """
    unit = _county(register, event.unit_id)
    refuse_past(event.effective_from, event.recorded_on, unit.operator.last_change())
    if unit.operator.changes and not is_first_of_month(event.effective_from):
        raise RefusedError(Refusal.NOT_FIRST_OF_MONTH, f"{event.effective_from}: operators change between months")
    operator = unit.operator.changed(event.effective_from, event.operator)
    register.units[unit.unit_id] = replace(unit, operator=operator)
    return Effect()


def grant_territory(register: Register, event: TerritoryGranted) -> Effect:
    """Let a utility serve a unit for a period (row 16: many to many over time).

    :raises RefusedError: if either is unknown, or the utility serves the unit in some of those days already
    """
    _known_utility(register, event.utility_id)
    unit_of(register, event.unit_id)
    refuse_empty(event.period, event.unit_id)
    key = (event.utility_id, event.unit_id)
    periods = register.territory.get(key, ())
    if any(period.overlaps(event.period) for period in periods):
        raise RefusedError(Refusal.OVERLAP, f"{event.utility_id} serves {event.unit_id} in these days already")
    register.territory[key] = (*periods, event.period)
    return Effect()


def end_territory(register: Register, event: TerritoryEnded) -> Effect:
    """Let a utility serve a unit no longer from a day on.

    :raises RefusedError: if it does not serve it then, or has plants of its own there that would lie outside (row 5)
    """
    key = (event.utility_id, event.unit_id)
    periods = register.territory.get(key, ())
    ending = next((period for period in periods if period.holds(event.until_day)), None)
    if ending is None or ending.from_day == event.until_day:
        raise RefusedError(Refusal.UNKNOWN_UNIT, f"{event.utility_id} does not serve {event.unit_id} before that day")
    refuse_past(event.until_day, event.recorded_on, None)
    kept = tuple(Period(period.from_day, event.until_day) if period is ending else period for period in periods)
    register.territory[key] = kept
    left = _own_plant_outside(register, event.utility_id, event.until_day)
    if left is not None:
        register.territory[key] = periods
        raise RefusedError(Refusal.OWN_GENERATION_INSIDE, f"plant {left} of {event.utility_id} would lie outside")
    return Effect()


def refuse_empty(period: Period, what: str) -> None:
    """Refuse a period without a day.

    :raises RefusedError: if it has none
    """
    if period.is_empty():
        raise RefusedError(Refusal.EMPTY_PERIOD, f"{what}: {period.from_day} to {period.until_day} holds no day")


def refuse_past(day: date, recorded_on: date, last_change: date | None) -> None:
    """Refuse a change that would alter days that are over, or that comes before a change already entered.

    :raises RefusedError: if it would
    """
    if day < recorded_on:
        raise RefusedError(Refusal.RETROACTIVE, f"{day} lies before {recorded_on}, when it was recorded")
    if last_change is not None and day < last_change:
        raise RefusedError(Refusal.RETROACTIVE, f"{day} lies before {last_change}, for which there is a change")


def _own_plant_outside(register: Register, utility_id: str, day: date) -> str | None:
    """Return a plant of the utility's own that stands on the day outside its territory, None if there is none."""
    for project in register.projects.values():
        owner = register.participants[project.application.participant_id]
        is_own = owner.participant_class is ParticipantClass.DSO_OWN_GENERATION and owner.utility_id == utility_id
        lasts = project.period.until_day is None or project.period.until_day > day
        if is_own and lasts and utility_id not in utilities_of(register, project.application.unit_id, day):
            return project.application.project_id
    return None


def _county(register: Register, unit_id: str) -> Unit:
    unit = unit_of(register, unit_id)
    if unit.kind is not UnitKind.COUNTY:
        raise RefusedError(Refusal.NOT_COUNTY, f"{unit_id} is no county")
    return unit


def _known_utility(register: Register, utility_id: str) -> None:
    if utility_id not in register.utilities:
        raise RefusedError(Refusal.UNKNOWN_UTILITY, f"no utility {utility_id}")
