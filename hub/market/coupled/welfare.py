"""The welfare problem of a horizon: one sparse mixed-integer program, nodal, with flow variables on edges.

Columns of an interval: what fills of each (unit, side, price) step, the flow up and down each edge; of the horizon:
charge, discharge and stored energy of each storage, the ratio of each block. Rows: one balance a unit and interval,
one state of charge a storage and interval, one row a meshed limit and interval, with an entry only for edges at which
its factor changes - never a factor for each order.
"""

from dataclasses import dataclass, replace

import numpy as np

from hub.market.coupled.highs import solve
from hub.market.coupled.linear_problem import MICRO, Infeasible, LinearProblem, ProblemBuilder
from hub.market.coupled.problem import PPM, CoupledProblem, factor_steps
from hub.market.price_rule import UNBOUNDED
from hub.market.trades import NO_LIMIT_WH, BoolArray, Int64Array, OrderBatch, Party, TradeSide

_PRICE_SCALE = 1_000
_TYPICAL_COLUMN = 1_000
_NEVER_REACHED_WH = 2**50


@dataclass(frozen=True)
class Restrictions:
    """What earlier solutions taught.

    cuts: shape (n_cuts, n_blocks), sets of accepted blocks without supporting prices. barred: shape (n_blocks,), blocks
    that are given up. one_way: shape (n_storages, n_intervals), where charging and discharging must exclude each other.
    margin_wh: shape (n_limits, n_intervals), by how much a meshed limit is drawn in, for rounding to Wh. closed: shape
    (n_intervals,), intervals in which the edges that meshed limits touch carry nothing, as no drawing in was enough.
    """

    cuts: BoolArray
    barred: BoolArray
    one_way: BoolArray
    margin_wh: Int64Array
    closed: BoolArray


@dataclass(frozen=True)
class Plan:
    """An optimum of the welfare problem, millionths of Wh: charge, discharge and stored: (n_storages, n_intervals).

    accepted: (n_blocks,), ratio_ppm: (n_blocks,), in millionths of a ppm. flow_up: (n_intervals, n_units).
    margin_wh: (n_limits, n_intervals), by how much meshed limits were drawn in.
    welfare_nano_yuan: what HiGHS found, terminal value of storage included, rounded by its tolerance.
    """

    charge_micro_wh: Int64Array
    discharge_micro_wh: Int64Array
    stored_micro_wh: Int64Array
    accepted: BoolArray
    ratio_micro_ppm: Int64Array
    flow_up_micro_wh: Int64Array
    margin_wh: Int64Array
    welfare_nano_yuan: int


@dataclass(frozen=True)
class _IntervalColumns:
    up: Int64Array
    down: Int64Array
    balance: Int64Array


@dataclass(frozen=True)
class _StorageColumns:
    charge: Int64Array
    discharge: Int64Array
    stored: Int64Array


@dataclass(frozen=True)
class _BlockColumns:
    ratio: Int64Array
    accepted: Int64Array


@dataclass(frozen=True)
class _Layout:
    """The numbers of the problem's columns."""

    intervals: tuple[_IntervalColumns, ...]
    storage: _StorageColumns
    block: _BlockColumns


def no_restrictions(problem: CoupledProblem) -> Restrictions:
    """Return the restrictions before the first solution: none."""
    n_blocks, n = len(problem.blocks.block_id), problem.n_intervals
    return Restrictions(
        cuts=np.zeros((0, n_blocks), np.bool_),
        barred=np.zeros(n_blocks, np.bool_),
        one_way=np.zeros((len(problem.storages.storage_id), n), np.bool_),
        margin_wh=np.zeros((len(problem.limits.name), n), np.int64),
        closed=np.zeros(n, np.bool_),
    )


def best_plan(problem: CoupledProblem, restrictions: Restrictions) -> Plan:
    """Return the plan of greatest welfare under the restrictions; doing nothing is always one."""
    linear, layout = welfare_problem(problem, restrictions)
    outcome = solve(linear)
    assert not isinstance(outcome, Infeasible), "nothing can always stay put"
    if linear.integer.any():
        outcome = solve(_with_integers_fixed(linear, outcome.value_micro))
        assert not isinstance(outcome, Infeasible), "the integers were found feasible"
    value = outcome.value_micro
    flow = np.zeros((problem.n_intervals, problem.n_units), np.int64)
    for number, columns in enumerate(layout.intervals):
        flow[number, 1:] = value[columns.up] - value[columns.down]
    accepted = value[layout.block.accepted] > PPM // 2
    return Plan(
        charge_micro_wh=value[layout.storage.charge],
        discharge_micro_wh=value[layout.storage.discharge],
        stored_micro_wh=value[layout.storage.stored],
        accepted=np.asarray(accepted, dtype=np.bool_),
        ratio_micro_ppm=np.where(accepted, value[layout.block.ratio], 0) * PPM,
        flow_up_micro_wh=flow,
        margin_wh=restrictions.margin_wh,
        welfare_nano_yuan=-outcome.objective,
    )


