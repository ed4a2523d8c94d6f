"""What the console's other screens read: exchange beside meters, points and people of the registry, months of bills."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import pytest
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from hub.api.app import create_app
from hub.api.context import Caller, NetworkLimits
from hub.api.events import EventStream
from hub.market.event_log import GENESIS_SHA256
from hub.market.registry.access import Role
from hub.store.engine import open_engine
from hub.store.registry import load_registry
from hub.store.schema import migrate
from hub.usecases.day_registry import DayRegistries

TESTS = Path(__file__).resolve().parents[1]
API = "/api/v1"
DAY = date(2016, 5, 17)


def sibling(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def served(database_url: str, county_day: ModuleType, loopback_server: ModuleType) -> Iterator[SimpleNamespace]:
    """A closed day's statements, a log that changes two points' modes, bills of two months, green accounts."""
    work = sibling(TESTS / "browser" / "county_work.py")
    migrate(database_url)
    engine = open_engine(database_url)
    there = county_day.county()
    with Session(engine) as session:
        county_day.prepare(session, there)
        interval = county_day.FIRST
        county_day.clear(session, there, interval)
        county_day.read_registers(session, there, interval)
        county_day.settle(session, there, interval)
        county_day.write_statements(session, there, DAY, interval, interval)
        work.write_exchange(session, interval, until=interval + 3, scheduled=county_day.scheduled)
        work.write_bills(session, there.registry, bills=3)
        work.write_green(session, there.registry, interval, DAY)
        session.commit()
    plant, shop = work.write_registry(engine, there.registry, sibling(TESTS / "usecases" / "toy_register.py"))
    reader = open_engine(database_url, read_only=True)
    keys = {
        sha256(name.encode()).hexdigest(): Caller(name, role, whose)
        for name, role, whose in (
            ("operator".ljust(30, "_"), Role.OPERATOR, None),
            ("somebody".ljust(30, "_"), Role.USER, there.registry.participants[0].participant_id),
        )
    }
    app = create_app(
        open_session=lambda: Session(reader),
        now_utc_s=lambda: start_utc_s(county_day.FIRST + 2),
        events=EventStream("boot"),
        limits=NetworkLimits(900_000, 1_070_000, 100_000),
        console_files=None,
        access_keys=keys,
    )
    with ExitStack() as opened:
        opened.callback(engine.dispose)
        opened.callback(reader.dispose)
        address = opened.enter_context(loopback_server.serving(app))
        bearer = {"authorization": "Bearer " + "operator".ljust(30, "_")}
        client = opened.enter_context(httpx.Client(base_url=address, timeout=60, headers=bearer))
        yield SimpleNamespace(client=client, plant=plant, shop=shop, engine=engine, reader=reader, days=county_day)


def as_user() -> dict[str, str]:
    return {"authorization": "Bearer " + "somebody".ljust(30, "_")}


def test_points_have_the_modes_that_the_day_is_cleared_with(served: SimpleNamespace) -> None:
    made = sibling(TESTS / "usecases" / "toy_register.py")
    late = [*made.party("P00002", "POWER_USER"), made.user_point("P00002", "M000002")]
    late = [event | {"effective_from": DAY.isoformat()} for event in late]
    # Recorded on the day itself, when its first gates are closed: the day stays as it was, the next one has it.
    assert sibling(TESTS / "browser" / "county_work.py").take(served.engine, "demo", late, DAY) == ["recorded"] * 3
    with Session(served.reader) as session:
        devices = load_registry(session)
    days = DayRegistries(served.reader, devices)
    for day in (date(2016, 4, 25), DAY, DAY + timedelta(days=1), date(2016, 6, 1)):
        wanted = {one.meter_id: (one.supply_mode.value, one.sale_mode.value) for one in days.on(day).metering_points}
        shown, cursor = {}, None
        while True:
            query = {"day": day.isoformat(), "limit": 100} | ({"cursor": cursor} if cursor else {})
            page = served.client.get(f"{API}/registry/points", params=query).json()
            shown |= {one["meter"]: (one["supply"]["mode"], one["sale"]["mode"]) for one in page["items"]}
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert shown == wanted


def test_a_mode_says_by_what_and_since_when(served: SimpleNamespace) -> None:
    def mode(meter: str, side: str, day: date) -> dict[str, object]:
        page = served.client.get(f"{API}/registry/points", params={"q": meter, "day": day.isoformat()}).json()
        found: dict[str, object] = page["items"][0][side]
        return found

    elected = {"mode": "COMMISSION", "by": "sale-1", "from_day": "2016-05-02", "until_day": None, "prepared": "DIRECT"}
    assert mode(served.plant, "sale", DAY) == elected
    before = mode(served.shop, "supply", DAY)
    assert (before["mode"], before["by"], before["from_day"], before["until_day"]) == (
        "AGENCY", "v2", "2016-05-01", "2016-06-01"
    )  # fmt: skip
    after = mode(served.shop, "supply", date(2016, 6, 1))
    assert (after["mode"], after["by"], after["from_day"]) == ("DIRECT", "supply-1", "2016-06-01")
    assert mode("M000002", "supply", DAY)["by"] is None


def test_points_are_found_by_mode_and_a_participant_sees_its_own(served: SimpleNamespace) -> None:
    page = served.client.get(f"{API}/registry/points", params={"sale": "COMMISSION"}).json()
    assert [one["meter"] for one in page["items"]] == [served.plant]
    own = served.client.get(f"{API}/registry/points", headers=as_user()).json()
    assert [one["meter"] for one in own["items"]] == [served.shop]
    people = served.client.get(f"{API}/registry/participants", headers=as_user()).json()["items"]
    assert [(one["participant"], one["participant_class"], one["status"]) for one in people] == [
        ("P00001", "POWER_USER", "ADMITTED")
    ]
    assert served.client.get(f"{API}/registry/points/{served.shop}/events", headers=as_user()).status_code == 403


def test_a_points_history_is_its_own_and_stands_in_the_chain(served: SimpleNamespace) -> None:
    history = served.client.get(f"{API}/registry/points/{served.plant}/events").json()
    kinds = [one["event"]["event"] for one in history["items"]]
    assert kinds == ["ParticipantApplied", "ParticipantAdmitted", "ProjectApplied", "SaleElected", "SaleElected"]
    assert [one["outcome"]["outcome"] for one in history["items"]][-1] == "refused"
    log = served.client.get(f"{API}/registry/events", params={"limit": 1000}).json()["items"]
    assert history["county_sequence"] == len(log) == served.client.get(f"{API}/registry").json()["sequence"]
    assert [one["previous_sha256"] for one in log] == [GENESIS_SHA256, *(one["sha256"] for one in log[:-1])]
    assert all(one["follows"] for one in log)
    assert served.client.get(f"{API}/registry").json()["sha256"] == log[-1]["sha256"]
    assert served.client.get(f"{API}/registry/points/M999999/events").status_code == 404


def test_a_statement_shows_the_modes_of_its_day(served: SimpleNamespace) -> None:
    owner = f"P{int(served.plant[1:]):05d}"
    point = served.client.get(f"{API}/statements/{owner}").json()["metering_points"][0]
    assert (point["sale_mode"], point["sale_by"]) == ("COMMISSION", "sale-1")
    assert (point["supply_mode"], point["supply_by"]) == ("DIRECT", None)


def test_the_exchange_stands_beside_the_meters(served: SimpleNamespace) -> None:
    shown = served.client.get(f"{API}/exchange", params={"day": DAY.isoformat()}).json()["intervals"]
    result = served.client.get(f"{API}/intervals/{served.days.FIRST}").json()
    assert shown[0]["metered_wh"] - shown[0]["scheduled_wh"] == shown[0]["deviation_wh"]
    assert shown[0]["deviation_wh"] == result["exchange"]["deviation_wh"]
    assert shown[0]["day_ahead_uyuan_per_kwh"] == result["prices"]["day_ahead_uyuan_per_kwh"]
    assert shown[1]["metered_wh"] is shown[1]["deviation_wh"] is None


def test_months_of_bills_are_the_sum_of_their_newest_bills(served: SimpleNamespace) -> None:
    months = served.client.get(f"{API}/bills/months").json()["months"]
    assert [(one["month"], one["bills"], one["closed_on"], one["replaced"]) for one in months] == [
        ("2026-02", 3, None, False), ("2026-01", 3, "2026-02-09", True)
    ]  # fmt: skip
    for one in months:
        bills = served.client.get(f"{API}/bills", params={"month": one["month"]}).json()["items"]
        assert sum(Decimal(bill["total_yuan"]) for bill in bills) == Decimal(one["total_yuan"])
        assert sum(Decimal(part["amount_yuan"]) for part in one["components"]) == Decimal(one["total_yuan"])
        assert sum(bill["energy_wh"] for bill in bills) == one["energy_wh"]
    own = served.client.get(f"{API}/bills/months", headers=as_user()).json()["months"]
    assert [one["bills"] for one in own] == [1, 1]


def test_bills_are_found_by_id_and_have_their_versions(served: SimpleNamespace) -> None:
    listed = served.client.get(f"{API}/bills", params={"month": "2026-01", "q": "000002"}).json()["items"]
    assert [one["metering_point"] for one in listed] == ["M000002"]
    versions = served.client.get(f"{API}/bills/M000002/2026-01/versions").json()["versions"]
    assert [one["version"] for one in versions] == [1, 2]
    for one in versions:
        bill = served.client.get(f"{API}/bills/M000002/2026-01", params={"version": one["version"]})
        assert sha256(bill.content).hexdigest() == one["sha256"]
    assert served.client.get(f"{API}/bills/M000002/2026-01/versions", headers=as_user()).status_code == 404


def test_no_mwh_is_certified_twice(served: SimpleNamespace) -> None:
    green = served.client.get(f"{API}/green", params={"day": DAY.isoformat()}).json()
    certified = green["certificates"] * green["wh_per_certificate"]
    assert green["carried_in_wh"] + green["month_generation_wh"] == certified + green["carried_out_wh"]
    assert (green["twice"], green["overdelivered"], green["entered"][0]["certificates"]) == (0, 0, 4)
    with served.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE green_plant_day SET certificates = certificates + 1 WHERE meter = 2")
    assert served.client.get(f"{API}/green", params={"day": DAY.isoformat()}).json()["twice"] == 1
    later = (DAY + timedelta(days=1)).isoformat()
    assert served.client.get(f"{API}/green", params={"day": later}).json()["closed"] is False
