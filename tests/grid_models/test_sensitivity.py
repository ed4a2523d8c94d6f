"""Shares that cure violations: enough where anything is, and no edge does more than its own violations need."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grid_models.sensitivity import least_shares, uncured


@st.composite
def coupled_edges(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw violations of a few edges whose own easing outweighs what all others contribute, as behind impedances."""
    n_edges = draw(st.integers(1, 4))
    cured_by = np.array(draw(st.lists(st.integers(0, n_edges - 1), min_size=1, max_size=6)), dtype=np.int64)
    excess = np.array(draw(st.lists(st.floats(0.1, 5), min_size=cured_by.size, max_size=cured_by.size)))
    easing = np.array(
        [[draw(st.floats(4, 8)) if edge == own else draw(st.floats(-0.2, 1)) for edge in range(n_edges)]
         for own in cured_by]
    )  # fmt: skip
    return excess, easing, cured_by


@given(coupled_edges())
def test_shares_cure_and_no_edge_does_more_than_it_must(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    excess, easing, cured_by = case
    shares = least_shares(excess, easing, cured_by)
    left = excess - np.maximum(easing, 0) @ shares
    assert ((shares >= 0) & (shares <= 1)).all()
    for edge, share in enumerate(shares):
        own = left[cured_by == edge]
        if share < 1:
            assert (own <= 1e-4).all(), "what an edge can cure, it cures"
        if share > 0:
            assert own.max() >= -1e-4, "an edge at work has a violation that needs all of it"
    np.testing.assert_array_equal(uncured(excess, easing, shares), left > 1e-3 * excess)


def test_edges_that_help_each_other_share_the_work() -> None:
    excess, easing = np.array([1.0, 1.0]), np.array([[4.0, 1.0], [1.0, 4.0]])
    np.testing.assert_allclose(least_shares(excess, easing, np.array([0, 1])), [0.2, 0.2], atol=1e-5)


def test_an_edge_without_effect_gives_all_and_stays_uncured() -> None:
    excess, easing = np.array([1.0]), np.array([[0.0]])
    shares = least_shares(excess, easing, np.array([0]))
    assert shares.tolist() == [1.0]
    assert uncured(excess, easing, shares).tolist() == [True]
