"""Metering points on the network: where their power enters, and which of them lie behind an edge of the unit tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from grid_models.elements import BoolArray, FloatArray, Int64Array, freeze
from grid_models.networks import Network
from grid_models.unit_flows import UnitFlows


class UnknownBusError(ValueError):
    """A metering point at a bus that the network does not have."""


@dataclass(frozen=True, eq=False)
class PointLocations:
    """Where each metering point stands. bus, unit: shape (n_points,), positions. parent: (n_units,)."""

    bus: Int64Array
    unit: Int64Array
    parent: Int64Array
    n_buses: int

    def __post_init__(self) -> None:
        freeze(self)

    def bus_injection(self, point_values: FloatArray) -> FloatArray:
        """Return the points' values summed by bus.

        :param point_values: shape (n_scenarios, n_points)
        :returns: shape (n_scenarios, n_buses)
        """
        return np.ascontiguousarray((self._bus_of_point @ point_values.T).T, dtype=np.float64)

    @cached_property
    def _bus_of_point(self) -> scipy.sparse.csr_matrix:
        n_points = self.bus.size
        return scipy.sparse.csr_matrix(
            (np.ones(n_points), (self.bus, np.arange(n_points))), shape=(self.n_buses, n_points)
        )

    def units_behind(self, unit: int) -> BoolArray:
        """Return which units are the given one or lie below it, shape (n_units,)."""
        behind = np.zeros(self.parent.size, dtype=np.bool_)
        behind[unit] = True
        for position in range(unit + 1, behind.size):
            behind[position] = behind[self.parent[position]]
        return behind

    def points_behind(self, unit: int) -> BoolArray:
        """Return which metering points lie in the unit or below it, shape (n_points,)."""
        return np.asarray(self.units_behind(unit)[self.unit], dtype=np.bool_)


def locate_points(network: Network, flows: UnitFlows, point_bus: Sequence[str]) -> PointLocations:
    """Return where the metering points stand.

    :param point_bus: bus name of each
    :raises UnknownBusError: naming the first bus that the network does not have
    """
    unknown = next((bus for bus in point_bus if bus not in network.bus_position), None)
    if unknown is not None:
        raise UnknownBusError(f"bus {unknown!r} of a metering point is not in the network")
    bus = np.array([network.bus_position[name] for name in point_bus], dtype=np.int64)
    return PointLocations(bus, flows.unit_of_bus[bus], flows.parent, len(network.buses))
