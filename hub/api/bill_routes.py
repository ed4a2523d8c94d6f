"""Routes of bills: those of a month, and one metering point's as JSON, workbook or PDF; who pays it, or an auditor."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from hub.api.amounts import yuan_text_from_fen, yuan_text_from_nano_yuan
from hub.api.callers import KnownCaller, refuse_unreadable
from hub.api.conditional import JSON, json_response, kept_response
from hub.api.context import Caller, Context, ReadSession
from hub.api.paging import CursorText, Limit, Page, decode_cursor, page_of
from hub.api.problems import MEDIA_TYPE, RESPONSES, Problem, ProblemError, unknown
from hub.market.registry.access import Resource, may_read
from hub.settlement.bills.bill_case import decode_bill
from hub.store.bills import BillHeadRow, find_point, is_month_closed, read_bill_document, read_bill_heads

router = APIRouter(tags=["settlement"], responses=RESPONSES)

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "pdf": "application/pdf"}
)
_REFUSED: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
_ACCESS: dict[int | str, dict[str, Any]] = {
    401: _REFUSED | {"description": "Nobody that this hub knows."},
    403: _REFUSED | {"description": "The caller may not read these bills."},
}
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {JSON: {}} | {media_type: {} for media_type in MEDIA_TYPES.values()},
        "description": "The bill in the form that was asked for.",
    }
}
MonthText = Annotated[str, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="Month.", examples=["2026-01"])]
PathMonth = Annotated[str, Path(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="Month.", examples=["2026-01"])]


class BillSummary(BaseModel):
    """One bill of a month, its newest version. booked_in: its own month, or a later one for a correction."""

    metering_point: str
    account: str
    bill_id: str
    version: int
    booked_in: int
    energy_wh: int
    total_yuan: str
    rounding_yuan: str
    sha256: str


@router.get("/bills", response_model=Page[BillSummary], responses=_ACCESS)
def list_bills(
    request: Request,
    *,
    session: ReadSession,
    caller: KnownCaller,
    month: MonthText,
    cursor: CursorText = None,
    limit: Limit = 200,
    q: Annotated[str, Query(max_length=100, description="Part of a metering point's or an account's id.")] = "",
) -> Response:
    """List the bills of a month by metering point; a participant sees its own, an auditor all."""
    number = int(month.replace("-", ""))
    scope = f"bills/{number}"
    key = decode_cursor(cursor, scope, str)
    after = str(key[0]) if key else None
    rows = read_bill_heads(session, number, after=after, limit=limit + 1, participant=whose_bills(caller), text=q)
    items, next_cursor = page_of(rows, limit, scope, lambda row: (row.meter_id,))
    page = Page[BillSummary](items=[_summary(row) for row in items], next_cursor=next_cursor)
    return json_response(request, page, closed=is_month_closed(session, number))


@router.get("/bills/{metering_point}/{month}", response_class=Response, responses=_ACCESS | _FORMS)
def get_bill(
    request: Request,
    *,
    context: Context,
    session: ReadSession,
    caller: KnownCaller,
    metering_point: Annotated[str, Path(max_length=100, description="Id of a metering point.")],
    month: PathMonth,
    form: Annotated[Literal["json", "xlsx", "pdf"], Query(alias="format")] = "json",
    language: Annotated[Literal["zh-CN", "en"], Query(description="Of workbook and PDF.")] = "zh-CN",
    version: Annotated[int | None, Query(ge=1, le=30_000, description="The newest if left out.")] = None,
) -> Response:
    """Return the bill of a metering point, as it was issued; workbook and PDF are made when they are asked for."""
    found = find_point(session, metering_point)
    whose = whose_bills(caller)
    if found is None or (whose is not None and found[1] != whose):
        # Who may not read a bill is not told either whether there is one.
        raise unknown("bill", f"there is no bill of {metering_point!r} for {month}")
    document = read_bill_document(session, int(month.replace("-", "")), found[0], version)
    if document is None:
        raise unknown("bill", f"there is no bill of {metering_point!r} for {month}")
    if form == "json":
        return kept_response(request, document, JSON)
    if form not in context.bill_forms:
        raise ProblemError(HTTPStatus.NOT_IMPLEMENTED, "no-such-form", f"this hub makes no bills as {form}")
    return kept_response(request, context.bill_forms[form](decode_bill(document), language), MEDIA_TYPES[form])


def whose_bills(caller: Caller) -> str | None:
    """Return whose bills the caller may read, None for all.

    :raises ProblemError: 403 if it may read none
    """
    if may_read(caller.role, Resource.ALL_STATEMENTS):
        return None
    refuse_unreadable(caller, Resource.OWN_STATEMENTS)
    if caller.participant_id is None:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not-allowed", f"{caller.name} is no participant and has no bills")
    return caller.participant_id


def _summary(row: BillHeadRow) -> BillSummary:
    return BillSummary(
        metering_point=row.meter_id,
        account=row.account,
        bill_id=row.bill_id,
        version=row.version,
        booked_in=row.posting_month,
        energy_wh=row.energy_wh,
        total_yuan=yuan_text_from_fen(row.total_fen),
        rounding_yuan=yuan_text_from_nano_yuan(row.rounding_nano_yuan),
        sha256=row.sha256,
    )
