"""The reference networks, by name: what every figure of this project is measured on.

| name | source |
|---|---|
| county | HV1 with 15 MV networks and their LV networks, cut from SimBench (see county_network.py) |
| demo | SimBench 1-MVLV-rural-all-1-sw |
| ieee33 | M. E. Baran, F. F. Wu, IEEE Trans. Power Delivery 4 (1989) 1401; its five ties open |
| cigre_mv, cigre_lv | CIGRE TB 575 (2014), European medium- and low-voltage benchmarks, as pandapower has them |
| european_lv | IEEE European LV Test Feeder, minute 566; loads summed over their phases |

Each states its own nominal voltage: 12.66 kV for ieee33, 416 V for european_lv, 400 V for the other low voltages.
ieee33 has no ratings: its source has none, so its lines have no limit. Its buses count from 1, as in the paper.
"""

import importlib
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grid_models.county_network import county_network
from grid_models.element_names import fill_names
from grid_models.network_cache import cached_network, cached_profiles, default_cache_folder
from grid_models.networks import Network, NetworkError, demo_network, from_pandapower, library_warnings_silenced
from grid_models.pandapower_columns import NOMINAL_COLUMN
from grid_models.simbench_profiles import NetworkProfiles

if TYPE_CHECKING:
    from pandapower import pandapowerNet

__all__ = ["ReferenceNetwork", "reference_network", "reference_profiles"]


class ReferenceNetwork(Enum):
    """The names of the reference networks."""

    COUNTY = "county"
    DEMO = "demo"
    IEEE33 = "ieee33"
    CIGRE_MV = "cigre_mv"
    CIGRE_LV = "cigre_lv"
    EUROPEAN_LV = "european_lv"


def reference_network(name: str, *, cache: Path | None = None) -> Network:
    """Return the reference network called `name`; county and demo with their profiles inside.

    The first call for `county` takes minutes, for `demo` half a minute; later ones take seconds, from the cache.

    :param cache: folder of the cache; the user's if absent
    :raises NetworkError: if there is none of this name, or the cache is damaged
    """
    known = _known(name)
    if known in _PROFILED:
        return cached_network(known.value, _PROFILED[known], cache or default_cache_folder())
    with library_warnings_silenced():
        net = _BUILT_IN[known]()
    net["name"] = known.value
    fill_names(net)
    return from_pandapower(net)


def reference_profiles(name: str, *, cache: Path | None = None) -> NetworkProfiles:
    """Return the year of factored profiles of the reference network called `name`, in the order of its columns.

    :raises NetworkError: if there is none of this name, it has no profiles, or the cache is damaged
    """
    known = _known(name)
    if known not in _PROFILED:
        raise NetworkError(f"network {name!r} carries no profiles")
    return cached_profiles(known.value, _PROFILED[known], cache or default_cache_folder())


def _known(name: str) -> ReferenceNetwork:
    try:
        return ReferenceNetwork(name)
    except ValueError:
        names = ", ".join(known.value for known in ReferenceNetwork)
        raise NetworkError(f"{name!r} is not a reference network; there are {names}") from None


def _ieee33() -> "pandapowerNet":
    net = _pandapower_networks().case33bw()
    number = {index: row + 1 for row, index in enumerate(net.bus.index)}
    net["bus"] = net.bus.assign(name=[f"bus {number[index]}" for index in net.bus.index])
    ends = [
        sorted((number[first], number[last])) for first, last in zip(net.line.from_bus, net.line.to_bus, strict=True)
    ]
    net["line"] = net.line.assign(name=[f"line {first}-{last}" for first, last in ends])
    net["load"] = net.load.assign(name=[f"load {number[bus]}" for bus in net.load.bus])
    net["ext_grid"] = net.ext_grid.assign(name="substation")
    return net


def _cigre_mv() -> "pandapowerNet":
    return _pandapower_networks().create_cigre_network_mv()


def _cigre_lv() -> "pandapowerNet":
    return _pandapower_networks().create_cigre_network_lv()


def _european_lv() -> "pandapowerNet":
    net = _pandapower_networks().ieee_european_lv_asymmetric("on_peak_566")
    names = [f"bus {name}" if name.isdecimal() else name for name in net.bus["name"]]
    # pandapower's vn_kv of these buses is 416 V but for rounding in the ninth digit.
    net["bus"] = net.bus.assign(name=names, **{NOMINAL_COLUMN: net.bus.vn_kv.round(3)})
    return net


def _pandapower_networks() -> "pandapowerNet":
    return importlib.import_module("pandapower.networks")


_PROFILED: Final[Mapping[ReferenceNetwork, Callable[[], Network]]] = {
    ReferenceNetwork.COUNTY: county_network,
    ReferenceNetwork.DEMO: demo_network,
}
_BUILT_IN: Final[Mapping[ReferenceNetwork, "Callable[[], pandapowerNet]"]] = {
    ReferenceNetwork.IEEE33: _ieee33,
    ReferenceNetwork.CIGRE_MV: _cigre_mv,
    ReferenceNetwork.CIGRE_LV: _cigre_lv,
    ReferenceNetwork.EUROPEAN_LV: _european_lv,
}
