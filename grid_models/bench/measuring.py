"""How a benchmark measures: this program and its peer in turn, in one run, and what is said of the result.

The two contenders run alternately, so that whatever else the machine does hits both; the median of the runs counts.
A benchmark compares what both found before it reports how long they took: figures of unequal work are refused.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, assert_never

Prepare: TypeAlias = Callable[[int], Callable[[], object]]
"""Run number -> what is timed. What the function itself does, such as making the run's rows, is not timed."""


class BenchError(RuntimeError):
    """A benchmark cannot be run, or its contenders do not agree; the message is one line."""


class Show(Enum):
    """How a contender's time is shown: the time of one piece of work, or how many pieces are done in a second."""

    MILLISECONDS = "ms"
    PER_SECOND = "/s"


@dataclass(frozen=True)
class Contender:
    """One side of a comparison.

    prepare: see Prepare. work: how many pieces (rows, power flows) one run does; a slow peer may do fewer than ours, or
    a part of one.
    """

    name: str
    prepare: Prepare
    work: float = 1


@dataclass(frozen=True)
class Timed:
    """What one contender took. seconds, cpu_seconds: of each run, on the wall and in this process; in order."""

    name: str
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    work: float

    @property
    def seconds_of_one(self) -> float:
        """Return the median over the runs of the time of one piece of work."""
        return statistics.median(self.seconds) / self.work

    @property
    def cpu_seconds_of_one(self) -> float:
        """Return the median of the CPU time of one piece, over all threads of this process."""
        return statistics.median(self.cpu_seconds) / self.work


@dataclass(frozen=True)
class Comparison:
    """One row of a benchmark's table.

    pieces: what is counted ("rows", "power flows"), for the rate. peer: None where there is nobody to compare with.
    agreed: what was compared between the two and found the same, in words.
    """

    what: str
    show: Show
    pieces: str
    ours: Timed
    peer: Timed | None
    agreed: str

    @property
    def ratio(self) -> float | None:
        """Return how many times as long the peer takes: above 1, this program is faster."""
        return None if self.peer is None else self.peer.seconds_of_one / self.ours.seconds_of_one

    @property
    def cpu_ratio(self) -> float | None:
        """Return the same of CPU time, which other programs on the machine disturb less."""
        return None if self.peer is None else self.peer.cpu_seconds_of_one / max(self.ours.cpu_seconds_of_one, 1e-9)


@dataclass(frozen=True)
class Outcome:
    """What a benchmark found. versions: of the libraries that were measured. notes: what a reader must know besides."""

    comparisons: tuple[Comparison, ...]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass
class Workbench:
    """What a benchmark is given to work with.

    runs: how often each contender is timed. small: tiny cases, to see that everything runs. database: URL of a
    PostgreSQL server's database, if that is to be measured too. folder: an empty folder, thrown away at the end.
    make_county: writes the demo county into a folder, for the benchmarks that need one and were given none. data:
    a folder with outside data, for the benchmarks that need some.
    """

    runs: int
    small: bool
    database: str | None
    folder: Path
    make_county: Callable[[Path], None]
    given_county: Path | None = None
    data: Path | None = None

    @cached_property
    def county(self) -> Path:
        """A county's folder, as `microbalance county` writes it: the given one, else the demo's, made once."""
        if self.given_county is not None:
            return self.given_county
        folder = self.folder / "county"
        self.make_county(folder)
        return folder

    @property
    def few_runs(self) -> int:
        """How often a contender is timed that takes seconds: three times at most."""
        return min(self.runs, 3)

    @property
    def many_runs(self) -> int:
        """How often a contender is timed that takes milliseconds."""
        return 3 * self.runs


