"""The registry in the hub's database: one log, real concurrent writers, idempotency, refusals kept, nothing altered."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from hub.market.event_log import check_log, record_of
from hub.market.registry.checks import check_register
from hub.market.registry.event_log import recording_day
from hub.market.registry.events import Event, ParticipantAdmitted, ProjectApplied, decode_events
from hub.market.registry.fold import fold
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.event_log import SequenceTakenError
from hub.store.quarantine import refusal_counts
from hub.store.registry_events import (
    append_registry_record,
    last_registry_sequence,
    read_registry_records,
)
from hub.usecases.event_log import EventLogError
from hub.usecases.registry_event import (
    AnsweredAgain,
    Appended,
    IdTaken,
    LoadedRegister,
    load_register,
    submit_event,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market"
EMPTY = LoadedRegister("A")
WORLD = decode_events((GOLDEN / "registry_world" / "events.jsonl").read_bytes())
DEVELOPER = [
    msgspec.convert(row, Event) for row in json.loads((GOLDEN / "MODE-06" / "case.json").read_text())["events"]
]
FEBRUARY = date(2026, 2, 2)


def noon(day: date) -> int:
    return start_utc_s(first_interval_of_day(day) + 48)


def taken(engine: Engine, loaded: LoadedRegister, event: Event, day: date | None = None) -> tuple[LoadedRegister, Any]:
    """Submit the event at noon of the day, of its own if none is given."""
    return submit_event(engine, loaded, event, actor="operator", now=lambda: noon(day or event.recorded_on))


def plant(number: int, capacity_w: int) -> ProjectApplied:
    pattern = next(event for event in DEVELOPER if isinstance(event, ProjectApplied))
    names = {"event_id": f"p{number}", "project_id": f"pv{number}", "meter_ids": (f"m-pv{number}",)}
    return msgspec.structs.replace(pattern, **names, installed_capacity_w=capacity_w, element="A-T1")


@pytest.fixture
def founded(engine: Engine) -> LoadedRegister:
    """The world's rules and units, and the developer "s", admitted."""
    loaded = EMPTY
    for event in [*WORLD, *DEVELOPER[:2]]:
        loaded, submission = taken(engine, loaded, event)
        assert isinstance(submission, Appended)
        assert submission.record.outcomes.outcome == "recorded"
    return loaded


@pytest.mark.usefixtures("founded")
def test_writers_at_once_never_grant_more_than_the_room(database_url: str) -> None:
    """12 plants of 100 kW from 4 writers, each with its own connection, where 400 kW are free: 4 are granted."""
    barrier = Barrier(4)

    def write(writer: int) -> list[Any]:
        engine, loaded, said = open_engine(database_url), EMPTY, []
        with Session(engine) as session:
            loaded = load_register(session, loaded)
        barrier.wait(timeout=60)
        for number in range(writer, 12, 4):
            loaded, submission = taken(engine, loaded, plant(number, 100_000))
            said.append(submission.record)
        engine.dispose()
        return said

    with ThreadPoolExecutor(4) as writers:
        said = [one for of_writer in writers.map(write, range(4)) for one in of_writer]
    outcomes = [record.outcomes.outcome for record in said]
    assert (outcomes.count("recorded"), outcomes.count("waiting")) == (4, 8)
    assert len({record.sequence for record in said}) == 12
    engine = open_engine(database_url)
    with Session(engine) as session:
        loaded, records = load_register(session, EMPTY), read_registry_records(session, "A")
        assert read_counters(session) == {"registry_events_recorded": 28, "registry_events_waiting": 8}
    engine.dispose()
    assert [record.sequence for record in records] == list(range(1, 37))
    assert [record.outcomes.number for record in records] == list(range(1, 37))
    assert loaded.register.elements["A-T1"].room_kw == 0
    assert check_log(records) == []
    assert check_register(loaded.register) == []
    assert fold(record.event.event for record in records).register == loaded.register


def test_a_writer_that_was_overtaken_decides_again(engine: Engine, founded: LoadedRegister) -> None:
    """Both read that 400 kW are free; the second's own decision is refused by the database and comes out otherwise."""
    first, granted = taken(engine, founded, plant(1, 400_000))
    assert granted.record.outcomes.outcome == "recorded"
    stale = msgspec.structs.replace(granted.record.event, event=plant(2, 400_000))
    with Session(engine) as session, pytest.raises(SequenceTakenError):
        append_registry_record(session, "A", msgspec.structs.replace(granted.record, event=stale))
    second, waiting = taken(engine, founded, plant(2, 400_000))
    assert (waiting.record.outcomes.outcome, waiting.record.outcomes.reason) == ("waiting", "yellow")
    assert second.sequence == first.sequence + 1


def test_an_event_that_was_sent_twice_stands_once(engine: Engine, founded: LoadedRegister) -> None:
    loaded, first = taken(engine, founded, DEVELOPER[2])
    assert isinstance(first, Appended)
    for known in (loaded, founded, EMPTY):
        after, again = taken(engine, known, DEVELOPER[2], FEBRUARY + timedelta(days=3))
        assert again == AnsweredAgain(first.record)
        assert after.register == loaded.register
    other = msgspec.structs.replace(DEVELOPER[2], installed_capacity_w=1)
    after, refused = taken(engine, loaded, other)
    assert refused == IdTaken(first.record)
    assert after is loaded
    with Session(engine) as session:
        assert last_registry_sequence(session, "A") == first.record.sequence
        counters = read_counters(session)
        assert (counters["registry_events_repeated"], counters["registry_events_refused"]) == (3, 1)
        assert [(row.kind.name, row.reason, row.total) for row in refusal_counts(session)] == [
            ("REGISTRY", "conflict", 1)
        ]


