"""Registers to interval energy: differences, gaps, registers that run backwards, and substitution by named rules.

Columns have shape (n_meters, n_channels), Wh (varh for reactive channels); a register that is missing at an instant
is -1. An interval's energy is R(end) - R(start) (DESIGN 8); whatever is not measured so is estimated by a rule that
has a name, and flagged: nothing is estimated silently. Whatever rules are used, the energies since the last known
register sum to the register difference once the register returns (law 4).

Sources: requirements row 110 ff. use metered energy; outside-rules section 9 (substitution, 电量拟合).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from hub.market.trades import BoolArray, Int8Array, Int64Array

MISSING = -1


class Outcome(IntEnum):
    """What the two registers of an interval said."""

    MEASURED = 0
    ABSENT = 1
    GAP = 2
    BACKWARDS = 3


class SubstitutionRule(IntEnum):
    """How the energy of an interval was found; RULE_NAMES has the published names.

    NONE: measured. SIMILAR_INTERVAL: the last known interval's energy, provisional until the register returns.
    REMAINDER: the register returned; its difference less what was estimated meanwhile (closed intervals stay).
    EVEN_SPLIT: the register's difference over the gap, spread evenly, the earlier intervals get the odd Wh.
    ZERO: nothing is known from which to estimate.
    """

    NONE = 0
    SIMILAR_INTERVAL = 1
    REMAINDER = 2
    EVEN_SPLIT = 3
    ZERO = 4


RULE_NAMES: tuple[str, ...] = ("measured", "similar-interval", "remainder", "even-split", "zero")
assert len(RULE_NAMES) == len(SubstitutionRule)


@dataclass(frozen=True)
class IntervalEnergy:
    """Energy of one interval (or of a series, with a leading axis), shape (..., n_meters, n_channels).

    energy_wh: >= 0, 0 where the channel is absent. outcome: codes of `Outcome`. rule: codes of `SubstitutionRule`.
    """

    energy_wh: Int64Array
    outcome: Int8Array
    rule: Int8Array

    @property
    def substituted(self) -> BoolArray:
        """Whether the energy was estimated by a rule."""
        return np.asarray(self.rule != SubstitutionRule.NONE, dtype=np.bool_)


@dataclass(frozen=True)
class SubstitutionState:
    """What must be remembered of each register between intervals, shape (n_meters, n_channels) each.

    register_wh: last known register, -1 before the first. estimated_wh: energy already attributed beyond that register.
    energy_wh: energy of the last measured interval, -1 before the first. in_gap: no register at the last instant.
    """

    register_wh: Int64Array
    estimated_wh: Int64Array
    energy_wh: Int64Array
    in_gap: BoolArray


def initial_state(register_wh: Int64Array) -> SubstitutionState:
    """Return the state at the first instant, from the registers read there (-1: missing)."""
    return SubstitutionState(
        register_wh=register_wh,
        estimated_wh=np.zeros_like(register_wh),
        energy_wh=np.full_like(register_wh, MISSING),
        in_gap=np.asarray(register_wh == MISSING, dtype=np.bool_),
    )


def difference(start_wh: Int64Array, end_wh: Int64Array, present: BoolArray) -> IntervalEnergy:
    """Return R(end) - R(start) where both are known; elsewhere energy 0, the outcome says why, and rule ZERO.

    :param start_wh: registers at the start of the interval, shape (n_meters, n_channels), -1 missing
    :param end_wh: registers at its end
    :param present: whether the meter has the channel
    """
    gap = (start_wh == MISSING) | (end_wh == MISSING)
    backwards = ~gap & (end_wh < start_wh)
    outcome = np.select(
        [~present, gap, backwards], [Outcome.ABSENT, Outcome.GAP, Outcome.BACKWARDS], Outcome.MEASURED
    ).astype(np.int8)
    rule = np.where((outcome == Outcome.MEASURED) | ~present, SubstitutionRule.NONE, SubstitutionRule.ZERO)
    energy_wh = np.where(outcome == Outcome.MEASURED, end_wh - start_wh, 0)
    return IntervalEnergy(np.asarray(energy_wh, dtype=np.int64), outcome, rule.astype(np.int8))


def next_interval(
    state: SubstitutionState, end_wh: Int64Array, present: BoolArray
) -> tuple[IntervalEnergy, SubstitutionState]:
    """Return the energy of the interval that ends now, provisional where a register is missing, and the next state.

    A missing register (or one below the last known, which is not believed): rule SIMILAR_INTERVAL, ZERO without any
    measured interval before. When the register returns: rule REMAINDER, never below 0; what was estimated too much is
    taken off the following intervals, and `even_split` gives the energies for a re-settlement.

    :param end_wh: registers at the end of the interval, shape (n_meters, n_channels), -1 missing
    :param present: whether the meter has the channel
    """
    read = present & (end_wh != MISSING)
    backwards = read & (end_wh < state.register_wh)
    known = read & ~backwards
    returned = known & (state.register_wh != MISSING)
    owed = end_wh - state.register_wh - state.estimated_wh
    measured = returned & ~state.in_gap & (state.estimated_wh == 0)
    estimated = present & ~known & (state.energy_wh != MISSING)

    energy_wh = np.select([returned, estimated], [np.maximum(owed, 0), state.energy_wh], 0)
    rule = np.select(
        [~present | measured, returned, estimated],
        [SubstitutionRule.NONE, SubstitutionRule.REMAINDER, SubstitutionRule.SIMILAR_INTERVAL],
        SubstitutionRule.ZERO,
    )
    outcome = np.select(
        [~present, backwards, read & ~state.in_gap], [Outcome.ABSENT, Outcome.BACKWARDS, Outcome.MEASURED], Outcome.GAP
    )
    overstated = np.where(returned, np.maximum(-owed, 0), 0)
    following = SubstitutionState(
        register_wh=np.asarray(np.where(known, end_wh, state.register_wh), dtype=np.int64),
        estimated_wh=np.asarray(np.where(known, overstated, state.estimated_wh + energy_wh), dtype=np.int64),
        energy_wh=np.asarray(np.where(measured, energy_wh, state.energy_wh), dtype=np.int64),
        in_gap=np.asarray(~known, dtype=np.bool_),
    )
    energy = IntervalEnergy(np.asarray(energy_wh, dtype=np.int64), outcome.astype(np.int8), rule.astype(np.int8))
    return energy, following


def even_split(register_wh: Int64Array, present: BoolArray) -> IntervalEnergy:
    """Return the energies of a whole series of instants, each gap filled by the rule that its ends allow.

    Between two known registers: EVEN_SPLIT. After the last one: SIMILAR_INTERVAL. Before the first one: ZERO.
    A register below an earlier one is not believed and counts as missing, with outcome BACKWARDS.

    :param register_wh: shape (n_instants, n_meters, n_channels), -1 missing
    :param present: shape (n_meters, n_channels)
    :returns: series of n_instants - 1 intervals
    """
    n_instants = register_wh.shape[0]
    assert n_instants >= 2
    highest = np.maximum.accumulate(register_wh, axis=0)
    backwards = (register_wh != MISSING) & (register_wh < highest)
    known = (register_wh != MISSING) & ~backwards & present

    instant = np.arange(n_instants).reshape(-1, 1, 1)
    before = np.maximum.accumulate(np.where(known, instant, MISSING), axis=0)
    after = np.minimum.accumulate(np.where(known, instant, n_instants)[::-1], axis=0)[::-1]
    inside = (before >= 0) & (after < n_instants)
    start, end = np.maximum(before, 0), np.minimum(after, n_instants - 1)
    register_start = np.take_along_axis(register_wh, start, axis=0)
    register_end = np.take_along_axis(register_wh, end, axis=0)
    steps, passed = np.maximum(end - start, 1), instant - start
    gap_wh = register_end - register_start
    filled = register_start + gap_wh // steps * passed + np.minimum(passed, gap_wh % steps)
    energy_wh = np.where(inside[1:] & inside[:-1], np.diff(np.where(inside, filled, 0), axis=0), 0)

    tail = (before[1:] >= 0) & (after[1:] == n_instants)
    direct = known[1:] & known[:-1]
    last_measured = _last_measured(energy_wh, direct)
    energy_wh = np.where(tail, np.maximum(last_measured, 0), energy_wh)
    rule = np.select(
        [np.broadcast_to(~present, direct.shape) | direct, tail & (last_measured != MISSING), inside[1:] & inside[:-1]],
        [SubstitutionRule.NONE, SubstitutionRule.SIMILAR_INTERVAL, SubstitutionRule.EVEN_SPLIT],
        SubstitutionRule.ZERO,
    )
    outcome = np.select(
        [np.broadcast_to(~present, direct.shape), direct, backwards[1:]],
        [Outcome.ABSENT, Outcome.MEASURED, Outcome.BACKWARDS],
        Outcome.GAP,
    )
    return IntervalEnergy(np.asarray(energy_wh, dtype=np.int64), outcome.astype(np.int8), rule.astype(np.int8))


def loss_by_unit(
    parent: Int64Array, inflow_wh: Int64Array, is_metered: BoolArray, net_load_wh: Int64Array
) -> Int64Array:
    """Return the measured loss of every unit that has a boundary meter, from registers alone; 0 for the others.

    The loss of a metered unit is what flows in, less what flows into the nearest metered units below, less the net
    load of the market meters between. Units without a boundary meter count to the nearest metered unit above, so the
    losses sum to gateway import + exports - gateway export - imports (requirements row 111).

    :param parent: shape (n_units,), a parent before its children, -1 for the root
    :param inflow_wh: import less export of each unit's boundary meter (the root's: the county gateway)
    :param is_metered: whether the unit has a boundary meter; the root must
    :param net_load_wh: import less export of the market meters directly in each unit
    :returns: shape (n_units,), negative only if the registers contradict each other
    """
    assert bool(is_metered[0])
    below = net_load_wh.astype(np.int64).copy()
    loss = np.zeros_like(below)
    for unit in range(below.size - 1, -1, -1):
        if is_metered[unit]:
            loss[unit] = inflow_wh[unit] - below[unit]
        if unit:
            below[parent[unit]] += inflow_wh[unit] if is_metered[unit] else below[unit]
    return loss


def _last_measured(energy_wh: Int64Array, direct: BoolArray) -> Int64Array:
    """Return, for every interval, the energy of the last measured interval up to it; -1 where there is none."""
    position = np.arange(direct.shape[0]).reshape(-1, 1, 1)
    last = np.maximum.accumulate(np.where(direct, position, MISSING), axis=0)
    return np.asarray(
        np.where(last >= 0, np.take_along_axis(energy_wh, np.maximum(last, 0), axis=0), MISSING), dtype=np.int64
    )
