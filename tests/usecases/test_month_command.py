"""`microbalance month`: a month billed, its basis issued and closed; what is wrong is one line and posts nothing."""

import json
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from edge.contract.interval import first_interval_of_day
from edge.contract.messages import CHANNELS, IMPORT
from hub.bench.made_up_province import made_up_province
from hub.bill_cli import app as bill_app
from hub.month_cli import app
from hub.settlement.retail.contract_terms import Fixed, Linked, PublishedIndex, RetailTerms
from hub.store.bill_tables import BillingTermRow, BillPostingRow, SettledEnergyRow
from hub.store.bills import read_bill

WRITTEN = ("bill", "bill_line", "bill_posting", "month_close", "month_event", "pass_through")


@pytest.fixture
def terms(billed: ModuleType, tmp_path: Path) -> Path:
    return write_terms(billed, tmp_path)


def write_terms(billed: ModuleType, folder: Path, **changed: Any) -> Path:
    """The terms of the made-up province, which settles by the calendar of Shaanxi."""
    document = msgspec.to_builtins(made_up_province(billed.JANUARY, billed.FEBRUARY)) | changed.pop("province", {})
    whole = {
        "province": billed.PROVINCE,
        "calendar_province": "shaanxi",
        "business_days": {
            "first_day": "2026-01-01", "last_day": "2026-12-31", "holidays": ["2026-02-03"], "working_days": [],
        },
        "documents": [document],
        "substitution": [
            {"version_id": "s-1", "effective_from": "2026-01-01", "document": "a test",
             "order": ["interpolation", "pv-dark"], "missing_points_max": 2, "daylight_from": 24,
             "daylight_until": 80, "tolerance_ppm": 0}
        ],
    }  # fmt: skip
    path = folder / "terms.json"
    path.write_bytes(msgspec.json.encode(whole | changed))
    return path


def run(county: Any, *arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [*arguments, "--database", str(county.engine.url)])
    return found.exit_code, found.stdout, found.stderr


def counts(county: Any) -> set[int]:
    return {county.rows(f"SELECT count(*) FROM {name}")[0][0] for name in WRITTEN}  # noqa: S608


def test_a_month_goes_from_its_bills_to_its_close(county: Any, terms: Path) -> None:
    given = ("--terms", str(terms), "--json")
    status, out, err = run(county, "issue", "2026-01", *given)
    assert (status, err) == (0, "")
    issued = json.loads(out)
    assert (issued["issued"], issued["unchanged"]) == (6, 0)
    assert json.loads(run(county, "issue", "2026-01", *given)[1])["unchanged"] == 6
    assert json.loads(run(county, "basis", "2026-01", "--on", "2026-02-08", *given)[1])["refused"] == ["too-early"]
    assert json.loads(run(county, "basis", "2026-01", "--on", "2026-02-09", *given)[1])["refused"] == []
    objected = run(county, "object", "2026-01", "D_net", "--on", "2026-02-10", *given)
    assert json.loads(objected[1])["refused"] == []
    early = run(county, "close", "2026-01", "--on", "2026-02-10", *given)
    assert early[0] == 2
    assert "objections to 202601 may come in until 2026-02-10" in early[2]
    closed = run(county, "close", "2026-01", "--on", "2026-02-11", "--remitted-system", "0.5", *given)
    document = json.loads(closed[1])
    assert (closed[0], document["bills"], document["disputed"], document["was_closed"]) == (0, 6, 1, False)
    assert document["total_yuan"] == issued["total_yuan"]
    status, _, err = run(county, "issue", "2026-01", *given)
    assert status == 2
    assert err.startswith("microbalance month: 202601 is closed and stays as it is; its corrections belong to a later")


def test_a_month_that_breaks_laws_is_not_written(county: Any, terms: Path) -> None:
    """Somebody's posting is in the month's ledger already: one end is no account, so the accounts are not zero."""
    user = county.rows("SELECT account_id FROM account WHERE position = 0")[0][0]
    break_ledger(county, user)
    before = county.rows("SELECT * FROM bill_posting")
    status, out, err = run(county, "issue", "2026-01", "--terms", str(terms))
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) >= 2
    assert all(one.startswith("microbalance month: law ") and one.endswith("; nothing was written") for one in lines)
    assert any("account 'nobody' is not one of the ledger's" in one for one in lines)
    assert county.rows("SELECT * FROM bill_posting") == before
    assert county.rows("SELECT count(*) FROM bill") == [(0,)]


