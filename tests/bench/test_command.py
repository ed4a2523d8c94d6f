"""`microbalance bench`: a list, one object, one line for what is wrong."""

import json
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

import microbalance
from grid_models.bench.measuring import BenchError, Comparison, Outcome, Show, Timed


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["microbalance", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        microbalance.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def two_benches(monkeypatch: pytest.MonkeyPatch) -> None:
    """One benchmark that works and one that fails."""
    good, bad = ModuleType("good_bench"), ModuleType("bad_bench")

    def measure(_workbench: object) -> Outcome:
        row = Comparison("nothing", Show.MILLISECONDS, "rows", Timed("ours", (0.001,), (0.001,), 1), None, "")
        return Outcome((row,), {"none": "0"})

    def fail(_workbench: object) -> Outcome:
        raise BenchError("the two differ")

    good.measure, bad.measure = measure, fail
    monkeypatch.setitem(sys.modules, "good_bench", good)
    monkeypatch.setitem(sys.modules, "bad_bench", bad)
    table = MappingProxyType({"bad": ("bad_bench", "Fails."), "good": ("good_bench", "Works.")})
    monkeypatch.setattr(microbalance, "BENCHES", table)


def test_all_benchmarks_run_and_give_one_json_object(
    toy_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = call(monkeypatch, "all", "--small", "--json", "--runs", "1", "--county", str(toy_folder))
    said = capsys.readouterr()
    assert (status, said.err) == (0, "")
    document = json.loads(said.out)
    assert [*document["benches"], *document["left_out"]] == sorted(
        microbalance.BENCHES, key=lambda name: name in document["left_out"]
    )
    assert set(document["left_out"].values()) <= {"needs --data"}
    assert document["failed"] == {}
    assert document["small"] is True
    assert document["machine"]
    assert document["date"].endswith("UTC")
    for bench in document["benches"].values():
        assert len(bench["load_average"]["before"]) == 3
        assert bench["versions"]
        assert all(row["ours"]["seconds_of_one"] > 0 for row in bench["rows"])
        compared = [row for row in bench["rows"] if row["peer"] is not None]
        assert all(row["ratio"] > 0 for row in compared)
        assert any(row["agreed"] for row in compared)


def test_without_a_name_they_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == [*microbalance.BENCHES, "all"]
    assert call(monkeypatch, "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["benches"]) == list(microbalance.BENCHES)


@pytest.mark.usefixtures("two_benches")
def test_one_that_fails_is_named_and_the_others_are_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "all") == 1
    said = capsys.readouterr()
    assert said.err == "microbalance bench bad: the two differ\n"
    assert "## good" in said.out
    assert "## bad" not in said.out
    assert call(monkeypatch, "all", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["failed"] == {"bad": "the two differ"}
    assert list(document["benches"]) == ["good"]
    assert call(monkeypatch, "good") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "no benchmark 'nosuch'"),
        (["store", "--runs", "0"], "--runs"),
        (["store", "--county", "nowhere"], "--county nowhere"),
        (["store", "ingest"], "unexpected extra argument"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_a_bad_value_gets_one_line_and_status_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("microbalance bench: ")
    assert words in said.err
