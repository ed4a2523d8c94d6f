"""Limits inside meshes in the secured loop: the sparse program keeps them, AC agrees, the rest is curtailed."""

import importlib.util
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlmodel import Session

from grid_models.security import CheckedState, LimitKind
from hub.market.coupled.clearing import Route
from hub.market.coupled.highs import HighsError
from hub.market.meshed_rows import check_meshed_clearing
from hub.market.price_reason import PriceReason
from hub.market.security import LimitCoverage
from hub.market.trades import Party, TradeSide
from hub.reports.read_intervals import Span
from hub.reports.read_reasons import read_reasons
from hub.store.engine import open_engine
from hub.usecases import clear_interval as module
from hub.usecases.clear_interval import clear_interval
from hub.usecases.load_county import County
from hub.usecases.run_gate import market_violations
from hub.usecases.save_clearing import save_clearing
from hub.usecases.secure_day import secure_day


@cache
def _ring():
    spec = importlib.util.spec_from_file_location("ring_county", Path(__file__).with_name("ring_county.py"))
    found = importlib.util.module_from_spec(spec)
    sys.modules["ring_county"] = found
    spec.loader.exec_module(found)
    return found


ring = _ring()
HIGH_VOLTAGE = {ring.S1_PLANT: 60_000, ring.S2_PLANT: 30_000, ring.S2_LOAD: -80_000}
FEEDER = {ring.A1_PLANT: 7_000, ring.A2_PLANT: 3_000, ring.A2_BOOK: 1_000, ring.A2_LOAD: -500, ring.S2_SUPPLY: -2_000}


@pytest.fixture(scope="module", params=[("H3", "H2"), ("H2", "H3")], ids="-".join)
def model(request, tmp_path_factory):
    """The ring county; the line between the stations is entered in either direction, which must not matter."""
    folder = ring.write_county(tmp_path_factory.mktemp("ring") / "county", r23=request.param)
    return County(folder).on(ring.DAY)


class TreeOnly:
    """A network check that knows no meshes: every limit is mapped to a covering edge."""

    def __init__(self, security):
        self.security = security

    def lies_in_mesh(self, _violation):
        return False

    def __getattr__(self, name):
        return getattr(self.security, name)


def cleared(model, gate):
    return clear_interval(
        county=model,
        interval=gate.interval,
        direct=gate.direct,
        expected=gate.expected,
        rules=gate.rules,
        indicative_uyuan_per_kwh=gate.indicative_uyuan_per_kwh,
    )


def welfare_nano_yuan(one) -> int:
    """Bids less offers less fees of the fills that stand; what was curtailed the province replaces at its price."""
    orders = one.orders
    sign = np.where(orders.side == TradeSide.SELL, -1, 1)
    local = orders.party != Party.PROVINCE
    price, fill = orders.price_uyuan_per_kwh, one.filled_wh
    welfare = int((sign * price * fill)[local].sum())
    buys, sells = (
        {side: int(price[row]) for row, side in enumerate(orders.side.tolist()) if orders.party[row] == Party.PROVINCE}[
            side
        ]
        for side in (TradeSide.BUY, TradeSide.SELL)
    )
    out_wh = int(one.result.flow_up_wh[0]) - int(one.cut_wh.sum())
    welfare += out_wh * (buys if out_wh > 0 else sells)
    down = np.maximum(-one.result.flow_up_wh, 0)
    return welfare - int((down * one.tree.fee_uyuan_per_kwh)[1:].sum())


@pytest.mark.parametrize(("net_kw", "branches"), [(HIGH_VOLTAGE, {"R23"}), (FEEDER, {"L1", "L3"})], ids=["110", "20"])
def test_a_breach_in_a_ring_is_cleared_by_the_sparse_program(model, net_kw, branches) -> None:
    one = cleared(model, ring.gate(model, net_kw))
    assert {each.element for each in one.before.violations} == branches
    assert {(each.element, each.coverage) for each in one.asked} == {
        (name, LimitCoverage.SPARSE_PROGRAM) for name in branches
    }
    assert all(each.sufficient for each in one.asked)
    assert isinstance(one.after, CheckedState)
    assert one.after.violations == ()
    # Not more than needed: the margin of a limit is 5 per mille.
    assert 990 <= one.after.worst_line.per_mille <= 1000
    assert one.curtailment is None
    assert one.meshed.found.intervals[0].route is Route.LINEAR_PROGRAM
    assert market_violations(one, ring.RULES, model.points) == []


