"""A market case from a file, cleared: what `microbalance clear` reads and prints.

The case is a tree, its orders and the session's rules; the result is what `tree_clearing.clear` finds, row by row. What
is wrong with the case itself (no tree, numbers out of range) refuses it as a whole; an order that breaks a rule is
rejected with its reason and changes nothing, so that accepted + rejected = submitted. Energy Wh, price micro-yuan/kWh,
money nano-yuan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Final

import msgspec
import numpy as np

from hub.market.checks import check_balance, check_edge_money, check_edge_prices, check_fills, check_reasons, check_ties
from hub.market.order_reasons import NO_UNIT, ExplainedClearing, OrderReason
from hub.market.trades import NO_LIMIT_WH, BalanceTree, OrderBatch, Party, TradeSide, Violation
from hub.market.tree_clearing import ClearingRangeError, PriceRule, clear

_INT64_MAX: Final = 2**63 - 1
Count = Annotated[int, msgspec.Meta(ge=0, le=_INT64_MAX)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=_INT64_MAX)]
Number = Annotated[int, msgspec.Meta(ge=-_INT64_MAX, le=_INT64_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class CaseError(ValueError):
    """The case cannot be cleared; the message says in one line what, where and why."""


class CaseSide(Enum):
    """Which way an order trades."""

    SELL = "sell"
    BUY = "buy"


class OrderRejection(Enum):
    """Why an order was rejected. The first that holds, in this order, is given."""

    DUPLICATE_ID = "duplicate-id"
    UNKNOWN_UNIT = "unknown-unit"
    NOT_POSITIVE = "not-positive"
    OFF_LOT = "off-lot"
    ABOVE_CAP = "above-cap"
    BELOW_FLOOR = "below-floor"
    OFF_TICK = "off-tick"


class CaseUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A balance unit and the edge to its parent; a limit that is null or left out does not bind.

    parent: null for the root. fee_uyuan_per_kwh: what energy that comes down the edge pays. The root's edge is the tie
    with the province; without a province order it has no meaning.
    """

    unit: Name
    parent: Name | None = None
    export_limit_wh: Count | None = None
    import_limit_wh: Count | None = None
    fee_uyuan_per_kwh: Count = 0


class CaseOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order at a unit. A stepwise order is one order a step, each with an id of its own.

    clean: an offer of wind, sun, water or biomass. submitted_utc_s: of like orders the earlier gets the odd Wh.
    """

    order: Name
    unit: Name
    side: CaseSide
    energy_wh: Number
    price_uyuan_per_kwh: Number
    clean: bool = False
    submitted_utc_s: Count = 0


class ProvinceOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the province offers or takes at the root."""

    energy_wh: Count
    price_uyuan_per_kwh: Number


