"""What ancillary services pay (requirements rows 121, 122, 123), and that no capacity is paid twice.

Power is W, energy Wh, price micro-yuan per kW or kWh: their product is nano-yuan.
"""

from hub.market.trades import Violation
from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up

MINUTES_PER_HOUR = 60


class FeeError(ValueError):
    """A quantity or a price on which a fee has no meaning; the text says which."""


def peak_shaving_fee_nano_yuan(energy_wh: int, price_uyuan_per_kwh: int) -> int:
    """Return energy x price of peak shaving (row 121)."""
    _refuse_negative(energy_wh, "peak-shaving energy")
    return energy_wh * price_uyuan_per_kwh


def regulation_fee_nano_yuan(
    mileage_w: int, clearing_uyuan_per_kw: int, *, performance_ppm: int, performance_cap_ppm: int
) -> int:
    """Return Fee = P x M x min(K, K_max) (row 122), rounded half up to the nano-yuan.

    :param mileage_w: M, the sum of regulation steps followed
    :param performance_ppm: K against the best unit of the year
    """
    _refuse_negative(mileage_w, "regulation mileage")
    _refuse_negative(performance_ppm, "performance K")
    factor = min(performance_ppm, performance_cap_ppm)
    return divide_half_up(clearing_uyuan_per_kw * mileage_w * factor, PPM)


def reserve_fee_nano_yuan(capacity_w: int, minutes: int, clearing_uyuan_per_kwh: int) -> int:
    """Return Fee = P x C x h, per kW and hour of awarded capacity (row 123), rounded half up to the nano-yuan."""
    _refuse_negative(capacity_w, "reserve capacity")
    _refuse_negative(minutes, "reserve time")
    return divide_half_up(clearing_uyuan_per_kwh * capacity_w * minutes, MINUTES_PER_HOUR)


def check_no_double_pay(where: str, *, capacity_w: int, reserve_w: int, sold_wh: int, minutes: int) -> list[Violation]:
    """Row 123: capacity that is paid as reserve is not paid as energy too: sold + reserve <= capacity x time."""
    used = sold_wh * MINUTES_PER_HOUR + reserve_w * minutes
    if used <= capacity_w * minutes:
        return []
    return [Violation(2, where, f"{sold_wh} Wh sold and {reserve_w} W reserve of {capacity_w} W in {minutes} minutes")]


def _refuse_negative(quantity: int, what: str) -> None:
    if quantity < 0:
        raise FeeError(f"{what} of {quantity} is negative")
