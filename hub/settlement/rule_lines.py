"""One amount that a rule gives: who pays whom, how much of what at which price, by which version of which rule.

Rules of a month (retail packages, agency, ancillary services, storage, green, renewables) end in such lines; bills and
the ledger take them from here. The first account named pays where the amount is positive, as in transfers.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from hub.market.trades import Violation


class QuantityUnit(Enum):
    """What a line counts. A price is micro-yuan per 1,000 of WATT_HOUR, WATT or VOLT_AMPERE, so the product is
    nano-yuan; AMOUNT: a sum of money without a quantity of its own.
    """

    WATT_HOUR = "Wh"
    WATT = "W"
    VOLT_AMPERE = "VA"
    AMOUNT = "amount"


@dataclass(frozen=True)
class RuleLine:
    """One amount. component: a slug such as "retail-energy"; detail: what it is about (a period, a cause, a contract).

    price_uyuan: micro-yuan per kWh, kW or kVA; None where the amount is no product of one quantity and one price.
    rule_version: of the rule, "slug-number". price_versions: ids of what was loaded for it, published or contracted.
    """

    component: str
    detail: str
    from_account: str
    to_account: str
    quantity: int
    unit: QuantityUnit
    price_uyuan: int | None
    amount_nano_yuan: int
    rule_version: str
    price_versions: tuple[str, ...]


def priced_line(
    component: str,
    *,
    payer: str,
    payee: str,
    quantity: int,
    price_uyuan: int,
    rule_version: str,
    price_versions: tuple[str, ...] = (),
    detail: str = "",
    unit: QuantityUnit = QuantityUnit.WATT_HOUR,
) -> RuleLine:
    """Return the line of quantity x price; Wh x micro-yuan/kWh is nano-yuan, exactly."""
    return RuleLine(
        component,
        detail,
        payer,
        payee,
        quantity,
        unit,
        price_uyuan,
        quantity * price_uyuan,
        rule_version,
        price_versions,
    )


def amount_line(
    component: str,
    *,
    payer: str,
    payee: str,
    amount_nano_yuan: int,
    rule_version: str,
    price_versions: tuple[str, ...] = (),
    detail: str = "",
    quantity: int = 0,
    unit: QuantityUnit = QuantityUnit.AMOUNT,
) -> RuleLine:
    """Return the line of an amount that a rule computed otherwise; the quantity is shown beside it."""
    return RuleLine(
        component, detail, payer, payee, quantity, unit, None, amount_nano_yuan, rule_version, price_versions
    )


def priced_lines(
    rows: Iterable[tuple[str, str, str, int, int]],
    *,
    rule_version: str,
    price_versions: tuple[str, ...] = (),
    detail: str = "",
) -> list[RuleLine]:
    """Return a line a row of (component, payer, payee, Wh, micro-yuan/kWh), rows without energy left out."""
    return [
        priced_line(
            component,
            payer=payer,
            payee=payee,
            quantity=quantity,
            price_uyuan=price,
            rule_version=rule_version,
            price_versions=price_versions,
            detail=detail,
        )
        for component, payer, payee, quantity, price in rows
        if quantity
    ]


def share_lines(
    component: str,
    shares_nano_yuan: Mapping[str, int],
    *,
    account: str,
    rule_version: str,
    price_versions: tuple[str, ...] = (),
) -> list[RuleLine]:
    """Return a line for each that pays its share to one account, shares of 0 left out; a negative share is received."""
    return [
        amount_line(
            component,
            payer=payer,
            payee=account,
            amount_nano_yuan=share,
            rule_version=rule_version,
            price_versions=price_versions,
        )
        for payer, share in shares_nano_yuan.items()
        if share
    ]


def total_nano_yuan(lines: Iterable[RuleLine]) -> int:
    """Return the sum of the lines' amounts."""
    return sum(line.amount_nano_yuan for line in lines)


def account_totals_nano_yuan(lines: Iterable[RuleLine]) -> Mapping[str, int]:
    """Return what each account receives less what it pays, by name."""
    totals: dict[str, int] = {}
    for line in lines:
        totals[line.from_account] = totals.get(line.from_account, 0) - line.amount_nano_yuan
        totals[line.to_account] = totals.get(line.to_account, 0) + line.amount_nano_yuan
    return totals


def check_rule_lines(lines: Sequence[RuleLine]) -> list[Violation]:
    """Laws 5 and 7: each line has two accounts, a rule version, and is its quantity times its price if it has one."""
    found = []
    for line in lines:
        where = f"{line.component} {line.detail}".strip()
        faults = (
            (line.from_account == line.to_account, f"{line.from_account} pays itself"),
            (not line.rule_version, "names no version of its rule"),
            (
                line.price_uyuan is not None and line.amount_nano_yuan != line.quantity * line.price_uyuan,
                f"{line.amount_nano_yuan} nano-yuan is not {line.quantity} x {line.price_uyuan}",
            ),
        )
        found += [Violation(5, where, what) for is_breach, what in faults if is_breach]
    return found
