"""Rows 1-29, 59, 60, 138, 142 of the requirements: the acceptance examples, in numbers (tests/golden/market)."""

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from hub.market.elections.mode_allocation import allocate_to_modes, check_allocation
from hub.market.network_fee import level_above, network_fees, trade_fee_uyuan_per_kwh
from hub.market.registry.access import Resource, may_read, role_of
from hub.market.registry.aggregates import split_aggregate_wh, utility_total
from hub.market.registry.checks import check_register
from hub.market.registry.election_periods import sale_on, supply_on
from hub.market.registry.eligibility import is_eligible_generation, is_in_market
from hub.market.registry.events import Event
from hub.market.registry.fold import Folded, fold
from hub.market.registry.listing_standing import bidding_mode_on, listing_standing
from hub.market.registry.outcomes import Outcome, Recorded, Refused, Repeated, Waiting, check_outcomes
from hub.market.registry.participant_classes import MarketStage, OperatingMode, ParticipantClass
from hub.market.registry.provincial_rules import GenerationEligibility, VirtualPlantCurve, trades_continuously
from hub.market.registry.provincial_schema import document_from_export, export_from_document, export_of
from hub.market.registry.published_results import finality, operator_stamp
from hub.market.registry.register import Register, county_of, unit_of_meter, utilities_of
from hub.market.registry.unit_balance import (
    balance_sheet,
    check_balance_sheet,
    competition_space_w,
    gateway_exchange_wh,
    local_consumption_ppm,
)
from hub.market.registry.unit_limits import Schedule, cut_to_limits
from hub.market.registry.virtual_plant import Segment, VirtualPlantOffer, load_steps, offer_faults, reduction
from hub.market.trades import NO_LIMIT_WH, BalanceTree
from hub.settlement.ledger import account_totals
from hub.settlement.money import charge_nano_yuan, nano_yuan_from_text, yuan_text_from_nano_yuan
from hub.settlement.transfers import TransferKind, block, join_blocks

Reader = Callable[[str], dict[str, Any]]
Decoder = Callable[[list[dict[str, Any]]], list[Event]]

EVENT_ROWS = (
    "ACT-01", "ACT-02", "ACT-03", "ACT-04", "ACT-05", "ACT-09", "ACT-10", "ACT-12", "ACT-13",
    "UNIT-01", "UNIT-03", "UNIT-06", "UNIT-07", "MODE-06", "SPOT-10", "SPOT-11", "HOST-02", "HOST-06",
)  # fmt: skip


def day(text: str) -> date:
    return date.fromisoformat(text)


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def said(outcome: Outcome) -> str:
    match outcome:
        case Recorded():
            return "recorded"
        case Repeated():
            return "repeated"
        case Waiting():
            return f"waiting:{outcome.waits.reason.value}"
        case Refused():
            return f"refused:{outcome.reason.value}"


@pytest.fixture
def folded_case(
    world: Register, golden_row: Reader, events_of: Decoder
) -> Callable[[str], tuple[dict[str, Any], Folded]]:
    def read(row_id: str) -> tuple[dict[str, Any], Folded]:
        case = golden_row(row_id)
        return case, fold(events_of(case["events"]), after=world)

    return read


@pytest.mark.parametrize("row_id", EVENT_ROWS)
def test_events_have_the_expected_outcomes_and_state(
    row_id: str, world: Register, folded_case: Any, events_of: Decoder
) -> None:
    case, folded = folded_case(row_id)
    expected, register = case["expected"], folded.register
    assert [said(outcome) for outcome in folded.outcomes] == expected["outcomes"]
    assert check_outcomes(events_of(case["events"]), folded.outcomes) == []
    assert check_register(register) == []
    for meter, text, mode in expected.get("supply", []):
        standing = supply_on(register, meter, day(text))
        assert standing is not None
        assert (text, standing.mode.value) == (text, mode)
    for meter, text, mode in expected.get("sale", []):
        standing = sale_on(register, meter, day(text))
        assert standing is not None
        assert (text, standing.mode.value) == (text, mode)
    for name, text, status in expected.get("status", []):
        assert register.participants[name].status.on(day(text)).value == status
    for meter, county in expected.get("county", []):
        assert county_of(register, unit_of_meter(register, meter)).unit_id == county
    for name, province, text, mode in expected.get("bidding", []):
        assert bidding_mode_on(register, name, province, day(text)).value == mode
    for number, kinds in expected.get("consequences", {}).items():
        outcome = folded.outcomes[int(number)]
        assert isinstance(outcome, Recorded)
        assert [type(one).__name__ for one in outcome.consequences] == kinds
    assert fold(events_of(case["events"]), after=world).register == register
    again = fold(events_of(case["events"]), after=register)
    assert {type(one) for one in again.outcomes} <= {Repeated, Refused}
    assert again.register == register


