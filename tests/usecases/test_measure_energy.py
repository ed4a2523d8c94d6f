"""Registers to energy as the hub walks: gaps, late readings, restarts; and the registers' loss against the AC loss."""

from sqlmodel import Session

from edge.contract.messages import CHANNELS, IMPORT, Reading
from hub.schedule import JobTable
from hub.store.tables import ReadingFlag
from hub.usecases.admit_readings import Admitted
from hub.usecases.hash_result import hash_result
from hub.usecases.measure_energy import EnergyMeasurement

HOUSE = "M000006"
ROW, COLUMN = 5, CHANNELS.index(IMPORT)
NOBODY = frozenset()


def run(market, *, gap=NOBODY, restarts=False, late=False, old=False):
    """Run all intervals; the gap's meter is not read at the end of the first settled interval."""
    for interval in range(market.first - 2, market.last + 2):
        if restarts:
            market.restart()
        missing = gap if interval == market.first + 1 else NOBODY
        market.take_in(interval, missing=missing)
        if old and interval == market.first:
            registers = dict.fromkeys(market.model.registry.metering_points[ROW].channels, 0)
            (outcome,) = market.admit(interval, {"G0002": [Reading(HOUSE, 900, registers)]})
            assert isinstance(outcome, Admitted)
        market.run_jobs(interval)
        if late and interval == market.first + 1:
            reading = [one for one in market.physics.readings(interval, "G0002") if one.meter == HOUSE]
            (outcome,) = market.admit(interval, {"G0002": reading})
            assert isinstance(outcome, Admitted)
            assert outcome.late
    return market


def settled_import_wh(market):
    """What the house was billed for, by interval."""
    rows = market.rows("SELECT interval, energy_wh FROM posting WHERE kind = 'LOSS_FEE' AND meter = :m", m=ROW)
    return dict(sorted(rows))


def test_a_gap_is_estimated_by_a_named_rule_and_made_good(market):
    run(market, gap=frozenset({HOUSE}))
    reads = [
        int(market.physics.registers(interval)[ROW, COLUMN]) for interval in range(market.first - 1, market.last + 2)
    ]
    before, first, _, then, end = reads
    billed = settled_import_wh(market)
    assert billed[market.first] == first - before, "the energy of the last interval that was measured"
    assert billed[market.first + 1] == then - first - billed[market.first], "what the register shows beyond that"
    assert billed[market.first + 2] == end - then
    kept = market.rows(
        "SELECT interval, energy_wh, rule FROM substitution WHERE meter = :m AND channel = :c ORDER BY interval",
        m=ROW,
        c=COLUMN,
    )
    assert kept == [
        (market.first, billed[market.first], "similar-interval"),
        (market.first + 1, billed[market.first + 1], "remainder"),
    ]
    assert {row[0] for row in market.rows("SELECT meter FROM substitution")} == {ROW}
    assert market.rows("SELECT law, place FROM law_violation") == []


def test_a_late_reading_changes_nothing_whether_or_not_the_hub_restarts(make_market, market, second_sqlite_url):
    undisturbed = run(market, gap=frozenset({HOUSE}), late=True)
    flags = undisturbed.rows("SELECT DISTINCT flags FROM reading WHERE flags <> 0")
    assert flags == [(ReadingFlag.LATE.value,)]
    second = make_market(second_sqlite_url)
    restarted = run(second, gap=frozenset({HOUSE}), late=True, restarts=True)
    assert settled_import_wh(restarted) == settled_import_wh(undisturbed)
    assert restarted.everything() == undisturbed.everything()


def test_a_restart_at_every_instant_measures_the_same(make_market, market, second_sqlite_url):
    second = make_market(second_sqlite_url)
    assert run(second, gap=frozenset({HOUSE}), restarts=True).everything() == (
        run(market, gap=frozenset({HOUSE})).everything()
    )


def test_an_ancient_reading_does_not_send_the_hub_back_in_time(make_market, market, second_sqlite_url):
    """A meter's clock stood at 1970 once: its reading is kept, and the walk still begins where it began."""
    second = make_market(second_sqlite_url)
    run(market, old=True)
    run(second, old=True, restarts=True)
    assert second.rows("SELECT min(read_instant_utc_s) FROM reading") == [(900,)]
    with Session(market.engine) as one, Session(second.engine) as other:
        assert hash_result(one) == hash_result(other)
    assert second.rows("SELECT * FROM substitution") == []


