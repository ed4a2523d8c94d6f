"""The listing products as one table: what each delivers, who lists, who may take, how it is shared out (rows 31-34).

Who may sell and buy by class (row 6) is a province's rule and comes with the rules, not from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from hub.market.registry.participant_classes import Direction, Technology


class ListingProduct(Enum):
    """What is listed: ordinary energy, contract transfer, agency purchase, export, by cycle (rows 31-34, 49)."""

    ORDINARY_ANNUAL = "ORDINARY_ANNUAL"
    ORDINARY_MONTHLY = "ORDINARY_MONTHLY"
    ORDINARY_MULTI_DAY = "ORDINARY_MULTI_DAY"
    CONTRACT_TRANSFER = "CONTRACT_TRANSFER"
    AGENCY_ANNUAL = "AGENCY_ANNUAL"
    AGENCY_MONTHLY = "AGENCY_MONTHLY"
    CROSS_PROVINCE_EXPORT = "CROSS_PROVINCE_EXPORT"


class DeliveryRule(Enum):
    """Which days a session may deliver, seen from its trading day."""

    NEXT_YEAR = "NEXT_YEAR"
    NEXT_MONTH = "NEXT_MONTH"
    DAYS_AHEAD = "DAYS_AHEAD"
    AS_ANNOUNCED = "AS_ANNOUNCED"


THERMAL = frozenset({Technology.COAL, Technology.GAS})
_BOTH = frozenset(Direction)
_BUY = frozenset({Direction.BUY})


@dataclass(frozen=True)
class ProductDefinition:
    """What sets one product apart.

    listing_directions: which way listings go; takes go the other way. A transfer's lister buys replacement energy, the
    taker sells it and takes over the obligation. takes_by_unit: a take names a unit. custom_curve: the lister may bring
    a curve and the parties may agree on another; otherwise the session's curve (a transfer: the contract's)
    holds. pro_rata: takes may be gathered and shared out at the close. take_technologies: None if any unit may take.
    direct_units_only: units that take must take part in the market directly. uncommissioned_thermal: coal and gas units
    may trade before their commercial operation (row 8). export_plan: planned energy and price must be published (161).
    """

    delivery: DeliveryRule
    listing_directions: frozenset[Direction] = _BOTH
    takes_by_unit: bool = False
    custom_curve: bool = False
    pro_rata: bool = False
    take_technologies: frozenset[Technology] | None = None
    direct_units_only: bool = False
    uncommissioned_thermal: bool = False
    export_plan: bool = False


_AGENCY_MONTHLY = ProductDefinition(
    delivery=DeliveryRule.NEXT_MONTH,
    listing_directions=_BUY,
    takes_by_unit=True,
    pro_rata=True,
    take_technologies=THERMAL,
    direct_units_only=True,
)
PRODUCTS: Mapping[ListingProduct, ProductDefinition] = MappingProxyType(
    {
        ListingProduct.ORDINARY_ANNUAL: ProductDefinition(delivery=DeliveryRule.NEXT_YEAR, custom_curve=True),
        ListingProduct.ORDINARY_MONTHLY: ProductDefinition(delivery=DeliveryRule.NEXT_MONTH, custom_curve=True),
        ListingProduct.ORDINARY_MULTI_DAY: ProductDefinition(delivery=DeliveryRule.DAYS_AHEAD, custom_curve=True),
        ListingProduct.CONTRACT_TRANSFER: ProductDefinition(delivery=DeliveryRule.NEXT_MONTH, listing_directions=_BUY),
        ListingProduct.AGENCY_ANNUAL: ProductDefinition(
            delivery=DeliveryRule.NEXT_YEAR,
            listing_directions=_BUY,
            takes_by_unit=True,
            pro_rata=True,
            take_technologies=THERMAL,
            direct_units_only=True,
            uncommissioned_thermal=True,
        ),
        ListingProduct.AGENCY_MONTHLY: _AGENCY_MONTHLY,
        ListingProduct.CROSS_PROVINCE_EXPORT: ProductDefinition(
            delivery=DeliveryRule.AS_ANNOUNCED,
            listing_directions=_BUY,
            takes_by_unit=True,
            pro_rata=True,
            export_plan=True,
        ),
    }
)


def opposite(direction: Direction) -> Direction:
    """Return the other way: what a take does to a listing."""
    return Direction.BUY if direction is Direction.SELL else Direction.SELL
