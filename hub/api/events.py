"""Live events: what the hub's jobs publish and every open console hears, over server-sent events.

The publisher runs in the hub's own threads and never waits for a listener. A listener that fell behind, or that comes
back after the hub restarted, is told to read everything anew ("resync") instead of missing something silently.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from sse_starlette import ServerSentEvent

KEPT_EVENTS = 512


class Stage(Enum):
    """What was done in an interval. DAY_CLOSED names the last interval of the day; REFUSED: something was refused."""

    READ = "read"
    GATE_CLOSED = "gate-closed"
    CLEARED = "cleared"
    SETPOINTS_ANSWERED = "setpoints-answered"
    SETTLED = "settled"
    DAY_CLOSED = "day-closed"
    REFUSED = "refused"


@dataclass(frozen=True)
class StageEvent:
    """One stage of one interval is committed. at_utc_s: the hub's time. figures: a few counts for the eye only."""

    stage: Stage
    interval: int
    at_utc_s: int
    figures: Mapping[str, int] = field(default_factory=dict)


class EventStream:
    """Hands events from the hub's threads to any number of listeners; `boot` tells one run of the hub from the next."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, StageEvent]] = deque(maxlen=KEPT_EVENTS)
        self._newest = 0
        self._closed = False
        self._wakers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def listeners(self) -> int:
        """How many listeners are connected."""
        with self._lock:
            return len(self._wakers)

    def publish(self, event: StageEvent) -> None:
        """Tell every listener; call it after the commit, from any thread. It does not wait."""
        with self._lock:
            self._newest += 1
            self._kept.append((self._newest, event))
            self._wake()

    def close(self) -> None:
        """End every listener's stream; call it before the web server is asked to stop."""
        with self._lock:
            self._closed = True
            self._wake()

    async def listen(self, last_event_id: str | None, heartbeat_s: float) -> AsyncIterator[ServerSentEvent]:
        """Yield the events after `last_event_id` (None: from now on), and a heartbeat whenever nothing happened.

        :param heartbeat_s: the longest silence, so that a listener knows that the line is alive
        """
        waker = asyncio.Event()
        with self._lock:
            self._wakers[waker] = asyncio.get_running_loop()
            position = self._position(last_event_id)
        try:
            yield self._control("hello" if position is not None else "resync")
            heard = position if position is not None else self._newest
            while not self._closed:
                waker.clear()
                news = self._after(heard)
                if news is None:
                    heard = self._newest
                    yield self._control("resync")
                    continue
                for number, event in news:
                    heard = number
                    yield self._message(number, event)
                if not news and not await _woken(waker, heartbeat_s):
                    yield self._control("heartbeat")
        finally:
            with self._lock:
                del self._wakers[waker]

    def _position(self, last_event_id: str | None) -> int | None:
        """Return the number of the last event heard, or None if it is not of this run of the hub."""
        if not last_event_id:
            return self._newest
        boot, _, number = last_event_id.rpartition("-")
        if boot != self._boot or not (number.isascii() and number.isdigit()):
            return None
        return int(number) if int(number) <= self._newest else None

    def _after(self, heard: int) -> list[tuple[int, StageEvent]] | None:
        with self._lock:
            if self._newest - heard > len(self._kept):
                return None
            return [(number, event) for number, event in self._kept if number > heard]

    def _message(self, number: int, event: StageEvent) -> ServerSentEvent:
        document = {
            "stage": event.stage.value,
            "interval": event.interval,
            "at_utc_s": event.at_utc_s,
            "figures": dict(event.figures),
        }
        return ServerSentEvent(data=_compact(document), event="stage", id=f"{self._boot}-{number}")

    def _control(self, name: str) -> ServerSentEvent:
        return ServerSentEvent(data=_compact({"boot": self._boot}), event=name)

    def _wake(self) -> None:
        for waker, loop in self._wakers.items():
            loop.call_soon_threadsafe(waker.set)


async def _woken(waker: asyncio.Event, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(waker.wait(), timeout_s)
    except TimeoutError:
        return False
    return True


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), sort_keys=True)
