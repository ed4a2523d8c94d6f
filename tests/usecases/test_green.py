"""Green attributes and certificates of a run, on both databases: bound, delivered, accounted for, entered once."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from hub.market.green.certificates import CertificateRules
from hub.store.green import read_entered_months, read_green_volumes, read_plant_days
from hub.store.green_tables import GreenIntervalRow
from hub.store.parameters import NoParametersError
from hub.usecases import clear_interval as module
from hub.usecases.bind_green import attributes_of
from hub.usecases.green_parameters import load_certificate_rules
from hub.usecases.hash_result import TABLES
from hub.usecases.issue_green import issue_green, month_of

A002_SELLER = "M000007"
CLEAN = {3, 4, 7, 8, 14, 16, 21}
"""Numbers of the toy county's clean meters that sell."""
WH_PER_CERTIFICATE = 50_000


@pytest.fixture
def run(undisturbed):
    """A whole run, only to be read; test_sessions.py compares it with PostgreSQL's."""
    return undisturbed


def test_each_clean_wh_that_was_sold_has_one_attribute(run):
    sold = run.rows(
        "SELECT f.interval, f.meter, f.filled_wh FROM fill f JOIN metering_point m ON m.position = f.meter "
        "WHERE f.side = 0 AND f.meter >= 0 AND f.filled_wh > 0 AND m.clean ORDER BY 1, 2"
    )
    bound = run.rows(
        "SELECT g.interval, g.plant, sum(g.energy_wh) FROM green_trade g JOIN metering_point m ON m.position = g.plant "
        "WHERE m.sale_mode = 'DIRECT' GROUP BY g.interval, g.plant ORDER BY 1, 2"
    )
    assert [(row[0], row[1], int(row[2])) for row in bound] == sold
    plants = {number + 1 for (number,) in run.rows("SELECT DISTINCT plant FROM green_trade")}
    assert plants == CLEAN
    # Books sell as one party; their attributes are their members'.
    members = run.rows("SELECT DISTINCT p.seller, p.mode FROM green_trade g JOIN pair p ON p.interval = g.interval "
                       "AND p.seq = g.pair WHERE p.seller < 0")  # fmt: skip
    assert {mode for _, mode in members} == {2, 3}


def test_no_pair_has_more_attributes_than_energy_and_none_is_the_province_s(run):
    rows = run.rows(
        "SELECT p.energy_wh, sum(g.energy_wh), p.mode FROM green_trade g JOIN pair p ON p.interval = g.interval "
        "AND p.seq = g.pair GROUP BY p.interval, p.seq, p.energy_wh, p.mode"
    )
    assert rows
    assert all(attributes <= energy and mode for energy, attributes, mode in rows)


def test_delivered_is_at_most_what_the_meters_say(run):
    rows = run.rows("SELECT meter, interval, generation_wh, bound_wh, delivered_wh FROM green_interval")
    assert {meter + 1 for meter, *_ in rows} == CLEAN
    assert all(delivered == min(generation, bound) for _, _, generation, bound, delivered in rows)
    for meter, interval, generation, *_ in rows:
        begin, end = run.physics.registers(interval), run.physics.registers(interval + 1)
        export = run.toy.CHANNELS.index(run.toy.EXPORT)
        assert generation == end[meter, export] - begin[meter, export]
    per_attribute = run.rows("SELECT plant, interval, sum(delivered_wh) FROM green_trade GROUP BY plant, interval")
    of_plant = {(meter, interval): delivered for meter, interval, _, _, delivered in rows}
    assert {(plant, interval): int(wh) for plant, interval, wh in per_attribute} == {
        key: delivered for key, delivered in of_plant.items() if key in {(p, i) for p, i, _ in per_attribute}
    }
    assert run.rows("SELECT * FROM law_violation WHERE law = 2") == []


def test_the_day_s_accounts_are_whole_certificates_and_a_rest(run):
    with Session(run.engine) as session:
        plants = list(read_plant_days(session, run.toy.DAY.isoformat()))
        volumes = read_green_volumes(session, first=run.first, last=run.last)
    assert {int(one.meter[1:]) for one in plants} == CLEAN
    for one in plants:
        assert (one.carried_in_wh, one.month) == (0, 201605)
        assert one.month_generation_wh == one.generation_wh
        assert divmod(one.generation_wh, WH_PER_CERTIFICATE) == (one.certificates, one.carried_out_wh)
    assert sum(one.certificates for one in plants) > 0
    assert sum(one.bound_wh for one in volumes) == sum(one.bound_wh for one in plants)
    assert sum(one.delivered_wh for one in volumes) == sum(one.delivered_wh for one in plants)
    # The month is not over: nothing is entered in the register.
    assert run.rows("SELECT * FROM green_plant_month") == []


