"""`microbalance grid hosting`: capacities of single buses in a state, some hours or a year; plants at several buses."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, assert_never

import msgspec
import numpy as np
import numpy.typing as npt
import typer
from rich.progress import TaskID

from grid_models import grid_tables, plots
from grid_models.checkpoint_file import keep_to_one_run
from grid_models.command_line import (
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
from grid_models.elements import FloatArray, Int64Array
from grid_models.grid_documents import HostingDocument, HostingRow
from grid_models.grid_inputs import bus_position, buses_behind, nominal_base_state, read_power_mw
from grid_models.grid_reports import scaled_profiles, time_of
from grid_models.hosting import ExistingBreach, Hosting, HostingCapacity, HostingLevels
from grid_models.hosting_placement import PlacementParameters, place_plants
from grid_models.hosting_region import hosting_region
from grid_models.hosting_reports import HostingQuestion, hosting_document, placement_document, region_document
from grid_models.hosting_year import PlantOptions, YearCapacity, hosting_hours, hosting_year
from grid_models.hour_series import HourSeries
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow
from grid_models.short_circuit import CONVERTER_KINDS, NewPlant, ShortCircuitModel, ShortCircuitParameters
from grid_models.short_circuit_stations import StationCheck, check_stations
from grid_models.simbench_profiles import network_profiles

_HOURS_PER_STEP: Final = 8


class PlacementChoice(Enum):
    """Where plants come: at two buses together, or at a feeder's buses at random."""

    TWO_NODE = "two-node"
    FEEDER = "feeder"


Bus = Annotated[list[str] | None, typer.Option(help="A bus; may be given several times. Default: all.")]
Behind = Annotated[str | None, typer.Option(help="All buses behind this line or transformer, instead of --bus.")]
PowerFactor = Annotated[float, typer.Option(help="Of the new plant, above 0 and at most 1.")]
FeedsReactive = Annotated[
    bool, typer.Option("--feeds-reactive", help="The plant feeds reactive power; without it, it takes some.")
]
Row = Annotated[
    list[int] | None,
    typer.Option(min=0, help="A quarter-hour of the profiles, by its row; may be given several times."),
]
Year = Annotated[
    bool,
    typer.Option("--year", help="All quarter-hours of the profiles, or of --from and --to, searched where needed."),
]
Proofs = Annotated[
    int,
    typer.Option(min=0, help="With --year: buses proven by an AC power flow of every quarter-hour with their plant."),
]
Storage = Annotated[
    Path | None, typer.Option(help="What-if: storage's charging power, a CSV file with the header bus,mw.")
]
PlacementOption = Annotated[PlacementChoice | None, typer.Option("--placement", help="Plants at several buses.")]
Angles = Annotated[int, typer.Option(min=2, help="With --placement two-node: points of the boundary.")]
Seed = Annotated[int, typer.Option(min=0, help="With --placement feeder: the same seed, the same draws.")]
Draws = Annotated[int, typer.Option(min=1, help="With --placement feeder: how many.")]
Size = Annotated[
    tuple[float, float] | None, typer.Option(metavar="MIN MAX", help="With --placement feeder: of a plant, MW.")
]
ShortCircuit = Annotated[
    bool, typer.Option("--short-circuit", help="Check each station with its largest plant by IEC 60909.")
]
Breaker = Annotated[
    list[str] | None, typer.Option(metavar="KV=KA", help="Breaking current of breakers at a nominal voltage.")
]
ConverterFactor = Annotated[
    float | None, typer.Option(help="A converter's short-circuit current, of its rated current.")
]
SourceMva = Annotated[float | None, typer.Option(help="Short-circuit power of a feeding point whose file has none.")]
SourceRx = Annotated[float | None, typer.Option(help="R/X of a feeding point whose file has none.")]
ConverterKind = Annotated[
    list[str] | None, typer.Option(help="A kind of existing plants that are converters, beside photovoltaic ones.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write every bus's capacity.")]


