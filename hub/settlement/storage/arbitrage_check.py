"""Whether a storage's metering makes sense: its round-trip efficiency, and what arbitrage earns (row 136)."""

from dataclasses import dataclass

from hub.market.trades import Violation
from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up


@dataclass(frozen=True)
class ArbitrageValue:
    """efficiency: Dis / Ch, None without charging. margin: P_peak x eta - P_valley for each kWh charged."""

    efficiency_ppm: int | None
    margin_uyuan_per_kwh: int | None


def arbitrage_value(
    *, charged_wh: int, discharged_wh: int, peak_uyuan_per_kwh: int, valley_uyuan_per_kwh: int
) -> ArbitrageValue:
    """Return the efficiency and the margin of a period, each rounded half up once from the registers (row 136)."""
    if charged_wh <= 0:
        return ArbitrageValue(None, None)
    earned = peak_uyuan_per_kwh * discharged_wh - valley_uyuan_per_kwh * charged_wh
    return ArbitrageValue(divide_half_up(discharged_wh * PPM, charged_wh), divide_half_up(earned, charged_wh))


def check_round_trip(
    where: str,
    *,
    charged_wh: int,
    discharged_wh: int,
    stored_start_wh: int,
    stored_end_wh: int,
    efficiency_min_ppm: int,
) -> list[Violation]:
    """Row 136: nobody takes out more than was put in, nor loses more than the least efficiency allows.

    :param stored_start_wh, stored_end_wh: energy in the storage, so that a period need not end where it began
    :param efficiency_min_ppm: below it metering is suspected
    """
    taken_out = discharged_wh + stored_end_wh - stored_start_wh
    if taken_out > charged_wh:
        return [Violation(2, where, f"{taken_out} Wh came out of {charged_wh} Wh charged")]
    if taken_out * PPM < charged_wh * efficiency_min_ppm:
        least = divide_half_up(charged_wh * efficiency_min_ppm, PPM)
        return [Violation(2, where, f"{taken_out} Wh came out of {charged_wh} Wh charged, at least {least} expected")]
    return []
