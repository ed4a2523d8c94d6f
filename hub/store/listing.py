"""The log of a listing market in the database: append a record, read what was appended since."""

from dataclasses import dataclass

import msgspec
from sqlmodel import Session, col, select

from hub.market.listing.event_log import LogRecord
from hub.market.listing.events import Event, decode_event, encode_event
from hub.market.listing.outcomes import Outcome
from hub.market.listing.session_calendar import utc_s_of
from hub.store.event_log import append_row
from hub.store.listing_tables import ListingEventRow

_outcomes_encoder = msgspec.json.Encoder(order="deterministic")
_outcomes_decoder: msgspec.json.Decoder[tuple[Outcome, ...]] = msgspec.json.Decoder(tuple[Outcome, ...])


@dataclass(frozen=True)
class StoredEvent:
    """An event of the log with what it led to."""

    event: Event
    outcomes: tuple[Outcome, ...]


def append_record(session: Session, market: str, record: LogRecord) -> None:
    """Write the next record of a market's log into the session's transaction.

    :raises hub.store.event_log.SequenceTakenError: if a record of that number, or with that event id, is there
    """
    event = record.event
    row = ListingEventRow(
        market=market,
        sequence=record.sequence,
        event_id=event.event_id,
        session_id=getattr(event, "session_id", None),
        at_utc_s=utc_s_of(event.at),
        actor=event.actor,
        event=encode_event(event).decode(),
        outcomes=_outcomes_encoder.encode(record.outcomes).decode(),
        sha256=record.sha256,
    )
    append_row(session, row, what=f"{market}: record {record.sequence} or event {event.event_id}")


def read_records(
    session: Session, market: str, *, after_sequence: int = 0, limit: int | None = None
) -> list[LogRecord]:
    """Return a market's records behind `after_sequence`, in order, `limit` of them at most."""
    rows = session.exec(
        select(ListingEventRow)
        .where(ListingEventRow.market == market, col(ListingEventRow.sequence) > after_sequence)
        .order_by(col(ListingEventRow.sequence))
        .limit(limit)
    )
    return [
        LogRecord(row.sequence, decode_event(row.event), _outcomes_decoder.decode(row.outcomes), row.sha256)
        for row in rows
    ]


def find_event(session: Session, market: str, event_id: str) -> StoredEvent | None:
    """Return the event of this id with its outcomes, None if there is none."""
    row = session.exec(
        select(ListingEventRow).where(ListingEventRow.market == market, ListingEventRow.event_id == event_id)
    ).one_or_none()
    return None if row is None else StoredEvent(decode_event(row.event), _outcomes_decoder.decode(row.outcomes))
