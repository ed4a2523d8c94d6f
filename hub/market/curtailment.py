"""Curtailment by a published rule after the last round: it lowers fills, names whom and why, and marks the pairs."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

import numpy as np

from hub.market.books import BookFills, Books, book_positions
from hub.market.pro_rata import largest_remainder, largest_remainder_by_group
from hub.market.registry_columns import MeteringPoints
from hub.market.security import units_behind
from hub.market.trades import BalanceTree, BoolArray, Int64Array, OrderBatch, Pairs, Party, TradeSide


class CurtailmentRule(Enum):
    """How a required reduction is shared; whoever has less left than its share loses all of it.

    PRO_RATA_AVAILABLE: in proportion to available (offered) energy. LAST_IN_FIRST_OUT: the metering points connected
    last lose all they have first, those of one day in proportion to available energy. EQUAL_SHARE: every metering point
    loses the same energy.
    """

    PRO_RATA_AVAILABLE = "pro-rata-available"
    LAST_IN_FIRST_OUT = "last-in-first-out"
    EQUAL_SHARE = "equal-share"


class CurtailmentRuleError(ValueError):
    """A rule that lacks what it needs; the message says what."""


@dataclass(frozen=True)
class CurtailmentPolicy:
    """The published rule, and what it needs to know.

    connected_day: shape (n_meters,), ordinal of the day on which each metering point was connected; needed by
    LAST_IN_FIRST_OUT alone.

    :raises CurtailmentRuleError: if the rule lacks the days
    """

    rule: CurtailmentRule = CurtailmentRule.PRO_RATA_AVAILABLE
    connected_day: Int64Array | None = None

    def __post_init__(self) -> None:
        if self.rule is CurtailmentRule.LAST_IN_FIRST_OUT and self.connected_day is None:
            raise CurtailmentRuleError(f"the rule {self.rule.value} needs the day on which each meter was connected")


PRO_RATA: Final = CurtailmentPolicy()


@dataclass(frozen=True)
class Curtailment:
    """What was curtailed.

    filled_wh: shape (n_orders,), fills after curtailment; cut_wh: shape (n_orders,), what was taken in all, >= 0.
    book_fills: the members' fills after curtailment. meter, unit, meter_cut_wh: one row for each cut, sorted by
    (unit, meter): the metering point, the unit whose edge asked for it (the cause), and the energy.
    short_wh: shape (n_units,), what could not be taken because nothing was left to cut.
    """

    filled_wh: Int64Array
    cut_wh: Int64Array
    book_fills: BookFills
    meter: Int64Array
    unit: Int64Array
    meter_cut_wh: Int64Array
    short_wh: Int64Array
    rule: str


@dataclass(frozen=True)
class PairCurtailment:
    """What curtailment does to each pair, shape (n_pairs,).

    curtailed_wh: taken from the seller. replaced_wh: of that, what D_sup delivers to the buyer instead, at the root;
    the rest (the buyer is the province) is not traded at all.
    """

    curtailed_wh: Int64Array
    replaced_wh: Int64Array


@dataclass(frozen=True)
class _Offers:
    """Everything that can be cut: direct sales and book members. order: the order row whose fill goes down."""

    order: Int64Array
    meter: Int64Array
    unit: Int64Array
    available_wh: Int64Array
    filled_wh: Int64Array
    is_member: BoolArray


def curtail(  # noqa: PLR0917
    tree: BalanceTree,
    orders: OrderBatch,
    points: MeteringPoints,
    books: Books,
    filled_wh: Int64Array,
    book_fills: BookFills,
    *,
    reduction_wh: Int64Array,
    own_reduction_wh: Int64Array | None = None,
    policy: CurtailmentPolicy = PRO_RATA,
    earlier: Curtailment | None = None,
) -> Curtailment:
    """Lower the fills of sellers so that each unit's edge carries `reduction_wh` less upward.

    :param filled_wh, book_fills: fills before this call, that is after `earlier`
    :param reduction_wh: shape (n_units,), >= 0; what is cut below a unit counts for it too
    :param own_reduction_wh: shape (n_units,), >= 0, what the sellers of the unit itself give first, for a limit inside
        a mesh, which those below it may not load
    :param earlier: what was curtailed before; the result tells both together
    """
    offers = _offers(orders, points, books, filled_wh, book_fills)
    cut_wh = np.zeros(offers.order.size, np.int64)
    short_wh = np.zeros(len(tree.unit_id), np.int64)
    rows: list[tuple[Int64Array, Int64Array, Int64Array]] = []
    for unit, asked_wh, asked in _asked(tree, offers, reduction_wh, own_reduction_wh):
        behind = np.flatnonzero(asked)
        wanted = max(asked_wh - int(cut_wh[behind].sum()), 0)
        left_wh = offers.filled_wh[behind] - cut_wh[behind]
        shares = _shares(wanted, offers, behind, left_wh, policy)
        short_wh[unit] += wanted - int(shares.sum())
        cut_wh[behind] += shares
        hit = np.flatnonzero(shares)
        rows.append((np.full(hit.size, unit, np.int64), offers.meter[behind[hit]], shares[hit]))
    if earlier is not None:
        rows.append((earlier.unit, earlier.meter, earlier.meter_cut_wh))
    cause, meter, energy = _one_row_per_cause_and_meter(rows)
    cut_by_order = np.zeros(filled_wh.size, np.int64)
    np.add.at(cut_by_order, offers.order, cut_wh)
    export = book_fills.export_wh.copy()
    np.subtract.at(export, offers.meter[offers.is_member], cut_wh[offers.is_member])
    return Curtailment(
        filled_wh=filled_wh - cut_by_order,
        cut_wh=cut_by_order if earlier is None else cut_by_order + earlier.cut_wh,
        book_fills=BookFills(export, book_fills.import_wh),
        meter=meter,
        unit=cause,
        meter_cut_wh=energy,
        short_wh=short_wh,
        rule=policy.rule.value,
    )


def curtail_pairs(orders: OrderBatch, pairs: Pairs, cut_wh: Int64Array) -> PairCurtailment:
    """Spread each seller's cut over its pairs in proportion to their energy, by largest remainder, then row.

    :param cut_wh: shape (n_orders,), what curtailment took from each order
    """
    curtailed = largest_remainder_by_group(cut_wh, pairs.energy_wh, pairs.seller, np.arange(pairs.seller.size))
    to_province = orders.party[pairs.buyer] == Party.PROVINCE
    return PairCurtailment(curtailed, np.asarray(np.where(to_province, 0, curtailed), dtype=np.int64))


def _offers(
    orders: OrderBatch, points: MeteringPoints, books: Books, filled_wh: Int64Array, book_fills: BookFills
) -> _Offers:
    direct = np.flatnonzero((orders.party == Party.DIRECT) & (orders.side == TradeSide.SELL))
    sold = (books.party == Party.PURCHASE) | (books.party == Party.COMMISSION)
    members = np.flatnonzero(sold[books.member_book])
    member_meter = books.member_meter[members]
    position = book_positions(books, orders)
    meter = np.concatenate((orders.meter[direct], member_meter))
    return _Offers(
        order=np.concatenate((direct, position[books.member_book[members]])),
        meter=meter,
        unit=points.unit[meter],
        available_wh=np.concatenate((orders.energy_wh[direct], books.member_energy_wh[members])),
        filled_wh=np.concatenate((filled_wh[direct], book_fills.export_wh[member_meter])),
        is_member=np.arange(meter.size) >= direct.size,
    )


def _asked(
    tree: BalanceTree, offers: _Offers, reduction_wh: Int64Array, own_reduction_wh: Int64Array | None
) -> Iterator[tuple[int, int, BoolArray]]:
    """Yield the unit, what is asked, and of which offers, in their turn: own ones, then edges from the leaves up."""
    if own_reduction_wh is not None:
        for unit in np.flatnonzero(own_reduction_wh).tolist():
            yield unit, int(own_reduction_wh[unit]), np.asarray(offers.unit == unit, dtype=np.bool_)
    for unit in np.flatnonzero(reduction_wh)[::-1].tolist():
        flagged = np.zeros(len(tree.unit_id), np.bool_)
        flagged[unit] = True
        yield unit, int(reduction_wh[unit]), units_behind(tree, flagged)[offers.unit]


def _shares(
    wanted_wh: int, offers: _Offers, rows: Int64Array, left_wh: Int64Array, policy: CurtailmentPolicy
) -> Int64Array:
    """Return what the rule takes from each of the offers `rows`: `wanted_wh` in all, or everything that is left."""
    if wanted_wh >= int(left_wh.sum()):
        return left_wh.copy()
    available_wh, meter = offers.available_wh[rows], offers.meter[rows]
    match policy.rule:
        case CurtailmentRule.PRO_RATA_AVAILABLE:
            return _in_proportion(wanted_wh, available_wh, left_wh)
        case CurtailmentRule.LAST_IN_FIRST_OUT:
            assert policy.connected_day is not None, "the policy holds what its rule needs"
            return _last_first(wanted_wh, available_wh, left_wh, policy.connected_day[meter])
        case CurtailmentRule.EQUAL_SHARE:
            _, owner = np.unique(meter, return_inverse=True)
            left_of_owner = np.zeros(int(owner.max()) + 1, np.int64)
            np.add.at(left_of_owner, owner, left_wh)
            of_owner = _in_proportion(wanted_wh, np.full_like(left_of_owner, wanted_wh), left_of_owner)
            return largest_remainder_by_group(of_owner, left_wh, owner, np.arange(owner.size))
        case _:
            assert_never(policy.rule)


def _in_proportion(wanted_wh: int, weight: Int64Array, left_wh: Int64Array) -> Int64Array:
    """Return `wanted_wh` shared by weight; who has less left than its share loses it all, the others share the rest.

    :param weight: whoever has something left weighs enough for the weights to reach `wanted_wh` together
    """
    shares = np.zeros(left_wh.size, np.int64)
    active = np.flatnonzero(left_wh)
    while wanted_wh:
        share = largest_remainder(wanted_wh, weight[active], active)
        over = share > left_wh[active]
        if not over.any():
            shares[active] = share
            break
        shares[active[over]] = left_wh[active[over]]
        wanted_wh -= int(left_wh[active[over]].sum())
        active = active[~over]
    return shares


def _last_first(wanted_wh: int, weight: Int64Array, left_wh: Int64Array, connected_day: Int64Array) -> Int64Array:
    """Return `wanted_wh` taken from the latest day backwards, on the last day it reaches by weight."""
    shares = np.zeros(left_wh.size, np.int64)
    for day in np.unique(connected_day)[::-1].tolist():
        of_day = np.flatnonzero(connected_day == day)
        taken_wh = min(wanted_wh, int(left_wh[of_day].sum()))
        shares[of_day] = _in_proportion(taken_wh, weight[of_day], left_wh[of_day])
        wanted_wh -= taken_wh
        if not wanted_wh:
            break
    return shares


def _one_row_per_cause_and_meter(
    rows: list[tuple[Int64Array, Int64Array, Int64Array]],
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return (unit, meter, Wh) with the energy of equal (unit, meter) added up, sorted."""
    nothing = np.zeros(0, np.int64)
    unit, meter, energy = (np.concatenate([row[column] for row in rows]) if rows else nothing for column in range(3))
    if not unit.size:
        return nothing, nothing, nothing
    order = np.lexsort((meter, unit))
    unit, meter, energy = unit[order], meter[order], energy[order]
    starts = np.ones(unit.size, np.bool_)
    starts[1:] = (unit[1:] != unit[:-1]) | (meter[1:] != meter[:-1])
    at = np.flatnonzero(starts)
    return unit[at], meter[at], np.add.reduceat(energy, at)