def test_what_is_refused_changes_nothing_and_is_kept(engine: Engine, founded: LoadedRegister) -> None:
    nobody = ParticipantAdmitted(event_id="x1", recorded_on=FEBRUARY, participant_id="nobody", effective_from=FEBRUARY)
    loaded, refused = taken(engine, founded, nobody)
    assert isinstance(refused, Appended)
    assert (refused.record.outcomes.outcome, refused.record.outcomes.reason) == ("refused", "unknown-participant")
    assert loaded.register == founded.register
    assert loaded.sequence == founded.sequence + 1
    _, again = taken(engine, loaded, nobody)
    assert again == AnsweredAgain(refused.record)
    with Session(engine) as session:
        assert load_register(session, EMPTY) == loaded
        assert read_counters(session)["registry_events_refused"] == 1
        assert [(row.reason, row.total) for row in refusal_counts(session)] == [("unknown-participant", 1)]


def test_the_hub_says_when_an_event_was_recorded(engine: Engine, founded: LoadedRegister) -> None:
    """Five days of notice: recorded on 2 February, an election for 4 February is late, whatever date it bears."""
    loaded, _ = taken(engine, founded, DEVELOPER[2])
    early = msgspec.structs.replace(
        DEVELOPER[3],
        recorded_on=date(2026, 1, 1),
        period=msgspec.convert({"from_day": "2026-02-04"}, type(DEVELOPER[3].period)),
    )
    after, refused = taken(engine, loaded, early, FEBRUARY)
    assert refused.record.outcomes.reason == "notice"
    assert refused.record.event.event.recorded_on == FEBRUARY
    back, _ = taken(engine, after, plant(7, 1000), date(2026, 1, 20))
    assert back.last is not None
    assert back.last.event.event.recorded_on == FEBRUARY


def test_the_day_turns_when_the_gate_of_its_first_interval_closes() -> None:
    first = start_utc_s(first_interval_of_day(FEBRUARY))
    assert recording_day(first - 901) == FEBRUARY - timedelta(days=1)
    assert recording_day(first - 900) == FEBRUARY
    assert recording_day(first + 95 * 900 - 1) == FEBRUARY


def test_a_register_of_an_earlier_day_leaves_out_what_was_recorded_later(
    engine: Engine, founded: LoadedRegister
) -> None:
    loaded, _ = taken(engine, founded, plant(1, 1000))
    loaded, _ = taken(engine, loaded, plant(2, 1000), FEBRUARY + timedelta(days=1))
    with Session(engine) as session:
        before = load_register(session, EMPTY, recorded_before=FEBRUARY)
        assert before.sequence == len(WORLD) == last_registry_sequence(session, "A", recorded_before=FEBRUARY)
        on_day = load_register(session, before, recorded_before=FEBRUARY + timedelta(days=1))
        assert set(on_day.register.projects) == {"pv1"}
        assert load_register(session, on_day) == loaded
        assert last_registry_sequence(session, "A", recorded_before=date(2020, 1, 1)) == 0


def test_a_county_has_its_own_log(engine: Engine, founded: LoadedRegister) -> None:
    other, submission = taken(engine, LoadedRegister("B"), WORLD[0])
    assert isinstance(submission, Appended)
    assert other.sequence == 1
    with Session(engine) as session:
        assert load_register(session, EMPTY) == founded


@pytest.mark.parametrize("statement", ["UPDATE registry_event SET actor = 'x'", "DELETE FROM registry_event"])
def test_the_log_is_append_only(engine: Engine, founded: LoadedRegister, statement: str) -> None:
    with Session(engine) as session, pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(statement))
    with Session(engine) as session:
        assert load_register(session, EMPTY) == founded


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'someone else'",
        "taken_utc_s = taken_utc_s - 1",
        "event = replace(event, '2017-1901', '2017-1902')",
        "event = '{}'",
        "outcome = replace(outcome, 'recorded', 'refused')",
        "sequence = 7",
    ],
)
def test_an_altered_log_is_not_built_on(migrated_sqlite_url: str, change: str) -> None:
    engine = open_engine(migrated_sqlite_url)
    loaded, _ = taken(engine, EMPTY, WORLD[0])
    with Session(engine) as session:
        session.execute(text("DROP TRIGGER registry_event_no_update"))
        session.execute(text(f"UPDATE registry_event SET {change}"))  # noqa: S608
        session.commit()
    with pytest.raises(EventLogError, match="record 1 is not what was written"):
        taken(engine, EMPTY, WORLD[1])
    with Session(engine) as session:
        assert len(session.execute(text("SELECT 1 FROM registry_event")).all()) == loaded.sequence
    engine.dispose()


def test_a_log_that_another_program_decided_is_told(engine: Engine) -> None:
    """The chain is sound, but the outcome is not what this program decides: the rules' code and the log differ."""
    _, submission = taken(engine, EMPTY, WORLD[0])
    with Session(engine) as session:
        record = submission.record
        wrong = msgspec.structs.replace(record.outcomes, outcome="refused", reason="class")
        append_registry_record(session, "B", record_of(None, record.event, wrong))
        session.commit()
    with pytest.raises(EventLogError, match="another outcome when decided again"):
        taken(engine, LoadedRegister("B"), WORLD[1])
