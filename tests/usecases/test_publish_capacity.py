"""The quarter's list of capacity reaches the registry's log, and the waiting list is judged by it (row 138)."""

from datetime import date
from types import ModuleType
from typing import Any

import pytest
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.market.registry.events import CapacityPublished
from hub.store.hosting import read_capacity_list
from hub.store.registry_events import read_registry_records
from hub.usecases.publish_capacity import publish_capacity, registered_generation_mw
from hub.usecases.registry_event import LoadedRegister, load_register

MAY_2, MAY_3 = date(2016, 5, 2), date(2016, 5, 3)


@pytest.fixture
def founded(market: Any, toy_register: ModuleType) -> Any:
    """The county's rules and "dev"; the operator's list of May 1st has a full feeder F1 and area A001 below it."""
    *events, capacity = toy_register.rules()
    full = [
        {"element": "F1", "superior": None, "room_kw": 0, "grade": "yellow"},
        {"element": "A001", "superior": "F1", "room_kw": 500, "grade": "green"},
    ]
    toy_register.stand(
        market.engine,
        [*events, capacity | {"elements": full}, *toy_register.party("dev", "INDEPENDENT_DG_DEVELOPER")],
        MAY_2,
    )
    return market


def applied(market: Any, toy_register: ModuleType, element: str, meter_id: str, **changes: Any) -> str:
    """Apply for a plant on 3 May and return what came of it."""
    name = f"{element}-{meter_id}"
    fields = {"element": element, "event_id": name, "project_id": name} | changes
    (said,) = toy_register.take(market.engine, [toy_register.plant("dev", meter_id) | fields], MAY_3)
    return str(said.record.outcomes.outcome)


def register_of(market: Any) -> Any:
    with Session(market.engine) as session:
        return load_register(session, LoadedRegister("toy")).register


def test_the_hubs_list_stands_in_the_log_once(market: Any) -> None:
    market.whole_run()
    closed = start_utc_s(market.last + 1)
    with Session(market.engine) as session:
        (record,) = read_registry_records(session, "toy")
        entries = {one.entry.unit: one.entry for one in read_capacity_list(session, closed)}
    event = record.event.event
    assert isinstance(event, CapacityPublished)
    assert (event.assessed_on, record.event.actor, record.outcomes.outcome) == (market.toy.DAY, "hub", "recorded")
    listed = {row.element: row for row in event.elements}
    assert {name: (row.superior, row.room_kw) for name, row in listed.items()} == {
        name: (entry.parent, entry.c2_kw) for name, entry in entries.items()
    }
    assert (listed["A001"].grade, listed["A001"].room_kw, listed["F1"].grade) == ("red", -322, "green")
    with Session(market.engine) as session:
        publish_capacity(session, "toy", closed)
        session.commit()
        assert len(read_registry_records(session, "toy")) == 1
        assert publish_capacity(session, "toy", closed + 900) is None


def test_who_waited_is_judged_by_the_hubs_list(founded: Any, toy_register: ModuleType) -> None:
    """The operator's list has no room at F1, the hub's has 5,800 kW: who waits there is connected by it."""
    assert applied(founded, toy_register, "F1", "new-1") == "waiting"
    founded.whole_run()
    register = register_of(founded)
    assert register.waiting == {}
    assert register.projects["F1-new-1"].granted_on == founded.toy.DAY
    assert register.elements["F1"].room_kw == 5_800 - 160


def test_a_plant_that_is_granted_and_not_yet_connected_takes_its_room(founded: Any, toy_register: ModuleType) -> None:
    free = {"event": "CapacityPublished", "event_id": "free", "assessed_on": "2016-05-01"}
    rows = [{"element": "F1", "superior": None, "room_kw": 9_000, "grade": "green"}]
    toy_register.stand(founded.engine, [free | {"elements": rows}], MAY_3)
    known = founded.registry.metering_points[0].meter_id
    assert applied(founded, toy_register, "F1", "new-1", installed_capacity_w=800_500) == "recorded"
    assert applied(founded, toy_register, "F1", known) == "recorded"
    assert registered_generation_mw(register_of(founded), founded.registry, MAY_2) == {}
    assert registered_generation_mw(register_of(founded), founded.registry, MAY_3) == {"F1": 0.801}
    founded.whole_run()
    with Session(founded.engine) as session:
        listed = read_capacity_list(session, start_utc_s(founded.last + 1))
    (feeder,) = [one.entry for one in listed if one.entry.unit == "F1"]
    assert (feeder.c1_kw, feeder.registered_kw, feeder.c2_kw) == (5_800, 801, 4_999)
    assert register_of(founded).elements["F1"].room_kw == 4_999


def test_a_list_without_a_place_where_somebody_waits_is_refused_and_kept(
    founded: Any, toy_register: ModuleType
) -> None:
    row = {"element": "gone", "superior": None, "room_kw": 0, "grade": "yellow"}
    elsewhere = {"event": "CapacityPublished", "event_id": "else", "assessed_on": "2016-05-01", "elements": [row]}
    toy_register.stand(founded.engine, [elsewhere], MAY_3)
    assert applied(founded, toy_register, "gone", "new-1") == "waiting"
    founded.whole_run()
    with Session(founded.engine) as session:
        last = read_registry_records(session, "toy")[-1]
    assert (last.outcomes.outcome, last.outcomes.reason) == ("refused", "unknown-element")
    assert list(register_of(founded).waiting) == ["gone-new-1"]
