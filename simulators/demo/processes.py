"""The processes of a run: start them, note how they end, end them in good order, and leave none behind.

Every process gets a session of its own, so that Ctrl-C in a terminal reaches the conductor only. The conductor adopts
orphans (PR_SET_CHILD_SUBREAPER), so a broker whose hub was killed is still found, counted, buried and ended here.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TERMINATE_AFTER_S = 5.0
KILL_AFTER_S = 5.0
LOG_TAIL_LINES = 15
MICROBALANCE = (sys.executable, "-m", "microbalance")
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.02
_PAUSE_POLL_S = 0.0005


class SetupStepError(Exception):
    """A command that sets the run up ended with an error; the message holds the tail of what it said.

    status: its exit status; 2 means that a value it was given cannot be used.
    """

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Command:
    """How a process is started: its arguments (program first) and the file that takes its stdout and stderr."""

    arguments: tuple[str, ...]
    log: Path


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies (Linux).

    :raises OSError: if the system refuses
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt orphaned processes")


def tail_of(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last lines of a log file; an empty text if there is none."""
    try:
        text = log.read_text(encoding="utf8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


class ProcessTable:
    """The running processes by name.

    Children that this process has before the table is made are none of its business and left alone.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._commands: dict[str, Command] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = dict(os.environ if environment is None else environment)
        self._strangers = frozenset(child.pid for child in psutil.Process().children())

    def start(self, name: str, command: Command) -> int:
        """Start the process `name`; return its process id. Its log is appended to."""
        assert name not in self._running
        self._commands[name] = command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            process = subprocess.Popen(
                command.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self._running[name] = process
        return process.pid

    def restart(self, name: str) -> int:
        """Start a process that has ended once more, by its old command."""
        return self.start(name, self._commands[name])

    def pid(self, name: str) -> int:
        """Return the process id of the running process."""
        return self._running[name].pid

    def log(self, name: str) -> Path | None:
        """Return the log of the process, or None if no such process was ever started."""
        command = self._commands.get(name)
        return None if command is None else command.log

    def ended(self) -> list[tuple[str, int]]:
        """Return the processes that have ended since the last call, with their status, and forget them."""
        found = [(name, process.poll()) for name, process in self._running.items()]
        gone = [(name, status) for name, status in found if status is not None]
        for name, _ in gone:
            del self._running[name]
        return gone

    def kill(self, name: str) -> None:
        """Kill (-9) the process and wait until it is dead; `ended` will still report it."""
        process = self._running[name]
        process.kill()
        process.wait()

    def kill_all(self) -> None:
        """Kill (-9) everything that is left, at once."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        self._running.clear()
        for left in self._left():
            with suppress(psutil.NoSuchProcess):
                left.kill()
        self._end_what_is_left()

    def pause(self, name: str) -> None:
        """Let the process stand still, and wait until it does; nothing happens to one that has ended."""
        process = self._running.get(name)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)
        watched = psutil.Process(process.pid)
        while is_alive(watched) and watched.status() != psutil.STATUS_STOPPED:
            time.sleep(_PAUSE_POLL_S)

    def resume(self, name: str) -> None:
        """Let a paused process go on; nothing happens to one that has ended."""
        process = self._running.get(name)
        if process is not None:
            process.send_signal(signal.SIGCONT)

    def bury_orphans(self) -> None:
        """Take the status of adopted children that have died, so that they do not stay as zombies."""
        ours = {process.pid for process in self._running.values()}
        for child in psutil.Process().children():
            if child.pid not in ours | self._strangers and not is_alive(child):
                with suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)

    def stop_all(self, ask_to_stop: Callable[[str], None], order: Sequence[str]) -> list[str]:
        """End all processes in the given order (others last): ask, then SIGTERM, then SIGKILL; then what they left.

        :param ask_to_stop: says Stop to the process of that name
        :returns: the names of those that had to be killed
        """
        killed = []
        for name in sorted(self._running, key=lambda name: order.index(name) if name in order else len(order)):
            ask_to_stop(name)
            if not self._end(self._running.pop(name)):
                killed.append(name)
        killed += self._end_what_is_left()
        return killed

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> bool:
        for wait_s, send in ((TERMINATE_AFTER_S, process.terminate), (KILL_AFTER_S, process.kill)):
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                send()
            else:
                return True
        process.wait()
        return False

    def _end_what_is_left(self) -> list[str]:
        """End what our processes left behind (adopted by now); return the command lines of what was still alive."""
        names: dict[int, str] = {}
        started_s = time.monotonic()
        while left := self._left():
            elapsed_s = time.monotonic() - started_s
            if elapsed_s > 2 * KILL_AFTER_S:
                break
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    if process.pid not in names:
                        names[process.pid] = " ".join(process.cmdline()[:4])
                        process.terminate()
                    elif elapsed_s > KILL_AFTER_S:
                        process.kill()
            time.sleep(_POLL_S)
            self.bury_orphans()
        self.bury_orphans()
        return list(names.values())

    def _left(self) -> list[psutil.Process]:
        children = [child for child in psutil.Process().children() if child.pid not in self._strangers]
        found = list(children)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                found += child.children(recursive=True)
        return [process for process in found if is_alive(process)]


def run_setup_step(command: Command, what: str) -> bytes:
    """Run a command to its end; return its stdout. Its stderr goes to the command's log.

    :raises SetupStepError: if it ends with an error
    """
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        process = subprocess.Popen(
            command.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        try:
            output, _ = process.communicate()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        tail = tail_of(command.log) or output.decode("utf8", errors="replace").strip()
        raise SetupStepError(f"{what} ended with status {process.returncode}: {tail}".rstrip(), process.returncode)
    return output


def kill_pid(pid: int) -> bool:
    """Kill (-9) a process that somebody else started and wait until it is dead; return whether it was there."""
    try:
        process = psutil.Process(pid)
        process.kill()
    except psutil.NoSuchProcess:
        return False
    deadline_s = time.monotonic() + KILL_AFTER_S
    while is_alive(process) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Tell whether the process exists and is no zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
