"""A province's rules of renewable energy of a day, from the dated library (rows 181, 182; outside rules 4, 7).

What a province has not set is refused with the row, the day and what to load.
"""

from datetime import date

from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.keys import TariffType
from hub.settlement.provinces.library import Library
from hub.settlement.renewables.direct_supply import NearbyRules
from hub.settlement.renewables.volume_split import ByHours, VolumePrices


def guaranteed_time_on(library: Library, *, province: str, day: date, plant_kind: str) -> tuple[ByHours, str]:
    """Return the guaranteed time of full load in a year, and its version id (row 181).

    :param plant_kind: the catalogue's item, such as "pv" or "concession-wind"
    :raises LibraryError: if the province has none
    """
    time = library.value(ProvincialParameter.PRIORITY_DURATION, province=province, day=day, item=plant_kind)
    return ByHours(time.value), time.version_id


def volume_prices_on(library: Library, *, province: str, day: date, is_rest_authorised: bool) -> VolumePrices:
    """Return the coal benchmark for the guaranteed volume, and the authorised price for the rest (row 182).

    :param is_rest_authorised: whether the rest is paid an authorised price; else it is sold in the market
    :raises LibraryError: if the province has no such price
    """
    loaded = [library.value(ProvincialParameter.COAL_BENCHMARK, province=province, day=day)]
    if is_rest_authorised:
        loaded.append(library.value(ProvincialParameter.AUTHORISED_PRICE, province=province, day=day))
    return VolumePrices(
        versions=tuple(one.version_id for one in loaded),
        guaranteed_uyuan_per_kwh=loaded[0].value,
        beyond_uyuan_per_kwh=loaded[1].value if is_rest_authorised else None,
    )


def nearby_rules_on(
    library: Library, *, province: str, day: date, voltage_class: str, hours_per_month: int
) -> NearbyRules:
    """Return the monthly fee's prices and the province's average load rate (outside rules 7).

    :param hours_per_month: what the document counts a month as
    :raises LibraryError: if the province has no such value
    """
    capacity = library.value(
        ProvincialParameter.CAPACITY_PRICE, province=province, day=day, voltage_class=voltage_class
    )
    volumetric = library.value(
        ProvincialParameter.NETWORK_TARIFF,
        province=province,
        day=day,
        voltage_class=voltage_class,
        tariff_type=TariffType.TWO_PART,
    )
    load_rate = library.value(ProvincialParameter.AVERAGE_LOAD_RATE, province=province, day=day)
    return NearbyRules(
        province=province,
        versions=(capacity.version_id, volumetric.version_id, load_rate.version_id),
        capacity_uyuan_per_kva_month=capacity.value,
        volumetric_uyuan_per_kwh=volumetric.value,
        load_rate_ppm=load_rate.value,
        hours_per_month=hours_per_month,
    )
