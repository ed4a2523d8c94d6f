"""Why a bill changed: the difference of two months split into quantity, price and rule, exactly.

Decomposition, one group of lines (component, period, detail) after the other, in this order:

    quantity = (q_r - q_0) p_0      other energy or power at the old price, the old rules still in force
    price    = q_r (p_1 - p_0)      another price for it; it counts as rule where the rule version of the line changed
    rule     = (q_1 - q_r) p_1      energy that another calendar counts in another period

They telescope to q_1 p_1 - q_0 p_0. q_r is the later month's energy by period under the earlier calendar: as metered
where it is given, q_1 where the calendar is the same; else the later energy spread like the earlier (largest
remainder), and the change says that it is estimated. A group of several prices counts with its mean. A group that only
one month has changes by quantity. Amounts without a price, and corrections, are `other`. If the bills are built of
different lines (published periods in one, components in the other), the energy charges are one group.
Sources: DESIGN 3; requirements row 117 (rates of system operation). Nano-yuan throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.settlement.bills.bill import (
    Bill,
    BillChange,
    BillComponent,
    BillError,
    BillLine,
    ChangeRow,
    ItemRateChange,
    LinePosting,
)
from hub.settlement.exact_shares import split_exactly
from hub.settlement.money import divide_half_up
from hub.settlement.provinces.keys import PeriodKind
from hub.settlement.tariffs.system_operation import rate_change

_Key = tuple[BillComponent, str, str]
_VOLUMETRIC = (
    *(BillComponent.PERIOD, BillComponent.GUARANTEED, BillComponent.ENERGY, BillComponent.LOSS),
    *(BillComponent.NETWORK, BillComponent.SYSTEM, BillComponent.FUNDS),
)


@dataclass
class _Group:
    """The lines of one key in one bill, added up. is_amount: one of them has no price."""

    quantity: int = 0
    amount_nano_yuan: int = 0
    rules: set[str] = field(default_factory=set)
    is_amount: bool = False

    def add(self, line: BillLine, *, counts: bool) -> None:
        """Add a line; its quantity only if it counts."""
        self.quantity += line.quantity if counts else 0
        self.amount_nano_yuan += line.amount_nano_yuan
        self.rules.add(line.rule_version)
        self.is_amount = self.is_amount or line.price_uyuan is None


def explain_change(before: Bill, after: Bill, *, restated_wh: Mapping[PeriodKind, int] | None = None) -> BillChange:
    """Return why `after` differs from `before`, in the order that this module states.

    :param restated_wh: the later month's energy by kind of period under the earlier calendar, None if nobody knows
    :raises BillError: if the bills are of different users or in the wrong order, or the restated energy does not sum
    """
    if before.head.user_id != after.head.user_id or before.head.month >= after.head.month:
        names = f"{before.head.user_id} {before.head.month:%Y-%m} and {after.head.user_id} {after.head.month:%Y-%m}"
        raise BillError(f"row 99: {names} are no two months of one user in order; load the user's earlier bill")
    if restated_wh is not None and sum(restated_wh.values()) != after.energy_wh:
        raise BillError(
            f"row 99 on {after.head.month:%Y-%m}: the energy under the earlier calendar sums to "
            f"{sum(restated_wh.values())} Wh, not {after.energy_wh}; load the same meter's energy"
        )
    is_one_group = _basis(before) != _basis(after)
    groups = [_groups(bill, is_one_group=is_one_group) for bill in (before, after)]
    is_other_calendar = before.head.calendar_versions != after.head.calendar_versions
    spread = is_other_calendar and not is_one_group
    moved, is_estimated = _restated(groups[0], groups[1], restated_wh) if spread else ({}, False)
    keys = [*dict.fromkeys([*groups[1], *groups[0]])]
    rows = tuple(_row(key, groups[0].get(key), groups[1].get(key), moved.get(key)) for key in keys)
    return BillChange(
        before_bill_id=before.head.bill_id,
        before_month=before.head.month,
        before_fen=before.total_fen,
        after_fen=after.total_fen,
        quantity_nano_yuan=sum(row.quantity_nano_yuan for row in rows),
        price_nano_yuan=sum(row.price_nano_yuan for row in rows),
        rule_nano_yuan=sum(row.rule_nano_yuan for row in rows),
        other_nano_yuan=sum(row.other_nano_yuan for row in rows),
        rounding_nano_yuan=before.rounding_nano_yuan - after.rounding_nano_yuan,
        is_estimated=is_estimated,
        rows=rows,
        rates=_rates(before, after),
    )


def _basis(bill: Bill) -> frozenset[tuple[BillComponent, bool, str]]:
    """Return what tells bills of unlike lines apart: components, and whether their lines name periods in common."""
    return frozenset(
        (line.component, bool(line.period), line.detail if line.component is not BillComponent.ENERGY else "")
        for line in bill.lines
        if line.component in _VOLUMETRIC and line.posting is LinePosting.CHARGE
    )


def _groups(bill: Bill, *, is_one_group: bool) -> dict[_Key, _Group]:
    groups: dict[_Key, _Group] = {}
    for line in bill.lines:
        is_energy = line.component in _VOLUMETRIC
        if line.posting is not LinePosting.CHARGE:
            key = (BillComponent.OTHER, "", "corrections")
            groups.setdefault(key, _Group(is_amount=True)).add(line, counts=False)
        elif is_one_group and is_energy:
            groups.setdefault((BillComponent.PERIOD, "", ""), _Group()).add(line, counts=False)
        else:
            groups.setdefault((line.component, line.period, line.detail), _Group()).add(line, counts=True)
    if is_one_group and (BillComponent.PERIOD, "", "") in groups:
        groups[BillComponent.PERIOD, "", ""].quantity = bill.energy_wh
    return groups


def _restated(
    before: Mapping[_Key, _Group], after: Mapping[_Key, _Group], restated_wh: Mapping[PeriodKind, int] | None
) -> tuple[dict[_Key, int], bool]:
    """Return q_r of each group that is about a period, and whether one is estimated.

    As metered where that sums to the lines' energy, else the later energy spread like the earlier.
    """
    moved: dict[_Key, int] = {}
    is_estimated = False
    for component, detail in dict.fromkeys((c, d) for c, period, d in [*after, *before] if period):
        kinds = [kind for kind in PeriodKind if any((component, kind.name, detail) in part for part in (before, after))]
        keys = [(component, kind.name, detail) for kind in kinds]
        total = sum(after[key].quantity for key in keys if key in after)
        old = [before[key].quantity if key in before else 0 for key in keys]
        if restated_wh is not None and sum(restated_wh.get(kind, 0) for kind in kinds) == total:
            moved |= {key: restated_wh.get(kind, 0) for key, kind in zip(keys, kinds, strict=True)}
        elif any(old) and min(old) >= 0:
            moved |= dict(zip(keys, split_exactly(total, old), strict=True))
            is_estimated = True
    return moved, is_estimated


def _row(key: _Key, before: _Group | None, after: _Group | None, restated: int | None) -> ChangeRow:
    old, new = before or _Group(), after or _Group()
    difference = new.amount_nano_yuan - old.amount_nano_yuan
    quantity = price = rule = other = 0
    if old.is_amount or new.is_amount:
        other = difference
    else:
        middle = new.quantity if restated is None else restated
        old_part = (old.amount_nano_yuan, old.quantity) if old.quantity else (new.amount_nano_yuan, new.quantity)
        new_part = (new.amount_nano_yuan, new.quantity) if new.quantity else old_part
        quantity = _times(middle - old.quantity, *old_part)
        rule = _times(new.quantity - middle, *new_part)
        price = difference - quantity - rule
        if before is not None and after is not None and old.rules != new.rules:
            rule, price = rule + price, 0
    component, period, detail = key
    return ChangeRow(
        component, period, detail, old.amount_nano_yuan, new.amount_nano_yuan, quantity, price, rule, other
    )


def _times(quantity: int, amount_nano_yuan: int, of_quantity: int) -> int:
    """Return quantity x mean price; exact where the group has one price, else rounded half-up to the nano-yuan."""
    if not of_quantity:
        return 0
    sign = 1 if of_quantity > 0 else -1
    return divide_half_up(sign * quantity * amount_nano_yuan, abs(of_quantity))


def _rates(before: Bill, after: Bill) -> tuple[ItemRateChange, ...]:
    """Return the rate changes of the items whose fee and energy both bills give (row 117)."""
    earlier = {one.item: one for one in before.system_fees}
    rows = []
    for fee in after.system_fees:
        if fee.item not in earlier:
            continue
        old = earlier[fee.item]
        change = rate_change(
            fee_before_nano_yuan=old.fee_nano_yuan,
            energy_before_wh=old.energy_wh,
            fee_after_nano_yuan=fee.fee_nano_yuan,
            energy_after_wh=fee.energy_wh,
        )
        rows.append(
            ItemRateChange(
                fee.item,
                change.rate_before_uyuan_per_kwh,
                change.rate_after_uyuan_per_kwh,
                change.fee_effect_uyuan_per_kwh,
                change.energy_effect_uyuan_per_kwh,
            )
        )
    return tuple(rows)
