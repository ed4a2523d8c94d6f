import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlmodel import Session

from edge.contract.messages import CHANNELS, IMPORT, Quality, Reading
from edge.contract.registry import Registry
from hub.store.bulk import RowRefusedError
from hub.store.counters import read_counters
from hub.store.engine import open_engine, sqlite_url
from hub.store.quarantine import refusal_counts
from hub.store.readings import load_meter_spans, registers_at
from hub.store.tables import ReadingFlag
from hub.usecases.admit_readings import (
    Admitted,
    Duplicate,
    GatewayReadings,
    Quarantined,
    ReadingOutcome,
    ReadingRefusal,
    RegisterMemory,
    admit_readings,
)
from hub.usecases.moment import Moment

T = 900 * 1_629_000
MOMENT = Moment(now_utc_s=T, latest_reading_utc_s=T + 9000, settled_through_utc_s=T - 9000)
LOAD, PROSUMER, FOREIGN = "M000002", "M000001", "M000004"


class Desk:
    """A database, a registry and the memory of the process; restart() forgets what a process would forget."""

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self.engine, self.registry = engine, registry
        self.restart()

    def restart(self) -> None:
        with Session(self.engine) as session:
            self.memory = RegisterMemory(session, self.registry)

    def admit(self, *readings: Reading, moment: Moment = MOMENT, commit: bool = True) -> tuple[ReadingOutcome, ...]:
        with Session(self.engine) as session:
            message = GatewayReadings(0, "G0001", readings)
            (outcomes,) = admit_readings(session, self.memory, [message], moment)
            if commit:
                session.commit()
        if not commit:
            self.restart()
        return outcomes

    def stored(self) -> list[tuple[int, ...]]:
        with Session(self.engine) as session:
            rows = session.execute(
                text(
                    "SELECT read_instant_utc_s, meter, channel, revision, value, flags FROM reading ORDER BY 1, 2, 3, 4"
                )
            )
            return [tuple(row) for row in rows]

    def counters(self) -> dict[str, int]:
        with Session(self.engine) as session:
            return read_counters(session)

    def refusals(self) -> dict[str, tuple[int, int]]:
        with Session(self.engine) as session:
            return {count.reason: (count.distinct, count.total) for count in refusal_counts(session)}


@pytest.fixture
def desk(database_url: str, small_registry: Registry) -> Iterator[Desk]:
    engine = open_engine(database_url)
    yield Desk(engine, small_registry)
    engine.dispose()


@pytest.fixture
def make_desk(tmp_path: Path, sqlite_template: Path, small_registry: Registry) -> Callable[[], Desk]:
    """Return a function that opens a new desk on an empty SQLite database."""
    numbers = itertools.count()

    def make() -> Desk:
        path = shutil.copy(sqlite_template, tmp_path / f"{next(numbers)}.db")
        return Desk(open_engine(sqlite_url(path)), small_registry)

    return make


def load(value: int, instant: int = T, meter: str = LOAD, quality: Quality = Quality.ACTUAL) -> Reading:
    registers = {channel: value + position for position, channel in enumerate(CHANNELS[:4])}
    return Reading(meter, instant, registers, quality)


def reasons(outcomes: Sequence[ReadingOutcome]) -> list[str]:
    return [
        outcome.reason.value if isinstance(outcome, Quarantined) else type(outcome).__name__ for outcome in outcomes
    ]


def test_registers_come_back_as_columns(desk: Desk) -> None:
    prosumer = Reading(PROSUMER, T, {channel: 10 + position for position, channel in enumerate(CHANNELS)})
    assert reasons(desk.admit(prosumer, load(100), load(2**63 - 4, meter="M000003"))) == ["Admitted"] * 3
    with Session(desk.engine) as session:
        registers = registers_at(session, T, 6)
        empty = registers_at(session, T + 900, 6)
        spans = load_meter_spans(session)
    assert registers.values[0].tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert registers.values[1].tolist() == [100, 101, 102, 103, 0, 0, 0]
    assert registers.values[2, 3] == 2**63 - 1
    assert registers.present.sum(axis=1).tolist() == [7, 4, 4, 0, 0, 0]
    assert registers.values.dtype == np.int64
    assert not registers.values.flags.writeable
    assert not empty.present.any()
    assert set(spans) == {0, 1, 2}


