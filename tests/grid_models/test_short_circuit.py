"""The short-circuit check against IEC TR 60909-4's wind park, a case by hand, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pytest

from grid_models.hosting import Hosting
from grid_models.networks import Network, from_pandapower
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import PowerFlow
from grid_models.short_circuit import NewPlant, ShortCircuitDataError, ShortCircuitModel, ShortCircuitParameters
from grid_models.short_circuit_stations import check_stations, station_busbars
from grid_models.standard_checks import CheckFailed, CheckPassed

CASE = json.loads(
    (Path(__file__).parents[1] / "golden/grid/short-circuit-wind-park/case.json").read_text(encoding="utf-8")
)
GIVEN = {"source_mva": 500.0, "source_rx": 0.1}


def wind_park() -> Network:
    net = pandapower.create_empty_network(name="wind park")
    source, unit = CASE["feeding_point"], CASE["transformer"]
    for name in CASE["i_k_ka"]:
        pandapower.create_bus(net, source["vn_kv"] if name == source["bus"] else unit["vn_lv_kv"], name=name)
    index = {name: number for number, name in net.bus["name"].items()}
    s_sc_mva = np.sqrt(3) * source["vn_kv"] * source["i_k_ka"]
    pandapower.create_ext_grid(net, index[source["bus"]], s_sc_max_mva=s_sc_mva, rx_max=source["rx"], name="grid")
    rating = {key: unit[key] for key in ("sn_mva", "vn_hv_kv", "vn_lv_kv", "vkr_percent", "vk_percent")}
    ends = index[unit["from"]], index[unit["to"]]
    pandapower.create_transformer_from_parameters(net, *ends, pfe_kw=0.0, i0_percent=0.0, name="T", **rating)
    for number, line in enumerate(CASE["lines"]):
        pandapower.create_line_from_parameters(
            net,
            index[line["from"]],
            index[line["to"]],
            line["length_km"],
            line["r_ohm_per_km"],
            line["x_ohm_per_km"],
            0.0,
            1.0,
            name=f"L{number + 1}",
            parallel=line.get("parallel", 1),
        )
    return from_pandapower(net)


def test_wind_park_of_the_technical_report() -> None:
    converters = CASE["converters"]
    model = ShortCircuitModel(wind_park(), ShortCircuitParameters({20.0: 6.0}, converters["factor"]))
    plants = [NewPlant(bus, converters["rated_mva"]) for bus in converters["buses"]]
    found = model.currents(list(CASE["i_k_ka"]), plants)
    np.testing.assert_allclose(found, list(CASE["i_k_ka"].values()), rtol=0, atol=CASE["tolerance_ka"])


def test_one_line_by_hand(county: Any) -> None:
    """c U / (sqrt(3) |Z|) without transformers: c = 1.1, a source of 500 MVA with R/X = 0.1 and 3 km of line at 20 kV.

    The plant at the end of the line adds k S / (sqrt(3) U) there in full, as it feeds the fault itself.
    """
    del county
    net = pandapower.create_empty_network(name="one line")
    a, b = (pandapower.create_bus(net, 20.0, name=name) for name in "ab")
    pandapower.create_ext_grid(net, a, name="grid")
    pandapower.create_line_from_parameters(net, a, b, 3.0, 0.443, 0.132, 190.0, 0.22, name="line")
    model = ShortCircuitModel(from_pandapower(net), ShortCircuitParameters({20.0: 25.0}, 1.2, **GIVEN))
    source = 1.1 * 20.0**2 / 500.0
    x = source / np.sqrt(1 + 0.1**2)
    z = complex(0.1 * x + 3 * 0.443, x + 3 * 0.132)
    expected_ka = 1.1 * 20.0 / (np.sqrt(3) * abs(z))
    assert model.currents(["b"])[0] == pytest.approx(expected_ka, rel=1e-6)
    plant_ka = 1.2 * 5.0 / (np.sqrt(3) * 20.0)
    assert model.currents(["b"], [NewPlant("b", 5.0)])[0] == pytest.approx(expected_ka + plant_ka, rel=1e-6)


def test_stations_are_checked_with_their_largest_plant(county: Any) -> None:
    index = {name: number for number, name in county.bus["name"].items()}
    pandapower.create_sgen(county, index["E2"], 0.05, sn_mva=0.06, name="roof", type="PV")
    network = from_pandapower(county)
    names = network.buses.name
    busbars = {name: names[busbar] for name, busbar in zip(names, station_busbars(network), strict=True)}
    # B1 and B2 are coupled: which of the two parallel transformers is nearer is the first one's busbar.
    assert {busbars[name] for name in ("B1", "M1", "M2")} == {"B1"}
    assert [busbars[name] for name in ("H1", "N1", "E1", "E3", "B2", "M3")] == ["H1", "N1", "N1", "N3", "B2", "B2"]
    p_mw, q_mvar, _ = nominal_injections(network)
    capacity = Hosting(PowerFlow(network)).capacity(p_mw, q_mvar)
    model = ShortCircuitModel(network, ShortCircuitParameters({20.0: 5.0, 110.0: 30.0}, 1.2, **GIVEN))
    done: list[tuple[int, int]] = []
    found = check_stations(
        model, network, capacity, power_factor=0.95, progress=lambda now, every: done.append((now, every))
    )
    assert [one.station for one in found] == ["B1", "B2"], "no breaker is given for 0.4 kV"
    assert done == [(1, 2), (2, 2)]
    room = dict(zip(capacity.bus, capacity.capacity_mw, strict=True))
    first = found[0]
    assert first.plant.rated_mva == pytest.approx(max(room[name] for name in ("B1", "M1", "M2")) / 0.95)
    assert first.outcome.value > first.without_ka > model.currents([first.station])[0] - 1e-9
    assert isinstance(first.outcome, CheckFailed)
    strong = ShortCircuitModel(network, ShortCircuitParameters({20.0: 25.0}, 1.2, **GIVEN))
    passed = check_stations(strong, network, capacity, power_factor=0.95)
    assert all(isinstance(one.outcome, CheckPassed) for one in passed)
    more = check_stations(strong, network, capacity, power_factor=0.95, registered=[NewPlant("M1", 10.0)])
    assert more[0].outcome.value > passed[0].outcome.value
    with pytest.raises(ShortCircuitDataError, match="no breaker rating is given for the voltage of any station"):
        check_stations(
            ShortCircuitModel(network, ShortCircuitParameters({35.0: 25.0}, 1.2, **GIVEN)),
            network,
            capacity,
            power_factor=1.0,
        )


def test_existing_converters_count_and_the_network_stays_as_it_is(county: Any) -> None:
    index = {name: number for number, name in county.bus["name"].items()}
    parameters = ShortCircuitParameters({20.0: 25.0}, 1.2, **GIVEN)
    before = ShortCircuitModel(from_pandapower(county), parameters).currents(["M2"])[0]
    pandapower.create_sgen(county, index["M2"], 2.0, sn_mva=2.5, name="field", type="PV_MV")
    with_plant = from_pandapower(county)
    model = ShortCircuitModel(with_plant, parameters)
    assert model.currents(["M2"])[0] == pytest.approx(before + 1.2 * 2.5 / (np.sqrt(3) * 20.0), rel=1e-6)
    assert model.currents(["M2"], [NewPlant("M2", 2.5)])[0] > model.currents(["M2"])[0]
    assert with_plant.handle.sgen["name"].tolist() == ["field"]
    assert "s_sc_max_mva" not in with_plant.handle.ext_grid.dropna(axis=1).columns
    county.sgen.loc[0, "in_service"] = False
    off = ShortCircuitModel(from_pandapower(county), parameters)
    assert off.currents(["M2"])[0] == pytest.approx(before, rel=1e-9)


def test_what_is_missing_is_named(county: Any) -> None:
    index = {name: number for number, name in county.bus["name"].items()}

    def refused(match: str, **given: Any) -> None:
        with pytest.raises(ShortCircuitDataError, match=match):
            ShortCircuitModel(from_pandapower(county), ShortCircuitParameters({20.0: 25.0}, 1.2, **given))

    refused("feeding point 'grid' has no short-circuit power")
    refused("feeding point 'grid' has no R/X", source_mva=500.0)
    pandapower.create_sgen(county, index["M2"], 1.0, sn_mva=1.2, name="mill", type="Hydro_MV", current_source=False)
    refused("plant 'mill' of kind 'Hydro_MV': nobody says", **GIVEN)
    county.sgen.loc[0, "sn_mva"] = np.nan
    refused("plant 'mill' has no rated power", converter_kinds=("Hydro_MV",), **GIVEN)
    county.sgen.drop(index=0, inplace=True)
    model = ShortCircuitModel(from_pandapower(county), ShortCircuitParameters({20.0: 25.0}, 1.2, **GIVEN))
    for wrong, match in (("E9", "no bus is called 'E9'"), ("E1", "no breaker rating is given for 0.4 kV")):
        with pytest.raises(ShortCircuitDataError, match=match):
            model.breaker_ka(wrong)
    with pytest.raises(ShortCircuitDataError, match="has no rated current"):
        model.currents(["M1"], [NewPlant("M1", 0.0)])
    for values in ({"converter_factor": 0.0}, {"breaker_ka": {20.0: -1.0}}, {"low_voltage_tolerance_percent": 7}):
        with pytest.raises(ShortCircuitDataError):
            ShortCircuitParameters(**({"breaker_ka": {20.0: 25.0}, "converter_factor": 1.2} | values))
