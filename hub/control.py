"""The hub's end of the control channel of a run in virtual time: a thread reads lines, the engine answers.

In live operation there is no conductor, and this file is not used.
"""

import queue
import socket
import threading

from edge.contract.control import Advance, Ask, FromProcess, Hello, Stop, decode_from_conductor, encode_line


class ControlClosedError(ConnectionError):
    """The conductor went away; the hub ends in good order."""


class ControlChannel:
    """A connection to the conductor. `commands` holds what it asked for, in order; a Stop ends them."""

    def __init__(self, host: str, port: int, name: str, process_id: int) -> None:
        self.commands: queue.SimpleQueue[Advance | Ask | Stop] = queue.SimpleQueue()
        self._socket = socket.create_connection((host, port), timeout=10)
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
        self._socket.close()

    def _read(self) -> None:
        try:
            for line in self._lines:
                self.commands.put(decode_from_conductor(line))
        except OSError:
            pass
        self.commands.put(Stop())
