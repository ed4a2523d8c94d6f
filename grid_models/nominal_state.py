"""The state that a network file itself describes: every load and plant at its own power, by bus."""

import numpy as np

from grid_models.elements import FloatArray
from grid_models.networks import Network
from grid_models.power_flow import PowerFlow, PowerFlowResult, VoltageDependent


def nominal_injections(
    network: Network, load_scale: float = 1.0, generation_scale: float = 1.0
) -> tuple[FloatArray, FloatArray, VoltageDependent | None]:
    """Return one scenario: constant power (MW, Mvar), and what depends on the voltage; shapes (1, n_buses).

    P(V) = p (z V^2 + i V + 1 - z - i) with the load's shares z and i, V in per unit of vn_kv (the ZIP model as
    pandapower documents it).
    """
    n_buses, loads, generators = len(network.buses), network.loads, network.generators
    share = {
        "current": (loads.const_i_p_fraction, loads.const_i_q_fraction),
        "impedance": (loads.const_z_p_fraction, loads.const_z_q_fraction),
    }

    def by_bus(p_mw: FloatArray, q_mvar: FloatArray) -> tuple[FloatArray, FloatArray]:
        p_bus, q_bus = (
            np.bincount(loads.bus, weights=-load_scale * power, minlength=n_buses) for power in (p_mw, q_mvar)
        )
        return p_bus[np.newaxis].astype(np.float64), q_bus[np.newaxis].astype(np.float64)

    (i_p, i_q), (z_p, z_q) = share["current"], share["impedance"]
    p_mw, q_mvar = by_bus(loads.p_mw * (1 - i_p - z_p), loads.q_mvar * (1 - i_q - z_q))
    p_mw += np.bincount(generators.bus, weights=generation_scale * generators.p_mw, minlength=n_buses)
    q_mvar += np.bincount(generators.bus, weights=generation_scale * generators.q_mvar, minlength=n_buses)
    if not any(values.any() for pair in share.values() for values in pair):
        return p_mw, q_mvar, None
    current, impedance = by_bus(loads.p_mw * i_p, loads.q_mvar * i_q), by_bus(loads.p_mw * z_p, loads.q_mvar * z_q)
    return p_mw, q_mvar, VoltageDependent(*current, *impedance)


def solve_nominal(power_flow: PowerFlow, load_scale: float = 1.0, generation_scale: float = 1.0) -> PowerFlowResult:
    """Return the power flow of the state in the network file, one scenario."""
    return power_flow.solve(*nominal_injections(power_flow.network, load_scale, generation_scale))
