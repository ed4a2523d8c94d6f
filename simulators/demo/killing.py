"""Carrying out the planned kills: at the first Progress of the instant at which a message has no receipt.

The edges are paused for that moment, so that what their outboxes hold is what had no receipt when the kill came. If
that is nothing, because receipts were faster, nobody is killed and the next Progress is looked at.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from edge.contract.control import Progress
from edge.contract.interval import iso_utc
from simulators.demo.conductor import Conductor
from simulators.demo.kills import Kill, KillSchedule

# The table of edge/outbox.py: a row is deleted when the receipt for its message has come.
OUTBOX_TABLE = "outbox"


class OutboxError(Exception):
    """An edge's outbox cannot be read."""


class Killer:
    """Kills hub, broker or edge when the schedule says so; set it as the conductor's `on_progress`.

    :param outboxes: name of each edge process -> its state file
    :param notice: takes one line for the user
    """

    def __init__(
        self,
        conductor: Conductor,
        schedule: KillSchedule,
        outboxes: Mapping[str, Path],
        notice: Callable[[str], None],
    ) -> None:
        self._conductor = conductor
        self._schedule = schedule
        self._outboxes = outboxes
        self._notice = notice

    def __call__(self, name: str, progress: Progress) -> None:
        """Look at a Progress; kill what is due if an edge has messages without receipt at this instant.

        :raises RunError: if what is to be killed is not there
        :raises OutboxError: if an outbox cannot be read
        """
        due = self._schedule.due(progress.utc_s)
        if name not in self._outboxes or progress.pending == 0 or due is None:
            return
        with self._conductor.paused(self._outboxes):
            unreceipted = sum(map(unreceipted_messages, self._outboxes.values()))
            if unreceipted:
                self._kill(due, name)
        done = self._schedule.tried(due, unreceipted)
        if done.is_done:
            what = name if due.what == "edge" else due.what
            self._notice(f"kill -9 of {what} at {iso_utc(progress.utc_s)}: {unreceipted} messages had no receipt")

    def _kill(self, due: Kill, edge_name: str) -> None:
        if due.what == "broker":
            self._conductor.kill_child("hub", "broker")
        else:
            self._conductor.kill(edge_name if due.what == "edge" else "hub")


def unreceipted_messages(outbox: Path) -> int:
    """Return how many messages of an edge's outbox have no receipt yet; 0 if the file does not exist yet.

    The process that owns the file keeps it locked, so a copy is read: database and write-ahead log, as after a crash.
    The process should be paused or dead meanwhile.

    :raises OutboxError: if the file is no such database
    """
    if not outbox.exists():
        return 0
    try:
        with tempfile.TemporaryDirectory(prefix="outbox-") as folder:
            copy = Path(folder) / "copy.db"
            shutil.copyfile(outbox, copy)
            log = outbox.with_name(outbox.name + "-wal")
            if log.exists():
                shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
            with closing(sqlite3.connect(copy)) as connection:
                (count,) = connection.execute(f"SELECT count(*) FROM {OUTBOX_TABLE}").fetchone()  # noqa: S608
    except (OSError, sqlite3.Error) as error:
        raise OutboxError(f"{outbox}: {error}") from None
    return int(count)
