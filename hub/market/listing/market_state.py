"""The state of the listing market: a frozen value that one step turns into the next.

Structs and not dataclasses, because a step replaces a few fields of a few of them and a struct does that in C.
"""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from hub.market.listing.curves import Curve
from hub.market.listing.events import Allocation, AnnounceSession, SetParticipant, SetRules, SetUnit
from hub.market.listing.outcomes import Outcome, RefusalReason
from hub.market.listing.persistent_map import PersistentMap
from hub.market.listing.products import PRODUCTS, ListingProduct, ProductDefinition
from hub.market.listing.publication import Publication
from hub.market.listing.quota import Holder, Limits, Positions
from hub.market.listing.session_calendar import Delivery
from hub.market.listing.states import State
from hub.market.registry.participant_classes import Direction
from hub.market.trades import Int8Array, Int64Array

SHARE_WHOLE_PPM = 1_000_000
"""The shares of all units of an export session sum to this (row 177)."""


class Trader(msgspec.Struct, frozen=True):
    """Who stands behind a listing or a take: a participant, and the unit for which it trades if it has units."""

    participant_id: str
    unit_id: str | None

    @property
    def holder_id(self) -> str:
        """Whose quota it occupies."""
        return self.unit_id or self.participant_id


class Listing(msgspec.Struct, frozen=True):
    """One listing. listed = open + taken + released, Wh; cancelled deals count as taken until they are cancelled.

    periods_wh: the curve of the whole; open_periods_wh: of what is open, shape (periods of the delivery,). curve: as
    given, None for the session's or the contract's.
    """

    number: int
    trader: Trader
    direction: Direction
    delivery: Delivery
    energy_wh: int
    price_uyuan_per_kwh: int
    curve: Curve | None
    contract_id: str | None
    state: State
    open_wh: int
    taken_wh: int
    released_wh: int
    periods_wh: Int64Array
    open_periods_wh: Int64Array


class Deal(msgspec.Struct, frozen=True):
    """One deal, or a take that waits to be shared out. periods_wh: its curve; delivery is the listing's.

    energy_wh: 0 for a take that got nothing. asked_wh: what the taker wanted; 0 if it was assigned to it.
    curve_proposal: a party and the curve it wants.
    """

    number: int
    listing: int
    seller: Trader
    buyer: Trader
    delivery: Delivery
    energy_wh: int
    asked_wh: int
    price_uyuan_per_kwh: int
    state: State
    periods_wh: Int64Array
    made_at: datetime
    assigned: bool = False
    contract_id: str | None = None
    reason: RefusalReason | None = None
    curve_proposal: tuple[str, Curve] | None = None

    def sides(self) -> tuple[tuple[Trader, Direction], tuple[Trader, Direction]]:
        """Return both traders, each with its direction."""
        return (self.seller, Direction.SELL), (self.buyer, Direction.BUY)


class SessionState(msgspec.Struct, frozen=True):
    """One session. locks: storage participant -> direction of each delivery hour, +1 sold, -1 bought, 0 free (row 7).

    taken_wh: (listing, unit) -> energy that counts against the unit's cap.
    """

    terms: AnnounceSession
    rules: SetRules
    state: State
    listings: PersistentMap[int, Listing] = msgspec.field(default_factory=PersistentMap)
    deals: PersistentMap[int, Deal] = msgspec.field(default_factory=PersistentMap)
    locks: PersistentMap[str, Int8Array] = msgspec.field(default_factory=PersistentMap)
    taken_wh: PersistentMap[tuple[int, str], int] = msgspec.field(default_factory=PersistentMap)
    publications: tuple[Publication, ...] = ()

    @property
    def definition(self) -> ProductDefinition:
        """What the session's product is."""
        return PRODUCTS[self.terms.product]

    @property
    def is_shared_out(self) -> bool:
        """Whether takes are gathered and shared out at the close (rows 172, 173)."""
        return self.terms.allocation is Allocation.PRO_RATA

    def take_cap_wh(self, listing: Listing, unit_id: str) -> int | None:
        """Return what the unit may take of the listing, whole steps: its energy (row 172), or its share (row 177)."""
        for cap in self.terms.take_caps:
            if cap.unit_id == unit_id:
                cap_wh = cap.cap_wh
                if cap_wh is None:
                    assert cap.share_ppm is not None
                    cap_wh = listing.energy_wh * cap.share_ppm // SHARE_WHOLE_PPM
                return cap_wh - cap_wh % self.terms.step_wh
        return None

    def with_taken(self, listing: int, taker: Trader, energy_wh: int) -> "SessionState":
        """Return the session with a take counted against its unit's cap."""
        if taker.unit_id is None:
            return self
        key = (listing, taker.unit_id)
        return replace(self, taken_wh=self.taken_wh.put(key, (self.taken_wh.get(key) or 0) + energy_wh))


