"""`microbalance province`: run the simulated provincial market."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Annotated

import typer

from edge.contract.interval import LabelError, first_interval_of_day, parse_day
from edge.contract.messages import ContractError
from simulators.control_client import AddressError, ConductorLostError, announce, parse_address
from simulators.provincial_market.market import ProvincialMarket, day_ahead_closes_utc_s
from simulators.provincial_market.prices import PriceSeries
from simulators.provincial_market.process import VirtualClock, run_conducted, run_live

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def province(
    seed: Annotated[int, typer.Option(help="Seed of the prices.")] = 1,
    day: Annotated[
        str, typer.Option(help="Operating day; a virtual clock starts when its day-ahead session closes.")
    ] = ("2016-05-17"),
    listen: Annotated[str, typer.Option(help="HOST:PORT of the HTTP API; port 0 takes a free one.")] = "127.0.0.1:0",
    port_file: Annotated[Path | None, typer.Option(help="Write the port here once it listens.")] = None,
    control: Annotated[str | None, typer.Option(help="HOST:PORT of the conductor; without it, the wall clock.")] = None,
    *,
    negative_prices: Annotated[bool, typer.Option("--negative-prices", help="Let midday prices be negative.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Announce the address as JSON on standard output.")] = False,
) -> None:
    """Run the simulated provincial market."""
    try:
        first_interval = first_interval_of_day(parse_day(day))
        address = parse_address(listen)
        conductor = None if control is None else parse_address(control)
        listener = socket.create_server(address)
    except (LabelError, AddressError, OSError) as error:
        typer.echo(f"province: {error}", err=True)
        raise typer.Exit(2) from None
    with listener:
        url = f"http://{announce(listener, port_file)}"
        typer.echo(json.dumps({"url": url}) if as_json else f"provincial market on {url}")
        market = ProvincialMarket(PriceSeries(seed, negative_prices))
        if conductor is None:
            asyncio.run(run_live(market, listener))
            return
        clock = VirtualClock(day_ahead_closes_utc_s(first_interval))
        try:
            asyncio.run(run_conducted(market, clock, listener, conductor))
        except (ConductorLostError, ContractError, OSError) as error:
            typer.echo(f"province: {error}", err=True)
            raise typer.Exit(1) from None
