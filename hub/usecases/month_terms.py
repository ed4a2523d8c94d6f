"""By what a county's months are settled, as a document: prices, calendar, substitution, retail prices, remittances.

What a province publishes stands in its profile; the document adds what is loaded besides, such as a month's table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

import msgspec

from hub.market.listing.session_calendar import BusinessCalendar, is_business_day
from hub.settlement.accounts import SystemAccount
from hub.settlement.calendar.rules import CalendarRules, calendar_rules_in_force, published_calendar_rules
from hub.settlement.money import nano_yuan_from_text
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.documents import ProvinceDocument
from hub.settlement.provinces.library import Library
from hub.settlement.retail.month_prices import RetailDocument, check_retail_document, retail_prices
from hub.settlement.retail.package_charges import RetailPrices
from hub.settlement.substitution.rules import CHOSEN, DayKind, SubstitutionRules, slug_of
from hub.store.bills import month_number
from hub.usecases.close_month import MonthCalendar

_RULE_OF_SLUG = {slug_of(rule): rule for rule in CHOSEN}


class MonthTermsError(ValueError):
    """The document cannot be used; the message is one line."""


class SubstitutionRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version of the substitution rules, as SubstitutionRules; order: names such as "interpolation".

    history_days: how far back the similar day is looked for. usual_loss_ppm: of an area, by its unit's id, what its
    balance counts as lost. Each is needed where the order names its rule.
    """

    version_id: str
    effective_from: date
    effective_to: date | None = None
    document: str
    order: tuple[str, ...]
    missing_points_max: int | None = None
    daylight_from: int | None = None
    daylight_until: int | None = None
    tolerance_ppm: int | None = None
    history_days: int | None = None
    usual_loss_ppm: dict[str, int] | None = None


class RemittedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was passed on by the close of a month, yuan as text: to the province, the treasury, for losses (row 119)."""

    month: int
    system: str = "0"
    funds: str = "0"
    loss: str = "0"
    document: str


class MonthTermsDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The document. province: whose prices; calendar_province: whose settlement calendar, the same if left out.

    documents, confirmed: what is loaded beside the shipped profiles, and unverified versions that may be used. retail:
    prices of retail packages. remitted: by month; a month without a row has passed on nothing and carries all.
    """

    province: str
    calendar_province: str = ""
    business_days: BusinessCalendar
    documents: tuple[ProvinceDocument, ...] = ()
    confirmed: tuple[str, ...] = ()
    substitution: tuple[SubstitutionRow, ...] = ()
    retail: RetailDocument = RetailDocument()
    remitted: tuple[RemittedRow, ...] = ()


DOCUMENTS: Mapping[str, type] = MappingProxyType({"month-terms": MonthTermsDocument})
"""Name -> type, for `microbalance schema`."""


@dataclass(frozen=True)
class ProvincePrices:
    """Whose prices a county's months are settled by, and the library that holds them."""

    province: str
    library: Library


@dataclass(frozen=True)
class LoadedTerms:
    """The document with what it names: the library and the calendar in force on a day.

    remitted_nano_yuan: by month (year x 100 + month) and account.
    """

    province: str
    library: Library
    calendar: MonthCalendar
    substitution: tuple[SubstitutionRules, ...]
    retail: RetailDocument = field(default_factory=RetailDocument)
    remitted_nano_yuan: Mapping[int, Mapping[SystemAccount, int]] = field(default_factory=lambda: MappingProxyType({}))

    def retail_prices(self, month: date, on: date) -> RetailPrices:
        """Return what the retail packages of a month are settled with, as published by a day.

        :raises hub.settlement.prices.ParameterError: if the weight of row 84 is not confirmed
        """
        weight = self.library.value_if_set(ProvincialParameter.CEILING_YEAR_SHARE, province=self.province, day=month)
        return retail_prices(
            self.retail,
            province=self.province,
            month=month_number(month),
            on=on,
            ceiling_year_weight_ppm=None if weight is None else weight.value,
        )

    def day_kind(self, day: date) -> DayKind | None:
        """Return what a similar day must share with this one; None outside the business days that are known."""
        days = self.calendar.business_days
        if not days.first_day <= day <= days.last_day:
            return None
        if day in days.holidays:
            return DayKind.HOLIDAY
        return DayKind.WORKDAY if is_business_day(days, day) else DayKind.WEEKEND


