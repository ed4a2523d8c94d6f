"""The primary frequency market (requirements row 126, Shanxi): demand, ranking, and who bears the storage's loss.

Demand and band are dated data (`AncillaryRules`); power W, price micro-yuan/kW.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.settlement.exact_shares import share_half_up


@dataclass(frozen=True)
class FrequencyOffer:
    """An admitted offer: power, price, and the unit's measured performance."""

    offer_id: str
    power_w: int
    price_uyuan_per_kw: int
    response_ms: int
    rate_w_per_s: int
    accuracy_ppm: int


@dataclass(frozen=True)
class FrequencyAward:
    """What of an offer is awarded, in the order of ranking; 0 for those behind the demand."""

    offer_id: str
    awarded_w: int


def demand_w(renewable_max_w: int, *, share_ppm: int) -> int:
    """Return D = share x forecast maximum output of the day's wind and solar (row 126)."""
    return share_half_up(renewable_max_w, share_ppm)


def rank(offers: Sequence[FrequencyOffer]) -> list[FrequencyOffer]:
    """Return the offers by response time, rate, accuracy, best first; equals by price, then id (row 126)."""
    return sorted(
        offers,
        key=lambda one: (one.response_ms, -one.rate_w_per_s, -one.accuracy_ppm, one.price_uyuan_per_kw, one.offer_id),
    )


def award(offers: Sequence[FrequencyOffer], *, demand_w: int) -> list[FrequencyAward]:
    """Return what each offer is awarded until the demand is met, the last in part (row 126)."""
    left, awards = demand_w, []
    for offer in rank(offers):
        awarded = min(left, offer.power_w)
        left -= awarded
        awards.append(FrequencyAward(offer.offer_id, awarded))
    return awards


def storage_loss_cost_nano_yuan(charged_wh: int, discharged_wh: int, *, real_time_mean_uyuan_per_kwh: int) -> int:
    """Return (E_ch - E_dis) x monthly real-time mean, which the storage bears itself (row 126)."""
    return (charged_wh - discharged_wh) * real_time_mean_uyuan_per_kwh
