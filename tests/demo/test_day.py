"""Whole days on the fake program, as processes of their own: kills, signals, failures, and nothing left behind."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

RUNNER = str(Path(__file__).with_name("run_fake_day.py"))


def command(folder: Path, until: str, kill: str, end: str, quiet_limit_s: float) -> list[str]:
    return [sys.executable, RUNNER, str(folder), until, kill, end, str(quiet_limit_s)]


def finished_day(folder: Path, *, kill: str = "", quiet_limit_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    arguments = command(folder, "03:00", kill, "exit", quiet_limit_s)
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes of that run which are still there."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(folder) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(words)
    broker = folder / "run" / "hub" / "broker.pid"
    if broker.exists() and psutil.pid_exists(int(broker.read_text())):
        found.append("broker")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert left_behind(tmp_path) == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    outcome = finished_day(folder)
    assert left_behind(folder) == []
    return outcome


def test_a_killed_day_ends_like_an_undisturbed_one(folder: Path, undisturbed: subprocess.CompletedProcess[str]) -> None:
    killed = finished_day(folder, kill="all")
    assert undisturbed.returncode == killed.returncode == 0, undisturbed.stderr + killed.stderr
    first: dict[str, Any] = json.loads(undisturbed.stdout)
    second: dict[str, Any] = json.loads(killed.stdout)
    assert first["result_hash"] == second["result_hash"]
    assert first["readings"]["published"] == second["readings"]["published"] == 3 * 15
    assert first["kills"] == []
    assert [kill["what"] for kill in second["kills"]] == ["hub", "broker", "edge"]
    assert all(kill["unreceipted"] > 0 for kill in second["kills"])
    assert len({kill["instant"] for kill in second["kills"]}) == 3
    assert second["restarts"]["hub"] == 1
    assert second["restarts"]["edge-1"] + second["restarts"]["edge-2"] == 1
    assert json.loads((folder / "out" / "summary.json").read_text()) == second


def test_the_summary_has_stages_memory_and_counts(undisturbed: subprocess.CompletedProcess[str]) -> None:
    summary = json.loads(undisturbed.stdout)
    assert {"setup", "world", "province", "edge", "hub", "summary", "total"} <= set(summary["seconds"])
    assert summary["hub_seconds"] == {"clearing": 0.25}
    assert summary["peak_pss_bytes"] > 10_000_000
    assert summary["intervals"] == 12
    assert summary["province"]["hub"] == summary["province"]["province"]
    hours = [line for line in undisturbed.stderr.splitlines() if " instants, " in line]
    assert [line[11:16] for line in hours] == ["00:00", "01:00", "02:00", "03:00"]
    assert "console: http://127.0.0.1:1" in undisturbed.stderr


def test_a_check_that_fails_gives_status_1_and_the_summary_all_the_same(folder: Path) -> None:
    (folder / "behaviour").write_text("greedy-hub")
    outcome = finished_day(folder)
    assert outcome.returncode == 1
    summary = json.loads(outcome.stdout)
    assert summary["ok"] is False
    assert [check["name"] for check in summary["checks"] if not check["holds"]] == [
        "the province settles what our ledger holds"
    ]


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        ("bad-county", 2, "building the county ended with status 2: county: no profiles for that day"),
        ("crashing-world", 1, "world ended by itself with status 1"),
        ("failing-hub", 1, "hub cannot go on: the disk is full"),
        ("mute-edge", 1, "no quiet for 2 s: edge-2 is not quiet at 2016-05-16T23:30:00+08:00 (last progress: "),
    ],
)
def test_a_run_that_cannot_go_on_says_why(folder: Path, behaviour: str, status: int, words: str) -> None:
    (folder / "behaviour").write_text(behaviour)
    outcome = finished_day(folder, quiet_limit_s=2)
    assert outcome.returncode == status
    assert words in outcome.stderr
    document = json.loads(outcome.stdout)
    assert document["ok"] is False
    assert words.partition(" (")[0] in document["error"]
    if behaviour == "crashing-world":
        assert "RuntimeError: the simulated world ended" in outcome.stderr


def test_it_serves_until_it_is_interrupted(folder: Path) -> None:
    arguments = command(folder, "00:30", "", "serve", 30)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as day:
        assert day.stdout is not None
        assert day.stderr is not None
        summary = json.loads(day.stdout.readline())
        assert summary["ok"] is True
        assert any("until Ctrl-C" in line for line in day.stderr)
        assert len(left_behind(folder)) == 7  # conductor, world, province, hub, two edges, broker
        day.send_signal(signal.SIGINT)
        assert day.stdout.read() == ""
        assert day.wait() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_day_ends_everything(folder: Path, number: signal.Signals, status: int) -> None:
    (folder / "behaviour").write_text("mute-edge")
    arguments = command(folder, "24:00", "", "exit", 60)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as day:
        assert day.stdout is not None
        assert day.stderr is not None
        assert any(line.startswith("console:") for line in day.stderr)
        day.send_signal(number)
        assert json.loads(day.stdout.read()) == {"ok": False, "error": f"ended by {number.name}"}
        assert f"ended by {number.name}" in day.stderr.read()
        assert day.wait() == status
