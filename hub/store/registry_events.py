"""The registry's log in the database: append a record, read what was appended since, find an event, turn its pages."""

from collections.abc import Sequence
from datetime import date

import msgspec
from sqlmodel import Session, col, select

from hub.market.registry.event_log import RegistryRecord, Taken
from hub.market.registry.events import Event
from hub.market.registry.register_document import OutcomeRow
from hub.store.bulk import Row, RowRefusedError, insert_rows
from hub.store.event_log import SequenceTakenError, append_row
from hub.store.registry_tables import RegistryEventRow

IDS_PER_QUERY = 10_000
"""SQLite takes at most 32,766 parameters in one statement."""
_NAMES = ("county", "sequence", "event_id", "recorded_on", "taken_utc_s", "actor", "event", "outcome", "sha256")

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


def append_registry_records(session: Session, county: str, records: Sequence[RegistryRecord]) -> None:
    """Write many records that follow one another into the session's transaction at once.

    :raises hub.store.event_log.SequenceTakenError: if a record of such a number or event id is there
    """
    rows: list[Row] = [
        (
            county,
            record.sequence,
            record.event.event.event_id,
            record.event.event.recorded_on.isoformat(),
            record.event.taken_utc_s,
            record.event.actor,
            _encoder.encode(record.event.event).decode(),
            _encoder.encode(record.outcomes).decode(),
            record.sha256,
        )
        for record in records
    ]
    try:
        insert_rows(session, RegistryEventRow, _NAMES, rows)
    except RowRefusedError as error:
        raise SequenceTakenError(f"{county}: {error}") from error


def find_registry_events(session: Session, county: str, event_ids: Sequence[str]) -> dict[str, RegistryRecord]:
    """Return the records of the events of these ids, by id; an id of which there is none is left out."""
    found: dict[str, RegistryRecord] = {}
    for start in range(0, len(event_ids), IDS_PER_QUERY):
        some = event_ids[start : start + IDS_PER_QUERY]
        query = select(RegistryEventRow).where(RegistryEventRow.county == county)
        for row in session.exec(query.where(col(RegistryEventRow.event_id).in_(some))):
            found[row.event_id] = _record(row)
    return found


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
