"""From a small county to its published list: figures by hand, both editions, places on the map, bytes of the files."""

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grid_models.capacity_assessment import (
    UnitConditions,
    UnitHosting,
    assess_units,
    edition_of,
    summed_up,
    usual_arrangement,
)
from grid_models.capacity_list import ENTRY_FIELDS, csv_bytes, geojson_bytes, json_bytes
from grid_models.capacity_units import CapacityUnits, capacity_units, units_of_network
from grid_models.connection_gate import (
    Accepted,
    Suspended,
    WaitingList,
    WaitingReason,
    decide_connection,
    gate_of_list,
)
from grid_models.elements import NetworkError
from grid_models.networks import from_pandapower, simbench_network
from grid_models.standard_2041 import Arrangement, Edition, Parameters2019, Parameters2025, StandardError
from grid_models.standard_checks import Check, CheckFailed, CheckNotAssessed, CheckPassed
from grid_models.topology import balance_units

UNITS = ("county", "station", "F1", "F2", "A001", "A002", "A003")
ROW_137 = Parameters2025(tau_max=0.8, power_factor=0.95)
LINE_MVA = math.sqrt(3) * 20 * 0.22


def units_of(net: Any) -> CapacityUnits:
    network = from_pandapower(net)
    return units_of_network(network, balance_units(network))


@pytest.fixture(scope="module")
def units(county_as_built: Any) -> CapacityUnits:
    return units_of(county_as_built)


def conditions(units: CapacityUnits, **given: dict[str, float]) -> UnitConditions:
    """Return conditions in which every area has 50 kW of load, and what is given by unit id."""
    loads = {"load_mw": dict.fromkeys(("A001", "A002", "A003"), 0.05)}
    columns = ("connected_mw", "registered_mw", "load_mw", "other_generation_mw", "storage_mw")
    columns += ("planned_storage_min_mw", "planned_storage_max_mw")
    values = {
        name: np.array([(loads | given).get(name, {}).get(unit, 0.0) for unit in units.unit_id]) for name in columns
    }
    reverse = given.get("reverse_max_mw", {})
    return UnitConditions(
        **values,
        reverse_max_mw=np.array([reverse.get(unit, np.nan) for unit in units.unit_id]),
        arrangement=usual_arrangement(units),
        checks=((),) * len(units),
    )


def listed(units: CapacityUnits, how: UnitConditions, parameters: Any = ROW_137, **more: Any) -> dict[str, Any]:
    features = assess_units(units, how, parameters=parameters, assessed_at="2026-04-01T00:00:00+08:00", **more)
    return {feature.entry.unit: feature.entry for feature in features}


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_ratings_and_voltages_of_the_tree(units: CapacityUnits) -> None:
    assert units.unit_id == UNITS
    np.testing.assert_allclose(units.rated_mva, [50.0, 50.0, LINE_MVA, LINE_MVA, 0.63, 0.25, 0.4])
    assert units.ratings_mva[1] == (25.0, 25.0)
    assert units.nominal_kv.tolist() == [110.0, 20.0, 20.0, 20.0, 0.4, 0.4, 0.4]
    assert units.upper_kv.tolist() == [110.0, 110.0, 20.0, 20.0, 20.0, 20.0, 20.0]
    assert usual_arrangement(units)[:3] == (Arrangement.SINGLE, Arrangement.PARALLEL, Arrangement.SINGLE)


def test_an_element_without_rating_is_named(county: Any) -> None:
    county.line.loc[0, "max_i_ka"] = 0.0
    with pytest.raises(NetworkError, match="'L1'"):
        units_of(county)


def test_a_tree_of_one_unit_has_nothing_to_assess(county: Any) -> None:
    network = from_pandapower(county)
    with pytest.raises(NetworkError, match="by hand"):
        capacity_units(network, unit_id=["county"], parent=[-1], kind=["COUNTY"], elements=[()])


# --- the 2025 edition -------------------------------------------------------------------------------------------------


