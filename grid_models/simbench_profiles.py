"""Factored profiles: value[t, i] = factor[t, column[i]] * nominal[i], never the dense year by element table.

Row r is the quarter-hour that starts r * 15 min after 1 January 00:00 of the profile year (2016, 35,136 rows), by row
number: SimBench's time labels follow summer time and are not used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grid_models.elements import FloatArray, Int64Array, Names, freeze
from grid_models.networks import Network, NetworkError

if TYPE_CHECKING:
    from pandas import DataFrame

ROWS_PER_DAY = 96


@dataclass(frozen=True, eq=False)
class FactoredSeries:
    """One quantity of many elements. factor: (n_rows, n_columns); column, nominal: (n_elements,).

    profile: name of each column of `factor`.
    """

    profile: Names
    factor: FloatArray
    column: Int64Array
    nominal: FloatArray

    def __post_init__(self) -> None:
        freeze(self)

    def rows(self, start: int, stop: int) -> FloatArray:
        """Return the dense values of rows start..stop-1, shape (stop - start, n_elements)."""
        return np.asarray(self.factor[start:stop][:, self.column] * self.nominal, dtype=np.float64)

    def window(self, start: int, stop: int) -> "FactoredSeries":
        """Return the same series with only the rows start..stop-1, still factored."""
        return FactoredSeries(self.profile, self.factor[start:stop].copy(), self.column, self.nominal)

    def totals(self) -> FloatArray:
        """Return the sum over all elements, shape (n_rows,)."""
        weight = np.bincount(self.column, weights=self.nominal, minlength=len(self.profile))
        return np.asarray(self.factor @ weight, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class NetworkProfiles:
    """A year of profiles for the elements of one network, in the order of its columns.

    load_p (MW) and load_q (Mvar): load positive; generator_p (MW): generation positive, no reactive power.
    """

    load_p: FactoredSeries
    load_q: FactoredSeries
    generator_p: FactoredSeries


def network_profiles(network: Network) -> NetworkProfiles:
    """Return the year of profiles that a SimBench network came with (`demo_network`, `simbench_network`).

    They are not part of the network file: a network read from one has none.

    :raises NetworkError: if the network carries no profiles, or an element names one that is not there
    """
    tables: Mapping[str, DataFrame] | None = getattr(network.handle, "profiles", None)
    if tables is None:
        raise NetworkError(f"network {network.name!r} carries no profiles; load it from SimBench")
    loads, generators = network.loads, network.generators
    return NetworkProfiles(
        load_p=_series([tables["load"]], tuple(f"{profile}_pload" for profile in loads.profile), loads.p_mw),
        load_q=_series([tables["load"]], tuple(f"{profile}_qload" for profile in loads.profile), loads.q_mvar),
        generator_p=_series(
            [tables[name] for name in ("renewables", "powerplants") if name in tables],
            generators.profile,
            generators.p_mw,
        ),
    )


def _series(tables: "list[DataFrame]", wanted: Names, nominal: FloatArray) -> FactoredSeries:
    """Return the columns of `tables` that are wanted, each once, and which element takes which."""
    column_of = {str(column): table[column] for table in tables for column in table.columns}
    profile = tuple(sorted(set(wanted)))
    missing = next((name for name in profile if name not in column_of), None)
    if missing is not None:
        raise NetworkError(f"there is no profile {missing!r}")
    position = {name: number for number, name in enumerate(profile)}
    n_rows = max((len(table) for table in tables), default=0)
    factor = np.empty((n_rows, len(profile)))
    for number, name in enumerate(profile):
        factor[:, number] = column_of[name].to_numpy(dtype=np.float64)
    return FactoredSeries(
        profile=profile,
        factor=factor,
        column=np.array([position[name] for name in wanted], dtype=np.int64),
        nominal=nominal,
    )
