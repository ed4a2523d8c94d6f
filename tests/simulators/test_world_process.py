"""The world as a process: several drivers at once, the conductor's channel, refusals."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from edge.contract.control import Advance, Answer, Ask, Failed, Hello, Quiet, Stop, decode_from_process
from edge.contract.control import encode_line as control_line
from edge.contract.driver import (
    DriverAnswer,
    DriverRequest,
    Limited,
    LimitExport,
    ReadRegisters,
    Refused,
    Registers,
    decode_answer,
    encode_line,
)
from edge.contract.interval import first_interval_of_day, interval_from_utc_s, start_utc_s
from edge.contract.messages import EXPORT, Setpoint
from edge.contract.registry import MeterKind
from simulators.world.model import WorldModel

from .conftest import DAY

NOON = first_interval_of_day(DAY) + 48
TIMEOUT_S = 60


@dataclass
class RunningWorld:
    """The process, its driver port and the conductor's end of the control channel."""

    process: subprocess.Popen[str]
    port: int
    control: socket.socket
    lines: socket.SocketIO

    def say(self, message: Advance | Ask) -> object:
        self.control.sendall(control_line(message))
        return decode_from_process(self.lines.readline())


class Driver:
    """One connection of a driver."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.lines = self.socket.makefile("rb")

    def ask(self, request: DriverRequest | bytes) -> DriverAnswer:
        self.socket.sendall(request if isinstance(request, bytes) else encode_line(request))
        return decode_answer(self.lines.readline())

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


@pytest.fixture(scope="module")
def running(county_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorld]:
    port_file = tmp_path_factory.mktemp("world") / "port"
    with socket.create_server(("127.0.0.1", 0)) as conductor:
        conductor.settimeout(TIMEOUT_S)
        command = [sys.executable, "-m", "microbalance", "world", "--county", str(county_folder), "--json"]
        command += ["--control", f"127.0.0.1:{conductor.getsockname()[1]}", "--port-file", str(port_file)]
        command += ["--from-utc-s", str(start_utc_s(NOON))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            control, _ = conductor.accept()
            with control, control.makefile("rb", buffering=0) as lines:
                control.settimeout(TIMEOUT_S)
                assert decode_from_process(lines.readline()) == Hello("world", "world", process.pid)
                yield RunningWorld(process, int(port_file.read_text()), control, lines)
                control.sendall(control_line(Stop()))
                assert process.wait(TIMEOUT_S) == 0


def test_drivers_are_served_side_by_side_while_the_conductor_moves_time(
    running: RunningWorld, model: WorldModel
) -> None:
    plant = next(p for p in reversed(model.registry.metering_points) if p.kind is MeterKind.GENERATOR)
    one, two = Driver(running.port), Driver(running.port)
    early = ReadRegisters(plant.gateway_id, start_utc_s(NOON + 1))
    assert isinstance(one.ask(early), Refused)
    limited = two.ask(LimitExport(plant.gateway_id, NOON, (Setpoint(plant.meter_id, 40),)))
    assert isinstance(limited, Limited)
    assert [acknowledgement.outcome for acknowledgement in limited.acknowledgements] == ["ok"]
    for _ in range(2):
        quiet = running.say(Advance(start_utc_s(NOON + 1)))
        assert isinstance(quiet, Quiet)
        assert quiet.utc_s == start_utc_s(NOON + 1)
        assert quiet.counts["intervals"] == 1
    now, before = one.ask(early), two.ask(ReadRegisters(plant.gateway_id, start_utc_s(NOON)))
    assert isinstance(now, Registers)
    assert isinstance(before, Registers)
    position = [reading.meter for reading in now.readings].index(plant.meter_id)
    assert now.readings[position].registers[EXPORT] - before.readings[position].registers[EXPORT] == 10
    one.close()
    assert isinstance(two.ask(early), Registers)
    two.close()


def test_a_bad_line_is_refused_and_the_connection_goes_on(running: RunningWorld, model: WorldModel) -> None:
    driver = Driver(running.port)
    assert isinstance(driver.ask(b"nonsense\n"), Refused)
    assert isinstance(driver.ask(b'{"type":"read"}\n'), Refused)
    gateway = model.registry.gateways[0].gateway_id
    assert isinstance(driver.ask(ReadRegisters(gateway, start_utc_s(NOON))), Registers)
    # A line without end is no line: it is refused and the connection ends, the world goes on.
    driver.socket.sendall(b"x" * (5 * 1024 * 1024))
    assert isinstance(decode_answer(driver.lines.readline()), Refused)
    driver.close()
    driver = Driver(running.port)
    assert isinstance(driver.ask(ReadRegisters(gateway, start_utc_s(NOON))), Registers)
    driver.close()


def test_the_conductor_may_ask_for_totals(running: RunningWorld) -> None:
    running.say(Advance(start_utc_s(NOON + 2)))
    answer = running.say(Ask("world"))
    assert isinstance(answer, Answer)
    document = msgspec.json.decode(answer.document)
    assert document["intervals"] == 2
    assert document["energy_wh"]["generation"] > document["energy_wh"]["load"] > 0
    part = running.say(Ask(f"world/{NOON + 1}/{NOON + 2}"))
    assert isinstance(part, Answer)
    assert msgspec.json.decode(part.document)["intervals"] == 1
    assert isinstance(running.say(Ask("weather")), Failed)


def test_on_the_wall_clock_the_world_catches_up_by_itself(county_folder: Path, model: WorldModel) -> None:
    start = interval_from_utc_s(int(time.time())) - 3
    command = [sys.executable, "-m", "microbalance", "world", "--county", str(county_folder), "--json"]
    command += ["--from-utc-s", str(start_utc_s(start))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])
        driver = Driver(port)
        gateway = model.registry.gateways[0].gateway_id
        # A connection is taken only after the catching up, which stands before the first wait of the loop.
        for interval in (start, start + 1, start + 3):
            assert isinstance(driver.ask(ReadRegisters(gateway, start_utc_s(interval))), Registers)
        assert isinstance(driver.ask(ReadRegisters(gateway, start_utc_s(start + 100))), Refused)
        driver.close()
        process.terminate()
        process.wait(TIMEOUT_S)


@pytest.mark.parametrize("broken", ["world.json", "profiles.npz", "registry.json", "network.json"])
def test_an_unreadable_county_says_one_line_and_ends_with_2(broken: str, county_folder: Path, tmp_path: Path) -> None:
    for path in county_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / broken).unlink()
    (tmp_path / broken).write_text("nothing")
    command = [sys.executable, "-m", "microbalance", "world", "--county", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert broken in result.stderr
