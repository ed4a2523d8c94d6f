"""Contenders are timed in turn, unequal work is refused, and what is shown follows from what was timed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grid_models.bench.measuring import (
    BenchError,
    Comparison,
    Contender,
    Outcome,
    Show,
    Timed,
    Workbench,
    document_of,
    require_equal,
    table_of,
    time_in_turn,
)


def contender(name: str, log: list[str]) -> Contender:
    def prepare(run: int) -> Callable[[], object]:
        log.append(f"{name} prepares {run}")
        return lambda: log.append(f"{name} runs {run}")

    return Contender(name, prepare)


def test_contenders_take_turns_and_the_peer_stops_earlier() -> None:
    log: list[str] = []
    ours, peer = time_in_turn(contender("ours", log), contender("peer", log), runs=3, peer_runs=2)
    turns = [entry for entry in log if "runs" in entry]
    assert turns == ["ours runs 0", "peer runs 0", "ours runs 1", "peer runs 1", "ours runs 2"]
    assert log[:2] == ["ours prepares 0", "ours runs 0"]
    assert peer is not None
    assert (len(ours.seconds), len(ours.cpu_seconds), len(peer.seconds)) == (3, 3, 2)


def test_a_contender_may_stand_alone() -> None:
    log: list[str] = []
    ours, peer = time_in_turn(contender("ours", log), None, runs=2, peer_runs=1)
    assert peer is None
    assert len(ours.seconds) == 2


def test_what_is_prepared_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def prepare(_run: int) -> Callable[[], object]:
        clock[0] += 100.0
        return lambda: clock.__setitem__(0, clock[0] + 2.0)

    ours, _ = time_in_turn(Contender("ours", prepare, work=4), None, runs=3, peer_runs=1)
    assert ours.seconds == (2.0, 2.0, 2.0)
    assert ours.seconds_of_one == 0.5


def outcome() -> Outcome:
    ours = Timed("quick", (0.002, 0.001, 0.009), (0.001, 0.001, 0.001), work=1_000)
    peer = Timed("slow", (0.010, 0.030), (0.010, 0.010), work=500)
    rows = (
        Comparison("rows written", Show.PER_SECOND, "rows", ours, peer, "all rows"),
        Comparison("pairing", Show.MILLISECONDS, "intervals", Timed("pair", (0.25,), (0.2,), 1), None, ""),
    )
    return Outcome(rows, {"numpy": "1.2.3"}, ("A note.",))


def test_the_ratio_compares_the_medians_of_equal_work() -> None:
    written, pairing = outcome().comparisons
    assert written.ratio == pytest.approx((0.020 / 500) / (0.002 / 1_000))
    assert written.cpu_ratio == pytest.approx(20.0)
    assert pairing.ratio is None
    assert pairing.cpu_ratio is None


def test_the_table_shows_median_range_and_number_of_runs() -> None:
    lines = table_of(outcome()).splitlines()
    assert "500,000 rows/s (111,111 - 1,000,000; 3)" in lines[2]
    assert "25,000 rows/s (16,667 - 50,000; 2)" in lines[2]
    assert "20.0 x" in lines[2]
    assert "250 ms (250 - 250; 1)" in lines[3]
    assert {line.count("|") for line in lines[:4]} == {7}
    assert lines[5:] == ["Versions: numpy 1.2.3.", "Compared and equal: all rows.", "A note."]


def test_the_document_holds_every_run() -> None:
    written, pairing = document_of(outcome())["rows"]
    assert written["ours"]["seconds"] == [0.002, 0.001, 0.009]
    assert written["peer"]["work"] == 500
    assert written["ratio"] == 20.0
    assert pairing["peer"] is None
    assert pairing["ratio"] is None


def test_unequal_findings_are_refused_in_one_line() -> None:
    require_equal("sums", [1, 2], [1, 2])
    with pytest.raises(BenchError, match=r"^sums: ours is \[1, 2\], the peer's \[1, 3\]$"):
        require_equal("sums", [1, 2], [1, 3])
    with pytest.raises(BenchError) as caught:
        require_equal("rows", list(range(10_000)), "a\nb")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_county_is_made_once_and_only_if_none_is_given(
    new_workbench: Callable[..., Workbench], tmp_path: Path
) -> None:
    made: list[Path] = []
    workbench = new_workbench(make_county=made.append)
    assert made == []
    assert workbench.county == workbench.county == tmp_path / "county"
    assert made == [tmp_path / "county"]
    assert new_workbench(given_county=tmp_path / "given").county == tmp_path / "given"
