"""What the library says of one class of users in one month: prices, periods, curve, thresholds; looked up once.

A county has some dozen classes and tens of thousands of metering points, and a lookup costs more than a bill's
arithmetic. Every value is looked up when it is first wanted, so that what a bill does not need is not refused.
Sources: requirements rows 65, 94, 96, 101, 103, 165.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from edge.contract.registry import SupplyMode, UserCategory
from hub.market.registry.periods import next_month
from hub.market.trades import Int8Array
from hub.settlement.bills.bill import BillError, PriceSource
from hub.settlement.columns import read_only
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.keys import PeriodKind, TariffType
from hub.settlement.provinces.library import Library, Loaded
from hub.settlement.tariffs.basic_charge import TariffThresholds, UtilisationRebate
from hub.settlement.tariffs.basic_charge_rules import load_rebate, load_thresholds
from hub.settlement.tariffs.price_table import PriceTable, load_price_table
from hub.settlement.tariffs.tou_calendar import DayPeriods, TariffUser, book_of_library, day_periods
from hub.settlement.tariffs.tou_supply import PricingCurve, pricing_rule
from hub.settlement.tariffs.user_price import pays_system_operation


@dataclass(frozen=True)
class UserClass:
    """What a metering point's prices and periods depend on. user_class: the province's own word.

    capacity_va: of all transformers together; what a calendar may ask for (row 73).
    """

    province: str
    category: UserCategory
    voltage_class: str
    tariff_type: TariffType
    user_class: str
    capacity_va: int
    supply_mode: SupplyMode


@dataclass(frozen=True)
class ClassMonth:
    """The values of a class in a month, named by its first day; each raises LibraryError where it is missing."""

    library: Library
    month: date
    of: UserClass

    @property
    def last_day(self) -> date:
        """Return the last day of the month."""
        return next_month(self.month) - timedelta(days=1)

    @cached_property
    def table(self) -> PriceTable | None:
        """Return the month's price table; None where the five components are not charged (row 96).

        :raises BillError: if the prices change within the month
        """
        if not pays_system_operation(self.of.category):
            return None
        first, last = (
            load_price_table(
                self.library,
                province=self.of.province,
                day=day,
                voltage_class=self.of.voltage_class,
                tariff_type=self.of.tariff_type,
            )
            for day in (self.month, self.last_day)
        )
        if _versions(first) != _versions(last):
            raise BillError(f"row 165 on {self.last_day}: prices change within the month; load one case for each part")
        return first

    @cached_property
    def days(self) -> tuple[DayPeriods, ...]:
        """Return the periods of each day of the month; empty where the five components are not charged."""
        if self.table is None:
            return ()
        user = TariffUser(self.of.voltage_class, self.of.tariff_type, self.of.user_class, self.of.capacity_va)
        book = book_of_library(self.library, self.of.province)
        n_days = (next_month(self.month) - self.month).days
        return tuple(day_periods(book, user, self.month + timedelta(days=number)) for number in range(n_days))

    @cached_property
    def calendar_versions(self) -> tuple[str, ...]:
        """Return the calendars and overlays of the month's days, in order of first use."""
        return tuple(dict.fromkeys(version for day in self.days for version in day.version_ids))

    @cached_property
    def kinds_of_month(self) -> frozenset[int]:
        """Return the kinds of period that the month has."""
        return frozenset(kind for day in self.days for kind in set(day.kinds.tolist()))

    @cached_property
    def kinds(self) -> Int8Array:
        """Return the kind of every interval, shape (n_days, 96); all FLAT where there are no periods."""
        n_days = (next_month(self.month) - self.month).days
        if not self.days:
            return read_only(np.full((n_days, 96), PeriodKind.FLAT, np.int8))
        return read_only(np.stack([day.kinds for day in self.days]))

    @cached_property
    def curve(self) -> PricingCurve:
        """Return who prices the periods of the supply mode."""
        return pricing_rule(
            self.library, province=self.of.province, day=self.month, supply_mode=self.of.supply_mode
        ).curve

    @cached_property
    def guaranteed_price(self) -> Loaded:
        """Return the all-in price of residents and agriculture."""
        return self.library.value(ProvincialParameter.GUARANTEED_PRICE, province=self.of.province, day=self.month)

    @cached_property
    def thresholds(self) -> TariffThresholds:
        """Return which capacity has which tariff types (row 101)."""
        return load_thresholds(self.library, province=self.of.province, day=self.month)

    @cached_property
    def rebate(self) -> UtilisationRebate | None:
        """Return the rebate at high utilisation (row 103)."""
        return load_rebate(self.library, province=self.of.province, day=self.month)

    @cached_property
    def sources(self) -> Mapping[str, PriceSource]:
        """Return where each version of the library comes from, by version id."""
        loaded = (one for versions in self.library.series.values() for one in versions)
        return {one.version_id: _source(one) for one in loaded}


def _versions(table: PriceTable) -> list[str]:
    loaded = [*table.component.values(), *table.published.values(), table.capacity_price, table.demand_price]
    return [one.version_id for one in loaded if one is not None]


def _source(loaded: Loaded) -> PriceSource:
    return PriceSource(
        loaded.version_id,
        loaded.parameter.value,
        loaded.text,
        loaded.document,
        loaded.source,
        loaded.mark.value,
        tuple(value for _, value in loaded.keys),
        loaded.effective_from,
        loaded.effective_to,
    )
