"""Networks for these tests: a small county made by hand, and the demo network, loaded from SimBench once."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandapower
import pytest

from grid_models.networks import Network, demo_network, read_network, write_network
from grid_models.simbench_profiles import NetworkProfiles, network_profiles

LINE = {"r_ohm_per_km": 0.443, "x_ohm_per_km": 0.132, "c_nf_per_km": 190.0, "max_i_ka": 0.22}
LV_LINE = {"r_ohm_per_km": 0.2067, "x_ohm_per_km": 0.0804, "c_nf_per_km": 830.0, "max_i_ka": 0.27}


@dataclass(frozen=True)
class Demo:
    """The demo network as SimBench gives it, as read from its file, the file, and the profiles."""

    simbench: Network
    network: Network
    path: Path
    profiles: NetworkProfiles


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    simbench = demo_network()
    path = tmp_path_factory.mktemp("demo") / "network.json"
    write_network(simbench, path)
    return Demo(simbench, read_network(path), path, network_profiles(simbench))


@pytest.fixture
def county(county_as_built: Any) -> Any:
    """Return a copy of the county made by hand, to change at will."""
    return copy.deepcopy(county_as_built)


@pytest.fixture(scope="session")
def county_as_built() -> Any:
    """Return a county by hand: 110 kV, two transformers, a coupled 20 kV busbar, two feeders with an open tie, 3 areas.

    F1 carries A1 (0.63 MVA) and A2, F2 carries A3; the tie line from A2's to A3's bus is open at A3's end. Each area
    has one load at the end of one LV line.
    """
    net = pandapower.create_empty_network(name="by hand", f_hz=50.0)
    for name, kv in (("H1", 110.0), ("B1", 20.0), ("B2", 20.0), ("M1", 20.0), ("M2", 20.0), ("M3", 20.0)):
        pandapower.create_bus(net, kv, name=name)
    bus = {name: index for index, name in net.bus["name"].items()}
    pandapower.create_ext_grid(net, bus["H1"], vm_pu=1.02, name="grid")
    for name, low in (("T1", "B1"), ("T2", "B2")):
        _transformer(net, name, (bus["H1"], bus[low]), 25.0, (110.0, 20.0))
    pandapower.create_switch(net, bus["B1"], bus["B2"], et="b", closed=True, name="coupler")
    for name, start, end, km in (
        ("L1", "B1", "M1", 3.0),
        ("L2", "M1", "M2", 2.0),
        ("L3", "B2", "M3", 4.0),
        ("tie", "M2", "M3", 1.5),
    ):
        pandapower.create_line_from_parameters(net, bus[start], bus[end], km, name=name, **LINE)
    pandapower.create_switch(net, bus["M3"], 3, et="l", closed=False, name="open end")
    for number, mva in ((1, 0.63), (2, 0.25), (3, 0.4)):
        low = pandapower.create_bus(net, 0.4, name=f"N{number}")
        end = pandapower.create_bus(net, 0.4, name=f"E{number}")
        _transformer(net, f"A{number}", (bus[f"M{number}"], low), mva, (20.0, 0.4))
        pandapower.create_line_from_parameters(net, low, end, 0.3, name=f"C{number}", **LV_LINE)
        pandapower.create_load(net, end, 0.05, 0.01, name=f"load {number}")
    return net


def _transformer(net: Any, name: str, buses: tuple[int, int], mva: float, kv: tuple[float, float]) -> None:
    pandapower.create_transformer_from_parameters(
        net,
        *buses,
        sn_mva=mva,
        vn_hv_kv=kv[0],
        vn_lv_kv=kv[1],
        vkr_percent=0.41 if mva > 1 else 1.2,
        vk_percent=12.0 if mva > 1 else 4.0,
        pfe_kw=14.0 if mva > 1 else 0.6,
        i0_percent=0.07 if mva > 1 else 0.24,
        shift_degree=150.0,
        name=name,
    )
