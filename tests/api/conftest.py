"""A county day on disk, once for the session: settled until noon, three intervals more cleared; and a closed day."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.api.app import create_app
from hub.api.context import NetworkLimits
from hub.api.events import EventStream
from hub.store.engine import open_engine, sqlite_url
from hub.store.schema import migrate

SETTLED, CLEARED = 50, 2
LIMITS = NetworkLimits(vm_min_upu=900_000, vm_max_upu=1_070_000, loading_max_mpercent=100_000)


@pytest.fixture(scope="session")
def county_day() -> ModuleType:
    return _sibling("county_day")


@pytest.fixture(scope="session")
def loopback_server() -> ModuleType:
    return _sibling("loopback_server")


@pytest.fixture(scope="session")
def running_url(tmp_path_factory: pytest.TempPathFactory, county_day: ModuleType) -> str:
    """The database of a day that is settled until 12:30."""
    return _written(tmp_path_factory, county_day, "running", settled=SETTLED, cleared=CLEARED)


@pytest.fixture(scope="session")
def closed_url(tmp_path_factory: pytest.TempPathFactory, county_day: ModuleType) -> str:
    """The database of a whole day with statements."""
    return _written(tmp_path_factory, county_day, "closed", settled=96, cleared=0)


@pytest.fixture(scope="session")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the schema and nothing in it."""
    url = sqlite_url(tmp_path_factory.mktemp("empty") / "hub.db")
    migrate(url)
    return url


@pytest.fixture
def client_of(county_day: ModuleType, loopback_server: ModuleType) -> Iterator[Callable[..., httpx.Client]]:
    """Serve the API over a database, with the hub's time at the start of an interval of the day; return a client."""
    with ExitStack() as opened:
        yield partial(_open_client, opened, county_day, loopback_server)


@pytest.fixture(scope="session")
def running(county_day: ModuleType, loopback_server: ModuleType, running_url: str) -> Iterator[httpx.Client]:
    """A client of a hub in the middle of its day, at 12:45."""
    with ExitStack() as opened:
        yield _open_client(opened, county_day, loopback_server, running_url)


@pytest.fixture(scope="session")
def closed(county_day: ModuleType, loopback_server: ModuleType, closed_url: str) -> Iterator[httpx.Client]:
    """A client of a hub whose day is over."""
    with ExitStack() as opened:
        yield _open_client(opened, county_day, loopback_server, closed_url, at=96)


def _open_client(
    opened: ExitStack,
    county_day: ModuleType,
    loopback_server: ModuleType,
    url: str,
    *,
    at: int = SETTLED + 1,
    events: EventStream | None = None,
) -> httpx.Client:
    engine = open_engine(url, read_only=True)
    opened.callback(engine.dispose)
    app = create_app(
        open_session=lambda: Session(engine),
        now_utc_s=lambda: start_utc_s(county_day.FIRST + at),
        events=events or EventStream("boot"),
        limits=LIMITS,
        console_files=None,
        heartbeat_s=0.2,
    )
    address = opened.enter_context(loopback_server.serving(app))
    return opened.enter_context(httpx.Client(base_url=address, timeout=60))


def _written(factory: pytest.TempPathFactory, county_day: ModuleType, name: str, **stages: int) -> str:
    url = sqlite_url(factory.mktemp(name) / "hub.db")
    migrate(url)
    engine = open_engine(url)
    county_day.write_day(engine, **stages)
    engine.dispose()
    return url


def _sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
