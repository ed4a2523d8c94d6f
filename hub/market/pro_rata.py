"""Pro-rata shares in whole units by largest remainder, ties by a given rank; the parts sum to the total exactly."""

import numpy as np

from hub.market.sorting import sorted_rows
from hub.market.trades import Int64Array

_INT64_MAX = 2**63 - 1
_KEY_BITS_MAX = 62


def largest_remainder(total: int, weight: Int64Array, tie: Int64Array) -> Int64Array:
    """Split `total` over the rows in proportion to their weights, by largest remainder, then smallest `tie`.

    :param total: 0 <= total <= sum of weights, so that no share exceeds its weight
    :param weight: shape (n,), >= 0
    :param tie: shape (n,), unique ranks; of equal remainders the smaller rank is served first
    :returns: shape (n,), 0 <= share <= weight, sum = total
    """
    weight_sum = int(weight.sum())
    assert 0 <= total <= weight_sum
    if total == weight_sum:
        return weight.copy()
    if weight.size == 1:
        return np.array([total], np.int64)
    if total * int(weight.max()) > _INT64_MAX:
        order = np.argsort(tie)
        share = np.empty(weight.size, np.int64)
        share[order] = largest_remainder_of_list(total, weight[order].tolist())
        return share
    product = weight * total
    share = product // weight_sum
    spare = total - int(share.sum())
    if spare:
        share[np.lexsort((tie, share * weight_sum - product))[:spare]] += 1
    return share


def largest_remainder_by_group(total: Int64Array, weight: Int64Array, group: Int64Array, tie: Int64Array) -> Int64Array:
    """Split each group's total over its rows as `largest_remainder` does, all groups at once.

    :param total: shape (n_groups,), each at most the sum of its group's weights
    :param weight, group, tie: shape (n_rows,); group numbers are positions in `total`
    :returns: shape (n_rows,)
    """
    if not weight.size:
        assert np.count_nonzero(total) == 0
        return np.zeros(0, np.int64)
    weight_sum = np.zeros(total.size, np.int64)
    np.add.at(weight_sum, group, weight)
    assert int((weight_sum - total).min()) >= 0 <= int(total.min())
    if int(total.max()) * int(weight.max()) > _INT64_MAX:
        share = np.zeros(weight.size, np.int64)
        for number in range(total.size):
            rows = np.flatnonzero(group == number)
            share[rows] = largest_remainder(int(total[number]), weight[rows], tie[rows])
        return share
    divisor = np.maximum(weight_sum, 1)[group]
    share, remainder = np.divmod(total[group] * weight, divisor)
    spare = total.copy()
    np.subtract.at(spare, group, share)
    row = remainder.nonzero()[0]
    if row.size:
        row = row[_order_of_service(group[row], remainder[row], tie[row])]
        of_row = group[row]
        first = of_row.searchsorted(np.arange(total.size))
        share[row] += np.arange(row.size) - first[of_row] < spare[of_row]
    return share


def _order_of_service(group: Int64Array, remainder: Int64Array, tie: Int64Array) -> Int64Array:
    """Return the rows by group, largest remainder, smallest tie."""
    remainder_max, tie_min = int(remainder.max()), int(tie.min())
    tie_bits = (int(tie.max()) - tie_min).bit_length()
    remainder_bits, group_bits = remainder_max.bit_length(), int(group.max()).bit_length()
    key_bits = group_bits + remainder_bits + tie_bits
    if key_bits > _KEY_BITS_MAX:
        return np.lexsort((tie, -remainder, group))
    key = (((group << remainder_bits) + (remainder_max - remainder)) << tie_bits) + (tie - tie_min)
    return sorted_rows(key, key_bits=key_bits)[1]


def largest_remainder_of_list(total: int, weights: list[int]) -> list[int]:
    """Split `total` as `largest_remainder` does, for short lists and numbers of any size; ties by position."""
    weight_sum = sum(weights)
    assert 0 <= total <= weight_sum
    if total in {0, weight_sum}:
        return list(weights) if total else [0] * len(weights)
    shares = [total * weight // weight_sum for weight in weights]
    spare = total - sum(shares)
    if spare:
        remainders = [total * weight % weight_sum for weight in weights]
        for row in sorted(range(len(weights)), key=lambda row: (-remainders[row], row))[:spare]:
            shares[row] += 1
    return shares