def test_row_3_eligible_is_access_and_registration_and_no_suspension(folded_case: Any) -> None:
    case, folded = folded_case("ACT-03")
    for name, text, flags, eligible in case["expected"]["listing"]:
        standing = listing_standing(folded.register, name, day(text))
        assert {flag: getattr(standing, flag) for flag in flags} == flags
        assert standing.is_eligible is eligible


def test_row_4_internal_transfers_are_postings_and_arms_read_apart(folded_case: Any) -> None:
    case, folded = folded_case("ACT-04")
    names = ["d-gen", "d-sup", "d-net"]
    sale = block(
        TransferKind.ON_GRID_PURCHASE,
        payer=1,
        payee=0,
        quantity_wh=case["given"]["energy_wh"],
        price_uyuan_per_kwh=case["given"]["price_uyuan_per_kwh"],
    )
    totals = account_totals(join_blocks([sale]), len(names)).tolist()
    got = {name: yuan_text_from_nano_yuan(total, 2) for name, total in zip(names, totals, strict=True)}
    assert got == case["expected"]["accounts_yuan"]
    assert sum(totals) == 0
    for participant_class, resource in case["expected"]["may_not_read"]:
        assert not may_read(role_of(ParticipantClass(participant_class)), Resource(resource))
    for participant_class, resource in case["expected"]["may_read"]:
        assert may_read(role_of(ParticipantClass(participant_class)), Resource(resource))
    accounts = [one.settlement_account for one in folded.register.participants.values()]
    assert len(set(accounts)) == len(accounts) == 4


def test_row_11_reduction_and_curves(golden_row: Reader) -> None:
    case = golden_row("ACT-11")
    given, expected = case["given"], case["expected"]
    figures = reduction(
        energy_wh=given["energy_wh"],
        hours=given["hours"],
        plant_w=given["plant_w"],
        income_nano_yuan=nano_yuan_from_text(given["income_yuan"]),
    )

    def text(value: int, scale: int, places: str) -> str:
        return str((Decimal(value) / scale).quantize(Decimal(places), ROUND_HALF_UP))

    assert text(figures.price_uyuan_per_kwh, 1_000_000, "0.0001") == expected["price_yuan_per_kwh_4"]
    assert text(figures.price_uyuan_per_kwh, 1000, "0.01") == expected["price_yuan_per_mwh_2"]
    assert text(figures.mean_power_w, 1000, "0.01") == expected["mean_power_kw_2"]
    assert text(figures.share_ppm, 10_000, "0.01") == expected["share_percent_2"]
    rule = VirtualPlantCurve(segments_min=3, segments_max=10)
    for row, faults in zip(given["offers"], expected["faults"], strict=True):
        segments = tuple(Segment(*segment) for segment in row["segments"])
        offer = VirtualPlantOffer(1000, row["low_w"], row["high_w"], segments)
        assert [fault.value for fault in offer_faults(offer, rule)] == faults
        assert sum(step.energy_wh for step in load_steps(offer)) == row["high_w"] * 900 // 3600


