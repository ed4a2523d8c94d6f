"""`microbalance run`: the hub on the wall clock."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hub.cli import (
    BrokerOption,
    CountyOption,
    DatabaseOption,
    JsonOption,
    RunOption,
    ended_by_signal,
    log_to_stderr,
    one_line_errors,
    remembered,
)
from hub.jobs import Span
from hub.main import serve
from hub.settings import read_settings

app = typer.Typer(add_completion=False, help="Run the county hub on the wall clock.")


@app.command()
def run_command(
    *,
    county: CountyOption,
    run: RunOption,
    province: Annotated[str, typer.Option(help="URL of the provincial market's API.")],
    http: Annotated[str, typer.Option(help="HOST:PORT of the console and the API.")] = "127.0.0.1:8000",
    out: Annotated[Path, typer.Option(help="Folder for reports.")] = Path("out"),
    delay_s: Annotated[
        int, typer.Option(min=0, max=600, help="Seconds after a quarter-hour before its jobs run.")
    ] = 30,
    database: DatabaseOption = None,
    broker: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the hub until SIGINT or SIGTERM; prepare it first with `microbalance hub prepare`."""
    del as_json
    log_to_stderr()
    with one_line_errors(), ended_by_signal():
        settings = read_settings(
            os.environ,
            county=county,
            run=run,
            database=database or remembered(run).get("database"),
            broker=broker or remembered(run).get("broker"),
            province=province,
            api=http,
        )
        serve(settings, span=Span(), out=out, delay_s=delay_s)
