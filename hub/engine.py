"""The one thread that changes the store: it takes in messages and runs the jobs, on either of two clocks.

In a run in virtual time the conductor says `Advance`; live, a scheduler puts the same instants into the same queue.
"""

import logging
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

import msgspec
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.control import Advance, Answer, Ask, Failed, FromProcess, Progress, Quiet, Stop
from edge.contract.interval import SECONDS_PER_INTERVAL, interval_from_utc_s
from hub.api.events import EventStream, Stage, StageEvent
from hub.jobs import Span
from hub.market.order_rules import SessionParameters
from hub.mqtt import Ingest, SetpointSender
from hub.province import ProvinceError
from hub.repeated_sending import NoticeSender
from hub.schedule import Job, JobTable
from hub.store.counters import read_counters
from hub.store.jobs import last_job_utc_s
from hub.store.notices import notices_without_answer
from hub.store.parameters import load_parameters
from hub.store.setpoints import setpoints_without_answer
from hub.usecases.moment import Moment
from hub.usecases.run_gate import NoIndicativePriceError
from hub.usecases.settle_interval import NotPublishedError
from hub.usecases.tell_modes import ModeNotices

logger = logging.getLogger(__name__)

PUMP_S = 0.02
PROGRESS_S = 0.05
RETRY_S = 15.0
LOOK_FOR_MODES_S = 2.0
ORDER_HORIZON_INTERVALS = 96
HELD_UP_BY = (ProvinceError, NoIndicativePriceError, NotPublishedError)
STAGE_OF_JOB: Mapping[str, Stage] = {
    "gate": Stage.CLEARED,
    "settle": Stage.SETTLED,
    "close-day": Stage.DAY_CLOSED,
}


@dataclass
class HubClock:
    """Where the hub stands in time, UTC seconds. Live it follows the wall, in virtual time the last Advance."""

    now_utc_s: int
    is_wall: bool

    def read(self) -> int:
        """Return the time."""
        return int(time.time()) if self.is_wall else self.now_utc_s


