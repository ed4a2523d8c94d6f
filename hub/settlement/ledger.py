"""The ledger as values: double-entry postings, trial balances and reversals (DESIGN 5 "Settlement", law 5).

A posting moves a positive amount from the account that is debited (pays) to the account that is credited (receives);
the balance of an account is credits less debits, so a positive balance has received. A batch names the inputs' hash
and the rule version of every posting. Nothing posted is edited: a batch is corrected by its reversal and a new batch.
That rows are only ever added is the store's promise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from hub.market.trades import Int8Array, Int64Array
from hub.settlement.columns import read_only
from hub.settlement.money import INT64_MAX, magnitude_max, sum_by_group
from hub.settlement.transfers import Transfers


class BatchKind(Enum):
    """Why a batch was posted."""

    SETTLEMENT = "settlement"
    REVERSAL = "reversal"
    ROUNDING = "rounding"


@dataclass(frozen=True)
class PostingBatch:
    """The postings of one settlement run, shape (n_postings,) each, posted together or not at all.

    batch_id: unique text. interval: the interval settled (of a rounding batch: the day's last).
    reverses: the batch that this one reverses, else "". input_hash: sha256 of the inputs, hex.
    debit, credit: account positions; amount_nano_yuan > 0. kind: codes of TransferKind. transfer: row of the interval's
    transfers that the posting books. rule: position in rule_version.
    """

    batch_id: str
    kind_of_batch: BatchKind
    interval: int
    reverses: str
    input_hash: str
    debit: Int64Array
    credit: Int64Array
    amount_nano_yuan: Int64Array
    kind: Int8Array
    transfer: Int64Array
    rule: Int64Array
    rule_version: tuple[str, ...]


@dataclass(frozen=True)
class TrialBalance:
    """Debits and credits by account, Python ints (exact over any number of intervals)."""

    debit_nano_yuan: tuple[int, ...]
    credit_nano_yuan: tuple[int, ...]

    @property
    def balance_nano_yuan(self) -> tuple[int, ...]:
        """Return credits less debits by account."""
        return tuple(c - d for c, d in zip(self.credit_nano_yuan, self.debit_nano_yuan, strict=True))

    @property
    def residual_nano_yuan(self) -> int:
        """Return the sum of all balances, which is zero."""
        return sum(self.credit_nano_yuan) - sum(self.debit_nano_yuan)


def account_totals(transfers: Transfers, n_accounts: int) -> Int64Array:
    """Return what each account receives less what it pays, shape (n_accounts,), nano-yuan.

    :raises OverflowError: if a total could leave int64
    """
    received = sum_by_group(transfers.amount_nano_yuan, transfers.to_account, n_accounts)
    paid = sum_by_group(transfers.amount_nano_yuan, transfers.from_account, n_accounts)
    return read_only(received - paid)


def post_transfers(transfers: Transfers, *, batch_id: str, interval: int, input_hash: str) -> PostingBatch:
    """Return the postings of an interval's transfers; a transfer of 0 nano-yuan moves nothing and is not posted."""
    amount = transfers.amount_nano_yuan
    row = np.flatnonzero(amount)
    forward = amount[row] > 0
    payer, payee = transfers.from_account[row], transfers.to_account[row]
    return PostingBatch(
        batch_id=batch_id,
        kind_of_batch=BatchKind.SETTLEMENT,
        interval=interval,
        reverses="",
        input_hash=input_hash,
        debit=read_only(np.where(forward, payer, payee)),
        credit=read_only(np.where(forward, payee, payer)),
        amount_nano_yuan=read_only(np.abs(amount[row])),
        kind=read_only(transfers.kind[row]),
        transfer=read_only(np.asarray(row, dtype=np.int64)),
        rule=read_only(transfers.rule[row]),
        rule_version=transfers.rule_version,
    )


def reverse_batch(batch: PostingBatch, *, batch_id: str) -> PostingBatch:
    """Return the batch that undoes `batch` (红冲): the same postings with debit and credit exchanged."""
    return replace(
        batch,
        batch_id=batch_id,
        kind_of_batch=BatchKind.REVERSAL,
        reverses=batch.batch_id,
        debit=batch.credit,
        credit=batch.debit,
    )


def trial_balance(batches: Sequence[PostingBatch], n_accounts: int) -> TrialBalance:
    """Return the debits and credits of all batches by account, for an interval, a day or a month.

    :raises OverflowError: if the amounts of one batch could leave int64
    """
    debit = exact_totals((sum_by_group(one.amount_nano_yuan, one.debit, n_accounts) for one in batches), n_accounts)
    credit = exact_totals((sum_by_group(one.amount_nano_yuan, one.credit, n_accounts) for one in batches), n_accounts)
    return TrialBalance(debit, credit)


def exact_totals(columns: Iterable[Int64Array], size: int) -> tuple[int, ...]:
    """Return the sums of columns of one shape (size,), as Python ints: exact over any number of columns.

    Sums stay in int64 for as long as they cannot leave it, so a month of many accounts takes one pass of numpy.
    """
    total, part, bound = [0] * size, np.zeros(size, np.int64), 0
    for column in columns:
        largest = magnitude_max(column)
        if bound + largest > INT64_MAX:
            total = [one + other for one, other in zip(total, part.tolist(), strict=True)]
            part, bound = np.zeros(size, np.int64), 0
        part += column
        bound += largest
    return tuple(one + other for one, other in zip(total, part.tolist(), strict=True))
