"""Explain a branch's flow: every load and plant with what it contributes, the largest first, and the losses apart."""

from typing import Final

import numpy as np

from grid_models.elements import FloatArray, Int64Array
from grid_models.grid_documents import ContributionRow, ExplainDocument
from grid_models.grid_reports import PeriodError, time_of
from grid_models.hosting import NoBaseStateError
from grid_models.loading_shares import branch_overlap
from grid_models.networks import Network
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import PowerFlow, PowerFlowResult, rated_currents_ka
from grid_models.simbench_profiles import NetworkProfiles

_NO_FLOW_MW: Final = 1e-9


def explain_nominal(power_flow: PowerFlow, element: str, top: int) -> ExplainDocument:
    """Return who loads the element in the state of the network file.

    :raises NetworkError: if no closed line or transformer is called so
    :raises NoBaseStateError: if the state has no solution
    """
    network = power_flow.network
    result = power_flow.solve(*nominal_injections(network))
    loads = network.loads
    vm_pu = result.vm_pu[0, loads.bus]

    def drawn(power: FloatArray, current: FloatArray, impedance: FloatArray) -> FloatArray:
        return np.asarray(power * (impedance * vm_pu**2 + current * vm_pu + 1 - impedance - current))

    load_p = drawn(loads.p_mw, loads.const_i_p_fraction, loads.const_z_p_fraction)
    load_q = drawn(loads.q_mvar, loads.const_i_q_fraction, loads.const_z_q_fraction)
    points = _Points(network, load_p, load_q, network.generators.p_mw, network.generators.q_mvar)
    return _explained(power_flow, result, element, points, at=None, top=top)


def explain_row(power_flow: PowerFlow, profiles: NetworkProfiles, element: str, row: int, top: int) -> ExplainDocument:
    """Return who loads the element in one quarter-hour of the profiles.

    :raises NetworkError: if no closed line or transformer is called so
    :raises PeriodError: if there is no such row
    :raises NoBaseStateError: if its state has no solution
    """
    n_rows = len(profiles.load_p.factor)
    if not 0 <= row < n_rows:
        raise PeriodError(f"row {row} is not one of 0 to {n_rows - 1}, the rows of the profiles")
    load_p, load_q, plant_p = (
        series.rows(row, row + 1)[0] for series in (profiles.load_p, profiles.load_q, profiles.generator_p)
    )
    points = _Points(power_flow.network, load_p, load_q, plant_p, np.zeros_like(plant_p))
    result = power_flow.solve(*points.by_bus())
    return _explained(power_flow, result, element, points, at=time_of(row), top=top)


class _Points:
    """Loads, then plants, with what each injects."""

    def __init__(
        self, network: Network, load_p: FloatArray, load_q: FloatArray, plant_p: FloatArray, plant_q: FloatArray
    ) -> None:
        self.name = (*network.loads.name, *network.generators.name)
        self.bus: Int64Array = np.concatenate([network.loads.bus, network.generators.bus])
        self.n_loads = len(network.loads)
        self.p_mw = np.concatenate([-load_p, plant_p])
        self.q_mvar = np.concatenate([-load_q, plant_q])
        self._n_buses = len(network.buses)

    def by_bus(self) -> tuple[FloatArray, FloatArray]:
        """Return the injections by bus, MW and Mvar, shape (1, n_buses)."""
        p_mw, q_mvar = (
            np.bincount(self.bus, weights=values, minlength=self._n_buses)[np.newaxis].astype(np.float64)
            for values in (self.p_mw, self.q_mvar)
        )
        return p_mw, q_mvar


def _explained(
    power_flow: PowerFlow, result: PowerFlowResult, element: str, points: _Points, *, at: str | None, top: int
) -> ExplainDocument:
    network = power_flow.network
    if result.failures:
        failure = result.failures[0]
        raise NoBaseStateError(f"the state has no solution: bus {failure.bus!r}: {failure.reason}")
    branch = branch_overlap(power_flow, element)
    up_mw = float(branch.flow_up_mw(network, result)[0])
    sign = 1.0 if up_mw > 0 else -1.0
    overlap = branch.overlap[points.bus]
    contribution = sign * (overlap * (points.p_mw + 1j * points.q_mvar)).real
    net_mw = float(contribution.sum())
    loading = np.concatenate([result.line_loading, result.transformer_loading], axis=1)[0, branch.branch]
    counted = np.flatnonzero(overlap)
    ordered = counted[np.lexsort((counted, -contribution[counted]))]
    listed = ordered[:top]
    return ExplainDocument(
        network=network.name,
        element=element,
        at=at,
        method=branch.kind.value,
        direction="export" if sign > 0 else "import",
        flow_mw=abs(up_mw),
        loading_percent=float(loading) * 100 if np.isfinite(rated_currents_ka(network)[0][branch.branch]) else None,
        net_mw=net_mw,
        losses_mw=sign * (net_mw - abs(up_mw)),
        points=[
            ContributionRow(
                points.name[point],
                "load" if point < points.n_loads else "plant",
                network.buses.name[int(points.bus[point])],
                float(points.p_mw[point]),
                float(contribution[point]),
                None if abs(net_mw) < _NO_FLOW_MW else float(contribution[point]) / net_mw * 100,
            )
            for point in listed.tolist()
        ],
        n_others=int(ordered.size - listed.size),
        others_mw=float(contribution[ordered[top:]].sum()),
    )
