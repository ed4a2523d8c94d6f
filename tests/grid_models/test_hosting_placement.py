"""Random placement over a feeder, and what two buses take together, against pandapower and power-grid-model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.elements import LoadColumns
from grid_models.hosting import BindingKind, Hosting
from grid_models.hosting_placement import PERCENTILES, PlacementError, PlacementParameters, place_plants
from grid_models.hosting_region import RELATIVE_WIDTH, RegionError, hosting_region
from grid_models.hosting_year import PlantOptions, hosting_year
from grid_models.hour_series import HourSeries
from grid_models.networks import Network, VoltageBand, from_pandapower
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import Engine, PowerFlow
from grid_models.simbench_profiles import FactoredSeries, NetworkProfiles
from grid_models.year_flow import CheckpointError

TWO_BUSES = json.loads(
    (Path(__file__).parents[1] / "golden/grid/hosting-two-buses/case.json").read_text(encoding="utf-8")
)
PARAMETERS = PlacementParameters(seed=5, draws=12, size_min_mw=0.02, size_max_mw=0.2)


@pytest.fixture
def feeder(county: Any) -> tuple[Network, Any]:
    """Return the county by hand with little load, and its base state."""
    network = from_pandapower(county)
    p_mw, q_mvar, _ = nominal_injections(network, load_scale=0.2)
    return network, (p_mw, q_mvar)


def sites_of(network: Network, *names: str) -> Any:
    return np.array([network.bus_position[name] for name in names])


def star(v_max: float) -> Network:
    """Two lines from the feeding point a, to b and to c, each r = x = 0.05 pu of 1 MVA."""
    net = pandapower.create_empty_network(name="star")
    source, *ends = (pandapower.create_bus(net, 1.0, name=name) for name in "abc")
    pandapower.create_ext_grid(net, source, name="grid")
    for end in ends:
        r_ohm, x_ohm = TWO_BUSES["r_pu"], TWO_BUSES["x_pu"]
        pandapower.create_line_from_parameters(net, source, end, 1.0, r_ohm, x_ohm, 0.0, 99.0, name=f"line {end}")
    return from_pandapower(net, (VoltageBand(0.0, -0.5, v_max - 1.0),))


def breached_in_pandapower(net: Any, network: Network, plants: dict[str, float]) -> bool:
    """Return whether pandapower's Newton finds a limit breached with plants, MW by bus, beside 0.2 of the loads."""
    index = {name: number for number, name in net.bus["name"].items()}
    trial = pandapower.copy.deepcopy(net)
    trial.load["p_mw"] *= 0.2
    trial.load["q_mvar"] *= 0.2
    for name, p_mw in plants.items():
        pandapower.create_sgen(trial, index[name], p_mw)
    pandapower.runpp(trial, trafo_model="pi", init="dc", calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False)
    v_v = trial.res_bus.vm_pu.to_numpy() * network.buses.vn_kv * 1e3
    outside = (v_v > network.buses.v_max_v).any() or (v_v < network.buses.v_min_v).any()
    return bool(
        outside or (trial.res_line.loading_percent > 100).any() or (trial.res_trafo.loading_percent > 100).any()
    )


# --- random placement -------------------------------------------------------------------------------------------------


def test_each_draw_ends_where_pandapower_finds_the_first_breach(county: Any, feeder: Any) -> None:
    """Plants one by one, as the module says that they are drawn: a permutation a round, a size a plant."""
    network, base = feeder
    names = ("E1", "M2", "E2", "M3", "N3")
    found = place_plants(Hosting(PowerFlow(network)), *base, buses=sites_of(network, *names), parameters=PARAMETERS)
    for draw in (0, 3, 11):
        generator = np.random.default_rng([PARAMETERS.seed, draw])
        placed: dict[str, float] = {}
        plants, order = 0, []
        while True:
            order = order or generator.permutation(len(names)).tolist()
            size_mw = generator.uniform(PARAMETERS.size_min_mw, PARAMETERS.size_max_mw)
            name = names[order.pop(0)]
            more = placed | {name: placed.get(name, 0.0) + size_mw}
            if breached_in_pandapower(county, network, more):
                break
            placed, plants = more, plants + 1
        assert found.plants[draw] == plants
        assert found.total_mw[draw] == pytest.approx(sum(placed.values()), rel=1e-12)
        np.testing.assert_allclose(found.placed_mw[draw], [placed.get(name, 0.0) for name in names])
    assert set(found.kind) <= {BindingKind.CURRENT, BindingKind.VOLTAGE_HIGH}
    assert len(set(found.element)) > 1
    assert found.plants.max() > 3


