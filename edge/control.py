"""The edge's end of the control channel of a run in virtual time: a thread reads lines into the main loop's queue.

In live operation there is no conductor, and this file is not used.
"""

import contextlib
import socket
import threading
from collections.abc import Callable

import msgspec

from edge.contract.control import Advance, Ask, FromProcess, Stop, decode_from_conductor, encode_line
from edge.contract.messages import ContractError

CONNECT_TIMEOUT_S = 10


class ConductorLostError(ConnectionError):
    """The conductor cannot be reached, or is gone."""


class ConductorLost(msgspec.Struct, frozen=True):
    """The channel ended without a Stop, or brought something that is no message."""

    reason: str


ControlEvent = Advance | Ask | Stop | ConductorLost


class ControlChannel:
    """A connection to the conductor; what it says goes into the queue, in order, and ConductorLost at the end."""

    def __init__(self, host: str, port: int, enqueue: Callable[[ControlEvent], None]) -> None:
        """Connect and begin to read. enqueue: takes ControlEvents, from another thread.

        :raises ConductorLostError: if nobody listens there
        """
        self._enqueue = enqueue
        try:
            self._socket = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            raise ConductorLostError(f"no conductor at {host}:{port}: {error.strerror or error}") from None
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = threading.Thread(target=self._read, name="control", daemon=True)
        self._reader.start()

    def send(self, message: FromProcess) -> None:
        """Send one message to the conductor.

        :raises ConductorLostError: if it is gone
        """
        try:
            self._socket.sendall(encode_line(message))
        except OSError as error:
            raise ConductorLostError(f"the conductor is gone: {error.strerror or error}") from None

    def close(self) -> None:
        """End the connection and its thread."""
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    self._enqueue(decode_from_conductor(line))
            reason = "the conductor closed the channel"
        except (OSError, ContractError) as error:
            reason = f"the conductor's channel: {error}"
        self._enqueue(ConductorLost(reason))
