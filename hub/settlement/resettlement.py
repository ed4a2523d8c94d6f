"""Re-settlement: an interval settled again is the reversal of what stands and a new batch, booked in the current month.

A closed month stays what it was: both batches are posted in an open month, and what they change together is a separate
line of that month (outside-rules section 9: formal results recomputed as a whole and booked as difference, look-back of
six months as a parameter). Environmental value that was settled is not reopened (section 11).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

import numpy as np

from edge.contract.interval import day_of_interval
from hub.market.listing.session_calendar import month_of
from hub.market.trades import BoolArray, Int64Array, Violation
from hub.settlement.checks import check_reversal
from hub.settlement.columns import read_only
from hub.settlement.ledger import BatchKind, PostingBatch, post_transfers, reverse_batch, trial_balance
from hub.settlement.transfers import Transfers

# Version of the rule by which a difference of an earlier month is booked.
RESETTLEMENT_RULE = "re-settlement-1"


@dataclass(frozen=True)
class BookedBatch:
    """A batch and the month that it is booked in, year x 100 + month; usually the month of its interval."""

    batch: PostingBatch
    posting_month: int


class ResettlementRefusal(Enum):
    """Why an interval is not settled again."""

    NEVER_SETTLED = "never-settled"
    POSTING_MONTH_CLOSED = "posting-month-closed"
    BEFORE_ITS_INTERVAL = "before-its-interval"
    BEYOND_LOOK_BACK = "beyond-look-back"


@dataclass(frozen=True)
class DifferenceLine:
    """What a re-settlement changes for one account, a line of the posting month beside that month's own energy."""

    account: int
    corrected_month: int
    posting_month: int
    amount_nano_yuan: int
    rule_version: str
    reversal_id: str
    replacement_id: str


@dataclass(frozen=True)
class Resettled:
    """The two batches to post together, and the difference by account; lines with 0 are left out, all sum to 0.

    not_reopened: rows of the new transfers that were left out, because what they pay was settled once for all.
    """

    reversal: BookedBatch
    replacement: BookedBatch
    lines: tuple[DifferenceLine, ...]
    not_reopened: int


@dataclass(frozen=True)
class Unchanged:
    """The new settlement posts what stands already; nothing is booked."""

    batch_id: str


@dataclass(frozen=True)
class NotResettled:
    """The settlement stands as it is; the new transfers are not followed, for the reason given."""

    interval: int
    reason: ResettlementRefusal


ResettlementOutcome = Resettled | Unchanged | NotResettled


def month_of_interval(interval: int) -> int:
    """Return the month of an interval's operating day, year x 100 + month."""
    return month_of(day_of_interval(interval))


