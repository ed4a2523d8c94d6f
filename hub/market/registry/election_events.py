"""Elections of supply and sale modes, by metering point and period, with notice (requirements rows 2, 9, 10, 24-29)."""

import msgspec

from edge.contract.registry import SaleMode, SupplyMode
from hub.market.registry.election_periods import (
    refuse_outside_market,
    refuse_short_notice,
    sale_rule,
    supply_rule,
)
from hub.market.registry.eligibility import has_wholesale_access
from hub.market.registry.events import ElectionEnded, SaleElected, SupplyElected, UserPointRegistered
from hub.market.registry.outcomes import Effect, Refusal, RefusedError
from hub.market.registry.participant_classes import ParticipantClass
from hub.market.registry.periods import Period, is_first_of_month
from hub.market.registry.provincial_rules import ElectionNotice, WholesaleAccess, rule_in_force
from hub.market.registry.register import Register, admitted, project_on, province_of, unit_of_meter
from hub.market.registry.unit_events import refuse_empty

SURPLUS_MODES = frozenset({SaleMode.COMMISSION, SaleMode.PURCHASE})


def elect_supply(register: Register, event: SupplyElected) -> Effect:
    """Let a metering point be supplied in a mode for whole months; opting in is recorded with its first month.

    :raises RefusedError: if another election of the meter overlaps (row 2), the mode is not open to the category or the
        user (rows 9, 10), the retailer may not serve, or the notice is too short
    """
    point = register.user_points.get(event.meter_id)
    if point is None:
        raise RefusedError(Refusal.UNKNOWN_METER, f"no user's metering point {event.meter_id}")
    _refuse_taken(register, event.election_id)
    refuse_empty(event.period, event.election_id)
    start, end = event.period.from_day, event.period.until_day
    if not is_first_of_month(start) or (end is not None and not is_first_of_month(end)):
        raise RefusedError(Refusal.NOT_FIRST_OF_MONTH, f"{event.election_id}: supply modes hold for whole months")
    versions = []
    notice, version = _notice(register, event.meter_id, event)
    versions.append(version)
    refuse_short_notice(event.recorded_on, start, notice.supply_days)
    rule, version = supply_rule(register, point, start)
    versions.append(version)
    if event.mode not in rule.allowed:
        raise RefusedError(Refusal.MODE_NOT_ALLOWED, f"{point.category.value} may not elect {event.mode.value}")
    versions += _refuse_below_threshold(register, event, point)
    _refuse_retailer(register, event)
    elections = register.supply_elections.get(event.meter_id, ())
    _refuse_overlap(event.period, elections, event.meter_id)
    register.supply_elections[event.meter_id] = (*elections, event)
    register.meter_of_election[event.election_id] = event.meter_id
    if event.retailer_id is not None:
        register.users_of_retailer.setdefault(event.retailer_id, set()).add(event.meter_id)
    return Effect(tuple(versions))


def elect_sale(register: Register, event: SaleElected) -> Effect:
    """Let a meter's export be sold in a mode for a period.

    :raises RefusedError: if another election of the meter overlaps (row 29), the mode is not open to the class or to
        plants of its voltage yet (row 142), or the notice is too short
    """
    start = event.period.from_day
    project = project_on(register, event.meter_id, start)
    if project is None:
        raise RefusedError(Refusal.UNKNOWN_METER, f"no plant's meter {event.meter_id} on {start}")
    _refuse_taken(register, event.election_id)
    refuse_empty(event.period, event.election_id)
    admitted(register, project.application.participant_id, start)
    notice, notice_version = _notice(register, event.meter_id, event)
    refuse_short_notice(event.recorded_on, start, notice.sale_days)
    rule, version = sale_rule(register, project, start)
    if event.mode not in rule.allowed:
        raise RefusedError(Refusal.MODE_NOT_ALLOWED, f"{rule.seller_class.value} may not elect {event.mode.value}")
    surplus = event.surplus_mode
    if surplus is not None and (event.mode is not SaleMode.DIRECT or surplus not in SURPLUS_MODES & {*rule.allowed}):
        what = f"{event.election_id}: {surplus.value} is no mode for the surplus of {event.mode.value}"
        raise RefusedError(Refusal.MODE_NOT_ALLOWED, what)
    refuse_outside_market(register, project, start)
    elections = register.sale_elections.get(event.meter_id, ())
    _refuse_overlap(event.period, elections, event.meter_id)
    register.sale_elections[event.meter_id] = (*elections, event)
    register.meter_of_election[event.election_id] = event.meter_id
    return Effect((notice_version, version))


