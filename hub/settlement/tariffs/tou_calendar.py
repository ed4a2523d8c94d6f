"""Time-of-use calendars at 15 minutes: which of five kinds each interval of a day is, for whom and from when.

Sources: requirements rows 65 (five kinds, 24 h covered once), 71 (holiday overlays), 72, 73 (by class of user), 163
(publicity). Clock times of documents are instants of county time, "10:15" to "10:30" is the interval whose label is
"10:30". What a calendar needs and does not have is refused with row, day and what to load.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np

from edge.contract.interval import (
    INTERVALS_PER_DAY,
    SECONDS_PER_INTERVAL,
    LabelError,
    first_interval_of_day,
    instant_from_clock_text,
    start_utc_s,
)
from hub.market.trades import Int8Array, Int64Array
from hub.settlement.columns import read_only
from hub.settlement.prices import ParameterError
from hub.settlement.provinces.documents import (
    CalendarRow,
    CalendarScope,
    ClockPeriod,
    HolidayYear,
    OverlayRow,
)
from hub.settlement.provinces.keys import DayType, Holiday, PeriodKind, TariffType
from hub.settlement.provinces.library import Library

NO_KIND = -1
_DAY_TYPES = tuple(DayType)
_ANY_DAY = date(2000, 1, 1)


class CalendarError(ParameterError):
    """A calendar that is none, or that is missing; the text names the row, the day and what to load."""


@dataclass(frozen=True)
class TariffUser:
    """What a calendar may depend on (row 73). user_class: the province's own word, such as "industrial"."""

    voltage_class: str
    tariff_type: TariffType
    user_class: str
    capacity_va: int


@dataclass(frozen=True)
class TouCalendar:
    """One calendar version. kinds: shape (12, 3, 96), by month, day type and interval of the day; every one is set."""

    calendar_id: str
    scope: CalendarScope
    replaces: str | None
    effective_from: date
    effective_to: date | None
    kinds: Int8Array


@dataclass(frozen=True)
class HolidayOverlay:
    """Hours of holidays with a kind of their own. kinds: shape (96,), NO_KIND where the calendar's own kind stays."""

    overlay_id: str
    scope: CalendarScope
    effective_from: date
    effective_to: date | None
    holidays: frozenset[Holiday]
    kinds: Int8Array


@dataclass(frozen=True)
class CalendarBook:
    """All calendars, overlays and holidays of a province."""

    province: str
    calendars: tuple[TouCalendar, ...]
    overlays: tuple[HolidayOverlay, ...]
    holiday_years: Mapping[int, HolidayYear]


@dataclass(frozen=True)
class DayPeriods:
    """The kind of each interval of one day, shape (96,), and the ids of the versions that say so."""

    day: date
    kinds: Int8Array
    version_ids: tuple[str, ...]


def calendar_of_row(row: CalendarRow) -> TouCalendar:
    """Return the calendar of a document's row.

    :raises CalendarError: if a day of any month and type is not covered once, or there is no record of its publicity
    """
    if not row.publicised_as.strip():
        raise _error(163, row.effective_from, f"{row.calendar_id} has no record of publicity", "it with the record")
    if row.effective_to is not None and row.effective_to <= row.effective_from:
        raise _error(65, row.effective_from, f"{row.calendar_id} ends before it begins", "its dates again")
    kinds = np.full((12, len(_DAY_TYPES), INTERVALS_PER_DAY), NO_KIND, np.int8)
    for pattern in row.patterns:
        where = f"{row.calendar_id}, months {', '.join(map(str, pattern.months))}"
        day_kinds = _kinds_of(pattern.periods, where, row.effective_from)
        for month in pattern.months:
            for day_type in pattern.day_types:
                if not 1 <= month <= 12:
                    raise _error(65, row.effective_from, f"{where}: {month} is no month", "months 1 to 12")
                cell = kinds[month - 1, _DAY_TYPES.index(day_type)]
                if cell[0] != NO_KIND:
                    raise _error(65, row.effective_from, f"{where}: month {month} stands twice", "each month once")
                cell[:] = day_kinds
    _check_whole(kinds, row)
    return TouCalendar(row.calendar_id, row.scope, row.replaces, row.effective_from, row.effective_to, read_only(kinds))


