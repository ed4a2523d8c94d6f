"""`microbalance grid`: check a network, its power flows, hosting capacity and grades."""

from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Final, assert_never

import numpy as np
import typer

from grid_models import grid_tables, plots
from grid_models.capacity_assessment import Parameters
from grid_models.capacity_list import csv_bytes, geojson_bytes
from grid_models.checkpoint_file import keep_to_one_run
from grid_models.checks import check_network
from grid_models.command_line import (
    FAILED,
    Checkpoint,
    End,
    GenerationScale,
    Json,
    LoadScale,
    NetworkArgument,
    Plot,
    Registered,
    Start,
    opened_model,
    progress_bar,
    refusals,
    rows_between,
    rows_within,
    show,
    stoppable,
)
from grid_models.explain_cli import explain
from grid_models.grid_grade import grade_document, grade_network
from grid_models.grid_inputs import read_power_mw
from grid_models.grid_reports import (
    branch_names,
    check_document,
    period_document,
    power_flow_document,
    scaled_profiles,
    time_of,
)
from grid_models.hosting_cli import hosting
from grid_models.importers import open_network
from grid_models.nominal_state import solve_nominal
from grid_models.power_flow import PowerFlow
from grid_models.simbench_profiles import network_profiles
from grid_models.standard_2041 import Parameters2019, Parameters2025, ReverseLoadLimits
from grid_models.year_flow import YearFlowModel

_LOCAL_TIME: Final = timezone(timedelta(hours=8))

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


class EditionChoice(Enum):
    """Year of the edition of DL/T 2041."""

    OF_2019 = "2019"
    OF_2025 = "2025"


@app.callback()
def grid() -> None:
    """Check a network, its power flows, hosting capacity and grades."""


@app.command()
def check(network: NetworkArgument, *, as_json: Json = False) -> None:
    """List what is wrong with a network; exit status 1 if there are errors."""
    with refusals():
        opened = open_network(network)
        document = check_document(opened, check_network(opened))
    show(document, grid_tables.show_check, as_json=as_json)
    if document.errors:
        raise typer.Exit(FAILED)


