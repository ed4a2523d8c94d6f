"""Exact money: charges in nano-yuan, sums that cannot overflow, one rounding to fen, and splitting without a remainder.

Units: Wh times micro-yuan/kWh is nano-yuan, exactly (1e-6 yuan/kWh * 1e-3 kWh = 1e-9 yuan). 1 fen = 10,000,000
nano-yuan. Amounts are signed. Sources: requirements row 189 (no rounding error), conventions, DESIGN 3.
"""

import re
from decimal import Context, Decimal, localcontext

import numpy as np

from hub.market.trades import Int64Array

INT64_MAX = 2**63 - 1
NANO_YUAN_PER_FEN = 10_000_000
NANO_YUAN_PER_YUAN = 1_000_000_000
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?\Z", re.ASCII)


class MoneyTextError(ValueError):
    """A text that is not an amount of money with as many decimals as its unit allows."""


def magnitude_max(column: Int64Array) -> int:
    """Return the largest absolute value in the column as a Python int, 0 for an empty one."""
    return max(int(column.max()), -int(column.min()), 0) if column.size else 0


def charge_nano_yuan(energy_wh: Int64Array, price_uyuan_per_kwh: Int64Array) -> Int64Array:
    """Return energy times price, element by element, nano-yuan; both may be negative, shapes must agree.

    :raises OverflowError: if a product could leave int64
    """
    assert energy_wh.dtype == np.int64
    assert price_uyuan_per_kwh.dtype == np.int64
    assert energy_wh.shape == price_uyuan_per_kwh.shape
    bound = magnitude_max(energy_wh) * magnitude_max(price_uyuan_per_kwh)
    if bound > INT64_MAX:
        raise OverflowError(f"a charge may reach {bound} nano-yuan, int64 holds {INT64_MAX}")
    return energy_wh * price_uyuan_per_kwh


def total_charge_nano_yuan(energy_wh: Int64Array, price_uyuan_per_kwh: Int64Array) -> int:
    """Return the sum of energy times price over all rows, exact however large."""
    return exact_sum(charge_nano_yuan(energy_wh, price_uyuan_per_kwh))


def exact_sum(column: Int64Array) -> int:
    """Return the sum of the column as a Python int, exact even where int64 would wrap."""
    high, low = column >> 32, column & 0xFFFF_FFFF
    return (int(high.sum()) << 32) + int(low.sum())


def sum_by_group(value: Int64Array, group: Int64Array, n_groups: int) -> Int64Array:
    """Return the sums of `value` (Wh or nano-yuan) by group number, shape (n_groups,).

    :raises OverflowError: if the sum of all magnitudes, and so any group, could leave int64
    """
    assert value.shape == group.shape
    if magnitude_max(value) * value.size > INT64_MAX:
        bound = exact_sum(np.abs(value))
        if bound > INT64_MAX:
            raise OverflowError(f"the amounts sum to {bound} in magnitude, int64 holds {INT64_MAX}")
    total = np.zeros(n_groups, np.int64)
    np.add.at(total, group, value)
    return total


def sum_columns(*columns: Int64Array) -> Int64Array:
    """Return the sum of columns of equal shape, element by element.

    :raises OverflowError: if a sum could leave int64
    """
    bound = sum(magnitude_max(column) for column in columns)
    if bound > INT64_MAX:
        raise OverflowError(f"a sum may reach {bound}, int64 holds {INT64_MAX}")
    return np.asarray(np.sum(columns, axis=0, dtype=np.int64), dtype=np.int64)


