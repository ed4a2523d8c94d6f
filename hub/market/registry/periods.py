"""Half-open periods of days, and values that change on days: what every dated record of the registry is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, TypeVar

import msgspec

ValueT = TypeVar("ValueT")


class Period(msgspec.Struct, frozen=True):
    """Days from `from_day` up to and without `until_day`; None: open-ended."""

    from_day: date
    until_day: date | None = None

    def holds(self, day: date) -> bool:
        """Return whether the day lies in the period."""
        return self.from_day <= day and (self.until_day is None or day < self.until_day)

    def overlaps(self, other: "Period") -> bool:
        """Return whether the two have a day in common."""
        starts_before_end = other.until_day is None or self.from_day < other.until_day
        return starts_before_end and (self.until_day is None or other.from_day < self.until_day)

    def is_empty(self) -> bool:
        """Return whether the period ends on or before its first day."""
        return self.until_day is not None and self.until_day <= self.from_day


@dataclass(frozen=True)
class Timeline(Generic[ValueT]):
    """A value that changes on days. changes: (first day, value), days ascending and unique."""

    changes: tuple[tuple[date, ValueT], ...] = ()

    def on(self, day: date) -> ValueT | None:
        """Return the value on the day, None before the first change."""
        return next((value for first_day, value in reversed(self.changes) if first_day <= day), None)

    def last_change(self) -> date | None:
        """Return the first day of the newest value, None if there is none."""
        return self.changes[-1][0] if self.changes else None

    def changed(self, first_day: date, value: ValueT) -> "Timeline[ValueT]":
        """Return the timeline with `value` from `first_day` on; a value of the same day is replaced.

        What was valid before `first_day` stays as it was, so results of earlier days do not change.
        """
        last_change = self.last_change()
        assert last_change is None or first_day >= last_change, "changes come in order"
        kept = self.changes[:-1] if last_change == first_day else self.changes
        return Timeline((*kept, (first_day, value)))

    def periods(self) -> Iterator[tuple[Period, ValueT]]:
        """Yield each value with the days on which it holds."""
        ends = [*(first_day for first_day, _ in self.changes), None][1:]
        for (first_day, value), end in zip(self.changes, ends, strict=True):
            yield Period(first_day, end), value


def is_first_of_month(day: date) -> bool:
    """Return whether the day is the first of a month."""
    return day.day == 1


def next_month(day: date) -> date:
    """Return the first day of the month after the day's."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
