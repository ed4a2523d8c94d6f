"""The registry of devices with the modes of one operating day, as clearing and settlement read it (DESIGN 5).

The device registry says what is connected where; the register says who sells and buys how on that day. Together they
put every metering point's energy into the tree exactly once: as its own order, or inside one book of the supply arm.
"""

from dataclasses import dataclass
from datetime import date

import msgspec

from edge.contract.registry import MeteringPoint, Registry, SaleMode, SupplyMode
from hub.market.registry.election_periods import sale_on, supply_on
from hub.market.registry.register import Register


class RegisterGapError(LookupError):
    """The device registry holds market meters of which the register knows nothing on the day."""


@dataclass(frozen=True)
class DayModes:
    """One operating day. registry: the devices with the day's modes; rule_versions: the defaults that were used."""

    day: date
    registry: Registry
    rule_versions: tuple[str, ...]


def modes_of_day(devices: Registry, register: Register, day: date) -> DayModes:
    """Return the device registry with the supply and sale mode that each metering point has on the day.

    Meters without a mode in the device registry (summaries, gateways, internal meters) keep NONE. A meter's side that
    the device registry settles must be known to the register.

    :raises RegisterGapError: naming the first meter that is not
    :raises RuleNotSetError: if a default is needed that the province has not set
    """
    versions: set[str] = set()
    points = tuple(_point_of_day(point, register, day, versions) for point in devices.metering_points)
    return DayModes(day, msgspec.structs.replace(devices, metering_points=points), tuple(sorted(versions)))


def _point_of_day(point: MeteringPoint, register: Register, day: date, versions: set[str]) -> MeteringPoint:
    supply_mode, sale_mode = SupplyMode.NONE, SaleMode.NONE
    if point.supply_mode is not SupplyMode.NONE:
        supply = supply_on(register, point.meter_id, day)
        if supply is None:
            raise RegisterGapError(f"{point.meter_id} is supplied, but no user's metering point on {day}")
        supply_mode = supply.mode
        versions |= {supply.rule_version} if supply.rule_version is not None else set()
    if point.sale_mode is not SaleMode.NONE:
        sale = sale_on(register, point.meter_id, day)
        if sale is None:
            raise RegisterGapError(f"{point.meter_id} sells, but has no plant in the register on {day}")
        sale_mode = sale.mode
        versions |= {sale.rule_version} if sale.rule_version is not None else set()
    if (supply_mode, sale_mode) == (point.supply_mode, point.sale_mode):
        return point
    return msgspec.structs.replace(point, supply_mode=supply_mode, sale_mode=sale_mode)
