"""The registry as a fold over its events: state and one outcome for each event; the same events, the same state.

Handlers check first and write last, so that a refused event changes nothing. What stands is never edited: elections,
contracts and rules end on days, and what was valid on an earlier day stays as it was.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from hub.market.registry import (
    contract_events,
    election_events,
    events,
    participant_events,
    project_events,
    unit_events,
)
from hub.market.registry.events import Event
from hub.market.registry.outcomes import (
    Effect,
    Outcome,
    Recorded,
    Refusal,
    Refused,
    RefusedError,
    Repeated,
    Waiting,
)
from hub.market.registry.provincial_rules import RuleNotSetError
from hub.market.registry.register import Register

HANDLERS: Mapping[type[Event], Callable[[Register, Any], Effect]] = MappingProxyType(
    {
        events.RuleEnacted: unit_events.enact_rule,
        events.UtilityFounded: unit_events.found_utility,
        events.UnitEstablished: unit_events.establish_unit,
        events.OperatingModeSet: unit_events.set_operating_mode,
        events.TerritoryGranted: unit_events.grant_territory,
        events.TerritoryEnded: unit_events.end_territory,
        events.OperatorAppointed: unit_events.appoint_operator,
        events.ParticipantApplied: participant_events.apply_for_participation,
        events.ParticipantAdmitted: participant_events.admit,
        events.ParticipantSuspended: participant_events.suspend,
        events.RetailerReviewed: participant_events.review_retailer,
        events.ParticipantExited: participant_events.exit_market,
        events.BiddingElected: participant_events.elect_bidding,
        events.VirtualPlantFormed: participant_events.form_virtual_plant,
        events.AggregationFormed: participant_events.form_aggregation,
        events.UserPointRegistered: project_events.register_user_point,
        events.ProjectApplied: project_events.apply_for_connection,
        events.ProjectClosed: project_events.close_project,
        events.CapacityPublished: project_events.publish_capacity,
        events.StorageRegistered: project_events.register_storage,
        events.SupplyElected: election_events.elect_supply,
        events.SaleElected: election_events.elect_sale,
        events.ElectionEnded: election_events.end_election,
        events.ContractSigned: contract_events.sign_contract,
        events.ContractEnded: contract_events.end_contract,
        events.ContractAssigned: contract_events.assign_contract,
    }
)


@dataclass(frozen=True)
class Folded:
    """The registry after the events, and what became of each, in their order."""

    register: Register
    outcomes: tuple[Outcome, ...]


def fold(submitted: Iterable[Event], *, after: Register | None = None) -> Folded:
    """Return the registry after `submitted`, which come after those already in `after`.

    :param after: is not changed; None: the empty registry
    """
    register = Register() if after is None else after.copied()
    return Folded(register, tuple([_applied(register, event) for event in submitted]))


def known_on(submitted: Iterable[Event], day: date) -> Folded:
    """Return the registry as it was known at the end of a day: what was recorded later is left out."""
    return fold([event for event in submitted if event.recorded_on <= day])


def _applied(register: Register, event: Event) -> Outcome:
    stands = register.events.get(event.event_id)
    if stands == event:
        return Repeated(event)
    try:
        _refuse_unordered(register, event)
        effect = HANDLERS[type(event)](register, event)
    except RefusedError as refused:
        return Refused(event, refused.reason, refused.what)
    except RuleNotSetError as missing:
        return Refused(event, Refusal.RULE_NOT_SET, str(missing))
    register.events[event.event_id] = event
    if effect.waits is not None:
        return Waiting(event, effect.rule_versions, effect.waits, place=len(register.waiting))
    return Recorded(event, effect.rule_versions, effect.consequences)


def _refuse_unordered(register: Register, event: Event) -> None:
    if event.event_id in register.events:
        raise RefusedError(Refusal.CONFLICT, f"another event stands under the id {event.event_id}")
    newest = next(reversed(register.events.values()), event).recorded_on
    if event.recorded_on < newest:
        what = f"{event.event_id}: recorded on {event.recorded_on}, after an event of {newest}"
        raise RefusedError(Refusal.OUT_OF_ORDER, what)
