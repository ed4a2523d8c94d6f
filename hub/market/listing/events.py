"""What may come to the listing market: one frozen record a kind of event, and the lines of an event file.

Energy Wh, price micro-yuan/kWh (signed), power W. Every event has an id (the idempotency key), the instant at which the
market took it (never before that of the event before it) and who sent it; whether the actor may speak for the
participant is the shell's affair.
"""

from datetime import date, datetime
from enum import Enum
from typing import Annotated

import msgspec

from hub.market.event_log import Name
from hub.market.listing.curves import Curve, Shares
from hub.market.listing.products import ListingProduct
from hub.market.listing.session_calendar import BusinessCalendar, Delivery, TradingWindow
from hub.market.registry.participant_classes import Direction, ParticipantClass, Technology
from hub.market.registry.periods import Period

ENERGY_WH_MAX = 10**15
"""1,000 TWh; with it every sum of one listing fits int64."""

Text = Annotated[str, msgspec.Meta(max_length=2000)]
EnergyWh = Annotated[int, msgspec.Meta(ge=-ENERGY_WH_MAX, le=ENERGY_WH_MAX)]
Price = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class EventError(ValueError):
    """A line that is not an event; the message says in one line what is wrong and where in the line."""


class Allocation(Enum):
    """How takes become deals: at once in the order of arrival, or gathered and shared out at the close."""

    TIME_PRIORITY = "TIME_PRIORITY"
    PRO_RATA = "PRO_RATA"


class ProductRoles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may sell and who may buy in a product (row 6)."""

    product: ListingProduct
    may_sell: tuple[ParticipantClass, ...]
    may_buy: tuple[ParticipantClass, ...]


class TurnoverMultiple(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Row 44: a class's bought and sold energy of a month together is at most this multiple of its net limit.

    multiple_permille: None: the province limits this class's turnover only by the numbers' range.
    """

    participant_class: ParticipantClass
    multiple_permille: Count | None


class PriceLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Floor, cap and tick of one session (row 41), with who set them, when, from what, and where it is written."""

    floor_uyuan_per_kwh: Price
    cap_uyuan_per_kwh: Price
    tick_uyuan_per_kwh: Price
    set_by: Name
    set_on: date
    inputs: Text
    document: Text
    effective: Period


class TakeCap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one unit may take of a listing: an energy (row 172), or its share of the listed energy (row 177)."""

    unit_id: Name
    cap_wh: EnergyWh | None = None
    share_ppm: Count | None = None


class ExportPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is published before an export session (row 161): planned energy and ex-plant price, or how it forms."""

    energy_wh: EnergyWh
    ex_plant_price_uyuan_per_kwh: Price | None = None
    price_formation: Text | None = None


def _tag(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=_tag, forbid_unknown_fields=True):
    """What all events have; the kind stands in the field `event`."""

    event_id: Name
    at: Instant
    actor: Name


class SetRules(_Event, frozen=True, kw_only=True):
    """A province's rules for a period of trading days. quota_free: classes without quota (the grid's purchases)."""

    version_id: Name
    province: Name
    effective: Period
    document: Text
    calendar: BusinessCalendar
    roles: tuple[ProductRoles, ...]
    turnover: tuple[TurnoverMultiple, ...]
    quota_free: tuple[ParticipantClass, ...] = ()
    window: TradingWindow | None = None


class SetParticipant(_Event, frozen=True, kw_only=True):
    """Who a participant is and whether it may trade now (row 3): access_ok and registered and not suspended."""

    participant_id: Name
    participant_class: ParticipantClass
    access_ok: bool
    registered: bool
    suspended: bool


class SetUnit(_Event, frozen=True, kw_only=True):
    """A generating unit. direct: in the market directly. commissioned_on: None before commercial operation."""

    unit_id: Name
    participant_id: Name
    technology: Technology
    direct: bool
    commissioned_on: date | None


class SetQuota(_Event, frozen=True, kw_only=True):
    """The limits of a unit, or of a participant without units, for one delivery month (rows 43-45).

    month: year x 100 + month. None: this rule sets no limit for it. interval limits: of 15 minutes, for example a
    unit's installed capacity x 0.25 h.
    """

    holder_id: Name
    month: Annotated[int, msgspec.Meta(ge=197001, le=999912)]
    province: Name
    document: Text
    net_sell_cap_wh: EnergyWh | None = None
    net_buy_cap_wh: EnergyWh | None = None
    interval_sell_cap_wh: EnergyWh | None = None
    interval_buy_cap_wh: EnergyWh | None = None


class LoadContract(_Event, frozen=True, kw_only=True):
    """A contract from before this log. A side of it that trades here (holder id) counts in that holder's position."""

    contract_id: Name
    product: ListingProduct
    seller_holder_id: Name | None
    buyer_holder_id: Name | None
    delivery: Delivery
    energy_wh: EnergyWh
    price_uyuan_per_kwh: Price
    curve: Curve
    periods_per_day: Count
    step_wh: EnergyWh


