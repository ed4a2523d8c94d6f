"""The published list of hosting capacity over the API: JSON, CSV, GeoJSON, older lists, inputs."""

import csv
import hashlib
import io
import json

import msgspec
import pytest
from sqlmodel import Session

from edge.contract.interval import iso_utc
from grid_models.capacity_list import ENTRY_FIELDS, CapacityEntry, CapacityFeature
from hub.api.hosting_routes import HostingUnit
from hub.store.engine import open_engine, sqlite_url
from hub.store.hosting import AssessmentHead, HostingOmission, save_assessment, save_omission
from hub.store.schema import migrate

PATH = "/api/v1/hosting"
SPRING, SUMMER, AUTUMN = 1_774_972_800, 1_782_835_200, 1_790_784_000
DAY_ENDS = 1_463_500_800
"""The end of the operating day at whose noon the hub of these tests stands."""
PLACE = '{"type":"Point","coordinates":[113.1,23.0]}'


def entry(unit, parent, c1_kw, c2_kw, assessed_at_utc_s, **more):
    """An entry with 1,000 kW connected, alone in its room."""
    grade = "red" if c1_kw <= 0 else "yellow" if c2_kw <= 0 else "green"
    fields = {
        "unit": unit,
        "parent": parent,
        "kind": "AREA" if parent else "COUNTY",
        "elements": "1 号, 变",
        "rated_kva": 630,
        "connected_kw": 1000,
        "registered_kw": c1_kw - c2_kw,
        "capacity_min_kw": 1000 + c1_kw,
        "capacity_max_kw": 1000 + c1_kw,
        "c1_kw": c1_kw,
        "c2_kw": c2_kw,
        "open_c1_kw": max(c1_kw, 0),
        "open_c2_kw": max(c2_kw, 0),
        "grade": grade,
        "limited_by": unit,
        **dict.fromkeys(("hosting_kw", "hosting_element", "hosting_limit", "reverse_kw", "reverse_load_mpercent")),
        **dict.fromkeys(("reverse_alert", "reverse_into_high_voltage")),
        **dict.fromkeys(("short_circuit", "voltage_deviation", "harmonics"), "not_assessed"),
        "edition": "DL/T 2041-2025",
        "assessed_at": iso_utc(assessed_at_utc_s),
    }
    return CapacityEntry(**(fields | more))