def time_in_turn(ours: Contender, peer: Contender | None, *, runs: int, peer_runs: int) -> tuple[Timed, Timed | None]:
    """Return what both took; they run alternately, the peer only in the first `peer_runs` rounds."""
    assert runs >= 1
    assert peer_runs >= 1
    contenders = [(ours, runs)] if peer is None else [(ours, runs), (peer, peer_runs)]
    taken: list[list[tuple[float, float]]] = [[] for _ in contenders]
    for run in range(max(wanted for _, wanted in contenders)):
        for times, (contender, wanted) in zip(taken, contenders, strict=True):
            if run < wanted:
                times.append(_wall_and_cpu_seconds(contender.prepare(run)))
    timed = [
        Timed(contender.name, tuple(wall for wall, _ in times), tuple(cpu for _, cpu in times), contender.work)
        for times, (contender, _) in zip(taken, contenders, strict=True)
    ]
    return timed[0], timed[1] if peer is not None else None


def require_equal(what: str, ours: object, peer: object) -> None:
    """Refuse the figures of contenders that found different things.

    :raises BenchError: if the two are not equal
    """
    if ours != peer:
        raise BenchError(f"{what}: ours is {_shortened(ours)}, the peer's {_shortened(peer)}")


def document_of(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as JSON would have it; times in seconds."""
    return {
        "versions": dict(outcome.versions),
        "notes": list(outcome.notes),
        "rows": [
            {
                "what": row.what,
                "pieces": row.pieces,
                "ours": _timed_document(row.ours),
                "peer": None if row.peer is None else _timed_document(row.peer),
                "ratio": None if row.ratio is None else round(row.ratio, 3),
                "cpu_ratio": None if row.cpu_ratio is None else round(row.cpu_ratio, 3),
                "agreed": row.agreed,
            }
            for row in outcome.comparisons
        ],
    }


def table_of(outcome: Outcome) -> str:
    """Return the outcome as a Markdown table with its notes: to be read, and to be kept in docs/benchmarks.md."""
    rows: list[Sequence[str]] = [("what", "ours", "peer", "the peer is", "ratio", "of CPU time")]
    for row in outcome.comparisons:
        peer = ("-", "-") if row.peer is None else (_shown(row, row.peer), row.peer.name)
        rows.append((row.what, _shown(row, row.ours), *peer, _ratio_text(row.ratio), _ratio_text(row.cpu_ratio)))
    width = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width[at]) for at, cell in enumerate(row)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (each + 2) for each in width) + "|")
    versions = ", ".join(f"{name} {version}" for name, version in outcome.versions.items())
    agreed = dict.fromkeys(row.agreed for row in outcome.comparisons if row.agreed)
    notes = [f"Versions: {versions}.", *(f"Compared and equal: {text}." for text in agreed), *outcome.notes]
    return "\n".join([*lines, "", *notes])


def _wall_and_cpu_seconds(work: Callable[[], object]) -> tuple[float, float]:
    gc.collect()
    started, cpu_started = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu_started


def _timed_document(timed: Timed) -> dict[str, Any]:
    return {
        "name": timed.name,
        "work": timed.work,
        "seconds": [round(each, 6) for each in timed.seconds],
        "cpu_seconds": [round(each, 6) for each in timed.cpu_seconds],
        "seconds_of_one": timed.seconds_of_one,
    }


def _shown(row: Comparison, timed: Timed) -> str:
    """Return the median, and behind it the lowest and the highest figure and the number of runs."""
    ordered = sorted(timed.seconds)
    match row.show:
        case Show.MILLISECONDS:
            low, high = (_three_digits(each / timed.work * 1e3) for each in (ordered[0], ordered[-1]))
            shown = f"{_three_digits(timed.seconds_of_one * 1e3)} ms"
        case Show.PER_SECOND:
            low, high = (_three_digits(timed.work / each) for each in (ordered[-1], ordered[0]))
            shown = f"{_three_digits(1 / timed.seconds_of_one)} {row.pieces}/s"
        case _:
            assert_never(row.show)
    return f"{shown} ({low} - {high}; {len(ordered)})"


def _ratio_text(ratio: float | None) -> str:
    return "-" if ratio is None else f"{_three_digits(ratio)} x"


def _three_digits(value: float) -> str:
    """Return the value with three digits that count, and no exponent."""
    if value >= 100:
        return f"{round(value):,}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _shortened(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
