"""The registry over HTTP: an operator's events, refusals as problems, who reads what, the provincial document."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day
from edge.contract.registry import Registry
from hub.api.access_keys import AccessKeysError
from hub.api.app import create_app
from hub.api.callers import read_access_keys
from hub.api.context import Caller, NetworkLimits
from hub.api.events import EventStream
from hub.market.event_log import check_log, record_of
from hub.market.registry.access import Resource, Role, may_read
from hub.market.registry.event_log import RegistryRecord, Taken, register_after
from hub.market.registry.events import Event
from hub.market.registry.provincial_schema import export_from_document, provincial_json_schema
from hub.market.registry.register import Register
from hub.market.registry.register_document import OutcomeRow
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.quarantine import refusal_counts
from hub.store.registry import save_registry
from hub.store.registry_events import append_registry_record
from hub.store.tables import ExchangeScheduleRow

API = "/api/v1/registry"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market"
WORLD = [json.loads(line) for line in (GOLDEN / "registry_world" / "events.jsonl").read_text().splitlines()]
CONTRACT = json.loads((GOLDEN / "UNIT-07" / "case.json").read_text())["events"]
JANUARY_5 = 1_767_585_600
"""2026-01-05 12:00 in the county."""
DAY_S = 86_400
KEYS = {sha256(f"key-of-{role.value:_<20}".encode()).hexdigest(): Caller(role.value, role, "ret") for role in Role}


class Hub:
    """A registry's API over a database of its own, with a clock that the test sets."""

    def __init__(self, url: str, registry: Registry, loopback_server: ModuleType, opened: ExitStack) -> None:
        self.url, self._server, self._opened = url, loopback_server, opened
        self.now_utc_s = JANUARY_5
        self.engine, self._reader = open_engine(url), open_engine(url, read_only=True)
        opened.callback(self.engine.dispose)
        opened.callback(self._reader.dispose)
        with Session(self.engine) as session:
            save_registry(session, registry, "0" * 64)
            session.commit()

    def client(self, **how: Any) -> httpx.Client:
        app = create_app(
            open_session=lambda: Session(self._reader),
            now_utc_s=lambda: self.now_utc_s,
            events=EventStream("boot"),
            limits=NetworkLimits(900_000, 1_070_000, 100_000),
            console_files=None,
            **({"writer": self.engine} | how),
        )
        address = self._opened.enter_context(self._server.serving(app))
        return self._opened.enter_context(httpx.Client(base_url=address, timeout=60))


@pytest.fixture
def hub(database_url: str, small_registry: Registry, loopback_server: ModuleType) -> Iterator[Hub]:
    with ExitStack() as opened:
        yield Hub(database_url, small_registry, loopback_server, opened)


@pytest.fixture
def sqlite_hub(migrated_sqlite_url: str, small_registry: Registry, loopback_server: ModuleType) -> Iterator[Hub]:
    with ExitStack() as opened:
        yield Hub(migrated_sqlite_url, small_registry, loopback_server, opened)


def post(client: httpx.Client, event: dict[str, Any], **headers: str) -> httpx.Response:
    return client.post(f"{API}/events", json=event, headers=headers)


def founded(hub: Hub, client: httpx.Client) -> list[dict[str, Any]]:
    """Let the world and the parties of a contract stand; return what was answered."""
    said = [post(client, event) for event in WORLD]
    hub.now_utc_s += 28 * DAY_S
    said += [post(client, event) for event in CONTRACT]
    assert {one.status_code for one in said} == {201}, [one.text for one in said if one.status_code != 201]
    return [one.json() for one in said]


def written(hub: Hub) -> None:
    """Let the same stand without a request each, in one transaction."""
    register, last = Register(), None
    with Session(hub.engine) as session:
        for event in [msgspec.convert(row, Event) for row in WORLD + CONTRACT]:
            taken = Taken(event, "operator", JANUARY_5)
            register, (row,) = register_after(register, [taken], after_sequence=0 if last is None else last.sequence)
            last = record_of(last, taken, row)
            append_registry_record(session, "c1", last)
        session.commit()
    hub.now_utc_s += 28 * DAY_S


