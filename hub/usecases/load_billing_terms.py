"""Load billing terms from a file into the register: all of them or, if a line is refused, none; twice changes nothing.

A month that is billed or closed keeps the terms that it had: what should have been otherwise begins in a later month.
Sources: requirements rows 92, 96, 101.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum

import msgspec
from sqlmodel import Session

from hub.settlement.bills.billing_terms import (
    BilledUser,
    BillingTerms,
    DayRules,
    RefusedTerms,
    TermsRefusal,
    decode_billing_terms,
    faults_of_terms,
)
from hub.settlement.provinces.keys import TariffType
from hub.settlement.provinces.library import Library
from hub.settlement.retail.contract_terms import RetailTerms
from hub.settlement.retail.loaded_rules import retail_rules_on
from hub.settlement.tariffs.basic_charge import BasicChargeMode
from hub.settlement.tariffs.basic_charge_rules import load_thresholds
from hub.store.bill_tables import BillingTermRow
from hub.store.billing_terms import billed_users, last_billed_month, read_billing_terms, save_billing_terms
from hub.store.bills import last_closed_month, month_number


class TermsChange(Enum):
    """What a line does. UNCHANGED: the terms stand already."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class ChangedTerms:
    """What a line changes. before: the terms of the same day, which it replaces, None if there are none.

    in_force: what held until that day, None if nothing did.
    """

    change: TermsChange
    terms: BillingTerms
    before: BillingTerms | None
    in_force: BillingTerms | None


@dataclass(frozen=True)
class LoadedBillingTerms:
    """What a file does, by line. With a refused line nothing is written."""

    changes: tuple[ChangedTerms, ...]
    refused: tuple[RefusedTerms, ...]

    def count(self, change: TermsChange) -> int:
        """Return how many lines do this."""
        return sum(one.change is change for one in self.changes)


@dataclass(frozen=True)
class _Standing:
    """What the database says: users and versions by meter id, and through which month terms stay as they are."""

    users: Mapping[str, tuple[int, BilledUser]]
    versions: Mapping[str, tuple[BillingTerms, ...]]
    closed_through: int
    billed_through: int

    @classmethod
    def of(cls, session: Session) -> "_Standing":
        users = billed_users(session)
        name = {position: meter_id for meter_id, (position, _) in users.items()}
        versions: dict[str, tuple[BillingTerms, ...]] = {}
        for row in read_billing_terms(session):
            terms = _terms_of(row, name[row.meter])
            versions[terms.meter] = (*versions.get(terms.meter, ()), terms)
        return cls(users, versions, last_closed_month(session), last_billed_month(session))

    def on(self, meter: str, day: date) -> BillingTerms | None:
        """Return the version that begins on a day."""
        return next((one for one in self.versions.get(meter, ()) if one.effective_from == day), None)

    def before(self, meter: str, day: date) -> BillingTerms | None:
        """Return the version that holds until a day."""
        earlier = [one for one in self.versions.get(meter, ()) if one.effective_from < day]
        return earlier[-1] if earlier else None


def load_billing_terms(
    session: Session, data: bytes, *, library: Library, province: str, is_dry_run: bool = False
) -> LoadedBillingTerms:
    """Write the terms of a file into the caller's transaction, unless a line is refused.

    :param data: one JSON object a line, as BillingTerms
    :param is_dry_run: only say what would change
    :raises hub.settlement.prices.ParameterError: if the province's thresholds are missing
    """
    standing = _Standing.of(session)
    rules: dict[date, DayRules] = {}
    changes: list[ChangedTerms] = []
    refused: list[RefusedTerms] = []
    seen: set[tuple[str, date]] = set()
    for number, one in decode_billing_terms(data):
        if isinstance(one, RefusedTerms):
            refused.append(one)
            continue
        key, day = (one.meter, one.effective_from), one.effective_from
        if one.meter not in standing.users:
            refused.append(RefusedTerms(number, one.meter, TermsRefusal.UNKNOWN_METER, "not in the registry"))
            continue
        if key in seen:
            refused.append(RefusedTerms(number, one.meter, TermsRefusal.TWICE, f"a line above begins on {day} too"))
            continue
        seen.add(key)
        if standing.on(*key) == one:
            changes.append(ChangedTerms(TermsChange.UNCHANGED, one, one, standing.before(*key)))
            continue
        if day not in rules:
            rules[day] = _rules_on(library, province, day)
        faults = [
            *_retroactive_faults(standing, day),
            *faults_of_terms(one, standing.users[one.meter][1], rules[day]),
        ]
        refused += [RefusedTerms(number, one.meter, reason, what) for reason, what in faults]
        if faults:
            continue
        before = standing.on(*key)
        change = TermsChange.NEW if before is None else TermsChange.CHANGED
        changes.append(ChangedTerms(change, one, before, standing.before(*key)))
    if not refused and not is_dry_run:
        written = [one.terms for one in changes if one.change is not TermsChange.UNCHANGED]
        save_billing_terms(session, [_row_of(one, standing.users[one.meter][0]) for one in written])
    return LoadedBillingTerms(tuple(changes), tuple(refused))


def terms_in_force(session: Session, day: date | None = None) -> tuple[BillingTerms, ...]:
    """Return the terms in force on a day, one version a metering point; without a day every version."""
    standing = _Standing.of(session)
    found = []
    for versions in standing.versions.values():
        known = [one for one in versions if day is None or one.effective_from <= day]
        found += known if day is None else known[-1:]
    return tuple(found)


def _retroactive_faults(standing: _Standing, day: date) -> list[tuple[TermsRefusal, str]]:
    month = month_number(day)
    if month <= standing.closed_through:
        return [(TermsRefusal.CLOSED_MONTH, f"{standing.closed_through} is closed; begin in a later month")]
    if month <= standing.billed_through:
        return [(TermsRefusal.BILLED_MONTH, f"{standing.billed_through} is billed; begin in a later month")]
    return []


def _rules_on(library: Library, province: str, day: date) -> DayRules:
    kinds = {
        period.kind
        for calendar in library.calendars.get(province, ())
        for pattern in calendar.patterns
        for period in pattern.periods
    }
    return DayRules(
        thresholds=load_thresholds(library, province=province, day=day),
        retail=retail_rules_on(library, province=province, day=day),
        periods=frozenset(kinds),
    )


def _terms_of(row: BillingTermRow, meter_id: str) -> BillingTerms:
    return BillingTerms(
        meter=meter_id,
        effective_from=date.fromisoformat(row.effective_from),
        tariff_type=TariffType(row.tariff_type),
        user_class=row.user_class,
        capacity_va=row.capacity_va,
        election=BasicChargeMode(row.election) if row.election else None,
        package=None if row.package is None else msgspec.json.decode(row.package, type=RetailTerms),
    )


def _row_of(terms: BillingTerms, position: int) -> BillingTermRow:
    return BillingTermRow(
        meter=position,
        effective_from=terms.effective_from.isoformat(),
        tariff_type=terms.tariff_type.value,
        user_class=terms.user_class,
        capacity_va=terms.capacity_va,
        election="" if terms.election is None else terms.election.value,
        package=None if terms.package is None else msgspec.json.encode(terms.package).decode(),
    )
