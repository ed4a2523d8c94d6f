"""What is wrong with a network, in words: a list of problems, each with its element's name.

Every rule is a pure function of the columns and returns its findings; it repairs nothing. NaN counts as missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grid_models.connectivity import supplied_buses
from grid_models.elements import BoolArray, Names
from grid_models.networks import Network


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. element: name of the bus, line, transformer, load ...; what: in words."""

    element: str
    what: str


def check_network(network: Network) -> list[Problem]:
    """Return everything that is found wrong with the network, in the order of the rules below."""
    rules = (_islands, _zero_impedances, _negative_resistances, _missing_ratings, _impossible_transformers)
    return [problem for rule in rules for problem in rule(network)]


def _islands(network: Network) -> Iterator[Problem]:
    """Yield what stands at buses that no feeding point reaches, and the bare buses among them."""
    dark = ~supplied_buses(network)
    occupied = np.zeros_like(dark)
    for elements in (network.loads, network.generators, network.storages, network.shunts):
        occupied[elements.bus] = True
        for row in np.flatnonzero(dark[elements.bus]):
            bus = network.buses.name[int(elements.bus[row])]
            yield Problem(elements.name[int(row)], f"stands at bus {bus}, which no feeding point supplies")
    yield from _named(network.buses.name, dark & ~occupied, "is not supplied by any feeding point")


def _zero_impedances(network: Network) -> Iterator[Problem]:
    lines, transformers = network.lines, network.transformers
    yield from _named(lines.name, (lines.r_ohm == 0) & (lines.x_ohm == 0), "has no impedance; use a bus-bus switch")
    yield from _named(transformers.name, transformers.vk_percent == 0, "has a short-circuit voltage of 0 %")


def _negative_resistances(network: Network) -> Iterator[Problem]:
    lines, transformers = network.lines, network.transformers
    yield from _named(lines.name, ~(lines.r_ohm >= 0), "has a negative or missing resistance")
    yield from _named(transformers.name, ~(transformers.vkr_percent >= 0), "has a negative or missing resistance")


def _missing_ratings(network: Network) -> Iterator[Problem]:
    yield from _named(network.lines.name, ~(network.lines.max_i_ka > 0), "has no rated current")
    yield from _named(network.transformers.name, ~(network.transformers.rating_mva > 0), "has no rated power")


def _impossible_transformers(network: Network) -> Iterator[Problem]:
    transformers = network.transformers
    yield from _named(
        transformers.name,
        transformers.vkr_percent > transformers.vk_percent,
        "has a resistive short-circuit voltage above the whole one",
    )


def _named(names: Names, wrong: BoolArray, what: str) -> Iterator[Problem]:
    for row in np.flatnonzero(wrong):
        yield Problem(names[int(row)], what)
