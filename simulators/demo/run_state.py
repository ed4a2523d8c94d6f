"""Which process owes what: the pure state of a run in virtual time.

All state and all transitions live here. This file does not know sockets, subprocesses or a clock: moments are handed
in as monotonic seconds, and what is to be done comes back as values (Send, Start).

A process owes a Hello after it was started, a Quiet after an Advance, an Answer after an Ask. A restarted process says
Hello again and is told the same Advance again, and after its Quiet the same Ask. Time may move only when nobody owes.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from edge.contract.control import Advance, Answer, Ask, Failed, FromConductor, FromProcess, Hello, Progress, Quiet
from edge.contract.interval import iso_utc

QUIET_LIMIT_S = 60.0
ANSWER_LIMIT_S = 240.0
RESTARTS_MAX = 5
SIGKILL = 9


class RunError(Exception):
    """The run cannot go on. `process` names whose fault it is, so that the tail of its log can be shown.

    exit_status: of a process that ended by itself; 2 means that a value or a file it was given cannot be used.
    """

    def __init__(self, reason: str, process: str | None = None, exit_status: int | None = None) -> None:
        super().__init__(reason)
        self.process = process
        self.exit_status = exit_status


class ProcessDiedError(RunError):
    """A process ended by itself."""


class ProcessFailedError(RunError):
    """A process said that it cannot go on, or broke the protocol."""


class NotQuietError(RunError):
    """Nobody moved for too long; the message names who waits and for what."""


@dataclass(frozen=True)
class OwesHello:
    """Started, and not yet announced."""


@dataclass(frozen=True)
class OwesQuiet:
    """Was told to advance to `utc_s`."""

    utc_s: int


@dataclass(frozen=True)
class OwesAnswer:
    """Was asked for `what`."""

    what: str


@dataclass(frozen=True)
class OwesNothing:
    """Quiet."""


Owes = OwesHello | OwesQuiet | OwesAnswer | OwesNothing


@dataclass(frozen=True)
class Send:
    """Say `message` to the process `name`."""

    name: str
    message: FromConductor


@dataclass(frozen=True)
class Start:
    """Start the process `name` once more."""

    name: str


Effect = Send | Start


@dataclass(frozen=True)
class ProcessState:
    """What is known of one process.

    restartable: it may be killed and keeps its data on disk. since_s: monotonic second since which it owes.
    advance, ask: what it was told last and is told again after a restart. progress: the last Progress since then.
    children: process ids that it keeps, by name. counts: its last reported totals. seconds_before: stage seconds of
    earlier incarnations; seconds: of this one (a process reports totals since its start).
    """

    name: str
    restartable: bool
    owes: Owes
    since_s: float
    pid: int | None = None
    advance: Advance | None = None
    ask: Ask | None = None
    progress: Progress | None = None
    children: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds_before: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    restarts: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)


class RunState:
    """All processes of a run. Methods take what happened and return what to do about it.

    :param quiet_limit_s: how long a process may owe a Hello or a Quiet before the run ends
    :param answer_limit_s: how long it may owe an Answer; time stands still then, and a whole day is summed up
    """

    def __init__(self, quiet_limit_s: float = QUIET_LIMIT_S, answer_limit_s: float = ANSWER_LIMIT_S) -> None:
        self._processes: dict[str, ProcessState] = {}
        self._quiet_limit_s = quiet_limit_s
        self._answer_limit_s = answer_limit_s

    def expect(self, name: str, now_s: float, *, restartable: bool) -> None:
        """Note that the process was started for the first time and owes its Hello."""
        assert name not in self._processes
        self._processes[name] = ProcessState(name, restartable, OwesHello(), now_s)

    def process(self, name: str) -> ProcessState:
        """Return what is known of the process."""
        return self._processes[name]

    def knows(self, name: str) -> bool:
        """Tell whether a process of that name was started."""
        return name in self._processes

    def is_quiet(self, names: Iterable[str] | None = None) -> bool:
        """Tell whether none of the processes (default: none at all) owes anything."""
        chosen = self._processes if names is None else names
        return all(isinstance(self._processes[name].owes, OwesNothing) for name in chosen)

    def advance(self, names: Iterable[str], utc_s: int, now_s: float) -> list[Effect]:
        """Tell the processes to advance to the instant; nobody may owe anything before."""
        assert self.is_quiet(), self.waiting_text()
        message = Advance(utc_s)
        effects: list[Effect] = []
        for name in names:
            process = self._processes[name]
            self._put(replace(process, owes=OwesQuiet(utc_s), advance=message, progress=None, since_s=now_s))
            effects.append(Send(name, message))
        return effects

    def ask(self, name: str, what: str, now_s: float) -> list[Effect]:
        """Ask the process for a named thing; the answer is found in `process(name).answers`."""
        assert self.is_quiet(), self.waiting_text()
        message = Ask(what)
        process = self._processes[name]
        self._put(replace(process, owes=OwesAnswer(what), ask=message, progress=None, since_s=now_s))
        return [Send(name, message)]

    def received(self, name: str, message: FromProcess, now_s: float) -> list[Effect]:
        """Take in what the process said.

        :raises ProcessFailedError: if it cannot go on or breaks the protocol
        """
        process = self._processes[name]
        match message:
            case Hello():
                return self._hello(replace(process, pid=message.pid, since_s=now_s))
            case Failed():
                raise ProcessFailedError(f"{name} cannot go on: {message.reason}", name)
            case Progress() | Quiet() | Answer() if isinstance(process.owes, OwesHello):
                return []  # the last words of a killed process; the next one will say it again
            case Progress():
                children = {**process.children, **message.children}
                self._put(replace(process, progress=message, children=children))
                return []
            case Quiet():
                return self._quiet(process, message, now_s)
            case Answer():
                self._answer(process, message)
                return []
            case _:
                assert_never(message)

    def exited(self, name: str, return_code: int, now_s: float) -> list[Effect]:
        """Take in that the process ended. One that was killed (SIGKILL) and keeps its data on disk is started again.

        :raises ProcessDiedError: if it ended in any other way, or was killed too often
        """
        process = self._processes[name]
        if return_code != -SIGKILL:
            raise ProcessDiedError(f"{name} ended by itself with status {return_code}", name, return_code)
        if not process.restartable:
            raise ProcessDiedError(f"{name} was killed; it keeps no state on disk and cannot be started again", name)
        if process.restarts >= RESTARTS_MAX:
            raise ProcessDiedError(f"{name} was killed {process.restarts + 1} times", name)
        self._put(
            replace(
                process,
                owes=OwesHello(),
                pid=None,
                progress=None,
                children={},
                seconds_before=_added(process.seconds_before, process.seconds),
                seconds={},
                restarts=process.restarts + 1,
            )
        )
        self.disturbed(now_s)
        return [Start(name)]

    def disturbed(self, now_s: float) -> None:
        """Note that something was killed: whoever owes gets its full time again from now on."""
        for process in tuple(self._processes.values()):
            self._put(replace(process, since_s=now_s))

    def check_patience(self, now_s: float) -> None:
        """Check that nobody has owed something for longer than the limit for it.

        :raises NotQuietError: naming who waits, and for what
        """
        for process in self._processes.values():
            limit_s = self._limit_s(process.owes)
            if now_s - process.since_s > limit_s:
                raise NotQuietError(f"no quiet for {limit_s:g} s: {self.waiting_text()}", process.name)

    def _limit_s(self, owes: Owes) -> float:
        match owes:
            case OwesHello() | OwesQuiet():
                return self._quiet_limit_s
            case OwesAnswer():
                return self._answer_limit_s
            case OwesNothing():
                return math.inf
            case _:
                assert_never(owes)

    def waiting_text(self) -> str:
        """Return who owes what, in words; "nobody" if all are quiet."""
        texts = [_owes_text(process) for process in self._processes.values()]
        return "; ".join(text for text in texts if text) or "nobody"

    def seconds_by_stage(self, name: str) -> dict[str, float]:
        """Return the seconds the process reported by stage, summed over its incarnations."""
        process = self._processes[name]
        return _added(process.seconds_before, process.seconds)

    def _hello(self, process: ProcessState) -> list[Effect]:
        if process.advance is None:
            return self._after_quiet(process)
        self._put(replace(process, owes=OwesQuiet(process.advance.utc_s)))
        return [Send(process.name, process.advance)]

    def _quiet(self, process: ProcessState, message: Quiet, now_s: float) -> list[Effect]:
        if process.advance is None or message.utc_s > process.advance.utc_s:
            text = f"{process.name} is quiet at {iso_utc(message.utc_s)}, to which nobody told it to advance"
            raise ProcessFailedError(text, process.name)
        if message.utc_s < process.advance.utc_s:
            return []  # an answer that was on its way while the process was told the next instant
        process = replace(process, counts=dict(message.counts), seconds=dict(message.seconds), since_s=now_s)
        if isinstance(process.owes, OwesQuiet):
            return self._after_quiet(process)
        self._put(process)
        return []

    def _after_quiet(self, process: ProcessState) -> list[Effect]:
        if process.ask is None:
            self._put(replace(process, owes=OwesNothing()))
            return []
        self._put(replace(process, owes=OwesAnswer(process.ask.what)))
        return [Send(process.name, process.ask)]

    def _answer(self, process: ProcessState, message: Answer) -> None:
        if process.ask is None or process.ask.what != message.what:
            raise ProcessFailedError(f"{process.name} answered {message.what!r}, which nobody asked", process.name)
        answers = {**process.answers, message.what: bytes(message.document)}
        self._put(replace(process, owes=OwesNothing(), ask=None, answers=answers))

    def _put(self, process: ProcessState) -> None:
        self._processes[process.name] = process


def _added(first: dict[str, float], second: dict[str, float]) -> dict[str, float]:
    return {stage: first.get(stage, 0.0) + second.get(stage, 0.0) for stage in sorted(first | second)}


def _owes_text(process: ProcessState) -> str:
    match process.owes:
        case OwesHello():
            return f"{process.name} has not announced itself"
        case OwesQuiet():
            return f"{process.name} is not quiet at {iso_utc(process.owes.utc_s)}{_progress_text(process.progress)}"
        case OwesAnswer():
            return f"{process.name} has not answered {process.owes.what!r}{_progress_text(process.progress)}"
        case OwesNothing():
            return ""
        case _:
            assert_never(process.owes)


def _progress_text(progress: Progress | None) -> str:
    if progress is None:
        return " (no progress reported)"
    return f" (last progress: {progress.pending} pending at {iso_utc(progress.utc_s)})"
