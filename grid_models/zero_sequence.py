"""Zero-sequence data of a network's lines, transformers and feeding points: as the file has them, else assumed.

The file's columns are pandapower's (r0_ohm_per_km, vk0_percent, mag0_percent, s_sc_max_mva ...) and are read as its
three-phase power flow reads them. What a file lacks is taken from stated factors and the element is named among the
assumed ones; what no factor can replace is refused.

A four-wire line is described by its sequences: the neutral is the return path of the zero sequence. For four equal
conductors at equal distances, z0 = (zs - zm) + 3 (zs - zm) = 4 z1: the default of both factors.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, assert_never

import numpy as np
import numpy.typing as npt

from grid_models.elements import BoolArray, FloatArray, Names, NetworkError, freeze
from grid_models.networks import Network
from grid_models.pandapower_tables import floats, texts

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

ComplexArray = npt.NDArray[np.complex128]

# IEC 60909-0 voltage factor with which pandapower turns a short-circuit power into an impedance.
_VOLTAGE_FACTOR = 1.1
_LINE_COLUMNS = ("r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km")


class VectorGroup(Enum):
    """How a transformer's windings are connected, without its clock hour; the low-voltage neutral is earthed."""

    DYN = "dyn"
    YNYN = "ynyn"
    YYN = "yyn"
    YZN = "yzn"


@dataclass(frozen=True)
class ZeroSequenceDefaults:
    """Factors for what a file lacks: zero-sequence over positive-sequence values.

    zigzag_z0_per_z1: for a zigzag winding, whose zero-sequence ampere-turns cancel on each limb.
    """

    line_r0_per_r1: float = 4.0
    line_x0_per_x1: float = 4.0
    line_c0_per_c1: float = 1.0
    transformer_z0_per_z1: float = 1.0
    zigzag_z0_per_z1: float = 0.1


@dataclass(frozen=True, eq=False)
class ZeroSequence:
    """Zero-sequence data in the order of the network's lines, transformers and feeding points.

    line_r0_ohm, line_x0_ohm, line_c0_nf: of the whole line, parallel systems included.
    transformer_z0_ohm: seen from the low-voltage side; through it the zero sequence flows to earth (Dyn, Yyn, Yzn) or
    to the high-voltage side (YNyn). transformer_y0_siemens: magnetising shunt of YNyn, 0 elsewhere.
    source_z2_ohm, source_z0_ohm: of the negative and the zero sequence, 0 where the source is ideal.
    assumed: names of the elements for which a factor stands in for missing data.
    """

    line_r0_ohm: FloatArray
    line_x0_ohm: FloatArray
    line_c0_nf: FloatArray
    vector_group: tuple[VectorGroup, ...]
    transformer_z0_ohm: ComplexArray
    transformer_y0_siemens: ComplexArray
    source_z2_ohm: ComplexArray
    source_z0_ohm: ComplexArray
    assumed: Names

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class _Transformers:
    vector_group: tuple[VectorGroup, ...]
    z0_ohm: ComplexArray
    y0_siemens: ComplexArray
    assumed: Names


def zero_sequence(network: Network, defaults: ZeroSequenceDefaults | None = None) -> ZeroSequence:
    """Return the zero-sequence data of a network, from the pandapower net it came from.

    :raises NetworkError: naming the transformer whose vector group is unknown, does not fit its phase shift, or lacks
        what no factor can replace
    """
    factors = defaults or ZeroSequenceDefaults()
    r0_ohm, x0_ohm, c0_nf, assumed_lines = _lines(network, factors)
    transformers = _transformers(network, factors)
    z2_ohm, z0_ohm, assumed_sources = _sources(network)
    return ZeroSequence(
        line_r0_ohm=r0_ohm,
        line_x0_ohm=x0_ohm,
        line_c0_nf=c0_nf,
        vector_group=transformers.vector_group,
        transformer_z0_ohm=transformers.z0_ohm,
        transformer_y0_siemens=transformers.y0_siemens,
        source_z2_ohm=z2_ohm,
        source_z0_ohm=z0_ohm,
        assumed=(*assumed_lines, *transformers.assumed, *assumed_sources),
    )


