"""Running totals, raised in the transaction of what they count."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlmodel import Session, select

from hub.store.tables import CounterRow

_ADD = text(
    "INSERT INTO counter (name, value) VALUES (:name, :value) "
    "ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value"
)


def add_to_counters(session: Session, amounts: Mapping[str, int]) -> None:
    """Add each amount to the counter of its name; a counter that is not there yet starts at 0."""
    rows = [{"name": name, "value": value} for name, value in sorted(amounts.items()) if value]
    if rows:
        session.execute(_ADD, rows)


def read_counters(session: Session) -> dict[str, int]:
    """Return every counter by name."""
    return {row.name: row.value for row in session.exec(select(CounterRow)).all()}
