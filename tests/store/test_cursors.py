import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from hub.store.cursors import AHEAD_MAX, Cursor, advance, load_cursor, save_cursors
from hub.store.engine import open_engine

batches = st.lists(st.lists(st.integers(1, 12), max_size=5), max_size=8)


@given(batches)
def test_the_cursor_stands_at_the_last_number_before_the_first_gap(arrivals: list[list[int]]) -> None:
    cursor, seen = Cursor(), set()
    for batch in arrivals:
        cursor, before = advance(cursor, batch), cursor
        seen.update(batch)
        first_missing = next(number for number in range(1, 20) if number not in seen)
        assert cursor.upto == first_missing - 1 >= before.upto
        assert cursor.ahead == {number for number in seen if number > first_missing}


def test_what_is_remembered_behind_a_gap_is_bounded_and_nothing_is_taken_for_committed() -> None:
    cursor = advance(Cursor(), range(2, AHEAD_MAX + 100))
    assert len(cursor.ahead) == AHEAD_MAX
    assert advance(cursor, [1]).upto == AHEAD_MAX + 1


def test_cursors_are_kept_by_gateway_and_boot(database_url: str) -> None:
    engine = open_engine(database_url)
    with Session(engine) as session:
        save_cursors(session, {(0, "b1"): Cursor(3, frozenset({7, 5})), (1, "b1"): Cursor(1)})
        save_cursors(session, {(0, "b1"): Cursor(5, frozenset({7})), (0, "b2"): Cursor(2)})
        session.commit()
    with Session(engine) as session:
        assert load_cursor(session, 0, "b1") == Cursor(5, frozenset({7}))
        assert load_cursor(session, 0, "b2") == Cursor(2)
        assert load_cursor(session, 1, "b1") == Cursor(1)
        assert load_cursor(session, 1, "b2") == Cursor()
    engine.dispose()


def test_a_cursor_with_a_number_that_is_not_behind_a_gap_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Cursor(3, frozenset({4}))
