"""Transformer-area loss: against a power flow of the truth, and each way in which a day can be judged."""

from dataclasses import replace
from typing import Any, assert_never

import numpy as np
import pandapower
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid_models.area_loss import (
    AreaDay,
    AreaDayLoss,
    AreaDayMissing,
    AreaDayUnsolved,
    AreaLoss,
    AreaReadings,
    LossLimits,
    LossState,
    SummaryMeterSide,
    loss_rate,
)
from grid_models.elements import FloatArray, NetworkError
from grid_models.networks import Network, from_pandapower
from grid_models.phase_points import PhaseConnection


@pytest.fixture(scope="module")
def drawn_wh(streets: Any) -> FloatArray:
    """Return two days of the street's households."""
    return np.asarray(streets.households(np.random.default_rng(0), 24, 2))


@pytest.fixture
def readings(street: Network, streets: Any, drawn_wh: FloatArray) -> AreaReadings:
    """Return what exact meters show of them."""
    truth = streets.truth(street, streets.houses(street), drawn_wh)
    registered = streets.registered(drawn_wh, 1)
    return streets.readings("A", streets.houses(street), registered, truth.summary_wh)


def judged(days: tuple[AreaDay, ...]) -> list[LossState]:
    states = []
    for day in days:
        match day:
            case AreaDayLoss():
                states.append(day.state)
            case AreaDayMissing() | AreaDayUnsolved():
                pytest.fail(f"day {day.day} was not judged")
            case _:
                assert_never(day)
    return states


def test_the_loss_rate_of_row_112() -> None:
    assert loss_rate(loss=30, imported=1030, generated=500, exported=0) == pytest.approx(0.019608, abs=5e-7)
    assert loss_rate(loss=0, imported=0, generated=0, exported=0) is None


def test_the_loss_of_two_buses_by_hand() -> None:
    """One house draws 10 kW through 100 m of 0.5 ohm/km: P^2 R / U^2; the transformer's iron takes 1 kW."""
    net = pandapower.create_empty_network(name="two")
    high, low, end = (pandapower.create_bus(net, kv, name=name) for kv, name in ((10.0, "M"), (0.4, "L"), (0.4, "E")))
    pandapower.create_ext_grid(net, high, name="grid")
    pandapower.create_transformer_from_parameters(
        net, high, low, sn_mva=10.0, vn_hv_kv=10.0, vn_lv_kv=0.4, vkr_percent=0.0, vk_percent=0.01, pfe_kw=1.0,
        i0_percent=0.05, shift_degree=150.0, name="T",
    )  # fmt: skip
    pandapower.create_line_from_parameters(net, low, end, 0.1, 0.5, 0.0, 0.0, 0.2, name="line")
    network = from_pandapower(net)
    count = 96
    readings = AreaReadings(
        "two", ("house",), np.full((count, 1), 2500), np.zeros((count, 1), np.int64), np.ones((count, 1), np.bool_),
        np.full(count, 2516), np.zeros(count, np.int64), np.ones(count, np.bool_),
    )  # fmt: skip
    (low_side,) = AreaLoss(network, ["E"], tan_phi=0.0).days(readings)
    (high_side,) = AreaLoss(network, ["E"], tan_phi=0.0, side=SummaryMeterSide.HIGH_VOLTAGE).days(readings)
    assert isinstance(low_side, AreaDayLoss)
    assert isinstance(high_side, AreaDayLoss)
    end_v = (400 + (400**2 - 4 * 0.05 * 10e3) ** 0.5) / 2  # U1 = U2 + P R / U2
    line_w = 0.05 * (10e3 / end_v) ** 2
    assert low_side.computed_loss_wh == pytest.approx(24 * line_w, abs=1)
    assert high_side.computed_loss_wh == pytest.approx(24 * (line_w + 1000), abs=10)
    assert (low_side.supplied_wh, low_side.measured_loss_wh) == (96 * 2516, 96 * 16)
    assert low_side.residual_wh == low_side.measured_loss_wh - low_side.computed_loss_wh
    assert low_side.loss_rate == pytest.approx(16 / 2516)


def test_honest_days_are_in_order_and_agree_with_the_truth(
    street: Network, streets: Any, readings: AreaReadings, drawn_wh: FloatArray
) -> None:
    days = streets.area_loss(street).days(readings)
    assert judged(days) == [LossState.OK, LossState.OK]
    loss_wh = streets.truth(street, streets.houses(street), drawn_wh).loss_wh.reshape(2, 96).sum(axis=1)
    for day, true_wh in zip(days, loss_wh, strict=True):
        assert isinstance(day, AreaDayLoss)
        assert day.computed_loss_wh == pytest.approx(true_wh, rel=2e-3)
        assert abs(day.residual_wh) < 24 + 1, "each register hides less than 1 Wh"


