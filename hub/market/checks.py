"""The market's laws (DESIGN section 4), each written once: check_*(...) -> list of violations, empty if the law holds.

Used before commit, in the audit report and in property tests. They are written from the definitions, not from the way
in which the results were found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from hub.market.order_reasons import NO_UNIT, ExplainedClearing, OrderReason
from hub.market.order_rules import Accepted, OrderOutcome, SessionParameters
from hub.market.registry_columns import MeteringPoints
from hub.market.security import NO_SETPOINT
from hub.market.trades import (
    BalanceTree,
    BoolArray,
    ClearingResult,
    Int64Array,
    OrderBatch,
    Pairs,
    Party,
    TradeSide,
    Violation,
)
from hub.market.tree_clearing import PriceRule, clear

_ANY_PRICE = 2**62


@dataclass(frozen=True)
class NetworkValue:
    """One quantity of the expected physical state and its limits, all three in the same integer unit.

    element: network element or bus; quantity: for example "loading per mille" or "voltage mV".
    """

    element: str
    quantity: str
    value: int
    low: int
    high: int


def check_outcomes(submitted: int, outcomes: Sequence[OrderOutcome]) -> list[Violation]:
    """Law 1: accepted + rejected = submitted, and no order id came to stand twice."""
    found = []
    if len(outcomes) != submitted:
        found.append(Violation(1, "orders", f"{submitted} submitted, {len(outcomes)} accepted or rejected"))
    seen: set[str] = set()
    for outcome in outcomes:
        if isinstance(outcome, Accepted) and not outcome.repeat:
            if outcome.order_id in seen:
                found.append(Violation(1, outcome.order_id, "stands twice"))
            seen.add(outcome.order_id)
    return found


def check_accepted_orders(outcomes: Sequence[OrderOutcome], session: SessionParameters) -> list[Violation]:
    """Law 1: accepted prices are inside floor and cap and on tick, accepted energy is positive and on lot."""
    found = []
    floor, cap = session.price_floor_uyuan_per_kwh, session.price_cap_uyuan_per_kwh
    for outcome in outcomes:
        if not isinstance(outcome, Accepted) or outcome.repeat:
            continue
        price, energy = outcome.order.price_uyuan_per_kwh, outcome.order.energy_wh
        if not floor <= price <= cap or (price - floor) % session.price_tick_uyuan_per_kwh:
            found.append(Violation(1, outcome.order_id, f"price {price} is outside {floor}..{cap} or off tick"))
        if energy <= 0 or energy % session.lot_wh:
            found.append(Violation(1, outcome.order_id, f"energy {energy} Wh is not a positive number of lots"))
    return found


def check_fills(orders: OrderBatch, result: ClearingResult) -> list[Violation]:
    """Law 1: nothing fills beyond its limit price or quantity, and no order is left unhappy at its unit's price.

    The province may be left with more to trade, because the tie's limit holds it back (see `check_edge_prices`).
    """
    fill, step = result.filled_wh, _quantity_step_wh(result)
    energy = orders.energy_wh // step * step
    is_sell = orders.side == TradeSide.SELL
    difference = result.price_uyuan_per_kwh[orders.unit] - orders.price_uyuan_per_kwh
    gain = np.where(is_sell, difference, -difference)
    return [
        *_breaches(1, orders, (fill < 0) | (fill > energy), "filled beyond its quantity"),
        *_breaches(1, orders, fill % step != 0, "filled off its quantity step"),
        *_breaches(1, orders, (gain < 0) & (fill > 0), "filled beyond its limit price"),
        *_breaches(
            1, orders, (gain > 0) & (fill < energy) & (orders.party != Party.PROVINCE), "not filled at a better price"
        ),
    ]


def check_balance(tree: BalanceTree, orders: OrderBatch, result: ClearingResult) -> list[Violation]:
    """Law 2, cleared: in every unit what is sold and comes in equals what is bought and goes out; flows keep limits.

    D_sup's LOSS orders are among what is bought; the province's orders are the root's exchange.
    """
    is_local = orders.party != Party.PROVINCE
    signed = np.where(orders.side == TradeSide.SELL, result.filled_wh, -result.filled_wh)
    net = np.zeros(len(tree.unit_id), np.int64)
    np.add.at(net, orders.unit[is_local], signed[is_local])
    flow = result.flow_up_wh
    np.add.at(net, tree.parent[1:], flow[1:])
    exchange = -int(signed[~is_local].sum())
    found = [
        Violation(2, tree.unit_id[unit], f"sends up {flow[unit]} Wh, has {net[unit]} Wh")
        for unit in np.flatnonzero(net != flow).tolist()
    ]
    if exchange != flow[0]:
        found.append(Violation(2, tree.unit_id[0], f"sends {flow[0]} Wh out, the province takes {exchange} Wh"))
    if bool((result.filled_wh[~is_local] > 0).sum() > 1):
        found.append(Violation(2, tree.unit_id[0], "import and export in one interval"))
    outside = (flow > tree.export_limit_wh) | (flow < -tree.import_limit_wh)
    found += [
        Violation(2, tree.unit_id[unit], f"flow {flow[unit]} Wh is beyond a limit of its edge")
        for unit in np.flatnonzero(outside).tolist()
    ]
    return found


def check_edge_prices(tree: BalanceTree, orders: OrderBatch, result: ClearingResult) -> list[Violation]:
    """Law 1: child price = parent price + fee + shadow on every edge, and a shadow only where a limit is reached.

    The tie is an edge too: above it stand the province's prices, and its fee is the distance between them.
    """
    price, shadow, flow = result.price_uyuan_per_kwh, result.shadow_uyuan_per_kwh, result.flow_up_wh
    above = price[tree.parent]
    below = above + tree.fee_uyuan_per_kwh
    export_limit, import_limit = tree.export_limit_wh.copy(), tree.import_limit_wh.copy()
    above[0], export_limit[0] = _province_side(orders, TradeSide.BUY, export_limit[0], without=-_ANY_PRICE)
    below[0], import_limit[0] = _province_side(orders, TradeSide.SELL, import_limit[0], without=_ANY_PRICE)
    without_shadow = price - shadow
    is_wrong = (without_shadow < np.where(flow < 0, below, above)) | (without_shadow > np.where(flow > 0, above, below))
    step = _quantity_step_wh(result)
    export_limit, import_limit = export_limit // step * step, import_limit // step * step
    unexplained = ((shadow < 0) & (flow != export_limit)) | ((shadow > 0) & (flow != -import_limit))
    basis = shadow.copy()
    basis[1:] += result.basis_uyuan_per_kwh[tree.parent[1:]]
    rows = (
        (is_wrong, "price is not the parent's plus fee plus shadow price"),
        (unexplained, "shadow price without a binding limit"),
        (basis != result.basis_uyuan_per_kwh, "basis is not the sum of shadow prices"),
    )
    return [
        Violation(1, tree.unit_id[unit], what)
        for is_breach, what in rows
        for unit in np.flatnonzero(is_breach).tolist()
    ]


def _province_side(orders: OrderBatch, side: TradeSide, limit_wh: int, *, without: int) -> tuple[int, int]:
    """Return the price beyond the tie, `without` if the province has no order of that side, and the tie's limit."""
    rows = np.flatnonzero((orders.party == Party.PROVINCE) & (orders.side == side))
    if not rows.size:
        return without, 0
    return int(orders.price_uyuan_per_kwh[rows[0]]), min(int(limit_wh), int(orders.energy_wh[rows[0]]))


