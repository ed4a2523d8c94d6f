"""A province's rules of ancillary services of a day, from the dated library (rows 121 to 124, 126, 127)."""

from datetime import date

from hub.settlement.ancillary.cost_allocation import AllocationRules
from hub.settlement.ancillary.service_offers import AncillaryProduct, AncillaryRules, PriceBand
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library, Loaded


def ancillary_rules_on(
    library: Library,
    *,
    province: str,
    day: date,
    parity_uyuan_per_kwh: int | None,
    energy_cap_uyuan_per_kwh: int | None,
) -> AncillaryRules:
    """Return the price bands that the province has; a product without one is refused when it is offered.

    :param parity_uyuan_per_kwh: the local parity on-grid price of renewables, peak shaving's cap (row 121)
    :param energy_cap_uyuan_per_kwh: the energy market's cap, the reserve's too (row 123)
    :raises LibraryError: if a value is unverified and not confirmed
    """

    def loaded(parameter: ProvincialParameter) -> Loaded | None:
        return library.value_if_set(parameter, province=province, day=day)

    regulation, performance = (
        loaded(ProvincialParameter.REGULATION_PRICE_MAX),
        loaded(ProvincialParameter.REGULATION_PERFORMANCE_MAX),
    )
    share = loaded(ProvincialParameter.PRIMARY_FREQUENCY_DEMAND_SHARE)
    bid_min, bid_max = (
        loaded(ProvincialParameter.PRIMARY_FREQUENCY_BID_MIN),
        loaded(ProvincialParameter.PRIMARY_FREQUENCY_BID_MAX),
    )
    bands = {}
    if parity_uyuan_per_kwh is not None:
        bands[AncillaryProduct.PEAK_SHAVING] = PriceBand(0, parity_uyuan_per_kwh)
    if energy_cap_uyuan_per_kwh is not None:
        bands[AncillaryProduct.RESERVE] = PriceBand(0, energy_cap_uyuan_per_kwh)
    if regulation is not None:
        bands[AncillaryProduct.REGULATION] = PriceBand(0, regulation.value)
    if bid_min is not None and bid_max is not None:
        bands[AncillaryProduct.PRIMARY_FREQUENCY] = PriceBand(bid_min.value, bid_max.value)
    found = (regulation, performance, share, bid_min, bid_max)
    return AncillaryRules(
        province=province,
        versions=tuple(one.version_id for one in found if one is not None),
        price_band=bands,
        performance_cap_ppm=None if performance is None else performance.value,
        primary_share_ppm=None if share is None else share.value,
    )


def allocation_rules_on(
    library: Library, *, province: str, day: date, user_share_ppm: int | None = None
) -> AllocationRules:
    """Return how the province shares the cost.

    :param user_share_ppm: the price department's ratio, None: by energy (row 124); no document of the library holds it
    :raises LibraryError: if a value is unverified and not confirmed
    """
    limit = library.value_if_set(ProvincialParameter.ANCILLARY_MEMBER_VOLTAGE_MIN, province=province, day=day)
    return AllocationRules(
        province=province,
        versions=() if limit is None else (limit.version_id,),
        user_share_ppm=user_share_ppm,
        distributed_min_v=None if limit is None else limit.value,
    )
