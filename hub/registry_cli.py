"""`microbalance registry`: the register that a file of events makes; a file into a hub's registry log, and back.

`microbalance registry FILE` needs no hub. `registry import` and `registry export` work on the database of a hub, which
may run meanwhile.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session
from typer.core import TyperGroup

from edge.contract.interval import LabelError, parse_day
from hub.market.registry.checks import check_register
from hub.market.registry.events import Event, EventLineError, decode_event_lines, decode_events
from hub.market.registry.fold import Folded, fold
from hub.market.registry.outcomes import RefusedError
from hub.market.registry.provincial_schema import DaySchedule, document_from_export, export_of
from hub.market.registry.register import Register
from hub.market.registry.register_document import RegisterDocument, register_document
from hub.settings import SettingsError
from hub.store.engine import StoreUrlError, open_engine
from hub.store.registry import county_of
from hub.usecases.event_log import EventLogError
from hub.usecases.exchange_schedules import exchange_schedules
from hub.usecases.import_registry import REFUSED, Imported, ImportTerms, exported_events, import_events
from hub.usecases.prepare_county import PrepareError

USAGE_ERROR = 2
LAW_BROKEN = 1
KEY_VARIABLE = "MICROBALANCE_KEY"
PROGRESS_S = 2.0
_KNOWN_ERRORS = (EventLineError, LabelError, RefusedError, SettingsError, StoreUrlError, EventLogError, PrepareError)


class FileOrCommand(TyperGroup):
    """`registry FILE` shows what the file makes; `registry import` and `registry export` are commands of their own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Take what is no command for the arguments of `show`."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=FileOrCommand, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

