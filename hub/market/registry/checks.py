"""The registry's laws: what holds of every state that events can reach (DESIGN section 4; rows 2, 4, 14, 29, 138)."""

from collections.abc import Iterable
from itertools import combinations

from edge.contract.registry import UnitKind
from hub.market.registry.connection_queue import Granted, decide, whole_kw_up
from hub.market.registry.periods import Period
from hub.market.registry.provincial_rules import scope_of
from hub.market.registry.register import Register, way_up
from hub.market.trades import Violation


def check_register(register: Register) -> list[Violation]:
    """Return every breach of the registry's laws, empty if all hold."""
    return [
        *check_units(register),
        *check_one_mode(register),
        *check_rules(register),
        *check_capacity(register),
        *check_separation(register),
    ]


def check_units(register: Register) -> list[Violation]:
    """Law 2: every metering point resolves to exactly one county (row 14), so its energy counts once."""
    places = [(meter_id, point.unit_id) for meter_id, point in register.user_points.items()]
    places += [
        (meter_id, register.projects[project_ids[-1]].application.unit_id)
        for meter_id, project_ids in register.projects_of_meter.items()
    ]
    found = []
    for meter_id, unit_id in places:
        counties = [unit.unit_id for unit in way_up(register, unit_id) if unit.kind is UnitKind.COUNTY]
        if len(counties) != 1:
            found.append(Violation(2, meter_id, f"lies in {len(counties)} counties"))
    return found


def check_one_mode(register: Register) -> list[Violation]:
    """Law 2: no metering point has two supply modes or two sale modes on a day, nor two plants (rows 2, 29)."""
    found = []
    for elections in (register.supply_elections, register.sale_elections):
        for meter_id, held in elections.items():
            if _overlaps(election.period for election in held):
                found.append(Violation(2, meter_id, "has two elections on one day"))
    for meter_id, project_ids in register.projects_of_meter.items():
        if _overlaps(register.projects[project_id].period for project_id in project_ids):
            found.append(Violation(2, meter_id, "has two plants on one day"))
    return found


def check_rules(register: Register) -> list[Violation]:
    """Law 3: of each scope and province one rule version at most is in force on a day, so a rerun finds the same."""
    by_scope: dict[tuple[str, str], list[Period]] = {}
    for version in register.rules.values():
        by_scope.setdefault((version.province, scope_of(version.rule)), []).append(version.period)
    return [
        Violation(3, f"{province} {scope}", "two versions are in force on one day")
        for (province, scope), periods in by_scope.items()
        if _overlaps(periods)
    ]


def check_capacity(register: Register) -> list[Violation]:
    """Law 8: nobody waits who could be connected; that a grant never exceeds the room is asserted where it is made."""
    found = []
    awaited: list[str] = []
    for project_id, one in register.waiting.items():
        new_kw = whole_kw_up(one.installed_capacity_w)
        decided = decide(register.elements, element=one.element, new_kw=new_kw, awaited=awaited)
        if isinstance(decided, Granted):
            found.append(Violation(8, project_id, "waits although it fits"))
        else:
            awaited.append(decided.limited_by)
    return found


def check_separation(register: Register) -> list[Violation]:
    """Row 4: no settlement account serves two arms of a utility, nor an arm and somebody else."""
    holders: dict[str, list[str]] = {}
    arms = set()
    for name, participant in register.participants.items():
        holders.setdefault(participant.settlement_account, []).append(name)
        if participant.utility_id is not None:
            arms.add(participant.settlement_account)
    return [
        Violation(5, account, f"is shared by {' and '.join(sorted(holders[account]))}")
        for account in sorted(arms)
        if len(holders[account]) > 1
    ]


def _overlaps(periods: Iterable[Period]) -> bool:
    return any(first.overlaps(second) for first, second in combinations(periods, 2))
