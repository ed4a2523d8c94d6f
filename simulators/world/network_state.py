"""The network's physical state in one interval, by AC power flow on what the devices really do."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid_models.power_flow import PowerFlow, PowerFlowResult
from simulators.world.model import WorldModel

Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_MILLI_PER_MEGA = 1e9
REVERSE_SHARE_MAX = 0.8


class PowerFlowError(RuntimeError):
    """The AC power flow of an interval has no solution."""


@dataclass(frozen=True)
class Extreme:
    """The farthest value of a kind: where, and how far (voltage: of nominal; loading: of the rated current)."""

    element: str
    value: float


@dataclass(frozen=True)
class Stress:
    """How hard a state is for the network. Counts are of elements outside their limit.

    Limits: voltage bands of the network, rated current, 80 % of the rating for active power up through a transformer.
    """

    highest_voltage: Extreme
    lowest_voltage: Extreme
    worst_transformer: Extreme
    worst_line: Extreme
    buses_too_high: int
    buses_too_low: int
    transformers_overloaded: int
    transformers_reversed: int
    lines_overloaded: int


@dataclass(frozen=True, eq=False)
class NetworkState:
    """One solved interval. transformer_*: by the model's transformer_points, what goes up through the meter.

    gateway_import_mw: from the province, negative when the county exports.
    """

    transformer_export_mw: Int64Array
    transformer_reactive_import_millivar: Int64Array
    gateway_import_mw: int
    gateway_reactive_import_millivar: int
    loss_mw: int
    stress: Stress


class PhysicalNetwork:
    """Solves states of one county's network. Injections are by metering point, in mW and millivar."""

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        self._power_flow = PowerFlow(model.network)

    def solve(self, net_mw: list[Int64Array], reactive_import_millivar: Int64Array) -> list[NetworkState]:
        """Return the states of one interval for several net exports of the points, all with the same reactive load.

        :raises PowerFlowError: if a state has no solution
        """
        p_mw = np.stack([self._by_bus(net) for net in net_mw])
        q_mvar = np.repeat(self._by_bus(-reactive_import_millivar)[np.newaxis], len(net_mw), axis=0)
        result = self._power_flow.solve(p_mw, q_mvar)
        if result.failures:
            raise PowerFlowError(f"the AC power flow found no solution: {result.failures[0].reason}")
        return [self._state(result, scenario) for scenario in range(len(net_mw))]

    def _by_bus(self, milli: Int64Array) -> FloatArray:
        points = self._model.device_points
        by_bus = np.zeros(len(self._model.network.buses))
        np.add.at(by_bus, self._model.bus[points], milli[points] / _MILLI_PER_MEGA)
        return by_bus

    def _state(self, result: PowerFlowResult, scenario: int) -> NetworkState:
        transformers = self._model.transformers
        return NetworkState(
            transformer_export_mw=_milli(result.transformer_p_lv_mw[scenario, transformers]),
            transformer_reactive_import_millivar=_milli(-result.transformer_q_lv_mvar[scenario, transformers]),
            gateway_import_mw=int(_milli(result.source_p_mw[scenario].sum())),
            gateway_reactive_import_millivar=int(_milli(result.source_q_mvar[scenario].sum())),
            loss_mw=int(_milli(result.loss_mw[scenario])),
            stress=self._stress(result, scenario),
        )

    def _stress(self, result: PowerFlowResult, scenario: int) -> Stress:
        network = self._model.network
        buses, transformers = network.buses, network.transformers
        v = result.vm_pu[scenario] * buses.vn_kv * 1e3
        relative = v / buses.v_nominal_v
        transformer_loading, line_loading = result.transformer_loading[scenario], result.line_loading[scenario]
        highest, lowest = int(relative.argmax()), int(relative.argmin())
        transformer, line = int(transformer_loading.argmax()), int(line_loading.argmax())
        reversed_up = result.transformer_p_lv_mw[scenario] > REVERSE_SHARE_MAX * transformers.rating_mva
        return Stress(
            highest_voltage=Extreme(buses.name[highest], float(relative[highest])),
            lowest_voltage=Extreme(buses.name[lowest], float(relative[lowest])),
            worst_transformer=Extreme(transformers.name[transformer], float(transformer_loading[transformer])),
            worst_line=Extreme(network.lines.name[line], float(line_loading[line])),
            buses_too_high=int((v > buses.v_max_v).sum()),
            buses_too_low=int((v < buses.v_min_v).sum()),
            transformers_overloaded=int((transformer_loading > 1).sum()),
            transformers_reversed=int(reversed_up.sum()),
            lines_overloaded=int((line_loading > 1).sum()),
        )


def _milli(mega: npt.NDArray[np.floating] | np.floating) -> Int64Array:
    return np.asarray(np.rint(np.asarray(mega) * _MILLI_PER_MEGA), dtype=np.int64)
