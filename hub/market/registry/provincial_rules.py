"""Provincial rules as data: each version with province, days in force, document and source (requirements row 190).

A rule that a province has not set has no default; what needs it is refused (outside rules: unverified facts).
"""

from collections.abc import Iterable
from datetime import date
from typing import TypeVar

import msgspec

from edge.contract.registry import SaleMode, SellerClass, SupplyMode, UserCategory
from hub.market.registry.participant_classes import (
    BiddingMode,
    MarketStage,
    ParticipantClass,
)
from hub.market.registry.periods import Period


class _Rule(msgspec.Struct, frozen=True, tag_field="rule", forbid_unknown_fields=True):
    """A rule of any kind; in a document its kind stands in the field `rule`."""


class CapacityBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to be eligible: connection voltage and capacity within limits.

    nets_own_load: the year's maximum own load is deducted from the capacity first. needs_local_consumption: the energy
    must be consumed within the connection's voltage level.
    """

    voltage_max_v: int
    capacity_above_w: int
    capacity_max_w: int
    nets_own_load: bool
    needs_local_consumption: bool


class GenerationEligibility(_Rule, frozen=True):
    """Which distributed generation may trade (row 28; outside rules section 1): one band at least must hold."""

    bands: tuple[CapacityBand, ...]


class WholesaleAccess(_Rule, frozen=True):
    """Which users may buy directly (row 9). threshold_wh: annual consumption; None: every user may.

    is_inclusive: the threshold itself is enough.
    """

    threshold_wh: int | None
    is_inclusive: bool


class SupplyChoice(_Rule, frozen=True):
    """How a category of users is supplied without an election, and what it may elect (rows 2, 10, 169)."""

    category: UserCategory
    default: SupplyMode
    allowed: tuple[SupplyMode, ...]


class SaleChoice(_Rule, frozen=True):
    """How a class of sellers sells without an election, and what it may elect (rows 24-29)."""

    seller_class: SellerClass
    default: SaleMode
    allowed: tuple[SaleMode, ...]


class ElectionNotice(_Rule, frozen=True):
    """How long before its first day an election of a sale or supply mode must be recorded (row 29)."""

    supply_days: int
    sale_days: int


class EntryStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From this day on, generation connected at this voltage or above is in the market."""

    voltage_min_v: int
    from_day: date


class MarketEntry(_Rule, frozen=True):
    """Market entry of distributed generation by voltage and date (row 142)."""

    steps: tuple[EntryStep, ...]


class BiddingChoice(_Rule, frozen=True):
    """The bidding mode of a class and what it may choose (row 60); a choice holds from the next month on."""

    participant_class: ParticipantClass
    default: BiddingMode
    allowed: tuple[BiddingMode, ...]


class SpotLimits(_Rule, frozen=True):
    """Spot price limits and the ceiling of demand-response compensation (row 59), micro-yuan/kWh.

    waiver: the document that allows a spot ceiling below the demand-response ceiling; None: there is none.
    """

    spot_floor_uyuan_per_kwh: int
    spot_cap_uyuan_per_kwh: int
    demand_response_cap_uyuan_per_kwh: int
    waiver: str | None


class SpotStage(_Rule, frozen=True):
    """How far the province's spot market has come (row 63), by the number of the stage, 1 to 6."""

    stage: MarketStage


class ArmSeparation(_Rule, frozen=True):
    """Whether a utility's arms need legal identities of their own (row 4). Accounts are apart in any case."""

    needs_own_legal_identity: bool


class VirtualPlantCurve(_Rule, frozen=True):
    """How many steps a virtual power plant's curve may have (row 11)."""

    segments_min: int
    segments_max: int


class RetailerActivity(_Rule, frozen=True):
    """What a retailer must trade in a year to stay (row 13)."""

    traded_min_wh: int


Rule = (
    GenerationEligibility
    | WholesaleAccess
    | SupplyChoice
    | SaleChoice
    | ElectionNotice
    | MarketEntry
    | BiddingChoice
    | SpotLimits
    | SpotStage
    | ArmSeparation
    | VirtualPlantCurve
    | RetailerActivity
)
RuleT = TypeVar("RuleT", bound=_Rule)


class RuleVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of one rule. version_id: what results that rest on it name. document: number of the legal act."""

    version_id: str
    province: str
    period: Period
    document: str
    source: str
    rule: Rule


class RuleNotSetError(LookupError):
    """The province has no such rule in force on that day."""


def scope_of(rule: Rule) -> str:
    """Return what the rule is about: of two versions of one scope and province only one is in force on a day."""
    name = type(rule).__name__
    match rule:
        case SupplyChoice():
            return f"{name}/{rule.category.value}"
        case SaleChoice():
            return f"{name}/{rule.seller_class.value}"
        case BiddingChoice():
            return f"{name}/{rule.participant_class.value}"
        case _:
            return name


def rule_in_force(
    versions: Iterable[RuleVersion], kind: type[RuleT], *, province: str, day: date, key: str = ""
) -> tuple[RuleT, str]:
    """Return the province's rule of a kind on the day, and the id of its version.

    :param key: what rules of this kind are told apart by: a category, a class or a product; "" if there is one only
    :raises RuleNotSetError: if none is in force
    """
    scope = f"{kind.__name__}/{key}" if key else kind.__name__
    for version in versions:
        rule = version.rule
        is_wanted = version.province == province and version.period.holds(day) and scope_of(version.rule) == scope
        if is_wanted and isinstance(rule, kind):
            return rule, version.version_id
    raise RuleNotSetError(f"{province} has no rule {scope} in force on {day}")


def contradictions(rule: Rule) -> list[str]:
    """Return what is wrong with a rule by itself, empty if nothing is: the check of a configuration (row 59)."""
    match rule:
        case SpotLimits():
            return _spot_contradictions(rule)
        case SupplyChoice() | SaleChoice() | BiddingChoice():
            return [] if rule.default in rule.allowed else [f"the default {rule.default.value} is not allowed"]
        case VirtualPlantCurve():
            in_order = 1 <= rule.segments_min <= rule.segments_max
            return [] if in_order else [f"{rule.segments_min} to {rule.segments_max} segments are no range"]
        case ElectionNotice():
            return [] if min(rule.supply_days, rule.sale_days) >= 0 else ["a notice is negative"]
        case _:
            return []


def _spot_contradictions(rule: SpotLimits) -> list[str]:
    found = []
    if rule.spot_floor_uyuan_per_kwh > rule.spot_cap_uyuan_per_kwh:
        found.append(f"the floor {rule.spot_floor_uyuan_per_kwh} is above the cap {rule.spot_cap_uyuan_per_kwh}")
    if rule.spot_cap_uyuan_per_kwh < rule.demand_response_cap_uyuan_per_kwh and rule.waiver is None:
        found.append(
            f"the spot cap {rule.spot_cap_uyuan_per_kwh} is below the demand-response cap "
            f"{rule.demand_response_cap_uyuan_per_kwh} without a waiver"
        )
    return found


def trades_continuously(stage: MarketStage) -> bool:
    """Return whether the stage counts as continuous (row 63): D-7 to D-2 trading opens, peak shaving closes."""
    return stage.value >= MarketStage.UNINTERRUPTED.value
