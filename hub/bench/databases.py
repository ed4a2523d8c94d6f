"""Databases to measure on: SQLite in the workbench's folder, and PostgreSQL in a database of its own."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from grid_models.bench.measuring import BenchError
from hub.store.engine import open_engine, sqlite_url
from hub.store.schema import migrate


@dataclass(frozen=True)
class Database:
    """A database with the schema and no rows. name: of its kind, for the table."""

    name: str
    engine: Engine


@contextmanager
def sqlite_database(folder: Path, name: str) -> Iterator[Database]:
    """Give a new SQLite database; its file is called by `name`."""
    url = sqlite_url(folder / f"{name}.db")
    migrate(url)
    engine = open_engine(url)
    try:
        yield Database("SQLite", engine)
    finally:
        engine.dispose()


@contextmanager
def postgresql_database(url: str) -> Iterator[Database]:
    """Give a new database on the server of the URL, and drop it at the end; what the URL names is left alone.

    :raises BenchError: if the server cannot be reached or does not let this user make a database
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BenchError("--database is no URL; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    if parsed.get_backend_name() != "postgresql":
        raise BenchError(
            f"--database names {parsed.get_backend_name()}, but only PostgreSQL is measured besides SQLite"
        )
    server = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"microbalance_bench_{secrets.token_hex(4)}"
    _execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        own = parsed.set(database=name).render_as_string(hide_password=False)
        migrate(own)
        engine = open_engine(own)
        try:
            yield Database("PostgreSQL", engine)
        finally:
            engine.dispose()
    finally:
        _execute(server, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def server_version(database: Database) -> str:
    """Return the version of the database program."""
    with database.engine.connect() as connection:
        if database.engine.dialect.name == "sqlite":
            return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one())
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one()).split(maxsplit=1)[0]


def table_content(database: Database, table: str, meters: Iterable[int] | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of a table in the order of all its columns.

    :param meters: only the rows of these metering points; None: all rows
    """
    of_meters = "" if meters is None else f" WHERE meter IN ({', '.join(str(meter) for meter in sorted(meters))})"
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"{of_meters}')  # noqa: S608
        return sorted((tuple(row) for row in rows), key=repr)


def _execute(server: str, statement: sql.Composed) -> None:
    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)
    except psycopg.Error as error:
        words = " ".join(str(error).split())
        raise BenchError(f"--database: {words}") from None
