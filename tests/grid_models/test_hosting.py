"""Hosting capacity: a hand-worked case, certificates by another engine, hours, registered plants, existing breaches."""

from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.hosting import (
    BindingKind,
    Hosting,
    HostingCapacity,
    HostingLimits,
    NoBaseStateError,
    hosting_levels,
    storage_what_if,
)
from grid_models.kernel_library import kernel_library
from grid_models.networks import Network, VoltageBand, from_pandapower
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import Engine, PowerFlow

ENGINES = [Engine.NEWTON] if kernel_library() is None else [Engine.FIXED_POINT, Engine.NEWTON]


def two_buses(v_max: float, max_i_ka: float = 99.0, r_pu: float = 0.05, x_pu: float = 0.05) -> Network:
    """1 MVA base at 1 kV (so 1 ohm is 1 pu): r = x = 0.05 pu, V1 = 1."""
    net = pandapower.create_empty_network(name="two buses")
    first, second = (pandapower.create_bus(net, 1.0, name=name) for name in ("a", "b"))
    pandapower.create_ext_grid(net, first, name="grid")
    pandapower.create_line_from_parameters(net, first, second, 1.0, r_pu, x_pu, 0.0, max_i_ka, name="line")
    return from_pandapower(net, (VoltageBand(0.0, -0.5, v_max - 1.0),))


