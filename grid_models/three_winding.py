"""Three-winding transformers as a star: one auxiliary bus, the star point, and three two-winding rows around it.

The formulas are pandapower's own (its documentation, "Three Winding Transformer", after MVA method, trafo_model "pi"):
the short-circuit voltages between pairs of windings, each on the smaller rating of its pair, are referred to the rating
of the high-voltage winding, turned from delta to star, and each winding's part is referred to its own rating again. One
winding of a star may well come out with a negative impedance. Magnetising is at the loss side (high voltage if unsaid).
"""

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from grid_models.elements import BoolArray, CouplerColumns, FloatArray, Names, NetworkError, TransformerColumns
from grid_models.pandapower_tables import BusPositions, closed_ends, floats, names, texts
from grid_models.tap_changers import tap_at, tap_factor

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

_WINDINGS: Final = ("hv", "mv", "lv")
NEEDED_COLUMNS: Final = (
    "name",
    "in_service",
    *(f"{winding}_bus" for winding in _WINDINGS),
    *(f"{column}_{winding}_{unit}" for winding in _WINDINGS for column, unit in (("sn", "mva"), ("vn", "kv"))),
    *(f"{column}_{winding}_percent" for winding in _WINDINGS for column in ("vk", "vkr")),
)


def star_point_names(net: "pandapowerNet") -> Names:
    """Return the name of the auxiliary bus of each three-winding transformer.

    :raises NetworkError: if a transformer has no name or two have one
    """
    return tuple(f"{name} (star point)" for name in names(_table(net), "transformer"))


def star_point_vn_kv(net: "pandapowerNet", positions: BusPositions, bus_vn_kv: FloatArray) -> FloatArray:
    """Return the base voltage of each auxiliary bus: that of the bus at the high-voltage winding."""
    return bus_vn_kv[positions.of(_table(net), "hv_bus", "transformer")]


def three_winding_rows(net: "pandapowerNet", positions: BusPositions) -> TransformerColumns:
    """Return three rows a transformer, "NAME (hv)", "NAME (mv)", "NAME (lv)", hv always the star's rated voltage.

    :raises NetworkError: for a star that cannot be formed, or a tap that turns the phase, naming the transformer
    """
    table = _table(net)
    n_transformers = len(table)
    star = len(positions.position) + np.arange(n_transformers)
    rated_mva = _of_windings(table, "sn_{}_mva")
    vk_percent, vkr_percent = star_impedances(table)
    closed = np.stack(closed_ends(net, "t3", table, tuple(f"{winding}_bus" for winding in _WINDINGS)))
    used = np.broadcast_to(closed.any(axis=0), closed.shape)
    bus = np.stack([positions.of(table, f"{winding}_bus", "transformer") for winding in _WINDINGS])
    is_hv = np.array([[True], [False], [False]])
    hv_tap, lv_tap = _tap_factors(table)
    vn_hv_kv = np.broadcast_to(floats(table, "vn_hv_kv"), closed.shape)
    vn_kv = _of_windings(table, "vn_{}_kv")
    _refuse(table, np.asarray(~(vn_kv > 0).all(axis=0), dtype=np.bool_), "has no rated voltage")
    lossy = _loss_sides(table)
    max_i_ka = rated_mva / (np.sqrt(3) * vn_kv)
    return TransformerColumns(
        name=tuple(f"{name} ({winding})" for name in names(table, "transformer") for winding in _WINDINGS),
        hv_bus=_by_transformer(np.where(is_hv, bus, star)).astype(np.int64),
        lv_bus=_by_transformer(np.where(is_hv, star, bus)).astype(np.int64),
        sn_mva=_by_transformer(rated_mva),
        rating_mva=_by_transformer(rated_mva),
        vn_hv_kv=_by_transformer(vn_hv_kv),
        vn_lv_kv=_by_transformer(vn_kv),
        hv_tap_factor=_by_transformer(hv_tap),
        lv_tap_factor=_by_transformer(lv_tap),
        vk_percent=_by_transformer(vk_percent),
        vkr_percent=_by_transformer(vkr_percent),
        pfe_kw=_by_transformer(np.where(lossy, floats(table, "pfe_kw", 0.0), 0.0)),
        i0_percent=_by_transformer(np.where(lossy, floats(table, "i0_percent", 0.0), 0.0)),
        shift_degree=_by_transformer(_shifts(table)),
        # At the star point nothing can be switched, and no terminal is there to be overloaded.
        hv_closed=_by_transformer(np.where(is_hv, closed, used)).astype(np.bool_),
        lv_closed=_by_transformer(np.where(is_hv, used, closed)).astype(np.bool_),
        hv_max_i_ka=_by_transformer(np.where(is_hv, max_i_ka, math.inf)),
        lv_max_i_ka=_by_transformer(np.where(is_hv, math.inf, max_i_ka)),
    )