def overlay_of_row(row: OverlayRow) -> HolidayOverlay:
    """Return the overlay of a document's row.

    :raises CalendarError: if its periods overlap or are no stretches of the day
    """
    kinds = _kinds_of(row.periods, row.overlay_id, row.effective_from)
    holidays = frozenset(row.holidays)
    return HolidayOverlay(row.overlay_id, row.scope, row.effective_from, row.effective_to, holidays, read_only(kinds))


def calendar_book(
    province: str,
    calendars: Iterable[CalendarRow],
    overlays: Iterable[OverlayRow] = (),
    holiday_years: Iterable[HolidayYear] = (),
) -> CalendarBook:
    """Return the book of a province's calendars.

    :raises CalendarError: if a row is no calendar, an id stands twice or a year has two lists of holidays
    """
    read = tuple(calendar_of_row(row) for row in calendars)
    over = tuple(overlay_of_row(row) for row in overlays)
    ids = [*(one.calendar_id for one in read), *(one.overlay_id for one in over)]
    for name in ids:
        if ids.count(name) > 1:
            raise _error(190, read[0].effective_from if read else _ANY_DAY, f"{name} stands twice", "each id once")
    years: dict[int, HolidayYear] = {}
    for year in holiday_years:
        if years.setdefault(year.year, year) is not year:
            raise _error(71, date(year.year, 1, 1), f"{province} has two lists of holidays", "one a year")
    return CalendarBook(province, read, over, MappingProxyType(years))


def book_of_library(library: Library, province: str) -> CalendarBook:
    """Return the book of what the library holds for a province.

    :raises CalendarError: as `calendar_book` does
    """
    return calendar_book(
        province,
        library.calendars.get(province, ()),
        library.overlays.get(province, ()),
        library.holiday_years.get(province, ()),
    )


def calendar_for(book: CalendarBook, user: TariffUser, day: date) -> TouCalendar:
    """Return the one calendar that holds for the user on the day (rows 72, 73).

    A calendar that replaces another goes before it for those in its scope; beyond that there must be exactly one.

    :raises CalendarError: if there is none, or more than one
    """
    held = [one for one in book.calendars if _holds(one, user, day)]
    replaced = {one.replaces for one in held}
    found = [one for one in held if one.calendar_id not in replaced]
    if len(found) == 1:
        return found[0]
    whom = f"{book.province}: {user.voltage_class}, {user.tariff_type.value}, {user.user_class}, {user.capacity_va} VA"
    if not found:
        raise _error(65, day, f"no calendar holds ({whom})", "the time-of-use calendar in force")
    names = " and ".join(one.calendar_id for one in found)
    raise _error(73, day, f"{names} both hold ({whom})", "the end of one of them, or which replaces which")


def day_periods(book: CalendarBook, user: TariffUser, day: date) -> DayPeriods:
    """Return the kind of every interval of the day for the user: calendar by month and day type, then overlays.

    :raises CalendarError: if no calendar holds, or it or an overlay needs holidays that are not loaded
    """
    calendar = calendar_for(book, user, day)
    by_type = calendar.kinds[day.month - 1]
    overlays = [one for one in book.overlays if _holds(one, user, day)]
    if not overlays and bool((by_type == by_type[0]).all()):
        return DayPeriods(day, read_only(by_type[0].copy()), (calendar.calendar_id,))
    holiday = holiday_on(book, day)
    kinds = by_type[_DAY_TYPES.index(day_type_on(book, day))].copy()
    ids = [calendar.calendar_id]
    for overlay in overlays:
        if holiday in overlay.holidays:
            kinds = np.where(overlay.kinds == NO_KIND, kinds, overlay.kinds)
            ids.append(overlay.overlay_id)
    return DayPeriods(day, read_only(kinds), tuple(ids))


def holiday_on(book: CalendarBook, day: date) -> Holiday | None:
    """Return the holiday on which the day falls, None for any other day (row 71).

    :raises CalendarError: if the year's holidays are not loaded
    """
    return next((row.holiday for row in _year(book, day).holidays if row.first_day <= day < row.until_day), None)


