"""The conductor: it alone advances time. A server of the control channel on the loopback, in one thread.

What a process owes is decided by run_state.py; here are the sockets and the processes. Everything happens in `pump`,
which takes in what came, starts killed processes again, and raises RunError when the run cannot go on.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from edge.contract.control import FromConductor, Hello, Progress, Stop, decode_from_process, encode_line
from edge.contract.messages import ContractError
from simulators.demo.processes import Command, ProcessTable, kill_pid, tail_of
from simulators.demo.run_state import Effect, ProcessDiedError, ProcessFailedError, RunError, RunState, Send, Start

LINE_BYTES_MAX = 64 * 1024 * 1024
_SEND_LIMIT_S = 10.0
_RECEIVE_BYTES = 1 << 16
_TICK_S = 0.1
_BURY_EVERY_S = 0.5


class _Connection:
    """One connection to the control channel; `name` is None until Hello."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.name: str | None = None
        self.buffer = bytearray()


class Conductor:
    """Starts processes, tells them the time, and waits until all are quiet. Use as a context.

    :param notice: takes one line for the user about something unusual (a restart, a refused connection)
    :param on_progress: is called with every Progress of a process that is known, before anything else is taken in
    """

    def __init__(self, table: ProcessTable, state: RunState, notice: Callable[[str], None]) -> None:
        self.state = state
        self.on_progress: Callable[[str, Progress], None] = lambda _name, _progress: None
        self._table = table
        self._notice = notice
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[str, _Connection] = {}
        self._buried_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """HOST:PORT of the control channel."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def start(self, name: str, command: Command, *, restartable: bool) -> None:
        """Start a process that will say Hello as `name`."""
        self.state.expect(name, time.monotonic(), restartable=restartable)
        self._table.start(name, command)

    def advance(self, names: Iterable[str], utc_s: int) -> None:
        """Advance the processes to the instant, in parallel, and wait until all processes are quiet.

        :raises RunError: if that cannot be
        """
        self._perform(self.state.advance(tuple(names), utc_s, time.monotonic()))
        self.wait_until_quiet()

    def ask(self, name: str, what: str) -> bytes:
        """Return the JSON document that the process answers to `what`.

        :raises RunError: if it does not answer
        """
        self._perform(self.state.ask(name, what, time.monotonic()))
        self.wait_until_quiet()
        return self.state.process(name).answers[what]

    def wait_until_quiet(self) -> None:
        """Pump until no process owes anything.

        :raises RunError: if one fails, dies or takes too long
        """
        while not self.state.is_quiet():
            self.pump()

    def wait_for_line(self, path: Path, name: str, limit_s: float = 60.0) -> str:
        """Return the first line that the process `name` writes into a file of its own (its port).

        :raises RunError: if it does not come
        """
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            text = path.read_text(encoding="utf8") if path.exists() else ""
            if text.strip():
                return text.splitlines()[0].strip()
            self.pump(0.02)
        raise ProcessDiedError(f"{name} did not write {path} within {limit_s:g} s", name)

    def pump(self, timeout_s: float = _TICK_S) -> None:
        """Take in what came within the time: connections, lines, deaths.

        :raises RunError: if a process fails, dies by itself or takes too long
        """
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._receive(key.data)
        for name, status in self._table.ended():
            self._drop(self._connections.get(name))
            effects = self.state.exited(name, status, time.monotonic())
            self._notice(f"{name} was killed; it is started again")
            self._perform(effects)
        now_s = time.monotonic()
        if now_s - self._buried_s > _BURY_EVERY_S:
            self._table.bury_orphans()
            self._buried_s = now_s
        self.state.check_patience(now_s)

    def kill(self, name: str) -> None:
        """Kill (-9) one of the processes and wait until it is dead; the next `pump` starts it again."""
        self._table.kill(name)
        self._drop(self._connections.get(name))
        self.state.disturbed(time.monotonic())

    def kill_child(self, name: str, child: str) -> None:
        """Kill (-9) a process that the process `name` keeps, for example the hub's broker.

        :raises ProcessFailedError: if it named no such child, or the child is not there
        """
        pid = self.state.process(name).children.get(child)
        if pid is None:
            raise ProcessFailedError(f"{name} named no process {child!r} that could be killed", name)
        if not kill_pid(pid):
            raise ProcessFailedError(f"{name} keeps {child} as process {pid}, which does not exist", name)
        self.state.disturbed(time.monotonic())

    @contextmanager
    def paused(self, names: Iterable[str]) -> Iterator[None]:
        """Let the processes stand still (SIGSTOP) for the length of the context; one of them may be killed in it."""
        chosen = tuple(names)
        try:
            for name in chosen:
                self._table.pause(name)
            yield
        finally:
            for name in chosen:
                self._table.resume(name)

    def log_tail(self, error: RunError) -> str:
        """Return the end of the log of the process whose fault the error is."""
        log = None if error.process is None else self._table.log(error.process)
        return "" if log is None else tail_of(log)

    def stop(self, order: Sequence[str]) -> list[str]:
        """End all processes in good order; return what had to be ended by force."""

        def ask_to_stop(name: str) -> None:
            self._send(name, Stop())

        return self._table.stop_all(ask_to_stop, order)

    def close(self) -> None:
        """Close the channel."""
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._connections.clear()
        self._selector.close()

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self._send(effect.name, effect.message)
                case Start():
                    self._table.restart(effect.name)
                case _:
                    assert_never(effect)

    def _send(self, name: str, message: FromConductor) -> None:
        connection = self._connections.get(name)
        if connection is None:
            return  # it is starting; RunState tells it again after its Hello
        try:
            connection.peer.sendall(encode_line(message))
        except OSError:
            self._drop(connection)  # it is dying; its end is taken in by `pump`

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        peer.settimeout(_SEND_LIMIT_S)
        self._selector.register(peer, selectors.EVENT_READ, _Connection(peer))

    def _receive(self, connection: _Connection) -> None:
        if connection.peer.fileno() < 0:
            return  # dropped by an event earlier in the same round
        try:
            data = connection.peer.recv(_RECEIVE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.buffer += data
        if b"\n" not in data:
            if len(connection.buffer) > LINE_BYTES_MAX:
                raise ProcessFailedError(f"{connection.name} sends a line without end", connection.name)
            return
        *lines, rest = bytes(connection.buffer).split(b"\n")
        connection.buffer = bytearray(rest)
        for line in lines:
            if connection.peer.fileno() < 0:
                return  # killed by what an earlier line led to; the next incarnation will say it again
            self._take(connection, line)

    def _take(self, connection: _Connection, line: bytes) -> None:
        try:
            message = decode_from_process(line)
        except ContractError as error:
            if connection.name is not None:
                raise ProcessFailedError(f"{connection.name}: {error}", connection.name) from None
            self._refuse(connection, str(error))
            return
        if isinstance(message, Hello):
            if not self.state.knows(message.name):
                self._refuse(connection, f"nobody expects a process {message.name!r}")
                return
            self._drop(self._connections.get(message.name))
            connection.name = message.name
            self._connections[message.name] = connection
        if connection.name is None:
            self._refuse(connection, "it did not say Hello first")
            return
        self._perform(self.state.received(connection.name, message, time.monotonic()))
        if isinstance(message, Progress):
            self.on_progress(connection.name, message)

    def _refuse(self, connection: _Connection, reason: str) -> None:
        self._notice(f"a connection to the control channel was refused: {reason}")
        self._drop(connection)

    def _drop(self, connection: _Connection | None) -> None:
        if connection is None or connection.peer.fileno() < 0:
            return
        self._selector.unregister(connection.peer)
        connection.peer.close()
        if connection.name is not None and self._connections.get(connection.name) is connection:
            del self._connections[connection.name]
