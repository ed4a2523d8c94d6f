"""New generation against accessible capacity, and the waiting list (requirements row 138).

Accepted iff C_new <= room of the element and of all its superiors and all of them are green; else it waits, or, where
one of them is red, is refused. First come, first served: whoever comes later does not pass an application that waits
for an element on its own way up. Capacity counts in whole kW, an application's rounded up. The grades and rooms are
those of the published list (grid_models/connection_gate.py decides single applications by the same rule from it).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from hub.market.registry.outcomes import Refusal, RefusedError, WaitingReason, Waits
from hub.market.registry.register import Element

W_PER_KW = 1000
GREEN, YELLOW, RED = "green", "yellow", "red"
GRADES = (GREEN, YELLOW, RED)


@dataclass(frozen=True)
class Granted:
    """The generation may be connected. room_kw: left at the element, its superiors considered."""

    room_kw: int


def whole_kw_up(power_w: int) -> int:
    """Return the power in whole kW, rounded up."""
    return -(-power_w // W_PER_KW)


def elements_above(elements: Mapping[str, Element], element: str) -> Iterator[Element]:
    """Yield the element and its superiors.

    :raises RefusedError: if the published list has no such element
    """
    if element not in elements:
        raise RefusedError(Refusal.UNKNOWN_ELEMENT, f"the published list has no element {element}")
    at: Element | None = elements[element]
    while at is not None:
        yield at
        at = None if at.superior is None else elements[at.superior]


def decide(
    elements: Mapping[str, Element], *, element: str, new_kw: int, awaited: Iterable[str] = ()
) -> Granted | Waits:
    """Return whether new generation fits now.

    The nearest red, else the nearest yellow element, else the nearest awaited by others, else the nearest without room
    is named.

    :param awaited: elements for which earlier applications wait
    """
    above = list(elements_above(elements, element))
    others = set(awaited)
    reasons = (
        (WaitingReason.RED, [at for at in above if grade_of(at) == RED]),
        (WaitingReason.YELLOW, [at for at in above if grade_of(at) == YELLOW]),
        (WaitingReason.QUEUE, [at for at in above if at.element in others]),
        (WaitingReason.ROOM, [at for at in above if new_kw > at.room_kw]),
    )
    for reason, hindering in reasons:
        if hindering:
            return Waits(reason, hindering[0].element, hindering[0].room_kw)
    return Granted(min(at.room_kw for at in above) - new_kw)


def grade_of(element: Element) -> str:
    """Return the element's grade now: what the list said, and yellow where its room was used up or freed since.

    A red element stays red until the next list, since what makes it red may be no matter of room. A yellow one with
    room in the list (the 2019 edition grades by load rate) stays yellow too.
    """
    if element.grade == RED:
        return RED
    if element.room_kw <= 0 or (element.grade == YELLOW and element.listed_kw > 0):
        return YELLOW
    return GREEN


def with_room_changed(elements: Mapping[str, Element], *, element: str, change_kw: int) -> dict[str, Element]:
    """Return the element and its superiors, by id, with their rooms changed by `change_kw`."""
    return {at.element: replace(at, room_kw=at.room_kw + change_kw) for at in elements_above(elements, element)}


def awaited_elements(elements: Mapping[str, Element], waiting: Iterable[tuple[str, int]]) -> list[str]:
    """Return the elements for which those who wait do so, in their order.

    :param waiting: (element, kW) of each application that waits, the first come first
    """
    awaited: list[str] = []
    for element, new_kw in waiting:
        decided = decide(elements, element=element, new_kw=new_kw, awaited=awaited)
        assert isinstance(decided, Waits), "what fits does not wait"
        awaited.append(decided.limited_by)
    return awaited
