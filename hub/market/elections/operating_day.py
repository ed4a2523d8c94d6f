"""The registry of devices with the modes of one operating day, as clearing and settlement read it (DESIGN 5).

The device registry says what is connected where; the register says who sells and buys how on that day. Together they
put every metering point's energy into the tree exactly once: as its own order, or inside one book of the supply arm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import msgspec

from edge.contract.registry import MeteringPoint, Registry, SaleMode, SupplyMode
from hub.market.registry.election_periods import SaleStanding, SupplyStanding, sale_on, supply_on
from hub.market.registry.provincial_rules import RuleNotSetError
from hub.market.registry.register import Register

StandingT = TypeVar("StandingT", SupplyStanding, SaleStanding)


class RegisterGapError(LookupError):
    """The device registry holds market meters of which the register knows nothing on the day."""


@dataclass(frozen=True)
class DayModes:
    """One operating day. registry: the devices with the day's modes; rule_versions: the defaults that were used.

    gaps: what the register does not say, a line each; there the device registry's own modes stand.
    """

    day: date
    registry: Registry
    rule_versions: tuple[str, ...]
    gaps: tuple[str, ...] = ()


def modes_of_day(devices: Registry, register: Register, day: date) -> DayModes:
    """Return the device registry with the supply and sale mode that each metering point has on the day.

    Meters without a mode in the device registry (summaries, gateways, internal meters) keep NONE. A meter's side that
    the device registry settles must be known to the register, with an election or a default.

    :raises RegisterGapError: naming the first meter that is not
    """
    found = known_modes_of_day(devices, register, day)
    if found.gaps:
        raise RegisterGapError(found.gaps[0])
    return found


def known_modes_of_day(devices: Registry, register: Register, day: date) -> DayModes:
    """Return the same, where what the register does not say stays as the device registry has it, and is named.

    A county's register grows meter by meter, and a province may not have set a default: neither may stop a market day.
    """
    versions: set[str] = set()
    gaps: list[str] = []
    points = tuple(point_of_day(point, register, day, versions, gaps) for point in devices.metering_points)
    registry = msgspec.structs.replace(devices, metering_points=points)
    return DayModes(day, registry, tuple(sorted(versions)), tuple(gaps))


def point_of_day(
    point: MeteringPoint, register: Register, day: date, versions: set[str], gaps: list[str]
) -> MeteringPoint:
    """Return the metering point with its modes of the day; `versions` and `gaps` take what DayModes says of it."""
    supply_mode, sale_mode = point.supply_mode, point.sale_mode
    if point.supply_mode is not SupplyMode.NONE:
        supply = _said(supply_on, register, point.meter_id, day, gaps)
        if supply is not None:
            supply_mode = supply.mode
            versions |= {supply.rule_version} if supply.rule_version is not None else set()
    if point.sale_mode is not SaleMode.NONE:
        sale = _said(sale_on, register, point.meter_id, day, gaps)
        if sale is not None:
            sale_mode = sale.mode
            versions |= {sale.rule_version} if sale.rule_version is not None else set()
    if (supply_mode, sale_mode) == (point.supply_mode, point.sale_mode):
        return point
    return msgspec.structs.replace(point, supply_mode=supply_mode, sale_mode=sale_mode)


def _said(
    standing_on: Callable[[Register, str, date], StandingT | None],
    register: Register,
    meter_id: str,
    day: date,
    gaps: list[str],
) -> StandingT | None:
    """Return what the register says of one side of a meter; if it says nothing, note why."""
    try:
        found = standing_on(register, meter_id, day)
    except RuleNotSetError as missing:
        gaps.append(f"{meter_id}: {missing}")
        return None
    if found is None:
        side = "user's metering point" if standing_on is supply_on else "plant"
        gaps.append(f"{meter_id} is no {side} in the register on {day}")
    return found
