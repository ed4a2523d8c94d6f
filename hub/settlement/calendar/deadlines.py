"""The days of the settlement calendar: of an operating day, a month and a bill (outside-rules section 9).

Business days are data (market.listing.session_calendar.BusinessCalendar); a day beyond what is published is refused.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from hub.market.listing.session_calendar import BusinessCalendar, is_business_day, month_of
from hub.market.registry.periods import next_month
from hub.settlement.calendar.rules import CalendarRules
from hub.settlement.resettlement import months_between

_ONE_DAY = timedelta(days=1)


class DeadlineError(ValueError):
    """A day cannot be found, because the business days are not known so far."""


@dataclass(frozen=True)
class DayDeadlines:
    """Of operating day D: when metering and clearing data are due, and the provisional result (D+1, D+6)."""

    metering_data_on: date
    provisional_result_on: date


@dataclass(frozen=True)
class MonthDeadlines:
    """Of month M: meter data and settlement basis in M+1, and the last day to object to the basis.

    The window to object begins with the day on which the basis was issued, if that was later than its day.
    """

    meter_data_on: date
    settlement_basis_on: date
    objection_until: date


def add_business_days(calendar: BusinessCalendar, day: date, count: int) -> date:
    """Return the `count`-th business day after `day`.

    :raises DeadlineError: if the published business days end before
    """
    assert count >= 1
    current, left = day, count
    while left:
        current += _ONE_DAY
        if not calendar.first_day <= current <= calendar.last_day:
            raise DeadlineError(f"{current}: load the business days of {current.year}")
        left -= is_business_day(calendar, current)
    return current


def day_deadlines(rules: CalendarRules, day: date) -> DayDeadlines:
    """Return the deadlines of an operating day.

    :raises CalendarRuleError: if the version does not say
    """
    return DayDeadlines(
        metering_data_on=day + timedelta(days=rules.required("metering_data_days")),
        provisional_result_on=day + timedelta(days=rules.required("provisional_result_days")),
    )


def month_deadlines(
    rules: CalendarRules, calendar: BusinessCalendar, month: int, *, basis_issued_on: date | None = None
) -> MonthDeadlines:
    """Return the deadlines of a month, year x 100 + month.

    :param basis_issued_on: when the basis was issued, None if it was not yet
    :raises CalendarRuleError: if the version does not say
    :raises DeadlineError: if the business days are not known so far
    """
    eve = next_month(date(month // 100, month % 100, 1)) - _ONE_DAY
    basis_on = add_business_days(calendar, eve, rules.required("settlement_basis_business_day"))
    return MonthDeadlines(
        meter_data_on=add_business_days(calendar, eve, rules.required("meter_data_business_day")),
        settlement_basis_on=basis_on,
        objection_until=add_business_days(
            calendar, max(basis_on, basis_issued_on or basis_on), rules.required("objection_business_days")
        ),
    )


def bill_question_until(rules: CalendarRules, calendar: BusinessCalendar, bill_day: date) -> date:
    """Return the last day on which a bill may be questioned.

    :raises CalendarRuleError: if the version does not say
    :raises DeadlineError: if the business days are not known so far
    """
    return add_business_days(calendar, bill_day, rules.required("bill_question_business_days"))


def bill_answer_until(rules: CalendarRules, calendar: BusinessCalendar, question_day: date) -> date:
    """Return the last day on which a question about a bill is answered.

    :raises CalendarRuleError: if the version does not say
    :raises DeadlineError: if the business days are not known so far
    """
    return add_business_days(calendar, question_day, rules.required("bill_answer_business_days"))


def is_correctable(rules: CalendarRules, month: int, today: date) -> bool:
    """Return whether a month may still be corrected: it has begun and lies no further back than the look-back.

    :raises CalendarRuleError: if the version does not say
    """
    return 0 <= months_between(month, month_of(today)) <= rules.required("look_back_months")
