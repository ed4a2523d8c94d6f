"""The command line: one line and status 2 for what cannot be used."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.demo.cli import app


def status_of(*arguments: str) -> object:
    with pytest.raises(SystemExit) as caught:
        app(args=list(arguments), prog_name="microbalance demo")
    return caught.value.code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--day", "2016-02-30"], "--day"),
        (["--from", "9:00"], "--from"),
        (["--to", "24:15"], "--to"),
        (["--from", "10:00", "--to", "10:00"], "not before"),
        (["--seed", "one"], "--seed"),
        (["--edges", "0"], "--edges 0"),
        (["--port", "70000"], "--port 70000"),
        (["--kill", "world"], "--kill"),
        (["--kill", "all", "--to", "00:30"], "3 kills need"),
        (["--broker", "http://127.0.0.1:1883"], "mqtt://HOST:PORT"),
        (["--broker", "mqtt://127.0.0.1"], "mqtt://HOST:PORT"),
        (["--broker", "mqtt://127.0.0.1:1883", "--kill", "broker"], "embedded broker"),
        (["--database", "mysql://x"], "--database"),
        (["--run", "used"], "not empty"),
        (["--out", "used/file"], "--out"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_a_bad_value_gets_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    assert status_of(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("microbalance demo: ")
    assert words in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["used"]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "microbalance", "demo", "--port", str(port)]
        outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 2
    assert outcome.stderr == f"microbalance demo: --port {port}: something else listens there\n"
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == 0
    shown = capsys.readouterr().out
    options = "day seed from to out run edges broker database port kill kill-seed exit json negative-prices bad-input"
    assert all(f"--{option}" in shown for option in options.split())
