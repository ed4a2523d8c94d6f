"""Jobs, counters, parameters, quarantine and setpoints."""

import pytest
from sqlalchemy import text
from sqlmodel import Session

from edge.contract.messages import Setpoint, SetpointsMessage
from edge.contract.registry import Registry
from hub.store.bulk import RowRefusedError
from hub.store.counters import add_to_counters, read_counters
from hub.store.engine import open_engine
from hub.store.gateways import load_gateway_states, save_gateway_states
from hub.store.jobs import is_job_done, last_job_utc_s, mark_job_done
from hub.store.parameters import NoParametersError, ParametersChangedError, load_parameters, save_parameters
from hub.store.quarantine import Refusal, RefusalCount, refusal_counts, save_refusals
from hub.store.registry import save_registry
from hub.store.setpoints import (
    SetpointsForGateway,
    save_outcomes,
    save_setpoints,
    sent_setpoints,
    setpoints_without_answer,
)
from hub.store.tables import RefusedKind


def test_a_done_mark_is_part_of_the_transaction(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        mark_job_done(session, "gate", 900)
        session.rollback()
    with Session(engine) as session:
        assert not is_job_done(session, "gate", 900)
        assert last_job_utc_s(session) is None
        mark_job_done(session, "gate", 900)
        mark_job_done(session, "settle", 1800)
        session.commit()
    with Session(engine) as session:
        assert is_job_done(session, "gate", 900)
        assert not is_job_done(session, "gate", 1800)
        assert last_job_utc_s(session) == 1800
        assert last_job_utc_s(session, "gate") == 900
    engine.dispose()


def test_counters_add_up(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        add_to_counters(session, {"a": 2, "b": 0})
        add_to_counters(session, {"a": 3, "c": 2**40})
        session.commit()
        assert read_counters(session) == {"a": 5, "c": 2**40}
    engine.dispose()


def test_the_version_of_parameters_that_holds(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        save_parameters(session, kind="session", version_id="s1", effective_from_interval=10, values={"lot_wh": 10})
        save_parameters(session, kind="session", version_id="s2", effective_from_interval=20, values={"lot_wh": 5})
        save_parameters(session, kind="price", version_id="p1", effective_from_interval=15, values={})
        save_parameters(session, kind="session", version_id="s2", effective_from_interval=20, values={"lot_wh": 5})
        assert load_parameters(session, "session", 19) == ("s1", {"lot_wh": 10})
        assert load_parameters(session, "session", 20) == ("s2", {"lot_wh": 5})
        with pytest.raises(NoParametersError):
            load_parameters(session, "session", 9)
        with pytest.raises(ParametersChangedError):
            save_parameters(session, kind="session", version_id="s2", effective_from_interval=20, values={"lot_wh": 6})
        with pytest.raises(ParametersChangedError):
            save_parameters(session, kind="session", version_id="s2", effective_from_interval=21, values={"lot_wh": 5})
    engine.dispose()


def test_a_refusal_is_one_row_however_often_it_comes(database_url: str) -> None:
    engine = open_engine(database_url)
    backwards = Refusal(RefusedKind.READING, "backwards", "G0001", "M1", 900, b'{"1-0:1.8.0": 5}')
    other = Refusal(RefusedKind.READING, "backwards", "G0001", "M1", 900, b'{"1-0:1.8.0": 6}')
    binary = Refusal(RefusedKind.MALFORMED, "malformed", "G\x002", "", None, b"\x00\xff" * 500 + b"\x1b[31m")
    with Session(engine) as session:
        save_refusals(session, [backwards, other, backwards], 1000)
        save_refusals(session, [backwards, binary], 2000)
        session.commit()
        assert refusal_counts(session) == [
            RefusalCount(RefusedKind.MALFORMED, "malformed", 1, 1),
            RefusalCount(RefusedKind.READING, "backwards", 2, 4),
        ]
        rows = session.execute(
            text("SELECT count, first_seen_utc_s, last_seen_utc_s, excerpt FROM quarantine ORDER BY count")
        ).all()
    engine.dispose()
    assert [tuple(row[:3]) for row in rows][-1] == (3, 1000, 2000)
    assert all(len(row[3]) <= 200 and row[3].isprintable() for row in rows)


def test_setpoints_wait_for_the_first_answer_only(database_url: str, small_registry: Registry) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        save_registry(session, small_registry, "digest")
        rows = [
            (5, meter, meter // 3, 1000 * meter, 250 * meter, "export-limit", f"5-{meter // 3}") for meter in range(5)
        ]
        save_setpoints(session, rows)
        session.commit()
        with pytest.raises(RowRefusedError):
            save_setpoints(session, rows[:1])
        session.rollback()
        save_outcomes(session, 5, {0: "ok", 1: "no-answer"})
        save_outcomes(session, 5, {0: "later", 4: "ok"})
        session.commit()
        assert sent_setpoints(session, 5, 0, "5-0") == {0: "ok", 1: "no-answer", 2: None}
        assert sent_setpoints(session, 5, 1, "5-0") == {}
        assert setpoints_without_answer(session, 5) == [
            SetpointsForGateway(0, SetpointsMessage("5-0", 5, (Setpoint("M000003", 2000),))),
            SetpointsForGateway(1, SetpointsMessage("5-1", 5, (Setpoint("M000004", 3000),))),
        ]
        assert setpoints_without_answer(session, 4) == []
    engine.dispose()


def test_the_last_state_of_a_gateway_stands(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        save_gateway_states(session, {0: ("online", "b1"), 1: ("offline", "b7")})
        save_gateway_states(session, {0: ("offline", "b1")})
        assert load_gateway_states(session) == {0: ("offline", "b1"), 1: ("offline", "b7")}
    engine.dispose()
