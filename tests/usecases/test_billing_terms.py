"""`microbalance month terms`: billing terms from a file into the database, whole or not, and what they do to a bill."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from edge.contract.registry import Registry
from hub.month_cli import app
from hub.settlement.bills.billing_terms import TermsRefusal
from hub.store.bill_tables import MonthCloseRow
from hub.store.bills import read_bill
from hub.store.engine import open_engine
from hub.usecases.load_billing_terms import terms_in_force

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLE, MONTH_TERMS = EXAMPLES / "billing-terms.jsonl", EXAMPLES / "month-terms.json"
FEBRUARY = "2026-02-01"


def run(county: Any, *arguments: object) -> tuple[int, Any, str]:
    words = [str(one) for one in arguments]
    found = CliRunner().invoke(app, ["terms", *words, "--database", str(county.engine.url), "--json"])
    return found.exit_code, json.loads(found.stdout) if found.stdout else None, found.stderr


def load(county: Any, file: Path = EXAMPLE, *arguments: object) -> tuple[int, Any, str]:
    return run(county, file, "--terms", MONTH_TERMS, *arguments)


def terms_file(folder: Path, *rows: object) -> Path:
    path = folder / "terms.jsonl"
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in rows))
    return path


def example_rows() -> dict[str, dict[str, Any]]:
    return {row["meter"]: row for row in map(json.loads, EXAMPLE.read_text("utf-8").splitlines())}


def stored(county: Any) -> Any:
    return county.rows("SELECT * FROM billing_term ORDER BY meter, effective_from")


@pytest.fixture
def empty_months(billed: ModuleType, make_registry: Callable[..., Registry], database_url: str) -> Iterator[Any]:
    """A county with billing terms from December on and no reading, once on SQLite and once on PostgreSQL."""
    engine = open_engine(database_url)
    yield billed.open_county(engine, make_registry(areas=2, meters=4))
    engine.dispose()


def test_the_example_is_loaded_once_and_shown(empty_months: Any) -> None:
    county, before = empty_months, stored(empty_months)
    status, dry, err = load(county, EXAMPLE, "--dry-run")
    assert (status, err, stored(county)) == (0, "", before)
    assert (dry["new"], dry["changed"], dry["written"]) == (4, 0, False)
    works = next(one for one in dry["changes"] if one["meter"] == "M000003")
    assert works["in_force_until_then"]["election"] == "CAPACITY"
    assert (works["replaces"], works["terms"]["election"]) == (None, "DEMAND")
    status, loaded, _ = load(county)
    assert (status, loaded["changes"], loaded["written"]) == (0, dry["changes"], True)
    after = stored(county)
    assert len(after) == len(before) + 4
    assert set(before) < set(after)
    assert load(county)[1] | {"written": False} == {
        "dry_run": False, "written": False, "new": 0, "changed": 0, "unchanged": 4, "changes": [], "refused": []
    }  # fmt: skip
    assert stored(county) == after
    january, february = (run(county, "--on", day)[1]["terms"] for day in ("2026-01-31", FEBRUARY))
    assert {one["effective_from"] for one in january} == {"2025-12-01"}
    assert {one["meter"]: one["effective_from"] for one in february} == dict.fromkeys(example_rows(), FEBRUARY)
    assert len(run(county)[1]["terms"]) == 8


def test_a_version_of_a_month_that_is_still_open_is_replaced(county: Any, tmp_path: Path) -> None:
    load(county)
    row = example_rows()["M000002"] | {"capacity_va": 70_000}
    status, changed, _ = load(county, terms_file(tmp_path, row))
    assert (status, changed["changed"]) == (0, 1)
    (change,) = changed["changes"]
    assert (change["replaces"]["capacity_va"], change["terms"]["capacity_va"]) == (80_000, 70_000)
    with Session(county.engine) as session:
        held = [one for one in terms_in_force(session) if one.meter == "M000002"]
    assert [(one.effective_from.isoformat(), one.capacity_va) for one in held] == [
        ("2025-12-01", 50_000), (FEBRUARY, 70_000)
    ]  # fmt: skip
    text = CliRunner().invoke(
        app,
        ["terms", str(terms_file(tmp_path, row | {"capacity_va": 60_000})), "--terms", str(MONTH_TERMS), "--dry-run",
         "--database", str(county.engine.url)],
    )  # fmt: skip
    assert "changed: M000002 from 2026-02-01: capacity_va 70000 -> 60000" in text.stdout


def package(**changed: Any) -> dict[str, Any]:
    row = example_rows()["M000005"]
    return row | {"package": row["package"] | changed}


def simple(**changed: Any) -> dict[str, Any]:
    return example_rows()["M000002"] | changed


def two_part(**changed: Any) -> dict[str, Any]:
    return example_rows()["M000003"] | changed


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        (simple(meter="M000099"), TermsRefusal.UNKNOWN_METER, "M000099: row 101, unknown-meter: not in the registry"),
        (simple(capacity_va=-1), TermsRefusal.NEGATIVE_CAPACITY, "a capacity of -1 VA"),
        (simple(capacity_va=2**63), TermsRefusal.NOT_TERMS, "leaves 64 bits"),
        (simple(capacity_va=0), TermsRefusal.NO_CAPACITY, "none is given"),
        (simple(capacity_va=315_000), TermsRefusal.TARIFF_TYPE, "315000 VA has TWO_PART, not SINGLE"),
        (two_part(capacity_va=100_000), TermsRefusal.TARIFF_TYPE, "100000 VA has SINGLE, not TWO_PART"),
        (simple(election="DEMAND"), TermsRefusal.ELECTION_WITHOUT_TWO_PART, "DEMAND is elected under SINGLE"),
        (two_part(election=None), TermsRefusal.NO_ELECTION, "needs CAPACITY or DEMAND"),
        (simple(effective_from="2026-02-02"), TermsRefusal.NOT_FIRST_OF_MONTH, "2026-02-02 is not the first"),
        (two_part(meter="M000001"), TermsRefusal.NOT_COMMERCIAL, "RESIDENTIAL pays one price and elects nothing"),
        (simple(colour=1), TermsRefusal.NOT_TERMS, "unknown field `colour`"),
        ("{", TermsRefusal.NOT_TERMS, "line 2: row 101, not-terms"),
        (package(user_id="P00001"), TermsRefusal.ANOTHER_USER, "contract-2 is of P00001, not P00005"),
        (package(signed_on=None), TermsRefusal.NOT_SIGNED, "does not say when it was signed"),
        # Row 92's acceptance: an amendment signed within the month is not for that month.
        (package(signed_on=FEBRUARY), TermsRefusal.SIGNED_TOO_LATE, "signed on 2026-02-01, which is not before"),
        (package(has_deviation_clause=None), TermsRefusal.PACKAGE, "contract-2: no-deviation-default"),
        (package(tou={"kind": "FLAT_PLUS_RATIO", "factor_ppm": {"FLAT": 1}, "shapes_linked_part": False}),
         TermsRefusal.PACKAGE, "period-without-price"),
        (package(package={"kind": "FIXED", "price_uyuan_per_kwh": None}), TermsRefusal.PACKAGE, "no-price"),
        (simple(effective_from="2026-03-01"), TermsRefusal.TWICE, "a line above begins on 2026-03-01 too"),
    ],
)  # fmt: skip
def test_one_refused_line_keeps_the_whole_file_out(
    county: Any, tmp_path: Path, row: Any, reason: TermsRefusal, words: str
) -> None:
    before = stored(county)
    status, found, err = load(county, terms_file(tmp_path, simple(effective_from="2026-03-01"), row))
    assert status == 2
    assert [(one["line"], one["reason"]) for one in found["refused"]] == [(2, reason.value)]
    assert found["written"] is False
    assert words in err
    assert err.count("\n") == 1
    assert stored(county) == before


def test_all_that_is_wrong_is_said_at_once(county: Any, tmp_path: Path) -> None:
    wrong = simple(effective_from="2026-02-02", capacity_va=-1, election="DEMAND")
    refused = load(county, terms_file(tmp_path, wrong, "", simple(meter="nobody")))[1]["refused"]
    assert [(one["line"], one["reason"]) for one in refused] == [
        (1, "not-first-of-month"), (1, "election-without-two-part"), (1, "negative-capacity"), (3, "unknown-meter")
    ]  # fmt: skip


def test_a_billed_or_closed_month_keeps_its_terms(billed: ModuleType, county: Any, tmp_path: Path) -> None:
    january = simple(effective_from="2026-01-01")
    county.issue(billed.JANUARY)
    assert load(county, terms_file(tmp_path, january))[1]["refused"][0]["reason"] == "billed-month"
    standing = simple(effective_from="2025-12-01", capacity_va=50_000)
    assert load(county, terms_file(tmp_path, standing))[1]["unchanged"] == 1, "what stands already changes nothing"
    with Session(county.engine) as session:
        session.add(
            MonthCloseRow(
                month=202602, closed_on="2026-03-09", bills=0, total_fen=0, rounding_nano_yuan=0, bills_sha256=""
            )
        )
        session.commit()
    status, found, err = load(county)
    assert status == 2
    assert {one["reason"] for one in found["refused"]} == {"closed-month"}
    assert "line 1, M000002: row 92, closed-month: 202602 is closed; begin in a later month" in err


def test_the_next_month_is_billed_by_the_terms_of_the_examples(billed: ModuleType, county: Any) -> None:
    county.read(billed.FEBRUARY)
    assert load(county)[0] == 0
    issued = CliRunner().invoke(
        app, ["issue", "2026-02", "--terms", str(MONTH_TERMS), "--database", str(county.engine.url), "--json"]
    )
    assert (issued.exit_code, issued.stderr) == (0, "")
    with Session(county.engine) as session:
        bills = [read_bill(session, 202602, meter) for meter in range(len(billed.USERS))]
    works = {line.component.value for line in bills[billed.WORKS].lines}
    assert "demand" in works
    assert "capacity" not in works
    # P_ref - K (P_ref - P_real) = 0.39 - 0.5 (0.39 - 0.37) = 0.38, shaped by the factors of the contract (rows 79, 89).
    energy = {line.period: line.price_uyuan for line in bills[billed.RETAIL].lines if line.component.value == "energy"}
    assert energy == {
        "SHARP": 646_000, "PEAK": 570_000, "FLAT": 380_000, "VALLEY": 182_400, "DEEP_VALLEY": 114_000
    }  # fmt: skip
    assert {one.to_account for one in bills[billed.RETAIL].postings} >= {"retailer-2"}


def test_what_is_not_said_is_asked_for(county: Any, tmp_path: Path) -> None:
    for arguments, words in (
        ((EXAMPLE,), "say --run FOLDER or --terms FILE"),
        ((tmp_path / "none.jsonl", "--terms", MONTH_TERMS), "No such file"),
        (("--on", "2026-02"), "'2026-02' is not a day"),
    ):
        status, _, err = run(county, *arguments)
        assert status == 2
        assert words in err
    found = CliRunner().invoke(app, ["terms"])
    assert (found.exit_code, found.stderr) == (2, "microbalance month: say --run FOLDER or --database URL\n")


def test_the_run_folder_knows_database_and_terms(county: Any, tmp_path: Path) -> None:
    (tmp_path / "prepared.json").write_text(json.dumps({"database": str(county.engine.url), "broker": None}))
    (tmp_path / "month-terms.json").write_bytes(MONTH_TERMS.read_bytes())
    found = CliRunner().invoke(app, ["terms", str(EXAMPLE), "--run", str(tmp_path), "--json"])
    assert (found.exit_code, json.loads(found.stdout)["new"]) == (0, 4)
    found = CliRunner().invoke(app, ["terms", "--run", str(tmp_path / "nowhere")])
    assert found.exit_code == 2
    assert "is not prepared" in found.stderr
