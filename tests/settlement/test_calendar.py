"""The settlement calendar: the days of outside-rules section 9, and a month's way to being final."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.listing.session_calendar import BusinessCalendar
from hub.settlement.calendar.deadlines import (
    DeadlineError,
    MonthDeadlines,
    add_business_days,
    bill_answer_until,
    bill_question_until,
    day_deadlines,
    is_correctable,
    month_deadlines,
)
from hub.settlement.calendar.month_cycle import (
    FINAL,
    TRANSITIONS,
    CycleRefusal,
    MonthCycle,
    PartEvent,
    PartState,
    answer_basis,
    book_agreed,
    check_cycle,
    end_window,
    issue_basis,
    open_cycle,
)
from hub.settlement.calendar.rules import (
    CalendarRuleError,
    CalendarRules,
    calendar_rules_in_force,
    decode_calendar_rules,
    published_calendar_rules,
)

SHAANXI = calendar_rules_in_force(published_calendar_rules(), province="shaanxi", day=date(2026, 3, 1))
# made up where it matters here: May Day is off to 5 May, Saturday 9 May is worked
BUSINESS = BusinessCalendar(
    first_day=date(2026, 1, 1),
    last_day=date(2026, 12, 31),
    holidays=(date(2026, 5, 1), date(2026, 5, 4), date(2026, 5, 5)),
    working_days=(date(2026, 5, 9),),
)
BASIS = MonthDeadlines(date(2026, 5, 6), date(2026, 5, 11), date(2026, 5, 12))


def test_the_daily_results_of_an_operating_day_follow_on_d_1_and_d_6() -> None:
    found = day_deadlines(SHAANXI, date(2026, 4, 30))
    assert (found.metering_data_on, found.provisional_result_on) == (date(2026, 5, 1), date(2026, 5, 6))


def test_the_months_basis_comes_on_business_days_of_the_next_month() -> None:
    # 1 to 5 May are off: the first business day is Wednesday the 6th, then 7, 8, the worked Saturday 9, Monday 11
    assert month_deadlines(SHAANXI, BUSINESS, 202604) == BASIS
    # June begins on a Monday: business days 1, 2, 3, 4, 5, and the window ends on Monday the 8th
    june = month_deadlines(SHAANXI, BUSINESS, 202605)
    assert june == MonthDeadlines(date(2026, 6, 1), date(2026, 6, 5), date(2026, 6, 8))


def test_a_bill_may_be_questioned_for_15_business_days_and_is_answered_in_5() -> None:
    assert bill_question_until(SHAANXI, BUSINESS, date(2026, 6, 10)) == date(2026, 7, 1)
    assert bill_answer_until(SHAANXI, BUSINESS, date(2026, 7, 1)) == date(2026, 7, 8)


def test_a_month_may_be_corrected_for_six_months() -> None:
    days = (date(2026, 3, 31), date(2026, 4, 1), date(2026, 10, 31), date(2026, 11, 1))
    assert [is_correctable(SHAANXI, 202604, day) for day in days] == [False, True, True, False]


def test_business_days_that_are_not_published_are_refused() -> None:
    with pytest.raises(DeadlineError, match="2027-01-01: load the business days of 2027"):
        add_business_days(BUSINESS, date(2026, 12, 30), 2)


@given(st.dates(date(2026, 1, 1), date(2026, 6, 30)), st.integers(1, 20), st.integers(1, 20))
def test_business_days_add_up(day: date, one: int, other: int) -> None:
    at_once = add_business_days(BUSINESS, day, one + other)
    assert add_business_days(BUSINESS, add_business_days(BUSINESS, day, one), other) == at_once


def document(**changes: Any) -> dict[str, Any]:
    fields = {"version_id": "v1", "province": "p", "effective_from": "2026-01-01", "document": "d", "source": "s"}
    return fields | changes


def test_versions_are_of_their_days() -> None:
    texts = [
        document(effective_to="2026-07-01", look_back_months=6),
        document(version_id="v2", effective_from="2026-07-01", look_back_months=3),
    ]
    versions = decode_calendar_rules(json.dumps(texts).encode())
    for day, months in ((date(2026, 6, 30), 6), (date(2026, 7, 1), 3)):
        found = calendar_rules_in_force(versions, province="p", day=day)
        assert found.required("look_back_months") == months
    with pytest.raises(CalendarRuleError, match="2025-12-31: no settlement calendar of province 'p'; load"):
        calendar_rules_in_force(versions, province="p", day=date(2025, 12, 31))
    with pytest.raises(CalendarRuleError, match="'v1' of 'p': load objection_business_days"):
        month_deadlines(
            CalendarRules(
                **(document(effective_from=date(2026, 1, 1))),
                settlement_basis_business_day=5,
                meter_data_business_day=1,
            ),
            BUSINESS,
            202604,
        )


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([document(), document()], "the version id stands twice"),
        ([document(), document(version_id="v2")], "in force together with 'v1'"),
        ([document(effective_to="2026-01-01")], "before it begins"),
        ([document(document="")], "load it with version_id, document and source"),
        ([document(look_back_months=0)], "look_back_months"),
        ([document(look_back=6)], "look_back"),
        ({}, "not a settlement calendar"),
    ],
)
def test_wrong_versions_are_refused(texts: Any, words: str) -> None:
    with pytest.raises(CalendarRuleError, match=words):
        decode_calendar_rules(json.dumps(texts).encode())


# --- a month's way ---


def issued() -> MonthCycle:
    return issue_basis(open_cycle(202604, BASIS, {"U1": -500, "U2": 300, "S": 200}), BASIS.settlement_basis_on)


def test_silence_is_consent_and_a_dispute_moves_to_the_next_cycle() -> None:
    cycle = answer_basis(issued(), "U1", 202604, PartEvent.OBJECT, BASIS.objection_until)
    cycle = answer_basis(cycle, "S", 202604, PartEvent.CONSENT, BASIS.settlement_basis_on)
    cycle = book_agreed(end_window(cycle, date(2026, 5, 13)))
    states = {part.account: part.state for part in cycle.parts.values()}
    assert states == {"U1": PartState.CARRIED_OVER, "U2": PartState.BOOKED, "S": PartState.BOOKED}
    assert cycle.refused == ()
    assert check_cycle(cycle, {"U1": -500, "U2": 300, "S": 200}, 0) == []
    carried = cycle.in_state(PartState.CARRIED_OVER)
    june = month_deadlines(SHAANXI, BUSINESS, 202605)
    following = issue_basis(open_cycle(202605, june, {"U1": -40}, carried), june.settlement_basis_on)
    following = book_agreed(end_window(following, date(2026, 6, 9)))
    booked = following.in_state(PartState.BOOKED)
    assert [(part.month, part.amount_nano_yuan) for part in booked] == [(202604, -500), (202605, -40)]
    assert check_cycle(following, {"U1": -40}, -500) == []


def test_what_comes_too_early_too_late_or_out_of_turn_moves_nothing_and_is_kept() -> None:
    fresh = open_cycle(202604, BASIS, {"U1": -500})
    early = issue_basis(fresh, date(2026, 5, 10))
    assert early.parts == fresh.parts
    before = answer_basis(early, "U1", 202604, PartEvent.OBJECT, date(2026, 5, 10))
    cycle = issue_basis(before, BASIS.settlement_basis_on)
    cycle = end_window(cycle, BASIS.objection_until)
    assert cycle.in_state(PartState.ISSUED) != ()
    cycle = answer_basis(cycle, "nobody", 202604, PartEvent.OBJECT, BASIS.objection_until)
    cycle = answer_basis(cycle, "U1", 202604, PartEvent.OBJECT, date(2026, 5, 13))
    assert [(one.account, one.event, one.reason) for one in cycle.refused] == [
        ("U1", PartEvent.ISSUE, CycleRefusal.TOO_EARLY),
        ("U1", PartEvent.OBJECT, CycleRefusal.NOT_IN_THIS_STATE),
        ("U1", PartEvent.SILENCE, CycleRefusal.TOO_EARLY),
        ("nobody", PartEvent.OBJECT, CycleRefusal.UNKNOWN_ACCOUNT),
        ("U1", PartEvent.OBJECT, CycleRefusal.WINDOW_ENDED),
    ]


def test_every_state_but_the_final_one_has_a_way_on_and_every_state_is_reached() -> None:
    assert {state for state, _ in TRANSITIONS} == set(PartState) - FINAL
    assert set(TRANSITIONS.values()) == set(PartState) - {PartState.PROVISIONAL}
    assert {event for _, event in TRANSITIONS} == set(PartEvent)


answers = st.tuples(
    st.sampled_from(["U1", "U2", "S", "nobody"]),
    st.sampled_from([PartEvent.CONSENT, PartEvent.OBJECT]),
    st.integers(8, 16),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(answers, max_size=8))
def test_no_part_is_lost_whatever_is_said(said: list[tuple[str, PartEvent, int]]) -> None:
    amounts = {"U1": -500, "U2": 300, "S": 200}
    cycle = issued()
    for account, event, day in sorted(said, key=lambda one: one[2]):
        cycle = answer_basis(cycle, account, 202604, event, date(2026, 5, day))
    cycle = book_agreed(end_window(cycle, date(2026, 5, 17)))
    assert check_cycle(cycle, amounts, 0) == []
    assert {part.state for part in cycle.parts.values()} <= {PartState.BOOKED, PartState.CARRIED_OVER}
    objected = {account for account, event, day in said if event is PartEvent.OBJECT and day <= 12}
    assert {part.account for part in cycle.in_state(PartState.CARRIED_OVER)} <= objected


def test_a_lost_part_is_found() -> None:
    cycle = open_cycle(202604, BASIS, {"U1": -500})
    assert [v.what for v in check_cycle(cycle, {"U1": -500, "S": 5}, 0)] == [
        "parts sum to -500, -495 nano-yuan settled",
        "account S has no part",
    ]
