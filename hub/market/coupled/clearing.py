"""Clear a horizon of coupled intervals: welfare, whole Wh, prices; cut and solve again where a block would lose.

1. The welfare problem (welfare.py) decides blocks, storage and flows.
2. Whole Wh (schedule.py): each interval is cleared exactly by the tree around what was decided.
3. Prices (price_problem.py) that support all of it. If an accepted block would lose at all of them, that set of
   accepted blocks is cut off and the welfare problem solved again, as European day-ahead coupling does (EUPHEMIA public
   description, block orders and price determination). Blocks that are rejected although they would gain are allowed.

After `cuts_max` cuts the accepted block with the greatest loss is given up each time instead, which ends for certain;
the result says so. A horizon that nothing couples is cleared by the tree alone.
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from hub.market.coupled.linear_problem import MICRO, Infeasible
from hub.market.coupled.price_problem import (
    BlockMargin,
    CoupledPrices,
    PriceQuestion,
    coupled_prices,
    family_gain,
    is_in_part,
    own_gain,
)
from hub.market.coupled.problem import PPM, CoupledProblem, factor_steps, validate
from hub.market.coupled.schedule import Schedule, clear_exactly, meshed_excess_wh
from hub.market.coupled.supports import nearest_prices, price_supports, ruled_prices, with_prices
from hub.market.coupled.welfare import Plan, Restrictions, best_plan, no_restrictions
from hub.market.price_rule import PriceRule
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, TradeSide

CUTS_MAX = 200
COUPLED_RULE_PREFIX = "nearest-to-"


class Route(Enum):
    """Which way an interval was cleared.

    TREE: by the tree, nothing coupled acts in it. TREE_AROUND_SCHEDULE: by the tree around storage and blocks.
    LINEAR_PROGRAM: a meshed limit is reached, within a Wh; the sparse linear problem set the flows of the edges it
    touches.
    """

    TREE = "tree"
    TREE_AROUND_SCHEDULE = "tree-around-schedule"
    LINEAR_PROGRAM = "linear-program"


class Selection(Enum):
    """How the accepted blocks were found: best of all sets that have prices, or blocks were given up on the way."""

    OPTIMAL = "optimal"
    GIVEN_UP = "given-up"


class BlockOutcome(Enum):
    """What became of a block and why."""

    ACCEPTED = "accepted"
    ACCEPTED_IN_PART = "accepted-in-part"
    OUT_OF_THE_MONEY = "out-of-the-money"
    PARENT_REJECTED = "parent-rejected"
    PARADOXICALLY_REJECTED = "paradoxically-rejected"


@dataclass(frozen=True)
class CoupledInterval:
    """One interval: its orders, storage and blocks among them as filled, what was found, and which way."""

    tree: BalanceTree
    orders: OrderBatch
    result: ClearingResult
    route: Route


@dataclass(frozen=True)
class CoupledResult:
    """What clearing a coupled problem found.

    charge_wh, discharge_wh: (n_storages, n_intervals); stored_micro_wh: at each interval's end, millionths of a Wh;
    stored_value: worth of a stored kWh there. block_fill_wh: (n_blocks, n_intervals). block_ratio_micro_ppm:
    (n_blocks,), millionths of a ppm, 0 where rejected. limit_price_micro: (n_limits, n_intervals), millionths of a
    micro-yuan per kWh of flow over the limit's element, negative at its low limit; limit_margin_wh: by how much it was
    drawn in so that whole Wh keep it. one_way: where charging excluded discharging. bent: by how much the conditions of
    storage and of meshed edges bend in all, because plans with efficiencies or factors are not whole Wh; 0 as a rule.
    welfare_nano_yuan: of the whole Wh, exactly; bound_nano_yuan: what HiGHS found before rounding to Wh.
    """

    intervals: tuple[CoupledInterval, ...]
    charge_wh: Int64Array
    discharge_wh: Int64Array
    stored_micro_wh: Int64Array
    stored_value_uyuan_per_kwh: Int64Array
    block_fill_wh: Int64Array
    block_ratio_micro_ppm: Int64Array
    block_outcome: tuple[BlockOutcome, ...]
    limit_price_micro: Int64Array
    limit_margin_wh: Int64Array
    one_way: BoolArray
    bent_uyuan_per_kwh: int
    selection: Selection
    cuts: int
    welfare_nano_yuan: int
    bound_nano_yuan: int


def clear_coupled(
    problem: CoupledProblem,
    *,
    tick_uyuan_per_kwh: int,
    clean_first: bool = True,
    price_rule: PriceRule = PriceRule.MIDPOINT,
    cuts_max: int = CUTS_MAX,
) -> CoupledResult:
    """Return fills, prices, schedules and acceptances of the horizon.

    :raises CoupledProblemError: if the problem contradicts itself
    :raises ClearingRangeError: if sums could leave 64 bits
    :raises HighsError: if HiGHS gives neither an optimum nor a proof that there is none
    """
    validate(problem)
    restrictions = no_restrictions(problem)
    n_cuts = 0
    while True:
        plan = _plan(problem, restrictions)
        both = (plan.charge_micro_wh > 0) & (plan.discharge_micro_wh > 0) & ~restrictions.one_way
        if both.any():
            restrictions = replace(restrictions, one_way=restrictions.one_way | both)
            continue
        schedule = clear_exactly(
            problem, plan, tick_uyuan_per_kwh=tick_uyuan_per_kwh, clean_first=clean_first, price_rule=price_rule
        )
        excess = _excess(problem, schedule)
        if excess.any():
            restrictions = _drawn_in(problem, restrictions, excess)
            continue
        question = _question(problem, plan, schedule, restrictions, price_rule, tick_uyuan_per_kwh=tick_uyuan_per_kwh)
        prices = _prices(question)
        if not isinstance(prices, Infeasible):
            return _result(question, prices, restrictions, n_cuts)
        n_cuts += 1
        restrictions = _restricted(problem, plan, restrictions, question, gives_up=n_cuts > cuts_max)


def _is_coupled(problem: CoupledProblem) -> bool:
    return bool(problem.storages.storage_id or problem.blocks.block_id or problem.limits.name)


def _plan(problem: CoupledProblem, restrictions: Restrictions) -> Plan:
    """Return the best plan; without anything coupled, an empty one that leaves everything to the tree."""
    if _is_coupled(problem):
        return best_plan(problem, restrictions)
    none, n = np.zeros((0, problem.n_intervals), np.int64), problem.n_intervals
    no_block = np.zeros(0, np.int64)
    flow = np.zeros((n, problem.n_units), np.int64)
    return Plan(none, none, none, no_block > 0, no_block, flow, none, welfare_nano_yuan=0)


def _excess(problem: CoupledProblem, schedule: Schedule) -> Int64Array:
    """Return by how many Wh each meshed limit is exceeded, shape (n_limits, n_intervals)."""
    columns = [
        meshed_excess_wh(problem, number, exact.result.flow_up_wh) for number, exact in enumerate(schedule.intervals)
    ]
    return np.stack(columns, axis=1)


def _drawn_in(problem: CoupledProblem, restrictions: Restrictions, excess_wh: Int64Array) -> Restrictions:
    """Return the restrictions with exceeded limits drawn in; an interval in which that is used up is closed.

    So it ends: a margin grows to its limit at most, and edges that carry nothing exceed none.
    """
    widest = np.maximum(problem.limits.high_wh, -problem.limits.low_wh)
    used_up = ((excess_wh > 0) & (restrictions.margin_wh >= widest)).any(axis=0)
    assert not (used_up & restrictions.closed).any(), "closed edges exceed no limit"
    margin = restrictions.margin_wh + excess_wh
    return replace(restrictions, margin_wh=margin, closed=restrictions.closed | used_up)


def _question(
    problem: CoupledProblem,
    plan: Plan,
    schedule: Schedule,
    restrictions: Restrictions,
    price_rule: PriceRule,
    *,
    tick_uyuan_per_kwh: int,
) -> PriceQuestion:
    """Return what prices must support, and the tree's own prices."""
    supports = tuple(
        price_supports(market.tree, exact) for market, exact in zip(problem.markets, schedule.intervals, strict=True)
    )
    preferred = [
        ruled_prices(market.tree, one, tick_uyuan_per_kwh=tick_uyuan_per_kwh, rule=price_rule)
        for market, one in zip(problem.markets, supports, strict=True)
    ]
    return PriceQuestion(
        problem, plan, schedule, supports, np.array(preferred, np.int64), restrictions.one_way, price_rule
    )


