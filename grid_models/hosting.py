"""Hosting capacity: how much a new plant at each bus may feed in before a limit binds, and which.

One AC power flow with a trial plant gives the way that every voltage and branch current takes; on it the first limit is
found by a quadratic equation, and the next trial stands there. Three or four power flows replace a bisection. With the
kernel, trials are solved on the bus's way to the feeding point alone, and a full AC power flow certifies each; what
that moves by more than the tolerance is solved again in full.

Limits: each bus's voltage band in volts, each branch's rating (see hosting_limits). What is outside its limit already
in the base state is listed and does not make the capacity 0 everywhere: there the base state, and a little more, is the
limit. For a year of hours see hosting_year, for plants at several buses hosting_placement and hosting_region.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grid_models.admittance import BASE_MVA
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, freeze
from grid_models.hosting_limits import (
    NOTHING_BINDS,
    Binding,
    BindingKind,
    ExistingBreach,
    HostingLimits,
    NetworkLimits,
    plant_direction,
)
from grid_models.hosting_search import BaseState, Limits, SearchResult, search
from grid_models.power_flow import NonConvergence, PowerFlow

__all__ = [
    "BindingKind",
    "ExistingBreach",
    "Hosting",
    "HostingCapacity",
    "HostingLevels",
    "HostingLimits",
    "LeastCapacity",
    "NoBaseStateError",
    "hosting_levels",
    "storage_what_if",
]


@dataclass(frozen=True, eq=False)
class HostingCapacity:
    """Capacity of each bus asked for, MW (inf: nothing binds), and what binds.

    element: name of the binding bus, line or transformer, "" if nothing binds. limit: of the binding element, volts or
    kA. scenario: the hour that binds, a position among those given. certified: whether a full AC power flow confirms
    the figure to within the tolerance.
    """

    bus: Names
    capacity_mw: FloatArray
    kind: tuple[BindingKind, ...]
    element: Names
    limit: FloatArray
    scenario: Int64Array
    certified: BoolArray
    breaches: tuple[tuple[ExistingBreach, ...], ...]

    def __post_init__(self) -> None:
        freeze(self)


class NoBaseStateError(ValueError):
    """The network has no solution before any plant is added; the message names the scenario and the bus."""


class Hosting:
    """Finds hosting capacities of one network.

    :param power_flow: its model
    :param limits: see HostingLimits
    """

    def __init__(self, power_flow: PowerFlow, limits: HostingLimits | None = None) -> None:
        self.power_flow = power_flow
        self.limits = NetworkLimits(power_flow, limits)

    def capacity(
        self,
        p_mw: FloatArray,
        q_mvar: FloatArray,
        *,
        buses: Int64Array | None = None,
        power_factor: float = 1.0,
        absorbs_reactive: bool = True,
    ) -> HostingCapacity:
        """Return the capacity of each bus: the least over the hours given.

        :param p_mw, q_mvar: base state of each hour, shape (n_hours, n_buses), positive into the network; plants that
            exist, and those registered where they shall count, are in it
        :param buses: positions of the buses asked for; default: all that no feeding point holds
        :param power_factor: of the new plant, in (0, 1]
        :param absorbs_reactive: whether the plant takes reactive power, which lowers the voltage, or feeds it
        :raises ValueError: if the power factor is out of range
        :raises NoBaseStateError: if an hour has no solution without the plant
        """
        direction = plant_direction(power_factor, absorbs_reactive=absorbs_reactive)
        least = LeastCapacity(self, self.usual_buses() if buses is None else buses)
        states = self.base_states(p_mw, q_mvar)
        for hour, state in enumerate(states):
            least.take(self.search_state(state, least.nodes, direction), hour)
        return least.named(tuple(self.limits.breaches(state.v) for state in states))

    def usual_buses(self) -> Int64Array:
        """Return the positions of all buses that no feeding point holds and where something can be connected."""
        model = self.power_flow.model
        held = np.isin(model.node_of_bus, model.source_node)
        return np.flatnonzero(~held & ~self.power_flow.network.buses.star_point).astype(np.int64)

    def base_states(self, p_mw: FloatArray, q_mvar: FloatArray) -> tuple[BaseState, ...]:
        """Return the state of each hour without the plant; shapes as for `capacity`.

        :raises NoBaseStateError: if an hour has no solution
        """
        injections = self.power_flow.node_injections(p_mw, q_mvar)
        solved = self.power_flow.voltages(injections)
        failed = np.flatnonzero(~solved.converged)
        if failed.size:
            hour = int(failed[0])
            failure = self.power_flow.solve(p_mw[hour : hour + 1], q_mvar[hour : hour + 1]).failures[0]
            raise NoBaseStateError(_no_base_state(hour, failure))
        return tuple(
            self.limits.base_state(np.ascontiguousarray(injections.power[:, hour]), solved.v[hour])
            for hour in range(len(p_mw))
        )

    def search_state(self, state: BaseState, nodes: Int64Array, direction: complex) -> SearchResult:
        """Return the capacity of each node in one state; a feeding point's node takes whatever comes."""
        free = np.flatnonzero(~np.isin(nodes, self.power_flow.model.source_node))
        power, binding = np.full(nodes.size, np.inf), np.full(nodes.size, NOTHING_BINDS, dtype=np.int64)
        certified = np.ones(nodes.size, dtype=np.bool_)
        if free.size:
            found = search(self.power_flow, state, nodes[free].astype(np.int64), direction)
            power[free], binding[free], certified[free] = found.power, found.binding, found.certified
        return SearchResult(power, binding, certified)

    def base_limits(self, p_mw: FloatArray, q_mvar: FloatArray) -> Limits:
        """Return the limits that count in one hour's state, by node and branch: none tighter than the state is.

        :raises NoBaseStateError: if it has no solution
        """
        return self.base_states(p_mw, q_mvar)[0].limits


