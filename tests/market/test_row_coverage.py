"""No row of the market is forgotten: each has a golden case in tests/golden/market, or is named here with where or why.

Folders are named by the row's id; a case says its row in case.json, a case of a listing's events in listing.json.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "market"

# group -> (first row, number of its first id, rows)
GROUPS = {
    "ACT": (1, 1, 13),
    "UNIT": (14, 1, 10),
    "MODE": (24, 1, 6),
    "LIST": (30, 1, 20),
    "SPOT": (50, 1, 15),
    "STO": (135, 8, 1),
    "GRN": (144, 1, 11),
    "TRF": (166, 1, 3),
    "AGY": (169, 1, 7),
    "XPR": (176, 1, 5),
}
ROWS = {
    f"{group}-{first_id + number:02d}": first_row + number
    for group, (first_row, first_id, count) in GROUPS.items()
    for number in range(count)
}

# Rows whose acceptance example is asserted by another test: row id -> file, and what to find in it.
ELSEWHERE = {
    "SPOT-01": ("tests/settlement/test_requirement_rows.py", "test_rows_50_and_51"),
    "SPOT-02": ("tests/settlement/test_requirement_rows.py", "test_rows_50_and_51"),
    "SPOT-03": ("tests/settlement/test_requirement_rows.py", "test_row_52"),
    "SPOT-06": ("tests/simulators/test_provincial_prices.py", "row_55s_acceptance_case"),
}
# Rows of which this market has no part to test, with the reason.
NOT_HERE: dict[str, str] = {}


@pytest.mark.parametrize("row_id", ROWS)
def test_each_row_has_a_case_or_a_stated_place(row_id: str) -> None:
    folder = GOLDEN / row_id
    places = [folder.is_dir(), row_id in ELSEWHERE, row_id in NOT_HERE]
    assert sum(places) == 1, f"row {ROWS[row_id]} ({row_id}) has {sum(places)} places"
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        assert names & {"case.json", "listing.json"}
        assert all(path.stat().st_size for path in folder.iterdir())


def test_what_is_said_to_stand_elsewhere_does() -> None:
    for row_id, (path, what) in ELSEWHERE.items():
        assert what in (ROOT / path).read_text(encoding="utf8"), row_id
    assert all(len(reason) > 30 for reason in NOT_HERE.values())


def test_each_case_of_registry_and_timetable_is_read_by_a_test() -> None:
    sources = "\n".join(path.read_text(encoding="utf8") for path in (ROOT / "tests").rglob("test_*.py"))
    read_here = ("ACT", "UNIT", "MODE", "SPOT", "HOST")
    own = [folder.name for folder in GOLDEN.iterdir() if (folder / "case.json").is_file()]
    unread = [name for name in own if name.startswith(read_here) and name not in sources]
    assert unread == []
