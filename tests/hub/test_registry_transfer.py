"""`microbalance registry import` and `export`: a file of events into a hub's registry log, and back to the byte."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session
from typer.testing import CliRunner

import microbalance
from edge.contract.interval import first_interval_of_day
from hub import cli
from hub.market.registry.access import Role
from hub.market.registry.events import decode_events
from hub.market.registry.fold import fold
from hub.market.registry.register import only_county
from hub.registry_cli import app
from hub.store.engine import open_engine
from hub.store.registry_events import read_registry_records
from hub.store.tables import ExchangeScheduleRow

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "registry-county.jsonl"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "market" / "registry_example" / "case.json"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, toy_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "run"
    done = CliRunner().invoke(cli.app, ["prepare", "--county", str(toy_folder), "--run", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def run(prepared: Path, tmp_path: Path) -> Path:
    """A prepared run folder with an empty log and a database of its own."""
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    document = json.loads((folder / "prepared.json").read_text())
    database = document["database"].replace(str(prepared.resolve()), str(folder.resolve()))
    (folder / "prepared.json").write_text(json.dumps(document | {"database": database}))
    return folder


def invoke(*words: object, environment: dict[str, str] | None = None) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words], env=environment)


def imported(*words: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(invoke("import", *words, "--json").stdout)
    return document


def standing_lines(folder: Path) -> Path:
    """The example without what the registry refuses."""
    refused = {row[0] for row in json.loads(GOLDEN.read_text(encoding="utf8"))["not_recorded"] if row[1] == "refused"}
    lines = [line for line in EXAMPLE.read_text().splitlines() if json.loads(line)["event_id"] not in refused]
    path = folder / "standing.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_history_goes_in_whole_and_comes_out_to_the_byte(run: Path, prepared: Path, tmp_path: Path) -> None:
    file = standing_lines(tmp_path)
    dry = imported(file, "--run", run, "--keep-dates", "--dry-run")
    assert (dry["dry_run"], dry["written"], dry["refused"]) == (True, False, 0)
    assert invoke("export", "--run", run).stdout == ""
    done = imported(file, "--run", run, "--keep-dates")
    assert done["written"]
    assert done["recorded"] + done["waiting"] == len(file.read_text().splitlines())
    assert [row["line"] for row in done["lines"]] == list(range(1, len(done["lines"]) + 1))

    exported = tmp_path / "exported.jsonl"
    assert invoke("export", "--run", run, "--out", exported).exit_code == 0
    assert [json.loads(one) for one in exported.read_text().splitlines()] != []
    # The same register as the file makes without a hub, and the same bytes from a hub that took the export in.
    for day in ("2026-03-16", "2026-06-01"):
        shown = [json.loads(invoke(one, "--as-of", day, "--json").stdout) for one in (file, exported)]
        assert shown[0] == shown[1]
    other = Path(shutil.copytree(prepared, tmp_path / "other"))
    document = json.loads((other / "prepared.json").read_text())
    database = document["database"].replace(str(prepared.resolve()), str(other.resolve()))
    (other / "prepared.json").write_text(json.dumps(document | {"database": database}))
    assert imported(exported, "--run", other, "--keep-dates")["written"]
    assert invoke("export", "--run", other).stdout_bytes == exported.read_bytes()


def test_the_same_file_again_changes_nothing(run: Path, tmp_path: Path) -> None:
    file = standing_lines(tmp_path)
    first = imported(file, "--run", run, "--keep-dates")
    before = invoke("export", "--run", run).stdout
    for dates in ([], ["--keep-dates"]):
        again = imported(file, "--run", run, *dates)
        assert (again["repeated"], again["recorded"]) == (len(first["lines"]), 0)
    assert invoke("export", "--run", run).stdout == before


def test_one_refused_event_keeps_the_whole_file_out_and_each_is_named(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    lines = EXAMPLE.read_text().splitlines()
    changed = json.dumps(
        json.loads(lines[0]) | {"recorded_on": "2026-01-06", "version": json.loads(lines[1])["version"]}
    )
    file.write_text("\n".join([*lines, "", '{"event":"Nothing"}', changed]) + "\n")
    result = invoke("import", file, "--run", run, "--keep-dates")
    assert result.exit_code == 2
    assert "nothing is written" in result.stdout
    told = result.stderr.splitlines()
    golden = json.loads(GOLDEN.read_text(encoding="utf8"))["not_recorded"]
    for event_id, outcome, reason in golden:
        if outcome == "refused":
            number = next(n for n, line in enumerate(lines, 1) if json.loads(line)["event_id"] == event_id)
            assert any(one.startswith(f"line {number}: {event_id}: {reason}: ") for one in told)
    assert any(one.startswith(f"line {len(lines) + 2}: no event: no-event: ") for one in told)
    assert any(one.startswith(f"line {len(lines) + 3}: eligibility-1: conflict: another event") for one in told)
    assert invoke("export", "--run", run).stdout == ""


def test_what_is_refused_may_be_kept_as_it_is_of_events_sent_one_by_one(run: Path) -> None:
    kept = imported(EXAMPLE, "--run", run, "--keep-dates", "--keep-refused")
    golden = json.loads(GOLDEN.read_text(encoding="utf8"))
    assert kept["written"]
    assert {name: kept[name] for name in ("recorded", "waiting", "refused")} == {
        name: golden["counts"][name] for name in ("recorded", "waiting", "refused")
    }
    whole, standing = (invoke("export", "--run", run, *words).stdout for words in (["--with-refused"], []))
    assert len(whole.splitlines()) - len(standing.splitlines()) == kept["refused"] > 0
    # Without the flag, what was refused before is refused again; with it, the file may be taken in again.
    assert imported(EXAMPLE, "--run", run, "--keep-dates")["refused"] == kept["refused"]
    again = imported(EXAMPLE, "--run", run, "--keep-dates", "--keep-refused")
    assert (again["written"], again["recorded"], again["refused"]) == (True, 0, kept["refused"])
    assert invoke("export", "--run", run, "--with-refused").stdout == whole


def test_without_a_day_of_its_own_an_event_is_recorded_when_the_hub_takes_it_in(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    rule = json.loads(EXAMPLE.read_text().splitlines()[0])
    del rule["recorded_on"]
    file.write_text(json.dumps(rule))
    assert imported(file, "--run", run)["written"]
    (event,) = map(json.loads, invoke("export", "--run", run).stdout.splitlines())
    assert event["recorded_on"] > "2026-01-05"
    future = tmp_path / "future.jsonl"
    future.write_text(json.dumps(rule | {"event_id": "later", "recorded_on": "2999-01-01"}))
    (line,) = imported(future, "--run", run, "--keep-dates")["lines"]
    assert (line["outcome"], line["reason"]) == ("refused", "not-yet")


def test_who_takes_a_file_in_is_an_operator_and_stands_in_the_log(run: Path, tmp_path: Path) -> None:
    file = standing_lines(tmp_path)
    keys = {
        name: CliRunner().invoke(cli.app, ["key", name, "--run", str(run), "--role", role.value]).stdout.strip()
        for name, role in (("desk", Role.OPERATOR), ("watch", Role.REGULATOR))
    }
    words = ("import", file, "--run", run, "--keep-dates")
    for key, what in (
        (None, "give an operator's"),
        ("x" * 43, "nobody has the key"),
        (keys["watch"], "may change nothing"),
    ):
        refused = invoke(*words, environment={} if key is None else {"MICROBALANCE_KEY": key})
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert what in refused.stderr
    assert invoke("export", "--run", run).stdout == ""
    assert invoke(*words, environment={"MICROBALANCE_KEY": keys["desk"]}).exit_code == 0
    engine = open_engine(json.loads((run / "prepared.json").read_text())["database"], read_only=True)
    with Session(engine) as session:
        assert {record.event.actor for record in read_registry_records(session, "toy")} == {"desk"}
    engine.dispose()


def test_on_postgresql(postgresql_url: str, toy_folder: Path, tmp_path: Path) -> None:
    words = ["prepare", "--county", str(toy_folder), "--run", str(tmp_path / "run"), "--database", postgresql_url]
    assert CliRunner().invoke(cli.app, words).exit_code == 0
    file = standing_lines(tmp_path)
    assert imported(file, "--run", tmp_path / "run", "--keep-dates")["written"]
    exported = invoke("export", "--run", tmp_path / "run").stdout
    again = imported(file, "--run", tmp_path / "run", "--keep-dates")
    assert again["repeated"] == len(exported.splitlines()) == len(file.read_text().splitlines())
    assert invoke("export", "--run", tmp_path / "run").stdout == exported


def test_a_wrong_command_line_is_one_line_and_status_2(run: Path, tmp_path: Path, capsys: Any) -> None:
    never = tmp_path / "never"
    for words, told in (
        (["import", str(EXAMPLE), "--run", str(never)], "is not prepared"),
        (["export", "--run", str(never)], "is not prepared"),
        (["import", str(tmp_path / "none.jsonl"), "--run", str(run)], "No such file"),
        (["import", str(EXAMPLE)], "Missing option '--run'"),
    ):
        assert microbalance._run("registry", words) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert told in said


def test_the_provincial_document_takes_the_schedule_of_a_hub(run: Path) -> None:
    """The example's one county; the hub's day is scheduled to its end."""
    day = date(2026, 6, 1)
    engine = open_engine(json.loads((run / "prepared.json").read_text())["database"])
    with Session(engine) as session:
        first = first_interval_of_day(day)
        rows = [ExchangeScheduleRow(interval=first + number, import_wh=5, export_wh=0) for number in range(96)]
        session.add_all(rows)
        session.commit()
    engine.dispose()
    folded = fold(decode_events(EXAMPLE.read_bytes())).register
    words = (EXAMPLE, "--as-of", day, "--provincial", only_county(folded))
    assert json.loads(invoke(*words).stdout)["schedules"] == []
    (schedule,) = json.loads(invoke(*words, "--run", run).stdout)["schedules"]
    assert {row["energy_mwh"] for row in schedule["periods"]} == {"0.000005"}
