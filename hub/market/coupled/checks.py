"""The laws of coupled clearing, each written once from its definition: check_*(...) -> list of violations.

Ordinary orders and flows keep the market's own laws (hub/market/checks.py). Added here: storage keeps its limits and is
content with its schedule at the prices; no block is accepted at a loss; meshed limits hold to the Wh and are paid for
where they are reached. Prices are whole micro-yuan/kWh and schedules whole Wh, so contentment is asked for within
PRICE_ROUNDING_UYUAN and ENERGY_ROUNDING_WH, and what the result says is bent.
"""

from collections.abc import Iterator

import numpy as np

from hub.market.checks import check_balance, check_edge_prices, check_fills, check_ties
from hub.market.coupled.clearing import CoupledInterval, CoupledResult, Route, mesh_steps
from hub.market.coupled.linear_problem import MICRO
from hub.market.coupled.price_problem import family_gain
from hub.market.coupled.problem import PPM, CoupledProblem, factor_steps
from hub.market.coupled.rounding import stored_change, stored_exactly
from hub.market.coupled.schedule import block_order_id, meshed_excess_wh, meshed_flow, storage_order_id
from hub.market.trades import TradeSide, Violation

PRICE_ROUNDING_UYUAN = 4
ENERGY_ROUNDING_WH = 2


def check_coupled(problem: CoupledProblem, result: CoupledResult, *, clean_first: bool = True) -> list[Violation]:
    """Return every breach in a cleared horizon."""
    found = [
        *check_storage(problem, result),
        *check_storage_prices(problem, result),
        *check_blocks(problem, result),
        *check_meshed_limits(problem, result),
        *check_welfare(problem, result),
    ]
    for one in result.intervals:
        found += check_fills(one.orders, one.result)
        found += check_balance(one.tree, one.orders, one.result)
        if one.route is not Route.LINEAR_PROGRAM:
            found += check_edge_prices(one.tree, one.orders, one.result)
        found += check_ties(one.orders, one.result, clean_first=clean_first)
    return found


