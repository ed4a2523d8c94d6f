"""`microbalance run`: the hub on the wall clock."""

import json
import socket
import threading
import time
from contextlib import closing

import httpx
from sqlmodel import Session
from typer.testing import CliRunner

from hub.cli import app
from hub.registry_cli import app as registry_app
from hub.store.counters import read_counters
from hub.store.engine import open_engine, sqlite_url
from hub.store.notices import notices_without_answer


def test_run_answers_and_ends_in_good_order(tmp_path, toy, toy_folder, rig):
    """It answers as soon as it listens, whatever the province does, and ends on SIGTERM with its broker."""
    run = tmp_path / "run"
    assert CliRunner().invoke(app, ["prepare", "--county", str(toy_folder), "--run", str(run)]).exit_code == 0
    port = rig.free_port()
    arguments = ["run", "--county", str(toy_folder), "--run", str(run), "--out", str(tmp_path / "out")]
    arguments += ["--http", f"127.0.0.1:{port}", "--province", f"http://127.0.0.1:{rig.free_port()}"]
    hub = rig.HubProcess(arguments, run)
    started_s = int(time.time())
    try:
        hub.start()
        wait_for_listener(port, hub)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=rig.WAIT_S) as client:
            health = client.get("/health").json()
            assert (health["status"], health["last_job_utc_s"]) == ("ok", None)
            assert started_s <= health["now_utc_s"] <= time.time()
            assert client.get("/overview").status_code == 200
            with closing(rig.gateway_client("toy", toy.registry().gateways[0], run)) as told:
                told.wait_until(lambda: told.open_from, "the session")
                assert told.open_from[0] * 900 > health["now_utc_s"]
        assert hub.broker_process_id() is not None
        assert hub.terminate() == 0, hub.log.read_text()
        assert hub.broker_process_id() is None
        assert hub.log.read_text().endswith("ended\n")
        assert "Traceback" not in hub.log.read_text()
    finally:
        hub.clean_up()


def test_what_is_imported_beside_a_running_hub_is_told_to_gateways_until_they_answer(
    tmp_path, toy, toy_folder, toy_register, rig
):
    """A plant that the registry takes in sells by the default: its gateway hears it, again after a kill, until then."""
    run, port = tmp_path / "run", rig.free_port()
    assert CliRunner().invoke(app, ["prepare", "--county", str(toy_folder), "--run", str(run)]).exit_code == 0
    arguments = ["run", "--county", str(toy_folder), "--run", str(run), "--out", str(tmp_path / "out")]
    arguments += ["--http", f"127.0.0.1:{port}", "--province", f"http://127.0.0.1:{rig.free_port()}"]
    history = tmp_path / "history.jsonl"
    events = [*toy_register.rules(), *toy_register.party("dev", "INDEPENDENT_DG_DEVELOPER")]
    events.append(toy_register.plant("dev", "M000007"))
    history.write_text("\n".join(json.dumps({"recorded_on": "2016-05-01"} | event) for event in events))
    hub = rig.HubProcess(arguments, run)
    try:
        hub.start()
        wait_for_listener(port, hub)
        with closing(rig.gateway_client("toy", toy.registry().gateways[1], run)) as gateway:
            gateway.wait_until(lambda: gateway.open_from, "the session")
            words = ["import", str(history), "--run", str(run), "--keep-dates", "--json"]
            done = CliRunner().invoke(registry_app, words)
            assert (done.exit_code, json.loads(done.stdout)["recorded"]) == (0, len(events))
            gateway.wait_until(lambda: gateway.notices, "the election")
            (meter,) = gateway.notices[0].m
            assert (meter.meter, meter.modes[-1].sale_mode.value) == ("M000007", "PURCHASE")
            assert meter.modes[-1].from_interval * 900 <= time.time()
            gateway.wait_until(lambda: len(gateway.notices) >= 2, "it again")
            hub.kill()
            gateway.notices.clear()
            hub.start()
            gateway.wait_until(lambda: gateway.notices, "it again, from the hub that started anew")
            assert gateway.notices[0].notice == 1
            gateway.send("ack", notice=1)
            gateway.wait_until_received()
        assert hub.terminate() == 0, hub.log.read_text()
        engine = open_engine(sqlite_url(run / "hub.db"), read_only=True)
        with Session(engine) as session:
            assert notices_without_answer(session) == []
            assert read_counters(session)["mode_notices"] == 1
        engine.dispose()
    finally:
        hub.clean_up()


def wait_for_listener(port, hub):
    """The port is taken before anything else is started; a connection waits there until it is served."""
    while True:
        assert hub.is_running, hub.log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            threading.Event().wait(0.02)
            continue
        return