def test_interval_energies_sum_to_the_registers(market):
    """Also where an estimate was too high and is still to be taken off; and a missing Wh is found."""
    market.take_in(market.first)
    market.take_in(market.first + 1)
    market.take_in(market.first + 2, missing=frozenset({HOUSE}))
    weather = market.toy.Weather(net_w={HOUSE: -100})
    market.take_in(market.first + 3, weather=weather)
    market.take_in(market.first + 4)
    measurement = EnergyMeasurement()
    with Session(market.engine) as session:
        for interval in range(market.first, market.first + 3):
            measured = measurement.of_interval(session, market.model, interval)
            assert measurement.check_sums(market.model) == []
        assert measured.energy.energy_wh[ROW, COLUMN] == 0
        measurement._sum_wh[ROW, COLUMN] += 1
        (violation,) = measurement.check_sums(market.model)
        assert (violation.law, HOUSE in violation.where) == (4, True)


def test_the_sums_are_checked_also_by_a_process_that_only_closes_the_day(market, monkeypatch):
    seen = []
    check = EnergyMeasurement.check_sums
    monkeypatch.setattr(
        EnergyMeasurement, "check_sums", lambda self, county: (seen.append(self._sum_wh.shape), check(self, county))[1]
    )
    for interval in range(market.first - 2, market.last + 1):
        market.at(interval)
    market.take_in(market.last + 1)
    market.table = market_table_without(market, {"close-day", "report"})
    market.run_jobs(market.last + 1)
    market.restart()
    market.run_jobs(market.last + 1)
    assert seen == [(len(market.toy.SITES), len(CHANNELS))]


def test_the_loss_of_the_registers_is_the_loss_of_the_network(market):
    run(market)
    tolerance_wh = market.model.market_meters.size + 1
    for interval, computed_wh in market.rows("SELECT interval, loss_wh FROM metered_state"):
        ((by_registers_wh,),) = market.rows("SELECT sum(loss_wh) FROM loss WHERE interval = :k", k=interval)
        physical_wh = market.physics.loss_w[interval] / 4
        assert abs(computed_wh - physical_wh) <= 2
        assert abs(by_registers_wh - physical_wh) <= tolerance_wh
    assert market.rows("SELECT * FROM law_violation") == []
    by_unit = dict(market.rows("SELECT unit, min(loss_wh) FROM loss GROUP BY unit"))
    names = {unit: name for name, unit in market.toy.positions().items()}
    assert {names[unit] for unit in by_unit} == {"county", "A001", "A002", "A003", "MG1"}
    assert all(loss_wh > -5 for loss_wh in by_unit.values())


def test_a_meter_that_shows_too_little_is_found_by_the_loss(market):
    """One meter runs slow by a tenth: the registers' loss is no longer the network's, and law 2 says so."""
    for interval in range(market.first - 2, market.last + 2):
        while market.physics.now < interval:
            market.physics.run()
        slow = {}
        for gateway in market.registry.gateways:
            slow[gateway.gateway_id] = [
                slowed(one) if one.meter == HOUSE else one
                for one in market.physics.readings(interval, gateway.gateway_id)
            ]
        market.admit(interval, slow)
        if interval >= market.first - 1:
            market.submit(market.toy.orders_at(market.physics, interval + 1), interval)
        market.run_jobs(interval)
    found = market.rows("SELECT interval, law, what FROM law_violation")
    assert [(interval, law) for interval, law, _ in found] == [
        (interval, 2) for interval in range(market.first, market.last + 1)
    ]
    assert all(what.startswith("loss by registers") for *_, what in found)


def slowed(reading):
    registers = dict(reading.registers)
    registers[IMPORT] = registers[IMPORT] * 9 // 10
    return Reading(reading.meter, reading.instant_utc_s, registers)


def market_table_without(market, names):
    return JobTable(market.engine, [job for job in market.jobs() if job.name not in names])
