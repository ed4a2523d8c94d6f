"""Theft and wrong areas: the culprit stands first, honest meters are not accused, over several seeds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grid_models.elements import FloatArray, Int64Array
from grid_models.networks import Network
from grid_models.suspicious_meters import (
    AreaCase,
    AreaFindings,
    NothingToSay,
    SuspicionCriteria,
    TheftKind,
    suspect_meters,
    suspect_theft,
    suspect_wrong_area,
)

SEEDS = range(6)


def findings(case: AreaCase) -> AreaFindings:
    outcome = suspect_theft(case)
    assert isinstance(outcome, AreaFindings)
    return outcome


@pytest.mark.parametrize(("share", "days"), [(0.3, 3), (0.3, 14), (0.1, 7)])
def test_a_thief_stands_first_and_alone(share: float, days: int, street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        drawn = streets.households(random, len(houses), days)
        thief = int(random.integers(len(houses)))
        metered = drawn.copy()
        metered[:, thief] *= 1 - share
        found = findings(streets.case(street, random, drawn, metered))
        assert [each.meters for each in found.theft] == [(houses[thief],)], f"seed {seed}"
        suspicion = found.theft[0]
        assert suspicion.kind is TheftKind.SHARE
        assert suspicion.missing_share == pytest.approx(share, abs=0.03)
        assert suspicion.missing_wh == pytest.approx(share * drawn[:, thief].sum(), rel=0.3)
        assert houses[thief] in suspicion.evidence
        assert found.slopes[0].meters == (houses[thief],)


def test_two_thieves_are_both_found(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    random = np.random.default_rng(5)
    drawn = streets.households(random, len(houses), 7)
    metered = drawn.copy()
    metered[:, 3] *= 0.5
    metered[:, 17] *= 0.8
    found = findings(streets.case(street, random, drawn, metered))
    assert {each.meters for each in found.theft} == {(houses[3],), (houses[17],)}


def test_nobody_is_accused_in_an_honest_street(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    for seed in SEEDS:
        random = np.random.default_rng(100 + seed)
        drawn = streets.households(random, len(houses), 7)
        found = findings(streets.case(street, random, drawn, drawn))
        assert (found.theft, found.doubtful) == ((), ()), f"seed {seed}"
        assert abs(found.unattributed_w) < 150, "of some 20 kW"


def test_a_tap_without_a_meter_accuses_nobody(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        drawn = streets.households(random, len(houses), 14)
        tap = 2 * streets.households(random, 1, 14)
        case = streets.case(
            street, random, np.hstack([drawn, tap]), drawn, buses=[*houses, houses[5]], resolution_wh=10
        )
        assert case.series.residual_wh.sum() > 0.5 * tap.sum()
        assert findings(case).theft == (), f"seed {seed}"


def test_a_constant_too_little_shows_where_the_meter_stands_still(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        drawn = streets.households(random, len(houses), 14)
        thief = int(random.integers(len(houses)))
        metered = drawn.copy()
        metered[:, thief] = np.maximum(metered[:, thief] - 75.0, 0.0)  # 300 W
        still = float((metered[:, thief] == 0).mean())
        found = findings(streets.case(street, random, drawn, metered, resolution_wh=1))
        if 0.06 < still < 0.94:
            assert [each.meters for each in found.theft] == [(houses[thief],)], f"seed {seed}"
            assert found.theft[0].kind is TheftKind.OFFSET
            assert found.theft[0].missing_w == pytest.approx(300, abs=100), "0.5 % of some 20 kW"
        else:  # then nothing tells its loss from any other constant loss
            assert found.theft == (), f"seed {seed}"
            assert found.unattributed_w == pytest.approx(300, abs=100)


def test_meters_that_go_alike_are_suspected_together(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    random = np.random.default_rng(1)
    drawn = streets.households(random, len(houses), 7)
    drawn[:, 4] = 0.5 * drawn[:, 9]
    metered = drawn.copy()
    metered[:, 4] *= 0.7
    found = findings(streets.case(street, random, drawn, metered, resolution_wh=1))
    assert [each.meters for each in found.theft] == [(houses[4], houses[9])]
    assert {name for name, why in found.unjudged if "alike" in why} == {houses[4], houses[9]}


def test_silent_meters_are_named_as_not_judged(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    random = np.random.default_rng(1)
    drawn = streets.households(random, len(houses), 7)
    drawn[:, 2] = 0.0
    found = findings(streets.case(street, random, drawn, drawn))
    assert found.unjudged == ((houses[2], "registers nothing"),)
    assert all(houses[2] not in each.meters for each in found.slopes)


def test_too_few_intervals_allow_no_judgement(street: Network, streets: Any) -> None:
    random = np.random.default_rng(1)
    drawn = streets.households(random, 24, 1)
    case = streets.case(street, random, drawn, drawn)
    outcome = suspect_theft(case)
    assert isinstance(outcome, NothingToSay)
    assert outcome.reason == "96 intervals with all readings; 150 are needed"
    assert suspect_wrong_area([case]) == ()


def three_streets(
    areas: tuple[Network, Network, Network], streets: Any, seed: int, days: int = 7
) -> tuple[list[AreaCase], list[FloatArray]]:
    """Return three streets in which a meter of A is fed from B, and a thief lives in B."""
    random = np.random.default_rng(seed)
    drawn = [streets.households(random, 24, days) for _ in range(3)]
    cases = []
    for number, (name, area) in enumerate(zip("ABC", areas, strict=True)):
        houses = streets.houses(area)
        drawn_here, buses = drawn[number], list(houses)
        if name == "A":
            drawn_here, buses = np.delete(drawn_here, 6, axis=1), [*houses[:6], *houses[7:]]
        if name == "B":
            drawn_here, buses = np.column_stack([drawn_here, drawn[0][:, 6]]), [*houses, houses[11]]
        metered = drawn[number].copy()
        if name == "B":
            metered[:, 20] *= 0.7
        cases.append(streets.case(area, random, drawn_here, metered, buses=buses))
    return cases, drawn


@pytest.mark.parametrize("seed", SEEDS)
def test_a_meter_of_another_area_is_found_and_does_not_hide_a_thief(
    seed: int, three_areas: tuple[Network, Network, Network], streets: Any
) -> None:
    cases, drawn = three_streets(three_areas, streets, seed)
    wrong, outcomes = suspect_meters(cases)
    assert [(each.area, each.meter, each.better_area) for each in wrong] == [("A", "A H0.6", "B")]
    assert wrong[0].slope_here == pytest.approx(-1, abs=0.1)
    assert wrong[0].slope_there == pytest.approx(1, abs=0.1)
    assert wrong[0].residual_before_wh - wrong[0].residual_after_wh > drawn[0][:, 6].sum()
    assert "A H0.6" in wrong[0].evidence
    thieves = {each.meters for outcome in outcomes if isinstance(outcome, AreaFindings) for each in outcome.theft}
    assert thieves == {("B H2.4",)}


def test_a_meter_that_no_area_feeds_is_still_named(three_areas: tuple[Network, Network, Network], streets: Any) -> None:
    cases, _ = three_streets(three_areas, streets, 0)
    (found,) = suspect_wrong_area([cases[0], cases[2]])
    assert (found.meter, found.better_area) == ("A H0.6", "")
    assert found.residual_after_wh < found.residual_before_wh


def test_missing_readings_are_left_out(street: Network, streets: Any) -> None:
    houses = streets.houses(street)
    random = np.random.default_rng(3)
    drawn = streets.households(random, len(houses), 7)
    metered = drawn.copy()
    metered[:, 8] *= 0.7
    case = streets.case(street, random, drawn, metered)
    some: Int64Array = case.readings.import_wh.copy()
    some[::10, 1] = 1_000_000
    holes = case.readings.metered.copy()
    holes[::10, 1] = False
    readings = replace(case.readings, import_wh=some, metered=holes)
    series = streets.area_loss(street).series(readings)
    assert int(series.usable.sum()) == int(holes.all(axis=1).sum())
    assert [each.meters for each in findings(AreaCase(readings, series)).theft] == [(houses[8],)]


def test_what_accuracy_explains_is_a_parameter(street: Network, streets: Any) -> None:
    random = np.random.default_rng(2)
    drawn = streets.households(random, 24, 7)
    metered = drawn.copy()
    metered[:, 8] *= 0.9
    case = streets.case(street, random, drawn, metered)
    assert len(findings(case).theft) == 1
    coarse = suspect_theft(case, SuspicionCriteria(slope_tolerance=0.15))
    assert isinstance(coarse, AreaFindings)
    assert coarse.theft == ()
