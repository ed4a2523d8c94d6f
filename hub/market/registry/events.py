"""What can happen to the registry: one frozen record a kind of event, and the lines of an event file.

Every event has an id, the day on which it was recorded (never earlier than that of the event before it) and the day
from which it is effective. Power W, energy Wh, voltage V, price micro-yuan/kWh; a period is half-open.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from edge.contract.registry import SaleMode, SupplyMode, UnitKind, UserCategory
from hub.market.event_log import Name
from hub.market.registry.contracts import Contract
from hub.market.registry.identities import LegalIdentity, Operator
from hub.market.registry.participant_classes import (
    BiddingMode,
    OperatingMode,
    StorageKind,
    TariffKind,
    Technology,
)
from hub.market.registry.periods import Period
from hub.market.registry.provincial_rules import RuleVersion


class RegistryEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", forbid_unknown_fields=True):
    """What all events have; in a file the kind stands in the field `event`."""

    event_id: Name
    recorded_on: date


class RuleEnacted(RegistryEvent, frozen=True, kw_only=True):
    """A version of a provincial rule; it ends an open-ended one of the same scope on its own first day."""

    version: RuleVersion


class UtilityFounded(RegistryEvent, frozen=True, kw_only=True):
    """A distribution company. It is no balance unit (row 16)."""

    utility_id: str
    identity: LegalIdentity


class UnitEstablished(RegistryEvent, frozen=True, kw_only=True):
    """A balance unit. A COUNTY has no parent and states its province; all others hang on a unit (rows 14, 15)."""

    unit_id: str
    parent_id: str | None
    kind: UnitKind
    province: str | None
    operating_mode: OperatingMode
    effective_from: date


class OperatingModeSet(RegistryEvent, frozen=True, kw_only=True):
    """A county becomes a sub-market of the province or an independent market (row 18)."""

    unit_id: str
    operating_mode: OperatingMode
    effective_from: date


class TerritoryGranted(RegistryEvent, frozen=True, kw_only=True):
    """A utility serves a unit and all units inside it for a period; many to many over time (row 16)."""

    utility_id: str
    unit_id: str
    period: Period


class TerritoryEnded(RegistryEvent, frozen=True, kw_only=True):
    """A utility serves a unit no longer from a day on."""

    utility_id: str
    unit_id: str
    until_day: date


class OperatorAppointed(RegistryEvent, frozen=True, kw_only=True):
    """Who runs a county's platform from a month on (row 19)."""

    unit_id: str
    operator: Operator
    effective_from: date


class ParticipantApplied(RegistryEvent, frozen=True, kw_only=True):
    """Someone wants to take part (row 1). participant_class: text, so that an unknown class is refused, not unread.

    utility_id: whose arm it is, None for others.
    """

    participant_id: str
    participant_class: str
    identity: LegalIdentity
    settlement_account: str
    certificate_account: str | None
    utility_id: str | None
    effective_from: date


class ParticipantAdmitted(RegistryEvent, frozen=True, kw_only=True):
    """Admission registration is complete (row 3)."""

    participant_id: str
    effective_from: date


class ParticipantSuspended(RegistryEvent, frozen=True, kw_only=True):
    """The participant may not trade until it is admitted again (row 3)."""

    participant_id: str
    effective_from: date


class RetailerReviewed(RegistryEvent, frozen=True, kw_only=True):
    """What a retailer traded in a year (row 13): too little puts it under exit review and frees its users."""

    participant_id: str
    year: int
    traded_wh: int


class ParticipantExited(RegistryEvent, frozen=True, kw_only=True):
    """The participant leaves the market; its meters, plants and open positions must have gone before (row 13)."""

    participant_id: str
    effective_from: date


class UserPointRegistered(RegistryEvent, frozen=True, kw_only=True):
    """A user's metering point (row 2). annual_consumption_wh: of the year before, decides wholesale access (row 9)."""

    meter_id: str
    participant_id: str
    unit_id: str
    transformer_area: str
    voltage_v: int
    contracted_capacity_va: int
    category: UserCategory
    tariff: TariffKind
    annual_consumption_wh: int
    effective_from: date


class ProjectApplied(RegistryEvent, frozen=True, kw_only=True):
    """A seller's plant asks to be connected and registered (rows 1, 5, 28, 138).

    element: the network element whose accessible capacity it needs. own_load_max_w: the year's greatest own load.
    """

    project_id: str
    participant_id: str
    meter_ids: tuple[str, ...]
    unit_id: str
    transformer_area: str
    element: str
    voltage_v: int
    installed_capacity_w: int
    own_load_max_w: int
    is_consumed_within_level: bool
    technology: Technology
    is_self_use: bool
    commercial_operation_on: date | None
    effective_from: date


