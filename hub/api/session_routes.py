"""Routes of the timetable: the sessions of a day with every transition, and the exchange with its hand-over."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from edge.contract.interval import iso_utc, label_of_interval
from hub.api.conditional import json_response
from hub.api.context import Context, ReadSession
from hub.api.day_documents import shown_day
from hub.api.documents import OperatorStampDocument
from hub.api.operator_stamps import stamp_document
from hub.api.problems import RESPONSES
from hub.market.province.hand_over import HandOverState
from hub.market.timetable.session_states import SessionState
from hub.store.read_days import IntervalSummary, intervals_of_day
from hub.store.sessions import StoredHandOver, StoredSession, read_hand_overs, read_sessions

router = APIRouter(tags=["market"], responses=RESPONSES)

Day = Annotated[
    date | None, Query(description="Operating day (UTC+8); the newest if left out.", examples=["2016-05-17"])
]
_ENDS = {SessionState.FINAL.value, SessionState.CANCELLED.value}
_FROZEN = {HandOverState.FROZEN.value, HandOverState.MISSED.value}


class Transition(BaseModel):
    """One change of state, at an instant of the timetable or of the hub's jobs."""

    action: str = Field(examples=["close-gate"])
    before: str
    after: str = Field(examples=["gate-closed"])
    at: str = Field(examples=["2016-05-17T01:45:00Z"])


class MarketSession(BaseModel):
    """A session: what it delivers, when it takes orders, where it stands and how it came there.

    first_interval, end_interval: half-open. label: of the interval, by its end; null where it delivers several.
    accepted, rejected: orders that came into it.
    """

    session_id: str = Field(examples=["R/1626056"])
    kind: str = Field(examples=["R"], description="R rolling, DA day-ahead, MT mid-term, L listing.")
    first_interval: int
    end_interval: int
    label: str | None
    opens: str
    gate_closes: str
    state: str
    needs_province: bool
    accepted: int
    rejected: int
    transitions: list[Transition]


class SessionDay(BaseModel):
    """The sessions of a trading day by gate closure. closed: all of them have come to an end."""

    day: str
    closed: bool
    published_by: OperatorStampDocument | None
    sessions: list[MarketSession]


class ExchangeStep(BaseModel):
    """One step of the hand-over of a version of the schedule."""

    step: str = Field(examples=["acknowledge"])
    before: str
    after: str
    version: int
    at: str


class ExchangeInterval(BaseModel):
    """The exchange of an interval with the province, import positive.

    scheduled_wh: the newest schedule, of `version`. standing_wh: the newest that was acknowledged; null: none was.
    finality: of the newest: "final", "awaits-province" (provisional) or "refused". frozen: neither level accepts a
    changed schedule any more. metered_wh: over the gateway, deviation_wh: of it from the schedule; null until settled.
    The province takes the schedule at the day-ahead price and the deviation at the real-time price.
    """

    interval: int
    label: str
    state: str
    version: int
    scheduled_wh: int | None
    set_by: str | None
    standing_version: int
    standing_wh: int | None
    finality: str
    frozen: bool
    metered_wh: int | None
    deviation_wh: int | None
    day_ahead_uyuan_per_kwh: int | None
    real_time_uyuan_per_kwh: int | None
    steps: list[ExchangeStep]


class ExchangeDay(BaseModel):
    """The exchange schedule of a day, as it is handed over. closed: all of its intervals are frozen and metered."""

    day: str
    closed: bool
    published_by: OperatorStampDocument | None
    intervals: list[ExchangeInterval]


@router.get("/sessions", response_model=SessionDay)
def get_sessions(request: Request, context: Context, session: ReadSession, day: Day = None) -> Response:
    """Return the sessions of a day: into which one an order comes, when its gate closes, and every transition."""
    chosen = day or shown_day(session, context.now_utc_s())
    found = read_sessions(session, chosen.isoformat())
    closed = len(found) >= len(intervals_of_day(chosen)) and all(one.row.state in _ENDS for one in found)
    document = SessionDay(
        day=chosen.isoformat(),
        closed=closed,
        published_by=stamp_document(context, session, chosen),
        sessions=[_session(one) for one in found],
    )
    return json_response(request, document, closed=closed)


@router.get("/exchange", response_model=ExchangeDay)
def get_exchange(request: Request, context: Context, session: ReadSession, day: Day = None) -> Response:
    """Return the county's exchange schedule of a day: what was handed over, what binds, and what is frozen."""
    chosen = day or shown_day(session, context.now_utc_s())
    wanted = intervals_of_day(chosen)
    found = read_hand_overs(session, first=wanted[0], last=wanted[-1])
    closed = len(found) == len(wanted) and all(one.row.state in _FROZEN for one in found)
    summaries = {one.interval: one for one in context.summaries.read(session, wanted)}
    settled = all(summaries[one.row.interval].exchange.deviation_wh is not None for one in found)
    intervals = [_exchange(one, summaries[one.row.interval]) for one in found]
    document = ExchangeDay(
        day=chosen.isoformat(),
        closed=closed and settled,
        published_by=stamp_document(context, session, chosen),
        intervals=intervals,
    )
    return json_response(request, document, closed=document.closed)


def _session(one: StoredSession) -> MarketSession:
    row = one.row
    is_single = row.end_interval == row.first_interval + 1
    return MarketSession(
        session_id=row.session_id,
        kind=row.kind,
        first_interval=row.first_interval,
        end_interval=row.end_interval,
        label=label_of_interval(row.first_interval) if is_single else None,
        opens=iso_utc(row.opens_utc_s),
        gate_closes=iso_utc(row.closes_utc_s),
        state=row.state,
        needs_province=row.is_sub_market,
        accepted=one.accepted,
        rejected=one.rejected,
        transitions=[
            Transition(action=event.action, before=event.before, after=event.after, at=iso_utc(event.at_utc_s))
            for event in one.events
        ],
    )


def _exchange(one: StoredHandOver, summary: IntervalSummary) -> ExchangeInterval:
    row, exchange = one.row, summary.exchange
    imported_wh, exported_wh = exchange.metered_import_wh, exchange.metered_export_wh
    return ExchangeInterval(
        interval=row.interval,
        label=label_of_interval(row.interval),
        state=row.state,
        version=row.version,
        scheduled_wh=row.import_wh,
        set_by=row.set_by,
        standing_version=row.standing_version,
        standing_wh=row.standing_import_wh,
        finality=row.finality,
        frozen=row.state in _FROZEN,
        metered_wh=None if imported_wh is None or exported_wh is None else imported_wh - exported_wh,
        deviation_wh=exchange.deviation_wh,
        day_ahead_uyuan_per_kwh=summary.prices.day_ahead_uyuan_per_kwh,
        real_time_uyuan_per_kwh=summary.prices.real_time_uyuan_per_kwh,
        steps=[
            ExchangeStep(
                step=event.step,
                before=event.before,
                after=event.after,
                version=event.version,
                at=iso_utc(event.at_utc_s),
            )
            for event in one.events
        ],
    )