def test_only_who_loads_the_branch_is_held(model) -> None:
    """The plant at S1 loads the line between the stations, those at S2 relieve it: they run and sell as they like."""
    one = cleared(model, ring.gate(model, HIGH_VOLTAGE))
    held = np.flatnonzero(one.setpoint_wh >= 0).tolist()
    assert held == [ring.S1_PLANT]
    assert one.cause[ring.S1_PLANT] == "network-check"
    order = one.orders.meter.tolist().index(ring.S1_PLANT)
    assert one.setpoint_wh[ring.S1_PLANT] == one.filled_wh[order] < one.orders.energy_wh[order]
    prices = dict(zip(one.tree.unit_id, one.result.price_uyuan_per_kwh.tolist(), strict=True))
    # The plant at S1 is marginal; where the line is relieved energy is worth more than at the root.
    assert prices["S1"] == 200_000
    assert prices["S1"] < prices["county"] < prices["S2"]
    assert not one.result.binding_export.any()


@pytest.mark.parametrize("net_kw", [HIGH_VOLTAGE, FEEDER], ids=["110", "20"])
def test_the_welfare_is_more_than_that_of_covering_edges(tmp_path, net_kw) -> None:
    """Entered towards the grid, the overload is one of export and the lowest covering edge is limited in its place."""
    model = County(ring.write_county(tmp_path / "county")).on(ring.DAY)
    gate = ring.gate(model, net_kw)
    by_edges = cleared(replace(model, security=TreeOnly(model.security)), gate)
    by_program = cleared(model, gate)
    assert by_edges.meshed is None
    assert {each.coverage for each in by_edges.asked} <= {LimitCoverage.TREE_EDGE, LimitCoverage.COVERING_EDGE}
    assert not by_program.after.violations
    assert welfare_nano_yuan(by_program) > welfare_nano_yuan(by_edges)


def test_other_limits_are_kept_beside_a_mesh(model) -> None:
    """A station's transformer is a tree edge and stays one in an interval of the sparse program."""
    gate = ring.gate(model, {**HIGH_VOLTAGE, ring.S1_PLANT: 130_000, ring.S1_LOAD: -1_000, ring.S2_LOAD: -60_000})
    one = cleared(model, gate)
    coverage = {each.element: each.coverage for each in one.asked}
    assert coverage["T1"] is LimitCoverage.TREE_EDGE
    assert LimitCoverage.SPARSE_PROGRAM in coverage.values()
    assert one.after.violations == ()
    assert market_violations(one, ring.RULES, model.points) == []


def test_after_the_last_round_those_who_load_the_branch_are_curtailed(model, monkeypatch) -> None:
    monkeypatch.setattr(module, "ROUNDS_MAX", 1)
    one = cleared(model, ring.gate(model, {**FEEDER, ring.A1_PLANT: 9_000}))
    assert one.meshed is None
    assert one.asked == ()
    assert one.after.violations == ()
    cut = set(one.curtailment.meter.tolist())
    assert ring.A1_PLANT in cut <= {ring.A1_PLANT, ring.A2_PLANT, ring.A2_BOOK}
    assert one.curtailment.rule == "pro-rata-available"
    assert {one.cause[meter] for meter in cut} == {"curtailment"}
    assert market_violations(one, ring.RULES, model.points) == []


def test_what_no_clearing_can_cure_ends_in_curtailment(model) -> None:
    """A buyer who is not cleared draws all the same: each round lets him fall further, and the line stays loaded."""
    one = cleared(model, ring.gate(model, HIGH_VOLTAGE, prices={ring.S2_LOAD: 500_000}))
    assert one.rounds == module.ROUNDS_MAX
    assert [each.limit_wh for each in one.asked] == sorted((each.limit_wh for each in one.asked), reverse=True)
    assert set(one.curtailment.meter.tolist()) == {ring.S1_PLANT}
    assert one.curtailment.rule == "pro-rata-available"
    assert one.cause[ring.S1_PLANT] == "curtailment"
    assert one.after.violations == ()
    assert market_violations(one, ring.RULES, model.points) == []


