"""Routes of the registry's people and points: who takes part as what, how each point buys and sells, its history.

A county that was prepared from a file has participants and points before its log has a first event; these routes show
both as one: the file's, with what the log says of the day, and where that is so the event that says it.
"""

from collections.abc import Callable, Iterator
from datetime import date
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from edge.contract.registry import SaleMode, SupplyMode
from hub.api.callers import KnownCaller, refuse_unreadable
from hub.api.conditional import JSON
from hub.api.context import ApiContext, Caller, Context, ReadSession
from hub.api.json_schema import json_answer
from hub.api.paging import CursorText, Limit, Page, decode_cursor, page_of
from hub.api.problems import RESPONSES, ProblemError, unknown
from hub.api.registry_routes import ChainedEvent, Day, broken_log, chained, county_today, prepared_county
from hub.market.elections.point_modes import ModeInForce, sale_in_force, supply_in_force
from hub.market.registry.access import Resource, may_read
from hub.market.registry.event_log import RegistryRecord
from hub.market.registry.events import (
    ParticipantAdmitted,
    ParticipantApplied,
    ParticipantExited,
    ParticipantSuspended,
    ProjectApplied,
    SaleElected,
    SupplyElected,
)
from hub.market.registry.register import Register
from hub.store.read_registry import (
    PreparedParticipant,
    PreparedPoint,
    read_prepared_participants,
    read_prepared_points,
    read_records_naming,
)
from hub.usecases.event_log import EventLogError

router = APIRouter(tags=["registry"], responses=RESPONSES)

_POINTS_AT_ONCE = 2000
_OF_A_PARTICIPANT = (ParticipantApplied, ParticipantAdmitted, ParticipantSuspended, ParticipantExited)
SearchText = Annotated[str, Query(max_length=100, description="Part of an id.")]


class ModeDocument(BaseModel):
    """How one side of a point is bought or sold on the day.

    by: the election or the version of the rule that gives it, null: as the county was prepared. from_day, until_day:
    half-open, null: not known, or without an end. prepared: what the county's registry file says.
    """

    mode: str = Field(examples=["AGENCY"])
    by: str | None
    from_day: date | None
    until_day: date | None
    prepared: str


class PointInForce(BaseModel):
    """A metering point on the day. participant_class: by the log, else the file's seller class, else null: a user."""

    meter: str = Field(examples=["M000001"])
    kind: str = Field(examples=["LOAD"])
    unit: str
    voltage_class: str
    category: str | None
    installed_capacity_w: int | None
    participant: str
    participant_class: str | None
    supply: ModeDocument
    sale: ModeDocument


class ParticipantOfDay(BaseModel):
    """A participant on the day. status, since: by the log; null where the county's file alone knows it."""

    participant: str = Field(examples=["P00001"])
    participant_class: str | None
    meters: int
    status: str | None
    since: date | None


class PointHistory(msgspec.Struct, frozen=True):
    """The records of the log about a metering point, in order: its own, those of its plants and elections, its owner's.

    county_sequence: of the last record of the whole log, so that a reader sees what is not about the point.
    """

    meter: str
    items: tuple[ChainedEvent, ...]
    county_sequence: int


@router.get("/registry/points")
def list_points(
    *,
    context: Context,
    session: ReadSession,
    caller: KnownCaller,
    day: Day = None,
    q: SearchText = "",
    supply: Annotated[SupplyMode | None, Query(description="Only points that are supplied so on the day.")] = None,
    sale: Annotated[SaleMode | None, Query(description="Only points whose export is sold so on the day.")] = None,
    cursor: CursorText = None,
    limit: Limit = 200,
) -> Page[PointInForce]:
    """List metering points with the modes in force on the day and since when; a participant sees its own."""
    county, chosen = prepared_county(session), day or county_today(context)
    register = _register_of(context, session, county, chosen)
    scope = f"registry-points/{chosen}"
    key = decode_cursor(cursor, scope, str)
    found: list[PointInForce] = []
    for point in _points(session, str(key[0]) if key else None, q, _whose(caller)):
        shown = _point(register, point, chosen)
        if supply in {None, SupplyMode(shown.supply.mode)} and sale in {None, SaleMode(shown.sale.mode)}:
            found.append(shown)
        if len(found) > limit:
            break
    items, next_cursor = page_of(found, limit, scope, lambda one: (one.meter,))
    return Page[PointInForce](items=items, next_cursor=next_cursor)


@router.get("/registry/participants")
def list_participants(
    *,
    context: Context,
    session: ReadSession,
    caller: KnownCaller,
    day: Day = None,
    q: SearchText = "",
    cursor: CursorText = None,
    limit: Limit = 200,
) -> Page[ParticipantOfDay]:
    """List who takes part on the day: those of the county's file and those that the log alone knows, by id."""
    county, chosen = prepared_county(session), day or county_today(context)
    register = _register_of(context, session, county, chosen)
    scope, whose = f"registry-participants/{chosen}", _whose(caller)
    key = decode_cursor(cursor, scope, str)
    after = str(key[0]) if key else None
    prepared = read_prepared_participants(session, after=after, limit=limit + 1, text=q, participant=whose)
    of_file = {one.participant for one in prepared}
    end = prepared[-1].participant if len(prepared) > limit else None
    of_log = [
        PreparedParticipant(name, None, 0)
        for name, participant in register.participants.items()
        if name not in of_file
        and (after is None or name > after)
        and (end is None or name <= end)
        and q in name
        and whose in {None, name}
        and participant.status.on(chosen) is not None
    ]
    rows = sorted([*prepared, *of_log], key=lambda one: one.participant)
    items, next_cursor = page_of(rows, limit, scope, lambda one: (one.participant,))
    shown = [_participant(register, one, chosen) for one in items]
    return Page[ParticipantOfDay](items=shown, next_cursor=next_cursor)