class Province(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The province at the root: it sells by `imports`, buys by `exports`, never both at once."""

    imports: ProvinceOrder | None = None
    exports: ProvinceOrder | None = None


class ClearCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market case. source: where it comes from, in words. Units may stand in any order.

    price_tick_uyuan_per_kwh counts from the floor, from 0 without one. quantity_step_wh: fills and flows are multiples.
    """

    units: Annotated[list[CaseUnit], msgspec.Meta(min_length=1)]
    orders: list[CaseOrder]
    province: Province | None = None
    price_tick_uyuan_per_kwh: Positive = 1
    price_floor_uyuan_per_kwh: Number | None = None
    price_cap_uyuan_per_kwh: Number | None = None
    lot_wh: Positive = 1
    quantity_step_wh: Positive = 1
    clean_first: bool = True
    price_rule: PriceRule = PriceRule.MIDPOINT
    source: str = ""


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an accepted order. reason: slug of order_reasons.OrderReason; limit_unit: whose edge's limit."""

    order: str
    unit: str
    side: CaseSide
    energy_wh: int
    price_uyuan_per_kwh: int
    filled_wh: int
    unit_price_uyuan_per_kwh: int
    reason: str
    limit_unit: str | None


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was rejected. position: in the case's list, from 0."""

    position: int
    order: str
    reason: OrderRejection


class UnitRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at a unit and on the edge to its parent (the root's is the tie).

    flow_up_wh: negative where energy comes down. shadow_uyuan_per_kwh: congestion component of the edge: child price =
    parent price + fee (where energy comes down) + shadow. binding: the limit that the edge carries, if it would carry
    more without it.
    """

    unit: str
    price_uyuan_per_kwh: int
    flow_up_wh: int
    shadow_uyuan_per_kwh: int
    basis_uyuan_per_kwh: int
    fee_nano_yuan: int
    congestion_rent_nano_yuan: int
    binding: str | None


class ClearCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, the province's left out: submitted = accepted + rejected, accepted = filled + partly + not at all."""

    submitted: int
    accepted: int
    rejected: int
    filled: int
    partly_filled: int
    not_filled: int


class ClearResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a case. welfare: bids less offers less fees. Local energy is sold and bought inside the tree."""

    counts: ClearCounts
    price_rule: PriceRule
    quantity_step_wh: int
    clean_first: bool
    imported_wh: int
    exported_wh: int
    sold_wh: int
    bought_wh: int
    welfare_nano_yuan: int
    fee_nano_yuan: int
    congestion_rent_nano_yuan: int
    units: list[UnitRow]
    orders: list[OrderRow]
    rejected: list[RejectedRow]


DOCUMENTS: Mapping[str, type[msgspec.Struct]] = MappingProxyType({"clear": ClearCase, "clear-result": ClearResult})
"""Name -> type, for `microbalance schema`: the input and the output."""


@dataclass(frozen=True)
class ClearedCase:
    """A case's result, and what breaks a law in it: nothing, or there is a bug."""

    result: ClearResult
    violations: list[Violation]


def decode_case(text: bytes) -> ClearCase:
    """Return the case that a JSON text holds.

    :raises CaseError: if it is no such case
    """
    try:
        return msgspec.json.decode(text, type=ClearCase)
    except msgspec.MsgspecError as error:
        raise CaseError(str(error)) from None


def clear_case(case: ClearCase) -> ClearedCase:
    """Return the result of a case.

    :raises CaseError: if the units are no tree, the session's rules contradict each other, or numbers leave 64 bits
    """
    require_rules(case)
    tree = tree_of(case.units)
    accepted, rejected = sorted_out(case, set(tree.unit_id))
    orders = batch_of(tree, accepted, case.province)
    try:
        found = clear(
            tree,
            orders,
            tick_uyuan_per_kwh=case.price_tick_uyuan_per_kwh,
            clean_first=case.clean_first,
            price_rule=case.price_rule,
            quantity_step_wh=case.quantity_step_wh,
        )
    except ClearingRangeError as error:
        raise CaseError(str(error)) from None
    violations = [
        *check_fills(orders, found),
        *check_balance(tree, orders, found),
        *check_edge_prices(tree, orders, found),
        *check_edge_money(tree, orders, found),
        *check_reasons(tree, orders, found),
        *check_ties(orders, found, clean_first=case.clean_first),
    ]
    return ClearedCase(_result(case, tree, orders, found, rejected), violations)


def require_rules(case: ClearCase) -> None:
    """Refuse a case whose rules contradict each other.

    :raises CaseError: if the floor is above the cap, or the province buys above its own offer
    """
    floor, cap = case.price_floor_uyuan_per_kwh, case.price_cap_uyuan_per_kwh
    if floor is not None and cap is not None and floor > cap:
        raise CaseError(f"price_floor_uyuan_per_kwh {floor} is above price_cap_uyuan_per_kwh {cap}")
    province = case.province
    if province is not None and province.imports is not None and province.exports is not None:
        imports, exports = province.imports.price_uyuan_per_kwh, province.exports.price_uyuan_per_kwh
        if imports < exports:
            raise CaseError(f"province: the import price {imports} is below the export price {exports}")


def tree_of(units: list[CaseUnit]) -> BalanceTree:
    """Return the units parents first, those of one depth by name.

    :raises CaseError: if they are no tree
    """
    by_name: dict[str, CaseUnit] = {}
    children: dict[str | None, list[str]] = {}
    for unit in units:
        if unit.unit in by_name:
            raise CaseError(f"unit {unit.unit!r} stands twice")
        by_name[unit.unit] = unit
        children.setdefault(unit.parent, []).append(unit.unit)
    for parent in children:
        if parent is not None and parent not in by_name:
            raise CaseError(f"unit {children[parent][0]!r}: no parent {parent!r}")
    roots = children.get(None, [])
    if len(roots) != 1:
        raise CaseError(f"one root is needed, a unit without parent; there are {len(roots)}")
    if by_name[roots[0]].fee_uyuan_per_kwh:
        raise CaseError(f"unit {roots[0]!r}: the root's edge has no fee")
    ordered, level = [], roots
    while level:
        ordered += level
        level = sorted(child for unit in level for child in children.get(unit, []))
    if len(ordered) != len(units):
        lost = min(set(by_name) - set(ordered))
        raise CaseError(f"unit {lost!r} does not hang on the root {roots[0]!r}: its parents go round")
    position = {name: number for number, name in enumerate(ordered)}
    sorted_units = [by_name[name] for name in ordered]
    return BalanceTree(
        unit_id=tuple(ordered),
        parent=np.array([-1 if unit.parent is None else position[unit.parent] for unit in sorted_units], np.int64),
        export_limit_wh=np.array([_limit(unit.export_limit_wh) for unit in sorted_units], np.int64),
        import_limit_wh=np.array([_limit(unit.import_limit_wh) for unit in sorted_units], np.int64),
        fee_uyuan_per_kwh=np.array([unit.fee_uyuan_per_kwh for unit in sorted_units], np.int64),
    )


def _limit(limit_wh: int | None) -> int:
    return NO_LIMIT_WH if limit_wh is None else min(limit_wh, NO_LIMIT_WH)


def sorted_out(case: ClearCase, units: set[str]) -> tuple[list[CaseOrder], list[RejectedRow]]:
    """Return the accepted orders by id and the rejected ones as they stand."""
    accepted: dict[str, CaseOrder] = {}
    rejected = []
    for position, order in enumerate(case.orders):
        reason = OrderRejection.DUPLICATE_ID if order.order in accepted else rejection_of(case, order, units)
        if reason is None:
            accepted[order.order] = order
        else:
            rejected.append(RejectedRow(position=position, order=order.order, reason=reason))
    return [accepted[name] for name in sorted(accepted)], rejected


def rejection_of(case: ClearCase, order: CaseOrder, units: set[str]) -> OrderRejection | None:
    """Return the first rule that the order breaks, None if it keeps all."""
    floor, cap, price = case.price_floor_uyuan_per_kwh, case.price_cap_uyuan_per_kwh, order.price_uyuan_per_kwh
    checks = (
        (order.unit not in units, OrderRejection.UNKNOWN_UNIT),
        (order.energy_wh <= 0, OrderRejection.NOT_POSITIVE),
        (order.energy_wh % case.lot_wh != 0, OrderRejection.OFF_LOT),
        (cap is not None and price > cap, OrderRejection.ABOVE_CAP),
        (floor is not None and price < floor, OrderRejection.BELOW_FLOOR),
        ((price - (floor or 0)) % case.price_tick_uyuan_per_kwh != 0, OrderRejection.OFF_TICK),
    )
    return next((reason for is_broken, reason in checks if is_broken), None)


def batch_of(tree: BalanceTree, accepted: list[CaseOrder], province: Province | None) -> OrderBatch:
    """Return the accepted orders and, last, the province's."""
    position = {name: number for number, name in enumerate(tree.unit_id)}
    rows = [
        (
            order.order,
            position[order.unit],
            TradeSide.SELL if order.side is CaseSide.SELL else TradeSide.BUY,
            Party.DIRECT,
            order.energy_wh,
            order.price_uyuan_per_kwh,
            order.clean,
            order.submitted_utc_s,
        )
        for order in accepted
    ]
    latest = max((order.submitted_utc_s for order in accepted), default=0)
    both = () if province is None else ((TradeSide.SELL, province.imports), (TradeSide.BUY, province.exports))
    rows += [
        ("", 0, side, Party.PROVINCE, offer.energy_wh, offer.price_uyuan_per_kwh, False, latest)
        for side, offer in both
        if offer is not None
    ]
    order_id, unit, side, party, energy, price, clean, submitted = zip(*rows, strict=True) if rows else [()] * 8
    return OrderBatch(
        interval=0,
        order_id=order_id,
        unit=np.array(unit, np.int64),
        meter=np.full(len(rows), -1),
        side=np.array(side, np.int8),
        party=np.array(party, np.int8),
        energy_wh=np.array(energy, np.int64),
        price_uyuan_per_kwh=np.array(price, np.int64),
        clean=np.array(clean, np.bool_) & (np.array(side, np.int8) == TradeSide.SELL),
        submitted_utc_s=np.array(submitted, np.int64),
    )


def _result(
    case: ClearCase, tree: BalanceTree, orders: OrderBatch, found: ExplainedClearing, rejected: list[RejectedRow]
) -> ClearResult:
    local = orders.party != Party.PROVINCE
    sells = orders.side == TradeSide.SELL
    filled = found.filled_wh
    value = zip(np.where(sells, -filled, filled).tolist(), orders.price_uyuan_per_kwh.tolist(), strict=True)
    fees = sum(found.fee_nano_yuan.tolist())
    n_accepted, n_full = int(local.sum()), int((local & (filled == orders.energy_wh)).sum())
    n_none = int((local & (filled == 0)).sum())
    return ClearResult(
        counts=ClearCounts(
            submitted=len(case.orders),
            accepted=n_accepted,
            rejected=len(rejected),
            filled=n_full,
            partly_filled=n_accepted - n_full - n_none,
            not_filled=n_none,
        ),
        price_rule=case.price_rule,
        quantity_step_wh=case.quantity_step_wh,
        clean_first=case.clean_first,
        imported_wh=int(filled[~local & sells].sum()),
        exported_wh=int(filled[~local & ~sells].sum()),
        sold_wh=int(filled[local & sells].sum()),
        bought_wh=int(filled[local & ~sells].sum()),
        welfare_nano_yuan=sum(energy * price for energy, price in value) - fees,
        fee_nano_yuan=fees,
        congestion_rent_nano_yuan=sum(found.rent_nano_yuan.tolist()),
        units=[_unit_row(tree, found, unit) for unit in range(len(tree.unit_id))],
        orders=[_order_row(tree, orders, found, row) for row in np.flatnonzero(local).tolist()],
        rejected=rejected,
    )


def _unit_row(tree: BalanceTree, found: ExplainedClearing, unit: int) -> UnitRow:
    return UnitRow(
        unit=tree.unit_id[unit],
        price_uyuan_per_kwh=int(found.price_uyuan_per_kwh[unit]),
        flow_up_wh=int(found.flow_up_wh[unit]),
        shadow_uyuan_per_kwh=int(found.shadow_uyuan_per_kwh[unit]),
        basis_uyuan_per_kwh=int(found.basis_uyuan_per_kwh[unit]),
        fee_nano_yuan=int(found.fee_nano_yuan[unit]),
        congestion_rent_nano_yuan=int(found.rent_nano_yuan[unit]),
        binding="export" if found.binding_export[unit] else "import" if found.binding_import[unit] else None,
    )


def _order_row(tree: BalanceTree, orders: OrderBatch, found: ExplainedClearing, row: int) -> OrderRow:
    limit_unit = int(found.limit_unit[row])
    return OrderRow(
        order=orders.order_id[row],
        unit=tree.unit_id[int(orders.unit[row])],
        side=CaseSide.SELL if orders.side[row] == TradeSide.SELL else CaseSide.BUY,
        energy_wh=int(orders.energy_wh[row]),
        price_uyuan_per_kwh=int(orders.price_uyuan_per_kwh[row]),
        filled_wh=int(found.filled_wh[row]),
        unit_price_uyuan_per_kwh=int(found.price_uyuan_per_kwh[orders.unit[row]]),
        reason=OrderReason(int(found.reason[row])).slug,
        limit_unit=None if limit_unit == NO_UNIT else tree.unit_id[limit_unit],
    )
