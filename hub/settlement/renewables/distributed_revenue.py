"""What a distributed plant earns: self-used energy by contract, surplus fed in interval by interval (rows 141, 143).

Energy Wh, price micro-yuan/kWh, money nano-yuan. A mean price never settles surplus: what the sun feeds in at noon is
worth noon's price.
"""

import numpy as np

from hub.market.trades import Int64Array
from hub.settlement.exact_shares import share_half_up
from hub.settlement.money import total_charge_nano_yuan
from hub.settlement.rule_lines import QuantityUnit, RuleLine, amount_line, priced_line

SELF_USE_RULE = "distributed-self-use-1"
SURPLUS_RULE = "distributed-surplus-1"


def self_use_line(
    self_used_wh: int,
    *,
    agency_uyuan_per_kwh: int,
    discount_ppm: int,
    host: str,
    plant: str,
    price_versions: tuple[str, str],
) -> RuleLine:
    """Return Q_self P_agency d: the host's energy at the agency price with a discount (row 141).

    The discounted price is rounded half up to 1 micro-yuan/kWh once.

    :param discount_ppm: d, what is left of the agency price, 0 to 1
    :param price_versions: of the agency price, and of the contract
    """
    return priced_line(
        "self-used-energy",
        payer=host,
        payee=plant,
        quantity=self_used_wh,
        price_uyuan=share_half_up(agency_uyuan_per_kwh, discount_ppm),
        rule_version=SELF_USE_RULE,
        price_versions=price_versions,
    )


def surplus_line(
    fed_in_wh: Int64Array, price_uyuan_per_kwh: Int64Array, *, d_sup: str, plant: str, version: str
) -> RuleLine:
    """Return Rev = sum over intervals of Feed_t P_t (row 143); a plant at the coal benchmark has one price in all.

    :param fed_in_wh, price_uyuan_per_kwh: shape (n_intervals,)
    :raises OverflowError: if a product could leave int64
    """
    return amount_line(
        "surplus-energy",
        payer=d_sup,
        payee=plant,
        amount_nano_yuan=total_charge_nano_yuan(fed_in_wh, price_uyuan_per_kwh),
        quantity=int(np.sum(fed_in_wh)),
        unit=QuantityUnit.WATT_HOUR,
        rule_version=SURPLUS_RULE,
        price_versions=(version,),
    )
