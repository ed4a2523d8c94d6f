"""Reading pandapower's tables: columns as plain arrays and texts, buses as positions, switches as open ends.

Knows how pandapower writes what is absent (NaN, None, a missing column) and nothing about what the columns mean.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, NetworkError

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame


@dataclass(frozen=True)
class BusPositions:
    """Position of each pandapower bus index in our columns."""

    position: Mapping[int, int]

    def of(self, table: "DataFrame", column: str, kind: str) -> Int64Array:
        """Return the positions of the buses in one column.

        :raises NetworkError: if an element's bus is not in the bus table
        """
        buses = table[column].tolist()
        unknown = next((row for row, bus in enumerate(buses) if bus not in self.position), None)
        if unknown is not None:
            raise NetworkError(f"{kind} {table['name'].iloc[unknown]!r}: bus {buses[unknown]} is not in the network")
        return np.array([self.position[bus] for bus in buses], dtype=np.int64)


def bus_positions(net: "pandapowerNet") -> BusPositions:
    """Return where each bus of the net stands."""
    return BusPositions({int(index): position for position, index in enumerate(net.bus.index)})


def floats(table: "DataFrame", column: str, default: float | None = None) -> FloatArray:
    """Return one column as numbers; `default` stands for what is absent.

    :raises NetworkError: if the column is missing and has no default, or holds what is no number
    """
    if column not in table.columns:
        if default is None:
            raise NetworkError(f"the network file has no column {column!r} where one is needed")
        return np.full(len(table), default)
    try:
        values = np.array(table[column].astype(float), dtype=np.float64)
    except (ValueError, TypeError):
        raise NetworkError(
            f"column {column!r} holds something that is no number: {_no_number(table, column)}"
        ) from None
    if default is not None and not math.isnan(default):
        values[np.isnan(values)] = default
    return values


def texts(table: "DataFrame", column: str) -> Names:
    """Return one column as texts, the empty text where it is absent."""
    if column not in table.columns:
        return ("",) * len(table)
    return tuple(
        "" if absent else str(value) for value, absent in zip(table[column], table[column].isna(), strict=True)
    )


def names(table: "DataFrame", kind: str) -> Names:
    """Return the names of a table's elements.

    :raises NetworkError: if a name is missing or stands twice
    """
    found = texts(table, "name")
    refuse_repeated(found, kind)
    return found


def refuse_repeated(found: Iterable[str], kind: str) -> None:
    """Refuse names of one kind that are missing or stand twice.

    :raises NetworkError: naming the first
    """
    seen: set[str] = set()
    for row, name in enumerate(found):
        if not name:
            raise NetworkError(f"{kind} in row {row} has no name")
        if name in seen:
            raise NetworkError(f"{kind} {name!r} stands twice")
        seen.add(name)


def weight(table: "DataFrame") -> FloatArray:
    """Return by what an element's power is multiplied: its scaling, 0 when out of service."""
    return floats(table, "scaling", 1.0) * floats(table, "in_service", 1.0)


def closed_ends(
    net: "pandapowerNet", kind: Literal["l", "t", "t3"], table: "DataFrame", ends: tuple[str, ...]
) -> tuple[BoolArray, ...]:
    """Return for each end (a bus column of `table`) whether the branches are connected there.

    :raises NetworkError: for a switch at a branch that is not there, or at a bus that its branch does not touch
    """
    in_service = table.in_service.to_numpy().astype(bool)
    closed = {end: in_service.copy() for end in ends}
    row_of = {index: row for row, index in enumerate(table.index)}
    switches = net.switch[(net.switch.et == kind) & ~net.switch.closed.astype(bool)]
    for name, bus, element in zip(switches["name"], switches.bus, switches.element, strict=True):
        if element not in row_of:
            raise NetworkError(f"switch {name!r}: element {element} is not in the network")
        row = row_of[element]
        end = next((end for end in ends if table[end].iloc[row] == bus), None)
        if end is None:
            raise NetworkError(f"switch {name!r}: stands at bus {bus}, which its element does not touch")
        closed[end][row] = False
    return tuple(closed[end] for end in ends)


def _no_number(table: "DataFrame", column: str) -> str:
    for value in table[column]:
        try:
            float(value)
        except (ValueError, TypeError):
            return repr(value)
    return "?"
