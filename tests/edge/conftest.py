"""What the edge meets, small but real: a broker, a hub that gives receipts, devices behind a socket, a conductor."""

import contextlib
import json
import os
import queue
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract import control, driver
from edge.contract.codec import decode_up, encode
from edge.contract.messages import (
    EXPORT,
    IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
    Acknowledgement,
    OrdersMessage,
    Reading,
    ReadingsMessage,
    ReceiptMessage,
    Rejection,
    ResponseMessage,
    StatusMessage,
)
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
    encode_registry,
)
from edge.contract.topics import broadcast_topic, down_topic, parse_up_topic, up_filter

COUNTY = "c1"
SHARD = "s0"
T0 = 1_463_414_400  # 2016-05-17 00:00 in the county
WAIT_S = 60
CHANNELS = (IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT)
KINDS = (
    (MeterKind.LOAD, SupplyMode.DIRECT, SaleMode.NONE),
    (MeterKind.GENERATOR, SupplyMode.AGENCY, SaleMode.DIRECT),
    (MeterKind.PROSUMER, SupplyMode.DIRECT, SaleMode.DIRECT),
    (MeterKind.LOAD, SupplyMode.GUARANTEED, SaleMode.NONE),
    (MeterKind.AREA_SUMMARY, SupplyMode.NONE, SaleMode.NONE),
)


def make_registry(gateways: int, meters_each: int) -> Registry:
    points, listed = [], []
    for g in range(gateways):
        gateway_id = f"G{g + 1:04d}"
        ids = [f"M{g * meters_each + m + 1:06d}" for m in range(meters_each)]
        listed.append(Gateway(gateway_id, SHARD, "county", tuple(ids)))
        for m, meter_id in enumerate(ids):
            kind, supply, sale = KINDS[m % len(KINDS)]
            points.append(
                MeteringPoint(
                    meter_id=meter_id,
                    gateway_id=gateway_id,
                    unit_id="county",
                    bus=f"bus {meter_id}",
                    kind=kind,
                    channels=CHANNELS,
                    voltage_class="<1kV",
                    participant_id="P00001",
                    supply_mode=supply,
                    sale_mode=sale,
                    category=UserCategory.RESIDENTIAL,
                    clean=True,
                    export_capacity_w=20_000,
                    import_capacity_w=20_000,
                )
            )
    unit = BalanceUnit("county", None, UnitKind.COUNTY, "110kV", None, None, ())
    participant = Participant("P00001", SellerClass.PROSUMER)
    return Registry(COUNTY, (unit,), tuple(listed), tuple(points), (participant,))


def net_energy_wh(meter_id: str, interval: int) -> int:
    """What flows at a meter of the test's world: even numbers import, odd ones export, a little more each interval."""
    number, since = int(meter_id[1:]), interval - T0 // 900
    return (1 if number % 2 else -1) * (500 + number % 7 * 100 + since * 13)


