"""Why each order filled or did not: one typed reason an order, read from prices and shadow prices alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hub.market.net_supply import BUY, CLEAN_SELL, EXPORT, IMPORT, KEY_SHIFT, OTHER_SELL, RANK_MASK, Levels
from hub.market.reason_code import ReasonCode
from hub.market.trades import (
    BoolArray,
    ClearingResult,
    Int8Array,
    Int64Array,
    OrderBatch,
    Party,
    TradeSide,
)

NO_UNIT = -1
_NO_REACH = -(2**61)


class OrderReason(ReasonCode):
    """Why an order has the fill that it has.

    FILLED: it is filled whole. MARGINAL_SHARE: its price is its unit's, and it has its pro rata share, 0 included, of
    what traded there. CLEAN_FIRST: as before, but clean offers of that price took all. NO_COUNTERPARTY: its price is
    its unit's, and nobody is left to trade with. PRICE: its price is worse than its unit's. LIMIT: as before, but it
    would trade at the price beyond the limit of an edge. QUANTITY_STEP: what it has left is no whole quantity step.
    """

    FILLED = 0
    MARGINAL_SHARE = 1
    CLEAN_FIRST = 2
    NO_COUNTERPARTY = 3
    PRICE = 4
    LIMIT = 5
    QUANTITY_STEP = 6


# Plain numbers: numpy compares a column with a member of an enumeration ten times as slowly.
_, _MARGINAL_SHARE, _CLEAN_FIRST, _NO_COUNTERPARTY, _PRICE, _LIMIT, _QUANTITY_STEP = (
    int(reason) for reason in OrderReason
)
_SELLS, _PROVINCE = int(TradeSide.SELL), int(Party.PROVINCE)


@dataclass(frozen=True)
class LastSteps:
    """The last step that each unit takes, shape (n_units,): its key (net_supply.py), whether some of it is left."""

    key: Int64Array
    is_partial: BoolArray


@dataclass(frozen=True)
class OrderReasons:
    """reason: shape (n_orders,), OrderReason. limit_unit: shape (n_orders,), whose edge's limit it is, else NO_UNIT.

    An order with a marginal share in a subtree that a limit decouples names that edge too.
    """

    reason: Int8Array
    limit_unit: Int64Array


@dataclass(frozen=True)
class ExplainedClearing(ClearingResult):
    """All that one clearing found: the result that is kept, and what follows from it.

    fee_nano_yuan, rent_nano_yuan: shape (n_units,), what the edge above each unit earns by its fee and by its shadow
    price (congestion rent, >= 0); the root's is the tie. reason, limit_unit: shape (n_orders,), as OrderReasons.
    quantity_step_wh: what fills and flows are multiples of.
    """

    fee_nano_yuan: Int64Array
    rent_nano_yuan: Int64Array
    reason: Int8Array
    limit_unit: Int64Array
    quantity_step_wh: int


def order_reasons(
    levels: Levels,
    orders: OrderBatch,
    found: ClearingResult,
    *,
    offered_of_province: Sequence[tuple[int, int]],
    last: LastSteps,
    quantity_step_wh: int,
) -> OrderReasons:
    """Return why each order has its fill.

    :param orders: as submitted, before quantity steps are applied
    :param offered_of_province: row and energy of the province's orders within the tie's limits
    """
    filled_wh, step_wh = found.filled_wh, quantity_step_wh
    reason = np.zeros(orders.energy_wh.size, np.int8)
    limit_unit = np.full(orders.energy_wh.size, NO_UNIT, np.int64)
    row = (filled_wh != orders.energy_wh).nonzero()[0]
    unit, is_sell = orders.unit[row], orders.side[row] == _SELLS
    loss = orders.price_uyuan_per_kwh[row] - found.price_uyuan_per_kwh[unit]
    loss = np.where(is_sell, loss, -loss)
    behind = _ShadowedEdges(levels, found.shadow_uyuan_per_kwh, found.basis_uyuan_per_kwh)
    # In the money and not full: what is left is less than a step, or the tie holds the province back.
    of_row, held_by = np.full(row.size, _QUANTITY_STEP, np.int8), np.full(row.size, NO_UNIT, np.int64)
    outside = (loss > 0).nonzero()[0]
    held_by[outside] = behind.first_that_turns(unit[outside], loss[outside], is_sell=is_sell[outside])
    of_row[outside] = _PRICE + (_LIMIT - _PRICE) * (held_by[outside] != NO_UNIT)
    at_price = (loss == 0).nonzero()[0]
    if step_wh > 1:
        at_price = at_price[(orders.energy_wh - filled_wh)[row[at_price]] >= step_wh]
    of_row[at_price] = _reason_at_price(orders, row[at_price], last)
    shared = at_price[of_row[at_price] == _MARGINAL_SHARE]
    held_by[shared] = behind.nearest(unit[shared], is_sell=is_sell[shared])
    reason[row], limit_unit[row] = of_row, held_by
    for one, offered_wh in offered_of_province:
        is_held = offered_wh - step_wh < filled_wh[one] and offered_wh < orders.energy_wh[one]
        if is_held and reason[one] not in {_PRICE, _LIMIT}:
            reason[one], limit_unit[one] = _LIMIT, 0
    return OrderReasons(reason, limit_unit)


def _reason_at_price(orders: OrderBatch, row: Int64Array, last: LastSteps) -> Int8Array:
    """Return the reason of orders whose price is their unit's and that are not filled whole."""
    unit, is_sell, clean = orders.unit[row], orders.side[row] == _SELLS, orders.clean[row]
    is_province = orders.party[row] == _PROVINCE
    rank = last.key[unit] & RANK_MASK
    own_rank = np.where(is_sell, np.where(is_province, IMPORT, OTHER_SELL), np.where(is_province, EXPORT, BUY))
    is_begun = last.key[unit] >> KEY_SHIFT == orders.price_uyuan_per_kwh[row]
    took_clean = is_begun & is_sell & (rank == CLEAN_SELL)
    shares = is_begun & last.is_partial[unit] & ((rank == own_rank) | (took_clean & clean))
    reason = np.full(row.size, _NO_COUNTERPARTY, np.int8)
    reason[took_clean & ~clean] = _CLEAN_FIRST
    reason[shares] = _MARGINAL_SHARE
    return reason


