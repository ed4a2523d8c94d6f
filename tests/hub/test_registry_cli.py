"""`microbalance registry`: the register and the refusals of an event file, as text and as JSON."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hub.market.registry.provincial_schema import export_from_document
from hub.registry_cli import app

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market"
RUN = CliRunner()


def event_file(folder: Path, row_id: str) -> str:
    rows = json.loads((GOLDEN / row_id / "case.json").read_text(encoding="utf8"))["events"]
    lines = (GOLDEN / "registry_world" / "events.jsonl").read_text() + "\n".join(json.dumps(row) for row in rows)
    path = folder / "events.jsonl"
    path.write_text(lines)
    return str(path)


def test_refusals_are_told_with_their_reasons(tmp_path: Path) -> None:
    result = RUN.invoke(app, [event_file(tmp_path, "ACT-01")])
    assert result.exit_code == 0
    assert "refused 27 ParticipantApplied" in result.stdout
    assert "class: there is no class 'OTHER'" in result.stdout


def test_the_register_of_a_day_as_json(tmp_path: Path) -> None:
    path = event_file(tmp_path, "ACT-10")
    before = json.loads(RUN.invoke(app, [path, "--as-of", "2026-03-31", "--json"]).stdout)
    after = json.loads(RUN.invoke(app, [path, "--as-of", "2026-04-01", "--json"]).stdout)
    modes = [
        {row["meter_id"]: (row["supply_mode"], row["supply_by"]) for row in one["meters"]} for one in (before, after)
    ]
    assert modes[0] == {"m-shop": ("AGENCY", "P-supply-commercial-1")}
    assert modes[1] == {"m-shop": ("DIRECT", "opt-in")}
    assert before["counts"] == {"recorded": 26, "repeated": 0, "waiting": 0, "refused": 0}


def test_who_waits_and_where(tmp_path: Path) -> None:
    shown = json.loads(RUN.invoke(app, [event_file(tmp_path, "HOST-02"), "--json"]).stdout)
    waiting = [
        (row["event_id"], row["reason"], row["what"]) for row in shown["outcomes"] if row["outcome"] == "waiting"
    ]
    assert [reason for _, reason, _ in waiting] == ["room", "queue"]
    assert waiting[0][2] == "place 1; B has 1000 kW"
    assert {row["element"]: row["room_kw"] for row in shown["elements"]}["B"] == 2500


def test_the_provincial_document_can_be_read_back(tmp_path: Path) -> None:
    result = RUN.invoke(app, [event_file(tmp_path, "UNIT-07"), "--provincial", "A", "--as-of", "2026-03-01"])
    assert export_from_document(json.loads(result.stdout)).contracts[0].energy_wh == 123_456_789


def test_the_example_of_a_county() -> None:
    """Elections from their days, a retailer's exit, a waiting list: the file that the documentation shows."""
    case = json.loads((GOLDEN / "registry_example" / "case.json").read_text(encoding="utf8"))
    path = str(GOLDEN.parents[2] / "docs" / "examples" / "registry-county.jsonl")

    def shown(day: str) -> dict[str, Any]:
        result = RUN.invoke(app, [path, "--as-of", day, "--json"])
        assert (result.exit_code, result.stderr) == (0, "")
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    whole = shown("2026-03-16")
    assert whole["counts"] == case["counts"]
    not_recorded = [row for row in whole["outcomes"] if row["outcome"] != "recorded"]
    assert [[row["event_id"], row["outcome"], row["reason"]] for row in not_recorded] == case["not_recorded"]
    assert whole["outcomes"][-1]["consequences"] == case["retailer_exit"]
    assert {row["element"]: row["room_kw"] for row in whole["elements"]} == case["room_kw"]
    assert [row["project_id"] for row in whole["waiting"]] == case["waiting"]
    for day, modes in case["days"].items():
        assert {row["meter_id"]: [row["supply_mode"], row["sale_mode"]] for row in shown(day)["meters"]} == modes
    for day, status in case["status_of_retailer"].items():
        assert {row["participant_id"]: row["status"] for row in shown(day)["participants"]}["retailer-1"] == status
    for day, contracts in case["contracts"].items():
        assert shown(day)["contracts"] == contracts


def test_a_wrong_command_line_is_one_line_and_status_2(tmp_path: Path) -> None:
    bad, empty = tmp_path / "bad.jsonl", tmp_path / "empty.jsonl"
    bad.write_text('{"event":"Nothing"}\n')
    empty.write_text("\n")
    good = event_file(tmp_path, "ACT-01")
    for arguments, told in (
        ([str(tmp_path / "none.jsonl")], "No such file"),
        ([str(bad)], "line 1"),
        ([str(empty)], "no event"),
        ([good, "--as-of", "yesterday"], "not a day"),
        ([good, "--provincial", "Z"], "no balance unit Z"),
    ):
        result = RUN.invoke(app, arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert told in result.stderr
