"""What the append-only logs of the database have in common: whose record comes next is the database's decision."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel


class SequenceTakenError(ValueError):
    """Another writer appended first; read what it appended and decide again."""


def append_row(session: Session, row: SQLModel, *, what: str) -> None:
    """Write the next record of a log into the session's transaction.

    :param what: the record, in words
    :raises SequenceTakenError: if a record of that number, or with that event id, is there; the transaction is over
    """
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        session.rollback()
        raise SequenceTakenError(f"{what} is there") from error
