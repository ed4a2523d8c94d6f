"""Short-circuit check of stations by IEC 60909, through pandapower: the maximum I_k'' without and with new plants.

I_k'' = c U_n / (sqrt(3) |Z_kk|) + sum_j |Z_kj| / |Z_kk| k_j I_nj (IEC 60909-0:2016, power station units with full-size
converter): voltage factor c_max, transformers corrected by K_T, loads left out, and each converter j a source of k_j
times its rated current. New plants are converters; existing ones where the file or the caller says so.

What a network file often lacks is not made up: the feeding points' short-circuit power and R/X, a rotating machine's
subtransient reactance, a plant's rating, the breaker's. Where one is missing and not given, the check is refused.
"""

import copy
import importlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from grid_models.elements import FloatArray, NetworkError
from grid_models.networks import Network, library_warnings_silenced
from grid_models.pandapower_tables import floats, texts

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

CONVERTER_KINDS: Final = ("PV", "PV_MV")  # photovoltaic plants feed in through converters, whatever their make
_SAME_LEVEL: Final = 1e-6


class ShortCircuitDataError(NetworkError):
    """A figure that the check needs is missing; the message names it and its element."""


@dataclass(frozen=True)
class ShortCircuitParameters:
    """What the check is made with.

    breaker_ka: rated short-circuit breaking current of the stations' breakers by nominal voltage in kV.
    converter_factor: k, a converter's short-circuit current over its rated current, from its maker. source_mva,
    source_rx: the feeding points' maximum short-circuit power and R/X where the file states none. converter_kinds:
    kinds of existing plants that feed in through converters. low_voltage_tolerance_percent: 6 or 10, which gives
    c_max = 1.05 or 1.10 below 1 kV.
    """

    breaker_ka: Mapping[float, float]
    converter_factor: float
    source_mva: float | None = None
    source_rx: float | None = None
    converter_kinds: tuple[str, ...] = CONVERTER_KINDS
    low_voltage_tolerance_percent: int = 10

    def __post_init__(self) -> None:
        figures = (self.converter_factor, *self.breaker_ka.values(), self.source_mva or 1.0)
        if not all(0 < figure < math.inf for figure in figures):
            raise ShortCircuitDataError("breaker ratings, converter factor and short-circuit power must be above 0")
        if self.low_voltage_tolerance_percent not in {6, 10}:
            raise ShortCircuitDataError("the voltage tolerance below 1 kV is 6 or 10 %")


@dataclass(frozen=True)
class NewPlant:
    """A plant to be connected through a converter: its bus's name and its rated apparent power."""

    bus: str
    rated_mva: float


class ShortCircuitModel:
    """Short-circuit currents of one network.

    :raises ShortCircuitDataError: if a feeding point or an existing plant lacks what the check needs
    """

    def __init__(self, network: Network, parameters: ShortCircuitParameters) -> None:
        self._network = network
        self._parameters = parameters
        self._net = _prepared(network, parameters)

    def currents(self, buses: Sequence[str], plants: Sequence[NewPlant] = ()) -> FloatArray:
        """Return the maximum three-phase I_k'' at each bus, kA, with all the new plants, shape (n_buses,).

        :raises ShortCircuitDataError: if a bus is unknown, or a plant's rating is not above 0
        """
        at = [self._index(name) for name in buses]
        return self._solved(self._with_plants(plants) if plants else self._net, at)

    def breaker_ka(self, bus: str) -> float:
        """Return the rating of the breaker at the bus, by its nominal voltage.

        :raises ShortCircuitDataError: if none is given
        """
        rating_ka = self._breaker_ka(bus)
        if rating_ka is None:
            nominal_kv = float(self._network.buses.v_nominal_v[self._position(bus)]) / 1e3
            raise ShortCircuitDataError(f"{bus!r}: no breaker rating is given for {nominal_kv:g} kV")
        return rating_ka

    def has_breaker(self, bus: str) -> bool:
        """Return whether a breaker rating is given for the bus's nominal voltage."""
        return self._breaker_ka(bus) is not None

    def _breaker_ka(self, bus: str) -> float | None:
        nominal_kv = float(self._network.buses.v_nominal_v[self._position(bus)]) / 1e3
        near = (rating for kv, rating in self._parameters.breaker_ka.items() if abs(kv / nominal_kv - 1) < _SAME_LEVEL)
        return next(near, None)

    def _with_plants(self, plants: Sequence[NewPlant]) -> "pandapowerNet":
        pandas = importlib.import_module("pandas")
        for plant in plants:
            if not 0 < plant.rated_mva < math.inf:
                raise ShortCircuitDataError(f"{plant.bus!r}: a plant of {plant.rated_mva} MVA has no rated current")
        rows = pandas.DataFrame(
            {
                "bus": [self._index(plant.bus) for plant in plants],
                "sn_mva": [plant.rated_mva for plant in plants],
                "k": self._parameters.converter_factor,
            }
        )
        return _with_converters(self._net, pandas.concat([self._net["sgen"][["bus", "sn_mva", "k"]], rows]))

    def _solved(self, net: "pandapowerNet", buses: Sequence[int]) -> FloatArray:
        """Return the currents at pandapower's bus indices."""
        short_circuit = importlib.import_module("pandapower.shortcircuit")
        tolerance = self._parameters.low_voltage_tolerance_percent
        with library_warnings_silenced(), warnings.catch_warnings():
            # What it warns of, voltages and branch powers of transformers off their nominal ratio, is not read here.
            warnings.simplefilter("ignore", UserWarning)
            short_circuit.calc_sc(net, bus=list(buses), case="max", lv_tol_percent=tolerance, inverse_y=False)
        found = net["res_bus_sc"].ikss_ka.loc[list(buses)].to_numpy(dtype=np.float64)
        if not np.isfinite(found).all():
            raise ShortCircuitDataError(f"{self._network.name}: pandapower finds no short-circuit current")
        return np.array(found)

    def _index(self, bus: str) -> int:
        """Return pandapower's index of a bus."""
        position = self._position(bus)
        if position >= len(self._net["bus"]):
            raise ShortCircuitDataError(f"{bus!r} is inside a transformer")
        return int(self._net["bus"].index[position])

    def _position(self, bus: str) -> int:
        if bus not in self._network.bus_position:
            raise ShortCircuitDataError(f"no bus is called {bus!r}")
        return self._network.bus_position[bus]


