"""Checks: each fault is found and named, and a sound network has none."""

from collections.abc import Callable
from typing import Any

import pandapower
import pytest

from grid_models.checks import Problem, Severity, check_network, refuse_problems
from grid_models.networks import NetworkError, VoltageBand, from_pandapower


def island(net: Any) -> None:
    pandapower.create_switch(net, net.trafo.lv_bus[3], 3, et="t", closed=False, name="opened")


def zero_line(net: Any) -> None:
    net.line.loc[1, ["r_ohm_per_km", "x_ohm_per_km"]] = 0.0


def negative_line(net: Any) -> None:
    net.line.loc[1, "r_ohm_per_km"] = -0.1


def unrated_line(net: Any) -> None:
    net.line.loc[1, "max_i_ka"] = float("nan")


def zero_transformer(net: Any) -> None:
    net.trafo.loc[3, ["vk_percent", "vkr_percent"]] = 0.0


def negative_transformer(net: Any) -> None:
    net.trafo.loc[3, "vkr_percent"] = -1.0


def unrated_transformer(net: Any) -> None:
    net.trafo.loc[3, "df"] = 0.0


def resistive_transformer(net: Any) -> None:
    net.trafo.loc[3, "vkr_percent"] = 4.5


def inverted_transformer(net: Any) -> None:
    net.trafo.loc[3, "vk_percent"] = -4.0


def powerless_load(net: Any) -> None:
    net.load.loc[1, "p_mw"] = float("nan")


def voltage_in_volts(net: Any) -> None:
    net.bus.loc[net.bus["name"] == "E2", "vn_kv"] = 400.0 * 1e3


def loads_in_kilowatts(net: Any) -> None:
    net.load["p_mw"] *= 1e3


def impossible_ratio(net: Any) -> None:
    net.trafo.loc[3, "vn_hv_kv"] = 10.0


def shorted(net: Any) -> None:
    net.line.loc[1, "x_ohm_per_km"] = float("nan")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (island, [("load 2", "E2"), ("N2", "not supplied")]),
        (zero_line, [("L2", "no impedance")]),
        (negative_line, [("L2", "negative")]),
        (unrated_line, [("L2", "rated current")]),
        (zero_transformer, [("A2", "short-circuit voltage of 0")]),
        (negative_transformer, [("A2", "negative")]),
        (unrated_transformer, [("A2", "rated power")]),
        (resistive_transformer, [("A2", "above the whole")]),
        (inverted_transformer, [("A2", "short-circuit voltage")]),
        (powerless_load, [("load 2", "no power")]),
        (voltage_in_volts, [("E2", "V for kV")]),
        (loads_in_kilowatts, [("load 2", "200 times their transformers; kW for MW"), ("load 3", "125 times")]),
        (impossible_ratio, [("A2", "far from that of its buses")]),
        (shorted, [("L2", "no reactance")]),
    ],
)
def test_each_fault_is_found_and_named(
    spoil: Callable[[Any], None], expected: list[tuple[str, str]], county: Any
) -> None:
    spoil(county)
    network = from_pandapower(county)
    problems = check_network(network)
    assert [problem.element for problem in problems] == [element for element, _ in expected]
    assert all(part in problem.what for problem, (_, part) in zip(problems, expected, strict=True))
    assert {problem.severity for problem in problems} == {Severity.ERROR}
    with pytest.raises(NetworkError, match=f"^'{expected[0][0]}' .*{expected[0][1]}"):
        refuse_problems(network)


def resistance_in_milliohm(net: Any) -> None:
    net.line.loc[1, "r_ohm_per_km"] = 443.0


def rating_in_amperes(net: Any) -> None:
    net.line.loc[1, "max_i_ka"] = 220.0


def length_in_metres(net: Any) -> None:
    net.line.loc[1, ["length_km", "r_ohm_per_km"]] = [2000.0, 0.1]


def power_in_kilovoltamperes(net: Any) -> None:
    net.trafo.loc[3, "sn_mva"] = 250.0


def unusual_ratio(net: Any) -> None:
    net.trafo.loc[3, "vn_hv_kv"] = 15.0


def negative_reactance(net: Any) -> None:
    net.line.loc[1, "x_ohm_per_km"] = -0.1


def no_limit(net: Any) -> None:
    net.line.loc[1, "max_i_ka"] = 99999.0


def second_coupler(net: Any) -> None:
    pandapower.create_switch(net, 2, 1, et="b", closed=True, name="again")


def coupler_to_itself(net: Any) -> None:
    pandapower.create_switch(net, 1, 1, et="b", closed=True, name="loop")


def spare_busbar(net: Any) -> None:
    spare = pandapower.create_bus(net, 20.0, name="spare")
    pandapower.create_switch(net, 1, spare, et="b", closed=True, name="to spare")


@pytest.mark.parametrize(
    ("spoil", "element", "part"),
    [
        (resistance_in_milliohm, "L2", "100 ohm/km"),
        (rating_in_amperes, "L2", "A for kA"),
        (length_in_metres, "L2", "m for km"),
        (power_in_kilovoltamperes, "A2", "kVA for MVA"),
        (unusual_ratio, "A2", "far from that of its buses"),
        (negative_reactance, "L2", "negative reactance"),
        (no_limit, "L2", "no limit"),
        (second_coupler, "again", "second closed switch between B1 and B2"),
        (coupler_to_itself, "loop", "to itself"),
        (spare_busbar, "to spare", "leads to spare"),
    ],
)
def test_what_may_be_meant_is_a_warning_and_passes(
    spoil: Callable[[Any], None], element: str, part: str, county: Any
) -> None:
    spoil(county)
    network = from_pandapower(county)
    (problem,) = check_network(network)
    assert (problem.element, problem.severity) == (element, Severity.WARNING)
    assert part in problem.what
    refuse_problems(network)


def test_buses_below_every_band_are_named(county: Any) -> None:
    network = from_pandapower(county, (VoltageBand(1.0, -0.07, 0.07),))
    problems = check_network(network)
    assert {problem.element for problem in problems} == {"N1", "E1", "N2", "E2", "N3", "E3"}
    assert all("no band" in problem.what for problem in problems)


def test_the_demo_and_the_small_county_are_sound(demo: Any, county: Any) -> None:
    assert check_network(demo.network) == []
    assert check_network(from_pandapower(county)) == list[Problem]()
