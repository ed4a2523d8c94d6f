"""The frozen columns of a network's elements: buses, branches, sources, injections.

One dataclass a kind of element, one row an element, in the order of the network file. Names are unique within a kind,
and lines and transformers share one name space, for a limit names its element. Buses are given by their position in
`BusColumns`. Arrays are read-only float64, int64 or bool; units stand last in each name, spelled as in pandapower.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
Int64Array: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

Names: TypeAlias = tuple[str, ...]


class NetworkError(ValueError):
    """A network that cannot be read or used; the message names the file or the element and what is wrong with it."""


@dataclass(frozen=True)
class VoltageBand:
    """Permitted deviation from the nominal voltage, as fractions, of buses from `from_kv` (nominal) upwards."""

    from_kv: float
    low: float
    high: float


def freeze(columns: object) -> None:
    """Make every array that a frozen dataclass holds read-only, in place; called from `__post_init__`."""
    for value in vars(columns).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


class _Columns:
    """What all column classes share: read-only arrays of one length."""

    name: Names

    def __post_init__(self) -> None:
        freeze(self)
        for column, values in vars(self).items():
            assert len(values) == len(self.name), f"{type(self).__name__}.{column} has {len(values)} rows"

    def __len__(self) -> int:
        return len(self.name)


_Some = TypeVar("_Some", bound=_Columns)


def joined(first: _Some, second: _Some) -> _Some:
    """Return the rows of both, those of `second` last."""
    rows = {
        column: values + vars(second)[column]
        if isinstance(values, tuple)
        else np.concatenate([values, vars(second)[column]])
        for column, values in vars(first).items()
    }
    return type(first)(**rows)


@dataclass(frozen=True, eq=False)
class BusColumns(_Columns):
    """Buses. vn_kv: base of per-unit values. v_nominal_v: nominal line-to-line voltage that the limits refer to.

    v_min_v, v_max_v: limits in volts, GB/T 12325 on the nominal voltage (see networks.VoltageBand).
    star_point: the auxiliary bus inside a three-winding transformer, after all other buses, named "NAME (star point)":
    nothing can be connected there, and its limits, 0 and infinity, never bind.
    """

    name: Names
    vn_kv: FloatArray
    v_nominal_v: FloatArray
    v_min_v: FloatArray
    v_max_v: FloatArray
    star_point: BoolArray


@dataclass(frozen=True, eq=False)
class LineColumns(_Columns):
    """Lines; r, x, c, g are of the whole line, parallel systems included; max_i_ka too, derating included.

    max_i_ka is infinite where the source states that the line has no limit, NaN where it states nothing.

    from_closed, to_closed: whether the line is connected at that end (an open switch or a line out of service is
    False); a line open at one end still draws its charging current at the other.
    """

    name: Names
    from_bus: Int64Array
    to_bus: Int64Array
    length_km: FloatArray
    r_ohm: FloatArray
    x_ohm: FloatArray
    c_nf: FloatArray
    g_us: FloatArray
    max_i_ka: FloatArray
    from_closed: BoolArray
    to_closed: BoolArray


@dataclass(frozen=True, eq=False)
class TransformerColumns(_Columns):
    """Transformers of two windings, and the windings of those of three; sn_mva, pfe_kw include parallel units.

    vn_hv_kv, vn_lv_kv: rated voltages. hv_tap_factor, lv_tap_factor: what the tap in force multiplies them by, 1 where
    no tap is applied. rating_mva: sn_mva with derating; infinite or NaN as in LineColumns. hv_closed, lv_closed: as
    LineColumns. hv_max_i_ka, lv_max_i_ka: the rating as a current at the rated voltage of each end.

    A transformer of three windings is three rows, "NAME (hv)", "NAME (mv)", "NAME (lv)", each between its winding's bus
    and the star point (see BusColumns), where its current has no limit. vk_percent is negative where the reactance of
    such a winding is: x = sign(vk_percent) sqrt(vk_percent^2 - vkr_percent^2); vkr_percent may be negative too.
    """

    name: Names
    hv_bus: Int64Array
    lv_bus: Int64Array
    sn_mva: FloatArray
    rating_mva: FloatArray
    vn_hv_kv: FloatArray
    vn_lv_kv: FloatArray
    hv_tap_factor: FloatArray
    lv_tap_factor: FloatArray
    vk_percent: FloatArray
    vkr_percent: FloatArray
    pfe_kw: FloatArray
    i0_percent: FloatArray
    shift_degree: FloatArray
    hv_closed: BoolArray
    lv_closed: BoolArray
    hv_max_i_ka: FloatArray
    lv_max_i_ka: FloatArray


@dataclass(frozen=True, eq=False)
class SourceColumns(_Columns):
    """Feeding points: ideal voltage sources (pandapower's ext_grid)."""

    name: Names
    bus: Int64Array
    vm_pu: FloatArray
    va_degree: FloatArray


@dataclass(frozen=True, eq=False)
class CouplerColumns(_Columns):
    """Closed switches between two buses, without impedance: they make one electrical node of both."""

    name: Names
    from_bus: Int64Array
    to_bus: Int64Array


@dataclass(frozen=True, eq=False)
class ShuntColumns(_Columns):
    """Shunts: what they draw at the nominal voltage vn_kv, load positive (q_mvar negative: a capacitor)."""

    name: Names
    bus: Int64Array
    p_mw: FloatArray
    q_mvar: FloatArray
    vn_kv: FloatArray


@dataclass(frozen=True, eq=False)
class LoadColumns(_Columns):
    """Loads: nominal power, load positive, scaling applied (0 when out of service); profile and kind as in the file.

    An absent profile or kind is the empty text. const_z_p_fraction (z) and const_i_p_fraction (i) are the shares of
    constant impedance and constant current, 0..1, the rest is constant power:
    P(V) = p_mw (z V^2 + i V + 1 - z - i), V in per unit of the bus's vn_kv; the same for q.
    """

    name: Names
    bus: Int64Array
    p_mw: FloatArray
    q_mvar: FloatArray
    const_z_p_fraction: FloatArray
    const_i_p_fraction: FloatArray
    const_z_q_fraction: FloatArray
    const_i_q_fraction: FloatArray
    profile: Names
    kind: Names


@dataclass(frozen=True, eq=False)
class GeneratorColumns(_Columns):
    """Static generators: nominal power, generation positive, scaling applied (0 when out of service).

    kind: "PV", "PV_MV", "Wind_MV", "Hydro_MV", "Biomass_MV" in SimBench.
    """

    name: Names
    bus: Int64Array
    p_mw: FloatArray
    q_mvar: FloatArray
    profile: Names
    kind: Names


@dataclass(frozen=True, eq=False)
class StorageColumns(_Columns):
    """Storage units: rated power (>= 0, both ways), usable energy, round-trip efficiency (fraction; NaN: not given)."""

    name: Names
    bus: Int64Array
    p_rated_mw: FloatArray
    energy_mwh: FloatArray
    efficiency: FloatArray
    kind: Names
