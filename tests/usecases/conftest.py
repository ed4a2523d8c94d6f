"""The toy county, made once, and a market over it on an empty database."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine

from hub.store.engine import open_engine, sqlite_url
from hub.usecases.load_county import County


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    return _sibling("toy_county")


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory, toy: ModuleType) -> Path:
    return toy.write_county(tmp_path_factory.mktemp("toy") / "county")


@pytest.fixture(scope="session")
def toy_county(toy_folder: Path) -> County:
    return County(toy_folder)


@pytest.fixture
def make_market(toy: ModuleType, toy_folder: Path, toy_county: County) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a market over the toy county on the empty database at a URL."""
    toy_market = _sibling("toy_market")
    with ExitStack() as opened:

        def make(url: str, **how: Any) -> Any:
            market = toy_market.ToyMarket(toy, url, toy_folder, toy_county, **how)
            opened.callback(market.close)
            return market

        yield make


@pytest.fixture
def toy_market_parameters() -> dict[str, int]:
    """What the toy market sets for its assessments of hosting capacity."""
    return dict(_sibling("toy_market").HOSTING_PARAMETERS)


@pytest.fixture(scope="session")
def toy_register() -> ModuleType:
    """The module that makes a register for the toy county."""
    return _sibling("toy_register")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on an empty database: once on SQLite, once on PostgreSQL."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def second_sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of another database with the schema and nothing else."""
    shutil.copy(sqlite_template, tmp_path / "second.db")
    return sqlite_url(tmp_path / "second.db")


@pytest.fixture(scope="session")
def undisturbed(toy: ModuleType, toy_folder: Path, toy_county: County, sqlite_template: Path) -> Iterator[Any]:
    """A market after its whole run, to compare with; nobody changes it."""
    path = toy_folder.parent / "undisturbed.db"
    shutil.copy(sqlite_template, path)
    market = _sibling("toy_market").ToyMarket(toy, sqlite_url(path), toy_folder, toy_county).whole_run()
    yield market
    market.close()


@pytest.fixture
def market(make_market: Callable[..., Any], migrated_sqlite_url: str) -> Any:
    return make_market(migrated_sqlite_url)


def _sibling(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def billed() -> ModuleType:
    """A county of users of every kind, with its months."""
    return _sibling("billed_month")


@pytest.fixture(scope="session")
def read_january(
    billed: ModuleType,
    make_registry: Callable[..., Any],
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Any]:
    """The file of a county whose January is read, to be copied, and the county."""
    path = tmp_path_factory.mktemp("january") / "hub.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(sqlite_url(path))
    county = billed.open_county(engine, make_registry(areas=2, meters=4))
    county.read(billed.JANUARY)
    engine.dispose()
    return path, county


@pytest.fixture
def county(read_january: tuple[Path, Any], tmp_path: Path) -> Iterator[Any]:
    """A county of users of every kind whose January is read, on a database of its own."""
    path, made = read_january
    shutil.copy(path, tmp_path / "county.db")
    engine = open_engine(sqlite_url(tmp_path / "county.db"))
    yield replace(made, engine=engine)
    engine.dispose()
