"""A small listing market that tests build events for, with defaults for everything that a test is silent on."""

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from itertools import count
from typing import Any

import msgspec
import pytest

from hub.market.listing.checks import check_step
from hub.market.listing.curves import Shares
from hub.market.listing.events import (
    Allocation,
    AnnounceSession,
    Event,
    OpenSession,
    PlaceListing,
    PriceLimits,
    ProductRoles,
    SetParticipant,
    SetQuota,
    SetRules,
    SetUnit,
    TakeCap,
    TakeListing,
    TurnoverMultiple,
)
from hub.market.listing.listing_step import step
from hub.market.listing.market_state import Market
from hub.market.listing.outcomes import Outcome, Refused
from hub.market.listing.products import ListingProduct
from hub.market.listing.session_calendar import BusinessCalendar, Delivery, TradingWindow
from hub.market.registry.participant_classes import Direction, ParticipantClass, Technology
from hub.market.registry.periods import Period

COUNTY_TIME = timezone(timedelta(hours=8))
KWH = 1000
DAYS = Delivery(date(2026, 4, 30), date(2026, 5, 2))
"""Two days in two delivery months."""
STORAGE = (ParticipantClass.INDEPENDENT_STORAGE, ParticipantClass.PUMPED_STORAGE)
SELLERS = (ParticipantClass.GENERATOR, *STORAGE)
BUYERS = (ParticipantClass.RETAILER, ParticipantClass.WHOLESALE_USER, *STORAGE)


class ToyMarket:
    """A market under construction: each call is one event, checked against every law."""

    def __init__(self) -> None:
        self.market = Market()
        self.events: list[Event] = []
        self.now = datetime(2026, 4, 1, 8, tzinfo=COUNTY_TIME)
        self._numbers = count(1)

    def send(self, kind: type[Any], **fields: Any) -> tuple[Outcome, ...]:
        event = self.event(kind, **fields)
        return self.take_in(event)

    def event(self, kind: type[Any], **fields: Any) -> Any:
        given = {"event_id": f"e{next(self._numbers)}", "at": self.now, "actor": "somebody"} | fields
        return kind(**given)

    def take_in(self, event: Any) -> tuple[Outcome, ...]:
        before = self.market
        self.market, outcomes = step(before, event)
        self.events.append(event)
        assert check_step(before, event, outcomes, self.market) == []
        return outcomes

    def refusal(self, kind: type[Any], **fields: Any) -> str | None:
        outcomes = self.send(kind, **fields)
        return outcomes[0].reason.value if isinstance(outcomes[0], Refused) else None

    def rules(self, **changes: Any) -> tuple[Outcome, ...]:
        products = [product for product in ListingProduct if product.value.startswith("ORDINARY")]
        fields: dict[str, Any] = {
            "version_id": "v1",
            "province": "toy",
            "effective": Period(date(2026, 1, 1), date(2027, 1, 1)),
            "document": "toy rules",
            "calendar": BusinessCalendar(date(2025, 12, 1), date(2026, 12, 31), (), ()),
            "roles": (
                *(ProductRoles(product, SELLERS, BUYERS) for product in products),
                ProductRoles(ListingProduct.CONTRACT_TRANSFER, SELLERS[:1], SELLERS[:1]),
                ProductRoles(
                    ListingProduct.AGENCY_MONTHLY, (ParticipantClass.GENERATOR,), (ParticipantClass.AGENCY_BOOK,)
                ),
            ),
            "turnover": tuple(TurnoverMultiple(one, 2000) for one in {*SELLERS, *BUYERS}),
            "quota_free": (ParticipantClass.AGENCY_BOOK,),
            "window": TradingWindow(40, 1),
        }
        return self.send(SetRules, **(fields | changes))

    def participant(self, name: str, its_class: ParticipantClass, **changes: Any) -> tuple[Outcome, ...]:
        fields = {"access_ok": True, "registered": True, "suspended": False} | changes
        return self.send(SetParticipant, participant_id=name, participant_class=its_class, **fields)

    def unit(self, name: str, owner: str, **changes: Any) -> tuple[Outcome, ...]:
        fields = {"technology": Technology.COAL, "direct": True, "commissioned_on": date(2020, 1, 1)} | changes
        return self.send(SetUnit, unit_id=name, participant_id=owner, **fields)

    def quota(self, holder: str, *, months: tuple[int, ...] = (202604, 202605), **caps: int) -> None:
        for month in months:
            self.send(SetQuota, holder_id=holder, month=month, province="toy", document="toy quota", **caps)

    def announce(self, session_id: str, **changes: Any) -> str | None:
        limits = {
            "floor_uyuan_per_kwh": -100_000,
            "cap_uyuan_per_kwh": 500_000,
            "tick_uyuan_per_kwh": 100_000,
            "set_by": "exchange",
            "set_on": date(2026, 1, 1),
            "inputs": "toy",
            "document": "toy limits",
            "effective": Period(date(2026, 1, 1)),
        } | changes.pop("limits", {})
        fields = {
            "session_id": session_id,
            "province": "toy",
            "product": ListingProduct.ORDINARY_MULTI_DAY,
            "trading_code": session_id,
            "document": "toy announcement",
            "opens_at": datetime(2026, 4, 2, 9, tzinfo=COUNTY_TIME),
            "closes_at": datetime(2026, 4, 2, 17, tzinfo=COUNTY_TIME),
            "delivery": DAYS,
            "periods_per_day": 24,
            "lot_wh": 2 * KWH,
            "take_lot_wh": KWH,
            "step_wh": KWH,
            "price_limits": PriceLimits(**limits),
            "curve": Shares(),
            "curve_agreed_until": datetime(2026, 4, 3, tzinfo=COUNTY_TIME),
        } | changes
        return self.refusal(AnnounceSession, **fields)

    def opened(self, session_id: str) -> str | None:
        self.now = max(self.now, datetime(2026, 4, 2, 9, tzinfo=COUNTY_TIME))
        return self.refusal(OpenSession, session_id=session_id)

    def list_energy(self, who: str, energy_wh: int, **changes: Any) -> str | None:
        fields = {"session_id": "s", "direction": Direction.SELL, "price_uyuan_per_kwh": 100_000} | changes
        return self.refusal(PlaceListing, participant_id=who, energy_wh=energy_wh, **fields)

    def take(self, who: str, energy_wh: int, **changes: Any) -> str | None:
        fields = {"session_id": "s", "listing": 1} | changes
        return self.refusal(TakeListing, participant_id=who, energy_wh=energy_wh, **fields)


