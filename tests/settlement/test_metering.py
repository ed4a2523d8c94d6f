"""Registers to interval energy: differences, gaps, backwards registers, named rules; and the loss by unit."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.trades import Violation
from hub.settlement.checks import check_reading_counts, check_register_sums
from hub.settlement.metering import (
    MISSING,
    RULE_NAMES,
    IntervalEnergy,
    Outcome,
    SubstitutionRule,
    difference,
    even_split,
    initial_state,
    loss_by_unit,
    next_interval,
)

Rule = SubstitutionRule


def grid(*values: int) -> Any:
    """One meter, one channel, one value an instant."""
    return np.array(values, np.int64).reshape(-1, 1, 1)


PRESENT = np.ones((1, 1), np.bool_)


def series(register: Any, present: Any = PRESENT) -> IntervalEnergy:
    """The energies of successive intervals as the hub finds them, one instant after the other."""
    state, steps = initial_state(register[0]), []
    for end in register[1:]:
        energy, state = next_interval(state, end, present)
        steps.append(energy)
    return IntervalEnergy(
        np.stack([step.energy_wh for step in steps]),
        np.stack([step.outcome for step in steps]),
        np.stack([step.rule for step in steps]),
    )


def flat(column: Any) -> list[int]:
    values: list[int] = column.reshape(-1).tolist()
    return values


def test_the_energy_of_an_interval_is_the_difference_of_its_registers() -> None:
    start = np.array([[100, 5], [7, MISSING], [9, 9]], np.int64)
    end = np.array([[130, 5], [8, 3], [8, MISSING]], np.int64)
    present = np.array([[True, True], [True, False], [True, True]])
    energy = difference(start, end, present)
    assert energy.energy_wh.tolist() == [[30, 0], [1, 0], [0, 0]]
    assert energy.outcome.tolist() == [
        [Outcome.MEASURED, Outcome.MEASURED],
        [Outcome.MEASURED, Outcome.ABSENT],
        [Outcome.BACKWARDS, Outcome.GAP],
    ]
    assert energy.substituted.tolist() == [[False, False], [False, False], [True, True]]


def test_a_missing_register_gives_the_last_known_interval_provisionally_and_the_remainder_on_return() -> None:
    energy = series(grid(100, 110, MISSING, MISSING, 155))
    assert flat(energy.energy_wh) == [10, 10, 10, 25]
    assert flat(energy.rule) == [Rule.NONE, Rule.SIMILAR_INTERVAL, Rule.SIMILAR_INTERVAL, Rule.REMAINDER]
    assert flat(energy.outcome) == [Outcome.MEASURED, Outcome.GAP, Outcome.GAP, Outcome.GAP]
    assert RULE_NAMES[Rule.SIMILAR_INTERVAL] == "similar-interval"


def test_what_was_estimated_too_much_is_taken_off_the_following_intervals() -> None:
    energy = series(grid(100, 120, MISSING, 125, 140))
    assert flat(energy.energy_wh) == [20, 20, 0, 0]  # 40 since 100; the register gives exactly 40
    assert flat(energy.rule) == [Rule.NONE, Rule.SIMILAR_INTERVAL, Rule.REMAINDER, Rule.REMAINDER]
    assert flat(series(grid(100, 120, MISSING, 125, 140, 150)).energy_wh)[-1] == 10


def test_a_register_that_runs_backwards_is_not_believed() -> None:
    energy = series(grid(100, 110, 90, 125))
    assert flat(energy.energy_wh) == [10, 10, 5]
    assert flat(energy.outcome) == [Outcome.MEASURED, Outcome.BACKWARDS, Outcome.GAP]
    split = even_split(grid(100, 110, 90, 125), PRESENT)
    assert flat(split.energy_wh) == [10, 8, 7]
    assert flat(split.outcome) == [Outcome.MEASURED, Outcome.BACKWARDS, Outcome.GAP]


def test_nothing_known_is_zero_and_says_so() -> None:
    energy = series(grid(MISSING, MISSING, 50, 60))
    assert flat(energy.energy_wh) == [0, 0, 10]
    assert flat(energy.rule) == [Rule.ZERO, Rule.ZERO, Rule.NONE]
    assert flat(even_split(grid(MISSING, MISSING, 50, 60), PRESENT).rule) == [Rule.ZERO, Rule.ZERO, Rule.NONE]


def test_an_even_split_gives_the_odd_wh_to_the_earlier_intervals() -> None:
    split = even_split(grid(100, MISSING, MISSING, 108, 110, MISSING), PRESENT)
    assert flat(split.energy_wh) == [3, 3, 2, 2, 2]
    assert flat(split.rule) == [Rule.EVEN_SPLIT] * 3 + [Rule.NONE, Rule.SIMILAR_INTERVAL]


REGISTERS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=8)


@settings(deadline=None)
@given(REGISTERS)
def test_energies_sum_to_the_register_difference_whatever_is_missing(steps: list[tuple[int, bool]]) -> None:
    true = np.cumsum([100] + [energy for energy, _ in steps])
    read = [int(true[0])] + [int(value) if seen else MISSING for value, (_, seen) in zip(true[1:], steps, strict=True)]
    read += [int(true[-1]) + 50] * 2  # the register returns, and long enough to settle what was overstated
    register = grid(*read)
    for energy in (even_split(register, PRESENT), series(register)):
        assert check_register_sums(register[0], register[-1], energy, PRESENT, ["M1"]) == []
        assert energy.energy_wh.min() >= 0
    unread = np.array([MISSING in pair for pair in pairwise(read)])
    assert np.array_equal(even_split(register, PRESENT).substituted.reshape(-1), unread)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_without_gaps_all_ways_agree(steps: list[int]) -> None:
    register = grid(*np.cumsum([7, *steps]).tolist())
    expected = series(register)
    split = even_split(register, PRESENT)
    assert flat(expected.energy_wh) == flat(split.energy_wh) == steps
    assert not expected.substituted.any()
    assert not split.substituted.any()


def test_a_lost_or_double_counted_energy_is_found() -> None:
    register = grid(100, 110, 120)
    energy = even_split(register, PRESENT)
    lost = IntervalEnergy(energy.energy_wh - 1, energy.outcome, energy.rule)
    found = check_register_sums(register[0], register[-1], lost, PRESENT, ["M7"])
    assert found == [Violation(4, "meter M7, channel 0", "intervals sum to 18, registers differ by 20")]
    assert check_reading_counts(published=5, admitted=5, settled_twice=0) == []
    assert len(check_reading_counts(published=5, admitted=4, settled_twice=1)) == 2


def test_loss_by_unit_telescopes_to_the_gateway() -> None:
    # root (gateway) - feeder without meter - two areas with summary meters, a microgrid without one
    parent = np.array([-1, 0, 1, 1, 1], np.int64)
    inflow = np.array([100, 0, 40, -10, 0], np.int64)
    metered = np.array([True, False, True, True, False])
    net_load = np.array([5, 30, 37, -12, 30], np.int64)
    loss = loss_by_unit(parent, inflow, metered, net_load)
    assert loss.tolist() == [100 - 5 - 30 - 40 + 10 - 30, 0, 3, 2, 0]
    assert loss.sum() == inflow[0] - net_load.sum()


@pytest.mark.parametrize("rule", list(SubstitutionRule))
def test_every_rule_has_a_published_name(rule: SubstitutionRule) -> None:
    assert RULE_NAMES[rule] == {"NONE": "measured"}.get(rule.name, rule.name.lower().replace("_", "-"))
