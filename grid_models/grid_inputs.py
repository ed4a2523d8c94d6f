"""What `microbalance grid` takes beside the network: power by bus, a feeder's buses, the base state for hosting."""

import csv
from math import isfinite
from pathlib import Path

import numpy as np

from grid_models.connectivity import connected_lines, connected_transformers, joined_buses, supplied_buses
from grid_models.elements import FloatArray, Int64Array
from grid_models.hosting import NoBaseStateError
from grid_models.networks import Network
from grid_models.nominal_state import nominal_injections
from grid_models.power_flow import PowerFlow


class InputError(ValueError):
    """A file or value given that cannot be used; the message names it."""


def read_power_mw(path: Path, network: Network) -> FloatArray:
    """Return power by bus, MW, shape (n_buses,), from a CSV file with a header bus,mw: plants, or storage's charging.

    :raises InputError: if the file cannot be read, a bus is unknown, or a power is not 0 or more
    """
    power_mw = np.zeros(len(network.buses))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"bus", "mw"} <= set(reader.fieldnames or ()):
                raise InputError(f"{path}: the header is not bus,mw")
            for line in reader:
                position = bus_position(network, line["bus"] or "", f"{path}, line {reader.line_num}: ")
                power_mw[position] += _power_mw(line["mw"], f"{path}, line {reader.line_num}")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8: {error}") from None
    return power_mw


def bus_position(network: Network, name: str, where: str = "") -> int:
    """Return the position of the bus called `name`.

    :param where: what the message begins with
    :raises InputError: if there is none, or it is the inside of a transformer
    """
    position = network.bus_position.get(name)
    if position is None:
        raise InputError(f"{where}no bus is called {name!r}")
    if network.buses.star_point[position]:
        raise InputError(f"{where}{name!r} is inside a transformer")
    return position


def buses_behind(network: Network, element: str) -> Int64Array:
    """Return the positions of the buses that lose their supply when a line or transformer opens.

    :raises InputError: if there is no such element, or nothing hangs from it alone
    """
    lines, transformers = connected_lines(network), connected_transformers(network)
    without = [
        np.array([name != element for name in names]) for names in (network.lines.name, network.transformers.name)
    ]
    if all(kept.all() for kept in without):
        raise InputError(f"no line or transformer is called {element!r}")
    component = joined_buses(network, lines & without[0], transformers & without[1])
    behind = supplied_buses(network) & ~np.isin(component, component[network.sources.bus])
    behind &= ~network.buses.star_point
    if not behind.any():
        raise InputError(f"no bus hangs from {element!r} alone")
    return np.flatnonzero(behind).astype(np.int64)


def nominal_base_state(
    power_flow: PowerFlow, load_scale: float, generation_scale: float
) -> tuple[FloatArray, FloatArray]:
    """Return the nominal injections, MW and Mvar, shape (1, n_buses).

    Loads that depend on the voltage are taken at what they draw in the nominal state, as hosting works with constant
    power.

    :raises NoBaseStateError: if such a network has no solution
    """
    p_mw, q_mvar, dependent = nominal_injections(power_flow.network, load_scale, generation_scale)
    if dependent is None:
        return p_mw, q_mvar
    result = power_flow.solve(p_mw, q_mvar, dependent)
    if result.failures:
        failure = result.failures[0]
        raise NoBaseStateError(f"the nominal state has no solution: bus {failure.bus!r}: {failure.reason}")
    vm_pu = result.vm_pu
    p_mw = p_mw + dependent.current_p_mw * vm_pu + dependent.impedance_p_mw * vm_pu**2
    q_mvar = q_mvar + dependent.current_q_mvar * vm_pu + dependent.impedance_q_mvar * vm_pu**2
    return p_mw, q_mvar


def _power_mw(text: str | None, where: str) -> float:
    try:
        power_mw = float(text or "")
    except ValueError:
        raise InputError(f"{where}: {text!r} is no power in MW") from None
    if not (isfinite(power_mw) and power_mw >= 0):
        raise InputError(f"{where}: {text!r} is not 0 MW or more")
    return power_mw
