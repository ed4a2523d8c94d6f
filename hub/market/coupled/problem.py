"""What a coupled problem is: the intervals' markets and what ties them together.

Storage ties intervals by its state of charge, a block order by "all or nothing over several intervals", a meshed limit
ties units of one interval by sensitivity factors (DESIGN 5, "Meshed parts, storage across intervals, block orders").
"""

from dataclasses import dataclass
from math import lcm

import numpy as np

from hub.market.trades import BalanceTree, BoolArray, Int8Array, Int64Array, OrderBatch

PPM = 1_000_000
_DENOMINATOR_MAX = 2**31


class CoupledProblemError(ValueError):
    """A storage, block or meshed limit that contradicts itself or the tree; the text names it."""


@dataclass(frozen=True)
class IntervalMarket:
    """One interval of the horizon: its tree and its ordinary orders, as tree clearing takes them."""

    tree: BalanceTree
    orders: OrderBatch


@dataclass(frozen=True)
class Storages:
    """Storage that the market schedules, shape (n_storages,) each.

    meter: metering point, -1 for none. charge_max_wh, discharge_max_wh: at the meter, in one interval. energy_min_wh,
    energy_max_wh, energy_start_wh: stored energy, kept in every interval. Charging C Wh stores C x charge efficiency;
    discharging D Wh takes D / discharge efficiency. terminal_value: worth of a stored kWh after the last interval.
    reserve_wh: kept free at both limits when planning, for the rounding to whole Wh: without any, a plan that empties
    or fills several stores to the fraction of a Wh may leave prices that no whole schedule supports.
    """

    storage_id: tuple[str, ...]
    unit: Int64Array
    meter: Int64Array
    charge_max_wh: Int64Array
    discharge_max_wh: Int64Array
    energy_min_wh: Int64Array
    energy_max_wh: Int64Array
    energy_start_wh: Int64Array
    reserve_wh: Int64Array
    charge_efficiency_ppm: Int64Array
    discharge_efficiency_ppm: Int64Array
    terminal_value_uyuan_per_kwh: Int64Array


@dataclass(frozen=True)
class BlockOrders:
    """Orders over several intervals, accepted in one ratio or not at all, shape (n_blocks,) each.

    energy_wh: shape (n_blocks, n_intervals), >= 0. price: limit for the energy-weighted mean price. ratio_min_ppm: the
    smallest ratio accepted; 1,000,000 is all or nothing. parent: position of the block whose acceptance this one needs
    (its ratio is at most the parent's), -1 for none; a parent stands before its children. side: TradeSide.
    """

    block_id: tuple[str, ...]
    unit: Int64Array
    meter: Int64Array
    side: Int8Array
    price_uyuan_per_kwh: Int64Array
    ratio_min_ppm: Int64Array
    parent: Int64Array
    clean: BoolArray
    submitted_utc_s: Int64Array
    energy_wh: Int64Array


@dataclass(frozen=True)
class MeshedLimits:
    """Limits of elements that are no tree edges, on a sum of the units' net injections times rational factors.

    flow of limit l = sum over its entries of numerator x net injection of the unit / denominator[l], with the root as
    slack, kept in low_wh[l, t]..high_wh[l, t]. entry_limit, entry_unit, entry_numerator: shape (n_entries,); units
    without an entry have factor 0. denominator: shape (n_limits,), > 0. low_wh <= 0 <= high_wh.
    """

    name: tuple[str, ...]
    entry_limit: Int64Array
    entry_unit: Int64Array
    entry_numerator: Int64Array
    denominator: Int64Array
    low_wh: Int64Array
    high_wh: Int64Array


@dataclass(frozen=True)
class CoupledProblem:
    """A horizon of consecutive intervals with one tree shape (limits and fees may differ) and what couples them."""

    markets: tuple[IntervalMarket, ...]
    storages: Storages
    blocks: BlockOrders
    limits: MeshedLimits

    @property
    def n_intervals(self) -> int:
        """How many intervals the horizon has."""
        return len(self.markets)

    @property
    def n_units(self) -> int:
        """How many units the tree has."""
        return len(self.markets[0].tree.unit_id)


def no_storages() -> Storages:
    """Return the columns of no storage."""
    return Storages((), *(np.zeros(0, np.int64) for _ in range(11)))


def no_blocks(n_intervals: int) -> BlockOrders:
    """Return the columns of no block order."""
    none = np.zeros(0, np.int64)
    return BlockOrders(
        (),
        none,
        none,
        np.zeros(0, np.int8),
        none,
        none,
        none,
        np.zeros(0, np.bool_),
        none,
        np.zeros((0, n_intervals), np.int64),
    )


def no_limits(n_intervals: int) -> MeshedLimits:
    """Return the columns of no meshed limit."""
    none = np.zeros(0, np.int64)
    bounds = np.zeros((0, n_intervals), np.int64)
    return MeshedLimits((), none, none, none, none, bounds, bounds)


