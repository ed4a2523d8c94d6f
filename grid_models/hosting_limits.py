"""The limits that hosting capacity keeps: voltages of nodes and currents of branches, and what a state breaches first.

What is outside its limit already in the base state is limited there to what it is, and a little more, so that one
breach does not make the capacity 0 everywhere.

Limits are numbered: a node's high voltage by the node, its low one by n_nodes + node, a branch's current by
2 n_nodes + branch.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import scipy.sparse

from grid_models.admittance import Admittance, ComplexArray
from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.hosting_search import BaseState, Limits
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow, rated_currents_ka

NOTHING_BINDS: Final = -1
NO_SOLUTION: Final = -2


class BindingKind(Enum):
    """Which kind of limit binds."""

    VOLTAGE_HIGH = "voltage-high"
    VOLTAGE_LOW = "voltage-low"
    CURRENT = "current"
    NO_SOLUTION = "no-solution"
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


@dataclass(frozen=True)
class Binding:
    """A limit by name. element: of the bus, line or transformer, "" for none. limit: volts or kA, inf for none."""

    kind: BindingKind
    element: str
    limit: float


class NetworkLimits:
    """The limits of one network, by node and branch.

    v_high, v_low: pu, the tightest of the buses of each node. from_ka, to_ka: permitted current at the ends of each
    branch, inf where there is no rating. current_matrices: (n_branches, n_nodes) each; times voltages they give the
    currents into the branches at their from and to ends, as shares of what is permitted there.
    """

    def __init__(self, power_flow: PowerFlow, parameters: HostingLimits | None = None) -> None:
        network, model = power_flow.network, power_flow.model
        parameters = parameters or HostingLimits()
        self._network = network
        self._model: Admittance = model
        self._branch_names = (*network.lines.name, *network.transformers.name)
        self._slack = parameters.worsening_per_mille / 1000
        self.from_ka, self.to_ka = _rated_ka(network, parameters)
        buses, node = network.buses, model.node_of_bus
        high, low = buses.v_max_v / (buses.vn_kv * 1e3), buses.v_min_v / (buses.vn_kv * 1e3)
        self.v_high, self.v_low = np.full(model.n_nodes, np.inf), np.zeros(model.n_nodes)
        np.minimum.at(self.v_high, node, high)
        np.maximum.at(self.v_low, node, low)
        self.current_matrices = _current_matrices(model, self.from_ka, self.to_ka)
        self._high_bus = _bus_of_limit(node, high, self.v_high)
        self._low_bus = _bus_of_limit(node, low, self.v_low)

    def currents(self, v: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Return the currents into every branch at both ends as shares of what is permitted there.

        :param v: shape (..., n_nodes); the result's last axis is the branches
        """
        flat = v.reshape(-1, v.shape[-1]).T
        at_from, at_to = (np.asarray((ends @ flat).T) for ends in self.current_matrices)
        shape = (*v.shape[:-1], at_from.shape[-1])
        return at_from.reshape(shape), at_to.reshape(shape)

    def loading(self, v: ComplexArray) -> FloatArray:
        """Return the share of the permitted current of each branch, the larger of its ends; shapes as `currents`."""
        return np.asarray(np.maximum(*map(np.abs, self.currents(v))), dtype=np.float64)

    def in_state(self, v: ComplexArray) -> Limits:
        """Return the limits that count on top of base states v, (..., n_nodes): none tighter than the state is."""
        v_high, v_low = self.of_voltages(np.abs(v))
        return Limits(
            v_high=v_high, v_low=v_low, loading=self.of_loading(self.loading(v)), from_ka=self.from_ka, to_ka=self.to_ka
        )

    def of_voltages(self, vm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the highest and lowest voltages permitted on top of base voltages, pu, (..., n_nodes)."""
        v_high = np.where(vm >= self.v_high, vm + self._slack * np.minimum(self.v_high, 2.0), self.v_high)
        return v_high, np.where(vm <= self.v_low, vm - self._slack * self.v_low, self.v_low)

    def of_loading(self, loading: FloatArray) -> FloatArray:
        """Return the loading permitted on top of a base loading."""
        return np.where(loading >= 1.0, loading + self._slack, 1.0)

    def base_state(self, power: ComplexArray, v: ComplexArray) -> BaseState:
        """Return one hour's base state with its limits."""
        return BaseState(power=power, v=v, loading=self.loading(v), limits=self.in_state(v))

    def first_breach(self, before: ComplexArray, after: ComplexArray, limits: Limits) -> tuple[FloatArray, Int64Array]:
        """Return where on the way from states to others the first limit is breached, and which.

        Magnitudes are taken to move evenly, so the place is an estimate; whether there is a breach is exact.

        :param before: states that keep the limits, shape (n, n_nodes) or (n_nodes,)
        :param after: shape (n, n_nodes); a state that is not finite has no solution
        :param limits: of shape (n, ...) or (...,)
        :return: share of the way, inf where nothing is breached, 0 where there is no solution; and the limit's number,
            NOTHING_BINDS or NO_SOLUTION
        """
        share = np.full(len(after), np.inf)
        binding = np.full(len(after), NOTHING_BINDS, dtype=np.int64)
        breached = np.flatnonzero(~self.keeps(after, limits))
        if not breached.size:
            return share, binding
        old, new = before if before.ndim == 1 else before[breached], after[breached]
        high, low, loading = (
            values if values.ndim == 1 else values[breached] for values in (limits.v_high, limits.v_low, limits.loading)
        )
        reached = np.concatenate(
            [
                _share_reached(np.abs(old), np.abs(new), high),
                _share_reached(-np.abs(old), -np.abs(new), -low),
                _share_reached(self.loading(old), self.loading(new), loading),
            ],
            axis=1,
        )
        first = reached.argmin(axis=1)
        solved = np.isfinite(new).all(axis=1)
        share[breached] = np.where(solved, reached[np.arange(breached.size), first], 0.0)
        binding[breached] = np.where(solved, first, NO_SOLUTION)
        return share, binding

    def keeps(self, v: ComplexArray, limits: Limits) -> BoolArray:
        """Return whether each state, (n, n_nodes), keeps every limit; one that is not finite does not."""
        vm2 = v.real**2 + v.imag**2
        kept = np.array(((vm2 <= limits.v_high**2) & (vm2 >= limits.v_low**2)).all(axis=1), dtype=np.bool_)
        chosen = np.flatnonzero(kept)
        permitted = limits.loading if limits.loading.ndim == 1 else limits.loading[chosen]
        kept[chosen] = (self.loading(v[chosen]) <= permitted).all(axis=1)
        return kept

    def binding(self, number: int) -> Binding:
        """Return a limit by its number."""
        n_nodes, buses = self._model.n_nodes, self._network.buses
        if number == NO_SOLUTION:
            return Binding(BindingKind.NO_SOLUTION, "", np.inf)
        if number < 0:
            return Binding(BindingKind.NO_LIMIT, "", np.inf)
        if number >= 2 * n_nodes:
            branch = number - 2 * n_nodes
            return Binding(BindingKind.CURRENT, self._branch_names[branch], float(self.from_ka[branch]))
        if number >= n_nodes:
            bus = int(self._low_bus[number - n_nodes])
            return Binding(BindingKind.VOLTAGE_LOW, buses.name[bus], float(buses.v_min_v[bus]))
        bus = int(self._high_bus[number])
        return Binding(BindingKind.VOLTAGE_HIGH, buses.name[bus], float(buses.v_max_v[bus]))

    def breaches(self, v: ComplexArray) -> tuple[ExistingBreach, ...]:
        """Return what one state, (n_nodes,), breaches."""
        vm = np.abs(v)
        return tuple(breach for _, breach in self.peak_breaches(np.concatenate([vm, -vm, self.loading(v)])))

    def peak_breaches(self, peak: FloatArray) -> list[tuple[int, ExistingBreach]]:
        """Return what peaks breach, each with its position among them.

        :param peak: each node's highest voltage, then minus its lowest, then each branch's highest loading
        """
        n_nodes = self._model.n_nodes
        limit = np.concatenate([self.v_high, -self.v_low, np.ones(peak.size - 2 * n_nodes)])
        found = []
        for number in np.flatnonzero(peak > limit).tolist():
            binding = self.binding(number)
            value, bound = abs(float(peak[number])), abs(float(limit[number]))
            found.append((number, ExistingBreach(binding.element, binding.kind, value, bound)))
        return found


def plant_direction(power_factor: float, *, absorbs_reactive: bool) -> complex:
    """Return the power of a plant per MW, such as 1 - 0.33j.

    :param power_factor: in (0, 1]
    :param absorbs_reactive: whether the plant takes reactive power, which lowers the voltage, or feeds it
    :raises ValueError: if the power factor is out of range
    """
    if not 0 < power_factor <= 1:
        raise ValueError(f"power factor {power_factor} is not above 0 and at most 1")
    return complex(1.0, float(np.tan(np.arccos(power_factor))) * (-1.0 if absorbs_reactive else 1.0))


def _share_reached(before: FloatArray, after: FloatArray, limit: FloatArray) -> FloatArray:
    """Return how far on the way each value comes to its upper limit; inf where it stays below."""
    way = after - before
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip((limit - before) / way, 0.0, 1.0)
        return np.asarray(np.where(after > limit, share, np.inf), dtype=np.float64)


def _rated_ka(network: Network, parameters: HostingLimits) -> tuple[FloatArray, FloatArray]:
    """Return the permitted current at both ends of every branch, kA; inf where there is no rating."""
    per_mille = (parameters.line_per_mille, parameters.transformer_per_mille)
    share = np.repeat(per_mille, (len(network.lines), len(network.transformers))) / 1000
    at_from, at_to = (np.where(end > 0, end * share, np.inf) for end in rated_currents_ka(network))
    return at_from, at_to


def _current_matrices(
    model: Admittance, from_ka: FloatArray, to_ka: FloatArray
) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    branches = model.branches
    row = np.tile(np.arange(len(branches)), 2)
    column = np.concatenate([branches.from_node, branches.to_node])
    shape = (len(branches), model.n_nodes)
    from_share, to_share = branches.from_base_ka / from_ka, branches.to_base_ka / to_ka
    at_from = np.concatenate([branches.yff * from_share, branches.yft * from_share])
    at_to = np.concatenate([branches.ytf * to_share, branches.ytt * to_share])
    return (
        scipy.sparse.csr_matrix((at_from, (row, column)), shape=shape),
        scipy.sparse.csr_matrix((at_to, (row, column)), shape=shape),
    )


def _bus_of_limit(node_of_bus: Int64Array, of_bus: FloatArray, of_node: FloatArray) -> Int64Array:
    """Return for each node the first of its buses that has the node's limit."""
    bus = np.full(of_node.size, -1, dtype=np.int64)
    holds = np.flatnonzero(of_bus == of_node[node_of_bus])[::-1]
    bus[node_of_bus[holds]] = holds
    return bus