class LeastCapacity:
    """The least capacity of each node over the hours so far.

    nodes: the distinct nodes of the buses asked for. power, binding, certified: as in SearchResult; hour: a number that
    the caller gives each hour, -1 where none bound. Arrays of shape (n_nodes asked for,).
    """

    def __init__(self, hosting: Hosting, buses: Int64Array) -> None:
        self._hosting = hosting
        self._buses = buses
        self.nodes, self._number = np.unique(hosting.power_flow.model.node_of_bus[buses], return_inverse=True)
        self.power = np.full(self.nodes.size, np.inf)
        self.binding = np.full(self.nodes.size, NOTHING_BINDS, dtype=np.int64)
        self.hour = np.full(self.nodes.size, -1, dtype=np.int64)
        self.certified = np.ones(self.nodes.size, dtype=np.bool_)

    def take(self, found: SearchResult, hour: int, rows: Int64Array | None = None) -> None:
        """Take over what is less in this hour; of equals the earlier hour stays.

        :param rows: which of the nodes were searched; default: all
        """
        rows = np.arange(self.nodes.size) if rows is None else rows
        less = found.power < self.power[rows]
        less |= (found.power == self.power[rows]) & (self.hour[rows] > hour)
        self.power[rows[less]] = found.power[less]
        self.binding[rows[less]] = found.binding[less]
        self.hour[rows[less]] = hour
        self.certified[rows] &= found.certified

    def of_buses(self, by_node: BoolArray) -> BoolArray:
        """Return what is said of nodes for each bus asked for."""
        return np.asarray(by_node[self._number], dtype=np.bool_)

    def named(self, breaches: tuple[tuple[ExistingBreach, ...], ...]) -> HostingCapacity:
        """Return the capacities by bus, with the names of what binds."""
        limits = self._hosting.limits
        bindings = [
            limits.binding(binding) if certified else Binding(BindingKind.NOT_CERTIFIED, "", np.inf)
            for binding, certified in zip(self.binding.tolist(), self.certified.tolist(), strict=True)
        ]
        numbers = self._number.tolist()
        names = self._hosting.power_flow.network.buses.name
        return HostingCapacity(
            bus=tuple(names[bus] for bus in self._buses.tolist()),
            capacity_mw=self.power[self._number] * BASE_MVA,
            kind=tuple(bindings[number].kind for number in numbers),
            element=tuple(bindings[number].element for number in numbers),
            limit=np.array([bindings[number].limit for number in numbers], dtype=np.float64),
            scenario=self.hour[self._number],
            certified=self.certified[self._number],
            breaches=breaches,
        )


@dataclass(frozen=True, eq=False)
class HostingLevels:
    """Room kept apart: with the plants that exist; once those registered are connected; once storage charges as well.

    with_registered, with_storage: None where there are none.
    """

    existing: HostingCapacity
    with_registered: HostingCapacity | None = None
    with_storage: HostingCapacity | None = None


def hosting_levels(
    hosting: Hosting,
    p_mw: FloatArray,
    q_mvar: FloatArray,
    registered_mw: FloatArray,
    *,
    buses: Int64Array | None = None,
    power_factor: float = 1.0,
) -> HostingLevels:
    """Return the capacity on top of what exists, and on top of what is registered as well.

    :param p_mw, q_mvar: base state of each hour with the existing plants, (n_hours, n_buses)
    :param registered_mw: what the registered plants will feed in, (n_hours, n_buses) or (n_buses,)
    :param buses, power_factor: as for Hosting.capacity
    """
    existing = hosting.capacity(p_mw, q_mvar, buses=buses, power_factor=power_factor)
    later = hosting.capacity(p_mw + registered_mw, q_mvar, buses=buses, power_factor=power_factor)
    return HostingLevels(existing, later)


def _no_base_state(hour: int, failure: NonConvergence) -> str:
    return f"hour {hour} has no solution before any plant is added: bus {failure.bus!r}: {failure.reason}"


def storage_what_if(p_mw: FloatArray, charging_mw: Mapping[int, float] | Sequence[float]) -> FloatArray:
    """Return the base state with storage that charges (row 140): what it takes is load at its bus.

    :param p_mw: shape (n_hours, n_buses)
    :param charging_mw: by bus position, or for all buses
    """
    given = charging_mw if isinstance(charging_mw, Mapping) else dict(enumerate(charging_mw))
    changed = p_mw.copy()
    for bus, charge in given.items():
        changed[:, bus] -= charge
    return changed
