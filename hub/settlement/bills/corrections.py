"""What a bill that is made again changes: corrections for a later bill, account by account (红冲).

A closed month stays what it was, so its difference is charged in an open one, as the reversal of what was charged and
what replaces it. A published period price goes to five payees; the correction is by payee, so that each gets its own.
Sources: outside rules, section 9 (an adjustment is a line of its own; look-back of six months); DESIGN 4 law 5.
"""

from hub.settlement.bills.bill import Bill, BillComponent, LinePosting, PriceSource
from hub.settlement.bills.bill_case import ChargeRow, CorrectionRow
from hub.settlement.bills.charges import BILL_COMPONENT
from hub.settlement.rule_lines import QuantityUnit, RuleLine

CORRECTION_RULE = "bill-correction-1"
_OF_SLUG = {f"tariff-{str(one.name).lower()}": shown for one, shown in BILL_COMPONENT.items()} | {
    "guaranteed-energy": BillComponent.ENERGY,
    "tariff-capacity": BillComponent.CAPACITY,
    "tariff-demand": BillComponent.DEMAND,
}
_VOLUMETRIC = frozenset({*BILL_COMPONENT.values(), BillComponent.GUARANTEED})
_Key = tuple[BillComponent, str]


def correction_rows(before: Bill, after: Bill, *, reason: str) -> tuple[CorrectionRow, ...]:
    """Return the corrections that take `before` to `after`, one a component and payee; none where nothing changed.

    :param before: the bill as it was issued, or as it was last corrected
    :param reason: why, as the user reads it
    """
    held, found = _by_payee(before), _by_payee(after)
    sources = {one.version_id: one for bill in (before, after) for one in bill.prices}
    rows = []
    for key in dict.fromkeys((*held, *found)):
        old, new = held.get(key, ()), found.get(key, ())
        if _amount(old) == _amount(new):
            continue
        rows.append(
            CorrectionRow(
                bill_id=before.head.bill_id,
                line=_line_of(before, key[0]),
                reason=reason,
                reversed_charge=_row(key, old, sources),
                restated_charge=_row(key, new, sources),
            )
        )
    return tuple(rows)


def _by_payee(bill: Bill) -> dict[_Key, tuple[RuleLine, ...]]:
    """Return the month's own postings by component and payee; what corrects earlier months is no part of it."""
    n_corrected = sum(line.posting is not LinePosting.CHARGE for line in bill.lines)
    own = bill.postings[: len(bill.postings) - n_corrected]
    found: dict[_Key, tuple[RuleLine, ...]] = {}
    for one in own:
        slug = one.component.removeprefix("bill-")
        component = _OF_SLUG.get(one.component) or BillComponent(slug)
        key = component, one.to_account
        found[key] = (*found.get(key, ()), one)
    return found


def _amount(lines: tuple[RuleLine, ...]) -> int:
    return sum(one.amount_nano_yuan for one in lines)


def _row(key: _Key, lines: tuple[RuleLine, ...], sources: dict[str, PriceSource]) -> ChargeRow:
    component, payee = key
    versions = sorted({version for one in lines for version in one.price_versions})
    units = {one.unit for one in lines}
    return ChargeRow(
        component=component,
        payee=payee,
        rule_version=CORRECTION_RULE,
        quantity=sum(one.quantity for one in lines) if len(units) == 1 else 0,
        unit=units.pop() if len(units) == 1 else QuantityUnit.AMOUNT,
        amount_nano_yuan=_amount(lines),
        prices=tuple(sources[version] for version in versions if version in sources),
    )


def _line_of(bill: Bill, component: BillComponent) -> int:
    """Return the number of the first line that the component is charged in: its own, or a period's."""
    whole = (BillComponent.PERIOD, BillComponent.GUARANTEED) if component in _VOLUMETRIC else ()
    for line in bill.lines:
        if line.component is component or line.component in whole:
            return line.number
    return 1
