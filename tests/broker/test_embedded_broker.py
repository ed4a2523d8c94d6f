import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge.contract.registry import Registry
from hub.broker import BrokerError, EmbeddedBroker, choose_port, nats_server_path, write_nats_configuration
from hub.mqtt import HubConnection, HubConnectionError
from hub.usecases.prepare_county import HUB_USER, Credential, issue_credentials


@pytest.fixture
def folder(tmp_path: Path, small_registry: Registry) -> Path:
    """A folder with a broker's configuration."""
    path = tmp_path / "broker"
    port = choose_port(path)
    users = [HUB_USER, *(gateway.gateway_id for gateway in small_registry.gateways)]
    credentials = issue_credentials(tmp_path / "credentials", users, "127.0.0.1", port)
    write_nats_configuration(path, county="c1", gateways=small_registry.gateways, credentials=credentials, port=port)
    return path


@pytest.fixture
def broker(folder: Path) -> Iterator[EmbeddedBroker]:
    running = EmbeddedBroker(folder)
    running.start()
    yield running
    running.stop()


def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come true in time"
        threading.Event().wait(0.01)


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_it_runs_from_start_to_stop_on_the_loopback_interface_only(folder: Path) -> None:
    broker = EmbeddedBroker(folder)
    broker.start()
    process = psutil.Process(broker.process_id)
    assert connects(broker.port)
    listening = [link.laddr.ip for link in process.net_connections("inet") if link.status == psutil.CONN_LISTEN]
    assert listening
    assert set(listening) == {"127.0.0.1"}
    broker.stop()
    assert not process.is_running()
    assert not connects(broker.port)


def test_the_configuration_holds_secrets_and_is_private(folder: Path) -> None:
    assert stat.S_IMODE((folder / "nats.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_port_is_kept_and_no_outgoing_connection_can_take_it(tmp_path: Path) -> None:
    port = choose_port(tmp_path)
    assert choose_port(tmp_path) == port
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 < choose_port(tmp_path / str(number)) < first_outgoing for number in range(20))
    (tmp_path / "port").write_text("a\n")
    with pytest.raises(BrokerError, match="port"):
        choose_port(tmp_path)


def test_a_killed_broker_is_started_again(broker: EmbeddedBroker) -> None:
    first = broker.process_id
    os.kill(first, signal.SIGKILL)
    until(lambda: broker.process_id != first and connects(broker.port))
    assert not psutil.pid_exists(first)
    second = broker.process_id
    os.kill(second, signal.SIGKILL)
    until(lambda: broker.process_id not in {first, second} and connects(broker.port))


def test_a_hub_that_comes_back_adopts_the_broker_that_was_left_running(folder: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path; from hub.broker import EmbeddedBroker; "
        "broker = EmbeddedBroker(Path(sys.argv[1])); broker.start(); "
        "print(broker.process_id, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as hub:
        assert hub.stdout is not None
        line = hub.stdout.readline()
        hub.kill()
    left_running = int(line)
    assert psutil.pid_exists(left_running)
    broker = EmbeddedBroker(folder)
    try:
        broker.start()
        assert broker.process_id == left_running
        os.kill(left_running, signal.SIGKILL)
        until(lambda: broker.process_id != left_running and connects(broker.port))
        last = broker.process_id
    finally:
        broker.stop()
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(left_running).kill()
    assert not psutil.pid_exists(last)


@pytest.mark.parametrize("program", ["python", "nats-server"])
def test_a_pid_file_that_names_another_process_leads_to_nothing(folder: Path, tmp_path: Path, program: str) -> None:
    other = tmp_path / "other.conf"
    other.write_text('listen: "127.0.0.1:-1"\n')
    waiting = [sys.executable, "-c", "import signal; signal.pause()", str(folder / "nats.conf")]
    command = waiting if program == "python" else [str(nats_server_path()), "-c", str(other)]
    stranger = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        (folder / "nats.pid").write_text(str(stranger.pid))
        broker = EmbeddedBroker(folder)
        broker.start()
        assert broker.process_id != stranger.pid
        broker.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_taken_by_another_program_is_said(folder: Path) -> None:
    broker = EmbeddedBroker(folder)
    with socket.create_server(("127.0.0.1", broker.port)), pytest.raises(BrokerError, match="taken"):
        broker.start()


def test_a_broker_that_cannot_start_is_said_at_the_start(folder: Path) -> None:
    (folder / "nats.conf").write_text("mqtt { port: nonsense }")
    with pytest.raises(BrokerError, match="did not start"):
        EmbeddedBroker(folder).start()


def test_a_broker_that_dies_again_and_again_is_given_up(broker: EmbeddedBroker, folder: Path) -> None:
    (folder / "nats.conf").write_text("mqtt { port: nonsense }")
    os.kill(broker.process_id, signal.SIGKILL)

    def is_given_up() -> bool:
        try:
            broker.check()
        except BrokerError:
            return True
        return False

    until(is_given_up)
    with pytest.raises(BrokerError, match="died"):
        assert broker.process_id


@pytest.mark.usefixtures("broker")
def test_a_wrong_password_is_said_in_one_line(folder: Path) -> None:
    wrong = Credential(HUB_USER, "wrong", "hub-1", "127.0.0.1", choose_port(folder))
    connection = HubConnection(wrong, "c1")
    with pytest.raises(HubConnectionError, match=r"(?i)not author") as error:
        connection.start(timeout_s=1.0)
    assert "\n" not in str(error.value)


def test_a_broker_that_is_not_there_is_said(tmp_path: Path) -> None:
    connection = HubConnection(Credential(HUB_USER, "x", "hub-1", "127.0.0.1", choose_port(tmp_path)), "c1")
    with pytest.raises(HubConnectionError, match="cannot be reached"):
        connection.start(timeout_s=0.5)
