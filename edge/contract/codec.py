"""Bytes <-> messages. The one place where a payload becomes a value; it raises ContractError and nothing else."""

from collections.abc import Mapping
from typing import Any

import msgspec

from edge.contract.interval import SECONDS_PER_INTERVAL
from edge.contract.messages import (
    CHANNELS,
    MESSAGE_BYTES_MAX,
    VERSION,
    BroadcastMessage,
    ContractError,
    DownMessage,
    ModesMessage,
    NoticeAnswer,
    OrdersMessage,
    PriceMessage,
    ReadingsMessage,
    ReceiptMessage,
    ResponseMessage,
    SessionMessage,
    SetpointsMessage,
    StatusMessage,
    TradesMessage,
    UpMessage,
    WithdrawalsMessage,
)
from edge.contract.topics import is_name

INT64_MAX = 2**63 - 1
UTC_S_MAX = 2**40
OUTCOME_CHARACTERS_MAX = 200

_encoder = msgspec.json.Encoder()
_up: dict[str, msgspec.json.Decoder[Any]] = {
    "iv": msgspec.json.Decoder(ReadingsMessage),
    "ord": msgspec.json.Decoder(OrdersMessage),
    "rsp": msgspec.json.Decoder(ResponseMessage),
    "ack": msgspec.json.Decoder(NoticeAnswer),
    "st": msgspec.json.Decoder(StatusMessage),
}
_down: dict[str, msgspec.json.Decoder[Any]] = {
    "rcpt": msgspec.json.Decoder(ReceiptMessage),
    "set": msgspec.json.Decoder(SetpointsMessage),
    "trd": msgspec.json.Decoder(TradesMessage),
    "cfg": msgspec.json.Decoder(ModesMessage),
    "wdr": msgspec.json.Decoder(WithdrawalsMessage),
}
_broadcast: dict[str, msgspec.json.Decoder[Any]] = {
    "price": msgspec.json.Decoder(PriceMessage),
    "session": msgspec.json.Decoder(SessionMessage),
}
_KNOWN_CHANNELS = frozenset(CHANNELS)


def encode(message: UpMessage | DownMessage | BroadcastMessage) -> bytes:
    """Return the message as JSON bytes; the same message gives the same bytes."""
    return _encoder.encode(message)


def decode_up(kind: str, payload: bytes) -> UpMessage:
    """Return the message that a device published under `kind` ("iv", "ord", "rsp", "ack" or "st").

    Shape, types, version, size and ranges are checked here; whether the meter is the gateway's own, the hub checks.

    :raises ContractError: saying what is wrong and where
    """
    message: UpMessage = _decode(_up, kind, payload)
    if not is_name(message.boot):
        raise ContractError(f"{kind}: boot {message.boot[:80]!r} has a character outside A-Z a-z 0-9 _ -")
    if not isinstance(message, StatusMessage) and not 1 <= message.seq <= INT64_MAX:
        raise ContractError(f"{kind}: seq {message.seq} is outside 1..2^63-1")
    if isinstance(message, ReadingsMessage):
        _check_readings(message)
    elif isinstance(message, OrdersMessage):
        _check_orders(message)
    elif isinstance(message, ResponseMessage):
        _check_response(message)
    elif isinstance(message, NoticeAnswer):
        _check_notice("ack", message.notice)
    elif not is_name(message.state):
        raise ContractError(f"st: state {message.state[:80]!r} has a character outside A-Z a-z 0-9 _ -")
    return message


def decode_down(kind: str, payload: bytes) -> DownMessage:
    """Return the message that the hub sent under `kind` ("rcpt", "set", "trd", "cfg" or "wdr").

    :raises ContractError: saying what is wrong and where
    """
    message: DownMessage = _decode(_down, kind, payload)
    if isinstance(message, ModesMessage):
        _check_modes(message)
    elif isinstance(message, WithdrawalsMessage):
        _check_withdrawals(message)
    return message


def decode_broadcast(kind: str, payload: bytes) -> BroadcastMessage:
    """Return the retained message under `kind` ("price" or "session").

    :raises ContractError: saying what is wrong and where
    """
    message: BroadcastMessage = _decode(_broadcast, kind, payload)
    return message


