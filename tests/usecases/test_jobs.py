"""The hub's jobs by their table: order, done-marks, a crash between work and commit, instants that came too late."""

from dataclasses import replace

import pytest
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.jobs import HubJobs, Span
from hub.schedule import Job, JobTable
from hub.store.jobs import mark_job_done

NAMES = (
    "sessions",
    "listing",
    "day-ahead-prices",
    "indicative-price",
    "real-time-price",
    "gate",
    "schedule",
    "publish",
    "settle",
    "province-settlement",
    "metered-state",
    "close-day",
    "green",
    "hosting",
    "capacity",
    "report",
)


class CrashError(RuntimeError):
    """The process ends after the work of a job and before its commit."""


def crashing(job):
    def work(session, utc_s):
        job.work(session, utc_s)
        raise CrashError

    return replace(job, work=work)


def noting(name, heard, *, due=lambda _: True, in_time_only=False):
    return Job(name, "stage", due, lambda _session, utc_s: heard.append((name, utc_s)), in_time_only)


def marks(market):
    return {(job, utc_s // 900 - market.first) for job, utc_s in market.rows("SELECT job, utc_s FROM job_done")}


def test_the_table_stands_in_the_order_of_the_design(market):
    assert tuple(job.name for job in market.jobs()) == NAMES


def test_each_instant_has_its_jobs(undisturbed):
    market = undisturbed
    every = {interval: {name for name, at in marks(market) if at == interval} for interval in range(-2, 4)}
    gate = set(NAMES[:4]) | set(NAMES[5:8])
    settling = {NAMES[4]} | set(NAMES[8:11])
    assert every == {
        -2: set(),
        -1: gate,
        0: gate,
        1: gate | settling,
        2: settling | {"sessions", "listing"},  # the exchange of the last interval freezes when it begins
        3: settling | {"close-day", "green", "hosting", "capacity", "report"},
    }
    assert market.publisher.results == [market.first, market.first + 1, market.first + 2]
    assert market.publisher.reports == [(market.first, market.last)]


def test_jobs_run_in_table_order_once_each(market):
    heard = []
    table = JobTable(
        market.engine, [noting("c", heard), noting("a", heard), noting("b", heard, due=lambda at: at > 900)]
    )
    told = []
    table.run_due(900, lambda job: told.append(job.name))
    table.run_due(900, lambda job: told.append(job.name))
    table.run_due(1800)
    assert heard == [("c", 900), ("a", 900), ("c", 1800), ("a", 1800), ("b", 1800)]
    assert told == ["c", "a", "c", "a"]
    assert set(table.seconds) == {"stage"}


def test_what_a_job_did_before_it_failed_is_undone_and_its_followers_wait(market):
    heard = []

    def fail(session, _utc_s):
        mark_job_done(session, "written by the work", 1)
        raise CrashError

    jobs = [noting("first", heard), Job("second", "stage", lambda _: True, fail), noting("third", heard)]
    with pytest.raises(CrashError):
        JobTable(market.engine, jobs).run_due(900)
    assert heard == [("first", 900)]
    assert market.rows("SELECT job, utc_s FROM job_done") == [("first", 900)]


def test_the_done_mark_stands_in_the_transaction_of_the_work(market, monkeypatch):
    def work(session, _utc_s):
        mark_job_done(session, "written by the work", 1)

    def die(*_):
        raise CrashError

    monkeypatch.setattr("hub.schedule.mark_job_done", die)
    table = JobTable(market.engine, [Job("only", "stage", lambda _: True, work)])
    with pytest.raises(CrashError):
        table.run_due(900)
    assert market.rows("SELECT job FROM job_done") == []


def test_a_job_in_time_only_is_left_out_when_its_instant_is_over(market):
    heard = []
    jobs = [noting("gate", heard, in_time_only=True), noting("settle", heard)]
    told = []
    JobTable(market.engine, jobs).run_due(900, lambda job: told.append(job.name), is_late=True)
    assert heard == [("settle", 900)]
    assert told == ["settle"]
    assert market.rows("SELECT job FROM job_done") == [("settle",)]


@pytest.mark.parametrize("name", NAMES)
def test_a_crash_between_work_and_commit_leaves_no_trace(undisturbed, market, name):
    for interval in range(market.first - 2, market.last + 2):
        market.take_in(interval)
        jobs = [crashing(job) if job.name == name else job for job in market.jobs()]
        is_due = any(job.name == name and job.due(start_utc_s(interval)) for job in jobs)
        market.table = JobTable(market.engine, jobs)
        try:
            market.run_jobs(interval)
        except CrashError:
            assert is_due
        else:
            assert not is_due
        market.restart()
        market.run_jobs(interval)
    assert market.everything() == undisturbed.everything()
    assert market.province.schedules == undisturbed.province.schedules
    assert market.province.settled == undisturbed.province.settled


def test_an_interval_whose_gate_was_missed_has_no_market_and_holds_nothing_up(market, caplog):
    """Live: the hub was down at the gate of the second interval, and came back when that was over."""
    market.at(market.first - 2)
    market.at(market.first - 1)
    market.take_in(market.first)
    market.take_in(market.first + 1)
    market.table.run_due(start_utc_s(market.first), is_late=True)
    market.run_jobs(market.first + 1)
    market.at(market.first + 2)
    market.at(market.first + 3)
    cleared = [interval for (interval,) in market.rows("SELECT interval FROM clearing_run ORDER BY interval")]
    settled = [interval for (interval,) in market.rows("SELECT interval FROM settlement_run ORDER BY interval")]
    assert cleared == settled == [market.first, market.first + 2]
    assert sorted(market.province.settled) == settled
    assert market.publisher.results == cleared
    assert market.publisher.sessions == [market.first + 2], "the gate is closed for everybody all the same"
    assert f"interval {market.first + 1} was never cleared and is not settled" in caplog.text
    assert market.rows("SELECT * FROM law_violation") == []
    assert market.rows("SELECT sum(ledger_nano_yuan) FROM account_total") == [(0,)]
    assert market.rows("SELECT first_interval, last_interval FROM statement LIMIT 1") == [(market.first, market.last)]


def test_a_hub_that_never_heard_a_meter_clears_and_settles_nothing_but_holds_nothing_up(market):
    """Live: the first quarter-hour comes before the first reading."""
    for interval in range(market.first - 1, market.last + 2):
        market.run_jobs(interval)
    assert market.rows("SELECT count(*) FROM settlement_run") == [(3,)]
    assert market.rows("SELECT sum(abs(amount_nano_yuan)) FROM posting") in ([(None,)], [(0,)])


def test_spans_part_days(market):
    first = market.toy.FIRST - 40
    span = Span(first + 90, first + 100)
    assert [span.holds(first + number) for number in (89, 90, 100, 101)] == [False, True, True, False]
    assert span.day_part(first + 91) == (first + 90, first + 95)
    assert span.day_part(first + 96) == (first + 96, first + 100)
    assert Span().day_part(first + 96) == (first + 96, first + 191)
    assert Span().holds(0)


def test_a_run_over_midnight_closes_both_days(market):
    """Statements, report and day-ahead prices of either day; the toy run itself lies inside one."""
    end_of_day = market.toy.FIRST - 40 + 96
    jobs = HubJobs(market.county, market.province, market.publisher, Span(end_of_day - 1, end_of_day)).table()
    due = {job.name: job.due for job in jobs}
    closings = [instant for instant in range(end_of_day - 3, end_of_day + 4) if due["close-day"](start_utc_s(instant))]
    assert closings == [end_of_day, end_of_day + 1]
    with Session(market.engine) as session:
        for instant in (end_of_day - 2, end_of_day - 1):
            jobs[NAMES.index("day-ahead-prices")].work(session, start_utc_s(instant))
        session.commit()
    days = market.rows("SELECT min(interval), max(interval), count(*) FROM province_price")
    assert days == [(end_of_day - 96, end_of_day + 95, 192)]
