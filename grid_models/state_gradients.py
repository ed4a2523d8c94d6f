"""How a few quantities of a solved state change with the complex nodal voltages: the first half of a sensitivity.

Each quantity q is a real function of the voltages V, so dq = Re(g . dV) with one complex number g for each node that it
looks at: a voltage magnitude at one node, a branch current or power at two. Formulas: d|V| = Re(conj(V) dV) / |V|,
d|I| = Re(conj(I) dI) / |I| with dI = y_own dV_own + y_other dV_other, and P = Re(V_own conj(I)).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from grid_models.admittance import Admittance, ComplexArray
from grid_models.elements import BoolArray, FloatArray, Int64Array


@dataclass(frozen=True, eq=False)
class Gradients:
    """One row a quantity. by_voltage: complex CSR, (n_rows, n_nodes), so that dq = Re(by_voltage @ dV), V in per unit.

    by_source_p: (n_rows,), how much the quantity rises per MW injected at a node that a feeding point holds, where no
    voltage moves: 1 for the export of the whole network, else 0.
    """

    by_voltage: scipy.sparse.csr_matrix
    by_source_p: FloatArray

    def __len__(self) -> int:
        return len(self.by_source_p)

    def combined(self, weights: scipy.sparse.csr_matrix) -> "Gradients":
        """Return the gradients of weighted sums of the quantities.

        :param weights: (n_sums, n_rows), real
        """
        by_source_p = np.asarray(weights @ self.by_source_p, dtype=np.float64)
        return Gradients(scipy.sparse.csr_matrix(weights @ self.by_voltage), by_source_p)


def stacked(*parts: Gradients) -> Gradients:
    """Return the rows of all parts, one below the other."""
    by_voltage = scipy.sparse.vstack([part.by_voltage for part in parts], format="csr")
    return Gradients(by_voltage, np.concatenate([part.by_source_p for part in parts]))


def voltage_gradients(model: Admittance, v: ComplexArray, bus: Int64Array) -> Gradients:
    """Return the gradients of the voltage magnitudes at some buses, pu.

    :param v: (n_nodes,), the state
    """
    node = model.node_of_bus[bus]
    value = np.asarray(np.conj(v[node]) / np.abs(v[node]), dtype=np.complex128)
    return _gradients(model, [(node, value)], bus.size)


def current_gradients(model: Admittance, v: ComplexArray, branch: Int64Array, at_to: BoolArray) -> Gradients:
    """Return the gradients of the current magnitudes at branch ends, kA; 0 where no current flows.

    :param branch: positions of branches: lines, then transformers
    :param at_to: at which end: False its from end (a transformer's high-voltage side), True its to end
    """
    own, other, y_own, y_other = _ends(model, branch, at_to)
    current = y_own * v[own] + y_other * v[other]
    base_ka = np.where(at_to, model.branches.to_base_ka[branch], model.branches.from_base_ka[branch])
    size = np.abs(current)
    direction = np.divide(np.conj(current), size, out=np.zeros_like(current), where=size > 0) * base_ka
    return _gradients(model, [(own, direction * y_own), (other, direction * y_other)], branch.size)


def power_gradients(model: Admittance, v: ComplexArray, branch: Int64Array, at_to: BoolArray) -> Gradients:
    """Return the gradients of the active power from the bus into the branch, MW; parameters as current_gradients."""
    own, other, y_own, y_other = _ends(model, branch, at_to)
    current = y_own * v[own] + y_other * v[other]
    at_own, at_other = np.conj(current) + np.conj(v[own]) * y_own, np.conj(v[own]) * y_other
    return _gradients(model, [(own, at_own), (other, at_other)], branch.size)


def export_gradient(model: Admittance, v: ComplexArray) -> Gradients:
    """Return the gradient of what the whole network exports over its feeding points, MW, one row.

    That is P injected at their nodes less Re(V_s conj((Y V)_s)), V_s being held.
    """
    held = scipy.sparse.csr_matrix(-np.conj(v[model.source_node])[np.newaxis])
    return Gradients(scipy.sparse.csr_matrix(held @ model.matrix.tocsr()[model.source_node]), np.ones(1))


def _ends(
    model: Admittance, branch: Int64Array, at_to: BoolArray
) -> tuple[Int64Array, Int64Array, ComplexArray, ComplexArray]:
    """Return the node of each end and of the other one, and the admittances that make the end's current of both."""
    branches = model.branches
    from_node, to_node = branches.from_node[branch], branches.to_node[branch]
    return (
        np.where(at_to, to_node, from_node),
        np.where(at_to, from_node, to_node),
        np.where(at_to, branches.ytt[branch], branches.yff[branch]),
        np.where(at_to, branches.ytf[branch], branches.yft[branch]),
    )


def _gradients(model: Admittance, entries: list[tuple[Int64Array, ComplexArray]], n_rows: int) -> Gradients:
    every = np.arange(n_rows)
    node = np.concatenate([each for each, _ in entries])
    value = np.concatenate([each for _, each in entries])
    rows = np.concatenate([every for _ in entries])
    by_voltage = scipy.sparse.csr_matrix((value, (rows, node)), shape=(n_rows, model.n_nodes), dtype=np.complex128)
    return Gradients(by_voltage, np.zeros(n_rows))