def bearing(role: Role) -> dict[str, str]:
    return {"authorization": f"Bearer key-of-{role.value:_<20}"}


def test_events_stand_and_make_the_register_of_a_day(hub: Hub) -> None:
    client = hub.client()
    assert client.get(API).json()["sequence"] == 0
    said = founded(hub, client)
    assert [one["sequence"] for one in said] == list(range(1, len(said) + 1))
    assert {one["event"]["recorded_on"] for one in said} == {"2026-01-05", "2026-02-02"}
    shown = client.get(API).json()
    assert (shown["county"], shown["as_of"], shown["sequence"]) == ("c1", "2026-02-02", len(said))
    assert {row["participant_id"] for row in shown["participants"]} >= {
        event["participant_id"] for event in CONTRACT if event["event"] == "ParticipantApplied"
    }
    before = client.get(API, params={"day": "2026-01-01"}).json()
    assert before["participants"] == []
    assert before["rules"] == shown["rules"]


def test_the_log_is_paged_whole_and_its_chain_holds(hub: Hub) -> None:
    written(hub)
    client = hub.client()
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"{API}/events", params={"limit": 7} | ({"cursor": cursor} if cursor else {})).json()
        items += page["items"]
        cursor = page["next_cursor"]
        assert len(page["items"]) == 7 or cursor is None
    assert len(items) == len(WORLD + CONTRACT)
    records = [
        RegistryRecord(
            row["sequence"],
            Taken(msgspec.convert(row["event"], Event), row["actor"], row["taken_utc_s"]),
            msgspec.convert(row["outcome"], OutcomeRow),
            row["sha256"],
        )
        for row in items
    ]
    assert check_log(records) == []
    assert {record.event.actor for record in records} == {"operator"}


