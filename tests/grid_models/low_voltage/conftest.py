"""A street of single houses behind one transformer, households that draw at random, and what meters make of them."""

from dataclasses import dataclass, replace

import numpy as np
import pandapower
import pytest

from grid_models.area_loss import AreaLoss, AreaReadings
from grid_models.elements import FloatArray, Int64Array
from grid_models.networks import Network, from_pandapower
from grid_models.phase_points import PhaseConnection, locate_phase_points
from grid_models.power_flow import PowerFlow
from grid_models.suspicious_meters import AreaCase
from grid_models.unbalanced import UnbalancedPowerFlow

MAIN = {"r_ohm_per_km": 0.443, "x_ohm_per_km": 0.083, "c_nf_per_km": 830.0, "max_i_ka": 0.2}
SERVICE = {"r_ohm_per_km": 0.87, "x_ohm_per_km": 0.08, "c_nf_per_km": 200.0, "max_i_ka": 0.1}
MW_PER_WH = 4e-6  # of a quarter-hour


@dataclass(frozen=True)
class Truth:
    """What flows in a street as it really is, Wh per quarter-hour: into it, and lost in its lines."""

    summary_wh: FloatArray
    loss_wh: FloatArray


class Streets:
    """Builds streets and measures them."""

    @staticmethod
    def build(name: str, feeders: int = 3, houses: int = 8) -> Network:
        """Return a street as the utility's records have it."""
        net = pandapower.create_empty_network(name=name, f_hz=50.0)
        high = pandapower.create_bus(net, 10.0, name=f"{name} MV")
        low = pandapower.create_bus(net, 0.4, name=f"{name} LV")
        pandapower.create_ext_grid(net, high, vm_pu=1.02, name=f"{name} grid")
        pandapower.create_transformer_from_parameters(
            net, high, low, sn_mva=0.25, vn_hv_kv=10.0, vn_lv_kv=0.4, vkr_percent=1.2, vk_percent=4.0, pfe_kw=0.5,
            i0_percent=0.24, shift_degree=150.0, name=f"{name} T",
        )  # fmt: skip
        at = [f"{feeder}.{house}" for feeder in range(feeders) for house in range(houses)]
        joints = pandapower.create_buses(net, len(at), 0.4, name=[f"{name} J{each}" for each in at])
        ends = pandapower.create_buses(net, len(at), 0.4, name=[f"{name} H{each}" for each in at])
        before = [low if row % houses == 0 else int(joints[row - 1]) for row in range(len(at))]
        for kind, starts, stops, km, data in (("M", before, joints, 0.06, MAIN), ("S", joints, ends, 0.015, SERVICE)):
            names = [f"{name} {kind}{each}" for each in at]
            pandapower.create_lines_from_parameters(net, starts, stops, km, name=names, **data)
        return from_pandapower(net)

    @staticmethod
    def as_it_is(street: Network, random: np.random.Generator) -> Network:
        """Return the street as it really is: each line's length differs by up to 15 % from the records."""
        lines, factor = street.lines, random.uniform(0.85, 1.15, len(street.lines))
        longer = replace(lines, r_ohm=lines.r_ohm * factor, x_ohm=lines.x_ohm * factor, c_nf=lines.c_nf * factor)
        return replace(street, lines=longer)

    @staticmethod
    def houses(network: Network) -> list[str]:
        return [name for name in network.buses.name if " H" in name]

    @staticmethod
    def households(random: np.random.Generator, count: int, days: int) -> FloatArray:
        """Return what each household draws, Wh per quarter-hour: habits, kettles and a base, (n_intervals, count)."""
        hour = np.arange(days * 96) % 96 / 4
        drawn = np.empty((hour.size, count))
        for column in range(count):
            morning, evening = random.uniform(6, 9), random.uniform(17, 22)
            shape = 0.3 + 0.7 * np.exp(-0.5 * ((hour - morning) / 1.2) ** 2)
            shape += 1.5 * np.exp(-0.5 * ((hour - evening) / 2.0) ** 2)
            size = 150 * random.lognormal(0, 0.5) * np.repeat(random.lognormal(0, 0.25, days), 96)
            kettles = (random.random(hour.size) < 0.06 * shape) * random.exponential(500, hour.size)
            drawn[:, column] = size * shape * random.gamma(4, 1 / 4, hour.size) + kettles + random.uniform(5, 25)
        return drawn

    @staticmethod
    def truth(street: Network, buses: list[str], drawn_wh: FloatArray, tan_phi: float = 0.33) -> Truth:
        p_mw = np.zeros((len(drawn_wh), len(street.buses)))
        np.add.at(p_mw.T, [street.bus_position[bus] for bus in buses], -drawn_wh.T * MW_PER_WH)
        result = PowerFlow(street).solve(p_mw, p_mw * tan_phi)
        assert result.converged.all()
        summary_wh = -result.transformer_p_lv_mw.sum(axis=1) / MW_PER_WH
        return Truth(summary_wh, summary_wh - drawn_wh.sum(axis=1))

    @staticmethod
    def registered(drawn_wh: FloatArray, resolution_wh: int = 10) -> Int64Array:
        """Return what registers of this resolution show of it, interval by interval."""
        total = np.cumsum(np.vstack([np.zeros((1, drawn_wh.shape[1])), drawn_wh]), axis=0)
        steps = np.diff(np.floor(total / resolution_wh) * resolution_wh, axis=0)
        return steps.astype(np.int64)

    @classmethod
    def readings(cls, area: str, meters: list[str], registered_wh: Int64Array, summary_wh: FloatArray) -> AreaReadings:
        n_intervals = len(summary_wh)
        return AreaReadings(
            area=area,
            meter=tuple(meters),
            import_wh=registered_wh,
            export_wh=np.zeros_like(registered_wh),
            metered=np.ones(registered_wh.shape, dtype=np.bool_),
            summary_import_wh=cls.registered(summary_wh[:, np.newaxis], 1)[:, 0],
            summary_export_wh=np.zeros(n_intervals, dtype=np.int64),
            summary_metered=np.ones(n_intervals, dtype=np.bool_),
        )

    @classmethod
    def case(
        cls, street: Network, random: np.random.Generator, drawn_wh: FloatArray, metered_wh: FloatArray,
        *, buses: list[str] | None = None, resolution_wh: int = 10,
    ) -> AreaCase:  # fmt: skip
        """Return the readings of a street whose meters are of class 1 and whose lines differ from the records.

        :param drawn_wh: what is drawn, at `buses` (by default the houses)
        :param metered_wh: what each house's meter would register if it were exact
        """
        houses = cls.houses(street)
        real = cls.as_it_is(street, random)
        truth = cls.truth(real, buses or houses, drawn_wh, random.uniform(0.2, 0.5))
        inexact_wh = metered_wh * (1 + random.normal(0, 0.005, len(houses)))
        readings = cls.readings(
            street.name,
            houses,
            cls.registered(inexact_wh, resolution_wh),
            truth.summary_wh * (1 + random.normal(0, 0.0025)),
        )
        return AreaCase(readings, cls.area_loss(street).series(readings))

    @classmethod
    def area_loss(cls, street: Network) -> AreaLoss:
        return AreaLoss(street, cls.houses(street))

    @classmethod
    def phase_voltages(
        cls, street: Network, random: np.random.Generator, drawn_wh: FloatArray, phase: Int64Array, error_v: float
    ) -> FloatArray:
        """Return the voltages that the houses' meters show, in steps of 0.1 V, (n_intervals, n_houses).

        The lines differ from the records, the medium voltage wanders by 1 %, each meter is wrong by up to 1 %.
        """
        houses = cls.houses(street)
        real = cls.as_it_is(street, random)
        points = locate_phase_points(real, houses, [list(PhaseConnection)[each] for each in phase])
        p_mw = points.injection(-drawn_wh * MW_PER_WH)
        result = UnbalancedPowerFlow(real).solve(p_mw, p_mw * 0.4)
        assert not result.failures
        volts = result.vm_v[:, points.bus, phase]
        n_intervals = len(volts)
        medium = 1 + 0.008 * np.cumsum(random.normal(size=n_intervals)) / np.sqrt(n_intervals)
        medium += random.normal(0, 0.002, n_intervals)
        gain = 1 + random.normal(0, 0.003, len(houses))
        return np.round(volts * medium[:, np.newaxis] * gain + random.normal(0, error_v, volts.shape), 1)


@pytest.fixture(scope="session")
def streets() -> type[Streets]:
    return Streets


@pytest.fixture(scope="session")
def street() -> Network:
    """Return a street of 3 feeders with 8 houses each."""
    return Streets.build("A")


@pytest.fixture(scope="session")
def three_areas(street: Network) -> tuple[Network, Network, Network]:
    """Return that street as area A, and two like it, B and C."""
    return street, Streets.build("B"), Streets.build("C")