def test_what_curtailment_took_carries_no_attribute(market, monkeypatch):
    monkeypatch.setattr(module, "ROUNDS_MAX", 1)
    weather = replace(market.toy.weather_of(market.first), net_w={A002_SELLER: 215_000, "M000008": 0})
    market.take_in(market.first - 2, weather=weather)
    market.take_in(market.first - 1, weather=weather)
    cleared = market.gate(market.first)
    assert cleared.cut_wh.sum() > 0
    trades, violations = attributes_of(cleared, market.model.points)
    assert violations == []
    seller = int(A002_SELLER[1:]) - 1
    order = cleared.orders.meter.tolist().index(seller)
    assert int(trades.energy_wh[trades.plant == seller].sum()) == cleared.filled_wh[order]
    assert (trades.energy_wh > 0).all()


def close(run, day: date, generation: dict[int, int], *, at: int) -> list:
    """Close a day in which plants fed in some energy in one interval."""
    with Session(run.engine) as session:
        for meter, energy in generation.items():
            energies = {"generation_wh": energy, "bound_wh": energy, "delivered_wh": energy}
            session.add(GreenIntervalRow(interval=at, meter=meter, **energies))
        found = issue_green(session, run.model, day=day, first=at, last=at)
        session.commit()
    return found


def test_a_month_that_is_over_is_entered_once_and_its_rest_carried(make_market, database_url):
    """Plant 2: 30 + 45 kWh in May are one certificate of 50 kWh and 25 kWh; with 30 in June one more and 5 kWh."""
    run = make_market(database_url)
    first = run.first
    assert close(run, date(2016, 5, 30), {2: 30_000, 3: 10_000}, at=first) == []
    assert close(run, date(2016, 5, 31), {2: 45_000}, at=first + 96) == []
    assert close(run, date(2016, 6, 1), {2: 30_000}, at=first + 192) == []
    with Session(run.engine) as session:
        entered = read_entered_months(session)
        days = {
            day: {one.meter: one for one in read_plant_days(session, day)}
            for day in ("2016-05-30", "2016-05-31", "2016-06-01")
        }
    assert {
        meter: [(one.month, one.certificates, one.carried_wh) for one in rows] for meter, rows in entered.items()
    } == {
        2: [(201605, 1, 25_000)],
        3: [(201605, 0, 10_000)],
    }
    account = {day: (plants["M000003"].certificates, plants["M000003"].carried_out_wh) for day, plants in days.items()}
    assert account == {"2016-05-30": (0, 30_000), "2016-05-31": (1, 25_000), "2016-06-01": (1, 5_000)}
    assert days["2016-06-01"]["M000003"].carried_in_wh == 25_000
    # Who fed in nothing on a day keeps its account of the month.
    assert days["2016-05-31"]["M000004"].carried_out_wh == 10_000
    with Session(run.engine) as session, pytest.raises(DBAPIError, match="append-only"):
        session.connection().exec_driver_sql("UPDATE green_plant_month SET certificates = 9")


def test_a_month_whose_last_day_was_missed_is_entered_before_the_next_one_begins(make_market, database_url):
    run = make_market(database_url)
    assert close(run, date(2016, 5, 30), {2: 130_000}, at=run.first) == []
    assert close(run, date(2016, 6, 2), {2: 30_000}, at=run.first + 96) == []
    with Session(run.engine) as session:
        (entered,) = read_entered_months(session)[2]
        (june,) = read_plant_days(session, "2016-06-02")
    assert (entered.month, entered.certificates, entered.carried_wh) == (201605, 2, 30_000)
    assert (june.carried_in_wh, june.certificates, june.carried_out_wh) == (30_000, 1, 10_000)


def test_certificates_need_rules(market):
    with Session(market.engine) as session:
        rules = load_certificate_rules(session, market.first)
        assert isinstance(rules, CertificateRules)
        assert (rules.document, rules.wh_per_certificate) == ("green", WH_PER_CERTIFICATE)
        with pytest.raises(NoParametersError):
            load_certificate_rules(session, market.first - 96)


def test_months_are_those_of_the_county_s_days():
    assert month_of(date(2016, 12, 31)) == 201612
    assert month_of(date(2016, 12, 31) + timedelta(days=1)) == 201701


def test_green_is_no_part_of_the_result_hash():
    """Attributes follow from what is hashed: pairs, setpoints and readings."""
    assert not [table.name for table in TABLES if table.name.startswith("green")]
