"""What a bill comes to: components with their items and residuals, shares that sum to 100 %, the average price.

Sources: requirements rows 94, 95, 99, 100. Amounts are nano-yuan, shares 1/10,000, prices micro-yuan/kWh.
"""

from collections.abc import Iterable, Mapping, Sequence

from hub.settlement.bills.bill import (
    RESIDUAL,
    SHARES_TOTAL_BP,
    Bill,
    BillComponent,
    ComponentAmount,
    ItemAmount,
)
from hub.settlement.bills.charges import BILL_COMPONENT, BillCharge, ChargedEnergy
from hub.settlement.money import divide_half_up
from hub.settlement.tariffs.price_table import PriceTable
from hub.settlement.tariffs.user_price import Breakdown

_OF_POSTING = {f"tariff-{str(one.name).lower()}": shown for one, shown in BILL_COMPONENT.items()}


def shares_bp(amounts_nano_yuan: Sequence[int]) -> list[int | None]:
    """Return each amount's share of the sum in 1/10,000 by largest remainder, so that they sum to 10,000 (row 100).

    A negative amount has a negative share. Where the sum is not positive there are no shares.
    """
    whole = sum(amounts_nano_yuan)
    if whole <= 0:
        return [None] * len(amounts_nano_yuan)
    parts = [divmod(amount * SHARES_TOTAL_BP, whole) for amount in amounts_nano_yuan]
    spare = SHARES_TOTAL_BP - sum(share for share, _ in parts)
    by_remainder = sorted(range(len(parts)), key=lambda position: (-parts[position][1], position))
    raised = set(by_remainder[:spare])
    return [share + (position in raised) for position, (share, _) in enumerate(parts)]


def average_price_uyuan_per_kwh(amount_nano_yuan: int, energy_wh: int) -> int | None:
    """Return amount / energy, rounded half-up once to the micro-yuan (row 99); None without energy."""
    return divide_half_up(amount_nano_yuan, energy_wh) if energy_wh > 0 else None


def component_amounts(
    energy: ChargedEnergy, others: Iterable[BillCharge], table: PriceTable | None, energy_wh: int
) -> tuple[ComponentAmount, ...]:
    """Return the month's charges by component, in the order of the bill, with items, residuals and shares.

    A published period price counts by its five components; what it has over the coefficients stands apart.
    """
    amounts: dict[BillComponent, int] = {}
    for posting in energy.postings:
        component = _OF_POSTING.get(posting.component)
        if component is None:
            is_guaranteed = posting.component == "guaranteed-energy"
            component = BillComponent.GUARANTEED if is_guaranteed else BillComponent.ENERGY
        amounts[component] = amounts.get(component, 0) + posting.amount_nano_yuan
    if energy.published_difference_nano_yuan:
        amounts[BillComponent.ENERGY] -= energy.published_difference_nano_yuan
        amounts[BillComponent.PUBLISHED_DIFFERENCE] = energy.published_difference_nano_yuan
    for charge in others:
        amounts[charge.component] = amounts.get(charge.component, 0) + charge.line.amount_nano_yuan
    ordered = [(component, amounts[component]) for component in BillComponent if component in amounts]
    return tuple(
        ComponentAmount(component, amount, share, _items_of(table, component, amount, energy_wh))
        for (component, amount), share in zip(ordered, shares_bp([amount for _, amount in ordered]), strict=True)
    )


def class_shares(bills: Iterable[Bill]) -> Mapping[str, tuple[ComponentAmount, ...]]:
    """Return the components of all bills of one month by user class, with their shares (row 100: the trend)."""
    by_class: dict[str, dict[BillComponent, int]] = {}
    for bill in bills:
        head = bill.head
        amounts = by_class.setdefault(f"{head.category.value} {head.voltage_class} {head.tariff_type.value}", {})
        for one in bill.components:
            amounts[one.component] = amounts.get(one.component, 0) + one.amount_nano_yuan
    return {
        name: tuple(
            ComponentAmount(component, amount, share)
            for (component, amount), share in zip(amounts.items(), shares_bp(list(amounts.values())), strict=True)
        )
        for name, amounts in sorted(by_class.items())
    }


def _items_of(
    table: PriceTable | None, component: BillComponent, amount_nano_yuan: int, energy_wh: int
) -> tuple[ItemAmount, ...]:
    """Return the listed items of system operation and funds with what they leave of the component's amount."""
    if table is None or component not in {BillComponent.SYSTEM, BillComponent.FUNDS}:
        return ()
    found: Breakdown = table.system_breakdown if component is BillComponent.SYSTEM else table.fund_breakdown
    if not found.items_uyuan_per_kwh:
        return ()
    items = [ItemAmount(name, price, price * energy_wh) for name, price in found.items_uyuan_per_kwh.items()]
    rest = amount_nano_yuan - sum(item.amount_nano_yuan for item in items)
    is_price = rest == found.residual_uyuan_per_kwh * energy_wh
    return (*items, ItemAmount(RESIDUAL, found.residual_uyuan_per_kwh if is_price else None, rest))
