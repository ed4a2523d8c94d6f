"""Meters registered on a wrong phase: found and first; nobody else accused; over several seeds and errors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grid_models.elements import FloatArray, Int64Array, NetworkError
from grid_models.networks import Network
from grid_models.phase_points import PhaseConnection
from grid_models.wrong_phase import PhaseVoltages, suspect_wrong_phases

SINGLE = (PhaseConnection.A, PhaseConnection.B, PhaseConnection.C)
SEEDS = range(6)


def metered(
    street: Network, streets: Any, seed: int, wrong: int, *, error_v: float = 0.1, days: int = 2
) -> tuple[PhaseVoltages, dict[str, PhaseConnection]]:
    """Return what the houses' meters show, `wrong` of them on another phase than registered, and where those are."""
    random = np.random.default_rng(seed)
    houses = streets.houses(street)
    drawn_wh: FloatArray = streets.households(random, len(houses), days)
    phase: Int64Array = random.permutation(np.arange(len(houses)) % 3)
    volts: FloatArray = streets.phase_voltages(street, random, drawn_wh, phase, error_v)
    volts[random.random(volts.shape) < 0.02] = np.nan
    registered = phase.copy()
    chosen = random.choice(len(houses), wrong, replace=False)
    registered[chosen] = (registered[chosen] + random.integers(1, 3, wrong)) % 3
    voltages = PhaseVoltages(
        meter=tuple(f"meter of {house}" for house in houses),
        bus=tuple(houses),
        registered=tuple(SINGLE[each] for each in registered),
        p_mw=-drawn_wh * 4e-6,
        voltage_v=volts,
    )
    return voltages, {voltages.meter[row]: SINGLE[phase[row]] for row in chosen}


@pytest.mark.parametrize(
    ("wrong", "error_v", "days"), [(0, 0.1, 2), (0, 1.0, 2), (1, 0.1, 2), (1, 0.5, 2), (3, 0.1, 2), (2, 0.5, 7)]
)
def test_the_wrong_ones_are_found_and_no_other(
    wrong: int, error_v: float, days: int, street: Network, streets: Any
) -> None:
    for seed in SEEDS:
        voltages, truth = metered(street, streets, seed, wrong, error_v=error_v, days=days)
        found = suspect_wrong_phases(street, voltages)
        assert {each.meter: each.better for each in found.suspicions} == truth, f"seed {seed}"
        assert found.unjudged == ()
        for suspicion in found.suspicions:
            assert suspicion.registered is not suspicion.better
            assert suspicion.explained_better > max(0.4, suspicion.explained_registered + 0.1)
            assert suspicion.meter in suspicion.evidence
        assert list(found.suspicions) == sorted(found.suspicions, key=lambda each: -each.z)


def test_a_feeder_exchanged_by_two_wrong_meters_is_not_accused_as_a_whole(street: Network, streets: Any) -> None:
    """Seed 4 puts two of one feeder's meters wrong; three honest ones on other phases would look almost as likely."""
    voltages, truth = metered(street, streets, 4, 2, error_v=0.5)
    found = suspect_wrong_phases(street, voltages)
    assert {each.meter: each.better for each in found.suspicions} == truth


def test_meters_that_cannot_be_judged_are_named(street: Network, streets: Any) -> None:
    voltages, _ = metered(street, streets, 0, 0)
    volts, registered = voltages.voltage_v.copy(), list(voltages.registered)
    volts[:, 1] = np.nan
    volts[::2, 2] = np.nan
    volts[:, 3] = 230.0
    registered[4] = PhaseConnection.THREE_PHASE
    found = suspect_wrong_phases(street, replace(voltages, voltage_v=volts, registered=tuple(registered)))
    assert found.suspicions == ()
    assert dict(found.unjudged) == {
        "meter of A H0.1": "has 0 voltages in a row; 48 are needed",
        "meter of A H0.2": "has 0 voltages in a row; 48 are needed",
        "meter of A H0.3": "its voltage never changes",
        "meter of A H0.4": "is connected to all three phases",
    }
    nobody = replace(voltages, voltage_v=np.full_like(volts, np.nan))
    assert len(suspect_wrong_phases(street, nobody).unjudged) == 24


def test_what_the_network_cannot_carry_is_refused(street: Network, streets: Any) -> None:
    voltages, _ = metered(street, streets, 0, 0)
    with pytest.raises(NetworkError, match="no power flow at the mean"):
        suspect_wrong_phases(street, replace(voltages, p_mw=voltages.p_mw * 1000))
    with pytest.raises(NetworkError, match="'nowhere'"):
        suspect_wrong_phases(street, replace(voltages, bus=("nowhere", *voltages.bus[1:])))
