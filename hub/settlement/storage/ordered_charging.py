"""Charging on dispatch order while the system curtails (requirements row 133, Xinjiang).

Charged energy is compensated, the same energy's discharge is settled at a fixed price, and none of it earns capacity
compensation. Energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from dataclasses import dataclass

from hub.market.trades import Violation
from hub.settlement.rule_lines import RuleLine, priced_lines

ORDERED_CHARGING_RULE = "storage-ordered-charging-1"


@dataclass(frozen=True)
class OrderedChargingRules:
    """A province's prices of ordered charging and of its discharge."""

    province: str
    versions: tuple[str, ...]
    charge_uyuan_per_kwh: int
    discharge_uyuan_per_kwh: int


@dataclass(frozen=True)
class OrderedMonth:
    """A storage's month. ordered_*: on dispatch order while the system curtailed; discharged_wh: all of it."""

    ordered_charge_wh: int
    ordered_discharge_wh: int
    discharged_wh: int

    @property
    def compensated_discharge_wh(self) -> int:
        """Return the discharge that may earn capacity compensation: all but the ordered charging's."""
        return self.discharged_wh - self.ordered_discharge_wh


def ordered_charging_lines(
    month: OrderedMonth, rules: OrderedChargingRules, *, storage: str, account: str
) -> list[RuleLine]:
    """Return Cash = c Ch_order + p Dis_order, a line each, paid to the storage (row 133)."""
    rows = (
        ("storage-ordered-charge", account, storage, month.ordered_charge_wh, rules.charge_uyuan_per_kwh),
        ("storage-ordered-discharge", account, storage, month.ordered_discharge_wh, rules.discharge_uyuan_per_kwh),
    )
    return priced_lines(rows, rule_version=ORDERED_CHARGING_RULE, price_versions=rules.versions)


def check_ordered_month(where: str, month: OrderedMonth) -> list[Violation]:
    """Law 2: what is discharged of an order was charged on it, and is a part of all that was discharged."""
    faults = (
        (month.ordered_discharge_wh > month.ordered_charge_wh, "more discharged of orders than charged on them"),
        (month.ordered_discharge_wh > month.discharged_wh, "more discharged of orders than discharged at all"),
        (min(month.ordered_charge_wh, month.ordered_discharge_wh) < 0, "energy is negative"),
    )
    return [Violation(2, where, what) for is_breach, what in faults if is_breach]
