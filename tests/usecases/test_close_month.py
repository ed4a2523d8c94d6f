"""A month from its bills to its close: the basis, objections, what is carried, and that a closed month stays."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from hub.market.listing.session_calendar import BusinessCalendar
from hub.month_jobs import MonthJobs
from hub.schedule import JobTable
from hub.settlement.accounts import SystemAccount
from hub.settlement.calendar.deadlines import DeadlineError
from hub.settlement.calendar.month_cycle import CycleRefusal, PartEvent, PartState
from hub.settlement.calendar.rules import calendar_rules_in_force, published_calendar_rules
from hub.store.bills import bill_ledger_nano_yuan
from hub.store.engine import open_engine, sqlite_url
from hub.usecases.close_month import (
    MonthCalendar,
    MonthNotClosableError,
    answer_month_basis,
    check_closed_month,
    close_billed_month,
    issue_month_basis,
    read_cycle,
)
from hub.usecases.issue_bills import MonthClosedError
from hub.usecases.month_terms import LoadedTerms

JANUARY, FEBRUARY = 202601, 202602
CALENDAR = MonthCalendar(
    rules=calendar_rules_in_force(published_calendar_rules(), province="shaanxi", day=date(2026, 3, 1)),
    business_days=BusinessCalendar(date(2026, 1, 1), date(2026, 12, 31), (date(2026, 2, 3),), ()),
)
"""Monday, 2 February is the first business day after January; Tuesday is made a holiday."""

BASIS_ON, OBJECTION_UNTIL = date(2026, 2, 9), date(2026, 2, 10)


@pytest.fixture(scope="module")
def issued(billed: ModuleType, read_january: tuple[Path, Any], tmp_path_factory: Any) -> tuple[Path, Any]:
    """The file of a county with the bills of January and February, to be copied, and the county."""
    path, made = read_january
    copy = tmp_path_factory.mktemp("issued") / "hub.db"
    shutil.copy(path, copy)
    engine = open_engine(sqlite_url(copy))
    county = replace(made, engine=engine)
    county.read(billed.FEBRUARY)
    for month in (billed.JANUARY, billed.FEBRUARY):
        county.issue(month)
    engine.dispose()
    return copy, county


@pytest.fixture
def county(issued: tuple[Path, Any], tmp_path: Path) -> Iterator[Any]:
    """The county with its bills, on a database of its own."""
    shutil.copy(issued[0], tmp_path / "issued.db")
    engine = open_engine(sqlite_url(tmp_path / "issued.db"))
    yield replace(issued[1], engine=engine)
    engine.dispose()


@pytest.fixture
def session(county: Any) -> Iterator[Session]:
    with Session(county.engine) as opened:
        yield opened


def test_the_deadlines_are_those_of_the_calendar() -> None:
    found = CALENDAR.deadlines(JANUARY)
    assert (found.meter_data_on, found.settlement_basis_on) == (date(2026, 2, 2), BASIS_ON)
    assert found.objection_until == OBJECTION_UNTIL
    with pytest.raises(DeadlineError, match="load the business days of 2027"):
        CALENDAR.deadlines(202612)


def test_a_basis_before_its_day_moves_nothing_and_is_kept(session: Session) -> None:
    cycle = issue_month_basis(session, JANUARY, BASIS_ON - timedelta(days=1), CALENDAR)
    assert {one.reason for one in cycle.refused} == {CycleRefusal.TOO_EARLY}
    assert cycle.in_state(PartState.ISSUED) == ()
    assert [tuple(row) for row in session.connection().exec_driver_sql("SELECT event, refused FROM month_event")] == [
        ("issue", "too-early")
    ]
    with pytest.raises(MonthNotClosableError, match="the basis of 202601 is not issued"):
        close_billed_month(session, JANUARY, OBJECTION_UNTIL + timedelta(days=1), CALENDAR)


def test_a_month_without_bills_or_within_its_window_is_not_closed(session: Session) -> None:
    with pytest.raises(MonthNotClosableError, match="row 99 on 202603: there are no bills"):
        close_billed_month(session, 202603, date(2026, 4, 20), CALENDAR)
    issue_month_basis(session, JANUARY, BASIS_ON, CALENDAR)
    with pytest.raises(MonthNotClosableError, match="objections to 202601 may come in until 2026-02-10"):
        close_billed_month(session, JANUARY, OBJECTION_UNTIL, CALENDAR)
    assert session.connection().exec_driver_sql("SELECT count(*) FROM month_close").scalar_one() == 0


def test_an_objection_to_a_basis_that_came_late_has_the_whole_window(session: Session, county: Any) -> None:
    """Issued on Thursday the 12th instead of Monday the 9th: one business day to object, until Friday the 13th."""
    user = county.registry.metering_points[1].participant_id
    issue_month_basis(session, JANUARY, date(2026, 2, 12), CALENDAR)

    def objection(account: str, day: int) -> list[CycleRefusal]:
        cycle = answer_month_basis(
            session, JANUARY, CALENDAR, account=account, settled_month=JANUARY, event=PartEvent.OBJECT,
            on=date(2026, 2, day),
        )  # fmt: skip
        return [one.reason for one in cycle.refused]

    assert objection(user, 13) == []
    assert objection("D_net", 14) == [CycleRefusal.WINDOW_ENDED]
    with pytest.raises(MonthNotClosableError, match="objections to 202601 may come in until 2026-02-13"):
        close_billed_month(session, JANUARY, date(2026, 2, 13), CALENDAR)
    assert close_billed_month(session, JANUARY, date(2026, 2, 14), CALENDAR).disputed == 1


def close_with_a_dispute(session: Session, county: Any) -> Any:
    user = county.registry.metering_points[1].participant_id
    issue_month_basis(session, JANUARY, BASIS_ON, CALENDAR)
    answer_month_basis(
        session, JANUARY, CALENDAR, account=user, settled_month=JANUARY, event=PartEvent.OBJECT, on=OBJECTION_UNTIL
    )
    late = answer_month_basis(
        session, JANUARY, CALENDAR, account="D_net", settled_month=JANUARY, event=PartEvent.OBJECT,
        on=OBJECTION_UNTIL + timedelta(days=1),
    )  # fmt: skip
    assert [one.reason for one in late.refused] == [CycleRefusal.WINDOW_ENDED]
    return close_billed_month(
        session, JANUARY, date(2026, 2, 11), CALENDAR, {SystemAccount.SYSTEM_ITEMS: 1_000_000_000}
    )


def test_silence_is_consent_a_dispute_is_carried_over_and_the_month_stays(
    session: Session, county: Any, billed: ModuleType
) -> None:
    closed = close_with_a_dispute(session, county)
    assert (closed.bills, closed.disputed, closed.was_closed) == (6, 1, False)
    ledger = bill_ledger_nano_yuan(session, JANUARY)
    user = county.registry.metering_points[1].participant_id
    cycle = read_cycle(session, JANUARY, CALENDAR)
    assert {part.account for part in cycle.in_state(PartState.BOOKED)} == set(ledger) - {user}
    assert check_closed_month(session, JANUARY, CALENDAR) == []
    session.commit()
    with pytest.raises(MonthClosedError, match="202601 is closed"):
        county.issue(billed.JANUARY)
    again = close_billed_month(session, JANUARY, date(2026, 2, 12), CALENDAR)
    assert again == replace(closed, was_closed=True, pass_through=again.pass_through)
    assert sorted(again.pass_through, key=lambda one: one.item) == sorted(closed.pass_through, key=lambda one: one.item)
    february = read_cycle(session, FEBRUARY, CALENDAR)
    assert [(part.account, part.month) for part in february.in_state(PartState.CARRIED_OVER)] == [(user, JANUARY)]


def test_what_earns_nothing_is_carried_into_the_next_month(session: Session, county: Any) -> None:
    first = {one.item: one for one in close_with_a_dispute(session, county).pass_through}
    january = bill_ledger_nano_yuan(session, JANUARY)
    assert set(first) == {"system-items", "government-funds", "loss_fund"}
    for item, one in first.items():
        remitted = 1_000_000_000 if item == "system-items" else 0
        assert (one.collected_nano_yuan, one.remitted_nano_yuan) == (january[item], remitted)
        assert one.carried_out_nano_yuan == january[item] - remitted > 0
    issue_month_basis(session, FEBRUARY, date(2026, 3, 6), CALENDAR)
    second = close_billed_month(session, FEBRUARY, date(2026, 3, 10), CALENDAR)
    february = bill_ledger_nano_yuan(session, FEBRUARY)
    for one in second.pass_through:
        assert one.carried_in_nano_yuan == first[one.item].carried_out_nano_yuan
        assert one.carried_out_nano_yuan == one.carried_in_nano_yuan + february[one.item]


def test_a_posting_too_many_keeps_the_month_open(session: Session) -> None:
    session.connection().exec_driver_sql(
        "INSERT INTO bill_posting (posting_month, meter, version, seq, payer, payee, kind, amount_nano_yuan) "
        "VALUES (202601, 0, 1, 99, 'D_net', 'P', 'x', 1)"
    )
    issue_month_basis(session, JANUARY, BASIS_ON, CALENDAR)
    session.connection().exec_driver_sql(
        "INSERT INTO bill_posting (posting_month, meter, version, seq, payer, payee, kind, amount_nano_yuan) "
        "SELECT 202601, 0, 1, 98, account_id, 'rounding', 'x', 5 FROM account WHERE position = 0"
    )
    with pytest.raises(MonthNotClosableError, match=r"law 7 on 202601: .*; nothing was closed"):
        close_billed_month(session, JANUARY, date(2026, 2, 11), CALENDAR)


def test_the_jobs_bill_issue_and_close_a_month_on_their_days(billed: ModuleType, county: Any) -> None:
    with county.engine.begin() as connection:
        for table in ("bill", "bill_line", "bill_posting"):
            for action in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{action}")
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
    terms = LoadedTerms(billed.PROVINCE, billed.library(), CALENDAR, ())

    def nothing_is_settled_again(day: date) -> NoReturn:
        raise AssertionError(f"the county of {day} is asked for, where no interval was settled")

    jobs = JobTable(county.engine, MonthJobs(nothing_is_settled_again, lambda _: terms).table())
    ran: list[tuple[str, date]] = []
    billed_on: dict[int, date] = {}
    day = date(2026, 2, 1)
    while day <= date(2026, 3, 10):
        for number in (0, 1):
            jobs.run_due(
                start_utc_s(first_interval_of_day(day) + number), lambda job, at=day: ran.append((job.name, at))
            )
        for (month,) in county.rows("SELECT DISTINCT month FROM bill"):
            billed_on.setdefault(month, day)
        day += timedelta(days=1)
    assert billed_on == {JANUARY: date(2026, 2, 2), FEBRUARY: date(2026, 3, 2)}
    events = county.rows("SELECT event, on_day FROM month_event ORDER BY month, seq")
    assert [on for event, on in events if event == "issue"] == ["2026-02-09", "2026-03-06"]
    assert [on for (on,) in county.rows("SELECT closed_on FROM month_close")] == ["2026-02-11", "2026-03-10"]
    assert {one for one, _ in ran} == {
        "substitute-day", "provisional-result", "issue-bills", "month-basis", "close-month"
    }  # fmt: skip
    assert len(ran) == 5 * 38, "each of them once a day"
    assert county.rows("SELECT month, bills FROM month_close ORDER BY month") == [(JANUARY, 6), (FEBRUARY, 6)]
