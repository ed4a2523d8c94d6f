"""The elements that an assessment is made for: the balance-unit tree with ratings, voltages and places on the map."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from grid_models.bus_places import bus_places
from grid_models.connectivity import connected_lines
from grid_models.elements import FloatArray, Int64Array, Names, NetworkError, freeze
from grid_models.networks import Network
from grid_models.topology import BalanceUnits, locate_units

Position: TypeAlias = tuple[float, float]


@dataclass(frozen=True, eq=False)
class CapacityUnits:
    """The tree to assess, shape (n_units,) each; position 0 is the county, a parent stands before its children.

    kind: as in the registry ("COUNTY", "STATION", ...). elements: names of the lines or transformers of the edge to the
    parent, ratings_mva: their ratings in that order; () for the county. nominal_kv, upper_kv: nominal voltage of the
    edge's lower and upper side, for the county both of the feeding point. geometry: GeoJSON geometry (WGS 84) or None.
    """

    unit_id: Names
    parent: Int64Array
    kind: Names
    elements: tuple[Names, ...]
    ratings_mva: tuple[tuple[float, ...], ...]
    nominal_kv: FloatArray
    upper_kv: FloatArray
    geometry: tuple[str | None, ...]

    def __post_init__(self) -> None:
        freeze(self)

    def __len__(self) -> int:
        return len(self.unit_id)

    @cached_property
    def rated_mva(self) -> FloatArray:
        """Rating of each unit's edge, all its elements together; the county's is the sum over its children."""
        rated = np.array([sum(ratings) for ratings in self.ratings_mva])
        rated[0] = rated[self.parent == 0].sum()
        rated.flags.writeable = False
        return rated


def capacity_units(
    network: Network,
    *,
    unit_id: Sequence[str],
    parent: Sequence[int],
    kind: Sequence[str],
    elements: Sequence[Sequence[str]],
) -> CapacityUnits:
    """Return the given tree with what the network says of it.

    A station, area or county is a Point, at its busbar; a feeder is a MultiLineString along its closed lines, straight
    from bus to bus. Without coordinates there, or with such that are no longitude and latitude, there is no geometry.

    :param elements: names of the lines and transformers of each unit's edge, none for the root
    :raises TopologyError: if the edges do not part the network into this tree
    :raises NetworkError: if an element has no rating, or no unit hangs below the root
    """
    unit_of_bus = locate_units(network, parent, elements)
    if len(unit_id) < 2:
        raise NetworkError(f"network {network.name!r} has no station, feeder or area to assess")
    edges = _Edges(network)
    source = int(network.sources.bus[0])
    lower = [source] + [edges.side(names[0], unit_of_bus, unit) for unit, names in enumerate(elements) if unit]
    upper = [source] + [edges.side(names[0], unit_of_bus, parent[unit]) for unit, names in enumerate(elements) if unit]
    nominal_kv = network.buses.v_nominal_v / 1e3
    return CapacityUnits(
        unit_id=tuple(unit_id),
        parent=np.array(parent, dtype=np.int64),
        kind=tuple(kind),
        elements=tuple(tuple(names) for names in elements),
        ratings_mva=tuple(tuple(edges.rating_mva(name) for name in names) for names in elements),
        nominal_kv=nominal_kv[lower],
        upper_kv=nominal_kv[upper],
        geometry=_geometries(network, unit_of_bus, kind, elements, lower),
    )


def units_of_network(network: Network, units: BalanceUnits) -> CapacityUnits:
    """Return the balance units that were found in the network; see `capacity_units`."""
    return capacity_units(
        network,
        unit_id=units.unit_id,
        parent=units.parent.tolist(),
        kind=[kind.value for kind in units.kind],
        elements=units.elements,
    )


class _Edges:
    """Lines and transformers by name: their ends and ratings."""

    def __init__(self, network: Network) -> None:
        self._lines, self._transformers = network.lines, network.transformers
        self._line = {name: row for row, name in enumerate(network.lines.name)}
        self._transformer = {name: row for row, name in enumerate(network.transformers.name)}
        self._nominal_kv = network.buses.v_nominal_v / 1e3

    def side(self, name: str, unit_of_bus: Int64Array, unit: int) -> int:
        """Return the bus of the element that lies in the unit."""
        first, second = self._ends(name)
        assert unit in {unit_of_bus[first], unit_of_bus[second]}, "an edge joins a unit and its parent"
        return first if unit_of_bus[first] == unit else second

    def rating_mva(self, name: str) -> float:
        """Return a transformer's rating, or sqrt(3) * nominal kV * kA of a line."""
        if name in self._transformer:
            rating = float(self._transformers.rating_mva[self._transformer[name]])
        else:
            row = self._line[name]
            nominal_kv = self._nominal_kv[self._lines.from_bus[row]]
            rating = float(math.sqrt(3) * nominal_kv * self._lines.max_i_ka[row])
        if not 0 < rating < math.inf:
            raise NetworkError(f"{name!r} has no rating")
        return rating

    def _ends(self, name: str) -> tuple[int, int]:
        if name in self._transformer:
            row = self._transformer[name]
            return int(self._transformers.hv_bus[row]), int(self._transformers.lv_bus[row])
        row = self._line[name]
        return int(self._lines.from_bus[row]), int(self._lines.to_bus[row])


def _geometries(
    network: Network,
    unit_of_bus: Int64Array,
    kind: Sequence[str],
    elements: Sequence[Sequence[str]],
    busbar: Sequence[int],
) -> tuple[str | None, ...]:
    place, lines = _positions(network), network.lines
    edge_of_line = {name: unit for unit, edge in enumerate(elements) for name in edge}
    sections: dict[int, list[tuple[Position, Position]]] = {}
    for row in np.flatnonzero(connected_lines(network) & lines.from_closed & lines.to_closed):
        first, second = (place.get(int(bus)) for bus in (lines.from_bus[row], lines.to_bus[row]))
        unit = edge_of_line.get(lines.name[row], int(unit_of_bus[lines.from_bus[row]]))
        if first is not None and second is not None and first != second:
            sections.setdefault(unit, []).append((first, second))
    return tuple(
        _geometry("MultiLineString", sections.get(unit))
        if kind[unit] == "FEEDER"
        else _geometry("Point", place.get(busbar[unit]))
        for unit in range(len(kind))
    )


def _geometry(kind: str, coordinates: object) -> str | None:
    return None if coordinates is None else json.dumps({"type": kind, "coordinates": coordinates})


def _positions(network: Network) -> Mapping[int, Position]:
    """Return longitude and latitude of each bus, by its position, that has them."""
    places = bus_places(network)
    on_earth = (np.abs(places[:, 0]) <= 180) & (np.abs(places[:, 1]) <= 90)  # false for NaN too
    return {int(bus): (float(places[bus, 0]), float(places[bus, 1])) for bus in np.flatnonzero(on_earth)}
