"""State estimation: exact readings give the power flow back, a broken meter is the one that is named."""

from typing import Any

import numpy as np
import pytest

from grid_models.elements import FloatArray, NetworkError
from grid_models.estimation import BadSensors, NotObservable, StateEstimate, StateEstimator
from grid_models.networks import Network
from grid_models.phase_points import PhaseConnection, locate_phase_points
from grid_models.power_flow import PowerFlow
from grid_models.sensors import NO_POWER_SENSORS, Method, PowerSensors, Quantity, Readings, Sensors, VoltageSensors
from grid_models.unbalanced import UnbalancedPowerFlow

SEEDS = range(6)
SIGMA_V = 0.7


@pytest.fixture(scope="module")
def buses(street: Network, streets: Any) -> list[str]:
    """Return where voltages are metered: the busbar and the houses."""
    return ["A LV", *streets.houses(street)]


@pytest.fixture(scope="module")
def sensors(street: Network, streets: Any, buses: list[str]) -> Sensors:
    houses = streets.houses(street)
    return Sensors(
        voltage=VoltageSensors(tuple(f"V {bus}" for bus in buses), tuple(buses), np.full(len(buses), SIGMA_V)),
        injection=PowerSensors(
            tuple(f"P {house}" for house in houses),
            tuple(houses),
            np.full(len(houses), 2e-5),
            np.full(len(houses), 5e-5),
        ),
        transformer=PowerSensors(("summary",), ("A T",), np.full(1, 1e-4), np.full(1, 3e-4)),
    )


def exact(street: Network, streets: Any, seed: int, buses: list[str], n_scenarios: int) -> tuple[Readings, FloatArray]:
    """Return exact readings, and the voltages of all buses."""
    drawn_mw = streets.households(np.random.default_rng(seed), 24, 1)[70 : 70 + n_scenarios] * 4e-6
    at = [street.bus_position[house] for house in streets.houses(street)]
    p_mw = np.zeros((n_scenarios, len(street.buses)))
    p_mw[:, at] = -drawn_mw
    result = PowerFlow(street).solve(p_mw, 0.33 * p_mw)
    readings = Readings(
        voltage_v=result.vm_pu[:, [street.bus_position[bus] for bus in buses]] * 400,
        injection_p_mw=-drawn_mw,
        injection_q_mvar=-0.33 * drawn_mw,
        transformer_p_mw=result.transformer_p_lv_mw,
        transformer_q_mvar=result.transformer_q_lv_mvar,
    )
    return readings, result.vm_pu


def with_errors(readings: Readings, seed: int) -> Readings:
    """Return the readings with the errors that the sensors may have."""
    random = np.random.default_rng(1000 + seed)
    assert readings.transformer_p_mw is not None
    assert readings.transformer_q_mvar is not None
    columns = ((readings.voltage_v, SIGMA_V), (readings.injection_p_mw, 2e-5), (readings.injection_q_mvar, 5e-5),
               (readings.transformer_p_mw, 1e-4), (readings.transformer_q_mvar, 3e-4))  # fmt: skip
    return Readings(*(values + random.normal(0, sigma, values.shape) for values, sigma in columns))


def estimated(outcome: StateEstimate | NotObservable) -> StateEstimate:
    assert isinstance(outcome, StateEstimate)
    return outcome


def bad(outcome: BadSensors | NotObservable) -> BadSensors:
    assert isinstance(outcome, BadSensors)
    return outcome


@pytest.mark.parametrize("method", list(Method))
def test_exact_readings_give_the_power_flow_back(
    method: Method, street: Network, streets: Any, sensors: Sensors, buses: list[str]
) -> None:
    readings, vm_pu = exact(street, streets, 0, buses, 3)
    estimate = estimated(StateEstimator(street, sensors, method=method).estimate(readings))
    assert estimate.failures == ()
    np.testing.assert_allclose(estimate.vm_pu, vm_pu, rtol=0, atol=1e-7)
    assert max(score.z for score in estimate.scores) < 1e-2