class AnnounceSession(_Event, frozen=True, kw_only=True):
    """The announcement of a session with all its parameters (rows 35, 41, 159); nothing of it changes later.

    The trading day is the county day of opens_at. lot_wh: a listing is a multiple of it; take_lot_wh: a take is one, or
    all that is open; step_wh: every part of a curve is a multiple of it. curve: of listings without one of their own.
    curve_agreed_until: parties may agree on another curve before (row 47), None: never.
    residual_by_quota: what nobody took is assigned to the units of take_caps by what they may still take (row 172).
    """

    session_id: Name
    province: Name
    product: ListingProduct
    trading_code: Name
    document: Text
    opens_at: Instant
    closes_at: Instant
    delivery: Delivery
    periods_per_day: Count
    lot_wh: EnergyWh
    take_lot_wh: EnergyWh
    step_wh: EnergyWh
    price_limits: PriceLimits
    curve: Shares = Shares()
    curve_agreed_until: Instant | None = None
    allocation: Allocation = Allocation.TIME_PRIORITY
    residual_by_quota: bool = False
    take_caps: tuple[TakeCap, ...] = ()
    export_plan: ExportPlan | None = None


class OpenSession(_Event, frozen=True, kw_only=True):
    """Trading begins."""

    session_id: Name


class PlaceListing(_Event, frozen=True, kw_only=True):
    """An offer to all, binding until the session ends (row 36). delivery: None: all of the session's.

    contract_id: the contract whose energy a transfer passes on.
    """

    session_id: Name
    participant_id: Name
    unit_id: Name | None = None
    direction: Direction
    energy_wh: EnergyWh
    price_uyuan_per_kwh: Price
    delivery: Delivery | None = None
    curve: Curve | None = None
    contract_id: Name | None = None


class TakeListing(_Event, frozen=True, kw_only=True):
    """An acceptance of a listing, in whole or in part, at its price; another price is refused (rows 37, 40)."""

    session_id: Name
    participant_id: Name
    unit_id: Name | None = None
    listing: Count
    energy_wh: EnergyWh
    price_uyuan_per_kwh: Price | None = None


class WithdrawListing(_Event, frozen=True, kw_only=True):
    """A lister asks for its offer back. An offer binds until the session ends, so no step grants it (rows 30, 36)."""

    session_id: Name
    participant_id: Name
    listing: Count


class AgreeCurve(_Event, frozen=True, kw_only=True):
    """One party's word for another curve of a deal; it holds when both have said the same (row 47)."""

    session_id: Name
    deal: Count
    participant_id: Name
    curve: Curve


class CloseSession(_Event, frozen=True, kw_only=True):
    """Trading ends: gathered takes are shared out, what is open is released."""

    session_id: Name


class VerifySession(_Event, frozen=True, kw_only=True):
    """The check after the session (row 38). grid_refusals: deals that the grid's security check does not allow."""

    session_id: Name
    grid_refusals: tuple[Count, ...] = ()


class PublishSession(_Event, frozen=True, kw_only=True):
    """The official result (row 39)."""

    session_id: Name


class ReverseDeal(_Event, frozen=True, kw_only=True):
    """A published deal is taken back and a new result published; nothing published is edited (row 39)."""

    session_id: Name
    deal: Count
    document: Text


OperatorEvent = (
    SetRules
    | SetParticipant
    | SetUnit
    | SetQuota
    | LoadContract
    | AnnounceSession
    | OpenSession
    | CloseSession
    | VerifySession
    | PublishSession
    | ReverseDeal
)
"""What the operator of the platform sends."""

TraderEvent = PlaceListing | TakeListing | WithdrawListing | AgreeCurve
"""What a participant sends in its own name."""

Event = OperatorEvent | TraderEvent

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder(order="deterministic")


def decode_event(line: bytes | str) -> Event:
    """Return the event in one line of JSON.

    :raises EventError: if the line is not exactly one event
    """
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventError(" ".join(str(error).split())) from None


def encode_event(event: Event) -> bytes:
    """Return the event as one line of JSON, the same event always as the same bytes."""
    return _encoder.encode(event)
