"""Routes of hosting capacity: the published list in three forms, older lists, their inputs, when the next one comes."""

from typing import Annotated, Any, Literal, assert_never

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlmodel import Session

from edge.contract.interval import iso_utc
from grid_models.capacity_list import (
    CSV_MEDIA_TYPE,
    GEOJSON_MEDIA_TYPE,
    CapacityFeature,
    csv_bytes,
    geojson_bytes,
)
from hub.api.conditional import JSON, json_response, kept_response
from hub.api.context import Context, ReadSession
from hub.api.paging import CursorText, Limit, Page, decode_cursor, page_of
from hub.api.problems import RESPONSES, unknown
from hub.store.hosting import (
    AssessmentHead,
    read_assessment,
    read_assessment_inputs,
    read_assessments,
    read_capacity_list,
    read_omissions,
)
from hub.store.hosting_tables import HostingUnit
from hub.usecases.assess_quarter import next_assessment_utc_s

router = APIRouter(tags=["network"], responses=RESPONSES)

AssessedAt = Annotated[
    int | None,
    Query(ge=0, le=10**12, description="Instant of an assessment, UTC seconds; the newest if left out."),
]
OMISSIONS_SHOWN = 10
LIST_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/csv": {}, GEOJSON_MEDIA_TYPE: {}},
        "description": "The list in the form that was asked for.",
    }
}


class Assessment(BaseModel):
    """One assessment. edition: of the standard. inputs_sha256: SHA-256 of the answer of /hosting/inputs."""

    assessed_at_utc_s: int
    assessed_at: str
    county: str
    edition: str
    inputs_sha256: str


class Omission(BaseModel):
    """An operating day that was to give a list and did not. closed_at: its end. reason: a code; what: in words."""

    closed_utc_s: int
    closed_at: str
    reason: str
    what: str


class HostingState(BaseModel):
    """Whether there is a list, and when the next one comes. newest: null if there is none yet.

    next_at: the end of the next operating day that may give a list. omissions: the days after the newest list that
    were to give one and did not, newest first, at most ten.
    """

    newest: Assessment | None
    next_utc_s: int
    next_at: str
    omissions: list[Omission]


class HostingList(Assessment):
    """A published list: the county first, a unit before those below it."""

    items: list[HostingUnit]


@router.get("/hosting", response_model=HostingList, responses=LIST_FORMS)
def get_hosting(
    request: Request,
    session: ReadSession,
    form: Annotated[Literal["json", "csv", "geojson"], Query(alias="format")] = "json",
    assessed_at: AssessedAt = None,
) -> Response:
    """Return the list of hosting capacity: what each station, feeder and transformer area can still take, graded."""
    head = _known(session, assessed_at)
    features = read_capacity_list(session, head.assessed_at_utc_s)
    match form:
        case "json":
            return json_response(request, _list_document(head, features), closed=True)
        case "csv":
            return kept_response(request, csv_bytes(feature.entry for feature in features), CSV_MEDIA_TYPE)
        case "geojson":
            return kept_response(request, geojson_bytes(features), GEOJSON_MEDIA_TYPE)
    assert_never(form)


@router.get("/hosting/state")
def get_hosting_state(context: Context, session: ReadSession) -> HostingState:
    """Return when the newest list was made, when the next one is due, and which days gave none."""
    newest = read_assessment(session, None)
    next_utc_s = next_assessment_utc_s(newest, context.now_utc_s())
    since_utc_s = 0 if newest is None else newest.assessed_at_utc_s
    return HostingState(
        newest=None if newest is None else Assessment.model_validate(_head_fields(newest)),
        next_utc_s=next_utc_s,
        next_at=iso_utc(next_utc_s),
        omissions=[
            Omission.model_validate({**vars(one), "closed_at": iso_utc(one.closed_utc_s)})
            for one in read_omissions(session, since_utc_s=since_utc_s, limit=OMISSIONS_SHOWN)
        ],
    )


@router.get("/hosting/assessments")
def list_assessments(session: ReadSession, cursor: CursorText = None, limit: Limit = 100) -> Page[Assessment]:
    """List the assessments, newest first; each keeps its list."""
    key = decode_cursor(cursor, "hosting", int)
    heads = read_assessments(session, before=int(key[0]) if key else None, limit=limit + 1)
    items, next_cursor = page_of(heads, limit, "hosting", lambda head: (head.assessed_at_utc_s,))
    return Page(items=[Assessment.model_validate(_head_fields(head)) for head in items], next_cursor=next_cursor)


@router.get("/hosting/inputs", response_model=dict[str, Any])
def get_hosting_inputs(request: Request, session: ReadSession, assessed_at: AssessedAt = None) -> Response:
    """Return all that a list was computed from, so that anyone can compute it again."""
    head = _known(session, assessed_at)
    return kept_response(request, read_assessment_inputs(session, head.assessed_at_utc_s).encode(), JSON)


def _known(session: Session, assessed_at_utc_s: int | None) -> AssessmentHead:
    head = read_assessment(session, assessed_at_utc_s)
    if head is None:
        which = "yet" if assessed_at_utc_s is None else f"of {assessed_at_utc_s}"
        raise unknown("assessment", f"this hub has no assessment of hosting capacity {which}")
    return head


def _list_document(head: AssessmentHead, features: list[CapacityFeature]) -> HostingList:
    items = [msgspec.structs.asdict(feature.entry) for feature in features]
    return HostingList.model_validate({**_head_fields(head), "items": items})


def _head_fields(head: AssessmentHead) -> dict[str, object]:
    return {**vars(head), "assessed_at": iso_utc(head.assessed_at_utc_s)}
