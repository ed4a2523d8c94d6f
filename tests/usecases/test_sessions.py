"""Sessions and the exchange's hand-over in a run: states, events, refusals, a killed process, both databases."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.engine import ORDER_HORIZON_INTERVALS
from hub.jobs import Span
from hub.main import TIMETABLE_PARAMETERS as DEMO_TIMETABLE
from hub.market.province.hand_over import HandOverRefusal
from hub.market.timetable.session_rules import RollingRules
from hub.market.timetable.session_states import takes_orders
from hub.market.timetable.sessions import open_intervals
from hub.province import ProvinceError, ProvinceRefusalError
from hub.schedule import JobTable
from hub.store.parameters import NoParametersError
from hub.store.sessions import read_hand_overs, read_run, read_sessions
from hub.usecases.hand_over_exchange import HandedOver, NotHandedOver, hand_over_exchange
from hub.usecases.run_sessions import advance_sessions, session_id_of
from hub.usecases.timetable_parameters import load_timetable


@pytest.fixture
def run(undisturbed):
    """A whole run, only to be read."""
    return undisturbed


def sessions_of(run):
    with Session(run.engine) as session:
        return read_sessions(session, run.toy.DAY.isoformat())


def hand_overs_of(run):
    with Session(run.engine) as session:
        return {one.row.interval - run.first: one for one in read_hand_overs(session, first=run.first, last=run.last)}


def test_every_interval_has_a_session_that_ends_final(run):
    found = sessions_of(run)
    assert [one.row.session_id for one in found] == [f"R/{run.first + number}" for number in range(3)]
    for number, one in enumerate(found):
        gate = start_utc_s(run.first + number - 1)
        assert (one.row.opens_utc_s, one.row.closes_utc_s) == (gate - 4 * 900, gate)
        assert one.row.state == "final"
        assert [(event.action, event.after, event.at_utc_s) for event in one.events] == [
            ("open", "open", gate - 3600),
            ("close-gate", "gate-closed", gate),
            ("clear", "cleared", gate),
            ("secure", "secured", gate),
            ("hand-over", "awaits-province", gate),
            ("acknowledge", "final", gate),
        ]
        assert [event.before for event in one.events[1:]] == [event.after for event in one.events[:-1]]
    query = 'SELECT interval, count(*) FROM "order" WHERE gateway >= 0 AND interval <= :last GROUP BY 1 ORDER BY 1'
    orders = run.rows(query, last=run.last)
    assert [(one.row.first_interval, one.accepted + one.rejected) for one in found] == orders


def test_the_exchange_freezes_when_its_interval_begins(run):
    found = hand_overs_of(run)
    assert sorted(found) == [0, 1, 2]
    for number, one in found.items():
        interval = run.first + number
        gate, begin = start_utc_s(interval - 1), start_utc_s(interval)
        steps = [(event.step, event.after, event.version, event.at_utc_s) for event in one.events]
        assert steps == [
            ("hand-over", "handed-over", 1, gate),
            ("acknowledge", "acknowledged", 1, gate),
            ("close-gate", "frozen", 1, begin),
        ]
        ((import_wh, export_wh),) = run.rows(
            "SELECT import_wh, export_wh FROM exchange_schedule WHERE interval = :interval", interval=interval
        )
        assert one.row.import_wh == one.row.standing_import_wh == import_wh - export_wh
        assert run.province.schedules[interval] == (import_wh, export_wh)
        assert (one.row.state, one.row.finality, one.row.standing_version) == ("frozen", "final", 1)


def test_row_57_after_gate_closure_no_changed_schedule_is_accepted(run):
    interval = run.last
    with Session(run.engine) as session:
        for utc_s in (start_utc_s(interval), start_utc_s(interval) + 1):
            refused = hand_over_exchange(session, run.model, interval, import_wh=1, export_wh=0, utc_s=utc_s)
            assert refused == NotHandedOver(HandOverRefusal.GATE_CLOSED)
    assert hand_overs_of(run)[2].row.version == 1


def test_a_schedule_may_be_replaced_before_and_the_same_one_changes_nothing(market):
    market.at(market.first - 2)
    interval = market.first + 1
    utc_s = start_utc_s(interval - 1)
    with Session(market.engine) as session:
        advance_sessions(session, utc_s, holds=Span(market.first, market.last).holds)

        def handed(import_wh):
            return hand_over_exchange(session, market.model, interval, import_wh=import_wh, export_wh=0, utc_s=utc_s)

        # Its session has not been cleared, so only the hand-over itself is asked here.
        session.execute(text("DELETE FROM market_session"))
        assert handed(100) == HandedOver(1)
        assert handed(100) == HandedOver(1)
        assert handed(200) == HandedOver(2)
        assert handed(2**40) == NotHandedOver(HandOverRefusal.BEYOND_TIE)
        (one,) = read_hand_overs(session, first=interval, last=interval)
    assert [(event.step, event.version) for event in one.events] == [("hand-over", 1), ("hand-over", 2)]
    assert (one.row.import_wh, one.row.standing_version, one.row.finality) == (200, 0, "awaits-province")


def test_an_independent_market_needs_no_province(make_market, migrated_sqlite_url):
    timetable = {**DEMO_TIMETABLE, "is_sub_market": 0}
    run = make_market(migrated_sqlite_url, timetable=timetable).whole_run()
    assert {one.row.state for one in sessions_of(run)} == {"final"}
    assert {one.events[-1].action for one in sessions_of(run)} == {"publish"}
    for one in hand_overs_of(run).values():
        assert [event.step for event in one.events] == ["hand-over", "acknowledge", "close-gate"]
        assert (one.row.state, one.row.finality) == ("frozen", "final")


def refusing(error, interval):
    """A province that refuses one interval's schedule, and settles nothing that it does not know."""

    def make(province):
        submit, settle = province.submit_schedule, province.settle

        def submit_schedule(asked, import_wh, export_wh):
            if asked == interval:
                raise error
            submit(asked, import_wh, export_wh)

        def checked_settle(asked, import_wh, export_wh):
            assert asked in province.schedules
            return settle(asked, import_wh, export_wh)

        province.submit_schedule, province.settle = submit_schedule, checked_settle

    return make


