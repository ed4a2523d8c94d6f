"""Provincial spot rules that the county takes part in: unified point, non-market plants, base energy, collar.

Requirements rows 53, 54, 61, 62, 64. Shares and bands are parameters; money is exact nano-yuan, energy whole Wh.
"""

import numpy as np

from hub.market.listing.publication import divide_half_up
from hub.market.trades import Int64Array

PPM = 1_000_000


class SpotRuleError(ValueError):
    """Energy or shares on which a rule has no meaning; the text says which."""


def unified_price_uyuan_per_kwh(energy_wh: Int64Array, price_uyuan_per_kwh: Int64Array) -> int:
    """Return P_u = sum Q_i P_i / sum Q_i of the generators' nodes, rounded half up once (row 53).

    :raises SpotRuleError: if nothing was generated
    """
    total = int(energy_wh.sum())
    if total <= 0:
        raise SpotRuleError("no generation: there is no unified settlement price")
    return divide_half_up(_sum_of_products(energy_wh, price_uyuan_per_kwh), total)


def congestion_nano_yuan(
    *, bought_wh: Int64Array, paid_uyuan: Int64Array, sold_wh: Int64Array, received_uyuan: Int64Array, upper: int
) -> int:
    """Return what users pay at their price less what generators get at their nodes less the upper market's cash.

    It goes to the congestion account, never into loss or network fee (row 54).

    :param paid_uyuan, received_uyuan: micro-yuan/kWh of each row; upper: nano-yuan paid to the upper market
    """
    return _sum_of_products(bought_wh, paid_uyuan) - _sum_of_products(sold_wh, received_uyuan) - upper


def non_market_nano_yuan(energy_wh: int, *, spot_share_ppm: int, approved_uyuan: int, spot_uyuan: int) -> int:
    """Return R = Q [(1 - s) P_appr + s P_spot] of a plant outside the market (row 61).

    :param spot_share_ppm: s; its energy is rounded to whole Wh, half up
    :param approved_uyuan, spot_uyuan: micro-yuan/kWh
    """
    at_spot_wh = _share_wh(energy_wh, spot_share_ppm)
    return (energy_wh - at_spot_wh) * approved_uyuan + at_spot_wh * spot_uyuan


def base_energy_nano_yuan(
    energy_wh: int, *, base_share_ppm: int, node_uyuan: int, approved_uyuan: int, reference_uyuan: int
) -> int:
    """Return R = Q P_node + b Q (P_appr - P_ref) of a plant with a base contract on its metered energy (row 62).

    :param base_share_ppm: b; its energy is rounded to whole Wh, half up
    """
    return energy_wh * node_uyuan + _share_wh(energy_wh, base_share_ppm) * (approved_uyuan - reference_uyuan)


def collar_nano_yuan(energy_wh: int, *, band_ppm: int, contract_uyuan: int, mean_uyuan: int) -> int:
    """Return Q max(0, P_avg - (1 + b) P_c) - Q max(0, (1 - b) P_c - P_avg): + to the user (row 64).

    Rounded once, half up, to the nano-yuan.

    :raises SpotRuleError: if the band or the contract's price is negative
    """
    if band_ppm < 0 or contract_uyuan < 0:
        raise SpotRuleError(f"no collar of {band_ppm} ppm around {contract_uyuan} micro-yuan/kWh")
    above = mean_uyuan * PPM - (PPM + band_ppm) * contract_uyuan
    below = (PPM - band_ppm) * contract_uyuan - mean_uyuan * PPM
    return divide_half_up(energy_wh * (max(above, 0) - max(below, 0)), PPM)


def _share_wh(energy_wh: int, share_ppm: int) -> int:
    if not 0 <= share_ppm <= PPM:
        raise SpotRuleError(f"a share of {share_ppm} ppm")
    return divide_half_up(energy_wh * share_ppm, PPM)


def _sum_of_products(left: Int64Array, right: Int64Array) -> int:
    assert left.shape == right.shape
    assert left.dtype == right.dtype == np.int64
    return sum(a * b for a, b in zip(left.tolist(), right.tolist(), strict=True))
