"""What an assessment takes from the toy day, against powers worked by hand, other meters and a second solver."""

import numpy as np
import pytest
from sqlmodel import Session

from edge.contract.interval import label_of_interval
from edge.contract.messages import CHANNELS, EXPORT, IMPORT
from grid_models.power_flow import Engine, PowerFlow
from hub.usecases.gather_assessment_inputs import NotMeasured, OmissionReason, gather_assessment_inputs
from hub.usecases.hosting_parameters import load_hosting_parameters
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.metered_day import MeteredDay

WH = 4e-6  # 1 Wh in an interval, MW
SUMMARY = {"A001": 4, "A002": 9, "A003": 14, "county": 23}
RATED_MVA = {"A001": 0.4, "A002": 0.25, "A003": 0.25, "MG1": 0.16}


@pytest.fixture
def gather():
    """Return a function that gathers the inputs of a market's run, from the store alone unless told otherwise."""

    def run(market, metered=None):
        with Session(market.engine) as session:
            version = load_hosting_parameters(session, market.last)
            return gather_assessment_inputs(
                session, market.model, metered or MeteredDay(), version, first=market.first, last=market.last
            )

    return run


def export_mw(market, meter, interval):
    """What the registers of one meter say of one interval."""
    registers = [market.physics.registers(interval + end)[meter] for end in (0, 1)]
    start, end = ({channel: row[CHANNELS.index(channel)] for channel in (IMPORT, EXPORT)} for row in registers)
    return ((end[EXPORT] - start[EXPORT]) - (end[IMPORT] - start[IMPORT])) * WH


def test_load_and_storage_at_noon_are_those_of_the_sites(undisturbed, gather):
    # Load falls by 7 per mille an interval; the noon is the second and the third: 989.5 per mille of what is rated.
    inputs = gather(undisturbed)
    rated_kw = {"A001": 60 + 15 + 4, "A002": 30 + 20, "A003": 25 + 45 + 3, "MG1": 30, "F2": 300, "station": 200}
    assert inputs.load_mw == pytest.approx({unit: kw * 0.9895e-3 for unit, kw in rated_kw.items()}, abs=2 * WH)
    # A battery of the toy takes 300 W for each kW of its rating.
    assert inputs.storage_mw == pytest.approx({"A001": 0.6e-3, "MG1": 3e-3}, abs=WH)
    assert inputs.other_generation_mw == {}
    assert inputs.connected_mw is None, "the registry says what is connected"


def test_reverse_power_is_what_the_summary_meters_read(undisturbed, gather):
    """The boundary meters take no part in the power flow, so they are witnesses."""
    inputs = gather(undisturbed)
    intervals = range(undisturbed.first, undisturbed.last + 1)
    for unit, meter in SUMMARY.items():
        largest = max(export_mw(undisturbed, meter, interval) for interval in intervals)
        # Each market meter behind the edge is read in whole Wh.
        assert inputs.reverse_max_mw[unit] == pytest.approx(largest, abs=18 * WH), unit
    assert inputs.reverse_max_mw["A002"] > 0 > inputs.reverse_max_mw["A003"]


def test_voltages_by_unit_are_those_of_a_second_solver(undisturbed, gather):
    inputs = gather(undisturbed)
    security = undisturbed.model.security
    network = security.power_flow.network
    intervals = range(undisturbed.first, undisturbed.last + 1)
    with Session(undisturbed.engine) as session:
        powers = MeteredDay().powers(session, undisturbed.model, intervals)
    p_mw, q_mvar = (
        security.points.bus_injection(np.stack([getattr(one, name) for one in powers.values()]) / 1e6)
        for name in ("p_w", "q_var")
    )
    vm_pu = PowerFlow(network, engine=Engine.NEWTON).solve(p_mw, q_mvar).vm_pu
    found = {}
    for bus, unit in enumerate(security.flows.unit_of_bus.tolist()):
        deviations = vm_pu[:, bus] * network.buses.vn_kv[bus] * 1e3 / network.buses.v_nominal_v[bus] - 1
        found.setdefault(undisturbed.model.tree.unit_id[unit], []).extend(deviations.tolist())
    assert inputs.voltage_deviation.keys() == found.keys()
    for unit, one in inputs.voltage_deviation.items():
        assert (one.lowest, one.highest) == pytest.approx((min(found[unit]), max(found[unit])), abs=1e-6), unit
    assert inputs.voltage_deviation["A002"].place == "E3", "it hangs on the long line"


def test_hosting_is_what_the_transformer_leaves(undisturbed, gather):
    """Nothing but its own transformer limits an area here: rating less what it exports, losses and voltage aside."""
    inputs = gather(undisturbed)
    for unit, rated_mva in RATED_MVA.items():
        one = inputs.hosting[unit]
        assert one.p_mw == pytest.approx(rated_mva - inputs.reverse_max_mw[unit], rel=0.03), unit
        assert one.limit == f"current {rated_mva / 20 / 3**0.5:g} kA"
    assert {unit: inputs.hosting[unit].element for unit in RATED_MVA} == {
        "A001": "A1", "A002": "A2", "A003": "A3", "MG1": "A4"
    }  # fmt: skip
    assert "county" not in inputs.hosting


def test_the_document_names_day_intervals_and_parameters(undisturbed, gather):
    measured_on = gather(undisturbed).measured_on
    labels = tuple(label_of_interval(interval) for interval in range(undisturbed.first, undisturbed.last + 1))
    assert labels == ("10:15", "10:30", "10:45")
    assert (measured_on.day, measured_on.intervals, measured_on.noon) == ("2016-05-17", labels, labels[1:])
    assert set(measured_on.critical) <= set(labels)
    assert len(measured_on.critical) <= 2
    assert (measured_on.left_out, measured_on.market_meters, measured_on.estimated_max) == ({}, 17, 0)
    assert measured_on.parameter_version == "hosting"


def test_an_interval_that_was_mostly_estimated_is_left_out(market, gather):
    """Two of 17 meters are not read at one instant: the interval that ends there, and its remainder, are estimates."""
    silent = frozenset({"M000007", "M000013"})
    kept, measurement = MeteredDay(), EnergyMeasurement()
    for interval in range(market.first - 2, market.last + 2):
        market.at(interval, missing=silent if interval == market.first + 1 else frozenset())
        if interval > market.first:
            with Session(market.engine) as session:
                measured = measurement.of_interval(session, market.model, interval - 1)
                kept.keep(market.model, measured)
    found = gather(market)
    assert found == NotMeasured(OmissionReason.DAY_NOT_WHOLE, "1 of 3 intervals were measured and solved, 3 are needed")
    assert gather(market, kept) == found
    # What the store gives again is what was settled, estimates included.
    with Session(market.engine) as session:
        again = MeteredDay().powers(session, market.model, range(market.first, market.last + 1))
        remembered = kept.powers(session, market.model, range(market.first, market.last + 1))
    assert [one.estimated for one in again.values()] == [2, 2, 0]
    for interval, one in remembered.items():
        assert one.estimated == again[interval].estimated
        assert np.array_equal(one.p_w, again[interval].p_w)
        assert np.array_equal(one.q_var, again[interval].q_var)


def test_intervals_that_nobody_metered_are_left_out_and_named(undisturbed):
    with Session(undisturbed.engine) as session:
        version = load_hosting_parameters(session, undisturbed.last)
        inputs = gather_assessment_inputs(
            session, undisturbed.model, MeteredDay(), version, first=undisturbed.first, last=undisturbed.last + 2
        )
    assert inputs.measured_on.left_out == {"11:00": "not-metered", "11:15": "not-metered"}
