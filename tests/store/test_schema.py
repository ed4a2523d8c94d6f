import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from hub.store.engine import StoreUrlError, open_engine
from hub.store.readings import READING_NAMES, insert_readings
from hub.store.schema import migrate, newest_revision
from hub.store.tables import PostingRow, ReadingRow


def test_migrations_make_exactly_the_tables_of_the_program(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    engine.dispose()
    assert not differences, differences


def test_a_current_database_is_left_as_it_is(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        session.add(_reading(value=5))
        session.commit()
    migrate(database_url)
    with Session(engine) as session:
        assert session.get(ReadingRow, (900, 0, 0, 0)) is not None
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == newest_revision()
    engine.dispose()


@pytest.mark.parametrize("table", ["posting", "reading"])
@pytest.mark.parametrize("change", ["UPDATE {table} SET meter = 9", "DELETE FROM {table}"])
def test_postings_and_readings_cannot_be_changed(database_url: str, table: str, change: str) -> None:
    _refused(database_url, change.format(table=table))


def test_sqlite_replace_is_no_way_round_the_append_only_rule(migrated_sqlite_url: str) -> None:
    names = ", ".join(READING_NAMES)
    _refused(migrated_sqlite_url, f"REPLACE INTO reading ({names}) VALUES (900, 0, 0, 0, 999, 0, 0)")  # noqa: S608


@pytest.mark.parametrize("table", ["posting", "reading"])
def test_postgresql_truncate_is_no_way_round_the_append_only_rule(postgresql_url: str, table: str) -> None:
    _refused(postgresql_url, f"TRUNCATE {table}")


def test_bulk_tables_are_clustered_by_their_key_on_sqlite(migrated_sqlite_url: str) -> None:
    path = migrated_sqlite_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    clustered = {name for name, sql in made if "WITHOUT ROWID" in sql}
    assert clustered >= {"reading", "order", "fill", "pair", "posting", "unit_price", "setpoint"}


def test_the_key_of_a_reading_begins_with_time(database_url: str) -> None:
    engine = open_engine(database_url)
    key = inspect(engine).get_pk_constraint("reading")["constrained_columns"]
    engine.dispose()
    assert key == ["read_instant_utc_s", "meter", "channel", "revision"]


def test_sqlite_syncs_every_commit_and_a_reader_cannot_write(migrated_sqlite_url: str) -> None:
    writer, reader = open_engine(migrated_sqlite_url), open_engine(migrated_sqlite_url, read_only=True)
    with writer.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    with reader.connect() as connection, pytest.raises(DBAPIError):
        connection.exec_driver_sql("DELETE FROM counter")
    writer.dispose()
    reader.dispose()


def test_a_postgresql_reader_cannot_write(postgresql_url: str) -> None:
    reader = open_engine(postgresql_url, read_only=True)
    with reader.connect() as connection, pytest.raises(DBAPIError):
        connection.exec_driver_sql("DELETE FROM counter")
    reader.dispose()


def test_a_reader_sees_one_snapshot_while_a_writer_commits(database_url: str) -> None:
    writer, reader = open_engine(database_url), open_engine(database_url, read_only=True)
    count = text("SELECT count(*) FROM reading")
    with Session(reader) as reading, Session(writer) as writing:
        assert reading.execute(count).scalar_one() == 0
        writing.add(_reading(value=1))
        writing.commit()
        assert reading.execute(count).scalar_one() == 0
        reading.rollback()
        assert reading.execute(count).scalar_one() == 1
    writer.dispose()
    reader.dispose()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/db", "sqlite://"])
def test_a_database_that_is_not_supported_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(StoreUrlError) as error:
        open_engine(url)
    assert "\n" not in str(error.value)


def _reading(value: int) -> ReadingRow:
    return ReadingRow(read_instant_utc_s=900, meter=0, channel=0, revision=0, value=value, flags=0, gateway=0)


def _refused(url: str, statement: str) -> None:
    engine = open_engine(url)
    with Session(engine) as session:
        insert_readings(session, [(900, 0, 0, 0, 5, 0, 0)])
        session.add(
            PostingRow(
                interval=1,
                seq=0,
                run=0,
                kind="energy",
                debit=0,
                credit=1,
                amount_nano_yuan=7,
                meter=0,
                energy_wh=1,
                price_uyuan_per_kwh=7,
            )
        )
        session.commit()
    with Session(engine) as session, pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(statement))
    with Session(engine) as session:
        assert session.execute(text("SELECT value FROM reading")).scalar_one() == 5
        assert session.execute(text("SELECT amount_nano_yuan FROM posting")).scalar_one() == 7
    engine.dispose()
