"""The day's exchange schedule for the provincial document: what stands with both levels, whole days alone (row 20)."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day
from edge.contract.registry import Registry
from hub.market.registry.events import Event
from hub.market.registry.fold import fold
from hub.market.registry.provincial_schema import document_from_export, export_from_document, export_of
from hub.market.registry.register import Register
from hub.store.registry import save_registry
from hub.store.session_tables import HandOverRow
from hub.store.tables import ExchangeScheduleRow
from hub.usecases.exchange_schedules import exchange_schedules

DAY = date(2026, 3, 1)
FIRST = first_interval_of_day(DAY)
SCHEDULED = tuple(1_000 * number - 30_000 for number in range(96))


@pytest.fixture
def session(engine: Engine, small_registry: Registry) -> Iterator[Session]:
    """A hub of county "c1" whose clearing gave a schedule for every interval of the day and one after it."""
    with Session(engine) as opened:
        save_registry(opened, small_registry, "0" * 64)
        for number, energy in enumerate((*SCHEDULED, 5)):
            import_wh, export_wh = max(0, energy) + 7, max(0, -energy) + 7
            row = ExchangeScheduleRow(interval=FIRST + number, import_wh=import_wh, export_wh=export_wh)
            opened.add(row)
        opened.flush()
        yield opened


def county(*names: str) -> Register:
    rows: list[dict[str, Any]] = [
        {
            "event": "UnitEstablished",
            "event_id": name,
            "recorded_on": "2026-01-01",
            "unit_id": name,
            "parent_id": None,
            "kind": "COUNTY",
            "province": "P",
            "operating_mode": "INDEPENDENT",
            "effective_from": "2026-01-01",
        }
        for name in names
    ]
    return fold(msgspec.convert(rows, list[Event])).register


def hand_over(number: int, *, newest_wh: int, standing_wh: int | None) -> HandOverRow:
    return HandOverRow(
        interval=FIRST + number,
        state="frozen",
        version=2,
        import_wh=newest_wh,
        standing_version=0 if standing_wh is None else 1,
        standing_import_wh=standing_wh,
        finality="refused",
    )


def test_the_document_holds_the_schedule_and_comes_back(session: Session) -> None:
    register = county("A")
    schedules = exchange_schedules(session, register, "A", DAY)
    assert [(one.participant_id, one.day, one.energy_wh) for one in schedules] == [("A", DAY, SCHEDULED)]
    export = export_of(register, "A", DAY, schedules=schedules)
    document = document_from_export(export)
    periods = document["schedules"][0]["periods"]
    assert (len(periods), periods[0], periods[95]["period_index"]) == (
        96,
        {"period_index": 1, "energy_mwh": "-0.030000"},
        96,
    )
    assert export_from_document(document) == export


def test_what_was_handed_over_counts_as_it_stands_and_not_as_it_was_wanted(session: Session) -> None:
    session.add(hand_over(3, newest_wh=-1, standing_wh=4_242))
    session.flush()
    (schedule,) = exchange_schedules(session, county("A"), "A", DAY)
    assert schedule.energy_wh == (*SCHEDULED[:3], 4_242, *SCHEDULED[4:])


def test_a_day_with_an_interval_without_a_standing_schedule_has_none(session: Session) -> None:
    assert exchange_schedules(session, county("A"), "A", date(2026, 3, 2)) == ()
    session.add(hand_over(95, newest_wh=5, standing_wh=None))
    session.flush()
    assert exchange_schedules(session, county("A"), "A", DAY) == ()


def test_a_hub_tells_its_own_countys_exchange_alone(session: Session) -> None:
    two = county("A", "c1")
    assert exchange_schedules(session, two, "A", DAY) == ()
    assert exchange_schedules(session, two, "c1", DAY)[0].energy_wh == SCHEDULED
    assert exchange_schedules(session, county(), "A", DAY) == ()
