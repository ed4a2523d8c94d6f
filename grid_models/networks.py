"""The network model: our own frozen `Network`, the demo network, and pandapower JSON files.

A `Network` holds everything a power flow needs as numpy columns. The pandapower net it came from stays inside as an
opaque handle, because the file is written from it; no pandapower type leaves this package.

Taps: a transformer's tap counts only where the file says what kind of tap changer it is (tap_changer_type "Ratio" or
"Symmetrical"), exactly as pandapower 3 does. SimBench leaves the type empty, so in the demo network no tap is applied,
in the world's physics and in the hub's check alike.
"""

import copy
import importlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

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
    with _library_warnings_silenced():
        simbench = importlib.import_module("simbench")
        if code not in simbench.collect_all_simbench_codes():
            raise NetworkError(f"{code!r} is not a SimBench code")
        net = simbench.get_simbench_net(code)
    net["name"] = code
    return from_pandapower(net, bands)


def read_network(path: Path, bands: tuple[VoltageBand, ...] = GB_T_12325_BANDS) -> Network:
    """Return the network in the pandapower JSON file `path`.

    A bus column v_nominal_kv, where present, holds the nominal voltage; else vn_kv is taken for it.

    :raises NetworkError: if the file is not one, or holds what the model has no place for, naming the element
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
    with _library_warnings_silenced():
        pandapower = importlib.import_module("pandapower")
        try:
            net = pandapower.from_json_string(text)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, UserWarning) as error:
            raise NetworkError(f"{path}: a broken pandapower network: {error!r}") from None
    try:
        return from_pandapower(net, bands)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


def write_network(network: Network, path: Path) -> None:
    """Write the network as pandapower JSON, nominal voltage of each bus included; the same network, the same bytes."""
    net = copy.copy(_pandapower_net(network))
    for table in _LEFT_OUT_OF_THE_FILE:
        net.pop(table, None)
    with _library_warnings_silenced():
        path.write_text(importlib.import_module("pandapower").to_json(net), encoding="utf-8")


def from_pandapower(pandapower_net: object, bands: tuple[VoltageBand, ...] = GB_T_12325_BANDS) -> Network:
    """Return a pandapower net as a Network; the importers of this package end here.

    :param pandapower_net: a pandapowerNet, kept as it is
    :raises NetworkError: if it holds what the model has no place for, naming the element
    """
    net: pandapowerNet = copy.copy(pandapower_net)
    columns.refuse_unsupported(net)
    positions = columns.bus_positions(net)
    buses = columns.bus_columns(net, bands)
    net["bus"] = net.bus.assign(**{columns.NOMINAL_COLUMN: buses.v_nominal_v / 1e3})
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

    :raises NetworkError: if the bus is unknown or the name is taken
    """
    if bus not in network.bus_position:
        raise NetworkError(f"storage {name!r}: no bus is called {bus!r}")
    if name in network.storages.name:
        raise NetworkError(f"storage {name!r} stands twice")
    net = copy.deepcopy(_pandapower_net(network))
    with _library_warnings_silenced():
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
    positions = columns.bus_positions(net)
    return replace(network, storages=columns.storage_columns(net, positions), handle=net)


def _pandapower_net(network: Network) -> "pandapowerNet":
    return network.handle


@contextmanager
def _library_warnings_silenced() -> Iterator[None]:
    """Keep pandapower's and SimBench's own deprecations from the user, who cannot act on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield
