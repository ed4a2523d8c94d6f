"""`microbalance hub serve` as a process: real broker, real province, real gateways' messages, killed in between."""

import json
import stat
from contextlib import ExitStack, closing

import httpx
import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from edge.contract.control import Advance, Progress, Stop
from edge.contract.interval import start_utc_s
from hub.cli import app
from hub.store.engine import open_engine, sqlite_url
from hub.usecases.hash_result import hash_result
from hub.usecases.load_county import County
from simulators.demo.summary import decode_hub_summary
from simulators.provincial_market.prices import PriceSeries

INTERVALS = 2
STRONG_SUN = {"M000007": 170_000, "M000008": 110_000}


@pytest.fixture
def prepared(tmp_path, toy_folder):
    """A run folder made by `hub prepare`."""
    run = tmp_path / "run"
    done = CliRunner().invoke(app, ["prepare", "--county", str(toy_folder), "--run", str(run), "--json"])
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert (document["county"], document["gateways"], document["metering_points"]) == ("toy", 7, 24)
    for path in (run / "credentials").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return run


def undisturbed_hash(toy, toy_market, toy_folder, url, weather):
    """The same run in one process, without a broker, a network or a kill."""
    prices = PriceSeries(1)

    class SamePrices(toy_market.FixedProvince):
        indicative_price = staticmethod(prices.indicative_uyuan_per_kwh)
        real_time_price = staticmethod(prices.real_time_uyuan_per_kwh)

    market = toy_market.ToyMarket(toy, url, toy_folder, County(toy_folder), intervals=INTERVALS)
    try:
        market.province = SamePrices()
        market.restart()
        market.whole_run(weather=weather)
        with Session(market.engine) as session:
            return hash_result(session)
    finally:
        market.close()


class Run:
    """The toy run around a hub's process."""

    def __init__(self, parts, folder, run, weather, stack):
        toy, rig, conductor = parts
        self.toy, self.conductor, self.weather = parts[0], parts[2], weather
        self.first, self.last = toy.FIRST, toy.FIRST + INTERVALS - 1
        self.physics = toy.Physics(folder, self.first - 2)
        self.port = rig.free_port()
        self.out = run.parent / "out"
        province = stack.enter_context(rig.province_process(run.parent, conductor, str(toy.DAY)))
        arguments = ["hub", "serve", "--county", str(folder), "--run", str(run), "--province", province]
        arguments += ["--control", conductor.address, "--http", f"127.0.0.1:{self.port}", "--out", str(self.out)]
        arguments += ["--first-interval", str(self.first), "--last-interval", str(self.last)]
        self.hub = rig.HubProcess(arguments, run)
        stack.callback(self.hub.clean_up)
        self.hub.start()
        conductor.hello("hub")
        self.gateways = [
            stack.enter_context(closing(rig.gateway_client("toy", gateway, run))) for gateway in toy.registry().gateways
        ]

    def publish(self, interval, *, wait=True):
        """Let time pass to the instant; every gateway publishes its readings and orders."""
        for gateway in self.gateways:
            self.physics.limits |= gateway.limits_w
        while self.physics.now < interval:
            self.physics.run(self.weather)
        self.conductor.advance("province", start_utc_s(interval))
        orders = self.toy.orders_at(self.physics, interval + 1) if interval > self.first - 2 else {}
        for gateway in self.gateways:
            gateway.send("iv", r=self.physics.readings(interval, gateway.gateway.gateway_id))
            if gateway.gateway.gateway_id in orders:
                gateway.send("ord", o=orders[gateway.gateway.gateway_id])
        if wait:
            self.wait_until_received()

    def wait_until_received(self):
        for gateway in self.gateways:
            gateway.wait_until_received()

    def kill_and_restart(self):
        self.hub.kill()
        self.hub.start()
        self.conductor.hello("hub")

    def get(self, path):
        return httpx.get(f"http://127.0.0.1:{self.port}/api/v1{path}", timeout=60)


