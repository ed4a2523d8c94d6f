"""How long each stage of clearing an interval took: wall time, for the record and the benchmark, never a result."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import MappingProxyType


class Stage(Enum):
    """What is done to an interval between its gate's closure and its publication."""

    ORDERS = "orders"
    CLEAR = "clear"
    POWER_FLOW = "power flow"
    TIGHTEN = "tighten"
    CURTAIL = "curtail"
    PAIR = "pair"


class StageTimes:
    """Adds up the seconds of each stage; one for each interval."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(Stage, 0.0)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Count what happens inside to the stage."""
        started = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - started)

    def add(self, stage: Stage, seconds: float) -> None:
        """Count some seconds to the stage."""
        self._seconds[stage] += seconds

    @property
    def seconds(self) -> Mapping[Stage, float]:
        """Return the seconds of each stage so far."""
        return MappingProxyType(self._seconds)

    @property
    def total_us(self) -> int:
        """Return the microseconds of all stages."""
        return round(sum(self._seconds.values()) * 1_000_000)