def day_type_on(book: CalendarBook, day: date) -> DayType:
    """Return the day's type: holiday, a weekend that is not worked, or workday.

    :raises CalendarError: if the year's holidays are not loaded
    """
    if holiday_on(book, day) is not None:
        return DayType.HOLIDAY
    is_weekend = day.weekday() >= 5 and day not in _year(book, day).workdays
    return DayType.WEEKEND if is_weekend else DayType.WORKDAY


def energy_by_kind_wh(energy_wh: Int64Array, kinds: Int8Array) -> Int64Array:
    """Return each row's energy of a day by kind of period, shape (n_rows, 5), from shape (n_rows, 96)."""
    assert energy_wh.shape[1] == kinds.size == INTERVALS_PER_DAY
    # a period is a run of columns: summed as runs, the energy is read once
    starts = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(np.diff(kinds)) + 1))
    runs = np.add.reduceat(energy_wh, starts, axis=1)
    by_kind = np.zeros((energy_wh.shape[0], len(PeriodKind)), np.int64)
    for run, kind in enumerate(kinds[starts].tolist()):
        by_kind[:, kind] += runs[:, run]
    return by_kind


def quarter_hours_by_kind(kinds: Int8Array) -> dict[PeriodKind, int]:
    """Return how many intervals of each kind a day has; they sum to 96 (row 65)."""
    return {kind: int((kinds == kind).sum()) for kind in PeriodKind}


def _year(book: CalendarBook, day: date) -> HolidayYear:
    if day.year not in book.holiday_years:
        raise _error(71, day, f"no holidays of {day.year} in {book.province}", "the year's holidays as announced")
    return book.holiday_years[day.year]


def _holds(one: TouCalendar | HolidayOverlay, user: TariffUser, day: date) -> bool:
    scope = one.scope
    return (
        one.effective_from <= day
        and (one.effective_to is None or day < one.effective_to)
        and _open_or_in(user.voltage_class, scope.voltage_classes)
        and (not scope.tariff_types or user.tariff_type in scope.tariff_types)
        and _open_or_in(user.user_class, scope.user_classes)
        and (scope.capacity_min_va is None or user.capacity_va >= scope.capacity_min_va)
        and (scope.capacity_below_va is None or user.capacity_va < scope.capacity_below_va)
    )


def _open_or_in(value: str, allowed: Sequence[str]) -> bool:
    return not allowed or value in allowed


def _kinds_of(periods: Iterable[ClockPeriod], where: str, day: date) -> Int8Array:
    kinds = np.full(INTERVALS_PER_DAY, NO_KIND, np.int8)
    for period in periods:
        text = f"{where}: {period.kind} {period.start}-{period.until}"
        if period.kind not in PeriodKind.__members__:
            raise _error(65, day, f"{text} is no kind of period", f"one of {', '.join(PeriodKind.__members__)}")
        try:
            first, until = _position(period.start), _position(period.until)
        except LabelError as error:
            raise _error(65, day, f"{text}: {error}", "clock times at quarter-hours") from None
        if first >= until:
            raise _error(65, day, f"{text} is no stretch of the day", "start before end, at most 24:00")
        if (kinds[first:until] != NO_KIND).any():
            raise _error(65, day, f"{text} overlaps another period", "a calendar that covers the day once")
        kinds[first:until] = PeriodKind[period.kind]
    return kinds


def _check_whole(kinds: Int8Array, row: CalendarRow) -> None:
    missing = np.argwhere(kinds == NO_KIND)
    if not missing.size:
        return
    month, day_type, position = (int(number) for number in missing[0])
    at = f"{position // 4:02d}:{position % 4 * 15:02d}"
    hours = (kinds[month, day_type] != NO_KIND).sum() * 15
    what = f"{row.calendar_id} covers {hours // 60} h {hours % 60} min of a {_DAY_TYPES[day_type].value} in month "
    raise _error(65, row.effective_from, f"{what}{month + 1}, nothing at {at}", "a calendar of 24 h")


def _position(clock: str) -> int:
    seconds = instant_from_clock_text(_ANY_DAY, clock) - start_utc_s(first_interval_of_day(_ANY_DAY))
    return seconds // SECONDS_PER_INTERVAL


def _error(row: int, day: date, what: str, load: str) -> CalendarError:
    return CalendarError(f"row {row} on {day}: {what}; load {load}")
