"""A filled day on SQLite and on PostgreSQL, and its figures."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlmodel import Session

from hub.reports.day_figures import DayFigures
from hub.reports.read_day import read_day_figures
from hub.store.engine import open_engine, sqlite_url
from hub.store.schema import migrate
from hub.usecases.load_county import CountyModel


@pytest.fixture(scope="session")
def filled_day() -> ModuleType:
    spec = importlib.util.spec_from_file_location("filled_day", Path(__file__).with_name("filled_day.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["filled_day"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def filled_url(tmp_path_factory: pytest.TempPathFactory, filled_day: ModuleType) -> str:
    """The SQLite database of the whole day; only to be read."""
    url = sqlite_url(tmp_path_factory.mktemp("filled") / "hub.db")
    migrate(url)
    engine = open_engine(url)
    with Session(engine) as session:
        filled_day.fill_day(session, filled_day.registry())
    engine.dispose()
    return url


@pytest.fixture
def session(filled_url: str) -> Iterator[Session]:
    """A session that reads the filled day."""
    engine = open_engine(filled_url, read_only=True)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture(scope="session")
def county(filled_day: ModuleType) -> CountyModel:
    return filled_day.county_model(filled_day.registry())


@pytest.fixture
def figures(session: Session, county: CountyModel, filled_day: ModuleType) -> DayFigures:
    return read_day_figures(session, county, first=filled_day.FIRST, last=filled_day.LAST)
