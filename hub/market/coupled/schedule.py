"""Clear every interval exactly around a plan in whole Wh, forward in time, each storage held to what it holds.

Whatever rounding has left behind, stored energy stays in its limits in every interval: it is followed exactly, in parts
of a Wh that efficiencies divide, and published in millionths of a Wh, rounded down.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.coupled.exact_interval import (
    BLOCK_RANK,
    STORAGE_RANK,
    ExactInterval,
    FixedOrder,
    clear_with_fixed,
)
from hub.market.coupled.linear_problem import MICRO
from hub.market.coupled.problem import PPM, CoupledProblem, factor_steps
from hub.market.coupled.rounding import WholePlan, cut_edges, stored_change, stored_exactly, whole_plan
from hub.market.coupled.welfare import Plan
from hub.market.price_rule import PriceRule
from hub.market.trades import BoolArray, Int64Array, TradeSide


@dataclass(frozen=True)
class Schedule:
    """Every interval cleared exactly, and what storage and blocks do in it.

    charge_wh, discharge_wh: (n_storages, n_intervals). stored_micro_wh: (n_storages, n_intervals), at each end.
    block_fill_wh: (n_blocks, n_intervals).
    """

    intervals: tuple[ExactInterval, ...]
    charge_wh: Int64Array
    discharge_wh: Int64Array
    stored_micro_wh: Int64Array
    block_fill_wh: Int64Array


def storage_order_id(storage_id: str, interval: int, side: TradeSide) -> str:
    """Return the id of a storage's order: storage/{interval}/{storage}/charge|discharge."""
    return f"storage/{interval}/{storage_id}/{'charge' if side == TradeSide.BUY else 'discharge'}"


def block_order_id(block_id: str, interval: int) -> str:
    """Return the id of a block's part in an interval: block/{interval}/{block}."""
    return f"block/{interval}/{block_id}"


def meshed_flow(problem: CoupledProblem, flow_up_wh: Int64Array) -> Int64Array:
    """Return each meshed limit's flow times its denominator, exactly, shape (n_limits,)."""
    return np.asarray(factor_steps(problem) @ np.concatenate(([0], flow_up_wh[1:])), dtype=np.int64)


