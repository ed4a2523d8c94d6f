"""Requirements row 19: who ran the platform stands on every published result, and a change of operator leaves it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlmodel import Session

from hub.market.event_log import record_of
from hub.market.registry.event_log import Taken, register_after
from hub.market.registry.events import Event
from hub.market.registry.register import Register
from hub.store.engine import open_engine, sqlite_url
from hub.store.registry import county_of
from hub.store.registry_events import append_registry_record

API = "/api/v1"
DAY, INTERVAL_OF_DAY = "2016-05-17", 20
COUNTY = {
    "event": "UnitEstablished",
    "event_id": "1",
    "recorded_on": "2016-01-01",
    "unit_id": "A",
    "parent_id": None,
    "kind": "COUNTY",
    "province": "P",
    "operating_mode": "INDEPENDENT",
    "effective_from": "2016-01-01",
}
FIRST = {"operator_id": "DSO-1", "hosting": "DSO_COUNTY", "key_id": "k1"}
LATER = {"operator_id": "exchange", "hosting": "PROVINCIAL_EXCHANGE", "key_id": "k2"}


def appointed(event_id: str, operator: dict[str, str], day: str) -> dict[str, Any]:
    fields = {"event": "OperatorAppointed", "event_id": event_id, "recorded_on": "2016-01-01", "unit_id": "A"}
    return {**fields, "operator": operator, "effective_from": day}


@pytest.fixture
def served(
    tmp_path: Path, closed_url: str, client_of: Callable[..., httpx.Client]
) -> Callable[[list[dict[str, Any]]], httpx.Client]:
    """Serve the closed day with events in its registry."""

    def serve(events: list[dict[str, Any]]) -> httpx.Client:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
        shutil.copy(closed_url.removeprefix("sqlite:///"), path)
        engine = open_engine(sqlite_url(path))
        with Session(engine) as session:
            known = county_of(session)
            assert known is not None
            register, last = Register(), None
            for event in msgspec.convert(events, list[Event]):
                taken = Taken(event, "operator", 1)
                after = 0 if last is None else last.sequence
                register, (row,) = register_after(register, [taken], after_sequence=after)
                assert row.outcome == "recorded", row
                last = record_of(last, taken, row)
                append_registry_record(session, known[0], last)
            session.commit()
        engine.dispose()
        return client_of(sqlite_url(path), at=96)

    return serve


def stamps(client: httpx.Client, interval: int) -> list[Any]:
    paths = (f"intervals/{interval}", f"results/day?day={DAY}", f"sessions?day={DAY}", f"exchange?day={DAY}")
    return [client.get(f"{API}/{path}").json()["published_by"] for path in paths]


def test_every_result_names_who_ran_the_platform_on_its_day(served: Any, county_day: Any) -> None:
    interval = county_day.FIRST + INTERVAL_OF_DAY
    assert stamps(served([]), interval) == [None] * 4
    assert stamps(served([COUNTY]), interval) == [None] * 4
    stamp = {"county": "A", "day": DAY, "operator": FIRST}
    assert stamps(served([COUNTY, appointed("2", FIRST, "2016-01-01")]), interval) == [stamp] * 4
    switched = [COUNTY, appointed("2", FIRST, "2016-01-01"), appointed("3", LATER, "2016-06-01")]
    assert stamps(served(switched), interval) == [stamp] * 4
    before = [COUNTY, appointed("2", FIRST, "2016-01-01"), appointed("3", LATER, "2016-05-01")]
    assert stamps(served(before), interval) == [{**stamp, "operator": LATER}] * 4
