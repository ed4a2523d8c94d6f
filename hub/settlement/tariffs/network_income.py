"""What the wires earn: the difference between voltage levels, and costs that are no cost of the network.

Sources: requirements rows 106 (excluded cost), 107 (voltage-difference income).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES, SystemAccount


class CostCategory(Enum):
    """What a cost posting is for, as far as row 106 tells it apart."""

    NETWORK = "NETWORK"
    PUMPED_STORAGE = "PUMPED_STORAGE"
    ENERGY_STORAGE = "ENERGY_STORAGE"
    OWN_PLANT = "OWN_PLANT"


EXCLUDED_COSTS = frozenset({CostCategory.PUMPED_STORAGE, CostCategory.ENERGY_STORAGE, CostCategory.OWN_PLANT})
"""Row 106: these are recovered elsewhere and may not enter the network's cost."""


@dataclass(frozen=True)
class NetworkUse:
    """What one voltage level takes in a month, with its prices: energy times T and capacity or demand times K.

    basic_quantity: VA with a price per kVA, or W with a price per kW.
    """

    energy_wh: int
    tariff_uyuan_per_kwh: int
    basic_quantity: int
    basic_price_uyuan: int

    @property
    def charge_nano_yuan(self) -> int:
        """Return E T + S K."""
        return self.energy_wh * self.tariff_uyuan_per_kwh + self.basic_quantity * self.basic_price_uyuan


@dataclass(frozen=True)
class CostPosting:
    """A posting of a cost, as the supervision report sees it."""

    posting_id: str
    account: str
    category: CostCategory
    amount_nano_yuan: int


@dataclass(frozen=True)
class ExcludedCost:
    """A cost that stands in the network's account and may not (row 106)."""

    posting: CostPosting


def voltage_difference_income_nano_yuan(users: Sequence[NetworkUse], gateway: NetworkUse) -> int:
    """Return sum over users (E T + S K) less what the network pays the upper grid at the gateway (row 107)."""
    return sum(use.charge_nano_yuan for use in users) - gateway.charge_nano_yuan


def excluded_costs(postings: Iterable[CostPosting]) -> list[ExcludedCost]:
    """Return every posting of an excluded cost to the network's account (row 106)."""
    network = SYSTEM_ACCOUNT_NAMES[SystemAccount.D_NET]
    return [ExcludedCost(one) for one in postings if one.account == network and one.category in EXCLUDED_COSTS]
