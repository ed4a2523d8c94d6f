"""How far each gateway's messages are committed without a gap: what receipts say.

A message above a gap is stored like any other, and its number is remembered, so that the cursor moves over it once the
gap is filled. A boot whose messages come in for the first time starts at 0, so its first message has seq 1.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session, col, select

from hub.store.bulk import OnConflict, insert_rows
from hub.store.tables import MessageCursorRow

AHEAD_MAX = 4096
"""How many numbers behind a gap are remembered; what is beyond is stored too, but the edge will have to repeat it."""


@dataclass(frozen=True)
class Cursor:
    """Messages 1..upto are committed; so are those in `ahead`, all above upto + 1."""

    upto: int = 0
    ahead: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        assert self.upto >= 0
        assert all(seq > self.upto + 1 for seq in self.ahead)


def advance(cursor: Cursor, seqs: Iterable[int]) -> Cursor:
    """Return the cursor after the messages `seqs` (in any order, repeats allowed) are committed too."""
    seen = {seq for seq in seqs if seq > cursor.upto} | cursor.ahead
    upto = cursor.upto
    while upto + 1 in seen:
        upto += 1
    ahead = sorted(seq for seq in seen if seq > upto)[:AHEAD_MAX]
    return Cursor(upto, frozenset(ahead))


def load_cursor(session: Session, gateway: int, boot: str) -> Cursor:
    """Return the cursor of one boot of a gateway; a boot that was never seen is at 0."""
    found = session.exec(
        select(MessageCursorRow.upto, MessageCursorRow.ahead).where(
            col(MessageCursorRow.gateway) == gateway, col(MessageCursorRow.boot) == boot
        )
    ).one_or_none()
    if found is None:
        return Cursor()
    upto, ahead = found
    return Cursor(upto, frozenset(json.loads(ahead)))


def save_cursors(session: Session, cursors: dict[tuple[int, str], Cursor]) -> None:
    """Write the cursors by (gateway, boot)."""
    rows = [
        (gateway, boot, cursor.upto, json.dumps(sorted(cursor.ahead)))
        for (gateway, boot), cursor in sorted(cursors.items())
    ]
    insert_rows(session, MessageCursorRow, ("gateway", "boot", "upto", "ahead"), rows, OnConflict.REPLACE)
