"""By what a county's months are settled, as a document: prices, the settlement calendar, business days, substitution.

What a province publishes stands in its profile; the document adds what is loaded besides, such as a month's table.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from hub.market.listing.session_calendar import BusinessCalendar
from hub.settlement.calendar.rules import CalendarRules, calendar_rules_in_force, published_calendar_rules
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.documents import ProvinceDocument
from hub.settlement.provinces.library import Library
from hub.settlement.substitution.rules import CHOSEN, SubstitutionRules, slug_of
from hub.usecases.close_month import MonthCalendar

_RULE_OF_SLUG = {slug_of(rule): rule for rule in CHOSEN}


class MonthTermsError(ValueError):
    """The document cannot be used; the message is one line."""


class SubstitutionRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version of the substitution rules, as SubstitutionRules; order: names such as "interpolation"."""

    version_id: str
    effective_from: date
    effective_to: date | None = None
    document: str
    order: tuple[str, ...]
    missing_points_max: int | None = None
    daylight_from: int | None = None
    daylight_until: int | None = None
    tolerance_ppm: int | None = None


class MonthTermsDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The document. province: whose prices; calendar_province: whose settlement calendar, the same if left out.

    documents, confirmed: what is loaded beside the shipped profiles, and unverified versions that may be used.
    """

    province: str
    calendar_province: str = ""
    business_days: BusinessCalendar
    documents: tuple[ProvinceDocument, ...] = ()
    confirmed: tuple[str, ...] = ()
    substitution: tuple[SubstitutionRow, ...] = ()


@dataclass(frozen=True)
class LoadedTerms:
    """The document with what it names: the library and the calendar in force on a day."""

    province: str
    library: Library
    calendar: MonthCalendar
    substitution: tuple[SubstitutionRules, ...]


def read_month_terms(path: Path, day: date) -> LoadedTerms:
    """Return the terms in a file, with the settlement calendar in force on a day.

    :raises MonthTermsError: if the file is no such document
    :raises hub.settlement.prices.ParameterError: if its province documents contradict each other
    :raises hub.settlement.calendar.rules.CalendarRuleError: if no settlement calendar is in force
    :raises hub.settlement.substitution.rules.SubstitutionRuleError: if a version of the rules contradicts itself
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=MonthTermsDocument)
    except OSError as error:
        raise MonthTermsError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MonthTermsError(f"{path}: {' '.join(str(error).split())}") from None
    calendar: CalendarRules = calendar_rules_in_force(
        published_calendar_rules(), province=found.calendar_province or found.province, day=day
    )
    return LoadedTerms(
        province=found.province,
        library=shipped_library(found.documents, confirmed=frozenset(found.confirmed)),
        calendar=MonthCalendar(calendar, found.business_days),
        substitution=tuple(_rules(found.province, row) for row in found.substitution),
    )


def _rules(province: str, row: SubstitutionRow) -> SubstitutionRules:
    unknown = [name for name in row.order if name not in _RULE_OF_SLUG]
    if unknown:
        raise MonthTermsError(f"substitution rules {row.version_id!r}: no rule {unknown[0]!r}")
    fields = msgspec.structs.asdict(row) | {"order": tuple(_RULE_OF_SLUG[name] for name in row.order)}
    return SubstitutionRules(province=province, **fields)
