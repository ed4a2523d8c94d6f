"""Routes of the money: account totals with their zero, statements, the table of a day."""

from dataclasses import replace
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from sqlmodel import Session

from edge.contract.interval import day_of_interval
from edge.contract.registry import SaleMode, SupplyMode
from hub.api.amounts import yuan_text_from_nano_yuan
from hub.api.conditional import json_response
from hub.api.context import ApiContext, Context, ReadSession
from hub.api.day_documents import shown_day, totals_document
from hub.api.documents import (
    Accounts,
    DayResults,
    StatementDays,
    StatementDocument,
    StatementSummary,
    account_document,
    interval_document,
    statement_document,
    statement_summary,
)
from hub.api.operator_stamps import stamp_document
from hub.api.paging import CursorText, Limit, Page, decode_cursor, page_of
from hub.api.problems import RESPONSES, unknown
from hub.api.registry_routes import broken_log, prepared_county
from hub.market.elections.point_modes import sale_in_force, supply_in_force
from hub.store.read_days import intervals_of_day, read_settlement_runs
from hub.store.read_money import (
    Statement,
    StatementMeter,
    add_account_totals,
    read_statement,
    read_statement_days,
    read_statement_heads,
)
from hub.usecases.event_log import EventLogError

router = APIRouter(tags=["settlement"], responses=RESPONSES)

Day = Annotated[
    date | None, Query(description="Operating day (UTC+8); the newest if left out.", examples=["2016-05-17"])
]


@router.get("/statements/days")
def list_statement_days(session: ReadSession) -> StatementDays:
    """Return the operating days that have statements, newest first."""
    return StatementDays(days=read_statement_days(session))


@router.get("/statements", response_model=Page[StatementSummary])
def list_statements(
    request: Request,
    *,
    session: ReadSession,
    day: Day = None,
    cursor: CursorText = None,
    limit: Limit = 200,
    q: Annotated[str, Query(max_length=100, description="Part of an account or meter id.")] = "",
) -> Response:
    """List the statements of a day by account; an empty list if the day has none (yet)."""
    chosen = _statement_day(session, day)
    scope = f"statements/{chosen}"
    key = decode_cursor(cursor, scope, str)
    rows = read_statement_heads(session, chosen, after=str(key[0]) if key else None, limit=limit + 1, text=q)
    items, next_cursor = page_of(rows, limit, scope, lambda head: (head.account,))
    page = Page[StatementSummary](items=[statement_summary(head) for head in items], next_cursor=next_cursor)
    return json_response(request, page, closed=bool(items))


@router.get("/statements/{account}", response_model=StatementDocument)
def get_statement(
    request: Request,
    context: Context,
    session: ReadSession,
    account: Annotated[str, Path(max_length=100, description="A participant id, or an account such as D_sup.")],
    day: Day = None,
) -> Response:
    """Return the statement of one account for a day, line by line, with the modes that were in force on it."""
    chosen = _statement_day(session, day)
    statement = read_statement(session, chosen, account)
    if statement is None:
        raise unknown("statement", f"there is no statement of {account!r} for {chosen}")
    statement = replace(statement, meters=_in_force(context, session, statement))
    return json_response(request, statement_document(statement), closed=True)


@router.get("/accounts", response_model=Accounts)
def get_accounts(
    request: Request,
    context: Context,
    session: ReadSession,
    day: Day = None,
    interval: Annotated[int | None, Query(ge=0, le=10**9, description="One interval instead of the day.")] = None,
) -> Response:
    """Return the total of every account by ledger and computed on its own, and the sums, which are zero.

    Participants stand in groups by seller class; each one's own figures are in its statement.
    """
    if interval is not None:
        chosen, wanted = day_of_interval(interval), range(interval, interval + 1)
    else:
        chosen = day or shown_day(session, context.now_utc_s())
        wanted = intervals_of_day(chosen)
    settled = read_settlement_runs(session, first=wanted[0], last=wanted[-1])
    if interval is not None and not settled:
        raise unknown("settlement", f"interval {interval} is not settled")
    totals = add_account_totals(context.account_totals.read(session, settled))
    document = Accounts(
        day=chosen.isoformat(),
        interval=interval,
        settled_intervals=len(settled),
        accounts=[account_document(total) for total in totals],
        sum_yuan=yuan_text_from_nano_yuan(sum(total.ledger_nano_yuan for total in totals)),
        independent_sum_yuan=yuan_text_from_nano_yuan(sum(total.independent_nano_yuan for total in totals)),
    )
    return json_response(request, document, closed=interval is not None or len(settled) == len(wanted))


@router.get("/results/day", response_model=DayResults)
def get_day_results(request: Request, context: Context, session: ReadSession, day: Day = None) -> Response:
    """Return the table of a day: every interval's prices, volumes, exchange, network state, and the sums."""
    chosen = day or shown_day(session, context.now_utc_s())
    summaries = context.summaries.read(session, intervals_of_day(chosen))
    closed = chosen.isoformat() in read_statement_days(session)
    document = DayResults(
        day=chosen.isoformat(),
        closed=closed,
        published_by=stamp_document(context, session, chosen),
        intervals=[interval_document(one) for one in summaries if one.stage != "none"],
        totals=totals_document(summaries),
    )
    return json_response(request, document, closed=closed)


def _statement_day(session: Session, day: date | None) -> str:
    if day is not None:
        return day.isoformat()
    days = read_statement_days(session)
    return days[0] if days else ""


def _in_force(context: ApiContext, session: Session, statement: Statement) -> tuple[StatementMeter, ...]:
    """Return the statement's points with the modes of its day, which its settlement read too."""
    day, county = date.fromisoformat(statement.day), prepared_county(session)
    try:
        register = context.registers.read_before(session, county, day).register
    except EventLogError as error:
        raise broken_log(error) from None
    found = []
    for point in statement.meters:
        supply = supply_in_force(register, point.meter, SupplyMode(point.supply_mode), day)
        sale = sale_in_force(register, point.meter, SaleMode(point.sale_mode), day)
        modes = {"supply_mode": supply.mode.value, "sale_mode": sale.mode.value}
        found.append(replace(point, **modes, supply_by=supply.by, sale_by=sale.by))
    return tuple(found)
