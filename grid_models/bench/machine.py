"""On what a benchmark was run: processor, cores, system, Python, and how busy the machine was."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

CPU_FILE = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """The machine. cores: those that this process may use."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str

    def __str__(self) -> str:
        memory = f"{self.memory_gib} GiB, " if self.memory_gib else ""
        return f"{self.processor}, {self.cores} cores, {memory}{self.system}, Python {self.python}"


def this_machine() -> Machine:
    """Return the machine on which this process runs."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=platform.system(),
        python=platform.python_version(),
    )


def load_average() -> tuple[float, float, float]:
    """Return how many processes wanted to run, over the last 1, 5 and 15 minutes."""
    one, five, fifteen = os.getloadavg()
    return round(one, 2), round(five, 2), round(fifteen, 2)


def utc_text() -> str:
    """Return the date and time in UTC, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def versions_of(distributions: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each distribution."""
    return {name: importlib.metadata.version(name) for name in distributions}


def _processor() -> str:
    """Return the processor's name as Linux knows it, else as Python does."""
    try:
        lines = CPU_FILE.read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
