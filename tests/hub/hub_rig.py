"""What surrounds the hub's process in these tests: a conductor's end of the control channel, a province, gateways."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract.codec import decode_broadcast, decode_down, encode
from edge.contract.control import (
    Advance,
    Answer,
    Ask,
    Failed,
    FromConductor,
    Hello,
    Progress,
    Quiet,
    Stop,
    decode_from_process,
    encode_line,
)
from edge.contract.messages import (
    Acknowledgement,
    ModesMessage,
    NoticeAnswer,
    OrdersMessage,
    PriceMessage,
    ReadingsMessage,
    ReceiptMessage,
    ResponseMessage,
    SessionMessage,
    SetpointsMessage,
    TradesMessage,
    WithdrawalsMessage,
)
from edge.contract.registry import Gateway
from edge.contract.topics import broadcast_filter, down_filter, kind_of_down_topic, up_topic

WAIT_S = 60.0
REPEAT_S = 0.5
PROGRAM = [sys.executable, str(Path(__file__).parents[2] / "microbalance.py")]


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Conductor:
    """The other end of the control channel: keeps what each role says, in order, and remembers its latest channel."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._channels: dict[str, socket.socket] = {}
        self._heard: dict[str, queue.SimpleQueue[Any]] = {"hub": queue.SimpleQueue(), "province": queue.SimpleQueue()}
        self.children: dict[str, int] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def hello(self, role: str) -> Hello:
        """Wait until a process of the role says Hello."""
        return self.wait_for(role, Hello)

    def say(self, role: str, message: FromConductor) -> None:
        """Say something to the role's latest process."""
        self._channels[role].sendall(encode_line(message))

    def advance(self, role: str, utc_s: int) -> Quiet:
        """Advance the role's process and wait until it is quiet."""
        self.say(role, Advance(utc_s))
        quiet = self.wait_for(role, Quiet)
        assert quiet.utc_s == utc_s
        return quiet

    def ask(self, role: str, what: str) -> bytes:
        """Return the document that the process answers."""
        self.say(role, Ask(what))
        return bytes(self.wait_for(role, Answer).document)

    def failure(self, role: str) -> str:
        """Return why the process says that it ends."""
        while not isinstance(message := self._heard[role].get(timeout=WAIT_S), Failed):
            pass
        return message.reason

    def wait_for(self, role: str, kind: type) -> Any:
        """Return the next message of the kind; what comes before it is passed over, except a failure."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            message = self._heard[role].get(timeout=max(deadline_s - time.monotonic(), 0.01))
            if isinstance(message, kind):
                return message
            assert not isinstance(message, Failed), message.reason

    def close(self) -> None:
        """Close the server and every channel."""
        for channel in (self._server, *self._channels.values()):
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
            channel.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                channel, _ = self._server.accept()
                threading.Thread(target=self._listen, args=(channel,), daemon=True).start()

    def _listen(self, channel: socket.socket) -> None:
        role = ""
        with contextlib.suppress(OSError), channel, channel.makefile("rb") as lines:
            for line in lines:
                message = decode_from_process(line)
                if isinstance(message, Hello):
                    role = message.role
                    self._channels[role] = channel
                if isinstance(message, Progress):
                    self.children |= message.children
                self._heard[role].put(message)


class GatewayClient:
    """One gateway: repeats what has no receipt, answers setpoints unless told not to, keeps what it is told."""

    def __init__(self, county: str, gateway: Gateway, credential: Mapping[str, Any]) -> None:
        self.gateway = gateway
        self.answers = True
        self.fills: dict[int, TradesMessage] = {}
        self.prices: dict[int, PriceMessage] = {}
        self.open_from: list[int] = []
        self.limits_w: dict[tuple[int, str], int] = {}
        self.rejections: list[tuple[str, str]] = []
        self.notices: list[ModesMessage | WithdrawalsMessage] = []
        self._county = county
        self._sent = 0
        self._answered: set[str] = set()
        self._kept: dict[int, tuple[str, bytes]] = {}
        self._changed = threading.Condition()
        client = Client(CallbackAPIVersion.VERSION2, client_id=credential["client_id"])
        client.username_pw_set(credential["user"], credential["password"])
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: client.subscribe(
            [(down_filter(county, gateway.shard, gateway.gateway_id), 0), (broadcast_filter(county), 0)]
        )
        client.on_message = self._hear
        client.connect_async(credential["host"], credential["port"])
        client.loop_start()
        self._client = client

    def send(self, kind: str, **content: Any) -> None:
        """Put a message into the outbox and publish it."""
        with self._changed:
            self._sent += 1
            make = {"iv": ReadingsMessage, "ord": OrdersMessage, "rsp": ResponseMessage, "ack": NoticeAnswer}[kind]
            self._kept[self._sent] = (kind, encode(make(boot="b1", seq=self._sent, **content)))
        self._publish(self._sent)

    def wait_until_received(self) -> None:
        """Repeat what has no receipt until everything has one."""
        deadline_s = time.monotonic() + WAIT_S
        with self._changed:
            while not self._changed.wait_for(lambda: not self._kept, timeout=REPEAT_S):
                assert time.monotonic() < deadline_s, f"{self.gateway.gateway_id}: no receipt for {sorted(self._kept)}"
                for seq in sorted(self._kept):
                    self._publish(seq)

    def wait_until(self, holds: Any, what: str) -> None:
        """Wait until something that the hub says to this gateway makes it so."""
        with self._changed:
            assert self._changed.wait_for(holds, timeout=WAIT_S), f"{self.gateway.gateway_id}: {what}"

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, seq: int) -> None:
        if seq not in self._kept:
            return  # its receipt has come meanwhile
        kind, payload = self._kept[seq]
        topic = up_topic(self._county, self.gateway.shard, self.gateway.gateway_id, kind)
        self._client.publish(topic, payload, qos=1)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        kind = kind_of_down_topic(message.topic)
        told = (decode_broadcast if kind in {"price", "session"} else decode_down)(kind, message.payload)
        with self._changed:
            if isinstance(told, ReceiptMessage):
                self._kept = {seq: kept for seq, kept in self._kept.items() if seq > told.upto}
                self.rejections += [(one.meter, one.reason) for one in told.rej]
            elif isinstance(told, TradesMessage):
                self.fills[told.interval] = told
            elif isinstance(told, PriceMessage):
                self.prices[told.interval] = told
            elif isinstance(told, SessionMessage):
                self.open_from.append(told.open_from_interval)
            elif isinstance(told, ModesMessage | WithdrawalsMessage):
                self.notices.append(told)
            self._changed.notify_all()
        if isinstance(told, SetpointsMessage) and self.answers:
            self._answer(told)

    def _answer(self, told: SetpointsMessage) -> None:
        """Answer setpoints; what comes again was answered before, and the answer has no receipt yet."""
        if told.setpoints_id in self._answered:
            for seq in sorted(self._kept):
                self._publish(seq)
            return
        self._answered.add(told.setpoints_id)
        self.limits_w |= {(told.interval, one.meter): one.export_limit_w for one in told.s}
        outcomes = tuple(Acknowledgement(one.meter, "ok") for one in told.s)
        self.send("rsp", interval=told.interval, setpoints_id=told.setpoints_id, a=outcomes)


class HubProcess:
    """`microbalance hub serve` or `microbalance run` over one run folder; may be killed and started again."""

    def __init__(self, arguments: list[str], run: Path) -> None:
        self._arguments = arguments
        self._run = run
        self.log = run / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([*PROGRAM, *self._arguments], stdout=log, stderr=log, cwd=self._run)

    @property
    def is_running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Kill it (-9) and wait until it is dead."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        self._process.kill()
        self._process.wait(WAIT_S)

    def terminate(self) -> int:
        """Ask it to end (SIGTERM) and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(WAIT_S)

    def wait(self) -> int:
        """Wait until it ends by itself and return its exit status."""
        assert self._process is not None
        return self._process.wait(WAIT_S)

    def clean_up(self) -> None:
        """Leave nothing behind: the process, and a broker that a killed hub left running."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
            self._process.wait(WAIT_S)
        process_id = self.broker_process_id()
        if process_id is not None:
            os.kill(process_id, signal.SIGKILL)

    def broker_process_id(self) -> int | None:
        """Return the process id of the broker over this run folder, None if none runs."""
        noted = self._run / "broker" / "nats.pid"
        if not noted.exists():
            return None
        program = Path(f"/proc/{noted.read_text().strip()}/cmdline")
        try:
            is_ours = str(self._run.resolve()).encode() in program.read_bytes()
        except OSError:
            return None
        return int(noted.read_text()) if is_ours else None


@contextlib.contextmanager
def province_process(folder: Path, conductor: Conductor, day: str) -> Iterator[str]:
    """Run the simulated provincial market under the conductor; yields its URL."""
    port_file = folder / "province.port"
    command = [*PROGRAM, "province", "--day", day, "--control", conductor.address, "--port-file", str(port_file)]
    with (folder / "province.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            conductor.hello("province")
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
            conductor.say("province", Stop())
            process.wait(WAIT_S)
        finally:
            process.kill()


def gateway_client(county: str, gateway: Gateway, run: Path) -> GatewayClient:
    """Return a client for the gateway, with the credential that `hub prepare` wrote."""
    credential = json.loads((run / "credentials" / f"{gateway.gateway_id}.json").read_text())
    return GatewayClient(county, gateway, credential)
