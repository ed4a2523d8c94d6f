"""The toy county of the use cases' tests, and what surrounds the hub's process."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    return _module(HERE.parent / "usecases" / "toy_county.py")


@pytest.fixture(scope="session")
def toy_market() -> ModuleType:
    return _module(HERE.parent / "usecases" / "toy_market.py")


@pytest.fixture(scope="session")
def toy_register() -> ModuleType:
    return _module(HERE.parent / "usecases" / "toy_register.py")


@pytest.fixture(scope="session")
def rig() -> ModuleType:
    return _module(HERE / "hub_rig.py")


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory, toy: ModuleType) -> Path:
    return toy.write_county(tmp_path_factory.mktemp("toy") / "county")


@pytest.fixture
def conductor(rig: ModuleType) -> Iterator[Any]:
    there = rig.Conductor()
    yield there
    there.close()


def _module(path: Path) -> ModuleType:
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
