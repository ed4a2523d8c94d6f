"""No row of the tariffs is forgotten: each has a golden case, and a test that reads it."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "settlement"
GROUPS = {"TOU": (65, 14), "BILL": (94, 5), "TND": (101, 9), "LOSS": (110, 3), "SYS": (113, 7)}
SINGLE = {"DIS-05": 163, "DIS-07": 165, "AGY-07": 175, "DATA-04": 190}
ROWS = {f"{name}-{n + 1:02d}": first + n for name, (first, count) in GROUPS.items() for n in range(count)} | SINGLE


@pytest.mark.parametrize("row_id", ROWS)
def test_each_row_has_a_case_and_a_reader(row_id: str) -> None:
    case = json.loads((GOLDEN / row_id / "case.json").read_text(encoding="utf8"))
    assert (case["row"], case["requirement"]) == (row_id, ROWS[row_id])
    assert case["acceptance"]
    assert case["source"]
    folder = Path(__file__).parent
    assert any(f'row_case("{row_id}")' in path.read_text(encoding="utf8") for path in folder.glob("test_*.py"))