def test_a_hub_that_is_killed_again_and_again_comes_to_the_same_result(request, toy, rig, conductor, prepared):
    toy_folder = request.getfixturevalue("toy_folder")
    weather = toy.Weather(net_w=STRONG_SUN)
    with ExitStack() as stack:
        run = Run((toy, rig, conductor), toy_folder, prepared, weather, stack)
        first = run.first

        run.publish(first - 2)
        conductor.advance("hub", start_utc_s(first - 2))
        run.kill_and_restart()  # between two instants of the warm-up, when no job has been done yet

        run.publish(first - 1)
        for gateway in run.gateways:
            gateway.answers = False
        conductor.say("hub", Advance(start_utc_s(first - 1)))
        while not (waiting := conductor.wait_for("hub", Progress)).pending:
            pass
        assert waiting.children.keys() == {"broker"}
        run.kill_and_restart()  # cleared and published, and no setpoint has its answer
        for gateway in run.gateways:
            gateway.answers = True
        conductor.advance("hub", start_utc_s(first - 1))
        assert set(run.gateways[1].limits_w) == {(first, "M000007"), (first, "M000008")}

        run.publish(first, wait=False)
        run.kill_and_restart()  # somewhere between a message and its receipt
        run.wait_until_received()
        for interval in range(first, first + 3):
            if interval > first:
                run.publish(interval)
            quiet = conductor.advance("hub", start_utc_s(interval))
        summary = decode_hub_summary(conductor.ask("hub", "summary"))
        assert b"no answer" in conductor.ask("hub", "weather")
        assert_told(run, quiet, summary)
        broker = run.hub.broker_process_id()
        assert broker == conductor.children["broker"], "each restarted hub took over the broker that ran"
        conductor.say("hub", Stop())
        assert run.hub.wait() == 0, run.hub.log.read_text()
        assert run.hub.broker_process_id() is None
    engine = open_engine(sqlite_url(prepared / "hub.db"), read_only=True)
    with Session(engine) as session:
        assert hash_result(session) == summary.result_hash
    engine.dispose()
    url = request.getfixturevalue("migrated_sqlite_url")
    assert summary.result_hash == undisturbed_hash(toy, request.getfixturevalue("toy_market"), toy_folder, url, weather)


def assert_told(run, quiet, summary):
    """What conductor, gateways and console hear at the end of the run."""
    assert quiet.counts["readings_admitted"] == 5 * len(run.toy.SITES)
    assert {"clear", "settle", "province", "report"} <= quiet.seconds.keys()
    assert summary.intervals == INTERVALS
    assert summary.residual_nano_yuan == 0
    assert [law.violations for law in summary.laws.values()] == [[]] * 8
    assert summary.setpoints > 0
    assert summary.report
    assert not any(gateway.rejections for gateway in run.gateways)
    seller = run.gateways[1]
    seller.wait_until(lambda: run.first + 1 in seller.fills, "results of the last interval")
    assert set(seller.fills) == {run.first, run.first + 1}
    assert set(seller.prices) >= {run.first, run.first + 1}
    assert seller.open_from[-1] == run.first + 2
    health = run.get("/health").json()
    assert (health["status"], health["last_job_utc_s"]) == ("ok", start_utc_s(run.first + 2))
    shown = {one["account"] for one in run.get("/accounts").json()["accounts"]}
    assert {"D_sup", "D_net", "congestion", "USERS"} <= shown
    assert run.get("/statements").json()["items"]


def test_a_hub_whose_province_fails_tells_the_conductor_why_it_ends(toy, rig, conductor, toy_folder, prepared):
    arguments = ["hub", "serve", "--county", str(toy_folder), "--run", str(prepared), "--http"]
    arguments += [f"127.0.0.1:{rig.free_port()}", "--province", f"http://127.0.0.1:{rig.free_port()}"]
    arguments += ["--first-interval", str(toy.FIRST), "--last-interval", str(toy.FIRST), "--control", conductor.address]
    hub = rig.HubProcess(arguments, prepared)
    try:
        hub.start()
        conductor.hello("hub")
        conductor.say("hub", Advance(start_utc_s(toy.FIRST - 1)))
        assert "ProvinceError" in conductor.failure("hub")
        assert hub.wait() == 1
        assert hub.broker_process_id() is None
    finally:
        hub.clean_up()
