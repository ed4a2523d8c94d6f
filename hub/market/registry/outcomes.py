"""What becomes of an event: recorded, repeated, waiting for capacity, or refused with a reason; and what follows of it.

Law 1 of DESIGN section 4, for the registry: every event submitted has exactly one outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from edge.contract.registry import SaleMode, SupplyMode
from hub.market.registry.events import Event
from hub.market.trades import Violation


class Refusal(Enum):
    """Why an event was refused. The first that holds is given."""

    CONFLICT = "conflict"
    OUT_OF_ORDER = "out-of-order"
    CLASS = "class"
    UNKNOWN_PARTICIPANT = "unknown-participant"
    UNKNOWN_UTILITY = "unknown-utility"
    UNKNOWN_UNIT = "unknown-unit"
    UNKNOWN_METER = "unknown-meter"
    UNKNOWN_PROJECT = "unknown-project"
    UNKNOWN_ELEMENT = "unknown-element"
    UNKNOWN_ELECTION = "unknown-election"
    UNKNOWN_CONTRACT = "unknown-contract"
    TAKEN = "taken"
    NOT_COUNTY = "not-county"
    NO_COUNTY = "no-county"
    RETROACTIVE = "retroactive"
    EMPTY_PERIOD = "empty-period"
    OVERLAP = "overlap"
    NOT_FIRST_OF_MONTH = "not-first-of-month"
    NOTICE = "notice"
    RULE_NOT_SET = "rule-not-set"
    CONFIGURATION = "configuration"
    NO_DOCUMENT = "no-document"
    NO_UTILITY = "no-utility"
    NOT_SEPARATE = "not-separate"
    OUTSIDE_TERRITORY = "outside-territory"
    OWN_GENERATION_INSIDE = "own-generation-inside"
    NOT_ADMITTED = "not-admitted"
    NOT_OWNER = "not-owner"
    NOT_POSITIVE = "not-positive"
    SIZE_OR_VOLTAGE = "size-or-voltage"
    SUSPENDED_ELEMENT = "suspended-element"
    MODE_NOT_ALLOWED = "mode-not-allowed"
    BELOW_THRESHOLD = "below-threshold"
    NOT_IN_MARKET = "not-in-market"
    NO_RETAILER = "no-retailer"
    NOT_JOINED = "not-joined"
    OTHER_UNIT = "other-unit"
    CURVE = "curve"
    OPEN_POSITIONS = "open-positions"
    GONE = "gone"


class RefusedError(Exception):
    """An event breaks a rule; caught where events are folded, and returned as an outcome. `what`: what, where, why."""

    def __init__(self, reason: Refusal, what: str) -> None:
        super().__init__(what)
        self.reason = reason
        self.what = what


class WaitingReason(Enum):
    """Why an application waits: an element or a superior is yellow or red, has no room, or earlier ones wait there."""

    YELLOW = "yellow"
    RED = "red"
    ROOM = "room"
    QUEUE = "queue"


@dataclass(frozen=True)
class SupplyFellBack:
    """A metering point falls back to its default supply (row 13), from a day on."""

    meter_id: str
    mode: SupplyMode
    from_day: date


@dataclass(frozen=True)
class ContractFell:
    """A retail contract ended with its retailer (row 13)."""

    contract_id: str
    until_day: date


@dataclass(frozen=True)
class ContractLeftOpen:
    """A wholesale contract whose buyer is leaving: it must be assigned or ended before the buyer may exit (row 13)."""

    contract_id: str


@dataclass(frozen=True)
class Connected:
    """An application was granted: its plant is registered from a day on (row 138). room_kw: left at its element."""

    project_id: str
    from_day: date
    room_kw: int


@dataclass(frozen=True)
class RuleReplaced:
    """An open-ended version of a rule ends because a newer one begins."""

    version_id: str
    until_day: date


@dataclass(frozen=True)
class SaleDefaulted:
    """A meter's sale election ends with its plant."""

    meter_id: str
    mode: SaleMode
    from_day: date


Consequence = SupplyFellBack | ContractFell | ContractLeftOpen | Connected | RuleReplaced | SaleDefaulted


@dataclass(frozen=True)
class Waits:
    """Where an application stands in the queue. limited_by: the element in the way; room_kw: what there is."""

    reason: WaitingReason
    limited_by: str
    room_kw: int


@dataclass(frozen=True)
class Effect:
    """What a handler did: which rule versions it rested on, what follows, whether the application waits."""

    rule_versions: tuple[str, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    waits: Waits | None = None


@dataclass(frozen=True)
class Recorded:
    """The event stands. rule_versions: what it was judged by (row 190)."""

    event: Event
    rule_versions: tuple[str, ...]
    consequences: tuple[Consequence, ...]


@dataclass(frozen=True)
class Repeated:
    """The same event stood already; nothing changed."""

    event: Event


@dataclass(frozen=True)
class Waiting:
    """The application stands in the waiting list (row 138). place: 1 is the first of those who wait."""

    event: Event
    rule_versions: tuple[str, ...]
    waits: Waits
    place: int


@dataclass(frozen=True)
class Refused:
    """The event was refused and changed nothing."""

    event: Event
    reason: Refusal
    what: str


Outcome = Recorded | Repeated | Waiting | Refused


def check_outcomes(events: Sequence[Event], outcomes: Sequence[Outcome]) -> list[Violation]:
    """Law 1: each event submitted has one outcome, in its order, and no id came to stand twice."""
    found = []
    if [outcome.event for outcome in outcomes] != list(events):
        found.append(Violation(1, "registry", f"{len(events)} events submitted, {len(outcomes)} outcomes returned"))
    seen: set[str] = set()
    for outcome in outcomes:
        if isinstance(outcome, Recorded | Waiting):
            if outcome.event.event_id in seen:
                found.append(Violation(1, outcome.event.event_id, "stands twice"))
            seen.add(outcome.event.event_id)
    return found
