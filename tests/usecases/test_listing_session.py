"""Listing trading in the hub's database: one log, real concurrent writers, idempotency, nothing altered unseen."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from hub.market.listing.checks import check_market, check_replayed, state_sha256
from hub.market.listing.events import TakeListing, decode_event
from hub.market.listing.outcomes import DealMade, RefusalReason, Refused
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.event_log import SequenceTakenError
from hub.store.listing import append_record, read_records
from hub.store.quarantine import refusal_counts
from hub.usecases.event_log import EventLogError
from hub.usecases.listing_session import LoadedMarket, read_on, submit_event

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market"
KWH, MWH = 1000, 1_000_000
COUNTY_TIME = timezone(timedelta(hours=8))
TRADING = datetime(2026, 3, 9, 9, 30, tzinfo=COUNTY_TIME)
EMPTY = LoadedMarket("county")


@pytest.fixture
def listed(engine: Engine) -> LoadedMarket:
    """Session "M04" is open; 300 MWh of "gen" stand in it, and "ret" may buy."""
    loaded = EMPTY
    lines = (GOLDEN / "LIST-11" / "counter-offer.events.jsonl").read_bytes().splitlines()
    for event in [decode_event(line) for line in lines if json.loads(line)["event"] != "take_listing"]:
        loaded, submission = submit_event(engine, loaded, event, now=event.at)
        assert not isinstance(submission.outcomes[0], Refused)
    return loaded


def take(number: int, energy_wh: int, **changes: Any) -> TakeListing:
    fields = {"session_id": "M04", "participant_id": "ret", "listing": 1} | changes
    return TakeListing(event_id=f"take-{number}", at=TRADING, actor="ret", energy_wh=energy_wh, **fields)


@pytest.mark.usefixtures("listed")
def test_fifty_writers_at_once_never_oversell(database_url: str) -> None:
    """50 takes of 8 MWh from 10 writers, each with its own connection, of 300 MWh: exactly 37 win."""
    barrier = Barrier(10)

    def write(writer: int) -> list[Any]:
        engine, loaded, said = open_engine(database_url), EMPTY, []
        with Session(engine) as session:
            loaded = read_on(session, loaded)
        barrier.wait(timeout=60)
        for number in range(writer, 50, 10):
            loaded, submission = submit_event(engine, loaded, take(number, 8 * MWH), now=TRADING)
            said.append(submission)
        engine.dispose()
        return said

    with ThreadPoolExecutor(10) as writers:
        said = [one for of_writer in writers.map(write, range(10)) for one in of_writer]
    won = [one for one in said if isinstance(one.outcomes[0], DealMade)]
    lost = [one for one in said if one.outcomes == (Refused(RefusalReason.ABOVE_REMAINING),)]
    assert (len(won), len(lost)) == (37, 13)
    assert len({one.sequence for one in said}) == 50
    assert {one.outcomes[0].deal for one in won} == set(range(1, 38))
    engine = open_engine(database_url)
    with Session(engine) as session:
        loaded = read_on(session, EMPTY)
        records = read_records(session, "county")
    engine.dispose()
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    assert loaded.market.sessions["M04"].listings[1].open_wh == 4 * MWH
    assert check_market(loaded.market) == []
    assert check_replayed(records, loaded.market) == []


def test_two_writers_that_decided_on_the_same_state_do_not_both_append(engine: Engine, listed: LoadedMarket) -> None:
    """Both read, both decide that the last MWh is theirs; the second's record is refused and it decides again."""
    first, _ = submit_event(engine, listed, take(1, 300 * MWH), now=TRADING)
    assert first.last is not None
    with Session(engine) as session, pytest.raises(SequenceTakenError):
        append_record(session, "county", msgspec.structs.replace(first.last, event=take(2, 300 * MWH)))
    second, submission = submit_event(engine, listed, take(2, 300 * MWH), now=TRADING)
    assert submission.outcomes == (Refused(RefusalReason.ABOVE_REMAINING),)
    assert second.market.sessions["M04"].listings[1].taken_wh == 300 * MWH


