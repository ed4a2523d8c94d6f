"""Every message between an edge agent and the hub, as frozen values.

Energy is Wh (or varh for reactive registers), price micro-yuan/kWh, power W, time UTC seconds, all integers.
Registers are cumulative and never negative; `1-0:1.8.0` is import from the network, `1-0:2.8.0` export to it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import msgspec

from edge.contract.registry import SaleMode, SupplyMode

IMPORT = "1-0:1.8.0"
EXPORT = "1-0:2.8.0"
REACTIVE_IMPORT = "1-0:3.8.0"
REACTIVE_EXPORT = "1-0:4.8.0"
GENERATION = "1-1:2.8.0"
BATTERY_CHARGE = "1-2:1.8.0"
BATTERY_DISCHARGE = "1-2:2.8.0"
CHANNELS = (IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT, GENERATION, BATTERY_CHARGE, BATTERY_DISCHARGE)

MESSAGE_BYTES_MAX = 128 * 1024
VERSION = 1


class ContractError(ValueError):
    """The other side sent bytes or a topic that the contract does not allow. Raised by codec.py and topics.py only."""


class Side(Enum):
    """Which way an order trades."""

    SELL = "S"
    BUY = "B"


class Quality(Enum):
    """How a register value came about: read from the meter, or estimated by the gateway."""

    ACTUAL = "A"
    ESTIMATED = "E"


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """All registers of one meter, read at one instant.

    meter: registered meter id. instant_utc_s: when the registers were read (not the interval's start).
    registers: channel (OBIS code) -> cumulative Wh or varh. quality: see Quality.
    """

    meter: str
    instant_utc_s: int
    registers: dict[str, int]
    quality: Quality = Quality.ACTUAL


class Order(msgspec.Struct, frozen=True, array_like=True):
    """An offer to sell or a bid to buy energy of one meter in one trading interval.

    number: the n of the order id gateway/interval/meter/n. submitted_utc_s: virtual or wall time of submission.
    """

    meter: str
    interval: int
    number: int
    side: Side
    energy_wh: int
    price_uyuan_per_kwh: int
    submitted_utc_s: int


class ReadingsMessage(msgspec.Struct, frozen=True):
    """Up, topic iv: readings of many meters of one gateway. seq counts this gateway's messages of one boot from 1."""

    boot: str
    seq: int
    r: tuple[Reading, ...]
    v: int = VERSION


class OrdersMessage(msgspec.Struct, frozen=True):
    """Up, topic ord: orders for many meters of one gateway."""

    boot: str
    seq: int
    o: tuple[Order, ...]
    v: int = VERSION


class Acknowledgement(msgspec.Struct, frozen=True, array_like=True):
    """What became of one setpoint: `outcome` is "ok" or a reason."""

    meter: str
    outcome: str


class ResponseMessage(msgspec.Struct, frozen=True):
    """Up, topic rsp: the answer to one SetpointsMessage, after the devices took it."""

    boot: str
    seq: int
    interval: int
    setpoints_id: str
    a: tuple[Acknowledgement, ...]
    v: int = VERSION


class NoticeAnswer(msgspec.Struct, frozen=True):
    """Up, topic ack: the gateway keeps what one of its notices says (ModesMessage, WithdrawalsMessage)."""

    boot: str
    seq: int
    notice: int
    v: int = VERSION


class StatusMessage(msgspec.Struct, frozen=True):
    """Up, topic st, retained: birth ("online") and last will ("offline")."""

    state: str
    boot: str
    v: int = VERSION


class Rejection(msgspec.Struct, frozen=True, array_like=True):
    """One reading or order that the hub refused.

    instant_utc_s: the reading's instant, or the start of the order's interval.
    """

    seq: int
    meter: str
    instant_utc_s: int
    reason: str


class ReceiptMessage(msgspec.Struct, frozen=True):
    """Down, topic rcpt: all messages of `boot` up to `upto` are committed; `rej` names what was refused."""

    boot: str
    upto: int
    rej: tuple[Rejection, ...] = ()
    v: int = VERSION


class Setpoint(msgspec.Struct, frozen=True, array_like=True):
    """Limit of net export at one metering point for one interval. export_limit_w >= 0."""

    meter: str
    export_limit_w: int


class SetpointsMessage(msgspec.Struct, frozen=True):
    """Down, topic set: limits that hold in `interval` only; a meter that is not named has no limit.

    setpoints_id: the id that the response repeats; the same id may arrive more than once.
    """

    setpoints_id: str
    interval: int
    s: tuple[Setpoint, ...]
    v: int = VERSION


class Fill(msgspec.Struct, frozen=True, array_like=True):
    """The result of one order: energy filled (may be 0) and the price at the order's balance unit."""

    meter: str
    number: int
    filled_wh: int
    price_uyuan_per_kwh: int


class TradesMessage(msgspec.Struct, frozen=True):
    """Down, topic trd: results of this gateway's orders for one interval."""

    interval: int
    f: tuple[Fill, ...]
    v: int = VERSION


class ModesFrom(msgspec.Struct, frozen=True, array_like=True):
    """How a meter trades from an interval on."""

    from_interval: int
    supply_mode: SupplyMode
    sale_mode: SaleMode


class MeterModes(msgspec.Struct, frozen=True, array_like=True):
    """All that is known of one meter's modes: `from_interval` ascends; before the first, the registry file's hold."""

    meter: str
    modes: tuple[ModesFrom, ...]


class ModesMessage(msgspec.Struct, frozen=True):
    """Down, topic cfg: how meters of the gateway trade from which interval on, since an election changed it.

    What is said of a meter replaces what an older notice said of it. notice: counts this gateway's notices from 1; it
    may come more than once and after a newer one, until the gateway has answered it (NoticeAnswer).
    """

    notice: int
    m: tuple[MeterModes, ...]
    v: int = VERSION


class WithdrawnOrder(msgspec.Struct, frozen=True, array_like=True):
    """An order that was accepted and does not stand any more; `reason` is a slug as in receipts."""

    meter: str
    number: int
    reason: str


class WithdrawalsMessage(msgspec.Struct, frozen=True):
    """Down, topic wdr: orders of the gateway for one interval that do not stand any more; `notice` as above."""

    notice: int
    interval: int
    w: tuple[WithdrawnOrder, ...]
    v: int = VERSION


class PriceMessage(msgspec.Struct, frozen=True):
    """Broadcast b/price, retained: an interval's provincial indicative price and cleared price by balance unit."""

    interval: int
    indicative_uyuan_per_kwh: int
    units: dict[str, int]
    v: int = VERSION


class SessionMessage(msgspec.Struct, frozen=True):
    """Broadcast b/session, retained: before `open_from_interval` the gate is closed, and orders are refused."""

    open_from_interval: int
    price_floor_uyuan_per_kwh: int
    price_cap_uyuan_per_kwh: int
    price_tick_uyuan_per_kwh: int
    lot_wh: int
    v: int = VERSION


Notice = ModesMessage | WithdrawalsMessage
UpMessage = ReadingsMessage | OrdersMessage | ResponseMessage | NoticeAnswer | StatusMessage
DownMessage = ReceiptMessage | SetpointsMessage | TradesMessage | Notice
BroadcastMessage = PriceMessage | SessionMessage

DOCUMENTS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {
        "edge-readings": ReadingsMessage,
        "edge-orders": OrdersMessage,
        "edge-response": ResponseMessage,
        "edge-notice-answer": NoticeAnswer,
        "edge-status": StatusMessage,
        "edge-receipt": ReceiptMessage,
        "edge-setpoints": SetpointsMessage,
        "edge-trades": TradesMessage,
        "edge-modes": ModesMessage,
        "edge-withdrawals": WithdrawalsMessage,
        "edge-price": PriceMessage,
        "edge-session": SessionMessage,
    }
)
"""Every message as a document with a JSON Schema, for gateways that others write."""
