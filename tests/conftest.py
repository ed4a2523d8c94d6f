"""What several folders of tests share: a small county's registry, and an empty database on SQLite and PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlmodel import SQLModel

from edge.contract.messages import CHANNELS
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
)
from hub.store.engine import sqlite_url
from hub.store.schema import migrate

REGISTERS = CHANNELS[:4]

# A property is right or wrong, however long a loaded machine needs for an example.
settings.register_profile("untimed", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand tests out by folder, so that what a folder shares is made once; the days, which last longest, first."""
    here = Path(__file__).parent
    folders = {item: item.path.relative_to(here).parts[0] for item in items}
    for item, folder in folders.items():
        item.add_marker(pytest.mark.xdist_group(folder))
    items.sort(key=lambda item: folders[item] != "scenario")


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[str]:
    """The URL, without a database name, of a private PostgreSQL that sorts text by language, not by byte."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert programs, "PostgreSQL is not installed: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))
    folder.chmod(0o711)
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_owner:
        shutil.chown(folder, "postgres")
    data, log = folder / "data", folder / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [*as_owner, str(programs[-1] / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    try:
        run(
            *("initdb", "-D", str(data), "-U", "market", "-A", "trust", "-E", "UTF8", "--no-sync"),
            *("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"),
        )
        run("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        try:
            yield f"postgresql://market@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_database(postgresql_cluster: str) -> str:
    """The URL of the one PostgreSQL database of the tests, with the schema."""
    with psycopg.connect(f"{postgresql_cluster}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE market")
    migrate(f"{postgresql_cluster}/market")
    return f"{postgresql_cluster}/market"


@pytest.fixture
def postgresql_url(postgresql_database: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with the schema and no rows, for one test."""
    yield postgresql_database
    with psycopg.connect(postgresql_database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no triggers: postings and readings go too
        for name in SQLModel.metadata.tables:
            connection.execute(f'DELETE FROM "{name}"')  # noqa: S608


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that holds the schema and nothing else."""
    path = tmp_path_factory.mktemp("template") / "hub.db"
    migrate(sqlite_url(path))
    return path


@pytest.fixture
def migrated_sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of a SQLite database of its own, with the schema."""
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    return sqlite_url(tmp_path / "hub.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an own database with the schema: once on SQLite, once on PostgreSQL."""
    name = "migrated_sqlite_url" if request.param == "sqlite" else "postgresql_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(scope="session")
def make_registry() -> Callable[..., Registry]:
    """Return a function that makes a county of `areas` areas under one feeder with `meters` meters each.

    The first meter of an area sells and buys directly and has all seven channels; the others are loads, every second
    one direct. Each area has its own gateway and shard s0.
    """
    return _county


@pytest.fixture(scope="session")
def small_registry() -> Registry:
    """Two areas with three meters each: M000001..3 of gateway G0001, M000004..6 of G0002."""
    return _county(areas=2, meters=3)


def _county(*, areas: int, meters: int) -> Registry:
    unit_ids = [f"A{area + 1:03d}" for area in range(areas)]
    units = [
        BalanceUnit(unit_id, "F1", UnitKind.AREA, "<1kV", 80_000, 100_000, (f"trafo {unit_id}",))
        for unit_id in unit_ids
    ]
    units.append(BalanceUnit("F1", "county", UnitKind.FEEDER, "10(20)kV", None, None, ("line 1", "线路 2")))
    units.append(BalanceUnit("county", None, UnitKind.COUNTY, "110kV", 10_000_000, 10_000_000, ()))
    points = [_point(area * meters + meter, area, meter) for area in range(areas) for meter in range(meters)]
    gateways = [
        Gateway(
            f"G{area + 1:04d}",
            "s0",
            unit_ids[area],
            tuple(point.meter_id for point in points[area * meters : (area + 1) * meters]),
        )
        for area in range(areas)
    ]
    participants = [
        Participant(point.participant_id, SellerClass.PROSUMER if point.kind is MeterKind.PROSUMER else None)
        for point in points
    ]
    return Registry("c1", tuple(units), tuple(gateways), tuple(points), tuple(participants))


def _point(number: int, area: int, meter: int) -> MeteringPoint:
    is_prosumer = meter == 0
    return MeteringPoint(
        meter_id=f"M{number + 1:06d}",
        gateway_id=f"G{area + 1:04d}",
        unit_id=f"A{area + 1:03d}",
        bus=f"bus {number}",
        kind=MeterKind.PROSUMER if is_prosumer else MeterKind.LOAD,
        channels=CHANNELS if is_prosumer else REGISTERS,
        voltage_class="<1kV",
        participant_id=f"P{number + 1:05d}",
        supply_mode=SupplyMode.DIRECT if meter % 2 == 0 else SupplyMode.GUARANTEED,
        sale_mode=SaleMode.DIRECT if is_prosumer else SaleMode.NONE,
        category=UserCategory.RESIDENTIAL,
        clean=is_prosumer,
        export_capacity_w=10_000 if is_prosumer else 0,
        import_capacity_w=20_000,
    )
