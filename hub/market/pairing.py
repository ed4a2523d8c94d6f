"""Who sold to whom: pair the fills bottom-up, and price each pair (shared rules: the worked interval).

At each unit, leaves first: mode 1 sellers with direct users; D_sup's sellers with D_sup's buyers; what is left of each
crosswise. The rest goes up; at the root it meets the province. So that a county's pairs stay few, orders of one origin
unit and party form a group: groups meet pro rata (matching.py), members of a matched pair of groups one after another
in order-id order, which gives about as many rows as there are sellers and buyers.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from hub.market.matching import Groups, Matches, Meetings
from hub.market.net_supply import Levels, levels_of
from hub.market.network_fee import NetworkFees, trade_fee_uyuan_per_kwh
from hub.market.registry_columns import MeteringPoints
from hub.market.sorting import sorted_rows, starts_of_equals
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Pairs, Party, TradeSide

MODE_OF_SELLER = {Party.PROVINCE: 0, Party.DIRECT: 1, Party.COMMISSION: 2, Party.PURCHASE: 3}


class _Kind(IntEnum):
    """What a group is to the meetings of a unit."""

    DIRECT_SELLER = 0
    SUPPLY_SELLER = 1
    DIRECT_BUYER = 2
    SUPPLY_BUYER = 3
    IMPORT = 4
    EXPORT = 5


# The meetings of a unit in their order; those of the root, which come after, are with the province.
_MEETINGS = (
    (_Kind.DIRECT_SELLER, _Kind.DIRECT_BUYER),
    (_Kind.SUPPLY_SELLER, _Kind.SUPPLY_BUYER),
    (_Kind.DIRECT_SELLER, _Kind.SUPPLY_BUYER),
    (_Kind.SUPPLY_SELLER, _Kind.DIRECT_BUYER),
)
_N_PARTIES, _N_SIDES = len(Party), len(TradeSide)
_DIRECT_BUYER, _IMPORT, _EXPORT = int(_Kind.DIRECT_BUYER), int(_Kind.IMPORT), int(_Kind.EXPORT)
_KIND_OF = np.array([[_Kind.SUPPLY_SELLER, _Kind.SUPPLY_BUYER]] * _N_PARTIES, np.int64)
_KIND_OF[Party.DIRECT] = _Kind.DIRECT_SELLER, _Kind.DIRECT_BUYER
_KIND_OF[Party.PROVINCE] = _Kind.IMPORT, _Kind.EXPORT


@dataclass(frozen=True)
class _OwnGroups:
    """Each unit's groups of filled rows, by place (net_supply.Levels), party and side; shape (n_groups,) each."""

    groups: Groups
    place: Int64Array
    kind: Int64Array


def pair(
    tree: BalanceTree,
    orders: OrderBatch,
    result: ClearingResult,
    *,
    fees: NetworkFees,
    points: MeteringPoints,
    upstream_loss_uyuan_per_kwh: int,
) -> Pairs:
    """Return the pairs of one cleared interval with their prices, apex and mode.

    Rows stand leaves first, a unit's in the order of the four steps.

    :param fees: the fees that `tree` was built with
    """
    levels = levels_of(tree)
    own = _own_groups(levels, orders, result.filled_wh)
    found = _met(levels, own)
    return _priced(
        orders,
        result,
        fees,
        points,
        upstream_loss_uyuan_per_kwh,
        seller=found.seller,
        buyer=found.buyer,
        energy_wh=found.energy_wh,
        apex=levels.unit[found.place],
    )


def _own_groups(levels: Levels, orders: OrderBatch, filled_wh: Int64Array) -> _OwnGroups:
    rows = filled_wh.nonzero()[0]
    tie = np.empty(filled_wh.size, np.int64)
    tie[np.argsort(orders.submitted_utc_s, kind="stable")] = np.arange(filled_wh.size)
    number = (levels.place[orders.unit[rows]] * _N_PARTIES + orders.party[rows]) * _N_SIDES + orders.side[rows]
    number, order = sorted_rows(number, key_bits=(levels.unit.size * _N_PARTIES * _N_SIDES).bit_length())
    rows = rows[order]
    starts = starts_of_equals(number)
    place_and_party, side = np.divmod(number[starts], _N_SIDES)
    place, party = np.divmod(place_and_party, _N_PARTIES)
    return _OwnGroups(
        groups=Groups(rows, filled_wh[rows], tie[rows], np.append(starts, rows.size)),
        place=place,
        kind=_KIND_OF[party, side],
    )


