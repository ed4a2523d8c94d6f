"""How much renewable energy is traded in the market: the roadmap's figure, with its target as data (row 186)."""

from dataclasses import dataclass

import msgspec

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up


class MarketShareTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of the roadmap: from this year on, this share."""

    document: str
    year: int
    share_ppm: int


@dataclass(frozen=True)
class MarketShare:
    """A year's share. is_met: whether it reaches the target in force, None before the first target's year."""

    year: int
    share_ppm: int
    is_met: bool | None


def market_share(market_wh: int, total_wh: int, year: int, targets: tuple[MarketShareTarget, ...]) -> MarketShare:
    """Return share = Q_mkt / Q_total, rounded half up; the target is compared exactly (row 186).

    :param total_wh: > 0
    """
    assert 0 <= market_wh <= total_wh
    assert total_wh > 0
    begun = [target for target in targets if target.year <= year]
    target = max(begun, key=lambda one: one.year, default=None)
    is_met = None if target is None else market_wh * PPM >= target.share_ppm * total_wh
    return MarketShare(year, divide_half_up(market_wh * PPM, total_wh), is_met)


def total_from_share_wh(market_wh: int, share_ppm: int) -> int:
    """Return Q_total = Q_mkt / share, rounded half up to 1 Wh: a check of published figures (row 186).

    :param share_ppm: > 0
    """
    return divide_half_up(market_wh * PPM, share_ppm)
