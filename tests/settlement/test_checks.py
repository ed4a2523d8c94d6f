"""Checks that other tests do not break on purpose: county energy, computed loss, postings, statements."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from hub.settlement.checks import (
    CountyEnergy,
    check_computed_loss,
    check_county_energy,
    check_postings,
    check_reversal,
    check_statements,
    check_traded,
)
from hub.settlement.inputs import SettlementInputs
from hub.settlement.interval_settlement import settle_interval
from hub.settlement.ledger import post_transfers, reverse_batch, trial_balance
from hub.settlement.statements import close_day, interval_lines

Case = dict[str, Any]


def column(*values: int) -> Any:
    return np.array(values, np.int64)


def test_the_county_balances_by_what_the_energy_is() -> None:
    # a house with PV and battery: 3 in, 2 out, makes 6, charges 1, discharges 2 -> uses 8; a plant that makes 10
    energy = CountyEnergy(column(3, 0), column(2, 10), column(6, 10), column(1, 0), column(2, 0))
    assert energy.load_wh.tolist() == [8, 0]
    meters = ["M1", "M2"]
    assert check_county_energy(energy, meters, gateway_import_wh=0, gateway_export_wh=7, loss_wh=2) == []
    broken = replace(energy, generation_wh=column(6, 9))
    found = check_county_energy(broken, meters, gateway_import_wh=0, gateway_export_wh=7, loss_wh=3)
    assert [(v.law, v.where) for v in found] == [(2, "meter M2"), (2, "county")]


def test_registers_and_power_flow_agree_on_loss_within_the_tolerance() -> None:
    assert check_computed_loss(where="A1", measured_wh=120, computed_wh=100, tolerance_wh=20) == []
    found = check_computed_loss(where="A1", measured_wh=121, computed_wh=100, tolerance_wh=20)
    assert [v.what for v in found] == ["loss by registers 0.121 kWh, by AC power flow 0.100 kWh, tolerance 0.020 kWh"]


def test_edited_postings_are_found(
    golden_case: Callable[[str], Case], case_inputs: Callable[[Case], SettlementInputs]
) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    settlement, n = settle_interval(inputs), len(inputs.accounts)
    batch = post_transfers(settlement.transfers, batch_id="b", interval=inputs.interval, input_hash="h")
    assert check_postings(batch, settlement.transfers, n) == []
    amount = batch.amount_nano_yuan.copy()
    amount[0] -= 1
    edited = replace(batch, amount_nano_yuan=amount)
    assert [v.law for v in check_postings(edited, settlement.transfers, n)] == [5]
    assert [v.law for v in check_postings(replace(batch, credit=batch.credit + n), settlement.transfers, n)] == [5]
    negative = replace(batch, amount_nano_yuan=-batch.amount_nano_yuan, debit=batch.credit, credit=batch.debit)
    assert "not positive" in check_postings(negative, settlement.transfers, n)[0].what
    assert [v.law for v in check_reversal(batch, reverse_batch(edited, batch_id="r"))] == [5]


def test_a_statement_that_does_not_follow_the_ledger_is_found(
    golden_case: Callable[[str], Case], case_inputs: Callable[[Case], SettlementInputs]
) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    settlement = settle_interval(inputs)
    batch = post_transfers(settlement.transfers, batch_id="b", interval=inputs.interval, input_hash="h")
    balance = trial_balance([batch], len(inputs.accounts))
    day = close_day(
        date(2016, 5, 17), interval_lines(settlement.transfers), inputs.accounts, rule_version=(), input_hash=()
    )
    assert check_statements(day, balance) == []
    line_fen = day.line_fen.copy()
    line_fen[0] += 1
    assert [v.law for v in check_statements(replace(day, line_fen=line_fen), balance)] == [7]
    assert check_statements(replace(day, rounding_nano_yuan=day.rounding_nano_yuan + 1), balance)


def test_a_day_ahead_schedule_other_than_the_cleared_one_is_found(
    golden_case: Callable[[str], Case], case_inputs: Callable[[Case], SettlementInputs]
) -> None:
    inputs = case_inputs(golden_case("worked_interval_day_ahead"))
    gateway = replace(inputs.gateway, day_ahead_import_wh=14_999)
    assert [v.what for v in check_traded(replace(inputs, gateway=gateway))] == [
        "the day-ahead session exchanged 15000 Wh with the province, it settles 14999 Wh"
    ]
