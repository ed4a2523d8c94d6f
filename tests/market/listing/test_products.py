"""What single products add: a contract's energy through a transfer and back, and the shares of an agency purchase."""

from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.market.listing.agency_purchase import CorrectionReason, ForecastVersion, forecast_in_force
from hub.market.listing.allocation import largest_fitting, over_subscribed, under_subscribed
from hub.market.listing.cross_province import ExportLimits, new_energy_export_cap_wh
from hub.market.listing.curves import Shares
from hub.market.listing.events import (
    Allocation,
    CloseSession,
    OpenSession,
    PublishSession,
    ReverseDeal,
    TakeCap,
    VerifySession,
)
from hub.market.listing.products import ListingProduct
from hub.market.listing.session_calendar import BusinessCalendar, Delivery, previous_business_day
from hub.market.registry.participant_classes import Direction, ParticipantClass
from hub.market.registry.periods import Period

KWH = 1000
COUNTY_TIME = timezone(timedelta(hours=8))
JANUARY = Delivery(date(2027, 1, 1), date(2027, 2, 1))


def ended(toy: Any, session_id: str, at: datetime) -> None:
    toy.now = at
    for kind in (CloseSession, VerifySession, PublishSession):
        assert toy.refusal(kind, session_id=session_id) is None


def with_annual_contract(toy: Any) -> Any:
    """Let gen1 have sold 8 kWh of January 2027 to ret1 in an annual session, published."""
    toy.rules()
    for name, its_class in (("gen1", "GENERATOR"), ("gen2", "GENERATOR"), ("ret1", "RETAILER")):
        toy.participant(name, ParticipantClass(its_class))
        toy.quota(name, months=(202701,), net_sell_cap_wh=20 * KWH, net_buy_cap_wh=20 * KWH)
    assert toy.announce("annual", product=ListingProduct.ORDINARY_ANNUAL, delivery=JANUARY) is None
    toy.opened("annual")
    assert toy.list_energy("gen1", 8 * KWH, session_id="annual") is None
    assert toy.take("ret1", 8 * KWH, session_id="annual") is None
    ended(toy, "annual", datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME))
    return toy


def open_transfer(toy: Any, session_id: str, day: int) -> None:
    toy.now = datetime(2026, 12, day - 1, 9, tzinfo=COUNTY_TIME)
    opens = datetime(2026, 12, day, 9, tzinfo=COUNTY_TIME)
    closes = opens + timedelta(hours=8)
    terms = {"product": ListingProduct.CONTRACT_TRANSFER, "delivery": JANUARY, "opens_at": opens, "closes_at": closes}
    assert toy.announce(session_id, **terms) is None
    toy.now = opens
    assert toy.refusal(OpenSession, session_id=session_id) is None


def offer(toy: Any, session_id: str, energy_wh: int) -> str | None:
    given = {"session_id": session_id, "direction": Direction.BUY, "contract_id": "annual/1"}
    return toy.list_energy("gen1", energy_wh, **given)


def open_of_contract(toy: Any) -> int:
    return int(toy.market.contracts["annual/1"].open_periods_wh.sum())


def test_a_cancelled_transfer_gives_the_contract_back(empty_toy: Any) -> None:
    toy = with_annual_contract(empty_toy)
    open_transfer(toy, "first", 15)
    assert offer(toy, "first", 8 * KWH) is None
    assert open_of_contract(toy) == 0
    assert toy.take("gen2", 6 * KWH, session_id="first") is None
    toy.now = datetime(2026, 12, 15, 17, tzinfo=COUNTY_TIME)
    assert toy.refusal(CloseSession, session_id="first") is None
    assert open_of_contract(toy) == 2 * KWH
    assert toy.refusal(VerifySession, session_id="first", grid_refusals=(1,)) is None
    assert open_of_contract(toy) == 8 * KWH
    assert toy.refusal(PublishSession, session_id="first") is None
    open_transfer(toy, "second", 17)
    assert offer(toy, "second", 8 * KWH) is None


