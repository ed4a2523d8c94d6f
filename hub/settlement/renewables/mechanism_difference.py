"""Mechanism price: the difference to the market mean, both ways, borne by commercial and industrial users (outside 4).

发改价格〔2025〕136号: wind and solar sell all energy in the market; for the mechanism's part the difference is settled
outside it, and passed on in the system operation charge. Prices, shares, and what the market mean is are provincial
data. Energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import Enum

import msgspec
import numpy as np

from hub.market.registry.participant_classes import Technology
from hub.market.registry.periods import Period
from hub.market.trades import Int64Array, Violation
from hub.settlement.exact_shares import share_half_up, split_exactly
from hub.settlement.rule_lines import RuleLine, account_totals_nano_yuan, priced_line, share_lines

MECHANISM_RULE = "mechanism-difference-1"


class MarketMean(Enum):
    """What the market mean is, which a province defines: of real-time prices, or of the technology's transactions."""

    REAL_TIME = "REAL_TIME"
    TRANSACTIONS = "TRANSACTIONS"


class MechanismRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mechanism of plants of a technology commissioned in a period (existing and new plants differ: 2025-06-01).

    share_ppm: of on-grid energy; annual_max_wh: most in a year for a plant, None: no such limit.
    """

    version_id: str
    province: str
    period: Period
    document: str
    technology: Technology
    commissioned: Period
    mechanism_uyuan_per_kwh: int
    share_ppm: int
    market_mean: MarketMean
    annual_max_wh: int | None = None


class MechanismNotSetError(LookupError):
    """No mechanism, or more than one, is set for a plant; the text says for which."""


def mechanism_of(
    rules: Iterable[MechanismRules], *, province: str, technology: Technology, commissioned_on: date, day: date
) -> MechanismRules:
    """Return the mechanism of a plant on a day, by province, technology and day of commissioning.

    :raises MechanismNotSetError: unless exactly one holds
    """
    found = [
        one
        for one in rules
        if one.province == province
        and one.technology is technology
        and one.commissioned.holds(commissioned_on)
        and one.period.holds(day)
    ]
    if len(found) != 1:
        what = f"outside rules 4: {len(found)} mechanisms of {province} for {technology.value} commissioned"
        raise MechanismNotSetError(f"{what} on {commissioned_on}, day {day}; load one")
    return found[0]


def mechanism_energy_wh(on_grid_wh: int, rules: MechanismRules, *, excluded_wh: int, used_wh: int) -> int:
    """Return Q_mech = min(share x Q, Q - excluded, annual limit - used): never energy that is counted elsewhere.

    :param excluded_wh: what contracts take or certificates are earned on, of the same energy, 0 <= excluded <= Q
    :param used_wh: mechanism energy of the year's months before
    """
    assert 0 <= excluded_wh <= on_grid_wh
    limits = [share_half_up(on_grid_wh, rules.share_ppm), on_grid_wh - excluded_wh]
    if rules.annual_max_wh is not None:
        limits.append(max(0, rules.annual_max_wh - used_wh))
    return min(limits)


def mechanism_line(
    rules: MechanismRules,
    *,
    mechanism_wh: int,
    market_mean_uyuan_per_kwh: int,
    mean_version: str,
    plant: str,
    account: str,
) -> RuleLine:
    """Return Diff_m = Q_mech (P_mech - P_mkt,avg), account to plant; negative: the plant pays (outside rules 4)."""
    return priced_line(
        "mechanism-difference",
        payer=account,
        payee=plant,
        quantity=mechanism_wh,
        price_uyuan=rules.mechanism_uyuan_per_kwh - market_mean_uyuan_per_kwh,
        rule_version=MECHANISM_RULE,
        price_versions=(rules.version_id, mean_version),
    )


def mechanism_funding_lines(
    differences: Sequence[RuleLine], energy_wh: Mapping[str, int], *, account: str
) -> list[RuleLine]:
    """Return what commercial and industrial users pay (or get) by energy, so that the account nets to zero.

    :param energy_wh: of the month by user
    :raises ShareError: if there is a difference and no user has energy
    """
    users = sorted(energy_wh)
    due = sum(line.amount_nano_yuan for line in differences)
    parts = split_exactly(due, [energy_wh[user] for user in users])
    versions = tuple(sorted({version for line in differences for version in line.price_versions}))
    shares = dict(zip(users, parts, strict=True))
    return share_lines(
        "mechanism-difference-share", shares, account=account, rule_version=MECHANISM_RULE, price_versions=versions
    )


def check_pass_through(lines: Sequence[RuleLine], *, account: str) -> list[Violation]:
    """Law 6: what comes into a pass-through account goes out of it."""
    left = account_totals_nano_yuan(lines).get(account, 0)
    return [Violation(6, account, f"keeps {left} nano-yuan of a pass-through")] if left else []


def check_energy_uses(
    plant_id: Sequence[str],
    *,
    on_grid_wh: Int64Array,
    mechanism_wh: Int64Array,
    contracted_wh: Int64Array,
    certified_wh: Int64Array,
) -> list[Violation]:
    """Law 4: mechanism energy overlaps neither contracted nor certificate-earning energy (outside rules 4, 11).

    One row a plant and month (or interval), shape (n,) each; plant_id names it.

    :param contracted_wh: what contracts take of the on-grid energy, at most all of it
    :param certified_wh: energy on which certificates are issued or green contracts settled
    """
    rows = (
        (mechanism_wh < 0, "mechanism energy is negative"),
        (mechanism_wh > on_grid_wh, "more mechanism energy than on-grid energy"),
        (mechanism_wh + contracted_wh > on_grid_wh, "mechanism and contracts count the same energy"),
        (mechanism_wh + certified_wh > on_grid_wh, "mechanism and certificates count the same energy"),
    )
    return [Violation(4, plant_id[row], what) for is_breach, what in rows for row in np.flatnonzero(is_breach).tolist()]
