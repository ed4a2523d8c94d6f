"""An event of a log as the body of a request, and the answers that all logs have in common when one is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Request
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from hub.api.conditional import JSON
from hub.api.context import ApiContext
from hub.api.problems import MEDIA_TYPE, Problem, ProblemError

BODY_BYTES_MAX = 1 << 20

REFUSED: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
NOBODY: dict[int | str, dict[str, Any]] = {401: REFUSED | {"description": "Nobody that this hub knows."}}
UNWRITTEN: dict[int | str, dict[str, Any]] = {
    409: REFUSED | {"description": "Another event stands under the id, or the rules refuse this one."},
    413: REFUSED | {"description": "The event is too large."},
    415: REFUSED | {"description": "The event is not sent as JSON."},
    503: REFUSED | {"description": "Nothing can be written now."},
}


async def event_fields(request: Request) -> dict[str, Any]:
    """Return the fields of the JSON object in the body.

    :raises ProblemError: if the body is too large or no JSON object
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "no-json", f"an event is sent as {JSON}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            what = f"an event has at most {BODY_BYTES_MAX} bytes"
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", what)
    try:
        return msgspec.json.decode(bytes(body), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise no_event(error) from None


def event_from(fields: Mapping[str, Any], kind: Any, *, defaults: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the event of the kind that the fields hold; `defaults` are those that may be left out.

    :param kind: a type of events, or a union of some
    :raises ProblemError: if they are no such event
    """
    try:
        return msgspec.convert({**defaults, **fields}, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise no_event(error) from None


def no_event(error: Exception) -> ProblemError:
    """Return the answer to what is no event; it says where."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-event", " ".join(str(error).split()))


@contextmanager
def writing(context: ApiContext) -> Iterator[Engine]:
    """Give the database to write an event to.

    :raises ProblemError: 503 if this hub writes nothing, or the hub's jobs hold the database: SQLite has one writer
    """
    if context.writer is None:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "read-only", "this hub takes in no events")
    try:
        yield context.writer
    except OperationalError:
        what = "the database is busy; send the same event again"
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", what, {"Retry-After": "5"}) from None
