"""Rows 24 to 27: what each of the three modes and the balancing duty pays (tests/golden/market/MODE-01 to MODE-04)."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hub.market.registry.unit_balance import is_mostly_local
from hub.settlement.inputs import GatewayEnergy, ProvincePrices, SettlementInputs
from hub.settlement.interval_settlement import interval_transfers
from hub.settlement.ledger import account_totals
from hub.settlement.money import nano_yuan_from_text
from hub.settlement.positions import positions
from hub.settlement.province import province_transfers
from hub.settlement.transfers import TransferKind, join_blocks

Builder = Callable[[dict[str, Any]], SettlementInputs]
Reader = Callable[[str], dict[str, Any]]

# What the rows name; the residual exchange and what captive users pay are other rows' components.
COMPONENTS = {
    "MODE-01": {TransferKind.ENERGY, TransferKind.NETWORK_COVERED},
    "MODE-02": {TransferKind.COMMISSION_REMITTANCE},
    "MODE-03": {TransferKind.ON_GRID_PURCHASE},
}


def totals_of(inputs: SettlementInputs, kinds: set[TransferKind]) -> dict[str, int]:
    rows = interval_transfers(inputs, positions(inputs))
    kept = np.isin(rows.kind, [int(kind) for kind in kinds])
    n_accounts = len(inputs.accounts.names)
    total = np.zeros(n_accounts, np.int64)
    np.subtract.at(total, rows.from_account[kept], rows.amount_nano_yuan[kept])
    np.add.at(total, rows.to_account[kept], rows.amount_nano_yuan[kept])
    return dict(zip(inputs.accounts.names, total.tolist(), strict=True))


@pytest.mark.parametrize("row_id", sorted(COMPONENTS))
def test_each_mode_pays_what_its_row_says(row_id: str, golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case(f"market/{row_id}")
    totals = totals_of(case_inputs(case), COMPONENTS[row_id])
    got = {account: totals[account] for account in case["expected"]["yuan"]}
    assert got == {account: nano_yuan_from_text(text) for account, text in case["expected"]["yuan"].items()}
    assert sum(totals.values()) == 0


def test_row_26_at_either_price_and_the_share_that_stays(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("market/MODE-03")
    for price, yuan in case["expected"]["yuan_at"].items():
        priced = copy.deepcopy(case)
        priced["given"]["on_grid_uyuan_per_kwh"] = int(price)
        assert totals_of(case_inputs(priced), COMPONENTS["MODE-03"])["S"] == nano_yuan_from_text(yuan)
    for purchased, exported, is_local in case["expected"]["local"]:
        assert is_mostly_local(purchased_wh=purchased, exported_wh=exported) is is_local


def test_row_27_the_supply_arm_buys_the_shortage_and_sells_the_surplus(
    golden_case: Reader, case_inputs: Builder
) -> None:
    case = golden_case("market/MODE-04")
    frame = case_inputs(golden_case("market/MODE-03"))
    d_sup = frame.accounts.names.index("D_sup")
    for given, yuan in zip(case["given"], case["expected"], strict=True):
        inputs = replace(
            frame,
            gateway=GatewayEnergy(import_wh=given["import_wh"], export_wh=given["export_wh"]),
            prices=ProvincePrices(given["price_uyuan_per_kwh"], 0, 0),
        )
        blocks = [one for one in province_transfers(inputs) if one.kind != TransferKind.GATEWAY_TARIFF]
        totals = account_totals(join_blocks(blocks), len(frame.accounts.names))
        assert totals[d_sup] == nano_yuan_from_text(yuan)