def test_the_seed_alone_tells_the_draws(feeder: Any) -> None:
    network, base = feeder
    sites = sites_of(network, "E1", "E2", "E3", "M2")

    def run(seed: int, threads: int, draws: int = 12) -> Any:
        parameters = PlacementParameters(seed, draws, 0.02, 0.2)
        return place_plants(Hosting(PowerFlow(network, threads)), *base, buses=sites, parameters=parameters)

    one, two, other, fewer = run(5, 1), run(5, 2), run(6, 2), run(5, 2, draws=7)
    assert one.placed_mw.tolist() == two.placed_mw.tolist()
    assert (one.element, one.vm_pu.tolist()) == (two.element, two.vm_pu.tolist())
    assert one.placed_mw.tolist() != other.placed_mw.tolist()
    assert fewer.placed_mw.tolist() == one.placed_mw[:7].tolist(), "a draw does not depend on how many there are"
    assert [one.percentile_mw(percent) for percent in PERCENTILES] == [
        sorted(one.total_mw)[number] for number in (0, 5, 11)
    ]
    assert (np.diff(one.vm_pu, axis=0) >= 0).all()


def test_every_hour_counts(feeder: Any) -> None:
    """The hour with a load at M2 has more room for plants there; the hour without it binds and is named."""
    network, (p_mw, q_mvar) = feeder
    p_mw = p_mw.copy()
    p_mw[0, network.bus_position["M2"]] = -3.0
    hosting, sites = Hosting(PowerFlow(network)), sites_of(network, "M2", "M3")
    parameters = PlacementParameters(9, 6, 0.2, 1.0)
    alone = place_plants(hosting, p_mw, q_mvar, buses=sites, parameters=parameters)
    both = place_plants(
        hosting,
        np.concatenate([p_mw, 0 * p_mw]),
        np.concatenate([q_mvar, 0 * q_mvar]),
        buses=sites,
        parameters=parameters,
    )
    second = place_plants(hosting, 0 * p_mw, 0 * q_mvar, buses=sites, parameters=parameters)
    assert both.placed_mw.tolist() == second.placed_mw.tolist()
    assert (both.total_mw < alone.total_mw).any()
    assert set(alone.hour.tolist()) == {0}
    assert set(both.hour.tolist()) == {1}


def test_draws_may_end_with_nothing_binding(feeder: Any) -> None:
    network, base = feeder
    parameters = PlacementParameters(1, 3, 0.001, 0.001, plants_max=20)
    found = place_plants(Hosting(PowerFlow(network)), *base, buses=sites_of(network, "M1", "M2"), parameters=parameters)
    assert found.plants.tolist() == [20, 20, 20]
    assert found.kind == (BindingKind.NO_LIMIT,) * 3
    np.testing.assert_allclose(found.total_mw, 0.02)


def test_stopped_draws_go_on_and_give_the_same(feeder: Any, tmp_path: Path) -> None:
    network, base = feeder
    hosting, sites, checkpoint = Hosting(PowerFlow(network)), sites_of(network, "E1", "M2"), tmp_path / "draws"
    parameters = PlacementParameters(3, 80, 0.05, 0.4)
    whole = place_plants(hosting, *base, buses=sites, parameters=parameters)

    class StoppedError(Exception):
        """The run was stopped."""

    def stop(_done: int, _all: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        place_plants(hosting, *base, buses=sites, parameters=parameters, checkpoint=checkpoint, progress=stop)
    done: list[int] = []
    resumed = place_plants(
        hosting,
        *base,
        buses=sites,
        parameters=parameters,
        checkpoint=checkpoint,
        progress=lambda now, _all: done.append(now),
    )
    assert done == [64, 80], "the first 32 draws were kept"
    assert resumed.placed_mw.tolist() == whole.placed_mw.tolist()
    assert (resumed.element, resumed.hour.tolist()) == (whole.element, whole.hour.tolist())
    with pytest.raises(CheckpointError):
        place_plants(hosting, *base, buses=sites_of(network, "E1"), parameters=parameters, checkpoint=checkpoint)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"draws": 0},
        {"size_min_mw": 0.0},
        {"size_min_mw": 0.3},
        {"size_max_mw": float("inf")},
        {"plants_max": 0},
    ],
)
def test_senseless_draws_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PlacementError):
        PlacementParameters(**({"seed": 1, "draws": 1, "size_min_mw": 0.1, "size_max_mw": 0.2} | wrong))


