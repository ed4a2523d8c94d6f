"""Groups that meet: exact margins, pro rata to one Wh on both sides, members one after another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hub.market.matching import Groups, Matches, Meetings
from hub.market.pro_rata import largest_remainder_of_list

Side = list[list[int]]
sides = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=0, max_size=4)
crowded = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=2), min_size=13, max_size=20)


def met(markets: list[tuple[Side, Side]]) -> Matches:
    """Let each market's groups meet in a place of their own; rows count through sellers, then buyers, per market."""
    members, first, kinds, places, row = [], [0], [], [], 0
    for place, market in enumerate(markets):
        for kind, side in enumerate(market):
            for group in side:
                members += group
                first.append(first[-1] + len(group))
                kinds.append(kind)
                places.append(place)
                row += len(group)
    groups = Groups(np.arange(row), np.array(members, np.int64), np.arange(row)[::-1].copy(), np.array(first))
    meetings = Meetings(groups)
    kind, place = np.array(kinds, np.int64), np.array(places, np.int64)
    meetings.meet((kind == 0).nonzero()[0], (kind == 1).nonzero()[0], place)
    return meetings.members(np.arange(max(places, default=0) + 1))


def assert_pro_rata(traded: list[int], offered: list[int]) -> None:
    """Largest remainder: each share is the whole part of its quota or one more."""
    total, whole = sum(traded), sum(offered)
    for share, weight in zip(traded, offered, strict=True):
        assert total * weight // whole <= share <= -(-total * weight // whole)


@given(st.one_of(st.tuples(sides, sides), st.tuples(crowded, crowded)))
def test_what_meets_is_exact_on_both_sides(market: tuple[Side, Side]) -> None:
    found = met([market])
    sold, bought = market
    assert int(found.energy_wh.sum()) == min(sum(map(sum, sold)), sum(map(sum, bought)))
    assert (found.energy_wh > 0).all()
    assert len(set(zip(found.seller.tolist(), found.buyer.tolist(), strict=True))) == found.energy_wh.size
    by_row = np.zeros(sum(map(len, sold)) + sum(map(len, bought)), np.int64)
    np.add.at(by_row, found.seller, found.energy_wh)
    np.add.at(by_row, found.buyer, found.energy_wh)
    first = 0
    for side in market:
        groups = []
        for members in side:
            traded = by_row[first : first + len(members)].tolist()
            assert_pro_rata(traded, members)
            groups.append(sum(traded))
            first += len(members)
        if side:
            assert_pro_rata(groups, [sum(members) for members in side])


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=7))
def test_places_meet_side_by_side_as_each_would_alone(markets: list[tuple[Side, Side]]) -> None:
    together, first = met(markets), 0
    rows = list(zip(together.seller.tolist(), together.buyer.tolist(), together.energy_wh.tolist(), strict=True))
    alone = []
    for market in markets:
        one = met([market])
        seller, buyer = (one.seller + first).tolist(), (one.buyer + first).tolist()
        alone += list(zip(seller, buyer, one.energy_wh.tolist(), strict=True))
        first += sum(len(group) for side in market for group in side)
    assert rows == alone


@given(crowded, crowded)
def test_a_row_of_a_crowded_matrix_is_shared_by_largest_remainder(sold: Side, bought: Side) -> None:
    """Seller group by seller group over what buyer groups still lack, in plain whole numbers."""
    supply, demand = [sum(group) for group in sold], [sum(group) for group in bought]
    total = min(sum(supply), sum(demand))
    selling, lacking = largest_remainder_of_list(total, supply), largest_remainder_of_list(total, demand)
    expected = {}
    for row, energy in enumerate(selling):
        for column, share in enumerate(largest_remainder_of_list(energy, lacking)):
            lacking[column] -= share
            if share:
                expected[row, column] = share
    found = met([(sold, bought)])
    group_of_row = [number for side in (sold, bought) for number, group in enumerate(side) for _ in group]
    cells: dict[tuple[int, int], int] = {}
    for seller, buyer, energy in zip(found.seller, found.buyer, found.energy_wh, strict=True):
        cell = (group_of_row[seller], group_of_row[buyer])
        cells[cell] = cells.get(cell, 0) + int(energy)
    assert cells == expected


@given(sides, sides)
def test_rows_are_no_more_than_members_and_pairs_of_groups(sold: Side, bought: Side) -> None:
    members = sum(map(len, sold)) + sum(map(len, bought))
    assert met([(sold, bought)]).energy_wh.size <= members + len(sold) * len(bought)


def test_members_meet_one_after_another_in_order_id_order() -> None:
    found = met([([[30, 10]], [[15, 10, 15]])])
    rows = list(zip(found.seller.tolist(), found.buyer.tolist(), found.energy_wh.tolist(), strict=True))
    assert rows == [(0, 2, 15), (0, 3, 10), (0, 4, 5), (1, 4, 10)]