class _ShadowedEdges:
    """The edges with a shadow price on the way from each unit to the province.

    What a seller would gain without the limits up to one of them is the sum of the shadow prices up to it, with its
    sign turned; a buyer likewise.
    """

    def __init__(self, levels: Levels, shadow: Int64Array, basis: Int64Array) -> None:
        unit = levels.unit
        self._shadow, self._basis, self._basis_beyond = shadow, basis, basis - shadow
        has_shadow, beyond = shadow[unit] != 0, self._basis_beyond[unit]
        nearest = np.where(has_shadow, unit, NO_UNIT)
        above = np.full(unit.size, NO_UNIT, np.int64)
        # The most that sellers and buyers could gain, as basis beyond the edge, which does not depend on the unit.
        sell = np.where(shadow[unit] < 0, beyond, _NO_REACH)
        buy = np.where(shadow[unit] > 0, -beyond, _NO_REACH)
        for level in levels.downward[1:]:
            place = levels.parent[level]
            above[level] = nearest[place]
            nearest[level] = np.where(has_shadow[level], nearest[level], nearest[place])
            sell[level] = np.maximum(sell[level], sell[place])
            buy[level] = np.maximum(buy[level], buy[place])
        self._nearest, self._above = nearest[levels.place], above[levels.place]
        self._sell_gain, self._buy_gain = sell[levels.place] - basis, buy[levels.place] + basis

    def nearest(self, unit: Int64Array, *, is_sell: BoolArray) -> Int64Array:
        """Return the nearest edge with a shadow price, if it holds back what the order does, else NO_UNIT."""
        edge = self._nearest[unit]
        holds = np.where(is_sell, self._shadow[edge] < 0, self._shadow[edge] > 0)
        return np.where((edge != NO_UNIT) & holds, edge, NO_UNIT)

    def first_that_turns(self, unit: Int64Array, loss: Int64Array, *, is_sell: BoolArray) -> Int64Array:
        """Return the nearest edge without whose limit, and those below it, the loss would be a gain, else NO_UNIT.

        Only a limit that holds the order back can be the first to turn it: the others lower what it could gain.
        """
        found = np.full(unit.size, NO_UNIT, np.int64)
        gain = np.where(is_sell, self._sell_gain[unit], self._buy_gain[unit])
        row = (gain > loss).nonzero()[0]
        edge, unit, loss = self._nearest[unit[row]], unit[row], loss[row]
        sign = np.where(is_sell[row], 1, -1)
        while row.size:
            assert int(edge.min()) >= 0, "a limit on the way turns it"
            gain = sign * (self._basis_beyond[edge] - self._basis[unit])
            turns = gain > loss
            found[row[turns]] = edge[turns]
            on = (~turns).nonzero()[0]
            row, edge, unit, loss, sign = row[on], self._above[edge[on]], unit[on], loss[on], sign[on]
        return found
