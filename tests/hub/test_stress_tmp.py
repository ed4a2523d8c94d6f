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

INTERVALS = 3
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
        return httpx.get(f"http://127.0.0.1:{self.port}/api/v1{path}", timeout=20)



import random, time
def test_stress(request, toy, rig, conductor, prepared):
    toy_folder = request.getfixturevalue("toy_folder")
    weather = toy.Weather(net_w=STRONG_SUN)
    rng = random.Random(5)
    with ExitStack() as stack:
        run = Run((toy, rig, conductor), toy_folder, prepared, weather, stack)
        first = run.first
        for interval in range(first - 2, first + INTERVALS + 1):
            run.publish(interval, wait=False)
            if rng.random() < 0.5:
                time.sleep(rng.random() * 0.2)
                run.kill_and_restart()
            run.wait_until_received()
            conductor.say("hub", Advance(start_utc_s(interval)))
            for _ in range(rng.choice([0, 1, 2])):
                time.sleep(rng.random() * 0.6)
                run.kill_and_restart()
                conductor.say("hub", Advance(start_utc_s(interval)))
            from edge.contract.control import Quiet
            while conductor.wait_for("hub", Quiet).utc_s != start_utc_s(interval):
                pass
        summary = decode_hub_summary(conductor.ask("hub", "summary"))
        conductor.say("hub", Stop())
        assert run.hub.wait() == 0, run.hub.log.read_text()
    url = request.getfixturevalue("migrated_sqlite_url")
    assert [law.violations for law in summary.laws.values()] == [[]] * 8
    assert summary.result_hash == undisturbed_hash(toy, request.getfixturevalue("toy_market"), toy_folder, url, weather)
