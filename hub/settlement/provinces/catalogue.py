"""The closed catalogue of what can be loaded for a province: unit, requirements row, keys and what to load.

A parameter that is not here cannot be loaded or asked for. Who forms a price (row 98) belongs to the parameter, so
that no document can call an approved price something else. Parameters of outside rules have row 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from hub.settlement.prices import Origin
from hub.settlement.provinces.quantities import (
    APPARENT_POWER,
    CAPACITY_PRICE,
    COMPONENTS,
    DEMAND_PRICE,
    DURATION,
    ENERGY_PRICE,
    FACTOR,
    MILEAGE_PRICE,
    UTILISATION,
    VOLTAGE,
    WORD,
    YEARLY_PRICE,
    YEARS,
    Quantity,
)

KEY_NAMES = ("voltage_class", "tariff_type", "period", "item", "month")
"""All keys by which values of one parameter are told apart, in the order of version ids. No key names a user."""


class ProvincialParameter(Enum):
    """What can be loaded, by its name in documents."""

    # Network prices and the basic charge (rows 97, 101-109)
    NETWORK_TARIFF = "network_tariff"
    CAPACITY_PRICE = "capacity_price"
    DEMAND_PRICE = "demand_price"
    DEMAND_TO_CAPACITY_RATIO = "demand_to_capacity_ratio"
    BASIC_PRICE_STEP = "basic_price_step"
    SINGLE_TARIFF_CAPACITY_MAX = "single_tariff_capacity_max"
    TWO_PART_TARIFF_CAPACITY_MIN = "two_part_tariff_capacity_min"
    UTILISATION_REBATE_THRESHOLD = "utilisation_rebate_threshold"
    UTILISATION_REBATE_FACTOR = "utilisation_rebate_factor"
    DG_RANGE_EQUALITY = "dg_range_equality"
    POWER_FACTOR_STANDARD = "power_factor_standard"
    POWER_FACTOR_STEP = "power_factor_step"
    AVERAGE_LOAD_RATE = "average_load_rate"
    # Agency price table (rows 94, 95, 110, 165)
    AGENCY_ENERGY = "agency_energy"
    AGENCY_ENERGY_PART = "agency_energy_part"
    UPSTREAM_LOSS = "upstream_loss"
    UPSTREAM_LOSS_RATE = "upstream_loss_rate"
    LOSS_RATE_CONVENTION = "loss_rate_convention"
    LOSS_FEE = "loss_fee"
    SYSTEM_OPERATION = "system_operation"
    SYSTEM_OPERATION_ITEM = "system_operation_item"
    GOVERNMENT_FUNDS = "government_funds"
    GOVERNMENT_FUND_PART = "government_fund_part"
    TOU_PRICE = "tou_price"
    AGENCY_PENALTY_FACTOR = "agency_penalty_factor"
    NO_CONTRACT_FACTOR = "no_contract_factor"
    GUARANTEED_PRICE = "guaranteed_price"
    # Time of use (rows 66-70, 75-77; outside rules 0)
    TOU_FACTOR = "tou_factor"
    FLOATING_COMPONENTS = "floating_components"
    FLOATING_ENERGY_PART = "floating_energy_part"
    TOU_REGIME = "tou_regime"
    RETAIL_FLAT_DURATION_MIN = "retail_flat_duration_min"
    RETAIL_PEAK_FACTOR_ABOVE = "retail_peak_factor_above"
    RETAIL_VALLEY_FACTOR_BELOW = "retail_valley_factor_below"
    PERIOD_LIMIT_BENCHMARK_RATIO = "period_limit_benchmark_ratio"
    PERIOD_LIMIT_RATIO = "period_limit_ratio"
    PERIOD_FLOAT_RATIO_READING = "period_float_ratio_reading"
    RETAIL_CAP_UPLIFT = "retail_cap_uplift"
    GENERATOR_FLOAT_UP_MIN = "generator_float_up_min"
    GENERATOR_FLOAT_DOWN_MIN = "generator_float_down_min"
    ANNUAL_CONTRACT_FACTOR = "annual_contract_factor"
    COAL_BENCHMARK = "coal_benchmark"
    # System operation (rows 113-118)
    COAL_CAPACITY_PRICE = "coal_capacity_price"
    CAPACITY_COST_REFERENCE = "capacity_cost_reference"
    CAPACITY_COST_RECOVERY = "capacity_cost_recovery"
    PUMPED_STORAGE_CAPACITY_PRICE = "pumped_storage_capacity_price"
    GAS_CAPACITY_PRICE = "gas_capacity_price"
    STORAGE_CAPACITY_PRICE_MAX = "storage_capacity_price_max"
    STORAGE_CAPACITY_REFERENCE = "storage_capacity_reference"
    # Retail (rows 81-86)
    ANNUAL_PRICE_REFERENCE = "annual_price_reference"
    ANNUAL_PRICE_FLOOR = "annual_price_floor"
    ANNUAL_PRICE_CAP = "annual_price_cap"
    LINKED_SHARE_MIN = "linked_share_min"
    FIXED_PRICE_CAP_FACTOR = "fixed_price_cap_factor"
    CEILING_YEAR_SHARE = "ceiling_year_share"
    DEVIATION_CLAUSE_VOLTAGE_MIN = "deviation_clause_voltage_min"
    # Ancillary services, storage (rows 122-134)
    REGULATION_PRICE_MAX = "regulation_price_max"
    REGULATION_PERFORMANCE_MAX = "regulation_performance_max"
    PRIMARY_FREQUENCY_DEMAND_SHARE = "primary_frequency_demand_share"
    PRIMARY_FREQUENCY_BID_MIN = "primary_frequency_bid_min"
    PRIMARY_FREQUENCY_BID_MAX = "primary_frequency_bid_max"
    ANCILLARY_MEMBER_VOLTAGE_MIN = "ancillary_member_voltage_min"
    STORAGE_PRICE_SOURCE = "storage_price_source"
    STORAGE_COMPENSATION_MAX = "storage_compensation_max"
    STORAGE_COMPENSATION_TERM = "storage_compensation_term"
    STORAGE_COMPENSATION = "storage_compensation"
    STORAGE_LEASE_PRICE = "storage_lease_price"
    STORAGE_LEASE_TERM_MIN = "storage_lease_term_min"
    CURTAILMENT_CHARGE_PRICE = "curtailment_charge_price"
    CURTAILMENT_DISCHARGE_PRICE = "curtailment_discharge_price"
    # Green power, renewables (rows 147-153, 181-184; outside rules 4)
    ENVIRONMENTAL_VALUE_MIN = "environmental_value_min"
    ENVIRONMENTAL_VALUE_MAX = "environmental_value_max"
    ENVIRONMENTAL_VALUE_MIN_HOLDS = "environmental_value_min_holds"
    ENVIRONMENTAL_RETAIL_RULE = "environmental_retail_rule"
    GREEN_DURATION_MAX = "green_duration_max"
    PRIORITY_DURATION = "priority_duration"
    AUTHORISED_PRICE = "authorised_price"
    MECHANISM_PRICE = "mechanism_price"


@dataclass(frozen=True)
class ParameterDefinition:
    """What a parameter is. row: of the requirements, 0 for outside rules; what: an operator has to load.

    origin: who forms the price, None for what is a rule and no price. words: of a parameter that is one of them.
    """

    row: int
    what: str
    quantity: Quantity
    keys: tuple[str, ...]
    origin: Origin | None
    words: tuple[str, ...]


def _define(
    row: int,
    what: str,
    quantity: Quantity,
    *,
    keys: tuple[str, ...] = (),
    origin: Origin | None = None,
    words: tuple[str, ...] = (),
) -> ParameterDefinition:
    assert set(keys) <= set(KEY_NAMES)
    assert bool(words) == (quantity is WORD)
    return ParameterDefinition(row, what, quantity, keys, origin, words)


CATALOGUE: Mapping[ProvincialParameter, ParameterDefinition] = MappingProxyType(
    {
        # Network prices and the basic charge (rows 97, 101-109)
        ProvincialParameter.NETWORK_TARIFF: _define(
            97,
            "the approved volumetric network tariff of this voltage class and tariff type",
            ENERGY_PRICE,
            keys=(
                "voltage_class",
                "tariff_type",
            ),
            origin=Origin.GOV_APPROVED,
        ),
        ProvincialParameter.CAPACITY_PRICE: _define(
            109,
            "the approved capacity price of this voltage class in yuan/kVA-month",
            CAPACITY_PRICE,
            keys=("voltage_class",),
            origin=Origin.GOV_APPROVED,
        ),
        ProvincialParameter.DEMAND_PRICE: _define(
            109,
            "the approved demand price of this voltage class in yuan/kW-month",
            DEMAND_PRICE,
            keys=("voltage_class",),
            origin=Origin.GOV_APPROVED,
        ),
        ProvincialParameter.DEMAND_TO_CAPACITY_RATIO: _define(
            102, "the ratio of demand price to capacity price", FACTOR
        ),
        ProvincialParameter.BASIC_PRICE_STEP: _define(
            102, "the step to which approved basic prices are rounded", CAPACITY_PRICE
        ),
        ProvincialParameter.SINGLE_TARIFF_CAPACITY_MAX: _define(
            101, "the capacity up to which only the single tariff applies", APPARENT_POWER
        ),
        ProvincialParameter.TWO_PART_TARIFF_CAPACITY_MIN: _define(
            101, "the capacity from which only the two-part tariff applies", APPARENT_POWER
        ),
        ProvincialParameter.UTILISATION_REBATE_THRESHOLD: _define(
            103, "the monthly energy per capacity from which the demand price is reduced", UTILISATION
        ),
        ProvincialParameter.UTILISATION_REBATE_FACTOR: _define(
            103, "the factor on the demand price at high utilisation", FACTOR
        ),
        ProvincialParameter.DG_RANGE_EQUALITY: _define(
            28,
            "which network fee applies where distributed generation equals the area's average load",
            WORD,
            words=("own-level", "level-above"),
        ),
        ProvincialParameter.POWER_FACTOR_STANDARD: _define(
            0, "the standard power factor of this user (1983 rule)", FACTOR
        ),
        ProvincialParameter.POWER_FACTOR_STEP: _define(
            0, "the adjustment per 0.01 of power factor of this band (1983 rule)", FACTOR, keys=("item",)
        ),
        ProvincialParameter.AVERAGE_LOAD_RATE: _define(
            0, "the province's average load rate for projects that consume nearby", FACTOR
        ),
        # Agency price table (rows 94, 95, 110, 165)
        ProvincialParameter.AGENCY_ENERGY: _define(
            165,
            "the month's agency purchase energy price from the agency price table",
            ENERGY_PRICE,
            origin=Origin.MARKET,
        ),
        ProvincialParameter.AGENCY_ENERGY_PART: _define(
            165,
            "this part of the agency energy price from the agency price table",
            ENERGY_PRICE,
            keys=("item",),
            origin=Origin.MARKET,
        ),
        ProvincialParameter.UPSTREAM_LOSS: _define(
            110,
            "the month's upstream line-loss fee from the agency price table",
            ENERGY_PRICE,
            origin=Origin.PUBLISHED_RATE,
        ),
        ProvincialParameter.UPSTREAM_LOSS_RATE: _define(
            110, "the published comprehensive line-loss rate", FACTOR, origin=Origin.PUBLISHED_RATE
        ),
        ProvincialParameter.LOSS_RATE_CONVENTION: _define(
            110, "to which energy the published loss rate refers", WORD, words=("input-based", "output-based")
        ),
        ProvincialParameter.LOSS_FEE: _define(
            111, "the county's line-loss fee on users' metered energy", ENERGY_PRICE, origin=Origin.PUBLISHED_RATE
        ),
        ProvincialParameter.SYSTEM_OPERATION: _define(
            95, "the month's system operation charge from the agency price table", ENERGY_PRICE, origin=Origin.ALLOCATED
        ),
        ProvincialParameter.SYSTEM_OPERATION_ITEM: _define(
            95, "the month's rate of this system operation item", ENERGY_PRICE, keys=("item",), origin=Origin.ALLOCATED
        ),
        ProvincialParameter.GOVERNMENT_FUNDS: _define(
            94, "the government funds and surcharges", ENERGY_PRICE, origin=Origin.GOV_APPROVED
        ),
        ProvincialParameter.GOVERNMENT_FUND_PART: _define(
            94, "this government fund", ENERGY_PRICE, keys=("item",), origin=Origin.GOV_APPROVED
        ),
        ProvincialParameter.TOU_PRICE: _define(
            165,
            "the published price of this period from the agency price table",
            ENERGY_PRICE,
            keys=(
                "voltage_class",
                "tariff_type",
                "period",
            ),
            origin=Origin.PUBLISHED_RATE,
        ),
        ProvincialParameter.AGENCY_PENALTY_FACTOR: _define(
            169, "the factor on the agency price of users who left the market", FACTOR
        ),
        ProvincialParameter.NO_CONTRACT_FACTOR: _define(
            64, "the factor on the real-time mean of users without a contract", FACTOR
        ),
        ProvincialParameter.GUARANTEED_PRICE: _define(
            96, "the guaranteed all-in price of residents and agriculture", ENERGY_PRICE, origin=Origin.GOV_APPROVED
        ),
        # Time of use (rows 66-70, 75-77; outside rules 0)
        ProvincialParameter.TOU_FACTOR: _define(
            66, "the coefficient of this period on the floating part", FACTOR, keys=("period",)
        ),
        ProvincialParameter.FLOATING_COMPONENTS: _define(
            67, "which price components float with the period", COMPONENTS
        ),
        ProvincialParameter.FLOATING_ENERGY_PART: _define(
            67,
            "whether the energy price floats whole or without its historic deviation part",
            WORD,
            words=("whole", "without-history"),
        ),
        ProvincialParameter.TOU_REGIME: _define(
            65,
            "whether government periods or the market's curve price this supply mode",
            WORD,
            keys=("item",),
            words=("government", "market-curve"),
        ),
        ProvincialParameter.RETAIL_FLAT_DURATION_MIN: _define(69, "the least flat time of a retail package", DURATION),
        ProvincialParameter.RETAIL_PEAK_FACTOR_ABOVE: _define(
            70, "the coefficient above which a retail package's peak must lie in this month", FACTOR, keys=("month",)
        ),
        ProvincialParameter.RETAIL_VALLEY_FACTOR_BELOW: _define(
            70, "the coefficient below which a retail package's valley must lie in this month", FACTOR, keys=("month",)
        ),
        ProvincialParameter.PERIOD_LIMIT_BENCHMARK_RATIO: _define(
            75, "the band around the coal benchmark in period limits", FACTOR
        ),
        ProvincialParameter.PERIOD_LIMIT_RATIO: _define(
            75, "the band around the period's price in period limits", FACTOR
        ),
        ProvincialParameter.PERIOD_FLOAT_RATIO_READING: _define(
            75, "how a signed float ratio is read in period limits", WORD, words=("magnitude", "non-negative")
        ),
        ProvincialParameter.RETAIL_CAP_UPLIFT: _define(
            76, "the uplift of the retail ceiling over the quarterly mean", FACTOR
        ),
        ProvincialParameter.GENERATOR_FLOAT_UP_MIN: _define(
            77, "the least rise of this technology's peak price", FACTOR, keys=("item",)
        ),
        ProvincialParameter.GENERATOR_FLOAT_DOWN_MIN: _define(
            77, "the least fall of this technology's valley price", FACTOR, keys=("item",)
        ),
        ProvincialParameter.ANNUAL_CONTRACT_FACTOR: _define(
            89, "the coefficient of this period in annual contracts", FACTOR, keys=("period",)
        ),
        ProvincialParameter.COAL_BENCHMARK: _define(75, "the coal benchmark price", ENERGY_PRICE),
        # System operation (rows 113-118)
        ProvincialParameter.COAL_CAPACITY_PRICE: _define(
            113, "the approved coal capacity price in yuan/kW-year", YEARLY_PRICE, origin=Origin.ALLOCATED
        ),
        ProvincialParameter.CAPACITY_COST_REFERENCE: _define(
            113, "the reference of fixed cost in yuan/kW-year", YEARLY_PRICE
        ),
        ProvincialParameter.CAPACITY_COST_RECOVERY: _define(
            113, "the share of the fixed cost that capacity prices recover", FACTOR
        ),
        ProvincialParameter.PUMPED_STORAGE_CAPACITY_PRICE: _define(
            116,
            "the approved capacity price of this pumped-storage plant",
            YEARLY_PRICE,
            keys=("item",),
            origin=Origin.GOV_APPROVED,
        ),
        ProvincialParameter.GAS_CAPACITY_PRICE: _define(
            118, "the approved gas capacity price in yuan/kW-year", YEARLY_PRICE, origin=Origin.ALLOCATED
        ),
        ProvincialParameter.STORAGE_CAPACITY_PRICE_MAX: _define(
            118, "the ceiling of the storage capacity price in yuan/kW-year", YEARLY_PRICE, origin=Origin.ALLOCATED
        ),
        ProvincialParameter.STORAGE_CAPACITY_REFERENCE: _define(
            118, "the reference of the storage capacity price in yuan/kW-year", YEARLY_PRICE
        ),
        # Retail (rows 81-86)
        ProvincialParameter.ANNUAL_PRICE_REFERENCE: _define(82, "the reference price of annual trading", ENERGY_PRICE),
        ProvincialParameter.ANNUAL_PRICE_FLOOR: _define(82, "the floor of annual trading", ENERGY_PRICE),
        ProvincialParameter.ANNUAL_PRICE_CAP: _define(82, "the cap of annual trading", ENERGY_PRICE),
        ProvincialParameter.LINKED_SHARE_MIN: _define(81, "the least market-linked share of a retail package", FACTOR),
        ProvincialParameter.FIXED_PRICE_CAP_FACTOR: _define(
            83, "the ceiling of a fixed retail price as a multiple of the coal benchmark", FACTOR
        ),
        ProvincialParameter.CEILING_YEAR_SHARE: _define(
            84, "the share of the annual price in the optional ceiling", FACTOR
        ),
        ProvincialParameter.DEVIATION_CLAUSE_VOLTAGE_MIN: _define(
            86, "the voltage from which a deviation clause is on by default", VOLTAGE
        ),
        # Ancillary services, storage (rows 122-134)
        ProvincialParameter.REGULATION_PRICE_MAX: _define(
            122, "the ceiling of the regulation price in yuan/kW of mileage", MILEAGE_PRICE
        ),
        ProvincialParameter.REGULATION_PERFORMANCE_MAX: _define(122, "the ceiling of the performance factor K", FACTOR),
        ProvincialParameter.PRIMARY_FREQUENCY_DEMAND_SHARE: _define(
            126, "the primary frequency demand as a share of renewable output", FACTOR
        ),
        ProvincialParameter.PRIMARY_FREQUENCY_BID_MIN: _define(
            126, "the least bid for primary frequency", MILEAGE_PRICE
        ),
        ProvincialParameter.PRIMARY_FREQUENCY_BID_MAX: _define(
            126, "the highest bid for primary frequency", MILEAGE_PRICE
        ),
        ProvincialParameter.ANCILLARY_MEMBER_VOLTAGE_MIN: _define(
            127, "the voltage from which distributed generation shares ancillary cost", VOLTAGE
        ),
        ProvincialParameter.STORAGE_PRICE_SOURCE: _define(
            129, "which price storage has in this direction", WORD, keys=("item",), words=("NODE", "TOU", "UNIFIED")
        ),
        ProvincialParameter.STORAGE_COMPENSATION_MAX: _define(
            130, "the ceiling of storage compensation on discharged energy", ENERGY_PRICE
        ),
        ProvincialParameter.STORAGE_COMPENSATION_TERM: _define(130, "for how long storage is compensated", YEARS),
        ProvincialParameter.STORAGE_COMPENSATION: _define(
            131, "the storage compensation on discharged energy of this year", ENERGY_PRICE
        ),
        ProvincialParameter.STORAGE_LEASE_PRICE: _define(
            132, "the reference price of leased storage in yuan/kW-year", YEARLY_PRICE
        ),
        ProvincialParameter.STORAGE_LEASE_TERM_MIN: _define(132, "the least term of a storage lease", YEARS),
        ProvincialParameter.CURTAILMENT_CHARGE_PRICE: _define(
            133, "the compensation of charging on order", ENERGY_PRICE
        ),
        ProvincialParameter.CURTAILMENT_DISCHARGE_PRICE: _define(
            133, "the price of discharging what was charged on order", ENERGY_PRICE
        ),
        # Green power, renewables (rows 147-153, 181-184; outside rules 4)
        ProvincialParameter.ENVIRONMENTAL_VALUE_MIN: _define(147, "the least environmental value", ENERGY_PRICE),
        ProvincialParameter.ENVIRONMENTAL_VALUE_MAX: _define(147, "the highest environmental value", ENERGY_PRICE),
        ProvincialParameter.ENVIRONMENTAL_VALUE_MIN_HOLDS: _define(
            147, "whether the least environmental value itself is allowed", WORD, words=("inclusive", "exclusive")
        ),
        ProvincialParameter.ENVIRONMENTAL_RETAIL_RULE: _define(
            149, "whether retail passes the environmental value on as it is", WORD, words=("EQUAL", "FREE")
        ),
        ProvincialParameter.GREEN_DURATION_MAX: _define(
            153, "the annual full-load time of this technology that may be sold green", DURATION, keys=("item",)
        ),
        ProvincialParameter.PRIORITY_DURATION: _define(
            181, "the annual full-load time of this technology that is guaranteed", DURATION, keys=("item",)
        ),
        ProvincialParameter.AUTHORISED_PRICE: _define(
            182, "the authorised price beyond the priority hours", ENERGY_PRICE
        ),
        ProvincialParameter.MECHANISM_PRICE: _define(
            0, "the mechanism price of this class of project", ENERGY_PRICE, keys=("item",)
        ),
    }
)
assert set(CATALOGUE) == set(ProvincialParameter)
