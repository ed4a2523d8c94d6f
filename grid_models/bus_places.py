"""Where buses are: their coordinates as the network file has them."""

import json
from typing import Any

import numpy as np

from grid_models.elements import FloatArray
from grid_models.networks import Network


def bus_places(network: Network) -> FloatArray:
    """Return each bus's place, (n_buses, 2): x and y, or longitude and latitude; NaN without one.

    pandapower 3 keeps a GeoJSON point as text.
    """
    places = np.full((len(network.buses), 2), np.nan)
    table: Any = getattr(network.handle, "bus", None)
    if table is None or "geo" not in table.columns:
        return places
    for name, text in zip(table["name"].tolist(), table["geo"].tolist(), strict=True):
        if name in network.bus_position:
            places[network.bus_position[name]] = _place(text)
    return places


def _place(text: object) -> tuple[float, float]:
    if not isinstance(text, str):
        return np.nan, np.nan
    try:
        x, y = (float(value) for value in json.loads(text)["coordinates"][:2])
    except (ValueError, KeyError, TypeError):
        return np.nan, np.nan
    return x, y
