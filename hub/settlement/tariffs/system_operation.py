"""System operation: capacity fees of coal, pumped storage, gas and storage, and their way to users' energy.

Sources: requirements rows 113 (approved, never computed), 114, 116, 118 (fees), 115 (allocation by commercial energy),
117 (why a rate changed); outside rules, section 0 (storage capacity price). Capacity prices are micro-yuan/kW-year,
power W, fees nano-yuan, rates micro-yuan/kWh. Each item is a pass-through account (pass_through.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hub.settlement.exact_shares import PPM, ShareError, split_exactly
from hub.settlement.money import divide_half_up
from hub.settlement.prices import ParameterError

MONTHS_PER_YEAR = 12
RULE_VERSION = "system-operation-1"


class SystemItem(Enum):
    """The items of the system operation charge, by their names in documents."""

    COAL_CAPACITY = "coal_capacity"
    PUMPED_STORAGE = "pumped_storage"
    GAS_CAPACITY = "gas_capacity"
    STORAGE_CAPACITY = "storage_capacity"
    ANCILLARY = "ancillary"
    MECHANISM_DIFFERENCE = "mechanism_difference"
    LOSS_PROFIT_AND_LOSS = "loss_profit_and_loss"
    CROSS_SUBSIDY = "cross_subsidy"
    GUARANTEED_RESIDUAL = "guaranteed_residual"


class SystemOperationError(ParameterError):
    """A capacity price or energy with which there is no fee or rate; the text names the row and what to load."""


@dataclass(frozen=True)
class RateChange:
    """A change of rate between two months, split exactly: fee effect + energy effect = change (row 117)."""

    rate_before_uyuan_per_kwh: int
    rate_after_uyuan_per_kwh: int
    fee_effect_uyuan_per_kwh: int
    energy_effect_uyuan_per_kwh: int


def confirm_approved_price(price_uyuan_per_kw_year: int, approved_uyuan_per_kw_year: int) -> int:
    """Return the approved capacity price if a given one is it; a computed 330 r is none (row 113).

    :raises SystemOperationError: if they differ
    """
    if price_uyuan_per_kw_year != approved_uyuan_per_kw_year:
        raise SystemOperationError(
            f"row 113: {price_uyuan_per_kw_year} micro-yuan/kW-year is not the approved "
            f"{approved_uyuan_per_kw_year}; load the approved coal capacity price"
        )
    return approved_uyuan_per_kw_year


def reference_capacity_price_uyuan_per_kw_year(reference_uyuan_per_kw_year: int, recovery_ppm: int) -> int:
    """Return 330 r, what an approved price is compared with and never replaced by (row 113)."""
    return divide_half_up(reference_uyuan_per_kw_year * recovery_ppm, PPM)


def capped_capacity_price(price_uyuan_per_kw_year: int, cap_uyuan_per_kw_year: int) -> int:
    """Return a capacity price that has a ceiling (row 118).

    :raises SystemOperationError: if it is negative or above the ceiling
    """
    if not 0 <= price_uyuan_per_kw_year <= cap_uyuan_per_kw_year:
        raise SystemOperationError(
            f"row 118: {price_uyuan_per_kw_year} micro-yuan/kW-year is above the ceiling of {cap_uyuan_per_kw_year} "
            "or negative; load the approved storage capacity price"
        )
    return price_uyuan_per_kw_year


def storage_capacity_price_uyuan_per_kw_year(
    reference_uyuan_per_kw_year: int, *, duration_min: int, longest_net_peak_min: int
) -> int:
    """Return reference times min(1, duration / longest net peak), rounded half-up (发改价格〔2026〕114号).

    :raises SystemOperationError: if a duration is negative or the longest net peak is not positive
    """
    if duration_min < 0 or longest_net_peak_min <= 0:
        raise SystemOperationError("outside rules: no storage capacity price; load duration and longest net peak")
    counted = min(duration_min, longest_net_peak_min)
    return divide_half_up(reference_uyuan_per_kw_year * counted, longest_net_peak_min)


def monthly_capacity_fee_nano_yuan(price_uyuan_per_kw_year: int, power_w: int) -> int:
    """Return P / 12 times declared output or installed capacity, rounded half-up once (rows 114, 116, 118).

    :raises SystemOperationError: if the price or the power is negative
    """
    if price_uyuan_per_kw_year < 0 or power_w < 0:
        raise SystemOperationError("row 114: a capacity price or power is negative; load the declared one")
    return divide_half_up(price_uyuan_per_kw_year * power_w, MONTHS_PER_YEAR)


def allocation_rate_uyuan_per_kwh(fee_nano_yuan: int, commercial_energy_wh: int) -> int:
    """Return the month's rate = fee / commercial and industrial energy, rounded half-up once (row 115).

    What the rounded rate collects beyond the fee, or short of it, is carried by the item's pass-through account.

    :raises SystemOperationError: if there is no energy
    """
    if commercial_energy_wh <= 0:
        raise SystemOperationError(
            f"row 115: {commercial_energy_wh} Wh to allocate a fee to; load the month's commercial energy"
        )
    return divide_half_up(fee_nano_yuan, commercial_energy_wh)


def allocated_fees_nano_yuan(fee_nano_yuan: int, energy_wh: Sequence[int]) -> list[int]:
    """Return a fee's exact shares by energy, by largest remainder, so that they sum to the fee (row 115).

    :param fee_nano_yuan: a negative one gives money back by the same shares
    :param energy_wh: of each commercial or industrial user, >= 0
    :raises SystemOperationError: if an energy is negative, or there is a fee and no energy
    """
    try:
        return split_exactly(fee_nano_yuan, energy_wh)
    except ShareError as error:
        raise SystemOperationError(f"row 115: {error}; load the month's commercial energy") from None


def rate_change(
    *, fee_before_nano_yuan: int, energy_before_wh: int, fee_after_nano_yuan: int, energy_after_wh: int
) -> RateChange:
    """Return why a rate changed: dFee / Q2 and Fee1 (1 / Q2 - 1 / Q1) (row 117).

    The steps are taken between rounded rates, so that the two effects sum to the change that the bill shows.

    :raises SystemOperationError: if a month has no energy
    """
    before = allocation_rate_uyuan_per_kwh(fee_before_nano_yuan, energy_before_wh)
    old_fee_new_energy = allocation_rate_uyuan_per_kwh(fee_before_nano_yuan, energy_after_wh)
    after = allocation_rate_uyuan_per_kwh(fee_after_nano_yuan, energy_after_wh)
    return RateChange(before, after, after - old_fee_new_energy, old_fee_new_energy - before)