def features(assessed_at_utc_s):
    return (
        CapacityFeature(entry("county", None, 3000, 1000, assessed_at_utc_s), PLACE),
        CapacityFeature(entry("A001", "county", 0, 0, assessed_at_utc_s), None),
        CapacityFeature(
            entry("A002", "county", 9, -5, assessed_at_utc_s, reverse_kw=520, reverse_alert=True, hosting_kw=0), PLACE
        ),
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = sqlite_url(tmp_path_factory.mktemp("hosting") / "hub.db")
    migrate(url)
    engine = open_engine(url)
    with Session(engine) as session:
        for instant in (SPRING, SUMMER):
            inputs = json.dumps({"assessed": instant})
            head = AssessmentHead(instant, "demo", "DL/T 2041-2025", hashlib.sha256(inputs.encode()).hexdigest())
            save_assessment(session, head, inputs, features(instant))
        session.commit()
    engine.dispose()
    return url


@pytest.fixture
def client(client_of, url):
    return client_of(url)


def test_the_newest_list_comes_unless_another_is_asked_for(client):
    newest = client.get(PATH).json()
    assert (newest["assessed_at_utc_s"], newest["assessed_at"]) == (SUMMER, "2026-07-01T00:00:00+08:00")
    assert (newest["county"], newest["edition"]) == ("demo", "DL/T 2041-2025")
    assert newest["items"] == [msgspec.to_builtins(feature.entry) for feature in features(SUMMER)]
    older = client.get(PATH, params={"assessed_at": SPRING}).json()
    assert {item["assessed_at"] for item in older["items"]} == {"2026-04-01T00:00:00+08:00"}


def test_row_164_zero_is_red_in_every_form(client):
    listed = {item["unit"]: item for item in client.get(PATH).json()["items"]}
    assert [(unit, item["grade"]) for unit, item in listed.items()] == [
        ("county", "green"),
        ("A001", "red"),
        ("A002", "yellow"),
    ]
    assert listed["A001"]["c1_kw"] == listed["A001"]["open_c1_kw"] == 0


def test_the_same_figures_as_csv_and_geojson(client):
    items = client.get(PATH).json()["items"]
    answer = client.get(PATH, params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    shown = [
        {name: "" if value is None else str(value).replace("True", "true") for name, value in item.items()}
        for item in items
    ]
    assert rows == shown
    answer = client.get(PATH, params={"format": "geojson"})
    assert answer.headers["content-type"] == "application/geo+json"
    found = answer.json()["features"]
    assert [feature["properties"] for feature in found] == items
    assert [feature["geometry"] for feature in found] == [json.loads(PLACE), None, json.loads(PLACE)]


@pytest.mark.parametrize("form", ["json", "csv", "geojson"])
def test_a_list_is_sent_once(client, form):
    first = client.get(PATH, params={"format": form})
    again = client.get(PATH, params={"format": form}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(PATH, params={"format": form, "assessed_at": SPRING}).headers["etag"] != first.headers["etag"]


def test_older_assessments_are_listed_newest_first_by_page(client):
    page = client.get(f"{PATH}/assessments", params={"limit": 1}).json()
    assert [one["assessed_at_utc_s"] for one in page["items"]] == [SUMMER]
    rest = client.get(f"{PATH}/assessments", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert [one["assessed_at_utc_s"] for one in rest["items"]] == [SPRING]
    assert rest["next_cursor"] is None


def test_the_inputs_have_the_hash_that_the_list_names(client):
    answer = client.get(f"{PATH}/inputs", params={"assessed_at": SPRING})
    assert answer.json() == {"assessed": SPRING}
    named = client.get(PATH, params={"assessed_at": SPRING}).json()["inputs_sha256"]
    assert hashlib.sha256(answer.content).hexdigest() == named


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("?assessed_at=5", 404, "urn:microbalance:problem:unknown-assessment"),
        ("/inputs?assessed_at=5", 404, "urn:microbalance:problem:unknown-assessment"),
        ("?format=xlsx", 422, "urn:microbalance:problem:invalid-request"),
        ("?assessed_at=yesterday", 422, "urn:microbalance:problem:invalid-request"),
        ("/assessments?cursor=!!", 400, "urn:microbalance:problem:invalid-cursor"),
    ],
)
def test_errors_are_problem_documents(client, query, status, kind):
    answer = client.get(PATH + query)
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_hub_without_an_assessment_says_so(client_of, empty_url):
    client = client_of(empty_url)
    assert client.get(PATH).json()["type"] == "urn:microbalance:problem:unknown-assessment"
    assert client.get(f"{PATH}/assessments").json() == {"items": [], "next_cursor": None}


def test_the_next_list_is_announced_with_the_newest(client):
    state = client.get(f"{PATH}/state").json()
    assert state["newest"]["assessed_at_utc_s"] == SUMMER
    assert (state["next_at"], state["next_utc_s"]) == ("2026-10-01T00:00:00+08:00", AUTUMN)
    assert state["omissions"] == []


def test_a_hub_without_a_list_says_when_it_comes_and_which_days_gave_none(client_of, tmp_path):
    url = sqlite_url(tmp_path / "hub.db")
    migrate(url)
    client = client_of(url)
    day_s = 86_400
    assert client.get(f"{PATH}/state").json() == {
        "newest": None,
        "next_utc_s": DAY_ENDS,
        "next_at": "2016-05-18T00:00:00+08:00",
        "omissions": [],
    }
    engine = open_engine(url)
    with Session(engine) as session:
        for days in (2, 1):
            save_omission(session, HostingOmission(DAY_ENDS - days * day_s, "day-not-whole", f"{days} days ago"))
        session.commit()
    state = client.get(f"{PATH}/state").json()
    assert [one["what"] for one in state["omissions"]] == ["1 days ago", "2 days ago"]
    assert state["omissions"][0]["closed_at"] == "2016-05-17T00:00:00+08:00"
    with Session(engine) as session:
        head = AssessmentHead(DAY_ENDS - day_s, "demo", "DL/T 2041-2025", hashlib.sha256(b"{}").hexdigest())
        save_assessment(session, head, "{}", features(DAY_ENDS - day_s))
        session.commit()
    engine.dispose()
    assert client.get(f"{PATH}/state").json()["omissions"] == [], "what came before the newest list is over"


def test_the_description_has_the_fields_of_the_list(client):
    assert tuple(HostingUnit.model_fields) == ENTRY_FIELDS
    operation = client.get("/api/v1/openapi.json").json()["paths"][PATH]["get"]
    assert operation["responses"]["200"]["content"].keys() == {"application/json", "text/csv", "application/geo+json"}
