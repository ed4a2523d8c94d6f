"""`microbalance demo`: one operating day of the demo county, everything included."""

import json
import socket
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer
from rich.console import Console
from typer.core import TyperCommand

from edge.contract.interval import SECONDS_PER_INTERVAL, LabelError, instant_from_clock_text, parse_day
from simulators.demo.bad_input import BadInputError
from simulators.demo.day import DayOptions, DemoDay
from simulators.demo.display import Display, display_for
from simulators.demo.killing import OutboxError
from simulators.demo.kills import KillTextError, parse_kill_targets, plan_kills
from simulators.demo.prepared import PreparedError, check_prepared
from simulators.demo.processes import SetupStepError
from simulators.demo.run_state import RunError
from simulators.demo.signals import Interrupted, interruptible
from simulators.demo.summary import Summary, SummaryError
from simulators.demo.tables import print_summary

DEFAULT_PORT = 8000
FAILED = 1
WRONG_COMMAND_LINE = 2
EDGES_MAX = 32
BROKER_LIMIT_S = 5.0
_DATABASE_SCHEMES = ("postgresql", "sqlite")

Parsed = TypeVar("Parsed")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class OneLineCommand(TyperCommand):
    """A command whose refusals are one line on standard error, without the usage text."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the command and exit with its status; see TyperCommand."""
        try:
            status = super().main(*args, **{**kwargs, "standalone_mode": False})
        except typer.TyperException as error:
            _complain(Console(stderr=True), " ".join(error.format_message().split()))
            raise SystemExit(WRONG_COMMAND_LINE) from None
        raise SystemExit(status if isinstance(status, int) else 0)


class OptionError(ValueError):
    """A value on the command line cannot be used; the text names the option."""


