"""Dated versions of the settlement calendar, as data (outside-rules section 9; requirements row 190).

What a province has not published is null and refused where it is needed.
"""

from collections.abc import Sequence
from datetime import date
from importlib import resources
from typing import Annotated

import msgspec

Days = Annotated[int, msgspec.Meta(ge=1, le=400)]


class CalendarRuleError(ValueError):
    """The calendar's rules cannot be used; the message names province, date and what to load."""


class CalendarRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version, in force on effective_from <= day < effective_to (null: until further notice).

    metering_data_days, provisional_result_days: calendar days after the operating day D (D+1 data, D+6 daily result).
    meter_data_business_day, settlement_basis_business_day: business days of the month after the month settled (M+1).
    objection_business_days: after the basis; silence is consent. bill_question_business_days: after the bill;
    bill_answer_business_days: after the question. look_back_months: how long afterwards a month may be corrected.
    """

    version_id: str
    province: str
    effective_from: date
    effective_to: date | None = None
    document: str
    source: str
    metering_data_days: Days | None = None
    provisional_result_days: Days | None = None
    meter_data_business_day: Days | None = None
    settlement_basis_business_day: Days | None = None
    objection_business_days: Days | None = None
    bill_question_business_days: Days | None = None
    bill_answer_business_days: Days | None = None
    look_back_months: Days | None = None

    def required(self, name: str) -> int:
        """Return a number of the version.

        :raises CalendarRuleError: if it was not published
        """
        value = getattr(self, name)
        if value is None:
            raise CalendarRuleError(f"settlement calendar {self.version_id!r} of {self.province!r}: load {name}")
        assert isinstance(value, int)
        return value


def decode_calendar_rules(data: bytes) -> tuple[CalendarRules, ...]:
    """Return the versions written in a document (JSON).

    :raises CalendarRuleError: if it is no such document, an id stands twice, a document is missing, or two versions of
        a province are in force on one day
    """
    try:
        versions = msgspec.json.decode(data, type=tuple[CalendarRules, ...])
    except msgspec.MsgspecError as error:
        raise CalendarRuleError(f"not a settlement calendar: {error}") from None
    for number, one in enumerate(versions):
        where = f"settlement calendar {one.version_id!r} of {one.province!r}"
        if not (one.version_id and one.document and one.source):
            raise CalendarRuleError(f"{where}: load it with version_id, document and source")
        if one.effective_to is not None and one.effective_to <= one.effective_from:
            raise CalendarRuleError(f"{where}: it ends on {one.effective_to}, before it begins")
        for other in versions[:number]:
            if other.version_id == one.version_id:
                raise CalendarRuleError(f"{where}: the version id stands twice")
            if other.province == one.province and _overlap(one, other):
                raise CalendarRuleError(f"{where}: in force together with {other.version_id!r}")
    return versions


def _overlap(one: CalendarRules, other: CalendarRules) -> bool:
    one_begins_in_time = other.effective_to is None or one.effective_from < other.effective_to
    return one_begins_in_time and (one.effective_to is None or other.effective_from < one.effective_to)


def published_calendar_rules() -> tuple[CalendarRules, ...]:
    """Return the versions that are shipped with the program."""
    return decode_calendar_rules(resources.files(__package__).joinpath("published.json").read_bytes())


def calendar_rules_in_force(versions: Sequence[CalendarRules], *, province: str, day: date) -> CalendarRules:
    """Return the province's version of the day.

    :raises CalendarRuleError: if none is in force
    """
    for one in versions:
        begun = one.province == province and one.effective_from <= day
        if begun and (one.effective_to is None or day < one.effective_to):
            return one
    raise CalendarRuleError(f"{day}: no settlement calendar of province {province!r}; load the version in force")
