"""Stochastic placement: how much new generation a whole feeder takes when plants come here and there, in any order.

A draw is one possible future: the chosen buses are taken in random order, round after round, and each gets a plant of
random size, until a plant would breach the first limit. What stood before it is the draw's capacity. Every step is a
full AC power flow of every hour given. Many draws give percentiles and what binds how often.

Draw k of seed s is made by numpy's Generator from (s, k) alone, and a scenario's power flow does not depend on its
company: so neither threads, batches nor an interruption change a figure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from grid_models.admittance import BASE_MVA, ComplexArray
from grid_models.checkpoint_file import read_checkpoint, write_checkpoint
from grid_models.elements import FloatArray, Int64Array, Names, freeze
from grid_models.hosting import Hosting
from grid_models.hosting_limits import NOTHING_BINDS, BindingKind, plant_direction
from grid_models.hosting_search import Limits
from grid_models.voltage_solver import NodeInjections

PERCENTILES: Final = (5, 50, 95)
_VALUES_PER_BATCH: Final = 4_000_000
_STEPS: Final = 16
_DRAWS_PER_CHECKPOINT: Final = 32

Progress = Callable[[int, int], None]


class PlacementError(ValueError):
    """What is asked of a placement makes no sense; the message says what."""


@dataclass(frozen=True)
class PlacementParameters:
    """How plants are drawn. Sizes are even between size_min_mw and size_max_mw.

    plants_max: a draw ends there with nothing binding. power_factor, absorbs_reactive: as for Hosting.capacity.

    :raises PlacementError: if a figure is out of range
    """

    seed: int
    draws: int
    size_min_mw: float
    size_max_mw: float
    power_factor: float = 1.0
    absorbs_reactive: bool = True
    plants_max: int = 5000

    def __post_init__(self) -> None:
        if self.seed < 0 or self.draws < 1 or self.plants_max < 1:
            raise PlacementError("a placement needs a seed of 0 or more, at least one draw and one plant")
        if not 0 < self.size_min_mw <= self.size_max_mw < np.inf:
            raise PlacementError(f"plants of {self.size_min_mw} to {self.size_max_mw} MW cannot be drawn")


@dataclass(frozen=True, eq=False)
class Placement:
    """What the draws found, arrays of shape (n_draws,).

    total_mw, plants: of those that fit. kind, element: what the next plant would have breached. hour: in which of the
    hours given, -1 where nothing binds. placed_mw: (n_draws, n_sites), by bus of `bus`. vm_pu: (n_percentiles,
    n_buses), PERCENTILES over draws of each bus's voltage with the plants that fit, in the hour that binds (the first
    where nothing does).
    """

    bus: Names
    total_mw: FloatArray
    plants: Int64Array
    kind: tuple[BindingKind, ...]
    element: Names
    hour: Int64Array
    placed_mw: FloatArray
    vm_pu: FloatArray

    def __post_init__(self) -> None:
        freeze(self)

    def percentile_mw(self, percent: float) -> float:
        """Return the least capacity among the draws that `percent` of them do not exceed."""
        return float(np.percentile(self.total_mw, percent, method="inverted_cdf"))


def place_plants(
    hosting: Hosting,
    p_mw: FloatArray,
    q_mvar: FloatArray,
    *,
    buses: Int64Array,
    parameters: PlacementParameters,
    checkpoint: Path | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Placement:
    """Return what random placement at the buses finds.

    :param p_mw, q_mvar: base state of each hour, (n_hours, n_buses); every hour's limits must hold
    :param buses: positions of the buses that plants may come to
    :param checkpoint: kept up to date; if it is there, the run goes on from it and gives the same
    :param progress: called with draws done and draws in all
    :raises PlacementError: if no bus is given, or one twice
    :raises NoBaseStateError: if an hour has no solution before any plant is added
    :raises CheckpointError: if the checkpoint is of another run
    """
    if not buses.size or np.unique(buses).size != buses.size:
        raise PlacementError("plants need buses to come to, each named once")
    draws = _Draws(hosting, p_mw, q_mvar, buses, parameters)
    if checkpoint is not None and checkpoint.exists():
        draws.take_state(read_checkpoint(checkpoint, draws.state()))
    while draws.done < parameters.draws:
        draws.run(min(draws.done + _DRAWS_PER_CHECKPOINT, parameters.draws))
        if checkpoint is not None:
            write_checkpoint(checkpoint, draws.state())
        progress(draws.done, parameters.draws)
    return draws.result()


class _Draws:
    """All draws of one placement, and what those done so far found."""

    def __init__(
        self, hosting: Hosting, p_mw: FloatArray, q_mvar: FloatArray, buses: Int64Array, parameters: PlacementParameters
    ) -> None:
        self._hosting, self._buses, self._parameters = hosting, buses, parameters
        states = hosting.base_states(p_mw, q_mvar)
        self._power = np.stack([state.power for state in states])
        self._base_v = np.stack([state.v for state in states])
        self._limits = _stacked([state.limits for state in states])
        self._direction = plant_direction(parameters.power_factor, absorbs_reactive=parameters.absorbs_reactive)
        self._node = hosting.power_flow.model.node_of_bus[buses]
        self.done = 0
        n_draws = parameters.draws
        self._plants = np.zeros(n_draws, dtype=np.int64)
        self._binding = np.full(n_draws, NOTHING_BINDS, dtype=np.int64)
        self._hour = np.full(n_draws, -1, dtype=np.int64)
        self._placed_mw = np.zeros((n_draws, buses.size))

    def run(self, stop: int) -> None:
        """Carry draws done..stop-1 to their ends, side by side."""
        running = [_Draw(number, self._buses.size, self._parameters) for number in range(self.done, stop)]
        n_hours = len(self._power)
        v = {draw.number: self._base_v for draw in running}
        while running:
            size = max(1, self._scenarios_per_batch() // (_STEPS * n_hours))
            for start in range(0, len(running), size):
                self._advance(running[start : start + size], v)
            running = [draw for draw in running if not draw.ended]
        self.done = stop

    def result(self) -> Placement:
        """Return what was found, once all draws are done."""
        bindings = [self._hosting.limits.binding(number) for number in self._binding.tolist()]
        names = self._hosting.power_flow.network.buses.name
        return Placement(
            bus=tuple(names[bus] for bus in self._buses.tolist()),
            total_mw=self._placed_mw.sum(axis=1) * BASE_MVA,
            plants=self._plants,
            kind=tuple(binding.kind for binding in bindings),
            element=tuple(binding.element for binding in bindings),
            hour=self._hour,
            placed_mw=self._placed_mw,
            vm_pu=self._voltages(),
        )

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """Return all that a checkpoint must hold."""
        return {
            "done": np.array(self.done),
            "plants": self._plants,
            "binding": self._binding,
            "hour": self._hour,
            "placed_mw": self._placed_mw,
        }

    def take_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a checkpoint."""
        self.done = int(state["done"])
        self._plants, self._binding, self._hour = state["plants"], state["binding"], state["hour"]
        self._placed_mw = state["placed_mw"]

    def _advance(self, draws: "list[_Draw]", v: dict[int, ComplexArray]) -> None:
        """Give each draw up to _STEPS more plants; end those that a limit stops.

        :param v: voltages of each draw with what it has, (n_hours, n_nodes), kept up to date
        """
        n_hours, n_nodes = self._base_v.shape
        steps = [draw.next_plants(_STEPS) for draw in draws]
        placed = np.concatenate(
            [
                self._placed_mw[draw.number] + _added(plants, self._buses.size)
                for draw, plants in zip(draws, steps, strict=True)
            ]
        )
        after = self._solved(placed).reshape(-1, n_hours, n_nodes)
        start = 0
        for draw, plants in zip(draws, steps, strict=True):
            own = after[start : start + len(plants)]
            before = np.concatenate([v[draw.number][np.newaxis], own[:-1]])
            self._take_fitting(draw, placed[start : start + len(plants)], before, own)
            v[draw.number] = own[-1]
            start += len(plants)

    def _take_fitting(self, draw: "_Draw", placed: FloatArray, before: ComplexArray, after: ComplexArray) -> None:
        """Note which of a draw's next plants fit; end the draw at the first that does not."""
        for step in range(len(placed)):
            share, binding = self._hosting.limits.first_breach(before[step], after[step], self._limits)
            if np.isfinite(share).any():
                hour = int(share.argmin())
                self._binding[draw.number], self._hour[draw.number] = binding[hour], hour
                draw.ended = True
                return
            self._placed_mw[draw.number] = placed[step]
            self._plants[draw.number] += 1
        draw.ended = draw.drawn >= self._parameters.plants_max

    def _solved(self, placed_mw: FloatArray) -> ComplexArray:
        """Return the voltages with plants at the sites, (n, n_sites), in every hour; NaN where there is no solution."""
        n_hours = len(self._power)
        added = np.zeros((len(placed_mw), self._power.shape[1]), dtype=np.complex128)
        for site, node in enumerate(self._node.tolist()):  # sites may share a node
            added[:, node] += placed_mw[:, site] / BASE_MVA * self._direction
        power = (self._power[np.newaxis] + added[:, np.newaxis]).reshape(len(placed_mw) * n_hours, -1)
        solved = self._hosting.power_flow.voltages(NodeInjections(np.ascontiguousarray(power.T)))
        return np.where(solved.converged[:, np.newaxis], solved.v, np.nan)

    def _scenarios_per_batch(self) -> int:
        return min(512, _VALUES_PER_BATCH // int(self._base_v.shape[1]))

    def _voltages(self) -> FloatArray:
        """Return percentiles over draws of each bus's voltage at the end, (n_percentiles, n_buses)."""
        model = self._hosting.power_flow.model
        vm = np.empty((self.done, model.n_nodes))
        n_hours = len(self._power)
        size = max(1, self._scenarios_per_batch() // n_hours)
        for start in range(0, self.done, size):
            v = self._solved(self._placed_mw[start : start + size]).reshape(-1, n_hours, model.n_nodes)
            hour = np.maximum(self._hour[start : start + size], 0)
            vm[start : start + size] = np.abs(v[np.arange(len(v)), hour])
        found = np.percentile(vm, PERCENTILES, axis=0, method="inverted_cdf")
        return np.asarray(found[:, model.node_of_bus], dtype=np.float64)


class _Draw:
    """One draw: its random plants, one after another."""

    def __init__(self, number: int, n_sites: int, parameters: PlacementParameters) -> None:
        self.number, self.ended, self.drawn = number, False, 0
        self._n_sites, self._parameters = n_sites, parameters
        self._generator = np.random.default_rng([parameters.seed, number])
        self._order = np.zeros(0, dtype=np.int64)

    def next_plants(self, count: int) -> list[tuple[int, float]]:
        """Return the next plants: site and MW; fewer where the draw ends."""
        count = min(count, self._parameters.plants_max - self.drawn)
        plants = []
        for _plant in range(count):
            if not self._order.size:
                self._order = self._generator.permutation(self._n_sites)
            size_mw = self._generator.uniform(self._parameters.size_min_mw, self._parameters.size_max_mw)
            plants.append((int(self._order[0]), float(size_mw)))
            self._order = self._order[1:]
        self.drawn += count
        return plants


def _added(plants: list[tuple[int, float]], n_sites: int) -> FloatArray:
    """Return what stands at each site after each of the plants, (n_plants, n_sites)."""
    added = np.zeros((len(plants), n_sites))
    for step, (site, size_mw) in enumerate(plants):
        added[step, site] = size_mw
    return np.cumsum(added, axis=0)


def _stacked(limits: list[Limits]) -> Limits:
    """Return the limits of several hours as one, (n_hours, ...)."""
    first = limits[0]
    return Limits(
        v_high=np.stack([one.v_high for one in limits]),
        v_low=np.stack([one.v_low for one in limits]),
        loading=np.stack([one.loading for one in limits]),
        from_ka=first.from_ka,
        to_ka=first.to_ka,
    )
