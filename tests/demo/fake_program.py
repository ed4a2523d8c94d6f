"""Stands in for `microbalance` on the command lines of the demo: tiny processes that speak the real control protocol.

county, hub prepare, world, province, hub serve and edge, each with just enough behind it that the conductor has
something to conduct: edges keep their messages in a real outbox until the hub has them on disk and says so, the hub
keeps a child process as its broker and takes nothing while that is dead. Words in a file `behaviour` beside the county
make a process misbehave: "mute-edge", "failing-hub", "crashing-world", "bad-county", "greedy-hub".
"""

import argparse
import contextlib
import hashlib
import http.server
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from edge.agent import Outgoing
from edge.contract.control import Advance, Answer, Ask, Failed, Hello, Progress, Quiet, Stop, decode_from_conductor
from edge.contract.control import encode_line as control_line
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SupplyMode,
    UnitKind,
    UserCategory,
    encode_registry,
)
from edge.outbox import Changes, Outbox

CHANNELS = ("1-0:1.8.0", "1-0:2.8.0")
IMPORT_WH, EXPORT_WH, PRICE = 10, 3, 400_000


class Channel:
    """The process's end of the control channel; lines are read in the main thread."""

    def __init__(self, address: str, role: str, name: str) -> None:
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.lines = self.socket.makefile("rb")
        self.send(Hello(role, name, os.getpid()))

    def send(self, message: Hello | Progress | Quiet | Answer | Failed) -> None:
        self.socket.sendall(control_line(message))

    def serve(self, advance, answer) -> None:
        for line in self.lines:
            match decode_from_conductor(line):
                case Advance(utc_s):
                    advance(utc_s)
                case Ask(what):
                    self.send(Answer(what, msgspec.Raw(json.dumps(answer(what)).encode())))
                case Stop():
                    sys.exit(0)
        sys.exit(3)


def county(arguments: argparse.Namespace) -> None:
    arguments.out.mkdir(parents=True)
    if "bad-county" in behaviour(arguments.out):
        sys.stderr.write("county: no profiles for that day\n")
        sys.exit(2)
    unit = BalanceUnit("county", None, UnitKind.COUNTY, "110kV", None, None, ())
    gateways = tuple(Gateway(f"G000{n}", "s0", "county", (f"M00000{n}",)) for n in (1, 2, 3))
    points = tuple(
        MeteringPoint(
            meter_id=gateway.meter_ids[0],
            gateway_id=gateway.gateway_id,
            unit_id="county",
            bus="bus",
            kind=MeterKind.LOAD,
            channels=CHANNELS,
            voltage_class="<1kV",
            participant_id="P00001",
            supply_mode=SupplyMode.DIRECT,
            sale_mode=SaleMode.NONE,
            category=UserCategory.RESIDENTIAL,
            clean=False,
            export_capacity_w=0,
            import_capacity_w=1000,
        )
        for gateway in gateways
    )
    registry = Registry("c1", (unit,), gateways, points, (Participant("P00001", None),))
    (arguments.out / "registry.json").write_bytes(encode_registry(registry))


def behaviour(county_folder: Path) -> str:
    file = county_folder.parent.parent / "behaviour"
    return file.read_text() if file.exists() else ""


def write_port(file: Path, port: int) -> None:
    partial = file.with_suffix(".partial")
    partial.write_text(f"{port}\n")
    partial.replace(file)


def world(arguments: argparse.Namespace) -> None:
    write_port(arguments.port_file, 9)
    channel = Channel(arguments.control, "world", "world")
    crash = "crashing-world" in behaviour(arguments.county)

    def advance(utc_s: int) -> None:
        if crash:
            raise RuntimeError("the simulated world ended")
        channel.send(Quiet(utc_s))

    channel.serve(advance, physics)