RunOption = Annotated[Path, typer.Option("--run", help="The hub's run folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command("show")
def show_command(
    events: Annotated[Path, typer.Argument(help="File with one event a line, in the order of recording.")],
    *,
    as_of: Annotated[str, typer.Option("--as-of", help="Day YYYY-MM-DD; default: the last one recorded.")] = "",
    provincial: Annotated[str, typer.Option(help="Print a county's provincial document instead.")] = "",
    run: Annotated[
        Path | None, typer.Option(help="With --provincial: run folder of the hub that has the day's exchange schedule.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the register on a day and the outcome of every event: `microbalance registry FILE`, without a hub."""
    with _one_line_errors():
        submitted = decode_events(events.read_bytes())
        day = _day(as_of, submitted)
        folded = fold(submitted)
        if provincial:
            schedules = () if run is None else _schedules(run, folded.register, provincial, day)
            document = document_from_export(export_of(folded.register, provincial, day, schedules=schedules))
            typer.echo(msgspec.json.encode(document).decode())
        else:
            _show(folded, day, as_json=as_json)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="File with one event a line, in the order of recording.")],
    *,
    run: RunOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each line.")] = False,
    keep_dates: Annotated[
        bool, typer.Option("--keep-dates", help="A history: keep the days of recording that the file names.")
    ] = False,
    keep_refused: Annotated[
        bool, typer.Option("--keep-refused", help="Take the rest in too; the log keeps what is refused.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a file of events into the registry of a hub: all of them, or none if the registry refuses one.

    Where the hub has keys, an operator's stands in the environment as MICROBALANCE_KEY.
    """
    with _one_line_errors():
        database_url, keys = _hub_of(run)
        from hub.api.callers import operator_on_this_machine  # noqa: PLC0415 - it brings the web server

        actor = operator_on_this_machine(keys, os.environ.get(KEY_VARIABLE)).name
        submitted = list(decode_event_lines(file.read_bytes()))
        terms = ImportTerms(
            actor, lambda: int(time.time()), keeps_dates=keep_dates, keeps_refused=keep_refused, is_dry_run=dry_run
        )
        reader, writer = open_engine(database_url, read_only=True), open_engine(database_url)
        try:
            imported = import_events(reader, writer, _county(reader), submitted, terms, progress=_Progress().tell)
        finally:
            reader.dispose()
            writer.dispose()
    _show_imported(imported, dry_run=dry_run, as_json=as_json)


@app.command("export")
def export_command(
    *,
    run: RunOption,
    out: Annotated[Path | None, typer.Option(help="File to write; by default stdout.")] = None,
    with_refused: Annotated[
        bool, typer.Option("--with-refused", help="Also what was refused, which changed nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a hub's registry log as a file of events, which `registry import --keep-dates` takes into another hub."""
    del as_json  # the file is JSON, one object a line
    with _one_line_errors():
        database_url, _ = _hub_of(run)
        reader = open_engine(database_url, read_only=True)
        try:
            with Session(reader) as session:
                lines = b"".join(exported_events(session, _county(reader), with_refused=with_refused))
        finally:
            reader.dispose()
        if out is None:
            sys.stdout.buffer.write(lines)
        else:
            out.write_bytes(lines)


class _Progress:
    """Says every two seconds how far a long file is, on stderr."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def tell(self, done: int, of_all: int) -> None:
        """Say it if it is time."""
        if time.monotonic() >= self._told_s + PROGRESS_S:
            self._told_s = time.monotonic()
            typer.echo(f"{done} of {of_all} events decided", err=True)


def _show_imported(imported: Imported, *, dry_run: bool, as_json: bool) -> None:
    refused = [one for one in imported.lines if one.outcome == REFUSED]
    if as_json:
        document = {"dry_run": dry_run, "written": imported.is_written, **imported.counts, "lines": imported.lines}
        typer.echo(msgspec.json.encode(document).decode())
    else:
        what = "written" if imported.is_written else "nothing is written"
        typer.echo(", ".join(f"{number} {outcome}" for outcome, number in imported.counts.items()) + f"; {what}")
    for one in refused:
        typer.echo(f"line {one.line}: {one.event_id or 'no event'}: {one.reason}: {one.what}", err=True)
    if refused and not imported.is_written:
        raise typer.Exit(USAGE_ERROR)


def _hub_of(run: Path) -> tuple[str, Path]:
    """Return the URL of the database of a prepared run folder and its file of keys."""
    from hub.cli import remembered  # noqa: PLC0415 - it brings the whole hub, which `registry FILE` does not need
    from hub.settings import read_settings  # noqa: PLC0415

    settings = read_settings(os.environ, county=run, run=run, database=remembered(run).get("database"))
    return settings.database_url, settings.access_keys_file


def _schedules(run: Path, register: Register, county: str, day: date) -> tuple[DaySchedule, ...]:
    """Return the exchange schedule of the day that stands in a hub."""
    database_url, _ = _hub_of(run)
    reader = open_engine(database_url, read_only=True)
    try:
        with Session(reader) as session:
            return exchange_schedules(session, register, county, day)
    finally:
        reader.dispose()


def _county(reader: Any) -> str:  # noqa: ANN401
    with Session(reader) as session:
        known = county_of(session)
    if known is None:
        raise PrepareError("the database holds no county; run `microbalance hub prepare` first")
    return known[0]


def _day(as_of: str, submitted: list[Event]) -> date:
    """Return the day that was asked for, else the last one on which something was recorded."""
    if as_of:
        return parse_day(as_of)
    if not submitted:
        raise EventLineError("the file holds no event; say --as-of")
    return max(event.recorded_on for event in submitted)


def _show(folded: Folded, day: date, *, as_json: bool) -> None:
    document = register_document(folded.register, folded.outcomes, day)
    if as_json:
        typer.echo(msgspec.json.encode(document).decode())
    else:
        typer.echo(_text(document))
    broken = check_register(folded.register)
    for violation in broken:
        typer.echo(f"law {violation.law}: {violation.where} {violation.what}", err=True)
    if broken:
        raise typer.Exit(LAW_BROKEN)


def _text(document: RegisterDocument) -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in document.counts.items())
    lines = [f"register on {document.as_of}: {counts}"]
    lines += [
        f"  {row.outcome} {row.number} {row.event} {row.event_id}: {row.reason}: {row.what}"
        for row in document.outcomes
        if row.outcome in {"refused", "waiting"}
    ]
    lines.append(
        f"{len(document.participants)} participants, {len(document.meters)} metering points, "
        f"{len(document.projects)} plants, {len(document.contracts)} contracts"
    )
    for row in document.meters:
        modes = [f"supply {row.supply_mode.value} by {row.supply_by}"] if row.supply_mode else []
        modes += [f"sale {row.sale_mode.value} by {row.sale_by}"] if row.sale_mode else []
        lines.append(f"  {row.meter_id} ({row.participant_id}, {row.unit_id}): {'; '.join(modes) or 'no mode'}")
    lines += [
        f"  waiting {place}: {row.project_id} {row.installed_capacity_w} W at {row.element}"
        for place, row in enumerate(document.waiting, start=1)
    ]
    return "\n".join(lines)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn an error that the operator can mend into one line and status 2."""
    try:
        yield
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")
    except DBAPIError as error:
        _fail(f"{error.orig}".partition("\n")[0])
    except _KNOWN_ERRORS as error:
        _fail(str(error).partition("\n")[0])


def _fail(what: str) -> NoReturn:
    typer.echo(f"microbalance registry: {what}", err=True)
    raise typer.Exit(USAGE_ERROR)
