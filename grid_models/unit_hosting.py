"""Hosting capacity of each unit of the balance tree by AC power flow: at the bus where the unit's edge ends."""

from collections.abc import Sequence

import numpy as np

from grid_models.capacity_assessment import UnitHosting
from grid_models.elements import FloatArray, Int64Array, Names
from grid_models.hosting import BindingKind, Hosting
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow


def unit_hosting(
    power_flow: PowerFlow,
    *,
    elements: Sequence[Names],
    unit_of_bus: Int64Array,
    states_mw_mvar: tuple[FloatArray, FloatArray],
    power_factor: float,
) -> UnitHosting:
    """Return the least certified capacity over the states, and what binds; nothing for the county.

    Where nothing binds, or no full AC power flow confirms the figure, there is none.

    :param elements: names of the lines and transformers of each unit's edge, none for the root
    :param unit_of_bus: position of the unit in which each bus lies
    :param states_mw_mvar: active and reactive injections of each state, shape (n_states, n_buses) each
    :param power_factor: of the new plant
    :raises grid_models.hosting.NoBaseStateError: if a state has no solution without the plant
    """
    buses = _edge_buses(power_flow.network, elements, unit_of_bus)
    found = Hosting(power_flow).capacity(*states_mw_mvar, buses=buses, power_factor=power_factor)
    bound = np.isfinite(found.capacity_mw) & found.certified
    limit = [
        f"{kind.value} {value:g} {'kA' if kind is BindingKind.CURRENT else 'V'}"
        for kind, value in zip(found.kind, found.limit, strict=True)
    ]
    return UnitHosting(
        p_mw=np.concatenate([[np.nan], np.where(bound, found.capacity_mw, np.nan)]),
        element=("", *(name if one else "" for name, one in zip(found.element, bound, strict=True))),
        limit=("", *(text if one else "" for text, one in zip(limit, bound, strict=True))),
    )


def _edge_buses(network: Network, elements: Sequence[Names], unit_of_bus: Int64Array) -> Int64Array:
    lines, transformers = network.lines, network.transformers
    ends = dict(zip(lines.name, zip(lines.from_bus, lines.to_bus, strict=True), strict=True))
    ends |= dict(zip(transformers.name, zip(transformers.hv_bus, transformers.lv_bus, strict=True), strict=True))
    found = []
    for unit, names in enumerate(elements[1:], start=1):
        first, second = ends[names[0]]
        found.append(first if unit_of_bus[first] == unit else second)
    return np.array(found, dtype=np.int64)
