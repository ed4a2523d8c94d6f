"""What a grid company buys for its agency users, and at what price they get it: rows 169-171, 175.

Agency users have no access of their own; residents and agriculture are another, guaranteed pool and never come in here.
How takes of an agency listing are shared out is in allocation.py (rows 172, 173).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from fractions import Fraction

from hub.market.listing.publication import divide_half_up, mean_price
from hub.market.registry.periods import Period

PPM = 1_000_000
_PERMILLE = 1000


@dataclass(frozen=True)
class AgencyRules:
    """A province's rules of agency purchase. annual_share_ppm: of the year's forecast, bought ahead (row 170)."""

    province: str
    effective: Period
    document: str
    annual_share_ppm: int


class CorrectionReason(Enum):
    """Why a forecast was changed (row 171)."""

    FIRST = "first"
    WEATHER = "weather"
    ECONOMY = "economy"
    POLICY = "policy"


@dataclass(frozen=True)
class ForecastVersion:
    """One version of the pool's demand of a month. Versions are added, never changed."""

    month: int
    made_on: date
    energy_wh: int
    reason: CorrectionReason
    document: str


def agency_price_uyuan_per_kwh(
    purchases: Sequence[tuple[int, int]], *, carry_nano_yuan: int, pool_wh: int
) -> int | None:
    """Return P = (sum Q_i P_i + deviation carry) / Q_pool, rounded half away from zero once; None without energy.

    Row 169. :param purchases: (Wh, micro-yuan/kWh) of each purchase; carry: signed
    """
    return mean_price(sum(energy * price for energy, price in purchases) + carry_nano_yuan, pool_wh)


def annual_target_wh(rules: AgencyRules, year_forecast_wh: int) -> int:
    """Return what an annual session buys: the rule's share of the year's forecast, whole Wh, rounded down (row 170)."""
    return year_forecast_wh * rules.annual_share_ppm // PPM


def monthly_supplement_wh(month_forecast_wh: int, annual_part_wh: int) -> int:
    """Return what a monthly session buys: max(0, latest forecast - the annual contracts' part) (row 170)."""
    return max(0, month_forecast_wh - annual_part_wh)


def forecast_in_force(versions: Sequence[ForecastVersion], month: int, on: date) -> ForecastVersion | None:
    """Return the month's latest version made on or before the day; of one day the later in the sequence (row 171)."""
    latest = None
    for version in versions:
        is_known = version.month == month and version.made_on <= on
        if is_known and (latest is None or version.made_on >= latest.made_on):
            latest = version
    return latest


def mean_absolute_error_ppm(pairs: Sequence[tuple[int, int]]) -> int | None:
    """Return mean(|F - A| / A) over (forecast, actual) in millionths, rounded half-up; None without pairs (row 171).

    :param pairs: Wh, every actual > 0
    """
    if not pairs:
        return None
    total = sum((Fraction(abs(forecast - actual), actual) for forecast, actual in pairs), Fraction(0))
    return divide_half_up(total.numerator * PPM, total.denominator * len(pairs))


def price_of_period(agency_uyuan_per_kwh: int, factor_permille: int) -> int:
    """Return the agency price of a time-of-use period: price x factor, rounded half away from zero (row 175)."""
    return divide_half_up(agency_uyuan_per_kwh * factor_permille, _PERMILLE)
