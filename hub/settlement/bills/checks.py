"""Law 7 for bills: lines sum to the bill, bills plus the rounding account sum to the ledger.

A stored bill is checked with the same functions before it is explained, so a changed number is found.
"""

from collections.abc import Mapping, Sequence

from hub.market.trades import Violation
from hub.settlement.bills.bill import SHARES_TOTAL_BP, Bill, BillLine, LinePosting
from hub.settlement.bills.breakdown import average_price_uyuan_per_kwh
from hub.settlement.bills.composition import ROUNDING_ACCOUNT
from hub.settlement.exact_shares import PPM
from hub.settlement.money import NANO_YUAN_PER_FEN, divide_half_up, round_half_up_fen
from hub.settlement.rule_lines import check_rule_lines

LAW = 7


def check_bill(bill: Bill) -> list[Violation]:
    """Law 7: each line is its quantity times its price, rounded once; the bill is the sum of its lines.

    Beside it: the postings sum to the exact total, the components to the month's charges, the shares to 100 %.
    """
    where = f"bill {bill.head.bill_id}"
    found = [violation for line in bill.lines for violation in _check_line(where, line)]
    current = [line for line in bill.lines if line.posting is LinePosting.CHARGE]
    corrections = [line for line in bill.lines if line.posting is not LinePosting.CHARGE]
    shares = [one.share_bp for one in bill.components if one.share_bp is not None]
    average = average_price_uyuan_per_kwh(bill.current_fen * NANO_YUAN_PER_FEN, bill.energy_wh)
    sums = (
        ("current fen", bill.current_fen, sum(line.amount_fen for line in current)),
        ("corrections fen", bill.corrections_fen, sum(line.amount_fen for line in corrections)),
        ("total fen", bill.total_fen, sum(line.amount_fen for line in bill.lines)),
        ("exact nano-yuan by lines", bill.exact_nano_yuan, sum(line.amount_nano_yuan for line in bill.lines)),
        ("exact nano-yuan by postings", bill.exact_nano_yuan, _paid(bill)),
        ("rounding", bill.rounding_nano_yuan, bill.exact_nano_yuan - bill.total_fen * NANO_YUAN_PER_FEN),
        (
            "components",
            sum(one.amount_nano_yuan for one in bill.components),
            sum(line.amount_nano_yuan for line in current),
        ),
        ("shares", sum(shares), SHARES_TOTAL_BP if shares else 0),
        ("average price", bill.average_price_uyuan_per_kwh, average),
    )
    found += [Violation(LAW, where, f"{name}: {said}, not {is_}") for name, said, is_ in sums if said != is_]
    for one in bill.components:
        if one.items and sum(item.amount_nano_yuan for item in one.items) != one.amount_nano_yuan:
            found.append(Violation(LAW, where, f"the items of {one.component.value} are not its amount"))
    if [line.number for line in bill.lines] != list(range(1, len(bill.lines) + 1)):
        found.append(Violation(LAW, where, "the lines are not numbered from 1"))
    return [*found, *check_rule_lines(bill.postings)]


def check_bills(bills: Sequence[Bill], ledger_nano_yuan: Mapping[str, int]) -> list[Violation]:
    """Law 7: in a ledger with all postings and the rounding, users' accounts are their bills, the rounding account
    is what rounding moved, and all accounts sum to zero (law 6).

    :param ledger_nano_yuan: balance by account, received less paid
    """
    owed: dict[str, int] = {}
    for bill in bills:
        owed[bill.head.user_id] = owed.get(bill.head.user_id, 0) - bill.total_fen * NANO_YUAN_PER_FEN
    found = []
    for account, expected in owed.items():
        balance = ledger_nano_yuan.get(account, 0)
        if balance != expected:
            found.append(Violation(LAW, account, f"the ledger says {balance} nano-yuan, the bills {expected}"))
    moved = -sum(bill.rounding_nano_yuan for bill in bills)
    if ledger_nano_yuan.get(ROUNDING_ACCOUNT, 0) != moved:
        balance = ledger_nano_yuan.get(ROUNDING_ACCOUNT, 0)
        found.append(Violation(LAW, ROUNDING_ACCOUNT, f"the ledger says {balance} nano-yuan, rounding moved {moved}"))
    rest = sum(ledger_nano_yuan.values())
    return [*found, Violation(6, "all accounts", f"sum to {rest} nano-yuan")] if rest else found


def _paid(bill: Bill) -> int:
    user = bill.head.user_id
    paid = sum(one.amount_nano_yuan for one in bill.postings if one.from_account == user)
    return paid - sum(one.amount_nano_yuan for one in bill.postings if one.to_account == user)


def _check_line(where: str, line: BillLine) -> list[Violation]:
    place = f"{where}, line {line.number}"
    faults = []
    if line.price_uyuan is not None and line.quantity * line.price_uyuan != line.amount_nano_yuan:
        faults.append(f"{line.amount_nano_yuan} nano-yuan is not {line.quantity} x {line.price_uyuan}")
    if round_half_up_fen(line.amount_nano_yuan) != line.amount_fen:
        faults.append(f"{line.amount_nano_yuan} nano-yuan is not {line.amount_fen} fen")
    if line.factor_ppm is not None and line.base_price_uyuan is not None:
        price = divide_half_up(line.base_price_uyuan * line.factor_ppm, PPM)
        if price != line.price_uyuan:
            faults.append(f"{line.base_price_uyuan} x {line.factor_ppm} ppm is {price}, not {line.price_uyuan}")
    if not line.rule_version or not line.input_hash:
        faults.append("names no rule version or input hash")
    if line.price_uyuan is not None and not line.price_versions:
        faults.append("names no price version")
    if (line.posting is LinePosting.CHARGE) == bool(line.corrects):
        faults.append("a correction names what it corrects, a charge nothing")
    return [Violation(LAW, place, fault) for fault in faults]
