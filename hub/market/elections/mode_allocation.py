"""One meter's energy to the three modes, each kWh once: direct contracts, then commission, then purchase (row 29).

Energy Wh; columns have one value a meter.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import Int64Array, Violation


@dataclass(frozen=True)
class ModeEnergy:
    """What of each meter's energy each mode settles, shape (n_meters,) each; deviation: what no mode takes."""

    direct_wh: Int64Array
    commission_wh: Int64Array
    purchase_wh: Int64Array
    deviation_wh: Int64Array


def allocate_to_modes(
    metered_wh: Int64Array, *, direct_contract_wh: Int64Array, commission_contract_wh: Int64Array, purchases: Int64Array
) -> ModeEnergy:
    """Return Q1 = min(Q, direct contract), Q2 = min(rest, commission contract), and the rest.

    :param purchases: 1 where the surplus is elected into mode 3, 0 where it is a deviation
    """
    direct = np.minimum(metered_wh, direct_contract_wh)
    commission = np.minimum(metered_wh - direct, commission_contract_wh)
    rest = metered_wh - direct - commission
    return ModeEnergy(direct, commission, rest * purchases, rest * (1 - purchases))


def check_allocation(metered_wh: Int64Array, modes: ModeEnergy, *, where: str) -> list[Violation]:
    """Law 2: no kWh is settled twice or lost: Q = Q1 + Q2 + Q3 + deviation, none of them negative (row 29)."""
    columns = (modes.direct_wh, modes.commission_wh, modes.purchase_wh, modes.deviation_wh)
    is_wrong = (sum(columns) != metered_wh) | (np.min(columns, axis=0) < 0)
    return [Violation(2, where, f"meter number {meter}: the modes do not sum") for meter in np.flatnonzero(is_wrong)]