def factor_steps(problem: CoupledProblem) -> Int64Array:
    """Return by how much a unit's factor differs from its parent's, numerators, shape (n_limits, n_units).

    The units' net injections sum to zero with the province at the root, so sum(factor x injection) = sum over edges of
    (factor of child - factor of parent) x flow up the edge: a limit touches only edges where its factor changes.
    """
    limits = problem.limits
    factor = np.zeros((len(limits.name), problem.n_units), np.int64)
    np.add.at(factor, (limits.entry_limit, limits.entry_unit), limits.entry_numerator)
    step = np.zeros_like(factor)
    step[:, 1:] = factor[:, 1:] - factor[:, problem.markets[0].tree.parent[1:]]
    return step


def validate(problem: CoupledProblem) -> None:
    """Refuse a problem that contradicts itself.

    :raises CoupledProblemError: with the first fault found
    """
    faults = [*_market_faults(problem), *_storage_faults(problem), *_block_faults(problem), *_limit_faults(problem)]
    if faults:
        raise CoupledProblemError(faults[0])


def _market_faults(problem: CoupledProblem) -> list[str]:
    if not problem.markets:
        return ["a horizon needs an interval"]
    first = problem.markets[0].tree
    faults = []
    for number, market in enumerate(problem.markets):
        if market.tree.unit_id != first.unit_id or not np.array_equal(market.tree.parent, first.parent):
            faults.append(f"interval {market.orders.interval}: another tree than the horizon's first")
        if market.orders.interval != problem.markets[0].orders.interval + number:
            faults.append(f"interval {market.orders.interval}: not consecutive")
    return faults


def _storage_faults(problem: CoupledProblem) -> list[str]:
    one = problem.storages
    rows = (
        ((one.unit < 0) | (one.unit >= problem.n_units), "stands at no unit"),
        ((one.charge_max_wh < 0) | (one.discharge_max_wh < 0), "has a negative power limit"),
        (
            (np.minimum(one.energy_min_wh, one.reserve_wh) < 0)
            | (one.energy_min_wh + one.reserve_wh > one.energy_start_wh)
            | (one.energy_start_wh > one.energy_max_wh - one.reserve_wh),
            "starts outside its limits of stored energy",
        ),
        (
            (np.minimum(one.charge_efficiency_ppm, one.discharge_efficiency_ppm) <= 0)
            | (np.maximum(one.charge_efficiency_ppm, one.discharge_efficiency_ppm) > PPM),
            "has an efficiency outside 0..1",
        ),
    )
    faults = [f"storage {one.storage_id[row]}: {what}" for is_bad, what in rows for row in np.flatnonzero(is_bad)]
    return faults + _repeated("storage", one.storage_id)


def _block_faults(problem: CoupledProblem) -> list[str]:
    one = problem.blocks
    if one.energy_wh.shape != (len(one.block_id), problem.n_intervals):
        return [f"blocks have energies of shape {one.energy_wh.shape}, not one for each interval"]
    rows = (
        ((one.unit < 0) | (one.unit >= problem.n_units), "stands at no unit"),
        ((one.energy_wh < 0).any(axis=1) | ~(one.energy_wh > 0).any(axis=1), "has negative or no energy"),
        ((one.ratio_min_ppm <= 0) | (one.ratio_min_ppm > PPM), "has a smallest ratio outside 0..1"),
        (one.parent >= np.arange(len(one.block_id)), "stands before its parent"),
    )
    faults = [f"block {one.block_id[row]}: {what}" for is_bad, what in rows for row in np.flatnonzero(is_bad)]
    return faults + _repeated("block", one.block_id)


def _limit_faults(problem: CoupledProblem) -> list[str]:
    one = problem.limits
    shape = (len(one.name), problem.n_intervals)
    if one.low_wh.shape != shape or one.high_wh.shape != shape:
        return [f"meshed limits have bounds of shape {one.low_wh.shape}, not one for each interval"]
    rows = (
        (one.denominator <= 0, "has no positive denominator"),
        ((one.low_wh > 0).any(axis=1) | (one.high_wh < 0).any(axis=1), "does not allow a flow of zero"),
    )
    faults = [f"limit {one.name[row]}: {what}" for is_bad, what in rows for row in np.flatnonzero(is_bad)]
    if one.name and lcm(*one.denominator.tolist()) > _DENOMINATOR_MAX:
        faults.append(f"meshed limits need a common denominator up to {_DENOMINATOR_MAX}")
    if bool(((one.entry_unit < 0) | (one.entry_unit >= problem.n_units)).any()):
        faults.append("a factor of a meshed limit stands at no unit")
    return faults


def _repeated(kind: str, names: tuple[str, ...]) -> list[str]:
    return [f"{kind} {name}: stands twice" for name in sorted({name for name in names if names.count(name) > 1})]
