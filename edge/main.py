"""One edge process: drivers, agents, outbox and MQTT clients of many gateways, wired to one loop over one queue.

The loop takes what has happened (messages, connections, the conductor's wishes, the clock), lets the agents decide,
commits everything in one transaction, and only then sends. Under a conductor, time is what Advance says; without one,
the wall clock strikes at each quarter-hour. Monotonic time decides on resending alone and changes no result.
"""

import contextlib
import logging
import queue
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

import msgspec

from edge.agent import (
    AgentState,
    Assignment,
    Step,
    answer_notice,
    answer_setpoints,
    booted,
    is_answer_under_way,
    is_answerable,
    learn_modes,
    learn_session,
    note_trades,
    plan_setpoints,
    sample,
)
from edge.contract.codec import decode_broadcast, decode_down, encode
from edge.contract.control import Advance, Answer, Ask, Failed, Hello, Progress, Quiet, Stop
from edge.contract.interval import SECONDS_PER_INTERVAL
from edge.contract.messages import (
    Acknowledgement,
    ContractError,
    ModesMessage,
    Notice,
    OrdersMessage,
    ReadingsMessage,
    ReceiptMessage,
    ResponseMessage,
    SessionMessage,
    SetpointsMessage,
    TradesMessage,
    UpMessage,
    WithdrawalsMessage,
)
from edge.contract.topics import broadcast_filter, down_filter, kind_of_down_topic, up_topic
from edge.control import ConductorLost, ConductorLostError, ControlChannel, ControlEvent
from edge.delivery import Delivery, OutboxKey, read_receipt, withdrawn_orders
from edge.drivers.driver import Driver, DriverError
from edge.mqtt import (
    Connected,
    Credential,
    Disconnected,
    GatewayClient,
    MqttEvent,
    PublishOutcome,
    Received,
    stop_all,
)
from edge.outbox import Changes, Outbox, OutboxError

PROGRESS_PERIOD_S = 0.05
IDLE_S = 1.0
LATE_S_MAX = 60
EVENTS_PER_TURN_MAX = 1000
RECONNECT_S_MAX_VIRTUAL = 1
RECONNECT_S_MAX_LIVE = 30
COUNT_NAMES = (
    "published_readings",
    "published_orders",
    "resent_messages",
    "refused_messages",
    "rejected_readings",
    "rejected_orders",
    "withdrawn_orders",
    "rejected_others",
    "setpoints_applied",
    "setpoints_refused",
    "setpoints_repeated",
    "fills_received",
    "filled_wh",
    "trades_repeated",
    "modes_learned",
    "modes_repeated",
    "modes_foreign",
    "notices_repeated",
    "missing_samples",
    "unexpected_samples",
    "missed_instants",
    "malformed_received",
)
_log = logging.getLogger(__name__)

Event = MqttEvent | ControlEvent


@dataclass(frozen=True)
class EdgeSettings:
    """What one process hosts. credentials: by gateway id; control: address of the conductor, None in live operation."""

    name: str
    process_id: int
    assignments: Mapping[str, Assignment]
    credentials: Mapping[str, Credential]
    control: tuple[str, int] | None


