"""`microbalance world`: run the simulated devices of a county."""

import asyncio
import json
import socket
import time
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.messages import ContractError
from simulators.control_client import AddressError, ConductorLostError, announce, parse_address
from simulators.world.county_files import CountyFileError, read_world_file
from simulators.world.model import read_world_model
from simulators.world.network_state import PowerFlowError
from simulators.world.server import run_conducted, run_live
from simulators.world.world import World

WARM_UP_INTERVALS = 2

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def world(
    county: Annotated[Path, typer.Option(help="Folder written by `microbalance county`.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT for the drivers; port 0 takes a free one.")] = "127.0.0.1:0",
    port_file: Annotated[Path | None, typer.Option(help="Write the port here once it listens.")] = None,
    control: Annotated[str | None, typer.Option(help="HOST:PORT of the conductor; without it, the wall clock.")] = None,
    from_utc_s: Annotated[
        int | None, typer.Option(help="Where time starts: by default now, under a conductor 23:30 before the day.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Announce the address as JSON on standard output.")] = False,
) -> None:
    """Run the simulated devices of a county until told to stop."""
    try:
        address = parse_address(listen)
        conductor = None if control is None else parse_address(control)
        listener = socket.create_server(address)
        start = _start_utc_s(county, from_utc_s, conducted=conductor is not None)
        model = read_world_model(county)
    except (AddressError, CountyFileError, OSError) as error:
        typer.echo(f"world: {error}", err=True)
        raise typer.Exit(2) from None
    with listener:
        simulated = World(model, start)
        announced = announce(listener, port_file)
        typer.echo(json.dumps({"address": announced}) if as_json else f"world of {county} on {announced}")
        try:
            if conductor is None:
                asyncio.run(run_live(simulated, listener))
            else:
                asyncio.run(run_conducted(simulated, listener, conductor))
        except (ConductorLostError, ContractError, PowerFlowError, OSError) as error:
            typer.echo(f"world: {error}", err=True)
            raise typer.Exit(1) from None


def _start_utc_s(county: Path, from_utc_s: int | None, *, conducted: bool) -> int:
    if from_utc_s is not None:
        return from_utc_s
    if not conducted:
        return int(time.time())
    day = date.fromisoformat(read_world_file(county).day)
    return start_utc_s(first_interval_of_day(day) - WARM_UP_INTERVALS)
