"""The ingest between real brokers and real databases: a broker of either kind, fake gateways, and a hub to drive."""

import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from sqlmodel import Session

from edge.contract.codec import decode_down, encode
from edge.contract.messages import DownMessage, ReceiptMessage, UpMessage
from edge.contract.registry import Gateway, Registry, encode_registry
from edge.contract.topics import down_filter, kind_of_down_topic, up_topic
from hub.broker import EmbeddedBroker, choose_port, write_mosquitto_files, write_nats_configuration
from hub.market.order_rules import SessionParameters
from hub.mqtt import HubConnection, Ingest, SetpointSender
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.quarantine import refusal_counts
from hub.usecases.moment import Moment
from hub.usecases.prepare_county import HUB_USER, Credential, issue_credentials, load_county

K = 1_629_001
T = 900 * K
MOMENT = Moment(now_utc_s=T, latest_reading_utc_s=T + 90_000, settled_through_utc_s=0)
PARAMETERS = SessionParameters(
    open_from_interval=K + 1,
    open_until_interval=K + 9,
    price_floor_uyuan_per_kwh=0,
    price_cap_uyuan_per_kwh=1_500_000,
    price_tick_uyuan_per_kwh=1000,
    lot_wh=10,
)
TIMEOUT_S = 60.0
REPEAT_S = 0.5


def until(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        threading.Event().wait(0.005)


@pytest.fixture(name="until")
def until_with_repeats() -> Callable[..., None]:
    """Return a function that waits until something is so; meanwhile the gateways repeat what has no receipt."""

    def wait(holds: Callable[[], bool], what: str, gateways: Sequence["FakeGateway"]) -> None:
        repeats_s = [time.monotonic() + REPEAT_S]

        def holds_or_repeat() -> bool:
            if time.monotonic() > repeats_s[-1]:
                repeats_s.append(time.monotonic() + REPEAT_S)
                for gateway in gateways:
                    gateway.repeat()
            return holds()

        until(holds_or_repeat, what)

    return wait


class Nats:
    """The embedded broker, restarted by its own supervisor."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.port = choose_port(folder / "broker")
        self.credentials = _issue(folder, registry, self.port)
        write_nats_configuration(
            folder / "broker",
            county=registry.county,
            gateways=registry.gateways,
            credentials=self.credentials,
            port=self.port,
        )
        self._broker = EmbeddedBroker(folder / "broker")

    def start(self) -> None:
        self._broker.start()

    def kill(self) -> None:
        before = self._broker.process_id
        os.kill(before, signal.SIGKILL)
        until(lambda: self._broker.process_id != before, "the broker's supervisor starts it again")

    def stop(self) -> None:
        self._broker.stop()

    def denials(self) -> int:
        return self._broker.denials()


class Mosquitto:
    """Debian's Mosquitto with the files that the hub exports."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.port = choose_port(folder / "broker")
        self.credentials = _issue(folder, registry, self.port)
        self._configuration = write_mosquitto_files(
            folder / "mosquitto",
            county=registry.county,
            credentials=self.credentials,
            host="127.0.0.1",
            port=self.port,
        )
        if os.geteuid() == 0:  # else it gives up its rights and cannot read files of the test's own folder
            with self._configuration.open("a") as file:
                file.write("user root\n")
        self._log = folder / "mosquitto.log"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(["mosquitto", "-c", self._configuration], stdout=log, stderr=log)
        until(self._accepts, f"mosquitto accepts connections; see {self._log}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self.start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _accepts(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _issue(folder: Path, registry: Registry, port: int) -> dict[str, Credential]:
    users = [HUB_USER, *(gateway.gateway_id for gateway in registry.gateways)]
    return issue_credentials(folder / "credentials", users, "127.0.0.1", port)


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path, small_registry: Registry) -> Iterator[Nats | Mosquitto]:
    """A running broker with a credential for the hub and each gateway of the small county."""
    kind = Nats if request.param == "nats" else Mosquitto
    made = kind(tmp_path, small_registry)
    made.start()
    yield made
    made.stop()


@dataclass
class FakeGateway:
    """An edge as far as MQTT goes: it publishes, keeps what has no receipt and repeats it, and notes what it gets."""

    gateway: Gateway
    credential: Credential
    without_receipt: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    receipts: list[ReceiptMessage] = field(default_factory=list)
    received: "queue.SimpleQueue[DownMessage]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._connected = threading.Event()
        self._lock = threading.Lock()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=self.credential.client_id)
        self.client.username_pw_set(self.credential.user, self.credential.password)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(
            down_filter("c1", self.gateway.shard, self.gateway.gateway_id), 0
        )
        self.client.on_subscribe = lambda *_: self._connected.set()
        self.client.on_message = self._on_message
        self.client.connect(self.credential.host, self.credential.port)
        self.client.loop_start()
        assert self._connected.wait(TIMEOUT_S)

    def topic(self, kind: str) -> str:
        return up_topic("c1", self.gateway.shard, self.gateway.gateway_id, kind)

    def send(self, seq: int, kind: str, message: UpMessage | bytes) -> None:
        payload = message if isinstance(message, bytes) else encode(message)
        with self._lock:
            self.without_receipt[seq] = (kind, payload)
        self.client.publish(self.topic(kind), payload, qos=1)

    def repeat(self) -> None:
        with self._lock:
            waiting = sorted(self.without_receipt.items())
        for _, (kind, payload) in waiting:
            self.client.publish(self.topic(kind), payload, qos=1)

    def take(self, kind: type[DownMessage]) -> DownMessage:
        while True:
            message = self.received.get(timeout=TIMEOUT_S)
            if isinstance(message, kind):
                return message

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        decoded = decode_down(kind_of_down_topic(message.topic), message.payload)
        if isinstance(decoded, ReceiptMessage):
            with self._lock:
                self.receipts.append(decoded)
                for seq in [seq for seq in self.without_receipt if seq <= decoded.upto]:
                    del self.without_receipt[seq]
        self.received.put(decoded)


