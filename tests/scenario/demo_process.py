"""Runs `microbalance demo` as a user does: a program of its own, in folders of its own, with nothing replaced."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[2]
LIMIT_S = 900.0
END_LIMIT_S = 60.0
LOG_LINES = 25
CONSOLE = "console: "


@dataclass(frozen=True)
class Ended:
    """A program that has ended. folder: holds `run` and `out` of a demo, unless its arguments say otherwise."""

    arguments: tuple[str, ...]
    folder: Path
    status: int
    stdout: str
    stderr: str
    wall_s: float

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def summary(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything beside it is an error."""
        return json.loads(self.stdout)

    def succeeded(self) -> Self:
        """Return this if it ended well; else fail with all that could explain why not."""
        assert self.status == 0, self.explained()
        return self

    def explained(self) -> str:
        broken = ""
        if self.stdout.startswith("{"):
            broken = "\n".join(str(check) for check in self.summary.get("checks", ()) if not check["holds"])
        texts = [f"{' '.join(self.arguments)}: status {self.status}", broken, self.stderr, tails_of_logs(self.run)]
        return "\n".join(text for text in texts if text)


class Program:
    """`microbalance ...`, running. Its standard error is read line by line; use as a context, which ends it."""

    def __init__(self, arguments: Sequence[str], folder: Path, limit_s: float = LIMIT_S) -> None:
        self._folder = folder
        self._arguments = tuple(arguments)
        self._started_s = time.monotonic()
        self._deadline_s = self._started_s + limit_s
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lines: list[str] = []
        self._stdout = folder / "stdout"
        with self._stdout.open("wb") as stdout:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "microbalance", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for_line(self, start: str) -> str:
        """Return the rest of the next line on standard error that begins with `start`."""
        while True:
            line = self._next_line()
            assert line is not None, f"it ended and never said {start!r}:\n{self._explained()}"
            if line.startswith(start):
                return line.removeprefix(start).strip()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the conductor, so that no more than the instant it is at goes by; hub and console stay awake."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def wait(self) -> Ended:
        """Wait until it ends by itself."""
        while self._next_line() is not None:
            pass
        return self._ended(self._process.wait(END_LIMIT_S))

    def stop(self) -> Ended:
        """End it as Ctrl-C does; if that does not help, end it and all that it started by force, and fail."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._end_by_force()
            raise AssertionError(f"it does not end:\n{self._explained()}") from None
        self._reader.join(END_LIMIT_S)
        return self._ended(status)

    def _ended(self, status: int) -> Ended:
        self._reader.join(END_LIMIT_S)
        assert left_behind(self._folder) == [], f"processes were left behind:\n{self._explained()}"
        text = self._stdout.read_text(encoding="utf8")
        wall_s = time.monotonic() - self._started_s
        return Ended(self._arguments, self._folder, status, text, "".join(self._lines), wall_s)

    def _read(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                self._lines.append(line)
                self._said.put(line)
        self._said.put(None)

    def _next_line(self) -> str | None:
        try:
            return self._said.get(timeout=max(0.0, self._deadline_s - time.monotonic()))
        except queue.Empty:
            pass
        self._end_by_force()
        raise AssertionError(f"it takes longer than {self._deadline_s - self._started_s:g} s:\n{self._explained()}")

    def _end_by_force(self) -> None:
        family = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        for process in family:
            if process.is_running():
                process.kill()
        self._process.wait()

    def _explained(self) -> str:
        return "".join(self._lines) + tails_of_logs(self._folder / "run")


def demo_arguments(folder: Path, *arguments: str) -> list[str]:
    """Return the command line of a demo in the folder, with JSON, on a free port."""
    return ["demo", "--json", "--port", "0", "--run", str(folder / "run"), "--out", str(folder / "out"), *arguments]


def tails_of_logs(run: Path) -> str:
    """Return the last lines of every log of the run."""
    texts = []
    for log in sorted((run / "logs").glob("*.log")):
        lines = log.read_text(encoding="utf8", errors="replace").splitlines()[-LOG_LINES:]
        texts.append("\n".join([f"--- {log.name}", *lines]))
    return "\n".join(texts)


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes which name the folder and are still there."""
    return [" ".join(process.cmdline()[:6]) for process in _of_folder(folder)]


def _of_folder(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or ()
        is_other = process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE
        if is_other and any(str(folder) in word for word in words):
            yield process
