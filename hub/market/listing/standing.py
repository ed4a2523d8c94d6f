"""Who may trade is the registry's word (row 3): what the listing market has to note before it decides on a trade."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from msgspec.structs import replace

from hub.market.listing.events import Event, PlaceListing, SetParticipant, TakeListing, VerifySession
from hub.market.listing.market_state import Market
from hub.market.listing.session_calendar import day_of
from hub.market.registry.listing_standing import listing_standing
from hub.market.registry.outcomes import RefusedError
from hub.market.registry.register import Register

ACTOR = "registry"


def whose_standing(market: Market, event: Event) -> tuple[str, ...]:
    """Return the participants whose standing the event is judged by: who trades, or all parties of the deals."""
    match event:
        case PlaceListing() | TakeListing():
            return (event.participant_id,)
        case VerifySession():
            session = market.sessions.get(event.session_id)
            deals = () if session is None else session.deals.values()
            return tuple(sorted({trader.participant_id for deal in deals for trader, _ in deal.sides()}))
        case _:
            return ()


def changed_standings(
    market: Market, register: Register, participant_ids: Iterable[str], at: datetime, *, after_sha256: str
) -> list[SetParticipant]:
    """Return what the registry says of participants at the instant where the market has noted something else.

    Whom the registry does not know keeps what the operator noted. A class never changes in the market: a participant
    that the registry has in another class has no access.

    :param after_sha256: of the log's last record; it makes the ids of these events, so that nobody can take them first
    """
    found = []
    for participant_id in participant_ids:
        try:
            standing = listing_standing(register, participant_id, day_of(at))
        except RefusedError:
            continue
        noted = market.participants.get(participant_id)
        its_class = standing.participant_class if noted is None else noted.participant_class
        event_id = sha256(f"{after_sha256} {participant_id}".encode()).hexdigest()
        said = SetParticipant(
            event_id=f"standing-{event_id[:40]}",
            at=at,
            actor=ACTOR,
            participant_id=participant_id,
            participant_class=its_class,
            access_ok=standing.access_ok and its_class is standing.participant_class,
            registered=standing.registered,
            suspended=standing.suspended,
        )
        if noted is None or replace(said, event_id=noted.event_id, at=noted.at, actor=noted.actor) != noted:
            found.append(said)
    return found