def test_a_contract_that_was_passed_on_cannot_be_reversed_before_the_transfer_is(empty_toy: Any) -> None:
    toy = with_annual_contract(empty_toy)
    open_transfer(toy, "first", 15)
    assert offer(toy, "first", 4 * KWH) is None
    assert toy.take("gen2", 2 * KWH, session_id="first") is None
    assert toy.refusal(ReverseDeal, session_id="annual", deal=1, document="x") == "contract-in-use"
    ended(toy, "first", datetime(2026, 12, 15, 17, tzinfo=COUNTY_TIME))
    assert toy.refusal(ReverseDeal, session_id="annual", deal=1, document="x") == "contract-in-use"
    sold = {who: toy.market.positions[who, 202701] for who in ("gen1", "gen2")}
    assert [(one.sold_wh, one.bought_wh) for one in sold.values()] == [(8 * KWH, 2 * KWH), (2 * KWH, 0)]
    assert toy.refusal(ReverseDeal, session_id="first", deal=1, document="x") is None
    assert open_of_contract(toy) == 8 * KWH
    assert toy.refusal(ReverseDeal, session_id="annual", deal=1, document="x") is None
    assert offer(toy, "first", 2 * KWH) == "wrong-state"
    assert toy.market.positions["gen1", 202701].sold_wh == 0


def test_an_open_purchase_occupies_the_buyers_quota(toy: Any) -> None:
    both = {"direction": Direction.BUY, "delivery": Delivery(date(2026, 4, 30), date(2026, 5, 1))}
    assert toy.list_energy("ret1", 30 * KWH, **both) is None
    assert toy.list_energy("ret1", 12 * KWH, **both) == "quota-net"
    assert toy.list_energy("ret1", 10 * KWH, **both) is None


def test_an_unpublished_purchase_makes_no_room_to_sell(toy: Any) -> None:
    day = Delivery(date(2026, 4, 30), date(2026, 5, 1))
    toy.quota("store1", net_sell_cap_wh=10 * KWH, net_buy_cap_wh=40 * KWH)
    assert toy.list_energy("gen1", 10 * KWH, delivery=day) is None
    assert toy.take("store1", 10 * KWH) is None
    afternoon = {"delivery": day, "curve": Shares(period_weights=(0, 1))}
    assert toy.list_energy("store1", 12 * KWH, **afternoon) == "quota-net"
    assert toy.list_energy("store1", 10 * KWH, **afternoon) is None
    ended(toy, "s", datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME))
    position = toy.market.positions["store1", 202604]
    assert (position.bought_wh, position.open_buy_wh, int(position.net_wh.sum())) == (10 * KWH, 0, -10 * KWH)


def test_the_rest_of_an_agency_purchase_goes_by_what_quota_really_leaves(empty_toy: Any) -> None:
    """Caps leave 6 kWh to each of two units, the first one's quota only 2: the second gets the other 6 of 8."""
    toy = empty_toy
    toy.rules()
    toy.participant("grid", ParticipantClass.AGENCY_BOOK)
    toy.participant("owner", ParticipantClass.GENERATOR)
    for unit, cap in (("a", 2), ("b", 100)):
        toy.unit(unit, "owner")
        toy.quota(unit, net_sell_cap_wh=cap * KWH)
    terms = {
        "product": ListingProduct.AGENCY_MONTHLY,
        "delivery": Delivery(date(2026, 5, 1), date(2026, 5, 2)),
        "allocation": Allocation.PRO_RATA,
        "residual_by_quota": True,
        "take_caps": (TakeCap("a", cap_wh=6 * KWH), TakeCap("b", cap_wh=6 * KWH)),
    }
    assert toy.announce("s", **terms) is None
    toy.opened("s")
    assert toy.list_energy("grid", 8 * KWH, direction=Direction.BUY) is None
    toy.now = datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME)
    assert toy.refusal(CloseSession, session_id="s") is None
    deals = toy.market.sessions["s"].deals.values()
    assert [(deal.seller.unit_id, deal.energy_wh, deal.assigned) for deal in deals] == [
        ("a", 2 * KWH, True),
        ("b", 6 * KWH, True),
    ]


amounts = st.lists(st.integers(0, 9), min_size=1, max_size=5)


