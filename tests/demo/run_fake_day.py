"""Runs a demo day on the fake program, as `microbalance demo` would on the real one; for tests that send signals."""

import sys
from datetime import date
from pathlib import Path

from rich.console import Console

from edge.contract.interval import instant_from_clock_text
from simulators.demo.cli import run_day
from simulators.demo.day import DayOptions, DemoDay
from simulators.demo.display import PlainDisplay
from simulators.demo.kills import parse_kill_targets

FAKE_PROGRAM = (sys.executable, str(Path(__file__).with_name("fake_program.py")))
DAY = date(2016, 5, 17)


def options(folder: Path, until: str = "03:00", kill: str = "", kill_seed: int = 1) -> DayOptions:
    return DayOptions(
        day=DAY,
        seed=1,
        from_utc_s=instant_from_clock_text(DAY, "00:00"),
        to_utc_s=instant_from_clock_text(DAY, until),
        out=folder / "out",
        run=folder / "run",
        edges=2,
        http_port=1,
        kill_targets=parse_kill_targets(kill),
        kill_seed=kill_seed,
    )


def run(folder: Path, *, until: str, kill: str, exit_at_end: bool, quiet_limit_s: float) -> int:
    console = Console(stderr=True)
    display = PlainDisplay(console)
    day = DemoDay(options(folder, until, kill), display, FAKE_PROGRAM, quiet_limit_s)
    return run_day(day, display, console, exit_at_end=exit_at_end, as_json=True)


if __name__ == "__main__":
    chosen_folder, chosen_until, chosen_kill, end, limit = sys.argv[1:]
    sys.exit(
        run(
            Path(chosen_folder),
            until=chosen_until,
            kill=chosen_kill,
            exit_at_end=end == "exit",
            quiet_limit_s=float(limit),
        )
    )