class MonthTermsFile:
    """The terms in a file as they are now: it is read again when somebody has changed it, as with a month's table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[bytes, MonthTermsDocument, Library] | None = None

    def on(self, day: date) -> LoadedTerms:
        """Return the terms, with the settlement calendar in force on a day.

        :raises MonthTermsError: if the file is no such document
        :raises hub.settlement.prices.ParameterError: if its province documents contradict each other
        :raises hub.settlement.calendar.rules.CalendarRuleError: if no settlement calendar is in force
        :raises hub.settlement.substitution.rules.SubstitutionRuleError: if a version of the rules contradicts itself
        :raises hub.settlement.retail.month_prices.MonthPriceError: if a retail price stands twice
        :raises hub.settlement.money.MoneyTextError: if a remitted amount is none
        """
        data = _bytes(self._path)
        if self._read is None or self._read[0] != data:
            document = _document(self._path, data)
            self._read = data, document, _library(document)
        _, found, library = self._read
        calendar: CalendarRules = calendar_rules_in_force(
            published_calendar_rules(), province=found.calendar_province or found.province, day=day
        )
        check_retail_document(found.retail)
        return LoadedTerms(
            province=found.province,
            library=library,
            calendar=MonthCalendar(calendar, found.business_days),
            substitution=tuple(_rules(found.province, row) for row in found.substitution),
            retail=found.retail,
            remitted_nano_yuan=_remitted(found.remitted),
        )


def read_month_terms(path: Path, day: date) -> LoadedTerms:
    """Return the terms in a file, with the settlement calendar in force on a day; raises what MonthTermsFile does."""
    return MonthTermsFile(path).on(day)


def read_province(path: Path) -> ProvincePrices:
    """Return the province of a file of terms and its prices.

    :raises MonthTermsError: if the file is no such document
    :raises hub.settlement.prices.ParameterError: if its province documents contradict each other
    """
    found = _document(path, _bytes(path))
    return ProvincePrices(found.province, _library(found))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MonthTermsError(f"{path}: {error.strerror}") from None


def _document(path: Path, data: bytes) -> MonthTermsDocument:
    try:
        return msgspec.json.decode(data, type=MonthTermsDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MonthTermsError(f"{path}: {' '.join(str(error).split())}") from None


def _library(document: MonthTermsDocument) -> Library:
    return shipped_library(document.documents, confirmed=frozenset(document.confirmed))


def _remitted(rows: tuple[RemittedRow, ...]) -> Mapping[int, Mapping[SystemAccount, int]]:
    found: dict[int, Mapping[SystemAccount, int]] = {}
    for row in rows:
        if row.month in found:
            raise MonthTermsError(f"row 119: what was remitted in {row.month} stands twice; load one of them")
        found[row.month] = {
            SystemAccount.SYSTEM_ITEMS: nano_yuan_from_text(row.system),
            SystemAccount.GOVERNMENT_FUNDS: nano_yuan_from_text(row.funds),
            SystemAccount.LOSS_FUND: nano_yuan_from_text(row.loss),
        }
    return found


def _rules(province: str, row: SubstitutionRow) -> SubstitutionRules:
    unknown = [name for name in row.order if name not in _RULE_OF_SLUG]
    if unknown:
        raise MonthTermsError(f"substitution rules {row.version_id!r}: no rule {unknown[0]!r}")
    fields = msgspec.structs.asdict(row) | {"order": tuple(_RULE_OF_SLUG[name] for name in row.order)}
    return SubstitutionRules(province=province, **fields)
