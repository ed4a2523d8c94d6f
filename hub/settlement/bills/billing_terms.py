"""Billing terms of metering points as a file: one JSON object a line, and what is wrong with one (rows 92, 96, 101).

Terms hold from a first of month until later ones of the point. What they must agree with is handed in: the point as the
registry has it, and the province's thresholds and rules of retail contracts on the day.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import MappingProxyType

import msgspec

from edge.contract.registry import UserCategory
from hub.market.registry.periods import is_first_of_month
from hub.settlement.provinces.keys import TariffType
from hub.settlement.retail.contract_terms import RetailTerms
from hub.settlement.retail.retail_rules import RetailRules, terms_faults
from hub.settlement.tariffs.basic_charge import BasicChargeMode, TariffThresholds, allowed_tariff_types

INT64_MAX_VA = 2**63 - 1


class BillingTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By what one metering point is billed from a first of month on, beyond what the registry says of it.

    meter: its id. tariff_type: row 101. user_class: the province's own word of its calendars, "" for none. capacity_va:
    all transformers together. election: by what the basic charge of the two-part tariff is measured. package: the
    retail contract of who is supplied by a retailer, with the day on which it was signed; null ends an earlier one.
    """

    meter: str
    effective_from: date
    tariff_type: TariffType
    user_class: str = ""
    capacity_va: int = 0
    election: BasicChargeMode | None = None
    package: RetailTerms | None = None


DOCUMENTS: Mapping[str, type] = MappingProxyType({"billing-terms": BillingTerms})
"""Name -> type, for `microbalance schema`: one line of the file."""


class TermsRefusal(Enum):
    """Why a line is refused. BILLED_MONTH: bills of the month, or of a later one, stand already."""

    NOT_TERMS = "not-terms"
    UNKNOWN_METER = "unknown-meter"
    TWICE = "twice"
    NOT_FIRST_OF_MONTH = "not-first-of-month"
    CLOSED_MONTH = "closed-month"
    BILLED_MONTH = "billed-month"
    NOT_COMMERCIAL = "not-commercial"
    NEGATIVE_CAPACITY = "negative-capacity"
    NO_CAPACITY = "no-capacity"
    TARIFF_TYPE = "tariff-type-not-of-capacity"
    ELECTION_WITHOUT_TWO_PART = "election-without-two-part"
    NO_ELECTION = "no-election"
    ANOTHER_USER = "another-user"
    NOT_SIGNED = "not-signed"
    SIGNED_TOO_LATE = "signed-too-late"
    PACKAGE = "package"


ROW_OF_REFUSAL: Mapping[TermsRefusal, int] = MappingProxyType(
    {
        TermsRefusal.NOT_TERMS: 101,
        TermsRefusal.UNKNOWN_METER: 101,
        TermsRefusal.TWICE: 101,
        TermsRefusal.NOT_FIRST_OF_MONTH: 92,
        TermsRefusal.CLOSED_MONTH: 92,
        TermsRefusal.BILLED_MONTH: 92,
        TermsRefusal.NOT_COMMERCIAL: 96,
        TermsRefusal.NEGATIVE_CAPACITY: 101,
        TermsRefusal.NO_CAPACITY: 101,
        TermsRefusal.TARIFF_TYPE: 101,
        TermsRefusal.ELECTION_WITHOUT_TWO_PART: 101,
        TermsRefusal.NO_ELECTION: 101,
        TermsRefusal.ANOTHER_USER: 79,
        TermsRefusal.NOT_SIGNED: 92,
        TermsRefusal.SIGNED_TOO_LATE: 92,
        TermsRefusal.PACKAGE: 79,
    }
)
"""The requirements row behind each reason."""


@dataclass(frozen=True)
class RefusedTerms:
    """One reason for which a line is refused. line: from 1. meter: "" where the line does not say."""

    line: int
    meter: str
    reason: TermsRefusal
    what: str

    @property
    def text(self) -> str:
        """Return all of it in one line."""
        meter = f", {self.meter}" if self.meter else ""
        return f"line {self.line}{meter}: row {ROW_OF_REFUSAL[self.reason]}, {self.reason.value}: {self.what}"


