"""The balance-unit tree of a network, found from its switches: county, stations, feeders, transformer areas.

Two ways to it: `balance_units` finds the units, `locate_units` finds where given units (as registered) lie. An open
switch parts: a loop line open at one end belongs to the side to which it is connected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from grid_models.connectivity import connected_lines, connected_transformers, joined_buses, nodes, supplied_buses
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, freeze
from grid_models.networks import Network

LOW_VOLTAGE_BELOW_KV = 1.0
HIGH_VOLTAGE_FROM_KV = 35.0


class UnitKind(Enum):
    """Level of a balance unit; the values are those of edge.contract.registry.UnitKind."""

    COUNTY = "COUNTY"
    STATION = "STATION"
    FEEDER = "FEEDER"
    AREA = "AREA"


class TopologyError(ValueError):
    """A network that is no tree of balance units; the message names the bus or element that makes it none."""


@dataclass(frozen=True, eq=False)
class BalanceUnits:
    """The balance-unit tree, shape (n_units,) each; position 0 is the county, a parent stands before its children.

    unit_id: "county", "station" ("S1".. if several), "F1".., "A001"... parent: position, -1 for the county.
    voltage_class: tariff class. elements: names of the lines or transformers of the edge to the parent, () for the
    county. meter_bus: name of the bus at which the edge is measured: an area on the low-voltage side of its
    transformer, a station at its busbar, a feeder at the station's busbar, the county at the feeding point.
    rating_mw: rating of the edge (transformers by MVA, lines by sqrt(3) * nominal kV * kA), for the county the sum over
    its children (infinite without any). import_limit_mw, export_limit_mw: shares of the rating, active power.
    unit_of_bus: shape (n_buses,), position of the unit in which the bus lies.
    """

    unit_id: Names
    parent: Int64Array
    kind: tuple[UnitKind, ...]
    voltage_class: Names
    elements: tuple[Names, ...]
    meter_bus: Names
    rating_mw: FloatArray
    import_limit_mw: FloatArray
    export_limit_mw: FloatArray
    unit_of_bus: Int64Array

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class _Unit:
    """A unit being found: what it is, one of its buses, the buses it covers and the branches of its edge."""

    kind: UnitKind
    buses: Int64Array
    meter_bus: int
    lines: tuple[int, ...] = ()
    transformers: tuple[int, ...] = ()


def tariff_class(nominal_kv: float) -> str:
    """Return the tariff class of a nominal voltage, as in edge.contract.registry.BalanceUnit.voltage_class."""
    classes = ((1.0, "<1kV"), (35.0, "10(20)kV"), (66.0, "35kV"), (220.0, "110kV"))
    return next((name for below_kv, name in classes if nominal_kv < below_kv), "220kV")


def balance_units(network: Network, import_share: float = 1.0, export_share: float = 0.8) -> BalanceUnits:
    """Return the balance-unit tree of the network: county -> station -> feeder -> transformer area.

    A station is the medium-voltage busbar behind one set of parallel HV/MV transformers; a feeder is what hangs on
    that busbar by one line (or several, where it is run closed); an area is what one MV/LV transformer, or several in
    parallel, feeds. The high-voltage level, meshed or not, is the county's own.

    :param import_share, export_share: limits of each edge as shares of its rating (requirements row 22: 80 % reverse)
    :raises TopologyError: if two ways lead to one unit, or no feeding point reaches a bus
    """
    dark = np.flatnonzero(~supplied_buses(network))
    if dark.size:
        raise TopologyError(f"bus {network.buses.name[int(dark[0])]!r} is not supplied by any feeding point")
    units, parents = _Finder(network).find()
    rating_mw = np.array([_rating_mw(network, unit) for unit in units])
    children = [position for position, parent in enumerate(parents) if parent == 0]
    rating_mw[0] = rating_mw[children].sum() if children else math.inf
    unit_of_bus = np.full(len(network.buses), -1, dtype=np.int64)
    for position, unit in enumerate(units):
        unit_of_bus[unit.buses] = position
    assert (unit_of_bus >= 0).all(), "every supplied bus lies in a unit"
    nominal_kv = network.buses.v_nominal_v / 1e3
    return BalanceUnits(
        unit_id=_unit_ids(units),
        parent=np.array(parents, dtype=np.int64),
        kind=tuple(unit.kind for unit in units),
        voltage_class=tuple(tariff_class(float(nominal_kv[unit.buses[0]])) for unit in units),
        elements=tuple(
            tuple(network.lines.name[line] for line in unit.lines)
            + tuple(network.transformers.name[transformer] for transformer in unit.transformers)
            for unit in units
        ),
        meter_bus=tuple(network.buses.name[unit.meter_bus] for unit in units),
        rating_mw=rating_mw,
        import_limit_mw=rating_mw * import_share,
        export_limit_mw=rating_mw * export_share,
        unit_of_bus=unit_of_bus,
    )


def locate_units(network: Network, parent: Sequence[int], elements: Sequence[Sequence[str]]) -> Int64Array:
    """Return for each bus the position of the given unit in which it lies.

    :param parent: position of each unit's parent, -1 for the root (position 0); parents before children
    :param elements: names of the lines and transformers of each unit's edge, none for the root
    :raises TopologyError: if an element is unknown or open, or the edges do not part the network into this tree
    """
    lines, transformers = connected_lines(network).copy(), connected_transformers(network).copy()
    ends = _branch_ends(network)
    for name in (name for names in elements for name in names):
        if name not in ends:
            raise TopologyError(f"element {name!r} is not a closed line or transformer of the network")
    edge_names = {name for names in elements for name in names}
    lines &= ~np.isin(np.array(network.lines.name, dtype=object), list(edge_names))
    transformers &= ~np.isin(np.array(network.transformers.name, dtype=object), list(edge_names))
    part = joined_buses(network, lines, transformers)
    unit_of_part = {int(part[bus]): 0 for bus in network.sources.bus}
    for unit in range(1, len(parent)):
        reached = {
            part_far
            for name in elements[unit]
            for part_near, part_far in _both_ways(int(part[ends[name][0]]), int(part[ends[name][1]]))
            if unit_of_part.get(part_near) == parent[unit]
        }
        reached -= {part_near for part_near, owner in unit_of_part.items() if owner == parent[unit]}
        if len(reached) != 1 or reached & unit_of_part.keys():
            raise TopologyError(f"the edge {', '.join(elements[unit])} does not lead from its parent to one new unit")
        unit_of_part[reached.pop()] = unit
    lost = next((bus for bus in range(len(network.buses)) if int(part[bus]) not in unit_of_part), None)
    if lost is not None:
        raise TopologyError(f"bus {network.buses.name[lost]!r} lies in no balance unit")
    return np.array([unit_of_part[int(each)] for each in part], dtype=np.int64)


class _Finder:
    """Walks from the feeding points down: zones between transformers, and the feeders inside medium-voltage zones."""

    def __init__(self, network: Network) -> None:
        self._network = network
        kv = network.buses.v_nominal_v / 1e3
        transformers = network.transformers
        self._closed = connected_transformers(network)
        self._lines = connected_lines(network)
        high = kv >= HIGH_VOLTAGE_FROM_KV
        within_high = self._closed & high[transformers.hv_bus] & high[transformers.lv_bus]
        self._kv = kv
        self._parting = self._closed & ~within_high
        self._zone = joined_buses(network, self._lines, within_high)
        self._node = nodes(network)
        self._units: list[_Unit] = []
        self._parents: list[int] = []
        self._unit_of_bus = np.full(len(network.buses), -1, dtype=np.int64)

    def find(self) -> tuple[list[_Unit], list[int]]:
        """Return the units, by depth and then in the order of the network's elements, and their parents."""
        sources = self._network.sources.bus
        if np.unique(self._zone[sources]).size != 1:
            raise TopologyError(
                f"feeding point {self._network.sources.name[1]!r} stands at another level than the first"
            )
        root = _Unit(UnitKind.COUNTY, self._zone_buses(int(self._zone[sources[0]])), int(sources[0]))
        self._add_zone(root, -1, busbar=sources)
        entered = {int(self._zone[sources[0]])}
        done = 0
        while done < len(self._units):
            self._enter_zones_below(done, entered)
            done += 1
        return self._by_depth()

    def _enter_zones_below(self, position: int, entered: set[int]) -> None:
        """Add the zones that transformers at this unit's buses feed; each zone must have one parent unit."""
        network = self._network
        hv_bus, lv_bus = network.transformers.hv_bus, network.transformers.lv_bus
        below: dict[int, list[int]] = {}
        for transformer in np.flatnonzero(self._parting & (self._unit_of_bus[hv_bus] == position)):
            below.setdefault(int(self._zone[lv_bus[transformer]]), []).append(int(transformer))
        for zone, transformers in below.items():
            if zone in entered:
                name = network.transformers.name[transformers[0]]
                raise TopologyError(f"transformer {name!r} leads to buses that another unit feeds already")
            entered.add(zone)
            busbar = lv_bus[transformers]
            low = self._kv[busbar[0]] < LOW_VOLTAGE_BELOW_KV
            kind = UnitKind.AREA if low else UnitKind.STATION
            unit = _Unit(kind, self._zone_buses(zone), int(busbar[0]), transformers=tuple(transformers))
            self._add_zone(unit, position, busbar)

    def _add_zone(self, unit: _Unit, parent: int, busbar: Int64Array) -> None:
        """Add a zone's unit; a medium-voltage zone is parted into its busbar and feeders."""
        kv = self._kv[busbar[0]]
        if not LOW_VOLTAGE_BELOW_KV <= kv < HIGH_VOLTAGE_FROM_KV:
            self._add(unit, parent)
            return
        on_busbar = np.isin(self._node, self._node[busbar])
        kept = unit.buses[on_busbar[unit.buses]]
        self._add(_Unit(unit.kind, kept, unit.meter_bus, unit.lines, unit.transformers), parent)
        position = len(self._units) - 1
        for feeder in self._feeders(unit.buses[~on_busbar[unit.buses]], on_busbar):
            self._add(feeder, position)

    def _feeders(self, buses: Int64Array, on_busbar: BoolArray) -> list[_Unit]:
        """Return the feeders of a zone, ordered by their first line at the busbar."""
        network = self._network
        from_busbar, to_busbar = on_busbar[network.lines.from_bus], on_busbar[network.lines.to_bus]
        no_transformers = np.zeros(len(network.transformers), dtype=np.bool_)
        part = joined_buses(network, self._lines & ~from_busbar & ~to_busbar, no_transformers)
        heads: dict[int, list[int]] = {}
        for line in np.flatnonzero(self._lines & (from_busbar != to_busbar)):
            outer = network.lines.to_bus[line] if from_busbar[line] else network.lines.from_bus[line]
            heads.setdefault(int(part[outer]), []).append(int(line))
        feeders = []
        for feeder_part, lines in heads.items():
            first = lines[0]
            inner = network.lines.from_bus[first] if from_busbar[first] else network.lines.to_bus[first]
            own = buses[part[buses] == feeder_part]
            feeders.append(_Unit(UnitKind.FEEDER, own, int(inner), lines=tuple(lines)))
        return feeders

    def _zone_buses(self, zone: int) -> Int64Array:
        return np.flatnonzero(self._zone == zone)

    def _add(self, unit: _Unit, parent: int) -> None:
        self._unit_of_bus[unit.buses] = len(self._units)
        self._units.append(unit)
        self._parents.append(parent)

    def _by_depth(self) -> tuple[list[_Unit], list[int]]:
        depth: list[int] = []
        for parent in self._parents:
            depth.append(0 if parent < 0 else depth[parent] + 1)
        keys = [
            (depth[position], min(unit.lines, default=-1), min(unit.transformers, default=-1))
            for position, unit in enumerate(self._units)
        ]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        moved_to = {old: new for new, old in enumerate(order)}
        parents = [moved_to.get(self._parents[old], -1) for old in order]
        return [self._units[old] for old in order], parents


