"""One operating day of the demo, from an empty folder to the summary: what is started, in which order, by which words.

The order of an instant is the working rule of the whole system: world, province, edges, hub (DESIGN 2, virtual clock).
"""

import http.client
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from edge.contract.interval import SECONDS_PER_INTERVAL, interval_from_utc_s, iso_utc
from edge.contract.registry import Registry, RegistryError, decode_registry
from simulators.demo.bad_input import OffenceOutcome, send_bad_input
from simulators.demo.conductor import Conductor
from simulators.demo.display import Display
from simulators.demo.killing import Killer
from simulators.demo.kills import KillSchedule, plan_kills
from simulators.demo.memory import MemorySampler
from simulators.demo.prepared import has_county
from simulators.demo.processes import MICROBALANCE, Command, ProcessTable, adopt_orphans, run_setup_step
from simulators.demo.run_state import QUIET_LIMIT_S, RunState
from simulators.demo.signals import Interrupted
from simulators.demo.summary import (
    RunFacts,
    Summary,
    SummaryError,
    decode_hub_summary,
    decode_province_settlements,
    summarise,
)
from simulators.demo.timing import StageClock

WARM_UP_INTERVALS = 2
BAD_INPUT_AFTER_INTERVALS = 4
STOP_ORDER = ("edge", "hub", "province", "world")


@dataclass(frozen=True)
class DayOptions:
    """What the user chose. from_utc_s, to_utc_s: instants; the intervals between them are cleared and settled."""

    day: date
    seed: int
    from_utc_s: int
    to_utc_s: int
    out: Path
    run: Path
    edges: int
    http_port: int
    broker: str | None = None
    database: str | None = None
    kill_targets: tuple[str, ...] = ()
    kill_seed: int = 1
    negative_prices: bool = False
    bad_input: bool = False

    @property
    def instants_utc_s(self) -> range:
        """Every instant of the run, the warm-up included."""
        first = self.from_utc_s - WARM_UP_INTERVALS * SECONDS_PER_INTERVAL
        return range(first, self.to_utc_s + SECONDS_PER_INTERVAL, SECONDS_PER_INTERVAL)

    @property
    def settled_instants_utc_s(self) -> range:
        """The instants at which the settled intervals start."""
        return range(self.from_utc_s, self.to_utc_s, SECONDS_PER_INTERVAL)


