"""Take a file of events into a county's registry log: all of them, or none. And the log back as such a file.

It is decided on a snapshot of the log and written in one short transaction, so a hub that runs beside it is not held
up; if the hub took an event in meanwhile, it is decided again. An event id stands for one event for good: an event
that stands already is passed over, so that the same file may be taken in again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

import msgspec
from sqlalchemy import Engine
from sqlmodel import Session, func, select

from edge.contract.interval import day_of_interval
from hub.market.event_log import altered_places, record_of
from hub.market.registry.event_log import RegistryRecord, Taken, recording_day, register_after
from hub.market.registry.events import Event, EventLineError, encode_events
from hub.market.registry.outcomes import Refusal
from hub.market.registry.register_document import OutcomeRow
from hub.store.counters import add_to_counters
from hub.store.event_log import SequenceTakenError
from hub.store.registry_events import (
    append_registry_records,
    find_registry_events,
    last_registry_sequence,
    read_registry_records,
)
from hub.store.tables import ClearingRunRow
from hub.usecases.event_log import ATTEMPTS_MAX, EventLogError
from hub.usecases.registry_event import LoadedRegister, keep_refused, load_register

EVENTS_PER_STEP = 1_000
RECORDS_PER_PAGE = 5_000
REFUSED, REPEATED = "refused", "repeated"


class LineRefusal(Enum):
    """Why a line is refused before the registry looks at it."""

    NO_EVENT = "no-event"
    CLEARED_DAY = "cleared-day"
    NOT_YET = "not-yet"


@dataclass(frozen=True)
class LineOutcome:
    """What became of one line of the file. outcome: recorded, waiting, repeated or refused; reason: a slug."""

    line: int
    event_id: str
    outcome: str
    reason: str | None = None
    what: str | None = None


@dataclass(frozen=True)
class ImportTerms:
    """How a file is taken in.

    actor: who takes it in. now: the hub's time, UTC seconds. keeps_dates: whether events keep the day on which the file
    says that they were recorded, as a history does; otherwise the hub says it. keeps_refused: whether the log keeps
    what the registry refuses, as it does of events that are sent one by one; otherwise nothing is written then.
    """

    actor: str
    now: Callable[[], int]
    keeps_dates: bool = False
    keeps_refused: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True)
class Imported:
    """What became of each line, in the order of the file, and whether the log holds it now."""

    lines: tuple[LineOutcome, ...]
    is_written: bool

    @property
    def counts(self) -> dict[str, int]:
        """Return how many lines had each outcome."""
        outcomes = [one.outcome for one in self.lines]
        return {name: outcomes.count(name) for name in ("recorded", "waiting", REPEATED, REFUSED)}


@dataclass
class _Plan:
    """What would be written on top of a log as it was read. is_blocked: by an event that may not be kept."""

    loaded: LoadedRegister
    day: date
    taken_utc_s: int
    lines: list[LineOutcome] = field(default_factory=list)
    records: list[RegistryRecord] = field(default_factory=list)
    is_blocked: bool = False


Submitted = Sequence[tuple[int, Event | EventLineError]]


def import_events(
    reader: Engine,
    writer: Engine,
    county: str,
    submitted: Submitted,
    terms: ImportTerms,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Imported:
    """Take the events of a file in, and return what became of each line.

    :param submitted: (number of the line, event or what is wrong with the line)
    :param progress: is told how many events of how many are decided
    :raises EventLogError: if the stored log is not what was written
    """
    loaded = LoadedRegister(county)
    for _ in range(ATTEMPTS_MAX):
        with Session(reader) as session:
            loaded = load_register(session, loaded)
            plan = _planned(session, loaded, submitted, terms, progress)
        is_refused = plan.is_blocked or (not terms.keeps_refused and any(one.outcome == REFUSED for one in plan.lines))
        if terms.is_dry_run or is_refused:
            return Imported(tuple(plan.lines), is_written=False)
        with Session(writer) as session:
            if _is_overtaken(session, plan, terms):
                continue
            try:
                _write(session, plan, terms)
                session.commit()
            except SequenceTakenError:
                continue
        return Imported(tuple(plan.lines), is_written=True)
    raise EventLogError(f"{county}: other events came in between {ATTEMPTS_MAX} times")


def exported_events(session: Session, county: str, *, with_refused: bool = False) -> Iterator[bytes]:
    """Yield the log as lines of an event file, in its order and with the days on which events were recorded.

    Taken into an empty log with these days, the lines give the same register, and are exported again to the byte.

    :param with_refused: also what was refused, which changed nothing
    :raises EventLogError: if the stored log is not what was written
    """
    previous: RegistryRecord | None = None
    while True:
        after_sequence = 0 if previous is None else previous.sequence
        records = read_registry_records(session, county, after_sequence=after_sequence, limit=RECORDS_PER_PAGE)
        if not records:
            return
        altered = next(altered_places(records, previous), None)
        if altered is not None:
            raise EventLogError(f"{county}: record {altered} is not what was written")
        kept = [one.event.event for one in records if with_refused or one.outcomes.outcome != REFUSED]
        yield encode_events(kept)
        previous = records[-1]


def _planned(
    session: Session,
    loaded: LoadedRegister,
    submitted: Submitted,
    terms: ImportTerms,
    progress: Callable[[int, int], None],
) -> _Plan:
    now_utc_s = terms.now()
    plan = _Plan(loaded, recording_day(now_utc_s), now_utc_s)
    known = find_registry_events(
        session, loaded.county, [one.event_id for _, one in submitted if not isinstance(one, EventLineError)]
    )
    earliest = _first_free_day(session)
    before = {name: record.event.event for name, record in known.items()}
    fresh: list[tuple[int, Event]] = []
    for line, event in submitted:
        found = _passed_over(line, event, before)
        if found is None and not isinstance(event, EventLineError):
            found = _misdated(line, event, plan.day, earliest) if terms.keeps_dates else None
        if found is None:
            assert not isinstance(event, EventLineError)
            before[event.event_id] = event
            fresh.append((line, event))
            continue
        if found.outcome == REPEATED and found.event_id in known:
            found = _as_it_stands(found, known[found.event_id].outcomes)
        plan.is_blocked |= found.outcome == REFUSED and found.event_id not in known
        plan.is_blocked |= found.reason == Refusal.CONFLICT.value
        plan.lines.append(found)
    _decide(plan, fresh, terms, progress)
    plan.lines.sort(key=lambda one: one.line)
    return plan


def _passed_over(line: int, event: Event | EventLineError, before: dict[str, Event]) -> LineOutcome | None:
    """Return why a line is not for the registry: it is no event, or its id stands already; None if it is."""
    if isinstance(event, EventLineError):
        return LineOutcome(line, "", REFUSED, LineRefusal.NO_EVENT.value, str(event))
    stands = before.get(event.event_id)
    if stands is None:
        return None
    if msgspec.structs.replace(event, recorded_on=stands.recorded_on) == stands:
        return LineOutcome(line, event.event_id, REPEATED)
    what = f"another event stands under the id {event.event_id}"
    return LineOutcome(line, event.event_id, REFUSED, Refusal.CONFLICT.value, what)


def _as_it_stands(found: LineOutcome, outcome: OutcomeRow) -> LineOutcome:
    """Return the outcome of an event that is in the log: what was refused once is refused again."""
    if outcome.outcome != REFUSED:
        return found
    return LineOutcome(found.line, found.event_id, REFUSED, outcome.reason, outcome.what)


def _misdated(line: int, event: Event, today: date, earliest: date) -> LineOutcome | None:
    """Return why an event cannot have been recorded on the day that it names, None if it can."""
    if event.recorded_on < earliest:
        reason, what = LineRefusal.CLEARED_DAY, f"{earliest} is cleared already, by what was recorded before it"
    elif event.recorded_on > today:
        reason, what = LineRefusal.NOT_YET, f"what is taken in now is recorded on {today}"
    else:
        return None
    return LineOutcome(line, event.event_id, REFUSED, reason.value, f"recorded on {event.recorded_on}: {what}")


def _first_free_day(session: Session) -> date:
    """Return the first day on which an event may be recorded without changing a day that is cleared."""
    newest = session.exec(select(func.max(ClearingRunRow.interval))).one()
    return date.min if newest is None else day_of_interval(newest)


def _decide(
    plan: _Plan, fresh: Sequence[tuple[int, Event]], terms: ImportTerms, progress: Callable[[int, int], None]
) -> None:
    """Let the registry decide on the events one after the other, and note the records that follow."""
    register, previous = plan.loaded.register, plan.loaded.last
    day = plan.day if previous is None else max(plan.day, previous.event.event.recorded_on)
    for start in range(0, len(fresh), EVENTS_PER_STEP):
        step = fresh[start : start + EVENTS_PER_STEP]
        events = [one if terms.keeps_dates else msgspec.structs.replace(one, recorded_on=day) for _, one in step]
        taken = [Taken(one, terms.actor, plan.taken_utc_s) for one in events]
        after_sequence = 0 if previous is None else previous.sequence
        register, rows = register_after(register, taken, after_sequence=after_sequence)
        for (line, _), one, row in zip(step, taken, rows, strict=True):
            previous = record_of(previous, one, row)
            plan.records.append(previous)
            plan.lines.append(LineOutcome(line, row.event_id, row.outcome, row.reason, row.what))
        progress(start + len(step), len(fresh))


def _is_overtaken(session: Session, plan: _Plan, terms: ImportTerms) -> bool:
    """Tell whether something was recorded, or a gate closed, since it was decided."""
    is_same_day = recording_day(terms.now()) == plan.day and _first_free_day(session) <= plan.day
    if terms.keeps_dates and plan.records:
        is_same_day &= _first_free_day(session) <= plan.records[0].event.event.recorded_on
    return not is_same_day or last_registry_sequence(session, plan.loaded.county) != plan.loaded.sequence


def _write(session: Session, plan: _Plan, terms: ImportTerms) -> None:
    append_registry_records(session, plan.loaded.county, plan.records)
    kinds = [record.outcomes.outcome for record in plan.records]
    counts = {f"registry_events_{kind}": kinds.count(kind) for kind in sorted(set(kinds) - {REFUSED})}
    repeated = sum(one.outcome == REPEATED for one in plan.lines)
    add_to_counters(session, counts | {"registry_events_repeated": repeated})
    for record in plan.records:
        if record.outcomes.outcome == REFUSED:
            assert record.outcomes.reason is not None, "a refusal has a reason"
            keep_refused(session, record.event.event, record.outcomes.reason, terms.actor, plan.taken_utc_s)