def physics(what: str) -> dict[str, object]:
    _, first, last = what.split("/")
    intervals = int(last) - int(first)
    energy = {"gateway_import": IMPORT_WH * intervals, "gateway_export": EXPORT_WH * intervals, "loss": 0}
    names = ("buses_too_high", "buses_too_low", "transformers_overloaded", "transformers_reversed", "lines_overloaded")
    worst = {"element": "one", "interval": int(first), "value": 1.0}
    extremes = {"highest_voltage": worst, "worst_transformer": worst}
    return {
        "intervals": intervals,
        "energy_wh": energy | dict.fromkeys(("generation", "curtailed", "load", "loss_inside_microgrids"), 0),
        "with_control": {"violating_intervals": 0} | extremes | dict.fromkeys(names, 0),
        "without_control": {"violating_intervals": 1} | extremes | dict.fromkeys(names, 2),
    }


def province(arguments: argparse.Namespace) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"settlements": [settlement(interval) for interval in settled]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    settled: list[int] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    write_port(arguments.port_file, server.server_address[1])
    channel = Channel(arguments.control, "province", "province")

    def advance(utc_s: int) -> None:
        settled.append(utc_s // 900 - 1)
        channel.send(Quiet(utc_s))

    channel.serve(advance, lambda _what: {})


def settlement(interval: int) -> dict[str, int]:
    return {
        "interval": interval,
        "metered_import_wh": IMPORT_WH,
        "metered_export_wh": EXPORT_WH,
        "import_amount_nano_yuan": IMPORT_WH * PRICE,
        "export_amount_nano_yuan": EXPORT_WH * PRICE,
    }


def edge(arguments: argparse.Namespace) -> None:
    gateways = Path(arguments.gateways.removeprefix("@")).read_text().split()
    outbox = Outbox(arguments.state)
    channel = Channel(arguments.control, "edge", arguments.name)
    mute = "mute-edge" in behaviour(arguments.county) and arguments.name == "edge-2"
    hub_port = arguments.credentials.parent / "port"

    def advance(utc_s: int) -> None:
        if outbox.cursor_utc_s is None or outbox.cursor_utc_s < utc_s:
            messages = [(name, Outgoing("boot", utc_s, "iv", "topic", f"{name} {utc_s}".encode())) for name in gateways]
            counts = {"published_readings": len(messages), "published_orders": len(messages)}
            outbox.commit(Changes(cursor_utc_s=utc_s, messages=messages, counts=counts))
        channel.send(Progress(utc_s, outbox.pending))
        for name in gateways:
            for key in tuple(outbox.without_receipt(name)):
                deliver(hub_port, outbox.message(key).payload)
                outbox.commit(Changes(done=[(name, key)]))
        if not mute:
            channel.send(Quiet(utc_s, dict(outbox.counts())))

    channel.serve(advance, lambda _what: {})


def deliver(port_file: Path, payload: bytes) -> None:
    """Say it to the hub until it answers; the hub may be dead for a while."""
    pause = threading.Event()
    while True:
        try:
            with socket.create_connection(("127.0.0.1", int(port_file.read_text())), timeout=5) as connection:
                connection.sendall(payload + b"\n")
                if connection.recv(3) == b"ok\n":
                    return
        except OSError:
            pause.wait(0.02)


class FakeHub:
    """Admits messages into SQLite, once each, and keeps a sleeping child as its broker."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.folder: Path = arguments.run
        self.lock = threading.Lock()
        self.database = sqlite3.connect(self.folder / "hub.db", check_same_thread=False)
        self.database.execute("CREATE TABLE IF NOT EXISTS admitted (message TEXT PRIMARY KEY)")
        self.database.execute("CREATE TABLE IF NOT EXISTS duplicate (message TEXT)")
        self.database.commit()
        self.first, self.last = arguments.first_interval, arguments.last_interval
        self.failing = "failing-hub" in behaviour(arguments.county)
        self.greedy = "greedy-hub" in behaviour(arguments.county)
        self.broker = self.start_broker()
        self.channel = Channel(arguments.control, "hub", "hub")
        self.channel.send(Progress(0, 0, {"broker": self.broker.pid}))
        self.listener = socket.create_server(("127.0.0.1", 0))
        write_port(self.folder / "port", self.listener.getsockname()[1])
        threading.Thread(target=self.admit, daemon=True).start()

    def start_broker(self) -> subprocess.Popen[bytes]:
        file = self.folder / "broker.pid"
        if file.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(file.read_text()), 9)
        broker = subprocess.Popen(["sleep", "600"], start_new_session=True)
        file.write_text(str(broker.pid))
        return broker

    def admit(self) -> None:
        while True:
            peer, _ = self.listener.accept()
            with peer, self.lock:
                message = peer.recv(4096).decode()
                if not message.endswith("\n"):
                    continue  # the edge was killed before it had said it
                if self.broker.poll() is not None:
                    self.broker = self.start_broker()
                    self.channel.send(Progress(0, 0, {"broker": self.broker.pid}))
                    continue  # the broker lost what it had
                try:
                    self.database.execute("INSERT INTO admitted VALUES (?)", (message,))
                except sqlite3.IntegrityError:
                    self.database.execute("INSERT INTO duplicate VALUES (?)", (message,))
                self.database.commit()
                peer.sendall(b"ok\n")

    def advance(self, utc_s: int) -> None:
        if self.failing and utc_s // 900 > self.first:
            self.channel.send(Failed("the disk is full"))
            return
        self.channel.send(Quiet(utc_s, {}, {"clearing": 0.25}))

    def summary(self, _what: str) -> dict[str, object]:
        with self.lock:
            admitted = sorted(row for (row,) in self.database.execute("SELECT message FROM admitted"))
            (duplicates,) = self.database.execute("SELECT count(*) FROM duplicate").fetchone()
        intervals = self.last - self.first + 1
        amount = (IMPORT_WH - EXPORT_WH) * PRICE * intervals
        return {
            "metering_points": 3,
            "intervals": intervals,
            "readings": {"admitted": len(admitted), "duplicate": duplicates, "quarantined": 0},
            "orders": {"accepted": len(admitted), "rejected": 0},
            "refused": {},
            "traded_wh": {"mode_1": 7},
            "energy": {
                "gateway_import_wh": IMPORT_WH * intervals,
                "gateway_export_wh": EXPORT_WH * intervals,
                "generation_wh": 0,
                "load_wh": 0,
                "charge_wh": 0,
                "discharge_wh": 0,
                "loss_wh": 0,
            },
            "money_nano_yuan": {"province": amount, "d_sup": -amount},
            "residual_nano_yuan": 0,
            "province": {
                "import_wh": IMPORT_WH * intervals,
                "export_wh": EXPORT_WH * intervals,
                "import_amount_nano_yuan": IMPORT_WH * PRICE * intervals + (1 if self.greedy else 0),
                "export_amount_nano_yuan": EXPORT_WH * PRICE * intervals,
            },
            "violations": {"expected_before": 2, "expected_after": 0, "metered": 1},
            "setpoints": 4,
            "curtailed_wh": 5,
            "laws": {str(law): {"checked": 1, "violations": []} for law in range(1, 9)},
            "result_hash": hashlib.sha256("\n".join(admitted).encode()).hexdigest(),
            "report": {"pdf": "report.pdf"},
        }


def hub(arguments: argparse.Namespace) -> None:
    if arguments.verb == "prepare":
        (arguments.run / "credentials").mkdir(parents=True)
        return
    fake = FakeHub(arguments)
    try:
        fake.channel.serve(fake.advance, fake.summary)
    finally:
        fake.broker.kill()
        fake.broker.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    paths = ("--out", "--county", "--run", "--port-file", "--credentials", "--state")
    for name in ("county", "world", "province", "edge", "hub"):
        command = commands.add_parser(name)
        if name == "hub":
            command.add_argument("verb", choices=("prepare", "serve"))
        for option in paths:
            command.add_argument(option, type=Path)
        for option in ("--seed", "--first-interval", "--last-interval"):
            command.add_argument(option, type=int)
        for option in ("--day", "--control", "--province", "--http", "--gateways", "--world", "--name"):
            command.add_argument(option)
        for switch in ("--json", "--new"):
            command.add_argument(switch, action="store_true")
    arguments = parser.parse_args()
    {"county": county, "world": world, "province": province, "edge": edge, "hub": hub}[arguments.command](arguments)


if __name__ == "__main__":
    main()
