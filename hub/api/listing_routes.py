"""Routes of listing trading: announced sessions, the anonymous board, a participant's own orders, published results.

The operator's events and the participants' orders go into one log, accepted or refused; the answer to a refusal is a
problem with its reason. Sessions open and close by the hub's clock (usecases.run_listing_sessions).
"""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from sqlmodel import Session

from hub.api.callers import KnownCaller, Operator, Trader, refuse_unreadable
from hub.api.conditional import JSON
from hub.api.context import ApiContext, Caller, Context, ReadSession
from hub.api.event_body import NOBODY, REFUSED, UNWRITTEN, event_fields, event_from, no_event, writing
from hub.api.json_schema import inlined_schema, json_answer
from hub.api.operator_stamps import stamp_of
from hub.api.paging import CursorText, Limit, decode_cursor, page_of
from hub.api.problems import RESPONSES, ProblemError, unknown
from hub.api.registry_routes import broken_log, prepared_county
from hub.market.listing.documents import (
    OperatorSession,
    ParticipantSession,
    PublicResult,
    PublicSession,
    QuotaRow,
    SessionHead,
)
from hub.market.listing.events import Event, OperatorEvent, TraderEvent
from hub.market.listing.market_state import Market, SessionState
from hub.market.listing.outcomes import Outcome, Refused
from hub.market.listing.session_calendar import day_of
from hub.market.listing.states import State
from hub.market.listing.views import operator_session, own_quota_rows, participant_session, public_session, session_head
from hub.market.registry.access import Resource
from hub.market.registry.published_results import OperatorStamp
from hub.store.listing import read_records
from hub.usecases.event_log import EventLogError
from hub.usecases.listing_session import LoadedMarket

router = APIRouter(tags=["listing"], responses=RESPONSES)

_READERS_ONLY = NOBODY | {403: REFUSED | {"description": "The caller may not read this."}}
_NO_NAME = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_WHAT_WAS_SENT = re.compile(r"(?<!^)(?=[A-Z])")
SessionId = Annotated[str, Query(max_length=80, description="Id of a listing session.")]


class ListingAnswer(msgspec.Struct, frozen=True):
    """What became of an event. event_id: under which it stands in the log; a participant's begins with its own id."""

    event_id: str
    outcomes: tuple[Outcome, ...]


class ListingSessions(msgspec.Struct, frozen=True):
    """One page of sessions, by id. next_cursor: give it as `cursor` for the next page; null on the last page."""

    items: tuple[SessionHead, ...]
    next_cursor: str | None


class OwnListings(msgspec.Struct, frozen=True):
    """A session as one participant sees it, and what its quotas still allow."""

    participant_id: str
    session: ParticipantSession
    quotas: tuple[QuotaRow, ...]


class ListingResults(msgspec.Struct, frozen=True):
    """What was published of a session; the last result holds, earlier ones stay as they were published (row 39).

    operator: who ran the platform on the trading day, null if the registry names nobody.
    """

    session_id: str
    state: State
    operator: OperatorStamp | None
    results: tuple[PublicResult, ...]


class ListingRecordDocument(msgspec.Struct, frozen=True):
    """One record of the log. sha256: of the record on top of the one before."""

    sequence: int
    event: Event
    outcomes: tuple[Outcome, ...]
    sha256: str


class ListingRecords(msgspec.Struct, frozen=True):
    """One page of the log. next_cursor: give it as `cursor` for the next page; null on the last page."""

    items: tuple[ListingRecordDocument, ...]
    next_cursor: str | None


@router.get(
    "/listing/sessions",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(ListingSessions, "One page of sessions.")},
)
def list_listing_sessions(
    context: Context, session: ReadSession, caller: KnownCaller, cursor: CursorText = None, limit: Limit = 200
) -> Response:
    """List the announced sessions with their terms, where they stand, and their results."""
    refuse_unreadable(caller, Resource.PUBLISHED_RESULTS)
    market = _loaded(context, session).market
    key = decode_cursor(cursor, "listing-sessions", str)
    after = str(key[0]) if key else ""
    rows = [session_head(one) for one in market.sessions.values() if one.terms.session_id > after]
    items, next_cursor = page_of(rows, limit, "listing-sessions", lambda one: (one.session_id,))
    return _answer(ListingSessions(tuple(items), next_cursor))


@router.get(
    "/listing/board",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(PublicSession, "The session as everyone sees it.")},
)
def get_listing_board(context: Context, session: ReadSession, caller: KnownCaller, session_id: SessionId) -> Response:
    """Return the anonymous board of a session: its listings and deals, and nobody's name (row 36)."""
    refuse_unreadable(caller, Resource.ANONYMOUS_BOOK)
    return _answer(public_session(_session_of(_loaded(context, session).market, session_id)))


@router.get(
    "/listing/own",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(OwnListings, "The session as the caller sees it.")},
)
def get_own_listings(context: Context, session: ReadSession, caller: KnownCaller, session_id: SessionId) -> Response:
    """Return a session with the caller's own listings and deals told apart, and its quotas; names after publication."""
    refuse_unreadable(caller, Resource.OWN_ORDERS)
    if caller.participant_id is None:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not-allowed", f"{caller.name} is no participant and has no orders")
    market = _loaded(context, session).market
    shown = participant_session(_session_of(market, session_id), caller.participant_id)
    quotas = own_quota_rows(market, caller.participant_id)
    return _answer(OwnListings(caller.participant_id, shown, tuple(quotas)))


@router.get(
    "/listing/identified",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(OperatorSession, "The session with everybody's names.")},
)
def get_identified_session(
    context: Context, session: ReadSession, caller: KnownCaller, session_id: SessionId
) -> Response:
    """Return a session as operator and supervisor see it."""
    refuse_unreadable(caller, Resource.IDENTIFIED_ORDERS)
    return _answer(operator_session(_session_of(_loaded(context, session).market, session_id)))


