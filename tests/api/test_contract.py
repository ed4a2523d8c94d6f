"""What holds for every answer: problem documents, security headers, cursors, ETags, the OpenAPI description."""

import pytest
from sqlmodel import Session, select

from hub.store.bulk import insert_columns
from hub.store.engine import open_engine
from hub.store.tables import AccountTotalRow, SettlementRunRow

API = "/api/v1"


def all_items(client, path, **query):
    """Read a list page by page and return its items, checking that each page but the last is full."""
    items, cursor = [], None
    while True:
        page = client.get(path, params={**query, **({"cursor": cursor} if cursor else {})}).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
        assert len(page["items"]) == query["limit"]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/nothing", 404, "about:blank"),
        ("/", 404, "about:blank"),
        ("/api/v1/intervals/5", 404, "urn:microbalance:problem:unknown-interval"),
        ("/api/v1/statements/P99999?day=2016-05-17", 404, "urn:microbalance:problem:unknown-statement"),
        ("/api/v1/accounts?interval=5", 404, "urn:microbalance:problem:unknown-settlement"),
        ("/api/v1/intervals/noon", 422, "urn:microbalance:problem:invalid-request"),
        ("/api/v1/orders", 422, "urn:microbalance:problem:invalid-request"),
        ("/api/v1/intervals?limit=100000", 422, "urn:microbalance:problem:invalid-request"),
        ("/api/v1/overview?day=17.5.2016", 422, "urn:microbalance:problem:invalid-request"),
        ("/api/v1/quarantine?cursor=!!", 400, "urn:microbalance:problem:invalid-cursor"),
    ],
)
def test_every_error_is_a_problem_document(running, path, status, kind):
    answer = running.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == kind
    assert problem["status"] == status
    assert problem["instance"] == path.partition("?")[0]
    assert problem["title"]
    assert problem["detail"]


def test_nothing_can_be_written(running):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = running.request(method, f"{API}/overview")
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/api/v1/overview", "/api/v1/nothing", "/api/v1/metrics", "/api/v1/openapi.json"])
def test_security_headers_stand_on_every_answer(running, path):
    headers = running.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::2]:8000"])
def test_another_name_is_not_answered(running, host):
    answer = running.get(f"{API}/health", headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:microbalance:problem:wrong-host"
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "[::1]:8000", "127.0.0.1"])
def test_loopback_names_are_answered(running, host):
    assert running.get(f"{API}/health", headers={"host": host}).json()["status"] == "ok"


def test_pages_hold_every_order_once_and_in_order(running, county_day):
    interval = county_day.FIRST + 49
    counts = running.get(f"{API}/intervals/{interval}").json()["orders"]
    for limit in (7, 100, 1000):
        ids = [order["order_id"] for order in all_items(running, f"{API}/orders", interval=interval, limit=limit)]
        assert ids == sorted(set(ids))
        assert len(ids) == counts["accepted"] + counts["rejected"]


@pytest.mark.parametrize("what", ["pairs", "setpoints"])
def test_pages_of_an_interval_hold_everything_once(running, county_day, what):
    path = f"{API}/intervals/{county_day.FIRST + 49}/{what}"
    whole = all_items(running, path, limit=1000)
    assert len(whole) > 2
    assert all_items(running, path, limit=2) == whole


def test_intervals_and_refusals_come_newest_first(running, county_day):
    intervals = [one["interval"] for one in all_items(running, f"{API}/intervals", limit=9)]
    assert intervals == list(range(county_day.FIRST + 51, county_day.FIRST - 1, -1))
    refusals = all_items(running, f"{API}/quarantine", limit=2)
    assert len({one["refusal_id"] for one in refusals}) == 5
    assert sorted(one["count"] for one in refusals) == [1, 1, 1, 1, 2]


def test_a_cursor_of_another_list_is_refused(running, county_day):
    query = {"interval": county_day.FIRST + 49, "limit": 1}
    cursor = running.get(f"{API}/orders", params=query).json()["next_cursor"]
    other = running.get(f"{API}/orders", params={**query, "interval": county_day.FIRST + 48, "cursor": cursor})
    assert other.status_code == 400
    assert other.json()["type"].endswith("invalid-cursor")


