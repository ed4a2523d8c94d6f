"""The dated library of provincial parameters: what a rule needs is looked up by parameter, province, day and keys.

Values come from province documents. A value is of the day that it is asked for, so a later document changes no earlier
result (requirements rows 108, 190), and it carries version id, document, source and mark. What is missing, overlaps,
leaves a gap or has a wrong unit is refused with the row, the date and what to load; nothing is filled in. A province
that has no series of its own for the same keys takes the national one. A value marked unverified is refused until it
is confirmed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import pairwise
from types import MappingProxyType

from hub.settlement.money import MoneyTextError, scaled_integer_from_text
from hub.settlement.prices import Origin, ParameterError
from hub.settlement.provinces.catalogue import CATALOGUE, KEY_NAMES, ParameterDefinition, ProvincialParameter
from hub.settlement.provinces.documents import (
    CalendarRow,
    HolidayYear,
    OverlayRow,
    ProvinceDocument,
    Publication,
    ValueRow,
)
from hub.settlement.provinces.keys import Component, DateBasis, Mark, PeriodKind
from hub.settlement.provinces.quantities import COMPONENTS, WORD

NATIONAL = "national"
KeyValue = str | int | Enum
_Series = tuple[ProvincialParameter, str, tuple[tuple[str, str], ...]]


class LibraryError(ParameterError):
    """A value that cannot be loaded or is not there. row: of the requirements; day; load: what is to be loaded."""

    def __init__(self, row: int, day: date | None, what: str, load: str) -> None:
        where = f"row {row}" if row else "outside rules"
        super().__init__(f"{where} on {day or 'no day'}: {what}; load {load}")
        self.row, self.day, self.load = row, day, load


@dataclass(frozen=True)
class Loaded:
    """A loaded value with all that tells where it comes from.

    keys: (name, value) of each key; value: in `unit`, an integer; text: as written, in the document's own unit.
    In force on days effective_from <= day < effective_to; dates: what these dates are.
    """

    parameter: ProvincialParameter
    province: str
    keys: tuple[tuple[str, str], ...]
    value: int
    unit: str
    text: str
    version_id: str
    document: str
    source: str
    mark: Mark
    origin: Origin | None
    effective_from: date
    effective_to: date | None
    dates: DateBasis

    def key(self, name: str) -> str:
        """Return the value of one key."""
        return dict(self.keys)[name]


@dataclass(frozen=True)
class Library:
    """All versions by parameter, province and keys, each series by date; calendars, overlays and holidays as written.

    confirmed: version ids of unverified values that somebody who may do so has confirmed.
    """

    series: Mapping[_Series, tuple[Loaded, ...]]
    voltage_classes: Mapping[str, tuple[str, ...]]
    calendars: Mapping[str, tuple[CalendarRow, ...]]
    overlays: Mapping[str, tuple[OverlayRow, ...]]
    holiday_years: Mapping[str, tuple[HolidayYear, ...]]
    confirmed: frozenset[str]

    def value(self, parameter: ProvincialParameter, *, province: str, day: date, **keys: KeyValue) -> Loaded:
        """Return the value in force on the day.

        :param keys: exactly the keys of the parameter's definition; an enum stands for its name or value
        :raises LibraryError: if none is in force, or it is unverified and not confirmed
        """
        definition, named = CATALOGUE[parameter], _named(parameter, keys)
        found = self._in_force(parameter, province, day, named)
        if found is None:
            where = ", ".join([f"province {province!r}", *(f"{name} {value!r}" for name, value in named)])
            raise LibraryError(definition.row, day, f"no version of {parameter.value} ({where})", definition.what)
        if found.mark is Mark.UNVERIFIED and found.version_id not in self.confirmed:
            what = f"{found.version_id} is unverified"
            raise LibraryError(definition.row, day, what, f"{definition.what} as published, or confirm this version")
        return found

    def value_if_set(
        self, parameter: ProvincialParameter, *, province: str, day: date, **keys: KeyValue
    ) -> Loaded | None:
        """Return the value in force on the day, None where the province has none: for what may be absent.

        :raises LibraryError: if it is unverified and not confirmed
        """
        if self._in_force(parameter, province, day, _named(parameter, keys)) is None:
            return None
        return self.value(parameter, province=province, day=day, **keys)

    def values_by(
        self, key: str, parameter: ProvincialParameter, *, province: str, day: date, **keys: KeyValue
    ) -> dict[str, Loaded]:
        """Return the values in force on the day by one key that is left open, in the order of documents.

        :raises LibraryError: if one is unverified and not confirmed
        """
        fixed = {name: _key_text(value) for name, value in keys.items()}
        found: dict[str, Loaded] = {}
        for owner in (province, NATIONAL):
            for of_parameter, of_province, named in self.series:
                own = dict(named)
                if of_parameter is not parameter or of_province != owner or own[key] in found:
                    continue
                if all(own[name] == value for name, value in fixed.items()):
                    loaded = self.value_if_set(parameter, province=province, day=day, **own)
                    found |= {} if loaded is None else {own[key]: loaded}
        return found

    def word(self, parameter: ProvincialParameter, *, province: str, day: date, **keys: KeyValue) -> str:
        """Return the word in force on the day, of a parameter that is one of several words.

        :raises LibraryError: as `value` does
        """
        loaded = self.value(parameter, province=province, day=day, **keys)
        return CATALOGUE[parameter].words[loaded.value]

    def _in_force(
        self, parameter: ProvincialParameter, province: str, day: date, named: tuple[tuple[str, str], ...]
    ) -> Loaded | None:
        versions = self.series.get((parameter, province, named))
        if versions is None:
            versions = self.series.get((parameter, NATIONAL, named), ())
        for version in versions:
            if version.effective_from <= day and (version.effective_to is None or day < version.effective_to):
                return version
        return None


def build_library(documents: Iterable[ProvinceDocument], *, confirmed: frozenset[str] = frozenset()) -> Library:
    """Return the library of these documents; several may be of one province, the order does not matter.

    :raises LibraryError: for a value without what it must have, with a wrong unit or key, an id that stands twice, an
        overlap or a gap
    """
    series: dict[_Series, list[Loaded]] = {}
    classes: dict[str, tuple[str, ...]] = {}
    calendars: dict[str, list[CalendarRow]] = {}
    overlays: dict[str, list[OverlayRow]] = {}
    years: dict[str, list[HolidayYear]] = {}
    ids: set[str] = set()
    for document in documents:
        if classes.setdefault(document.province, document.voltage_classes) != document.voltage_classes:
            what = f"{document.province} has two lists of voltage classes"
            raise LibraryError(97, None, what, "the same voltage classes in all its documents")
        calendars.setdefault(document.province, []).extend(document.calendars)
        overlays.setdefault(document.province, []).extend(document.overlays)
        years.setdefault(document.province, []).extend(document.holiday_years)
        for publication in document.publications:
            for row in publication.values:
                for loaded in _loaded_values(document, publication, row):
                    if loaded.version_id in ids:
                        what = f"version {loaded.version_id} stands twice"
                        raise LibraryError(190, loaded.effective_from, what, "each publication once")
                    ids.add(loaded.version_id)
                    series.setdefault((loaded.parameter, loaded.province, loaded.keys), []).append(loaded)
    for versions in series.values():
        versions.sort(key=lambda loaded: loaded.effective_from)
        for earlier, later in pairwise(versions):
            _check_succession(earlier, later)
    return Library(
        MappingProxyType({name: tuple(versions) for name, versions in series.items()}),
        MappingProxyType(classes),
        MappingProxyType({name: tuple(rows) for name, rows in calendars.items()}),
        MappingProxyType({name: tuple(rows) for name, rows in overlays.items()}),
        MappingProxyType({name: tuple(rows) for name, rows in years.items()}),
        confirmed,
    )


def _named(parameter: ProvincialParameter, keys: Mapping[str, KeyValue]) -> tuple[tuple[str, str], ...]:
    wanted = CATALOGUE[parameter].keys
    assert set(keys) == set(wanted), f"{parameter.value} is looked up by {wanted}"
    return tuple((name, _key_text(keys[name])) for name in KEY_NAMES if name in keys)


def _key_text(value: KeyValue) -> str:
    if isinstance(value, PeriodKind):
        return value.name
    return str(value.value) if isinstance(value, Enum) else str(value)


def _loaded_values(document: ProvinceDocument, publication: Publication, row: ValueRow) -> list[Loaded]:
    definition, day = CATALOGUE[row.parameter], publication.effective_from
    name = f"{row.parameter.value} of {document.province} in {publication.publication_id or 'a publication'}"
    if not publication.publication_id or not publication.source.strip():
        raise LibraryError(190, day, f"{name} has no publication id or source", "the value with both")
    if day is None:
        raise LibraryError(98, day, f"{name} has no effective date", f"{definition.what} with its effective date")
    has_document = bool(publication.document.strip())
    if not has_document or (
        definition.origin is Origin.GOV_APPROVED and not any(c.isdigit() for c in publication.document)
    ):
        raise LibraryError(98, day, f"{name} has no document number", f"{definition.what} with its document number")
    if publication.effective_to is not None and publication.effective_to <= day:
        raise LibraryError(190, day, f"{name} ends on {publication.effective_to}, before it begins", "its dates again")
    value = _integer(definition, row, name, day)
    found = []
    for keys in _keys_of(document, definition, row, name, day):
        parts = [document.province, publication.publication_id, row.parameter.value, *(text for _, text in keys)]
        found.append(
            Loaded(
                parameter=row.parameter,
                province=document.province,
                keys=keys,
                value=value,
                unit=definition.quantity.inside,
                text=f"{row.value} {row.unit}",
                version_id="/".join(parts),
                document=publication.document,
                source=publication.source,
                mark=row.mark or publication.mark,
                origin=definition.origin,
                effective_from=day,
                effective_to=publication.effective_to,
                dates=publication.dates,
            )
        )
    return found


def _keys_of(
    document: ProvinceDocument, definition: ParameterDefinition, row: ValueRow, name: str, day: date
) -> list[tuple[tuple[str, str], ...]]:
    given: dict[str, str | None] = {
        "voltage_class": row.voltage_class,
        "tariff_type": None if row.tariff_type is None else row.tariff_type.value,
        "period": row.period,
        "item": row.item,
    }
    has = {key for key, value in given.items() if value is not None} | ({"month"} if row.months else set())
    if has != set(definition.keys):
        what = f"{name} has the keys {sorted(has)}, not {sorted(definition.keys)}"
        raise LibraryError(definition.row, day, what, definition.what)
    wrong = [
        given["voltage_class"] not in (None, *document.voltage_classes),
        given["period"] not in (None, *PeriodKind.__members__),
        any(not 1 <= month <= 12 for month in row.months),
    ]
    if any(wrong):
        what = f"{name} has an unknown voltage class, period or month"
        raise LibraryError(definition.row, day, what, definition.what)
    fixed = {key: value for key, value in given.items() if value is not None}
    several = [{**fixed, "month": str(month)} for month in row.months] or [fixed]
    return [tuple((key, keys[key]) for key in KEY_NAMES if key in keys) for keys in several]


def _integer(definition: ParameterDefinition, row: ValueRow, name: str, day: date) -> int:
    quantity = definition.quantity
    if row.unit not in quantity.scale:
        what = f"{name} is written in {row.unit!r}, not in {' or '.join(quantity.scale)}"
        raise LibraryError(definition.row, day, what, definition.what)
    if quantity is WORD and row.value in definition.words:
        return definition.words.index(row.value)
    if quantity is COMPONENTS and set(row.value.split("+")) <= {str(c.name).lower() for c in Component}:
        return sum(int(Component[part.upper()]) for part in set(row.value.split("+")))
    if quantity in (WORD, COMPONENTS):
        raise LibraryError(definition.row, day, f"{name} cannot be {row.value!r}", definition.what)
    try:
        return scaled_integer_from_text(row.value, quantity.scale[row.unit], f"{row.unit}, exact in {quantity.inside}")
    except MoneyTextError as error:
        raise LibraryError(definition.row, day, f"{name}: {error}", definition.what) from None


def _check_succession(earlier: Loaded, later: Loaded) -> None:
    definition, day = CATALOGUE[later.parameter], later.effective_from
    if earlier.effective_to is None or earlier.effective_to > day:
        what = f"{earlier.version_id} and {later.version_id} are both in force"
        raise LibraryError(definition.row, day, what, f"{earlier.version_id} with its end")
    if earlier.effective_to < day:
        what = f"{later.parameter.value} of {later.province} has no version until {day}"
        raise LibraryError(definition.row, earlier.effective_to, what, f"{definition.what} for that time")