@router.get(
    "/listing/results",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(ListingResults, "What was published.")},
)
def get_listing_results(context: Context, session: ReadSession, caller: KnownCaller, session_id: SessionId) -> Response:
    """Return the published results of a session, each with its volume-weighted mean price (row 42) and hash."""
    refuse_unreadable(caller, Resource.PUBLISHED_RESULTS)
    one = _session_of(_loaded(context, session).market, session_id)
    stamp = stamp_of(context, session, day_of(one.terms.opens_at))
    head = session_head(one)
    return _answer(ListingResults(session_id, head.state, stamp, tuple(head.results)))


@router.get(
    "/listing/events",
    response_class=Response,
    responses=_READERS_ONLY | {200: json_answer(ListingRecords, "One page of the log.")},
)
def list_listing_events(
    session: ReadSession, caller: KnownCaller, cursor: CursorText = None, limit: Limit = 200
) -> Response:
    """List what was sent, in its order, with what it led to; refused events with their reason (row 48)."""
    refuse_unreadable(caller, Resource.IDENTIFIED_ORDERS)
    county = prepared_county(session)
    scope = f"listing-events/{county}"
    key = decode_cursor(cursor, scope, int)
    rows = read_records(session, county, after_sequence=int(key[0]) if key else 0, limit=limit + 1)
    items, next_cursor = page_of(rows, limit, scope, lambda record: (record.sequence,))
    shown = [ListingRecordDocument(row.sequence, row.event, row.outcomes, row.sha256) for row in items]
    return _answer(ListingRecords(tuple(shown), next_cursor))


Fields = Annotated[dict[str, Any], Depends(event_fields)]


def _posted(kind: Any, who: str) -> dict[str, Any]:  # noqa: ANN401
    """Return what both ways to write have in common in the description."""
    return {
        "response_class": Response,
        "status_code": HTTPStatus.CREATED,
        "responses": NOBODY
        | UNWRITTEN
        | {
            200: json_answer(ListingAnswer, "The same event came before; this is what it led to."),
            201: json_answer(ListingAnswer, "The event stands."),
            403: REFUSED | {"description": who},
        },
        "openapi_extra": {"requestBody": {"required": True, "content": {JSON: {"schema": inlined_schema(kind)}}}},
    }


@router.post("/listing/events", **_posted(OperatorEvent, "The caller is no operator."))
def post_listing_event(context: Context, session: ReadSession, caller: Operator, fields: Fields) -> Response:
    """Take an operator's event in: rules, quotas, an announcement, opening, check, publication, reversal.

    Its id is the idempotency key; the hub sets `at` and `actor`.
    """
    return _take_in(context, session, caller, fields, OperatorEvent)


@router.post("/listing/orders", **_posted(TraderEvent, "The caller may not trade, or not for this participant."))
def post_listing_order(context: Context, session: ReadSession, caller: Trader, fields: Fields) -> Response:
    """Take a participant's order in: place or take a listing, agree on a curve, ask for a listing back.

    Its id is the idempotency key among the participant's; the hub sets `at` and `actor`, and `participant_id` may be
    left out.
    """
    assert caller.participant_id is not None, "a trader is a participant"
    if fields.get("participant_id", caller.participant_id) != caller.participant_id:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "not-allowed", f"{caller.name} trades for {caller.participant_id} only"
        )
    own_id = fields.get("event_id")
    if not isinstance(own_id, str) or not own_id:
        raise no_event(ValueError("an order needs an `event_id`, a text of its sender's choice"))
    # With the slash no participant can take an id that another one, the operator or the hub's clock will use.
    named = fields | {"participant_id": caller.participant_id, "event_id": f"{caller.participant_id}/{own_id}"}
    return _take_in(context, session, caller, named, TraderEvent)


def _take_in(
    context: ApiContext,
    session: Session,
    caller: Caller,
    fields: dict[str, Any],
    kind: Any,  # noqa: ANN401
) -> Response:
    now_utc_s = context.now_utc_s()
    by_hub = {"at": datetime.fromtimestamp(now_utc_s, UTC), "actor": _NO_NAME.sub("_", caller.name)}
    event: Event = event_from(fields | by_hub, kind, defaults={})
    county = prepared_county(session)
    with writing(context) as writer:
        try:
            register = context.registers.read(session, county).register
        except EventLogError as error:
            raise broken_log(error) from None
        try:
            submission = context.listings.submit(writer, county, event, register, now_utc_s)
        except EventLogError as error:
            raise _broken(error) from None
    first = submission.outcomes[0]
    if isinstance(first, Refused):
        what = f"{_WHAT_WAS_SENT.sub(' ', type(event).__name__).lower()} {event.event_id}: {first.reason.value}"
        raise ProblemError(HTTPStatus.CONFLICT, f"listing-{first.reason.value}", what)
    status = HTTPStatus.OK if submission.repeat else HTTPStatus.CREATED
    return _answer(ListingAnswer(event.event_id, submission.outcomes), status)


def _loaded(context: ApiContext, session: Session) -> LoadedMarket:
    try:
        return context.listings.read(session, prepared_county(session))
    except EventLogError as error:
        raise _broken(error) from None


def _broken(error: EventLogError) -> ProblemError:
    what = f"the log of listing trading cannot be read: {error}"
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "listing-log", what)


def _session_of(market: Market, session_id: str) -> SessionState:
    found = market.sessions.get(session_id)
    if found is None:
        raise unknown("listing-session", f"there is no listing session {session_id!r}")
    return found


def _answer(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(document), status_code=status, media_type=JSON)