def hosting(
    network: NetworkArgument,
    *,
    bus: Bus = None,
    behind: Behind = None,
    power_factor: PowerFactor = 1.0,
    feeds_reactive: FeedsReactive = False,
    load_scale: LoadScale = 1.0,
    generation_scale: GenerationScale = 1.0,
    row: Row = None,
    start: Start = None,
    end: End = None,
    year: Year = False,
    proofs: Proofs = 8,
    registered: Registered = None,
    storage: Storage = None,
    placement: PlacementOption = None,
    angles: Angles = 19,
    seed: Seed = 1,
    draws: Draws = 200,
    size: Size = None,
    short_circuit: ShortCircuit = False,
    breaker: Breaker = None,
    converter_factor: ConverterFactor = None,
    source_mva: SourceMva = None,
    source_rx: SourceRx = None,
    converter_kind: ConverterKind = None,
    checkpoint: Checkpoint = None,
    csv_file: CsvFile = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Find how much new plants may feed in: at each bus alone, at two buses together, or at random over a feeder.

    In the nominal state; in quarter-hours of the profiles (--row, --from, --to), of which the least counts; or in a
    year (--year).
    """
    _refuse_placement(placement, bus, size, singly=(year, short_circuit, csv_file is not None))
    in_period = _is_period(row, period=bool(start or end or year), checkpoint=checkpoint, placement=placement)
    _refuse(
        (bool(bus) and behind is not None, "--bus and --behind: give one of them"),
        (not 0 < power_factor <= 1, f"--power-factor {power_factor} is not above 0 and at most 1"),
    )
    plant = (power_factor, not feeds_reactive)
    with refusals():
        stations = None
        if short_circuit:
            stations = _stations(breaker or [], converter_factor, (source_mva, source_rx), converter_kind or [])
        power_flow = opened_model(network, plot)
        study = _Study(
            power_flow,
            scales=(load_scale, generation_scale),
            plant=PlantOptions(*plant),
            rows=_rows(power_flow.network, row, rows_between(start, end) if in_period else None),
            registered=registered,
            storage=storage,
            buses=_buses(power_flow.network, bus, behind),
            checkpoint=checkpoint,
        )
        match placement:
            case None:
                study.capacities(proofs if year else None, stations, csv_file, plot, as_json=as_json)
            case PlacementChoice.TWO_NODE:
                study.region(angles, plot, as_json=as_json)
            case PlacementChoice.FEEDER:
                study.placement(PlacementParameters(seed, draws, *(size or (0.0, 0.0)), *plant), plot, as_json=as_json)
            case _:
                assert_never(placement)


class _Study:
    """One question about one network, and its answers."""

    def __init__(
        self,
        power_flow: PowerFlow,
        *,
        scales: tuple[float, float],
        plant: PlantOptions,
        rows: Int64Array | None,
        registered: Path | None,
        storage: Path | None,
        buses: Int64Array | None,
        checkpoint: Path | None,
    ) -> None:
        network = power_flow.network
        self._power_flow, self._network = power_flow, network
        self._hosting = Hosting(power_flow)
        self._scales, self._plant, self._rows = scales, plant, rows
        self._buses, self._checkpoint = buses, checkpoint
        self._registered_mw = None if registered is None else read_power_mw(registered, network)
        self._storage_mw = None if storage is None else read_power_mw(storage, network)
        self._question = HostingQuestion(
            scales,
            plant,
            rows,
            registered_mw=0.0 if self._registered_mw is None else float(self._registered_mw.sum()),
            storage_mw=0.0 if self._storage_mw is None else float(self._storage_mw.sum()),
        )

    def capacities(
        self,
        proofs: int | None,
        stations: ShortCircuitParameters | None,
        csv_file: Path | None,
        plot: Path | None,
        *,
        as_json: bool,
    ) -> None:
        """Show each bus's capacity at every level. proofs: of a year, None for one state or some hours."""
        model = None if stations is None else ShortCircuitModel(self._network, stations)
        existing, hours = self._level("existing", proofs)
        levels = HostingLevels(
            existing,
            None if self._registered_mw is None else self._level("registered", proofs)[0],
            None if self._storage_mw is None else self._level("storage", proofs)[0],
        )
        document = hosting_document(
            self._power_flow,
            self._question,
            levels,
            hours=hours,
            screened=proofs is not None,
            breaches=self._breaches(existing) if hours is None or proofs is None else hours.breaches,
            stations=None if model is None else self._stations(model, existing),
        )
        if csv_file is not None:
            _write_hosting(csv_file, document)
        if plot is not None:
            plots.plot_hosting(plot, self._network, document)
        show(document, grid_tables.show_hosting, as_json=as_json)

    def region(self, angles: int, plot: Path | None, *, as_json: bool) -> None:
        """Show what two buses take together."""
        assert self._buses is not None, "the command line was checked"
        first, second = self._buses.tolist()
        found = hosting_region(
            self._hosting,
            *self._base(),
            buses=(first, second),
            angles=angles,
            power_factor=self._plant.power_factor,
            absorbs_reactive=self._plant.absorbs_reactive,
        )
        document = region_document(self._power_flow, self._question, found)
        if plot is not None:
            plots.plot_region(plot, document)
        show(document, grid_tables.show_region, as_json=as_json)

    def placement(self, parameters: PlacementParameters, plot: Path | None, *, as_json: bool) -> None:
        """Show what plants at random find. Without chosen buses they come to all that have a load."""
        buses = self._buses
        if buses is None:
            buses = np.intersect1d(self._hosting.usual_buses(), self._network.loads.bus)
        self._keep_checkpoint("placement", buses, np.array([parameters.seed, parameters.draws, parameters.plants_max]))
        with _stages(self._checkpoint) as progress:
            found = place_plants(
                self._hosting,
                *self._base(),
                buses=buses,
                parameters=parameters,
                checkpoint=self._checkpoint,
                progress=lambda done, every: progress("draws", done, every),
            )
        document = placement_document(self._power_flow, self._question, parameters, found)
        if plot is not None:
            plots.plot_placement(plot, self._network, found, document, self._buses)
        show(document, grid_tables.show_placement, as_json=as_json)

    def _level(self, name: str, proofs: int | None) -> tuple[HostingCapacity, YearCapacity | None]:
        """Return the capacities with the plants and the charging of one level, and how hours were searched."""
        added_mw = self._added_mw(name)
        if self._rows is None:
            p_mw, q_mvar = nominal_base_state(self._power_flow, *self._scales)
            factor, absorbs = self._plant.power_factor, self._plant.absorbs_reactive
            return self._hosting.capacity(
                p_mw + added_mw, q_mvar, buses=self._buses, power_factor=factor, absorbs_reactive=absorbs
            ), None
        checkpoint = self._keep_checkpoint(name, self._buses, added_mw)
        with _stages(self._checkpoint) as progress:
            search = hosting_hours if proofs is None else partial(hosting_year, proofs=proofs)
            found = search(
                self._hosting,
                self._series(added_mw),
                rows=self._rows,
                buses=self._buses,
                plant=self._plant,
                checkpoint=checkpoint,
                progress=progress,
            )
        return found.capacity, found

    def _base(self) -> tuple[FloatArray, FloatArray]:
        """Return the base states of all hours at once, with registered plants and storage."""
        added_mw = self._added_mw("storage")
        if self._rows is None:
            p_mw, q_mvar = nominal_base_state(self._power_flow, *self._scales)
            return p_mw + added_mw, q_mvar
        return self._series(added_mw).injections(self._rows)

    def _added_mw(self, level: str) -> FloatArray:
        """Return what is added to what exists, by bus: registered plants, and from them on storage's charging."""
        added_mw = np.zeros(len(self._network.buses))
        if level != "existing" and self._registered_mw is not None:
            added_mw += self._registered_mw
        if level == "storage" and self._storage_mw is not None:
            added_mw -= self._storage_mw
        return added_mw

    def _series(self, added_mw: FloatArray) -> HourSeries:
        profiles = scaled_profiles(network_profiles(self._network), *self._scales)
        return HourSeries(self._network, profiles, added_mw)

    def _breaches(self, existing: HostingCapacity) -> tuple[tuple[int, ExistingBreach], ...]:
        """Return what each hour breaches before any plant, with its row."""
        if self._rows is None:
            return tuple((0, breach) for breach in existing.breaches[0])
        series, found = self._series(self._added_mw("existing")), []
        for start in range(0, self._rows.size, _HOURS_PER_STEP):
            rows = self._rows[start : start + _HOURS_PER_STEP]
            for row, state in zip(rows.tolist(), self._hosting.base_states(*series.injections(rows)), strict=True):
                found += [(row, breach) for breach in self._hosting.limits.breaches(state.v)]
        return tuple(found)

    def _stations(self, model: ShortCircuitModel, existing: HostingCapacity) -> tuple[StationCheck, ...]:
        factor, names = self._plant.power_factor, self._network.buses.name
        registered_mw = np.zeros(len(names)) if self._registered_mw is None else self._registered_mw
        registered = [NewPlant(names[bus], registered_mw[bus] / factor) for bus in np.flatnonzero(registered_mw)]
        with _stages(None) as progress:
            return check_stations(
                model,
                self._network,
                existing,
                power_factor=factor,
                registered=registered,
                progress=lambda done, every: progress("stations", done, every),
            )

    def _keep_checkpoint(self, level: str, buses: Int64Array | None, inputs: npt.NDArray[Any]) -> Path | None:
        """Return the level's checkpoint, made sure to be of this question."""
        if self._checkpoint is None:
            return None
        path = self._checkpoint
        if level in {"registered", "storage"}:
            path = path.with_name(f"{path.name}.{level}")
        digest = hashlib.sha256()
        for values in (self._rows, buses, inputs, self._added_mw(level)):
            digest.update(b"none" if values is None else values.tobytes())
        rows = [] if self._rows is None else [time_of(int(self._rows[0])), time_of(int(self._rows[-1]) + 1)]
        run = {"network": self._network.name, "level": level, "hours": rows, "scales": list(self._scales)}
        plant = [self._plant.power_factor, self._plant.absorbs_reactive]
        keep_to_one_run(path, run | {"plant": plant, "inputs": digest.hexdigest()})
        return path


def _refuse_placement(
    placement: PlacementChoice | None,
    bus: list[str] | None,
    size: tuple[float, float] | None,
    *,
    singly: tuple[bool, bool, bool],
) -> None:
    """Refuse what does not go with a placement. singly: whether --year, --short-circuit and --csv are given."""
    two_node, feeder = placement is PlacementChoice.TWO_NODE, placement is PlacementChoice.FEEDER
    _refuse(
        (placement is not None and any(singly), "--year, --short-circuit and --csv do not go with --placement"),
        (two_node and len(bus or []) != 2, "--placement two-node needs --bus twice"),
        (feeder and size is None, "--placement feeder needs --size MIN MAX"),
    )


def _refuse(*contradictions: tuple[bool, str]) -> None:
    """Refuse the command line for the first contradiction that holds, with its words."""
    for holds, why in contradictions:
        if holds:
            raise typer.BadParameter(why)


def _is_period(
    row: list[int] | None, *, period: bool, checkpoint: Path | None, placement: PlacementChoice | None
) -> bool:
    """Return whether a period is asked for; refuse it together with rows, and a checkpoint of what is soon done."""
    soon_done = placement is not PlacementChoice.FEEDER and row is None and not period
    _refuse(
        (
            period and row is not None,
            "--row is one quarter-hour or some, --from, --to, --year a period: give one of them",
        ),
        (checkpoint is not None and soon_done, "--checkpoint is for hours, --year and --placement feeder"),
    )
    return period


def _stations(
    breaker: list[str],
    converter_factor: float | None,
    source: tuple[float | None, float | None],
    converter_kind: list[str],
) -> ShortCircuitParameters:
    """Return what stations are checked with. breaker: texts such as 20=25. source: MVA and R/X."""
    if converter_factor is None or not breaker:
        raise typer.BadParameter("--short-circuit needs --converter-factor and --breaker")
    ratings_ka = {}
    for text in breaker:
        try:
            level_kv, rating_ka = (float(part) for part in text.split("="))
        except ValueError:
            raise typer.BadParameter(f"--breaker {text}: not KV=KA, such as 20=25") from None
        ratings_ka[level_kv] = rating_ka
    return ShortCircuitParameters(ratings_ka, converter_factor, *source, (*CONVERTER_KINDS, *converter_kind))


def _rows(network: Network, chosen: list[int] | None, period: tuple[int, int | None] | None) -> Int64Array | None:
    """Return the rows that are asked for, ascending; None: the nominal state."""
    if chosen:
        for row in chosen:
            rows_within(network, (row, row + 1))
        return np.unique(np.array(chosen, dtype=np.int64))
    return None if period is None else np.arange(*rows_within(network, period), dtype=np.int64)


def _buses(network: Network, named: list[str] | None, behind: str | None) -> Int64Array | None:
    """Return the positions of the buses that are asked for; None: all."""
    if behind is not None:
        return buses_behind(network, behind)
    return None if not named else np.array([bus_position(network, name) for name in named], dtype=np.int64)


@contextmanager
def _stages(checkpoint: Path | None) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows how far each stage is, on a bar a stage."""
    tasks: dict[str, TaskID] = {}
    last = "no work"
    with stoppable(checkpoint, lambda: last), progress_bar() as bar:

        def advance(stage: str, done: int, every: int) -> None:
            nonlocal last
            last = f"{done} of {every} {stage}"
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=every)
            bar.update(tasks[stage], completed=done)

        yield advance


def _write_hosting(path: Path, document: HostingDocument) -> None:
    """Write a row a bus; what is not there is an empty field."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(HostingRow.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(row) for row in document.buses)
