"""Which announced sessions begin or end by an instant; the hub's clock sends these events, nobody has to (row 35)."""

from datetime import datetime
from hashlib import sha256

from hub.market.listing.events import CloseSession, OpenSession
from hub.market.listing.market_state import Market
from hub.market.listing.states import State

ACTOR = "hub"


def due_events(market: Market, at: datetime) -> list[OpenSession | CloseSession]:
    """Return what opens and closes sessions by the instant, by the announced times and then by session.

    A session that came and went while no clock ran is opened and closed: nobody traded in it.
    """
    found: list[tuple[datetime, str, OpenSession | CloseSession]] = []
    for session in market.sessions.values():
        terms, session_id = session.terms, session.terms.session_id
        if session.state is State.SESSION_ANNOUNCED and terms.opens_at <= at:
            opening = OpenSession(event_id=_event_id("open", session_id), at=at, actor=ACTOR, session_id=session_id)
            found.append((terms.opens_at, session_id, opening))
        if session.state in {State.SESSION_ANNOUNCED, State.SESSION_OPEN} and terms.closes_at <= at:
            closing = CloseSession(event_id=_event_id("close", session_id), at=at, actor=ACTOR, session_id=session_id)
            found.append((terms.closes_at, session_id, closing))
    return [event for _, _, event in sorted(found, key=lambda one: one[:2])]


def _event_id(what: str, session_id: str) -> str:
    """Return the id of the clock's event; a session id may be as long as an event id, so it is not a part of it."""
    return f"{what}-{sha256(session_id.encode()).hexdigest()[:40]}"