def months_between(earlier: int, later: int) -> int:
    """Return how many months `later` lies after `earlier`, both year x 100 + month."""
    return (later // 100 - earlier // 100) * 12 + later % 100 - earlier % 100


def standing_batch(books: Sequence[BookedBatch], interval: int) -> PostingBatch | None:
    """Return the settlement batch of an interval that no other reverses, None if it was never settled."""
    reversed_ids = {one.batch.reverses for one in books if one.batch.kind_of_batch is BatchKind.REVERSAL}
    standing = [
        one.batch
        for one in books
        if one.batch.kind_of_batch is BatchKind.SETTLEMENT
        and one.batch.interval == interval
        and one.batch.batch_id not in reversed_ids
    ]
    assert len(standing) <= 1
    return standing[0] if standing else None


def resettle(
    books: Sequence[BookedBatch],
    transfers: Transfers,
    *,
    interval: int,
    input_hash: str,
    posting_day: date,
    closed_through: int,
    look_back_months: int,
    settled_once: tuple[str, ...] = (),
) -> ResettlementOutcome:
    """Return what is to be booked now that an interval settles to other transfers.

    :param books: all batches booked so far
    :param posting_day: when the correction is booked; its month must be open
    :param closed_through: the last closed month, year x 100 + month
    :param look_back_months: how many months before the posting month an interval may lie (parameter of the calendar)
    :param settled_once: beginnings of rule versions whose payments are not reopened, the environmental value's
    """
    corrected_month, posting_month = month_of_interval(interval), month_of(posting_day)
    stands = standing_batch(books, interval)
    if stands is None:
        return NotResettled(interval, ResettlementRefusal.NEVER_SETTLED)
    if posting_month <= closed_through:
        return NotResettled(interval, ResettlementRefusal.POSTING_MONTH_CLOSED)
    if posting_month < corrected_month:
        return NotResettled(interval, ResettlementRefusal.BEFORE_ITS_INTERVAL)
    if months_between(corrected_month, posting_month) > look_back_months:
        return NotResettled(interval, ResettlementRefusal.BEYOND_LOOK_BACK)
    run = sum(one.batch.interval == interval and one.batch.kind_of_batch is BatchKind.SETTLEMENT for one in books)
    posted = post_transfers(transfers, batch_id=f"resettle/{interval}/{run}", interval=interval, input_hash=input_hash)
    fresh, kept = _is_of(posted, settled_once), _is_of(stands, settled_once)
    replacement = _joined(posted, ~fresh, stands, kept)
    if _same_postings(replacement, stands):
        return Unchanged(stands.batch_id)
    reversal = reverse_batch(stands, batch_id=f"reverse/{interval}/{run}")
    return Resettled(
        reversal=BookedBatch(reversal, posting_month),
        replacement=BookedBatch(replacement, posting_month),
        lines=_difference_lines(reversal, replacement, corrected_month, posting_month),
        not_reopened=int(np.count_nonzero(fresh)),
    )


def check_resettlement(
    before: Sequence[BookedBatch], after: Sequence[BookedBatch], *, closed_through: int, n_accounts: int
) -> list[Violation]:
    """Law 5: every batch that was booked stands unchanged, none is new in a closed month, reversals undo theirs."""
    held = {one.batch.batch_id: one for one in after}
    violations = []
    if len(held) != len(after):
        violations.append(Violation(5, "ledger", "a batch id stands twice"))
    for one in before:
        other = held.get(one.batch.batch_id)
        if other is None or other.posting_month != one.posting_month or not _same_batch(one.batch, other.batch):
            violations.append(Violation(5, f"batch {one.batch.batch_id}", "it was edited or is gone"))
    known = {one.batch.batch_id for one in before}
    for one in after:
        if one.batch.batch_id not in known and one.posting_month <= closed_through:
            violations.append(Violation(5, f"batch {one.batch.batch_id}", f"booked in {one.posting_month}, closed"))
        if one.batch.kind_of_batch is BatchKind.REVERSAL:
            reversed_one = held.get(one.batch.reverses)
            violations += (
                [Violation(5, f"batch {one.batch.batch_id}", f"reverses {one.batch.reverses!r}, which is not booked")]
                if reversed_one is None
                else check_reversal(reversed_one.batch, one.batch)
            )
    residual = trial_balance([one.batch for one in after], n_accounts).residual_nano_yuan
    if residual:
        violations.append(Violation(6, "ledger", f"balances sum to {residual} nano-yuan"))
    return violations


def check_recomputed(
    after: Sequence[BookedBatch], recomputed: Sequence[PostingBatch], n_accounts: int
) -> list[Violation]:
    """Law 5: after re-settlement every account holds what it would if only the last results had ever been posted."""
    booked = trial_balance([one.batch for one in after], n_accounts).balance_nano_yuan
    expected = trial_balance(recomputed, n_accounts).balance_nano_yuan
    return [
        Violation(5, f"account {account}", f"ledger {booked[account]}, recomputed {expected[account]} nano-yuan")
        for account in range(n_accounts)
        if booked[account] != expected[account]
    ]


_COLUMNS = ("debit", "credit", "amount_nano_yuan", "kind", "transfer")


def _rule_names(batch: PostingBatch) -> list[str]:
    return [batch.rule_version[rule] for rule in batch.rule.tolist()]


def _is_of(batch: PostingBatch, settled_once: tuple[str, ...]) -> BoolArray:
    """Return which postings rest on a rule that is not reopened, shape (n_postings,)."""
    once = np.array([name.startswith(settled_once) for name in batch.rule_version], np.bool_)
    return np.asarray(once[batch.rule], dtype=np.bool_)


def _same_postings(one: PostingBatch, other: PostingBatch) -> bool:
    """Whether two batches move the same amounts for the same reasons."""
    same = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in _COLUMNS)
    return same and _rule_names(one) == _rule_names(other)


def _same_batch(one: PostingBatch, other: PostingBatch) -> bool:
    names = ("batch_id", "kind_of_batch", "interval", "reverses", "input_hash")
    return _same_postings(one, other) and all(getattr(one, name) == getattr(other, name) for name in names)


def _joined(new: PostingBatch, new_rows: BoolArray, old: PostingBatch, old_rows: BoolArray) -> PostingBatch:
    """Return the new batch's chosen postings and, behind them, the old one's, which stay as they were settled."""
    names = (*new.rule_version, *(name for name in old.rule_version if name not in new.rule_version))
    old_rule = np.array([names.index(name) for name in old.rule_version], np.int64)

    def column(one: Int64Array, other: Int64Array) -> Int64Array:
        return read_only(np.concatenate((one[new_rows], other[old_rows])))

    return replace(
        new,
        debit=column(new.debit, old.debit),
        credit=column(new.credit, old.credit),
        amount_nano_yuan=column(new.amount_nano_yuan, old.amount_nano_yuan),
        kind=read_only(np.concatenate((new.kind[new_rows], old.kind[old_rows]))),
        transfer=column(new.transfer, old.transfer),
        rule=column(new.rule, old_rule[old.rule]),
        rule_version=names,
    )


def _difference_lines(
    reversal: PostingBatch, replacement: PostingBatch, corrected_month: int, posting_month: int
) -> tuple[DifferenceLine, ...]:
    ends = (reversal.debit, reversal.credit, replacement.debit, replacement.credit)
    n_accounts = max(int(end.max(initial=-1)) for end in ends) + 1
    balance = trial_balance([reversal, replacement], n_accounts).balance_nano_yuan
    return tuple(
        DifferenceLine(
            account=account,
            corrected_month=corrected_month,
            posting_month=posting_month,
            amount_nano_yuan=amount,
            rule_version=RESETTLEMENT_RULE,
            reversal_id=reversal.batch_id,
            replacement_id=replacement.batch_id,
        )
        for account, amount in enumerate(balance)
        if amount
    )