def check_edge_money(tree: BalanceTree, orders: OrderBatch, result: ExplainedClearing) -> list[Violation]:
    """Law 5: what buyers pay at their units' prices less what sellers get is the fees and rents of all edges, exactly.

    The province pays and gets its own price, the tie's rent is the difference; no edge earns less than nothing.
    """
    local = orders.party != Party.PROVINCE
    price = np.where(local, result.price_uyuan_per_kwh[orders.unit], orders.price_uyuan_per_kwh)
    signed = np.where(orders.side == TradeSide.SELL, -result.filled_wh, result.filled_wh)
    surplus = sum(energy * of_order for energy, of_order in zip(signed.tolist(), price.tolist(), strict=True))
    earned = sum(result.fee_nano_yuan.tolist()) + sum(result.rent_nano_yuan.tolist())
    found = [
        Violation(5, tree.unit_id[unit], f"earns {result.fee_nano_yuan[unit]} and {result.rent_nano_yuan[unit]}")
        for unit in np.flatnonzero((result.fee_nano_yuan < 0) | (result.rent_nano_yuan < 0)).tolist()
    ]
    if surplus != earned:
        found.append(Violation(5, f"interval {orders.interval}", f"buyers less sellers {surplus}, edges {earned}"))
    return found


def check_reasons(tree: BalanceTree, orders: OrderBatch, result: ExplainedClearing) -> list[Violation]:
    """Law 1: every order has one reason, and the reason is true of its fill, its price and the edge that it names."""
    fill, reason, edge = result.filled_wh, result.reason, result.limit_unit
    is_sell = orders.side == TradeSide.SELL
    difference = result.price_uyuan_per_kwh[orders.unit] - orders.price_uyuan_per_kwh
    gain = np.where(is_sell, difference, -difference)
    is_full = fill == orders.energy_wh
    left = orders.energy_wh - fill
    above, behind = orders.unit.copy(), np.zeros(fill.size, np.bool_)
    while bool((above >= 0).any()):
        behind |= (above == edge) & (edge != NO_UNIT)
        above = np.where(above >= 0, tree.parent[above], -1)
    shadow = np.where(is_sell, -1, 1) * result.shadow_uyuan_per_kwh[edge]
    held = behind & ((shadow > 0) | (orders.party == Party.PROVINCE))
    at_price = gain == 0
    true_of = {
        OrderReason.FILLED: is_full & (edge == NO_UNIT),
        OrderReason.MARGINAL_SHARE: at_price & ~is_full & (held | (edge == NO_UNIT)),
        OrderReason.CLEAN_FIRST: at_price & (fill == 0) & is_sell & ~orders.clean & (edge == NO_UNIT),
        OrderReason.NO_COUNTERPARTY: at_price & ~is_full & (fill == 0) & (edge == NO_UNIT),
        OrderReason.PRICE: (gain < 0) & (fill == 0) & (edge == NO_UNIT),
        OrderReason.LIMIT: ~is_full & held,
        OrderReason.QUANTITY_STEP: (gain >= 0) & (left > 0) & (left < result.quantity_step_wh),
    }
    is_true = np.select([reason == int(each) for each in true_of], list(true_of.values()), default=False)
    return _breaches(1, orders, ~is_true, "its reason is not true")


