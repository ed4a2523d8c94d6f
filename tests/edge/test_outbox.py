"""The state file: all of an instant or nothing of it, rows until the receipt, counts that survive."""

import sqlite3
from collections import Counter

import pytest

from edge.agent import AgentState, Outgoing
from edge.delivery import NotedRejection
from edge.outbox import Changes, Outbox, OutboxError


def message(seq, boot="b", kind="iv"):
    return Outgoing(boot, seq, kind, f"topic/{kind}", b"payload %d" % seq)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "edge.db"


def test_what_is_committed_is_there_after_opening_again(path):
    outbox = Outbox(path)
    assert (outbox.cursor_utc_s, outbox.pending, outbox.state("G1")) == (None, 0, None)
    state = AgentState("G1", "b", next_seq=3, cursor_utc_s=900)
    outbox.commit(
        Changes(
            cursor_utc_s=900,
            states={"G1": state},
            messages=[("G1", message(1)), ("G1", message(2, kind="ord")), ("G2", message(1))],
            counts=Counter(published_readings=5),
        )
    )
    outbox.close()
    outbox = Outbox(path)
    assert (outbox.cursor_utc_s, outbox.pending, outbox.state("G1")) == (900, 3, state)
    keys = outbox.without_receipt("G1")
    assert [outbox.message(key) for key in keys] == [message(1), message(2, kind="ord")]
    outbox.commit(Changes(done=[("G1", keys[0])], counts=Counter(published_readings=2)))
    assert outbox.without_receipt("G1") == keys[1:]
    outbox.close()
    outbox = Outbox(path)
    assert [key.seq for key in outbox.without_receipt("G1")] == [2]
    assert outbox.counts()["published_readings"] == 7
    outbox.close()


def test_a_commit_that_fails_writes_nothing_at_all(path):
    outbox = Outbox(path)
    outbox.commit(Changes(cursor_utc_s=900, messages=[("G1", message(1))], counts=Counter(published_readings=1)))
    with pytest.raises(OutboxError, match="UNIQUE"):
        outbox.commit(
            Changes(
                cursor_utc_s=1800,
                states={"G1": AgentState("G1", "b")},
                messages=[("G1", message(2)), ("G1", message(1))],
                counts=Counter(published_readings=1),
            )
        )
    for _ in range(2):
        assert (outbox.cursor_utc_s, outbox.pending, outbox.state("G1")) == (900, 1, None)
        assert outbox.counts()["published_readings"] == 1
        outbox.close()
        outbox = Outbox(path)
    outbox.close()


def test_refusals_count_once_by_kind_and_reason(path):
    outbox = Outbox(path)
    first = NotedRejection("b", 1, "iv", "M1", 900, "backwards")
    repeated = first._replace(kind="")  # the row is gone by now
    order = NotedRejection("b", 2, "ord", "M1", 1800, "off-tick")
    outbox.commit(Changes(rejections=[("G1", first)]))
    outbox.commit(Changes(rejections=[("G1", repeated), ("G1", order), ("G2", first)]))
    assert outbox.rejections() == [("iv", "backwards", 2), ("ord", "off-tick", 1)]
    counts = outbox.counts()
    assert (counts["rejected_readings"], counts["rejected_orders"], counts["rejected_others"]) == (2, 1, 0)
    outbox.close()


def test_a_refused_message_is_kept_aside_and_leaves_no_gap(path):
    outbox = Outbox(path)
    outbox.commit(Changes(messages=[("G1", message(1)), ("G1", message(2))]))
    key = outbox.without_receipt("G1")[0]
    outbox.refuse("G1", key, b"nothing", "too-large")
    assert outbox.message(key).payload == b"nothing"
    assert outbox.counts()["refused_messages"] == 1
    outbox.close()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT seq, payload, reason FROM refused").fetchall() == [
            (1, b"payload 1", "too-large")
        ]
    database.close()


def test_files_that_are_no_state_files_are_refused(path, tmp_path):
    path.write_bytes(b"no database at all, but long enough to be read as one " * 20)
    with pytest.raises(OutboxError, match="not a database"):
        Outbox(path)
    with pytest.raises(OutboxError, match="unable to open"):
        Outbox(tmp_path / "no" / "folder.db")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE something (x)")
    database.close()
    with pytest.raises(OutboxError, match="version 0"):
        Outbox(other)


def test_a_file_in_use_is_refused(path):
    outbox = Outbox(path)
    with pytest.raises(OutboxError, match="locked"):
        Outbox(path)
    outbox.close()
    Outbox(path).close()
