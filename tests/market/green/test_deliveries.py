"""Attributes against the meter: what is delivered, worked by hand, and that no Wh is sold twice whatever is bound."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hub.market.green.deliveries import BoundAttributes, check_delivered, delivered_wh

NAMES = tuple(f"M{number}" for number in range(5))


def bound(*rows: tuple[int, int]) -> BoundAttributes:
    columns = np.array(rows, np.int64).reshape(-1, 2)
    return BoundAttributes(7, columns[:, 0].copy(), columns[:, 1].copy())


def energies(*values: int) -> np.ndarray:
    return np.array([*values, *([0] * (5 - len(values)))], np.int64)


def test_a_plant_that_falls_short_is_shared_pro_rata() -> None:
    """Plant 0 sold 300 + 100 + 2 Wh and fed in 200: 149.25, 49.75 and 0.995, so 149, 50, 1; plant 1 is whole."""
    attributes = bound((0, 300), (0, 100), (1, 40), (0, 2))
    delivered = delivered_wh(attributes, energies(200, 41))
    assert delivered.tolist() == [149, 50, 40, 1]
    assert check_delivered(attributes, delivered, energies(200, 41), NAMES) == []


def test_what_is_not_clean_delivers_nothing() -> None:
    assert delivered_wh(bound((2, 100)), energies(0, 0, 0)).tolist() == [0]
    assert delivered_wh(bound(), energies(5)).tolist() == []


def test_each_breach_is_found() -> None:
    attributes = bound((0, 300), (1, 40))
    generation = energies(200, 40)
    wrong = (([201, 40], "M0"), ([200, 39], "M1"), ([-1, 40], "M0"), ([200, 41], "interval 7"))
    for delivered, where in wrong:
        found = check_delivered(attributes, np.array(delivered, np.int64), generation, NAMES)
        assert {one.law for one in found} == {2}
        assert where in {one.where for one in found}


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), max_size=8),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
)
def test_green_sold_is_never_more_than_clean_fed_in(rows: list[tuple[int, int]], fed_in: list[int]) -> None:
    attributes, generation = bound(*rows), energies(*fed_in)
    delivered = delivered_wh(attributes, generation)
    assert check_delivered(attributes, delivered, generation, NAMES) == []
    for plant, energy in enumerate(fed_in):
        sold = sum(share for (who, _), share in zip(rows, delivered.tolist(), strict=True) if who == plant)
        assert sold == min(energy, sum(wh for who, wh in rows if who == plant))
