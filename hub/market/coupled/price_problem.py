"""Prices of a horizon whose blocks, storage and flows are decided: the dual of the linear problem with integers fixed.

Every price that is optimal for the dual keeps complementary slackness with the exact fills, and the other way round.
So the prices looked for are those that support every fill of every interval (supports.py), with one value of stored
energy for each storage and interval, one price for each reached meshed limit, and no accepted block at a loss. Of
these, the ones nearest to what the tree's own rule chooses are taken; without coupling they are those.
"""

from dataclasses import dataclass
from math import lcm

import numpy as np

from hub.market.coupled.highs import solve
from hub.market.coupled.linear_problem import MICRO, Infeasible, ProblemBuilder
from hub.market.coupled.problem import PPM, BlockOrders, CoupledProblem, factor_steps
from hub.market.coupled.schedule import Schedule, meshed_flow
from hub.market.coupled.supports import Supports
from hub.market.coupled.welfare import Plan
from hub.market.price_rule import UNBOUNDED, PriceRule
from hub.market.trades import BoolArray, Int64Array, TradeSide

_PRICE_SCALE = 1_000
_PRICE_MAX = 2**40
"""Farther than any price or value can be: keeps what nothing else bounds inside 64 bits."""

_AT_BOUND_MICRO_WH = 1_000
_SLACK_TOLERANCE_UYUAN = 2


@dataclass(frozen=True)
class CoupledPrices:
    """Prices as the linear problem gives them, rounded to the micro-yuan/kWh.

    price: (n_intervals, n_units). stored_value: (n_storages, n_intervals), worth of a stored kWh at the interval's end.
    limit_price_micro: (n_limits, n_intervals), millionths of a micro-yuan/kWh of flow; negative at the low limit.
    bent: by how much conditions of storage and meshed edges bend in all, for whole Wh's sake; 0 as a rule.
    """

    price_uyuan_per_kwh: Int64Array
    stored_value_uyuan_per_kwh: Int64Array
    limit_price_micro: Int64Array
    bent_uyuan_per_kwh: int


@dataclass(frozen=True)
class PriceQuestion:
    """What prices are asked to support. preferred: (n_intervals, n_units), the price rule's own."""

    problem: CoupledProblem
    plan: Plan
    schedule: Schedule
    supports: tuple[Supports, ...]
    preferred_uyuan_per_kwh: Int64Array
    one_way: BoolArray
    price_rule: PriceRule


@dataclass(frozen=True)
class BlockMargin:
    """What accepted blocks must gain per kWh at least, and those at the money at most: room for rounding of prices."""

    least_uyuan: int
    most_uyuan: int


@dataclass
class _Prices:
    """The columns of one price problem; elastic: rows that rounding to Wh may bend, and what they are multiplied by."""

    price: Int64Array
    value: Int64Array
    limit: Int64Array
    elastic: list[tuple[Int64Array, int]]


def coupled_prices(question: PriceQuestion, margin: BlockMargin) -> CoupledPrices | Infeasible:
    """Return the supporting prices nearest to the rule's, or that there are none without a block at a loss.

    Whole Wh of storage and of meshed flows may bend their own conditions; blocks may not bend them any further.
    """
    outcome = _solved(question, margin, slack_max=0)
    if not isinstance(outcome, Infeasible):
        return outcome
    unavoidable = _least_slack(question, None)
    least = _least_slack(question, margin)
    if unavoidable is None or least is None or least > unavoidable + _SLACK_TOLERANCE_UYUAN:
        return Infeasible()
    return _solved(question, margin, slack_max=least + 1)


def family_gain(blocks: BlockOrders, ratio_micro_ppm: Int64Array, price_uyuan_per_kwh: Int64Array) -> list[int]:
    """Return for each accepted block what it gains, with what its accepted descendants pass up; 0 for the others.

    A block's gain is sum over intervals of full energy x (price - limit), nano-yuan, for a sale. A child may save its
    parent if both are accepted in the same ratio (it falls with it); a parent may not save its child.

    :param ratio_micro_ppm: shape (n_blocks,), 0 where rejected
    :param price_uyuan_per_kwh: shape (n_intervals, n_units)
    """
    gain = [0] * len(blocks.block_id)
    for block in reversed(np.flatnonzero(ratio_micro_ppm).tolist()):
        gain[block] += own_gain(blocks, block, price_uyuan_per_kwh)
        if is_tied(blocks, ratio_micro_ppm, block):
            gain[int(blocks.parent[block])] += max(gain[block], 0)
    return gain


