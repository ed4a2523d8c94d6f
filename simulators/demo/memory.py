"""The memory of the whole run: the proportional set size (PSS) of this process and all that it started."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

SAMPLE_EVERY_S = 1.0


@dataclass(frozen=True)
class MemoryPeak:
    """The largest sum seen, and how it was spread over the processes (by what they are)."""

    pss_bytes: int
    by_process_bytes: dict[str, int]


def pss_bytes(pid: int) -> int:
    """Return the proportional set size of the process in bytes; 0 if it is gone or a zombie."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


class MemorySampler:
    """A thread that adds up the PSS of this process and all its descendants, and keeps the peak.

    Use as a context; the thread ends with it. Orphans count too, because this process adopts them (processes.py).
    """

    def __init__(self, every_s: float = SAMPLE_EVERY_S) -> None:
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._lock = threading.Lock()
        self._peak = MemoryPeak(0, {})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def peak(self) -> MemoryPeak:
        """The largest sum seen so far."""
        with self._lock:
            return self._peak

    def sample(self) -> int:
        """Add up once, now; return the sum in bytes."""
        by_process: dict[str, int] = {}
        for process in _family():
            amount = pss_bytes(process.pid)
            if amount:
                name = _name(process)
                by_process[name] = by_process.get(name, 0) + amount
        total = sum(by_process.values())
        with self._lock:
            if total > self._peak.pss_bytes:
                self._peak = MemoryPeak(total, by_process)
        return total

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.sample()


def _family() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def _name(process: psutil.Process) -> str:
    """Return what the process is: the word after "microbalance" on its command line, else its program."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return "?"
    if "--name" in words[:-1]:
        return words[words.index("--name") + 1]
    for position, word in enumerate(words[:-1]):
        if Path(word).name in {"microbalance", "microbalance.py"}:
            return words[position + 1]
    return Path(words[0]).name if words else "?"
