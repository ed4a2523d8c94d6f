"""When parts are killed, and how many messages had no receipt."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.demo.killing import OutboxError, unreceipted_messages
from simulators.demo.kills import TARGETS, Kill, KillSchedule, KillTextError, parse_kill_targets, plan_kills

INTERVAL_S = 900


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("", ()),
        ("all", TARGETS),
        ("edge,hub", ("hub", "edge")),
        (" broker ", ("broker",)),
        ("hub,hub", ("hub",)),
        ("all,edge", TARGETS),
    ],
)
def test_targets(text: str, targets: tuple[str, ...]) -> None:
    assert parse_kill_targets(text) == targets


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(KillTextError, match='"world" cannot be killed'):
        parse_kill_targets("hub,world")


@given(seed=st.integers(0, 50), length=st.integers(3, 96))
def test_kills_are_at_different_instants_of_the_run_and_the_seed_decides(seed: int, length: int) -> None:
    instants = range(0, length * INTERVAL_S, INTERVAL_S)
    kills = plan_kills(TARGETS, instants, seed)
    assert [kill.what for kill in kills] == list(TARGETS)
    assert len({kill.instant_utc_s for kill in kills}) == len(TARGETS)
    assert all(kill.instant_utc_s in instants for kill in kills)
    assert plan_kills(TARGETS, instants, seed) == kills


def test_another_seed_gives_other_instants() -> None:
    instants = range(0, 96 * INTERVAL_S, INTERVAL_S)
    assert len({plan_kills(TARGETS, instants, seed) for seed in range(10)}) == 10


def test_too_short_a_run_is_refused() -> None:
    with pytest.raises(KillTextError, match="3 kills need as many instants; the run has 2"):
        plan_kills(TARGETS, [0, 900], 1)


def test_a_kill_stays_due_until_a_message_has_no_receipt() -> None:
    schedule = KillSchedule([Kill("hub", 0), Kill("edge", 900)], INTERVAL_S)
    due = schedule.due(0)
    assert due is not None
    assert not schedule.tried(due, 0).is_done
    assert schedule.due(0) == Kill("hub", 0, tries=1)
    schedule.missed(0)
    assert schedule.due(0) is None
    assert schedule.due(900) == Kill("edge", 900)
    again = schedule.due(1800)
    assert again is not None
    done = schedule.tried(again, 4)
    assert done == Kill("hub", 1800, unreceipted=4, tries=2)
    assert schedule.due(1800) is None
    assert schedule.kills[0] == done


def test_a_kill_without_occasion_moves_on_and_is_not_done() -> None:
    schedule = KillSchedule([Kill("hub", 0)], INTERVAL_S)
    schedule.missed(0)
    assert schedule.kills == (Kill("hub", 900),)
    assert not schedule.kills[0].is_done
    assert schedule.kills[0].document()["instant"] is None
    schedule.missed(0)
    assert schedule.kills == (Kill("hub", 900),)


WRITER = """
import sys, time
from pathlib import Path
from edge.agent import Outgoing
from edge.outbox import Changes, Outbox
outbox = Outbox(Path(sys.argv[1]))
messages = [("G0001", Outgoing("boot", seq, "iv", "topic", b"{}")) for seq in (1, 2, 3)]
outbox.commit(Changes(cursor_utc_s=900, messages=messages))
outbox.commit(Changes(done=[("G0001", outbox.without_receipt("G0001")[0])]))
print("ready", flush=True)
time.sleep(600)
"""


def test_messages_without_receipt_are_counted_beside_a_living_and_after_a_killed_edge(tmp_path: Path) -> None:
    outbox = tmp_path / "edge-1.db"
    assert unreceipted_messages(outbox) == 0
    with subprocess.Popen([sys.executable, "-c", WRITER, str(outbox)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        before = {path.name for path in tmp_path.iterdir()}
        assert unreceipted_messages(outbox) == 2
        process.kill()
        process.wait()
        assert unreceipted_messages(outbox) == 2
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_file_that_is_no_outbox_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).close()
    other.write_bytes(b"no database" * 100)
    with pytest.raises(OutboxError, match=r"other\.db"):
        unreceipted_messages(other)
