"""Bad input on purpose: a rogue program with a real gateway's credential says what a sound gateway never would.

It has a boot id of its own, so the receipts for its messages tell it the reason of each refusal. The readings it sends
are for an instant that the gateway itself has not read yet: were one of them admitted, the day's result would change.
"""

import queue
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract.codec import decode_down, encode
from edge.contract.interval import interval_from_utc_s
from edge.contract.messages import (
    ContractError,
    Order,
    OrdersMessage,
    Reading,
    ReadingsMessage,
    ReceiptMessage,
    Side,
)
from edge.contract.registry import Gateway, MeteringPoint, MeterKind, Registry, SupplyMode
from edge.contract.topics import down_topic, up_topic

MALFORMED = "malformed"
RECEIPT_LIMIT_S = 20.0
_REPEAT_AFTER_S = 2.0
_FIRST_ORDER_NUMBER = 900_001
_TICK_BREAKING_PRICE = 450_500
_CAP_BREAKING_PRICE = 9_000_000


class BadInputError(Exception):
    """The bad input cannot be sent: no fitting meter, no credential, no broker."""


class Credential(msgspec.Struct, frozen=True):
    """The credential file of one gateway."""

    user: str
    password: str
    client_id: str
    host: str
    port: int


@dataclass(frozen=True)
class Offence:
    """One thing that must be refused. what: in words; reason: the reason it must be refused for.

    kind: topic kind it is published under. payload: the message, whose seq is `seq` (0: none, it is malformed).
    """

    what: str
    reason: str
    kind: str
    seq: int
    payload: bytes


@dataclass(frozen=True)
class OffenceOutcome:
    """What the hub said to one offence. told: the reasons named in receipts; empty for the malformed payload, which
    carries no boot and sequence number that a receipt could name.
    """

    what: str
    reason: str
    told: tuple[str, ...]

    @property
    def is_refused_as_it_should(self) -> bool:
        """Tell whether the receipt named exactly the right reason (the malformed payload gets none)."""
        return self.told == (() if self.reason == MALFORMED else (self.reason,))


def choose_meters(registry: Registry) -> tuple[Gateway, MeteringPoint, MeteringPoint]:
    """Return a gateway, a meter of it that may place orders, and a meter of another gateway.

    The largest direct user is taken: its import register surely stands above zero after some intervals.

    :raises BadInputError: if the registry has no such meters
    """
    gateways = {gateway.gateway_id: gateway for gateway in registry.gateways}
    direct = [
        point
        for point in registry.metering_points
        if point.supply_mode is SupplyMode.DIRECT and point.kind is MeterKind.LOAD
    ]
    if not direct:
        raise BadInputError("no metering point of the registry may place orders")
    own = max(direct, key=lambda point: (point.import_capacity_w, point.meter_id))
    foreign = next((point for point in registry.metering_points if point.gateway_id != own.gateway_id), None)
    if foreign is None:
        raise BadInputError("the registry has one gateway only")
    return gateways[own.gateway_id], own, foreign


def offences(own: MeteringPoint, foreign: MeteringPoint, instant_utc_s: int, boot: str) -> tuple[Offence, ...]:
    """Return what the rogue says at the instant, in the order in which it is said."""
    interval = interval_from_utc_s(instant_utc_s) + 1

    def reading(point: MeteringPoint, seq: int) -> bytes:
        zeros = Reading(point.meter_id, instant_utc_s, dict.fromkeys(point.channels, 0))
        return encode(ReadingsMessage(boot=boot, seq=seq, r=(zeros,)))

    def order(price_uyuan_per_kwh: int, seq: int) -> bytes:
        number = _FIRST_ORDER_NUMBER + seq
        bid = Order(own.meter_id, interval, number, Side.BUY, 10, price_uyuan_per_kwh, instant_utc_s)
        return encode(OrdersMessage(boot=boot, seq=seq, o=(bid,)))

    return (
        Offence("a payload that is no message", MALFORMED, "iv", 0, b'{"v":1,"boot":"' + boot.encode() + b'","r":[['),
        Offence("a reading for another gateway's meter", "foreign-meter", "iv", 1, reading(foreign, 1)),
        Offence("a register that runs backwards", "backwards", "iv", 2, reading(own, 2)),
        Offence("an order off tick", "off-tick", "ord", 3, order(_TICK_BREAKING_PRICE, 3)),
        Offence("an order above the cap", "above-cap", "ord", 4, order(_CAP_BREAKING_PRICE, 4)),
    )


