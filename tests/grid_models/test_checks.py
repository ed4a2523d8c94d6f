"""Checks: each fault is found and named, and a sound network has none."""

from collections.abc import Callable
from typing import Any

import pandapower
import pytest

from grid_models.checks import Problem, check_network
from grid_models.networks import from_pandapower


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
    ],
)
def test_each_fault_is_found_and_named(
    spoil: Callable[[Any], None], expected: list[tuple[str, str]], county: Any
) -> None:
    spoil(county)
    problems = check_network(from_pandapower(county))
    assert [problem.element for problem in problems] == [element for element, _ in expected]
    assert all(part in problem.what for problem, (_, part) in zip(problems, expected, strict=True))


def test_the_demo_and_the_small_county_are_sound(demo: Any, county: Any) -> None:
    assert check_network(demo.network) == []
    assert check_network(from_pandapower(county)) == list[Problem]()
