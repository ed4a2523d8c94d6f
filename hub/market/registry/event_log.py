"""The registry's log (row 48 for the registry): its records, and the register that they make one after the other.

An event that was refused stands in the log as well: who applied and why it was refused can be shown later, and the
same event sent again is answered in the same way.
"""

from collections.abc import Sequence
from datetime import date
from typing import TypeAlias

import msgspec

from edge.contract.interval import day_of_interval, interval_from_utc_s
from hub.market.event_log import Record
from hub.market.registry.events import Event
from hub.market.registry.fold import fold
from hub.market.registry.register import Register
from hub.market.registry.register_document import OutcomeRow, outcome_row


class Taken(msgspec.Struct, frozen=True):
    """An event as the hub took it. actor: who sent it; taken_utc_s: when, by the hub's time."""

    event: Event
    actor: str
    taken_utc_s: int


RegistryRecord: TypeAlias = Record[Taken, OutcomeRow]
"""One record of the log. Its outcome's number is its sequence."""


def recording_day(now_utc_s: int) -> date:
    """Return the day on which an event taken now is recorded: the first operating day of which no gate has closed.

    The gate of an operating day's first interval closes one interval before the day begins. An event that comes later
    cannot change that day's modes, so notice counts from that day on: the modes of a day rest on what was recorded
    before it, whenever and however often they are worked out.
    """
    return day_of_interval(interval_from_utc_s(now_utc_s) + 1)


def register_after(
    register: Register, taken: Sequence[Taken], *, after_sequence: int
) -> tuple[Register, list[OutcomeRow]]:
    """Return the register after the events, and what each led to; `register` is not changed.

    :param after_sequence: of the record before them, 0 if they are the first
    """
    folded = fold([one.event for one in taken], after=register)
    rows = [outcome_row(number, outcome) for number, outcome in enumerate(folded.outcomes, start=after_sequence + 1)]
    return folded.register, rows
