"""Events that set what the market knows: rules, participants, units, quotas, earlier contracts (rows 3, 8, 43-45)."""

from msgspec.structs import replace

from edge.contract.interval import INTERVALS_PER_DAY
from hub.market.listing.curves import decompose
from hub.market.listing.deals import frozen
from hub.market.listing.events import LoadContract, SetParticipant, SetQuota, SetRules, SetUnit
from hub.market.listing.market_state import Contract, Market, Step
from hub.market.listing.outcomes import Recorded, RefusalReason
from hub.market.listing.quota import Change, month_parts, moved
from hub.market.registry.participant_classes import Direction


def set_rules(market: Market, event: SetRules) -> Step:
    """Add a version of a province's rules; versions of one province never overlap."""
    if any(rules.version_id == event.version_id for rules in market.rules):
        return RefusalReason.ID_TAKEN
    calendar, window = event.calendar, event.window
    is_in_order = calendar.first_day <= calendar.last_day and not event.effective.is_empty()
    if not is_in_order or (window is not None and not 0 <= window.last_days_ahead <= window.first_days_ahead):
        return RefusalReason.BAD_DATES
    if any(rules.province == event.province and rules.effective.overlaps(event.effective) for rules in market.rules):
        return RefusalReason.RULES_OVERLAP
    products = [row.product for row in event.roles]
    classes = [row.participant_class for row in event.turnover]
    if len(set(products)) < len(products) or len(set(classes)) < len(classes):
        return RefusalReason.DUPLICATE_RULE
    return replace(market, rules=(*market.rules, event)), (Recorded(event.version_id),)


def set_participant(market: Market, event: SetParticipant) -> Step:
    """Set who a participant is and whether it may trade from now on."""
    before = market.participants.get(event.participant_id)
    changes_class = before is not None and before.participant_class is not event.participant_class
    if event.participant_id in market.units or changes_class:
        return RefusalReason.ID_TAKEN
    participants = market.participants.put(event.participant_id, event)
    return replace(market, participants=participants), (Recorded(event.participant_id),)


def set_unit(market: Market, event: SetUnit) -> Step:
    """Set a generating unit and whose it is."""
    if event.unit_id in market.participants:
        return RefusalReason.ID_TAKEN
    if event.participant_id not in market.participants:
        return RefusalReason.UNKNOWN_PARTICIPANT
    owners, before = market.traders_with_units, market.units.get(event.unit_id)
    if before is not None and before.participant_id != event.participant_id:
        return RefusalReason.FOREIGN_UNIT
    owners = owners.put(event.participant_id, 1)
    units = market.units.put(event.unit_id, event)
    return replace(market, units=units, traders_with_units=owners), (Recorded(event.unit_id),)


def set_quota(market: Market, event: SetQuota) -> Step:
    """Set the limits of a holder's delivery month; deals made before are checked against them after the session."""
    if event.holder_id not in market.units and event.holder_id not in market.participants:
        return RefusalReason.UNKNOWN_PARTICIPANT
    caps = (event.net_sell_cap_wh, event.net_buy_cap_wh, event.interval_sell_cap_wh, event.interval_buy_cap_wh)
    if not 1 <= event.month % 100 <= 12 or any(cap is not None and cap < 0 for cap in caps):
        return RefusalReason.BAD_QUOTA
    limits = market.limits.put((event.holder_id, event.month), event)
    return replace(market, limits=limits), (Recorded(event.holder_id),)


def load_contract(market: Market, event: LoadContract) -> Step:
    """Add a contract from before: it counts in positions and, if it is annual, may be transferred."""
    if event.contract_id in market.contracts:
        return RefusalReason.ID_TAKEN
    sides = ((event.seller_holder_id, Direction.SELL), (event.buyer_holder_id, Direction.BUY))
    for holder_id, _ in sides:
        if holder_id is not None and holder_id not in market.units and holder_id not in market.participants:
            return RefusalReason.UNKNOWN_PARTICIPANT
    if event.delivery.days <= 0:
        return RefusalReason.BAD_DATES
    if is_bad_lot(event.energy_wh, event.step_wh, event.periods_per_day):
        return RefusalReason.BAD_LOT
    periods_wh = decompose(
        event.energy_wh, event.delivery, event.curve, periods_per_day=event.periods_per_day, step_wh=event.step_wh
    )
    if isinstance(periods_wh, RefusalReason):
        return periods_wh
    parts = month_parts(event.delivery, periods_wh, periods_per_day=event.periods_per_day)
    positions = market.positions
    for holder_id, direction in sides:
        if holder_id is not None:
            positions = moved(positions, holder_id, parts, direction, Change.TRADE)
    contract = Contract(
        contract_id=event.contract_id,
        product=event.product,
        seller_holder_id=event.seller_holder_id,
        buyer_holder_id=event.buyer_holder_id,
        delivery=event.delivery,
        price_uyuan_per_kwh=event.price_uyuan_per_kwh,
        periods_per_day=event.periods_per_day,
        periods_wh=frozen(periods_wh),
        open_periods_wh=periods_wh,
        is_loaded=True,
    )
    contracts = market.contracts.put(event.contract_id, contract)
    return replace(market, positions=positions, contracts=contracts), (Recorded(event.contract_id),)


def is_bad_lot(lot_wh: int, step_wh: int, periods_per_day: int) -> bool:
    """Return whether energies cannot be split to intervals exactly.

    A day has a whole number of intervals a period, a step a whole Wh an interval, and a lot a whole number of steps.
    """
    if periods_per_day <= 0 or INTERVALS_PER_DAY % periods_per_day or step_wh <= 0 or lot_wh <= 0:
        return True
    return bool(step_wh % (INTERVALS_PER_DAY // periods_per_day) or lot_wh % step_wh)
