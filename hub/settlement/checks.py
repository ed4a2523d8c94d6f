"""The laws of settlement (DESIGN section 4, laws 2, 4, 5, 6, 7), each written once.

Every check returns the list of its violations, empty if the law holds. They are used before commit, in the audit
report and in property tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.contract.energy import kwh_text_from_wh
from hub.market.trades import BoolArray, Int64Array, Party, TradeSide, Violation
from hub.settlement.accounts import AccountTable
from hub.settlement.deviation import SettledPositions, settle_by_deviation, settle_by_difference
from hub.settlement.inputs import Sale, Session, SessionKind, SettlementInputs, Supply
from hub.settlement.ledger import PostingBatch, TrialBalance, account_totals
from hub.settlement.loss import measured_loss_wh
from hub.settlement.metering import MISSING, IntervalEnergy
from hub.settlement.money import exact_sum, sum_by_group, yuan_text_from_nano_yuan
from hub.settlement.positions import Positions
from hub.settlement.statements import DayStatements
from hub.settlement.transfers import Transfers


@dataclass(frozen=True)
class CountyEnergy:
    """Energy of the market meters by what it is, shape (n_meters,), Wh; load is what remains behind each meter.

    import, export at the metering point; generation, charge and discharge by their own registers (0 without one; for a
    pure generator generation is its export).
    """

    import_wh: Int64Array
    export_wh: Int64Array
    generation_wh: Int64Array
    charge_wh: Int64Array
    discharge_wh: Int64Array

    @property
    def load_wh(self) -> Int64Array:
        """Return import + generation + discharge - export - charge of each meter."""
        return self.import_wh + self.generation_wh + self.discharge_wh - self.export_wh - self.charge_wh


def check_metered_balance(inputs: SettlementInputs, positions: Positions) -> list[Violation]:
    """Law 2, metered: the units' losses sum to gateway import + exports - gateway export - imports, none negative.

    A register shows whole Wh, so a difference is off by less than 1 Wh: a loss may read below zero by the number of
    registers in the unit, not by more.
    """
    where = f"interval {inputs.interval}"
    loss_wh = measured_loss_wh(inputs, positions)
    violations = []
    if exact_sum(inputs.loss_wh) != loss_wh:
        units = kwh_text_from_wh(exact_sum(inputs.loss_wh))
        violations.append(Violation(2, where, f"losses by unit sum to {units} kWh, meters {kwh_text_from_wh(loss_wh)}"))
    violations += [
        Violation(
            2, f"{where}, unit {inputs.tree.unit_id[unit]}", f"loss {kwh_text_from_wh(int(inputs.loss_wh[unit]))} kWh"
        )
        for unit in np.flatnonzero(inputs.loss_wh < -_registers_below(inputs)).tolist()
    ]
    return violations


def _registers_below(inputs: SettlementInputs) -> Int64Array:
    """Return the number of energy registers in each unit's subtree: two a market meter, two a unit boundary."""
    standing, parent = inputs.standing, inputs.tree.parent
    registers = 2 + 2 * np.bincount(standing.unit[standing.is_market], minlength=parent.size)
    for unit in range(parent.size - 1, 0, -1):
        registers[parent[unit]] += registers[unit]
    return np.asarray(registers, dtype=np.int64)


def check_county_energy(
    energy: CountyEnergy, meter_id: Sequence[str], *, gateway_import_wh: int, gateway_export_wh: int, loss_wh: int
) -> list[Violation]:
    """Law 2, metered: Imp + Gen + Dis = Exp + Load + Ch + Loss, with no negative load behind any meter."""
    negative = np.flatnonzero(energy.load_wh < 0).tolist()
    violations = [
        Violation(2, f"meter {meter_id[meter]}", f"load {kwh_text_from_wh(int(energy.load_wh[meter]))} kWh is negative")
        for meter in negative
    ]
    supply = gateway_import_wh + exact_sum(energy.generation_wh) + exact_sum(energy.discharge_wh)
    use = gateway_export_wh + exact_sum(energy.load_wh) + exact_sum(energy.charge_wh) + loss_wh
    if supply != use:
        violations.append(Violation(2, "county", f"{kwh_text_from_wh(supply)} kWh in, {kwh_text_from_wh(use)} kWh out"))
    return violations


def check_computed_loss(*, where: str, measured_wh: int, computed_wh: int, tolerance_wh: int) -> list[Violation]:
    """Law 2: the loss by registers agrees with the AC-computed loss within the tolerance."""
    if abs(measured_wh - computed_wh) <= tolerance_wh:
        return []
    texts = (kwh_text_from_wh(measured_wh), kwh_text_from_wh(computed_wh), kwh_text_from_wh(tolerance_wh))
    return [Violation(2, where, "loss by registers {} kWh, by AC power flow {} kWh, tolerance {} kWh".format(*texts))]


