"""The world as a process: drivers connect over TCP, the conductor (or the wall clock) moves time. One event loop."""

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass, field
from typing import assert_never

from edge.contract.driver import LimitExport, ReadRegisters, Refused, decode_request, encode_line
from edge.contract.interval import SECONDS_PER_INTERVAL
from edge.contract.messages import ContractError
from simulators.control_client import Performer, follow_conductor
from simulators.world.network_state import PowerFlowError
from simulators.world.world import World

LINE_BYTES_MAX = 4 * 1024 * 1024


@dataclass
class DriverServer:
    """Answers drivers, any number of connections at once."""

    world: World
    counts: dict[str, int] = field(default_factory=lambda: {"reads": 0, "limits": 0, "refused": 0})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, in their order, until it ends."""
        with contextlib.suppress(ConnectionError):
            try:
                while line := await reader.readline():
                    writer.write(self.answer(line))
                    await writer.drain()
            except ValueError:  # asyncio's word for a line above the limit; what follows cannot be understood
                writer.write(encode_line(Refused(f"a line is longer than {LINE_BYTES_MAX} bytes")))
                await writer.drain()
            finally:
                writer.close()

    def answer(self, line: bytes) -> bytes:
        """Return the answer to one request line; what cannot be served is refused with a reason."""
        try:
            request = decode_request(line)
        except ContractError as error:
            self.counts["refused"] += 1
            return encode_line(Refused(str(error)))
        if isinstance(request, ReadRegisters):
            answer = self.world.read(request)
            self.counts["reads"] += 1
        elif isinstance(request, LimitExport):
            answer = self.world.limit(request)
            self.counts["limits"] += 1
        else:
            assert_never(request)
        self.counts["refused"] += isinstance(answer, Refused)
        return encode_line(answer)


async def run_conducted(world: World, listener: socket.socket, control: tuple[str, int]) -> None:
    """Serve drivers on `listener` while the conductor moves time, until it says Stop.

    :raises ConductorLostError: if the conductor goes away
    :raises PowerFlowError: if the world cannot go on
    """
    drivers = DriverServer(world)

    def advance(utc_s: int) -> dict[str, int]:
        world.advance(utc_s)
        return {"intervals": len(world.records()), **drivers.counts}

    def answer(what: str) -> object | None:
        return _answer(world, what)

    server = await asyncio.start_server(drivers.serve, sock=listener, limit=LINE_BYTES_MAX)
    try:
        await follow_conductor(*control, Performer("world", "world", advance, answer, failures=(PowerFlowError,)))
    finally:
        server.close()


async def run_live(world: World, listener: socket.socket) -> None:
    """Serve drivers on `listener` while the wall clock moves time.

    :raises PowerFlowError: if the world cannot go on
    """
    server = await asyncio.start_server(DriverServer(world).serve, sock=listener, limit=LINE_BYTES_MAX)
    try:
        while True:
            world.advance(int(time.time()))
            await asyncio.sleep(SECONDS_PER_INTERVAL - time.time() % SECONDS_PER_INTERVAL)
    finally:
        server.close()


def _answer(world: World, what: str) -> object | None:
    """Answer "world" (all intervals) or "world/FROM/TO" (intervals FROM <= k < TO)."""
    name, *bounds = what.split("/")
    if name != "world" or len(bounds) not in {0, 2} or not all(bound.isascii() and bound.isdigit() for bound in bounds):
        return None
    return world.summary(*(int(bound) for bound in bounds))