def _decode(decoders: Mapping[str, msgspec.json.Decoder[Any]], kind: str, payload: bytes) -> Any:  # noqa: ANN401
    if len(payload) > MESSAGE_BYTES_MAX:
        raise ContractError(f"payload of {len(payload)} bytes; at most {MESSAGE_BYTES_MAX} are allowed")
    decoder = decoders.get(kind)
    if decoder is None:
        raise ContractError(f"no message kind {kind!r} is expected here")
    try:
        message = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"{kind}: {error}") from None
    if message.v != VERSION:
        raise ContractError(f"{kind}: version {message.v}; this program speaks {VERSION}")
    return message


def _check_readings(message: ReadingsMessage) -> None:
    for reading in message.r:
        if not is_name(reading.meter):
            raise ContractError(f"iv: meter id {reading.meter[:80]!r} has a character outside A-Z a-z 0-9 _ -")
        if not 0 <= reading.instant_utc_s <= UTC_S_MAX:
            raise ContractError(f"iv: meter {reading.meter}: instant {reading.instant_utc_s} is outside 0..2^40")
        for channel, value in reading.registers.items():
            if channel not in _KNOWN_CHANNELS:
                raise ContractError(f"iv: meter {reading.meter}: channel {channel[:40]!r} is unknown")
            if not 0 <= value <= INT64_MAX:
                raise ContractError(f"iv: meter {reading.meter}: register {channel} is {value}, outside 0..2^63-1")


def _check_orders(message: OrdersMessage) -> None:
    for order in message.o:
        if not is_name(order.meter):
            raise ContractError(f"ord: meter id {order.meter[:80]!r} has a character outside A-Z a-z 0-9 _ -")
        if abs(order.energy_wh) > INT64_MAX or abs(order.price_uyuan_per_kwh) > INT64_MAX:
            raise ContractError(f"ord: meter {order.meter}: a number does not fit in 64 bits")
        instants = (order.interval * SECONDS_PER_INTERVAL, order.submitted_utc_s)
        if not all(0 <= instant <= UTC_S_MAX for instant in instants) or not 0 <= order.number <= INT64_MAX:
            raise ContractError(f"ord: meter {order.meter}: interval, number or time of submission is out of range")


def _check_response(message: ResponseMessage) -> None:
    if not 0 <= message.interval * SECONDS_PER_INTERVAL <= UTC_S_MAX:
        raise ContractError(f"rsp: interval {message.interval} is out of range")
    if not is_name(message.setpoints_id):
        raise ContractError(f"rsp: setpoints id {message.setpoints_id[:80]!r} has a character outside A-Z a-z 0-9 _ -")
    for answer in message.a:
        if not is_name(answer.meter):
            raise ContractError(f"rsp: meter id {answer.meter[:80]!r} has a character outside A-Z a-z 0-9 _ -")
        if len(answer.outcome) > OUTCOME_CHARACTERS_MAX or not answer.outcome.isprintable():
            raise ContractError(f"rsp: meter {answer.meter}: the outcome is too long or not printable")


def _check_modes(message: ModesMessage) -> None:
    _check_notice("cfg", message.notice)
    for one in message.m:
        if not is_name(one.meter):
            raise ContractError(f"cfg: meter id {one.meter[:80]!r} has a character outside A-Z a-z 0-9 _ -")
        intervals = [modes.from_interval for modes in one.modes]
        if any(not 0 <= interval * SECONDS_PER_INTERVAL <= UTC_S_MAX for interval in intervals):
            raise ContractError(f"cfg: meter {one.meter}: an interval is out of range")
        if intervals != sorted(set(intervals)):
            raise ContractError(f"cfg: meter {one.meter}: the intervals do not ascend")


def _check_withdrawals(message: WithdrawalsMessage) -> None:
    _check_notice("wdr", message.notice)
    if not 0 <= message.interval * SECONDS_PER_INTERVAL <= UTC_S_MAX:
        raise ContractError(f"wdr: interval {message.interval} is out of range")
    for order in message.w:
        if not is_name(order.meter) or not is_name(order.reason):
            raise ContractError(
                f"wdr: meter id {order.meter[:80]!r} or its reason has a character outside A-Z a-z 0-9 _ -"
            )


def _check_notice(kind: str, notice: int) -> None:
    if not 1 <= notice <= INT64_MAX:
        raise ContractError(f"{kind}: notice {notice} is outside 1..2^63-1")
