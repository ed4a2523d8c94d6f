"""Three-winding transformers: the star against pandapower's Newton, in both engines, and what is refused."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from power_grid_model import ComponentType

from grid_models.checks import check_network
from grid_models.networks import Network, NetworkError, from_pandapower, read_network, with_storage, write_network
from grid_models.newton_case import newton_case
from grid_models.power_flow import Engine, PowerFlow
from grid_models.three_winding import star_impedances


@pytest.fixture
def station(station_as_built: Any) -> Any:
    """Return a copy of the station, to change at will."""
    return copy.deepcopy(station_as_built)


@pytest.fixture(scope="module")
def station_as_built() -> Any:
    """Return 110 kV feeding 20 kV and 10 kV through one three-winding transformer, a line and a load on each side."""
    net = pandapower.create_empty_network(name="station", f_hz=50.0)
    levels = {"H": 110.0, "M": 20.0, "L": 10.0}
    bus = {name: pandapower.create_bus(net, kv, name=name) for name, kv in levels.items()}
    ends = {name: pandapower.create_bus(net, levels[name], name=f"{name} end") for name in ("M", "L")}
    pandapower.create_ext_grid(net, bus["H"], vm_pu=1.02, name="grid")
    pandapower.create_transformer3w_from_parameters(
        net, bus["H"], bus["M"], bus["L"], name="T",
        vn_hv_kv=112.0, vn_mv_kv=20.5, vn_lv_kv=10.3, sn_hv_mva=40.0, sn_mv_mva=25.0, sn_lv_mva=15.0,
        vk_hv_percent=17.0, vk_mv_percent=6.5, vk_lv_percent=10.5,
        vkr_hv_percent=0.4, vkr_mv_percent=0.35, vkr_lv_percent=0.42, pfe_kw=35.0, i0_percent=0.4,
        shift_mv_degree=30.0, shift_lv_degree=150.0, tap_step_percent=1.5, tap_step_degree=0.0, tap_pos=0,
        tap_neutral=0, tap_min=-8, tap_max=8,
    )  # fmt: skip
    for name, mw in (("M", 12.0), ("L", 7.0)):
        pandapower.create_line_from_parameters(
            net, bus[name], ends[name], 2.0, 0.1, 0.12, 250.0, 0.6, name=f"line {name}"
        )
        pandapower.create_load(net, ends[name], mw, 0.3 * mw, name=f"load {name}")
    return net


def as_built(_: Any) -> None:
    """Change nothing: the medium-voltage winding's reactance comes out positive, every part is ordinary."""


def negative_star(net: Any) -> None:
    net.trafo3w.loc[0, ["vk_mv_percent", "vkr_mv_percent"]] = [28.0, 1.4]


def off_the_clock(net: Any) -> None:
    net.trafo3w.loc[0, ["shift_mv_degree", "shift_lv_degree"]] = [7.5, -37.0]


def tap(net: Any, side: str, position: int, *, at_star: bool = False, kind: str | None = "Ratio") -> None:
    net.trafo3w["tap_changer_type"] = net.trafo3w["tap_changer_type"].astype(object)
    net.trafo3w["tap_side"] = net.trafo3w["tap_side"].astype(object)
    columns = ["tap_side", "tap_pos", "tap_at_star_point", "tap_changer_type"]
    net.trafo3w.loc[0, columns] = [side, position, at_star, kind]


def tap_hv(net: Any) -> None:
    tap(net, "hv", -5)


def tap_mv(net: Any) -> None:
    tap(net, "mv", 4, kind="Symmetrical")


def tap_hv_at_star(net: Any) -> None:
    tap(net, "hv", -5, at_star=True)


def tap_lv_at_star(net: Any) -> None:
    tap(net, "lv", 3, at_star=True)


def unapplied_tap(net: Any) -> None:
    tap(net, "hv", -5, kind=None)


def open_low_side(net: Any) -> None:
    net.load.loc[1, "in_service"] = False
    pandapower.create_switch(net, 2, 0, et="t3", closed=False, name="open lv")
    pandapower.create_ext_grid(net, 2, vm_pu=1.0, va_degree=-150.0, name="island's own")


