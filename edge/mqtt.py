"""One gateway's MQTT connection, with the gateway's own credential. paho's thread only enqueues; the main loop decides.

MQTT 3.1.1 with a clean session: what must survive lives in the outbox, not in the broker and not in paho. The gateway
announces itself by a retained birth message, and its last will takes that back.
"""

import time
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.contract.codec import encode
from edge.contract.messages import MESSAGE_BYTES_MAX, StatusMessage

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 5
FAREWELL_TIMEOUT_S = 2


class CredentialError(ValueError):
    """A credential file is missing, unreadable or incomplete."""


class Credential(msgspec.Struct, frozen=True):
    """How one gateway logs in: name and password, and a client id that nobody else can guess."""

    user: str
    password: str
    client_id: str
    host: str
    port: int


class Connected(msgspec.Struct, frozen=True):
    """The broker accepted the gateway; subscriptions are to be made anew."""

    gateway_id: str


class Disconnected(msgspec.Struct, frozen=True):
    """There is no connection: it ended, was refused, or could not be made. The client goes on trying."""

    gateway_id: str
    reason: str


class Received(msgspec.Struct, frozen=True):
    """A message for the gateway."""

    gateway_id: str
    topic: str
    payload: bytes


MqttEvent = Connected | Disconnected | Received


class PublishOutcome(Enum):
    """What became of a publish: handed to the connection, too large for any broker, or nobody to hand it to."""

    SENT = "sent"
    TOO_LARGE = "too-large"
    OFFLINE = "offline"


def read_credential(path: Path) -> Credential:
    """Return the credential in a JSON file.

    :raises CredentialError: if there is none
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credential)
    except OSError as error:
        raise CredentialError(f"credential {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CredentialError(f"credential {path}: {error}") from None


class GatewayClient:
    """The connection of one gateway. It reconnects by itself, at first after one second."""

    def __init__(
        self,
        gateway_id: str,
        credential: Credential,
        *,
        status_topic: str,
        filters: Sequence[str],
        boot: str,
        enqueue: Callable[[MqttEvent], None],
        reconnect_s_max: int,
    ) -> None:
        """Prepare; nothing is connected before start(). enqueue: takes MqttEvents, from another thread."""
        self.gateway_id = gateway_id
        self._credential = credential
        self._status_topic = status_topic
        self._filters = tuple(filters)
        self._boot = boot
        self._enqueue = enqueue
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=credential.client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        client.username_pw_set(credential.user, credential.password)
        client.will_set(status_topic, encode(StatusMessage("offline", boot)), qos=1, retain=True)
        client.reconnect_delay_set(1, reconnect_s_max)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages = 0  # no limit of paho's own: the window of delivery.py bounds what is under way
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client

    def start(self) -> None:
        """Begin to connect, in a thread of its own."""
        self._client.connect_async(self._credential.host, self._credential.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def greet(self) -> None:
        """Subscribe and announce the gateway; due after every Connected."""
        self._client.subscribe([(topic_filter, 0) for topic_filter in self._filters])
        self._client.publish(self._status_topic, encode(StatusMessage("online", self._boot)), qos=1, retain=True)

    def publish(self, topic: str, payload: bytes) -> PublishOutcome:
        """Hand a message to the connection with QoS 1; for an oversized one the broker would hang up, each time."""
        if len(payload) > MESSAGE_BYTES_MAX:
            return PublishOutcome.TOO_LARGE
        if self._client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return PublishOutcome.SENT
        return PublishOutcome.OFFLINE

    def say_goodbye(self) -> MQTTMessageInfo | None:
        """Take back the birth message; returns what to wait for, if there is a connection."""
        if not self._client.is_connected():
            return None
        payload = encode(StatusMessage("offline", self._boot))
        farewell = self._client.publish(self._status_topic, payload, qos=1, retain=True)
        return farewell if farewell.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def hang_up(self) -> None:
        """Disconnect; nothing is sent any more."""
        self._client.disconnect()
        self._client.drop_out_messages()  # the thread would wait for their acknowledgement

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._client.loop_stop()

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # paho would now send what it still holds; the outbox sends the same, and knows better what is settled.
        client.drop_out_messages()
        if reason_code.is_failure:
            self._enqueue(Disconnected(self.gateway_id, f"refused: {reason_code}"))
        else:
            self._enqueue(Connected(self.gateway_id))

    def _on_connect_fail(self, _client: Client, _userdata: object) -> None:
        self._enqueue(Disconnected(self.gateway_id, "no connection"))

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._enqueue(Disconnected(self.gateway_id, f"lost: {reason_code}"))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._enqueue(Received(self.gateway_id, message.topic, bytes(message.payload)))


def stop_all(clients: Sequence[GatewayClient]) -> None:
    """Say goodbye on every connection and end it; one that does not answer within two seconds is left."""
    deadline_s = time.monotonic() + FAREWELL_TIMEOUT_S
    farewells = [client.say_goodbye() for client in clients]
    for farewell in farewells:
        remaining_s = deadline_s - time.monotonic()
        if farewell is not None and remaining_s > 0:
            farewell.wait_for_publish(remaining_s)
    for client in clients:
        client.hang_up()
    for client in clients:
        client.join()
