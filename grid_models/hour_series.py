"""The injections of a network's hours by bus: a year of profiles, and what is added to each hour alike."""

import numpy as np
import scipy.sparse

from grid_models.elements import FloatArray, Int64Array
from grid_models.networks import Network
from grid_models.simbench_profiles import FactoredSeries, NetworkProfiles


class HourSeries:
    """A series of base states, made a few rows at a time from factored profiles.

    :param added_mw: power into the network in every row (registered plants; negative: storage that charges), (n_buses,)
    """

    def __init__(self, network: Network, profiles: NetworkProfiles, added_mw: FloatArray | None = None) -> None:
        n_buses, loads, generators = len(network.buses), network.loads, network.generators
        self._profiles = profiles
        self._load_p = _weights(profiles.load_p, loads.bus, n_buses, -1.0)
        self._load_q = _weights(profiles.load_q, loads.bus, n_buses, -1.0)
        self._generator_p = _weights(profiles.generator_p, generators.bus, n_buses, 1.0)
        self._added_mw = np.zeros(n_buses) if added_mw is None else added_mw

    @property
    def n_rows(self) -> int:
        """Return the number of rows that the profiles have."""
        return len(self._profiles.load_p.factor)

    def injections(self, rows: Int64Array) -> tuple[FloatArray, FloatArray]:
        """Return the injections of a few rows, MW and Mvar, shape (n_rows, n_buses) each."""
        profiles = self._profiles
        p_mw = self._load_p @ profiles.load_p.factor[rows].T + self._generator_p @ profiles.generator_p.factor[rows].T
        q_mvar = self._load_q @ profiles.load_q.factor[rows].T
        return np.ascontiguousarray(p_mw.T + self._added_mw), np.ascontiguousarray(q_mvar.T)


def _weights(series: FactoredSeries, bus: Int64Array, n_buses: int, sign: float) -> scipy.sparse.csr_matrix:
    """Return by how much each column of the factors counts at each bus, (n_buses, n_columns)."""
    return scipy.sparse.csr_matrix(
        (sign * series.nominal, (bus, series.column)), shape=(n_buses, series.factor.shape[1])
    )
