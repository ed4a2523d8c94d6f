"""The network check in integers: which limits a state breaches, who must do less, and that this cures it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid_models.elements import Int64Array, NetworkError
from grid_models.networks import Network, from_pandapower
from grid_models.security import (
    CheckedState,
    FlowDirection,
    LimitKind,
    SecurityModel,
    SecurityParameters,
    TightenedLimit,
    UnknownBusError,
    UnsolvedState,
)
from grid_models.topology import balance_units

POINTS = ("E1", "E2", "E3", "N1", "N1", "M2", "B1")
PARENT = (-1, 0, 1, 1, 2, 2, 3)  # county, station, F1, F2, A001, A002, A003
EXPORT, IMPORT = FlowDirection.EXPORT, FlowDirection.IMPORT


def security_model(
    network: Network, points: tuple[str, ...] = POINTS, share_above_per_mille: int = 500
) -> SecurityModel:
    units = balance_units(network)
    return SecurityModel(
        network,
        unit_parent=units.parent.tolist(),
        unit_elements=units.elements,
        unit_export_limit_w=[round(mw * 1e6) for mw in units.export_limit_mw],
        unit_import_limit_w=[round(mw * 1e6) for mw in units.import_limit_mw],
        point_bus=points,
        parameters=SecurityParameters(share_above_per_mille=share_above_per_mille),
    )


@pytest.fixture(scope="module")
def model(county_as_built: Any) -> SecurityModel:
    return security_model(from_pandapower(county_as_built))


@pytest.fixture(scope="module")
def demo_model(demo: Any) -> SecurityModel:
    network = demo.network
    bus = [*network.loads.bus, *network.generators.bus]
    return security_model(network, tuple(network.buses.name[position] for position in bus))


def check(model: SecurityModel, *p_kw: int, tan_phi: float = 0.0) -> CheckedState:
    """Check one state given in kW of export per point of POINTS, reactive power in proportion."""
    p_w = np.array([p_kw], dtype=np.int64) * 1000
    (state,) = model.check_states(p_w, np.rint(p_w * tan_phi).astype(np.int64))
    assert isinstance(state, CheckedState)
    return state


def cut_pro_rata(
    model: SecurityModel, state: CheckedState, limits: tuple[TightenedLimit, ...], controllable_w: Int64Array
) -> Int64Array:
    """Return the state's powers less the reductions, lowest edges first, pro rata of what is controllable behind."""
    p_w = state.p_w.copy()
    for limit in sorted(limits, key=lambda each: -each.unit):
        assert limit.direction is EXPORT
        behind = model.points_behind(limit.unit)
        cut_already_w = int((state.p_w - p_w)[behind].sum())
        left_w = np.where(behind, np.minimum(controllable_w, np.maximum(p_w, 0)), 0)
        wanted_w = min(max(limit.reduction_w - cut_already_w, 0), int(left_w.sum()))
        if wanted_w:
            p_w -= -(-left_w * wanted_w // int(left_w.sum()))
    return p_w


def test_row_22_reverse_power_of_a_transformer_is_80_percent(model: SecurityModel) -> None:
    state = check(model, 0, 0, 0, 400, 140, 0, 0)  # 400 + 200 - 60 kW behind the 630 kVA transformer A1
    reverse = [each for each in state.violations if each.kind is LimitKind.REVERSE_POWER]
    assert [(each.element, each.unit, each.value, each.limit) for each in reverse] == [("A1", 4, 540_000, 504_000)]
    assert reverse[0].excess_per_mille == 72
    (limit,) = model.tightened_limits(state, np.maximum(state.p_w, 0))
    assert (limit.unit, limit.direction, limit.sufficient) == (4, EXPORT, True)
    assert limit.limit_w == pytest.approx(504_000 * 0.995, abs=5)
    assert limit.reduction_w == pytest.approx(540_000 - 504_000 * 0.995, abs=5)


def test_a_sound_state_has_no_violations_and_needs_no_limits(model: SecurityModel) -> None:
    state = check(model, -50, -20, -30, -10, -40, -100, -3_000, tan_phi=0.4)
    assert state.violations == ()
    assert model.tightened_limits(state, np.maximum(state.p_w, 0)) == ()
    assert state.worst_transformer is not None
    assert state.worst_line is not None
    assert 0 < state.worst_line.per_mille < 1000
    assert state.lowest_voltage.per_mille < 1020
    assert state.highest_voltage.bus == "H1"
    assert state.highest_voltage.voltage_mv == 112_200_000
    assert state.highest_voltage.per_mille == 1020


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-90_000, 90_000), min_size=7, max_size=7))
def test_injections_losses_and_flows_balance_exactly_in_every_unit(model: SecurityModel, p_w: list[int]) -> None:
    row = np.array([p_w], dtype=np.int64)
    (state,) = model.check_states(row, np.zeros_like(row))
    assert isinstance(state, CheckedState)
    assert (state.unit_loss_w >= 0).all()
    assert state.loss_w == state.unit_loss_w.sum()
    for unit in range(7):
        inside_w = sum(power for power, own in zip(p_w, model.point_unit, strict=True) if own == unit)
        below_w = sum(int(state.unit_export_w[child]) for child in range(7) if PARENT[child] == unit)
        assert inside_w + below_w == state.unit_loss_w[unit] + state.unit_export_w[unit]
    assert state.gateway_export_w - state.gateway_import_w == state.unit_export_w[0]
    assert sum(p_w) == state.loss_w + state.unit_export_w[0]


