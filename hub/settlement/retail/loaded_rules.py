"""A province's retail rules of a day, from the dated library (requirements rows 81 to 84, 86)."""

from datetime import date

from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library
from hub.settlement.retail.retail_rules import RetailRules

_FIELDS = {
    "fixed_floor_uyuan_per_kwh": ProvincialParameter.ANNUAL_PRICE_FLOOR,
    "fixed_cap_uyuan_per_kwh": ProvincialParameter.ANNUAL_PRICE_CAP,
    "coal_factor_ppm": ProvincialParameter.FIXED_PRICE_CAP_FACTOR,
    "coal_benchmark_uyuan_per_kwh": ProvincialParameter.COAL_BENCHMARK,
    "linked_share_min_ppm": ProvincialParameter.LINKED_SHARE_MIN,
    "ceiling_year_weight_ppm": ProvincialParameter.CEILING_YEAR_SHARE,
    "deviation_off_below_v": ProvincialParameter.DEVIATION_CLAUSE_VOLTAGE_MIN,
}


def retail_rules_on(
    library: Library,
    *,
    province: str,
    day: date,
    limited_period: str | None = None,
    ceiling_uplift_max_ppm: int | None = None,
    warn_fixed_uyuan_per_kwh: int | None = None,
    warn_market_share_ppm: int | None = None,
) -> RetailRules:
    """Return the province's rules; what it has not set is None.

    :param limited_period, ceiling_uplift_max_ppm, warn_*: what no document of the library holds yet
    :raises LibraryError: if a value is unverified and not confirmed
    """
    loaded = {name: library.value_if_set(parameter, province=province, day=day) for name, parameter in _FIELDS.items()}
    return RetailRules(
        province=province,
        versions=tuple(one.version_id for one in loaded.values() if one is not None),
        limited_period=limited_period,
        ceiling_uplift_max_ppm=ceiling_uplift_max_ppm,
        warn_fixed_uyuan_per_kwh=warn_fixed_uyuan_per_kwh,
        warn_market_share_ppm=warn_market_share_ppm,
        **{name: None if one is None else one.value for name, one in loaded.items()},
    )
