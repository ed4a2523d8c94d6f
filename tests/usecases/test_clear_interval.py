"""The gate end to end on a real network: who is in the tree, what a violation leads to, what stays after the rounds."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sqlmodel import Session

from edge.contract.messages import Order, Side
from grid_models.security import CheckedState, FlowDirection, LimitKind, UnsolvedState
from hub.market.order_batch import direct_orders
from hub.market.security import net_export_fills_wh
from hub.market.trades import Party, TradeSide
from hub.usecases import clear_interval as module
from hub.usecases.clear_interval import clear_interval
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.run_gate import NoIndicativePriceError, market_violations, run_gate
from hub.usecases.save_clearing import save_clearing
from hub.usecases.secured_interval import GateRules

RULES = GateRules(0, 1_500_000, 1_000)
A002_SELLER, A002_OWN_PLANT = "M000007", "M000008"
STRONG_SUN = {A002_SELLER: 170_000, A002_OWN_PLANT: 110_000}
HIGH_VOLTAGE = {A002_SELLER: 215_000, A002_OWN_PLANT: 0}


def closed_gate(market, *, net_w=None, **order_terms):
    """Two intervals of the same weather, orders, and the gate of the first interval."""
    weather = replace(market.toy.weather_of(market.first), net_w=net_w)
    orders = partial(market.toy.orders_at, **order_terms)
    market.take_in(market.first - 2, weather=weather)
    market.take_in(market.first - 1, weather=weather, orders=orders)
    return market.gate(market.first)


def export_violations(state):
    return [one for one in state.violations if one.direction is FlowDirection.EXPORT]


def meter(name):
    return int(name[1:]) - 1


def test_every_expected_energy_is_in_the_tree_exactly_once(market):
    cleared = closed_gate(market)
    points, books, orders = market.model.points, cleared.books, cleared.orders
    expected = cleared.outlook.net_export_wh
    ordered = set(orders.meter[orders.party == Party.DIRECT].tolist())
    members = books.member_meter.tolist()
    assert len(members) == len(set(members))
    assert not ordered & set(members)
    assert ordered | set(members) == {
        row for row in market.model.market_meters.tolist() if expected[row] and row != meter("M000019")
    }
    for row, energy in zip(members, books.member_energy_wh.tolist(), strict=True):
        assert energy == abs(expected[row])
    for unit, party, energy in zip(books.unit, books.party, books.energy_wh, strict=True):
        if party == Party.LOSS:
            assert energy == cleared.outlook.loss_wh[unit] > 0
        else:
            assert energy == sum(
                abs(int(expected[row]))
                for row in members
                if points.unit[row] == unit and party == (points.sale if expected[row] > 0 else points.supply)[row]
            )
    assert {Party(party).name for party in books.party} == {"PURCHASE", "COMMISSION", "SUPPLY", "LOSS"}


def test_a_meter_with_an_order_is_not_in_a_book_as_well(market):
    """M000004 is expected to export into the COMMISSION book; with an order of its own, it is in the tree by that."""

    def with_purchase(physics, interval):
        orders = market.toy.orders_at(physics, interval)
        bid = Order("M000004", interval, 1, Side.BUY, 500, 700_000, 0)
        return {**orders, "G0001": (*orders["G0001"], bid)}

    market.take_in(market.first - 2)
    market.take_in(market.first - 1, orders=with_purchase)
    cleared = market.gate(market.first)
    assert cleared.outlook.net_export_wh[meter("M000004")] > 0
    assert meter("M000004") not in cleared.books.member_meter
    assert cleared.orders.meter.tolist().count(meter("M000004")) == 1


def test_a_direct_meter_without_an_order_is_left_to_deviation_but_not_to_physics(market):
    cleared = closed_gate(market, skip=frozenset({"M000020"}))
    row = meter("M000020")
    assert row not in cleared.orders.meter
    assert row not in cleared.books.member_meter
    at = market.model.market_meters.tolist().index(row)
    assert cleared.after.p_w[at] == 4 * cleared.outlook.net_export_wh[row] < 0


def test_reverse_power_is_cured_by_setpoints_equal_to_the_fills(market):
    """The seller asks too much and is not cleared, but its plant would run: 80 % of A2 would be exceeded."""
    cleared = closed_gate(market, net_w=STRONG_SUN, sell_prices={A002_SELLER: 900_000})
    area = market.toy.positions()["A002"]
    reverse = [one for one in cleared.before.violations if one.kind is LimitKind.REVERSE_POWER]
    assert [(one.element, one.unit) for one in reverse] == [("A2", area)]
    assert cleared.rounds > 1
    assert not export_violations(cleared.after)
    assert cleared.curtailment is None
    assert not cleared.cut_wh.any()
    sellers = (market.model.points.unit == area) & (market.model.points.sale >= 0)
    sold = net_export_fills_wh(cleared.orders, market.model.points, cleared.filled_wh, cleared.book_fills)
    assert cleared.setpoint_wh[sellers].tolist() == sold[sellers].tolist()
    assert (cleared.setpoint_wh[~sellers] == -1).all()
    assert cleared.setpoint_wh[meter(A002_SELLER)] == 0
    assert {cause for cause in cleared.cause if cause} == {"network-check"}
    assert cleared.after.unit_export_w[area] <= 4 * market.model.tree.export_limit_wh[area]


def test_a_limit_that_binds_in_the_market_is_named_as_the_cause(market):
    """All of A002 is offered cheaply, more than its edge lets through: the market itself holds it back."""
    cleared = closed_gate(market, net_w={A002_SELLER: 160_000, A002_OWN_PLANT: 120_000})
    area = market.toy.positions()["A002"]
    assert cleared.result.binding_export[area]
    assert cleared.result.flow_up_wh[area] <= market.model.tree.export_limit_wh[area]
    assert {one for row, one in enumerate(cleared.cause) if market.model.points.unit[row] == area} <= {
        "",
        "export-limit",
        "network-check",
    }
    assert not export_violations(cleared.after)


def test_high_voltage_tightens_the_area_and_clears_again(market):
    cleared = closed_gate(market, net_w=HIGH_VOLTAGE)
    area = market.toy.positions()["A002"]
    high = [one for one in cleared.before.violations if one.kind is LimitKind.VOLTAGE_HIGH]
    assert {(one.element, one.unit) for one in high} == {("E3", area)}
    assert cleared.rounds > 1
    assert cleared.tree.export_limit_wh[area] < market.model.tree.export_limit_wh[area]
    assert cleared.result.flow_up_wh[area] <= cleared.tree.export_limit_wh[area]
    assert not cleared.after.violations
    assert cleared.cause[meter(A002_SELLER)] == "network-check"
    assert cleared.result.shadow_uyuan_per_kwh[area] < 0
    assert market_violations(cleared, RULES, market.model.points) == []


def test_what_stays_after_the_last_round_is_curtailed(market, monkeypatch):
    monkeypatch.setattr(module, "ROUNDS_MAX", 1)
    cleared = closed_gate(market, net_w=HIGH_VOLTAGE)
    assert cleared.rounds == 1
    assert cleared.curtailment is not None
    assert not cleared.after.violations
    seller = meter(A002_SELLER)
    assert set(cleared.curtailment.meter.tolist()) == {seller}
    order = cleared.orders.meter.tolist().index(seller)
    assert 0 < cleared.cut_wh[order] < cleared.result.filled_wh[order]
    assert cleared.filled_wh[order] == cleared.result.filled_wh[order] - cleared.cut_wh[order]
    assert cleared.setpoint_wh[seller] == cleared.filled_wh[order]
    assert cleared.cause[seller] == "curtailment"
    assert cleared.curtailed_wh.sum() == cleared.cut_wh.sum() == cleared.curtailment.meter_cut_wh.sum()
    # Not more than needed: the voltage ends just inside its limit of 1.07.
    assert cleared.after.highest_voltage.per_mille >= 1060
    assert market_violations(cleared, RULES, market.model.points) == []
    rows = market.rows("SELECT order_id, meter, curtailed_wh, cause FROM curtailment")
    assert rows == [(cleared.orders.order_id[order], seller, int(cleared.cut_wh[order]), "pro-rata-available")]
    # What the county does not send up, the province sends down.
    flow = int(cleared.result.flow_up_wh[0] - cleared.cut_wh.sum())
    assert market.rows("SELECT import_wh, export_wh FROM exchange_schedule") == [(max(-flow, 0), max(flow, 0))]


def test_no_fill_is_lowered_where_setpoints_at_the_fills_do(market, monkeypatch):
    """Without a second round, sellers that generate beyond their fills are held to them before anything is taken."""
    monkeypatch.setattr(module, "ROUNDS_MAX", 1)
    cleared = closed_gate(market, net_w=STRONG_SUN, sell_prices={A002_SELLER: 900_000})
    assert export_violations(cleared.before)
    assert not export_violations(cleared.after)
    assert cleared.curtailment is None
    assert not cleared.cut_wh.any()
    assert cleared.setpoint_wh[meter(A002_SELLER)] == 0
    assert cleared.setpoint_wh[meter(A002_OWN_PLANT)] == 27_500


def test_several_curtailments_of_one_interval_are_told_together(market, monkeypatch):
    """A rule that asks for too little at a time: each step's cut and cause stands in the result."""
    monkeypatch.setattr(module, "ROUNDS_MAX", 1)
    asked = module._Desk._asked_reductions_wh
    monkeypatch.setattr(
        module._Desk,
        "_asked_reductions_wh",
        lambda desk, secured: (np.minimum((found := asked(desk, secured))[0], 2_500), found[1]),
    )
    cleared = closed_gate(market, net_w=HIGH_VOLTAGE)
    assert cleared.cut_wh.sum() > 2_500
    assert cleared.curtailment.meter_cut_wh.sum() == cleared.curtailment.cut_wh.sum() == cleared.cut_wh.sum()


