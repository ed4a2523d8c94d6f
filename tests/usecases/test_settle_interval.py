"""Settlement over real clearings: the money of an interval comes to zero, and the rows say what was computed."""

from dataclasses import replace
from functools import partial

import pytest
from sqlmodel import Session

from hub.store.clearing import NotClearedError
from hub.usecases import clear_interval as clearing
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.record_prices import PriceChangedError, record_indicative_price, record_real_time_price
from hub.usecases.settle_interval import NotPublishedError, settle

A002_SELLER, A002_OWN_PLANT = "M000007", "M000008"
HIGH_VOLTAGE = {A002_SELLER: 215_000, A002_OWN_PLANT: 0}


def by_account(rows):
    totals = {}
    for account, amount in rows:
        totals[account] = totals.get(account, 0) + amount
    return totals


def assert_money_is_exact(market):
    """Every interval: zero in all, each account the same on its own, postings add up to the accounts."""
    n_accounts = len(market.model.accounts)
    for interval in range(market.first, market.last + 1):
        totals = market.rows(
            "SELECT account, ledger_nano_yuan, independent_nano_yuan FROM account_total WHERE interval = :k", k=interval
        )
        assert [row[0] for row in totals] == list(range(n_accounts))
        assert sum(row[1] for row in totals) == sum(row[2] for row in totals) == 0
        assert all(ledger == independent for _, ledger, independent in totals)
        postings = market.rows(
            "SELECT debit, credit, amount_nano_yuan, energy_wh, price_uyuan_per_kwh FROM posting "
            "WHERE interval = :k AND kind <> 'STATEMENT_ROUNDING'",
            k=interval,
        )
        assert all(amount == energy * price for _, _, amount, energy, price in postings)
        moved = by_account(
            [(debit, -amount) for debit, _, amount, _, _ in postings]
            + [(credit, amount) for _, credit, amount, _, _ in postings]
        )
        assert {account: ledger for account, ledger, _ in totals if ledger} == {
            account: amount for account, amount in moved.items() if amount
        }
    assert market.rows("SELECT * FROM law_violation") == []


def test_every_leg_carries_energy_and_the_money_is_exact(undisturbed):
    market = undisturbed
    assert_money_is_exact(market)
    kinds = {kind for (kind,) in market.rows("SELECT DISTINCT kind FROM posting WHERE energy_wh <> 0")}
    assert len(kinds) >= 15, kinds
    modes = {mode for (mode,) in market.rows("SELECT DISTINCT mode FROM pair")}
    assert modes == {0, 1, 2, 3}
    runs = market.rows("SELECT interval, run, length(input_hash) FROM settlement_run ORDER BY interval")
    assert runs == [(interval, 0, 64) for interval in range(market.first, market.last + 1)]


@pytest.mark.parametrize("exported", [False, True])
def test_the_gateway_is_settled_as_the_province_settles_it(market, exported):
    net_w = {"M000020": -20_000, "M000022": -10_000} if exported else None
    for interval in range(market.first - 2, market.last + 2):
        market.at(interval, weather=replace(market.toy.weather_of(interval), net_w=net_w))
    assert_money_is_exact(market)
    sides = market.rows(
        "SELECT interval, settled_import_wh, settled_export_wh, settled_nano_yuan FROM exchange_schedule"
    )
    for interval, import_wh, export_wh, nano_yuan in sides:
        assert (export_wh > import_wh) is exported
        assert market.province.settled[interval].metered_import_wh == import_wh
        ledger = market.rows(
            "SELECT kind, energy_wh, amount_nano_yuan FROM posting WHERE interval = :k AND kind LIKE 'GATEWAY_%PORT'",
            k=interval,
        )
        assert nano_yuan == sum(-amount if kind == "GATEWAY_EXPORT" else amount for kind, _, amount in ledger)
        assert {kind: energy for kind, energy, _ in ledger if energy} == (
            {"GATEWAY_EXPORT": export_wh} if exported else {"GATEWAY_IMPORT": import_wh}
        )


