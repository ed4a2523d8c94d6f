"""The pure part of the network-secured loop: what binds, setpoints, tightened limits, the expected physical state.

The AC power flow itself is elsewhere (DESIGN 5 "Network check"); this file turns clearing results into limits of net
export and expected energies per metering point, and violations into tighter limits.
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from hub.market.books import BookFills
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import (
    NO_LIMIT_WH,
    BalanceTree,
    BoolArray,
    ClearingResult,
    Int64Array,
    OrderBatch,
    Party,
    TradeSide,
)

NO_SETPOINT = -1


class LimitCoverage(Enum):
    """How a breached network limit is kept by the clearing, named in the result.

    TREE_EDGE: it is the limit of a tree edge. COVERING_EDGE: it lies inside a unit (a bus, a line, a meshed part), and
    the lowest edge that covers it and can cure it is limited instead. SPARSE_PROGRAM: the interval was cleared with the
    limit itself as a row of the sparse program (hub/market/coupled, MeshedLimits).
    """

    TREE_EDGE = "tree-edge"
    COVERING_EDGE = "covering-edge"
    SPARSE_PROGRAM = "sparse-program"


@dataclass(frozen=True)
class Tightened:
    """The tree with lowered export limits, and which edges are controlled.

    controlled: shape (n_units,), the edge's sellers get setpoints whether or not its limit binds in the market.
    """

    tree: BalanceTree
    controlled: BoolArray


def no_control(tree: BalanceTree) -> BoolArray:
    """Return the mask of controlled edges before the first check: none."""
    return np.zeros(len(tree.unit_id), np.bool_)


def units_behind(tree: BalanceTree, flagged: BoolArray) -> BoolArray:
    """Return which units lie at or below a flagged one, shape (n_units,)."""
    behind = flagged.tolist()
    for unit, parent in enumerate(tree.parent.tolist()):
        if parent >= 0 and behind[parent]:
            behind[unit] = True
    return np.array(behind, np.bool_)


def tighten(tree: BalanceTree, result: ClearingResult, controlled: BoolArray, export_limit_wh: Int64Array) -> Tightened:
    """Lower export limits after a violation; limits only go down, and not below 0.

    A flagged edge whose cleared flow is below its new limit becomes controlled: the violation comes from what its
    sellers would do beyond their fills.

    :param export_limit_wh: shape (n_units,), the limit asked for at each flagged edge, NO_LIMIT_WH elsewhere
    """
    lowered = np.minimum(tree.export_limit_wh, np.maximum(export_limit_wh, 0))
    lowered.setflags(write=False)
    is_flagged = export_limit_wh < NO_LIMIT_WH
    return Tightened(
        tree=replace(tree, export_limit_wh=lowered),
        controlled=np.asarray(controlled | (is_flagged & (result.flow_up_wh < lowered)), dtype=np.bool_),
    )


def limited_units(tree: BalanceTree, result: ClearingResult, controlled: BoolArray) -> BoolArray:
    """Return which units lie behind (at or below) an edge whose export limit binds or that is controlled."""
    return units_behind(tree, np.asarray(result.binding_export | controlled, dtype=np.bool_))


def net_export_fills_wh(
    orders: OrderBatch, points: MeteringPoints, filled_wh: Int64Array, book_fills: BookFills
) -> Int64Array:
    """Return each metering point's filled sale, direct and by book, shape (n_meters,)."""
    fills = book_fills.export_wh.copy()
    assert fills.shape == points.unit.shape
    sells = np.flatnonzero((orders.party == Party.DIRECT) & (orders.side == TradeSide.SELL))
    np.add.at(fills, orders.meter[sells], filled_wh[sells])
    return fills


def setpoints_wh(
    limited: BoolArray,
    orders: OrderBatch,
    points: MeteringPoints,
    filled_wh: Int64Array,
    book_fills: BookFills,
) -> Int64Array:
    """Return the limit of net export of each metering point, shape (n_meters,), in Wh of the interval; 1 Wh is 4 W.

    Whoever may sell and stands in a limited unit may export its filled sale (0 without one), by mode 1 as well as
    inside a book; every other metering point has NO_SETPOINT.
    """
    fills = net_export_fills_wh(orders, points, filled_wh, book_fills)
    is_seller = points.sale >= 0
    return np.asarray(np.where(is_seller & limited[points.unit], fills, NO_SETPOINT), dtype=np.int64)


def expected_net_export_wh(
    orders: OrderBatch,
    points: MeteringPoints,
    *,
    import_forecast_wh: Int64Array,
    export_forecast_wh: Int64Array,
    setpoint_wh: Int64Array,
) -> Int64Array:
    """Return the expected physical net export of each metering point, shape (n_meters,): the state to check by AC.

    A metering point that placed orders does what they say, filled or not: unfilled buyers still use energy, and
    unfilled sellers still generate. Every other one does what is forecast. Then setpoints cap net export.

    :param import_forecast_wh, export_forecast_wh: shape (n_meters,), >= 0
    :param setpoint_wh: shape (n_meters,), NO_SETPOINT where there is none
    """
    direct = np.flatnonzero(orders.party == Party.DIRECT)
    signed = np.where(orders.side[direct] == TradeSide.SELL, orders.energy_wh[direct], -orders.energy_wh[direct])
    ordered = np.zeros(points.unit.size, np.int64)
    np.add.at(ordered, orders.meter[direct], signed)
    placed = np.zeros(points.unit.size, np.bool_)
    placed[orders.meter[direct]] = True
    net_export = np.where(placed, ordered, export_forecast_wh - import_forecast_wh)
    capped = np.minimum(net_export, setpoint_wh)
    return np.asarray(np.where(setpoint_wh == NO_SETPOINT, net_export, capped), dtype=np.int64)
