"""May this participant do this here? Eligibility, roles, units, prices, lots, times: rows 3, 6-8, 33, 34, 36, 40, 58.

Each function returns the first rule that is broken, or None. They read the state and change nothing.
"""

from datetime import datetime

import numpy as np
from msgspec.structs import replace

from edge.contract.interval import INTERVALS_PER_DAY
from hub.market.listing.curves import by_interval
from hub.market.listing.events import AnnounceSession, SetParticipant, SetRules, SetUnit
from hub.market.listing.market_state import Deal, Market, SessionState, Trader
from hub.market.listing.outcomes import RefusalReason
from hub.market.listing.products import THERMAL, DeliveryRule, ProductDefinition
from hub.market.listing.session_calendar import Delivery, day_of, in_window
from hub.market.listing.states import State
from hub.market.registry.participant_classes import STORAGE_CLASSES, Direction
from hub.market.trades import BoolArray, Int8Array, Int64Array

_INTERVALS_PER_HOUR = 4
_LOCK_SIGN = {Direction.SELL: 1, Direction.BUY: -1}


def trading_refusal(session: SessionState, at: datetime) -> RefusalReason | None:
    """Return why nobody may trade in the session now: its state, and the announced times."""
    if session.state is not State.SESSION_OPEN:
        return RefusalReason.WRONG_STATE
    return RefusalReason.GATE_CLOSED if at >= session.terms.closes_at else None


def trader_refusal(
    market: Market, session: SessionState, trader: Trader, direction: Direction, *, takes: bool
) -> RefusalReason | None:
    """Return why the trader may not go this way in this session (rows 3, 6, 8, 33, 34).

    :param takes: whether it takes; what a product asks of units binds those who take
    """
    participant = market.participants.get(trader.participant_id)
    if participant is None:
        return RefusalReason.UNKNOWN_PARTICIPANT
    reason = standing_refusal(participant) or _role_refusal(participant, session, direction)
    if reason is not None:
        return reason
    if trader.unit_id is None:
        needs_unit = (takes and session.definition.takes_by_unit) or trader.participant_id in market.traders_with_units
        return RefusalReason.UNIT_REQUIRED if needs_unit else None
    unit = market.units.get(trader.unit_id)
    if unit is None:
        return RefusalReason.UNKNOWN_UNIT
    return _unit_refusal(unit, trader, session, takes=takes)


def standing_refusal(participant: SetParticipant) -> RefusalReason | None:
    """Return why a participant may not trade: eligible = access_ok and registered and not suspended (row 3)."""
    checks = (
        (not participant.access_ok, RefusalReason.NO_ACCESS),
        (not participant.registered, RefusalReason.NOT_REGISTERED),
        (participant.suspended, RefusalReason.SUSPENDED),
    )
    return next((reason for is_broken, reason in checks if is_broken), None)


def delivery_refusal(session: SessionState, delivery: Delivery, at: datetime) -> RefusalReason | None:
    """Return why these days cannot be delivered from this session today (rows 31, 32, 58)."""
    if delivery.days <= 0 or not delivery.within(session.terms.delivery):
        return RefusalReason.OUTSIDE_DELIVERY
    return window_refusal(session.rules, session.definition, delivery, at)


def window_refusal(
    rules: SetRules, definition: ProductDefinition, delivery: Delivery, at: datetime
) -> RefusalReason | None:
    """Return why a multi-day product's days cannot be traded today; takes are held to it as listings are (row 58)."""
    if definition.delivery is not DeliveryRule.DAYS_AHEAD:
        return None
    if rules.window is None:
        return RefusalReason.NO_WINDOW
    return None if in_window(rules.window, day_of(at), delivery) else RefusalReason.OUTSIDE_WINDOW


def energy_refusal(energy_wh: int, lot_wh: int) -> RefusalReason | None:
    """Return why the energy is not a positive number of lots (row 36)."""
    if energy_wh <= 0:
        return RefusalReason.NOT_POSITIVE
    return RefusalReason.OFF_LOT if energy_wh % lot_wh else None


