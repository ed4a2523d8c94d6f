"""The same day's first hours on Debian's Mosquitto: another broker, prepared as an operator would, the same result."""

import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

MOSQUITTO = Path("/usr/sbin/mosquitto")


@contextmanager
def mosquitto(files: Path):
    """Run Mosquitto with the files that `hub prepare` wrote, and wait until it says that it runs."""
    assert MOSQUITTO.exists(), "Mosquitto is not installed: apt-get install mosquitto"
    if os.geteuid() == 0:  # it would become another user, who may not read the passwords
        with (files / "mosquitto.conf").open("a") as configuration:
            configuration.write("user root\n")
    process = subprocess.Popen(
        [MOSQUITTO, "-c", "mosquitto.conf"], cwd=files, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if line.rstrip().endswith("running"):
                break
        else:
            raise AssertionError(f"Mosquitto did not start: {''.join(said)}")
        process.stderr.close()
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_the_first_hours_on_mosquitto(demo_process, prepared_folder, run_night):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"mqtt://127.0.0.1:{port}"
    folder = prepared_folder()
    run = folder / "run"
    line = ["hub", "prepare", "--county", str(run / "county"), "--run", str(run / "hub"), "--broker", url, "--json"]
    with demo_process.Program(line, folder) as program:
        assert program.wait().succeeded().summary["broker"] == url
    embedded = run_night().succeeded()
    with mosquitto(run / "hub" / "mosquitto"):
        other = run_night("--broker", url, folder=folder).succeeded()
    assert other.summary["result_hash"] == embedded.summary["result_hash"]
    assert "nats-server" not in other.summary["peak_pss_by_process_bytes"]
    assert not (run / "hub" / "broker").exists()
    readings = other.summary["readings"]
    assert readings["published"] == readings["admitted"] == embedded.summary["readings"]["admitted"]