@given(st.integers(0, 30), amounts)
def test_shares_are_next_to_pro_rata_and_never_above_what_was_asked(listed: int, asked: list[int]) -> None:
    shares = over_subscribed(listed, asked)
    total = min(listed, sum(asked))
    assert sum(shares) == total
    for share, wanted in zip(shares, asked, strict=True):
        assert 0 <= share <= wanted
        assert abs(share - Fraction(total * wanted, sum(asked) or 1)) < 1


@given(st.integers(0, 30), amounts)
def test_the_rest_is_met_or_reported(rest: int, remaining: list[int]) -> None:
    shares, unmet = under_subscribed(rest, remaining)
    assert sum(shares) + unmet == rest
    assert unmet == max(0, rest - sum(remaining))
    assert all(share <= room for share, room in zip(shares, remaining, strict=True))


@given(st.integers(-1, 20), st.integers(0, 20))
def test_halving_finds_the_largest_that_fits(most: int, limit: int) -> None:
    assert largest_fitting(most, lambda number: number <= limit) == min(max(most, 0), limit)


def test_the_latest_forecast_known_on_the_day_holds() -> None:
    versions = [
        ForecastVersion(202607, date(2026, 5, day), 100 + number, reason, "document")
        for number, (day, reason) in enumerate(
            [(1, CorrectionReason.FIRST), (20, CorrectionReason.WEATHER), (20, CorrectionReason.POLICY)]
        )
    ]
    on = {day: forecast_in_force(versions, 202607, date(2026, 5, day)) for day in (1, 19, 20)}
    assert [None if one is None else one.energy_wh for one in on.values()] == [100, 100, 102]
    assert forecast_in_force(versions, 202607, date(2026, 4, 30)) is None
    assert forecast_in_force(versions, 202608, date(2026, 5, 30)) is None


def test_new_energy_exports_keep_the_responsibility_weight() -> None:
    limits = ExportLimits("Mengxi", Period(date(2024, 1, 1)), "document", None, None, 250_000)
    assert new_energy_export_cap_wh(limits, 1_000_001) == 250_000
    assert new_energy_export_cap_wh(ExportLimits("x", Period(date(2024, 1, 1)), "x", None, None, None), 1) is None


def test_business_days_know_holidays_and_worked_weekends() -> None:
    """A week off with the Saturday before it worked, as a spring festival; nothing is known outside the calendar."""
    week = tuple(date(2026, 2, day) for day in range(16, 21))
    calendar = BusinessCalendar(date(2026, 2, 2), date(2026, 12, 31), week, (date(2026, 2, 14),))
    assert previous_business_day(calendar, date(2026, 2, 23)) == date(2026, 2, 14)
    assert previous_business_day(calendar, date(2026, 2, 14)) == date(2026, 2, 13)
    assert previous_business_day(calendar, date(2026, 2, 9)) == date(2026, 2, 6)
    assert previous_business_day(calendar, date(2026, 2, 2)) is None
    assert previous_business_day(calendar, date(2027, 1, 2)) is None


def test_a_provinces_year_of_money_is_published_exactly(empty_toy: Any, json_of: Any) -> None:
    """250 TWh at 0.4 yuan/kWh are 1e20 nano-yuan: more than 64 bits hold."""
    toy = empty_toy
    toy.rules()
    energy_wh = 250 * 10**12
    for name, its_class in (("gen1", "GENERATOR"), ("ret1", "RETAILER")):
        toy.participant(name, ParticipantClass(its_class))
        toy.quota(name, months=tuple(range(202701, 202713)))
    year = Delivery(date(2027, 1, 1), date(2028, 1, 1))
    assert toy.announce("annual", product=ListingProduct.ORDINARY_ANNUAL, delivery=year) is None
    toy.opened("annual")
    assert toy.list_energy("gen1", energy_wh, session_id="annual", price_uyuan_per_kwh=400_000) is None
    assert toy.take("ret1", energy_wh - KWH, session_id="annual") is None
    assert toy.take("ret1", KWH, session_id="annual") is None
    ended(toy, "annual", datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME))
    result = toy.market.sessions["annual"].publications[-1]
    assert (result.value_nano_yuan, result.mean_price_uyuan_per_kwh) == (str(10**20), 400_000)
    assert str(10**20) in json_of(result)