def check_traded(inputs: SettlementInputs) -> list[Violation]:
    """Law 2, cleared: what the pairs of every session hold sums to the fills of both sides, and to the schedule.

    The province's day-ahead fills are what it settles at P_DA (GatewayEnergy).
    """
    violations = []
    for session in inputs.sessions:
        n_orders = session.orders.energy_wh.size
        paired = sum_by_group(session.pairs.energy_wh, session.pairs.seller, n_orders)
        paired += sum_by_group(session.pairs.energy_wh, session.pairs.buyer, n_orders)
        wrong = np.flatnonzero(paired != session.clearing.filled_wh).tolist()
        violations += [
            Violation(
                2,
                f"interval {inputs.interval}, order {session.orders.order_id[order]}",
                f"filled {int(session.clearing.filled_wh[order])} Wh, paired {int(paired[order])} Wh",
            )
            for order in wrong
        ]
    for side, scheduled_wh in (
        (TradeSide.SELL, inputs.gateway.day_ahead_import_wh),
        (TradeSide.BUY, inputs.gateway.day_ahead_export_wh),
    ):
        cleared_wh = sum(_province_fill_wh(session, side) for session in inputs.sessions)
        if cleared_wh != scheduled_wh:
            what = f"the day-ahead session exchanged {cleared_wh} Wh with the province, it settles {scheduled_wh} Wh"
            violations.append(Violation(2, f"interval {inputs.interval}", what))
    return violations


def check_province_prices(inputs: SettlementInputs) -> list[Violation]:
    """Law 6: the province trades at its own price in every session, and at P_DA in a day-ahead one (row 52)."""
    violations = []
    for session in inputs.sessions:
        where = f"interval {inputs.interval}, {session.kind.name} session"
        orders, pairs, price = session.orders, session.pairs, session.province_price_uyuan_per_kwh
        sells = orders.party[pairs.seller] == Party.PROVINCE
        buys = orders.party[pairs.buyer] == Party.PROVINCE
        wrong = (sells & (pairs.price_received_uyuan_per_kwh != price)) | (
            buys & (pairs.price_paid_uyuan_per_kwh != price)
        )
        if np.any(wrong):
            violations.append(Violation(6, where, f"{int(wrong.sum())} pairs of the province are not at its price"))
        if session.kind is SessionKind.DAY_AHEAD and price != inputs.prices.day_ahead_uyuan_per_kwh:
            violations.append(Violation(6, where, "the session's price is not P_DA"))
    return violations


def _province_fill_wh(session: Session, side: TradeSide) -> int:
    """Return what the province sold or bought in the session, 0 unless it is day-ahead."""
    orders = session.orders
    own = (orders.party == Party.PROVINCE) & (orders.side == side)
    return exact_sum(session.clearing.filled_wh[own]) if session.kind is SessionKind.DAY_AHEAD else 0


def check_settled_energy(inputs: SettlementInputs, positions: Positions) -> list[Violation]:
    """Law 4: no metered energy lies outside settlement (a meter without the mode that would settle it)."""
    standing, where = inputs.standing, f"interval {inputs.interval}, meter "
    export_wh = positions.paid_export_wh + positions.excess_export_wh
    unbought = np.flatnonzero((standing.supply == Supply.NONE) & (positions.import_wh > 0)).tolist()
    unsold = np.flatnonzero((standing.sale == Sale.NONE) & (export_wh > 0)).tolist()
    return [
        Violation(4, where + standing.meter_id[m], f"imports {int(positions.import_wh[m])} Wh, supply mode NONE")
        for m in unbought
    ] + [Violation(4, where + standing.meter_id[m], f"exports {int(export_wh[m])} Wh, sale mode NONE") for m in unsold]


def check_register_sums(
    start_wh: Int64Array, end_wh: Int64Array, energy: IntervalEnergy, present: BoolArray, meter_id: Sequence[str]
) -> list[Violation]:
    """Law 4: a series of interval energies sums to the register difference, wherever both registers are known.

    :param start_wh, end_wh: registers at the first and last instant, shape (n_meters, n_channels), -1 missing
    :param energy: the series, with a leading axis of intervals
    """
    known = present & (start_wh != MISSING) & (end_wh != MISSING)
    wrong = known & (energy.energy_wh.sum(axis=0) != end_wh - start_wh)
    return [
        Violation(
            4,
            f"meter {meter_id[meter]}, channel {channel}",
            f"intervals sum to {int(energy.energy_wh[:, meter, channel].sum())}, "
            f"registers differ by {int(end_wh[meter, channel] - start_wh[meter, channel])}",
        )
        for meter, channel in np.argwhere(wrong).tolist()
    ]


