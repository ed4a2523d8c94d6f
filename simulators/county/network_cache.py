"""The demo network and its year of profiles, from the cache of reference networks on the user's disk."""

from dataclasses import dataclass
from pathlib import Path

from grid_models.network_cache import place_in_cache
from grid_models.networks import Network
from grid_models.reference_networks import ReferenceNetwork, reference_network, reference_profiles
from grid_models.simbench_profiles import NetworkProfiles

_DEMO = ReferenceNetwork.DEMO.value


@dataclass(frozen=True)
class CachedCase:
    """The demo network and its profiles; `hit` tells whether the cache had them."""

    network: Network
    profiles: NetworkProfiles
    hit: bool


def cached_demo_case(cache: Path) -> CachedCase:
    """Return the demo network and its profiles, built only if the cache lacks them for the versions installed.

    :raises NetworkError: if a cached file is damaged, the network cannot be built or the cache cannot be written
    """
    hit = case_folder(cache).is_dir()
    return CachedCase(reference_network(_DEMO, cache=cache), reference_profiles(_DEMO, cache=cache), hit)


def case_folder(cache: Path) -> Path:
    """Return where in the cache the case lies, named by all versions that it depends on."""
    return place_in_cache(_DEMO, cache)
