"""An assessment of the toy county: what it takes from the registry, what is kept, and that it can be computed again."""

import hashlib
import json
from datetime import date

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.registry import MeterKind
from grid_models.networks import read_network
from grid_models.standard_2041 import Arrangement, Edition, EffectiveEdition, Parameters2025, StandardError
from hub.store.engine import open_engine
from hub.store.hosting import (
    AssessmentChangedError,
    read_assessment,
    read_assessment_inputs,
    read_assessments,
    read_capacity_list,
)
from hub.usecases.assess_hosting import (
    AssessmentInputError,
    AssessmentInputs,
    Distortion,
    HostingCapacity,
    ShortCircuit,
    VoltageDeviation,
    assess_hosting,
    connected_generation_mw,
)

PARAMETERS = Parameters2025(tau_max=0.8, power_factor=0.95)
INSTALLED = {"A001": 0.164, "A002": 0.28, "A003": 0.049, "MG1": 0.06, "F2": 0.08, "station": 0.1}
INPUTS = AssessmentInputs(
    parameters_2025=PARAMETERS,
    connected_mw=INSTALLED,
    load_mw={"A001": 0.079, "A002": 0.05, "A003": 0.073, "MG1": 0.03, "F2": 0.3, "station": 0.2},
    registered_mw={"A003": 0.2},
    hosting={"A002": HostingCapacity(0.0123, "E3", "voltage_high")},
)


def at(year, month=4, day=1):
    return start_utc_s(first_interval_of_day(date(year, month, day)))


@pytest.fixture(scope="module")
def network(toy_folder):
    return read_network(toy_folder / "network.json")


@pytest.fixture
def session(database_url):
    engine = open_engine(database_url)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def assess(session, toy, toy_county, network):
    """Assess the toy county and commit; return the head."""

    def run(inputs=INPUTS, *, year=2026, month=4):
        head = assess_hosting(session, toy_county.on(toy.DAY), network, inputs, assessed_at_utc_s=at(year, month))
        session.commit()
        return head

    return run


def listed(session, head):
    return {feature.entry.unit: feature.entry for feature in read_capacity_list(session, head.assessed_at_utc_s)}


def test_the_list_is_kept_as_it_was_computed(session, assess):
    head = assess()
    found = listed(session, head)
    assert list(found) == ["county", "station", "F1", "F2", "A001", "A002", "A003", "MG1"]
    # (P + 0.8 S cos) / tau of each area, S 400, 250, 250 and 160 kVA, rounded down.
    assert [found[unit].capacity_min_kw for unit in ("A001", "A002", "A003", "MG1")] == [478, 300, 328, 189]
    assert [found[unit].c1_kw for unit in ("A001", "A002", "A003", "MG1")] == [314, 20, 279, 129]
    assert (found["A003"].c2_kw, found["A003"].grade) == (79, "green")
    assert found["county"].connected_kw == round(1000 * sum(INSTALLED.values()))
    assert found["F2"].registered_kw == found["county"].registered_kw == 200
    assert (found["A002"].hosting_kw, found["A002"].hosting_element) == (12, "E3")
    assert (found["A002"].hosting_limit, found["A001"].hosting_limit) == ("voltage_high", None)
    assert found["MG1"].kind == "MICROGRID"
    assert found["A002"].assessed_at == "2026-04-01T00:00:00+08:00"
    assert (head.edition, found["A001"].edition) == ("DL/T 2041-2025", "DL/T 2041-2025")


def test_connected_generation_comes_from_the_registry(session, assess, toy):
    # Every plant of the toy registry may export 400 kW; what is inside the microgrid counts at its gateway.
    connected = {"A001": 0.8, "A002": 0.8, "A003": 0.8, "MG1": 0.4, "F2": 0.4, "station": 0.4}
    assert connected_generation_mw(toy.registry()) == connected
    found = listed(session, assess(msgspec.structs.replace(INPUTS, connected_mw=None)))
    assert found["county"].connected_kw == 3600
    assert (found["A001"].c1_kw, found["A001"].grade, found["A001"].open_c1_kw) == (478 - 800, "red", 0)
    assert found["F1"].grade == "green"


def test_installed_capacity_counts_where_the_registrar_says_it(toy):
    """Rated power, not the largest plausible export; inside a microgrid each meter's own, and its gateway's no more."""
    registry = toy.registry()
    rated_w = {toy.meter_id(row): site.plant_kw * 1000 for row, site in enumerate(toy.SITES)}

    def with_rated(kinds):
        points = tuple(
            msgspec.structs.replace(
                point, installed_capacity_w=rated_w[point.meter_id] if point.kind in kinds else None
            )
            for point in registry.metering_points
        )
        return connected_generation_mw(msgspec.structs.replace(registry, metering_points=points))

    assert with_rated(set(MeterKind)) == pytest.approx(INSTALLED)
    assert with_rated({MeterKind.INTERNAL}) == {**connected_generation_mw(registry), "MG1": 0.06}
    assert with_rated({MeterKind.PROSUMER})["A001"] == pytest.approx(0.4 + 0.014)