class EdgeProcess:
    """The running agents of one process. It closes the driver that it is given, not the outbox."""

    def __init__(
        self,
        settings: EdgeSettings,
        outbox: Outbox,
        driver: Driver,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Take up the agents where the outbox left them; nothing is connected before run().

        :param wall_clock: UTC seconds; rules without a conductor, is not asked with one
        :raises OutboxError: if their states cannot be read
        """
        self._settings = settings
        self._outbox = outbox
        self._driver = driver
        self._wall_clock = wall_clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        boot = secrets.token_hex(8)
        self._states: dict[str, AgentState] = {}
        self._clients: dict[str, GatewayClient] = {}
        self._deliveries: dict[str, Delivery] = {}
        for gateway_id, assignment in settings.assignments.items():
            self._states[gateway_id] = booted(outbox.state(gateway_id) or AgentState(gateway_id, boot), boot)
            self._clients[gateway_id] = self._client(assignment, boot)
            earlier = outbox.without_receipt(gateway_id)
            self._deliveries[gateway_id] = Delivery(earlier[-1].row_id if earlier else 0)
        self._control: ControlChannel | None = None
        self._unsaved_counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._advanced_to_s: int | None = None
        self._is_quiet = True
        self._told_s = 0.0
        self._pending_told = 0
        self._questions: list[str] = []
        self._next_strike_s = 0
        self._is_stopping = False
        self._lost: str | None = None

    def stop(self) -> None:
        """Ask the process to end in good order; may be called from a signal handler or another thread."""
        self._events.put(Stop())

    def run(self) -> None:
        """Work until Stop.

        :raises OutboxError: if the state file cannot be written
        :raises DriverError: if, under a conductor, the devices fail
        :raises ConductorLostError: if the conductor cannot be reached or goes away
        """
        try:
            if self._settings.control is not None:
                host, port = self._settings.control
                self._control = ControlChannel(host, port, self._events.put)
                self._control.send(Hello("edge", self._settings.name, self._settings.process_id))
            else:
                self._next_strike_s = (int(self._wall_clock()) // SECONDS_PER_INTERVAL + 1) * SECONDS_PER_INTERVAL
            for client in self._clients.values():
                client.start()
            while not self._is_stopping:
                self._turn()
        except (DriverError, OutboxError) as error:
            if self._control is not None:
                with contextlib.suppress(ConductorLostError):  # it may be gone too; the error is raised either way
                    self._control.send(Failed(str(error)))
            raise
        finally:
            stop_all(list(self._clients.values()))
            if self._control is not None:
                self._control.close()
            self._driver.close()

    def counts(self) -> dict[str, int]:
        """Return all counts since the state file was made; each name is there, though it be 0.

        :raises OutboxError: if they cannot be read
        """
        counts = self._outbox.counts() + self._unsaved_counts
        return {name: counts[name] for name in (*COUNT_NAMES, *sorted(set(counts) - set(COUNT_NAMES)))}

    def _turn(self) -> None:
        changes = Changes()
        for event in self._wait():
            self._handle(event, changes)
        if self._settings.control is None:
            self._strike(changes)
        self._commit(changes)
        self._answer_questions()
        self._deliver()
        self._report()
        if self._lost is not None:
            raise ConductorLostError(self._lost)

    def _wait(self) -> list[Event]:
        now_s = time.monotonic()
        deadlines_s = [d.deadline_s for d in self._deliveries.values() if d.deadline_s is not None]
        timeout_s = min([IDLE_S, *(deadline_s - now_s for deadline_s in deadlines_s)])
        if self._control is None:
            timeout_s = min(timeout_s, self._next_strike_s - self._wall_clock())
        elif self._advanced_to_s is not None and self._pending_told != self._outbox.pending:
            timeout_s = min(timeout_s, self._told_s + PROGRESS_PERIOD_S - now_s)
        events = []
        try:
            events.append(self._events.get(timeout=max(timeout_s, 0)))
            while len(events) < EVENTS_PER_TURN_MAX:
                events.append(self._events.get_nowait())
        except queue.Empty:
            pass  # nothing more has happened
        return events

    def _handle(self, event: Event, changes: Changes) -> None:
        match event:
            case Received():
                self._receive(event, changes)
            case Connected():
                self._deliveries[event.gateway_id].connected()
                self._clients[event.gateway_id].greet()
            case Disconnected():
                if self._deliveries[event.gateway_id].is_connected:
                    _log.warning("gateway %s: %s", event.gateway_id, event.reason)
                self._deliveries[event.gateway_id].disconnected()
            case Advance():
                self._advanced_to_s, self._is_quiet, self._seconds = event.utc_s, False, {}
                if self._outbox.cursor_utc_s is None or self._outbox.cursor_utc_s < event.utc_s:
                    self._sample(event.utc_s, event.utc_s, changes)
            case Ask():
                self._questions.append(event.what)
            case Stop():
                self._is_stopping = True
            case ConductorLost():
                self._lost = event.reason
            case _:
                assert_never(event)

    def _strike(self, changes: Changes) -> None:
        """Sample if a quarter-hour of the wall clock has begun; one that was overslept is counted, not invented."""
        now_s = int(self._wall_clock())
        if now_s < self._next_strike_s:
            return
        instant_utc_s = now_s // SECONDS_PER_INTERVAL * SECONDS_PER_INTERVAL
        overslept = (instant_utc_s - self._next_strike_s) // SECONDS_PER_INTERVAL
        if now_s - instant_utc_s > LATE_S_MAX:
            overslept += 1
        else:
            self._sample(instant_utc_s, now_s, changes)
        if overslept:
            changes.counts["missed_instants"] += overslept
        self._next_strike_s = instant_utc_s + SECONDS_PER_INTERVAL

    def _sample(self, instant_utc_s: int, submitted_utc_s: int, changes: Changes) -> None:
        for gateway_id, assignment in self._settings.assignments.items():
            started_s = time.perf_counter()
            try:
                readings = self._driver.read_registers(gateway_id, instant_utc_s)
            except DriverError as error:
                if self._control is not None:
                    raise
                # Registers are cumulative: the next sample bridges this one.
                _log.warning("gateway %s: %s", gateway_id, error)
                readings = ()
            read_s = time.perf_counter()
            step = sample(
                assignment,
                self._states[gateway_id],
                readings,
                instant_utc_s=instant_utc_s,
                submitted_utc_s=submitted_utc_s,
            )
            self._take(gateway_id, step, changes)
            self._spent("read", read_s - started_s)
            self._spent("decide", time.perf_counter() - read_s)
        changes.cursor_utc_s = instant_utc_s

    def _receive(self, event: Received, changes: Changes) -> None:
        gateway_id = event.gateway_id
        try:
            kind = kind_of_down_topic(event.topic)
            if kind == "price":
                return  # for people and their displays; no strategy here bids on it
            message = (decode_broadcast if kind == "session" else decode_down)(kind, event.payload)
        except ContractError as error:
            _log.warning("gateway %s: %s", gateway_id, error)
            changes.counts["malformed_received"] += 1
            return
        match message:
            case ReceiptMessage():
                settled = read_receipt(self._outbox.without_receipt(gateway_id), message)
                changes.done += [(gateway_id, key) for key in settled.done]
                changes.rejections += [(gateway_id, rejection) for rejection in settled.rejections]
            case SetpointsMessage():
                self._apply_setpoints(gateway_id, message, changes)
            case TradesMessage():
                self._take(gateway_id, note_trades(self._states[gateway_id], message), changes)
            case SessionMessage():
                self._take(gateway_id, learn_session(self._states[gateway_id], message), changes)
            case ModesMessage() | WithdrawalsMessage():
                self._note(gateway_id, message, changes)
            case _:
                raise AssertionError(f"no other kind is decoded: {kind}")

    def _note(self, gateway_id: str, message: Notice, changes: Changes) -> None:
        """Keep what a notice says and answer it in the same commit; one that comes again changes nothing."""
        assignment = self._settings.assignments[gateway_id]
        if isinstance(message, ModesMessage):
            self._take(gateway_id, learn_modes(assignment, self._states[gateway_id], message), changes)
        else:
            changes.rejections += [(gateway_id, withdrawn) for withdrawn in withdrawn_orders(message)]
        under_way = self._under_way(gateway_id, changes)
        self._take(gateway_id, answer_notice(assignment, self._states[gateway_id], message, under_way), changes)

    def _apply_setpoints(self, gateway_id: str, message: SetpointsMessage, changes: Changes) -> None:
        assignment, state = self._settings.assignments[gateway_id], self._states[gateway_id]
        if not is_answerable(message):
            changes.counts["malformed_received"] += 1
            return
        if is_answer_under_way(state, message, self._under_way(gateway_id, changes)):
            changes.counts["setpoints_repeated"] += 1
            return
        plan = plan_setpoints(assignment, state, message)
        applied: tuple[Acknowledgement, ...] = ()
        if plan.apply:
            try:
                applied = self._driver.limit_export(gateway_id, message.interval, plan.apply)
            except DriverError as error:
                if self._control is not None:
                    raise
                _log.warning("gateway %s: %s", gateway_id, error)
                applied = tuple(Acknowledgement(setpoint.meter, "device-failed") for setpoint in plan.apply)
        self._take(gateway_id, answer_setpoints(assignment, state, message, (*applied, *plan.refused)), changes)

    def _under_way(self, gateway_id: str, changes: Changes) -> set[tuple[str, int]]:
        """Return (boot, seq) of the gateway's messages without receipt, those that are not committed yet included."""
        kept = {(key.boot, key.seq) for key in self._outbox.without_receipt(gateway_id)}
        return kept | {(m.boot, m.seq) for sender, m in changes.messages if sender == gateway_id}

    def _take(self, gateway_id: str, step: Step, changes: Changes) -> None:
        if step.state is not self._states[gateway_id]:
            self._states[gateway_id] = changes.states[gateway_id] = step.state
        changes.messages += [(gateway_id, message) for message in step.messages]
        changes.counts.update(step.counts)

    def _commit(self, changes: Changes) -> None:
        if not changes:
            return
        started_s = time.perf_counter()
        changes.counts.update(self._unsaved_counts)
        self._outbox.commit(changes)
        self._unsaved_counts = Counter()
        now_s = time.monotonic()
        for gateway_id in {gateway_id for gateway_id, _ in changes.done}:
            self._deliveries[gateway_id].receipt(self._outbox.without_receipt(gateway_id), now_s)
        self._spent("commit", time.perf_counter() - started_s)
        if changes.cursor_utc_s is not None:
            self._send_progress(now_s)  # before anything is sent: from here on a kill would leave messages behind

    def _spent(self, stage: str, seconds: float) -> None:
        """Note wall time of a stage since the last Advance; it goes to the conductor and into no result."""
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def _deliver(self) -> None:
        started_s = time.perf_counter()
        for gateway_id, delivery in self._deliveries.items():
            keys, again = delivery.take(self._outbox.without_receipt(gateway_id), time.monotonic())
            if again:
                self._unsaved_counts["resent_messages"] += again
            for key in keys:
                if not self._publish(gateway_id, key):
                    delivery.disconnected()
                    break
        self._spent("publish", time.perf_counter() - started_s)

    def _publish(self, gateway_id: str, key: OutboxKey) -> bool:
        """Publish one row; tell whether there was a connection to hand it to."""
        message = self._outbox.message(key)
        outcome = self._clients[gateway_id].publish(message.topic, message.payload)
        match outcome:
            case PublishOutcome.SENT:
                return True
            case PublishOutcome.OFFLINE:
                return False
            case PublishOutcome.TOO_LARGE:
                _log.error("gateway %s: message %d has %d bytes", gateway_id, key.seq, len(message.payload))
                self._outbox.refuse(gateway_id, key, encode(_empty_message(key)), "too-large")
                return self._publish(gateway_id, key)
            case _:
                assert_never(outcome)

    def _report(self) -> None:
        if self._control is None or self._advanced_to_s is None:
            return
        now_s, pending = time.monotonic(), self._outbox.pending
        if pending == 0 and not self._is_quiet:
            self._is_quiet = True
            seconds = {name: round(value, 6) for name, value in self._seconds.items()}
            self._control.send(Quiet(self._advanced_to_s, self.counts(), seconds))
            self._told_s, self._pending_told = now_s, 0
        elif self._pending_told != pending and now_s >= self._told_s + PROGRESS_PERIOD_S:
            self._send_progress(now_s)

    def _send_progress(self, now_s: float) -> None:
        if self._control is not None and self._advanced_to_s is not None:
            self._control.send(Progress(self._advanced_to_s, self._outbox.pending))
            self._told_s, self._pending_told = now_s, self._outbox.pending

    def _answer_questions(self) -> None:
        for what in self._questions:
            assert self._control is not None, "only the conductor asks"
            document = self.summary() if what == "summary" else {"error": f"no document {what!r}"}
            self._control.send(Answer(what, msgspec.Raw(msgspec.json.encode(document))))
        self._questions = []

    def summary(self) -> dict[str, object]:
        """Return what the process hosts and has counted, as a JSON-able document.

        :raises OutboxError: if the counts cannot be read
        """
        return {
            "name": self._settings.name,
            "gateways": len(self._settings.assignments),
            "meters": sum(len(assignment.points) for assignment in self._settings.assignments.values()),
            "pending_messages": self._outbox.pending,
            "counts": self.counts(),
            "rejections": [
                {"kind": kind, "reason": reason, "number": number} for kind, reason, number in self._outbox.rejections()
            ],
        }

    def _client(self, assignment: Assignment, boot: str) -> GatewayClient:
        gateway, county = assignment.gateway, assignment.county
        return GatewayClient(
            gateway.gateway_id,
            self._settings.credentials[gateway.gateway_id],
            status_topic=up_topic(county, gateway.shard, gateway.gateway_id, "st"),
            filters=(down_filter(county, gateway.shard, gateway.gateway_id), broadcast_filter(county)),
            boot=boot,
            enqueue=self._events.put,
            reconnect_s_max=RECONNECT_S_MAX_LIVE if self._settings.control is None else RECONNECT_S_MAX_VIRTUAL,
        )


def _empty_message(key: OutboxKey) -> UpMessage:
    """Return a message with the row's number and nothing in it."""
    match key.kind:
        case "iv":
            return ReadingsMessage(key.boot, key.seq, ())
        case "ord":
            return OrdersMessage(key.boot, key.seq, ())
        case _:
            return ResponseMessage(key.boot, key.seq, 0, "refused", ())