@pytest.fixture
def empty_toy() -> ToyMarket:
    return ToyMarket()


@pytest.fixture
def make_toy() -> Callable[..., ToyMarket]:
    """Return a function that makes a market with rules, two of each trader and the open session "s".

    With three_sessions there are, besides, "t" in quarter-hours and "g", an agency purchase that shares takes out.
    """
    return open_toy


def open_toy(*, three_sessions: bool = False) -> ToyMarket:
    toy = ToyMarket()
    toy.rules()
    for number in (1, 2):
        toy.participant(f"gen{number}", ParticipantClass.GENERATOR)
        toy.participant(f"ret{number}", ParticipantClass.RETAILER)
        toy.participant(f"store{number}", ParticipantClass.INDEPENDENT_STORAGE)
    for name in ("gen1", "gen2", "ret1", "ret2", "store1", "store2"):
        toy.quota(name, net_sell_cap_wh=40 * KWH, net_buy_cap_wh=40 * KWH, interval_sell_cap_wh=KWH)
    assert toy.announce("s") is None
    if three_sessions:
        announce_two_more(toy)
    for session_id in ("s", "t", "g") if three_sessions else ("s",):
        assert toy.opened(session_id) is None
    return toy


def announce_two_more(toy: ToyMarket) -> None:
    toy.participant("grid", ParticipantClass.AGENCY_BOOK)
    toy.participant("owner", ParticipantClass.GENERATOR)
    for unit, cap in (("plant", 10), ("second", 3)):
        toy.unit(unit, "owner")
        toy.quota(unit, net_sell_cap_wh=cap * KWH)
    assert toy.announce("t", periods_per_day=96, curve=Shares(period_weights=(1, 3))) is None
    shared = {
        "product": ListingProduct.AGENCY_MONTHLY,
        "delivery": Delivery(date(2026, 5, 1), date(2026, 5, 3)),
        "allocation": Allocation.PRO_RATA,
        "residual_by_quota": True,
        "take_caps": (TakeCap("plant", cap_wh=6 * KWH), TakeCap("second", cap_wh=9 * KWH)),
    }
    assert toy.announce("g", **shared) is None


@pytest.fixture
def toy(make_toy: Callable[[], ToyMarket]) -> ToyMarket:
    return make_toy()


@pytest.fixture
def json_of() -> Callable[[object], str]:
    return lambda value: msgspec.json.encode(value).decode()
