"""The benchmark of a county month: the same month every time, every kind of user in it, and a difference is noticed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge.contract.registry import SupplyMode
from grid_models.bench.measuring import BenchError, Workbench
from hub.bench import settlement_month
from hub.settlement.bills.bill import Bill


@pytest.fixture(scope="module")
def made() -> settlement_month.MadeUpMonth:
    return settlement_month.made_up_month(settlement_month.SMALL_N_POINTS)


def test_the_month_is_the_same_every_time_and_has_every_kind_of_user(made: settlement_month.MadeUpMonth) -> None:
    again = settlement_month.made_up_month(settlement_month.SMALL_N_POINTS)
    for (day, energy, price), (other_day, other, other_price) in zip(made.days(), again.days(), strict=True):
        assert day == other_day
        assert np.array_equal(energy, other)
        assert np.array_equal(price, other_price)
        assert energy.dtype == np.int64
        assert energy.min() >= 0
    modes = {made.points.class_of(point).supply_mode for point in range(len(made.points))}
    assert modes == {SupplyMode.GUARANTEED, SupplyMode.AGENCY, SupplyMode.DIRECT, SupplyMode.RETAIL}
    assert set(made.points.election.tolist()) == {-1, 0, 1}


def test_a_small_month_is_measured_stage_by_stage(new_workbench: Callable[..., Workbench], postgresql_url: str) -> None:
    outcome = settlement_month.measure(new_workbench(database=postgresql_url))
    assert [row.pieces for row in outcome.comparisons] == [
        "months",
        "points",
        "bills",
        "rows",
        "rows",
        "bills",
        "bills",
    ]
    assert outcome.comparisons[0].peer is not None
    assert outcome.comparisons[3].what.endswith("SQLite")
    assert outcome.comparisons[4].what.endswith("PostgreSQL")
    assert outcome.comparisons[3].ours.work == outcome.comparisons[4].ours.work
    assert "arithmetic" in outcome.notes[0]
    assert "rounding account" in outcome.notes[1]


def test_energies_that_differ_are_refused(
    new_workbench: Callable[..., Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_too_much(total_wh, energy_wh) -> None:
        total_wh += energy_wh.sum(axis=0)
        total_wh[3] += 1

    monkeypatch.setattr(settlement_month, "energy_in_one_pass", one_too_much)
    with pytest.raises(BenchError, match="energies"):
        settlement_month.measure(new_workbench())


def test_a_bill_that_is_not_what_the_columns_say_is_refused(
    new_workbench: Callable[..., Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = settlement_month.bill_of_point

    def a_fen_less(*given: object) -> Bill:
        bill = honest(*given)
        return replace(bill, total_fen=bill.total_fen - 1)

    monkeypatch.setattr(settlement_month, "bill_of_point", a_fen_less)
    with pytest.raises(BenchError, match="total, fen"):
        settlement_month.measure(new_workbench())
