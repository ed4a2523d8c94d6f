"""The network model: our own frozen `Network`, the demo network, and pandapower JSON files.

A `Network` holds everything a power flow needs as numpy columns. The pandapower net it came from stays inside as an
opaque handle, because the file is written from it; no pandapower type leaves this package.

Taps: a transformer's tap counts only where the file says what kind of tap changer it is (tap_changer_type "Ratio" or
"Symmetrical"), exactly as pandapower 3 does. SimBench leaves the type empty, so in the demo network no tap is applied,
in the world's physics and in the hub's check alike.
"""

import copy
import difflib
import importlib
import json
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from grid_models import pandapower_columns as columns
from grid_models.elements import (
    BusColumns,
    CouplerColumns,
    GeneratorColumns,
    LineColumns,
    LoadColumns,
    NetworkError,
    ShuntColumns,
    SourceColumns,
    StorageColumns,
    TransformerColumns,
    VoltageBand,
)
from grid_models.pandapower_tables import bus_positions

if TYPE_CHECKING:
    from pandapower import pandapowerNet

__all__ = [
    "DEMO_CODE",
    "GB_T_12325_BANDS",
    "Network",
    "NetworkError",
    "VoltageBand",
    "demo_network",
    "from_pandapower",
    "read_network",
    "simbench_network",
    "with_line_states",
    "with_profile_tables",
    "with_storage",
    "write_network",
]

DEMO_CODE = "1-MVLV-rural-all-1-sw"

# GB/T 12325: 20 kV and below (three-phase) -7..+7 % of the nominal voltage; from 35 kV the absolute deviations sum to
# at most 10 %, divided here -3..+7 % as county substations are run. Parameters: pass others to the readers.
GB_T_12325_BANDS = (VoltageBand(0.0, -0.07, 0.07), VoltageBand(35.0, -0.03, 0.07))

_LEFT_OUT_OF_THE_FILE = ("profiles", "loadcases", "measurement")


@dataclass(frozen=True, eq=False)
class Network:
    """One network, ready for topology and power flow.

    handle: the pandapower net, opaque outside grid_models. Positions of buses in all columns refer to `buses`.
    """

    name: str
    frequency_hz: float
    buses: BusColumns
    lines: LineColumns
    transformers: TransformerColumns
    sources: SourceColumns
    couplers: CouplerColumns
    shunts: ShuntColumns
    loads: LoadColumns
    generators: GeneratorColumns
    storages: StorageColumns
    handle: object

    @cached_property
    def bus_position(self) -> MappingProxyType[str, int]:
        """Position of each bus by its name."""
        return MappingProxyType({name: position for position, name in enumerate(self.buses.name)})


def demo_network() -> Network:
    """Return the demo network, SimBench 1-MVLV-rural-all-1-sw (5,481 buses); takes about 20 s and needs simbench."""
    return simbench_network(DEMO_CODE)


def simbench_network(code: str, bands: tuple[VoltageBand, ...] = GB_T_12325_BANDS) -> Network:
    """Return the SimBench network `code`, its profiles inside (see simbench_profiles.network_profiles).

    :raises NetworkError: if SimBench has no such code; it would silently give another network for some
    """
    with library_warnings_silenced():
        simbench = importlib.import_module("simbench")
        codes = simbench.collect_all_simbench_codes()
        if code not in codes:
            nearest = ", ".join(difflib.get_close_matches(code, codes))
            raise NetworkError(f"{code!r} is not a SimBench code" + (f"; the nearest: {nearest}" if nearest else ""))
        net = simbench.get_simbench_net(code)
    net["name"] = code
    return from_pandapower(net, bands)


def read_network(path: Path, bands: tuple[VoltageBand, ...] = GB_T_12325_BANDS) -> Network:
    """Return the network in the pandapower JSON file `path`.

    A bus column v_nominal_kv, where present, holds the nominal voltage; else vn_kv is taken for it.

    :raises NetworkError: if the file is not one, or holds what the model has no place for, naming the element
    """
    net = read_pandapower_json(path)
    try:
        return from_pandapower(net, bands)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


