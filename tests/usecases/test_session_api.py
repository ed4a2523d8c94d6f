"""What the API says of a run's sessions, exchange and green energy: the store's own numbers, closed ones with a tag."""

import importlib.util
from functools import cache
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session

from edge.contract.interval import iso_utc, start_utc_s
from hub.api.app import create_app
from hub.api.context import NetworkLimits
from hub.api.events import EventStream

API = "/api/v1"


@cache
def loopback_server():
    path = Path(__file__).parents[1] / "api" / "loopback_server.py"
    spec = importlib.util.spec_from_file_location("loopback_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(undisturbed):
    app = create_app(
        open_session=lambda: Session(undisturbed.engine),
        now_utc_s=lambda: start_utc_s(undisturbed.last + 1),
        events=EventStream("boot"),
        limits=NetworkLimits(vm_min_upu=930_000, vm_max_upu=1_070_000, loading_max_mpercent=100_000),
        console_files=None,
    )
    with loopback_server().serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_the_sessions_of_the_day(client, undisturbed):
    document = client.get(f"{API}/sessions").json()
    assert (document["day"], document["closed"]) == (undisturbed.toy.DAY.isoformat(), False)
    first = document["sessions"][0]
    gate = iso_utc(start_utc_s(undisturbed.first - 1))
    assert (first["session_id"], first["label"], first["gate_closes"]) == (f"R/{undisturbed.first}", "10:15", gate)
    assert (first["state"], first["needs_province"], first["accepted"]) == ("final", True, 8)
    assert [one["action"] for one in first["transitions"]][:3] == ["open", "close-gate", "clear"]
    assert len(document["sessions"]) == 3


def test_the_exchange_of_the_day(client, undisturbed):
    document = client.get(f"{API}/exchange", params={"day": undisturbed.toy.DAY.isoformat()}).json()
    assert [one["interval"] for one in document["intervals"]] == list(range(undisturbed.first, undisturbed.last + 1))
    for one in document["intervals"]:
        import_wh, export_wh = undisturbed.province.schedules[one["interval"]]
        assert one["scheduled_wh"] == one["standing_wh"] == import_wh - export_wh
        assert (one["finality"], one["frozen"], one["version"]) == ("final", True, 1)
        assert [step["after"] for step in one["steps"]] == ["handed-over", "acknowledged", "frozen"]


def test_green_energy_of_the_day(client):
    answer = client.get(f"{API}/green")
    document = answer.json()
    assert document["closed"]
    assert "etag" in answer.headers
    for name in ("generation_wh", "bound_wh", "delivered_wh", "certificates"):
        assert document[name] == sum(one[name] for one in document["plants"])
    assert document["delivered_wh"] == sum(one["delivered_wh"] for one in document["volumes"])
    assert {one["buyer"] for one in document["volumes"]} <= {"DIRECT", "SUPPLY", "LOSS", "PROVINCE"}
    assert document["plants"][0]["meter"] == "M000003"


@pytest.mark.parametrize("what", ["sessions", "exchange", "green"])
def test_a_day_of_which_nothing_is_known_is_empty(client, what):
    document = client.get(f"{API}/{what}", params={"day": "2016-05-01"}).json()
    assert not document["closed"]
    assert all(value == [] for value in document.values() if isinstance(value, list))
    assert client.get(f"{API}/{what}", params={"day": "yesterday"}).status_code == 422
