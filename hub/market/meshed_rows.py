"""Limits inside a mesh as rows of the sparse program (DESIGN 5 "Network check"): made, cleared with, and curtailed by.

Where power has two ways, no tree edge carries what a branch carries. The network check says by how much each unit's
export loads the branch; the clearing then keeps the sum of net injections times these factors in a limit, at a welfare
that no limit of an edge above all of them can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hub.market.coupled.checks import check_coupled
from hub.market.coupled.clearing import CoupledResult, clear_coupled
from hub.market.coupled.problem import (
    CoupledProblem,
    IntervalMarket,
    MeshedLimits,
    no_blocks,
    no_storages,
)
from hub.market.trades import (
    BalanceTree,
    BoolArray,
    ClearingResult,
    Int64Array,
    OrderBatch,
    Party,
    TradeSide,
    Violation,
)


@dataclass(frozen=True)
class MeshedRow:
    """One limit: sum over units of factor x net injection / denominator <= limit_wh, the root being the slack.

    name: of the branch. unit_factor: shape (n_units,), 0 at the root. limit_wh: >= 0, in Wh of the interval over the
    branch. is_curable: whether the sellers that load the branch could bring it inside by themselves.
    """

    name: str
    unit_factor: Int64Array
    denominator: int
    limit_wh: int
    is_curable: bool


@dataclass(frozen=True)
class BranchLoading:
    """What the network check says of a branch: factors as MeshedRow's; outside_wh: by how much it must come down."""

    name: str
    unit_factor: Int64Array
    denominator: int
    outside_wh: int


@dataclass(frozen=True)
class MeshedClearing:
    """An interval cleared by the sparse program: what was asked, and all that was found."""

    problem: CoupledProblem
    found: CoupledResult

    @property
    def result(self) -> ClearingResult:
        """Return the interval's fills, prices and flows."""
        return self.found.intervals[0].result


def without_small_factors(unit_factor: Int64Array, least: int) -> Int64Array:
    """Return the factors with those between -least and least as 0: who moves a branch so little answers for nothing."""
    return np.where(np.abs(unit_factor) < least, 0, unit_factor)


def bought_wh(orders: OrderBatch, filled_wh: Int64Array, *, n_units: int) -> Int64Array:
    """Return what each unit's own buyers bought, the LOSS order among them, shape (n_units,)."""
    buys = np.flatnonzero((orders.side == TradeSide.BUY) & (orders.party != Party.PROVINCE))
    bought = np.zeros(n_units, np.int64)
    np.add.at(bought, orders.unit[buys], filled_wh[buys])
    return bought


def meshed_row(loading: BranchLoading, *, export_wh: Int64Array, bought_wh: Int64Array) -> MeshedRow:
    """Return the row that brings a branch just inside its limit, from a state in which it is `outside_wh` beyond.

    The market's net injections stand for the state's: what sellers do becomes what they fill, as setpoints hold them to
    it, and what load does beyond what it bought stays as it is.

    :param export_wh: shape (n_units,), what each unit's own sellers export in that state
    :param bought_wh: shape (n_units,), `bought_wh` of the clearing that led to it
    """
    assert export_wh.shape == bought_wh.shape == loading.unit_factor.shape
    flow = int(loading.unit_factor @ (export_wh - bought_wh))
    takeable = int(np.maximum(loading.unit_factor, 0) @ export_wh)
    limit_wh = (flow - loading.outside_wh * loading.denominator) // loading.denominator
    return MeshedRow(
        loading.name,
        loading.unit_factor,
        loading.denominator,
        max(limit_wh, 0),
        takeable >= loading.outside_wh * loading.denominator,
    )


def loading_units(rows: Sequence[MeshedRow], n_units: int) -> BoolArray:
    """Return the units whose own sellers load one of the branches, shape (n_units,): they are held to their fills."""
    held = np.zeros(n_units, np.bool_)
    for row in rows:
        held |= row.unit_factor > 0
    return held


def clear_with_rows(
    tree: BalanceTree, orders: OrderBatch, rows: Sequence[MeshedRow], *, tick_uyuan_per_kwh: int
) -> MeshedClearing:
    """Return the interval cleared with the rows beside the tree's limits; prices and laws are the tree's.

    :raises hub.market.coupled.highs.HighsError: if HiGHS gives neither an optimum nor a proof that there is none
    """
    problem = CoupledProblem((IntervalMarket(tree, orders),), no_storages(), no_blocks(1), _meshed_limits(rows, orders))
    return MeshedClearing(problem, clear_coupled(problem, tick_uyuan_per_kwh=tick_uyuan_per_kwh))


def own_reductions_wh(loadings: Sequence[BranchLoading], export_wh: Int64Array) -> Int64Array:
    """Return by how much each unit's own sellers must do less, shape (n_units,): one share of all who load a branch.

    The share is outside / sum of factor x export, at most 1; a unit that loads several branches gives the most.
    """
    reduction = np.zeros(export_wh.size, np.int64)
    for one in loadings:
        loads = np.where(one.unit_factor > 0, export_wh, 0)
        takeable = int(one.unit_factor @ loads)
        if one.outside_wh <= 0 or takeable <= 0:
            continue
        wanted = min(one.outside_wh * one.denominator, takeable)
        share = [-(-energy * wanted // takeable) for energy in loads.tolist()]
        reduction = np.maximum(reduction, np.array(share, np.int64))
    return reduction


def check_meshed_clearing(cleared: MeshedClearing, *, tick_uyuan_per_kwh: int) -> list[Violation]:
    """Laws 1 to 3 of an interval of the sparse program: check_coupled's, and the same again gives the same."""
    again = clear_coupled(cleared.problem, tick_uyuan_per_kwh=tick_uyuan_per_kwh).intervals[0].result
    where = f"interval {cleared.problem.markets[0].orders.interval}"
    differing = [
        name for name, column in vars(cleared.result).items() if not np.array_equal(getattr(again, name), column)
    ]
    return [
        *check_coupled(cleared.problem, cleared.found),
        *(Violation(3, where, f"{name} differs when cleared again") for name in differing),
    ]


def _meshed_limits(rows: Sequence[MeshedRow], orders: OrderBatch) -> MeshedLimits:
    """Return the rows as limits of one interval; below, each is bounded by what could never flow."""
    local = orders.party != Party.PROVINCE
    never_wh = int(orders.energy_wh[local].sum()) + max((row.limit_wh for row in rows), default=0) + 1
    entries = [(number, np.flatnonzero(row.unit_factor)) for number, row in enumerate(rows)]
    widest = [-(-int(np.abs(row.unit_factor).max(initial=0)) // row.denominator) for row in rows]
    return MeshedLimits(
        name=tuple(row.name for row in rows),
        entry_limit=np.concatenate([np.full(units.size, number, np.int64) for number, units in entries]),
        entry_unit=np.concatenate([units for _, units in entries]).astype(np.int64),
        entry_numerator=np.concatenate([rows[number].unit_factor[units] for number, units in entries]),
        denominator=np.array([row.denominator for row in rows], np.int64),
        low_wh=-never_wh * np.array(widest, np.int64)[:, np.newaxis],
        high_wh=np.array([[row.limit_wh] for row in rows], np.int64),
    )
