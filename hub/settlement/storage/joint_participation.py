"""Storage that takes part together with a user or a plant is one settlement unit (requirements row 135).

The net energy is the market's (`joint_net_wh`); here it becomes the user's energy line and the demand-response line.
"""

import numpy as np

from hub.market.listing.joint_storage import demand_response_nano_yuan, joint_net_wh
from hub.market.trades import Int64Array
from hub.settlement.money import total_charge_nano_yuan
from hub.settlement.rule_lines import QuantityUnit, RuleLine, amount_line, priced_line

JOINT_STORAGE_RULE = "joint-storage-1"


def joint_energy_lines(
    *,
    load_wh: Int64Array,
    charged_wh: Int64Array,
    discharged_wh: Int64Array,
    price_uyuan_per_kwh: Int64Array,
    user: str,
    supplier: str,
    version: str,
) -> list[RuleLine]:
    """Return what a user with storage pays for energy drawn, and receives for energy fed in, interval by interval.

    :param price_uyuan_per_kwh: shape (n_intervals,), as the columns of energy
    :raises OverflowError: if a product could leave int64
    """
    drawn, fed_in = joint_net_wh(load_wh, charged_wh, discharged_wh)
    rows = (("joint-energy", user, supplier, drawn), ("joint-surplus", supplier, user, fed_in))
    return [
        amount_line(
            component,
            payer=payer,
            payee=payee,
            amount_nano_yuan=total_charge_nano_yuan(energy, price_uyuan_per_kwh),
            quantity=int(np.sum(energy)),
            unit=QuantityUnit.WATT_HOUR,
            rule_version=JOINT_STORAGE_RULE,
            price_versions=(version,),
        )
        for component, payer, payee, energy in rows
        if energy.any()
    ]


def demand_response_line(
    *, effective_wh: int, price_uyuan_per_kwh: int, user: str, account: str, version: str
) -> RuleLine:
    """Return DR = P_DR x Q_eff, paid to the unit (row 135)."""
    line = priced_line(
        "demand-response",
        payer=account,
        payee=user,
        quantity=effective_wh,
        price_uyuan=price_uyuan_per_kwh,
        rule_version=JOINT_STORAGE_RULE,
        price_versions=(version,),
    )
    assert line.amount_nano_yuan == demand_response_nano_yuan(effective_wh, price_uyuan_per_kwh)
    return line
