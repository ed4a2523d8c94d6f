"""What of the attributes that were bound at clearing its plant has fed in: no Wh of attribute without a Wh metered.

A plant may clear more than it then generates. Its attributes are cut to what its meter says, pro rata over those who
bought them, by largest remainder, then row (rows 146, 153: settled is at most generation).
"""

from dataclasses import dataclass

import numpy as np

from hub.market.pro_rata import largest_remainder_by_group
from hub.market.trades import Int64Array, Violation


@dataclass(frozen=True)
class BoundAttributes:
    """Attributes of one interval as bound at clearing, shape (n,): the plant's metering point and the energy, > 0."""

    interval: int
    plant: Int64Array
    energy_wh: Int64Array


def delivered_wh(bound: BoundAttributes, generation_wh: Int64Array) -> Int64Array:
    """Return what of each attribute is delivered, shape (n,).

    :param generation_wh: shape (n_meters,), clean energy that each metering point fed in, 0 where it is not clean
    """
    of_plant = bound_by_plant_wh(bound, generation_wh.size)
    total = np.minimum(of_plant, generation_wh)
    return largest_remainder_by_group(total, bound.energy_wh, bound.plant, np.arange(bound.plant.size))


def bound_by_plant_wh(bound: BoundAttributes, n_meters: int) -> Int64Array:
    """Return the attributes bound of each plant, shape (n_meters,)."""
    total = np.zeros(n_meters, np.int64)
    np.add.at(total, bound.plant, bound.energy_wh)
    return total


def check_delivered(
    bound: BoundAttributes, delivered: Int64Array, generation_wh: Int64Array, meter_id: tuple[str, ...]
) -> list[Violation]:
    """Law 2 for attributes, metered: green sold is at most clean generated, by meter; none grows, none is lost.

    :param meter_id: of each metering point
    """
    sold = np.zeros(generation_wh.size, np.int64)
    np.add.at(sold, bound.plant, delivered)
    due = np.minimum(bound_by_plant_wh(bound, generation_wh.size), generation_wh)
    found = [
        Violation(2, meter_id[meter], f"{sold[meter]} Wh of attributes sold, {generation_wh[meter]} Wh clean fed in")
        for meter in np.flatnonzero(sold > generation_wh).tolist()
    ]
    found += [
        Violation(2, meter_id[meter], f"{sold[meter]} Wh of attributes delivered of {due[meter]} Wh due")
        for meter in np.flatnonzero(sold < due).tolist()
    ]
    if bool(((delivered < 0) | (delivered > bound.energy_wh)).any()):
        found.append(Violation(2, f"interval {bound.interval}", "an attribute delivers more than was bound"))
    return found
