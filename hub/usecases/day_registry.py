"""The device registry of an operating day: who sells and buys how on that day, by the county's registry log.

A day's modes rest on the events that were recorded before the day (hub.market.registry.event_log.recording_day), so
they are the same at each of its gates, at its settlement and after a restart. Until the day's first gate closes they
are what the log says so far. Where there is no event, the modes stay those of the county's registry file.
"""

import logging
from collections.abc import Mapping
from datetime import date

from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.registry import Registry
from hub.market.elections.bidding_terms import BiddingTerms, bidding_terms
from hub.market.elections.operating_day import known_modes_of_day
from hub.store.registry_events import last_registry_sequence
from hub.usecases.registry_event import LoadedRegister, load_register

logger = logging.getLogger(__name__)

DAYS_KEPT = 4
"""A run needs the day that is settled, the day that is cleared and the day for which orders come in."""


class DayRegistries:
    """The registries of operating days, read from the log; one that is asked for again is not worked out again.

    :param engine: a read-only one, so that it may be asked from inside a transaction that writes
    """

    def __init__(self, engine: Engine, devices: Registry) -> None:
        self._engine = engine
        self._devices = devices
        self._kept: dict[date, tuple[int, Registry, Mapping[str, BiddingTerms]]] = {}
        self._loaded = LoadedRegister(devices.county)

    def on(self, day: date) -> Registry:
        """Return the registry with the modes of the day; the same object as long as nothing about the day changed.

        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        return self._of_day(day)[1]

    def bidding_on(self, day: date) -> Mapping[str, BiddingTerms]:
        """Return how the orders of metering points must look on the day, of those that are not free; as `on`.

        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        return self._of_day(day)[2]

    def _of_day(self, day: date) -> tuple[int, Registry, Mapping[str, BiddingTerms]]:
        with Session(self._engine) as session:
            sequence = last_registry_sequence(session, self._devices.county, recorded_before=day)
            kept = self._kept.get(day)
            if kept is not None and kept[0] == sequence:
                return kept
            registry, bidding = (self._devices, {}) if sequence == 0 else self._worked_out(session, day, sequence)
        self._kept.pop(day, None)
        self._kept[day] = (sequence, registry, bidding)
        while len(self._kept) > DAYS_KEPT:
            del self._kept[next(iter(self._kept))]
        return self._kept[day]

    def _worked_out(self, session: Session, day: date, sequence: int) -> tuple[Registry, Mapping[str, BiddingTerms]]:
        # Days come in their order, so the register that was read for the day before is read on.
        start = self._loaded if self._loaded.sequence <= sequence else LoadedRegister(self._devices.county)
        self._loaded = load_register(session, start, recorded_before=day)
        bidding = bidding_terms(self._devices, self._loaded.register, day)
        if not self._loaded.register.user_points and not self._loaded.register.projects:
            return (
                self._devices,
                bidding,
            )  # a log that holds no meter yet, but the rules or a list of capacity, leaves no gap
        found = known_modes_of_day(self._devices, self._loaded.register, day)
        if found.gaps:
            logger.warning(
                "the register leaves %d sides of meters of %s open, which stay as prepared; the first: %s",
                len(found.gaps),
                day,
                found.gaps[0],
            )
        return found.registry, bidding