def test_errors_are_evened_out(street: Network, streets: Any, sensors: Sensors, buses: list[str]) -> None:
    estimator = StateEstimator(street, sensors)
    for seed in SEEDS:
        readings, vm_pu = exact(street, streets, seed, buses, 4)
        estimate = estimated(estimator.estimate(with_errors(readings, seed)))
        wrong_v = (estimate.vm_pu[:, 1:] - vm_pu[:, 1:]) * 400
        assert np.sqrt((wrong_v**2).mean()) < SIGMA_V / 2
        honest = [score.z for score in estimate.scores if score.quantity is Quantity.VOLTAGE]
        assert 0.5 < np.sqrt(np.mean(np.square(honest))) < 1.5, "normalised residuals of honest sensors are about 1"


@pytest.mark.parametrize("spoilt_by", [(6.0, 1), (4.0, 8), (-5.0, 1)])
def test_a_broken_voltmeter_is_the_one_named(
    spoilt_by: tuple[float, int], street: Network, streets: Any, sensors: Sensors, buses: list[str]
) -> None:
    error_v, n_scenarios = spoilt_by
    estimator = StateEstimator(street, sensors)
    for seed in SEEDS:
        readings, vm_pu = exact(street, streets, seed, buses, n_scenarios)
        spoilt = with_errors(readings, seed)
        broken = int(np.random.default_rng(seed).integers(len(buses)))
        spoilt.voltage_v[:, broken] += error_v
        outcome = bad(estimator.find_bad_sensors(spoilt))
        assert [each.sensor for each in outcome.found] == [f"V {buses[broken]}"], f"seed {seed}"
        found = outcome.found[0]
        assert (found.quantity, found.phase) == (Quantity.VOLTAGE, "")
        assert found.error == pytest.approx(error_v, abs=3 * SIGMA_V)
        assert f"V {buses[broken]}" in found.evidence
        assert np.abs(outcome.estimate.vm_pu - vm_pu).max() * 400 < 3 * SIGMA_V


def test_honest_sensors_are_not_accused(street: Network, streets: Any, sensors: Sensors, buses: list[str]) -> None:
    estimator = StateEstimator(street, sensors)
    for seed in SEEDS:
        readings, _ = exact(street, streets, seed, buses, 2)
        assert bad(estimator.find_bad_sensors(with_errors(readings, seed))).found == (), f"seed {seed}"


def test_a_wrong_balance_names_all_who_may_have_spoilt_it(
    street: Network, streets: Any, sensors: Sensors, buses: list[str]
) -> None:
    """Summary meter and houses balance once: whichever is wrong, the sum is; the voltages are too coarse to tell."""
    readings, _ = exact(street, streets, 3, buses, 4)
    spoilt = with_errors(readings, 3)
    assert spoilt.transformer_p_mw is not None
    spoilt.transformer_p_mw[:] *= 0.8
    spoilt.voltage_v[:, 5] -= 7.0
    found = bad(StateEstimator(street, sensors).find_bad_sensors(spoilt)).found
    voltmeter, balance = sorted(found, key=lambda each: each.quantity is not Quantity.VOLTAGE)
    assert (voltmeter.sensor, voltmeter.or_else) == (f"V {buses[5]}", ())
    assert {balance.sensor, *balance.or_else} == {"summary", *sensors.injection.name}
    assert "or one of" in balance.evidence


