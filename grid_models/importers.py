"""Opening any network: a reference name, a SimBench code, or a file of any format that we read.

| ending | format |
|---|---|
| .json | pandapower JSON |
| .xlsx | pandapower Excel (needs the package openpyxl) |
| .m, .mat | MATPOWER case, version 2 |
| .zip, .xml, a folder | CGMES 2.4.15 and 3.0, through pandapower's converter |

What has no name gets one ("bus 7"). Names that stand twice are told apart in MATPOWER and CGMES, which do not ask for
unique ones, and refused in pandapower's files. What the model has no place for is refused by name.
"""

import importlib
import importlib.util
import zipfile
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grid_models.cgmes_file import read_cgmes
from grid_models.element_names import fill_names, tell_names_apart
from grid_models.matpower_case import read_matpower_case
from grid_models.matpower_network import matpower_network
from grid_models.networks import (
    GB_T_12325_BANDS,
    Network,
    NetworkError,
    VoltageBand,
    from_pandapower,
    library_warnings_silenced,
    one_line,
    read_pandapower_json,
    simbench_network,
)
from grid_models.reference_networks import ReferenceNetwork, reference_network

if TYPE_CHECKING:
    from pandapower import pandapowerNet

__all__ = ["open_network"]


def open_network(
    name_code_or_path: str | Path, *, cache: Path | None = None, bands: tuple[VoltageBand, ...] = GB_T_12325_BANDS
) -> Network:
    """Return the network that is meant: a reference name first, then an existing file or folder, then a SimBench code.

    :param cache: see reference_network
    :param bands: permitted voltage bands of networks from files and codes
    :raises NetworkError: on one line: there is no such network, its file is broken (naming it), or it holds what the
        model has no place for (naming the element)
    """
    text, path = str(name_code_or_path), Path(name_code_or_path)
    if not text:
        raise NetworkError("no network is named")
    if text in {known.value for known in ReferenceNetwork}:
        return reference_network(text, cache=cache)
    if path.suffix.lower() in _READERS or path.exists() or path.name != text:
        return _from_file(path, bands)
    try:
        return simbench_network(text, bands)
    except NetworkError as error:
        names = get_close_matches(text, [known.value for known in ReferenceNetwork])
        meant = f"; or the reference network {names[0]!r}" if names else ""
        raise NetworkError(f"no file and no reference network is called {text!r}, and {error}{meant}") from None


def _from_file(path: Path, bands: tuple[VoltageBand, ...]) -> Network:
    reader = _read_cgmes if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise NetworkError(f"{path}: no network is read from such a file; the endings known are {known}")
    with library_warnings_silenced():
        net = reader(path)
        fill_names(net)
    if not str(net.name or ""):
        net["name"] = path.stem
    try:
        return from_pandapower(net, bands)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None


def _read_json(path: Path) -> "pandapowerNet":
    return read_pandapower_json(path)


def _read_excel(path: Path) -> "pandapowerNet":
    if not path.is_file():
        raise NetworkError(f"{path}: No such file or directory")
    _require("openpyxl", path)
    try:
        net = importlib.import_module("pandapower").from_excel(str(path))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, UserWarning, zipfile.BadZipFile) as error:
        raise NetworkError(f"{path}: not a pandapower network in Excel: {one_line(error)}") from None
    return net


def _read_matpower(path: Path) -> "pandapowerNet":
    case = read_matpower_case(path)
    try:
        net = matpower_network(case)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None
    tell_names_apart(net)
    return net


def _read_cgmes(path: Path) -> "pandapowerNet":
    _require("lxml", path)
    net = read_cgmes(path)
    fill_names(net)
    tell_names_apart(net)
    return net


def _require(package: str, path: Path) -> None:
    if importlib.util.find_spec(package) is None:
        raise NetworkError(f"{path}: reading such files needs the package {package}, which is not installed")


_READERS: Final[Mapping[str, "Callable[[Path], pandapowerNet]"]] = {
    ".json": _read_json,
    ".xlsx": _read_excel,
    ".m": _read_matpower,
    ".mat": _read_matpower,
    ".zip": _read_cgmes,
    ".xml": _read_cgmes,
}
