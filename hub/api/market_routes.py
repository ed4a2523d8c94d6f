"""Routes of the market: intervals and their results, orders, pairs, setpoints, curtailment, balance units."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from sqlmodel import Session

from edge.contract.interval import day_of_interval
from hub.api.conditional import json_response
from hub.api.context import ApiContext, Context, ReadSession
from hub.api.documents import Interval, IntervalResult, interval_document, interval_result_document
from hub.api.operator_stamps import stamp_document
from hub.api.paging import CursorText, Limit, Page, decode_cursor, page_of
from hub.api.problems import RESPONSES, unknown
from hub.market.trades import TradeSide
from hub.store.read_days import IntervalSummary, read_known_intervals
from hub.store.read_market import (
    CurtailmentView,
    LimitViolationView,
    OrderView,
    PairView,
    SetpointView,
    UnitView,
    read_curtailments,
    read_curve,
    read_limit_violations,
    read_orders,
    read_pairs,
    read_setpoints,
    read_unit_results,
    read_units,
)
from hub.store.tables import OrderStatus

router = APIRouter(tags=["market"], responses=RESPONSES)

IntervalNumber = Annotated[
    int, Path(ge=0, le=10**9, description="UTC seconds // 900.", openapi_examples={"noon": {"value": 1625632}})
]
IntervalQuery = Annotated[int, Query(ge=0, le=10**9, description="UTC seconds // 900.", examples=[1625632])]


@router.get("/intervals")
def list_intervals(
    context: Context, session: ReadSession, cursor: CursorText = None, limit: Limit = 96
) -> Page[Interval]:
    """List the cleared intervals, newest first."""
    key = decode_cursor(cursor, "intervals", int)
    known = read_known_intervals(session, before=int(key[0]) if key else None, limit=limit + 1)
    numbers, next_cursor = page_of(known, limit, "intervals", lambda interval: (interval,))
    summaries = context.summaries.read(session, sorted(numbers))
    return Page(items=[interval_document(one) for one in reversed(summaries)], next_cursor=next_cursor)


@router.get("/intervals/{interval}", response_model=IntervalResult)
def get_interval(request: Request, context: Context, session: ReadSession, interval: IntervalNumber) -> Response:
    """Return one interval: prices by unit, binding edges, offered curves, pairs by mode, exchange, network state."""
    summary = _known(context, session, interval)
    document = interval_result_document(
        summary,
        read_unit_results(session, interval),
        read_curve(session, interval, TradeSide.SELL),
        read_curve(session, interval, TradeSide.BUY),
        stamp_document(context, session, day_of_interval(interval)),
    )
    return json_response(request, document, closed=_closed(summary))


@router.get("/orders", response_model=Page[OrderView])
def list_orders(
    request: Request,
    *,
    context: Context,
    session: ReadSession,
    interval: IntervalQuery,
    cursor: CursorText = None,
    limit: Limit = 200,
    side: Annotated[Literal["SELL", "BUY"] | None, Query()] = None,
    status: Annotated[Literal["ACCEPTED", "REJECTED"] | None, Query()] = None,
    q: Annotated[str, Query(max_length=100, description="Part of an order, meter or unit id.")] = "",
) -> Response:
    """List the orders of an interval by order id, rejected ones with their reason, each with what it got."""
    summary = _known(context, session, interval)
    scope = f"orders/{interval}"
    key = decode_cursor(cursor, scope, str)
    rows = read_orders(
        session,
        interval,
        after=str(key[0]) if key else None,
        limit=limit + 1,
        side=TradeSide[side] if side else None,
        status=OrderStatus[status] if status else None,
        text=q,
    )
    items, next_cursor = page_of(rows, limit, scope, lambda order: (order.order_id,))
    return json_response(request, Page[OrderView](items=items, next_cursor=next_cursor), closed=_closed(summary))


@router.get("/intervals/{interval}/pairs", response_model=Page[PairView])
def list_pairs(
    request: Request,
    *,
    context: Context,
    session: ReadSession,
    interval: IntervalNumber,
    cursor: CursorText = None,
    limit: Limit = 200,
) -> Response:
    """List who sold to whom, in the fixed order of pairing."""
    summary = _known(context, session, interval)
    scope = f"pairs/{interval}"
    key = decode_cursor(cursor, scope, int)
    rows = read_pairs(session, interval, after=int(key[0]) if key else None, limit=limit + 1)
    items, next_cursor = page_of(rows, limit, scope, lambda pair: (pair.seq,))
    return json_response(request, Page[PairView](items=items, next_cursor=next_cursor), closed=_closed(summary))


@router.get("/intervals/{interval}/setpoints", response_model=Page[SetpointView])
def list_setpoints(
    request: Request,
    *,
    context: Context,
    session: ReadSession,
    interval: IntervalNumber,
    cursor: CursorText = None,
    limit: Limit = 200,
) -> Response:
    """List the limits of net export that were sent for the interval, and what the gateways answered."""
    summary = _known(context, session, interval)
    scope = f"setpoints/{interval}"
    key = decode_cursor(cursor, scope, str)
    rows = read_setpoints(session, interval, after=str(key[0]) if key else None, limit=limit + 1)
    items, next_cursor = page_of(rows, limit, scope, lambda setpoint: (setpoint.meter,))
    return json_response(request, Page[SetpointView](items=items, next_cursor=next_cursor), closed=_closed(summary))


@router.get("/intervals/{interval}/curtailments", response_model=Page[CurtailmentView])
def list_curtailments(
    request: Request,
    *,
    context: Context,
    session: ReadSession,
    interval: IntervalNumber,
    cursor: CursorText = None,
    limit: Limit = 200,
) -> Response:
    """List the fills that were lowered after the last clearing round, and why."""
    summary = _known(context, session, interval)
    scope = f"curtailments/{interval}"
    key = decode_cursor(cursor, scope, str)
    rows = read_curtailments(session, interval, after=str(key[0]) if key else None, limit=limit + 1)
    items, next_cursor = page_of(rows, limit, scope, lambda one: (one.order_id,))
    return json_response(request, Page[CurtailmentView](items=items, next_cursor=next_cursor), closed=_closed(summary))


@router.get("/intervals/{interval}/violations", response_model=Page[LimitViolationView])
def list_violations(
    request: Request,
    *,
    context: Context,
    session: ReadSession,
    interval: IntervalNumber,
    cursor: CursorText = None,
    limit: Limit = 200,
) -> Response:
    """List the breached network limits of the expected state before and after the check, and of the metered state."""
    summary = _known(context, session, interval)
    scope = f"violations/{interval}"
    key = decode_cursor(cursor, scope, str, int)
    after = (str(key[0]), int(key[1])) if key else None
    rows = read_limit_violations(session, interval, after=after, limit=limit + 1)
    items, next_cursor = page_of(rows, limit, scope, lambda one: (one.stage, one.seq))
    page = Page[LimitViolationView](items=items, next_cursor=next_cursor)
    return json_response(request, page, closed=_closed(summary))


@router.get("/units", tags=["registry"])
def list_units(session: ReadSession) -> list[UnitView]:
    """Return the tree of balance units, each followed by what is below it."""
    return read_units(session)


def _known(context: ApiContext, session: Session, interval: int) -> IntervalSummary:
    summary = context.summaries.read(session, [interval])[0]
    if summary.stage == "none":
        raise unknown("interval", f"interval {interval} has no orders and was not cleared by this hub")
    return summary


def _closed(summary: IntervalSummary) -> bool:
    return summary.stage == "settled"
