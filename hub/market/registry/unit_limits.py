"""Deals against the limits of the elements above them, one after another, before they are final (requirements row 22).

A deal's energy goes out where its seller is; what is scheduled behind an element may leave it no more than its export
limit, nor come in above its import limit. A later deal is cut to what is left; an earlier one stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.market.trades import BalanceTree, Int64Array


@dataclass(frozen=True)
class Schedule:
    """What somebody wants to inject (negative: take out) at a unit over the interval, in order of the deals."""

    unit: int
    energy_wh: int


@dataclass(frozen=True)
class Cut:
    """What became of a schedule. limited_by: the unit whose edge cut it, -1 if nothing did."""

    admitted_wh: int
    limited_by: int


def cut_to_limits(tree: BalanceTree, *, standing_wh: Int64Array, schedules: Sequence[Schedule]) -> tuple[Cut, ...]:
    """Return what of each schedule is admissible, in their order.

    :param standing_wh: shape (n_units,), net injection at each unit that stands already (load is negative)
    """
    parents = tree.parent.tolist()
    flow = [0] * len(parents)
    for unit, energy in enumerate(standing_wh.tolist()):
        for above in _way_up(parents, unit):
            flow[above] += energy
    export_limit, import_limit = tree.export_limit_wh.tolist(), tree.import_limit_wh.tolist()
    outcome = []
    for schedule in schedules:
        sign = 1 if schedule.energy_wh >= 0 else -1
        admitted, limited_by = abs(schedule.energy_wh), -1
        for above in _way_up(parents, schedule.unit):
            limit = export_limit[above] if sign > 0 else import_limit[above]
            room = max(0, limit - sign * flow[above])
            if room < admitted:
                admitted, limited_by = room, above
        for above in _way_up(parents, schedule.unit):
            flow[above] += sign * admitted
        outcome.append(Cut(sign * admitted, limited_by))
    return tuple(outcome)


def _way_up(parents: Sequence[int], unit: int) -> list[int]:
    way = [unit]
    while parents[way[-1]] >= 0:
        way.append(parents[way[-1]])
    return way