def test_an_event_that_was_sent_twice_stands_once(engine: Engine, listed: LoadedMarket) -> None:
    loaded, first = submit_event(engine, listed, take(1, 8 * MWH), now=TRADING)
    later = TRADING + timedelta(minutes=5)
    again = msgspec.structs.replace(take(1, 8 * MWH), at=later)
    for known in (loaded, listed, EMPTY):
        after, second = submit_event(engine, known, again, now=later)
        assert (second.outcomes, second.repeat, second.sequence) == (first.outcomes, True, None)
        assert state_sha256(after.market) == state_sha256(loaded.market)
    _, other = submit_event(engine, loaded, take(1, 9 * MWH), now=later)
    assert other.outcomes == (Refused(RefusalReason.DUPLICATE_ID),)
    with Session(engine) as session:
        assert len(read_records(session, "county")) == first.sequence
        assert read_counters(session) == {"listing_events_repeated": 3}
        assert [(row.reason, row.total) for row in refusal_counts(session)] == [("duplicate-id", 1)]


def test_a_market_has_its_own_log_and_refusals_are_part_of_it(engine: Engine, listed: LoadedMarket) -> None:
    loaded, submission = submit_event(engine, listed, take(1, 1), now=TRADING)
    assert submission.outcomes == (Refused(RefusalReason.OFF_LOT),)
    assert loaded.market.refused == 1
    other, _ = submit_event(engine, LoadedMarket("elsewhere"), take(1, 1), now=TRADING)
    assert other.last is not None
    assert (other.last.sequence, other.last.outcomes) == (1, (Refused(RefusalReason.UNKNOWN_SESSION),))
    with Session(engine) as session:
        assert read_on(session, LoadedMarket("elsewhere")).market.refused == 1


def test_time_never_runs_back_in_the_log(engine: Engine, listed: LoadedMarket) -> None:
    loaded, _ = submit_event(engine, listed, take(1, 8 * MWH), now=TRADING)
    after, submission = submit_event(engine, loaded, take(2, 8 * MWH), now=TRADING - timedelta(seconds=1))
    assert isinstance(submission.outcomes[0], DealMade)
    assert after.last is not None
    assert after.last.event.at == TRADING


@pytest.mark.parametrize("statement", ["UPDATE listing_event SET actor = 'x'", "DELETE FROM listing_event"])
def test_the_log_is_append_only(engine: Engine, listed: LoadedMarket, statement: str) -> None:
    with Session(engine) as session, pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(statement))
    with Session(engine) as session:
        assert read_on(session, EMPTY).last == listed.last


def test_an_altered_log_is_not_traded_on(migrated_sqlite_url: str) -> None:
    engine = open_engine(migrated_sqlite_url)
    loaded, _ = submit_event(engine, EMPTY, take(1, 1), now=TRADING)
    with Session(engine) as session:
        session.execute(text("DROP TRIGGER listing_event_no_update"))
        session.execute(text("UPDATE listing_event SET event = replace(event, 'ret', 'gen')"))
        session.commit()
    with pytest.raises(EventLogError, match="record 1 is not what was written"):
        submit_event(engine, EMPTY, take(2, 1), now=TRADING)
    after, _ = submit_event(engine, loaded, take(2, 1), now=TRADING)
    assert after.last is not None
    engine.dispose()


def test_a_transaction_that_does_not_commit_leaves_nothing(engine: Engine, listed: LoadedMarket) -> None:
    assert listed.last is not None
    record = msgspec.structs.replace(listed.last, sequence=listed.last.sequence + 1, event=take(1, MWH))
    with Session(engine) as session:
        append_record(session, "county", record)
        session.rollback()
    with Session(engine) as session:
        assert read_on(session, EMPTY).last == listed.last
    _, submission = submit_event(engine, listed, take(1, MWH), now=TRADING)
    assert submission.sequence == listed.last.sequence + 1
