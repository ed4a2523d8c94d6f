"""Calendars: the rows' examples, and what a calendar must not be."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.interval import interval_from_label, position_in_day
from hub.settlement.provinces.documents import (
    CalendarRow,
    CalendarScope,
    ClockPeriod,
    DayPatternRow,
    HolidayRow,
    HolidayYear,
    OverlayRow,
)
from hub.settlement.provinces.keys import DayType, Holiday, Mark, PeriodKind, TariffType
from hub.settlement.provinces.library import Library
from hub.settlement.tariffs.calendar_filing import (
    CalendarFiling,
    FilingAction,
    FilingRefusal,
    FilingState,
    FilingStep,
    StepRefused,
    StepTaken,
    take_step,
)
from hub.settlement.tariffs.tou_calendar import (
    CalendarBook,
    CalendarError,
    TariffUser,
    book_of_library,
    calendar_book,
    calendar_for,
    calendar_of_row,
    day_periods,
    energy_by_kind_wh,
    quarter_hours_by_kind,
)

RowCase = Callable[[str], tuple[Any, Any]]
ALL_MONTHS = tuple(range(1, 13))
USER = TariffUser("10(20)kV", TariffType.TWO_PART, "industrial", 630_000)


def clock(position: int) -> str:
    return f"{position // 4:02d}:{position % 4 * 15:02d}"


def around(*stretches: tuple[str, str, str]) -> tuple[ClockPeriod, ...]:
    """The stretches, and flat for the rest of the day."""
    periods, last = [], "00:00"
    for kind, start, until in sorted(stretches, key=lambda one: one[1]):
        periods += [ClockPeriod("FLAT", last, start)] if last < start else []
        periods.append(ClockPeriod(kind, start, until))
        last = until
    return (*periods, *([ClockPeriod("FLAT", last, "24:00")] if last < "24:00" else []))


def calendar(calendar_id: str = "c", periods: tuple[ClockPeriod, ...] | None = None, **changes: Any) -> CalendarRow:
    patterns = (DayPatternRow(months=ALL_MONTHS, periods=around() if periods is None else periods),)
    fields: dict[str, Any] = {
        "calendar_id": calendar_id,
        "document": "No. 1",
        "source": "gazette",
        "mark": Mark.SOURCE,
        "effective_from": date(2024, 1, 1),
        "publicised_as": "notice 1",
        "patterns": patterns,
    }
    return CalendarRow(**(fields | changes))


def overlay(overlay_id: str, start: str, until: str) -> OverlayRow:
    return OverlayRow(
        overlay_id=overlay_id,
        document="No. 2",
        source="gazette",
        mark=Mark.SOURCE,
        effective_from=date(2024, 1, 1),
        holidays=(Holiday.LABOUR_DAY,),
        periods=(ClockPeriod("DEEP_VALLEY", start, until),),
    )


def kind_at(book: CalendarBook, day: date, label: str, user: TariffUser = USER) -> str:
    position = position_in_day(interval_from_label(day, label))
    return PeriodKind(int(day_periods(book, user, day).kinds[position])).name


def test_row_65_periods_of_liaoning_by_the_end_of_the_interval(row_case: RowCase) -> None:
    case, expected = row_case("TOU-01")
    peaks = [("PEAK", start, until) for start, until in case["peaks"]]
    book, day = calendar_book("liaoning", [calendar(periods=around(*peaks))]), date.fromisoformat(case["day"])
    found = {label: kind_at(book, day, label) for label in expected["kind_at_label"]}
    assert found == expected["kind_at_label"]
    short = calendar("short", (*around(*peaks)[:-1], ClockPeriod("FLAT", "12:00", "23:30")))
    with pytest.raises(CalendarError, match=r"row 65 on 2024-01-01: short covers 23 h 30 min .* nothing at 23:30"):
        calendar_of_row(short)


@pytest.mark.parametrize(
    ("periods", "what"),
    [
        ((ClockPeriod("FLAT", "00:00", "12:15"), ClockPeriod("PEAK", "12:00", "24:00")), "overlaps"),
        ((ClockPeriod("FLAT", "00:00", "12:10"), ClockPeriod("PEAK", "12:10", "24:00")), "quarter-hour"),
        ((ClockPeriod("FLAT", "22:00", "06:00"), ClockPeriod("PEAK", "06:00", "22:00")), "no stretch"),
        ((ClockPeriod("NOON", "00:00", "24:00"),), "no kind"),
        ((), "covers 0 h"),
    ],
)
def test_a_day_that_is_not_covered_once_is_refused(periods: tuple[ClockPeriod, ...], what: str) -> None:
    with pytest.raises(CalendarError, match=what):
        calendar_of_row(calendar(periods=periods))


def test_months_and_day_types_are_each_covered_once() -> None:
    for patterns in (
        (DayPatternRow(months=ALL_MONTHS[:-1], periods=around()),),
        (DayPatternRow(months=ALL_MONTHS, periods=around()), DayPatternRow(months=(7,), periods=around())),
        (DayPatternRow(months=ALL_MONTHS, day_types=(DayType.WORKDAY, DayType.WEEKEND), periods=around()),),
        (DayPatternRow(months=(*ALL_MONTHS, 13), periods=around()),),
    ):
        with pytest.raises(CalendarError, match="row 65"):
            calendar_of_row(calendar(patterns=patterns))


def test_row_71_deep_valley_on_holidays(row_case: RowCase, library: Library) -> None:
    case, expected = row_case("TOU-07")
    name, first, until = case["holiday"]
    year = HolidayYear(
        2024, (HolidayRow(Holiday(name), date.fromisoformat(first), date.fromisoformat(until), "No. 3"),)
    )
    day = date.fromisoformat(case["day"])
    for province in ("zhejiang", "jiangsu"):
        book = calendar_book(province, [calendar()], library.overlays[province], [year])
        quarter_hour_later = [f"{text[:3]}15" for text in case["clock"]]  # the interval that begins at the clock time
        assert [kind_at(book, day, label) for label in quarter_hour_later] == expected[province]
        assert set(day_periods(book, USER, day).kinds[:40].tolist()) == {int(PeriodKind.FLAT)}
        assert not np.any(day_periods(book, USER, date(2024, 5, 6)).kinds == PeriodKind.DEEP_VALLEY)
        assert len(day_periods(book, USER, day).version_ids) == 2


def test_holidays_that_are_not_loaded_are_refused_only_where_they_matter() -> None:
    day = date(2024, 5, 1)
    assert kind_at(calendar_book("P", [calendar()]), day, "12:00") == "FLAT"
    with pytest.raises(CalendarError, match="row 71 on 2024-05-01: no holidays of 2024"):
        day_periods(calendar_book("P", [calendar()], [overlay("o", "10:00", "14:00")]), USER, day)


def test_day_types_follow_the_announced_holidays_and_worked_weekends() -> None:
    def pattern(day_type: DayType, kind: str) -> DayPatternRow:
        periods = (ClockPeriod(kind, "00:00", "24:00"),)
        return DayPatternRow(months=ALL_MONTHS, day_types=(day_type,), periods=periods)

    kinds = {DayType.WORKDAY: "PEAK", DayType.WEEKEND: "FLAT", DayType.HOLIDAY: "VALLEY"}
    row = calendar(patterns=tuple(pattern(day_type, kind) for day_type, kind in kinds.items()))
    holiday = HolidayRow(Holiday.NATIONAL_DAY, date(2024, 10, 1), date(2024, 10, 8), "No. 3")
    book = calendar_book("P", [row], holiday_years=[HolidayYear(2024, (holiday,), (date(2024, 10, 12),))])
    days = {
        date(2024, 10, 7): "VALLEY",
        date(2024, 10, 8): "PEAK",
        date(2024, 10, 12): "PEAK",
        date(2024, 10, 13): "FLAT",
    }
    assert {day: kind_at(book, day, "00:15") for day in days} == days


def test_row_72_new_periods_for_35_kv_only_and_not_for_settled_days(row_case: RowCase) -> None:
    case, expected = row_case("TOU-08")
    change_from = date.fromisoformat(case["change_from"])
    new = calendar(
        "new",
        around(("SHARP", "20:00", "22:00")),
        effective_from=change_from,
        replaces="old",
        scope=CalendarScope(voltage_classes=tuple(case["classes"])),
        publicised_as="",
    )
    with pytest.raises(CalendarError, match="row 163"):
        calendar_book("guangxi", [calendar("old"), new])
    filing = CalendarFiling(new)
    for step in (
        FilingStep(FilingAction.FILE, date(2026, 7, 1), "filing 7"),
        FilingStep(FilingAction.PUBLICISE, date(2026, 7, 3), "notice 7"),
    ):
        taken = take_step(filing, step, first_unsettled_day=change_from)
        assert isinstance(taken, StepTaken)
        filing = taken.filing
    enact = FilingStep(FilingAction.ENACT, date(2026, 7, 12))
    settled_until = date.fromisoformat(expected["refused_when_settled_until"])
    late = take_step(filing, enact, first_unsettled_day=settled_until)
    assert isinstance(late, StepRefused)
    assert late.reason is FilingRefusal.ALREADY_SETTLED
    taken = take_step(filing, enact, first_unsettled_day=change_from)
    assert isinstance(taken, StepTaken)
    book = calendar_book("guangxi", [calendar("old"), taken.filing.calendar])
    for voltage_class, names in expected["calendar"].items():
        user = TariffUser(voltage_class, TariffType.TWO_PART, "industrial", 5_000_000)
        days = [date.fromisoformat(day) for day in case["days"]]
        assert [calendar_for(book, user, day).calendar_id for day in days] == names


def test_row_73_sharp_hours_only_for_the_class_that_has_them(row_case: RowCase) -> None:
    case, expected = row_case("TOU-09")
    scope = CalendarScope(user_classes=("industrial",), tariff_types=(TariffType.TWO_PART,), capacity_min_va=315_000)
    start, until = case["sharp_from"]
    sharp = calendar("sharp", around(("SHARP", start, until)), replaces="general", scope=scope)
    book = calendar_book("anhui", [calendar("general"), sharp])
    users = [TariffUser("10(20)kV", TariffType(kind), name, va) for va, kind, name in case["users"]]
    kinds = [day_periods(book, user, date(2024, 7, 1)).kinds for user in users]
    assert [bool((one == PeriodKind.SHARP).any()) for one in kinds] == expected["has_sharp"]
    below = TariffUser("10(20)kV", TariffType.TWO_PART, "industrial", 314_999)
    assert calendar_for(book, below, date(2024, 7, 1)).calendar_id == "general"


def test_no_calendar_or_two_are_refused() -> None:
    ended = calendar("a", effective_to=date(2024, 6, 1))
    with pytest.raises(CalendarError, match="row 65 on 2024-06-01: no calendar holds"):
        calendar_for(calendar_book("P", [ended]), USER, date(2024, 6, 1))
    with pytest.raises(CalendarError, match="row 73 on 2024-02-01: a and b both hold"):
        calendar_for(calendar_book("P", [ended, calendar("b")]), USER, date(2024, 2, 1))
    with pytest.raises(CalendarError, match="stands twice"):
        calendar_book("P", [ended, ended])


def test_row_163_no_step_is_left_out(row_case: RowCase) -> None:
    _, expected = row_case("DIS-05")
    free = date(2024, 1, 1)
    draft = CalendarFiling(calendar(publicised_as="", effective_from=date(2024, 2, 1)))

    def step(filing: CalendarFiling, action: FilingAction, day: int, record: str = "r") -> StepTaken | StepRefused:
        return take_step(filing, FilingStep(action, date(2024, 2, day), record), first_unsettled_day=free)

    def reason(outcome: StepTaken | StepRefused) -> str:
        assert isinstance(outcome, StepRefused)
        return outcome.reason.value

    assert reason(step(draft, FilingAction.ENACT, 1)) == expected["without_notice"]
    assert reason(step(draft, FilingAction.FILE, 1, " ")) == "no-record"
    filed = step(draft, FilingAction.FILE, 2)
    assert isinstance(filed, StepTaken)
    assert reason(step(filed.filing, FilingAction.ENACT, 3)) == expected["without_notice"]
    assert reason(step(filed.filing, FilingAction.PUBLICISE, 1)) == "time-runs-back"
    publicised = step(filed.filing, FilingAction.PUBLICISE, 3)
    assert isinstance(publicised, StepTaken)
    # its first day lies before the notice
    assert reason(step(publicised.filing, FilingAction.ENACT, 4)) == expected["refused"]
    later = msgspec.structs.replace(publicised.filing.calendar, effective_from=date(2024, 2, 3))
    enacted = step(CalendarFiling(later, FilingState.PUBLICISED, date(2024, 2, 3)), FilingAction.ENACT, 4)
    assert isinstance(enacted, StepTaken)
    assert enacted.filing.state is FilingState.EFFECTIVE
    assert reason(step(enacted.filing, FilingAction.WITHDRAW, 5)) == "wrong-state"
    assert enacted.filing.calendar.filed_as == enacted.filing.calendar.publicised_as == "r"


def test_hubei_periods_are_the_published_hours(library: Library) -> None:
    book = book_of_library(library, "hubei")
    winter, summer = (day_periods(book, USER, date(2026, month, 5)).kinds for month in (1, 7))
    hours = {"SHARP": 8, "PEAK": 24, "FLAT": 32, "VALLEY": 32, "DEEP_VALLEY": 0}
    for kinds in (winter, summer):
        assert {kind.name: count for kind, count in quarter_hours_by_kind(kinds).items()} == hours
    assert [PeriodKind(int(winter[hour * 4])).name for hour in (0, 6, 12, 14, 16, 18, 20)] == [
        *("VALLEY", "FLAT", "VALLEY", "FLAT", "PEAK", "SHARP", "PEAK"),
    ]
    assert [PeriodKind(int(summer[hour * 4])).name for hour in (16, 19, 20, 22)] == ["PEAK", "PEAK", "SHARP", "PEAK"]


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 95), max_size=8),
    kinds=st.lists(st.sampled_from(list(PeriodKind)), min_size=9, max_size=9),
    dropped=st.integers(0, 8),
    energy=st.lists(st.integers(0, 5), min_size=96, max_size=96),
)
def test_a_calendar_covers_each_day_once_and_energy_is_neither_lost_nor_doubled(
    cuts: set[int], kinds: list[PeriodKind], dropped: int, energy: list[int]
) -> None:
    ends = [0, *sorted(cuts), 96]
    periods = tuple(
        ClockPeriod(kind.name, clock(start), clock(until))
        for kind, start, until in zip(kinds, ends[:-1], ends[1:], strict=False)
    )
    book = calendar_book("P", [calendar(periods=periods)])
    day = day_periods(book, USER, date(2024, 3, 3))
    hours = quarter_hours_by_kind(day.kinds)
    assert sum(hours.values()) == 96
    column = np.array([energy], np.int64)
    by_kind = energy_by_kind_wh(column, day.kinds)[0].tolist()
    assert sum(by_kind) == sum(energy)
    assert by_kind == [
        sum(wh for wh, one in zip(energy, day.kinds.tolist(), strict=True) if one == kind) for kind in PeriodKind
    ]
    for kind, start, until in zip(kinds, ends[:-1], ends[1:], strict=False):
        assert set(day.kinds[start:until].tolist()) == {int(kind)}
    spoilt = (*periods[: dropped % len(periods)], *periods[dropped % len(periods) + 1 :])
    for wrong in (spoilt, (*periods, periods[0])):
        with pytest.raises(CalendarError):
            calendar_of_row(calendar(periods=wrong))
