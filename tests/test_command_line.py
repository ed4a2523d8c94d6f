"""The command `microbalance`: finds its commands lazily, and says in one line what is wrong with a command line."""

import subprocess
import sys

import pytest

import microbalance

HEAVY = {"hub", "simulators", "grid_models", "edge", "numpy", "pandapower", "scipy", "fastapi", "sqlalchemy"}


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["microbalance", *arguments])
    try:
        microbalance.main()
    except SystemExit as ended:
        return ended.code
    return 0


@pytest.mark.parametrize("name", microbalance.COMMANDS)
def test_an_unknown_option_gets_one_line_and_status_2(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, name, "--frobnicate") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"microbalance {name}: ")
    assert "--frobnicate" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["county"], "Missing option '--out'"),
        (["world"], "Missing option '--county'"),
        (["county", "--out", "x", "--seed", "one"], "--seed"),
        (["hub", "nosuch"], "No such command 'nosuch'"),
        (["hub", "prepare"], "Missing option"),
        (["run"], "Missing option"),
        (["edge"], "Missing option"),
        (["province", "surplus"], "surplus"),
        (["bench", "store", "--runs", "many"], "--runs"),
        (["nosuch"], "no command 'nosuch'"),
    ],
)
def test_a_wrong_command_line_gets_one_line_and_status_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert words in said.err


def test_a_group_without_its_command_shows_its_help_and_ends_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "hub") == 2
    said = capsys.readouterr()
    assert "prepare" in said.out
    assert said.err == "microbalance hub: a command is missing\n"


@pytest.mark.parametrize("name", microbalance.COMMANDS)
def test_help_of_a_command_ends_with_status_0(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, name, "--help") == 0
    said = capsys.readouterr()
    assert f"microbalance {name}" in said.out
    assert said.err == ""


def test_the_overview_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        assert call(monkeypatch, *arguments) == 0
        shown = capsys.readouterr().out
        assert all(f"  {name}" in shown for name in microbalance.COMMANDS)
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("microbalance ")


def test_the_exit_status_of_a_command_is_that_of_the_program() -> None:
    command = [sys.executable, "-m", "microbalance", "world", "--county", "nowhere"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 2
    assert len(outcome.stderr.splitlines()) == 1


def test_nothing_is_imported_before_a_command_is_called() -> None:
    code = (
        "import sys, microbalance; sys.argv = ['microbalance', '--help']; microbalance.main(); "
        f"found = {HEAVY!r} & {{name.partition('.')[0] for name in sys.modules}}; "
        "sys.exit(', '.join(sorted(found)) or 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