def star_impedances(table: "DataFrame") -> tuple[FloatArray, FloatArray]:
    """Return the short-circuit voltage and its resistive part in percent, shape (3, n_transformers).

    The short-circuit voltage is negative where the reactance of the winding in the star is.

    :raises NetworkError: for a resistive part above the whole, or a winding without reactance, naming the transformer
    """
    sn_mva = _of_windings(table, "sn_{}_mva")
    pair_mva = np.minimum(sn_mva, np.roll(sn_mva, -1, axis=0))  # hv-mv, mv-lv, lv-hv, as vk_hv, vk_mv, vk_lv
    to_hv = sn_mva[0] / pair_mva
    vk, vkr = _of_windings(table, "vk_{}_percent") * to_hv, _of_windings(table, "vkr_{}_percent") * to_hv
    _refuse(table, ~(np.abs(vkr) <= vk).all(axis=0), "has a resistive short-circuit voltage above the whole one")
    vkr_percent = _star(vkr, sn_mva)
    vkx_percent = _star(np.sqrt(vk**2 - vkr**2), sn_mva)
    _refuse(table, (vkx_percent == 0).any(axis=0), "makes a star in which a winding has no reactance")
    return np.sign(vkx_percent) * np.hypot(vkx_percent, vkr_percent), vkr_percent


def idle_star_points(net: "pandapowerNet", positions: BusPositions) -> CouplerColumns:
    """Return couplers that tie the star points of transformers connected nowhere to their high-voltage buses.

    Nothing flows over them, for the rows of such a transformer are open at both ends; without them its star point would
    be an island.
    """
    table = _table(net)
    closed = np.stack(closed_ends(net, "t3", table, tuple(f"{winding}_bus" for winding in _WINDINGS)))
    idle = np.flatnonzero(~closed.any(axis=0))
    found = names(table, "transformer")
    return CouplerColumns(
        name=tuple(f"{found[row]} (idle)" for row in idle),
        from_bus=positions.of(table, "hv_bus", "transformer")[idle],
        to_bus=(len(positions.position) + idle).astype(np.int64),
    )


def _table(net: "pandapowerNet") -> "DataFrame":
    return net.trafo3w


def _of_windings(table: "DataFrame", column: str) -> FloatArray:
    return np.stack([floats(table, column.format(winding)) for winding in _WINDINGS])


def _by_transformer(values: FloatArray | BoolArray) -> FloatArray:
    """Return (3, n_transformers) as (3 * n_transformers,), the windings of one transformer together."""
    return np.ascontiguousarray(values.T.reshape(-1))


def _star(of_pairs: FloatArray, sn_mva: FloatArray) -> FloatArray:
    hv_mv, mv_lv, lv_hv = of_pairs
    of_windings = np.stack([hv_mv + lv_hv - mv_lv, hv_mv + mv_lv - lv_hv, mv_lv + lv_hv - hv_mv]) / 2
    return np.asarray(of_windings * sn_mva / sn_mva[0], dtype=np.float64)


def _tap_factors(table: "DataFrame") -> tuple[FloatArray, FloatArray]:
    """Return the factors at the hv and lv ends of the rows, shape (3, n_transformers) each.

    A tap changer at the star point acts as the reciprocal factor on the star's side of its winding.
    """
    factor = tap_factor(table)
    at_star = floats(table, "tap_at_star_point", 0.0) != 0
    hv, lv = np.ones((3, len(table))), np.ones((3, len(table)))
    for row, winding in enumerate(_WINDINGS):
        here = tap_at(table, winding)
        terminal, star = (hv, lv) if winding == "hv" else (lv, hv)
        terminal[row] = np.where(here & ~at_star, factor, 1.0)
        star[row] = np.where(here & at_star, 1 / factor, 1.0)
    return hv, lv


def _shifts(table: "DataFrame") -> FloatArray:
    shift_mv, shift_lv = (floats(table, f"shift_{winding}_degree", 0.0) for winding in ("mv", "lv"))
    return np.stack([np.zeros(len(table)), shift_mv, shift_lv])


def _loss_sides(table: "DataFrame") -> BoolArray:
    side = np.array([text or "hv" for text in texts(table, "loss_side")], dtype=object)
    _refuse(table, ~np.isin(side, _WINDINGS), "has a loss side that is none of its windings")
    return np.asarray(np.stack([side == winding for winding in _WINDINGS]), dtype=np.bool_)


def _refuse(table: "DataFrame", wrong: BoolArray, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise NetworkError(f"transformer {table['name'].iloc[int(rows[0])]!r} {what}")
