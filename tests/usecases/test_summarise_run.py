"""The summary that the conductor asks for: the shape that was agreed, and numbers that other sources confirm."""

import json

import pytest
from sqlmodel import Session

from edge.contract.messages import Order, Side
from hub.market.trades import Violation
from hub.usecases.hash_result import hash_result
from hub.usecases.save_clearing import save_law_violations
from hub.usecases.summarise_run import summarise_run
from simulators.demo.summary import LAWS, decode_hub_summary


def summary_of(market, **how):
    with Session(market.engine) as session:
        document = summarise_run(
            session, market.model, first=market.first, last=market.last, report={"zh": "day.zh.pdf"}, **how
        )
    return decode_hub_summary(json.dumps(document).encode())


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_summary_is_the_agreed_one(request, database):
    if database == "sqlite":
        run = request.getfixturevalue("undisturbed")
    else:
        run = request.getfixturevalue("make_market")(request.getfixturevalue("postgresql_url")).whole_run()
    summary = summary_of(run)
    assert summary.metering_points == len(run.toy.SITES)
    assert summary.intervals == 3
    assert summary.readings.admitted == 6 * len(run.toy.SITES)
    assert (summary.readings.duplicate, summary.readings.quarantined) == (0, 0)
    submitted = run.rows('SELECT count(*) FROM "order" WHERE party = 0')
    assert (summary.orders.accepted, summary.orders.rejected) == (submitted[0][0], 0)
    assert summary.residual_nano_yuan == sum(summary.money_nano_yuan.values()) == 0
    assert {"D_sup", "D_net", "USERS", "PROSUMER", "INDEPENDENT_DG_DEVELOPER"} <= set(summary.money_nano_yuan)
    assert set(summary.laws) == set(LAWS)
    assert {law: result.violations for law, result in summary.laws.items()} == {law: [] for law in LAWS}
    assert all(result.checked for result in summary.laws.values())
    with Session(run.engine) as session:
        assert summary.result_hash == hash_result(session)
    assert summary.report == {"zh": "day.zh.pdf"}


def test_the_energy_is_that_of_the_devices(undisturbed):
    run = undisturbed
    energy = summary_of(run).energy
    intervals = range(run.first, run.last + 1)
    physics = run.physics
    assert energy.generation_wh == pytest.approx(sum(physics.generation_w[k] for k in intervals) / 4, abs=60)
    assert energy.charge_wh == pytest.approx(sum(physics.charge_w[k] for k in intervals) / 4, abs=60)
    assert energy.discharge_wh == 0
    assert energy.loss_wh == pytest.approx(sum(physics.loss_w[k] for k in intervals) / 4, abs=60)
    load_w = sum(site.load_kw * physics_load for site in run.toy.SITES for physics_load in loads(run))
    assert energy.load_wh == pytest.approx(load_w / 4, abs=60)
    supplied = energy.gateway_import_wh + energy.generation_wh + energy.discharge_wh
    assert supplied == energy.gateway_export_wh + energy.load_wh + energy.charge_wh + energy.loss_wh


def loads(run):
    return [run.toy.weather_of(interval).load_per_mille for interval in range(run.first, run.last + 1)]


def test_the_province_is_what_the_province_says(undisturbed):
    run = undisturbed
    summary = summary_of(run)
    settled = [run.province.settled[interval] for interval in range(run.first, run.last + 1)]
    assert summary.province.import_wh == sum(one.metered_import_wh for one in settled)
    assert summary.province.import_wh == summary.energy.gateway_import_wh
    assert summary.province.import_amount_nano_yuan == sum(one.import_amount_nano_yuan for one in settled)
    assert summary.province.export_amount_nano_yuan == sum(one.export_amount_nano_yuan for one in settled)
    ((upstream_loss,),) = run.rows("SELECT sum(amount_nano_yuan) FROM posting WHERE kind = 'GATEWAY_LOSS'")
    exchange = summary.province.import_amount_nano_yuan - summary.province.export_amount_nano_yuan
    assert summary.money_nano_yuan["province"] == exchange + upstream_loss


def test_volumes_are_those_of_the_pairs(undisturbed):
    run = undisturbed
    traded = summary_of(run).traded_wh
    by_mode = dict(run.rows("SELECT mode, sum(energy_wh) FROM pair GROUP BY mode"))
    assert {
        mode: traded[name] for mode, name in enumerate(("province_import", "mode_1", "mode_2", "mode_3"))
    } == by_mode
    assert traded["province_export"] == 0


def test_refusals_limits_and_laws_are_told(market):
    """Reverse power that inverters do not heed, an order that is refused, and a breach that stands in the store."""
    weather = market.toy.Weather(net_w={"M000007": 170_000, "M000008": 110_000, "M000014": 0})
    for interval in range(market.first - 2, market.last + 2):
        market.physics.limits.clear()
        market.at(interval, weather=weather)
    late = Order("M000007", market.last, 2, Side.SELL, 10, 1_000, 0)
    market.submit({"G0002": (late,)}, market.last)
    with Session(market.engine) as session:
        save_law_violations(session, market.first, [Violation(2, "A001", "lost"), Violation(6, "D_sup", "off")])
        save_law_violations(session, market.first, [Violation(2, "A002", "lost too")])
        session.commit()
    summary = summary_of(market)
    assert summary.refused == {"gate-closed": 1}
    assert summary.orders.rejected == 1
    assert summary.violations["expected_before"] > 0
    assert summary.violations["expected_after"] == 0
    assert summary.violations["metered"] == summary.intervals
    assert summary.setpoints > 0
    assert summary.laws["2"].violations == [f"{market.first} A001: lost", f"{market.first} A002: lost too"]
    assert summary.laws["6"].violations == [f"{market.first} D_sup: off"]