def test_orders_are_filtered_by_side_outcome_and_text(running, county_day):
    query = {"interval": county_day.FIRST + 49, "limit": 1000}
    sells = all_items(running, f"{API}/orders", side="SELL", **query)
    assert {order["side"] for order in sells} == {"SELL"}
    rejected = all_items(running, f"{API}/orders", status="REJECTED", **query)
    assert {order["reason"] for order in rejected} == {"off-tick"}
    assert all(order["filled_wh"] is None for order in rejected)
    found = all_items(running, f"{API}/orders", q="A004", **query)
    assert {order["unit"] for order in found} == {"A004"}
    assert all_items(running, f"{API}/orders", q="%", **query) == []


def test_a_closed_result_is_sent_once(running, county_day):
    path = f"{API}/intervals/{county_day.FIRST + 20}"
    first = running.get(path)
    tag = first.headers["etag"]
    again = running.get(path, headers={"if-none-match": f'"other", W/{tag}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    assert running.get(path, headers={"if-none-match": '"other"'}).content == first.content
    assert running.get(f"{API}/intervals/{county_day.FIRST + 21}").headers["etag"] != tag


def test_an_open_result_carries_no_etag(running, county_day):
    for path in (f"{API}/intervals/{county_day.FIRST + 51}", f"{API}/overview", f"{API}/results/day"):
        headers = running.get(path).headers
        assert "etag" not in headers
        assert headers["cache-control"] == "no-store"


def test_a_resettlement_gives_a_closed_result_another_etag(client_of, tmp_path, closed_url, county_day):
    source = open_engine(closed_url)
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    with source.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    source.dispose()
    client, interval = client_of(url, at=96), county_day.FIRST + 30
    before = client.get(f"{API}/intervals/{interval}")
    assert before.json()["account_sum_yuan"] == "0.000000000"
    engine = open_engine(url)
    with Session(engine) as session:
        run = {"interval": [interval], "run": 1, "rule_version": "demo-2", "input_hash": "ef" * 32}
        insert_columns(session, SettlementRunRow, run)
        row = session.exec(select(AccountTotalRow).where(AccountTotalRow.interval == interval)).first()
        row.ledger_nano_yuan += 5
        session.add(row)
        session.commit()
    engine.dispose()
    after = client.get(f"{API}/intervals/{interval}", headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.json()["account_sum_yuan"] == "0.000000005"
    assert client.get(f"{API}/accounts", params={"interval": interval}).json()["sum_yuan"] == "0.000000005"


def test_the_description_is_complete_and_points_nowhere_else(running):
    answer = running.get(f"{API}/openapi.json")
    description = answer.json()
    assert "http" not in answer.text.replace("HTTP", "")
    operations = [one for path in description["paths"].values() for one in path.values()]
    assert all(path.startswith(f"{API}/") for path in description["paths"])
    assert all(operation["tags"] and operation["description"] for operation in operations)
    assert {tag for one in operations for tag in one["tags"]} <= {tag["name"] for tag in description["tags"]}
    for operation in operations:
        assert operation["responses"]["422"]["content"].keys() >= {"application/problem+json"}
    assert running.get("/docs").status_code == 404
    assert running.get("/redoc").status_code == 404


def test_health_and_metrics_tell_how_the_hub_is(running, county_day):
    health = running.get(f"{API}/health").json()
    assert health["last_job_utc_s"] == (county_day.FIRST + 51) * 900
    answer = running.get(f"{API}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert samples["microbalance_gateways_missing"] == "0"
    assert samples["microbalance_data_age_seconds"] == "900"
    assert samples["microbalance_cleared_interval"] == str(county_day.FIRST + 51)
    assert samples['microbalance_refused_total{kind="MALFORMED",reason="malformed"}'] == "2"
    assert samples['microbalance_counted_total{name="law_6_checked"}'] == "50"


def test_metrics_leave_out_what_is_not_known(client_of, empty_url):
    text = client_of(empty_url).get(f"{API}/metrics").text
    assert "microbalance_gateways 0\n" in text
    assert "microbalance_data_age_seconds " not in text.replace("# HELP ", "#").replace("# TYPE ", "#").replace(
        "#mic", ""
    )