# --- two buses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v_max", ["1.07", "1.05"])
def test_two_buses_apart_take_what_each_takes_alone(v_max: str) -> None:
    """Two lines side by side: the region is a rectangle; its sides are the hand-worked capacity of one line."""
    expected_mw = TWO_BUSES["capacity_mw"][v_max]
    network = star(float(v_max))
    hosting = Hosting(PowerFlow(network))
    nothing = np.zeros((1, len(network.buses)))
    found = hosting_region(hosting, nothing, nothing, buses=(1, 2), angles=5)
    sides = 2 * expected_mw * RELATIVE_WIDTH + TWO_BUSES["tolerance_mw"]
    assert found.first_mw[:3] == pytest.approx([expected_mw] * 3, abs=sides)
    assert found.second_mw[2:] == pytest.approx([expected_mw] * 3, abs=sides)
    assert found.second_mw[0] == found.first_mw[-1] == 0.0
    assert set(found.kind) == {BindingKind.VOLTAGE_HIGH}
    assert (found.element[0], found.element[-1]) == ("b", "c")
    series = FactoredSeries((), np.zeros((3, 0)), np.zeros(0, dtype=np.int64), np.zeros(0))
    year = hosting_year(hosting, HourSeries(network, NetworkProfiles(series, series, series)), proofs=2)
    assert year.capacity.capacity_mw == pytest.approx([expected_mw] * 2, abs=TWO_BUSES["tolerance_mw"])
    assert year.proven.all()


def test_power_grid_model_certifies_the_boundary(feeder: Any) -> None:
    network, (p_mw, q_mvar) = feeder
    hosting = Hosting(PowerFlow(network))
    buses = (network.bus_position["M2"], network.bus_position["E3"])
    hours = np.concatenate([p_mw, 3 * p_mw]), np.concatenate([q_mvar, 3 * q_mvar])
    found = hosting_region(hosting, *hours, buses=buses, angles=7, power_factor=0.95)
    tangent = np.tan(np.arccos(0.95))
    newton = PowerFlow(network, engine=Engine.NEWTON)
    for share, expected in ((0.9999, True), (1.0001, False)):
        inside = np.ones(7, dtype=np.bool_)
        for hour in range(2):
            p, q = (values[hour : hour + 1].repeat(7, axis=0) for values in hours)
            for bus, plant_mw in zip(buses, (found.first_mw, found.second_mw), strict=True):
                p[:, bus] += share * plant_mw
                q[:, bus] -= share * plant_mw * tangent
            result = newton.solve(p, q)
            v_v = result.vm_pu * network.buses.vn_kv * 1e3
            inside &= ((v_v >= network.buses.v_min_v) & (v_v <= network.buses.v_max_v)).all(axis=1)
            inside &= (result.line_loading <= 1).all(axis=1) & (result.transformer_loading <= 1).all(axis=1)
        assert (inside == expected).all()
    assert (found.outside <= 1 + 2 * RELATIVE_WIDTH).all()
    alone = hosting.capacity(*hours, buses=np.array(buses), power_factor=0.95)
    assert [found.first_mw[0], found.second_mw[-1]] == pytest.approx(alone.capacity_mw, rel=1e-3)
    assert (found.element[0], found.element[-1]) == alone.element
    assert set(found.hour.tolist()) == {0}, "with the loads three times as high there is more room"


