"""The append-only log: every event with its outcomes, chained by hash, from which the state is computed again (row 48).

h_n = SHA-256(h_{n-1} | record_n); the first record follows 64 zeros. Whoever alters a record would have to alter every
later one: `check_log` names each record from the altered one on.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from hub.market.listing.events import Event
from hub.market.listing.listing_step import step
from hub.market.listing.market_state import Market
from hub.market.listing.outcomes import Outcome
from hub.market.trades import Violation

GENESIS_SHA256 = "0" * 64
_LAW_PUBLISHED = 9

_encoder = msgspec.json.Encoder(order="deterministic")


class LogRecord(msgspec.Struct, frozen=True):
    """One record. sequence: from 1, without gaps. The event holds time and actor."""

    sequence: int
    event: Event
    outcomes: tuple[Outcome, ...]
    sha256: str


def record_of(previous: LogRecord | None, event: Event, outcomes: tuple[Outcome, ...]) -> LogRecord:
    """Return the record that follows `previous` (None: the first)."""
    sequence, before = (1, GENESIS_SHA256) if previous is None else (previous.sequence + 1, previous.sha256)
    return LogRecord(sequence, event, outcomes, record_sha256(before, sequence, event, outcomes))


def record_sha256(previous_sha256: str, sequence: int, event: Event, outcomes: tuple[Outcome, ...]) -> str:
    """Return the hash of one record on top of the one before."""
    return sha256(previous_sha256.encode() + _encoder.encode((sequence, event, outcomes))).hexdigest()


def run(events: Iterable[Event], market: Market | None = None) -> tuple[Market, list[LogRecord]]:
    """Take events one after the other from an empty market (or the one given) and return its end and the log."""
    market = Market() if market is None else market
    records: list[LogRecord] = []
    for event in events:
        market, outcomes = step(market, event)
        records.append(record_of(records[-1] if records else None, event, outcomes))
    return market, records


def check_log(records: Sequence[LogRecord]) -> list[Violation]:
    """Law 9: each record's hash follows from all before it; one violation for each record that does not."""
    found, before = [], GENESIS_SHA256
    for place, record in enumerate(records, start=1):
        before = record_sha256(before, place, record.event, record.outcomes)
        if (record.sequence, record.sha256) != (place, before):
            found.append(
                Violation(_LAW_PUBLISHED, f"record {place}", "is not what was written, or follows one that is not")
            )
    return found
