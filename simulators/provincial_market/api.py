"""The provincial market over HTTP: translates, holds no rules. Errors are problem documents (RFC 9457).

Energy Wh, prices micro-yuan/kWh, money nano-yuan, all JSON integers; an interval is UTC seconds // 900.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, assert_never

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from edge.contract.interval import INTERVALS_PER_DAY, LabelError, first_interval_of_day, iso_utc, parse_day
from simulators.provincial_market.market import (
    Exchange,
    ProvincialMarket,
    Published,
    ScheduleClosed,
    ScheduleTaken,
    Settlement,
    SettlementConflict,
    TooEarly,
)

EXCHANGE_WH_MAX = 10**12
INTERVAL_MAX = 10**7


class ExchangeBody(BaseModel):
    """Energy of one interval over the tie: import from the province and export to it, never netted."""

    model_config = ConfigDict(strict=True, extra="forbid")

    import_wh: int = Field(ge=0, le=EXCHANGE_WH_MAX)
    export_wh: int = Field(ge=0, le=EXCHANGE_WH_MAX)


class ProblemError(Exception):
    """The request cannot be served; becomes a problem document."""

    def __init__(self, status: int, title: str, detail: str, **members: int | None) -> None:
        super().__init__(detail)
        self.status = status
        self.document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        self.document.update(members)


def create_app(market: ProvincialMarket, now_utc_s: Callable[[], int]) -> FastAPI:
    """Return the web application over `market`; `now_utc_s` is the market's clock, virtual or wall."""
    app = FastAPI(title="Simulated provincial market", version="1")
    _add_problem_handlers(app)
    _add_price_routes(app, market, now_utc_s)
    _add_exchange_routes(app, market, now_utc_s)
    return app


def _add_price_routes(app: FastAPI, market: ProvincialMarket, now_utc_s: Callable[[], int]) -> None:
    @app.get("/v1/clock")
    async def clock() -> dict[str, int]:
        """Return the market's own clock."""
        return {"utc_s": now_utc_s()}

    @app.get("/v1/prices/day-ahead")
    async def day_ahead(day: str) -> dict[str, Any]:
        """Return the 96 day-ahead prices of an operating day (YYYY-MM-DD, UTC+8)."""
        try:
            first = first_interval_of_day(parse_day(day))
        except LabelError as error:
            raise ProblemError(422, "Bad day", str(error)) from None
        now = now_utc_s()
        prices = [
            _price_or_problem(market.day_ahead_price(interval, now), f"P_DA of {day}")
            for interval in range(first, first + INTERVALS_PER_DAY)
        ]
        return {"day": day, "first_interval": first, "price_uyuan_per_kwh": prices}

    @app.get("/v1/prices/indicative")
    async def indicative(interval: int) -> dict[str, int]:
        """Return the indicative price r of an interval, published one interval before its gate closure."""
        answer = market.indicative_price(_known(interval), now_utc_s())
        return {"interval": interval, "price_uyuan_per_kwh": _price_or_problem(answer, f"r of interval {interval}")}

    @app.get("/v1/prices/real-time")
    async def real_time(interval: int) -> dict[str, int]:
        """Return the real-time price of an interval that is over."""
        answer = market.real_time_price(_known(interval), now_utc_s())
        return {"interval": interval, "price_uyuan_per_kwh": _price_or_problem(answer, f"P_RT of interval {interval}")}


def _add_exchange_routes(app: FastAPI, market: ProvincialMarket, now_utc_s: Callable[[], int]) -> None:
    @app.put("/v1/schedules/{interval}")
    async def put_schedule(interval: int, body: ExchangeBody) -> dict[str, int]:
        """Take the exchange schedule of an interval; the same again changes nothing; none after the interval began."""
        exchange = Exchange(body.import_wh, body.export_wh)
        outcome = market.schedule(_known(interval), exchange, now_utc_s())
        if isinstance(outcome, ScheduleTaken):
            return {"interval": interval, **asdict(outcome.exchange)}
        if isinstance(outcome, ScheduleClosed):
            since = iso_utc(outcome.closed_since_utc_s)
            raise ProblemError(409, "Gate closed", f"interval {interval} takes no changed schedule since {since}")
        assert_never(outcome)

    @app.get("/v1/schedules/{interval}")
    async def get_schedule(interval: int) -> dict[str, int]:
        """Return the schedule that stands."""
        standing = market.standing_schedule(_known(interval))
        if standing is None:
            raise ProblemError(404, "No schedule", f"interval {interval} has no schedule")
        return {"interval": interval, **asdict(standing)}

    @app.post("/v1/settlements/{interval}")
    async def settle(interval: int, body: ExchangeBody) -> dict[str, int]:
        """Settle an interval on the gateway's metered energy; the same again returns the same."""
        outcome = market.settle(_known(interval), Exchange(body.import_wh, body.export_wh), now_utc_s())
        if isinstance(outcome, Settlement):
            return _settlement_document(outcome)
        if isinstance(outcome, TooEarly):
            raise _too_early(outcome, f"the settlement of interval {interval}")
        if isinstance(outcome, SettlementConflict):
            stands = outcome.standing.metered
            detail = f"interval {interval} is settled on import {stands.import_wh} Wh, export {stands.export_wh} Wh"
            raise ProblemError(409, "Settled already", detail)
        assert_never(outcome)

    @app.get("/v1/settlements")
    async def settlements() -> dict[str, list[dict[str, int]]]:
        """Return every settlement, by interval."""
        return {"settlements": [_settlement_document(settlement) for settlement in market.settlements()]}


def _settlement_document(settlement: Settlement) -> dict[str, int]:
    document = {"interval": settlement.interval}
    for name in ("scheduled", "day_ahead", "metered"):
        exchange: Exchange = getattr(settlement, name)
        document[f"{name}_import_wh"] = exchange.import_wh
        document[f"{name}_export_wh"] = exchange.export_wh
    document["day_ahead_price_uyuan_per_kwh"] = settlement.day_ahead_price_uyuan_per_kwh
    document["real_time_price_uyuan_per_kwh"] = settlement.real_time_price_uyuan_per_kwh
    document["import_amount_nano_yuan"] = settlement.import_amount_nano_yuan
    document["export_amount_nano_yuan"] = settlement.export_amount_nano_yuan
    return document


def _price_or_problem(answer: Published | TooEarly, what: str) -> int:
    if isinstance(answer, Published):
        return answer.price_uyuan_per_kwh
    if isinstance(answer, TooEarly):
        raise _too_early(answer, what)
    assert_never(answer)


def _too_early(answer: TooEarly, what: str) -> ProblemError:
    detail = f"{what} is not there before {iso_utc(answer.visible_from_utc_s)}"
    return ProblemError(425, "Too early", detail, visible_from_utc_s=answer.visible_from_utc_s)


def _known(interval: int) -> int:
    if not 0 <= interval <= INTERVAL_MAX:
        raise ProblemError(422, "Bad interval", f"{interval} is no interval; it is UTC seconds // 900")
    return interval


def _add_problem_handlers(app: FastAPI) -> None:
    media_type = "application/problem+json"

    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: ProblemError) -> JSONResponse:
        return JSONResponse(error.document, error.status, media_type=media_type)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        document = ProblemError(422, "Bad request", f"{where}: {first['msg']}").document
        return JSONResponse(document, 422, media_type=media_type)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        document = ProblemError(error.status_code, str(error.detail), str(error.detail)).document
        return JSONResponse(document, error.status_code, media_type=media_type, headers=error.headers)
