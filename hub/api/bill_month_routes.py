"""Routes over the bills: which months are billed and what they come to by component, and the versions of one bill."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from hub.api.amounts import yuan_text_from_fen, yuan_text_from_nano_yuan
from hub.api.bill_routes import PathMonth, whose_bills
from hub.api.callers import KnownCaller
from hub.api.conditional import json_response
from hub.api.context import ReadSession
from hub.api.documents import Yuan, YuanFen
from hub.api.problems import MEDIA_TYPE, RESPONSES, Problem, unknown
from hub.store.bills import find_point
from hub.store.read_bills import BilledMonth, BillVersionHead, read_bill_versions, read_billed_months

router = APIRouter(tags=["settlement"], responses=RESPONSES)

_REFUSED: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
_ACCESS: dict[int | str, dict[str, Any]] = {
    HTTPStatus.UNAUTHORIZED.value: _REFUSED | {"description": "Nobody that this hub knows."},
    HTTPStatus.FORBIDDEN.value: _REFUSED | {"description": "The caller may not read these bills."},
}


class BillComponentSum(BaseModel):
    """What the lines of one component come to in all bills of the month; they add up to the month's total."""

    component: str = Field(examples=["network"])
    energy_wh: int
    amount_yuan: YuanFen


class BillMonth(BaseModel):
    """A month with its newest bills. replaced: at least one is a later version. closed_on: null while it is open."""

    month: str = Field(examples=["2026-01"])
    bills: int
    energy_wh: int
    total_yuan: YuanFen
    rounding_yuan: Yuan
    replaced: bool
    closed_on: str | None
    components: list[BillComponentSum]


class BillMonths(BaseModel):
    """The months that are billed, newest first; empty if none is."""

    months: list[BillMonth]


class BillVersionDocument(BaseModel):
    """One version of a bill. booked_in: its own month, or a later one for a correction."""

    version: int
    bill_id: str
    booked_in: str = Field(examples=["2026-01"])
    energy_wh: int
    total_yuan: YuanFen
    sha256: str


class BillVersions(BaseModel):
    """All versions of a metering point's bill of a month, oldest first."""

    metering_point: str
    month: str
    versions: list[BillVersionDocument]


@router.get("/bills/months", response_model=BillMonths, responses=_ACCESS)
def list_bill_months(request: Request, *, session: ReadSession, caller: KnownCaller) -> Response:
    """List the months that are billed with their sums; a participant sees its own bills' sums, an auditor all."""
    found = read_billed_months(session, participant=whose_bills(caller))
    document = BillMonths(months=[_month(one) for one in found])
    return json_response(request, document, closed=False)


@router.get("/bills/{metering_point}/{month}/versions", response_model=BillVersions, responses=_ACCESS)
def list_bill_versions(
    request: Request,
    *,
    session: ReadSession,
    caller: KnownCaller,
    metering_point: Annotated[str, Path(max_length=100, description="Id of a metering point.")],
    month: PathMonth,
) -> Response:
    """List every version of a bill that was issued, with the hash of its document."""
    found, whose = find_point(session, metering_point), whose_bills(caller)
    versions: list[BillVersionHead] = []
    if found is not None and (whose is None or found[1] == whose):
        versions = read_bill_versions(session, int(month.replace("-", "")), found[0])
    if not versions:
        # Who may not read a bill is not told either whether there is one.
        raise unknown("bill", f"there is no bill of {metering_point!r} for {month}")
    document = BillVersions(metering_point=metering_point, month=month, versions=[_version(one) for one in versions])
    return json_response(request, document, closed=False)


def _month(one: BilledMonth) -> BillMonth:
    return BillMonth(
        month=_month_text(one.month),
        bills=one.bills,
        energy_wh=one.energy_wh,
        total_yuan=yuan_text_from_fen(one.total_fen),
        rounding_yuan=yuan_text_from_nano_yuan(one.rounding_nano_yuan),
        replaced=one.replaced,
        closed_on=one.closed_on,
        components=[
            BillComponentSum(
                component=part.component, energy_wh=part.energy_wh, amount_yuan=yuan_text_from_fen(part.amount_fen)
            )
            for part in one.components
        ],
    )


def _version(one: BillVersionHead) -> BillVersionDocument:
    return BillVersionDocument(
        version=one.version,
        bill_id=one.bill_id,
        booked_in=_month_text(one.posting_month),
        energy_wh=one.energy_wh,
        total_yuan=yuan_text_from_fen(one.total_fen),
        sha256=one.sha256,
    )


def _month_text(month: int) -> str:
    return f"{month // 100:04d}-{month % 100:02d}"