def test_what_the_province_refuses_does_not_bind_and_holds_nothing_up(make_market, migrated_sqlite_url):
    run = make_market(migrated_sqlite_url)
    refusing(ProvinceRefusalError("PUT: 409 Gate closed"), run.first + 1)(run.province)
    run.whole_run()
    states = [one.row.state for one in sessions_of(run)]
    assert states == ["final", "gate-closed", "final"]
    assert sessions_of(run)[1].events[-1].action == "reject"
    refused = hand_overs_of(run)[1]
    assert [event.after for event in refused.events] == ["handed-over", "refused", "missed"]
    assert (refused.row.finality, refused.row.standing_version) == ("refused", 0)
    assert sorted(run.province.settled) == [run.first, run.first + 2]
    assert run.rows("SELECT count(*) FROM settlement_run") == [(3,)]


def test_a_province_that_does_not_answer_is_asked_again(market):
    answering = market.province.submit_schedule
    refusing(ProvinceError("PUT: no route"), market.first)(market.province)
    market.at(market.first - 2)
    with pytest.raises(ProvinceError):
        market.at(market.first - 1)
    assert market.rows("SELECT * FROM hand_over") == []
    assert sessions_of(market)[0].row.state == "secured"
    market.province.submit_schedule = answering
    market.run_jobs(market.first - 1)
    assert sessions_of(market)[0].row.state == "final"
    assert len(hand_overs_of(market)[0].events) == 2


def test_a_process_killed_between_the_province_and_the_commit_says_the_same_again(undisturbed, market):
    """The province has heard the schedule, the hub has not written it: both are told once more, and it stands once."""
    heard = []
    submit = market.province.submit_schedule

    def submit_and_die(interval, import_wh, export_wh):
        submit(interval, import_wh, export_wh)
        heard.append(interval)
        if heard.count(interval) == 1:
            raise KeyboardInterrupt

    market.province.submit_schedule = submit_and_die
    for interval in range(market.first - 2, market.last + 2):
        market.take_in(interval)
        try:
            market.run_jobs(interval)
        except KeyboardInterrupt:
            market.restart()
            market.run_jobs(interval)
    assert heard == [interval for number in range(3) for interval in [market.first + number] * 2]
    assert market.everything() == undisturbed.everything()


