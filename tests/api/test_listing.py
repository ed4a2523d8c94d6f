"""Listing trading over HTTP: a session from announcement to publication, who may do and see what, refusals, takers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from types import ModuleType
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import Session

from edge.contract.registry import Registry
from hub.api.app import create_app
from hub.api.context import Caller, NetworkLimits
from hub.api.events import EventStream
from hub.market.event_log import check_log
from hub.market.listing.checks import check_market, check_replayed
from hub.market.registry.access import Resource, Role, may_read
from hub.store.engine import open_engine
from hub.store.listing import read_records
from hub.store.registry import save_registry
from hub.usecases.listing_session import LoadedMarket, read_on
from hub.usecases.run_listing_sessions import advance_listing

API = "/api/v1"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market"
LINES = [json.loads(line) for line in (GOLDEN / "LIST-11" / "counter-offer.events.jsonl").read_bytes().splitlines()]
REFERENCE, (ANNOUNCEMENT,) = LINES[:5], [line for line in LINES if line["event"] == "announce_session"]
PARTIES = json.loads((GOLDEN / "UNIT-07" / "case.json").read_text())["events"][:4]
WORLD = [json.loads(line) for line in (GOLDEN / "registry_world" / "events.jsonl").read_text().splitlines()]
MWH = 1_000_000
LISTING = {"direction": "SELL", "energy_wh": 300 * MWH, "price_uyuan_per_kwh": 400_000}
KEYS = {
    **{role.value: Caller(role.value, role, None) for role in (Role.OPERATOR, Role.COMMITTEE, Role.REGULATOR)},
    "gen": Caller("trader of gen", Role.SELLER, "gen"),
    "ret": Caller("ret", Role.RETAILER, "ret"),
    "wires": Caller("wires", Role.D_NET, "wires"),
}
BY_HASH = {sha256(f"key-of-{name:_<20}".encode()).hexdigest(): caller for name, caller in KEYS.items()}


def utc_s(text_of: str) -> int:
    return int(datetime.fromisoformat(f"{text_of}+08:00").timestamp())


class Hub:
    """The API over a database of its own, everybody's key, and a clock that the test sets."""

    def __init__(self, url: str, registry: Registry, loopback_server: ModuleType, opened: ExitStack) -> None:
        self.now_utc_s = utc_s("2026-03-06T10:00")
        self.engine, reader = open_engine(url), open_engine(url, read_only=True)
        opened.callback(self.engine.dispose)
        opened.callback(reader.dispose)
        with Session(self.engine) as session:
            save_registry(session, registry, "0" * 64)
            session.commit()
        app = create_app(
            open_session=lambda: Session(reader),
            now_utc_s=lambda: self.now_utc_s,
            events=EventStream("boot"),
            limits=NetworkLimits(900_000, 1_070_000, 100_000),
            console_files=None,
            writer=self.engine,
            access_keys=BY_HASH,
        )
        address = opened.enter_context(loopback_server.serving(app))
        self.client = opened.enter_context(httpx.Client(base_url=f"{address}{API}", timeout=60))

    def post(self, who: str, path: str, event: dict[str, Any]) -> httpx.Response:
        return self.client.post(path, json=event, headers=bearing(who))

    def sent(self, *events: dict[str, Any]) -> None:
        """Send an operator's events, which all stand."""
        for event in events:
            answer = self.post("OPERATOR", "/listing/events", event)
            assert answer.status_code == 201, answer.text

    def order(self, who: str, event_id: str, event: str, **fields: Any) -> httpx.Response:
        row = {"event": event, "event_id": event_id, "session_id": "M04", **fields}
        return self.post(who, "/listing/orders", row)

    def get(self, who: str, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/listing/{path}", params=query, headers=bearing(who))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def clock(self, text_of: str) -> None:
        """Let the hub's clock come to an instant of the county and do what is due."""
        self.now_utc_s = utc_s(text_of)
        with Session(self.engine) as session:
            advance_listing(session, LoadedMarket("c1"), self.now_utc_s)
            session.commit()

    def opened(self) -> "Hub":
        """Announce the golden case's session in time and come to its opening."""
        self.sent(*REFERENCE, ANNOUNCEMENT)
        self.clock("2026-03-09T09:00")
        return self


@pytest.fixture
def hub(migrated_sqlite_url: str, small_registry: Registry, loopback_server: ModuleType) -> Iterator[Hub]:
    with ExitStack() as opened:
        yield Hub(migrated_sqlite_url, small_registry, loopback_server, opened)


def bearing(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer key-of-{who:_<20}"}


def reason_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:microbalance:problem:")


def test_a_session_from_its_announcement_to_its_publication(hub: Hub) -> None:
    """300 MWh at 0.400 and 100 MWh at 0.500 yuan/kWh: the mean price by volume is 0.425 (row 42)."""
    hub.sent(*REFERENCE, ANNOUNCEMENT)
    assert reason_of(hub.order("gen", "early", "place_listing", **LISTING)) == (409, "listing-wrong-state")
    hub.clock("2026-03-09T08:45")
    assert hub.get("ret", "sessions")["items"][0]["state"] == "session/announced"
    hub.clock("2026-03-09T09:00")
    cheap, dear = LISTING, {"direction": "SELL", "energy_wh": 100 * MWH, "price_uyuan_per_kwh": 500_000}
    for name, listing in (("a", cheap), ("b", dear)):
        placed = hub.order("gen", name, "place_listing", **listing)
        assert (placed.status_code, placed.json()["outcomes"][0]["outcome"]) == (201, "ListingStands")
    for name, number, energy, left in (("a", 1, 100, 200), ("b", 1, 200, 0), ("c", 2, 100, 0)):
        taken = hub.order("ret", name, "take_listing", listing=number, energy_wh=energy * MWH)
        assert (taken.status_code, taken.json()["outcomes"][0]["open_wh"]) == (201, left * MWH)
    board = hub.client.get("/listing/board", params={"session_id": "M04"}, headers=bearing("ret"))
    assert [row["taken_wh"] for row in board.json()["listings"]] == [300 * MWH, 100 * MWH]
    assert not any(f'"{name}' in board.text for name in ("gen", "ret"))
    before = hub.get("ret", "own", session_id="M04")
    assert ([row["energy_wh"] for row in before["session"]["own_deals"]], before["session"]["own_listings"]) == (
        [100 * MWH, 200 * MWH, 100 * MWH],
        [],
    )
    assert {row["counterparty_id"] for row in before["session"]["own_deals"]} == {None}
    assert [(row["holder_id"], row["open_buy_wh"]) for row in before["quotas"]] == [("ret", 400 * MWH)]
    hub.clock("2026-03-09T11:00")
    assert hub.get("ret", "board", session_id="M04")["state"] == "session/closed"
    hub.sent(*({"event": f"{what}_session", "event_id": what, "session_id": "M04"} for what in ("verify", "publish")))
    results = hub.get("COMMITTEE", "results", session_id="M04")
    assert [row["mean_price_uyuan_per_kwh"] for row in results["results"]] == [425_000]
    assert (results["results"][0]["energy_wh"], results["operator"]) == (400 * MWH, None)
    assert {row["counterparty_id"] for row in hub.get("ret", "own", session_id="M04")["session"]["own_deals"]} == {
        "gen"
    }
    assert hub.get("gen", "own", session_id="M04")["session"]["own_listings"] == [1, 2]


def test_fifty_takers_at_once_never_oversell(hub: Hub) -> None:
    """50 requests of 8 MWh from 50 threads for 300 MWh: exactly 37 win, the others hear why not."""
    hub.opened()
    hub.order("gen", "all", "place_listing", direction="SELL", energy_wh=300 * MWH, price_uyuan_per_kwh=400_000)
    barrier = Barrier(50)

    def take(number: int) -> httpx.Response:
        barrier.wait(timeout=60)
        return hub.order("ret", f"take-{number}", "take_listing", listing=1, energy_wh=8 * MWH)

    with ThreadPoolExecutor(50) as takers:
        said = list(takers.map(take, range(50)))
    won = [one.json()["outcomes"][0]["deal"] for one in said if one.status_code == 201]
    assert sorted(won) == list(range(1, 38))
    assert {reason_of(one) for one in said if one.status_code != 201} == {(409, "listing-above-remaining")}
    (row,) = hub.get("ret", "board", session_id="M04")["listings"]
    assert (row["taken_wh"], row["open_wh"]) == (296 * MWH, 4 * MWH)
    with Session(hub.engine) as session:
        records = read_records(session, "c1")
        loaded = read_on(session, LoadedMarket("c1"))
    assert check_log(records) == check_market(loaded.market) == check_replayed(records, loaded.market) == []


REFUSALS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("gen", {"event": "place_listing", "energy_wh": 250 * MWH}, "off-lot"),
    ("gen", {"event": "place_listing", "price_uyuan_per_kwh": 555_000}, "above-cap"),
    ("gen", {"event": "place_listing", "price_uyuan_per_kwh": 371_000}, "below-floor"),
    ("gen", {"event": "place_listing", "price_uyuan_per_kwh": 400_500}, "off-tick"),
    ("gen", {"event": "place_listing", "direction": "BUY"}, "wrong-role"),
    ("gen", {"event": "place_listing", "energy_wh": 20_000_000 * MWH}, "quota-net"),
    ("gen", {"event": "place_listing", "curve": {"kind": "parts", "parts_wh": [MWH] * 720}}, "curve-sum"),
    ("gen", {"event": "place_listing", "session_id": "nosuch"}, "unknown-session"),
    ("ret", {"event": "take_listing", "listing": 1, "price_uyuan_per_kwh": 399_000}, "counter-offer"),
    ("ret", {"event": "take_listing", "listing": 9}, "unknown-listing"),
    ("ret", {"event": "take_listing", "listing": 1, "energy_wh": 400 * MWH}, "above-remaining"),
    ("gen", {"event": "withdraw_listing", "listing": 1}, "binding-offer"),
    ("ret", {"event": "withdraw_listing", "listing": 1}, "foreign-listing"),
    ("gen", {"event": "withdraw_listing", "listing": 9}, "unknown-listing"),
)


def test_each_refusal_is_a_problem_with_its_reason_and_is_kept(hub: Hub) -> None:
    hub.opened()
    assert hub.order("gen", "first", "place_listing", **LISTING).status_code == 201
    before = hub.get("ret", "board", session_id="M04")
    for number, (who, changes, reason) in enumerate(REFUSALS):
        needs = {"place_listing": LISTING, "take_listing": {"energy_wh": 100 * MWH}}.get(changes["event"], {})
        row = {"event_id": f"x{number}", "session_id": "M04", **needs, **changes}
        for _ in range(2):
            answer = hub.post(who, "/listing/orders", row)
            assert (reason_of(answer), answer.headers["content-type"]) == (
                (409, f"listing-{reason}"),
                "application/problem+json",
            )
    assert hub.get("ret", "board", session_id="M04") == before
    kept = hub.get("REGULATOR", "events", limit=1000)["items"]
    refused = [row for row in kept if row["outcomes"][0]["outcome"] == "Refused"]
    assert [row["outcomes"][0]["reason"] for row in refused] == [reason for _, _, reason in REFUSALS]


def test_an_id_stands_once_and_is_its_participants_own(hub: Hub) -> None:
    hub.opened()
    placed = hub.order("gen", "one", "place_listing", **LISTING)
    hub.now_utc_s += 60
    again = hub.order("gen", "one", "place_listing", **LISTING)
    assert (placed.status_code, again.status_code, again.json()) == (201, 200, placed.json())
    assert reason_of(hub.order("gen", "one", "place_listing", **LISTING | {"energy_wh": 100 * MWH})) == (
        409,
        "listing-duplicate-id",
    )
    assert hub.order("ret", "one", "take_listing", listing=1, energy_wh=MWH).status_code == 201
    assert len(hub.get("ret", "board", session_id="M04")["listings"]) == 1


def test_each_role_does_and_sees_what_the_table_says(hub: Hub) -> None:
    hub.opened()
    readers = {
        "sessions": Resource.PUBLISHED_RESULTS,
        "board": Resource.ANONYMOUS_BOOK,
        "results": Resource.PUBLISHED_RESULTS,
        "identified": Resource.IDENTIFIED_ORDERS,
        "events": Resource.IDENTIFIED_ORDERS,
    }
    for who, caller in KEYS.items():
        for path, resource in readers.items():
            answer = hub.client.get(f"/listing/{path}", params={"session_id": "M04"}, headers=bearing(who))
            assert answer.status_code == (200 if may_read(caller.role, resource) else 403), (who, path)
        is_trader = who in {"gen", "ret"}
        own = hub.client.get("/listing/own", params={"session_id": "M04"}, headers=bearing(who))
        assert own.status_code == (200 if is_trader else 403)
        opening = {"event": "open_session", "event_id": "again", "session_id": "M04"}
        assert reason_of(hub.post(who, "/listing/events", opening)) == (
            (409, "listing-wrong-state") if who == "OPERATOR" else (403, "not-allowed")
        )
        taking = hub.order(who, "t", "take_listing", listing=1, energy_wh=MWH)
        assert reason_of(taking) == ((409, "listing-unknown-listing") if is_trader else (403, "not-allowed"))
    assert reason_of(hub.order("ret", "u", "place_listing", participant_id="gen", **LISTING)) == (403, "not-allowed")
    assert hub.client.get("/listing/board", params={"session_id": "M04"}).status_code == 401
    foreign = {**bearing("ret"), "origin": "http://evil.example"}
    crossing = hub.client.post("/listing/orders", json={}, headers=foreign)
    assert reason_of(crossing) == (403, "cross-site")


def test_what_is_no_order_changes_nothing(hub: Hub) -> None:
    hub.opened()
    count = len(hub.get("OPERATOR", "events")["items"])
    for row in (
        {"event": "place_listing", "session_id": "M04", **LISTING},
        {"event": "place_listing", "event_id": "a b", "session_id": "M04", **LISTING},
        {"event": "place_listing", "event_id": "x" * 80, "session_id": "M04", **LISTING},
        {"event": "set_rules", "event_id": "x"},
        {"event": "open_session", "event_id": "x", "session_id": "M04"},
        {"event": "take_listing", "event_id": "x", "session_id": "M04", "listing": 1, "energy_wh": 1, "more": 1},
    ):
        assert reason_of(hub.post("gen", "/listing/orders", row)) == (422, "invalid-event"), row
    order = {"event": "place_listing", "event_id": "x", "session_id": "M04", **LISTING}
    assert reason_of(hub.post("OPERATOR", "/listing/events", order)) == (422, "invalid-event")
    assert len(hub.get("OPERATOR", "events")["items"]) == count
    missing = hub.client.get("/listing/board", params={"session_id": "nosuch"}, headers=bearing("ret"))
    assert reason_of(missing) == (404, "unknown-listing-session")


def test_the_registry_says_who_may_trade(hub: Hub) -> None:
    """Row 3: access without registration is refused, after registration accepted; suspended at the check: cancelled."""
    applied, admitted = ({**one, "effective_from": "2026-03-09"} for one in PARTIES[:2])
    hub.sent(*REFERENCE, ANNOUNCEMENT)

    def say(event: dict[str, Any]) -> None:
        answer = hub.post("OPERATOR", "/registry/events", event)
        assert answer.status_code == 201, answer.text

    hub.now_utc_s = utc_s("2026-03-08T10:00")
    for event in WORLD:
        say(event)
    say(applied)
    hub.clock("2026-03-09T09:00")
    assert reason_of(hub.order("gen", "a", "place_listing", **LISTING)) == (409, "listing-not-registered")
    say(admitted)
    assert hub.order("gen", "b", "place_listing", **LISTING).status_code == 201
    suspended = {"event": "ParticipantSuspended", "event_id": "s", "participant_id": "gen"}
    say({**suspended, "effective_from": "2026-03-10"})
    assert hub.order("ret", "d", "take_listing", listing=1, energy_wh=300 * MWH).status_code == 201
    hub.clock("2026-03-09T11:00")
    hub.clock("2026-03-10T09:00")
    hub.sent({"event": "verify_session", "event_id": "v", "session_id": "M04"})
    (deal,) = hub.get("OPERATOR", "identified", session_id="M04")["deals"]
    assert (deal["state"], deal["reason"]) == ("deal/cancelled", "suspended")
    noted = [row["event"] for row in hub.get("OPERATOR", "events")["items"] if row["event"]["actor"] == "registry"]
    assert [(row["access_ok"], row["registered"], row["suspended"]) for row in noted] == [
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ]


def test_an_altered_log_is_not_traded_on(hub: Hub) -> None:
    hub.opened()
    with Session(hub.engine) as session:
        session.execute(text("DROP TRIGGER listing_event_no_update"))
        session.execute(text("UPDATE listing_event SET sha256 = 'x' WHERE event_id LIKE 'open-%'"))
        session.commit()
    assert reason_of(hub.order("gen", "a", "place_listing", **LISTING)) == (500, "listing-log")


def test_a_time_of_the_sender_counts_for_nothing(hub: Hub) -> None:
    hub.opened()
    hub.order("gen", "a", "place_listing", at="2020-01-01T00:00:00Z", actor="somebody", **LISTING)
    last = hub.get("OPERATOR", "events")["items"][-1]["event"]
    assert (last["actor"], datetime.fromisoformat(last["at"])) == (
        "trader_of_gen",
        datetime.fromtimestamp(hub.now_utc_s, UTC),
    )
