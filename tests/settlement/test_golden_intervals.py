"""The worked intervals, line by line: every transfer and every account, and nothing beyond them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from hub.settlement.inputs import SettlementInputs
from hub.settlement.interval_settlement import IntervalSettlement, settle_interval

CASES = (
    "worked_interval",
    "worked_interval_day_ahead",
    "worked_interval_curtailed",
    "cash_flow_identity",
    "settlement/worked_interval_listing",
    "settlement/worked_interval_other_fee_reading",
    "settlement/worked_interval_negative_rt",
    "settlement/worked_interval_retail",
)
ACCOUNT_OF_TEXT = {"loss fund": "loss_fund", "upper grid": "upper_grid"}

Builder = Callable[[dict[str, Any]], SettlementInputs]
Reader = Callable[[str], dict[str, Any]]


def one_way(payer: str, payee: str, amount: int) -> tuple[str, str, int]:
    """A transfer with its amount positive; a negative one flows the other way."""
    return (payer, payee, amount) if amount >= 0 else (payee, payer, -amount)


def transfers_of(inputs: SettlementInputs, settlement: IntervalSettlement) -> Counter[tuple[str, str, int]]:
    names, rows = inputs.accounts.names, settlement.transfers
    return Counter(
        one_way(names[payer], names[payee], amount)
        for payer, payee, amount in zip(
            rows.from_account.tolist(), rows.to_account.tolist(), rows.amount_nano_yuan.tolist(), strict=True
        )
        if amount
    )


@pytest.mark.parametrize("name", CASES)
def test_every_transfer_line_is_reproduced(name: str, golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case(name)
    inputs = case_inputs(case)
    expected = Counter(
        one_way(
            ACCOUNT_OF_TEXT.get(row["from"], row["from"]), ACCOUNT_OF_TEXT.get(row["to"], row["to"]), row["nano_yuan"]
        )
        for row in case["expected"]["transfers"]
    )
    assert transfers_of(inputs, settle_interval(inputs)) == expected


@pytest.mark.parametrize("name", CASES)
def test_every_account_is_reproduced_both_ways(name: str, golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case(name)
    inputs = case_inputs(case)
    settlement = settle_interval(inputs)
    expected = dict.fromkeys(inputs.accounts.names, 0)
    for account, amount in case["expected"]["accounts_nano_yuan"].items():
        expected[ACCOUNT_OF_TEXT.get(account, account)] = amount
    assert dict(zip(inputs.accounts.names, settlement.ledger_nano_yuan.tolist(), strict=True)) == expected
    assert dict(zip(inputs.accounts.names, settlement.independent_nano_yuan.tolist(), strict=True)) == expected
    assert settlement.violations == ()
    assert settlement.ledger_nano_yuan.sum() == 0
