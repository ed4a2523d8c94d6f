"""Listing sessions as the hub's clock runs them: opened and closed at the first quarter-hour after the announced times.

Between the announced closing and that quarter-hour nobody can trade either: the core refuses by the announced time.
"""

import logging
from datetime import UTC, datetime

from sqlmodel import Session

from hub.market.listing.outcomes import Refused
from hub.market.listing.session_clock import due_events
from hub.store.event_log import SequenceTakenError
from hub.usecases.event_log import ATTEMPTS_MAX, EventLogError
from hub.usecases.listing_session import LoadedMarket, append_event, read_on

logger = logging.getLogger(__name__)


def advance_listing(session: Session, loaded: LoadedMarket, utc_s: int) -> LoadedMarket:
    """Open and close the sessions that are due, in the session's transaction; the caller commits.

    A writer that came first ends the transaction, so this is the first thing that a transaction writes.

    :param loaded: the market as far as its log was read
    :returns: the market as it was read; what this wrote is read when it is committed
    :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
    """
    now = datetime.fromtimestamp(utc_s, UTC)
    for _ in range(ATTEMPTS_MAX):
        read = after = read_on(session, loaded)
        try:
            for event in due_events(read.market, now):
                after, outcomes = append_event(session, after, event, now=now)
                if isinstance(outcomes[0], Refused):
                    logger.warning("session %s: %s", event.session_id, outcomes[0].reason.value)
        except SequenceTakenError:
            continue
        return read
    raise EventLogError(f"{loaded.name}: no record could be appended in {ATTEMPTS_MAX} attempts")