def test_the_list_of_a_small_county_by_hand(units: CapacityUnits) -> None:
    found = listed(
        units,
        conditions(
            units,
            connected_mw={"A001": 0.3, "A002": 0.29, "F2": 1.0},
            registered_mw={"A001": 0.361, "A002": 0.01},
        ),
    )
    # S_d = (P + beta S cos) / tau, rounded down; P of a unit is the load in it and below.
    feeder_kw = math.floor((0.1 / 0.8 + LINE_MVA * 0.95) * 1000)
    assert found["A001"].capacity_min_kw == 661  # 0.0625 + 0.5985
    assert found["A002"].capacity_min_kw == 300  # 0.0625 + 0.2375
    assert found["F1"].capacity_min_kw == feeder_kw
    assert found["station"].capacity_min_kw == 29_875  # (0.15 + 0.5 x 50 x 0.95) / 0.8
    assert found["county"].capacity_min_kw == 29_875
    assert [found[unit].connected_kw for unit in UNITS] == [1590, 1590, 590, 1000, 300, 290, 0]
    assert [found[unit].registered_kw for unit in UNITS] == [371, 371, 371, 0, 361, 10, 0]
    assert (found["A001"].c1_kw, found["A001"].c2_kw, found["A001"].grade) == (361, 0, "yellow")
    assert (found["A002"].c1_kw, found["A002"].c2_kw, found["A002"].grade) == (10, 0, "yellow")
    assert (found["A003"].c1_kw, found["A003"].grade) == (442, "green")  # 0.0625 + 0.38
    assert {unit: entry.limited_by for unit, entry in found.items()} == {unit: unit for unit in UNITS}
    assert {entry.edition for entry in found.values()} == {"DL/T 2041-2025"}
    assert {entry.short_circuit for entry in found.values()} == {"not_assessed"}


def test_row_164_zero_is_shown_as_red_and_passes_down(units: CapacityUnits) -> None:
    found = listed(units, conditions(units, connected_mw={"F1": 8.0}))
    assert (found["F1"].grade, found["F1"].open_c1_kw, found["F1"].open_c2_kw) == ("red", 0, 0)
    assert found["F1"].c1_kw < 0
    assert (found["A001"].grade, found["A001"].c1_kw, found["A001"].open_c1_kw) == ("red", 661, 0)
    assert found["A001"].limited_by == "F1"
    assert found["A003"].grade == "green"


def test_row_138_the_gate_goes_on_from_a_published_list(units: CapacityUnits) -> None:
    found = listed(units, conditions(units, connected_mw={"F1": 8.0, "A002": 0.29}, registered_mw={"F2": 7.3}))
    gate = gate_of_list(list(found.values()))
    at = {unit: number for number, unit in enumerate(found)}
    assert decide_connection(gate, element=at["A001"], p_new_mw=0.01) == Suspended(at["A001"], limited_by=at["F1"])
    waiting = decide_connection(gate, element=at["A003"], p_new_mw=0.3)
    room_kw = math.floor((0.05 / 0.8 + LINE_MVA * 0.95) * 1000) - 7300
    assert waiting == WaitingList(at["A003"], at["F2"], WaitingReason.ROOM, room_kw)
    accepted = decide_connection(gate, element=at["A003"], p_new_mw=room_kw / 1000)
    assert isinstance(accepted, Accepted)
    assert accepted.room_kw == 0


def test_less_than_one_kw_of_room_is_zero_and_red(units: CapacityUnits) -> None:
    found = listed(units, conditions(units, connected_mw={"A003": 0.4421}))
    assert (found["A003"].connected_kw, found["A003"].c1_kw, found["A003"].grade) == (443, -1, "red")


def test_a_county_short_of_its_share_of_the_system_limits_all(units: CapacityUnits) -> None:
    how = conditions(units, connected_mw={"A001": 0.3}, registered_mw={"A003": 0.1})
    found = listed(units, how, system_share_mw=0.35)
    assert (found["county"].capacity_min_kw, found["county"].c1_kw, found["county"].c2_kw) == (350, 50, -50)
    assert {entry.grade for entry in found.values()} == {"yellow"}
    assert {entry.limited_by for entry in found.values()} == {"county"}
    assert (found["A003"].c2_kw, found["A003"].open_c1_kw, found["A003"].open_c2_kw) == (342, 50, 0)
    with pytest.raises(StandardError, match="share"):
        listed(units, how, system_share_mw=-1.0)


def test_row_140_planned_storage_widens_the_interval_of_its_unit_and_its_superiors(units: CapacityUnits) -> None:
    found = listed(units, conditions(units, planned_storage_max_mw={"F1": 4.0}))
    gained = {unit: found[unit].capacity_max_kw - found[unit].capacity_min_kw for unit in UNITS}
    assert gained == {"county": 5000, "station": 5000, "F1": 5000, "F2": 0, "A001": 0, "A002": 0, "A003": 0}
    assert found["F1"].c1_kw == found["F1"].capacity_min_kw


