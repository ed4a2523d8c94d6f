"""Compensation of storage by discharged energy, and leasing of its capacity (requirements rows 130, 131, 132, 134).

Ceilings, rates, terms and shares are dated data of a province; leased capacity and discharge on dispatch order are
compensated elsewhere and never twice. Energy Wh, power W, price micro-yuan per kWh or per kW and year.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum

import msgspec

from hub.market.registry.periods import Period
from hub.settlement.exact_shares import PPM, share_half_up, split_exactly
from hub.settlement.money import divide_half_up
from hub.settlement.rule_lines import RuleLine, share_lines

COMPENSATION_RULE = "storage-compensation-1"
_MONTHS_PER_YEAR = 12
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class CompensationRules:
    """Compensation of demonstration grid-side storage (row 130): ceiling, and months from commissioning.

    superseded_on: the day on which a later capacity policy takes its place, None while there is none.
    """

    province: str
    versions: tuple[str, ...]
    ceiling_uyuan_per_kwh: int
    term_months: int
    superseded_on: date | None = None


@dataclass(frozen=True)
class LeaseRules:
    """Capacity leasing (row 132): the reference price of a year and the shortest contract."""

    province: str
    versions: tuple[str, ...]
    reference_uyuan_per_kw_year: int
    years_min: int


class MandatoryStorage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A former condition of connection (row 134). is_on: cancelled nationally in 2025, so off unless switched on."""

    version_id: str
    province: str
    period: Period
    document: str
    is_on: bool
    power_share_ppm: int
    minutes: int


class LeaseRefusal(Enum):
    """Why a lease is refused."""

    TOO_SHORT = "too-short"


@dataclass(frozen=True)
class LeaseAdmitted:
    """The lease may be signed."""


@dataclass(frozen=True)
class LeaseRefused:
    """The lease is refused."""

    reason: LeaseRefusal


@dataclass(frozen=True)
class StorageDuty:
    """The storage that a new plant must have: power and energy."""

    power_w: int
    energy_wh: int


def term_ends(commissioned_on: date, term_months: int) -> date:
    """Return the first day after the term: term_months after the first of the month of commissioning (row 130).

    The month of commissioning is month 1, so month term_months + 1 earns nothing.
    """
    months = commissioned_on.year * _MONTHS_PER_YEAR + commissioned_on.month - 1 + term_months
    return date(months // _MONTHS_PER_YEAR, months % _MONTHS_PER_YEAR + 1, 1)


def capacity_compensation_nano_yuan(
    discharged_wh: int, *, offered_uyuan_per_kwh: int, commissioned_on: date, day: date, rules: CompensationRules
) -> int:
    """Return Comp = Dis x min(c, ceiling) within the term and while the rules hold, else 0 (row 130).

    :param day: the first day of the month in which the energy was discharged
    """
    is_in_term = commissioned_on.replace(day=1) <= day < term_ends(commissioned_on, rules.term_months)
    is_superseded = rules.superseded_on is not None and day >= rules.superseded_on
    if not is_in_term or is_superseded:
        return 0
    return discharged_wh * min(offered_uyuan_per_kwh, rules.ceiling_uyuan_per_kwh)


def declining_rate_uyuan_per_kwh(first_uyuan_per_kwh: int, *, decline_ppm: int, years: int) -> int:
    """Return c_y = c_0 (1 - d)^years, rounded half up once (row 131).

    What is settled is the published rate of the year (`loaded_rules.py`), which this formula must give; after the last
    published year there is none, and settlement is refused.
    """
    assert years >= 0
    return divide_half_up(first_uyuan_per_kwh * (PPM - decline_ppm) ** years, PPM**years)


def unleased_compensation_nano_yuan(discharged_wh: int, *, lease_share_ppm: int, rate_uyuan_per_kwh: int) -> int:
    """Return Comp = Dis (1 - lease share) c_y; the leased part is rounded half up to 1 Wh and earns none (row 131)."""
    return (discharged_wh - share_half_up(discharged_wh, lease_share_ppm)) * rate_uyuan_per_kwh


def compensation_funding_lines(
    amount_nano_yuan: int, energy_wh: dict[str, int], *, storage: str, version: str
) -> list[RuleLine]:
    """Return what commercial and industrial users pay for it, by energy, summing exactly (row 131)."""
    users = sorted(energy_wh)
    parts = split_exactly(amount_nano_yuan, [energy_wh[user] for user in users])
    shares = dict(zip(users, parts, strict=True))
    return share_lines(
        "storage-compensation", shares, account=storage, rule_version=COMPENSATION_RULE, price_versions=(version,)
    )


def admit_lease(years: int, rules: LeaseRules) -> LeaseAdmitted | LeaseRefused:
    """Return whether a lease is long enough (row 132)."""
    return LeaseAdmitted() if years >= rules.years_min else LeaseRefused(LeaseRefusal.TOO_SHORT)


def lease_fees_nano_yuan(capacity_w: int, price_uyuan_per_kw_year: int) -> list[int]:
    """Return Fee_m = P_lease x C / 12 for the twelve months of a year; they sum to the year's fee exactly (row 132)."""
    return split_exactly(capacity_w * price_uyuan_per_kw_year, [1] * _MONTHS_PER_YEAR)


def storage_duty(installed_w: int, rules: MandatoryStorage) -> StorageDuty | None:
    """Return P_st >= share x P_inst and E_st >= P_st x h, None where the condition is off (row 134).

    Both are rounded up: the condition is a least size.
    """
    if not rules.is_on:
        return None
    power_w = -(-installed_w * rules.power_share_ppm // PPM)
    return StorageDuty(power_w, -(-power_w * rules.minutes // _MINUTES_PER_HOUR))
