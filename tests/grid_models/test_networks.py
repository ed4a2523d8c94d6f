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
    with_line_states,
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
    with pytest.raises(NetworkError, match="not a SimBench code; the nearest: 1-HVMV-mixed-all-1-sw"):
        simbench_network("1-HVMVLV-mixed-all-1-sw")


def test_voltage_dependence_of_loads_is_kept_as_fractions(county: Any, tmp_path: Path) -> None:
    county.load.loc[1, ["const_z_p_percent", "const_i_p_percent"]] = [30.0, 20.0]
    county.load.loc[2, ["const_z_q_percent", "const_i_q_percent"]] = [0.0, 100.0]
    network = from_pandapower(county)
    np.testing.assert_allclose(network.loads.const_z_p_fraction, [0.0, 0.3, 0.0])
    np.testing.assert_allclose(network.loads.const_i_p_fraction, [0.0, 0.2, 0.0])
    np.testing.assert_allclose(network.loads.const_z_q_fraction, [0.0, 0.0, 0.0])
    np.testing.assert_allclose(network.loads.const_i_q_fraction, [0.0, 0.0, 1.0])
    write_network(network, tmp_path / "kept.json")
    assert_same(network, read_network(tmp_path / "kept.json"))


def test_older_files_have_one_share_for_both_quantities(county: Any) -> None:
    county.load = county.load.drop(columns=[column for column in county.load if column.startswith("const_")])
    county.load["const_z_percent"], county.load["const_i_percent"] = 30.0, 10.0
    loads = from_pandapower(county).loads
    for column, expected in (("const_z_p", 0.3), ("const_z_q", 0.3), ("const_i_p", 0.1), ("const_i_q", 0.1)):
        np.testing.assert_allclose(getattr(loads, f"{column}_fraction"), expected)


def test_lines_are_opened_and_closed_on_a_copy(county: Any, tmp_path: Path) -> None:
    network = from_pandapower(county)
    switched = with_line_states(network, opened=["L2"], closed=["tie"])
    write_network(switched, tmp_path / "switched.json")
    for found in (switched, read_network(tmp_path / "switched.json")):
        states = dict(zip(found.lines.name, (found.lines.from_closed & found.lines.to_closed).tolist(), strict=True))
        assert states == {"L1": True, "L2": False, "L3": True, "tie": True, "C1": True, "C2": True, "C3": True}
        assert not found.lines.from_closed[1]
    assert_same(network, from_pandapower(county))
    with pytest.raises(NetworkError, match="no line is called 'T1'"):
        with_line_states(network, opened=["T1"])
    with pytest.raises(NetworkError, match="'L1' cannot be both"):
        with_line_states(network, opened=["L1"], closed=["L1"])


def test_a_second_tap_changer_counts_too(county: Any) -> None:
    for prefix, side, position in (("tap", "hv", 2), ("tap2", "lv", -3)):
        values = {"side": side, "pos": position, "neutral": 0, "step_percent": 1.5, "step_degree": 0.0}
        for column, value in values.items():
            county.trafo[f"{prefix}_{column}"] = [value] * 5
        county.trafo[f"{prefix}_changer_type"] = ["Ratio"] * 5
    transformers = from_pandapower(county).transformers
    np.testing.assert_allclose(transformers.hv_tap_factor, 1.03)
    np.testing.assert_allclose(transformers.lv_tap_factor, 0.955)


def test_a_stated_absence_of_limits_is_infinite(county: Any, tmp_path: Path) -> None:
    county.line.loc[1, "max_i_ka"] = 99999.0
    county.trafo.loc[2, "sn_mva"] = 99999.0
    network = from_pandapower(county)
    write_network(network, tmp_path / "kept.json")
    for found in (network, read_network(tmp_path / "kept.json")):
        assert np.isinf(found.lines.max_i_ka).tolist() == [False, True, False, False, False, False, False]
        assert np.isinf(found.transformers.rating_mva).tolist() == [False, False, True, False, False]
        assert found.transformers.sn_mva[2] == 99999.0


def test_unbalanced_loads_and_generators_count_with_the_sum_of_their_phases(county: Any, tmp_path: Path) -> None:
    bus = county.load.bus[0]
    powers = {"p_a_mw": 0.01, "p_b_mw": 0.02, "p_c_mw": 0.0, "q_a_mvar": 0.001, "q_b_mvar": 0.0, "q_c_mvar": 0.004}
    pandapower.create_asymmetric_load(county, bus, **powers, scaling=0.5, name="house")
    pandapower.create_asymmetric_sgen(county, bus, **powers, name="roof")
    network = from_pandapower(county)
    assert (network.loads.name[-1], network.generators.name) == ("house", ("roof",))
    np.testing.assert_allclose([network.loads.p_mw[-1], network.loads.q_mvar[-1]], [0.015, 0.0025])
    np.testing.assert_allclose([network.generators.p_mw[0], network.generators.q_mvar[0]], [0.03, 0.005])
    write_network(network, tmp_path / "kept.json")
    assert_same(network, read_network(tmp_path / "kept.json"))
    county.asymmetric_load["name"] = "load 1"
    with pytest.raises(NetworkError, match="load 'load 1' stands twice"):
        from_pandapower(county)


def drop_feeding_point(net: Any) -> None:
    net.ext_grid["in_service"] = False


def sleep_a_bus(net: Any) -> None:
    net.bus.loc[3, "in_service"] = False


def add_voltage_controlled(net: Any) -> None:
    pandapower.create_gen(net, 4, 0.1, name="hydro")


def exceed_the_shares(net: Any) -> None:
    net.load.loc[1, ["const_z_p_percent", "const_i_p_percent"]] = [60.0, 50.0]


def lower_a_share(net: Any) -> None:
    net.load.loc[2, "const_i_q_percent"] = -10.0


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


def follow_a_table(net: Any) -> None:
    net.trafo.loc[0, "tap_dependency_table"] = True


def forget_a_voltage(net: Any) -> None:
    net.trafo.loc[0, "vn_lv_kv"] = 0.0


def write_words(net: Any) -> None:
    net.line["r_ohm_per_km"] = net.line["r_ohm_per_km"].astype(object)
    net.line.loc[1, "r_ohm_per_km"] = "much"


def resist_in_a_switch(net: Any) -> None:
    net.switch.loc[0, "z_ohm"] = 0.1


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (drop_feeding_point, "feeding point"),
        (sleep_a_bus, "'M1'"),
        (add_voltage_controlled, "gen 'hydro'"),
        (exceed_the_shares, r"'load 2': .* \(p\) are not 0..100 %"),
        (lower_a_share, r"'load 3': .* \(q\)"),
        (repeat_a_name, "line 'L1' stands twice"),
        (share_a_name, "'T1'"),
        (forget_a_name, "load in row 2 has no name"),
        (misplace_a_switch, "switch 'open end'"),
        (lose_a_bus, "load 'load 1': bus 999"),
        (turn_the_phase, "transformer 'T1'"),
        (follow_a_table, "transformer 'T1': its tap follows a table"),
        (forget_a_voltage, "transformer 'T1' has no rated voltage"),
        (write_words, "column 'r_ohm_per_km' .* no number: 'much'"),
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