def _prices(question: PriceQuestion) -> CoupledPrices | Infeasible:
    """Return prices in whole micro-yuan/kWh that support every fill and leave no accepted block at a loss.

    Rounding a price may put a block that gains nothing at a loss: then a gain of 1 micro-yuan/kWh is asked for.
    """
    problem, plan = question.problem, question.plan
    is_cut = any(exact.is_cut.any() for exact in question.schedule.intervals)
    if not (problem.storages.storage_id or plan.accepted.any() or is_cut):
        shape = (len(problem.limits.name), problem.n_intervals)
        no_value = np.zeros((0, problem.n_intervals), np.int64)
        return CoupledPrices(question.preferred_uyuan_per_kwh, no_value, np.zeros(shape, np.int64), 0)
    has_part = any(is_in_part(problem.blocks, plan.ratio_micro_ppm, row) for row in range(plan.accepted.size))
    for margin in (BlockMargin(0, 0), BlockMargin(0, 1), BlockMargin(1, 2)):
        prices = coupled_prices(question, margin)
        if isinstance(prices, Infeasible):
            if has_part:
                continue
            return prices
        exact = [
            nearest_prices(market.tree, supports, prices.price_uyuan_per_kwh[number].tolist())
            for number, (market, supports) in enumerate(zip(problem.markets, question.supports, strict=True))
        ]
        price = np.array(exact, np.int64)
        if min(family_gain(problem.blocks, plan.ratio_micro_ppm, price), default=0) >= 0:
            return replace(prices, price_uyuan_per_kwh=price)
    return Infeasible()