@dataclass(frozen=True)
class BilledUser:
    """Whose metering point it is: the participant's account, and the category, None where the registry has none."""

    account: str
    category: UserCategory | None


@dataclass(frozen=True)
class DayRules:
    """What a province asks on a day. periods: the names of its time-of-use periods."""

    thresholds: TariffThresholds
    retail: RetailRules
    periods: Collection[str]


_DECODER = msgspec.json.Decoder(BillingTerms)
_Fault = tuple[TermsRefusal, str]


def decode_billing_terms(data: bytes) -> Iterator[tuple[int, BillingTerms | RefusedTerms]]:
    """Yield each line's number and its terms, or why it has none; empty lines are passed over."""
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield number, _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield number, RefusedTerms(number, "", TermsRefusal.NOT_TERMS, " ".join(str(error).split()))


def faults_of_terms(terms: BillingTerms, user: BilledUser, rules: DayRules) -> list[_Fault]:
    """Return everything that is wrong with terms by themselves, in a fixed order."""
    day = terms.effective_from
    found: list[_Fault] = []
    if not is_first_of_month(day):
        found.append((TermsRefusal.NOT_FIRST_OF_MONTH, f"{day} is not the first of a month"))
    is_commercial = user.category is UserCategory.COMMERCIAL_INDUSTRIAL
    is_two_part = terms.tariff_type is TariffType.TWO_PART
    if not is_commercial and (is_two_part or terms.election is not None or terms.package is not None):
        named = "no category" if user.category is None else user.category.value
        found.append((TermsRefusal.NOT_COMMERCIAL, f"a user of {named} pays one price and elects nothing"))
    if is_two_part and terms.election is None:
        found.append((TermsRefusal.NO_ELECTION, "the two-part tariff needs CAPACITY or DEMAND"))
    if not is_two_part and terms.election is not None:
        what = f"{terms.election.value} is elected under {terms.tariff_type.value}"
        found.append((TermsRefusal.ELECTION_WITHOUT_TWO_PART, what))
    return [*found, *_capacity_faults(terms, rules, is_needed=is_commercial), *_package_faults(terms, user, rules)]


def _capacity_faults(terms: BillingTerms, rules: DayRules, *, is_needed: bool) -> list[_Fault]:
    capacity = terms.capacity_va
    if capacity < 0:
        return [(TermsRefusal.NEGATIVE_CAPACITY, f"a capacity of {capacity} VA")]
    if capacity > INT64_MAX_VA:
        return [(TermsRefusal.NOT_TERMS, f"a capacity of {capacity} VA leaves 64 bits")]
    if not is_needed:
        return []
    if not capacity:
        return [(TermsRefusal.NO_CAPACITY, "the tariff type goes by the capacity, and none is given")]
    allowed = allowed_tariff_types(capacity, rules.thresholds)
    if terms.tariff_type in allowed:
        return []
    names = " or ".join(one.value for one in allowed)
    return [(TermsRefusal.TARIFF_TYPE, f"{capacity} VA has {names}, not {terms.tariff_type.value}")]


def _package_faults(terms: BillingTerms, user: BilledUser, rules: DayRules) -> list[_Fault]:
    package, day = terms.package, terms.effective_from
    if package is None:
        return []
    found: list[_Fault] = []
    if package.user_id != user.account:
        found.append((TermsRefusal.ANOTHER_USER, f"{package.contract_id} is of {package.user_id}, not {user.account}"))
    if package.signed_on is None:
        found.append((TermsRefusal.NOT_SIGNED, f"{package.contract_id} does not say when it was signed"))
    elif package.signed_on >= day:
        what = f"{package.contract_id} was signed on {package.signed_on}, which is not before {day}"
        found.append((TermsRefusal.SIGNED_TOO_LATE, what))
    faults = terms_faults(package, rules.retail, periods=rules.periods)
    if faults:
        names = ", ".join(one.value for one in faults)
        found.append((TermsRefusal.PACKAGE, f"{package.contract_id}: {names}"))
    return found
