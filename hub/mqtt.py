"""The hub's side of MQTT: a client, the ingest that turns messages into use cases, and the sender of setpoints.

No reading is lost and none counts twice on a broker that may lose everything (DESIGN 8): the engine's thread takes
messages in batches, commits what follows from them in one transaction, acknowledges them to the broker, and only then
sends receipts; an edge deletes on receipt and repeats everything else. So a message that is lost anywhere comes again,
and one that comes again gets the same answer.

The session is clean: when the hub goes, the broker forgets its subscription. A kept session would hold what edges
publish while the hub is away, but each edge holds all of it too, until the receipt, and repeats it every few seconds:
the kept session would fill with copies of the same messages, without a bound on a broker that other software shares,
and the hub would have to work through them before it sees anything new. Correctness must not depend on the broker's
memory anyway, since most brokers lose it when killed.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import NamedTuple

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.codec import decode_up, encode
from edge.contract.interval import start_utc_s
from edge.contract.messages import (
    MESSAGE_BYTES_MAX,
    BroadcastMessage,
    ContractError,
    DownMessage,
    NoticeAnswer,
    OrdersMessage,
    PriceMessage,
    ReadingsMessage,
    ReceiptMessage,
    Rejection,
    StatusMessage,
    TradesMessage,
    UpMessage,
)
from edge.contract.registry import Gateway, Registry
from edge.contract.topics import broadcast_topic, down_topic, is_name, parse_up_topic, up_filter
from hub.market.elections.bidding_terms import BiddingTerms
from hub.market.order_rules import Rejected, SessionParameters
from hub.repeated_sending import NoticeSender, RepeatedSender
from hub.store.counters import add_to_counters
from hub.store.cursors import Cursor, advance, load_cursor, save_cursors
from hub.store.gateways import save_gateway_states
from hub.store.notices import notices_without_answer
from hub.store.quarantine import Refusal, save_refusals
from hub.store.registry import positions_of
from hub.store.setpoints import SetpointsForGateway
from hub.store.tables import RefusedKind
from hub.usecases.admit_readings import Admitted, GatewayReadings, Quarantined, RegisterMemory, admit_readings
from hub.usecases.moment import Moment
from hub.usecases.prepare_county import Credential
from hub.usecases.record_notice_answers import GatewayAnswer, record_notice_answers, tell_reborn_gateways
from hub.usecases.record_responses import (
    GatewayResponse,
    Recorded,
    RefusedResponse,
    ResponseRefusal,
    record_responses,
)
from hub.usecases.submit_orders import GatewayOrders, OrderMemory, submit_orders

logger = logging.getLogger(__name__)

BATCH_MESSAGES_MAX = 512
REJECTIONS_PER_RECEIPT = 1000
IN_FLIGHT_MAX = 1000
RECONNECT_FIRST_S = 0.1
RECONNECT_MAX_S = 2
REPEAT_MAX_S = 5.0


class HubConnectionError(ConnectionError):
    """The broker cannot be reached, or refuses the hub's credential or subscription."""


