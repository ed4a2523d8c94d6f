"""What leaves the listing market: the result of a file of events, and views for those who may see less.

Energy Wh, price micro-yuan/kWh, money nano-yuan as text (more than a browser's numbers hold). The public view holds no
participant, unit, contract or event id at all (rows 36, 160).
"""

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType

import msgspec

from hub.market.listing.curves import Curve
from hub.market.listing.events import Event, ExportPlan
from hub.market.listing.outcomes import RefusalReason
from hub.market.listing.products import ListingProduct
from hub.market.listing.publication import Publication
from hub.market.listing.session_calendar import Delivery
from hub.market.listing.states import State
from hub.market.registry.participant_classes import Direction


class PublicListing(msgspec.Struct, frozen=True, kw_only=True):
    """A listing as everyone sees it. curve: None for the session's, or a transferred contract's."""

    listing: int
    state: State
    direction: Direction
    delivery: Delivery
    energy_wh: int
    open_wh: int
    taken_wh: int
    released_wh: int
    price_uyuan_per_kwh: int
    curve: Curve | None


class PublicDeal(msgspec.Struct, frozen=True, kw_only=True):
    """A deal as everyone sees it. assigned: by remaining quota, not by a take (row 172)."""

    deal: int
    listing: int
    state: State
    made_at: datetime
    energy_wh: int
    price_uyuan_per_kwh: int
    assigned: bool


class PublicResult(msgspec.Struct, frozen=True, kw_only=True):
    """A published result without its parties. mean_price: for display (row 42)."""

    number: int
    sha256: str
    deals: int
    energy_wh: int
    value_nano_yuan: str
    mean_price_uyuan_per_kwh: int | None


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What was announced before the session (rows 35, 159, 161)."""

    product: ListingProduct
    trading_code: str
    document: str
    announced_at: datetime
    opens_at: datetime
    closes_at: datetime
    delivery: Delivery
    lot_wh: int
    take_lot_wh: int
    price_tick_uyuan_per_kwh: int
    price_floor_uyuan_per_kwh: int
    price_cap_uyuan_per_kwh: int
    price_limits_set_by: str
    price_limits_set_on: date
    curve: Curve
    export_plan: ExportPlan | None


class SessionHead(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a list of sessions: its terms, where it stands, what was published of it."""

    session_id: str
    state: State
    announcement: Announcement
    results: list[PublicResult]


class PublicSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as everyone sees it."""

    session_id: str
    state: State
    announcement: Announcement
    listings: list[PublicListing]
    deals: list[PublicDeal]
    results: list[PublicResult]


class RefusalCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many events were refused for a reason."""

    reason: RefusalReason
    count: int


class EventCounts(msgspec.Struct, frozen=True, kw_only=True):
    """submitted = accepted + refused + repeated."""

    submitted: int
    accepted: int
    refused: int
    repeated: int


class PublicDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The anonymous view of everything."""

    counts: EventCounts
    refusals: list[RefusalCount]
    sessions: list[PublicSession]


class PartyDeal(PublicDeal, frozen=True, kw_only=True):
    """A deal as one of its parties sees it. counterparty_id: None before publication (row 160)."""

    direction: Direction
    unit_id: str | None
    counterparty_id: str | None
    reason: RefusalReason | None
    periods_wh: list[int]


class ParticipantSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as one participant sees it: the public part, with its own listings and deals told apart."""

    public: PublicSession
    own_listings: list[int]
    own_deals: list[PartyDeal]


class OperatorListing(PublicListing, frozen=True, kw_only=True):
    """A listing with who is behind it."""

    participant_id: str
    unit_id: str | None
    contract_id: str | None


class OperatorDeal(PublicDeal, frozen=True, kw_only=True):
    """A deal with both parties. asked_wh: what the taker wanted; reason: why it was cancelled."""

    seller_id: str
    seller_unit_id: str | None
    buyer_id: str
    buyer_unit_id: str | None
    contract_id: str | None
    asked_wh: int
    reason: RefusalReason | None


class OperatorSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as operator and supervisor see it. rules: version in force on its trading day."""

    session_id: str
    state: State
    rules: str
    announcement: Announcement
    listings: list[OperatorListing]
    deals: list[OperatorDeal]
    results: list[Publication]


class QuotaRow(msgspec.Struct, frozen=True, kw_only=True):
    """One holder's delivery month at the end. room: of the monthly limits with all that is open, None without limit.

    interval_use_max_wh: the fullest interval each way; its limit is None where there is none.
    """

    holder_id: str
    month: int
    sold_wh: int
    bought_wh: int
    open_sell_wh: int
    open_buy_wh: int
    net_sell_room_wh: int | None
    net_buy_room_wh: int | None
    turnover_room_wh: int | None
    interval_sell_max_wh: int
    interval_sell_cap_wh: int | None
    interval_buy_max_wh: int
    interval_buy_cap_wh: int | None


class RefusalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refused event. line: its place in the file, from 1."""

    line: int
    event_id: str
    event: str
    reason: RefusalReason


class ListingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a file of events. log_sha256: the last hash of the chain over events and outcomes."""

    counts: EventCounts
    log_sha256: str
    sessions: list[OperatorSession]
    refusals: list[RefusalRow]
    quotas: list[QuotaRow]


DOCUMENTS: Mapping[str, object] = MappingProxyType(
    {"listing": Event, "listing-result": ListingDocument, "listing-public": PublicDocument}
)
"""Name -> type, for `microbalance schema`: a line of the input, the output, the output of --public."""