def test_a_ring_that_load_alone_overloads_is_not_cleared_otherwise(model) -> None:
    one = cleared(model, ring.gate(model, {ring.S2_SUPPLY: -70_000, ring.S1_PLANT: 5_000}))
    assert [(each.element, each.kind) for each in one.after.violations] == [("R13", LimitKind.CURRENT)]
    assert (one.rounds, one.asked, one.meshed, one.curtailment) == (1, (), None, None)
    assert (one.setpoint_wh == -1).all()
    assert [each.law for each in market_violations(one, ring.RULES, model.points)] == [8]


def test_a_program_without_an_answer_leaves_the_tree_s_result(model, monkeypatch, caplog) -> None:
    def fail(*_given, **_named):
        raise HighsError("no answer")

    monkeypatch.setattr(module, "clear_with_rows", fail)
    one = cleared(model, ring.gate(model, HIGH_VOLTAGE))
    assert "the sparse program has no answer" in caplog.text
    assert one.meshed is None
    assert set(one.curtailment.meter.tolist()) == {ring.S1_PLANT}
    assert one.after.violations == ()


def test_many_intervals_together_give_what_each_gives_alone(model) -> None:
    gates = [
        ring.gate(model, net_kw, interval=ring.FIRST + number)
        for number, net_kw in enumerate((HIGH_VOLTAGE, {}, FEEDER, HIGH_VOLTAGE))
    ]
    for gate, one in zip(gates, secure_day(model, gates), strict=True):
        again = cleared(model, gate)
        assert one.result.filled_wh.tolist() == again.result.filled_wh.tolist()
        assert one.result.price_uyuan_per_kwh.tolist() == again.result.price_uyuan_per_kwh.tolist()
        assert one.setpoint_wh.tolist() == again.setpoint_wh.tolist()
        assert (one.rounds, one.asked) == (again.rounds, again.asked)


def test_the_checks_see_a_wrong_result(model) -> None:
    """A Wh too much over the line, and a price that the line does not explain, are both found."""
    one = cleared(model, ring.gate(model, HIGH_VOLTAGE))
    tick = ring.RULES.price_tick_uyuan_per_kwh
    assert check_meshed_clearing(one.meshed, tick_uyuan_per_kwh=tick) == []
    (interval,) = one.meshed.found.intervals
    for name, unit, change in (("flow_up_wh", 1, 10_000), ("price_uyuan_per_kwh", 2, 5_000)):
        column = getattr(interval.result, name).copy()
        column[unit] += change
        wrong = replace(interval, result=replace(interval.result, **{name: column}))
        broken = replace(one.meshed, found=replace(one.meshed.found, intervals=(wrong,)))
        assert check_meshed_clearing(broken, tick_uyuan_per_kwh=tick)


def test_the_store_names_the_way_it_was_cleared(model, migrated_sqlite_url) -> None:
    engine = open_engine(migrated_sqlite_url)
    with Session(engine) as session:
        for number, net_kw in enumerate((HIGH_VOLTAGE, {})):
            save_clearing(session, model, cleared(model, ring.gate(model, net_kw, interval=ring.FIRST + number)))
        rows = session.execute(text("SELECT interval, method FROM clearing_run ORDER BY interval"))
        assert [tuple(row) for row in rows] == [(ring.FIRST, "sparse-program"), (ring.FIRST + 1, "tree")]
        first, second = read_reasons(session, Span(ring.FIRST, ring.FIRST + 1))
    engine.dispose()
    # The report says why: the root imports at the province's price, and two stations are priced apart by the line.
    assert (first.reason, first.method, first.units_apart) == (PriceReason.IMPORT, "sparse-program", 2)
    assert [(one.element, one.coverage) for one in first.asked] == [("R23", LimitCoverage.SPARSE_PROGRAM.value)]
    assert (second.reason, second.method, second.asked) == (PriceReason.BALANCED, "tree", ())
