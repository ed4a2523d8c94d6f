"""The fixed point in C against power-grid-model's Newton; voltage-dependent loads; what happens without a compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pytest

import grid_models.power_flow as power_flow_module
from grid_models.elimination import elimination_order, factorise
from grid_models.kernel_library import kernel_library
from grid_models.networks import from_pandapower
from grid_models.nominal_state import nominal_injections, solve_nominal
from grid_models.power_flow import Engine, NoKernelError, PowerFlow

ROOT = Path(__file__).parents[2]
ENGINES = [Engine.NEWTON] if kernel_library() is None else [Engine.FIXED_POINT, Engine.NEWTON]


def random_net(seed: int, n_buses: int, *, loops: int, dependent: bool) -> Any:
    """Return a 10 kV network: a random tree with some loops, two feeding points, loads of every kind."""
    rng = np.random.default_rng(seed)
    net = pandapower.create_empty_network(name=f"random {seed}")
    for bus in range(n_buses):
        pandapower.create_bus(net, 10.0, name=f"B{bus}")
    ends = [(int(rng.integers(0, bus)), bus) for bus in range(1, n_buses)]
    ends += [tuple(sorted(rng.choice(n_buses, 2, replace=False).tolist())) for _ in range(loops)]
    for number, (start, end) in enumerate(ends):
        pandapower.create_line_from_parameters(
            net, start, end, rng.uniform(0.1, 1.0), 0.4, 0.1, 250.0, 0.3, name=f"L{number}"
        )
    pandapower.create_ext_grid(net, 0, vm_pu=1.02, name="first")
    if loops:
        pandapower.create_ext_grid(net, n_buses - 1, vm_pu=1.01, va_degree=-1.0, name="second")
    for bus in range(1, n_buses):
        shares = rng.dirichlet((1, 1, 1)) * 100 if dependent else (0.0, 0.0, 100.0)
        pandapower.create_load(
            net,
            bus,
            p_mw=rng.uniform(-0.05, 0.1),
            q_mvar=rng.uniform(0, 0.04),
            const_z_p_percent=shares[0],
            const_i_p_percent=shares[1],
            const_z_q_percent=shares[0],
            const_i_q_percent=shares[1],
            name=f"load {bus}",
        )
    return net


@pytest.mark.parametrize(("loops", "dependent"), [(0, False), (3, False), (0, True), (3, True)])
def test_engines_agree_on_random_networks(loops: int, dependent: bool) -> None:
    for seed in range(5):
        network = from_pandapower(random_net(seed, 30, loops=loops, dependent=dependent))
        results = [solve_nominal(PowerFlow(network, engine=engine)) for engine in ENGINES]
        for name in ("vm_pu", "va_degree", "line_p_from_mw", "line_loading", "source_p_mw", "source_q_mvar", "loss_mw"):
            first, *others = (getattr(result, name) for result in results)
            for other in others:
                np.testing.assert_allclose(first, other, rtol=0, atol=2e-9, err_msg=f"{name}, network {seed}")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_that_depends_on_the_voltage_shares_its_bus_with_a_plant(engine: Engine) -> None:
    """10 kV, 5 + j5 ohm, 2 + j1 MVA of which 30 % constant impedance, 1.5 MW of generation at the same bus.

    0.9255071 pu by hand: V = 1 - z (S/V)* solved with S(V) = -2 (0.7 + 0.3 V^2) + 1.5 - j (0.7 + 0.3 V^2). pandapower
    multiplies the plant by the load's share and is wrong here.
    """
    net = pandapower.create_empty_network(name="trap")
    first, second = (pandapower.create_bus(net, 10.0, name=name) for name in ("a", "b"))
    pandapower.create_ext_grid(net, first, name="grid")
    pandapower.create_line_from_parameters(net, first, second, 1.0, 5.0, 5.0, 0.0, 1.0, name="line")
    pandapower.create_load(net, second, 2.0, 1.0, const_z_p_percent=30.0, const_z_q_percent=30.0, name="load")
    pandapower.create_sgen(net, second, 1.5, name="plant")
    result = solve_nominal(PowerFlow(from_pandapower(net), engine=engine))
    v = complex(result.vm_pu[0, 1] * np.exp(1j * np.deg2rad(result.va_degree[0, 1])))
    power = -complex(2, 1) * (0.7 + 0.3 * abs(v) ** 2) + 1.5
    assert abs(v - (1 + complex(5, 5) / 100 * (power / v).conjugate())) < 1e-10
    assert result.vm_pu[0, 1] == pytest.approx(0.9255071, abs=5e-8)


def test_elimination_of_a_tree_adds_nothing_and_numbers_children_first(demo: Any) -> None:
    model = PowerFlow(demo.network, engine=Engine.NEWTON).model
    factors = factorise(model)
    n = len(factors)
    assert sorted(factors.node.tolist() + model.source_node.tolist()) == list(range(model.n_nodes))
    assert ((factors.parent > np.arange(n)) | (factors.parent < 0)).all()
    free = factors.node
    inner = model.matrix.tocsr()[free][:, free]
    assert factors.lower_row.size <= (inner.nnz - n) // 2 + 10, "a radial network gets no new entries"
    v = factors.no_load_v
    np.testing.assert_allclose(inner @ v, factors.constant, rtol=0, atol=1e-6)
    assert elimination_order(inner[:0, :0]).size == 0


def test_what_the_fixed_point_does_not_settle_goes_to_newton(county: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = from_pandapower(county)
    p_mw, q_mvar, _ = nominal_injections(network)
    expected = PowerFlow(network, engine=Engine.NEWTON).solve(p_mw, q_mvar)
    monkeypatch.setattr("grid_models.fixed_point.ITERATIONS_MAX", 2)
    result = PowerFlow(network).solve(p_mw, q_mvar)
    assert result.converged.all()
    np.testing.assert_allclose(result.vm_pu, expected.vm_pu, rtol=0, atol=1e-9)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100])
def test_a_result_does_not_depend_on_its_company(count: int, county: Any) -> None:
    network = from_pandapower(county)
    p_mw, q_mvar, _ = nominal_injections(network)
    scale = np.linspace(0.2, 6.0, count)[:, np.newaxis]
    together = PowerFlow(network, threads=2).solve(p_mw * scale, q_mvar * scale)
    for row in {0, count // 2, count - 1}:
        alone = PowerFlow(network, threads=1).solve(p_mw * scale[row], q_mvar * scale[row])
        np.testing.assert_array_equal(together.vm_pu[row], alone.vm_pu[0])


def test_without_a_compiler_installation_goes_on_and_newton_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "grid_models" / "kernel", tmp_path / "grid_models" / "kernel", ignore=shutil.ignore_patterns("*.so")
    )
    build = [sys.executable, "setup.py", "build_ext", "--inplace"]
    environment = os.environ | {"CC": str(tmp_path / "no-compiler-here"), "PATH": "/nowhere"}
    done = subprocess.run(build, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*.so"))
    assert "failed" in done.stderr, "the installation says what it left out"

    monkeypatch.setattr(power_flow_module, "kernel_library", lambda: None)
    network = from_pandapower(random_net(1, 5, loops=0, dependent=False))
    assert PowerFlow(network).engine is Engine.NEWTON
    with pytest.raises(NoKernelError, match="compiler"):
        PowerFlow(network, engine=Engine.FIXED_POINT)