def losses_at_mv(net: Any) -> None:
    net.trafo3w["loss_side"] = "mv"


CHANGES = [as_built, negative_star, off_the_clock, tap_hv, tap_mv, tap_hv_at_star, tap_lv_at_star, unapplied_tap,
           open_low_side, losses_at_mv]  # fmt: skip


def injections(network: Network) -> tuple[np.ndarray, np.ndarray]:
    p_mw, q_mvar = np.zeros((2, 1, len(network.buses)))
    np.add.at(p_mw[0], network.loads.bus, -network.loads.p_mw)
    np.add.at(q_mvar[0], network.loads.bus, -network.loads.q_mvar)
    return p_mw, q_mvar


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.NEWTON])
@pytest.mark.parametrize("change", CHANGES)
def test_the_star_agrees_with_pandapower(change: Callable[[Any], None], engine: Engine, station: Any) -> None:
    change(station)
    network = from_pandapower(station)
    result = PowerFlow(network, engine=engine).solve(*injections(network))
    pandapower.runpp(
        station, trafo_model="pi", init="dc", tolerance_mva=1e-10, calculate_voltage_angles=True, numba=False
    )
    theirs = station.res_trafo3w.iloc[0]
    np.testing.assert_allclose(result.vm_pu[0, :-1], station.res_bus.vm_pu, rtol=0, atol=1e-9)
    assert result.vm_pu[0, -1] == pytest.approx(theirs.vm_internal_pu, abs=1e-9)
    hv, mv, lv = 0, 1, 2
    np.testing.assert_allclose(
        [result.transformer_p_hv_mw[0, hv], result.transformer_p_lv_mw[0, mv], result.transformer_p_lv_mw[0, lv]],
        [theirs.p_hv_mw, theirs.p_mv_mw, theirs.p_lv_mw],
        atol=1e-8,
    )
    ends_ka = result.transformer_i_hv_ka[0, hv], result.transformer_i_lv_ka[0, mv], result.transformer_i_lv_ka[0, lv]
    np.testing.assert_allclose(ends_ka, [theirs.i_hv_ka, theirs.i_mv_ka, theirs.i_lv_ka], atol=1e-9)
    rated_ka = [network.transformers.hv_max_i_ka[hv], *network.transformers.lv_max_i_ka[mv:]]
    assert 100 * max(ends_ka / np.array(rated_ka)) == pytest.approx(theirs.loading_percent, abs=1e-6)


def test_a_star_has_three_named_rows_and_a_star_point_without_limits(station: Any) -> None:
    network = from_pandapower(station)
    assert network.transformers.name == ("T (hv)", "T (mv)", "T (lv)")
    assert network.buses.name[-1] == "T (star point)"
    assert network.buses.star_point.tolist() == [False] * 5 + [True]
    assert (network.buses.v_min_v[-1], network.buses.v_max_v[-1]) == (0.0, math.inf)
    np.testing.assert_allclose(network.transformers.rating_mva, [40.0, 25.0, 15.0])
    assert np.isinf(network.transformers.lv_max_i_ka[0])
    assert np.isinf(network.transformers.hv_max_i_ka[1:]).all()
    with pytest.raises(NetworkError, match="inside a transformer"):
        with_storage(network, name="b", bus="T (star point)", p_rated_mw=1.0, energy_mwh=1.0, efficiency=0.9)


def test_a_star_comes_back_from_its_file(station: Any, tmp_path: Path) -> None:
    network = from_pandapower(station)
    write_network(network, tmp_path / "station.json")
    again = read_network(tmp_path / "station.json")
    assert again.transformers.name == network.transformers.name
    np.testing.assert_allclose(again.transformers.vk_percent, network.transformers.vk_percent, rtol=1e-13)


def test_only_what_a_transformer_cannot_hold_becomes_a_generic_branch(station: Any) -> None:
    ordinary = newton_case(from_pandapower(station))
    assert (len(ordinary.transformer_row), len(ordinary.generic_row)) == (3, 0)
    negative_star(station)
    network = from_pandapower(station)
    case = newton_case(network)
    assert [network.transformers.name[row] for row in case.generic_row] == ["T (hv)"]
    assert network.transformers.vk_percent[0] < 0
    assert check_network(network) == [], "a negative impedance inside a star is no fault"
    assert len(case.components[ComponentType.generic_branch]) == 1


