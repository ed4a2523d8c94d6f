"""A province's rules of storage of a day, from the dated library (requirements rows 129 to 133).

What a province has not set is refused with the row, the day and what to load.
"""

from datetime import date

from hub.settlement.provinces.catalogue import CATALOGUE, ProvincialParameter
from hub.settlement.provinces.library import Library, Loaded
from hub.settlement.storage.capacity_compensation import CompensationRules, LeaseRules
from hub.settlement.storage.dual_role import PriceSource, StoragePriceRules
from hub.settlement.storage.ordered_charging import OrderedChargingRules

_MONTHS_PER_YEAR = 12


def storage_price_rules_on(library: Library, *, province: str, day: date) -> StoragePriceRules:
    """Return whose price each direction takes (row 129).

    :raises LibraryError: if a direction is not set
    """
    parameter = ProvincialParameter.STORAGE_PRICE_SOURCE
    charge, discharge = (
        library.value(parameter, province=province, day=day, item=item) for item in ("charge", "discharge")
    )
    words = CATALOGUE[parameter].words
    return StoragePriceRules(
        province=province,
        versions=(charge.version_id, discharge.version_id),
        charge=PriceSource(words[charge.value]),
        discharge=PriceSource(words[discharge.value]),
    )


def compensation_rules_on(
    library: Library, *, province: str, day: date, superseded_on: date | None = None
) -> CompensationRules:
    """Return the ceiling and the term of compensation by discharged energy (row 130).

    :param superseded_on: since when a later capacity policy holds, None while there is none
    :raises LibraryError: if the province has none
    """
    ceiling = library.value(ProvincialParameter.STORAGE_COMPENSATION_MAX, province=province, day=day)
    term = library.value(ProvincialParameter.STORAGE_COMPENSATION_TERM, province=province, day=day)
    return CompensationRules(
        province=province,
        versions=(ceiling.version_id, term.version_id),
        ceiling_uyuan_per_kwh=ceiling.value,
        term_months=term.value * _MONTHS_PER_YEAR,
        superseded_on=superseded_on,
    )


def compensation_rate_on(library: Library, *, province: str, day: date) -> Loaded:
    """Return the year's published compensation, micro-yuan/kWh (row 131).

    :raises LibraryError: if none is published for the year
    """
    return library.value(ProvincialParameter.STORAGE_COMPENSATION, province=province, day=day)


def lease_rules_on(library: Library, *, province: str, day: date) -> LeaseRules:
    """Return the reference price and the least term of a lease (row 132).

    :raises LibraryError: if the province has none
    """
    price = library.value(ProvincialParameter.STORAGE_LEASE_PRICE, province=province, day=day)
    term = library.value(ProvincialParameter.STORAGE_LEASE_TERM_MIN, province=province, day=day)
    return LeaseRules(
        province=province,
        versions=(price.version_id, term.version_id),
        reference_uyuan_per_kw_year=price.value,
        years_min=term.value,
    )


def ordered_charging_rules_on(library: Library, *, province: str, day: date) -> OrderedChargingRules:
    """Return the prices of ordered charging and of its discharge (row 133).

    :raises LibraryError: if the province has none
    """
    charge = library.value(ProvincialParameter.CURTAILMENT_CHARGE_PRICE, province=province, day=day)
    discharge = library.value(ProvincialParameter.CURTAILMENT_DISCHARGE_PRICE, province=province, day=day)
    return OrderedChargingRules(
        province=province,
        versions=(charge.version_id, discharge.version_id),
        charge_uyuan_per_kwh=charge.value,
        discharge_uyuan_per_kwh=discharge.value,
    )
