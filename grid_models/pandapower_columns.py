"""pandapower's tables to our own columns: units made plain, switches folded into the branches, taps into factors.

Reads tables only and computes nothing electrical, so that one place knows pandapower's column names. What the model has
no place for is refused with the element's name, never left out.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from grid_models.elements import (
    BoolArray,
    BusColumns,
    CouplerColumns,
    FloatArray,
    GeneratorColumns,
    Int64Array,
    LineColumns,
    LoadColumns,
    Names,
    NetworkError,
    ShuntColumns,
    SourceColumns,
    StorageColumns,
    TransformerColumns,
    VoltageBand,
)

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

NOMINAL_COLUMN = "v_nominal_kv"
_SUPPORTED = {"bus", "line", "trafo", "ext_grid", "switch", "shunt", "load", "sgen", "storage", "measurement"}
_NEEDED = {
    "bus": ("name", "vn_kv", "in_service"),
    "line": ("name", "from_bus", "to_bus", "length_km", "r_ohm_per_km", "x_ohm_per_km", "in_service"),
    "trafo": ("name", "hv_bus", "lv_bus", "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "in_service"),
    "ext_grid": ("name", "bus", "vm_pu", "in_service"),
    "switch": ("name", "bus", "element", "et", "closed"),
    "shunt": ("name", "bus", "p_mw", "q_mvar"),
    "load": ("name", "bus", "p_mw"),
    "sgen": ("name", "bus", "p_mw"),
    "storage": ("name", "bus", "p_mw"),
}
_CONNECTING = ("bus", "from_bus", "hv_bus", "element")
_TAP_KINDS = ("Ratio", "Symmetrical")
_CONSTANT_POWER_SHARES = ("const_z_percent", "const_i_percent", "const_z_p_percent", "const_i_p_percent",
                          "const_z_q_percent", "const_i_q_percent")  # fmt: skip


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


def refuse_unsupported(net: "pandapowerNet") -> None:
    """Refuse what the columns have no place for.

    :raises NetworkError: naming the first such element, or the table or column that is missing
    """
    for kind, needed in _NEEDED.items():
        missing = next((column for column in needed if column not in getattr(net.get(kind), "columns", ())), None)
        if missing is not None:
            raise NetworkError(f"the table {kind!r} with a column {missing!r} is missing")
    for kind, table in net.items():
        if not hasattr(table, "columns") or kind.startswith(("_", "res_")) or kind in _SUPPORTED or len(table) == 0:
            continue
        if any(column in table.columns for column in _CONNECTING) and "in_service" in table.columns:
            raise NetworkError(f"{kind} {table['name'].iloc[0]!r}: elements of this kind are not modelled")
    asleep = net.bus.loc[~net.bus.in_service.astype(bool), "name"]
    if len(asleep):
        raise NetworkError(f"bus {asleep.iloc[0]!r} is out of service; remove it from the file")
    for column in _CONSTANT_POWER_SHARES:
        shares = _floats(net.load, column, 0.0)
        if shares.any():
            name = net.load["name"].iloc[int(np.flatnonzero(shares)[0])]
            raise NetworkError(f"load {name!r}: {column} is not 0; only constant power is modelled")


def bus_columns(net: "pandapowerNet", bands: tuple[VoltageBand, ...]) -> BusColumns:
    """Return the buses with their limits in volts.

    :raises NetworkError: if a name is missing or stands twice
    """
    vn_kv = _floats(net.bus, "vn_kv")
    nominal_kv = _floats(net.bus, NOMINAL_COLUMN, math.nan)
    nominal_kv = np.where(np.isfinite(nominal_kv), nominal_kv, vn_kv)
    low, high = np.zeros_like(nominal_kv), np.zeros_like(nominal_kv)
    for band in sorted(bands, key=lambda band: band.from_kv):
        covered = nominal_kv >= band.from_kv
        low[covered], high[covered] = band.low, band.high
    return BusColumns(
        name=_names(net.bus, "bus"),
        vn_kv=vn_kv,
        v_nominal_v=nominal_kv * 1e3,
        v_min_v=nominal_kv * 1e3 * (1 + low),
        v_max_v=nominal_kv * 1e3 * (1 + high),
    )


def line_columns(net: "pandapowerNet", positions: BusPositions) -> LineColumns:
    """Return the lines, totals over length and parallel systems, with their switches folded in."""
    table = net.line
    length, parallel = _floats(table, "length_km"), _floats(table, "parallel", 1.0)
    from_closed, to_closed = _ends(net, "l", table, "from_bus", "to_bus")
    return LineColumns(
        name=_names(table, "line"),
        from_bus=positions.of(table, "from_bus", "line"),
        to_bus=positions.of(table, "to_bus", "line"),
        length_km=length,
        r_ohm=_floats(table, "r_ohm_per_km") * length / parallel,
        x_ohm=_floats(table, "x_ohm_per_km") * length / parallel,
        c_nf=_floats(table, "c_nf_per_km", 0.0) * length * parallel,
        g_us=_floats(table, "g_us_per_km", 0.0) * length * parallel,
        max_i_ka=_floats(table, "max_i_ka", math.nan) * _floats(table, "df", 1.0) * parallel,
        from_closed=from_closed,
        to_closed=to_closed,
    )


def transformer_columns(net: "pandapowerNet", positions: BusPositions) -> TransformerColumns:
    """Return the two-winding transformers with taps as factors and their switches folded in.

    :raises NetworkError: for a tap that turns the phase
    """
    table = net.trafo
    parallel = _floats(table, "parallel", 1.0)
    sn_mva = _floats(table, "sn_mva") * parallel
    hv_closed, lv_closed = _ends(net, "t", table, "hv_bus", "lv_bus")
    hv_tap, lv_tap = _tap_factors(table)
    return TransformerColumns(
        name=_names(table, "transformer"),
        hv_bus=positions.of(table, "hv_bus", "transformer"),
        lv_bus=positions.of(table, "lv_bus", "transformer"),
        sn_mva=sn_mva,
        rating_mva=sn_mva * _floats(table, "df", 1.0),
        vn_hv_kv=_floats(table, "vn_hv_kv"),
        vn_lv_kv=_floats(table, "vn_lv_kv"),
        hv_tap_factor=hv_tap,
        lv_tap_factor=lv_tap,
        vk_percent=_floats(table, "vk_percent"),
        vkr_percent=_floats(table, "vkr_percent"),
        pfe_kw=_floats(table, "pfe_kw", 0.0) * parallel,
        i0_percent=_floats(table, "i0_percent", 0.0),
        shift_degree=_floats(table, "shift_degree", 0.0),
        hv_closed=hv_closed,
        lv_closed=lv_closed,
    )


def source_columns(net: "pandapowerNet", positions: BusPositions) -> SourceColumns:
    """Return the feeding points that are in service.

    :raises NetworkError: if there is none
    """
    table = net.ext_grid[net.ext_grid.in_service.astype(bool)]
    if len(table) == 0:
        raise NetworkError("the network has no feeding point (ext_grid in service)")
    return SourceColumns(
        name=_names(table, "ext_grid"),
        bus=positions.of(table, "bus", "ext_grid"),
        vm_pu=_floats(table, "vm_pu"),
        va_degree=_floats(table, "va_degree", 0.0),
    )


def coupler_columns(net: "pandapowerNet", positions: BusPositions) -> CouplerColumns:
    """Return the closed switches between buses.

    :raises NetworkError: if one of them has an impedance
    """
    table = net.switch[(net.switch.et == "b") & net.switch.closed.astype(bool)]
    resistive = np.flatnonzero(_floats(table, "z_ohm", 0.0) > 0)
    if resistive.size:
        raise NetworkError(f"switch {table['name'].iloc[int(resistive[0])]!r}: a switch with z_ohm is not modelled")
    return CouplerColumns(
        name=tuple(table["name"].astype(str)),
        from_bus=positions.of(table, "bus", "switch"),
        to_bus=positions.of(table, "element", "switch"),
    )


def shunt_columns(net: "pandapowerNet", positions: BusPositions) -> ShuntColumns:
    """Return the shunts, all steps in force, 0 when out of service."""
    table = net.shunt
    weight = _floats(table, "step", 1.0) * _floats(table, "in_service", 1.0)
    bus = positions.of(table, "bus", "shunt")
    return ShuntColumns(
        name=_names(table, "shunt"),
        bus=bus,
        p_mw=_floats(table, "p_mw") * weight,
        q_mvar=_floats(table, "q_mvar") * weight,
        vn_kv=_floats(table, "vn_kv", math.nan),
    )


def load_columns(net: "pandapowerNet", positions: BusPositions) -> LoadColumns:
    """Return the loads."""
    table, weight = net.load, _weight(net.load)
    return LoadColumns(
        name=_names(table, "load"),
        bus=positions.of(table, "bus", "load"),
        p_mw=_floats(table, "p_mw") * weight,
        q_mvar=_floats(table, "q_mvar", 0.0) * weight,
        profile=_texts(table, "profile"),
        kind=_texts(table, "type"),
    )


def generator_columns(net: "pandapowerNet", positions: BusPositions) -> GeneratorColumns:
    """Return the static generators."""
    table, weight = net.sgen, _weight(net.sgen)
    return GeneratorColumns(
        name=_names(table, "generator"),
        bus=positions.of(table, "bus", "generator"),
        p_mw=_floats(table, "p_mw") * weight,
        q_mvar=_floats(table, "q_mvar", 0.0) * weight,
        profile=_texts(table, "profile"),
        kind=_texts(table, "type"),
    )


def storage_columns(net: "pandapowerNet", positions: BusPositions) -> StorageColumns:
    """Return the storage units. SimBench writes the efficiency as a fraction under the name efficiency_percent."""
    table, weight = net.storage, _weight(net.storage)
    rated, power = _floats(table, "sn_mva", math.nan), np.abs(_floats(table, "p_mw"))
    efficiency = _floats(table, "efficiency_percent", math.nan)
    return StorageColumns(
        name=_names(table, "storage"),
        bus=positions.of(table, "bus", "storage"),
        p_rated_mw=np.where(np.isfinite(rated), rated, power) * weight,
        energy_mwh=(_floats(table, "max_e_mwh", math.nan) - _floats(table, "min_e_mwh", 0.0)) * weight,
        efficiency=np.where(efficiency > 1.0, efficiency / 100, efficiency),
        kind=_texts(table, "type"),
    )


def _floats(table: "DataFrame", column: str, default: float | None = None) -> FloatArray:
    if column not in table.columns:
        if default is None:
            raise NetworkError(f"the network file has no column {column!r} where one is needed")
        return np.full(len(table), default)
    values = np.array(table[column].astype(float), dtype=np.float64)
    if default is not None and not math.isnan(default):
        values[np.isnan(values)] = default
    return values


def _texts(table: "DataFrame", column: str) -> Names:
    if column not in table.columns:
        return ("",) * len(table)
    return tuple(
        "" if absent else str(value) for value, absent in zip(table[column], table[column].isna(), strict=True)
    )


def _names(table: "DataFrame", kind: str) -> Names:
    names = _texts(table, "name")
    _refuse_repeated(names, kind)
    return names


def _refuse_repeated(names: Iterable[str], kind: str) -> None:
    seen: set[str] = set()
    for row, name in enumerate(names):
        if not name:
            raise NetworkError(f"{kind} in row {row} has no name")
        if name in seen:
            raise NetworkError(f"{kind} {name!r} stands twice")
        seen.add(name)


def refuse_shared_names(lines: LineColumns, transformers: TransformerColumns) -> None:
    """Refuse a line and a transformer of one name, for a limit names its element.

    :raises NetworkError: naming it
    """
    shared = sorted(set(lines.name) & set(transformers.name))
    if shared:
        raise NetworkError(f"{shared[0]!r} is the name of a line and of a transformer")


def _weight(table: "DataFrame") -> FloatArray:
    return _floats(table, "scaling", 1.0) * _floats(table, "in_service", 1.0)


def _ends(
    net: "pandapowerNet", kind: Literal["l", "t"], table: "DataFrame", first: str, second: str
) -> tuple[BoolArray, BoolArray]:
    in_service = table.in_service.to_numpy().astype(bool)
    closed = {first: in_service.copy(), second: in_service.copy()}
    row_of = {index: row for row, index in enumerate(table.index)}
    switches = net.switch[(net.switch.et == kind) & ~net.switch.closed.astype(bool)]
    for name, bus, element in zip(switches["name"], switches.bus, switches.element, strict=True):
        if element not in row_of:
            raise NetworkError(f"switch {name!r}: element {element} is not in the network")
        row = row_of[element]
        end = next((end for end in (first, second) if table[end].iloc[row] == bus), None)
        if end is None:
            raise NetworkError(f"switch {name!r}: stands at bus {bus}, which its element does not touch")
        closed[end][row] = False
    return closed[first], closed[second]


def _tap_factors(table: "DataFrame") -> tuple[FloatArray, FloatArray]:
    kinds = np.array(_texts(table, "tap_changer_type"), dtype=object)
    position, neutral = _floats(table, "tap_pos", math.nan), _floats(table, "tap_neutral", math.nan)
    active = np.isfinite(position) & np.isfinite(neutral) & np.isin(kinds, _TAP_KINDS)
    turning = (np.isin(kinds, ("Ideal", "Tabular")) | (_floats(table, "tap_step_degree", 0.0) != 0)) & (
        position != neutral
    )
    turning &= kinds != ""
    if turning.any():
        raise NetworkError(
            f"transformer {table['name'].iloc[int(np.flatnonzero(turning)[0])]!r}: its tap turns the phase"
        )
    step = np.where(active, (position - neutral) * _floats(table, "tap_step_percent", 0.0) / 100, 0.0)
    on_lv = np.array(_texts(table, "tap_side"), dtype=object) == "lv"
    return 1 + np.where(on_lv, 0.0, step), 1 + np.where(on_lv, step, 0.0)
