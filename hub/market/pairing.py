"""Who sold to whom: pair the fills bottom-up, and price each pair (shared rules: the worked interval).

At each unit, leaves first: mode 1 sellers with direct users; D_sup's sellers with D_sup's buyers; what is left of each
crosswise. The rest goes up; at the root it meets the province. So that a county's pairs stay few, orders of one origin
unit and party form a group: groups meet pro rata (matching.py), members of a matched pair of groups one after another
in order-id order, which gives about as many rows as there are sellers and buyers.
"""

from dataclasses import dataclass, field

import numpy as np

from hub.market.matching import Group, Matches, meet
from hub.market.network_fee import NetworkFees, trade_fee_uyuan_per_kwh
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Pairs, Party, TradeSide

MODE_OF_SELLER = {Party.PROVINCE: 0, Party.DIRECT: 1, Party.COMMISSION: 2, Party.PURCHASE: 3}


@dataclass
class _Waiting:
    """Groups that have energy left to meet somebody, at one unit."""

    direct_sellers: list[Group] = field(default_factory=list)
    supply_sellers: list[Group] = field(default_factory=list)
    direct_buyers: list[Group] = field(default_factory=list)
    supply_buyers: list[Group] = field(default_factory=list)

    def all_lists(self) -> tuple[list[Group], ...]:
        """Return the four lists in one fixed order."""
        return (self.direct_sellers, self.supply_sellers, self.direct_buyers, self.supply_buyers)


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
    waiting, province = _own_groups(tree, orders, result.filled_wh)
    found = Matches([], [], [])
    apex: list[int] = []
    for unit in _leaves_first(tree):
        here = waiting[unit]
        meet(here.direct_sellers, here.direct_buyers, found)
        meet(here.supply_sellers, here.supply_buyers, found)
        meet(here.direct_sellers, here.supply_buyers, found)
        meet(here.supply_sellers, here.direct_buyers, found)
        if unit == 0:
            meet(here.direct_sellers + here.supply_sellers, province[TradeSide.BUY], found)
            meet(province[TradeSide.SELL], here.direct_buyers + here.supply_buyers, found)
        else:
            _pass_up(waiting[int(tree.parent[unit])], here)
        apex += [unit] * (len(found.energy_wh) - len(apex))
    assert sum(found.energy_wh) == int(result.filled_wh[orders.side == TradeSide.SELL].sum()), "every fill is paired"
    return _priced(
        orders,
        result,
        fees,
        points,
        upstream_loss_uyuan_per_kwh,
        seller=np.array(found.seller, np.int64),
        buyer=np.array(found.buyer, np.int64),
        energy_wh=np.array(found.energy_wh, np.int64),
        apex=np.array(apex, np.int64),
    )


def _own_groups(
    tree: BalanceTree, orders: OrderBatch, filled_wh: Int64Array
) -> tuple[list[_Waiting], dict[TradeSide, list[Group]]]:
    """Return each unit's groups of filled rows, by party, and the province's by side."""
    waiting = [_Waiting() for _ in tree.unit_id]
    province: dict[TradeSide, list[Group]] = {TradeSide.SELL: [], TradeSide.BUY: []}
    rows = np.flatnonzero(filled_wh)
    if not rows.size:
        return waiting, province
    tie = np.empty(filled_wh.size, np.int64)
    tie[np.argsort(orders.submitted_utc_s, kind="stable")] = np.arange(filled_wh.size)
    number = (orders.unit[rows] * len(Party) + orders.party[rows]) * len(TradeSide) + orders.side[rows]
    order = np.argsort(number, kind="stable")
    number, rows = number[order], rows[order]
    starts = np.concatenate(([0], np.flatnonzero(number[1:] != number[:-1]) + 1))
    totals = np.add.reduceat(filled_wh[rows], starts).tolist()
    numbers, ends = number[starts].tolist(), [*starts[1:].tolist(), rows.size]
    for group_number, start, end, total in zip(numbers, starts.tolist(), ends, totals, strict=True):
        members = rows[start:end]
        group = Group(members, filled_wh[members], tie[members], total)
        unit_party, side = divmod(group_number, len(TradeSide))
        unit, party = divmod(unit_party, len(Party))
        here = waiting[unit]
        if party == Party.PROVINCE:
            province[TradeSide(side)].append(group)
        elif party == Party.DIRECT:
            (here.direct_sellers if side == TradeSide.SELL else here.direct_buyers).append(group)
        else:
            (here.supply_sellers if side == TradeSide.SELL else here.supply_buyers).append(group)
    return waiting, province


def _leaves_first(tree: BalanceTree) -> list[int]:
    """Return the units deepest first, at equal depth by position; the root is last."""
    depth = [0] * len(tree.unit_id)
    for unit, parent in enumerate(tree.parent.tolist()):
        depth[unit] = depth[parent] + 1 if parent >= 0 else 0
    return sorted(range(len(depth)), key=lambda unit: (-depth[unit], unit))


def _pass_up(above: _Waiting, here: _Waiting) -> None:
    """Hand the groups that have energy left to the parent, after the parent's own and earlier children's."""
    for waiting, groups in zip(above.all_lists(), here.all_lists(), strict=True):
        waiting.extend(group for group in groups if group.total_wh)


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
