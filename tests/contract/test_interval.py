"""Labels name the end of an interval, the day is UTC+8: 00:15, 24:00 and the day border."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import interval as iv

DAY = date(2016, 5, 17)
COUNTY_TIME = timezone(timedelta(hours=8))
days = st.dates(date(1970, 1, 2), date(2200, 1, 1))
positions = st.integers(0, 95)


def test_the_day_begins_at_sixteen_hours_utc_of_the_day_before():
    first = iv.first_interval_of_day(DAY)
    assert iv.start_utc_s(first) == datetime(2016, 5, 16, 16, 0, tzinfo=UTC).timestamp()
    assert iv.label_of_interval(first) == "00:15"
    assert iv.label_of_interval(first + 95) == "24:00"
    assert iv.day_of_interval(first + 95) == DAY
    assert iv.day_of_interval(first + 96) == DAY + timedelta(days=1)
    assert iv.day_of_interval(first - 1) == DAY - timedelta(days=1)
    assert iv.label_of_interval(first - 1) == "24:00"


def test_an_interval_is_half_open():
    first = iv.first_interval_of_day(DAY)
    start_s = iv.start_utc_s(first)
    assert iv.interval_from_utc_s(start_s) == first
    assert iv.interval_from_utc_s(start_s - 1) == first - 1
    assert iv.interval_from_utc_s(start_s + 899) == first
    assert iv.end_utc_s(first) == start_s + 900 == iv.start_utc_s(first + 1)


@given(days, positions)
def test_a_label_leads_back_to_its_interval(day, position):
    interval = iv.first_interval_of_day(day) + position
    assert iv.interval_from_label(day, iv.label_of_interval(interval)) == interval
    assert iv.position_in_day(interval) == position
    assert iv.day_of_interval(interval) == day


@given(st.integers(-(10**9), 5 * 10**9))
def test_day_and_label_agree_with_the_calendar(utc_s):
    interval = iv.interval_from_utc_s(utc_s)
    moment = datetime.fromtimestamp(utc_s, COUNTY_TIME)
    assert iv.day_of_interval(interval) == moment.date()
    ends_in = (moment.hour * 60 + moment.minute) // 15 * 15 + 15
    assert iv.label_of_interval(interval) == f"{ends_in // 60:02d}:{ends_in % 60:02d}"
    assert iv.iso_utc(utc_s) == moment.isoformat()


@given(days, positions)
def test_a_clock_text_is_the_start_and_a_label_the_end(day, position):
    text = f"{position // 4:02d}:{position % 4 * 15:02d}"
    assert iv.instant_from_clock_text(day, text) == iv.start_utc_s(iv.first_interval_of_day(day) + position)
    if position:
        assert iv.end_utc_s(iv.interval_from_label(day, text)) == iv.instant_from_clock_text(day, text)


def test_midnight_is_the_end_of_one_day_and_the_start_of_the_next():
    assert iv.instant_from_clock_text(DAY, "24:00") == iv.instant_from_clock_text(DAY + timedelta(days=1), "00:00")
    with pytest.raises(iv.LabelError, match="start"):
        iv.interval_from_label(DAY, "00:00")


@pytest.mark.parametrize(
    "text",
    ["", "24:15", "12:07", "25:00", "1:15", "01:60", "-1:15", "00:150", "0015", "aa:bb", "٠٠:١٥", "12:15 ", "²4:00"],
)
def test_what_is_no_label_is_refused(text):
    with pytest.raises(iv.LabelError):
        iv.interval_from_label(DAY, text)
    with pytest.raises(iv.LabelError):
        iv.instant_from_clock_text(DAY, text)


def test_days_are_written_in_one_way():
    assert iv.parse_day("2016-05-17") == DAY
    for text in ("2016-02-30", "17.5.2016", "", "today"):
        with pytest.raises(iv.LabelError, match="YYYY-MM-DD"):
            iv.parse_day(text)
