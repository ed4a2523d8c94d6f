"""Hosting capacity: how much a new plant at each bus may feed in before a limit binds, and which.

One AC power flow with a trial plant gives the way that every voltage and branch current takes; on it the first limit is
found by a quadratic equation, and the next trial stands there. Three or four power flows replace a bisection. With the
kernel, trials are solved on the bus's way to the feeding point alone, and a full AC power flow certifies each; what
that moves by more than the tolerance is solved again in full.

Limits: each bus's voltage band in volts, each branch's rating. What is outside its limit already in the base state is
listed and does not make the capacity 0 everywhere: there the base state, and a little more, is the limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from grid_models.admittance import BASE_MVA, ComplexArray
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, freeze
from grid_models.hosting_search import BaseState, Limits, SearchResult, search
from grid_models.networks import Network
from grid_models.power_flow import NonConvergence, PowerFlow, rated_currents_ka

NOTHING_BINDS_MW: Final = 1e6


class BindingKind(Enum):
    """Which kind of limit binds."""

    VOLTAGE_HIGH = "voltage-high"
    VOLTAGE_LOW = "voltage-low"
    CURRENT = "current"
    NO_LIMIT = "no-limit"
    NOT_CERTIFIED = "not-certified"


@dataclass(frozen=True)
class HostingLimits:
    """Permitted share of the rated current of lines and transformers, per mille.

    worsening_per_mille: how much an element that is outside its limit already may still get worse, of the limit.
    """

    line_per_mille: int = 1000
    transformer_per_mille: int = 1000
    worsening_per_mille: int = 1


@dataclass(frozen=True)
class ExistingBreach:
    """What is outside its limit before any plant is added. value, limit: pu of vn_kv, or share of the rated current."""

    element: str
    kind: BindingKind
    value: float
    limit: float


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
        self._power_flow = power_flow
        self._network = power_flow.network
        self._parameters = limits or HostingLimits()
        self._branch_names = (*self._network.lines.name, *self._network.transformers.name)
        self._rated_ka = _rated_ka(self._network, self._parameters)
        node = power_flow.model.node_of_bus
        n_nodes = power_flow.model.n_nodes
        buses = self._network.buses
        high, low = buses.v_max_v / (buses.vn_kv * 1e3), buses.v_min_v / (buses.vn_kv * 1e3)
        self._v_high, self._v_low = np.full(n_nodes, np.inf), np.zeros(n_nodes)
        np.minimum.at(self._v_high, node, high)
        np.maximum.at(self._v_low, node, low)
        self._high_bus = _bus_of_limit(node, high, self._v_high)
        self._low_bus = _bus_of_limit(node, low, self._v_low)

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
        if not 0 < power_factor <= 1:
            raise ValueError(f"power factor {power_factor} is not above 0 and at most 1")
        tangent = np.tan(np.arccos(power_factor)) * (-1.0 if absorbs_reactive else 1.0)
        model = self._power_flow.model
        if buses is None:
            held = np.isin(model.node_of_bus, model.source_node)
            buses = np.flatnonzero(~held & ~self._network.buses.star_point).astype(np.int64)
        nodes, number = np.unique(model.node_of_bus[buses], return_inverse=True)
        free = ~np.isin(nodes, model.source_node)
        best = _Best.of(nodes.size)
        breaches = []
        injections = self._power_flow.node_injections(p_mw, q_mvar)
        solved = self._power_flow.voltages(injections)
        for hour in range(len(p_mw)):
            if not solved.converged[hour]:
                failure = self._power_flow.solve(p_mw[hour : hour + 1], q_mvar[hour : hour + 1]).failures[0]
                raise NoBaseStateError(_no_base_state(hour, failure))
            base = self._base_state(np.ascontiguousarray(injections.power[:, hour]), solved.v[hour])
            found = search(self._power_flow, base, nodes[free].astype(np.int64), complex(1.0, tangent))
            best.take(np.flatnonzero(free), found, hour)
            breaches.append(self._breaches(base))
        return self._named(buses, number, best, tuple(breaches))

    def base_limits(self, p_mw: FloatArray, q_mvar: FloatArray) -> Limits:
        """Return the limits that count in one hour's state, shape (1, n_buses) each: none tighter than the state is.

        :raises NoBaseStateError: if it has no solution
        """
        injections = self._power_flow.node_injections(p_mw, q_mvar)
        solved = self._power_flow.voltages(injections)
        if not solved.converged[0]:
            raise NoBaseStateError(_no_base_state(0, self._power_flow.solve(p_mw, q_mvar).failures[0]))
        return self._base_state(np.ascontiguousarray(injections.power[:, 0]), solved.v[0]).limits

    def _base_state(self, power: ComplexArray, v: ComplexArray) -> BaseState:
        """Return the base state with limits no tighter than what it already is, and a little more."""
        branches = self._power_flow.model.branches
        v_from, v_to = v[branches.from_node], v[branches.to_node]
        i_from = np.abs(branches.yff * v_from + branches.yft * v_to) * branches.from_base_ka / self._rated_ka[0]
        i_to = np.abs(branches.ytf * v_from + branches.ytt * v_to) * branches.to_base_ka / self._rated_ka[1]
        loading = np.maximum(i_from, i_to)
        slack = self._parameters.worsening_per_mille / 1000
        vm = np.abs(v)
        return BaseState(
            power=power,
            v=v,
            loading=loading,
            limits=Limits(
                v_high=np.where(vm >= self._v_high, vm + slack * np.minimum(self._v_high, 2.0), self._v_high),
                v_low=np.where(vm <= self._v_low, vm - slack * self._v_low, self._v_low),
                loading=np.where(loading >= 1.0, loading + slack, 1.0),
                from_ka=self._rated_ka[0],
                to_ka=self._rated_ka[1],
            ),
        )

    def _breaches(self, base: BaseState) -> tuple[ExistingBreach, ...]:
        vm = np.abs(base.v)
        names = self._network.buses.name
        found = [
            ExistingBreach(names[self._high_bus[node]], BindingKind.VOLTAGE_HIGH, float(vm[node]), float(limit))
            for node, limit in _outside(vm > self._v_high, self._v_high)
        ]
        found += [
            ExistingBreach(names[self._low_bus[node]], BindingKind.VOLTAGE_LOW, float(vm[node]), float(limit))
            for node, limit in _outside(vm < self._v_low, self._v_low)
        ]
        found += [
            ExistingBreach(self._branch_names[branch], BindingKind.CURRENT, float(base.loading[branch]), float(limit))
            for branch, limit in _outside(base.loading > 1.0, np.ones(base.loading.size))
        ]
        return tuple(found)

    def _named(
        self,
        buses: Int64Array,
        number: Int64Array,
        best: "_Best",
        breaches: tuple[tuple[ExistingBreach, ...], ...],
    ) -> HostingCapacity:
        network = self._network
        n_nodes = self._power_flow.model.n_nodes
        kinds, elements, limits = [], [], []
        for binding, certified in zip(best.binding.tolist(), best.certified.tolist(), strict=True):
            kind, element, limit = BindingKind.NO_LIMIT, "", np.inf
            if not certified:
                kind = BindingKind.NOT_CERTIFIED
            elif binding >= 2 * n_nodes:
                branch = binding - 2 * n_nodes
                kind, element, limit = BindingKind.CURRENT, self._branch_names[branch], float(self._rated_ka[0][branch])
            elif binding >= n_nodes:
                bus = int(self._low_bus[binding - n_nodes])
                kind, element, limit = BindingKind.VOLTAGE_LOW, network.buses.name[bus], network.buses.v_min_v[bus]
            elif binding >= 0:
                bus = int(self._high_bus[binding])
                kind, element, limit = BindingKind.VOLTAGE_HIGH, network.buses.name[bus], network.buses.v_max_v[bus]
            kinds.append(kind)
            elements.append(element)
            limits.append(limit)
        return HostingCapacity(
            bus=tuple(network.buses.name[bus] for bus in buses.tolist()),
            capacity_mw=best.power[number] * BASE_MVA,
            kind=tuple(kinds[position] for position in number.tolist()),
            element=tuple(elements[position] for position in number.tolist()),
            limit=np.array(limits, dtype=np.float64)[number],
            scenario=best.hour[number],
            certified=best.certified[number],
            breaches=breaches,
        )


@dataclass(frozen=True, eq=False)
class HostingLevels:
    """Room kept apart: with the plants that exist, and when those registered are connected too."""

    existing: HostingCapacity
    with_registered: HostingCapacity


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


class _Best:
    """The least capacity of each node over the hours so far."""

    def __init__(self, power: FloatArray, binding: Int64Array, hour: Int64Array, certified: BoolArray) -> None:
        self.power, self.binding, self.hour, self.certified = power, binding, hour, certified

    @classmethod
    def of(cls, n: int) -> "_Best":
        none = np.full(n, -1, dtype=np.int64)
        return cls(np.full(n, np.inf), none, none.copy(), np.ones(n, dtype=np.bool_))

    def take(self, rows: Int64Array, found: SearchResult, hour: int) -> None:
        """Take over what is less in this hour; of equals the earlier hour stays."""
        less = found.power < self.power[rows]
        self.power[rows[less]] = found.power[less]
        self.binding[rows[less]] = found.binding[less]
        self.hour[rows[less]] = hour
        self.certified[rows] &= found.certified


def _rated_ka(network: Network, parameters: HostingLimits) -> tuple[FloatArray, FloatArray]:
    """Return the permitted current at both ends of every branch, kA; inf where there is no rating."""
    per_mille = (parameters.line_per_mille, parameters.transformer_per_mille)
    share = np.repeat(per_mille, (len(network.lines), len(network.transformers))) / 1000
    at_from, at_to = (np.where(end > 0, end * share, np.inf) for end in rated_currents_ka(network))
    return at_from, at_to


def _bus_of_limit(node_of_bus: Int64Array, of_bus: FloatArray, of_node: FloatArray) -> Int64Array:
    """Return for each node the first of its buses that has the node's limit."""
    bus = np.full(of_node.size, -1, dtype=np.int64)
    holds = np.flatnonzero(of_bus == of_node[node_of_bus])[::-1]
    bus[node_of_bus[holds]] = holds
    return bus


def _outside(mask: BoolArray, limit: FloatArray) -> list[tuple[int, float]]:
    return [(int(position), float(limit[position])) for position in np.flatnonzero(mask)]


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