def own_gain(blocks: BlockOrders, block: int, price_uyuan_per_kwh: Int64Array) -> int:
    """Return what a block of its own would gain at the prices if accepted whole, nano-yuan."""
    sign = 1 if blocks.side[block] == TradeSide.SELL else -1
    limit = int(blocks.price_uyuan_per_kwh[block])
    prices = price_uyuan_per_kwh[:, blocks.unit[block]].tolist()
    energies = blocks.energy_wh[block].tolist()
    return sum(sign * energy * (price - limit) for energy, price in zip(energies, prices, strict=True))


def is_tied(blocks: BlockOrders, ratio_micro_ppm: Int64Array, block: int) -> bool:
    """Return whether the accepted block has its parent's ratio."""
    parent = int(blocks.parent[block])
    return parent >= 0 and abs(int(ratio_micro_ppm[block]) - int(ratio_micro_ppm[parent])) <= MICRO


def is_in_part(blocks: BlockOrders, ratio_micro_ppm: Int64Array, block: int) -> bool:
    """Return whether the block is accepted in part, and not only because its parent is."""
    is_part = 0 < int(ratio_micro_ppm[block]) < (PPM - 1) * MICRO
    return is_part and not is_tied(blocks, ratio_micro_ppm, block)


def _solved(question: PriceQuestion, margin: BlockMargin, *, slack_max: int) -> CoupledPrices | Infeasible:
    """Return the prices nearest to the rule's with at most `slack_max` of bending in all."""
    builder, columns = _problem(question, margin)
    if slack_max:
        slack = _add_slack(builder, columns, cost=0)
        row = builder.add_rows(1, high=slack_max, divisor=_PRICE_SCALE)
        builder.add_entries(np.repeat(row, slack.size), slack, 1)
    size = columns.price.size
    distance = builder.add_columns(size, cost=1, scale=_PRICE_SCALE)
    preferred = question.preferred_uyuan_per_kwh.ravel()
    for sign, bound in ((1, {"low": preferred}), (-1, {"high": preferred})):
        rows = builder.add_rows(size, divisor=_PRICE_SCALE, **bound)
        builder.add_entries(rows, columns.price.ravel(), 1)
        builder.add_entries(rows, distance, sign)
    outcome = solve(builder.finished())
    if isinstance(outcome, Infeasible):
        return outcome
    value = outcome.value_micro
    return CoupledPrices(
        price_uyuan_per_kwh=_whole(value[columns.price]),
        stored_value_uyuan_per_kwh=_whole(value[columns.value]),
        limit_price_micro=value[columns.limit],
        bent_uyuan_per_kwh=slack_max,
    )


def _least_slack(question: PriceQuestion, margin: BlockMargin | None) -> int | None:
    """Return by how much conditions must bend in all, micro-yuan/kWh, None if bending does not help."""
    builder, columns = _problem(question, margin)
    _add_slack(builder, columns, cost=1)
    outcome = solve(builder.finished())
    return None if isinstance(outcome, Infeasible) else outcome.objective


def _add_slack(builder: ProblemBuilder, columns: _Prices, cost: int) -> Int64Array:
    slacks = [np.zeros(0, np.int64)]
    for rows, factor in columns.elastic:
        for sign in (factor, -factor):
            slacks.append(builder.add_columns(rows.size, cost=cost, scale=_PRICE_SCALE))
            builder.add_entries(rows, slacks[-1], sign)
    return np.concatenate(slacks)


