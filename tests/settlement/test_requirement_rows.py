"""Acceptance examples of the requirements, by row."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from hub.settlement.accounts import account_table
from hub.settlement.deviation import SettledPositions, settle_by_deviation, settle_by_difference
from hub.settlement.loss import LossRateConvention, upstream_loss_price_uyuan_per_kwh
from hub.settlement.money import nano_yuan_from_text, round_half_up_fen, total_charge_nano_yuan
from hub.settlement.statements import Role, add_lines, close_day, interval_lines, statement_of
from hub.settlement.transfers import TransferKind, block, join_blocks

MWH = 1_000_000
YUAN_PER_MWH = 1_000


def column(*values: int) -> Any:
    return np.array(values, np.int64)


def settled(sessions: list[tuple[int, int]], **fields: int) -> SettledPositions:
    """One party; sessions as (MWh, price in 0.1 yuan/MWh), all other values in MWh and 0.1 yuan/MWh."""
    wh = {name: column(fields[name] * MWH) for name in ("metered", "contract")}
    price = {name: column(fields[name] * 100) for name in ("pi", "contract_price", "reference", "first")}
    return SettledPositions(
        metered_wh=wh["metered"],
        deviation_price_uyuan_per_kwh=price["pi"],
        traded_wh=np.array([[energy * MWH] for energy, _ in sessions], np.int64).reshape(-1, 1),
        traded_nano_yuan=np.array([[energy * MWH * p * 100] for energy, p in sessions], np.int64).reshape(-1, 1),
        first_price_uyuan_per_kwh=price["first"],
        contract_wh=wh["contract"],
        contract_nano_yuan=wh["contract"] * price["contract_price"],
        reference_price_uyuan_per_kwh=price["reference"],
    )


def test_rows_50_and_51_contract_for_difference_and_deviation_agree() -> None:
    # no session: the contract stands against the metered energy at the node
    case = settled([], metered=900, pi=4431, contract=1000, contract_price=4656, reference=4695, first=4431)
    expected = nano_yuan_from_text("394890.00")
    assert settle_by_difference(case).tolist() == [expected]
    assert settle_by_deviation(case).tolist() == [expected]
    step_one_only = settle_by_deviation(replace(case, reference_price_uyuan_per_kwh=case.first_price_uyuan_per_kwh))
    assert step_one_only.tolist() == [nano_yuan_from_text("421290.00")]
    assert expected - step_one_only[0] == nano_yuan_from_text("-26400.00")


def test_row_52_day_ahead_and_real_time() -> None:
    case = settled([(950, 4431)], metered=900, pi=4800, contract=1000, contract_price=4656, reference=4500, first=4431)
    expected = nano_yuan_from_text("412545.00")
    assert settle_by_difference(case).tolist() == settle_by_deviation(case).tolist() == [expected]


def test_row_110_upstream_loss_price_from_a_published_rate() -> None:
    price = upstream_loss_price_uyuan_per_kwh
    assert price(400_000, 35_000, LossRateConvention.INPUT_BASED) == 14_508
    assert price(400_000, 35_000, LossRateConvention.OUTPUT_BASED) == 14_000
    # Hubei: .384470 at 3.4269 % gives the published .013643
    assert price(384_470, 34_269, LossRateConvention.INPUT_BASED) == 13_643


def test_row_111_loss_fund_residual() -> None:
    fees = total_charge_nano_yuan(column(1_500_000), column(10_000))
    cost = total_charge_nano_yuan(column(30_000), column(450_000))
    assert fees - cost == nano_yuan_from_text("1.50")


def test_row_189_a_mean_price_never_replaces_the_sum_of_deals() -> None:
    deals = total_charge_nano_yuan(column(1_000_000_000, 2_000_000_000), column(500_000, 600_000))
    assert deals == nano_yuan_from_text("1700000.00")
    assert total_charge_nano_yuan(column(3_000_000_000), column(566_667)) == nano_yuan_from_text("1700001.00")


def test_row_99_each_line_is_rounded_once_and_the_bill_is_their_sum() -> None:
    lines = [(12_000, "1.049999"), (45_000, "0.848961"), (55_000, "0.651886"), (38_000, "0.432924")]
    fen = [round_half_up_fen(kwh * nano_yuan_from_text(price)) for kwh, price in lines]
    assert fen == [1_259_999, 3_820_325, 3_585_373, 1_645_111]
    capacity = round_half_up_fen(630 * nano_yuan_from_text("26.3"))
    assert sum(fen) + capacity == 11_967_708


def test_a_statement_shows_both_roles_of_an_account_rounds_lines_and_shows_the_rest() -> None:
    accounts = account_table(["A", "B"])
    blocks = [
        # A buys its own plant's energy: one line paid, one received
        block(TransferKind.ENERGY, payer=0, payee=0, quantity_wh=7, price_uyuan_per_kwh=1_000_001),
        block(TransferKind.ENERGY, payer=1, payee=0, quantity_wh=3, price_uyuan_per_kwh=4_999_999),
        block(TransferKind.LOSS_FEE, payer=1, payee=7, quantity_wh=4, price_uyuan_per_kwh=1_250_000),
    ]
    lines = add_lines([interval_lines(join_blocks(blocks))] * 2)
    day = close_day(date(2016, 5, 17), lines, accounts, rule_version=("r",), input_hash=("h",))
    a, b = statement_of(day, 0, accounts), statement_of(day, 1, accounts)
    assert [(line.kind, line.role, line.energy_wh, line.amount_nano_yuan, line.amount_fen) for line in a.lines] == [
        (TransferKind.ENERGY, Role.PAYER, 14, -14_000_014, -1),
        (TransferKind.ENERGY, Role.PAYEE, 20, 14_000_014 + 29_999_994, 4),
    ]
    assert (a.total_fen, a.exact_nano_yuan, a.rounding_nano_yuan) == (3, 29_999_994, -6)
    assert [line.amount_fen for line in b.lines] == [-3, -1]
    assert b.exact_nano_yuan == b.total_fen * 10_000_000 + b.rounding_nano_yuan == -39_999_994
    assert statement_of(day, 3, accounts).lines == ()