def test_the_same_event_again_is_answered_again(hub: Hub) -> None:
    client = hub.client()
    first, again = post(client, WORLD[0]), post(client, {**WORLD[0], "recorded_on": "2026-01-09"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = post(client, {**WORLD[1], "event_id": WORLD[0]["event_id"]})
    assert (other.status_code, other.json()["type"]) == (409, "urn:microbalance:problem:registry-conflict")
    assert "record 1" in other.json()["detail"]


def test_a_refusal_is_a_problem_with_its_reason_and_is_kept(hub: Hub) -> None:
    client = hub.client()
    event = {
        "event": "ParticipantAdmitted",
        "event_id": "x",
        "participant_id": "nobody",
        "effective_from": "2026-01-06",
    }
    for _ in range(2):
        answer = post(client, event)
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == "urn:microbalance:problem:registry-unknown-participant"
        assert problem["detail"] == "no participant nobody"
        assert problem["instance"] == f"{API}/events"
    with Session(hub.engine) as session:
        assert [(row.kind.name, row.reason, row.total) for row in refusal_counts(session)] == [
            ("REGISTRY", "unknown-participant", 1)
        ]
        assert read_counters(session) == {"registry_events_refused": 1, "registry_events_repeated": 1}
    assert [row["outcome"]["outcome"] for row in client.get(f"{API}/events").json()["items"]] == ["refused"]


NO_EVENTS: tuple[tuple[bytes, dict[str, str], int, str], ...] = (
    (b"{", {}, 422, "invalid-event"),
    (b"[]", {}, 422, "invalid-event"),
    (b"\xff", {}, 422, "invalid-event"),
    (b'{"event": "Nothing", "event_id": "x"}', {}, 422, "invalid-event"),
    (b'{"event": "ProjectClosed", "event_id": "a b", "project_id": "p"}', {}, 422, "invalid-event"),
    (b'{"event": "ProjectClosed", "event_id": "\\u0000", "project_id": "p"}', {}, 422, "invalid-event"),
    (b'{"event": "ProjectClosed", "event_id": "x", "project_id": "p", "why": 1}', {}, 422, "invalid-event"),
    (b" " * (1 << 20) + b"{}", {}, 413, "too-large"),
    (b"{}", {"content-type": "text/plain"}, 415, "no-json"),
    (b"{}", {"origin": "http://evil.example"}, 403, "cross-site"),
    (b"{}", {"origin": "null"}, 403, "cross-site"),
    (b"{}", {"sec-fetch-site": "cross-site"}, 403, "cross-site"),
    (b"{}", {"authorization": "Bearer not-a-key-of-this-hub"}, 401, "no-key"),
    (b"{}", {"authorization": "Basic b3BlcmF0b3I6"}, 401, "no-key"),
)


def test_what_is_no_event_of_an_operator_changes_nothing(sqlite_hub: Hub) -> None:
    client = sqlite_hub.client()
    for content, headers, status, kind in NO_EVENTS:
        answer = client.post(f"{API}/events", content=content, headers={"content-type": "application/json"} | headers)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:microbalance:problem:{kind}"), content[:80]
        assert client.get(API).json()["sequence"] == 0


def test_the_console_itself_may_write(sqlite_hub: Hub) -> None:
    client = sqlite_hub.client()
    own = str(client.base_url).rstrip("/")
    assert post(client, WORLD[0], **{"origin": own, "sec-fetch-site": "same-origin"}).status_code == 201


def test_a_hub_without_a_database_to_write_takes_in_nothing(sqlite_hub: Hub) -> None:
    answer = post(sqlite_hub.client(writer=None), WORLD[0])
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:microbalance:problem:read-only")


def test_each_role_reads_what_the_table_says(sqlite_hub: Hub) -> None:
    """A party of a contract, "ret": who may not read the register sees its own and what is public."""
    written(sqlite_hub)
    march = {"day": "2026-03-01"}
    whole = sqlite_hub.client().get(API, params=march).json()
    assert (len(whole["participants"]), whole["contracts"]) == (2, ["k1"])
    client = sqlite_hub.client(access_keys=KEYS)
    for role in Role:
        sees_all, has_own = may_read(role, Resource.REGISTER), may_read(role, Resource.OWN_RECORD)
        for path in ("events", "provincial?county=A"):
            answer = client.get(f"{API}/{path}", headers=bearing(role))
            assert answer.status_code == (200 if sees_all else 403)
        writes = post(client, {**WORLD[0], "event_id": "again"}, **bearing(role))
        assert (writes.json()["type"].endswith("not-allowed")) == (role is not Role.OPERATOR)
        shown = client.get(API, params=march, headers=bearing(role)).json()
        if sees_all:
            assert {**shown, "sequence": whole["sequence"], "sha256": whole["sha256"]} == whole
            continue
        assert [row["participant_id"] for row in shown["participants"]] == (["ret"] if has_own else [])
        assert shown["contracts"] == (whole["contracts"] if has_own else [])
        assert bool(shown["elements"]) == may_read(role, Resource.CAPACITY_LIST)
        assert shown["meters"] == shown["projects"] == []
        for table in ("rules", "units", "territory"):
            assert shown[table] == whole[table]


def test_once_there_are_keys_nobody_reads_without_one(sqlite_hub: Hub) -> None:
    client = sqlite_hub.client(access_keys=KEYS)
    for path in ("", "/events", "/provincial"):
        answer = client.get(f"{API}{path}")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert post(client, WORLD[0]).status_code == 401


def test_the_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "api-keys.json"
    assert read_access_keys(path) == {}
    path.write_text(json.dumps([{"name": "trader", "key_sha256": "a" * 64, "role": "D_GEN", "participant_id": "dgen"}]))
    assert read_access_keys(path) == {"a" * 64: Caller("trader", Role.D_GEN, "dgen")}
    path.write_text('[{"name": "x", "key_sha256": "plain", "role": "D_GEN"}]')
    with pytest.raises(AccessKeysError, match="key_sha256"):
        read_access_keys(path)


def test_the_provincial_document_has_the_days_exchange_schedule(sqlite_hub: Hub) -> None:
    """The hub's county is the register's only one; its schedule stands in the document of that day alone."""
    first = first_interval_of_day(date(2026, 2, 2))
    with Session(sqlite_hub.engine) as session:
        rows = [ExchangeScheduleRow(interval=first + number, import_wh=number, export_wh=0) for number in range(96)]
        session.add_all(rows)
        session.commit()
    client = sqlite_hub.client()
    established = next(event for event in WORLD if event["event"] == "UnitEstablished")
    assert post(client, established).status_code == 201
    for day, counts in (("2026-02-02", [96]), ("2026-02-03", [])):
        document = client.get(f"{API}/provincial", params={"day": day}).json()
        assert [len(row["periods"]) for row in document["schedules"]] == counts
        assert problems_by_schema(document, provincial_json_schema()) == []
        assert [one.energy_wh for one in export_from_document(document).schedules] == [tuple(range(96))] * len(counts)


def test_the_provincial_document_comes_back_through_its_schema(hub: Hub) -> None:
    written(hub)
    client = hub.client()
    document = client.get(f"{API}/provincial", params={"county": "A", "day": "2026-03-01"}).json()
    assert problems_by_schema(document, provincial_json_schema()) == []
    assert export_from_document(document).contracts[0].energy_wh == 123_456_789
    wrong = {**document, "contracts": [{**document["contracts"][0], "energy_mwh": "1"}]}
    assert problems_by_schema(wrong, provincial_json_schema()) == ["contracts.0.energy_mwh"]
    assert problems_by_schema({**document, "more": 1}, provincial_json_schema()) == ["more"]
    for query in ({}, {"county": "nowhere"}, {"county": "A", "day": "2000-01-01"}):
        answer = client.get(f"{API}/provincial", params=query)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:microbalance:problem:unknown-county")


def test_an_altered_log_is_told(sqlite_hub: Hub) -> None:
    written(sqlite_hub)
    with sqlite_hub.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER registry_event_no_update")
        connection.exec_driver_sql("UPDATE registry_event SET actor = 'x' WHERE sequence = 3")
    client = sqlite_hub.client()
    for answer in (client.get(API), post(client, {**WORLD[0], "event_id": "new"})):
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:microbalance:problem:registry-log")
        assert "record 3" in answer.json()["detail"]


KINDS = {"string": str, "integer": int, "array": list, "object": dict, "null": type(None)}


def problems_by_schema(value: Any, schema: dict[str, Any]) -> list[str]:
    """Return where a value breaks a JSON Schema: by another reader than the one that the schema was made by."""
    return list(broken_places(value, schema, "", schema["$defs"]))


def broken_places(value: Any, rule: dict[str, Any], where: str, definitions: dict[str, Any]) -> Iterator[str]:
    if "$ref" in rule:
        yield from broken_places(value, definitions[rule["$ref"].rpartition("/")[2]], where, definitions)
    elif "anyOf" in rule:
        if all(list(broken_places(value, one, where, definitions)) for one in rule["anyOf"]):
            yield where
    elif not is_kept(value, rule):
        yield where
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from broken_places(item, rule["items"], f"{where}.{place}".lstrip("."), definitions)
    elif isinstance(value, dict):
        yield from (f"{where}.{name}".lstrip(".") for name in {*rule["required"]} ^ value.keys())
        for name in value.keys() & rule["properties"].keys():
            yield from broken_places(value[name], rule["properties"][name], f"{where}.{name}".lstrip("."), definitions)


def is_kept(value: Any, rule: dict[str, Any]) -> bool:
    if not isinstance(value, KINDS.get(rule.get("type", ""), object)) or value not in rule.get("enum", [value]):
        return False
    if isinstance(value, str):
        is_day = rule.get("format") != "date" or re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None
        return is_day and re.search(rule.get("pattern", ""), value) is not None
    if isinstance(value, int):
        return bool(rule.get("minimum", value) <= value <= rule.get("maximum", value))
    if isinstance(value, list):
        return bool(rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)))
    return True
