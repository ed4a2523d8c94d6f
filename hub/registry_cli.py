"""`microbalance registry`: the register that a file of events makes, and what was refused and why; no server needed."""

from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from edge.contract.interval import LabelError, parse_day
from hub.market.registry.checks import check_register
from hub.market.registry.events import Event, EventLineError, decode_events
from hub.market.registry.fold import Folded, fold
from hub.market.registry.outcomes import RefusedError
from hub.market.registry.provincial_schema import document_from_export, export_of
from hub.market.registry.register_document import RegisterDocument, register_document

app = typer.Typer(add_completion=False, rich_markup_mode=None)

USAGE_ERROR = 2
LAW_BROKEN = 1


@app.command()
def registry(
    events: Annotated[Path, typer.Argument(help="File with one event a line, in the order of recording.")],
    *,
    as_of: Annotated[str, typer.Option("--as-of", help="Day YYYY-MM-DD; default: the last one recorded.")] = "",
    provincial: Annotated[str, typer.Option(help="Print a county's provincial document instead.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Print the register on a day and the outcome of every event."""
    try:
        submitted = decode_events(events.read_bytes())
        day = _day(as_of, submitted)
        folded = fold(submitted)
        if provincial:
            document = document_from_export(export_of(folded.register, provincial, day))
            typer.echo(msgspec.json.encode(document).decode())
        else:
            _show(folded, day, as_json=as_json)
    except OSError as error:
        _fail(f"{events}: {error.strerror}")
    except (EventLineError, LabelError, RefusedError) as error:
        _fail(str(error))


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


def _fail(what: str) -> NoReturn:
    typer.echo(f"microbalance registry: {what}", err=True)
    raise typer.Exit(USAGE_ERROR)
