"""The basic charge's rules as the library holds them: thresholds, rebate, and the check of a price pair.

Sources: requirements rows 101, 102, 103. They are national data unless a province has its own.
"""

from datetime import date

from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library
from hub.settlement.tariffs.basic_charge import TariffThresholds, UtilisationRebate, is_consistent_price_pair


def load_thresholds(library: Library, *, province: str, day: date) -> TariffThresholds:
    """Return the capacities at which the tariff type is fixed (row 101).

    :raises hub.settlement.provinces.library.LibraryError: if one is missing
    """
    single = library.value(ProvincialParameter.SINGLE_TARIFF_CAPACITY_MAX, province=province, day=day)
    two_part = library.value(ProvincialParameter.TWO_PART_TARIFF_CAPACITY_MIN, province=province, day=day)
    return TariffThresholds(single.value, two_part.value)


def load_rebate(library: Library, *, province: str, day: date) -> UtilisationRebate:
    """Return the rebate at high utilisation (row 103).

    :raises hub.settlement.provinces.library.LibraryError: if it is missing
    """
    threshold = library.value(ProvincialParameter.UTILISATION_REBATE_THRESHOLD, province=province, day=day)
    factor = library.value(ProvincialParameter.UTILISATION_REBATE_FACTOR, province=province, day=day)
    return UtilisationRebate(threshold.value, factor.value)


def inconsistent_price_pairs(library: Library, *, province: str, day: date) -> list[str]:
    """Return the voltage classes whose approved capacity and demand prices do not fit each other (row 102).

    :raises hub.settlement.provinces.library.LibraryError: if the ratio or the step is missing
    """
    capacity = library.values_by("voltage_class", ProvincialParameter.CAPACITY_PRICE, province=province, day=day)
    demand = library.values_by("voltage_class", ProvincialParameter.DEMAND_PRICE, province=province, day=day)
    ratio = library.value(ProvincialParameter.DEMAND_TO_CAPACITY_RATIO, province=province, day=day)
    step = library.value(ProvincialParameter.BASIC_PRICE_STEP, province=province, day=day)
    return [
        voltage_class
        for voltage_class, price in capacity.items()
        if voltage_class in demand
        and not is_consistent_price_pair(
            capacity_uyuan_per_kva=price.value,
            demand_uyuan_per_kw=demand[voltage_class].value,
            ratio_ppm=ratio.value,
            step_uyuan=step.value,
        )
    ]