def _rows_of(network: Network, kind: str, names: Names) -> "DataFrame":
    """Return the net's rows of the elements with these names, in their order."""
    net: pandapowerNet = network.handle
    table = net[kind]
    row_of = {name: row for row, name in enumerate(texts(table, "name"))}
    unknown = next((name for name in names if name not in row_of), None)
    if unknown is not None:
        raise NetworkError(f"{unknown!r} has no row of its own in the table {kind!r}: not modelled by phase")
    return table.iloc[[row_of[name] for name in names]]


def _lines(network: Network, factors: ZeroSequenceDefaults) -> tuple[FloatArray, FloatArray, FloatArray, Names]:
    lines = network.lines
    table = _rows_of(network, "line", lines.name)
    parallel = floats(table, "parallel", 1.0)
    r0_per_km, x0_per_km, c0_per_km = (floats(table, column, math.nan) for column in _LINE_COLUMNS)
    missing = ~(np.isfinite(r0_per_km) & np.isfinite(x0_per_km) & np.isfinite(c0_per_km))
    negative = np.flatnonzero(r0_per_km < 0)
    if negative.size:
        raise NetworkError(f"line {lines.name[int(negative[0])]!r} has a negative zero-sequence resistance")
    return (
        np.where(missing, lines.r_ohm * factors.line_r0_per_r1, r0_per_km * lines.length_km / parallel),
        np.where(missing, lines.x_ohm * factors.line_x0_per_x1, x0_per_km * lines.length_km / parallel),
        np.where(missing, lines.c_nf * factors.line_c0_per_c1, c0_per_km * lines.length_km * parallel),
        tuple(name for name, absent in zip(lines.name, missing, strict=True) if absent),
    )


def _transformers(network: Network, factors: ZeroSequenceDefaults) -> _Transformers:
    transformers = network.transformers
    table = _rows_of(network, "trafo", transformers.name)
    columns = {
        name: floats(table, name, math.nan)
        for name in ("vk0_percent", "vkr0_percent", "mag0_percent", "mag0_rx", "si0_hv_partial")
    }
    groups, z0_ohm, y0_siemens, assumed = [], [], [], []
    base_ohm = (transformers.vn_lv_kv * transformers.lv_tap_factor) ** 2 / transformers.sn_mva
    for row, (name, text) in enumerate(zip(transformers.name, texts(table, "vector_group"), strict=True)):
        group = _vector_group(name, text, float(transformers.shift_degree[row]))
        data = {column: float(values[row]) for column, values in columns.items()}
        z1 = _impedance_pu(float(transformers.vk_percent[row]), float(transformers.vkr_percent[row]))
        missing = not (math.isfinite(data["vk0_percent"]) and math.isfinite(data["vkr0_percent"]))
        if missing or not text:
            assumed.append(name)
        if missing:
            z0_pu, y0_pu = _assumed_zero_sequence(name, group, z1, factors)
        else:
            z0_pu, y0_pu = _given_zero_sequence(name, group, z1, data)
        groups.append(group)
        z0_ohm.append(z0_pu * base_ohm[row])
        y0_siemens.append(y0_pu / base_ohm[row])
    return _Transformers(
        tuple(groups),
        np.array(z0_ohm, dtype=np.complex128),
        np.array(y0_siemens, dtype=np.complex128),
        tuple(assumed),
    )


def _vector_group(name: str, text: str, shift_degree: float) -> VectorGroup:
    """Return the vector group; an empty text is Dyn where the clock hour is odd, as on nearly all new transformers."""
    odd_hour = round(shift_degree / 30) % 2 == 1
    if not text:
        if not odd_hour:
            raise NetworkError(f"transformer {name!r}: its vector group is missing")
        return VectorGroup.DYN
    letters = text.rstrip("0123456789").lower()
    if letters not in {group.value for group in VectorGroup}:
        raise NetworkError(f"transformer {name!r}: vector group {text!r} is not modelled by phase")
    group = VectorGroup(letters)
    if odd_hour != (group in {VectorGroup.DYN, VectorGroup.YZN}):
        raise NetworkError(
            f"transformer {name!r}: vector group {text!r} and {shift_degree:g} degrees exclude each other"
        )
    return group


def _impedance_pu(vk_percent: float, vkr_percent: float) -> complex:
    return complex(vkr_percent, math.sqrt(max(vk_percent**2 - vkr_percent**2, 0.0))) / 100


