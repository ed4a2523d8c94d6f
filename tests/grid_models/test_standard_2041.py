"""DL/T 2041 against the acceptance figures of requirements rows 22, 137, 139, 140, 164 and its own laws."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid_models.standard_2041 import (
    EDITIONS,
    AccessibleCapacity,
    Arrangement,
    DeviceConditions,
    Edition,
    Grade,
    Parameters2019,
    Parameters2025,
    PlannedStorage,
    ReverseLoadLimits,
    StandardError,
    accessible_capacity_kw,
    additional_capacity_mw,
    county_capacity_kw,
    device_capacity_mw,
    edition_on,
    grade_2019,
    grade_2025,
    grades_in_tree,
    open_capacity,
    reverse_flow,
    reverse_load_limit,
    reverse_load_rate,
    reverse_power_limit_mw,
    storage_gain_mw,
    whole_kw_down,
    whole_kw_up,
)
from grid_models.standard_checks import (
    Check,
    CheckFailed,
    CheckNotAssessed,
    CheckPassed,
    DistortionLimit,
    check_harmonics,
    check_short_circuit,
    check_voltage_deviation,
)

ROW_137 = Parameters2025(tau_max=0.8, power_factor=0.95)
ALL_PASSED = tuple(CheckPassed(check, 0.0, 1.0) for check in Check)


def devices(**changed):
    """The device of row 137: P=12, P_G=0, beta=.8, S=50 MVA, P_ESS=2, dP=0."""
    values = {
        "p_mw": 12.0,
        "p_g_mw": 0.0,
        "s_mva": 50.0,
        "beta": 0.8,
        "p_ess_mw": 2.0,
        "dp_ess_min_mw": 0.0,
        "dp_ess_max_mw": 0.0,
    }
    return DeviceConditions(**{name: np.array([value]) for name, value in (values | changed).items()})


def low_kw(conditions, parameters=ROW_137):
    return int(whole_kw_down(device_capacity_mw(conditions, parameters).low_mw)[0])


def room(capacity_kw, connected_kw, registered_kw):
    columns = (np.array([value]) for value in (capacity_kw, connected_kw, registered_kw))
    names = ("capacity_kw", "connected_kw", "registered_kw")
    found = accessible_capacity_kw(**dict(zip(names, columns, strict=True)))
    return int(found.c1_kw[0]), int(found.c2_kw[0])


# --- row 137 and section 6 of the outside rules: 65.000 MW ------------------------------------------------------------


def test_row_137_the_device_carries_65_mw():
    interval = device_capacity_mw(devices(), ROW_137)
    assert interval.low_mw[0] == pytest.approx(65.0, abs=1e-12)
    assert interval.high_mw[0] == interval.low_mw[0]
    assert low_kw(devices()) == 65_000


@pytest.mark.parametrize(
    ("connected_kw", "registered_kw", "c1_kw", "c2_kw", "grade"),
    [
        (50_000, 10_000, 15_000, 5_000, Grade.GREEN),  # row 137
        (62_000, 5_000, 3_000, -2_000, Grade.YELLOW),  # outside rules, section 6
        (62_000, 3_000, 3_000, 0, Grade.YELLOW),
        (62_000, 2_999, 3_000, 1, Grade.GREEN),
        (65_000, 0, 0, 0, Grade.RED),  # row 164: 0.000 MW is red
        (64_999, 1, 1, 0, Grade.YELLOW),
        (70_000, 0, -5_000, -5_000, Grade.RED),
    ],
)
def test_row_137_room_and_grade(connected_kw, registered_kw, c1_kw, c2_kw, grade):
    assert room(65_000, connected_kw, registered_kw) == (c1_kw, c2_kw)
    assert grade_2025(c1_kw=c1_kw, c2_kw=c2_kw) is grade


def test_every_symbol_moves_the_capacity_its_own_way():
    # By hand: (P - P_G + beta S cos + P_ESS + dP) / tau.
    assert low_kw(devices(p_mw=13.0)) == 66_250
    assert low_kw(devices(p_g_mw=4.0)) == 60_000
    assert low_kw(devices(beta=0.4)) == 41_250
    assert low_kw(devices(s_mva=25.0)) == 41_250
    assert low_kw(devices(p_ess_mw=0.0)) == 62_500
    assert low_kw(devices(), Parameters2025(tau_max=1.0, power_factor=0.95)) == 52_000
    assert low_kw(devices(), Parameters2025(tau_max=0.8, power_factor=1.0)) == 67_500


def test_the_capacity_is_never_negative():
    interval = device_capacity_mw(devices(p_g_mw=80.0, dp_ess_max_mw=100.0), ROW_137)
    assert interval.low_mw[0] == 0
    assert interval.high_mw[0] == pytest.approx((12 - 80 + 38 + 2 + 100) / 0.8)


# --- row 140: storage -------------------------------------------------------------------------------------------------


def test_row_140_four_mw_of_storage_add_five():
    assert storage_gain_mw(np.array([4.0]), ROW_137)[0] == pytest.approx(5.0, abs=1e-12)
    with_storage = device_capacity_mw(devices(dp_ess_max_mw=4.0), ROW_137)
    assert whole_kw_down(with_storage.low_mw)[0] == 65_000
    assert whole_kw_down(with_storage.high_mw)[0] == 70_000


def test_the_other_source_adds_planned_storage_after_the_division():
    other = Parameters2025(tau_max=0.8, power_factor=0.95, planned_storage=PlannedStorage.AFTER_DIVISION)
    interval = device_capacity_mw(devices(dp_ess_min_mw=1.0, dp_ess_max_mw=4.0), other)
    assert whole_kw_down(interval.low_mw)[0] == 66_000
    assert whole_kw_down(interval.high_mw)[0] == 69_000


def test_a_range_of_storage_with_its_ends_exchanged_is_refused():
    with pytest.raises(StandardError, match="exchanged"):
        devices(dp_ess_min_mw=2.0, dp_ess_max_mw=1.0)


@pytest.mark.parametrize("wrong", [0.0, -0.5, 1.5, float("nan")])
def test_factors_that_are_no_fraction_are_refused(wrong):
    with pytest.raises(StandardError, match="tau_max"):
        Parameters2025(tau_max=wrong, power_factor=0.95)
    with pytest.raises(StandardError, match="power_factor"):
        Parameters2025(tau_max=0.8, power_factor=wrong)


# --- beta -------------------------------------------------------------------------------------------------------------


def test_beta_by_arrangement():
    assert reverse_load_limit(Arrangement.SINGLE, [0.63]) == 0.8
    assert reverse_load_limit(Arrangement.SPLIT, [25.0, 25.0]) == 0.8
    assert reverse_load_limit(Arrangement.PARALLEL, [25.0, 25.0]) == 0.5
    assert reverse_load_limit(Arrangement.PARALLEL, [40.0] * 4) == 0.75
    assert reverse_load_limit(Arrangement.PARALLEL, [31.5, 50.0]) == pytest.approx(31.5 / 81.5)
    stricter = ReverseLoadLimits(parallel_n_minus_1=0.8)
    assert reverse_load_limit(Arrangement.PARALLEL, [25.0, 25.0], stricter) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("arrangement", "ratings"),
    [
        (Arrangement.SINGLE, []),
        (Arrangement.SINGLE, [0.0]),
        (Arrangement.SPLIT, [25.0, float("nan")]),
        (Arrangement.PARALLEL, [25.0]),
        (Arrangement.SPLIT, [25.0]),
        (Arrangement.SINGLE, [float("inf")]),
    ],
)
def test_an_arrangement_that_cannot_be_is_refused(arrangement, ratings):
    with pytest.raises(StandardError):
        reverse_load_limit(arrangement, ratings)


# --- rows 22 and 139: reverse load ------------------------------------------------------------------------------------


def test_row_139_520_kw_through_630_kva_call_for_an_alert():
    flow = reverse_flow(p_reverse_mw=0.520, s_rated_mva=0.630, upper_kv=10.0)
    assert round(100 * flow.rate, 2) == 82.54
    assert flow.is_alert
    assert not flow.into_high_voltage


def test_row_22_the_limit_of_630_kva_is_504_kw_and_it_is_permitted():
    assert whole_kw_down(reverse_power_limit_mw(np.array([0.63]), np.array([0.8])))[0] == 504
    assert not reverse_flow(p_reverse_mw=0.504, s_rated_mva=0.630, upper_kv=10.0).is_alert
    assert reverse_flow(p_reverse_mw=0.505, s_rated_mva=0.630, upper_kv=10.0).is_alert


@pytest.mark.parametrize(
    ("p_reverse_mw", "upper_kv", "flagged"),
    [(0.1, 110.0, True), (0.1, 220.0, True), (0.1, 35.0, False), (-5.0, 110.0, False), (0.0, 110.0, False)],
)
def test_row_139_reverse_power_into_110_kv_and_above_is_flagged(p_reverse_mw, upper_kv, flagged):
    flow = reverse_flow(p_reverse_mw=p_reverse_mw, s_rated_mva=50.0, upper_kv=upper_kv)
    assert (flow.into_high_voltage, flow.is_alert) == (flagged, False)


# --- edition 2019 -----------------------------------------------------------------------------------------------------


def test_2019_reverse_load_rate_and_what_can_be_added():
    hours = reverse_load_rate(
        p_dg_mw=np.array([[6.0], [20.0]]), p_load_mw=np.array([[10.0], [8.0]]), s_e_mva=np.array([50.0])
    )
    np.testing.assert_allclose(hours, [[-0.08], [0.24]])
    added = additional_capacity_mw(lambda_max=hours.max(axis=0), s_e_mva=np.array([50.0]), k_r=0.8)
    assert added[0] == pytest.approx((1 - 0.24) * 50 * 0.8)
    assert additional_capacity_mw(lambda_max=np.array([1.2]), s_e_mva=np.array([50.0]), k_r=0.8)[0] == 0


@pytest.mark.parametrize(
    ("lambda_max", "grade"),
    [
        (-0.3, Grade.GREEN),
        (0.0, Grade.GREEN),
        (0.001, Grade.YELLOW),
        (0.504 / 0.63, Grade.YELLOW),
        (0.801, Grade.RED),
        (2.0, Grade.RED),
    ],
)
def test_2019_grades_by_rate(lambda_max, grade):
    given_ = {"upper_kv": 110.0, "checks": ALL_PASSED, "parameters": Parameters2019()}
    assert grade_2019(lambda_max=lambda_max, **given_) is grade


def test_2019_reverse_power_into_220_kv_is_red_directly():
    given_ = {"checks": ALL_PASSED, "parameters": Parameters2019()}
    assert grade_2019(lambda_max=0.01, upper_kv=220.0, **given_) is Grade.RED
    assert grade_2019(lambda_max=-0.01, upper_kv=220.0, **given_) is Grade.GREEN


def test_2019_a_failed_check_is_red_and_one_not_assessed_is_not_green():
    at = {"lambda_max": -0.5, "upper_kv": 110.0, "parameters": Parameters2019()}
    failed = CheckFailed(Check.HARMONICS, 0.06, 0.05, "A1")
    missing = CheckNotAssessed(Check.HARMONICS, "no meter")
    assert grade_2019(checks=ALL_PASSED, **at) is Grade.GREEN
    assert grade_2019(checks=(*ALL_PASSED[:2], missing), **at) is Grade.YELLOW
    assert grade_2019(checks=ALL_PASSED[:2], **at) is Grade.YELLOW
    assert grade_2019(checks=(), **at) is Grade.YELLOW
    assert grade_2019(checks=(*ALL_PASSED[:2], failed), **at) is Grade.RED


def test_2025_a_failed_check_is_red_and_one_not_assessed_changes_nothing():
    failed = CheckFailed(Check.SHORT_CIRCUIT, 32.0, 31.5, "S1")
    missing = CheckNotAssessed(Check.HARMONICS, "no meter")
    assert grade_2025(c1_kw=9, c2_kw=9, checks=(missing,)) is Grade.GREEN
    assert grade_2025(c1_kw=9, c2_kw=9, checks=(missing, failed)) is Grade.RED


# --- editions by date -------------------------------------------------------------------------------------------------


def test_the_superseded_edition_applies_until_the_next_one_does():
    first, second = (one.effective_from for one in EDITIONS)
    assert edition_on(first) is Edition.DLT_2041_2019
    assert edition_on(date.fromordinal(second.toordinal() - 1)) is Edition.DLT_2041_2019
    assert edition_on(second) is Edition.DLT_2041_2025
    assert edition_on(date(2040, 1, 1), tuple(reversed(EDITIONS))) is Edition.DLT_2041_2025
    with pytest.raises(StandardError, match="2016-05-17"):
        edition_on(date(2016, 5, 17))


# --- checks -----------------------------------------------------------------------------------------------------------


def test_short_circuit_current_up_to_what_the_breaker_breaks():
    assert check_short_circuit(i_xz_ka=31.5, i_m_ka=31.5, place="B1") == CheckPassed(Check.SHORT_CIRCUIT, 31.5, 31.5)
    failed = check_short_circuit(i_xz_ka=31.6, i_m_ka=31.5, place="B1")
    assert failed == CheckFailed(Check.SHORT_CIRCUIT, 31.6, 31.5, "B1")


@pytest.mark.parametrize(
    ("nominal_kv", "lowest", "highest", "passed"),
    [
        (10.0, -0.07, 0.07, True),
        (10.0, -0.02, 0.071, False),
        (20.0, -0.071, 0.0, False),
        (0.38, 0.01, 0.0701, False),
        (0.22, -0.10, 0.07, True),  # 220 V: +7, -10 %
        (0.22, -0.101, 0.0, False),
        (35.0, -0.03, 0.07, True),  # from 35 kV: sum of the absolute values
        (35.0, -0.031, 0.07, False),
        (110.0, 0.04, 0.10, True),  # both on one side: the larger one
        (110.0, -0.101, -0.02, False),
    ],
)
def test_voltage_deviation_by_gb_t_12325(nominal_kv, lowest, highest, passed):
    outcome = check_voltage_deviation(nominal_kv=nominal_kv, lowest=lowest, highest=highest, place="bus 1")
    assert isinstance(outcome, CheckPassed if passed else CheckFailed)


def test_harmonics_are_not_assessed_without_a_limit():
    assert isinstance(check_harmonics(nominal_kv=0.38, thd=0.05, place="A1"), CheckPassed)
    assert isinstance(check_harmonics(nominal_kv=0.4, thd=0.051, place="A1"), CheckFailed)
    assert isinstance(check_harmonics(nominal_kv=10.0, thd=0.9, place="B1"), CheckNotAssessed)
    limits = (DistortionLimit(6.0, 10.0, 0.04),)
    assert isinstance(check_harmonics(nominal_kv=10.0, thd=0.041, place="B1", limits=limits), CheckFailed)


# --- published figures and the tree -----------------------------------------------------------------------------------


def test_room_is_rounded_down_and_what_uses_it_up():
    values = np.array([0.0019, 0.0011, 65.0 - 1e-12, 0.3 * 3, -0.0004])
    assert whole_kw_down(values).tolist() == [1, 1, 65_000, 900, -1]
    assert whole_kw_up(values).tolist() == [2, 2, 65_000, 900, 0]


def test_a_county_gets_the_lesser_of_devices_and_system():
    assert county_capacity_kw(65_000, 40_000) == 40_000
    assert county_capacity_kw(65_000, 80_000) == 65_000
    assert county_capacity_kw(65_000, None) == 65_000


GRADES = st.sampled_from(Grade)


@st.composite
def trees(draw):
    """A tree of up to eight elements: parents, and C1 and registered of each, small so that they collide."""
    n = draw(st.integers(1, 8))
    parent = [-1, *(draw(st.integers(0, position - 1)) for position in range(1, n))]
    c1_kw = np.array(draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)))
    registered_kw = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    checks = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return parent, AccessibleCapacity(c1_kw, c1_kw - registered_kw), checks


def way_up(parent, position):
    path = [position]
    while parent[path[-1]] >= 0:
        path.append(parent[path[-1]])
    return path


@given(trees())
def test_a_lower_level_is_never_better_and_no_room_is_red(tree):
    parent, capacity, failed = tree
    failure = (CheckFailed(Check.HARMONICS, 1.0, 0.05, "x"),)
    own = [
        grade_2025(c1_kw=int(c1), c2_kw=int(c2), checks=failure if fails else ())
        for c1, c2, fails in zip(capacity.c1_kw, capacity.c2_kw, failed, strict=True)
    ]
    opened = open_capacity(capacity, own, parent)
    order = list(Grade)
    for position, grade in enumerate(opened.grade):
        path = way_up(parent, position)
        assert order.index(grade) == max(order.index(own[each]) for each in path)
        assert (opened.c1_kw[position] == 0) == (grade is Grade.RED)
        assert (opened.c2_kw[position] == 0) == (grade is not Grade.GREEN)
        assert opened.limited_by[position] in path
        assert own[opened.limited_by[position]] is grade
        if grade is Grade.GREEN:
            assert opened.c2_kw[position] == min(capacity.c2_kw[each] for each in path)


@given(st.lists(GRADES, min_size=1, max_size=6))
def test_along_a_chain_grades_only_get_worse(own):
    grades = grades_in_tree(own, range(-1, len(own) - 1))
    order = [list(Grade).index(grade) for grade in grades]
    assert order == sorted(order)
    assert order[0] == list(Grade).index(own[0])