def _met(levels: Levels, own: _OwnGroups) -> Matches:
    """Let all groups meet, leaves first; what is left of a unit's goes up, behind the parent's own and earlier units'.

    What the parent's own groups and each unit's are is told apart by kind, so that one list holds all of them.
    """
    meetings = Meetings(own.groups)
    place, kind = own.place.copy(), own.kind
    turn = np.empty(levels.unit.size, np.int64)
    first_of_place = place.searchsorted(np.arange(levels.unit.size + 1))
    standing = np.zeros(0, np.int64)
    places_done = 0
    for level in reversed(levels.downward):
        own_here = np.arange(first_of_place[level.start], first_of_place[level.stop])
        own_here = own_here[kind[own_here] < _IMPORT]
        here = np.concatenate((own_here, standing))
        here = here[sorted_rows(place[here], key_bits=levels.unit.size.bit_length())[1]]
        kind_here = kind[here]
        by_kind = [here[kind_here == each] for each in range(_IMPORT)]
        for sellers, buyers in _MEETINGS:
            meetings.meet(by_kind[sellers], by_kind[buyers], place)
        turn[level] = np.arange(places_done, places_done + level.stop - level.start)
        places_done += level.stop - level.start
        if level.start:
            standing = here[meetings.left_wh[here] > 0]
            place[standing] = levels.parent[place[standing]]
    all_sellers, all_buyers = np.concatenate(by_kind[:_DIRECT_BUYER]), np.concatenate(by_kind[_DIRECT_BUYER:])
    meetings.meet(all_sellers, (kind == _EXPORT).nonzero()[0], place)
    meetings.meet((kind == _IMPORT).nonzero()[0], all_buyers, place)
    assert not np.count_nonzero(meetings.left_wh), "every fill is paired"
    return meetings.members(turn)


def _priced(
    orders: OrderBatch,
    result: ClearingResult,
    fees: NetworkFees,
    points: MeteringPoints,
    upstream_loss_uyuan_per_kwh: int,
    *,
    seller: Int64Array,
    buyer: Int64Array,
    energy_wh: Int64Array,
    apex: Int64Array,
) -> Pairs:
    """Return the pairs with the prices of the worked interval's rules.

    Direct buyer: N = w(apex) from a mode 1 seller, else T(V_user); energy price = node price + access fee - N -
    upstream loss. D_sup as buyer: node price less the fees of the path, and from the province less gateway fee and
    upstream loss. The province pays its price. Seller: mode 1 its node price, the province its price, D_sup what the
    buyer pays less the shadow prices of the path.
    """
    seller_unit, buyer_unit = orders.unit[seller], orders.unit[buyer]
    seller_party, buyer_party = orders.party[seller], orders.party[buyer]
    from_province, to_province = seller_party == Party.PROVINCE, buyer_party == Party.PROVINCE
    from_direct, to_direct = seller_party == Party.DIRECT, buyer_party == Party.DIRECT
    price, basis = result.price_uyuan_per_kwh, result.basis_uyuan_per_kwh
    shadows = np.where(to_province, 0, basis[buyer_unit]) - np.where(from_province, 0, basis[seller_unit])
    tariff = _user_tariff(orders, points, buyer, to_direct)
    network_charge = np.where(from_direct, trade_fee_uyuan_per_kwh(fees, apex, tariff), tariff)
    network_charge = np.where(to_direct, network_charge, 0)
    upstream_loss = np.where(from_province, upstream_loss_uyuan_per_kwh, 0)
    unit_tariff = fees.unit_tariff_uyuan_per_kwh
    access_fee = tariff - unit_tariff[buyer_unit]
    path_fees = unit_tariff[buyer_unit] - unit_tariff[apex] + np.where(from_province, fees.gateway_fee_uyuan_per_kwh, 0)
    node_price = price[buyer_unit]
    paid = np.where(
        to_direct,
        node_price + access_fee - network_charge - upstream_loss,
        np.where(to_province, orders.price_uyuan_per_kwh[buyer], node_price - path_fees - upstream_loss),
    )
    province_received = (
        orders.price_uyuan_per_kwh[seller] - fees.gateway_fee_uyuan_per_kwh - upstream_loss_uyuan_per_kwh
    )
    received = np.where(from_direct, price[seller_unit], np.where(from_province, province_received, paid - shadows))
    mode_of = np.full(len(Party), -1, np.int8)
    for party, mode in MODE_OF_SELLER.items():
        mode_of[party] = mode
    columns = (seller, buyer, energy_wh, apex, mode_of[seller_party], paid, received, network_charge, upstream_loss)
    for column in columns:
        column.setflags(write=False)
    return Pairs(*columns)


def _user_tariff(orders: OrderBatch, points: MeteringPoints, buyer: Int64Array, to_direct: BoolArray) -> Int64Array:
    """Return T(V_user) of direct buyers, 0 for the others."""
    tariff = np.zeros(buyer.size, np.int64)
    tariff[to_direct] = points.user_tariff_uyuan_per_kwh[orders.meter[buyer[to_direct]]]
    return tariff
