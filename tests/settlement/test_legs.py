"""Single legs of an interval where the worked intervals do not reach, and inputs that are refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SupplyMode,
    UnitKind,
)
from hub.settlement.accounts import AccountTableError, SystemAccount, account_table
from hub.settlement.inputs import Sale, SettlementInputError, SettlementInputs, Supply, standing_from_registry
from hub.settlement.interval_settlement import IntervalSettlement, settle_interval
from hub.settlement.transfers import INTERVAL_RULES, TransferKind

Case = dict[str, Any]
Builder = Callable[[Case], SettlementInputs]
Reader = Callable[[str], Case]


def rows_of(settlement: IntervalSettlement, kind: TransferKind) -> list[tuple[int, int, int, int]]:
    """(from account, to account, Wh, price) of one kind."""
    t = settlement.transfers
    row = t.kind == kind
    columns = (t.from_account, t.to_account, t.quantity_wh, t.price_uyuan_per_kwh)
    return list(zip(*(column[row].tolist() for column in columns), strict=True))


def test_a_curtailed_export_shrinks_and_replaces_nothing(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("worked_interval")
    case["expected"]["pairs"].append(
        {
            "apex": "R",
            "seller": "S1",
            "buyer": "province",
            "energy_wh": 10_000,
            "curtailed_wh": 4_000,
            "mode": 1,
            "price_paid_uyuan_per_kwh": 300_000,
            "price_received_uyuan_per_kwh": 70_000,
            "network_charge_uyuan_per_kwh": 0,
            "upstream_loss_uyuan_per_kwh": 0,
        }
    )
    inputs = case_inputs(case)
    settlement = settle_interval(inputs)
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    congestion = inputs.accounts.position(SystemAccount.CONGESTION)
    assert settlement.violations == ()
    assert (d_sup, 0, 6_000, 70_000) in rows_of(settlement, TransferKind.ENERGY)
    assert (d_sup, congestion, 6_000, 230_000) in rows_of(settlement, TransferKind.CONGESTION_RENT)
    assert rows_of(settlement, TransferKind.REPLACEMENT_COST) == []
    assert rows_of(settlement, TransferKind.REPLACED_ENERGY) == []
    # sold 95,000 + 6,000, metered 93,000
    assert (d_sup, 0, -8_000, 350_000) in rows_of(settlement, TransferKind.EXPORT_DEVIATION)


def test_mode_2_is_split_over_the_apexes_of_its_pairs(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("worked_interval")
    pairs = case["expected"]["pairs"]
    by_buyer = {row["buyer"]: row for row in pairs if row["seller"] == "S3"}
    # 6,250 Wh find HB at B, 3,750 Wh go through the root, where w = 0.20 - 0.14
    by_buyer["U2"].update(apex="R")
    inputs = case_inputs(case)
    settlement = settle_interval(inputs)
    d_sup, d_net = (inputs.accounts.position(a) for a in (SystemAccount.D_SUP, SystemAccount.D_NET))
    s3 = inputs.accounts.participant_id.index("S3")
    assert rows_of(settlement, TransferKind.COMMISSION_REMITTANCE) == [
        (d_sup, s3, 3_375, 540_000),
        (d_sup, s3, 5_625, 600_000),
    ]
    assert (d_sup, d_net, 3_375, 60_000) in rows_of(settlement, TransferKind.NETWORK_COMMISSION)
    assert settlement.violations == ()


def test_mode_2_without_pairs_counts_in_its_own_unit(golden_case: Reader, case_inputs: Builder) -> None:
    inputs = case_inputs(golden_case("worked_interval_curtailed"))
    settlement = settle_interval(replace(inputs, sessions=()))
    s3 = inputs.accounts.participant_id.index("S3")
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    assert rows_of(settlement, TransferKind.COMMISSION_REMITTANCE) == [(d_sup, s3, 9_000, 580_000)]
    assert settlement.violations == ()


def test_mode_2_serves_no_more_than_captive_users_use(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("worked_interval")
    for party in case["given"]["party"]:
        if party["who"] in {"HA", "HB"}:
            party["metered_wh"] = 2_000
    case["given"]["gateway"] = {"import_wh": 0, "export_wh": 35_000}
    settlement = settle_interval(case_inputs(case))
    assert rows_of(settlement, TransferKind.NETWORK_CAPTIVE) == []
    assert settlement.violations == ()


def test_export_of_a_captive_seller_above_its_setpoint_earns_nothing(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("worked_interval")
    case["expected"]["setpoint_wh"] = {"S1": 95_000, "S2": 30_000}
    inputs = case_inputs(case)
    settlement = settle_interval(inputs)
    s2 = inputs.accounts.participant_id.index("S2")
    assert settlement.ledger_nano_yuan[s2] == 30_000 * 380_000
    assert [row[2:] for row in rows_of(settlement, TransferKind.EXCESS_EXPORT)] == [(1_000, 350_000)]
    assert settlement.violations == ()


def test_import_and_export_of_one_meter_are_never_netted(golden_case: Reader, case_inputs: Builder) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    meter = inputs.accounts.participant_id.index("U1")
    export_wh, sale = inputs.metered.export_wh.copy(), inputs.standing.sale.copy()
    export_wh[meter], sale[meter] = 500, Sale.PURCHASE
    gateway = replace(inputs.gateway, import_wh=inputs.gateway.import_wh - 500)
    inputs = replace(
        inputs,
        metered=replace(inputs.metered, export_wh=export_wh),
        standing=replace(inputs.standing, sale=sale),
        gateway=gateway,
    )
    settlement = settle_interval(inputs)
    assert settlement.violations == ()
    assert settlement.ledger_nano_yuan[meter] == -11_060_000_000 + 500 * 380_000
    assert (meter, inputs.accounts.position(SystemAccount.LOSS_FUND), 42_000, 10_000) in rows_of(
        settlement, TransferKind.LOSS_FEE
    )


def test_every_transfer_names_its_rule_and_price_version(golden_case: Reader, case_inputs: Builder) -> None:
    t = settle_interval(case_inputs(golden_case("worked_interval"))).transfers
    named = {(TransferKind(k), t.rule_version[r]) for k, r in zip(t.kind.tolist(), t.rule.tolist(), strict=True)}
    assert (TransferKind.ENERGY, INTERVAL_RULES) in named
    assert (TransferKind.ON_GRID_PURCHASE, "case-on_grid_uyuan_per_kwh") in named
    assert (TransferKind.AGENCY_BILL, "case-agency_energy_uyuan_per_kwh+case-T-<1kV") in named
    assert (TransferKind.GATEWAY_TARIFF, "case-T-110kV") in named
    assert (TransferKind.NETWORK_UNCOVERED, "case-T-<1kV") in named


def test_trades_of_a_meter_that_is_not_direct_are_refused(golden_case: Reader, case_inputs: Builder) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    sale, supply = inputs.standing.sale.copy(), inputs.standing.supply.copy()
    sale[0] = Sale.PURCHASE
    with pytest.raises(SettlementInputError, match="meter of S1 sold energy itself"):
        settle_interval(replace(inputs, standing=replace(inputs.standing, sale=sale)))
    supply[1] = Supply.AGENCY
    with pytest.raises(SettlementInputError, match="meter of U1 bought energy"):
        settle_interval(replace(inputs, standing=replace(inputs.standing, supply=supply)))
    supply[1], supply[2] = Supply.DIRECT, Supply.RETAIL
    with pytest.raises(SettlementInputError, match="is supplied by RETAIL and has no retailer"):
        settle_interval(replace(inputs, standing=replace(inputs.standing, supply=supply)))


def test_a_pair_curtailed_by_more_than_it_holds_is_refused(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("worked_interval")
    case["expected"]["pairs"][0]["curtailed_wh"] = 40_001
    with pytest.raises(SettlementInputError, match="curtailed by more than it holds"):
        settle_interval(case_inputs(case))


def test_amounts_beyond_int64_are_refused(golden_case: Reader, case_inputs: Builder) -> None:
    case = golden_case("worked_interval")
    case["given"]["real_time_uyuan_per_kwh"] = 2**48
    with pytest.raises(OverflowError):
        settle_interval(case_inputs(case))


def test_estimated_energy_marks_the_settlement_as_provisional(golden_case: Reader, case_inputs: Builder) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    flags = np.zeros(7, np.bool_)
    flags[3] = True
    settlement = settle_interval(replace(inputs, metered=replace(inputs.metered, substituted=flags)))
    assert settlement.substituted_meters.tolist() == [3]


def test_account_names_are_unique() -> None:
    table = account_table(["P1", "P2"])
    assert table.names[table.position(SystemAccount.D_SUP)] == "D_sup"
    assert len(table) == len(table.names) == 12
    with pytest.raises(AccountTableError, match="P1"):
        account_table(["P1", "P1"])
    with pytest.raises(AccountTableError, match="D_net"):
        account_table(["D_net"])


def registry() -> Registry:
    def point(meter: str, unit: str, kind: MeterKind, supply: SupplyMode, sale: SaleMode) -> MeteringPoint:
        return MeteringPoint(
            meter_id=meter,
            gateway_id="G1",
            unit_id=unit,
            bus="bus",
            kind=kind,
            channels=(),
            voltage_class="<1kV" if unit == "A" else "110kV",
            participant_id="P2" if unit == "A" else "P1",
            supply_mode=supply,
            sale_mode=sale,
            category=None,
            clean=False,
            export_capacity_w=0,
            import_capacity_w=0,
        )

    return Registry(
        county="c",
        units=(
            BalanceUnit("A", "R", UnitKind.AREA, "<1kV", None, None, ()),
            BalanceUnit("R", None, UnitKind.COUNTY, "110kV", None, None, ()),
        ),
        gateways=(Gateway("G1", "s0", "R", ("M1", "M2")),),
        metering_points=(
            point("M1", "A", MeterKind.PROSUMER, SupplyMode.GUARANTEED, SaleMode.COMMISSION),
            point("M2", "R", MeterKind.COUNTY_GATEWAY, SupplyMode.NONE, SaleMode.NONE),
        ),
        participants=(Participant("P1", None), Participant("P2", None)),
    )


def test_standing_follows_tree_classes_and_accounts() -> None:
    standing = standing_from_registry(registry(), ("R", "A"), ("<1kV", "110kV"), account_table(["P1", "P2"]))
    assert standing.meter_id == ("M1", "M2")
    assert standing.unit.tolist() == [1, 0]
    assert standing.voltage_class.tolist() == [0, 1]
    assert standing.account.tolist() == [1, 0]
    assert standing.supply.tolist() == [Supply.GUARANTEED, Supply.NONE]
    assert standing.sale.tolist() == [Sale.COMMISSION, Sale.NONE]
    assert standing.is_market.tolist() == [True, False]


@pytest.mark.parametrize(
    ("units", "classes", "participants", "words"),
    [
        (("R",), ("<1kV", "110kV"), ["P1", "P2"], "M1: unit A"),
        (("R", "A"), ("<1kV",), ["P1", "P2"], "M2: no tariff class 110kV"),
        (("R", "A"), ("<1kV", "110kV"), ["P1"], "M1: participant P2"),
    ],
)
def test_a_registry_that_does_not_fit_is_refused(
    units: tuple[str, ...], classes: tuple[str, ...], participants: list[str], words: str
) -> None:
    with pytest.raises(SettlementInputError, match=words):
        standing_from_registry(registry(), units, classes, account_table(participants))
