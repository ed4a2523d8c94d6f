"""The price formulas of retail packages, each a function of numbers (requirements rows 79, 81, 84, 89, 90).

Prices are micro-yuan/kWh and signed. A price that a formula derives is rounded half up to 1 micro-yuan/kWh once, there.
"""

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up

_FEN_PER_YUAN = 100


def linked_price(index_uyuan_per_kwh: int, service_fee_uyuan_per_kwh: int) -> int:
    """Return P_mkt + s of LINKED, or P_wh_avg + s of PASS_THROUGH (row 79)."""
    return index_uyuan_per_kwh + service_fee_uyuan_per_kwh


def spread_price(reference_uyuan_per_kwh: int, realised_uyuan_per_kwh: int, *, user_share_ppm: int) -> int:
    """Return P_ref - K (P_ref - P_real) of SPREAD (row 79); a loss raises the price as a gain lowers it.

    :param user_share_ppm: K, 0 to 1 in millionths
    """
    gain = reference_uyuan_per_kwh - realised_uyuan_per_kwh
    return divide_half_up(reference_uyuan_per_kwh * PPM - user_share_ppm * gain, PPM)


def coal_linked_price(
    base_uyuan_per_kwh: int, *, beta_uyuan_per_kwh_per_yuan_per_t: int, index_fen_per_t: int, base_index_fen_per_t: int
) -> int:
    """Return P = P_0 + beta (I_coal - I_0) (row 90)."""
    change = beta_uyuan_per_kwh_per_yuan_per_t * (index_fen_per_t - base_index_fen_per_t)
    return divide_half_up(base_uyuan_per_kwh * _FEN_PER_YUAN + change, _FEN_PER_YUAN)


def period_price(flat_uyuan_per_kwh: int, factor_ppm: int) -> int:
    """Return P_s = P_flat k_s of FLAT_PLUS_RATIO (row 89)."""
    return divide_half_up(flat_uyuan_per_kwh * factor_ppm, PPM)


def ceiling_base_price(year_mean_uyuan_per_kwh: int, month_mean_uyuan_per_kwh: int, *, year_weight_ppm: int) -> int:
    """Return w P_year + (1 - w) P_month, for display; the ceiling is computed from the means (row 84)."""
    weighted = year_weight_ppm * year_mean_uyuan_per_kwh + (PPM - year_weight_ppm) * month_mean_uyuan_per_kwh
    return divide_half_up(weighted, PPM)


def ceiling_price(
    year_mean_uyuan_per_kwh: int, month_mean_uyuan_per_kwh: int, *, year_weight_ppm: int, uplift_ppm: int
) -> int:
    """Return P_cap = (w P_year + (1 - w) P_month) (1 + u), rounded once (row 84)."""
    weighted = year_weight_ppm * year_mean_uyuan_per_kwh + (PPM - year_weight_ppm) * month_mean_uyuan_per_kwh
    return divide_half_up(weighted * (PPM + uplift_ppm), PPM * PPM)


def benchmark_cap_uyuan_per_kwh(coal_benchmark_uyuan_per_kwh: int, factor_ppm: int) -> int:
    """Return the highest whole price with P_fix <= factor x P_coal (row 83): rounded down, a cap is never exceeded."""
    return coal_benchmark_uyuan_per_kwh * factor_ppm // PPM
