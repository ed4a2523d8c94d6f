"""Take events into an append-only log: read what is new, decide, append, commit; whoever was overtaken decides again.

The core decides on a state; the database decides whose record comes next. So two writers never both win on one state.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from hub.market.event_log import EventT, OutcomeT, Record, altered_places
from hub.store.event_log import SequenceTakenError

ATTEMPTS_MAX = 1000
"""Each attempt that fails means that another writer's record was committed, so this many only fail in a fault."""

StateT = TypeVar("StateT")
LoadedT = TypeVar("LoadedT")
SubmissionT = TypeVar("SubmissionT")


class EventLogError(ValueError):
    """The stored log is not what was written, or this program decides otherwise than the one that wrote it."""


def take_in_turn(
    engine: Engine,
    name: str,
    loaded: LoadedT,
    *,
    read_on: Callable[[Session, LoadedT], LoadedT],
    take_in: Callable[[Session, LoadedT], tuple[LoadedT, SubmissionT]],
) -> tuple[LoadedT, SubmissionT]:
    """Read on and take something in, in a transaction of its own, until no other writer came in between.

    :param loaded: the log as far as it was read; a value, which still holds after a transaction that failed
    :raises EventLogError: if the stored log is not what was written
    """
    for _ in range(ATTEMPTS_MAX):
        with Session(engine) as session:
            loaded = read_on(session, loaded)
            try:
                after, submission = take_in(session, loaded)
                session.commit()
            except SequenceTakenError:
                continue
            return after, submission
    raise EventLogError(f"{name}: no record could be appended in {ATTEMPTS_MAX} attempts")


def state_after(
    name: str,
    state: StateT,
    previous: Record[EventT, OutcomeT] | None,
    records: Sequence[Record[EventT, OutcomeT]],
    *,
    decide: Callable[[StateT, Sequence[Record[EventT, OutcomeT]]], tuple[StateT, Sequence[OutcomeT]]],
) -> StateT:
    """Return the state after the records that follow `previous`; each is decided again and compared.

    :param decide: the core: from a state and what follows it to the state after it and what each event leads to
    :raises EventLogError: if a record's hash or outcomes are not what follows from the records before it
    """
    altered = next(altered_places(records, previous), None)
    if altered is not None:
        raise EventLogError(f"{name}: record {altered} is not what was written")
    state, decided = decide(state, records)
    for record, outcomes in zip(records, decided, strict=True):
        if record.outcomes != outcomes:
            raise EventLogError(f"{name}: record {record.sequence} has another outcome when decided again")
    return state