class HubEngine:
    """Ingest and jobs in one thread. `commands` is filled by the conductor's channel or by the scheduler."""

    def __init__(
        self,
        *,
        engine: Engine,
        ingest: Ingest,
        setpoints: SetpointSender,
        notices: NoticeSender,
        modes: ModeNotices,
        table: JobTable,
        events: EventStream,
        clock: HubClock,
        span: Span,
        commands: "queue.SimpleQueue[Advance | Ask | Stop]",
        send: Callable[[FromProcess], None],
        children: Callable[[], dict[str, int]],
        answer: Callable[[str], bytes],
    ) -> None:
        self._engine = engine
        self._ingest = ingest
        self._setpoints = setpoints
        self._notices = notices
        self._modes = modes
        self._table = table
        self._events = events
        self._clock = clock
        self._span = span
        self._commands = commands
        self._send = send
        self._children = children
        self._answer = answer
        self._late: deque[int] = deque()
        self._retry_at_s = 0.0
        self._looked_for_modes_s = 0.0
        self._resume()

    @property
    def open_from_interval(self) -> int:
        """Return the first interval whose gate is open."""
        return self._open_from

    @property
    def _pending(self) -> int:
        """Return how many messages to gateways wait for their answer."""
        return self._setpoints.pending + self._notices.pending

    def announce(self) -> None:
        """Tell the conductor where this process stands and which processes it keeps."""
        self._send(Progress(utc_s=self._clock.read(), pending=self._pending, children=self._children()))

    def run(self) -> None:
        """Work until Stop."""
        while True:
            self._pump(PUMP_S)
            self._retry()
            if time.monotonic() >= self._looked_for_modes_s + LOOK_FOR_MODES_S:
                self._tell_notices()
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                continue
            if isinstance(command, Stop):
                return
            if isinstance(command, Advance):
                self._advance(command.utc_s)
            elif isinstance(command, Ask):
                self._send(Answer(what=command.what, document=msgspec.Raw(self._answer(command.what))))
            else:
                assert_never(command)

    def _resume(self) -> None:
        """Take up where the store says that an earlier process of this hub stood."""
        with Session(self._engine) as session:
            done_utc_s = last_job_utc_s(session)
            gate_utc_s = last_job_utc_s(session, "gate")
            settled_utc_s = last_job_utc_s(session, "settle")
            if done_utc_s is not None and not self._clock.is_wall:
                self._clock.now_utc_s = max(self._clock.now_utc_s, done_utc_s)
            self._settled_through_utc_s = max(settled_utc_s or 0, gate_utc_s or 0)
            self._open_from = self._first_open(gate_utc_s)
            if gate_utc_s is not None:
                waiting = setpoints_without_answer(session, interval_from_utc_s(gate_utc_s) + 1)
                self._setpoints.send(waiting, time.monotonic())
            self._notices.send(notices_without_answer(session), time.monotonic())
        self._load_session()

    def _tell_notices(self) -> None:
        """Make notices of what the registry's log has changed since, and tell what no gateway has answered yet."""
        self._modes.make(self._engine, self._clock.read())
        with Session(self._engine) as session:
            self._notices.send(notices_without_answer(session), time.monotonic())
        self._looked_for_modes_s = time.monotonic()

    def _first_open(self, gate_utc_s: int | None) -> int:
        running = interval_from_utc_s(self._clock.read())
        if gate_utc_s is not None:
            closed = interval_from_utc_s(gate_utc_s) + 1
            # Live, gates have closed while the hub was down; that of the next interval may still be done in time.
            return max(closed, running) + 1 if self._clock.is_wall else closed + 1
        return self._span.first if self._span.first is not None else running + 2

    def _load_session(self) -> None:
        with Session(self._engine) as session:
            _, values = load_parameters(session, "session", self._open_from)
        self._session = SessionParameters(
            open_from_interval=self._open_from,
            open_until_interval=self._open_from + ORDER_HORIZON_INTERVALS,
            price_floor_uyuan_per_kwh=values["price_floor_uyuan_per_kwh"],
            price_cap_uyuan_per_kwh=values["price_cap_uyuan_per_kwh"],
            price_tick_uyuan_per_kwh=values["price_tick_uyuan_per_kwh"],
            lot_wh=values["lot_wh"],
        )

    def _pump(self, timeout_s: float) -> int:
        now_utc_s = self._clock.read()
        moment = Moment(
            now_utc_s=now_utc_s,
            latest_reading_utc_s=now_utc_s + SECONDS_PER_INTERVAL,
            settled_through_utc_s=self._settled_through_utc_s,
        )
        return self._ingest.pump(moment, self._session, timeout_s)

    def _advance(self, utc_s: int) -> None:
        if self._clock.is_wall:
            self._late.append(utc_s)
            self._retry_at_s = 0.0
            self._retry()
            return
        # Orders and readings that were on their way before the gate closes have been received: the conductor waits
        # for every outbox to be empty before it says Advance.
        while self._pump(0.0):
            pass
        self._run_jobs(utc_s)
        self._await_answers(utc_s)
        with Session(self._engine) as session:
            counts = read_counters(session)
        self._send(Quiet(utc_s=utc_s, counts=counts, seconds=dict(self._table.seconds)))

    def _run_jobs(self, utc_s: int) -> None:
        if not self._clock.is_wall:
            self._clock.now_utc_s = max(self._clock.now_utc_s, utc_s)
        # The gate closes at the instant, and what was read by then is measured, even if a job is held up: an order that
        # comes in while the gate's job waits for the province is late, and so is a reading.
        if self._span.holds(interval_from_utc_s(utc_s) + 1):
            self._open_from = max(self._open_from, interval_from_utc_s(utc_s) + 2)
            self._load_session()
            self._settled_through_utc_s = max(self._settled_through_utc_s, utc_s)
        if self._span.holds(interval_from_utc_s(utc_s) - 1):
            self._settled_through_utc_s = max(self._settled_through_utc_s, utc_s)
        is_late = self._clock.is_wall and self._clock.read() >= utc_s + SECONDS_PER_INTERVAL
        self._table.run_due(utc_s, lambda job: self._after(job, utc_s), is_late=is_late)
        self._tell_notices()
        self._events.publish(StageEvent(Stage.READ, interval_from_utc_s(utc_s), utc_s))

    def _after(self, job: Job, utc_s: int) -> None:
        stage = STAGE_OF_JOB.get(job.name)
        if stage is not None:
            offset = 1 if stage is Stage.CLEARED else -1
            self._events.publish(StageEvent(stage, interval_from_utc_s(utc_s) + offset, utc_s))

    def _await_answers(self, utc_s: int) -> None:
        started_s = time.perf_counter()
        told_s = 0.0
        while self._pending:
            if time.monotonic() - told_s >= PROGRESS_S:
                told_s = time.monotonic()
                self._send(Progress(utc_s=utc_s, pending=self._pending, children=self._children()))
            self._pump(PUMP_S)
        self._table.seconds["setpoints"] = self._table.seconds.get("setpoints", 0.0) + time.perf_counter() - started_s

    def _retry(self) -> None:
        """Live: run the instants that are due; what the province held up is tried again."""
        while self._late and time.monotonic() >= self._retry_at_s:
            try:
                self._run_jobs(self._late[0])
            except HELD_UP_BY as error:
                logger.warning("instant %d is held up: %s", self._late[0], error)
                self._retry_at_s = time.monotonic() + RETRY_S
                return
            self._late.popleft()


def announce_failure(send: Callable[[FromProcess], None], error: Exception) -> None:
    """Tell the conductor why this process ends."""
    send(Failed(reason=f"hub (process {os.getpid()}): {type(error).__name__}: {error}"))
