"""The hub's time as ingest sees it: handed in by whoever runs the engine, never read from a clock."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """Where the hub stands in time, UTC seconds (virtual in a run in virtual time).

    now_utc_s: goes into quarantine rows. latest_reading_utc_s: a reading of a later instant is refused as "future".
    settled_through_utc_s: readings up to this instant were used by a gate or a settlement that is closed; one that
    comes in now is late.
    """

    now_utc_s: int
    latest_reading_utc_s: int
    settled_through_utc_s: int
