"""A cache on disk for networks that take long to build: the pandapower file and the factored profiles of each.

What is built goes through the cache as well, so that the first call and the later ones give the same bytes. A place in
the cache is named by everything that its content depends on; a half-done build leaves nothing behind.
"""

import hashlib
import importlib
import importlib.metadata
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from grid_models.networks import Network, NetworkError, read_network, with_profile_tables, write_network
from grid_models.simbench_profiles import FactoredSeries, NetworkProfiles, network_profiles

_Content = TypeVar("_Content")

_FORMAT = 1
_DISTRIBUTIONS = ("simbench", "pandapower", "pandas", "numpy", "county-microbalance")
_SERIES = ("load_p", "load_q", "generator_p")
_NETWORK = "network.json"
_PROFILES = "profiles.npz"


def default_cache_folder() -> Path:
    """Return the user's cache folder for this program (XDG_CACHE_HOME, else ~/.cache)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "county-microbalance"


def cached_network(key: str, build: Callable[[], Network], cache: Path) -> Network:
    """Return the network called `key`, its profiles inside as network_profiles expects them; built if not there.

    :param build: makes the network with its profiles
    :raises NetworkError: if a cached file is damaged, or the cache cannot be written
    """
    folder = _filled(key, build, cache)
    network, profiles = _read(folder, read_network, _NETWORK), _read(folder, _read_profiles, _PROFILES)
    return _carrying(network, profiles)


def cached_profiles(key: str, build: Callable[[], Network], cache: Path) -> NetworkProfiles:
    """Return the year of profiles of the network called `key`, without reading the network itself.

    :raises NetworkError: as cached_network
    """
    return _read(_filled(key, build, cache), _read_profiles, _PROFILES)


def place_in_cache(key: str, cache: Path) -> Path:
    """Return the folder of the network called `key`, named by all versions that it depends on; it may not exist."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _DISTRIBUTIONS]
    digest = hashlib.sha256("\n".join([str(_FORMAT), key, *versions]).encode()).hexdigest()
    return cache / f"{key}-{digest[:16]}"


def _filled(key: str, build: Callable[[], Network], cache: Path) -> Path:
    folder = place_in_cache(key, cache)
    if not folder.is_dir():
        try:
            _fill(folder, build)
        except OSError as error:
            raise NetworkError(f"the cache {cache} cannot be written: {error.strerror}") from None
    return folder


def _fill(folder: Path, build: Callable[[], Network]) -> None:
    """Build beside the place and rename, so that an interrupted build leaves nothing half done."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        network = build()
        write_network(network, partial / _NETWORK)
        _write_profiles(network_profiles(network), partial / _PROFILES)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another build was first, with the same content
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read(folder: Path, read: Callable[[Path], _Content], name: str) -> _Content:
    try:
        return read(folder / name)
    except (NetworkError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise NetworkError(f"{folder / name} is damaged ({error}); remove {folder}, it will be built again") from None


def _write_profiles(profiles: NetworkProfiles, path: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    for name in _SERIES:
        series: FactoredSeries = getattr(profiles, name)
        arrays[f"{name}_profile"] = np.array(series.profile)
        arrays[f"{name}_factor"] = series.factor
        arrays[f"{name}_column"] = series.column
        arrays[f"{name}_nominal"] = series.nominal
    np.savez(path, allow_pickle=False, **arrays)


def _read_profiles(path: Path) -> NetworkProfiles:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        series = {
            name: FactoredSeries(
                profile=tuple(str(profile) for profile in arrays[f"{name}_profile"]),
                factor=arrays[f"{name}_factor"],
                column=arrays[f"{name}_column"],
                nominal=arrays[f"{name}_nominal"],
            )
            for name in _SERIES
        }
    return NetworkProfiles(**series)


def _carrying(network: Network, profiles: NetworkProfiles) -> Network:
    """Return the network with the factors inside, under the names that SimBench uses."""
    pandas = importlib.import_module("pandas")
    loads = (profiles.load_p, profiles.load_q)
    tables = {
        "load": pandas.concat([pandas.DataFrame(one.factor, columns=one.profile) for one in loads], axis=1),
        "renewables": pandas.DataFrame(profiles.generator_p.factor, columns=profiles.generator_p.profile),
    }
    return with_profile_tables(network, tables)