def test_an_identical_repeat_is_counted_and_dropped(desk: Desk) -> None:
    desk.admit(load(100), load(200, T + 900))
    before = desk.stored()
    assert reasons(desk.admit(load(100), load(200, T + 900), load(200, T + 900))) == ["Duplicate"] * 3
    desk.restart()
    assert reasons(desk.admit(load(100), load(200, T + 900))) == ["Duplicate"] * 2
    assert desk.stored() == before
    assert desk.counters() == {"readings_admitted": 2, "readings_duplicate": 5}
    assert desk.refusals() == {}


@pytest.mark.parametrize("is_newest", [True, False])
def test_another_value_is_kept_as_a_revision_and_the_first_stands(desk: Desk, *, is_newest: bool) -> None:
    desk.admit(load(100), *([] if is_newest else [load(500, T + 900)]))
    assert reasons(desk.admit(load(101))) == ["conflict"]
    assert reasons(desk.admit(load(101), load(102), load(101), load(100))) == ["conflict"] * 3 + ["Duplicate"]
    desk.restart()
    assert reasons(desk.admit(load(102))) == ["conflict"]
    rows = [row for row in desk.stored() if row[0] == T]
    assert [(row[3], row[4], row[5]) for row in rows if row[2] == 0] == [
        (0, 100, 0),
        (1, 101, ReadingFlag.CONFLICT),
        (2, 102, ReadingFlag.CONFLICT),
    ]
    with Session(desk.engine) as session:
        assert registers_at(session, T, 6).values[1, 0] == 100
    assert desk.refusals() == {"conflict": (2, 5)}


BAD: list[tuple[str, Reading]] = [
    ("unknown-meter", load(100, meter="M999999")),
    ("foreign-meter", load(100, meter=FOREIGN)),
    ("unknown-channel", Reading(LOAD, T, load(1).registers | {CHANNELS[4]: 5})),
    ("unknown-channel", Reading(LOAD, T, {CHANNELS[5]: 5})),
    ("missing-channel", Reading(LOAD, T, {IMPORT: 5})),
    ("missing-channel", Reading(LOAD, T, {})),
    ("future", load(100, T + 9001)),
    ("backwards", load(49, T)),
    ("backwards", Reading(LOAD, T, load(50).registers | {CHANNELS[3]: 52})),
]


@pytest.mark.parametrize(("reason", "bad"), BAD)
def test_a_bad_reading_has_its_own_reason_and_changes_nothing_else(desk: Desk, reason: str, bad: Reading) -> None:
    desk.admit(load(50, T - 900))
    before = desk.stored()
    good = load(60, T, meter="M000003")
    assert reasons(desk.admit(bad, good)) == [reason, "Admitted"]
    assert [row for row in desk.stored() if row[1] != 2] == before
    assert desk.refusals() == {reason: (1, 1)}
    assert desk.counters()["readings_quarantined"] == 1
    assert reasons(desk.admit(load(51, T))) == ["Admitted"]


def test_a_reading_between_two_others_must_fit_both(desk: Desk) -> None:
    desk.admit(load(100, T), load(300, T + 2700))
    for restart in (False, True):
        if restart:
            desk.restart()
        assert reasons(desk.admit(load(99, T + 900), load(301, T + 1800))) == ["backwards"] * 2
    assert reasons(desk.admit(load(200, T + 1800), load(201, T + 900), load(150, T + 900))) == [
        "Admitted",
        "backwards",
        "Admitted",
    ]
    assert reasons(desk.admit(load(101, T - 900), load(40, T - 1800), load(100, T - 900))) == [
        "backwards",
        "Admitted",
        "Admitted",
    ]
    assert reasons(desk.admit(load(299, T + 3600), load(300, T + 3600))) == ["backwards", "Admitted"]