def check_pairs(tree: BalanceTree, orders: OrderBatch, result: ClearingResult, pairs: Pairs) -> list[Violation]:
    """Law 2: pairs sum to the fills of both sides and meet at the lowest unit above both.

    Law 1: price paid less price received is the sum of the shadow prices of the path.
    """
    sold, bought = np.zeros(orders.energy_wh.size, np.int64), np.zeros(orders.energy_wh.size, np.int64)
    np.add.at(sold, pairs.seller, pairs.energy_wh)
    np.add.at(bought, pairs.buyer, pairs.energy_wh)
    is_sell = orders.side == TradeSide.SELL
    paired = np.where(is_sell, sold, bought)
    wrong_side = np.where(is_sell, bought, sold) > 0
    basis = result.basis_uyuan_per_kwh[orders.unit]
    basis = np.where(orders.party == Party.PROVINCE, 0, basis)
    shadows = basis[pairs.buyer] - basis[pairs.seller]
    rent = pairs.price_paid_uyuan_per_kwh - pairs.price_received_uyuan_per_kwh
    off_path = np.flatnonzero((rent != shadows) | (pairs.energy_wh <= 0))
    low, high = orders.unit[pairs.seller], orders.unit[pairs.buyer]
    while bool((low != high).any()):
        low, high = np.minimum(low, high), np.maximum(low, high)
        high = np.where(low != high, tree.parent[high], high)
    elsewhere = np.zeros(orders.energy_wh.size, np.bool_)
    elsewhere[pairs.seller[pairs.apex != low]] = True
    return [
        *_breaches(2, orders, (paired != result.filled_wh) | wrong_side, "pairs do not sum to its fill"),
        *_breaches(2, orders, elsewhere, "a pair's apex is not the lowest unit above seller and buyer"),
        *(
            Violation(
                1,
                f"{orders.order_id[int(pairs.seller[row])]} -> {orders.order_id[int(pairs.buyer[row])]}",
                f"{pairs.energy_wh[row]} Wh: paid less received is {rent[row]}, shadow prices sum to {shadows[row]}",
            )
            for row in off_path.tolist()
        ),
    ]


def check_ties(orders: OrderBatch, result: ClearingResult, *, clean_first: bool) -> list[Violation]:
    """Law 3: in each unit better orders fill first (price, then clean); like orders share, the earlier one the odd Wh.

    Of like orders a larger one never gets less than a smaller one, and of equal ones the earlier never less.
    """
    found: list[Violation] = []
    step = _quantity_step_wh(result)
    energies = orders.energy_wh // step * step
    for side, sign in ((TradeSide.SELL, 1), (TradeSide.BUY, -1)):
        rows = np.flatnonzero((orders.side == side) & (orders.party != Party.PROVINCE) & (energies > 0))
        if not rows.size:
            continue
        is_later_in_tie = ~orders.clean[rows] & clean_first & (side == TradeSide.SELL)
        key = 2 * sign * orders.price_uyuan_per_kwh[rows] + is_later_in_tie
        energy, fill, unit = energies[rows], result.filled_wh[rows], orders.unit[rows]
        order = np.lexsort((rows, orders.submitted_utc_s[rows], -energy, key, unit))
        rows, key, energy, fill, unit = rows[order], key[order], energy[order], fill[order], unit[order]
        same_unit = unit[1:] == unit[:-1]
        like = same_unit & (key[1:] == key[:-1])
        is_breach = np.zeros(rows.size, np.bool_)
        is_breach[1:] = like & (fill[1:] > fill[:-1])
        starts = np.flatnonzero(np.concatenate((np.ones(1, np.bool_), ~like)))
        group_is_full = np.logical_and.reduceat(fill == energy, starts)
        group_has_fill = np.logical_or.reduceat(fill > 0, starts)
        next_in_unit = unit[starts[1:]] == unit[starts[:-1]]
        is_breach[starts[1:]] |= next_in_unit & group_has_fill[1:] & ~group_is_full[:-1]
        found += [
            Violation(3, orders.order_id[row], "filled out of turn") for row in rows[np.flatnonzero(is_breach)].tolist()
        ]
    return found