def test_a_gate_that_was_missed_closes_all_the_same(market):
    """The hub was down when the second gate closed: its session is never cleared, its exchange is missed."""
    market.at(market.first - 2)
    market.at(market.first - 1)
    market.take_in(market.first)
    market.take_in(market.first + 1)
    market.table.run_due(start_utc_s(market.first), is_late=True)
    market.run_jobs(market.first + 1)
    market.at(market.first + 2)
    market.at(market.first + 3)
    assert [one.row.state for one in sessions_of(market)] == ["final", "gate-closed", "final"]
    missed = hand_overs_of(market)[1]
    assert [(event.step, event.after) for event in missed.events] == [("close-gate", "missed")]
    assert missed.row.finality == "refused"


def test_an_order_comes_into_the_session_of_its_interval_while_that_is_open(market):
    """The hub opens and closes intervals as the sessions do: at each instant, what is open is what takes orders."""
    rules = RollingRules(gate_lead_intervals=1, open_intervals=4)
    holds = Span(market.first, market.last).holds
    for interval in range(market.first - 3, market.last + 1):
        utc_s = start_utc_s(interval)
        with Session(market.engine) as session:
            advance_sessions(session, utc_s, holds=holds)
            session.commit()
            first, end = open_intervals(utc_s, rules)
            for number in range(market.first, market.last + 1):
                found = read_run(session, session_id_of(number))
                assert (found is not None and takes_orders(found, utc_s)) == (first <= number < end)


def test_the_demo_s_timetable_is_what_the_hub_takes_orders_by():
    """The engine opens the intervals from the second next one on, for a day; its sessions must say the same."""
    rules = RollingRules(DEMO_TIMETABLE["order_gate_lead_intervals"], DEMO_TIMETABLE["order_open_intervals"])
    running = 1_000
    assert open_intervals(start_utc_s(running), rules) == (running + 2, running + 2 + ORDER_HORIZON_INTERVALS)


def test_a_county_without_a_timetable_keeps_no_sessions(make_market, migrated_sqlite_url):
    run = make_market(migrated_sqlite_url, timetable=None).whole_run()
    assert sessions_of(run) == []
    assert hand_overs_of(run) == {}
    assert sorted(run.province.settled) == [run.first, run.first + 1, run.first + 2]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"exchange_gate_lead_intervals": 1}, "must close after that of the orders"),
        ({"order_open_intervals": 0}, "must open before its gate"),
        ({"unknown": 1}, "unknown is missing or unknown"),
    ],
)
def test_a_timetable_that_contradicts_itself_is_refused(make_market, migrated_sqlite_url, change, fault):
    market = make_market(migrated_sqlite_url, timetable={**DEMO_TIMETABLE, **change})
    with Session(market.engine) as session, pytest.raises(NoParametersError, match=fault):
        load_timetable(session, market.first)


def test_postgresql_holds_the_same_and_changes_no_event(make_market, postgresql_url, undisturbed):
    run = make_market(postgresql_url).whole_run()
    assert run.everything() == undisturbed.everything()
    for change in ("UPDATE session_state SET at_utc_s = 0", "DELETE FROM hand_over_event"):
        with Session(run.engine) as session, pytest.raises(DBAPIError, match="append-only"):
            session.execute(text(change))


def test_jobs_repeat_nothing_and_change_no_event(market):
    market.whole_run()
    before = market.everything()
    market.table = JobTable(market.engine, [replace(job, in_time_only=False) for job in market.jobs()])
    for interval in range(market.first - 2, market.last + 2):
        market.run_jobs(interval)
    assert market.everything() == before
    for change in ("UPDATE session_state SET at_utc_s = 0", "DELETE FROM hand_over_event"):
        with Session(market.engine) as session, pytest.raises(DBAPIError, match="append-only"):
            session.execute(text(change))
