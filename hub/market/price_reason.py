"""Why the root's price is what it is: what one kWh more or less at the root would have come from or gone to.

Read from prices and fills alone, so that anybody can check it on what was published.
"""

from dataclasses import dataclass
from enum import Enum


class PriceReason(Enum):
    """IMPORT, EXPORT: the province sells (buys), at its price. IMPORT_LIMIT, EXPORT_LIMIT: as much as the tie lets
    through, and the county's own orders set a price above (below) the province's. BALANCED: nothing crosses the tie,
    and the rule chose a price between the two. UNEXPLAINED: a price that the province's fill does not support.
    """

    IMPORT = "import"
    EXPORT = "export"
    IMPORT_LIMIT = "import-limit"
    EXPORT_LIMIT = "export-limit"
    BALANCED = "balanced"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class ProvinceOrder:
    """One of the province's orders: its price, what the tie lets it trade, and what it traded."""

    price_uyuan_per_kwh: int
    energy_wh: int
    filled_wh: int


def price_reason(
    root_uyuan_per_kwh: int, *, imported: ProvinceOrder | None, exported: ProvinceOrder | None
) -> PriceReason:
    """Return why the root's price is what it is.

    :param imported, exported: the province's offer and bid, None where it has none
    """
    if imported is not None and imported.filled_wh > 0:
        return _traded(root_uyuan_per_kwh - imported.price_uyuan_per_kwh, imported, is_import=True)
    if exported is not None and exported.filled_wh > 0:
        return _traded(exported.price_uyuan_per_kwh - root_uyuan_per_kwh, exported, is_import=False)
    is_above = exported is None or root_uyuan_per_kwh >= exported.price_uyuan_per_kwh
    is_below = imported is None or root_uyuan_per_kwh <= imported.price_uyuan_per_kwh
    return PriceReason.BALANCED if is_above and is_below else PriceReason.UNEXPLAINED


def _traded(beyond: int, order: ProvinceOrder, *, is_import: bool) -> PriceReason:
    """Return the reason where the province trades. beyond: how far the root's price lies on the tie's far side."""
    if beyond == 0:
        return PriceReason.IMPORT if is_import else PriceReason.EXPORT
    if beyond > 0 and order.filled_wh == order.energy_wh:
        return PriceReason.IMPORT_LIMIT if is_import else PriceReason.EXPORT_LIMIT
    return PriceReason.UNEXPLAINED
