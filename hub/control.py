"""The hub's end of the control channel of a run in virtual time: a thread reads lines, the engine answers.

In live operation there is no conductor, and this file is not used.
"""

import contextlib
import logging
import queue
import socket
import threading

from edge.contract.control import Advance, Ask, FromProcess, Hello, Stop, decode_from_conductor, encode_line
from edge.contract.messages import ContractError

logger = logging.getLogger(__name__)


class ControlClosedError(ConnectionError):
    """The conductor went away; the hub ends in good order."""


class ControlChannel:
    """A connection to the conductor. `commands` holds what it asked for, in order; a Stop ends them.

    :raises ControlClosedError: if nobody listens there
    """

    def __init__(self, host: str, port: int, name: str, process_id: int) -> None:
        self.commands: queue.SimpleQueue[Advance | Ask | Stop] = queue.SimpleQueue()
        try:
            self._socket = socket.create_connection((host, port), timeout=10)
        except OSError as error:
            raise ControlClosedError(f"no conductor at {host}:{port}: {error.strerror or error}") from None
        self._socket.settimeout(None)
        self._lines = self._socket.makefile("rb")
        self._write_lock = threading.Lock()
        self.send(Hello(role="hub", name=name, pid=process_id))
        threading.Thread(target=self._read, name="control", daemon=True).start()

    def send(self, message: FromProcess) -> None:
        """Send one message to the conductor; may be called from any thread.

        :raises ControlClosedError: if the conductor is gone
        """
        try:
            with self._write_lock:
                self._socket.sendall(encode_line(message))
        except OSError as error:
            raise ControlClosedError(f"the conductor is gone: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # the reading thread holds the socket open until it hears this
        self._socket.close()

    def _read(self) -> None:
        try:
            for line in self._lines:
                self.commands.put(decode_from_conductor(line))
        except OSError as error:
            logger.warning("connection to the conductor lost: %s", error)
        except ContractError as error:
            logger.error("the conductor speaks another language: %s", error)  # noqa: TRY400
        self.commands.put(Stop())
