"""Quotas: monthly net, monthly turnover and net per interval, jointly over all sessions (rows 43-46).

A holder is a unit, or a participant that has none. Its position of a delivery month counts what it sold and bought by
published results and what is open: its listings, its gathered takes and its deals that are not yet published, whole and
in each 15-minute interval. The check is the worst case: everything open is taken and stands, and what is open the other
way gives no room. So no cancelled deal can leave a holder beyond a limit that it kept before.
"""

from collections.abc import Iterable
from enum import Enum

import msgspec
import numpy as np
from msgspec.structs import replace

from edge.contract.interval import INTERVALS_PER_DAY
from hub.market.listing.curves import by_interval
from hub.market.listing.events import SetQuota
from hub.market.listing.outcomes import RefusalReason
from hub.market.listing.persistent_map import PersistentMap
from hub.market.listing.session_calendar import Delivery, intervals_of_month, month_slices
from hub.market.registry.participant_classes import STORAGE_CLASSES, Direction, ParticipantClass
from hub.market.trades import NO_LIMIT_WH, Int64Array

_PERMILLE = 1000
_TWO_WAY_CLASSES = frozenset({*STORAGE_CLASSES, ParticipantClass.VIRTUAL_POWER_PLANT})
_BUYING_CLASSES = frozenset({ParticipantClass.RETAILER, ParticipantClass.WHOLESALE_USER, ParticipantClass.POWER_USER})


class Change(Enum):
    """What happens to energy in a position: it is occupied or released, traded or taken back."""

    OCCUPY = (True, 1)
    RELEASE = (True, -1)
    TRADE = (False, 1)
    UNDO = (False, -1)


class MonthPosition(msgspec.Struct, frozen=True):
    """One holder's delivery month. Totals Wh >= 0; interval columns shape (intervals of the month,), Wh.

    net_wh: sold less bought. open: occupied by listings, gathered takes and unpublished deals.
    """

    sold_wh: int
    bought_wh: int
    open_sell_wh: int
    open_buy_wh: int
    net_wh: Int64Array
    interval_open_sell_wh: Int64Array
    interval_open_buy_wh: Int64Array


class MonthPart(msgspec.Struct, frozen=True):
    """The part of an order's or a deal's energy in one delivery month; offset: its first interval in the month."""

    month: int
    energy_wh: int
    offset: int
    interval_wh: Int64Array


class Holder(msgspec.Struct, frozen=True):
    """Whose quota it is. turnover_permille: of its class; is_free: no quota at all (the grid's purchases)."""

    holder_id: str
    participant_class: ParticipantClass
    turnover_permille: int | None
    is_free: bool


Positions = PersistentMap[tuple[str, int], MonthPosition]
Limits = PersistentMap[tuple[str, int], SetQuota]


def empty_position(month: int) -> MonthPosition:
    """Return the position of a month in which nothing was traded."""
    nothing = np.zeros(intervals_of_month(month), np.int64)
    nothing.flags.writeable = False
    return MonthPosition(0, 0, 0, 0, nothing, nothing, nothing)


def month_parts(delivery: Delivery, periods_wh: Int64Array, *, periods_per_day: int) -> tuple[MonthPart, ...]:
    """Return a curve's energy month by month, months without energy left out."""
    parts = []
    for one in month_slices(delivery):
        periods = periods_wh[one.from_position * periods_per_day : one.until_position * periods_per_day]
        energy_wh = int(periods.sum())
        if energy_wh:
            intervals = by_interval(periods, periods_per_day=periods_per_day)
            parts.append(MonthPart(one.month, energy_wh, one.first_day_of_month * INTERVALS_PER_DAY, intervals))
    return tuple(parts)


def moved(
    positions: Positions, holder_id: str, parts: Iterable[MonthPart], direction: Direction, change: Change
) -> Positions:
    """Return the positions after the parts were put on or taken off, open or traded."""
    is_open, sign = change.value
    for part in parts:
        key = (holder_id, part.month)
        position = positions.get(key) or empty_position(part.month)
        position = (_with_open if is_open else _with_traded)(position, part, direction, sign)
        positions = positions.put(key, position)
    return positions


def quota_refusal(
    limits: Limits,
    positions: Positions,
    holder: Holder,
    parts: Iterable[MonthPart],
    direction: Direction,
) -> RefusalReason | None:
    """Return the first quota that the parts would exceed on top of all that is traded and open; None if all hold."""
    if holder.is_free:
        return None
    for part in parts:
        limit = limits.get((holder.holder_id, part.month))
        if limit is None:
            return RefusalReason.NO_QUOTA
        position = positions.get((holder.holder_id, part.month)) or empty_position(part.month)
        reason = _month_refusal(limit, position, holder, part, direction)
        if reason is not None:
            return reason
    return None


