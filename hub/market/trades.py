"""The frozen columns that pass from the market to settlement: orders in, fills, prices and pairs out.

Every batch is one trading interval in one session. Units of the balance tree are numbered by their position in
BalanceTree.unit_id, metering points by their position in the registry; -1 means "none". Arrays are read-only.
Energy Wh, price micro-yuan/kWh, int64.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int64Array: TypeAlias = npt.NDArray[np.int64]
Int8Array: TypeAlias = npt.NDArray[np.int8]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

NO_LIMIT_WH = 2**62


class Party(IntEnum):
    """Who stands behind an order: a direct party, one of the supply arm's books at a unit, or the province."""

    DIRECT = 0
    PURCHASE = 1
    COMMISSION = 2
    SUPPLY = 3
    LOSS = 4
    PROVINCE = 5


class TradeSide(IntEnum):
    """Which way an order trades."""

    SELL = 0
    BUY = 1


@dataclass(frozen=True)
class BalanceTree:
    """The balance-unit tree. Position 0 is the root; a parent's position is always smaller than its child's.

    parent: shape (n_units,), -1 for the root. export_limit_wh, import_limit_wh: shape (n_units,), of the edge to the
    parent per interval (for the root: the tie with the province); a missing limit is NO_LIMIT_WH. fee: shape
    (n_units,), what energy that comes *down* the edge to this unit pays, >= 0; 0 for the root.
    """

    unit_id: tuple[str, ...]
    parent: Int64Array
    export_limit_wh: Int64Array
    import_limit_wh: Int64Array
    fee_uyuan_per_kwh: Int64Array


@dataclass(frozen=True)
class OrderBatch:
    """Orders of one interval and session as they stand in the tree, shape (n_orders,) each, sorted by order id.

    order_id: text ids, unique. meter: the metering point, -1 for books and the province. For a book, one order a unit.
    price_uyuan_per_kwh: limit price at the unit; a direct user's submitted price has been lowered by its access fee.
    clean: offers of wind, PV, hydro and biomass, preferred in ties.
    """

    interval: int
    order_id: tuple[str, ...]
    unit: Int64Array
    meter: Int64Array
    side: Int8Array
    party: Int8Array
    energy_wh: Int64Array
    price_uyuan_per_kwh: Int64Array
    clean: BoolArray
    submitted_utc_s: Int64Array


@dataclass(frozen=True)
class ClearingResult:
    """What one clearing found.

    filled_wh: shape (n_orders,), as OrderBatch. price, shadow, flow: shape (n_units,).
    flow_up_wh: net energy that goes up the edge to the parent (negative: comes down; the root's is export to the
    province less import). shadow_uyuan_per_kwh: the signed congestion component of the edge, so that exactly
    price[child] = price[parent] + (fee if flow_up < 0 or, with no flow, a part of the fee) + shadow;
    negative where an export limit binds, positive where an import limit binds. The root's edge is the tie: its shadow
    is the root's price less the province's export or import order's price where that order is filled to its limit.
    basis_uyuan_per_kwh: the sum of shadows from the tie down to the unit, the node's congestion basis.
    binding_export, binding_import: whether the edge carries its limit and would carry more without it (its shadow may
    still be 0, in a tie).
    """

    filled_wh: Int64Array
    price_uyuan_per_kwh: Int64Array
    flow_up_wh: Int64Array
    shadow_uyuan_per_kwh: Int64Array
    basis_uyuan_per_kwh: Int64Array
    binding_export: BoolArray
    binding_import: BoolArray
    price_rule: str


@dataclass(frozen=True)
class Pairs:
    """Who sold to whom. One row a pair, in a fixed order. seller, buyer: positions in the OrderBatch.

    apex: the lowest unit on the path from seller to buyer. mode: 1 direct seller, 2 COMMISSION, 3 PURCHASE, 0 province.
    price_paid: the buyer's energy price; price_received: the seller's; their difference is the sum of the shadow
    prices on the path, exactly: basis[buyer's unit] - basis[seller's unit], the province's basis being 0.
    network_charge: what a direct buyer pays for the network on this energy besides, by worked-interval.md ("N");
    0 for D_sup's books (their customers pay on their meters) and the province. upstream_loss: the part of the buyer's
    node price that is upstream loss, 0 unless the province sells. For a direct buyer
    price_paid + network_charge + upstream_loss = its node price + its access fee (0 in the literal reading).
    """

    seller: Int64Array
    buyer: Int64Array
    energy_wh: Int64Array
    apex: Int64Array
    mode: Int8Array
    price_paid_uyuan_per_kwh: Int64Array
    price_received_uyuan_per_kwh: Int64Array
    network_charge_uyuan_per_kwh: Int64Array
    upstream_loss_uyuan_per_kwh: Int64Array


@dataclass(frozen=True)
class Violation:
    """One breach of a law. law: DESIGN section 4, 1 to 9; where: interval, unit, order or account; what: in words."""

    law: int
    where: str
    what: str