def test_the_schedule_of_the_cleared_interval_reaches_the_province(undisturbed):
    market = undisturbed
    scheduled = {row[0]: row[1:] for row in market.rows("SELECT interval, import_wh, export_wh FROM exchange_schedule")}
    assert scheduled == market.province.schedules
    assert sorted(scheduled) == list(range(market.first, market.last + 1))


def test_the_money_of_curtailment_is_zero_as_well(market, monkeypatch):
    monkeypatch.setattr(clearing, "ROUNDS_MAX", 1)
    for interval in range(market.first - 2, market.last + 2):
        market.at(interval, weather=replace(market.toy.weather_of(interval), net_w=HIGH_VOLTAGE))
    assert_money_is_exact(market)
    ((hit, taken),) = market.rows("SELECT count(*), sum(curtailed_wh) FROM curtailment")
    assert hit >= 2
    assert taken > 0
    replaced = market.rows("SELECT sum(energy_wh) FROM posting WHERE kind = 'REPLACED_ENERGY'")
    cost = market.rows("SELECT sum(energy_wh) FROM posting WHERE kind = 'REPLACEMENT_COST'")
    assert 0 < cost[0][0] <= taken
    assert replaced[0][0] <= cost[0][0]
    # The inverter obeys its setpoint, so nothing is exported above it.
    assert market.rows("SELECT count(*) FROM posting WHERE kind = 'EXCESS_EXPORT' AND energy_wh <> 0") == [(0,)]
    assert market.rows("SELECT sum(violations) FROM metered_state") == [(0,)]


def test_export_above_a_setpoint_earns_nothing(market):
    """The inverter ignores what it was told: its excess is unpaid, and the metered state shows the violation."""
    dear = partial(market.toy.orders_at, sell_prices={A002_SELLER: 900_000})
    strong = {A002_SELLER: 170_000, A002_OWN_PLANT: 110_000}
    for interval in range(market.first - 2, market.last + 2):
        market.physics.limits.clear()
        market.at(interval, weather=replace(market.toy.weather_of(interval), net_w=strong), orders=dear)
    assert_money_is_exact(market)
    excess = market.rows("SELECT meter, sum(energy_wh) FROM posting WHERE kind = 'EXCESS_EXPORT' GROUP BY meter")
    seller = int(A002_SELLER[1:]) - 1
    assert dict(excess)[seller] == 3 * 42_500
    assert market.rows("SELECT sum(amount_nano_yuan) FROM posting WHERE kind = 'ENERGY' AND meter = :m", m=seller) in (
        [(None,)],
        [(0,)],
    )
    assert market.rows("SELECT count(*) FROM limit_violation WHERE stage = 'metered' AND kind = 'reverse_power'") == [
        (3,)
    ]


def test_nothing_is_settled_before_its_price_is_there_or_without_a_market(market):
    market.at(market.first - 2)
    market.at(market.first - 1)
    market.take_in(market.first)
    market.take_in(market.first + 1)
    measurement = EnergyMeasurement()
    with Session(market.engine) as session:
        measured = measurement.of_interval(session, market.model, market.first)
        with pytest.raises(NotPublishedError, match=str(market.first)):
            settle(session, market.model, measured)
        record_real_time_price(session, market.first, 350_000)
        assert settle(session, market.model, measured) == []
        record_indicative_price(session, market.first - 1, 300_000)
        record_real_time_price(session, market.first - 1, 300_000)
        with pytest.raises(NotClearedError, match=str(market.first - 1)):
            settle(session, market.model, measurement.of_interval(session, market.model, market.first - 1))


def test_a_published_price_does_not_change(market):
    with Session(market.engine) as session:
        record_real_time_price(session, market.first, 350_000)
        record_real_time_price(session, market.first, 350_000)
        with pytest.raises(PriceChangedError, match="350000 before"):
            record_real_time_price(session, market.first, 350_001)
