"""What is wrong with a network, in words: a list of problems, each with its element's name.

Every rule is a pure function of the columns and returns its findings; it repairs nothing. NaN counts as missing. What
makes every result meaningless is an error; what may be meant, but probably is not, is a warning: units of a wrong size
are found by values that no network of this world has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from grid_models.connectivity import components, connected_lines, supplied_buses
from grid_models.elements import BoolArray, Int64Array, Names, NetworkError
from grid_models.networks import Network

_R_OHM_PER_KM_MAX = 100.0
_LINE_KA_MAX = 10.0
_LENGTH_KM_MAX = 1000.0
_BUS_KV_MAX = 1500.0
_TRANSFORMER_KA_MAX = 30.0
_LOAD_PER_RATING_MAX = 100.0
_RATIO_PLAUSIBLE = 1.25
_RATIO_POSSIBLE = 1.5


class Severity(Enum):
    """How bad a problem is: with an error no result means anything, a warning is to be looked at."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. element: name of the bus, line, transformer, load ...; what: in words."""

    element: str
    what: str
    severity: Severity = Severity.ERROR


def check_network(network: Network) -> list[Problem]:
    """Return everything that is found wrong with the network, in the order of the rules below."""
    rules = (
        _islands,
        _zero_impedances,
        _negative_resistances,
        _missing_ratings,
        _impossible_transformers,
        _missing_bands,
        _missing_powers,
        _line_units,
        _voltage_units,
        _transformer_units,
        _load_units,
        _ratios,
        _couplers,
    )
    return [problem for rule in rules for problem in rule(network)]


def refuse_problems(network: Network) -> None:
    """Refuse a network with which no result means anything; warnings pass.

    :raises NetworkError: naming the first element that is wrong, and what is wrong with it
    """
    for problem in check_network(network):
        if problem.severity is Severity.ERROR:
            raise NetworkError(f"{problem.element!r} {problem.what}")


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
    """Yield negative impedances; only the star of a three-winding transformer may have them."""
    lines, transformers, in_star = network.lines, network.transformers, _in_star(network)
    yield from _named(lines.name, ~(lines.r_ohm >= 0), "has a negative or missing resistance")
    yield from _named(lines.name, np.isnan(lines.x_ohm), "has no reactance stated")
    yield from _named(lines.name, lines.x_ohm < 0, "has a negative reactance", Severity.WARNING)
    resistive = ~(transformers.vkr_percent >= 0)
    yield from _named(transformers.name, resistive & ~in_star, "has a negative or missing resistance")
    reactive = ~(transformers.vk_percent >= 0)
    yield from _named(transformers.name, reactive & ~in_star, "has a negative or missing short-circuit voltage")


def _missing_ratings(network: Network) -> Iterator[Problem]:
    lines, transformers = network.lines, network.transformers
    yield from _named(lines.name, ~(lines.max_i_ka > 0), "has no rated current")
    yield from _named(transformers.name, ~(transformers.rating_mva > 0), "has no rated power")
    unlimited = "is stated to have no limit; its loading is always 0"
    yield from _named(lines.name, np.isinf(lines.max_i_ka), unlimited, Severity.WARNING)
    yield from _named(transformers.name, np.isinf(transformers.rating_mva), unlimited, Severity.WARNING)


def _impossible_transformers(network: Network) -> Iterator[Problem]:
    transformers = network.transformers
    yield from _named(
        transformers.name,
        transformers.vkr_percent > np.abs(transformers.vk_percent),
        "has a resistive short-circuit voltage above the whole one",
    )


def _missing_bands(network: Network) -> Iterator[Problem]:
    buses = network.buses
    yield from _named(buses.name, ~(buses.v_max_v > buses.v_min_v), "has no band of permitted voltages")


def _missing_powers(network: Network) -> Iterator[Problem]:
    for elements in (network.loads, network.generators, network.shunts):
        missing = ~(np.isfinite(elements.p_mw) & np.isfinite(elements.q_mvar))
        yield from _named(elements.name, missing, "has no power stated")


def _line_units(network: Network) -> Iterator[Problem]:
    lines = network.lines
    resistive = lines.r_ohm > _R_OHM_PER_KM_MAX * lines.length_km
    yield from _named(
        lines.name, resistive, f"has more than {_R_OHM_PER_KM_MAX:g} ohm/km; wrong unit?", Severity.WARNING
    )
    strong = np.isfinite(lines.max_i_ka) & (lines.max_i_ka > _LINE_KA_MAX)
    yield from _named(lines.name, strong, f"has a rated current above {_LINE_KA_MAX:g} kA; A for kA?", Severity.WARNING)
    long = lines.length_km > _LENGTH_KM_MAX
    yield from _named(lines.name, long, f"is longer than {_LENGTH_KM_MAX:g} km; m for km?", Severity.WARNING)