def check_storage(problem: CoupledProblem, result: CoupledResult) -> list[Violation]:
    """Law 2: stored energy follows from the schedule and stays in its limits; one direction an interval (row 7)."""
    one = problem.storages
    found = []
    for storage, name in enumerate(one.storage_id):
        gain, loss = int(one.charge_efficiency_ppm[storage]), int(one.discharge_efficiency_ppm[storage])
        stored = stored_exactly(int(one.energy_start_wh[storage]), loss)
        low = stored_exactly(int(one.energy_min_wh[storage]), loss)
        high = stored_exactly(int(one.energy_max_wh[storage]), loss)
        for number, interval in enumerate(result.intervals):
            into, out = int(result.charge_wh[storage, number]), int(result.discharge_wh[storage, number])
            stored += stored_change(into, out, charge_ppm=gain, discharge_ppm=loss)
            faults = (
                (into > 0 < out, "charges and discharges"),
                (not 0 <= into <= one.charge_max_wh[storage], f"charges {into} Wh"),
                (not 0 <= out <= one.discharge_max_wh[storage], f"discharges {out} Wh"),
                (stored // loss != result.stored_micro_wh[storage, number], "holds what its schedule does not give"),
                (not low <= stored <= high, f"holds {stored // loss} millionths of a Wh"),
                (_filled(interval, name, TradeSide.BUY) != into, "its charging order is filled otherwise"),
                (_filled(interval, name, TradeSide.SELL) != out, "its discharging order is filled otherwise"),
            )
            found += [
                Violation(2, f"storage {name}, interval {interval.orders.interval}", what)
                for bad, what in faults
                if bad
            ]
    return found


def check_storage_prices(problem: CoupledProblem, result: CoupledResult) -> list[Violation]:
    """Law 1 for storage: at the prices and the value of stored energy, no other schedule would earn it more.

    Complementary slackness: see price_problem._add_storage. Where charging excludes discharging, only the direction
    taken is asked.
    """
    one = problem.storages
    found = []
    for storage, name in enumerate(one.storage_id):
        free = ENERGY_ROUNDING_WH + 2 * int(one.reserve_wh[storage])
        worth = [*result.stored_value_uyuan_per_kwh[storage].tolist(), int(one.terminal_value_uyuan_per_kwh[storage])]
        price = [int(each.result.price_uyuan_per_kwh[one.unit[storage]]) for each in result.intervals]
        for number, interval in enumerate(result.intervals):
            stored = int(result.stored_micro_wh[storage, number]) // MICRO
            into, out = int(result.charge_wh[storage, number]), int(result.discharge_wh[storage, number])
            gain_in = worth[number] * int(one.charge_efficiency_ppm[storage]) - price[number] * PPM
            gain_out = price[number] * int(one.discharge_efficiency_ppm[storage]) - worth[number] * PPM
            kept = (worth[number + 1] - worth[number]) * PPM
            either = not result.one_way[storage, number]
            room = (
                (stored < one.energy_max_wh[storage] - free, kept, "keeps too little"),
                (stored > one.energy_min_wh[storage] + free, -kept, "keeps too much"),
                (into > ENERGY_ROUNDING_WH, -gain_in, "charges at a loss"),
                (out > ENERGY_ROUNDING_WH, -gain_out, "discharges at a loss"),
                (
                    (either or not out) and into < one.charge_max_wh[storage] - ENERGY_ROUNDING_WH,
                    gain_in,
                    "would charge more",
                ),
                (
                    (either or not into) and out < one.discharge_max_wh[storage] - ENERGY_ROUNDING_WH,
                    gain_out,
                    "would discharge more",
                ),
            )
            found += [
                Violation(1, f"storage {name}, interval {interval.orders.interval}", f"{what}: {regret} / {PPM}")
                for is_free, regret, what in room
                if is_free and regret > (PRICE_ROUNDING_UYUAN + result.bent_uyuan_per_kwh) * PPM
            ]
    return found


def check_blocks(problem: CoupledProblem, result: CoupledResult) -> list[Violation]:
    """Law 1 for blocks: a ratio that is allowed, fills in it, a parent's at least a child's, and none at a loss."""
    one, ratio = problem.blocks, result.block_ratio_micro_ppm.tolist()
    price = np.stack([each.result.price_uyuan_per_kwh for each in result.intervals])
    gain = family_gain(one, result.block_ratio_micro_ppm, price)
    found = []
    for block, name in enumerate(one.block_id):
        parent, whole = int(one.parent[block]), PPM * MICRO
        energies, fills = one.energy_wh[block].tolist(), result.block_fill_wh[block].tolist()
        strays = [abs(fill * whole - energy * ratio[block]) for fill, energy in zip(fills, energies, strict=True)]
        placed = [_filled_block(each, name) for each in result.intervals]
        faults = (
            (
                ratio[block] != 0
                and not int(one.ratio_min_ppm[block]) * MICRO - MICRO <= ratio[block] <= whole + MICRO,
                f"accepted in a ratio of {ratio[block]}",
            ),
            (max(strays) > ENERGY_ROUNDING_WH * whole, "filled out of its ratio"),
            (placed != fills, "its orders are filled otherwise"),
            (parent >= 0 and ratio[block] > ratio[parent] + MICRO, "accepted beyond its parent"),
            (gain[block] < 0, f"accepted at a loss of {-gain[block]} nano-yuan"),
        )
        found += [Violation(1, f"block {name}", what) for is_breach, what in faults if is_breach]
    return found


def check_meshed_limits(problem: CoupledProblem, result: CoupledResult) -> list[Violation]:
    """Laws 1 and 2: flows keep every meshed limit exactly; a price of one only where it is reached.

    Across an edge that a limit touches: child price = parent price + fee + shadow price of the edge + what the limits'
    prices make of their factor steps.
    """
    found = []
    limits = problem.limits
    steps = np.abs(factor_steps(problem)).sum(axis=1) + limits.denominator
    for number, each in enumerate(result.intervals):
        where = f"interval {each.orders.interval}"
        over = meshed_excess_wh(problem, number, each.result.flow_up_wh)
        found += [Violation(2, where, f"limit {limits.name[row]} exceeded") for row in np.flatnonzero(over).tolist()]
        flow, micro = meshed_flow(problem, each.result.flow_up_wh), result.limit_price_micro[:, number]
        slack = steps + result.limit_margin_wh[:, number] * limits.denominator
        at_high = flow >= limits.high_wh[:, number] * limits.denominator - slack
        at_low = flow <= limits.low_wh[:, number] * limits.denominator + slack
        unexplained = ((micro > 0) & ~at_high) | ((micro < 0) & ~at_low)
        found += [
            Violation(1, where, f"limit {limits.name[row]} has a price and is not reached")
            for row in np.flatnonzero(unexplained).tolist()
        ]
        if each.route is Route.LINEAR_PROGRAM:
            found += _edge_breaches(each, mesh_steps(problem, micro), PRICE_ROUNDING_UYUAN + result.bent_uyuan_per_kwh)
    return found


def check_welfare(problem: CoupledProblem, result: CoupledResult) -> list[Violation]:
    """Law 3: rounding to Wh costs at most a few Wh at the widest spread of prices, and gains no more.

    Each storage, block and edge may be a Wh or two off the plan in each interval.
    """
    prices = [abs(int(p)) for market in problem.markets for p in market.orders.price_uyuan_per_kwh]
    prices += [abs(p) for p in problem.blocks.price_uyuan_per_kwh.tolist()]
    prices += [abs(p) for p in problem.storages.terminal_value_uyuan_per_kwh.tolist()]
    loose = (
        len(problem.storages.storage_id)
        + int(problem.storages.reserve_wh.sum())
        + len(problem.blocks.block_id)
        + len(problem.limits.name) * problem.n_units
    )
    allowed = 4 * ENERGY_ROUNDING_WH * max(prices, default=0) * problem.n_intervals * loose
    allowed += abs(result.bound_nano_yuan) // 10**9 + 1
    if abs(result.bound_nano_yuan - result.welfare_nano_yuan) <= allowed:
        return []
    text = f"welfare {result.welfare_nano_yuan}, bound {result.bound_nano_yuan} nano-yuan"
    return [Violation(3, "horizon", text)]


def _edge_breaches(each: CoupledInterval, mesh_step: list[int], tolerance: int) -> Iterator[Violation]:
    """Yield edges whose price difference the fee, the edge's own limit and the meshed limits do not explain."""
    tree, price, flow = each.tree, each.result.price_uyuan_per_kwh, each.result.flow_up_wh
    rest = price[1:] - price[tree.parent[1:]] - np.array(mesh_step[1:], np.int64)
    fee, flow = tree.fee_uyuan_per_kwh[1:], flow[1:]
    too_low = (rest < np.where(flow < 0, fee, 0) - tolerance) & (flow != tree.export_limit_wh[1:])
    too_high = (rest > np.where(flow > 0, 0, fee) + tolerance) & (flow != -tree.import_limit_wh[1:])
    for unit in (np.flatnonzero(too_low | too_high) + 1).tolist():
        yield Violation(1, tree.unit_id[unit], f"price differs by {rest[unit - 1]} that nothing explains")


def _filled(interval: CoupledInterval, storage_id: str, side: TradeSide) -> int:
    return _filled_order(interval, storage_order_id(storage_id, interval.orders.interval, side))


def _filled_block(interval: CoupledInterval, block_id: str) -> int:
    return _filled_order(interval, block_order_id(block_id, interval.orders.interval))


def _filled_order(interval: CoupledInterval, order_id: str) -> int:
    """Return the fill of the order with this id, 0 if it has none."""
    names = interval.orders.order_id
    return int(interval.result.filled_wh[names.index(order_id)]) if order_id in names else 0
