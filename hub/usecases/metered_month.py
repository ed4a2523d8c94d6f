"""A month's metered energy out of the store, day by day: as the intervals were settled, corrections included.

An interval's energy is the difference of its registers; where the meter did not say, it is what was substituted and
settled, and what a re-settlement replaced it by goes before both. An energy that nothing says is refused.
Sources: requirements row 188; outside rules, section 9.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
from sqlmodel import Session

from edge.contract.interval import (
    INTERVALS_PER_DAY,
    SECONDS_PER_INTERVAL,
    end_utc_s,
    first_interval_of_day,
    iso_utc,
    label_of_interval,
    start_utc_s,
)
from edge.contract.messages import CHANNELS, IMPORT
from hub.market.registry.periods import next_month
from hub.market.trades import BoolArray, Int64Array
from hub.store.bulk import fetch_rows
from hub.store.tables import ReadingFlag

_IMPORT = CHANNELS.index(IMPORT)
_MISSING = -1
ROWS_AT_ONCE = 200_000
"""How many readings are in memory as rows at a time."""


class MeteredMonthError(ValueError):
    """A metering point has no energy in an interval; the text says which and what to load."""


def metered_days(
    session: Session, month: date, meters: Int64Array, meter_ids: tuple[str, ...]
) -> Iterator[tuple[date, Int64Array]]:
    """Yield each day of the month with the imported energy of some meters, shape (96, n_meters), Wh.

    :param meters: positions of the metering points; meter_ids: of all of the county, by position
    :raises MeteredMonthError: if an energy is neither measured nor substituted
    """
    day = month
    while day < next_month(month):
        registers = _registers_of_day(session, first_interval_of_day(day), len(meter_ids))
        yield day, _energy(session, day, registers, meters, meter_ids)
        day += timedelta(days=1)


def _registers_of_day(session: Session, first: int, n_meters: int) -> Int64Array:
    """Return the import registers at the 97 instants of a day, shape (97, n_meters), -1 where none is believed."""
    registers = np.full((INTERVALS_PER_DAY + 1, n_meters), _MISSING, np.int64)
    n_instants = max(1, ROWS_AT_ONCE // max(n_meters, 1))
    for start in range(0, INTERVALS_PER_DAY + 1, n_instants):
        until = min(start + n_instants, INTERVALS_PER_DAY + 1)
        rows = fetch_rows(
            session,
            f"SELECT (read_instant_utc_s - {start_utc_s(first):d}) / {SECONDS_PER_INTERVAL:d}, meter, value "  # noqa: S608
            f"FROM reading WHERE read_instant_utc_s >= {start_utc_s(first + start):d} "
            f"AND read_instant_utc_s < {start_utc_s(first + until):d} "
            f"AND channel = {_IMPORT:d} AND revision = 0 AND (flags & {ReadingFlag.LATE.value:d}) = 0",
        )
        if rows:
            found = np.array(rows, np.int64)
            registers[found[:, 0], found[:, 1]] = found[:, 2]
    return registers


def _energy(
    session: Session, day: date, registers: Int64Array, meters: Int64Array, meter_ids: tuple[str, ...]
) -> Int64Array:
    known = (registers[1:] != _MISSING) & (registers[:-1] != _MISSING)
    energy, said = np.where(known, np.diff(registers, axis=0), 0), known & (np.diff(registers, axis=0) >= 0)
    for interval, meter, wh in _settled(session, first_interval_of_day(day)):
        energy[interval, meter], said[interval, meter] = wh, True
    _refuse_unsaid(day, said[:, meters], meters, meter_ids)
    return np.ascontiguousarray(energy[:, meters])


def _settled(session: Session, first: int) -> Iterator[tuple[int, int, int]]:
    """Yield (position in the day, meter, Wh) of what was substituted, then of what replaced it, the last run last."""
    where = f"interval BETWEEN {first:d} AND {first + INTERVALS_PER_DAY - 1:d} AND channel = {_IMPORT:d}"
    columns = f"SELECT interval - {first:d}, meter, energy_wh FROM"
    yield from fetch_rows(session, f"{columns} substitution WHERE {where}")
    yield from fetch_rows(session, f"{columns} settled_energy WHERE {where} ORDER BY run")


def _refuse_unsaid(day: date, said: BoolArray, meters: Int64Array, meter_ids: tuple[str, ...]) -> None:
    if said.all():
        return
    position, column = np.argwhere(~said)[0].tolist()
    interval = first_interval_of_day(day) + position
    raise MeteredMonthError(
        f"row 188 on {day}: {meter_ids[int(meters[column])]} has no energy in the interval until "
        f"{label_of_interval(interval)}; load the readings up to {iso_utc(end_utc_s(interval))} or substitute them"
    )
