"""The provincial market over real HTTP in virtual time: what is visible when, schedules, settlements."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest

from edge.contract.control import Advance, Answer, Ask, Hello, Quiet, Stop, decode_from_process, encode_line
from edge.contract.interval import first_interval_of_day, start_utc_s
from simulators.provincial_market.prices import PriceSeries

FIRST = first_interval_of_day(date(2016, 5, 17))
SEED = 3


@dataclass
class Province:
    """A running provincial market and the conductor's end of its control channel."""

    http: httpx.Client
    lines: socket.SocketIO
    connection: socket.socket

    def advance(self, interval: int) -> None:
        self.connection.sendall(encode_line(Advance(start_utc_s(interval))))
        quiet = decode_from_process(self.lines.readline())
        assert isinstance(quiet, Quiet)
        assert quiet.utc_s == start_utc_s(interval)


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    with socket.create_server(("127.0.0.1", 0)) as conductor:
        command = [sys.executable, "-m", "microbalance", "province", "--seed", str(SEED), "--day", "2016-05-17"]
        command += ["--control", f"127.0.0.1:{conductor.getsockname()[1]}", "--port-file", str(tmp_path / "port")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            conductor.settimeout(20)
            connection, _ = conductor.accept()
            with connection, connection.makefile("rb", buffering=0) as lines:
                connection.settimeout(20)
                hello = decode_from_process(lines.readline())
                assert hello == Hello("province", "province", process.pid)
                url = f"http://127.0.0.1:{(tmp_path / 'port').read_text().strip()}"
                with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
                    yield Province(http, lines, connection)
                connection.sendall(encode_line(Stop()))
                assert process.wait(20) == 0


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["detail"]


def test_prices_become_visible_at_their_instants(province: Province) -> None:
    series = PriceSeries(SEED)
    day = province.http.get("/v1/prices/day-ahead", params={"day": "2016-05-17"}).json()
    assert day["first_interval"] == FIRST
    assert day["price_uyuan_per_kwh"] == [series.day_ahead_uyuan_per_kwh(FIRST + k) for k in range(96)]
    assert_problem(province.http.get("/v1/prices/day-ahead", params={"day": "2016-05-18"}), 425)
    assert_problem(province.http.get("/v1/prices/day-ahead", params={"day": "17.5."}), 422)

    province.advance(FIRST + 3)
    # The gate of interval 5 closes at the start of interval 4; r is there one interval earlier, and not before.
    indicative = province.http.get("/v1/prices/indicative", params={"interval": FIRST + 5})
    assert indicative.json()["price_uyuan_per_kwh"] == series.indicative_uyuan_per_kwh(FIRST + 5)
    assert_problem(province.http.get("/v1/prices/indicative", params={"interval": FIRST + 6}), 425)
    # Interval 2 has just ended, interval 3 has just begun.
    real_time = province.http.get("/v1/prices/real-time", params={"interval": FIRST + 2})
    assert real_time.json()["price_uyuan_per_kwh"] == series.real_time_uyuan_per_kwh(FIRST + 2)
    hidden = province.http.get("/v1/prices/real-time", params={"interval": FIRST + 3})
    assert_problem(hidden, 425)
    assert hidden.json()["visible_from_utc_s"] == start_utc_s(FIRST + 4)
    assert str(series.real_time_uyuan_per_kwh(FIRST + 3)) not in hidden.text
    assert_problem(province.http.get("/v1/prices/real-time"), 422)
    assert_problem(province.http.get("/v1/prices/real-time", params={"interval": -1}), 422)
    assert_problem(province.http.get("/v1/nothing"), 404)


def test_clock_never_runs_backwards(province: Province) -> None:
    province.advance(FIRST + 3)
    province.connection.sendall(encode_line(Advance(start_utc_s(FIRST))))
    assert isinstance(decode_from_process(province.lines.readline()), Quiet)
    assert province.http.get("/v1/clock").json() == {"utc_s": start_utc_s(FIRST + 3)}


def test_schedule_is_idempotent_and_closed_once_the_interval_began(province: Province) -> None:
    province.advance(FIRST)
    path = f"/v1/schedules/{FIRST + 1}"
    assert_problem(province.http.get(path), 404)
    assert province.http.put(path, json={"import_wh": 100, "export_wh": 0}).status_code == 200
    assert province.http.put(path, json={"import_wh": 70, "export_wh": 0}).status_code == 200
    province.advance(FIRST + 1)
    assert province.http.put(path, json={"import_wh": 70, "export_wh": 0}).status_code == 200
    assert_problem(province.http.put(path, json={"import_wh": 71, "export_wh": 0}), 409)
    assert province.http.get(path).json() == {"interval": FIRST + 1, "import_wh": 70, "export_wh": 0}
    assert_problem(province.http.put(f"/v1/schedules/{FIRST}", json={"import_wh": 1, "export_wh": 0}), 409)
    assert_problem(province.http.put(path, json={"import_wh": -1, "export_wh": 0}), 422)
    assert_problem(province.http.put(path, json={"import_wh": 1.0, "export_wh": 0}), 422)


def test_settlement_pays_metered_energy_at_real_time_and_never_nets(province: Province) -> None:
    province.advance(FIRST)
    province.http.put(f"/v1/schedules/{FIRST + 1}", json={"import_wh": 500, "export_wh": 0})
    path = f"/v1/settlements/{FIRST + 1}"
    metered = {"import_wh": 1000, "export_wh": 400}
    province.advance(FIRST + 1)
    assert_problem(province.http.post(path, json=metered), 425)
    province.advance(FIRST + 2)
    first = province.http.post(path, json=metered)
    price = PriceSeries(SEED).real_time_uyuan_per_kwh(FIRST + 1)
    # A rolling schedule is no day-ahead quantity: all metered energy is settled at P_RT.
    assert (first.json()["day_ahead_import_wh"], first.json()["scheduled_import_wh"]) == (0, 500)
    assert first.json()["import_amount_nano_yuan"] == 1000 * price
    assert first.json()["export_amount_nano_yuan"] == 400 * price
    assert province.http.post(path, json=metered).json() == first.json()
    assert_problem(province.http.post(path, json={"import_wh": 1001, "export_wh": 400}), 409)
    assert province.http.get("/v1/settlements").json() == {"settlements": [first.json()]}


def test_day_ahead_quantity_settles_at_day_ahead_price(province: Province) -> None:
    tomorrow = first_interval_of_day(date(2016, 5, 18))
    province.advance(FIRST)
    path = f"/v1/schedules/{tomorrow}"
    assert province.http.put(path, json={"import_wh": 900, "export_wh": 0}).status_code == 200
    province.advance(tomorrow - 2)
    assert province.http.put(path, json={"import_wh": 950, "export_wh": 0}).status_code == 200
    province.advance(tomorrow + 1)
    settled = province.http.post(f"/v1/settlements/{tomorrow}", json={"import_wh": 1000, "export_wh": 0}).json()
    series = PriceSeries(SEED)
    assert settled["day_ahead_import_wh"] == 900
    assert settled["import_amount_nano_yuan"] == 900 * series.day_ahead_uyuan_per_kwh(
        tomorrow
    ) + 100 * series.real_time_uyuan_per_kwh(tomorrow)


def test_conductor_may_ask(province: Province) -> None:
    province.connection.sendall(encode_line(Ask("province")))
    answer = decode_from_process(province.lines.readline())
    assert isinstance(answer, Answer)
    assert json.loads(bytes(answer.document)) == {"settlements": 0}


def test_without_conductor_the_wall_clock_decides() -> None:
    command = [sys.executable, "-m", "microbalance", "province", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        now = int(time.time()) // 900
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            assert http.get("/v1/prices/real-time", params={"interval": now - 1}).status_code == 200
            assert_problem(http.get("/v1/prices/real-time", params={"interval": now + 2}), 425)
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(
    "arguments",
    [["--day", "yesterday"], ["--listen", "nowhere"], ["--control", "127.0.0.1:"], ["--listen", "127.0.0.1:99999"]],
)
def test_bad_command_line_says_one_line_and_ends_with_2(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "microbalance", "province", *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
