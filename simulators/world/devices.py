"""What the devices behind the meters do in one interval: loads, generators, batteries, export limits. Pure.

Powers are interval means in integer mW, energies in mJ (1 Wh = 3,600,000 mJ), so that sums are exact. One row a
metering point. The sign rule at a metering point: net = generation + discharge - load - charge, positive is export.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge.contract.interval import SECONDS_PER_INTERVAL

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NO_LIMIT_MW = np.int64(2**62)
MJ_PER_WH = 3_600_000
_PER_MILLE = 1000


@dataclass(frozen=True, eq=False)
class BatteryColumns:
    """Batteries, one row each. point: metering point. efficiency_per_mille: once each way.

    valley_charging: filled from the network in the valley window, for nothing generates behind the meter.
    """

    point: Int64Array
    power_mw: Int64Array
    energy_mj: Int64Array
    efficiency_per_mille: Int64Array
    valley_charging: BoolArray


@dataclass(frozen=True, eq=False)
class MicrogridColumns:
    """One microgrid. gateway: its market meter's point. inside: points behind it. battery_point: its own battery's."""

    gateway: int
    inside: Int64Array
    battery: BatteryColumns


@dataclass(frozen=True, eq=False)
class Demand:
    """What people, sun and wind want in one interval, mW by point, and how much of the valley window is left.

    valley_intervals_left: this interval included; 0 outside the window.
    """

    load_mw: Int64Array
    available_mw: Int64Array
    valley_intervals_left: int


@dataclass(frozen=True, eq=False)
class DevicePowers:
    """What every point's devices do in one interval, shape (n_points,), mW. available: what the sun and wind offer."""

    load_mw: Int64Array
    available_mw: Int64Array
    generation_mw: Int64Array
    charge_mw: Int64Array
    discharge_mw: Int64Array

    @property
    def net_mw(self) -> Int64Array:
        """Net export at each point."""
        return np.asarray(self.generation_mw + self.discharge_mw - self.load_mw - self.charge_mw, dtype=np.int64)

    @property
    def curtailed_mw(self) -> Int64Array:
        """Generation that was available and not taken."""
        return np.asarray(self.available_mw - self.generation_mw, dtype=np.int64)


def run_batteries(
    batteries: BatteryColumns, stored_mj: Int64Array, surplus_mw: Int64Array, valley_intervals_left: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return charge, discharge (mW) and the energy stored after one interval of self-consumption.

    A battery takes the surplus behind its meter and gives for the need behind it, never for the network. In the valley
    window a valley_charging battery instead fills evenly over what is left of the window.

    :param stored_mj: shape (n_batteries,), energy stored at the start of the interval
    :param surplus_mw: shape (n_batteries,), generation less load behind the meter
    :param valley_intervals_left: intervals of the valley window that are left, this one included; 0 outside
    """
    seconds = np.int64(SECONDS_PER_INTERVAL)
    efficiency = batteries.efficiency_per_mille
    room_mw = (batteries.energy_mj - stored_mj) * _PER_MILLE // efficiency // seconds
    wanted_mw = np.maximum(surplus_mw, 0)
    in_valley = batteries.valley_charging & (valley_intervals_left > 0)
    wanted_mw = np.where(in_valley, room_mw // max(valley_intervals_left, 1), wanted_mw)
    charge_mw = np.minimum(np.minimum(wanted_mw, room_mw), batteries.power_mw)

    held_mw = stored_mj * efficiency // _PER_MILLE // seconds
    needed_mw = np.where(in_valley, 0, np.maximum(-surplus_mw, 0))
    discharge_mw = np.minimum(np.minimum(needed_mw, held_mw), batteries.power_mw)

    taken_mj = charge_mw * seconds * efficiency // _PER_MILLE
    given_mj = -(-discharge_mw * seconds * _PER_MILLE // efficiency)
    after_mj = stored_mj + taken_mj - given_mj
    assert np.all((after_mj >= 0) & (after_mj <= batteries.energy_mj))
    return charge_mw, discharge_mw, after_mj


def run_points(
    demand: Demand, batteries: BatteryColumns, stored_mj: Int64Array, limit_mw: Int64Array
) -> tuple[DevicePowers, Int64Array]:
    """Return what the devices behind every meter do, and the batteries' stored energy after the interval.

    A limit caps net export at the point: the battery has taken its part first, then generation is cut, never below
    what is used behind the meter.

    :param limit_mw: shape (n_points,), NO_LIMIT_MW where there is none
    """
    load_mw, available_mw = demand.load_mw, demand.available_mw
    surplus_mw = (available_mw - load_mw)[batteries.point]
    battery_charge, battery_discharge, after_mj = run_batteries(
        batteries, stored_mj, surplus_mw, demand.valley_intervals_left
    )
    charge_mw, discharge_mw = np.zeros_like(load_mw), np.zeros_like(load_mw)
    charge_mw[batteries.point] = battery_charge
    discharge_mw[batteries.point] = battery_discharge
    own_use_mw = load_mw + charge_mw - discharge_mw
    generation_mw = np.minimum(available_mw, own_use_mw + limit_mw)
    assert np.all(generation_mw >= 0)
    return DevicePowers(load_mw, available_mw, generation_mw, charge_mw, discharge_mw), after_mj


def run_microgrid(
    powers: DevicePowers, microgrid: MicrogridColumns, stored_mj: Int64Array, limit_mw: int
) -> tuple[DevicePowers, Int64Array]:
    """Return the powers with the microgrid's own battery at work and its net export held to `limit_mw`.

    The battery works on the net of all points inside; what still exceeds the limit is cut from the generators inside in
    proportion to what they deliver, by largest remainder. The network's loss inside only lowers what the gateway sees.
    """
    surplus_mw = int(powers.net_mw[microgrid.inside].sum())
    charge, discharge, after_mj = run_batteries(
        microgrid.battery, stored_mj, np.array([surplus_mw], dtype=np.int64), valley_intervals_left=0
    )
    charge_mw, discharge_mw = powers.charge_mw.copy(), powers.discharge_mw.copy()
    charge_mw[microgrid.battery.point] = charge
    discharge_mw[microgrid.battery.point] = discharge
    generation_mw = powers.generation_mw.copy()
    excess_mw = surplus_mw - int(charge[0]) - limit_mw
    if excess_mw > 0:
        generation_mw[microgrid.inside] -= shares_by_largest_remainder(excess_mw, generation_mw[microgrid.inside])
    return replace(powers, generation_mw=generation_mw, charge_mw=charge_mw, discharge_mw=discharge_mw), after_mj


def shares_by_largest_remainder(amount: int, weights: Int64Array) -> Int64Array:
    """Return integers that sum to `amount`, in proportion to `weights`, none above its weight.

    :param amount: 0 <= amount <= sum of weights
    """
    total = int(weights.sum())
    assert 0 <= amount <= total
    if total == 0:
        return np.zeros_like(weights)
    # Python integers: mW times mW may exceed 64 bits.
    products = [amount * int(weight) for weight in weights]
    shares = np.array([product // total for product in products], dtype=np.int64)
    remainders = [product % total for product in products]
    left = amount - int(shares.sum())
    largest = sorted(range(len(remainders)), key=lambda position: (-remainders[position], position))
    shares[largest[:left]] += 1
    return shares