def _restricted(
    problem: CoupledProblem,
    plan: Plan,
    restrictions: Restrictions,
    question: PriceQuestion,
    *,
    gives_up: bool,
) -> Restrictions:
    """Return the restrictions with the accepted set cut off, or with its worst block given up."""
    assert plan.accepted.any(), "prices fail for the sake of blocks only"
    if not gives_up:
        return replace(restrictions, cuts=np.concatenate((restrictions.cuts, plan.accepted[np.newaxis])))
    energy = np.maximum(problem.blocks.energy_wh.sum(axis=1), 1).tolist()
    gain = family_gain(problem.blocks, plan.ratio_micro_ppm, question.preferred_uyuan_per_kwh)
    worst = min(np.flatnonzero(plan.accepted).tolist(), key=lambda block: (gain[block] // energy[block], block))
    barred = restrictions.barred.copy()
    barred[worst] = True
    return replace(restrictions, barred=barred)


def _result(question: PriceQuestion, prices: CoupledPrices, restrictions: Restrictions, n_cuts: int) -> CoupledResult:
    problem, plan, schedule = question.problem, question.plan, question.schedule
    intervals = tuple(_interval(question, prices, number) for number in range(problem.n_intervals))
    welfare = _welfare_nano_yuan(problem, schedule)
    return CoupledResult(
        intervals=intervals,
        charge_wh=schedule.charge_wh,
        discharge_wh=schedule.discharge_wh,
        stored_micro_wh=schedule.stored_micro_wh,
        stored_value_uyuan_per_kwh=prices.stored_value_uyuan_per_kwh,
        block_fill_wh=schedule.block_fill_wh,
        block_ratio_micro_ppm=plan.ratio_micro_ppm,
        block_outcome=_block_outcomes(problem, plan, prices),
        limit_price_micro=prices.limit_price_micro,
        limit_margin_wh=plan.margin_wh,
        one_way=restrictions.one_way,
        bent_uyuan_per_kwh=prices.bent_uyuan_per_kwh,
        selection=Selection.GIVEN_UP if restrictions.barred.any() else Selection.OPTIMAL,
        cuts=n_cuts,
        welfare_nano_yuan=welfare,
        bound_nano_yuan=plan.welfare_nano_yuan if _is_coupled(problem) else welfare,
    )


def _interval(question: PriceQuestion, prices: CoupledPrices, number: int) -> CoupledInterval:
    """Return one interval with its prices; where coupling moves none, the tree's own rule has set them."""
    problem, exact = question.problem, question.schedule.intervals[number]
    tree, price = problem.markets[number].tree, prices.price_uyuan_per_kwh[number]
    if exact.is_cut.any():
        route = Route.LINEAR_PROGRAM
    else:
        route = Route.TREE_AROUND_SCHEDULE if exact.fixed.size else Route.TREE
    is_own = np.array_equal(price, exact.result.price_uyuan_per_kwh)
    if route is Route.TREE and is_own:
        return CoupledInterval(tree, exact.orders, exact.result, route)
    rule = question.price_rule.value
    is_ruled = np.array_equal(price, question.preferred_uyuan_per_kwh[number])
    result = with_prices(
        tree,
        exact,
        question.supports[number],
        price.tolist(),
        mesh_step=mesh_steps(problem, prices.limit_price_micro[:, number]),
        price_rule=rule if is_ruled else COUPLED_RULE_PREFIX + rule,
    )
    return CoupledInterval(tree, exact.orders, result, route)


def mesh_steps(problem: CoupledProblem, limit_price_micro: Int64Array) -> list[int]:
    """Return what the meshed limits' prices put between each unit's price and its parent's, micro-yuan/kWh.

    - sum over limits of price x factor step / denominator, rounded to the nearest micro-yuan.
    """
    step = factor_steps(problem)
    total = [0] * problem.n_units
    denominators = problem.limits.denominator.tolist()
    for row, (micro, denominator) in enumerate(zip(limit_price_micro.tolist(), denominators, strict=True)):
        if micro:
            for unit in np.flatnonzero(step[row]).tolist():
                total[unit] -= micro * int(step[row, unit]) // denominator
    return [(micro + MICRO // 2) // MICRO for micro in total]


def _block_outcomes(problem: CoupledProblem, plan: Plan, prices: CoupledPrices) -> tuple[BlockOutcome, ...]:
    outcomes = []
    for block, is_accepted in enumerate(plan.accepted.tolist()):
        parent = int(problem.blocks.parent[block])
        if is_accepted:
            is_whole = int(plan.ratio_micro_ppm[block]) >= (PPM - 1) * MICRO
            outcomes.append(BlockOutcome.ACCEPTED if is_whole else BlockOutcome.ACCEPTED_IN_PART)
        elif own_gain(problem.blocks, block, prices.price_uyuan_per_kwh) <= 0:
            outcomes.append(BlockOutcome.OUT_OF_THE_MONEY)
        elif parent >= 0 and not plan.accepted[parent]:
            outcomes.append(BlockOutcome.PARENT_REJECTED)
        else:
            outcomes.append(BlockOutcome.PARADOXICALLY_REJECTED)
    return tuple(outcomes)


def _welfare_nano_yuan(problem: CoupledProblem, schedule: Schedule) -> int:
    """Return bids less offers less fees, blocks at their limits, plus the worth of what is stored at the end."""
    welfare = 0
    for market, exact in zip(problem.markets, schedule.intervals, strict=True):
        orders, result = exact.orders, exact.result
        ordinary = np.ones(orders.energy_wh.size, np.bool_)
        ordinary[exact.fixed] = False
        sign = np.where(orders.side == TradeSide.SELL, -1, 1)[ordinary]
        rows = zip(
            (sign * result.filled_wh[ordinary]).tolist(), orders.price_uyuan_per_kwh[ordinary].tolist(), strict=True
        )
        welfare += sum(energy * price for energy, price in rows)
        down = np.maximum(-result.flow_up_wh, 0)[1:].tolist()
        welfare -= sum(e * fee for e, fee in zip(down, market.tree.fee_uyuan_per_kwh[1:].tolist(), strict=True))
    blocks = problem.blocks
    for row, price in enumerate(blocks.price_uyuan_per_kwh.tolist()):
        value = price * int(schedule.block_fill_wh[row].sum())
        welfare += -value if blocks.side[row] == TradeSide.SELL else value
    for row, worth in enumerate(problem.storages.terminal_value_uyuan_per_kwh.tolist()):
        welfare += int(schedule.stored_micro_wh[row, -1]) * worth // MICRO
    return welfare