def test_the_balance_shows_every_account_and_the_zero(county: Any, terms: Path, tmp_path: Path) -> None:
    run(county, "issue", "2026-01", "--terms", str(terms))
    status, out, err = run(county, "balance", "2026-01", "--json")
    assert (status, err) == (0, "")
    shown = json.loads(out)
    assert (shown["month"], shown["sum_yuan"], shown["violations"]) == (202601, "0.000000000", [])
    balances = {row["account"]: row for row in shown["accounts"]}
    ((billed,),) = county.rows("SELECT sum(amount_nano_yuan) FROM bill_posting WHERE payee = 'retailer-1'")
    assert Decimal(balances["retailer-1"]["balance"]) == Decimal(int(billed)) / 10**9
    assert Decimal(balances["market"]["balance"]) == 0
    for row in shown["accounts"]:
        assert sum(Decimal(row[part]) for part in ("intervals", "joined", "bills")) == Decimal(row["balance"])
    table = run(county, "balance", "2026-01")[1].splitlines()
    assert len(table) == len(balances) + 2
    assert len({len(line) for line in table[:-1]}) == 1
    assert table[-1] == "sum of all accounts: 0.000000000 yuan"
    assert run(county, "balance", "2026-01", "--run", str(tmp_path))[0] == 0  # a database goes before a run folder
    break_ledger(county, "retailer-1")
    status, out, err = run(county, "balance", "2026-01", "--json")
    assert status == 1
    assert any("account 'nobody' is not one of the ledger's" in line for line in json.loads(out)["violations"])


def break_ledger(county: Any, payer: str) -> None:
    with Session(county.engine) as session:
        session.add(
            BillPostingRow(
                posting_month=202601, meter=0, version=99, seq=0, payer=payer, payee="nobody", kind="x",
                amount_nano_yuan=7,
            )
        )  # fmt: skip
        session.commit()


def test_what_was_remitted_stands_in_the_terms_unless_it_is_said(
    billed: ModuleType, county: Any, tmp_path: Path
) -> None:
    remitted = [{"month": 202601, "system": "0.5", "funds": "0.25", "document": "a test"}]
    given = ("--terms", str(write_terms(billed, tmp_path, remitted=remitted)))
    run(county, "issue", "2026-01", *given)
    run(county, "basis", "2026-01", "--on", "2026-02-09", *given)
    assert run(county, "close", "2026-01", "--on", "2026-02-11", "--remitted-system", "2", *given)[0] == 0
    assert dict(county.rows("SELECT item, remitted_nano_yuan FROM pass_through")) == {
        "system-items": 2_000_000_000, "government-funds": 250_000_000, "loss_fund": 0
    }  # fmt: skip


def test_a_retail_price_that_is_not_published_yet_is_asked_for(billed: ModuleType, county: Any, tmp_path: Path) -> None:
    spot = {"version_id": "spot-1", "province": billed.PROVINCE, "index": "spot-mean", "month": 202601,
            "price_uyuan_per_kwh": 300_000, "published_on": "2026-02-03", "document": "a test"}  # fmt: skip
    given = ("--terms", str(write_terms(billed, tmp_path, retail={"index_publications": [spot]})))
    user = county.registry.metering_points[billed.RETAIL].participant_id
    package = RetailTerms("contract-1", user, "retailer-1", 400, "2025", Linked(PublishedIndex.SPOT_MEAN, 1_000))
    with Session(county.engine) as session:
        row = session.get(BillingTermRow, (billed.RETAIL, "2025-12-01"))
        assert row is not None
        row.package = msgspec.json.encode(package).decode()
        session.commit()
    status, _, err = run(county, "issue", "2026-01", "--on", "2026-02-02", *given)
    assert status == 2
    assert "row 80: load the publications of spot-mean" in err
    assert run(county, "issue", "2026-01", "--on", "2026-02-03", *given)[0] == 0
    with Session(county.engine) as session:
        bill = read_bill(session, 202601, billed.RETAIL)
    assert bill is not None
    assert {line.price_uyuan for line in bill.lines if line.component.value == "energy"} == {301_000}


def refused(county: Any, terms: Path, words: str) -> None:
    """Issuing says these words in one line, with status 2, and leaves nothing."""
    status, out, err = run(county, "issue", "2026-01", "--terms", str(terms))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert counts(county) == {0}


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (
            "system_operation",
            "row 95 on 2026-01-01: no version of system_operation (province 'made-up'); load the month's",
        ),
        ("tou_factor", "no tou_factor of SHARP (made-up, <1kV, SINGLE); load the coefficient"),
        ("guaranteed_price", "row 96 on 2026-01-01: no version of guaranteed_price"),
    ],
)
def test_a_missing_price_version(billed: ModuleType, county: Any, tmp_path: Path, parameter: str, words: str) -> None:
    document = msgspec.to_builtins(made_up_province(billed.JANUARY))
    (table,) = document["publications"]
    table["values"] = [one for one in table["values"] if one["parameter"] != parameter]
    refused(county, write_terms(billed, tmp_path, province=document), words)