def test_a_violation_that_load_causes_gets_no_setpoint_and_is_said(market):
    cleared = closed_gate(market, net_w={"M000006": -330_000, A002_SELLER: 0, A002_OWN_PLANT: 0})
    directions = {one.direction for one in cleared.after.violations}
    assert directions == {FlowDirection.IMPORT}
    assert cleared.rounds == 1
    assert (cleared.setpoint_wh == -1).all()
    laws = {(one.law, one.where.partition(", ")[2]) for one in market_violations(cleared, RULES, market.model.points)}
    assert laws == {(8, one.element) for one in cleared.after.violations}
    stored = market.rows("SELECT law, count(*) FROM law_violation GROUP BY law")
    assert stored == [(8, len(cleared.after.violations))]
    stages = dict(market.rows("SELECT stage, count(*) FROM limit_violation GROUP BY stage"))
    assert stages == {"expected": len(cleared.before.violations), "cleared": len(cleared.after.violations)}


def test_an_expected_state_without_a_solution_is_said_and_saved(market):
    first = closed_gate(market)
    beyond = first.outlook.net_export_wh.copy()
    beyond[meter("M000006")] = -10_000_000
    cleared = clear_interval(
        county=market.model,
        interval=market.first + 1,
        direct=direct_orders([], market.model.points),
        expected=replace(first.outlook, net_export_wh=beyond),
        rules=RULES,
        indicative_uyuan_per_kwh=300_000,
    )
    assert isinstance(cleared.before, UnsolvedState)
    assert isinstance(cleared.after, UnsolvedState)
    assert [one.law for one in market_violations(cleared, RULES, market.model.points)] == [8]
    with Session(market.engine) as session:
        save_clearing(session, market.model, cleared)
        session.commit()
    rows = market.rows(
        "SELECT violations_before, violations_after, vm_min_upu, loading_max_mpercent FROM clearing_run "
        "WHERE interval = :interval",
        interval=market.first + 1,
    )
    assert rows == [(1, 1, None, None)]