def test_theft_is_a_high_loss_and_a_foreign_meter_a_negative_one(
    street: Network, streets: Any, readings: AreaReadings
) -> None:
    model = streets.area_loss(street)
    less, more = readings.import_wh.copy(), readings.import_wh.copy()
    less[:96, 3] = 0
    less[:96, 4] = 0
    more[96:, 3] *= 2
    assert judged(model.days(replace(readings, import_wh=less))) == [LossState.HIGH_LOSS, LossState.OK]
    assert judged(model.days(replace(readings, import_wh=more))) == [LossState.OK, LossState.NEGATIVE_LOSS]
    lenient = LossLimits(rate_max=0.5, residual_share_max=0.5)
    assert judged(model.days(replace(readings, import_wh=less), lenient))[0] is LossState.OK


def test_a_day_without_all_readings_is_not_judged(street: Network, streets: Any, readings: AreaReadings) -> None:
    metered, summary = readings.metered.copy(), readings.summary_metered.copy()
    metered[100:103, 5] = False
    metered[102, 7] = False
    summary[110] = False
    spoilt = readings.import_wh.copy()
    spoilt[100:103, 5] = 10**9
    days = streets.area_loss(street).days(replace(readings, metered=metered, summary_metered=summary, import_wh=spoilt))
    houses = streets.houses(street)
    assert isinstance(days[0], AreaDayLoss)
    assert days[1] == AreaDayMissing("A", 1, ("", houses[5], houses[7]), 4)


def test_power_that_no_network_can_carry_is_said_and_where(
    street: Network, streets: Any, readings: AreaReadings
) -> None:
    impossible = readings.import_wh.copy()
    impossible[10:12, 7] = 10**9
    days = streets.area_loss(street).days(replace(readings, import_wh=impossible))
    assert isinstance(days[0], AreaDayUnsolved)
    assert (days[0].day, days[0].n_intervals) == (0, 2)
    assert days[0].bus in street.buses.name
    assert isinstance(days[1], AreaDayLoss)


def test_feeding_in_counts_as_supply(street: Network, streets: Any, drawn_wh: FloatArray) -> None:
    houses = streets.houses(street)
    fed_in = np.zeros_like(drawn_wh)
    fed_in[40:60, 7] = 5_000.0
    truth = streets.truth(street, houses, drawn_wh - fed_in)
    assert truth.summary_wh.min() < 0, "power flows back at noon"
    exact = streets.readings("A", houses, streets.registered(drawn_wh, 1), truth.summary_wh)
    exact = replace(
        exact,
        export_wh=streets.registered(fed_in, 1),
        summary_import_wh=np.maximum(np.rint(truth.summary_wh), 0).astype(np.int64),
        summary_export_wh=np.maximum(np.rint(-truth.summary_wh), 0).astype(np.int64),
    )
    (first, _) = streets.area_loss(street).days(exact)
    assert isinstance(first, AreaDayLoss)
    assert first.state is LossState.OK
    assert first.supplied_wh == pytest.approx(drawn_wh[:96].sum() + truth.loss_wh[:96].sum(), abs=200)
    assert first.measured_loss_wh > 0


def test_single_phase_houses_lose_more_than_balanced_ones(
    street: Network, streets: Any, readings: AreaReadings
) -> None:
    houses = streets.houses(street)
    balanced = streets.area_loss(street).series(readings).computed_loss_wh.sum()
    thirds = [list(PhaseConnection)[row % 3] for row in range(len(houses))]
    by_phase = AreaLoss(street, houses, thirds).series(readings)
    on_one = AreaLoss(street, houses, [PhaseConnection.A] * len(houses)).series(readings)
    assert by_phase.usable.all()
    assert balanced * 1.5 < by_phase.computed_loss_wh.sum() < on_one.computed_loss_wh.sum()
    # All on phase a: three times the current, in one conductor and a neutral like it: 3^2 (1 + 1) / 3 = 6 times.
    assert on_one.computed_loss_wh.sum() / balanced == pytest.approx(6, rel=0.15)


def test_what_cannot_be_read_is_refused(street: Network, streets: Any, readings: AreaReadings) -> None:
    with pytest.raises(NetworkError, match="'nowhere'"):
        AreaLoss(street, ["nowhere"])
    cut = replace(
        readings, **{name: getattr(readings, name)[:-1] for name in vars(readings) if name not in {"area", "meter"}}
    )
    with pytest.raises(ValueError, match="191 intervals"):
        streets.area_loss(street).days(cut)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_energy_supplied_is_load_and_loss(imported: int, generated: int, exported: int, load: int) -> None:
    loss = imported + generated - exported - load
    rate = loss_rate(loss=loss, imported=imported, generated=generated, exported=exported)
    if load + loss <= 0:
        assert rate is None
    else:
        assert rate is not None
        assert rate * (load + loss) == pytest.approx(loss)