def price_refusal(terms: AnnounceSession, price_uyuan_per_kwh: int) -> RefusalReason | None:
    """Return why the price breaks the session's limits; ticks count from the floor (rows 36, 41)."""
    limits = terms.price_limits
    checks = (
        (price_uyuan_per_kwh > limits.cap_uyuan_per_kwh, RefusalReason.ABOVE_CAP),
        (price_uyuan_per_kwh < limits.floor_uyuan_per_kwh, RefusalReason.BELOW_FLOOR),
        (
            (price_uyuan_per_kwh - limits.floor_uyuan_per_kwh) % limits.tick_uyuan_per_kwh != 0,
            RefusalReason.OFF_TICK,
        ),
    )
    return next((reason for is_broken, reason in checks if is_broken), None)


def has_locks(market: Market, trader: Trader) -> bool:
    """Return whether the trader is storage, whose first deal fixes its direction hour by hour (row 7)."""
    return market.participants[trader.participant_id].participant_class in STORAGE_CLASSES


def lock_refusal(
    market: Market,
    session: SessionState,
    trader: Trader,
    direction: Direction,
    *,
    delivery: Delivery,
    periods_wh: Int64Array,
) -> RefusalReason | None:
    """Return whether an earlier deal of this session fixed the other direction in an hour that the curve touches."""
    if not has_locks(market, trader):
        return None
    lock = session.locks.get(trader.participant_id)
    if lock is None:
        return None
    rows = _hour_rows(session, delivery)
    against = (lock[rows] == -_LOCK_SIGN[direction]) & _hours_touched(session, periods_wh)
    return RefusalReason.DIRECTION_LOCKED if bool(against.any()) else None


def locked_by_deal(market: Market, session: SessionState, deal: Deal) -> SessionState:
    """Return the session with the hours locked that the deal is the first to touch, for each side that is storage."""
    locks = session.locks
    for trader, direction in deal.sides():
        if not has_locks(market, trader):
            continue
        lock = locks.get(trader.participant_id)
        hours = session.terms.delivery.days * INTERVALS_PER_DAY // _INTERVALS_PER_HOUR
        changed: Int8Array = np.zeros(hours, np.int8) if lock is None else lock.copy()
        part = changed[_hour_rows(session, deal.delivery)]
        part[(part == 0) & _hours_touched(session, deal.periods_wh)] = _LOCK_SIGN[direction]
        changed.flags.writeable = False
        locks = locks.put(trader.participant_id, changed)
    return replace(session, locks=locks)


def _role_refusal(participant: SetParticipant, session: SessionState, direction: Direction) -> RefusalReason | None:
    """Return why a class may not go this way in the product, or has no rule for its turnover (rows 6, 44)."""
    rules, its_class = session.rules, participant.participant_class
    roles = next((row for row in rules.roles if row.product is session.terms.product), None)
    if roles is None or its_class not in (roles.may_sell if direction is Direction.SELL else roles.may_buy):
        return RefusalReason.WRONG_ROLE
    has_multiple = any(row.participant_class is its_class for row in rules.turnover)
    return None if has_multiple or its_class in rules.quota_free else RefusalReason.NO_TURNOVER_RULE


def _unit_refusal(unit: SetUnit, trader: Trader, session: SessionState, *, takes: bool) -> RefusalReason | None:
    definition, trading_day = session.definition, day_of(session.terms.opens_at)
    is_commissioned = unit.commissioned_on is not None and unit.commissioned_on <= trading_day
    allowed = definition.take_technologies
    checks = (
        (unit.participant_id != trader.participant_id, RefusalReason.FOREIGN_UNIT),
        (takes and allowed is not None and unit.technology not in allowed, RefusalReason.WRONG_TECHNOLOGY),
        (takes and definition.direct_units_only and not unit.direct, RefusalReason.NOT_DIRECT),
        (
            unit.technology in THERMAL and not is_commissioned and not definition.uncommissioned_thermal,
            RefusalReason.NOT_COMMISSIONED,
        ),
    )
    return next((reason for is_broken, reason in checks if is_broken), None)


def _hour_rows(session: SessionState, delivery: Delivery) -> slice:
    hours_per_day = INTERVALS_PER_DAY // _INTERVALS_PER_HOUR
    first_day = (delivery.from_day - session.terms.delivery.from_day).days
    return slice(first_day * hours_per_day, (first_day + delivery.days) * hours_per_day)


def _hours_touched(session: SessionState, periods_wh: Int64Array) -> BoolArray:
    intervals = by_interval(periods_wh, periods_per_day=session.terms.periods_per_day)
    return np.asarray((intervals.reshape(-1, _INTERVALS_PER_HOUR) > 0).any(axis=1), dtype=np.bool_)
