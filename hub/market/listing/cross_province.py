"""Limits and the adjustment of cross-province trade: rows 178-180. Delisting by unit is in the session itself."""

from dataclasses import dataclass

from hub.market.listing.publication import divide_half_up
from hub.market.registry.periods import Period

_PPM = 1_000_000


@dataclass(frozen=True)
class ExportLimits:
    """What an inter-provincial market limits. None: it sets no such limit.

    bid_cap: of a bid's price; day_mean_cap: of the daily mean of a node's settled price (row 178);
    new_energy_weight_ppm: largest share of new energy that may be exported (row 179).
    """

    province: str
    effective: Period
    document: str
    bid_cap_uyuan_per_kwh: int | None
    day_mean_cap_uyuan_per_kwh: int | None
    new_energy_weight_ppm: int | None


@dataclass(frozen=True)
class BenefitAdjustment:
    """A later adjustment between provinces: one visible line on each side, + receives; they sum to zero (row 180)."""

    document: str
    province_nano_yuan: int
    county_nano_yuan: int


def is_bid_within(limits: ExportLimits, price_uyuan_per_kwh: int) -> bool:
    """Return whether a bid keeps the ceiling (row 178)."""
    cap = limits.bid_cap_uyuan_per_kwh
    return cap is None or price_uyuan_per_kwh <= cap


def settled_day_prices(limits: ExportLimits, prices_uyuan_per_kwh: tuple[int, ...]) -> tuple[int, ...]:
    """Return a node's prices of one day, scaled down by cap / mean if their mean is above the cap (row 178).

    Each is rounded down, so that the mean of what is settled keeps the cap.
    """
    cap, total = limits.day_mean_cap_uyuan_per_kwh, sum(prices_uyuan_per_kwh)
    if cap is None or total <= cap * len(prices_uyuan_per_kwh):
        return prices_uyuan_per_kwh
    return tuple(price * cap * len(prices_uyuan_per_kwh) // total for price in prices_uyuan_per_kwh)


def settlement_factor_ppm(limits: ExportLimits, prices_uyuan_per_kwh: tuple[int, ...]) -> int:
    """Return what a day's prices are multiplied by, in millionths, for display (row 178)."""
    cap, total = limits.day_mean_cap_uyuan_per_kwh, sum(prices_uyuan_per_kwh)
    if cap is None or total <= cap * len(prices_uyuan_per_kwh):
        return _PPM
    return divide_half_up(cap * len(prices_uyuan_per_kwh) * _PPM, total)


def new_energy_export_cap_wh(limits: ExportLimits, traded_wh: int) -> int | None:
    """Return how much new energy may be exported: sum Q_out <= w_resp sum Q_total; None without a limit (row 179)."""
    weight_ppm = limits.new_energy_weight_ppm
    return None if weight_ppm is None else traded_wh * weight_ppm // _PPM


def fair_export_wh(requested_wh: int, *, own_in_province_wh: int, all_in_province_wh: int, export_wh: int) -> int:
    """Return a project's export, cut to its in-province share: Q_i,out / Q_out <= Q_i,in / Q_in (row 179).

    :param export_wh: Q_out, all energy of the export session, fixed before any project is cut
    """
    if all_in_province_wh <= 0:
        return 0
    return min(requested_wh, export_wh * own_in_province_wh // all_in_province_wh)


def benefit_adjustment(document: str, to_county_nano_yuan: int) -> BenefitAdjustment:
    """Return the two lines of an adjustment; a negative one goes to the province (row 180)."""
    return BenefitAdjustment(document, -to_county_nano_yuan, to_county_nano_yuan)
