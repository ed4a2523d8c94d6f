"""Energy price and environmental value, apart (requirements rows 144, 145, 147, 149, 151).

Provincial limits are parameters with days in force and a document; a province without one is refused, never assumed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import assert_never

import msgspec

from hub.market.listing.publication import divide_half_up
from hub.market.registry.periods import Period


class PassThrough(Enum):
    """What a retailer may ask for the environmental value: what it paid, or what the package says (row 149)."""

    EQUAL = "EQUAL"
    FREE = "FREE"


class EnvironmentalLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A province's rules on the environmental value, micro-yuan/kWh (rows 147, 149).

    floor_is_allowed: whether the floor itself is (Tianjin: above 0). cap None: no cap. pass_through None: not set.
    """

    province: str
    period: Period
    document: str
    floor_uyuan_per_kwh: int
    floor_is_allowed: bool
    cap_uyuan_per_kwh: int | None
    pass_through: PassThrough | None


class GreenRefusal(Enum):
    """Why a green quote, deal or package was refused."""

    ONLY_A_TOTAL = "only-a-total"
    PARTS_DO_NOT_SUM = "parts-do-not-sum"
    NO_PROVINCIAL_LIMIT = "no-provincial-limit"
    ENVIRONMENTAL_VALUE_TOO_LOW = "environmental-value-too-low"
    ENVIRONMENTAL_VALUE_TOO_HIGH = "environmental-value-too-high"
    NO_PASS_THROUGH_RULE = "no-pass-through-rule"  # noqa: S105
    NOT_WHAT_WAS_PAID = "not-what-was-paid"


@dataclass(frozen=True)
class GreenPrice:
    """The two prices of green energy, micro-yuan/kWh; what is paid is their sum (row 144)."""

    energy_uyuan_per_kwh: int
    environmental_uyuan_per_kwh: int

    @property
    def total_uyuan_per_kwh(self) -> int:
        """P_green = P_energy + P_env."""
        return self.energy_uyuan_per_kwh + self.environmental_uyuan_per_kwh


@dataclass(frozen=True)
class GreenQuote:
    """What an order or contract says; None: it does not say."""

    total_uyuan_per_kwh: int | None
    energy_uyuan_per_kwh: int | None
    environmental_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class GreenRefused:
    """The quote, deal or package was refused."""

    reason: GreenRefusal


@dataclass(frozen=True)
class IndexDeal:
    """A deal that may count for an energy price index. is_transfer: a contract transfer, which never counts."""

    energy_wh: int
    price_uyuan_per_kwh: int
    is_transfer: bool


class EmptyIndexError(ValueError):
    """No deal counts for an index, so it has no price."""


def limits_in_force(
    limits: Iterable[EnvironmentalLimits], *, province: str, day: date
) -> EnvironmentalLimits | GreenRefused:
    """Return the province's rules of the day; without any the environmental value cannot be judged."""
    for one in limits:
        if one.province == province and one.period.holds(day):
            return one
    return GreenRefused(GreenRefusal.NO_PROVINCIAL_LIMIT)


def quoted_price(quote: GreenQuote, limits: EnvironmentalLimits) -> GreenPrice | GreenRefused:
    """Return the two prices of a bilateral or listed quote: both must be said, and a total must be their sum."""
    energy, environmental = quote.energy_uyuan_per_kwh, quote.environmental_uyuan_per_kwh
    if energy is None or environmental is None:
        return GreenRefused(GreenRefusal.ONLY_A_TOTAL)
    price = GreenPrice(energy, environmental)
    if quote.total_uyuan_per_kwh not in {None, price.total_uyuan_per_kwh}:
        return GreenRefused(GreenRefusal.PARTS_DO_NOT_SUM)
    return _within(price, limits)


def auction_price(
    total_uyuan_per_kwh: int, *, certificate_mean_uyuan_per_kwh: int, limits: EnvironmentalLimits
) -> GreenPrice | GreenRefused:
    """Return the prices of a centralised auction that cleared on the total: the environmental value is the reference
    certificates' mean, the energy price what is left, which may be negative (row 145).
    """
    environmental = certificate_mean_uyuan_per_kwh
    return _within(GreenPrice(total_uyuan_per_kwh - environmental, environmental), limits)


def certificate_mean_uyuan_per_kwh(deals: Sequence[tuple[int, int]], *, wh_per_certificate: int) -> int:
    """Return the mean price of reference certificates, rounded half up once.

    :param deals: (certificates, nano-yuan paid for all of them)
    :raises EmptyIndexError: if no certificate was dealt
    """
    count, paid = sum(number for number, _ in deals), sum(money for _, money in deals)
    if count <= 0:
        raise EmptyIndexError("no certificate was dealt in the reference range")
    return divide_half_up(paid, count * wh_per_certificate)


def retail_price(wholesale: GreenPrice, retail: GreenPrice, limits: EnvironmentalLimits) -> GreenPrice | GreenRefused:
    """Return the retail prices of a green package if the province allows them (row 149).

    EQUAL: the environmental value is what the retailer paid; its energy price is free. FREE: by package.
    """
    match limits.pass_through:
        case None:
            return GreenRefused(GreenRefusal.NO_PASS_THROUGH_RULE)
        case PassThrough.EQUAL:
            is_equal = wholesale.environmental_uyuan_per_kwh == retail.environmental_uyuan_per_kwh
            return retail if is_equal else GreenRefused(GreenRefusal.NOT_WHAT_WAS_PAID)
        case PassThrough.FREE:
            return retail
        case _:
            assert_never(limits.pass_through)


def energy_index_uyuan_per_kwh(deals: Iterable[IndexDeal]) -> int:
    """Return the weighted mean of coal plants' monthly and weekly plans without contract transfers (row 151).

    Rounded half up once.

    :raises EmptyIndexError: if none counts
    """
    counted = [deal for deal in deals if not deal.is_transfer]
    energy = sum(deal.energy_wh for deal in counted)
    if energy <= 0:
        raise EmptyIndexError("no plan counts for the index")
    return divide_half_up(sum(deal.energy_wh * deal.price_uyuan_per_kwh for deal in counted), energy)


def _within(price: GreenPrice, limits: EnvironmentalLimits) -> GreenPrice | GreenRefused:
    value, floor, cap = price.environmental_uyuan_per_kwh, limits.floor_uyuan_per_kwh, limits.cap_uyuan_per_kwh
    if value < floor or (value == floor and not limits.floor_is_allowed):
        return GreenRefused(GreenRefusal.ENVIRONMENTAL_VALUE_TOO_LOW)
    if cap is not None and value > cap:
        return GreenRefused(GreenRefusal.ENVIRONMENTAL_VALUE_TOO_HIGH)
    return price
