"""The bill case that the README names is the golden one."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_example_is_the_golden_bill() -> None:
    golden = json.loads((ROOT / "tests/golden/settlement/BILL-06/case.json").read_text(encoding="utf-8"))
    example = json.loads((ROOT / "docs/examples/bill-hubei-2026-01.json").read_text(encoding="utf-8"))
    assert example == golden["given"]
