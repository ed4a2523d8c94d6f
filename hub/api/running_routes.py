"""Routes of the running hub: overview, refusals, live events, health, metrics."""

from collections.abc import AsyncIterator
from datetime import date
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import PlainTextResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from hub.api.context import Context, ReadSession
from hub.api.day_documents import overview_document, shown_day
from hub.api.documents import Health, Overview, Quarantine
from hub.api.metrics import metrics_text
from hub.api.paging import CursorText, Limit, decode_cursor, page_of
from hub.api.problems import RESPONSES
from hub.store.jobs import last_job_utc_s
from hub.store.read_running import read_refusal_reasons, read_refusals

router = APIRouter(responses=RESPONSES)

EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "hello, stage, heartbeat and resync events; after resync read everything anew.",
        "content": {
            "text/event-stream": {
                "example": 'event: stage\nid: 3f9c-17\ndata: {"at_utc_s":1463457600,"figures":{},'
                '"interval":1625632,"stage":"cleared"}\n\n'
            }
        },
    }
}


@router.get("/overview", tags=["running"])
def get_overview(
    context: Context,
    session: ReadSession,
    day: Annotated[date | None, Query(description="Operating day (UTC+8); the running one if left out.")] = None,
) -> Overview:
    """Return what the first screen shows: running interval, prices, exchange, network, data age, counts, the zero."""
    return overview_document(context, session, day or shown_day(session, context.now_utc_s()))


@router.get("/quarantine", tags=["running"])
def get_quarantine(
    session: ReadSession,
    cursor: CursorText = None,
    limit: Limit = 100,
    reason: Annotated[list[str], Query(description="Only these reasons.")] = [],  # noqa: B006
) -> Quarantine:
    """Return what was refused: counts by kind and reason, and the single things, newest first."""
    key = decode_cursor(cursor, "quarantine", int, str)
    after = (int(key[0]), str(key[1])) if key else None
    rows = read_refusals(session, after=after, limit=limit + 1, reasons=reason)
    items, next_cursor = page_of(rows, limit, "quarantine", lambda one: (one.first_seen_utc_s, one.refusal_id))
    return Quarantine(reasons=read_refusal_reasons(session), items=items, next_cursor=next_cursor)


@router.get("/events", tags=["running"], response_class=EventSourceResponse, responses=EVENT_STREAM)
async def get_events(
    context: Context, last_event_id: Annotated[str | None, Header(max_length=100)] = None
) -> EventSourceResponse:
    """Stream an event for each stage of each interval, with a heartbeat in between."""

    async def messages() -> AsyncIterator[ServerSentEvent]:
        async for message in context.events.listen(last_event_id, context.heartbeat_s):
            yield message

    return EventSourceResponse(messages(), ping=3600)  # the heartbeat is an event of its own, which a browser can see


@router.get("/health", tags=["running"])
def get_health(context: Context, session: ReadSession) -> Health:
    """Tell that the hub answers and reads its database."""
    return Health(
        status="ok",
        version=version("county-microbalance"),
        now_utc_s=context.now_utc_s(),
        last_job_utc_s=last_job_utc_s(session),
    )


@router.get("/metrics", tags=["running"], response_class=PlainTextResponse)
def get_metrics(context: Context, session: ReadSession) -> PlainTextResponse:
    """Return figures of the running hub as Prometheus text."""
    text = metrics_text(context, session)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")