def check_reading_counts(*, published: int, admitted: int, settled_twice: int) -> list[Violation]:
    """Law 4: no reading is lost, none counts twice.

    :param published: distinct (meter, instant) put into outboxes; admitted: distinct ones in the store
    :param settled_twice: (meter, interval) that more than one standing settlement counts
    """
    violations = []
    if published != admitted:
        violations.append(Violation(4, "readings", f"{published} published, {admitted} admitted"))
    if settled_twice:
        violations.append(Violation(4, "readings", f"{settled_twice} interval energies are settled twice"))
    return violations


def check_postings(batch: PostingBatch, transfers: Transfers, n_accounts: int) -> list[Violation]:
    """Law 5: every posting is positive, between accounts that exist, and the batch books its transfers exactly."""
    where = f"batch {batch.batch_id}"
    violations = []
    if np.any(batch.amount_nano_yuan <= 0):
        violations.append(Violation(5, where, "a posting is not positive"))
    ends = np.concatenate((batch.debit, batch.credit))
    if np.any((ends < 0) | (ends >= n_accounts)):
        return [*violations, Violation(5, where, "a posting names an account that does not exist")]
    posted = sum_by_group(batch.amount_nano_yuan, batch.credit, n_accounts)
    posted = posted - sum_by_group(batch.amount_nano_yuan, batch.debit, n_accounts)
    if not np.array_equal(posted, account_totals(transfers, n_accounts)):
        violations.append(Violation(5, where, "the postings do not book the transfers"))
    return violations


def check_reversal(batch: PostingBatch, reversal: PostingBatch) -> list[Violation]:
    """Law 5: a reversal names its batch and undoes each of its postings."""
    same = (
        reversal.reverses == batch.batch_id
        and np.array_equal(reversal.debit, batch.credit)
        and np.array_equal(reversal.credit, batch.debit)
        and np.array_equal(reversal.amount_nano_yuan, batch.amount_nano_yuan)
    )
    return [] if same else [Violation(5, f"batch {reversal.batch_id}", f"does not undo {batch.batch_id}")]


def check_accounts(
    ledger_nano_yuan: Int64Array, independent_nano_yuan: Int64Array, accounts: AccountTable, where: str
) -> list[Violation]:
    """Law 6: every account computed on its own equals the ledger, and both sum to zero."""
    wrong = np.flatnonzero(ledger_nano_yuan != independent_nano_yuan).tolist()
    names = accounts.names if wrong else ()
    violations = [
        Violation(
            6,
            f"{where}, account {names[account]}",
            f"ledger {yuan_text_from_nano_yuan(int(ledger_nano_yuan[account]))} yuan, "
            f"computed on its own {yuan_text_from_nano_yuan(int(independent_nano_yuan[account]))} yuan",
        )
        for account in wrong
    ]
    for name, column in (("ledger", ledger_nano_yuan), ("independent accounts", independent_nano_yuan)):
        residual = exact_sum(column)
        if residual:
            violations.append(Violation(6, where, f"{name} sum to {yuan_text_from_nano_yuan(residual)} yuan, not 0"))
    return violations


def check_two_methods(settled: SettledPositions, meter_id: Sequence[str], where: str) -> list[Violation]:
    """Law 6: the two deviation methods (差价, 偏差; rows 50-52) agree for every metering point."""
    difference = settle_by_difference(settled) - settle_by_deviation(settled)
    return [
        Violation(6, f"{where}, meter {meter_id[meter]}", f"the methods differ by {int(difference[meter])} nano-yuan")
        for meter in np.flatnonzero(difference).tolist()
    ]


def check_trial_balance(balance: TrialBalance, where: str) -> list[Violation]:
    """Law 6, by interval, day or month: the balances of all accounts sum to zero."""
    residual = balance.residual_nano_yuan
    return [Violation(6, where, f"balances sum to {yuan_text_from_nano_yuan(residual)} yuan")] if residual else []


def check_statements(statements: DayStatements, balance: TrialBalance) -> list[Violation]:
    """Law 7: lines sum to each statement; statements plus the rounding account sum to the ledger, account by account.

    :param balance: trial balance of the day's settlement batches, without the rounding batch
    """
    where, lines = f"day {statements.day}", statements.lines
    n_accounts = len(balance.balance_nano_yuan)
    violations = []
    if not np.array_equal(sum_by_group(statements.line_fen, lines.account, n_accounts), statements.total_fen):
        violations.append(Violation(7, where, "the lines of a statement do not sum to it"))
    ledger = balance.balance_nano_yuan
    booked = (statements.total_nano_yuan + statements.rounding_nano_yuan).tolist()
    violations += [
        Violation(
            7, f"{where}, account {account}", f"statement and rounding {booked[account]}, ledger {ledger[account]}"
        )
        for account in range(n_accounts)
        if booked[account] != ledger[account]
    ]
    return violations
