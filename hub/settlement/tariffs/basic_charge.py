"""Tariff type by capacity, and the capacity or demand charge of the two-part tariff.

Sources: requirements rows 101 (thresholds), 102 (consistency of the two prices), 103 (rebate at high utilisation), 104
(advice), 105, 109 (units, pro rata by days). Power is W or VA, a basic price micro-yuan per kW or kVA and month, and
their product nano-yuan. Approved numbers are loaded; here they are only checked and used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from hub.market.registry.periods import Period, next_month
from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up
from hub.settlement.provinces.keys import TariffType

RULE_VERSION_CAPACITY = "capacity-charge-1"
RULE_VERSION_DEMAND = "demand-charge-1"


class BasicChargeError(ValueError):
    """Quantities or prices of which there is no basic charge; the text names the row."""


class BasicChargeMode(Enum):
    """What the basic charge of a two-part tariff is measured by; elected by the user."""

    CAPACITY = "CAPACITY"
    DEMAND = "DEMAND"


@dataclass(frozen=True)
class TariffThresholds:
    """Row 101: up to `single_max_va` the single tariff only, from `two_part_min_va` the two-part tariff only."""

    single_max_va: int
    two_part_min_va: int


@dataclass(frozen=True)
class UtilisationRebate:
    """Row 103: from `threshold_wh_per_va` a month on, the demand price is multiplied by `factor_ppm`."""

    threshold_wh_per_va: int
    factor_ppm: int


@dataclass(frozen=True)
class CapacityPeriod:
    """The total transformer capacity in use on days of a month."""

    capacity_va: int
    period: Period


@dataclass(frozen=True)
class ElectionAdvice:
    """Both charges of a month, and which is cheaper; equal charges leave capacity (row 104).

    break_even_ppm: the ratio of maximum demand to capacity below which demand is cheaper at this month's prices.
    """

    capacity_nano_yuan: int
    demand_nano_yuan: int
    cheaper: BasicChargeMode
    break_even_ppm: int


def allowed_tariff_types(capacity_va: int, thresholds: TariffThresholds) -> tuple[TariffType, ...]:
    """Return the tariff types of a contracted capacity: one, or both where the user chooses (row 101).

    :raises BasicChargeError: if the capacity is not positive or the thresholds are no range
    """
    if thresholds.two_part_min_va <= thresholds.single_max_va:
        raise BasicChargeError("row 101: the thresholds leave no range between them; load them again")
    if capacity_va <= 0:
        raise BasicChargeError(f"row 101: a contracted capacity of {capacity_va} VA")
    if capacity_va <= thresholds.single_max_va:
        return (TariffType.SINGLE,)
    if capacity_va >= thresholds.two_part_min_va:
        return (TariffType.TWO_PART,)
    return (TariffType.SINGLE, TariffType.TWO_PART)


def is_consistent_price_pair(
    *, capacity_uyuan_per_kva: int, demand_uyuan_per_kw: int, ratio_ppm: int, step_uyuan: int
) -> bool:
    """Return whether one of the two approved prices is the other by the ratio, rounded to the step (row 102).

    42.0 / 1.6 = 26.25 is 26.3 in steps of 0.1 yuan. The pair is used as approved in any case.
    """
    rounded_capacity = divide_half_up(demand_uyuan_per_kw * PPM, ratio_ppm * step_uyuan) * step_uyuan
    rounded_demand = divide_half_up(capacity_uyuan_per_kva * ratio_ppm, PPM * step_uyuan) * step_uyuan
    return rounded_capacity == capacity_uyuan_per_kva or rounded_demand == demand_uyuan_per_kw


def capacity_charge_nano_yuan(capacity_va: int, price_uyuan_per_kva: int) -> int:
    """Return S P_cap of a month; the rebate of row 103 never applies here.

    :raises BasicChargeError: if the capacity or the price is negative
    """
    _refuse_negative(109, capacity=capacity_va, price=price_uyuan_per_kva)
    return capacity_va * price_uyuan_per_kva


def capacity_charge_by_days_nano_yuan(
    capacities: Sequence[CapacityPeriod], month: date, price_uyuan_per_kva: int
) -> int:
    """Return the capacity charge of a month in which the capacity changes: pro rata by days, rounded once (row 109).

    One period for the whole month gives S P_cap exactly.

    :param month: its first day
    :param capacities: in order of days, together the month, each day once
    :raises BasicChargeError: if they leave a day out or count one twice, or a capacity or price is negative
    """
    expected, end, weight = month, next_month(month), 0
    for one in capacities:
        if one.period.from_day != expected or one.period.until_day is None or one.period.is_empty():
            raise BasicChargeError(f"row 109 on {expected}: no capacity, or two; load the capacity of each day once")
        _refuse_negative(109, capacity=one.capacity_va)
        weight += one.capacity_va * (one.period.until_day - one.period.from_day).days
        expected = one.period.until_day
    if expected != end:
        raise BasicChargeError(f"row 109 on {expected}: the capacities do not end with the month; load the rest")
    _refuse_negative(109, price=price_uyuan_per_kva)
    return divide_half_up(weight * price_uyuan_per_kva, (end - month).days)


def demand_price_uyuan_per_kw(
    *, price_uyuan_per_kw: int, energy_wh: int, capacity_va: int, rebate: UtilisationRebate | None
) -> int:
    """Return the demand price of a month: times the factor where E / S reaches the threshold (row 103).

    :param energy_wh: the month's metered energy; capacity_va: all transformers together
    :param rebate: None where the province has none
    :raises BasicChargeError: if energy, capacity or price is negative, or the capacity is zero
    """
    _refuse_negative(103, energy=energy_wh, capacity=capacity_va, price=price_uyuan_per_kw)
    if capacity_va == 0:
        raise BasicChargeError("row 103: no transformer capacity; load the user's capacity")
    if rebate is None or energy_wh < rebate.threshold_wh_per_va * capacity_va:
        return price_uyuan_per_kw
    return divide_half_up(price_uyuan_per_kw * rebate.factor_ppm, PPM)


def demand_charge_nano_yuan(
    *,
    demand_w: int,
    price_uyuan_per_kw: int,
    energy_wh: int,
    capacity_va: int,
    rebate: UtilisationRebate | None,
) -> int:
    """Return D_max P_dem with the rebate (row 103).

    :param demand_w: the month's maximum demand
    :raises BasicChargeError: if demand, energy, capacity or price is negative, or the capacity is zero
    """
    _refuse_negative(103, demand=demand_w)
    price = demand_price_uyuan_per_kw(
        price_uyuan_per_kw=price_uyuan_per_kw, energy_wh=energy_wh, capacity_va=capacity_va, rebate=rebate
    )
    return demand_w * price


def election_advice(
    *,
    capacity_va: int,
    demand_w: int,
    energy_wh: int,
    capacity_uyuan_per_kva: int,
    demand_uyuan_per_kw: int,
    rebate: UtilisationRebate | None,
) -> ElectionAdvice:
    """Return both charges and the advice (row 104): demand is cheaper iff D / S < P_cap / P_dem.

    :raises BasicChargeError: if a quantity or price is negative, or the capacity or the demand price is zero
    """
    by_capacity = capacity_charge_nano_yuan(capacity_va, capacity_uyuan_per_kva)
    price = demand_price_uyuan_per_kw(
        price_uyuan_per_kw=demand_uyuan_per_kw, energy_wh=energy_wh, capacity_va=capacity_va, rebate=rebate
    )
    _refuse_negative(104, demand=demand_w)
    if price == 0:
        raise BasicChargeError("row 104: the demand price is zero; load the approved one")
    by_demand = demand_w * price
    cheaper = BasicChargeMode.DEMAND if by_demand < by_capacity else BasicChargeMode.CAPACITY
    break_even = divide_half_up(capacity_uyuan_per_kva * PPM, price)
    return ElectionAdvice(by_capacity, by_demand, cheaper, break_even)


def price_excess_ppm(price_uyuan: int, other_uyuan: int) -> int:
    """Return by how much a price lies above another, ppm, rounded half-up: low over high voltage (row 105).

    :param other_uyuan: > 0
    """
    assert other_uyuan > 0
    return divide_half_up(price_uyuan * PPM, other_uyuan) - PPM


def _refuse_negative(row: int, **values: int) -> None:
    for name, value in values.items():
        if value < 0:
            raise BasicChargeError(f"row {row}: the {name} is {value}, which is negative; load the metered one")
