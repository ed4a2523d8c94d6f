"""Shares of energy and money: one share in millionths, rounded once, and a total split so that the parts sum to it.

Source: requirements, conventions (pro rata by largest remainder), row 189. Numbers are Python ints of any size.
"""

from collections.abc import Sequence

from hub.market.pro_rata import largest_remainder_of_list
from hub.settlement.money import divide_half_up

PPM = 1_000_000


class ShareError(ValueError):
    """A share outside 0 to 1, or a total that nobody has a weight for; the text says which."""


def share_half_up(quantity: int, share_ppm: int) -> int:
    """Return share x quantity, rounded half up once to the unit of the quantity.

    :param share_ppm: in millionths, 0 <= share <= 1
    :raises ShareError: if the share is outside that range
    """
    if not 0 <= share_ppm <= PPM:
        raise ShareError(f"a share of {share_ppm} ppm; it lies from 0 to {PPM}")
    return divide_half_up(quantity * share_ppm, PPM)


def split_exactly(total: int, weights: Sequence[int]) -> list[int]:
    """Split a signed total in proportion to weights, in whole units that sum to it; ties go to the earlier.

    :param weights: >= 0
    :raises ShareError: if a weight is negative, or there is a total and no weight
    """
    if any(weight < 0 for weight in weights):
        raise ShareError(f"a weight is negative: {min(weights)}")
    if total == 0:
        return [0] * len(weights)
    if not any(weights):
        raise ShareError(f"{total} cannot be split: all {len(weights)} weights are 0")
    size = abs(total)
    # `largest_remainder_of_list` splits no more than the weights' sum; larger weights in proportion change no part.
    parts = largest_remainder_of_list(size, [weight * size for weight in weights])
    return parts if total > 0 else [-part for part in parts]
