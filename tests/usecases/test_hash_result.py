"""The result hash: what it stands for, and what does not matter to it."""

import random

import pytest
from sqlalchemy import select
from sqlmodel import Session

from edge.contract.messages import IMPORT, Order, Reading, Side
from hub.market.order_rules import Accepted
from hub.store.bulk import insert_rows
from hub.store.counters import add_to_counters
from hub.store.engine import open_engine
from hub.store.jobs import mark_job_done
from hub.store.tables import (
    FillRow,
    OrderRow,
    PairRow,
    PostingRow,
    ReadingRow,
    SetpointRow,
    StatementLineRow,
    StatementRow,
    UnitPriceRow,
)
from hub.usecases.admit_readings import Quarantined
from hub.usecases.hash_result import hash_result

HASHED = (
    ReadingRow,
    OrderRow,
    FillRow,
    UnitPriceRow,
    PairRow,
    SetpointRow,
    PostingRow,
    StatementLineRow,
    StatementRow,
)
CHANGES = (
    (ReadingRow, "value"),
    (OrderRow, "energy_wh"),
    (OrderRow, "price_uyuan_per_kwh"),
    (OrderRow, "submitted_utc_s"),
    (FillRow, "filled_wh"),
    (FillRow, "cleared_wh"),
    (UnitPriceRow, "price_uyuan_per_kwh"),
    (UnitPriceRow, "binding"),
    (PairRow, "energy_wh"),
    (PairRow, "price_received_uyuan_per_kwh"),
    (SetpointRow, "export_limit_w"),
    (PostingRow, "amount_nano_yuan"),
    (StatementLineRow, "amount_fen"),
    (StatementRow, "total_fen"),
)


def content(market):
    """The rows of every hashed table, with a setpoint among them."""
    rows = {}
    with Session(market.engine) as session:
        for row_class in HASHED:
            table = row_class.__table__
            rows[row_class] = [tuple(row) for row in session.execute(select(*table.columns))]
    assert all(rows[row_class] for row_class in HASHED)
    return rows


def names_of(row_class):
    return tuple(column.name for column in row_class.__table__.columns)


def hash_of(url, rows, seed):
    """Write the rows in some order into an empty database and return its hash."""
    engine = open_engine(url)
    try:
        with Session(engine) as session:
            for row_class, some in rows.items():
                shuffled = random.Random(seed).sample(some, len(some))
                insert_rows(session, row_class, names_of(row_class), shuffled)
            session.flush()
            return hash_result(session)
    finally:
        engine.dispose()


@pytest.fixture
def run(market):
    strong = market.toy.Weather(net_w={"M000007": 170_000, "M000008": 110_000})
    return market.whole_run(weather=strong)


def hash_now(market):
    with Session(market.engine) as session:
        return hash_result(session)


def test_the_same_content_has_the_same_hash_in_any_order_on_any_database(run, second_sqlite_url, postgresql_url):
    rows, expected = content(run), hash_now(run)
    assert len(expected) == 64
    assert hash_of(second_sqlite_url, rows, 1) == expected
    assert hash_of(second_sqlite_url, rows, 2) == expected
    assert hash_of(postgresql_url, rows, 3) == expected


def test_every_kind_of_result_counts(run, second_sqlite_url):
    rows, expected = content(run), hash_now(run)
    seen = {expected}
    for row_class, column in CHANGES:
        at = names_of(row_class).index(column)
        first, *others = sorted(rows[row_class], key=repr)
        if row_class is OrderRow:  # one that counts: rejected orders do not
            assert first[names_of(row_class).index("status")] == 1
        changed = (*first[:at], first[at] + 1, *first[at + 1 :])
        seen.add(hash_of(second_sqlite_url, {**rows, row_class: [changed, *others]}, 4))
        seen.add(hash_of(second_sqlite_url, {**rows, row_class: others}, 5))
    assert len(seen) == 1 + len(CHANGES) + len(HASHED)


def test_what_was_refused_repeated_or_counted_does_not_matter(run):
    expected = hash_now(run)
    interval = run.last + 1
    (reading,) = [one for one in run.physics.readings(interval, "G0002") if one.meter == "M000006"]
    more = Reading("M000006", reading.instant_utc_s, {**reading.registers, IMPORT: reading.registers[IMPORT] + 1})
    outcomes = run.admit(interval, {"G0002": [reading, more, Reading("M999999", reading.instant_utc_s, {})]})
    assert [type(outcome) is Quarantined for outcome in outcomes] == [False, True, True]
    order = Order("M000006", interval + 1, 1, Side.BUY, 10, 1, reading.instant_utc_s)
    run.submit({"G0002": (order,)}, interval)
    with Session(run.engine) as session:
        add_to_counters(session, {"messages": 7})
        mark_job_done(session, "gate", 900)
        session.commit()
    assert run.rows("SELECT max(revision) FROM reading") == [(1,)]
    assert run.rows('SELECT count(*) FROM "order" WHERE status = 0') == [(1,)]
    assert hash_now(run) == expected
    bid = Order("M000009", interval + 1, 2, Side.BUY, 10, 1_000, reading.instant_utc_s)
    (accepted,) = run.submit({"G0002": (bid,)}, interval)
    assert isinstance(accepted, Accepted)
    assert hash_now(run) != expected


def test_a_run_has_the_same_hash_on_both_databases(make_market, postgresql_url, undisturbed):
    """The whole way from readings to statements, on PostgreSQL as on SQLite."""
    one, other = undisturbed, make_market(postgresql_url).whole_run()
    assert hash_now(one) == hash_now(other)
    left, right = one.everything(), other.everything()
    assert left.keys() == right.keys()
    assert [name for name in left if left[name] != right[name]] == []
