"""Round a plan to whole Wh so that what supported it still does: a small problem of ups and downs.

Each number of the plan that is not whole - a charge, a discharge, a block's fill, the flow of a meshed edge - goes up
or down to the next Wh. Between edges that carry a limit or nothing, the tree's units form parts with one price. A
part's marginal orders take up what rounding leaves as long as the part's sum goes to the next Wh at most; where the
plan's sum is whole, the rounded one is the same. Stored energy and meshed flows stay in their limits. Without
efficiencies and factors such a rounding always exists (the rows are a network's); with them, conditions bend by as few
Wh as possible.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.coupled.highs import solve
from hub.market.coupled.linear_problem import MICRO, Infeasible, ProblemBuilder
from hub.market.coupled.problem import PPM, CoupledProblem, factor_steps
from hub.market.coupled.welfare import Plan
from hub.market.trades import BalanceTree, BoolArray, Int64Array, TradeSide

_WHOLE_MICRO_WH = 1_000
"""Closer than this to a whole Wh, a number of the plan is that whole Wh."""

_BEND_COST = 1_000 * MICRO


@dataclass(frozen=True)
class WholePlan:
    """A plan in whole Wh: charge, discharge (n_storages, n_intervals), block fills (n_blocks, n_intervals), flows up
    (n_intervals, n_units), of use where an interval's meshed edges are cut.
    """

    charge_wh: Int64Array
    discharge_wh: Int64Array
    block_fill_wh: Int64Array
    flow_up_wh: Int64Array


@dataclass(frozen=True)
class _Fractions:
    """Numbers that are not whole: where they stand, and which are the columns of their ups."""

    row: Int64Array
    interval: Int64Array
    up: Int64Array


def stored_exactly(energy_wh: int, discharge_ppm: int) -> int:
    """Return stored energy in parts so small that charging and discharging change it by whole numbers.

    One Wh is PPM x discharge efficiency parts: C Wh of charge add C x charge efficiency x discharge efficiency, D Wh of
    discharge take D x PPM x PPM.
    """
    return energy_wh * PPM * discharge_ppm


def stored_change(charge_wh: int, discharge_wh: int, *, charge_ppm: int, discharge_ppm: int) -> int:
    """Return by how many parts a charge and a discharge change what is stored."""
    return charge_wh * charge_ppm * discharge_ppm - discharge_wh * PPM * PPM


def cut_edges(problem: CoupledProblem) -> BoolArray:
    """Return the edges at which a meshed limit's factor changes, shape (n_units,)."""
    return np.asarray((factor_steps(problem) != 0).any(axis=0), dtype=np.bool_)


def whole_plan(problem: CoupledProblem, plan: Plan, is_meshed: BoolArray) -> WholePlan:
    """Return the plan in whole Wh.

    :param is_meshed: shape (n_intervals,), intervals in which the edges that meshed limits touch are cut
    """
    fills = _block_fills_micro_wh(problem, plan)
    flows = np.where(is_meshed[:, np.newaxis] & cut_edges(problem), plan.flow_up_micro_wh, 0)
    columns = [plan.charge_micro_wh, plan.discharge_micro_wh, fills, flows.T]
    floors = [_floor(column) for column in columns]
    builder = ProblemBuilder(cost_divisor=MICRO)
    fractions = [_add_ups(builder, column, floor) for column, floor in zip(columns, floors, strict=True)]
    if builder.n_columns:
        for number in range(problem.n_intervals):
            is_cut = bool(is_meshed[number])
            _add_parts(builder, problem, plan, number, columns=columns, fractions=fractions, is_cut=is_cut)
            if is_meshed[number]:
                _add_limits(builder, problem, number, floors[3][:, number], fractions[3])
        _add_stores(builder, problem, floors, fractions)
        outcome = solve(builder.finished())
        assert not isinstance(outcome, Infeasible), "every condition bends"
        for floor, each in zip(floors, fractions, strict=True):
            floor[each.row, each.interval] += outcome.value_micro[each.up] > MICRO // 2
    return WholePlan(floors[0], floors[1], floors[2], floors[3].T)