def _voltage_units(network: Network) -> Iterator[Problem]:
    buses = network.buses
    yield from _named(buses.name, ~(buses.vn_kv > 0), "has no nominal voltage")
    yield from _named(buses.name, buses.vn_kv > _BUS_KV_MAX, f"has vn_kv above {_BUS_KV_MAX:g} kV; V for kV?")


def _transformer_units(network: Network) -> Iterator[Problem]:
    transformers = network.transformers
    limited = np.isfinite(transformers.rating_mva)
    rated_ka = transformers.sn_mva / (np.sqrt(3) * transformers.vn_lv_kv)
    strong = limited & (rated_ka > _TRANSFORMER_KA_MAX)
    yield from _named(
        transformers.name,
        strong,
        f"has a rated current above {_TRANSFORMER_KA_MAX:g} kA; kVA for MVA?",
        Severity.WARNING,
    )


def _load_units(network: Network) -> Iterator[Problem]:
    """Yield the largest load of each zone between transformers whose loads exceed their ratings a hundredfold."""
    zone = _zones(network)
    n_zones = int(zone.max(initial=-1)) + 1
    transformers, loads = network.transformers, network.loads
    rating_mva, load_mw = np.zeros(n_zones), np.zeros(n_zones)
    for bus in (transformers.hv_bus, transformers.lv_bus):
        np.add.at(rating_mva, zone[bus], np.nan_to_num(transformers.rating_mva, nan=np.inf))
    power_mw = np.abs(np.nan_to_num(loads.p_mw))
    np.add.at(load_mw, zone[loads.bus], power_mw)
    for number in np.flatnonzero((rating_mva > 0) & (load_mw > _LOAD_PER_RATING_MAX * rating_mva)):
        rows = np.flatnonzero(zone[loads.bus] == number)
        largest = int(rows[power_mw[rows].argmax()])
        times = load_mw[number] / rating_mva[number]
        yield Problem(
            loads.name[largest], f"and the loads around it are {times:.0f} times their transformers; kW for MW?"
        )


def _ratios(network: Network) -> Iterator[Problem]:
    transformers, vn_kv = network.transformers, network.buses.vn_kv
    with np.errstate(divide="ignore", invalid="ignore"):
        hv = transformers.vn_hv_kv / vn_kv[transformers.hv_bus]
        lv = transformers.vn_lv_kv / vn_kv[transformers.lv_bus]
        off = np.maximum(hv / lv, lv / hv)
    what = "has a ratio far from that of its buses"
    yield from _named(transformers.name, ~(off <= _RATIO_POSSIBLE), what)
    implausible = (off > _RATIO_PLAUSIBLE) & (off <= _RATIO_POSSIBLE)
    yield from _named(transformers.name, implausible, what, Severity.WARNING)


def _couplers(network: Network) -> Iterator[Problem]:
    """Yield couplers that do nothing: beside another one, from a bus to itself, or to a bus where nothing else is."""
    couplers = network.couplers
    met: set[tuple[int, int]] = set()
    touched = np.zeros(len(network.buses), dtype=np.int64)
    for buses in _ends_at_buses(network):
        np.add.at(touched, buses, 1)
    for name, *ends in zip(couplers.name, couplers.from_bus.tolist(), couplers.to_bus.tolist(), strict=True):
        pair = min(ends), max(ends)
        if pair[0] == pair[1]:
            yield Problem(name, "is a switch from a bus to itself", Severity.WARNING)
        elif pair in met:
            first, second = (network.buses.name[bus] for bus in pair)
            yield Problem(name, f"is a second closed switch between {first} and {second}", Severity.WARNING)
        met.add(pair)
        bare = next((bus for bus in pair if touched[bus] == 1), None)
        if bare is not None:
            yield Problem(
                name, f"leads to {network.buses.name[bare]}, where nothing else is connected", Severity.WARNING
            )


def _ends_at_buses(network: Network) -> Iterator[Int64Array]:
    yield from (network.couplers.from_bus, network.couplers.to_bus)
    yield from (network.lines.from_bus, network.lines.to_bus)
    yield from (network.transformers.hv_bus, network.transformers.lv_bus)
    yield from (network.loads.bus, network.generators.bus, network.storages.bus)
    yield from (network.shunts.bus, network.sources.bus)


def _zones(network: Network) -> Int64Array:
    """Return for each bus the number of the part of the network that it makes with lines and couplers alone."""
    chosen = connected_lines(network)
    from_bus = np.concatenate([network.couplers.from_bus, network.lines.from_bus[chosen]])
    to_bus = np.concatenate([network.couplers.to_bus, network.lines.to_bus[chosen]])
    return components(len(network.buses), from_bus, to_bus)


def _in_star(network: Network) -> BoolArray:
    star_point, transformers = network.buses.star_point, network.transformers
    return np.asarray(star_point[transformers.hv_bus] | star_point[transformers.lv_bus], dtype=np.bool_)


def _named(names: Names, wrong: BoolArray, what: str, severity: Severity = Severity.ERROR) -> Iterator[Problem]:
    for row in np.flatnonzero(wrong):
        yield Problem(names[int(row)], what, severity)
