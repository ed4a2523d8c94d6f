from hypothesis import given
from hypothesis import strategies as st

from hub.reports.charts import UNIT_LENGTH, Limit, Line, Scale, axis_range, step_chart

FIRST = 1626016  # 2016-05-17 00:00 in the county


def chart(values: list[int | None], first: int = FIRST, **options: object) -> dict:
    scale = options.pop("scale", Scale("kWh", 1_000))
    return step_chart(title="t", first=first, scale=scale, lines=[Line("one", values, "blue")], **options)


@given(st.lists(st.integers(-(10**7), 10**7), max_size=5), st.booleans(), st.integers(0, 10**6))
def test_the_axis_holds_every_value_with_few_round_ticks(values: list[int], around_zero: bool, span_min: int) -> None:
    low, high, step = axis_range(values, Scale("W", 1, around_zero, span_min))
    assert all(low <= value <= high for value in values)
    assert low <= 0 <= high or (values and not around_zero)
    assert low % step == 0
    assert high % step == 0
    assert str(step).rstrip("0") in {"1", "2", "5"}
    assert 1 <= (high - low) // step <= 6
    assert high - low >= span_min


def test_a_constant_still_has_an_axis() -> None:
    assert axis_range([], Scale("W", 1)) == (0, 1, 1)
    assert axis_range([5, 5], Scale("W", 1, around_zero=False)) == (5, 6, 1)


def test_values_become_steps_from_edge_to_edge() -> None:
    made = chart([0, 0, 4_000, 2_000])
    assert made["lines"][0]["paths"] == [[[0, 10000], [5000, 10000], [5000, 0], [7500, 0], [7500, 5000], [10000, 5000]]]
    assert [tick["text"] for tick in made["y_ticks"]] == ["0", "1", "2", "3", "4"]


def test_no_data_is_a_gap_and_never_a_zero() -> None:
    paths = chart([1_000, None, None, 3_000])["lines"][0]["paths"]
    assert [[point[0] for point in path] for path in paths] == [[0, 2500], [7500, 10000]]


def test_an_area_goes_back_along_its_base() -> None:
    line = Line("upper", [3_000, 4_000], "blue", base=[1_000, 2_000], drawn=False)
    made = step_chart(title="t", first=FIRST, scale=Scale("W", 1_000), lines=[line])
    (path,) = made["areas"][0]["paths"]
    heights = [UNIT_LENGTH - height for _, height in path]
    assert heights == [7500, 7500, 10000, 10000, 5000, 5000, 2500, 2500]
    assert made["lines"] == []


def test_everything_drawn_lies_inside_the_plot() -> None:
    made = chart([-7_777, 12_345], limits=[Limit("limit", 20_000)])
    heights = [point[1] for path in made["lines"][0]["paths"] for point in path]
    heights += [made["limits"][0]["at"], made["zero"], *(tick["at"] for tick in made["y_ticks"])]
    assert all(0 <= height <= UNIT_LENGTH for height in heights)


def test_times_of_day_stand_at_the_ends_of_intervals() -> None:
    day = chart([0] * 96, ticks=12)["x_ticks"]
    assert [tick["text"] for tick in day][:3] == ["00:00", "02:00", "04:00"]
    assert day[-1] == {"at": 10000, "text": "24:00"}
    part = chart([0] * 4, first=FIRST + 44, ticks=12)["x_ticks"]
    assert [tick["text"] for tick in part] == ["11:00", "11:15", "11:30", "11:45", "12:00"]
    assert [tick["at"] for tick in part] == [0, 2500, 5000, 7500, 10000]
