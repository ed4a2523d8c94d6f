"""A workbench over the toy county of the use cases' tests, with tiny cases."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grid_models.bench.measuring import Workbench

TOY = Path(__file__).parents[1] / "usecases" / "toy_county.py"


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("bench_toy_county", TOY)
    assert spec is not None
    assert spec.loader is not None
    toy = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = toy  # dataclasses look their module up
    spec.loader.exec_module(toy)
    return Path(toy.write_county(tmp_path_factory.mktemp("toy") / "county"))


@pytest.fixture
def workbench(tmp_path: Path, toy_folder: Path) -> Workbench:
    return make_workbench(tmp_path, given_county=toy_folder)


@pytest.fixture
def new_workbench(tmp_path: Path) -> Callable[..., Workbench]:
    def make(**given: object) -> Workbench:
        return make_workbench(tmp_path, **given)

    return make


def make_workbench(tmp_path: Path, **given: object) -> Workbench:
    def nobody_makes_one(_folder: Path) -> None:
        raise AssertionError("no county is to be made")

    defaults = {"runs": 1, "small": True, "database": None, "folder": tmp_path, "make_county": nobody_makes_one}
    return Workbench(**{**defaults, **given})
