"""pandapower's tables to our own columns: units made plain, switches folded into the branches, taps into factors.

Reads tables only and computes nothing electrical, so that one place knows pandapower's column names. What the model has
no place for is refused with the element's name, never left out.
"""

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from grid_models import three_winding
from grid_models.elements import (
    BusColumns,
    CouplerColumns,
    FloatArray,
    GeneratorColumns,
    LineColumns,
    LoadColumns,
    NetworkError,
    ShuntColumns,
    SourceColumns,
    StorageColumns,
    TransformerColumns,
    VoltageBand,
    joined,
)
from grid_models.pandapower_tables import BusPositions, closed_ends, floats, names, refuse_repeated, texts, weight
from grid_models.tap_changers import two_winding_tap_factors

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

NOMINAL_COLUMN = "v_nominal_kv"
_SUPPORTED = {
    *("bus", "line", "trafo", "trafo3w", "ext_grid", "switch", "shunt", "load", "sgen", "storage", "measurement"),
    *("asymmetric_load", "asymmetric_sgen"),
}
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
_PHASES = ("a", "b", "c")
# pandapower has no word for "without limit"; its MATPOWER converter writes this many kA, or MVA, instead.
UNLIMITED = 99_999.0


def refuse_unsupported(net: "pandapowerNet") -> None:
    """Refuse what the columns have no place for.

    :raises NetworkError: naming the first such element, or the table or column that is missing
    """
    for kind, needed in _NEEDED.items():
        missing = next((column for column in needed if column not in getattr(net.get(kind), "columns", ())), None)
        if missing is not None:
            raise NetworkError(f"the table {kind!r} with a column {missing!r} is missing")
    if _has(net, "trafo3w"):
        missing = next((column for column in three_winding.NEEDED_COLUMNS if column not in net.trafo3w.columns), None)
        if missing is not None:
            raise NetworkError(f"the table 'trafo3w' with a column {missing!r} is missing")
    for kind, table in net.items():
        if not hasattr(table, "columns") or kind.startswith(("_", "res_")) or kind in _SUPPORTED or len(table) == 0:
            continue
        if any(column in table.columns for column in _CONNECTING) and "in_service" in table.columns:
            name = texts(table, "name")[0] or str(table.index[0])
            raise NetworkError(f"{kind} {name!r}: elements of this kind are not modelled")
    asleep = net.bus.loc[~net.bus.in_service.astype(bool), "name"]
    if len(asleep):
        raise NetworkError(f"bus {asleep.iloc[0]!r} is out of service; remove it from the file")


def _has(net: "pandapowerNet", kind: str) -> bool:
    return len(net.get(kind, ())) > 0


def _limits(stated: FloatArray) -> FloatArray:
    return np.where(stated >= UNLIMITED, math.inf, stated)


def bus_columns(net: "pandapowerNet", positions: BusPositions, bands: tuple[VoltageBand, ...]) -> BusColumns:
    """Return the buses with their limits in volts, and after them the star points of three-winding transformers.

    :raises NetworkError: if a name is missing or stands twice
    """
    name = names(net.bus, "bus")
    vn_kv = floats(net.bus, "vn_kv")
    nominal_kv = floats(net.bus, NOMINAL_COLUMN, math.nan)
    nominal_kv = np.where(np.isfinite(nominal_kv), nominal_kv, vn_kv)
    if _has(net, "trafo3w"):
        star_kv = three_winding.star_point_vn_kv(net, positions, vn_kv)
        name += three_winding.star_point_names(net)
        vn_kv, nominal_kv = np.append(vn_kv, star_kv), np.append(nominal_kv, star_kv)
        refuse_repeated(name, "bus")
    star_point = np.arange(len(name)) >= len(net.bus)
    low, high = np.zeros_like(nominal_kv), np.zeros_like(nominal_kv)
    for band in sorted(bands, key=lambda band: band.from_kv):
        covered = nominal_kv >= band.from_kv
        low[covered], high[covered] = band.low, band.high
    return BusColumns(
        name=name,
        vn_kv=vn_kv,
        v_nominal_v=nominal_kv * 1e3,
        v_min_v=np.where(star_point, 0.0, nominal_kv * 1e3 * (1 + low)),
        v_max_v=np.where(star_point, math.inf, nominal_kv * 1e3 * (1 + high)),
        star_point=star_point,
    )


def line_columns(net: "pandapowerNet", positions: BusPositions) -> LineColumns:
    """Return the lines, totals over length and parallel systems, with their switches folded in."""
    table = net.line
    length, parallel = floats(table, "length_km"), floats(table, "parallel", 1.0)
    from_closed, to_closed = closed_ends(net, "l", table, ("from_bus", "to_bus"))
    return LineColumns(
        name=names(table, "line"),
        from_bus=positions.of(table, "from_bus", "line"),
        to_bus=positions.of(table, "to_bus", "line"),
        length_km=length,
        r_ohm=floats(table, "r_ohm_per_km") * length / parallel,
        x_ohm=floats(table, "x_ohm_per_km") * length / parallel,
        c_nf=floats(table, "c_nf_per_km", 0.0) * length * parallel,
        g_us=floats(table, "g_us_per_km", 0.0) * length * parallel,
        max_i_ka=_limits(floats(table, "max_i_ka", math.nan)) * floats(table, "df", 1.0) * parallel,
        from_closed=from_closed,
        to_closed=to_closed,
    )


def transformer_columns(net: "pandapowerNet", positions: BusPositions) -> TransformerColumns:
    """Return the transformers with taps as factors and their switches folded in, three-winding ones after the others.

    :raises NetworkError: for a missing rated voltage, a tap that turns the phase or follows a table, or a star that
        cannot be formed
    """
    table = net.trafo
    parallel, derating = floats(table, "parallel", 1.0), floats(table, "df", 1.0)
    sn_mva, vn_hv_kv, vn_lv_kv = (floats(table, column) for column in ("sn_mva", "vn_hv_kv", "vn_lv_kv"))
    unrated = np.flatnonzero(~((vn_hv_kv > 0) & (vn_lv_kv > 0)))
    if unrated.size:
        raise NetworkError(f"transformer {table['name'].iloc[int(unrated[0])]!r} has no rated voltage")
    rating_mva = _limits(sn_mva) * derating * parallel
    hv_closed, lv_closed = closed_ends(net, "t", table, ("hv_bus", "lv_bus"))
    hv_tap, lv_tap = two_winding_tap_factors(table)
    two_winding = TransformerColumns(
        name=names(table, "transformer"),
        hv_bus=positions.of(table, "hv_bus", "transformer"),
        lv_bus=positions.of(table, "lv_bus", "transformer"),
        sn_mva=sn_mva * parallel,
        rating_mva=rating_mva,
        vn_hv_kv=vn_hv_kv,
        vn_lv_kv=vn_lv_kv,
        hv_tap_factor=hv_tap,
        lv_tap_factor=lv_tap,
        vk_percent=floats(table, "vk_percent"),
        vkr_percent=floats(table, "vkr_percent"),
        pfe_kw=floats(table, "pfe_kw", 0.0) * parallel,
        i0_percent=floats(table, "i0_percent", 0.0),
        shift_degree=floats(table, "shift_degree", 0.0),
        hv_closed=hv_closed,
        lv_closed=lv_closed,
        hv_max_i_ka=rating_mva / (np.sqrt(3) * vn_hv_kv),
        lv_max_i_ka=rating_mva / (np.sqrt(3) * vn_lv_kv),
    )
    if not _has(net, "trafo3w"):
        return two_winding
    transformers = joined(two_winding, three_winding.three_winding_rows(net, positions))
    refuse_repeated(transformers.name, "transformer")
    return transformers


def source_columns(net: "pandapowerNet", positions: BusPositions) -> SourceColumns:
    """Return the feeding points that are in service.

    :raises NetworkError: if there is none
    """
    table = net.ext_grid[net.ext_grid.in_service.astype(bool)]
    if len(table) == 0:
        raise NetworkError("the network has no feeding point (ext_grid in service)")
    return SourceColumns(
        name=names(table, "ext_grid"),
        bus=positions.of(table, "bus", "ext_grid"),
        vm_pu=floats(table, "vm_pu"),
        va_degree=floats(table, "va_degree", 0.0),
    )


def coupler_columns(net: "pandapowerNet", positions: BusPositions) -> CouplerColumns:
    """Return the closed switches between buses, and what ties the star points of idle transformers.

    :raises NetworkError: if one of them has an impedance
    """
    table = net.switch[(net.switch.et == "b") & net.switch.closed.astype(bool)]
    resistive = np.flatnonzero(floats(table, "z_ohm", 0.0) > 0)
    if resistive.size:
        raise NetworkError(f"switch {table['name'].iloc[int(resistive[0])]!r}: a switch with z_ohm is not modelled")
    couplers = CouplerColumns(
        name=tuple(table["name"].astype(str)),
        from_bus=positions.of(table, "bus", "switch"),
        to_bus=positions.of(table, "element", "switch"),
    )
    return joined(couplers, three_winding.idle_star_points(net, positions)) if _has(net, "trafo3w") else couplers


def shunt_columns(net: "pandapowerNet", positions: BusPositions) -> ShuntColumns:
    """Return the shunts, all steps in force, 0 when out of service."""
    table = net.shunt
    steps = floats(table, "step", 1.0) * floats(table, "in_service", 1.0)
    bus = positions.of(table, "bus", "shunt")
    return ShuntColumns(
        name=names(table, "shunt"),
        bus=bus,
        p_mw=floats(table, "p_mw") * steps,
        q_mvar=floats(table, "q_mvar") * steps,
        vn_kv=floats(table, "vn_kv", math.nan),
    )


def load_columns(net: "pandapowerNet", positions: BusPositions) -> LoadColumns:
    """Return the loads, and after them the unbalanced ones, each with the sum of its phases.

    :raises NetworkError: if the shares of constant impedance and constant current of one leave 0..100 %
    """
    table, share = net.load, weight(net.load)
    const_z_p, const_i_p = _voltage_shares(table, "p")
    const_z_q, const_i_q = _voltage_shares(table, "q")
    loads = LoadColumns(
        name=names(table, "load"),
        bus=positions.of(table, "bus", "load"),
        p_mw=floats(table, "p_mw") * share,
        q_mvar=floats(table, "q_mvar", 0.0) * share,
        const_z_p_fraction=const_z_p,
        const_i_p_fraction=const_i_p,
        const_z_q_fraction=const_z_q,
        const_i_q_fraction=const_i_q,
        profile=texts(table, "profile"),
        kind=texts(table, "type"),
    )
    if not _has(net, "asymmetric_load"):
        return loads
    table, constant = net.asymmetric_load, np.zeros(len(net.asymmetric_load))
    p_mw, q_mvar = _sums_of_phases(table)
    unbalanced = LoadColumns(
        name=names(table, "load"),
        bus=positions.of(table, "bus", "load"),
        p_mw=p_mw,
        q_mvar=q_mvar,
        const_z_p_fraction=constant,
        const_i_p_fraction=constant,
        const_z_q_fraction=constant,
        const_i_q_fraction=constant,
        profile=texts(table, "profile"),
        kind=texts(table, "type"),
    )
    every = joined(loads, unbalanced)
    refuse_repeated(every.name, "load")
    return every


def _voltage_shares(table: "DataFrame", quantity: Literal["p", "q"]) -> tuple[FloatArray, FloatArray]:
    """Return the shares of constant impedance and constant current; older files have one pair for both quantities."""
    const_z, const_i = (
        floats(table, column if column in table.columns else older, 0.0) / 100
        for column, older in (
            (f"const_z_{quantity}_percent", "const_z_percent"),
            (f"const_i_{quantity}_percent", "const_i_percent"),
        )
    )
    wrong = np.flatnonzero(~((const_z >= 0) & (const_i >= 0) & (const_z + const_i <= 1 + 1e-12)))
    if wrong.size:
        name = table["name"].iloc[int(wrong[0])]
        raise NetworkError(f"load {name!r}: its shares of constant impedance and current ({quantity}) are not 0..100 %")
    return const_z, const_i


def generator_columns(net: "pandapowerNet", positions: BusPositions) -> GeneratorColumns:
    """Return the static generators, and after them the unbalanced ones, each with the sum of its phases."""
    table, share = net.sgen, weight(net.sgen)
    generators = _generators(table, positions, floats(table, "p_mw") * share, floats(table, "q_mvar", 0.0) * share)
    if not _has(net, "asymmetric_sgen"):
        return generators
    unbalanced = _generators(net.asymmetric_sgen, positions, *_sums_of_phases(net.asymmetric_sgen))
    every = joined(generators, unbalanced)
    refuse_repeated(every.name, "generator")
    return every


def _generators(table: "DataFrame", positions: BusPositions, p_mw: FloatArray, q_mvar: FloatArray) -> GeneratorColumns:
    return GeneratorColumns(
        name=names(table, "generator"),
        bus=positions.of(table, "bus", "generator"),
        p_mw=p_mw,
        q_mvar=q_mvar,
        profile=texts(table, "profile"),
        kind=texts(table, "type"),
    )


def _sums_of_phases(table: "DataFrame") -> tuple[FloatArray, FloatArray]:
    share = weight(table)
    p_mw = np.sum([floats(table, f"p_{phase}_mw", 0.0) for phase in _PHASES], axis=0)
    q_mvar = np.sum([floats(table, f"q_{phase}_mvar", 0.0) for phase in _PHASES], axis=0)
    return p_mw * share, q_mvar * share


def storage_columns(net: "pandapowerNet", positions: BusPositions) -> StorageColumns:
    """Return the storage units. SimBench writes the efficiency as a fraction under the name efficiency_percent."""
    table, share = net.storage, weight(net.storage)
    rated, power = floats(table, "sn_mva", math.nan), np.abs(floats(table, "p_mw"))
    efficiency = floats(table, "efficiency_percent", math.nan)
    return StorageColumns(
        name=names(table, "storage"),
        bus=positions.of(table, "bus", "storage"),
        p_rated_mw=np.where(np.isfinite(rated), rated, power) * share,
        energy_mwh=(floats(table, "max_e_mwh", math.nan) - floats(table, "min_e_mwh", 0.0)) * share,
        efficiency=np.where(efficiency > 1.0, efficiency / 100, efficiency),
        kind=texts(table, "type"),
    )


def refuse_shared_names(lines: LineColumns, transformers: TransformerColumns) -> None:
    """Refuse a line and a transformer of one name, for a limit names its element.

    :raises NetworkError: naming it
    """
    shared = sorted(set(lines.name) & set(transformers.name))
    if shared:
        raise NetworkError(f"{shared[0]!r} is the name of a line and of a transformer")
