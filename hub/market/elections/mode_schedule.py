"""From which interval on a meter trades how, as far as the register says by now: what its gateway is told.

The modes of a day whose first gate has closed, or is the next to close, rest on what was recorded before that day
(registry.event_log.recording_day), so they are handed in; those of later days follow from the register as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from edge.contract.interval import first_interval_of_day
from edge.contract.messages import ModesFrom
from edge.contract.registry import MeteringPoint, Registry
from hub.market.elections.operating_day import point_of_day
from hub.market.registry.events import SaleElected, SupplyElected
from hub.market.registry.periods import Period
from hub.market.registry.provincial_rules import SaleChoice, SupplyChoice
from hub.market.registry.register import Register


def mode_schedules(
    devices: Registry, register: Register, known_days: Mapping[date, Registry]
) -> Iterator[tuple[MeteringPoint, tuple[ModesFrom, ...]]]:
    """Yield each metering point that the register knows with its modes from the first of the known days on.

    :param devices: the county's registry file; a schedule names only what differs from what was before
    :param known_days: the registries of days that nothing recorded from now on can change, ascending without gaps
    """
    last_known = max(known_days)
    rule_days = set(_rule_days(register))
    columns = [
        {day: registry.metering_points[row] for day, registry in known_days.items()}
        for row, point in enumerate(devices.metering_points)
        if _is_known(register, point.meter_id)
    ]
    points = [point for point in devices.metering_points if _is_known(register, point.meter_id)]
    for point, of_day in zip(points, columns, strict=True):
        later = {day for day in _days_of_meter(register, point.meter_id) | rule_days if day > last_known}
        for day in sorted(later | {last_known + timedelta(1)}):
            of_day[day] = point_of_day(point, register, day, set(), [])
        modes = tuple(
            ModesFrom(first_interval_of_day(day), one.supply_mode, one.sale_mode) for day, one in of_day.items()
        )
        yield point, schedule_from(point, modes, first_interval_of_day(min(known_days)))


def schedule_from(point: MeteringPoint, modes: Iterable[ModesFrom], interval: int) -> tuple[ModesFrom, ...]:
    """Return what a schedule says from the interval on, in the one form that two schedules that say the same share.

    :param modes: ascending; before the first of them the point's own modes hold
    """
    before = ModesFrom(interval, point.supply_mode, point.sale_mode)
    begun, later = before, []
    for one in modes:
        if one.from_interval <= interval:
            begun = ModesFrom(interval, one.supply_mode, one.sale_mode)
        else:
            later.append(one)
    kept: list[ModesFrom] = []
    for one in (begun, *later):
        known = kept[-1] if kept else before
        if (one.supply_mode, one.sale_mode) != (known.supply_mode, known.sale_mode):
            kept.append(one)
    return tuple(kept)


def _is_known(register: Register, meter_id: str) -> bool:
    return meter_id in register.user_points or meter_id in register.projects_of_meter


def _days_of_meter(register: Register, meter_id: str) -> set[date]:
    """Return the days on which the meter's elections, points and plants, or their owners' standing, change."""
    periods: list[Period] = []
    owners: set[str] = set()
    elections: list[SupplyElected | SaleElected] = [
        *register.supply_elections.get(meter_id, ()),
        *register.sale_elections.get(meter_id, ()),
    ]
    periods += [election.period for election in elections]
    user_point = register.user_points.get(meter_id)
    if user_point is not None:
        periods.append(Period(user_point.effective_from))
        owners.add(user_point.participant_id)
    for project_id in register.projects_of_meter.get(meter_id, ()):
        periods.append(register.projects[project_id].period)
        owners.add(register.projects[project_id].application.participant_id)
    changes = {day for owner in owners for day, _ in register.participants[owner].status.changes}
    return changes | set(_days_of(periods))


def _rule_days(register: Register) -> Iterator[date]:
    """Yield the days on which what is allowed and what is the default changes."""
    versions = register.rules.values()
    return _days_of(one.period for one in versions if isinstance(one.rule, SupplyChoice | SaleChoice))


def _days_of(periods: Iterable[Period]) -> Iterator[date]:
    for period in periods:
        yield period.from_day
        if period.until_day is not None:
            yield period.until_day
