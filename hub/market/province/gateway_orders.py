"""The province's two orders at the root, at the session's price and inside the province's price limits.

The day-ahead session uses P = P_DA, rolling sessions the indicative price r. Import stands at P + T(V_gateway) +
upstream loss, export at P, both limited by the tie; an import below the export is refused (DESIGN 5 "The province").
Prices are signed: below zero the province pays for being rid of energy.
"""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from hub.market.books import ImportBelowExportError, ProvinceOrders, province_orders
from hub.market.registry.provincial_rules import SpotLimits
from hub.market.trades import BalanceTree


class SessionPrice(Enum):
    """Which provincial price a session clears against."""

    DAY_AHEAD = "day-ahead"
    INDICATIVE = "indicative"


class GatewayRefusal(Enum):
    """Why the province's orders could not be placed."""

    NO_PRICE = "no-price"
    BELOW_FLOOR = "below-floor"
    ABOVE_CAP = "above-cap"
    IMPORT_BELOW_EXPORT = "import-below-export"


@dataclass(frozen=True)
class ProvincialPrices:
    """What the province has published of one interval, micro-yuan/kWh; None: not yet. P_RT comes after the interval."""

    day_ahead_uyuan_per_kwh: int | None
    indicative_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class GatewayOrders:
    """The orders stand."""

    price: SessionPrice
    orders: ProvinceOrders


@dataclass(frozen=True)
class GatewayRefused:
    """No orders stand; the price that was refused, None where there is none."""

    price: SessionPrice
    price_uyuan_per_kwh: int | None
    reason: GatewayRefusal


GatewayOutcome = GatewayOrders | GatewayRefused


def gateway_orders(
    tree: BalanceTree,
    *,
    price: SessionPrice,
    published: ProvincialPrices,
    limits: SpotLimits,
    gateway_fee_uyuan_per_kwh: int,
    upstream_loss_uyuan_per_kwh: int,
) -> GatewayOutcome:
    """Return the import and export orders of a session, or why there are none.

    :param gateway_fee_uyuan_per_kwh: T(V_gateway), network_fee.NetworkFees.gateway_fee_uyuan_per_kwh
    """
    match price:
        case SessionPrice.DAY_AHEAD:
            spot = published.day_ahead_uyuan_per_kwh
        case SessionPrice.INDICATIVE:
            spot = published.indicative_uyuan_per_kwh
        case _:
            assert_never(price)
    if spot is None:
        return GatewayRefused(price, None, GatewayRefusal.NO_PRICE)
    if spot < limits.spot_floor_uyuan_per_kwh:
        return GatewayRefused(price, spot, GatewayRefusal.BELOW_FLOOR)
    if spot > limits.spot_cap_uyuan_per_kwh:
        return GatewayRefused(price, spot, GatewayRefusal.ABOVE_CAP)
    try:
        orders = province_orders(
            tree,
            price_uyuan_per_kwh=spot,
            gateway_fee_uyuan_per_kwh=gateway_fee_uyuan_per_kwh,
            upstream_loss_uyuan_per_kwh=upstream_loss_uyuan_per_kwh,
        )
    except ImportBelowExportError:
        return GatewayRefused(price, spot, GatewayRefusal.IMPORT_BELOW_EXPORT)
    return GatewayOrders(price, orders)
