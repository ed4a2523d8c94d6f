"""`microbalance bench`: run benchmarks by name, print tables or one JSON object."""

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from grid_models.bench.machine import load_average, this_machine, utc_text
from grid_models.bench.measuring import BenchError, Outcome, Workbench, document_of, table_of

ALL = "all"
RUNS_MAX = 99
FAILED = 1

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="One benchmark, or `all`; without it they are listed.")] = "",
    *,
    runs: Annotated[int, typer.Option(min=1, max=RUNS_MAX, help="How often each contender is timed.")] = 5,
    county: Annotated[
        Path | None, typer.Option(help="Folder written by `microbalance county`; default: the demo county, made anew.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="postgresql://...: measure PostgreSQL too, in a database that is made there and dropped."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of outside data; a benchmark that needs it is left out of `all` without."),
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="Tiny cases: shows that it runs, measures nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this program and a peer in one run."""
    table: Mapping[str, tuple[str, str]] = context.obj
    if not name:
        _list(table, as_json=as_json)
        return
    if name not in (ALL, *table):
        raise typer.BadParameter(f"no benchmark {name!r}; one of {', '.join(table)}, {ALL}")
    chosen = list(table) if name == ALL else [name]
    if data is not None and not data.is_dir():
        raise typer.BadParameter(f"--data {data}: no such folder")
    with _workbench(runs, county, database, small=small) as workbench:
        workbench.data = data
        document = _run(chosen, table, workbench, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
    if document["failed"]:
        raise typer.Exit(FAILED)


def _list(table: Mapping[str, tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"benches": {name: what for name, (_, what) in table.items()}}))
        return
    width = max(len(name) for name in table)
    for name, (_, what) in table.items():
        typer.echo(f"{name:<{width}}  {what}")
    typer.echo(f"{ALL:<{width}}  All of them.")


def _run(
    chosen: list[str], table: Mapping[str, tuple[str, str]], workbench: Workbench, *, quiet: bool
) -> dict[str, Any]:
    """Run the benchmarks one after another; one that fails is named and does not keep the others from running."""
    machine = this_machine()
    document: dict[str, Any] = {
        "date": utc_text(),
        "machine": str(machine),
        "load_average": load_average(),
        "runs": workbench.runs,
        "small": workbench.small,
        "benches": {},
        "left_out": {},
        "failed": {},
    }
    if not quiet:
        typer.echo(f"{document['date']}. {machine}.")
        typer.echo(
            "Median (lowest - highest; number of runs); ratio: time of the peer by ours, on the wall and of the CPU."
        )
    for name in chosen:
        before = load_average()
        module = importlib.import_module(table[name][0])
        if len(chosen) > 1 and workbench.data is None and getattr(module, "NEEDS_DATA", False):
            document["left_out"][name] = "needs --data"
            if not quiet:
                typer.echo(f"\n## {name}\n\nLeft out: it needs --data.")
            continue
        try:
            outcome: Outcome = module.measure(workbench)
        except BenchError as error:
            document["failed"][name] = str(error)
            typer.echo(f"microbalance bench {name}: {error}", err=True)
            continue
        load = {"before": before, "after": load_average()}
        document["benches"][name] = document_of(outcome) | {"load_average": load}
        if not quiet:
            typer.echo(f"\n## {name}\n\n{table_of(outcome)}")
            typer.echo(
                f"Load average (1, 5, 15 min): {_spaced(load['before'])} before, {_spaced(load['after'])} after."
            )
    return document


@contextmanager
def _workbench(runs: int, county: Path | None, database: str | None, *, small: bool) -> Iterator[Workbench]:
    if county is not None and not (county / "registry.json").is_file():
        raise typer.BadParameter(f"--county {county}: no registry.json in it")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Workbench(
            runs=runs,
            small=small,
            database=database,
            folder=Path(name),
            make_county=_make_county,
            given_county=county,
        )


def _make_county(folder: Path) -> None:
    """Have the demo county written by its own program; this package may not import it.

    :raises BenchError: with its last words, if it cannot
    """
    command = [sys.executable, "-m", "microbalance", "county", "--out", str(folder), "--json"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        words = outcome.stderr.strip().splitlines() or ["no word of it"]
        raise BenchError(f"no demo county: {words[-1]}")


def _spaced(load: tuple[float, float, float]) -> str:
    return " ".join(f"{each:.2f}" for each in load)