def test_transformers_that_run_split_may_carry_more_than_parallel_ones(units: CapacityUnits) -> None:
    how = conditions(units)
    arrangement = (how.arrangement[0], Arrangement.SPLIT, *how.arrangement[2:])
    found = listed(units, replace(how, arrangement=arrangement))
    assert found["station"].capacity_min_kw == 47_687  # (0.15 + 0.8 x 50 x 0.95) / 0.8
    wrong = (*how.arrangement[:4], Arrangement.PARALLEL, *how.arrangement[5:])
    with pytest.raises(StandardError, match="'A001'"):
        listed(units, replace(how, arrangement=wrong))


@pytest.mark.parametrize("column", ["connected_mw", "load_mw", "planned_storage_max_mw"])
@pytest.mark.parametrize("wrong", [-0.001, float("nan"), float("inf")])
def test_an_impossible_condition_names_its_unit(units: CapacityUnits, column: str, wrong: float) -> None:
    with pytest.raises(StandardError, match=f"'F2': {column}"):
        listed(units, conditions(units, **{column: {"F2": wrong}}))


def test_rows_22_and_139_reverse_load_of_an_area(units: CapacityUnits) -> None:
    found = listed(units, conditions(units, reverse_max_mw={"A001": 0.520, "A002": -0.01, "station": 0.2}))
    area = found["A001"]
    assert (area.reverse_kw, area.reverse_load_mpercent, area.reverse_alert) == (520, 82_540, True)
    assert area.reverse_into_high_voltage is False
    assert (found["A002"].reverse_kw, found["A002"].reverse_alert) == (-10, False)
    assert found["station"].reverse_into_high_voltage is True
    assert (found["A003"].reverse_kw, found["A003"].reverse_alert) == (None, None)


def test_a_failed_check_is_shown_and_red(units: CapacityUnits) -> None:
    at_two_places = (CheckPassed(Check.HARMONICS, 0.01, 0.05), CheckNotAssessed(Check.HARMONICS, "no meter"))
    failed = (CheckFailed(Check.VOLTAGE_DEVIATION, 0.08, 0.07, "E1"), CheckPassed(Check.SHORT_CIRCUIT, 5.0, 20.0))
    how = conditions(units)
    found = listed(units, replace(how, checks=(*how.checks[:4], (*failed, *at_two_places), *how.checks[5:])))
    area = found["A001"]
    assert (area.short_circuit, area.voltage_deviation, area.harmonics) == ("passed", "failed", "not_assessed")
    assert (area.grade, area.open_c1_kw, area.c1_kw) == ("red", 0, 661)


def test_hosting_capacity_by_power_flow_stands_beside(units: CapacityUnits) -> None:
    p_mw = np.full(len(units), np.nan)
    p_mw[4] = 0.1239
    names = tuple("E1" if unit == 4 else "" for unit in range(len(units)))
    limits = tuple("voltage_high" if unit == 4 else "" for unit in range(len(units)))
    found = listed(units, conditions(units), hosting=UnitHosting(p_mw, names, limits))
    area = found["A001"]
    assert (area.hosting_kw, area.hosting_element, area.hosting_limit) == (123, "E1", "voltage_high")
    assert (found["A002"].hosting_kw, found["A002"].hosting_element) == (None, None)
    assert area.capacity_min_kw == 661


# --- the 2019 edition -------------------------------------------------------------------------------------------------


def test_the_same_county_by_the_2019_edition(units: CapacityUnits) -> None:
    passed = tuple(CheckPassed(check, 0.0, 1.0) for check in Check)
    reverse = dict.fromkeys(UNITS, -0.05) | {"A001": 0.126, "A002": 0.21}
    how = conditions(
        units, reverse_max_mw=reverse, connected_mw={"A001": 0.2, "A003": 0.1}, registered_mw={"A003": 0.36}
    )
    found = listed(units, replace(how, checks=(passed,) * len(units)), Parameters2019())
    # P_m = (1 - lambda) S k_r: A001 lambda 0.2, A002 0.84, A003 -0.125.
    assert (found["A001"].c1_kw, found["A001"].capacity_min_kw, found["A001"].grade) == (403, 603, "yellow")
    assert (found["A002"].c1_kw, found["A002"].open_c1_kw, found["A002"].grade) == (32, 0, "red")
    assert (found["A003"].c1_kw, found["A003"].c2_kw, found["A003"].grade) == (360, 0, "green")
    assert found["county"].grade == "green"
    assert {entry.edition for entry in found.values()} == {"DL/T 2041-2019"}
    assert edition_of(Parameters2019()) is Edition.DLT_2041_2019


