"""What the day report shows of reasons for prices and of green energy, as frozen values."""

from dataclasses import dataclass

from hub.market.price_reason import PriceReason
from hub.store.green import GreenVolume, PlantDay, PlantEnergy


@dataclass(frozen=True)
class AskedElement:
    """An element whose limit the network check asked the clearing to keep, and how (LimitCoverage value)."""

    element: str
    coverage: str


@dataclass(frozen=True)
class IntervalReason:
    """Why an interval's prices are what they are; None: it was not cleared, or its orders are not known.

    reason: of the root's price. units_apart: with a shadow price at their edge, the strongest being shadow.
    asked: what the network check asked for, in its order. price_rule, method, rounds: of the clearing.
    """

    interval: int
    label: str
    root_price_uyuan_per_kwh: int | None
    reason: PriceReason | None
    price_rule: str
    method: str
    rounds: int | None
    units_apart: int
    shadow_uyuan_per_kwh: int | None
    asked: tuple[AskedElement, ...]


@dataclass(frozen=True)
class GreenFigures:
    """Green energy of the day: all plants, attributes by mode and buyer, and the accounts of certificates."""

    energy: PlantEnergy
    volumes: tuple[GreenVolume, ...]
    plants: tuple[PlantDay, ...]
