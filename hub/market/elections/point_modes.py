"""How one metering point buys and sells on a day, since when, until when, and by what: what a register's reader asks.

The modes are those of operating_day.py: a side that the device registry settles takes the register's word, and where
the register says nothing it stays as the county was prepared (rows 2, 10, 24-29).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from edge.contract.registry import SaleMode, SupplyMode
from hub.market.registry.election_periods import sale_on, supply_on
from hub.market.registry.events import SaleElected, SupplyElected
from hub.market.registry.provincial_rules import RuleNotSetError
from hub.market.registry.register import Register, project_on

ModeT = TypeVar("ModeT", SupplyMode, SaleMode)


@dataclass(frozen=True)
class ModeInForce(Generic[ModeT]):
    """A mode on a day. by: the election or the version of the rule that gives it, None: as the county was prepared.

    from_day, until_day: half-open, None: not known, or without an end.
    """

    mode: ModeT
    by: str | None = None
    from_day: date | None = None
    until_day: date | None = None


def supply_in_force(register: Register, meter_id: str, prepared: SupplyMode, day: date) -> ModeInForce[SupplyMode]:
    """Return how the point is supplied on the day.

    :param prepared: its mode in the device registry, which stays where the register does not say
    """
    try:
        found = None if prepared is SupplyMode.NONE else supply_on(register, meter_id, day)
    except RuleNotSetError:
        found = None
    if found is None:
        return ModeInForce(prepared)
    begun = register.user_points[meter_id].effective_from
    days = _days(register.supply_elections.get(meter_id, ()), found.election_id, day, begun)
    return ModeInForce(found.mode, found.election_id or found.rule_version, *days)


def sale_in_force(register: Register, meter_id: str, prepared: SaleMode, day: date) -> ModeInForce[SaleMode]:
    """Return how the point's export is sold on the day.

    :param prepared: its mode in the device registry, which stays where the register does not say
    """
    try:
        found = None if prepared is SaleMode.NONE else sale_on(register, meter_id, day)
    except RuleNotSetError:
        found = None
    if found is None:
        return ModeInForce(prepared)
    project = project_on(register, meter_id, day)
    assert project is not None, "who sells has a plant"
    days = _days(register.sale_elections.get(meter_id, ()), found.election_id, day, project.period.from_day)
    return ModeInForce(found.mode, found.election_id or found.rule_version, *days)


def _days(
    elections: Sequence[SupplyElected] | Sequence[SaleElected], election_id: str | None, day: date, begun: date
) -> tuple[date | None, date | None]:
    """Return the first day and the end of an election, or of the default between the elections around the day."""
    held = [one for one in elections if one.period.holds(day)]
    if election_id is not None:
        period = next(one.period for one in held if one.election_id == election_id)
        return period.from_day, period.until_day
    if held:
        return None, None  # the default stands in for who may not trade now; nobody can say for how long
    ended = [
        one.period.until_day for one in elections if one.period.until_day is not None and one.period.until_day <= day
    ]
    coming = [one.period.from_day for one in elections if one.period.from_day > day]
    return max([begun, *ended]), min(coming, default=None)