def _problem(question: PriceQuestion, margin: BlockMargin | None) -> tuple[ProblemBuilder, _Prices]:
    """Return the conditions on prices; without blocks' if `margin` is None."""
    problem = question.problem
    builder = ProblemBuilder(cost_divisor=_PRICE_SCALE)
    low = np.stack([one.low for one in question.supports])
    high = np.stack([one.high for one in question.supports])
    bounds = {"lower": np.maximum(low, -_PRICE_MAX), "upper": np.minimum(high, _PRICE_MAX)}
    price = builder.add_columns(low.size, **bounds, scale=_PRICE_SCALE).reshape(low.shape)
    n_storages, n = len(problem.storages.storage_id), problem.n_intervals
    value = builder.add_columns(n_storages * n, lower=-_PRICE_MAX, upper=_PRICE_MAX, scale=_PRICE_SCALE)
    columns = _Prices(price, value.reshape(n_storages, n), _add_limit_prices(builder, question), [])
    for number in range(n):
        _add_edges(builder, question, columns, number)
    for storage in range(n_storages):
        _add_storage(builder, question, columns, storage)
    if margin is not None:
        _add_blocks(builder, question, columns, margin)
    return builder, columns


def _add_limit_prices(builder: ProblemBuilder, question: PriceQuestion) -> Int64Array:
    """Add a price for each meshed limit that an interval's exact flows reach, up to the rounding of flows."""
    problem = question.problem
    limits = problem.limits
    steps = np.abs(factor_steps(problem)).sum(axis=1) + limits.denominator
    lower = np.zeros((len(limits.name), problem.n_intervals), np.int64)
    upper = np.zeros_like(lower)
    for number, exact in enumerate(question.schedule.intervals):
        if exact.is_cut.any():
            flow = meshed_flow(problem, exact.result.flow_up_wh)
            rounding = steps + question.plan.margin_wh[:, number] * limits.denominator
            at_high = flow >= limits.high_wh[:, number] * limits.denominator - rounding
            at_low = flow <= limits.low_wh[:, number] * limits.denominator + rounding
            upper[:, number] = np.where(at_high, _PRICE_MAX, 0)
            lower[:, number] = np.where(at_low, -_PRICE_MAX, 0)
    return builder.add_columns(lower.size, lower=lower, upper=upper, scale=_PRICE_SCALE).reshape(lower.shape)


