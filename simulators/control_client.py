"""A simulator's end of the conductor's control channel (edge.contract.control), on asyncio.

The one thing that world and province share: connect, say Hello, answer Advance by Quiet and Ask by Answer, until Stop.
Everything runs in the process's single event loop, so an Advance never overlaps a request of a device or a client.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.contract.control import Advance, Answer, Ask, Failed, Hello, Quiet, Stop, decode_from_conductor, encode_line

LINE_BYTES_MAX = 16 * 1024 * 1024


class AddressError(ValueError):
    """A text that is no HOST:PORT."""


class ConductorLostError(ConnectionError):
    """The conductor closed the channel without Stop."""


@dataclass(frozen=True)
class Performer:
    """What a process does when the conductor asks.

    role, name: as in Hello. advance(utc_s): do all that is due, idempotent; returns counts for Quiet.
    answer(what): a value for msgspec to encode, or None for a question that this process does not know.
    failures: exceptions of `advance` that mean the run cannot go on; they are told to the conductor and raised again.
    """

    role: str
    name: str
    advance: Callable[[int], dict[str, int]]
    answer: Callable[[str], object | None]
    failures: tuple[type[Exception], ...] = ()


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of the text HOST:PORT; port 0 means any free one.

    :raises AddressError: if it is none
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise AddressError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def announce(listener: socket.socket, port_file: Path | None) -> str:
    """Return HOST:PORT of a listening socket; write the port to `port_file`, complete or not at all.

    :raises OSError: if the file cannot be written
    """
    host, port = listener.getsockname()[:2]
    if port_file is not None:
        partial = port_file.with_suffix(".partial")
        partial.write_text(f"{port}\n", encoding="ascii")
        partial.replace(port_file)
    return f"{host}:{port}"


async def follow_conductor(host: str, port: int, performer: Performer) -> None:
    """Serve the conductor until it says Stop.

    :raises ConductorLostError: if the channel ends without Stop
    :raises ContractError: if the conductor sends what the contract does not allow
    """
    reader, writer = await asyncio.open_connection(host, port, limit=LINE_BYTES_MAX)
    try:
        writer.write(encode_line(Hello(performer.role, performer.name, os.getpid())))
        await writer.drain()
        while line := await reader.readline():
            message = decode_from_conductor(line)
            if isinstance(message, Stop):
                return
            writer.write(encode_line(_reply(message, performer)))
            await writer.drain()
    except performer.failures as error:
        writer.write(encode_line(Failed(f"{type(error).__name__}: {error}")))
        await writer.drain()
        raise
    finally:
        writer.close()
    raise ConductorLostError("the conductor closed the control channel without Stop")


def _reply(message: Advance | Ask, performer: Performer) -> Quiet | Answer | Failed:
    if isinstance(message, Advance):
        started_s = asyncio.get_running_loop().time()
        counts = performer.advance(message.utc_s)
        return Quiet(message.utc_s, counts, {"advance": asyncio.get_running_loop().time() - started_s})
    document = performer.answer(message.what)
    if document is None:
        return Failed(f"{performer.role} has no answer to {message.what!r}")
    return Answer(message.what, msgspec.Raw(msgspec.json.encode(document)))
