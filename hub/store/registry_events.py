"""The registry's log in the database: append a record, read what was appended since, find an event, turn its pages."""

from datetime import date

import msgspec
from sqlmodel import Session, col, select

from hub.market.registry.event_log import RegistryRecord, Taken
from hub.market.registry.events import Event
from hub.market.registry.register_document import OutcomeRow
from hub.store.event_log import append_row
from hub.store.registry_tables import RegistryEventRow

_encoder = msgspec.json.Encoder(order="deterministic")
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_outcome_decoder = msgspec.json.Decoder(OutcomeRow)


class UnreadableRecordError(ValueError):
    """A stored record is not what this program writes."""


def append_registry_record(session: Session, county: str, record: RegistryRecord) -> None:
    """Write the next record of a county's log into the session's transaction.

    :raises hub.store.event_log.SequenceTakenError: if a record of that number, or with that event id, is there
    """
    taken = record.event
    row = RegistryEventRow(
        county=county,
        sequence=record.sequence,
        event_id=taken.event.event_id,
        recorded_on=taken.event.recorded_on.isoformat(),
        taken_utc_s=taken.taken_utc_s,
        actor=taken.actor,
        event=_encoder.encode(taken.event).decode(),
        outcome=_encoder.encode(record.outcomes).decode(),
        sha256=record.sha256,
    )
    append_row(session, row, what=f"{county}: record {record.sequence} or event {taken.event.event_id}")


def read_registry_records(
    session: Session,
    county: str,
    *,
    after_sequence: int = 0,
    recorded_before: date | None = None,
    limit: int | None = None,
) -> list[RegistryRecord]:
    """Return a county's records behind `after_sequence`, in order.

    :param recorded_before: only those recorded before this day
    :param limit: at most so many
    :raises UnreadableRecordError: if one is not what this program writes
    """
    query = select(RegistryEventRow).where(
        RegistryEventRow.county == county, col(RegistryEventRow.sequence) > after_sequence
    )
    if recorded_before is not None:
        query = query.where(col(RegistryEventRow.recorded_on) < recorded_before.isoformat())
    query = query.order_by(col(RegistryEventRow.sequence))
    rows = session.exec(query if limit is None else query.limit(limit))
    return [_record(row) for row in rows]


def find_registry_event(session: Session, county: str, event_id: str) -> RegistryRecord | None:
    """Return the record of the event of this id, None if there is none."""
    row = session.exec(
        select(RegistryEventRow).where(RegistryEventRow.county == county, RegistryEventRow.event_id == event_id)
    ).one_or_none()
    return None if row is None else _record(row)


def last_registry_sequence(session: Session, county: str, *, recorded_before: date | None = None) -> int:
    """Return the sequence of the last record (of those recorded before a day), 0 if there is none."""
    query = select(RegistryEventRow.sequence).where(RegistryEventRow.county == county)
    if recorded_before is not None:
        query = query.where(col(RegistryEventRow.recorded_on) < recorded_before.isoformat())
    # Days ascend with the sequence, so the first row from the end on that fits is the one.
    return session.exec(query.order_by(col(RegistryEventRow.sequence).desc()).limit(1)).first() or 0


def _record(row: RegistryEventRow) -> RegistryRecord:
    try:
        event, outcome = _event_decoder.decode(row.event), _outcome_decoder.decode(row.outcome)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())
        raise UnreadableRecordError(f"{row.county}: record {row.sequence} is not what was written: {what}") from None
    return RegistryRecord(row.sequence, Taken(event, row.actor, row.taken_utc_s), outcome, row.sha256)