def test_points_lie_in_the_units_of_their_buses(model: SecurityModel) -> None:
    assert model.point_unit.tolist() == [4, 5, 6, 4, 4, 2, 1]
    assert model.points_behind(2).tolist() == [True, True, False, True, True, True, False]
    assert model.points_behind(0).all()


def test_a_high_voltage_tightens_its_area_and_the_cut_cures_it(model: SecurityModel) -> None:
    state = check(model, 160, 0, 0, 60, 0, 0, 0)
    worst = state.violations[0]
    assert {(each.kind, each.element, each.unit) for each in state.violations} == {(LimitKind.VOLTAGE_HIGH, "E1", 4)}
    assert (worst.limit, worst.direction) == (428_000, EXPORT)
    assert state.highest_voltage.voltage_mv == worst.value > 428_000
    controllable_w = np.maximum(state.p_w, 0)
    limits = model.tightened_limits(state, controllable_w)
    assert [(limit.unit, limit.sufficient) for limit in limits] == [(4, True)]
    assert 0 < limits[0].limit_w < state.unit_export_w[4]
    cut_w = cut_pro_rata(model, state, limits, controllable_w)
    (cured,) = model.check_states(cut_w[np.newaxis], np.zeros((1, 7), np.int64))
    assert isinstance(cured, CheckedState)
    assert cured.violations == ()
    assert cured.highest_voltage.voltage_mv == pytest.approx(428_000 * 0.999, rel=5e-4)
    assert cured.unit_export_w[4] == pytest.approx(limits[0].limit_w, rel=5e-3)


def test_what_an_area_cannot_cure_goes_to_its_feeder(model: SecurityModel) -> None:
    state = check(model, 0, 60, 0, 0, 0, 6_000, 0)  # a plant at 20 kV lifts the feeder; E2 goes over its limit
    assert any(each.element == "E2" and each.unit == 5 for each in state.violations)
    only_plant_w = np.array([0, 0, 0, 0, 0, 6_000_000, 0])
    limits = model.tightened_limits(state, only_plant_w)
    assert [(limit.unit, limit.direction, limit.sufficient) for limit in limits] == [(2, EXPORT, True)]
    cut_w = cut_pro_rata(model, state, limits, only_plant_w)
    assert cut_w[1] == 60_000
    (cured,) = model.check_states(cut_w[np.newaxis], np.zeros((1, 7), np.int64))
    assert isinstance(cured, CheckedState)
    assert cured.violations == ()


def test_nearly_all_power_around_is_not_taken_for_one_area(county_as_built: Any, model: SecurityModel) -> None:
    """The feeder can just cure its area with 71 % of its power; where at most half may go, the area is left alone."""
    state = check(model, 0, 60, 0, 0, 0, 6_000, 0)
    plant_w = np.array([0, 0, 0, 0, 0, 6_000_000, 0])
    (limit,) = security_model(from_pandapower(county_as_built), share_above_per_mille=1000).tightened_limits(
        state, plant_w
    )
    needed = limit.reduction_w / 6_000_000
    per_mille = round(needed * 1000)
    for allowed, answered in ((per_mille + 5, (2, True)), (per_mille - 5, (5, False))):
        tight = security_model(from_pandapower(county_as_built), share_above_per_mille=allowed)
        limits = tight.tightened_limits(state, plant_w)
        assert [(one.unit, one.sufficient) for one in limits] == [answered]