def test_the_2019_edition_needs_the_reverse_power_of_every_unit(units: CapacityUnits) -> None:
    reverse = dict.fromkeys(UNITS, 0.0)
    del reverse["F2"]
    with pytest.raises(StandardError, match="'F2'"):
        listed(units, conditions(units, reverse_max_mw=reverse), Parameters2019())


def test_sums_go_up_the_tree() -> None:
    own = np.array([1.0, 2.0, 4.0, 8.0])
    assert summed_up(own, np.array([-1, 0, 1, 0])).tolist() == [15.0, 6.0, 4.0, 8.0]
    assert own.tolist() == [1.0, 2.0, 4.0, 8.0]


# --- files ------------------------------------------------------------------------------------------------------------


def test_csv_is_utf_8_with_units_in_its_header(units: CapacityUnits, county: Any) -> None:
    county.line.loc[0, "name"] = '一号线, "东"'
    entries = list(listed(units_of(county), conditions(units)).values())
    data = csv_bytes(entries)
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0] == list(ENTRY_FIELDS)
    assert len(rows) == 1 + len(UNITS)
    first_feeder = dict(zip(rows[0], rows[3], strict=True))
    assert first_feeder["elements"] == '一号线, "东"'
    assert (first_feeder["parent"], first_feeder["hosting_kw"], first_feeder["reverse_alert"]) == ("station", "", "")
    assert all(name.rsplit("_", 1)[-1] in {"kw", "kva", "mpercent"} for name in ENTRY_FIELDS if "kw" in name)
    assert data == csv_bytes(entries)
    assert [row["unit"] for row in json.loads(json_bytes(entries))] == list(UNITS)


def test_geojson_places_stations_and_areas_at_points_and_feeders_along_their_lines(county: Any) -> None:
    places = {"H1": (113.0, 23.0), "B1": (113.1, 23.0), "M1": (113.2, 23.1), "M2": (113.3, 23.2), "N1": (113.2, 23.1)}
    places |= {"B2": (113.1, 23.0), "N2": (500_000.0, 23.0)}
    county.bus["geo"] = [
        json.dumps({"type": "Point", "coordinates": places[name]}) if name in places else None
        for name in county.bus["name"]
    ]
    county.bus.loc[county.bus["name"] == "N3", "geo"] = "nonsense"
    units = units_of(county)
    features = assess_units(units, conditions(units), parameters=ROW_137, assessed_at="2026-04-01T00:00:00+08:00")
    data = geojson_bytes(features)
    collection = json.loads(data)
    shapes = {feature["id"]: feature["geometry"] for feature in collection["features"]}
    assert collection["type"] == "FeatureCollection"
    assert shapes["county"] == {"type": "Point", "coordinates": [113.0, 23.0]}
    assert shapes["station"] == {"type": "Point", "coordinates": [113.1, 23.0]}
    # L1 and L2; the tie line is open at its other end.
    lines = [[[113.1, 23.0], [113.2, 23.1]], [[113.2, 23.1], [113.3, 23.2]]]
    assert shapes["F1"] == {"type": "MultiLineString", "coordinates": lines}
    assert shapes["F2"] is None
    assert shapes["A001"] == {"type": "Point", "coordinates": [113.2, 23.1]}
    assert shapes["A002"] is None
    assert shapes["A003"] is None
    properties = collection["features"][4]["properties"]
    assert list(properties) == list(ENTRY_FIELDS)
    assert properties["grade"] == "green"
    assert data == geojson_bytes(features)


def test_a_network_without_coordinates_has_features_without_geometry(units: CapacityUnits) -> None:
    assert units.geometry == (None,) * len(UNITS)


def test_a_simbench_network_is_listed_and_lies_on_the_map() -> None:
    network = simbench_network("1-MV-rural--0-sw")
    units = units_of_network(network, balance_units(network))
    found = listed(units, conditions(units))
    assert set(units.kind) == {"COUNTY", "STATION", "FEEDER"}
    assert None not in units.geometry
    for feeder in (unit for unit, kind in zip(units.unit_id, units.kind, strict=True) if kind == "FEEDER"):
        sections = json.loads(units.geometry[units.unit_id.index(feeder)])["coordinates"]
        assert all(
            11 < longitude < 12 and 53 < latitude < 54 for section in sections for longitude, latitude in section
        )
        assert found[feeder].grade == "green"
