"""How the orders of a metering point must look on a day: what the registry says of its participant (rows 11, 60)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from edge.contract.registry import Registry
from hub.market.registry.listing_standing import bidding_mode_on
from hub.market.registry.participant_classes import BiddingMode, ParticipantClass
from hub.market.registry.provincial_rules import RuleNotSetError, VirtualPlantCurve, rule_in_force
from hub.market.registry.register import Register, only_county, province_of


@dataclass(frozen=True, slots=True)
class BiddingTerms:
    """states_price: whether its orders name a price of their own; otherwise they take any, as the session's limits say.

    curve: of a virtual power plant, whose purchases of an interval are one falling curve; None for all others.
    """

    states_price: bool
    curve: VirtualPlantCurve | None


FREE = BiddingTerms(states_price=True, curve=None)
"""Of whom the registry says nothing."""


def bidding_terms(devices: Registry, register: Register, day: date) -> Mapping[str, BiddingTerms]:
    """Return the terms of the metering points that are not free, by meter id.

    A participant that the registry does not know, has no mode of, or whose province has set no rule, is free.
    """
    county = only_county(register)
    if county is None:
        return {}
    province = province_of(register, county)
    terms = {name: _terms(register, name, province, day) for name in register.participants}
    found = {point.meter_id: terms.get(point.participant_id, FREE) for point in devices.metering_points}
    return {meter_id: one for meter_id, one in found.items() if one != FREE}


def _terms(register: Register, participant_id: str, province: str, day: date) -> BiddingTerms:
    try:
        states_price = bidding_mode_on(register, participant_id, province, day) is BiddingMode.QUANTITY_AND_PRICE
    except RuleNotSetError:
        states_price = True
    curve: VirtualPlantCurve | None = None
    if register.participants[participant_id].participant_class is ParticipantClass.VIRTUAL_POWER_PLANT:
        try:
            curve, _ = rule_in_force(register.rules.values(), VirtualPlantCurve, province=province, day=day)
        except RuleNotSetError:
            curve = None
    return BiddingTerms(states_price, curve)
