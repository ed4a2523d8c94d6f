"""A MATPOWER case as a pandapower net: what its matrices mean, element by element.

The generator of a reference bus is a feeding point, further ones there and those of PQ buses are static; generators
that hold a voltage (PV) are refused. A branch with a ratio, a phase shift or two voltage levels is a transformer: ideal
ratio at the from end, impedance at the to end, its charging as a shunt at each end. Formulas: MATPOWER 7 manual,
section 3.2. Buses are called "bus 7" after their number, branches "line 7-8" or "transformer 7-8". A rating of 0 means
no limit, as the manual has it. Charging is stated in per unit, so the frequency changes nothing.
"""

import importlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from grid_models.elements import BoolArray, FloatArray, Int64Array, NetworkError
from grid_models.matpower_case import MatpowerCase
from grid_models.pandapower_columns import UNLIMITED

if TYPE_CHECKING:
    from pandapower import pandapowerNet

_FREQUENCY_HZ: Final = 50.0


class _Bus(IntEnum):
    """Columns of the bus matrix."""

    NUMBER = 0
    TYPE = 1
    P_LOAD_MW = 2
    Q_LOAD_MVAR = 3
    G_MW = 4
    B_MVAR = 5
    ANGLE_DEGREE = 8
    BASE_KV = 9


class _Generator(IntEnum):
    """Columns of the generator matrix."""

    BUS = 0
    P_MW = 1
    Q_MVAR = 2
    VOLTAGE_PU = 5
    STATUS = 7


class _Branch(IntEnum):
    """Columns of the branch matrix."""

    FROM_BUS = 0
    TO_BUS = 1
    R = 2
    X = 3
    B = 4
    RATE_A = 5
    RATIO = 8
    SHIFT_DEGREE = 9
    STATUS = 10


class _BusType(IntEnum):
    PV = 2
    REFERENCE = 3
    ISOLATED = 4


def matpower_network(case: MatpowerCase) -> "pandapowerNet":
    """Return the case as a pandapower net; names may repeat where branches run in parallel.

    :raises NetworkError: naming what the model has no place for, or a bus that is not there
    """
    _refuse_impossible(case)
    net = importlib.import_module("pandapower").create_empty_network(f_hz=_FREQUENCY_HZ, sn_mva=case.base_mva)
    create = importlib.import_module("pandapower.create")
    number = case.bus[:, _Bus.NUMBER].astype(np.int64)
    create.create_buses(
        net, len(number), vn_kv=case.bus[:, _Bus.BASE_KV], index=number, name=[f"bus {bus}" for bus in number]
    )
    _create_injections(net, case, number)
    _create_generators(net, case)
    transformer = _is_transformer(case)
    _create_lines(net, case, np.flatnonzero(~transformer))
    _create_transformers(net, case, np.flatnonzero(transformer))
    return net


def _refuse_impossible(case: MatpowerCase) -> None:
    number = case.bus[:, _Bus.NUMBER]
    repeated = np.flatnonzero(np.bincount(np.unique(number, return_inverse=True)[1]) > 1)
    if repeated.size:
        raise NetworkError(f"bus {np.unique(number)[repeated[0]]:g} stands twice")
    for what, wrong in (
        ("is isolated (type 4); remove it from the file", case.bus[:, _Bus.TYPE] == _BusType.ISOLATED),
        ("has no base voltage", ~(case.bus[:, _Bus.BASE_KV] > 0)),
    ):
        rows = np.flatnonzero(wrong)
        if rows.size:
            raise NetworkError(f"bus {number[rows[0]]:g} {what}")
    for kind, buses in (
        ("generator", case.gen[:, _Generator.BUS]),
        ("branch", case.branch[:, _Branch.FROM_BUS]),
        ("branch", case.branch[:, _Branch.TO_BUS]),
    ):
        rows = np.flatnonzero(~np.isin(buses, number))
        if rows.size:
            raise NetworkError(f"{kind} {rows[0] + 1}: bus {buses[rows[0]]:g} is not in the network")


def _create_injections(net: "pandapowerNet", case: MatpowerCase, number: Int64Array) -> None:
    create = importlib.import_module("pandapower.create")
    loaded = (case.bus[:, _Bus.P_LOAD_MW] != 0) | (case.bus[:, _Bus.Q_LOAD_MVAR] != 0)
    if loaded.any():
        create.create_loads(
            net,
            number[loaded],
            p_mw=case.bus[loaded, _Bus.P_LOAD_MW],
            q_mvar=case.bus[loaded, _Bus.Q_LOAD_MVAR],
            name=[f"load {bus}" for bus in number[loaded]],
        )
    shunted = (case.bus[:, _Bus.G_MW] != 0) | (case.bus[:, _Bus.B_MVAR] != 0)
    if shunted.any():
        create.create_shunts(
            net,
            number[shunted],
            p_mw=case.bus[shunted, _Bus.G_MW],
            q_mvar=-case.bus[shunted, _Bus.B_MVAR],
            name=[f"shunt {bus}" for bus in number[shunted]],
        )


