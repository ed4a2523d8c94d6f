"""Figures kept apart and summed: a utility's by county, an aggregator's by project (requirements rows 12, 16)."""

from collections.abc import Mapping
from datetime import date

import numpy as np

from hub.market.pro_rata import largest_remainder
from hub.market.registry.register import Register, units_of
from hub.market.trades import Int64Array


def utility_total(register: Register, utility_id: str, day: date, of_unit: Mapping[str, int]) -> int:
    """Return the sum of a figure over the units that the utility serves on the day (row 16).

    :param of_unit: the utility's figure in each unit, nano-yuan or Wh
    """
    return sum(of_unit.get(unit_id, 0) for unit_id in units_of(register, utility_id, day))


def split_aggregate_wh(sold_wh: int, metered_wh: Int64Array) -> Int64Array:
    """Return each project's part of what its aggregator sold, pro rata to its own meter (row 12).

    :param sold_wh: at most the sum of the meters
    :param metered_wh: shape (n_projects,), >= 0; of equal remainders the earlier project is served first
    """
    return largest_remainder(sold_wh, metered_wh, np.arange(metered_wh.size))
