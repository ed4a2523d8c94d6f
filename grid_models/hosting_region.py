"""The joint hosting region of two buses: how much each takes while the other takes some too.

The region's boundary is found along rays from no plant at all: at an angle of 0 degrees all is at the first bus, at 90
all at the second. On each ray the sum grows until a full AC power flow of some hour breaches a limit, and is bisected:
every point is certified by two power flows, one just inside without a breach and one just outside with one. That
nothing is breached on the way is tested at a few points of each ray.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from grid_models.admittance import BASE_MVA
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, freeze
from grid_models.hosting import Hosting
from grid_models.hosting_limits import NOTHING_BINDS, Binding, BindingKind, plant_direction
from grid_models.hosting_search import POWER_MAX_MW, POWER_MIN_MW
from grid_models.voltage_solver import NodeInjections

RELATIVE_WIDTH: Final = 1e-5
TESTED_ON_THE_WAY: Final = 8
_FIRST_TRIAL_MW: Final = 1.0
_ROUNDS_MAX: Final = 100


class RegionError(ValueError):
    """A region that cannot be asked for; the message says why."""


@dataclass(frozen=True, eq=False)
class HostingRegion:
    """Points of the boundary, one an angle. first_mw, second_mw: largest joint plants that breach nothing, inf: any.

    kind, element: what binds there. hour: in which of the hours given, -1: nothing. outside: the factor on both plants
    at which a breach was found, at most 1 + RELATIVE_WIDTH; inf where nothing binds.
    """

    bus: tuple[str, str]
    angle_degree: FloatArray
    first_mw: FloatArray
    second_mw: FloatArray
    kind: tuple[BindingKind, ...]
    element: Names
    hour: Int64Array
    outside: FloatArray

    def __post_init__(self) -> None:
        freeze(self)


def hosting_region(
    hosting: Hosting,
    p_mw: FloatArray,
    q_mvar: FloatArray,
    *,
    buses: tuple[int, int],
    angles: int = 19,
    power_factor: float = 1.0,
    absorbs_reactive: bool = True,
) -> HostingRegion:
    """Return the boundary of the region of two buses.

    :param p_mw, q_mvar: base state of each hour, (n_hours, n_buses); every hour's limits must hold
    :param buses: positions of the two buses
    :param angles: how many points, evenly from 0 to 90 degrees
    :param power_factor, absorbs_reactive: of both plants, as for Hosting.capacity
    :raises RegionError: if there are fewer than two angles, or the buses are one node or a feeding point's
    :raises ValueError: if the power factor is out of range
    :raises NoBaseStateError: if an hour has no solution before any plant is added
    """
    model = hosting.power_flow.model
    nodes = model.node_of_bus[list(buses)]
    if angles < 2 or nodes[0] == nodes[1] or np.isin(nodes, model.source_node).any():
        raise RegionError("a region needs two angles or more and two buses apart, no feeding point among them")
    rays = _Rays(hosting, p_mw, q_mvar, nodes, plant_direction(power_factor, absorbs_reactive=absorbs_reactive))
    return rays.region(buses, np.linspace(0.0, 90.0, angles))


class _Rays:
    """Tests of joint plants in every hour."""

    def __init__(
        self, hosting: Hosting, p_mw: FloatArray, q_mvar: FloatArray, nodes: Int64Array, direction: complex
    ) -> None:
        self._hosting = hosting
        self._states = hosting.base_states(p_mw, q_mvar)
        self._nodes, self._direction = nodes, direction

    def region(self, buses: tuple[int, int], angle_degree: FloatArray) -> HostingRegion:
        """Return the boundary at the angles."""
        along = np.stack([np.cos(np.radians(angle_degree)), np.sin(np.radians(angle_degree))], axis=1)
        along[np.abs(along) < 1e-12] = 0.0
        inside, outside = self._bracketed(along)
        inside, outside = self._bisected(along, inside, outside)
        bound = np.isfinite(outside)
        bindings, hours = self._bindings(along, outside, bound)
        names = self._hosting.power_flow.network.buses.name
        plants_mw = along * inside[:, np.newaxis] * BASE_MVA
        plants_mw[(along > 0) & ~bound[:, np.newaxis]] = np.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(bound, outside / inside, np.inf)
        return HostingRegion(
            bus=(names[buses[0]], names[buses[1]]),
            angle_degree=angle_degree,
            first_mw=plants_mw[:, 0],
            second_mw=plants_mw[:, 1],
            kind=tuple(binding.kind for binding in bindings),
            element=tuple(binding.element for binding in bindings),
            hour=hours,
            outside=factor,
        )

    def _bracketed(self, along: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return for each ray a sum without a breach and one with; inf where there is none up to POWER_MAX_MW."""
        inside, outside = np.zeros(len(along)), np.full(len(along), _FIRST_TRIAL_MW)
        growing = np.ones(len(along), dtype=np.bool_)
        while growing.any():
            fits = np.zeros(len(along), dtype=np.bool_)
            fits[growing] = self._fits(along[growing], outside[growing])
            inside[fits], outside[fits] = outside[fits], 2 * outside[fits]
            growing &= fits & (outside <= POWER_MAX_MW)
        outside[outside > POWER_MAX_MW] = np.inf
        return inside, outside

    def _bisected(self, along: FloatArray, inside: FloatArray, outside: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the brackets narrowed to RELATIVE_WIDTH, what lies before a breach on the way left out."""
        for _round in range(_ROUNDS_MAX):
            wide = np.flatnonzero(np.isfinite(outside) & (outside - inside > RELATIVE_WIDTH * inside + POWER_MIN_MW))
            if wide.size:
                middle = (inside[wide] + outside[wide]) / 2
                fits = self._fits(along[wide], middle)
                inside[wide[fits]], outside[wide[~fits]] = middle[fits], middle[~fits]
                continue
            breached = self._breached_on_the_way(along, inside, outside)
            if breached is None:
                break
            inside, outside = breached
        return inside, outside

    def _breached_on_the_way(
        self, along: FloatArray, inside: FloatArray, outside: FloatArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return brackets about the first breach on the way to `inside`, None if there is none."""
        bound = np.flatnonzero(np.isfinite(outside))
        share = np.arange(1, TESTED_ON_THE_WAY + 1) / (TESTED_ON_THE_WAY + 1)
        if not bound.size:
            return None
        trials = (inside[bound][:, np.newaxis] * share).ravel()
        fits = self._fits(along[bound].repeat(share.size, axis=0), trials).reshape(-1, share.size)
        if fits.all():
            return None
        inside, outside = inside.copy(), outside.copy()
        for ray, each in zip(bound, fits, strict=True):
            if not each.all():
                first = int(np.argmin(each))
                outside[ray] = inside[ray] * share[first]
                inside[ray] = inside[ray] * share[first - 1] if first else 0.0
        return inside, outside

    def _fits(self, along: FloatArray, total_mw: FloatArray) -> BoolArray:
        """Return whether each pair of plants breaches nothing in any hour."""
        return np.asarray(self._first_breaches(along, total_mw)[0] == NOTHING_BINDS, dtype=np.bool_)

    def _first_breaches(self, along: FloatArray, total_mw: FloatArray) -> tuple[Int64Array, Int64Array]:
        """Return the number of the first limit that each pair of plants breaches, and the hour."""
        least = np.full(len(along), np.inf)
        binding, hour = np.full(len(along), NOTHING_BINDS), np.full(len(along), -1)
        plants = (along * total_mw[:, np.newaxis]).T / BASE_MVA * self._direction
        for number, state in enumerate(self._states):
            power = np.repeat(state.power[:, np.newaxis], len(along), axis=1)
            power[self._nodes] += plants
            solved = self._hosting.power_flow.voltages(NodeInjections(power))
            v = np.where(solved.converged[:, np.newaxis], solved.v, np.nan)
            share, found = self._hosting.limits.first_breach(state.v, v, state.limits)
            less = share < least
            least[less], binding[less], hour[less] = share[less], found[less], number
        return binding.astype(np.int64), hour.astype(np.int64)

    def _bindings(self, along: FloatArray, outside: FloatArray, bound: BoolArray) -> tuple[list[Binding], Int64Array]:
        numbers, hours = np.full(len(along), NOTHING_BINDS), np.full(len(along), -1)
        if bound.any():
            numbers[bound], hours[bound] = self._first_breaches(along[bound], outside[bound])
        return [self._hosting.limits.binding(number) for number in numbers.tolist()], hours.astype(np.int64)
