import numpy as np
import pytest
from sqlmodel import Session, select

from hub.store.bulk import OnConflict, RowRefusedError, insert_columns, insert_rows
from hub.store.engine import open_engine
from hub.store.tables import OrderRow, ProvincePriceRow

NAMES = ("interval", "day_ahead_uyuan_per_kwh", "indicative_uyuan_per_kwh")


def prices(session: Session) -> list[tuple[int, int | None, int | None]]:
    rows = session.exec(
        select(
            ProvincePriceRow.interval,
            ProvincePriceRow.day_ahead_uyuan_per_kwh,
            ProvincePriceRow.indicative_uyuan_per_kwh,
        )
    ).all()
    return sorted((interval, day_ahead, indicative) for interval, day_ahead, indicative in rows)


def test_what_happens_to_a_key_that_is_there_already(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        assert insert_rows(session, ProvincePriceRow, NAMES, [(1, 10, 100), (2, -20, None)]) == 2
        assert insert_rows(session, ProvincePriceRow, NAMES, [(2, 7, 7), (3, 30, 300)], OnConflict.KEEP) == 1
        assert prices(session) == [(1, 10, 100), (2, -20, None), (3, 30, 300)]
        names = ("interval", "indicative_uyuan_per_kwh")
        insert_rows(session, ProvincePriceRow, names, [(1, 111), (4, 444)], OnConflict.REPLACE)
        assert prices(session) == [(1, 10, 111), (2, -20, None), (3, 30, 300), (4, None, 444)]
        session.commit()
    with Session(engine) as session, pytest.raises(RowRefusedError, match="province_price"):
        insert_rows(session, ProvincePriceRow, NAMES, [(5, 5, 5), (1, 0, 0)])
    with Session(engine) as session:
        assert [row[0] for row in prices(session)] == [1, 2, 3, 4]
        assert insert_rows(session, ProvincePriceRow, NAMES, []) == 0
    engine.dispose()


def test_columns_may_be_arrays_lists_or_one_value_and_text_survives(database_url: str) -> None:
    engine = open_engine(database_url)
    ids = ["book/7/A001/SUPPLY", 'a,"b"\t\\N\n', "参与者 ①"]
    with Session(engine) as session:
        columns = {
            "interval": 7,
            "order_id": ids,
            "gateway": -1,
            "meter": np.array([-1, 0, 2**31 - 1]),
            "unit": np.arange(3),
            "number": 0,
            "side": np.array([0, 1, 1], np.int8),
            "party": 3,
            "energy_wh": np.array([0, 2**62, 5]),
            "price_uyuan_per_kwh": [-(2**63) + 1, 0, 1],
            "clean": np.array([True, False, True]),
            "submitted_utc_s": 6300,
            "status": 1,
            "reason": "",
        }
        assert insert_columns(session, OrderRow, columns) == 3
        session.commit()
        rows = {row.order_id: row for row in session.exec(select(OrderRow)).all()}
    engine.dispose()
    assert sorted(rows) == sorted(ids)
    assert [rows[name].meter for name in ids] == [-1, 0, 2**31 - 1]
    assert [rows[name].energy_wh for name in ids] == [0, 2**62, 5]
    assert rows[ids[0]].price_uyuan_per_kwh == -(2**63) + 1
    assert [rows[name].clean for name in ids] == [True, False, True]


def test_bulk_rows_belong_to_the_transaction(database_url: str) -> None:
    engine = open_engine(database_url)
    for on_conflict in OnConflict:
        with Session(engine) as session:
            insert_rows(session, ProvincePriceRow, NAMES, [(1, 1, 1)], on_conflict)
            session.rollback()
        with Session(engine) as session:
            assert prices(session) == []
    engine.dispose()