def registers_at(meter_id: str, instant_utc_s: int) -> dict[str, int]:
    past = [net_energy_wh(meter_id, k) for k in range(T0 // 900 - 10, instant_utc_s // 900)]
    imported, exported = -sum(e for e in past if e < 0), sum(e for e in past if e > 0)
    return {IMPORT: imported, EXPORT: exported, REACTIVE_IMPORT: imported // 5, REACTIVE_EXPORT: 0}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class World:
    """Devices behind a loopback socket; counts what it is asked."""

    def __init__(self, registry: Registry) -> None:
        self.meters = {gateway.gateway_id: gateway.meter_ids for gateway in registry.gateways}
        self.reads: list[tuple[str, int]] = []
        self.limits: list[tuple[str, int, str, int]] = []
        self.stands_at = 2**62
        world = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write(driver.encode_line(world.answer(driver.decode_request(line))))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, request: driver.DriverRequest) -> driver.DriverAnswer:
        if request.gateway not in self.meters:
            return driver.Refused("unknown gateway")
        if isinstance(request, driver.ReadRegisters):
            if request.instant_utc_s > self.stands_at:
                return driver.Refused("that instant is not there yet")
            self.reads.append((request.gateway, request.instant_utc_s))
            meters = self.meters[request.gateway]
            at = request.instant_utc_s
            return driver.Registers(tuple(Reading(meter, at, registers_at(meter, at)) for meter in meters))
        self.limits += [(request.gateway, request.interval, s.meter, s.export_limit_w) for s in request.setpoints]
        return driver.Limited(tuple(Acknowledgement(s.meter, "ok") for s in request.setpoints))

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Broker:
    """nats-server in MQTT mode with the permissions of the design: each gateway may speak for itself only."""

    def __init__(self, folder: Path, gateway_ids: list[str]) -> None:
        self.port = free_port()
        self.folder = folder
        users = ['{ user: "hub", password: "hub", allowed_connection_types: ["MQTT"] }']
        users += [
            f'{{ user: "{gateway_id}", password: "pw-{gateway_id}", permissions: {{'
            f' publish: {{ allow: ["cmb.v1.{COUNTY}.{SHARD}.m.{gateway_id}.>"] }},'
            f' subscribe: {{ allow: ["cmb.v1.{COUNTY}.{SHARD}.d.{gateway_id}.>", "cmb.v1.{COUNTY}.b.>"] }} }},'
            ' allowed_connection_types: ["MQTT"] }'
            for gateway_id in gateway_ids
        ]
        (folder / "nats.conf").write_text(
            f'server_name: "test"\nlisten: "127.0.0.1:-1"\njetstream {{ store_dir: "{folder}/js", max_file: 1GB }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {self.port}, max_ack_pending: 1024 }}\n"
            "accounts { CMB { jetstream: enabled, users: [\n" + "\n".join(users) + "\n] } }\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = Path(sys.executable).with_name("nats-server")
        log = self.folder / "nats.log"
        already = log.read_bytes().count(b"Server is ready") if log.exists() else 0
        self.process = subprocess.Popen([program, "-c", self.folder / "nats.conf", "-l", log])
        deadline = threading.Event()
        for _ in range(WAIT_S * 100):
            if log.exists() and log.read_bytes().count(b"Server is ready") > already:
                return
            deadline.wait(0.01)
        raise AssertionError(log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(WAIT_S)
            self.process = None


class Hub:
    """Takes messages in order of seq, remembers what they bring, and gives receipts, unless told to keep silent."""

    def __init__(self, port: int) -> None:
        self.changed = threading.Condition()
        self.gives_receipts = True
        self.upto: dict[tuple[str, str], int] = {}
        self.readings: dict[tuple[str, int], dict[str, int]] = {}
        self.orders: dict[tuple[str, int, str, int], tuple[str, int, int, int]] = {}
        self.messages: list[tuple[str, str, str, int]] = []  # gateway, kind, boot, seq: every arrival
        self.duplicates = 0
        self.responses: list[tuple[str, ResponseMessage]] = []
        self.statuses: list[tuple[str, str]] = []
        self.reject: Callable[[Reading], str | None] = lambda _reading: None
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="hub-test", clean_session=False, manual_ack=True)
        self.client.username_pw_set("hub", "hub")
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(up_filter(COUNTY), qos=1)
        self.client.on_subscribe = lambda *_: self.note(lambda: setattr(self, "is_listening", True))
        self.client.on_message = self.take
        self.is_listening = False
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.wait(lambda: self.is_listening)

    def note(self, change: Callable[[], object]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WAIT_S)

    def take(self, client: Client, _userdata: object, arrived) -> None:
        topic = parse_up_topic(arrived.topic)
        message = decode_up(topic.kind, arrived.payload)
        with self.changed:
            if isinstance(message, StatusMessage):
                self.statuses.append((topic.device, message.state))
            else:
                self.admit(topic.device, topic.kind, message)
            self.changed.notify_all()
        client.ack(arrived.mid, arrived.qos)

    def admit(self, device: str, kind: str, message: ReadingsMessage | OrdersMessage | ResponseMessage) -> None:
        key = (device, message.boot)
        upto = self.upto.get(key, 0)
        self.messages.append((device, kind, *key[1:], message.seq))
        rejections = []
        if message.seq <= upto:
            self.duplicates += 1
        elif message.seq == upto + 1:
            self.upto[key] = message.seq
            rejections = self.content(device, message)
        if self.gives_receipts:
            self.receipt(device, message.boot, self.upto.get(key, 0), rejections)

    def content(self, device: str, message: ReadingsMessage | OrdersMessage | ResponseMessage) -> list[Rejection]:
        rejections = []
        if isinstance(message, ReadingsMessage):
            for reading in message.r:
                reason = self.reject(reading)
                if reason is not None:
                    rejections.append(Rejection(message.seq, reading.meter, reading.instant_utc_s, reason))
                    continue
                assert (reading.meter, reading.instant_utc_s) not in self.readings, "a reading came in two messages"
                self.readings[reading.meter, reading.instant_utc_s] = reading.registers
        elif isinstance(message, OrdersMessage):
            for o in message.o:
                order_id = (device, o.interval, o.meter, o.number)
                assert order_id not in self.orders, "an order came in two messages"
                self.orders[order_id] = (o.side.value, o.energy_wh, o.price_uyuan_per_kwh, o.submitted_utc_s)
        else:
            self.responses.append((device, message))
        return rejections

    def receipt(self, device: str, boot: str, upto: int, rejections: list[Rejection]) -> None:
        self.down(device, "rcpt", ReceiptMessage(boot, upto, tuple(rejections)))

    def down(self, device: str, kind: str, message) -> None:
        self.client.publish(down_topic(COUNTY, SHARD, device, kind), encode(message), qos=0)

    def broadcast(self, kind: str, message) -> None:
        self.client.publish(broadcast_topic(COUNTY, kind), encode(message), qos=1, retain=True).wait_for_publish(WAIT_S)

    def speak_again(self) -> None:
        """Give receipts again, and at once for what arrived meanwhile."""
        with self.changed:
            self.gives_receipts = True
            for (device, boot), upto in self.upto.items():
                self.receipt(device, boot, upto, [])

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Conductor:
    """The conductor's end of the control channel, for one process that may start again and again."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT_S)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.said: queue.Queue[control.FromProcess | None] = queue.Queue()
        self.connection: socket.socket | None = None
        self.reader: threading.Thread | None = None

    def greet(self) -> control.Hello:
        """Wait for a process to say Hello."""
        self.hang_up()
        self.connection, _ = self.listener.accept()
        lines = self.connection.makefile("rb")

        def read() -> None:
            with lines, contextlib.suppress(ConnectionResetError):  # the process was killed
                for line in lines:
                    self.said.put(control.decode_from_process(line))
            self.said.put(None)

        self.said = queue.Queue()
        self.reader = threading.Thread(target=read)
        self.reader.start()
        hello = self.said.get(timeout=WAIT_S)
        assert isinstance(hello, control.Hello)
        return hello

    def say(self, message: control.FromConductor) -> None:
        assert self.connection is not None
        self.connection.sendall(control.encode_line(message))

    def next(self) -> control.FromProcess | None:
        return self.said.get(timeout=WAIT_S)

    def quiet(self, utc_s: int) -> control.Quiet:
        """Wait for Quiet; whatever else the process may say before is progress."""
        while True:
            message = self.next()
            if isinstance(message, control.Quiet):
                assert message.utc_s == utc_s
                return message
            assert isinstance(message, control.Progress), message

    def advance(self, utc_s: int) -> control.Quiet:
        self.say(control.Advance(utc_s))
        return self.quiet(utc_s)

    def hang_up(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
            assert self.reader is not None
            self.reader.join()
            self.connection = None

    def close(self) -> None:
        self.hang_up()
        self.listener.close()


def write_files(folder: Path, registry: Registry, port: int) -> None:
    (folder / "county").mkdir()
    (folder / "county" / "registry.json").write_bytes(encode_registry(registry))
    (folder / "credentials").mkdir()
    for gateway in registry.gateways:
        gateway_id = gateway.gateway_id
        credential = {
            "user": gateway_id,
            "password": f"pw-{gateway_id}",
            "client_id": f"{gateway_id}-{os.urandom(16).hex()}",
            "host": "127.0.0.1",
            "port": port,
        }
        (folder / "credentials" / f"{gateway_id}.json").write_text(json.dumps(credential))


class Rig:
    """One county with everything around it, and the edge process under test."""

    T0 = T0
    registers_at = staticmethod(registers_at)

    def __init__(self, folder: Path, gateways: int = 3, meters_each: int = 5) -> None:
        self.folder = folder
        self.registry = make_registry(gateways, meters_each)
        self.gateway_ids = [gateway.gateway_id for gateway in self.registry.gateways]
        self.meter_ids = [point.meter_id for point in self.registry.metering_points]
        self.broker = Broker(folder, self.gateway_ids)
        write_files(folder, self.registry, self.broker.port)
        self.broker.start()
        self.hub = Hub(self.broker.port)
        self.world = World(self.registry)
        self.conductor = Conductor()
        self.state_path = folder / "edge.db"
        self.processes: list[subprocess.Popen[str]] = []

    def start_edge(self) -> subprocess.Popen[str]:
        command = [
            *(sys.executable, "-m", "microbalance", "edge", "--json", "--name", "edge-1"),
            *("--county", self.folder / "county", "--credentials", self.folder / "credentials"),
            *("--state", self.state_path, "--gateways", ",".join(self.gateway_ids)),
            *("--world", self.world.address, "--control", self.conductor.address),
        ]
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        hello = self.conductor.greet()
        assert (hello.role, hello.name, hello.pid) == ("edge", "edge-1", process.pid)
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate(timeout=WAIT_S)

    def stop(self, process: subprocess.Popen[str]) -> dict:
        self.conductor.say(control.Stop())
        out, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, err
        return json.loads(out)

    def close(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                self.kill(process)
        self.conductor.close()
        self.world.close()
        self.hub.close()
        self.broker.stop()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def rig_files(tmp_path: Path) -> tuple[Path, list[str]]:
    """The files of a county, with nobody listening anywhere."""
    registry = make_registry(3, 5)
    write_files(tmp_path, registry, 1)
    return tmp_path, [gateway.gateway_id for gateway in registry.gateways]
