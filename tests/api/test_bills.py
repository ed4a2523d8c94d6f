"""Bills over HTTP: who reads whose, each form of a bill, and what is answered where there is none."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from sqlmodel import Session

from edge.contract.registry import Registry
from hub.api.app import create_app
from hub.api.context import Caller, NetworkLimits
from hub.api.events import EventStream
from hub.market.registry.access import Resource, Role, may_read
from hub.reports.bill_report import bill_pdf
from hub.reports.bill_workbook import bill_workbook
from hub.settlement.bills.bill_case import decode_bill, decode_bill_case, encode_bill
from hub.settlement.bills.issue import bill_of_case
from hub.store.bill_tables import MonthCloseRow
from hub.store.bills import BillVersion, ledger_lines, save_bills
from hub.store.engine import open_engine
from hub.store.registry import save_registry
from hub.usecases.open_accounts import open_accounts

API = "/api/v1/bills"
CASE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "bill-hubei-2026-01.json"
N_BILLS = 4
JANUARY = 202601


def key(role: Role, participant: str) -> str:
    return f"key-of-{role.value}-{participant}".ljust(30, "_")


def bearer(role: Role, participant: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key(role, participant)}"}


@pytest.fixture(scope="module")
def small_county(make_registry: Any) -> Registry:
    return make_registry(areas=2, meters=3)


@pytest.fixture(scope="module")
def client(
    small_county: Registry, loopback_server: ModuleType, sqlite_template: Path, tmp_path_factory: Any
) -> Iterator[httpx.Client]:
    """A hub with four bills of January 2026, the second of them in two versions; the month is closed."""
    path = tmp_path_factory.mktemp("bills") / "hub.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        save_registry(session, small_county, "0" * 64)
        open_accounts(session, small_county)
        versions = [(meter, 1) for meter in range(N_BILLS)] + [(1, 2)]
        save_bills(session, [bill_version(small_county, meter, version) for meter, version in versions])
        session.add(
            MonthCloseRow(month=JANUARY, closed_on="2026-02-09", bills=4, total_fen=0, rounding_nano_yuan=0,
                          bills_sha256="")
        )  # fmt: skip
        session.commit()
    engine.dispose()
    reader = open_engine(f"sqlite:///{path}", read_only=True)
    people = [one.participant_id for one in small_county.participants]
    callers = [(role, person) for role in Role for person in people[:2]]
    keys = {sha256(key(role, person).encode()).hexdigest(): Caller("x", role, person) for role, person in callers}
    keys[sha256(key(Role.USER, "nobody").encode()).hexdigest()] = Caller("x", Role.USER, None)
    app = create_app(
        open_session=lambda: Session(reader), now_utc_s=lambda: 1_767_585_600, events=EventStream("boot"),
        limits=NetworkLimits(900_000, 1_070_000, 100_000), console_files=None, access_keys=keys,
        bill_forms={"xlsx": bill_workbook, "pdf": bill_pdf},
    )  # fmt: skip
    with ExitStack() as opened:
        opened.callback(reader.dispose)
        address = opened.enter_context(loopback_server.serving(app))
        yield opened.enter_context(httpx.Client(base_url=address, timeout=60))


def bill_version(county: Registry, meter: int, version: int) -> BillVersion:
    point = county.metering_points[meter]
    case = json.loads(CASE.read_text("utf-8"))
    case |= {
        "bill_id": f"{point.meter_id}/2026-01/{version}",
        "user_id": point.participant_id,
        "metering_point": point.meter_id,
        "energy": [{"period": "FLAT", "quantity": str(1000 + meter + version), "unit": "kWh"}],
    }
    bill = bill_of_case(decode_bill_case(json.dumps(case).encode()))
    return BillVersion(meter, version, meter, JANUARY, bill, encode_bill(bill), ledger_lines(bill))


@pytest.fixture(scope="module")
def people(small_county: Registry) -> list[str]:
    return [one.participant_id for one in small_county.participants]


def test_an_auditor_lists_all_newest_versions_page_by_page(client: httpx.Client, people: list[str]) -> None:
    headers = bearer(Role.OPERATOR, people[0])
    items, cursor = [], None
    while True:
        query = {"month": "2026-01", "limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get(API, params=query, headers=headers).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [one["bill_id"] for one in items] == [
        "M000001/2026-01/1", "M000002/2026-01/2", "M000003/2026-01/1", "M000004/2026-01/1"
    ]  # fmt: skip
    for one in items:
        bill = client.get(f"{API}/{one['metering_point']}/2026-01", headers=headers)
        assert sha256(bill.content).hexdigest() == one["sha256"]
        assert Decimal(one["total_yuan"]) == Decimal(decode_bill(bill.content).total_fen).scaleb(-2)
    assert client.get(API, params={"month": "2026-02"}, headers=headers).json()["items"] == []


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_each_role_sees_its_own_bills_all_or_none(client: httpx.Client, people: list[str], role: Role) -> None:
    headers = bearer(role, people[1])
    listed = client.get(API, params={"month": "2026-01"}, headers=headers)
    other = client.get(f"{API}/M000001/2026-01", headers=headers)
    own = client.get(f"{API}/M000002/2026-01", headers=headers)
    if may_read(role, Resource.ALL_STATEMENTS):
        assert (listed.status_code, other.status_code, own.status_code) == (200, 200, 200)
        assert len(listed.json()["items"]) == N_BILLS
    else:
        assert may_read(role, Resource.OWN_STATEMENTS)
        assert (listed.status_code, other.status_code, own.status_code) == (200, 404, 200)
        assert [one["account"] for one in listed.json()["items"]] == [people[1]]


def test_nobody_without_a_key_or_a_participant_reads_a_bill(client: httpx.Client) -> None:
    for path in (f"{API}?month=2026-01", f"{API}/M000001/2026-01"):
        assert client.get(path).json()["type"] == "urn:microbalance:problem:no-key"
        refused = client.get(path, headers=bearer(Role.USER, "nobody"))
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:microbalance:problem:not-allowed")


def test_a_bill_comes_as_it_was_issued_and_need_not_be_sent_twice(client: httpx.Client, people: list[str]) -> None:
    headers = bearer(Role.OPERATOR, people[0])
    answer = client.get(f"{API}/M000002/2026-01", headers=headers)
    assert decode_bill(answer.content).head.bill_id == "M000002/2026-01/2"
    first = client.get(f"{API}/M000002/2026-01", params={"version": 1}, headers=headers)
    assert decode_bill(first.content).head.bill_id == "M000002/2026-01/1"
    again = client.get(f"{API}/M000002/2026-01", headers=headers | {"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("form", "media_type", "begins"),
    [
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\x03\x04"),
        ("pdf", "application/pdf", b"%PDF-"),
    ],
)
def test_workbook_and_pdf_are_made_when_asked_for(
    client: httpx.Client, people: list[str], form: str, media_type: str, begins: bytes
) -> None:
    query = {"format": form, "language": "en"}
    answer = client.get(f"{API}/M000003/2026-01", params=query, headers=bearer(Role.OPERATOR, people[0]))
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content.startswith(begins)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/M000009/2026-01", 404), ("/M000006/2026-01", 404), ("/M000001/2026-02", 404), ("/M000001/2026-13", 422),
        ("/M000001/2026-01?version=7", 404), ("/M000001/2026-01?format=doc", 422), ("?month=202601", 422), ("", 422),
    ],
)  # fmt: skip
def test_what_is_not_there_or_not_understood_is_a_problem(
    client: httpx.Client, people: list[str], path: str, status: int
) -> None:
    answer = client.get(f"{API}{path}", headers=bearer(Role.OPERATOR, people[0]))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
