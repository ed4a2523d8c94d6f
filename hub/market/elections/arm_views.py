"""What each of a utility's arms sees of an interval's orders (requirements row 4): its own, never another's.

The supply arm sees its four books, whoever owns meters sees their direct orders, operator and regulator see all.
"""

import numpy as np

from hub.market.registry.access import Resource, Role, may_read
from hub.market.trades import BoolArray, Int64Array, OrderBatch, Party

_RESOURCE_OF_BOOK = {
    Party.PURCHASE: Resource.PURCHASE_BOOK,
    Party.COMMISSION: Resource.COMMISSION_BOOK,
    Party.SUPPLY: Resource.SUPPLY_BOOK,
    Party.LOSS: Resource.LOSS_BOOK,
}


def visible_orders(orders: OrderBatch, role: Role, own_meters: Int64Array) -> BoolArray:
    """Return which orders of the batch the role may see with their owners, shape (n_orders,).

    :param own_meters: positions of the reader's metering points
    """
    if may_read(role, Resource.IDENTIFIED_ORDERS):
        return np.ones(orders.energy_wh.size, np.bool_)
    visible = np.zeros(orders.energy_wh.size, np.bool_)
    if may_read(role, Resource.OWN_ORDERS):
        visible |= np.isin(orders.meter, own_meters) & (orders.meter >= 0)
    for party, resource in _RESOURCE_OF_BOOK.items():
        if may_read(role, resource):
            visible |= orders.party == party
    return visible
