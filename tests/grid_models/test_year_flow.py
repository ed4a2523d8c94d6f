"""Streaming over many quarter-hours: against dense results, interrupted and resumed, with any number of threads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grid_models.year_flow as year_flow_module
from grid_models.kernel_library import kernel_library
from grid_models.power_flow import Engine, PowerFlow
from grid_models.year_flow import HOURS_PER_ROW, CheckpointError, NoPercentilesError, YearFlow, YearFlowModel

ENGINES = [Engine.NEWTON] if kernel_library() is None else [Engine.FIXED_POINT, Engine.NEWTON]
MIDDAY = 137 * 96 + 40


class StoppedError(Exception):
    """Stands for whoever interrupts a long run."""


def arrays(found: YearFlow) -> dict[str, Any]:
    return {name: values for name, values in vars(found).items() if isinstance(values, np.ndarray)}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_kept_is_what_dense_results_say(engine: Engine, demo: Any) -> None:
    network = demo.simbench
    model = YearFlowModel(PowerFlow(network, engine=engine), demo.profiles)
    rows = np.arange(MIDDAY, MIDDAY + 20)
    found = model.run(MIDDAY, MIDDAY + 20, percentiles=True)
    dense = PowerFlow(network, engine=Engine.NEWTON).solve(*model.injections(rows))
    loading = np.concatenate([dense.line_loading, dense.transformer_loading], axis=1)
    volts = dense.vm_pu * network.buses.vn_kv * 1e3
    for ours, theirs in (
        (found.v_min_pu, dense.vm_pu.min(axis=0)),
        (found.v_max_pu, dense.vm_pu.max(axis=0)),
        (found.loading_max, loading.max(axis=0)),
        (found.row_v_max_pu, dense.vm_pu.max(axis=1)),
        (found.row_v_min_pu, dense.vm_pu.min(axis=1)),
        (found.row_loading_max, loading.max(axis=1)),
        (found.row_loss_mw, dense.loss_mw),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert found.loss_mwh.sum() == pytest.approx(dense.loss_mw.sum() * HOURS_PER_ROW, abs=1e-6)
    clear = (np.abs(volts - network.buses.v_max_v) > 0.01).all(axis=0)
    assert found.hours_above[clear].tolist() == ((volts > network.buses.v_max_v)[:, clear].sum(axis=0) / 4).tolist()
    assert found.hours_above.sum() > 0, "the demo's midday has voltages above the band"
    assert found.hours_overloaded.tolist() == ((loading > 1).sum(axis=0) / 4).tolist()
    middle = np.sort(dense.vm_pu, axis=0)[9]
    assert np.abs(found.v_percentile_pu(50) - middle).max() <= 0.0011
    assert np.abs(found.loading_percentile(50) - np.sort(loading, axis=0)[9]).max() <= 0.0051
    assert found.v_histogram is not None
    assert (found.v_histogram.sum(axis=1) == rows.size).all()


def test_an_interrupted_run_goes_on_and_comes_to_the_same(
    demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(year_flow_module, "SPAN_ROWS", 8)
    runs = [
        YearFlowModel(PowerFlow(demo.simbench, threads=threads), demo.profiles).run(MIDDAY, MIDDAY + 44)
        for threads in (1, 2)
    ]
    checkpoint = tmp_path / "year.npz"
    model = YearFlowModel(PowerFlow(demo.simbench), demo.profiles)

    def stop_early(done: int, _all: int) -> None:
        if done > 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        model.run(MIDDAY, MIDDAY + 44, checkpoint=checkpoint, progress=stop_early)
    heard: list[int] = []
    resumed = model.run(MIDDAY, MIDDAY + 44, checkpoint=checkpoint, progress=lambda done, _all: heard.append(done))
    assert heard == [16, 32, 44], "it goes on after the last span that was kept"
    for other in (runs[1], resumed):
        for name, values in arrays(runs[0]).items():
            if values.dtype == np.float64:
                np.testing.assert_allclose(values, arrays(other)[name], rtol=1e-12, atol=1e-12, err_msg=name)
            else:
                np.testing.assert_array_equal(values, arrays(other)[name], err_msg=name)
    with pytest.raises(NoPercentilesError):
        resumed.v_percentile_pu(95)
    with pytest.raises(CheckpointError, match="another run"):
        model.run(MIDDAY, MIDDAY + 96, checkpoint=checkpoint)
    checkpoint.write_bytes(b"not one")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        model.run(MIDDAY, MIDDAY + 44, checkpoint=checkpoint)


def test_rows_without_a_solution_are_named_and_left_out(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(year_flow_module, "ITERATIONS_MAX", 1)  # so that every row goes the general way
    model = YearFlowModel(PowerFlow(demo.simbench), demo.profiles)
    usual = YearFlowModel(PowerFlow(demo.simbench, engine=Engine.NEWTON), demo.profiles).run(MIDDAY, MIDDAY + 3)
    found = model.run(MIDDAY, MIDDAY + 3)
    np.testing.assert_allclose(found.v_max_pu, usual.v_max_pu, rtol=0, atol=1e-7)
    factor = demo.profiles.generator_p.factor
    factor.flags.writeable = True
    before = factor[MIDDAY + 1].copy()
    try:
        factor[MIDDAY + 1] = 500.0
        broken = YearFlowModel(PowerFlow(demo.simbench), demo.profiles).run(MIDDAY, MIDDAY + 3)
    finally:
        factor[MIDDAY + 1] = before
        factor.flags.writeable = False
    assert [failure.scenario for failure in broken.failures] == [MIDDAY + 1]
    assert broken.failures[0].bus in demo.simbench.bus_position
    assert np.isnan(broken.row_loss_mw).tolist() == [False, True, False]
    assert broken.v_max_pu.max() < 1.2
    with pytest.raises(ValueError, match="not within"):
        model.run(5, 5)
