"""The largest plausible power of each metering point, with a generous margin, and what is installed behind it."""

from dataclasses import dataclass

import numpy as np

from grid_models.elements import FloatArray
from grid_models.networks import Network
from grid_models.simbench_profiles import FactoredSeries, NetworkProfiles
from simulators.county import parameters
from simulators.county.composition import Site


@dataclass(frozen=True)
class Capacity:
    """Largest plausible import and export, W; installed: rated power of the plants, batteries apart."""

    import_w: int
    export_w: int
    installed_w: int


class Ratings:
    """Peak powers of a network's elements over the year of profiles."""

    def __init__(self, network: Network, profiles: NetworkProfiles) -> None:
        self._load_w = _peak_w(profiles.load_p)
        self._generator_w = _peak_w(profiles.generator_p)
        self._installed_w = np.asarray(profiles.generator_p.nominal * 1e6, dtype=np.float64)
        self._storage_w = np.asarray(network.storages.p_rated_mw * 1e6, dtype=np.float64)

    def capacity(self, sites: list[Site]) -> Capacity:
        """Return the capacity of one site, or of several behind one meter; 0 where nothing can flow that way."""
        loads = sum(float(self._load_w[load]) for site in sites for load in site.loads)
        plants = sum(float(self._generator_w[plant]) for site in sites for plant in site.generators)
        storages = sum(float(self._storage_w[site.storage]) for site in sites if site.storage is not None)
        installed = sum(float(self._installed_w[plant]) for site in sites for plant in site.generators)
        return Capacity(_with_margin(loads + storages), _with_margin(plants + storages), round(installed))


def _peak_w(series: FactoredSeries) -> FloatArray:
    peak = np.maximum(series.factor.max(axis=0), 1.0)
    return np.asarray(peak[series.column] * series.nominal * 1e6, dtype=np.float64)


def _with_margin(power_w: float) -> int:
    if power_w <= 0:
        return 0
    return round(power_w) * parameters.CAPACITY_PER_MILLE_OF_PEAK // 1000 + parameters.CAPACITY_MARGIN_W
