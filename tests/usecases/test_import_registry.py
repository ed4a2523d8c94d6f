"""A file of events into the log, on both databases: whole or not at all, also beside a hub that takes events in."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from hub.market.registry.events import Event, decode_event_lines, encode_events
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.registry_events import read_registry_records
from hub.store.tables import ClearingRunRow
from hub.usecases import import_registry
from hub.usecases.event_log import EventLogError
from hub.usecases.import_registry import Imported, ImportTerms, exported_events, import_events
from hub.usecases.registry_event import LoadedRegister, load_register, submit_event

COUNTY = "toy"
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "registry-county.jsonl"
NOW = start_utc_s(first_interval_of_day(date(2026, 3, 20)) + 40)
HISTORY = ImportTerms("desk", lambda: NOW, keeps_dates=True, keeps_refused=True)


@pytest.fixture
def reader(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url, read_only=True)
    yield opened
    opened.dispose()


def lines(some: bytes = b"") -> list[Any]:
    return list(decode_event_lines(some or EXAMPLE.read_bytes()))


def log(engine: Engine) -> Sequence[Any]:
    with Session(engine) as session:
        return read_registry_records(session, COUNTY)


def exported(engine: Engine, **how: bool) -> bytes:
    with Session(engine) as session:
        return b"".join(exported_events(session, COUNTY, **how))


def take(engine: Engine, reader: Engine, some: list[Any], terms: ImportTerms = HISTORY) -> Imported:
    return import_events(reader, engine, COUNTY, some, terms)


def rule(name: str) -> Any:
    (_, first), *_ = lines()
    return msgspec.structs.replace(first, event_id=name)


def test_in_steps_the_log_is_what_it_is_one_event_after_the_other(
    engine: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_registry, "EVENTS_PER_STEP", 7)
    monkeypatch.setattr(import_registry, "RECORDS_PER_PAGE", 5)
    told: list[tuple[int, int]] = []
    submitted = lines()
    done = import_events(reader, engine, COUNTY, submitted, HISTORY, progress=lambda *how: told.append(how))
    assert told == [(min(7 * step, len(submitted)), len(submitted)) for step in range(1, len(told) + 1)]
    assert told[-1][0] == len(submitted)
    with Session(engine) as session:
        loaded = load_register(session, LoadedRegister(COUNTY))  # every record is decided again and compared
        counters = read_counters(session)
    assert loaded.sequence == len(submitted) == len(done.lines)
    assert [one.outcomes.outcome for one in log(engine)] == [one.outcome for one in done.lines]
    assert counters["registry_events_recorded"] == done.counts["recorded"]
    assert counters["registry_events_refused"] == done.counts["refused"] > 0
    assert exported(engine, with_refused=True) == encode_events([event for _, event in submitted])
    assert lines(exported(engine)) == [
        (number, event)
        for number, event in enumerate(
            (event for (_, event), one in zip(submitted, done.lines, strict=True) if one.outcome != "refused"), start=1
        )
    ]


def test_an_event_that_the_hub_takes_in_meanwhile_is_not_lost(engine: Engine, reader: Engine) -> None:
    """The hub records another rule while the file is decided: it is decided again, on top of that rule."""
    submitted = lines()
    calls: list[int] = []

    def hub_takes_one_in(done: int, _of_all: int) -> None:
        calls.append(done)
        if len(calls) == 1:
            submit_event(engine, LoadedRegister(COUNTY), rule("meanwhile"), actor="other", now=lambda: NOW)

    dated_by_hub = ImportTerms("desk", lambda: NOW, keeps_refused=True)
    done = import_events(reader, engine, COUNTY, submitted, dated_by_hub, progress=hub_takes_one_in)
    assert done.is_written
    assert len(calls) == 2
    assert [one.event.actor for one in log(engine)] == ["other", *["desk"] * len(submitted)]
    with Session(engine) as session:
        assert load_register(session, LoadedRegister(COUNTY)).sequence == len(submitted) + 1


def clear(engine: Engine, day: date) -> None:
    """Let an interval of the day be cleared."""
    with Session(engine) as session:
        fields = {name: 0 for name, one in ClearingRunRow.model_fields.items() if one.is_required()}
        session.add(ClearingRunRow(**fields | {"interval": first_interval_of_day(day) + 3}))
        session.commit()


def test_a_day_that_is_cleared_while_a_history_is_decided_keeps_its_modes(engine: Engine, reader: Engine) -> None:
    cleared: list[int] = []

    def gate_closes(done: int, _of_all: int) -> None:
        if not cleared:
            clear(engine, date(2026, 3, 19))
        cleared.append(done)

    done = import_events(reader, engine, COUNTY, lines(), HISTORY, progress=gate_closes)
    assert {one.reason for one in done.lines} == {"cleared-day"}
    assert not done.is_written
    assert not log(engine)


def test_a_cleared_day_keeps_its_modes(engine: Engine, reader: Engine) -> None:
    """What was recorded before a day that is cleared would change that day; on the day itself it changes the next."""
    clear(engine, date(2026, 3, 10))
    days = (date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 20), date(2026, 3, 21))
    submitted = [
        (number, msgspec.structs.replace(rule(f"r{number}"), recorded_on=day)) for number, day in enumerate(days, 1)
    ]
    done = take(engine, reader, submitted)
    reasons = [one.reason for one in done.lines]
    assert (reasons[0], reasons[3]) == ("cleared-day", "not-yet")
    assert {"cleared-day", "not-yet"}.isdisjoint(reasons[1:3])
    assert not done.is_written
    assert not log(engine)


def test_twice_in_one_file_counts_once_and_two_under_one_id_keep_it_out(engine: Engine, reader: Engine) -> None:
    one, other = rule("same"), msgspec.structs.replace(rule("same"), version=rule("same").version)
    assert [line.outcome for line in take(engine, reader, [(1, one), (2, other)]).lines] == ["recorded", "repeated"]
    changed = msgspec.structs.replace(one, version=msgspec.structs.replace(one.version, document="another"))
    done = take(engine, reader, [(1, rule("new")), (2, changed)])
    assert [(line.outcome, line.reason) for line in done.lines][1] == ("refused", "conflict")
    assert (done.is_written, len(log(engine))) == (False, 1)


def test_a_dry_run_writes_nothing_and_says_the_same(engine: Engine, reader: Engine) -> None:
    dry = take(engine, reader, lines(), replace(HISTORY, is_dry_run=True))
    assert not log(engine)
    assert dry.lines == take(engine, reader, lines()).lines


def test_an_altered_log_is_not_exported(migrated_sqlite_url: str) -> None:
    engine = open_engine(migrated_sqlite_url)
    take(engine, engine, lines())
    with Session(engine) as session:
        session.connection().exec_driver_sql("DROP TRIGGER registry_event_no_update")
        session.connection().exec_driver_sql("UPDATE registry_event SET actor = 'nobody' WHERE sequence = 5")
        session.commit()
    with pytest.raises(EventLogError, match="record 5 is not what was written"):
        exported(engine)
    engine.dispose()


def test_lines_that_are_no_events_are_named_and_the_others_are_read() -> None:
    found = lines(b'{"event":"X"}\n\n[1]\n\xff\n' + encode_events([rule("one")]))
    assert [number for number, _ in found] == [1, 3, 4, 5]
    assert [isinstance(one, Event) for _, one in found] == [False, False, False, True]