def test_a_reading_after_its_settlement_is_stored_and_flagged(desk: Desk) -> None:
    moment = Moment(T, T, settled_through_utc_s=T)
    late, estimated = load(100, T), load(90, T - 900, quality=Quality.ESTIMATED)
    outcomes = desk.admit(late, estimated, moment=moment)
    assert outcomes == (Admitted(late, late=True), Admitted(estimated, late=True))
    assert {(row[0], row[5]) for row in desk.stored()} == {
        (T, ReadingFlag.LATE),
        (T - 900, ReadingFlag.LATE | ReadingFlag.ESTIMATED),
    }
    assert desk.counters() == {"readings_admitted": 2, "readings_late": 2}


def test_nothing_stands_of_a_transaction_that_did_not_commit(desk: Desk) -> None:
    desk.admit(load(100, T))
    before, counters = desk.stored(), desk.counters()
    desk.admit(load(200, T + 900), load(50, T + 900), commit=False)
    assert (desk.stored(), desk.counters(), desk.refusals()) == (before, counters, {})
    assert reasons(desk.admit(load(150, T + 900))) == ["Admitted"]


def test_a_memory_that_is_out_of_date_writes_nothing(desk: Desk) -> None:
    desk.admit(load(50, T - 900))
    other = Desk(desk.engine, desk.registry)
    other.admit(load(100, T))
    before = desk.stored()
    with pytest.raises(RowRefusedError, match="reading"):
        desk.admit(load(100, T), load(60, T, meter="M000003"))
    assert desk.stored() == before
    desk.restart()
    assert reasons(desk.admit(load(100, T), load(60, T, meter="M000003"))) == ["Duplicate", "Admitted"]


arrivals = st.lists(
    st.tuples(
        st.sampled_from([LOAD, "M000003"]),
        st.integers(0, 4).map(lambda step: T + 900 * step),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=14,
)


def expected(readings: Sequence[Reading]) -> list[str]:
    """The rule, said again in the plainest way: per meter a dict of what stands."""
    standing: dict[str, dict[int, int]] = {}
    answers = []
    for reading in readings:
        stands = standing.setdefault(reading.meter, {})
        instant, value = reading.instant_utc_s, reading.registers[IMPORT]
        if instant in stands:
            answers.append("Duplicate" if stands[instant] == value else "conflict")
        elif any((earlier < instant) != (other <= value) and other != value for earlier, other in stands.items()):
            answers.append("backwards")
        else:
            stands[instant] = value
            answers.append("Admitted")
    return answers


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=arrivals, cuts=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["", "restart", "crash"]))))
def test_any_order_any_batches_and_any_crash_give_what_the_rule_says(
    make_desk: Callable[[], Desk],
    arrivals: list[tuple[str, int, int]],
    cuts: list[tuple[int, str]],
) -> None:
    desk = make_desk()
    readings = [load(value, instant, meter) for meter, instant, value in arrivals]
    answers: list[str] = []
    left, plan = list(readings), list(cuts)
    while left:
        size, what = plan.pop(0) if plan else (len(left), "")
        batch, left = left[:size], left[size:]
        if what == "crash":
            desk.admit(*batch, commit=False)
        answers += reasons(desk.admit(*batch))
        if what == "restart":
            desk.restart()
    assert answers == expected(readings)
    standing = {(row[0], row[1]): row[4] for row in desk.stored() if row[2] == 0 and row[3] == 0}
    admitted = [reading for reading, answer in zip(readings, answers, strict=True) if answer == "Admitted"]
    assert standing == {
        (reading.instant_utc_s, int(reading.meter[1:]) - 1): reading.registers[IMPORT] for reading in admitted
    }
    assert desk.counters().get("readings_admitted", 0) == len(admitted)
    desk.engine.dispose()


def test_outcomes_name_the_reading_they_answer(desk: Desk) -> None:
    first, other = load(1), load(2)
    assert desk.admit(first, first, other) == (
        Admitted(first, late=False),
        Duplicate(first),
        Quarantined(other, ReadingRefusal.CONFLICT),
    )
