"""The acceptance examples of rows 120 to 127, each a golden case; and costs shared out exactly under any numbers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.registry.participant_classes import MarketStage
from hub.settlement.ancillary.cost_allocation import (
    AllocationRules,
    Member,
    MemberKind,
    RepeatedMemberError,
    allocate_cost,
    allocation_lines,
    check_allocation,
)
from hub.settlement.ancillary.formula_versions import (
    FormulaActivated,
    FormulaRefusal,
    FormulaRegister,
    FormulaUse,
    FormulaVersion,
    activate,
    check_formula_uses,
    formula_report,
)
from hub.settlement.ancillary.loaded_rules import allocation_rules_on, ancillary_rules_on
from hub.settlement.ancillary.primary_frequency import (
    FrequencyOffer,
    award,
    demand_w,
    rank,
    storage_loss_cost_nano_yuan,
)
from hub.settlement.ancillary.service_fees import (
    FeeError,
    check_no_double_pay,
    peak_shaving_fee_nano_yuan,
    regulation_fee_nano_yuan,
    reserve_fee_nano_yuan,
)
from hub.settlement.ancillary.service_offers import (
    AncillaryProduct,
    AncillaryRules,
    OfferRefused,
    PriceBand,
    admit_offer,
)
from hub.settlement.exact_shares import PPM, ShareError
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.library import Library
from hub.settlement.rule_lines import account_totals_nano_yuan

Reader = Callable[[str], dict[str, Any]]
TRIAL, CONTINUOUS = MarketStage.LONG_SETTLEMENT_TRIAL, MarketStage.UNINTERRUPTED
BY_ENERGY = AllocationRules("x", ("sharing-1",), user_share_ppm=None, distributed_min_v=None)


@pytest.fixture(scope="module")
def library() -> Library:
    return shipped_library()


def parts(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return case["given"], case["expected"]


def offered(
    product: AncillaryProduct, price: int, rules: AncillaryRules, *, stage: MarketStage = TRIAL, has_spot: bool = False
) -> str:
    found = admit_offer(product, price, rules, stage=stage, has_spot=has_spot)
    return found.reason.value if isinstance(found, OfferRefused) else "admitted"


def rules_of(library: Library, given_: dict[str, Any]) -> AncillaryRules:
    return ancillary_rules_on(
        library,
        province=given_.get("province", "guangdong"),
        day=date.fromisoformat(given_.get("day", "2024-06-01")),
        parity_uyuan_per_kwh=given_.get("parity_uyuan_per_kwh"),
        energy_cap_uyuan_per_kwh=given_.get("energy_cap_uyuan_per_kwh"),
    )


def test_row_120_no_peak_shaving_where_spot_runs(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/ANC-01"))
    rules = AncillaryRules("x", (), {AncillaryProduct.PEAK_SHAVING: PriceBand(0, 9)})
    found = [offered(AncillaryProduct.PEAK_SHAVING, 5, rules, stage=MarketStage[name]) for name in given_["stages"]]
    assert found == expected["outcomes"]
    in_spot = offered(AncillaryProduct.PEAK_SHAVING, 5, rules, stage=TRIAL, has_spot=True)
    assert in_spot == "peak-shaving-closed"


def test_row_121_ceiling_of_peak_shaving(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/ANC-02"))
    rules = rules_of(library, given_)
    found = [offered(AncillaryProduct.PEAK_SHAVING, bid, rules) for bid in given_["bids_uyuan_per_kwh"]]
    assert found == expected["outcomes"]
    fee = peak_shaving_fee_nano_yuan(given_["energy_wh"], given_["parity_uyuan_per_kwh"])
    assert fee == expected["fee_nano_yuan"]
    assert offered(AncillaryProduct.PEAK_SHAVING, 1, rules_of(library, {})) == "no-price-band"


def test_row_122_regulation_fee(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/ANC-03"))
    rules = rules_of(library, given_)
    assert rules.performance_cap_ppm is not None
    fees = [
        regulation_fee_nano_yuan(
            given_["mileage_w"],
            given_["price_uyuan_per_kw"],
            performance_ppm=factor,
            performance_cap_ppm=rules.performance_cap_ppm,
        )
        for factor in given_["performance_ppm"]
    ]
    assert fees == expected["fees_nano_yuan"]
    stages = {"stage": CONTINUOUS, "has_spot": True}
    assert offered(AncillaryProduct.REGULATION, given_["price_uyuan_per_kw"], rules, **stages) == "admitted"
    refused = offered(AncillaryProduct.REGULATION, given_["refused_uyuan_per_kw"], rules, **stages)
    assert refused == expected["refused"]
    assert offered(AncillaryProduct.REGULATION, 15_000, rules) == "admitted"


def test_row_123_reserve_fee_and_no_double_pay(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/ANC-04"))
    rules = rules_of(library, given_)
    price, capacity, minutes = given_["price_uyuan_per_kwh"], given_["capacity_w"], given_["minutes"]
    assert reserve_fee_nano_yuan(capacity, minutes, price) == expected["fee_nano_yuan"]
    cap = given_["energy_cap_uyuan_per_kwh"]
    found = [offered(AncillaryProduct.RESERVE, bid, rules) for bid in (price, cap, cap + 1)]
    assert found == ["admitted", "admitted", "price-too-high"]
    frame = {"capacity_w": capacity, "reserve_w": 6_000_000, "minutes": minutes}
    assert check_no_double_pay("unit", sold_wh=8_000_000, **frame) == []
    assert check_no_double_pay("unit", sold_wh=8_000_001, **frame) != []
    with pytest.raises(FeeError):
        reserve_fee_nano_yuan(-1, minutes, price)


def test_row_124_who_bears_the_cost(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/ANC-05"))
    members = [
        Member("user", MemberKind.USER, given_["users_wh"], 10_000),
        Member("outside", MemberKind.NON_MARKET_GENERATION, given_["non_market_wh"], 110_000),
        Member("inside", MemberKind.MARKET_GENERATION, given_["users_wh"], 220_000),
    ]
    cost = given_["cost_nano_yuan"]
    found = allocate_cost(cost, members, BY_ENERGY, stage=CONTINUOUS)
    assert found.rate_uyuan_per_kwh == expected["rate_uyuan_per_kwh"]
    assert found.share_nano_yuan == {
        "user": expected["users_nano_yuan"],
        "outside": expected["non_market_nano_yuan"],
    }
    lines = allocation_lines(found, BY_ENERGY, account="ancillary")
    assert account_totals_nano_yuan(lines)["ancillary"] == cost
    without = allocate_cost(cost, members, BY_ENERGY, stage=TRIAL)
    assert without.share_nano_yuan.get("user", 0) == expected["users_without_spot_nano_yuan"]
    assert sum(without.share_nano_yuan.values()) == cost
    ratio = allocate_cost(cost, members, replace(BY_ENERGY, user_share_ppm=300_000), stage=CONTINUOUS)
    assert ratio.share_nano_yuan == {"user": cost * 3 // 10, "outside": cost * 7 // 10}
    with pytest.raises(ShareError):
        allocate_cost(cost, members[2:], BY_ENERGY, stage=CONTINUOUS)
    with pytest.raises(RepeatedMemberError):
        allocate_cost(cost, [members[0], members[0]], BY_ENERGY, stage=CONTINUOUS)


MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(MemberKind), st.integers(0, 9), st.sampled_from([400, 10_000]), st.booleans(), st.booleans()
    ),
    max_size=7,
)


@settings(deadline=None)
@given(st.integers(0, 10**15), MEMBERS, st.sampled_from(MarketStage), st.one_of(st.none(), st.integers(0, PPM)))
def test_shares_sum_to_the_cost_and_everybody_is_answered(
    cost: int, rows: list, stage: MarketStage, ratio: int | None
) -> None:
    members = [Member(str(number), *row) for number, row in enumerate(rows)]
    rules = AllocationRules("x", (), ratio, 10_000)
    try:
        found = allocate_cost(cost, members, rules, stage=stage)
    except ShareError:
        return
    assert check_allocation(cost, members, found) == []
    assert all(share >= 0 for share in found.share_nano_yuan.values())
    broken = replace(found, share_nano_yuan=dict(found.share_nano_yuan) | {"?": 1})
    assert check_allocation(cost, members, broken) != []
    if members:
        assert check_allocation(cost, members, replace(found, excluded={}, share_nano_yuan={"?": cost})) != []


def version(number: int, from_day: str, document: str = "notice") -> FormulaVersion:
    return FormulaVersion("regulation", number, date.fromisoformat(from_day), document, "00")


def test_row_125_formulas_are_not_changed_afterwards(golden_case: Reader) -> None:
    given_, expected = parts(golden_case("settlement/ANC-06"))
    first_open = date.fromisoformat(given_["first_open_day"])
    register = FormulaRegister((version(1, "2026-01-01"),))
    outcomes = []
    for day in given_["from_days"]:
        found = activate(register, version(2, day), first_open_day=first_open)
        register = found.register
        outcomes.append("activated" if isinstance(found, FormulaActivated) else found.reason.value)
    assert outcomes == expected["outcomes"]
    assert len(register.refused) == 1
    used = [register.in_force("regulation", date(2026, month, 15)).version_id for month in (5, 6)]
    assert used == ["regulation-1", "regulation-2"]
    uses = [
        FormulaUse("regulation-1", "regulation", date(2026, 5, 15), 96),
        FormulaUse("regulation-1", "regulation", date(2026, 5, 16), 4),
        FormulaUse("regulation-2", "regulation", date(2026, 6, 15), 96),
    ]
    rows = [
        (row.version.version_id, row.first_day.day, row.last_day.day, row.results)
        for row in formula_report(register, uses)
    ]
    assert rows == [("regulation-1", 15, 16, 100), ("regulation-2", 15, 15, 96)]
    assert check_formula_uses(register, uses) == []
    assert check_formula_uses(register, [replace(uses[2], version_id="regulation-1")]) != []
    assert check_formula_uses(register, [replace(uses[0], day=date(2025, 1, 1))]) != []


def test_a_formula_needs_a_document_the_next_number_and_a_later_day() -> None:
    register = FormulaRegister((version(1, "2026-06-10"),))
    for wrong, reason in (
        (version(2, "2026-06-20", " "), FormulaRefusal.NO_DOCUMENT),
        (version(3, "2026-06-20"), FormulaRefusal.NOT_THE_NEXT_NUMBER),
        (version(2, "2026-06-09"), FormulaRefusal.BEFORE_THE_LAST),
    ):
        found = activate(register, wrong, first_open_day=date(2026, 6, 1))
        assert (found.reason, found.register.versions) == (reason, register.versions)


def test_row_126_primary_frequency(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/ANC-07"))
    rules = rules_of(library, given_)
    assert rules.primary_share_ppm is not None
    assert demand_w(given_["renewable_max_w"], share_ppm=rules.primary_share_ppm) == expected["demand_w"]
    assert offered(AncillaryProduct.PRIMARY_FREQUENCY, given_["bid_uyuan_per_kw"], rules) == expected["refused"]
    assert offered(AncillaryProduct.PRIMARY_FREQUENCY, 5_000, rules) == "admitted"
    cost = storage_loss_cost_nano_yuan(
        given_["charged_wh"],
        given_["discharged_wh"],
        real_time_mean_uyuan_per_kwh=given_["real_time_mean_uyuan_per_kwh"],
    )
    assert cost == expected["cost_nano_yuan"]


def test_row_126_ranking_is_by_response_then_rate_then_accuracy_then_price() -> None:
    offers = [
        FrequencyOffer("e", 2, 7_000, 900, 50, 990_000),
        FrequencyOffer("d", 2, 6_000, 900, 50, 990_000),
        FrequencyOffer("c", 2, 9_000, 900, 50, 995_000),
        FrequencyOffer("b", 2, 9_000, 900, 60, 900_000),
        FrequencyOffer("a", 2, 9_000, 800, 10, 900_000),
    ]
    assert [offer.offer_id for offer in rank(offers)] == ["a", "b", "c", "d", "e"]
    assert [(one.offer_id, one.awarded_w) for one in award(offers, demand_w=5)] == [
        ("a", 2),
        ("b", 2),
        ("c", 1),
        ("d", 0),
        ("e", 0),
    ]


def test_row_127_distributed_generation_shares_by_voltage(golden_case: Reader, library: Library) -> None:
    given_, expected = parts(golden_case("settlement/ANC-08"))
    rules = allocation_rules_on(library, province=given_["province"], day=date.fromisoformat(given_["day"]))
    members = [
        Member(name, MemberKind.NON_MARKET_GENERATION, 5, volts, is_distributed=True, is_poverty_alleviation=is_aid)
        for name, volts, is_aid in given_["members"]
    ]
    found = allocate_cost(given_["cost_nano_yuan"], members, rules, stage=CONTINUOUS)
    assert found.share_nano_yuan == expected["shares_nano_yuan"]
    assert {name: reason.value for name, reason in found.excluded.items()} == expected["excluded"]