@pytest.mark.parametrize("idle", ["out of service", "every switch open"])
def test_an_idle_transformer_leaves_no_island(idle: str, station: Any) -> None:
    for name, vm_pu in (("M", 1.01), ("L", 0.99)):
        pandapower.create_ext_grid(station, station.bus.index[station.bus["name"] == name][0], vm_pu=vm_pu, name=name)
    if idle == "out of service":
        station.trafo3w["in_service"] = False
    else:
        for bus in range(3):
            pandapower.create_switch(station, bus, 0, et="t3", closed=False, name=f"open {bus}")
    network = from_pandapower(station)
    result = PowerFlow(network).solve(*injections(network))
    assert result.source_p_mw[0, 0] == pytest.approx(0.0, abs=1e-12)
    assert result.vm_pu[0, -1] == pytest.approx(1.02)
    np.testing.assert_allclose(result.transformer_i_hv_ka, 0.0, atol=1e-12)


PERCENT = st.tuples(st.floats(2.0, 30.0), st.floats(0.0, 0.9))


@settings(max_examples=50, deadline=None)
@given(pairs=st.tuples(PERCENT, PERCENT, PERCENT), sn_mva=st.tuples(*[st.sampled_from([5.0, 10.0, 40.0])] * 3))
def test_two_windings_of_the_star_in_series_are_the_measured_pair(
    pairs: tuple[tuple[float, float], ...], sn_mva: tuple[float, ...]
) -> None:
    columns: dict[str, list[float]] = {}
    for winding, (vk, resistive_share), sn in zip(("hv", "mv", "lv"), pairs, sn_mva, strict=True):
        columns |= {f"sn_{winding}_mva": [sn], f"vk_{winding}_percent": [vk]}
        columns |= {f"vkr_{winding}_percent": [vk * resistive_share]}
    try:
        star = star_impedances(pd.DataFrame({"name": ["T"], **columns}))
    except NetworkError:  # a winding of this star has no reactance
        reject()
    vk_percent, vkr_percent = (values[:, 0] for values in star)
    vkx_percent = np.sign(vk_percent) * np.sqrt(np.maximum(vk_percent**2 - vkr_percent**2, 0.0))
    star_per_mva = (vkr_percent + 1j * vkx_percent) / sn_mva
    for first, second, (vk, resistive_share) in zip((0, 1, 2), (1, 2, 0), pairs, strict=True):
        measured = vk * (resistive_share + 1j * math.sqrt(1 - resistive_share**2))
        in_series = (star_per_mva[first] + star_per_mva[second]) * min(sn_mva[first], sn_mva[second])
        assert in_series == pytest.approx(measured, rel=1e-6, abs=1e-6)


def resist_too_much(net: Any) -> None:
    net.trafo3w["vkr_hv_percent"] = 20.0


def turn(net: Any) -> None:
    tap(net, "hv", 2)
    net.trafo3w["tap_step_degree"] = 5.0


def follow_a_table(net: Any) -> None:
    net.trafo3w["tap_dependency_table"] = True


def lose_at_the_star(net: Any) -> None:
    net.trafo3w["loss_side"] = "star"


def forget_a_voltage(net: Any) -> None:
    net.trafo3w["vn_lv_kv"] = 0.0


def forget_a_column(net: Any) -> None:
    net.trafo3w = net.trafo3w.drop(columns="vk_lv_percent")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (resist_too_much, "'T' has a resistive"),
        (turn, "'T': its tap turns the phase"),
        (follow_a_table, "'T': its tap follows a table"),
        (lose_at_the_star, "'T' has a loss side"),
        (forget_a_voltage, "'T' has no rated voltage"),
        (forget_a_column, "'vk_lv_percent'"),
    ],
)
def test_a_star_that_cannot_be_formed_is_refused_by_name(spoil: Callable[[Any], None], said: str, station: Any) -> None:
    spoil(station)
    with pytest.raises(NetworkError, match=said):
        from_pandapower(station)
