"""Routes of hosting capacity: the published list as JSON, CSV and GeoJSON, older lists, what they follow from."""

from typing import Annotated, Any, Literal, assert_never

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
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
from hub.api.context import ReadSession
from hub.api.paging import CursorText, Limit, Page, decode_cursor, page_of
from hub.api.problems import RESPONSES, unknown
from hub.store.hosting import (
    AssessmentHead,
    read_assessment,
    read_assessment_inputs,
    read_assessments,
    read_capacity_list,
)

router = APIRouter(tags=["network"], responses=RESPONSES)

Grade = Literal["green", "yellow", "red"]
CheckWord = Literal["passed", "failed", "not_assessed"]
AssessedAt = Annotated[
    int | None,
    Query(ge=0, le=10**12, description="Instant of an assessment, UTC seconds; the newest if left out."),
]
LIST_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/csv": {}, GEOJSON_MEDIA_TYPE: {}},
        "description": "The list in the form that was asked for.",
    }
}


class HostingUnit(BaseModel):
    """One unit of the list; room is rounded down to kW, what uses room is rounded up.

    connected_kw, registered_kw: distributed generation in the unit and below. capacity_min_kw, capacity_max_kw: what it
    can carry by its own figures, without and with all planned storage. c1_kw = capacity_min - connected; c2_kw = C1 -
    registered. open_c1_kw, open_c2_kw: what can be connected now, its superiors considered. hosting_kw: by AC power
    flow. Null: not computed or not known.
    """

    unit: str = Field(examples=["A001"])
    parent: str | None = Field(examples=["F1"])
    kind: str = Field(examples=["AREA"])
    elements: str
    rated_kva: int
    connected_kw: int
    registered_kw: int
    capacity_min_kw: int
    capacity_max_kw: int
    c1_kw: int
    c2_kw: int
    open_c1_kw: int
    open_c2_kw: int
    grade: Grade
    limited_by: str
    hosting_kw: int | None
    hosting_element: str | None
    hosting_limit: str | None
    reverse_kw: int | None
    reverse_load_mpercent: int | None
    reverse_alert: bool | None
    reverse_into_high_voltage: bool | None
    short_circuit: CheckWord
    voltage_deviation: CheckWord
    harmonics: CheckWord
    edition: str = Field(examples=["DL/T 2041-2025"])
    assessed_at: str = Field(examples=["2026-04-01T00:00:00+08:00"])


class Assessment(BaseModel):
    """One assessment. edition: of the standard. inputs_sha256: SHA-256 of the answer of /hosting/inputs."""

    assessed_at_utc_s: int
    assessed_at: str
    county: str
    edition: str
    inputs_sha256: str


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