def _assumed_zero_sequence(
    name: str, group: VectorGroup, z1_pu: complex, factors: ZeroSequenceDefaults
) -> tuple[complex, complex]:
    match group:
        case VectorGroup.DYN | VectorGroup.YNYN:
            return z1_pu * factors.transformer_z0_per_z1, 0j
        case VectorGroup.YZN:
            return z1_pu * factors.zigzag_z0_per_z1, 0j
        case VectorGroup.YYN:
            raise NetworkError(f"transformer {name!r}: a Yyn transformer needs vk0_percent and mag0_percent")
        case _:
            assert_never(group)


def _given_zero_sequence(
    name: str, group: VectorGroup, z1_pu: complex, data: dict[str, float]
) -> tuple[complex, complex]:
    """Return series impedance and magnetising shunt in per unit of the rating, from the T circuit of the windings.

    As pandapower's pd2ppc_zero: leakage z0 parted between the windings by si0_hv_partial, magnetising impedance
    mag0_percent / 100 times |z0| (a ratio of 100 is 10,000 there). A leakage of 0 stands for the positive one.
    """
    zero = data["vk0_percent"] == 0
    leakage = z1_pu if zero else _impedance_pu(data["vk0_percent"], data["vkr0_percent"])
    ratio, r_per_x, hv_share = data["mag0_percent"] / 100, data["mag0_rx"], data["si0_hv_partial"]
    if group is VectorGroup.YZN:
        return leakage, 0j
    if not math.isfinite(ratio):
        if group is VectorGroup.YYN:
            raise NetworkError(f"transformer {name!r}: a Yyn transformer needs mag0_percent")
        return leakage, 0j
    if not (ratio > 0 and math.isfinite(r_per_x) and 0 <= hv_share <= 1):
        raise NetworkError(f"transformer {name!r}: mag0_percent, mag0_rx or si0_hv_partial is missing or impossible")
    magnetising = abs(leakage) * ratio / math.sqrt(r_per_x**2 + 1) * complex(r_per_x, 1.0)
    high, low = leakage * hv_share, leakage * (1 - hv_share)
    match group:
        case VectorGroup.DYN:  # the delta short-circuits the high-voltage winding
            return low + high * magnetising / (high + magnetising), 0j
        case VectorGroup.YYN:
            return low + magnetising, 0j
        case VectorGroup.YNYN:
            if hv_share != 0.5:
                raise NetworkError(f"transformer {name!r}: YNyn is modelled with si0_hv_partial 0.5 only")
            return leakage + high * low / magnetising, 2 / (2 * magnetising + high)
        case _:
            assert_never(group)


def _sources(network: Network) -> tuple[ComplexArray, ComplexArray, Names]:
    """Return z2 and z0 of the feeding points, as pandapower: c / s_sc_max_mva; ideal where that is missing."""
    sources = network.sources
    table = _rows_of(network, "ext_grid", sources.name)
    s_sc_mva = floats(table, "s_sc_max_mva", math.nan)
    rx, x0x, r0x0 = (floats(table, name, math.nan) for name in ("rx_max", "x0x_max", "r0x0_max"))
    vn_kv = network.buses.vn_kv[sources.bus]
    missing = ~((s_sc_mva > 0) & np.isfinite(rx))
    z_ohm = _VOLTAGE_FACTOR * vn_kv**2 / np.where(missing, np.inf, s_sc_mva)
    x_ohm = z_ohm / np.sqrt(np.where(missing, 0.0, rx) ** 2 + 1)
    x0_ohm = np.where(np.isfinite(x0x), x0x, 1.0) * x_ohm
    r0x0 = np.where(np.isfinite(r0x0), r0x0, np.where(missing, 0.0, rx))
    assumed = missing | ~_both(floats(table, "x0x_max", math.nan), floats(table, "r0x0_max", math.nan))
    return (
        np.where(missing, 0.0, rx) * x_ohm + 1j * x_ohm,
        r0x0 * x0_ohm + 1j * x0_ohm,
        tuple(name for name, absent in zip(sources.name, assumed, strict=True) if absent),
    )


def _both(first: FloatArray, second: FloatArray) -> BoolArray:
    return np.asarray(np.isfinite(first) & np.isfinite(second), dtype=np.bool_)
