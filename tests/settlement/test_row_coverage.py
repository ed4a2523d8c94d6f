"""No row of settlement is forgotten: each has a golden case of settlement or market, or is named with where or why.

Rows 24 to 29, 50 to 154 and 166 to 190 of the requirements, and the worked rules of outside-rules. Folders are named by
the row's id, or outside-<section>.
"""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARKET, SETTLEMENT = ROOT / "tests" / "golden" / "market", ROOT / "tests" / "golden" / "settlement"

# group -> (first row, rows); the first id of each is 01
GROUPS = {
    "MODE": (24, 6),
    "SPOT": (50, 15),
    "TOU": (65, 14),
    "RET": (79, 15),
    "BILL": (94, 7),
    "TND": (101, 9),
    "LOSS": (110, 3),
    "SYS": (113, 7),
    "ANC": (120, 8),
    "STO": (128, 9),
    "HOST": (137, 7),
    "GRN": (144, 11),
    "TRF": (166, 3),
    "AGY": (169, 7),
    "XPR": (176, 5),
    "RES": (181, 6),
    "DATA": (187, 4),
}
ROWS = {
    f"{group}-{number + 1:02d}": first_row + number
    for group, (first_row, count) in GROUPS.items()
    for number in range(count)
}
OUTSIDE = ("outside-4", "outside-7", "outside-8", "outside-9", "outside-11", "outside-12")

# Rows whose acceptance example is asserted without a folder: row id -> file, and what to find in it.
ELSEWHERE = {
    "SPOT-01": ("tests/settlement/test_requirement_rows.py", "test_rows_50_and_51"),
    "SPOT-02": ("tests/settlement/test_requirement_rows.py", "test_rows_50_and_51"),
    "SPOT-03": ("tests/settlement/test_requirement_rows.py", "test_row_52"),
    "SPOT-06": ("tests/simulators/test_provincial_prices.py", "row_55s_acceptance_case"),
    "HOST-01": ("tests/grid_models/test_standard_2041.py", "test_row_137_the_device_carries_65_mw"),
    "HOST-03": ("tests/grid_models/test_standard_2041.py", "test_row_139_520_kw_through_630_kva"),
    "HOST-04": ("tests/grid_models/test_standard_2041.py", "test_row_140_four_mw_of_storage"),
    "DATA-01": ("tests/settlement/test_money.py", "test_energy_units_of_row_187"),
    "DATA-02": ("tests/settlement/test_money.py", "test_price_units_of_row_188"),
    "DATA-03": ("tests/settlement/test_requirement_rows.py", "test_row_189_a_mean_price"),
}
# Rows with market cases whose money settlement asserts too: row id -> the test of settlement that reads the case.
MONEY_OF_MARKET_CASES = {
    "MODE-01": "tests/settlement/test_mode_rows.py",
    "MODE-02": "tests/settlement/test_mode_rows.py",
    "MODE-03": "tests/settlement/test_mode_rows.py",
    "MODE-04": "tests/settlement/test_mode_rows.py",
    "SPOT-12": "tests/settlement/renewables/test_renewable_rows.py",
    "SPOT-13": "tests/settlement/renewables/test_renewable_rows.py",
    "SPOT-15": "tests/settlement/renewables/test_renewable_rows.py",
    "STO-08": "tests/settlement/storage/test_storage_rows.py",
    "GRN-03": "tests/settlement/green/test_green_settlement.py",
    "GRN-07": "tests/settlement/green/test_green_settlement.py",
    "TRF-01": "tests/settlement/agency/test_agency_rows.py",
    "TRF-02": "tests/settlement/agency/test_agency_rows.py",
    "AGY-01": "tests/settlement/agency/test_agency_rows.py",
    "AGY-03": "tests/settlement/agency/test_agency_rows.py",
    "XPR-03": "tests/settlement/agency/test_agency_rows.py",
    "XPR-05": "tests/settlement/agency/test_agency_rows.py",
}
# Rows of which there is nothing to compute, with the reason.
NOT_HERE: dict[str, str] = {}


def says_of(path: Path) -> str:
    return path.read_text(encoding="utf8")


@pytest.mark.parametrize("row_id", ROWS)
def test_each_row_has_a_case_or_a_stated_place(row_id: str) -> None:
    has_case = any((folder / row_id).is_dir() for folder in (MARKET, SETTLEMENT))
    assert has_case or row_id in ELSEWHERE or row_id in NOT_HERE, f"row {ROWS[row_id]} ({row_id}) has no place"
    assert not (has_case and row_id in NOT_HERE), f"row {ROWS[row_id]} ({row_id}) has a case and a reason for none"


@pytest.mark.parametrize("name", OUTSIDE)
def test_each_worked_rule_of_outside_rules_has_a_case(name: str) -> None:
    document = json.loads(says_of(SETTLEMENT / name / "case.json"))
    assert document["acceptance"]
    assert f"section {name.removeprefix('outside-')}" in document["source"]


def test_the_groups_are_the_rows_of_the_issue() -> None:
    assert sorted(ROWS.values()) == [*range(24, 30), *range(50, 155), *range(166, 191)]


def test_what_is_said_to_stand_elsewhere_does() -> None:
    for row_id, (path, what) in ELSEWHERE.items():
        assert what in says_of(ROOT / path), row_id
    for row_id, path in MONEY_OF_MARKET_CASES.items():
        assert (MARKET / row_id / "case.json").is_file()
        text = says_of(ROOT / path)
        assert f'"market/{row_id}"' in text or ('f"market/{row_id}"' in text and f'"{row_id}"' in text), row_id
    assert all(len(reason) > 30 for reason in NOT_HERE.values())


def test_each_case_names_its_row_and_source_and_is_read_by_a_test() -> None:
    sources = "\n".join(says_of(path) for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    for folder in sorted(SETTLEMENT.iterdir()):
        document = json.loads(says_of(folder / "case.json"))
        if folder.name in ROWS:
            assert document["requirement"] == ROWS[folder.name], folder.name
            assert document["acceptance"], folder.name
        assert document["source"], folder.name
        assert folder.name in sources, f"no test reads {folder.name}"
