"""The supply modes of a month's metering points, as the days of the month were cleared and settled by.

A day's mode is what the county's registry log said before the day (day_registry.py); where the log says nothing it is
that of the prepared registry. A bill is of one supply mode (row 2), so a change within the month is refused.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec
from sqlmodel import Session

from edge.contract.registry import Registry, SupplyMode
from hub.market.elections.operating_day import known_modes_of_day
from hub.market.registry.periods import next_month
from hub.settlement.county_month.points import CountyMonthError
from hub.store.registry import county_of, load_registry
from hub.store.registry_events import last_registry_sequence
from hub.usecases.registry_event import LoadedRegister, load_register


def recorded_supply_modes(session: Session, month: date) -> Mapping[str, SupplyMode]:
    """Return the supply mode of each metering point that the log knows of, by meter id; others stay as prepared.

    :param month: its first day
    :raises CountyMonthError: if a supply mode changes within the month
    :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
    """
    county = county_of(session)
    last = next_month(month) - timedelta(days=1)
    if county is None or not last_registry_sequence(session, county[0], recorded_before=last):
        return {}
    known = load_register(session, LoadedRegister(county[0]), recorded_before=last).register.user_points
    prepared = load_registry(session)
    points = tuple(point for point in prepared.metering_points if point.meter_id in known)
    devices = msgspec.structs.replace(prepared, metering_points=points)
    loaded = LoadedRegister(county[0])
    found: dict[str, SupplyMode] = {}
    day = month
    while day <= last:
        loaded = load_register(session, loaded, recorded_before=day)
        for meter_id, mode in _modes(devices, loaded, day).items():
            before = found.setdefault(meter_id, mode)
            if before is not mode:
                raise CountyMonthError(
                    f"row 2 on {day}: the supply mode of {meter_id} changes within the month from {before.value} to "
                    f"{mode.value}; record elections from the first of a month"
                )
        day += timedelta(days=1)
    return found


def _modes(devices: Registry, loaded: LoadedRegister, day: date) -> dict[str, SupplyMode]:
    registry = known_modes_of_day(devices, loaded.register, day).registry if loaded.sequence else devices
    return {point.meter_id: point.supply_mode for point in registry.metering_points}
