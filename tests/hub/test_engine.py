"""The engine's thread on the wall clock: gates close on time, whatever the province does, and nothing is done twice."""

import queue
from dataclasses import dataclass

import pytest

from edge.contract.control import Advance, Ask, Stop
from edge.contract.interval import start_utc_s
from hub.api.events import EventStream
from hub.engine import HubClock, HubEngine
from hub.jobs import HubJobs, Span
from hub.mqtt import SetpointSender
from hub.province import ProvinceError
from hub.repeated_sending import NoticeSender
from hub.schedule import JobTable
from hub.usecases.load_county import County
from hub.usecases.tell_modes import ModeNotices


@dataclass
class SetClock(HubClock):
    """A wall clock that stands where the test put it."""

    def read(self):
        return self.now_utc_s


class NoMessages:
    """Nothing comes in; what a message would have been judged by is kept."""

    def pump(self, moment, parameters, _timeout_s):
        self.moment, self.parameters = moment, parameters
        return 0


class NoConnection:
    is_subscribed = False


@pytest.fixture
def market(toy, toy_market, toy_folder, migrated_sqlite_url):
    there = toy_market.ToyMarket(toy, migrated_sqlite_url, toy_folder, County(toy_folder))
    yield there
    there.close()


class Wall:
    """A hub's engine over the toy market on a wall clock that the test sets."""

    def __init__(self, market, *, span=None, is_wall=True, now=0):
        self.market = market
        self.clock = SetClock(now_utc_s=now, is_wall=is_wall)
        self.ingest, self.said = NoMessages(), []
        self.span = span or Span()
        self.setpoints = SetpointSender(NoConnection(), market.registry)
        self.commands = queue.SimpleQueue()
        jobs = HubJobs(market.county, market.province, market.publisher, self.span)
        self.engine = HubEngine(
            engine=market.engine,
            ingest=self.ingest,
            setpoints=self.setpoints,
            notices=NoticeSender(NoConnection(), market.registry),
            modes=ModeNotices(market.county),
            table=JobTable(market.engine, jobs.table()),
            events=EventStream("boot"),
            clock=self.clock,
            span=self.span,
            commands=self.commands,
            send=self.said.append,
            children=dict,
            answer=lambda what: f'"{what}"'.encode(),
        )

    def work(self, *commands):
        """Let the engine do what is asked, and stop."""
        for command in (*commands, Stop()):
            self.commands.put(command)
        self.engine.run()
        self.engine._pump(0.0)

    def at(self, interval, *, minutes=1):
        """Take in what was read at the instant, and let the scheduler's call come some minutes later."""
        self.market.take_in(interval)
        self.clock.now_utc_s = start_utc_s(interval) + 60 * minutes
        self.work(Advance(start_utc_s(interval)))


def test_the_first_quarter_hours_of_a_new_hub(market, toy):
    """No reading before the first one, no market before the second, and nothing to settle before the fourth."""
    first = toy.FIRST - 1
    wall = Wall(market, now=start_utc_s(first) - 300)
    assert wall.engine.open_from_interval == first + 1
    for interval in range(first, first + 4):
        wall.at(interval)
        assert wall.ingest.parameters.open_from_interval == interval + 2
        assert wall.ingest.moment.settled_through_utc_s == start_utc_s(interval)
    assert market.rows("SELECT interval FROM clearing_run ORDER BY interval") == [
        (interval,) for interval in range(first + 1, first + 5)
    ]
    assert market.rows("SELECT interval FROM settlement_run ORDER BY interval") == [(first + 1,), (first + 2,)]
    assert market.rows("SELECT law, place, what FROM law_violation") == []