@pytest.fixture
def gateways(broker: Nats | Mosquitto, small_registry: Registry) -> Iterator[list[FakeGateway]]:
    made = [FakeGateway(gateway, broker.credentials[gateway.gateway_id]) for gateway in small_registry.gateways]
    yield made
    for gateway in made:
        gateway.stop()


class Hub:
    """A hub in this process, driven by hand."""

    def __init__(self, url: str, registry: Registry, credential: Credential) -> None:
        self.engine = open_engine(url)
        self.registry = registry
        self.connection = HubConnection(credential, registry.county)
        self.setpoints = SetpointSender(self.connection, registry)
        self.ingest = Ingest(self.engine, self.connection, registry, self.setpoints)
        self.connection.start()

    def pump_until(self, holds: Callable[[], bool], gateways: Sequence[FakeGateway] = ()) -> None:
        """Let the hub work until it is so; meanwhile the gateways repeat what has no receipt."""
        deadline_s, repeat_s = time.monotonic() + TIMEOUT_S, time.monotonic() + REPEAT_S
        while not holds():
            assert time.monotonic() < deadline_s, f"not in time; counters {self.counters()}, {self.refusals()}"
            self.ingest.pump(MOMENT, PARAMETERS, timeout_s=0.02)
            if time.monotonic() > repeat_s:
                repeat_s = time.monotonic() + REPEAT_S
                for gateway in gateways:
                    gateway.repeat()

    def pump_until_receipts(self, gateways: Sequence[FakeGateway]) -> None:
        self.pump_until(lambda: not any(gateway.without_receipt for gateway in gateways), gateways)

    def counters(self) -> dict[str, int]:
        with Session(self.engine) as session:
            return read_counters(session)

    def refusals(self) -> dict[str, int]:
        """Return how many distinct things were refused, by reason."""
        with Session(self.engine) as session:
            return {count.reason: count.distinct for count in refusal_counts(session)}

    def stop(self) -> None:
        self.connection.stop()
        self.engine.dispose()


@pytest.fixture
def prepared_url(migrated_sqlite_url: str, tmp_path: Path, small_registry: Registry) -> str:
    """The URL of a SQLite database that holds the small county."""
    prepare(migrated_sqlite_url, tmp_path, small_registry)
    return migrated_sqlite_url


@pytest.fixture
def hub(prepared_url: str, small_registry: Registry, broker: Nats | Mosquitto) -> Iterator[Hub]:
    made = Hub(prepared_url, small_registry, broker.credentials[HUB_USER])
    yield made
    made.stop()


def prepare(url: str, folder: Path, registry: Registry) -> None:
    (folder / "registry.json").write_bytes(encode_registry(registry))
    engine = open_engine(url)
    load_county(engine, folder / "registry.json")
    engine.dispose()
