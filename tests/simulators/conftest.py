"""The demo county, built once for all tests of the simulators."""

from datetime import date
from pathlib import Path

import pytest

from grid_models.network_cache import default_cache_folder
from simulators.county.county_builder import County, build_county, write_county
from simulators.county.network_cache import CachedCase, cached_demo_case
from simulators.world.model import WorldModel, read_world_model

DAY = date(2016, 5, 17)
SEED = 1


@pytest.fixture(scope="session")
def case() -> CachedCase:
    return cached_demo_case(default_cache_folder())


@pytest.fixture(scope="session")
def county(case: CachedCase) -> County:
    return build_county(case.network, case.profiles, SEED, DAY)


@pytest.fixture(scope="session")
def county_folder(county: County, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    write_county(county, folder)
    return folder


@pytest.fixture(scope="session")
def model(county_folder: Path) -> WorldModel:
    return read_world_model(county_folder)