class Received(NamedTuple):
    """One message as it came. epoch: of the connection on which its packet id `mid` means something."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    epoch: int


class HubConnection:
    """The hub's MQTT client. Its thread only enqueues; everything else is done by whoever calls take()."""

    def __init__(self, credential: Credential, county: str) -> None:
        self._credential = credential
        self._county = county
        self._queue: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._epoch = 0
        self._epoch_lock = threading.Lock()
        self._subscribed = threading.Event()
        self._refusal: str | None = None
        self._on_their_way: list[MQTTMessageInfo] = []
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=credential.client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.username_pw_set(credential.user, credential.password)
        client.max_inflight_messages_set(IN_FLIGHT_MAX)
        client.reconnect_delay_set(RECONNECT_FIRST_S, RECONNECT_MAX_S)  # type: ignore[arg-type]
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client

    def start(self, timeout_s: float = 30.0) -> None:
        """Connect, subscribe, and keep both up from now on.

        :raises HubConnectionError: if that does not succeed in time
        """
        self._client.connect_async(self._credential.host, self._credential.port, keepalive=30)
        self._client.loop_start()
        if not self._subscribed.wait(timeout_s):
            self.stop()
            address = f"{self._credential.host}:{self._credential.port}"
            raise HubConnectionError(f"broker {address}: {self._refusal or 'cannot be reached'}")

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        with contextlib.suppress(
            AttributeError
        ):  # paho 2.2 forgets its thread when it ends, also just before joining it
            self._client.loop_stop()

    @property
    def is_subscribed(self) -> bool:
        """Tell whether messages can come in at the moment."""
        return self._subscribed.is_set()

    def take(self, count_max: int, timeout_s: float = 0.0) -> list[Received]:
        """Return the messages that came in, oldest first; wait for the first one at most timeout_s."""
        batch: list[Received] = []
        try:
            batch.append(self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait())
            while len(batch) < count_max:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch

    def acknowledge(self, batch: Iterable[Received]) -> None:
        """Acknowledge messages to the broker; those of an earlier connection are left out.

        A packet id belongs to a connection: on the next one the broker uses it for another message.
        """
        with self._epoch_lock:
            for received in batch:
                if received.qos > 0 and received.epoch == self._epoch:
                    self._client.ack(received.mid, received.qos)

    def publish_down(self, gateway: Gateway, kind: str, message: DownMessage) -> None:
        """Send a message ("rcpt", "set", "cfg", "wdr") to a gateway, QoS 1; without a connection, after the next."""
        self._publish(down_topic(self._county, gateway.shard, gateway.gateway_id, kind), encode(message), retain=False)

    def publish_trades(self, gateway: Gateway, message: TradesMessage) -> None:
        """Send a gateway the results of its orders."""
        topic = down_topic(self._county, gateway.shard, gateway.gateway_id, "trd")
        self._on_their_way.append(self._publish(topic, encode(message), retain=False))

    def publish_broadcast(self, message: BroadcastMessage) -> None:
        """Send prices or the state of the session to all gateways, retained for those that connect later."""
        kind = "price" if isinstance(message, PriceMessage) else "session"
        self._on_their_way.append(self._publish(broadcast_topic(self._county, kind), encode(message), retain=True))

    def wait_until_delivered(self, timeout_s: float) -> None:
        """Return when the broker has all trades and broadcasts, or the time is over: they are told, not counted on."""
        deadline_s = time.monotonic() + timeout_s
        waiting, self._on_their_way = self._on_their_way, []
        for info in waiting:
            with contextlib.suppress(RuntimeError, ValueError):  # paho's words for a message that it holds back
                info.wait_for_publish(max(deadline_s - time.monotonic(), 0.0))
        late = sum(not _is_delivered(info) for info in waiting)
        if late:
            logger.warning("%d messages have not reached the broker after %.0f s", late, timeout_s)

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> MQTTMessageInfo:
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN}:
            logger.warning("publish to %s: %s", topic, info.rc.name)
        return info

    def _next_epoch(self) -> None:
        self._subscribed.clear()
        with self._epoch_lock:
            self._epoch += 1

    def _on_pre_connect(self, _client: Client, _data: object) -> None:
        self._next_epoch()

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        self._next_epoch()
        if reason.is_failure:
            logger.warning("connection to the broker lost: %s", reason)

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            logger.warning("the broker refuses the hub: %s", reason)
            return
        client.subscribe(up_filter(self._county), qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refusal = f"subscription to {up_filter(self._county)} refused"
            logger.error("%s", self._refusal)
            return
        self._subscribed.set()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # no up topic: ends in quarantine as malformed
        self._queue.put(Received(topic, bytes(message.payload), message.mid, message.qos, self._epoch))


def _is_delivered(info: MQTTMessageInfo) -> bool:
    try:
        return info.is_published()
    except (RuntimeError, ValueError):
        return False


class MessageRefusal(Enum):
    """Why a whole message was refused; it is acknowledged all the same, or delivery would stop."""

    MALFORMED = "malformed"
    OVERSIZE = "oversize"
    UNKNOWN_GATEWAY = "unknown-gateway"


class _Envelope(msgspec.Struct):
    """What a refused message must have so that its sender can be told."""

    boot: str
    seq: int


@dataclass
class _Batch:
    """The messages of one transaction by what they are, and the rejections that will go into receipts.

    numbers: (gateway, boot) -> seqs that came in. rejections: by the same key.
    """

    readings: list[tuple[ReadingsMessage, GatewayReadings]] = field(default_factory=list)
    orders: list[tuple[OrdersMessage, GatewayOrders]] = field(default_factory=list)
    responses: list[GatewayResponse] = field(default_factory=list)
    answers: list[GatewayAnswer] = field(default_factory=list)
    states: dict[int, tuple[str, str]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    numbers: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    rejections: dict[tuple[int, str], list[Rejection]] = field(default_factory=dict)

    def note(self, gateway: int, boot: str, seq: int) -> None:
        """Note that a numbered message came in."""
        self.numbers.setdefault((gateway, boot), []).append(seq)

    def reject(self, gateway: int, boot: str, rejection: Rejection) -> None:
        """Note what is to be told to the sender."""
        self.rejections.setdefault((gateway, boot), []).append(rejection)


class Ingest:
    """Turns up messages into use cases, one transaction a batch, in the engine's thread.

    :param registry_on: the registry with the modes of an operating day; None: those of `registry` hold on all days
    :param bidding_on: how orders must look on an operating day, by meter; None: all are free
    :param notices: what gateways are told until they answer; None: a sender of its own
    """

    def __init__(
        self,
        engine: Engine,
        connection: HubConnection,
        registry: Registry,
        setpoints: "SetpointSender",
        *,
        registry_on: Callable[[date], Registry] | None = None,
        bidding_on: Callable[[date], Mapping[str, BiddingTerms]] | None = None,
        notices: NoticeSender | None = None,
    ) -> None:
        self._engine = engine
        self._notices = notices or NoticeSender(connection, registry)
        self._registry_on = registry_on
        self._bidding_on = bidding_on
        self._connection = connection
        self._registry = registry
        self._setpoints = setpoints
        self._positions = positions_of(registry)
        self._registers: RegisterMemory | None = None
        self._orders: OrderMemory | None = None
        self._cursors: dict[tuple[int, str], Cursor] = {}
        self._undone: list[Received] = []

    def pump(self, moment: Moment, parameters: SessionParameters, timeout_s: float = 0.0) -> int:
        """Take in what came, at most one batch, send what is due, and return how many messages that was.

        Every error is raised after the transaction is rolled back; the messages are taken again by the next call.

        :param timeout_s: how long to wait for a first message
        """
        self._setpoints.send_due(time.monotonic())
        self._notices.send_due(time.monotonic())
        batch = self._undone or self._connection.take(BATCH_MESSAGES_MAX, timeout_s)
        if not batch:
            return 0
        self._undone = batch
        cursors, decoded, recorded = self._commit(batch, moment, parameters)
        self._undone = []
        self._cursors |= cursors
        self._connection.acknowledge(batch)
        for outcome in recorded:
            if outcome.complete:
                self._setpoints.answered(outcome.gateway, outcome.setpoints_id)
        self._heed_answers(decoded)
        self._send_receipts(cursors, decoded)
        return len(batch)

    def _commit(
        self, batch: Sequence[Received], moment: Moment, parameters: SessionParameters
    ) -> tuple[dict[tuple[int, str], Cursor], _Batch, list[Recorded]]:
        decoded = self._decode(batch)
        try:
            with Session(self._engine) as session:
                self._admit(session, decoded, moment)
                self._submit(session, decoded, moment, parameters)
                recorded = self._record(session, decoded, moment)
                self._record_answers(session, decoded, moment)
                tell_reborn_gateways(session, decoded.states)
                save_gateway_states(session, decoded.states)
                save_refusals(session, decoded.refusals, moment.now_utc_s)
                cursors = self._advance(session, decoded)
                add_to_counters(session, {"messages": len(batch), "messages_refused": len(decoded.refusals)})
                session.commit()
        except BaseException:
            self._registers = self._orders = None  # they hold what did not become true
            raise
        return cursors, decoded, recorded

    def _decode(self, batch: Sequence[Received]) -> _Batch:
        decoded = _Batch()
        for received in batch:
            if not received.payload and received.topic.endswith("/st"):
                continue  # a gateway cleared its retained state
            gateway_id, gateway = "", None
            try:
                topic = parse_up_topic(received.topic)
                gateway_id = topic.device
                gateway = self._gateway_of(topic.county, topic.shard, topic.device)
                message = None if gateway is None else decode_up(topic.kind, received.payload)
            except ContractError as error:
                is_oversize = len(received.payload) > MESSAGE_BYTES_MAX
                reason = MessageRefusal.OVERSIZE if is_oversize else MessageRefusal.MALFORMED
                self._refuse(decoded, received, gateway_id=gateway_id, gateway=gateway, reason=reason, what=str(error))
                continue
            if gateway is None or message is None:
                reason, what = MessageRefusal.UNKNOWN_GATEWAY, received.topic
                self._refuse(decoded, received, gateway_id=gateway_id, gateway=None, reason=reason, what=what)
            else:
                _sort(decoded, gateway, gateway_id, message)
        return decoded

    def _gateway_of(self, county: str, shard: str, device: str) -> int | None:
        position = self._positions.gateway.get(device)
        if position is None or county != self._registry.county or shard != self._registry.gateways[position].shard:
            return None
        return position

    def _refuse(
        self,
        decoded: _Batch,
        received: Received,
        *,
        gateway_id: str,
        gateway: int | None,
        reason: MessageRefusal,
        what: str,
    ) -> None:
        """Put the message in quarantine; if its sender and number can be made out, tell the sender."""
        logger.warning("message from %r refused: %r", gateway_id or received.topic[:80], what)
        device = gateway_id or received.topic[:80]
        decoded.refusals.append(Refusal(RefusedKind.MALFORMED, reason.value, device, what, None, received.payload))
        if gateway is None:
            return
        try:
            envelope = msgspec.json.decode(received.payload, type=_Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if is_name(envelope.boot) and 1 <= envelope.seq < 2**63:
            decoded.note(gateway, envelope.boot, envelope.seq)
            decoded.reject(gateway, envelope.boot, Rejection(envelope.seq, "", 0, reason.value))

    def _admit(self, session: Session, decoded: _Batch, moment: Moment) -> None:
        if not decoded.readings:
            return
        if self._registers is None:
            self._registers = RegisterMemory(session, self._registry)
        given = [entry for _, entry in decoded.readings]
        outcomes = admit_readings(session, self._registers, given, moment)
        for (message, entry), decided in zip(decoded.readings, outcomes, strict=True):
            for outcome in decided:
                reading = outcome.reading
                if isinstance(outcome, Quarantined):
                    reason = outcome.reason.value
                elif isinstance(outcome, Admitted) and outcome.late:
                    reason = "late"
                else:
                    continue
                rejection = Rejection(message.seq, reading.meter, reading.instant_utc_s, reason)
                decoded.reject(entry.gateway, message.boot, rejection)

    def _submit(self, session: Session, decoded: _Batch, moment: Moment, parameters: SessionParameters) -> None:
        if not decoded.orders:
            return
        if self._orders is None:
            self._orders = OrderMemory(
                session, self._registry, parameters.open_from_interval, self._registry_on, self._bidding_on
            )
        given = [entry for _, entry in decoded.orders]
        outcomes = submit_orders(session, self._orders, given, parameters, moment)
        for (message, entry), decided in zip(decoded.orders, outcomes, strict=True):
            for outcome in decided:
                if isinstance(outcome, Rejected):
                    order = outcome.order
                    at_utc_s = start_utc_s(order.interval)
                    rejection = Rejection(message.seq, order.meter, at_utc_s, outcome.reason.value)
                    decoded.reject(entry.gateway, message.boot, rejection)

    def _record(self, session: Session, decoded: _Batch, moment: Moment) -> list[Recorded]:
        outcomes = record_responses(session, self._positions.meter, decoded.responses, moment)
        for given, outcome in zip(decoded.responses, outcomes, strict=True):
            seq, at_utc_s = given.response.seq, start_utc_s(given.response.interval)
            if isinstance(outcome, RefusedResponse):
                refused = [Rejection(seq, "", at_utc_s, outcome.reason.value)]
            else:
                refused = [Rejection(seq, answer.meter, at_utc_s, "unknown-meter") for answer in outcome.refused]
            for rejection in refused:
                decoded.reject(given.gateway, given.response.boot, rejection)
        return [outcome for outcome in outcomes if isinstance(outcome, Recorded)]

    def _record_answers(self, session: Session, decoded: _Batch, moment: Moment) -> None:
        known = record_notice_answers(session, decoded.answers, moment)
        for given, is_known in zip(decoded.answers, known, strict=True):
            if not is_known:
                rejection = Rejection(given.answer.seq, "", 0, ResponseRefusal.UNKNOWN_NOTICE.value)
                decoded.reject(given.gateway, given.answer.boot, rejection)

    def _heed_answers(self, decoded: _Batch) -> None:
        """Stop telling what gateways keep, and tell those that started anew what they may have lost."""
        for given in decoded.answers:
            self._notices.answered(given.gateway, given.answer.notice)
        if decoded.states:
            with Session(self._engine) as session:
                self._notices.send(notices_without_answer(session), time.monotonic())

    def _advance(self, session: Session, decoded: _Batch) -> dict[tuple[int, str], Cursor]:
        cursors = {}
        for key, seqs in decoded.numbers.items():
            before = self._cursors.get(key) or load_cursor(session, *key)
            cursors[key] = advance(before, seqs)
        save_cursors(session, cursors)
        return cursors

    def _send_receipts(self, cursors: dict[tuple[int, str], Cursor], decoded: _Batch) -> None:
        for (position, boot), cursor in cursors.items():
            gateway = self._registry.gateways[position]
            rejections = decoded.rejections.get((position, boot), [])
            for start in range(0, max(len(rejections), 1), REJECTIONS_PER_RECEIPT):
                part = tuple(rejections[start : start + REJECTIONS_PER_RECEIPT])
                self._connection.publish_down(gateway, "rcpt", ReceiptMessage(boot, cursor.upto, part))


def _sort(decoded: _Batch, gateway: int, gateway_id: str, message: UpMessage) -> None:
    """Put a decoded message where it belongs in the batch."""
    if isinstance(message, StatusMessage):
        decoded.states[gateway] = (message.state, message.boot)
        return
    decoded.note(gateway, message.boot, message.seq)
    if isinstance(message, ReadingsMessage):
        decoded.readings.append((message, GatewayReadings(gateway, gateway_id, message.r)))
    elif isinstance(message, OrdersMessage):
        decoded.orders.append((message, GatewayOrders(gateway, gateway_id, message.o)))
    elif isinstance(message, NoticeAnswer):
        decoded.answers.append(GatewayAnswer(gateway, gateway_id, message))
    else:
        decoded.responses.append(GatewayResponse(gateway, gateway_id, message))


class SetpointSender:
    """Sends setpoints and repeats them until the gateway has answered each, after 0.5 s, then ever later up to 5 s."""

    def __init__(self, connection: HubConnection, registry: Registry) -> None:
        self._sender: RepeatedSender[tuple[int, str, int]] = RepeatedSender(connection, registry, REPEAT_MAX_S)

    @property
    def pending(self) -> int:
        """Return how many messages wait for their answer."""
        return self._sender.pending

    def send(self, messages: Iterable[SetpointsForGateway], now_s: float) -> None:
        """Send the messages at once, and again until they are answered; one that waits already is not sent twice.

        :param now_s: on the monotonic clock
        """
        for one in messages:
            key = (one.gateway, one.message.setpoints_id, one.message.interval)
            self._sender.put(key, one.gateway, "set", one.message, now_s)
        self._sender.send_due(now_s)

    def send_due(self, now_s: float) -> None:
        """Send what is due at now_s on the monotonic clock; without a connection it stays due."""
        self._sender.send_due(now_s)

    def answered(self, gateway: int, setpoints_id: str) -> None:
        """Stop sending a message whose setpoints are all answered."""
        self._sender.forget(lambda key: key[:2] == (gateway, setpoints_id))

    def drop_before(self, interval: int) -> None:
        """Stop sending setpoints of intervals before `interval`: they are over."""
        self._sender.forget(lambda key: key[2] < interval)
