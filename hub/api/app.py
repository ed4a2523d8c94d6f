"""The web application: /api/v1, and the console's files at /. Everything it needs is given to it.

It reads; operators may write events of the registry where a database for that is given.
"""

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlmodel import Session
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from hub.api import (
    bill_month_routes,
    bill_routes,
    green_routes,
    hosting_routes,
    listing_routes,
    market_routes,
    money_routes,
    problems,
    registry_point_routes,
    registry_routes,
    running_routes,
    session_routes,
    trial_balance_routes,
)
from hub.api.context import AccountTotalsCache, ApiContext, BillForm, Caller, NetworkLimits, RegisterCache, SummaryCache
from hub.api.events import EventStream
from hub.api.headers import LOOPBACK_HOSTS, SecurityHeaders
from hub.api.listing_cache import ListingCache

PREFIX = "/api/v1"
DATA_AGE_LIMIT_S = 1800
HEARTBEAT_S = 5.0

TAGS = [
    {"name": "running", "description": "The running hub: overview, refusals, live events, health, metrics."},
    {"name": "market", "description": "Intervals, orders, clearing, pairs, setpoints, curtailment."},
    {"name": "listing", "description": "Listing trading: announced sessions, the anonymous board, orders, results."},
    {"name": "settlement", "description": "Accounts and their zero, statements, the table of a day."},
    {"name": "network", "description": "Hosting capacity: what the county's network can still take."},
    {"name": "registry", "description": "What the county consists of, who takes part, and in which modes."},
]

ROUTES = (
    running_routes,
    market_routes,
    money_routes,
    bill_month_routes,
    bill_routes,
    hosting_routes,
    listing_routes,
    registry_point_routes,
    registry_routes,
    green_routes,
    session_routes,
    trial_balance_routes,
)

DESCRIPTION = (
    "Results of a county's electricity market. Energy is Wh, prices are micro-yuan/kWh (1,000,000 = 1 yuan/kWh), "
    "both integers; money is exact decimal yuan as text. An interval is UTC seconds // 900; its label names its end. "
    "Errors are problem documents (RFC 9457); lists go on with `cursor`; closed results carry an ETag."
)


class ConsoleFiles(StaticFiles):
    """The console's built files. Names do not change between versions, so a browser asks each time (by ETag)."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, to be kept but checked."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(
    *,
    open_session: Callable[[], Session],
    now_utc_s: Callable[[], int],
    events: EventStream,
    limits: NetworkLimits,
    console_files: Path | None,
    allowed_hosts: Collection[str] = LOOPBACK_HOSTS,
    data_age_limit_s: int = DATA_AGE_LIMIT_S,
    heartbeat_s: float = HEARTBEAT_S,
    writer: Engine | None = None,
    access_keys: Mapping[str, Caller] = MappingProxyType({}),
    bill_forms: Mapping[str, BillForm] = MappingProxyType({}),
) -> FastAPI:
    """Return the web application.

    :param open_session: opens a session on a read-only engine; called once for each request, from several threads
    :param now_utc_s: the hub's time, virtual or of the wall
    :param events: what the jobs publish to; close it before the server is stopped
    :param limits: limits of the network check, drawn beside the values
    :param console_files: folder of the built console, None for the API alone
    :param allowed_hosts: names and addresses under which the hub answers
    :param data_age_limit_s: a gateway whose newest reading is older counts as missing
    :param writer: the database for what operators write; None: nothing can be written
    :param bill_forms: what makes a workbook ("xlsx") or a PDF ("pdf") of a bill
    :param access_keys: callers by the SHA-256 of their keys; without any, this machine's requests are the operator's
    """
    app = FastAPI(
        title="County micro-balance market",
        version=version("county-microbalance"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # the pages would load scripts from another host
        redoc_url=None,
    )
    app.state.context = ApiContext(
        open_session=open_session,
        now_utc_s=now_utc_s,
        events=events,
        limits=limits,
        data_age_limit_s=data_age_limit_s,
        heartbeat_s=heartbeat_s,
        summaries=SummaryCache(),
        account_totals=AccountTotalsCache(),
        writer=writer,
        access_keys=access_keys,
        registers=RegisterCache(),
        listings=ListingCache(),
        bill_forms=bill_forms,
    )
    problems.install(app)
    for module in ROUTES:
        app.include_router(module.router, prefix=PREFIX)
    if console_files is not None:
        app.mount("/", ConsoleFiles(directory=console_files, html=True), name="console")
    app.add_middleware(SecurityHeaders, allowed_hosts=allowed_hosts)
    return app
