"""The balance-unit tree: the demo's 100 units, a small county with an open tie, and networks that are no tree."""

from collections import Counter
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.networks import from_pandapower
from grid_models.topology import TopologyError, UnitKind, balance_units, locate_units, tariff_class


def units_by_id(net: Any) -> dict[str, tuple[str | None, tuple[str, ...], set[str]]]:
    """Return parent id, edge elements and bus names of each unit."""
    network = from_pandapower(net)
    units = balance_units(network)
    names = np.array(network.buses.name)
    return {
        unit_id: (
            units.unit_id[parent] if parent >= 0 else None,
            units.elements[position],
            set(names[units.unit_of_bus == position]),
        )
        for position, (unit_id, parent) in enumerate(zip(units.unit_id, units.parent, strict=True))
    }


def test_the_tree_of_a_small_county(county: Any) -> None:
    assert units_by_id(county) == {
        "county": (None, (), {"H1"}),
        "station": ("county", ("T1", "T2"), {"B1", "B2"}),
        "F1": ("station", ("L1",), {"M1", "M2"}),
        "F2": ("station", ("L3",), {"M3"}),
        "A001": ("F1", ("A1",), {"N1", "E1"}),
        "A002": ("F1", ("A2",), {"N2", "E2"}),
        "A003": ("F2", ("A3",), {"N3", "E3"}),
    }


def test_switching_moves_a_bus_to_the_feeder_that_now_supplies_it(county: Any) -> None:
    county.switch.loc[1, "closed"] = True
    pandapower.create_switch(county, 3, 1, et="l", closed=False, name="opened L2")
    units = units_by_id(county)
    assert units["F1"] == ("station", ("L1",), {"M1"})
    assert units["F2"] == ("station", ("L3",), {"M2", "M3"})
    assert units["A002"][0] == "F2"


def test_a_closed_ring_is_one_feeder_with_two_bays(county: Any) -> None:
    county.switch.loc[1, "closed"] = True
    units = units_by_id(county)
    assert units["F1"] == ("station", ("L1", "L3"), {"M1", "M2", "M3"})
    assert "F2" not in units


def test_limits_and_meters_of_a_small_county(county: Any) -> None:
    units = balance_units(from_pandapower(county))
    expected_mw = [50.0, 50.0, 3**0.5 * 20 * 0.22, 3**0.5 * 20 * 0.22, 0.63, 0.25, 0.4]
    np.testing.assert_allclose(units.rating_mw, expected_mw)
    np.testing.assert_allclose(units.import_limit_mw, expected_mw)
    np.testing.assert_allclose(units.export_limit_mw, 0.8 * np.array(expected_mw))
    assert units.meter_bus == ("H1", "B1", "B1", "B2", "N1", "N2", "N3")
    assert units.voltage_class == ("110kV", "10(20)kV", "10(20)kV", "10(20)kV", "<1kV", "<1kV", "<1kV")
    halved = balance_units(from_pandapower(county), import_share=0.5, export_share=0.25)
    np.testing.assert_allclose(halved.import_limit_mw, 2 * halved.export_limit_mw)


def test_the_demo_has_one_station_eight_feeders_and_ninety_areas(demo: Any) -> None:
    network = demo.network
    units = balance_units(network)
    counts = Counter(units.kind)
    assert counts == {UnitKind.COUNTY: 1, UnitKind.STATION: 1, UnitKind.FEEDER: 8, UnitKind.AREA: 90}
    assert units.elements[1] == ("HV1-MV1.101-Trafo1", "HV1-MV1.101-Trafo2")
    assert (units.parent[1:] < np.arange(1, 100)).all()
    assert all(len(elements) == 1 for elements in units.elements[2:])
    # SimBench writes the feeder of each 20 kV line into its table: an independent witness.
    lines = network.handle.line
    for line, (name, witness) in enumerate(zip(lines["name"], lines["subnet"], strict=True)):
        if "_Feeder" in witness:
            unit = units.unit_of_bus[network.lines.to_bus[line]]
            assert units.unit_id[unit] == f"F{witness.split('_Feeder')[1]}", name
    area_of_transformer = {elements[0]: position for position, elements in enumerate(units.elements) if position > 9}
    low = units.unit_of_bus[network.transformers.lv_bus]
    assert all(low[row] == area_of_transformer[name] for row, name in enumerate(network.transformers.name[2:], start=2))


def test_units_are_located_again_from_their_edges(demo: Any) -> None:
    units = balance_units(demo.network)
    np.testing.assert_array_equal(locate_units(demo.network, units.parent.tolist(), units.elements), units.unit_of_bus)


def test_units_of_another_cut_are_located_too(county: Any) -> None:
    network = from_pandapower(county)
    located = locate_units(network, [-1, 0, 1], [(), ("L1",), ("A2",)])
    at = {name: int(located[position]) for name, position in network.bus_position.items()}
    assert {name for name, unit in at.items() if unit == 0} == {"H1", "B1", "B2", "M3", "N3", "E3"}
    assert {name for name, unit in at.items() if unit == 1} == {"M1", "M2", "N1", "E1"}
    assert {name for name, unit in at.items() if unit == 2} == {"N2", "E2"}


@pytest.mark.parametrize(
    ("parent", "elements", "said"),
    [
        ([-1, 0], [(), ("no such",)], "'no such'"),
        ([-1, 0], [(), ("tie",)], "'tie'"),
        ([-1, 0], [(), ("T1",)], "T1"),
        ([-1, 0, 0], [(), ("L1",), ("A2",)], "A2"),
        ([-1, 0], [(), ("L1", "L3")], "L1, L3"),
    ],
)
def test_edges_that_make_no_tree_are_refused(
    parent: list[int], elements: list[tuple[str, ...]], said: str, county: Any
) -> None:
    with pytest.raises(TopologyError, match=said):
        locate_units(from_pandapower(county), parent, elements)


def test_an_area_with_two_feeders_is_no_tree(county: Any) -> None:
    buses = county.bus.index[county.bus["name"].isin(["E1", "E3"])]
    pandapower.create_line_from_parameters(county, *buses, 0.1, 0.2, 0.08, 0.0, 0.27, name="low tie")
    with pytest.raises(TopologyError, match="another unit"):
        balance_units(from_pandapower(county))


def test_a_bus_without_supply_is_named(county: Any) -> None:
    county.trafo.loc[2, "in_service"] = False
    with pytest.raises(TopologyError, match="'N1'"):
        balance_units(from_pandapower(county))


@pytest.mark.parametrize(
    ("nominal_kv", "name"),
    [(0.22, "<1kV"), (0.4, "<1kV"), (6.0, "10(20)kV"), (20.0, "10(20)kV"), (35.0, "35kV"), (110.0, "110kV")],
)
def test_networks_map_to_tariff_classes(nominal_kv: float, name: str) -> None:
    assert tariff_class(nominal_kv) == name
