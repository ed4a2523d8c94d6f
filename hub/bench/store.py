"""The benchmark `store`: readings and postings written in bulk, as the hub does, against SQLModel's add_all.

Each run writes and commits one batch of new rows; the peer writes the same rows to a database of its own. At the end
both must hold the same.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from sqlmodel import Session, SQLModel

from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import Comparison, Contender, Outcome, Show, Workbench, require_equal, time_in_turn
from hub.bench.databases import Database, postgresql_database, server_version, sqlite_database, table_content
from hub.store.bulk import Row, insert_rows, table_of
from hub.store.readings import READING_NAMES, insert_readings
from hub.store.tables import PostingRow, ReadingRow

ROWS: Final = 20_000
SMALL_ROWS: Final = 200
CHANNELS_A_METER: Final = 4
FIRST_INTERVAL: Final = 1_629_000
POSTING_NAMES: Final = (
    "interval",
    "seq",
    "run",
    "kind",
    "debit",
    "credit",
    "amount_nano_yuan",
    "meter",
    "energy_wh",
    "price_uyuan_per_kwh",
)
KINDS: Final = ("ENERGY", "NETWORK_UNCOVERED", "IMPORT_DEVIATION", "LOSS_FEE")


@dataclass(frozen=True)
class Bulk:
    """One kind of rows. make: (batch number, rows) -> rows; insert: as the program writes them."""

    what: str
    row_class: type[SQLModel]
    names: tuple[str, ...]
    make: Callable[[int, int], list[Row]]
    insert: Callable[[Session, list[Row]], object]


def reading_rows(batch: int, n_rows: int) -> list[Row]:
    """Return the registers of one instant, four channels a meter."""
    instant = 900 * (FIRST_INTERVAL + batch)
    meters, channels = np.divmod(np.arange(n_rows), CHANNELS_A_METER)
    values = 10_000_000 + 37 * meters + 250 * batch + channels
    shared = itertools.repeat
    columns = (shared(instant), meters.tolist(), channels.tolist(), shared(0), values.tolist(), shared(0), shared(7))
    return list(zip(*columns, strict=False))


def posting_rows(batch: int, n_rows: int) -> list[Row]:
    """Return the postings of one interval."""
    number = np.arange(n_rows)
    energy, price = 40 + number % 900, 250_000 + 1_000 * (number % 300)
    kinds = [KINDS[each % len(KINDS)] for each in range(n_rows)]
    columns = (
        itertools.repeat(FIRST_INTERVAL + batch),
        number.tolist(),
        itertools.repeat(0),
        kinds,
        (number % 6_000).tolist(),
        itertools.repeat(6_001),
        (energy * price).tolist(),
        (number % 6_280).tolist(),
        energy.tolist(),
        price.tolist(),
    )
    return list(zip(*columns, strict=False))


BULKS: Final = (
    Bulk("readings", ReadingRow, READING_NAMES, reading_rows, insert_readings),
    Bulk(
        "postings",
        PostingRow,
        POSTING_NAMES,
        posting_rows,
        lambda session, rows: insert_rows(session, PostingRow, POSTING_NAMES, rows),
    ),
)


def measure(workbench: Workbench) -> Outcome:
    """Measure both kinds of rows on SQLite, and on PostgreSQL if a server is given.

    :raises BenchError: if the server cannot be used, or the two databases do not hold the same at the end
    """
    n_rows = SMALL_ROWS if workbench.small else ROWS
    comparisons: list[Comparison] = []
    versions = versions_of(("sqlmodel", "sqlalchemy", "psycopg"))
    for pair in _pairs(workbench):
        with pair as (ours, peer):
            versions[ours.name] = server_version(ours)
            comparisons += [_compare(bulk, ours, peer, n_rows, workbench) for bulk in BULKS]
    notes = [
        f"A run writes and commits {n_rows:,} rows, made beforehand; the peer makes its objects of them in the run."
    ]
    notes.append("SQLite: WAL, synchronous = FULL, so each commit is on the disk.")
    if workbench.database is None:
        notes.append("PostgreSQL was not measured: no --database was given.")
    return Outcome(tuple(comparisons), versions, tuple(notes))


def _pairs(workbench: Workbench) -> Iterator[Any]:
    folder = workbench.folder
    yield _pair(lambda who: sqlite_database(folder, f"store-{who}"))
    if workbench.database is not None:
        url = workbench.database
        yield _pair(lambda _who: postgresql_database(url))


@contextmanager
def _pair(open_one: Callable[[str], Any]) -> Iterator[tuple[Database, Database]]:
    with ExitStack() as stack:
        yield stack.enter_context(open_one("ours")), stack.enter_context(open_one("peer"))


def _compare(bulk: Bulk, ours: Database, peer: Database, n_rows: int, workbench: Workbench) -> Comparison:
    def write_ours(run: int) -> Callable[[], None]:
        return partial(_write_in_bulk, ours, bulk, bulk.make(run, n_rows))

    def write_peer(run: int) -> Callable[[], None]:
        fields = [dict(zip(bulk.names, row, strict=True)) for row in bulk.make(run, n_rows)]
        return partial(_write_by_add_all, peer, bulk.row_class, fields)

    runs = workbench.few_runs
    timed, timed_peer = time_in_turn(
        Contender("bulk statement", write_ours, n_rows),
        Contender("SQLModel add_all", write_peer, n_rows),
        runs=runs,
        peer_runs=runs,
    )
    name = table_of(bulk.row_class).name
    require_equal(f"table {name}", table_content(ours, name), table_content(peer, name))
    what = f"{bulk.what}, {ours.name}"
    return Comparison(what, Show.PER_SECOND, "rows", timed, timed_peer, "all rows of both databases")


def _write_in_bulk(database: Database, bulk: Bulk, rows: list[Row]) -> None:
    with Session(database.engine) as session:
        bulk.insert(session, rows)
        session.commit()


def _write_by_add_all(database: Database, row_class: type[SQLModel], fields: list[dict[str, Any]]) -> None:
    with Session(database.engine) as session:
        session.add_all([row_class(**each) for each in fields])
        session.commit()