def allocate_by_largest_remainder(total: Int64Array, weight: Int64Array, group: Int64Array) -> Int64Array:
    """Split each group's total over its rows in proportion to their weights, in whole units that sum to the total.

    A row gets the whole part of total * weight / (sum of the group's weights); what is left goes one unit each to the
    largest remainders, of equal ones to the earlier row (requirements, conventions: pro rata results).

    :param total: shape (n_groups,), >= 0
    :param weight: shape (n_rows,), >= 0
    :param group: shape (n_rows,), the group number of each row
    :returns: shape (n_rows,)
    :raises ValueError: if a group has a total but no weight
    :raises OverflowError: if a product could leave int64
    """
    assert weight.shape == group.shape
    assert not total.size or int(total.min()) >= 0
    assert not weight.size or int(weight.min()) >= 0
    bound = magnitude_max(total) * magnitude_max(weight)
    if bound > INT64_MAX:
        raise OverflowError(f"a share may reach {bound} before division, int64 holds {INT64_MAX}")
    weight_sum = sum_by_group(weight, group, total.size)
    if np.any((weight_sum == 0) & (total > 0)):
        raise ValueError(f"group {int(np.argmax((weight_sum == 0) & (total > 0)))} has a total but no weight")
    divisor = np.maximum(weight_sum, 1)[group]
    product = total[group] * weight
    share, remainder = product // divisor, product % divisor
    spare = total - sum_by_group(share, group, total.size)
    order = np.lexsort((np.arange(weight.size), -remainder, group))
    n_rows = np.bincount(group, minlength=total.size).astype(np.int64)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(n_rows)[:-1])) if total.size else n_rows
    rank = np.empty(weight.size, np.int64)
    rank[order] = np.arange(weight.size) - first[group[order]]
    return np.asarray(share + (rank < spare[group]), dtype=np.int64)


def round_half_up_fen(amount_nano_yuan: int) -> int:
    """Return the nearest fen; of two equally near, the one away from zero (四舍五入)."""
    magnitude = (abs(amount_nano_yuan) + NANO_YUAN_PER_FEN // 2) // NANO_YUAN_PER_FEN
    return magnitude if amount_nano_yuan >= 0 else -magnitude


def round_half_up_fen_column(amount_nano_yuan: Int64Array) -> Int64Array:
    """Return `round_half_up_fen` of every element."""
    half = NANO_YUAN_PER_FEN // 2
    if magnitude_max(amount_nano_yuan) > INT64_MAX - half:
        raise OverflowError("an amount is too near the end of int64 to be rounded")
    magnitude = (np.abs(amount_nano_yuan) + half) // NANO_YUAN_PER_FEN
    return np.asarray(np.where(amount_nano_yuan >= 0, magnitude, -magnitude), dtype=np.int64)


def divide_half_up(numerator: int, denominator: int) -> int:
    """Return the nearest integer to numerator / denominator, a tie away from zero; the one step of a derived price.

    :param denominator: > 0
    """
    assert denominator > 0
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def nano_yuan_from_text(text: str) -> int:
    """Return the amount written in yuan with at most nine decimals, for example "-0.7" -> -700000000.

    :raises MoneyTextError: if the text is anything else
    """
    return scaled_integer_from_text(text, NANO_YUAN_PER_YUAN, "yuan with at most nine decimals")


def scaled_integer_from_text(text: str, units_per_whole: int, expected: str) -> int:
    """Return text times `units_per_whole` as an exact integer.

    :param expected: what the text should have been, for the message
    :raises MoneyTextError: if the text is no plain decimal number or the product is not whole
    """
    if _NUMBER.match(text) is None:
        raise MoneyTextError(f"{text!r} is not a number of {expected}")
    with localcontext(Context(prec=60)):
        scaled = Decimal(text) * units_per_whole
        if scaled != scaled.to_integral_value():
            raise MoneyTextError(f"{text!r} is not a number of {expected}")
    return int(scaled)


def yuan_text_from_nano_yuan(amount_nano_yuan: int, decimals: int = 9) -> str:
    """Return the amount in yuan, exact: "-0.700000000". Fewer decimals only where they hold the amount exactly.

    :raises MoneyTextError: if `decimals` would cut the amount
    """
    places = 9 - decimals
    if amount_nano_yuan % 10**places:
        raise MoneyTextError(f"{amount_nano_yuan} nano-yuan needs more than {decimals} decimals of a yuan")
    return f"{Decimal(amount_nano_yuan // 10**places).scaleb(-decimals):f}"


def yuan_text_from_fen(amount_fen: int) -> str:
    """Return fen as yuan with two decimals: 11967708 -> "119677.08"."""
    return f"{Decimal(amount_fen).scaleb(-2):f}"
