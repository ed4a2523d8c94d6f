"""The days of elections: which holds on a day, which overlap, how a default takes over (requirements rows 2, 10, 29).

One metering point has one supply mode in a month and one sale mode on a day: elections of one meter never overlap, and
where none holds the province's default for its category or class does.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from edge.contract.registry import SaleMode, SellerClass, SupplyMode
from hub.market.registry.eligibility import is_in_market
from hub.market.registry.events import SaleElected, SupplyElected, UserPointRegistered
from hub.market.registry.outcomes import Consequence, Refusal, RefusedError, SaleDefaulted, SupplyFellBack
from hub.market.registry.participant_classes import ParticipantStatus
from hub.market.registry.periods import Period
from hub.market.registry.provincial_rules import SaleChoice, SupplyChoice, rule_in_force
from hub.market.registry.register import Project, Register, project_on, province_of


@dataclass(frozen=True)
class SupplyStanding:
    """How a metering point is supplied on a day. election_id: None where the default holds, by `rule_version`."""

    mode: SupplyMode
    retailer_id: str | None
    election_id: str | None
    rule_version: str | None


@dataclass(frozen=True)
class SaleStanding:
    """How a meter's export is sold on a day. surplus_mode: what lies above direct contracts; None: a deviation."""

    mode: SaleMode
    surplus_mode: SaleMode | None
    election_id: str | None
    rule_version: str | None


def supply_on(register: Register, meter_id: str, day: date) -> SupplyStanding | None:
    """Return how a user's metering point is supplied on the day, None where there is no such point yet.

    :raises RuleNotSetError: if no election holds and the province has no default for the category
    """
    point = register.user_points.get(meter_id)
    if point is None or day < point.effective_from:
        return None
    for election in register.supply_elections.get(meter_id, ()):
        if election.period.holds(day) and _may_trade(register, election.mode, point.participant_id, day):
            return SupplyStanding(election.mode, election.retailer_id, election.election_id, None)
    rule, version = supply_rule(register, point, day)
    return SupplyStanding(rule.default, None, None, version)


def sale_on(register: Register, meter_id: str, day: date) -> SaleStanding | None:
    """Return how the meter's export is sold on the day, None where no plant of the register stands behind it.

    :raises RuleNotSetError: if no election holds and the province has no default for the class
    """
    project = project_on(register, meter_id, day)
    if project is None:
        return None
    owner = project.application.participant_id
    for election in register.sale_elections.get(meter_id, ()):
        if election.period.holds(day) and _may_trade(register, election.mode, owner, day):
            return SaleStanding(election.mode, election.surplus_mode, election.election_id, None)
    rule, version = sale_rule(register, project, day)
    return SaleStanding(rule.default, None, None, version)


def supply_rule(register: Register, point: UserPointRegistered, day: date) -> tuple[SupplyChoice, str]:
    """Return what the point's category may elect on the day, and the rule's version.

    :raises RuleNotSetError: if the province has not said
    """
    province = province_of(register, point.unit_id)
    return rule_in_force(register.rules.values(), SupplyChoice, province=province, day=day, key=point.category.value)


def sale_rule(register: Register, project: Project, day: date) -> tuple[SaleChoice, str]:
    """Return what the plant's seller class may elect on the day, and the rule's version.

    :raises RuleNotSetError: if the province has not said
    """
    owner = register.participants[project.application.participant_id]
    seller_class = SellerClass(owner.participant_class.value)
    province = province_of(register, project.application.unit_id)
    return rule_in_force(register.rules.values(), SaleChoice, province=province, day=day, key=seller_class.value)


def refuse_short_notice(recorded_on: date, effective: date, days: int) -> None:
    """Refuse a change that takes effect less than the notice after it was recorded.

    :raises RefusedError: if it does
    """
    earliest = recorded_on + timedelta(days=days)
    if effective < earliest:
        what = f"recorded on {recorded_on} with {days} days of notice, it cannot begin before {earliest}"
        raise RefusedError(Refusal.NOTICE, what)


def refuse_outside_market(register: Register, project: Project, day: date) -> None:
    """Refuse a plant that its province has not let into the market yet (row 142).

    :raises RefusedError: if it has a rule on market entry and the plant is outside on the day
    """
    if not is_in_market(
        register.rules.values(),
        province=province_of(register, project.application.unit_id),
        voltage_v=project.application.voltage_v,
        day=day,
    ):
        raise RefusedError(Refusal.NOT_IN_MARKET, f"{project.application.project_id} is outside the market on {day}")


def cut_supply(register: Register, meter_id: str, until_day: date, *, retailer_id: str) -> list[Consequence]:
    """End the meter's elections of a retailer on a day, those that have not begun by then altogether."""
    kept: list[SupplyElected] = []
    was_cut = False
    for election in register.supply_elections.get(meter_id, ()):
        ends_before = election.period.until_day is not None and election.period.until_day <= until_day
        if election.retailer_id != retailer_id or ends_before:
            kept.append(election)
            continue
        was_cut = True
        if election.period.from_day < until_day:
            kept.append(_ended(election, until_day))
    if not was_cut:
        return []
    register.supply_elections[meter_id] = tuple(kept)
    after = supply_on(register, meter_id, until_day)
    assert after is not None, "an elected meter is registered"
    return [SupplyFellBack(meter_id, after.mode, until_day)]


def cut_sale(register: Register, meter_id: str, until_day: date) -> list[Consequence]:
    """End the meter's sale elections on the day on which its plant closes."""
    kept: list[SaleElected] = []
    cut: list[Consequence] = []
    for election in register.sale_elections.get(meter_id, ()):
        if election.period.until_day is not None and election.period.until_day <= until_day:
            kept.append(election)
            continue
        cut.append(SaleDefaulted(meter_id, SaleMode.NONE, until_day))
        if election.period.from_day < until_day:
            kept.append(_sale_ended(election, until_day))
    register.sale_elections[meter_id] = tuple(kept)
    return cut[:1]


def _may_trade(register: Register, mode: SupplyMode | SaleMode, participant_id: str, day: date) -> bool:
    """Return whether an elected mode can hold: who is not admitted on the day cannot trade for itself (row 3)."""
    if mode not in {SupplyMode.DIRECT, SaleMode.DIRECT}:
        return True
    return register.participants[participant_id].status.on(day) is ParticipantStatus.ADMITTED


def _ended(election: SupplyElected, until_day: date) -> SupplyElected:
    return msgspec.structs.replace(election, period=Period(election.period.from_day, until_day))


def _sale_ended(election: SaleElected, until_day: date) -> SaleElected:
    return msgspec.structs.replace(election, period=Period(election.period.from_day, until_day))
