"""What the commands of `microbalance grid` share: options, refusals, progress, how a document is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grid_models import plots
from grid_models.checks import refuse_problems
from grid_models.grid_inputs import InputError
from grid_models.grid_reports import PeriodError, row_of
from grid_models.hosting import NoBaseStateError
from grid_models.hosting_placement import PlacementError
from grid_models.hosting_region import RegionError
from grid_models.importers import open_network
from grid_models.networks import Network, NetworkError
from grid_models.power_flow import PowerFlow
from grid_models.simbench_profiles import network_profiles
from grid_models.standard_2041 import StandardError
from grid_models.topology import TopologyError
from grid_models.year_flow import CheckpointError

FAILED: Final = 1
WRONG_COMMAND_LINE: Final = 2
_WIDTH_IN_FILES: Final = 150
_Document = TypeVar("_Document", bound=msgspec.Struct)

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
Checkpoint = Annotated[
    Path | None, typer.Option(help="Kept up to date while the run goes; a run that was stopped goes on from it.")
]


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what is wrong with the caller's input into one line on stderr and exit status 2."""
    try:
        yield
    except (
        *(NetworkError, TopologyError, StandardError, NoBaseStateError, PlacementError, RegionError),
        *(CheckpointError, PeriodError, InputError, plots.PlotError, OSError),
    ) as error:
        typer.echo(f"grid: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(WRONG_COMMAND_LINE) from None


@contextmanager
def stoppable(checkpoint: Path | None, done: Callable[[], str]) -> Iterator[None]:
    """Turn Ctrl-C into one line on stderr that says what was done and what is kept, and exit status 1."""
    try:
        yield
    except KeyboardInterrupt:
        kept = "nothing is kept without --checkpoint"
        if checkpoint is not None:
            kept = f"the same command goes on from {checkpoint}"
        typer.echo(f"grid: stopped after {done()}; {kept}", err=True)
        raise typer.Exit(FAILED) from None


def opened_model(network: str, plot: Path | None) -> PowerFlow:
    """Return the power flow model of the network that is meant, made sure to be usable; see importers.open_network."""
    if plot is not None:
        plots.refuse_plot(plot)
    opened = open_network(network)
    refuse_problems(opened)
    return PowerFlow(opened)


def rows_between(start: str | None, end: str | None) -> tuple[int, int | None]:
    """Return the first row and the one after the last, None: the end of the profiles.

    :raises PeriodError: if a time is none
    """
    return (0 if start is None else row_of(start)), (None if end is None else row_of(end, is_end=True))


def rows_within(network: Network, period: tuple[int, int | None]) -> tuple[int, int]:
    """Return the period's rows, made sure to be in the profiles.

    :raises PeriodError: if they are not, or there are none
    """
    n_rows = len(network_profiles(network).load_p.factor)
    first, stop = period[0], n_rows if period[1] is None else period[1]
    if not 0 <= first < stop <= n_rows:
        raise PeriodError(f"rows {first} to {stop} are no period within 0 to {n_rows}, the rows of the profiles")
    return first, stop


def progress_bar() -> Progress:
    """Return a bar on stderr, none where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def show(document: _Document, show_table: Callable[[_Document, Console], None], *, as_json: bool) -> None:
    """Print the document as JSON on one line, or as tables."""
    if as_json:
        typer.echo(msgspec.json.encode(document).decode())
    else:
        console = Console()
        show_table(document, console if console.is_terminal else Console(width=_WIDTH_IN_FILES))
