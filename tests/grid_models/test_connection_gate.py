"""The gate for new generation against the acceptance figures of requirements row 138."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid_models.connection_gate import (
    Accepted,
    GateState,
    Suspended,
    WaitingList,
    WaitingReason,
    decide_connection,
)
from grid_models.standard_2041 import Grade, StandardError

G, Y, R = Grade.GREEN, Grade.YELLOW, Grade.RED


def chain(*c2_kw, own=None):
    """County, station, feeder ... one below the other."""
    grades = own or [G if room > 0 else Y for room in c2_kw]
    return GateState(np.array(c2_kw), tuple(grades), np.arange(-1, len(c2_kw) - 1))


def test_row_138_four_mw_are_accepted_and_two_more_wait():
    first = decide_connection(chain(5_000), element=0, p_new_mw=4.0)
    assert isinstance(first, Accepted)
    assert first.room_kw == 1_000
    second = decide_connection(first.state, element=0, p_new_mw=2.0)
    assert second == WaitingList(element=0, limited_by=0, reason=WaitingReason.ROOM, room_kw=1_000)
    third = decide_connection(first.state, element=0, p_new_mw=1.0)
    assert isinstance(third, Accepted)
    assert (third.room_kw, third.state.own) == (0, (Y,))
    assert isinstance(decide_connection(third.state, element=0, p_new_mw=0.001), WaitingList)


def test_row_138_room_is_needed_at_all_superiors():
    outcome = decide_connection(chain(50_000, 900, 5_000), element=2, p_new_mw=1.0)
    assert outcome == WaitingList(element=2, limited_by=1, reason=WaitingReason.ROOM, room_kw=900)
    accepted = decide_connection(chain(50_000, 900, 5_000), element=2, p_new_mw=0.9)
    assert isinstance(accepted, Accepted)
    assert accepted.room_kw == 0
    assert accepted.state.c2_kw.tolist() == [49_100, 0, 4_100]
    assert accepted.state.own == (G, Y, G)


def test_row_138_red_suspends_and_yellow_waits_wherever_it_stands_above():
    yellow = decide_connection(chain(9_000, -10, 5_000), element=2, p_new_mw=0.1)
    assert yellow == WaitingList(element=2, limited_by=1, reason=WaitingReason.YELLOW, room_kw=-10)
    red = decide_connection(chain(0, -10, 5_000, own=[R, Y, G]), element=2, p_new_mw=0.1)
    assert red == Suspended(element=2, limited_by=0)


def test_siblings_share_the_room_of_their_superior():
    state = GateState(np.array([6_000, 5_000, 5_000]), (G, G, G), np.array([-1, 0, 0]))
    first = decide_connection(state, element=1, p_new_mw=5.0)
    assert isinstance(first, Accepted)
    second = decide_connection(first.state, element=2, p_new_mw=2.0)
    assert second == WaitingList(element=2, limited_by=0, reason=WaitingReason.ROOM, room_kw=1_000)


def test_new_capacity_counts_in_whole_kw_rounded_up():
    assert isinstance(decide_connection(chain(5), element=0, p_new_mw=0.005), Accepted)
    assert isinstance(decide_connection(chain(5), element=0, p_new_mw=0.0050004), WaitingList)


@pytest.mark.parametrize("p_new_mw", [0.0, -1.0, float("nan"), float("inf")])
def test_a_capacity_that_is_none_is_refused(p_new_mw):
    with pytest.raises(StandardError, match="not positive"):
        decide_connection(chain(5), element=0, p_new_mw=p_new_mw)


@given(
    st.lists(st.integers(-2, 6), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=6),
)
def test_what_is_accepted_never_exceeds_the_room_at_the_start(c2_kw, applications):
    state = chain(*c2_kw)
    taken = [0] * len(c2_kw)
    for element, p_kw in applications:
        at = element % len(c2_kw)
        outcome = decide_connection(state, element=at, p_new_mw=p_kw / 1000)
        if isinstance(outcome, Accepted):
            state = outcome.state
            for position in range(at + 1):
                taken[position] += p_kw
    for used, room, left in zip(taken, c2_kw, state.c2_kw, strict=True):
        assert left == room - used
        assert used <= max(room, 0)
