"""The five volumetric components of a user's price, and totals of which the items are listed with their residual.

Sources: requirements rows 94 (five components), 95 (items that do not explain their total are shown), 96 (who pays
system operation), 98 (each component has its origin and payee). Prices are micro-yuan/kWh.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from edge.contract.registry import UserCategory
from hub.settlement.provinces.keys import Component


class ComponentPayee(Enum):
    """Whose account a component is paid to."""

    SUPPLIER = "supplier"
    LOSS_FUND = "loss-fund"
    NETWORK = "D_net"
    SYSTEM_ITEMS = "system-items"
    GOVERNMENT_FUNDS = "government-funds"


PAYEE: Mapping[Component, ComponentPayee] = MappingProxyType(
    {
        Component.ENERGY: ComponentPayee.SUPPLIER,
        Component.LOSS: ComponentPayee.LOSS_FUND,
        Component.NETWORK: ComponentPayee.NETWORK,
        Component.SYSTEM: ComponentPayee.SYSTEM_ITEMS,
        Component.FUNDS: ComponentPayee.GOVERNMENT_FUNDS,
    }
)
"""Row 94: each component has its own payee account."""


@dataclass(frozen=True)
class ComponentPrices:
    """The five components, micro-yuan/kWh each, signed (a market's energy price may be negative)."""

    energy_uyuan_per_kwh: int
    loss_uyuan_per_kwh: int
    network_uyuan_per_kwh: int
    system_uyuan_per_kwh: int
    funds_uyuan_per_kwh: int

    def by_component(self) -> dict[Component, int]:
        """Return the components in the order of the bill."""
        values = (
            self.energy_uyuan_per_kwh,
            self.loss_uyuan_per_kwh,
            self.network_uyuan_per_kwh,
            self.system_uyuan_per_kwh,
            self.funds_uyuan_per_kwh,
        )
        return dict(zip(Component, values, strict=True))

    @property
    def total_uyuan_per_kwh(self) -> int:
        """Return P_energy + P_loss + P_T&D + P_sys + P_fund (row 94)."""
        return sum(self.by_component().values())

    def of(self, components: Component) -> int:
        """Return the sum of the components in a mask."""
        return sum(value for component, value in self.by_component().items() if component in components)


@dataclass(frozen=True)
class Breakdown:
    """A published total with its listed items; residual: what they do not explain, shown, never hidden (row 95)."""

    total_uyuan_per_kwh: int
    items_uyuan_per_kwh: Mapping[str, int]
    residual_uyuan_per_kwh: int


def breakdown(total_uyuan_per_kwh: int, items_uyuan_per_kwh: Mapping[str, int]) -> Breakdown:
    """Return the items of a published total with the residual, 0 where they sum (row 95; government funds)."""
    listed = MappingProxyType(dict(items_uyuan_per_kwh))
    return Breakdown(total_uyuan_per_kwh, listed, total_uyuan_per_kwh - sum(listed.values()))


def system_operation_nano_yuan(category: UserCategory, energy_wh: int, rate_uyuan_per_kwh: int) -> int:
    """Return what a user pays for system operation: rate times energy, 0 for residents and agriculture (row 96)."""
    return energy_wh * rate_uyuan_per_kwh if pays_system_operation(category) else 0


def pays_system_operation(category: UserCategory) -> bool:
    """Return whether users of the category pay system operation and capacity shares: commercial ones only (row 96)."""
    return category is UserCategory.COMMERCIAL_INDUSTRIAL
