"""Take one event into a county's registry, and read the register back: the log is all there is (event_log.py).

The hub says when an event was recorded, so nobody shortens a notice by a date of his own. An event id stands for one
event for good, also if that was refused: sent again it is answered again and stands once; another event under the id
is refused and kept in the quarantine alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec
from sqlalchemy import Engine
from sqlmodel import Session

from hub.market.event_log import record_of
from hub.market.registry.event_log import RegistryRecord, Taken, recording_day, register_after
from hub.market.registry.events import Event
from hub.market.registry.outcomes import Refusal as RegistryRefusal
from hub.market.registry.register import Register
from hub.market.registry.register_document import OutcomeRow
from hub.store.counters import add_to_counters
from hub.store.quarantine import Refusal, save_refusals
from hub.store.registry_events import (
    UnreadableRecordError,
    append_registry_record,
    find_registry_event,
    read_registry_records,
)
from hub.store.tables import RefusedKind
from hub.usecases.event_log import EventLogError, state_after, take_in_turn


@dataclass(frozen=True)
class LoadedRegister:
    """A county's register as far as its log was read. It is a value: after a transaction that fails it still holds."""

    county: str
    register: Register = field(default_factory=Register)
    last: RegistryRecord | None = None

    @property
    def sequence(self) -> int:
        """Return the number of the last record that was read, 0 if there is none."""
        return 0 if self.last is None else self.last.sequence


@dataclass(frozen=True)
class Appended:
    """The event is in the log as `record`, whatever its outcome; a refused one changed nothing else."""

    record: RegistryRecord


@dataclass(frozen=True)
class AnsweredAgain:
    """The same event is in the log already; `record` says what it led to."""

    record: RegistryRecord


@dataclass(frozen=True)
class IdTaken:
    """Another event stands under the id, as `record`; this one is kept in the quarantine."""

    record: RegistryRecord


RegistrySubmission = Appended | AnsweredAgain | IdTaken


def submit_event(
    engine: Engine, loaded: LoadedRegister, event: Event, *, actor: str, now: Callable[[], int]
) -> tuple[LoadedRegister, RegistrySubmission]:
    """Take an event in, in a transaction of its own, and return the register after it.

    :param event: its `recorded_on` is replaced by the day on which the hub records it
    :param actor: who sent it
    :param now: the hub's time, UTC seconds; asked inside the transaction, so that on a database with one writer no
        event is recorded on a day whose first gate closed meanwhile
    :raises EventLogError: if the stored log is not what was written
    """
    return take_in_turn(
        engine,
        loaded.county,
        loaded,
        read_on=load_register,
        take_in=lambda session, so_far: take_event_in(session, so_far, event, actor, now()),
    )


def load_register(session: Session, loaded: LoadedRegister, *, recorded_before: date | None = None) -> LoadedRegister:
    """Return the register with every record appended since it was read; each is decided again and compared.

    :param loaded: LoadedRegister(county) to read from the beginning
    :param recorded_before: only what was recorded before this day
    :raises EventLogError: if a record is not what follows from the records before it
    """
    try:
        records = read_registry_records(
            session, loaded.county, after_sequence=loaded.sequence, recorded_before=recorded_before
        )
    except UnreadableRecordError as error:
        raise EventLogError(str(error)) from None
    if not records:
        return loaded
    after_sequence = loaded.sequence

    def decide(register: Register, some: Sequence[RegistryRecord]) -> tuple[Register, list[OutcomeRow]]:
        return register_after(register, [record.event for record in some], after_sequence=after_sequence)

    register = state_after(loaded.county, loaded.register, loaded.last, records, decide=decide)
    return LoadedRegister(loaded.county, register, records[-1])


def take_event_in(
    session: Session, loaded: LoadedRegister, event: Event, actor: str, now_utc_s: int
) -> tuple[LoadedRegister, RegistrySubmission]:
    """Take an event in, in the session's transaction; the parameters are those of `submit_event`.

    :param loaded: as `load_register` gave it in this transaction
    :raises hub.store.event_log.SequenceTakenError: if another writer came first; the transaction is over
    """
    known = find_registry_event(session, loaded.county, event.event_id)
    if known is not None:
        stands = known.event.event
        if msgspec.structs.replace(event, recorded_on=stands.recorded_on) == stands:
            add_to_counters(session, {"registry_events_repeated": 1})
            return loaded, AnsweredAgain(known)
        keep_refused(session, event, RegistryRefusal.CONFLICT.value, actor, now_utc_s)
        return loaded, IdTaken(known)
    day = recording_day(now_utc_s)
    if loaded.last is not None:
        day = max(day, loaded.last.event.event.recorded_on)
    taken = Taken(msgspec.structs.replace(event, recorded_on=day), actor, now_utc_s)
    register, (row,) = register_after(loaded.register, [taken], after_sequence=loaded.sequence)
    record = record_of(loaded.last, taken, row)
    append_registry_record(session, loaded.county, record)
    if row.outcome == "refused":
        assert row.reason is not None, "a refusal has a reason"
        keep_refused(session, taken.event, row.reason, actor, now_utc_s)
    else:
        add_to_counters(session, {f"registry_events_{row.outcome}": 1})
    return LoadedRegister(loaded.county, register, record), Appended(record)


def keep_refused(session: Session, event: Event, reason: str, actor: str, now_utc_s: int) -> None:
    """Count a refused event and keep it in the quarantine."""
    refusal = Refusal(
        kind=RefusedKind.REGISTRY,
        reason=reason,
        device=actor,
        about=event.event_id,
        at_utc_s=None,
        content=msgspec.json.encode(event),
    )
    save_refusals(session, [refusal], now_utc_s)
    add_to_counters(session, {"registry_events_refused": 1})