def outcomes(said: Sequence[Offence], receipts: Iterable[ReceiptMessage]) -> tuple[OffenceOutcome, ...]:
    """Return what the receipts say about each offence; a reason that is repeated counts once."""
    told: Mapping[int, list[str]] = {offence.seq: [] for offence in said}
    for receipt in receipts:
        for rejection in receipt.rej:
            reasons = told.get(rejection.seq)
            if reasons is not None and rejection.reason not in reasons:
                reasons.append(rejection.reason)
    return tuple(OffenceOutcome(offence.what, offence.reason, tuple(told[offence.seq])) for offence in said)


def send_bad_input(registry: Registry, credentials: Path, instant_utc_s: int) -> tuple[OffenceOutcome, ...]:
    """Say everything bad at the instant and return what the hub answered; called while no edge is at work.

    :raises BadInputError: if it cannot be said, or no receipt comes
    """
    gateway, own, foreign = choose_meters(registry)
    credential = _credential(credentials / f"{gateway.gateway_id}.json")
    boot = f"rogue-{secrets.token_hex(8)}"
    said = offences(own, foreign, instant_utc_s, boot)
    rogue = _Rogue(credential, registry.county, gateway, boot)
    try:
        receipts = rogue.say(said)
    finally:
        rogue.close()
    return outcomes(said, receipts)


class _Rogue:
    """The MQTT client: publishes with a gateway's credential under a client id of its own, and collects receipts."""

    def __init__(self, credential: Credential, county: str, gateway: Gateway, boot: str) -> None:
        self._topics = {kind: up_topic(county, gateway.shard, gateway.gateway_id, kind) for kind in ("iv", "ord")}
        self._receipt_topic = down_topic(county, gateway.shard, gateway.gateway_id, "rcpt")
        self._boot = boot
        self._events: queue.SimpleQueue[ReceiptMessage | None] = queue.SimpleQueue()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"rogue-{secrets.token_hex(16)}", protocol=mqtt.MQTTv311
        )
        self._client.username_pw_set(credential.user, credential.password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        try:
            self._client.connect(credential.host, credential.port)
        except OSError as error:
            raise BadInputError(f"no broker at {credential.host}:{credential.port}: {error}") from None
        self._client.loop_start()

    def say(self, said: Sequence[Offence]) -> list[ReceiptMessage]:
        """Publish everything in order, again after a while, until a receipt covers the last message."""
        receipts: list[ReceiptMessage] = []
        last = max(offence.seq for offence in said)
        deadline_s = time.monotonic() + RECEIPT_LIMIT_S
        self._wait(deadline_s)  # until it is subscribed
        malformed = [offence for offence in said if offence.seq == 0]
        numbered = [offence for offence in said if offence.seq > 0]
        self._publish(malformed)
        while time.monotonic() < deadline_s:
            self._publish(numbered)
            repeat_s = min(deadline_s, time.monotonic() + _REPEAT_AFTER_S)
            while (receipt := self._wait(repeat_s)) is not None:
                receipts.append(receipt)
                if receipt.upto >= last:
                    return receipts
        raise BadInputError(f"no receipt for the bad input within {RECEIPT_LIMIT_S:g} s")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, said: Iterable[Offence]) -> None:
        for offence in said:
            self._client.publish(self._topics[offence.kind], offence.payload, qos=1)

    def _wait(self, until_s: float) -> ReceiptMessage | None:
        try:
            return self._events.get(timeout=max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            return None

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(self._receipt_topic, qos=0)

    def _on_subscribe(self, *_: object) -> None:
        self._events.put(None)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            receipt = decode_down("rcpt", bytes(message.payload))
        except ContractError:
            return  # the gateway's own agent reports what it cannot read
        if isinstance(receipt, ReceiptMessage) and receipt.boot == self._boot:
            self._events.put(receipt)


def _credential(path: Path) -> Credential:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credential)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInputError(f"{path}: {error}") from None