def check_reproduced(
    tree: BalanceTree, orders: OrderBatch, result: ClearingResult, *, tick_uyuan_per_kwh: int, clean_first: bool
) -> list[Violation]:
    """Law 3: clearing the same orders again gives the same result, column by column."""
    again = clear(
        tree,
        orders,
        tick_uyuan_per_kwh=tick_uyuan_per_kwh,
        clean_first=clean_first,
        price_rule=PriceRule(result.price_rule),
        quantity_step_wh=_quantity_step_wh(result),
    )
    return [
        Violation(3, f"interval {orders.interval}", f"{column.name} differs when cleared again")
        for column in fields(result)
        if not np.array_equal(getattr(again, column.name), getattr(result, column.name))
    ]


def check_curtailed_balance(
    orders: OrderBatch, pairs: Pairs, curtailed_wh: Int64Array, cut_wh: Int64Array
) -> list[Violation]:
    """Law 2 after curtailment: what each seller lost is what its pairs lost, and no pair lost more than it held."""
    lost = np.zeros(orders.energy_wh.size, np.int64)
    np.add.at(lost, pairs.seller, curtailed_wh)
    outside = np.flatnonzero((curtailed_wh < 0) | (curtailed_wh > pairs.energy_wh))
    return [
        *_breaches(2, orders, lost != cut_wh, "its pairs did not lose what was curtailed"),
        *(
            Violation(2, orders.order_id[int(pairs.seller[row])], f"a pair of {pairs.energy_wh[row]} Wh lost more")
            for row in outside.tolist()
        ),
    ]


def check_setpoints(
    points: MeteringPoints, limited: BoolArray, net_export_fill_wh: Int64Array, setpoint_wh: Int64Array
) -> list[Violation]:
    """Law 8: every seller behind a binding or controlled edge has a setpoint equal to its fill, and nobody else has.

    :param limited: shape (n_units,), security.limited_units
    :param net_export_fill_wh: shape (n_meters,), security.net_export_fills_wh after curtailment
    """
    is_due = limited[points.unit] & (points.sale >= 0)
    wrong = np.flatnonzero(np.where(is_due, setpoint_wh != net_export_fill_wh, setpoint_wh != NO_SETPOINT))
    return [
        Violation(8, points.meter_id[meter], f"setpoint {setpoint_wh[meter]} Wh, fill {net_export_fill_wh[meter]} Wh")
        for meter in wrong.tolist()
    ]


def check_network_values(values: Iterable[NetworkValue]) -> list[Violation]:
    """Law 8: every voltage and loading of the expected physical state lies inside its limits."""
    return [
        Violation(8, one.element, f"{one.quantity} {one.value} is outside {one.low}..{one.high}")
        for one in values
        if not one.low <= one.value <= one.high
    ]


def check_cleared_interval(
    tree: BalanceTree,
    orders: OrderBatch,
    result: ClearingResult,
    pairs: Pairs,
    *,
    tick_uyuan_per_kwh: int,
    clean_first: bool = True,
) -> list[Violation]:
    """Return every breach of laws 1 to 3 in one cleared and paired interval."""
    return [
        *check_fills(orders, result),
        *check_balance(tree, orders, result),
        *check_edge_prices(tree, orders, result),
        *check_pairs(tree, orders, result, pairs),
        *check_ties(orders, result, clean_first=clean_first),
        *check_reproduced(tree, orders, result, tick_uyuan_per_kwh=tick_uyuan_per_kwh, clean_first=clean_first),
    ]


def _quantity_step_wh(result: ClearingResult) -> int:
    """Return what fills are multiples of; a result that was read back from the store is in single Wh."""
    return result.quantity_step_wh if isinstance(result, ExplainedClearing) else 1


def _breaches(law: int, orders: OrderBatch, is_breach: BoolArray, what: str) -> list[Violation]:
    return [Violation(law, orders.order_id[row], what) for row in np.flatnonzero(is_breach).tolist()]
