"""Who prices a user's periods: the government's calendar or the market's curve, by supply mode and date.

Sources: outside rules, section 0 (发改能源规〔2025〕1656号: from 2026-03-01 users who trade directly have no government
periods); requirements trap 20 and row 2 (one supply mode at a time). What is not known of a mode is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import pairwise

from edge.contract.registry import SupplyMode
from hub.market.registry.periods import Period
from hub.settlement.prices import ParameterError
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library


class PricingCurve(Enum):
    """What tells a user's periods and their prices apart."""

    GOVERNMENT = "government"
    MARKET = "market-curve"


class SupplyModeError(ParameterError):
    """Supply modes that overlap or leave a day out; the text names the row, the day and what to load."""


@dataclass(frozen=True)
class SupplyPeriod:
    """A metering point's supply mode and its days."""

    supply_mode: SupplyMode
    period: Period


@dataclass(frozen=True)
class PricingRule:
    """The curve that prices a supply mode on a day, and the version that says so."""

    curve: PricingCurve
    version_id: str


def pricing_rule(library: Library, *, province: str, day: date, supply_mode: SupplyMode) -> PricingRule:
    """Return whether the government's periods or the market's curve price the supply mode on the day.

    :raises hub.settlement.provinces.library.LibraryError: if that is not known or not confirmed
    """
    parameter = ProvincialParameter.TOU_REGIME
    loaded = library.value(parameter, province=province, day=day, item=supply_mode)
    curve = PricingCurve(library.word(parameter, province=province, day=day, item=supply_mode))
    return PricingRule(curve, loaded.version_id)


def supply_mode_on(periods: Sequence[SupplyPeriod], day: date, *, metering_point: str) -> SupplyMode:
    """Return the one supply mode of the metering point on the day (row 2).

    :raises SupplyModeError: if two modes overlap, on this or any other day, or none holds
    """
    ordered = sorted(periods, key=lambda one: one.period.from_day)
    for earlier, later in pairwise(ordered):
        if earlier.period.overlaps(later.period):
            modes = f"{earlier.supply_mode.value} and {later.supply_mode.value}"
            raise SupplyModeError(
                f"row 2 on {later.period.from_day}: {metering_point} is supplied by {modes}; load the end of the first"
            )
    for one in ordered:
        if one.period.holds(day):
            return one.supply_mode
    raise SupplyModeError(f"row 2 on {day}: {metering_point} has no supply mode; load its election")