def end_election(register: Register, event: ElectionEnded) -> Effect:
    """End an election with notice; from then on the default holds, or a new election may.

    :raises RefusedError: if there is no such election on that day, or the notice is too short
    """
    meter_id = register.meter_of_election.get(event.election_id)
    if meter_id is None:
        raise RefusedError(Refusal.UNKNOWN_ELECTION, f"no election {event.election_id}")
    notice, version = _notice(register, meter_id, event)
    supply = register.supply_elections.get(meter_id, ())
    sale = register.sale_elections.get(meter_id, ())
    if any(election.election_id == event.election_id for election in supply):
        if not is_first_of_month(event.until_day):
            raise RefusedError(Refusal.NOT_FIRST_OF_MONTH, f"{event.election_id}: supply modes hold for whole months")
        refuse_short_notice(event.recorded_on, event.until_day, notice.supply_days)
        register.supply_elections[meter_id] = tuple(
            msgspec.structs.replace(election, period=_cut(election.period, event))
            if election.election_id == event.election_id
            else election
            for election in supply
        )
    else:
        refuse_short_notice(event.recorded_on, event.until_day, notice.sale_days)
        register.sale_elections[meter_id] = tuple(
            msgspec.structs.replace(election, period=_cut(election.period, event))
            if election.election_id == event.election_id
            else election
            for election in sale
        )
    return Effect((version,))


def _cut(period: Period, event: ElectionEnded) -> Period:
    if event.until_day <= period.from_day or (period.until_day is not None and period.until_day <= event.until_day):
        raise RefusedError(Refusal.UNKNOWN_ELECTION, f"{event.election_id} does not hold around {event.until_day}")
    return Period(period.from_day, event.until_day)


def _notice(
    register: Register, meter_id: str, event: SupplyElected | SaleElected | ElectionEnded
) -> tuple[ElectionNotice, str]:
    province = province_of(register, unit_of_meter(register, meter_id))
    return rule_in_force(register.rules.values(), ElectionNotice, province=province, day=event.recorded_on)


def _refuse_taken(register: Register, election_id: str) -> None:
    if election_id in register.meter_of_election:
        raise RefusedError(Refusal.TAKEN, f"there is an election {election_id} already")


def _refuse_overlap(period: Period, elections: tuple[SupplyElected | SaleElected, ...], meter_id: str) -> None:
    for other in elections:
        if other.period.overlaps(period):
            what = f"{meter_id} is in mode {other.mode.value} by {other.election_id} in some of these days"
            raise RefusedError(Refusal.OVERLAP, what)


def _refuse_below_threshold(register: Register, event: SupplyElected, point: UserPointRegistered) -> list[str]:
    """Refuse a direct buyer below its province's threshold; return the version of the rule (row 9)."""
    if event.mode is not SupplyMode.DIRECT:
        return []
    province = province_of(register, point.unit_id)
    rule, version = rule_in_force(
        register.rules.values(), WholesaleAccess, province=province, day=event.period.from_day
    )
    if not has_wholesale_access(rule, point.annual_consumption_wh):
        what = f"{event.meter_id} consumes {point.annual_consumption_wh} Wh a year; {province} asks for more"
        raise RefusedError(Refusal.BELOW_THRESHOLD, what)
    return [version]


def _refuse_retailer(register: Register, event: SupplyElected) -> None:
    """Refuse a mode and a retailer that do not go together, and a retailer that may not serve then (row 13)."""
    if (event.mode is SupplyMode.RETAIL) != (event.retailer_id is not None):
        raise RefusedError(Refusal.NO_RETAILER, f"{event.election_id}: RETAIL, and it alone, names a retailer")
    if event.retailer_id is None:
        return
    retailer = admitted(register, event.retailer_id, event.period.from_day)
    if retailer.participant_class is not ParticipantClass.RETAILER:
        raise RefusedError(Refusal.NO_RETAILER, f"{event.retailer_id} is no retailer")
