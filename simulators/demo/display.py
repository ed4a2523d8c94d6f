"""What the user sees while the day runs, on standard error: a progress bar in a terminal, plain lines elsewhere."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from edge.contract.interval import iso_utc


class Display(Protocol):
    """Takes what happens, in words; used as a context."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, text: str) -> None:
        """Show one line."""

    def instant(self, utc_s: int, done: int, total: int, published_readings: int) -> None:
        """Show that the day has come to the instant; so many of `total` instants are done."""


class QuietDisplay:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; nothing was shown."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def instant(self, utc_s: int, done: int, total: int, published_readings: int) -> None:
        """Show nothing."""


class PlainDisplay(QuietDisplay):
    """Lines without control characters: what is said, and one line for every full hour of the day."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Show one line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def instant(self, utc_s: int, done: int, total: int, published_readings: int) -> None:
        """Show a line at full hours and at the end."""
        if utc_s % 3600 == 0 or done == total:
            self.say(f"{iso_utc(utc_s)[:16]}  {done} of {total} instants, {published_readings:,} readings published")


class BarDisplay(QuietDisplay):
    """A bar in a terminal; what is said stands above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("set-up", total=None, detail="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """Show one line above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def instant(self, utc_s: int, done: int, total: int, published_readings: int) -> None:
        """Move the bar."""
        detail = f"{published_readings:,} readings"
        self._bar.update(
            self._task, description=iso_utc(utc_s)[:16].replace("T", " "), total=total, completed=done, detail=detail
        )
        if done == total:
            self._bar.stop()


def display_for(console: Console, *, quiet: bool) -> Display:
    """Return the display that fits: none, a bar in a terminal, else plain lines."""
    if quiet:
        return QuietDisplay()
    return BarDisplay(console) if console.is_terminal else PlainDisplay(console)
