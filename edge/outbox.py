"""Store-and-forward: agents' states, sample cursor, messages without receipt, refusals and counts in one SQLite file.

What belongs together commits together: after a kill -9 an instant is either sampled, with its messages and its counts,
or not at all. A row leaves only when the hub's receipt covers it. The write-ahead log is flushed at every commit.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge.agent import AgentState, Outgoing
from edge.delivery import WITHDRAWN, NotedRejection, OutboxKey

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE agent (gateway TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE cursor (one INTEGER PRIMARY KEY CHECK (one = 1), instant_utc_s INTEGER NOT NULL);
CREATE TABLE outbox (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (gateway, boot, seq)
);
CREATE TABLE rejection (
    gateway TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, meter TEXT NOT NULL,
    instant_utc_s INTEGER NOT NULL, reason TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (gateway, boot, seq, meter, instant_utc_s, reason)
) WITHOUT ROWID;
CREATE TABLE refused (
    gateway TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, topic TEXT NOT NULL,
    payload BLOB NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (gateway, boot, seq)
) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_decode_state = msgspec.json.Decoder(AgentState).decode


class OutboxError(Exception):
    """The state file cannot be opened, read or written."""


@dataclass
class Changes:
    """What one commit writes; all of it or nothing. messages, done and rejections come with their gateway's id."""

    cursor_utc_s: int | None = None
    states: dict[str, AgentState] = field(default_factory=dict)
    messages: list[tuple[str, Outgoing]] = field(default_factory=list)
    done: list[tuple[str, OutboxKey]] = field(default_factory=list)
    rejections: list[tuple[str, NotedRejection]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(
            self.cursor_utc_s is not None or self.states or self.messages or self.done or self.rejections or self.counts
        )


class Outbox:
    """An open state file. It belongs to one process: a second one that opens it is refused."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        :raises OutboxError: if it is no state file, of another version, in use, or cannot be written
        """
        self._path = path
        try:
            self._database = sqlite3.connect(path, isolation_level=None, timeout=0)
            self._prepare()
            self._keys: dict[str, list[OutboxKey]] = {}
            for gateway, *key in self._database.execute(
                "SELECT gateway, row_id, boot, seq, kind FROM outbox ORDER BY row_id"
            ):
                self._keys.setdefault(gateway, []).append(OutboxKey(*key))
            row = self._database.execute("SELECT instant_utc_s FROM cursor").fetchone()
            self._counts = Counter(dict(self._database.execute("SELECT name, value FROM counter")))
        except sqlite3.Error as error:
            raise OutboxError(f"state file {path}: {error}") from None
        self._cursor_utc_s: int | None = None if row is None else row[0]

    @property
    def cursor_utc_s(self) -> int | None:
        """The last instant that was sampled and committed."""
        return self._cursor_utc_s

    @property
    def pending(self) -> int:
        """How many messages wait for a receipt."""
        return sum(len(keys) for keys in self._keys.values())

    def state(self, gateway_id: str) -> AgentState | None:
        """Return the stored state of an agent, or None if it has none yet.

        :raises OutboxError: if it cannot be read
        """
        try:
            row = self._database.execute("SELECT state FROM agent WHERE gateway = ?", (gateway_id,)).fetchone()
            return None if row is None else _decode_state(row[0])
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise OutboxError(f"state file {self._path}, agent {gateway_id}: {error}") from None

    def without_receipt(self, gateway_id: str) -> Sequence[OutboxKey]:
        """Return the gateway's rows in the order of sending."""
        return self._keys.get(gateway_id, ())

    def message(self, key: OutboxKey) -> Outgoing:
        """Return the message of a row that waits for its receipt.

        :raises OutboxError: if it cannot be read
        """
        try:
            row = self._database.execute(
                "SELECT boot, seq, kind, topic, payload FROM outbox WHERE row_id = ?", (key.row_id,)
            ).fetchone()
        except sqlite3.Error as error:
            raise OutboxError(f"state file {self._path}: {error}") from None
        assert row is not None, "only commit() removes rows, and it removes their keys with them"
        return Outgoing(*row)

    def commit(self, changes: Changes) -> None:
        """Write all changes in one transaction and flush it to disk.

        :raises OutboxError: if they cannot be written; then none of them is
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            row_ids = self._write(changes)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise OutboxError(f"state file {self._path}: {error}") from None
        self._forget({key.row_id for _, key in changes.done}, {gateway for gateway, _ in changes.done})
        for row_id, (gateway, message) in zip(row_ids, changes.messages, strict=True):
            key = OutboxKey(row_id, message.boot, message.seq, message.kind)
            self._keys.setdefault(gateway, []).append(key)
        self._counts.update(changes.counts)
        if changes.cursor_utc_s is not None:
            self._cursor_utc_s = changes.cursor_utc_s

    def refuse(self, gateway_id: str, key: OutboxKey, replacement: bytes, reason: str) -> None:
        """Keep the message of a row aside and put `replacement` in its place, so that the hub finds no gap in seq.

        :raises OutboxError: if that cannot be written
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "INSERT OR IGNORE INTO refused SELECT gateway, boot, seq, kind, topic, payload, ? FROM outbox"
                " WHERE row_id = ? AND gateway = ?",
                (reason, key.row_id, gateway_id),
            )
            self._database.execute("UPDATE outbox SET payload = ? WHERE row_id = ?", (replacement, key.row_id))
            self._add_counts(Counter({"refused_messages": 1}))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutboxError(f"state file {self._path}: {error}") from None
        self._counts["refused_messages"] += 1

    def counts(self) -> Counter[str]:
        """Return all counts since the file was made, refusals by kind included.

        :raises OutboxError: if they cannot be read
        """
        counts = Counter(self._counts)
        names = {"iv": "rejected_readings", "ord": "rejected_orders", WITHDRAWN: "withdrawn_orders"}
        for kind, _reason, number in self.rejections():
            counts[names.get(kind, "rejected_others")] += number
        return counts

    def rejections(self) -> list[tuple[str, str, int]]:
        """Return (kind of message, reason, number) of what the hub refused.

        :raises OutboxError: if they cannot be read
        """
        try:
            return list(
                self._database.execute(
                    "SELECT kind, reason, count(*) FROM rejection GROUP BY kind, reason ORDER BY kind, reason"
                )
            )
        except sqlite3.Error as error:
            raise OutboxError(f"state file {self._path}: {error}") from None

    def close(self) -> None:
        """Close the file; what is committed stays."""
        self._database.close()

    def _prepare(self) -> None:
        # The lock is held as long as the file is open: two processes with one state would send one seq twice.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("BEGIN EXCLUSIVE")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and tables == 0:
            for statement in _SCHEMA.split(";"):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            self._database.close()
            raise OutboxError(f"state file {self._path}: version {version}; this program reads {SCHEMA_VERSION}")
        self._database.execute("COMMIT")

    def _write(self, changes: Changes) -> list[int]:
        execute, executemany = self._database.execute, self._database.executemany
        if changes.cursor_utc_s is not None:
            execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (changes.cursor_utc_s,))
        executemany(
            "INSERT OR REPLACE INTO agent VALUES (?, ?)",
            [(gateway, msgspec.json.encode(state)) for gateway, state in changes.states.items()],
        )
        executemany("DELETE FROM outbox WHERE row_id = ?", [(key.row_id,) for _, key in changes.done])
        executemany(
            "INSERT OR IGNORE INTO rejection VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(gateway, r.boot, r.seq, r.meter, r.instant_utc_s, r.reason, r.kind) for gateway, r in changes.rejections],
        )
        row_ids = []
        for gateway, message in changes.messages:
            inserted = execute(
                "INSERT INTO outbox (gateway, boot, seq, kind, topic, payload) VALUES (?, ?, ?, ?, ?, ?)",
                (gateway, message.boot, message.seq, message.kind, message.topic, message.payload),
            )
            assert inserted.lastrowid is not None
            row_ids.append(inserted.lastrowid)
        self._add_counts(changes.counts)
        return row_ids

    def _add_counts(self, counts: Counter[str]) -> None:
        self._database.executemany(
            "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            list(counts.items()),
        )

    def _forget(self, row_ids: set[int], gateways: Iterable[str]) -> None:
        for gateway in gateways:
            self._keys[gateway] = [key for key in self._keys[gateway] if key.row_id not in row_ids]
