"""Laws 6 and 7 of a county's month: lines sum to bills, bills and rounding to the ledger, all accounts to zero."""

import numpy as np

from hub.market.trades import Violation
from hub.settlement.bills.composition import ROUNDING_ACCOUNT
from hub.settlement.county_month.settled_month import CountyMonth
from hub.settlement.money import NANO_YUAN_PER_FEN, exact_sum, round_half_up_fen_column, sum_by_group


def check_county_month(month: CountyMonth) -> list[Violation]:
    """Return what breaks laws 6 and 7 in a settled month."""
    lines, n_points = month.lines, len(month.points)
    found = []
    wrong = np.flatnonzero(lines.is_priced & (lines.quantity * lines.price_uyuan != lines.amount_nano_yuan))
    found += [_of_line(month, row, "is not its quantity times its price") for row in wrong.tolist()]
    wrong = np.flatnonzero(round_half_up_fen_column(lines.amount_nano_yuan) != lines.amount_fen)
    found += [_of_line(month, row, "is not rounded once, half-up") for row in wrong.tolist()]
    sums = (
        ("exact, nano-yuan", month.exact_nano_yuan, sum_by_group(lines.amount_nano_yuan, lines.point, n_points)),
        ("total, fen", month.total_fen, sum_by_group(lines.amount_fen, lines.point, n_points)),
    )
    for name, said, summed in sums:
        for point in np.flatnonzero(said != summed).tolist():
            what = f"{name}: {said[point]}, its lines sum to {summed[point]}"
            found.append(Violation(7, f"bill of {month.points.metering_point[point]}", what))
    paid, received = exact_sum(month.exact_nano_yuan), sum(month.received_nano_yuan.values())
    if paid != received:
        found.append(Violation(6, "the month's postings", f"{paid} nano-yuan paid, {received} received"))
    ledger = month.ledger_nano_yuan()
    rest = sum(ledger.values())
    if rest:
        found.append(Violation(6, "all accounts", f"sum to {rest} nano-yuan"))
    moved = exact_sum(month.total_fen) * NANO_YUAN_PER_FEN - paid
    if ledger[ROUNDING_ACCOUNT] != moved:
        found.append(Violation(7, ROUNDING_ACCOUNT, f"holds {ledger[ROUNDING_ACCOUNT]}, rounding moved {moved}"))
    return found


def _of_line(month: CountyMonth, row: int, what: str) -> Violation:
    point = month.points.metering_point[int(month.lines.point[row])]
    amount, fen = int(month.lines.amount_nano_yuan[row]), int(month.lines.amount_fen[row])
    return Violation(7, f"bill of {point}, row {row}", f"{amount} nano-yuan, {fen} fen {what}")
