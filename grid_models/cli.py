"""`microbalance grid`: check a network, its power flows, hosting capacity and grades."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Final, TypeVar, assert_never

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grid_models import grid_tables, plots
from grid_models.capacity_assessment import Parameters
from grid_models.capacity_list import csv_bytes, geojson_bytes
from grid_models.checks import check_network, refuse_problems
from grid_models.elements import FloatArray, Int64Array
from grid_models.grid_documents import HostingDocument, HostingRow
from grid_models.grid_grade import grade_document, grade_network
from grid_models.grid_inputs import InputError, bus_position, nominal_base_state, read_registered_mw
from grid_models.grid_reports import (
    PeriodError,
    branch_names,
    check_document,
    hosting_document,
    least_capacity,
    period_document,
    power_flow_document,
    row_of,
    scaled_profiles,
    time_of,
)
from grid_models.hosting import Hosting, HostingCapacity, HostingLevels, NoBaseStateError
from grid_models.importers import open_network
from grid_models.networks import Network, NetworkError
from grid_models.nominal_state import solve_nominal
from grid_models.power_flow import PowerFlow
from grid_models.simbench_profiles import network_profiles
from grid_models.standard_2041 import Parameters2019, Parameters2025, ReverseLoadLimits, StandardError
from grid_models.topology import TopologyError
from grid_models.year_flow import CheckpointError, YearFlowModel

FAILED: Final = 1
WRONG_COMMAND_LINE: Final = 2
_HOURS_PER_STEP: Final = 8
_WIDTH_IN_FILES: Final = 150
_LOCAL_TIME: Final = timezone(timedelta(hours=8))
_Document = TypeVar("_Document", bound=msgspec.Struct)

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

NetworkArgument = Annotated[str, typer.Argument(metavar="NETWORK", help="A reference name, SimBench code or file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Plot = Annotated[Path | None, typer.Option(help="Draw a picture, FILE.svg or FILE.png.")]
LoadScale = Annotated[float, typer.Option(min=0.0, help="Multiplies all loads.")]
GenerationScale = Annotated[float, typer.Option(min=0.0, help="Multiplies all generation.")]
Start = Annotated[str | None, typer.Option("--from", help="First quarter-hour, YYYY-MM-DD[THH:MM], of 2016.")]
End = Annotated[
    str | None, typer.Option("--to", help="End, YYYY-MM-DDTHH:MM, not included; a day without a time counts whole.")
]
Registered = Annotated[Path | None, typer.Option(help="Registered plants, a CSV file with the header bus,mw.")]


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
    with _refusals():
        opened = open_network(network)
        document = check_document(opened, check_network(opened))
    _show(document, grid_tables.show_check, as_json=as_json)
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
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Kept up to date while the profiles run; a run that was stopped goes on from it."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the worst buses and elements to list.")] = 10,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Solve the AC power flow of the nominal state, or of every quarter-hour of the profiles."""
    if not profiles and (start or end or percentiles or checkpoint):
        raise typer.BadParameter("--from, --to, --percentiles and --checkpoint need --profiles")
    with _refusals():
        power_flow = _model(network, plot)
        if profiles:
            _run_profiles(
                power_flow,
                period=_rows(start, end),
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
    _show(document, grid_tables.show_power_flow, as_json=as_json)
    if not document.converged:
        raise typer.Exit(FAILED)


@app.command()
def hosting(
    network: NetworkArgument,
    *,
    bus: Annotated[list[str] | None, typer.Option(help="A bus; may be given several times. Default: all.")] = None,
    power_factor: Annotated[float, typer.Option(help="Of the new plant, above 0 and at most 1.")] = 1.0,
    feeds_reactive: Annotated[
        bool, typer.Option("--feeds-reactive", help="The plant feeds reactive power; without it, it takes some.")
    ] = False,
    load_scale: LoadScale = 1.0,
    generation_scale: GenerationScale = 1.0,
    row: Annotated[int | None, typer.Option(min=0, help="One quarter-hour of the profiles, by its row.")] = None,
    start: Start = None,
    end: End = None,
    registered: Registered = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write every bus's capacity.")] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Find how much a new plant may feed in at each bus: in the nominal state, in an hour, or the least of a period."""
    if row is not None and (start or end):
        raise typer.BadParameter("--row is one quarter-hour, --from and --to are a period: give one of them")
    if not 0 < power_factor <= 1:
        raise typer.BadParameter(f"--power-factor {power_factor} is not above 0 and at most 1")
    scales = (load_scale, generation_scale)
    with _refusals():
        power_flow = _model(network, plot)
        opened = power_flow.network
        chosen = None if not bus else np.array([bus_position(opened, name) for name in bus], dtype=np.int64)
        registered_mw = None if registered is None else read_registered_mw(registered, opened)
        rows = None
        if row is not None or start or end:
            period = (row, row + 1) if row is not None else _rows(start, end)
            rows = np.arange(*_within(opened, period), dtype=np.int64)
        found = _hosting(
            power_flow,
            rows=rows,
            scales=scales,
            registered_mw=registered_mw,
            buses=chosen,
            power_factor=power_factor,
            absorbs_reactive=not feeds_reactive,
        )
        document = hosting_document(
            power_flow,
            found,
            rows=rows,
            scales=scales,
            power_factor=power_factor,
            absorbs_reactive=not feeds_reactive,
            registered_mw=0.0 if registered_mw is None else float(registered_mw.sum()),
        )
        if csv_file is not None:
            _write_hosting(csv_file, document)
        if plot is not None:
            plots.plot_hosting(plot, opened, document)
    _show(document, grid_tables.show_hosting, as_json=as_json)


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
    with _refusals():
        parameters: Parameters
        match edition:
            case EditionChoice.OF_2019:
                parameters = Parameters2019(k_r=k_r)
            case EditionChoice.OF_2025:
                limits = ReverseLoadLimits(single=beta_single, parallel_n_minus_1=beta_parallel)
                parameters = Parameters2025(tau_max, power_factor, reverse_load_limits=limits)
            case _:
                assert_never(edition)
        power_flow = _model(network, None)
        opened = power_flow.network
        features = grade_network(
            power_flow,
            parameters,
            scales=(load_scale, generation_scale),
            registered_mw=np.zeros(len(opened.buses)) if registered is None else read_registered_mw(registered, opened),
            assessed_at=assessed_at or datetime.now(_LOCAL_TIME).isoformat(timespec="seconds"),
        )
        if csv_file is not None:
            csv_file.write_bytes(csv_bytes(feature.entry for feature in features))
        if geojson_file is not None:
            geojson_file.write_bytes(geojson_bytes(features))
    _show(grade_document(opened, features, parameters), grid_tables.show_grades, as_json=as_json)


# --- runs -------------------------------------------------------------------------------------------------------------


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
    first, stop = _within(network, period)
    model = YearFlowModel(power_flow, scaled_profiles(network_profiles(network), *scales))
    if checkpoint is not None:
        _keep_to_one_run(checkpoint, network, (first, stop), scales)
    done = 0
    try:
        with _progress() as bar:
            task = bar.add_task("quarter-hours", total=stop - first)

            def advance(now: int, _all: int) -> None:
                nonlocal done
                done = now
                bar.update(task, completed=now)

            found = model.run(first, stop, percentiles=percentiles, checkpoint=checkpoint, progress=advance)
    except KeyboardInterrupt:
        kept = "nothing is kept without --checkpoint"
        if checkpoint is not None:
            kept = f"the same command goes on from {checkpoint}"
        typer.echo(f"grid: stopped after {done} of {stop - first} quarter-hours; {kept}", err=True)
        raise typer.Exit(FAILED) from None
    document = period_document(power_flow, found, *scales, top)
    if plot is not None:
        plots.plot_period(plot, network, found, branch_names(network))
    _show(document, grid_tables.show_period, as_json=as_json)
    if document.failures:
        raise typer.Exit(FAILED)


def _keep_to_one_run(checkpoint: Path, network: Network, period: tuple[int, int], scales: tuple[float, float]) -> None:
    """Write beside the checkpoint what it is of; a checkpoint of the same shapes alone may be of other data.

    :raises CheckpointError: if it is of another run
    """
    what = {"network": network.name, "from": time_of(period[0]), "to": time_of(period[1])}
    text = json.dumps(what | {"load_scale": scales[0], "generation_scale": scales[1]}, ensure_ascii=False)
    beside = checkpoint.with_name(f"{checkpoint.name}.run.json")
    if checkpoint.exists():
        known = beside.read_text(encoding="utf-8") if beside.exists() else "an unknown run"
        if known != text:
            raise CheckpointError(f"{checkpoint}: a checkpoint of {known}; remove it to begin anew")
    beside.write_text(text, encoding="utf-8")


def _hosting(
    power_flow: PowerFlow,
    *,
    rows: Int64Array | None,
    scales: tuple[float, float],
    registered_mw: FloatArray | None,
    buses: Int64Array | None,
    power_factor: float,
    absorbs_reactive: bool,
) -> HostingCapacity | HostingLevels:
    """Return the capacity, with registered plants both levels; hours are taken a few at a time."""
    model = Hosting(power_flow)
    existing: HostingCapacity | None = None
    later: HostingCapacity | None = None
    for offset, base in _base_states(power_flow, rows, scales):

        def least(so_far: HostingCapacity | None, added_mw: FloatArray | float) -> HostingCapacity:
            p_mw, q_mvar = base  # noqa: B023 - called at once
            try:
                found = model.capacity(
                    p_mw + added_mw, q_mvar, buses=buses, power_factor=power_factor, absorbs_reactive=absorbs_reactive
                )
            except NoBaseStateError as error:
                if rows is None:
                    raise
                at = time_of(int(rows[offset]))  # noqa: B023
                raise NoBaseStateError(f"hours counted from {at}: {error}") from None
            return found if so_far is None else least_capacity(so_far, found, offset)  # noqa: B023

        existing = least(existing, 0.0)
        if registered_mw is not None:
            later = least(later, registered_mw)
    assert existing is not None, "there is at least one hour"
    return existing if later is None else HostingLevels(existing, later)


def _base_states(
    power_flow: PowerFlow, rows: Int64Array | None, scales: tuple[float, float]
) -> Iterator[tuple[int, tuple[FloatArray, FloatArray]]]:
    """Yield the number of the first hour, and the injections of some hours."""
    if rows is None:
        yield 0, nominal_base_state(power_flow, *scales)
        return
    model = YearFlowModel(power_flow, scaled_profiles(network_profiles(power_flow.network), *scales))
    with _progress() as bar:
        task = bar.add_task("quarter-hours", total=rows.size)
        for offset in range(0, rows.size, _HOURS_PER_STEP):
            yield offset, model.injections(rows[offset : offset + _HOURS_PER_STEP])
            bar.update(task, completed=offset + _HOURS_PER_STEP)


# --- what goes in and out ---------------------------------------------------------------------------------------------


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what is wrong with the caller's input into one line on stderr and exit status 2."""
    try:
        yield
    except (
        *(NetworkError, TopologyError, StandardError, NoBaseStateError),
        *(CheckpointError, PeriodError, InputError, plots.PlotError, OSError),
    ) as error:
        typer.echo(f"grid: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(WRONG_COMMAND_LINE) from None


def _model(network: str, plot: Path | None) -> PowerFlow:
    if plot is not None:
        plots.refuse_plot(plot)
    opened = open_network(network)
    refuse_problems(opened)
    return PowerFlow(opened)


def _rows(start: str | None, end: str | None) -> tuple[int, int | None]:
    return (0 if start is None else row_of(start)), (None if end is None else row_of(end, is_end=True))


def _within(network: Network, period: tuple[int, int | None]) -> tuple[int, int]:
    """Return the period's rows, made sure to be in the profiles.

    :raises PeriodError: if they are not, or there are none
    """
    n_rows = len(network_profiles(network).load_p.factor)
    first, stop = period[0], n_rows if period[1] is None else period[1]
    if not 0 <= first < stop <= n_rows:
        raise PeriodError(f"rows {first} to {stop} are no period within 0 to {n_rows}, the rows of the profiles")
    return first, stop


def _progress() -> Progress:
    """Return a bar on stderr, none where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def _show(document: _Document, show: Callable[[_Document, Console], None], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(document).decode())
    else:
        console = Console()
        show(document, console if console.is_terminal else Console(width=_WIDTH_IN_FILES))


def _write_hosting(path: Path, document: HostingDocument) -> None:
    """Write a row a bus; what is not there is an empty field."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(HostingRow.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(row) for row in document.buses)
