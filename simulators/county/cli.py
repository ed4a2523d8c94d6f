"""`microbalance county`: write the demo county's folder."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from edge.contract.interval import LabelError, parse_day
from grid_models.network_cache import default_cache_folder
from grid_models.networks import NetworkError
from grid_models.topology import TopologyError
from simulators.county.county_builder import build_county, write_county
from simulators.county.meter_plan import CountyError
from simulators.county.network_cache import cached_demo_case
from simulators.county.registry_builder import counts

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def county(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Seed: who is a prosumer, who trades how, where the microgrid is.")] = 1,
    day: Annotated[str, typer.Option(help="Operating day, YYYY-MM-DD.")] = "2016-05-17",
    cache: Annotated[Path | None, typer.Option(help="Where to keep the network for the next time.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one JSON object.")] = False,
) -> None:
    """Write the demo county: network, registry, profiles, what stands behind the meters."""
    started_s = time.monotonic()
    try:
        operating_day = parse_day(day)
        out.mkdir(parents=True, exist_ok=True)  # first, so that a wrong folder is found before the work
        case = cached_demo_case(default_cache_folder() if cache is None else cache)
        built = build_county(case.network, case.profiles, seed, operating_day)
        write_county(built, out)
    except (LabelError, NetworkError, TopologyError, CountyError, OSError) as error:
        typer.echo(f"county: {error}", err=True)
        raise typer.Exit(2) from None
    document = {"county": str(out), "seed": seed, "day": day, "counts": counts(built.registry)}
    document |= {"network_from_cache": case.hit, "seconds": round(time.monotonic() - started_s, 3)}
    if as_json:
        typer.echo(json.dumps(document))
        return
    for group, numbers in counts(built.registry).items():
        typer.echo(f"{group.replace('_', ' ')}: " + ", ".join(f"{name} {number}" for name, number in numbers.items()))
    typer.echo(f"written to {out} in {document['seconds']} s")
