"""Ctrl-C and SIGTERM end the run in good order: the first one raises Interrupted in the main thread."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """The user or the system asked the run to end. Like KeyboardInterrupt, it is no Exception."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number

    @property
    def exit_status(self) -> int:
        """The exit status that shells expect after a signal."""
        return 128 + self.signal_number


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Interrupted within the context."""

    def interrupt(signal_number: int, _frame: FrameType | None) -> None:
        raise Interrupted(signal_number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
