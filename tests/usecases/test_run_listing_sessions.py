"""Listing sessions by the hub's clock: opened and closed in time, once, after restarts and beside other writers."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from hub.market.event_log import record_of
from hub.market.listing.events import AnnounceSession, decode_event
from hub.market.listing.listing_step import step
from hub.market.listing.states import State
from hub.store.listing import append_record, read_records
from hub.usecases.listing_session import LoadedMarket, read_on, submit_event
from hub.usecases.run_listing_sessions import advance_listing

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market"
COUNTY_TIME = timezone(timedelta(hours=8))
OPENS = datetime(2026, 3, 9, 9, 0, tzinfo=COUNTY_TIME)
CLOSES = datetime(2026, 3, 9, 11, 0, tzinfo=COUNTY_TIME)
EMPTY = LoadedMarket("county")


@pytest.fixture
def announced(engine: Engine) -> LoadedMarket:
    """Session "M04" is announced for 9:00 to 11:00, "M05" for 10:00 to 11:00."""
    loaded = EMPTY
    lines = (GOLDEN / "LIST-11" / "counter-offer.events.jsonl").read_bytes().splitlines()
    events = [decode_event(line) for line in lines if json.loads(line)["event"].startswith(("set_", "announce_"))]
    first = events[-1]
    assert isinstance(first, AnnounceSession)
    second = {"event_id": "second", "session_id": "M05", "opens_at": OPENS + timedelta(hours=1)}
    for event in [*events, msgspec.structs.replace(first, **second)]:
        loaded, _ = submit_event(engine, loaded, event, now=event.at)
    return loaded


def advanced(engine: Engine, loaded: LoadedMarket, at: datetime) -> dict[str, State]:
    """Let the clock come to an instant; return the states of the sessions as another process reads them."""
    with Session(engine) as session:
        advance_listing(session, loaded, int(at.timestamp()))
        session.commit()
    return states(engine)


def states(engine: Engine) -> dict[str, State]:
    with Session(engine) as session:
        sessions = read_on(session, EMPTY).market.sessions
    return {one.terms.session_id: one.state for one in sessions.values()}


def log_of(engine: Engine) -> list[tuple[str, str]]:
    with Session(engine) as session:
        records = read_records(session, "county")
    return [(str(one.event.__struct_config__.tag), getattr(one.event, "session_id", "")) for one in records]


@pytest.mark.parametrize(
    ("after_s", "first", "second"),
    [
        (-1, State.SESSION_ANNOUNCED, State.SESSION_ANNOUNCED),
        (0, State.SESSION_OPEN, State.SESSION_ANNOUNCED),
        (3600, State.SESSION_OPEN, State.SESSION_OPEN),
        (7199, State.SESSION_OPEN, State.SESSION_OPEN),
        (7200, State.SESSION_CLOSED, State.SESSION_CLOSED),
        (86_400, State.SESSION_CLOSED, State.SESSION_CLOSED),
    ],
)
def test_sessions_open_and_close_at_their_times(
    engine: Engine, announced: LoadedMarket, after_s: int, first: State, second: State
) -> None:
    assert advanced(engine, announced, OPENS + timedelta(seconds=after_s)) == {"M04": first, "M05": second}


def test_the_same_instant_again_writes_nothing(engine: Engine, announced: LoadedMarket) -> None:
    advanced(engine, announced, OPENS)
    once = log_of(engine)
    for known in (announced, EMPTY):
        advanced(engine, known, OPENS)
    assert log_of(engine) == once
    assert once[-1] == ("open_session", "M04")


def test_what_passed_while_no_clock_ran_is_caught_up_in_order(engine: Engine, announced: LoadedMarket) -> None:
    before = len(log_of(engine))
    advanced(engine, announced, CLOSES + timedelta(days=3))
    assert log_of(engine)[before:] == [
        ("open_session", "M04"),
        ("open_session", "M05"),
        ("close_session", "M04"),
        ("close_session", "M05"),
    ]


def test_a_job_that_did_not_commit_does_it_again(engine: Engine, announced: LoadedMarket) -> None:
    with Session(engine) as session:
        loaded = advance_listing(session, announced, int(OPENS.timestamp()))
        session.rollback()
    assert states(engine)["M04"] is State.SESSION_ANNOUNCED
    assert advanced(engine, loaded, OPENS)["M04"] is State.SESSION_OPEN


def test_a_session_that_the_operator_opened_is_left_open(engine: Engine, announced: LoadedMarket) -> None:
    by_hand = decode_event(
        json.dumps(
            {"event": "open_session", "event_id": "x", "at": OPENS.isoformat(), "actor": "o", "session_id": "M04"}
        )
    )
    submit_event(engine, announced, by_hand, now=OPENS)
    before = len(log_of(engine))
    assert advanced(engine, announced, OPENS)["M04"] is State.SESSION_OPEN
    assert len(log_of(engine)) == before


def test_the_clock_decides_again_when_another_writer_came_first(engine: Engine, announced: LoadedMarket) -> None:
    """The other's record is not committed when the clock begins; the clock waits for it and comes after it."""
    event = decode_event(
        json.dumps(
            {"event": "open_session", "event_id": "x", "at": OPENS.isoformat(), "actor": "o", "session_id": "M04"}
        )
    )
    _, outcomes = step(announced.market, event)
    with ThreadPoolExecutor(1) as clock, Session(engine) as other:
        append_record(other, "county", record_of(announced.last, event, outcomes))
        late = clock.submit(advanced, engine, announced, CLOSES)
        other.commit()
        assert late.result(timeout=60) == {"M04": State.SESSION_CLOSED, "M05": State.SESSION_CLOSED}
    assert log_of(engine)[-4:] == [
        ("open_session", "M04"),
        ("open_session", "M05"),
        ("close_session", "M04"),
        ("close_session", "M05"),
    ]


def test_a_broken_log_of_listings_stops_no_other_market(make_market: Any, migrated_sqlite_url: str) -> None:
    market = make_market(migrated_sqlite_url)
    county = market.county.registry.county
    line = (GOLDEN / "LIST-11" / "counter-offer.events.jsonl").read_bytes().splitlines()[0]
    event = decode_event(line)
    submit_event(market.engine, LoadedMarket(county), event, now=event.at)
    with Session(market.engine) as session:
        session.execute(text("DROP TRIGGER listing_event_no_update"))
        session.execute(text("UPDATE listing_event SET sha256 = 'x'"))
        session.commit()
    for interval in range(market.first - 2, market.first + 1):
        market.at(interval)
    assert market.publisher.results == [market.first, market.first + 1]
    assert set(market.rows("SELECT place FROM law_violation WHERE law = 9")) == {("log of listing trading",)}