def test_a_new_quarter_adds_a_list_and_the_older_one_stays(session, assess):
    spring = assess()
    before = listed(session, spring)
    summer = assess(msgspec.structs.replace(INPUTS, registered_mw={}), month=7)
    assert listed(session, spring) == before
    assert listed(session, summer)["A003"].c2_kw == 279
    assert read_assessment(session, None) == summer
    assert read_assessments(session, before=None, limit=9) == [summer, spring]
    assert read_assessments(session, before=summer.assessed_at_utc_s, limit=9) == [spring]
    assert read_assessment(session, 7) is None


def test_the_same_assessment_again_changes_nothing_and_another_is_refused(session, assess):
    head = assess()
    before = listed(session, head)
    assert assess() == head
    with pytest.raises(AssessmentChangedError, match=str(head.assessed_at_utc_s)):
        assess(msgspec.structs.replace(INPUTS, load_mw={}))
    session.rollback()
    assert listed(session, head) == before


def test_what_was_published_cannot_be_changed(session, assess):
    assess()
    for change in ("UPDATE hosting_capacity SET c1_kw = 9", "DELETE FROM hosting_assessment"):
        with pytest.raises(DBAPIError, match="append-only"):
            session.execute(text(change))
        session.rollback()


def test_the_inputs_are_kept_and_give_the_same_list_again(session, assess):
    head = assess()
    document = read_assessment_inputs(session, head.assessed_at_utc_s)
    assert hashlib.sha256(document.encode()).hexdigest() == head.inputs_sha256
    kept = json.loads(document)
    assert kept["connected_mw"] == INSTALLED
    assert kept["units"][4] == {
        "unit": "A001",
        "parent": "F1",
        "kind": "AREA",
        "elements": ["A1"],
        "ratings_mva": [0.4],
        "nominal_kv": 0.4,
        "upper_kv": 20.0,
    }
    inputs = msgspec.convert(kept["inputs"], AssessmentInputs)
    assert inputs == INPUTS
    other = assess(inputs, month=5)
    assert other.inputs_sha256 == head.inputs_sha256
    again = [msgspec.structs.replace(entry, assessed_at="") for entry in listed(session, other).values()]
    assert again == [msgspec.structs.replace(entry, assessed_at="") for entry in listed(session, head).values()]


def test_the_edition_is_the_one_in_force_that_day(session, assess):
    reverse = dict.fromkeys(("county", "station", "F1", "F2", "A001", "A002", "A003", "MG1"), -0.1) | {"A002": 0.21}
    inputs = msgspec.structs.replace(INPUTS, reverse_max_mw=reverse)
    old = listed(session, assess(inputs, year=2024))
    assert {entry.edition for entry in old.values()} == {"DL/T 2041-2019"}
    assert (old["A002"].c1_kw, old["A002"].grade, old["A002"].reverse_alert) == (32, "red", True)
    assert old["A001"].grade == "yellow"  # no check was made
    assert listed(session, assess(inputs, year=2026))["A002"].edition == "DL/T 2041-2025"
    always = (EffectiveEdition(Edition.DLT_2041_2025, date(2000, 1, 1)),)
    early = listed(session, assess(msgspec.structs.replace(inputs, editions=always), year=2016))
    assert early["A002"].edition == "DL/T 2041-2025"
    with pytest.raises(StandardError, match="2016-04-01"):
        assess(inputs, year=2016)
    with pytest.raises(StandardError, match="'county'"):
        assess(INPUTS, year=2023)


def test_what_was_measured_becomes_checks(session, assess):
    found = listed(
        session,
        assess(
            msgspec.structs.replace(
                INPUTS,
                short_circuit={"A001": ShortCircuit(6.0, 20.0, "N1"), "A002": ShortCircuit(21.0, 20.0, "N2")},
                voltage_deviation={"A001": VoltageDeviation(-0.02, 0.069, "E2")},
                harmonics={"A001": Distortion(0.03, "N1"), "F1": Distortion(0.9, "B1")},
                arrangement={"station": Arrangement.SPLIT},
            )
        ),
    )
    words = [(entry.short_circuit, entry.voltage_deviation, entry.harmonics) for entry in found.values()]
    assert words[4] == ("passed", "passed", "passed")
    assert (words[5][0], found["A002"].grade) == ("failed", "red")
    assert words[2][2] == "not_assessed"
    assert found["station"].capacity_min_kw == 48_415  # (0.732 + 0.8 x 50 x 0.95) / 0.8


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"load_mw": {"A009": 1.0}}, "load_mw: the county has no unit 'A009'"),
        ({"harmonics": {"A009": Distortion(0.1, "N1")}}, "harmonics"),
        ({"parameters_2025": None}, "parameters_2025"),
        ({"voltage_deviation": {"A001": VoltageDeviation(0.1, -0.1, "E1")}}, "'A001'"),
        ({"hosting": {"A001": HostingCapacity(float("inf"), "E1", "")}}, "'A001'"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(session, assess, changed, said):
    with pytest.raises(AssessmentInputError, match=said):
        assess(msgspec.structs.replace(INPUTS, **changed))
    assert read_assessment(session, None) is None
