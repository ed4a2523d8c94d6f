"""One list a calendar quarter, from the first day that closes in it; never an empty one, and a reason for every day."""

from datetime import date

import pytest
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from hub.store.hosting import AssessmentHead, HostingOmission, read_assessments, read_capacity_list
from hub.store.readings import registers_at
from hub.usecases.assess_quarter import QuarterHasList, assess_quarter, next_assessment_utc_s, quarter_of
from hub.usecases.metered_day import MeteredDay

LISTS = "SELECT assessed_at_utc_s FROM hosting_assessment ORDER BY 1"
OMISSIONS = "SELECT closed_utc_s, reason FROM hosting_omission ORDER BY 1"
COUNTERS = "SELECT name, value FROM counter WHERE name LIKE 'hosting%' ORDER BY 1"


def midnight(year, month, day):
    """The first instant of a day, which is the end of the day before."""
    return start_utc_s(first_interval_of_day(date(year, month, day)))


def close(market, closed_utc_s):
    """Assess the intervals of the market's run as of a day that closes at the instant; commit."""
    with Session(market.engine) as session:
        outcome = assess_quarter(
            session, market.model, MeteredDay(), first=market.first, last=market.last, closed_utc_s=closed_utc_s
        )
        session.commit()
    return outcome


@pytest.fixture
def run_with(make_market, migrated_sqlite_url, toy_market_parameters):
    """Return a function that runs a market whose parameters are changed, or that has none."""

    def run(changed):
        values = None if changed is None else toy_market_parameters | changed
        return make_market(migrated_sqlite_url, hosting=values).whole_run()

    return run


def test_the_running_hub_publishes_the_list_of_its_first_day(undisturbed):
    closed = start_utc_s(undisturbed.last + 1)
    assert undisturbed.rows(LISTS) == [(closed,)]
    assert undisturbed.rows(OMISSIONS) == []
    assert undisturbed.rows(COUNTERS) == [("hosting_lists", 1)]
    with Session(undisturbed.engine) as session:
        found = {one.entry.unit: one.entry for one in read_capacity_list(session, closed)}
    # (P + P_ESS + 0.8 S cos) / tau less what the registry's plants may export: A001 (0.0782 + 0.0006 + 0.304) / 0.8.
    assert found["A001"].capacity_min_kw == 478
    assert (found["A001"].connected_kw, found["A001"].c1_kw, found["A001"].grade) == (800, -322, "red")
    # F1 (0.1276 + 0.0006 + 0.8 x 7.621 x 0.95) / 0.8, the feeder's first line carrying 0.22 kA at 20 kV.
    assert (found["F1"].capacity_min_kw, found["F1"].c1_kw, found["F1"].grade) == (7400, 5800, "green")
    assert (found["F1"].voltage_deviation, found["F1"].short_circuit) == ("passed", "not_assessed")
    assert found["A002"].reverse_kw == 150


def test_one_list_a_quarter_and_the_next_comes_with_the_next(market):
    market.whole_run()
    first = market.rows(LISTS)
    for closed in (midnight(2016, 5, 19), midnight(2016, 6, 30)):
        assert isinstance(close(market, closed), QuarterHasList)
    assert market.rows(LISTS) == first
    # The day of 30 June closes at the first instant of July.
    assert isinstance(close(market, midnight(2016, 7, 1)), AssessmentHead)
    assert isinstance(close(market, midnight(2016, 7, 2)), QuarterHasList)
    assert isinstance(close(market, midnight(2016, 6, 30)), QuarterHasList), "a later quarter has its list"
    assert isinstance(close(market, midnight(2017, 7, 1)), AssessmentHead), "the same quarter of another year"
    assert [at for (at,) in market.rows(LISTS)] == [*first[0], midnight(2016, 7, 1), midnight(2017, 7, 1)]


def test_doing_it_again_changes_nothing(market):
    market.whole_run()
    before = market.everything()
    market.restart()
    market.run_jobs(market.last + 1)
    assert market.everything() == before
    assert isinstance(close(market, start_utc_s(market.last + 1)), QuarterHasList)
    assert market.everything() == before


def test_a_process_that_measured_nothing_comes_to_the_same_list(undisturbed, market):
    for interval in range(market.first - 2, market.last + 2):
        market.at(interval)
        market.restart()
    read = "SELECT inputs FROM hosting_assessment"
    assert market.rows(read) == undisturbed.rows(read)


def test_what_the_process_measured_is_not_read_again(market, monkeypatch):
    """A day of a county is millions of registers: only those of the noon are read once more, for all their channels."""
    read = []

    def counted(session, instant_utc_s, n_meters):
        read.append(instant_utc_s)
        return registers_at(session, instant_utc_s, n_meters)

    monkeypatch.setattr("hub.usecases.metered_day.registers_at", counted)
    market.whole_run()
    assert read == [start_utc_s(market.first + ends) for ends in (1, 2, 3)]


