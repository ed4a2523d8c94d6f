"""Yunnan: a fixed share of a plant's energy is topped up from the market mean to the coal benchmark (row 184)."""

from datetime import date

import msgspec

from hub.market.registry.participant_classes import Technology
from hub.market.registry.periods import Period
from hub.settlement.exact_shares import share_half_up
from hub.settlement.rule_lines import RuleLine, priced_lines

TOP_UP_RULE = "benchmark-top-up-1"


class TopUpStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of plants of a technology that were commissioned in a period."""

    technology: Technology
    commissioned: Period
    share_ppm: int


class TopUpRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A province's top-up. is_two_way: whether a market mean above the benchmark is taken back likewise."""

    version_id: str
    province: str
    period: Period
    document: str
    benchmark_uyuan_per_kwh: int
    is_two_way: bool
    steps: tuple[TopUpStep, ...]


class TopUpNotSetError(LookupError):
    """No share, or more than one, is set for a plant; the text says for which date of commissioning."""


def top_up_share_ppm(rules: TopUpRules, technology: Technology, commissioned_on: date) -> int:
    """Return the share x of a plant by its day of commissioning (row 184).

    :raises TopUpNotSetError: unless exactly one step holds
    """
    found = [
        step.share_ppm
        for step in rules.steps
        if step.technology is technology and step.commissioned.holds(commissioned_on)
    ]
    if len(found) != 1:
        what = f"row 184: {rules.province} has {len(found)} shares for {technology.value} commissioned"
        raise TopUpNotSetError(f"{what} on {commissioned_on}; load one")
    return found[0]


def top_up_lines(
    rules: TopUpRules,
    *,
    share_ppm: int,
    energy_wh: int,
    market_uyuan_per_kwh: int,
    plant: str,
    market: str,
    account: str,
) -> list[RuleLine]:
    """Return Rev = Q P_mkt + Q x (P_coal - P_mkt): the market's line and the top-up's (row 184).

    The topped-up energy Q x is rounded half up to 1 Wh.

    :param market, account: who pays the market's part and who the top-up
    """
    difference = rules.benchmark_uyuan_per_kwh - market_uyuan_per_kwh
    if not rules.is_two_way:
        difference = max(0, difference)
    topped_up = share_half_up(energy_wh, share_ppm)
    rows = (
        ("market-energy", market, plant, energy_wh, market_uyuan_per_kwh),
        ("benchmark-top-up", account, plant, topped_up, difference),
    )
    return priced_lines(rows, rule_version=TOP_UP_RULE, price_versions=(rules.version_id,))
