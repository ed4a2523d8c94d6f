"""The table of listing trading: its append-only log. All else is computed from it."""

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables import GIVEN


class ListingEventRow(SQLModel, table=True):
    """One record of a listing market's log; append-only by trigger.

    market: whose sessions share quotas; they share one sequence, from 1 without gaps, because a take in one session may
    use up a quota in another: two writers in two sessions must not both win. So (session, sequence) is unique too.
    event_id: the idempotency key. session_id: None for events of no session. event, outcomes: JSON; sha256: of the
    record on top of all before it.
    """

    __tablename__ = "listing_event"
    __table_args__ = (
        UniqueConstraint("market", "event_id"),
        UniqueConstraint("session_id", "market", "sequence"),
    )
    market: str = Field(primary_key=True, sa_type=Text)
    sequence: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    event_id: str = Field(sa_type=Text)
    session_id: str | None = Field(default=None, sa_type=Text)
    at_utc_s: int = Field(sa_type=BigInteger)
    actor: str = Field(sa_type=Text)
    event: str = Field(sa_type=Text)
    outcomes: str = Field(sa_type=Text)
    sha256: str = Field(sa_type=Text)