def net_cap_wh(limit: SetQuota, direction: Direction) -> int:
    """Return the monthly net limit of one direction (row 43)."""
    cap_wh = limit.net_sell_cap_wh if direction is Direction.SELL else limit.net_buy_cap_wh
    return NO_LIMIT_WH if cap_wh is None else cap_wh


def turnover_cap_wh(limit: SetQuota, holder: Holder) -> int:
    """Return the monthly limit of sold and bought energy together (row 44): a multiple of the class's net limit.

    The net limit is that of buying for retailers and users, of selling for generators; for classes that do both, the
    larger one.
    """
    if holder.turnover_permille is None:
        return NO_LIMIT_WH
    if holder.participant_class in _TWO_WAY_CLASSES:
        base_wh = max(net_cap_wh(limit, Direction.SELL), net_cap_wh(limit, Direction.BUY))
    else:
        buys = holder.participant_class in _BUYING_CLASSES
        base_wh = net_cap_wh(limit, Direction.BUY if buys else Direction.SELL)
    return min(base_wh * holder.turnover_permille // _PERMILLE, NO_LIMIT_WH)


def net_room_wh(limit: SetQuota, position: MonthPosition, direction: Direction) -> int:
    """Return how much more the monthly net limit allows, open energy counted; negative if a limit was lowered."""
    net_wh = position.sold_wh - position.bought_wh
    if direction is Direction.SELL:
        return net_cap_wh(limit, direction) - net_wh - position.open_sell_wh
    return net_cap_wh(limit, direction) + net_wh - position.open_buy_wh


def turnover_room_wh(limit: SetQuota, position: MonthPosition, holder: Holder) -> int:
    """Return how much more the monthly turnover limit allows, open energy counted."""
    used_wh = position.sold_wh + position.bought_wh + position.open_sell_wh + position.open_buy_wh
    return turnover_cap_wh(limit, holder) - used_wh


def interval_use_wh(position: MonthPosition, direction: Direction) -> Int64Array:
    """Return how much of each interval's limit of one direction is used, open energy counted."""
    if direction is Direction.SELL:
        return position.net_wh + position.interval_open_sell_wh
    return position.interval_open_buy_wh - position.net_wh


def _month_refusal(
    limit: SetQuota, position: MonthPosition, holder: Holder, part: MonthPart, direction: Direction
) -> RefusalReason | None:
    if part.energy_wh > net_room_wh(limit, position, direction):
        return RefusalReason.QUOTA_NET
    if part.energy_wh > turnover_room_wh(limit, position, holder):
        return RefusalReason.QUOTA_TURNOVER
    rows = slice(part.offset, part.offset + part.interval_wh.size)
    cap = interval_cap_wh(limit, direction)
    if cap >= NO_LIMIT_WH:
        return None
    after = interval_use_wh(position, direction)[rows] + part.interval_wh
    return RefusalReason.QUOTA_INTERVAL if bool(((after > cap) & (part.interval_wh > 0)).any()) else None


def interval_cap_wh(limit: SetQuota, direction: Direction) -> int:
    """Return how much may be sold or bought, net, in one interval (row 45)."""
    cap_wh = limit.interval_sell_cap_wh if direction is Direction.SELL else limit.interval_buy_cap_wh
    return NO_LIMIT_WH if cap_wh is None else cap_wh


def _with_open(position: MonthPosition, part: MonthPart, direction: Direction, sign: int) -> MonthPosition:
    energy_wh = sign * part.energy_wh
    if direction is Direction.SELL:
        column = _added(position.interval_open_sell_wh, part, sign)
        changed = replace(position, open_sell_wh=position.open_sell_wh + energy_wh, interval_open_sell_wh=column)
    else:
        column = _added(position.interval_open_buy_wh, part, sign)
        changed = replace(position, open_buy_wh=position.open_buy_wh + energy_wh, interval_open_buy_wh=column)
    assert min(changed.open_sell_wh, changed.open_buy_wh) >= 0
    return changed


def _with_traded(position: MonthPosition, part: MonthPart, direction: Direction, sign: int) -> MonthPosition:
    energy_wh = sign * part.energy_wh
    if direction is Direction.SELL:
        column = _added(position.net_wh, part, sign)
        changed = replace(position, sold_wh=position.sold_wh + energy_wh, net_wh=column)
    else:
        column = _added(position.net_wh, part, -sign)
        changed = replace(position, bought_wh=position.bought_wh + energy_wh, net_wh=column)
    assert min(changed.sold_wh, changed.bought_wh) >= 0
    return changed


def _added(column: Int64Array, part: MonthPart, sign: int) -> Int64Array:
    changed = column.copy()
    changed[part.offset : part.offset + part.interval_wh.size] += sign * part.interval_wh
    changed.flags.writeable = False
    return changed