def test_row_12_energy_and_money_come_back_to_each_roof(folded_case: Any) -> None:
    case, folded = folded_case("ACT-12")
    given = case["given"]
    assert folded.register.aggregations["agg"].on(day("2026-02-02")) == ("roof-1", "roof-2", "roof-3")
    share = split_aggregate_wh(given["sold_wh"], column(*given["metered_wh"]))
    money = charge_nano_yuan(share, np.full(share.size, given["price_uyuan_per_kwh"], np.int64))
    assert [yuan_text_from_nano_yuan(amount, 2) for amount in money.tolist()] == case["expected"]["yuan"]
    assert yuan_text_from_nano_yuan(int(money.sum()), 2) == case["expected"]["sum_yuan"]
    assert split_aggregate_wh(100, column(1, 1, 1) * 100).tolist() == [34, 33, 33]


def test_rows_15_and_17_exchange_and_balance_sheet(golden_row: Reader) -> None:
    given = {name: column(value) for name, value in golden_row("UNIT-02")["given"].items()}
    assert gateway_exchange_wh(**given).tolist() == [golden_row("UNIT-02")["expected"]["exchange_wh"]]
    case = golden_row("UNIT-04")
    sheet = balance_sheet(
        generation_wh=column(*case["given"]["generation_wh"]),
        load_wh=column(*case["given"]["load_wh"]),
        loss_wh=column(*case["given"]["loss_wh"]),
        discharge_wh=column(0, 0),
        charge_wh=column(0, 0),
    )
    assert sheet.import_wh.tolist() == case["expected"]["import_wh"]
    assert sheet.export_wh.tolist() == case["expected"]["export_wh"]
    assert check_balance_sheet(sheet, "A") == []
    netted = balance_sheet(
        generation_wh=column(5), load_wh=column(1), loss_wh=column(-1), discharge_wh=column(0), charge_wh=column(0)
    )
    assert [violation.law for violation in check_balance_sheet(netted, "A")] == [2]


def test_row_16_profit_is_the_sum_over_the_counties_served(folded_case: Any) -> None:
    case, folded = folded_case("UNIT-03")
    for utility, text, total in case["expected"]["total"]:
        assert utility_total(folded.register, utility, day(text), case["given"]["nano_yuan"]) == total
    for unit, text, utilities in case["expected"]["utilities"]:
        assert list(utilities_of(folded.register, unit, day(text))) == utilities


def test_row_18_finality(golden_row: Reader) -> None:
    case = golden_row("UNIT-05")
    got = [
        finality(OperatingMode(mode), is_checked=checked, is_acknowledged=acknowledged).value
        for mode, checked, acknowledged in case["given"]
    ]
    assert got == case["expected"]


def test_row_19_a_former_operator_keeps_its_results(folded_case: Any, world: Register) -> None:
    case, folded = folded_case("UNIT-06")
    for unit, text, operator_id in case["expected"]["operator"]:
        assert operator_stamp(folded.register, unit, day(text)).operator.operator_id == operator_id
    first_only = fold([one.event for one in folded.outcomes[:1]], after=world)
    march = day("2026-03-31")
    assert operator_stamp(first_only.register, "A", march) == operator_stamp(folded.register, "A", march)


def test_row_20_the_document_gives_the_same_contracts_again(folded_case: Any) -> None:
    case, folded = folded_case("UNIT-07")
    export = export_of(folded.register, "A", day("2026-03-01"))
    document = document_from_export(export)
    assert document["contracts"][0]["energy_mwh"] == case["expected"]["energy_mwh"]
    assert document["contracts"][0]["price_yuan_per_mwh"] == case["expected"]["price_yuan_per_mwh"]
    assert export_from_document(msgspec.json.decode(msgspec.json.encode(document))) == export
    assert export.contracts == folded.register.contracts["k1"]


def test_rows_21_and_23_indicators(golden_row: Reader) -> None:
    given = {name: column(*value) for name, value in golden_row("UNIT-08")["given"].items()}
    assert local_consumption_ppm(**given) == golden_row("UNIT-08")["expected"]["ppm"]
    # export beyond the generation of its interval is not the generation's
    assert local_consumption_ppm(generation_wh=column(10, 0), export_wh=column(4, 100)) == 600_000
    given = {name: column(value) for name, value in golden_row("UNIT-10")["given"].items()}
    assert competition_space_w(**given).tolist() == [golden_row("UNIT-10")["expected"]["competition_space_w"]]


