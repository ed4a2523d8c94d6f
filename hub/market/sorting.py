"""Sort rows by one whole-number key, rows of equal keys in their own order: what clearing and pairing do most.

A key and the row's number share one int64 where they fit, because sorting plain numbers takes a third of the time of
finding the order that would sort them (measured; see docs/benchmarks.md).
"""

import numpy as np

from hub.market.trades import Int64Array

_BITS = 63


def sorted_rows(key: Int64Array, *, key_bits: int) -> tuple[Int64Array, Int64Array]:
    """Return the keys in ascending order, and the row that each of them came from.

    :param key: shape (n,), >= 0 and below 2**key_bits
    :param key_bits: at most 63
    """
    row_bits = key.size.bit_length()
    if key_bits + row_bits > _BITS:
        order = np.argsort(key, kind="stable")
        return key[order], order
    packed = key << row_bits
    packed |= np.arange(key.size)
    packed.sort()
    return packed >> row_bits, packed & ((1 << row_bits) - 1)


def starts_of_equals(key: Int64Array) -> Int64Array:
    """Return where each run of equal keys begins, in sorted keys."""
    is_start = np.empty(key.size, np.bool_)
    is_start[:1] = True
    np.not_equal(key[1:], key[:-1], out=is_start[1:])
    return is_start.nonzero()[0]


def ranges(first: Int64Array, after: Int64Array) -> Int64Array:
    """Return the numbers of all half-open ranges, one range after the other."""
    length = after - first
    end = length.cumsum()
    number: Int64Array = (first - end + length).repeat(length)
    number += np.arange(number.size)
    return number
