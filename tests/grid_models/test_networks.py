"""Networks: the demo's columns, limits in volts, files that come back the same, and files that are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.networks import (
    Network,
    NetworkError,
    from_pandapower,
    read_network,
    simbench_network,
    with_storage,
    write_network,
)

COLUMNS = ("buses", "lines", "transformers", "sources", "couplers", "shunts", "loads", "generators", "storages")


def assert_same(first: Network, second: Network) -> None:
    for group in COLUMNS:
        for name, values in vars(getattr(first, group)).items():
            other = getattr(getattr(second, group), name)
            if isinstance(values, np.ndarray) and values.dtype.kind == "f":
                np.testing.assert_allclose(values, other, rtol=1e-14, err_msg=f"{group}.{name}")
            else:
                assert np.array_equal(values, other), f"{group}.{name}"


def test_the_demo_network_is_the_one_of_the_design(demo: Any) -> None:
    network = demo.network
    sizes = {group: len(getattr(network, group)) for group in COLUMNS}
    assert sizes["buses"] == 5481
    assert (sizes["loads"], sizes["generators"], sizes["storages"]) == (5776, 818, 252)
    assert (sizes["transformers"], sizes["lines"], sizes["couplers"]) == (92, 5393, 2)
    assert network.name == "1-MVLV-rural-all-1-sw"
    assert set(network.generators.kind) == {"PV", "PV_MV", "Wind_MV", "Hydro_MV", "Biomass_MV"}
    assert network.loads.p_mw.sum() == pytest.approx(18.9977, abs=1e-4)


def test_limits_are_gb_t_12325_in_volts(demo: Any) -> None:
    buses = demo.network.buses
    limits = {
        kv: {(round(low), round(high)) for low, high in zip(buses.v_min_v[at], buses.v_max_v[at], strict=True)}
        for kv in (0.4, 20.0, 110.0)
        if (at := buses.vn_kv == kv).any()
    }
    assert limits == {0.4: {(372, 428)}, 20.0: {(18600, 21400)}, 110.0: {(106700, 117700)}}


def test_the_demo_network_comes_back_from_its_file(demo: Any, tmp_path: Path) -> None:
    assert_same(demo.simbench, demo.network)
    again = tmp_path / "again.json"
    write_network(demo.network, again)
    assert again.read_bytes() == demo.path.read_bytes()
    assert again.stat().st_size < 10_000_000, "no profiles in the file"


def test_a_nominal_voltage_of_its_own_sets_the_limits(county: Any, tmp_path: Path) -> None:
    county.bus["v_nominal_kv"] = [0.38 if kv == 0.4 else kv for kv in county.bus.vn_kv]
    network = from_pandapower(county)
    at = network.bus_position["N1"]
    assert network.buses.vn_kv[at] == 0.4
    assert (network.buses.v_min_v[at], network.buses.v_max_v[at]) == pytest.approx((353.4, 406.6))
    write_network(network, tmp_path / "kept.json")
    assert_same(network, read_network(tmp_path / "kept.json"))


def test_columns_are_read_only(county: Any) -> None:
    with pytest.raises(ValueError, match="read-only"):
        from_pandapower(county).buses.v_max_v[0] = 1.0


def test_a_storage_unit_is_added_to_a_copy(county: Any, tmp_path: Path) -> None:
    network = from_pandapower(county)
    more = with_storage(network, name="battery", bus="N2", p_rated_mw=0.1, energy_mwh=0.2, efficiency=0.92)
    write_network(more, tmp_path / "more.json")
    read_back = read_network(tmp_path / "more.json")
    assert len(network.storages) == 0
    for storages in (more.storages, read_back.storages):
        assert (storages.name, storages.kind) == (("battery",), ("battery",))
        assert read_back.buses.name[storages.bus[0]] == "N2"
        assert (storages.p_rated_mw[0], storages.energy_mwh[0]) == (0.1, 0.2)
        assert storages.efficiency[0] == pytest.approx(0.92)
    with pytest.raises(NetworkError, match="'nowhere'"):
        with_storage(network, name="battery", bus="nowhere", p_rated_mw=0.1, energy_mwh=0.2, efficiency=0.92)
    with pytest.raises(NetworkError, match="twice"):
        with_storage(more, name="battery", bus="N1", p_rated_mw=0.1, energy_mwh=0.2, efficiency=0.92)


def test_an_unlisted_simbench_code_is_an_error() -> None:
    with pytest.raises(NetworkError, match="not a SimBench code"):
        simbench_network("1-HVMVLV-mixed-all-1-sw")


def drop_feeding_point(net: Any) -> None:
    net.ext_grid["in_service"] = False


def sleep_a_bus(net: Any) -> None:
    net.bus.loc[3, "in_service"] = False


def add_voltage_controlled(net: Any) -> None:
    pandapower.create_gen(net, 4, 0.1, name="hydro")


def make_impedance_load(net: Any) -> None:
    net.load.loc[1, "const_z_p_percent"] = 30.0


def repeat_a_name(net: Any) -> None:
    net.line.loc[1, "name"] = "L1"


def share_a_name(net: Any) -> None:
    net.line.loc[1, "name"] = "T1"


def forget_a_name(net: Any) -> None:
    net.load.loc[2, "name"] = None


def misplace_a_switch(net: Any) -> None:
    net.switch.loc[1, "bus"] = 0


def lose_a_bus(net: Any) -> None:
    net.load.loc[0, "bus"] = 999


def turn_the_phase(net: Any) -> None:
    net.trafo.loc[0, ["tap_changer_type", "tap_pos", "tap_neutral", "tap_step_degree"]] = ["Ideal", 2, 0, 5.0]


def resist_in_a_switch(net: Any) -> None:
    net.switch.loc[0, "z_ohm"] = 0.1


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (drop_feeding_point, "feeding point"),
        (sleep_a_bus, "'M1'"),
        (add_voltage_controlled, "gen 'hydro'"),
        (make_impedance_load, "'load 2': const_z_p_percent"),
        (repeat_a_name, "line 'L1' stands twice"),
        (share_a_name, "'T1'"),
        (forget_a_name, "load in row 2 has no name"),
        (misplace_a_switch, "switch 'open end'"),
        (lose_a_bus, "load 'load 1': bus 999"),
        (turn_the_phase, "transformer 'T1'"),
        (resist_in_a_switch, "switch 'coupler'"),
    ],
)
def test_what_the_model_has_no_place_for_is_refused_by_name(
    spoil: Callable[[Any], None], named: str, county: Any
) -> None:
    spoil(county)
    with pytest.raises(NetworkError, match=named):
        from_pandapower(county)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "not a pandapower network"),
        (
            json.dumps({"_class": "pandapowerNet", "_module": "pandapower.auxiliary", "_object": {"bus": 3}}),
            "table 'bus'",
        ),
        (None, "No such file"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(NetworkError, match=said) as caught:
        read_network(path)
    assert "broken.json" in str(caught.value)
    assert "\n" not in str(caught.value)
