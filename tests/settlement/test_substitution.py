"""Substitution by named rules: each rule worked by hand, their order and dates, late data, and law 4 on any gaps."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.interval import first_interval_of_day
from hub.settlement.metering import MISSING
from hub.settlement.substitution.evidence import area_balance_wh, same_area_output_wh, similar_day_wh
from hub.settlement.substitution.late_readings import (
    LateReadingError,
    check_substituted,
    correct_late,
    with_late_readings,
)
from hub.settlement.substitution.rules import (
    DayKind,
    GapRule,
    SubstitutionRuleError,
    SubstitutionRules,
    rules_in_force,
)
from hub.settlement.substitution.series import MeterSeries, SubstitutedSeries, no_estimates, substitute

DAY = date(2026, 3, 2)
RULES = SubstitutionRules(
    version_id="test-2026",
    province="test",
    effective_from=date(2026, 1, 1),
    effective_to=date(2027, 1, 1),
    document="test rules",
    order=(GapRule.PV_DARK, GapRule.INTERPOLATION, GapRule.SIMILAR_DAY, GapRule.SAME_AREA_OUTPUT, GapRule.AREA_BALANCE),
    missing_points_max=2,
    daylight_from=24,
    daylight_until=72,
    tolerance_ppm=50_000,
    history_days=7,
    usual_loss_ppm={},
)
M = MISSING


def series_of(*register_wh: int, position: int = 30, is_pv: bool = False) -> MeterSeries:
    """One meter and channel; the first interval at a position of the day."""
    return MeterSeries(
        first_interval=first_interval_of_day(DAY) + position,
        register_wh=np.array(register_wh, np.int64).reshape(-1, 1, 1),
        present=np.ones((1, 1), np.bool_),
        is_pv=np.full((1, 1), is_pv),
    )


def column(*values: int) -> Any:
    return np.array(values, np.int64).reshape(-1, 1, 1)


def found(result: SubstitutedSeries) -> list[tuple[int, str]]:
    return [
        (wh, GapRule(rule).name)
        for wh, rule in zip(result.energy_wh.ravel().tolist(), result.rule.ravel().tolist(), strict=True)
    ]


def test_two_missing_points_are_interpolated_and_keep_the_register_difference() -> None:
    # 100 before, 160 after: 115, 130, 145 on the line, 390 in all; the register says 351, nine tenths of it
    series = series_of(0, 100, M, M, 451, 611)
    result = substitute(series, no_estimates(series), RULES)
    assert found(result) == [
        (100, "MEASURED"),
        *((wh, "INTERPOLATION") for wh in (104, 117, 130)),
        (160, "MEASURED"),
    ]
    # 103.5, 117, 130.5: the odd Wh goes to the earlier of equal remainders
    assert not result.provisional.any()
    assert result.flag(1, 0, 0) == "substitution-interpolation-1+test-2026"
    assert result.flag(0, 0, 0) == ""


def test_a_third_missing_point_is_not_interpolated() -> None:
    series = series_of(0, 100, M, M, M, 500, 660)
    result = substitute(series, no_estimates(series), RULES)
    assert [rule for _, rule in found(result)] == ["MEASURED", *["EVEN_SPLIT"] * 4, "MEASURED"]
    similar = replace(no_estimates(series), similar_day_wh=column(9, 10, 30, 30, 10, 9))
    assert found(substitute(series, similar, RULES))[1:5] == [
        (50, "SIMILAR_DAY"),
        (150, "SIMILAR_DAY"),
        (150, "SIMILAR_DAY"),
        (50, "SIMILAR_DAY"),
    ]
    three = replace(RULES, missing_points_max=3)
    assert [rule for _, rule in found(substitute(series, similar, three))][1:5] == ["INTERPOLATION"] * 4


def test_interpolation_needs_a_measured_energy_on_both_sides() -> None:
    for registers in ((100, M, 300, 420), (0, 100, M, 300), (M, 100, M, 300, 420)):
        series = series_of(*registers)
        assert "INTERPOLATION" not in {rule for _, rule in found(substitute(series, no_estimates(series), RULES))}


def test_pv_in_the_dark_is_zero_and_its_light_gets_the_difference() -> None:
    # intervals 70, 71 are light, 72 and 73 dark; four missing points, no similar day
    series = series_of(0, 0, M, M, M, M, 60, 60, position=70 - 1, is_pv=True)
    result = substitute(series, no_estimates(series), replace(RULES, order=RULES.order[:1]))
    assert found(result)[1:6] == [
        (30, "EVEN_SPLIT"),
        (30, "EVEN_SPLIT"),
        (0, "PV_DARK"),
        (0, "PV_DARK"),
        (0, "PV_DARK"),
    ]
    load = replace(series, is_pv=np.zeros((1, 1), np.bool_))
    assert "PV_DARK" not in {rule for _, rule in found(substitute(load, no_estimates(load), RULES))}


def test_daylight_begins_with_its_first_interval() -> None:
    series = series_of(0, 0, M, M, M, 60, 90, position=22, is_pv=True)  # the gap is 23 to 26, light from 24
    result = substitute(series, no_estimates(series), replace(RULES, order=RULES.order[:1]))
    assert found(result)[1:5] == [(0, "PV_DARK"), *((20, "EVEN_SPLIT") for _ in range(3))]


def test_energy_that_a_register_shows_in_the_dark_is_not_lost() -> None:
    series = series_of(0, 0, M, 5, 5, position=80, is_pv=True)
    assert found(substitute(series, no_estimates(series), RULES))[1:3] == [(3, "EVEN_SPLIT"), (2, "EVEN_SPLIT")]


def test_an_open_gap_is_provisional_as_estimated_and_a_known_register_inside_closes_one() -> None:
    series = series_of(0, 100, M, 190, M, M)
    similar = replace(no_estimates(series), similar_day_wh=column(90, 80, 40, 70, M))
    result = substitute(series, similar, RULES)
    assert found(result) == [
        (100, "MEASURED"),
        (60, "SIMILAR_DAY"),
        (30, "SIMILAR_DAY"),
        (70, "SIMILAR_DAY"),
        (0, "NOT_FOUND"),
    ]
    assert result.provisional.ravel().tolist() == [False, False, False, True, True]


def test_intervals_without_estimate_share_what_the_estimates_leave() -> None:
    series = series_of(0, 100, M, M, M, 500)
    for estimates, expected in (((M, 90, M, 60, M), (90, 125, 60, 125)), ((M, 300, M, 300, M), (200, 0, 200, 0))):
        similar = replace(no_estimates(series), similar_day_wh=column(*estimates))
        assert tuple(wh for wh, _ in found(substitute(series, similar, RULES))[1:]) == expected


def test_a_register_that_runs_backwards_is_not_believed() -> None:
    series = series_of(0, 100, 40, 300, 400)
    result = substitute(series, no_estimates(series), RULES)
    assert found(result)[1:3] == [(100, "INTERPOLATION"), (100, "INTERPOLATION")]


def test_similar_days_are_of_the_same_kind_and_measured() -> None:
    history = np.arange(1, 5).reshape(4, 1, 1, 1) * np.ones((1, 2, 1, 1), np.int64)
    measured = np.ones(history.shape, np.bool_)
    measured[2, 1] = False
    kinds = [DayKind.WORKDAY, DayKind.WEEKEND, DayKind.WORKDAY, DayKind.WEEKEND]
    assert similar_day_wh(history, measured, kinds, DayKind.WORKDAY).ravel().tolist() == [3, 1]
    assert similar_day_wh(history, measured, kinds, DayKind.HOLIDAY).ravel().tolist() == [M, M]


def test_the_balance_of_an_area_finds_the_one_meter_that_is_missing() -> None:
    # area 0: 100 in, 4 usually lost, others use 120 and feed in 50 -> the missing one uses 26; then it feeds in 14
    balance = area_balance_wh(
        inflow_wh=np.array([[100, 50], [60, 50]], np.int64),
        loss_wh=np.array([[4, 1], [4, 1]], np.int64),
        net_load_wh=np.array([[120, -50, 999, 1, 1], [120, -50, 999, 1, 1]], np.int64),
        measured=np.array([[True, True, False, False, False]] * 2),
        area=np.array([0, 0, 0, 1, 1]),
    )
    assert balance[:, 2].tolist() == [[26, 0], [0, 14]]
    assert (balance[:, [0, 1, 3, 4]] == M).all(), "measured meters, and two missing in one area, get nothing"


def test_a_missing_plant_gets_the_output_of_its_area() -> None:
    output = same_area_output_wh(
        np.array([[300, 450, 7, 9], [50, 51, 7, 9]], np.int64),
        np.array([[True, True, False, False]] * 2),
        np.array([2_000, 4_000, 3_000, 5_000], np.int64),
        np.array([0, 0, 0, 1]),
    )
    assert output.tolist() == [[M, M, 375, M], [M, M, 51, M]], "50.5 Wh is rounded half up"


def test_the_order_decides_and_each_version_is_of_its_days() -> None:
    series = series_of(0, 100, M, 300, 400)
    similar = replace(no_estimates(series), similar_day_wh=column(1, 30, 70, 1))
    later = replace(
        RULES,
        version_id="test-2027",
        effective_from=date(2027, 1, 1),
        effective_to=None,
        order=(GapRule.SIMILAR_DAY, GapRule.INTERPOLATION),
    )
    results = {}
    for day in (date(2026, 12, 31), date(2027, 1, 1)):
        rules = rules_in_force([RULES, later], province="test", day=day)
        results[day.year] = substitute(series, similar, rules)
    assert found(results[2026])[1:3] == [(100, "INTERPOLATION"), (100, "INTERPOLATION")]
    assert found(results[2027])[1:3] == [(60, "SIMILAR_DAY"), (140, "SIMILAR_DAY")]
    assert results[2027].flag(1, 0, 0) == "substitution-similar-day-1+test-2027"


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ([], "2026-03-02: no substitution rules of province 'test'; load"),
        ([RULES, replace(RULES, version_id="twice")], "two substitution rules in force, 'test-2026' and 'twice'"),
    ],
)
def test_a_missing_or_doubled_version_is_refused(versions: list[SubstitutionRules], words: str) -> None:
    with pytest.raises(SubstitutionRuleError, match=words):
        rules_in_force(versions, province="test", day=DAY)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"missing_points_max": None}, "load missing_points_max"),
        ({"daylight_until": None}, "load daylight_from < daylight_until"),
        ({"daylight_from": 72}, "load daylight_from < daylight_until"),
        ({"document": ""}, "load them with version id and document"),
        ({"effective_to": date(2026, 1, 1)}, "before they begin"),
        ({"order": (GapRule.SIMILAR_DAY, GapRule.SIMILAR_DAY)}, "names a rule twice"),
        ({"order": (GapRule.EVEN_SPLIT,)}, "never chosen"),
        ({"tolerance_ppm": -1}, "is negative"),
        ({"history_days": None}, "load history_days for similar days"),
        ({"history_days": 0}, "load history_days for similar days"),
        ({"usual_loss_ppm": None}, "load usual_loss_ppm of the areas"),
        ({"usual_loss_ppm": {"A1": 1_000_001}}, "a usual loss is a share"),
    ],
)
def test_rules_that_lack_what_they_need_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SubstitutionRuleError, match=words):
        replace(RULES, **fields)


def test_late_readings_correct_what_moves_beyond_the_tolerance() -> None:
    series = series_of(0, 100, M, M, M, 500, 600)
    before = substitute(series, no_estimates(series), RULES)
    assert before.energy_wh.ravel().tolist() == [100, 100, 100, 100, 100, 100]
    # of 400 Wh estimated, 20 or 22 and 80 are moved: 5 % stays, more does not
    for late, moves in (((M, M, 210, M, M, M, M), 0), ((M, M, 211, M, M, M, M), 4), ((M, M, 240, M, M, M, M), 4)):
        arrived = with_late_readings(series, column(*late))
        correction = correct_late(before, arrived, no_estimates(series))
        assert len(correction.intervals) == moves
        assert correction.within_tolerance == int(moves == 0)
        assert correction.settled.energy_wh.sum() == 600
        assert check_substituted(arrived if moves else series, correction.settled) == []
    assert correction.settled.energy_wh.ravel().tolist()[1] == 140
    assert correction.intervals == (1, 2, 3, 4)
    with pytest.raises(SubstitutionRuleError, match="load tolerance_ppm"):
        correct_late(replace(before, rules=replace(RULES, tolerance_ppm=None)), arrived, no_estimates(series))


def test_a_provisional_energy_always_follows_the_register_that_comes_late() -> None:
    series = series_of(0, 100, M)
    similar = replace(no_estimates(series), similar_day_wh=column(1, 100))
    before = substitute(series, similar, RULES)
    correction = correct_late(before, with_late_readings(series, column(M, M, 201)), similar)
    assert correction.settled.energy_wh.ravel().tolist() == [100, 101]
    assert not correction.settled.provisional.any()
    assert correction.settled.flag(1, 0, 0) == ""


def test_a_late_reading_never_changes_a_known_one() -> None:
    series = series_of(0, 100, M)
    with pytest.raises(LateReadingError, match="instant 1: 100 Wh is known, 101 Wh came in late"):
        with_late_readings(series, column(M, 101, M))


registers = st.lists(st.one_of(st.none(), st.integers(0, 400)), min_size=2, max_size=24)
orders = st.permutations(RULES.order).flatmap(lambda order: st.integers(0, 5).map(lambda n: tuple(order[:n])))


@settings(max_examples=150, deadline=None)
@given(readings=registers, order=orders, position=st.integers(0, 80), is_pv=st.booleans(), data=st.data())
def test_whatever_is_missing_the_energies_sum_to_the_registers(
    readings: list[int | None], order: tuple[GapRule, ...], position: int, is_pv: bool, data: st.DataObject
) -> None:
    total, cumulative = 0, []
    for step in readings:
        total += step or 0
        cumulative.append(MISSING if step is None else total)
    series = series_of(*cumulative, position=position, is_pv=is_pv)
    estimate = st.lists(st.integers(-1, 300), min_size=len(readings) - 1, max_size=len(readings) - 1)
    similar, output = (column(*data.draw(estimate)) for _ in range(2))
    estimates = replace(no_estimates(series), similar_day_wh=similar, same_area_output_wh=output)
    result = substitute(series, estimates, replace(RULES, order=order))
    assert check_substituted(series, result) == []
    assert set(result.rule.ravel().tolist()) <= {*order, GapRule.MEASURED, GapRule.EVEN_SPLIT, GapRule.NOT_FOUND}
    known = np.array([register != MISSING for register in cumulative])
    direct = known[1:] & known[:-1]
    assert (result.substituted.ravel() == ~direct).all(), "measured energy is never touched"
    if known.any():
        last = int(np.flatnonzero(known)[-1])
        first = int(np.flatnonzero(known)[0])
        assert not result.provisional.ravel()[first:last].any()
        assert result.provisional.ravel()[last:].all()


def test_the_law_finds_energy_that_is_lost() -> None:
    series = series_of(0, 100, M, 300)
    result = substitute(series, no_estimates(series), RULES)
    energy = result.energy_wh.copy()
    energy[1] -= 1
    assert [v.what for v in check_substituted(series, replace(result, energy_wh=energy))] == [
        "intervals sum to 199 Wh, registers differ by 200 Wh"
    ]
