"""Hosting capacity over a year: for each bus the least of all its hours, without a search in every hour.

Three steps. Screening: an AC power flow of every hour keeps the smallest margins of every limit and their hours, and
linear responses choose the hours that can be each bus's worst (hosting_screening). Search: the capacity of each bus in
the hours chosen for it, each figure certified by a full AC power flow (hosting). Proof, for as many buses as are asked
for: with the plant at the bus, the full AC power flow of every hour; where a limit is breached, that hour was missed:
it is searched for all buses, and the proof begins anew with what is then the least.

What is certified, and what is not:

- every figure is the capacity of its bus in the hour that is named with it, to the tolerance of hosting_search: so the
  year's capacity is at most the figure, for every bus;
- for a proven bus no hour has room for less than 1 - PROOF_MARGIN of the figure: a plant of that size was put into
  every hour's full AC power flow and breached nothing that counts as a limit in that hour;
- for the other buses that no hour is lower rests on the screening alone; the proofs of their neighbours test it;
- what an hour breaches without any plant limits that hour to a little more than it is (hosting_limits); a limit that
  is breached in some hours is nearly reached in others, so where such a limit binds, the year's room is about 0;
- a plant smaller than the figure is taken to breach nothing that the figure does not (the state's way is nearly
  straight and limits are convex on it); proofs do not try every size.

Storage, plants registered and any plan are in the series that is given (hour_series.HourSeries), so that levels are
kept apart by separate runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from grid_models.admittance import ComplexArray
from grid_models.checkpoint_file import read_checkpoint, write_checkpoint
from grid_models.elements import BoolArray, Int64Array, freeze
from grid_models.hosting import Hosting, HostingCapacity, LeastCapacity, NoBaseStateError
from grid_models.hosting_limits import NOTHING_BINDS, ExistingBreach, plant_direction
from grid_models.hosting_screening import Screening
from grid_models.hour_series import HourSeries
from grid_models.voltage_solver import NodeInjections

PROOF_MARGIN: Final = 2e-3
ROUNDS_MAX: Final = 12
_PROOF_VALUES_PER_BLOCK: Final = 3_000_000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PlantOptions:
    """The new plant: power_factor in (0, 1], absorbs_reactive as for Hosting.capacity."""

    power_factor: float = 1.0
    absorbs_reactive: bool = True


@dataclass(frozen=True, eq=False)
class YearCapacity:
    """Capacity of each bus over the hours asked for; `capacity.scenario` is the row that binds.

    breaches: what some hour breaches without any plant, each once, and its worst row; empty where every hour was
    searched. rows: the hours asked for. proven: by bus, see the module; where every hour is searched, all that are
    certified. searched: rows in which capacities were searched. searches: pairs of a bus's node and an hour. missed:
    rows that the screening had not chosen and a proof found lower.
    """

    capacity: HostingCapacity
    breaches: tuple[tuple[int, ExistingBreach], ...]
    rows: Int64Array
    proven: BoolArray
    searched: Int64Array
    searches: int
    missed: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


def hosting_year(
    hosting: Hosting,
    series: HourSeries,
    *,
    rows: Int64Array | None = None,
    buses: Int64Array | None = None,
    plant: PlantOptions | None = None,
    proofs: int = 8,
    checkpoint: Path | None = None,
    progress: Progress = lambda _stage, _done, _all: None,
) -> YearCapacity:
    """Return the least capacity of each bus over many hours, searched in the hours that can be its worst.

    :param rows: the hours, ascending; default: all rows of the series
    :param buses: positions of the buses asked for; default: all that no feeding point holds
    :param proofs: how many buses are proven by a full AC power flow of every hour: of each binding limit, the most
        frequent first, the lowest and the middle one; then from the lowest capacity up
    :param checkpoint: kept up to date; if it is there, the run goes on from it and gives the same
    :param progress: called with the step's name, what is done and all there is
    :raises ValueError: if the power factor or the rows are out of range
    :raises NoBaseStateError: if an hour has no solution without the plant, naming its row
    :raises CheckpointError: if the checkpoint is of another run
    """
    run = _Run(hosting, series, rows, buses, plant or PlantOptions(), checkpoint, progress)
    run.screen()
    run.search(run.chosen_searches())
    run.prove(proofs)
    return run.result()


def hosting_hours(
    hosting: Hosting,
    series: HourSeries,
    *,
    rows: Int64Array | None = None,
    buses: Int64Array | None = None,
    plant: PlantOptions | None = None,
    checkpoint: Path | None = None,
    progress: Progress = lambda _stage, _done, _all: None,
) -> YearCapacity:
    """Return the least capacity of each bus over a set of hours, every one of them searched; as hosting_year."""
    run = _Run(hosting, series, rows, buses, plant or PlantOptions(), checkpoint, progress)
    run.search(run.every_search())
    return run.result(every_hour=True)


class _Run:
    """One run and its state, all of which is in the checkpoint."""

    def __init__(  # noqa: PLR0917
        self,
        hosting: Hosting,
        series: HourSeries,
        rows: Int64Array | None,
        buses: Int64Array | None,
        plant: PlantOptions,
        checkpoint: Path | None,
        progress: Progress,
    ) -> None:
        rows = np.arange(series.n_rows) if rows is None else rows
        if not rows.size or rows[0] < 0 or rows[-1] >= series.n_rows or (np.diff(rows) <= 0).any():
            raise ValueError(f"rows must be some of 0 to {series.n_rows - 1}, ascending")
        self._hosting, self._series, self._rows = hosting, series, rows
        self._checkpoint, self._progress = checkpoint, progress
        self._power_flow = hosting.power_flow
        self._direction = plant_direction(plant.power_factor, absorbs_reactive=plant.absorbs_reactive)
        self._screening = Screening(self._power_flow, hosting.limits, self._direction)
        self._least = LeastCapacity(hosting, hosting.usual_buses() if buses is None else buses)
        self._kept = self._screening.nothing_kept()
        self._screened = 0
        self._searched = np.zeros(rows.size, dtype=np.bool_)
        self._missed = np.zeros(rows.size, dtype=np.bool_)
        self._count = 0
        self._proof = np.zeros(self._least.nodes.size, dtype=np.int8)  # 1: proven, -1: tried, and it cannot be
        if checkpoint is not None and checkpoint.exists():
            self._take_state(read_checkpoint(checkpoint, self._state()))

    def screen(self) -> None:
        """Take the margins of every hour."""
        size = self._screening.rows_per_block()
        while self._screened < self._rows.size:
            rows = self._rows[self._screened : self._screened + size]
            self._screening.take(self._kept, self._solved(rows)[1], rows)
            self._screened += rows.size
            self._progress("screening", self._screened, self._rows.size)
            self._save(every=16, done=self._screened // size)
        self._save()

    def every_search(self) -> dict[int, Int64Array]:
        """Return every hour, by number, with every node, by number."""
        return dict.fromkeys(range(self._rows.size), np.arange(self._least.nodes.size))

    def chosen_searches(self) -> dict[int, Int64Array]:
        """Return the hours, by number, that can be the worst of some node, each with those nodes, by number."""
        nodes_of: dict[int, list[int]] = {}
        for number, rows in self._screening.worst_rows(self._kept, self._least.nodes):
            for row in rows.tolist():
                nodes_of.setdefault(row, []).append(number)
            self._progress("responses", number + 1, self._least.nodes.size)
        position = {int(row): hour for hour, row in enumerate(self._rows.tolist())}
        return {position[row]: np.array(nodes_of[row], dtype=np.int64) for row in sorted(nodes_of)}

    def search(self, searches: Mapping[int, Int64Array]) -> None:
        """Find the capacities of the nodes in the hours, both by number."""
        for done, (hour, nodes) in enumerate(searches.items(), start=1):
            if not self._searched[hour]:
                self._search_hour(hour, nodes)
                self._save(every=16, done=done)
            self._progress("searches", done, len(searches))
        self._save()

    def prove(self, proofs: int) -> None:
        """Put the plants of so many buses into every hour; search anew what is found lower."""
        chosen = self._chosen_for_proof()[:proofs]
        for _round in range(ROUNDS_MAX):
            left = chosen[self._proof[chosen] == 0]
            if not left.size:
                return
            worst = self._worst_hours(left)
            self._proof[left[worst < 0]] = 1
            breached, hours = left[worst >= 0], worst[worst >= 0]
            before = self._least.power[breached]
            for hour in np.unique(hours).tolist():
                self._missed[hour] = True
                self._search_hour(hour, np.arange(self._least.nodes.size))
            self._proof[breached[self._least.power[breached] >= before]] = -1
            self._save()

    def result(self, *, every_hour: bool = False) -> YearCapacity:
        """Return what was found."""
        by_node = self._least.certified if every_hour else self._proof == 1
        breaches = self._hosting.limits.peak_breaches(self._kept.peak)
        return YearCapacity(
            capacity=self._least.named(()),
            breaches=tuple((int(self._kept.peak_row[number]), breach) for number, breach in breaches),
            rows=self._rows,
            proven=self._least.of_buses(by_node),
            searched=self._rows[self._searched],
            searches=self._count,
            missed=self._rows[self._missed],
        )

    def _search_hour(self, hour: int, chosen: Int64Array) -> None:
        row = int(self._rows[hour])
        try:
            (state,) = self._hosting.base_states(*self._series.injections(self._rows[hour : hour + 1]))
        except NoBaseStateError as error:
            raise NoBaseStateError(f"row {row}: {error}") from None
        found = self._hosting.search_state(state, self._least.nodes[chosen], self._direction)
        self._least.take(found, row, chosen)
        self._searched[hour] = True
        self._count += chosen.size

    def _chosen_for_proof(self) -> Int64Array:
        """Return the nodes, by number, in the order in which they are proven."""
        power, binding = self._least.power, self._least.binding
        bound = np.flatnonzero(np.isfinite(power) & (power > 0) & (binding != NOTHING_BINDS) & self._least.certified)
        by_power = bound[np.argsort(power[bound], kind="stable")]
        limits, counts = np.unique(binding[bound], return_counts=True)
        order: list[int] = []
        for limit in limits[np.argsort(-counts, kind="stable")].tolist():
            of_limit = by_power[binding[by_power] == limit]
            order += [int(of_limit[0]), int(of_limit[of_limit.size // 2])]
        return np.array(list(dict.fromkeys([*order, *by_power.tolist()])), dtype=np.int64)

    def _worst_hours(self, chosen: Int64Array) -> Int64Array:
        """Return the number of the hour in which each plant breaches a limit first, -1 where it never does."""
        nodes, power = self._least.nodes[chosen], self._least.power[chosen] * (1 - PROOF_MARGIN)
        least, worst = np.full(chosen.size, np.inf), np.full(chosen.size, -1, dtype=np.int64)
        model = self._power_flow.model
        size = max(1, _PROOF_VALUES_PER_BLOCK // (model.n_nodes + len(model.branches)))
        for start in range(0, self._rows.size, size):
            injections, base_v = self._solved(self._rows[start : start + size])
            limits = self._hosting.limits.in_state(base_v)
            for number in range(chosen.size):
                with_plant = injections.power.copy()
                with_plant[nodes[number]] += power[number] * self._direction
                solved = self._power_flow.voltages(NodeInjections(with_plant))
                v = np.where(solved.converged[:, np.newaxis], solved.v, np.nan)
                share, _ = self._hosting.limits.first_breach(base_v, v, limits)
                at = int(share.argmin())
                if share[at] < least[number]:
                    least[number], worst[number] = share[at], start + at
            self._progress("proofs", min(start + size, self._rows.size), self._rows.size)
        return worst

    def _solved(self, rows: Int64Array) -> tuple[NodeInjections, ComplexArray]:
        """Return injections and voltages of some hours without the plant."""
        p_mw, q_mvar = self._series.injections(rows)
        injections = self._power_flow.node_injections(p_mw, q_mvar)
        solved = self._power_flow.voltages(injections)
        if not solved.converged.all():
            row = int(rows[~solved.converged][0])
            raise NoBaseStateError(f"row {row} has no solution before any plant is added")
        return injections, solved.v

    def _state(self) -> Mapping[str, npt.NDArray[Any]]:
        kept, least = self._kept, self._least
        return {
            "margin": kept.margin,
            "margin_row": kept.row,
            "peak": kept.peak,
            "peak_row": kept.peak_row,
            "reference_v": kept.reference_v,
            "numbers": np.array([kept.reference_row, self._screened, self._count], dtype=np.int64),
            "power": least.power,
            "binding": least.binding,
            "hour": least.hour,
            "certified": least.certified,
            "searched": self._searched,
            "missed": self._missed,
            "proof": self._proof,
        }

    def _take_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        kept, least = self._kept, self._least
        kept.margin, kept.row, kept.reference_v = state["margin"], state["margin_row"], state["reference_v"]
        kept.peak, kept.peak_row = state["peak"], state["peak_row"]
        kept.reference_row, self._screened, self._count = (int(number) for number in state["numbers"])
        least.power, least.binding = state["power"], state["binding"]
        least.hour, least.certified = state["hour"], state["certified"]
        self._searched, self._missed, self._proof = state["searched"], state["missed"], state["proof"]

    def _save(self, *, every: int = 1, done: int = 0) -> None:
        if self._checkpoint is not None and done % every == 0:
            write_checkpoint(self._checkpoint, self._state())