def _prepared(network: Network, parameters: ShortCircuitParameters) -> "pandapowerNet":
    """Return the pandapower net with feeding points and existing plants as IEC 60909 takes them."""
    handle: pandapowerNet = network.handle
    net = copy.copy(handle)
    source = net["ext_grid"]
    net["ext_grid"] = source.assign(
        s_sc_max_mva=_given(source, "s_sc_max_mva", parameters.source_mva, "short-circuit power (s_sc_max_mva)"),
        rx_max=_given(source, "rx_max", parameters.source_rx, "R/X of its short-circuit impedance (rx_max)"),
    )
    if len(net["gen"]):
        raise ShortCircuitDataError(f"generator {net['gen']['name'].iloc[0]!r}: rotating machines are not checked here")
    plants = net["sgen"][net["sgen"].in_service.to_numpy().astype(bool)]
    _refuse_rotating(plants, parameters.converter_kinds)
    rated_mva = floats(plants, "sn_mva", math.nan)
    unrated = np.flatnonzero(~(rated_mva > 0))
    if unrated.size:
        raise ShortCircuitDataError(f"plant {texts(plants, 'name')[int(unrated[0])]!r} has no rated power (sn_mva)")
    return _with_converters(net, plants[["bus", "sn_mva"]].assign(k=parameters.converter_factor))


def _given(table: "DataFrame", column: str, given: float | None, what: str) -> FloatArray:
    """Return a column of the feeding points, what is absent filled by what is given."""
    values = floats(table, column, math.nan)
    absent = ~(values > 0)
    if absent.any() and given is None:
        name = texts(table, "name")[int(np.flatnonzero(absent)[0])]
        raise ShortCircuitDataError(f"feeding point {name!r} has no {what}, and none is given")
    return np.where(absent, math.nan if given is None else given, values)


def _refuse_rotating(plants: "DataFrame", converter_kinds: tuple[str, ...]) -> None:
    """Refuse a plant that nobody says is a converter."""
    said = [source is True for source in plants["current_source"].tolist()]
    for name, kind, is_converter in zip(texts(plants, "name"), texts(plants, "type"), said, strict=True):
        if not is_converter and kind not in converter_kinds:
            raise ShortCircuitDataError(
                f"plant {name!r} of kind {kind!r}: nobody says that it feeds in through a converter, and the "
                f"subtransient reactance of a rotating machine is missing"
            )


def _with_converters(net: "pandapowerNet", converters: "DataFrame") -> "pandapowerNet":
    """Return the net with these static generators only, all of them current sources; columns bus, sn_mva, k."""
    changed = copy.copy(net)
    changed["sgen"] = converters.reset_index(drop=True).assign(
        name="",
        p_mw=0.0,
        q_mvar=0.0,
        scaling=1.0,
        in_service=True,
        current_source=True,
        generator_type="current_source",
    )
    return changed
