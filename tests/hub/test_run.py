"""`microbalance run`: the hub on the wall clock."""

import socket
import threading
import time
from contextlib import closing

import httpx
from typer.testing import CliRunner

from hub.cli import app


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