def meshed_excess_wh(problem: CoupledProblem, number: int, flow_up_wh: Int64Array) -> Int64Array:
    """Return by how many Wh, rounded up, each meshed limit is exceeded in an interval, shape (n_limits,)."""
    limits = problem.limits
    flow = meshed_flow(problem, flow_up_wh)
    high, low = limits.high_wh[:, number] * limits.denominator, limits.low_wh[:, number] * limits.denominator
    over = np.maximum(np.maximum(flow - high, low - flow), 0)
    return np.asarray(-(-over // limits.denominator), dtype=np.int64)


def clear_exactly(
    problem: CoupledProblem, plan: Plan, *, tick_uyuan_per_kwh: int, clean_first: bool, price_rule: PriceRule
) -> Schedule:
    """Return the plan in whole Wh.

    An interval in which the tree alone keeps every meshed limit stays the tree's; otherwise the edges at which a
    limit's factor changes carry the plan's flow.
    """
    is_meshed = _reaches_a_limit(problem, plan)
    while True:
        whole = whole_plan(problem, plan, is_meshed)
        schedule = _cleared_in_turn(
            problem,
            whole,
            is_meshed,
            tick_uyuan_per_kwh=tick_uyuan_per_kwh,
            clean_first=clean_first,
            price_rule=price_rule,
        )
        over = [
            bool(meshed_excess_wh(problem, number, one.result.flow_up_wh).any())
            for number, one in enumerate(schedule.intervals)
        ]
        found = np.array(over, np.bool_) & ~is_meshed
        if not found.any():
            return schedule
        is_meshed = is_meshed | found


def _reaches_a_limit(problem: CoupledProblem, plan: Plan) -> BoolArray:
    """Return in which intervals the plan's flows come within a Wh of a meshed limit, or its margin."""
    limits = problem.limits
    flow = factor_steps(problem) @ plan.flow_up_micro_wh.T
    slack = (plan.margin_wh + 1) * limits.denominator[:, np.newaxis]
    high, low = (bound * limits.denominator[:, np.newaxis] for bound in (limits.high_wh, limits.low_wh))
    return np.asarray(((flow >= (high - slack) * MICRO) | (flow <= (low + slack) * MICRO)).any(axis=0), dtype=np.bool_)


def _cleared_in_turn(
    problem: CoupledProblem,
    whole: WholePlan,
    is_meshed: BoolArray,
    *,
    tick_uyuan_per_kwh: int,
    clean_first: bool,
    price_rule: PriceRule,
) -> Schedule:
    """Clear one interval after the other, each storage held to what it has then."""
    n_storages, n = len(problem.storages.storage_id), problem.n_intervals
    charge, discharge = np.zeros((n_storages, n), np.int64), np.zeros((n_storages, n), np.int64)
    stored = np.zeros((n_storages, n), np.int64)
    fills = np.zeros_like(problem.blocks.energy_wh)
    discharge_ppm = problem.storages.discharge_efficiency_ppm.tolist()
    starts = problem.storages.energy_start_wh.tolist()
    before = [stored_exactly(energy, loss) for energy, loss in zip(starts, discharge_ppm, strict=True)]
    cut = cut_edges(problem)
    cleared = []
    for number, market in enumerate(problem.markets):
        blocks, block_orders = _block_orders(problem, whole, number)
        storages, storage_orders = _storage_orders(problem, whole, number, before)
        one = clear_with_fixed(
            market,
            [*block_orders, *storage_orders],
            is_cut=cut & is_meshed[number],
            flow_up_wh=whole.flow_up_wh[number],
            tick_uyuan_per_kwh=tick_uyuan_per_kwh,
            clean_first=clean_first,
            price_rule=price_rule,
        )
        filled = one.result.filled_wh[one.fixed]
        fills[blocks, number] = filled[: len(blocks)]
        for storage, order, energy in zip(storages, storage_orders, filled[len(blocks) :].tolist(), strict=True):
            (charge if order.side == TradeSide.BUY else discharge)[storage, number] = energy
        before = _stored_after(problem, before, charge[:, number], discharge[:, number])
        stored[:, number] = [parts // loss for parts, loss in zip(before, discharge_ppm, strict=True)]
        cleared.append(one)
    return Schedule(tuple(cleared), charge, discharge, stored, fills)


def _stored_after(
    problem: CoupledProblem, before: list[int], charge_wh: Int64Array, discharge_wh: Int64Array
) -> list[int]:
    one = problem.storages
    rows = zip(
        before,
        charge_wh.tolist(),
        discharge_wh.tolist(),
        one.charge_efficiency_ppm.tolist(),
        one.discharge_efficiency_ppm.tolist(),
        strict=True,
    )
    return [
        stored + stored_change(into, out, charge_ppm=gain, discharge_ppm=loss) for stored, into, out, gain, loss in rows
    ]


def _block_orders(problem: CoupledProblem, whole: WholePlan, number: int) -> tuple[list[int], list[FixedOrder]]:
    """Return which blocks have energy in the interval, and their orders."""
    one, interval = problem.blocks, problem.markets[number].orders.interval
    rows = np.flatnonzero(whole.block_fill_wh[:, number]).tolist()
    orders = [
        FixedOrder(
            block_order_id(one.block_id[block], interval),
            int(one.unit[block]),
            int(one.meter[block]),
            TradeSide(int(one.side[block])),
            int(whole.block_fill_wh[block, number]),
            BLOCK_RANK,
            clean=bool(one.clean[block]),
            submitted_utc_s=int(one.submitted_utc_s[block]),
        )
        for block in rows
    ]
    return rows, orders


def _storage_orders(
    problem: CoupledProblem, whole: WholePlan, number: int, before: list[int]
) -> tuple[list[int], list[FixedOrder]]:
    """Return which storages act in the interval, and their orders, within what each holds and has room for."""
    one, interval = problem.storages, problem.markets[number].orders.interval
    rows, orders = [], []
    for storage, stored in enumerate(before):
        into, out = int(whole.charge_wh[storage, number]), int(whole.discharge_wh[storage, number])
        gain, loss = int(one.charge_efficiency_ppm[storage]), int(one.discharge_efficiency_ppm[storage])
        room = stored_exactly(int(one.energy_max_wh[storage]), loss) - stored
        held = stored - stored_exactly(int(one.energy_min_wh[storage]), loss)
        into, out = min(into, room // (gain * loss)), min(out, held // (PPM * PPM))
        assert not (into and out), "a storage goes one way in an interval"
        side, energy = (TradeSide.BUY, into) if into else (TradeSide.SELL, out)
        if energy:
            name = storage_order_id(one.storage_id[storage], interval, side)
            unit, meter = int(one.unit[storage]), int(one.meter[storage])
            rows.append(storage)
            orders.append(FixedOrder(name, unit, meter, side, energy, STORAGE_RANK))
    return rows, orders
