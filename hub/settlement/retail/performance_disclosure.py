"""What is published of retailers by group: users, energy share, unit price and unit margin against the market (row 93).

Means come from sums of money and energy, rounded half up to 1 micro-yuan/kWh once each; a difference of two means is
taken between the rounded ones, so that a reader of the table can repeat it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up


@dataclass(frozen=True)
class RetailerMonth:
    """One retailer's month. sales: what its users paid for energy; cost: what it paid for it; both nano-yuan.

    group: what kind of retailer it is, such as "generator-backed" or "independent".
    """

    retailer_id: str
    group: str
    users: int
    energy_wh: int
    sales_nano_yuan: int
    cost_nano_yuan: int


@dataclass(frozen=True)
class GroupPerformance:
    """One group's row. Means are None without energy; deltas are the group's mean less the market's."""

    group: str
    retailers: int
    users: int
    energy_wh: int
    energy_share_ppm: int
    price_uyuan_per_kwh: int | None
    margin_uyuan_per_kwh: int | None
    price_delta_uyuan_per_kwh: int | None
    margin_delta_uyuan_per_kwh: int | None


def performance_by_group(months: Sequence[RetailerMonth]) -> tuple[GroupPerformance, ...]:
    """Return delta_g = P_g - P_mean and the same of the margin, one row a group by name (row 93)."""
    energy = sum(one.energy_wh for one in months)
    market_price, market_margin = _means(months)
    rows = []
    for group in sorted({one.group for one in months}):
        own = [one for one in months if one.group == group]
        price, margin = _means(own)
        own_energy = sum(one.energy_wh for one in own)
        rows.append(
            GroupPerformance(
                group,
                len({one.retailer_id for one in own}),
                sum(one.users for one in own),
                own_energy,
                divide_half_up(own_energy * PPM, energy) if energy else 0,
                price,
                margin,
                None if price is None or market_price is None else price - market_price,
                None if margin is None or market_margin is None else margin - market_margin,
            )
        )
    return tuple(rows)


def _means(months: Sequence[RetailerMonth]) -> tuple[int | None, int | None]:
    """Return the unit price and the unit margin of all of them together."""
    energy = sum(one.energy_wh for one in months)
    if not energy:
        return None, None
    sales = sum(one.sales_nano_yuan for one in months)
    cost = sum(one.cost_nano_yuan for one in months)
    return divide_half_up(sales, energy), divide_half_up(sales - cost, energy)
