"""Routes of the registry: the register of a day, its log of events, a new event, the provincial document."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, assert_never

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlmodel import Session

from edge.contract.interval import day_of_interval, interval_from_utc_s
from hub.api.callers import KnownCaller, Operator, refuse_unreadable
from hub.api.conditional import JSON
from hub.api.context import ApiContext, Context, ReadSession
from hub.api.event_body import NOBODY, REFUSED, UNWRITTEN, event_fields, event_from, writing
from hub.api.json_schema import inlined_schema, json_answer
from hub.api.paging import CursorText, Limit, decode_cursor, page_of
from hub.api.problems import RESPONSES, ProblemError, unknown
from hub.market.event_log import GENESIS_SHA256, record_sha256
from hub.market.registry.access import Resource
from hub.market.registry.event_log import RegistryRecord
from hub.market.registry.events import Event
from hub.market.registry.outcomes import Refusal, RefusedError
from hub.market.registry.provincial_schema import ProvincialDocument, document_from_export, export_of
from hub.market.registry.register import only_county
from hub.market.registry.register_document import OutcomeRow, RegisterTables
from hub.market.registry.register_view import register_view
from hub.store.read_registry import read_record_hashes
from hub.store.registry import county_of
from hub.store.registry_events import read_registry_records
from hub.usecases.event_log import EventLogError
from hub.usecases.exchange_schedules import exchange_schedules
from hub.usecases.registry_event import AnsweredAgain, Appended, IdTaken, LoadedRegister, submit_event

router = APIRouter(tags=["registry"], responses=RESPONSES)

_READERS_ONLY = NOBODY | {403: REFUSED | {"description": "The caller may not read the register."}}

Day = Annotated[date | None, Query(description="County day (UTC+8); today by the hub's time if left out.")]


class RegisterOfDay(RegisterTables, frozen=True):
    """The register of a county on a day, as far as the caller may see it.

    sequence: of the last event that it rests on, 0 if there is none: then no log says who takes part and how. sha256:
    of that event's record, "" if there is none; the hub checked the chain up to it and decided every event again.
    """

    county: str
    sequence: int
    sha256: str


class LoggedEvent(msgspec.Struct, frozen=True):
    """One record of the log. sha256: of the record on top of the one before; all is needed to check it."""

    sequence: int
    event: Event
    actor: str
    taken_utc_s: int
    outcome: OutcomeRow
    sha256: str


class ChainedEvent(LoggedEvent, frozen=True):
    """The same in its chain. previous_sha256: of the record before, 64 zeros before the first.

    follows: whether `sha256` is the hash of the record on top of that one; no record of an unaltered log is without.
    """

    previous_sha256: str
    follows: bool


class LoggedEvents(msgspec.Struct, frozen=True):
    """One page of the log. next_cursor: give it as `cursor` for the next page; null on the last page."""

    items: tuple[ChainedEvent, ...]
    next_cursor: str | None


@router.get(
    "/registry",
    response_class=Response,
    responses=NOBODY | {200: json_answer(RegisterOfDay, "The register of the day.")},
)
def get_register(context: Context, session: ReadSession, caller: KnownCaller, day: Day = None) -> Response:
    """Return who takes part on a day and in which modes, from all events so far; a participant sees its own."""
    loaded = _loaded(context, session)
    tables = register_view(loaded.register, day or county_today(context), caller.role, caller.participant_id)
    fields = msgspec.structs.asdict(tables)
    head = "" if loaded.last is None else loaded.last.sha256
    return _answer(RegisterOfDay(**fields, county=loaded.county, sequence=loaded.sequence, sha256=head))


@router.get(
    "/registry/events",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(LoggedEvents, "One page of the log.")},
)
def list_registry_events(
    session: ReadSession, caller: KnownCaller, cursor: CursorText = None, limit: Limit = 200
) -> Response:
    """List the events of the registry in their order, refused ones with their reason, chained by hash."""
    refuse_unreadable(caller, Resource.REGISTER)
    county = prepared_county(session)
    scope = f"registry-events/{county}"
    key = decode_cursor(cursor, scope, int)
    rows = read_registry_records(session, county, after_sequence=int(key[0]) if key else 0, limit=limit + 1)
    items, next_cursor = page_of(rows, limit, scope, lambda record: (record.sequence,))
    return _answer(LoggedEvents(chained(session, county, items), next_cursor))


async def get_event(request: Request) -> Event:
    """Return the event in the body; `recorded_on` may be left out, as the hub sets it.

    :raises ProblemError: if the body is too large, not JSON or no event
    """
    event: Event = event_from(await event_fields(request), Event, defaults={"recorded_on": date.min.isoformat()})
    return event


@router.post(
    "/registry/events",
    response_class=Response,
    status_code=HTTPStatus.CREATED,
    responses=NOBODY
    | UNWRITTEN
    | {
        200: json_answer(LoggedEvent, "The same event stands already; this is what it led to."),
        201: json_answer(LoggedEvent, "The event stands, or waits."),
        403: REFUSED | {"description": "The caller is no operator."},
    },
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": inlined_schema(Event)}}}},
)
def post_registry_event(
    context: Context, session: ReadSession, caller: Operator, event: Annotated[Event, Depends(get_event)]
) -> Response:
    """Take an event into the registry. Its id is the idempotency key; the hub sets the day on which it is recorded."""
    with writing(context) as writer:
        loaded = _loaded(context, session)
        try:
            _, submission = submit_event(writer, loaded, event, actor=caller.name, now=context.now_utc_s)
        except EventLogError as error:
            raise broken_log(error) from None
    match submission:
        case Appended(record):
            return _stands(record, HTTPStatus.CREATED)
        case AnsweredAgain(record):
            return _stands(record, HTTPStatus.OK)
        case IdTaken(record):
            what = f"another event stands under the id {event.event_id}, as record {record.sequence}"
            raise ProblemError(HTTPStatus.CONFLICT, f"registry-{Refusal.CONFLICT.value}", what)
    assert_never(submission)


@router.get(
    "/registry/provincial",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(ProvincialDocument, "The provincial document.")},
)
def get_provincial(
    context: Context,
    session: ReadSession,
    caller: KnownCaller,
    day: Day = None,
    county: Annotated[str, Query(max_length=100, description="Id of a county; may be left out if there is one.")] = "",
) -> Response:
    """Return a county's participants, contracts and standing exchange schedule in every layer's format (row 20)."""
    refuse_unreadable(caller, Resource.REGISTER)
    register = _loaded(context, session).register
    chosen = county or only_county(register)
    if chosen is None:
        raise unknown("county", "the registry holds no county, or several; say which")
    of_day = day or county_today(context)
    schedules = exchange_schedules(session, register, chosen, of_day)
    try:
        export = export_of(register, chosen, of_day, schedules=schedules)
    except RefusedError as error:
        raise unknown("county", error.what) from None
    return _answer(document_from_export(export))


def _loaded(context: ApiContext, session: Session) -> LoadedRegister:
    try:
        return context.registers.read(session, prepared_county(session))
    except EventLogError as error:
        raise broken_log(error) from None


def broken_log(error: EventLogError) -> ProblemError:
    """Return the answer to a stored log that is not what was written."""
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "registry-log", f"the registry cannot be read: {error}")


def prepared_county(session: Session) -> str:
    """Return the id of the hub's county.

    :raises ProblemError: 404 if it was prepared for none
    """
    known = county_of(session)
    if known is None:
        raise unknown("county", "this hub is not prepared for a county")
    return known[0]


def county_today(context: ApiContext) -> date:
    """Return the county's day by the hub's time."""
    return day_of_interval(interval_from_utc_s(context.now_utc_s()))


def _stands(record: RegistryRecord, status: HTTPStatus) -> Response:
    """Return the answer to an event that stands or waits.

    :raises ProblemError: if it was refused
    """
    outcome = record.outcomes
    if outcome.outcome == "refused":
        raise ProblemError(HTTPStatus.CONFLICT, f"registry-{outcome.reason}", f"{outcome.what}")
    return _answer(_logged(record), status)


def chained(session: Session, county: str, records: Sequence[RegistryRecord]) -> tuple[ChainedEvent, ...]:
    """Return records of a county's log with the hash of the one before each, which need not be among them."""
    before = read_record_hashes(session, county, [record.sequence - 1 for record in records])
    found = []
    for record in records:
        previous = before.get(record.sequence - 1, GENESIS_SHA256)
        follows = record_sha256(previous, record.sequence, record.event, record.outcomes) == record.sha256
        logged = msgspec.structs.asdict(_logged(record))
        found.append(ChainedEvent(**logged, previous_sha256=previous, follows=follows))
    return tuple(found)


def _logged(record: RegistryRecord) -> LoggedEvent:
    taken = record.event
    return LoggedEvent(record.sequence, taken.event, taken.actor, taken.taken_utc_s, record.outcomes, record.sha256)


def _answer(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(document), status_code=status, media_type=JSON)
