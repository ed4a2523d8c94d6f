"""The close of a month: trial balances by interval, day and month, and the utility's arms apart (DESIGN 4, law 6).

The arms of the utility are never one sum: D_gen (its own plants, which are participants), D_net (the wires), D_sup
(supply) and the operator. A month is closed on what was booked in it; later corrections belong to later months
(resettlement.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

import numpy as np

from edge.contract.interval import day_of_interval
from hub.market.trades import Int64Array, Violation
from hub.settlement.accounts import AccountTable, SystemAccount
from hub.settlement.ledger import PostingBatch, TrialBalance, exact_totals, trial_balance
from hub.settlement.money import exact_sum, yuan_text_from_nano_yuan
from hub.settlement.resettlement import BookedBatch
from hub.settlement.transfers import TransferKind


class Arm(Enum):
    """Whose money it is: the utility's arms (requirements row 4), and all others together."""

    D_GEN = "D_gen"
    D_NET = "D_net"
    D_SUP = "D_sup"
    OPERATOR = "operator"
    OTHERS = "others"


# What the wires may be paid for or pay: the network, and the rounding of their own statement.
_NETWORK_KINDS = frozenset(
    {
        TransferKind.NETWORK_COVERED,
        TransferKind.NETWORK_UNCOVERED,
        TransferKind.NETWORK_CAPTIVE,
        TransferKind.NETWORK_COMMISSION,
        TransferKind.GATEWAY_TARIFF,
        TransferKind.STATEMENT_ROUNDING,
    }
)


@dataclass(frozen=True)
class MonthClose:
    """Trial balances of what was booked in one month; nano-yuan, Python ints where sums may be long.

    by_interval, by_day: what the balances of all accounts sum to; corrections count to the interval that they correct.
    balance: of the whole month. arm_nano_yuan: balance of each arm, D_gen without what is not the utility's.
    """

    month: int
    by_interval: dict[int, int]
    by_day: dict[date, int]
    balance: TrialBalance
    arm_nano_yuan: dict[Arm, int]


def arm_of_accounts(accounts: AccountTable, d_gen: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arm of every account, by position.

    :param d_gen: participants that are the utility's own plants; each must have an account
    """
    own = frozenset(d_gen)
    assert own <= set(accounts.participant_id)
    arms = [Arm.D_GEN if name in own else Arm.OTHERS for name in accounts.names]
    for system, arm in (
        (SystemAccount.D_NET, Arm.D_NET),
        (SystemAccount.D_SUP, Arm.D_SUP),
        (SystemAccount.OPERATOR, Arm.OPERATOR),
    ):
        arms[accounts.position(system)] = arm
    return tuple(arms)


def close_month(
    month: int, books: Sequence[BookedBatch], accounts: AccountTable, d_gen: Sequence[str] = ()
) -> MonthClose:
    """Return the trial balances of the month, year x 100 + month, from all books.

    :raises OverflowError: if the amounts of one batch could leave int64
    """
    booked = [one.batch for one in books if one.posting_month == month]
    by_interval: dict[int, int] = {}
    by_day: dict[date, int] = {}
    for batch in booked:
        residual = _residual_nano_yuan(batch, len(accounts))
        by_interval[batch.interval] = by_interval.get(batch.interval, 0) + residual
        day = day_of_interval(batch.interval)
        by_day[day] = by_day.get(day, 0) + residual
    balance = trial_balance(booked, len(accounts))
    arm_nano_yuan = dict.fromkeys(Arm, 0)
    for arm, amount in zip(arm_of_accounts(accounts, d_gen), balance.balance_nano_yuan, strict=True):
        arm_nano_yuan[arm] += amount
    return MonthClose(
        month=month,
        by_interval=dict(sorted(by_interval.items())),
        by_day=dict(sorted(by_day.items())),
        balance=balance,
        arm_nano_yuan=arm_nano_yuan,
    )


def check_month(close: MonthClose, independent_nano_yuan: Sequence[int], accounts: AccountTable) -> list[Violation]:
    """Law 6: all balances are zero by interval, day and month; each account is what was computed on its own.

    :param independent_nano_yuan: by account, the month's sum of independent accounts, corrections included
    """
    residuals = [(f"interval {interval}", residual) for interval, residual in close.by_interval.items()]
    residuals += [(f"day {day}", residual) for day, residual in close.by_day.items()]
    residuals += [(f"month {close.month}", close.balance.residual_nano_yuan)]
    residuals += [(f"arms of {close.month}", sum(close.arm_nano_yuan.values()))]
    violations = [
        Violation(6, where, f"balances sum to {yuan_text_from_nano_yuan(residual)} yuan")
        for where, residual in residuals
        if residual
    ]
    ledger = close.balance.balance_nano_yuan
    violations += [
        Violation(
            6,
            f"month {close.month}, account {accounts.names[account]}",
            f"ledger {yuan_text_from_nano_yuan(ledger[account])} yuan, "
            f"computed on its own {yuan_text_from_nano_yuan(own)} yuan",
        )
        for account, own in enumerate(independent_nano_yuan)
        if own != ledger[account]
    ]
    return violations


def check_wires_apart(books: Sequence[BookedBatch], month: int, accounts: AccountTable) -> list[Violation]:
    """Law 6: what D_net is paid or pays is of a network kind, so that no energy, rent or basis reaches the wires.

    Source: DESIGN 5 "Money of an interval" (rent and basis never go to D_net), requirements row 4.
    """
    d_net = accounts.position(SystemAccount.D_NET)
    kinds = np.array(sorted(_NETWORK_KINDS))
    violations = []
    for one in books:
        batch = one.batch
        if one.posting_month != month:
            continue
        wires = (batch.debit == d_net) | (batch.credit == d_net)
        violations += [
            Violation(
                6, f"batch {batch.batch_id}, posting {row}", f"{TransferKind(int(batch.kind[row])).name} of D_net"
            )
            for row in np.flatnonzero(wires & ~np.isin(batch.kind, kinds)).tolist()
        ]
    return violations


def _residual_nano_yuan(batch: PostingBatch, n_accounts: int) -> int:
    """Return what the accounts of the table hold after a batch, in sum: 0 unless a posting ends outside it."""
    inside = (batch.credit >= 0) & (batch.credit < n_accounts), (batch.debit >= 0) & (batch.debit < n_accounts)
    return exact_sum(batch.amount_nano_yuan[inside[0]]) - exact_sum(batch.amount_nano_yuan[inside[1]])


def month_of_accounts(settled: Sequence[Int64Array], n_accounts: int) -> tuple[int, ...]:
    """Return the sum of the intervals' independent accounts (IntervalSettlement), by account, exact."""
    return exact_totals(settled, n_accounts)
