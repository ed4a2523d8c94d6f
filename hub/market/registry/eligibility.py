"""Who may trade what, by size, voltage, consumption, date and admission: provincial thresholds applied.

Sources: outside rules section 1 (the 2017 pilot notice); requirements rows 3, 9, 142.
"""

from collections.abc import Iterable
from datetime import date

from hub.market.registry.participant_classes import (
    LISTING_CLASSES,
    ParticipantClass,
    ParticipantStatus,
)
from hub.market.registry.provincial_rules import (
    CapacityBand,
    GenerationEligibility,
    MarketEntry,
    RuleNotSetError,
    RuleVersion,
    WholesaleAccess,
    rule_in_force,
)


def is_eligible_generation(
    rule: GenerationEligibility,
    *,
    voltage_v: int,
    installed_capacity_w: int,
    own_load_max_w: int,
    is_consumed_within_level: bool,
) -> bool:
    """Return whether one of the rule's bands holds for a plant.

    Capacity counts less the year's greatest own load where the band says so, else as installed.
    """

    def holds(band: CapacityBand) -> bool:
        capacity_w = installed_capacity_w - own_load_max_w if band.nets_own_load else installed_capacity_w
        return (
            voltage_v <= band.voltage_max_v
            and band.capacity_above_w < capacity_w <= band.capacity_max_w
            and (is_consumed_within_level or not band.needs_local_consumption)
        )

    return any(holds(band) for band in rule.bands)


def has_wholesale_access(rule: WholesaleAccess, annual_consumption_wh: int) -> bool:
    """Return whether a user may buy directly (row 9)."""
    if rule.threshold_wh is None:
        return True
    if rule.is_inclusive:
        return annual_consumption_wh >= rule.threshold_wh
    return annual_consumption_wh > rule.threshold_wh


def is_in_market(rules: Iterable[RuleVersion], *, province: str, voltage_v: int, day: date) -> bool:
    """Return whether distributed generation at this voltage is in the market on the day (row 142).

    A province without a rule on market entry lets all of it in; where it has one, what no step names is a price taker
    outside the market.
    """
    try:
        rule, _ = rule_in_force(rules, MarketEntry, province=province, day=day)
    except RuleNotSetError:
        return True
    return any(voltage_v >= step.voltage_min_v and day >= step.from_day for step in rule.steps)


def may_list(participant_class: ParticipantClass, status: ParticipantStatus | None) -> bool:
    """Return whether a participant may list or take: a class that the rules name, admitted, not suspended (row 3)."""
    return participant_class in LISTING_CLASSES and status is ParticipantStatus.ADMITTED
