"""Bad input: each with its own reason, and nothing else changed (the laws are checked after every event)."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from hub.market.listing.curves import Parts, Shares
from hub.market.listing.events import (
    AgreeCurve,
    Allocation,
    CloseSession,
    ExportPlan,
    LoadContract,
    OpenSession,
    PublishSession,
    ReverseDeal,
    SetQuota,
    TakeCap,
    TradingWindow,
    VerifySession,
)
from hub.market.listing.listing_step import step
from hub.market.listing.outcomes import RefusalReason, Refused, Repeated
from hub.market.listing.products import ListingProduct
from hub.market.listing.session_calendar import BusinessCalendar, Delivery
from hub.market.registry.participant_classes import Direction, ParticipantClass, Technology
from hub.market.registry.periods import Period

KWH = 1000
COUNTY_TIME = timezone(timedelta(hours=8))
FIRST_DAY = Delivery(date(2026, 4, 30), date(2026, 5, 1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"session_id": "nosuch"}, "unknown-session"),
        ({"participant_id": "nobody"}, "unknown-participant"),
        ({"participant_id": "ret1"}, "wrong-role"),
        ({"unit_id": "nosuch"}, "unknown-unit"),
        ({"energy_wh": 3 * KWH}, "off-lot"),
        ({"energy_wh": KWH}, "off-lot"),
        ({"energy_wh": 0}, "not-positive"),
        ({"energy_wh": -2 * KWH}, "not-positive"),
        ({"price_uyuan_per_kwh": 150_000}, "off-tick"),
        ({"price_uyuan_per_kwh": 600_000}, "above-cap"),
        ({"price_uyuan_per_kwh": -200_000}, "below-floor"),
        ({"price_uyuan_per_kwh": -100_000}, None),
        ({"delivery": Delivery(date(2026, 4, 29), date(2026, 5, 1))}, "outside-delivery"),
        ({"delivery": Delivery(date(2026, 5, 1), date(2026, 5, 1))}, "outside-delivery"),
        ({"contract_id": "c"}, "contract-not-allowed"),
        ({"curve": Shares(month_weights=(1,))}, "curve-length"),
        ({"curve": Shares(period_weights=(1, 2, 3, 4, 5))}, "curve-length"),
        ({"curve": Shares(month_weights=(0, 0))}, "curve-empty"),
        ({"curve": Shares(period_weights=(0,) * 24)}, "curve-empty"),
        ({"curve": Parts((2 * KWH,))}, "curve-length"),
        ({"curve": Parts((KWH,) + (0,) * 47)}, "curve-sum"),
        ({"curve": Parts((500, 1500) + (0,) * 46)}, "curve-off-step"),
        ({"curve": Parts((KWH, KWH) + (0,) * 46)}, None),
        ({"energy_wh": 82 * KWH}, "quota-net"),
        ({"energy_wh": 6 * KWH, "curve": Parts((5 * KWH, KWH) + (0,) * 46)}, "quota-interval"),
        ({"energy_wh": 4 * KWH, "curve": Parts((4 * KWH,) + (0,) * 47)}, None),
    ],
)
def test_a_listing_is_refused_with_its_reason(toy: Any, changes: dict[str, Any], reason: str | None) -> None:
    assert toy.list_energy(**({"who": changes.pop("participant_id", "gen1"), "energy_wh": 2 * KWH} | changes)) == reason
    assert toy.market.submitted == toy.market.accepted + toy.market.refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"session_id": "nosuch"}, "unknown-session"),
        ({"listing": 2}, "unknown-listing"),
        ({"who": "gen1"}, "wrong-role"),
        ({"who": "nobody"}, "unknown-participant"),
        ({"price_uyuan_per_kwh": 200_000}, "counter-offer"),
        ({"energy_wh": 0}, "not-positive"),
        ({"energy_wh": 1}, "off-lot"),
        ({"energy_wh": 10 * KWH + 1}, "above-remaining"),
        ({"energy_wh": 11 * KWH}, "above-remaining"),
        ({"energy_wh": 10 * KWH}, None),
        ({"energy_wh": 3 * KWH}, None),
    ],
)
def test_a_take_is_refused_with_its_reason(toy: Any, changes: dict[str, Any], reason: str | None) -> None:
    assert toy.list_energy("gen1", 10 * KWH) is None
    assert toy.take(**({"who": "ret1", "energy_wh": KWH} | changes)) == reason


def test_storage_may_not_take_its_own_listing(toy: Any) -> None:
    assert toy.list_energy("store1", 2 * KWH) is None
    assert toy.take("store1", KWH) == "own-listing"
    assert toy.take("store2", KWH) is None


def test_what_is_left_may_be_taken_though_it_is_no_whole_take_lot(empty_toy: Any) -> None:
    toy = empty_toy
    toy.rules()
    toy.participant("gen1", ParticipantClass.GENERATOR)
    toy.participant("ret1", ParticipantClass.RETAILER)
    for name in ("gen1", "ret1"):
        toy.quota(name)
    assert toy.announce("s", take_lot_wh=4 * KWH) is None
    toy.opened("s")
    assert toy.list_energy("gen1", 6 * KWH) is None
    assert toy.take("ret1", 2 * KWH) == "off-lot"
    assert toy.take("ret1", 4 * KWH) is None
    assert toy.take("ret1", 2 * KWH) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"session_id": "s"}, "id-taken"),
        ({"province": "elsewhere"}, "no-rules"),
        ({"opens_at": datetime(2027, 1, 4, 9, tzinfo=COUNTY_TIME)}, "no-rules"),
        ({"opens_at": datetime(2026, 4, 1, 9, tzinfo=COUNTY_TIME)}, "announced-late"),
        ({"closes_at": datetime(2026, 4, 2, 9, tzinfo=COUNTY_TIME)}, "bad-dates"),
        ({"delivery": Delivery(date(2026, 5, 2), date(2026, 5, 2))}, "bad-dates"),
        ({"lot_wh": 0}, "bad-lot"),
        ({"lot_wh": 1500}, "bad-lot"),
        ({"take_lot_wh": -KWH}, "bad-lot"),
        ({"step_wh": 2, "lot_wh": 2, "take_lot_wh": 2}, "bad-lot"),
        ({"periods_per_day": 25}, "bad-lot"),
        ({"periods_per_day": 0}, "bad-lot"),
        ({"limits": {"tick_uyuan_per_kwh": 0}}, "bad-price-limits"),
        ({"limits": {"floor_uyuan_per_kwh": 600_000}}, "bad-price-limits"),
        ({"limits": {"effective": Period(date(2026, 4, 3))}}, "not-in-force"),
        ({"curve": Shares(period_weights=(0, 0))}, "curve-empty"),
        ({"allocation": Allocation.PRO_RATA}, "bad-allocation"),
        ({"residual_by_quota": True}, "bad-allocation"),
        ({"take_caps": (TakeCap("u"),)}, "bad-take-caps"),
        ({"take_caps": (TakeCap("u", cap_wh=1, share_ppm=1),)}, "bad-take-caps"),
        ({"take_caps": (TakeCap("u", cap_wh=1), TakeCap("u", cap_wh=1))}, "bad-take-caps"),
        ({"take_caps": (TakeCap("u", cap_wh=-1),)}, "bad-take-caps"),
        ({"take_caps": (TakeCap("u", share_ppm=999_999),)}, "bad-take-caps"),
        ({"product": ListingProduct.ORDINARY_ANNUAL}, "outside-delivery"),
        ({"product": ListingProduct.ORDINARY_MONTHLY}, "outside-delivery"),
        ({"product": ListingProduct.CROSS_PROVINCE_EXPORT}, "no-export-plan"),
        ({"product": ListingProduct.CROSS_PROVINCE_EXPORT, "export_plan": ExportPlan(0, 1)}, "no-export-plan"),
        ({"product": ListingProduct.CROSS_PROVINCE_EXPORT, "export_plan": ExportPlan(1, 1)}, None),
        ({}, None),
    ],
)
def test_an_announcement_is_refused_with_its_reason(
    toy: Any, empty_toy: Any, changes: dict[str, Any], reason: str | None
) -> None:
    is_taken = changes.get("session_id") == "s"
    market = toy if is_taken else empty_toy
    if not is_taken:
        market.rules()
    assert market.announce(**({"session_id": "t"} | changes)) == reason


def test_rules_are_refused_that_contradict_themselves_or_each_other(empty_toy: Any) -> None:
    toy = empty_toy

    def refused(**changes: Any) -> str | None:
        outcome = toy.rules(**changes)[0]
        return outcome.reason.value if isinstance(outcome, Refused) else None

    nothing = Period(date(2026, 1, 1), date(2026, 1, 1))
    assert refused(effective=nothing) == "bad-dates"
    assert refused(calendar=BusinessCalendar(date(2026, 1, 2), date(2026, 1, 1), (), ())) == "bad-dates"
    assert refused(window=TradingWindow(2, 7)) == "bad-dates"
    assert refused() is None
    assert refused(effective=Period(date(2028, 1, 1))) == "id-taken"
    assert refused(version_id="v2") == "rules-overlap"
    assert refused(version_id="v2", effective=Period(date(2026, 12, 31))) == "rules-overlap"
    assert refused(version_id="v2", effective=Period(date(2027, 1, 1))) is None
    assert refused(version_id="v3", province="other") is None


def test_a_class_without_turnover_rule_and_a_month_without_quota_are_refused(empty_toy: Any) -> None:
    toy = empty_toy
    toy.rules(turnover=())
    toy.participant("gen1", ParticipantClass.GENERATOR)
    toy.announce("s")
    toy.opened("s")
    assert toy.list_energy("gen1", 2 * KWH) == "no-turnover-rule"


def test_a_month_without_quota_is_refused(empty_toy: Any) -> None:
    toy = empty_toy
    toy.rules()
    toy.participant("gen1", ParticipantClass.GENERATOR)
    toy.send(SetQuota, holder_id="gen1", month=202604, province="toy", document="toy")
    toy.announce("s")
    toy.opened("s")
    assert toy.list_energy("gen1", 2 * KWH, delivery=FIRST_DAY) is None
    assert toy.list_energy("gen1", 2 * KWH) == "no-quota"


def test_units_belong_to_one_participant_that_then_trades_by_them(toy: Any) -> None:
    toy.unit("u1", "gen1")
    assert toy.list_energy("gen1", 2 * KWH) == "unit-required"
    assert toy.list_energy("gen2", 2 * KWH, unit_id="u1") == "foreign-unit"
    assert toy.list_energy("gen1", 2 * KWH, unit_id="u1") == "no-quota"
    toy.quota("u1")
    assert toy.list_energy("gen1", 2 * KWH, unit_id="u1") is None
    refusals = [
        toy.unit("u1", "gen2"),
        toy.unit("gen1", "gen2"),
        toy.unit("u2", "nobody"),
        toy.participant("u1", ParticipantClass.GENERATOR),
        toy.participant("gen1", ParticipantClass.RETAILER),
        toy.send(SetQuota, holder_id="nobody", month=202604, province="toy", document="toy"),
        toy.send(SetQuota, holder_id="gen2", month=202613, province="toy", document="toy"),
        toy.send(SetQuota, holder_id="gen2", month=202604, province="toy", document="toy", net_sell_cap_wh=-1),
    ]
    assert [one[0].reason.value for one in refusals] == [
        *("foreign-unit", "id-taken", "unknown-participant", "id-taken", "id-taken"),
        *("unknown-participant", "bad-quota", "bad-quota"),
    ]


def test_a_coal_unit_before_its_commissioning_may_not_list_but_a_wind_unit_may(toy: Any) -> None:
    toy.unit("coal", "gen1", commissioned_on=date(2026, 4, 3))
    toy.unit("coal-today", "gen1", commissioned_on=date(2026, 4, 2))
    toy.unit("wind", "gen1", technology=Technology.WIND, commissioned_on=None)
    for unit in ("coal", "coal-today", "wind"):
        toy.quota(unit)
    assert toy.list_energy("gen1", 2 * KWH, unit_id="coal") == "not-commissioned"
    assert toy.list_energy("gen1", 2 * KWH, unit_id="coal-today") is None
    assert toy.list_energy("gen1", 2 * KWH, unit_id="wind") is None


def test_nothing_happens_before_the_window_nor_after_it(toy: Any) -> None:
    assert (
        toy.announce(
            "late",
            opens_at=datetime(2026, 4, 7, 9, tzinfo=COUNTY_TIME),
            closes_at=datetime(2026, 4, 7, 17, tzinfo=COUNTY_TIME),
        )
        is None
    )
    assert toy.refusal(OpenSession, session_id="late") == "too-early"
    assert toy.list_energy("gen1", 2 * KWH, session_id="late") == "wrong-state"
    assert toy.refusal(CloseSession, session_id="s") == "too-early"
    assert toy.refusal(VerifySession, session_id="s") == "wrong-state"
    assert toy.refusal(PublishSession, session_id="s") == "wrong-state"
    assert toy.list_energy("gen1", 2 * KWH) is None
    toy.now = datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME)
    assert toy.list_energy("gen1", 2 * KWH) == "gate-closed"
    assert toy.take("ret1", 2 * KWH) == "gate-closed"
    assert toy.refusal(CloseSession, session_id="s") is None
    assert toy.take("ret1", 2 * KWH) == "wrong-state"
    assert toy.refusal(VerifySession, session_id="s", grid_refusals=(9,)) == "unknown-deal"
    for kind in (OpenSession, CloseSession, VerifySession, PublishSession):
        assert toy.refusal(kind, session_id="nosuch") == "unknown-session"


def test_the_same_event_again_changes_nothing_and_another_under_its_id_is_refused(toy: Any) -> None:
    assert toy.list_energy("gen1", 2 * KWH, event_id="one") is None
    outcome = toy.take_in(toy.events[-1])
    assert outcome == (Repeated(),)
    assert len(toy.market.sessions["s"].listings) == 1
    assert toy.list_energy("gen1", 4 * KWH, event_id="one") == "duplicate-id"
    assert toy.list_energy("gen1", 3 * KWH, event_id="two") == "off-lot"
    assert toy.take_in(toy.events[-1]) == (Repeated(),)
    assert toy.list_energy("gen1", 2 * KWH, event_id="two") == "duplicate-id"
    assert (toy.market.repeated, len(toy.market.sessions["s"].listings)) == (2, 1)


def test_time_does_not_run_back(toy: Any) -> None:
    assert toy.list_energy("gen1", 2 * KWH, at=toy.now - timedelta(seconds=1)) == "time-runs-back"
    assert toy.list_energy("gen1", 2 * KWH, at=toy.now) is None


def test_contracts_from_before_are_checked(toy: Any) -> None:
    fields: dict[str, Any] = {
        "contract_id": "c",
        "product": ListingProduct.ORDINARY_ANNUAL,
        "seller_holder_id": "gen1",
        "buyer_holder_id": None,
        "delivery": FIRST_DAY,
        "energy_wh": 2 * KWH,
        "price_uyuan_per_kwh": 1,
        "curve": Shares(),
        "periods_per_day": 24,
        "step_wh": KWH,
    }
    wrong = (
        ({"seller_holder_id": "nobody"}, "unknown-participant"),
        ({"delivery": Delivery(date(2026, 5, 1), date(2026, 4, 30))}, "bad-dates"),
        ({"energy_wh": 1500}, "bad-lot"),
        ({"step_wh": 2, "energy_wh": 2}, "bad-lot"),
        ({"curve": Shares(period_weights=(1,) * 7)}, "curve-length"),
        ({}, None),
        ({}, "id-taken"),
    )
    assert [toy.refusal(LoadContract, **(fields | changes)) for changes, _ in wrong] == [reason for _, reason in wrong]


def test_a_curve_is_agreed_by_both_parties_before_the_deadline(toy: Any) -> None:
    assert toy.list_energy("gen1", 4 * KWH) is None
    assert toy.take("ret1", 4 * KWH) is None
    early = Parts((4 * KWH,) + (0,) * 47)
    too_much = Shares(month_weights=(1, 0), period_weights=(0, 1) + (0,) * 22)

    def agree(who: str, curve: Any = early, **changes: Any) -> str | None:
        return toy.refusal(
            AgreeCurve, **({"session_id": "s", "deal": 1, "participant_id": who, "curve": curve} | changes)
        )

    assert agree("gen1", session_id="nosuch") == "unknown-session"
    assert agree("gen1", deal=2) == "unknown-deal"
    assert agree("ret2") == "not-a-party"
    assert agree("gen1", Parts((KWH,) * 48)) == "curve-sum"
    assert agree("gen1") is None
    assert agree("gen1") is None
    before = toy.market.sessions["s"].deals[1].periods_wh.tolist()
    assert agree("ret1", too_much) is None
    assert toy.market.sessions["s"].deals[1].periods_wh.tolist() == before
    assert agree("ret1") is None
    assert agree("gen1") is None
    assert toy.market.sessions["s"].deals[1].periods_wh.tolist() == [4 * KWH] + [0] * 47
    assert toy.market.positions["gen1", 202605].open_sell_wh == 0
    assert toy.market.positions["gen1", 202604].open_sell_wh == 4 * KWH
    assert toy.list_energy("gen1", 4 * KWH, curve=early) == "quota-interval"
    toy.now = datetime(2026, 4, 3, tzinfo=COUNTY_TIME)
    assert agree("ret1") == "past-deadline"


def test_an_agreed_curve_keeps_both_quotas(toy: Any) -> None:
    assert toy.list_energy("gen1", 4 * KWH, curve=Parts((0,) * 46 + (2 * KWH, 2 * KWH))) is None
    assert toy.list_energy("gen1", 4 * KWH, curve=Parts((4 * KWH,) + (0,) * 47)) is None
    assert toy.take("ret1", 4 * KWH) is None
    full = Parts((2 * KWH, 2 * KWH) + (0,) * 46)
    assert toy.refusal(AgreeCurve, session_id="s", deal=1, participant_id="ret1", curve=full) is None
    reason = toy.refusal(AgreeCurve, session_id="s", deal=1, participant_id="gen1", curve=full)
    assert reason == "quota-interval"
    assert toy.market.sessions["s"].deals[1].curve_proposal is not None


def test_a_deal_that_was_passed_on_cannot_be_reversed_and_an_unknown_one_neither(toy: Any) -> None:
    assert toy.list_energy("gen1", 4 * KWH) is None
    assert toy.take("ret1", 4 * KWH) is None
    assert toy.refusal(ReverseDeal, session_id="nosuch", deal=1, document="x") == "unknown-session"
    assert toy.refusal(ReverseDeal, session_id="s", deal=2, document="x") == "unknown-deal"
    assert toy.refusal(ReverseDeal, session_id="s", deal=1, document="x") == "wrong-state"


def test_a_step_leaves_the_state_that_it_was_given_as_it_is(toy: Any, json_of: Any) -> None:
    before = toy.market
    size = len(before.seen)
    event = toy.event(OpenSession, session_id="nosuch")
    after, outcomes = step(before, event)
    assert outcomes == (Refused(RefusalReason.UNKNOWN_SESSION),)
    assert (len(before.seen), before.refused, after.refused) == (size, 0, 1)
    assert json_of(outcomes) == '[{"outcome":"Refused","reason":"unknown-session"}]'


def test_agency_takes_that_are_too_many_leave_somebody_without(empty_toy: Any) -> None:
    toy = empty_toy
    toy.rules()
    toy.participant("grid", ParticipantClass.AGENCY_BOOK)
    toy.participant("gen1", ParticipantClass.GENERATOR)
    for unit in ("a", "b", "c"):
        toy.unit(unit, "gen1")
        toy.quota(unit)
    days = Delivery(date(2026, 5, 1), date(2026, 5, 2))
    assert (
        toy.announce("s", product=ListingProduct.AGENCY_MONTHLY, delivery=days, allocation=Allocation.PRO_RATA) is None
    )
    toy.opened("s")
    assert toy.list_energy("grid", 2 * KWH, direction=Direction.SELL) == "wrong-role"
    assert toy.list_energy("grid", 2 * KWH, direction=Direction.BUY, curve=Shares()) == "curve-not-allowed"
    assert toy.list_energy("grid", 2 * KWH, direction=Direction.BUY) is None
    assert toy.take("gen1", KWH) == "unit-required"
    for unit in ("a", "b", "c"):
        assert toy.take("gen1", KWH, unit_id=unit) is None
    toy.now = datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME)
    assert toy.refusal(CloseSession, session_id="s") is None
    deals = list(toy.market.sessions["s"].deals.values())
    assert [(deal.energy_wh, deal.reason) for deal in deals] == [
        (KWH, None),
        (KWH, None),
        (0, RefusalReason.OVERSUBSCRIBED),
    ]
    assert toy.market.positions["c", 202605].open_sell_wh == 0
