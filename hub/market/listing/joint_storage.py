"""Storage that takes part together with a plant or a user: one settlement unit (row 135)."""

import numpy as np

from hub.market.trades import Int64Array


def joint_net_wh(
    load_wh: Int64Array, charged_wh: Int64Array, discharged_wh: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """Return what a user with storage draws and what it feeds in, of Net = load + charge - discharge, both >= 0.

    The other way round it holds for a plant: its generation is a negative load. Import and export of one interval are
    never netted against another's.

    :param load_wh, charged_wh, discharged_wh: shape (n_intervals,), Wh
    """
    net_wh = load_wh + charged_wh - discharged_wh
    return np.maximum(net_wh, 0), np.maximum(-net_wh, 0)


def demand_response_nano_yuan(effective_wh: int, price_uyuan_per_kwh: int) -> int:
    """Return the income of demand response: clearing price x effective response."""
    return effective_wh * price_uyuan_per_kwh
