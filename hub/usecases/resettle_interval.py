"""Settle an interval again on other energy: reversal of what stands and a new posting, booked in the current month.

Postings of the interval are only added to. The account totals of the interval become those of the new settlement; what
changed for each account is kept as a line of the posting month, so a closed month stays what it was. If the interval's
month is billed, the run is joined to its bills (join_ledgers.py).
Sources: outside rules, section 9; DESIGN 4 law 5.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlmodel import Session, col, select

from edge.contract.registry import SupplyMode
from hub.market.trades import Violation
from hub.settlement.checks import check_postings
from hub.settlement.inputs import Supply
from hub.settlement.interval_settlement import IntervalSettlement, settle_interval
from hub.settlement.ledger import BatchKind, PostingBatch, post_transfers
from hub.settlement.resettlement import (
    BookedBatch,
    NotResettled,
    Resettled,
    ResettlementOutcome,
    Unchanged,
    check_resettlement,
    month_of_interval,
    resettle,
)
from hub.settlement.transfers import TransferKind
from hub.store.bill_tables import SettlementDifferenceRow
from hub.store.bills import last_closed_month
from hub.store.bulk import ColumnValues, OnConflict, insert_columns
from hub.store.tables import AccountTotalRow, PostingRow, SettlementRunRow
from hub.usecases.join_ledgers import join_resettled
from hub.usecases.load_county import CountyModel
from hub.usecases.settle_interval import posting_columns, settlement_inputs
from hub.usecases.settled_energy import energy_as_settled


@dataclass(frozen=True)
class ResettledInterval:
    """What became of a re-settlement. run: the new one, None if nothing was booked."""

    outcome: ResettlementOutcome
    run: int | None
    violations: tuple[Violation, ...]


def resettle_interval(
    session: Session, county: CountyModel, interval: int, *, posting_day: date, look_back_months: int
) -> ResettledInterval:
    """Settle an interval on the energy that holds now, and book the difference in the month of the posting day.

    :param look_back_months: how many months before the posting month an interval may lie (parameter of the calendar)
    :raises hub.usecases.settle_interval.NotPublishedError: if a provincial price is missing
    :raises hub.store.clearing.NotClearedError: if the interval was not cleared
    """
    runs = session.exec(
        select(SettlementRunRow).where(SettlementRunRow.interval == interval).order_by(col(SettlementRunRow.run))
    ).all()
    settled = settle_interval(settlement_inputs(session, county, energy_as_settled(session, county, interval)))
    if runs and runs[-1].input_hash == settled.input_hash:
        return ResettledInterval(Unchanged(f"settlement/{interval}/{runs[-1].run}"), None, ())
    standing = _standing(session, interval, runs[-1]) if runs else None
    outcome = resettle(
        [] if standing is None else [standing],
        settled.transfers,
        interval=interval,
        input_hash=settled.input_hash,
        posting_day=posting_day,
        closed_through=last_closed_month(session),
        look_back_months=look_back_months,
    )
    if isinstance(outcome, NotResettled | Unchanged):
        return ResettledInterval(outcome, None, ())
    assert standing is not None
    run = runs[-1].run + 1
    _save(session, settled, outcome, run)
    modes = {meter: SupplyMode[Supply(code).name] for meter, code in enumerate(county.standing.supply.tolist())}
    join_resettled(
        session,
        interval,
        run,
        modes,
        month=month_of_interval(interval),
        posting_month=outcome.replacement.posting_month,
    )
    replacement = post_transfers(settled.transfers, batch_id="", interval=interval, input_hash=settled.input_hash)
    violations = (
        *settled.violations,
        *check_postings(replacement, settled.transfers, settled.ledger_nano_yuan.size),
        *check_resettlement(
            [standing],
            [standing, outcome.reversal, outcome.replacement],
            closed_through=last_closed_month(session),
            n_accounts=settled.ledger_nano_yuan.size,
        ),
    )
    return ResettledInterval(outcome, run, violations)


def _standing(session: Session, interval: int, run: SettlementRunRow) -> BookedBatch:
    """Return what stands of an interval as a batch: the rows of its last run that reverse nothing."""
    own = [row for row in _standing_rows(session, interval, run.run) if row.amount_nano_yuan]
    forward = np.array([row.amount_nano_yuan > 0 for row in own], np.bool_)
    payer, payee = (np.array([getattr(row, name) for row in own], np.int64) for name in ("debit", "credit"))
    batch = PostingBatch(
        batch_id=f"settlement/{interval}/{run.run}",
        kind_of_batch=BatchKind.SETTLEMENT,
        interval=interval,
        reverses="",
        input_hash=run.input_hash,
        debit=np.where(forward, payer, payee),
        credit=np.where(forward, payee, payer),
        amount_nano_yuan=np.array([abs(row.amount_nano_yuan) for row in own], np.int64),
        kind=np.array([TransferKind[row.kind].value for row in own], np.int8),
        transfer=np.array([row.seq for row in own], np.int64),
        rule=np.zeros(len(own), np.int64),
        rule_version=(run.rule_version,),
    )
    return BookedBatch(batch, month_of_interval(interval))


def _standing_rows(session: Session, interval: int, run: int) -> list[PostingRow]:
    """Return what a run posted anew: a run begins with the reversal of what the run before it posted anew."""
    rows = session.exec(
        select(PostingRow)
        .where(
            PostingRow.interval == interval,
            PostingRow.run == run,
            PostingRow.kind != TransferKind.STATEMENT_ROUNDING.name,
        )
        .order_by(col(PostingRow.seq))
    ).all()
    n_reversed = len(_standing_rows(session, interval, run - 1)) if run else 0
    return list(rows[n_reversed:])


def _reversal_columns(rows: list[PostingRow], run: int, first_seq: int) -> dict[str, ColumnValues]:
    """Return the columns of rows that undo others: the same energy and money, the other way."""
    names = ("interval", "kind", "debit", "credit", "meter", "price_uyuan_per_kwh")
    same: dict[str, ColumnValues] = {name: [getattr(row, name) for row in rows] for name in names}
    return same | {
        "seq": list(range(first_seq, first_seq + len(rows))),
        "run": run,
        "amount_nano_yuan": [-row.amount_nano_yuan for row in rows],
        "energy_wh": [-row.energy_wh for row in rows],
    }


def _save(session: Session, settled: IntervalSettlement, outcome: Resettled, run: int) -> None:
    interval = settled.interval
    session.add(
        SettlementRunRow(
            interval=interval,
            run=run,
            rule_version=" ".join(settled.transfers.rule_version),
            input_hash=settled.input_hash,
        )
    )
    session.flush()
    next_seq = 1 + max(session.exec(select(PostingRow.seq).where(PostingRow.interval == interval)).all(), default=-1)
    standing = _standing_rows(session, interval, run - 1)
    if standing:
        insert_columns(session, PostingRow, _reversal_columns(standing, run, next_seq))
    fresh = posting_columns(interval, settled.transfers, run=run, first_seq=next_seq + len(standing))
    insert_columns(session, PostingRow, fresh)
    insert_columns(
        session,
        AccountTotalRow,
        {
            "interval": interval,
            "account": np.arange(settled.ledger_nano_yuan.size),
            "ledger_nano_yuan": settled.ledger_nano_yuan,
            "independent_nano_yuan": settled.independent_nano_yuan,
        },
        OnConflict.REPLACE,
    )
    session.add_all(
        SettlementDifferenceRow(
            interval=interval,
            run=run,
            account=line.account,
            corrected_month=line.corrected_month,
            posting_month=line.posting_month,
            amount_nano_yuan=line.amount_nano_yuan,
            rule_version=line.rule_version,
        )
        for line in outcome.lines
    )
    session.flush()
