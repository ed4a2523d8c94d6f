"""Which ancillary products there are at a stage of the spot market, and at what prices (rows 120 to 123, 126).

Typed units (requirements W 15): peak shaving micro-yuan/kWh of energy; regulation micro-yuan/kW of mileage; reserve
micro-yuan/kWh, that is per kW and hour of capacity; primary frequency micro-yuan/kW (1 yuan/MW = 1,000).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hub.market.registry.participant_classes import MarketStage
from hub.market.registry.provincial_rules import trades_continuously


class AncillaryProduct(Enum):
    """What may be offered."""

    PEAK_SHAVING = "PEAK_SHAVING"
    REGULATION = "REGULATION"
    RESERVE = "RESERVE"
    PRIMARY_FREQUENCY = "PRIMARY_FREQUENCY"


@dataclass(frozen=True)
class PriceBand:
    """Lowest and highest price of a product, both allowed, in the product's unit."""

    floor_uyuan: int
    cap_uyuan: int


@dataclass(frozen=True)
class AncillaryRules:
    """A province's price bands by product, and the figures of fees; what is None or absent is not set there.

    PEAK_SHAVING's cap is the local parity on-grid price of renewables (row 121), RESERVE's the energy price's cap
    (row 123). performance_cap_ppm: of K (row 122). primary_share_ppm: demand over forecast maximum output (row 126).
    """

    province: str
    versions: tuple[str, ...]
    price_band: Mapping[AncillaryProduct, PriceBand]
    performance_cap_ppm: int | None = None
    primary_share_ppm: int | None = None


class OfferRefusal(Enum):
    """Why an offer is refused."""

    PEAK_SHAVING_CLOSED = "peak-shaving-closed"
    NO_PRICE_BAND = "no-price-band"
    PRICE_TOO_LOW = "price-too-low"
    PRICE_TOO_HIGH = "price-too-high"


@dataclass(frozen=True)
class OfferAdmitted:
    """The offer may take part."""


@dataclass(frozen=True)
class OfferRefused:
    """The offer is refused."""

    reason: OfferRefusal


def peak_shaving_is_open(stage: MarketStage, *, has_spot: bool) -> bool:
    """Return (stage not continuous) and (interval without spot): where spot runs, it prices the peak (rows 63, 120)."""
    return not trades_continuously(stage) and not has_spot


def admit_offer(
    product: AncillaryProduct, price_uyuan: int, rules: AncillaryRules, *, stage: MarketStage, has_spot: bool
) -> OfferAdmitted | OfferRefused:
    """Return whether an offer of a product may take part in an interval (rows 120 to 123, 126).

    :param price_uyuan: in the product's unit
    :param has_spot: whether the interval has a spot market
    """
    if product is AncillaryProduct.PEAK_SHAVING and not peak_shaving_is_open(stage, has_spot=has_spot):
        return OfferRefused(OfferRefusal.PEAK_SHAVING_CLOSED)
    band = rules.price_band.get(product)
    if band is None:
        return OfferRefused(OfferRefusal.NO_PRICE_BAND)
    if price_uyuan < band.floor_uyuan:
        return OfferRefused(OfferRefusal.PRICE_TOO_LOW)
    if price_uyuan > band.cap_uyuan:
        return OfferRefused(OfferRefusal.PRICE_TOO_HIGH)
    return OfferAdmitted()
