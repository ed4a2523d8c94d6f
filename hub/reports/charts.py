"""The report's charts as integers: what the template needs to draw steps over the intervals of a day.

Coordinates are ten-thousandths of the plot's width (from the left) and height (from the top); no float is involved,
so the same figures give the same bytes. Lines differ by tone and by stroke, so that a grey print can be read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge.contract.interval import INTERVALS_PER_DAY, position_in_day
from hub.reports.number_text import decimal_text

Values = Sequence[int | None]
Points = list[list[int]]

UNIT_LENGTH = 10_000
MINUTES_PER_INTERVAL = 15
TICK_MINUTES = (15, 30, 60, 120, 180, 240, 360)
STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Line:
    """One line: its name in the legend and a value for each interval; None leaves a gap.

    tone: a tone of the template ("blue", "amber", "grey", "red", ...). stroke: a dash pattern of the template.
    base: what the area below the line begins at, one value for each interval; None draws no area.
    drawn: whether the line itself is drawn (an area of a stack has none).
    """

    name: str
    values: Values
    tone: str
    stroke: str = "solid"
    base: Values | None = None
    drawn: bool = True


@dataclass(frozen=True)
class Limit:
    """A value that is drawn across the whole chart, with its name in the legend."""

    name: str
    value: int


@dataclass(frozen=True)
class Scale:
    """How values are written at the axis: value / `per_unit`, and the unit's name. per_unit: a power of ten.

    around_zero: whether the axis must show 0. span_min: the axis shows at least this range.
    """

    unit: str
    per_unit: int
    around_zero: bool = True
    span_min: int = 0


def step_chart(
    *, title: str, first: int, scale: Scale, lines: Sequence[Line], limits: Sequence[Limit] = (), ticks: int = 12
) -> dict[str, Any]:
    """Return the chart as the template reads it.

    :param first: the interval of every line's first value
    :param ticks: at most how many times of day are written below
    """
    low, high, step = axis_range(_all_values(lines, limits), scale)
    count = max((len(line.values) for line in lines), default=0)
    return {
        "title": title,
        "unit": scale.unit,
        "y_ticks": [
            {"at": _height(value, low, high), "text": text} for value, text in _y_ticks(low, high, step, scale)
        ],
        "x_ticks": _x_ticks(first, count, ticks),
        "zero": _height(0, low, high) if low < 0 < high else None,
        "areas": [_areas(line, count, low, high) for line in lines if line.base is not None],
        "lines": [_line(line, count, low, high) for line in lines if line.drawn],
        "limits": [{"name": limit.name, "at": _height(limit.value, low, high)} for limit in limits],
        "legend": [
            {"name": line.name, "tone": line.tone, "stroke": line.stroke, "drawn": line.drawn} for line in lines
        ],
    }


def axis_range(values: Sequence[int], scale: Scale) -> tuple[int, int, int]:
    """Return the axis's lowest and highest value and the step between its ticks: a round number, three to six of them.

    :param values: everything that must be seen
    """
    shown = [*values, 0] if scale.around_zero or not values else list(values)
    low, high = min(shown), max(shown)
    span = max(high - low, scale.span_min, 1)
    magnitude = 1
    while True:
        for factor in STEPS:
            step = factor * magnitude
            if step * 4 >= span:
                lowest, highest = low // step * step, -(-high // step) * step
                return lowest, max(highest, lowest + max(step, -(-scale.span_min // step) * step)), step
        magnitude *= 10


def _all_values(lines: Sequence[Line], limits: Sequence[Limit]) -> list[int]:
    values = [value for line in lines for value in line.values if value is not None]
    return values + [limit.value for limit in limits]


def _height(value: int, low: int, high: int) -> int:
    kept = min(max(value, low), high)
    span = high - low
    return (2 * (high - kept) * UNIT_LENGTH + span) // (2 * span)


def _y_ticks(low: int, high: int, step: int, scale: Scale) -> Iterator[tuple[int, str]]:
    digits = 0
    while step * 10**digits % scale.per_unit:
        digits += 1
    for value in range(low, high + 1, step):
        yield value, decimal_text(value, scale=scale.per_unit, digits=digits)


def _x_ticks(first: int, count: int, ticks: int) -> list[dict[str, Any]]:
    """Return clock times at round minutes of the day; the end of an interval is where the next one starts."""
    start = position_in_day(first) * MINUTES_PER_INTERVAL
    end = start + count * MINUTES_PER_INTERVAL
    every = next((one for one in TICK_MINUTES if (end - start) // one <= ticks), TICK_MINUTES[-1])
    return [
        {"at": (minutes - start) * UNIT_LENGTH // max(end - start, 1), "text": _clock(minutes)}
        for minutes in range(-(-start // every) * every, end + 1, every)
    ]


def _clock(minutes: int) -> str:
    day = INTERVALS_PER_DAY * MINUTES_PER_INTERVAL
    shown = minutes if minutes <= day else minutes - day
    return f"{shown // 60:02d}:{shown % 60:02d}"


def _line(line: Line, count: int, low: int, high: int) -> dict[str, Any]:
    paths = [_steps(line.values, run, count, low, high) for run in _runs(line.values)]
    return {"tone": line.tone, "stroke": line.stroke, "paths": paths}


def _areas(line: Line, count: int, low: int, high: int) -> dict[str, Any]:
    assert line.base is not None
    paths = []
    for run in _runs(line.values):
        upper = _steps(line.values, run, count, low, high)
        lower = _steps(line.base, run, count, low, high)
        paths.append(upper + lower[::-1])
    return {"tone": line.tone, "paths": paths, "stacked": not line.drawn}


def _runs(values: Values) -> Iterator[range]:
    """Yield the positions of each stretch of values without a gap."""
    start: int | None = None
    for position, value in enumerate([*values, None]):
        if value is not None and start is None:
            start = position
        if value is None and start is not None:
            yield range(start, position)
            start = None


def _steps(values: Values, run: range, count: int, low: int, high: int) -> Points:
    points: Points = []
    for position in run:
        height = _height(values[position] or 0, low, high)
        for edge in (position, position + 1):
            point = [edge * UNIT_LENGTH // count, height]
            if len(points) >= 2 and points[-1][1] == points[-2][1] == height:
                points[-1] = point  # one straight stroke for a value that stays
            else:
                points.append(point)
    return points