def _add_edges(builder: ProblemBuilder, question: PriceQuestion, columns: _Prices, number: int) -> None:
    """Add price[child] - price[parent] + sum of limit prices x factor step within what the edge allows."""
    problem, supports = question.problem, question.supports[number]
    parent = problem.markets[number].tree.parent[1:]
    whole = lcm(*problem.limits.denominator.tolist()) if problem.limits.name else 1
    low = np.where(supports.may_fall[1:], -UNBOUNDED, supports.step_low[1:] * whole)
    high = np.where(supports.may_rise[1:], UNBOUNDED, supports.step_high[1:] * whole)
    rows = builder.add_rows(parent.size, low=low, high=high, divisor=whole * _PRICE_SCALE)
    builder.add_entries(rows, columns.price[number, 1:], whole)
    builder.add_entries(rows, columns.price[number, parent], -whole)
    is_cut = supports.is_cut[1:]
    if is_cut.any():
        step = factor_steps(problem)[:, 1:] * (whole // problem.limits.denominator)[:, np.newaxis]
        which, edge = np.nonzero(step)
        builder.add_entries(rows[edge], columns.limit[which, number], step[which, edge])
        columns.elastic.append((rows[is_cut], whole))


def _add_storage(builder: ProblemBuilder, question: PriceQuestion, columns: _Prices, storage: int) -> None:
    """Add what makes the plan the storage's own best choice (complementary slackness), with the value of its energy.

    Charging part of what it could: efficiency x value = price; nothing: <=; all: >=. Discharging likewise: efficiency x
    price = value; nothing: <=; all: >=. The value is the same before and after an interval, lower before one that ends
    full, higher before one that ends empty.
    """
    one, plan, n = question.problem.storages, question.plan, question.problem.n_intervals
    price, value = columns.price[:, one.unit[storage]], columns.value[storage]
    into, out = plan.charge_micro_wh[storage], plan.discharge_micro_wh[storage]
    one_way = question.one_way[storage]
    legs = (
        (into, int(one.charge_max_wh[storage]), value, int(one.charge_efficiency_ppm[storage]), price, out),
        (out, int(one.discharge_max_wh[storage]), price, int(one.discharge_efficiency_ppm[storage]), value, into),
    )
    for energy, most, gained, efficiency, given, other in legs:
        is_ruled_out = one_way & (other > energy)
        low = np.where(energy > _AT_BOUND_MICRO_WH, 0, -UNBOUNDED)
        high = np.where(energy < most * MICRO - _AT_BOUND_MICRO_WH, 0, UNBOUNDED)
        rows = builder.add_rows(
            n,
            low=np.where(is_ruled_out, -UNBOUNDED, low),
            high=np.where(is_ruled_out, UNBOUNDED, high),
            divisor=PPM * _PRICE_SCALE,
        )
        builder.add_entries(rows, gained, efficiency)
        builder.add_entries(rows, given, -PPM)
        columns.elastic.append((rows, PPM))
    stored = plan.stored_micro_wh[storage]
    reserve = int(one.reserve_wh[storage])
    is_full = stored >= (int(one.energy_max_wh[storage]) - reserve) * MICRO - _AT_BOUND_MICRO_WH
    is_empty = stored <= (int(one.energy_min_wh[storage]) + reserve) * MICRO + _AT_BOUND_MICRO_WH
    terminal = np.zeros(n, np.int64)
    terminal[-1] = int(one.terminal_value_uyuan_per_kwh[storage]) * MICRO
    rows = builder.add_rows(
        n,
        low=np.where(is_full, -UNBOUNDED, terminal),
        high=np.where(is_empty, UNBOUNDED, terminal),
        divisor=MICRO * _PRICE_SCALE,
    )
    builder.add_entries(rows, value, MICRO)
    builder.add_entries(rows[:-1], value[1:], -MICRO)
    columns.elastic.append((rows, MICRO))


def _add_blocks(builder: ProblemBuilder, question: PriceQuestion, columns: _Prices, margin: BlockMargin) -> None:
    """Add for each accepted block: its gain + what its children pass up - what it passes up >= margin x energy.

    One accepted in part and not for its parent's sake must be at the money: then the left side is at most that, too.
    """
    problem, plan = question.problem, question.plan
    one = problem.blocks
    total = one.energy_wh.sum(axis=1)
    scale = max(int(total.max(initial=1)), 1)
    rows = np.zeros(len(one.block_id), np.int64)
    row_low, row_high = _block_bounds(question, margin)
    for block in np.flatnonzero(plan.accepted).tolist():
        sign = 1 if one.side[block] == TradeSide.SELL else -1
        row = builder.add_rows(1, low=row_low[block], high=row_high[block], divisor=int(total[block]) * _PRICE_SCALE)
        when = np.flatnonzero(one.energy_wh[block])
        at = columns.price[when, one.unit[block]]
        builder.add_entries(np.repeat(row, when.size), at, sign * one.energy_wh[block, when])
        rows[block] = row[0]
        if is_tied(one, plan.ratio_micro_ppm, block):
            passed = builder.add_columns(1, scale=scale * _PRICE_SCALE)
            builder.add_entries(row, passed, -1)
            builder.add_entries(rows[one.parent[block]].reshape(1), passed, 1)


def _block_bounds(question: PriceQuestion, margin: BlockMargin) -> tuple[list[int], list[int]]:
    """Return the least and greatest sum of energy x price x sign of each block, nano-yuan."""
    problem, plan = question.problem, question.plan
    one = problem.blocks
    low, high = [], []
    for block, total in enumerate(one.energy_wh.sum(axis=1).tolist()):
        sign = 1 if one.side[block] == TradeSide.SELL else -1
        even = sign * int(one.price_uyuan_per_kwh[block]) * total
        is_part = is_in_part(one, plan.ratio_micro_ppm, block)
        low.append(even + margin.least_uyuan * total)
        high.append(even + margin.most_uyuan * total if is_part else UNBOUNDED)
    return low, high


def _whole(micro: Int64Array) -> Int64Array:
    """Return millionths rounded to the nearest whole, halves up."""
    return np.asarray((micro + MICRO // 2) // MICRO, dtype=np.int64)
