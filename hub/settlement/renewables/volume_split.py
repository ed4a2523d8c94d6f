"""Guaranteed and market volume of a renewable plant, and what each is paid (requirements rows 181, 182, 183).

Mengxi and Xinjiang guarantee hours of full load, others a share; Guangxi pays what lies beyond at an authorised price,
Henan at the coal benchmark. Hours, shares and prices are dated data. Energy Wh, power W, price micro-yuan/kWh.
"""

from dataclasses import dataclass

from hub.market.trades import Violation
from hub.settlement.exact_shares import share_half_up
from hub.settlement.rule_lines import RuleLine, priced_lines

VOLUME_RULE = "renewable-volume-1"
MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class ByHours:
    """Guaranteed is so much time of full load in a year."""

    minutes_per_year: int


@dataclass(frozen=True)
class ByShare:
    """Guaranteed is a share of all energy."""

    share_ppm: int


@dataclass(frozen=True)
class VolumePrices:
    """What a plant's volumes are paid, micro-yuan/kWh; versions: ids of the loaded or approved prices.

    guaranteed: the coal benchmark or the plant's approved price; beyond: what the rest is paid outside the market (the
    authorised price, or the benchmark again); None: the rest is sold in the market.
    """

    versions: tuple[str, ...]
    guaranteed_uyuan_per_kwh: int
    beyond_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class VolumeSplit:
    """A meter's energy by kind; the two sum to it."""

    guaranteed_wh: int
    market_wh: int


def split_volume(energy_wh: int, guarantee: ByHours | ByShare, *, capacity_w: int, used_wh: int = 0) -> VolumeSplit:
    """Return Q_g = min(Q, H C - used) or a share of Q, and Q_m = Q - Q_g (row 181).

    :param energy_wh: of a month or a year, >= 0
    :param used_wh: what of the year's hours earlier months have used
    """
    assert energy_wh >= 0
    match guarantee:
        case ByHours():
            guaranteed = min(energy_wh, max(0, guarantee.minutes_per_year * capacity_w // MINUTES_PER_HOUR - used_wh))
        case ByShare():
            guaranteed = share_half_up(energy_wh, guarantee.share_ppm)
    return VolumeSplit(guaranteed, energy_wh - guaranteed)


def volume_lines(split: VolumeSplit, prices: VolumePrices, *, plant: str, d_sup: str) -> list[RuleLine]:
    """Return Rev = Q_g P_guaranteed + (Q - Q_g) P_beyond, a line each (rows 182, 183).

    Where the rest is sold in the market it has no line here: it is settled there, once.
    """
    rows = [("guaranteed-energy", d_sup, plant, split.guaranteed_wh, prices.guaranteed_uyuan_per_kwh)]
    if prices.beyond_uyuan_per_kwh is not None:
        rows.append(("authorised-energy", d_sup, plant, split.market_wh, prices.beyond_uyuan_per_kwh))
    return priced_lines(rows, rule_version=VOLUME_RULE, price_versions=prices.versions)


def check_split(where: str, energy_wh: int, split: VolumeSplit) -> list[Violation]:
    """Law 4: guaranteed and market volume sum to the metered energy, neither is negative."""
    is_whole = split.guaranteed_wh + split.market_wh == energy_wh and min(split.guaranteed_wh, split.market_wh) >= 0
    what = f"{split.guaranteed_wh} + {split.market_wh} Wh of {energy_wh} Wh"
    return [] if is_whole else [Violation(4, where, what)]
