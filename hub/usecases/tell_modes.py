"""Tell gateways what the registry's log changes in the modes of their meters, from which interval on.

A notice is in the database before it is told, and is told until its gateway has answered it (hub.repeated_sending); a
hub that is killed in between says it again. What was told of a meter is compared with what the log says now, so that a
notice is made once for each change, whoever took the event in: the API, or a command while the hub stood still.
"""

from datetime import date

from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import day_of_interval, first_interval_of_day, interval_from_utc_s
from edge.contract.messages import MeterModes, ModesMessage
from hub.market.elections.mode_schedule import mode_schedules, schedule_from
from hub.market.registry.event_log import recording_day
from hub.store.counters import add_to_counters
from hub.store.notices import UNNUMBERED, add_notices, told_modes
from hub.store.registry_events import last_registry_sequence
from hub.usecases.load_county import County
from hub.usecases.registry_event import LoadedRegister, load_register

CHANGES_PER_METER_MAX = 48
"""So far ahead a meter's modes are told; what lies behind is told when it comes nearer."""
METERS_PER_NOTICE = 60
"""60 meters of 48 changes are 114 KB at most: a message may have 128 KiB."""


class ModeNotices:
    """The notices of modes of one hub; it remembers how far it has read the log, and nothing else."""

    def __init__(self, county: County) -> None:
        self._county = county
        self._loaded = LoadedRegister(county.registry.county)
        self._told_to: tuple[int, date] | None = None

    def make(self, engine: Engine, now_utc_s: int) -> int:
        """Write a notice for every gateway of whose meters something changed; commit, and return how many.

        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        with Session(engine) as session:
            sequence = last_registry_sequence(session, self._county.registry.county)
            reached = (sequence, recording_day(now_utc_s))
            if reached == self._told_to or sequence == 0:
                return 0
            loaded = load_register(session, self._loaded)
            notices = self._notices(session, loaded, now_utc_s)
            add_notices(session, notices, now_utc_s)
            add_to_counters(session, {"mode_notices": len(notices)})
            session.commit()
        self._loaded, self._told_to = loaded, reached
        return len(notices)

    def _notices(self, session: Session, loaded: LoadedRegister, now_utc_s: int) -> list[tuple[int, ModesMessage]]:
        devices = self._county.registry
        today, open_day = day_of_interval(interval_from_utc_s(now_utc_s)), recording_day(now_utc_s)
        known_days = {day: self._county.registry_on(day) for day in sorted({today, open_day})}
        told = told_modes(session)
        changed: dict[str, list[MeterModes]] = {}
        for point, modes in mode_schedules(devices, loaded.register, known_days):
            known = schedule_from(point, told.get(point.meter_id, ()), first_interval_of_day(today))
            if modes[:CHANGES_PER_METER_MAX] != known:
                said = MeterModes(point.meter_id, modes[:CHANGES_PER_METER_MAX])
                changed.setdefault(point.gateway_id, []).append(said)
        return [
            (position, ModesMessage(UNNUMBERED, tuple(meters[start : start + METERS_PER_NOTICE])))
            for position, gateway in enumerate(devices.gateways)
            if (meters := changed.get(gateway.gateway_id, []))
            for start in range(0, len(meters), METERS_PER_NOTICE)
        ]
