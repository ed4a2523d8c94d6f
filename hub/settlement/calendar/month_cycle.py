"""A month's results on their way to being final: states and transitions are one table (outside-rules section 9).

Each account's part of a month is issued with the settlement basis. Whoever says nothing within the window consents; a
disputed part moves to the next cycle and blocks no other. Nothing refused is dropped: the cycle keeps it with a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from types import MappingProxyType

from hub.market.trades import Violation
from hub.settlement.calendar.deadlines import MonthDeadlines


class PartState(Enum):
    """Where one account's part of a month stands."""

    PROVISIONAL = "provisional"
    ISSUED = "issued"
    DISPUTED = "disputed"
    AGREED = "agreed"
    CARRIED_OVER = "carried-over"
    BOOKED = "booked"


class PartEvent(Enum):
    """What happens to a part. SILENCE: the window ended without a word; CARRY: it ended with a dispute."""

    ISSUE = "issue"
    CONSENT = "consent"
    OBJECT = "object"
    SILENCE = "silence"
    CARRY = "carry"
    BOOK = "book"


TRANSITIONS: Mapping[tuple[PartState, PartEvent], PartState] = MappingProxyType(
    {
        (PartState.PROVISIONAL, PartEvent.ISSUE): PartState.ISSUED,
        (PartState.ISSUED, PartEvent.CONSENT): PartState.AGREED,
        (PartState.ISSUED, PartEvent.OBJECT): PartState.DISPUTED,
        (PartState.ISSUED, PartEvent.SILENCE): PartState.AGREED,
        (PartState.DISPUTED, PartEvent.CONSENT): PartState.AGREED,
        (PartState.DISPUTED, PartEvent.CARRY): PartState.CARRIED_OVER,
        (PartState.CARRIED_OVER, PartEvent.ISSUE): PartState.ISSUED,
        (PartState.AGREED, PartEvent.BOOK): PartState.BOOKED,
    }
)
"""All transitions; a pair that is not here is refused."""

FINAL = frozenset({PartState.BOOKED})


class CycleRefusal(Enum):
    """Why an event does not move a part."""

    UNKNOWN_ACCOUNT = "unknown-account"
    NOT_IN_THIS_STATE = "not-in-this-state"
    TOO_EARLY = "too-early"
    WINDOW_ENDED = "window-ended"


@dataclass(frozen=True)
class MonthPart:
    """One account's part. month: what it settles, year x 100 + month, an earlier one if it was carried over."""

    account: str
    month: int
    amount_nano_yuan: int
    state: PartState = PartState.PROVISIONAL


@dataclass(frozen=True)
class RefusedEvent:
    """An event that moved nothing, kept."""

    account: str
    month: int
    event: PartEvent
    on: date
    reason: CycleRefusal


@dataclass(frozen=True)
class MonthCycle:
    """The parts of one monthly cycle by (account, month settled), its deadlines, and every refused event in order."""

    month: int
    deadlines: MonthDeadlines
    parts: Mapping[tuple[str, int], MonthPart]
    refused: tuple[RefusedEvent, ...] = ()

    def in_state(self, state: PartState) -> tuple[MonthPart, ...]:
        """Return the parts in a state, by account and month."""
        return tuple(part for _, part in sorted(self.parts.items()) if part.state is state)


def open_cycle(
    month: int,
    deadlines: MonthDeadlines,
    amounts_nano_yuan: Mapping[str, int],
    carried: tuple[MonthPart, ...] = (),
) -> MonthCycle:
    """Return the cycle of a month with the provisional parts of its accounts and what the last one carried over."""
    assert all(part.state is PartState.CARRIED_OVER and part.month < month for part in carried)
    fresh = [MonthPart(account, month, amount) for account, amount in amounts_nano_yuan.items()]
    parts = {(part.account, part.month): part for part in (*carried, *fresh)}
    assert len(parts) == len(carried) + len(fresh)
    return MonthCycle(month, deadlines, MappingProxyType(parts))


def issue_basis(cycle: MonthCycle, on: date) -> MonthCycle:
    """Return the cycle with all parts issued, not before the day of the settlement basis."""
    return _all(cycle, PartEvent.ISSUE, on, (PartState.PROVISIONAL, PartState.CARRIED_OVER))


def answer_basis(cycle: MonthCycle, account: str, month: int, event: PartEvent, on: date) -> MonthCycle:
    """Return the cycle after an account's consent or objection to its part of a month."""
    assert event in (PartEvent.CONSENT, PartEvent.OBJECT)
    part = cycle.parts.get((account, month))
    if part is None:
        return _refuse(cycle, RefusedEvent(account, month, event, on, CycleRefusal.UNKNOWN_ACCOUNT))
    if (part.state, event) not in TRANSITIONS:
        return _refuse(cycle, RefusedEvent(account, month, event, on, CycleRefusal.NOT_IN_THIS_STATE))
    if on > cycle.deadlines.objection_until:
        return _refuse(cycle, RefusedEvent(account, month, event, on, CycleRefusal.WINDOW_ENDED))
    return _moved(cycle, (part,), event)


def end_window(cycle: MonthCycle, on: date) -> MonthCycle:
    """Return the cycle after its objection window: silence is consent, what is disputed moves to the next cycle."""
    return _all(_all(cycle, PartEvent.SILENCE, on, (PartState.ISSUED,)), PartEvent.CARRY, on, (PartState.DISPUTED,))


def book_agreed(cycle: MonthCycle) -> MonthCycle:
    """Return the cycle with every agreed part booked; disputed ones do not block it."""
    return _moved(cycle, cycle.in_state(PartState.AGREED), PartEvent.BOOK)


def check_cycle(cycle: MonthCycle, amounts_nano_yuan: Mapping[str, int], carried_nano_yuan: int) -> list[Violation]:
    """Law 5: no part is lost on the way, and what is booked, carried and open sums to what was settled."""
    expected = sum(amounts_nano_yuan.values()) + carried_nano_yuan
    held = sum(part.amount_nano_yuan for part in cycle.parts.values())
    violations = []
    if held != expected:
        violations.append(Violation(5, f"month {cycle.month}", f"parts sum to {held}, {expected} nano-yuan settled"))
    missing = sorted(set(amounts_nano_yuan) - {account for account, month in cycle.parts if month == cycle.month})
    return violations + [Violation(5, f"month {cycle.month}", f"account {name} has no part") for name in missing]


def _all(cycle: MonthCycle, event: PartEvent, on: date, states: tuple[PartState, ...]) -> MonthCycle:
    parts = tuple(part for state in states for part in cycle.in_state(state))
    first_day = cycle.deadlines.settlement_basis_on
    is_early = on < first_day if event is PartEvent.ISSUE else on <= cycle.deadlines.objection_until
    if is_early:
        for part in parts:
            cycle = _refuse(cycle, RefusedEvent(part.account, part.month, event, on, CycleRefusal.TOO_EARLY))
        return cycle
    return _moved(cycle, parts, event)


def _moved(cycle: MonthCycle, parts: tuple[MonthPart, ...], event: PartEvent) -> MonthCycle:
    moved = {(part.account, part.month): replace(part, state=TRANSITIONS[part.state, event]) for part in parts}
    return replace(cycle, parts=MappingProxyType({**cycle.parts, **moved}))


def _refuse(cycle: MonthCycle, refused: RefusedEvent) -> MonthCycle:
    return replace(cycle, refused=(*cycle.refused, refused))
