"""The benchmark `settlement-interval`: the money of one county interval.

What settle_interval does besides multiplying and adding (legs, a second computation of every account, laws, the hash of
its inputs) is measured against the least that any settlement must do: one numpy pass over the same transfers. The other
peer is the ledger that one would write first: row by row, in Decimal yuan.
"""

from decimal import Decimal
from functools import partial
from typing import Final

import numpy as np
from sqlmodel import Session

from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import Comparison, Contender, Outcome, Show, Workbench, require_equal, time_in_turn
from hub.bench.county_interval import open_county, settle_made_up_interval
from hub.bench.databases import sqlite_database
from hub.market.trades import Int64Array
from hub.settlement.inputs import SettlementInputs
from hub.settlement.interval_settlement import interval_transfers, settle_interval
from hub.settlement.ledger import account_totals
from hub.settlement.positions import positions
from hub.settlement.transfers import Transfers

AGREED: Final = "the total of every account"
YUAN_PER_UYUAN: Final = Decimal("0.000001")
KWH_PER_WH: Final = Decimal("0.001")
NANO_YUAN_PER_YUAN: Final = 10**9


def measure(workbench: Workbench) -> Outcome:
    """Measure the settlement of one interval of the county.

    :raises BenchError: if the county cannot be used, or the account totals differ
    """
    with sqlite_database(workbench.folder, "settlement") as database:
        county = open_county(database, workbench.county)
        with Session(database.engine) as session:
            settled = settle_made_up_interval(session, county)
    return compare(settled.inputs, workbench)


def compare(inputs: SettlementInputs, workbench: Workbench) -> Outcome:
    """Measure the settlement of the given inputs against both peers."""
    settlement = settle_interval(inputs)
    transfers, n_accounts = settlement.transfers, len(inputs.accounts)
    expected = settlement.ledger_nano_yuan.tolist()
    whole = Contender("settle_interval", lambda _run: partial(settle_interval, inputs))
    legs = Contender("legs and ledger", lambda _run: partial(legs_and_ledger, inputs))
    one_pass = Contender("one numpy pass", lambda _run: partial(totals_in_one_pass, transfers, n_accounts))
    by_row = Contender("Decimal, row by row", lambda _run: partial(totals_by_row, transfers, n_accounts))
    require_equal("account totals", expected, totals_in_one_pass(transfers, n_accounts).tolist())
    require_equal("account totals", expected, totals_by_row(transfers, n_accounts))
    require_equal("account totals", expected, legs_and_ledger(inputs).tolist())
    rows = (
        ("one interval, whole", whole, one_pass),
        ("one interval, legs and ledger only", legs, one_pass),
        ("one interval, whole", whole, by_row),
    )
    comparisons = tuple(_compare(what, ours, peer, workbench.many_runs) for what, ours, peer in rows)
    pairs = sum(session.pairs.energy_wh.size for session in inputs.sessions)
    size = (
        f"{len(inputs.standing.meter_id):,} metering points, {n_accounts:,} accounts, {pairs:,} pairs, "
        f"{transfers.amount_nano_yuan.size:,} transfers; {len(settlement.violations)} breaches of a law."
    )
    bare = "Both peers are handed the transfers and only multiply and add; they decide and check nothing."
    return Outcome(comparisons, versions_of(("numpy",)), (size, bare))


def legs_and_ledger(inputs: SettlementInputs) -> Int64Array:
    """Return the account totals without a second computation, laws or hash, shape (n_accounts,), nano-yuan."""
    transfers = interval_transfers(inputs, positions(inputs))
    return account_totals(transfers, len(inputs.accounts))


def totals_in_one_pass(transfers: Transfers, n_accounts: int) -> Int64Array:
    """Return what each account receives less what it pays, nano-yuan: quantity times price, added up."""
    amount = transfers.quantity_wh * transfers.price_uyuan_per_kwh
    totals = np.zeros(n_accounts, np.int64)
    np.add.at(totals, transfers.to_account, amount)
    np.subtract.at(totals, transfers.from_account, amount)
    return totals


def totals_by_row(transfers: Transfers, n_accounts: int) -> list[int]:
    """Return the same from a ledger in Decimal yuan, one row after another."""
    balance = [Decimal(0)] * n_accounts
    rows = zip(
        transfers.from_account.tolist(),
        transfers.to_account.tolist(),
        transfers.quantity_wh.tolist(),
        transfers.price_uyuan_per_kwh.tolist(),
        strict=True,
    )
    for payer, payee, energy_wh, price_uyuan in rows:
        amount = Decimal(energy_wh) * KWH_PER_WH * Decimal(price_uyuan) * YUAN_PER_UYUAN
        balance[payer] -= amount
        balance[payee] += amount
    return [int(each * NANO_YUAN_PER_YUAN) for each in balance]


def _compare(what: str, ours: Contender, peer: Contender, runs: int) -> Comparison:
    timed, timed_peer = time_in_turn(ours, peer, runs=runs, peer_runs=runs)
    return Comparison(what, Show.MILLISECONDS, "intervals", timed, timed_peer, AGREED)
