"""From charges to a bill: lines rounded once, their total, corrections, and the rounding account's part.

Sources: requirements rows 99, 189; outside rules, section 9 (an adjustment is a line of its own); DESIGN 4, laws 5, 7.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES, SystemAccount
from hub.settlement.bills.bill import (
    ROUNDING_RULE,
    Bill,
    BillComponent,
    BillError,
    BillHead,
    BillLine,
    ComponentAmount,
    LinePosting,
    PriceSource,
    SystemFee,
)
from hub.settlement.bills.breakdown import average_price_uyuan_per_kwh
from hub.settlement.bills.charges import BillCharge
from hub.settlement.input_hash import Canonical, input_hash
from hub.settlement.money import INT64_MAX, NANO_YUAN_PER_FEN, round_half_up_fen
from hub.settlement.rule_lines import RuleLine, amount_line

ROUNDING_ACCOUNT = SYSTEM_ACCOUNT_NAMES[SystemAccount.ROUNDING]


@dataclass(frozen=True)
class Correction:
    """A line of an earlier bill that is taken back and charged anew (红冲): corrects: "bill/line"; reason: why."""

    corrects: str
    reason: str
    reversed_charge: BillCharge
    restated_charge: BillCharge


def compose_bill(
    head: BillHead,
    charges: Sequence[BillCharge],
    postings: Sequence[RuleLine],
    *,
    energy_wh: int,
    components: tuple[ComponentAmount, ...],
    corrections: Sequence[Correction] = (),
    prices: Iterable[PriceSource] = (),
    system_fees: tuple[SystemFee, ...] = (),
) -> Bill:
    """Return the bill: each charge and each correction's two sides are lines, rounded half-up once.

    :param postings: what the ledger books for the month's charges, the same money by payee; corrections add theirs
    :raises BillError: if an amount leaves int64
    """
    made_from = Canonical.of(head)
    current = [
        _line(head, made_from, charge, LinePosting.CHARGE, number=number)
        for number, charge in enumerate(charges, start=1)
    ]
    corrected: list[BillLine] = []
    corrected_postings = []
    for one in corrections:
        taken_back = _negated(one.reversed_charge)
        for charge, posting in ((taken_back, LinePosting.REVERSAL), (one.restated_charge, LinePosting.RESTATED)):
            number = len(current) + len(corrected) + 1
            line = _line(head, made_from, charge, posting, number=number, corrects=one.corrects, reason=one.reason)
            corrected.append(line)
            corrected_postings.append(charge.line)
    lines = (*current, *corrected)
    booked = (*postings, *corrected_postings)
    exact = sum(one.amount_nano_yuan for one in booked)
    current_fen, corrections_fen = (sum(line.amount_fen for line in part) for part in (current, corrected))
    total_fen = current_fen + corrections_fen
    if max(abs(exact), abs(total_fen) * NANO_YUAN_PER_FEN) > INT64_MAX:
        raise BillError(f"row 189 on {head.month:%Y-%m}: the bill of {head.user_id} leaves 64 bits; {_LOAD}")
    used = {version for one in booked for version in one.price_versions}
    return Bill(
        head=head,
        energy_wh=energy_wh,
        lines=lines,
        current_fen=current_fen,
        corrections_fen=corrections_fen,
        total_fen=total_fen,
        exact_nano_yuan=exact,
        rounding_nano_yuan=exact - total_fen * NANO_YUAN_PER_FEN,
        average_price_uyuan_per_kwh=average_price_uyuan_per_kwh(current_fen * NANO_YUAN_PER_FEN, energy_wh),
        components=components,
        postings=booked,
        prices=tuple(sorted((one for one in prices if one.version_id in used), key=lambda one: one.version_id)),
        system_fees=system_fees,
    )


def rounding_line(bill: Bill) -> RuleLine:
    """Return the posting that makes the user's account equal the bill: total less exact, user to rounding account."""
    return amount_line(
        "bill-rounding",
        payer=bill.head.user_id,
        payee=ROUNDING_ACCOUNT,
        amount_nano_yuan=-bill.rounding_nano_yuan,
        rule_version=ROUNDING_RULE,
        detail=bill.head.bill_id,
    )


_TEXT_KEY = {component: f"bill.line.{component.value}" for component in BillComponent}
_LOAD = "load the quantity and price again, with their units"


def _line(
    head: BillHead,
    made_from: Canonical,
    charge: BillCharge,
    posting: LinePosting,
    *,
    number: int,
    corrects: str = "",
    reason: str = "",
) -> BillLine:
    """Return one line. made_from: the head as the hash reads it, made once for all lines of the bill."""
    source, period = charge.line, charge.period
    if abs(source.amount_nano_yuan) > INT64_MAX or abs(source.quantity) > INT64_MAX:
        what = f"{source.quantity} x {source.price_uyuan} leaves 64 bits; {_LOAD}"
        raise BillError(f"row 189 on {_where(head, charge)}: {what}")
    if source.price_uyuan is not None and not source.price_versions:
        raise BillError(
            f"row 99 on {_where(head, charge)}: the price names no version; load the price with its version"
        )
    is_correction = posting is not LinePosting.CHARGE
    return BillLine(
        number=number,
        component=charge.component,
        period=period,
        detail="" if period else source.detail,
        text_key=_TEXT_KEY[charge.component],
        quantity=source.quantity,
        unit=source.unit,
        base_price_uyuan=charge.base_price_uyuan,
        factor_ppm=charge.factor_ppm,
        price_uyuan=source.price_uyuan,
        amount_nano_yuan=source.amount_nano_yuan,
        amount_fen=round_half_up_fen(source.amount_nano_yuan),
        posting=posting,
        corrects=corrects,
        reason=reason if is_correction else "",
        rule_version=source.rule_version,
        price_versions=source.price_versions,
        input_hash=input_hash((made_from, charge, posting, corrects)),
    )


def _where(head: BillHead, charge: BillCharge) -> str:
    return f"{head.month:%Y-%m}: {charge.component.value} {charge.line.detail}".strip()


def _negated(charge: BillCharge) -> BillCharge:
    line = charge.line
    return replace(charge, line=replace(line, quantity=-line.quantity, amount_nano_yuan=-line.amount_nano_yuan))