def test_without_data_there_is_no_list_but_a_reason_that_is_counted(market):
    for interval in range(market.first - 1, market.last + 2):
        market.run_jobs(interval)
    closed = start_utc_s(market.last + 1)
    assert market.rows(LISTS) == []
    assert market.rows("SELECT * FROM hosting_capacity") == []
    assert market.rows(OMISSIONS) == [(closed, "day-not-whole")]
    assert market.rows(COUNTERS) == [("hosting_omitted_day-not-whole", 1)]


def test_the_next_day_tries_again(run_with, toy, toy_market_parameters):
    market = run_with({"intervals_min": 4})
    closed = start_utc_s(market.last + 1)
    assert market.rows(OMISSIONS) == [(closed, "day-not-whole")]
    with Session(market.engine) as session:
        market.save_hosting(session, "later", toy.DAY, toy_market_parameters)
        session.commit()
    assert isinstance(close(market, closed + 86_400), AssessmentHead)
    assert market.rows(LISTS) == [(closed + 86_400,)]
    assert market.rows(OMISSIONS) == [(closed, "day-not-whole")], "what was said stays"


@pytest.mark.parametrize(
    ("changed", "reason", "said"),
    [
        (None, "no-parameters", "no hosting parameters hold"),
        ({"edition_year": 2011}, "no-parameters", "no edition 2011"),
        ({"tau": 1}, "no-parameters", "tau is missing or unknown"),
        ({"noon_until_minute": 11 * 60}, "noon-not-measured", "2 of 3 intervals"),
        ({"noon_from_minute": 720, "noon_until_minute": 720}, "noon-not-measured", "0 of 0"),
        ({"intervals_min": 96}, "day-not-whole", "3 of 3 intervals were measured and solved, 96 are needed"),
        ({"tau_max_per_mille": 0}, "refused", "tau_max 0.0"),
    ],
)
def test_every_way_to_have_no_list_has_its_reason(run_with, changed, reason, said):
    market = run_with(changed)
    ((closed, found, what),) = market.rows("SELECT closed_utc_s, reason, what FROM hosting_omission")
    assert (closed, found) == (start_utc_s(market.last + 1), reason)
    assert said in what
    assert market.rows(COUNTERS) == [(f"hosting_omitted_{reason}", 1)]
    assert market.rows(LISTS) == []
    assert market.rows("SELECT count(*) FROM statement")[0][0] > 0, "the day is closed all the same"


def test_the_2019_edition_asks_for_the_same_day(run_with):
    market = run_with({"edition_year": 2019})
    with Session(market.engine) as session:
        (head,) = read_assessments(session, before=None, limit=9)
        entries = {one.entry.unit: one.entry for one in read_capacity_list(session, head.assessed_at_utc_s)}
    assert head.edition == "DL/T 2041-2019"
    # lambda = 149.4 / 250; P_m = (1 - lambda) S_e k_r = 80.4 kW on top of what is connected.
    assert (entries["A002"].reverse_load_mpercent, entries["A002"].c1_kw) == (59_773, 80)


@pytest.mark.parametrize(
    ("instant", "quarter"),
    [
        (midnight(2016, 1, 1), (2016, 0)),
        (midnight(2016, 3, 31), (2016, 0)),
        (midnight(2016, 4, 1) - 1, (2016, 0)),
        (midnight(2016, 4, 1), (2016, 1)),
        (midnight(2017, 1, 1) - 1, (2016, 3)),
    ],
)
def test_quarters_follow_the_countys_calendar(instant, quarter):
    assert quarter_of(instant) == quarter


@pytest.mark.parametrize(
    ("newest", "now", "then"),
    [
        (None, midnight(2016, 5, 17), midnight(2016, 5, 18)),
        (None, midnight(2016, 5, 18) - 1, midnight(2016, 5, 18)),
        (midnight(2016, 5, 18), midnight(2016, 5, 18), midnight(2016, 7, 1)),
        (midnight(2016, 5, 18), midnight(2016, 7, 1) - 1, midnight(2016, 7, 1)),
        (midnight(2016, 5, 18), midnight(2016, 7, 3), midnight(2016, 7, 4)),
        (midnight(2016, 10, 1), midnight(2016, 12, 31), midnight(2017, 1, 1)),
    ],
)
def test_the_next_list_is_announced(newest, now, then):
    head = None if newest is None else AssessmentHead(newest, "toy", "DL/T 2041-2025", "")
    assert next_assessment_utc_s(head, now) == then


def test_an_omission_says_all_that_is_kept(market):
    for interval in range(market.first - 1, market.last + 1):
        market.run_jobs(interval)
    outcome = close(market, start_utc_s(market.last + 1))
    assert outcome == HostingOmission(
        start_utc_s(market.last + 1), "day-not-whole", "0 of 3 intervals were measured and solved, 3 are needed"
    )