@app.command(cls=OneLineCommand)
def demo(
    *,
    day: Annotated[str, typer.Option(help="Operating day, YYYY-MM-DD.")] = "2016-05-17",
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    from_text: Annotated[str, typer.Option("--from", help="First quarter-hour, HH:MM.")] = "00:00",
    to_text: Annotated[str, typer.Option("--to", help="End, HH:MM; 24:00 is the end of the day.")] = "24:00",
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out"),
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run's data, empty or prepared; default: a new one in OUT.")
    ] = None,
    edges: Annotated[int, typer.Option(help="Number of edge processes.")] = 2,
    broker: Annotated[str | None, typer.Option(help="mqtt://HOST:PORT of another broker than the embedded.")] = None,
    database: Annotated[str | None, typer.Option(help="Database URL; default: SQLite in the run's folder.")] = None,
    port: Annotated[int | None, typer.Option(help=f"Port of the console; default {DEFAULT_PORT}.")] = None,
    kill: Annotated[str, typer.Option(help="Kill -9 once in the day: hub,broker,edge or all.")] = "",
    kill_seed: Annotated[int, typer.Option(help="Seed of the moments of the kills.")] = 1,
    exit_at_end: Annotated[bool, typer.Option("--exit", help="End after the day instead of serving on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
    negative_prices: Annotated[bool, typer.Option("--negative-prices", help="Let prices be negative.")] = False,
    bad_input: Annotated[bool, typer.Option("--bad-input", help="Let a rogue program send bad input.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Run one operating day of the demo county: world, province, edges, broker and hub, then serve until Ctrl-C."""
    messages = Console(stderr=True)
    try:
        options = _day_options(
            (day, from_text, to_text),
            seed=seed,
            folders=(out, run),
            edges=edges,
            urls=(broker, database),
            port=port,
            kills=(kill, kill_seed),
            switches=(negative_prices, bad_input),
            messages=messages,
        )
    except OptionError as error:
        _complain(messages, str(error))
        raise typer.Exit(WRONG_COMMAND_LINE) from None
    with display_for(messages, quiet=quiet) as display:
        demo_day = DemoDay(options, display)
        status = run_day(demo_day, display, messages, exit_at_end=exit_at_end, as_json=as_json)
    raise typer.Exit(status)


def run_day(demo_day: DemoDay, display: Display, messages: Console, *, exit_at_end: bool, as_json: bool) -> int:
    """Run the day and deliver the summary on standard output and in the folder of the report.

    :param exit_at_end: whether to end after the day instead of serving until the user ends it
    :returns: the exit status: 0, 1 (the run failed or a check does not hold), or that of the signal that cut it short
    """
    summary: Summary | None = None
    try:
        with interruptible(), demo_day.running():
            demo_day.set_up()
            summary = demo_day.run()
            _deliver(summary, demo_day.options.out, messages, as_json=as_json)
            if not exit_at_end:
                display.say(f"the console stays at {demo_day.console_url} until Ctrl-C")
                demo_day.serve()
    except Interrupted as error:
        if summary is None:
            return _failed(messages, f"ended by {error}", as_json=as_json, status=error.exit_status)
    except RunError as error:
        tail = demo_day.conductor.log_tail(error)
        if error.exit_status == WRONG_COMMAND_LINE and tail:
            reason = f"{error}: {tail.splitlines()[-1]}"
            return _failed(messages, reason, as_json=as_json and summary is None, status=WRONG_COMMAND_LINE)
        return _failed(messages, str(error), tail, as_json=as_json and summary is None, status=FAILED)
    except (SetupStepError, SummaryError, BadInputError, OutboxError, OSError) as error:
        status = error.status if isinstance(error, SetupStepError) and error.status == WRONG_COMMAND_LINE else FAILED
        return _failed(messages, str(error), as_json=as_json and summary is None, status=status)
    assert summary is not None
    return 0 if summary.holds else FAILED


def _deliver(summary: Summary, out: Path, messages: Console, *, as_json: bool) -> None:
    text = json.dumps(summary.document, ensure_ascii=False)
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").write_text(text + "\n", encoding="utf8")
    if as_json:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        for check in summary.failed_checks:
            _complain(messages, f"does not hold: {check.name}: {check.what}")
    else:
        print_summary(summary, Console())


def _failed(messages: Console, reason: str, tail: str = "", *, as_json: bool, status: int) -> int:
    _complain(messages, reason)
    if tail:
        messages.print(tail, markup=False, highlight=False, soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps({"ok": False, "error": reason}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return status


def _complain(messages: Console, text: str) -> None:
    messages.print(f"microbalance demo: {text}", markup=False, highlight=False, soft_wrap=True)


def _day_options(
    times: tuple[str, str, str],
    *,
    seed: int,
    folders: tuple[Path, Path | None],
    edges: int,
    urls: tuple[str | None, str | None],
    port: int | None,
    kills: tuple[str, int],
    switches: tuple[bool, bool],
    messages: Console,
) -> DayOptions:
    """Return the options, checked.

    :raises OptionError: naming the first option that cannot be used
    """
    day_text, from_text, to_text = times
    day = _parsed("--day", parse_day, day_text)
    from_utc_s = _parsed("--from", partial(instant_from_clock_text, day), from_text)
    to_utc_s = _parsed("--to", partial(instant_from_clock_text, day), to_text)
    targets = _parsed("--kill", parse_kill_targets, kills[0])
    if from_utc_s >= to_utc_s:
        raise OptionError(f"--from {from_text} is not before --to {to_text}")
    if not 1 <= edges <= EDGES_MAX:
        raise OptionError(f"--edges {edges}: from 1 to {EDGES_MAX} edge processes")
    broker, database = urls
    _check_urls(broker, database)
    if broker is not None and "broker" in targets:
        raise OptionError("--kill broker needs the embedded broker, not --broker")
    try:
        plan_kills(targets, range(from_utc_s, to_utc_s, SECONDS_PER_INTERVAL), kills[1])
    except KillTextError as error:
        raise OptionError(f"--kill: {error}") from None
    _check_that_it_listens(broker)
    http_port = _http_port(port, messages)
    out, run = folders
    return DayOptions(
        day=day,
        seed=seed,
        from_utc_s=from_utc_s,
        to_utc_s=to_utc_s,
        out=out.resolve(),
        run=_run_folder(out, run, day, seed).resolve(),
        edges=edges,
        http_port=http_port,
        broker=broker,
        database=database,
        kill_targets=targets,
        kill_seed=kills[1],
        negative_prices=switches[0],
        bad_input=switches[1],
    )


def _parsed(option: str, parse: Callable[[str], Parsed], text: str) -> Parsed:
    try:
        return parse(text)
    except (LabelError, KillTextError) as error:
        raise OptionError(f"{option}: {error}") from None


def _check_urls(broker: str | None, database: str | None) -> None:
    if broker is not None:
        try:
            parts = urlsplit(broker)
            is_broker = parts.scheme == "mqtt" and bool(parts.hostname) and parts.port is not None
        except ValueError:
            is_broker = False
        if not is_broker:
            raise OptionError(f'--broker "{broker}" is not mqtt://HOST:PORT')
    if database is not None and urlsplit(database).scheme.partition("+")[0] not in _DATABASE_SCHEMES:
        raise OptionError(f'--database "{database}" is not a URL of PostgreSQL or SQLite')


def _check_that_it_listens(broker: str | None) -> None:
    if broker is None:
        return
    parts = urlsplit(broker)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), BROKER_LIMIT_S).close()
    except OSError as error:
        raise OptionError(f"--broker {broker}: {error.strerror or error}") from None


def _run_folder(out: Path, run: Path | None, day: date, seed: int) -> Path:
    """Return the run's folder; it is there, fit for this day and seed, and so is the folder of the report."""
    option, folder = ("--out", out) if run is None else ("--run", run)
    try:
        if run is not None:
            run.mkdir(parents=True, exist_ok=True)
            check_prepared(run, day, seed)
        option, folder = "--out", out
        out.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="run-", dir=out)) if run is None else run
    except PreparedError as error:
        raise OptionError(f"{option} {folder}: {error}") from None
    except OSError as error:
        raise OptionError(f"{option} {folder}: {error.strerror}") from None


def _http_port(port: int | None, messages: Console) -> int:
    """Return a port on which the console can listen; the default port gives way to a free one, and says so."""
    wanted = DEFAULT_PORT if port is None else port
    if not 0 <= wanted <= 65_535:
        raise OptionError(f"--port {wanted} is not a port")
    if wanted and _is_free(wanted):
        return wanted
    if port:
        raise OptionError(f"--port {port}: something else listens there")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = int(listener.getsockname()[1])
    if wanted:
        text = f"port {DEFAULT_PORT} is in use by something else; the console is at http://127.0.0.1:{free} instead"
        _complain(messages, text)
    return free


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