def test_a_calendar_with_a_gap(billed: ModuleType, county: Any, tmp_path: Path) -> None:
    document = msgspec.to_builtins(made_up_province(billed.JANUARY))
    for calendar in document["calendars"]:
        calendar["effective_to"] = "2026-01-20"
    words = "row 65 on 2026-01-20: no calendar holds (made-up: <1kV, SINGLE"
    refused(county, write_terms(billed, tmp_path, province=document), words)


def test_a_negative_energy_and_one_that_overflows(billed: ModuleType, county: Any, terms: Path) -> None:
    first = first_interval_of_day(billed.JANUARY)
    for run_number, (wh, words) in enumerate(
        ((-1, "row 189 on 2026-01-01, interval 0: M000004 has -1 Wh, which is negative; load the metered energy again"),
         (2**60, "M000004 has 1152921504606846976 Wh, which leaves 64 bits in a month; load the metered energy")), 1
    ):  # fmt: skip
        with Session(county.engine) as session:
            session.add(
                SettledEnergyRow(
                    interval=first, run=run_number, meter=billed.DEMAND, channel=CHANNELS.index(IMPORT), energy_wh=wh,
                    rule="",
                )
            )  # fmt: skip
            session.commit()
        refused(county, terms, words)


def test_an_amount_that_overflows(billed: ModuleType, county: Any, terms: Path) -> None:
    with Session(county.engine) as session:
        row = session.get(BillingTermRow, (billed.WORKS, "2025-12-01"))
        assert row is not None
        row.capacity_va = 2**50
        session.commit()
    refused(county, terms, "row 189 on 2026-01: capacity of M000003 leaves 64 bits; load the quantity and price again")


def test_overlapping_supply_modes(billed: ModuleType, county: Any, terms: Path) -> None:
    package = RetailTerms("contract-2", "u", "r", 400, "2025", Fixed(1))
    with Session(county.engine) as session:
        row = session.get(BillingTermRow, (billed.SHOP, "2025-12-01"))
        assert row is not None
        row.package = msgspec.json.encode(package).decode()
        session.commit()
    words = "row 2: M000002 is supplied by AGENCY and has a retail package; load one supply mode at a time"
    refused(county, terms, words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"calendar_province": "nowhere"}, "no settlement calendar of province 'nowhere'; load the version in force"),
        ({"substitution": [{"version_id": "s", "effective_from": "2026-01-01", "document": "d", "order": ["guess"]}]},
         "substitution rules 's': no rule 'guess'"),
        ({"substitution": [{"version_id": "s", "effective_from": "2026-01-01", "document": "d",
                            "order": ["similar-day"]}]}, "load history_days for similar days"),
        ({"retail": {"coal_indices": [{"version_id": "c", "index_name": "c", "month": 13, "price_fen_per_t": 1,
                                       "document": "d"}]}}, "13 is no month"),
        ({"remitted": [{"month": 202601, "document": "d"}] * 2}, "what was remitted in 202601 stands twice"),
        ({"remitted": [{"month": 202601, "system": "much", "document": "d"}]}, "'much' is not a number of yuan"),
        ({"colour": 1}, "Object contains unknown field `colour`"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_used(billed: ModuleType, county: Any, tmp_path: Path, changed: Any, words: str) -> None:
    refused(county, write_terms(billed, tmp_path, **changed), words)


def test_a_month_that_is_none_and_a_file_that_is_not_there(county: Any, terms: Path) -> None:
    for month, path, words in (
        ("2026-13", terms, "'2026-13' is not a month; write YYYY-MM"),
        ("2026-01", terms.with_name("none.json"), "No such file or directory"),
    ):
        status, _, err = run(county, "issue", month, "--terms", str(path))
        assert status == 2
        assert words in err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"election": "DEMAND", "demand": {"quantity": "-5", "unit": "kW"}},
         "row 103: the demand is -5000 W, which is negative; load the metered one"),
        ({"tariff_type": "SINGLE", "election": None},
         "row 101 on 2026-01-01: 630000 VA has no SINGLE tariff; load its tariff type"),
    ],
)  # fmt: skip
def test_what_the_bill_of_one_user_refuses(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    case = json.loads((Path(__file__).parents[2] / "docs" / "examples" / "bill-hubei-2026-01.json").read_text("utf-8"))
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case | changed))
    found = CliRunner().invoke(bill_app, [str(path)])
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr
