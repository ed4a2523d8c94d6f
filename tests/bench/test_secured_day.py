"""The benchmark of a secured day: the same day every time, every metering point in it, and a difference is noticed."""

from collections.abc import Callable

import numpy as np
import pytest

from grid_models.bench.measuring import BenchError, Workbench
from hub.bench import secured_day
from hub.market.trades import Party
from hub.usecases.secure_day import secure_day
from hub.usecases.secured_interval import ClearedInterval
from hub.usecases.stage_times import Stage


@pytest.fixture(scope="module")
def case() -> secured_day.SecuredDayCase:
    return secured_day.secured_day_case(small=True)


@pytest.fixture
def _made_once(case: secured_day.SecuredDayCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the network takes longer than all the rest."""

    def made(*, small: bool) -> secured_day.SecuredDayCase:
        assert small
        return case

    monkeypatch.setattr(secured_day, "secured_day_case", made)


def test_every_metering_point_that_uses_or_makes_energy_has_one_order(case: secured_day.SecuredDayCase) -> None:
    n_points = len(case.county.points.meter_id)
    for gate, cleared in zip(case.gates, secure_day(case.county, case.gates), strict=True):
        ordered = cleared.orders.meter[cleared.orders.party == Party.DIRECT]
        assert sorted(ordered.tolist()) == np.flatnonzero(gate.expected.net_export_wh).tolist()
        assert ordered.size > n_points // 2
        assert cleared.filled_wh.sum() > 0


@pytest.mark.usefixtures("_made_once")
def test_the_day_is_told_by_stage_and_agrees_with_interval_by_interval(new_workbench: Callable[..., Workbench]) -> None:
    outcome = secured_day.measure(new_workbench())
    day, *stages = outcome.comparisons
    assert day.peer is not None
    assert "fills, prices" in day.agreed
    named = [row.ours.name for row in stages]
    assert named == [stage.value for stage in Stage if stage.value in named]
    assert {Stage.ORDERS.value, Stage.CLEAR.value, Stage.POWER_FLOW.value, Stage.PAIR.value} <= set(named)
    assert sum(row.ours.seconds[0] for row in stages) <= day.ours.seconds[0]


@pytest.mark.usefixtures("_made_once")
def test_a_batch_that_finds_something_else_is_refused(
    new_workbench: Callable[..., Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = secured_day.digest_of
    seen: list[str] = []

    def digest(cleared: ClearedInterval) -> str:
        seen.append("")
        return honest(cleared) + ("x" if len(seen) == 1 else "")

    monkeypatch.setattr(secured_day, "digest_of", digest)
    with pytest.raises(BenchError, match="differs from cleared alone"):
        secured_day.measure(new_workbench())