def _both_ways(first: int, second: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (first, second), (second, first)


def _branch_ends(network: Network) -> dict[str, tuple[int, int]]:
    lines, transformers = network.lines, network.transformers
    ends = {
        lines.name[line]: (int(lines.from_bus[line]), int(lines.to_bus[line]))
        for line in np.flatnonzero(connected_lines(network))
    }
    ends |= {
        transformers.name[each]: (int(transformers.hv_bus[each]), int(transformers.lv_bus[each]))
        for each in np.flatnonzero(connected_transformers(network))
    }
    return ends


def _rating_mw(network: Network, unit: _Unit) -> float:
    lines, transformers = list(unit.lines), list(unit.transformers)
    nominal_kv = network.buses.v_nominal_v[network.lines.from_bus[lines]] / 1e3
    by_current = math.sqrt(3) * (nominal_kv * network.lines.max_i_ka[lines]).sum()
    return float(by_current + network.transformers.rating_mva[transformers].sum())


def _unit_ids(units: Sequence[_Unit]) -> Names:
    counts = dict.fromkeys(UnitKind, 0)
    stations = sum(unit.kind is UnitKind.STATION for unit in units)
    ids = []
    for unit in units:
        counts[unit.kind] += 1
        number = counts[unit.kind]
        match unit.kind:
            case UnitKind.COUNTY:
                ids.append("county")
            case UnitKind.STATION:
                ids.append("station" if stations == 1 else f"S{number}")
            case UnitKind.FEEDER:
                ids.append(f"F{number}")
            case UnitKind.AREA:
                ids.append(f"A{number:03d}")
    return tuple(ids)
