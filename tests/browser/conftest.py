"""A hub that is served from a database of its own, whose next stages a test writes and announces; and a browser."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.api.app import create_app
from hub.api.context import NetworkLimits
from hub.api.events import EventStream, Stage, StageEvent
from hub.console import STATIC_FILES
from hub.reports.bill_report import bill_pdf
from hub.reports.bill_workbook import bill_workbook
from hub.store.engine import open_engine, sqlite_url
from hub.store.hosting import HostingOmission, save_omission
from hub.store.schema import migrate

HERE = Path(__file__).parent
LIMITS = NetworkLimits(vm_min_upu=900_000, vm_max_upu=1_070_000, loading_max_mpercent=100_000)


@dataclass
class RunningHub:
    """A hub that a test drives. at: position of the hub's time in the day. there: the county."""

    engine: Engine
    days: ModuleType
    there: object
    servers: ModuleType
    opened: ExitStack
    at: int
    events: EventStream = field(default_factory=lambda: EventStream("boot1"))
    address: str = ""

    def serve(self, port: int = 0) -> None:
        """Serve the console and its API."""
        reading = open_engine(str(self.engine.url), read_only=True)
        self.opened.callback(reading.dispose)
        app = create_app(
            open_session=lambda: Session(reading),
            now_utc_s=lambda: start_utc_s(self.days.FIRST + self.at),
            events=self.events,
            limits=LIMITS,
            console_files=STATIC_FILES,
            heartbeat_s=1.0,
            bill_forms={"xlsx": bill_workbook, "pdf": bill_pdf},
        )
        self.address = self.opened.enter_context(self.servers.serving(app, port))

    def restart(self, boot: str) -> None:
        """Stop serving, and serve again at the same address as another run of the hub."""
        port = int(self.address.rpartition(":")[2])
        self.opened.close()
        self.events = EventStream(boot)
        self.serve(port)

    def clear(self, position: int) -> None:
        """Clear the interval at this position of the day and announce it."""
        with Session(self.engine) as session:
            self.days.clear(session, self.there, self.days.FIRST + position)
            session.commit()
        self.announce(Stage.CLEARED, position)

    def settle(self, position: int) -> None:
        """Settle the interval at this position of the day and announce it."""
        with Session(self.engine) as session:
            self.days.read_registers(session, self.there, self.days.FIRST + position)
            self.days.settle(session, self.there, self.days.FIRST + position)
            session.commit()
        self.announce(Stage.SETTLED, position)

    def assess(self, assessed_at_utc_s: int) -> None:
        """Save a list of hosting capacity and announce that there is something to read."""
        with Session(self.engine) as session:
            self.days.assess(session, self.there, assessed_at_utc_s)
            session.commit()
        self.announce(Stage.READ, self.at)

    def omit(self, omission: HostingOmission) -> None:
        """Save that a day gave no list."""
        with Session(self.engine) as session:
            save_omission(session, omission)
            session.commit()

    def announce(self, stage: Stage, position: int) -> None:
        interval = self.days.FIRST + position
        self.events.publish(StageEvent(stage, interval, start_utc_s(self.days.FIRST + self.at)))


@pytest.fixture(scope="session")
def county_day() -> ModuleType:
    return _loaded(HERE.parent / "api" / "county_day.py")


@pytest.fixture(scope="session")
def loopback_server() -> ModuleType:
    return _loaded(HERE.parent / "api" / "loopback_server.py")


@pytest.fixture(scope="session")
def county_work() -> ModuleType:
    return _loaded(HERE / "county_work.py")


@pytest.fixture(scope="session")
def toy_register() -> ModuleType:
    return _loaded(HERE.parent / "usecases" / "toy_register.py")


@pytest.fixture(scope="session")
def chromium() -> ModuleType:
    return _loaded(HERE / "chromium.py")


@pytest.fixture(scope="module")  # a second browser in the same process must wait until this one is closed
def browser(chromium: ModuleType) -> Iterator[Browser]:
    with chromium.chromium() as opened:
        yield opened


@pytest.fixture
def hub_of(tmp_path: Path, county_day: ModuleType, loopback_server: ModuleType) -> Iterator[Callable[..., RunningHub]]:
    """Write the first intervals of a day and serve it."""
    with ExitStack() as opened:

        def start(*, settled: int, cleared: int, refused: bool = True) -> RunningHub:
            url = sqlite_url(tmp_path / "hub.db")
            migrate(url)
            engine = open_engine(url)
            opened.callback(engine.dispose)
            there = county_day.write_day(engine, settled=settled, cleared=cleared, refused=refused)
            served = opened.enter_context(ExitStack())
            at = 96 if settled == 96 else settled + 1
            hub = RunningHub(engine, county_day, there, loopback_server, served, at)
            hub.serve()
            return hub

        yield start


@pytest.fixture
def open_page(browser: Browser, chromium: ModuleType) -> Iterator[Callable[..., object]]:
    """Open a page of the console and wait until it is live; at the end it must have nothing to complain about."""
    with ExitStack() as opened:

        def show(hub: RunningHub, where: str = "overview", language: str = "zh-CN", **look: object) -> object:
            page_context: AbstractContextManager = chromium.watched_page(browser, **look)
            watched = opened.enter_context(page_context)
            watched.page.goto(f"{hub.address}/?language={language}#/{where}")
            watched.page.wait_for_selector("[data-line=alive]")
            return watched

        yield show


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
