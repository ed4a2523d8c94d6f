"""What an event led to: one record a kind of outcome, and every reason for a refusal.

An event has one outcome or more. `Refused` and `Repeated` stand alone and mean that nothing changed.
"""

from enum import Enum

import msgspec

from hub.market.registry.participant_classes import Direction


class RefusalReason(Enum):
    """Why an event was refused, or a deal cancelled. The first that holds is given."""

    DUPLICATE_ID = "duplicate-id"
    TIME_RUNS_BACK = "time-runs-back"
    WRONG_STATE = "wrong-state"
    UNKNOWN_PARTICIPANT = "unknown-participant"
    UNKNOWN_UNIT = "unknown-unit"
    UNKNOWN_SESSION = "unknown-session"
    UNKNOWN_LISTING = "unknown-listing"
    UNKNOWN_DEAL = "unknown-deal"
    UNKNOWN_CONTRACT = "unknown-contract"
    ID_TAKEN = "id-taken"
    RULES_OVERLAP = "rules-overlap"
    DUPLICATE_RULE = "duplicate-rule"
    NO_RULES = "no-rules"
    NO_CALENDAR = "no-calendar"
    NO_WINDOW = "no-window"
    BAD_DATES = "bad-dates"
    BAD_LOT = "bad-lot"
    BAD_PRICE_LIMITS = "bad-price-limits"
    BAD_ALLOCATION = "bad-allocation"
    BAD_TAKE_CAPS = "bad-take-caps"
    BAD_QUOTA = "bad-quota"
    NOT_IN_FORCE = "not-in-force"
    ANNOUNCED_LATE = "announced-late"
    NO_EXPORT_PLAN = "no-export-plan"
    TOO_EARLY = "too-early"
    GATE_CLOSED = "gate-closed"
    NO_ACCESS = "no-access"
    NOT_REGISTERED = "not-registered"
    SUSPENDED = "suspended"
    WRONG_ROLE = "wrong-role"
    UNIT_REQUIRED = "unit-required"
    FOREIGN_UNIT = "foreign-unit"
    WRONG_TECHNOLOGY = "wrong-technology"
    NOT_DIRECT = "not-direct"
    NOT_COMMISSIONED = "not-commissioned"
    OUTSIDE_DELIVERY = "outside-delivery"
    OUTSIDE_WINDOW = "outside-window"
    NOT_POSITIVE = "not-positive"
    OFF_LOT = "off-lot"
    ABOVE_CAP = "above-cap"
    BELOW_FLOOR = "below-floor"
    OFF_TICK = "off-tick"
    COUNTER_OFFER = "counter-offer"
    ABOVE_REMAINING = "above-remaining"
    OWN_LISTING = "own-listing"
    FOREIGN_LISTING = "foreign-listing"
    BINDING_OFFER = "binding-offer"
    NO_TAKE_CAP = "no-take-cap"
    ABOVE_TAKE_CAP = "above-take-cap"
    CURVE_NOT_ALLOWED = "curve-not-allowed"
    CURVE_LENGTH = "curve-length"
    CURVE_EMPTY = "curve-empty"
    CURVE_OFF_STEP = "curve-off-step"
    CURVE_SUM = "curve-sum"
    PAST_DEADLINE = "past-deadline"
    NOT_A_PARTY = "not-a-party"
    CONTRACT_REQUIRED = "contract-required"
    FOREIGN_CONTRACT = "foreign-contract"
    NOT_ANNUAL = "not-annual"
    ABOVE_CONTRACT = "above-contract"
    CONTRACT_NOT_ALLOWED = "contract-not-allowed"
    CONTRACT_IN_USE = "contract-in-use"
    NO_QUOTA = "no-quota"
    NO_TURNOVER_RULE = "no-turnover-rule"
    QUOTA_NET = "quota-net"
    QUOTA_TURNOVER = "quota-turnover"
    QUOTA_INTERVAL = "quota-interval"
    DIRECTION_LOCKED = "direction-locked"
    OVERSUBSCRIBED = "oversubscribed"
    GRID_SECURITY = "grid-security"


class _Outcome(msgspec.Struct, frozen=True, tag_field="outcome"):
    """What one event led to; its kind stands in the field `outcome`."""


class Refused(_Outcome, frozen=True):
    """The event was refused and changed nothing but the count of refusals."""

    reason: RefusalReason


class Repeated(_Outcome, frozen=True):
    """The same event, with the same id, came before; nothing changed."""


class Recorded(_Outcome, frozen=True):
    """A rule, a participant, a unit, a quota or a contract stands from now on. about: its id."""

    about: str


class SessionMoved(_Outcome, frozen=True):
    """A session came to a new state (states.State by value)."""

    session_id: str
    state: str


class ListingStands(_Outcome, frozen=True):
    """A listing is in the book and occupies quota."""

    session_id: str
    listing: int
    direction: Direction
    energy_wh: int
    price_uyuan_per_kwh: int


class TakeGathered(_Outcome, frozen=True):
    """A take is kept until the session closes and takes are shared out (rows 172, 173). deal: its number."""

    session_id: str
    deal: int
    listing: int
    energy_wh: int


class DealMade(_Outcome, frozen=True):
    """A preliminary deal. assigned: by remaining quota, without a take (row 172). open_wh: left of the listing."""

    session_id: str
    deal: int
    listing: int
    energy_wh: int
    price_uyuan_per_kwh: int
    open_wh: int
    assigned: bool


class DealCancelled(_Outcome, frozen=True):
    """A deal or a gathered take does not stand; quotas of both sides are as if it had never been."""

    session_id: str
    deal: int
    energy_wh: int
    reason: RefusalReason


class DealChecked(_Outcome, frozen=True):
    """A deal passed the check after the session."""

    session_id: str
    deal: int


class ListingReleased(_Outcome, frozen=True):
    """What nobody took at the session's end; the quota that it occupied is free."""

    session_id: str
    listing: int
    released_wh: int


class Unmet(_Outcome, frozen=True):
    """Energy of a listing that all remaining quota together could not serve (row 172)."""

    session_id: str
    listing: int
    unmet_wh: int


class CurveProposed(_Outcome, frozen=True):
    """One party of a deal proposed another curve; it holds when the other proposes the same."""

    session_id: str
    deal: int


class CurveChanged(_Outcome, frozen=True):
    """Both parties of a deal agreed on another curve."""

    session_id: str
    deal: int


class ResultPublished(_Outcome, frozen=True):
    """A session's official result (row 39). number: 1, then one more for each reversal. mean price: row 42.

    value_nano_yuan: text of an integer. mean_price_uyuan_per_kwh: rounded half-up for display, None without deals;
    settlement uses the deals.
    """

    session_id: str
    number: int
    sha256: str
    deals: int
    energy_wh: int
    value_nano_yuan: str
    mean_price_uyuan_per_kwh: int | None


Outcome = (
    Refused
    | Repeated
    | Recorded
    | SessionMoved
    | ListingStands
    | TakeGathered
    | DealMade
    | DealCancelled
    | DealChecked
    | ListingReleased
    | Unmet
    | CurveProposed
    | CurveChanged
    | ResultPublished
)
