"""Order of elimination and triangular factors of a network's nodal matrix, feeding points taken out.

Trees are numbered from their leaves upwards, subtree by subtree, which adds no entry at all; what is left (the meshed
core) by least degree. So every node's later neighbours are its way to the root, and hosting capacity can be found along
that way alone.
"""

import heapq
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import splu

from grid_models.admittance import Admittance, ComplexArray
from grid_models.elements import Int64Array, freeze


@dataclass(frozen=True, eq=False)
class Factors:
    """L U = Y over the nodes that are not feeding points, by elimination order.

    node: node of each position. position: of each node, -1-k at feeding point k. lower: columns of L below its unit
    diagonal, (start, row, value). upper: rows of U beyond its diagonal. inverse_diagonal: 1 / U_jj. constant: what the
    feeding points inject, c. no_load_v: Y^-1 c, the voltages without any injection. parent: next node up the
    elimination tree, -1 at a root.
    """

    node: Int64Array
    position: Int64Array
    lower_start: Int64Array
    lower_row: Int64Array
    lower_value: ComplexArray
    upper_start: Int64Array
    upper_column: Int64Array
    upper_value: ComplexArray
    inverse_diagonal: ComplexArray
    constant: ComplexArray
    no_load_v: ComplexArray
    parent: Int64Array

    def __post_init__(self) -> None:
        freeze(self)

    def __len__(self) -> int:
        return len(self.node)


def factorise(model: Admittance) -> Factors:
    """Return the factors of the model's nodal matrix. Every node must be supplied (see connectivity)."""
    free = np.setdiff1d(np.arange(model.n_nodes), model.source_node)
    matrix = model.matrix.tocsr()
    inner = matrix[free][:, free]
    constant = -(matrix[free][:, model.source_node] @ model.source_v)
    order = elimination_order(inner)
    permuted = inner[order][:, order].tocsc()
    permuted.sort_indices()
    n = len(free)
    position = np.full(model.n_nodes, -1, dtype=np.int64)
    position[free[order]] = np.arange(n)
    position[model.source_node] = -1 - np.arange(model.source_node.size)
    lower, upper, diagonal, no_load_v = _triangles(permuted, constant[order])
    return Factors(
        node=free[order].astype(np.int64),
        position=position,
        lower_start=lower.indptr.astype(np.int64),
        lower_row=lower.indices.astype(np.int64),
        lower_value=lower.data.astype(np.complex128),
        upper_start=upper.indptr.astype(np.int64),
        upper_column=upper.indices.astype(np.int64),
        upper_value=upper.data.astype(np.complex128),
        inverse_diagonal=1 / diagonal,
        constant=constant[order],
        no_load_v=no_load_v,
        parent=_parents(lower, n),
    )


def elimination_order(matrix: scipy.sparse.csr_matrix) -> Int64Array:
    """Return the order, as positions in the matrix: trees from the leaves, then the core by least degree.

    :param matrix: structurally symmetric, shape (n, n)
    """
    neighbours = _neighbours(matrix)
    parent, in_core = _strip_leaves(neighbours)
    children: list[list[int]] = [[] for _ in neighbours]
    for node, above in enumerate(parent):
        if above >= 0:
            children[above].append(node)
    order: list[int] = []
    for root, above in enumerate(parent):
        if above < 0:
            order.extend(_below(root, children))
            if not in_core[root]:
                order.append(root)
    order.extend(_least_degree(neighbours, [node for node, inside in enumerate(in_core) if inside], in_core))
    return np.array(order, dtype=np.int64)


def _neighbours(matrix: scipy.sparse.csr_matrix) -> list[list[int]]:
    pattern = matrix.tocoo()
    linked = (pattern.row != pattern.col) & (pattern.data != 0)
    row, column = pattern.row[linked], pattern.col[linked]
    by_row = np.lexsort((column, row))
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=matrix.shape[0]))])
    sorted_column = column[by_row].tolist()
    return [sorted_column[start[node] : start[node + 1]] for node in range(matrix.shape[0])]


def _strip_leaves(neighbours: list[list[int]]) -> tuple[list[int], list[bool]]:
    """Return each tree node's parent (-1: a root or in the core) and which nodes are left in the core."""
    degree = [len(near) for near in neighbours]
    in_core = [True] * len(neighbours)
    parent = [-1] * len(neighbours)
    leaves = [node for node, count in enumerate(degree) if count <= 1]
    while leaves:
        node = leaves.pop()
        if not in_core[node]:
            continue
        in_core[node] = False
        for near in neighbours[node]:
            if in_core[near]:
                parent[node] = near
                degree[near] -= 1
                if degree[near] == 1:
                    leaves.append(near)
    return parent, in_core


def _below(root: int, children: list[list[int]]) -> list[int]:
    """Return all that hangs below the root, each subtree together and before its own root."""
    found: list[int] = []
    waiting = list(children[root])
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(children[node])
    return found[::-1]


def _least_degree(neighbours: list[list[int]], core: list[int], in_core: list[bool]) -> list[int]:
    near = {node: {other for other in neighbours[node] if in_core[other]} for node in core}
    queue = [(len(others), node) for node, others in near.items()]
    heapq.heapify(queue)
    order: list[int] = []
    while queue:
        degree, node = heapq.heappop(queue)
        if node not in near or degree != len(near[node]):
            continue
        others = near.pop(node)
        order.append(node)
        for other in others:
            near[other] |= others
            near[other] -= {other, node}
            heapq.heappush(queue, (len(near[other]), other))
    return order


def _triangles(
    matrix: scipy.sparse.csc_matrix, right_hand_side: ComplexArray
) -> tuple[scipy.sparse.csc_matrix, scipy.sparse.csr_matrix, ComplexArray, ComplexArray]:
    """Return L without its unit diagonal by column, U without its diagonal by row, that diagonal, and the solution."""
    if matrix.shape[0] == 0:
        return matrix, matrix.tocsr(), right_hand_side, right_hand_side
    options = {"SymmetricMode": True, "Equil": False}
    factors = splu(matrix, permc_spec="NATURAL", diag_pivot_thresh=0.0, options=options)
    every = np.arange(matrix.shape[0])
    assert (factors.perm_r == every).all(), "no pivoting was asked for"
    assert (factors.perm_c == every).all(), "the order was given"
    lower = scipy.sparse.tril(factors.L, -1).tocsc()
    upper = scipy.sparse.triu(factors.U, 1).tocsr()
    lower.sort_indices()
    upper.sort_indices()
    diagonal = np.asarray(factors.U.diagonal(), dtype=np.complex128)
    return lower, upper, diagonal, np.asarray(factors.solve(right_hand_side), dtype=np.complex128)


def _parents(lower: scipy.sparse.csc_matrix, n: int) -> Int64Array:
    parent = np.full(n, -1, dtype=np.int64)
    has_later = np.flatnonzero(np.diff(lower.indptr))
    parent[has_later] = lower.indices[lower.indptr[has_later]]  # indices are sorted, so the first is the least
    return parent
