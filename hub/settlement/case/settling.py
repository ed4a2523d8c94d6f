"""Settles a case: the real interval settlement, its postings and statements, and the laws checked on all of them.

What is wrong with the case refuses it as a whole, so nothing is settled by half. What the case's own figures
contradict (losses, traded energy, province prices) is a violation of a law and stands beside the result.
"""

from dataclasses import dataclass

from edge.contract.interval import day_of_interval, label_of_interval
from hub.market.trades import Violation
from hub.settlement.accounts import AccountTable, AccountTableError
from hub.settlement.case.case_inputs import settlement_inputs
from hub.settlement.case.documents import (
    AccountRow,
    SettleCase,
    SettleCaseError,
    SettleResult,
    StatementLineRow,
    StatementRow,
    TransferRow,
)
from hub.settlement.checks import check_postings, check_statements, check_trial_balance
from hub.settlement.inputs import SettlementInputError, SettlementInputs
from hub.settlement.interval_settlement import IntervalSettlement, settle_interval
from hub.settlement.ledger import post_transfers, trial_balance
from hub.settlement.statements import DayStatements, close_day, interval_lines, statement_of
from hub.settlement.transfers import TransferKind


@dataclass(frozen=True)
class SettledCase:
    """A case's result, and what breaks a law in it: contradictions of the case's own figures, or a bug."""

    result: SettleResult
    violations: list[Violation]


def settle_case(case: SettleCase) -> SettledCase:
    """Return the settlement of a case, or nothing of it.

    :raises SettleCaseError: if the case contradicts itself, lacks a price that a meter's mode needs, or leaves 64 bits
    """
    try:
        inputs = settlement_inputs(case)
        return _settled(inputs)
    except (SettlementInputError, AccountTableError, OverflowError) as error:
        raise SettleCaseError(str(error)) from None


def _settled(inputs: SettlementInputs) -> SettledCase:
    settlement, accounts = settle_interval(inputs), inputs.accounts
    day, n_accounts = day_of_interval(inputs.interval), len(inputs.accounts)
    batch = post_transfers(
        settlement.transfers, batch_id="settle", interval=inputs.interval, input_hash=settlement.input_hash
    )
    balance = trial_balance([batch], n_accounts)
    statements = close_day(
        day,
        interval_lines(settlement.transfers),
        accounts,
        rule_version=settlement.transfers.rule_version,
        input_hash=(settlement.input_hash,),
    )
    violations = [
        *settlement.violations,
        *check_postings(batch, settlement.transfers, n_accounts),
        *check_trial_balance(balance, f"interval {inputs.interval}"),
        *check_statements(statements, balance),
    ]
    names = accounts.names
    rows = [
        AccountRow(
            account=names[account],
            ledger_nano_yuan=int(settlement.ledger_nano_yuan[account]),
            independent_nano_yuan=int(settlement.independent_nano_yuan[account]),
            debit_nano_yuan=balance.debit_nano_yuan[account],
            credit_nano_yuan=balance.credit_nano_yuan[account],
        )
        for account in range(n_accounts)
    ]
    meters = inputs.standing.meter_id
    result = SettleResult(
        interval=inputs.interval,
        day=day.isoformat(),
        label=label_of_interval(inputs.interval),
        transfers=_transfer_rows(inputs, settlement),
        accounts=rows,
        statements=_statement_rows(statements, accounts),
        measured_loss_wh=settlement.measured_loss_wh,
        balance_nano_yuan=balance.residual_nano_yuan,
        substituted_meters=[meters[meter] for meter in settlement.substituted_meters.tolist()],
        input_hash=settlement.input_hash,
    )
    return SettledCase(result, violations)


def _transfer_rows(inputs: SettlementInputs, settlement: IntervalSettlement) -> list[TransferRow]:
    t, accounts = settlement.transfers, inputs.accounts.names
    meters, units = (*inputs.standing.meter_id, None), (*inputs.tree.unit_id, None)
    columns = (t.kind, t.from_account, t.to_account, t.from_meter, t.to_meter, t.unit, t.rule)
    numbers = (t.quantity_wh, t.price_uyuan_per_kwh, t.amount_nano_yuan)
    return [
        TransferRow(
            kind=slug_of(TransferKind(kind)),
            payer=accounts[payer],
            payee=accounts[payee],
            # -1 is "none", which stands last
            payer_meter=meters[payer_meter],
            payee_meter=meters[payee_meter],
            unit=units[unit],
            quantity_wh=quantity,
            price_uyuan_per_kwh=price,
            amount_nano_yuan=amount,
            rule=t.rule_version[rule],
        )
        for kind, payer, payee, payer_meter, payee_meter, unit, rule, quantity, price, amount in zip(
            *(column.tolist() for column in (*columns, *numbers)), strict=True
        )
    ]


def _statement_rows(statements: DayStatements, accounts: AccountTable) -> list[StatementRow]:
    found = (statement_of(statements, account, accounts) for account in range(len(accounts)))
    return [
        StatementRow(
            account=statement.account,
            lines=[
                StatementLineRow(
                    kind=slug_of(line.kind),
                    role=line.role.name.lower(),
                    energy_wh=line.energy_wh,
                    amount_nano_yuan=line.amount_nano_yuan,
                    amount_fen=line.amount_fen,
                )
                for line in statement.lines
            ],
            total_fen=statement.total_fen,
            rounding_nano_yuan=statement.rounding_nano_yuan,
        )
        for statement in found
    ]


def slug_of(kind: TransferKind) -> str:
    """Return the kind as it stands in documents, "network-covered"."""
    return kind.name.lower().replace("_", "-")
