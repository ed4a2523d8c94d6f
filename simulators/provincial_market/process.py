"""The provincial market as a process: the HTTP server and, in a run in virtual time, the conductor's channel."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from simulators.control_client import Performer, follow_conductor
from simulators.provincial_market.api import create_app
from simulators.provincial_market.market import ProvincialMarket

# The hub calls once an interval: its connection must outlive one, or its next call may meet a closing connection.
_KEEP_ALIVE_S = 1200


@dataclass
class VirtualClock:
    """The clock of a run in virtual time: it only goes forward, and only when the conductor says so."""

    utc_s: int

    def advance(self, utc_s: int) -> None:
        """Move to the instant; an earlier one changes nothing."""
        self.utc_s = max(self.utc_s, utc_s)

    def now_utc_s(self) -> int:
        """Return the instant at which the clock stands."""
        return self.utc_s


def wall_now_utc_s() -> int:
    """Return the wall clock's UTC seconds."""
    return int(time.time())


async def run_conducted(
    market: ProvincialMarket, clock: VirtualClock, listener: socket.socket, control: tuple[str, int]
) -> None:
    """Serve HTTP on `listener` in virtual time until the conductor says Stop.

    :raises ConductorLostError: if the conductor goes away
    """

    def advance(utc_s: int) -> dict[str, int]:
        clock.advance(utc_s)
        return {"settlements": len(market.settlements())}

    def answer(what: str) -> object | None:
        return {"settlements": len(market.settlements())} if what == "province" else None

    server = _server(market, clock.now_utc_s)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await follow_conductor(*control, Performer("province", "province", advance, answer))
    finally:
        server.should_exit = True
        await serving


async def run_live(market: ProvincialMarket, listener: socket.socket) -> None:
    """Serve HTTP on `listener` on the wall clock until the process is told to end."""
    with contextlib.suppress(asyncio.CancelledError):
        await _server(market, wall_now_utc_s).serve(sockets=[listener])


def _server(market: ProvincialMarket, now_utc_s: Callable[[], int]) -> uvicorn.Server:
    app = create_app(market, now_utc_s)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_keep_alive=_KEEP_ALIVE_S
    )
    return uvicorn.Server(config)
