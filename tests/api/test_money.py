"""Money at the border: exact text, the zero of the accounts, statements that add up to their lines."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hub.api.amounts import yuan_text_from_fen, yuan_text_from_nano_yuan

API = "/api/v1"


@given(st.integers(-(10**22), 10**22))
def test_money_text_is_exact(amount):
    assert Decimal(yuan_text_from_nano_yuan(amount)) == Decimal(amount).scaleb(-9)
    assert Decimal(yuan_text_from_fen(amount)) == Decimal(amount).scaleb(-2)


def test_money_text_is_written_in_full():
    assert yuan_text_from_nano_yuan(-700_000_000) == "-0.700000000"
    assert yuan_text_from_nano_yuan(0) == "0.000000000"
    assert yuan_text_from_fen(-5) == "-0.05"
    assert yuan_text_from_fen(123_456) == "1234.56"


def test_accounts_of_the_day_come_to_zero(running):
    accounts = running.get(f"{API}/accounts").json()
    assert accounts["settled_intervals"] == 50
    assert sum(Decimal(one["ledger_yuan"]) for one in accounts["accounts"]) == 0
    assert accounts["sum_yuan"] == accounts["independent_sum_yuan"] == "0.000000000"
    assert all(one["difference_yuan"] == "0.000000000" for one in accounts["accounts"])


def test_participants_stand_in_groups_by_class(running):
    accounts = {one["account"]: one for one in running.get(f"{API}/accounts").json()["accounts"]}
    assert accounts["PROSUMER"]["accounts"] == 40
    assert accounts["INDEPENDENT_DG_DEVELOPER"]["accounts"] == 20
    assert accounts["USERS"]["accounts"] == 181
    assert not accounts["D_sup"]["group"]


def test_the_days_accounts_are_the_sum_of_its_intervals(running, county_day):
    day = {one["account"]: Decimal(one["ledger_yuan"]) for one in running.get(f"{API}/accounts").json()["accounts"]}
    added = dict.fromkeys(day, Decimal(0))
    for interval in range(county_day.FIRST, county_day.FIRST + 50):
        for one in running.get(f"{API}/accounts", params={"interval": interval}).json()["accounts"]:
            added[one["account"]] += Decimal(one["ledger_yuan"])
    assert added == day


def test_a_statement_is_the_sum_of_its_lines(closed):
    for account in ("P00003", "D_sup"):
        statement = closed.get(f"{API}/statements/{account}").json()
        assert sum(Decimal(line["amount_yuan"]) for line in statement["lines"]) == Decimal(statement["total_yuan"])
        assert sum(Decimal(line["exact_yuan"]) for line in statement["lines"]) == Decimal(statement["ledger_yuan"])
        difference = Decimal(statement["total_yuan"]) - Decimal(statement["ledger_yuan"])
        assert Decimal(statement["rounding_yuan"]) == difference
    assert closed.get(f"{API}/statements/P00003").json()["metering_points"][0]["meter"] == "M000003"


def test_statements_are_found_by_account_and_by_meter(closed):
    assert len(closed.get(f"{API}/statements", params={"limit": 1000}).json()["items"]) == 249
    by_account = closed.get(f"{API}/statements", params={"q": "P00017"}).json()["items"]
    by_meter = closed.get(f"{API}/statements", params={"q": "M000017"}).json()["items"]
    assert [one["account"] for one in by_account] == [one["account"] for one in by_meter] == ["P00017"]
    assert closed.get(f"{API}/statements", params={"q": "%"}).json()["items"] == []


def test_before_the_day_is_closed_there_are_no_statements(running):
    assert running.get(f"{API}/statements").json() == {"items": [], "next_cursor": None}
    assert running.get(f"{API}/statements/days").json() == {"days": []}
    assert running.get(f"{API}/statements/P00003").status_code == 404


def test_the_day_table_closes_with_its_statements(closed, running):
    table = closed.get(f"{API}/results/day")
    assert "etag" in table.headers
    assert table.json()["closed"]
    assert len(table.json()["intervals"]) == 96
    assert not running.get(f"{API}/results/day").json()["closed"]
