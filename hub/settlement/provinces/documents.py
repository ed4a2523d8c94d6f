"""How a province's parameters and calendars are written down: publications with their values, as JSON.

A publication is what one document says from one day on; its values share document, source, mark and dates. Numbers are
text, exact. A document that reads as one of these is not yet accepted: the library and the calendars check it.
"""

from datetime import date

import msgspec

from hub.settlement.prices import ParameterError
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.keys import DateBasis, DayType, Holiday, Mark, TariffType


class ProvinceDocumentError(ParameterError):
    """The bytes are no province document."""


class ValueRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One value. value: text in `unit`; the keys that the parameter has, and no other; months: it holds in each.

    mark: where it differs from the publication's. note: what a reader should know.
    """

    parameter: ProvincialParameter
    value: str
    unit: str
    voltage_class: str | None = None
    tariff_type: TariffType | None = None
    period: str | None = None
    item: str | None = None
    months: tuple[int, ...] = ()
    mark: Mark | None = None
    note: str = ""


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one document says. document: its name and number; source: where it was found.

    In force on days effective_from <= day < effective_to (None: until further notice).
    """

    publication_id: str
    document: str = ""
    source: str = ""
    mark: Mark
    dates: DateBasis = DateBasis.PUBLISHED
    effective_from: date | None = None
    effective_to: date | None = None
    values: tuple[ValueRow, ...]


class ClockPeriod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of the day, "HH:MM" instants of county time, half-open; `until` may be "24:00"."""

    kind: str
    start: str
    until: str


class DayPatternRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The periods of every day of these months and day types; together they cover the day once."""

    months: tuple[int, ...]
    day_types: tuple[DayType, ...] = tuple(DayType)
    periods: tuple[ClockPeriod, ...]


class CalendarScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom a calendar is for (rows 72, 73): an empty tuple or None leaves a dimension open; the capacity is in VA."""

    voltage_classes: tuple[str, ...] = ()
    tariff_types: tuple[TariffType, ...] = ()
    user_classes: tuple[str, ...] = ()
    capacity_min_va: int | None = None
    capacity_below_va: int | None = None


class CalendarRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a time-of-use calendar. replaces: the calendar before which it goes, for those in its scope.

    filed_as, publicised_as: the records without which no version becomes effective (row 163).
    """

    calendar_id: str
    document: str
    source: str
    mark: Mark
    dates: DateBasis = DateBasis.PUBLISHED
    effective_from: date
    effective_to: date | None = None
    replaces: str | None = None
    scope: CalendarScope = CalendarScope()
    filed_on: date | None = None
    filed_as: str = ""
    publicised_on: date | None = None
    publicised_as: str = ""
    patterns: tuple[DayPatternRow, ...]


class OverlayRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hours of holidays that have a period kind of their own, over whatever calendar holds (row 71)."""

    overlay_id: str
    document: str
    source: str
    mark: Mark
    dates: DateBasis = DateBasis.PUBLISHED
    effective_from: date
    effective_to: date | None = None
    holidays: tuple[Holiday, ...]
    periods: tuple[ClockPeriod, ...]
    scope: CalendarScope = CalendarScope()


class HolidayRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days of one holiday in one year, until_day excluded, as announced in `document`."""

    holiday: Holiday
    first_day: date
    until_day: date
    document: str


class HolidayYear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All holidays of a year; workdays: days of the weekend on which one works instead. document: the announcement."""

    year: int
    holidays: tuple[HolidayRow, ...]
    workdays: tuple[date, ...] = ()


class ProvinceDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is loaded for one province; several documents may name the same one.

    voltage_classes: from the lowest to the highest.
    """

    province: str
    voltage_classes: tuple[str, ...]
    publications: tuple[Publication, ...]
    calendars: tuple[CalendarRow, ...] = ()
    overlays: tuple[OverlayRow, ...] = ()
    holiday_years: tuple[HolidayYear, ...] = ()


def decode_province(data: bytes) -> ProvinceDocument:
    """Return the province document written in `data` (JSON).

    :raises ProvinceDocumentError: if it is none
    """
    try:
        return msgspec.json.decode(data, type=ProvinceDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProvinceDocumentError(f"not a province document (row 190): {error}") from None