@router.get(
    "/registry/points/{meter}/events",
    response_class=Response,
    responses={HTTPStatus.OK.value: json_answer(PointHistory, "The records about the point.")},
)
def list_point_events(
    context: Context,
    session: ReadSession,
    caller: KnownCaller,
    meter: Annotated[str, Path(max_length=100, description="Id of a metering point.")],
) -> Response:
    """Return what the log holds about a metering point: who, when, what, what came of it, and the chain's hashes."""
    refuse_unreadable(caller, Resource.REGISTER)
    county = prepared_county(session)
    register = _loaded(lambda: context.registers.read(session, county).register)
    points = read_prepared_points(session, after=None, limit=1, meter=meter)
    owner = points[0].participant if points else None
    entered = register.user_points.get(meter)
    if owner is None and entered is None and meter not in register.projects_of_meter:
        raise unknown("metering-point", f"there is no metering point {meter!r}")
    owners = {owner, None if entered is None else entered.participant_id} - {None}
    records = _about(session, county, meter, {str(one) for one in owners})
    last = context.registers.read(session, county).sequence
    history = PointHistory(meter, chained(session, county, records), last)
    return Response(msgspec.json.encode(history), media_type=JSON)


def _about(session: Session, county: str, meter: str, owners: set[str]) -> list[RegistryRecord]:
    """Return the records that name the point, one of its plants or elections, or enter, admit or suspend its owner."""
    own = read_records_naming(session, county, {meter})
    names = {meter}
    for record in own:
        event = record.event.event
        if isinstance(event, SupplyElected | SaleElected):
            names.add(event.election_id)
        elif isinstance(event, ProjectApplied):
            names.add(event.project_id)
            owners = owners | {event.participant_id}
    found = {record.sequence: record for record in read_records_naming(session, county, names)}
    for record in read_records_naming(session, county, owners) if owners else ():
        if isinstance(record.event.event, _OF_A_PARTICIPANT):
            found[record.sequence] = record
    return [found[sequence] for sequence in sorted(found)]


def _points(session: Session, after: str | None, text: str, participant: str | None) -> Iterator[PreparedPoint]:
    while True:
        some = read_prepared_points(session, after=after, limit=_POINTS_AT_ONCE, text=text, participant=participant)
        yield from some
        if len(some) < _POINTS_AT_ONCE:
            return
        after = some[-1].meter


def _point(register: Register, point: PreparedPoint, day: date) -> PointInForce:
    entered = register.participants.get(point.participant)
    return PointInForce(
        meter=point.meter,
        kind=point.kind,
        unit=point.unit,
        voltage_class=point.voltage_class,
        category=point.category,
        installed_capacity_w=point.installed_capacity_w,
        participant=point.participant,
        participant_class=point.seller_class if entered is None else entered.participant_class.value,
        supply=_mode(supply_in_force(register, point.meter, SupplyMode(point.supply_mode), day), point.supply_mode),
        sale=_mode(sale_in_force(register, point.meter, SaleMode(point.sale_mode), day), point.sale_mode),
    )


def _mode(found: ModeInForce[SupplyMode] | ModeInForce[SaleMode], prepared: str) -> ModeDocument:
    return ModeDocument(
        mode=found.mode.value, by=found.by, from_day=found.from_day, until_day=found.until_day, prepared=prepared
    )


def _participant(register: Register, one: PreparedParticipant, day: date) -> ParticipantOfDay:
    entered = register.participants.get(one.participant)
    status = None if entered is None else entered.status.on(day)
    changes = () if entered is None else entered.status.changes
    since = next((first_day for first_day, _ in reversed(changes) if first_day <= day), None)
    return ParticipantOfDay(
        participant=one.participant,
        participant_class=one.seller_class if entered is None else entered.participant_class.value,
        meters=one.meters,
        status=None if status is None else status.value,
        since=since,
    )


def _register_of(context: ApiContext, session: Session, county: str, day: date) -> Register:
    return _loaded(lambda: context.registers.read_before(session, county, day).register)


def _loaded(read: Callable[[], Register]) -> Register:
    """Return the register that is read.

    :raises ProblemError: if the stored log is not what was written
    """
    try:
        return read()
    except EventLogError as error:
        raise broken_log(error) from None


def _whose(caller: Caller) -> str | None:
    """Return whose records the caller sees, None for all.

    :raises ProblemError: 403 if it sees none
    """
    if may_read(caller.role, Resource.REGISTER):
        return None
    refuse_unreadable(caller, Resource.OWN_RECORD)
    if caller.participant_id is None:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not-allowed", f"{caller.name} is no participant and has no record")
    return caller.participant_id
