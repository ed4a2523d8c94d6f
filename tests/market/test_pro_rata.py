"""Largest remainder: exact sums, whole shares next to the exact quota, ties by rank, one group as many."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hub.market.pro_rata import largest_remainder, largest_remainder_by_group, largest_remainder_of_list

weights_and_total = st.lists(st.integers(0, 9), min_size=1, max_size=7).flatmap(
    lambda weights: st.tuples(st.just(weights), st.integers(0, sum(weights)), st.permutations(range(len(weights))))
)


@given(weights_and_total)
def test_shares_are_next_to_the_quota_and_sum_exactly(case: tuple[list[int], int, list[int]]) -> None:
    weights, total, tie = case
    shares = largest_remainder(total, np.array(weights, np.int64), np.array(tie, np.int64)).tolist()
    assert sum(shares) == total
    remainders = []
    for share, weight in zip(shares, weights, strict=True):
        quota = Fraction(total * weight, sum(weights) or 1)
        assert quota - 1 < share < quota + 1
        assert share <= weight
        remainders.append(quota - quota.__floor__())
    served = [share > remainder_free for share, remainder_free in zip(shares, floors(weights, total), strict=True)]
    for one in range(len(weights)):
        for other in range(len(weights)):
            if served[one] and not served[other]:
                assert (remainders[one], -tie[one]) > (remainders[other], -tie[other])


def floors(weights: list[int], total: int) -> list[int]:
    return [total * weight // (sum(weights) or 1) for weight in weights]


@given(st.lists(weights_and_total, max_size=4))
def test_all_groups_at_once_give_what_each_gives_alone(cases: list[tuple[list[int], int, list[int]]]) -> None:
    alone = [largest_remainder(t, np.array(w, np.int64), np.array(r, np.int64)) for w, t, r in cases]
    weight = np.array([x for w, _, _ in cases for x in w], np.int64)
    tie = np.array([x for _, _, r in cases for x in r], np.int64)
    group = np.repeat(np.arange(len(cases)), [len(w) for w, _, _ in cases]).astype(np.int64)
    order = np.random.default_rng(len(weight)).permutation(len(weight))
    total = np.array([t for _, t, _ in cases], np.int64)
    shares = largest_remainder_by_group(total, weight[order], group[order], tie[order])
    assert shares.tolist() == (np.concatenate(alone)[order].tolist() if alone else [])


@given(weights_and_total)
def test_numbers_of_any_size_are_shared_by_the_same_rule(case: tuple[list[int], int, list[int]]) -> None:
    weights, total, tie = case
    big = 2**40
    huge = largest_remainder(total * big, np.array(weights, np.int64) * big, np.array(tie, np.int64))
    assert int(huge.sum()) == total * big
    by_position = largest_remainder_of_list(total, weights)
    assert by_position == largest_remainder(total, np.array(weights, np.int64), np.arange(len(weights))).tolist()
    groups = largest_remainder_by_group(
        np.array([total * big]), np.array(weights, np.int64) * big, np.zeros(len(weights), np.int64), np.array(tie)
    )
    assert groups.tolist() == huge.tolist()


def test_equal_remainders_go_to_the_smaller_rank() -> None:
    shares = largest_remainder(100, np.array([50, 50, 50], np.int64), np.array([2, 0, 1], np.int64))
    assert shares.tolist() == [33, 34, 33]
