"""All states and all legal transitions of listing trading, in one table (row 30; DESIGN 5 "Listing").

This file owns them; whoever changes a state asks `next_state`. A trigger that is not in the table for a state is
refused, so nothing published can be edited: PUBLISHED and EFFECTIVE know only the reversal (row 39).
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class State(Enum):
    """Where a session, a listing or a deal stands; the part before the slash says which of the three."""

    SESSION_ANNOUNCED = "session/announced"
    SESSION_OPEN = "session/open"
    SESSION_CLOSED = "session/closed"
    SESSION_VERIFIED = "session/verified"
    SESSION_PUBLISHED = "session/published"
    LISTING_DRAFT = "listing/draft"
    LISTING_LISTED = "listing/listed"
    LISTING_PARTIALLY_TAKEN = "listing/partially-taken"
    LISTING_TAKEN = "listing/taken"
    LISTING_RELEASED = "listing/released"
    DEAL_GATHERED = "deal/gathered"
    DEAL_PRELIMINARY = "deal/preliminary"
    DEAL_CHECKED = "deal/checked"
    DEAL_EFFECTIVE = "deal/effective"
    DEAL_CANCELLED = "deal/cancelled"
    DEAL_REVERSED = "deal/reversed"


class Trigger(Enum):
    """What makes a state change."""

    OPEN = "open"
    CLOSE = "close"
    VERIFY = "verify"
    PUBLISH = "publish"
    ADMIT = "admit"
    TAKE_PART = "take-part"
    TAKE_REST = "take-rest"
    RELEASE = "release"
    ALLOCATE = "allocate"
    PASS = "pass"  # noqa: S105 - a deal passes its check
    FAIL = "fail"
    REVERSE = "reverse"


TRANSITIONS: Mapping[tuple[State, Trigger], State] = MappingProxyType(
    {
        (State.SESSION_ANNOUNCED, Trigger.OPEN): State.SESSION_OPEN,
        (State.SESSION_OPEN, Trigger.CLOSE): State.SESSION_CLOSED,
        (State.SESSION_CLOSED, Trigger.VERIFY): State.SESSION_VERIFIED,
        (State.SESSION_VERIFIED, Trigger.PUBLISH): State.SESSION_PUBLISHED,
        (State.LISTING_DRAFT, Trigger.ADMIT): State.LISTING_LISTED,
        (State.LISTING_LISTED, Trigger.TAKE_PART): State.LISTING_PARTIALLY_TAKEN,
        (State.LISTING_LISTED, Trigger.TAKE_REST): State.LISTING_TAKEN,
        (State.LISTING_LISTED, Trigger.RELEASE): State.LISTING_RELEASED,
        (State.LISTING_PARTIALLY_TAKEN, Trigger.TAKE_PART): State.LISTING_PARTIALLY_TAKEN,
        (State.LISTING_PARTIALLY_TAKEN, Trigger.TAKE_REST): State.LISTING_TAKEN,
        (State.LISTING_PARTIALLY_TAKEN, Trigger.RELEASE): State.LISTING_RELEASED,
        (State.DEAL_GATHERED, Trigger.ALLOCATE): State.DEAL_PRELIMINARY,
        (State.DEAL_GATHERED, Trigger.FAIL): State.DEAL_CANCELLED,
        (State.DEAL_PRELIMINARY, Trigger.PASS): State.DEAL_CHECKED,
        (State.DEAL_PRELIMINARY, Trigger.FAIL): State.DEAL_CANCELLED,
        (State.DEAL_CHECKED, Trigger.PUBLISH): State.DEAL_EFFECTIVE,
        (State.DEAL_EFFECTIVE, Trigger.REVERSE): State.DEAL_REVERSED,
    }
)


def next_state(state: State, trigger: Trigger) -> State | None:
    """Return the state that follows, None if the trigger is not allowed in this state."""
    return TRANSITIONS.get((state, trigger))


def moved(state: State, trigger: Trigger) -> State:
    """Return the state that follows where the engine itself has made sure that there is one."""
    following = TRANSITIONS.get((state, trigger))
    assert following is not None, f"{trigger} in {state}"
    return following
