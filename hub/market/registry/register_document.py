"""The register of a day and the outcomes of its events as one document: what `microbalance registry` prints."""

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import assert_never

import msgspec

from edge.contract.registry import SaleMode, SupplyMode, UnitKind
from hub.market.registry.connection_queue import grade_of
from hub.market.registry.election_periods import sale_on, supply_on
from hub.market.registry.events import Event
from hub.market.registry.identities import Operator
from hub.market.registry.outcomes import Outcome, Recorded, Refused, Repeated, Waiting
from hub.market.registry.participant_classes import OperatingMode, ParticipantClass, ParticipantStatus
from hub.market.registry.provincial_rules import RuleNotSetError
from hub.market.registry.register import Register, owner_of_meter, unit_of_meter

OUTCOMES = ("recorded", "repeated", "waiting", "refused")


class OutcomeRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event. number: its place in the file, from 1. outcome: recorded, repeated, waiting, refused.

    reason: why it was refused or waits; what: in words. consequences: what followed of it, by kind.
    """

    number: int
    event_id: str
    event: str
    outcome: str
    reason: str | None = None
    what: str | None = None
    rule_versions: tuple[str, ...] = ()
    consequences: tuple[dict[str, str | int], ...] = ()


class UnitRow(msgspec.Struct, frozen=True):
    """A balance unit on the day."""

    unit_id: str
    parent_id: str | None
    kind: UnitKind
    province: str | None
    operating_mode: OperatingMode | None
    operator: Operator | None


class ParticipantRow(msgspec.Struct, frozen=True):
    """A participant on the day."""

    participant_id: str
    participant_class: ParticipantClass
    status: ParticipantStatus
    utility_id: str | None


class MeterRow(msgspec.Struct, frozen=True):
    """A metering point on the day. by: the election that holds, else the rule version of the default."""

    meter_id: str
    participant_id: str
    unit_id: str
    supply_mode: SupplyMode | None
    supply_by: str | None
    retailer_id: str | None
    sale_mode: SaleMode | None
    sale_by: str | None
    surplus_mode: SaleMode | None


class ProjectRow(msgspec.Struct, frozen=True):
    """A plant that stands on the day, or waits."""

    project_id: str
    participant_id: str
    element: str
    installed_capacity_w: int


class ElementRow(msgspec.Struct, frozen=True):
    """An element's accessible capacity after all events."""

    element: str
    superior: str | None
    room_kw: int
    grade: str


class RegisterTables(msgspec.Struct, frozen=True):
    """The register on `as_of`; tables by id, the waiting list in its order."""

    as_of: date
    rules: tuple[str, ...]
    units: tuple[UnitRow, ...]
    territory: tuple[tuple[str, str], ...]
    participants: tuple[ParticipantRow, ...]
    meters: tuple[MeterRow, ...]
    projects: tuple[ProjectRow, ...]
    waiting: tuple[ProjectRow, ...]
    elements: tuple[ElementRow, ...]
    contracts: tuple[str, ...]


class RegisterDocument(RegisterTables, frozen=True):
    """The register on `as_of`, and what became of every event. counts: events by outcome."""

    counts: dict[str, int]
    outcomes: tuple[OutcomeRow, ...]


DOCUMENTS: Mapping[str, object] = MappingProxyType({"registry": Event, "registry-result": RegisterDocument})
"""Name -> type, for `microbalance schema`: a line of the input, and the output."""


def register_document(register: Register, outcomes: Sequence[Outcome], day: date) -> RegisterDocument:
    """Return the register as of the day, and what became of every event."""
    rows = tuple(outcome_row(number, outcome) for number, outcome in enumerate(outcomes, start=1))
    counts = dict.fromkeys(OUTCOMES, 0)
    for row in rows:
        counts[row.outcome] += 1
    return RegisterDocument(**msgspec.structs.asdict(register_tables(register, day)), counts=counts, outcomes=rows)


def register_tables(register: Register, day: date) -> RegisterTables:
    """Return the register as of the day."""
    open_projects = [one.application for one in register.projects.values() if one.period.holds(day)]
    return RegisterTables(
        as_of=day,
        rules=tuple(sorted(name for name, version in register.rules.items() if version.period.holds(day))),
        units=tuple(
            UnitRow(name, unit.parent_id, unit.kind, unit.province, unit.operating_mode.on(day), unit.operator.on(day))
            for name, unit in sorted(register.units.items())
        ),
        territory=tuple(
            sorted(key for key, periods in register.territory.items() if any(one.holds(day) for one in periods))
        ),
        participants=_participant_rows(register, day),
        meters=_meter_rows(register, day),
        projects=tuple(
            ProjectRow(one.project_id, one.participant_id, one.element, one.installed_capacity_w)
            for one in sorted(open_projects, key=lambda one: one.project_id)
        ),
        waiting=tuple(
            ProjectRow(one.project_id, one.participant_id, one.element, one.installed_capacity_w)
            for one in register.waiting.values()
        ),
        elements=tuple(
            ElementRow(one.element, one.superior, one.room_kw, grade_of(one)) for one in register.elements.values()
        ),
        contracts=tuple(
            name for name, parts in sorted(register.contracts.items()) if any(one.period.holds(day) for one in parts)
        ),
    )


def _participant_rows(register: Register, day: date) -> tuple[ParticipantRow, ...]:
    rows = []
    for name, participant in sorted(register.participants.items()):
        status = participant.status.on(day)
        if status is not None:
            rows.append(ParticipantRow(name, participant.participant_class, status, participant.utility_id))
    return tuple(rows)


def _meter_rows(register: Register, day: date) -> tuple[MeterRow, ...]:
    rows = []
    for meter_id in sorted({*register.user_points, *register.projects_of_meter}):
        try:
            supply, sale = supply_on(register, meter_id, day), sale_on(register, meter_id, day)
        except RuleNotSetError:
            supply, sale = None, None
        rows.append(
            MeterRow(
                meter_id=meter_id,
                participant_id=owner_of_meter(register, meter_id),
                unit_id=unit_of_meter(register, meter_id),
                supply_mode=None if supply is None else supply.mode,
                supply_by=None if supply is None else supply.election_id or supply.rule_version,
                retailer_id=None if supply is None else supply.retailer_id,
                sale_mode=None if sale is None else sale.mode,
                sale_by=None if sale is None else sale.election_id or sale.rule_version,
                surplus_mode=None if sale is None else sale.surplus_mode,
            )
        )
    return tuple(rows)


def outcome_row(number: int, outcome: Outcome) -> OutcomeRow:
    """Return what became of an event as a row. number: its place in the file or log, from 1."""
    event = outcome.event
    name, kind = event.event_id, type(event).__name__
    match outcome:
        case Recorded():
            followed = tuple({"kind": type(one).__name__, **msgspec.to_builtins(one)} for one in outcome.consequences)
            return OutcomeRow(
                number, name, kind, "recorded", rule_versions=outcome.rule_versions, consequences=followed
            )
        case Repeated():
            return OutcomeRow(number, name, kind, "repeated")
        case Waiting():
            waits = outcome.waits
            what = f"place {outcome.place}; {waits.limited_by} has {waits.room_kw} kW"
            return OutcomeRow(
                number, name, kind, "waiting", waits.reason.value, what, rule_versions=outcome.rule_versions
            )
        case Refused():
            return OutcomeRow(number, name, kind, "refused", outcome.reason.value, outcome.what)
        case _:
            assert_never(outcome)
