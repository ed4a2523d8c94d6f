"""Groups that meet: exact margins, pro rata to one Wh on both sides, members one after another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hub.market.matching import Group, Matches, meet

sides = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=0, max_size=4)


def groups(energies: list[list[int]], first_row: int) -> list[Group]:
    made = []
    for members in energies:
        rows = np.arange(first_row, first_row + len(members))
        made.append(Group(rows, np.array(members, np.int64), rows[::-1].copy(), sum(members)))
        first_row += len(members)
    return made


def assert_pro_rata(traded: list[int], offered: list[int]) -> None:
    """Largest remainder: each share is the whole part of its quota or one more."""
    total, whole = sum(traded), sum(offered)
    for share, weight in zip(traded, offered, strict=True):
        assert total * weight // whole <= share <= -(-total * weight // whole)


@given(sides, sides)
def test_what_meets_is_exact_on_both_sides(sold: list[list[int]], bought: list[list[int]]) -> None:
    sellers, buyers = groups(sold, 0), groups(bought, 100)
    found = Matches([], [], [])
    meet(sellers, buyers, found)
    total = min(sum(map(sum, sold)), sum(map(sum, bought)))
    assert sum(found.energy_wh) == total
    assert all(energy > 0 for energy in found.energy_wh)
    assert len(set(zip(found.seller, found.buyer, strict=True))) == len(found.energy_wh)
    for side, before, rows in ((sellers, sold, found.seller), (buyers, bought, found.buyer)):
        by_row: dict[int, int] = dict.fromkeys(range(200), 0)
        for row, energy in zip(rows, found.energy_wh, strict=True):
            by_row[row] += energy
        for group, members in zip(side, before, strict=True):
            traded = [by_row[row] for row in group.rows.tolist()]
            assert (group.left_wh + traded).tolist() == members
            assert group.total_wh == int(group.left_wh.sum())
            assert_pro_rata(traded, members)
        if before:
            assert_pro_rata(
                [sum(members) - group.total_wh for group, members in zip(side, before, strict=True)],
                [sum(members) for members in before],
            )


@given(sides, sides)
def test_rows_are_no_more_than_members_and_pairs_of_groups(sold: list[list[int]], bought: list[list[int]]) -> None:
    found = Matches([], [], [])
    meet(groups(sold, 0), groups(bought, 100), found)
    members = sum(map(len, sold)) + sum(map(len, bought))
    assert len(found.energy_wh) <= members + len(sold) * len(bought)


def test_members_meet_one_after_another_in_order_id_order() -> None:
    found = Matches([], [], [])
    meet(groups([[30, 10]], 0), groups([[15, 10, 15]], 100), found)
    rows = list(zip(found.seller, found.buyer, found.energy_wh, strict=True))
    assert rows == [(0, 100, 15), (0, 101, 10), (0, 102, 5), (1, 102, 10)]
