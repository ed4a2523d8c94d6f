"""Answers that a reader may keep: results of closed intervals carry an ETag, so that they need not be sent again.

The tag is a digest of the body, so a re-settlement or any other change gives another tag.
"""

import hashlib

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"


def json_response(request: Request, document: BaseModel, *, closed: bool) -> Response:
    """Return the document as JSON; if the result is closed with an ETag, or 304 if the reader has it already."""
    body = document.model_dump_json().encode()
    return kept_response(request, body, JSON) if closed else Response(body, media_type=JSON)


def kept_response(request: Request, body: bytes, media_type: str) -> Response:
    """Return a closed result in whatever form with an ETag, or 304 if the reader has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _matches(if_none_match: str, tag: str) -> bool:
    candidates = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag in candidates or candidates == ["*"]