def test_a_gate_closes_on_time_while_the_province_is_silent(market, toy, monkeypatch):
    """The schedule cannot be handed over: the order that comes meanwhile is late, and the rest is done later, once."""
    wall = Wall(market, now=start_utc_s(toy.FIRST - 2) - 300)
    wall.at(toy.FIRST - 2)
    taken = market.province.submit_schedule

    def silent(*_):
        raise ProvinceError("PUT: no answer")

    monkeypatch.setattr(market.province, "submit_schedule", silent)
    wall.at(toy.FIRST - 1)
    assert wall.ingest.parameters.open_from_interval == toy.FIRST + 1
    assert market.rows("SELECT count(*) FROM clearing_run WHERE interval = :k", k=toy.FIRST) == [(1,)]
    assert market.publisher.results == [toy.FIRST - 1]
    monkeypatch.setattr(market.province, "submit_schedule", taken)
    wall.work(Advance(start_utc_s(toy.FIRST - 1)))
    assert market.publisher.results == [toy.FIRST - 1, toy.FIRST]
    assert set(market.province.schedules) == {toy.FIRST - 1, toy.FIRST}
    done = market.everything()
    wall.work(Advance(start_utc_s(toy.FIRST - 1)))
    assert market.everything() == done
    assert market.publisher.results == [toy.FIRST - 1, toy.FIRST]


def test_what_the_province_holds_up_too_long_is_left_out(market, toy, monkeypatch, caplog):
    wall = Wall(market, now=start_utc_s(toy.FIRST - 2) - 300)
    wall.at(toy.FIRST - 2)
    price = market.province.indicative_price

    def silent(_):
        raise ProvinceError("GET: no answer")

    monkeypatch.setattr(market.province, "indicative_price", silent)
    wall.at(toy.FIRST - 1)
    assert "is held up: GET: no answer" in caplog.text
    monkeypatch.setattr(market.province, "indicative_price", price)
    wall.at(toy.FIRST)
    cleared = [interval for (interval,) in market.rows("SELECT interval FROM clearing_run ORDER BY interval")]
    assert cleared == [toy.FIRST - 1, toy.FIRST + 1]
    assert f"instant {start_utc_s(toy.FIRST - 1)} is over: its job gate is left out" in caplog.text


def test_a_restarted_hub_knows_what_is_closed(market, toy):
    wall = Wall(market, now=start_utc_s(toy.FIRST - 2) - 300)
    wall.at(toy.FIRST - 2)
    wall.at(toy.FIRST - 1)
    soon = Wall(market, now=start_utc_s(toy.FIRST - 1) + 300)
    assert soon.engine.open_from_interval == toy.FIRST + 1
    soon.work()
    assert soon.ingest.moment.settled_through_utc_s == start_utc_s(toy.FIRST - 1)
    # Down for an hour: gates have closed meanwhile. That of the next interval but none can still be done in time.
    later = Wall(market, now=start_utc_s(toy.FIRST + 3) + 300)
    assert later.engine.open_from_interval == toy.FIRST + 4


def test_the_virtual_clock_goes_by_advance_alone(market, toy):
    span = Span(toy.FIRST, toy.FIRST)
    virtual = Wall(market, span=span, is_wall=False, now=start_utc_s(toy.FIRST - 2))
    assert virtual.engine.open_from_interval == toy.FIRST
    for interval in range(toy.FIRST - 2, toy.FIRST + 2):
        market.take_in(interval)
        virtual.work(Advance(start_utc_s(interval)), Ask("summary"))
        quiet, answer = virtual.said[-2:]
        assert quiet.utc_s == virtual.clock.now_utc_s == start_utc_s(interval)
        assert bytes(answer.document) == b'"summary"'
        if interval == toy.FIRST - 1:  # the gate has used what was read, although nothing is settled yet
            restarted = Wall(market, span=span, is_wall=False, now=start_utc_s(toy.FIRST - 2))
            restarted.work()
            assert restarted.ingest.moment.settled_through_utc_s == start_utc_s(interval)
    again = Wall(market, span=span, is_wall=False, now=start_utc_s(toy.FIRST - 2))
    assert again.clock.now_utc_s == start_utc_s(toy.FIRST + 1)
    assert again.engine.open_from_interval == toy.FIRST + 1
    done = market.everything()
    again.work(Advance(start_utc_s(toy.FIRST + 1)))
    assert again.said[-1].utc_s == start_utc_s(toy.FIRST + 1)
    assert market.everything() == done