def test_the_gate_saves_what_it_found_and_breaks_no_law(market):
    cleared = closed_gate(market, net_w=HIGH_VOLTAGE)
    assert isinstance(cleared.after, CheckedState)
    orders, pairs = cleared.orders, cleared.pairs
    interval = market.first
    fills = market.rows(
        "SELECT order_id, meter, unit, side, party, cleared_wh, filled_wh, price_uyuan_per_kwh FROM fill"
    )
    assert sorted(fills) == sorted(
        zip(
            orders.order_id,
            orders.meter.tolist(),
            orders.unit.tolist(),
            orders.side.tolist(),
            orders.party.tolist(),
            cleared.result.filled_wh.tolist(),
            cleared.filled_wh.tolist(),
            cleared.result.price_uyuan_per_kwh[orders.unit].tolist(),
            strict=True,
        )
    )
    assert sorted(row[0] for row in market.rows('SELECT order_id FROM "order" WHERE status = 1')) == sorted(
        orders.order_id
    )
    stored = market.rows("SELECT seq, seller_order_id, buyer_order_id, energy_wh, apex FROM pair ORDER BY seq")
    assert stored == [
        (row, orders.order_id[seller], orders.order_id[buyer], energy, apex)
        for row, (seller, buyer, energy, apex) in enumerate(
            zip(
                pairs.seller.tolist(),
                pairs.buyer.tolist(),
                pairs.energy_wh.tolist(),
                pairs.apex.tolist(),
                strict=True,
            )
        )
    ]
    assert market.rows("SELECT unit, price_uyuan_per_kwh, flow_up_wh, basis_uyuan_per_kwh FROM unit_price") == list(
        zip(
            range(len(cleared.tree.unit_id)),
            cleared.result.price_uyuan_per_kwh.tolist(),
            cleared.result.flow_up_wh.tolist(),
            cleared.result.basis_uyuan_per_kwh.tolist(),
            strict=True,
        )
    )
    setpoints = market.rows("SELECT meter, export_limit_w, export_limit_wh, cause, setpoints_id, outcome FROM setpoint")
    assert setpoints == [
        (row, 4 * limit, limit, cleared.cause[row], f"{interval}-G0002", None)
        for row, limit in enumerate(cleared.setpoint_wh.tolist())
        if limit >= 0
    ]
    assert len(setpoints) == 2
    ((rounds, before, after, highest, loading),) = market.rows(
        "SELECT rounds, violations_before, violations_after, vm_max_upu, loading_max_mpercent FROM clearing_run"
    )
    assert (rounds, before, after) == (cleared.rounds, len(cleared.before.violations), 0)
    assert highest == 1000 * cleared.after.highest_voltage.per_mille
    assert loading == 100 * max(cleared.after.worst_line.per_mille, cleared.after.worst_transformer.per_mille)
    assert market.rows("SELECT * FROM law_violation") == []
    counters = dict(market.rows("SELECT name, value FROM counter"))
    assert [counters[f"law_{law}_checked"] for law in (1, 2, 3, 8)] == [1, 1, 1, 1]


