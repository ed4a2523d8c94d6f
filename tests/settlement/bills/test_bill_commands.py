"""`microbalance bill` and `explain`: files, refusals in one line, and steps that a reader can do by hand."""

import io
import json
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from hub import bill_cli, explain_cli
from hub.reports.glyphs import check_printable, texts_of
from hub.settlement.bills.bill import BillComponent
from hub.settlement.provinces.keys import PeriodKind
from hub.texts import LANGUAGES, load_texts

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `bill` on a case, or another application on arguments."""

    def invoke(case: dict[str, Any], *arguments: str, app: Any = bill_cli.app) -> Any:
        path = tmp_path / "case.json"
        path.write_text(json.dumps(case), "utf-8")
        return CliRunner().invoke(app, [str(path), *arguments])

    return invoke


def supply(*modes: tuple[str, str, str | None]) -> list[dict[str, Any]]:
    return [{"supply_mode": mode, "from_day": since, "until_day": until} for mode, since, until in modes]


HUGE = [{"period": "FLAT", "quantity": "9000000", "unit": "GWh"}]
CHARGE = {
    "component": "green",
    "payee": "seller",
    "rule_version": "environmental-value-1",
    "quantity": 10**15,
    "unit": "Wh",
    "price_uyuan": 10**6,
    "prices": [{"version_id": "c", "what": "c", "text": "1", "document": "c", "source": "c", "mark": "source"}],
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"month": "2026-03-01"}, r"row 165 on 2026-03-01: no version of agency_energy .*; load the month's agency"),
    ({"province": "guangxi"}, r"row \d+ on 2026-01-01: no version of .*guangxi.*; load "),
    (
        {"supply": supply(("AGENCY", "2025-01-01", None), ("DIRECT", "2026-01-10", None))},
        r"row 2 on 2026-01-10: .* load",
    ),
    ({"supply": supply(("AGENCY", "2025-01-01", "2026-01-20"))}, r"row 2 on 2026-01-31: .*no supply mode; load"),
    (
        {"supply": supply(("AGENCY", "2025-01-01", "2026-01-20"), ("RETAIL", "2026-01-20", None))},
        r"row 2 on 2026-01-31: the supply mode changes within the month; load",
    ),
    ({"election": "DEMAND", "demand": {"quantity": "-5", "unit": "kW"}}, r"row 103: the demand is -5000 W.*; load"),
    ({"election": "DEMAND"}, r"row 103 on 2026-01-01: no maximum demand of meter-1; load"),
    ({"demand": {"quantity": "5", "unit": "kVA"}, "election": "DEMAND"}, r"no unit 'kVA' of W"),
    ({"capacities": []}, r"row 101 on 2026-01-01: no election or capacity of meter-1; load"),
    ({"capacities": [{"quantity": "90", "unit": "kVA"}]}, r"row 101 on 2026-01-01: 90000 VA has no TWO_PART.*; load"),
    (
        {"capacities": [{"quantity": "630", "unit": "kVA", "from_day": "2026-01-02"}]},
        r"row 109 on 2026-01-01: no capacity, or two; load",
    ),
    (
        {"energy": [{"period": "FLAT", "quantity": "-1", "unit": "kWh"}]},
        r"row 99 on 2026-01: energy of FLAT is -1000 Wh",
    ),
    ({"energy": [{"period": "DEEP_VALLEY", "quantity": "1", "unit": "kWh"}]}, r"row 65 .*has no DEEP_VALLEY.*; load"),
    ({"energy": [{"period": "NOON", "quantity": "1", "unit": "kWh"}]}, r"energy of NOON is of no kind of period; load"),
    (
        {"energy": [{"period": "FLAT", "quantity": "1", "unit": "kWh"}] * 2},
        r"row 99 on 2026-01: energy of FLAT stands twice; load each period once",
    ),
    ({"market_energy": [CHARGE]}, r"row 2 on 2026-01-01: meter-1 is supplied by AGENCY and has traded energy; load"),
    (
        {"charges": [{**CHARGE, "quantity": 1, "prices": []}]},
        r"row 99 on 2026-01: green: .* no version; load the price",
    ),
    ({"charges": [{**CHARGE, "amount_nano_yuan": 1}]}, r"row 99 on 2026-01: green has both a price and an amount"),
    # each alone leaves int64, together they would not
    ({"charges": [CHARGE, {**CHARGE, "quantity": -(10**15)}]}, r"row 189 on 2026-01: green: .* leaves 64 bits; load"),
    ({"energy": HUGE}, r"row 189 on 2026-01: .* leaves 64 bits; load"),
    ({"month": "2026-01-02"}, r"row 99 on 2026-01-02: a bill's month is named by its first day"),
    ({"tariff_type": "THREE_PART"}, r"not a bill case: Invalid enum value 'THREE_PART' - at `\$.tariff_type`"),
    ({"surprise": 1}, r"not a bill case: Object contains unknown field `surprise`"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[re.sub(r"\W+", "-", one[1])[:40] for one in REFUSED])
def test_bad_input_is_refused_in_one_line_and_nothing_is_written(
    change: dict[str, Any], message: str, given: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    outcome = run({**given, **change}, "--pdf", str(tmp_path / "bill.pdf"), "--json")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"microbalance bill: {tmp_path / 'case.json'}: ")
    assert re.search(message, line), line
    assert [path.name for path in tmp_path.iterdir()] == ["case.json"]


def test_a_file_that_is_not_there_or_a_bill_that_was_changed_is_refused(
    given: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    missing = run(given, "--previous", str(tmp_path / "no.json"))
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert "no.json: No such file" in missing.stderr
    bill = json.loads(run(given, "--json").stdout)
    bill["total_fen"] += 1
    refused = run(bill, "1", app=explain_cli.app)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "law 7, bill BILL-06-2026-01: total fen: 11967709, not 11967708" in refused.stderr
    beyond = run(json.loads(run(given, "--json").stdout), "6", app=explain_cli.app)
    assert (beyond.exit_code, beyond.stderr.count("\n")) == (2, 1)
    assert "has lines 1 to 5, no line 6" in beyond.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_shows_every_line_and_a_rerun_gives_the_same_bytes(
    language: str, given: dict[str, Any], hubei_february: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(run(given, "--json").stdout, "utf-8")
    february = {**given, "bill_id": "2", "month": "2026-02-01", "documents": [hubei_february]}
    files = [tmp_path / f"{number}.pdf" for number in range(2)]
    for file in files:
        outcome = run(february, "--previous", str(earlier), "--pdf", str(file), "--language", language)
        assert outcome.exit_code == 0, outcome.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    with PdfReader(io.BytesIO(files[0].read_bytes())) as pdf:
        found = " ".join(" ".join(page.extract_text().split()) for page in pdf.pages)
        assert pdf.metadata is not None
        assert pdf.metadata.creation_date_raw is None or pdf.metadata.creation_date_raw.startswith("D:20260228")
    texts = load_texts(language)["bill"]
    assert not isinstance(texts, str)
    for name in ("title", "lines", "components", "change", "prices"):
        assert str(texts[name]) in found, name
    # 12,000 x 1.037654 = 12,451.848; less 150,000 x 0.012345 in all
    for number in ("12,451.85", "117,825.33", "119,677.08", "0.785502", "−1,851.75", "0.004300"):
        assert number in found, number


def test_the_workbook_holds_the_numbers_and_a_rerun_gives_the_same_bytes(
    given: dict[str, Any], run: Run, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.xlsx" for number in range(2)]
    for file in files:
        assert run(given, "--xlsx", str(file), "--language", "en").exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    book = openpyxl.load_workbook(files[0], read_only=True)
    assert book.sheetnames == ["Charges", "What the charges consist of", "Where the prices come from"]
    header, *lines, total = [list(row) for row in book["Charges"].iter_rows(values_only=True)]
    assert header[:7] == ["No.", "Item", "Quantity", "Unit", "Price", "Exact amount (yuan)", "Amount (yuan)"]
    assert lines[1][:7] == [2, "Period price, peak", 45000, "kWh", 0.848961, 38203.245, 38203.25]
    assert total[6] == 119677.08
    book.close()


def test_a_line_is_explained_with_numbers_that_give_it(given: dict[str, Any], run: Run) -> None:
    bill = json.loads(run(given, "--json").stdout)
    outcome = run(bill, "2", "--language", "en", "--json", app=explain_cli.app)
    assert outcome.exit_code == 0, outcome.stderr
    steps = json.loads(outcome.stdout)["steps"]
    product = next(step for step in steps if "×" in step)
    quantity, price, exact = re.search(r"([\d,.]+) kWh × ([\d.]+) yuan/kWh = ([\d,.]+) yuan", product).groups()
    number = {name: Decimal(text.replace(",", "")) for name, text in (("q", quantity), ("p", price), ("e", exact))}
    assert number["q"] * number["p"] == number["e"]
    rounded = str(number["e"].quantize(Decimal("0.01"), ROUND_HALF_UP))
    assert rounded == "38203.25"
    assert any("38,203.25 yuan" in step and "0.005000000" in step for step in steps)
    parts = next(step for step in steps if "D_net" in step)
    paid = [Decimal(text.replace(",", "")) for text in re.findall(r"kWh, ([\d,.]+) yuan", parts)]
    assert len(paid) == 5
    assert sum(paid) == number["e"]
    for text in ("meter-1", "hubei-tou-2026", "t20260108_568308", "tou-published-1", given["meter_data_hash"]):
        assert any(text in step for step in steps), text


def test_a_reduced_price_is_explained_by_its_factor(given: dict[str, Any], run: Run) -> None:
    given |= {"election": "DEMAND", "demand": {"quantity": "500", "unit": "kW"}}
    given["capacities"] = [{"quantity": "576", "unit": "kVA"}]
    bill = json.loads(run(given, "--json").stdout)
    outcome = run(bill, "5", "--language", "en", app=explain_cli.app)
    assert "42.000000 × 0.9, rounded half-up to 0.000001 yuan: 37.800000" in outcome.stdout
    assert "500.000 kW × 37.800000 yuan/kW = 18,900.000000000 yuan" in outcome.stdout


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_texts_of_bills_are_whole_and_can_be_printed(language: str) -> None:
    texts = load_texts(language)["bill"]
    check_printable(texts_of(texts))
    chinese = load_texts("zh-CN")["bill"]
    names = [sorted(re.findall(r"{\w+}", text)) for text in texts_of(texts)]
    assert names == [sorted(re.findall(r"{\w+}", text)) for text in texts_of(chinese)]
    assert not isinstance(texts, str)
    assert set(texts["line"]) == {one.value for one in BillComponent}
    assert set(texts["period"]) == set(PeriodKind.__members__)
