"""Whether a newly loaded library leaves settled days as they were (requirements rows 72, 190).

Written from the definition: on each day before the first unsettled one, what was in force is still in force. A value
that was missing then may be loaded late; nothing that was there may change, end earlier or be replaced.
"""

from datetime import date

import msgspec

from hub.market.trades import Violation
from hub.settlement.provinces.documents import CalendarRow, OverlayRow
from hub.settlement.provinces.library import Library, Loaded

LAW = 5
_Row = CalendarRow | OverlayRow


def check_settled_days(before: Library, after: Library, *, first_unsettled_day: date) -> list[Violation]:
    """Law 5, rows 72 and 190: no value, calendar or overlay of a settled day differs between the two libraries."""
    found = []
    for series, versions in before.series.items():
        later = after.series.get(series, ())
        changes = {one.effective_from for one in (*versions, *later)}
        changes |= {one.effective_to for one in (*versions, *later) if one.effective_to is not None}
        for day in sorted(day for day in changes if day < first_unsettled_day):
            old, new = _in_force(versions, day), _in_force(later, day)
            if old is not None and (new is None or (new.version_id, new.value) != (old.version_id, old.value)):
                found.append(Violation(LAW, f"{day}", f"{old.version_id} is no longer what is in force"))
                break
    for province in before.calendars:
        old_rows: tuple[_Row, ...] = (*before.calendars[province], *before.overlays[province])
        new_rows: tuple[_Row, ...] = (*after.calendars.get(province, ()), *after.overlays.get(province, ()))
        found += _changed_rows(old_rows, new_rows, first_unsettled_day)
    return found


def _in_force(versions: tuple[Loaded, ...], day: date) -> Loaded | None:
    for one in versions:
        if one.effective_from <= day and (one.effective_to is None or day < one.effective_to):
            return one
    return None


def _changed_rows(old: tuple[_Row, ...], new: tuple[_Row, ...], first_unsettled_day: date) -> list[Violation]:
    found = []
    kept = {_id_of(row): row for row in new}
    for row in old:
        if row.effective_from >= first_unsettled_day:
            continue
        later = kept.get(_id_of(row))
        if later is None or _until(row, first_unsettled_day) != _until(later, first_unsettled_day):
            found.append(Violation(LAW, f"{row.effective_from}", f"{_id_of(row)} is not what it was"))
    names = {_id_of(row) for row in old}
    added = [row for row in new if old and _id_of(row) not in names and row.effective_from < first_unsettled_day]
    what = "comes into force on a settled day"
    return found + [Violation(LAW, f"{row.effective_from}", f"{_id_of(row)} {what}") for row in added]


def _id_of(row: _Row) -> str:
    return row.calendar_id if isinstance(row, CalendarRow) else row.overlay_id


def _until(row: _Row, day: date) -> _Row:
    """Return the row with its end cut at the day: what it says of earlier days."""
    is_cut = row.effective_to is None or row.effective_to > day
    return msgspec.structs.replace(row, effective_to=day) if is_cut else row