class DemoDay:
    """A run of the day. Use `running` to hold its processes; `set_up`, then `run`, then perhaps `serve`.

    :param program: what stands before "county", "world", ... on every command line
    :param quiet_limit_s: how long a process may owe an answer
    """

    def __init__(
        self,
        options: DayOptions,
        display: Display,
        program: Sequence[str] = MICROBALANCE,
        quiet_limit_s: float = QUIET_LIMIT_S,
    ) -> None:
        self._options = options
        self._program = tuple(program)
        self._display = display
        self._clock = StageClock()
        self._table = ProcessTable(_environment())
        self._conductor = Conductor(self._table, RunState(quiet_limit_s), display.say)
        self._edges = tuple(f"edge-{number}" for number in range(1, options.edges + 1))
        plan = plan_kills(options.kill_targets, options.settled_instants_utc_s, options.kill_seed)
        self._kills = KillSchedule(plan, SECONDS_PER_INTERVAL)
        self._bad_input: tuple[OffenceOutcome, ...] = ()
        self._memory = MemorySampler()
        self._ports: dict[str, int] = {}

    @property
    def options(self) -> DayOptions:
        """What the user chose."""
        return self._options

    @property
    def conductor(self) -> Conductor:
        """The conductor, for the tail of a log after an error."""
        return self._conductor

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the processes of the run; at the end of the context all of them are ended, however it is left."""
        adopt_orphans()
        with self._conductor, self._memory:
            try:
                yield
            finally:
                self._stop()

    def set_up(self) -> None:
        """Build the county, prepare the hub, start every process and wait until all have announced themselves.

        A county that was prepared ahead is taken as it is.

        :raises SetupStepError: if the county or the hub's data cannot be made
        :raises RunError: if a process does not come up
        """
        run, clock = self._options.run, self._clock
        run.mkdir(parents=True, exist_ok=True)
        with clock.stage("setup"):
            with clock.stage("setup: county"):
                if has_county(self._county):
                    self._display.say(f"the county is prepared in {run}")
                else:
                    self._display.say(f"building the county ({self._options.day}, seed {self._options.seed}) in {run}")
                    run_setup_step(self._command("county", *self._county_arguments()), "building the county")
            with clock.stage("setup: hub"):
                run_setup_step(self._command("hub-prepare", *self._prepare_arguments()), "preparing the hub")
            with clock.stage("setup: processes"):
                self._start_simulators()
                self._start("hub", *self._hub_arguments(), restartable=True)
                self._conductor.wait_until_quiet()
                self._display.say(f"console: {self.console_url}")
                self._start_edges()
                self._conductor.wait_until_quiet()
        outboxes = {name: self._outbox(name) for name in self._edges}
        self._conductor.on_progress = Killer(self._conductor, self._kills, outboxes, self._display.say)

    @property
    def console_url(self) -> str:
        """The address of the console."""
        return f"http://127.0.0.1:{self._options.http_port}"

    def run(self) -> Summary:
        """Conduct every instant of the day and return the summary.

        :raises RunError: if the run cannot go on
        :raises SummaryError: if a process answers with something else than a summary
        """
        options = self._options
        instants = options.instants_utc_s
        settled = options.settled_instants_utc_s
        bad_input_utc_s = settled[min(BAD_INPUT_AFTER_INTERVALS, len(settled) // 2)] if options.bad_input else None
        started_s = time.perf_counter()
        for done, utc_s in enumerate(instants, start=1):
            self._perform_instant(utc_s, with_bad_input=utc_s == bad_input_utc_s)
            self._display.instant(utc_s, done, len(instants), self._published_readings())
        with self._clock.stage("summary"):
            hub = decode_hub_summary(self._conductor.ask("hub", "summary"))
            first, end = interval_from_utc_s(options.from_utc_s), interval_from_utc_s(options.to_utc_s)
            world = self._conductor.ask("world", f"world/{first}/{end}")
            settlements = decode_province_settlements(_get(self._ports["province"], "/v1/settlements"))
        self._clock.seconds["total"] = time.perf_counter() - started_s
        self._memory.sample()
        return summarise(self._facts(), hub, world, settlements)

    def serve(self) -> None:
        """Keep everything running until the user ends it.

        :raises Interrupted: when that happens
        :raises RunError: if a process dies
        """
        while True:
            self._conductor.pump(0.5)

    def _perform_instant(self, utc_s: int, *, with_bad_input: bool) -> None:
        clock, conductor = self._clock, self._conductor
        with clock.stage("world"):
            conductor.advance(["world"], utc_s)
        with clock.stage("province"):
            conductor.advance(["province"], utc_s)
        if with_bad_input:
            with clock.stage("bad input"):
                self._bad_input = send_bad_input(self._registry(), self._credentials, utc_s)
            self._display.say(f"bad input at {iso_utc(utc_s)}: {len(self._bad_input)} offences")
        with clock.stage("edge"):
            conductor.advance(self._edges, utc_s)
        with clock.stage("hub"):
            conductor.advance(["hub"], utc_s)
        self._kills.missed(utc_s)

    def _facts(self) -> RunFacts:
        state, options = self._conductor.state, self._options
        names = (*self._edges, "hub")
        return RunFacts(
            day=options.day.isoformat(),
            seed=options.seed,
            from_interval=interval_from_utc_s(options.from_utc_s),
            to_interval=interval_from_utc_s(options.to_utc_s),
            edge_counts={name: state.process(name).counts for name in self._edges},
            seconds=dict(self._clock.seconds),
            hub_seconds=state.seconds_by_stage("hub"),
            memory=self._memory.peak,
            kills=self._kills.kills,
            bad_input=self._bad_input,
            restarts={name: state.process(name).restarts for name in names},
        )

    def _published_readings(self) -> int:
        state = self._conductor.state
        return sum(state.process(name).counts.get("published_readings", 0) for name in self._edges)

    # --- what is started, with which words --------------------------------------------------------------------------

    @property
    def _county(self) -> Path:
        return self._options.run / "county"

    @property
    def _credentials(self) -> Path:
        return self._options.run / "hub" / "credentials"

    def _outbox(self, edge_name: str) -> Path:
        return self._options.run / f"{edge_name}.db"

    def _county_arguments(self) -> Sequence[str]:
        options = self._options
        return ("county", "--out", str(self._county), "--seed", str(options.seed), "--day", options.day.isoformat())

    def _prepare_arguments(self) -> Sequence[str]:
        options = self._options
        arguments = [
            "hub",
            "prepare",
            "--new",
            "--json",
            "--county",
            str(self._county),
            "--run",
            str(options.run / "hub"),
        ]
        arguments += ["--database", options.database] if options.database else []
        return [*arguments, *self._broker_arguments()]

    def _hub_arguments(self) -> Sequence[str]:
        options = self._options
        return [
            *("hub", "serve", "--run", str(options.run / "hub"), "--county", str(self._county)),
            *("--control", self._conductor.address),
            *("--province", f"http://127.0.0.1:{self._ports['province']}"),
            *("--http", f"127.0.0.1:{options.http_port}", "--out", str(options.out)),
            *("--first-interval", str(interval_from_utc_s(options.from_utc_s))),
            *("--last-interval", str(interval_from_utc_s(options.to_utc_s) - 1)),
            *self._broker_arguments(),
        ]

    def _broker_arguments(self) -> list[str]:
        return ["--broker", self._options.broker] if self._options.broker else []

    def _start_simulators(self) -> None:
        options = self._options
        control = ("--control", self._conductor.address)
        prices = ["--negative-prices"] if options.negative_prices else []
        commands: Mapping[str, Sequence[str]] = {
            "world": ("world", "--county", str(self._county)),
            "province": ("province", "--seed", str(options.seed), "--day", options.day.isoformat(), *prices),
        }
        files = {name: options.run / f"{name}.port" for name in commands}
        for name, arguments in commands.items():
            files[name].unlink(missing_ok=True)
            self._start(name, *arguments, "--port-file", str(files[name]), *control, restartable=False)
        for name, file in files.items():
            self._ports[name] = int(self._conductor.wait_for_line(file, name))

    def _start_edges(self) -> None:
        parts = split_gateways(self._registry(), len(self._edges))
        for name, gateways in zip(self._edges, parts, strict=True):
            file = self._options.run / f"{name}.gateways"
            file.write_text("\n".join(gateways) + "\n", encoding="ascii")
            self._start(
                name,
                *("edge", "--county", str(self._county), "--credentials", str(self._credentials)),
                *("--state", str(self._outbox(name)), "--gateways", f"@{file}"),
                *("--world", f"127.0.0.1:{self._ports['world']}", "--control", self._conductor.address),
                *("--name", name),
                restartable=True,
            )

    def _start(self, name: str, *arguments: str, restartable: bool) -> None:
        self._conductor.start(name, self._command(name, *arguments), restartable=restartable)

    def _command(self, name: str, *arguments: str) -> Command:
        return Command((*self._program, *arguments), self._options.run / "logs" / f"{name}.log")

    def _registry(self) -> Registry:
        path = self._county / "registry.json"
        try:
            return decode_registry(path.read_bytes())
        except (OSError, RegistryError) as error:
            raise SummaryError(f"{path}: {error}") from None

    def _stop(self) -> None:
        order = [name for kind in STOP_ORDER for name in (self._edges if kind == "edge" else (kind,))]
        try:
            for forced in self._conductor.stop(order):
                self._display.say(f"ended by force: {forced}")
        except Interrupted:
            self._table.kill_all()


def split_gateways(registry: Registry, parts: int) -> list[list[str]]:
    """Return the gateway ids in `parts` lists whose numbers of meters are about equal; each list sorted by id."""
    lists: list[list[str]] = [[] for _ in range(parts)]
    meters = [0] * parts
    for gateway in sorted(registry.gateways, key=lambda gateway: (-len(gateway.meter_ids), gateway.gateway_id)):
        smallest = meters.index(min(meters))
        lists[smallest].append(gateway.gateway_id)
        meters[smallest] += len(gateway.meter_ids)
    return [sorted(part) for part in lists]


def _environment() -> dict[str, str]:
    """Return the environment of the processes: the loopback is never reached through a proxy."""
    environment = dict(os.environ)
    for name in ("NO_PROXY", "no_proxy"):
        known = environment.get(name, "")
        environment[name] = ",".join(part for part in (known, "127.0.0.1,localhost") if part)
    return environment


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise SummaryError(f"GET {path} of the province: {error}") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise SummaryError(f"GET {path} of the province: status {answer.status}")
    return body