class ProjectClosed(RegistryEvent, frozen=True, kw_only=True):
    """A plant, or its application, is withdrawn on the day of the record; its capacity becomes free."""

    project_id: str


class ElementCapacity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An element of the published list: room C2 in kW and grade by its own figures; superior: None at the top."""

    element: str
    superior: str | None
    room_kw: int
    grade: str


class CapacityPublished(RegistryEvent, frozen=True, kw_only=True):
    """The list of accessible capacity (row 137), superiors first. It holds plants granted up to `assessed_on`."""

    assessed_on: date
    elements: tuple[ElementCapacity, ...]


class StorageRegistered(RegistryEvent, frozen=True, kw_only=True):
    """A storage plant. joined_to: the plant's or user's meter that it forms one settlement unit with (row 135)."""

    storage_id: str
    participant_id: str
    unit_id: str
    meter_id: str
    kind: StorageKind
    joined_to: str | None
    power_w: int
    energy_wh: int
    effective_from: date


class VirtualPlantFormed(RegistryEvent, frozen=True, kw_only=True):
    """The users' meters of a virtual power plant, from a day on (row 11); a new list replaces the old one."""

    participant_id: str
    meter_ids: tuple[str, ...]
    effective_from: date


class AggregationFormed(RegistryEvent, frozen=True, kw_only=True):
    """The projects that an aggregator stands for, from a day on (row 12); a new list replaces the old one."""

    participant_id: str
    project_ids: tuple[str, ...]
    effective_from: date


class SupplyElected(RegistryEvent, frozen=True, kw_only=True):
    """A user elects how a metering point is supplied, by whole months (rows 2, 10). retailer_id: for RETAIL only."""

    election_id: str
    meter_id: str
    mode: SupplyMode
    retailer_id: str | None
    period: Period


class SaleElected(RegistryEvent, frozen=True, kw_only=True):
    """A seller elects a trading mode for a meter (rows 24-29).

    surplus_mode: what happens to energy above the direct contracts, None: it is settled as deviation.
    """

    election_id: str
    meter_id: str
    mode: SaleMode
    surplus_mode: SaleMode | None
    period: Period


class ElectionEnded(RegistryEvent, frozen=True, kw_only=True):
    """An election of either kind ends on a day; what is the default holds from then on."""

    election_id: str
    until_day: date


class BiddingElected(RegistryEvent, frozen=True, kw_only=True):
    """A participant chooses how it bids; it holds from the next month on (row 60)."""

    participant_id: str
    mode: BiddingMode


class ContractSigned(RegistryEvent, frozen=True, kw_only=True):
    """A contract between two admitted participants (rows 24, 25)."""

    contract: Contract


class ContractEnded(RegistryEvent, frozen=True, kw_only=True):
    """A contract ends early."""

    contract_id: str
    until_day: date


class ContractAssigned(RegistryEvent, frozen=True, kw_only=True):
    """A contract passes to another buyer, as when a retailer leaves (row 13)."""

    contract_id: str
    buyer_id: str
    effective_from: date


Event = (
    RuleEnacted
    | UtilityFounded
    | UnitEstablished
    | OperatingModeSet
    | TerritoryGranted
    | TerritoryEnded
    | OperatorAppointed
    | ParticipantApplied
    | ParticipantAdmitted
    | ParticipantSuspended
    | RetailerReviewed
    | ParticipantExited
    | UserPointRegistered
    | ProjectApplied
    | ProjectClosed
    | CapacityPublished
    | StorageRegistered
    | VirtualPlantFormed
    | AggregationFormed
    | SupplyElected
    | SaleElected
    | ElectionEnded
    | BiddingElected
    | ContractSigned
    | ContractEnded
    | ContractAssigned
)

_DECODER = msgspec.json.Decoder(Event)


class EventLineError(ValueError):
    """A line that is no event; the text names the line and what is wrong."""


def decode_events(data: bytes) -> list[Event]:
    """Return the events of a file with one JSON object a line; empty lines are passed over.

    :raises EventLineError: at the first line that is no event
    """
    events = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            events.append(_DECODER.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EventLineError(f"line {number}: {error}") from None
    return events


def decode_event_lines(data: bytes) -> Iterator[tuple[int, Event | EventLineError]]:
    """Yield each line that is not empty with its number, as an event or as what is wrong with it.

    `recorded_on` may be left out, as in an event that is sent to the hub: it is then the first day of all.
    """
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = {"recorded_on": date.min.isoformat()} | msgspec.json.decode(line, type=dict[str, Any])
            event: Event = msgspec.convert(fields, Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield number, EventLineError(" ".join(str(error).split()))
        else:
            yield number, event


def encode_events(events: list[Event]) -> bytes:
    """Return the events as a file, one JSON object a line."""
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)
