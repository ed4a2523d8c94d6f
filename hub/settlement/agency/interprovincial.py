"""Cross-province money: export settled under the daily ceiling, and later benefit adjustments (rows 178, 180).

The ceiling and the adjustment are the market's rules (hub/market/listing/cross_province.py); here they become lines.
"""

from hub.market.listing.cross_province import BenefitAdjustment, ExportLimits, settled_day_prices
from hub.settlement.rule_lines import QuantityUnit, RuleLine, amount_line

EXPORT_RULE = "interprovincial-export-1"
ADJUSTMENT_RULE = "interprovincial-adjustment-1"


def export_day_line(
    energy_wh: tuple[int, ...],
    prices_uyuan_per_kwh: tuple[int, ...],
    limits: ExportLimits,
    *,
    seller: str,
    province: str,
    version: str,
) -> RuleLine:
    """Return a day's export at the node's prices, scaled down where their mean is above the ceiling (row 178).

    :param energy_wh, prices_uyuan_per_kwh: by settlement period of one day
    """
    settled = settled_day_prices(limits, prices_uyuan_per_kwh)
    return amount_line(
        "interprovincial-export",
        payer=province,
        payee=seller,
        amount_nano_yuan=sum(energy * price for energy, price in zip(energy_wh, settled, strict=True)),
        quantity=sum(energy_wh),
        unit=QuantityUnit.WATT_HOUR,
        rule_version=EXPORT_RULE,
        price_versions=(version, limits.document),
    )


def adjustment_line(adjustment: BenefitAdjustment, *, province: str, county: str) -> RuleLine:
    """Return an adjustment between province and county as a line of its own; both sides sum to 0 (row 180)."""
    assert adjustment.province_nano_yuan + adjustment.county_nano_yuan == 0
    return amount_line(
        "interprovincial-adjustment",
        detail=adjustment.document,
        payer=province,
        payee=county,
        amount_nano_yuan=adjustment.county_nano_yuan,
        rule_version=ADJUSTMENT_RULE,
        price_versions=(adjustment.document,),
    )
