"""Single-phase and three-phase metering points: which phase each is on, and their power by bus and phase.

Also what a network's file holds by phase (asymmetric_load, asymmetric_sgen), which `Network` sums up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, assert_never

import numpy as np

from grid_models.elements import FloatArray, Int64Array, NetworkError, freeze
from grid_models.low_voltage_area import LowVoltageArea, low_voltage_areas
from grid_models.networks import Network
from grid_models.pandapower_tables import bus_positions, floats, texts, weight

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

_BY_PHASE = {"asymmetric_load": -1.0, "asymmetric_sgen": 1.0}
_THREE_PHASE = {"load": -1.0, "sgen": 1.0}


class PhaseConnection(Enum):
    """Where a metering point is connected: one phase and neutral, or all three phases with equal shares."""

    A = "a"
    B = "b"
    C = "c"
    THREE_PHASE = "abc"

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of the point's power on phases a, b, c; they sum to 1."""
        match self:
            case PhaseConnection.A:
                return 1.0, 0.0, 0.0
            case PhaseConnection.B:
                return 0.0, 1.0, 0.0
            case PhaseConnection.C:
                return 0.0, 0.0, 1.0
            case PhaseConnection.THREE_PHASE:
                return 1 / 3, 1 / 3, 1 / 3
            case _:
                assert_never(self)


@dataclass(frozen=True, eq=False)
class PhasePoints:
    """Metering points of a network by phase. bus: (n_points,), positions. share: (n_points, 3), phases a, b, c."""

    bus: Int64Array
    share: FloatArray
    n_buses: int

    def __post_init__(self) -> None:
        freeze(self)

    def injection(self, point_values: FloatArray) -> FloatArray:
        """Return the points' values by bus and phase, shape (n_scenarios, n_buses, 3).

        :param point_values: shape (n_scenarios, n_points), of all phases of a point together
        """
        by_bus = np.zeros((self.n_buses, len(point_values), 3))
        np.add.at(by_bus, self.bus, point_values.T[:, :, np.newaxis] * self.share[:, np.newaxis, :])
        return np.ascontiguousarray(by_bus.transpose(1, 0, 2))


@dataclass(frozen=True, eq=False)
class PhaseInjections:
    """What a network's file injects by phase, positive into the network; p_mw, q_mvar: (n_buses, 3)."""

    p_mw: FloatArray
    q_mvar: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


def locate_phase_points(
    network: Network, point_bus: Sequence[str], connection: Sequence[PhaseConnection]
) -> PhasePoints:
    """Return where the metering points stand and on which phases.

    :param point_bus: bus name of each
    :raises NetworkError: naming the first bus that the network does not have
    """
    assert len(point_bus) == len(connection), "one connection a metering point"
    unknown = next((bus for bus in point_bus if bus not in network.bus_position), None)
    if unknown is not None:
        raise NetworkError(f"bus {unknown!r} of a metering point is not in the network")
    bus = np.array([network.bus_position[name] for name in point_bus], dtype=np.int64)
    share = np.array([each.shares for each in connection], dtype=np.float64).reshape(-1, 3)
    return PhasePoints(bus, share, len(network.buses))


def phase_areas(
    network: Network, point_bus: Sequence[str], connection: Sequence[PhaseConnection]
) -> tuple[LowVoltageArea, ...]:
    """Return the areas that need the unbalanced power flow: those with a single-phase metering point.

    For the others the balanced one gives the same voltages.
    """
    single = {
        network.bus_position[bus]
        for bus, each in zip(point_bus, connection, strict=True)
        if each is not PhaseConnection.THREE_PHASE
    }
    return tuple(area for area in low_voltage_areas(network) if not single.isdisjoint(area.buses.tolist()))


def phase_injections(network: Network) -> PhaseInjections:
    """Return what the file of a network injects by phase: its asymmetric loads and generators as they stand.

    Loads and static generators of all three phases are parted equally; storage units inject nothing.

    :raises NetworkError: for a delta-connected element or a load that is not of constant power, naming it
    """
    net: pandapowerNet = network.handle
    loads = network.loads
    varying = np.flatnonzero(
        loads.const_z_p_fraction + loads.const_i_p_fraction + loads.const_z_q_fraction + loads.const_i_q_fraction
    )
    if varying.size:
        raise NetworkError(f"load {loads.name[int(varying[0])]!r}: by phase only constant power is modelled")
    positions = bus_positions(net)
    p_mw, q_mvar = np.zeros((2, len(network.buses), 3))
    for kind, sign in _BY_PHASE.items():
        table = net.get(kind)
        if table is None or not len(table):
            continue
        _refuse_delta(table, kind)
        bus, factor = positions.of(table, "bus", kind), sign * weight(table)
        for phase, letter in enumerate("abc"):
            np.add.at(p_mw[:, phase], bus, floats(table, f"p_{letter}_mw", 0.0) * factor)
            np.add.at(q_mvar[:, phase], bus, floats(table, f"q_{letter}_mvar", 0.0) * factor)
    for kind, sign in _THREE_PHASE.items():
        table = net[kind]
        bus, factor = positions.of(table, "bus", kind), sign * weight(table) / 3
        np.add.at(p_mw, bus, (floats(table, "p_mw", 0.0) * factor)[:, np.newaxis])
        np.add.at(q_mvar, bus, (floats(table, "q_mvar", 0.0) * factor)[:, np.newaxis])
    return PhaseInjections(p_mw, q_mvar)


def _refuse_delta(table: "DataFrame", kind: str) -> None:
    for name, connected in zip(texts(table, "name"), texts(table, "type"), strict=True):
        if connected.lower() not in {"", "wye"}:
            raise NetworkError(f"{kind} {name!r}: connected as {connected!r}, only wye is modelled by phase")