def _create_generators(net: "pandapowerNet", case: MatpowerCase) -> None:
    create = importlib.import_module("pandapower.create")
    row_of_bus = {int(bus): row for row, bus in enumerate(case.bus[:, _Bus.NUMBER])}
    fed: set[int] = set()
    for row in case.gen:
        bus, in_service = int(row[_Generator.BUS]), bool(row[_Generator.STATUS] > 0)
        kind = case.bus[row_of_bus[bus], _Bus.TYPE]
        if kind == _BusType.PV and in_service:
            raise NetworkError(f"the generator at bus {bus} holds its voltage; such generators are not modelled")
        if kind == _BusType.REFERENCE and in_service and bus not in fed:
            angle = case.bus[row_of_bus[bus], _Bus.ANGLE_DEGREE]
            name = f"feeding point {bus}"
            create.create_ext_grid(net, bus, vm_pu=row[_Generator.VOLTAGE_PU], va_degree=angle, name=name)
            fed.add(bus)
        else:
            power = {"p_mw": row[_Generator.P_MW], "q_mvar": row[_Generator.Q_MVAR]}
            create.create_sgen(net, bus, **power, in_service=in_service, name=f"generator {bus}")
    reference = case.bus[case.bus[:, _Bus.TYPE] == _BusType.REFERENCE, _Bus.NUMBER].astype(int).tolist()
    unfed = next((bus for bus in reference if bus not in fed), None)
    if unfed is not None:
        raise NetworkError(f"bus {unfed} is a reference bus without a generator in service")


def _is_transformer(case: MatpowerCase) -> BoolArray:
    from_kv, to_kv = _base_kv(case, _Branch.FROM_BUS), _base_kv(case, _Branch.TO_BUS)
    ratio = case.branch[:, _Branch.RATIO]
    same = ((ratio == 0) | (ratio == 1)) & (case.branch[:, _Branch.SHIFT_DEGREE] == 0) & (from_kv == to_kv)
    return np.asarray(~same, dtype=np.bool_)


def _base_kv(case: MatpowerCase, end: _Branch) -> FloatArray:
    order = np.argsort(case.bus[:, _Bus.NUMBER])
    row = order[np.searchsorted(case.bus[order, _Bus.NUMBER], case.branch[:, end])]
    return np.asarray(case.bus[row, _Bus.BASE_KV], dtype=np.float64)


def _create_lines(net: "pandapowerNet", case: MatpowerCase, rows: Int64Array) -> None:
    if not rows.size:
        return
    branch, base_kv = case.branch[rows], _base_kv(case, _Branch.FROM_BUS)[rows]
    base_ohm = base_kv**2 / case.base_mva
    rated_ka = branch[:, _Branch.RATE_A] / (np.sqrt(3) * base_kv)
    importlib.import_module("pandapower.create").create_lines_from_parameters(
        net,
        branch[:, _Branch.FROM_BUS].astype(np.int64),
        branch[:, _Branch.TO_BUS].astype(np.int64),
        length_km=1.0,
        r_ohm_per_km=branch[:, _Branch.R] * base_ohm,
        x_ohm_per_km=branch[:, _Branch.X] * base_ohm,
        c_nf_per_km=branch[:, _Branch.B] / base_ohm / (2 * np.pi * _FREQUENCY_HZ) * 1e9,
        max_i_ka=np.where(branch[:, _Branch.RATE_A] == 0, UNLIMITED, rated_ka),
        in_service=branch[:, _Branch.STATUS] > 0,
        name=_names(branch, "line"),
    )


def _create_transformers(net: "pandapowerNet", case: MatpowerCase, rows: Int64Array) -> None:
    if not rows.size:
        return
    branch = case.branch[rows]
    from_kv, to_kv = _base_kv(case, _Branch.FROM_BUS)[rows], _base_kv(case, _Branch.TO_BUS)[rows]
    from_bus, to_bus = (branch[:, end].astype(np.int64) for end in (_Branch.FROM_BUS, _Branch.TO_BUS))
    ratio = np.where(branch[:, _Branch.RATIO] == 0, 1.0, branch[:, _Branch.RATIO])
    # The ideal ratio stays at the from end, whichever end is the high-voltage one.
    down = from_kv >= to_kv
    sn_mva = np.where(branch[:, _Branch.RATE_A] == 0, UNLIMITED, branch[:, _Branch.RATE_A])
    to_percent = 100 * sn_mva / case.base_mva
    r, x = branch[:, _Branch.R], branch[:, _Branch.X]
    in_service = branch[:, _Branch.STATUS] > 0
    names = _names(branch, "transformer")
    importlib.import_module("pandapower.create").create_transformers_from_parameters(
        net,
        np.where(down, from_bus, to_bus),
        np.where(down, to_bus, from_bus),
        sn_mva=sn_mva,
        vn_hv_kv=np.where(down, from_kv * ratio, to_kv),
        vn_lv_kv=np.where(down, to_kv, from_kv * ratio),
        vk_percent=np.where(x < 0, -1.0, 1.0) * np.hypot(r, x) * to_percent,
        vkr_percent=r * to_percent,
        pfe_kw=0.0,
        i0_percent=0.0,
        shift_degree=np.where(down, 1.0, -1.0) * branch[:, _Branch.SHIFT_DEGREE],
        in_service=in_service,
        name=names,
    )
    _create_charging(net, case, rows, names, ratio)


def _create_charging(
    net: "pandapowerNet", case: MatpowerCase, rows: Int64Array, names: list[str], ratio: FloatArray
) -> None:
    create = importlib.import_module("pandapower.create")
    half_mvar = case.branch[rows, _Branch.B] / 2 * case.base_mva
    for row in np.flatnonzero((half_mvar != 0) & (case.branch[rows, _Branch.STATUS] > 0)):
        for end, mvar in ((_Branch.FROM_BUS, half_mvar[row] / ratio[row] ** 2), (_Branch.TO_BUS, half_mvar[row])):
            bus = int(case.branch[rows[row], end])
            create.create_shunt(net, bus, q_mvar=-mvar, name=f"charging of {names[row]} at {bus}")


def _names(branch: FloatArray, kind: str) -> list[str]:
    ends = np.sort(branch[:, [_Branch.FROM_BUS, _Branch.TO_BUS]].astype(np.int64), axis=1)
    return [f"{kind} {first}-{last}" for first, last in ends]