@app.command()
def powerflow(
    network: NetworkArgument,
    *,
    load_scale: LoadScale = 1.0,
    generation_scale: GenerationScale = 1.0,
    profiles: Annotated[
        bool, typer.Option("--profiles", help="Run the year of profiles, not the nominal state.")
    ] = False,
    start: Start = None,
    end: End = None,
    percentiles: Annotated[bool, typer.Option("--percentiles", help="Keep percentiles of the profiles' run.")] = False,
    checkpoint: Checkpoint = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the worst buses and elements to list.")] = 10,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Solve the AC power flow of the nominal state, or of every quarter-hour of the profiles."""
    if not profiles and (start or end or percentiles or checkpoint):
        raise typer.BadParameter("--from, --to, --percentiles and --checkpoint need --profiles")
    with refusals():
        power_flow = opened_model(network, plot)
        if profiles:
            _run_profiles(
                power_flow,
                period=rows_between(start, end),
                scales=(load_scale, generation_scale),
                checkpoint=checkpoint,
                plot=plot,
                top=top,
                percentiles=percentiles,
                as_json=as_json,
            )
            return
        result = solve_nominal(power_flow, load_scale, generation_scale)
        document = power_flow_document(power_flow, result, load_scale, generation_scale, top)
        if plot is not None and document.converged:
            plots.plot_voltage_profile(plot, power_flow.network, result.vm_pu[0])
    show(document, grid_tables.show_power_flow, as_json=as_json)
    if not document.converged:
        raise typer.Exit(FAILED)


app.command()(hosting)
app.command()(explain)


@app.command()
def grade(
    network: NetworkArgument,
    *,
    edition: Annotated[EditionChoice, typer.Option(help="Of DL/T 2041; its formulas are from secondary sources.")] = (
        EditionChoice.OF_2025
    ),
    load_scale: Annotated[float, typer.Option(min=0.0, help="Typical noon's load, of the nominal; unverified.")] = 1.0,
    generation_scale: Annotated[
        float, typer.Option(min=0.0, help="Output of generation, for the reverse power.")
    ] = 1.0,
    tau_max: Annotated[
        float, typer.Option(help="2025: largest simultaneous output / installed; a county's own, default unverified.")
    ] = 0.8,
    power_factor: Annotated[
        float, typer.Option(help="2025: cos(theta) of the reverse power; a county's own, default unverified.")
    ] = 0.95,
    beta_single: Annotated[
        float, typer.Option(help="2025: permitted reverse load of a single unit; unverified.")
    ] = 0.8,
    beta_parallel: Annotated[
        float, typer.Option(help="2025: what remaining parallel units may carry after the largest; unverified.")
    ] = 1.0,
    k_r: Annotated[float, typer.Option(help="2019: share of the rating that may be used; unverified.")] = 0.8,
    registered: Registered = None,
    assessed_at: Annotated[str, typer.Option(help="Local time to publish; default: now, UTC+8.")] = "",
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the list as CSV.")] = None,
    geojson_file: Annotated[Path | None, typer.Option("--geojson", help="Write the list as GeoJSON.")] = None,
    as_json: Json = False,
) -> None:
    """List and grade the network's stations, feeders and areas by DL/T 2041, from the nominal state and AC hosting."""
    with refusals():
        parameters: Parameters
        match edition:
            case EditionChoice.OF_2019:
                parameters = Parameters2019(k_r=k_r)
            case EditionChoice.OF_2025:
                limits = ReverseLoadLimits(single=beta_single, parallel_n_minus_1=beta_parallel)
                parameters = Parameters2025(tau_max, power_factor, reverse_load_limits=limits)
            case _:
                assert_never(edition)
        power_flow = opened_model(network, None)
        opened = power_flow.network
        features = grade_network(
            power_flow,
            parameters,
            scales=(load_scale, generation_scale),
            registered_mw=np.zeros(len(opened.buses)) if registered is None else read_power_mw(registered, opened),
            assessed_at=assessed_at or datetime.now(_LOCAL_TIME).isoformat(timespec="seconds"),
        )
        if csv_file is not None:
            csv_file.write_bytes(csv_bytes(feature.entry for feature in features))
        if geojson_file is not None:
            geojson_file.write_bytes(geojson_bytes(features))
    show(grade_document(opened, features, parameters), grid_tables.show_grades, as_json=as_json)


def _run_profiles(
    power_flow: PowerFlow,
    *,
    period: tuple[int, int | None],
    scales: tuple[float, float],
    checkpoint: Path | None,
    plot: Path | None,
    top: int,
    percentiles: bool,
    as_json: bool,
) -> None:
    network = power_flow.network
    first, stop = rows_within(network, period)
    model = YearFlowModel(power_flow, scaled_profiles(network_profiles(network), *scales))
    if checkpoint is not None:
        run = {"network": network.name, "from": time_of(first), "to": time_of(stop)}
        keep_to_one_run(checkpoint, run | {"load_scale": scales[0], "generation_scale": scales[1]})
    done = 0
    with (
        stoppable(checkpoint, lambda: f"{done} of {stop - first} quarter-hours"),
        progress_bar() as bar,
    ):
        task = bar.add_task("quarter-hours", total=stop - first)

        def advance(now: int, _all: int) -> None:
            nonlocal done
            done = now
            bar.update(task, completed=now)

        found = model.run(first, stop, percentiles=percentiles, checkpoint=checkpoint, progress=advance)
    document = period_document(power_flow, found, *scales, top)
    if plot is not None:
        plots.plot_period(plot, network, found, branch_names(network))
    show(document, grid_tables.show_period, as_json=as_json)
    if document.failures:
        raise typer.Exit(FAILED)
