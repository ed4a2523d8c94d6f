"""One step of the listing market: state and event give the next state and what the event led to. Pure.

Whoever runs it puts events in one order and keeps it; then two takers of the last MWh cannot both win, and the same
events give the same state (DESIGN law 3). A refused event changes nothing but counts; a repeated one nothing at all.
"""

from hashlib import sha256
from typing import assert_never

from msgspec.structs import replace

from hub.market.listing.events import (
    AgreeCurve,
    AnnounceSession,
    CloseSession,
    Event,
    LoadContract,
    OpenSession,
    PlaceListing,
    PublishSession,
    ReverseDeal,
    SetParticipant,
    SetQuota,
    SetRules,
    SetUnit,
    TakeListing,
    VerifySession,
    WithdrawListing,
    encode_event,
)
from hub.market.listing.market_state import Market, Step
from hub.market.listing.outcomes import Outcome, RefusalReason, Refused, Repeated
from hub.market.listing.reference_steps import load_contract, set_participant, set_quota, set_rules, set_unit
from hub.market.listing.session_steps import (
    announce_session,
    close_session,
    open_session,
    publish_session,
    reverse_deal,
    verify_session,
)
from hub.market.listing.trade_steps import agree_curve, place_listing, take_listing, withdraw_listing


def step(market: Market, event: Event) -> tuple[Market, tuple[Outcome, ...]]:
    """Return the market after the event, and the event's outcomes; `market` itself never changes.

    An id stands for one event for good, also if that was refused: the same event again is `Repeated`, another event
    under the id is refused.
    """
    digest = sha256(encode_event(event)).digest()
    known = market.seen.get(event.event_id)
    if known == digest:
        return replace(market, repeated=market.repeated + 1), (Repeated(),)
    if known is not None:
        return replace(market, refused=market.refused + 1), (Refused(RefusalReason.DUPLICATE_ID),)
    seen = market.seen.put(event.event_id, digest)
    if market.last_at is not None and event.at < market.last_at:
        return replace(market, seen=seen, refused=market.refused + 1), (Refused(RefusalReason.TIME_RUNS_BACK),)
    result = _apply(market, event)
    if isinstance(result, RefusalReason):
        return replace(market, seen=seen, last_at=event.at, refused=market.refused + 1), (Refused(result),)
    changed, outcomes = result
    return replace(changed, seen=seen, last_at=event.at, accepted=changed.accepted + 1), outcomes


def _apply(market: Market, event: Event) -> Step:  # noqa: C901, PLR0911, PLR0912 - one line a kind of event
    match event:
        case PlaceListing():
            return place_listing(market, event)
        case TakeListing():
            return take_listing(market, event)
        case WithdrawListing():
            return withdraw_listing(market, event)
        case AgreeCurve():
            return agree_curve(market, event)
        case AnnounceSession():
            return announce_session(market, event)
        case OpenSession():
            return open_session(market, event)
        case CloseSession():
            return close_session(market, event)
        case VerifySession():
            return verify_session(market, event)
        case PublishSession():
            return publish_session(market, event)
        case ReverseDeal():
            return reverse_deal(market, event)
        case SetRules():
            return set_rules(market, event)
        case SetParticipant():
            return set_participant(market, event)
        case SetUnit():
            return set_unit(market, event)
        case SetQuota():
            return set_quota(market, event)
        case LoadContract():
            return load_contract(market, event)
    assert_never(event)