def _block_fills_micro_wh(problem: CoupledProblem, plan: Plan) -> Int64Array:
    """Return ratio x energy of each block and interval, in millionths of a Wh."""
    energies, ratios = problem.blocks.energy_wh.tolist(), plan.ratio_micro_ppm.tolist()
    rows = [[energy * ratio // PPM for energy in row] for row, ratio in zip(energies, ratios, strict=True)]
    return np.array(rows, np.int64).reshape(problem.blocks.energy_wh.shape)


def _floor(micro: Int64Array) -> Int64Array:
    """Return the whole Wh at or below each number; one next to a whole Wh is that."""
    nearest = (micro + MICRO // 2) // MICRO
    is_whole = np.abs(micro - nearest * MICRO) <= _WHOLE_MICRO_WH
    return np.where(is_whole, nearest, micro // MICRO)


def _add_ups(builder: ProblemBuilder, micro: Int64Array, floor: Int64Array) -> _Fractions:
    """Add a choice of up (1) or down (0) for each number that is not whole; the nearer one costs less."""
    rest = micro - floor * MICRO
    row, interval = np.nonzero(rest > _WHOLE_MICRO_WH)
    cost = MICRO - 2 * rest[row, interval]
    return _Fractions(row, interval, builder.add_columns(row.size, upper=1, cost=cost, integer=1))


def _add_parts(
    builder: ProblemBuilder,
    problem: CoupledProblem,
    plan: Plan,
    number: int,
    *,
    columns: list[Int64Array],
    fractions: list[_Fractions],
    is_cut: bool,
) -> None:
    """Keep each part's sum of what is rounded within the whole Wh around the plan's."""
    tree = problem.markets[number].tree
    part = _parts(tree, plan.flow_up_micro_wh[number], cut_edges(problem) & is_cut)
    blocks, storages = problem.blocks, problem.storages
    block_sign = np.where(blocks.side == TradeSide.SELL, 1, -1)
    edges = np.arange(problem.n_units)
    legs = [
        (0, storages.unit, np.full(storages.unit.size, -1, np.int64)),
        (1, storages.unit, np.ones(storages.unit.size, np.int64)),
        (2, blocks.unit, block_sign),
        (3, edges, np.full(edges.size, -1, np.int64)),
        (3, np.maximum(tree.parent, 0), np.ones(edges.size, np.int64)),
    ]
    total = np.zeros(problem.n_units, np.int64)
    places, ups, signs = [], [], []
    for kind, unit, sign in legs:
        here = fractions[kind].interval == number
        row, up = fractions[kind].row[here], fractions[kind].up[here]
        rest = columns[kind][row, number]
        np.add.at(total, part[unit[row]], sign[row] * (rest - rest // MICRO * MICRO))
        places.append(part[unit[row]])
        ups.append(up)
        signs.append(sign[row])
    place = np.concatenate(places)
    touched = np.unique(place)
    if touched.size:
        low = _floor(total[touched])
        is_whole = np.abs(total[touched] - low * MICRO) <= _WHOLE_MICRO_WH * 4
        rows = builder.add_rows(touched.size, low=low, high=np.where(is_whole, low, low + 1))
        builder.add_entries(rows[np.searchsorted(touched, place)], np.concatenate(ups), np.concatenate(signs))
        _let_bend(builder, rows, 1)


def _parts(tree: BalanceTree, flow_micro_wh: Int64Array, is_cut: BoolArray) -> Int64Array:
    """Return for each unit the part in which it stands, named by the part's top unit.

    An edge that carries its limit, or nothing although a fee stands on it, or that is cut, ends a part.
    """
    part = list(range(len(tree.unit_id)))
    fee = tree.fee_uyuan_per_kwh.tolist()
    export, imports = tree.export_limit_wh.tolist(), tree.import_limit_wh.tolist()
    for unit, above in enumerate(tree.parent.tolist()):
        flow = int(flow_micro_wh[unit])
        is_inside = -imports[unit] * MICRO + _WHOLE_MICRO_WH < flow < export[unit] * MICRO - _WHOLE_MICRO_WH
        if above >= 0 and is_inside and not is_cut[unit] and (abs(flow) > _WHOLE_MICRO_WH or not fee[unit]):
            part[unit] = part[above]
    return np.array(part, np.int64)


def _add_limits(
    builder: ProblemBuilder, problem: CoupledProblem, number: int, flow_wh: Int64Array, fractions: _Fractions
) -> None:
    """Keep the meshed limits of an interval."""
    limits = problem.limits
    here = fractions.interval == number
    step = factor_steps(problem)
    at = step @ flow_wh
    rows = builder.add_rows(
        len(limits.name),
        low=limits.low_wh[:, number] * limits.denominator - at,
        high=limits.high_wh[:, number] * limits.denominator - at,
        divisor=limits.denominator,
    )
    of_edge = step[:, fractions.row[here]]
    which, edge = np.nonzero(of_edge)
    builder.add_entries(rows[which], fractions.up[here][edge], of_edge[which, edge])
    _let_bend(builder, rows, limits.denominator)


def _add_stores(
    builder: ProblemBuilder, problem: CoupledProblem, floors: list[Int64Array], fractions: list[_Fractions]
) -> None:
    """Keep stored energy within its limits after each interval."""
    one, n = problem.storages, problem.n_intervals
    for storage in np.unique(np.concatenate((fractions[0].row, fractions[1].row))).tolist():
        gain, loss = int(one.charge_efficiency_ppm[storage]), int(one.discharge_efficiency_ppm[storage])
        stored = stored_exactly(int(one.energy_start_wh[storage]), loss)
        level = []
        for into, out in zip(floors[0][storage].tolist(), floors[1][storage].tolist(), strict=True):
            stored += stored_change(into, out, charge_ppm=gain, discharge_ppm=loss)
            level.append(stored // loss)
        at = np.array(level, np.int64)
        rows = builder.add_rows(
            n,
            low=int(one.energy_min_wh[storage]) * MICRO - at - _WHOLE_MICRO_WH,
            high=int(one.energy_max_wh[storage]) * MICRO - at + _WHOLE_MICRO_WH,
            divisor=MICRO,
        )
        for each, change in ((fractions[0], gain), (fractions[1], -PPM * PPM // loss)):
            mine = each.row == storage
            for interval, up in zip(each.interval[mine].tolist(), each.up[mine].tolist(), strict=True):
                later = rows[interval:]
                builder.add_entries(later, np.full(later.size, up), change)
        _let_bend(builder, rows, MICRO)


def _let_bend(builder: ProblemBuilder, rows: Int64Array, factor: Int64Array | int) -> None:
    """Let the rows be missed at a price, by so many times their factor."""
    for sign in (1, -1):
        columns = builder.add_columns(rows.size, cost=_BEND_COST)
        builder.add_entries(rows, columns, np.full(rows.size, factor, np.int64) * sign)