def test_what_no_edge_can_cure_takes_what_its_own_edge_has_and_no_more(model: SecurityModel) -> None:
    state = check(model, 160, 0, 0, 60, 0, 500, 0)
    assert {each.unit for each in state.violations} == {4}
    limits = model.tightened_limits(state, np.array([1_000, 0, 0, 2_000, 0, 500_000, 0]))
    assert [(limit.unit, limit.reduction_w, limit.sufficient) for limit in limits] == [(4, 3_000, False)]
    nothing = model.tightened_limits(state, np.zeros(7, np.int64))
    assert [(limit.unit, limit.reduction_w, limit.sufficient) for limit in nothing] == [(4, 0, False)]
    assert nothing[0].limit_w == state.unit_export_w[4]


def test_an_overloaded_line_inside_a_feeder_tightens_the_feeder(model: SecurityModel) -> None:
    state = check(model, 0, 0, 0, 0, 0, 9_000, 0)
    overloaded = {each.element: each for each in state.violations if each.kind is LimitKind.CURRENT}
    assert {name: (each.unit, each.direction) for name, each in overloaded.items()} == {
        "L1": (2, EXPORT),
        "L2": (2, EXPORT),
    }
    assert overloaded["L2"].limit == 220_000
    assert overloaded["L2"].value > 220_000


def test_heavy_load_is_reported_in_the_direction_of_import(model: SecurityModel) -> None:
    state = check(model, 0, 0, -150, 0, 0, 0, 0, tan_phi=0.6)
    assert state.lowest_voltage.bus == "E3"
    assert {(each.kind, each.unit, each.direction) for each in state.violations} == {
        (LimitKind.VOLTAGE_LOW, 6, IMPORT),
        (LimitKind.CURRENT, 6, IMPORT),
    }
    state = check(model, 0, -300, -150, 0, 0, 0, 0, tan_phi=0.6)
    assert (LimitKind.FORWARD_POWER, 5) in {(each.kind, each.unit) for each in state.violations}
    limits = {limit.unit: limit for limit in model.tightened_limits(state, np.zeros(7, np.int64))}
    assert {limit.direction for limit in limits.values()} == {IMPORT}
    assert 0 < limits[6].limit_w < -state.unit_export_w[6]


def test_a_state_without_solution_is_an_outcome_of_its_own(model: SecurityModel) -> None:
    p_w = np.zeros((2, 7), dtype=np.int64)
    p_w[1, 0] = -5_000_000
    sound, unsolved = model.check_states(p_w, np.zeros_like(p_w))
    assert isinstance(sound, CheckedState)
    assert isinstance(unsolved, UnsolvedState)
    assert unsolved.scenario == 1
    assert unsolved.reason


def test_the_demo_at_midday_breaches_limits_and_one_cut_cures_it(demo: Any, demo_model: SecurityModel) -> None:
    row = 137 * 96 + 48
    load_p, load_q, generator_p = (
        np.rint(series.rows(row, row + 1) * 1e6).astype(np.int64)
        for series in (demo.profiles.load_p, demo.profiles.load_q, demo.profiles.generator_p)
    )
    p_w, q_var = np.concatenate([-load_p, generator_p], axis=1), np.concatenate([-load_q, 0 * generator_p], axis=1)
    (state,) = demo_model.check_states(p_w, q_var)
    assert isinstance(state, CheckedState)
    assert {each.kind for each in state.violations} == {
        LimitKind.VOLTAGE_HIGH,
        LimitKind.CURRENT,
        LimitKind.REVERSE_POWER,
    }
    excesses = [each.excess_per_mille for each in state.violations]
    assert excesses == sorted(excesses, reverse=True)
    assert state.worst_transformer is not None
    assert 1300 < state.worst_transformer.per_mille < 1450
    assert 1080 < state.highest_voltage.per_mille < 1100
    controllable_w = np.maximum(p_w[0], 0)
    limits = demo_model.tightened_limits(state, controllable_w)
    assert demo_model.tightened_limits(state, controllable_w) == limits
    assert all(limit.sufficient for limit in limits)
    cut_w = cut_pro_rata(demo_model, state, limits, controllable_w)
    (cured,) = demo_model.check_states(cut_w[np.newaxis], q_var)
    assert isinstance(cured, CheckedState)
    assert cured.violations == ()
    assert (p_w[0] - cut_w).sum() == pytest.approx(sum(limit.reduction_w for limit in limits), abs=1000)


