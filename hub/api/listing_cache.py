"""The listing market as far as its log was read, so that a request reads what is new alone."""

import threading
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlmodel import Session

from hub.market.listing.events import Event
from hub.market.registry.register import Register
from hub.usecases.listing_session import LoadedMarket, Submission, read_on, submit_event


class ListingCache:
    """One county's listing market for all requests. Requests of this process write in turn, not against each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: LoadedMarket | None = None

    def read(self, session: Session, county: str) -> LoadedMarket:
        """Return the market with every record that the session sees, or that this process wrote.

        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        with self._lock:
            self._kept = read_on(session, self._of(county))
            return self._kept

    def submit(self, writer: Engine, county: str, event: Event, register: Register, now_utc_s: int) -> Submission:
        """Take an event in; when this returns, it is committed.

        :param register: who may trade
        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        now = datetime.fromtimestamp(now_utc_s, UTC)
        with self._lock:
            self._kept, submission = submit_event(writer, self._of(county), event, now=now, register=register)
        return submission

    def _of(self, county: str) -> LoadedMarket:
        return self._kept if self._kept is not None and self._kept.name == county else LoadedMarket(county)
