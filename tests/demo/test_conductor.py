"""The conductor with real processes that speak the control protocol."""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from edge.contract.control import Advance, Progress, decode_from_conductor
from simulators.demo.conductor import Conductor
from simulators.demo.processes import Command, ProcessTable
from simulators.demo.run_state import NotQuietError, ProcessDiedError, ProcessFailedError, RunState

MEMBER = str(Path(__file__).with_name("fake_member.py"))
NOON = 1_463_457_600


class Stage:
    """A conductor, its processes' files, and the notices it gave."""

    def __init__(self, folder: Path, quiet_limit_s: float) -> None:
        self.folder = folder
        self.notices: list[str] = []
        self.conductor = Conductor(ProcessTable(), RunState(quiet_limit_s), self.notices.append)

    def start(self, name: str, behaviour: str = "quiet", *, restartable: bool = True) -> None:
        arguments = (sys.executable, MEMBER, self.conductor.address, name, behaviour, str(self.folder / name))
        self.conductor.start(name, Command(arguments, self.folder / f"{name}.log"), restartable=restartable)

    def heard(self, name: str) -> list[object]:
        lines = (self.folder / name).read_bytes().splitlines()
        return [decode_from_conductor(line) for line in lines]


@contextmanager
def stage(folder: Path, quiet_limit_s: float = 30.0) -> Iterator[Stage]:
    set_up = Stage(folder, quiet_limit_s)
    before = {child.pid for child in psutil.Process().children()}
    with set_up.conductor:
        try:
            yield set_up
        finally:
            set_up.conductor.stop(())
    assert {child.pid for child in psutil.Process().children()} == before


def test_processes_are_advanced_asked_and_stopped(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.start("edge-1")
        on.start("edge-2")
        on.conductor.wait_until_quiet()
        on.conductor.advance(["edge-1", "edge-2"], NOON)
        on.conductor.advance(["edge-2"], NOON + 900)
        assert on.conductor.ask("edge-1", "summary") == b'{"is":1}'
        assert on.conductor.state.process("edge-1").counts == {"heard": NOON}
        assert on.conductor.state.process("edge-2").counts == {"heard": NOON + 900}
        assert on.conductor.stop(()) == []
    assert len(on.heard("edge-2")) == 3


def test_a_killed_process_is_started_again_and_hears_the_same_advance(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.start("edge-1", "hanging")
        on.conductor.wait_until_quiet()
        first_pid = on.conductor.state.process("edge-1").pid

        def kill_once(name: str, progress: Progress) -> None:
            if on.conductor.state.process(name).restarts == 0:
                assert progress.pending == 7
                on.conductor.kill(name)

        on.conductor.on_progress = kill_once
        on.conductor.advance(["edge-1"], NOON)
        state = on.conductor.state.process("edge-1")
        assert state.restarts == 1
        assert state.pid != first_pid
    assert on.heard("edge-1")[:2] == [Advance(NOON), Advance(NOON)]
    assert on.notices == ["edge-1 was killed; it is started again"]


def test_a_process_killed_by_somebody_else_is_started_again_too(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.start("edge-1")
        on.conductor.wait_until_quiet()
        on.conductor.advance(["edge-1"], NOON)
        pid = on.conductor.state.process("edge-1").pid
        assert pid is not None
        os.kill(pid, 9)
        while on.conductor.state.process("edge-1").restarts == 0:
            on.conductor.pump()
        on.conductor.wait_until_quiet()
        on.conductor.advance(["edge-1"], NOON + 900)
    assert on.heard("edge-1")[:3] == [Advance(NOON), Advance(NOON), Advance(NOON + 900)]


def test_a_process_that_never_is_quiet_ends_the_run_and_is_named(tmp_path: Path) -> None:
    with stage(tmp_path, quiet_limit_s=1.0) as on:
        on.start("edge-1")
        on.start("edge-2", "silent")
        on.conductor.wait_until_quiet()
        with pytest.raises(NotQuietError, match=r"no quiet for 1 s: edge-2 is not quiet at .*7 pending") as caught:
            on.conductor.advance(["edge-1", "edge-2"], NOON)
        assert caught.value.process == "edge-2"


def test_a_process_that_ends_by_itself_ends_the_run_with_the_tail_of_its_log(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.start("hub", "dying")
        on.conductor.wait_until_quiet()
        with pytest.raises(ProcessDiedError, match="hub ended by itself with status 4") as caught:
            on.conductor.advance(["hub"], NOON)
        assert on.conductor.log_tail(caught.value) == "there is no space left"


def test_a_child_of_a_process_is_killed_by_name(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.start("hub", "parent")
        on.conductor.wait_until_quiet()
        on.conductor.advance(["hub"], NOON)
        pid = on.conductor.state.process("hub").children["child"]
        assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        on.conductor.kill_child("hub", "child")
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        with pytest.raises(ProcessFailedError, match="named no process 'broker'"):
            on.conductor.kill_child("hub", "broker")


def test_a_paused_process_stands_still_and_goes_on(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.start("edge-1")
        on.conductor.wait_until_quiet()
        pid = on.conductor.state.process("edge-1").pid
        with on.conductor.paused(["edge-1"]):
            assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
        on.conductor.advance(["edge-1"], NOON)


def test_stop_ends_a_process_that_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.demo.processes.TERMINATE_AFTER_S", 0.2)
    monkeypatch.setattr("simulators.demo.processes.KILL_AFTER_S", 0.2)
    with stage(tmp_path) as on:
        on.start("edge-1", "stubborn")
        on.conductor.wait_until_quiet()
        assert on.conductor.stop(()) == ["edge-1"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "control line"),
        (b'{"type":"hello","role":"edge","name":"stranger","pid":1}\n', "nobody expects"),
        (b'{"type":"quiet","utc_s":0}\n', "did not say Hello"),
    ],
)
def test_a_stranger_is_refused_and_changes_nothing(tmp_path: Path, words: bytes, reason: str) -> None:
    with stage(tmp_path) as on:
        on.start("edge-1")
        on.conductor.wait_until_quiet()
        host, port = on.conductor.address.split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(words)
            while not on.notices:
                on.conductor.pump()
        assert reason in on.notices[0]
        on.conductor.advance(["edge-1"], NOON)


def test_a_line_may_come_in_pieces(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.conductor.state.expect("slow", time.monotonic(), restartable=False)
        host, port = on.conductor.address.split(":")
        with socket.create_connection((host, int(port))) as slow:
            gone = threading.Event()

            def talk() -> None:
                for byte in b'{"type":"hello","role":"edge","name":"slow","pid":1}\n':
                    slow.sendall(bytes([byte]))
                gone.set()

            talker = threading.Thread(target=talk)
            talker.start()
            while not gone.is_set() or not on.conductor.state.is_quiet():
                on.conductor.pump(0.01)
            talker.join()
