"""The agency pool's price and what is carried from month to month (requirements row 169).

Two pools are kept apart: users without market access (AGENCY), and residents and agriculture (GUARANTEED), whose price
is approved and never comes from purchases. What the pool paid less what it collected is carried into the next price, so
over time users pay what their energy cost and not more. Energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from edge.contract.registry import UserCategory
from hub.market.listing.agency_purchase import agency_price_uyuan_per_kwh
from hub.market.trades import Violation


class Pool(Enum):
    """Which pool a user without a market contract belongs to."""

    AGENCY = "AGENCY"
    GUARANTEED = "GUARANTEED"


@dataclass(frozen=True)
class PoolMonth:
    """One month of the agency pool. forecast_wh: what the price was published for; metered_wh: what the pool used.

    purchases: (Wh, micro-yuan/kWh) of each, of the published price; cost_nano_yuan: what the energy really cost in the
    end, deviation included; carry_in_nano_yuan: from the month before, positive if users still owe it.
    """

    month: int
    purchases: tuple[tuple[int, int], ...]
    forecast_wh: int
    carry_in_nano_yuan: int
    metered_wh: int
    cost_nano_yuan: int


@dataclass(frozen=True)
class SettledPoolMonth:
    """price: published ahead of the month; collected: price x metered energy; carry_out: into the next month's price.

    month: year x 100 + month.
    """

    month: int
    price_uyuan_per_kwh: int
    collected_nano_yuan: int
    carry_out_nano_yuan: int


class EmptyPoolError(ValueError):
    """A pool without forecast demand has no price."""


def pool_of(category: UserCategory) -> Pool:
    """Return a user's pool: residents and agriculture are guaranteed, all others the agency's (row 169)."""
    is_guaranteed = category in {UserCategory.RESIDENTIAL, UserCategory.AGRICULTURAL}
    return Pool.GUARANTEED if is_guaranteed else Pool.AGENCY


def settle_pool_month(one: PoolMonth) -> SettledPoolMonth:
    """Return P = (sum Q_i P_i + carry) / Q_pool, what it collects, and carry_out = carry_in + cost - collected.

    :raises EmptyPoolError: if no demand is forecast
    """
    price = agency_price_uyuan_per_kwh(one.purchases, carry_nano_yuan=one.carry_in_nano_yuan, pool_wh=one.forecast_wh)
    if price is None:
        raise EmptyPoolError(f"row 169: the agency pool of {one.month} has no forecast demand; load its forecast")
    collected = price * one.metered_wh
    return SettledPoolMonth(one.month, price, collected, one.carry_in_nano_yuan + one.cost_nano_yuan - collected)


def check_pool(months: Sequence[PoolMonth], settled: Sequence[SettledPoolMonth]) -> list[Violation]:
    """Law 6: no yuan of the pool is lost; what it cost is what was collected and what is carried at the end.

    :param months: consecutive; the first may carry something in
    """
    found = []
    for before, after in zip(settled, months[1:], strict=False):
        if before.carry_out_nano_yuan != after.carry_in_nano_yuan:
            what = f"{before.carry_out_nano_yuan} nano-yuan carried out, {after.carry_in_nano_yuan} carried in"
            found.append(Violation(6, f"agency pool {after.month}", what))
    if months and settled:
        cost = months[0].carry_in_nano_yuan + sum(one.cost_nano_yuan for one in months)
        kept = sum(one.collected_nano_yuan for one in settled) + settled[-1].carry_out_nano_yuan
        if cost != kept:
            found.append(Violation(6, "agency pool", f"cost {cost} nano-yuan, collected and carried {kept}"))
    return found