class Contract(msgspec.Struct, frozen=True):
    """An executed contract that may be transferred. open_periods_wh: what is not transferred or listed for transfer.

    periods_wh: all of it. is_loaded: from before the log; otherwise it is a deal of one of its sessions.
    """

    contract_id: str
    product: ListingProduct
    seller_holder_id: str | None
    buyer_holder_id: str | None
    delivery: Delivery
    price_uyuan_per_kwh: int
    periods_per_day: int
    periods_wh: Int64Array
    open_periods_wh: Int64Array
    is_loaded: bool


class Market(msgspec.Struct, frozen=True):
    """All that the next step depends on. seen: event id -> digest of the event; traders_with_units: participant ids.

    submitted = accepted + refused + repeated, counts of events.
    """

    rules: tuple[SetRules, ...] = ()
    participants: PersistentMap[str, SetParticipant] = msgspec.field(default_factory=PersistentMap)
    units: PersistentMap[str, SetUnit] = msgspec.field(default_factory=PersistentMap)
    traders_with_units: PersistentMap[str, int] = msgspec.field(default_factory=PersistentMap)
    limits: Limits = msgspec.field(default_factory=PersistentMap)
    positions: Positions = msgspec.field(default_factory=PersistentMap)
    contracts: PersistentMap[str, Contract] = msgspec.field(default_factory=PersistentMap)
    sessions: PersistentMap[str, SessionState] = msgspec.field(default_factory=PersistentMap)
    seen: PersistentMap[str, bytes] = msgspec.field(default_factory=PersistentMap)
    last_at: datetime | None = None
    accepted: int = 0
    refused: int = 0
    repeated: int = 0

    @property
    def submitted(self) -> int:
        """How many events came."""
        return self.accepted + self.refused + self.repeated


Step = tuple[Market, tuple[Outcome, ...]] | RefusalReason
"""What an event leads to: the next state with its outcomes, or the reason why nothing changes."""


def holder_of(market: Market, rules: SetRules, trader: Trader) -> Holder:
    """Return whose quota a known trader occupies, with its class's multiple; without one its turnover is refused."""
    participant_class = market.participants[trader.participant_id].participant_class
    multiples = (row.multiple_permille for row in rules.turnover if row.participant_class is participant_class)
    return Holder(
        holder_id=trader.holder_id,
        participant_class=participant_class,
        turnover_permille=next(multiples, None),
        is_free=participant_class in rules.quota_free,
    )


def with_session(market: Market, session: SessionState) -> Market:
    """Return the market with this session in the place of its earlier state."""
    return replace(market, sessions=market.sessions.put(session.terms.session_id, session))


def find_deal(market: Market, session_id: str, number: int) -> tuple[SessionState, Deal] | RefusalReason:
    """Return a session with one of its deals, or which of the two there is not."""
    session = market.sessions.get(session_id)
    if session is None:
        return RefusalReason.UNKNOWN_SESSION
    deal = session.deals.get(number)
    return RefusalReason.UNKNOWN_DEAL if deal is None else (session, deal)