def read_pandapower_json(path: Path) -> object:
    """Return the pandapower net in a JSON file, as it stands there.

    :raises NetworkError: if the file is not one
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise NetworkError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("_class") != "pandapowerNet":
        raise NetworkError(f"{path}: not a pandapower network")
    with library_warnings_silenced():
        pandapower = importlib.import_module("pandapower")
        try:
            return pandapower.from_json_string(text)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, UserWarning) as error:
            raise NetworkError(f"{path}: a broken pandapower network: {one_line(error)}") from None


def write_network(network: Network, path: Path) -> None:
    """Write the network as pandapower JSON, nominal voltage of each bus included; the same network, the same bytes."""
    net = copy.copy(_pandapower_net(network))
    for table in _LEFT_OUT_OF_THE_FILE:
        net.pop(table, None)
    with library_warnings_silenced():
        path.write_text(importlib.import_module("pandapower").to_json(net), encoding="utf-8")


def from_pandapower(pandapower_net: object, bands: tuple[VoltageBand, ...] = GB_T_12325_BANDS) -> Network:
    """Return a pandapower net as a Network; the importers of this package end here.

    :param pandapower_net: a pandapowerNet, kept as it is
    :raises NetworkError: if it holds what the model has no place for, naming the element
    """
    net: pandapowerNet = copy.copy(pandapower_net)
    columns.refuse_unsupported(net)
    positions = bus_positions(net)
    buses = columns.bus_columns(net, positions, bands)
    net["bus"] = net.bus.assign(**{columns.NOMINAL_COLUMN: buses.v_nominal_v[: len(net.bus)] / 1e3})
    lines, transformers = columns.line_columns(net, positions), columns.transformer_columns(net, positions)
    columns.refuse_shared_names(lines, transformers)
    return Network(
        name=str(net.name),
        frequency_hz=float(net.f_hz),
        buses=buses,
        lines=lines,
        transformers=transformers,
        sources=columns.source_columns(net, positions),
        couplers=columns.coupler_columns(net, positions),
        shunts=columns.shunt_columns(net, positions),
        loads=columns.load_columns(net, positions),
        generators=columns.generator_columns(net, positions),
        storages=columns.storage_columns(net, positions),
        handle=net,
    )


def with_storage(
    network: Network, *, name: str, bus: str, p_rated_mw: float, energy_mwh: float, efficiency: float
) -> Network:
    """Return the network with one more storage unit at the bus named `bus`; the given network is left as it is.

    :raises NetworkError: if the bus is unknown or no bus of the file, or the name is taken
    """
    if bus not in network.bus_position:
        raise NetworkError(f"storage {name!r}: no bus is called {bus!r}")
    if network.buses.star_point[network.bus_position[bus]]:
        raise NetworkError(f"storage {name!r}: {bus!r} is inside a transformer")
    if name in network.storages.name:
        raise NetworkError(f"storage {name!r} stands twice")
    net = copy.deepcopy(_pandapower_net(network))
    with library_warnings_silenced():
        importlib.import_module("pandapower").create_storage(
            net,
            bus=net.bus.index[network.bus_position[bus]],
            p_mw=p_rated_mw,
            sn_mva=p_rated_mw,
            max_e_mwh=energy_mwh,
            min_e_mwh=0.0,
            efficiency_percent=100 * efficiency,
            name=name,
            type="battery",
        )
    positions = bus_positions(net)
    return replace(network, storages=columns.storage_columns(net, positions), handle=net)


def with_line_states(network: Network, *, opened: Iterable[str] = (), closed: Iterable[str] = ()) -> Network:
    """Return the network with some lines open and some closed at both ends; the given network is left as it is.

    :param opened, closed: names of lines; the others stay as they are
    :raises NetworkError: if a name is no line's, or stands in both
    """
    opened, closed = frozenset(opened), frozenset(closed)
    unknown = sorted((opened | closed) - set(network.lines.name))
    if unknown:
        raise NetworkError(f"no line is called {unknown[0]!r}")
    if opened & closed:
        raise NetworkError(f"line {min(opened & closed)!r} cannot be both open and closed")
    is_opened, is_closed = (
        np.array([name in states for name in network.lines.name], dtype=np.bool_) for states in (opened, closed)
    )
    net = copy.copy(_pandapower_net(network))
    in_service = (net.line.in_service.to_numpy().astype(bool) & ~is_opened) | is_closed
    net["line"] = net.line.assign(in_service=in_service)
    freed = (net.switch.et == "l") & net.switch.element.isin(net.line.index[is_closed])
    net["switch"] = net.switch.assign(closed=net.switch.closed.astype(bool) | freed)
    lines = replace(
        network.lines,
        from_closed=(network.lines.from_closed & ~is_opened) | is_closed,
        to_closed=(network.lines.to_closed & ~is_opened) | is_closed,
    )
    return replace(network, lines=lines, handle=net)


def with_profile_tables(network: Network, tables: Mapping[str, object]) -> Network:
    """Return the network carrying SimBench's tables of profiles (see simbench_profiles.network_profiles)."""
    net = copy.copy(_pandapower_net(network))
    net["profiles"] = dict(tables)
    return replace(network, handle=net)


def one_line(error: BaseException) -> str:
    """Return what a library said, on one line and not longer than one."""
    return textwrap.shorten(repr(error), width=200)


def _pandapower_net(network: Network) -> "pandapowerNet":
    return network.handle


@contextmanager
def library_warnings_silenced() -> Iterator[None]:
    """Keep pandapower's and SimBench's own deprecations from the user, who cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield
