"""Append-only logs: every event with what it led to, chained by hash, from which a state is computed again (row 48).

h_n = SHA-256(h_{n-1} | record_n); the first record follows 64 zeros. Whoever alters a record would have to alter every
later one: `check_log` names each record from the altered one on. Listing trading and the registry keep such logs.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Annotated, Generic, TypeVar

import msgspec

from hub.market.trades import Violation

GENESIS_SHA256 = "0" * 64
_LAW_PUBLISHED = 9

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[^\s\x00-\x1f\x7f-\x9f]+$(?!\n)")]
"""An id in a log: 1 to 80 characters, no blank and no control character among them."""

EventT = TypeVar("EventT")
OutcomeT = TypeVar("OutcomeT")

_encoder = msgspec.json.Encoder(order="deterministic")


class Record(msgspec.Struct, Generic[EventT, OutcomeT], frozen=True):
    """One record. sequence: from 1, without gaps. outcomes: what the event led to."""

    sequence: int
    event: EventT
    outcomes: OutcomeT
    sha256: str


def record_of(previous: Record[EventT, OutcomeT] | None, event: EventT, outcomes: OutcomeT) -> Record[EventT, OutcomeT]:
    """Return the record that follows `previous` (None: the first)."""
    sequence, before = (1, GENESIS_SHA256) if previous is None else (previous.sequence + 1, previous.sha256)
    return Record(sequence, event, outcomes, record_sha256(before, sequence, event, outcomes))


def record_sha256(previous_sha256: str, sequence: int, event: object, outcomes: object) -> str:
    """Return the hash of one record on top of the one before."""
    return sha256(previous_sha256.encode() + _encoder.encode((sequence, event, outcomes))).hexdigest()


def altered_places(
    records: Iterable[Record[EventT, OutcomeT]], previous: Record[EventT, OutcomeT] | None = None
) -> Iterator[int]:
    """Yield the sequence that each record should have which does not follow from all before it.

    :param previous: the record before them, None if they are the log's first
    """
    place, before = (0, GENESIS_SHA256) if previous is None else (previous.sequence, previous.sha256)
    for record in records:
        place += 1
        before = record_sha256(before, place, record.event, record.outcomes)
        if (record.sequence, record.sha256) != (place, before):
            yield place


def check_log(records: Sequence[Record[EventT, OutcomeT]]) -> list[Violation]:
    """Law 9: each record's hash follows from all before it; one violation for each record that does not."""
    what = "is not what was written, or follows one that is not"
    return [Violation(_LAW_PUBLISHED, f"record {place}", what) for place in altered_places(records)]
