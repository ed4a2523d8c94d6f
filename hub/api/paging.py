"""Lists by key, not by number: a cursor says where the reader stopped, so new rows in between shift nothing."""

import base64
import binascii
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from hub.api.problems import ProblemError

LIMIT_MAX = 1000

ItemT = TypeVar("ItemT")

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items per page.")]
CursorText = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the page before; leave out for the first page.")
]


class Page(BaseModel, Generic[ItemT]):
    """One page of a list. next_cursor: give it as `cursor` for the next page; null on the last page."""

    items: list[ItemT]
    next_cursor: str | None = Field(default=None, examples=["WyJvcmRlcnMiLCAiRzAwMDEvMS9NMDAwMDAxLzEiXQ"])


def encode_cursor(scope: str, *key: int | str) -> str:
    """Return a cursor that stands after `key` in the list `scope`."""
    return base64.urlsafe_b64encode(json.dumps([scope, *key]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, scope: str, *kinds: type) -> list[int | str] | None:
    """Return the key in the cursor, or None if there is no cursor.

    :param kinds: the type of each part of the key
    :raises ProblemError: if the cursor is not one of this list
    """
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        parts = None
    if isinstance(parts, list) and parts[:1] == [scope] and [type(part) for part in parts[1:]] == list(kinds):
        return parts[1:]
    raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-cursor", "the cursor is none of this list; start without one")


def page_of(
    rows: list[ItemT], limit: int, scope: str, key: Callable[[ItemT], tuple[int | str, ...]]
) -> tuple[list[ItemT], str | None]:
    """Return (items, next cursor) from rows read with `limit` + 1: the extra row tells that there are more."""
    items = rows[:limit]
    return items, encode_cursor(scope, *key(items[-1])) if len(rows) > limit else None
