"""A virtual power plant's offer: load bounds and a falling price curve, cleared as negative generation (row 11).

The lower bound is load that runs at any price; each segment is load that runs only while the price is at most its own.
Seen from the upper bound, a segment that does not run is generation of that size.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from hub.market.indicators import PPM
from hub.market.registry.provincial_rules import VirtualPlantCurve
from hub.market.registry_columns import interval_energy_wh


@dataclass(frozen=True)
class Segment:
    """Load of this size runs while the price is at most this one."""

    power_w: int
    price_uyuan_per_kwh: int


@dataclass(frozen=True)
class VirtualPlantOffer:
    """The offer of one interval: load bounds, and the segments between them, the dearest first."""

    interval: int
    load_low_w: int
    load_high_w: int
    segments: tuple[Segment, ...]


class OfferFault(Enum):
    """What is wrong with an offer."""

    SEGMENTS = "segments"
    NOT_DECREASING = "not-decreasing"
    NOT_POSITIVE = "not-positive"
    BOUNDS = "bounds"
    SUM = "sum"


@dataclass(frozen=True)
class LoadStep:
    """A buying order of the offer. price: None for the load that runs at any price (it buys at the cap)."""

    energy_wh: int
    price_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class Reduction:
    """What a plant reduced: mean power in W, its share of the plant in millionths, income per kWh, rounded half-up."""

    mean_power_w: int
    share_ppm: int
    price_uyuan_per_kwh: int


def offer_faults(offer: VirtualPlantOffer, rule: VirtualPlantCurve) -> list[OfferFault]:
    """Return every fault of an offer, empty if it may stand.

    Row 11: as many segments as the rule says, prices strictly falling, sizes positive, summing to high - low bound.
    """
    found = []
    if not rule.segments_min <= len(offer.segments) <= rule.segments_max:
        found.append(OfferFault.SEGMENTS)
    prices = [segment.price_uyuan_per_kwh for segment in offer.segments]
    if any(after >= before for before, after in pairwise(prices)):
        found.append(OfferFault.NOT_DECREASING)
    if any(segment.power_w <= 0 for segment in offer.segments):
        found.append(OfferFault.NOT_POSITIVE)
    if not 0 <= offer.load_low_w <= offer.load_high_w:
        found.append(OfferFault.BOUNDS)
    if sum(segment.power_w for segment in offer.segments) != offer.load_high_w - offer.load_low_w:
        found.append(OfferFault.SUM)
    return found


def load_steps(offer: VirtualPlantOffer) -> tuple[LoadStep, ...]:
    """Return the offer as buying orders of the interval, the load that runs at any price first; whole Wh, rounded so
    that all steps together are the energy of the upper bound.
    """
    steps: list[LoadStep] = []
    power_w, energy_wh = 0, 0
    rows: list[tuple[int, int | None]] = [(offer.load_low_w, None)]
    rows += [(segment.power_w, segment.price_uyuan_per_kwh) for segment in offer.segments]
    for step_w, price in rows:
        power_w += step_w
        step_wh = interval_energy_wh(power_w) - energy_wh
        energy_wh += step_wh
        if step_wh:
            steps.append(LoadStep(step_wh, price))
    return tuple(steps)


def reduction(*, energy_wh: int, hours: int, plant_w: int, income_nano_yuan: int) -> Reduction:
    """Return what a reduction of `energy_wh` over whole hours means: the figures of row 11's case.

    :param hours, plant_w, energy_wh: > 0
    """
    return Reduction(
        mean_power_w=_half_up(energy_wh, hours),
        share_ppm=_half_up(energy_wh * PPM, hours * plant_w),
        price_uyuan_per_kwh=_half_up(income_nano_yuan, energy_wh),
    )


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
