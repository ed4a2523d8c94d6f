"""Settle one interval on its metered energy: load what was cleared, call the core, save postings and account totals."""

import numpy as np
from sqlmodel import Session

from hub.market.curtailment import curtail_pairs
from hub.market.order_batch import as_in_tree
from hub.market.trades import Violation
from hub.settlement.checks import check_postings
from hub.settlement.inputs import ProvincePrices, SessionKind, SettlementInputs
from hub.settlement.inputs import Session as MarketSession
from hub.settlement.interval_settlement import IntervalSettlement, settle_interval
from hub.settlement.ledger import post_transfers
from hub.settlement.transfers import TransferKind, Transfers
from hub.store.bulk import ColumnValues, insert_columns
from hub.store.clearing import clearing_of_interval, cuts_of_interval, setpoints_of_interval
from hub.store.tables import AccountTotalRow, LossRow, PostingRow, SettlementRunRow
from hub.usecases.load_county import NONE, CountyModel
from hub.usecases.measure_energy import MeasuredInterval
from hub.usecases.record_prices import prices_of
from hub.usecases.retail_supply import standing_with_retailers

FIRST_RUN = 0
KIND_NAMES = np.array([kind.name for kind in TransferKind], dtype=object)


class NotPublishedError(LookupError):
    """The province has not published a price that this interval's settlement needs."""


def settle(session: Session, county: CountyModel, measured: MeasuredInterval) -> list[Violation]:
    """Settle one interval for the first time and save it; return the breaches of laws that were found.

    :raises NotPublishedError: if a provincial price is missing
    :raises hub.store.clearing.NotClearedError: if the interval was not cleared
    """
    inputs = settlement_inputs(session, county, measured)
    settled = settle_interval(inputs)
    batch = post_transfers(
        settled.transfers,
        batch_id=f"settlement/{measured.interval}/{FIRST_RUN}",
        interval=measured.interval,
        input_hash=settled.input_hash,
    )
    violations = [*settled.violations, *check_postings(batch, settled.transfers, len(inputs.accounts))]
    _save_run(session, settled)
    insert_columns(session, PostingRow, posting_columns(settled.interval, settled.transfers))
    _save_totals(session, settled)
    _save_losses(session, county, inputs)
    return violations


def settlement_inputs(session: Session, county: CountyModel, measured: MeasuredInterval) -> SettlementInputs:
    """Return everything that the settlement of a cleared and metered interval depends on.

    Retailers answer for the energy of retail users (retail_supply.py); their accounts are opened if they are not.
    """
    interval = measured.interval
    prices = prices_of(session, interval)
    if prices.indicative_uyuan_per_kwh is None or prices.real_time_uyuan_per_kwh is None:
        raise NotPublishedError(f"interval {interval} has no indicative or no real-time price")
    submitted, clearing, pairs = clearing_of_interval(session, interval)
    orders = as_in_tree(submitted, county.fees, county.points)
    cut_wh = cuts_of_interval(session, orders)
    rolling = MarketSession(
        kind=SessionKind.ROLLING,
        orders=orders,
        clearing=clearing,
        pairs=pairs,
        curtailed_wh=curtail_pairs(orders, pairs, cut_wh).curtailed_wh,
        province_price_uyuan_per_kwh=prices.indicative_uyuan_per_kwh,
    )
    day_ahead = prices.day_ahead_uyuan_per_kwh or 0
    standing, accounts = standing_with_retailers(session, county, interval)
    return SettlementInputs(
        interval=interval,
        tree=county.tree,
        unit_tariff_uyuan_per_kwh=county.fees.unit_tariff_uyuan_per_kwh,
        accounts=accounts,
        standing=standing,
        metered=measured.metered(),
        gateway=measured.gateway(county),
        sessions=(rolling,),
        deviation_basis_uyuan_per_kwh=clearing.basis_uyuan_per_kwh,
        setpoint_wh=setpoints_of_interval(session, interval, len(county.points.meter_id)),
        loss_wh=measured.loss_wh(county),
        prices=ProvincePrices(
            real_time_uyuan_per_kwh=prices.real_time_uyuan_per_kwh,
            day_ahead_uyuan_per_kwh=day_ahead,
            reference_uyuan_per_kwh=day_ahead,
        ),
        parameters=county.parameters,
    )


def _save_run(session: Session, settled: IntervalSettlement) -> None:
    session.add(
        SettlementRunRow(
            interval=settled.interval,
            run=FIRST_RUN,
            rule_version=" ".join(settled.transfers.rule_version),
            input_hash=settled.input_hash,
        )
    )
    session.flush()


def posting_columns(
    interval: int, transfers: Transfers, *, run: int = FIRST_RUN, first_seq: int = 0
) -> dict[str, ColumnValues]:
    """Return the columns of the posting rows of an interval's transfers, numbered from `first_seq`."""
    return {
        "interval": interval,
        "seq": np.arange(first_seq, first_seq + transfers.amount_nano_yuan.size),
        "run": run,
        "kind": KIND_NAMES[transfers.kind.astype(np.int64)],
        "debit": transfers.from_account,
        "credit": transfers.to_account,
        "amount_nano_yuan": transfers.amount_nano_yuan,
        "meter": np.where(transfers.from_meter != NONE, transfers.from_meter, transfers.to_meter),
        "energy_wh": transfers.quantity_wh,
        "price_uyuan_per_kwh": transfers.price_uyuan_per_kwh,
    }


def _save_totals(session: Session, settled: IntervalSettlement) -> None:
    insert_columns(
        session,
        AccountTotalRow,
        {
            "interval": settled.interval,
            "account": np.arange(settled.ledger_nano_yuan.size),
            "ledger_nano_yuan": settled.ledger_nano_yuan,
            "independent_nano_yuan": settled.independent_nano_yuan,
        },
    )


def _save_losses(session: Session, county: CountyModel, inputs: SettlementInputs) -> None:
    units = np.flatnonzero(county.boundary_meter != NONE)
    insert_columns(
        session,
        LossRow,
        {"interval": inputs.interval, "unit": units, "loss_wh": inputs.loss_wh[units]},
    )