def test_a_gate_closes_once(market):
    closed_gate(market)
    before = market.everything()
    with Session(market.engine) as session, pytest.raises(ValueError, match="order"):
        run_gate(session, market.county, EnergyMeasurement(), market.first)
    assert market.everything() == before


def test_without_the_indicative_price_no_gate_closes(market):
    market.take_in(market.first - 2)
    market.take_in(market.first - 1)
    with Session(market.engine) as session, pytest.raises(NoIndicativePriceError, match=str(market.first)):
        run_gate(session, market.county, EnergyMeasurement(), market.first)


def test_the_order_of_submission_does_not_matter(market):
    cleared = closed_gate(market)
    rows = cleared.orders
    assert rows.order_id == tuple(sorted(rows.order_id))
    again = clear_interval(
        county=market.model,
        interval=market.first,
        direct=direct_orders(
            sorted(
                (
                    (f"{gateway}/{one.interval}/{one.meter}/{one.number}", one)
                    for gateway, orders in market.toy.orders_at(market.physics, market.first).items()
                    for one in orders
                ),
                reverse=True,
            ),
            market.model.points,
        ),
        expected=cleared.outlook,
        rules=RULES,
        indicative_uyuan_per_kwh=market.province.indicative_price(market.first),
    )
    assert again.result.filled_wh.tolist() == cleared.result.filled_wh.tolist()
    assert again.pairs.energy_wh.tolist() == cleared.pairs.energy_wh.tolist()
    sells = rows.side == TradeSide.SELL
    assert again.filled_wh[sells].sum() == again.filled_wh[~sells].sum() > 0