def test_a_breach_on_the_way_ends_a_ray() -> None:
    """V2^2 = 1 + 2 r P - (x P)^2 + ... rises above 1.003, falls back below it, and goes on falling: the rise counts.

    |V2| = v_max with V2 = 1 + (r + jx) P / V2* and r = 0.02, x = 0.2: v^4 - v^2 (1 + 2 r P) + (r^2 + x^2) P^2 = 0.
    """
    r_ohm, x_ohm, v_max = 0.02, 0.2, 1.003
    net = pandapower.create_empty_network(name="reactive")
    source, *ends = (pandapower.create_bus(net, 1.0, name=name) for name in "abc")
    pandapower.create_ext_grid(net, source, name="grid")
    for end in ends:
        pandapower.create_line_from_parameters(net, source, end, 1.0, r_ohm, x_ohm, 0.0, 99.0, name=f"line {end}")
    network = from_pandapower(net, (VoltageBand(0.0, -0.1, v_max - 1.0),))
    nothing = np.zeros((1, 3))
    found = hosting_region(Hosting(PowerFlow(network)), nothing, nothing, buses=(1, 2), angles=3)
    first, again = sorted(np.roots([r_ohm**2 + x_ohm**2, -2 * r_ohm * v_max**2, v_max**4 - v_max**2]))
    assert again > 3 * first
    assert found.first_mw[0] == pytest.approx(first, rel=1e-4)
    assert found.kind[0] is BindingKind.VOLTAGE_HIGH


def test_a_low_voltage_binds_plants_that_absorb_much() -> None:
    """At a power factor of 0.6, Q = -4/3 P: 2 r P + 2 x Q = -P / 30, the voltage falls to its lower limit, 0.95."""
    network = star(1.07)
    buses = replace(network.buses, v_min_v=np.full(3, 950.0))
    network = replace(network, buses=buses)
    nothing = np.zeros((1, 3))
    hosting = Hosting(PowerFlow(network))
    found = hosting_region(hosting, nothing, nothing, buses=(1, 2), angles=3, power_factor=0.6)
    r, x, v = TWO_BUSES["r_pu"], TWO_BUSES["x_pu"], 0.95
    q = -4 / 3
    expected_mw = min(
        root for root in np.roots([(r * r + x * x) * (1 + q * q), -2 * (r + x * q) * v * v, v**4 - v * v]) if root > 0
    )
    assert found.first_mw[0] == pytest.approx(expected_mw, rel=1e-4)
    assert found.kind == (BindingKind.VOLTAGE_LOW,) * 3
    load = FactoredSeries(("p",), np.array([[0.0], [0.3], [0.1]]), np.zeros(1, dtype=np.int64), np.ones(1))
    none = FactoredSeries((), np.zeros((3, 0)), np.zeros(0, dtype=np.int64), np.zeros(0))
    loaded = replace(network, loads=one_load(bus=1))
    year = hosting_year(
        Hosting(PowerFlow(loaded)),
        HourSeries(loaded, NetworkProfiles(load, load, none)),
        plant=PlantOptions(0.6),
        proofs=0,
    )
    assert set(year.capacity.kind) == {BindingKind.VOLTAGE_LOW}
    assert dict(zip(year.capacity.bus, year.capacity.scenario.tolist(), strict=True))["b"] == 1, "the highest load"


def one_load(bus: int) -> LoadColumns:
    zero = np.zeros(1)
    return LoadColumns(("load",), np.array([bus]), zero, zero, zero, zero, zero, zero, ("p",), ("",))


def test_a_region_needs_two_buses_and_two_angles(feeder: Any) -> None:
    network, base = feeder
    hosting = Hosting(PowerFlow(network))
    a, b, coupled = (network.bus_position[name] for name in ("M2", "B1", "B2"))
    for buses, angles in (((a, a), 5), ((b, coupled), 5), ((a, network.bus_position["H1"]), 5), ((a, b), 1)):
        with pytest.raises(RegionError):
            hosting_region(hosting, *base, buses=buses, angles=angles)


def test_nothing_binds_where_there_is_no_limit() -> None:
    net = pandapower.create_empty_network(name="no limit")
    source, *ends = (pandapower.create_bus(net, 10.0, name=name) for name in "abc")
    pandapower.create_ext_grid(net, source, name="grid")
    for end in ends:
        pandapower.create_line_from_parameters(net, source, end, 1.0, 1e-7, 1e-7, 0.0, np.nan, name=f"line {end}")
    network = from_pandapower(net, (VoltageBand(0.0, -0.9, 0.9),))
    nothing = np.zeros((1, 3))
    found = hosting_region(Hosting(PowerFlow(network)), nothing, nothing, buses=(1, 2), angles=3)
    assert found.first_mw.tolist() == [np.inf, np.inf, 0.0]
    assert found.second_mw.tolist() == [0.0, np.inf, np.inf]
    assert found.kind == (BindingKind.NO_LIMIT,) * 3
