"""What engines of AC power flow have in common: nodal injections in, complex nodal voltages out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grid_models.admittance import ComplexArray
from grid_models.elements import BoolArray, FloatArray, Int64Array


@dataclass(frozen=True, eq=False)
class NodeInjections:
    """Power into the network at each node, MVA as complex (n_nodes, n_scenarios), each part at 1 pu voltage.

    power: constant power. current: constant current (proportional to the voltage). impedance: constant impedance
    (proportional to its square). The latter two are both given or both absent.
    """

    power: ComplexArray
    current: ComplexArray | None = None
    impedance: ComplexArray | None = None

    @property
    def n_scenarios(self) -> int:
        """Return the number of scenarios."""
        return int(self.power.shape[1])

    def at(self, v: ComplexArray) -> ComplexArray:
        """Return the power that flows in at voltages v, MVA, shape (n_scenarios, n_nodes) like v."""
        if self.current is None or self.impedance is None:
            return np.ascontiguousarray(self.power.T)
        vm = np.abs(v)
        return np.asarray(self.power.T + self.current.T * vm + self.impedance.T * vm**2, dtype=np.complex128)

    def scenarios(self, chosen: Int64Array) -> "NodeInjections":
        """Return the injections of some scenarios only."""
        return NodeInjections(
            self.power[:, chosen],
            None if self.current is None else self.current[:, chosen],
            None if self.impedance is None else self.impedance[:, chosen],
        )


@dataclass(frozen=True, eq=False)
class NodeVoltages:
    """Voltages of every node in per unit, (n_scenarios, n_nodes) complex; rows that did not converge mean nothing.

    reason: for each scenario that did not converge, what the engine said of it.
    """

    v: ComplexArray
    converged: BoolArray
    reason: dict[int, str]


class VoltageSolver(Protocol):
    """An engine, built for one network."""

    def solve(self, injections: NodeInjections) -> NodeVoltages:
        """Return the voltages; a scenario's do not depend on which others are solved with it."""
        ...


def real_parts(values: ComplexArray) -> tuple[FloatArray, FloatArray]:
    """Return real and imaginary part as arrays of their own."""
    return np.ascontiguousarray(values.real), np.ascontiguousarray(values.imag)
