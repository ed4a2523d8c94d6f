"""Tap changers in pandapower's tables: by what the tap in force multiplies a winding's rated voltage.

A tap counts only where the table says what kind of tap changer it is, "Ratio" or "Symmetrical", exactly as pandapower 3
does. Taps that turn the phase, and taps that follow a table, are refused.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from grid_models.elements import BoolArray, FloatArray, NetworkError
from grid_models.pandapower_tables import floats, texts

if TYPE_CHECKING:
    from pandas import DataFrame

_COUNTED = ("Ratio", "Symmetrical")
_TURNING = ("Ideal", "Tabular")


def tap_factor(table: "DataFrame", prefix: str = "tap") -> FloatArray:
    """Return 1 + (position - neutral) * step, shape (n_transformers,), 1 where no tap counts.

    :param prefix: "tap", or "tap2" for a second tap changer
    :raises NetworkError: naming the transformer whose tap turns the phase or follows a table
    """
    kinds = _objects(table, f"{prefix}_changer_type")
    position, neutral = (floats(table, f"{prefix}_{column}", math.nan) for column in ("pos", "neutral"))
    in_force = np.isfinite(position) & np.isfinite(neutral) & (position != neutral)
    angled = floats(table, f"{prefix}_step_degree", 0.0) != 0
    _refuse(
        table, in_force & (np.isin(kinds, _TURNING) | (np.isin(kinds, _COUNTED) & angled)), "its tap turns the phase"
    )
    _refuse(table, floats(table, "tap_dependency_table", 0.0) != 0, "its tap follows a table, which is not modelled")
    counted = in_force & np.isin(kinds, _COUNTED)
    step = floats(table, f"{prefix}_step_percent", 0.0) / 100
    return 1 + np.where(counted, np.where(counted, position - neutral, 0.0) * step, 0.0)


def tap_at(table: "DataFrame", side: str, prefix: str = "tap") -> BoolArray:
    """Return which transformers have their tap changer on `side`: "hv", "mv" or "lv"."""
    return np.asarray(_objects(table, f"{prefix}_side") == side, dtype=np.bool_)


def two_winding_tap_factors(table: "DataFrame") -> tuple[FloatArray, FloatArray]:
    """Return the factors of the high- and the low-voltage winding, both tap changers of a transformer applied.

    :raises NetworkError: see tap_factor
    """
    hv, lv = np.ones(len(table)), np.ones(len(table))
    for prefix in ("tap", "tap2"):
        factor, on_lv = tap_factor(table, prefix), tap_at(table, "lv", prefix)
        hv *= np.where(on_lv, 1.0, factor)
        lv *= np.where(on_lv, factor, 1.0)
    return hv, lv


def _objects(table: "DataFrame", column: str) -> npt.NDArray[np.object_]:
    return np.array(texts(table, column), dtype=object)


def _refuse(table: "DataFrame", wrong: BoolArray, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise NetworkError(f"transformer {table['name'].iloc[int(rows[0])]!r}: {what}")
