"""Whole demo days through the command line, shared between the tests that look at them from different sides."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NOON = ("--from", "11:30", "--to", "12:30")
"""Four intervals of congestion: what is disturbed or stored elsewhere is compared with the undisturbed ones."""

NIGHT = ("--from", "00:00", "--to", "00:45")
"""The first hours of the day, as far as they are run."""

RunDemo = Callable[..., Any]


@pytest.fixture(scope="session")
def demo_process() -> ModuleType:
    path = Path(__file__).with_name("demo_process.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def new_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Path]]:
    """Return a function that makes an empty folder for a run; all are removed at the end unless a test failed."""
    made: list[Path] = []

    def make() -> Path:
        made.append(tmp_path_factory.mktemp("demo"))
        return made[-1]

    yield make
    if not request.session.testsfailed:
        for folder in made:
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def default_county(demo_process: ModuleType, new_folder: Callable[[], Path]) -> Path:
    """The folder of the default county, built once by the command."""
    folder = new_folder()
    with demo_process.Program(["county", "--out", str(folder / "county"), "--json"], folder) as program:
        program.wait().succeeded()
    return folder / "county"


@pytest.fixture(scope="session")
def prepared_folder(default_county: Path, new_folder: Callable[[], Path]) -> Callable[[], Path]:
    """Return a function that makes a folder whose `run` holds the default county, so that it is not built again."""

    def make() -> Path:
        folder = new_folder()
        shutil.copytree(default_county, folder / "run" / "county")
        return folder

    return make


@pytest.fixture(scope="session")
def run_demo(demo_process: ModuleType, prepared_folder: Callable[[], Path]) -> RunDemo:
    """Return a function that runs a demo of the default county to its end."""

    def run(*arguments: str, folder: Path | None = None) -> Any:
        chosen = prepared_folder() if folder is None else folder
        line = demo_process.demo_arguments(chosen, "--exit", *arguments)
        with demo_process.Program(line, chosen) as program:
            return program.wait()

    return run


@pytest.fixture(scope="session")
def noon_span() -> tuple[str, ...]:
    """The options that choose the hour around noon."""
    return NOON


@pytest.fixture(scope="session")
def run_noon(run_demo: RunDemo) -> RunDemo:
    """Return a function that runs the hour around noon, with further options if there are any."""
    return partial(run_demo, *NOON)


@pytest.fixture(scope="session")
def run_night(run_demo: RunDemo) -> RunDemo:
    """Return a function that runs the beginning of the day, with further options if there are any."""
    return partial(run_demo, *NIGHT)


@pytest.fixture(scope="session")
def noon(run_noon: RunDemo) -> Any:
    """The undisturbed hour around noon, as it ended."""
    return run_noon().succeeded()