def test_by_phase_the_phase_is_named_too(street: Network, streets: Any, sensors: Sensors, buses: list[str]) -> None:
    houses = streets.houses(street)
    points = locate_phase_points(street, houses, [list(PhaseConnection)[row % 3] for row in range(24)])
    p_mw = points.injection(-streets.households(np.random.default_rng(0), 24, 1)[70:72] * 4e-6)
    result = UnbalancedPowerFlow(street).solve(p_mw, 0.33 * p_mw)
    at = [street.bus_position[bus] for bus in buses]
    random = np.random.default_rng(1)
    here = Sensors(sensors.voltage, sensors.injection)
    estimator = StateEstimator(street, here, by_phase=True)
    readings = Readings(
        voltage_v=result.vm_v[:, at] + random.normal(0, SIGMA_V, (2, 25, 3)),
        injection_p_mw=p_mw[:, at[1:]] + random.normal(0, 2e-5, (2, 24, 3)),
        injection_q_mvar=0.33 * p_mw[:, at[1:]] + random.normal(0, 5e-5, (2, 24, 3)),
    )
    readings.voltage_v[:, 9, 2] += 6.0
    outcome = bad(estimator.find_bad_sensors(readings))
    assert [(each.sensor, each.quantity, each.phase) for each in outcome.found] == [
        (f"V {buses[9]}", Quantity.VOLTAGE, "c")
    ]
    assert np.abs(outcome.estimate.vm_pu[:, at] - result.vm_pu[:, at]).max() * 400 / 3**0.5 < 3 * SIGMA_V


def test_what_nothing_else_tells_is_not_judged(street: Network, streets: Any, sensors: Sensors) -> None:
    readings, _ = exact(street, streets, 0, ["A LV"], 1)
    busbar = VoltageSensors(("V",), ("A LV",), np.full(1, SIGMA_V))
    alone = Readings(readings.voltage_v + 40, readings.injection_p_mw, readings.injection_q_mvar)
    estimate = estimated(StateEstimator(street, Sensors(busbar, sensors.injection)).estimate(alone))
    voltmeter = next(score for score in estimate.scores if score.sensor == "V")
    assert (voltmeter.checkable, voltmeter.z) == (False, 0.0)


def test_too_few_sensors_are_said_to_be_too_few(street: Network, streets: Any, sensors: Sensors) -> None:
    readings, _ = exact(street, streets, 0, [], 2)
    blind = Sensors(VoltageSensors((), (), np.zeros(0)), sensors.injection)
    powers = Readings(readings.voltage_v, readings.injection_p_mw, readings.injection_q_mvar)
    outcome = StateEstimator(street, blind).estimate(powers)
    assert isinstance(outcome, NotObservable)
    assert "No voltage sensor" in outcome.reason
    assert isinstance(StateEstimator(street, blind).find_bad_sensors(powers), NotObservable)


def two_at_one_bus(sensors: Sensors) -> Sensors:
    doubled = PowerSensors(("p", "q"), ("A H0.0", "A H0.0"), np.full(2, 1e-5), np.full(2, 1e-5))
    return Sensors(sensors.voltage, doubled)


def no_deviation(sensors: Sensors) -> Sensors:
    return Sensors(sensors.voltage, PowerSensors(("p",), ("A H0.0",), np.zeros(1), np.ones(1)))


def nowhere(sensors: Sensors) -> Sensors:
    return Sensors(sensors.voltage, sensors.injection, PowerSensors(("s",), ("B T",), np.ones(1), np.ones(1)))


def same_name(sensors: Sensors) -> Sensors:
    return Sensors(sensors.voltage, PowerSensors(("V A LV",), ("A H0.0",), np.ones(1), np.ones(1)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (two_at_one_bus, "'p' and 'q' measure the injection of one node"),
        (no_deviation, "'p' has no standard deviation"),
        (nowhere, "'s' stands at 'B T'"),
        (same_name, "'V A LV' stands twice"),
    ],
)
def test_sensors_that_cannot_be_used_are_refused_by_name(
    spoil: Any, said: str, street: Network, sensors: Sensors
) -> None:
    with pytest.raises(NetworkError, match=said):
        StateEstimator(street, spoil(sensors))


def test_wrong_readings_are_refused(street: Network, streets: Any, sensors: Sensors, buses: list[str]) -> None:
    readings, _ = exact(street, streets, 0, buses, 2)
    estimator = StateEstimator(street, sensors)
    with pytest.raises(ValueError, match="readings of active flow have shape"):
        estimator.estimate(Readings(readings.voltage_v, readings.injection_p_mw, readings.injection_q_mvar))
    readings.voltage_v[1, 1] = np.nan
    with pytest.raises(ValueError, match="voltage is not finite"):
        estimator.estimate(readings)
    assert NO_POWER_SENSORS.name == ()