def _with_integers_fixed(linear: LinearProblem, value_micro: Int64Array) -> LinearProblem:
    """Return the linear problem that is left; its optimum is exact, a search among integers ends in a tolerance."""
    whole = (value_micro + MICRO // 2) // MICRO
    return replace(
        linear,
        lower=np.where(linear.integer, whole, linear.lower),
        upper=np.where(linear.integer, whole, linear.upper),
        integer=np.zeros_like(linear.integer),
    )


def welfare_problem(problem: CoupledProblem, restrictions: Restrictions) -> tuple[LinearProblem, _Layout]:
    """Return the problem to minimise (welfare with its sign turned) and where its columns stand."""
    energy = max((int(market.orders.energy_wh.max(initial=1)) for market in problem.markets), default=1)
    scale = max(1, min(energy, _NEVER_REACHED_WH) // _TYPICAL_COLUMN)
    builder = ProblemBuilder(cost_divisor=_PRICE_SCALE * scale)
    intervals = tuple(
        _add_interval(builder, problem, number, scale, is_closed=bool(is_closed))
        for number, is_closed in enumerate(restrictions.closed)
    )
    layout = _Layout(
        intervals=intervals,
        storage=_add_storages(builder, problem, intervals, restrictions.one_way, scale),
        block=_add_blocks(builder, problem, intervals, restrictions),
    )
    _add_limits(builder, problem, intervals, restrictions.margin_wh, scale)
    return builder.finished(), layout


def within_tie_wh(market_limit: tuple[Int64Array, Int64Array], orders: OrderBatch) -> Int64Array:
    """Return the orders' energies, the province's cut to the tie's (export, import) limits at the root."""
    export, imported = market_limit
    tie = np.where(orders.side == TradeSide.SELL, imported[0], export[0])
    is_province = orders.party == Party.PROVINCE
    return np.asarray(np.where(is_province, np.minimum(orders.energy_wh, tie), orders.energy_wh), dtype=np.int64)


def _add_interval(
    builder: ProblemBuilder, problem: CoupledProblem, number: int, scale: int, *, is_closed: bool
) -> _IntervalColumns:
    """Add one interval's steps, flows and balances: sold + down + children's up = bought + up + children's down."""
    market = problem.markets[number]
    tree, orders = market.tree, market.orders
    energy = within_tie_wh((tree.export_limit_wh, tree.import_limit_wh), orders)
    key = np.stack((orders.unit, orders.side.astype(np.int64), orders.price_uyuan_per_kwh), axis=1)
    steps, position = np.unique(key, axis=0, return_inverse=True)
    width = np.zeros(len(steps), np.int64)
    np.add.at(width, position.ravel(), energy)
    sign = np.where(steps[:, 1] == TradeSide.SELL, 1, -1)
    balance = builder.add_rows(problem.n_units, low=0, high=0, divisor=scale)
    fill = builder.add_columns(len(steps), upper=width, cost=steps[:, 2] * sign, scale=scale)
    builder.add_entries(balance[steps[:, 0]], fill, sign)
    n_edges = problem.n_units - 1
    shut = is_closed & (factor_steps(problem) != 0).any(axis=0)[1:]
    limits = [
        np.where(shut, 0, np.where(limit[1:] >= NO_LIMIT_WH, UNBOUNDED, limit[1:]))
        for limit in (tree.export_limit_wh, tree.import_limit_wh)
    ]
    up = builder.add_columns(n_edges, upper=limits[0], scale=scale)
    down = builder.add_columns(n_edges, upper=limits[1], cost=tree.fee_uyuan_per_kwh[1:], scale=scale)
    for columns, at_child in ((up, -1), (down, 1)):
        builder.add_entries(balance[1:], columns, at_child)
        builder.add_entries(balance[tree.parent[1:]], columns, -at_child)
    return _IntervalColumns(up, down, balance)


def _add_storages(
    builder: ProblemBuilder,
    problem: CoupledProblem,
    intervals: tuple[_IntervalColumns, ...],
    one_way: BoolArray,
    scale: int,
) -> _StorageColumns:
    """Add stored[t] = stored[t-1] + charge x efficiency - discharge / efficiency, and what the last one is worth.

    Divided through: row x PPM x discharge efficiency is in whole numbers.
    """
    one, n = problem.storages, problem.n_intervals
    shape = (len(one.storage_id), n)
    size = shape[0] * n

    def columns(low: Int64Array | int, high: Int64Array, cost: Int64Array | int = 0) -> Int64Array:
        lower = low if isinstance(low, int) else np.repeat(low, n)
        return builder.add_columns(size, lower=lower, upper=np.repeat(high, n), cost=cost, scale=scale).reshape(shape)

    charge, discharge = columns(0, one.charge_max_wh), columns(0, one.discharge_max_wh)
    worth = np.zeros(shape, np.int64)
    worth[:, -1] = -one.terminal_value_uyuan_per_kwh
    stored = columns(one.energy_min_wh + one.reserve_wh, one.energy_max_wh - one.reserve_wh, worth.ravel())
    whole = one.discharge_efficiency_ppm * PPM
    divisor = np.repeat(whole, n) * min(scale, UNBOUNDED // PPM**2)
    rows = builder.add_rows(size, low=0, high=0, divisor=divisor).reshape(shape)
    opening = builder.add_columns(shape[0], lower=one.energy_start_wh, upper=one.energy_start_wh, scale=scale)
    builder.add_entries(rows, stored, np.repeat(whole, n))
    builder.add_entries(rows[:, 1:], stored[:, :-1], np.repeat(-whole, n - 1))
    builder.add_entries(rows[:, 0], opening, -whole)
    builder.add_entries(rows, charge, np.repeat(-one.charge_efficiency_ppm * one.discharge_efficiency_ppm, n))
    builder.add_entries(rows, discharge, np.full(size, PPM * PPM))
    for number, interval in enumerate(intervals):
        at = interval.balance[one.unit]
        builder.add_entries(at, charge[:, number], -1)
        builder.add_entries(at, discharge[:, number], 1)
    _add_directions(builder, problem, (charge, discharge), one_way, scale)
    return _StorageColumns(charge, discharge, stored)


def _add_directions(
    builder: ProblemBuilder,
    problem: CoupledProblem,
    columns: tuple[Int64Array, Int64Array],
    one_way: BoolArray,
    scale: int,
) -> None:
    """Where it is asked for, let a storage charge or discharge in an interval, not both (row 7)."""
    which, when = np.nonzero(one_way)
    charging = builder.add_columns(which.size, upper=1, integer=1)
    charge_max = problem.storages.charge_max_wh[which]
    discharge_max = problem.storages.discharge_max_wh[which]
    rows = builder.add_rows(which.size, high=0, divisor=scale)
    builder.add_entries(rows, columns[0][which, when], 1)
    builder.add_entries(rows, charging, -charge_max)
    rows = builder.add_rows(which.size, high=discharge_max, divisor=scale)
    builder.add_entries(rows, columns[1][which, when], 1)
    builder.add_entries(rows, charging, discharge_max)


def _add_blocks(
    builder: ProblemBuilder,
    problem: CoupledProblem,
    intervals: tuple[_IntervalColumns, ...],
    restrictions: Restrictions,
) -> _BlockColumns:
    """Add blocks: least ratio x accepted <= ratio <= accepted, ratio <= parent's ratio, and the cuts."""
    one = problem.blocks
    n_blocks = len(one.block_id)
    sign = np.where(one.side == TradeSide.SELL, 1, -1)
    cost = one.price_uyuan_per_kwh * one.energy_wh.sum(axis=1) * sign
    accepted = builder.add_columns(n_blocks, upper=np.where(restrictions.barred, 0, 1), integer=1)
    ratio = builder.add_columns(n_blocks, upper=1, cost=cost)
    rows = builder.add_rows(n_blocks, high=0)
    builder.add_entries(rows, ratio, 1)
    builder.add_entries(rows, accepted, -1)
    rows = builder.add_rows(n_blocks, low=0, divisor=PPM)
    builder.add_entries(rows, ratio, PPM)
    builder.add_entries(rows, accepted, -one.ratio_min_ppm)
    children = np.flatnonzero(one.parent >= 0)
    for columns in (ratio, accepted):
        rows = builder.add_rows(children.size, high=0)
        builder.add_entries(rows, columns[children], 1)
        builder.add_entries(rows, columns[one.parent[children]], -1)
    for number, interval in enumerate(intervals):
        builder.add_entries(interval.balance[one.unit], ratio, one.energy_wh[:, number] * sign)
    for chosen in restrictions.cuts:
        row = builder.add_rows(1, low=1 - int(chosen.sum()))
        builder.add_entries(np.repeat(row, n_blocks), accepted, np.where(chosen, -1, 1))
    return _BlockColumns(ratio, accepted)


def _add_limits(
    builder: ProblemBuilder,
    problem: CoupledProblem,
    intervals: tuple[_IntervalColumns, ...],
    margin_wh: Int64Array,
    scale: int,
) -> None:
    """Add low + margin <= sum over edges of (factor step x net flow up) / denominator <= high - margin."""
    step = factor_steps(problem)[:, 1:]
    which, edge = np.nonzero(step)
    value = step[which, edge]
    one = problem.limits
    for number, interval in enumerate(intervals):
        low = np.minimum(one.low_wh[:, number] + margin_wh[:, number], 0) * one.denominator
        high = np.maximum(one.high_wh[:, number] - margin_wh[:, number], 0) * one.denominator
        rows = builder.add_rows(len(one.name), low=low, high=high, divisor=one.denominator * scale)
        builder.add_entries(rows[which], interval.up[edge], value)
        builder.add_entries(rows[which], interval.down[edge], -value)
