"""Take one event into a listing market: read what is new, call the core, append the record, commit.

A writer that was overtaken reads the other's record and decides again (event_log.py), so two takers of the last MWh
never both win, in one session or across sessions. The idempotency key is part of the record and so of its transaction:
an event that was sent twice is answered twice and stands once. Before a trade, and before deals are checked, the log
takes in what the county's registry says of those who trade, so the same log always leads to the same market.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import Engine
from sqlmodel import Session

from hub.market.event_log import GENESIS_SHA256, record_of
from hub.market.listing.event_log import LogRecord
from hub.market.listing.events import Event, encode_event
from hub.market.listing.listing_step import step
from hub.market.listing.market_state import Market
from hub.market.listing.outcomes import Outcome, RefusalReason, Refused
from hub.market.listing.session_calendar import utc_s_of
from hub.market.listing.standing import changed_standings, whose_standing
from hub.market.registry.register import Register
from hub.store.counters import add_to_counters
from hub.store.listing import append_record, find_event, read_records
from hub.store.quarantine import Refusal, save_refusals
from hub.store.tables import RefusedKind
from hub.usecases.event_log import state_after, take_in_turn


@dataclass(frozen=True)
class LoadedMarket:
    """A listing market as far as its log was read. It is a value: after a transaction that fails it still holds."""

    name: str
    market: Market = field(default_factory=Market)
    last: LogRecord | None = None


@dataclass(frozen=True)
class Submission:
    """What became of an event. repeat: it was there already; sequence: of its record, None if it was not recorded."""

    outcomes: tuple[Outcome, ...]
    repeat: bool
    sequence: int | None


def submit_event(
    engine: Engine, loaded: LoadedMarket, event: Event, *, now: datetime, register: Register | None = None
) -> tuple[LoadedMarket, Submission]:
    """Take an event in, in a transaction of its own, and return the market after it.

    :param register: who may trade; None: as the log says alone
    :param now: when the hub took it; it replaces the event's own time, and is never before that of the last record
    :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
    """
    return take_in_turn(
        engine,
        loaded.name,
        loaded,
        read_on=read_on,
        take_in=lambda session, so_far: _take_in(session, so_far, event, now, register),
    )


def append_event(
    session: Session, loaded: LoadedMarket, event: Event, *, now: datetime
) -> tuple[LoadedMarket, tuple[Outcome, ...]]:
    """Decide on an event that the log does not hold, and write it into the session's transaction.

    :raises hub.store.event_log.SequenceTakenError: if another writer came first; the transaction is over
    """
    last_at = loaded.market.last_at
    stamped = msgspec.structs.replace(event, at=now if last_at is None else max(now, last_at))
    market, outcomes = step(loaded.market, stamped)
    record = record_of(loaded.last, stamped, outcomes)
    append_record(session, loaded.name, record)
    return LoadedMarket(loaded.name, market, record), outcomes


def read_on(session: Session, loaded: LoadedMarket) -> LoadedMarket:
    """Return the market with every record that was appended since it was read; each is decided again and compared.

    :raises hub.usecases.event_log.EventLogError: if a record is not what follows from the records before it
    """
    records = read_records(session, loaded.name, after_sequence=0 if loaded.last is None else loaded.last.sequence)
    market = state_after(loaded.name, loaded.market, loaded.last, records, decide=_decided)
    return LoadedMarket(loaded.name, market, records[-1] if records else loaded.last)


def _decided(market: Market, records: Sequence[LogRecord]) -> tuple[Market, list[tuple[Outcome, ...]]]:
    decided = []
    for record in records:
        market, outcomes = step(market, record.event)
        decided.append(outcomes)
    return market, decided


def _take_in(
    session: Session, loaded: LoadedMarket, event: Event, now: datetime, register: Register | None
) -> tuple[LoadedMarket, Submission]:
    known = find_event(session, loaded.name, event.event_id)
    if known is not None:
        if encode_event(msgspec.structs.replace(event, at=known.event.at)) == encode_event(known.event):
            add_to_counters(session, {"listing_events_repeated": 1})
            return loaded, Submission(known.outcomes, repeat=True, sequence=None)
        return loaded, _refuse_other_content(session, event, now)
    if register is not None:
        names = whose_standing(loaded.market, event)
        before = GENESIS_SHA256 if loaded.last is None else loaded.last.sha256
        for standing in changed_standings(loaded.market, register, names, now, after_sha256=before):
            loaded, _ = append_event(session, loaded, standing, now=now)
    loaded, outcomes = append_event(session, loaded, event, now=now)
    assert loaded.last is not None, "a record was appended"
    return loaded, Submission(outcomes, repeat=False, sequence=loaded.last.sequence)


def _refuse_other_content(session: Session, event: Event, now: datetime) -> Submission:
    """Keep an event whose id is taken in the quarantine: the log has one record an id."""
    reason = RefusalReason.DUPLICATE_ID
    refusal = Refusal(
        kind=RefusedKind.ORDER,
        reason=reason.value,
        device=event.actor,
        about=event.event_id,
        at_utc_s=utc_s_of(now),
        content=encode_event(event),
    )
    save_refusals(session, [refusal], utc_s_of(now))
    return Submission((Refused(reason),), repeat=False, sequence=None)
