"""Admitted readings in bulk, and the registers of all meters at one instant as columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import bindparam, text
from sqlmodel import Session

from edge.contract.messages import CHANNELS
from hub.store.bulk import OnConflict, Row, fetch_rows, insert_rows
from hub.store.tables import MeterStatusRow, ReadingRow

READING_NAMES = ("read_instant_utc_s", "meter", "channel", "revision", "value", "flags", "gateway")
"""Order of the columns in the rows of insert_readings."""

METERS_PER_QUERY = 10_000
"""SQLite takes at most 32,766 parameters in one statement."""

_REGISTERS_AT = "SELECT meter, channel, value FROM reading WHERE revision = 0 AND read_instant_utc_s = "
_REVISIONS = text(
    "SELECT meter, channel, revision, value FROM reading WHERE read_instant_utc_s = :instant AND meter IN :meters"
).bindparams(bindparam("meters", expanding=True))
_BEFORE = text(
    "SELECT read_instant_utc_s FROM reading WHERE meter = :meter AND revision = 0 "
    "AND read_instant_utc_s < :instant AND read_instant_utc_s >= :bound ORDER BY read_instant_utc_s DESC LIMIT 1"
)
_AFTER = text(
    "SELECT read_instant_utc_s FROM reading WHERE meter = :meter AND revision = 0 "
    "AND read_instant_utc_s > :instant AND read_instant_utc_s <= :bound ORDER BY read_instant_utc_s LIMIT 1"
)
_STATUS = text("SELECT meter, first_read_instant_utc_s, last_read_instant_utc_s FROM meter_status")


@dataclass(frozen=True)
class Registers:
    """Admitted registers at one instant. values, present: shape (n_meters, n_channels), by position and CHANNELS.

    A value that is not present is 0 and means nothing.
    """

    instant_utc_s: int
    values: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MeterSpan:
    """The oldest and the newest instant at which a meter has an admitted reading."""

    first_utc_s: int
    last_utc_s: int


def insert_readings(session: Session, rows: Sequence[Row], on_conflict: OnConflict = OnConflict.KEEP) -> int:
    """Write reading rows (columns as READING_NAMES) and return how many were written.

    :raises hub.store.bulk.RowRefusedError: if on_conflict is FAIL and a key is there already
    """
    assert on_conflict is not OnConflict.REPLACE, "readings are append-only"
    return insert_rows(session, ReadingRow, READING_NAMES, rows, on_conflict)


def save_meter_spans(session: Session, spans: dict[int, MeterSpan]) -> None:
    """Write the spans by meter position."""
    names = ("meter", "first_read_instant_utc_s", "last_read_instant_utc_s")
    rows = [(meter, span.first_utc_s, span.last_utc_s) for meter, span in sorted(spans.items())]
    insert_rows(session, MeterStatusRow, names, rows, OnConflict.REPLACE)


def load_meter_spans(session: Session) -> dict[int, MeterSpan]:
    """Return the span of every meter that has an admitted reading, by position."""
    return {meter: MeterSpan(first, last) for meter, first, last in session.execute(_STATUS)}


def registers_at(session: Session, instant_utc_s: int, n_meters: int) -> Registers:
    """Return the admitted registers of all meters at the instant.

    :param n_meters: number of metering points of the county
    """
    values = np.zeros((n_meters, len(CHANNELS)), np.int64)
    present = np.zeros((n_meters, len(CHANNELS)), np.bool_)
    rows = fetch_rows(session, f"{_REGISTERS_AT}{instant_utc_s:d}")
    if rows:
        found = np.array(rows, np.int64)
        values[found[:, 0], found[:, 1]] = found[:, 2]
        present[found[:, 0], found[:, 1]] = True
    values.flags.writeable = False
    present.flags.writeable = False
    return Registers(instant_utc_s, values, present)


def revisions_at(session: Session, instant_utc_s: int, meters: Iterable[int]) -> dict[int, dict[int, dict[int, int]]]:
    """Return what is stored for some meters at an instant: meter -> revision -> channel -> value."""
    found: dict[int, dict[int, dict[int, int]]] = {}
    wanted = sorted(meters)
    for start in range(0, len(wanted), METERS_PER_QUERY):
        some = wanted[start : start + METERS_PER_QUERY]
        for meter, channel, revision, value in session.execute(_REVISIONS, {"instant": instant_utc_s, "meters": some}):
            found.setdefault(meter, {}).setdefault(revision, {})[channel] = value
    return found


def neighbours_of(session: Session, meter: int, instant_utc_s: int, span: MeterSpan) -> tuple[int | None, int | None]:
    """Return the nearest instants before and after at which the meter has an admitted reading, None if there is none.

    The reading table is clustered by instant, so this looks through the instants between: for single late readings.
    """
    found: list[int | None] = []
    for query, bound in ((_BEFORE, span.first_utc_s), (_AFTER, span.last_utc_s)):
        row = session.execute(query, {"meter": meter, "instant": instant_utc_s, "bound": bound}).first()
        found.append(None if row is None else int(row[0]))
    return found[0], found[1]
