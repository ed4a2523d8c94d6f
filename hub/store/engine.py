"""Open the database by URL: SQLite in a file, or PostgreSQL. The same schema and the same functions on both.

SQLite runs in WAL mode with synchronous = FULL. NORMAL would survive a kill of the program, but not a power cut: a
commit of the last second could vanish after its receipt went out and the edge deleted its copy. A receipt is the
promise that a reading is safe (DESIGN 8), so each commit is synced; ingest commits in batches, a few times an instant.
"""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

BUSY_TIMEOUT_MS = 10_000


class StoreUrlError(ValueError):
    """A database URL that this program cannot use."""


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite database in the file."""
    return f"sqlite:///{path.resolve()}"


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine for the database.

    On SQLite a transaction of a writing engine begins IMMEDIATE: it waits for its turn at the start and cannot fail
    half way because another connection wrote since it read. Use a read-only engine for the API: its transactions see
    one snapshot and never wait.

    :param url: sqlite:///file, postgresql://user:password@host:port/database
    :param read_only: refuse every write on this engine's connections
    :raises StoreUrlError: if the URL names no database that is supported
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, read_only=read_only)
    return _postgresql_engine(parsed, read_only=read_only)


def is_postgresql(connection: Connection) -> bool:
    """Tell whether the connection leads to PostgreSQL; otherwise it is SQLite."""
    return connection.dialect.name == "postgresql"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreUrlError("the database URL is not one; write sqlite:///FILE or postgresql://...") from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreUrlError(f"database {parsed.get_backend_name()!r} is not supported; use sqlite or postgresql")
    if parsed.get_backend_name() == "sqlite" and not parsed.database:
        raise StoreUrlError("a SQLite database must be a file: sqlite:///FILE")
    return parsed


def _postgresql_engine(url: URL, *, read_only: bool) -> Engine:
    driver_url = url.set(drivername="postgresql+psycopg")
    if not read_only:
        return create_engine(driver_url, pool_pre_ping=True)
    return create_engine(
        driver_url,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
        connect_args={"options": "-c default_transaction_read_only=on"},
    )


def _sqlite_engine(url: URL, *, read_only: bool) -> Engine:
    engine = create_engine(url)
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401
        connection.isolation_level = None  # the driver must not begin transactions on its own
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(
            "PRAGMA recursive_triggers = ON"
        )  # else REPLACE would delete without the append-only trigger
        connection.execute("PRAGMA cache_size = -65536")
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
