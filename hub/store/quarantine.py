"""What the hub refused: one row for each distinct thing, with how often it came. Nothing is dropped without a row."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from hub.store.tables import QuarantineRow, RefusedKind

EXCERPT_CHARACTERS_MAX = 200

_ADD = text(
    "INSERT INTO quarantine (refusal_id, kind, reason, device, about, at_utc_s, first_seen_utc_s, last_seen_utc_s, "
    "excerpt, count) VALUES (:refusal_id, :kind, :reason, :device, :about, :at_utc_s, :seen_utc_s, :seen_utc_s, "
    ":excerpt, :count) ON CONFLICT (refusal_id) DO UPDATE SET count = quarantine.count + excluded.count, "
    "last_seen_utc_s = excluded.last_seen_utc_s"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is refused. device: the name in the topic. about: meter or order id, or what is wrong.

    at_utc_s: the reading's instant or the start of the order's interval, None if there is none.
    content: the bytes that were refused; their start is kept as text.
    """

    kind: RefusedKind
    reason: str
    device: str
    about: str
    at_utc_s: int | None
    content: bytes


@dataclass(frozen=True)
class RefusalCount:
    """How many distinct things were refused for a reason, and how often they came in all, repeats included."""

    kind: RefusedKind
    reason: str
    distinct: int
    total: int


def save_refusals(session: Session, refusals: Iterable[Refusal], seen_utc_s: int) -> None:
    """Write the refusals; what was refused before for the same reason is counted again.

    :param seen_utc_s: the hub's time, virtual in a run in virtual time
    """
    rows: dict[str, dict[str, int | str | None]] = {}
    counts: dict[str, int] = {}
    for refusal in refusals:
        key = _refusal_id(refusal)
        counts[key] = counts.get(key, 0) + 1
        rows[key] = {
            "refusal_id": key,
            "kind": refusal.kind.value,
            "reason": refusal.reason,
            "device": _printable(refusal.device),
            "about": _printable(refusal.about),
            "at_utc_s": refusal.at_utc_s,
            "seen_utc_s": seen_utc_s,
            "excerpt": _printable(refusal.content[: 4 * EXCERPT_CHARACTERS_MAX].decode("utf-8", "replace")),
            "count": counts[key],
        }
    if rows:
        session.execute(_ADD, [rows[key] for key in sorted(rows)])


def refusal_counts(session: Session) -> list[RefusalCount]:
    """Return the counts by kind and reason, sorted."""
    rows = session.exec(
        select(QuarantineRow.kind, QuarantineRow.reason, func.count(), func.sum(col(QuarantineRow.count)))
        .group_by(col(QuarantineRow.kind), col(QuarantineRow.reason))
        .order_by(col(QuarantineRow.kind), col(QuarantineRow.reason))
    ).all()
    counts = [RefusalCount(RefusedKind(kind), reason, distinct, int(total)) for kind, reason, distinct, total in rows]
    return sorted(counts, key=lambda count: (count.kind, count.reason))


def _refusal_id(refusal: Refusal) -> str:
    digest = hashlib.sha256()
    for part in (refusal.kind.name, refusal.reason, refusal.device, refusal.about, str(refusal.at_utc_s)):
        digest.update(part.encode("utf-8", "replace") + b"\0")
    digest.update(refusal.content)
    return digest.hexdigest()[:32]


def _printable(content: str) -> str:
    """Return the start of the text, what is not printable replaced: no NUL for PostgreSQL, no escapes for a screen."""
    return "".join(sign if sign.isprintable() else "�" for sign in content[:EXCERPT_CHARACTERS_MAX])
