"""The demo network and its year of profiles, from a cache on disk: building them from SimBench takes about 20 s.

The first build goes through the cache as well, so both ways give the same bytes.
"""

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grid_models.networks import DEMO_CODE, Network, NetworkError, demo_network, read_network, write_network
from grid_models.simbench_profiles import FactoredSeries, NetworkProfiles, network_profiles

_FORMAT = 1
_DISTRIBUTIONS = ("simbench", "pandapower", "pandas", "numpy", "county-microbalance")
_SERIES = ("load_p", "load_q", "generator_p")
_NETWORK = "network.json"
_PROFILES = "profiles.npz"


class CacheError(ValueError):
    """The cache holds a damaged file."""


@dataclass(frozen=True)
class CachedCase:
    """The demo network and its profiles; `hit` tells whether the cache had them."""

    network: Network
    profiles: NetworkProfiles
    hit: bool


def default_cache_folder() -> Path:
    """Return the user's cache folder for this program (XDG_CACHE_HOME, else ~/.cache)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "county-microbalance"


def cached_demo_case(cache: Path) -> CachedCase:
    """Return the demo network and its profiles, built only if the cache lacks them for the versions installed.

    :raises CacheError: if a cached file is damaged
    :raises NetworkError: if the network cannot be built
    :raises OSError: if the cache cannot be written
    """
    folder = case_folder(cache)
    hit = folder.is_dir()
    if not hit:
        _fill(folder)
    try:
        return CachedCase(read_network(folder / _NETWORK), _read_profiles(folder / _PROFILES), hit)
    except (NetworkError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CacheError(f"{error}; remove {folder}, it will be built again") from None


def case_folder(cache: Path) -> Path:
    """Return where in the cache the case lies, named by all versions that it depends on."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _DISTRIBUTIONS]
    key = hashlib.sha256("\n".join([str(_FORMAT), DEMO_CODE, *versions]).encode()).hexdigest()
    return cache / f"network-{key[:16]}"


def _fill(folder: Path) -> None:
    """Build the case beside its place and rename it, so that an interrupted build leaves nothing half done."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        network = demo_network()
        write_network(network, partial / _NETWORK)
        _write_profiles(network_profiles(network), partial / _PROFILES)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another build was first, with the same content
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
    with np.load(path, allow_pickle=False) as arrays:
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
