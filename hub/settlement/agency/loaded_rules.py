"""A province's factors on users without a contract of a day, from the dated library (outside rules 9, 12)."""

from datetime import date

from hub.settlement.agency.user_prices import SurchargeRules
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library


def surcharge_rules_on(library: Library, *, province: str, day: date) -> SurchargeRules:
    """Return the factors in force; what the province has not set is None, and refused where it is needed.

    :raises LibraryError: if a value is unverified and not confirmed
    """
    agency = library.value_if_set(ProvincialParameter.AGENCY_PENALTY_FACTOR, province=province, day=day)
    no_contract = library.value_if_set(ProvincialParameter.NO_CONTRACT_FACTOR, province=province, day=day)
    return SurchargeRules(
        province=province,
        versions=tuple(one.version_id for one in (agency, no_contract) if one is not None),
        agency_factor_ppm=None if agency is None else agency.value,
        no_contract_factor_ppm=None if no_contract is None else no_contract.value,
    )
