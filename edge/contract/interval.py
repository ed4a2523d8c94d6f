"""Time: UTC seconds, interval numbers, operating days and the labels "00:15".."24:00".

This file alone knows two things: that the operating day is UTC+8, and that a label names the *end* of an interval.
An interval number is UTC seconds // 900; interval k is the half-open period [k * 900, (k + 1) * 900).
"""

from datetime import UTC, date, datetime, timedelta

SECONDS_PER_INTERVAL = 900
INTERVALS_PER_DAY = 96
_COUNTY_OFFSET_S = 8 * 3600
_SECONDS_PER_DAY = 86_400


class LabelError(ValueError):
    """A day or label text that names no operating day or interval."""


def interval_from_utc_s(utc_s: int) -> int:
    """Return the number of the interval that contains the instant `utc_s` (UTC seconds)."""
    return utc_s // SECONDS_PER_INTERVAL


def start_utc_s(interval: int) -> int:
    """Return the instant (UTC seconds) at which the interval starts."""
    return interval * SECONDS_PER_INTERVAL


def end_utc_s(interval: int) -> int:
    """Return the instant (UTC seconds) at which the interval ends, which is the start of the next one."""
    return (interval + 1) * SECONDS_PER_INTERVAL


def first_interval_of_day(day: date) -> int:
    """Return the interval that starts at 00:00 county time (UTC+8) of the operating day."""
    days = (day - date(1970, 1, 1)).days
    return (days * _SECONDS_PER_DAY - _COUNTY_OFFSET_S) // SECONDS_PER_INTERVAL


def day_of_interval(interval: int) -> date:
    """Return the operating day (UTC+8) in which the interval lies."""
    days = (start_utc_s(interval) + _COUNTY_OFFSET_S) // _SECONDS_PER_DAY
    return date(1970, 1, 1) + timedelta(days=days)


def position_in_day(interval: int) -> int:
    """Return the position of the interval in its operating day: 0 (ends 00:15) to 95 (ends 24:00)."""
    return interval - first_interval_of_day(day_of_interval(interval))


def label_of_interval(interval: int) -> str:
    """Return the label of the interval in its operating day, "00:15".."24:00": the county time of its end."""
    minutes = (position_in_day(interval) + 1) * 15
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def interval_from_label(day: date, label: str) -> int:
    """Return the interval of the operating day that ends at `label` ("00:15".."24:00").

    :raises LabelError: if the text is not the end of an interval
    """
    minutes = _minutes(label)
    if minutes == 0:
        raise LabelError(f'"{label}" is a start; the label of the first interval of a day is "00:15"')
    return first_interval_of_day(day) + minutes // 15 - 1


def instant_from_clock_text(day: date, text: str) -> int:
    """Return the instant (UTC seconds) of the county clock time "00:00".."24:00" of the operating day.

    Unlike a label, this names a point in time, as in `--from 10:00 --to 14:00`; quarter-hours only.

    :raises LabelError: if the text is not a quarter-hour of the day
    """
    return start_utc_s(first_interval_of_day(day) + _minutes(text) // 15)


def parse_day(text: str) -> date:
    """Return the operating day written as YYYY-MM-DD.

    :raises LabelError: if the text is no such day
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LabelError(f'"{text}" is not a day; write YYYY-MM-DD') from None


def iso_utc(utc_s: int) -> str:
    """Return the instant as ISO 8601 text in county time, for people and documents."""
    moment = datetime.fromtimestamp(utc_s + _COUNTY_OFFSET_S, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S+08:00")


def _minutes(text: str) -> int:
    hours, colon, rest = text.partition(":")
    well_formed = colon == ":" and len(hours) == 2 and len(rest) == 2 and hours.isdigit() and rest.isdigit()
    if not (well_formed and text.isascii()):
        raise LabelError(f'"{text}" is not a time of day; write HH:MM')
    minutes = int(hours) * 60 + int(rest)
    if int(rest) >= 60 or minutes > 1440 or minutes % 15:
        raise LabelError(f'"{text}" is not a quarter-hour from 00:00 to 24:00')
    return minutes