def test_row_22_the_second_deal_is_cut(golden_row: Reader) -> None:
    case = golden_row("UNIT-09")
    tree = BalanceTree(
        unit_id=("A", "T"),
        parent=column(-1, 0),
        export_limit_wh=column(NO_LIMIT_WH, case["given"]["limit_wh"]),
        import_limit_wh=column(NO_LIMIT_WH, NO_LIMIT_WH),
        fee_uyuan_per_kwh=column(0, 0),
    )
    cuts = cut_to_limits(
        tree,
        standing_wh=column(0, -case["given"]["load_wh"]),
        schedules=[Schedule(1, energy) for energy in case["given"]["scheduled_wh"]],
    )
    assert [cut.admitted_wh * 4 // 1000 for cut in cuts] == case["expected"]["admitted_kw"]
    assert [cut.limited_by for cut in cuts] == [-1, 1]


def test_row_28_network_fee_and_eligibility(golden_row: Reader, world: Register) -> None:
    case = golden_row("MODE-05")
    given, expected = case["given"], case["expected"]

    def fee(level: str, steps: int) -> int:
        fees = network_fees(
            unit_id=["apex"],
            parent=column(-1),
            voltage_class=[level],
            tariff_uyuan_per_kwh=given["tariff_uyuan_per_kwh"],
            levels_up=column(steps),
        )
        return int(trade_fee_uyuan_per_kwh(fees, column(0), column(given["user_tariff_uyuan_per_kwh"]))[0])

    assert fee("110kV", 0) == expected["network_fee_uyuan_per_kwh"]
    assert [[level, steps, fee(level, steps)] for level, steps, _ in expected["table"]] == expected["table"]
    assert level_above("35kV", 1) == "110kV"
    rule = world.rules["P-eligibility-1"].rule
    assert isinstance(rule, GenerationEligibility)
    for name, capacity_w, voltage_v, own_load_w, is_local, eligible in given["plants"]:
        got = is_eligible_generation(
            rule,
            voltage_v=voltage_v,
            installed_capacity_w=capacity_w,
            own_load_max_w=own_load_w,
            is_consumed_within_level=is_local,
        )
        assert (name, got) == (name, eligible)


def test_row_29_each_kwh_goes_to_one_mode(golden_row: Reader) -> None:
    case = golden_row("MODE-06")
    given = {name: column(value) for name, value in case["given"].items()}
    modes = allocate_to_modes(**given, purchases=column(1))
    columns = (modes.direct_wh, modes.commission_wh, modes.purchase_wh, modes.deviation_wh)
    assert [int(one[0]) for one in columns] == case["expected"]["modes_wh"]
    assert check_allocation(given["metered_wh"], modes, where="M") == []


def test_row_63_stage_gates_the_peak_shaving_market(golden_row: Reader) -> None:
    case = golden_row("SPOT-14")
    assert [not trades_continuously(MarketStage[stage]) for stage in case["given"]] == case["expected"]


def test_row_138_room_after_each_event(world: Register, golden_row: Reader, events_of: Decoder) -> None:
    case = golden_row("HOST-02")
    register = world
    rooms = []
    for number, event in enumerate(events_of(case["events"]), start=1):
        register = fold([event], after=register).register
        rooms.append([number, register.elements["B"].room_kw])
    assert rooms == case["expected"]["rooms_after"]
    assert list(register.waiting) == case["expected"]["waiting"]
    assert {"p2", "p1"} <= register.projects.keys()


def test_row_142_entry_by_voltage_and_date(folded_case: Any) -> None:
    case, folded = folded_case("HOST-06")
    for province, voltage_v, text, is_in in case["expected"]["in_market"]:
        got = is_in_market(folded.register.rules.values(), province=province, voltage_v=voltage_v, day=day(text))
        assert (text, got) == (text, is_in)
