"""What is measured in a network for state estimation: where sensors stand, how exact they are, and their readings."""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import numpy as np

from grid_models.elements import FloatArray, Names, NetworkError, freeze
from grid_models.networks import Network


class Method(Enum):
    """How the least squares are solved: exactly (NEWTON), or faster, p and q of a sensor weighed as one."""

    NEWTON = "newton"
    ITERATIVE_LINEAR = "iterative-linear"


class Quantity(Enum):
    """What a sensor measures."""

    VOLTAGE = "voltage"
    INJECTION_P = "active injection"
    INJECTION_Q = "reactive injection"
    TRANSFORMER_P = "active flow"
    TRANSFORMER_Q = "reactive flow"

    @property
    def unit(self) -> str:
        """The unit in which readings and residuals are given."""
        match self:
            case Quantity.VOLTAGE:
                return "V"
            case Quantity.INJECTION_P | Quantity.TRANSFORMER_P:
                return "MW"
            case Quantity.INJECTION_Q | Quantity.TRANSFORMER_Q:
                return "Mvar"
            case _:
                assert_never(self)

    @property
    def per_unit(self) -> float:
        """How many V, W or var are one such unit."""
        return 1.0 if self is Quantity.VOLTAGE else 1e6


@dataclass(frozen=True, eq=False)
class VoltageSensors:
    """Voltmeters at buses. sigma_v: standard deviation of the error, line to line, or phase to neutral by phase."""

    name: Names
    bus: Names
    sigma_v: FloatArray

    def __post_init__(self) -> None:
        freeze(self)
        assert len(self.name) == len(self.bus) == self.sigma_v.size, "one row a sensor"


@dataclass(frozen=True, eq=False)
class PowerSensors:
    """Power meters; place: names of buses or transformers. Standard deviations are of one phase where by phase."""

    name: Names
    place: Names
    sigma_p_mw: FloatArray
    sigma_q_mvar: FloatArray

    def __post_init__(self) -> None:
        freeze(self)
        assert len(self.name) == len(self.place) == self.sigma_p_mw.size == self.sigma_q_mvar.size, "one row a sensor"


NO_POWER_SENSORS = PowerSensors((), (), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Sensors:
    """All sensors of a network; names are unique among them.

    injection: at buses, positive into the network. transformer: at the low-voltage side, positive from the bus into the
    transformer (an area's summary meter; import into the area is negative).
    """

    voltage: VoltageSensors
    injection: PowerSensors
    transformer: PowerSensors = NO_POWER_SENSORS

    def names(self, quantity: Quantity) -> Names:
        """Return the names of the sensors that measure the quantity."""
        match quantity:
            case Quantity.VOLTAGE:
                return self.voltage.name
            case Quantity.INJECTION_P | Quantity.INJECTION_Q:
                return self.injection.name
            case Quantity.TRANSFORMER_P | Quantity.TRANSFORMER_Q:
                return self.transformer.name
            case _:
                assert_never(quantity)


@dataclass(frozen=True, eq=False)
class Readings:
    """What the sensors measured: (n_scenarios, n_sensors), or (n_scenarios, n_sensors, 3) by phase."""

    voltage_v: FloatArray
    injection_p_mw: FloatArray
    injection_q_mvar: FloatArray
    transformer_p_mw: FloatArray | None = None
    transformer_q_mvar: FloatArray | None = None


def refuse_unusable(network: Network, sensors: Sensors) -> None:
    """Refuse sensors at unknown places, without a standard deviation, or of one name.

    :raises NetworkError: naming the sensor
    """
    names = (*sensors.voltage.name, *sensors.injection.name, *sensors.transformer.name)
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise NetworkError(f"sensor {repeated!r} stands twice")
    places = (
        (sensors.voltage.name, sensors.voltage.bus, network.buses.name),
        (sensors.injection.name, sensors.injection.place, network.buses.name),
        (sensors.transformer.name, sensors.transformer.place, network.transformers.name),
    )
    for own, place, known in places:
        lost = next((row for row, each in enumerate(place) if each not in set(known)), None)
        if lost is not None:
            raise NetworkError(f"sensor {own[lost]!r} stands at {place[lost]!r}, which the network does not have")
    injection, transformer = sensors.injection, sensors.transformer
    for own, sigma in (
        (sensors.voltage.name, sensors.voltage.sigma_v),
        (injection.name, np.minimum(injection.sigma_p_mw, injection.sigma_q_mvar)),
        (transformer.name, np.minimum(transformer.sigma_p_mw, transformer.sigma_q_mvar)),
    ):
        without = np.flatnonzero(~(np.isfinite(sigma) & (sigma > 0)))
        if without.size:
            raise NetworkError(f"sensor {own[int(without[0])]!r} has no standard deviation above 0")
