"""The gate for new distributed generation: accepted, on the waiting list, or suspended (requirements row 138).

An application is judged against the room C2 of the element it asks for and of all the element's superiors. The gate is
a function from one state to the next: an accepted application takes its room at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from grid_models.capacity_list import CapacityEntry
from grid_models.elements import Int64Array, freeze
from grid_models.standard_2041 import Grade, StandardError, whole_kw_up


@dataclass(frozen=True, eq=False)
class GateState:
    """What the gate knows, shape (n_units,) each.

    c2_kw: room of each element by its own figures. own: its grade by its own figures. parent: position of its superior,
    -1 for none, superiors before their units.
    """

    c2_kw: Int64Array
    own: tuple[Grade, ...]
    parent: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


def own_grade(entry: CapacityEntry) -> Grade:
    """Return the unit's grade as far as it decides itself; where a superior decides, that one's stands for it."""
    return Grade(entry.grade) if entry.limited_by == entry.unit else Grade.GREEN


def gate_of_list(entries: Sequence[CapacityEntry]) -> GateState:
    """Return the gate as a published list leaves it; a unit that a superior limits passes as far as it is concerned.

    :param entries: a whole list in its order, the county first
    """
    position = {entry.unit: number for number, entry in enumerate(entries)}
    return GateState(
        c2_kw=np.array([entry.c2_kw for entry in entries], dtype=np.int64),
        own=tuple(map(own_grade, entries)),
        parent=np.array([-1 if entry.parent is None else position[entry.parent] for entry in entries], dtype=np.int64),
    )


class WaitingReason(Enum):
    """Why an application waits."""

    YELLOW = "yellow"
    ROOM = "room"


@dataclass(frozen=True)
class Accepted:
    """The generation may be connected. room_kw: left at the element, its superiors considered. state: from now on."""

    element: int
    room_kw: int
    state: GateState


@dataclass(frozen=True)
class WaitingList:
    """A warning: the generation does not fit now. limited_by: the element on the way up that is in the way.

    room_kw: what there is at that element.
    """

    element: int
    limited_by: int
    reason: WaitingReason
    room_kw: int


@dataclass(frozen=True)
class Suspended:
    """No connection is taken at all, because `limited_by`, the element or a superior of it, is red."""

    element: int
    limited_by: int


ConnectionOutcome: TypeAlias = Accepted | WaitingList | Suspended


def decide_connection(state: GateState, *, element: int, p_new_mw: float) -> ConnectionOutcome:
    """Return what becomes of an application for new generation at an element.

    Accepted iff C_new <= C2 of the element and of all its superiors, and all of them are green. The nearest red, else
    the nearest yellow element, else the nearest without room is named.

    :param p_new_mw: C_new, installed capacity, > 0; counted in whole kW, rounded up
    :raises StandardError: if the capacity is not positive and finite
    """
    if not 0 < p_new_mw < np.inf:
        raise StandardError(f"a new capacity of {p_new_mw} MW is not positive")
    c_new_kw = int(whole_kw_up(np.array(p_new_mw)))
    way_up = list(_way_up(element, state.parent.tolist()))
    for position in way_up:
        if state.own[position] is Grade.RED:
            return Suspended(element, position)
    for position in way_up:
        if state.own[position] is Grade.YELLOW:
            return WaitingList(element, position, WaitingReason.YELLOW, int(state.c2_kw[position]))
    for position in way_up:
        if c_new_kw > state.c2_kw[position]:
            return WaitingList(element, position, WaitingReason.ROOM, int(state.c2_kw[position]))
    c2_kw = state.c2_kw.copy()
    c2_kw[way_up] -= c_new_kw
    own = tuple(
        Grade.YELLOW if position in way_up and c2_kw[position] <= 0 else grade
        for position, grade in enumerate(state.own)
    )
    return Accepted(element, int(c2_kw[way_up].min()), GateState(c2_kw, own, state.parent))


def _way_up(element: int, parent: Sequence[int]) -> Iterator[int]:
    position = element
    while position >= 0:
        yield position
        position = parent[position]