def test_a_limit_names_the_violations_that_it_answers_for(model: SecurityModel) -> None:
    """What an area cures stands with its limit, and what moves up to the feeder with the feeder's."""
    high = check(model, 160, 0, 0, 60, 0, 0, 0)
    (limit,) = model.tightened_limits(high, np.maximum(high.p_w, 0))
    assert limit.cures == high.violations
    state = check(model, 0, 60, 0, 0, 0, 6_000, 0)
    (limit,) = model.tightened_limits(state, np.array([0, 0, 0, 0, 0, 6_000_000, 0]))
    assert limit.unit == 2
    assert limit.cures == state.violations
    assert {each.unit for each in limit.cures} == {5}


def test_limits_come_just_inside_however_much_the_quantities_bend(model: SecurityModel) -> None:
    """A state far outside: a quarter of the power would do, and straight lines alone would miss the margin."""
    state = check(model, 500, 0, 0, 0, 0, 0, 0)
    controllable_w = np.maximum(state.p_w, 0)
    limits = model.tightened_limits(state, controllable_w)
    cut_w = cut_pro_rata(model, state, limits, controllable_w)
    assert cut_w[0] < 0.6 * state.p_w[0]
    (cured,) = model.check_states(cut_w[np.newaxis], np.zeros((1, 7), np.int64))
    assert isinstance(cured, CheckedState)
    assert cured.violations == ()
    # The voltage's margin is 1 per mille of the limit, the correction is good to a tenth of it.
    assert cured.highest_voltage.voltage_mv == pytest.approx(428_000 * 0.999, rel=1.5e-4)


def test_states_of_a_large_batch_are_numbered_and_do_not_depend_on_each_other(model: SecurityModel) -> None:
    p_w = np.zeros((70, 7), dtype=np.int64)
    p_w[:, 0] = np.arange(70) * 3_000
    p_w[[40, 66], 2] = -5_000_000
    outcomes = model.check_states(p_w, np.zeros_like(p_w))
    assert [each.scenario for each in outcomes if isinstance(each, UnsolvedState)] == [40, 66]
    for row in (0, 31, 32, 69):
        (alone,) = model.check_states(p_w[row : row + 1], np.zeros((1, 7), np.int64))
        both = outcomes[row]
        assert isinstance(alone, CheckedState)
        assert isinstance(both, CheckedState)
        assert (alone.violations, alone.loss_w) == (both.violations, both.loss_w)
        np.testing.assert_array_equal(alone.unit_export_w, both.unit_export_w)


def test_who_loads_an_element_adds_up_to_the_watt(model: SecurityModel) -> None:
    state = check(model, 150, -20, -30, 60, -40, 2_000, 0, tan_phi=0.2)
    parts = model.who_loads(state, "C1")
    assert parts.point_w.tolist() == [150_000, 0, 0, 0, 0, 0, 0]
    parts = model.who_loads(state, "L1")
    assert parts.point_w.tolist() == [150_000, -20_000, 0, 60_000, -40_000, 2_000_000, 0]
    assert parts.point_w.sum() == parts.flow_w + parts.loss_w
    assert 0 < parts.loss_w < state.loss_w
    # The first line of the feeder is its edge, measured at the same end.
    assert parts.flow_w == pytest.approx(state.unit_export_w[2], abs=2)
    with pytest.raises(NetworkError, match="'E1'"):
        model.who_loads(state, "E1")


def test_what_does_not_fit_the_network_is_refused(county: Any, model: SecurityModel) -> None:
    with pytest.raises(UnknownBusError, match="'nowhere'"):
        security_model(from_pandapower(county), ("E1", "nowhere"))
    with pytest.raises(ValueError, match="int64"):
        model.check_states(np.zeros((1, 7)), np.zeros((1, 7)))
    with pytest.raises(ValueError, match="shape"):
        model.check_states(np.zeros((1, 6), np.int64), np.zeros((1, 6), np.int64))
    county.line.loc[4, "max_i_ka"] = float("nan")
    with pytest.raises(NetworkError, match="'C1' has no rating"):
        security_model(from_pandapower(county))
