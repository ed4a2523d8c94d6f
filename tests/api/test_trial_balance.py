"""The trial balance over HTTP: zero for an interval, a day and a month, and one of them at a time."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day
from hub.api.app import create_app
from hub.api.context import NetworkLimits
from hub.api.events import EventStream
from hub.store.bill_tables import BillPostingRow, MonthPostingRow
from hub.store.engine import open_engine
from hub.store.joined_ledger import open_month_accounts
from hub.store.registry import save_registry
from hub.store.tables import PostingRow
from hub.usecases.open_accounts import open_accounts

PATH = "/api/v1/trial-balance"
DAY = date(2026, 1, 31)
FIRST = first_interval_of_day(DAY)


@pytest.fixture(scope="module")
def client(
    make_registry: Any, loopback_server: ModuleType, sqlite_template: Path, tmp_path_factory: Any
) -> Iterator[httpx.Client]:
    """A user buys for 7 and 5 nano-yuan in two intervals of a day and for 3 on the next; January is billed at 13."""
    path = tmp_path_factory.mktemp("balance") / "hub.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    registry = make_registry(areas=2, meters=3)
    with Session(engine) as session:
        save_registry(session, registry, "0" * 64)
        open_accounts(session, registry)
        known = open_month_accounts(session, ("market",))
        user, seller, market = known["P00002"], known["P00001"], known["market"]
        for number, (interval, amount) in enumerate(((FIRST, 7), (FIRST + 95, 5), (FIRST + 96, 3))):
            session.add(
                PostingRow(
                    interval=interval, seq=number, run=0, kind="ENERGY", debit=user, credit=seller,
                    amount_nano_yuan=amount, meter=1, energy_wh=1,
                )
            )  # fmt: skip
        for seq, (kind, payer, amount) in enumerate((("reversal", user, -12), ("through-market", market, 12))):
            session.add(
                MonthPostingRow(
                    posting_month=202601, seq=seq, month=202601, meter=1, kind=kind, of_kind="ENERGY", payer=payer,
                    payee=seller, amount_nano_yuan=amount, first_interval=FIRST, last_interval=FIRST + 95,
                    rule_version="month-join-1",
                )
            )  # fmt: skip
        for seq, (payee, amount) in enumerate((("market", 12), ("D_net", 1))):
            session.add(
                BillPostingRow(
                    posting_month=202601, meter=1, version=1, seq=seq, payer="P00002", payee=payee, kind="x",
                    amount_nano_yuan=amount,
                )
            )  # fmt: skip
        session.commit()
    engine.dispose()
    reader = open_engine(f"sqlite:///{path}", read_only=True)
    app = create_app(
        open_session=lambda: Session(reader), now_utc_s=lambda: 1_769_900_000, events=EventStream("boot"),
        limits=NetworkLimits(900_000, 1_070_000, 100_000), console_files=None,
    )  # fmt: skip
    with ExitStack() as opened:
        opened.callback(reader.dispose)
        address = opened.enter_context(loopback_server.serving(app))
        yield opened.enter_context(httpx.Client(base_url=address, timeout=60))


def balances(client: httpx.Client, **query: Any) -> dict[str, tuple[str, ...]]:
    """The parts of each account that is not empty: by intervals, joined, by bills, and all together."""
    answer = client.get(PATH, params=query)
    assert answer.status_code == 200
    document = answer.json()
    assert document["sum_yuan"] == "0.000000000"
    assert {name: document[name] for name in query} == query
    parts = ("intervals_yuan", "joined_yuan", "bills_yuan", "balance_yuan")
    rows = {one["account"]: tuple(one[part].lstrip("0.") or "0" for part in parts) for one in document["accounts"]}
    return {name: row for name, row in rows.items() if set(row) != {"0"}}


def test_an_interval_and_a_day_are_of_the_intervals_alone(client: httpx.Client) -> None:
    (seven, five, twelve) = (("7", "0", "0", "7"), ("5", "0", "0", "5"), ("12", "0", "0", "12"))
    assert balances(client, interval=FIRST)["PROSUMER"] == seven
    assert balances(client, interval=FIRST + 95)["PROSUMER"] == five
    assert balances(client, day="2026-01-31")["PROSUMER"] == twelve
    assert balances(client, day="2026-01-30") == {}


def test_a_month_is_both_ledgers_joined(client: httpx.Client) -> None:
    assert balances(client, month="2026-01") == {
        "market": ("0", "-0.000000012", "12", "0"),
        "D_net": ("0", "0", "1", "1"),
        "PROSUMER": ("12", "0", "0", "12"),
        "USERS": ("-0.000000012", "12", "-0.000000013", "-0.000000013"),
    }
    assert set(balances(client, month="2026-02")) == {"PROSUMER", "USERS"}
    rows = client.get(PATH, params={"month": "2026-01"}).json()["accounts"]
    assert {one["account"]: one["accounts"] for one in rows if one["group"]} == {"PROSUMER": 2, "USERS": 4}


@pytest.mark.parametrize(
    "query", [{}, {"month": "2026-01", "day": "2026-01-31"}, {"month": "2026-13"}, {"month": "9999-12"}]
)
def test_one_span_is_named(client: httpx.Client, query: dict[str, str]) -> None:
    answer = client.get(PATH, params=query)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:microbalance:problem:invalid-request"