def nothing(network: Network, hours: int = 1) -> tuple[Any, Any]:
    return np.zeros((hours, len(network.buses))), np.zeros((hours, len(network.buses)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("v_max", "expected_mw"), [(1.07, 1.554537), (1.05, 1.077670)])
def test_two_buses_by_hand(v_max: float, expected_mw: float, engine: Engine) -> None:
    """|V2| = v_max with V2 = 1 + (r + jx) P / V2*: P solves a quadratic; values of the issue."""
    network = two_buses(v_max)
    found = Hosting(PowerFlow(network, engine=engine)).capacity(*nothing(network))
    assert found.bus == ("b",)
    assert found.capacity_mw[0] == pytest.approx(expected_mw, abs=5e-6)
    assert (found.kind, found.element, found.certified.tolist()) == ((BindingKind.VOLTAGE_HIGH,), ("b",), [True])
    assert found.limit[0] == pytest.approx(v_max * 1000)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_voltage_that_rises_and_falls_again_binds_where_it_rises(engine: Engine) -> None:
    """r = 0.02, x = 0.2: v^4 - v^2 (1 + 2 r P) + (r^2 + x^2) P^2 = 0 at v = 1.003; the smaller root counts.

    The larger plant that lets the voltage fall to its lower limit breaches nothing, and is no capacity.
    """
    network = two_buses(1.003, r_pu=0.02, x_pu=0.2)
    v2 = 1.003**2
    p_mw = min(np.roots([0.02**2 + 0.2**2, -2 * 0.02 * v2, v2**2 - v2]).real)
    assert 0 < p_mw < 0.5
    found = Hosting(PowerFlow(network, engine=engine)).capacity(*nothing(network))
    assert (found.kind, found.element, found.certified.tolist()) == ((BindingKind.VOLTAGE_HIGH,), ("b",), [True])
    assert found.capacity_mw[0] == pytest.approx(p_mw, rel=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rating_binds_and_reactive_power_moves_the_limit(engine: Engine) -> None:
    network = two_buses(1.07, max_i_ka=0.5)
    hosting = Hosting(PowerFlow(network, engine=engine))
    found = hosting.capacity(*nothing(network))
    assert (found.kind, found.element) == ((BindingKind.CURRENT,), ("line",))
    v = abs(1 + complex(0.05, 0.05) * 0.5 * np.sqrt(3))
    assert found.capacity_mw[0] == pytest.approx(0.5 * np.sqrt(3) * v, rel=2e-2)
    free = two_buses(1.07)
    absorbing = Hosting(PowerFlow(free, engine=engine)).capacity(*nothing(free), power_factor=0.95)
    feeding = Hosting(PowerFlow(free, engine=engine)).capacity(
        *nothing(free), power_factor=0.95, absorbs_reactive=False
    )
    assert feeding.capacity_mw[0] < 1.554537 < absorbing.capacity_mw[0]
    with pytest.raises(ValueError, match="power factor"):
        hosting.capacity(*nothing(network), power_factor=0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_binds_where_there_is_no_limit(engine: Engine) -> None:
    net = pandapower.create_empty_network(name="no limit")
    first, second = (pandapower.create_bus(net, 10.0, name=name) for name in ("a", "b"))
    pandapower.create_ext_grid(net, first, name="grid")
    pandapower.create_line_from_parameters(net, first, second, 1.0, 1e-7, 1e-7, 0.0, np.nan, name="line")
    network = from_pandapower(net, (VoltageBand(0.0, -0.9, 0.9),))
    found = Hosting(PowerFlow(network, engine=engine)).capacity(*nothing(network))
    assert found.capacity_mw.tolist() == [np.inf]
    assert found.kind == (BindingKind.NO_LIMIT,)


def feasible(network: Network, found: HostingCapacity, base: tuple[Any, Any], share: float) -> Any:
    """Return, by power-grid-model, whether the network takes `share` of each capacity, one bus at a time."""
    p_mw, q_mvar = (values.repeat(len(found.bus), axis=0) for values in base)
    at = [network.bus_position[name] for name in found.bus]
    p_mw[np.arange(len(at)), at] += share * found.capacity_mw
    result = PowerFlow(network, engine=Engine.NEWTON).solve(p_mw, q_mvar)
    volts = result.vm_pu * network.buses.vn_kv * 1e3
    inside = ((volts <= network.buses.v_max_v) & (volts >= network.buses.v_min_v)).all(axis=1)
    inside &= (result.line_loading <= 1).all(axis=1) & (result.transformer_loading <= 1).all(axis=1)
    return inside & result.converged


def test_another_engine_certifies_every_figure(demo: Any) -> None:
    network = demo.network
    p_mw, q_mvar, _ = nominal_injections(network, load_scale=0.3, generation_scale=0.05)
    buses = np.random.default_rng(5).choice(len(network.buses) - 1, 60, replace=False) + 1
    buses = buses[[network.buses.vn_kv[bus] < 100 for bus in buses]]
    found = Hosting(PowerFlow(network)).capacity(p_mw, q_mvar, buses=buses)
    assert found.breaches == ((),)
    assert found.certified.all()
    assert feasible(network, found, (p_mw, q_mvar), 0.999).all()
    assert not feasible(network, found, (p_mw, q_mvar), 1.001).any()
    by_newton = Hosting(PowerFlow(network, engine=Engine.NEWTON)).capacity(p_mw, q_mvar, buses=buses[:12])
    np.testing.assert_allclose(by_newton.capacity_mw, found.capacity_mw[:12], rtol=2e-4)
    assert by_newton.element == found.element[:12]


def test_the_worst_hour_counts_and_levels_stay_apart(county: Any) -> None:
    network = from_pandapower(county)
    low, q_mvar, _ = nominal_injections(network, load_scale=0.1)
    high, _, _ = nominal_injections(network, load_scale=1.0)
    hosting = Hosting(PowerFlow(network))
    each = [hosting.capacity(p_mw, q_mvar).capacity_mw for p_mw in (high, low)]
    both = hosting.capacity(np.concatenate([high, low]), q_mvar.repeat(2, axis=0))
    np.testing.assert_allclose(both.capacity_mw, np.minimum(*each), rtol=1e-9)
    assert set(both.scenario.tolist()) <= {0, 1}
    assert (both.scenario == np.argmin(each, axis=0)).all()
    turned = hosting.capacity(np.concatenate([low, high]), q_mvar.repeat(2, axis=0))
    np.testing.assert_allclose(turned.capacity_mw, both.capacity_mw, rtol=1e-9)
    assert (turned.scenario == np.argmin(each[::-1], axis=0)).all(), "the worst hour, not the last one"
    registered = np.zeros(len(network.buses))
    registered[network.bus_position["E1"]] = 0.05
    levels = hosting_levels(hosting, low, q_mvar, registered)
    at = levels.existing.bus.index("E1")
    assert levels.existing.capacity_mw[at] - levels.with_registered.capacity_mw[at] == pytest.approx(0.05, rel=0.05)
    stored = hosting.capacity(storage_what_if(low, {network.bus_position["E1"]: 0.04}), q_mvar)
    assert stored.capacity_mw[at] - levels.existing.capacity_mw[at] == pytest.approx(0.04, rel=0.05)


def test_a_breach_that_exists_is_listed_and_does_not_close_the_county(county: Any) -> None:
    network = from_pandapower(county)
    p_mw, q_mvar, _ = nominal_injections(network)
    p_mw[0, network.bus_position["E3"]] = -0.42  # area 3 draws more than its transformer and line may carry
    found = Hosting(PowerFlow(network)).capacity(p_mw, q_mvar)
    breached = {breach.element for breach in found.breaches[0]}
    assert {"A3", "C3"} <= breached
    room = dict(zip(found.bus, found.capacity_mw, strict=True))
    assert room["E1"] > 0.05
    assert room["E3"] > 0.42, "a plant there cures it"
    strict = Hosting(PowerFlow(network), HostingLimits(transformer_per_mille=800)).capacity(p_mw, q_mvar)
    of_area = strict.bus.index("N1")
    assert strict.capacity_mw[of_area] < room["N1"]
    p_mw[0, network.bus_position["E3"]] = -400.0
    with pytest.raises(NoBaseStateError, match="hour 0 has no solution"):
        Hosting(PowerFlow(network)).capacity(p_mw, q_mvar)
